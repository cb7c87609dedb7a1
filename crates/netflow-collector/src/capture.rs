//! Export packets out of pcap and pcapng captures.
//!
//! [`CaptureReader`] reads a capture of any length as a stream and hands out every UDP payload in it, and
//! every IPFIX message that went over TCP. IP fragments are put together, TCP segments are put in order. All
//! that is kept for this is bounded, whatever the capture says.

mod fragments;
mod link;
mod stream;

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use etherparse::{TcpHeaderSlice, UdpHeaderSlice};
use netflow_templates::Timestamp;
use pcap_parser::{BOM_MAGIC, EPB_MAGIC, IDB_MAGIC, SHB_MAGIC, SPB_MAGIC};

use fragments::Fragments;
use link::{Packet, Unusable};
use stream::{Key, Segment, Streams};

/// Octets that a frame may have even if the capture announces a shorter limit.
const FRAME: usize = 256 << 10;
/// Octets that a frame may have at most, whatever the capture announces.
const LONGEST_FRAME: usize = 1 << 20;
/// Octets that a pcapng block may have beside a frame.
const BLOCK_EXTRA: usize = 256 << 10;
const MOST_INTERFACES: usize = 65_536;
/// Block type of the packet block that came before the enhanced one.
const OBSOLETE_PACKET: u32 = 2;

/// How a datagram was transported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// It is the payload of a UDP packet.
    Udp,
    /// It is one IPFIX message out of a TCP connection.
    Tcp,
}

/// One export packet, as it was sent. It borrows from the reader until the next one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender: the exporter's address and port.
    pub source: SocketAddr,
    /// Receiver: the collector's address and port.
    pub destination: SocketAddr,
    /// When the frame that completed it was captured. Frames without a time (pcapng's simple packets) have
    /// the time of the frame before them, or [`Timestamp::EPOCH`] if there is none.
    pub time: Timestamp,
    /// UDP payload, or the octets of one IPFIX message.
    pub payload: &'a [u8],
    /// Whether the capture kept only the beginning of it. Never with [`Transport::Tcp`].
    pub truncated: bool,
    /// How it was transported.
    pub transport: Transport,
    /// Number of the frame that completed it, from 1, as other tools count frames. What becomes whole only at
    /// the end of the capture has the number of the last frame.
    pub frame: u64,
}

/// What a reader saw up to now. All numbers are counts since the start of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaptureStatistics {
    /// Frames read.
    pub frames: u64,
    /// Datagrams handed out.
    pub datagrams: u64,
    /// Of them, those of which the capture kept only the beginning.
    pub truncated: u64,
    /// Frames of which the capture kept only the beginning, whatever they carry.
    pub cut_frames: u64,
    /// Frames of interfaces whose link type is not known here; the last such type is
    /// [`Self::unsupported_link_type`].
    pub unsupported_link: u64,
    /// Link type that was met last among the unsupported ones.
    pub unsupported_link_type: Option<u32>,
    /// Frames longer than any network frame, which were stepped over.
    pub oversized: u64,
    /// Frames that hold no IP packet.
    pub not_ip: u64,
    /// IP packets that carry neither UDP nor TCP.
    pub other_protocol: u64,
    /// IP packets with headers that contradict each other or the length of the packet.
    pub malformed: u64,
    /// Fragments of IP packets.
    pub fragments: u64,
    /// Packets put together from fragments.
    pub reassembled: u64,
    /// Packets of which fragments are still missing. At the end of a capture they are lost.
    pub fragments_waiting: u64,
    /// Packets given up, since fragments of them came too late, too many were waiting, or the fragments
    /// contradict each other.
    pub fragments_dropped: u64,
    /// TCP segments.
    pub tcp_segments: u64,
    /// TCP segments that brought nothing new.
    pub tcp_retransmitted: u64,
    /// TCP segments with content that is not IPFIX.
    pub tcp_foreign: u64,
    /// Places in TCP streams of IPFIX where octets are missing.
    pub tcp_gaps: u64,
    /// Times that a message header was found again in a TCP stream, after a gap or after octets that are no
    /// message.
    pub tcp_resynchronised: u64,
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endian {
    Little,
    Big,
}

