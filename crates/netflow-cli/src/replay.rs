//! `nf replay`: sends the export packets of files again.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use netflow_capture::{CaptureError, PacketFile, PacketFileStatistics};
use netflow_exporter::replay::{
    Ended, Origin, Pace, Packets, Recorded, Replay, ReplayError, ReplayOptions, ReplayedExporter, Selection,
    Skipped, SystemClock, Target,
};

use crate::Outcome;
use crate::args;
use crate::input;
use crate::output::{self, count};
use crate::signals;
use crate::target;

/// Exporters that are listed; the summary counts all.
const MAX_EXPORTERS: usize = 20;
/// Packets between two looks at the progress.
const PROGRESS: u64 = 1_000;

pub(crate) fn run(args: &args::Replay) -> anyhow::Result<Outcome> {
    let target = target::parse(&args.to)?;
    if args.rounds != 1 && args.files.iter().any(|path| is_stdin(path)) {
        bail!("stdin cannot be read more than once: give a file for --loop");
    }
    let stop = signals::stop_flag().context("cannot handle signals")?;
    let options = ReplayOptions {
        pace: pace(args),
        max_pause: args
            .max_pause
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        count: args.count,
        sources: args.source.clone(),
    };
    let selection = Selection {
        everything: args.all,
        only_ipfix: matches!(target, Target::Tcp(_)),
        exporters: args.exporter.iter().copied().collect(),
    };
    let mut playing = Playing {
        replay: Replay::new(target, options),
        selection,
        clock: SystemClock::stopped_by(|| stop.load(Ordering::Relaxed)),
        bar: bar(),
        unsent: Unsent::default(),
        bad: false,
    };
    greet(args, target);
    let start = Instant::now();
    let ended = playing.rounds(args);
    let elapsed = start.elapsed();
    playing.bar.finish_and_clear();
    let statistics = playing.replay.statistics();
    for line in summary(&mut playing, target, elapsed) {
        output::note(line);
    }
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) if statistics.sent == 0 => return Err(error),
        Err(error) => {
            output::error(format_args!("{error:#}"));
            return Ok(Outcome::BadInput);
        }
    };
    if statistics.sent == 0 && ended != Ended::Stopped {
        bail!("nothing was sent");
    }
    let unsent =
        statistics.lost + statistics.refused + statistics.exporters_beyond + playing.unsent.truncated;
    Ok(if playing.bad || unsent > 0 { Outcome::BadInput } else { Outcome::Done })
}

fn pace(args: &args::Replay) -> Pace {
    match args.pps {
        Some(rate) => Pace::PerSecond(rate),
        None if args.topspeed => Pace::Top,
        None => Pace::Recorded(args.speed),
    }
}

fn greet(args: &args::Replay, target: Target) {
    let pace = match pace(args) {
        Pace::Recorded(1.0) => "at the recorded pace".to_owned(),
        Pace::Recorded(speed) => format!("at {speed} times the recorded pace"),
        Pace::PerSecond(rate) => format!("{rate} packets a second"),
        Pace::Top => "as fast as they go".to_owned(),
    };
    let way = if matches!(target, Target::Tcp(_)) { " over TCP" } else { "" };
    output::note(format_args!("sending to {}{way}, {pace}; Ctrl-C ends", target.address()));
}

/// How many packets were read, for a terminal.
fn bar() -> ProgressBar {
    match io::stderr().is_terminal() {
        true => ProgressBar::new_spinner(),
        false => ProgressBar::hidden(),
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A replay, and what it needs.
struct Playing<F> {
    replay: Replay,
    selection: Selection,
    clock: SystemClock<F>,
    bar: ProgressBar,
    unsent: Unsent,
    /// A file could not be read, or not to its end.
    bad: bool,
}

/// What files held that was not sent.
#[derive(Default)]
struct Unsent {
    foreign: u64,
    truncated: u64,
    other_exporters: u64,
    no_ipfix: u64,
    /// Octets of IPFIX files that belong to no message.
    skipped: u64,
}

impl Unsent {
    fn add(&mut self, skipped: Skipped) {
        self.foreign += skipped.foreign;
        self.truncated += skipped.truncated;
        self.other_exporters += skipped.other_exporters;
        self.no_ipfix += skipped.no_ipfix;
    }
}

impl<F: FnMut() -> bool> Playing<F> {
    /// Plays all files as often as is wanted.
    fn rounds(&mut self, args: &args::Replay) -> anyhow::Result<Ended> {
        let mut round = 0;
        loop {
            let before = self.replay.statistics();
            for path in &args.files {
                let ended = self.file(path)?;
                if ended != Ended::Whole {
                    return Ok(ended);
                }
            }
            round += 1;
            // Files without packets would be read for ever.
            if round == args.rounds || self.replay.statistics() == before {
                return Ok(Ended::Whole);
            }
        }
    }

    /// Plays a file. An error ends the replay; a file that cannot be read is told, and the next is played.
    fn file(&mut self, path: &Path) -> anyhow::Result<Ended> {
        let name = if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() };
        let named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ipfix"));
        let opened = match open(path) {
            Ok(file) => PacketFile::new(file, named).with_context(|| name.clone()),
            Err(error) => Err(error),
        };
        let mut packets = match opened {
            Ok(file) => Recorded::new(file, self.selection.clone()),
            Err(error) => return self.failed(&error),
        };
        let bar = self.bar.clone();
        let mut watched = Watched { packets: &mut packets, bar, read: self.replay.statistics().sent };
        let ended = self.replay.play(&mut watched, &mut self.clock);
        self.unsent.add(packets.skipped());
        if let PacketFileStatistics::Messages(statistics) = packets.statistics() {
            self.unsent.skipped += statistics.skipped;
            self.bad |= statistics.skipped > 0;
        }
        match ended {
            Ok(ended) => Ok(ended),
            Err(ReplayError::Packets(error)) => self.failed(&anyhow::Error::new(error).context(name)),
            Err(error) => Err(error.into()),
        }
    }

    fn failed(&mut self, error: &anyhow::Error) -> anyhow::Result<Ended> {
        self.bad = true;
        self.bar.suspend(|| output::error(format_args!("{error:#}")));
        Ok(Ended::Whole)
    }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(File::open(path).with_context(|| input::cannot_read(path))?))
}

