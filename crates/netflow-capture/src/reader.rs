//! [`CaptureReader`]: a capture as a stream of datagrams.

use std::io::Read;
use std::net::SocketAddr;
use std::ops::Range;

use netflow_templates::Timestamp;

use crate::container::{Container, Frame, Record};
use crate::datagram::{Datagram, Transport};
use crate::error::CaptureError;
use crate::fragments::Fragments;
use crate::link::{self, Packet, Unusable};
use crate::statistics::CaptureStatistics;
use crate::stream::{Key, Streams};
use crate::transport::{self, Payload};

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
/// use netflow_capture::CaptureReader;
///
/// # fn main() -> Result<(), netflow_capture::CaptureError> {
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
    container: Container<R>,
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
            .field("container", &self.container)
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
        Ok(Self {
            container: Container::open(reader)?,
            time: Timestamp::EPOCH,
            fragments: Fragments::default(),
            streams: Streams::default(),
            statistics: CaptureStatistics::default(),
            ended: false,
            error: None,
        })
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
            match self.container.record() {
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
            Place::Frame(range) => self.container.octets(range),
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
        self.container.offset()
    }

    fn end(&mut self, error: Option<CaptureError>) {
        self.ended = true;
        self.error = error;
        self.streams.end_all();
    }

    /// Looks into a frame: a datagram, if it holds or completes one. Segments of TCP go to the streams.
    fn frame(&mut self, frame: Frame) -> Option<Found> {
        let statistics = &mut self.statistics;
        statistics.frames += 1;
        statistics.cut_frames += u64::from(frame.cut);
        self.time = frame.time.unwrap_or(self.time);
        if !link::is_supported(frame.link_type) {
            statistics.unsupported_link += 1;
            statistics.unsupported_link_type = Some(frame.link_type);
            return None;
        }
        let octets = self.container.octets(frame.range.clone());
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
            let place = |range: Range<usize>| Place::Frame(start + range.start..start + range.end);
            return carried(&packet, self.time, place, &mut self.streams, statistics);
        };
        statistics.fragments += 1;
        let whole = self.fragments.add(&packet, part, self.time)?;
        statistics.reassembled += 1;
        packet.payload = self.fragments.whole();
        packet.declared = whole.declared;
        // Headers that were fragmented together with the payload.
        let Ok((protocol, skipped)) = link::extensions(whole.protocol, packet.payload) else {
            statistics.malformed += 1;
            return None;
        };
        packet.protocol = protocol;
        packet.payload = &packet.payload[skipped..];
        packet.declared -= skipped;
        let place = |range: Range<usize>| Place::Fragments(skipped + range.start..skipped + range.end);
        carried(&packet, self.time, place, &mut self.streams, statistics)
    }
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

/// What a whole packet carries: a datagram, or a segment, which is passed on. `place` says where a part of its
/// payload is.
fn carried(
    packet: &Packet<'_>,
    time: Timestamp,
    place: impl Fn(Range<usize>) -> Place,
    streams: &mut Streams,
    statistics: &mut CaptureStatistics,
) -> Option<Found> {
    statistics.tcp_segments += u64::from(packet.protocol == link::TCP);
    match transport::payload(packet) {
        Payload::Udp(udp) => {
            return Some(Found {
                source: udp.source,
                destination: udp.destination,
                time,
                place: place(udp.range),
                truncated: udp.truncated,
            });
        }
        Payload::Tcp(key, segment) => streams.push(key, segment, time),
        Payload::Malformed => statistics.malformed += 1,
        Payload::Other => statistics.other_protocol += 1,
    }
    None
}

#[cfg(test)]
mod tests;
