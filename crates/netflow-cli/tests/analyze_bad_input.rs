//! `nf analyze` says what is wrong with a file, and prints the connections in the good part of it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Ended, fixtures, json_lines, nf, run_nf, scratch};
use netflow_flow::GzipBlock;
use tempfile::TempDir;

mod common;

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn analyze(files: &[&Path]) -> Ended {
    let all = ["analyze", "-n", "-v", "-p", "0", "--format", "json"];
    run_nf(all.into_iter().chain(files.iter().map(|file| utf8(file))))
}

/// A line of a collector: an export packet with one connection, whose client's port is 40000 and the number.
fn line(number: u16) -> String {
    let flow = |from: (u8, u16), to: (u8, u16)| {
        format!(
            r#"{{"IPV4_SRC_ADDR":"192.0.2.{}","IPV4_DST_ADDR":"192.0.2.{}","SRC_PORT":{},"DST_PORT":{},"PROTO":6,"IN_PACKETS":7,"IN_OCTETS":700,"FIRST_SWITCHED":1000,"LAST_SWITCHED":4000,"TCP_FLAGS":27}}"#,
            from.0, to.0, from.1, to.1
        )
    };
    let port = 40_000 + number;
    let (there, back) = (flow((1, port), (2, 443)), flow((2, 443), (1, port)));
    format!(
        r#"{{"1585497478.{number}":{{"client":["127.0.0.1",40001],"header":{{"version":5,"count":2,"uptime":60000,"timestamp":1585497478,"timestamp_nano":0,"sequence":{number},"engine_type":0,"engine_id":0,"sampling_interval":0}},"flows":[{there},{back}]}}}}"#
    ) + "\n"
}

/// The numbers of the connections that were printed, sorted.
fn numbers(ended: &Ended) -> Vec<u64> {
    let mut numbers: Vec<_> =
        ended.json().iter().map(|row| row["client_port"].as_u64().expect("a port") - 40_000).collect();
    numbers.sort_unstable();
    numbers
}

fn file(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).expect("written");
    path
}

#[test]
fn a_file_that_is_not_there() {
    let folder = scratch();
    let (good, missing) =
        (file(&folder, "good.json", line(1).as_bytes()), folder.path().join("1585497478.gz"));
    let ended = analyze(&[&missing]).with(2).saying("1585497478.gz").saying("is the name right?");
    assert_eq!(ended.out, "");
    let ended = analyze(&[&missing, &good]).with(1).saying("1585497478.gz");
    assert_eq!(numbers(&ended), [1]);
}

#[test]
fn a_directory() {
    let folder = scratch();
    analyze(&[folder.path()]).with(2).saying(utf8(folder.path()));
}

#[test]
fn an_empty_file() {
    let folder = scratch();
    let (empty, good) = (file(&folder, "empty.gz", b""), file(&folder, "good.json", line(1).as_bytes()));
    analyze(&[&empty]).with(2).saying("empty.gz").saying("the file is empty");
    assert_eq!(numbers(&analyze(&[&good, &empty]).with(1)), [1]);
}

