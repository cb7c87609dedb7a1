//! What can go wrong.

use std::io;

use parquet::errors::ParquetError;

/// Why a file cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is none of Parquet.
    #[error("the file is no Parquet: it does not start with PAR1")]
    NotParquet,
    /// The file has no footer: its writer was killed, or it is still being written.
    #[error(
        "the file has no footer: its writer did not finish it, and without that nothing can be found in it"
    )]
    Unfinished,
    /// Something in the file contradicts itself, or the format.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// The file may be good, but not for this reader.
    #[error("the file cannot be read: {0}")]
    Unsupported(String),
    /// The file has none of the columns of flows.
    #[error("the file is none of flows: it has none of their columns")]
    NoFlows,
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::NYI(what) => Self::Unsupported(what),
            ParquetError::General(what) | ParquetError::EOF(what) => Self::Damaged(what),
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(error) => Self::Io(*error),
                Err(source) => Self::Damaged(source.to_string()),
            },
            other => Self::Damaged(other.to_string()),
        }
    }
}
