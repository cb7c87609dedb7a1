//! What a collector knows survives its end: templates, options data, sequence positions, sets that wait.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};
use netflow_templates::sequence::Position;
use netflow_templates::{Session, SessionConfig, TemplateScope, Timestamp};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use self::file::Entry;
use crate::config::Config;
use crate::pipeline::{CollectorError, spawn};
use crate::receiver::Shards;
use crate::report::{Counters, Event};
use crate::shard::{DomainKey, MAX_DOMAINS};

mod file;
mod keeper;
mod writer;

pub use self::file::StateError;
pub(crate) use self::keeper::Keeper;
use self::writer::StateWriter;

/// Name of the file.
const NAME: &str = "nf.state";
/// Name of a file that could not be read, and was put aside.
const UNREAD: &str = "nf.state.unread";
/// Name of the file while it is written.
const UNFINISHED: &str = "nf.state.tmp";

/// What is told about state.
#[derive(Debug)]
#[non_exhaustive]
pub enum StateEvent {
    /// What an earlier collector knew is known.
    Restored {
        /// The file.
        path: PathBuf,
        /// When it was written.
        written: Timestamp,
        /// Templates.
        templates: usize,
        /// Data sets that wait for theirs.
        waiting_sets: usize,
    },
    /// The file could not be read, and nothing of it is known.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: StateError,
        /// Where it is now, as another one is written in its place; `None` when it could not be put aside.
        aside: Option<PathBuf>,
    },
    /// The file could not be written. The one before is as it was.
    NotWritten {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file could be written again.
    WritesAgain {
        /// The file.
        path: PathBuf,
    },
}

/// A directory for state, which one collector has at a time.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    /// Locked as long as it is open.
    directory: File,
}

/// What a shard begins with.
pub(crate) struct Start {
    pub(crate) session: Session,
    pub(crate) keeper: Option<Keeper>,
}

impl Start {
    /// For so many shards that know nothing, and keep nothing.
    pub(crate) fn from_nothing(config: &SessionConfig, shards: usize) -> Vec<Self> {
        let start = || Self { session: Session::with_config(config.clone()), keeper: None };
        (0..shards).map(|_| start()).collect()
    }
}

/// What was known, as far as it is for one shard.
struct Restored {
    session: Session,
    positions: HashMap<DomainKey, Position>,
}

impl StateDirectory {
    /// Makes the directory, unless it is there.
    ///
    /// # Errors
    /// When it cannot be made or opened, or another collector has it: then the kind is `WouldBlock`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let directory = File::open(path)?;
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, "another collector has it"))
            }
            // Some network file systems have no locks.
            _ => Ok(Self { path: path.to_owned(), directory }),
        }
    }

    fn file(&self) -> PathBuf {
        self.path.join(NAME)
    }

    /// What so many shards begin with, each with what was known of its exporters; and the writer of what they know
    /// from now on.
    ///
    /// # Errors
    /// When the writer's thread cannot be started.
    pub(crate) fn begin(
        self,
        config: &Config,
        ways: &mut Shards,
        shards: usize,
        counters: &Arc<Counters>,
        events: &Sender<Event>,
    ) -> Result<(Vec<Start>, Option<JoinHandle<bool>>), CollectorError> {
        let (restored, event) = self.restore(&config.session, ways, shards);
        if let Some(event) = event {
            let _ = events.try_send(Event::State(event));
        }
        let (sender, snapshots) = bounded(shards);
        let start = |(shard, Restored { session, positions })| {
            let keeper = Keeper::new(shard, sender.clone(), config.state_interval, positions);
            Start { session, keeper: Some(keeper) }
        };
        let starts = restored.into_iter().enumerate().map(start).collect();
        let (scope, events) = (config.session.template_scope, events.clone());
        let writer = StateWriter { directory: self, scope, shards, snapshots, events };
        Ok((starts, Some(spawn("state".into(), counters, move || writer.run())?)))
    }

    /// What was known, and what there is to tell about it.
    fn restore(
        &self,
        config: &SessionConfig,
        ways: &mut Shards,
        shards: usize,
    ) -> (Vec<Restored>, Option<StateEvent>) {
        let mut restored = nothing_known(config, shards);
        let path = self.file();
        let opened = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (restored, None),
            opened => opened.map_err(StateError::from),
        };
        let each = |entry: Entry<'_>| match entry {
            // What is no export packet says nothing.
            Entry::Packet(packet) => {
                let shard = ways.of((packet.exporter.address, packet.exporter.port).into());
                _ = restored[shard].session.restore(packet);
            }
            Entry::Position { exporter, domain, position } => {
                let positions = &mut restored[ways.of((exporter, 0).into())].positions;
                if positions.len() < MAX_DOMAINS {
                    positions.insert((exporter, domain, position.version()), position);
                }
            }
        };
        let read = opened.and_then(|opened| file::read(opened, config.template_scope, each));
        let event = match read {
            Ok(written) => {
                let templates = restored.iter().map(|shard| shard.session.templates()).sum();
                let waiting_sets = restored.iter().map(|shard| shard.session.waiting().0).sum();
                StateEvent::Restored { path, written, templates, waiting_sets }
            }
            Err(error) => {
                restored = nothing_known(config, shards);
                let aside = self.path.join(UNREAD);
                let aside = fs::rename(&path, &aside).is_ok().then_some(aside);
                StateEvent::Unreadable { path, error, aside }
            }
        };
        (restored, Some(event))
    }

    /// Writes the file anew: it is always either the one before or whole.
    fn write(&self, scope: TemplateScope, now: Timestamp, snapshots: &[&[u8]]) -> io::Result<()> {
        let unfinished = self.path.join(UNFINISHED);
        let write = || {
            let out = File::create(&unfinished)?;
            file::write(&out, scope, now, snapshots)?;
            out.sync_all()?;
            fs::rename(&unfinished, self.file())?;
            self.directory.sync_all()
        };
        write().inspect_err(|_| _ = fs::remove_file(&unfinished))
    }
}

fn nothing_known(config: &SessionConfig, shards: usize) -> Vec<Restored> {
    let session = || Session::with_config(config.clone());
    (0..shards).map(|_| Restored { session: session(), positions: HashMap::new() }).collect()
}

#[cfg(test)]
mod tests;
