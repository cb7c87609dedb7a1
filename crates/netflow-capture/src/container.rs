//! The records of pcap and pcapng files, and the frames in them.

mod endian;
mod pcap;
mod pcapng;
mod source;
mod time;

use std::io::Read;
use std::ops::Range;

use netflow_templates::Timestamp;

use crate::error::{CaptureDefect, CaptureError};
use endian::Endian;
use source::Source;
use time::Units;

/// Octets that a frame may have even if the capture announces a shorter limit.
const FRAME: usize = 256 << 10;
/// Octets that a frame may have at most, whatever the capture announces.
const LONGEST_FRAME: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Pcap { endian: Endian, nanoseconds: bool },
    PcapNg,
}

fn format(first: &[u8]) -> Option<Format> {
    let (endian, nanoseconds) = match first.first_chunk()? {
        [0xd4, 0xc3, 0xb2, 0xa1] => (Endian::Little, false),
        [0x4d, 0x3c, 0xb2, 0xa1] => (Endian::Little, true),
        [0xa1, 0xb2, 0xc3, 0xd4] => (Endian::Big, false),
        [0xa1, 0xb2, 0x3c, 0x4d] => (Endian::Big, true),
        [0x0a, 0x0d, 0x0d, 0x0a] => return Some(Format::PcapNg),
        _ => return None,
    };
    Some(Format::Pcap { endian, nanoseconds })
}

/// Whether a file that starts with these octets is a pcap or pcapng capture. Four octets are enough, with
/// fewer the answer is no.
#[must_use]
pub fn looks_like_capture(first_bytes: &[u8]) -> bool {
    format(first_bytes).is_some()
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: u32,
    /// Most octets kept of a frame; 0 is without limit.
    snap_length: u32,
    /// Units of a second in which times are given.
    units: Units,
    /// Seconds to add to the times.
    offset: i64,
}

/// A frame, which stays where it is until the next record is read.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Its octets, counted from the current place.
    pub(crate) range: Range<usize>,
    /// Octets of the record.
    record: usize,
    pub(crate) link_type: u32,
    /// Absent from pcapng's simple packets.
    pub(crate) time: Option<Timestamp>,
    /// Whether the capture kept only the beginning.
    pub(crate) cut: bool,
}

/// What a record of the container is.
pub(crate) enum Record {
    Frame(Frame),
    /// A frame too long to be of a network, already stepped over.
    Oversized,
    /// Anything else, already stepped over.
    Other,
}

/// A pcap or pcapng file, read as a stream.
pub(crate) struct Container<R> {
    source: Source<R>,
    format: Format,
    /// Octet order of the pcapng section.
    endian: Endian,
    /// Interfaces of the pcapng section; the only one of a pcap file.
    interfaces: Vec<Interface>,
    /// Octets of the record whose frame was handed out last.
    done: usize,
}

impl<R> std::fmt::Debug for Container<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Container")
            .field("format", &self.format)
            .field("offset", &self.offset())
            .finish_non_exhaustive()
    }
}

impl<R> Container<R> {
    /// Octets of the file up to the end of the last record that was read.
    pub(crate) fn offset(&self) -> u64 {
        self.source.offset() + self.done as u64
    }

    /// Octets of memory in use.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.source.memory()
    }
}

impl<R: Read> Container<R> {
    /// Reads the header of a file.
    pub(crate) fn open(reader: R) -> Result<Self, CaptureError> {
        let mut source = Source::new(reader);
        let available = source.fill(4)?;
        if available == 0 {
            return Err(CaptureError::Empty);
        }
        let first = &source.data()[..available.min(4)];
        let format = format(first).ok_or_else(|| CaptureError::NotACapture { first: first.to_vec() })?;
        let endian = Endian::Little;
        let mut container = Self { source, format, endian, interfaces: Vec::new(), done: 0 };
        match format {
            Format::Pcap { endian, .. } => container.pcap_header(endian)?,
            Format::PcapNg => {
                container.block()?;
            }
        }
        Ok(container)
    }

    /// The next record; none at the end of the file.
    pub(crate) fn record(&mut self) -> Result<Option<Record>, CaptureError> {
        self.source.consume(std::mem::take(&mut self.done));
        if self.source.fill(1)? == 0 {
            return Ok(None);
        }
        let record = match self.format {
            Format::Pcap { endian, nanoseconds } => self.pcap_frame(endian, nanoseconds)?,
            Format::PcapNg => self.block()?,
        };
        if let Record::Frame(frame) = &record {
            self.done = frame.record;
        }
        Ok(Some(record))
    }

    /// Octets within the frame that was read last.
    pub(crate) fn octets(&self, range: Range<usize>) -> &[u8] {
        &self.source.data()[range]
    }

    fn corrupt<T>(&self, defect: CaptureDefect) -> Result<T, CaptureError> {
        Err(CaptureError::Corrupt { at: self.source.offset(), defect })
    }
}
