//! What is odd about a packet as a whole: counts, clocks, sequence numbers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use netflow_collector::sequence::{SequenceTracker, Step, Units};
use netflow_templates::{Exporter, Problem, Timestamp};
use netflow_wire::{Header, Message, SetError, v1, v5, v7, v9};

use super::tree::{Mark, Tree};
use crate::output::count;

/// Exporters' domains whose sequence numbers are followed.
const MAX_DOMAINS: usize = 16_384;
/// How far an exporter's clock may be from the capture's.
const CLOCKS_AGREE: Duration = Duration::from_secs(600);

/// Nothing that is exported today is of before the year 2000: v9 and IPFIX are younger.
const EARLIEST: Timestamp = Timestamp::from_secs(946_684_800);
const A_DAY: Duration = Duration::from_secs(86_400);

/// Records of a packet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) flows: usize,
    pub(super) options: usize,
    pub(super) templates: usize,
    pub(super) withdrawals: usize,
}

/// The packet that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) header: Header,
    /// All octets that came with it.
    pub(super) octets: &'a [u8],
    pub(super) exporter: Exporter,
    /// When it was received, or decoded.
    pub(super) received: Timestamp,
    /// Whether that is when it was captured.
    pub(super) captured: bool,
    pub(super) counts: Counts,
    pub(super) problems: &'a [Problem],
}

/// Remembers sequence numbers.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    trackers: HashMap<(IpAddr, u32, u16), SequenceTracker>,
}

impl Counts {
    /// Such as `1 template, 2 flow records`.
    pub(super) fn names(&self) -> String {
        let parts = [
            (self.templates, "template"),
            (self.withdrawals, "withdrawal"),
            (self.flows, "flow record"),
            (self.options, "options record"),
        ];
        let parts = parts.into_iter().filter(|(number, noun)| *number > 0 || *noun == "flow record");
        parts.map(|(number, noun)| count(number as u64, noun)).collect::<Vec<_>>().join(", ")
    }
}

impl Oddities {
    /// Tells what is odd about a packet.
    pub(super) fn tell(&mut self, tree: &mut Tree, seen: &Seen<'_>) {
        header(tree, seen);
        clock(tree, seen);
        self.sequence(tree, seen);
    }

    /// What the sequence number says about packets that are missing.
    fn sequence(&mut self, tree: &mut Tree, seen: &Seen<'_>) {
        let Seen { header, exporter, received, counts, problems, .. } = *seen;
        let Some(sequence) = header.sequence() else { return };
        let key = (exporter.address, header.observation_domain(), header.version());
        if self.trackers.len() >= MAX_DOMAINS && !self.trackers.contains_key(&key) {
            return;
        }
        let units = are_counted(problems)
            .then_some(Units { records: counts.flows as u32, options: counts.options as u32 });
        let tracker = self.trackers.entry(key).or_default();
        let step = tracker.observe(header.version(), sequence, units, received, header.uptime_millis());
        let unit = if matches!(header, Header::V9(_)) { "packet" } else { "record" };
        let Step { lost, reordered, duplicate, restarted, .. } = step;
        if lost > 0 {
            tree.remark(
                Mark::Odd,
                &format!(
                    "the sequence number {sequence} says that {} of this exporter and domain are missing \
                     before this packet.",
                    count(lost, unit)
                ),
            );
        }
        for (is, text) in [
            (duplicate, "is that of a packet that came before: this one came twice."),
            (reordered, "fills a gap: the packet is late."),
            (restarted, "does not go on from the one before: the exporter counts anew, as after a restart."),
        ] {
            if is {
                tree.remark(Mark::Odd, &format!("the sequence number {sequence} {text}"));
            }
        }
    }
}

/// Whether all records of a packet could be counted.
fn are_counted(problems: &[Problem]) -> bool {
    !problems
        .iter()
        .any(|problem| matches!(problem, Problem::MissingTemplate { .. }) || problem.is_malformed())
}

/// Whether nothing was odd about a packet but that it has more zeros than it needs.
fn are_padding(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| {
        matches!(
            problem,
            Problem::Set(SetError::Filling { .. })
                | Problem::ZeroPadding { .. }
                | Problem::ZeroRecords { .. }
        )
    })
}

