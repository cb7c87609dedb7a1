//! How the keys of a row are packed into words.

use std::net::IpAddr;
use std::sync::Arc;

use netflow_flow::{Column, Kind};
use netflow_templates::Timestamp;

use super::TooManyKeys;
use super::interner::{Interner, OTHER};
use super::value::KeyValue;
use crate::batch::has_ids;
use crate::dictionary::Entry;
use crate::key::{Directions, Key, Of, Ports};

/// Words that keys take at most.
pub(super) const MOST_WORDS: usize = 8;

/// Where each key is in the words.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) components: Vec<Component>,
    pub(super) words: usize,
    /// Whether the last word has a step of time, which divides groups.
    pub(super) series: bool,
    /// For each key the one of the other end, where directions change places.
    mirror: Option<Vec<usize>>,
}

/// A key.
#[derive(Debug, Clone)]
pub(super) struct Component {
    pub(super) is: Is,
    /// The columns, when flows are looked at from their source and from their destination.
    pub(super) columns: [Vec<&'static Column>; 2],
    pub(super) place: Place,
    /// Where a bit says whether there is a value, for what has no such bit within.
    pub(super) flag: Option<Place>,
}

/// Some bits of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) word: usize,
    pub(super) shift: u32,
}

/// What is packed.
#[derive(Debug, Clone)]
pub(super) enum Is {
    /// A number of so many bits.
    Number(u32),
    /// A time.
    Time,
    /// A time in steps.
    Bucket(u64),
    /// An address, cut off behind so many bits: two bits for what it is, 32 for an IPv4 address or the number of an IPv6
    /// address.
    Address(Option<[u8; 2]>),
    /// The number of a text, counted from 1.
    Text,
    /// A protocol and a port.
    Service(Arc<Ports>),
}

impl Is {
    fn bits(&self) -> u32 {
        match self {
            Self::Number(bits) => *bits,
            Self::Time | Self::Bucket(_) => 64,
            Self::Address(_) => 34,
            Self::Text => 32,
            Self::Service(_) => 24,
        }
    }

    /// Whether it follows from ids alone.
    pub(super) fn is_of_ids(&self) -> bool {
        matches!(self, Self::Address(_) | Self::Text)
    }

    /// What stands in the words for a value with an id.
    pub(super) fn packed(&self, entry: Option<Entry<'_>>, interner: &mut Interner) -> u64 {
        match (self, entry) {
            (_, None) => 0,
            (Self::Address(bits), Some(Entry::Address(address))) => match cut(address, *bits) {
                IpAddr::V4(address) => 1 << 32 | u64::from(address.to_bits()),
                IpAddr::V6(address) => 2 << 32 | u64::from(interner.address(address)),
            },
            (_, Some(Entry::Text(text))) => u64::from(interner.text(text)) + 1,
            // Addresses are in columns of addresses only.
            (_, Some(Entry::Address(address))) => u64::from(interner.text(&address.to_string())) + 1,
        }
    }
}

