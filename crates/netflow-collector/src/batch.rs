//! Datagrams on their way from a receiver to a shard.

use std::net::SocketAddr;
use std::ops::Range;

use netflow_templates::Timestamp;

/// Datagrams that are handed over together: their octets in one piece of memory, which is used again.
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
