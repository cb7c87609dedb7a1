//! `nf replay`, as a user runs it: what a collector makes of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use common::{Collecting, V5, fixtures, pcap, run_nf, scratch};
use serde_json::Value;

mod common;

/// Columns that say how a collector came by a flow.
const OF_THE_COLLECTOR: [&str; 3] = ["exporter_addr", "exporter_port", "time_received"];

/// The flows of a file of flow lines without some columns, and how often each is there.
fn flows(path: &Path, without: &[&str]) -> BTreeMap<String, usize> {
    let mut flows = BTreeMap::new();
    for line in fs::read_to_string(path).expect("the collector wrote it").lines() {
        let mut flow: serde_json::Map<String, Value> = serde_json::from_str(line).expect("JSON");
        flow.retain(|name, _| !without.contains(&name.as_str()));
        *flows.entry(Value::from(flow).to_string()).or_default() += 1;
    }
    flows
}

/// The flows that a collector writes when these arguments are replayed to it.
fn collected(folder: &Path, arguments: &[&str]) -> PathBuf {
    let path = folder.join("replayed.ndjson");
    let _ = fs::remove_file(&path);
    let collector = Collecting::start(["--file", path.to_str().expect("text")]);
    let address = collector.address.clone();
    run_nf(["replay", "--to", &address].iter().chain(arguments)).with(0);
    collector.stop("INT").with(0);
    path
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut captures: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "pcap"))
        // The traffic itself, without export packets.
        .filter(|path| path.file_name().is_none_or(|name| name != "traffic.pcap"))
        .collect();
    captures.sort();
    captures
}

#[test]
fn every_fixture_gives_the_flows_that_are_read_from_it() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    let mut total = 0;
    for capture in captures(&fixtures) {
        let name = capture.to_str().expect("text");
        let read = folder.path().join("read.ndjson");
        let _ = fs::remove_file(&read);
        run_nf(["collect", "--read", name, "--file", read.to_str().expect("text")]);
        let replayed = collected(folder.path(), &["--pps", "2000", name]);
        let [expected, got] = [read, replayed].map(|path| flows(&path, &OF_THE_COLLECTOR));
        assert_eq!(got, expected, "{name}");
        total += expected.values().sum::<usize>();
    }
    assert!(total > 1_000, "{total} flows");
}

#[test]
fn exporters_with_the_same_template_ids_are_told_apart() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    // Two exporters of one capture that use template 1024 for different records, packet by packet.
    let [one, other] = ["softflowd-v9", "softflowd-v9-milli"]
        .map(|name| common::datagrams(&fixtures.join(name).with_extension("pcap")));
    let both = one.iter().map(|packet| (1, packet)).zip(other.iter().map(|packet| (2, packet)));
    let packets: Vec<_> = both.flat_map(|(one, other)| [one, other]).collect();
    let datagrams = packets.iter().enumerate().map(|(number, (exporter, packet))| {
        (Ipv4Addr::new(192, 0, 2, *exporter), number as i64 * 1_000_000, packet.as_slice())
    });
    let capture = folder.path().join("both.pcap");
    fs::write(&capture, pcap(datagrams)).expect("a file");
    let name = capture.to_str().expect("text");
    let read = folder.path().join("read.ndjson");
    run_nf(["collect", "--read", name, "--file", read.to_str().expect("text")]).with(0);
    let replayed = collected(folder.path(), &["--topspeed", name]);
    let [expected, got] = [&read, &replayed].map(|path| flows(path, &OF_THE_COLLECTOR));
    assert_eq!(got, expected);
    assert!(!expected.is_empty());
    if cfg!(target_os = "linux") {
        let exporters = |path: &Path| -> BTreeMap<String, usize> {
            let text = fs::read_to_string(path).expect("a file");
            let lines = common::json_lines(&text).into_iter();
            lines.fold(BTreeMap::new(), |mut counts, flow| {
                let exporter = flow["exporter_addr"].as_str().expect("an address");
                *counts.entry(exporter.replace("127.0", "192.0")).or_default() += 1;
                counts
            })
        };
        assert_eq!(exporters(&replayed), exporters(&read));
    }
}

