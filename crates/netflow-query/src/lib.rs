#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod aggregate;
mod batch;
mod dictionary;
mod error;
mod files;
mod key;
mod ordered;
mod scan;
mod select;
mod selection;
mod text;

pub use aggregate::{
    Aggregation, Group, KeyValue, MEMORY, Measure, Partial, Question, Step, TooManyKeys, Top, Totals,
};
pub use batch::{ABSENT, BATCH_ROWS, Batch, FlowBatch, Values, View};
pub use dictionary::{Dictionary, Entry};
pub use error::Error;
pub use files::{FileProblem, FlowFiles, FoundFile, RangeError, TimeRange, Trouble, parse_time};
pub use key::{Key, KeyError, Ports, column_of_word};
pub use ordered::{Maker, Ordered, Piece};
pub use scan::{All, Consumer, Counts, Scan, Selector};
pub use select::Matching;
pub use selection::Selection;
pub use text::{TextEncoder, TextFormat};
