//! Texts of a dictionary's entries, as they are written.

use netflow_flow::{Cell, Column, Kind, write_csv_cell, write_json_cell};

use super::TextFormat;
use super::place::{PAD, put};
use crate::batch::ABSENT;
use crate::dictionary::{Dictionary, Entry};
use crate::error::Error;

/// Entries that were written once.
#[derive(Debug, Default)]
pub(super) struct Entries {
    serial: Option<u64>,
    slots: Vec<Slot>,
    /// Which slots have their text.
    known: Vec<bool>,
    /// What is longer than a slot.
    long: Vec<u8>,
    longest: usize,
}

/// A text, and its length in the last octet; or [`LONG`] there, and start and length of it elsewhere before. It is
/// all of it in one line of the processor's cache.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(32))]
pub(super) struct Slot([u8; PAD]);

const LAST: usize = PAD - 1;
const LONG: u8 = u8::MAX;

impl Slot {
    fn of_long(start: usize, length: usize) -> Self {
        let mut slot = [0; PAD];
        slot[..8].copy_from_slice(&(start as u64).to_le_bytes());
        slot[8..16].copy_from_slice(&(length as u64).to_le_bytes());
        slot[LAST] = LONG;
        Self(slot)
    }

    fn long(&self) -> (usize, usize) {
        let number = |at: usize| self.0[at..at + 8].iter().rev().fold(0, |all, &o| all << 8 | u64::from(o));
        (number(0) as usize, number(8) as usize)
    }
}

impl Entries {
    /// Writes those of the entries that were not yet.
    pub(super) fn learn(
        &mut self,
        format: TextFormat,
        column: &Column,
        dictionary: &Dictionary,
        ids: impl IntoIterator<Item = u32>,
    ) -> Result<(), Error> {
        if self.serial != Some(dictionary.serial()) {
            self.serial = Some(dictionary.serial());
            self.slots.clear();
            self.known.clear();
            self.long.clear();
            self.longest = 0;
        }
        if self.known.len() < dictionary.len() {
            self.slots.resize(dictionary.len(), Slot::default());
            self.known.resize(dictionary.len(), false);
        }
        for id in ids {
            match self.known.get(id as usize) {
                Some(true) => {}
                Some(false) => self.write(format, column, dictionary, id),
                None if id == ABSENT => {}
                None => {
                    let text = format!("entry {id} of {}", dictionary.len());
                    return Err(Error::Value { column: column.name, text });
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, format: TextFormat, column: &Column, dictionary: &Dictionary, id: u32) {
        // The octets behind the last one.
        self.long.truncate(self.long.len().saturating_sub(PAD));
        let start = self.long.len();
        if let Some(entry) = dictionary.get(id) {
            write(format, column, entry, &mut self.long);
        }
        let length = self.long.len() - start;
        self.longest = self.longest.max(length);
        self.known[id as usize] = true;
        self.slots[id as usize] = if length <= LAST {
            let mut slot = Slot::default();
            slot.0[..length].copy_from_slice(&self.long[start..]);
            slot.0[LAST] = length as u8;
            self.long.truncate(start);
            slot
        } else {
            Slot::of_long(start, length)
        };
        self.long.extend([0; PAD]);
    }

    /// An entry that was written.
    #[inline(always)]
    pub(super) fn get(&self, id: u32) -> Slot {
        self.slots.get(id as usize).copied().unwrap_or_default()
    }

    /// Puts an entry to a place, and says where it ends.
    #[inline(always)]
    pub(super) fn put(&self, out: &mut [u8], at: usize, slot: &Slot) -> usize {
        if slot.0[LAST] == LONG {
            let (start, length) = slot.long();
            return put(out, at, &self.long, start, length);
        }
        out[at..at + PAD].copy_from_slice(&slot.0);
        at + usize::from(slot.0[LAST])
    }

    /// Octets of the longest one.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }
}

fn write(format: TextFormat, column: &Column, entry: Entry<'_>, out: &mut Vec<u8>) {
    let numbers: Vec<u32>;
    let cell = match entry {
        Entry::Address(address) => Cell::Address(address),
        Entry::Text(text) if column.kind == Kind::List => {
            numbers = text.split('/').filter_map(|number| number.parse().ok()).collect();
            Cell::List(&numbers)
        }
        // Its text is JSON.
        Entry::Text(text) if column.kind == Kind::Extras && format == TextFormat::JsonLines => {
            return out.extend_from_slice(text.as_bytes());
        }
        Entry::Text(text) => Cell::Text(text),
    };
    match format {
        TextFormat::Csv => write_csv_cell(out, &cell),
        TextFormat::JsonLines => write_json_cell(out, &cell),
    }
}
