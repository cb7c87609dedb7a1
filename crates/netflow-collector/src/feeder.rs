//! Export packets from a file instead of a socket: a capture, or IPFIX messages.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use netflow_capture::{Datagram, PacketFile, PacketFileStatistics};
use netflow_templates::Timestamp;

use crate::admission::Gate;
use crate::receiver::{Arrival, Batch, Shards};
use crate::report::{Counters, Event};

/// Datagrams handed on together.
const BATCH: usize = 64;
/// Nanoseconds between packets after which the shards are told the time.
const TELL: u64 = 1_000_000_000;

/// Gives the export packets of a file to the shards, as fast as these take them.
pub(crate) struct Feeder {
    pub(crate) file: PacketFile<File>,
    pub(crate) shards: Shards,
    pub(crate) gate: Gate,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) events: Sender<Event>,
    /// Packets that were received before this are with the shards: nanoseconds since the Unix epoch.
    pub(crate) handed_on: Arc<AtomicI64>,
}

impl Feeder {
    /// Runs to the end of the file, or until told to stop. The flag says that it could not be read to its end.
    pub(crate) fn run(mut self) -> (PacketFileStatistics, bool) {
        let mut batches = self.shards.batches();
        let mut failed = false;
        let mut told = None;
        while !self.stop.load(Ordering::Relaxed) {
            match self.file.next_datagram() {
                Ok(Some(Datagram { source, time, payload, .. })) => {
                    Counters::add(&self.counters.received, 1);
                    Counters::add(&self.counters.received_octets, payload.len());
                    if told.is_none_or(|told: i64| told.abs_diff(time.as_nanos()) >= TELL) {
                        time_passes(&self.shards, &mut batches, &self.counters, &self.handed_on, time);
                        told = Some(time.as_nanos());
                    }
                    self.gate.look();
                    if !self.gate.admits(source, time, &self.counters, &self.events) {
                        continue;
                    }
                    let shard = self.shards.of(source);
                    let batch = &mut batches[shard];
                    if batch.len() >= BATCH || !batch.has_room(payload.len()) {
                        self.shards.send(
                            shard,
                            std::mem::replace(batch, self.shards.empty()),
                            &self.counters,
                        );
                    }
                    batch.push(source, Arrival::of_datagram(time), payload);
                }
                Ok(None) => break,
                Err(error) => {
                    failed = true;
                    // Nobody may be taking events.
                    let _ = self.events.send_timeout(Event::Capture(error), Duration::from_secs(1));
                    break;
                }
            }
        }
        for (shard, batch) in
            batches.into_iter().enumerate().filter(|(_, batch): &(usize, Batch)| !batch.is_empty())
        {
            self.shards.send(shard, batch, &self.counters);
        }
        (self.file.statistics(), failed)
    }
}

/// Hands on what there is, and tells all shards the time, those too that nothing came for: they wake up for an
/// empty batch. So none is ahead of another by more than its queue holds.
fn time_passes(
    shards: &Shards,
    batches: &mut [Batch],
    counters: &Counters,
    handed_on: &AtomicI64,
    time: Timestamp,
) {
    for (shard, batch) in batches.iter_mut().enumerate().filter(|(_, batch)| !batch.is_empty()) {
        shards.send(shard, std::mem::replace(batch, shards.empty()), counters);
    }
    handed_on.store(time.as_nanos(), Ordering::Release);
    for shard in 0..batches.len() {
        shards.send(shard, shards.empty(), counters);
    }
}
