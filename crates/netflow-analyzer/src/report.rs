//! What to show of connections: one set of columns for JSON, CSV and tables, and lines of text for people.
//!
//! [`Row`] is the data. The text is that of PyPI `netflow`'s analyzer, down to its way of writing sizes
//! and durations, since scripts read it.

mod order;
mod row;
mod text;

pub use order::{Order, SortKey, UnknownOrder};
pub use row::{CellKind, CellValue, Exporters, Row, Time};
pub use text::{Lines, write_line, write_unpaired};
