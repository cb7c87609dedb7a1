//! Data sets that wait for their template.

use std::collections::BTreeMap;
use std::time::Duration;

use netflow_wire::{Header, SetHeader};

use crate::Timestamp;
use crate::memory::{allocation, tree_entry};
use crate::session::{Exporter, StreamId};
use crate::table::DomainKey;

/// A data set kept until its template comes.
#[derive(Debug)]
pub(crate) struct PendingSet {
    pub(crate) packet: u64,
    pub(crate) exporter: Exporter,
    pub(crate) received: Timestamp,
    pub(crate) header: Header,
    pub(crate) offset: usize,
    pub(crate) body: Box<[u8]>,
}

type Key = (DomainKey, u16);

impl PendingSet {
    /// Memory that a waiting set takes, in octets, beside those of its body.
    const OVERHEAD: usize = tree_entry::<((Key, u64), Box<Self>)>()
        + tree_entry::<(u64, Key)>()
        + allocation(size_of::<Self>())
        + allocation(0);

    /// Octets of the set, with its header.
    pub(crate) fn octets(&self) -> usize {
        SetHeader::LEN + self.body.len()
    }

    /// Octets that count against the bound: all that keeping the set takes.
    fn cost(&self) -> usize {
        Self::OVERHEAD + self.body.len()
    }
}

/// The waiting sets, oldest first for each template, bounded in memory and age over all.
///
/// Each is an allocation of its own in a tree: what waited leaves no room behind that nothing counts.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    sets: BTreeMap<(Key, u64), Box<PendingSet>>,
    order: BTreeMap<u64, Key>,
    next: u64,
    octets: usize,
    memory: usize,
}

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Octets of the sets, with their headers.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Octets of memory that the sets take.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    pub(crate) fn push(&mut self, key: Key, set: PendingSet) {
        self.octets += set.octets();
        self.memory += set.cost();
        self.order.insert(self.next, key);
        self.sets.insert((key, self.next), Box::new(set));
        self.next += 1;
    }

    /// The sets of datagrams with their ids, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &PendingSet)> {
        let datagrams = self.order.iter().filter(|(_, (domain, _))| !domain.is_of_stream());
        datagrams.filter_map(|(&number, &key)| Some((key.1, &**self.sets.get(&(key, number))?)))
    }

    /// Takes the oldest set that waits for a template.
    pub(crate) fn take(&mut self, key: Key) -> Option<Box<PendingSet>> {
        let (&(_, number), _) = self.sets.range((key, 0)..=(key, u64::MAX)).next()?;
        self.remove(key, number)
    }

    /// Takes a set of a stream that has ended.
    pub(crate) fn take_of_stream(&mut self, stream: StreamId) -> Option<Box<PendingSet>> {
        let (first, last) = DomainKey::all_of_stream(stream).into_inner();
        let range = ((first, 0), 0)..=((last, u16::MAX), u64::MAX);
        let (&(key, number), _) = self.sets.range(range).next()?;
        self.remove(key, number)
    }

    fn remove(&mut self, key: Key, number: u64) -> Option<Box<PendingSet>> {
        self.order.remove(&number);
        let set = self.sets.remove(&(key, number))?;
        self.octets -= set.octets();
        self.memory -= set.cost();
        Some(set)
    }

    /// Takes the oldest set if the sets take more memory than `max_memory`, or it is older than `max_age`;
    /// the flag says that it was too old.
    pub(crate) fn give_up(
        &mut self,
        now: Timestamp,
        max_memory: usize,
        max_age: Duration,
    ) -> Option<(Box<PendingSet>, bool)> {
        let (&number, &key) = self.order.first_key_value()?;
        let oldest = self.sets.get(&(key, number))?;
        let too_old = now.saturating_since(oldest.received) > max_age;
        if !too_old && self.memory <= max_memory {
            return None;
        }
        Some((self.remove(key, number)?, too_old))
    }
}
