#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod corpus;
mod traffic;

mod contender;
mod measure;

pub use contender::{Contender, contenders, nf};
pub use corpus::{Corpus, Kind, Totals};
pub use measure::{Effort, Table, measure};
