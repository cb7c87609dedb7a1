//! The text of `nf decode`: packets of every version, and broken ones, in which each fault is named with its
//! offset. The texts are in `tests/decode_text`; `UPDATE_GOLDEN=1 cargo test` writes them anew.

use std::fs;
use std::path::Path;

use common::{Ended, octets, run_nf, scratch};

mod common;

/// A v5 header and one record.
const V5: &str = "00050001 000379a3 5e80c586 00a55ab0 00000007 0203 4064
    c0000201 c6336402 00000000 0001 0002 0000000a 00000348 00002f4c 00005276 01bb e1a6 00 1b 06 b8 fde8 fde9 18 10 0000";
/// A v9 packet with template 256 (source, destination, octets, protocol, flags), two records and padding.
const V9: &str = "00090003 000379a3 5e80c586 00000007 00000001
    0000 001c 0100 0005 0008 0004 000c 0004 0001 0004 0004 0001 0006 0001
    0100 0024 c0000201 c6336402 00000348 06 1b c6336402 c0000201 00000200 11 00 00000000";
/// An IPFIX message with template 256 (source, octets) and a record of it.
const IPFIX: &str = "000a0030 5e8465fd 00000005 0000002a
    0002 0010 0100 0002 0008 0004 0001 0008
    0100 0010 c0000201 0000000000000348";

fn decode(packets: &[&str]) -> Ended {
    run_nf(["decode"].iter().chain(packets))
}

/// A packet with the first `what` in it replaced.
fn with(packet: &str, what: &str, other: &str) -> String {
    assert!(packet.contains(what), "{what} is not in {packet}");
    packet.replacen(what, other, 1)
}

/// Compares a text with the stored one.
#[track_caller]
fn is_stored(name: &str, ended: &Ended) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decode_text").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &ended.out).expect("written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(ended.out, stored, "{name}");
}

/// Sentences on one line, as they are before they are wrapped.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(ended: &Ended, sentence: &str) {
    let text = unwrapped(&ended.out);
    assert!(text.contains(sentence), "no {sentence:?} in\n{}", ended.out);
}

/// Every octet of the packet is in a line of the text: the offsets of the lines with octets follow each other.
#[track_caller]
fn covers(ended: &Ended) {
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let length = ended.out.split_once(" octets,").and_then(|(before, _)| number(before.rsplit(' ').next()?));
    let (mut at, mut not_decoded) = (0, 0);
    for line in ended.out.lines() {
        let Some(offset) = line.get(..6).and_then(number) else {
            if line.trim() == ".." {
                at = not_decoded;
            }
            continue;
        };
        if let Some((octets, _)) = line.get(33..).and_then(|text| text.split_once(" octets not decoded")) {
            not_decoded = offset + number(octets).expect("a number");
        }
        let shown = line.get(8..33).unwrap_or_default().trim();
        if shown.is_empty() {
            continue;
        }
        assert_eq!(offset, at, "{line}\n{}", ended.out);
        at += match shown.split_once(" ..") {
            Some((_, all)) => number(all).expect("a number"),
            None => shown.split(' ').count(),
        };
    }
    assert_eq!(Some(at), length, "{}", ended.out);
}

#[test]
fn a_packet_of_each_version() {
    let v1 = "00010001 000379a3 5e80c586 00a55ab0
        c0000201 c6336402 00000000 0001 0002 0000000a 00000348 00002f4c 00005276 01bb e1a6 0000 06 b8 1b 00 0000 00000000";
    let v7 = "00070001 000379a3 5e80c586 00a55ab0 00000007 00000000
        c0000201 c6336402 00000000 0001 0002 0000000a 00000348 00002f4c 00005276 0000 0301 00 00 01 b8 fde8 fde9 18 10 0000 c0000209";
    let v8 = "00080001 000379a3 5e80c586 00a55ab0 00000007 0203 01 02 00000000
        00000003 0000000a 00000348 00002f4c 00005276 fde8 fde9 0001 0002";
    for (name, packet) in [("v1", v1), ("v5", V5), ("v7", v7), ("v8", v8), ("v9", V9), ("ipfix", IPFIX)] {
        let ended = decode(&[packet]).with(0);
        is_stored(name, &ended);
        covers(&ended);
        assert_eq!(ended.err, "");
    }
}