#[test]
fn a_file_of_something_else() {
    let folder = scratch();
    let octets: Vec<u8> =
        (0..4000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (name, content) in [
        ("octets.gz", octets.clone()),
        ("text.txt", b"these are not the flows you look for\n".to_vec()),
        ("octets-in.gz", GzipBlock::default().compress(&octets).expect("compressed")),
        ("other.csv", b"name,age\nnobody,7\n".to_vec()),
    ] {
        let ended = analyze(&[&file(&folder, name, &content)]).with(2).saying(name);
        assert!(ended.err.contains("neither gzip nor JSON lines nor CSV of flows"), "{name}: {}", ended.err);
        assert!(ended.err.contains("no pcap or pcapng capture either"), "{name}: {}", ended.err);
    }
}

#[test]
fn json_that_is_no_export_packet_and_no_flow() {
    let folder = scratch();
    for content in [
        "{\"1585497478.5\":7}\n",
        "{\"1585497478.5\":{\"flows\":[]}}\n",
        "{\"src_port\":-1}\n",
        "{}\n{}\n",
        "{\"level\":\"info\",\"message\":\"started\"}\n",
    ] {
        let other = file(&folder, "other.json", content.as_bytes());
        let ended = analyze(&[&other]).with(2).saying("other.json: line 1: ").saying("nothing could be read");
        assert_eq!(ended.out, "", "{content}");
        let good = file(&folder, "good.json", line(1).as_bytes());
        assert_eq!(numbers(&analyze(&[&other, &good]).with(1)), [1]);
    }
}

#[test]
fn nothing_for_the_filter_is_not_nothing_read() {
    let folder = scratch();
    let cut = file(&folder, "cut.json", (line(1) + "{\"15").as_bytes());
    let ended = run_nf(["analyze", "-n", "-m", "198.51.100.1", utf8(&cut)]).with(1);
    assert_eq!(ended.saying("cut off after line 1").out, "");
}

#[test]
fn a_bad_line_between_good_ones() {
    let folder = scratch();
    for bad in ["not JSON\n", "{\"1585497478.5\":{\"client\"\n", "\u{0}\u{0}\u{0}\n", "[1,2]\n"] {
        let content = [&line(1), &line(2), bad, &line(3)].concat();
        let ended = analyze(&[&file(&folder, "flows.json", content.as_bytes())]).with(1);
        let ended = ended.saying("flows.json: line 3:");
        assert_eq!(numbers(&ended), [1, 2, 3], "{bad}");
    }
}

#[test]
fn many_bad_lines_are_not_told_one_by_one() {
    let folder = scratch();
    let content = line(1) + &"bad\n".repeat(500) + &line(2);
    let ended = analyze(&[&file(&folder, "flows.json", content.as_bytes())]).with(1).saying("500 lines");
    assert_eq!(numbers(&ended), [1, 2]);
    assert!(ended.err.lines().count() < 50, "{}", ended.err);
}

#[test]
fn a_last_line_without_an_end() {
    let folder = scratch();
    let content = [line(1), line(2), line(3)].concat();
    let ended = analyze(&[&file(&folder, "flows.json", &content.as_bytes()[..content.len() - 40])]).with(1);
    assert_eq!(numbers(&ended.saying("cut off after line 2")), [1, 2]);
    // Only the line's end is missing: nothing is lost.
    let ended = analyze(&[&file(&folder, "flows.json", content.trim_end().as_bytes())]).with(0);
    assert_eq!(numbers(&ended), [1, 2, 3]);
}

#[test]
fn gzip_that_is_cut_off() {
    let folder = scratch();
    let gzip = GzipBlock::default();
    // As PyPI `netflow` writes it, a member for each line; and all in one.
    let members: Vec<_> = (1..=4).map(|n| gzip.compress(line(n).as_bytes()).expect("compressed")).collect();
    let lines: String = (1..=4).map(line).collect();
    let whole = gzip.compress(lines.as_bytes()).expect("compressed");
    let (of_members, third) = (members.concat(), members[..2].concat().len());
    for (name, content) in [("members.gz", &of_members), ("one.gz", &whole)] {
        let mut most = 0;
        for cut in (3..content.len()).step_by(7).chain([content.len() - 8, content.len() - 1]) {
            let ended = analyze(&[&file(&folder, name, &content[..cut])]);
            let found = numbers(&ended);
            // What is printed is the beginning, and never less of more.
            let expected: Vec<u64> = (1..=found.len() as u64).collect();
            assert_eq!(found, expected, "{name} cut at {cut}");
            most = most.max(found.len());
            let between_members = members.iter().scan(0, |end, member| {
                *end += member.len();
                Some(*end)
            });
            if name == "members.gz" && between_members.into_iter().any(|end| end == cut) {
                ended.with(0);
                continue;
            }
            let code = if found.is_empty() { 2 } else { 1 };
            ended.with(code).saying(name).saying("cut off");
        }
        assert!(most >= 3, "{name}: {most} lines at the most");
    }
    // Everything of the members before the cut is there.
    let ended = analyze(&[&file(&folder, "members.gz", &of_members[..third + 30])]).with(1);
    assert_eq!(numbers(&ended), [1, 2]);
    assert_eq!(numbers(&analyze(&[&file(&folder, "members.gz", &of_members)]).with(0)), [1, 2, 3, 4]);
}

#[test]
fn gzip_that_is_damaged() {
    let folder = scratch();
    let gzip = GzipBlock::default();
    let mut content = gzip.compress(line(1).as_bytes()).expect("compressed");
    let second = content.len();
    content.extend(gzip.compress(line(2).as_bytes()).expect("compressed"));
    content[second + 20..second + 60].fill(0xff);
    let ended = analyze(&[&file(&folder, "flows.gz", &content)]).with(1).saying("flows.gz").saying("damaged");
    assert_eq!(numbers(&ended), [1]);
}

#[test]
fn good_members_behind_a_damaged_one_are_read() {
    let folder = scratch();
    let members: Vec<_> =
        (1..=4).map(|n| GzipBlock::default().compress(line(n).as_bytes()).expect("compressed")).collect();
    let (second, third) = (members[0].len(), members[0].len() + members[1].len());
    let mut content = members.concat();
    content[second + 20..second + 60].fill(0xff);
    let ended = analyze(&[&file(&folder, "flows.gz", &content)]).with(1);
    let ended = ended.saying(&format!("flows.gz: octets {second} to {third} are damaged"));
    assert_eq!(numbers(&ended), [1, 3, 4]);
    let ended = run_nf(["doctor", utf8(&file(&folder, "flows.gz", &content))]).with(1);
    ended.saying(&format!("octets {second} to {third} are damaged"));
}

#[test]
fn zeros_behind_gzip() {
    // As a file system leaves them after the power failed.
    let folder = scratch();
    let mut content = GzipBlock::default().compress(line(1).as_bytes()).expect("compressed");
    content.extend([0; 512]);
    let ended = analyze(&[&file(&folder, "flows.gz", &content)]);
    assert_eq!(numbers(&ended), [1], "{}", ended.err);
}

#[test]
fn a_capture_that_is_cut_off() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    let content = fs::read(fixtures.join("softflowd-v5.pcap")).expect("a fixture");
    let whole = analyze(&[&fixtures.join("softflowd-v5.pcap")]).with(0).json().len();
    let ended =
        analyze(&[&file(&folder, "cut.pcap", &content[..content.len() - 100])]).with(1).saying("cut.pcap");
    let found = ended.json().len();
    assert!(0 < found && found < whole, "{found} of {whole}");
}

