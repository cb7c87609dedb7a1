//! What `nf collect` does when it is killed, when nobody reads, and when the disk is full.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{
    Collecting, Ended, Mounted, V5, fixtures, gunzip, json_lines, nf, pcap, run, run_nf, scratch, wait_for,
};

mod common;

/// Lines of a file that is enough to be sure that blocks were written.
const ENOUGH: usize = 1_000;

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A flow that is like no other, by its ports.
fn flow(number: u32) -> V5 {
    let ports = ((number >> 12) as u16 + 10_000, (number & 0xfff) as u16 + 10_000);
    V5 { from: (1, ports.0), to: (2, ports.1), octets: 100, packets: 1 }
}

/// The connections in a file, also those of one direction.
fn connections(file: &Path) -> Ended {
    run_nf(["analyze", "-n", "-v", "-p", "0", "--format", "json", utf8(file)])
}

#[test]
fn killed_under_load_it_leaves_a_file_that_is_readable() {
    let folder = scratch();
    for ending in ["gz", "ndjson.gz", "json", "csv"] {
        let file = folder.path().join("flows").with_extension(ending);
        let text = || {
            if ending.ends_with("gz") { gunzip(&file).0 } else { fs::read_to_string(&file).expect("written") }
        };
        let collecting = Collecting::start(["-o", utf8(&file)]);
        let mut sent = 0;
        let seen = wait_for("a thousand lines", || {
            for _ in 0..100 {
                collecting.send(&V5::packet(sent, &[flow(sent)]));
                sent += 1;
            }
            let lines = text().matches('\n').count();
            (lines > ENOUGH).then_some(lines)
        });
        collecting.process.signal("KILL");
        let ended = collecting.process.end();
        assert_eq!(ended.status.code(), None, "it was killed");

        let text = text();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        assert!(whole.lines().count() >= seen, "{ending}: {} lines of {seen}", whole.lines().count());
        if ending != "csv" {
            json_lines(whole);
        }
        let analyzed = connections(&file);
        let heading = usize::from(ending == "csv");
        assert!(analyzed.json().len() >= seen - heading, "{ending}: {} of {seen}", analyzed.json().len());
        // It may have been killed in the middle of a write.
        match analyzed.status.code() {
            Some(1) => drop(analyzed.saying("cut off")),
            _ => drop(analyzed.with(0)),
        }
    }
}

#[test]
fn collecting_goes_on_in_the_file_of_a_killed_collector() {
    let folder = scratch();
    let file = folder.path().join("flows.gz");
    for _ in 0..2 {
        let collecting = Collecting::start(["-o", utf8(&file)]);
        let before = fs::metadata(&file).expect("created").len();
        collecting.send(&V5::packet(0, &[flow(0)]));
        wait_for("the flow in the file", || (fs::metadata(&file).ok()?.len() > before).then_some(()));
        collecting.process.signal("KILL");
        collecting.process.end();
    }
    assert_eq!(gunzip(&file).0.lines().count(), 2);
    let connections = connections(&file).with(0).json();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0]["client_flows"].as_u64().max(connections[0]["server_flows"].as_u64()), Some(2));
}

#[test]
fn collecting_goes_on_behind_a_block_that_was_cut_off() {
    let folder = scratch();
    for (ending, report) in [
        ("gz", "octets of a block that was not whole"),
        ("csv.gz", "octets of a block that was not whole"),
        ("ndjson", "octets without its end"),
        ("json", "octets without its end"),
        ("csv", "octets without its end"),
    ] {
        let file = folder.path().join("flows").with_extension(ending);
        let collecting = Collecting::start(["-o", utf8(&file)]);
        for number in 0..2 {
            let before = fs::metadata(&file).expect("created").len();
            collecting.send(&V5::packet(number, &[flow(number)]));
            wait_for("the flow in the file", || (fs::metadata(&file).ok()?.len() > before).then_some(()));
        }
        collecting.process.signal("KILL");
        collecting.process.end();
        // Killed in the middle of a block: of the second flow, half is in the file.
        let length = fs::metadata(&file).expect("written").len();
        let cut = fs::File::options().write(true).open(&file).expect("the same file");
        cut.set_len(length - 40).expect("cut");
        drop(cut);
        let cut_off = connections(&file).with(1).saying("cut off").json().len();
        assert_eq!(cut_off, 1, "{ending}");

        let collecting = Collecting::start(["-o", utf8(&file)]);
        for number in 2..4 {
            collecting.send(&V5::packet(number, &[flow(number)]));
        }
        collecting.stop("INT").with(0).saying(report);
        let connections = connections(&file);
        assert_eq!(connections.json().len(), 3, "{ending}: {}", connections.err);
        match ending.ends_with("gz") {
            true => assert!(gunzip(&file).1 && connections.with(0).err.is_empty()),
            // What is left of the line is told.
            false => drop(connections.with(1).saying("line ")),
        }
    }
}

