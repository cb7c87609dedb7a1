//! One column of a row group, page by page.

use std::sync::Arc;

use netflow_flow::Column;
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::ColumnChunkMetaData;

use super::leaf::Leaf;
use super::page::{Page, Pages, encoding, wrong};
use super::source::Source;
use crate::error::Error;
use crate::hybrid;

/// Values of a page.
const MAX_VALUES: usize = 1 << 23;

/// Reads a column of a row group, page by page.
#[derive(Debug)]
pub struct ColumnReader {
    pub(crate) column: &'static Column,
    pub(crate) leaf: Leaf,
    pages: Pages,
    rows: usize,
    numbers: Vec<i64>,
    texts: Texts,
    /// Those of the texts that the dictionary has; the others are of a page.
    dictionary: usize,
}

/// Values of flows that follow each other.
#[derive(Debug, Default)]
pub struct ColumnPage {
    /// Levels, and how many of each follow each other.
    pub(crate) repetition: Vec<(u32, usize)>,
    pub(crate) definition: Vec<(u32, usize)>,
    pub(crate) values: PageValues,
    most: u32,
}

/// Values of a page, without gaps.
#[derive(Debug, Default)]
pub enum PageValues {
    /// There are none.
    #[default]
    None,
    /// Numbers; nanoseconds of times.
    Numbers(Vec<i64>),
    /// Ids of texts, for [`ColumnReader::text`].
    Texts(Vec<u32>),
}

impl ColumnPage {
    /// Whether flows have a value, and how many that follow each other.
    pub fn runs(&self) -> impl Iterator<Item = (bool, usize)> {
        self.definition.iter().map(|&(level, rows)| (level == self.most, rows))
    }

    /// The values of those that have one.
    pub fn values(&self) -> &PageValues {
        &self.values
    }
}

#[derive(Debug, Default)]
struct Texts {
    text: String,
    /// Where each text ends.
    ends: Vec<usize>,
}

impl Texts {
    fn get(&self, id: usize) -> Option<&str> {
        let start = if id == 0 { 0 } else { *self.ends.get(id - 1)? };
        self.text.get(start..*self.ends.get(id)?)
    }

    fn truncate(&mut self, count: usize) {
        self.ends.truncate(count);
        self.text.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Appends texts, each behind its length.
    fn append(&mut self, mut octets: &[u8], count: usize) -> Option<()> {
        for _ in 0..count {
            let (length, rest) = octets.split_first_chunk()?;
            let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            self.text.push_str(std::str::from_utf8(text).ok()?);
            self.ends.push(self.text.len());
            octets = rest;
        }
        Some(())
    }
}

impl ColumnReader {
    pub(crate) fn new(
        source: &Arc<Source>,
        chunk: &ColumnChunkMetaData,
        leaf: &Leaf,
        column: &'static Column,
        rows: usize,
    ) -> Result<Self, Error> {
        let pages = Pages::new(source, chunk)?;
        let (numbers, texts) = Default::default();
        Ok(Self { column, leaf: *leaf, pages, rows, numbers, texts, dictionary: 0 })
    }

    /// The column.
    pub fn column(&self) -> &'static Column {
        self.column
    }

    /// The text with an id. Those below [`dictionary`](Self::dictionary) stay the same for the row group, others
    /// only until the next page is read.
    pub fn text(&self, id: u32) -> Option<&str> {
        self.texts.get(id as usize)
    }

    /// How many texts the column's dictionary has.
    pub fn dictionary(&self) -> u32 {
        self.dictionary as u32
    }

    /// The next page; `None` at the end.
    pub fn next_page(&mut self) -> Result<Option<ColumnPage>, Error> {
        let of = self.column.name;
        self.read_page().map_err(|error| match error {
            Error::Damaged(what) => Error::Damaged(format!("column {of}: {what}")),
            Error::Unsupported(what) => Error::Unsupported(format!("column {of}: {what}")),
            other => other,
        })
    }

    fn read_page(&mut self) -> Result<Option<ColumnPage>, Error> {
        loop {
            match self.pages.next()? {
                None => return Ok(None),
                Some(Page::Dictionary { values, octets }) => self.read_dictionary(values, &octets)?,
                Some(Page::Data { values, encoding, levels, octets }) => {
                    return self.read_data(values, encoding, levels, &octets).map(Some);
                }
            }
        }
    }

    fn read_dictionary(&mut self, count: usize, octets: &[u8]) -> Result<(), Error> {
        let lacks = || wrong("the dictionary has not all of its values, or texts that are none");
        if self.leaf.physical == PhysicalType::BYTE_ARRAY {
            self.texts.truncate(0);
            self.texts.append(octets, count).ok_or_else(lacks)?;
            self.dictionary = count;
        } else {
            self.numbers = self.plain(octets, count).ok_or_else(lacks)?;
        }
        Ok(())
    }