#[test]
fn a_capture_without_export_packets() {
    let Some(fixtures) = fixtures() else { return };
    analyze(&[&fixtures.join("traffic.pcap")]).with(2).saying("no export packets");
}

#[test]
fn a_capture_with_a_malformed_packet() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    let mut content = fs::read(fixtures.join("softflowd-v5.pcap")).expect("a fixture");
    // The count in the header of the first export packet: more records than there are.
    let header = 24 + 16 + 14 + 20 + 8;
    assert_eq!(content[header..header + 2], [0, 5]);
    content[header + 3] += 1;
    let whole = analyze(&[&fixtures.join("softflowd-v5.pcap")]).with(0);
    let ended = analyze(&[&file(&folder, "bad.pcap", &content)])
        .with(1)
        .saying("1 export packet with something wrong");
    assert_eq!(ended.json().len(), whole.json().len());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = scratch();
    let many: String = (1..=2_000).map(line).collect();
    let path = file(&folder, "flows.json", many.as_bytes());
    for format in ["text", "json", "csv"] {
        let mut command = nf(["analyze", "-n", "--format", format, utf8(&path)]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nf starts");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
        assert!(!first.is_empty());
        let ended = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{format}: {}: {said}", ended.status);
        assert!(!said.contains("roken pipe") && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn stdin_that_is_empty_or_ends_early() {
    let feed = |input: &[u8]| common::feed(["analyze", "-n", "-p", "0", "--format", "json"], input);
    feed(b"").with(2).saying("stdin").saying("empty");
    let lines = line(1) + &line(2);
    let ended =
        feed(&lines.as_bytes()[..lines.len() - 10]).with(1).saying("stdin").saying("cut off after line 1");
    assert_eq!(json_lines(&ended.out).len(), 1);
}

#[test]
fn names_that_would_play_with_a_terminal_are_escaped() {
    let folder = scratch();
    let content = line(1).replacen("\"PROTO\"", "\"\\u001b[2Jevil\":1,\"PROTO\"", 1);
    let ended = analyze(&[&file(&folder, "flows.json", content.as_bytes())]).with(0).saying("evil");
    assert!(!ended.err.contains('\u{1b}'), "{:?}", ended.err);
}

#[test]
fn a_dash_is_stdin() {
    let Some(fixtures) = fixtures() else { return };
    let capture = fs::read(fixtures.join("softflowd-v5.pcap")).expect("a fixture");
    let gzip = GzipBlock::default().compress(line(1).as_bytes()).expect("compressed");
    for arguments in [&["-"][..], &["-f", "-"], &[]] {
        let feed = |input: &[u8]| {
            let all = ["analyze", "-n", "-p", "0", "--format", "json"];
            common::feed(all.iter().chain(arguments), input).with(0)
        };
        assert_eq!(numbers(&feed(line(1).as_bytes())), [1]);
        assert_eq!(numbers(&feed(&gzip)), [1]);
        assert!(!feed(&capture).json().is_empty());
    }
}

#[test]
fn stdin_that_comes_in_small_pieces() {
    let mut command = nf(["analyze", "-n", "-p", "0", "--format", "json"]);
    let mut running = common::Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.stdin.take().expect("a pipe");
    let content = GzipBlock::default().compress((line(1) + &line(2)).as_bytes()).expect("compressed");
    for octet in content {
        stdin.write_all(&[octet]).expect("nf reads");
        stdin.flush().expect("nf reads");
    }
    drop(stdin);
    assert_eq!(numbers(&running.end().with(0)), [1, 2]);
}
