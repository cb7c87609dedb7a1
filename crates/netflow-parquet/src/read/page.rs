//! Pages: their headers, in Thrift's compact protocol, and their content, decompressed within bounds.
//!
//! Nothing is believed of a header but what is checked here: files may be cut off, mixed up, or made to harm.

use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use std::sync::Arc;

use super::source::Source;
use crate::error::Error;

/// Octets of a page, decompressed.
const MAX_PAGE: usize = 256 << 20;
/// Octets in which the header of a page usually is, and in which it must be.
const HEADER: [u64; 2] = [256, 1 << 20];

/// Octets that are taken from the file at once, where there are so many.
const WINDOW: u64 = 256 << 10;

/// Pages of a column chunk.
pub(crate) struct Pages {
    source: Arc<Source>,
    at: u64,
    end: u64,
    compressed: bool,
    memory: Memory,
    /// Where the octets in the window start.
    start: u64,
}

/// What one column chunk after the other can use.
#[derive(Default)]
pub(crate) struct Memory {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    /// Octets of the file.
    window: Vec<u8>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// The content of a page, in memory that the next one uses again.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// Levels of version 2; those of version 1 are in front of the values.
    pub(crate) levels: Vec<u8>,
    pub(crate) octets: Vec<u8>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("at", &self.at).field("end", &self.end).finish_non_exhaustive()
    }
}

/// Encodings of values, by their numbers in Parquet.
pub(crate) mod encoding {
    pub(crate) const PLAIN: i64 = 0;
    pub(crate) const PLAIN_DICTIONARY: i64 = 2;
    pub(crate) const RLE_DICTIONARY: i64 = 8;
    pub(crate) const BYTE_STREAM_SPLIT: i64 = 9;
}

/// A page.
#[derive(Debug)]
pub(crate) enum Page {
    Dictionary {
        values: usize,
    },
    /// Of version 2 with the lengths of levels of both kinds; of version 1 these are in front of the levels.
    Data {
        values: usize,
        encoding: i64,
        levels: Option<[usize; 2]>,
    },
    /// One that was passed over.
    Passed {
        values: usize,
    },
}

impl Pages {
    pub(crate) fn new(
        source: &Arc<Source>,
        chunk: &ColumnChunkMetaData,
        mut memory: Memory,
    ) -> Result<Self, Error> {
        memory.window.clear();
        let compressed = match chunk.compression() {
            Compression::UNCOMPRESSED => false,
            Compression::ZSTD(_) => true,
            other => {
                let codec = other.to_string();
                let codec = codec.split('(').next().unwrap_or_default();
                return Err(Error::Unsupported(format!(
                    "it is compressed with {codec}; zstd and none are read"
                )));
            }
        };
        let data = chunk.data_page_offset();
        // Some writers note a dictionary at 0 where there is none.
        let start = chunk.dictionary_page_offset().filter(|&at| 0 < at && at < data).unwrap_or(data);
        let at = u64::try_from(start).ok();
        let end =
            at.zip(u64::try_from(chunk.compressed_size()).ok()).and_then(|(at, size)| at.checked_add(size));
        match (at, end) {
            (Some(at), Some(end)) if end <= source.length() => {
                if compressed && memory.zstd.is_none() {
                    memory.zstd = Some(zstd::bulk::Decompressor::new()?);
                }
                Ok(Self { source: source.clone(), at, end, compressed, memory, start: at })
            }
            _ => Err(wrong("a column is outside of the file")),
        }
    }

    pub(crate) fn into_memory(self) -> Memory {
        self.memory
    }

    /// The next page; `None` at the end. One of data that has no more values than `pass` is passed over.
    pub(crate) fn next(&mut self, pass: usize, content: &mut Content) -> Result<Option<Page>, Error> {
        while self.at < self.end {
            let header = self.header()?;
            let size = header.compressed as u64;
            if size > self.end - self.at {
                return Err(wrong("a page ends behind its column"));
            }
            if let Of::Data { values, .. } | Of::DataV2 { values, .. } = header.of
                && 0 < values
                && values <= pass
            {
                self.at += size;
                return Ok(Some(Page::Passed { values }));
            }
            let at = self.ensure(size)?;
            self.at += size;
            let Memory { zstd, window } = &mut self.memory;
            let octets = &window[at..at + header.compressed];
            let mut zstd = zstd.as_mut().filter(|_| self.compressed);
            content.levels.clear();
            content.octets.clear();
            match header.of {
                Of::Nothing => {}
                Of::Dictionary { values, encoding } => {
                    if ![encoding::PLAIN, encoding::PLAIN_DICTIONARY].contains(&encoding) {
                        return Err(Error::Unsupported(format!("a dictionary has the encoding {encoding}")));
                    }
                    decompress(zstd.as_deref_mut(), octets, header.uncompressed, &mut content.octets)?;
                    return Ok(Some(Page::Dictionary { values }));
                }
                Of::Data { values, encoding } => {
                    decompress(zstd.as_deref_mut(), octets, header.uncompressed, &mut content.octets)?;
                    return Ok(Some(Page::Data { values, encoding, levels: None }));
                }
                Of::DataV2 { values, encoding, definition, repetition, compressed } => {
                    let front = definition.saturating_add(repetition);
                    let Some((levels, rest)) = octets.split_at_checked(front) else {
                        return Err(wrong("the levels of a page are longer than the page"));
                    };
                    content.levels.extend_from_slice(levels);
                    match compressed && !rest.is_empty() {
                        true => {
                            let size = header.uncompressed.saturating_sub(front);
                            decompress(zstd, rest, size, &mut content.octets)?;
                        }
                        false => content.octets.extend_from_slice(rest),
                    }
                    let levels = Some([repetition, definition]);
                    return Ok(Some(Page::Data { values, encoding, levels }));
                }
            }
        }
        Ok(None)
    }

