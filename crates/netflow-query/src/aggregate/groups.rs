//! Groups of one thread: a small table of those that come often, and partitions for all others.

use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use foldhash::fast::RandomState;

use super::Totals;
use super::partition::{PARTITION_BITS, Partition};
use super::spill::Spill;
use crate::error::Error;

/// Groups in the small table: what stays in a core's own cache.
const CACHE_BITS: u32 = 14;
/// Rows after which it is looked whether the small table is of use, and how many times longer it is left out then.
const TRIAL: u32 = 1 << 16;
const LEFT_OUT: u32 = 16;
/// Octets of groups that are held before they are added up for the first time.
const AT_FIRST: u64 = 128 << 20;
/// What is not worth being added up more often.
const STEP: u64 = 32 << 20;

/// A group, or some of it. A group with no flows is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<const K: usize> {
    pub(super) key: [u64; K],
    pub(super) totals: Totals,
}

impl<const K: usize> Record<K> {
    pub(super) const NONE: Self = Self { key: [0; K], totals: Totals { bytes: 0, packets: 0, flows: 0 } };
}

/// The groups of a thread.
#[derive(Debug)]
pub(super) struct Groups<const K: usize> {
    hashing: Hashing,
    /// Memory for the keys of rows.
    pub(super) keys: Vec<[u64; K]>,
    cache: Vec<Record<K>>,
    use_of_cache: UseOfCache,
    pub(super) partitions: Vec<Partition<K>>,
    held: u64,
    /// When what is held is added up, and when it has to go to a file.
    soft: u64,
    most: u64,
    pub(super) spill: Option<Spill>,
}

/// How keys are hashed: without the step of time, so that all steps of a group are in one partition.
#[derive(Debug, Clone)]
pub(super) struct Hashing {
    pub(super) seed: RandomState,
    pub(super) series: bool,
}

impl Hashing {
    #[inline]
    pub(super) fn hash<const K: usize>(&self, key: &[u64; K]) -> u64 {
        let mut hasher = self.seed.build_hasher();
        let words = if self.series { K - 1 } else { K };
        key[..words].iter().for_each(|&word| hasher.write_u64(word));
        hasher.finish()
    }

    /// A hash of the whole key, from that of the key without the step.
    #[inline]
    pub(super) fn whole<const K: usize>(&self, hash: u64, key: &[u64; K]) -> u64 {
        match self.series {
            true => hash ^ key[K - 1].wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32),
            false => hash,
        }
    }
}

#[derive(Debug, Default)]
struct UseOfCache {
    rows: u32,
    hits: u32,
    left_out: u32,
}

impl<const K: usize> Groups<K> {
    pub(super) fn new(hashing: Hashing, most: u64) -> Self {
        Self {
            hashing,
            keys: Vec::new(),
            cache: vec![Record::NONE; 1 << CACHE_BITS],
            use_of_cache: UseOfCache::default(),
            partitions: (0..1 << PARTITION_BITS).map(|_| Partition::default()).collect(),
            held: 0,
            soft: AT_FIRST.min(most),
            most,
            spill: None,
        }
    }

    /// Counts the rows that have the keys.
    pub(super) fn add(
        &mut self,
        totals: impl Fn(usize) -> Totals,
        spill: Option<&Path>,
    ) -> Result<(), Error> {
        let keys = std::mem::take(&mut self.keys);
        if self.use_of_cache.left_out > 0 {
            self.use_of_cache.left_out = self.use_of_cache.left_out.saturating_sub(keys.len() as u32);
            for (row, &key) in keys.iter().enumerate() {
                let hash = self.hashing.hash(&key);
                self.push(hash, Record { key, totals: totals(row) });
            }
        } else {
            self.add_cached(&keys, totals);
        }
        self.keys = keys;
        if self.held > self.soft { self.relieve(spill) } else { Ok(()) }
    }

    fn add_cached(&mut self, keys: &[[u64; K]], totals: impl Fn(usize) -> Totals) {
        let mut hits = 0;
        for (row, &key) in keys.iter().enumerate() {
            let hash = self.hashing.hash(&key);
            let place = self.hashing.whole(hash, &key) as usize & (self.cache.len() - 1);
            let record = &mut self.cache[place];
            if record.key == key {
                hits += u32::from(record.totals.flows > 0);
                record.totals.add(totals(row));
                continue;
            }
            let before = std::mem::replace(record, Record { key, totals: totals(row) });
            if before.totals.flows > 0 {
                self.push(self.hashing.hash(&before.key), before);
            }
        }
        let of = &mut self.use_of_cache;
        of.rows += keys.len() as u32;
        of.hits += hits;
        if of.rows >= TRIAL {
            let left_out = if of.hits < of.rows / 4 { LEFT_OUT * TRIAL } else { 0 };
            *of = UseOfCache { left_out, ..UseOfCache::default() };
        }
    }

    #[inline]
    fn push(&mut self, hash: u64, record: Record<K>) {
        self.held += self.partitions[(hash >> (64 - PARTITION_BITS)) as usize].push(record);
    }

    /// Adds up what is held; when that helps little, writes it to a file.
    #[cold]
    fn relieve(&mut self, spill: Option<&Path>) -> Result<(), Error> {
        let mut table = super::partition::Table::default();
        self.held = 0;
        for partition in &mut self.partitions {
            partition.add_up(&mut table, &self.hashing);
            self.held += partition.octets();
        }
        if self.held > self.most / 2 {
            let file = match &mut self.spill {
                Some(file) => file,
                none => none.insert(Spill::new(spill)?),
            };
            for (at, partition) in self.partitions.iter_mut().enumerate() {
                file.write(at, partition)?;
            }
            self.held = 0;
        }
        self.soft = (2 * self.held + STEP).max(AT_FIRST).min(self.most);
        Ok(())
    }

    /// Moves what is in the small table to the partitions.
    pub(super) fn flush(&mut self) {
        for record in std::mem::take(&mut self.cache) {
            if record.totals.flows > 0 {
                self.push(self.hashing.hash(&record.key), record);
            }
        }
    }
}
