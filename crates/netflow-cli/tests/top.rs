//! `nf top`: the same numbers from every format, whatever else is asked for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

mod common;

use common::{V5, nf, pcap, run, run_nf, scratch};

/// A capture of two packets: 192.0.2.1 asks .9 on port 443 and gets answers, .2 asks on port 53.
fn capture(folder: &Path) -> PathBuf {
    let record = |from, to, octets, packets| V5 { from, to, octets, packets };
    let first = V5::packet(
        0,
        &[
            record((1, 50_000), (9, 443), 500, 5),
            record((9, 443), (1, 50_000), 9_000, 8),
            record((2, 50_001), (9, 53), 100, 1),
        ],
    );
    let second = V5::packet(3, &[record((1, 50_002), (9, 443), 1_500, 2)]);
    let path = folder.join("packets.pcap");
    let at = 1_700_000_000_000_000_000;
    let exporter = [198, 51, 100, 1].into();
    fs::write(&path, pcap([(exporter, at, &first[..]), (exporter, at, &second[..])])).unwrap();
    path
}

/// The capture as files of all formats.
fn files(folder: &Path) -> Vec<PathBuf> {
    let capture = capture(folder);
    let mut files = vec![capture.clone()];
    for name in ["flows.parquet", "flows.ndjson", "flows.csv.gz", "packets.gz"] {
        let path = folder.join(name);
        run_nf(["collect".as_ref(), "--read".as_ref(), capture.as_os_str(), "-o".as_ref(), path.as_os_str()])
            .with(0);
        files.push(path);
    }
    files
}

fn top(arguments: &[&str], files: &[PathBuf]) -> Value {
    let mut command = nf(["top"]);
    let ended = run(command.args(arguments).args(["--format", "json"]).args(files)).with(0);
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn every_format_gives_the_same_groups() {
    let folder = scratch();
    for file in files(folder.path()) {
        let top = top(&["src"], std::slice::from_ref(&file));
        let groups = json!([
            { "src_addr": "192.0.2.9", "bytes": 9000, "packets": 8, "flows": 1, "share": 9000.0 / 11100.0 },
            { "src_addr": "192.0.2.1", "bytes": 2000, "packets": 7, "flows": 2, "share": 2000.0 / 11100.0 },
            { "src_addr": "192.0.2.2", "bytes": 100, "packets": 1, "flows": 1, "share": 100.0 / 11100.0 },
        ]);
        assert_eq!(top["groups"], groups, "{}", file.display());
        assert_eq!(top["total"], json!({ "bytes": 11100, "packets": 16, "flows": 4 }));
        let told = [&top["keys"], &top["by"], &top["sampling"], &top["group_count"], &top["exact"]];
        assert_eq!(
            told,
            [&json!(["src_addr"]), &json!("bytes"), &json!("corrected"), &json!(3), &json!(true)]
        );
    }
}

#[test]
fn formats_are_counted_together_and_measures_are_words() {
    let folder = scratch();
    let files = files(folder.path());
    let together = top(&["proto"], &files);
    assert_eq!(together["total"]["flows"], json!(4 * files.len()));
    for words in [&["dstport/flows", "-n", "1"][..], &["dstport", "--by", "flows", "-n", "1"]] {
        let top = top(words, &files[..1]);
        assert_eq!((&top["groups"][0]["dst_port"], &top["by"]), (&json!(443), &json!("flows")));
    }
    let file = files[1].to_str().unwrap();
    let csv = run_nf(["top", "srcip,dstport", file, "by", "packets", "-n", "2", "--format", "csv"]).with(0);
    assert_eq!(
        csv.out,
        "src_addr,dst_port,bytes,packets,flows,share\n192.0.2.9,50000,9000,8,1,0.5\n192.0.2.1,443,2000,7,2,0.4375\n"
    );
    let ends = top(&["ip"], &files[1..2]);
    assert_eq!((&ends["groups"][0]["ip"], &ends["groups"][0]["bytes"]), (&json!("192.0.2.9"), &json!(11100)));
    let conversations = top(&["record", "--both"], &files[1..2]);
    assert_eq!(conversations["group_count"], json!(3));
    assert_eq!(conversations["groups"][0]["bytes"], json!(9500));
    let services = top(&["service"], &files[1..2]);
    assert_eq!(services["groups"][0]["service"], json!("https"));
}

#[test]
fn filters_steps_and_prefixes_go_together() {
    let folder = scratch();
    let file = files(folder.path()).swap_remove(1);
    let file = file.to_str().unwrap();
    let lines =
        run_nf(["top", "dst/31", file, "--every", "1m", "--format", "ndjson", "dst port 443 or dst port 53"])
            .with(0);
    let expected = json!({
        "start": lines.json()[0]["start"], "dst/31": "192.0.2.8/31", "bytes": 2100, "packets": 8, "flows": 3, "share": 1.0
    });
    assert_eq!(lines.json(), [expected]);
    let text = run_nf(["top", "src,proto", file, "--filter", "dst port 53", "--raw"]).with(0).out;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "All 1 by src_addr,proto, in order of bytes; octets and packets as exported");
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>(),
        ["src_addr", "proto", "bytes", "%", "packets", "%", "flows", "%"]
    );
    assert!(lines[2].starts_with("192.0.2.2  TCP") || lines[2].starts_with("192.0.2.2  UDP"), "{text}");
    assert!(lines[3].starts_with("all ") && lines.len() == 4, "{text}");
}

#[test]
fn what_is_wrong_is_said_and_the_rest_is_counted() {
    let folder = scratch();
    let files = files(folder.path());
    let good = files[1].to_str().unwrap();
    run_nf(["top", "scr", good]).with(2).saying("nothing is called 'scr'; is it 'src'?");
    run_nf(["top", "src/x", good]).with(2).saying("'src/x' has no prefix length");
    run_nf(["top", "src", good, "--filter", "prot tcp"]).with(2).saying("prot");
    let half = folder.path().join("half.parquet");
    let octets = fs::read(good).unwrap();
    fs::write(&half, &octets[..octets.len() / 2]).unwrap();
    let ended = run_nf(["top", "src", half.to_str().unwrap(), good, "-n", "1", "--format", "csv"]).with(1);
    assert!(ended.err.contains("half.parquet"), "{}", ended.err);
    assert!(ended.out.ends_with("192.0.2.9,9000,8,1,0.8108108108108109\n"), "{}", ended.out);
    run_nf(["top", "src", half.to_str().unwrap()]).with(2).saying("nothing could be read");
    // No compressed page begins as one any more.
    let mut damaged = octets.clone();
    for at in 0..damaged.len() - 4 {
        if damaged[at..at + 4] == [0x28, 0xb5, 0x2f, 0xfd] {
            damaged[at..at + 4].fill(0);
        }
    }
    let path = folder.path().join("damaged.parquet");
    fs::write(&path, damaged).unwrap();
    let ended = run_nf(["top", "src,dst,exporter", path.to_str().unwrap(), good, "--format", "json"]).with(1);
    assert!(ended.err.contains("damaged.parquet"), "{}", ended.err);
    let top: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(top["total"]["flows"], json!(4));
}

#[test]
fn nothing_found_is_an_empty_answer() {
    let folder = scratch();
    let file = files(folder.path()).swap_remove(1);
    let file = file.to_str().unwrap();
    let text = run_nf(["top", "src", file, "dst port 1"]).with(0).out;
    assert!(text.starts_with("All 0 by src_addr"), "{text}");
    let text = run_nf(["top", "src", file, "dst port 1", "--format", "csv"]).with(0).out;
    assert_eq!(text, "src_addr,bytes,packets,flows,share\n");
}
