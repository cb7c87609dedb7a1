#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod batch;
mod dictionary;
mod error;
mod scan;
mod select;
mod selection;

pub use batch::{ABSENT, BATCH_ROWS, Batch, FlowBatch, Values, View};
pub use dictionary::{Dictionary, Entry};
pub use error::Error;
pub use scan::{All, Consumer, Counts, Scan, Selector};
pub use select::Matching;
pub use selection::Selection;
