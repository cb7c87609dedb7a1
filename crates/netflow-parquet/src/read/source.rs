//! Where the octets of a file come from.

use std::fs::File;
use std::io;
#[cfg(not(unix))]
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// A file, or its content.
#[derive(Debug)]
pub(crate) enum Source {
    File { file: Place, length: u64 },
    Octets(Bytes),
}

/// A file that several threads read, each at its own place.
#[derive(Debug)]
pub(crate) struct Place(#[cfg(unix)] File, #[cfg(not(unix))] Mutex<File>);

impl From<File> for Place {
    fn from(file: File) -> Self {
        #[cfg(unix)]
        return Self(file);
        #[cfg(not(unix))]
        Self(file.into())
    }
}

impl Place {
    #[cfg(unix)]
    fn read(&self, start: u64, octets: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, octets, start)
    }

    #[cfg(not(unix))]
    fn read(&self, start: u64, octets: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(octets)
    }
}

impl Source {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Octets(octets) => octets.len() as u64,
        }
    }

    /// Replaces the content of `out` by some octets; an error when the file ends before.
    pub(crate) fn read(&self, start: u64, length: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let end = start.checked_add(length).filter(|&end| end <= self.length());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        match self {
            Self::Octets(octets) => {
                out.clear();
                out.extend_from_slice(&octets[start as usize..end as usize]);
                Ok(())
            }
            Self::File { file, .. } => {
                // What is there is written over, and need not be zeros.
                out.resize(length as usize, 0);
                file.read(start, out)
            }
        }
    }

    /// Some octets; an error when the file ends before.
    pub(crate) fn octets(&self, start: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        self.read(start, length, &mut octets).map(|()| octets)
    }
}
