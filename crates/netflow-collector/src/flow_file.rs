//! A flow file that is being written: blocks are appended whole or not at all.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use netflow_flow::{Format, GzipBlock, write_csv_head};
use netflow_parquet::ParquetFile;

use crate::block::{Block, Body};
use crate::tail::{self, Mended};

/// Where the octets go.
pub(crate) enum Target {
    File(File),
    /// What cannot be cut off again: a pipe, a terminal, a device.
    Stream(Box<dyn Write + Send>),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Write for Target {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(octets),
            Self::Stream(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

impl Target {
    /// Cuts off what was written behind this length. If even this fails, the next reader finds a block that is
    /// cut off, and says so.
    fn cut(&mut self, length: u64) {
        if let Self::File(file) = self {
            let _ = file.set_len(length).and_then(|()| file.seek(SeekFrom::Start(length)));
        }
    }
}

/// A flow file that is being written. Files are open for appending.
#[derive(Debug)]
pub(crate) enum FlowFile {
    Text(Target),
    Parquet { file: ParquetFile<Target>, footer: Footer, last: Checkpoint },
}

/// The last footer that was written while the file grew.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checkpoint {
    /// Octets of the file that it was behind.
    length: u64,
    /// Octets of the footer.
    octets: u64,
}

impl Checkpoint {
    /// A footer is longer with every row group: written behind each, footers would be most of what is written.
    fn is_worth_another(self, length: u64) -> bool {
        self.octets < CHEAP || length.saturating_sub(self.length) / DATA_PER_FOOTER >= self.octets
    }
}

/// Octets of a footer that is written behind every row group.
const CHEAP: u64 = 1 << 20;
/// Octets of flows for each octet of longer footers.
const DATA_PER_FOOTER: u64 = 8;

/// What follows what was appended. It is cut off before more is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Footer {
    None,
    /// Something that may be a footer, or a part of one.
    Unsure,
    Whole,
}

impl FlowFile {
    /// Begins a file in what is empty; says how many octets that took.
    pub(crate) fn begin(mut target: Target, format: Format, gzip: bool) -> io::Result<(Self, u64)> {
        match format {
            Format::Parquet => {
                let file = ParquetFile::new(target).map_err(io_error)?;
                let length = file.length();
                Ok((Self::Parquet { file, footer: Footer::None, last: Checkpoint::default() }, length))
            }
            Format::Csv => {
                let mut head = Vec::new();
                write_csv_head(&mut head);
                let head = if gzip { GzipBlock::default().compress(&head)? } else { head };
                target.write_all(&head).inspect_err(|_| target.cut(0))?;
                Ok((Self::Text(target), head.len() as u64))
            }
            _ => Ok((Self::Text(target), 0)),
        }
    }

    /// Goes on in a file that has something in it, open for reading and appending, which may end in half a block.
    ///
    /// # Errors
    /// When it cannot be read or written; `InvalidData` when what is appended could not be read.
    pub(crate) fn resume(mut file: File, format: Format, gzip: bool) -> io::Result<(Self, Mended)> {
        if format == Format::Parquet {
            let (file, torn) = ParquetFile::resume(file).map_err(io_error)?;
            let file = file.map_out(Target::File);
            let mended = Mended { cut: torn, ..Mended::default() };
            // A footer is no loss: it is written again.
            return Ok((Self::Parquet { file, footer: Footer::Unsure, last: Checkpoint::default() }, mended));
        }
        let mended = tail::mend(&mut file, format, gzip.then(GzipBlock::default))?;
        Ok((Self::Text(Target::File(file)), mended))
    }

