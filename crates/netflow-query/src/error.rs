//! What can go wrong with a question.

use std::io;

/// Why files cannot be read or counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A Parquet file, or some of it.
    #[error(transparent)]
    Parquet(#[from] netflow_parquet::Error),
    /// What gives flows one after the other.
    #[error("{0}")]
    Flows(String),
    /// A text of a column that has none, such as an address that is no address.
    #[error("column {column} has '{text}', which is no value of it")]
    Value {
        /// Name of the column.
        column: &'static str,
        /// The text, its beginning at most.
        text: String,
    },
    /// Groups are more than fit in memory, and cannot be written to a file.
    #[error("groups that do not fit in memory cannot be written: {0}")]
    Spill(io::Error),
}
