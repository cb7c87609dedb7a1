//! Values of JSON, encoded as a template has them (RFC 7011, section 6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netflow_templates::{DataType, Timestamp};
use netflow_wire::VARIABLE_LENGTH;

use super::Shape;
use super::rows::{Rows, Scalar};
use crate::value::MacAddress;

/// Octets that a value is encoded in.
pub(super) fn encoded_length(data_type: DataType, scalar: &Scalar<'_>) -> u16 {
    use DataType as T;
    let is_time = |text: &str| text.parse::<Timestamp>().is_ok();
    match (data_type, scalar) {
        (_, Scalar::Null) => 0,
        (T::Ipv4Address, Scalar::Unsigned(_)) => 4,
        (T::Ipv4Address, Scalar::Text(text)) if text.parse::<Ipv4Addr>().is_ok() => 4,
        (T::Ipv6Address, Scalar::Text(text)) if text.parse::<Ipv6Addr>().is_ok() => 16,
        (T::MacAddress, Scalar::Unsigned(_)) => 6,
        (T::MacAddress, Scalar::Text(text)) if text.parse::<MacAddress>().is_ok() => 6,
        (T::Boolean, Scalar::Boolean(_)) => 1,
        (
            T::DateTimeSeconds | T::DateTimeMilliseconds | T::DateTimeMicroseconds | T::DateTimeNanoseconds,
            Scalar::Text(text),
        ) if is_time(text) => 8,
        (T::String | T::OctetArray, _) => VARIABLE_LENGTH,
        (_, Scalar::Unsigned(_) | Scalar::Signed(_) | Scalar::Float(_)) => 8,
        // Octets as hex, of a length that the type does not have.
        _ => VARIABLE_LENGTH,
    }
}

/// Appends a record.
pub(super) fn encode(rows: &Rows, row: usize, shape: &Shape, out: &mut Vec<u8>) {
    for ((_, scalar), field) in rows.members(row).zip(&shape.fields) {
        let Some((element, length)) = field else { continue };
        let start = out.len();
        let data_type = match element.data_type {
            DataType::String => DataType::String,
            _ if *length == VARIABLE_LENGTH => DataType::OctetArray,
            data_type => data_type,
        };
        encode_value(data_type, &scalar, out);
        let encoded = out.len() - start;
        match *length {
            VARIABLE_LENGTH => {
                let encoded = u16::try_from(encoded).unwrap_or(u16::MAX - 1);
                out.truncate(start + usize::from(encoded));
                let [high, low] = encoded.to_be_bytes();
                out.splice(start..start, [255, high, low]);
            }
            // A text that is no value of its type becomes zeros.
            length => out.resize(start + usize::from(length), 0),
        }
    }
}

fn encode_value(data_type: DataType, scalar: &Scalar<'_>, out: &mut Vec<u8>) {
    use DataType as T;
    match (data_type, scalar) {
        (T::Ipv4Address, Scalar::Text(text)) => match text.parse() {
            Ok(IpAddr::V4(address)) => out.extend(address.octets()),
            _ => out.extend([0; 4]),
        },
        // PyPI `netflow` writes the addresses of v1 and v5 as numbers.
        (T::Ipv4Address, Scalar::Unsigned(number)) => out.extend((*number as u32).to_be_bytes()),
        (T::Ipv6Address, Scalar::Text(text)) => match text.parse() {
            Ok(IpAddr::V6(address)) => out.extend(address.octets()),
            _ => out.extend([0; 16]),
        },
        (T::MacAddress, Scalar::Text(text)) => {
            out.extend(text.parse::<MacAddress>().unwrap_or_default().0);
        }
        (T::MacAddress, Scalar::Unsigned(number)) => out.extend(&number.to_be_bytes()[2..]),
        (T::DateTimeSeconds, Scalar::Text(text)) => {
            out.extend((nanos(text) / 1_000_000_000).to_be_bytes());
        }
        (T::DateTimeMilliseconds, Scalar::Text(text)) => out.extend((nanos(text) / 1_000_000).to_be_bytes()),
        (T::DateTimeMicroseconds | T::DateTimeNanoseconds, Scalar::Text(text)) => {
            let nanos = nanos(text);
            let (seconds, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
            let ntp = (seconds + 2_208_988_800) as u64;
            let fraction = ((fraction as u64) << 32).div_ceil(1_000_000_000);
            out.extend((ntp << 32 | fraction).to_be_bytes());
        }
        (T::Boolean, Scalar::Boolean(yes)) => out.push(if *yes { 1 } else { 2 }),
        (T::String, scalar) => out.extend(scalar.text().as_bytes()),
        (T::Float32 | T::Float64, Scalar::Unsigned(number)) => out.extend((*number as f64).to_be_bytes()),
        (T::Float32 | T::Float64, Scalar::Signed(number)) => out.extend((*number as f64).to_be_bytes()),
        (_, Scalar::Unsigned(number)) => out.extend(number.to_be_bytes()),
        (_, Scalar::Signed(number)) => out.extend(number.to_be_bytes()),
        (T::Float32 | T::Float64, Scalar::Float(number)) => out.extend(number.to_be_bytes()),
        (_, Scalar::Float(number)) => out.extend((*number as u64).to_be_bytes()),
        (_, Scalar::Boolean(yes)) => out.push((*yes).into()),
        // Octets as hex.
        (_, Scalar::Text(text)) => out.extend(octets(text)),
        (_, Scalar::Null) => {}
    }
}

fn nanos(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap_or_default().as_nanos()
}

fn octets(hex: &str) -> impl Iterator<Item = u8> {
    hex.as_bytes()
        .chunks_exact(2)
        .map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
}
