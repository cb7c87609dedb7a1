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
pub(crate) struct Key {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

/// A TCP segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) sequence: u32,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    /// What was captured of the content.
    pub(crate) data: &'a [u8],
    /// Octets of content that the segment had on the wire.
    pub(crate) declared: usize,
}

/// What was seen, for the statistics of the reader.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) gaps: u64,
    pub(crate) retransmitted: u64,
    pub(crate) resynchronised: u64,
    pub(crate) foreign: u64,
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
pub(crate) struct Streams {
    table: HashMap<Key, Stream>,
    stamps: u64,
    held_octets: usize,
    /// The direction that the last segment belonged to.
    ready: Option<Key>,
    /// Directions that ended, with what they still hold.
    ended: VecDeque<(Key, Stream)>,
    message: Vec<u8>,
    pub(crate) counts: Counts,
}

impl Streams {
    /// Adds a segment. [`Self::next_message`] then returns the messages that it completes.
    pub(crate) fn push(&mut self, key: Key, segment: Segment<'_>, time: Timestamp) {
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
    pub(crate) fn next_message(&mut self) -> Option<(Key, Timestamp)> {
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
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// The capture is at its end: nothing that is missing will still come.
    pub(crate) fn end_all(&mut self) {
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
mod tests;
