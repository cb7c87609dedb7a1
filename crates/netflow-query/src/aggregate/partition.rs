//! Groups whose hashes begin alike.

use super::groups::{Hashing, Record};

/// Partitions are told apart by so many bits of the hash.
pub(super) const PARTITION_BITS: u32 = 8;

/// Records of the first chunk, and of the largest.
const CHUNK: [usize; 2] = [32, 1024];

/// Records in the order in which they came; those of a group may be several.
#[derive(Debug)]
pub(super) struct Partition<const K: usize> {
    pub(super) chunks: Vec<Vec<Record<K>>>,
}

impl<const K: usize> Default for Partition<K> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<const K: usize> Partition<K> {
    #[inline]
    pub(super) fn push(&mut self, record: Record<K>) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < chunk.capacity() => chunk.push(record),
            _ => self.push_chunk(record),
        }
    }

    #[cold]
    fn push_chunk(&mut self, record: Record<K>) {
        let [least, most] = CHUNK;
        let size = self.chunks.last().map_or(least, |chunk| (chunk.capacity() * 2).min(most));
        let mut chunk = Vec::with_capacity(size);
        chunk.push(record);
        self.chunks.push(chunk);
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    pub(super) fn clear(&mut self) {
        self.chunks = Vec::new();
    }

    /// Makes one record of all of a group.
    pub(super) fn add_up(&mut self, table: &mut Table<K>, hashing: &Hashing) {
        table.reset(self.len());
        for record in self.chunks.drain(..).flatten() {
            table.add(record, hashing);
        }
        table.records().for_each(|&record| self.push(record));
    }
}

/// Groups, found by their keys.
#[derive(Debug)]
pub(super) struct Table<const K: usize> {
    slots: Vec<Record<K>>,
    used: usize,
}

impl<const K: usize> Default for Table<K> {
    fn default() -> Self {
        Self { slots: Vec::new(), used: 0 }
    }
}

impl<const K: usize> Table<K> {
    /// Removes all, and makes room for about so many records.
    pub(super) fn reset(&mut self, records: usize) {
        let slots = (records + records / 3).next_power_of_two().max(64);
        self.slots.clear();
        self.slots.resize(slots, Record::NONE);
        self.used = 0;
    }

    #[inline]
    pub(super) fn add(&mut self, record: Record<K>, hashing: &Hashing) {
        let hash = hashing.whole(hashing.hash(&record.key), &record.key);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.totals.flows == 0 {
                *slot = record;
                self.used += 1;
                break;
            }
            if slot.key == record.key {
                slot.totals.add(record.totals);
                return;
            }
            at = (at + 1) & mask;
        }
        if self.used > self.slots.len() / 8 * 7 {
            self.grow(hashing);
        }
    }

    #[cold]
    fn grow(&mut self, hashing: &Hashing) {
        let slots = vec![Record::NONE; self.slots.len() * 2];
        let before = std::mem::replace(&mut self.slots, slots);
        self.used = 0;
        before
            .into_iter()
            .filter(|record| record.totals.flows > 0)
            .for_each(|record| self.add(record, hashing));
    }

    /// The groups.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record<K>> {
        self.slots.iter().filter(|record| record.totals.flows > 0)
    }

    pub(super) fn len(&self) -> usize {
        self.used
    }
}
