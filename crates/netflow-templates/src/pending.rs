//! Data sets that wait for their template.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use netflow_wire::Header;

use crate::Timestamp;
use crate::session::Exporter;
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

impl PendingSet {
    /// Octets that count against the bound: the set and what keeping it takes.
    fn cost(&self) -> usize {
        self.body.len() + size_of::<Self>() + 64
    }
}

type Key = (DomainKey, u16);

/// The waiting sets, oldest first for each template, bounded in octets and age over all.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    sets: HashMap<Key, VecDeque<(u64, PendingSet)>>,
    order: BTreeMap<u64, Key>,
    next: u64,
    octets: usize,
}

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    pub(crate) fn push(&mut self, key: Key, set: PendingSet) {
        self.octets += set.cost();
        self.order.insert(self.next, key);
        self.sets.entry(key).or_default().push_back((self.next, set));
        self.next += 1;
    }

    /// Takes the sets that waited for a template, oldest first.
    pub(crate) fn take(&mut self, key: Key) -> VecDeque<(u64, PendingSet)> {
        let sets = self.sets.remove(&key).unwrap_or_default();
        for (number, set) in &sets {
            self.order.remove(number);
            self.octets -= set.cost();
        }
        sets
    }

    /// Takes the oldest set if there are more octets than `max_octets`, or it is older than `max_age`;
    /// the flag says that it was too old.
    pub(crate) fn give_up(
        &mut self,
        now: Timestamp,
        max_octets: usize,
        max_age: Duration,
    ) -> Option<(PendingSet, bool)> {
        let (&number, &key) = self.order.first_key_value()?;
        let waiting = self.sets.get_mut(&key)?;
        let too_old = now.saturating_since(waiting.front()?.1.received) > max_age;
        if !too_old && self.octets <= max_octets {
            return None;
        }
        let (_, set) = waiting.pop_front()?;
        if waiting.is_empty() {
            self.sets.remove(&key);
        }
        self.order.remove(&number);
        self.octets -= set.cost();
        Some((set, too_old))
    }
}
