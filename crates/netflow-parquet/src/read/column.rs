//! One column of a row group.

use std::sync::Arc;

use netflow_flow::Column;
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::ColumnChunkMetaData;

use super::leaf::Leaf;
use super::page::{Content, Memory, Page, Pages, encoding, wrong};
use super::source::Source;
use crate::error::Error;
use crate::hybrid;

/// Values of a page.
const MAX_VALUES: usize = 1 << 23;

/// Reads a column of a row group.
#[derive(Debug)]
pub struct ColumnReader {
    pub(crate) column: &'static Column,
    pub(crate) leaf: Leaf,
    pages: Pages,
    content: Content,
    values: PageValues,
    /// What is left of the levels of a page, the next ones last.
    left: Vec<(bool, usize)>,
    rows: usize,
    /// Numbers of the dictionary.
    numbers: Vec<u64>,
    ids: Vec<u32>,
    texts: Texts,
    /// Those of the texts that the dictionary has; the others are of a page.
    dictionary: usize,
}

/// Memory of a [`ColumnReader`], for another one: to take it anew for each row group costs more than to read some.
#[derive(Debug, Default)]
pub struct ColumnMemory {
    pages: Memory,
    content: Content,
    numbers: Vec<u64>,
    ids: Vec<u32>,
    texts: Texts,
}

/// Values of rows that follow each other.
#[derive(Debug, Clone, Default)]
pub struct ColumnValues {
    runs: Vec<(bool, usize)>,
    /// Numbers of the rows that have one; nanoseconds of times, as the bits of an `i64`.
    pub numbers: Vec<u64>,
    /// Ids of texts of the rows that have one, for [`ColumnReader::text`].
    pub ids: Vec<u32>,
}

impl ColumnValues {
    /// Whether rows have a value, and how many that follow each other.
    pub fn runs(&self) -> &[(bool, usize)] {
        &self.runs
    }

    /// Removes all, keeping the memory.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.numbers.clear();
        self.ids.clear();
    }

    fn append(&mut self, present: bool, rows: usize) {
        match self.runs.last_mut() {
            Some((last, count)) if *last == present => *count += rows,
            _ => self.runs.push((present, rows)),
        }
    }
}

/// Levels of the values of a page, and how many of each follow each other.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    pub(crate) repetition: Vec<(u32, usize)>,
    pub(crate) definition: Vec<(u32, usize)>,
}

/// The values of a page that were not read yet.
#[derive(Debug, Default)]
struct PageValues {
    of: Encoded,
    left: usize,
}

