//! What the values of a column are compared with.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use netflow_flow::{ApplicationId, MacAddress};

/// Which values pass.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// Numbers; times, in nanoseconds since 1970; of a list, one of its numbers at least.
    Numbers(Numbers),
    /// Addresses.
    Addresses(Addresses),
    /// MAC addresses: these, in order.
    Macs(Vec<MacAddress>),
    /// Applications: these, in order.
    Applications(Vec<ApplicationId>),
    /// Texts, and names of enumerated values.
    Texts(Texts),
    /// Any value, as long as there is one.
    Present,
}

/// A set of numbers. What is larger than 2^63-1 counts as that, as it does in Parquet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numbers {
    /// Those within one of the ranges, which are in order, do not touch, and are none when nothing can pass.
    Ranges(Vec<RangeInclusive<i64>>),
    /// Those that have all of these bits.
    AllBits(i64),
    /// Those that have any of these bits.
    AnyBit(i64),
}

impl Numbers {
    /// Those within any of the ranges.
    pub fn ranges(ranges: impl IntoIterator<Item = RangeInclusive<i64>>) -> Self {
        Self::Ranges(merged(ranges, |end| end.checked_add(1)))
    }

    /// Whether a number is one of them.
    #[inline]
    pub fn contains(&self, number: i64) -> bool {
        match self {
            Self::AllBits(mask) => number & mask == *mask,
            Self::AnyBit(mask) => number & mask != 0,
            Self::Ranges(ranges) => contains(ranges, &number),
        }
    }
}

/// A set of addresses: ranges of each family, in order and apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    v4: Vec<RangeInclusive<u32>>,
    v6: Vec<RangeInclusive<u128>>,
}

impl Addresses {
    /// The addresses of prefixes: an address, and how many of its bits count.
    pub fn of_prefixes(prefixes: impl IntoIterator<Item = (IpAddr, u8)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (address, length) in prefixes {
            match address {
                IpAddr::V4(address) => {
                    let rest = u32::MAX.checked_shr(length.into()).unwrap_or(0);
                    v4.push(address.to_bits() & !rest..=address.to_bits() | rest);
                }
                IpAddr::V6(address) => {
                    let rest = u128::MAX.checked_shr(length.into()).unwrap_or(0);
                    v6.push(address.to_bits() & !rest..=address.to_bits() | rest);
                }
            }
        }
        Self { v4: merged(v4, |end| end.checked_add(1)), v6: merged(v6, |end| end.checked_add(1)) }
    }

    /// Whether an address is one of them.
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => contains(&self.v4, &address.to_bits()),
            IpAddr::V6(address) => contains(&self.v6, &address.to_bits()),
        }
    }
}

/// A set of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Texts {
    /// These, in order.
    AnyOf(Vec<String>),
    /// Those that have one of these within, whatever the case of ASCII letters; they are in small letters.
    Containing(Vec<String>),
}

impl Texts {
    /// Whether a text is one of them.
    pub fn contains(&self, text: &str) -> bool {
        match self {
            Self::AnyOf(texts) => texts.binary_search_by(|one| one.as_str().cmp(text)).is_ok(),
            Self::Containing(parts) => {
                let text = text.to_ascii_lowercase();
                parts.iter().any(|part| text.contains(part.as_str()))
            }
        }
    }
}

/// Ranges in order, those that touch made one. `next` is the value behind another, if there is one.
fn merged<T: Copy + Ord>(
    ranges: impl IntoIterator<Item = RangeInclusive<T>>,
    next: impl Fn(T) -> Option<T>,
) -> Vec<RangeInclusive<T>> {
    let mut ranges: Vec<_> = ranges.into_iter().filter(|range| range.start() <= range.end()).collect();
    ranges.sort_unstable_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<T>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if next(*last.end()).is_none_or(|next| *range.start() <= next) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// Whether a value is within one of the ranges, which are in order.
#[inline]
fn contains<T: Ord>(ranges: &[RangeInclusive<T>], value: &T) -> bool {
    match ranges {
        [] => false,
        [one] => one.contains(value),
        _ => {
            let behind = ranges.partition_point(|range| range.start() <= value);
            behind > 0 && ranges[behind - 1].end() >= value
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one() {
        let numbers = Numbers::ranges([5..=9, 1..=2, 3..=4, 20..=i64::MAX, 30..=40]);
        assert_eq!(numbers, Numbers::Ranges(vec![1..=9, 20..=i64::MAX]));
        let passed: Vec<_> = [0, 1, 4, 9, 10, 19, 20, i64::MAX]
            .into_iter()
            .filter(|&number| numbers.contains(number))
            .collect();
        assert_eq!(passed, [1, 4, 9, 20, i64::MAX]);
    }

    #[test]
    fn prefixes_reach_from_their_first_to_their_last_address() {
        let addresses = Addresses::of_prefixes([
            ([10, 1, 2, 3].into(), 8),
            ([192, 0, 2, 7].into(), 32),
            ("2001:db8::1".parse().unwrap(), 33),
            ("::".parse().unwrap(), 128),
        ]);
        let contains = |address: &str| addresses.contains(address.parse().unwrap());
        assert!(contains("10.0.0.0") && contains("10.255.255.255") && contains("192.0.2.7"));
        assert!(contains("2001:db8:7fff::1") && contains("::"));
        assert!(!contains("11.0.0.0") && !contains("192.0.2.8"));
        assert!(!contains("2001:db8:8000::1") && !contains("::ffff:10.0.0.1"));
        let all = Addresses::of_prefixes([([0, 0, 0, 0].into(), 0)]);
        assert!(all.contains([255; 4].into()) && !all.contains([0_u16; 8].into()));
    }
}
