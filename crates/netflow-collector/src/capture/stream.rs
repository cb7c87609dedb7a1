//! IPFIX messages out of TCP connections, put in order within fixed bounds.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use netflow_templates::Timestamp;

use crate::likeness::{HEADER, Likeness, field, header_likeness, message_likeness};

/// Directions of connections that are followed at a time.
const MOST_STREAMS: usize = 1024;
/// Octets that one direction may hold back behind a missing segment.
const MOST_HELD: usize = 256 << 10;
/// Octets that all of them may hold back together.
const MOST_HELD_TOGETHER: usize = 32 << 20;
/// What a held segment costs beside its octets.
const SEGMENT_COST: usize = 64;
/// A segment this far from the expected one does not belong to the same run of sequence numbers.
const FAR: u32 = 16 << 20;
/// A direction in which so many octets hold no message header carries something else.
const MOST_SEARCHED: usize = 1 << 20;

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
}

/// A TCP segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) sequence: u32,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    /// What was captured of the content.
    pub(super) data: &'a [u8],
    /// Octets of content that the segment had on the wire.
    pub(super) declared: usize,
}

/// What was seen, for the statistics of the reader.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) gaps: u64,
    pub(super) retransmitted: u64,
    pub(super) resynchronised: u64,
    pub(super) foreign: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next octet starts a message.
    Synced,
    /// A message header is looked for.
    Searching,
    /// No IPFIX.
    Foreign,
}

#[derive(Debug)]
struct Stream {
    state: State,
    /// When it was last touched.
    stamp: u64,
    time: Timestamp,
    /// TCP sequence number of the next octet in order.
    next: u32,
    /// The same place, counted without wrapping.
    position: u64,
    /// Octets in order that are not handed out yet, from `read` on.
    buffer: Vec<u8>,
    read: usize,
    /// Segments behind a missing one, by position.
    held: BTreeMap<u64, Vec<u8>>,
    held_octets: usize,
    /// Where a segment of which the capture kept only the beginning ends.
    resume_at: Option<u64>,
    /// No more segments will come: what is missing stays missing.
    closing: bool,
    fin_at: Option<u64>,
    messages: u64,
    searched: usize,
}

/// The directions of connections that are followed.
#[derive(Debug, Default)]
pub(super) struct Streams {
    table: HashMap<Key, Stream>,
    stamps: u64,
    held_octets: usize,
    /// The direction that the last segment belonged to.
    ready: Option<Key>,
    /// Directions that ended, with what they still hold.
    ended: VecDeque<(Key, Stream)>,
    message: Vec<u8>,
    pub(super) counts: Counts,
}

impl Streams {
    /// Adds a segment. [`Self::next_message`] then returns the messages that it completes.
    pub(super) fn push(&mut self, key: Key, segment: Segment<'_>, time: Timestamp) {
        self.stamps += 1;
        let start = segment.sequence.wrapping_add(segment.syn.into());
        if segment.syn {
            if let Some(old) = self.table.get(&key) {
                // A repeated SYN starts nothing new.
                if old.position > 0 || old.next != start {
                    self.end(key);
                }
            }
            self.open(key, start, time);
        } else if !self.table.contains_key(&key) {
            if segment.data.is_empty() {
                return;
            }
            // The start of the connection was not captured.
            if header_likeness(segment.data) == Likeness::No {
                self.counts.foreign += 1;
                return;
            }
            self.open(key, start, time);
        }
        let Some(stream) = self.table.get_mut(&key) else { return };
        (stream.stamp, stream.time) = (self.stamps, time);
        self.ready = Some(key);
        if segment.rst {
            self.end(key);
            return;
        }
        if stream.state == State::Foreign {
            self.counts.foreign += u64::from(!segment.data.is_empty());
        } else {
            let before = stream.held_octets;
            stream.add(start, &segment, &mut self.counts);
            self.held_octets = self.held_octets + stream.held_octets - before;
        }
    }

