//! `nf collect --filter`: which flows are written, and what is said of the others.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use common::{Ended, fixtures, json_lines, run_nf, scratch, skip};

mod common;

fn utf8(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Collects a fixture, with more arguments.
fn collect(more: &[&str]) -> Option<Ended> {
    let Some(fixtures) = fixtures() else {
        skip("no fixtures");
        return None;
    };
    let capture = fixtures.join("softflowd-v9.pcap");
    Some(run_nf(["collect", "--read", utf8(&capture)].iter().chain(more)))
}

#[test]
fn only_flows_that_pass_are_written_and_the_others_counted() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    let (all, some, csv, packets) =
        (path("all.ndjson"), path("some.ndjson"), path("some.csv"), path("all.json"));
    let Some(ended) = collect(&["-o", utf8(&all)]) else { return };
    ended.with(0);
    let arguments =
        ["-o", utf8(&some), "-o", utf8(&csv), "-o", utf8(&packets), "--filter", "tcp and bytes > 1k"];
    let ended = collect(&arguments).unwrap().with(0).saying("export packets (.json) are written whole");
    let flows = json_lines(&fs::read_to_string(&all).unwrap());
    let passing: Vec<_> = flows
        .iter()
        .filter(|flow| flow["proto"] == 6 && flow["bytes"].as_u64().unwrap() > 1_000)
        .cloned()
        .collect();
    assert!(!passing.is_empty() && passing.len() < flows.len());
    assert_eq!(json_lines(&fs::read_to_string(&some).unwrap()), passing);
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().count(), passing.len() + 1);
    let left_out = flows.len() - passing.len();
    ended.saying(&format!("{left_out} flows not written: the filter does not let them pass (--filter)"));
    // What one cannot see is whether export packets lack something.
    let whole = path("whole.json");
    collect(&["-o", utf8(&whole)]).unwrap().with(0);
    assert_eq!(fs::read(&packets).unwrap(), fs::read(&whole).unwrap());
}

#[test]
fn a_wrong_filter_is_refused_before_anything_is_opened() {
    let folder = scratch();
    let file = folder.path().join("flows.ndjson");
    let Some(ended) = collect(&["-o", utf8(&file), "--filter", "tcp and dts port 443"]) else { return };
    let ended = ended.with(2).saying("`dts` is no word of a filter, and no column; did you mean `dst`?");
    ended.saying("\n    tcp and dts port 443\n            ^^^\n");
    let check = run_nf(["collect", "--check-config", "-o", utf8(&file), "--filter", "port 70000"]);
    check.with(2).saying("70000 is more than there can be");
    assert!(!file.exists());
    let json = folder.path().join("flows.json");
    let ended = collect(&["-o", utf8(&json), "--filter", "tcp"]).unwrap();
    ended.with(2).saying("choose .ndjson, .csv or .parquet");
    assert!(!json.exists());
}

#[test]
fn a_filter_may_include_files() {
    let folder = scratch();
    let (file, ours) = (folder.path().join("flows.ndjson"), folder.path().join("ours"));
    fs::write(&ours, "# what is ours\nnot (udp or tcp)\n").unwrap();
    let filter = format!("@include {}", ours.display());
    let Some(ended) = collect(&["-o", utf8(&file), "--filter", &filter]) else { return };
    ended.with(0);
    let flows = json_lines(&fs::read_to_string(&file).unwrap());
    assert!(!flows.is_empty() && flows.iter().all(|flow| flow["proto"] != 6 && flow["proto"] != 17));
    let missing = format!("@include {}", folder.path().join("missing").display());
    collect(&["-o", utf8(&file), "--filter", &missing]).unwrap().with(2).saying("cannot read");
}
