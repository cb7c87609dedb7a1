//! Rows as the lines that are written, with the keys that they are sorted by.

use std::sync::{Arc, Mutex, PoisonError};

use netflow_flow::{Column, Flow};
use netflow_query::{Batch, Error, Maker, Selection, TextEncoder};

use super::form::Form;
use super::layout::Layout;
use super::order::Order;

/// Blocks that are kept for later.
const SPARE: usize = 32;

/// Lines that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) text: Vec<u8>,
    /// Where each line ends.
    pub(crate) ends: Vec<usize>,
    /// Their keys, if they are to be sorted.
    pub(crate) keys: Vec<u8>,
    pub(crate) key_ends: Vec<usize>,
}

/// Memory of blocks that nobody needs any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spare(Arc<Mutex<Vec<Block>>>);

impl Spare {
    /// Gives a block back.
    pub(crate) fn give(&self, mut block: Block) {
        block.text.clear();
        block.ends.clear();
        block.keys.clear();
        block.key_ends.clear();
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() < SPARE {
            blocks.push(block);
        }
    }

    fn take(&self) -> Block {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }
}

/// The key from which on lines are not wanted any more, once there is one: shared by who sorts and who makes them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Last(Arc<Mutex<Option<Vec<u8>>>>);

impl Last {
    /// Says which one it is now.
    pub(crate) fn set(&self, key: &[u8]) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
    }

    fn get(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes lines of rows.
#[derive(Debug)]
pub(crate) struct Lines {
    encoder: Encoder,
    order: Order,
    flows: Vec<Flow>,
    /// Blocks that were written, whose memory is used again.
    spare: Spare,
    last: Last,
    wanted: Selection,
}

#[derive(Debug)]
enum Encoder {
    Columns(TextEncoder),
    Text(Layout),
}

impl Lines {
    /// In a form that is not Parquet.
    pub(crate) fn new(form: &Form, order: Order, spare: Spare, last: Last) -> Self {
        let encoder = match form {
            Form::Columns(format, columns) => Encoder::Columns(TextEncoder::new(*format, columns)),
            Form::Text(layout) => Encoder::Text(layout.clone()),
            // It has no lines: those of JSON carry flows that are sorted.
            Form::Parquet => {
                let all: Vec<_> = netflow_flow::COLUMNS.iter().filter(|column| !column.derived).collect();
                Encoder::Columns(TextEncoder::new(netflow_query::TextFormat::JsonLines, &all))
            }
        };
        Self { encoder, order, flows: Vec::new(), spare, last, wanted: Selection::default() }
    }

    /// Appends the heading.
    pub(crate) fn head(&self, out: &mut Vec<u8>) {
        match &self.encoder {
            Encoder::Columns(encoder) => encoder.write_head(out),
            Encoder::Text(layout) => layout.head(out),
        }
    }
}

impl Maker for Lines {
    type Made = Block;

    fn columns(&self) -> Vec<&'static Column> {
        let mut columns = self.order.columns();
        match &self.encoder {
            Encoder::Columns(encoder) => columns.extend(encoder.columns()),
            Encoder::Text(layout) => columns.extend(layout.columns()),
        }
        with_factors(columns)
    }

    fn make(&mut self, batch: &mut Batch, selection: &Selection) -> Result<Block, Error> {
        let mut block = self.spare.take();
        let mut selection = selection;
        if !self.order.is_none() {
            batch.flows_of(&with_factors(self.order.columns()), selection, &mut self.flows)?;
            let last = self.last.get();
            let wanted = self.wanted.set_rows();
            for (row, flow) in selection.iter().zip(&self.flows) {
                let start = block.keys.len();
                self.order.key(flow, &mut block.keys);
                match &last {
                    // Of equal keys the earlier ones are kept.
                    Some(last) if block.keys[start..] >= last[..] => block.keys.truncate(start),
                    _ => {
                        block.key_ends.push(block.keys.len());
                        wanted.push(row as u32);
                    }
                }
            }
            selection = &self.wanted;
            if selection.is_empty() {
                return Ok(block);
            }
        }
        match &mut self.encoder {
            Encoder::Columns(encoder) => {
                encoder.encode(batch, selection, &mut block.text, &mut block.ends)?;
            }
            Encoder::Text(layout) => {
                batch.flows_of(&with_factors(layout.columns()), selection, &mut self.flows)?;
                for flow in &self.flows {
                    layout.line(flow, &mut block.text);
                    block.ends.push(block.text.len());
                }
            }
        }
        Ok(block)
    }
}

/// Derived columns follow from others.
fn with_factors(mut columns: Vec<&'static Column>) -> Vec<&'static Column> {
    if columns.iter().any(|column| column.derived) {
        let factors = ["bytes_raw", "packets_raw", "sampling_rate"];
        columns.extend(factors.iter().filter_map(|name| netflow_flow::column(name)));
    }
    columns.sort_by_key(|column| column.name);
    columns.dedup_by_key(|column| column.name);
    columns
}
