//! Rows as text, CSV or lines of JSON: the very same as of flows one by one, put together column by column.
//!
//! What all rows of a batch have alike is written once; texts and addresses are once for an entry of their dictionary.

use netflow_flow::{Cell, Column, Flow, Kind, column, write_csv_cell, write_json_cell};

use crate::batch::{ABSENT, Batch, View};
use crate::error::Error;
use crate::selection::Selection;

mod entries;
mod place;

use entries::{Entries, Slot};
use place::{Clock, NUMBER, PAD, TIME, put, put_number};

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
    /// What is before it, whether there is a value or not.
    lead: Vec<u8>,
    /// What is between that and a value.
    key: Padded,
    /// What there is instead of key and value.
    absent: Padded,
    /// Whether a time is in quotes.
    quotes: bool,
    entries: Entries,
    /// A derived column, where the file has none of it: from these two.
    factors: Option<[&'static Column; 2]>,
    derived: Vec<u64>,
}

/// What is appended for a row: a text that all have alike, and a value.
struct Step<'a> {
    start: usize,
    length: usize,
    value: Value<'a>,
}

/// A value that rows do not have alike.
enum Value<'a> {
    Number(&'a [u64], [u64; TILE]),
    Time(&'a [u64], [u64; TILE], Clock),
    Entry(&'a [u32], Box<[Slot; TILE]>, &'a Entries),
    /// One of these, where a row has it.
    Perhaps(Present<'a>, Box<Value<'a>>, &'a Field),
    /// Behind the last one.
    Nothing,
}

/// Rows whose values are fetched together, column by column: lines of one column would drive those of others out of the
/// processor's cache before they were used up.
const TILE: usize = 32;

/// Which rows have a value.
enum Present<'a> {
    Flags(&'a [bool]),
    Ids(&'a [u32]),
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
        let mut steps = steps(&self.fields, batch, selection, &mut self.literals);
        let most = PAD + steps.iter().map(Step::most).sum::<usize>();
        ends.reserve(selection.len());
        let mut at = out.len();
        let (mut rows, mut tile) = (selection.iter(), Vec::with_capacity(TILE));
        loop {
            tile.clear();
            tile.extend(rows.by_ref().take(TILE));
            if tile.is_empty() {
                break;
            }
            if out.len() < at + TILE * most {
                out.resize((at + TILE * most).max(out.capacity().min(at + 2 * TILE * most)), 0);
            }
            steps.iter_mut().for_each(|step| step.value.fetch(&tile));
            for (place, &row) in tile.iter().enumerate() {
                let start = at;
                for step in &mut steps {
                    at = put(out, at, &self.literals, step.start, step.length);
                    at = step.value.put(out, at, row, place);
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
        }
        out.truncate(at);
        Ok(())
    }
}
/// What is done for each row. Texts that all rows have go to `literals`.
fn steps<'a>(
    fields: &'a [Field],
    batch: &'a Batch,
    selection: &Selection,
    literals: &mut Vec<u8>,
) -> Vec<Step<'a>> {
    let (mut steps, mut start) = (Vec::with_capacity(fields.len() + 1), 0);
    for field in fields {
        literals.extend_from_slice(&field.lead);
        let value = field.value(batch, selection, literals);
        if !matches!(value, Value::Nothing) {
            steps.push(Step { start, length: literals.len() - start, value });
            start = literals.len();
        }
    }
    steps.push(Step { start, length: literals.len() - start, value: Value::Nothing });
    literals.extend([0; PAD]);
    steps
}

impl Step<'_> {
    /// Octets that it takes at most.
    fn most(&self) -> usize {
        self.length + self.value.most()
    }
}

impl Value<'_> {
    fn most(&self) -> usize {
        match self {
            Self::Number(..) => NUMBER,
            Self::Time(..) => TIME,
            Self::Entry(.., entries) => entries.longest(),
            Self::Perhaps(_, value, field) => field.absent.length.max(field.key.length + value.most()),
            Self::Nothing => 0,
        }
    }

    /// Fetches the values of some rows.
    fn fetch(&mut self, rows: &[usize]) {
        match self {
            Self::Number(numbers, tile) | Self::Time(numbers, tile, _) => {
                tile.iter_mut().zip(rows).for_each(|(place, &row)| *place = numbers[row]);
            }
            Self::Entry(ids, tile, entries) => {
                tile.iter_mut().zip(rows).for_each(|(place, &row)| *place = entries.get(ids[row]));
            }
            Self::Perhaps(_, value, _) => value.fetch(rows),
            Self::Nothing => {}
        }
    }

    /// Puts the value of a row, which was fetched to a place of the tile, and says where it ends.
    #[inline(always)]
    fn put(&mut self, out: &mut [u8], at: usize, row: usize, place: usize) -> usize {
        match self {
            Self::Perhaps(present, value, field) => {
                let is_there = match present {
                    Present::Flags(flags) => flags[row],
                    Present::Ids(ids) => ids[row] != ABSENT,
                };
                if !is_there {
                    return field.absent.put(out, at);
                }
                let at = field.key.put(out, at);
                value.put_present(out, at, place)
            }
            value => value.put_present(out, at, place),
        }
    }

    #[inline(always)]
    fn put_present(&mut self, out: &mut [u8], at: usize, place: usize) -> usize {
        match self {
            Self::Number(_, tile) => put_number(out, at, tile[place]),
            Self::Time(_, tile, clock) => clock.put(out, at, tile[place]),
            Self::Entry(_, tile, entries) => entries.put(out, at, &tile[place]),
            Self::Perhaps(..) | Self::Nothing => at,
        }
    }
}

