#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod condition;
mod error;
mod expression;
mod filter;
mod test;

mod lex;
mod parse;
mod source;
mod value;
mod words;

pub use condition::{Addresses, Condition, Numbers, Texts};
pub use error::FilterError;
pub use expression::Expression;
pub use filter::Filter;
pub use test::{Answer, Bounds, Derived, Subject, Test};
pub use value::parse_time;
