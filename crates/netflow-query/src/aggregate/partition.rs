//! Groups whose hashes begin alike.

use super::Totals;
use super::groups::{Hashing, Record};

/// Partitions are told apart by so many bits of the hash.
pub(super) const PARTITION_BITS: u32 = 8;

/// Values of the first chunk, and of the largest.
const CHUNK: [usize; 2] = [32, 1024];
/// Bits of octets, packets and flows in one word.
const BITS: [u32; 3] = [34, 22, 8];

/// Records in the order in which they came; those of a group may be several.
#[derive(Debug)]
pub(super) struct Partition<const K: usize> {
    /// Those of few flows: memory that is touched is what costs most.
    small: Chunks<Small<K>>,
    large: Chunks<Record<K>>,
}

/// A record whose octets, packets and flows fit in a word.
#[derive(Debug, Clone, Copy)]
struct Small<const K: usize> {
    key: [u64; K],
    totals: u64,
}

impl<const K: usize> Small<K> {
    #[inline]
    fn new(record: &Record<K>) -> Option<Self> {
        let Totals { bytes, packets, flows } = record.totals;
        let fits = bytes >> BITS[0] == 0 && packets >> BITS[1] == 0 && flows >> BITS[2] == 0;
        let totals = bytes | packets << BITS[0] | flows << (BITS[0] + BITS[1]);
        fits.then_some(Self { key: record.key, totals })
    }

    #[inline]
    fn record(self) -> Record<K> {
        let Self { key, totals } = self;
        let low = |number: u64, bits: u32| number & ((1 << bits) - 1);
        let totals = Totals {
            bytes: low(totals, BITS[0]),
            packets: low(totals >> BITS[0], BITS[1]),
            flows: totals >> (BITS[0] + BITS[1]),
        };
        Record { key, totals }
    }
}

/// Values that stay where they are as more come.
#[derive(Debug)]
struct Chunks<T>(Vec<Vec<T>>);

impl<T> Chunks<T> {
    #[inline]
    fn push(&mut self, value: T) {
        match self.0.last_mut() {
            Some(chunk) if chunk.len() < chunk.capacity() => chunk.push(value),
            _ => self.push_chunk(value),
        }
    }

    #[cold]
    fn push_chunk(&mut self, value: T) {
        let [least, most] = CHUNK;
        let size = self.0.last().map_or(least, |chunk| (chunk.capacity() * 2).min(most));
        let mut chunk = Vec::with_capacity(size);
        chunk.push(value);
        self.0.push(chunk);
    }

    fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

impl<const K: usize> Default for Partition<K> {
    fn default() -> Self {
        Self { small: Chunks(Vec::new()), large: Chunks(Vec::new()) }
    }
}

impl<const K: usize> Partition<K> {
    /// Appends a record, and gives the octets that it takes.
    #[inline]
    pub(super) fn push(&mut self, record: Record<K>) -> u64 {
        match Small::new(&record) {
            Some(small) => {
                self.small.push(small);
                size_of::<Small<K>>() as u64
            }
            None => {
                self.large.push(record);
                size_of::<Record<K>>() as u64
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.small.len() + self.large.len()
    }

    /// Octets that the records take.
    pub(super) fn octets(&self) -> u64 {
        let small = self.small.len() * size_of::<Small<K>>();
        (small + self.large.len() * size_of::<Record<K>>()) as u64
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<K>> {
        let small = self.small.0.iter().flatten().map(|small| small.record());
        small.chain(self.large.0.iter().flatten().copied())
    }

    /// Takes the records out, and gives their memory back on the way.
    pub(super) fn drain(&mut self, mut take: impl FnMut(Record<K>)) {
        for chunk in std::mem::take(&mut self.small.0) {
            chunk.iter().for_each(|small| take(small.record()));
        }
        for chunk in std::mem::take(&mut self.large.0) {
            chunk.iter().for_each(|&record| take(record));
        }
    }

    /// Makes one record of all of a group.
    pub(super) fn add_up(&mut self, table: &mut Table<K>, hashing: &Hashing) {
        table.reset(self.len());
        self.drain(|record| table.add(record, hashing));
        table.records().for_each(|&record| _ = self.push(record));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_whatever_their_size() {
        let mut partition = Partition::<2>::default();
        let numbers = [0, 1, 255, 256, (1 << 22) - 1, 1 << 22, (1 << 34) - 1, 1 << 34, u64::MAX];
        let mut expected = Vec::new();
        for bytes in numbers {
            for packets in numbers {
                for flows in &numbers[1..] {
                    let totals = Totals { bytes, packets, flows: *flows };
                    partition.push(Record { key: [bytes, packets], totals });
                    expected.push(totals);
                }
            }
        }
        let key = |totals: &Totals| (totals.bytes, totals.packets, totals.flows);
        let mut found: Vec<_> = partition.records().map(|record| record.totals).collect();
        assert_eq!((found.len(), partition.len()), (expected.len(), expected.len()));
        found.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(found, expected);
        let mut drained = 0;
        partition.drain(|record| {
            drained += usize::from(record.key == [record.totals.bytes, record.totals.packets])
        });
        assert_eq!((drained, partition.len(), partition.octets()), (expected.len(), 0, 0));
    }
}
