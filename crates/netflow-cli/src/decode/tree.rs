//! The layout of the text: offset, octets, and what they mean, in columns.

use crate::output;

/// Octets shown in full; of more, the first ones and how many they are.
const SHOWN: usize = 8;
/// Width of the octets' column.
const OCTETS: usize = 25;
/// Width at which sentences are wrapped.
const WIDTH: usize = 110;
/// Characters of a value that are shown.
const MAX_VALUE: usize = 120;

/// Lines of text.
#[derive(Debug, Default, Clone)]
pub(super) struct Tree {
    pub(super) text: Vec<u8>,
    /// Sentences about what is wrong.
    pub(super) faults: u64,
    /// Sentences about what is only odd.
    pub(super) oddities: u64,
}

/// How much a sentence matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Data were lost.
    Fault,
    /// Something is not as it should be, and nothing was lost.
    Odd,
}

impl Tree {
    /// A line across the columns.
    pub(super) fn title(&mut self, text: &str) {
        // A vector takes every octet.
        let _ = output::line(&mut self.text, text);
    }

    /// What starts at an offset, made up of the lines that follow.
    pub(super) fn heading(&mut self, depth: usize, offset: usize, text: &str) {
        self.cells(&offset.to_string(), "", depth, text);
    }

    /// Octets and what they mean.
    pub(super) fn row(&mut self, depth: usize, offset: usize, octets: &[u8], text: &str) {
        self.cells(&offset.to_string(), &hex(octets), depth, text);
    }

    /// More about the line before.
    pub(super) fn more(&mut self, depth: usize, text: &str) {
        self.cells("", "", depth, text);
    }

    /// Something wrong (`!!`) or odd (`!`), as a sentence.
    pub(super) fn remark(&mut self, mark: Mark, text: &str) {
        let (mut left, number) = match mark {
            Mark::Fault => ("!!", &mut self.faults),
            Mark::Odd => ("!", &mut self.oddities),
        };
        *number += 1;
        for line in wrap(text, WIDTH - 8) {
            self.title(&format!("{left:>6}  {line}"));
            left = "";
        }
    }

    fn cells(&mut self, offset: &str, octets: &str, depth: usize, text: &str) {
        let indent = 2 * depth;
        self.title(format!("{offset:>6}  {octets:<OCTETS$}  {:indent$}{text}", "").trim_end());
    }

    pub(super) fn append(&mut self, other: &mut Self) {
        self.text.append(&mut other.text);
        self.faults += std::mem::take(&mut other.faults);
        self.oddities += std::mem::take(&mut other.oddities);
    }
}

/// Octets as pairs of digits, shortened when they are many.
fn hex(octets: &[u8]) -> String {
    let pairs =
        |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" ");
    match octets.len() {
        0..=SHOWN => pairs(octets),
        length => format!("{} ..{length}", pairs(&octets[..SHOWN - 2])),
    }
}

/// Lines of at most `width` characters, but for words that are longer.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is a line");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            last.push_str(if last.is_empty() { "" } else { " " });
            last.push_str(word);
        }
    }
    lines
}

/// The start of a value's text, when it is long, and how many octets the whole has.
pub(super) fn shorten(text: &str, octets: usize) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{} .. ({octets} octets in all)", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_long_octets_are_shortened() {
        let mut tree = Tree::default();
        tree.row(1, 20, &[1, 0xab], "two");
        tree.row(0, 100, &[7; 300], "many");
        let text = String::from_utf8(tree.text).unwrap();
        assert_eq!(
            text,
            "    20  01 ab                        two\n   100  07 07 07 07 07 07 ..300    many\n"
        );
        assert_eq!(shorten(&"x".repeat(200), 200), format!("{} .. (200 octets in all)", "x".repeat(120)));
    }

    #[test]
    fn sentences_are_wrapped_between_words() {
        assert_eq!(wrap("a bb ccc dddddd", 6), ["a bb", "ccc", "dddddd"]);
    }
}
