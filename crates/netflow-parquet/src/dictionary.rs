//! Dictionaries: every value once, and ids for them in the order in which they came.
//!
//! Addresses and numbers are looked up as such; their text is made once, when they are new. Hashes are keyed at
//! random, since who sends flows chooses the values.

use std::fmt::{self, Write as _};
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv4Addr};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Places for keys that were asked for lately.
const RECENT: usize = 1 << 12;
/// The id of a place that is empty.
const NONE: u32 = u32::MAX;

/// What has ids.
trait Key: Copy + Eq + Hash + Default {
    /// A number whose highest bits differ for keys that differ a little. Not keyed: who knows it makes keys that
    /// take each other's place, and are looked up in the table then.
    fn spread(self) -> u64;
}

macro_rules! keys {
    ($($type:ty: $fold:expr),*) => { $(
        impl Key for $type {
            #[inline]
            fn spread(self) -> u64 {
                let fold: fn($type) -> u64 = $fold;
                fold(self).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            }
        }
    )* };
}

keys!(u32: |key| key.into(), u64: |key| key, i64: |key| key as u64, u128: |key| key as u64 ^ (key >> 64) as u64);

/// Ids of keys.
#[derive(Debug)]
struct Ids<K> {
    /// What is asked for often is found at its only place here, without a keyed hash and a large table.
    recent: Vec<(K, u32)>,
    table: HashTable<(K, u32)>,
    state: RandomState,
}

impl<K> Default for Ids<K> {
    fn default() -> Self {
        Self { recent: Vec::new(), table: HashTable::new(), state: RandomState::default() }
    }
}

impl<K: Key> Ids<K> {
    /// The id of a key; that of a new one is `next`, and the flag says so.
    #[inline]
    fn id(&mut self, key: K, next: u32) -> (u32, bool) {
        let place = (key.spread() >> (u64::BITS - RECENT.ilog2())) as usize;
        match self.recent.get(place) {
            Some(&(known, id)) if known == key && id != NONE => return (id, false),
            Some(_) => {}
            None => self.recent.resize(RECENT, (K::default(), NONE)),
        }
        let (id, new) = self.id_in_table(key, next);
        self.recent[place] = (key, id);
        (id, new)
    }

    #[inline]
    fn id_in_table(&mut self, key: K, next: u32) -> (u32, bool) {
        let hash = |key: &K| self.state.hash_one(key);
        let entry = self.table.entry(hash(&key), |(other, _)| *other == key, |(other, _)| hash(other));
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => (entry.get().1, false),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                entry.insert((key, next));
                (next, true)
            }
        }
    }

    fn memory(&self) -> usize {
        self.recent.capacity() * size_of::<(K, u32)>() + self.table.capacity() * (size_of::<(K, u32)>() + 1)
    }

    fn clear(&mut self) {
        self.recent.clear();
        self.table.clear();
    }
}

/// Numbers below this are found without hashing.
const SMALL: usize = 256;

/// A dictionary of numbers.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// Ids of small numbers, plus 1.
    small: [u32; SMALL],
    ids: Ids<i64>,
    values: Vec<i64>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { small: [0; SMALL], ids: Ids::default(), values: Vec::new() }
    }
}

impl Numbers {
    #[inline]
    pub(crate) fn id(&mut self, number: i64) -> u32 {
        let next = self.values.len() as u32;
        let small = usize::try_from(number).ok().and_then(|number| self.small.get_mut(number));
        let (id, new) = match small {
            Some(0) => (next, true),
            Some(id) => (*id - 1, false),
            None => self.ids.id(number, next),
        };
        if new {
            self.values.push(number);
            if let Some(small) = usize::try_from(number).ok().and_then(|number| self.small.get_mut(number)) {
                *small = next + 1;
            }
        }
        id
    }

    /// The id of a small number that is known.
    #[inline]
    pub(crate) fn id_of_small(&self, number: i64) -> Option<u32> {
        let id = *usize::try_from(number).ok().and_then(|number| self.small.get(number))?;
        id.checked_sub(1)
    }

    pub(crate) fn values(&self) -> &[i64] {
        &self.values
    }

    pub(crate) fn memory(&self) -> usize {
        self.ids.memory() + self.values.capacity() * 8
    }

    pub(crate) fn clear(&mut self) {
        self.small = [0; SMALL];
        self.ids.clear();
        self.values.clear();
    }
}

/// A dictionary of texts, and of what has a text.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    v4: Ids<u32>,
    v6: Ids<u128>,
    numbers: Ids<u64>,
    texts: HashTable<u32>,
    state: RandomState,
    /// The page of a dictionary: the texts, each behind its length.
    octets: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
    /// The first octets of each text, as a number of the same order: all of an IPv4 address.
    beginnings: Vec<u128>,
    /// What was asked for last.
    last_text: Option<u32>,
}

