//! Sequence numbers of connections: each begins to count anew (RFC 7011, section 3.1).

use std::collections::BTreeMap;

use netflow_templates::{StreamId, Timestamp};

use crate::sequence::{Convention, SequenceTotals, SequenceTracker, Units};

/// Connections' domains that are kept account of.
const MAX_TRACKERS: usize = 16_384;
/// The version of all messages of connections.
const VERSION: u16 = netflow_wire::ipfix::VERSION;

/// What the connections of one exporter and domain add up to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StreamTotals {
    pub(super) totals: SequenceTotals,
    pub(super) convention: Option<Convention>,
}

/// A tracker for each domain of each connection that is open.
#[derive(Debug, Default)]
pub(crate) struct StreamTrackers {
    trackers: BTreeMap<(StreamId, u32), SequenceTracker>,
}

impl StreamTrackers {
    /// Takes the next message of a connection, and adds what it tells to the sums of its domain. When there
    /// are too many, nothing is told of this one.
    pub(super) fn observe(
        &mut self,
        (stream, domain): (StreamId, u32),
        sequence: u32,
        units: Option<Units>,
        received: Timestamp,
        sums: &mut StreamTotals,
    ) {
        let key = (stream, domain);
        if self.trackers.len() >= MAX_TRACKERS && !self.trackers.contains_key(&key) {
            return;
        }
        let tracker = self.trackers.entry(key).or_default();
        let before = tracker.totals();
        tracker.observe(VERSION, sequence, units, received, None);
        add_change(&mut sums.totals, &before, &tracker.totals());
        sums.convention = Some(tracker.convention());
    }

    /// A connection has ended; what its trackers told has been added.
    pub(super) fn end(&mut self, stream: StreamId) {
        let domains: Vec<_> =
            self.trackers.range((stream, 0)..=(stream, u32::MAX)).map(|(&key, _)| key).collect();
        for key in domains {
            self.trackers.remove(&key);
        }
    }
}

/// Adds what changed. Some counts go down again, when what was missing comes.
fn add_change(sums: &mut SequenceTotals, before: &SequenceTotals, after: &SequenceTotals) {
    let add = |sum: &mut u64, before: u64, after: u64| {
        *sum = sum.wrapping_add(after.wrapping_sub(before));
    };
    add(&mut sums.expected, before.expected, after.expected);
    add(&mut sums.received, before.received, after.received);
    add(&mut sums.lost, before.lost, after.lost);
    add(&mut sums.missed, before.missed, after.missed);
    add(&mut sums.reordered, before.reordered, after.reordered);
    add(&mut sums.duplicates, before.duplicates, after.duplicates);
    add(&mut sums.restarts, before.restarts, after.restarts);
    add(&mut sums.packets, before.packets, after.packets);
    add(&mut sums.uncounted, before.uncounted, after.uncounted);
}

/// Sums of datagrams and of connections.
pub(super) fn sum(datagrams: SequenceTotals, streams: &SequenceTotals) -> SequenceTotals {
    let mut sums = datagrams;
    add_change(&mut sums, &SequenceTotals::default(), streams);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_count_is_left_out_of_a_sum() {
        // All members, so that one that is added is not forgotten.
        let all = SequenceTotals {
            expected: 1,
            received: 2,
            lost: 3,
            missed: 4,
            reordered: 5,
            duplicates: 6,
            restarts: 7,
            packets: 8,
            uncounted: 9,
        };
        assert_eq!(sum(SequenceTotals::default(), &all), all);
    }

    #[test]
    fn connections_that_take_turns_lose_nothing_and_what_one_lost_is_kept() {
        let (mut trackers, mut sums) = (StreamTrackers::default(), StreamTotals::default());
        let streams = [StreamId::FIRST, StreamId::FIRST.next()];
        for packet in 0..20u32 {
            for (number, stream) in streams.into_iter().enumerate() {
                // The second one starts far from zero, and skips a packet.
                let skipped = u32::from(number == 1 && packet > 10) * 30;
                let sequence = packet * 30 + skipped + number as u32 * 1_000_000;
                let time = Timestamp::from_secs(packet.into());
                let units = Some(Units::records(30));
                trackers.observe((stream, 7), sequence, units, time, &mut sums);
            }
        }
        trackers.end(streams[1]);
        assert_eq!(trackers.trackers.len(), 1);
        let expected = SequenceTotals {
            expected: 1_230,
            received: 1_200,
            lost: 30,
            packets: 40,
            ..SequenceTotals::default()
        };
        assert_eq!((sums.totals, sums.convention), (expected, Some(Convention::Before)));
    }
}
