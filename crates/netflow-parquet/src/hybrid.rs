//! Levels and dictionary ids as Parquet writes them: runs of one number, and groups of eight packed numbers.

/// Bits that numbers up to `largest` take.
pub(crate) fn width(largest: u32) -> u8 {
    (u32::BITS - largest.leading_zeros()) as u8
}

/// Bits that dictionary ids below `count` are given: whole octets, or the half of one, so that those of frequent
/// values look alike to the compressor.
pub(crate) fn id_width(count: u32) -> u8 {
    match width(count.saturating_sub(1)) {
        width @ 0..=2 => width,
        3..=4 => 4,
        width => width.next_multiple_of(8),
    }
}

/// Appends numbers of `width` bits.
pub(crate) fn encode(numbers: &[u32], width: u8, out: &mut Vec<u8>) {
    let (mut packed, mut at) = (0, 0);
    // What is packed comes in eights, so that only where one begins a run can.
    while let Some(eight) = numbers.get(at..at + 8) {
        let number = eight[0];
        if eight[7] != number || eight.iter().any(|&other| other != number) {
            at += 8;
            continue;
        }
        let more = numbers[at + 8..].iter().take_while(|&&other| other == number).count();
        pack(&numbers[packed..at], width, out);
        append_run(number, 8 + more, width, out);
        at += 8 + more;
        packed = at;
    }
    pack(&numbers[packed..], width, out);
}

/// Appends one number of `width` bits, `count` times.
pub(crate) fn append_run(number: u32, count: usize, width: u8, out: &mut Vec<u8>) {
    varint((count as u64) << 1, out);
    out.extend_from_slice(&number.to_le_bytes()[..usize::from(width.div_ceil(8))]);
}

/// Appends packed numbers; zeros complete the last eight.
fn pack(numbers: &[u32], width: u8, out: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * usize::from(width);
    match width {
        8 => pack_octets::<1>(numbers, out),
        16 => pack_octets::<2>(numbers, out),
        24 => pack_octets::<3>(numbers, out),
        _ => pack_bits(numbers, width, out),
    }
    out.resize(end, 0);
}

/// Appends numbers of `N` octets.
fn pack_octets<const N: usize>(numbers: &[u32], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + N * numbers.len(), 0);
    let places = out[start..].as_chunks_mut::<N>().0;
    places.iter_mut().zip(numbers).for_each(|(place, number)| {
        place.copy_from_slice(&number.to_le_bytes()[..N]);
    });
}

/// Appends packed numbers of any width.
fn pack_bits(numbers: &[u32], width: u8, out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u64, 0);
    for &number in numbers {
        bits |= u64::from(number) << count;
        count += width;
        if count >= 32 {
            out.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            count -= 32;
        }
    }
    out.extend_from_slice(&bits.to_le_bytes()[..usize::from(count.div_ceil(8))]);
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Numbers of one width, read some at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    width: u8,
    /// Where the next run begins.
    at: usize,
    run: Run,
}

/// What is left of a run.
#[derive(Debug, Clone, Copy)]
enum Run {
    /// A number, and how many times.
    Same(u32, usize),
    /// Where packed numbers start, the next one, and how many there are.
    Packed(usize, usize, usize),
}

impl Default for Run {
    fn default() -> Self {
        Self::Same(0, 0)
    }
}

impl Numbers {
    /// Numbers of `width` bits (32 at most) that start somewhere.
    pub(crate) fn new(width: u8, at: usize) -> Option<Self> {
        (width <= 32).then(|| Self { width, at, run: Run::default() })
    }

    /// Appends the next `count` numbers; `None` when they are not there.
    pub(crate) fn read(&mut self, octets: &[u8], count: usize, numbers: &mut Vec<u32>) -> Option<()> {
        let mut left = count;
        while left > 0 {
            match &mut self.run {
                Run::Same(_, 0) => self.next_run(octets)?,
                Run::Packed(_, next, end) if next == end => self.next_run(octets)?,
                Run::Same(number, times) => {
                    let some = left.min(*times);
                    numbers.resize(numbers.len() + some, *number);
                    *times -= some;
                    left -= some;
                }
                Run::Packed(start, next, end) => {
                    let some = left.min(*end - *next);
                    let packed = octets.get(*start..)?;
                    unpack(packed, self.width, *next, some, numbers);
                    *next += some;
                    left -= some;
                }
            }
        }
        Some(())
    }

    fn next_run(&mut self, octets: &[u8]) -> Option<()> {
        let mut rest = octets.get(self.at..)?;
        let before = rest.len();
        let head = read_varint(&mut rest)?;
        let start = self.at + before - rest.len();
        let several = usize::try_from(head >> 1).ok().filter(|&several| several > 0)?;
        let length = if head & 1 == 0 {
            let length = usize::from(self.width.div_ceil(8));
            let mut le = [0; 4];
            le[..length].copy_from_slice(rest.get(..length)?);
            let number = u32::from_le_bytes(le);
            if self.width < 32 && number >> self.width != 0 {
                return None;
            }
            self.run = Run::Same(number, several);
            length
        } else {
            self.run = Run::Packed(start, 0, several.saturating_mul(8));
            several.checked_mul(usize::from(self.width))?
        };
        self.at = start.checked_add(length).filter(|&end| end <= octets.len())?;
        Some(())
    }
}