/// A flow without what a version cannot say of it.
fn carried(mut flow: serde_json::Map<String, Value>, version: &str) -> Value {
    const OF_THE_READER: [&str; 8] = [
        "flow_version",
        "template_id",
        "sequence",
        "record_index",
        "time_quality",
        "sampling_source",
        "quality",
        "out_if_name",
    ];
    flow.retain(|name, value| !OF_THE_READER.contains(&name.as_str()) && !value.is_null());
    let fixed = version == "v5";
    for (name, value) in &mut flow {
        if let Some(text) = value.as_str().filter(|_| name.starts_with("time_")) {
            // Milliseconds in v5, whole seconds in the headers of the others.
            let end = match (fixed, name.as_str()) {
                (true, _) => "2026-01-01T00:00:00.000".len(),
                (false, "time_export") => "2026-01-01T00:00:00".len(),
                _ => text.len(),
            };
            *value = text[..end].into();
        }
    }
    if fixed {
        const OF_V5: [&str; 27] = [
            "observation_domain_id",
            "time_export",
            "time_flow_start",
            "time_flow_end",
            "bytes_raw",
            "packets_raw",
            "bytes",
            "packets",
            "flows",
            "sampling_rate",
            "ip_version",
            "src_addr",
            "dst_addr",
            "src_port",
            "dst_port",
            "proto",
            "tcp_flags",
            "icmp_type",
            "icmp_code",
            "ip_tos",
            "in_if",
            "out_if",
            "src_as",
            "dst_as",
            "src_mask",
            "dst_mask",
            "next_hop",
        ];
        flow.retain(|name, _| OF_V5.contains(&name.as_str()));
        // A field of every record.
        flow.retain(|name, value| name != "next_hop" || value != "0.0.0.0");
        // Type and code are said in the port.
        if flow["src_port"] == 0 && flow["dst_port"] == 0 {
            let part = |name| flow.get(name).and_then(Value::as_u64).unwrap_or(0);
            let port = part("icmp_type") * 256 + part("icmp_code");
            flow.insert("dst_port".into(), port.into());
        }
        flow.retain(|name, _| !name.starts_with("icmp_"));
    }
    if let Some(extras) = flow.get_mut("extras").and_then(Value::as_object_mut) {
        extras.retain(|name, _| {
            let texts = version == "v9" && (name.starts_with("reverse") || name.starts_with("interfaceDesc"));
            // Said by the record, which is an extra too; and a second one, which has no name to be found by.
            // Nor has what v7 alone has any number in the others.
            let of_v7 = ["FLAGS", "ROUTER_SC"].contains(&name.as_str());
            !name.starts_with("sampling") && !name.ends_with("_2") && !texts && !of_v7
        });
    }
    if flow.get("extras").is_some_and(|extras| extras == &serde_json::json!({})) {
        flow.remove("extras");
    }
    if version == "v9" {
        flow.retain(|name, _| name != "reverse_tcp_flags");
    }
    flow.into()
}

