//! Sets of rows of a batch.

use crate::batch::BATCH_ROWS;

const WORDS: usize = BATCH_ROWS.div_ceil(64);

/// Rows of a batch: a bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows([u64; WORDS]);

impl Rows {
    pub(super) fn none() -> Self {
        Self([0; WORDS])
    }

    /// The first so many.
    pub(super) fn all(rows: usize) -> Self {
        let mut all = Self::none();
        all.0[..rows / 64].fill(u64::MAX);
        if !rows.is_multiple_of(64) {
            all.0[rows / 64] = (1 << (rows % 64)) - 1;
        }
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    pub(super) fn add(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word |= other);
    }

    pub(super) fn remove(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word &= !other);
    }

    /// Makes these those of `among` whose value passes; `values` are of the rows from the first on.
    #[inline]
    pub(super) fn keep<T: Copy>(&mut self, among: &Self, values: &[T], passes: impl Fn(T) -> bool) {
        let mut chunks = values.chunks(64);
        for (word, &among) in self.0.iter_mut().zip(&among.0) {
            let chunk = chunks.next().unwrap_or_default();
            *word = match among {
                0 => 0,
                _ => bits(chunk, &passes) & among,
            };
        }
    }

    /// Makes these those of `among` that pass.
    pub(super) fn keep_rows(&mut self, among: &Self, mut passes: impl FnMut(usize) -> bool) {
        *self = Self::none();
        among.for_each(|row| self.0[row / 64] |= u64::from(passes(row)) << (row % 64));
    }

    /// Appends the rows, in order.
    pub(super) fn put_into(&self, rows: &mut Vec<u32>) {
        self.for_each(|row| rows.push(row as u32));
    }

    fn for_each(&self, mut take: impl FnMut(usize)) {
        for (at, &word) in self.0.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                take(at * 64 + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }
}

/// A bit for each of up to 64 values.
#[inline]
fn bits<T: Copy>(values: &[T], passes: impl Fn(T) -> bool) -> u64 {
    match values.first_chunk::<64>() {
        // Of a length that is known, this is done several at a time.
        Some(values) => {
            let passed: [bool; 64] = std::array::from_fn(|at| passes(values[at]));
            let (eights, _) = passed.as_chunks::<8>();
            eights.iter().enumerate().fold(0, |bits, (at, eight)| bits | packed(*eight) << (8 * at))
        }
        None => values.iter().enumerate().fold(0, |bits, (at, &value)| bits | u64::from(passes(value)) << at),
    }
}

/// Eight of them as the bits of an octet.
#[inline]
fn packed(passed: [bool; 8]) -> u64 {
    let octets = u64::from_le_bytes(passed.map(u8::from));
    octets.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(rows: &Rows) -> Vec<u32> {
        let mut list = Vec::new();
        rows.put_into(&mut list);
        list
    }

    #[test]
    fn rows_are_kept_where_values_pass() {
        let values: Vec<u64> = (0..1_000).map(|row| row * 7 % 64).collect();
        let among = Rows::all(990);
        let mut kept = Rows::none();
        kept.keep(&among, &values, |value| value < 3);
        let expected: Vec<u32> = (0..990).filter(|row| row * 7 % 64 < 3).collect();
        assert_eq!(listed(&kept), expected);
        let mut again = Rows::none();
        again.keep_rows(&kept, |row| row > 500);
        assert_eq!(listed(&again), expected.into_iter().filter(|&row| row > 500).collect::<Vec<_>>());
    }

    #[test]
    fn all_are_as_many_as_there_are() {
        for rows in [0, 1, 63, 64, 65, BATCH_ROWS] {
            assert_eq!(listed(&Rows::all(rows)), (0..rows as u32).collect::<Vec<_>>());
        }
        assert!(Rows::all(0).is_empty() && !Rows::all(BATCH_ROWS).is_empty());
    }
}
