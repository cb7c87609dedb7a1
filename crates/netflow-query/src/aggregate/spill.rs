//! Groups in a temporary file, which nobody else sees and which is gone with the process.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Totals;
use super::groups::Record;
use super::partition::{PARTITION_BITS, Partition};
use crate::error::Error;

/// A file of groups, and where those of each partition are.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    end: u64,
    segments: Vec<Vec<Segment>>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    start: u64,
    records: usize,
}

impl Spill {
    /// A file in a directory, or where the system has temporary files.
    pub(super) fn new(directory: Option<&Path>) -> Result<Self, Error> {
        let file = match directory {
            Some(directory) => tempfile::tempfile_in(directory),
            None => tempfile::tempfile(),
        };
        let segments = vec![Vec::new(); 1 << PARTITION_BITS];
        Ok(Self { file: file.map_err(Error::Spill)?, end: 0, segments })
    }

    /// Moves a partition to the file.
    pub(super) fn write<const K: usize>(
        &mut self,
        at: usize,
        partition: &mut Partition<K>,
    ) -> Result<(), Error> {
        let records = partition.len();
        if records == 0 {
            return Ok(());
        }
        let mut out = BufWriter::with_capacity(1 << 18, &mut self.file);
        let written = partition.records().try_for_each(|record| write(&mut out, &record));
        written.and_then(|()| out.flush()).map_err(Error::Spill)?;
        self.segments[at].push(Segment { start: self.end, records });
        self.end += (records * size::<K>()) as u64;
        *partition = Partition::default();
        Ok(())
    }

    /// How many records of a partition there are.
    pub(super) fn records(&self, at: usize) -> usize {
        self.segments[at].iter().map(|segment| segment.records).sum()
    }

    /// Reads the records of a partition.
    pub(super) fn read<const K: usize>(
        &mut self,
        at: usize,
        mut take: impl FnMut(Record<K>),
    ) -> Result<(), Error> {
        let mut octets = Vec::new();
        for segment in &self.segments[at] {
            self.file.seek(SeekFrom::Start(segment.start)).map_err(Error::Spill)?;
            let mut left = segment.records;
            while left > 0 {
                let some = left.min(8192);
                octets.resize(some * size::<K>(), 0);
                self.file.read_exact(&mut octets).map_err(Error::Spill)?;
                octets.chunks_exact(size::<K>()).for_each(|octets| take(read(octets)));
                left -= some;
            }
        }
        Ok(())
    }

    /// Octets that were written.
    pub(super) fn octets(&self) -> u64 {
        self.end
    }
}

const fn size<const K: usize>() -> usize {
    8 * (K + 3)
}

fn write<const K: usize>(out: &mut impl Write, record: &Record<K>) -> io::Result<()> {
    let Totals { bytes, packets, flows } = record.totals;
    record.key.iter().chain(&[bytes, packets, flows]).try_for_each(|word| out.write_all(&word.to_le_bytes()))
}

fn read<const K: usize>(octets: &[u8]) -> Record<K> {
    let mut record = Record::NONE;
    let Totals { bytes, packets, flows } = &mut record.totals;
    let words = record.key.iter_mut().chain([bytes, packets, flows]);
    for (word, octets) in words.zip(octets.as_chunks().0) {
        *word = u64::from_le_bytes(*octets);
    }
    record
}
