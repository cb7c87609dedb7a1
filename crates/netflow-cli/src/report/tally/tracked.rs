//! Volumes by a key, each with its course over time.

use std::collections::HashMap;
use std::hash::Hash;

use netflow_report::Amount;

/// Keys that are kept; the smaller half is forgotten when there are more.
const MOST: usize = 1 << 14;

/// Volumes by a key.
#[derive(Debug)]
pub(crate) struct Tracked<K> {
    entries: HashMap<K, Entry>,
    most: usize,
    /// Octets of what was forgotten: no volume lacks more.
    pub(crate) forgotten: u64,
}

/// What is known of a key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) amount: Amount,
    pub(crate) course: Course,
}

/// Octets by bucket, from the first that has some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Course {
    first: i64,
    bytes: Vec<u64>,
}

impl<K> Default for Tracked<K> {
    fn default() -> Self {
        Self { entries: HashMap::new(), most: MOST, forgotten: 0 }
    }
}

impl<K: Hash + Eq + Clone + Ord> Tracked<K> {
    /// Adds a volume, whose octets are spread over buckets.
    pub(crate) fn add(&mut self, key: K, amount: Amount, spread: &[(i64, u64)]) {
        if self.entries.len() >= self.most && !self.entries.contains_key(&key) {
            self.forget();
        }
        let entry = self.entries.entry(key).or_default();
        entry.amount = entry.amount.plus(amount);
        for &(bucket, bytes) in spread {
            entry.course.add(bucket, bytes);
        }
    }

    /// So many buckets are one from now on.
    pub(crate) fn lengthen(&mut self, times: i64) {
        self.entries.values_mut().for_each(|entry| entry.course.lengthen(times));
    }

    /// Adds what another thread has.
    pub(crate) fn merge(&mut self, other: Self) {
        self.forgotten = self.forgotten.saturating_add(other.forgotten);
        for (key, entry) in other.entries {
            let own = self.entries.entry(key).or_default();
            own.amount = own.amount.plus(entry.amount);
            for (bucket, bytes) in (entry.course.first..).zip(entry.course.bytes) {
                own.course.add(bucket, bytes);
            }
        }
    }

    /// How many keys there are, if that is known.
    pub(crate) fn distinct(&self) -> Option<u64> {
        (self.forgotten == 0).then_some(self.entries.len() as u64)
    }

    /// The volume of a key.
    pub(crate) fn amount(&self, key: &K) -> Amount {
        self.entries.get(key).map(|entry| entry.amount).unwrap_or_default()
    }

    /// All keys, the largest first.
    pub(crate) fn sorted(&self) -> Vec<(&K, &Entry)> {
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_unstable_by(|(one_key, one), (other_key, other)| {
            let rank = |entry: &Entry| (entry.amount.bytes, entry.amount.packets, entry.amount.flows);
            rank(other).cmp(&rank(one)).then_with(|| one_key.cmp(other_key))
        });
        all
    }

    /// Puts what is known of a key in its place.
    pub(crate) fn put(&mut self, key: K, entry: Entry) {
        self.entries.insert(key, entry);
    }

    fn forget(&mut self) {
        let mut volumes: Vec<u64> = self.entries.values().map(|entry| entry.amount.bytes).collect();
        let middle = volumes.len() / 2;
        let (_, &mut least, _) = volumes.select_nth_unstable(middle);
        let mut forgotten = 0_u64;
        // Of those that are equal to the middle one, as many as are needed.
        let mut equal = middle - volumes[..middle].iter().filter(|&&bytes| bytes < least).count();
        self.entries.retain(|_, entry| {
            let bytes = entry.amount.bytes;
            let goes = bytes < least || bytes == least && equal > 0;
            if goes {
                equal -= usize::from(bytes == least);
                forgotten = forgotten.saturating_add(bytes);
            }
            !goes
        });
        self.forgotten = self.forgotten.saturating_add(forgotten);
    }
}

impl Course {
    pub(crate) fn add(&mut self, bucket: i64, bytes: u64) {
        if self.bytes.is_empty() {
            self.first = bucket;
        } else if bucket < self.first {
            let missing = usize::try_from(self.first - bucket).unwrap_or(0);
            self.bytes.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bucket;
        }
        let at = usize::try_from(bucket - self.first).unwrap_or(0);
        if at >= self.bytes.len() {
            self.bytes.resize(at + 1, 0);
        }
        self.bytes[at] = self.bytes[at].saturating_add(bytes);
    }

    pub(crate) fn lengthen(&mut self, times: i64) {
        let old = std::mem::take(self);
        for (bucket, bytes) in (old.first..).zip(old.bytes) {
            self.add(bucket.div_euclid(times), bytes);
        }
    }

    /// Octets of so many buckets from one on.
    pub(crate) fn from(&self, first: i64, buckets: usize) -> Vec<u64> {
        let at = |bucket: i64| usize::try_from(bucket - self.first).ok().and_then(|at| self.bytes.get(at));
        (first..).take(buckets).map(|bucket| at(bucket).copied().unwrap_or(0)).collect()
    }

    /// Changes the octets of each bucket.
    pub(crate) fn change(&mut self, mut change: impl FnMut(i64, u64) -> u64) {
        for (bucket, bytes) in (self.first..).zip(&mut self.bytes) {
            *bytes = change(bucket, *bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(bytes: u64) -> Amount {
        Amount { bytes, packets: 1, flows: 1 }
    }

    #[test]
    fn a_course_grows_to_both_sides() {
        let mut course = Course::default();
        for (bucket, bytes) in [(10, 1), (12, 2), (8, 3), (12, 4)] {
            course.add(bucket, bytes);
        }
        assert_eq!(course.from(7, 7), [0, 3, 0, 1, 0, 6, 0]);
        course.lengthen(5);
        assert_eq!(course.from(1, 2), [3, 7]);
    }

    #[test]
    fn what_is_forgotten_is_known() {
        let mut tracked = Tracked { most: 4, ..Tracked::default() };
        for (key, bytes) in [("a", 100), ("b", 1), ("c", 50), ("d", 2), ("e", 3), ("a", 100)] {
            tracked.add(key, amount(bytes), &[(0, bytes)]);
        }
        let sorted: Vec<_> =
            tracked.sorted().iter().map(|(key, entry)| (**key, entry.amount.bytes)).collect();
        assert_eq!(sorted, [("a", 200), ("c", 50), ("e", 3)]);
        assert_eq!((tracked.forgotten, tracked.distinct()), (3, None));
    }

    #[test]
    fn equal_ones_are_forgotten_by_halves_too() {
        let mut tracked = Tracked { most: 4, ..Tracked::default() };
        (0..100).for_each(|key| tracked.add(key, amount(1), &[]));
        assert!(tracked.sorted().len() >= 2);
        assert_eq!(tracked.forgotten + tracked.sorted().len() as u64, 100);
    }

    #[test]
    fn threads_are_added_up() {
        let (mut one, mut other) = (Tracked::default(), Tracked::default());
        one.add("a", amount(1), &[(5, 1)]);
        other.add("a", amount(2), &[(4, 2)]);
        other.add("b", amount(9), &[(4, 9)]);
        one.merge(other);
        let sorted: Vec<_> =
            one.sorted().iter().map(|(key, entry)| (**key, entry.course.from(4, 2))).collect();
        assert_eq!(sorted, [("b", vec![9, 0]), ("a", vec![2, 1])]);
    }
}
