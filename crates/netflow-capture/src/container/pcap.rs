//! Classic pcap files.

use std::io::Read;

use super::endian::Endian;
use super::time::{Units, clamp};
use super::{Container, FRAME, Frame, Interface, LONGEST_FRAME, Record};
use crate::error::{CaptureDefect, CaptureError};
use crate::link;

impl<R: Read> Container<R> {
    /// Reads the header of the file.
    pub(super) fn pcap_header(&mut self, endian: Endian) -> Result<(), CaptureError> {
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

    /// Reads a frame with its header.
    pub(super) fn pcap_frame(&mut self, endian: Endian, nanoseconds: bool) -> Result<Record, CaptureError> {
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
}

/// Most octets that a frame may have where the capture announced this limit.
fn frame_limit(snap_length: u32) -> usize {
    (snap_length as usize).clamp(FRAME, LONGEST_FRAME)
}
