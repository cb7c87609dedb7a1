#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod foreign;
mod header;
mod message;
mod set;
mod template;

#[macro_use]
mod fixed;
pub mod ipfix;
pub mod v1;
pub mod v5;
pub mod v7;
pub mod v8;
pub mod v9;

pub mod element_id;
pub mod enterprise;
pub mod unassigned;

mod encode;

pub use encode::MessageEncoder;
pub use error::{SetError, WireError};
pub use fixed::{FixedField, FixedLayout, Ipv4};
pub use foreign::Foreign;
pub use header::Header;
pub use message::Message;
pub use set::{Set, SetHeader, SetKind, Sets};
pub use template::{
    Dialect, FieldSpecifier, TemplateDefinition, TemplateDefinitions, TemplateError, TemplateRecord,
    VARIABLE_LENGTH,
};
