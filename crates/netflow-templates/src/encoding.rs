//! How values are encoded: RFC 7011, section 6, in one place.
//!
//! A value's length comes from the template or from itself, never from its type alone: exporters use
//! reduced sizes (section 6.2) and some use sizes that no RFC allows. What does not fit its type is given
//! as octets, so that nothing is lost.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Timestamp;
use crate::element::DataType;
use crate::list::List;

mod write;

pub use write::{put_address, put_octets, put_text, put_unsigned};

/// A decoded value; text and octets are borrowed from the export packet.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// The field has no octets: a length of zero, in the template or in the record. Text and octets that are
    /// empty are values.
    Absent,
    /// An integer that is not negative, of up to 64 bits.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// A floating point number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
    /// A MAC address.
    Mac([u8; 6]),
    /// Text, without trailing NULs; octets that are no UTF-8 are replaced.
    String(Cow<'a, str>),
    /// A point in time.
    Time {
        /// The time.
        time: Timestamp,
        /// Digits of the second's fraction that the encoding carries: 0, 3, 6 or 9.
        digits: u8,
    },
    /// Octets: of an octetArray, an unknown element, or a value whose length does not fit its type.
    Octets(&'a [u8]),
    /// A list (RFC 6313).
    List(Box<List<'a>>),
}

/// Big-endian octets as a number; the first eight at most.
#[inline]
pub(crate) fn unsigned(octets: &[u8]) -> u64 {
    octets.iter().take(8).fold(0, |number, &octet| number << 8 | u64::from(octet))
}

/// Seconds from the NTP epoch (1900) to the Unix epoch.
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// An NTP timestamp: 32 bits of seconds since 1900, 32 bits of fraction. `per_second` is the precision
/// that the type promises: the nearest multiple of it is meant.
fn ntp(octets: u64, per_second: u64) -> Timestamp {
    let (seconds, fraction) = ((octets >> 32) as i64, octets & 0xffff_ffff);
    // The 32 bits run over in 2036; a time before 1968 is one after that.
    let seconds = if seconds < 1 << 31 { seconds + (1 << 32) } else { seconds };
    let parts = (fraction * per_second + (1 << 31)) >> 32;
    Timestamp::from_secs(seconds - NTP_TO_UNIX)
        .saturating_add_nanos((parts * (1_000_000_000 / per_second)) as i64)
}

impl DataType {
    /// Whether values are lists (RFC 6313), which only a data set of a session can decode.
    pub fn is_list(self) -> bool {
        matches!(self, Self::BasicList | Self::SubTemplateList | Self::SubTemplateMultiList)
    }

    /// Decodes a value of this type from all of `octets`. Lists are given as octets: see
    /// [`Column::value`](crate::Column::value).
    pub fn decode(self, octets: &[u8]) -> Value<'_> {
        use DataType as T;
        let time = |time, digits| Value::Time { time, digits };
        match (self, octets.len()) {
            (T::String, 0) => Value::String(Cow::Borrowed("")),
            (T::OctetArray, 0) => Value::Octets(&[]),
            (_, 0) => Value::Absent,
            (T::Unsigned8 | T::Unsigned16 | T::Unsigned32 | T::Unsigned64 | T::Unsigned256, 1..=8) => {
                Value::Unsigned(unsigned(octets))
            }
            (T::Signed8 | T::Signed16 | T::Signed32 | T::Signed64, length @ 1..=8) => {
                let unused = 64 - 8 * length as u32;
                Value::Signed((unsigned(octets) << unused).cast_signed() >> unused)
            }
            // A float64 may be sent as a float32 (RFC 7011, section 6.2).
            (T::Float32 | T::Float64, 4) => Value::Float(f32::from_bits(unsigned(octets) as u32).into()),
            (T::Float32 | T::Float64, 8) => Value::Float(f64::from_bits(unsigned(octets))),
            (T::Boolean, 1) if octets == [1] => Value::Boolean(true),
            (T::Boolean, 1) if octets == [2] => Value::Boolean(false),
            (T::MacAddress, 6) => Value::Mac(octets.try_into().unwrap_or_default()),
            (T::Ipv4Address, 4) => Value::Address(Ipv4Addr::from_bits(unsigned(octets) as u32).into()),
            (T::Ipv6Address, 16) => Value::Address(
                <[u8; 16]>::try_from(octets).map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from).into(),
            ),
            (T::String, _) => Value::String(text(octets)),
            (T::DateTimeSeconds, 1..=8) => time(Timestamp::from_secs(unsigned(octets) as i64), 0),
            (T::DateTimeMilliseconds, 1..=8) => time(Timestamp::from_millis(unsigned(octets) as i64), 3),
            (T::DateTimeMicroseconds, 8) => time(ntp(unsigned(octets), 1_000_000), 6),
            (T::DateTimeNanoseconds, 8) => time(ntp(unsigned(octets), 1_000_000_000), 9),
            _ => Value::Octets(octets),
        }
    }
}

