//! Which shard has which exporter.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Exporters that are remembered. Addresses can be made up, so there may be more; those go by a hash.
const REMEMBERED: usize = 1 << 16;

/// Gives each exporter to one of the shards, for good. With few exporters a hash would often give one shard twice what
/// another has, so a new one goes to that which has the fewest.
///
/// Clones share what they know, and each has what it asked for at hand.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    shared: Arc<Mutex<Known>>,
    hasher: RandomState,
    at_hand: HashMap<IpAddr, usize>,
    shards: usize,
}

#[derive(Debug)]
struct Known {
    shard_of: HashMap<IpAddr, usize>,
    /// Of each shard how many exporters it has.
    exporters: Vec<usize>,
}

impl Assignment {
    pub(crate) fn new(shards: usize) -> Self {
        let known = Known { shard_of: HashMap::new(), exporters: vec![0; shards] };
        let shared = Arc::new(Mutex::new(known));
        Self { shared, hasher: RandomState::new(), at_hand: HashMap::new(), shards }
    }

    /// The shard of an exporter.
    pub(crate) fn of(&mut self, exporter: IpAddr) -> usize {
        if self.shards == 1 {
            return 0;
        }
        if let Some(&shard) = self.at_hand.get(&exporter) {
            return shard;
        }
        let mut known = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shard) = known.of(exporter) else {
            return (self.hasher.hash_one(exporter) % self.shards as u64) as usize;
        };
        self.at_hand.insert(exporter, shard);
        shard
    }
}

impl Known {
    /// The shard of an exporter; `None` when no more are remembered.
    fn of(&mut self, exporter: IpAddr) -> Option<usize> {
        if let Some(&shard) = self.shard_of.get(&exporter) {
            return Some(shard);
        }
        if self.shard_of.len() >= REMEMBERED {
            return None;
        }
        let (shard, count) = self.exporters.iter_mut().enumerate().min_by_key(|(_, count)| **count)?;
        *count += 1;
        self.shard_of.insert(exporter, shard);
        Some(shard)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn exporter(number: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(number as u32))
    }

    #[test]
    fn shards_have_as_many_exporters_and_keep_them() {
        let mut one = Assignment::new(3);
        let mut other = one.clone();
        let shards: Vec<_> = (0..9).map(|number| one.of(exporter(number))).collect();
        for shard in 0..3 {
            assert_eq!(shards.iter().filter(|of| **of == shard).count(), 3);
        }
        for (number, shard) in shards.iter().enumerate().rev() {
            assert_eq!((other.of(exporter(number)), one.of(exporter(number))), (*shard, *shard));
        }
    }

    #[test]
    fn beyond_what_is_remembered_an_exporter_has_one_shard_too() {
        let mut one = Assignment::new(2);
        let mut other = one.clone();
        let first = one.of(exporter(0));
        (1..REMEMBERED + 100).for_each(|number| _ = one.of(exporter(number)));
        assert!(one.at_hand.len() == REMEMBERED && other.at_hand.is_empty());
        for number in REMEMBERED..REMEMBERED + 100 {
            assert_eq!(other.of(exporter(number)), one.of(exporter(number)));
        }
        assert_eq!(one.of(exporter(0)), first);
    }
}
