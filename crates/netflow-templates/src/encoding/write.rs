//! Values as octets: what [`DataType::decode`] reads.

use std::net::IpAddr;

use super::{NTP_TO_UNIX, Value};
use crate::Timestamp;
use crate::element::DataType;

/// Writes a number, big-endian, to all of `out`. False when it is too large: then the largest that fits is
/// written.
#[inline(always)]
pub fn put_unsigned(number: u64, out: &mut [u8]) -> bool {
    match out.len() {
        1 => put_fitting(u8::try_from(number).ok().map(u8::to_be_bytes), out),
        2 => put_fitting(u16::try_from(number).ok().map(u16::to_be_bytes), out),
        4 => put_fitting(u32::try_from(number).ok().map(u32::to_be_bytes), out),
        8 => put_fitting(Some(number.to_be_bytes()), out),
        _ => put_odd(number, out),
    }
}

/// The octets of a number that fits, or the largest number there is.
#[inline(always)]
fn put_fitting<const N: usize>(octets: Option<[u8; N]>, out: &mut [u8]) -> bool {
    let Some(out) = out.first_chunk_mut() else { return false };
    *out = octets.unwrap_or([0xff; N]);
    octets.is_some()
}

/// A number in a length that no type has.
fn put_odd(number: u64, out: &mut [u8]) -> bool {
    let octets = number.to_be_bytes();
    let Some(unused) = octets.len().checked_sub(out.len()) else {
        let (zeros, low) = out.split_at_mut(out.len() - octets.len());
        zeros.fill(0);
        low.copy_from_slice(&octets);
        return true;
    };
    if unused > 0 && number.checked_shr(8 * out.len() as u32).is_some_and(|rest| rest > 0) {
        out.fill(0xff);
        return false;
    }
    out.copy_from_slice(&octets[unused..]);
    true
}

/// Writes an address to all of `out`. False when that has not its length: then it is all zeros.
#[inline(always)]
pub fn put_address(address: IpAddr, out: &mut [u8]) -> bool {
    match (address, out.len()) {
        (IpAddr::V4(address), 4) => out.copy_from_slice(&address.octets()),
        (IpAddr::V6(address), 16) => out.copy_from_slice(&address.octets()),
        _ => {
            out.fill(0);
            return address.is_unspecified();
        }
    }
    true
}

/// Writes octets to the beginning of `out`, and zeros behind them. False when there are too many.
#[inline(always)]
pub fn put_octets(octets: &[u8], out: &mut [u8]) -> bool {
    let length = octets.len().min(out.len());
    let (value, rest) = out.split_at_mut(length);
    value.copy_from_slice(&octets[..length]);
    rest.fill(0);
    length == octets.len()
}

/// Writes a text to the beginning of `out`, and zeros behind it. False when it is too long: then what whole
/// characters fit is written.
pub fn put_text(text: &str, out: &mut [u8]) -> bool {
    let fits = text.len() <= out.len();
    let mut ends = (0..=text.len().min(out.len())).rev();
    let end = ends.find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    put_octets(&text.as_bytes()[..end], out) && fits
}

