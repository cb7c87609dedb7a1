//! What all commands say in the same way.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

/// Says on stderr that something went wrong. A stderr that is closed hears nothing.
pub(crate) fn error(message: impl Display) {
    note(message);
}

/// Says on stderr what is worth knowing.
pub(crate) fn note(message: impl Display) {
    let _ = line(&mut io::stderr(), &format!("nf: {message}"));
}

/// Writes a line of text for people. All such lines go through here, since names and texts in them come from
/// packets, files and DNS.
pub(crate) fn line(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", printable(text))
}

/// Text that does nothing to a terminal: control characters, and those that turn the direction of writing, are
/// shown as escapes.
fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_terminal) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match acts_on_terminal(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

fn acts_on_terminal(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether an error says only that nobody reads the output any more.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// A number with a noun, in the plural unless it is one.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown() {
        assert_eq!(printable("eth0 \u{e4}\u{20ac}"), "eth0 \u{e4}\u{20ac}");
        assert_eq!(printable("a\x1b[2Jb\r\n\0\x7f"), "a\\u{1b}[2Jb\\r\\n\\u{0}\\u{7f}");
        assert_eq!(printable("\u{9b}31m\u{202e}"), "\\u{9b}31m\\u{202e}");
    }

    #[test]
    fn a_line_is_one_line() {
        let mut out = Vec::new();
        line(&mut out, "a\nb").unwrap();
        assert_eq!(out, b"a\\nb\n");
    }
}
