//! When a file ends and the next one begins: windows of time, aligned as nfcapd aligns them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use netflow_templates::Timestamp;

/// This many packets in a row, all of them more than a window behind, mean that the clock was set back, and not
/// that some are late.
const BELIEVED: u32 = 64;
const NANOS: i64 = 1_000_000_000;

/// A time that one file is for. Windows are ordered as they are entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// How often the clock was set back before: the same time may come again.
    pub generation: u32,
    /// Its first second, since the Unix epoch.
    pub start: i64,
}

/// Tells one shard's windows by the receive times of its packets, each of which begins at a multiple of its length
/// since the Unix epoch.
///
/// A packet that comes late, by less than a window, belongs to the window that is open: what a file has is never
/// reopened. When the clock was set back further, the time that it shows now gets windows of a new generation, for
/// all shards: its files have the names that the time says, and never those of files that are there.
#[derive(Debug, Clone)]
pub struct Rotation {
    length: i64,
    generation: Arc<AtomicU32>,
    window: Option<Window>,
    behind: u32,
}

impl Rotation {
    /// Windows of so long, in whole seconds. Clones of this one are for other shards of the same collector.
    pub fn new(length: Duration) -> Self {
        let length = i64::try_from(length.as_secs()).unwrap_or(i64::MAX / NANOS).clamp(1, i64::MAX / NANOS);
        Self { length, generation: Arc::default(), window: None, behind: 0 }
    }

    /// The window that is open.
    pub fn window(&self) -> Option<Window> {
        self.window
    }

    /// The window to enter before a packet received `now` is decoded, unless it is the one that is open. It is
    /// entered with [`enter`](Self::enter).
    #[inline]
    pub fn due(&mut self, now: Timestamp) -> Option<Window> {
        let generation = self.generation.load(Ordering::Relaxed);
        let seconds = now.as_nanos().div_euclid(NANOS);
        match self.window {
            Some(window) if window.generation == generation => {
                let into = seconds.saturating_sub(window.start);
                if into >= self.length {
                    Some(self.window_of(generation, seconds))
                } else if into >= -self.length {
                    self.behind = 0;
                    None
                } else {
                    self.far_behind(generation, seconds)
                }
            }
            _ => Some(self.window_of(generation, seconds)),
        }
    }

    /// The same when no packet comes, and `now` is what a clock shows. That the clock was set back is learned from
    /// packets alone: a window that no packet belongs to needs no end.
    pub fn due_idle(&self, now: Timestamp) -> Option<Window> {
        let next = self.window_of(self.generation.load(Ordering::Relaxed), now.as_nanos().div_euclid(NANOS));
        self.window.is_none_or(|window| next > window).then_some(next)
    }

    /// Enters a window.
    pub fn enter(&mut self, window: Window) {
        self.window = Some(window);
        self.behind = 0;
    }

    #[cold]
    fn far_behind(&mut self, generation: u32, seconds: i64) -> Option<Window> {
        self.behind += 1;
        if self.behind < BELIEVED {
            return None;
        }
        let next = generation.wrapping_add(1);
        // Another shard may have been faster; then it has counted for all.
        let _ = self.generation.compare_exchange(generation, next, Ordering::Relaxed, Ordering::Relaxed);
        Some(self.window_of(self.generation.load(Ordering::Relaxed), seconds))
    }

    fn window_of(&self, generation: u32, seconds: i64) -> Window {
        Window { generation, start: seconds.div_euclid(self.length).saturating_mul(self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(length: u64) -> Rotation {
        Rotation::new(Duration::from_secs(length))
    }

    /// Windows that packets of these seconds enter.
    fn entered(rotation: &mut Rotation, seconds: impl IntoIterator<Item = i64>) -> Vec<(u32, i64)> {
        let mut entered = Vec::new();
        for second in seconds {
            if let Some(window) = rotation.due(Timestamp::from_secs(second)) {
                rotation.enter(window);
                entered.push((window.generation, window.start));
            }
        }
        entered
    }

    #[test]
    fn windows_are_aligned_to_their_length() {
        let mut rotation = rotation(300);
        assert_eq!(
            entered(&mut rotation, [1_000, 1_199, 1_200, 1_499, 2_400]),
            [(0, 900), (0, 1_200), (0, 2_400)]
        );
        assert_eq!(entered(&mut self::rotation(2), [-3, 0, 1, 2]), [(0, -4), (0, 0), (0, 2)]);
    }

    #[test]
    fn a_late_packet_stays_in_the_window_that_is_open() {
        let mut rotation = rotation(10);
        assert_eq!(entered(&mut rotation, [100, 110]), [(0, 100), (0, 110)]);
        assert_eq!(entered(&mut rotation, [105, 109, 100, 111].repeat(100)), []);
        // Some that are far behind, between others that are not, are late as well.
        assert_eq!(entered(&mut rotation, [5, 111].repeat(1_000)), []);
    }

    #[test]
    fn a_clock_that_is_set_back_gets_windows_again_and_no_file_twice() {
        let mut one = rotation(10);
        let mut other = one.clone();
        assert_eq!(entered(&mut one, [3_600]), [(0, 3_600)]);
        assert_eq!(entered(&mut other, [3_600]), [(0, 3_600)]);
        assert_eq!(entered(&mut one, (0..1_000).map(|_| 100)), [(1, 100)]);
        assert_eq!(entered(&mut one, (100..3_620).step_by(10)).len(), 352 - 1);
        // The other shard follows, also when all it sees is one packet, and all go on together.
        assert_eq!(entered(&mut other, [100, 101, 110]), [(1, 100), (1, 110)]);
    }

    #[test]
    fn without_packets_windows_go_forward_alone() {
        let mut one = rotation(10);
        let mut other = one.clone();
        assert_eq!(other.due_idle(Timestamp::from_secs(100)).map(|window| window.start), Some(100));
        entered(&mut one, [105]);
        entered(&mut other, [105]);
        for second in [109, 99, 5].repeat(100) {
            assert_eq!(other.due_idle(Timestamp::from_secs(second)), None);
        }
        assert_eq!(other.due_idle(Timestamp::from_secs(110)).map(|window| window.start), Some(110));
        // Another shard's packets show that the clock was set back.
        entered(&mut one, (0..100).map(|_| 5));
        let next = other.due_idle(Timestamp::from_secs(6));
        assert_eq!(next, Some(Window { generation: 1, start: 0 }));
    }

    #[test]
    fn one_packet_of_a_wrong_time_ahead_is_come_back_from() {
        let mut rotation = rotation(60);
        let seconds = [600, 4_000_000_000].into_iter().chain((0..100).map(|_| 601));
        assert_eq!(entered(&mut rotation, seconds), [(0, 600), (0, 3_999_999_960), (1, 600)]);
    }

    #[test]
    fn any_time_has_a_window() {
        for nanos in [i64::MIN, -1, 0, i64::MAX] {
            for length in [0, 1, 300, u64::MAX] {
                let mut rotation = rotation(length);
                let window = rotation.due(Timestamp::from_nanos(nanos)).unwrap();
                rotation.enter(window);
                assert_eq!(rotation.due(Timestamp::from_nanos(nanos)), None, "{nanos} {length}");
            }
        }
    }
}
