//! Octets as source code and logs write them: arrays, string literals, base64.

use super::hex::SHORTEST_RUN;

/// A line of an array of `0x..` elements.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Array {
    pub(super) octets: Vec<u8>,
    /// The line has the opening brace.
    pub(super) opened: bool,
    closed: bool,
    comma: bool,
}

impl Array {
    /// Whether no line follows: the brace is closed, or without braces there is no comma at the end.
    pub(super) fn ends(&self, braces: bool) -> bool {
        self.closed || !braces && !self.comma
    }
}

/// A line of an array such as C, Go and Rust have: elements of `0x` and one or two digits, with commas. The first
/// line must have the opening brace or a comma at its end; `inside` is for the lines after it.
pub(super) fn array(line: &str, inside: bool) -> Option<Array> {
    let text = without_comments(line);
    let text = text.trim();
    let opened = text.contains(['{', '[']) && (text.ends_with(['{', '[']) || text.contains("0x"));
    let (elements, closed) = match text.find('}').or_else(|| text.rfind(']').filter(|_| !text.ends_with('{')))
    {
        Some(end) => (&text[..end], true),
        None => (text, false),
    };
    // `unsigned char packet[120] = {` has a bracket before the brace.
    let elements = match elements.rfind(['{', '[']) {
        Some(start) => &elements[start + 1..],
        None => elements,
    };
    let comma = elements.trim_end().ends_with(',');
    let mut octets = Vec::new();
    for element in elements.split([',', ' ', '\t']).filter(|element| !element.is_empty()) {
        let digits = element.strip_prefix("0x").or_else(|| element.strip_prefix("0X"))?;
        if digits.is_empty() || digits.len() > 2 {
            return None;
        }
        octets.push(u8::from_str_radix(digits, 16).ok()?);
    }
    let starts = opened || comma && !octets.is_empty();
    let goes_on = inside && (closed || !octets.is_empty() || elements.trim().is_empty());
    (starts || goes_on).then_some(Array { octets, opened, closed, comma })
}

/// Whether a line declares the length of an array, as `xxd -i` does behind it.
pub(super) fn is_length(line: &str) -> bool {
    line.starts_with("unsigned int ") && line.contains("_len = ") && line.trim_end().ends_with(';')
}

fn without_comments(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find("/*") {
        text.push_str(&rest[..start]);
        rest = rest[start..].find("*/").map_or("", |end| &rest[start + end + 2..]);
    }
    text.push_str(rest.find("//").map_or(rest, |start| &rest[..start]));
    text
}

/// A line with a string literal with `\x` escapes, as C, Python and Wireshark write them; the flag says that the
/// next line goes on with it.
pub(super) fn escaped(line: &str) -> Option<(Vec<u8>, bool)> {
    let first = line.find("\\x")?;
    // From the opening quote, if there is one: octets that are printable stand for themselves.
    let quote = line[..first].rfind(['"', '\'']);
    let mut characters = line[quote.map_or(first, |at| at + 1)..].chars().peekable();
    let end = quote.and_then(|at| line[at..].chars().next());
    let mut octets = Vec::new();
    while let Some(character) = characters.next() {
        if Some(character) == end || end.is_none() && character != '\\' {
            break;
        }
        if character != '\\' {
            octets.extend(character.to_string().as_bytes());
            continue;
        }
        match characters.next() {
            Some('x') => {
                let mut digit = || characters.next_if(|next| next.is_ascii_hexdigit())?.to_digit(16);
                let high = digit()?;
                octets.push(digit().map_or(high, |low| high << 4 | low) as u8);
            }
            Some('t') => octets.push(b'\t'),
            Some('n') => octets.push(b'\n'),
            Some('r') => octets.push(b'\r'),
            Some('a') => octets.push(7),
            Some('b') => octets.push(8),
            Some('v') => octets.push(11),
            Some('f') => octets.push(12),
            Some(digit @ '0'..='7') => {
                let mut value = digit.to_digit(8)?;
                while let Some(next) = characters.next_if(|next| value < 32 && next.is_digit(8)) {
                    value = value * 8 + next.to_digit(8)?;
                }
                octets.push(value as u8);
            }
            Some(itself @ ('\\' | '"' | '\'')) => octets.push(itself as u8),
            // The end of a line without quotes.
            _ => break,
        }
    }
    Some((octets, line.trim_end().ends_with('\\')))
}

/// A list of decimal numbers in brackets, as programs print arrays of octets.
pub(super) fn decimal(line: &str) -> Option<Vec<u8>> {
    let start = line.find('[')?;
    let end = start + line[start..].find(']')?;
    let words = line[start + 1..end].split([',', ' ']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    // Pairs of digits could be hex; a number with one digit or three is none.
    let decimal = words.iter().any(|word| word.len() != 2);
    let octets: Option<Vec<u8>> = words.iter().map(|word| word.parse().ok()).collect();
    octets.filter(|octets| decimal && octets.len() >= SHORTEST_RUN)
}

/// A word of base64, in either alphabet.
pub(super) fn base64(word: &str) -> Option<Vec<u8>> {
    let digits = word.trim_end_matches('=');
    if digits.len() % 4 == 1 || word.len() - digits.len() > 2 {
        return None;
    }
    let (mut octets, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push((bits >> held) as u8);
        }
    }
    Some(octets)
}
