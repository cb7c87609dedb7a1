//! `nf analyze` prints the same connections, whatever version exported them and whatever file they come from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{Running, feed, fixtures, json_lines, nf, run_nf, scratch};
use parquet::file::reader::SerializedFileReader;
use parquet::record::{Field, ListAccessor as _};
use serde_json::Value;

mod common;

/// Exports of the same traffic.
const SOFTFLOWD: &[&str] = &[
    "softflowd-v1",
    "softflowd-v5",
    "softflowd-v9",
    "softflowd-v9-milli",
    "softflowd-v9-unadjusted",
    "softflowd-ipfix",
    "softflowd-ipfix-milli",
    "softflowd-ipfix-biflow",
    "nfreplay-v5",
    "nfreplay-v9",
];

/// Two lines of PyPI `netflow`'s collector: v5, whose addresses are numbers there, and v9.
const PYPI: &str = r#"{"1585497478.5812": {"client": ["127.0.0.1", 40001], "header": {"version": 5, "count": 2, "uptime": 60000, "timestamp": 1585497478, "timestamp_nano": 581262000, "sequence": 0, "engine_type": 0, "engine_id": 0, "sampling_interval": 0}, "flows": [{"IPV4_SRC_ADDR": 3221225985, "IPV4_DST_ADDR": 3221225986, "NEXT_HOP": 0, "INPUT": 1, "OUTPUT": 2, "IN_PACKETS": 6, "IN_OCTETS": 500, "FIRST_SWITCHED": 12108, "LAST_SWITCHED": 21110, "SRC_PORT": 50000, "DST_PORT": 443, "TCP_FLAGS": 27, "PROTO": 6, "TOS": 0, "SRC_AS": 0, "DST_AS": 0, "SRC_MASK": 0, "DST_MASK": 0}, {"IPV4_SRC_ADDR": 3221225986, "IPV4_DST_ADDR": 3221225985, "NEXT_HOP": 0, "INPUT": 2, "OUTPUT": 1, "IN_PACKETS": 7, "IN_OCTETS": 4352, "FIRST_SWITCHED": 12108, "LAST_SWITCHED": 21110, "SRC_PORT": 443, "DST_PORT": 50000, "TCP_FLAGS": 27, "PROTO": 6, "TOS": 0, "SRC_AS": 0, "DST_AS": 0, "SRC_MASK": 0, "DST_MASK": 0}]}}
{"1585497479.0": {"client": ["127.0.0.1", 40002], "header": {"version": 9, "count": 2, "uptime": 60000, "timestamp": 1585497479, "sequence": 1, "source_id": 0}, "flows": [{"IPV6_SRC_ADDR": "2001:db8::1", "IPV6_DST_ADDR": "2001:db8::2", "LAST_SWITCHED": 4000, "FIRST_SWITCHED": 1000, "IN_BYTES": 2048, "IN_PKTS": 20, "INPUT_SNMP": 0, "OUTPUT_SNMP": 0, "L4_SRC_PORT": 22, "L4_DST_PORT": 50001, "PROTOCOL": 6, "TCP_FLAGS": 27, "IP_PROTOCOL_VERSION": 6, "SRC_TOS": 0, "UNKNOWN_FIELD_TYPE": 3}, {"IPV6_SRC_ADDR": "2001:db8::2", "IPV6_DST_ADDR": "2001:db8::1", "LAST_SWITCHED": 4000, "FIRST_SWITCHED": 1000, "IN_BYTES": 1024, "IN_PKTS": 10, "INPUT_SNMP": 0, "OUTPUT_SNMP": 0, "L4_SRC_PORT": 50001, "L4_DST_PORT": 22, "PROTOCOL": 6, "TCP_FLAGS": 27, "IP_PROTOCOL_VERSION": 6, "SRC_TOS": 0, "UNKNOWN_FIELD_TYPE": 3}]}}
"#;

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The connections of a file as JSON, all of them.
fn connections(file: &Path) -> String {
    run_nf(["analyze", "-n", "-v", "-p", "0", "--format", "json", utf8(file)]).with(0).out
}

/// What a connection is, without who exported it and when: two ends in order, each with what it sent.
fn essence(row: &Value) -> (Vec<String>, u64) {
    let end = |side: &str| {
        let cells =
            ["addr", "port", "bytes", "packets"].map(|cell| row[format!("{side}_{cell}")].to_string());
        format!("{} {}", row["proto"], cells.join(" "))
    };
    let mut ends = vec![end("client"), end("server")];
    ends.sort();
    (ends, row["duration_ms"].as_u64().expect("a number"))
}

