//! When each packet is due.

use std::time::{Duration, Instant};

use netflow_templates::Timestamp;

/// Times that go back by less are those of packets that changed places on their way; more is another recording.
const JITTER: Duration = Duration::from_secs(1);
/// A stop is noticed within this time.
const LOOK: Duration = Duration::from_millis(50);

/// How fast packets are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// With the pauses of the recording, divided by this number, which is above 0.
    Recorded(f64),
    /// This many packets a second, which is above 0, at even distances.
    PerSecond(f64),
    /// As fast as the system takes them.
    Top,
}

/// As recorded.
impl Default for Pace {
    fn default() -> Self {
        Self::Recorded(1.0)
    }
}

/// Says when each packet is due, in time since the start. It reads no clock.
///
/// ```
/// use std::time::Duration;
/// use netflow_exporter::replay::{Pace, Schedule};
/// use netflow_templates::Timestamp;
///
/// let mut schedule = Schedule::new(Pace::Recorded(2.0), None);
/// assert_eq!(schedule.due(Timestamp::from_secs(1_000)), Duration::ZERO);
/// assert_eq!(schedule.due(Timestamp::from_secs(1_010)), Duration::from_secs(5));
/// ```
#[derive(Debug, Clone)]
pub struct Schedule {
    pace: Pace,
    max_pause: Option<Duration>,
    /// Latest time of this recording.
    latest: Option<Timestamp>,
    due: Duration,
    packets: u64,
}

impl Schedule {
    /// A schedule. `max_pause` is the longest pause between two packets at the recorded pace.
    #[must_use]
    pub fn new(pace: Pace, max_pause: Option<Duration>) -> Self {
        Self { pace, max_pause, latest: None, due: Duration::ZERO, packets: 0 }
    }

    /// Another recording begins: its first packet is due with the last one before.
    pub fn begin(&mut self) {
        self.latest = None;
    }

    /// When the next packet is due, which was recorded at this time. It never goes back.
    pub fn due(&mut self, recorded: Timestamp) -> Duration {
        match self.pace {
            Pace::Top => {}
            Pace::PerSecond(rate) => self.due = seconds(self.packets as f64 / rate),
            Pace::Recorded(speed) => {
                let latest = self.latest.unwrap_or(recorded);
                let pause = seconds(recorded.saturating_since(latest).as_secs_f64() / speed);
                let pause = self.max_pause.map_or(pause, |longest| pause.min(longest));
                self.due = self.due.saturating_add(pause);
                let same = latest.saturating_since(recorded) <= JITTER;
                self.latest = Some(if same { latest.max(recorded) } else { recorded });
            }
        }
        self.packets += 1;
        self.due
    }
}

/// A duration, however many seconds it are.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// What a replay tells time by.
pub trait Clock {
    /// Time since the start.
    fn now(&mut self) -> Duration;

    /// Waits until then; at once if that is past. False when the replay is to end instead.
    fn wait_until(&mut self, due: Duration) -> bool;
}

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock<F = fn() -> bool> {
    start: Instant,
    stop: F,
}

impl SystemClock {
    /// Starts now, and never ends a replay.
    #[must_use]
    pub fn start() -> Self {
        Self::stopped_by(|| false)
    }
}

impl<F: FnMut() -> bool> SystemClock<F> {
    /// Starts now. A replay ends soon after `stop` says so.
    pub fn stopped_by(stop: F) -> Self {
        Self { start: Instant::now(), stop }
    }
}

impl<F: FnMut() -> bool> Clock for SystemClock<F> {
    fn now(&mut self) -> Duration {
        self.start.elapsed()
    }

    fn wait_until(&mut self, due: Duration) -> bool {
        loop {
            if (self.stop)() {
                return false;
            }
            let left = due.saturating_sub(self.now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When packets are due that were recorded at these milliseconds, in milliseconds.
    fn due(schedule: &mut Schedule, recorded: &[i64]) -> Vec<u128> {
        recorded.iter().map(|&at| schedule.due(Timestamp::from_millis(at)).as_millis()).collect()
    }

    const RECORDED: [i64; 5] = [1_000_000, 1_000_000, 1_000_250, 1_003_250, 1_003_300];

    #[test]
    fn pauses_are_the_recorded_ones_divided_by_the_speed() {
        let at = |speed| due(&mut Schedule::new(Pace::Recorded(speed), None), &RECORDED);
        assert_eq!(at(1.0), [0, 0, 250, 3_250, 3_300]);
        assert_eq!(at(10.0), [0, 0, 25, 325, 330]);
        assert_eq!(at(0.5), [0, 0, 500, 6_500, 6_600]);
        // Slower than time can say.
        assert_eq!(Schedule::new(Pace::Recorded(1e-300), None).due(Timestamp::EPOCH), Duration::ZERO);
        let mut schedule = Schedule::new(Pace::Recorded(1e-300), None);
        schedule.due(Timestamp::EPOCH);
        assert_eq!(schedule.due(Timestamp::from_secs(1)), Duration::MAX);
        assert_eq!(schedule.due(Timestamp::from_secs(2)), Duration::MAX);
    }

    #[test]
    fn pauses_have_a_bound_where_one_is_wanted() {
        let mut schedule = Schedule::new(Pace::Recorded(2.0), Some(Duration::from_millis(100)));
        assert_eq!(due(&mut schedule, &RECORDED), [0, 0, 100, 200, 225]);
    }

    #[test]
    fn packets_per_second_have_even_distances_whatever_was_recorded() {
        let mut schedule = Schedule::new(Pace::PerSecond(8.0), None);
        assert_eq!(due(&mut schedule, &RECORDED), [0, 125, 250, 375, 500]);
        schedule.begin();
        assert_eq!(due(&mut schedule, &[5]), [625]);
    }

    #[test]
    fn everything_is_due_at_once_at_top_speed() {
        assert_eq!(due(&mut Schedule::new(Pace::Top, None), &RECORDED), [0; 5]);
    }

    #[test]
    fn packets_that_changed_places_cost_no_time() {
        let mut schedule = Schedule::new(Pace::default(), None);
        assert_eq!(due(&mut schedule, &[1_000, 1_500, 1_100, 1_600]), [0, 500, 500, 600]);
    }

    #[test]
    fn another_recording_goes_on_where_the_one_before_ended() {
        let mut schedule = Schedule::new(Pace::default(), None);
        // A merged capture: the second part is years older.
        assert_eq!(due(&mut schedule, &[9_000_000, 9_001_000, 5_000, 6_000]), [0, 1_000, 1_000, 2_000]);
        schedule.begin();
        assert_eq!(due(&mut schedule, &[20_000_000, 20_000_500]), [2_000, 2_500]);
    }
}