/// An address without the bits behind a prefix.
fn cut(address: IpAddr, bits: Option<[u8; 2]>) -> IpAddr {
    let Some([four, six]) = bits else { return address };
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(four)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(six)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl Layout {
    pub(super) fn new(keys: &[Key], directions: Directions, series: bool) -> Result<Self, TooManyKeys> {
        let mut components: Vec<_> = keys.iter().map(|key| Component::new(key, directions)).collect();
        // The largest first, each where there is room.
        let mut parts: Vec<(u32, usize, bool)> = Vec::new();
        for (at, component) in components.iter().enumerate() {
            if series && at + 1 == components.len() {
                continue;
            }
            parts.push((component.is.bits(), at, false));
            parts.extend(component.flag.map(|_| (1, at, true)));
        }
        parts.sort_by_key(|&(bits, at, flag)| (std::cmp::Reverse(bits), at, flag));
        let mut used: Vec<u32> = Vec::new();
        for (bits, at, flag) in parts {
            let word = used.iter().position(|used| used + bits <= 64).unwrap_or_else(|| {
                used.push(0);
                used.len() - 1
            });
            let place = Place { word, shift: used[word] };
            used[word] += bits;
            match flag {
                true => components[at].flag = Some(place),
                false => components[at].place = place,
            }
        }
        if used.is_empty() {
            used.push(0);
        }
        let most = MOST_WORDS - usize::from(series);
        if used.len() > most {
            return Err(TooManyKeys { bits: used.len() * 64, most: most * 64 });
        }
        let mut words = used.len();
        if series && let Some(step) = components.last_mut() {
            // Times that there are none of count as 1970, of which a flag would need another word. It is the last of
            // the words that groups have: see `Sized`.
            step.flag = None;
            let word = if words < 4 { words } else { MOST_WORDS - 1 };
            step.place = Place { word, shift: 0 };
            words = word + 1;
        }
        let mirror = (directions == Directions::Swapped).then(|| mirror(&components));
        Ok(Self { components, words, series, mirror })
    }

    /// The values of keys; those of both ends in their order, where directions are one.
    pub(super) fn values(&self, words: &[u64], interner: &Interner) -> Vec<KeyValue> {
        let values: Vec<_> =
            self.components.iter().map(|component| component.value(words, interner)).collect();
        let Some(mirror) = &self.mirror else { return values };
        let other: Vec<_> = mirror.iter().filter_map(|&at| values.get(at).cloned()).collect();
        if other.len() == values.len() && other < values { other } else { values }
    }
}

impl Layout {
    /// When a step of time begins.
    pub(super) fn step(&self, step: u64) -> Timestamp {
        match self.components.last().map(|component| &component.is) {
            Some(Is::Bucket(width)) => {
                let start = (step as i64).saturating_mul(i64::try_from(*width).unwrap_or(i64::MAX));
                Timestamp::from_nanos(start)
            }
            _ => Timestamp::EPOCH,
        }
    }

    /// Whether there was no room for a value of the key.
    pub(super) fn has_other(&self, words: &[u64]) -> bool {
        self.components.iter().any(|component| {
            let low = (words.get(component.place.word).copied().unwrap_or(0) >> component.place.shift) as u32;
            match component.is {
                Is::Address(_) => {
                    let kind = words[component.place.word] >> component.place.shift >> 32 & 3;
                    kind == 2 && low == OTHER
                }
                Is::Text => low == OTHER + 1,
                _ => false,
            }
        })
    }
}

/// For each component the one of the other end; itself, where there is none.
fn mirror(components: &[Component]) -> Vec<usize> {
    let other = |component: &Component| {
        let column = component.columns[1].first()?;
        let is_other =
            |other: &Component| other.columns[0].first().is_some_and(|own| std::ptr::eq(*own, *column));
        components.iter().position(is_other)
    };
    components.iter().enumerate().map(|(at, component)| other(component).unwrap_or(at)).collect()
}

impl Component {
    fn new(key: &Key, directions: Directions) -> Self {
        let mut columns = [key.columns(0), key.columns(1)];
        if directions == Directions::Swapped && columns[0].len() == 1 {
            columns[1] = columns[0].iter().map(|column| Key::other_end(column).unwrap_or(column)).collect();
        }
        let is = match key.of() {
            Of::Service(ports) => Is::Service(ports.clone()),
            Of::Prefix(_, bits) => Is::Address(Some(*bits)),
            Of::Bucket(_, width) => Is::Bucket(*width),
            Of::Column(column) | Of::Ends([column, _]) => match column.kind {
                Kind::Unsigned(bits) => Is::Number(bits.into()),
                Kind::Time => Is::Time,
                Kind::Address => Is::Address(None),
                _ => Is::Text,
            },
        };
        let nullable = columns[0].iter().any(|column| column.nullable && !has_ids(column));
        let place = Place { word: 0, shift: 0 };
        let nullable = nullable && !matches!(is, Is::Service(_));
        Self { is, columns, place, flag: nullable.then_some(place) }
    }

    fn value(&self, words: &[u64], interner: &Interner) -> KeyValue {
        let bits = |place: Place, count: u32| {
            let word = words.get(place.word).copied().unwrap_or(0) >> place.shift;
            if count < 64 { word & ((1 << count) - 1) } else { word }
        };
        if self.flag.is_some_and(|flag| bits(flag, 1) == 0) {
            return KeyValue::Absent;
        }
        let packed = bits(self.place, self.is.bits());
        match &self.is {
            Is::Number(_) => KeyValue::Number(packed),
            Is::Time => KeyValue::Time(Timestamp::from_nanos(packed as i64)),
            Is::Bucket(width) => {
                let start = (packed as i64).saturating_mul(i64::try_from(*width).unwrap_or(i64::MAX));
                KeyValue::Time(Timestamp::from_nanos(start))
            }
            Is::Service(_) => KeyValue::Service((packed >> 16) as u8, packed as u16),
            Is::Text => match packed.checked_sub(1) {
                None => KeyValue::Absent,
                Some(id) => {
                    interner.text_of(id as u32).map_or(KeyValue::Other, |text| KeyValue::Text(text.into()))
                }
            },
            Is::Address(prefix) => {
                let low = packed as u32;
                let address = match packed >> 32 {
                    0 => return KeyValue::Absent,
                    1 => IpAddr::V4(low.into()),
                    _ if low == OTHER => return KeyValue::Other,
                    _ => match interner.address_of(low) {
                        Some(address) => IpAddr::V6(address),
                        None => return KeyValue::Other,
                    },
                };
                match prefix {
                    None => KeyValue::Address(address),
                    Some([four, six]) => {
                        KeyValue::Prefix(address, if address.is_ipv4() { *four } else { *six })
                    }
                }
            }
        }
    }
}
