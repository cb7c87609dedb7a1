//! The values of one column in the rows of a batch.

use std::sync::LazyLock;

use netflow_flow::{Cell, Column, Flow, Kind};
use netflow_templates::Timestamp;

use super::{dictionary_of, has_ids};
use crate::dictionary::{Dictionary, Entry};
use crate::error::Error;

/// The id of what is absent.
pub const ABSENT: u32 = u32::MAX;

/// The values of one column in the rows of a batch.
#[derive(Debug)]
pub struct Values {
    pub(super) shape: Shape,
    pub(super) numbers: Vec<u64>,
    pub(super) ids: Vec<u32>,
    /// Which rows have a number, unless all have.
    pub(super) present: Vec<bool>,
    pub(super) dictionary: Dictionary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Absent,
    Number(u64),
    Numbers,
    Id(u32),
    Ids,
}

/// Values as they lie.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// No row has a value.
    Absent,
    /// Every row has this number.
    Number(u64),
    /// Numbers of all rows: 0 where `present`, if there is one, says that a row has none.
    Numbers(&'a [u64], Option<&'a [bool]>),
    /// Every row has this id of the dictionary.
    Id(u32),
    /// Ids of all rows, [`ABSENT`] where a row has no value.
    Ids(&'a [u32]),
}

impl Values {
    pub(super) fn new(column: &Column) -> Self {
        Self {
            shape: Shape::Absent,
            numbers: Vec::new(),
            ids: Vec::new(),
            present: Vec::new(),
            dictionary: dictionary_of(column),
        }
    }

    /// Of a column that was not read.
    pub(super) fn none() -> &'static Self {
        static NONE: LazyLock<Values> = LazyLock::new(|| Values {
            shape: Shape::Absent,
            numbers: Vec::new(),
            ids: Vec::new(),
            present: Vec::new(),
            dictionary: Dictionary::new(false),
        });
        &NONE
    }

    /// Numbers (nanoseconds of times, as the bits of an `i64`) or, where the column is neither of numbers nor of
    /// times, ids of the [`dictionary`](Self::dictionary).
    #[inline]
    pub fn view(&self) -> View<'_> {
        match self.shape {
            Shape::Absent => View::Absent,
            Shape::Number(number) => View::Number(number),
            Shape::Numbers => {
                View::Numbers(&self.numbers, (!self.present.is_empty()).then_some(&self.present))
            }
            Shape::Id(id) => View::Id(id),
            Shape::Ids => View::Ids(&self.ids),
        }
    }

    /// Finds out whether all rows have the same value.
    pub(super) fn simplify(&mut self) {
        self.shape = match (self.shape, self.numbers.first(), self.ids.first()) {
            (Shape::Numbers, Some(&number), _) if self.present.is_empty() && are_same(&self.numbers) => {
                Shape::Number(number)
            }
            (Shape::Numbers, ..) if !self.present.is_empty() && !self.present.contains(&true) => {
                Shape::Absent
            }
            (Shape::Ids, _, Some(&id)) if are_same(&self.ids) => {
                if id == ABSENT {
                    Shape::Absent
                } else {
                    Shape::Id(id)
                }
            }
            (shape, ..) => shape,
        };
    }

    /// What ids stand for.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The number in a row.
    pub fn number(&self, row: usize) -> Option<u64> {
        match self.view() {
            View::Number(number) => Some(number),
            View::Numbers(numbers, present) => {
                let present = present.is_none_or(|present| present.get(row) == Some(&true));
                if present { numbers.get(row).copied() } else { None }
            }
            View::Absent | View::Id(_) | View::Ids(_) => None,
        }
    }

    /// The address or text in a row.
    pub fn entry(&self, row: usize) -> Option<Entry<'_>> {
        let id = match self.view() {
            View::Id(id) => id,
            View::Ids(ids) => *ids.get(row)?,
            View::Absent | View::Number(_) | View::Numbers(..) => return None,
        };
        self.dictionary.get(id)
    }

    /// Sets the column in a flow.
    pub(super) fn put(&self, column: &Column, row: usize, flow: &mut Flow) -> Result<(), Error> {
        let cell = if has_ids(column) {
            match self.entry(row) {
                Some(Entry::Address(address)) => Cell::Address(address),
                Some(Entry::Text(text)) => Cell::Text(text),
                None => return Ok(()),
            }
        } else {
            match self.number(row) {
                Some(nanos) if column.kind == Kind::Time => Cell::Time(Timestamp::from_nanos(nanos as i64)),
                Some(0) if !column.nullable => return Ok(()),
                Some(number) => Cell::Unsigned(number),
                None => return Ok(()),
            }
        };
        let shown = match cell {
            Cell::Text(text) => text.escape_debug().take(64).collect(),
            other => format!("{other:?}"),
        };
        column.set(flow, cell).map_err(|_| Error::Value { column: column.name, text: shown })
    }
}

/// Whether all are the same; found out for many at a time, once the last is like the first.
fn are_same<T: Copy + PartialEq>(values: &[T]) -> bool {
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return false };
    first == last
        && values.chunks(64).all(|some| some.iter().fold(true, |same, &value| same & (value == first)))
}
