//! `nf collect --state`: what was learned is known after a restart, however the run before ended.
#![allow(clippy::unwrap_used, reason = "tests")]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Collecting, Ended, V5, json_lines, nf, octets, run_nf, scratch, wait_for};
use serde_json::Value;

mod common;

/// v9 with template 300: IN_BYTES, L4_SRC_PORT.
const TEMPLATE: &str =
    "0009 0001 00000000 5e8465fd 00000000 00000007  0000 0010 012c 0002 0001 0004 0007 0002";
/// v9 with a record of template 300.
const RECORD: &str = "0009 0001 00000000 5e8465fd 00000001 00000007  012c 000a 00000348 01bb";
/// v9 with an options template 301 (scope System, SAMPLING_INTERVAL) and its data: 1 in 100.
const SAMPLING: &str = "0009 0002 00000000 5e8465fd 00000002 00000007  0001 0014 012d 0004 0004 0001 0004 0022 0004 \
                        0000  012d 000c 00000001 00000064";

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: scratch() }
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    fn file(&self) -> std::path::PathBuf {
        self.state().join("nf.state")
    }

    /// A collector with this state, that writes flows as JSON lines.
    fn start(&self, flows: &str, more: &[&str]) -> Collecting {
        let (flows, state) = (self.folder.path().join(flows), self.state());
        let arguments = ["-o", utf8(&flows), "--state", utf8(&state)];
        Collecting::start(arguments.iter().chain(more))
    }

    fn flows(&self, flows: &str) -> Vec<Value> {
        json_lines(&fs::read_to_string(self.folder.path().join(flows)).expect("a file of flows"))
    }

    /// Waits until the file of state has been written since `what` happened.
    fn wait_for_state(&self, before: &[u8]) {
        wait_for("the state", || (fs::read(self.file()).unwrap_or_default() != before).then_some(()));
    }

    /// A run that learns a template and a rate.
    fn learn(&self) -> Ended {
        let collecting = self.start("first.ndjson", &[]);
        collecting.send(&octets(TEMPLATE));
        collecting.send(&octets(SAMPLING));
        collecting.stop("INT").with(0)
    }
}

/// Sends a record, and asserts that it is decoded with what was learned.
#[track_caller]
fn assert_known(place: &Place, more: &[&str]) {
    let mut collecting = place.start("second.ndjson", more);
    collecting.process.wait_until_it_says("goes on from");
    collecting.send(&octets(RECORD));
    let ended = collecting.stop("TERM").with(0);
    assert!(!ended.err.contains("came before"), "{}", ended.err);
    let flows = place.flows("second.ndjson");
    assert_eq!((&flows[0]["bytes"], &flows[0]["sampling_rate"]), (&84_000.into(), &100.into()));
}

#[test]
fn templates_and_rates_are_known_after_a_restart() {
    let place = Place::new();
    place.learn();
    assert_known(&place, &[]);
}

#[test]
fn another_number_of_threads_knows_the_same() {
    let place = Place::new();
    let collecting = place.start("first.ndjson", &["--threads", "5"]);
    collecting.send(&octets(TEMPLATE));
    collecting.send(&octets(SAMPLING));
    collecting.stop("INT").with(0);
    assert_known(&place, &["--threads", "3"]);
}

#[test]
fn a_killed_collector_has_kept_what_it_learned() {
    let place = Place::new();
    let collecting = place.start("first.ndjson", &[]);
    wait_for("the first state", || place.file().exists().then_some(()));
    let before = fs::read(place.file()).unwrap();
    collecting.send(&octets(TEMPLATE));
    collecting.send(&octets(SAMPLING));
    // The time in it differs too, but without a change it is not written for half a minute.
    place.wait_for_state(&before);
    let before = fs::read(place.file()).unwrap();
    let whole = before.len() > 150;
    if !whole {
        // The template alone was in it.
        place.wait_for_state(&before);
    }
    collecting.stop("KILL");
    assert_known(&place, &[]);
}

#[test]
fn data_go_on_waiting_for_their_template() {
    let place = Place::new();
    let collecting = place.start("first.ndjson", &[]);
    collecting.send(&octets(RECORD));
    collecting.stop("INT").with(0).saying("1 data set came before the template");
    let mut collecting = place.start("second.ndjson", &[]);
    collecting.process.wait_until_it_says("0 templates, 1 data set without theirs");
    collecting.send(&octets(TEMPLATE));
    let ended = collecting.stop("INT").with(0);
    ended.saying("1 decoded when it came, 0 waiting");
    assert_eq!(place.flows("second.ndjson")[0]["bytes"], 840);
}

