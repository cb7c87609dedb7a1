#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod schema;

mod chunk;
mod dictionary;
mod hybrid;
mod leaf;
mod nested;
mod numbers;
mod table;
mod texts;

mod file;
mod note;
mod read;
mod row_group;

pub use error::Error;
pub use file::ParquetFile;
pub use read::column::{ColumnMemory, ColumnReader, ColumnValues};
pub use read::{Bounds, FlowFile, RowGroupReader};
pub use row_group::{EncodedRowGroup, PAGE_ROWS, ROW_GROUP_ROWS, RowGroup};
pub use schema::{SCHEMA_VERSION, is_parquet};
pub use table::{Table, TableColumn, TableKind, TableValue};