    /// The next message that is whole, in the order of its stream; its octets are
    /// [`Self::message`].
    pub(super) fn next_message(&mut self) -> Option<(Key, Timestamp)> {
        loop {
            if let Some((key, stream)) = self.ended.front_mut() {
                if stream.extract(true, &mut self.message, &mut self.counts) {
                    return Some((*key, stream.time));
                }
                self.ended.pop_front();
                continue;
            }
            let key = self.ready?;
            let full = self.held_octets > MOST_HELD_TOGETHER;
            if let Some(stream) = self.table.get_mut(&key) {
                let before = stream.held_octets;
                let found = stream.extract(full, &mut self.message, &mut self.counts);
                if !found && stream.is_finished() {
                    // It stays known, so that what is sent again afterwards is not taken for new.
                    stream.forget_content();
                }
                self.held_octets = self.held_octets + stream.held_octets - before;
                if found {
                    return Some((key, stream.time));
                }
            }
            self.ready = None;
            // Other directions hold too much: the one that was silent the longest gives up.
            if self.held_octets > MOST_HELD_TOGETHER {
                let holding = self.table.iter().filter(|(_, stream)| stream.held_octets > 0);
                if let Some(key) = holding.min_by_key(|(_, stream)| stream.stamp).map(|(key, _)| *key) {
                    self.end(key);
                }
            }
            if self.ended.is_empty() {
                return None;
            }
        }
    }

    /// The message that [`Self::next_message`] found.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// The capture is at its end: nothing that is missing will still come.
    pub(super) fn end_all(&mut self) {
        let mut keys: Vec<_> = self.table.iter().map(|(key, stream)| (stream.stamp, *key)).collect();
        keys.sort_unstable_by_key(|(stamp, _)| *stamp);
        for (_, key) in keys {
            self.end(key);
        }
    }

    fn open(&mut self, key: Key, start: u32, time: Timestamp) {
        if self.table.len() >= MOST_STREAMS && !self.table.contains_key(&key) {
            self.make_room();
        }
        self.table.entry(key).or_insert_with(|| Stream {
            state: State::Synced,
            stamp: 0,
            time,
            next: start,
            position: 0,
            buffer: Vec::new(),
            read: 0,
            held: BTreeMap::new(),
            held_octets: 0,
            resume_at: None,
            closing: false,
            fin_at: None,
            messages: 0,
            searched: 0,
        });
    }

    /// Ends a quarter: first those that carried no IPFIX or are finished, of each kind those that were silent
    /// the longest.
    fn make_room(&mut self) {
        let many = MOST_STREAMS / 4;
        let mut keys: Vec<_> =
            self.table.iter().map(|(key, stream)| (stream.is_useful(), stream.stamp, *key)).collect();
        keys.sort_unstable_by_key(|(useful, stamp, _)| (*useful, *stamp));
        for (_, _, key) in keys.into_iter().take(many) {
            self.end(key);
        }
    }

    fn end(&mut self, key: Key) {
        if let Some(mut stream) = self.table.remove(&key) {
            self.held_octets -= stream.held_octets;
            stream.closing = true;
            if stream.state != State::Foreign && stream.has_content() {
                self.ended.push_back((key, stream));
            }
        }
    }
}

impl Stream {
    fn has_content(&self) -> bool {
        self.buffer.len() > self.read || !self.held.is_empty()
    }

    /// Whether everything up to the end of the direction has come.
    fn is_finished(&self) -> bool {
        self.fin_at.is_some_and(|at| at <= self.position)
    }

    /// Whether messages came and more may come.
    fn is_useful(&self) -> bool {
        self.messages > 0 && !self.is_finished()
    }

    fn forget_content(&mut self) {
        (self.buffer, self.read) = (Vec::new(), 0);
        self.held.clear();
        self.held_octets = 0;
        self.resume_at = None;
    }

