//! Dictionaries: every value once, and ids for them in the order in which they came.
//!
//! Addresses and numbers are looked up as such; their text is made once, when they are new. Hashes are keyed at
//! random, since who sends flows chooses the values.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::io::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use netflow_flow::AddressText;

/// Addresses that are looked up side by side: memory answers many questions at once, if they are asked so.
const AT_ONCE: usize = 64;
/// Places for texts that were asked for lately.
const RECENT: usize = 32;
/// Octets that texts may have taken whose memory is used again; more is given back.
const KEPT: usize = 16 << 20;
/// Slots of a table that is not empty.
const FEWEST_SLOTS: usize = 256;

/// Ids of keys.
#[derive(Debug)]
struct Ids<K> {
    /// A key and its id, plus 1, in the slot that its hash says, or one behind: so that most are found with one look into
    /// memory. At least half of them have 0, and no key.
    slots: Vec<(K, u32)>,
    used: usize,
    state: RandomState,
}

impl<K> Default for Ids<K> {
    fn default() -> Self {
        Self { slots: Vec::new(), used: 0, state: RandomState::default() }
    }
}

impl<K: Copy + Default + Eq + Hash> Ids<K> {
    /// The id of a key; that of a new one is `next`, and the flag says so.
    #[inline]
    fn id(&mut self, key: K, next: u32) -> (u32, bool) {
        match self.id_at_once(key) {
            0 => self.id_of_other(key, next),
            id => (id - 1, false),
        }
    }

    /// The id of a key, plus 1, if it is in the slot that its hash says; 0 if not. Without a branch, so that several can be
    /// looked for side by side.
    #[inline]
    fn id_at_once(&self, key: K) -> u32 {
        let (known, id) = self.slots.get(self.place(key)).copied().unwrap_or_default();
        if known == key { id } else { 0 }
    }

    #[inline]
    fn place(&self, key: K) -> usize {
        self.state.hash_one(key) as usize & self.slots.len().wrapping_sub(1)
    }

    /// Slot of a key, or the free one where it would be.
    fn slot(&mut self, key: K) -> &mut (K, u32) {
        let mut place = self.place(key);
        while !matches!(self.slots[place], (known, id) if known == key || id == 0) {
            place = (place + 1) & (self.slots.len() - 1);
        }
        &mut self.slots[place]
    }

    /// The id of a key, wherever it is; that of a new one is `next`, and the flag says so.
    fn id_of_other(&mut self, key: K, next: u32) -> (u32, bool) {
        if self.slots.len() <= 2 * self.used {
            self.grow();
        }
        let slot = self.slot(key);
        if slot.1 != 0 {
            return (slot.1 - 1, false);
        }
        *slot = (key, next + 1);
        self.used += 1;
        (next, true)
    }

    fn grow(&mut self) {
        let length = (2 * self.slots.len()).max(FEWEST_SLOTS);
        let before = std::mem::replace(&mut self.slots, vec![(K::default(), 0); length]);
        for (key, id) in before.into_iter().filter(|(_, id)| *id != 0) {
            *self.slot(key) = (key, id);
        }
    }

    fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<(K, u32)>()
    }

    fn clear(&mut self) {
        self.slots.fill((K::default(), 0));
        self.used = 0;
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
    v6: Ids<(u64, u64)>,
    numbers: Ids<u64>,
    texts: HashTable<u32>,
    state: RandomState,
    /// The page of a dictionary: the texts, each behind its length.
    octets: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
    /// The first octets of each text, as a number of the same order: all of an IPv4 address.
    beginnings: Vec<u128>,
    /// Ids of texts that were asked for lately, plus 1, each in the only place that it has: names come again and again.
    recent: [u32; RECENT],
}

impl Texts {
    /// The id of an address, wherever it is; its text is the canonical one.
    fn address(&mut self, address: IpAddr) -> u32 {
        let next = self.len();
        let (id, new) = match address {
            IpAddr::V4(address) => self.v4.id_of_other(address.to_bits(), next),
            IpAddr::V6(address) => self.v6.id_of_other(halves(address), next),
        };
        if new {
            self.push(|out| out.extend_from_slice(AddressText::of(address).as_bytes()));
        }
        id
    }

    /// Appends the ids of addresses.
    pub(crate) fn addresses(&mut self, addresses: &[IpAddr], ids: &mut Vec<u32>) {
        for addresses in addresses.chunks(AT_ONCE) {
            let mut found = [0; AT_ONCE];
            for (found, address) in found.iter_mut().zip(addresses) {
                *found = match *address {
                    IpAddr::V4(address) => self.v4.id_at_once(address.to_bits()),
                    IpAddr::V6(address) => self.v6.id_at_once(halves(address)),
                };
            }
            ids.extend(found.into_iter().zip(addresses).map(|(found, address)| match found {
                0 => self.address(*address),
                id => id - 1,
            }));
        }
    }

