//! What `nf decode` takes and refuses: ways to write hex, kinds of files, malformed packets.

use std::fs;
use std::path::Path;

use common::{Ended, feed, hex, octets, run_nf, scratch};
use serde_json::json;

mod common;

/// A v5 header and one record.
const V5: &str = "00050001 000379a3 5e80c586 22a55ab0 00000007 02030000\
    c0000201 c6336402 00000000 0001 0002 0000000a 00000348 00002f4c 00005276 01bb e1a6 00 1b 06 04 fde8 fde9 18 10 0000";
/// An IPFIX message with template 256: sourceIPv4Address, octetDeltaCount.
const IPFIX_TEMPLATE: &str = "000a0020 5e8465fd 00000000 0000002a  0002 0010 0100 0002 0008 0004 0001 0008";
/// An IPFIX message with a record of template 256.
const IPFIX_RECORD: &str = "000a0020 5e8465fd 00000000 0000002a  0100 0010 c0000201 0000000000000348";

fn decode(packets: &[&str]) -> Ended {
    run_nf(["decode", "--format", "json"].iter().chain(packets))
}

fn decode_file(path: &Path) -> Ended {
    run_nf(["decode".as_ref(), "--format".as_ref(), "json".as_ref(), "--file".as_ref(), path.as_os_str()])
}

#[test]
fn hex_may_be_written_in_many_ways() {
    let packet = octets(V5);
    let plain = hex(&packet);
    let expected = decode(&[&plain]).with(0);
    assert_eq!(expected.json()[0]["flows"][0]["SRC_PORT"], 443);
    let pairs: Vec<_> = packet.iter().map(|octet| format!("{octet:02x}")).collect();
    for written in [
        V5.to_owned(),
        plain.to_uppercase(),
        format!("0x{plain}"),
        pairs.join(" "),
        pairs.join(":"),
        pairs.iter().map(|pair| format!("0x{pair}")).collect::<Vec<_>>().join(" "),
        format!("  {}\n{}\n", &plain[..50], &plain[50..]),
    ] {
        assert_eq!(decode(&[&written]).with(0).out, expected.out, "{written}");
    }
}

#[test]
fn every_argument_is_a_packet() {
    let packets = decode(&[IPFIX_TEMPLATE, V5, IPFIX_RECORD]).with(0).json();
    let versions: Vec<_> = packets.iter().map(|packet| packet["version"].as_u64()).collect();
    assert_eq!(versions, [Some(10), Some(5), Some(10)]);
    assert_eq!(packets[2]["flows"], json!([{"sourceIPv4Address": "192.0.2.1", "octetDeltaCount": 840}]));
}

#[test]
fn every_line_of_stdin_is_a_packet() {
    let lines = format!("{IPFIX_TEMPLATE}\r\n\n0x{}\n{IPFIX_RECORD}", hex(&octets(V5)));
    let from_stdin = feed(["decode", "-", "--format", "json"], lines.as_bytes()).with(0);
    assert_eq!(from_stdin.out, decode(&[IPFIX_TEMPLATE, V5, IPFIX_RECORD]).out);
}

#[test]
fn a_bad_line_of_stdin_is_named_and_the_others_are_decoded() {
    let lines = format!("{V5}\n0005zz\n{V5}\n");
    let ended = feed(["decode", "-", "--format", "json"], lines.as_bytes()).with(1).saying("line 2");
    assert_eq!(ended.json().len(), 2);
}

#[test]
fn what_is_no_hex_is_named() {
    decode(&["0005001g"]).with(2).saying("'g' is no hexadecimal digit");
    decode(&["00050"]).with(2).saying("odd number");
    decode(&[""]).with(2).saying("no hexadecimal digits");
}

#[test]
fn nothing_to_decode_is_wrong_usage() {
    run_nf(["decode"]).with(2).saying("nothing to decode");
    run_nf(["decode", "--format", "xml", V5]).with(2).saying("xml");
}

#[test]
fn text_is_a_tree_for_people() {
    let ended = run_nf(["decode", V5]).with(0);
    for part in ["NetFlow v5", "header, 24 octets", "IPV4_SRC_ADDR", "192.0.2.1", "198.51.100.2", "TCP"] {
        assert!(ended.out.contains(part), "{part} is not in\n{}", ended.out);
    }
    let ended = run_nf(["decode", IPFIX_TEMPLATE, IPFIX_RECORD]).with(0);
    for part in [
        "IPFIX message 2, 32 octets",
        "template 256",
        "ipv4Address, 4 octets  [IE 8]",
        "octetDeltaCount",
        "840",
    ] {
        assert!(ended.out.contains(part), "{part} is not in\n{}", ended.out);
    }
}

#[test]
fn a_raw_file_holds_one_packet() {
    let folder = scratch();
    let file = folder.path().join("packet");
    fs::write(&file, octets(V5)).expect("written");
    assert_eq!(decode_file(&file).with(0).out, decode(&[V5]).out);
}

