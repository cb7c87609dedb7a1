//! Values of keys, as groups show them.

use std::fmt;
use std::net::IpAddr;

use netflow_templates::Timestamp;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyValue {
    /// Flows have none.
    Absent,
    /// A number.
    Number(u64),
    /// An address.
    Address(IpAddr),
    /// The addresses that begin with so many bits of one.
    Prefix(IpAddr, u8),
    /// A time, or when a step begins.
    Time(Timestamp),
    /// A text; of MAC addresses, applications, enumerated values and lists, too.
    Text(Box<str>),
    /// A protocol and the port of its service.
    Service(u8, u16),
    /// What came when there were more different addresses or texts than are kept.
    Other,
}

impl fmt::Display for KeyValue {
    /// As it stands in CSV: absent is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Number(number) => number.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Prefix(address, bits) => write!(f, "{address}/{bits}"),
            Self::Time(time) => time.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Service(protocol, port) => write!(f, "{protocol}/{port}"),
            Self::Other => f.write_str("(other)"),
        }
    }
}
