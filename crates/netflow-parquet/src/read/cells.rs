//! From the pages of a column to the cells of flows.

use std::net::IpAddr;

use netflow_flow::{Cell, Extras, Flow, Kind, parse_address};
use netflow_templates::{DataType, Timestamp};

use super::column::{ColumnReader, ColumnValues, Levels};
use super::damaged;
use crate::error::Error;

/// Levels of a page of lists.
const MAX_LEVELS: usize = 1 << 24;

/// What sets one column.
#[derive(Debug)]
pub(crate) enum Cells {
    Flat(Box<Flat>),
    List(Box<Nested>),
    Map(Box<Nested>, Box<Nested>),
}

impl Cells {
    pub(crate) fn flat(reader: ColumnReader) -> Self {
        Self::Flat(Box::new(Flat { reader, values: ColumnValues::default(), addresses: Vec::new() }))
    }

    pub(crate) fn list(reader: ColumnReader) -> Self {
        Self::List(Box::new(Nested::new(reader)))
    }

    pub(crate) fn map(keys: ColumnReader, values: ColumnReader) -> Self {
        Self::Map(Box::new(Nested::new(keys)), Box::new(Nested::new(values)))
    }

    /// Sets the column in the next flows.
    pub(crate) fn fill(&mut self, flows: &mut [Flow]) -> Result<(), Error> {
        match self {
            Self::Flat(flat) => flat.fill(flows),
            Self::List(list) => list.fill_lists(flows),
            Self::Map(keys, values) => fill_maps(keys, values, flows),
        }
    }
}

/// A column of one value for a flow.
#[derive(Debug)]
pub(crate) struct Flat {
    reader: ColumnReader,
    values: ColumnValues,
    /// Addresses of the dictionary, once they were looked at.
    addresses: Vec<Option<IpAddr>>,
}

impl Flat {
    fn fill(&mut self, mut flows: &mut [Flow]) -> Result<(), Error> {
        while !flows.is_empty() {
            self.values.clear();
            let rows = self.reader.read(flows.len(), &mut self.values)?;
            if rows == 0 {
                return Err(ends(&self.reader));
            }
            let (mut now, later) = std::mem::take(&mut flows).split_at_mut(rows);
            flows = later;
            let (mut value, values) = (0, std::mem::take(&mut self.values));
            for &(present, count) in values.runs() {
                let count = count.min(now.len());
                let (some, rest) = std::mem::take(&mut now).split_at_mut(count);
                now = rest;
                if present {
                    self.set(some, &values, value)?;
                    value += count;
                }
            }
            self.values = values;
        }
        Ok(())
    }

    /// Sets the values from a place on.
    fn set(&mut self, flows: &mut [Flow], values: &ColumnValues, first: usize) -> Result<(), Error> {
        let column = self.reader.column;
        let next = first..first + flows.len();
        let unfit = |error: netflow_flow::CellError| damaged(error.to_string());
        if values.ids.is_empty() {
            let numbers = values.numbers.get(next).ok_or_else(|| ends(&self.reader))?;
            if column.set_numbers(flows, numbers) {
                return Ok(());
            }
            for (flow, &number) in flows.iter_mut().zip(numbers) {
                let number = number as i64;
                let cell = match column.kind {
                    Kind::Time => Cell::Time(Timestamp::from_nanos(number)),
                    // As in a flow of which nothing is known.
                    _ if number == 0 && !column.nullable => continue,
                    _ => Cell::Unsigned(
                        u64::try_from(number)
                            .map_err(|_| damaged(format!("column {} cannot hold {number}", column.name)))?,
                    ),
                };
                column.set(flow, cell).map_err(unfit)?;
            }
            return Ok(());
        }
        let ids = values.ids.get(next).ok_or_else(|| ends(&self.reader))?;
        for (flow, &id) in flows.iter_mut().zip(ids) {
            let text = || self.reader.text(id).ok_or_else(|| ends(&self.reader));
            let cell = match column.kind {
                Kind::Address => Cell::Address(address(&mut self.addresses, &self.reader, id, text)?),
                _ => Cell::Text(text()?),
            };
            column.set(flow, cell).map_err(unfit)?;
        }
        Ok(())
    }
}

/// The address that a text is; those of the dictionary are looked at once.
fn address<'a>(
    known: &mut Vec<Option<IpAddr>>,
    reader: &ColumnReader,
    id: u32,
    text: impl Fn() -> Result<&'a str, Error>,
) -> Result<IpAddr, Error> {
    if let Some(&Some(address)) = known.get(id as usize) {
        return Ok(address);
    }
    let text = text()?;
    let address = parse_address(text).ok_or_else(|| {
        damaged(format!("column {} has '{}', which is no address", reader.column.name, short(text)))
    })?;
    if id < reader.dictionary() {
        known.resize(reader.dictionary() as usize, None);
        known[id as usize] = Some(address);
    }
    Ok(address)
}

