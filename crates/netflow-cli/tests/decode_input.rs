//! What people give to `nf decode`: output of other tools, frames, IPFIX files, names in the wrong place, and
//! templates out of other files.

use std::fs;
use std::path::Path;

use common::{Ended, datagrams, feed, fixtures, hex, octets, run_nf, scratch};

mod common;

/// An IPFIX message with template 256: sourceIPv4Address, octetDeltaCount.
const TEMPLATE: &str = "000a0020 5e8465fd 00000000 0000002a  0002 0010 0100 0002 0008 0004 0001 0008";
/// The same under another domain, with packetDeltaCount.
const OTHER_TEMPLATE: &str = "000a0020 5e8465fd 00000000 0000002b  0002 0010 0100 0002 0008 0004 0002 0008";
/// An IPFIX message with a record of template 256.
const RECORD: &str = "000a0020 5e8465fd 00000000 0000002a  0100 0010 c0000201 0000000000000348";

fn json(arguments: &[&Path]) -> Ended {
    run_nf(["decode".as_ref(), "--format=json".as_ref()].into_iter().chain(arguments.iter().copied()))
}

/// The text without its layout.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Packets 1 and 4 of `pmacct-v5.pcap`, as tcpdump, tshark, xxd, hexdump, od and Python print them.
#[test]
fn output_of_other_tools_is_decoded_like_the_capture() {
    let Some(fixtures) = fixtures() else { return };
    let all = datagrams(&fixtures.join("pmacct-v5.pcap"));
    let expected = run_nf(["decode", "--format=json", &hex(&all[0]), &hex(&all[3])]).with(0).out;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pasted");
    let mut forms = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let file = entry.expect("an entry").path();
        let text = fs::read(&file).expect("a file");
        let from_stdin = feed(["decode", "-", "--format=json"], &text).with(0);
        assert_eq!(from_stdin.out, expected, "{}", file.display());
        assert_eq!(from_stdin.err, "", "{}", file.display());
        assert_eq!(json(&["--file".as_ref(), &file]).with(0).out, expected, "{}", file.display());
        forms += 1;
    }
    assert!(forms >= 14, "{forms}");
    // With Windows line ends, and in one argument.
    let dump = include_str!("pasted/tcpdump-x.txt");
    let windows = feed(["decode", "-", "--format=json"], dump.replace('\n', "\r\n").as_bytes());
    assert_eq!(windows.with(0).out, expected);
    assert_eq!(run_nf(["decode", "--format=json", dump]).with(0).out, expected);
    // As PowerShell redirects it.
    let utf16: Vec<u8> = format!("\u{feff}{dump}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(feed(["decode", "-", "--format=json"], &utf16).with(0).out, expected);
}

#[test]
fn a_frame_says_who_sent_the_packet() {
    let dump = include_str!("pasted/tcpdump-x.txt");
    let ended = run_nf(["decode", dump]).with(0);
    let text = unwrapped(&ended.out);
    assert!(text.contains("from 127.0.0.1:36370, the payload of a frame of IP"), "{}", ended.out);
}

#[test]
fn a_broken_dump_is_named_and_the_others_are_decoded() {
    let dump = include_str!("pasted/tcpdump-x.txt");
    let broken = dump.replacen("0x0020:  0000", "0x0020:  00x0", 1);
    let ended = feed(["decode", "-", "--format=json"], broken.as_bytes()).with(1);
    let ended = ended.saying("line 4 of stdin, character 13: 'x' is no hexadecimal digit");
    assert_eq!(ended.json().len(), 1);
    let lines: Vec<&str> = dump.lines().filter(|line| !line.contains("0x0030:")).collect();
    let ended = feed(["decode", "-", "--format=json"], lines.join("\n").as_bytes()).with(2);
    ended.saying("line 5 of stdin, character 1: the offset 0x40 does not follow the 48 octets before it");
}

