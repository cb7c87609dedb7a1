//! Columns of which a flow has several values: lists of numbers, and maps of texts.

use netflow_flow::{Cell, Column, Flows, Gathered, Value};
use parquet::schema::types::ColumnDescPtr;
use std::fmt::Write as _;
use std::ops::Range;

use crate::chunk::{DataPage, EncodedChunk, Parts};
use crate::error::Error;
use crate::leaf::{Levels, Scratch};
use crate::schema::Storage;
use crate::{numbers, texts};

/// Where lists begin and end, and which flows have none.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    repetition: Levels,
    definition: Levels,
    rows: usize,
    nulls: usize,
}

impl Shape {
    /// Appends flows without a list.
    fn absent(&mut self, rows: usize) {
        self.rows += rows;
        self.nulls += rows;
        self.repetition.push(0, rows);
        self.definition.push(0, rows);
    }

    /// Appends a flow with a list of so many.
    fn list(&mut self, length: usize) {
        if length == 0 {
            return self.absent(1);
        }
        self.rows += 1;
        self.repetition.push(0, 1);
        if length > 1 {
            self.repetition.push(1, length - 1);
        }
        self.definition.push(2, length);
    }

    fn write(&self, page: &mut Vec<u8>) {
        self.repetition.write(1, page);
        self.definition.write(2, page);
    }

    fn clear(&mut self) {
        self.repetition.clear();
        self.definition.clear();
        (self.rows, self.nulls) = (0, 0);
    }
}

/// Lists of numbers.
#[derive(Debug)]
pub(crate) struct ListColumn {
    column: &'static Column,
    shape: Shape,
    pending: Vec<u64>,
    values: numbers::Values,
}

impl ListColumn {
    pub(crate) fn new(column: &'static Column) -> Self {
        Self { column, shape: Shape::default(), pending: Vec::new(), values: numbers::Values::default() }
    }

    pub(crate) fn push(&mut self, flows: &Flows, rows: Range<usize>) {
        if self.column.gather(flows, rows.clone(), &mut Gathered::default()) {
            return self.shape.absent(rows.len());
        }
        for flow in rows.filter_map(|row| flows.get(row)) {
            match self.column.get(flow) {
                Cell::List(numbers) => {
                    self.shape.list(numbers.len());
                    self.pending.extend(numbers.iter().map(|&number| u64::from(number)));
                }
                _ => self.shape.absent(1),
            }
        }
    }

    pub(crate) fn has_values(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn flush(&mut self, scratch: &mut Scratch) -> Result<(), Error> {
        let Shape { rows, nulls, .. } = self.shape;
        scratch.octets.clear();
        self.shape.write(&mut scratch.octets);
        let Scratch { ids, octets, .. } = scratch;
        let (encoding, bounds) =
            self.values.write(Storage::Int64, numbers::Use::Name, &self.pending, ids, octets);
        self.pending.clear();
        let levels = self.shape.definition.count();
        let page = DataPage { octets: &scratch.octets, encoding, rows, levels, nulls, bounds };
        self.values.chunk.push(page, &mut scratch.compressor)?;
        self.shape.clear();
        Ok(())
    }

    pub(crate) fn finish(
        &mut self,
        descriptor: ColumnDescPtr,
        out: &mut Parts,
        scratch: &mut Scratch,
    ) -> Result<EncodedChunk, Error> {
        self.values.finish(Storage::Int64, descriptor, out, scratch)
    }

    pub(crate) fn rows(&self) -> usize {
        self.shape.rows
    }

    pub(crate) fn memory(&self) -> usize {
        self.pending.capacity() * 8 + self.values.memory()
    }
}

/// Maps of texts.
#[derive(Debug)]
pub(crate) struct MapColumn {
    column: &'static Column,
    shape: Shape,
    keys: texts::Values,
    values: texts::Values,
    text: String,
}

impl MapColumn {
    pub(crate) fn new(column: &'static Column) -> Self {
        let (keys, values) = Default::default();
        Self { column, shape: Shape::default(), keys, values, text: String::new() }
    }

    pub(crate) fn push(&mut self, flows: &Flows, rows: Range<usize>) {
        if self.column.gather(flows, rows.clone(), &mut Gathered::default()) {
            return self.shape.absent(rows.len());
        }
        for flow in rows.filter_map(|row| flows.get(row)) {
            let Cell::Extras(extras) = self.column.get(flow) else {
                self.shape.absent(1);
                continue;
            };
            let mut length = 0;
            for (name, value) in extras.iter() {
                length += 1;
                self.keys.ids.push(self.keys.dictionary.text(name));
                let id = match &value {
                    Value::String(text) => self.values.dictionary.text(text),
                    other => {
                        self.text.clear();
                        write!(self.text, "{other}").expect("a string takes every text");
                        self.values.dictionary.text(&self.text)
                    }
                };
                self.values.ids.push(id);
            }
            self.shape.list(length);
        }
    }

    pub(crate) fn has_values(&self) -> bool {
        !self.keys.ids.is_empty()
    }

    pub(crate) fn flush(&mut self, scratch: &mut Scratch) -> Result<(), Error> {
        let (rows, nulls, levels) = (self.shape.rows, self.shape.nulls, self.shape.definition.count());
        for texts in [&mut self.keys, &mut self.values] {
            scratch.octets.clear();
            self.shape.write(&mut scratch.octets);
            texts.flush(rows, levels, nulls, scratch)?;
        }
        self.shape.clear();
        Ok(())
    }

    pub(crate) fn finish(
        &mut self,
        descriptors: [ColumnDescPtr; 2],
        out: &mut Parts,
        scratch: &mut Scratch,
    ) -> Result<[EncodedChunk; 2], Error> {
        let [keys, values] = descriptors;
        Ok([self.keys.finish(keys, out, scratch)?, self.values.finish(values, out, scratch)?])
    }

    pub(crate) fn rows(&self) -> usize {
        self.shape.rows
    }

    pub(crate) fn memory(&self) -> usize {
        self.keys.memory() + self.values.memory()
    }
}
