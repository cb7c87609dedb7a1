//! [`PacketFile`]: export packets of whichever kind of file.

use std::io::{self, Cursor, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use netflow_templates::Timestamp;
use netflow_wire::Message;

use crate::container::looks_like_capture;
use crate::datagram::{Datagram, Transport};
use crate::error::CaptureError;
use crate::ipfix_file::{IpfixFileReader, IpfixFileStatistics, looks_like_ipfix};
use crate::reader::CaptureReader;
use crate::statistics::CaptureStatistics;

/// Octets that tell a capture from IPFIX messages.
const FIRST: u64 = 20;
/// Sender and receiver of the messages of a file that names none.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// An input, with its first octets apart: it may be a pipe.
type Input<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// A file of export packets: a pcap or pcapng capture, or IPFIX messages (RFC 5655).
#[derive(Debug)]
pub enum PacketFile<R> {
    /// A capture.
    Capture(Box<CaptureReader<Input<R>>>),
    /// IPFIX messages, one after the other.
    Messages(IpfixFileReader<Input<R>>),
}

/// What was in a file of export packets up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketFileStatistics {
    /// In a capture.
    Capture(CaptureStatistics),
    /// In an IPFIX file.
    Messages(IpfixFileStatistics),
}

impl<R: Read> PacketFile<R> {
    /// Looks at the first octets, and reads the header of a capture. `named_ipfix` says that the file is called
    /// one of IPFIX messages: it is read as one then even if it begins with something else.
    ///
    /// # Errors
    /// Those of [`CaptureReader::new`] for what is no IPFIX file.
    pub fn new(mut reader: R, named_ipfix: bool) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Read { at: 0, source };
        let mut first = Vec::new();
        reader.by_ref().take(FIRST).read_to_end(&mut first).map_err(failed)?;
        let unknown = !first.is_empty() && !looks_like_capture(&first);
        let messages = looks_like_ipfix(&first) || named_ipfix && unknown;
        let input = Cursor::new(first).chain(reader);
        Ok(match messages {
            true => Self::Messages(IpfixFileReader::new(input)),
            false => Self::Capture(Box::new(CaptureReader::new(input)?)),
        })
    }

    /// The next export packet, or none at the end. A message of an IPFIX file has its export time, the address
    /// 0.0.0.0 for its sender and its receiver, and its number for that of the frame.
    ///
    /// # Errors
    /// Those of [`CaptureReader::next_datagram`].
    pub fn next_datagram(&mut self) -> Result<Option<Datagram<'_>>, CaptureError> {
        let file = match self {
            Self::Capture(capture) => return capture.next_datagram(),
            Self::Messages(file) => file,
        };
        let at = file.offset();
        let frame = file.statistics().messages + 1;
        let message = file.next_message().map_err(|source| CaptureError::Read { at, source })?;
        let Some(message) = message else { return Ok(None) };
        let parsed = Message::parse(message.octets);
        let time = parsed.as_ref().map(|message| message.header().export_nanos()).unwrap_or_default();
        Ok(Some(Datagram {
            source: NOBODY,
            destination: NOBODY,
            time: Timestamp::from_nanos(time),
            payload: message.octets,
            truncated: message.cut(),
            transport: Transport::File,
            frame,
        }))
    }

    /// What was seen up to now.
    #[must_use]
    pub fn statistics(&self) -> PacketFileStatistics {
        match self {
            Self::Capture(capture) => PacketFileStatistics::Capture(capture.statistics()),
            Self::Messages(file) => PacketFileStatistics::Messages(file.statistics()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CaptureWriter;

    const MESSAGE: [u8; 24] =
        [0, 10, 0, 24, 0x65, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 1, 0, 0, 8, 0xc0, 0, 2, 1];

    #[test]
    fn told_by_content() {
        let messages = MESSAGE.repeat(2);
        let mut file = PacketFile::new(messages.as_slice(), false).unwrap();
        for number in 1..=2 {
            let datagram = file.next_datagram().unwrap().unwrap();
            assert_eq!((datagram.payload, datagram.frame), (&MESSAGE[..], number));
            assert_eq!((datagram.transport, datagram.truncated), (Transport::File, false));
            assert_eq!(datagram.time, Timestamp::from_secs(0x6500_0000));
        }
        assert_eq!(file.next_datagram().unwrap(), None);

        let address = "192.0.2.1:4739".parse().unwrap();
        let mut writer = CaptureWriter::new(Vec::new()).unwrap();
        writer.write(Timestamp::EPOCH, address, address, &MESSAGE).unwrap();
        let capture = writer.into_inner();
        let mut file = PacketFile::new(capture.as_slice(), true).unwrap();
        let datagram = file.next_datagram().unwrap().unwrap();
        assert_eq!((datagram.source, datagram.transport), (address, Transport::Udp));
    }

    #[test]
    fn a_message_cut_off_is_called_so() {
        let cut = [&MESSAGE[..], &MESSAGE[..22]].concat();
        let mut file = PacketFile::new(cut.as_slice(), false).unwrap();
        assert!(!file.next_datagram().unwrap().unwrap().truncated);
        assert!(file.next_datagram().unwrap().unwrap().truncated);
    }

    #[test]
    fn the_name_counts_where_the_content_says_nothing() {
        let damaged = [&[0xff; 30][..], &MESSAGE].concat();
        let mut file = PacketFile::new(damaged.as_slice(), true).unwrap();
        assert_eq!(file.next_datagram().unwrap().unwrap().payload, MESSAGE);
        assert!(matches!(
            file.statistics(),
            PacketFileStatistics::Messages(IpfixFileStatistics { skipped: 30, .. })
        ));
        assert!(matches!(PacketFile::new(damaged.as_slice(), false), Err(CaptureError::NotACapture { .. })));
        assert!(matches!(PacketFile::new(&b""[..], true), Err(CaptureError::Empty)));
    }
}
