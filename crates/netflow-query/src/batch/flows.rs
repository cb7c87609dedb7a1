//! Batches of flows that come one after the other.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use netflow_flow::{Cell, Column, FlowRef, Kind};

use super::values::Shape;
use super::{ABSENT, BATCH_ROWS, Batch, Feed, has_ids};
use crate::dictionary::Entry;
use crate::error::Error;

/// Values of a dictionary above which it starts anew with the next batch.
const MOST_ENTRIES: usize = 1 << 20;

/// A batch that is filled flow by flow.
#[derive(Debug)]
pub struct FlowBatch {
    batch: Batch,
    ids: Vec<HashMap<Key, u32, RandomState>>,
    text: String,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Address(std::net::IpAddr),
    Text(Box<str>),
}

impl FlowBatch {
    /// A batch of these columns, without rows.
    pub fn new(columns: &[&'static Column]) -> Self {
        let slots = columns.iter().map(|&column| super::Slot {
            column,
            values: super::Values::new(column),
            feed: Feed::Flows,
        });
        let batch = Batch { rows: 0, slots: slots.collect() };
        let ids = columns.iter().map(|_| HashMap::default()).collect();
        Self { batch, ids, text: String::new() }
    }

    /// Whether there is no room for another flow.
    pub fn is_full(&self) -> bool {
        self.batch.rows >= BATCH_ROWS
    }

    /// The batch of what was pushed.
    pub fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// The values of the only column.
    pub(super) fn values(&mut self) -> &mut super::Values {
        &mut self.batch.slots[0].values
    }

    /// Removes all flows.
    pub fn clear(&mut self) {
        self.batch.rows = 0;
        for (slot, ids) in self.batch.slots.iter_mut().zip(&mut self.ids) {
            let values = &mut slot.values;
            values.numbers.clear();
            values.present.clear();
            values.ids.clear();
            values.shape = Shape::Absent;
            if values.dictionary.len() >= MOST_ENTRIES {
                values.dictionary = super::dictionary_of(slot.column);
                ids.clear();
            }
        }
    }

    /// Appends a flow.
    pub fn push<'a>(&mut self, flow: impl Into<FlowRef<'a>>) -> Result<(), Error> {
        let flow = flow.into();
        for (slot, known) in self.batch.slots.iter_mut().zip(&mut self.ids) {
            let (column, values) = (slot.column, &mut slot.values);
            let cell = column.get(flow);
            if has_ids(column) {
                values.shape = Shape::Ids;
                let id = match cell {
                    Cell::Null => ABSENT,
                    cell => intern(column, cell, values, known, &mut self.text)?,
                };
                values.ids.push(id);
                continue;
            }
            values.shape = Shape::Numbers;
            let number = match cell {
                Cell::Unsigned(number) => Some(number),
                Cell::Time(time) => Some(time.as_nanos() as u64),
                _ => None,
            };
            if number.is_none() && values.present.is_empty() {
                values.present.resize(values.numbers.len(), true);
            }
            if column.nullable && (number.is_none() || !values.present.is_empty()) {
                values.present.push(number.is_some());
            }
            values.numbers.push(number.unwrap_or(0));
        }
        self.batch.rows += 1;
        Ok(())
    }
}

/// The id of a value.
fn intern(
    column: &Column,
    cell: Cell<'_>,
    values: &mut super::Values,
    known: &mut HashMap<Key, u32, RandomState>,
    text: &mut String,
) -> Result<u32, Error> {
    use std::fmt::Write;
    let key = match cell {
        Cell::Address(address) if column.kind == Kind::Address => Key::Address(address),
        other => {
            text.clear();
            let _ = match other {
                Cell::Text(name) => write!(text, "{name}"),
                Cell::Mac(mac) => write!(text, "{mac}"),
                Cell::Application(application) => write!(text, "{application}"),
                Cell::List(numbers) => numbers
                    .iter()
                    .enumerate()
                    .try_for_each(|(at, number)| write!(text, "{}{number}", if at > 0 { "/" } else { "" })),
                other => {
                    let mut octets = Vec::new();
                    netflow_flow::write_cell_text(&mut octets, &other);
                    text.push_str(&String::from_utf8_lossy(&octets));
                    Ok(())
                }
            };
            Key::Text(text.as_str().into())
        }
    };
    if let Some(&id) = known.get(&key) {
        return Ok(id);
    }
    let id = values.dictionary.len() as u32;
    let entry = match &key {
        Key::Address(address) => Entry::Address(*address),
        Key::Text(text) => Entry::Text(text),
    };
    values.dictionary.push(column.name, entry)?;
    known.insert(key, id);
    Ok(id)
}