impl Texts {
    /// The id of an address, whose text is the canonical one.
    #[inline]
    pub(crate) fn address(&mut self, address: IpAddr) -> u32 {
        let next = self.len();
        let (id, new) = match address {
            IpAddr::V4(address) => self.v4.id(address.to_bits(), next),
            IpAddr::V6(address) => self.v6.id(address.to_bits(), next),
        };
        if new {
            self.push(|out| match address {
                IpAddr::V4(address) => write_v4(address, out),
                IpAddr::V6(address) => display(address, out),
            });
        }
        id
    }

    /// The id of a number, whose text is what `text` makes of it: always the same for a dictionary.
    pub(crate) fn number<T: fmt::Display>(&mut self, number: u64, text: impl Fn(u64) -> T) -> u32 {
        let next = self.len();
        let (id, new) = self.numbers.id(number, next);
        if new {
            self.push(|out| display(text(number), out));
        }
        id
    }

    pub(crate) fn text(&mut self, text: &str) -> u32 {
        // Flows that follow each other often have the same.
        if let Some(last) = self.last_text
            && self.get(last) == text.as_bytes()
        {
            return last;
        }
        let next = self.len();
        let Self { texts, state, octets, ends, .. } = self;
        let at = |id: u32| text_at(octets, ends, id);
        let hash = |text: &[u8]| state.hash_one(text);
        let entry = texts.entry(hash(text.as_bytes()), |&id| at(id) == text.as_bytes(), |&id| hash(at(id)));
        let id = match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                entry.insert(next);
                self.push(|out| out.extend_from_slice(text.as_bytes()));
                next
            }
        };
        self.last_text = Some(id);
        id
    }

    pub(crate) fn get(&self, id: u32) -> &[u8] {
        text_at(&self.octets, &self.ends, id)
    }

    /// The first octets of a text as a number: where two differ, it orders them as the texts are.
    #[inline]
    pub(crate) fn beginning(&self, id: u32) -> u128 {
        self.beginnings[id as usize]
    }

    pub(crate) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// The texts as Parquet has them.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(crate) fn memory(&self) -> usize {
        let ids = self.v4.memory() + self.v6.memory() + self.numbers.memory();
        ids + self.texts.capacity() * 5 + self.octets.capacity() + self.ends.capacity() * 24
    }

    pub(crate) fn clear(&mut self) {
        self.v4.clear();
        self.v6.clear();
        self.numbers.clear();
        self.texts.clear();
        self.octets.clear();
        self.ends.clear();
        self.beginnings.clear();
        self.last_text = None;
    }

    fn push(&mut self, text: impl FnOnce(&mut Vec<u8>)) {
        let start = self.octets.len();
        self.octets.extend_from_slice(&[0; 4]);
        text(&mut self.octets);
        let length = (self.octets.len() - start - 4) as u32;
        self.octets[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.ends.push(self.octets.len());
        let mut beginning = [0; 16];
        let known = length.min(16) as usize;
        beginning[..known].copy_from_slice(&self.octets[start + 4..start + 4 + known]);
        self.beginnings.push(u128::from_be_bytes(beginning));
    }
}

fn text_at<'a>(octets: &'a [u8], ends: &[usize], id: u32) -> &'a [u8] {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &octets[start + 4..ends[id]]
}

/// Without the formatting machinery: there are many of them.
fn write_v4(address: Ipv4Addr, out: &mut Vec<u8>) {
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        if octet >= 100 {
            out.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
    }
}

fn display(value: impl fmt::Display, out: &mut Vec<u8>) {
    struct Octets<'a>(&'a mut Vec<u8>);
    impl fmt::Write for Octets<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    write!(Octets(out), "{value}").expect("a vector takes every octet");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_one_id() {
        let mut numbers = Numbers::default();
        let ids: Vec<_> = [5, -1, 5, 1 << 40, 0, -1, 255, 256, 256].map(|number| numbers.id(number)).into();
        assert_eq!(ids, [0, 1, 0, 2, 3, 1, 4, 5, 5]);
        assert_eq!(numbers.values(), [5, -1, 1 << 40, 0, 255, 256]);
        numbers.clear();
        assert_eq!(numbers.id(256), 0);
    }

    #[test]
    fn an_address_has_its_canonical_text() {
        let mut texts = Texts::default();
        for text in ["0.9.10.255", "99.100.109.0", "::", "::ffff:192.0.2.1", "192.0.2.1", "2001:db8::1"] {
            let id = texts.address(text.parse().unwrap());
            assert_eq!(texts.get(id), text.as_bytes());
            assert_eq!(texts.address(text.parse().unwrap()), id);
        }
        assert_eq!(texts.len(), 6);
    }

    #[test]
    fn texts_are_found_again() {
        let mut texts = Texts::default();
        let ids: Vec<_> = ["", "a", "b", "a", "", "aa", "aa"].map(|text| texts.text(text)).into();
        assert_eq!(ids, [0, 1, 2, 1, 0, 3, 3]);
    }
}
