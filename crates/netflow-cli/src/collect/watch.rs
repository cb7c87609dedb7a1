//! Looking after a running collector.

use std::collections::HashSet;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use indicatif::{ProgressBar, ProgressStyle};
use netflow_collector::{Collector, Denial, Event, OutputEvent, Snapshot, WriteFailure};
use netflow_templates::{Exporter, Problem};

use super::health::{self, Trouble};
use super::outputs::{Outputs, explain_write};
use super::state;
use crate::args::Collect;
use crate::output::{self, count};

/// Messages about packets that are printed; the report counts all.
const MAX_MESSAGES: usize = 50;
/// How often the collector is looked after.
const TICK: Duration = Duration::from_millis(100);
/// How often it is looked for troubles.
const LOOK: Duration = Duration::from_secs(1);

/// Messages, and a line of status on a terminal.
pub(super) struct Watch {
    debug: bool,
    seen: HashSet<String>,
    silenced: bool,
    pub(super) bar: ProgressBar,
    /// When flows were counted last, and how many there were.
    measured: (Instant, u64),
    pub(super) closed_pipe: bool,
    /// When troubles were looked for, and what was found and told.
    looked: Instant,
    told: Vec<Trouble>,
}

impl Watch {
    pub(super) fn new(args: &Collect) -> Self {
        let bar = if io::stderr().is_terminal() && !args.debug {
            ProgressBar::new_spinner().with_style(
                ProgressStyle::with_template("{spinner} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            )
        } else {
            ProgressBar::hidden()
        };
        let (debug, seen, silenced) = (args.debug, HashSet::new(), false);
        let (looked, told, measured) = (Instant::now(), Vec::new(), (Instant::now(), 0));
        Self { debug, seen, silenced, bar, measured, closed_pipe: false, looked, told }
    }

    /// Whether there is a line of status.
    pub(super) fn shows_status(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Takes events for one tick.
    pub(super) fn events(&mut self, collector: &Collector) {
        let until = Instant::now() + TICK;
        loop {
            match collector.events().recv_deadline(until) {
                Ok(event) => {
                    self.event(event);
                    // A channel that never runs empty has no deadline, and the signals wait.
                    if Instant::now() >= until {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => return std::thread::sleep(TICK),
            }
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Packet { exporter, octets, version, flows } => {
                let version = if version == 10 { "IPFIX".to_owned() } else { format!("v{version}") };
                let from = SocketAddr::from(exporter);
                self.say(format_args!("{from}: {version}, {octets} octets, {}", count(flows, "flow")));
            }
            Event::Malformed { exporter, error } => self.once(exporter, &error.to_string()),
            Event::Problem { exporter, problem: Problem::MissingTemplate { set_id, .. }, domain } => self.once(
                exporter,
                &format!("data of template {set_id} (domain {domain}) came before it; they wait until it is sent"),
            ),
            Event::Problem { exporter, problem, domain } => {
                // Told once for each kind, not for each offset.
                let kind = std::mem::discriminant(&problem);
                let of_sets = match &problem {
                    Problem::Set(error) => Some(std::mem::discriminant(error)),
                    _ => None,
                };
                let key = format!("{exporter:?} {domain} {kind:?} {of_sets:?}");
                if self.is_new(key) {
                    self.say(format_args!("{} (domain {domain}): {problem}", SocketAddr::from(exporter)));
                }
            }
            Event::Denied { exporter, refusal } => {
                let why = match refusal {
                    Denial::TooFast => "sends more than --rate-limit lets it; the rest is counted",
                    _ => "is not among those of --allow; what it sends is counted",
                };
                self.once_said(format!("{exporter} {why}"));
            }
            Event::State(event) => self.say(state::sentence(event)),
            Event::Capture(error) => self.say(format_args!("{:#}", anyhow::Error::from(error))),
            Event::Socket { address, error } => self.once_said(format!("{address}: {error}")),
            Event::Opened { exporter } if self.debug => {
                self.say(format_args!("{}: connected", SocketAddr::from(exporter)));
            }
            Event::Refused { exporter, reason } => {
                let of = if reason.is_of_all() { None } else { Some(exporter) };
                self.connection(exporter, of, reason.name(), format_args!("connection refused: {reason}"));
            }
            Event::Closed { exporter, reason, messages } if self.debug || !reason.is_regular() => {
                let after = count(messages, "message");
                let (of, name) = (if reason.is_of_all() { None } else { Some(exporter) }, reason.name());
                self.connection(exporter, of, name, format_args!("connection closed after {after}: {reason}"));
            }
            _ => {}
        }
    }

    /// Says what became of a connection: once for each reason and address, or once for all addresses.
    fn connection(
        &mut self,
        exporter: Exporter,
        of: Option<Exporter>,
        reason: &str,
        message: impl std::fmt::Display,
    ) {
        if self.is_new(format!("{:?} {reason}", of.map(|exporter| exporter.address))) {
            self.say(format_args!("{}: {message}", SocketAddr::from(exporter)));
        }
    }

    fn once(&mut self, exporter: Exporter, message: &str) {
        self.once_said(format!("{}: {message}", exporter.address));
    }

    fn is_new(&mut self, message: String) -> bool {
        if self.debug {
            return true;
        }
        if self.seen.len() >= MAX_MESSAGES {
            if !self.silenced {
                self.silenced = true;
                self.say("further messages about packets are only counted (-D prints all)");
            }
            return false;
        }
        self.seen.insert(message)
    }

    /// Says what happened to a file; true when nobody reads the output any more.
    pub(super) fn output(&mut self, event: OutputEvent) -> bool {
        match event {
            OutputEvent::Failed(WriteFailure { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                self.closed_pipe = true;
                return true;
            }
            OutputEvent::Failed(failure) => self.say(explain_write(failure)),
            OutputEvent::WritesAgain => {
                self.say("writing goes on; what was lost until now is counted at the end")
            }
            OutputEvent::Finished { path, flows } if self.debug => {
                self.say(format_args!("{}: complete, {}", path.display(), count(flows, "flow")));
            }
            OutputEvent::Mended { path, cut, saved_lines, lost_text, open_line } => {
                let mut more = String::new();
                if cut > 0 {
                    more = format!("; it ended in {} of a block that was not whole", count(cut, "octet"));
                }
                if saved_lines + lost_text > 0 {
                    more += &format!(
                        ": {} of it saved, {} of an unfinished line lost",
                        count(saved_lines, "line"),
                        count(lost_text, "octet")
                    );
                }
                if open_line > 0 {
                    more += &format!("; its last line, of {}, had no end", count(open_line, "octet"));
                }
                self.say(format_args!(
                    "{}: left unfinished by an earlier run, now complete{more}",
                    path.display()
                ));
            }
            OutputEvent::Damaged(WriteFailure { target, source }) => self.say(format_args!(
                "{}: left unfinished by an earlier run, and cannot be completed, since {source}; it is left as it is",
                target.display()
            )),
            OutputEvent::CommandFailed { program, failure } => {
                self.once_said(format!("the command {program} for complete files failed: {failure}"));
            }
            _ => {}
        }
        false
    }

    fn once_said(&mut self, message: String) {
        if self.is_new(message.clone()) {
            self.say(message);
        }
    }

    /// Says what keeps the collector from its work, when that begins. Without an output that can be written to there is
    /// nothing to collect for.
    pub(super) fn health(&mut self, collector: &Collector, outputs: &Outputs) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let outputs = outputs.states();
        let mut troubles = health::troubles(collector.failed_threads(), &outputs);
        // What the system said of it is told with the event.
        troubles.retain(|trouble| !matches!(trouble, Trouble::Failing(_)));
        let is_new = |trouble: &&Trouble| !self.told.iter().any(|told| told.is_like(trouble));
        troubles.iter().filter(is_new).for_each(|trouble| self.say(trouble));
        self.told = troubles;
        if health::all_failed(&outputs) {
            collector.request_stop();
        }
    }

    /// Renews the line of status, now and then.
    pub(super) fn status(&mut self, collector: &Collector, outputs: &Outputs) {
        if !self.shows_status() {
            return;
        }
        self.bar.tick();
        let (before, flows_before) = self.measured;
        let seconds = before.elapsed().as_secs_f64();
        if seconds < 1.0 {
            return;
        }
        let snapshot = collector.observer().snapshot();
        self.measured = (Instant::now(), snapshot.flows);
        let rate = snapshot.flows.saturating_sub(flows_before) as f64 / seconds;
        self.bar.set_message(status_line(&snapshot, rate, outputs.current_file().as_deref()));
    }

    pub(super) fn say(&self, message: impl std::fmt::Display) {
        self.bar.suspend(|| output::note(message));
    }
}

/// How it goes, in a line.
fn status_line(snapshot: &Snapshot, rate: f64, file: Option<&Path>) -> String {
    let report = &snapshot.report;
    let exporters = report.domains.chunk_by(|one, other| one.exporter == other.exporter).count() as u64;
    let mut line = format!(
        "{} packets, {} flows ({rate:.0} flows/s), {}",
        snapshot.decoded,
        snapshot.flows,
        count(exporters, "exporter")
    );
    let dropped = report.dropped + report.kernel_dropped.unwrap_or(0);
    for (number, what) in [(dropped, "dropped"), (report.not_allowed + report.too_fast, "refused")] {
        if number > 0 {
            line += &format!(", {number} {what}");
        }
    }
    if let Some(name) = file.and_then(Path::file_name) {
        line += &format!(", {}", name.to_string_lossy());
    }
    line
}
