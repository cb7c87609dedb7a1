//! What all commands say in the same way.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use crate::progress;

/// Says on stderr that something went wrong. A stderr that is closed hears nothing.
pub(crate) fn error(message: impl Display) {
    note(message);
}

/// Says on stderr what is worth knowing.
pub(crate) fn note(message: impl Display) {
    let message = format!("nf: {message}");
    let _ = progress::aside(|| line(&mut io::stderr().lock(), &message));
}

/// Writes a line of text for people. All such lines go through here, since names and texts in them come from
/// packets, files and DNS.
pub(crate) fn line(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(printable(text).as_bytes())?;
    out.write_all(b"\n")
}

/// Stdout for data. A file or another program gets every octet as it is, a terminal only what does nothing to it.
pub(crate) fn data() -> Data {
    Data { stdout: io::stdout(), terminal: io::stdout().is_terminal().then(Vec::new) }
}

/// Stdout: see [`data`].
pub(crate) struct Data {
    stdout: io::Stdout,
    /// On a terminal, the beginning of a line that is to come.
    terminal: Option<Vec<u8>>,
}

impl Write for Data {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Some(held) = &mut self.terminal else { return self.stdout.write(octets) };
        held.extend_from_slice(octets);
        if let Some(end) = held.iter().rposition(|&octet| octet == b'\n') {
            let lines: Vec<u8> = held.drain(..=end).collect();
            let lines = String::from_utf8_lossy(&lines);
            progress::aside(|| self.stdout.write_all(harmless(&lines).as_bytes()))?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(held) = &mut self.terminal {
            let rest = std::mem::take(held);
            let rest = String::from_utf8_lossy(&rest);
            progress::aside(|| self.stdout.write_all(harmless(&rest).as_bytes()))?;
        }
        self.stdout.flush()
    }
}

/// Lines of data that do nothing to a terminal: as in JSON, what would is escaped by its four digits.
fn harmless(lines: &str) -> Cow<'_, str> {
    let acts = |character| character != '\n' && acts_on_terminal(character);
    if !lines.contains(acts) {
        return Cow::Borrowed(lines);
    }
    let mut shown = String::with_capacity(lines.len() + 16);
    for character in lines.chars() {
        match acts(character) {
            true => shown.extend(format!("\\u{:04x}", u32::from(character)).chars()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// Text that does nothing to a terminal: control characters, and those that turn the direction of writing, are
/// shown as escapes.
fn printable(text: &str) -> Cow<'_, str> {
    // Nearly all are of these characters alone, and that is told fast.
    let plain = text.bytes().fold(true, |plain, octet| plain & (b' '..0x7f).contains(&octet));
    if plain || !text.contains(acts_on_terminal) {
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
    fn data_for_a_terminal_is_escaped_as_json_does_it() {
        assert_eq!(harmless("a,\u{e4}\n"), "a,\u{e4}\n");
        assert_eq!(harmless("a\x1b[2J\n\u{9b}31m\u{202e}\r\n"), "a\\u001b[2J\n\\u009b31m\\u202e\\u000d\n");
        let mut data = Data { stdout: io::stdout(), terminal: Some(Vec::new()) };
        data.write_all(b"a line that goes").unwrap();
        assert_eq!(data.terminal.as_deref(), Some(&b"a line that goes"[..]));
    }

    #[test]
    fn a_line_is_one_line() {
        let mut out = Vec::new();
        line(&mut out, "a\nb").unwrap();
        assert_eq!(out, b"a\\nb\n");
    }
}