#[test]
fn values_of_every_kind() {
    // Template 300: string of variable length, MAC address, IPv6 address, application id, flow end reason, forwarding
    // status, NAT event, time in milliseconds, an unknown element, one of an enterprise, padding.
    let template =
        "000a004c 5e8465fd 00000005 0000002a  0002 003c 012c 000b 0052 ffff 0038 0006 001b 0010 005f 0004
        0088 0001 0059 0001 00e6 0001 0098 0008 7ffe 0002 8007 0002 0000 7ed9 00d2 0002 0000 0000";
    let data = "000a004e 5e8465fd 00000005 0000002a  012c 003e 09 47692f301b5b326d78 001b21abcdef
        20010db8000000000000000000000001 0d0001c5 02 82 04 0000016f00000000 abcd 1234 0000 0000 0000 00";
    let ended = decode(&[template, data]).with(0);
    is_stored("values", &ended);
    for part in
        ["Gi/0\\u{1b}[2mx", "engine PANA-L7", "active timeout", "dropped: ACL drop", "NAT44 session create"]
    {
        says(&ended, part);
    }
}

#[test]
fn options_and_withdrawals() {
    let options = "00090003 000379a3 5e80c586 00000007 00000001
        0001 001a 0101 0004 000c 0002 0004 0022 0004 0023 0001 0052 0010
        0101 001d 00000003 00000064 02 65746833000000000000000000000000";
    let flows = "00090003 000379a3 5e80c586 00000008 00000001
        0000 0010 0100 0002 000a 0004 0001 0004  0100 000c 00000003 00000348";
    let ended = decode(&[options, flows]).with(0);
    is_stored("options", &ended);
    says(&ended, "INPUT_SNMP = 3 (eth3)");
    let withdrawal = "000a0018 5e8465fd 00000006 0000002a  0002 0008 0100 0000";
    let ended = decode(&[IPFIX, withdrawal]).with(0);
    is_stored("withdrawal", &ended);
    says(&ended, "template 256 is withdrawn, 1 known");
}

#[test]
fn a_template_may_be_of_another_packet_and_data_may_come_first() {
    let template = "000a0020 5e8465fd 00000000 0000002a  0002 0010 0100 0002 0008 0004 0001 0008";
    let data = "000a0020 5e8465fd 00000000 0000002a  0100 0010 c0000201 0000000000000348";
    let ended = decode(&[template, data]).with(0);
    says(
        &ended,
        "1 flow record of 12 octets, template of packet 1 (packet 1 of the command line), offset 20",
    );
    let ended = decode(&[data, template]).with(0);
    is_stored("late", &ended);
    says(
        &ended,
        "no template 256 is known for domain 42 of this exporter, so its 12 octets of data are not decoded",
    );
    says(&ended, "--template-from FILE");
    says(&ended, "late: data set 256 of packet 1, which waited");
    let other = with(data, "0000002a", "0000002b");
    let ended = decode(&[template, &other]).with(0);
    says(&ended, "A template 256 is known of domain 42 (packet 1 of the command line)");
}