impl Endian {
    fn u32(self, octets: &[u8], at: usize) -> u32 {
        let Some(field) = octets.get(at..).and_then(<[u8]>::first_chunk) else { return 0 };
        match self {
            Self::Little => u32::from_le_bytes(*field),
            Self::Big => u32::from_be_bytes(*field),
        }
    }

    fn u16(self, octets: &[u8], at: usize) -> u16 {
        let Some(field) = octets.get(at..).and_then(<[u8]>::first_chunk) else { return 0 };
        match self {
            Self::Little => u16::from_le_bytes(*field),
            Self::Big => u16::from_be_bytes(*field),
        }
    }
}

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

/// The input, with as much of it in memory as the current record needs.
struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in the file `start` is.
    offset: u64,
    at_end: bool,
}

impl<R: Read> Source<R> {
    fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; 64 << 10], start: 0, end: 0, offset: 0, at_end: false }
    }

    fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads until `wanted` octets are there, or the input ends; returns how many are there. The buffer grows
    /// only with what really comes.
    fn fill(&mut self, wanted: usize) -> Result<usize, CaptureError> {
        while self.end - self.start < wanted && !self.at_end {
            if self.start + wanted > self.buffer.len() && self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    self.at_end = true;
                    let at = self.offset + (self.end - self.start) as u64;
                    return Err(CaptureError::Read { at, source });
                }
            }
        }
        Ok(self.end - self.start)
    }

    /// The first `wanted` octets of the record at the current place, or an error that it is cut off.
    fn need(&mut self, wanted: usize) -> Result<&[u8], CaptureError> {
        let available = self.fill(wanted)?;
        if available < wanted {
            return Err(CaptureError::CutOff {
                at: self.offset,
                needed: wanted as u64,
                available: available as u64,
            });
        }
        Ok(&self.buffer[self.start..self.start + wanted])
    }

    /// Steps over octets that are there.
    fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    /// Steps over octets that need not fit in memory.
    fn skip(&mut self, count: u64) -> Result<(), CaptureError> {
        let (at, mut left) = (self.offset, count);
        while left > 0 {
            let there = self.fill(1)? as u64;
            if there == 0 {
                return Err(CaptureError::CutOff { at, needed: count, available: count - left });
            }
            let step = there.min(left);
            self.consume(step as usize);
            left -= step;
        }
        Ok(())
    }
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

/// How many parts a second has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    /// Ten to this power.
    Decimal(u8),
    /// Two to this power.
    Binary(u8),
}

impl Units {
    fn from_octet(octet: u8) -> Self {
        if octet & 0x80 == 0 { Self::Decimal(octet) } else { Self::Binary(octet & 0x7f) }
    }

    fn nanoseconds(self, count: u64) -> i128 {
        let count = i128::from(count);
        match self {
            Self::Decimal(digits) if digits <= 9 => count * 10_i128.pow(9 - u32::from(digits)),
            // A finer division than 10^28 leaves nothing of 64 bits.
            Self::Decimal(digits) => {
                10_i128.checked_pow(u32::from(digits) - 9).map_or(0, |parts| count / parts)
            }
            // 64 bits times 10^9 fit, and shifted out entirely they are 0.
            Self::Binary(digits) => (count * 1_000_000_000) >> digits.min(127),
        }
    }
}

