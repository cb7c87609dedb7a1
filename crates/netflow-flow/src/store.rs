//! How the rare columns of many flows are held: each column in memory of its own, which is empty where no
//! flow has a value.

use std::fmt::Debug;
use std::ops::Range;

use netflow_templates::{Column as SetColumn, DataType};

use crate::column::{Cell, ColumnValue, Gathered};
use crate::extras::{Extras, ExtrasRef, repeated_name};

/// The values of one column, by row. Rows behind the last one that was set are absent.
pub(crate) trait Store<V>: Debug + Default {
    fn cell(&self, row: usize) -> Cell<'_>;
    /// Appends the values of some rows; false when they have to be taken cell by cell.
    fn gather(&self, rows: Range<usize>, gathered: &mut Gathered) -> bool;
    /// Sets the value of a row behind all that were set.
    fn set(&mut self, row: usize, value: &V);
    /// Sets `value`, which is absent, to that of a row.
    fn copy_to(&self, row: usize, value: &mut V);
    fn clear(&mut self);
}

/// Values of a fixed size.
#[derive(Debug)]
pub(crate) struct Values<T>(Vec<T>);

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: ColumnValue + Copy> Values<T> {
    pub(crate) fn get(&self, row: usize) -> T {
        self.0.get(row).copied().unwrap_or(T::ABSENT)
    }

    /// The values of some rows, to be set.
    #[inline]
    pub(crate) fn rows(&mut self, rows: Range<usize>) -> &mut [T] {
        if self.0.len() < rows.end {
            self.0.resize(rows.end, T::ABSENT);
        }
        &mut self.0[rows]
    }
}

impl<T: ColumnValue + Copy + PartialEq + Debug> Store<T> for Values<T> {
    fn cell(&self, row: usize) -> Cell<'_> {
        self.0.get(row).map_or(Cell::Null, ColumnValue::cell)
    }

    fn gather(&self, rows: Range<usize>, gathered: &mut Gathered) -> bool {
        let known = rows.start.min(self.0.len())..rows.end.min(self.0.len());
        let absent = rows.len() - known.len();
        let gathers = T::gather(self.0[known].iter(), gathered);
        if gathers {
            gathered.append(false, absent);
        }
        gathers
    }

    fn set(&mut self, row: usize, value: &T) {
        if *value != T::ABSENT {
            self.rows(row..row + 1)[0] = *value;
        }
    }

    fn copy_to(&self, row: usize, value: &mut T) {
        *value = self.get(row);
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Appends rows that are behind all that were set; false when some are not.
fn absent(set: usize, rows: Range<usize>, gathered: &mut Gathered) -> bool {
    let absent = set <= rows.start;
    if absent {
        gathered.append(false, rows.len());
    }
    absent
}

/// Texts, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    text: String,
    /// Where the text of each row is; nowhere when it is absent.
    spans: Vec<Range<usize>>,
    octets: Vec<u8>,
}

impl Texts {
    pub(crate) fn get(&self, row: usize) -> &str {
        self.spans.get(row).and_then(|span| self.text.get(span.clone())).unwrap_or_default()
    }

    /// Sets the text of a row that has none.
    pub(crate) fn complete(&mut self, row: usize, text: &str) {
        if self.spans.len() <= row {
            self.spans.resize(row + 1, 0..0);
        }
        if !self.spans[row].is_empty() {
            return;
        }
        // Flows that follow each other often have the same name.
        let before = row.checked_sub(1).map(|before| self.spans[before].clone());
        self.spans[row] = match before {
            Some(span) if self.text[span.clone()] == *text => span,
            _ => {
                let start = self.text.len();
                self.text.push_str(text);
                start..self.text.len()
            }
        };
    }

    /// Takes the values of a field, without the zeros that fill it up. What is no UTF-8 is replaced.
    pub(crate) fn fill(&mut self, column: &SetColumn<'_>, rows: Range<usize>) {
        self.spans.resize(rows.start, 0..0);
        self.spans.reserve(rows.len());
        self.octets.clear();
        let start = self.text.len();
        let Self { text, spans, octets } = self;
        let mut from = 0;
        column.append_octets(octets, |octets| {
            octets.truncate(from + trimmed(&octets[from..]).len());
            spans.push(start + from..start + octets.len());
            from = octets.len();
        });
        // All values at once, which is what short ones take the time for.
        if let Ok(all) = std::str::from_utf8(octets) {
            text.push_str(all);
            if all.is_ascii() || spans[rows.clone()].iter().all(|span| text.is_char_boundary(span.end)) {
                return;
            }
            text.truncate(start);
        }
        column.zip_octets(&mut spans[rows], |span, value| {
            let from = text.len();
            text.push_str(&String::from_utf8_lossy(trimmed(value)));
            *span = from..text.len();
        });
    }
}

/// A text without the zeros that fill it up.
#[inline]
fn trimmed(octets: &[u8]) -> &[u8] {
    let end = octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    &octets[..end]
}

impl Store<String> for Texts {
    fn cell(&self, row: usize) -> Cell<'_> {
        match self.get(row) {
            "" => Cell::Null,
            text => Cell::Text(text),
        }
    }

    fn gather(&self, rows: Range<usize>, gathered: &mut Gathered) -> bool {
        absent(self.spans.len(), rows, gathered)
    }

    fn set(&mut self, row: usize, value: &String) {
        if !value.is_empty() {
            self.complete(row, value);
        }
    }

    fn copy_to(&self, row: usize, value: &mut String) {
        value.push_str(self.get(row));
    }

    fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }
}

