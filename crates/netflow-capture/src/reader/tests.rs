use std::io::{self, Read};

use pcap_parser::{EPB_MAGIC, SHB_MAGIC, SPB_MAGIC};

use crate::testing::*;
use crate::{CaptureError, CaptureReader, CaptureStatistics, looks_like_capture};

/// A reader that gives one octet at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(buffer.len()).min(1);
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    source: String,
    nanos: i64,
    payload: Vec<u8>,
    truncated: bool,
    frame: u64,
}

/// Everything that a file holds, and the error at its end.
fn read(file: impl Read) -> (Vec<Got>, Option<CaptureError>, CaptureStatistics) {
    let mut reader = match CaptureReader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error), CaptureStatistics::default()),
    };
    let mut all = Vec::new();
    let error = loop {
        match reader.next_datagram() {
            Ok(Some(datagram)) => all.push(Got {
                source: datagram.source.to_string(),
                nanos: datagram.time.as_nanos(),
                payload: datagram.payload.to_vec(),
                truncated: datagram.truncated,
                frame: datagram.frame,
            }),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    // An error comes once.
    assert!(matches!(reader.next_datagram(), Ok(None)));
    let statistics = reader.statistics();
    assert_eq!(statistics.datagrams, all.len() as u64);
    (all, error, statistics)
}

fn payloads(all: &[Got]) -> Vec<Vec<u8>> {
    all.iter().map(|got| got.payload.clone()).collect()
}

#[test]
fn all_four_magic_numbers_of_pcap() {
    for writer in [LITTLE, BIG] {
        for (magic, fraction, nanos) in
            [(MICROSECONDS, 123_456, 123_456_000), (NANOSECONDS, 123_456_789, 123_456_789)]
        {
            let mut file = writer.pcap_header(magic, 1);
            assert!(looks_like_capture(&file[..4]));
            let frame = ethernet(&ipv4(17, 0, 0, &udp(b"export")));
            file.extend(writer.pcap_frame(1_714_564_800, fraction, &frame, frame.len()));
            let (all, error, statistics) = read(Slow(&file));
            assert!(error.is_none());
            let expected = Got {
                source: "192.0.2.1:40000".into(),
                nanos: 1_714_564_800_000_000_000 + nanos,
                payload: b"export".into(),
                truncated: false,
                frame: 1,
            };
            assert_eq!(all, [expected]);
            assert_eq!((statistics.frames, statistics.cut_frames), (1, 0));
        }
    }
}

#[test]
fn pcapng_with_sections_interfaces_and_all_packet_blocks() {
    let ip = |text: &[u8]| ipv4(17, 0, 0, &udp(text));
    let mut file = Vec::new();
    for writer in [LITTLE, BIG] {
        let offset = match writer {
            Writer::Little => 100_i64.to_le_bytes(),
            Writer::Big => 100_i64.to_be_bytes(),
        };
        file.extend(writer.section());
        file.extend(writer.interface(1, 0, &[(2, b"eth0")]));
        file.extend(writer.interface(101, 0, &[(9, &[9]), (14, &offset)]));
        // Units of 2^-10 s, and a link type that is not read.
        file.extend(writer.interface(1, 0, &[(9, &[0x8a])]));
        file.extend(writer.interface(189, 0, &[]));
        // Name resolution and custom blocks are stepped over, whatever is in them.
        file.extend(writer.block(4, &[0xff; 30]));
        file.extend(writer.block(0xbad, &[0xff; 5]));
        let frame = ethernet(&ip(b"micro"));
        file.extend(writer.enhanced(0, 1_000_001, &frame, frame.len()));
        file.extend(writer.enhanced(1, 2_000_000_003, &ip(b"nano"), ip(b"nano").len()));
        file.extend(writer.enhanced(2, 1024 * 5 + 512, &frame, frame.len()));
        file.extend(writer.enhanced(3, 0, &frame, frame.len()));
        // Obsolete: interface and drops of 16 bits, time, lengths.
        let raw = ip(b"old");
        let mut old = [writer.u16(1), writer.u16(9)].concat();
        old.extend(writer.u32s(&[0, 7, raw.len() as u32, raw.len() as u32]));
        old.extend(&raw);
        file.extend(writer.block(2, &old));
        // Simple: only the original length.
        let mut simple = writer.u32(frame.len() as u32).to_vec();
        simple.extend(&frame);
        file.extend(writer.block(SPB_MAGIC, &simple));
    }
    assert!(looks_like_capture(&file));
    let (all, error, statistics) = read(Slow(&file));
    assert!(error.is_none(), "{error:?}");
    let times: Vec<_> = all.iter().map(|got| got.nanos).collect();
    let old = 100_000_000_007;
    let section = [1_000_001_000, 102_000_000_003, 5_500_000_000, old, old];
    assert_eq!(times, [section, section].concat());
    let texts: [&[u8]; 5] = [b"micro", b"nano", b"micro", b"old", b"micro"];
    assert_eq!(payloads(&all), [texts, texts].concat());
    assert_eq!(statistics.frames, 12);
    assert_eq!((statistics.unsupported_link, statistics.unsupported_link_type), (2, Some(189)));
}

#[test]
fn what_the_snap_length_cut_is_said() {
    let frame = ethernet(&ipv4(17, 0, 0, &udp(&content(100))));
    let mut file = LITTLE.pcap_header(MICROSECONDS, 1);
    file.extend(LITTLE.pcap_frame(1, 0, &frame[..96], frame.len()));
    // Cut within padding behind the payload, and within the UDP header.
    let short = ethernet(&ipv4(17, 0, 0, &udp(b"abc")));
    file.extend(LITTLE.pcap_frame(1, 0, &short[..50], short.len()));
    file.extend(LITTLE.pcap_frame(1, 0, &short[..40], short.len()));
    let (all, error, statistics) = read(file.as_slice());
    assert!(error.is_none());
    assert_eq!(payloads(&all), [content(100)[..54].to_vec(), b"abc".to_vec()]);
    assert_eq!(all.iter().map(|got| got.truncated).collect::<Vec<_>>(), [true, false]);
    assert_eq!((statistics.cut_frames, statistics.truncated, statistics.malformed), (3, 1, 1));

    // The simple packet block says it with the limit of its interface.
    let mut file = [LITTLE.section(), LITTLE.interface(1, 96, &[])].concat();
    let simple = [&LITTLE.u32(frame.len() as u32)[..], &frame[..96]].concat();
    file.extend(LITTLE.block(SPB_MAGIC, &simple));
    let (all, _, statistics) = read(file.as_slice());
    assert_eq!((all[0].payload.len(), all[0].truncated, statistics.cut_frames), (54, true, 1));
}

#[test]
fn udp_lengths_that_contradict_the_packet() {
    let lengths = |length: u16| {
        let mut packet = udp(b"payload");
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        packet
    };
    let packets: Vec<_> =
        [15, 12, 8, 7, 0, 16, u16::MAX].map(|length| ipv4(17, 0, 0, &lengths(length))).into();
    let (all, _, statistics) = read(pcap(&packets).as_slice());
    assert_eq!(payloads(&all), [&b"payload"[..], b"payl", b""]);
    assert_eq!(statistics.malformed, 4);
    // In IPv6, 0 is a length too.
    let (all, _, _) = read(pcap(&[ipv6(17, &lengths(0))]).as_slice());
    assert_eq!(payloads(&all), [b"payload"]);
}

#[test]
fn fragments_of_both_versions() {
    let payload = content(3000);
    let whole = udp(&payload);
    let parts = [(0, 1480), (1480, 2960), (2960, whole.len())];
    let v4 = |&(from, to): &(usize, usize)| {
        let more = if to < whole.len() { 0x2000 } else { 0 };
        ipv4(17, 99, more | (from / 8) as u16, &whole[from..to])
    };
    let v6 = |&(from, to): &(usize, usize)| {
        let place = from as u16 | u16::from(to < whole.len());
        let head = [&[17, 0][..], &place.to_be_bytes(), &[0, 0, 0, 9]].concat();
        ipv6(44, &[&head, &whole[from..to]].concat())
    };
    for make in [&v4 as &dyn Fn(&(usize, usize)) -> Vec<u8>, &v6] {
        let [first, second, third] = parts.each_ref().map(make);
        let overlapping = make(&(8, 1488));
        for packets in [
            vec![first.clone(), second.clone(), third.clone()],
            vec![third.clone(), second.clone(), first.clone()],
            vec![second.clone(), overlapping, second.clone(), first.clone(), third.clone()],
        ] {
            let (all, error, statistics) = read(pcap(&packets).as_slice());
            assert!(error.is_none());
            assert_eq!(payloads(&all), std::slice::from_ref(&payload));
            assert_eq!(all[0].frame, packets.len() as u64);
            assert!(all[0].source.ends_with(":40000"));
            assert_eq!(statistics.fragments, packets.len() as u64);
            assert_eq!((statistics.reassembled, statistics.fragments_waiting), (1, 0));
        }
        // Never complete.
        let (all, error, statistics) = read(pcap(&[first, third]).as_slice());
        assert!(all.is_empty() && error.is_none());
        assert_eq!((statistics.fragments_waiting, statistics.reassembled), (1, 0));
    }
}

#[test]
fn tcp_in_order_swapped_repeated_and_with_a_gap() {
    let messages: Vec<_> = (0..6).map(|n| ipfix(n * 20, 20)).collect();
    let all = messages.concat();
    let syn = ipv4(6, 0, 0, &tcp(u32::MAX - 150, 2, b""));
    // 100 octets a message, 60 a segment.
    let segments: Vec<_> = (0..all.len())
        .step_by(60)
        .map(|from| {
            ipv4(6, 0, 0, &tcp((u32::MAX - 149).wrapping_add(from as u32), 0x18, &all[from..from + 60]))
        })
        .collect();
    let mut packets = vec![syn];
    packets.extend(segments.clone());
    let (got, error, statistics) = read(pcap(&packets).as_slice());
    assert!(error.is_none());
    assert_eq!(payloads(&got), messages);
    assert_eq!((statistics.tcp_segments, statistics.tcp_gaps, statistics.tcp_foreign), (11, 0, 0));
    // The first message is whole with the second segment, which is the third frame.
    assert_eq!((got[0].frame, got[0].nanos), (3, 1_002_000_007_000));

    packets.swap(3, 4);
    packets.insert(6, packets[2].clone());
    let (got, _, statistics) = read(pcap(&packets).as_slice());
    assert_eq!(payloads(&got), messages);
    assert_eq!((statistics.tcp_retransmitted, statistics.tcp_gaps), (1, 0));

    // Without the fourth segment (180..240), messages 1 and 2 are not whole.
    let mut some = segments;
    some.remove(3);
    let (got, _, statistics) = read(pcap(&some).as_slice());
    assert_eq!(payloads(&got), [&messages[..1], &messages[3..]].concat());
    assert_eq!((statistics.tcp_gaps, statistics.tcp_resynchronised), (1, 1));
}

#[test]
fn what_is_no_export_is_counted() {
    let arp = [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6][..], &[0; 46]].concat();
    let mut file = pcap(&[
        ipv4(1, 0, 0, &[8, 0, 0, 0, 0, 0, 0, 0]),
        ipv4(6, 0, 0, &tcp(1, 0x18, b"GET / HTTP/1.1\r\n\r\n")),
        ipv4(17, 0, 0, b"short"),
    ]);
    file.extend(LITTLE.pcap_frame(1, 0, &arp, arp.len()));
    let (all, error, statistics) = read(file.as_slice());
    assert!(all.is_empty() && error.is_none());
    assert_eq!((statistics.frames, statistics.not_ip, statistics.other_protocol), (4, 1, 1));
    assert_eq!((statistics.tcp_segments, statistics.tcp_foreign, statistics.malformed), (1, 1, 1));
}

