//! `nf analyze` over many files and exporters: what is merged, sorted, left out.

use std::fs;
use std::path::{Path, PathBuf};

use common::{Ended, feed, run_nf, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

mod common;

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Both directions of a connection from a port of 10.0.0.9 to 10.0.0.1, as an exporter tells it; it lasts a second.
fn talk(exporter: u8, port: u16, second: u32, octets: u32) -> String {
    let time = |seconds: u32| {
        format!("2026-03-01T{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    };
    let flow = |src: (&str, u16), dst: (&str, u16), octets: u32| {
        json!({
            "exporter_addr": format!("192.0.2.{exporter}"), "time_received": time(second + 15),
            "time_flow_start": time(second), "time_flow_end": time(second + 1), "time_quality": "exact",
            "src_addr": src.0, "src_port": src.1, "dst_addr": dst.0, "dst_port": dst.1, "proto": 6,
            "bytes_raw": octets, "packets_raw": 10, "sampling_rate": 1, "flows": 1,
        })
        .to_string()
            + "\n"
    };
    let (client, server) = (("10.0.0.9", port), ("10.0.0.1", 443));
    flow(client, server, octets) + &flow(server, client, 10 * octets)
}

fn file(folder: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).expect("written");
    path
}

fn rows(ended: &Ended, column: &str) -> Vec<Value> {
    ended.json().iter().map(|row| row[column].clone()).collect()
}

const JSON: [&str; 4] = ["analyze", "-n", "--format", "json"];

#[test]
fn what_several_exporters_saw_is_one_connection() {
    let flows = talk(1, 40_000, 0, 100) + &talk(2, 40_000, 1, 100);
    let ended =
        feed(JSON, flows.as_bytes()).with(0).saying("2 flows of packets that another exporter saw too");
    assert_eq!(rows(&ended, "seen_by"), [json!(["192.0.2.1", "192.0.2.2"])]);
    assert_eq!(rows(&ended, "server_bytes"), [1_000]);
    let ended = feed(JSON.into_iter().chain(["--per-exporter"]), flows.as_bytes()).with(0);
    assert_eq!(rows(&ended, "seen_by"), [json!(["192.0.2.1"]), json!(["192.0.2.2"])]);
    let text = feed(["analyze", "-n"], flows.as_bytes()).with(0).out;
    assert!(text.ends_with("(10.0.0.9), seen by 192.0.2.1, 192.0.2.2\n"), "{text}");
    let csv = feed(["analyze", "-n", "--format", "csv"], flows.as_bytes()).with(0).out;
    assert!(csv.trim_end().ends_with("1:vj3B4EpWWVosQUTvsBWOXIobBeY=,192.0.2.1 192.0.2.2,,,,"), "{csv}");
}

/// A file of each exporter, of the same connections in the same hours.
fn of_two_exporters(folder: &TempDir) -> [PathBuf; 2] {
    [1, 2].map(|exporter| {
        let talks = (0..2_000_u16).map(|n| talk(exporter, 40_000 + n % 50, u32::from(n) * 10, 100));
        file(folder, &format!("r{exporter}.ndjson"), &talks.collect::<String>())
    })
}

#[test]
fn files_that_overlap_in_time_are_read_side_by_side() {
    let folder = scratch();
    let files = of_two_exporters(&folder);
    let files = files.each_ref().map(|path| utf8(path));
    let ended = run_nf(JSON.into_iter().chain(files)).with(0);
    let seen = rows(&ended, "seen_by");
    assert_eq!(seen.len(), 2_000);
    assert!(seen.iter().all(|seen| seen.as_array().is_some_and(|exporters| exporters.len() == 2)));
    // And in the order of the files of Parquet, whose ends tell when they start.
    let parquet = files.map(|name| name.replace(".ndjson", ".parquet"));
    for (from, to) in files.iter().zip(&parquet) {
        run_nf(["flows", from, "-o", to]).with(0);
    }
    let of_parquet = run_nf(JSON.into_iter().chain(parquet.iter().map(String::as_str))).with(0);
    assert_eq!(of_parquet.out, ended.out);
    let directory = file(&folder, "r1.ndjson", "");
    fs::remove_file(directory).expect("removed");
    fs::remove_file(folder.path().join("r2.ndjson")).expect("removed");
    let of_directory = run_nf(JSON.into_iter().chain([utf8(folder.path())])).with(0);
    assert_eq!(of_directory.out, ended.out);
}

#[test]
fn connections_are_sorted_and_limited() {
    let talks = [(1, 300), (2, 50), (3, 7_000), (4, 20)];
    let talks: String =
        talks.iter().map(|&(n, octets)| talk(1, 40_000 + n, u32::from(n) * 400, octets)).collect();
    let ports = |arguments: &[&str]| {
        let ended = feed(JSON.iter().chain(arguments), talks.as_bytes()).with(0);
        rows(&ended, "client_port").iter().map(|port| port.as_u64().unwrap_or(0) - 40_000).collect::<Vec<_>>()
    };
    assert_eq!(ports(&[]), [1, 2, 3, 4]);
    assert_eq!(ports(&["--sort", "bytes"]), [3, 1, 2, 4]);
    assert_eq!(ports(&["--sort", "client_bytes:asc"]), [4, 2, 1, 3]);
    assert_eq!(ports(&["--sort", "start:desc"]), [4, 3, 2, 1]);
    assert_eq!(ports(&["--sort", "bytes", "--limit", "2"]), [3, 1]);
    assert_eq!(ports(&["--sort", "bytes", "--limit", "9"]), [3, 1, 2, 4]);
    assert_eq!(ports(&["--limit", "2"]), [1, 2]);
    run_nf(["analyze", "--sort", "size"]).with(2).saying("`size` is nothing to sort by");
    run_nf(["analyze", "--limit", "0"]).with(2);
}

#[test]
fn flows_are_filtered_and_cut_by_time() {
    let folder = scratch();
    let talks: String = (1..5).map(|n| talk(1, 40_000 + n, u32::from(n) * 3_600, 100)).collect();
    let talks = file(&folder, "talks.ndjson", &talks);
    let parquet = folder.path().join("talks.parquet");
    run_nf(["flows", utf8(&talks), "-o", utf8(&parquet)]).with(0);
    // What is read by columns is cut before it is read.
    let ports = |arguments: &[&str]| {
        let [of_lines, of_columns] = [&talks, &parquet].map(|path| {
            let ended = run_nf(JSON.iter().chain([&utf8(path)]).chain(arguments)).with(0);
            let ports = rows(&ended, "client_port");
            ports.iter().map(|port| port.as_u64().unwrap_or(0) - 40_000).collect::<Vec<_>>()
        });
        assert_eq!(of_lines, of_columns);
        of_lines
    };
    assert_eq!(ports(&["--filter", "port 40002 or port 40004"]), [2, 4]);
    assert_eq!(ports(&["proto tcp and port 40003"]), [3]);
    assert_eq!(ports(&["--from", "2026-03-01T02:00", "--to", "2026-03-01T04:00"]), [2, 3]);
    assert_eq!(ports(&["--from", "2026-03-01T02:00", "--filter", "not port 40003"]), [2, 4]);
    assert_eq!(ports(&["--to", "2026-03-01T03:00", "--match-host", "10.0.0.9"]), [1, 2]);
    assert_eq!(ports(&["--match-host", "10.0.0.2"]), [0; 0]);
    assert_eq!(ports(&["--to", "2026-03-01"]), [0; 0]);
    let words = file(&folder, "words", "port 40001\n");
    assert_eq!(ports(&["-F", utf8(&words)]), [1]);
    run_nf(["analyze", utf8(&talks), "--filter", "prot tcp"]).with(2).saying("`prot` is no word of a filter");
    run_nf(["analyze", utf8(&talks), "--from", "soon"]).with(2).saying("'soon' is no time");
}

#[test]
fn the_side_that_sent_more_comes_first_when_asked() {
    let talks = talk(1, 40_000, 0, 100);
    let row = |rule: &str| {
        feed(JSON.into_iter().chain(["--direction", rule]), talks.as_bytes()).with(0).json().remove(0)
    };
    let (client, size) = (row("client"), row("size"));
    assert_eq!((&client["client_port"], &client["client_by"]), (&json!(40_000), &json!("well_known_port")));
    assert_eq!((&size["client_port"], &size["client_by"]), (&json!(443), &json!("size")));
    assert_eq!(client["community_id"], size["community_id"]);
    let text = feed(["analyze", "-n", "--direction", "client"], talks.as_bytes()).with(0).out;
    assert!(text.contains("100B") && text.contains("Between 10.0.0.9"), "{text}");
}

#[test]
fn flows_before_and_after_translation_are_one_connection() {
    let talks = talk(1, 40_000, 0, 100);
    let (request, answer) = talks.split_once('\n').expect("two lines");
    let mut request: Value = serde_json::from_str(request).expect("JSON");
    request["post_nat_src_addr"] = json!("198.51.100.7");
    request["post_nat_src_port"] = json!(1_025);
    let answer = answer.replace("10.0.0.9", "198.51.100.7").replace("40000", "1025");
    for lines in [format!("{request}\n{answer}"), format!("{answer}{request}\n")] {
        let ended = feed(JSON, lines.as_bytes()).with(0);
        assert_eq!(rows(&ended, "client_addr"), ["10.0.0.9"]);
        assert_eq!(rows(&ended, "client_nat_addr"), ["198.51.100.7"]);
        assert_eq!(rows(&ended, "client_nat_port"), [1_025]);
        assert_eq!(rows(&ended, "server_nat_addr"), [Value::Null]);
        assert_eq!(rows(&ended, "kind"), ["paired"]);
    }
}