fn clamp(nanoseconds: i128) -> Timestamp {
    Timestamp::from_nanos(nanoseconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// A frame in the buffer of the source.
#[derive(Debug)]
struct Frame {
    /// Offsets from the current place.
    range: Range<usize>,
    /// Octets of the record.
    record: usize,
    link_type: u32,
    time: Option<Timestamp>,
    cut: bool,
}

/// What a record of the container is.
enum Record {
    Frame(Frame),
    /// A frame too long to be of a network, already stepped over.
    Oversized,
    /// Anything else, already stepped over.
    Other,
}

/// Where the payload of a datagram is.
enum Place {
    Frame(Range<usize>),
    Fragments(Range<usize>),
    Stream,
}

struct Found {
    source: SocketAddr,
    destination: SocketAddr,
    time: Timestamp,
    place: Place,
    truncated: bool,
}

/// Reads the export packets of a pcap or pcapng capture.
///
/// Every UDP payload is handed out, whatever its ports are: only decoding tells what is an export packet. Of
/// TCP connections, IPFIX messages are handed out. Memory stays bounded: one record of at most some 1.25 MiB,
/// 16 MiB of IP fragments, 32 MiB of TCP segments out of order and 64 KiB for each of 1024 connections.
///
/// UDP payloads come in the order of the capture; an IPFIX message over TCP comes with the segment that
/// completes it.
///
/// ```
/// use netflow_collector::capture::CaptureReader;
///
/// # fn main() -> Result<(), netflow_collector::capture::CaptureError> {
/// // The header of a pcap file of Ethernet frames, and no frame.
/// let file = [
///     &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
///     &[0, 0, 4, 0, 1, 0, 0, 0],
/// ]
/// .concat();
/// let mut reader = CaptureReader::new(file.as_slice())?;
/// while let Some(datagram) = reader.next_datagram()? {
///     assert!(!datagram.payload.is_empty());
/// }
/// assert_eq!(reader.statistics().frames, 0);
/// # Ok(())
/// # }
/// ```
pub struct CaptureReader<R> {
    source: Source<R>,
    format: Format,
    /// Octet order of the pcapng section.
    endian: Endian,
    /// Interfaces of the pcapng section; the only one of a pcap file.
    interfaces: Vec<Interface>,
    /// Octets of the record whose frame was handed out last.
    done: usize,
    time: Timestamp,
    fragments: Fragments,
    streams: Streams,
    statistics: CaptureStatistics,
    /// The container is at its end.
    ended: bool,
    /// What to report when everything before it has been handed out.
    error: Option<CaptureError>,
}

impl<R> std::fmt::Debug for CaptureReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureReader")
            .field("format", &self.format)
            .field("offset", &self.source.offset)
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

impl<R: Read> CaptureReader<R> {
    /// Reads the header of a capture. The reader need not be buffered.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Empty`], [`CaptureError::NotACapture`] and [`CaptureError::LinkType`] for what cannot
    /// be read at all, [`CaptureError::CutOff`] if the input ends within the header, and the errors of
    /// [`Self::next_datagram`] for a defect in it.
    pub fn new(reader: R) -> Result<Self, CaptureError> {
        let mut source = Source::new(reader);
        let available = source.fill(4)?;
        if available == 0 {
            return Err(CaptureError::Empty);
        }
        let first = &source.data()[..available.min(4)];
        let format = format(first).ok_or_else(|| CaptureError::NotACapture { first: first.to_vec() })?;
        let mut capture = Self {
            source,
            format,
            endian: Endian::Little,
            interfaces: Vec::new(),
            done: 0,
            time: Timestamp::EPOCH,
            fragments: Fragments::default(),
            streams: Streams::default(),
            statistics: CaptureStatistics::default(),
            ended: false,
            error: None,
        };
        match format {
            Format::Pcap { endian, .. } => capture.pcap_header(endian)?,
            Format::PcapNg => {
                capture.block()?;
            }
        }
        Ok(capture)
    }

    /// The next datagram, or none at the end of the capture.
    ///
    /// # Errors
    ///
    /// [`CaptureError::CutOff`] if the file ends within a record, [`CaptureError::Corrupt`] if a record
    /// cannot be understood and [`CaptureError::Read`] if the input fails. Each comes once, after all
    /// datagrams of the records before; from then on there is none.
    pub fn next_datagram(&mut self) -> Result<Option<Datagram<'_>>, CaptureError> {
        let (found, transport) = loop {
            if let Some((key, time)) = self.streams.next_message() {
                let Key { source, destination } = key;
                let place = Place::Stream;
                break (Found { source, destination, time, place, truncated: false }, Transport::Tcp);
            }
            if self.ended {
                return match self.error.take() {
                    Some(error) => Err(error),
                    None => Ok(None),
                };
            }
            self.source.consume(std::mem::take(&mut self.done));
            match self.record() {
                Ok(Some(Record::Frame(frame))) => {
                    if let Some(found) = self.frame(frame) {
                        break (found, Transport::Udp);
                    }
                }
                Ok(Some(Record::Oversized)) => {
                    self.statistics.frames += 1;
                    self.statistics.oversized += 1;
                }
                Ok(Some(Record::Other)) => {}
                Ok(None) => self.end(None),
                Err(error) => self.end(Some(error)),
            }
        };
        self.statistics.datagrams += 1;
        self.statistics.truncated += u64::from(found.truncated);
        let payload = match found.place {
            Place::Frame(range) => &self.source.data()[range],
            Place::Fragments(range) => &self.fragments.whole()[range],
            Place::Stream => self.streams.message(),
        };
        Ok(Some(Datagram {
            source: found.source,
            destination: found.destination,
            time: found.time,
            payload,
            truncated: found.truncated,
            transport,
            frame: self.statistics.frames,
        }))
    }

    /// What was seen up to now.
    #[must_use]
    pub fn statistics(&self) -> CaptureStatistics {
        CaptureStatistics {
            fragments_waiting: self.fragments.waiting() as u64,
            fragments_dropped: self.fragments.dropped,
            tcp_retransmitted: self.streams.counts.retransmitted,
            tcp_foreign: self.streams.counts.foreign,
            tcp_gaps: self.streams.counts.gaps,
            tcp_resynchronised: self.streams.counts.resynchronised,
            ..self.statistics
        }
    }

    /// Octets of the file up to the end of the last record that was read; for showing progress.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.source.offset + self.done as u64
    }

    fn end(&mut self, error: Option<CaptureError>) {
        self.ended = true;
        self.error = error;
        self.streams.end_all();
    }

    fn corrupt<T>(&self, defect: CaptureDefect) -> Result<T, CaptureError> {
        Err(CaptureError::Corrupt { at: self.source.offset, defect })
    }

    /// The next record of the container; none at its end.
    fn record(&mut self) -> Result<Option<Record>, CaptureError> {
        if self.source.fill(1)? == 0 {
            return Ok(None);
        }
        match self.format {
            Format::Pcap { endian, nanoseconds } => self.pcap_frame(endian, nanoseconds).map(Some),
            Format::PcapNg => self.block().map(Some),
        }
    }

    fn pcap_header(&mut self, endian: Endian) -> Result<(), CaptureError> {
        let octets = self.source.need(24)?;
        let link_type = match pcap_parser::parse_pcap_header(octets) {
            // The upper six bits tell about checksums of frames.
            Ok((_, header)) => header.network.0 as u32 & 0x03ff_ffff,
            Err(_) => return Err(CaptureError::NotACapture { first: octets[..4].to_vec() }),
        };
        let snap_length = endian.u32(octets, 16);
        if !link::is_supported(link_type) {
            return Err(CaptureError::LinkType { link_type });
        }
        self.interfaces.push(Interface { link_type, snap_length, units: Units::Decimal(6), offset: 0 });
        self.source.consume(24);
        Ok(())
    }

    fn pcap_frame(&mut self, endian: Endian, nanoseconds: bool) -> Result<Record, CaptureError> {
        let length = endian.u32(self.source.need(16)?, 8) as usize;
        let Interface { link_type, snap_length, .. } = self.interfaces[0];
        let limit = frame_limit(snap_length);
        if length > limit {
            return self.corrupt(CaptureDefect::FrameLength { length: length as u64, limit: limit as u64 });
        }
        let record = 16 + length;
        let octets = self.source.need(record)?;
        let parse = match endian {
            Endian::Little => pcap_parser::parse_pcap_frame,
            Endian::Big => pcap_parser::parse_pcap_frame_be,
        };
        let Ok((_, frame)) = parse(octets) else {
            return self.corrupt(CaptureDefect::FrameLength { length: length as u64, limit: limit as u64 });
        };
        let fraction = i128::from(frame.ts_usec) * if nanoseconds { 1 } else { 1000 };
        let time = clamp(i128::from(frame.ts_sec) * 1_000_000_000 + fraction);
        let cut = frame.caplen < frame.origlen;
        Ok(Record::Frame(Frame { range: 16..record, record, link_type, time: Some(time), cut }))
    }

    /// Reads one pcapng block.
    fn block(&mut self) -> Result<Record, CaptureError> {
        let octets = self.source.need(12)?;
        let section = Endian::Little.u32(octets, 0) == SHB_MAGIC;
        let mark = Endian::Little.u32(octets, 8);
        if section {
            // The octet order of the length is that of the section that starts here.
            self.endian = match mark {
                BOM_MAGIC => Endian::Little,
                swapped if swapped.swap_bytes() == BOM_MAGIC => Endian::Big,
                mark => return self.corrupt(CaptureDefect::ByteOrder { mark }),
            };
        }
        let endian = self.endian;
        let octets = self.source.data();
        let (block_type, length) = (endian.u32(octets, 0), endian.u32(octets, 4));
        let frame = matches!(block_type, EPB_MAGIC | SPB_MAGIC | OBSOLETE_PACKET);
        let parsed = section || frame || block_type == IDB_MAGIC;
        if length < 12 || length % 4 != 0 {
            return self.corrupt(CaptureDefect::BlockLength { length, trailing: None });
        }
        let size = length as usize;
        if !parsed || size > LONGEST_FRAME + BLOCK_EXTRA {
            if parsed && !frame {
                return self.corrupt(CaptureDefect::BlockContent { block_type, length });
            }
            self.skip_block(length)?;
            return Ok(if frame { Record::Oversized } else { Record::Other });
        }
        let octets = self.source.need(size)?;
        let trailing = endian.u32(octets, size - 4);
        if trailing != length {
            return self.corrupt(CaptureDefect::BlockLength { length, trailing: Some(trailing) });
        }
        // The whole block is there: a parser that wants more has found a length that does not fit.
        let content = CaptureDefect::BlockContent { block_type, length };
        let record = match block_type {
            SHB_MAGIC => {
                if pcap_parser::parse_sectionheaderblock(octets).is_err() {
                    return self.corrupt(content);
                }
                self.interfaces.clear();
                Record::Other
            }
            IDB_MAGIC => {
                let Some(interface) = interface(octets, endian) else { return self.corrupt(content) };
                if self.interfaces.len() == MOST_INTERFACES {
                    return self.corrupt(CaptureDefect::TooManyInterfaces(MOST_INTERFACES as u64));
                }
                self.interfaces.push(interface);
                Record::Other
            }
            _ => {
                let Some((number, header, captured, original, time)) =
                    packet_block(octets, endian, block_type)
                else {
                    return self.corrupt(content);
                };
                let Some(interface) = self.interfaces.get(number as usize) else {
                    let described = self.interfaces.len() as u64;
                    return self.corrupt(CaptureDefect::Interface { interface: number, described });
                };
                let captured = match (block_type, interface.snap_length) {
                    (SPB_MAGIC, 1..) => captured.min(interface.snap_length as usize),
                    _ => captured,
                };
                let time = time.map(|count| {
                    let seconds = i128::from(interface.offset) * 1_000_000_000;
                    clamp(interface.units.nanoseconds(count) + seconds)
                });
                return Ok(Record::Frame(Frame {
                    range: header..header + captured,
                    record: size,
                    link_type: interface.link_type,
                    time,
                    cut: captured < original as usize,
                }));
            }
        };
        self.source.consume(size);
        Ok(record)
    }

    /// Steps over a block, which need not fit in memory.
    fn skip_block(&mut self, length: u32) -> Result<(), CaptureError> {
        let at = self.source.offset;
        let cut = |available: u64| CaptureError::CutOff { at, needed: length.into(), available };
        let body = u64::from(length) - 4;
        self.source.skip(body).map_err(|error| match error {
            CaptureError::CutOff { available, .. } => cut(available),
            other => other,
        })?;
        let there = self.source.fill(4)?;
        if there < 4 {
            return Err(cut(body + there as u64));
        }
        let trailing = self.endian.u32(self.source.data(), 0);
        if trailing != length {
            let defect = CaptureDefect::BlockLength { length, trailing: Some(trailing) };
            return Err(CaptureError::Corrupt { at, defect });
        }
        self.source.consume(4);
        Ok(())
    }

    /// Looks into a frame: a datagram, if it holds or completes one. Segments of TCP go to the streams.
    fn frame(&mut self, frame: Frame) -> Option<Found> {
        self.done = frame.record;
        let statistics = &mut self.statistics;
        statistics.frames += 1;
        statistics.cut_frames += u64::from(frame.cut);
        self.time = frame.time.unwrap_or(self.time);
        if !link::is_supported(frame.link_type) {
            statistics.unsupported_link += 1;
            statistics.unsupported_link_type = Some(frame.link_type);
            return None;
        }
        let octets = &self.source.data()[frame.range.clone()];
        let mut packet = match link::packet(frame.link_type, octets) {
            Ok(packet) => packet,
            Err(Unusable::NotIp) => {
                statistics.not_ip += 1;
                return None;
            }
            Err(Unusable::Malformed) => {
                statistics.malformed += 1;
                return None;
            }
        };
        let Some(part) = packet.fragment.take() else {
            let start = frame.range.start + packet.start;
            let (payload, found) = transport(&packet, self.time, &mut self.streams, statistics)?;
            let range = start + payload.start..start + payload.end;
            return Some(Found { place: Place::Frame(range), ..found });
        };
        statistics.fragments += 1;
        let whole = self.fragments.add(&packet, part, self.time)?;
        statistics.reassembled += 1;
        packet.payload = self.fragments.whole();
        packet.declared = whole.declared;
        packet.protocol = whole.protocol;
        // Headers that were fragmented together with the payload.
        let Ok((protocol, skipped)) = link::extensions(whole.protocol, packet.payload) else {
            statistics.malformed += 1;
            return None;
        };
        packet.protocol = protocol;
        packet.payload = &packet.payload[skipped..];
        packet.declared -= skipped;
        let (payload, found) = transport(&packet, self.time, &mut self.streams, statistics)?;
        let range = skipped + payload.start..skipped + payload.end;
        Some(Found { place: Place::Fragments(range), ..found })
    }
}