#[test]
fn what_was_sent_while_nobody_listened_is_not_called_lost() {
    let place = Place::new();
    let record = V5 { from: (1, 40_000), to: (2, 443), octets: 500, packets: 5 };
    let run = |numbers: std::ops::Range<u32>| {
        let collecting = place.start("first.ndjson", &[]);
        numbers.for_each(|number| collecting.send(&V5::packet(number * 2, &[record, record])));
        collecting.stop("INT").with(0).err
    };
    run(0..10);
    let said = run(30..40);
    assert!(said.contains("; 0 records lost by sequence numbers; 40 records sent before"), "{said}");
}

#[test]
fn damaged_and_foreign_state_is_put_aside_and_said() {
    let place = Place::new();
    place.learn();
    let good = fs::read(place.file()).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0x10;
    let mut future = good.clone();
    future[9] = 2;
    let cases: [(&[u8], &str); 5] = [
        (&good[..good.len() - 9], "it is cut off"),
        (&flipped, "it is damaged"),
        (&future, "its version is 2, and only 1 is known here: another version of nf wrote it"),
        (b"something else", "it is no file of state"),
        (b"", "it is no file of state"),
    ];
    for (content, why) in cases {
        fs::write(place.file(), content).unwrap();
        let mut collecting = place.start("second.ndjson", &[]);
        collecting.process.wait_until_it_says(why);
        collecting.stop("INT").with(0).saying("nf.state.unread");
        assert_eq!(fs::read(place.state().join("nf.state.unread")).unwrap(), content);
    }
    place.learn();
    let mut collecting = place.start("second.ndjson", &["--template-scope", "exporter"]);
    collecting.process.wait_until_it_says("--template-scope is another one than before");
    collecting.stop("INT").with(0);
}

#[test]
fn templates_expire_also_across_a_restart() {
    let place = Place::new();
    place.learn();
    // It was sent longer ago than that by the time the other run has begun.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let mut collecting = place.start("second.ndjson", &["--template-lifetime", "1"]);
    collecting.process.wait_until_it_says("goes on from");
    collecting.send(&octets(RECORD));
    collecting.stop("INT").with(0).saying("1 data set came before the template");
}

#[test]
fn a_directory_has_one_collector() {
    let place = Place::new();
    let collecting = place.start("first.ndjson", &[]);
    let other = place.folder.path().join("second.ndjson");
    let ended = run_nf(["collect", "-p", "0", "-o", utf8(&other), "--state", utf8(&place.state())]);
    ended.with(2).saying("another collector has it; every collector needs one of its own");
    assert!(!other.exists());
    collecting.stop("INT").with(0);
}

#[test]
fn what_is_no_directory_is_refused() {
    let place = Place::new();
    fs::write(place.state(), "").unwrap();
    let ended = run_nf(["collect", "-p", "0", "-o", "-", "--state", utf8(&place.state())]);
    ended.with(2).saying("--state takes a directory");
}

#[test]
fn state_that_cannot_be_written_is_said_and_the_collector_goes_on() {
    let place = Place::new();
    place.learn();
    // Root may write everywhere, but not over a directory.
    fs::create_dir(place.state().join("nf.state.tmp")).unwrap();
    let mut collecting = place.start("second.ndjson", &[]);
    collecting.process.wait_until_it_says("cannot write");
    collecting.send(&octets(RECORD));
    collecting.stop("INT").with(1);
    assert_eq!(place.flows("second.ndjson")[0]["bytes"], 84_000);
}

#[test]
fn a_directory_that_is_read_only_is_read() {
    let place = Place::new();
    place.learn();
    let set = |mode| fs::set_permissions(place.state(), fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let writable = fs::write(place.state().join("probe"), "").is_ok();
    let mut collecting = place.start("second.ndjson", &[]);
    collecting.process.wait_until_it_says("goes on from");
    if writable {
        common::skip("whoever runs this may write everywhere");
    } else {
        collecting.process.wait_until_it_says("must be able to write");
    }
    collecting.send(&octets(RECORD));
    collecting.stop("INT").with(i32::from(!writable));
    set(0o755);
    assert_eq!(place.flows("second.ndjson")[0]["bytes"], 84_000);
}

#[test]
fn a_file_that_is_read_goes_on_from_state_too() {
    let place = Place::new();
    let capture = |name: &str, packet: &str| {
        let path = place.folder.path().join(name);
        let packet = octets(packet);
        let pcap = common::pcap([([192, 0, 2, 1].into(), 1_600_000_000_000_000_000, packet.as_slice())]);
        fs::write(&path, pcap).unwrap();
        path
    };
    for (name, packet, flows) in [("a.pcap", TEMPLATE, 0), ("b.pcap", RECORD, 1)] {
        let (path, out) = (capture(name, packet), place.folder.path().join(name).with_extension("ndjson"));
        let ended = nf(["collect", "--read", utf8(&path), "-o", utf8(&out), "--state", utf8(&place.state())])
            .output();
        assert!(ended.unwrap().status.success());
        assert_eq!(json_lines(&fs::read_to_string(out).unwrap_or_default()).len(), flows);
    }
}
