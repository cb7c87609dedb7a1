//! What one thread counts.

use std::sync::Arc;

use netflow_flow::Column;

use super::groups::{Groups, Hashing};
use super::layout::{Component, Is, Layout, MOST_WORDS, Place};
use super::{Shared, Source, Totals};
use crate::batch::{ABSENT, Batch, Values, View};
use crate::error::Error;
use crate::key::Directions;
use crate::scan::Consumer;
use crate::selection::Selection;

/// What one thread has counted of a question's answer.
#[derive(Debug)]
pub struct Partial {
    shared: Arc<Shared>,
    pub(super) total: Totals,
    pub(super) records: u64,
    pub(super) groups: Sized,
    lanes: [Lane; 3],
    /// For each key and end, what ids stand for in the words.
    translations: Vec<[Translation; 2]>,
    /// Sums by id, where there is one key, and it has ids.
    by_id: Option<[Vec<Totals>; 2]>,
}

/// Groups whose keys have so many words.
#[derive(Debug)]
pub(super) enum Sized {
    One(Groups<1>),
    Two(Groups<2>),
    Three(Groups<3>),
    Four(Groups<4>),
    Most(Groups<MOST_WORDS>),
}

/// Does the same whatever the number of words is.
macro_rules! sized {
    ($groups:expr, $name:ident => $do:expr) => {
        match $groups {
            Sized::One($name) => $do,
            Sized::Two($name) => $do,
            Sized::Three($name) => $do,
            Sized::Four($name) => $do,
            Sized::Most($name) => $do,
        }
    };
}

/// What is packed for each id of a dictionary.
#[derive(Debug, Default)]
struct Translation {
    serial: Option<u64>,
    words: Vec<u64>,
}

/// A measure of the selected rows.
#[derive(Debug, Default)]
struct Lane {
    same: Option<u64>,
    each: Vec<u64>,
}

impl Lane {
    #[inline]
    fn at(&self, row: usize) -> u64 {
        self.same.unwrap_or_else(|| self.each[row])
    }

    /// Takes a measure; absent numbers are 0.
    fn load(&mut self, source: &Source, batch: &Batch, selection: &Selection) {
        let own = source.column.map_or(View::Absent, |column| batch.values(column).view());
        self.each.clear();
        self.same = match own {
            View::Number(number) => Some(number),
            View::Numbers(numbers, _) => {
                match selection.rows() {
                    None => self.each.extend_from_slice(numbers),
                    Some(rows) => self.each.extend(rows.iter().map(|&row| numbers[row as usize])),
                }
                None
            }
            _ => match source.product {
                Some(product) => {
                    let [one, other] = product.map(|column| batch.values(column));
                    self.each.extend(selection.iter().map(|row| {
                        let number = one.number(row).unwrap_or(0);
                        number.saturating_mul(other.number(row).unwrap_or(1).max(1))
                    }));
                    None
                }
                None => Some(0),
            },
        };
    }

    fn sum(&self, rows: usize) -> u64 {
        match self.same {
            Some(number) => number.saturating_mul(rows as u64),
            None => {
                let all = self.each.iter().fold(0, |all, number| all | number);
                match u64::try_from(self.each.len()).ok().and_then(|rows| all.checked_mul(rows)) {
                    // None of them is larger than all their bits together, so nothing can overflow.
                    Some(_) => self.each.iter().fold(0, |sum: u64, &number| sum.wrapping_add(number)),
                    None => self.each.iter().fold(0, |sum: u64, &number| sum.saturating_add(number)),
                }
            }
        }
    }
}

impl Partial {
    pub(super) fn new(shared: &Arc<Shared>, threads: usize) -> Self {
        let layout = &shared.layout;
        let hashing = Hashing { seed: shared.seed.clone(), series: layout.series };
        // The other half is for addresses and texts that are kept once.
        let most = shared.memory / 2 / threads.max(1) as u64;
        let groups = match layout.words {
            1 => Sized::One(Groups::new(hashing, most)),
            2 => Sized::Two(Groups::new(hashing, most)),
            3 => Sized::Three(Groups::new(hashing, most)),
            4 => Sized::Four(Groups::new(hashing, most)),
            _ => Sized::Most(Groups::new(hashing, most)),
        };
        let by_id = match &layout.components[..] {
            [only] if only.is.is_of_ids() => Some(Default::default()),
            _ => None,
        };
        Self {
            total: Totals::default(),
            records: 0,
            groups,
            lanes: Default::default(),
            translations: layout.components.iter().map(|_| Default::default()).collect(),
            by_id,
            shared: shared.clone(),
        }
    }

