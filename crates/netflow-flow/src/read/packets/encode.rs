//! Values of JSON, encoded as a template has them (RFC 7011, section 6).

use std::net::IpAddr;

use netflow_templates::DataType;
use netflow_wire::VARIABLE_LENGTH;

use crate::address::parse_address;
use crate::read::json::Scalar;
use crate::value::MacAddress;

/// Octets up to which a value that is nothing but octets gets a field of its very length: there are elements
/// whose meaning goes by it (MPLS labels).
const SHORT: usize = 8;

/// Appends a value, and returns the length that its field has in the template. `None`, and nothing is
/// appended, when it is no value of the type.
///
/// What does not fit its type stands in the file as hex, and becomes a field of its very length again.
pub(super) fn encode(data_type: DataType, scalar: Scalar<'_>, out: &mut Vec<u8>) -> Option<u16> {
    use DataType as T;
    if data_type.is_list() {
        // The text of a list is what a flow has of it.
        let mut text = Vec::new();
        scalar.write(&mut text);
        return variable(&text, out);
    }
    match (data_type, scalar) {
        (_, Scalar::Null) => Some(0),
        (T::String, scalar) => variable(scalar.text().as_bytes(), out),
        // PyPI `netflow` writes the addresses of v1 and v5 as numbers.
        (T::Ipv4Address, Scalar::Unsigned(number)) => fixed(u32::try_from(number).ok()?.to_be_bytes(), out),
        (T::MacAddress, Scalar::Unsigned(number)) => match number.to_be_bytes() {
            [0, 0, octets @ ..] => fixed::<6>(octets, out),
            _ => None,
        },
        (T::Boolean, Scalar::Boolean(yes)) => fixed([if yes { 1 } else { 2 }], out),
        (T::Boolean, Scalar::Unsigned(number)) => fixed([u8::try_from(number).ok()?], out),
        (T::Float32 | T::Float64, Scalar::Unsigned(number)) => fixed((number as f64).to_be_bytes(), out),
        (T::Float32 | T::Float64, Scalar::Signed(number)) => fixed((number as f64).to_be_bytes(), out),
        (T::Float32 | T::Float64, Scalar::Float(number)) => fixed(number.to_be_bytes(), out),
        (T::Signed8 | T::Signed16 | T::Signed32 | T::Signed64, Scalar::Unsigned(number)) => {
            fixed(i64::try_from(number).ok()?.to_be_bytes(), out)
        }
        (T::Signed8 | T::Signed16 | T::Signed32 | T::Signed64, Scalar::Signed(number)) => {
            fixed(number.to_be_bytes(), out)
        }
        // So it does with those of IPFIX.
        (T::Ipv6Address, Scalar::Unsigned(number)) => fixed(u128::from(number).to_be_bytes(), out),
        (_, Scalar::Unsigned(number)) => fixed(number.to_be_bytes(), out),
        (T::OctetArray, Scalar::Text(text)) => hex(text, SHORT, out),
        (_, Scalar::Text("")) => Some(0),
        (_, Scalar::Text(text)) => typed(data_type, text, out).or_else(|| hex(text, usize::MAX, out)),
        _ => None,
    }
}

/// A value that has a text of its own.
fn typed(data_type: DataType, text: &str, out: &mut Vec<u8>) -> Option<u16> {
    use DataType as T;
    match data_type {
        T::Ipv4Address | T::Ipv6Address => match (data_type, parse_address(text)?) {
            (T::Ipv4Address, IpAddr::V4(address)) => fixed(address.octets(), out),
            (T::Ipv6Address, IpAddr::V6(address)) => fixed(address.octets(), out),
            _ => None,
        },
        T::MacAddress => fixed(text.parse::<MacAddress>().ok()?.0, out),
        T::DateTimeSeconds | T::DateTimeMilliseconds | T::DateTimeMicroseconds | T::DateTimeNanoseconds => {
            let mut octets = [0; 8];
            data_type.put_time(text.parse().ok()?, &mut octets).then(|| fixed(octets, out))?
        }
        _ => None,
    }
}

fn fixed<const N: usize>(octets: [u8; N], out: &mut Vec<u8>) -> Option<u16> {
    out.extend(octets);
    Some(N as u16)
}

/// Octets behind their length (RFC 7011, section 7).
fn variable(octets: &[u8], out: &mut Vec<u8>) -> Option<u16> {
    let length = u16::try_from(octets.len()).ok()?;
    out.push(255);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(octets);
    Some(VARIABLE_LENGTH)
}

/// Octets from hex: in a field of their length up to `longest`, else behind their length.
fn hex(text: &str, longest: usize, out: &mut Vec<u8>) -> Option<u16> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?);
    let octets: Vec<u8> = text.as_bytes().chunks(2).map(pair).collect::<Option<_>>()?;
    match u16::try_from(octets.len()) {
        Ok(length) if length > 0 && length < VARIABLE_LENGTH && octets.len() <= longest => {
            out.extend(octets);
            Some(length)
        }
        _ => variable(&octets, out),
    }
}
