//! Notes: before each row group stands what the footer will say about it, so that a file can be completed whose
//! writer did not come to that.
//!
//! A note is the footer of a file that has only this row group, from its first octet on, without its last octets: a file
//! that is cut off behind a note must not look like a complete one. Readers of Parquet go where
//! the footer of the file sends them, and never see a note.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use bytes::Bytes;
use flate2::Crc;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use parquet::schema::types::SchemaDescPtr;

use crate::chunk::{EncodedChunk, Parts};
use crate::error::Error;
use crate::schema::MAGIC;

/// What a note begins with.
const START: [u8; 8] = *b"NFNOTE01";
/// Octets before a note: [`START`], length of the note, length of the row group, checksums of both.
const HEAD: usize = 8 + 4 + 8 + 4 + 4;
/// A note that is longer is none: one of ours has some kilobytes.
const LONGEST: u32 = 64 << 20;
/// Octets that are read at once.
const STEP: usize = 1 << 20;
/// Places that are tried in the search for a note. More look like a note only where somebody wants that.
const MOST_TRIED: usize = 1_000;

/// What a note says of the row group behind it.
#[derive(Debug)]
pub(crate) struct Noted {
    /// Octets of note and row group.
    pub(crate) length: u64,
    /// Octets of the row group.
    pub(crate) group: u64,
    pub(crate) rows: usize,
    pub(crate) chunks: Vec<EncodedChunk>,
    pub(crate) schema: SchemaDescPtr,
}

/// A note: `footer` is that of a file with nothing but the row group.
pub(crate) fn note(footer: &[u8], group: &Parts) -> Vec<u8> {
    let footer = footer.strip_suffix(MAGIC).unwrap_or(footer);
    let mut note = Vec::with_capacity(HEAD + footer.len());
    note.extend(START);
    note.extend((footer.len() as u32).to_le_bytes());
    note.extend((group.length() as u64).to_le_bytes());
    note.extend(checksum([footer]).to_le_bytes());
    note.extend(checksum(group.parts.iter().map(Vec::as_slice)).to_le_bytes());
    note.extend(footer);
    note
}

fn checksum<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut crc = Crc::new();
    parts.into_iter().for_each(|part| crc.update(part));
    crc.sum()
}

/// What comes next in a file.
#[derive(Debug)]
pub(crate) enum Next {
    /// A row group that is whole.
    Group(Box<Noted>),
    /// A note or a row group that is not whole.
    Torn,
    /// Something else: a footer, or the end.
    Other,
}

/// Reads a note, and the row group behind it, of which there are so many octets at most.
pub(crate) fn read(input: &mut impl Read, left: u64) -> Result<Next, Error> {
    let head = up_to(input, HEAD as u64)?;
    let common = head.len().min(START.len());
    if head.is_empty() || head[..common] != START[..common] {
        // What a file system leaves of octets that did not come to the disk before the power failed.
        let begun = head.iter().zip(&START).take_while(|(octet, start)| octet == start).count();
        let zeros = !head.is_empty() && head[begun..].iter().all(|&octet| octet == 0);
        return Ok(if zeros { Next::Torn } else { Next::Other });
    }
    let number =
        |at: usize| head.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map(u32::from_le_bytes);
    let (Some(footer_length), Some(low), Some(high), Some(footer_sum), Some(group_sum)) =
        (number(8), number(12), number(16), number(20), number(24))
    else {
        return Ok(Next::Torn);
    };
    let group = u64::from(high) << 32 | u64::from(low);
    let length = (HEAD as u64 + u64::from(footer_length)).saturating_add(group);
    // Zeros behind the first octets did not come to the disk; checksums of nothing are zero, too.
    if footer_length == 0 || group == 0 || footer_length > LONGEST || length > left {
        return Ok(Next::Torn);
    }
    let footer = up_to(input, footer_length.into())?;
    if checksum([&footer[..]]) != footer_sum || !matches(input, group, group_sum)? {
        return Ok(Next::Torn);
    }
    let (rows, schema, chunks) = chunks(footer)?;
    Ok(Next::Group(Box::new(Noted { length, group, rows, chunks, schema })))
}

/// Whether a row group that is whole begins somewhere behind octet `from` of a file of `end` octets. Also when there is
/// too much that looks like one.
pub(crate) fn follows(file: &mut (impl Read + Seek), from: u64, end: u64) -> Result<bool, Error> {
    let (mut at, mut tried) = (from + 1, 0);
    while at < end {
        file.seek(SeekFrom::Start(at))?;
        let octets = up_to(file, STEP as u64)?;
        for place in octets.windows(START.len()).enumerate().filter(|(_, octets)| *octets == START) {
            let place = at + place.0 as u64;
            file.seek(SeekFrom::Start(place))?;
            tried += 1;
            let whole = matches!(read(&mut BufReader::new(&mut *file), end - place), Ok(Next::Group(_)));
            if whole || tried > MOST_TRIED {
                return Ok(true);
            }
        }
        if octets.len() < START.len() {
            break;
        }
        // One may begin in the last of them.
        at += (octets.len() - START.len() + 1) as u64;
    }
    Ok(false)
}

fn up_to(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    input.take(length).read_to_end(&mut octets)?;
    Ok(octets)
}

/// Whether the next octets have this checksum.
fn matches(input: &mut impl Read, length: u64, sum: u32) -> io::Result<bool> {
    let (mut crc, mut left) = (Crc::new(), length);
    while left > 0 {
        let octets = up_to(input, left.min(STEP as u64))?;
        if octets.is_empty() {
            return Ok(false);
        }
        crc.update(&octets);
        left -= octets.len() as u64;
    }
    Ok(crc.sum() == sum)
}

/// Rows, schema and column chunks by the footer of one row group.
fn chunks(mut footer: Vec<u8>) -> Result<(usize, SchemaDescPtr, Vec<EncodedChunk>), Error> {
    footer.extend(MAGIC);
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    let metadata = reader.parse_and_finish(&Bytes::from(footer))?;
    let damaged = || Error::Damaged("a note is none of one row group".into());
    let [group] = metadata.row_groups() else { return Err(damaged()) };
    let rows = usize::try_from(group.num_rows()).map_err(|_| damaged())?;
    let index = metadata.page_index().ok_or_else(damaged)?;
    let chunks = group.columns().iter().enumerate().map(|(column, chunk)| {
        let places = index.offset_index(0, column).ok_or_else(damaged)?.page_locations();
        let first_rows = places.iter().map(|place| place.first_row_index).chain([rows as i64]);
        let pages = places.iter().zip(first_rows.skip(1)).map(|(place, next)| {
            let length = usize::try_from(place.compressed_page_size).map_err(|_| damaged())?;
            let rows = usize::try_from(next.saturating_sub(place.first_row_index)).map_err(|_| damaged())?;
            Ok((length, rows))
        });
        Ok(EncodedChunk {
            metadata: chunk.clone(),
            column_index: index.column_index(0, column).cloned(),
            pages: pages.collect::<Result<_, Error>>()?,
        })
    });
    let chunks = chunks.collect::<Result<_, Error>>()?;
    Ok((rows, metadata.file_metadata().schema_descr_ptr(), chunks))
}
