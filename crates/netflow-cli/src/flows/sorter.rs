//! Lines in the order of their keys, with bounded memory: the first ones in a heap, or all of them, in runs on disk.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use anyhow::Context as _;

use super::lines::Block;

/// Octets of lines, keys and places in memory, before they are written to a file.
const MEMORY: usize = 256 << 20;
/// Runs that are merged at once, each of which has a file open.
const MOST_RUNS: usize = 128;

/// A line with its key, and a number that keeps the order of those whose keys are equal.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    key: Vec<u8>,
    number: u64,
    text: Vec<u8>,
}

/// Sorts lines.
#[derive(Debug)]
pub(crate) struct Sorter {
    limit: Option<u64>,
    memory: usize,
    /// The first ones so far, when there is a limit that fits in memory; the last of them on top.
    first: BinaryHeap<Line>,
    /// Else: keys and texts one behind the other, and where each is.
    octets: Vec<u8>,
    places: Vec<Place>,
    runs: Vec<File>,
    /// Octets of `first`.
    held: usize,
    number: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    key: u32,
    text: u32,
}

impl Sorter {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self::with_memory(limit, MEMORY)
    }

    /// With so many octets of memory.
    pub(crate) fn with_memory(limit: Option<u64>, memory: usize) -> Self {
        Self {
            limit,
            memory,
            first: BinaryHeap::new(),
            octets: Vec::new(),
            places: Vec::new(),
            runs: Vec::new(),
            held: 0,
            number: 0,
        }
    }

    /// Takes lines.
    pub(crate) fn push(&mut self, block: &Block) -> anyhow::Result<()> {
        let (mut from, mut key_from) = (0, 0);
        for (&end, &key_end) in block.ends.iter().zip(&block.key_ends) {
            self.line(&block.keys[key_from..key_end], &block.text[from..end])?;
            (from, key_from) = (end, key_end);
        }
        Ok(())
    }

    /// The key from which on lines are not wanted any more.
    pub(crate) fn last(&self) -> Option<&[u8]> {
        let full = self.limit.is_some_and(|limit| self.first.len() as u64 >= limit);
        self.first.peek().filter(|_| full).map(|line| &line.key[..])
    }

    /// Takes a line.
    pub(crate) fn line(&mut self, key: &[u8], text: &[u8]) -> anyhow::Result<()> {
        let number = self.number;
        self.number += 1;
        // Whatever the limit, as long as it fits.
        if let Some(limit) = self.limit.filter(|_| self.runs.is_empty() && self.places.is_empty()) {
            if self.first.len() as u64 >= limit {
                if self.first.peek().is_none_or(|last| *key >= *last.key) {
                    return Ok(());
                }
                if let Some(last) = self.first.pop() {
                    self.held -= last.size();
                }
            }
            let line = Line { key: key.to_vec(), number, text: text.to_vec() };
            self.held += line.size();
            self.first.push(line);
            if self.held > self.memory {
                self.held = 0;
                for line in std::mem::take(&mut self.first).into_sorted_vec() {
                    self.keep(&line.key, &line.text);
                }
                self.spill()?;
            }
            return Ok(());
        }
        self.keep(key, text);
        if self.octets.len() + self.places.len() * size_of::<Place>() > self.memory {
            self.spill()?;
        }
        Ok(())
    }

    /// Whether it took temporary files.
    pub(crate) fn spilled(&self) -> bool {
        !self.runs.is_empty()
    }

    fn keep(&mut self, key: &[u8], text: &[u8]) {
        // A line is of one flow, whose texts are bounded where it is read.
        self.places.push(Place { start: self.octets.len(), key: key.len() as u32, text: text.len() as u32 });
        self.octets.extend_from_slice(key);
        self.octets.extend_from_slice(text);
    }

    /// Sorts what is in memory. Lines came in their order, which stays that of equal keys.
    fn sort(&mut self) {
        let octets = &self.octets;
        let key = |place: &Place| &octets[place.start..place.start + place.key as usize];
        self.places.sort_by(|one, other| key(one).cmp(key(other)));
    }

    /// Writes what is in memory to a file.
    fn spill(&mut self) -> anyhow::Result<()> {
        self.sort();
        let mut run = Run::create()?;
        for place in self.places.drain(..) {
            let (key, rest) = self.octets[place.start..].split_at(place.key as usize);
            run.write(key, &rest[..place.text as usize])?;
        }
        self.octets.clear();
        self.runs.push(run.finish()?);
        if self.runs.len() >= MOST_RUNS {
            let mut merged = Run::create()?;
            merge(std::mem::take(&mut self.runs), |key, text| merged.write(key, text).map(|()| true))?;
            self.runs.push(merged.finish()?);
        }
        Ok(())
    }

    /// Gives all lines in order, or as many as the limit is.
    pub(crate) fn finish(mut self, take: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut left = self.limit.unwrap_or(u64::MAX);
        if !self.first.is_empty() {
            return self.first.into_sorted_vec().iter().try_for_each(|line| take(&line.text));
        }
        if self.runs.is_empty() {
            self.sort();
            for place in self.places.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                let start = place.start + place.key as usize;
                take(&self.octets[start..start + place.text as usize])?;
            }
            return Ok(());
        }
        if !self.places.is_empty() {
            self.spill()?;
        }
        // It is needed for reading now.
        self.octets = Vec::new();
        merge(self.runs, |_, text| {
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            take(text).map(|()| true)
        })
    }
}

