//! Lines of a hex dump: an offset, octets, and perhaps the same as text. So print tcpdump, tshark, Wireshark, xxd,
//! hexdump and od.

use super::{Bad, is_whole, starts_like_packet};
use crate::frame;

/// Octets of a line at most.
const MAX_LINE: usize = 256;

/// One line of a dump.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DumpLine {
    pub(super) offset: usize,
    pub(super) octets: Vec<u8>,
    /// Octets of a word, and the order that they are in.
    words: Words,
    /// The line has a wider gap behind its eighth octet.
    middle: bool,
    /// The offset has a colon.
    colon: bool,
    /// The offset has a `0x`.
    prefixed: bool,
    /// Digits of the offset.
    digits: usize,
}

/// Words of more than one octet may be written as the machine reads them: `od -x`, `hexdump`, `xxd -e`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// In the order of the octets.
    Octets,
    /// Of so many octets, of which a little-endian machine shows the last one first, and another one does not.
    Machine(usize),
    /// The same, but in the order of the octets unless the packet says otherwise.
    Grouped(usize),
}

impl Words {
    /// Of a line, by its first word.
    fn of(first: &str, digits: usize, colon: bool, prefixed: bool) -> Self {
        match first.len() {
            // hexdump and od write seven digits of an offset, `od -A x` six.
            4 | 8 | 16 if !colon && matches!(digits, 6 | 7) => Self::Machine(first.len() / 2),
            8 | 16 if colon && !prefixed => Self::Grouped(first.len() / 2),
            _ => Self::Octets,
        }
    }

    /// Octets in the order in which they were sent: the one in which they start like a packet.
    fn in_order(self, octets: Vec<u8>) -> Vec<u8> {
        let (size, swapped_first) = match self {
            Self::Octets => return octets,
            Self::Machine(size) => (size, true),
            Self::Grouped(size) => (size, false),
        };
        let mut swapped = octets.clone();
        swapped.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        let (first, second) = if swapped_first { (swapped, octets) } else { (octets, swapped) };
        let good = |octets: &[u8]| starts_like_packet(octets) || frame::unwrap(octets).is_some();
        if !good(&first) && good(&second) { second } else { first }
    }
}

/// A line that has an offset, and something else than octets behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Character, from 1.
    pub(super) column: usize,
    /// What is wrong there.
    pub(super) what: String,
    /// The offset is surely one, and not a word of other text.
    pub(super) sure: bool,
}

impl DumpLine {
    pub(super) fn starts_packet(&self) -> bool {
        self.offset == 0 && !self.octets.is_empty()
    }

    /// Whether this is a packet of its own behind the number of a line, as `grep -n` writes it.
    pub(super) fn is_numbered_packet(&self) -> bool {
        self.colon && !self.prefixed && starts_like_packet(&self.octets)
    }

    /// Whether this is the middle of a dump, and surely no plain hex.
    pub(super) fn is_middle(&self) -> bool {
        // Six digits could as well be the first ones of plain hex.
        let certain = self.digits != 6 || self.words == Words::Octets;
        let sixteen = self.offset.is_multiple_of(16) && self.octets.len() == 16;
        self.offset > 0 && (self.colon || certain && sixteen)
    }
}