#[test]
fn a_file_cut_anywhere_gives_what_is_before() {
    let packets: Vec<_> = [
        ipv4(17, 0, 0, &udp(b"one")),
        ipv4(6, 0, 0, &tcp(5, 0x18, &ipfix(1, 3))),
        ipv6(17, &udp(&content(90))),
    ]
    .into();
    let classic = pcap(&packets);
    let mut ng = [LITTLE.section(), LITTLE.interface(1, 0, &[(9, &[9])])].concat();
    let mut ng_ends = vec![28, ng.len()];
    for packet in &packets {
        let frame = ethernet(packet);
        ng.extend(LITTLE.enhanced(0, 5, &frame, frame.len()));
        ng_ends.push(ng.len());
    }
    ng.extend(LITTLE.block(10, &content(70)));
    ng_ends.push(ng.len());
    let mut ends = vec![24];
    for packet in &packets {
        ends.push(ends[ends.len() - 1] + 16 + ethernet(packet).len());
    }
    for (file, ends, header) in [(classic, ends, 24), (ng, ng_ends, 28)] {
        let whole = payloads(&read(file.as_slice()).0);
        assert_eq!(whole.len(), 3);
        for end in 0..=file.len() {
            let (all, error, statistics) = read(&file[..end]);
            let got = payloads(&all);
            assert!(whole.starts_with(&got));
            let at = ends.iter().copied().filter(|at| *at <= end).max().unwrap_or(0);
            match error {
                None => assert_eq!(at, end),
                Some(CaptureError::Empty) => assert_eq!(end, 0),
                Some(CaptureError::NotACapture { first }) => assert_eq!(first, file[..end]),
                Some(CaptureError::CutOff { at: told, needed, available }) => {
                    assert_eq!((told, available), (at as u64, (end - at) as u64));
                    assert!(needed > available && end >= 4);
                }
                Some(other) => panic!("cut at {end}: {other}"),
            }
            if end >= header {
                assert_eq!(statistics.frames as usize, got.len(), "cut at {end}");
            }
        }
    }
}

