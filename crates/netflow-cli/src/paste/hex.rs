//! Plain hex, and runs of it in other text.

use super::literal::base64;
use super::starts_like_packet;
use crate::frame;

/// Octets that a run of hex must have to be looked at: less than any header is no packet.
pub(super) const SHORTEST_RUN: usize = 16;

/// What is wrong with a line of hex.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Character, from 1; 0 for the line as a whole.
    pub(super) column: usize,
    pub(super) what: String,
}

/// Octets from a line of nothing but hex: `0x`, spaces, colons, commas, dots, dashes, quotes and a semicolon at
/// the end are passed over.
pub(super) fn line(text: &str) -> Result<Vec<u8>, Wrong> {
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut half = None;
    let mut characters = text.chars().enumerate().peekable();
    let mut between = true;
    while let Some((index, character)) = characters.next() {
        if is_separator(character) {
            between = true;
            continue;
        }
        // `0x` at the start of a word.
        if between && character == '0' && characters.next_if(|(_, next)| matches!(next, 'x' | 'X')).is_some()
        {
            between = false;
            continue;
        }
        between = false;
        let Some(value) = character.to_digit(16) else {
            let what = format!("'{character}' is no hexadecimal digit");
            return Err(Wrong { column: index + 1, what });
        };
        match half.take() {
            Some(high) => octets.push(((high << 4) | value) as u8),
            None => half = Some(value),
        }
    }
    if half.is_some() {
        let what = "an odd number of hexadecimal digits: the last octet has only one".to_owned();
        return Err(Wrong { column: text.chars().count(), what });
    }
    if octets.is_empty() {
        return Err(Wrong { column: 0, what: "no hexadecimal digits".to_owned() });
    }
    Ok(octets)
}

/// Whether a line that is no hex is a packet in hex with a mistake in it: it starts with the version of one, and
/// nearly all of its characters are digits and what stands between them.
pub(super) fn is_nearly(text: &str) -> bool {
    let start: String =
        text.trim_start().trim_start_matches("0x").chars().filter(|&c| !is_separator(c)).take(4).collect();
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    let others = text.chars().filter(|&c| !c.is_ascii_hexdigit() && !is_separator(c)).count();
    line(&start).is_ok_and(|start| starts_like_packet(&start))
        && digits >= SHORTEST_RUN
        && others * 8 <= digits
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, ':' | '.' | ',' | '-' | '"' | '\'' | ';' | '|' | '_')
}

/// The packet in a line of other text, such as a log: the longest run of hex (digits, or pairs with one
/// separator between them) or word of base64 that starts like an export packet, or is a frame. Other hex, such as
/// hashes, is passed over.
pub(super) fn run(text: &str) -> Option<Vec<u8>> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    let decoded =
        text.split(|c: char| !is_word(c)).filter_map(base64).filter(|octets| starts_like_packet(octets));
    let runs = runs(text).into_iter().chain(decoded).filter(|run| run.len() >= SHORTEST_RUN);
    let packets = runs.filter(|run| starts_like_packet(run) || frame::unwrap(run).is_some());
    packets.max_by_key(Vec::len)
}

/// Runs of hex digits with an even number of them, and runs of pairs with the same separator between all.
fn runs(text: &str) -> Vec<Vec<u8>> {
    let words: Vec<&str> = text.split(|other: char| !other.is_ascii_alphanumeric()).collect();
    let mut runs = Vec::new();
    let mut pairs: Vec<u8> = Vec::new();
    for word in words {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        let octets = (!digits.is_empty()).then(|| line(digits).ok()).flatten();
        match octets {
            Some(octets) if octets.len() == 1 => pairs.extend(octets),
            Some(octets) => {
                runs.push(std::mem::take(&mut pairs));
                runs.push(octets);
            }
            // Separators of more than one character, such as `, 0x`.
            None if word.is_empty() => {}
            None => runs.push(std::mem::take(&mut pairs)),
        }
    }
    runs.push(pairs);
    runs
}
