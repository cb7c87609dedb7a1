//! Columns of texts, and of what has a text: addresses, enumerated values. They are written with a dictionary.

use netflow_flow::{ApplicationId, Cell, Column, Flows, Gathered, Kind, MacAddress};
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescPtr;
use std::ops::Range;

use crate::chunk::{Bounds, Chunk, DataPage, EncodedChunk, Parts};
use crate::dictionary::Texts;
use crate::error::Error;
use crate::hybrid;
use crate::leaf::{Scratch, write_levels};

/// The texts of a column in a row group.
#[derive(Debug)]
pub(crate) struct TextColumn {
    column: &'static Column,
    /// What is not in a page yet; of the values only the ids are kept.
    pub(crate) pending: Gathered,
    values: Values,
}

/// Texts as ids.
#[derive(Debug, Default)]
pub(crate) struct Values {
    chunk: Chunk,
    pub(crate) dictionary: Texts,
    /// Those of the page to come.
    pub(crate) ids: Vec<u32>,
    /// A bit for each text: whether the page has it.
    seen: Vec<u64>,
}

impl TextColumn {
    pub(crate) fn new(column: &'static Column) -> Self {
        Self { column, pending: Gathered::default(), values: Values::default() }
    }

    /// Takes the values of some flows.
    pub(crate) fn push(&mut self, flows: &Flows, rows: Range<usize>) {
        let Self { column, pending, values: Values { dictionary, ids, .. } } = self;
        if column.gather(flows, rows.clone(), pending) {
            dictionary.addresses(&pending.addresses, ids);
            pending.addresses.clear();
            let mut last: Option<(&str, u32)> = None;
            ids.extend(pending.names.drain(..).map(|name| match last {
                Some((known, id)) if std::ptr::eq(known, name) => id,
                _ => {
                    let id = dictionary.text(name);
                    last = Some((name, id));
                    id
                }
            }));
            ids.extend(pending.numbers.drain(..).map(|number| match column.kind {
                Kind::Mac => dictionary.number(number, mac),
                _ => dictionary.number(number, ApplicationId::from_number),
            }));
            return;
        }
        for flow in rows.filter_map(|row| flows.get(row)) {
            let id = match column.get(flow) {
                Cell::Null => None,
                Cell::Text(text) => Some(dictionary.text(text)),
                other => Some(dictionary.text(&format!("{other:?}"))),
            };
            pending.append(id.is_some(), 1);
            ids.extend(id);
        }
    }

    /// Makes a page of what is pending.
    pub(crate) fn flush(&mut self, scratch: &mut Scratch) -> Result<(), Error> {
        scratch.octets.clear();
        if self.column.nullable {
            let runs = self.pending.runs().iter().map(|&(present, rows)| (u32::from(present), rows));
            write_levels(runs, 1, &mut scratch.octets);
        }
        let rows = self.pending.rows();
        self.values.flush(rows, rows, rows - self.pending.values(), scratch)?;
        self.pending.clear();
        Ok(())
    }

    pub(crate) fn finish(
        &mut self,
        descriptor: ColumnDescPtr,
        out: &mut Parts,
        scratch: &mut Scratch,
    ) -> Result<EncodedChunk, Error> {
        self.values.finish(descriptor, out, scratch)
    }

    pub(crate) fn memory(&self) -> usize {
        self.values.memory()
    }
}

fn mac(number: u64) -> MacAddress {
    let [_, _, octets @ ..] = number.to_be_bytes();
    MacAddress(octets)
}

impl Values {
    /// Completes a page, of which the scratch has the levels.
    pub(crate) fn flush(
        &mut self,
        rows: usize,
        levels: usize,
        nulls: usize,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let bounds = self.bounds();
        let encoding = match self.ids.is_empty() {
            true => Encoding::PLAIN,
            false => {
                let width = hybrid::id_width(self.dictionary.len());
                scratch.octets.push(width);
                hybrid::encode(&self.ids, width, &mut scratch.octets);
                Encoding::RLE_DICTIONARY
            }
        };
        let page = DataPage { octets: &scratch.octets, encoding, rows, levels, nulls, bounds };
        self.chunk.push(page, &mut scratch.compressor)?;
        self.ids.clear();
        Ok(())
    }

    /// The least and the greatest text of the page; each is looked at once.
    fn bounds(&mut self) -> Option<Bounds> {
        let Self { dictionary, ids, seen, .. } = self;
        let &first = ids.first()?;
        seen.clear();
        seen.resize(dictionary.len().div_ceil(64) as usize, 0);
        let (mut least, mut greatest) = (first, first);
        let is_less = |one: u32, other: u32| {
            let (a, b) = (dictionary.beginning(one), dictionary.beginning(other));
            a < b || a == b && dictionary.get(one) < dictionary.get(other)
        };
        ids.iter().for_each(|id| seen[*id as usize / 64] |= 1 << (id % 64));
        // In the order of the ids, which is that of memory.
        for (start, word) in (0..).step_by(64).zip(seen.iter()) {
            let mut rest = *word;
            while rest != 0 {
                let id = start + rest.trailing_zeros();
                rest &= rest - 1;
                if is_less(id, least) {
                    least = id;
                } else if is_less(greatest, id) {
                    greatest = id;
                }
            }
        }
        let (least, greatest) = (dictionary.get(least), dictionary.get(greatest));
        let bounds = Bounds::Texts(least.into(), greatest.into());
        bounds.are_short().then_some(bounds)
    }

    pub(crate) fn finish(
        &mut self,
        descriptor: ColumnDescPtr,
        out: &mut Parts,
        scratch: &mut Scratch,
    ) -> Result<EncodedChunk, Error> {
        let texts = &self.dictionary;
        let dictionary = (texts.len() > 0).then_some((texts.octets(), texts.len()));
        let chunk = self.chunk.finish(descriptor, dictionary, out, &mut scratch.compressor);
        self.dictionary.clear();
        chunk
    }

    pub(crate) fn memory(&self) -> usize {
        self.chunk.memory() + self.dictionary.memory() + self.ids.len() * 4
    }
}