fn short(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

fn ends(reader: &ColumnReader) -> Error {
    damaged(format!("column {} ends before its {} flows", reader.column.name, reader.rows()))
}

/// A column of several values for a flow.
#[derive(Debug)]
pub(crate) struct Nested {
    reader: ColumnReader,
    values: ColumnValues,
    /// Repetition and definition of what is left of the page, from `at`.
    levels: Vec<(u8, u8)>,
    at: usize,
    value: usize,
    /// What is left of a page in which no flow has a value, which has no levels here.
    absent: usize,
}

impl Nested {
    fn new(reader: ColumnReader) -> Self {
        let values = ColumnValues::default();
        Self { reader, values, levels: Vec::new(), at: 0, value: 0, absent: 0 }
    }

    /// Levels of what comes next; `None` at the end.
    fn peek(&mut self) -> Result<Option<(u8, u8)>, Error> {
        while self.absent == 0 && self.at >= self.levels.len() {
            let Some(page) = self.reader.next_page(&mut self.values)? else { return Ok(None) };
            (self.at, self.value) = (0, 0);
            self.levels.clear();
            match (&page.repetition[..], &page.definition[..]) {
                (&[(0, _)], &[(0, absent)]) => self.absent = absent,
                _ => self.levels = levels(&page)?,
            }
        }
        Ok(Some(if self.absent > 0 { (0, 0) } else { self.levels[self.at] }))
    }

    /// How many of the next flows surely have no value.
    fn absent(&mut self) -> Result<usize, Error> {
        self.peek()?.ok_or_else(|| ends(&self.reader))?;
        Ok(self.absent)
    }

    /// Calls `take` with each value of the next flow: its place in the page, or `None` where it is absent.
    fn row(&mut self, mut take: impl FnMut(&Self, Option<usize>) -> Result<(), Error>) -> Result<(), Error> {
        let most = self.reader.leaf.max_definition;
        // A definition below this is of no value, and not even of an absent one.
        let least = most - u32::from(self.reader.leaf.optional);
        let mut first = true;
        loop {
            let (repetition, definition) = match self.peek()? {
                Some(levels) if first == (levels.0 == 0) => levels,
                Some(_) if !first => return Ok(()),
                None if !first => return Ok(()),
                _ => return Err(ends(&self.reader)),
            };
            let definition = u32::from(definition);
            if definition == most {
                take(self, Some(self.value))?;
                self.value += 1;
            } else if definition >= least {
                take(self, None)?;
            } else if repetition > 0 {
                return Err(damaged(format!(
                    "column {} goes on where it is absent",
                    self.reader.column.name
                )));
            }
            match self.absent {
                0 => self.at += 1,
                _ => self.absent -= 1,
            }
            first = false;
        }
    }

    fn text(&self, value: usize) -> Result<&str, Error> {
        let text = self.values.ids.get(value).and_then(|&id| self.reader.text(id));
        text.ok_or_else(|| ends(&self.reader))
    }

    fn fill_lists(&mut self, flows: &mut [Flow]) -> Result<(), Error> {
        let mut list = Vec::new();
        let mut flows = flows.iter_mut();
        loop {
            if flows.len() == 0 {
                return Ok(());
            }
            let absent = self.absent()?.min(flows.len());
            if absent > 0 {
                self.absent -= absent;
                flows.nth(absent - 1);
                continue;
            }
            let Some(flow) = flows.next() else { return Ok(()) };
            list.clear();
            self.row(|this, value| {
                let number = value.and_then(|value| this.values.numbers.get(value));
                let number = *number.ok_or_else(|| ends(&this.reader))? as i64;
                list.push(u32::try_from(number).map_err(|_| {
                    damaged(format!("column {} cannot hold {number}", this.reader.column.name))
                })?);
                Ok(())
            })?;
            if !list.is_empty() {
                let column = self.reader.column;
                column.set(flow, Cell::List(&list)).map_err(|error| damaged(error.to_string()))?;
            }
        }
    }
}

fn levels(page: &Levels) -> Result<Vec<(u8, u8)>, Error> {
    let count = page.definition.iter().fold(0_usize, |sum, &(_, count)| sum.saturating_add(count));
    if count > MAX_LEVELS {
        return Err(Error::Unsupported(format!("a page of lists has {count} levels")));
    }
    let expand = |runs: &[(u32, usize)]| -> Vec<u8> {
        runs.iter().flat_map(|&(level, count)| std::iter::repeat_n(level as u8, count)).collect()
    };
    Ok(expand(&page.repetition).into_iter().zip(expand(&page.definition)).collect())
}

fn fill_maps(keys: &mut Nested, values: &mut Nested, flows: &mut [Flow]) -> Result<(), Error> {
    let column = keys.reader.column;
    let (mut texts, mut extras) = (Vec::new(), Extras::new());
    let mut flows = flows.iter_mut();
    loop {
        if flows.len() == 0 {
            return Ok(());
        }
        let absent = keys.absent()?.min(values.absent()?).min(flows.len());
        if absent > 0 {
            keys.absent -= absent;
            values.absent -= absent;
            flows.nth(absent - 1);
            continue;
        }
        let Some(flow) = flows.next() else { return Ok(()) };
        texts.clear();
        keys.row(|keys, key| {
            texts.push((key.map(|key| keys.text(key).map(str::to_owned)).transpose()?, None));
            Ok(())
        })?;
        let mut pairs = texts.iter_mut();
        values.row(|values, value| {
            let (_, slot) = pairs.next().ok_or_else(|| ends(&keys.reader))?;
            *slot = value.map(|value| values.text(value).map(str::to_owned)).transpose()?;
            Ok(())
        })?;
        extras.clear();
        for (key, value) in &texts {
            if let (Some(key), Some(value)) = (key, value) {
                extras.push(key, 0, DataType::String, value.as_bytes());
            }
        }
        if !extras.is_empty() {
            column.set(flow, Cell::Extras((&extras).into())).map_err(|error| damaged(error.to_string()))?;
        }
    }
}
