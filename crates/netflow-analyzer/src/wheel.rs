//! Which open connection is due next.

/// Milliseconds to a slot of the wheel, as a power of two: about a second.
const SLOT_BITS: u32 = 10;
/// Slots: together about 70 minutes. What is due later waits in the last slot and is put in again.
const SLOTS: usize = 4096;
/// No entry.
const NONE: u32 = u32::MAX;

/// A timer wheel over numbered entries: inserting, removing and finding what is due cost a constant time.
///
/// A slot is a doubly linked list of its entries, in the order of insertion. Entries are not moved when
/// their time is put off; whoever takes one out looks at its real time and inserts it again.
#[derive(Debug)]
pub(crate) struct Wheel {
    slots: Vec<Slot>,
    links: Vec<Link>,
    /// The slot number (not yet taken modulo [`SLOTS`]) that is emptied next. No entry lies before it.
    next: u64,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    head: u32,
    tail: u32,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
    slot: u32,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { slots: vec![Slot { head: NONE, tail: NONE }; SLOTS], links: Vec::new(), next: 0, len: 0 }
    }

    /// The furthest that a time can lie ahead and still have a slot of its own, in milliseconds.
    pub(crate) const HORIZON: u64 = ((SLOTS - 2) as u64) << SLOT_BITS;

    /// Inserts `entry`, which must not be in the wheel, to be due at `due` milliseconds.
    #[inline]
    pub(crate) fn insert(&mut self, entry: u32, due: u64) {
        // The slot after the one that `due` falls into, so that nothing comes out before it is due.
        let number = ((due >> SLOT_BITS) + 1).clamp(self.next, self.next + SLOTS as u64 - 1);
        let slot = (number % SLOTS as u64) as u32;
        let before = std::mem::replace(&mut self.slots[slot as usize].tail, entry);
        if before == NONE {
            self.slots[slot as usize].head = entry;
        } else {
            self.links[before as usize].after = entry;
        }
        if self.links.len() <= entry as usize {
            self.links.resize(entry as usize + 1, Link { before: NONE, after: NONE, slot: 0 });
        }
        self.links[entry as usize] = Link { before, after: NONE, slot };
        self.len += 1;
    }

    /// Removes `entry`, which must be in the wheel.
    #[inline]
    pub(crate) fn remove(&mut self, entry: u32) {
        let Link { before, after, slot } = self.links[entry as usize];
        let slot = &mut self.slots[slot as usize];
        match before {
            NONE => slot.head = after,
            before => self.links[before as usize].after = after,
        }
        match after {
            NONE => slot.tail = before,
            after => self.links[after as usize].before = before,
        }
        self.len -= 1;
    }

    /// Takes out an entry that may be due at `now`; `None` when nothing is.
    #[inline]
    pub(crate) fn take_due(&mut self, now: u64) -> Option<u32> {
        let current = now >> SLOT_BITS;
        while self.next <= current {
            if self.len == 0 {
                self.next = current + 1;
                break;
            }
            let head = self.slots[(self.next % SLOTS as u64) as usize].head;
            if head != NONE {
                self.remove(head);
                return Some(head);
            }
            self.next += 1;
        }
        None
    }

    /// Takes out the entry that was to be due first, due or not.
    pub(crate) fn take_first(&mut self) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        // A slot passed over is empty and is not visited again, so that many calls share one lap.
        loop {
            let head = self.slots[(self.next % SLOTS as u64) as usize].head;
            if head != NONE {
                self.remove(head);
                return Some(head);
            }
            self.next += 1;
        }
    }

    /// Whether `due` lies in a later slot than the one that entries are taken from.
    pub(crate) const fn lies_ahead(&self, due: u64) -> bool {
        (due >> SLOT_BITS) + 1 > self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        std::iter::from_fn(|| wheel.take_due(now)).collect()
    }

    #[test]
    fn nothing_comes_out_early() {
        let mut wheel = Wheel::new();
        wheel.insert(7, 5_000);
        assert_eq!(due(&mut wheel, 4_999), [0; 0]);
        assert_eq!(due(&mut wheel, 5_000 + 1_024), [7]);
        assert_eq!(due(&mut wheel, 1_000_000), [0; 0]);
    }

    #[test]
    fn order_is_by_slot_then_insertion() {
        let mut wheel = Wheel::new();
        for (entry, at) in [(3, 9_000), (0, 2_000), (2, 9_001), (1, 2_001), (4, 9_002)] {
            wheel.insert(entry, at);
        }
        wheel.remove(2);
        assert_eq!(due(&mut wheel, 20_000), [0, 1, 3, 4]);
    }

    #[test]
    fn what_lies_beyond_the_horizon_comes_out_no_later_than_due() {
        let mut wheel = Wheel::new();
        wheel.insert(1, 10 * Wheel::HORIZON);
        assert_eq!(due(&mut wheel, Wheel::HORIZON + 4_096), [1]);
    }

    #[test]
    fn first_is_taken_before_its_time() {
        let mut wheel = Wheel::new();
        wheel.insert(1, 50_000);
        wheel.insert(2, 40_000);
        assert_eq!(wheel.take_first(), Some(2));
        assert!(wheel.lies_ahead(50_000) && !wheel.lies_ahead(40_000));
        wheel.insert(3, 30_000);
        assert_eq!(std::iter::from_fn(|| wheel.take_first()).collect::<Vec<_>>(), [3, 1]);
    }
}
