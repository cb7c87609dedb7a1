//! One test of the rows of a batch.

use std::ops::RangeInclusive;

use netflow_filter::{Condition, Derived, Numbers, Subject, Test};
use netflow_flow::{Cell, Column, Flow, Kind, column};

use super::rows::Rows;
use crate::batch::{Batch, Values, View};
use crate::dictionary::{Dictionary, Entry};
use crate::error::Error;

/// What `bytes` is the product of.
pub(super) const BYTES: [&str; 2] = ["bytes_raw", "sampling_rate"];
/// What `packets` is the product of.
pub(super) const PACKETS: [&str; 2] = ["packets_raw", "sampling_rate"];
/// Ranges that are compared one by one; of more, the one that it can be is looked for.
const FEW: usize = 4;

/// A test, and what it said of a dictionary.
#[derive(Debug)]
pub(super) struct Tested {
    test: Test,
    columns: Vec<&'static Column>,
    entries: Entries,
}

/// Which entries of a dictionary pass.
#[derive(Debug, Default)]
struct Entries {
    serial: Option<u64>,
    count: usize,
    /// A bit for each.
    passing: Vec<u64>,
}

impl Tested {
    pub(super) fn new(test: &Test) -> Self {
        Self { test: test.clone(), columns: test.columns(), entries: Entries::default() }
    }

    /// Makes `chosen` those of the rows in question that pass.
    pub(super) fn choose(&mut self, batch: &mut Batch, among: &Rows, chosen: &mut Rows) -> Result<(), Error> {
        batch.load(&self.columns)?;
        for (of, names) in [("bytes", BYTES), ("packets", PACKETS)] {
            let lacks = |column: &&&'static Column| column.name == of && is_absent(batch.values(column));
            if self.columns.iter().any(|column| lacks(&column)) {
                let columns: Vec<_> = names.into_iter().filter_map(column).collect();
                batch.load(&columns)?;
            }
        }
        match self.test.subject() {
            Subject::Column(column) if !(column.derived && is_absent(batch.values(column))) => {
                self.choose_by_column(column, batch.values(column), among, chosen);
            }
            Subject::Derived(Derived::Label(_) | Derived::LastLabel) => {
                if let Some(&column) = self.columns.first() {
                    self.choose_by_column(column, batch.values(column), among, chosen);
                }
            }
            subject => {
                let columns: Vec<_> =
                    self.columns.iter().map(|&column| Numbered::new(column, batch)).collect();
                let mut numbers = vec![0; columns.len()];
                chosen.keep_rows(among, |row| {
                    let are_there = numbers.iter_mut().zip(&columns).all(|(number, column)| {
                        column.number(row).is_some_and(|of_row| {
                            *number = of_row;
                            true
                        })
                    });
                    let number = match subject {
                        Subject::Derived(derived) if are_there => derived.of_numbers(&numbers),
                        _ => numbers.first().copied().filter(|_| are_there),
                    };
                    number.is_some_and(|number| self.test.number(number))
                });
            }
        }
        Ok(())
    }

    fn choose_by_column(&mut self, column: &Column, values: &Values, among: &Rows, chosen: &mut Rows) {
        let whole = |passes: bool| if passes { among.clone() } else { Rows::none() };
        match values.view() {
            // As in a flow of which nothing is known.
            View::Absent => *chosen = whole(self.test.matches((&Flow::default()).into())),
            View::Number(number) => *chosen = whole(self.test.number(signed(column, number))),
            View::Numbers(numbers, present) => {
                self.choose_by_numbers(column, numbers, among, chosen);
                if let Some(present) = present {
                    let passing = chosen.clone();
                    chosen.keep(&passing, present, |present| present);
                }
            }
            View::Id(id) => {
                self.entries.see(&self.test, column, values.dictionary());
                *chosen = whole(self.entries.passes(id));
            }
            View::Ids(ids) => {
                self.entries.see(&self.test, column, values.dictionary());
                let entries = &self.entries;
                if entries.passing.iter().all(|&word| word == 0) {
                    *chosen = Rows::none();
                } else {
                    chosen.keep(among, ids, |id| entries.passes(id));
                }
            }
        }
    }