/// Reads a line that starts with an offset; `None` when it does not.
pub(super) fn line(text: &str) -> Option<Result<DumpLine, Broken>> {
    let start = text.len() - text.trim_start().len();
    let rest = &text[start..];
    let (prefixed, digits) = match rest.strip_prefix("0x") {
        Some(digits) => (true, digits),
        None => (false, rest),
    };
    let length = digits.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(digits.len());
    if !(3..=8).contains(&length) {
        return None;
    }
    let offset = usize::from_str_radix(&digits[..length], 16).ok()?;
    let behind = &digits[length..];
    let (colon, behind) = match behind.strip_prefix(':') {
        Some(behind) => (true, behind),
        None => (false, behind),
    };
    // `0x0005:0001` and `0005:0001` are hex, not offsets; and hexdump ends with an offset alone.
    if prefixed && !colon || !(behind.is_empty() || behind.starts_with([' ', '\t'])) {
        return None;
    }
    if behind.trim().is_empty() {
        let last = !colon && length >= 6 && offset > 0;
        let (octets, words, middle) = (Vec::new(), Words::Octets, false);
        return last.then_some(Ok(DumpLine {
            offset,
            octets,
            words,
            middle,
            colon,
            prefixed,
            digits: length,
        }));
    }
    let first = behind.split_ascii_whitespace().next()?;
    let columns = text.chars().count() - behind.chars().count();
    if !colon && length == 7 && is_no_hex(behind) {
        let column = columns + behind.len() - behind.trim_start().len() + 1;
        let what =
            "octal, decimal or letters, as od writes them unless told otherwise: `od -An -tx1` gives hex";
        return Some(Err(Broken { column, what: what.to_owned(), sure: offset == 0 }));
    }
    // Without a colon only pairs, or the digits of the offset, tell it from the first word of plain hex.
    let words = Words::of(first, length, colon, prefixed);
    let pairs = length >= 4 && first.len() == 2;
    if !(colon || pairs || matches!(words, Words::Machine(_))) {
        return None;
    }
    Some(match octets(behind, colon, words, columns) {
        Ok((octets, middle)) => {
            Ok(DumpLine { offset, octets, words, middle, colon, prefixed, digits: length })
        }
        Err((column, what)) => Err(Broken { column, what, sure: prefixed || offset == 0 }),
    })
}

/// Whether words behind an offset are octal (`od`, `od -b`), decimal (`od -d`, whose columns have blanks before the
/// numbers), or characters and escapes of them (`od -c`).
fn is_no_hex(text: &str) -> bool {
    let words = || text.split_ascii_whitespace();
    let octal = |word: &str| matches!(word.len(), 3 | 6) && word.bytes().all(|c| matches!(c, b'0'..=b'7'));
    let character = |word: &str| word.len() == 1 || word.len() == 2 && word.starts_with('\\');
    let decimal = words().all(|word| word.bytes().all(|c| c.is_ascii_digit()));
    let padded = text.trim().contains("  ") && words().any(|word| word.len() % 2 == 1);
    words().all(|word| octal(word) || character(word)) || decimal && padded
}

/// The octets behind an offset, up to the text column: more than one space ends them, except in the middle of a
/// line of sixteen pairs.
fn octets(
    text: &str,
    strict: bool,
    words: Words,
    columns: usize,
) -> Result<(Vec<u8>, bool), (usize, String)> {
    let (mut octets, mut middle) = (Vec::new(), false);
    let mut at = 0;
    while at < text.len() && octets.len() < MAX_LINE {
        let gap = text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len();
        let word_at = at + gap;
        let rest = &text[word_at..];
        let word = &rest[..rest.find([' ', '\t']).unwrap_or(rest.len())];
        let is_hex = word.len().is_multiple_of(2) && word.bytes().all(|digit| digit.is_ascii_hexdigit());
        let half = gap == 2 && octets.len() == 8 && word.len() == 2 && is_hex;
        // `hexdump -x` has wide gaps, and no text.
        let apart = !matches!(words, Words::Machine(size) if word.len() == 2 * size && is_hex);
        if word.is_empty() || !octets.is_empty() && gap > 1 && !half && apart {
            break;
        }
        middle |= half;
        if !is_hex {
            let column = columns + text[..word_at].chars().count() + 1;
            let wrong = word.chars().position(|digit| !digit.is_ascii_hexdigit());
            return Err(match wrong {
                // The text column of a line without a gap, as od writes it.
                _ if !octets.is_empty() && word.starts_with(['|', '>']) => break,
                Some(index) => {
                    let digit = word.chars().nth(index).unwrap_or_default();
                    (column + index, format!("'{digit}' is no hexadecimal digit"))
                }
                None if strict || !octets.is_empty() => {
                    (column, "an odd number of hexadecimal digits".to_owned())
                }
                None => break,
            });
        }
        for index in (0..word.len()).step_by(2) {
            octets.extend(u8::from_str_radix(&word[index..index + 2], 16));
        }
        at = word_at + word.len();
    }
    Ok((octets, middle))
}