#[test]
fn every_version_of_the_same_traffic_gives_the_same_connections() {
    let Some(fixtures) = fixtures() else { return };
    let of = |name: &str| {
        let rows = json_lines(&connections(&fixtures.join(name).with_extension("pcap")));
        let rows =
            rows.iter().filter(|row| row["client_addr"].as_str().is_some_and(|addr| addr.contains('.')));
        let mut rows: Vec<_> = rows.map(essence).collect();
        rows.sort();
        rows
    };
    let expected = of("softflowd-v5");
    assert!(expected.len() > 30, "{} connections", expected.len());
    for name in SOFTFLOWD {
        let found = of(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        for ((ends, duration), (expected_ends, expected_duration)) in found.iter().zip(&expected) {
            assert_eq!(ends, expected_ends, "{name}");
            // Start and end are rounded, each on its own.
            assert!(
                duration.abs_diff(*expected_duration) <= 2,
                "{name}: {duration} ms, {expected_duration} ms"
            );
        }
    }
}

#[test]
fn ipv6_connections_are_the_same_in_v9_and_ipfix() {
    let Some(fixtures) = fixtures() else { return };
    let of = |name: &str| {
        let rows = json_lines(&connections(&fixtures.join(name).with_extension("pcap")));
        let rows =
            rows.iter().filter(|row| row["client_addr"].as_str().is_some_and(|addr| addr.contains(':')));
        let mut ends: Vec<_> = rows.map(|row| essence(row).0).collect();
        ends.sort();
        ends
    };
    let expected = of("softflowd-v9");
    assert!(expected.len() > 30, "{} connections", expected.len());
    for name in [
        "softflowd-v9-milli",
        "softflowd-ipfix",
        "softflowd-ipfix-milli",
        "softflowd-ipfix-biflow",
        "nfreplay-v9",
    ] {
        assert_eq!(of(name), expected, "{name}");
    }
}

#[test]
fn the_traffic_is_counted_once() {
    let Some(fixtures) = fixtures() else { return };
    let counts = fs::read_to_string(fixtures.join("counts.json")).expect("counts.json");
    let counts: Value = serde_json::from_str(&counts).expect("JSON");
    for name in
        ["softflowd-v9", "softflowd-ipfix-milli", "softflowd-ipfix-biflow", "pmacct-ipfix", "nfreplay-v9"]
    {
        let rows = json_lines(&connections(&fixtures.join(name).with_extension("pcap")));
        let sum = |cells: [&str; 2]| -> u64 {
            rows.iter().flat_map(|row| cells.map(|cell| row[cell].as_u64().expect("a number"))).sum()
        };
        let traffic = &counts["traffic"];
        assert_eq!(sum(["client_bytes", "server_bytes"]), traffic["octets"], "{name}: octets");
        assert_eq!(sum(["client_packets", "server_packets"]), traffic["packets"], "{name}: packets");
    }
}

#[test]
fn every_format_of_collect_gives_the_connections_of_the_capture() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    for capture in fs::read_dir(fixtures).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if capture.extension().is_none_or(|ending| ending != "pcap") || capture.ends_with("traffic.pcap") {
            continue;
        }
        let expected = connections(&capture);
        assert!(!expected.is_empty() || capture.ends_with("softflowd-psamp.pcap"));
        for ending in ["gz", "json", "json.gz", "ndjson", "ndjson.gz", "csv", "csv.gz"] {
            let file = folder.path().join(capture.file_stem().expect("a name")).with_extension(ending);
            run_nf(["collect", "--read", utf8(&capture), "-o", utf8(&file)]).with(0);
            let found = connections(&file);
            for (found, expected) in found.lines().zip(expected.lines()) {
                assert_eq!(found, expected, "{}", file.display());
            }
            assert_eq!(found.lines().count(), expected.lines().count(), "{}", file.display());
        }
    }
}

#[test]
fn stdin_is_read_when_no_file_is_named() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    let capture = fixtures.join("softflowd-v5.pcap");
    let file = folder.path().join("flows.gz");
    run_nf(["collect", "--read", utf8(&capture), "-o", utf8(&file)]).with(0);
    let expected = run_nf(["analyze", "-n", utf8(&capture)]).with(0).out;
    for file in [&capture, &file] {
        assert_eq!(feed(["analyze", "-n"], &fs::read(file).expect("a file")).with(0).out, expected);
    }
}

