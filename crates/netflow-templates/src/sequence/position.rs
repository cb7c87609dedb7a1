//! Where the numbers of an exporter stood, to go on from there after a restart of the collector.

use super::rule::RULES;
use crate::Timestamp;

/// Scores are no higher or lower than this, whatever comes: see `SequenceTracker::judge`.
const MAX_SCORE: i32 = 1 << 16;
/// More units than any exporter sends without counting anew, and few enough to multiply.
const MAX_RUN: u64 = 1 << 48;

/// Where the sequence numbers of one exporter, domain and version stood, and what was known of its way of counting:
/// see [`SequenceTracker::resume`](super::SequenceTracker::resume).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub(super) version: u16,
    /// When the last packet came.
    pub(super) time: Timestamp,
    pub(super) began: Timestamp,
    pub(super) uptime: Option<(u32, Timestamp)>,
    pub(super) accounts: [AccountPosition; RULES.len()],
}

/// Where one rule stood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AccountPosition {
    pub(super) next: u32,
    pub(super) open: bool,
    pub(super) score: i32,
    pub(super) follows: u32,
    pub(super) run: u64,
}

impl Position {
    /// Octets of a position.
    pub const LEN: usize = 2 + 8 + 8 + 13 + RULES.len() * AccountPosition::LEN;

    /// The version of the packets.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The position as octets, big-endian.
    pub fn to_octets(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let mut rest = out.as_mut_slice();
        let mut put = |octets: &[u8]| {
            let (here, behind) = std::mem::take(&mut rest).split_at_mut(octets.len());
            here.copy_from_slice(octets);
            rest = behind;
        };
        put(&self.version.to_be_bytes());
        put(&self.time.as_nanos().to_be_bytes());
        put(&self.began.as_nanos().to_be_bytes());
        let (uptime, then) = self.uptime.unwrap_or_default();
        put(&[self.uptime.is_some().into()]);
        put(&uptime.to_be_bytes());
        put(&then.as_nanos().to_be_bytes());
        for account in &self.accounts {
            put(&account.next.to_be_bytes());
            put(&[account.open.into()]);
            put(&account.score.to_be_bytes());
            put(&account.follows.to_be_bytes());
            put(&account.run.to_be_bytes());
        }
        out
    }

    /// The position that some octets are; `None` when they are too few or too many.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut octets = Octets(octets);
        let version = u16::from_be_bytes(octets.take()?);
        let (time, began) = (octets.time()?, octets.time()?);
        let has_uptime = octets.take()? != [0];
        let uptime = (u32::from_be_bytes(octets.take()?), octets.time()?);
        let mut accounts = [AccountPosition::default(); RULES.len()];
        for account in &mut accounts {
            *account = AccountPosition {
                next: u32::from_be_bytes(octets.take()?),
                open: octets.take()? != [0],
                score: i32::from_be_bytes(octets.take()?).clamp(-MAX_SCORE, MAX_SCORE),
                follows: u32::from_be_bytes(octets.take()?),
                run: u64::from_be_bytes(octets.take()?).min(MAX_RUN),
            };
        }
        let position = Self { version, time, began, uptime: has_uptime.then_some(uptime), accounts };
        octets.0.is_empty().then_some(position)
    }
}

impl AccountPosition {
    const LEN: usize = 4 + 1 + 4 + 4 + 8;
}

struct Octets<'a>(&'a [u8]);

