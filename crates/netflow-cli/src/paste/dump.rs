//! Lines of a hex dump: an offset, octets, and perhaps the same as text. So print tcpdump, tshark, Wireshark, xxd,
//! hexdump and od.

use super::{Bad, starts_like_packet};

/// Octets of a line at most.
const MAX_LINE: usize = 256;

/// One line of a dump.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DumpLine {
    pub(super) offset: usize,
    pub(super) octets: Vec<u8>,
    /// Words of 16 bits as a little-endian machine reads them (`hexdump` without `-C`).
    swapped: bool,
    /// The line has a wider gap behind its eighth octet.
    middle: bool,
    /// The offset has a colon.
    colon: bool,
    /// The offset has a `0x`.
    prefixed: bool,
    /// The offset has seven digits, as od writes it.
    seven: bool,
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
        self.offset > 0 && (self.colon || self.offset.is_multiple_of(16) && self.octets.len() == 16)
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
    let seven = length == 7;
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
        let (octets, swapped, middle) = (Vec::new(), false, false);
        return last.then_some(Ok(DumpLine { offset, octets, swapped, middle, colon, prefixed, seven }));
    }
    let first = behind.split_ascii_whitespace().next()?;
    // Without a colon only pairs tell an offset from the first word of plain hex; hexdump has seven digits.
    let swapped = !colon && length == 7 && first.len() == 4;
    let pairs = length >= 4 && first.len() == 2;
    if !(colon || pairs || swapped) {
        return None;
    }
    let columns = text.chars().count() - behind.chars().count();
    Some(match octets(behind, colon, columns) {
        Ok((octets, middle)) => Ok(DumpLine { offset, octets, swapped, middle, colon, prefixed, seven }),
        Err((column, what)) => Err(Broken { column, what, sure: prefixed || offset == 0 }),
    })
}

/// The octets behind an offset, up to the text column: more than one space ends them, except in the middle of a
/// line of sixteen pairs.
fn octets(text: &str, strict: bool, columns: usize) -> Result<(Vec<u8>, bool), (usize, String)> {
    let (mut octets, mut middle) = (Vec::new(), false);
    let mut at = 0;
    while at < text.len() && octets.len() < MAX_LINE {
        let gap = text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len();
        let word_at = at + gap;
        let rest = &text[word_at..];
        let word = &rest[..rest.find([' ', '\t']).unwrap_or(rest.len())];
        let is_hex = word.len().is_multiple_of(2) && word.bytes().all(|digit| digit.is_ascii_hexdigit());
        let half = gap == 2 && octets.len() == 8 && word.len() == 2 && is_hex;
        if word.is_empty() || !octets.is_empty() && gap > 1 && !half {
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
    swapped: bool,
    middle: bool,
    /// What offsets are written in, as soon as one tells.
    radix: Option<u32>,
}

impl Dump {
    pub(super) fn new(line: usize, first: DumpLine) -> Self {
        let DumpLine { octets, swapped, middle, .. } = first;
        Self { start: line, octets, last: 0, repeated: false, swapped, middle, radix: None }
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
    fn place(&mut self, line: &DumpLine) -> usize {
        let hex = line.offset;
        let read = |radix| usize::from_str_radix(&format!("{hex:x}"), radix).unwrap_or(hex);
        if self.radix.is_none() {
            let follows = hex > self.last && hex <= self.octets.len();
            let other = || [8, 10].into_iter().find(|&radix| read(radix) == self.octets.len());
            self.radix = match () {
                // Hex and decimal agree so far.
                () if follows && hex < 10 => None,
                () if follows || line.colon || !line.seven => Some(16),
                () => other(),
            };
        }
        self.radix.map_or(hex, read)
    }

    /// Adds a line. The offset says how many octets the one before really has: text may look like hex.
    pub(super) fn push(&mut self, number: usize, line: DumpLine) -> Result<(), Bad> {
        let line = DumpLine { offset: self.place(&line), ..line };
        if std::mem::take(&mut self.repeated) {
            let pattern = self.octets[self.last..].to_vec();
            while !pattern.is_empty() && self.octets.len() < line.offset.min(super::MAX_PACKET) {
                self.octets.extend(&pattern);
            }
        }
        if line.offset > self.octets.len() || line.offset <= self.last {
            let there = self.octets.len();
            return Err(Bad::new(
                number,
                1,
                format!(
                    "the offset {:#x} does not follow the {there} octets before it: a line is missing or cut",
                    line.offset
                ),
            ));
        }
        self.octets.truncate(line.offset);
        self.last = line.offset;
        // Text behind eight octets, in a dump whose lines have no gap there.
        let length = if line.middle && !self.middle { 8 } else { line.octets.len() };
        self.octets.extend(&line.octets[..length]);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.swapped {
            self.octets.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.swap(0, 1));
        }
        self.octets
    }
}
