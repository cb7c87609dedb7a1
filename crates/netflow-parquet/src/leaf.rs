//! What pages of all columns have: levels, which say where values are absent or lists go on.

use crate::chunk::Compressor;
use crate::error::Error;
use crate::hybrid;

/// Memory that is used for one page after the other.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) compressor: Compressor,
    /// The page: levels and values.
    pub(crate) octets: Vec<u8>,
    pub(crate) ids: Vec<u32>,
    pub(crate) numbers: Vec<u64>,
}

impl Scratch {
    pub(crate) fn new() -> Result<Self, Error> {
        let compressor = Compressor::new()?;
        Ok(Self { compressor, octets: Vec::new(), ids: Vec::new(), numbers: Vec::new() })
    }
}

/// Levels of rows that follow each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Levels {
    runs: Vec<(u32, usize)>,
    count: usize,
}

impl Levels {
    /// Appends a level, so many times.
    pub(crate) fn push(&mut self, level: u32, times: usize) {
        self.count += times;
        match self.runs.last_mut() {
            Some((last, count)) if *last == level => *count += times,
            _ => self.runs.push((level, times)),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn clear(&mut self) {
        self.runs.clear();
        self.count = 0;
    }

    /// Appends the levels, which are `most` at most, to a page.
    pub(crate) fn write(&self, most: u32, page: &mut Vec<u8>) {
        write_levels(self.runs.iter().copied(), most, page);
    }
}

/// Appends levels to a page.
pub(crate) fn write_levels(
    mut runs: impl ExactSizeIterator<Item = (u32, usize)>,
    most: u32,
    page: &mut Vec<u8>,
) {
    let start = page.len();
    page.extend_from_slice(&[0; 4]);
    let width = hybrid::width(most);
    if runs.len() == 1 {
        runs.for_each(|(level, count)| hybrid::append_run(level, count, width, page));
    } else {
        let mut levels = Vec::new();
        runs.by_ref().for_each(|(level, count)| levels.resize(levels.len() + count, level));
        hybrid::encode(&levels, width, page);
    }
    let length = (page.len() - start - 4) as u32;
    page[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