/// Lists of numbers, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    numbers: Vec<u32>,
    spans: Vec<Range<usize>>,
}

impl Lists {
    fn get(&self, row: usize) -> &[u32] {
        self.spans.get(row).map_or(&[], |span| &self.numbers[span.clone()])
    }

    /// Sets the list of a row, which must be behind all that were set.
    pub(crate) fn push(&mut self, row: usize, numbers: impl Iterator<Item = u32>) {
        self.spans.resize(row, 0..0);
        let start = self.numbers.len();
        self.numbers.extend(numbers);
        self.spans.push(start..self.numbers.len());
    }
}

impl Store<Vec<u32>> for Lists {
    fn cell(&self, row: usize) -> Cell<'_> {
        match self.get(row) {
            [] => Cell::Null,
            numbers => Cell::List(numbers),
        }
    }

    fn gather(&self, rows: Range<usize>, gathered: &mut Gathered) -> bool {
        absent(self.spans.len(), rows, gathered)
    }

    fn set(&mut self, row: usize, value: &Vec<u32>) {
        if !value.is_empty() {
            self.push(row, value.iter().copied());
        }
    }

    fn copy_to(&self, row: usize, value: &mut Vec<u32>) {
        value.extend_from_slice(self.get(row));
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.spans.clear();
    }
}

/// Fields that no column is for, each with its values in all flows of a data set.
#[derive(Debug, Default)]
pub(crate) struct ExtrasColumns {
    fields: Vec<ExtrasField>,
    /// The place of each row's first field; where a row has none, that of one behind it.
    firsts: Vec<u32>,
    names: String,
    octets: Vec<u8>,
    /// Where each value ends; it starts where the one before ends.
    ends: Vec<usize>,
}

#[derive(Debug)]
struct ExtrasField {
    name: Range<usize>,
    data_type: DataType,
    rows: Range<usize>,
    /// Where the first value starts, and the place of its end.
    start: usize,
    end: usize,
}

impl ExtrasColumns {
    /// Takes a field; `rows` must not be before those of the field before.
    pub(crate) fn fill(&mut self, column: &SetColumn<'_>, rows: Range<usize>) {
        let element = column.field().element();
        let count = rows.len();
        self.begin(&element.name, column.field().occurrence(), element.data_type, rows);
        self.ends.reserve(count);
        let Self { octets, ends, .. } = self;
        column.append_octets(octets, |octets| ends.push(octets.len()));
    }

    /// Takes a field whose values are `texts`.
    pub(crate) fn fill_texts(
        &mut self,
        column: &SetColumn<'_>,
        rows: Range<usize>,
        mut text: impl FnMut(usize, &mut Vec<u8>),
    ) {
        let element = column.field().element();
        self.begin(&element.name, column.field().occurrence(), DataType::String, rows.clone());
        for row in 0..rows.len() {
            text(row, &mut self.octets);
            self.ends.push(self.octets.len());
        }
    }

    fn begin(&mut self, name: &str, repeat: u16, data_type: DataType, rows: Range<usize>) {
        let start = self.names.len();
        repeated_name(&mut self.names, name, repeat);
        let (name, end) = (start..self.names.len(), self.ends.len());
        if self.firsts.len() < rows.end {
            self.firsts.resize(rows.end, self.fields.len() as u32);
        }
        self.fields.push(ExtrasField { name, data_type, rows, start: self.octets.len(), end });
    }

    /// Names, types and octets of a row.
    pub(crate) fn raw(&self, row: usize) -> impl Iterator<Item = (&str, DataType, &[u8])> {
        let first = self.firsts.get(row).map_or(self.fields.len(), |&first| first as usize);
        self.fields[first..].iter().take_while(move |field| field.rows.start <= row).map(move |field| {
            let at = field.end + row - field.rows.start;
            let start = if row == field.rows.start { field.start } else { self.ends[at - 1] };
            (&self.names[field.name.clone()], field.data_type, &self.octets[start..self.ends[at]])
        })
    }
}

impl Store<Extras> for ExtrasColumns {
    fn cell(&self, row: usize) -> Cell<'_> {
        let extras = ExtrasRef::of_row(self, row);
        if extras.is_empty() { Cell::Null } else { Cell::Extras(extras) }
    }

    fn gather(&self, rows: Range<usize>, gathered: &mut Gathered) -> bool {
        absent(self.fields.last().map_or(0, |field| field.rows.end), rows, gathered)
    }

    fn set(&mut self, row: usize, value: &Extras) {
        for (name, data_type, octets) in value.raw() {
            self.begin(name, 0, data_type, row..row + 1);
            self.octets.extend_from_slice(octets);
            self.ends.push(self.octets.len());
        }
    }

    fn copy_to(&self, row: usize, value: &mut Extras) {
        value.copy_from(ExtrasRef::of_row(self, row));
    }

    fn clear(&mut self) {
        self.fields.clear();
        self.firsts.clear();
        self.names.clear();
        self.octets.clear();
        self.ends.clear();
    }
}