/// A time in the format of NTP: 32 bits of seconds since 1900, 32 bits of fraction.
#[inline]
fn ntp(time: Timestamp) -> u64 {
    let nanos = time.as_nanos();
    let (seconds, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    // The next unit above: it is read as the nearest nanosecond.
    let fraction = ((fraction as u64) << 32).div_ceil(1_000_000_000);
    ((seconds + NTP_TO_UNIX) as u64) << 32 | fraction
}

impl DataType {
    /// Writes a time as this type says to all of `out`, whose length may be reduced (RFC 7011, section 6.2). False
    /// when it does not fit, or the type is none of times.
    #[inline]
    pub fn put_time(self, time: Timestamp, out: &mut [u8]) -> bool {
        let nanos = time.as_nanos();
        let since_epoch = |units: i64, out: &mut [u8]| match out.len() {
            8 => put_unsigned(units.cast_unsigned(), out),
            _ => put_unsigned(units.max(0).cast_unsigned(), out) && units >= 0,
        };
        match self {
            Self::DateTimeSeconds => since_epoch(nanos.div_euclid(1_000_000_000), out),
            Self::DateTimeMilliseconds => since_epoch(nanos.div_euclid(1_000_000), out),
            Self::DateTimeMicroseconds | Self::DateTimeNanoseconds if out.len() == 8 => {
                put_unsigned(ntp(time), out)
            }
            _ => {
                out.fill(0);
                false
            }
        }
    }

    /// Writes a value of this type to all of `out`, as [`decode`](Self::decode) reads it. False when it does not
    /// fit: then the largest number, the beginning of a text or of octets, or else zeros are written.
    pub fn encode(self, value: &Value<'_>, out: &mut [u8]) -> bool {
        match value {
            Value::Unsigned(number) => put_unsigned(*number, out),
            Value::Signed(number) => put_signed(*number, out),
            Value::Float(number) => match out.len() {
                4 => put_octets(&(*number as f32).to_be_bytes(), out),
                8 => put_octets(&number.to_be_bytes(), out),
                _ => put_octets(&[], out) && *number == 0.0,
            },
            Value::Boolean(yes) => put_unsigned(if *yes { 1 } else { 2 }, out),
            Value::Address(address) => put_address(*address, out),
            Value::Mac(octets) => put_octets(octets, out),
            Value::String(text) => put_text(text, out),
            Value::Time { time, .. } => self.put_time(*time, out),
            Value::Octets(octets) => put_octets(octets, out),
            Value::Absent => put_octets(&[], out),
            Value::List(_) => {
                out.fill(0);
                false
            }
        }
    }
}

/// Writes a signed number, big-endian, to all of `out`. False when it does not fit: then the nearest is written.
fn put_signed(number: i64, out: &mut [u8]) -> bool {
    let bits = 8 * out.len().min(8) as u32;
    if bits == 0 {
        return number == 0;
    }
    let most = i64::MAX >> (64 - bits);
    let fitting = number.clamp(-most - 1, most);
    let octets = fitting.to_be_bytes();
    let unused = octets.len().saturating_sub(out.len());
    let start = out.len() - (octets.len() - unused);
    out[..start].fill(if fitting < 0 { 0xff } else { 0 });
    out[start..].copy_from_slice(&octets[unused..]);
    fitting == number
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    /// Writes a value in `length` octets and reads it back.
    fn round_trip(data_type: DataType, value: Value<'_>, length: usize) -> (bool, String) {
        let mut octets = vec![0xaa; length];
        let fits = data_type.encode(&value, &mut octets);
        (fits, data_type.decode(&octets).to_string())
    }

    #[test]
    fn what_fits_is_read_as_it_was_written() {
        use DataType as T;
        let time = |nanos| Value::Time { time: Timestamp::from_nanos(nanos), digits: 9 };
        let at = 1_714_564_800_123_456_789;
        for (data_type, value, length, text) in [
            (T::Unsigned64, Value::Unsigned(256), 2, "256"),
            (T::Unsigned64, Value::Unsigned(0x123456), 3, "1193046"),
            (T::Unsigned32, Value::Unsigned(u64::MAX), 8, "18446744073709551615"),
            (T::Signed32, Value::Signed(-2), 1, "-2"),
            (T::Signed64, Value::Signed(-70_000), 8, "-70000"),
            (T::Signed64, Value::Signed(-70_000), 3, "-70000"),
            (T::Float64, Value::Float(-2.25), 8, "-2.25"),
            (T::Float64, Value::Float(1.5), 4, "1.5"),
            (T::Boolean, Value::Boolean(false), 1, "false"),
            (T::Ipv4Address, Value::Address([192, 0, 2, 1].into()), 4, "192.0.2.1"),
            (T::Ipv6Address, Value::Address("2001:db8::1".parse().unwrap()), 16, "2001:db8::1"),
            (T::MacAddress, Value::Mac([0, 27, 33, 1, 2, 3]), 6, "00:1b:21:01:02:03"),
            (T::String, Value::String(Cow::Borrowed("eth0")), 8, "eth0"),
            (T::OctetArray, Value::Octets(&[1, 2, 3]), 3, "010203"),
            (T::DateTimeSeconds, time(at), 4, "2024-05-01T12:00:00Z"),
            (T::DateTimeMilliseconds, time(at), 8, "2024-05-01T12:00:00.123Z"),
            (T::DateTimeMilliseconds, time(-1_000_000), 8, "1969-12-31T23:59:59.999Z"),
            (T::DateTimeMicroseconds, time(at), 8, "2024-05-01T12:00:00.123457Z"),
            (T::DateTimeNanoseconds, time(at), 8, "2024-05-01T12:00:00.123456789Z"),
        ] {
            assert_eq!(round_trip(data_type, value, length), (true, text.into()), "{data_type}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_and_comes_as_near_as_it_can() {
        use DataType as T;
        let before_1970 = Value::Time { time: Timestamp::from_secs(-5), digits: 0 };
        for (data_type, value, length, text) in [
            (T::Unsigned64, Value::Unsigned(65_536), 2, "65535"),
            (T::Signed64, Value::Signed(-129), 1, "-128"),
            (T::Signed64, Value::Signed(128), 1, "127"),
            (T::Ipv4Address, Value::Address("2001:db8::1".parse().unwrap()), 4, "0.0.0.0"),
            (T::String, Value::String(Cow::Borrowed("aé")), 2, "a"),
            (T::OctetArray, Value::Octets(&[1, 2, 3]), 2, "0102"),
            (T::DateTimeSeconds, before_1970, 4, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(round_trip(data_type, value, length), (false, text.into()), "{data_type}");
        }
        assert!(!T::DateTimeMicroseconds.put_time(Timestamp::EPOCH, &mut [0; 16]));
    }
}
