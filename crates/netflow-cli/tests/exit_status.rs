//! Exit statuses are the same for all commands: 0 done, 1 done but some input was bad, 2 nothing could be done.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use common::{Ended, V5, nf, pcap, run, run_nf, scratch};

mod common;

/// Each command that reads files, with the arguments before the files.
fn commands(out: &Path) -> Vec<(&'static str, Vec<String>)> {
    let out = out.display().to_string();
    let command = |name, arguments: &[&str]| (name, arguments.iter().map(|&text| text.to_owned()).collect());
    vec![
        command("decode", &["decode"]),
        command("decode -f", &["decode", "-f"]),
        command("analyze", &["analyze", "-n", "-v", "-p", "0"]),
        command("analyze -f", &["analyze", "-n", "-f"]),
        command("doctor", &["doctor"]),
        command("collect", &["collect", "-o", &out, "--read"]),
    ]
}

/// A capture of three export packets, each with a flow of its own.
fn capture() -> Vec<u8> {
    let flow = |number: u8| V5 { from: (number, 40_000), to: (9, 443), octets: 100, packets: 1 };
    let packets: Vec<_> = (0..3).map(|number| V5::packet(number, &[flow(number as u8 + 1)])).collect();
    let from = std::net::Ipv4Addr::new(192, 0, 2, 200);
    pcap(packets.iter().map(|packet| (from, 1_700_000_000_000_000_000, &packet[..])))
}

#[track_caller]
fn is(ended: Ended, expected: i32, what: &str) {
    assert!(!ended.err.contains("panicked"), "{what}: {}", ended.err);
    assert_eq!(ended.status.code(), Some(expected), "{what}: {}", ended.err);
    assert!(expected == 0 || ended.err.starts_with("nf: "), "{what} says nothing: {}", ended.err);
}

#[test]
fn a_fault_has_one_exit_status_in_all_commands() {
    let folder = scratch();
    let write = |name: &str, content: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        path
    };
    let nothing = folder.path().join("nothing");
    fs::create_dir(&nothing).expect("made");
    let good = capture();
    let frame = (good.len() - 24) / 3;
    let mut malformed = good.clone();
    // One more record in the header of the second packet than there are.
    malformed[24 + frame + 16 + 28 + 3] += 1;
    let faults = [
        ("good", write("good.pcap", &good), 0),
        ("missing", folder.path().join("missing.pcap"), 2),
        ("an empty folder", nothing, 2),
        ("empty", write("empty.pcap", b""), 2),
        ("cut off in the file header", write("header.pcap", &good[..10]), 2),
        ("no frames", write("none.pcap", &good[..24]), 2),
        ("cut off in the first frame", write("first.pcap", &good[..24 + 30]), 2),
        ("cut off in the last frame", write("last.pcap", &good[..good.len() - 10]), 1),
        ("a malformed packet", write("malformed.pcap", &malformed), 1),
    ];
    for (command, arguments) in commands(&folder.path().join("out.json")) {
        for (fault, file, expected) in &faults {
            // What is wrong in packets is what it is asked for.
            let expected = if (command, *fault) == ("doctor", "a malformed packet") { 0 } else { *expected };
            let ended = run(nf(&arguments).arg(file));
            is(ended, expected, &format!("{command}, {fault}"));
        }
    }
}

#[test]
fn one_good_file_among_missing_ones_is_status_1() {
    let folder = scratch();
    let (good, missing) = (folder.path().join("good.pcap"), folder.path().join("missing.pcap"));
    fs::write(&good, capture()).expect("written");
    for command in ["decode", "analyze", "doctor"] {
        let ended = run_nf([command.as_ref(), missing.as_os_str(), good.as_os_str()]);
        is(ended, 1, command);
    }
}

#[test]
fn a_capture_that_is_cut_off_is_said_to_be() {
    let folder = scratch();
    let file = folder.path().join("cut.pcap");
    fs::write(&file, &capture()[..24 + 30]).expect("written");
    for (command, arguments) in commands(&folder.path().join("out.json")) {
        let ended = run(nf(&arguments).arg(&file));
        assert!(ended.err.contains("the capture is cut off"), "{command}: {}", ended.err);
    }
}

#[test]
fn wrong_usage_is_status_2() {
    for command in ["decode", "analyze", "doctor", "collect", "man", "completions"] {
        is_usage(&run_nf([command, "--no-such-flag"]), command);
    }
    is_usage(&run_nf::<&str>([]), "no command");
}

#[track_caller]
fn is_usage(ended: &Ended, what: &str) {
    assert_eq!(ended.status.code(), Some(2), "{what}: {}", ended.err);
    assert!(ended.out.is_empty() && !ended.err.is_empty(), "{what}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_status_2_for_what_goes_to_stdout() {
    let folder = scratch();
    let good = folder.path().join("good.pcap");
    fs::write(&good, capture()).expect("written");
    let good = good.to_str().expect("UTF-8");
    let analyze =
        |format| ["analyze", "-n", "-v", "-p", "0", "--format", format, good].map(str::to_owned).to_vec();
    let collect =
        |format| ["collect", "-o", "-", "--format", format, "--read", good].map(str::to_owned).to_vec();
    let other = |arguments: &[&str]| arguments.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let all = ["text", "json", "csv"].map(analyze).into_iter().chain(["json", "ndjson", "csv"].map(collect));
    let others = [
        other(&["decode", good]),
        other(&["decode", "--format", "json", good]),
        other(&["doctor", good]),
        other(&["doctor", "--format", "json", good]),
        other(&["man"]),
        other(&["completions", "bash"]),
    ];
    for arguments in all.chain(others) {
        let full = File::options().write(true).open("/dev/full").expect("Linux has it");
        let ended = nf(&arguments).stdout(full).output().expect("nf starts");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("No space left on device"), "{arguments:?}: {said}");
    }
}
