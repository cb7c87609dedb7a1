//! Small numbers for values that are large: IPv6 addresses and texts, each of which is kept once.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use foldhash::fast::RandomState;

/// The number of what came when there was no room left.
pub(super) const OTHER: u32 = u32::MAX - 1;

/// What an entry takes beside its octets: a place in the table and one in the list.
const OVERHEAD: u64 = 48;

/// Values that were seen.
#[derive(Debug)]
pub(super) struct Interner {
    addresses: HashMap<Ipv6Addr, u32, RandomState>,
    of_addresses: Vec<Ipv6Addr>,
    texts: HashMap<Box<str>, u32, RandomState>,
    of_texts: Vec<Box<str>>,
    /// Octets that are taken, and that may be.
    memory: u64,
    most: u64,
}

impl Interner {
    pub(super) fn new(most: u64) -> Self {
        Self {
            addresses: HashMap::default(),
            of_addresses: Vec::new(),
            texts: HashMap::default(),
            of_texts: Vec::new(),
            memory: 0,
            most,
        }
    }

    /// The number of an address.
    pub(super) fn address(&mut self, address: Ipv6Addr) -> u32 {
        if let Some(&id) = self.addresses.get(&address) {
            return id;
        }
        let id = self.of_addresses.len() as u32;
        self.memory += 2 * 16 + OVERHEAD;
        if self.memory > self.most || id >= OTHER {
            return OTHER;
        }
        self.addresses.insert(address, id);
        self.of_addresses.push(address);
        id
    }

    /// The number of a text.
    pub(super) fn text(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.texts.get(text) {
            return id;
        }
        let id = self.of_texts.len() as u32;
        self.memory += 2 * text.len() as u64 + OVERHEAD;
        if self.memory > self.most || id >= OTHER {
            return OTHER;
        }
        self.texts.insert(text.into(), id);
        self.of_texts.push(text.into());
        id
    }

    /// The address with a number.
    pub(super) fn address_of(&self, id: u32) -> Option<Ipv6Addr> {
        self.of_addresses.get(id as usize).copied()
    }

    /// The text with a number.
    pub(super) fn text_of(&self, id: u32) -> Option<&str> {
        self.of_texts.get(id as usize).map(|text| &**text)
    }
}
