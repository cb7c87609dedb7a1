//! Values, as they are written in a filter.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use netflow_flow::{Cell, Column, Flow, Kind};

use crate::test::{Derived, Subject};

mod flags;
mod names;
mod number;
mod time;

pub(crate) use flags::{Flags, flags};
pub(crate) use names::{Names, protocol};
pub use time::parse_time;

/// What is wrong with a value: a sentence, and perhaps what was meant.
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self { message, suggestion: None }
    }
}

/// How the values of a subject are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values {
    Numbers { most: i64, names: Names, unit: Unit },
    Times,
    Addresses,
    Macs,
    Applications,
    Texts,
    Enumeration(&'static Column),
}

/// What may stand behind a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// k, M, G, T.
    Scale,
    /// ms, s, min, h, d as well: of milliseconds.
    Milliseconds,
}

impl Values {
    /// Those of a subject; `None` when it has none to be compared with.
    pub(crate) fn of(subject: Subject) -> Option<Self> {
        let column = match subject {
            Subject::Column(column) => column,
            Subject::Derived(Derived::Duration) => {
                return Some(Self::Numbers { most: i64::MAX, names: Names::NONE, unit: Unit::Milliseconds });
            }
            Subject::Derived(derived) => {
                let most = match derived {
                    Derived::EngineType | Derived::EngineId => 0xff,
                    Derived::Label(_) | Derived::LastLabel => 0xf_ffff,
                    _ => i64::MAX,
                };
                return Some(Self::Numbers { most, names: Names::NONE, unit: Unit::Scale });
            }
        };
        Some(match column.kind {
            Kind::Unsigned(bits) => {
                let most = if bits >= 63 { i64::MAX } else { (1 << bits) - 1 };
                Self::Numbers { most, names: Names::of(column), unit: Unit::Scale }
            }
            Kind::List => Self::Numbers { most: u32::MAX.into(), names: Names::NONE, unit: Unit::Scale },
            Kind::Time => Self::Times,
            Kind::Address => Self::Addresses,
            Kind::Mac => Self::Macs,
            Kind::Application => Self::Applications,
            Kind::Text => Self::Texts,
            Kind::Enumeration => Self::Enumeration(column),
            _ => return None,
        })
    }

