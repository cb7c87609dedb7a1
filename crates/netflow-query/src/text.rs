//! Rows as text, CSV or lines of JSON: the very same as of flows one by one, put together column by column.
//!
//! What all rows of a batch have alike is written once; texts and addresses are once for an entry of their dictionary.

use netflow_flow::{Cell, Column, Flow, Kind, column, write_csv_cell, write_json_cell};
use netflow_templates::Timestamp;

use crate::batch::{ABSENT, Batch, View};
use crate::error::Error;
use crate::selection::Selection;

mod entries;

use entries::Entries;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// CSV (RFC 4180) without heading; what is absent is empty.
    Csv,
    /// A JSON object a line, without what is absent.
    JsonLines,
}

/// Writes rows as text. Each thread has its own.
#[derive(Debug)]
pub struct TextEncoder {
    format: TextFormat,
    fields: Vec<Field>,
    columns: Vec<&'static Column>,
    /// What rows have alike, one behind the other.
    literals: Vec<u8>,
}

/// A column that is written.
#[derive(Debug)]
struct Field {
    column: &'static Column,
    /// What is before a value.
    key: Padded,
    /// What is written where there is no value: with its key. Of JSON it may be nothing.
    absent: Padded,
    /// Whether a time is in quotes.
    quotes: bool,
    entries: Entries,
    /// A derived column, where the file has none of it: from these two.
    factors: Option<[&'static Column; 2]>,
    derived: Vec<u64>,
}

/// What is appended for a row.
enum Item<'a> {
    Literal(std::ops::Range<usize>),
    Numbers(&'a [u64], Option<&'a [bool]>, &'a Field),
    Times(&'a [u64], Option<&'a [bool]>, &'a Field),
    Entries(&'a [u32], &'a Field),
    /// The same in all rows, or nothing.
    Same(Same),
}

/// What all rows have.
enum Same {
    Absent,
    Number(u64),
    Entry(u32),
}

impl TextEncoder {
    /// Writes these columns, in their order.
    pub fn new(format: TextFormat, columns: &[&'static Column]) -> Self {
        let fields: Vec<_> =
            columns.iter().enumerate().map(|(at, column)| Field::new(format, column, at == 0)).collect();
        let mut needed = columns.to_vec();
        needed.extend(fields.iter().filter_map(|field| field.factors).flatten());
        needed.sort_by_key(|column| column.name);
        needed.dedup_by_key(|column| column.name);
        Self { format, fields, columns: needed, literals: Vec::new() }
    }

    /// The columns that are read.
    pub fn columns(&self) -> &[&'static Column] {
        &self.columns
    }

    /// Appends the line of names, where the format has one.
    pub fn write_head(&self, out: &mut Vec<u8>) {
        if self.format == TextFormat::Csv {
            let names: Vec<_> = self.fields.iter().map(|field| field.column.name).collect();
            out.extend_from_slice(names.join(",").as_bytes());
            out.push(b'\n');
        }
    }

    /// Appends the selected rows, and to `ends` where each ends.
    pub fn encode(
        &mut self,
        batch: &mut Batch,
        selection: &Selection,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<(), Error> {
        let columns: Vec<_> = self.fields.iter().map(|field| field.column).collect();
        batch.load(&columns)?;
        for field in &mut self.fields {
            field.prepare(self.format, batch, selection)?;
        }
        self.literals.clear();
        let mut items = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let same = match field.item(batch, selection) {
                Item::Same(same) => same,
                item => {
                    items.push(item);
                    continue;
                }
            };
            let start = self.literals.len();
            field.write_same(&same, &mut self.literals);
            match items.last_mut() {
                Some(Item::Literal(range)) => range.end = self.literals.len(),
                _ => items.push(Item::Literal(start..self.literals.len())),
            }
        }
        self.literals.extend([0; PAD]);
        let most = PAD + items.iter().map(Item::most).sum::<usize>();
        let mut at = out.len();
        for row in selection.iter() {
            if out.len() < at + most {
                out.resize((at + most).max(out.capacity().min(at + 64 * most)), 0);
            }
            let start = at;
            for item in &items {
                at = match item {
                    Item::Literal(range) => put(out, at, &self.literals, range.start, range.len()),
                    Item::Numbers(numbers, present, field) => match present {
                        Some(present) if !present[row] => field.absent.put(out, at),
                        _ => {
                            let at = field.key.put(out, at);
                            put_number(out, at, numbers[row])
                        }
                    },
                    Item::Times(numbers, present, field) => match present {
                        Some(present) if !present[row] => field.absent.put(out, at),
                        _ => {
                            let at = field.key.put(out, at);
                            field.put_time(out, at, numbers[row])
                        }
                    },
                    Item::Entries(ids, field) => match ids[row] {
                        ABSENT => field.absent.put(out, at),
                        id => {
                            let at = field.key.put(out, at);
                            let (text, start, length) = field.entries.get(id);
                            put(out, at, text, start, length)
                        }
                    },
                    Item::Same(_) => at,
                };
            }
            if self.format == TextFormat::JsonLines {
                // In place of the comma before the first member.
                out[start] = b'{';
                at = at.max(start + 1);
                out[at] = b'}';
                at += 1;
            }
            out[at] = b'\n';
            at += 1;
            ends.push(at);
        }
        out.truncate(at);
        Ok(())
    }
}

impl Item<'_> {
    /// Octets that it takes at most.
    fn most(&self) -> usize {
        let (field, value) = match self {
            Self::Literal(range) => return range.len(),
            Self::Same(_) => return 0,
            Self::Numbers(.., field) => (field, 20),
            Self::Times(.., field) => (field, 32),
            Self::Entries(_, field) => (field, field.entries.longest()),
        };
        field.absent.length.max(field.key.length + value)
    }
}

/// Octets that follow what is copied, on both sides, so that short texts are copied by their count of registers.
const PAD: usize = 32;

/// A text with room behind it.
#[derive(Debug)]
struct Padded {
    octets: Vec<u8>,
    length: usize,
}

impl Padded {
    fn new(mut octets: Vec<u8>) -> Self {
        let length = octets.len();
        octets.extend([0; PAD]);
        Self { octets, length }
    }

    fn text(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    #[inline(always)]
    fn put(&self, out: &mut [u8], at: usize) -> usize {
        put(out, at, &self.octets, 0, self.length)
    }
}

/// Copies a text to a place, and says where it ends. Behind both is room for more octets.
#[inline(always)]
fn put(out: &mut [u8], at: usize, from: &[u8], start: usize, length: usize) -> usize {
    const HALF: usize = PAD / 2;
    if length <= PAD {
        let (text, place) = (&from[start..start + PAD], &mut out[at..at + PAD]);
        place[..HALF].copy_from_slice(&text[..HALF]);
        if length > HALF {
            place[HALF..].copy_from_slice(&text[HALF..]);
        }
    } else {
        out[at..at + length].copy_from_slice(&from[start..start + length]);
    }
    at + length
}

/// Writes a number to a place, and says where it ends.
#[inline(always)]
fn put_number(out: &mut [u8], at: usize, number: u64) -> usize {
    if number < 10 {
        out[at] = b'0' + number as u8;
        return at + 1;
    }
    let end = at + number.ilog10() as usize + 1;
    let (mut place, mut left) = (end, number);
    while left >= 100 {
        place -= 2;
        out[place..place + 2].copy_from_slice(&PAIRS[(left % 100) as usize]);
        left /= 100;
    }
    if left >= 10 {
        out[place - 2..place].copy_from_slice(&PAIRS[left as usize]);
    } else {
        out[place - 1] = b'0' + left as u8;
    }
    end
}

/// The numbers below 100 in two digits.
const PAIRS: [[u8; 2]; 100] = {
    let (mut pairs, mut number) = ([[b'0'; 2]; 100], 0);
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

impl Field {
    fn new(format: TextFormat, of: &'static Column, first: bool) -> Self {
        let key = match format {
            TextFormat::Csv => if first { "" } else { "," }.to_owned(),
            TextFormat::JsonLines => format!(",\"{}\":", of.name),
        }
        .into_bytes();
        // What a flow has of which nothing is known.
        let unknown = Flow::default();
        let cell = of.get(&unknown);
        let mut absent = key.clone();
        match format {
            TextFormat::Csv => write_csv_cell(&mut absent, &cell),
            TextFormat::JsonLines if cell == Cell::Null => absent.clear(),
            TextFormat::JsonLines => write_json_cell(&mut absent, &cell),
        }
        let raw = match of.name {
            "bytes" => Some("bytes_raw"),
            "packets" => Some("packets_raw"),
            _ => None,
        };
        let factors = raw.and_then(|raw| Some([column(raw)?, column("sampling_rate")?]));
        let quotes = format == TextFormat::JsonLines;
        let (key, absent) = (Padded::new(key), Padded::new(absent));
        Self { column: of, key, absent, quotes, entries: Entries::default(), factors, derived: Vec::new() }
    }

    /// Makes ready what the rows of a batch need.
    fn prepare(&mut self, format: TextFormat, batch: &mut Batch, selection: &Selection) -> Result<(), Error> {
        self.derived.clear();
        if let (View::Absent, Some([raw, rate])) = (batch.values(self.column).view(), self.factors) {
            batch.load(&[raw, rate])?;
            let (raw, rate) = (batch.values(raw), batch.values(rate));
            self.derived.extend((0..batch.rows()).map(|row| {
                raw.number(row).unwrap_or(0).saturating_mul(rate.number(row).unwrap_or(1).max(1))
            }));
        }
        let values = batch.values(self.column);
        match values.view() {
            View::Id(id) => self.entries.learn(format, self.column, values.dictionary(), [id]),
            View::Ids(ids) => {
                let ids = selection.iter().map(|row| ids[row]);
                self.entries.learn(format, self.column, values.dictionary(), ids)
            }
            View::Absent | View::Number(_) | View::Numbers(..) => Ok(()),
        }
    }

    /// What is appended for each row.
    fn item<'a>(&'a self, batch: &'a Batch, selection: &Selection) -> Item<'a> {
        let (numbers, present) = match batch.values(self.column).view() {
            View::Absent if self.derived.is_empty() => return Item::Same(Same::Absent),
            View::Absent => (&self.derived[..], None),
            View::Number(number) => return Item::Same(Same::Number(number)),
            View::Numbers(numbers, present) => (numbers, present),
            View::Id(id) => return Item::Same(Same::Entry(id)),
            View::Ids(ids) => {
                return match the_same(ids, selection) {
                    Some(ABSENT) => Item::Same(Same::Absent),
                    Some(id) => Item::Same(Same::Entry(id)),
                    None => Item::Entries(ids, self),
                };
            }
        };
        let present = present.filter(|present| selection.iter().any(|row| !present[row]));
        match (present, the_same(numbers, selection)) {
            (None, Some(number)) => Item::Same(Same::Number(number)),
            (Some(present), Some(_)) if selection.iter().all(|row| !present[row]) => Item::Same(Same::Absent),
            _ if self.column.kind == Kind::Time => Item::Times(numbers, present, self),
            _ => Item::Numbers(numbers, present, self),
        }
    }

    fn write_same(&self, same: &Same, out: &mut Vec<u8>) {
        if let Same::Absent = same {
            return out.extend_from_slice(self.absent.text());
        }
        out.extend_from_slice(self.key.text());
        match *same {
            Same::Absent => {}
            Same::Entry(id) => {
                let (text, start, length) = self.entries.get(id);
                out.extend_from_slice(&text[start..start + length]);
            }
            Same::Number(number) => {
                let mut text = [0; 2 * PAD];
                let end = match self.column.kind {
                    Kind::Time => self.put_time(&mut text, 0, number),
                    _ => put_number(&mut text, 0, number),
                };
                out.extend_from_slice(&text[..end]);
            }
        }
    }

    /// Writes nanoseconds, as the bits of an `i64`, to a place, and says where they end.
    #[inline(always)]
    fn put_time(&self, out: &mut [u8], at: usize, nanos: u64) -> usize {
        let text = Timestamp::from_nanos(nanos as i64).to_rfc3339();
        if !self.quotes {
            out[at..at + 30].copy_from_slice(&text);
            return at + 30;
        }
        let place = &mut out[at..at + 32];
        place[0] = b'"';
        place[1..31].copy_from_slice(&text);
        place[31] = b'"';
        at + 32
    }
}

/// What all of the selected rows have.
fn the_same<T: Copy + PartialEq>(values: &[T], selection: &Selection) -> Option<T> {
    let first = *values.get(selection.iter().next()?)?;
    selection.iter().all(|row| values[row] == first).then_some(first)
}

#[cfg(test)]
mod tests;
