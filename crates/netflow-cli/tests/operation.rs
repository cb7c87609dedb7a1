//! A collector that is kept running: its metrics, its configuration, its rules.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{
    Collecting, Ended, Running, V5, folder, json_lines, nf, octets, run_nf, scratch, skip, wait_for,
};
use serde_json::Value;

mod common;

const FLOW: V5 = V5 { from: (1, 40_000), to: (2, 443), octets: 500, packets: 5 };
/// v9 with template 300: IN_BYTES, L4_SRC_PORT.
const V9_TEMPLATE: &str =
    "0009 0001 00000000 5e8465fd 00000000 00000007  0000 0010 012c 0002 0001 0004 0007 0002";

/// Where metrics are served.
fn place(collecting: &mut Collecting) -> String {
    collecting.process.wait_until_it_says("/metrics");
    let said = collecting.process.said();
    said.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned()
}

/// Status line and body of what is at a path.
fn fetch(place: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(place).expect("somebody listens");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {place}\r\n\r\n").as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

/// What is at a path, as JSON.
fn json(place: &str, path: &str) -> Value {
    serde_json::from_str(&fetch(place, path).1).expect("JSON")
}

/// The value of a metric with its labels.
fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until a metric has a value.
fn wait_for_value(place: &str, name: &str, expected: f64) -> String {
    wait_for(name, || {
        let (_, metrics) = fetch(place, "/metrics");
        (value(&metrics, name) == Some(expected)).then_some(metrics)
    })
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn metrics_say_what_became_of_packets() {
    let folder = scratch();
    let file = folder.path().join("flows.ndjson");
    let mut collecting = Collecting::start(["-o", utf8(&file), "--metrics", "127.0.0.1:0"]);
    let place = place(&mut collecting);
    for (sequence, flows) in [(0, 2), (2, 2), (4, 2), (6, 2), (11, 1), (12, 1)] {
        collecting.send(&V5::packet(sequence, &vec![FLOW; flows]));
    }
    collecting.send(b"no export packet");
    collecting.send(&octets(V9_TEMPLATE));
    wait_for_value(
        &place,
        "nf_output_flows_total{output=\"FILE\"}".replace("FILE", utf8(&file)).as_str(),
        10.0,
    );
    let of_v5 = "{exporter=\"127.0.0.1\",domain=\"0\",version=\"5\"";
    let metrics = wait_for_value(&place, &format!("nf_exporter_packets_total{of_v5}}}"), 6.0);
    let metrics = if value(&metrics, "nf_templates") == Some(1.0) {
        metrics
    } else {
        wait_for_value(&place, "nf_templates", 1.0)
    };
    for (name, expected) in [
        ("nf_received_packets_total", 8.0),
        ("nf_decoded_packets_total", 7.0),
        ("nf_flows_total", 10.0),
        ("nf_malformed_packets_total", 1.0),
        ("nf_queue_dropped_packets_total", 0.0),
        ("nf_exporters", 2.0),
        (&format!("nf_exporter_flows_total{of_v5}}}"), 10.0),
        (&format!("nf_exporter_lost_units{of_v5},unit=\"records\"}}"), 3.0),
        ("nf_output_failing{output=\"FILE\"}".replace("FILE", utf8(&file)).as_str(), 0.0),
    ] {
        assert_eq!(value(&metrics, name), Some(expected), "{name} in {metrics}");
    }
    assert_eq!(fetch(&place, "/healthz"), ("HTTP/1.1 200 OK".into(), "ok\n".into()));
    assert!(fetch(&place, "/else").0.contains("404"));

    let templates = json(&place, "/templates");
    assert_eq!((templates["total"].as_u64(), templates["truncated"].as_bool()), (Some(1), Some(false)));
    let templates = &templates["templates"];
    let (template, fields) = (&templates[0], &templates[0]["fields"]);
    assert_eq!((template["template"].as_u64(), template["domain"].as_u64()), (Some(300), Some(7)));
    assert_eq!((fields[0]["name"].as_str(), fields[1]["id"].as_u64()), (Some("IN_BYTES"), Some(7)));
    check_with_promtool(&metrics);
    collecting.stop("INT").with(0);
}

#[test]
fn exporters_are_told_as_json_and_as_metrics() {
    let mut collecting =
        Collecting::start(["-o", "/dev/null", "--format", "ndjson", "--metrics", "127.0.0.1:0"]);
    let place = place(&mut collecting);
    // Thirty are lost before the last, the one before that comes twice.
    for sequence in [0, 30, 60, 90, 120, 150, 180, 180, 240] {
        collecting.send(&V5::packet(sequence, &[FLOW; 30]));
    }
    // Data without a template.
    collecting.send(&octets("0009 0001 00000000 5e8465fd 00000000 00000007  012c 0008 00000000"));
    let of = |version: &str| format!("{{exporter=\"127.0.0.1\",domain=\"{version}\"");
    let (v5, v9) = (format!("{},version=\"5\"", of("0")), format!("{},version=\"9\"}}", of("7")));
    wait_for_value(&place, &format!("nf_exporter_undecoded_sets_total{v9}"), 1.0);
    let metrics = wait_for_value(&place, &format!("nf_exporter_packets_total{v5}}}"), 9.0);
    let exporters = json(&place, "/exporters?exporter=127.0.0.0/8");
    let known = &exporters["exporters"][0];
    for (metric, key, expected) in [
        ("nf_exporter_packets_total", "packets", 9),
        ("nf_exporter_flows_total", "flows", 270),
        ("nf_exporter_undecoded_sets_total", "undecoded_sets", 0),
        ("nf_exporter_duplicate_packets_total", "duplicates", 1),
        ("nf_exporter_reordered_packets_total", "reordered", 0),
        ("nf_exporter_restarts_total", "restarts", 0),
        ("nf_exporter_lost_units", "lost", 30),
        ("nf_exporter_missed_units", "missed", 0),
    ] {
        let unit = if metric.ends_with("units") { ",unit=\"records\"" } else { "" };
        let value = value(&metrics, &format!("{metric}{v5}{unit}}}"));
        assert_eq!((value, known[key].as_i64()), (Some(expected as f64), Some(expected)), "{metrics}{known}");
    }
    assert!(value(&metrics, &format!("nf_exporter_last_received_timestamp_seconds{v5}}}")) > Some(1e9));
    assert_eq!((known["exporter"].as_str(), known["unit"].as_str()), (Some("127.0.0.1"), Some("records")));
    assert_eq!((known["version"].as_u64(), known["expected"].as_u64()), (Some(5), Some(270)));
    // How the one of v9 counts is not known.
    let unknown = &exporters["exporters"][1];
    assert!(unknown["lost"].is_null() && !metrics.contains(&format!("nf_exporter_lost_units{}", of("7"))));
    assert_eq!((exporters["listed"].as_u64(), exporters["truncated"].as_bool()), (Some(2), Some(false)));
    assert_eq!(json(&place, "/exporters?exporter=192.0.2.1")["total"], 0);
    assert!(fetch(&place, "/exporters?exporter=nobody").0.contains("400"));
    check_with_promtool(&metrics);
    collecting.stop("INT").with(0);
}

#[test]
fn connections_are_counted_by_what_became_of_them() {
    let output = ["collect", "--listen", "tcp://127.0.0.1:0", "-o", "/dev/null", "--format", "ndjson"];
    let mut process =
        Running::start(nf(output).args(["--metrics", "127.0.0.1:0", "--max-connections-per-address", "2"]));
    process.wait_until_it_says("/metrics");
    let said = process.said();
    let behind = |text: &str, end: char| {
        said.split(text).nth(1).and_then(|rest| rest.split(end).next()).expect("an address").to_owned()
    };
    let (address, place) = (behind("listening on ", ' '), behind("http://", '/'));
    let mut first = TcpStream::connect(&address).expect("it listens");
    let _second = TcpStream::connect(&address).expect("it listens");
    wait_for_value(&place, "nf_open_connections", 2.0);
    let _third = TcpStream::connect(&address).expect("it listens");
    wait_for_value(&place, "nf_refused_connections_total{reason=\"too many of one address\"}", 1.0);
    first.write_all(b"no IPFIX at all, but enough of it for a header").expect("it reads");
    let metrics = wait_for_value(&place, "nf_closed_connections_total{reason=\"no IPFIX\"}", 1.0);
    for (name, expected) in
        [("nf_connections_total", 3.0), ("nf_accepted_connections_total", 2.0), ("nf_open_connections", 1.0)]
    {
        assert_eq!(value(&metrics, name), Some(expected), "{metrics}");
    }
    check_with_promtool(&metrics);
    process.signal("INT");
    process.end().with(0);
}

/// Has Prometheus' own tool look at metrics, where it is installed.
fn check_with_promtool(metrics: &str) {
    let mut command = Command::new("promtool");
    let started = command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = started else { return skip("promtool is not installed") };
    promtool.stdin.take().expect("a pipe").write_all(metrics.as_bytes()).expect("it reads");
    let output = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn an_output_that_fails_is_no_health() {
    let mut collecting =
        Collecting::start(["-o", "/dev/full", "--format", "ndjson", "--metrics", "127.0.0.1:0"]);
    let place = place(&mut collecting);
    collecting.send(&V5::packet(0, &[FLOW]));
    wait_for("trouble", || {
        let (status, body) = fetch(&place, "/healthz");
        (status.contains("503") && body.contains("cannot write to /dev/full")).then_some(())
    });
    collecting.stop("INT");
}

#[test]
fn an_output_that_nobody_reads_holds_up_no_other_and_takes_no_more_memory_than_it_may() {
    const PACKETS: u32 = 100;
    const QUEUED: f64 = 512.0 * 1024.0;
    let folder = scratch();
    let (pipe, file) = (folder.path().join("pipe.ndjson"), folder.path().join("flows.ndjson"));
    match Command::new("mkfifo").arg(&pipe).status() {
        Ok(status) if status.success() => {}
        _ => return skip("mkfifo makes no pipe here"),
    }
    let outputs = ["-o", utf8(&pipe), "-o", utf8(&file), "--queue", "1", "--metrics", "127.0.0.1:0"];
    let mut collecting = Collecting::start(outputs);
    let place = place(&mut collecting);
    let metric = |name: &str, path: &Path| format!("{name}{{output=\"{}\"}}", utf8(path));
    let waiting = || {
        let (_, metrics) = fetch(&place, "/metrics");
        value(&metrics, &metric("nf_output_waiting_bytes", &pipe)).expect("it is told")
    };
    for number in 0..PACKETS {
        collecting.send(&V5::packet(30 * number, &[FLOW; 30]));
        if number % 10 == 9 {
            // The other one has little room, too.
            let sent = f64::from(30 * (number + 1));
            wait_for_value(&place, &metric("nf_output_flows_total", &file), sent);
            assert!(waiting() <= QUEUED);
        }
    }
    let flows = f64::from(30 * PACKETS);
    wait_for("loss", || {
        let (_, metrics) = fetch(&place, "/metrics");
        value(&metrics, &metric("nf_output_lost_flows_total", &pipe)).filter(|lost| *lost > 0.0)
    });
    assert!((1.0..=QUEUED).contains(&waiting()));
    assert_eq!(fs::read_to_string(&file).expect("text").lines().count() as f64, flows);

    collecting.process.wait_until_it_says("has taken nothing for");
    assert!(fetch(&place, "/healthz").1.contains("has taken nothing for"));
    // At last somebody reads.
    let reading = std::thread::spawn(move || fs::read_to_string(pipe).expect("text").lines().count());
    let ended = collecting.stop("INT").with(1).saying("3000 flows").saying("had no room to wait");
    let read = reading.join().expect("it comes to an end") as u64;
    let lost = ended.err.split("are lost: ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a count");
    assert_eq!(read + lost.parse::<u64>().expect("a number"), flows as u64);
}

#[test]
fn a_port_of_metrics_that_is_taken_is_said_before_any_file_is_made() {
    let folder = scratch();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it has one").to_string();
    let file = folder.path().join("flows.csv");
    let ended =
        run_nf(["collect", "--host", "127.0.0.1", "-p", "0", "-o", utf8(&file), "--metrics", &address]);
    ended.with(2).saying("cannot serve metrics").saying("--metrics");
    assert!(!file.exists());
}

#[test]
fn exporters_that_are_not_allowed_are_counted_and_named() {
    let collecting = Collecting::start(["-o", "/dev/null", "--format", "ndjson", "--allow", "192.0.2.0/24"]);
    for number in 0..5 {
        collecting.send(&V5::packet(number, &[FLOW]));
    }
    let ended = collecting.stop("INT").with(0);
    let ended =
        ended.saying("5 packets received: 0 decoded").saying("5 packets of exporters that are not allowed");
    assert_eq!(ended.err.matches("127.0.0.1 is not among those of --allow").count(), 1, "{}", ended.err);
}

#[test]
fn an_exporter_sends_no_more_than_its_rate() {
    let collecting = Collecting::start(["-o", "/dev/null", "--format", "ndjson", "--rate-limit", "10"]);
    for number in 0..5_000 {
        collecting.send(&V5::packet(number, &[FLOW]));
    }
    let ended = collecting.stop("INT").with(0).saying("more than an exporter may send");
    assert!(ended.err.contains("127.0.0.1 sends more than --rate-limit"), "{}", ended.err);
}

#[test]
fn templates_of_an_exporter_are_limited() {
    let collecting = Collecting::start(["-o", "/dev/null", "--format", "ndjson", "--max-templates", "2"]);
    for id in 300..310 {
        collecting.send(&octets(&V9_TEMPLATE.replace("012c", &format!("{id:04x}"))));
    }
    collecting
        .stop("INT")
        .with(0)
        .saying("10 packets received: 10 decoded")
        .saying("the exporter has 2 already");
}

#[test]
fn a_hangup_under_load_loses_no_packet_and_opens_renamed_files_again() {
    const PACKETS: u32 = 2_000;
    let folder = scratch();
    let (config, file) = (folder.path().join("nf.toml"), folder.path().join("flows.ndjson"));
    fs::write(&config, "allow = [\"127.0.0.0/8\"]\n").expect("written");
    let mut collecting = Collecting::start(["-o", utf8(&file), "--config", utf8(&config)]);
    for number in 0..PACKETS {
        if number % 500 == 250 {
            fs::rename(&file, folder.path().join(format!("{number}.ndjson"))).expect("it is there");
            fs::write(&config, format!("allow = [\"127.0.0.0/8\"]\nrate-limit = {}\n", 1_000_000 + number))
                .expect("written");
            collecting.process.signal("HUP");
            wait_for("the new file", || file.exists().then_some(()));
        }
        collecting.send(&V5::packet(number, &[FLOW]));
    }
    collecting.process.wait_until_it_says("changed: rate-limit");
    let _: Ended = collecting.stop("INT").with(0).saying("2000 packets received: 2000 decoded, 2000 flows");
    let files = fs::read_dir(folder.path()).expect("it is there").map(|entry| entry.expect("read").path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "ndjson"));
    let lines = files.map(|path| json_lines(&fs::read_to_string(path).expect("text")).len());
    let lines: Vec<_> = lines.collect();
    assert_eq!((lines.len(), lines.iter().sum::<usize>()), (5, PACKETS as usize), "{lines:?}");
}

#[test]
fn a_hangup_says_what_takes_a_restart_and_a_wrong_file_changes_nothing() {
    let folder = scratch();
    let config = folder.path().join("nf.toml");
    fs::write(&config, "buffer = 1\n").expect("written");
    let mut collecting = Collecting::start(["-o", "/dev/null", "--format", "csv", "--config", utf8(&config)]);
    fs::write(&config, "buffer = 2\nallow = \"192.0.2.0/24\"\n").expect("written");
    collecting.process.signal("HUP");
    collecting.process.wait_until_it_says("changed: allow");
    collecting.process.wait_until_it_says("changed, but takes a restart: buffer");
    fs::write(&config, "alow = \"10.0.0.0/8\"\n").expect("written");
    collecting.process.signal("HUP");
    collecting.process.wait_until_it_says("stays as it was");
    collecting.send(&V5::packet(0, &[FLOW]));
    collecting
        .stop("INT")
        .with(0)
        .saying("perhaps 'allow'")
        .saying("1 packet of exporters that are not allowed");
}

#[test]
fn check_config_says_what_would_be_done_and_does_nothing() {
    let folder = scratch();
    let config = folder.path().join("nf.toml");
    let flows = folder.path().join("flows");
    fs::write(&config, format!("port = 1\ndir = \"{}\"\nrotate = \"1m\"\n", utf8(&flows))).expect("written");
    let mut command = nf(["collect", "--config", utf8(&config), "-p", "2", "--check-config"]);
    let output = command.env("NF_ROTATE", "120").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    for expected in
        ["port = 2  # command line", "rotate = 120  # NF_ROTATE", "line 2", "would listen on 0.0.0.0:2"]
    {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    assert!(!flows.exists());
    // What it says is a configuration by itself.
    let again = folder.path().join("again.toml");
    fs::write(&again, &said).expect("written");
    run_nf(["collect", "--config", utf8(&again), "--check-config"]).with(0);
    for wrong in ["prot = 1", "port = 70000", "rotate = 60", "dir = \"x\"\nexec = \"\""] {
        fs::write(&config, wrong).expect("written");
        run_nf(["collect", "--config", utf8(&config), "--check-config"]).with(2);
    }
}

#[test]
fn what_is_in_contrib_is_right() {
    let Some(contrib) = folder("contrib") else { return };
    let config = contrib.join("nf.toml");
    let ended = run_nf(["collect", "--config", utf8(&config), "--check-config"]).with(0);
    assert!(ended.out.contains("would serve http://127.0.0.1:9995/metrics"), "{}", ended.out);

    let unit = fs::read_to_string(contrib.join("nf-collect.service")).expect("a unit");
    let folder = scratch();
    let copy = folder.path().join("nf-collect.service");
    // The program may not be installed here.
    fs::write(&copy, unit.replace("/usr/local/bin/nf", env!("CARGO_BIN_EXE_nf"))).expect("written");
    match Command::new("systemd-analyze").args(["verify", utf8(&copy)]).output() {
        Ok(output) => assert!(output.status.success() && output.stderr.is_empty(), "{output:?}"),
        Err(_) => skip("systemd-analyze is not installed"),
    }
}
