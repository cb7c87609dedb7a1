//! [`CaptureWriter`]: datagrams to a pcap file.

use std::io::{self, Write};
use std::net::SocketAddr;

use etherparse::PacketBuilder;
use netflow_templates::Timestamp;

/// Magic number of a file with times in nanoseconds, and the version of the format.
const MAGIC: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];
/// What tools take for the longest frame.
const SNAP_LENGTH: u32 = 262_144;
/// Frames begin with the IP header, whose version says which IP it is.
const LINK_TYPE_RAW: u32 = 101;
/// Octets of the header of a frame.
const FRAME_HEADER: usize = 16;
const HOPS: u8 = 64;

/// Why a datagram cannot be written to a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureWriteError {
    /// One address is of IPv4, the other of IPv6.
    #[error(
        "no packet goes from {source_address} to {destination}: one address is of IPv4, the other of IPv6"
    )]
    Families {
        /// Sender.
        source_address: SocketAddr,
        /// Receiver.
        destination: SocketAddr,
    },
    /// The payload is longer than a UDP packet can carry: 65,507 octets over IPv4, 65,527 over IPv6.
    #[error("{0} octets are more than a UDP packet can carry")]
    Length(
        /// Octets of the payload.
        usize,
    ),
    /// The time is before 1970 or after 2106, which a pcap file cannot say.
    #[error("a pcap file has times from 1970 to 2106, and not {0} seconds since 1970")]
    Time(
        /// Seconds since 1970.
        i64,
    ),
    /// Writing failed. The file may end within a frame.
    #[error("the capture cannot be written")]
    Write(#[from] io::Error),
}

