//! Columns of numbers and times.
//!
//! Of numbers up to 32 bits, which name or classify something, a page of few different ones is written as ids of
//! a dictionary. Where there are many, and for counters, the first octets of all are written, then the second ones
//! (`BYTE_STREAM_SPLIT`); times are written plainly. So they take fewer octets than with any dictionary. Only a
//! page that has one value throughout is always a run of one id.

use netflow_flow::{Column, Gathered, Kind};
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescPtr;

use crate::chunk::{Bounds, Chunk, DataPage, EncodedChunk};
use crate::dictionary;
use crate::error::Error;
use crate::hybrid;
use crate::leaf::{Scratch, write_levels};
use crate::schema::Storage;

/// A page whose values are not the same so many times on average has no use for a dictionary.
const LEAST_REPETITION: usize = 16;

/// The numbers of a column in a row group.
#[derive(Debug)]
pub(crate) struct NumberColumn {
    kind: Kind,
    nullable: bool,
    /// What is not in a page yet.
    pub(crate) pending: Gathered,
    /// The numbers of the last page, if another column is compared with them.
    last: Option<Vec<u64>>,
    values: Values,
}

/// What numbers are for, which says how they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Name,
    Counter,
    Time,
}

impl Use {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Time => Self::Time,
            Kind::Unsigned(64) => Self::Counter,
            _ => Self::Name,
        }
    }
}

/// How numbers are written, and what was.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) chunk: Chunk,
    dictionary: dictionary::Numbers,
    /// Whether pages are no longer written with the dictionary.
    plain: bool,
}

impl NumberColumn {
    pub(crate) fn new(column: &Column) -> Self {
        Self {
            kind: column.kind,
            nullable: column.nullable,
            pending: Gathered::default(),
            last: None,
            values: Values::default(),
        }
    }

    /// Keeps the numbers of the last page, for [`flush_like`](Self::flush_like).
    pub(crate) fn keep_last(&mut self) {
        self.last.get_or_insert_default();
    }

    /// Makes a page of what is pending. Where it would be the last one of another column, that is copied.
    pub(crate) fn flush_like(&mut self, other: &Self, scratch: &mut Scratch) -> Result<(), Error> {
        let same = other.last.as_ref() == Some(&self.pending.numbers)
            && !self.nullable
            && !other.nullable
            && self.kind == other.kind;
        if same && self.values.chunk.push_copy(&other.values.chunk, Encoding::BYTE_STREAM_SPLIT) {
            self.pending.clear();
            return Ok(());
        }
        self.flush(scratch)
    }

    /// Makes a page of what is pending.
    pub(crate) fn flush(&mut self, scratch: &mut Scratch) -> Result<(), Error> {
        scratch.octets.clear();
        if self.nullable {
            let runs = self.pending.runs().iter().map(|&(present, rows)| (u32::from(present), rows));
            write_levels(runs, 1, &mut scratch.octets);
        }
        scratch.numbers.clear();
        let numbers = self.pending.numbers.iter();
        match self.kind {
            Kind::Time => scratch.numbers.extend(numbers.map(|&nanos| (nanos as i64).div_euclid(1000))),
            // Whoever gathered them marked the flows where this changes something.
            _ => scratch.numbers.extend(numbers.map(|&number| number.min(i64::MAX as u64) as i64)),
        }
        let (encoding, bounds) = self.values.write(Storage::of(self.kind), Use::of(self.kind), scratch);
        let rows = self.pending.rows();
        let nulls = rows - self.pending.values();
        let page = DataPage { octets: &scratch.octets, encoding, rows, levels: rows, nulls, bounds };
        self.values.chunk.push(page, &mut scratch.compressor)?;
        if let Some(last) = &mut self.last {
            std::mem::swap(last, &mut self.pending.numbers);
        }
        self.pending.clear();
        Ok(())
    }