    /// Moves what is counted by ids to the groups: the ids are about to stand for something else.
    fn settle(&mut self, end: usize) -> Result<(), Error> {
        let Some(by_id) = &mut self.by_id else { return Ok(()) };
        let sums = &mut by_id[end];
        let words = &self.translations[0][end].words;
        let spill = self.shared.spill.as_deref();
        let found = sums.iter().enumerate().filter(|(_, sum)| sum.flows > 0);
        // What is absent is behind all ids.
        let found = found.map(|(id, &sum)| (words.get(id).copied().unwrap_or(0), sum));
        let found: Vec<_> = found.collect();
        sums.clear();
        if let Sized::One(groups) = &mut self.groups {
            groups.keys.clear();
            groups.keys.extend(found.iter().map(|&(word, _)| [word]));
            groups.add(|row| found[row].1, spill)?;
        }
        Ok(())
    }

    /// Counts by ids alone.
    fn count_by_id(&mut self, end: usize, batch: &Batch, selection: &Selection) -> Result<(), Error> {
        let shared = self.shared.clone();
        let component = &shared.layout.components[0];
        let Some(&column) = component.columns[end].first() else { return Ok(()) };
        let values = batch.values(column);
        if self.translations[0][end].serial != Some(values.dictionary().serial()) {
            self.settle(end)?;
        }
        self.translations[0][end].update(&component.is, values, &shared);
        let Some(by_id) = &mut self.by_id else { return Ok(()) };
        let sums = &mut by_id[end];
        let known = values.dictionary().len();
        if sums.len() <= known {
            // That of what is absent comes behind all that there are now.
            let absent = sums.pop().unwrap_or_default();
            sums.resize(known + 1, Totals::default());
            sums[known] = absent;
        }
        let [bytes, packets, flows] = &self.lanes;
        let mut count = |row: usize, id: u32| {
            sums[(id as usize).min(known)].add(Totals {
                bytes: bytes.at(row),
                packets: packets.at(row),
                flows: flows.at(row),
            });
        };
        match (values.view(), selection.rows()) {
            // The most frequent case, without a choice for each row.
            (View::Ids(ids), None)
                if let (None, None, Some(flows)) = (bytes.same, packets.same, flows.same) =>
            {
                let measures = bytes.each.iter().zip(&packets.each);
                for (&id, (&bytes, &packets)) in ids.iter().zip(measures) {
                    sums[(id as usize).min(known)].add(Totals { bytes, packets, flows });
                }
            }
            (View::Ids(ids), None) => ids.iter().enumerate().for_each(|(row, &id)| count(row, id)),
            (View::Ids(ids), Some(rows)) => {
                rows.iter().enumerate().for_each(|(row, &at)| count(row, ids[at as usize]));
            }
            (View::Id(id), _) => (0..selection.len()).for_each(|row| count(row, id)),
            _ => (0..selection.len()).for_each(|row| count(row, ABSENT)),
        }
        Ok(())
    }

    /// Ends the counting.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.settle(0)?;
        self.settle(1)?;
        sized!(&mut self.groups, groups => groups.flush());
        Ok(())
    }
}

impl Consumer for Partial {
    fn columns(&self) -> Vec<&'static Column> {
        let components = self.shared.layout.components.iter();
        let keys = components.flat_map(|component| component.columns.iter().flatten().copied());
        keys.chain(self.shared.measures.iter().flat_map(Source::columns)).collect()
    }

    fn take(&mut self, batch: &mut Batch, selection: &Selection) -> Result<(), Error> {
        let shared = self.shared.clone();
        // All that can fail comes before anything is counted.
        let ends = if shared.directions == Directions::Ends { 2 } else { 1 };
        let loaded = if shared.directions == Directions::One { 1 } else { 2 };
        (0..loaded).try_for_each(|end| shared.layout.load(batch, end))?;
        for (lane, source) in self.lanes.iter_mut().zip(&shared.measures) {
            batch.load(source.column.as_slice())?;
            if let (Some(product), Some(column)) = (&source.product, source.column)
                && matches!(batch.values(column).view(), View::Absent)
            {
                batch.load(product)?;
            }
            lane.load(source, batch, selection);
        }
        let flows = &mut self.lanes[2];
        flows.same = flows.same.map(|flows| flows.max(1));
        flows.each.iter_mut().for_each(|flows| *flows = (*flows).max(1));
        let rows = selection.len();
        self.records += rows as u64;
        let [bytes, packets, flows] = [0, 1, 2].map(|lane| self.lanes[lane].sum(rows));
        self.total.add(Totals { bytes, packets, flows });

        for end in 0..ends {
            if self.by_id.is_some() {
                self.count_by_id(end, batch, selection)?;
                continue;
            }
            let Self { groups, translations, lanes: [bytes, packets, flows], .. } = self;
            let totals =
                |row: usize| Totals { bytes: bytes.at(row), packets: packets.at(row), flows: flows.at(row) };
            sized!(groups, groups => {
                shared.layout.keys(batch, selection, end, translations, &shared, &mut groups.keys);
                if shared.directions == Directions::Swapped {
                    let mut others = Vec::new();
                    shared.layout.keys(batch, selection, 1, translations, &shared, &mut others);
                    groups.keys.iter_mut().zip(others).for_each(|(key, other)| *key = other.min(*key));
                }
                groups.add(totals, shared.spill.as_deref())?;
            });
        }
        Ok(())
    }
}

