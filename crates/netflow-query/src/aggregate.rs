//! Counting flows by keys: exactly, with bounded memory, on several threads.
//!
//! Each thread packs the keys of a row into a few words, adds up what comes often in a small table that stays near, and
//! puts the rest, row by row, into partitions by a hash. What becomes too much is added up within its partition, and
//! if that does not help, written to a temporary file. At the end each partition is added up by itself, which takes
//! little memory, and gives its largest groups.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use netflow_flow::{Column, column};

use crate::key::{Directions, Key, directions, with_both_directions};

mod finish;
mod groups;
mod interner;
mod layout;
mod partial;
mod partition;
mod spill;
mod value;

pub use finish::{Group, Step, Top};
pub use partial::Partial;
pub use value::KeyValue;

use interner::Interner;
use layout::Layout;

/// Octets that different addresses and texts may always take, however little memory there is.
const LEAST_INTERNED: u64 = 1 << 20;
/// Memory for groups unless a question says something else.
pub const MEMORY: u64 = 1 << 30;

/// What is to be counted.
#[derive(Debug, Clone)]
pub struct Question {
    /// What flows are grouped by; none for the sum of all.
    pub keys: Vec<Key>,
    /// Whether both directions are counted together: keys of one end count for both ends of a flow; where each has
    /// its like of the other end beside it (`src_addr,dst_addr`), both directions of a conversation are one group.
    pub both: bool,
    /// Whether groups are divided into steps of time, by when flows started.
    pub every: Option<Duration>,
    /// Whether octets and packets are counted as exported, without correction for sampling.
    pub raw: bool,
    /// Octets that all threads together may take for groups.
    pub memory: u64,
    /// Where groups are written that do not fit; `None`: where the system has temporary files.
    pub spill: Option<PathBuf>,
}

impl Question {
    /// How much there is of each combination of keys.
    pub fn new(keys: Vec<Key>) -> Self {
        Self { keys, both: false, every: None, raw: false, memory: MEMORY, spill: None }
    }
}

/// Octets, packets and flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Octets.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Flows; a record that does not say how many it stands for is one.
    pub flows: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.packets = self.packets.saturating_add(other.packets);
        self.flows = self.flows.saturating_add(other.flows);
    }

    /// One of the three.
    pub fn of(&self, measure: Measure) -> u64 {
        match measure {
            Measure::Bytes => self.bytes,
            Measure::Packets => self.packets,
            Measure::Flows => self.flows,
        }
    }

    /// For comparing: by one, and where that is the same by the others.
    fn rank(&self, measure: Measure) -> (u64, u64, u64, u64) {
        (self.of(measure), self.bytes, self.packets, self.flows)
    }
}

/// What groups are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Octets.
    Bytes,
    /// Packets.
    Packets,
    /// Flows.
    Flows,
}

/// A question that is being answered: threads have a [`Partial`] each, and [`finish`](Self::finish) has the answer.
#[derive(Debug, Clone)]
pub struct Aggregation {
    shared: Arc<Shared>,
}

/// The keys of a question are more than can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these keys take {bits} bits, and {most} are the most: give fewer")]
pub struct TooManyKeys {
    bits: usize,
    most: usize,
}

/// What threads have in common.
#[derive(Debug)]
struct Shared {
    keys: Vec<Key>,
    layout: Layout,
    directions: Directions,
    measures: [Source; 3],
    interner: Mutex<Interner>,
    seed: RandomState,
    memory: u64,
    spill: Option<PathBuf>,
}

/// Where a measure comes from.
#[derive(Debug, Clone, Copy)]
struct Source {
    column: Option<&'static Column>,
    /// What it is the product of, where a file does not have it.
    product: Option<[&'static Column; 2]>,
}

impl Source {
    fn new(name: &str, product: Option<[&str; 2]>) -> Self {
        let product = product.and_then(|[one, other]| Some([column(one)?, column(other)?]));
        Self { column: column(name), product }
    }

    fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.column.into_iter().chain(self.product.into_iter().flatten())
    }
}

impl Aggregation {
    /// Begins to answer a question.
    pub fn new(question: Question) -> Result<Self, TooManyKeys> {
        let Question { keys, both, every, raw, memory, spill } = question;
        let (mut keys, directions) = match both {
            true => with_both_directions(keys),
            false => {
                let directions = directions(&keys);
                (keys, directions)
            }
        };
        let step = every.and_then(|every| Key::bucket(column("time_flow_start")?, every));
        let series = step.is_some();
        keys.extend(step);
        let layout = Layout::new(&keys, directions, series)?;
        let measures = match raw {
            true => [Source::new("bytes_raw", None), Source::new("packets_raw", None)],
            false => [
                Source::new("bytes", Some(["bytes_raw", "sampling_rate"])),
                Source::new("packets", Some(["packets_raw", "sampling_rate"])),
            ],
        };
        let measures = [measures[0], measures[1], Source::new("flows", None)];
        let interner = Mutex::new(Interner::new((memory / 2).max(LEAST_INTERNED)));
        let seed = RandomState::default();
        Ok(Self {
            shared: Arc::new(Shared { keys, layout, directions, measures, interner, seed, memory, spill }),
        })
    }

    /// The part of one thread, of so many.
    pub fn partial(&self, threads: usize) -> Partial {
        Partial::new(&self.shared, threads)
    }

    /// Adds up what all threads have, on as many threads, and gives the `limit` largest groups, the largest first.
    pub fn finish(self, partials: Vec<Partial>, by: Measure, limit: usize) -> Result<Top, crate::Error> {
        finish::finish(&self.shared, partials, by, limit)
    }
}

impl Shared {
    fn interner(&self) -> std::sync::MutexGuard<'_, Interner> {
        self.interner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