/// One packet, broken in many ways: name, packet, and the sentence that names fault and offset.
#[test]
fn what_is_wrong_is_named_with_its_offset() {
    let v9 = |what, other| with(V9, what, other);
    let ipfix = |what, other| with(IPFIX, what, other);
    let cases: &[(&str, String, &str, i32)] = &[
        (
            "cut_in_header",
            V9[..22].to_owned(),
            "ends within its header: 20 octets are needed, 10 are there",
            1,
        ),
        (
            "set_length_zero",
            v9("0100 0024", "0100 0000"),
            "set 256 at offset 48: its length (offset 50) is 0, but a set has at least the 4 octets of its own header",
            1,
        ),
        (
            "set_longer_than_packet",
            v9("0100 0024", "0100 0048"),
            "set 256 at offset 48: its length (offset 50) is 72, but only 36 octets are left in the packet",
            1,
        ),
        (
            "count_of_v9",
            v9("00090003", "00090009"),
            "the header's count (offset 2) is 9, but the packet has 3 records: 1 template, 2 flow records",
            0,
        ),
        (
            "count_of_v5",
            with(V5, "00050001", "00050003"),
            "the header's count (offset 2) is 3, but the 48 octets behind the header hold 1 whole records. 2 too few",
            1,
        ),
        (
            "template_without_fields",
            v9(
                "0100 0005 0008 0004 000c 0004 0001 0004 0004 0001 0006 0001",
                "0100 0000 0101 0004 000c 0004 0001 0004 0004 0001 0006 0001",
            ),
            "template 256 at offset 24: its field count (offset 26) is 0",
            1,
        ),
        (
            "template_with_reserved_id",
            v9("0100 0005", "00ff 0005"),
            "template id 255 at offset 24: ids below 256 are reserved for sets",
            1,
        ),
        (
            "template_with_too_many_fields",
            v9("0100 0005", "0100 0006"),
            "template 256 at offset 24: it says that it has 6 fields (offset 26), which takes at least 28 octets, but its set \
             has only 24 left from there",
            1,
        ),
        (
            "record_overrun",
            "000a0030 5e8465fd 00000005 0000002a  0002 0010 0100 0002 0052 ffff 0001 0004
             0100 0010 02 6162 00000007 40 63 000000"
                .to_owned(),
            "set 256, record 2 at offset 43: by the lengths of its values of variable length the record reaches beyond the 5 \
             octets left of the set",
            1,
        ),
        (
            "padding_not_zero",
            v9("11 00 00000000", "11 00 0000abcd"),
            "behind its last whole record, at offset 80, 4 octets are left that are not zero",
            0,
        ),
        (
            "record_longer_than_its_set",
            v9("000c 0004", "000c 0040"),
            "set 256 at offset 48: a record of its template has at least 74 octets, but the set has 32 octets of data",
            0,
        ),
        (
            "ipfix_length_too_long",
            ipfix("000a0030", "000a0040"),
            "the header's length (offset 2) is 64, but 48 octets are there, 16 too few",
            1,
        ),
        ("reserved_set", v9("0100 0024", "0005 0024"), "set 5 at offset 48: ids 2 to 255 are reserved", 0),
        ("unknown_version", with(V9, "0009", "0003"), "the first two octets are 0x0003, version 3", 1),
        ("sflow", "00000005 00000001 c0000201 00000000 00000001".to_owned(), "this is sFlow version 5", 1),
        (
            "unknown_aggregation",
            "00080001 000379a3 5e80c586 00a55ab0 00000007 0203 0f 02 00000000 c0000201".to_owned(),
            "the header's aggregation scheme (offset 22) is 15; 1 to 14 are known",
            1,
        ),
        (
            "icmp",
            "4500 001c 0000 0000 4001 0000 c0000201 c0000202 0800 0000 0000 0000".to_owned(),
            "this looks like an IPv4 packet of ICMP, and no export packet is found in it",
            1,
        ),
        (
            "enterprise_bit_in_v9",
            v9("0004 0001 0006", "8004 0001 0006"),
            "field type 32772 at offset 40 has its high bit set. That is no enterprise bit in v9",
            0,
        ),
        (
            "variable_length_in_v9",
            v9("0001 0004 0004 0001", "0052 ffff 0004 0001"),
            "length 65535 at offset 38 means variable length in IPFIX",
            0,
        ),
        (
            "wrong_length_of_an_address",
            v9("000c 0004 0001 0004", "000c 0002 0001 0006"),
            "IPV4_DST_ADDR is an ipv4Address, which has 4 octets; its length here (offset 34) is 2",
            0,
        ),
        (
            "octets_behind_ipfix",
            format!("{IPFIX} 00000000"),
            "4 zeros follow the message's length (48, offset 2) in its datagram",
            0,
        ),
    ];
    for (name, packet, sentence, code) in cases {
        let ended = decode(&[packet]).with(*code);
        is_stored(name, &ended);
        says(&ended, sentence);
        covers(&ended);
    }
}