    fn choose_by_numbers(&self, column: &Column, numbers: &[u64], among: &Rows, chosen: &mut Rows) {
        let Condition::Numbers(condition) = self.test.condition() else {
            // Whether there is one is known already.
            chosen.keep(among, numbers, |_| self.test.number(0));
            return;
        };
        match condition {
            Numbers::Ranges(ranges) => match &ranges[..] {
                [] => *chosen = Rows::none(),
                [one] => match span(column, one) {
                    Some((first, width)) => {
                        chosen.keep(among, numbers, |number| number.wrapping_sub(first) <= width);
                    }
                    None => *chosen = Rows::none(),
                },
                few if few.len() <= FEW => {
                    let spans: Vec<_> = few.iter().filter_map(|range| span(column, range)).collect();
                    chosen.keep(among, numbers, |number| {
                        spans.iter().any(|&(first, width)| number.wrapping_sub(first) <= width)
                    });
                }
                _ => chosen.keep(among, numbers, |number| condition.contains(signed(column, number))),
            },
            Numbers::AllBits(mask) => {
                let mask = *mask as u64;
                chosen.keep(among, numbers, |number| number & mask == mask);
            }
            Numbers::AnyBit(mask) => {
                let mask = *mask as u64;
                chosen.keep(among, numbers, |number| number & mask != 0);
            }
        }
    }
}

impl Entries {
    /// Looks at what is new in a dictionary.
    fn see(&mut self, test: &Test, column: &Column, dictionary: &Dictionary) {
        if self.serial != Some(dictionary.serial()) {
            *self = Self { serial: Some(dictionary.serial()), ..Self::default() };
        }
        for id in self.count..dictionary.len() {
            let passes = dictionary.get(id as u32).is_some_and(|entry| entry_passes(test, column, entry));
            if id % 64 == 0 {
                self.passing.push(0);
            }
            self.passing[id / 64] |= u64::from(passes) << (id % 64);
        }
        self.count = dictionary.len();
    }

    /// Whether an entry does; what is absent does not.
    #[inline]
    fn passes(&self, id: u32) -> bool {
        self.passing.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }
}

fn entry_passes(test: &Test, column: &Column, entry: Entry<'_>) -> bool {
    let text = match entry {
        Entry::Address(address) => return test.address(address),
        Entry::Text(text) => text,
    };
    if column.kind != Kind::List {
        return test.text(text);
    }
    let list: Vec<u32> = text.split('/').filter_map(|number| number.parse().ok()).collect();
    match test.subject() {
        Subject::Derived(derived) => derived.of_list(&list).is_some_and(|number| test.number(number)),
        Subject::Column(_) => test.cell(Cell::List(&list)),
    }
}

/// The numbers of a column, in the rows of a batch.
enum Numbered<'a> {
    Of(&'static Column, &'a Values),
    /// The file lacks it: a product of two.
    Product([&'a Values; 2]),
}

impl<'a> Numbered<'a> {
    fn new(column: &'static Column, batch: &'a Batch) -> Self {
        let values = batch.values(column);
        let names = match column.name {
            "bytes" => BYTES,
            "packets" => PACKETS,
            _ => return Self::Of(column, values),
        };
        match names.map(netflow_flow::column) {
            [Some(raw), Some(rate)] if is_absent(values) => {
                Self::Product([batch.values(raw), batch.values(rate)])
            }
            _ => Self::Of(column, values),
        }
    }

    fn number(&self, row: usize) -> Option<i64> {
        match self {
            Self::Of(column, values) => match values.number(row) {
                Some(number) => Some(signed(column, number)),
                // What is never absent is nothing where the file lacks it.
                None => (!column.nullable).then_some(0),
            },
            Self::Product([raw, rate]) => {
                let rate = rate.number(row).unwrap_or(0).max(1);
                let product = raw.number(row).unwrap_or(0).saturating_mul(rate);
                Some(i64::try_from(product).unwrap_or(i64::MAX))
            }
        }
    }
}

fn is_absent(values: &Values) -> bool {
    matches!(values.view(), View::Absent)
}

/// A number as conditions have it.
#[inline]
fn signed(column: &Column, number: u64) -> i64 {
    match column.kind {
        Kind::Time => number as i64,
        _ => i64::try_from(number).unwrap_or(i64::MAX),
    }
}

/// The first number of a range, and how far the last is from it; `None` when the column can have none of them.
fn span(column: &Column, range: &RangeInclusive<i64>) -> Option<(u64, u64)> {
    let (first, last) = (*range.start(), *range.end());
    if column.kind == Kind::Time {
        return Some((first as u64, last.wrapping_sub(first) as u64));
    }
    let first = first.max(0) as u64;
    // What is larger than the largest counts as that.
    let last = if last == i64::MAX { u64::MAX } else { u64::try_from(last).ok()? };
    Some((first, last.checked_sub(first)?))
}