/// Most octets that a frame may have where the capture announced this limit.
fn frame_limit(snap_length: u32) -> usize {
    (snap_length as usize).clamp(FRAME, LONGEST_FRAME)
}

/// Looks into a UDP packet, which gives the place of its payload, or passes a TCP segment on.
fn transport(
    packet: &Packet<'_>,
    time: Timestamp,
    streams: &mut Streams,
    statistics: &mut CaptureStatistics,
) -> Option<(Range<usize>, Found)> {
    let ends = |source: u16, destination: u16| {
        (SocketAddr::new(packet.source, source), SocketAddr::new(packet.destination, destination))
    };
    match packet.protocol {
        link::UDP => {
            let header = UdpHeaderSlice::from_slice(packet.payload).ok();
            let length = header.as_ref().map(|header| match (header.length(), packet.source) {
                // Of an IPv6 packet longer than the field can say.
                (0, IpAddr::V6(_)) => packet.declared,
                (length, _) => usize::from(length),
            });
            let (Some(header), Some(length)) =
                (header, length.filter(|length| (8..=packet.declared).contains(length)))
            else {
                statistics.malformed += 1;
                return None;
            };
            let (source, destination) = ends(header.source_port(), header.destination_port());
            let end = length.min(packet.payload.len());
            let place = Place::Frame(0..0);
            Some((8..end, Found { source, destination, time, place, truncated: end < length }))
        }
        link::TCP => {
            statistics.tcp_segments += 1;
            let Ok(header) = TcpHeaderSlice::from_slice(packet.payload) else {
                statistics.malformed += 1;
                return None;
            };
            let (source, destination) = ends(header.source_port(), header.destination_port());
            let offset = header.slice().len();
            let segment = Segment {
                sequence: header.sequence_number(),
                syn: header.syn(),
                fin: header.fin(),
                rst: header.rst(),
                data: &packet.payload[offset..],
                declared: packet.declared - offset,
            };
            streams.push(Key { source, destination }, segment, time);
            None
        }
        _ => {
            statistics.other_protocol += 1;
            None
        }
    }
}

