//! What the ids of a column stand for.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use netflow_flow::parse_address;

use crate::error::Error;

/// The different values of a column of addresses or texts; ids count them from 0.
#[derive(Debug)]
pub struct Dictionary {
    serial: u64,
    entries: Entries,
}

#[derive(Debug)]
enum Entries {
    Addresses(Vec<IpAddr>),
    Texts { text: String, ends: Vec<usize> },
}

/// A value of a column of addresses or texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry<'a> {
    /// An address.
    Address(IpAddr),
    /// A text; that of a MAC address, an application, an enumerated value or a list, too.
    Text(&'a str),
}

impl Dictionary {
    /// None, of addresses or of texts.
    pub(crate) fn new(addresses: bool) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let entries = match addresses {
            true => Entries::Addresses(Vec::new()),
            false => Entries::Texts { text: String::new(), ends: Vec::new() },
        };
        Self { serial: SERIAL.fetch_add(1, Ordering::Relaxed), entries }
    }

    /// Appends a value.
    pub(crate) fn push(&mut self, column: &'static str, value: Entry<'_>) -> Result<(), Error> {
        match (&mut self.entries, value) {
            (Entries::Addresses(addresses), Entry::Address(address)) => addresses.push(address),
            (Entries::Addresses(addresses), Entry::Text(text)) => {
                let wrong = || Error::Value { column, text: text.escape_debug().take(64).collect() };
                addresses.push(parse_address(text).ok_or_else(wrong)?);
            }
            (Entries::Texts { text, ends }, Entry::Text(value)) => {
                text.push_str(value);
                ends.push(text.len());
            }
            (Entries::Texts { text, ends }, Entry::Address(address)) => {
                text.push_str(&address.to_string());
                ends.push(text.len());
            }
        }
        Ok(())
    }

    /// How many there are. More may come while the rows of a row group or file are read.
    pub fn len(&self) -> usize {
        match &self.entries {
            Entries::Addresses(addresses) => addresses.len(),
            Entries::Texts { ends, .. } => ends.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value with an id.
    pub fn get(&self, id: u32) -> Option<Entry<'_>> {
        let id = id as usize;
        match &self.entries {
            Entries::Addresses(addresses) => addresses.get(id).copied().map(Entry::Address),
            Entries::Texts { text, ends } => {
                let start = if id == 0 { 0 } else { *ends.get(id - 1)? };
                text.get(start..*ends.get(id)?).map(Entry::Text)
            }
        }
    }

    /// As long as this number is the same, an id stands for the same value.
    pub fn serial(&self) -> u64 {
        self.serial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_address_is_refused() {
        let mut dictionary = Dictionary::new(true);
        dictionary.push("src_addr", Entry::Text("2001:db8::1")).unwrap();
        assert_eq!(dictionary.get(0), "2001:db8::1".parse().ok().map(Entry::Address));
        let error = dictionary.push("src_addr", Entry::Text("1.2.3")).unwrap_err();
        assert_eq!(error.to_string(), "column src_addr has '1.2.3', which is no value of it");
    }
}
