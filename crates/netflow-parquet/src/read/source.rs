//! Where the octets of a file come from.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// A file, or its content.
#[derive(Debug)]
pub(crate) enum Source {
    File { file: Mutex<File>, length: u64 },
    Octets(Bytes),
}

impl Source {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Octets(octets) => octets.len() as u64,
        }
    }

    /// Some octets; an error when the file ends before.
    pub(crate) fn octets(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let end = start.checked_add(length).filter(|&end| end <= self.length());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        match self {
            Self::Octets(octets) => Ok(octets.slice(start as usize..end as usize)),
            Self::File { file, .. } => {
                let mut octets = vec![0; length as usize];
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(&mut octets)?;
                Ok(octets.into())
            }
        }
    }
}
