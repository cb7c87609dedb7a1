//! Lines that are sorted by a key, in memory, and beyond that in temporary files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

use anyhow::Context as _;
use netflow_analyzer::report::SortKey;

/// Octets of lines and keys that are kept in memory.
const MEMORY: usize = 64 << 20;
/// Temporary files that are merged at a time.
const MOST_FILES: usize = 64;

/// Lines that come in any order, and go sorted by their keys; those of one key as they came.
#[derive(Debug, Default)]
pub(super) struct SortedLines {
    text: Vec<u8>,
    /// Keys, and where their lines end; they start where the one before ends, as they came.
    lines: Vec<(SortKey, usize, usize)>,
    /// Sorted lines in temporary files, the first ones first.
    files: Vec<File>,
    written: u64,
    memory: Option<usize>,
}

impl SortedLines {
    /// Takes the line that `write` appends.
    pub(super) fn push(
        &mut self,
        key: SortKey,
        write: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let start = self.text.len();
        write(&mut self.text)?;
        self.lines.push((key, start, self.text.len()));
        let memory = self.text.len() + self.lines.len() * size_of::<(SortKey, usize, usize)>();
        if memory < self.memory.unwrap_or(MEMORY) {
            return Ok(());
        }
        if self.files.len() == MOST_FILES {
            let files = std::mem::take(&mut self.files);
            let merged = written(|out| merge(files, |key, line| entry(out, key, line)))?;
            self.files.push(merged);
        }
        self.sort();
        let file = written(|out| {
            self.lines.iter().try_for_each(|&(key, start, end)| entry(out, key, &self.text[start..end]))
        })?;
        self.files.push(file);
        self.written += 1;
        self.text.clear();
        self.lines.clear();
        Ok(())
    }

    /// Writes the lines in their order; says how many temporary files it took.
    pub(super) fn write(mut self, out: &mut impl Write) -> anyhow::Result<u64> {
        self.sort();
        if self.files.is_empty() {
            for &(_, start, end) in &self.lines {
                out.write_all(&self.text[start..end])?;
            }
            return Ok(0);
        }
        let rest = written(|out| {
            self.lines.iter().try_for_each(|&(key, start, end)| entry(out, key, &self.text[start..end]))
        })?;
        self.files.push(rest);
        (self.text, self.lines) = Default::default();
        merge(self.files, |_, line| Ok(out.write_all(line)?))?;
        Ok(self.written + 1)
    }

    fn sort(&mut self) {
        // By place too: as stable as it would be without, and with less memory.
        self.lines.sort_unstable_by_key(|&(key, start, _)| (key, start));
    }
}

/// A temporary file, written, and to be read from its start.
fn written(write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<File> {
    let make = || {
        let mut out = BufWriter::with_capacity(1 << 18, tempfile::tempfile()?);
        write(&mut out)?;
        let mut file = out.into_inner()?;
        file.rewind()?;
        anyhow::Ok(file)
    };
    make().with_context(|| {
        let place = std::env::temp_dir();
        format!("cannot sort with temporary files in {} (TMPDIR names another place)", place.display())
    })
}

fn entry(out: &mut impl Write, key: SortKey, line: &[u8]) -> anyhow::Result<()> {
    out.write_all(key.octets())?;
    out.write_all(&(line.len() as u64).to_le_bytes())?;
    Ok(out.write_all(line)?)
}

/// Hands out the lines of sorted files in their order, of one key those of the first file first.
fn merge(files: Vec<File>, mut take: impl FnMut(SortKey, &[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut files: Vec<_> = files.into_iter().map(|file| BufReader::with_capacity(1 << 17, file)).collect();
    let mut heads = BinaryHeap::new();
    for (number, file) in files.iter_mut().enumerate() {
        heads.extend(next_key(file)?.map(|key| Reverse((key, number))));
    }
    let mut line = Vec::new();
    while let Some(Reverse((key, number))) = heads.pop() {
        let file = &mut files[number];
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        line.clear();
        file.take(u64::from_le_bytes(length)).read_to_end(&mut line)?;
        take(key, &line)?;
        heads.extend(next_key(file)?.map(|key| Reverse((key, number))));
    }
    Ok(())
}

/// The next key of a file; `None` at its end.
fn next_key(file: &mut BufReader<File>) -> anyhow::Result<Option<SortKey>> {
    let mut key = [0; SortKey::OCTETS];
    let mut octets = Vec::new();
    file.take(key.len() as u64).read_to_end(&mut octets)?;
    if octets.len() < key.len() {
        return Ok(None);
    }
    key.copy_from_slice(&octets);
    Ok(Some(SortKey::from_octets(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(numbers: &[u32], memory: usize) -> (Vec<u32>, u64) {
        let mut lines = SortedLines { memory: Some(memory), ..SortedLines::default() };
        for (place, number) in numbers.iter().enumerate() {
            let mut key = [0; SortKey::OCTETS];
            key[..2].copy_from_slice(&((number % 1_000) as u16).to_be_bytes());
            lines.push(SortKey::from_octets(key), |out| Ok(writeln!(out, "{number}.{place}")?)).unwrap();
        }
        let mut out = Vec::new();
        let files = lines.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let places = text.lines().map(|line| line.split_once('.').unwrap().1.parse().unwrap());
        (places.collect(), files)
    }

    #[test]
    fn lines_are_sorted_and_equal_ones_stay_in_order() {
        let numbers: Vec<u32> = (0..20_000_u32).map(|n| n.wrapping_mul(2_654_435_761) >> 7).collect();
        let mut expected: Vec<u32> = (0..20_000).collect();
        expected.sort_by_key(|&place| numbers[place as usize] % 1_000);
        assert_eq!(sorted(&numbers, usize::MAX), (expected.clone(), 0));
        let (places, files) = sorted(&numbers, 100_000);
        assert!(places == expected && files > 2 && files < MOST_FILES as u64, "{files}");
        // More files than are merged at a time.
        let (places, files) = sorted(&numbers, 10_000);
        assert!(places == expected && files > 2 * MOST_FILES as u64, "{files}");
        assert_eq!(sorted(&[], 0), (vec![], 0));
    }
}