impl Layout {
    /// Reads the columns that keys are made of.
    fn load(&self, batch: &mut Batch, end: usize) -> Result<(), Error> {
        self.components.iter().try_for_each(|component| batch.load(&component.columns[end]))
    }

    /// The keys of the selected rows.
    fn keys<const K: usize>(
        &self,
        batch: &Batch,
        selection: &Selection,
        end: usize,
        translations: &mut [[Translation; 2]],
        shared: &Shared,
        keys: &mut Vec<[u64; K]>,
    ) {
        keys.clear();
        keys.resize(selection.len(), [0; K]);
        for (component, translations) in self.components.iter().zip(translations) {
            component.pack(batch, selection, end, &mut translations[end], shared, keys);
        }
    }
}

impl Translation {
    /// Packs what came to the dictionary.
    fn update(&mut self, is: &Is, values: &Values, shared: &Shared) {
        let dictionary = values.dictionary();
        if self.serial != Some(dictionary.serial()) {
            self.serial = Some(dictionary.serial());
            self.words.clear();
        }
        if self.words.len() < dictionary.len() {
            let mut interner = shared.interner();
            let new = self.words.len()..dictionary.len();
            self.words.extend(new.map(|id| is.packed(dictionary.get(id as u32), &mut interner)));
        }
    }

    #[inline]
    fn of(&self, id: u32) -> u64 {
        if id == ABSENT { 0 } else { self.words.get(id as usize).copied().unwrap_or(0) }
    }
}

impl Component {
    /// Packs a key of all selected rows.
    fn pack<const K: usize>(
        &self,
        batch: &Batch,
        selection: &Selection,
        end: usize,
        translation: &mut Translation,
        shared: &Shared,
        keys: &mut [[u64; K]],
    ) {
        let columns = &self.columns[end];
        let Some(values) = columns.first().map(|column| batch.values(column)) else { return };
        match &self.is {
            Is::Address(_) | Is::Text => {
                translation.update(&self.is, values, shared);
                match values.view() {
                    View::Id(id) => put_same(keys, self.place, translation.of(id)),
                    View::Ids(ids) => put(keys, selection, self.place, |row| translation.of(ids[row])),
                    View::Absent | View::Number(_) | View::Numbers(..) => {}
                }
            }
            Is::Service(ports) => {
                let [proto, source, destination] =
                    [0, 1, 2].map(|at| columns.get(at).map(|column| batch.values(column)));
                let number =
                    |values: Option<&Values>, row| values.and_then(|values| values.number(row)).unwrap_or(0);
                put(keys, selection, self.place, |row| {
                    let protocol = number(proto, row) as u8;
                    let ports =
                        ports.service(protocol, number(source, row) as u16, number(destination, row) as u16);
                    u64::from(protocol) << 16 | u64::from(ports)
                });
            }
            Is::Bucket(width) => {
                let width = i64::try_from(*width).unwrap_or(i64::MAX).max(1);
                let others = columns.get(1).map(|column| batch.values(column));
                let time = |row| values.number(row).or_else(|| others.and_then(|others| others.number(row)));
                put(keys, selection, self.place, |row| {
                    time(row).map_or(0, |nanos| (nanos as i64).div_euclid(width) as u64)
                });
                if let Some(flag) = self.flag {
                    put(keys, selection, flag, |row| u64::from(time(row).is_some()));
                }
            }
            Is::Number(_) | Is::Time => {
                // What is larger than the column can hold is not mixed up with other keys.
                let most = match self.is {
                    Is::Number(bits) if bits < 64 => (1 << bits) - 1,
                    _ => u64::MAX,
                };
                match values.view() {
                    View::Number(number) => put_same(keys, self.place, number.min(most)),
                    View::Numbers(numbers, _) => {
                        put(keys, selection, self.place, |row| numbers[row].min(most));
                    }
                    View::Absent | View::Id(_) | View::Ids(_) => {}
                }
                if let Some(flag) = self.flag {
                    match values.view() {
                        View::Number(_) | View::Numbers(_, None) => put_same(keys, flag, 1),
                        View::Numbers(_, Some(present)) => {
                            put(keys, selection, flag, |row| u64::from(present[row]));
                        }
                        View::Absent | View::Id(_) | View::Ids(_) => {}
                    }
                }
            }
        }
    }
}

#[inline]
fn put<const K: usize>(
    keys: &mut [[u64; K]],
    selection: &Selection,
    place: Place,
    of: impl Fn(usize) -> u64,
) {
    let Place { word, shift } = place;
    match selection.rows() {
        None => keys.iter_mut().enumerate().for_each(|(row, key)| key[word] |= of(row) << shift),
        Some(rows) => {
            keys.iter_mut().zip(rows).for_each(|(key, &row)| key[word] |= of(row as usize) << shift);
        }
    }
}

fn put_same<const K: usize>(keys: &mut [[u64; K]], place: Place, packed: u64) {
    let packed = packed << place.shift;
    keys.iter_mut().for_each(|key| key[place.word] |= packed);
}