    /// Appends a block.
    ///
    /// # Errors
    /// When it cannot be written; then the file is as it was before.
    pub(crate) fn append(&mut self, block: Block) -> io::Result<()> {
        self.cut_footer();
        match (self, block.body) {
            (Self::Text(target), Body::Text(text)) => {
                let end = match target {
                    Target::File(file) => file.seek(SeekFrom::End(0))?,
                    _ => 0,
                };
                let written = target.write_all(&text).and_then(|()| target.flush());
                written.inspect_err(|_| target.cut(end))
            }
            (Self::Parquet { file, .. }, Body::RowGroup(group)) => {
                let end = file.length();
                file.append(&group).map_err(io_error).inspect_err(|_| file.out_mut().cut(end))
            }
            (_, Body::Failed(error)) => Err(error),
            // Encoders and files are made for the same format.
            _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
        }
    }

    fn cut_footer(&mut self) {
        if let Self::Parquet { file, footer, .. } = self
            && std::mem::replace(footer, Footer::None) != Footer::None
        {
            let length = file.length();
            file.out_mut().cut(length);
        }
    }

    /// Makes a file that can be read now, and goes on behind that; not where that costs too much.
    pub(crate) fn checkpoint(&mut self) -> io::Result<()> {
        match self {
            Self::Parquet { file, footer, last }
                if matches!(file.out(), Target::File(_)) && last.is_worth_another(file.length()) =>
            {
                *footer = Footer::Unsure;
                let octets = file.write_footer().map_err(io_error)?;
                *last = Checkpoint { length: file.length(), octets };
                *footer = Footer::Whole;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Completes the file. What is complete already is not written again: there might be no room.
    pub(crate) fn finish(mut self) -> io::Result<Target> {
        if let Self::Parquet { file, footer: Footer::Whole, .. } = self {
            return Ok(file.into_out());
        }
        self.cut_footer();
        match self {
            Self::Text(target) => Ok(target),
            Self::Parquet { file, .. } => file.finish().map_err(io_error),
        }
    }

    /// Whether there is nothing in it, not even a heading.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        match self {
            Self::Text(Target::File(file)) => Ok(file.metadata()?.len() == 0),
            Self::Text(_) => Ok(false),
            Self::Parquet { file, .. } => Ok(file.rows() == 0),
        }
    }

    /// Whether blocks can be appended: a file of another version has other columns.
    pub(crate) fn takes_more(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Parquet { file, .. } => file.has_our_columns(),
        }
    }

    /// Whether it can be opened again by its name.
    pub(crate) fn is_by_name(&self) -> bool {
        matches!(self.target(), Target::File(_))
    }

    /// Whether `path` names this file.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let Target::File(file) = self.target() else { return false };
        let same = |(one, other): (Metadata, Metadata)| (one.dev(), one.ino()) == (other.dev(), other.ino());
        file.metadata().and_then(|open| Ok((open, fs::metadata(path)?))).is_ok_and(same)
    }

    fn target(&self) -> &Target {
        match self {
            Self::Text(target) => target,
            Self::Parquet { file, .. } => file.out(),
        }
    }

    /// Whether somebody removed the file, so that what is written to it is for nobody.
    pub(crate) fn is_removed(&self) -> bool {
        match self.target() {
            Target::File(file) => file.metadata().is_ok_and(|metadata| metadata.nlink() == 0),
            _ => false,
        }
    }
}

/// The system's error, where there is one.
fn io_error(error: netflow_parquet::Error) -> io::Error {
    match error {
        netflow_parquet::Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footers_are_spaced_so_that_they_are_little_of_what_is_written() {
        // As with many small row groups: each adds to the footer a fifth of what it has itself.
        let (mut last, mut footers, mut length) = (Checkpoint::default(), 0, 0);
        for group in 1..=20_000 {
            length = group * 25_000;
            if last.is_worth_another(length) {
                last = Checkpoint { length, octets: group * 5_000 };
                footers += last.octets;
            }
            assert!(last.length == length || last.octets >= CHEAP);
        }
        let cheap = CHEAP * CHEAP / 5_000;
        assert!(footers <= cheap + length / DATA_PER_FOOTER + last.octets, "{footers} of {length}");
        assert!(last.length > 0);
    }
}