#[test]
fn flows_encoded_anew_are_the_flows_that_were_read() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    let mut total = 0;
    let names = [
        "softflowd-v9",
        "softflowd-v9-sampled",
        "softflowd-v5-sampled",
        "pmacct-ipfix",
        "softflowd-ipfix-ether",
        "softflowd-ipfix-biflow",
        "ovs-ipfix",
        "nfreplay-v9",
        "fprobe-v7",
    ];
    for name in names {
        let capture = fixtures.join(name).with_extension("pcap");
        let capture = capture.to_str().expect("text");
        let file = |ending: &str| folder.path().join(name).with_extension(ending).display().to_string();
        let (ndjson, json, csv) = (file("ndjson"), file("json.gz"), file("csv.gz"));
        for file in [&ndjson, &json, &csv] {
            run_nf(["collect", "--read", capture, "--file", file]);
        }
        let every = [
            (ndjson.as_str(), "v9"),
            (&ndjson, "ipfix"),
            (&ndjson, "v5"),
            (&json, "v9"),
            (&csv, "ipfix"),
            (capture, "v9"),
        ];
        // How a flow is read has little to do with what is in it.
        let some = if name.contains("sampled") { &every[..] } else { &every[..3] };
        for &(file, version) in some {
            let replayed = folder.path().join("replayed.ndjson");
            let _ = fs::remove_file(&replayed);
            let collector = Collecting::start(["--file", replayed.to_str().expect("text")]);
            let arguments = ["replay", file, "--to", &collector.address, "--as", version, "--topspeed"];
            let ended = run_nf(arguments);
            collector.stop("INT").with(0);
            let fits = |flow: &&serde_json::Map<String, Value>| version != "v5" || flow["ip_version"] == 4;
            let of = |path: &Path| {
                let text = fs::read_to_string(path).expect("the collector wrote it");
                let flows: Vec<serde_json::Map<String, Value>> =
                    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
                let mut flows: Vec<_> = flows
                    .iter()
                    .filter(fits)
                    .map(|flow| {
                        let mut flow = flow.clone();
                        flow.retain(|name, _| !OF_THE_COLLECTOR.contains(&name.as_str()));
                        carried(flow, version).to_string()
                    })
                    .collect();
                flows.sort();
                flows
            };
            let (expected, got) = (of(Path::new(&ndjson)), of(&replayed));
            for (expected, got) in expected.iter().zip(&got) {
                assert_eq!(got, expected, "{file} as {version}");
            }
            assert_eq!(got.len(), expected.len(), "{file} as {version}: {}", ended.err);
            total += got.len();
        }
    }
    assert!(total > 1_000, "{total} flows");
}

/// A capture of five v5 packets, and a datagram that is none.
fn small(folder: &Path) -> String {
    let record = V5 { from: (1, 443), to: (2, 50_000), octets: 1_500, packets: 3 };
    let packets: Vec<_> = (0..5).map(|sequence| V5::packet(sequence, &[record])).collect();
    let mut datagrams: Vec<_> = packets.iter().map(Vec::as_slice).collect();
    datagrams.insert(2, b"no export packet");
    let path = folder.join("small.pcap");
    let from = Ipv4Addr::new(192, 0, 2, 17);
    let file = pcap(
        datagrams
            .iter()
            .enumerate()
            .map(|(second, octets)| (from, (1_700_000_000 + second as i64) * 1_000_000_000, *octets)),
    );
    fs::write(&path, file).expect("a file");
    path.to_str().expect("text").to_owned()
}

#[test]
fn it_says_what_was_sent_and_what_was_not() {
    let folder = scratch();
    let capture = small(folder.path());
    let collector = Collecting::start(["--file", "-", "--format", "ndjson"]);
    let replay =
        |arguments: &[&str]| run_nf(["replay", &capture, "--to", &collector.address].iter().chain(arguments));
    let ended = replay(&["--speed", "1000"]).with(0);
    let ended = ended.saying("5 packets (360 octets) of 1 exporter sent in");
    let ended = ended.saying("not sent: 1 datagram, no NetFlow or IPFIX (--all sends them)");
    assert_eq!(ended.out, "");
    if cfg!(target_os = "linux") {
        ended.saying("5 packets of 192.0.2.17:40000, from 127.0.2.17:");
    }
    replay(&["-t", "--count", "3"]).with(0).saying("3 packets (216 octets)");
    replay(&["-t", "--loop", "3"]).with(0).saying("15 packets (1080 octets)");
    replay(&["-t", "--loop", "0", "--count", "12"]).with(0).saying("12 packets");
    replay(&["-t", "--all"]).with(0).saying("6 packets (376 octets)");
    replay(&["--max-pause", "0.001"]).with(0).saying("5 packets");
    replay(&["-t", "--exporter", "192.0.2.18"]).with(2).saying("not sent: 5 datagrams, of other exporters");
    replay(&["-t", "--source", "192.0.2.17"]).with(2).saying("cannot send from 192.0.2.17");
    collector.stop("TERM").with(0);
}

