//! Row groups: flows come in, columns of pages go out.

use std::ops::Range;

use netflow_flow::{COLUMNS, Cell, Column, Flows, Kind, Quality};
use parquet::schema::types::SchemaDescPtr;

use crate::chunk::{EncodedChunk, Parts};
use crate::error::Error;
use crate::leaf::Scratch;
use crate::nested::{ListColumn, MapColumn};
use crate::numbers::NumberColumn;
use crate::schema::{Storage, schema};
use crate::texts::TextColumn;

/// Rows of a row group that is [full](RowGroup::is_full).
pub const ROW_GROUP_ROWS: usize = 1 << 20;
/// Rows of a page.
pub const PAGE_ROWS: usize = 1 << 15;
/// Memory of a row group that is full, whatever its rows.
const FULL_MEMORY: usize = 128 << 20;

/// A row group in the making.
///
/// Pages are encoded and compressed as soon as they are full, so that memory is what the row group takes in the
/// file, its dictionaries, and one page of each column.
#[derive(Debug)]
pub struct RowGroup {
    schema: SchemaDescPtr,
    columns: Vec<Writer>,
    /// Place of the column that notes what did not fit.
    quality: Option<usize>,
    rows: usize,
    /// Rows since the last page.
    pending: usize,
    scratch: Scratch,
}

#[derive(Debug)]
enum Writer {
    Numbers(&'static Column, Box<NumberColumn>),
    Texts(Box<TextColumn>),
    List(Box<ListColumn>),
    Map(Box<MapColumn>),
}

/// A row group as it is in a file, wherever that begins.
#[derive(Debug)]
pub struct EncodedRowGroup {
    pub(crate) parts: Parts,
    pub(crate) rows: usize,
    pub(crate) chunks: Vec<EncodedChunk>,
}

impl EncodedRowGroup {
    /// Octets that it takes in the file.
    pub fn length(&self) -> usize {
        self.parts.length()
    }

    /// How many flows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl RowGroup {
    /// A row group without flows.
    pub fn new() -> Result<Self, Error> {
        let columns = COLUMNS.iter().map(|column| match Storage::of(column.kind) {
            Storage::Int32 | Storage::Int64 => Writer::Numbers(column, Box::new(NumberColumn::new(column))),
            Storage::Text => Writer::Texts(Box::new(TextColumn::new(column))),
            Storage::List => Writer::List(Box::new(ListColumn::new(column))),
            Storage::Map => Writer::Map(Box::new(MapColumn::new(column))),
        });
        let mut columns: Vec<_> = columns.collect();
        for raw in COLUMNS.iter().filter_map(raw) {
            if let Writer::Numbers(_, numbers) = &mut columns[raw] {
                numbers.keep_last();
            }
        }
        let quality = COLUMNS.iter().position(|column| column.name == "quality");
        let scratch = Scratch::new()?;
        Ok(Self { schema: schema(), columns, quality, rows: 0, pending: 0, scratch })
    }

    /// Appends flows: the more at a time, the cheaper; some hundreds are enough.
    pub fn push(&mut self, flows: &Flows) -> Result<(), Error> {
        let mut from = 0;
        while from < flows.len() {
            let to = flows.len().min(from + PAGE_ROWS - self.pending);
            self.push_rows(flows, from..to);
            self.rows += to - from;
            self.pending += to - from;
            if self.pending == PAGE_ROWS {
                // What is absent so far takes no page: it may be so to the end.
                for at in 0..self.columns.len() {
                    if self.columns[at].has_values() {
                        self.flush(at)?;
                    }
                }
                self.pending = 0;
            }
            from = to;
        }
        Ok(())
    }

    /// Makes a page of what is pending of a column.
    fn flush(&mut self, at: usize) -> Result<(), Error> {
        let (before, rest) = self.columns.split_at_mut(at);
        if let Writer::Numbers(column, numbers) = &mut rest[0]
            && let Some(raw) = raw(column)
            && let Some(Writer::Numbers(_, raw)) = before.get(raw)
        {
            return numbers.flush_like(raw, &mut self.scratch);
        }
        rest[0].flush(&mut self.scratch)
    }

    fn push_rows(&mut self, flows: &Flows, rows: Range<usize>) {
        let mut clamped = Vec::new();
        for column in &mut self.columns {
            match column {
                Writer::Numbers(column, numbers) => {
                    let before = numbers.pending.numbers.len();
                    column.gather(flows, rows.clone(), &mut numbers.pending);
                    let new = &mut numbers.pending.numbers[before..];
                    // Those of files are signed.
                    let most = i64::MAX as u64;
                    if column.kind == Kind::Unsigned(64) && new.iter().any(|&number| number > most) {
                        new.iter_mut().for_each(|number| *number = most.min(*number));
                        clamped.extend(too_large(column, flows, rows.clone()));
                    }
                }
                Writer::Texts(texts) => texts.push(flows, rows.clone()),
                Writer::List(lists) => lists.push(flows, rows.clone()),
                Writer::Map(maps) => maps.push(flows, rows.clone()),
            }
        }
        if clamped.is_empty() {
            return;
        }
        if let Some(Writer::Numbers(_, quality)) = self.quality.map(|at| &mut self.columns[at]) {
            let numbers = &mut quality.pending.numbers;
            let first = numbers.len() - rows.len();
            clamped.iter().for_each(|row| numbers[first + row] |= u64::from(Quality::CLAMPED.0));
        }
    }

