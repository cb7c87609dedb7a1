//! Export packets out of text that people paste: hex in any spelling, dumps of other tools, source code, logs.
//!
//! [`Paste`] takes a text line by line and gives each packet as soon as it is whole, so that what another
//! program prints can be decoded while it runs. Memory is bounded by [`MAX_PACKET`].

use netflow_wire::Message;

mod dump;
mod hex;
mod literal;

use dump::Dump;

/// Octets that a pasted packet may have: the most that a frame has in a capture.
const MAX_PACKET: usize = 1 << 20;
/// Lines of hex of exactly so many octets may go on in the next line: those of Wireshark (16), of
/// `xxd -p` (30) and of other tools.
const WRAPPED: [usize; 3] = [16, XXD, 32];
/// Characters in the lines that base64 is wrapped to: those of OpenSSL (64), of `base64` and mails (76), of others.
const WRAPPED_BASE64: [usize; 4] = [60, 64, 72, 76];
/// Octets in a line of `xxd -p`. No export packet has this length, so that it is always cut.
const XXD: usize = 30;

/// Something found in a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Octets, which begin in a line (from 1).
    Packet { line: usize, octets: Vec<u8> },
    /// A place that cannot be read.
    Bad(Bad),
}

/// What cannot be read in a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Character in the line, from 1; 0 when it is the line as a whole.
    pub(crate) column: usize,
    /// What is wrong.
    pub(crate) what: String,
}

impl Bad {
    fn new(line: usize, column: usize, what: impl Into<String>) -> Self {
        Self { line, column, what: what.into() }
    }
}

impl Bad {
    /// The sentence, behind the name of the line.
    pub(crate) fn at(&self, line: &str) -> String {
        match self.column {
            0 => format!("{line}: {}", self.what),
            column => format!("{line}, character {column}: {}", self.what),
        }
    }
}

/// What the lines before belong to.
#[derive(Debug, Default)]
enum Open {
    #[default]
    Nothing,
    /// A dump with an offset in each line.
    Dump(Dump),
    /// Hex that may go on: as many octets a line as here.
    Hex { line: usize, octets: Vec<u8>, width: usize },
    /// Base64 that may go on: as many characters a line as here.
    Base64 { line: usize, octets: Vec<u8>, width: usize },
    /// The elements of an array in source code; in braces until these are closed.
    Array { line: usize, octets: Vec<u8>, braces: bool },
    /// String literals that a backslash at the line's end joins.
    Literal { line: usize, octets: Vec<u8> },
}

/// Reads a text: see the module.
#[derive(Debug, Default)]
pub(crate) struct Paste {
    open: Open,
    line: usize,
    /// The first line that is no hex, as long as it may be the heading of a dump.
    unread: Option<Bad>,
    /// A dump could not be read; its other lines follow.
    broken: bool,
    /// Dumps and arrays have text around them, which is nobody's mistake.
    text_expected: bool,
    /// Lines of text since the last packet: headings, when a dump or an array follows.
    text: PassedOver,
    /// Other lines of text.
    passed_over: PassedOver,
}

/// Lines that hold nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PassedOver {
    /// How many.
    pub(crate) lines: usize,
    /// The first one, from 1.
    pub(crate) first: usize,
}

impl PassedOver {
    fn add(&mut self, other: Self) {
        if self.lines == 0 {
            self.first = other.first;
        }
        self.lines += other.lines;
    }
}