#[test]
fn several_files_are_one_input() {
    let folder = scratch();
    let [one, other] = ["one.json", "other.json"].map(|name| folder.path().join(name));
    for (line, file) in PYPI.lines().zip([&one, &other]) {
        fs::write(file, line).expect("written");
    }
    let expected = feed(["analyze", "-n"], PYPI.as_bytes()).with(0).out;
    let (one, other) = (utf8(&one), utf8(&other));
    for arguments in [vec![one, other], vec!["-f", one, "-f", other], vec![one, "-f", other]] {
        assert_eq!(run_nf(["analyze", "-n"].into_iter().chain(arguments)).with(0).out, expected);
    }
}

#[test]
fn files_of_pypi_netflow_are_read() {
    let rows = feed(["analyze", "-n", "--format", "json"], PYPI.as_bytes()).with(0).json();
    let rows: BTreeMap<_, _> =
        rows.iter().map(|row| (row["client_addr"].as_str().expect("text"), row)).collect();
    let v5 = rows["192.0.2.1"];
    assert_eq!((&v5["server_addr"], &v5["server_port"]), (&"192.0.2.2".into(), &443.into()));
    assert_eq!((&v5["client_bytes"], &v5["server_bytes"]), (&500.into(), &4352.into()));
    assert_eq!((&v5["client_packets"], &v5["server_packets"]), (&6.into(), &7.into()));
    assert_eq!(
        (&v5["duration_ms"], &v5["time_received"]),
        (&9002.into(), &"2020-03-29T15:57:58.581Z".into())
    );
    let v9 = rows["2001:db8::2"];
    assert_eq!(
        (&v9["server_port"], &v9["service"], &v9["duration_ms"]),
        (&22.into(), &"ssh".into(), &3000.into())
    );
    assert_eq!(rows.len(), 2);
}

#[test]
fn text_is_the_line_of_pypi_netflow() {
    let ended = feed(["analyze", "-n"], PYPI.as_bytes()).with(0);
    let (v9, v5) = (
        "2020-03-29 15:57.59: SSH            | 2.00K    | 3 sec     |    30 | \
         Between 2001:db8::1 (2001:db8::1) and 2001:db8::2 (2001:db8::2)",
        "2020-03-29 15:57.58: HTTPS          | 4.25K    | 9 sec     |    13 | \
         Between 192.0.2.2 (192.0.2.2) and 192.0.2.1 (192.0.2.1)",
    );
    let mut lines: Vec<_> = ended.out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [v5, v9]);
}

#[test]
fn connections_with_few_packets_are_left_out() {
    let few = |least: &str| feed(["analyze", "-n", "-p", least], PYPI.as_bytes()).with(0);
    assert_eq!(few("13").out.lines().count(), 2);
    let ended = few("14").saying("1 connections skipped, because they had less than 14 packets.");
    assert!(ended.out.contains("SSH") && !ended.out.contains("HTTPS"), "{}", ended.out);
    assert_eq!(few("31").out, "");
}

#[test]
fn one_host_can_be_looked_at() {
    let of = |host: &str| feed(["analyze", "-n", "-m", host], PYPI.as_bytes()).with(0).out;
    assert!(of("192.0.2.1").contains("HTTPS") && !of("192.0.2.1").contains("SSH"));
    assert!(of("2001:db8:0::2").contains("SSH") && !of("2001:db8:0::2").contains("HTTPS"));
    assert_eq!(of("192.0.2.3"), "");
    run_nf(["analyze", "-m", "host-1"]).with(2).saying("host-1");
}

#[test]
fn what_stayed_unpaired_is_shown_on_request() {
    let Some(fixtures) = fixtures() else { return };
    let capture = fixtures.join("softflowd-v5.pcap");
    let quiet = run_nf(["analyze", "-n", "-p", "1", utf8(&capture)])
        .with(0)
        .saying("without an answer (-v shows them)");
    let verbose = run_nf(["analyze", "-n", "-p", "1", "-v", utf8(&capture)]).with(0);
    assert!(!quiet.out.contains("From "), "{}", quiet.out);
    assert!(verbose.out.contains("From 192.0.2.1:"), "{}", verbose.out);
    assert!(verbose.out.contains(" to 192.0.2.2:5004 with proto UDP and size "), "{}", verbose.out);
    let paired: Vec<_> = verbose.out.lines().filter(|line| !line.starts_with("From ")).collect();
    assert_eq!(paired, quiet.out.lines().collect::<Vec<_>>());
}

