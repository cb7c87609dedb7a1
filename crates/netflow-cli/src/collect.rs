//! `nf collect`: receives export packets and writes flow files.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam_channel::RecvTimeoutError;
use indicatif::{ProgressBar, ProgressStyle};
use netflow_collector::sequence::Convention;
use netflow_collector::{
    Collector, CollectorError, Config, Event, FileWriter, Inlet, Report, Source, WriteFailure, WriterReport,
};
use netflow_flow::Format;
use netflow_templates::{Exporter, Problem, Timestamp};

use crate::Outcome;
use crate::args::Collect;
use crate::endpoint;
use crate::input;
use crate::output::{self, count};
use crate::signals;

/// Messages about packets that are printed; the report counts all.
const MAX_MESSAGES: usize = 50;
/// The port that is listened on if none is given.
pub(crate) const PORT: u16 = 2055;
/// How often the collector is looked after.
const TICK: Duration = Duration::from_millis(100);
/// Octets of receive buffer that Linux takes at most, in `setsockopt` and in `sysctl`: both are an `int`.
const MAX_RECEIVE_BUFFER: usize = i32::MAX as usize;

pub(crate) fn run(args: &Collect) -> anyhow::Result<Outcome> {
    let source = match &args.read {
        Some(path) => Source::Capture(path.clone()),
        None => Source::Udp(vec![endpoint::host(&args.host, args.port)?]),
    };
    let mut config = Config::new(source);
    config.session = input::session_config(&args.decoding)?;
    config.receive_buffer = receive_buffer(args.buffer);
    config.flush_interval = Duration::from_secs(args.flush.max(1));
    config.packets = args.count;
    config.packet_events = args.debug;

    let stop = signals::stop_flag().context("cannot handle signals")?;
    let (path, format, gzip) = target(args)?;
    // First the port: one that is in use must not leave an empty file behind.
    let inlet = Inlet::open(&config).map_err(explain_start)?;
    let writer = match path == Path::new("-") {
        true => FileWriter::to(output::data(), format),
        false => FileWriter::open(&path, format, gzip),
    };
    let writer = writer.map_err(explain_write)?;
    if args.decoding.sampling.is_some() && format == Format::Packets {
        output::note(
            "--sampling changes nothing here: export packets are written as they came (try .ndjson or .csv)",
        );
    }
    let outputs = (0..threads(args)).map(|_| writer.output(args.decoding.sampling)).collect();
    let collector = Collector::start(&config, inlet, outputs).map_err(explain_start)?;
    greet(args, &collector, &path);

    let mut watch = Watch::new(args);
    while !collector.is_stopping() {
        if stop.load(Ordering::Relaxed) {
            collector.request_stop();
        }
        watch.events(&collector);
        for failure in writer.failures().try_iter() {
            if watch.write_failed(failure) {
                collector.request_stop();
            }
        }
        watch.status(&collector);
    }
    let events = collector.events().clone();
    let report = collector.stop();
    for event in events.try_iter() {
        watch.event(event);
    }
    let (written, failures) = writer.finish();
    for failure in failures {
        watch.write_failed(failure);
    }
    watch.bar.finish_and_clear();
    if !watch.closed_pipe {
        for line in summary(&report, &written) {
            output::note(line);
        }
    }

    let failed = failed_threads(&report, &written);
    for name in &failed {
        output::error(format_args!(
            "the thread {name} failed, which is an error of nf: what it had not handed on is lost, and missing above"
        ));
    }
    // Nobody wanted the rest, whatever was wrong in it.
    if watch.closed_pipe && failed.is_empty() {
        return Ok(Outcome::Done);
    }
    let skipped = report.ipfix_file.is_some_and(|file| file.skipped > 0);
    let bad_capture = args.read.is_some() && (report.capture_failed || report.faulty > 0 || skipped);
    if let Some(file) = args.read.as_ref().filter(|_| report.session.packets == 0) {
        bail!("no export packets in {}", file.display());
    }
    let lost = written.lost_blocks > 0;
    if lost && written.octets == 0 {
        bail!("nothing could be written");
    }
    Ok(if bad_capture || lost || !failed.is_empty() { Outcome::BadInput } else { Outcome::Done })
}

/// Names of the threads that did not come to their end.
fn failed_threads<'a>(report: &'a Report, written: &WriterReport) -> Vec<&'a str> {
    report.failed_threads.iter().map(String::as_str).chain(written.failed.then_some("writer")).collect()
}

/// File, format and whether it is compressed.
fn target(args: &Collect) -> anyhow::Result<(PathBuf, Format, bool)> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => PathBuf::from(format!(
            "{}.gz",
            Timestamp::from(std::time::SystemTime::now()).as_nanos() / 1_000_000_000
        )),
    };
    if path == Path::new("-") {
        return Ok((path, args.format.unwrap_or(Format::Packets), false));
    }
    let gzip_name = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    match args.format {
        Some(format) => Ok((path, format, gzip_name)),
        None => {
            let (format, gzip) = Format::of_path(&path)?;
            if gzip && !gzip_name {
                output::note(format_args!(
                    "{}: this ending names no format, so it gets export packets as JSON, compressed with gzip; .json, .ndjson, .csv or --format choose another",
                    path.display()
                ));
            }
            Ok((path, format, gzip))
        }
    }
}