    fn add(&mut self, start: u32, segment: &Segment<'_>, counts: &mut Counts) {
        let data = segment.data;
        let distance = start.wrapping_sub(self.next) as i32;
        if distance.unsigned_abs() > FAR {
            // Of an older use of the same ports, or of a newer one whose beginning was not captured.
            if header_likeness(data) == Likeness::No || data.len() < HEADER {
                return;
            }
            counts.gaps += 1;
            self.buffer.clear();
            self.held.clear();
            (self.read, self.held_octets) = (0, 0);
            (self.resume_at, self.fin_at) = (None, None);
            (self.state, self.next) = (State::Synced, start);
            self.append(data);
        } else if distance <= 0 {
            let known = distance.unsigned_abs() as usize;
            if known < data.len() {
                self.append(&data[known..]);
            } else if !data.is_empty() {
                counts.retransmitted += 1;
            }
        } else if !data.is_empty() {
            let at = self.position + u64::from(distance.unsigned_abs());
            let known = self.held.get(&at).map_or(0, Vec::len);
            if known < data.len() {
                let cost = if known == 0 { SEGMENT_COST } else { 0 };
                self.held_octets += data.len() - known + cost;
                self.held.insert(at, data.to_vec());
            } else {
                counts.retransmitted += 1;
            }
        }
        let end = start.wrapping_add(segment.declared as u32).wrapping_sub(self.next) as i32;
        if segment.fin {
            self.fin_at = Some(self.position.saturating_add_signed(end.into()));
        }
        self.release();
        // What the capture cut off this segment never comes.
        if data.len() < segment.declared && self.held.is_empty() {
            let end = start.wrapping_add(segment.declared as u32).wrapping_sub(self.next) as i32;
            if let Ok(missing) = u64::try_from(end) {
                self.resume_at = (missing > 0).then_some(self.position + missing);
            }
        }
    }

    fn append(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
        self.next = self.next.wrapping_add(data.len() as u32);
        self.position += data.len() as u64;
    }

    /// Takes the held segments that are in order now.
    fn release(&mut self) {
        while let Some(entry) = self.held.first_entry() {
            let at = *entry.key();
            if at > self.position {
                break;
            }
            let data = entry.remove();
            self.held_octets -= data.len() + SEGMENT_COST;
            let known = usize::try_from(self.position - at).unwrap_or(usize::MAX);
            if let Some(new) = data.get(known..) {
                self.append(new);
            }
        }
    }

    /// Goes on behind what is missing; whether there is anything.
    fn skip_gap(&mut self, counts: &mut Counts) -> bool {
        let held = self.held.first_key_value().map(|(at, _)| *at);
        let target = match (held, self.resume_at.take()) {
            (Some(held), Some(resume)) => held.min(resume),
            (Some(at), None) | (None, Some(at)) => at,
            (None, None) => return false,
        };
        counts.gaps += 1;
        self.buffer.clear();
        self.read = 0;
        let missing = target.saturating_sub(self.position);
        self.position += missing;
        self.next = self.next.wrapping_add(missing as u32);
        self.state = State::Searching;
        self.release();
        true
    }