#[test]
fn nothing_on_stdin_is_said() {
    feed(["decode", "-"], b"").with(2).saying("stdin is empty");
    feed(["decode", "-"], b"\n \n").with(2).saying("nothing to decode: stdin has no hex in it");
}

#[test]
fn stdin_may_be_a_capture() {
    let Some(fixtures) = fixtures() else { return };
    let file = fixtures.join("softflowd-v9.pcap");
    let from_stdin = feed(["decode", "-", "--format=json"], &fs::read(&file).expect("a file")).with(0);
    assert_eq!(from_stdin.out, json(&["--file".as_ref(), &file]).out);
}

#[test]
fn hex_and_names_of_files_are_told_apart() {
    let folder = scratch();
    let file = folder.path().join("packet.hex");
    fs::write(&file, TEMPLATE).expect("written");
    assert_eq!(json(&[&file]).with(0).json().len(), 1, "a name where hex belongs");
    let missing = folder.path().join("missing.pcap");
    json(&[&missing]).with(2).saying("missing.pcap' is neither hex nor a file that exists");
    run_nf(["decode", "missing.pcap"]).with(2).saying("'missing.pcap' is neither hex nor a file that exists");
    let hex = hex(&octets(TEMPLATE));
    run_nf(["decode", "--file", &hex]).with(2).saying("it looks like hex: give it without --file");
}

#[test]
fn an_ipfix_file_is_decoded_past_damage() {
    let folder = scratch();
    let file = folder.path().join("flows.ipfix");
    let garbage = b"some garbage".to_vec();
    let damaged = [garbage.clone(), octets(TEMPLATE), garbage, octets(RECORD), octets(RECORD)[..29].to_vec()];
    fs::write(&file, damaged.concat()).expect("written");
    let ended = json(&["-f".as_ref(), &file]).with(1);
    let ended = ended.saying("flows.ipfix, octet 0: 12 octets of no message, skipped");
    let ended = ended.saying("flows.ipfix, octet 44: 12 octets of no message, skipped");
    let ended = ended.saying("flows.ipfix, octet 88: the header says 32 octets, 29 are there");
    assert_eq!(ended.json().len(), 3);
    assert_eq!(ended.json()[1]["flows"][0]["octetDeltaCount"], 840);
}

#[test]
fn templates_are_borrowed_from_other_files() {
    let folder = scratch();
    let (templates, data) = (folder.path().join("templates.ipfix"), folder.path().join("data.hex"));
    fs::write(&templates, octets(TEMPLATE)).expect("written");
    fs::write(&data, RECORD).expect("written");
    assert_eq!(json(&[&data]).with(0).json()[0]["flows"].as_array().map_or(0, Vec::len), 0);
    let borrowed = json(&["--template-from".as_ref(), &templates, &data]).with(0);
    assert_eq!(borrowed.json()[0]["flows"][0]["octetDeltaCount"], 840);
    assert_eq!(borrowed.err, "");

    let text =
        run_nf(["decode".as_ref(), "--template-from".as_ref(), templates.as_os_str(), data.as_os_str()]);
    let text = unwrapped(&text.with(0).out);
    let origin = format!("template borrowed from {}, offset 20 (domain 42)", templates.display());
    assert!(text.contains(&unwrapped(&origin)), "{text}");

    // As hex, in a text file.
    fs::write(&templates, TEMPLATE).expect("written");
    let borrowed = json(&["--template-from".as_ref(), &templates, &data]).with(0);
    assert_eq!(borrowed.json()[0]["flows"][0]["octetDeltaCount"], 840);
}