/// Octets of receive buffer to ask for.
pub(crate) fn receive_buffer(mebibytes: usize) -> usize {
    mebibytes.saturating_mul(1 << 20).min(MAX_RECEIVE_BUFFER)
}

fn threads(args: &Collect) -> usize {
    match args.threads {
        // One core is for receiving and writing.
        0 => available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).clamp(1, 16),
        threads => threads.min(256),
    }
}

/// What to do about it, behind what is wrong.
pub(crate) fn explain_start(error: CollectorError) -> anyhow::Error {
    let advice = match &error {
        CollectorError::Bind { address, source } => bind_advice(*address, source.kind(), "-p"),
        CollectorError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "; is the name right? --read takes a pcap or pcapng file".into()
        }
        _ => String::new(),
    };
    anyhow::anyhow!("{error}{advice}")
}

/// What to do about an address that cannot be bound; `flag` chooses another port.
pub(crate) fn bind_advice(address: SocketAddr, error: io::ErrorKind, flag: &str) -> String {
    match error {
        io::ErrorKind::AddrInUse => {
            let port = address.port();
            format!(
                "; another program has the port (`ss -lunp 'sport = {port}'` names it): choose one with {flag}"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need privileges: choose a higher one with {flag}")
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address (`ip address` lists them)".into()
        }
        _ => String::new(),
    }
}

fn explain_write(failure: WriteFailure) -> anyhow::Error {
    let advice = write_advice(failure.source.kind());
    anyhow::anyhow!("{failure}{advice}")
}

fn write_advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the disk is full: free some room, and writing goes on with what comes then"
        }
        io::ErrorKind::NotFound => "; the directory does not exist: create it first",
        io::ErrorKind::PermissionDenied => "; choose a file that you may write with -o",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is read-only: choose another with -o",
        io::ErrorKind::IsADirectory => "; this is a directory: name a file in it",
        io::ErrorKind::InvalidData => "; choose another file with -o",
        _ => "",
    }
}

fn greet(args: &Collect, collector: &Collector, path: &Path) {
    let to = if path == Path::new("-") { "stdout".to_owned() } else { path.display().to_string() };
    match &args.read {
        Some(capture) => output::note(format_args!("reading {}, writing to {to}", capture.display())),
        None => {
            let addresses: Vec<_> = collector.addresses().iter().map(ToString::to_string).collect();
            output::note(format_args!(
                "listening on {} (UDP), writing to {to}; Ctrl-C ends",
                addresses.join(", ")
            ));
        }
    }
    let granted = collector.receive_buffers().iter().min().copied().unwrap_or(usize::MAX);
    note_receive_buffer(granted, receive_buffer(args.buffer));
}

/// Says when the receive buffer is smaller than was asked for, and what helps.
pub(crate) fn note_receive_buffer(granted: usize, asked: usize) {
    // Linux grants twice what it counts for payload.
    if granted < asked {
        output::note(format_args!(
            "the receive buffer is {} KiB of {} asked for; to lose less under load: sysctl -w net.core.rmem_max={asked}",
            granted >> 10,
            asked >> 10
        ));
    }
}

/// Looks after a running collector: messages, and a line of status on a terminal.
struct Watch {
    debug: bool,
    seen: HashSet<String>,
    silenced: bool,
    bar: ProgressBar,
    started: Instant,
    closed_pipe: bool,
}

