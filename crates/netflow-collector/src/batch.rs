//! Datagrams on their way from a receiver to a shard.

use std::net::SocketAddr;
use std::ops::Range;

use netflow_templates::Timestamp;

/// Octets that a batch may take, what is noted of each datagram included.
pub(crate) const MAX_OCTETS: usize = 512 << 10;

/// Datagrams that are handed over together: their octets in one piece of memory. It takes [`MAX_OCTETS`]
/// at most, and so a queue of batches so many times its length.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    octets: Vec<u8>,
    datagrams: Vec<Datagram>,
}

#[derive(Debug)]
struct Datagram {
    source: SocketAddr,
    received: Timestamp,
    octets: Range<usize>,
}

impl Batch {
    /// Whether there is room for a datagram of so many octets. There is in an empty batch.
    pub(crate) fn has_room(&self, octets: usize) -> bool {
        let noted = (self.datagrams.len() + 1) * size_of::<Datagram>();
        self.octets.len() + octets + noted <= MAX_OCTETS
    }

    /// Appends a datagram, for which there must be room.
    pub(crate) fn push(&mut self, source: SocketAddr, received: Timestamp, octets: &[u8]) {
        let start = self.octets.len();
        self.octets.extend_from_slice(octets);
        self.datagrams.push(Datagram { source, received, octets: start..self.octets.len() });
    }

    pub(crate) fn len(&self) -> usize {
        self.datagrams.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Octets of all datagrams.
    pub(crate) fn octets(&self) -> usize {
        self.octets.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SocketAddr, Timestamp, &[u8])> {
        self.datagrams
            .iter()
            .map(|datagram| (datagram.source, datagram.received, &self.octets[datagram.octets.clone()]))
    }
}
