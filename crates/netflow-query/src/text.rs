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
    key: Vec<u8>,
    /// What is written where there is no value: with its key. Of JSON it may be nothing.
    absent: Vec<u8>,
    /// What is around a time.
    quote: &'static [u8],
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
        let mut digits = itoa::Buffer::new();
        for row in selection.iter() {
            let start = out.len();
            for item in &items {
                match item {
                    Item::Literal(range) => out.extend_from_slice(&self.literals[range.clone()]),
                    Item::Numbers(numbers, present, field) => match present {
                        Some(present) if !present[row] => out.extend_from_slice(&field.absent),
                        _ => {
                            out.extend_from_slice(&field.key);
                            out.extend_from_slice(digits.format(numbers[row]).as_bytes());
                        }
                    },
                    Item::Times(numbers, present, field) => match present {
                        Some(present) if !present[row] => out.extend_from_slice(&field.absent),
                        _ => {
                            out.extend_from_slice(&field.key);
                            field.write_time(numbers[row], out);
                        }
                    },
                    Item::Entries(ids, field) => match ids[row] {
                        ABSENT => out.extend_from_slice(&field.absent),
                        id => {
                            out.extend_from_slice(&field.key);
                            out.extend_from_slice(field.entries.get(id));
                        }
                    },
                    Item::Same(_) => {}
                }
            }
            match self.format {
                TextFormat::Csv => out.push(b'\n'),
                TextFormat::JsonLines => {
                    match out.get_mut(start) {
                        // The comma before the first member.
                        Some(comma) => *comma = b'{',
                        None => out.push(b'{'),
                    }
                    out.extend_from_slice(b"}\n");
                }
            }
            ends.push(out.len());
        }
        Ok(())
    }
}

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
        let quote: &[u8] = if format == TextFormat::JsonLines { b"\"" } else { b"" };
        Self { column: of, key, absent, quote, entries: Entries::default(), factors, derived: Vec::new() }
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
            return out.extend_from_slice(&self.absent);
        }
        out.extend_from_slice(&self.key);
        match *same {
            Same::Absent => {}
            Same::Entry(id) => out.extend_from_slice(self.entries.get(id)),
            Same::Number(nanos) if self.column.kind == Kind::Time => self.write_time(nanos, out),
            Same::Number(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    /// Nanoseconds, as the bits of an `i64`.
    fn write_time(&self, nanos: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.quote);
        out.extend_from_slice(&Timestamp::from_nanos(nanos as i64).to_rfc3339());
        out.extend_from_slice(self.quote);
    }
}

/// What all of the selected rows have.
fn the_same<T: Copy + PartialEq>(values: &[T], selection: &Selection) -> Option<T> {
    let first = *values.get(selection.iter().next()?)?;
    selection.iter().all(|row| values[row] == first).then_some(first)
}

#[cfg(test)]
mod tests;
