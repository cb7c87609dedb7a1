//! What waits for a writer: bounded in octets, whatever a block has.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

/// Things that may wait, those without octets included.
const MOST: usize = 4_096;

/// What may wait for the writer of one output, and what happens when it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Octets of encoded flows that may wait, with those that are being written. A block that has more by itself waits
    /// alone.
    pub octets: usize,
    /// What happens to a block that has no room.
    pub when_full: WhenFull,
}

/// What happens to a block that has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Whoever decodes waits. Then packets wait in front of it, and what has no room there is dropped, and counted.
    Wait,
    /// It is lost, and counted, for this output alone: one that takes nothing holds up no other.
    Lose,
}

impl Default for Backlog {
    /// 256 MiB, and whoever decodes waits.
    fn default() -> Self {
        Self { octets: 256 << 20, when_full: WhenFull::Wait }
    }
}

/// What waits now, and what was lost since it had no room.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Waiting {
    pub(crate) octets: usize,
    things: usize,
    /// The writer has ended.
    gone: bool,
    /// When the writer took what it is at.
    since: Option<Instant>,
    pub(crate) lost_blocks: u64,
    pub(crate) lost_octets: u64,
    pub(crate) lost_flows: u64,
    pub(crate) lost_accounts: u64,
}

impl Waiting {
    /// How long the writer has been at the same thing.
    pub(crate) fn busy_for(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }
}

/// What something that waits is.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// A block of so many flows.
    Block(u64),
    Accounts,
    News,
}

impl Waiting {
    fn count_lost(&mut self, load: Load, octets: usize) {
        match load {
            Load::Block(flows) => {
                self.lost_blocks += 1;
                self.lost_octets += octets as u64;
                self.lost_flows += flows;
            }
            Load::Accounts => self.lost_accounts += 1,
            Load::News => {}
        }
    }
}

/// Something on its way, and the octets that it takes.
type Thing<T> = (T, Load, usize);

/// The room in which things wait.
#[derive(Debug)]
pub(crate) struct Room {
    backlog: Backlog,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Waiting {
        *self.lock()
    }