impl Watch {
    fn new(args: &Collect) -> Self {
        let bar = if io::stderr().is_terminal() && !args.debug {
            ProgressBar::new_spinner().with_style(
                ProgressStyle::with_template("{spinner} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            )
        } else {
            ProgressBar::hidden()
        };
        let (debug, seen, silenced) = (args.debug, HashSet::new(), false);
        Self { debug, seen, silenced, bar, started: Instant::now(), closed_pipe: false }
    }

    /// Takes events for one tick.
    fn events(&mut self, collector: &Collector) {
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

    fn event(&mut self, event: Event) {
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
            Event::Capture(error) => self.say(format_args!("{:#}", anyhow::Error::from(error))),
            Event::Socket { address, error } => self.say(format_args!("{address}: {error}")),
            _ => {}
        }
    }

    fn once(&mut self, exporter: Exporter, message: &str) {
        let message = format!("{}: {message}", exporter.address);
        if self.is_new(message.clone()) {
            self.say(message);
        }
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

    /// Says what could not be written; true when nobody reads the output any more.
    fn write_failed(&mut self, failure: WriteFailure) -> bool {
        if failure.source.kind() == io::ErrorKind::BrokenPipe {
            self.closed_pipe = true;
            return true;
        }
        self.say(explain_write(failure));
        false
    }

    fn status(&self, collector: &Collector) {
        let (packets, flows) = collector.progress();
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        self.bar
            .set_message(format!("{packets} packets, {flows} flows ({:.0} flows/s)", flows as f64 / seconds));
        self.bar.tick();
    }

    fn say(&self, message: impl std::fmt::Display) {
        self.bar.suspend(|| output::note(message));
    }
}

/// What was received, decoded, waiting and lost.
fn summary(report: &Report, written: &WriterReport) -> Vec<String> {
    let mut lines = vec![format!(
        "{} received: {} decoded, {}, {}; {} written",
        count(report.received, "packet"),
        report.session.packets,
        count(report.session.records, "flow"),
        count(report.session.options_records, "options record"),
        count(written.octets, "octet"),
    )];
    let mut add = |line: String| lines.push(line);
    let beyond = report.received.saturating_sub(report.session.packets + report.malformed + report.dropped);
    if beyond > 0 && !report.failed_threads.is_empty() {
        add(format!("{} went to a thread that failed", count(beyond, "packet")));
    } else if beyond > 0 {
        add(format!("{} came after the last that was asked for, and were left out", count(beyond, "packet")));
    }
    if report.malformed > 0 {
        add(format!("{} were no export packets, or cut off in the header", report.malformed));
    }
    if let Some(file) = report.ipfix_file
        && file.skipped > 0
    {
        add(format!("{} of the file belong to no message, and were skipped", count(file.skipped, "octet")));
    }
    if report.faulty > 0 {
        add(format!("{} had something wrong in them; the rest of each was decoded", report.faulty));
    }
    let session = &report.session;
    if session.undecoded_sets > 0 {
        add(format!(
            "{} came before the template: {} decoded when it came, {} waiting ({} octets), {} given up",
            count(session.undecoded_sets, "data set"),
            session.undecoded_sets.saturating_sub(report.waiting_sets + session.given_up_sets),
            report.waiting_sets,
            report.waiting_octets,
            session.given_up_sets
        ));
    }
    if session.refused_options > 0 {
        add(format!(
            "{} of options data (rates, names) not kept: an exporter had more than it may",
            count(session.refused_options, "fact")
        ));
    }
    if session.given_up_options > 0 {
        add(format!(
            "options data of {} given up, to make room for others",
            count(session.given_up_options, "exporter")
        ));
    }
    if report.dropped > 0 {
        add(format!("{} dropped: decoding did not keep up", count(report.dropped, "packet")));
    }
    match report.kernel_dropped {
        Some(0) => {}
        Some(drops) => {
            add(format!("{} dropped by the kernel: the receive buffer was full", count(drops, "packet")))
        }
        None if report.capture.is_none() && report.ipfix_file.is_none() => {
            add("the system does not tell what it dropped".into())
        }
        None => {}
    }
    if written.cut_octets > 0 {
        let mut line = format!(
            "the file ended in {} of a block that was not whole (a writer that was killed, or a full disk); they were cut off",
            count(written.cut_octets, "octet")
        );
        if written.saved_lines + written.lost_text > 0 {
            // A String takes every text.
            let _ = write!(
                line,
                ": {} of it saved, {} of an unfinished line lost",
                count(written.saved_lines, "line"),
                count(written.lost_text, "octet")
            );
        }
        add(line);
    }
    if written.open_line > 0 {
        add(format!(
            "the file ended in a line of {} without its end, which may be cut off; it was ended",
            count(written.open_line, "octet")
        ));
    }
    if written.lost_blocks > 0 {
        add(format!(
            "{} of {} octets could not be written, and are lost",
            count(written.lost_blocks, "block"),
            written.lost_octets
        ));
    }
    for domain in &report.domains {
        let totals = &domain.sequence;
        let unit = if domain.version == 9 { "packets" } else { "records" };
        let mut line = format!(
            "exporter {} domain {} v{}: {}, {}",
            domain.exporter,
            domain.domain,
            domain.version,
            count(domain.packets, "packet"),
            count(domain.flows, "flow")
        );
        // A String takes every text.
        let _ = match domain.convention {
            _ if domain.version == 1 => write!(line, "; v1 has no sequence numbers"),
            Convention::Unknown if totals.lost == 0 => Ok(()),
            Convention::Other => {
                write!(line, "; its sequence numbers count something else, so loss is unknown")
            }
            _ => write!(line, "; {} {unit} lost by sequence numbers", totals.lost),
        };
        if totals.reordered + totals.duplicates + totals.restarts > 0 {
            let _ = write!(
                line,
                " ({} late, {} twice, {})",
                totals.reordered,
                totals.duplicates,
                count(totals.restarts, "restart")
            );
        }
        add(line);
    }
    if report.untracked_packets > 0 {
        add(format!("{} more packets from exporters too many to list", report.untracked_packets));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_failed_are_named() {
        let report = Report { failed_threads: vec!["shard-1".into()], ..Report::default() };
        let written = WriterReport { failed: true, ..WriterReport::default() };
        assert_eq!(failed_threads(&report, &written), ["shard-1", "writer"]);
        assert!(failed_threads(&Report::default(), &WriterReport::default()).is_empty());
    }
}
