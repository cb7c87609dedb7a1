//! The versions that flows are exported in.

use std::fmt;
use std::str::FromStr;

use netflow_wire::{FixedLayout, ipfix, v1, v5, v7, v8, v9};

/// A version of the export protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// NetFlow version 1.
    V1,
    /// NetFlow version 5.
    V5,
    /// NetFlow version 7.
    V7,
    /// NetFlow version 8, with the number of its aggregation scheme, 1 to 14.
    V8(u8),
    /// NetFlow version 9 (RFC 3954).
    V9,
    /// IPFIX (RFC 7011), version 10.
    Ipfix,
}

impl Version {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::V1 => v1::VERSION,
            Self::V5 => v5::VERSION,
            Self::V7 => v7::VERSION,
            Self::V8(_) => v8::VERSION,
            Self::V9 => v9::VERSION,
            Self::Ipfix => ipfix::VERSION,
        }
    }

    /// Whether records are described by templates.
    pub fn has_templates(self) -> bool {
        matches!(self, Self::V9 | Self::Ipfix)
    }

    /// The layout of all records; `None` where templates describe them, and for schemes of v8 that there are not.
    pub fn layout(self) -> Option<&'static FixedLayout> {
        match self {
            Self::V1 => Some(&v1::LAYOUT),
            Self::V5 => Some(&v5::LAYOUT),
            Self::V7 => Some(&v7::LAYOUT),
            Self::V8(scheme) => v8::layout(scheme),
            Self::V9 | Self::Ipfix => None,
        }
    }

    /// Octets of the header.
    pub(crate) fn header_len(self) -> usize {
        match self {
            Self::V1 => v1::HEADER_LEN,
            Self::V5 => v5::HEADER_LEN,
            Self::V7 => v7::HEADER_LEN,
            Self::V8(_) => v8::HEADER_LEN,
            Self::V9 => v9::HEADER_LEN,
            Self::Ipfix => ipfix::HEADER_LEN,
        }
    }

    /// Records that a packet may have, whatever its length.
    pub(crate) fn most_records(self) -> u16 {
        match self {
            Self::V1 => 24,
            Self::V5 => 30,
            Self::V7 => 28,
            Self::V8(_) | Self::V9 | Self::Ipfix => u16::MAX,
        }
    }
}

/// `5`, `9`, `ipfix`; of v8 the scheme too: `8.3`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V8(scheme) => write!(f, "8.{scheme}"),
            Self::Ipfix => f.write_str("ipfix"),
            version => version.number().fmt(f),
        }
    }
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no version of NetFlow: 1, 5, 7, 8.1 to 8.14, 9, ipfix")]
pub struct UnknownVersion(String);

/// What [`Version`] is shown as; also `10` and `v5`. `8` is scheme 1.
impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownVersion(text.to_owned());
        let number = text.strip_prefix(['v', 'V']).unwrap_or(text);
        Ok(match number {
            "1" => Self::V1,
            "5" => Self::V5,
            "7" => Self::V7,
            "8" => Self::V8(1),
            "9" => Self::V9,
            "10" | "ipfix" | "IPFIX" => Self::Ipfix,
            _ => {
                let scheme = number.strip_prefix("8.").and_then(|scheme| scheme.parse().ok());
                let version = Self::V8(scheme.ok_or_else(unknown)?);
                version.layout().map(|_| version).ok_or_else(unknown)?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_shown() {
        for text in ["1", "5", "7", "8.1", "8.14", "9", "ipfix"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
        assert_eq!("v10".parse(), Ok(Version::Ipfix));
        for text in ["", "2", "8.0", "8.15", "8.", "six"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