#[test]
fn corrupt_records_are_named() {
    let one = ipv4(17, 0, 0, &udp(b"one"));
    let mut file = pcap(std::slice::from_ref(&one));
    let at = file.len() as u64;
    file.extend(LITTLE.u32s(&[1, 0, u32::MAX, u32::MAX]));
    let (all, error, _) = read(file.as_slice());
    assert_eq!(all.len(), 1);
    let error = error.expect("an error");
    let text = "the capture is corrupt: the record at offset 100 has a frame of 4294967295 \
                octets, where 262144 are the most";
    assert_eq!((error.to_string(), at), (text.to_owned(), 100));

    let start = [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat();
    let frame = ethernet(&one);
    let good = LITTLE.enhanced(0, 5, &frame, frame.len());
    let patched = |at: usize, value: u32| {
        let mut block = good.clone();
        block[at..at + 4].copy_from_slice(&value.to_le_bytes());
        [&start[..], &good, &block].concat()
    };
    let last = good.len() - 4;
    for (file, text) in [
        (patched(4, 10), "gives its length as 10 octets at its start and as None at its end"),
        (patched(4, 30), "gives its length as 30 octets at its start and as None at its end"),
        (patched(last, 5), "octets at its start and as Some(5) at its end"),
        (patched(8, 1), "is a frame of interface 1, and 1 interfaces are described"),
        (patched(20, 1000), "is a block of type 6 whose content does not fit its"),
        (patched(20, u32::MAX), "is a block of type 6 whose content does not fit its"),
        (patched(0, SHB_MAGIC), "starts a section with the octet order mark 0x00000000, which is none"),
    ] {
        let (all, error, _) = read(file.as_slice());
        assert_eq!(all.len(), 1);
        let told = error.expect("an error").to_string();
        let place = format!("the record at offset {} ", start.len() + good.len());
        assert!(told.contains(&place) && told.contains(text), "{told}");
    }
}

#[test]
fn lengths_allocate_nothing() {
    // A block of nearly 4 GiB that is not there, of a type that is stepped over and of one that is read.
    for block_type in [4, EPB_MAGIC, 2] {
        let mut file = [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat();
        file.extend(LITTLE.u32s(&[block_type, u32::MAX - 3, 0, 0, 0, 0]));
        let mut reader = CaptureReader::new(file.as_slice()).expect("a capture");
        assert!(matches!(
            reader.next_datagram(),
            Err(CaptureError::CutOff { at: 48, needed: 4_294_967_292, available: 24 })
        ));
        assert!(reader.container.memory() <= 64 << 10);
    }
    // One that is there, and too long for a frame.
    let mut file = [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat();
    file.extend(LITTLE.enhanced(0, 0, &vec![0; 2 << 20], 2 << 20));
    let frame = ethernet(&ipv4(17, 0, 0, &udp(b"one")));
    file.extend(LITTLE.enhanced(0, 0, &frame, frame.len()));
    let (all, error, statistics) = read(file.as_slice());
    assert!(error.is_none());
    assert_eq!((all.len(), statistics.oversized, statistics.frames), (1, 1, 2));
}

#[test]
fn other_files_are_refused() {
    assert!(matches!(CaptureReader::new(&b""[..]), Err(CaptureError::Empty)));
    let error = CaptureReader::new(&b"\x1f\x8b\x08\x00more"[..]).expect_err("an error");
    let text = "a file that starts with the octets 1f 8b 08 00 is neither a pcap nor a pcapng capture";
    assert_eq!(error.to_string(), text);
    assert!(!looks_like_capture(b"\x00\x05\x00\x1e"));
    assert!(!looks_like_capture(&[0x0a, 0x0d]));
    let file = LITTLE.pcap_header(MICROSECONDS, 105);
    assert!(matches!(CaptureReader::new(file.as_slice()), Err(CaptureError::LinkType { link_type: 105 })));
}

#[test]
fn a_failing_input_is_reported_after_what_was_read() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("gone")),
                count => Ok(count),
            }
        }
    }
    let file = pcap(&[ipv4(17, 0, 0, &udp(b"one"))]);
    let (all, error, _) = read(Failing(&file));
    assert_eq!(all.len(), 1);
    assert!(matches!(error, Some(CaptureError::Read { at: 100, .. })));
}

#[test]
fn damaged_files_never_panic() {
    let mut random = 7_u64;
    let mut next = |end: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % end
    };
    let whole = udp(&content(100));
    let packets = [
        ipv4(17, 5, 0x2000, &whole[..64]),
        ipv4(17, 5, 8, &whole[64..]),
        ipv4(6, 0, 0, &tcp(5, 0x18, &ipfix(1, 3))),
        ipv6(17, &udp(&content(90))),
    ];
    let mut ng = [BIG.section(), BIG.interface(1, 0, &[(9, &[9])])].concat();
    for packet in &packets {
        let frame = ethernet(packet);
        ng.extend(BIG.enhanced(0, 5, &frame, frame.len()));
    }
    for file in [pcap(&packets), ng] {
        for _ in 0..20_000 {
            let mut damaged = file.clone();
            for _ in 0..=next(4) {
                let at = next(damaged.len());
                damaged[at] = next(256) as u8;
            }
            read(damaged.as_slice());
        }
    }
}