#[test]
fn templates_of_any_exporter_of_a_capture_are_borrowed() {
    let Some(fixtures) = fixtures() else { return };
    let capture = fixtures.join("softflowd-v9.pcap");
    let all = datagrams(&capture);
    let data = hex(all.last().expect("packets"));
    let without = run_nf(["decode", "--format=json", &data]).with(0).json();
    assert!(!without[0]["undecoded"].as_array().expect("a list").is_empty());
    let with = run_nf([
        "decode".as_ref(),
        "--format=json".as_ref(),
        "--template-from".as_ref(),
        capture.as_os_str(),
        data.as_ref(),
    ]);
    let with = with.with(0).json();
    assert!(with[0]["undecoded"].as_array().is_none_or(Vec::is_empty));
    let expected = json(&["-f".as_ref(), &capture]).json();
    assert_eq!(with[0]["flows"], expected.last().expect("packets")["flows"]);
}

#[test]
fn of_several_templates_the_nearest_is_taken_and_named() {
    let folder = scratch();
    let (templates, data) = (folder.path().join("templates"), folder.path().join("data"));
    fs::write(&templates, [octets(TEMPLATE), octets(OTHER_TEMPLATE)].concat()).expect("written");
    let with = |record: &str| {
        fs::write(&data, record).expect("written");
        json(&["--template-from".as_ref(), &templates, &data]).with(0)
    };
    // That of the same domain, though another came later.
    let ended = with(RECORD);
    assert_eq!(ended.json()[0]["flows"][0]["octetDeltaCount"], 840);
    ended
        .saying("template 256 is borrowed from")
        .saying("(domain 42); other fields under this id:")
        .saying("domain 43");
    // Without one of the same domain, the last.
    let ended = with(&RECORD.replacen("0000002a", "0000002c", 1));
    assert_eq!(ended.json()[0]["flows"][0]["packetDeltaCount"], 840);
}

#[test]
fn the_exporters_own_template_comes_first() {
    let folder = scratch();
    let templates = folder.path().join("templates");
    fs::write(&templates, octets(&OTHER_TEMPLATE.replacen("0000002b", "0000002a", 1))).expect("written");
    let own = octets(TEMPLATE)[16..].to_vec();
    // Data before the template in the same packet.
    let mut packet = octets(RECORD);
    packet.extend(own);
    packet[3] = packet.len() as u8;
    let packet = hex(&packet);
    let arguments = ["--template-from".as_ref(), templates.as_ref(), Path::new(&packet)];
    assert_eq!(json(&arguments).with(0).json()[0]["flows"][0]["octetDeltaCount"], 840);
}

#[test]
fn names_are_borrowed_with_the_templates() {
    let folder = scratch();
    let templates = folder.path().join("templates");
    let names = "00090002 000379a3 5e80c586 00000007 00000001
        0001 0014 0101 0004 0004 0002 0004 0052 0004 0000  0101 000c 00000003 65746833";
    let template = "00090001 000379a3 5e80c586 00000008 00000001  0000 0010 0100 0002 000a 0004 0001 0004";
    fs::write(&templates, format!("{}\n{template}", names.replace('\n', " "))).expect("written");
    let data = "00090001 000379a3 5e80c586 00000009 00000001  0100 000c 00000003 00000348";
    let ended = run_nf(["decode".as_ref(), "--template-from".as_ref(), templates.as_os_str(), data.as_ref()]);
    let ended = ended.with(0);
    assert!(ended.out.contains("= 3  (eth3)"), "{}", ended.out);
}

#[test]
fn a_file_without_templates_is_named() {
    let folder = scratch();
    let empty = folder.path().join("records");
    fs::write(&empty, octets(RECORD)).expect("written");
    json(&["--template-from".as_ref(), &empty, Path::new(TEMPLATE)]).with(0).saying("no templates in it");
    let broken = folder.path().join("broken");
    fs::write(&broken, octets(&TEMPLATE.replacen("0100 0002", "0100 0009", 1))).expect("written");
    json(&["--template-from".as_ref(), &broken, Path::new(TEMPLATE)])
        .with(0)
        .saying("1 packet with something wrong");
    let missing = folder.path().join("missing");
    json(&["--template-from".as_ref(), &missing, Path::new(TEMPLATE)]).with(2).saying("missing");
}
