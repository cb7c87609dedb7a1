//! TCP flags, by letters or as a number.

use super::number;
use super::{Unit, Wrong, shown};

/// TCP flags that are looked for.
pub(crate) enum Flags {
    /// All of these, and perhaps others.
    All(i64),
    /// These and no others.
    Number(i64),
}

/// nfdump's letters, and those of ECE (E) and CWR (C). X is all that nfdump knows.
const LETTERS: [(char, i64); 9] =
    [('f', 1), ('s', 2), ('r', 4), ('p', 8), ('a', 16), ('u', 32), ('e', 64), ('c', 128), ('x', 63)];

pub(crate) fn flags(word: &str) -> Result<Flags, Wrong> {
    if let Some(range) = number::range(word, Unit::Scale) {
        return match range? {
            (number @ 0..=0xffff, other) if number == other => Ok(Flags::Number(number)),
            _ => Err(format!("`{}` is no number of flags: 0 to 65535", shown(word)).into()),
        };
    }
    let bit = |letter: char| LETTERS.iter().find(|(of, _)| of.eq_ignore_ascii_case(&letter));
    match word.chars().map(|letter| bit(letter).map(|&(_, bit)| bit)).sum::<Option<i64>>() {
        Some(_) if !word.is_empty() => {
            Ok(Flags::All(word.chars().filter_map(bit).fold(0, |bits, &(_, bit)| bits | bit)))
        }
        _ => {
            Err(format!("`{}` is no set of flags: letters of FSRPAUEC, or X for FSRPAU", shown(word)).into())
        }
    }
}
