//! Puts fragmented IP packets together again, within fixed bounds.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use netflow_templates::Timestamp;

use crate::link::{Fragment, Packet};

/// No IP packet is longer.
const LONGEST: usize = 65_535;
/// Pieces with gaps between them that one packet may have at a time.
const MOST_PIECES: usize = 256;
/// Packets that may be incomplete at a time.
const MOST_WAITING: usize = 4096;
/// Octets that incomplete packets may take together.
const MOST_OCTETS: usize = 16 << 20;
/// After this time a fragment with the same identification belongs to another packet.
const LIFETIME: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    /// Protocol in IPv4; 0 in IPv6, where the first fragment alone says it.
    protocol: u8,
    id: u32,
}

#[derive(Debug)]
struct Waiting {
    /// Place in the order of arrival.
    stamp: u64,
    started: Timestamp,
    /// Payload from its first octet to the last one known, zero where nothing came yet.
    payload: Vec<u8>,
    /// What has come, as ranges in order that do not touch.
    pieces: Vec<(usize, usize)>,
    /// Length of the whole payload, once the last fragment came.
    length: Option<usize>,
    /// Protocol that the fragment with offset 0 named.
    protocol: u8,
    /// From here on the content is not what was sent, since the capture cut a fragment.
    cut_at: Option<usize>,
}

/// A packet that is whole again; its payload is [`Fragments::whole`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) protocol: u8,
    /// Octets of payload that the packet had on the wire.
    pub(crate) declared: usize,
}

/// Packets of which fragments are missing.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    waiting: HashMap<Key, Waiting>,
    /// Keys in the order in which their first fragment arrived.
    order: BTreeMap<u64, Key>,
    stamps: u64,
    octets: usize,
    whole: Vec<u8>,
    /// Packets given up: too old, too many, or of fragments that cannot belong together.
    pub(crate) dropped: u64,
}

impl Fragments {
    /// Packets that still wait for fragments.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Payload of the packet that the last [`Self::add`] completed, as far as it was captured.
    pub(crate) fn whole(&self) -> &[u8] {
        &self.whole
    }

    /// Adds a fragment; returns what is known about the packet if that completes it.
    pub(crate) fn add(&mut self, packet: &Packet<'_>, part: Fragment, time: Timestamp) -> Option<Whole> {
        let key = Key {
            source: packet.source,
            destination: packet.destination,
            protocol: if packet.source.is_ipv4() { packet.protocol } else { 0 },
            id: part.id,
        };
        let start = part.offset as usize;
        let end = start + packet.declared;
        // Nothing but the last fragment may end between two units of 8 octets.
        if end > LONGEST || packet.declared == 0 || (part.more && !packet.declared.is_multiple_of(8)) {
            self.drop_packet(key);
            return None;
        }
        if self.waiting.get(&key).is_some_and(|old| time.saturating_since(old.started) > LIFETIME) {
            self.drop_packet(key);
        }
        let stamp = self.stamps;
        let entry = self.waiting.entry(key).or_insert_with(|| {
            self.stamps += 1;
            self.order.insert(stamp, key);
            Waiting {
                stamp,
                started: time,
                payload: Vec::new(),
                pieces: Vec::new(),
                length: None,
                protocol: packet.protocol,
                cut_at: None,
            }
        });

        // The first last fragment to come says how long the packet is.
        let known = entry.payload.len();
        let contradiction = match entry.length {
            Some(length) => end > length || (!part.more && end != length),
            None => !part.more && end < known,
        };
        if contradiction {
            self.drop_packet(key);
            return None;
        }
        if !part.more {
            entry.length = Some(end);
        }
        if start == 0 {
            entry.protocol = packet.protocol;
        }
        if end > known {
            self.octets += end - known;
            entry.payload.resize(end, 0);
        }
        entry.place(start, packet.payload, end);
        if entry.pieces.len() > MOST_PIECES {
            self.drop_packet(key);
            return None;
        }

        let complete = entry.length.is_some_and(|length| entry.pieces == [(0, length)]);
        if complete {
            let mut entry = self.remove(key)?;
            let whole = Whole { protocol: entry.protocol, declared: entry.payload.len() };
            entry.payload.truncate(entry.cut_at.unwrap_or(usize::MAX));
            self.whole = entry.payload;
            return Some(whole);
        }
        while self.waiting.len() > MOST_WAITING || self.octets > MOST_OCTETS {
            let Some((_, &oldest)) = self.order.first_key_value() else { break };
            self.drop_packet(oldest);
        }
        None
    }

