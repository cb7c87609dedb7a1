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
