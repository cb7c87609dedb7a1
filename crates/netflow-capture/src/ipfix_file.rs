//! IPFIX files (RFC 5655): messages one after the other.

use std::io::{self, Read};

use crate::likeness::{HEADER, Likeness, field, header_likeness, message_likeness};

/// Octets that are looked at together: a message of the greatest length, and one to follow it.
const WINDOW: usize = 128 << 10;

/// One message of a file. It borrows from the reader until the next one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMessage<'a> {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its octets; fewer than its header says if the file ends within it, or if the next message starts
    /// before that.
    pub octets: &'a [u8],
    /// Octets before it that belong to no message.
    pub skipped: u64,
}

impl FileMessage<'_> {
    /// Whether it is shorter than its header says.
    #[must_use]
    pub fn cut(&self) -> bool {
        self.octets.len() < HEADER || self.octets.len() < field(self.octets, 2)
    }
}

/// What a reader saw up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IpfixFileStatistics {
    /// Messages handed out.
    pub messages: u64,
    /// Octets that belong to no message.
    pub skipped: u64,
    /// Times that a message was found again behind such octets.
    pub resynchronised: u64,
}

/// Reads the messages of an IPFIX file. Memory is bounded by twice the length of the longest message, whatever
/// the file holds.
///
/// What is no message is skipped up to the next octets that are one by their lengths, and counted. A message
/// whose length leads to no other is believed up to where the next one starts; what is wrong in it is told
/// when it is decoded.
///
/// ```
/// use netflow_capture::IpfixFileReader;
///
/// let message = [0, 10, 0, 16, 0x65, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// let file = [message, message].concat();
/// let mut reader = IpfixFileReader::new(file.as_slice());
/// while let Some(found) = reader.next_message()? {
///     assert_eq!(found.octets, message);
/// }
/// assert_eq!(reader.statistics().messages, 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct IpfixFileReader<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    /// Where `start` is in the file.
    offset: u64,
    at_end: bool,
    /// The next octet starts a message, if the one before it said its length rightly.
    synced: bool,
    statistics: IpfixFileStatistics,
}

/// Whether a file that starts with these octets holds IPFIX messages. Twenty octets are enough.
#[must_use]
pub fn looks_like_ipfix(first_octets: &[u8]) -> bool {
    first_octets.len() >= HEADER && header_likeness(first_octets) != Likeness::No
}

impl<R: Read> IpfixFileReader<R> {
    /// Reads from the start of a file. The reader need not be buffered.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            at_end: false,
            synced: true,
            statistics: IpfixFileStatistics::default(),
        }
    }

    /// The next message, or none at the end of the file.
    ///
    /// # Errors
    /// When the input fails. Reading can be tried again.
    pub fn next_message(&mut self) -> io::Result<Option<FileMessage<'_>>> {
        let mut skipped = 0;
        loop {
            self.fill()?;
            let rest = &self.buffer[self.start..];
            if rest.is_empty() {
                return Ok(None);
            }
            if self.synced && starts_message(rest) {
                break;
            }
            self.synced = false;
            let (step, found) = search(rest, self.at_end);
            self.consume(step);
            skipped += step as u64;
            self.statistics.skipped += step as u64;
            if found {
                self.statistics.resynchronised += u64::from(step > 0);
                self.synced = true;
            }
        }
        let (length, synced) = message_length(&self.buffer[self.start..]);
        let (start, offset) = (self.start, self.offset);
        self.consume(length);
        self.synced = synced;
        self.statistics.messages += 1;
        Ok(Some(FileMessage { offset, octets: &self.buffer[start..start + length], skipped }))
    }

    /// What was seen up to now.
    #[must_use]
    pub fn statistics(&self) -> IpfixFileStatistics {
        self.statistics
    }

    /// Where the next message is looked for in the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn consume(&mut self, octets: usize) {
        self.start += octets;
        self.offset += octets as u64;
    }

    /// Reads until the window is full, or the input ends.
    fn fill(&mut self) -> io::Result<()> {
        if self.buffer.len() - self.start > WINDOW / 2 || self.at_end {
            return Ok(());
        }
        self.buffer.drain(..std::mem::take(&mut self.start));
        let wanted = (WINDOW - self.buffer.len()) as u64;
        let read = self.reader.by_ref().take(wanted).read_to_end(&mut self.buffer)?;
        self.at_end = (read as u64) < wanted;
        Ok(())
    }
}

/// Whether octets behind a message, or at the start of a file, can be a message.
fn starts_message(octets: &[u8]) -> bool {
    octets.len() >= HEADER && field(octets, 0) == 10 && field(octets, 2) >= HEADER
}