#[test]
fn csv_has_the_cells_of_json() {
    let json = feed(["analyze", "-n", "--format", "json"], PYPI.as_bytes()).with(0).json();
    let csv = feed(["analyze", "-n", "--format", "csv"], PYPI.as_bytes()).with(0).out;
    let mut lines = csv.lines();
    let columns: Vec<_> = lines.next().expect("a heading").split(',').collect();
    assert_eq!(lines.clone().count(), json.len());
    for (line, row) in lines.zip(&json) {
        let row = row.as_object().expect("an object");
        assert_eq!(row.len(), columns.len());
        for (column, cell) in columns.iter().zip(line.split(',')) {
            let value = match &row[*column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Array(exporters) => {
                    exporters.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
                }
                value => value.to_string(),
            };
            assert_eq!(cell, value, "{column}");
        }
    }
    let empty = feed(["analyze", "-n", "--format", "csv", "-p", "100"], PYPI.as_bytes()).with(0).out;
    assert_eq!(empty.lines().collect::<Vec<_>>(), [columns.join(",")], "a heading, also without connections");
}

#[test]
fn parquet_has_the_cells_of_json() {
    let folder = scratch();
    let (lines, path) = (folder.path().join("lines"), folder.path().join("x.parquet"));
    fs::write(&lines, PYPI).expect("written");
    let rows = run_nf(["analyze", "-n", "--format", "json", utf8(&lines)]).with(0).json();
    let table = fs::File::create(&path).expect("made");
    let status = nf(["analyze", "-n", "--format", "parquet", utf8(&lines)]).stdout(table).status();
    assert!(status.expect("started").success());
    let file = SerializedFileReader::new(fs::File::open(&path).expect("there")).expect("Parquet");
    let table: Vec<_> = file.into_iter().map(|row| row.expect("a row")).collect();
    assert_eq!((table.len(), table.len()), (rows.len(), 2));
    for (row, cells) in rows.iter().zip(&table) {
        assert_eq!(row.as_object().expect("an object").len(), cells.len());
        for (column, cell) in cells.get_column_iter() {
            let is = match cell {
                Field::Null => Value::Null,
                Field::Long(number) => (*number).into(),
                Field::Str(text) => text.as_str().into(),
                Field::ListInternal(list) => {
                    (0..list.len()).map(|at| list.get_string(at).expect("a text").as_str()).collect()
                }
                Field::TimestampMicros(micros) => {
                    let time = netflow_templates::Timestamp::from_nanos(micros * 1_000);
                    let (time, start) = (time.to_string(), row[column].as_str().expect("a time"));
                    assert_eq!(time[..19], start[..19], "{column}");
                    continue;
                }
                other => panic!("{column}: {other:?}"),
            };
            assert_eq!(is, row[column], "{column}");
        }
    }
    let sorted = ["analyze", "-n", "--format", "parquet", "--sort", "bytes", utf8(&lines)];
    let said = run_nf(sorted).with(2).err;
    assert!(said.contains("--limit"), "{said}");
}

#[test]
fn names_are_looked_up_unless_told_not_to() {
    // 127.0.0.1 has a name everywhere, without asking anybody.
    let line = PYPI.lines().next().expect("a line");
    let line = line.replace("3221225985", "2130706433").replace("3221225986", "2130706433");
    let named = feed(["analyze", "--dns-timeout", "30"], line.as_bytes()).with(0).out;
    assert!(named.contains("Between ") && named.contains("(127.0.0.1)"), "{named}");
    if fs::read_to_string("/etc/hosts").is_ok_and(|hosts| hosts.contains("localhost")) {
        assert!(!named.contains("127.0.0.1 (127.0.0.1)"), "{named}");
    }
    let plain = feed(["analyze", "-n"], line.as_bytes()).with(0).out;
    assert!(plain.contains("127.0.0.1 (127.0.0.1)"), "{plain}");
}

/// Who talked to whom, and how much: what does not depend on when a packet was received, and from whom.
fn talks(connections: &str) -> Vec<String> {
    let columns =
        ["client_addr", "client_port", "server_addr", "server_port", "client_bytes", "server_bytes"];
    let mut talks: Vec<_> = json_lines(connections)
        .iter()
        .map(|row| {
            [&columns[..], &["time_start", "time_end"]]
                .concat()
                .iter()
                .map(|name| row[name].to_string())
                .collect()
        })
        .map(|row: Vec<_>| row.join(" "))
        .collect();
    talks.sort_unstable();
    talks
}