/// A text with room behind it.
#[derive(Debug)]
struct Padded {
    octets: Vec<u8>,
    length: usize,
}

impl Padded {
    fn new(text: &[u8]) -> Self {
        Self { octets: [text, &[0; PAD]].concat(), length: text.len() }
    }

    fn text(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    #[inline(always)]
    fn put(&self, out: &mut [u8], at: usize) -> usize {
        put(out, at, &self.octets, 0, self.length)
    }
}

impl Field {
    fn new(format: TextFormat, of: &'static Column, first: bool) -> Self {
        let mut key = match format {
            TextFormat::Csv => if first { "" } else { "," }.to_owned(),
            TextFormat::JsonLines => format!(",\"{}\":", of.name),
        }
        .into_bytes();
        // What a flow has of which nothing is known.
        let unknown = Flow::default();
        let (cell, mut absent, mut lead) = (of.get(&unknown), Vec::new(), Vec::new());
        match format {
            TextFormat::Csv => write_csv_cell(&mut absent, &cell),
            TextFormat::JsonLines if cell == Cell::Null => {}
            TextFormat::JsonLines => write_json_cell(&mut absent, &cell),
        }
        if format == TextFormat::Csv || cell != Cell::Null {
            std::mem::swap(&mut lead, &mut key);
        }
        let raw = match of.name {
            "bytes" => Some("bytes_raw"),
            "packets" => Some("packets_raw"),
            _ => None,
        };
        Self {
            column: of,
            lead,
            key: Padded::new(&key),
            absent: Padded::new(&absent),
            quotes: format == TextFormat::JsonLines,
            entries: Entries::default(),
            factors: raw.and_then(|raw| Some([column(raw)?, column("sampling_rate")?])),
            derived: Vec::new(),
        }
    }