/// Counts and fractions of seconds that cannot be.
fn header(tree: &mut Tree, seen: &Seen<'_>) {
    let Seen { header, counts, .. } = *seen;
    let records = counts.flows + counts.options + counts.templates;
    match header {
        Header::V9(h) if are_padding(seen.problems) && usize::from(h.count) != records => tree.remark(
            Mark::Odd,
            &format!(
                "the header's count (offset 2) is {}, but the packet has {records} records: {}. Nothing \
                 depends on it, and many exporters count something else, such as sets.",
                h.count,
                counts.names()
            ),
        ),
        Header::Ipfix(_) if Timestamp::from_nanos(header.export_nanos()) < EARLIEST => {
            let time = Timestamp::from_nanos(header.export_nanos());
            let v9 = match looks_like_v9(seen) {
                true => {
                    " Read as a header of NetFlow v9 it makes sense, with a time that does, and a set behind \
                     it: the version (offset 0) may be wrong, and 9 be right."
                }
                false => "",
            };
            let text = format!("export_time (offset 4) is {time:.0}, which cannot be.{v9}");
            tree.remark(Mark::Odd, &text);
        }
        _ => {}
    }
    export_time(tree, seen);
    let most = match header {
        Header::V1(_) => (v1::VERSION, 24),
        Header::V5(_) => (v5::VERSION, 30),
        Header::V7(_) => (v7::VERSION, 28),
        _ => (0, u16::MAX),
    };
    if header.count().is_some_and(|count| count > most.1) {
        tree.remark(
            Mark::Odd,
            &format!(
                "the header's count (offset 2) is more than the {} records that fit a v{} packet.",
                most.1, most.0
            ),
        );
    }
    let nanos = match header {
        Header::V1(h) => h.unix_nanos,
        Header::V5(h) => h.unix_nanos,
        Header::V7(h) => h.unix_nanos,
        Header::V8(h) => h.unix_nanos,
        _ => 0,
    };
    if nanos >= 1_000_000_000 {
        tree.remark(
            Mark::Odd,
            "timestamp_nano (offset 12) is a second or more: the exporter means something else by it.",
        );
    }
}

/// An export time that cannot be. That of an IPFIX message before [`EARLIEST`] is told with its version.
fn export_time(tree: &mut Tree, seen: &Seen<'_>) {
    let time = Timestamp::from_nanos(seen.header.export_nanos());
    let ipfix = matches!(seen.header, Header::Ipfix(_));
    let (name, offset) = if ipfix { ("export_time", 4) } else { ("timestamp", 8) };
    let ahead = time.saturating_since(seen.received);
    let why = match () {
        () if time < EARLIEST && !ipfix => "is long ago: the exporter's clock is not set".to_owned(),
        // That of a capture is compared with the capture's.
        () if ahead > A_DAY && !seen.captured => {
            format!("is {} from now: the exporter's clock is wrong", about(ahead))
        }
        () => return,
    };
    let text = format!(
        "{name} (offset {offset}) {why}, or octets are missing in the header, or too many, so that all behind \
         them are shifted."
    );
    tree.remark(Mark::Odd, &text);
}

/// Whether the octets of an IPFIX message make sense as a NetFlow v9 packet: count, time and first set.
fn looks_like_v9(seen: &Seen<'_>) -> bool {
    let octets = [&v9::VERSION.to_be_bytes(), seen.octets.get(2..).unwrap_or_default()].concat();
    let Ok(message) = Message::parse(&octets) else { return false };
    let Header::V9(header) = message.header() else { return false };
    let latest = seen.received.saturating_add(A_DAY);
    let first = message.sets().next().and_then(Result::ok);
    // A record has an octet at least.
    let records = octets.len() - v9::HEADER_LEN;
    (1..=records).contains(&usize::from(header.count))
        && (EARLIEST..=latest).contains(&Timestamp::from_secs(header.unix_seconds.into()))
        && first.is_some_and(|set| matches!(set.id, 0 | 1 | 256..))
}

/// An exporter's clock that is far from the capture's.
fn clock(tree: &mut Tree, seen: &Seen<'_>) {
    let received = seen.received;
    if !seen.captured {
        return;
    }
    let export = Timestamp::from_nanos(seen.header.export_nanos());
    let (apart, direction) = match export < received {
        true => (received.saturating_since(export), "before"),
        false => (export.saturating_since(received), "after"),
    };
    if apart > CLOCKS_AGREE {
        tree.remark(
            Mark::Odd,
            &format!(
                "exported at {export:.0} by the exporter's clock, {} {direction} it was captured at \
                 {received:.0}: the clock is wrong, or the capture is of a replay. Times of flows are off \
                 by as much.",
                about(apart)
            ),
        );
    }
}

/// A duration in its greatest units.
fn about(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..7_200 => format!("{} minutes", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} hours", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