#[test]
fn input_that_is_bad_is_told_and_what_is_good_is_sent() {
    let folder = scratch();
    let capture = small(folder.path());
    let collector = Collecting::start(["--file", "-", "--format", "ndjson"]);
    let octets = fs::read(&capture).expect("a file");
    let to = ["--to", &collector.address, "-t"];
    let cut = common::feed(["replay", "-"].iter().chain(&to), &octets[..octets.len() - 10]).with(1);
    cut.saying("stdin: the capture is cut off").saying("4 packets (288 octets)");
    let other = run_nf(["replay", "/nonexistent", &capture].iter().chain(&to)).with(1);
    other.saying("cannot read /nonexistent").saying("5 packets");
    common::feed(["replay", "-", "--loop", "2"].iter().chain(&to), &octets).with(2).saying("stdin");
    common::feed(["replay", "-"].iter().chain(&to), b"").with(2).saying("empty").saying("nothing was sent");
    collector.stop("TERM").with(0);
    for wrong in [
        &["--speed", "0"][..],
        &["--pps", "-1"],
        &["--pps", "5", "--topspeed"],
        &["--speed", "2", "--pps", "5"],
        &["--count", "0"],
        &["--to", "nowhere.invalid:2055"],
        &["--to", "127.0.0.1:none"],
        &["--as", "v6"],
        &["--as", "v9", "--all"],
    ] {
        let to = if wrong[0] == "--to" { &[][..] } else { &["--to", "127.0.0.1:9"] };
        run_nf(["replay", &capture].iter().chain(to).chain(wrong)).with(2);
    }
}

#[test]
fn ipfix_goes_over_tcp_whole() {
    let Some(fixtures) = fixtures() else { return };
    let capture = fixtures.join("pmacct-ipfix.pcap");
    let sent = common::datagrams(&capture).concat();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let to = format!("tcp://{}", listener.local_addr().expect("it is bound"));
    let accepting = std::thread::spawn(move || {
        let mut octets = Vec::new();
        let (mut stream, _) = listener.accept().expect("a connection");
        std::io::Read::read_to_end(&mut stream, &mut octets).expect("the stream ends");
        octets
    });
    run_nf(["replay", capture.to_str().expect("text"), "--to", &to, "-t"]).with(0);
    assert_eq!(accepting.join().expect("no panic"), sent);
    // Nobody listens any more; and v9 does not go over TCP.
    let capture = capture.to_str().expect("text");
    run_nf(["replay", capture, "--to", &to, "-t"]).with(2).saying("cannot send to 127.0.0.1");
    run_nf(["replay", capture, "--to", &to, "--as", "v9"]).with(2).saying("IPFIX alone");
    let v5 = fixtures.join("softflowd-v5.pcap");
    let ended = run_nf(["replay", v5.to_str().expect("text"), "--to", &to]).with(2);
    ended.saying("not sent: 3 export packets, of other versions than IPFIX");
}

#[test]
fn nobody_listening_is_told() {
    let folder = scratch();
    let capture = small(folder.path());
    // A port that was free a moment ago.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let address = socket.local_addr().expect("it is bound").to_string();
    drop(socket);
    let ended = run_nf(["replay", "--to", &address, "--speed", "1000", &capture]).with(1);
    ended.saying(&format!("nobody listens at {address}"));
}

#[test]
fn a_signal_ends_it_in_order() {
    let folder = scratch();
    let capture = small(folder.path());
    let collector = Collecting::start(["--file", "-", "--format", "ndjson"]);
    let arguments = ["replay", "--loop", "0", "--to", &collector.address, &capture];
    let mut replaying = common::Running::start(&mut common::nf(arguments));
    replaying.wait_until_it_says("Ctrl-C ends");
    replaying.signal("INT");
    replaying.end().with(0).saying("sent in");
    collector.stop("TERM").with(0);
}