impl Paste {
    /// Takes the next line, without its end.
    pub(crate) fn line(&mut self, line: &str, found: &mut Vec<Found>) {
        self.line += 1;
        let number = self.line;
        // Some editors start a file with a mark.
        let line = unquoted(line.trim_start_matches('\u{feff}'));
        if self.goes_on(line, number, found) {
            return;
        }
        if line.trim().is_empty() {
            return self.close(found);
        }
        let dumped = dump::line(line);
        match dumped {
            Some(Ok(first)) if first.starts_packet() => {
                self.close(found);
                self.heading();
                (self.text_expected, self.broken) = (true, false);
                self.open = Open::Dump(Dump::new(number, first));
                return;
            }
            // The rest of a dump that cannot be read.
            Some(_) if self.broken => return,
            Some(Ok(first)) if first.is_numbered_packet() => {
                self.close(found);
                return found.push(Found::Packet { line: number, octets: first.octets });
            }
            Some(Ok(first)) if first.is_middle() => {
                self.close(found);
                let what =
                    format!("the dump starts at offset {:#x}: the lines before are missing", first.offset);
                return self.break_dump(Bad::new(number, 1, what), found);
            }
            Some(Err(dump::Broken { column, what, sure: true })) => {
                self.close(found);
                return self.break_dump(Bad::new(number, column, what), found);
            }
            _ => self.broken = false,
        }
        if let Some(array) = literal::array(line, false) {
            self.close(found);
            let ends = array.ends(array.opened);
            self.open = Open::Array { line: number, octets: array.octets, braces: array.opened };
            self.text_expected |= array.opened;
            self.heading();
            if ends {
                self.close(found);
            }
            return;
        }
        if let Some((octets, more)) = literal::escaped(line) {
            self.close(found);
            self.open = Open::Literal { line: number, octets };
            if !more {
                self.close(found);
            }
            return;
        }
        let starts = |octets: &[u8], width| WRAPPED_BASE64.contains(&width) && starts_like_packet(octets);
        if let Some((octets, width)) = base64_line(line).filter(|(octets, width)| starts(octets, *width)) {
            self.close(found);
            self.open = Open::Base64 { line: number, octets, width };
            return;
        }
        match hex::line(line) {
            Ok(octets) => {
                self.close(found);
                let width = octets.len();
                self.open = Open::Hex { line: number, octets, width };
                if !WRAPPED.contains(&width) {
                    self.close(found);
                }
            }
            Err(wrong) => {
                self.close(found);
                if let Some(octets) = literal::decimal(line).or_else(|| hex::run(line)) {
                    // A log, with lines about other things.
                    if let Some(unread) = self.unread.take() {
                        self.passed_over.add(PassedOver { lines: 1, first: unread.line });
                    }
                    self.text_expected = true;
                    return found.push(Found::Packet { line: number, octets });
                }
                let bad = Bad::new(number, wrong.column, wrong.what);
                if hex::is_nearly(line) {
                    found.extend(self.unread.take().map(Found::Bad));
                    found.push(Found::Bad(bad));
                } else if literal::is_length(line) {
                    // Of the array before.
                } else if !self.text_expected && self.unread.is_none() {
                    self.unread = Some(bad);
                } else {
                    self.text.add(PassedOver { lines: 1, first: number });
                }
            }
        }
    }

    /// Lines of text that held nothing, and were no headings.
    pub(crate) fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    /// A dump or an array starts: what was before is its heading.
    fn heading(&mut self) {
        self.unread = None;
        self.text = PassedOver::default();
    }

    /// Gives up the dump that is open, and what is left of it.
    fn break_dump(&mut self, bad: Bad, found: &mut Vec<Found>) {
        self.open = Open::Nothing;
        self.unread = None;
        (self.text_expected, self.broken) = (true, true);
        found.push(Found::Bad(bad));
    }

    /// Ends the text.
    pub(crate) fn finish(&mut self, found: &mut Vec<Found>) {
        self.close(found);
        found.extend(self.unread.take().map(Found::Bad));
        self.passed_over.add(std::mem::take(&mut self.text));
    }

    /// Whether a line goes on with what is open.
    fn goes_on(&mut self, line: &str, number: usize, found: &mut Vec<Found>) -> bool {
        let (start, length) = match &mut self.open {
            Open::Nothing => return false,
            Open::Dump(dump) => {
                match dump::line(line) {
                    Some(Ok(next)) if !next.starts_packet() => match dump.push(number, next) {
                        Ok(()) => {}
                        Err(bad) => {
                            self.break_dump(bad, found);
                            return true;
                        }
                    },
                    // The rest of this packet cannot be read.
                    Some(Err(dump::Broken { column, what, .. })) => {
                        self.break_dump(Bad::new(number, column, what), found);
                        return true;
                    }
                    _ if line.trim() == "*" => dump.repeat(),
                    _ => return false,
                }
                (dump.start(), dump.len())
            }
            Open::Hex { line: start, octets, width } => {
                let Ok(more) = hex::line(line) else { return false };
                let another = starts_like_packet(&more) && (*width != XXD || is_whole(octets));
                if another || more.len() > *width {
                    return false;
                }
                let full = more.len() == *width;
                octets.extend(more);
                let at = (*start, octets.len());
                if !full {
                    self.close(found);
                    return true;
                }
                at
            }
            Open::Base64 { line: start, octets, width } => {
                let Some((more, length)) = base64_line(line).filter(|(_, length)| *length <= *width) else {
                    return false;
                };
                if starts_like_packet(&more) && is_whole(octets) {
                    return false;
                }
                let full = length == *width && !line.trim_end().ends_with('=');
                octets.extend(more);
                let at = (*start, octets.len());
                if !full {
                    self.close(found);
                    return true;
                }
                at
            }
            Open::Array { line: start, octets, braces } => {
                let Some(array) = literal::array(line, true) else { return false };
                let ends = array.ends(*braces);
                octets.extend(array.octets);
                let at = (*start, octets.len());
                if ends {
                    self.close(found);
                    return true;
                }
                at
            }
            Open::Literal { line: start, octets } => {
                let Some((more, goes_on)) = literal::escaped(line) else { return false };
                octets.extend(more);
                let at = (*start, octets.len());
                if !goes_on {
                    self.close(found);
                    return true;
                }
                at
            }
        };
        if length > MAX_PACKET {
            self.open = Open::Nothing;
            let what = format!("the packet that starts here has more than {MAX_PACKET} octets");
            found.push(Found::Bad(Bad::new(start, 0, what)));
        }
        true
    }