#[test]
fn what_decode_prints_as_json_gives_the_same_connections() {
    let Some(fixtures) = fixtures() else { return };
    for name in ["softflowd-v5", "softflowd-v9", "softflowd-ipfix", "softflowd-ipfix-biflow", "nfreplay-v9"] {
        let capture = fixtures.join(name).with_extension("pcap");
        let decoded = run_nf(["decode", "--format", "json", utf8(&capture)]).with(0).out;
        let analyzed =
            feed(["analyze", "-n", "-v", "-p", "0", "--format", "json"], decoded.as_bytes()).with(0);
        assert_eq!(talks(&analyzed.out), talks(&connections(&capture)), "{name}");
        assert_eq!(analyzed.err, "", "{name}");
    }
}

#[test]
fn flows_that_waited_are_read_of_what_decode_prints() {
    // Data, then their template: octets and packets between two hosts.
    let data = "000a 0024 5e8465fd 00000000 0000002a  0100 0014 c0000201 c0000202 00000348 00000007";
    let template =
        "000a 0028 5e8465fd 00000001 0000002a  0002 0018 0100 0004 0008 0004 000c 0004 0001 0004 0002 0004";
    let decoded = run_nf(["decode", "--format", "json", data, template]).with(0).out;
    assert!(decoded.contains("\"late\":["), "{decoded}");
    let analyzed = feed(["analyze", "-n", "-v", "-p", "0", "--format", "json"], decoded.as_bytes()).with(0);
    let rows = json_lines(&analyzed.out);
    assert_eq!(rows.len(), 1, "{}", analyzed.out);
    let sent = rows[0]["client_bytes"].as_u64().max(rows[0]["server_bytes"].as_u64());
    assert_eq!(sent, Some(840));
}

#[test]
fn parquet_says_what_its_flows_are_as_any_other_file() {
    use netflow_flow::{Flow, Flows, write_flow_line};
    use netflow_parquet::{ParquetFile, RowGroup};
    use netflow_templates::Timestamp;

    let mut flows = Flows::new();
    for row in 0..2000_u32 {
        let mut flow = Flow::default();
        let (client, server) = ((row / 2).to_be_bytes().into(), [192, 0, 2, 80].into());
        (flow.src_addr, flow.dst_addr) = (Some(client), Some(server));
        (flow.src_port, flow.dst_port) = (50_000, 443);
        if row % 2 == 1 {
            std::mem::swap(&mut flow.src_addr, &mut flow.dst_addr);
            std::mem::swap(&mut flow.src_port, &mut flow.dst_port);
        }
        (flow.proto, flow.bytes_raw, flow.packets_raw, flow.sampling_rate) = (6, 1000, 10, 1);
        flow.time_flow_start = Some(Timestamp::from_secs(1_714_564_800));
        flow.time_flow_end = Some(Timestamp::from_secs(1_714_564_810));
        flow.time_received = Timestamp::from_secs(1_714_564_811);
        flows.push(&flow);
    }
    let mut lines = Vec::new();
    flows.iter().for_each(|flow| write_flow_line(&mut lines, flow));
    let mut group = RowGroup::new().expect("a row group");
    group.push(&flows).expect("flows");
    let mut file = ParquetFile::new(Vec::new()).expect("a file");
    file.append(&group.finish().expect("a row group")).expect("a file");
    let parquet = file.finish().expect("a file");

    let directory = scratch();
    let [of_lines, of_parquet] = ["flows.ndjson", "flows.parquet"].map(|name| directory.path().join(name));
    fs::write(&of_lines, lines).expect("a file");
    fs::write(&of_parquet, &parquet).expect("a file");
    let expected = connections(&of_lines);
    assert_eq!(expected.lines().count(), 1000);
    assert_eq!(connections(&of_parquet), expected);
    let arguments = ["analyze", "-n", "-v", "-p", "0", "--format", "json"];
    assert_eq!(feed(arguments, &parquet).with(0).out, expected);

    fs::write(&of_parquet, &parquet[..parquet.len() / 2]).expect("a file");
    run_nf(["analyze", utf8(&of_parquet)]).with(2).saying("flows.parquet: the file has no footer");
}

#[cfg(unix)]
#[test]
fn stopping_prints_what_is_known_so_far() {
    use std::io::Write as _;
    use std::process::Stdio;

    let analyze = ["analyze", "-n", "-p", "0", "--format", "csv"];
    let mut running = Running::start(nf(analyze).stdin(Stdio::piped()));
    let mut stdin = running.stdin.take().expect("stdin is a pipe");
    // A pipe holds less than this: when all is written, much of it was read. Nothing says that it has ended.
    stdin.write_all(PYPI.repeat(200).as_bytes()).expect("taken");
    running.signal("INT");
    let ended = running.end().with(1).saying("stopped: this is of the first ");
    drop(stdin);
    assert_eq!(ended.out.lines().count(), 1 + 2, "{}", ended.out);
}