#[test]
fn lines_that_can_be_read_of_a_damaged_block_are_not_lost() {
    let folder = scratch();
    let file = folder.path().join("flows.gz");
    let capture = folder.path().join("many.pcap");
    let packets: Vec<_> = (0..200).map(|number| V5::packet(number, &[flow(number)])).collect();
    let from = std::net::Ipv4Addr::new(192, 0, 2, 9);
    let pcap = pcap(packets.iter().map(|packet| (from, 1_700_000_000_000_000_000, &packet[..])));
    fs::write(&capture, pcap).expect("written");
    run_nf(["collect", "--read", utf8(&capture), "-o", utf8(&file), "--threads", "1"]).with(0);
    let good = fs::read(&file).expect("written");

    let mut wrong_checksum = good.clone();
    wrong_checksum[good.len() - 6] ^= 0x55;
    for damaged in [&wrong_checksum[..], &good[..good.len() / 2]] {
        fs::write(&file, damaged).expect("written");
        let readable = gunzip(&file).0.matches('\n').count();
        let before = connections(&file).with(1).json().len();
        assert!(before > 20, "{before}");
        let ended = run_nf(["collect", "--read", utf8(&capture), "-o", utf8(&file)]).with(0);
        ended.saying("of it saved").saying("of an unfinished line lost");
        let (text, whole) = gunzip(&file);
        assert!(whole && text.lines().count() >= readable + 200, "{}", text.lines().count());
        json_lines(&text);
        connections(&file).with(0);
    }
}

#[test]
fn a_file_that_would_stay_unreadable_is_not_appended_to() {
    let folder = scratch();
    let file = folder.path().join("flows.gz");
    fs::write(&file, "these are notes of somebody\n").expect("written");
    let ended = run_nf(["collect", "--host", "127.0.0.1", "-p", "0", "-o", utf8(&file)]).with(2);
    ended.saying("flows.gz").saying("choose another file");
    assert_eq!(fs::read_to_string(&file).expect("still there"), "these are notes of somebody\n");
}