/// How values are in the octets of a page.
#[derive(Debug, Default)]
enum Encoded {
    #[default]
    Nothing,
    /// One behind the other, from here on.
    Plain { at: usize },
    /// Their lowest octets first, then the next ones; so many numbers, of which the next one, and how many octets of
    /// each are not zeros throughout.
    Split { at: usize, count: usize, next: usize, used: usize },
    /// Places in the dictionary.
    Ids(hybrid::Numbers),
    /// Texts that are behind those of the dictionary, and the id of the next one.
    Texts { next: u32 },
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
        memory: ColumnMemory,
    ) -> Result<Self, Error> {
        let ColumnMemory { pages, content, mut numbers, mut ids, mut texts } = memory;
        numbers.clear();
        ids.clear();
        texts.truncate(0);
        Ok(Self {
            column,
            leaf: *leaf,
            pages: Pages::new(source, chunk, pages)?,
            content,
            values: PageValues::default(),
            left: Vec::new(),
            rows,
            numbers,
            ids,
            texts,
            dictionary: 0,
        })
    }

    /// Its memory, for [`FlowFile::column_with`](crate::FlowFile::column_with).
    pub fn into_memory(self) -> ColumnMemory {
        let Self { pages, content, numbers, ids, texts, .. } = self;
        ColumnMemory { pages: pages.into_memory(), content, numbers, ids, texts }
    }

    /// The column.
    pub fn column(&self) -> &'static Column {
        self.column
    }

    /// The text with an id. Those below [`dictionary`](Self::dictionary) stay the same for the row group, others
    /// only until more is read.
    pub fn text(&self, id: u32) -> Option<&str> {
        self.texts.get(id as usize)
    }

    /// How many texts the column's dictionary has, once something was read.
    pub fn dictionary(&self) -> u32 {
        self.dictionary as u32
    }

    /// Appends the values of the next rows, so many at most and at least one, and says how many rows these are; 0 at
    /// the end.
    pub fn read(&mut self, most: usize, values: &mut ColumnValues) -> Result<usize, Error> {
        self.told(|this| {
            let mut rows = 0;
            while this.left.is_empty() {
                if !this.next_flat(0)? {
                    return Ok(0);
                }
            }
            // No more than a page, whose texts are there.
            while let Some((present, count)) = this.left.pop() {
                let some = count.min(most - rows);
                if count > some {
                    this.left.push((present, count - some));
                }
                if some == 0 {
                    break;
                }
                values.append(present, some);
                if present {
                    this.read_values(some, &mut values.numbers, &mut values.ids)?;
                }
                rows += some;
            }
            Ok(rows)
        })
    }

    /// Passes over the next rows; pages of which nothing is read are not even decompressed.
    pub fn skip(&mut self, rows: usize) -> Result<(), Error> {
        self.told(|this| {
            let (mut numbers, mut ids) = (Vec::new(), Vec::new());
            let mut left = rows;
            while left > 0 {
                let Some((present, count)) = this.left.pop() else {
                    let passed = this.next_page_or_pass(left)?;
                    match passed {
                        Some(Next::Passed(rows)) => left -= rows.min(left),
                        Some(Next::Levels(levels)) => this.flatten(&levels),
                        None => return Ok(()),
                    }
                    continue;
                };
                let some = count.min(left);
                if count > some {
                    this.left.push((present, count - some));
                }
                if present {
                    numbers.clear();
                    ids.clear();
                    this.read_values(some, &mut numbers, &mut ids)?;
                }
                left -= some;
            }
            Ok(())
        })
    }

    /// The levels of the next page, and all of its values; `None` at the end.
    pub(crate) fn next_page(&mut self, values: &mut ColumnValues) -> Result<Option<Levels>, Error> {
        self.told(|this| {
            let Some(Next::Levels(levels)) = this.next_page_or_pass(0)? else { return Ok(None) };
            values.clear();
            this.read_values(this.values.left, &mut values.numbers, &mut values.ids)?;
            Ok(Some(levels))
        })
    }

    /// Says of which column an error is.
    fn told<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let of = self.column.name;
        read(self).map_err(|error| match error {
            Error::Damaged(what) => Error::Damaged(format!("column {of}: {what}")),
            Error::Unsupported(what) => Error::Unsupported(format!("column {of}: {what}")),
            other => other,
        })
    }

    /// Goes to the next page of a column of one value for a row; false at the end.
    fn next_flat(&mut self, pass: usize) -> Result<bool, Error> {
        match self.next_page_or_pass(pass)? {
            Some(Next::Levels(levels)) => self.flatten(&levels),
            Some(Next::Passed(_)) => {}
            None => return Ok(false),
        }
        Ok(true)
    }

    fn flatten(&mut self, levels: &Levels) {
        let most = self.leaf.max_definition;
        let rows = levels.definition.iter().rev().filter(|(_, rows)| *rows > 0);
        self.left.extend(rows.map(|&(level, rows)| (level == most, rows)));
    }

    fn next_page_or_pass(&mut self, pass: usize) -> Result<Option<Next>, Error> {
        loop {
            match self.pages.next(pass, &mut self.content)? {
                None => return Ok(None),
                Some(Page::Passed { values }) => return Ok(Some(Next::Passed(values))),
                Some(Page::Dictionary { values }) => self.read_dictionary(values)?,
                Some(Page::Data { values, encoding, levels }) => {
                    return self.begin(values, encoding, levels).map(|levels| Some(Next::Levels(levels)));
                }
            }
        }
    }

    fn read_dictionary(&mut self, count: usize) -> Result<(), Error> {
        let lacks = || wrong("the dictionary has not all of its values, or texts that are none");
        let octets = &self.content.octets;
        if self.leaf.physical == PhysicalType::BYTE_ARRAY {
            self.texts.truncate(0);
            self.texts.append(octets, count).ok_or_else(lacks)?;
            self.dictionary = count;
        } else {
            self.numbers.clear();
            plain(&self.leaf, octets, count, &mut self.numbers).ok_or_else(lacks)?;
        }
        Ok(())
    }

    /// Reads the levels of a page, and finds its values.
    fn begin(&mut self, count: usize, encoding: i64, lengths: Option<[usize; 2]>) -> Result<Levels, Error> {
        let Leaf { max_definition, max_repetition, .. } = self.leaf;
        let short = || wrong("a page is shorter than what it says to hold");
        let mut octets = match lengths {
            Some(_) => &self.content.levels[..],
            None => &self.content.octets[..],
        };
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
        let at = if lengths.is_some() { 0 } else { self.content.octets.len() - octets.len() };
        self.values = match present {
            0 => PageValues::default(),
            _ => PageValues { of: self.encoded(present, encoding, at)?, left: present },
        };
        Ok(Levels { repetition, definition })
    }

    /// Finds the values of a page, which start somewhere.
    fn encoded(&mut self, count: usize, encoding: i64, at: usize) -> Result<Encoded, Error> {
        let short = || wrong("a page has not all of its values, or texts that are none");
        let texts = self.leaf.physical == PhysicalType::BYTE_ARRAY;
        let octets = &self.content.octets[at..];
        let octets_of_one = if self.leaf.physical == PhysicalType::INT32 { 4 } else { 8 };
        match encoding {
            encoding::PLAIN_DICTIONARY | encoding::RLE_DICTIONARY => {
                let &width = octets.first().ok_or_else(short)?;
                hybrid::Numbers::new(width, at + 1).map(Encoded::Ids).ok_or_else(short)
            }
            encoding::PLAIN if texts => {
                self.texts.truncate(self.dictionary);
                self.texts.append(octets, count).ok_or_else(short)?;
                Ok(Encoded::Texts { next: self.dictionary as u32 })
            }
            encoding::PLAIN | encoding::BYTE_STREAM_SPLIT
                if texts || octets.len() / octets_of_one < count =>
            {
                match texts {
                    true => Err(Error::Unsupported(format!("its values have the encoding {encoding}"))),
                    false => Err(short()),
                }
            }
            encoding::PLAIN => Ok(Encoded::Plain { at }),
            encoding::BYTE_STREAM_SPLIT => {
                let streams = octets[..count * octets_of_one].chunks_exact(count);
                let is_used = |stream: &[u8]| stream.iter().fold(0, |all, octet| all | octet) != 0;
                let used = streams.rev().position(is_used).map_or(0, |zeros| octets_of_one - zeros);
                Ok(Encoded::Split { at, count, next: 0, used })
            }
            other => Err(Error::Unsupported(format!("its values have the encoding {other}"))),
        }
    }

    /// Appends the next values of the page.
    fn read_values(&mut self, count: usize, numbers: &mut Vec<u64>, ids: &mut Vec<u32>) -> Result<(), Error> {
        let short = || wrong("a page has not all of its values, or texts that are none");
        self.values.left = self.values.left.checked_sub(count).ok_or_else(short)?;
        let (octets, leaf) = (&self.content.octets[..], &self.leaf);
        let before = numbers.len();
        match &mut self.values.of {
            Encoded::Nothing if count == 0 => {}
            Encoded::Nothing => return Err(short()),
            Encoded::Plain { at } => {
                let taken = plain(leaf, &octets[*at..], count, numbers).ok_or_else(short)?;
                *at += taken;
            }
            Encoded::Split { at, count: all, next, used } => {
                joined(&octets[*at..], *all, *next, count, *used, numbers);
                *next += count;
                if leaf.physical == PhysicalType::INT32 && *used == 4 {
                    // What is shorter than 64 bits has its sign there.
                    numbers[before..].iter_mut().for_each(|number| *number = *number as i32 as i64 as u64);
                }
                leaf.scale(&mut numbers[before..]);
            }
            Encoded::Texts { next } => {
                ids.extend(*next..*next + count as u32);
                *next += count as u32;
            }
            Encoded::Ids(encoded) => {
                let texts = leaf.physical == PhysicalType::BYTE_ARRAY;
                let ids = if texts { ids } else { &mut self.ids };
                let start = if texts { ids.len() } else { 0 };
                ids.truncate(start);
                encoded.read(octets, count, ids).ok_or_else(short)?;
                let known = if texts { self.dictionary } else { self.numbers.len() };
                let known = u32::try_from(known).unwrap_or(u32::MAX);
                if ids[start..].iter().fold(false, |wrong, &id| wrong | (id >= known)) {
                    return Err(wrong("a value is not in the dictionary"));
                }
                if !texts {
                    numbers.extend(ids.iter().map(|&id| self.numbers[id as usize]));
                }
            }
        }
        Ok(())
    }

    /// Rows of the row group.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
}