    /// Copies the next whole message to `message`; whether there was one. With `give_up`, what is
    /// missing is not waited for.
    fn extract(&mut self, give_up: bool, message: &mut Vec<u8>, counts: &mut Counts) -> bool {
        loop {
            let rest = &self.buffer[self.read..];
            match self.state {
                State::Foreign => {
                    self.forget_content();
                    return false;
                }
                State::Synced => {
                    // The first message decides whether this is IPFIX at all.
                    let likeness = match self.messages {
                        0 => header_likeness(rest),
                        _ if rest.len() < 4 => Likeness::Perhaps,
                        _ if field(rest, 0) == 10 && field(rest, 2) >= HEADER => Likeness::Yes,
                        _ => Likeness::No,
                    };
                    if likeness == Likeness::No {
                        self.state = if self.messages == 0 { State::Foreign } else { State::Searching };
                        counts.foreign += u64::from(self.messages == 0);
                        continue;
                    }
                    if likeness == Likeness::Yes {
                        let length = field(rest, 2);
                        if rest.len() >= length {
                            message.clear();
                            message.extend_from_slice(&rest[..length]);
                            self.read += length;
                            self.messages += 1;
                            return true;
                        }
                    }
                }
                State::Searching => {
                    let last = self.closing && self.held.is_empty() && self.resume_at.is_none();
                    let found = (0..rest.len()).find_map(|at| match message_likeness(&rest[at..]) {
                        Likeness::No => None,
                        Likeness::Perhaps if last => None,
                        likeness => Some((at, likeness)),
                    });
                    let (skipped, likeness) = found.unwrap_or((rest.len(), Likeness::No));
                    self.read += skipped;
                    self.searched += skipped;
                    if likeness == Likeness::Yes {
                        self.state = State::Synced;
                        self.searched = 0;
                        counts.resynchronised += 1;
                        continue;
                    }
                    if self.searched > MOST_SEARCHED {
                        self.state = State::Foreign;
                        continue;
                    }
                }
            }
            // Nothing whole is left before what is missing.
            let waited = self.held_octets > MOST_HELD || self.resume_at.is_some();
            if (give_up || self.closing || waited) && self.skip_gap(counts) {
                continue;
            }
            self.buffer.drain(..self.read);
            self.read = 0;
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            source: "192.0.2.1:40000".parse().expect("an address"),
            destination: "192.0.2.2:4739".parse().expect("an address"),
        }
    }

    /// A message with one data set of `records` records of 4 octets.
    fn message(sequence: u32, records: usize) -> Vec<u8> {
        let mut out = vec![0, 10, 0, (20 + records * 4) as u8, 0x65, 0, 0, 0];
        out.extend(sequence.to_be_bytes());
        out.extend([0, 0, 0, 7]);
        out.extend([1, 0, 0, (4 + records * 4) as u8]);
        for record in 0..records {
            out.extend((sequence + record as u32).to_be_bytes());
        }
        out
    }

    struct Check {
        streams: Streams,
        start: u32,
        out: Vec<Vec<u8>>,
    }

    impl Check {
        fn new(start: u32) -> Self {
            let mut check = Self { streams: Streams::default(), start, out: Vec::new() };
            let syn = Segment {
                sequence: start.wrapping_sub(1),
                syn: true,
                fin: false,
                rst: false,
                data: &[],
                declared: 0,
            };
            check.push(syn);
            check
        }

        fn push(&mut self, segment: Segment<'_>) {
            self.streams.push(key(), segment, Timestamp::EPOCH);
            self.drain();
        }

        fn drain(&mut self) {
            while self.streams.next_message().is_some() {
                self.out.push(self.streams.message().to_vec());
            }
            let held: usize = self.streams.table.values().map(|stream| stream.held_octets).sum();
            assert_eq!(self.streams.held_octets, held);
        }

        /// The octets `from..to` of `all`.
        fn data(&mut self, all: &[u8], from: usize, to: usize) {
            let sequence = self.start.wrapping_add(from as u32);
            let data = &all[from..to];
            self.push(Segment { sequence, syn: false, fin: false, rst: false, data, declared: data.len() });
        }

        fn end(&mut self) {
            self.streams.end_all();
            self.drain();
        }
    }

    fn messages() -> (Vec<Vec<u8>>, Vec<u8>) {
        let messages: Vec<_> = (0..8).map(|n| message(n * 10, 3 + n as usize)).collect();
        let all = messages.concat();
        (messages, all)
    }

    #[test]
    fn in_order_cut_anywhere() {
        let (messages, all) = messages();
        // Sequence numbers that wrap on the way.
        for start in [1000, u32::MAX - 100] {
            for size in [1, 7, 50, 1000] {
                let mut check = Check::new(start);
                for from in (0..all.len()).step_by(size) {
                    check.data(&all, from, (from + size).min(all.len()));
                }
                assert_eq!(check.out, messages, "segments of {size}");
                assert_eq!(check.streams.counts.gaps, 0);
            }
        }
    }