impl Octets<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn time(&mut self) -> Option<Timestamp> {
        Some(Timestamp::from_nanos(i64::from_be_bytes(self.take()?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Convention, SequenceTracker, Step, Units};
    use super::*;

    /// A packet of ten records, numbered from zero on, a second after the other.
    fn observe(tracker: &mut SequenceTracker, packet: u32, uptime: Option<u32>) -> Step {
        let time = Timestamp::from_secs(1_700_000_000 + i64::from(packet));
        tracker.observe(5, packet * 10, Some(Units::records(10)), time, uptime)
    }

    fn restarted(tracker: &SequenceTracker) -> SequenceTracker {
        let octets = tracker.position().unwrap().to_octets();
        SequenceTracker::resume(&Position::from_octets(&octets).unwrap())
    }

    #[test]
    fn what_came_while_nobody_listened_is_missed_and_what_is_lost_then_is_lost_at_once() {
        let mut tracker = SequenceTracker::new();
        (0..20).for_each(|packet| _ = observe(&mut tracker, packet, None));
        let mut next = restarted(&tracker);
        assert_eq!((next.convention(), next.position()), (Convention::Before, None));
        assert_eq!(observe(&mut next, 50, None), Step::default());
        assert_eq!((next.totals().missed, next.totals().lost, next.totals().expected), (300, 0, 10));
        assert_eq!(observe(&mut next, 52, None).lost, 10);
        assert_eq!(next.totals().missed, 300);
    }

    #[test]
    fn what_was_missed_stays_missed_when_the_version_changes() {
        let mut tracker = SequenceTracker::new();
        (0..20).for_each(|packet| _ = observe(&mut tracker, packet, None));
        let mut next = restarted(&tracker);
        observe(&mut next, 50, None);
        assert_eq!(next.totals().missed, 300);
        let version = if next.position().unwrap().version == 9 { 10 } else { 9 };
        next.observe(version, 1, None, Timestamp::from_secs(1_700_000_000), None);
        assert_eq!(next.totals().missed, 300);
    }

    #[test]
    fn nothing_is_missed_when_the_next_packet_follows() {
        let mut tracker = SequenceTracker::new();
        (0..20).for_each(|packet| _ = observe(&mut tracker, packet, None));
        let mut next = restarted(&tracker);
        (20..40).for_each(|packet| _ = observe(&mut next, packet, None));
        assert_eq!((next.totals().missed, next.totals().received), (0, 200));
    }

    #[test]
    fn an_exporter_that_started_again_meanwhile_has_missed_nothing_that_is_known() {
        let mut tracker = SequenceTracker::new();
        (10..30).for_each(|packet| _ = observe(&mut tracker, packet, Some(3_600_000 + packet * 1_000)));
        let mut next = restarted(&tracker);
        let time = Timestamp::from_secs(1_700_000_100);
        next.observe(5, 5_000, Some(Units::records(10)), time, Some(20_000));
        next.observe(5, 5_010, Some(Units::records(10)), time, Some(20_000));
        let totals = next.totals();
        assert_eq!((totals.missed, totals.lost, totals.restarts, totals.received), (0, 0, 0, 20));

        let mut next = restarted(&tracker);
        next.observe(5, 0, Some(Units::records(10)), time, None);
        assert_eq!((next.totals().missed, next.totals().lost, next.totals().restarts), (0, 0, 0));
    }

    #[test]
    fn no_loss_is_told_where_the_way_of_counting_was_not_known() {
        let mut tracker = SequenceTracker::new();
        observe(&mut tracker, 0, None);
        observe(&mut tracker, 1, None);
        let mut next = restarted(&tracker);
        observe(&mut next, 9, None);
        assert_eq!((next.totals().missed, next.convention()), (0, Convention::Unknown));
    }

    proptest! {
        #[test]
        fn no_position_does_harm(
            octets in prop::collection::vec(any::<u8>(), Position::LEN),
            other: u16,
            packets in prop::collection::vec((any::<u32>(), any::<Option<u32>>(), any::<i64>(), any::<Option<u32>>()), 1..9),
        ) {
            let position = Position::from_octets(&octets).unwrap();
            prop_assert_eq!(Position::from_octets(&position.to_octets()), Some(position));
            for version in [position.version, 9, other] {
                let position = Position { version: if version == 9 { 9 } else { position.version }, ..position };
                let mut tracker = SequenceTracker::resume(&position);
                for &(sequence, records, time, uptime) in &packets {
                    tracker.observe(version, sequence, records.map(Units::records), Timestamp::from_nanos(time), uptime);
                }
            }
        }

        #[test]
        fn positions_have_one_length(octets in prop::collection::vec(any::<u8>(), 0..2 * Position::LEN)) {
            prop_assert_eq!(Position::from_octets(&octets).is_some(), octets.len() == Position::LEN);
        }
    }
}