/// Writes UDP datagrams as a pcap file of IP packets, with times in nanoseconds. Lengths and checksums are those
/// that a network would carry, so that every tool which reads captures takes them for packets.
///
/// The output is written to once for each datagram: give it a buffer, and flush that.
///
/// ```
/// use netflow_capture::{CaptureReader, CaptureWriter};
/// use netflow_templates::Timestamp;
///
/// let mut writer = CaptureWriter::new(Vec::new())?;
/// let (exporter, collector) = ("192.0.2.1:40000".parse()?, "192.0.2.2:2055".parse()?);
/// writer.write(Timestamp::from_secs(1_714_564_800), exporter, collector, b"an export packet")?;
///
/// let file = writer.into_inner();
/// let mut reader = CaptureReader::new(file.as_slice())?;
/// let datagram = reader.next_datagram()?.ok_or("nothing")?;
/// assert_eq!((datagram.source, datagram.payload), (exporter, &b"an export packet"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CaptureWriter<W> {
    out: W,
    record: Vec<u8>,
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the header of the file.
    ///
    /// # Errors
    /// When the output cannot be written to.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut header = MAGIC.to_le_bytes().to_vec();
        header.extend(VERSION.iter().flat_map(|number| number.to_le_bytes()));
        // Time zone and accuracy, which nobody uses.
        header.extend([0; 8]);
        header.extend(SNAP_LENGTH.to_le_bytes());
        header.extend(LINK_TYPE_RAW.to_le_bytes());
        out.write_all(&header)?;
        Ok(Self { out, record: Vec::new() })
    }

    /// Writes one datagram.
    ///
    /// # Errors
    /// [`CaptureWriteError::Write`] when the output fails. With the other errors nothing is written, and the
    /// next datagram may follow.
    pub fn write(
        &mut self,
        time: Timestamp,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Result<(), CaptureWriteError> {
        let (seconds, nanos) =
            (time.as_nanos().div_euclid(1_000_000_000), time.as_nanos().rem_euclid(1_000_000_000));
        let seconds = u32::try_from(seconds).map_err(|_| CaptureWriteError::Time(seconds))?;
        let network = match (source, destination) {
            (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
                PacketBuilder::ipv4(source.ip().octets(), destination.ip().octets(), HOPS)
            }
            (SocketAddr::V6(source), SocketAddr::V6(destination)) => {
                PacketBuilder::ipv6(source.ip().octets(), destination.ip().octets(), HOPS)
            }
            _ => return Err(CaptureWriteError::Families { source_address: source, destination }),
        };
        self.record.clear();
        self.record.resize(FRAME_HEADER, 0);
        network
            .udp(source.port(), destination.port())
            .write(&mut self.record, payload)
            // Memory takes everything: what fails are lengths.
            .map_err(|_| CaptureWriteError::Length(payload.len()))?;
        let length = (self.record.len() - FRAME_HEADER) as u32;
        let header = [seconds, nanos as u32, length, length];
        for (place, number) in self.record.chunks_exact_mut(4).zip(header) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        Ok(self.out.write_all(&self.record)?)
    }

    /// The output, for flushing it.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// The output, when all is written.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CaptureReader, Transport};

    const TIME: Timestamp = Timestamp::from_nanos(1_714_564_800_123_456_789);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (v4, v6) = (["192.0.2.1:40000", "192.0.2.2:2055"], ["[2001:db8::1]:40000", "[2001:db8::2]:4739"]);
        let mut writer = CaptureWriter::new(Vec::new()).unwrap();
        let mut written = Vec::new();
        for [source, destination] in [v4, v6] {
            for length in [0, 1, 24, 1_463, 65_507] {
                let payload: Vec<u8> = (0..length).map(|at: u32| (at * 7) as u8).collect();
                writer.write(TIME, address(source), address(destination), &payload).unwrap();
                written.push((address(source), address(destination), payload));
            }
        }
        let file = writer.into_inner();
        let mut reader = CaptureReader::new(file.as_slice()).unwrap();
        for (source, destination, payload) in written {
            let datagram = reader.next_datagram().unwrap().unwrap();
            assert_eq!((datagram.source, datagram.destination), (source, destination));
            assert_eq!((datagram.time, datagram.transport), (TIME, Transport::Udp));
            assert_eq!((datagram.payload, datagram.truncated), (&payload[..], false));
        }
        assert_eq!(reader.next_datagram().unwrap(), None);
        assert_eq!(reader.statistics().frames, 10);
    }

    /// The sum of RFC 1071 over 16-bit numbers: 0xffff where a checksum is right.
    fn sum(octets: &[u8]) -> u32 {
        let mut sum: u32 = octets
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum
    }

    #[test]
    fn checksums_are_right() {
        let mut writer = CaptureWriter::new(Vec::new()).unwrap();
        writer.write(TIME, address("192.0.2.1:40000"), address("192.0.2.2:2055"), b"odd").unwrap();
        let file = writer.into_inner();
        let packet = &file[24 + FRAME_HEADER..];
        assert_eq!(sum(&packet[..20]), 0xffff);
        // Addresses, protocol and length, and the UDP packet.
        let pseudo = [&packet[12..20], &[0, 17, 0, 11], &packet[20..]].concat();
        assert_eq!(sum(&pseudo), 0xffff);

        let mut writer = CaptureWriter::new(Vec::new()).unwrap();
        writer.write(TIME, address("[2001:db8::1]:1"), address("[2001:db8::2]:2"), b"even").unwrap();
        let file = writer.into_inner();
        let packet = &file[24 + FRAME_HEADER..];
        let pseudo = [&packet[8..40], &[0, 0, 0, 12, 0, 0, 0, 17], &packet[40..]].concat();
        assert_eq!(sum(&pseudo), 0xffff);
        // A UDP checksum of 0 would say that there is none; over IPv6 it must not be.
        assert_ne!(packet[46..48], [0, 0]);
    }

    #[test]
    fn what_no_packet_can_be_is_refused_and_leaves_no_trace() {
        let mut writer = CaptureWriter::new(Vec::new()).unwrap();
        let (v4, v6) = (address("192.0.2.1:1"), address("[2001:db8::1]:1"));
        let long = vec![0; 65_508];
        assert!(matches!(writer.write(TIME, v4, v6, b""), Err(CaptureWriteError::Families { .. })));
        assert!(matches!(writer.write(TIME, v4, v4, &long), Err(CaptureWriteError::Length(65_508))));
        assert!(matches!(writer.write(TIME, v6, v6, &[0; 65_528]), Err(CaptureWriteError::Length(65_528))));
        for (nanos, told) in [(-1, -1), (i64::MAX, 9_223_372_036)] {
            let error = writer.write(Timestamp::from_nanos(nanos), v4, v4, b"");
            assert!(matches!(error, Err(CaptureWriteError::Time(seconds)) if seconds == told));
        }
        writer.write(TIME, v4, v4, b"next").unwrap();
        let file = writer.into_inner();
        let mut reader = CaptureReader::new(file.as_slice()).unwrap();
        assert_eq!(reader.next_datagram().unwrap().unwrap().payload, b"next");
        assert_eq!(reader.next_datagram().unwrap(), None);
    }
}