    /// What is open is whole.
    fn close(&mut self, found: &mut Vec<Found>) {
        let (line, octets) = match std::mem::take(&mut self.open) {
            Open::Nothing => return,
            Open::Dump(dump) => match (dump.start(), dump.finish()) {
                (line, Ok(octets)) => (line, octets),
                (_, Err(bad)) => return self.break_dump(bad, found),
            },
            Open::Hex { line, octets, .. }
            | Open::Base64 { line, octets, .. }
            | Open::Array { line, octets, .. }
            | Open::Literal { line, octets } => (line, octets),
        };
        if !octets.is_empty() {
            // What was no hex before a packet is told; it was not the heading of a dump.
            found.extend(self.unread.take().map(Found::Bad));
            self.passed_over.add(std::mem::take(&mut self.text));
            found.push(Found::Packet { line, octets });
        }
    }
}

/// A line without the marks (`> `) that mails put before what they quote.
fn unquoted(line: &str) -> &str {
    if line.starts_with('>') { line.trim_start_matches(['>', ' ']) } else { line }
}

/// Octets and characters of a line that is nothing but base64.
fn base64_line(line: &str) -> Option<(Vec<u8>, usize)> {
    let word = line.trim();
    Some((literal::base64(word)?, word.len()))
}

/// Whether octets start with the version of an export packet.
fn starts_like_packet(octets: &[u8]) -> bool {
    matches!(octets, [0, 1 | 5 | 7 | 8 | 9 | 10, ..])
}

/// Whether the lengths in a packet fit its octets, so that no more of it is to come.
fn is_whole(octets: &[u8]) -> bool {
    Message::parse(octets)
        .is_ok_and(|message| message.length_error().is_none() && message.sets().all(|set| set.is_ok()))
}

/// The packets of a whole text, and what was passed over in it. What is hex throughout, without offsets, may be
/// wrapped to lines of any length.
pub(crate) fn text(text: &str) -> (Vec<Found>, PassedOver) {
    let mut lines = text.lines().map(|line| unquoted(line).trim()).filter(|line| !line.is_empty());
    let of_dump = |line: &str| match dump::line(line) {
        Some(Ok(first)) => first.starts_packet() || first.is_middle(),
        Some(Err(broken)) => broken.sure,
        None => false,
    };
    let dump = lines.clone().any(of_dump);
    if !dump && lines.clone().count() > 0 && lines.all(|line| hex::line(line).is_ok()) {
        return (wrapped_hex(text), PassedOver::default());
    }
    let (mut paste, mut found) = (Paste::default(), Vec::new());
    for line in text.lines() {
        paste.line(line, &mut found);
    }
    paste.finish(&mut found);
    (found, paste.passed_over())
}

/// Packets of a text of nothing but hex, wrapped to lines of any length. Another one starts in a line that looks
/// like it, behind one that is whole, or behind a line that was not cut to the length of the others. Sets may look
/// like it too: it has to be of the same version, or whole in its line.
fn wrapped_hex(text: &str) -> Vec<Found> {
    let mut packets: Vec<(usize, Vec<u8>)> = Vec::new();
    // Octets of the first line of a packet, and of its last one.
    let (mut width, mut last) = (0, 0);
    for (number, line) in (1..).zip(text.lines()) {
        let Ok(octets) = hex::line(unquoted(line)) else { continue };
        let starts = |packet: &[u8]| {
            let ended = last < width || octets.len() > width || is_whole(packet);
            let alike = octets.get(..2) == packet.get(..2);
            starts_like_packet(&octets) && ended && (alike || is_whole(&octets))
        };
        match packets.last_mut() {
            Some((_, packet)) if !starts(packet) => {
                last = octets.len();
                packet.extend(octets);
            }
            _ => {
                (width, last) = (octets.len(), octets.len());
                packets.push((number, octets));
            }
        }
    }
    packets.into_iter().map(|(line, octets)| Found::Packet { line, octets }).collect()
}

#[cfg(test)]
mod tests;
