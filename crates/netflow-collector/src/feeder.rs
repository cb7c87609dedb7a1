//! Export packets from a capture instead of a socket.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::batch::Batch;
use crate::capture::{CaptureReader, CaptureStatistics};
use crate::receiver::Shards;
use crate::report::{Counters, Event};

/// Datagrams handed on together.
const BATCH: usize = 64;

/// Gives the datagrams of a capture to the shards, as fast as these take them.
pub(crate) struct Feeder {
    pub(crate) capture: CaptureReader<File>,
    pub(crate) shards: Shards,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) events: Sender<Event>,
}

impl Feeder {
    /// Runs to the end of the capture, or until told to stop. The flag says that the capture could not be
    /// read to its end.
    pub(crate) fn run(mut self) -> (CaptureStatistics, bool) {
        let mut batches = self.shards.batches();
        let mut failed = false;
        while !self.stop.load(Ordering::Relaxed) {
            match self.capture.next_datagram() {
                Ok(Some(datagram)) => {
                    Counters::add(&self.counters.received, 1);
                    Counters::add(&self.counters.received_octets, datagram.payload.len());
                    let shard = self.shards.of(datagram.source);
                    let batch = &mut batches[shard];
                    if batch.len() >= BATCH || !batch.has_room(datagram.payload.len()) {
                        self.shards.send(shard, std::mem::take(batch), &self.counters);
                    }
                    batch.push(datagram.source, datagram.time, datagram.payload);
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
        (self.capture.statistics(), failed)
    }
}