#[test]
fn a_raw_file_holds_ipfix_messages_one_after_the_other() {
    let folder = scratch();
    let file = folder.path().join("messages.ipfix");
    let messages = [octets(IPFIX_TEMPLATE), octets(IPFIX_RECORD), octets(IPFIX_RECORD)].concat();
    fs::write(&file, &messages).expect("written");
    let expected = decode(&[IPFIX_TEMPLATE, IPFIX_RECORD, IPFIX_RECORD]).with(0);
    assert_eq!(decode_file(&file).with(0).out, expected.out);

    // Cut off in the last message: the others are there, and the place of the damage is told.
    fs::write(&file, &messages[..70]).expect("written");
    let ended = decode_file(&file).with(1).saying("octet 64");
    assert_eq!(ended.json()[..2], expected.json()[..2]);
}

#[test]
fn several_files_share_their_templates() {
    let folder = scratch();
    let (templates, data) = (folder.path().join("templates"), folder.path().join("data"));
    fs::write(&templates, octets(IPFIX_TEMPLATE)).expect("written");
    fs::write(&data, octets(IPFIX_RECORD)).expect("written");
    let ended = run_nf([
        "decode".as_ref(),
        "--format=json".as_ref(),
        "-f".as_ref(),
        templates.as_os_str(),
        "-f".as_ref(),
        data.as_os_str(),
    ]);
    assert_eq!(ended.with(0).out, decode(&[IPFIX_TEMPLATE, IPFIX_RECORD]).out);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = scratch();
    let (empty, missing) = (folder.path().join("empty.pcap"), folder.path().join("missing.pcap"));
    fs::write(&empty, []).expect("written");
    decode_file(&empty).with(2).saying("empty.pcap is empty");
    decode_file(&missing).with(2).saying("missing.pcap");
    decode_file(folder.path()).with(2).saying(&folder.path().display().to_string());
    // With something else to decode, that is done.
    let ended = run_nf([
        "decode".as_ref(),
        "-f".as_ref(),
        missing.as_os_str(),
        "--format=json".as_ref(),
        V5.as_ref(),
    ]);
    assert_eq!(ended.with(1).saying("missing.pcap").json().len(), 1);
}

#[test]
fn malformed_packets_are_named_and_what_is_good_is_decoded() {
    let v5 = hex(&octets(V5));
    for (packet, sentence) in [
        ("0005", "v5 header cut off"),
        (&v5[..2 * 70], "the header says 1 records, 0 are there"),
        (&v5.replacen("00050001", "0005001e", 1), "the header says 30 records, 1 are there"),
        // A set that is longer than the message, one shorter than its header, and a length that is not the packet's.
        (&hex(&octets(IPFIX_RECORD)).replacen("01000010", "01000011", 1), "17"),
        (&hex(&octets(IPFIX_RECORD)).replacen("01000010", "01000003", 1), "less than its own header"),
        (
            &hex(&octets(IPFIX_RECORD)).replacen("000a0020", "000a0030", 1),
            "the header says 48 octets, 32 are there",
        ),
        // A template that promises more fields than there are.
        (&hex(&octets(IPFIX_TEMPLATE)).replacen("01000002", "01000009", 1), "256"),
        ("0003000100000000", "version 3 is not NetFlow"),
    ] {
        let ended = decode(&[IPFIX_TEMPLATE, packet, V5]).with(1).saying(sentence);
        let good = ended.json();
        assert_eq!(good.last().map(|packet| &packet["version"]), Some(&json!(5)), "{sentence}: {good:?}");
    }
    let ended = decode(&[&v5.replacen("00050001", "0005001e", 1)]).with(1);
    assert_eq!(ended.json()[0]["flows"][0]["DST_PORT"], 57766, "the one record that is there");
}

#[test]
fn other_protocols_are_called_by_their_name() {
    decode(&["00000005 00000001 c0000201 00000000 00000001 00000001 00000000"])
        .with(1)
        .saying("sFlow version 5");
    decode(&[&hex(b"<13>Oct 11 22:14:15 host program: text")]).with(1).saying("syslog");
}

#[test]
fn elements_of_a_file_are_known_by_their_names() {
    let folder = scratch();
    let elements = folder.path().join("elements.csv");
    fs::write(&elements, "pen,id,name,type\n32473,7,exampleDepth,unsigned16\n").expect("written");
    let template = "000a0020 00000000 00000000 00000001  0002 0010 0100 0001 8007 0002 00007ed9 0000";
    let packet = "000a0016 00000000 00000000 00000001  0100 0006 1234";
    let with = run_nf([
        "decode".as_ref(),
        "--format=json".as_ref(),
        "--elements".as_ref(),
        elements.as_os_str(),
        template.as_ref(),
        packet.as_ref(),
    ]);
    assert_eq!(with.with(0).json()[1]["flows"], json!([{"exampleDepth": 0x1234}]));
    let without = decode(&[template, packet]).with(0);
    assert_eq!(without.json()[1]["flows"], json!([{"32473.7": "1234"}]));
}