    /// The id of a number, whose text is what `text` makes of it: always the same for a dictionary.
    pub(crate) fn number<T: fmt::Display>(&mut self, number: u64, text: impl Fn(u64) -> T) -> u32 {
        let next = self.len();
        let (id, new) = self.numbers.id(number, next);
        if new {
            self.push(|out| write!(out, "{}", text(number)).expect("a vector takes every octet"));
        }
        id
    }

    pub(crate) fn text(&mut self, text: &str) -> u32 {
        let place = recent_place(text.as_bytes());
        if let Some(known) = self.recent[place].checked_sub(1)
            && self.get(known) == text.as_bytes()
        {
            return known;
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
        self.recent[place] = id + 1;
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

    /// Octets of memory that the texts take, about; none where there are none, though some be kept for others.
    pub(crate) fn memory(&self) -> usize {
        if self.len() == 0 { 0 } else { self.held() }
    }

    fn held(&self) -> usize {
        let ids = self.v4.memory() + self.v6.memory() + self.numbers.memory();
        ids + self.texts.capacity() * 5 + self.octets.capacity() + self.ends.capacity() * 24
    }

    pub(crate) fn clear(&mut self) {
        if self.held() > KEPT {
            *self = Self::default();
            return;
        }
        self.v4.clear();
        self.v6.clear();
        self.numbers.clear();
        self.texts.clear();
        self.octets.clear();
        self.ends.clear();
        self.beginnings.clear();
        self.recent = [0; RECENT];
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

/// An IPv6 address as a key: 24 octets with an id, where one number would take 32.
#[inline]
fn halves(address: Ipv6Addr) -> (u64, u64) {
    let bits = address.to_bits();
    ((bits >> 64) as u64, bits as u64)
}

/// The place of a text among those that were asked for lately, by its last octets, in which names differ. Not keyed: who
/// knows it makes texts that take each other's place, and are looked up in the table then.
#[inline]
fn recent_place(text: &[u8]) -> usize {
    let last = text.last_chunk().map_or(text.len() as u64, |last| u64::from_le_bytes(*last));
    (last.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RECENT.ilog2())) as usize
}

fn text_at<'a>(octets: &'a [u8], ends: &[usize], id: u32) -> &'a [u8] {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &octets[start + 4..ends[id]]
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
    fn many_addresses_have_the_ids_that_they_have_one_by_one() {
        let v4 = (0..5_000_u32).map(|number| IpAddr::V4((number.wrapping_mul(0x9e37_79b9) >> 20).into()));
        let v6 = (0..5_000_u128).map(|number| IpAddr::V6(((number % 700) << 64).into()));
        let addresses: Vec<IpAddr> = v4.zip(v6).flat_map(<[IpAddr; 2]>::from).collect();
        let (mut one, mut many) = (Texts::default(), Texts::default());
        for _ in 0..2 {
            let mut ids = Vec::new();
            addresses.chunks(333).for_each(|addresses| many.addresses(addresses, &mut ids));
            let singly: Vec<_> = addresses.iter().map(|address| one.address(*address)).collect();
            assert_eq!(ids, singly);
            let different: std::collections::BTreeSet<_> = addresses.iter().collect();
            assert_eq!(many.len() as usize, different.len());
            addresses.iter().zip(ids).for_each(|(address, id)| {
                assert_eq!(many.get(id), address.to_string().as_bytes());
            });
            one.clear();
            many.clear();
        }
    }

    #[test]
    fn memory_of_a_rush_is_given_back() {
        let mut texts = Texts::default();
        let mut fill = |count: u128| {
            (0..count).for_each(|number| _ = texts.address(IpAddr::V6((number << 64).into())));
            let memory = texts.memory();
            texts.clear();
            (memory, texts.memory(), texts.held())
        };
        let (before, after, kept) = fill(10_000);
        assert!(before < KEPT && after == 0 && kept > 10_000 * 48, "{before} {after} {kept}");
        let (before, after, kept) = fill(200_000);
        assert!(before > KEPT && after == 0 && kept == 0, "{before} {after} {kept}");
    }

    #[test]
    fn texts_are_found_again() {
        let mut texts = Texts::default();
        let ids: Vec<_> = ["", "a", "b", "a", "", "aa", "aa"].map(|text| texts.text(text)).into();
        assert_eq!(ids, [0, 1, 2, 1, 0, 3, 3]);
    }
}