    #[test]
    fn swapped_and_retransmitted() {
        let (messages, all) = messages();
        let mut check = Check::new(u32::MAX - 60);
        check.data(&all, 0, 40);
        check.data(&all, 80, 120);
        check.data(&all, 90, 110);
        check.data(&all, 80, 130);
        check.data(&all, 0, 40);
        assert_eq!(check.out.len(), 1);
        check.data(&all, 30, 90);
        check.data(&all, 120, all.len());
        check.data(&all, 120, all.len());
        assert_eq!(check.out, messages);
        assert_eq!(check.streams.counts.gaps, 0);
        assert_eq!(check.streams.counts.retransmitted, 2);
    }

    #[test]
    fn a_missing_segment_is_skipped_at_the_end() {
        let (messages, all) = messages();
        let mut check = Check::new(5);
        let ends: Vec<_> = messages
            .iter()
            .scan(0, |at, message| {
                *at += message.len();
                Some(*at)
            })
            .collect();
        // Messages 0 and 1 whole, the segment within 2 and 3 is missing, the rest comes in parts.
        check.data(&all, 0, ends[1] + 10);
        check.data(&all, ends[2] + 10, ends[4] + 3);
        check.data(&all, ends[4] + 3, all.len());
        assert_eq!(check.out, messages[..2]);
        check.end();
        let expected = [&messages[..2], &messages[4..]].concat();
        assert_eq!(check.out, expected);
        assert_eq!(check.streams.counts.gaps, 1);
        assert_eq!(check.streams.counts.resynchronised, 1);
    }

    #[test]
    fn too_much_behind_a_missing_segment_is_not_waited_for() {
        let messages: Vec<_> = (0..10_000).map(|n| message(n * 10, 10)).collect();
        let all = messages.concat();
        let mut check = Check::new(77);
        check.data(&all, 0, 1000);
        let mut from = 2000;
        while from < all.len() {
            let to = (from + 1400).min(all.len());
            check.data(&all, from, to);
            assert!(check.streams.held_octets <= MOST_HELD + 2000);
            from = to;
        }
        assert_eq!(check.streams.counts.gaps, 1);
        // 60 octets a message: 16 before the gap, and those from the 34th on.
        assert_eq!(check.out, [&messages[..16], &messages[34..]].concat());
    }

    #[test]
    fn a_segment_cut_by_the_capture_costs_its_message() {
        let (messages, all) = messages();
        let mut check = Check::new(5);
        let cut = messages[0].len() + messages[1].len() + 6;
        let end = cut + 4;
        let data = &all[..cut];
        check.push(Segment { sequence: 5, syn: false, fin: false, rst: false, data, declared: end });
        assert_eq!(check.out, messages[..2]);
        check.data(&all, end, all.len());
        assert_eq!(check.out, [&messages[..2], &messages[3..]].concat());
        assert_eq!(check.streams.counts.gaps, 1);
    }

    #[test]
    fn without_the_start_of_the_connection() {
        let (messages, all) = messages();
        let mut check = Check { streams: Streams::default(), start: 900, out: Vec::new() };
        let first = messages[0].len();
        check.data(&all, 10, first);
        assert!(check.streams.table.is_empty());
        check.data(&all, first, all.len());
        assert_eq!(check.out, messages[1..]);
        // A repeated SYN changes nothing, another one starts anew.
        let syn = |sequence| Segment { sequence, syn: true, fin: false, rst: false, data: &[], declared: 0 };
        check.push(syn(123_455));
        check.push(syn(123_455));
        check.start = 123_456;
        check.data(&all, 0, all.len());
        assert_eq!(check.out.len(), 15);
    }