/// The lines of one packet.
#[derive(Debug)]
pub(super) struct Dump {
    start: usize,
    octets: Vec<u8>,
    /// Where the last line starts.
    last: usize,
    repeated: bool,
    words: Words,
    middle: bool,
    /// What offsets are written in, as soon as one tells.
    radix: Option<u32>,
    /// The line that told that offsets are not hex, as long as no other one agreed.
    told_by: Option<usize>,
    /// The offset behind the last octet, when a line says it.
    end: Option<usize>,
}

impl Dump {
    pub(super) fn new(line: usize, first: DumpLine) -> Self {
        let DumpLine { octets, words, middle, .. } = first;
        let (radix, told_by, end) = (None, None, None);
        Self { start: line, octets, last: 0, repeated: false, words, middle, radix, told_by, end }
    }

    /// The line that it starts in.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    /// A `*`: lines like the last one were left out.
    pub(super) fn repeat(&mut self) {
        self.repeated = true;
    }

    /// The offset of the next line: hex, or else octal (od) or decimal (`od -A d`) where that follows.
    fn place(&mut self, number: usize, line: &DumpLine) -> usize {
        let hex = line.offset;
        let read = |radix| usize::from_str_radix(&format!("{hex:x}"), radix).unwrap_or(hex);
        self.told_by = None;
        if self.radix.is_none() {
            let follows = hex > self.last && hex <= self.octets.len();
            let other = || [8, 10].into_iter().find(|&radix| read(radix) == self.octets.len());
            self.radix = match () {
                // Hex and decimal agree so far.
                () if follows && hex < 10 => None,
                () if follows || line.colon || line.digits != 7 => Some(16),
                () => other(),
            };
            self.told_by = self.radix.filter(|&radix| radix != 16).map(|_| number);
        }
        self.radix.map_or(hex, read)
    }

    /// Adds a line. The offset says how many octets the one before really has: text may look like hex.
    pub(super) fn push(&mut self, number: usize, line: DumpLine) -> Result<(), Bad> {
        let line = DumpLine { offset: self.place(number, &line), ..line };
        if std::mem::take(&mut self.repeated) {
            let pattern = self.octets[self.last..].to_vec();
            while !pattern.is_empty() && self.octets.len() < line.offset.min(super::MAX_PACKET) {
                self.octets.extend(&pattern);
            }
        }
        let there = self.octets.len();
        // The last word may be filled up.
        let filled = if let Words::Machine(size) = self.words { size - 1 } else { 0 };
        let ends = line.octets.is_empty();
        if self.end.is_some()
            || line.offset > there
            || line.offset <= self.last
            || ends && there - line.offset > filled
        {
            return Err(Bad::new(
                number,
                1,
                format!(
                    "the offset {:#x} does not follow the {there} octets before it: a line is missing or cut",
                    line.offset
                ),
            ));
        }
        if ends {
            self.end = Some(line.offset);
            return Ok(());
        }
        self.octets.truncate(line.offset);
        self.last = line.offset;
        // Text behind eight octets, in a dump whose lines have no gap there.
        let length = if line.middle && !self.middle { 8 } else { line.octets.len() };
        self.octets.extend(&line.octets[..length]);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, Bad> {
        let mut octets = self.words.in_order(self.octets);
        octets.truncate(self.end.unwrap_or(usize::MAX));
        match self.told_by {
            Some(line) if self.end.is_none() && !is_whole(&octets) => Err(Bad::new(
                line,
                1,
                "this offset may be octal, as od writes it, or hex behind a missing line: with the dump's last line, \
                 which is an offset alone, it can be told",
            )),
            _ => Ok(octets),
        }
    }
}