    /// How many flows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether it is time to [`finish`](Self::finish).
    pub fn is_full(&self) -> bool {
        self.rows >= ROW_GROUP_ROWS || self.memory() >= FULL_MEMORY
    }

    /// Octets of memory that its flows take, about.
    pub fn memory(&self) -> usize {
        self.columns.iter().map(Writer::memory).sum()
    }

    /// What goes to the file; the next flows are for another row group.
    pub fn finish(&mut self) -> Result<EncodedRowGroup, Error> {
        let mut parts = Parts::default();
        let mut chunks = Vec::with_capacity(self.schema.num_columns());
        for at in 0..self.columns.len() {
            if self.columns[at].rows() > 0 {
                self.flush(at)?;
            }
        }
        let scratch = &mut self.scratch;
        for column in &mut self.columns {
            let leaf = |leaf: usize| self.schema.column(leaf);
            let at = chunks.len();
            match column {
                Writer::Numbers(_, numbers) => chunks.push(numbers.finish(leaf(at), &mut parts, scratch)?),
                Writer::Texts(texts) => chunks.push(texts.finish(leaf(at), &mut parts, scratch)?),
                Writer::List(lists) => chunks.push(lists.finish(leaf(at), &mut parts, scratch)?),
                Writer::Map(maps) => {
                    chunks.extend(maps.finish([leaf(at), leaf(at + 1)], &mut parts, scratch)?)
                }
            }
        }
        let rows = std::mem::take(&mut self.rows);
        self.pending = 0;
        Ok(EncodedRowGroup { parts, rows, chunks })
    }
}

/// Place of the column that a derived one is the same as while nothing is sampled.
fn raw(column: &Column) -> Option<usize> {
    let is_raw = |other: &Column| other.name.strip_suffix("_raw") == Some(column.name);
    column.derived.then(|| COLUMNS.iter().position(is_raw)).flatten()
}

/// Those of the rows, counted from the first, whose number is too large for a signed one.
fn too_large(column: &Column, flows: &Flows, rows: Range<usize>) -> impl Iterator<Item = usize> {
    let cells = rows.map(move |row| flows.get(row).map(|flow| column.get(flow)));
    let large = |cell| matches!(cell, Some(Cell::Unsigned(number)) if number > i64::MAX as u64);
    cells.enumerate().filter_map(move |(row, cell)| large(cell).then_some(row))
}

impl Writer {
    /// Rows that are in no page yet.
    fn rows(&self) -> usize {
        match self {
            Self::Numbers(_, numbers) => numbers.pending.rows(),
            Self::Texts(texts) => texts.pending.rows(),
            Self::List(lists) => lists.rows(),
            Self::Map(maps) => maps.rows(),
        }
    }

    /// Whether any of them has a value.
    fn has_values(&self) -> bool {
        let any = |runs: &[(bool, usize)]| runs.iter().any(|&(present, _)| present);
        match self {
            Self::Numbers(_, numbers) => any(numbers.pending.runs()),
            Self::Texts(texts) => any(texts.pending.runs()),
            Self::List(lists) => lists.has_values(),
            Self::Map(maps) => maps.has_values(),
        }
    }

    fn flush(&mut self, scratch: &mut Scratch) -> Result<(), Error> {
        match self {
            Self::Numbers(_, numbers) => numbers.flush(scratch),
            Self::Texts(texts) => texts.flush(scratch),
            Self::List(lists) => lists.flush(scratch),
            Self::Map(maps) => maps.flush(scratch),
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::Numbers(_, numbers) => numbers.memory(),
            Self::Texts(texts) => texts.memory(),
            Self::List(lists) => lists.memory(),
            Self::Map(maps) => maps.memory(),
        }
    }
}

#[cfg(test)]
mod tests {
    use netflow_flow::{Flow, column};

    use super::*;

    #[test]
    fn a_row_group_behind_one_of_long_texts_has_room_for_others() {
        let name = column("app_name").unwrap();
        let (mut group, mut flows, mut number) = (RowGroup::new().unwrap(), Flows::new(), 0);
        while !group.is_full() {
            flows.clear();
            for _ in 0..100 {
                let mut flow = Flow::default();
                number += 1;
                let text = format!("{number:0>50000}");
                name.set(&mut flow, Cell::Text(&text)).unwrap();
                flows.push(&flow);
            }
            group.push(&flows).unwrap();
        }
        assert!(group.rows() < ROW_GROUP_ROWS);
        assert_eq!(group.finish().unwrap().rows(), number);
        flows.clear();
        flows.push(&Flow::default());
        group.push(&flows).unwrap();
        assert!(!group.is_full() && group.memory() < FULL_MEMORY / 10, "{}", group.memory());
    }
}
