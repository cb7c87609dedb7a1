//! IPFIX files (RFC 5655): messages one after the other, whole and damaged.

use std::fs;
use std::path::Path;

use common::{Ended, octets, run_nf, scratch};

mod common;

/// A message with template 256: sourceIPv4Address, octetDeltaCount.
const TEMPLATE: &str = "000a0020 5e8465fd 00000000 0000002a  0002 0010 0100 0002 0008 0004 0001 0008";
/// A message with a record of template 256.
const RECORD: &str = "000a0020 5e8465fd 00000000 0000002a  0100 0010 c0000201 0000000000000348";

fn collect(file: &Path) -> Ended {
    run_nf(["collect".as_ref(), "--read".as_ref(), file.as_os_str(), "-o".as_ref(), "-".as_ref()])
}

#[test]
fn collect_reads_messages_one_after_the_other() {
    let folder = scratch();
    let file = folder.path().join("flows.bin");
    fs::write(&file, [octets(TEMPLATE), octets(RECORD), octets(RECORD)].concat()).expect("written");
    let ended = collect(&file).with(0).saying("3 packets received: 3 decoded, 2 flows");
    let lines = ended.json();
    assert_eq!(lines.len(), 3);
    let (received, packet) =
        lines[2].as_object().and_then(|line| line.iter().next()).expect("one packet a line");
    assert!(received.starts_with("1585735165"), "the export time: {received}");
    assert_eq!(packet["flows"][0]["sourceIPv4Address"], "192.0.2.1");
}

#[test]
fn collect_goes_on_behind_what_is_no_message() {
    let folder = scratch();
    let file = folder.path().join("flows.ipfix");
    let garbage = b"some garbage".to_vec();
    fs::write(&file, [garbage.clone(), octets(TEMPLATE), garbage, octets(RECORD)].concat()).expect("written");
    let ended = collect(&file).with(1);
    assert_eq!(ended.saying("24 octets of the file belong to no message").json().len(), 2);
}

#[test]
fn collect_reads_a_last_message_as_far_as_it_is_there() {
    let folder = scratch();
    let file = folder.path().join("flows.ipfix");
    let two =
        "000a002c 5e8465fd 00000000 0000002a  0100 001c c0000201 0000000000000348 c0000202 0000000000000007";
    let file_octets = [octets(TEMPLATE), octets(two)].concat();
    fs::write(&file, &file_octets[..file_octets.len() - 3]).expect("written");
    collect(&file).with(1).saying("2 packets received: 2 decoded, 1 flow").saying("something wrong");
}
