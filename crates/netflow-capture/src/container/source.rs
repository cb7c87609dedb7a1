//! The input, with as much of it in memory as the current record needs.

use std::io::{self, Read};

use crate::error::CaptureError;

/// Reads an input record by record.
pub(super) struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in the file `start` is.
    offset: u64,
    at_end: bool,
}

impl<R> Source<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; 64 << 10], start: 0, end: 0, offset: 0, at_end: false }
    }

    /// What is in memory of the current record and those behind it.
    pub(super) fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where in the file the current record starts.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Octets of memory in use.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.buffer.len()
    }
}

impl<R: Read> Source<R> {
    /// Reads until `wanted` octets are there, or the input ends; returns how many are there. The buffer grows
    /// only with what really comes.
    pub(super) fn fill(&mut self, wanted: usize) -> Result<usize, CaptureError> {
        while self.end - self.start < wanted && !self.at_end {
            if self.start + wanted > self.buffer.len() && self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    self.at_end = true;
                    let at = self.offset + (self.end - self.start) as u64;
                    return Err(CaptureError::Read { at, source });
                }
            }
        }
        Ok(self.end - self.start)
    }

    /// The first `wanted` octets of the record at the current place, or an error that it is cut off.
    pub(super) fn need(&mut self, wanted: usize) -> Result<&[u8], CaptureError> {
        let available = self.fill(wanted)?;
        if available < wanted {
            return Err(CaptureError::CutOff {
                at: self.offset,
                needed: wanted as u64,
                available: available as u64,
            });
        }
        Ok(&self.buffer[self.start..self.start + wanted])
    }

    /// Steps over octets that are there.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    /// Steps over octets that need not fit in memory.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), CaptureError> {
        let (at, mut left) = (self.offset, count);
        while left > 0 {
            let there = self.fill(1)? as u64;
            if there == 0 {
                return Err(CaptureError::CutOff { at, needed: count, available: count - left });
            }
            let step = there.min(left);
            self.consume(step as usize);
            left -= step;
        }
        Ok(())
    }
}