    pub(crate) fn finish(
        &mut self,
        descriptor: ColumnDescPtr,
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<EncodedChunk, Error> {
        self.values.finish(Storage::of(self.kind), descriptor, out, scratch)
    }

    pub(crate) fn memory(&self) -> usize {
        self.pending.numbers.capacity() * 8 + self.values.memory()
    }
}

impl Values {
    /// Appends the scratch's numbers to its page.
    pub(crate) fn write(
        &mut self,
        storage: Storage,
        usage: Use,
        scratch: &mut Scratch,
    ) -> (Encoding, Option<Bounds>) {
        let Scratch { numbers, ids, octets, .. } = scratch;
        let Some(&first) = numbers.first() else { return (Encoding::PLAIN, None) };
        if numbers.iter().all(|&number| number == first) {
            let id = self.dictionary.id(first);
            octets.push(self.id_width());
            hybrid::append_run(id, numbers.len(), self.id_width(), octets);
            return (Encoding::RLE_DICTIONARY, Some(Bounds::Numbers(first, first)));
        }
        let (least, greatest) = numbers
            .iter()
            .fold((first, first), |(least, most), &number| (least.min(number), most.max(number)));
        let bounds = Some(Bounds::Numbers(least, greatest));
        if usage == Use::Name && !self.plain && self.take_ids(numbers, ids) {
            octets.push(self.id_width());
            hybrid::encode(ids, self.id_width(), octets);
            return (Encoding::RLE_DICTIONARY, bounds);
        }
        if usage == Use::Time {
            plain(numbers, storage, octets);
            return (Encoding::PLAIN, bounds);
        }
        match storage {
            Storage::Int32 => split::<4>(numbers, octets),
            _ => split::<8>(numbers, octets),
        }
        (Encoding::BYTE_STREAM_SPLIT, bounds)
    }

    /// Finds the ids of numbers; false when they are too many for a dictionary.
    fn take_ids(&mut self, numbers: &[i64], ids: &mut Vec<u32>) -> bool {
        let before = self.dictionary.values().len();
        let most = before + numbers.len() / LEAST_REPETITION + 1;
        ids.clear();
        let mut last = (numbers[0], self.dictionary.id(numbers[0]));
        for &number in numbers {
            if number != last.0 {
                last = (number, self.dictionary.id(number));
                if self.dictionary.values().len() > most && before == 0 {
                    self.dictionary.clear();
                    self.plain = true;
                    return false;
                }
            }
            ids.push(last.1);
        }
        // What is in it serves the pages so far.
        self.plain = self.dictionary.values().len() > most;
        true
    }

    fn id_width(&self) -> u8 {
        hybrid::id_width(self.dictionary.values().len() as u32)
    }

    pub(crate) fn finish(
        &mut self,
        storage: Storage,
        descriptor: ColumnDescPtr,
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<EncodedChunk, Error> {
        let values = self.dictionary.values();
        scratch.octets.clear();
        plain(values, storage, &mut scratch.octets);
        let dictionary = (!values.is_empty()).then_some((&scratch.octets[..], values.len() as u32));
        let chunk = self.chunk.finish(descriptor, dictionary, out, &mut scratch.compressor);
        self.dictionary.clear();
        self.plain = false;
        chunk
    }

    pub(crate) fn memory(&self) -> usize {
        self.chunk.memory() + self.dictionary.memory()
    }
}

fn plain(numbers: &[i64], storage: Storage, out: &mut Vec<u8>) {
    match storage {
        Storage::Int32 => out.extend(numbers.iter().flat_map(|&number| (number as i32).to_le_bytes())),
        _ => out.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
    }
}

/// The lowest octets of all numbers, then the next ones.
fn split<const OCTETS: usize>(numbers: &[i64], out: &mut Vec<u8>) {
    for octet in 0..OCTETS {
        out.extend(numbers.iter().map(|&number| (number >> (8 * octet)) as u8));
    }
}
