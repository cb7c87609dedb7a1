#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod reader;

mod container;

mod link;

mod fragments;

mod transport;

mod stream;

mod writer;

mod ipfix_file;
mod likeness;

mod packet_file;

mod datagram;
mod error;
mod statistics;
#[cfg(test)]
mod testing;

pub use container::looks_like_capture;
pub use datagram::{Datagram, Transport};
pub use error::{CaptureDefect, CaptureError};
pub use ipfix_file::{FileMessage, IpfixFileReader, IpfixFileStatistics, looks_like_ipfix};
pub use packet_file::{PacketFile, PacketFileStatistics};
pub use reader::CaptureReader;
pub use statistics::CaptureStatistics;
pub use writer::{CaptureWriteError, CaptureWriter};