/// What comes next.
enum Next {
    Levels(Levels),
    /// A page of so many rows was passed over.
    Passed(usize),
}

/// Appends numbers that are there as they are, and gives how many octets they take.
fn plain(leaf: &Leaf, octets: &[u8], count: usize, numbers: &mut Vec<u64>) -> Option<usize> {
    let before = numbers.len();
    let taken = match leaf.physical {
        PhysicalType::INT32 => {
            let octets = octets.get(..count.checked_mul(4)?)?;
            let values = octets.as_chunks().0.iter();
            numbers.extend(values.map(|&octets| i64::from(i32::from_le_bytes(octets)) as u64));
            octets.len()
        }
        _ => {
            let octets = octets.get(..count.checked_mul(8)?)?;
            numbers.extend(octets.as_chunks().0.iter().map(|&octets| u64::from_le_bytes(octets)));
            octets.len()
        }
    };
    leaf.scale(&mut numbers[before..]);
    Some(taken)
}

/// Appends `count` numbers of `all`, from the one at `next`, whose lowest octets come first, then the next ones; those
/// behind `used` are zeros. All octets are there.
fn joined(octets: &[u8], all: usize, next: usize, count: usize, used: usize, numbers: &mut Vec<u64>) {
    let stream = |place: usize| &octets[place * all + next..][..count];
    match used {
        0 => numbers.resize(numbers.len() + count, 0),
        1 => numbers.extend(stream(0).iter().map(|&octet| u64::from(octet))),
        2 => {
            let both = stream(0).iter().zip(stream(1));
            numbers.extend(both.map(|(&a, &b)| u64::from(u16::from_le_bytes([a, b]))));
        }
        3 => {
            let three = stream(0).iter().zip(stream(1)).zip(stream(2));
            numbers.extend(three.map(|((&a, &b), &c)| u64::from(u32::from_le_bytes([a, b, c, 0]))));
        }
        4 => {
            let four = stream(0).iter().zip(stream(1)).zip(stream(2).iter().zip(stream(3)));
            numbers.extend(four.map(|((&a, &b), (&c, &d))| u64::from(u32::from_le_bytes([a, b, c, d]))));
        }
        _ => {
            let before = numbers.len();
            numbers.extend(stream(0).iter().map(|&octet| u64::from(octet)));
            for place in 1..used {
                for (number, &octet) in numbers[before..].iter_mut().zip(stream(place)) {
                    *number |= u64::from(octet) << (8 * place);
                }
            }
        }
    }
}
