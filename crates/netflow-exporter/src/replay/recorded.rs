//! Export packets as they were recorded.

use std::collections::HashSet;
use std::io::Read;
use std::net::IpAddr;

use netflow_capture::{CaptureError, Datagram, PacketFile, PacketFileStatistics};
use netflow_wire::{Header, WireError, ipfix};

use super::{Origin, Packets};

/// Which datagrams of a file are sent.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Every datagram, also what is no export packet.
    pub everything: bool,
    /// IPFIX messages alone, as for TCP.
    pub only_ipfix: bool,
    /// Exporters to send the packets of; empty: of all.
    pub exporters: HashSet<IpAddr>,
}

/// Datagrams of a file that were not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Skipped {
    /// No export packets.
    pub foreign: u64,
    /// The capture kept only their beginning.
    pub truncated: u64,
    /// Of other exporters than those wanted.
    pub other_exporters: u64,
    /// Export packets that are no IPFIX, where only IPFIX can be sent.
    pub no_ipfix: u64,
}

/// Sends the packets of a capture or an IPFIX file as they are.
///
/// An export packet is what begins with a version of NetFlow or IPFIX, whatever else is wrong with it. What the
/// capture has only the beginning of is not sent, since it was never sent so.
#[derive(Debug)]
pub struct Recorded<R> {
    file: PacketFile<R>,
    selection: Selection,
    skipped: Skipped,
}

impl<R: Read> Recorded<R> {
    /// The packets of a file.
    pub fn new(file: PacketFile<R>, selection: Selection) -> Self {
        Self { file, selection, skipped: Skipped::default() }
    }

    /// What was not sent up to now.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// What was in the file up to now.
    #[must_use]
    pub fn statistics(&self) -> PacketFileStatistics {
        self.file.statistics()
    }
}

impl<R: Read> Packets for Recorded<R> {
    type Error = CaptureError;

    fn next_packet(&mut self, octets: &mut Vec<u8>) -> Result<Option<Origin>, CaptureError> {
        while let Some(datagram) = self.file.next_datagram()? {
            match reason_to_skip(&self.selection, &datagram, &mut self.skipped) {
                Some(reason) => *reason += 1,
                None => {
                    octets.extend_from_slice(datagram.payload);
                    return Ok(Some(Origin { exporter: datagram.source, time: datagram.time }));
                }
            }
        }
        Ok(None)
    }
}

/// The counter of the reason why a datagram is not sent; none if it is.
fn reason_to_skip<'a>(
    selection: &Selection,
    datagram: &Datagram<'_>,
    skipped: &'a mut Skipped,
) -> Option<&'a mut u64> {
    if datagram.truncated {
        return Some(&mut skipped.truncated);
    }
    let version = version(datagram.payload);
    if version.is_none() && !selection.everything {
        return Some(&mut skipped.foreign);
    }
    if !selection.exporters.is_empty() && !selection.exporters.contains(&datagram.source.ip()) {
        return Some(&mut skipped.other_exporters);
    }
    (selection.only_ipfix && version != Some(ipfix::VERSION)).then_some(&mut skipped.no_ipfix)
}

/// The version that an export packet begins with, even if its header cannot be read otherwise.
fn version(octets: &[u8]) -> Option<u16> {
    match Header::parse(octets) {
        Ok(header) => Some(header.version()),
        Err(WireError::Foreign(_) | WireError::UnknownVersion { .. }) => None,
        Err(_) => octets.first_chunk().map(|first| u16::from_be_bytes(*first)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use netflow_capture::CaptureWriter;
    use netflow_templates::Timestamp;

    use super::*;

    /// Headers of v9 and IPFIX, one of v5 that is cut off, a question for DNS, and nothing.
    const PAYLOADS: [&[u8]; 5] = [
        &[0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 10, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 5, 0, 1],
        &[0x5e, 0xed, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, b'o', b'r', b'g', 0, 0, 1, 0, 1],
        &[],
    ];

    fn capture() -> Vec<u8> {
        let mut writer = CaptureWriter::new(Vec::new()).unwrap();
        for (number, payload) in PAYLOADS.iter().enumerate() {
            let source = SocketAddr::from(([192, 0, 2, number as u8], 40_000));
            let collector = SocketAddr::from(([192, 0, 2, 200], 2_055));
            writer.write(Timestamp::from_secs(number as i64), source, collector, payload).unwrap();
        }
        writer.into_inner()
    }

    /// Numbers of the packets that are sent, and what is not.
    fn sent(capture: &[u8], selection: Selection) -> (Vec<usize>, Skipped) {
        let mut recorded = Recorded::new(PacketFile::new(capture, false).unwrap(), selection);
        let (mut octets, mut numbers) = (Vec::new(), Vec::new());
        while let Some(origin) = recorded.next_packet(&mut octets).unwrap() {
            let IpAddr::V4(address) = origin.exporter.ip() else { panic!("{origin:?}") };
            let number = usize::from(address.octets()[3]);
            assert_eq!(origin.time, Timestamp::from_secs(number as i64));
            assert!(octets.ends_with(PAYLOADS[number]));
            numbers.push(number);
        }
        assert_eq!(octets, numbers.iter().map(|&number| PAYLOADS[number]).collect::<Vec<_>>().concat());
        (numbers, recorded.skipped())
    }

    #[test]
    fn export_packets_are_sent_whatever_is_wrong_with_them_and_nothing_else() {
        let capture = capture();
        let (numbers, skipped) = sent(&capture, Selection::default());
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(skipped, Skipped { foreign: 2, ..Skipped::default() });
        let all = Selection { everything: true, ..Selection::default() };
        assert_eq!(sent(&capture, all), (vec![0, 1, 2, 3, 4], Skipped::default()));
    }

    #[test]
    fn some_exporters_or_ipfix_alone() {
        let exporters = HashSet::from([[192, 0, 2, 2].into(), [192, 0, 2, 3].into()]);
        let (numbers, skipped) = sent(&capture(), Selection { exporters, ..Selection::default() });
        assert_eq!(numbers, [2]);
        assert_eq!(skipped, Skipped { foreign: 2, other_exporters: 2, ..Skipped::default() });
        let (numbers, skipped) = sent(&capture(), Selection { only_ipfix: true, ..Selection::default() });
        assert_eq!(numbers, [1]);
        assert_eq!(skipped, Skipped { foreign: 2, no_ipfix: 2, ..Skipped::default() });
    }

    #[test]
    fn what_the_capture_cut_short_is_not_sent() {
        let mut capture = capture();
        // The captured length of the first frame, and its last ten octets.
        capture.drain(24 + 16 + 38..24 + 16 + 48);
        capture[24 + 8] = 38;
        let (numbers, skipped) = sent(&capture, Selection::default());
        assert_eq!(numbers, [1, 2]);
        assert_eq!((skipped.truncated, skipped.foreign), (1, 2));
    }
}