impl Line {
    fn size(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.text.len()
    }
}

/// A file of lines in order, each behind the lengths of its key and its text.
struct Run(BufWriter<File>);

impl Run {
    fn create() -> anyhow::Result<Self> {
        let file = tempfile::tempfile()
            .context("what is sorted does not fit in memory, and cannot be put in a file")?;
        Ok(Self(BufWriter::with_capacity(1 << 20, file)))
    }

    fn write(&mut self, key: &[u8], text: &[u8]) -> anyhow::Result<()> {
        let lengths = [key.len() as u32, text.len() as u32].map(u32::to_le_bytes);
        [&lengths[0], &lengths[1], key, text]
            .into_iter()
            .try_for_each(|octets| self.0.write_all(octets))
            .context("what is sorted does not fit in memory, and cannot be put in a file")
    }

    fn finish(self) -> anyhow::Result<File> {
        let file = self.0.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|mut file| file.rewind().map(|()| file))
            .context("what is sorted does not fit in memory, and cannot be put in a file")
    }
}

/// Gives the lines of runs in order, until it is enough. Earlier runs have the earlier ones of equal keys.
fn merge(runs: Vec<File>, mut take: impl FnMut(&[u8], &[u8]) -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let mut runs: Vec<_> = runs.into_iter().map(|run| BufReader::with_capacity(1 << 18, run)).collect();
    let mut heads = BinaryHeap::new();
    for (number, run) in runs.iter_mut().enumerate() {
        heads.extend(next(run, number)?.map(Reverse));
    }
    while let Some(Reverse(line)) = heads.pop() {
        if !take(&line.key, &line.text)? {
            return Ok(());
        }
        let number = line.number as usize;
        heads.extend(next(&mut runs[number], number)?.map(Reverse));
    }
    Ok(())
}

/// The next line of a run, with its number.
fn next(run: &mut impl Read, number: usize) -> anyhow::Result<Option<Line>> {
    let mut lengths = [0; 8];
    match run.read_exact(&mut lengths) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error).context("what was sorted cannot be read again"),
    }
    let [a, b, c, d, e, f, g, h] = lengths;
    let mut octets = |length: [u8; 4]| {
        let mut octets = vec![0; u32::from_le_bytes(length) as usize];
        run.read_exact(&mut octets).context("what was sorted cannot be read again").map(|()| octets)
    };
    let (key, text) = (octets([a, b, c, d])?, octets([e, f, g, h])?);
    Ok(Some(Line { key, number: number as u64, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in an order of their own, each with its place.
    fn sorted(count: u64, limit: Option<u64>, memory: usize) -> (Vec<u64>, usize) {
        let mut sorter = Sorter::with_memory(limit, memory);
        let mut most = 0;
        for number in 0..count {
            let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
            sorter.line(&key.to_be_bytes(), &number.to_le_bytes()).unwrap();
            most = most.max(sorter.runs.len());
        }
        let mut found = Vec::new();
        let finished = sorter.finish(&mut |text| {
            found.push(u64::from_le_bytes(text.try_into().unwrap()));
            Ok(())
        });
        finished.unwrap();
        (found, most)
    }

    #[test]
    fn lines_come_in_the_order_of_their_keys_whatever_the_memory() {
        let mut wanted: Vec<u64> = (0..20_000).collect();
        wanted.sort_by_key(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54);
        for limit in [None, Some(0), Some(1), Some(777), Some(20_000), Some(u64::MAX)] {
            let wanted = &wanted[..limit.map_or(20_000, |limit| limit.min(20_000) as usize)];
            for (memory, spills) in
                [(usize::MAX, false), (50_000, limit.is_none_or(|limit| limit > 777)), (1_200, true)]
            {
                let (found, runs) = sorted(20_000, limit, memory);
                assert!(found == wanted, "{limit:?} of {memory}");
                assert!(runs > 0 || !spills || limit.is_some_and(|limit| limit < 2), "{limit:?} of {memory}");
                assert!(runs < MOST_RUNS);
            }
        }
    }
}
