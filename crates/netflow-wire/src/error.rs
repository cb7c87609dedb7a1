//! What can be wrong with an export packet.

use crate::Foreign;

/// Why nothing of a datagram could be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The datagram ends inside the header.
    #[error("{what} cut off: {needed} octets needed at offset {offset}, {left} left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it starts, from the start of the export packet.
        offset: usize,
        /// Octets that it takes.
        needed: usize,
        /// Octets that there are.
        left: usize,
    },
    /// The first two octets are no version of NetFlow, and nothing else is recognised either.
    #[error("version {version} is not NetFlow (1, 5, 7, 8, 9) or IPFIX (10)")]
    UnknownVersion {
        /// The first two octets.
        version: u16,
    },
    /// The datagram is of another protocol.
    #[error("this is {0}, not NetFlow or IPFIX")]
    Foreign(Foreign),
    /// A v8 header names an aggregation scheme that was never published.
    #[error("NetFlow v8 aggregation scheme {aggregation} is unknown (1 to 14 are)")]
    UnknownAggregation {
        /// The header's aggregation octet.
        aggregation: u8,
    },
}

/// What is wrong within an export packet; what came before it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// A set says that it is shorter than its own header; where the next one starts is unknown.
    #[error("set {id} at offset {offset} says its length is {length}, less than its own header of 4")]
    Length {
        /// Set id.
        id: u16,
        /// Where the set starts in the export packet.
        offset: usize,
        /// Its length field.
        length: u16,
    },
    /// A set says that it is longer than what is left; whole records in it are still decoded.
    #[error("set {id} at offset {offset} says its length is {length}, but {left} octets are left")]
    Truncated {
        /// Set id.
        id: u16,
        /// Where the set starts in the export packet.
        offset: usize,
        /// Its length field.
        length: u16,
        /// Octets left in the export packet.
        left: usize,
    },
    /// Octets that belong to no set, and are not zero as padding should be.
    #[error("{length} octets at offset {offset} belong to no record and are not padding")]
    Trailing {
        /// Where they start in the export packet.
        offset: usize,
        /// How many they are.
        length: usize,
    },
    /// Zeros fill the datagram behind the last set or record: some exporters send datagrams of one size. Nothing is
    /// lost.
    #[error("{length} zeros at offset {offset} fill the end of the datagram")]
    Filling {
        /// Where they start in the export packet.
        offset: usize,
        /// How many they are.
        length: usize,
    },
    /// A set was found at the next multiple of four, behind octets that belong to none.
    #[error("{length} octets at offset {offset} lie between two sets")]
    Gap {
        /// Where they start in the export packet.
        offset: usize,
        /// How many they are.
        length: usize,
    },
    /// The header's count or length does not agree with the octets that are there.
    #[error("the header says {stated} {unit}, {found} are there")]
    Count {
        /// What the header says.
        stated: usize,
        /// What the octets hold.
        found: usize,
        /// What is counted: `records` or `octets`.
        unit: &'static str,
    },
}