    #[test]
    fn other_protocols_are_left_alone() {
        let mut check = Check::new(1);
        let text = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".repeat(100);
        for from in (0..text.len()).step_by(100) {
            check.data(&text, from, from + 100);
        }
        // A header with a length that no message has; one whose first set cannot be one.
        let mut check2 = Check::new(1);
        check2.data(&[0, 10, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0, 17);
        let mut check3 = Check::new(1);
        check3.data(&[0, 10, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 44], 0, 20);
        for mut check in [check, check2, check3] {
            check.end();
            assert!(check.out.is_empty());
            assert!(check.streams.counts.foreign > 0);
        }
    }

    #[test]
    fn garbage_within_a_stream_is_searched_through() {
        let (messages, _) = messages();
        let mut all = messages[..2].concat();
        all.extend([0xff; 70]);
        // What looks like a header at first, with a length that reaches into the next messages.
        all.extend([0, 10, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 6]);
        all.extend(messages[2..].concat());
        let mut check = Check::new(0);
        for from in (0..all.len()).step_by(9) {
            check.data(&all, from, (from + 9).min(all.len()));
        }
        check.end();
        assert_eq!(check.out, messages);
        assert_eq!(check.streams.counts.resynchronised, 1);
    }

    #[test]
    fn fin_ends_a_direction_and_rst_too() {
        let (messages, all) = messages();
        let mut check = Check::new(10);
        let rest = messages[0].len();
        let data = &all[rest..];
        let sequence = 10 + rest as u32;
        check.push(Segment { sequence, syn: false, fin: true, rst: false, data, declared: data.len() });
        assert_eq!(check.streams.table.len(), 1);
        check.data(&all, 0, rest);
        assert_eq!(check.out, messages);
        // What is sent again brings nothing new, also after the end.
        check.data(&all, 0, rest);
        check.data(&all, rest, all.len());
        assert_eq!(check.out.len(), messages.len());
        assert_eq!(check.streams.counts.retransmitted, 2);

        let mut check = Check::new(10);
        check.data(&all, rest, all.len());
        let none = Segment { sequence: 10, syn: false, fin: false, rst: true, data: &[], declared: 0 };
        check.push(none);
        assert_eq!(check.out, messages[1..]);
        assert!(check.streams.table.is_empty());
    }

    #[test]
    fn the_number_of_connections_is_bounded() {
        let mut streams = Streams::default();
        let (_, all) = messages();
        for n in 0..50_000_u32 {
            let mut key = key();
            key.source.set_port(n as u16);
            key.destination.set_port((n >> 16) as u16);
            let data = &all[..10];
            let segment = Segment { sequence: n, syn: true, fin: false, rst: false, data, declared: 10 };
            streams.push(key, segment, Timestamp::EPOCH);
            assert!(streams.next_message().is_none());
            assert!(streams.table.len() <= MOST_STREAMS);
            assert!(streams.ended.is_empty());
        }
    }

    #[test]
    fn random_segments_never_panic() {
        let mut random = 0x1234_5678_9abc_def0_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as u32
        };
        let (_, all) = messages();
        let mut streams = Streams::default();
        for _ in 0..200_000 {
            let mut key = key();
            key.source.set_port((next() % 3) as u16);
            let from = next() as usize % all.len();
            let to = from + next() as usize % (all.len() - from);
            let shift = if next() % 50 == 0 { next() } else { 0 };
            let flags = next() % 200;
            let data = &all[from..to];
            let segment = Segment {
                sequence: (from as u32).wrapping_add(shift).wrapping_sub(100),
                syn: flags == 0,
                fin: flags == 1,
                rst: flags == 2,
                data,
                declared: data.len() + if flags < 10 { 5 } else { 0 },
            };
            streams.push(key, segment, Timestamp::EPOCH);
            while streams.next_message().is_some() {
                let message = streams.message();
                assert_eq!(field(message, 0), 10);
                assert_eq!(field(message, 2), message.len());
            }
        }
        streams.end_all();
        while streams.next_message().is_some() {}
        assert_eq!(streams.held_octets, 0);
    }
}
