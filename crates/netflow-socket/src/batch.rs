//! Datagrams that are handed from thread to thread together.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::SystemTime;

use crossbeam_channel::{Receiver, Sender, bounded};

/// Datagrams that are handed over together: their octets in one piece of memory. It takes [`Batch::MAX_OCTETS`] at
/// most, and so a queue of batches so many times its length. `T` is how times are kept.
#[derive(Debug)]
pub struct Batch<T = SystemTime> {
    octets: Vec<u8>,
    datagrams: Vec<Noted<T>>,
}

#[derive(Debug)]
struct Noted<T> {
    source: SocketAddr,
    time: T,
    octets: Range<usize>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { octets: Vec::new(), datagrams: Vec::new() }
    }
}

impl<T: Copy> Batch<T> {
    /// Octets that a batch may take, what is noted of each datagram included.
    pub const MAX_OCTETS: usize = 512 << 10;

    /// Whether there is room for a datagram of so many octets. There is in an empty batch.
    pub fn has_room(&self, octets: usize) -> bool {
        let noted = (self.datagrams.len() + 1) * size_of::<Noted<T>>();
        self.octets.len() + octets + noted <= Self::MAX_OCTETS
    }

    /// Appends a datagram, for which there must be [room](Self::has_room).
    pub fn push(&mut self, source: SocketAddr, time: T, payload: &[u8]) {
        let start = self.octets.len();
        self.octets.extend_from_slice(payload);
        self.datagrams.push(Noted { source, time, octets: start..self.octets.len() });
    }

    /// Number of datagrams.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Octets of all payloads.
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// Source, time and payload of each datagram, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (SocketAddr, T, &[u8])> {
        self.datagrams
            .iter()
            .map(|datagram| (datagram.source, datagram.time, &self.octets[datagram.octets.clone()]))
    }

    /// Empties it, but keeps its memory.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.datagrams.clear();
    }
}

/// Empty batches whose memory is used again, so that a steady stream of them allocates nothing. Clones share what
/// they keep.
#[derive(Debug)]
pub struct Pool<T = SystemTime> {
    give: Sender<Batch<T>>,
    take: Receiver<Batch<T>>,
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { give: self.give.clone(), take: self.take.clone() }
    }
}

impl<T: Copy> Pool<T> {
    /// A pool that keeps so many batches at most.
    pub fn new(batches: usize) -> Self {
        let (give, take) = bounded(batches);
        Self { give, take }
    }

    /// An empty batch.
    pub fn take(&self) -> Batch<T> {
        self.take.try_recv().unwrap_or_default()
    }

    /// Takes a batch back. When enough are kept it is freed.
    pub fn give(&self, mut batch: Batch<T>) {
        batch.clear();
        let _ = self.give.try_send(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_even_when_its_datagrams_are_empty() {
        let source = "192.0.2.1:1".parse().unwrap();
        for payload in [&[][..], &[7; 1_000]] {
            let mut batch = Batch::default();
            while batch.has_room(payload.len()) {
                batch.push(source, batch.len(), payload);
            }
            assert!(batch.len() * (payload.len() + size_of::<Noted<usize>>()) <= Batch::<usize>::MAX_OCTETS);
            assert!(batch.iter().enumerate().all(|(number, noted)| noted == (source, number, payload)));
        }
    }

    #[test]
    fn memory_of_a_batch_is_used_again_and_its_content_is_not() {
        let pool = Pool::new(1);
        let mut batch = pool.take();
        batch.push("192.0.2.1:1".parse().unwrap(), 0, &[1; 100]);
        let memory = batch.octets.as_ptr();
        pool.clone().give(batch);
        pool.give(Batch::default());
        let again = pool.take();
        assert_eq!((again.octets.as_ptr(), again.len(), again.octets()), (memory, 0, 0));
        assert_eq!(pool.take().octets.capacity(), 0);
    }
}
