//! The header of an export packet, of any version.

use std::io::Cursor;

use binrw::BinRead;
use binrw::meta::ReadEndian;

use crate::{Foreign, WireError, ipfix, v1, v5, v7, v8, v9};

/// Header of an export packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Header {
    /// NetFlow version 1.
    V1(v1::Header),
    /// NetFlow version 5.
    V5(v5::Header),
    /// NetFlow version 7.
    V7(v7::Header),
    /// NetFlow version 8.
    V8(v8::Header),
    /// NetFlow version 9 (RFC 3954).
    V9(v9::Header),
    /// IPFIX (RFC 7011).
    Ipfix(ipfix::Header),
}

impl Header {
    /// Reads the header at the start of `datagram`; its first two octets say which.
    pub fn parse(datagram: &[u8]) -> Result<Self, WireError> {
        if let Some(foreign) = Foreign::recognise(datagram) {
            return Err(WireError::Foreign(foreign));
        }
        let &[first, second, ..] = datagram else {
            return Err(WireError::Truncated { what: "version", offset: 0, needed: 2, left: datagram.len() });
        };
        match u16::from_be_bytes([first, second]) {
            v1::VERSION => Ok(Self::V1(read(datagram, "NetFlow v1 header", v1::HEADER_LEN)?)),
            v5::VERSION => Ok(Self::V5(read(datagram, "NetFlow v5 header", v5::HEADER_LEN)?)),
            v7::VERSION => Ok(Self::V7(read(datagram, "NetFlow v7 header", v7::HEADER_LEN)?)),
            v8::VERSION => Ok(Self::V8(read(datagram, "NetFlow v8 header", v8::HEADER_LEN)?)),
            v9::VERSION => Ok(Self::V9(read(datagram, "NetFlow v9 header", v9::HEADER_LEN)?)),
            ipfix::VERSION => Ok(Self::Ipfix(read(datagram, "IPFIX message header", ipfix::HEADER_LEN)?)),
            version => Err(WireError::UnknownVersion { version }),
        }
    }

    /// Version number on the wire: 1, 5, 7, 8, 9 or 10.
    #[inline]
    pub fn version(&self) -> u16 {
        match self {
            Self::V1(_) => v1::VERSION,
            Self::V5(_) => v5::VERSION,
            Self::V7(_) => v7::VERSION,
            Self::V8(_) => v8::VERSION,
            Self::V9(_) => v9::VERSION,
            Self::Ipfix(_) => ipfix::VERSION,
        }
    }

    /// Length of the header, in octets.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::V1(_) => v1::HEADER_LEN,
            Self::V5(_) => v5::HEADER_LEN,
            Self::V7(_) => v7::HEADER_LEN,
            Self::V8(_) => v8::HEADER_LEN,
            Self::V9(_) => v9::HEADER_LEN,
            Self::Ipfix(_) => ipfix::HEADER_LEN,
        }
    }

    /// Never: every header has octets. Here because [`len`](Self::len) is.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Number of records that the header states; IPFIX states octets instead. A diagnostic only: many
    /// exporters count something else.
    pub fn count(&self) -> Option<u16> {
        match self {
            Self::V1(h) => Some(h.count),
            Self::V5(h) => Some(h.count),
            Self::V7(h) => Some(h.count),
            Self::V8(h) => Some(h.count),
            Self::V9(h) => Some(h.count),
            Self::Ipfix(_) => None,
        }
    }

    /// Milliseconds since the exporter started; IPFIX has none.
    #[inline]
    pub fn uptime_millis(&self) -> Option<u32> {
        match self {
            Self::V1(h) => Some(h.uptime_millis),
            Self::V5(h) => Some(h.uptime_millis),
            Self::V7(h) => Some(h.uptime_millis),
            Self::V8(h) => Some(h.uptime_millis),
            Self::V9(h) => Some(h.uptime_millis),
            Self::Ipfix(_) => None,
        }
    }

    /// Export time: nanoseconds since the Unix epoch.
    #[inline]
    pub fn export_nanos(&self) -> i64 {
        let (seconds, nanos) = match self {
            Self::V1(h) => (h.unix_seconds, h.unix_nanos),
            Self::V5(h) => (h.unix_seconds, h.unix_nanos),
            Self::V7(h) => (h.unix_seconds, h.unix_nanos),
            Self::V8(h) => (h.unix_seconds, h.unix_nanos),
            Self::V9(h) => (h.unix_seconds, 0),
            Self::Ipfix(h) => (h.export_time, 0),
        };
        i64::from(seconds) * 1_000_000_000 + i64::from(nanos)
    }

    /// Sequence number; v1 has none. Its unit is the flow (v5, v7, v8), the export packet (v9) or the
    /// data record (IPFIX).
    #[inline]
    pub fn sequence(&self) -> Option<u32> {
        match self {
            Self::V1(_) => None,
            Self::V5(h) => Some(h.sequence),
            Self::V7(h) => Some(h.sequence),
            Self::V8(h) => Some(h.sequence),
            Self::V9(h) => Some(h.sequence),
            Self::Ipfix(h) => Some(h.sequence_number),
        }
    }

    /// Observation domain: v9 source ID, IPFIX observation domain ID, `engine_type * 256 + engine_id`
    /// of v5 and v8; 0 where the version has none.
    #[inline]
    pub fn observation_domain(&self) -> u32 {
        match self {
            Self::V1(_) | Self::V7(_) => 0,
            Self::V5(h) => u32::from(h.engine_type) << 8 | u32::from(h.engine_id),
            Self::V8(h) => u32::from(h.engine_type) << 8 | u32::from(h.engine_id),
            Self::V9(h) => h.source_id,
            Self::Ipfix(h) => h.observation_domain_id,
        }
    }
}

fn read<T>(datagram: &[u8], what: &'static str, needed: usize) -> Result<T, WireError>
where
    T: BinRead + ReadEndian,
    for<'a> T: BinRead<Args<'a> = ()>,
{
    T::read(&mut Cursor::new(datagram)).map_err(|_| WireError::Truncated {
        what,
        offset: 0,
        needed,
        left: datagram.len(),
    })
}
