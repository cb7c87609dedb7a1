//! Protocols that are sent to flow collectors by mistake.

use std::fmt;

/// A protocol that is not NetFlow or IPFIX, recognised by how a datagram starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// sFlow, with its version (2, 4 or 5).
    Sflow(u32),
    /// Syslog (RFC 3164, RFC 5424): `<priority>text`.
    Syslog,
    /// SNMP: a BER sequence that starts with a version number.
    Snmp,
    /// JSON text.
    Json,
    /// A libpcap or pcapng file that was given as one packet.
    Capture,
    /// Gzip-compressed data.
    Gzip,
}

impl Foreign {
    /// Recognises `datagram`; `None` when it resembles nothing known.
    pub fn recognise(datagram: &[u8]) -> Option<Self> {
        match *datagram {
            // sFlow starts with a 32-bit version, then the agent's address type (1 IPv4, 2 IPv6).
            [0, 0, 0, version @ (2 | 4 | 5), 0, 0, 0, 1 | 2, ..] => Some(Self::Sflow(version.into())),
            [b'<', b'0'..=b'9', ..] => Some(Self::Syslog),
            // A BER sequence holding INTEGER 0, 1 or 3; the length takes one or more octets.
            [0x30, length, 2, 1, 0 | 1 | 3, ..] if length < 0x80 => Some(Self::Snmp),
            [0x30, 0x81, _, 2, 1, 0 | 1 | 3, ..] | [0x30, 0x82, _, _, 2, 1, 0 | 1 | 3, ..] => {
                Some(Self::Snmp)
            }
            [b'{', b'"' | b'}' | b' ' | b'\n' | b'\r', ..] | [b'[', b'{', ..] => Some(Self::Json),
            [0xa1, 0xb2, 0xc3 | 0x3c, 0xd4 | 0x4d, ..]
            | [0xd4 | 0x4d, 0xc3 | 0x3c, 0xb2, 0xa1, ..]
            | [0x0a, 0x0d, 0x0d, 0x0a, ..] => Some(Self::Capture),
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            _ => None,
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sflow(version) => write!(f, "sFlow version {version}"),
            Self::Syslog => f.write_str("syslog"),
            Self::Snmp => f.write_str("SNMP"),
            Self::Json => f.write_str("JSON text"),
            Self::Capture => f.write_str("a capture file"),
            Self::Gzip => f.write_str("gzip-compressed data"),
        }
    }
}
