//! The blocks of pcapng files.

use std::io::Read;

use pcap_parser::{BOM_MAGIC, EPB_MAGIC, IDB_MAGIC, SHB_MAGIC, SPB_MAGIC};

use super::endian::Endian;
use super::time::{Units, clamp};
use super::{Container, Frame, Interface, LONGEST_FRAME, Record};
use crate::error::{CaptureDefect, CaptureError};

/// Octets that a block may have beside a frame.
const BLOCK_EXTRA: usize = 256 << 10;
const MOST_INTERFACES: usize = 65_536;
/// Block type of the packet block that came before the enhanced one.
const OBSOLETE_PACKET: u32 = 2;

impl<R: Read> Container<R> {
    /// Reads one block.
    pub(super) fn block(&mut self) -> Result<Record, CaptureError> {
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
        let at = self.source.offset();
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