#[test]
fn sentences_and_errors_give_the_same_offsets() {
    let packet = with(V9, "0100 0024", "0005 0024");
    let ended = decode(&[&packet]).with(0);
    says(&ended, "set 5 at offset 48");
    ended.saying("set 5 at offset 48 has a reserved id");
    let packet = "000a0024 5e8465fd 00000005 0000002a  0002 000c 0100 0001 0052 ffff  0100 0008 09 616263";
    let ended = decode(&[packet]).with(1);
    says(&ended, "set 256, record 1 at offset 32: by the lengths");
    ended.saying("set 256, record 1 at offset 32 reaches beyond");
}

#[test]
fn what_follows_an_ipfix_message_and_is_none_is_a_fault() {
    // A v9 packet that says that it is IPFIX: its count is the length then, its uptime the time.
    let mut packet = with(V9, "00090003", "000a0011");
    packet = with(&packet, "000379a3", "000079a3");
    let ended = decode(&[&packet]).with(1);
    is_stored("v9_that_says_ipfix", &ended);
    says(&ended, "no message is in the 67 octets at offset 17: the header's length (offset 2) is 17");
    says(&ended, "export_time (offset 4) is 1970-01-01T08:38:59Z, which cannot be");
    says(&ended, "the version (offset 0) may be wrong, and 9 be right");
    ended.saying("no other message is in the 67 octets behind the length");
    let ended = decode(&[&with(IPFIX, "5e8465fd", "00000001")]).with(0);
    says(&ended, "export_time (offset 4) is 1970-01-01T00:00:01Z, which cannot be.");
    assert!(!ended.out.contains("may be wrong"), "{}", ended.out);
    // Another message, and zeros, are none.
    let ended = decode(&[&format!("{IPFIX} {IPFIX}"), &format!("{IPFIX} 0000")]).with(0);
    assert!(!ended.out.contains("no message is in"), "{}", ended.out);
}

#[test]
fn a_set_that_is_too_long_for_its_templates_is_suspected() {
    let hint = "Or the length of the set that it is in is too large: these octets could be the header of";
    let long = with(V9, "0000 001c", "0000 0020");
    says(&decode(&[&long]).with(1), &format!("{hint} the next set, 256, of 36 octets"));
    let options = with(&long, "0100 0024 c0", "0001 0024 c0");
    says(&decode(&[&options]).with(1), &format!("{hint} the next set, 1, of 36 octets"));
    let fields = decode(&[&with(V9, "0100 0005", "0100 0006")]).with(1);
    assert!(!fields.out.contains("is too large"), "{}", fields.out);
}

#[test]
fn data_sets_that_wait_are_counted_apart_from_their_octets() {
    let data = "000a0030 5e8465fd 00000000 0000002a  0100 0010 c0000201 0000000000000348
        0101 0010 c0000201 0000000000000348";
    let ended = decode(&[data]).with(0);
    ended.saying("2 data sets came without a template; 2 still wait for one (32 octets in all)");
}

#[test]
fn lengths_of_numbers_are_those_of_their_type() {
    let template = "000a001c 5e8465fd 00000005 0000002a  0002 000c 0100 0001 0100 0010";
    says(
        &decode(&[template]).with(0),
        "ethernetType is an unsigned16, which has 2 octets at most; its length here (offset 26) is 16",
    );
    let ended = decode(&[&format!("{V5} 00000001")]).with(1);
    ended.saying("4 octets at offset 72 belong to no record and are not padding");
}