/// How many octets of the message at the start belong to it, and whether another one follows at once.
fn message_length(octets: &[u8]) -> (usize, bool) {
    let stated = field(octets, 2);
    let next = octets.get(stated..);
    let followed = next.is_some_and(|next| next.is_empty() || starts_message(next));
    if followed && (stated == HEADER || message_likeness(octets) != Likeness::No) {
        return (stated, true);
    }
    // The length may be wrong, and hide messages; or a set within the message may be.
    let behind = (HEADER..octets.len()).find(|&at| message_likeness(&octets[at..]) == Likeness::Yes);
    match behind {
        Some(at) if at < stated => (at, true),
        _ => (stated.min(octets.len()), followed),
    }
}

/// How many octets are before the next message, and whether there is one: without, all that cannot be its start.
fn search(octets: &[u8], at_end: bool) -> (usize, bool) {
    for at in 0..octets.len() {
        match message_likeness(&octets[at..]) {
            Likeness::Yes => return (at, true),
            // The rest of it is yet to be read, or cut off.
            Likeness::Perhaps if !at_end => return (at, at == 0 && octets.len() >= WINDOW),
            Likeness::Perhaps if octets.len() - at >= HEADER + 4 => return (at, true),
            _ => {}
        }
    }
    (octets.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with a data set of `octets` octets.
    fn message(sequence: u32, octets: usize) -> Vec<u8> {
        let mut message = vec![0, 10];
        message.extend((20 + octets as u16).to_be_bytes());
        message.extend([0x65, 0, 0, 0]);
        message.extend(sequence.to_be_bytes());
        message.extend([0, 0, 0, 7, 1, 0]);
        message.extend((4 + octets as u16).to_be_bytes());
        message.extend(vec![sequence as u8 | 0x80; octets]);
        message
    }

    /// Offsets and octets of all messages, and what was counted.
    fn read(file: &[u8]) -> (Vec<(u64, Vec<u8>)>, IpfixFileStatistics) {
        let mut reader = IpfixFileReader::new(file);
        let mut messages = Vec::new();
        while let Some(found) = reader.next_message().unwrap() {
            messages.push((found.offset, found.octets.to_vec()));
        }
        (messages, reader.statistics())
    }

    #[test]
    fn messages_follow_each_other() {
        let file: Vec<u8> = (0..5_000).flat_map(|number| message(number, 40)).collect();
        let (messages, statistics) = read(&file);
        assert_eq!(octets_of(&messages), file);
        assert_eq!(statistics, IpfixFileStatistics { messages: 5_000, ..Default::default() });
        let longest = message(1, 65_515);
        let (messages, _) = read(&[longest.clone(), longest].concat());
        assert_eq!(messages.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 65_535]);
    }

    fn octets_of(messages: &[(u64, Vec<u8>)]) -> Vec<u8> {
        messages.iter().flat_map(|(_, octets)| octets.clone()).collect()
    }

    #[test]
    fn what_lies_between_messages_is_skipped_and_counted() {
        let (first, second) = (message(1, 40), message(2, 8));
        for garbage in [&b"x"[..], &[0; 100], &[0, 10, 0, 3], &[0, 10].repeat(150_000)] {
            let file = [garbage, &first, garbage, &second, garbage].concat();
            let (messages, statistics) = read(&file);
            let octets: Vec<_> = messages.into_iter().map(|(_, octets)| octets).collect();
            assert_eq!(octets, [first.clone(), second.clone()], "{} octets", garbage.len());
            assert_eq!(statistics.skipped, 3 * garbage.len() as u64);
            assert_eq!(statistics.resynchronised, 2);
        }
    }

    #[test]
    fn a_wrong_length_costs_no_other_message() {
        let mut wrong = message(2, 40);
        let (first, third) = (message(1, 40), message(3, 40));
        for length in [20u16, 59, 61, 70, 120, 65_535] {
            wrong[2..4].copy_from_slice(&length.to_be_bytes());
            let (messages, statistics) = read(&[first.clone(), wrong.clone(), third.clone()].concat());
            assert_eq!(messages.first(), Some(&(0, first.clone())), "{length}");
            assert_eq!(messages.last(), Some(&(120, third.clone())), "{length}");
            assert_eq!(messages.len(), 3);
            let there = octets_of(&messages).len() as u64;
            assert_eq!(there + statistics.skipped, 180, "every octet is handed out or counted");
        }
    }

    #[test]
    fn the_last_message_may_be_cut_off() {
        let whole = message(1, 40);
        let file = [whole.clone(), whole[..30].to_vec()].concat();
        let (messages, statistics) = read(&file);
        assert_eq!(messages[1], (60, whole[..30].to_vec()));
        assert_eq!(statistics.skipped, 0);
        let (messages, statistics) = read(&file[..65]);
        assert_eq!((messages.len(), statistics.skipped), (1, 5));
    }

    #[test]
    fn recognised_by_content() {
        assert!(looks_like_ipfix(&message(1, 4)));
        assert!(!looks_like_ipfix(&message(1, 4)[..10]));
        assert!(!looks_like_ipfix(&[0, 9, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20]));
        assert!(!looks_like_ipfix(b"{\"flows\":[]}........"));
    }
}
