//! Texts of a dictionary's entries, as they are written.

use netflow_flow::{Cell, Column, Kind, write_csv_cell, write_json_cell};

use super::{PAD, TextFormat};
use crate::batch::ABSENT;
use crate::dictionary::{Dictionary, Entry};
use crate::error::Error;

/// Where nothing was written yet.
const UNKNOWN: (usize, usize) = (usize::MAX, usize::MAX);

/// Entries that were written once.
#[derive(Debug, Default)]
pub(super) struct Entries {
    serial: Option<u64>,
    text: Vec<u8>,
    /// Start and length of each.
    places: Vec<(usize, usize)>,
    longest: usize,
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
            self.text.clear();
            self.places.clear();
            self.longest = 0;
        }
        // The octets behind the last one.
        self.text.truncate(self.text.len().saturating_sub(PAD));
        self.places.resize(dictionary.len().max(self.places.len()), UNKNOWN);
        for id in ids {
            let Some(place) = self.places.get_mut(id as usize).filter(|place| **place == UNKNOWN) else {
                if id == ABSENT || (id as usize) < self.places.len() {
                    continue;
                }
                let text = format!("entry {id} of {}", dictionary.len());
                return Err(Error::Value { column: column.name, text });
            };
            let start = self.text.len();
            if let Some(entry) = dictionary.get(id) {
                write(format, column, entry, &mut self.text);
            }
            let length = self.text.len() - start;
            *place = (start, length);
            self.longest = self.longest.max(length);
        }
        self.text.extend([0; PAD]);
        Ok(())
    }

    /// An entry that was written: all texts, with room behind them, and the start and length of its own.
    #[inline(always)]
    pub(super) fn get(&self, id: u32) -> (&[u8], usize, usize) {
        let (start, length) = self.places[id as usize];
        (&self.text, start, length)
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