    /// Takes octets from the file, unless they are there, and gives their place in the window.
    fn ensure(&mut self, size: u64) -> Result<usize, Error> {
        let there = self.start + self.memory.window.len() as u64;
        if self.at < self.start || self.at + size > there {
            let length = size.max(WINDOW).min(self.end - self.at);
            self.source.read(self.at, length, &mut self.memory.window)?;
            self.start = self.at;
        }
        Ok((self.at - self.start) as usize)
    }

    fn header(&mut self) -> Result<Header, Error> {
        for most in HEADER {
            let size = most.min(self.end - self.at);
            let at = self.ensure(size)?;
            let octets = &self.memory.window[at..];
            let mut thrift = Thrift(octets);
            if let Some(header) = Header::read(&mut thrift) {
                self.at += (octets.len() - thrift.0.len()) as u64;
                return match header.uncompressed <= MAX_PAGE {
                    true => Ok(header),
                    false => Err(Error::Unsupported(format!("a page has {} octets", header.uncompressed))),
                };
            }
        }
        Err(wrong("the header of a page is wrong"))
    }
}

/// Appends what compressed octets hold.
fn decompress(
    zstd: Option<&mut zstd::bulk::Decompressor<'static>>,
    octets: &[u8],
    size: usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    match zstd {
        None => out.extend_from_slice(octets),
        Some(_) if size == 0 => {}
        Some(zstd) => {
            out.reserve_exact(size);
            zstd.decompress_to_buffer(octets, out).map_err(|error| wrong(&error.to_string()))?;
        }
    }
    if out.len() == size { Ok(()) } else { Err(wrong("a page has another length than its header says")) }
}

pub(crate) fn wrong(what: &str) -> Error {
    Error::Damaged(what.to_owned())
}

#[derive(Debug, Default)]
struct Header {
    uncompressed: usize,
    compressed: usize,
    of: Of,
}

#[derive(Debug, Default)]
enum Of {
    #[default]
    Nothing,
    Dictionary {
        values: usize,
        encoding: i64,
    },
    Data {
        values: usize,
        encoding: i64,
    },
    DataV2 {
        values: usize,
        encoding: i64,
        definition: usize,
        repetition: usize,
        compressed: bool,
    },
}

impl Header {
    fn read(thrift: &mut Thrift<'_>) -> Option<Self> {
        let mut header = Self::default();
        let mut id = 0;
        while let Some(kind) = thrift.field(&mut id)? {
            match (id, kind) {
                (2, INTEGERS) => header.uncompressed = thrift.length()?,
                (3, INTEGERS) => header.compressed = thrift.length()?,
                (5, STRUCT) => {
                    let [values, encoding, ..] = thrift.numbers()?;
                    header.of = Of::Data { values: values.try_into().ok()?, encoding };
                }
                (7, STRUCT) => {
                    let [values, encoding, ..] = thrift.numbers()?;
                    header.of = Of::Dictionary { values: values.try_into().ok()?, encoding };
                }
                (8, STRUCT) => {
                    // Values, nulls, rows, encoding, lengths of both levels, and whether it is compressed.
                    let [values, _, _, encoding, definition, repetition, compressed] = thrift.numbers()?;
                    header.of = Of::DataV2 {
                        values: values.try_into().ok()?,
                        encoding,
                        definition: definition.try_into().ok()?,
                        repetition: repetition.try_into().ok()?,
                        compressed: compressed != i64::from(FALSE),
                    };
                }
                _ => thrift.skip(kind, 0)?,
            }
        }
        Some(header)
    }
}

/// Types of Thrift's compact protocol.
const FALSE: u8 = 2;
const INTEGERS: u8 = 5;
const STRUCT: u8 = 12;
/// Structures within structures.
const MAX_DEPTH: usize = 8;

/// Octets in Thrift's compact protocol; what is wrong in them is `None`.
struct Thrift<'a>(&'a [u8]);

impl Thrift<'_> {
    fn octet(&mut self) -> Option<u8> {
        let (&octet, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(octet)
    }

    fn pass(&mut self, length: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(length).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            number |= u64::from(octet & 0x7f) << shift;
            if octet < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn length(&mut self) -> Option<usize> {
        self.integer()?.try_into().ok()
    }

    /// The type of the next field, whose number follows on `id`; `Some(None)` at the end of a structure.
    fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let head = self.octet()?;
        if head == 0 {
            return Some(None);
        }
        *id = match head >> 4 {
            0 => self.integer()?,
            delta => id.checked_add(delta.into())?,
        };
        Some(Some(head & 0x0f))
    }

    /// The first numbers of a structure; what is no number is 0, and a flag its type.
    fn numbers(&mut self) -> Option<[i64; 7]> {
        let mut numbers = [0; 7];
        let mut id = 0;
        while let Some(kind) = self.field(&mut id)? {
            let slot = usize::try_from(id).ok().and_then(|id| numbers.get_mut(id.checked_sub(1)?));
            match (slot, kind) {
                (Some(slot), 1 | FALSE) => *slot = kind.into(),
                (Some(slot), INTEGERS) => *slot = self.integer()?,
                _ => self.skip(kind, 0)?,
            }
        }
        Some(numbers)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            1 | FALSE => Some(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let head = self.octet()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    // Flags take an octet here, and every value takes one: no count lets this go on for long.
                    match head & 0x0f {
                        1 | FALSE => self.pass(1)?,
                        of => self.skip(of, depth + 1)?,
                    }
                }
                Some(())
            }
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }
}
