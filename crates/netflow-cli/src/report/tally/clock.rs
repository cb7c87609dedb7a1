//! Buckets of time whose length follows from what they have to hold.

use std::time::Duration;

use netflow_templates::Timestamp;

/// Buckets that there are at most.
pub(crate) const MOST: i64 = 240;
/// A second, in nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// Lengths of buckets in seconds; each is a multiple of the one before.
const LENGTHS: [i64; 13] = [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 86_400, 604_800];

/// The buckets that are in use: one length, numbered from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    /// Seconds of a bucket.
    length: i64,
    /// The first bucket and the last; none at first.
    used: Option<(i64, i64)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { length: LENGTHS[0], used: None }
    }
}

impl Clock {
    /// How long a bucket is.
    pub(crate) fn step(&self) -> Duration {
        Duration::from_secs(self.length.unsigned_abs())
    }

    /// When the first bucket begins.
    pub(crate) fn start(&self) -> Timestamp {
        Timestamp::from_secs(self.used.map_or(0, |(first, _)| first.saturating_mul(self.length)))
    }

    /// The first bucket.
    pub(crate) fn first(&self) -> i64 {
        self.used.map_or(0, |(first, _)| first)
    }

    /// How many buckets there are.
    pub(crate) fn buckets(&self) -> usize {
        self.used.map_or(0, |(first, last)| usize::try_from(last - first + 1).unwrap_or(0))
    }

    /// The bucket that a time, in nanoseconds, is in.
    pub(crate) fn bucket(&self, time: i64) -> i64 {
        time.div_euclid(self.length * SECOND)
    }

    /// Makes the buckets reach over times; returns how many buckets are one from now on, if their length has changed.
    pub(crate) fn reach(&mut self, from: i64, to: i64) -> Option<i64> {
        let before = self.length;
        loop {
            let (first, last) = (self.bucket(from), self.bucket(to));
            let (first, last) = self.used.map_or((first, last), |used| (used.0.min(first), used.1.max(last)));
            if last - first < MOST {
                self.used = Some((first, last));
                return (self.length != before).then(|| self.length / before);
            }
            self.lengthen();
        }
    }

    /// Makes the buckets as long as those of another, if these are shorter.
    pub(crate) fn follow(&mut self, other: &Self) -> Option<i64> {
        let before = self.length;
        while self.length < other.length {
            self.lengthen();
        }
        (self.length != before).then(|| self.length / before)
    }

    fn lengthen(&mut self) {
        let longer = LENGTHS.iter().copied().find(|length| *length > self.length);
        let longer = longer.unwrap_or(self.length * 4);
        let times = longer / self.length;
        self.length = longer;
        self.used = self.used.map(|(first, last)| (first.div_euclid(times), last.div_euclid(times)));
    }

    /// Divides octets among the buckets from one time to another, evenly: `add` is told of each.
    pub(crate) fn spread(&self, from: i64, to: i64, bytes: u64, mut add: impl FnMut(i64, u64)) {
        let (first, last) = (self.bucket(from), self.bucket(to));
        if first == last || to <= from {
            return add(first, bytes);
        }
        let since = |time: i128| (time - i128::from(from)).unsigned_abs();
        let whole = since(to.into());
        let mut given = 0;
        for bucket in first..=last {
            let end = i128::from(bucket + 1) * i128::from(self.length * SECOND);
            let until = since(end).min(whole);
            // All that is due up to the end of the bucket, so that nothing is lost by rounding.
            let due = (u128::from(bytes) * until / whole) as u64;
            add(bucket, due - given);
            given = due;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: i64) -> i64 {
        seconds * SECOND
    }

    #[test]
    fn buckets_become_longer_until_all_have_room() {
        let mut clock = Clock::default();
        assert_eq!(clock.reach(seconds(1_000), seconds(1_239)), None);
        assert_eq!((clock.start(), clock.buckets()), (Timestamp::from_secs(1_000), 240));
        assert_eq!(clock.reach(seconds(999), seconds(1_000)), Some(5));
        assert_eq!((clock.start(), clock.buckets()), (Timestamp::from_secs(995), 49));
        assert_eq!(clock.reach(seconds(90_000), seconds(90_000)), Some(120));
        assert_eq!(clock.step(), Duration::from_secs(600));
    }

    #[test]
    fn octets_are_spread_evenly_and_none_is_lost() {
        let clock = Clock::default();
        let mut got = Vec::new();
        clock.spread(seconds(10) + SECOND / 2, seconds(12) + SECOND / 2, 101, |bucket, bytes| {
            got.push((bucket, bytes))
        });
        assert_eq!(got, [(10, 25), (11, 50), (12, 26)]);
        got.clear();
        clock.spread(seconds(10), seconds(10), 7, |bucket, bytes| got.push((bucket, bytes)));
        assert_eq!(got, [(10, 7)]);
    }

    #[test]
    fn times_at_the_ends_of_their_range_have_a_bucket() {
        let mut clock = Clock::default();
        clock.reach(i64::MIN, i64::MIN);
        clock.reach(i64::MAX, i64::MAX);
        assert!(clock.buckets() <= 240);
        let mut sum = 0_u128;
        clock.spread(i64::MIN, i64::MAX, u64::MAX, |_, bytes| sum += u128::from(bytes));
        assert_eq!(sum, u128::from(u64::MAX));
    }
}