    fn read_data(
        &mut self,
        count: usize,
        encoding: i64,
        lengths: Option<[usize; 2]>,
        mut octets: &[u8],
    ) -> Result<ColumnPage, Error> {
        let Leaf { max_definition, max_repetition, .. } = self.leaf;
        let short = || wrong("a page is shorter than what it says to hold");
        let mut level = |which: usize, most: u32| {
            let length = match lengths {
                Some(lengths) => lengths[which],
                None if most == 0 => 0,
                None => {
                    let (length, rest) = octets.split_first_chunk().ok_or_else(short)?;
                    octets = rest;
                    u32::from_le_bytes(*length) as usize
                }
            };
            let (levels, rest) = octets.split_at_checked(length).ok_or_else(short)?;
            octets = rest;
            if most == 0 {
                return Ok(vec![(0, count)]);
            }
            let runs = hybrid::decode_runs(levels, hybrid::width(most), count).ok_or_else(short)?;
            match runs.iter().all(|&(level, _)| level <= most) {
                true => Ok(runs),
                false => Err(wrong("a level is higher than there are levels")),
            }
        };
        let repetition = level(0, max_repetition)?;
        let definition = level(1, max_definition)?;
        let present = definition.iter().filter(|&&(level, _)| level == max_definition);
        let present = present.fold(0_usize, |sum, &(_, count)| sum.saturating_add(count));
        if present > MAX_VALUES {
            return Err(Error::Unsupported(format!("a page has {present} values")));
        }
        let values = match present {
            0 => PageValues::None,
            _ => self.values(present, encoding, octets)?,
        };
        Ok(ColumnPage { repetition, definition, values, most: max_definition })
    }

    fn values(&mut self, count: usize, encoding: i64, octets: &[u8]) -> Result<PageValues, Error> {
        let short = || wrong("a page has not all of its values, or texts that are none");
        let texts = self.leaf.physical == PhysicalType::BYTE_ARRAY;
        let mut numbers = match encoding {
            encoding::PLAIN_DICTIONARY | encoding::RLE_DICTIONARY => {
                let (&width, octets) = octets.split_first().ok_or_else(short)?;
                let ids = hybrid::decode(octets, width, count).ok_or_else(short)?;
                let known = if texts { self.dictionary } else { self.numbers.len() };
                if ids.iter().any(|&id| id as usize >= known) {
                    return Err(wrong("a value is not in the dictionary"));
                }
                if texts {
                    return Ok(PageValues::Texts(ids));
                }
                ids.iter().map(|&id| self.numbers[id as usize]).collect()
            }
            encoding::PLAIN if texts => {
                self.texts.truncate(self.dictionary);
                self.texts.append(octets, count).ok_or_else(short)?;
                let first = self.dictionary as u32;
                return Ok(PageValues::Texts((first..first + count as u32).collect()));
            }
            encoding::PLAIN => {
                let mut numbers = self.plain(octets, count).ok_or_else(short)?;
                numbers.truncate(count);
                return Ok(PageValues::Numbers(numbers));
            }
            encoding::BYTE_STREAM_SPLIT if !texts => match self.leaf.physical {
                PhysicalType::INT32 => joined::<4>(octets, count).ok_or_else(short)?,
                _ => joined::<8>(octets, count).ok_or_else(short)?,
            },
            other => return Err(Error::Unsupported(format!("its values have the encoding {other}"))),
        };
        if !matches!(encoding, encoding::PLAIN_DICTIONARY | encoding::RLE_DICTIONARY) {
            numbers.iter_mut().for_each(|number| *number = self.leaf.number(*number));
        }
        Ok(PageValues::Numbers(numbers))
    }

    /// Numbers as they are, as the column has them.
    fn plain(&self, octets: &[u8], count: usize) -> Option<Vec<i64>> {
        let leaf = &self.leaf;
        match leaf.physical {
            PhysicalType::INT32 => {
                let octets = octets.get(..count.checked_mul(4)?)?.as_chunks().0;
                Some(octets.iter().map(|&octets| leaf.number(i32::from_le_bytes(octets).into())).collect())
            }
            _ => {
                let octets = octets.get(..count.checked_mul(8)?)?.as_chunks().0;
                Some(octets.iter().map(|&octets| leaf.number(i64::from_le_bytes(octets))).collect())
            }
        }
    }

    /// Rows of the row group.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
}

/// Numbers whose lowest octets come first, then the next ones.
fn joined<const OCTETS: usize>(octets: &[u8], count: usize) -> Option<Vec<i64>> {
    let octets = octets.get(..count.checked_mul(OCTETS)?)?;
    let mut numbers = vec![0_u64; count];
    for (place, stream) in octets.chunks_exact(count).enumerate() {
        for (number, &octet) in numbers.iter_mut().zip(stream) {
            *number |= u64::from(octet) << (8 * place);
        }
    }
    // What is shorter than 64 bits has its sign there.
    let shift = 64 - 8 * OCTETS as u32;
    Some(numbers.into_iter().map(|number| (number << shift) as i64 >> shift).collect())
}
