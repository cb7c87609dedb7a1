//! Why a capture cannot be read.

use std::io;

/// Why a capture cannot be read, or not any further. Offsets count octets from the start of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// There is nothing to read.
    #[error("the capture is empty: a pcap file has at least 24 octets, a pcapng file 28")]
    Empty,
    /// The first octets belong to another format.
    #[error("a file that starts with the octets {} is neither a pcap nor a pcapng capture", hex(.first))]
    NotACapture {
        /// The first four octets, or as many as there are.
        first: Vec<u8>,
    },
    /// The frames of a pcap file are of a network that is not known here.
    #[error(
        "the frames of this capture have link type {link_type}; supported are 0, 1, 12, 14, 101, 108, 113, \
         228, 229 and 276"
    )]
    LinkType {
        /// The number in the header of the file.
        link_type: u32,
    },
    /// The file ends within a record, as when a capture was stopped or a copy was interrupted. Everything
    /// before that record has been handed out.
    #[error(
        "the capture is cut off: the record at offset {at} needs {needed} octets, and {available} are there"
    )]
    CutOff {
        /// Where the record starts.
        at: u64,
        /// Octets that it needs, as far as they are known.
        needed: u64,
        /// Octets of it that are there.
        available: u64,
    },
    /// A record cannot be understood, so that the place of the next one is not known either. Everything
    /// before it has been handed out.
    #[error("the capture is corrupt: the record at offset {at} {defect}")]
    Corrupt {
        /// Where the record starts.
        at: u64,
        /// What is wrong with it.
        defect: CaptureDefect,
    },
    /// Reading failed.
    #[error("reading the capture failed at offset {at}")]
    Read {
        /// Octets that were read before.
        at: u64,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What is wrong with a record of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureDefect {
    /// A frame is longer than frames can be.
    #[error("has a frame of {length} octets, where {limit} are the most")]
    FrameLength {
        /// Octets that the record claims to have captured.
        length: u64,
        /// The most that is accepted here.
        limit: u64,
    },
    /// A pcapng block has a length that no block has, or one that is not repeated at its end.
    #[error("gives its length as {length} octets at its start and as {trailing:?} at its end")]
    BlockLength {
        /// Length at the start of the block.
        length: u32,
        /// Length at the end of the block; absent if the first one alone is impossible.
        trailing: Option<u32>,
    },
    /// A pcapng block is too short for what it must hold, or its parts are longer than the block.
    #[error("is a block of type {block_type} whose content does not fit its {length} octets")]
    BlockContent {
        /// Type of the block.
        block_type: u32,
        /// Length of the block in octets.
        length: u32,
    },
    /// A pcapng section starts without the mark of its octet order.
    #[error("starts a section with the octet order mark {mark:#010x}, which is none")]
    ByteOrder {
        /// The mark, read as little-endian.
        mark: u32,
    },
    /// A pcapng frame is of an interface that was not described.
    #[error("is a frame of interface {interface}, and {described} interfaces are described")]
    Interface {
        /// Number of the interface, from 0.
        interface: u32,
        /// Interfaces of the section.
        described: u64,
    },
    /// A pcapng section describes more interfaces than are kept.
    #[error("describes interface {0} of its section, which is too many")]
    TooManyInterfaces(
        /// Number of the interface, from 0.
        u64,
    ),
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" ")
}
