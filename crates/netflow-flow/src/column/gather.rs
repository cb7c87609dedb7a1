//! Columns of many flows, for what writes or counts column by column.

use std::net::IpAddr;

/// The values of one column in flows that follow each other: which of them have one, and these values without
/// gaps, in the one of the vectors that is for the column's [`Kind`](crate::Kind).
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    runs: Vec<(bool, usize)>,
    rows: usize,
    /// Numbers; nanoseconds of times, as the bits of an `i64`; octets of MAC addresses, the last one lowest;
    /// applications as [`ApplicationId::number`](crate::ApplicationId::number).
    pub numbers: Vec<u64>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Enumerated values.
    pub names: Vec<&'static str>,
}

impl Gathered {
    /// How many flows there are.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether flows have a value, and how many that follow each other; neighbours differ.
    pub fn runs(&self) -> &[(bool, usize)] {
        &self.runs
    }

    /// How many flows have a value.
    pub fn values(&self) -> usize {
        self.runs.iter().filter(|(present, _)| *present).map(|(_, rows)| rows).sum()
    }

    /// Appends flows that have a value, or that have none.
    #[inline]
    pub fn append(&mut self, present: bool, rows: usize) {
        self.rows += rows;
        match self.runs.last_mut() {
            Some((last, count)) if *last == present => *count += rows,
            _ if rows == 0 => {}
            _ => self.runs.push((present, rows)),
        }
    }

    /// Removes all, keeping the memory.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.rows = 0;
        self.numbers.clear();
        self.addresses.clear();
        self.names.clear();
    }
}
