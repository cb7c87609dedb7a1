//! Rows that follow each other, column by column.

use netflow_flow::{Column, Flow, Kind};
use netflow_parquet::{ColumnMemory, FlowFile};

use crate::dictionary::Dictionary;
use crate::error::Error;
use crate::selection::Selection;

mod flows;
mod parquet;
mod values;

pub use flows::FlowBatch;
pub use values::{ABSENT, Values, View};

/// Rows that a batch has at most.
pub const BATCH_ROWS: usize = 8192;

/// Some rows, whose columns are read when they are asked for: those that nobody asks for cost nothing.
#[derive(Debug)]
pub struct Batch {
    rows: usize,
    slots: Vec<Slot>,
}

/// A column of a batch.
#[derive(Debug)]
struct Slot {
    column: &'static Column,
    values: Values,
    feed: Feed,
}

/// Where the values of a column come from.
#[derive(Debug)]
enum Feed {
    /// The file has no such column.
    Absent,
    /// They are in place as soon as the batch is.
    Flows,
    Parquet(Box<parquet::Feed>),
}

impl Batch {
    fn new(
        columns: &[&'static Column],
        mut feed: impl FnMut(&'static Column) -> Result<Feed, Error>,
    ) -> Result<Self, Error> {
        let slot = |&column| Ok(Slot { column, values: Values::new(column), feed: feed(column)? });
        Ok(Self { rows: 0, slots: columns.iter().map(slot).collect::<Result<_, Error>>()? })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Reads columns, those that are not read yet.
    pub fn load(&mut self, columns: &[&'static Column]) -> Result<(), Error> {
        for column in columns {
            if let Some(slot) = self.slots.iter_mut().find(|slot| std::ptr::eq(slot.column, *column)) {
                slot.load(self.rows)?;
            }
        }
        Ok(())
    }

    /// The values of a column: absent in all rows, unless it was read with [`load`](Self::load).
    pub fn values(&self, column: &'static Column) -> &Values {
        match self.slots.iter().find(|slot| std::ptr::eq(slot.column, column)) {
            Some(slot) => &slot.values,
            None => Values::none(),
        }
    }

    /// Makes flows of rows, with all columns of the batch. Derived columns follow from others.
    pub fn flows(&mut self, selection: &Selection, flows: &mut Vec<Flow>) -> Result<(), Error> {
        let columns: Vec<_> = self.slots.iter().map(|slot| slot.column).collect();
        self.flows_of(&columns, selection, flows)
    }

    /// Makes flows of rows, with some columns of the batch.
    pub fn flows_of(
        &mut self,
        columns: &[&'static Column],
        selection: &Selection,
        flows: &mut Vec<Flow>,
    ) -> Result<(), Error> {
        flows.clear();
        flows.resize_with(selection.len(), Flow::default);
        let wanted = |column: &'static Column| columns.iter().any(|other| std::ptr::eq(*other, column));
        for slot in self.slots.iter_mut().filter(|slot| !slot.column.derived && wanted(slot.column)) {
            slot.load(self.rows)?;
            for (flow, row) in flows.iter_mut().zip(selection.iter()) {
                slot.values.put(slot.column, row, flow)?;
            }
        }
        Ok(())
    }

    /// The next rows of a row group; false at its end.
    pub(crate) fn next(&mut self, left: &mut usize) -> Result<bool, Error> {
        for slot in &mut self.slots {
            slot.pass(self.rows);
        }
        self.rows = (*left).min(BATCH_ROWS);
        *left -= self.rows;
        Ok(self.rows > 0)
    }

    /// The columns of a row group, before one of its rows. They use the memory of others.
    pub(crate) fn of_row_group(
        file: &FlowFile,
        group: usize,
        start: usize,
        columns: &[&'static Column],
        memory: &mut Vec<ColumnMemory>,
    ) -> Result<Self, Error> {
        let mut memory = std::mem::take(memory).into_iter();
        Self::new(columns, |column| {
            let mut memory = memory.next().unwrap_or_default();
            let feed = parquet::Feed::new(file, group, start, column, &mut memory)?;
            Ok(feed.map_or(Feed::Absent, |feed| Feed::Parquet(Box::new(feed))))
        })
    }

    /// The memory of its columns, for those of another row group.
    pub(crate) fn into_memory(self) -> Vec<ColumnMemory> {
        let memory = |slot: Slot| match slot.feed {
            Feed::Parquet(feed) => feed.into_memory(),
            Feed::Absent | Feed::Flows => ColumnMemory::default(),
        };
        self.slots.into_iter().map(memory).collect()
    }
}

impl Slot {
    fn load(&mut self, rows: usize) -> Result<(), Error> {
        match &mut self.feed {
            Feed::Parquet(feed) => feed.load(rows, &mut self.values),
            Feed::Absent | Feed::Flows => Ok(()),
        }
    }

    /// Goes on behind the rows of a batch.
    fn pass(&mut self, rows: usize) {
        if let Feed::Parquet(feed) = &mut self.feed {
            feed.pass(rows, &mut self.values);
        }
    }
}

/// Whether a column has ids instead of numbers.
pub(crate) fn has_ids(column: &Column) -> bool {
    !matches!(column.kind, Kind::Unsigned(_) | Kind::Time)
}

/// A dictionary for a column.
pub(crate) fn dictionary_of(column: &Column) -> Dictionary {
    Dictionary::new(column.kind == Kind::Address)
}