    /// What stands for such a value, in words.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Numbers { .. } => "a number",
            Self::Times => "a time",
            Self::Addresses => "an address",
            Self::Macs => "a MAC address",
            Self::Applications => "an application",
            Self::Texts | Self::Enumeration(_) => "a text",
        }
    }

    /// The numbers that a word stands for: ranges `A-B` are several, and names may be.
    pub(crate) fn numbers(self, word: &str) -> Result<Vec<RangeInclusive<i64>>, Wrong> {
        match self {
            Self::Times => match parse_time(word) {
                Some(time) => Ok(vec![time.as_nanos()..=time.as_nanos()]),
                None => Err(format!(
                    "`{}` is no time: 2026-01-31T12:00, in UTC unless +02:00 or the like follows",
                    shown(word)
                )
                .into()),
            },
            Self::Numbers { most, names, unit } => {
                if let Some(range) = number::range(word, unit) {
                    let (least, greatest) = range?;
                    if greatest > most {
                        return Err(format!("{} is more than there can be: {most}", shown(word)).into());
                    }
                    if least > greatest {
                        return Err(format!("{} ends before it begins", shown(word)).into());
                    }
                    return Ok(vec![least..=greatest]);
                }
                names.find(word)
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// A prefix: an address and how many of its bits count. With `partial`, an address of IPv4 may lack octets.
pub(crate) fn prefix(word: &str, partial: bool) -> Result<(IpAddr, u8), Wrong> {
    let (address, length) = match word.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (word, None),
    };
    let (address, whole) = match address.parse() {
        Ok(address) => (address, if IpAddr::is_ipv4(&address) { 32 } else { 128 }),
        Err(_) => match partial_address(address).filter(|_| partial || length.is_some()) {
            Some((address, bits)) => (IpAddr::V4(address), bits),
            None => return Err(no_address(word)),
        },
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    match length {
        None => Ok((address, whole)),
        Some(length) => match length.parse() {
            Ok(bits) if bits <= most => Ok((address, bits)),
            _ => Err(format!("`/{}` is no length of a prefix: /0 to /{most}", shown(length)).into()),
        },
    }
}

/// The length of a prefix that a mask is.
pub(crate) fn mask(address: IpAddr, word: &str) -> Result<u8, Wrong> {
    let mask = word.parse().map_err(|_| no_address(word))?;
    let (ones, is_contiguous) = match mask {
        IpAddr::V4(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_zeros()),
        IpAddr::V6(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_zeros()),
    };
    let bits = if mask.is_ipv4() { 32 } else { 128 };
    if mask.is_ipv4() != address.is_ipv4() || ones + is_contiguous != bits {
        return Err(format!("`{}` is no mask of {address}: ones, then zeros", shown(word)).into());
    }
    Ok(ones as u8)
}

/// An address of IPv4 that may lack octets, and how many bits it has.
fn partial_address(text: &str) -> Option<(Ipv4Addr, u8)> {
    let mut octets = [0; 4];
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    for (octet, part) in octets.iter_mut().zip(&parts) {
        *octet = part.parse().ok()?;
    }
    Some((octets.into(), 8 * parts.len() as u8))
}

fn no_address(word: &str) -> Wrong {
    let is_name = word.chars().any(|c| c.is_ascii_alphabetic()) && !word.contains(':');
    let why = if is_name { ": names are not looked up" } else { "" };
    format!("`{}` is no address{why}", shown(word)).into()
}

/// Checks that a column of enumerated values has one.
pub(crate) fn enumerated(column: &Column, word: &str) -> Result<(), Wrong> {
    match column.set(&mut Flow::default(), Cell::Text(word)) {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("`{}` is no value of {}", shown(word), column.name).into()),
    }
}

/// A word as it is shown in a message: not all of it when it is long, no control characters.
pub(crate) fn shown(word: &str) -> String {
    const MOST: usize = 48;
    let mut text: String = word.chars().take(MOST).flat_map(char::escape_debug).collect();
    if word.chars().nth(MOST).is_some() {
        text.push_str("...");
    }
    text
}

/// Which of the candidates is nearest to a word, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(40).flat_map(char::to_lowercase).collect();
    let most = match word.chars().count() {
        0..4 => 1,
        4..7 => 2,
        _ => 3,
    };
    // What differs much in its length is not near.
    let about = word.len().saturating_sub(most)..=word.len() + most;
    candidates
        .filter(|candidate| about.contains(&candidate.len()))
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= most && distance < candidate.len())
        .min_by_key(|&(distance, candidate)| (distance, !candidate.starts_with(&word)))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(word: &str, partial: bool) -> Option<String> {
        prefix(word, partial).ok().map(|(address, bits)| format!("{address}/{bits}"))
    }

    #[test]
    fn prefixes_are_addresses_with_lengths() {
        assert_eq!(of("10.1.2.3", false).as_deref(), Some("10.1.2.3/32"));
        assert_eq!(of("10.1/16", false).as_deref(), Some("10.1.0.0/16"));
        assert_eq!(of("10.1", true).as_deref(), Some("10.1.0.0/16"));
        assert_eq!(of("2001:db8::/32", false).as_deref(), Some("2001:db8::/32"));
        for wrong in ["10.1", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "a", "", "/8", "1.2.3.4.5/8", "300/8"] {
            assert_eq!(of(wrong, false), None, "{wrong}");
        }
    }

    #[test]
    fn masks_are_ones_and_then_zeros() {
        let of = |address: &str, word: &str| mask(address.parse().unwrap(), word).ok();
        assert_eq!(of("10.0.0.0", "255.128.0.0"), Some(9));
        assert_eq!(of("10.0.0.0", "0.0.0.0"), Some(0));
        assert_eq!(of("::", "ffff::"), Some(16));
        assert_eq!(of("10.0.0.0", "255.0.255.0"), None);
        assert_eq!(of("10.0.0.0", "ffff::"), None);
    }

    #[test]
    fn what_is_near_is_suggested() {
        let words = ["port", "proto", "packets"];
        assert_eq!(nearest("prot", words.into_iter()), Some("proto"));
        assert_eq!(nearest("packts", words.into_iter()), Some("packets"));
        assert_eq!(nearest("whatever", words.into_iter()), None);
    }
}
