//! Writes the file of state, while decoding goes on.

use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender};
use netflow_templates::{TemplateScope, Timestamp};

use super::{StateDirectory, StateEvent};
use crate::report::Event;

/// How long other shards are waited for, when one has handed on what it knows.
const GATHER: Duration = Duration::from_millis(50);

/// What one shard knows, as entries of the file.
pub(crate) struct Snapshot {
    pub(super) shard: usize,
    pub(super) octets: Vec<u8>,
}

/// A thread that writes what the shards know.
pub(crate) struct StateWriter {
    pub(crate) directory: StateDirectory,
    pub(crate) scope: TemplateScope,
    pub(crate) shards: usize,
    pub(crate) snapshots: Receiver<Snapshot>,
    pub(crate) events: Sender<Event>,
}

impl StateWriter {
    /// Runs until the shards are gone; true when the last file could be written.
    pub(crate) fn run(self) -> bool {
        let mut latest: Vec<Option<Vec<u8>>> = vec![None; self.shards];
        let mut written = true;
        while let Ok(snapshot) = self.snapshots.recv() {
            let mut next = Some(snapshot);
            let until = Instant::now() + GATHER;
            while let Some(Snapshot { shard, octets }) = next {
                latest[shard] = Some(octets);
                next = self.snapshots.recv_deadline(until).ok();
            }
            // Without what one of them knows, the file would say less than the one before.
            let Some(all) = latest.iter().map(Option::as_deref).collect::<Option<Vec<_>>>() else { continue };
            let now = Timestamp::from(SystemTime::now());
            let (path, failed_before) = (self.directory.file(), !written);
            let result = self.directory.write(self.scope, now, &all);
            written = result.is_ok();
            let event = match result {
                Ok(()) if failed_before => StateEvent::WritesAgain { path },
                Err(source) if !failed_before => StateEvent::NotWritten { path, source },
                _ => continue,
            };
            let _ = self.events.try_send(Event::State(event));
        }
        written
    }
}