/// Reads `count` numbers of `width` bits (32 at most) from the start of `octets`; `None` when they are not there.
#[cfg(test)]
fn decode(octets: &[u8], width: u8, count: usize) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    Numbers::new(width, 0)?.read(octets, count, &mut numbers)?;
    Some(numbers)
}

/// Reads `count` numbers as runs of equal ones; `None` when they are not there. However many there are, the memory
/// follows the octets.
pub(crate) fn decode_runs(mut octets: &[u8], width: u8, count: usize) -> Option<Vec<(u32, usize)>> {
    let mut runs: Vec<(u32, usize)> = Vec::new();
    let mut append = |number: u32, times: usize| match runs.last_mut() {
        Some((last, count)) if *last == number => *count += times,
        _ => runs.push((number, times)),
    };
    let (mut left, mut packed) = (count, Vec::new());
    while left > 0 {
        let start = octets;
        let head = read_varint(&mut octets)?;
        let several = usize::try_from(head >> 1).ok()?;
        let several = if head & 1 == 0 { several } else { several.saturating_mul(8) }.min(left);
        if head & 1 == 0 {
            packed.clear();
            Numbers::new(width, 0)?.read(start, several.min(1), &mut packed)?;
            append(*packed.first()?, several);
            octets = octets.get(usize::from(width.div_ceil(8))..)?;
        } else {
            packed.clear();
            let length = usize::try_from(head >> 1).ok()?.checked_mul(usize::from(width))?;
            let (numbers, rest) = octets.split_at_checked(length)?;
            // Zeros that fill up the last eight may be all that there is.
            if several == 0 || width == 0 || width > 32 {
                return None;
            }
            unpack(numbers, width, 0, several, &mut packed);
            packed.iter().for_each(|&number| append(number, 1));
            octets = rest;
        }
        left -= several;
    }
    Some(runs)
}

/// Appends `count` packed numbers from the one at `first`, which are all there.
fn unpack(octets: &[u8], width: u8, first: usize, count: usize, numbers: &mut Vec<u32>) {
    let bits = usize::from(width);
    let whole = |octets_of_one: usize| octets.get(first * octets_of_one..).unwrap_or_default();
    match width {
        0 => numbers.resize(numbers.len() + count, 0),
        8 => numbers.extend(whole(1).iter().take(count).map(|&octet| u32::from(octet))),
        16 => {
            let some = whole(2).as_chunks().0.iter().take(count);
            numbers.extend(some.map(|&octets| u32::from(u16::from_le_bytes(octets))));
        }
        24 => {
            let some = whole(3).as_chunks::<3>().0.iter().take(count);
            numbers.extend(some.map(|&[a, b, c]| u32::from_le_bytes([a, b, c, 0])));
        }
        _ => {
            let mask = ((1_u64 << width) - 1) as u32;
            numbers.extend((first..first + count).map(|at| {
                let (start, shift) = (at * bits / 8, at * bits % 8);
                let word = match octets.get(start..start + 8).and_then(|octets| octets.first_chunk()) {
                    Some(octets) => u64::from_le_bytes(*octets),
                    None => {
                        let rest = octets.get(start..).unwrap_or_default();
                        let mut le = [0; 8];
                        le[..rest.len()].copy_from_slice(rest);
                        u64::from_le_bytes(le)
                    }
                };
                (word >> shift) as u32 & mask
            }));
        }
    }
}

fn read_varint(octets: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (&octet, rest) = octets.split_first()?;
        *octets = rest;
        number |= u64::from(octet & 0x7f) << shift;
        if octet < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(
            runs in proptest::collection::vec((any::<u32>(), 1_usize..40), 0..60),
            bits in 0_u8..=32,
        ) {
            let mask = ((1_u64 << bits) - 1) as u32;
            let numbers: Vec<u32> =
                runs.iter().flat_map(|&(number, count)| vec![number & mask; count]).collect();
            let mut octets = Vec::new();
            encode(&numbers, bits, &mut octets);
            prop_assert_eq!(decode(&octets, bits, numbers.len()), Some(numbers));
        }

        #[test]
        fn no_octets_are_too_odd(octets: Vec<u8>, bits in 0_u8..=40, count in 0_usize..10_000) {
            let numbers = decode(&octets, bits, count);
            let runs = decode_runs(&octets, bits, count);
            if let (Some(runs), true) = (&runs, bits > 0) {
                let same: Vec<_> =
                    runs.iter().flat_map(|&(number, times)| std::iter::repeat_n(number, times)).collect();
                prop_assert_eq!(Some(&same), numbers.as_ref());
            }
            prop_assert!(numbers.is_none_or(|numbers| numbers.len() == count));
        }
    }

    #[test]
    fn a_run_takes_few_octets_wherever_it_starts() {
        let mut numbers = vec![1, 2, 3];
        numbers.extend([7; 1000]);
        let mut octets = Vec::new();
        encode(&numbers, 3, &mut octets);
        // Eight packed ones, and a run of 995.
        assert_eq!(octets.len(), 1 + 3 + 2 + 1);
        assert_eq!((width(0), width(1), width(255), width(256)), (0, 1, 8, 9));
        assert_eq!([0, 1, 2, 4, 5, 16, 17, 257, 65_537].map(id_width), [0, 0, 1, 2, 4, 4, 8, 16, 24]);
    }
}