#[test]
fn sequence_numbers_and_clocks_are_compared() {
    let packet = |sequence: u8| with(V9, "00000007", &format!("000000{sequence:02x}"));
    let packets: Vec<String> = [1, 2, 3, 4, 7, 7].map(packet).into();
    let packets: Vec<&str> = packets.iter().map(String::as_str).collect();
    let ended = decode(&packets).with(0);
    says(
        &ended,
        "the sequence number 7 says that 2 packets of this exporter and domain are missing before this packet",
    );
    says(&ended, "the sequence number 7 is that of a packet that came before: this one came twice");

    // A capture of one frame, an hour after the packet says that it was sent.
    let payload = octets(V5);
    let mut frame = octets("4500 0000 0000 0000 4011 0000 c0000201 c0000202 0807 0807 0000 0000");
    frame[2..4].copy_from_slice(&(28 + payload.len() as u16).to_be_bytes());
    frame[24..26].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    frame.extend(payload);
    let mut capture = octets("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000");
    for word in [0x5e80_c586 + 2 * 3600 + 60, 0, frame.len() as u32, frame.len() as u32] {
        capture.extend(word.to_le_bytes());
    }
    capture.extend(frame);
    let folder = scratch();
    let file = folder.path().join("late.pcap");
    fs::write(&file, capture).expect("written");
    let ended = run_nf(["decode".as_ref(), file.as_os_str()]).with(0);
    says(&ended, "exported at 2020-03-29T15:57:58Z by the exporter's clock, 2 hours before it was captured");
}

#[test]
fn octets_that_are_too_many_or_missing_before_a_set_are_counted() {
    let template = "0000 0010 0100 0002 0008 0004 0001 0004";
    let data = "0100 0014 c0000201 00000348 c0000202 00000100";
    let header = "00090002 000003e8 5e8465fd 00000000 00000007";
    let inserted = format!("{} {template} {data}", header.replacen("00090002", "00090002 00", 1));
    let text = decode(&[&inserted]).with(1);
    says(
        &text,
        "From offset 21 on, though, sets follow each other to the end of the packet: the header has 1 octet too many",
    );
    says(
        &text,
        "days from now: the exporter's clock is wrong, or octets are missing in the header, or too many",
    );
    let missing = format!("{} {template} {data}", header.replacen("000003e8", "0003e8", 1));
    says(
        &decode(&[&missing]).with(1),
        "From offset 19 on, though, sets follow each other to the end of the packet: the header lacks 1 octet",
    );
    let between = format!("{header} {template} 0000 {data}");
    says(
        &decode(&[&between]).with(1),
        "From offset 38 on, though, sets follow each other to the end of the packet: what is before has 2 octets too many",
    );
    // A set that is cut off is no reason to look elsewhere.
    let cut = format!("{header} {template} {}", &data[..30]);
    assert!(!decode(&[&cut]).with(1).out.contains("though"));
}

#[test]
fn times_of_a_flow_that_cannot_be_are_odd() {
    let swapped = with(V5, "00002f4c 00005276", "00005276 00002f4c");
    says(
        &decode(&[&swapped]).with(0),
        "LAST_SWITCHED (offset 52) is before FIRST_SWITCHED (offset 48): the flow would end 9.002 s before it starts",
    );
    let early = with(V5, "000379a3 5e80c586", "00001000 00000000");
    let text = decode(&[&early]).with(0);
    says(
        &text,
        "LAST_SWITCHED (offset 52) is 17.014 s after the packet was sent, by the times in its header",
    );
    says(&text, "timestamp (offset 8) is long ago: the exporter's clock is not set");
    // flowStartMilliseconds and flowEndMilliseconds of 2020-04-01T09:59:25Z, one second apart.
    let ipfix = |first: &str, last: &str| {
        format!(
            "000a0034 5e8465fd 00000005 0000002a  0002 0010 0100 0002 0098 0008 0099 0008  0100 0014 {first} {last}"
        )
    };
    let (start, end) = ("00000171352ab4c8", "00000171352ab8b0");
    let text = decode(&[&ipfix(end, start)]).with(0);
    says(
        &text,
        "flowEndMilliseconds (offset 44) is before flowStartMilliseconds (offset 36): the flow would end 1.000 s before it starts",
    );
    let text = decode(&[V5, &ipfix(start, end)]).with(0);
    assert!(!text.out.contains(" odd"), "{}", text.out);
}

#[test]
fn an_enterprise_bit_without_a_number_is_suspected() {
    let packet = "000a0024 5e8465fd 00000005 0000002a  0002 0014 0100 0003 0008 0004 8001 0008 0004 0001";
    let text = decode(&[packet]).with(1);
    says(&text, "which takes at least 20 octets, but its set has only 16 left from there");
    says(&text, "or an enterprise bit is set where no enterprise number follows");
}