#[test]
fn a_file_of_something_else_is_not_appended_to() {
    let Some(fixtures) = fixtures() else { return };
    let capture = fixtures.join("ovs-ipfix.pcap");
    let folder = scratch();
    let of = |name: &str| folder.path().join(name);
    let collect = |file: &Path| run_nf(["collect", "--read", utf8(&capture), "-o", utf8(file)]);
    let endings = ["json", "ndjson", "csv", "gz", "ndjson.gz", "csv.gz"];
    for ending in endings {
        collect(&of("flows").with_extension(ending)).with(0);
    }
    fs::write(of("flows.notes"), "root:x:0:0:root:/root:/bin/sh\n").expect("written");
    fs::write(of("flows.old"), "src_addr,bytes\n192.0.2.1,5\n").expect("written");
    for held in endings.into_iter().chain(["notes", "old"]) {
        let content = fs::read(of("flows").with_extension(held)).expect("written");
        for ending in endings {
            let file = of("copy").with_extension(ending);
            fs::write(&file, &content).expect("written");
            let ended = collect(&file);
            if held == ending {
                drop(ended.with(0));
                continue;
            }
            ended.with(2).saying("it holds").saying("choose another file");
            assert!(fs::read(&file).expect("still there") == content, "{held} as {ending}");
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let Some(fixtures) = fixtures() else { return };
    let capture = fixtures.join("ovs-ipfix.pcap");
    for format in ["json", "ndjson", "csv"] {
        let mut command = nf(["collect", "--read", utf8(&capture), "-o", "-", "--format", format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nf starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert!(!line.is_empty());
        let ended = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{format}: {}: {said}", ended.status);
        assert!(!said.contains("roken pipe") && !said.contains("panicked"), "{said}");
        assert!(!said.contains("lost"), "{said}");
    }
}

#[test]
fn the_second_sigint_ends_it_at_once() {
    let Some(fixtures) = fixtures() else { return };
    let capture = fixtures.join("ovs-ipfix.pcap");
    // Nobody reads stdout, and the capture is more than a pipe holds: it cannot end in order.
    let mut command = nf(["collect", "--read", utf8(&capture), "-o", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nf starts");
    // The handlers are there before this is said.
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    stderr.read_line(&mut said).expect("a line");
    assert!(said.contains("reading"), "{said}");
    let mut signals = 0;
    let status = wait_for("the end", || {
        let ended = child.try_wait().expect("the child is ours");
        if ended.is_none() {
            let kill = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
            assert!(kill.expect("there is a shell").success());
            signals += 1;
        }
        ended
    });
    assert_eq!(status.code(), Some(130), "{status}");
    assert!(signals >= 2, "it takes two");
}

#[test]
fn a_read_only_file_system_is_named() {
    let folder = scratch();
    let Some(mounted) = Mounted::tmpfs(folder.path(), "size=64k,ro") else { return };
    let file = mounted.0.join("flows.gz");
    let ended = run_nf(["collect", "--host", "127.0.0.1", "-p", "0", "-o", utf8(&file)]).with(2);
    ended.saying("flows.gz").saying("the file system is read-only");
}

#[test]
fn a_file_that_cannot_even_be_begun_is_left_empty() {
    let folder = scratch();
    let file = folder.path().join("flows.parquet");
    // There is room for the first octets of Parquet, and not for a footer.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    for _ in 0..2 {
        let mut command = Command::new("sh");
        command.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_nf"), "collect", "--host", "127.0.0.1"]);
        run(command.args(["-p", "0", "-o", utf8(&file)])).with(2).saying("File too large");
        assert_eq!(fs::metadata(&file).expect("it was made").len(), 0);
    }
}

#[test]
fn a_full_disk_is_told_and_the_file_stays_readable() {
    let folder = scratch();
    let Some(mounted) = Mounted::tmpfs(folder.path(), "size=1m") else { return };
    let file = mounted.0.join("flows.json");
    let collecting = Collecting::start(["-o", utf8(&file)]);
    let mut sent = 0;
    while !collecting.process.said().contains("the disk is full") {
        assert!(sent < 1_000_000, "{}", collecting.process.said());
        collecting.send(&V5::packet(sent, &[flow(sent)]));
        sent += 1;
    }
    // A block that does not fit is taken back, which may be happening just now.
    let full = wait_for("whole lines", || {
        let text = fs::read_to_string(&file).expect("written");
        text.ends_with('\n').then_some(text)
    });
    assert!(json_lines(&full).len() > ENOUGH, "{} octets", full.len());

    // With room again, what comes then is written.
    let room = mounted.0.join("room");
    fs::rename(&file, &room).expect("renamed");
    let shorter = fs::File::options().write(true).open(&room).expect("the same file");
    shorter.set_len(0).expect("cut");
    drop(shorter);
    wait_for("lines after the disk was full", || {
        collecting.send(&V5::packet(sent, &[flow(sent)]));
        sent += 1;
        (fs::metadata(&room).ok()?.len() > 0).then_some(())
    });
    let ended = collecting.stop("INT").with(1).saying("could not be written, and are lost");
    assert!(ended.err.contains("flows.json"), "{}", ended.err);
    json_lines(&fs::read_to_string(&room).expect("written"));
}