    fn drop_packet(&mut self, key: Key) {
        self.dropped += u64::from(self.remove(key).is_some());
    }

    fn remove(&mut self, key: Key) -> Option<Waiting> {
        let entry = self.waiting.remove(&key)?;
        self.order.remove(&entry.stamp);
        self.octets -= entry.payload.len();
        Some(entry)
    }
}

impl Waiting {
    /// Puts the octets `start..end` in place, of which `content` was captured. What came before stays
    /// as it is where fragments overlap.
    fn place(&mut self, start: usize, content: &[u8], end: usize) {
        // Ranges that overlap or touch the new one.
        let first = self.pieces.partition_point(|piece| piece.1 < start);
        let last = self.pieces.partition_point(|piece| piece.0 <= end);
        let mut at = start;
        for &(from, to) in self.pieces[first..last].iter().chain(&[(end, end)]) {
            let free = at..from.min(end);
            if free.start < free.end {
                let captured = (start + content.len()).clamp(free.start, free.end);
                // Nothing of it may be captured, where what came before covers all that was.
                if let Some(new) = content.get(free.start - start..captured - start) {
                    self.payload[free.start..captured].copy_from_slice(new);
                }
                if captured < free.end {
                    self.cut_at = Some(self.cut_at.map_or(captured, |cut| cut.min(captured)));
                }
            }
            at = at.max(to);
        }
        let merged = match &self.pieces[first..last] {
            [] => (start, end),
            near => (near[0].0.min(start), near[near.len() - 1].1.max(end)),
        };
        self.pieces.splice(first..last, [merged]);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn packet(payload: &[u8]) -> Packet<'_> {
        Packet {
            source: Ipv4Addr::new(192, 0, 2, 1).into(),
            destination: Ipv4Addr::new(192, 0, 2, 2).into(),
            protocol: 17,
            start: 0,
            payload,
            declared: payload.len(),
            fragment: None,
        }
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 + at / 256) as u8).collect()
    }

    /// Adds the ranges of `all`, with identification 1; what comes out at the end.
    fn join(all: &[u8], ranges: &[(usize, usize)]) -> (Fragments, Option<Whole>) {
        let mut fragments = Fragments::default();
        let mut out = None;
        for &(start, end) in ranges {
            assert_eq!(out, None, "complete before {start}..{end}");
            let part = Fragment { id: 1, offset: start as u32, more: end < all.len() };
            out = fragments.add(&packet(&all[start..end]), part, Timestamp::EPOCH);
        }
        (fragments, out)
    }

    #[test]
    fn in_any_order() {
        let all = content(50);
        for ranges in [
            [(0, 16), (16, 40), (40, 50)],
            [(40, 50), (16, 40), (0, 16)],
            [(16, 40), (0, 16), (40, 50)],
            [(40, 50), (0, 16), (16, 40)],
        ] {
            let (fragments, whole) = join(&all, &ranges);
            assert_eq!(whole, Some(Whole { protocol: 17, declared: 50 }));
            assert_eq!(fragments.whole(), all);
            assert_eq!((fragments.waiting(), fragments.octets, fragments.dropped), (0, 0, 0));
            assert!(fragments.order.is_empty());
        }
    }

    #[test]
    fn overlapping_fragments_keep_what_came_first() {
        let all = content(64);
        let (fragments, whole) = join(&all, &[(8, 24), (8, 24), (0, 40), (16, 32), (32, 64)]);
        assert!(whole.is_some());
        assert_eq!(fragments.whole(), all);

        let mut fragments = Fragments::default();
        let mut add = |content: u8, start: u32, end: u32, more| {
            let bytes = vec![content; (end - start) as usize];
            fragments.add(&packet(&bytes), Fragment { id: 1, offset: start, more }, Timestamp::EPOCH)
        };
        assert_eq!(add(1, 8, 16, true), None);
        assert_eq!(add(2, 24, 32, true), None);
        assert!(add(3, 0, 40, false).is_some());
        let expected: Vec<u8> = [3, 1, 3, 2, 3].iter().flat_map(|value| [*value; 8]).collect();
        assert_eq!(fragments.whole(), expected);
    }

    #[test]
    fn contradictions_drop_the_packet() {
        let mut fragments = Fragments::default();
        let bytes = content(65_528);
        let mut add = |length: usize, offset: u32, more| {
            let part = Fragment { id: 1, offset, more };
            let out = fragments.add(&packet(&bytes[..length]), part, Timestamp::EPOCH);
            (out, fragments.waiting(), fragments.dropped)
        };
        assert_eq!(add(16, 0, true), (None, 1, 0));
        // Beyond the end that was named.
        assert_eq!(add(16, 32, false), (None, 1, 0));
        assert_eq!(add(16, 48, true), (None, 0, 1));
        // Two different ends.
        assert_eq!(add(16, 32, false), (None, 1, 1));
        assert_eq!(add(8, 32, false), (None, 0, 2));
        // Longer than any packet; not in units of 8.
        assert_eq!(add(16, 65_528, false), (None, 0, 2));
        assert_eq!(add(13, 0, true), (None, 0, 2));
        assert_eq!(add(0, 8, false), (None, 0, 2));
    }

    #[test]
    fn a_fragment_cut_by_the_capture_cuts_the_packet() {
        let all = content(48);
        let mut fragments = Fragments::default();
        let mut cut = packet(&all[16..20]);
        cut.declared = 16;
        let part = |offset, more| Fragment { id: 1, offset, more };
        assert_eq!(fragments.add(&packet(&all[..16]), part(0, true), Timestamp::EPOCH), None);
        assert_eq!(fragments.add(&cut, part(16, true), Timestamp::EPOCH), None);
        let whole = fragments.add(&packet(&all[32..]), part(32, false), Timestamp::EPOCH);
        assert_eq!(whole, Some(Whole { protocol: 17, declared: 48 }));
        assert_eq!(fragments.whole(), &all[..20]);
    }

    #[test]
    fn a_cut_fragment_may_reach_beyond_what_came_before_by_octets_that_were_not_captured() {
        let all = content(64);
        let mut fragments = Fragments::default();
        let part = |offset, more| Fragment { id: 1, offset, more };
        assert_eq!(fragments.add(&packet(&all[..32]), part(0, true), Timestamp::EPOCH), None);
        let mut cut = packet(&all[..8]);
        cut.declared = 64;
        let whole = fragments.add(&cut, part(0, false), Timestamp::EPOCH);
        assert_eq!(whole, Some(Whole { protocol: 17, declared: 64 }));
        assert_eq!(fragments.whole(), &all[..32]);
    }

    #[test]
    fn memory_stays_bounded_and_the_oldest_go() {
        let mut fragments = Fragments::default();
        let bytes = content(8);
        for id in 0..2_000 {
            let part = Fragment { id, offset: 65_000, more: true };
            assert_eq!(fragments.add(&packet(&bytes), part, Timestamp::EPOCH), None);
        }
        assert!(fragments.octets <= MOST_OCTETS);
        assert_eq!(fragments.order.len(), fragments.waiting());
        assert_eq!(fragments.dropped, 2_000 - fragments.waiting() as u64);
        assert!(fragments.waiting.keys().all(|key| key.id >= 1_500));
        // Small ones: bounded in number.
        let mut fragments = Fragments::default();
        for id in 0..10_000 {
            let part = Fragment { id, offset: 0, more: true };
            fragments.add(&packet(&bytes), part, Timestamp::EPOCH);
        }
        assert_eq!(fragments.waiting(), MOST_WAITING);
    }

    #[test]
    fn many_tiny_fragments_of_one_packet() {
        // Every second unit: more pieces than a packet may have.
        let mut fragments = Fragments::default();
        let bytes = content(8);
        for unit in (0..8000).step_by(2) {
            let part = Fragment { id: 1, offset: unit * 8, more: true };
            assert_eq!(fragments.add(&packet(&bytes), part, Timestamp::EPOCH), None);
        }
        assert!(fragments.dropped > 0);
        // In order they join into one piece, however many they are.
        let all = content(65_000);
        let ranges: Vec<_> = (0..65_000).step_by(8).map(|start| (start, start + 8)).collect();
        let (fragments, whole) = join(&all, &ranges);
        assert!(whole.is_some());
        assert_eq!(fragments.whole(), all);
    }

    #[test]
    fn an_identification_used_again_later_is_another_packet() {
        let mut fragments = Fragments::default();
        let old = [1; 16];
        let new = [2; 16];
        let part = |offset, more| Fragment { id: 1, offset, more };
        assert_eq!(fragments.add(&packet(&old), part(16, true), Timestamp::EPOCH), None);
        let later = Timestamp::from_secs(31);
        assert_eq!(fragments.add(&packet(&new), part(0, true), later), None);
        assert!(fragments.add(&packet(&new), part(16, false), later).is_some());
        assert_eq!(fragments.whole(), [2; 32]);
        assert_eq!(fragments.dropped, 1);
    }
}