/// Shows how many packets were read.
struct Watched<'a, P> {
    packets: &'a mut P,
    bar: ProgressBar,
    read: u64,
}

impl<P: Packets<Error = CaptureError>> Packets for Watched<'_, P> {
    type Error = CaptureError;

    fn next_packet(&mut self, octets: &mut Vec<u8>) -> Result<Option<Origin>, CaptureError> {
        self.read += 1;
        if self.read % PROGRESS == 0 {
            self.bar.set_message(count(self.read, "packet"));
            self.bar.tick();
        }
        self.packets.next_packet(octets)
    }
}

/// What was sent, from where, and what was not.
fn summary<F>(playing: &mut Playing<F>, target: Target, elapsed: Duration) -> Vec<String> {
    let statistics = playing.replay.statistics();
    let exporters: Vec<_> = playing.replay.exporters().collect();
    let mut lines = Vec::new();
    if statistics.sent > 0 {
        lines.push(format!(
            "{} ({}) of {} sent in {:.1} s",
            count(statistics.sent, "packet"),
            count(statistics.sent_octets, "octet"),
            count(exporters.len() as u64, "exporter"),
            elapsed.as_secs_f64(),
        ));
    }
    for exporter in exporters.iter().take(MAX_EXPORTERS) {
        lines.extend(came_from(exporter));
    }
    let more = exporters.len().saturating_sub(MAX_EXPORTERS);
    if more > 0 {
        lines.push(format!("and of {}", count(more as u64, "more exporter")));
    }
    if share_an_address(&exporters) {
        lines.push(
            "exporters with different addresses were sent from one: a collector that tells exporters apart by \
             address mixes their templates (--source gives more addresses)"
                .into(),
        );
    }
    let unsent = &playing.unsent;
    let mut not_sent = |number: u64, what: &str, why: &str| {
        if number > 0 {
            lines.push(format!("not sent: {} {why}", count(number, what)));
        }
    };
    not_sent(unsent.foreign, "datagram", "that are no NetFlow or IPFIX (--all sends them)");
    not_sent(unsent.truncated, "datagram", "of which the file has only the beginning");
    not_sent(unsent.other_exporters, "datagram", "of other exporters");
    not_sent(unsent.no_ipfix, "export packet", "that are no IPFIX, which alone goes over TCP");
    not_sent(unsent.skipped, "octet", "of IPFIX files that belong to no message");
    not_sent(statistics.exporters_beyond, "packet", "of exporters too many to tell apart");
    if statistics.lost > 0 {
        let error = playing.replay.take_error().map_or_else(String::new, |error| format!(": {error}"));
        lines.push(format!(
            "{} ({}) could not be sent{error}",
            count(statistics.lost, "packet"),
            count(statistics.lost_octets, "octet")
        ));
    }
    if statistics.refused > 0 {
        lines.push(format!(
            "nobody listens at {}: it was said {}",
            target.address(),
            count(statistics.refused, "time")
        ));
    }
    lines
}

/// Where an exporter's packets came from and were sent from.
fn came_from(exporter: &ReplayedExporter) -> Option<String> {
    let source = exporter.source?;
    let packets = count(exporter.packets, "packet");
    let recorded = exporter.recorded;
    Some(match recorded {
        _ if recorded.ip().is_unspecified() => {
            format!("{packets} of an exporter that is not named, from {source}")
        }
        _ => format!("{packets} of {recorded}, from {source}"),
    })
}

/// Whether exporters with different addresses were sent from the same one.
fn share_an_address(exporters: &[&ReplayedExporter]) -> bool {
    let ip = |address: SocketAddr| address.ip();
    let mut owners = std::collections::HashMap::new();
    exporters
        .iter()
        .filter_map(|exporter| Some((ip(exporter.source?), ip(exporter.recorded))))
        .any(|(source, recorded)| *owners.entry(source).or_insert(recorded) != recorded)
}
