//! `nf replay`: sends the export packets of files again.

use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use netflow_capture::{
    CaptureStatistics, PacketFile, PacketFileStatistics, looks_like_capture, looks_like_ipfix,
};
use netflow_exporter::Version;
use netflow_exporter::replay::{
    Decoded, Encoded, EncodedStatistics, Ended, FlowSource, Origin, Pace, Packets, Recorded, Replay,
    ReplayError, ReplayOptions, ReplayedExporter, Selection, Skipped, SystemClock, Target,
};
use netflow_flow::{Flow, FlowReader, Normalizer, ReadError};

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
/// Bad lines that are told one by one.
const MAX_MESSAGES: u64 = 20;
/// Columns without a field that are named.
const MAX_NAMES: usize = 10;
/// Octets that tell what is in a file.
const FIRST: u64 = 20;

pub(crate) fn run(args: &args::Replay) -> anyhow::Result<Outcome> {
    let target = target::parse(&args.to)?;
    if args.rounds != 1 && args.files.iter().any(|path| is_stdin(path)) {
        bail!("stdin cannot be read more than once: give a file for --loop");
    }
    if matches!(target, Target::Tcp(_)) && args.encode_as.is_some_and(|version| version != Version::Ipfix) {
        bail!("IPFIX alone goes over TCP");
    }
    let stop = signals::stop_flag().context("cannot handle signals")?;
    let options = ReplayOptions {
        pace: pace(args),
        max_pause: args
            .max_pause
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        count: args.count,
        sources: args.source.clone(),
        live: args.files.iter().any(|path| is_live(path)),
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
    let unsent = statistics.lost + statistics.refused + statistics.exporters_beyond;
    Ok(if playing.bad || playing.unsent.is_bad() || unsent > 0 { Outcome::BadInput } else { Outcome::Done })
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

/// Whether a file may come as it is made, such as from a pipe.
fn is_live(path: &Path) -> bool {
    let path = if is_stdin(path) { Path::new("/dev/stdin") } else { path };
    // What is not there is told when it is opened.
    std::fs::metadata(path).is_ok_and(|file| !file.is_file())
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
    datagrams: Skipped,
    /// Octets of IPFIX files that belong to no message.
    skipped: u64,
    flows: EncodedStatistics,
    /// Datagrams that were to be decoded, and could not be.
    malformed: u64,
    /// Data sets without a template.
    undecoded: u64,
    /// Other problems in what was decoded, and those of them by which something was lost.
    problems: u64,
    faults: u64,
    capture: CaptureStatistics,
}

impl Unsent {
    fn add_datagrams(&mut self, skipped: Skipped) {
        let sum = &mut self.datagrams;
        sum.foreign += skipped.foreign;
        sum.truncated += skipped.truncated;
        sum.other_exporters += skipped.other_exporters;
        sum.no_ipfix += skipped.no_ipfix;
    }

    fn add_flows(&mut self, mut statistics: EncodedStatistics) {
        let sum = &mut self.flows;
        sum.flows += statistics.flows;
        sum.left_out += statistics.left_out;
        sum.beyond += statistics.beyond;
        sum.other_exporters += statistics.other_exporters;
        sum.cut += statistics.cut;
        sum.without_field.append(&mut statistics.without_field);
    }

    fn add_file(&mut self, statistics: PacketFileStatistics) {
        match statistics {
            PacketFileStatistics::Messages(statistics) => self.skipped += statistics.skipped,
            PacketFileStatistics::Capture(statistics) => {
                let sum = &mut self.capture;
                // Frames of datagrams are told as datagrams.
                sum.cut_frames += statistics.cut_frames.saturating_sub(statistics.truncated);
                sum.unsupported_link += statistics.unsupported_link;
                sum.oversized += statistics.oversized;
                sum.malformed += statistics.malformed;
                sum.fragments_waiting += statistics.fragments_waiting;
                sum.fragments_dropped += statistics.fragments_dropped;
                sum.tcp_gaps += statistics.tcp_gaps;
            }
        }
    }

    /// What the capture itself lacks.
    fn of_capture(&self) -> [(u64, &'static str, &'static str); 6] {
        let capture = &self.capture;
        [
            (capture.cut_frames, "other frame", "of which the capture has only the beginning"),
            (capture.unsupported_link, "frame", "of a link type that is not known here"),
            (capture.oversized, "frame", "longer than any network frame"),
            (capture.malformed, "IP packet", "with headers that contradict each other"),
            (capture.fragments_waiting + capture.fragments_dropped, "IP packet", "without all its fragments"),
            (capture.tcp_gaps, "gap", "in TCP streams of the capture"),
        ]
    }

    /// Whether something is missing that was to be sent.
    fn is_bad(&self) -> bool {
        let flows = &self.flows;
        let decoding = self.malformed + self.undecoded + self.faults + flows.left_out + flows.beyond;
        let capture: u64 = self.of_capture().iter().map(|(number, ..)| number).sum();
        self.datagrams.truncated + self.skipped + decoding + capture > 0
    }
}

impl<F: FnMut() -> bool> Playing<F> {
    /// Plays all files as often as is wanted.
    fn rounds(&mut self, args: &args::Replay) -> anyhow::Result<Ended> {
        let mut round = 0;
        loop {
            let before = self.replay.statistics();
            for path in &args.files {
                let ended = self.file(args, path)?;
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
    fn file(&mut self, args: &args::Replay, path: &Path) -> anyhow::Result<Ended> {
        let name = if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() };
        let played = match open(args, path) {
            Ok(Content::Packets(file)) if args.encode_as.is_none() => {
                let mut packets = Recorded::new(file, self.selection.clone());
                let played = self.play(&mut packets);
                self.unsent.add_datagrams(packets.skipped());
                self.unsent.add_file(packets.statistics());
                played
            }
            Ok(Content::Packets(file)) => {
                let sampling = args.decoding.sampling;
                let session = input::session_config(&args.decoding)?;
                let flows = Decoded::new(file, session, Normalizer::with_sampling_override(sampling));
                let (played, decoded) = self.encode(args, flows)?;
                self.unsent.malformed += decoded.malformed();
                self.unsent.undecoded += decoded.session().undecoded_sets - decoded.session().late_sets;
                self.unsent.problems += decoded.session().problems;
                self.unsent.faults += decoded.faults();
                if let PacketFileStatistics::Capture(capture) = decoded.statistics() {
                    self.unsent.datagrams.truncated += capture.truncated;
                }
                self.unsent.add_file(decoded.statistics());
                played
            }
            Ok(Content::Flows(reader)) => {
                let bar = self.bar.clone();
                let (played, lines) = self.encode(args, Lines { reader, name: name.clone(), bar, bad: 0 })?;
                self.bad |= lines.bad > 0;
                if lines.bad > MAX_MESSAGES {
                    output::error(format_args!("{name}: {} lines could not be read in all", lines.bad));
                }
                played
            }
            Err(error) => Err(ReplayError::Packets(error)),
        };
        match played {
            Ok(ended) => Ok(ended),
            Err(ReplayError::Packets(error)) => self.failed(&error.context(name)),
            Err(error) => Err(anyhow::anyhow!("{error}")),
        }
    }

    /// Plays flows, encoded anew. Gives back where they come from, for what it counted.
    #[allow(clippy::type_complexity, reason = "the two results are named by the call")]
    fn encode<S: FlowSource<Error: Into<anyhow::Error>>>(
        &mut self,
        args: &args::Replay,
        flows: S,
    ) -> anyhow::Result<(Result<Ended, ReplayError<anyhow::Error>>, S)> {
        let version = args.encode_as.unwrap_or(Version::Ipfix);
        let registry = input::registry(&args.decoding)?;
        let exporters = self.selection.exporters.clone();
        let mut packets = Encoded::new(flows, version, registry).of_exporters(exporters);
        let played = self.play(&mut packets);
        self.unsent.add_flows(packets.statistics());
        Ok((played, packets.into_source()))
    }

    fn play<P: Packets<Error: Into<anyhow::Error>>>(
        &mut self,
        packets: &mut P,
    ) -> Result<Ended, ReplayError<anyhow::Error>> {
        let bar = self.bar.clone();
        let mut watched = Watched { packets, bar, read: self.replay.statistics().sent };
        self.replay.play(&mut watched, &mut self.clock)
    }

    fn failed(&mut self, error: &anyhow::Error) -> anyhow::Result<Ended> {
        self.bad = true;
        self.bar.suspend(|| output::error(format_args!("{error:#}")));
        Ok(Ended::Whole)
    }
}

/// An input, with its first octets apart.
type Input = io::Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

/// What is in a file.
enum Content {
    Packets(PacketFile<Input>),
    Flows(Box<FlowReader<'static>>),
}

/// Opens a file, and looks what is in it.
fn open(args: &args::Replay, path: &Path) -> anyhow::Result<Content> {
    let mut file: Box<dyn Read + Send> = match is_stdin(path) {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).with_context(|| input::cannot_read(path))?),
    };
    let mut first = Vec::new();
    file.by_ref().take(FIRST).read_to_end(&mut first).with_context(|| input::cannot_read(path))?;
    let named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ipfix"));
    let packets = named || looks_like_capture(&first) || looks_like_ipfix(&first);
    let file = Cursor::new(first).chain(file);
    Ok(match packets {
        true => Content::Packets(PacketFile::new(file, named)?),
        false => {
            let registry = input::registry(&args.decoding)?;
            Content::Flows(Box::new(FlowReader::with_registry(file, registry, args.decoding.sampling)?))
        }
    })
}

/// The flows of a flow file. Lines that cannot be read are told.
struct Lines {
    reader: Box<FlowReader<'static>>,
    name: String,
    bar: ProgressBar,
    bad: u64,
}

impl FlowSource for Lines {
    type Error = anyhow::Error;

    fn next_flows(&mut self, flows: &mut Vec<Flow>) -> anyhow::Result<bool> {
        loop {
            match self.reader.read(flows) {
                Err(error) if error.is_recoverable() => {
                    self.bad += 1;
                    if self.bad <= MAX_MESSAGES {
                        self.bar.suspend(|| output::error(format_args!("{}: {error}", self.name)));
                    }
                }
                Err(ReadError::UnknownFormat { start }) => bail!(
                    "neither a capture nor IPFIX messages nor a flow file; it starts with the octets {start}"
                ),
                read => return Ok(read?),
            }
        }
    }
}

/// Shows how many packets were read.
struct Watched<'a, P> {
    packets: &'a mut P,
    bar: ProgressBar,
    read: u64,
}

impl<P: Packets<Error: Into<anyhow::Error>>> Packets for Watched<'_, P> {
    type Error = anyhow::Error;

    fn next_packet(&mut self, octets: &mut Vec<u8>) -> anyhow::Result<Option<Origin>> {
        self.read += 1;
        if self.read.is_multiple_of(PROGRESS) {
            self.bar.set_message(count(self.read, "packet"));
            self.bar.tick();
        }
        self.packets.next_packet(octets).map_err(Into::into)
    }
}

/// What was sent, from where, and what was not.
fn summary<F>(playing: &mut Playing<F>, target: Target, elapsed: Duration) -> Vec<String> {
    let statistics = playing.replay.statistics();
    let exporters: Vec<_> = playing.replay.exporters().collect();
    let mut lines = Vec::new();
    if statistics.sent > 0 {
        let flows = match playing.unsent.flows.flows {
            0 => String::new(),
            flows => format!(" with {}", count(flows, "flow")),
        };
        lines.push(format!(
            "{}{flows} ({}) of {} sent in {:.1} s",
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
    let Unsent { datagrams, skipped, flows, malformed, undecoded, problems, faults, .. } = &playing.unsent;
    let not_sent = [
        (datagrams.foreign, "datagram", "no NetFlow or IPFIX (--all sends them)"),
        (datagrams.truncated, "datagram", "of which the file has only the beginning"),
        (datagrams.other_exporters, "datagram", "of other exporters"),
        (datagrams.no_ipfix, "export packet", "of other versions than IPFIX, which alone goes over TCP"),
        (*skipped, "octet", "of IPFIX files that belong to no message"),
        (*malformed, "datagram", "no export packets, or cut off in the header"),
        (*undecoded, "data set", "without a template"),
        (flows.left_out, "flow", "that this version cannot carry (IPv6), or too long for a packet"),
        (flows.other_exporters, "flow", "of other exporters"),
        (flows.beyond, "flow", "of exporters and kinds too many to have templates"),
        (statistics.exporters_beyond, "packet", "of exporters too many to tell apart"),
    ];
    let not_sent = not_sent.into_iter().chain(playing.unsent.of_capture());
    for (number, what, why) in not_sent.filter(|(number, ..)| *number > 0) {
        lines.push(format!("not sent: {}, {why}", count(number, what)));
    }
    if *faults > 0 {
        lines.push(format!(
            "not sent: what {} in the packets hid; nf decode tells which",
            count(*faults, "problem")
        ));
    }
    let harmless = problems.saturating_sub(*faults);
    if harmless > 0 {
        let harmless = count(harmless, "problem");
        lines.push(format!("{harmless} in the packets by which nothing is missing; nf decode tells which"));
    }
    if flows.cut > 0 {
        lines.push(format!(
            "{} with a value that does not fit its field: it has the nearest that does",
            count(flows.cut, "flow")
        ));
    }
    if !flows.without_field.is_empty() {
        let names: Vec<_> = flows.without_field.iter().take(MAX_NAMES).map(String::as_str).collect();
        let more = if flows.without_field.len() > MAX_NAMES { ", ..." } else { "" };
        lines.push(format!("this version has no field for {}{more}", names.join(", ")));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_capture_lacks_is_something_that_was_not_sent() {
        let none = CaptureStatistics::default();
        for lacking in [
            CaptureStatistics { cut_frames: 1, ..none },
            CaptureStatistics { unsupported_link: 1, ..none },
            CaptureStatistics { oversized: 1, ..none },
            CaptureStatistics { malformed: 1, ..none },
            CaptureStatistics { fragments_waiting: 1, ..none },
            CaptureStatistics { fragments_dropped: 1, ..none },
            CaptureStatistics { tcp_gaps: 1, ..none },
        ] {
            let mut unsent = Unsent::default();
            unsent.add_file(PacketFileStatistics::Capture(none));
            assert!(!unsent.is_bad());
            unsent.add_file(PacketFileStatistics::Capture(lacking));
            assert!(unsent.is_bad(), "{lacking:?}");
            assert_eq!(unsent.of_capture().iter().filter(|(number, ..)| *number == 1).count(), 1);
        }
        assert!(Unsent { undecoded: 1, ..Unsent::default() }.is_bad());
        assert!(Unsent { faults: 1, problems: 1, ..Unsent::default() }.is_bad());
        // Padding that is no zeros, for one, is worth a word, but nothing is missing.
        assert!(!Unsent { problems: 1, ..Unsent::default() }.is_bad());
    }
}
