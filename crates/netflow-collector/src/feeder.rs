//! Export packets from a file instead of a socket: a capture, or IPFIX messages.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use netflow_capture::{Datagram, PacketFile, PacketFileStatistics};

use crate::receiver::{Batch, Shards};
use crate::report::{Counters, Event};

/// Datagrams handed on together.
const BATCH: usize = 64;

/// Gives the export packets of a file to the shards, as fast as these take them.
pub(crate) struct Feeder {
    pub(crate) file: PacketFile<File>,
    pub(crate) shards: Shards,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) events: Sender<Event>,
}

impl Feeder {
    /// Runs to the end of the file, or until told to stop. The flag says that it could not be read to its end.
    pub(crate) fn run(mut self) -> (PacketFileStatistics, bool) {
        let mut batches = self.shards.batches();
        let mut failed = false;
        while !self.stop.load(Ordering::Relaxed) {
            match self.file.next_datagram() {
                Ok(Some(Datagram { source, time, payload, .. })) => {
                    Counters::add(&self.counters.received, 1);
                    Counters::add(&self.counters.received_octets, payload.len());
                    let shard = self.shards.of(source);
                    let batch = &mut batches[shard];
                    if batch.len() >= BATCH || !batch.has_room(payload.len()) {
                        self.shards.send(
                            shard,
                            std::mem::replace(batch, self.shards.empty()),
                            &self.counters,
                        );
                    }
                    batch.push(source, time, payload);
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