    /// Makes ready what the rows of a batch need.
    fn prepare(&mut self, format: TextFormat, batch: &mut Batch, selection: &Selection) -> Result<(), Error> {
        self.derived.clear();
        if let (View::Absent, Some([raw, rate])) = (batch.values(self.column).view(), self.factors) {
            batch.load(&[raw, rate])?;
            let (raw, rate) = (batch.values(raw), batch.values(rate));
            match (raw.view(), rate.view()) {
                (View::Numbers(raw, None), View::Number(rate)) => {
                    self.derived.extend(raw.iter().map(|raw| raw.saturating_mul(rate.max(1))));
                }
                _ => self.derived.extend((0..batch.rows()).map(|row| {
                    raw.number(row).unwrap_or(0).saturating_mul(rate.number(row).unwrap_or(1).max(1))
                })),
            }
        }
        let values = batch.values(self.column);
        match values.view() {
            View::Id(id) => self.entries.learn(format, self.column, values.dictionary(), [id]),
            View::Ids(ids) => match selection.rows() {
                None => self.entries.learn(format, self.column, values.dictionary(), ids.iter().copied()),
                Some(rows) => {
                    let ids = rows.iter().map(|&row| ids[row as usize]);
                    self.entries.learn(format, self.column, values.dictionary(), ids)
                }
            },
            View::Absent | View::Number(_) | View::Numbers(..) => Ok(()),
        }
    }

    /// What is put for each row. What all rows have alike, is appended.
    fn value<'a>(&'a self, batch: &'a Batch, selection: &Selection, same: &mut Vec<u8>) -> Value<'a> {
        let (numbers, present) = match batch.values(self.column).view() {
            View::Absent if self.derived.is_empty() => return self.write_absent(same),
            View::Absent => (&self.derived[..], None),
            View::Number(number) => return self.write_number(number, same),
            View::Numbers(numbers, present) => (numbers, present),
            View::Id(id) => return self.write_entry(id, same),
            View::Ids(ids) => {
                return match the_same(ids, selection) {
                    Some(ABSENT) => self.write_absent(same),
                    Some(id) => self.write_entry(id, same),
                    None if selection.iter().any(|row| ids[row] == ABSENT) => Value::Perhaps(
                        Present::Ids(ids),
                        Box::new(Value::Entry(ids, Box::new([Slot::default(); TILE]), &self.entries)),
                        self,
                    ),
                    None => {
                        same.extend_from_slice(self.key.text());
                        Value::Entry(ids, Box::new([Slot::default(); TILE]), &self.entries)
                    }
                };
            }
        };
        let present = present.filter(|present| selection.iter().any(|row| !present[row]));
        let value = match (present, the_same(numbers, selection)) {
            (None, Some(number)) => return self.write_number(number, same),
            (Some(present), Some(_)) if selection.iter().all(|row| !present[row]) => {
                return self.write_absent(same);
            }
            _ if self.column.kind == Kind::Time => Value::Time(numbers, [0; TILE], Clock::new(self.quotes)),
            _ => Value::Number(numbers, [0; TILE]),
        };
        match present {
            Some(present) => Value::Perhaps(Present::Flags(present), Box::new(value), self),
            None => {
                same.extend_from_slice(self.key.text());
                value
            }
        }
    }

    fn write_absent(&self, out: &mut Vec<u8>) -> Value<'_> {
        out.extend_from_slice(self.absent.text());
        Value::Nothing
    }

    fn write_number(&self, number: u64, out: &mut Vec<u8>) -> Value<'_> {
        out.extend_from_slice(self.key.text());
        let mut text = [0; 2 * PAD];
        let end = match self.column.kind {
            Kind::Time => Clock::new(self.quotes).put(&mut text, 0, number),
            _ => put_number(&mut text, 0, number),
        };
        out.extend_from_slice(&text[..end]);
        Value::Nothing
    }

    fn write_entry(&self, id: u32, out: &mut Vec<u8>) -> Value<'_> {
        out.extend_from_slice(self.key.text());
        let start = out.len();
        out.resize(start + self.entries.longest() + PAD, 0);
        let end = self.entries.put(out, start, &self.entries.get(id));
        out.truncate(end);
        Value::Nothing
    }
}

/// What all of the selected rows have.
fn the_same<T: Copy + PartialEq>(values: &[T], selection: &Selection) -> Option<T> {
    let first = *values.get(selection.iter().next()?)?;
    selection.iter().all(|row| values[row] == first).then_some(first)
}

#[cfg(test)]
mod tests;
