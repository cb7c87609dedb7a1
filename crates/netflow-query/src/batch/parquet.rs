//! Columns of a row group, read when they are asked for.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use netflow_flow::{Column, Flow, Kind};
use netflow_parquet::{ColumnMemory, ColumnReader, ColumnValues, FlowFile, RowGroupReader};

use super::values::Shape;
use super::{ABSENT, FlowBatch, Values, dictionary_of, has_ids};
use crate::dictionary::Entry;
use crate::error::Error;

/// One column of a row group.
#[derive(Debug)]
pub(super) struct Feed {
    column: &'static Column,
    of: Of,
    /// Rows that were passed over since something was read.
    behind: usize,
    loaded: bool,
}

#[derive(Debug)]
enum Of {
    Pages(Box<Pages>),
    /// Lists and maps are read flow by flow, by a batch of its own, whose values are lent out from the first time on.
    Flows(RowGroupReader, Box<FlowBatch>, Vec<Flow>, bool),
}

#[derive(Debug)]
struct Pages {
    reader: ColumnReader,
    read: ColumnValues,
    /// Whether the dictionary was taken over.
    known: bool,
    /// Texts that are not in the dictionary of the file.
    others: HashMap<String, u32, RandomState>,
}

impl Feed {
    /// The column from a row on; `None` when the file has no such column.
    pub(super) fn new(
        file: &FlowFile,
        group: usize,
        start: usize,
        column: &'static Column,
        memory: &mut ColumnMemory,
    ) -> Result<Option<Self>, Error> {
        let of = if matches!(column.kind, Kind::List | Kind::Extras) {
            let reader = file.row_group(group, &[column])?;
            Of::Flows(reader, Box::new(FlowBatch::new(&[column])), Vec::new(), false)
        } else {
            let Some(reader) = file.column_with(group, column, memory)? else { return Ok(None) };
            Of::Pages(Box::new(Pages {
                reader,
                read: ColumnValues::default(),
                known: false,
                others: HashMap::default(),
            }))
        };
        Ok(Some(Self { column, of, behind: start, loaded: false }))
    }

    /// Its memory, for another row group.
    pub(super) fn into_memory(self) -> ColumnMemory {
        match self.of {
            Of::Pages(pages) => pages.reader.into_memory(),
            Of::Flows(..) => ColumnMemory::default(),
        }
    }

    /// Goes on behind the rows of a batch, whether they were read or not.
    pub(super) fn pass(&mut self, rows: usize, values: &mut Values) {
        if !std::mem::take(&mut self.loaded) {
            self.behind += rows;
        }
        values.shape = Shape::Absent;
    }

    /// Reads the values of the next rows.
    pub(super) fn load(&mut self, rows: usize, values: &mut Values) -> Result<(), Error> {
        if std::mem::replace(&mut self.loaded, true) {
            return Ok(());
        }
        let skip = std::mem::take(&mut self.behind);
        match &mut self.of {
            Of::Pages(pages) => {
                values.numbers.clear();
                values.ids.clear();
                values.present.clear();
                pages.reader.skip(skip)?;
                pages.load(self.column, rows, values)
            }
            Of::Flows(reader, batch, flows, lent) => {
                if std::mem::replace(lent, true) {
                    std::mem::swap(values, batch.values());
                }
                let mut left = skip;
                while left > 0 && reader.read(left.min(super::BATCH_ROWS), flows)? {
                    left -= flows.len();
                }
                batch.clear();
                reader.read(rows, flows)?;
                flows.iter().try_for_each(|flow| batch.push(flow))?;
                std::mem::swap(values, batch.values());
                Ok(())
            }
        }
    }
}

impl Pages {
    fn load(&mut self, column: &'static Column, rows: usize, values: &mut Values) -> Result<(), Error> {
        let ids = has_ids(column);
        values.shape = if ids { Shape::Ids } else { Shape::Numbers };
        let mut left = rows;
        while left > 0 {
            self.read.clear();
            let some = self.reader.read(left, &mut self.read)?;
            if some == 0 {
                return Err(ends(&self.reader));
            }
            left -= some;
            if !self.read.ids.is_empty() {
                self.take_texts(column, values)?;
            }
            if some == rows && self.read.runs() == [(true, rows)] {
                std::mem::swap(&mut values.numbers, &mut self.read.numbers);
                std::mem::swap(&mut values.ids, &mut self.read.ids);
                break;
            }
            let mut next = 0;
            for &(present, count) in self.read.runs() {
                let of_run = next..next + if present { count } else { 0 };
                next = of_run.end;
                match (ids, present) {
                    (true, true) => values.ids.extend_from_slice(&self.read.ids[of_run]),
                    (true, false) => values.ids.resize(values.ids.len() + count, ABSENT),
                    (false, true) => values.numbers.extend_from_slice(&self.read.numbers[of_run]),
                    (false, false) => {
                        values.present.resize(values.numbers.len(), true);
                        values.numbers.resize(values.numbers.len() + count, 0);
                        values.present.resize(values.numbers.len(), false);
                    }
                }
            }
            if !values.present.is_empty() {
                values.present.resize(values.numbers.len(), true);
            }
        }
        values.simplify();
        Ok(())
    }

    /// Takes over the dictionary, and what is not in it.
    fn take_texts(&mut self, column: &'static Column, values: &mut Values) -> Result<(), Error> {
        let Self { reader, read, known, others } = self;
        let of_file = reader.dictionary();
        if !std::mem::replace(known, true) {
            values.dictionary = dictionary_of(column);
            for id in 0..of_file {
                let text = reader.text(id).unwrap_or_default();
                values.dictionary.push(column.name, Entry::Text(text))?;
            }
        }
        for id in read.ids.iter_mut().filter(|id| **id >= of_file) {
            let text = reader.text(*id).unwrap_or_default();
            *id = match others.get(text) {
                Some(&id) => id,
                None => {
                    let new = values.dictionary.len() as u32;
                    values.dictionary.push(column.name, Entry::Text(text))?;
                    others.insert(text.to_owned(), new);
                    new
                }
            };
        }
        Ok(())
    }
}

fn ends(reader: &ColumnReader) -> Error {
    let name = reader.column().name;
    netflow_parquet::Error::Damaged(format!("column {name} ends before its flows")).into()
}