    /// Waits for room for so many octets, or says that there is none, or nobody to take them any more.
    fn find(
        &self,
        octets: usize,
        when_full: WhenFull,
    ) -> Result<MutexGuard<'_, Waiting>, MutexGuard<'_, Waiting>> {
        let mut waiting = self.lock();
        loop {
            if waiting.gone {
                return Err(waiting);
            }
            let fits = waiting.octets == 0 || waiting.octets.saturating_add(octets) <= self.backlog.octets;
            if (fits || octets == 0) && waiting.things < MOST {
                return Ok(waiting);
            }
            match when_full {
                WhenFull::Lose => return Err(waiting),
                WhenFull::Wait => {
                    waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

/// The way to a writer.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    things: Sender<Thing<T>>,
    room: Arc<Room>,
}

impl<T> Clone for Lane<T> {
    fn clone(&self) -> Self {
        Self { things: self.things.clone(), room: Arc::clone(&self.room) }
    }
}

impl<T> Lane<T> {
    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Hands on a block of so many octets and flows. What has no room waits or is lost, as is said for this output; that
    /// of a writer that has ended is lost.
    pub(crate) fn give(&self, block: T, octets: usize, flows: u64) {
        self.hand_on(block, Load::Block(flows), octets, self.room.backlog.when_full);
    }

    /// Hands on what was counted, which takes so many octets, like a block.
    pub(crate) fn account(&self, accounts: T, octets: usize) {
        self.hand_on(accounts, Load::Accounts, octets, self.room.backlog.when_full);
    }

    /// Hands on what has to come, and takes next to nothing. Waits when thousands of such things wait.
    pub(crate) fn tell(&self, thing: T) {
        self.hand_on(thing, Load::News, 0, WhenFull::Wait);
    }

    fn hand_on(&self, thing: T, load: Load, octets: usize, when_full: WhenFull) {
        match self.room.find(octets, when_full) {
            Ok(mut waiting) => {
                waiting.octets += octets;
                waiting.things += 1;
                // While it is locked: what is sent is seen by a writer that ends.
                let _ = self.things.send((thing, load, octets));
            }
            Err(mut waiting) => waiting.count_lost(load, octets),
        }
    }
}

/// The writer's side of a [`Lane`]. What was taken keeps its room until the next is asked for.
#[derive(Debug)]
pub(crate) struct Arrivals<T> {
    things: Receiver<Thing<T>>,
    room: Arc<Room>,
    taken: Option<(Load, usize)>,
}

pub(crate) fn lane<T>(backlog: Backlog) -> (Lane<T>, Arrivals<T>) {
    let (sender, receiver) = unbounded();
    let (waiting, changed) = (Mutex::default(), Condvar::new());
    let room = Arc::new(Room { backlog, waiting, changed });
    let arrivals = Arrivals { things: receiver, room: Arc::clone(&room), taken: None };
    (Lane { things: sender, room }, arrivals)
}

impl<T> Arrivals<T> {
    /// The next thing, if one comes in time. What was taken before is done with.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.done();
        let (thing, load, octets) = self.things.recv_timeout(timeout)?;
        self.taken = Some((load, octets));
        self.room.lock().since = Some(Instant::now());
        Ok(thing)
    }

    fn done(&mut self) {
        if let Some((_, octets)) = self.taken.take() {
            let mut waiting = self.room.lock();
            waiting.octets -= octets;
            waiting.things -= 1;
            waiting.since = None;
            self.room.changed.notify_all();
        }
    }
}

impl<T> Drop for Arrivals<T> {
    /// The writer has ended: nobody is to wait for it. If that was a failure, what it was at is lost, and what waits.
    fn drop(&mut self) {
        let mut waiting = self.room.lock();
        (waiting.gone, waiting.since, waiting.octets) = (true, None, 0);
        let taken = self.taken.take().filter(|_| std::thread::panicking());
        let waited = self.things.try_iter().map(|(_, load, octets)| (load, octets));
        taken.into_iter().chain(waited).for_each(|(load, octets)| waiting.count_lost(load, octets));
        self.room.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn backlog(octets: usize, when_full: WhenFull) -> Backlog {
        Backlog { octets, when_full }
    }

    #[test]
    fn what_has_no_room_is_lost_and_counted_and_what_is_being_written_takes_room() {
        let (lane, mut arrivals) = lane(backlog(100, WhenFull::Lose));
        for (number, octets) in [60, 30, 20, 10].into_iter().enumerate() {
            lane.give(number, octets, 7);
        }
        assert_eq!(arrivals.next(NOW), Ok(0));
        lane.give(4, 1, 7);
        let waiting = lane.room().now();
        assert_eq!((waiting.octets, waiting.lost_blocks), (100, 2));
        assert_eq!((waiting.lost_octets, waiting.lost_flows), (21, 14));
        assert!(waiting.busy_for().is_some());
        assert_eq!(arrivals.next(NOW), Ok(1));
        lane.give(5, 60, 7);
        let rest: Vec<_> = std::iter::from_fn(|| arrivals.next(NOW).ok()).collect();
        assert_eq!(rest, [3, 5]);
        let waiting = lane.room().now();
        assert_eq!((waiting.octets, waiting.things, waiting.lost_blocks), (0, 0, 2));
        assert!(waiting.busy_for().is_none());
    }

    #[test]
    fn one_that_is_larger_than_all_the_room_waits_alone() {
        let (lane, mut arrivals) = lane(backlog(100, WhenFull::Lose));
        lane.give("large", 1_000, 1);
        lane.give("small", 1, 1);
        lane.tell("news");
        assert_eq!(arrivals.next(NOW), Ok("large"));
        assert_eq!(arrivals.next(NOW), Ok("news"));
        assert_eq!(lane.room().now().lost_blocks, 1);
        lane.account("accounts", 101);
        lane.account("more", 1);
        assert_eq!((lane.room().now().lost_accounts, arrivals.next(NOW)), (1, Ok("accounts")));
    }

    #[test]
    fn what_a_writer_that_fails_was_at_is_lost_with_what_waits() {
        let (lane, mut arrivals) = lane(Backlog::default());
        (0..3).for_each(|number| lane.give(number, 10, 5));
        let writer = std::thread::spawn(move || {
            assert_eq!(arrivals.next(NOW), Ok(1), "as this test wants it");
        });
        assert!(writer.join().is_err());
        lane.give(3, 10, 5);
        let waiting = lane.room().now();
        assert_eq!((waiting.lost_blocks, waiting.lost_octets, waiting.lost_flows), (4, 40, 20));
    }

    #[test]
    fn who_waits_for_room_goes_on_when_there_is_some_and_when_the_writer_is_gone() {
        let (lane, mut arrivals) = lane(backlog(100, WhenFull::Wait));
        lane.give(0, 100, 1);
        std::thread::scope(|scope| {
            let giving = scope.spawn(|| (1..=3).for_each(|number| lane.give(number, 100, 1)));
            let taken: Vec<_> = (0..2).map(|_| arrivals.next(Duration::from_secs(60)).unwrap()).collect();
            assert_eq!((taken, lane.room().now().lost_blocks), (vec![0, 1], 0));
            drop(arrivals);
            giving.join().unwrap();
        });
        // The one that was taken last was written.
        assert_eq!(lane.room().now().lost_blocks, 2);
    }
}
