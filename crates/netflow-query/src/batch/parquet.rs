//! Columns of a row group, read when they are asked for.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use netflow_flow::{Column, Flow, Kind};
use netflow_parquet::{ColumnPage, ColumnReader, FlowFile, PageValues, RowGroupReader};

use super::values::Shape;
use super::{ABSENT, FlowBatch, Values, dictionary_of, has_ids};
use crate::dictionary::Entry;
use crate::error::Error;

/// One column of a row group.
#[derive(Debug)]
pub(super) struct Feed {
    column: &'static Column,
    of: Of,
    /// Rows that were passed over since something was read.
    behind: usize,
    loaded: bool,
}

#[derive(Debug)]
enum Of {
    Pages(Box<Pages>),
    /// Lists and maps are read flow by flow, by a batch of its own, whose values are lent out from the first time on.
    Flows(RowGroupReader, Box<FlowBatch>, Vec<Flow>, bool),
}

#[derive(Debug)]
struct Pages {
    reader: ColumnReader,
    page: ColumnPage,
    /// What is left of the page, the next one last.
    runs: Vec<(bool, usize)>,
    value: usize,
    /// Whether the dictionary was taken over.
    known: bool,
    /// Texts that are not in the dictionary of the file.
    others: HashMap<String, u32, RandomState>,
}

impl Feed {
    /// `None` when the file has no such column.
    pub(super) fn new(file: &FlowFile, group: usize, column: &'static Column) -> Result<Option<Self>, Error> {
        let of = if matches!(column.kind, Kind::List | Kind::Extras) {
            let reader = file.row_group(group, &[column])?;
            Of::Flows(reader, Box::new(FlowBatch::new(&[column])), Vec::new(), false)
        } else {
            let Some(reader) = file.column(group, column)? else { return Ok(None) };
            Of::Pages(Box::new(Pages {
                reader,
                page: ColumnPage::default(),
                runs: Vec::new(),
                value: 0,
                known: false,
                others: HashMap::default(),
            }))
        };
        Ok(Some(Self { column, of, behind: 0, loaded: false }))
    }

    /// Goes on behind the rows of a batch, whether they were read or not.
    pub(super) fn pass(&mut self, rows: usize, values: &mut Values) {
        if !std::mem::take(&mut self.loaded) {
            self.behind += rows;
        }
        values.shape = Shape::Absent;
    }

    /// Reads the values of the next rows.
    pub(super) fn load(&mut self, rows: usize, values: &mut Values) -> Result<(), Error> {
        if std::mem::replace(&mut self.loaded, true) {
            return Ok(());
        }
        let skip = std::mem::take(&mut self.behind);
        match &mut self.of {
            Of::Pages(pages) => {
                values.numbers.clear();
                values.ids.clear();
                values.present.clear();
                pages.read(skip, |_, _, _| Ok(()))?;
                pages.load(self.column, rows, values)
            }
            Of::Flows(reader, batch, flows, lent) => {
                if std::mem::replace(lent, true) {
                    std::mem::swap(values, batch.values());
                }
                let mut left = skip;
                while left > 0 && reader.read(left.min(super::BATCH_ROWS), flows)? {
                    left -= flows.len();
                }
                batch.clear();
                reader.read(rows, flows)?;
                flows.iter().try_for_each(|flow| batch.push(flow))?;
                std::mem::swap(values, batch.values());
                Ok(())
            }
        }
    }
}

impl Pages {
    /// Calls `take` for the next rows, as many as follow each other and are alike.
    fn read(
        &mut self,
        rows: usize,
        mut take: impl FnMut(&mut Self, usize, Option<usize>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut left = rows;
        while left > 0 {
            let Some((present, count)) = self.runs.pop() else {
                self.page = match self.reader.next_page()? {
                    Some(page) => page,
                    None => return Err(ends(&self.reader)),
                };
                self.runs = self.page.runs().collect();
                self.runs.reverse();
                self.value = 0;
                continue;
            };
            let now = count.min(left);
            if count > now {
                self.runs.push((present, count - now));
            }
            take(self, now, present.then_some(self.value))?;
            self.value += if present { now } else { 0 };
            left -= now;
        }
        Ok(())
    }

    fn load(&mut self, column: &'static Column, rows: usize, values: &mut Values) -> Result<(), Error> {
        let ids = has_ids(column);
        values.shape = if ids { Shape::Ids } else { Shape::Numbers };
        self.read(rows, |pages, count, start| {
            match (start, &pages.page.values()) {
                (None, _) if ids => values.ids.resize(values.ids.len() + count, ABSENT),
                (None, _) => {
                    values.present.resize(values.numbers.len(), true);
                    values.numbers.resize(values.numbers.len() + count, 0);
                    values.present.resize(values.numbers.len(), false);
                }
                (Some(start), PageValues::Numbers(numbers)) => {
                    values.numbers.extend(numbers[start..start + count].iter().map(|&number| number as u64));
                    if !values.present.is_empty() {
                        values.present.resize(values.numbers.len(), true);
                    }
                }
                (Some(start), PageValues::Texts(texts)) => {
                    let of_file = pages.reader.dictionary();
                    if !pages.known {
                        pages.known = true;
                        values.dictionary = dictionary_of(column);
                        for id in 0..of_file {
                            let text = pages.reader.text(id).unwrap_or_default();
                            values.dictionary.push(column.name, Entry::Text(text))?;
                        }
                    }
                    for &id in &texts[start..start + count] {
                        let id = if id < of_file {
                            id
                        } else {
                            let text = pages.reader.text(id).unwrap_or_default();
                            match pages.others.get(text) {
                                Some(&id) => id,
                                None => {
                                    let id = values.dictionary.len() as u32;
                                    values.dictionary.push(column.name, Entry::Text(text))?;
                                    pages.others.insert(text.to_owned(), id);
                                    id
                                }
                            }
                        };
                        values.ids.push(id);
                    }
                }
                (Some(_), PageValues::None) => {}
            }
            Ok(())
        })
    }
}

fn ends(reader: &ColumnReader) -> Error {
    let name = reader.column().name;
    netflow_parquet::Error::Damaged(format!("column {name} ends before its flows")).into()
}