/// Reads an interface description block.
fn interface(octets: &[u8], endian: Endian) -> Option<Interface> {
    let parse = match endian {
        Endian::Little => pcap_parser::parse_interfacedescriptionblock_le,
        Endian::Big => pcap_parser::parse_interfacedescriptionblock_be,
    };
    let (_, block) = parse(octets).ok()?;
    let mut interface = Interface {
        // Read here, as the parser takes it for a signed number.
        link_type: endian.u16(octets, 8).into(),
        snap_length: block.snaplen,
        units: Units::Decimal(6),
        offset: 0,
    };
    for option in &block.options {
        match (option.code.0, &option.value[..]) {
            (0, _) => break,
            // if_tsresol
            (9, [units, ..]) => interface.units = Units::from_octet(*units),
            // if_tsoffset
            (14, value) if value.len() >= 8 => {
                let (first, second) = (endian.u32(value, 0), endian.u32(value, 4));
                let (high, low) = match endian {
                    Endian::Little => (second, first),
                    Endian::Big => (first, second),
                };
                interface.offset = (u64::from(high) << 32 | u64::from(low)) as i64;
            }
            _ => {}
        }
    }
    Some(interface)
}

/// Reads a block with a frame: interface, start of the frame, captured and original length, and time in units
/// of the interface.
fn packet_block(
    octets: &[u8],
    endian: Endian,
    block_type: u32,
) -> Option<(u32, usize, usize, u32, Option<u64>)> {
    use pcap_parser::{
        parse_enhancedpacketblock_be, parse_enhancedpacketblock_le, parse_simplepacketblock_be,
        parse_simplepacketblock_le,
    };
    let time = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    match block_type {
        EPB_MAGIC => {
            let parse = match endian {
                Endian::Little => parse_enhancedpacketblock_le,
                Endian::Big => parse_enhancedpacketblock_be,
            };
            let (_, block) = parse(octets).ok()?;
            let captured = block.caplen as usize;
            (captured <= block.data.len())
                .then(|| (block.if_id, 28, captured, block.origlen, Some(time(block.ts_high, block.ts_low))))
        }
        SPB_MAGIC => {
            let parse = match endian {
                Endian::Little => parse_simplepacketblock_le,
                Endian::Big => parse_simplepacketblock_be,
            };
            let (_, block) = parse(octets).ok()?;
            let captured = (block.origlen as usize).min(block.data.len());
            Some((0, 12, captured, block.origlen, None))
        }
        _ => {
            // Interface and drops of 16 bits each, time of 64, captured and original length.
            let captured = endian.u32(octets, 20) as usize;
            let there = octets.len().checked_sub(28 + 4)?;
            (captured <= there).then(|| {
                let time = time(endian.u32(octets, 12), endian.u32(octets, 16));
                (endian.u16(octets, 8).into(), 28, captured, endian.u32(octets, 24), Some(time))
            })
        }
    }
}

#[cfg(test)]
mod tests;