/// UTF-8 text without trailing NULs.
fn text(octets: &[u8]) -> Cow<'_, str> {
    let end = octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    let octets = &octets[..end];
    std::str::from_utf8(octets).map_or_else(|_| String::from_utf8_lossy(octets), Cow::Borrowed)
}

/// As people read it: a MAC address with colons, octets as hex, times in RFC 3339, nothing for an absent value.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Boolean(yes) => yes.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Mac([a, b, c, d, e, g]) => write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"),
            Self::String(text) => f.write_str(text),
            Self::Time { time, digits } => time.write_rfc3339(*digits, f),
            Self::List(list) => list.fmt(f),
            Self::Octets(octets) => octets.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data_type: DataType, octets: &[u8], expected: &str) {
        assert_eq!(data_type.decode(octets).to_string(), expected, "{data_type} of {octets:02x?}");
    }

    #[test]
    fn integers_of_any_size() {
        check(DataType::Unsigned64, &[1, 0], "256");
        check(DataType::Unsigned64, &[1, 0, 0], "65536");
        check(DataType::Unsigned64, &[0xff; 8], "18446744073709551615");
        check(DataType::Unsigned8, &[1, 2], "258");
        check(DataType::Signed32, &[0xff], "-1");
        check(DataType::Signed64, &[0x80, 0, 0], "-8388608");
        check(DataType::Unsigned32, &[1; 9], "010101010101010101");
    }

    #[test]
    fn floats_booleans_addresses() {
        check(DataType::Float64, &1.5f32.to_be_bytes(), "1.5");
        check(DataType::Float64, &(-2.25f64).to_be_bytes(), "-2.25");
        check(DataType::Boolean, &[1], "true");
        check(DataType::Boolean, &[2], "false");
        check(DataType::Boolean, &[0], "00");
        check(DataType::Ipv4Address, &[192, 0, 2, 1], "192.0.2.1");
        check(DataType::Ipv4Address, &[192, 0, 2], "c00002");
        check(
            DataType::Ipv6Address,
            &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            "2001:db8::1",
        );
        check(DataType::MacAddress, &[0, 0x1b, 0x21, 0xab, 0xcd, 0xef], "00:1b:21:ab:cd:ef");
    }

    #[test]
    fn text_ends_before_trailing_nuls() {
        check(DataType::String, b"eth0\0\0\0", "eth0");
        check(DataType::String, b"\0\0", "");
        check(DataType::String, b"a\xff", "a\u{fffd}");
    }

    #[test]
    fn times() {
        check(DataType::DateTimeSeconds, &1_714_564_800u32.to_be_bytes(), "2024-05-01T12:00:00Z");
        check(
            DataType::DateTimeMilliseconds,
            &1_714_564_800_250u64.to_be_bytes(),
            "2024-05-01T12:00:00.250Z",
        );
        // One microsecond is 4294.97 units of the fraction; the nearest is meant.
        let ntp = |seconds: u64, fraction: u64| ((seconds + 2_208_988_800) << 32 | fraction).to_be_bytes();
        let at = 1_714_564_800;
        check(
            DataType::DateTimeMicroseconds,
            &ntp(at, (123_456 << 32) / 1_000_000),
            "2024-05-01T12:00:00.123456Z",
        );
        check(DataType::DateTimeNanoseconds, &ntp(at, 1 << 31), "2024-05-01T12:00:00.500000000Z");
        check(DataType::DateTimeMicroseconds, &[0; 8], "2036-02-07T06:28:16.000000Z");
        check(DataType::DateTimeMicroseconds, &[0; 16], "00000000000000000000000000000000");
    }
}
