//! What a shard hands to the writer of state, and when.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use netflow_templates::Session;
use netflow_templates::sequence::{Position, SequenceTracker};

use super::file::Entry;
use super::writer::Snapshot;
use crate::shard::DomainKey;

/// Between two snapshots at least, however much changes.
const PAUSE: Duration = Duration::from_secs(1);
/// A snapshot takes no more of a shard's time than one part in so many.
const SHARE: u32 = 50;

/// Keeps the state of one shard.
pub(crate) struct Keeper {
    shard: usize,
    snapshots: Sender<Snapshot>,
    interval: Duration,
    /// Of domains that have not sent anything yet.
    positions: HashMap<DomainKey, Position>,
    /// What had changed when the last snapshot was handed on.
    changes: u64,
    /// When one was made, and how long to wait after that at least.
    last: Option<Instant>,
    pause: Duration,
}

impl Keeper {
    pub(crate) fn new(
        shard: usize,
        snapshots: Sender<Snapshot>,
        interval: Duration,
        positions: HashMap<DomainKey, Position>,
    ) -> Self {
        Self { shard, snapshots, interval, positions, changes: 0, last: None, pause: PAUSE }
    }

    /// The tracker for a domain that sends for the first time.
    pub(crate) fn tracker(&mut self, key: DomainKey) -> SequenceTracker {
        self.positions
            .remove(&key)
            .map_or_else(SequenceTracker::new, |position| SequenceTracker::resume(&position))
    }

    /// How long it is until there is something to hand on.
    pub(crate) fn wait(&self, session: &Session) -> Duration {
        let changed = session.changes() != self.changes;
        let after = if changed { self.pause } else { self.interval.max(self.pause) };
        self.last.map_or(Duration::ZERO, |last| after.saturating_sub(last.elapsed()))
    }

    /// Hands on a snapshot when it is time, unless the writer is still busy: then the next time.
    pub(crate) fn keep<'a>(
        &mut self,
        session: &Session,
        trackers: impl Iterator<Item = (DomainKey, &'a SequenceTracker)>,
    ) {
        if !self.wait(session).is_zero() {
            return;
        }
        let begun = Instant::now();
        if !self.snapshots.is_full() {
            let octets = self.snapshot(session, trackers);
            // Another shard may have been faster.
            if self.snapshots.try_send(Snapshot { shard: self.shard, octets }).is_ok() {
                self.changes = session.changes();
            }
        }
        self.last = Some(Instant::now());
        self.pause = PAUSE.max(begun.elapsed() * SHARE);
    }

    /// Hands on the last snapshot.
    pub(crate) fn finish<'a>(
        self,
        session: &Session,
        trackers: impl Iterator<Item = (DomainKey, &'a SequenceTracker)>,
    ) {
        let octets = self.snapshot(session, trackers);
        // The writer lives as long as there are shards, unless it failed.
        let _ = self.snapshots.send(Snapshot { shard: self.shard, octets });
    }

    fn snapshot<'a>(
        &self,
        session: &Session,
        trackers: impl Iterator<Item = (DomainKey, &'a SequenceTracker)>,
    ) -> Vec<u8> {
        let mut octets = Vec::new();
        session.snapshot(|packet| Entry::Packet(packet).append_to(&mut octets));
        let current = trackers.filter_map(|(key, tracker)| Some((key, tracker.position()?)));
        let others = self.positions.iter().map(|(&key, &position)| (key, position));
        for ((exporter, domain, _), position) in current.chain(others) {
            Entry::Position { exporter, domain, position }.append_to(&mut octets);
        }
        octets
    }
}
