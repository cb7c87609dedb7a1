//! The time that a stream of flows keeps by itself.

use netflow_templates::Timestamp;

/// How far flows may be behind the others of their file, in nanoseconds.
const DISORDER: i64 = 5 * 60 * 1_000_000_000;

/// So many flows in a row that are further behind are another, older file.
const OLDER_FILE: u32 = 100_000;

/// Milliseconds of stream, counted from its first flow.
///
/// The clock follows the highest time of receipt. It never goes back: a flow that is late does not move it.
/// When all flows are late, and by much, an older file is being read; the clock then runs on from there,
/// so that what such a file leaves open is closed in time. In the same way it goes on after one absurd
/// time in the future.
#[derive(Debug, Default)]
pub(crate) struct StreamClock {
    now: u64,
    /// The highest time of receipt, in nanoseconds; the whole milliseconds of it are in `now`.
    latest: Option<i64>,
    /// Flows in a row that were far behind `latest`.
    behind: u32,
}

impl StreamClock {
    /// Takes note of a flow received at `arrival`; returns the stream's time, in milliseconds.
    ///
    /// A gap counts for no more than `longest`: by then everything that was open is due anyway,
    /// and no sequence of times can make the count overflow.
    #[inline]
    pub(crate) fn advance(&mut self, arrival: Timestamp, longest: u64) -> u64 {
        let arrival = arrival.as_nanos();
        let latest = *self.latest.get_or_insert(arrival);
        let ahead = arrival.saturating_sub(latest);
        if ahead < -DISORDER {
            self.behind += 1;
            if self.behind >= OLDER_FILE {
                self.behind = 0;
                self.latest = Some(arrival);
            }
            return self.now;
        }
        self.behind = 0;
        if ahead >= 1_000_000 {
            let millis = ahead / 1_000_000;
            self.latest = Some(latest.saturating_add(millis * 1_000_000));
            self.now += (millis as u64).min(longest);
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn run(millis: impl IntoIterator<Item = i64>) -> Vec<u64> {
        let mut clock = StreamClock::default();
        millis.into_iter().map(|at| clock.advance(Timestamp::from_millis(at), HOUR)).collect()
    }

    #[test]
    fn follows_the_highest_time() {
        assert_eq!(run([1_000_000, 1_000_500, 1_000_200, 1_001_000]), [0, 500, 500, 1_000]);
    }

    #[test]
    fn fractions_of_a_millisecond_add_up() {
        let mut clock = StreamClock::default();
        let mut now = 0;
        for nanos in (0..=10_000_000).step_by(300_000) {
            now = clock.advance(Timestamp::from_nanos(nanos), HOUR);
        }
        assert_eq!(now, 9);
    }

    #[test]
    fn runs_on_in_an_older_file() {
        let older = (0..200_000).map(|n| 10_000_000 + n);
        let times = run([90_000_000, 90_001_000].into_iter().chain(older));
        assert_eq!(times[..3], [0, 1_000, 1_000]);
        // As soon as it is known to be older, each further flow is a millisecond later.
        assert_eq!(times.last(), Some(&101_000));
    }

    #[test]
    fn times_of_two_clocks_do_not_make_it_run() {
        let times = run((0..300_000).map(|n| if n % 1_000 == 0 { 90_000_000 + n } else { n }));
        assert_eq!(times.last(), Some(&299_000));
    }

    #[test]
    fn absurd_times_neither_stop_nor_overflow_it() {
        let absurd = [0, i64::MAX, i64::MIN];
        let times = run(absurd.into_iter().chain(0..200_000).chain(absurd));
        assert_eq!(times[..3], [0, HOUR, HOUR]);
        assert!(times[200_002] > HOUR && times[200_002] < HOUR + 200_000);
        assert!(times.is_sorted());
    }
}
