//! Columns of numbers and times.
//!
//! Of numbers up to 32 bits, which name or classify something, a page of few different ones is written as ids of
//! a dictionary. Where there are many, and for counters, the first octets of all are written, then the second ones
//! (`BYTE_STREAM_SPLIT`); times are written plainly. So they take fewer octets than with any dictionary. Only a
//! page that has one value throughout is always a run of one id.

use netflow_flow::{Column, Gathered, Kind};
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescPtr;

use crate::chunk::{Bounds, Chunk, DataPage, EncodedChunk, Parts};
use crate::dictionary;
use crate::error::Error;
use crate::hybrid;
use crate::leaf::{Scratch, write_levels};
use crate::schema::Storage;

/// A page whose values are not the same so many times on average has no use for a dictionary.
const LEAST_REPETITION: usize = 32;

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
        let pending = &self.pending.numbers;
        let Scratch { octets, ids, numbers, .. } = scratch;
        let written = match self.kind {
            Kind::Time => {
                numbers.clear();
                numbers.extend(pending.iter().map(|&nanos| micros(nanos)));
                &*numbers
            }
            _ => pending,
        };
        let (encoding, bounds) =
            self.values.write(Storage::of(self.kind), Use::of(self.kind), written, ids, octets);
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
        out: &mut Parts,
        scratch: &mut Scratch,
    ) -> Result<EncodedChunk, Error> {
        self.values.finish(Storage::of(self.kind), descriptor, out, scratch)
    }

    pub(crate) fn memory(&self) -> usize {
        self.pending.numbers.capacity() * 8 + self.values.memory()
    }
}

impl Values {
    /// Appends signed numbers, by their bits, to a page.
    pub(crate) fn write(
        &mut self,
        storage: Storage,
        usage: Use,
        numbers: &[u64],
        ids: &mut Vec<u32>,
        octets: &mut Vec<u8>,
    ) -> (Encoding, Option<Bounds>) {
        let Some(&first) = numbers.first() else { return (Encoding::PLAIN, None) };
        // Most columns of most traffic are so.
        if are_same(numbers) {
            return self.write_run(first as i64, numbers.len(), octets);
        }
        let (least, greatest) = range(numbers, first as i64);
        let bounds = Some(Bounds::Numbers(least, greatest));
        if usage == Use::Name && !self.plain && self.take_ids(numbers, ids) {
            octets.push(self.id_width());
            hybrid::encode(ids, self.id_width(), octets);
            return (Encoding::RLE_DICTIONARY, bounds);
        }
        if usage == Use::Time {
            plain(numbers.iter().map(|&number| number as i64), storage, octets);
            return (Encoding::PLAIN, bounds);
        }
        let octets_of_one = if storage == Storage::Int32 { 4 } else { 8 };
        split(numbers, octets_of_one, octets_for(least, greatest), octets);
        (Encoding::BYTE_STREAM_SPLIT, bounds)
    }

    /// Appends one number, so many times.
    fn write_run(&mut self, number: i64, times: usize, octets: &mut Vec<u8>) -> (Encoding, Option<Bounds>) {
        let id = self.dictionary.id(number);
        octets.push(self.id_width());
        hybrid::append_run(id, times, self.id_width(), octets);
        (Encoding::RLE_DICTIONARY, Some(Bounds::Numbers(number, number)))
    }

    /// Finds the ids of numbers; false when they are too many for a dictionary.
    fn take_ids(&mut self, numbers: &[u64], ids: &mut Vec<u32>) -> bool {
        let before = self.dictionary.values().len();
        let most = before + numbers.len() / LEAST_REPETITION + 1;
        ids.clear();
        ids.resize(numbers.len(), 0);
        let mut last = (numbers[0] as i64, self.dictionary.id(numbers[0] as i64));
        for (&number, id) in numbers.iter().zip(ids) {
            let number = number as i64;
            if let Some(small) = self.dictionary.id_of_small(number) {
                *id = small;
                continue;
            }
            if number != last.0 {
                last = (number, self.dictionary.id(number));
                if self.dictionary.values().len() > most && before == 0 {
                    self.dictionary.clear();
                    self.plain = true;
                    return false;
                }
            }
            *id = last.1;
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
        out: &mut Parts,
        scratch: &mut Scratch,
    ) -> Result<EncodedChunk, Error> {
        let values = self.dictionary.values();
        scratch.octets.clear();
        plain(values.iter().copied(), storage, &mut scratch.octets);
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

fn plain(numbers: impl ExactSizeIterator<Item = i64>, storage: Storage, out: &mut Vec<u8>) {
    let before = out.len();
    let octets_of_one = if storage == Storage::Int32 { 4 } else { 8 };
    out.resize(before + numbers.len() * octets_of_one, 0);
    let out = &mut out[before..];
    match storage {
        Storage::Int32 => {
            let places = out.as_chunks_mut().0;
            places.iter_mut().zip(numbers).for_each(|(out, number)| *out = (number as i32).to_le_bytes());
        }
        _ => {
            let places = out.as_chunks_mut().0;
            places.iter_mut().zip(numbers).for_each(|(out, number)| *out = number.to_le_bytes());
        }
    }
}

/// The lowest octets of all numbers, then the next ones, of which those after `used` are zeros.
fn split(numbers: &[u64], octets_of_one: usize, used: usize, out: &mut Vec<u8>) {
    let end = out.len() + numbers.len() * octets_of_one;
    out.reserve(numbers.len() * octets_of_one);
    for octet in 0..used.min(octets_of_one) {
        out.extend(numbers.iter().map(|&number| (number >> (8 * octet)) as u8));
    }
    out.resize(end, 0);
}

/// The least and the greatest; found out for several at a time, which no branch waits for.
fn range(numbers: &[u64], first: i64) -> (i64, i64) {
    let (mut least, mut greatest) = ([first; 4], [first; 4]);
    let (fours, rest) = numbers.as_chunks::<4>();
    for four in fours {
        for (at, &number) in four.iter().enumerate() {
            least[at] = least[at].min(number as i64);
            greatest[at] = greatest[at].max(number as i64);
        }
    }
    let ends = least.into_iter().chain(greatest).chain(rest.iter().map(|&number| number as i64));
    ends.fold((first, first), |(least, greatest), number| (least.min(number), greatest.max(number)))
}

/// Octets that numbers between these two have, without the highest ones where all have zeros.
fn octets_for(least: i64, greatest: i64) -> usize {
    if least < 0 { 8 } else { (i64::BITS - greatest.leading_zeros()).div_ceil(8) as usize }
}

/// Microseconds of nanoseconds, both signed and by their bits. Without a sign the division takes half the time.
#[inline]
fn micros(nanos: u64) -> u64 {
    match nanos as i64 {
        0.. => nanos / 1_000,
        negative => negative.div_euclid(1_000) as u64,
    }
}

/// Whether all are the same; found out for many at a time.
fn are_same<T: Copy + PartialEq>(numbers: &[T]) -> bool {
    let Some(&first) = numbers.first() else { return false };
    numbers.chunks(64).all(|some| some.iter().fold(true, |same, &number| same & (number == first)))
}
