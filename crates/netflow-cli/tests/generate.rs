//! `nf generate`: what it makes, and what the other commands say about it.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

mod common;

use common::{Collecting, Running, nf, run_nf, scratch, wait_for};

const VERSIONS: [&str; 9] = ["v1", "v5", "v7", "v8", "v8.5", "v8.14", "v9", "ipfix", "ipfix --biflow"];

/// Runs `nf generate` with arguments, and gives what it says as JSON.
#[track_caller]
fn generate(arguments: &str) -> Value {
    let arguments = ["generate", "--format", "json"].into_iter().chain(arguments.split(' '));
    run_nf(arguments).with(0).json().remove(0)
}

/// Writes a capture, and gives what was said.
#[track_caller]
fn write(path: &Path, arguments: &str) -> Value {
    generate(&format!("--write {} {arguments}", path.display()))
}

/// Flows, bytes and packets of the flows that `nf collect` finds in a capture, and what it says.
#[track_caller]
fn collected(capture: &Path) -> ([u64; 3], String) {
    let ended = run_nf(["collect", "--format", "ndjson", "-o", "-", "--read", capture.to_str().unwrap()]);
    let mut sums = [0; 3];
    for flow in ended.json() {
        sums[0] += 1;
        sums[1] += flow["bytes_raw"].as_u64().unwrap();
        sums[2] += flow["packets_raw"].as_u64().unwrap();
    }
    (sums, ended.err)
}

fn made(totals: &Value) -> [u64; 3] {
    ["flows", "bytes", "packets"].map(|name| totals[name].as_u64().unwrap())
}

/// The number before a text.
#[track_caller]
fn number_before(text: &str, behind: &str) -> u64 {
    let before = text.split(behind).next().filter(|before| before.len() < text.len());
    let before = before.unwrap_or_else(|| panic!("no {behind:?} in {text}"));
    let digits = before.rsplit(|letter: char| !letter.is_ascii_digit()).next().unwrap();
    digits.parse().unwrap_or_else(|_| panic!("no number before {behind:?} in {text}"))
}

#[test]
fn every_version_is_collected_as_it_was_made() {
    let folder = scratch();
    for version in VERSIONS {
        let capture = folder.path().join("made.pcap");
        let totals = write(&capture, &format!("--flows 3000 --version {version}"));
        assert_eq!(totals["flows"], 3_000);
        assert_eq!(collected(&capture).0, made(&totals), "{version}");
    }
}

#[test]
fn damage_does_not_go_over_tcp() {
    let to = ["generate", "--to", "tcp://127.0.0.1:9", "--version", "ipfix", "--flows", "10"];
    let ended = run_nf(to.iter().chain(&["--corrupt", "1%"])).with(2);
    ended.saying("--corrupt does not go over TCP").saying("use UDP");
}

#[test]
fn the_same_seed_makes_the_same_file() {
    let folder = scratch();
    let file = |name: &str, arguments: &str| {
        let path = folder.path().join(name);
        write(&path, &format!("--flows 2000 {arguments}"));
        fs::read(path).unwrap()
    };
    for version in VERSIONS {
        let arguments = format!("--seed 7 --version {version} --loss 1% --corrupt 1% --reorder 1%");
        assert!(file("one", &arguments) == file("other", &arguments), "{version}");
    }
    assert!(file("one", "--seed 7") != file("other", "--seed 8"));
}

#[test]
fn the_same_seed_and_start_send_the_same_packets() {
    let sent = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let to = socket.local_addr().unwrap();
        let totals =
            generate(&format!("--to {to} --flows 1000 --rate 5000 --start 2026-02-03T04:05:06Z --seed 3"));
        let mut buffer = vec![0; 65_536];
        let packets = 0..totals["export_packets"].as_u64().unwrap();
        let packets = packets.map(|_| {
            let length = socket.recv(&mut buffer).unwrap();
            buffer[..length].to_vec()
        });
        packets.collect::<Vec<_>>()
    };
    let one = sent();
    assert!(one.len() > 20 && one == sent());
}

#[test]
fn exporters_and_domains_are_told_apart() {
    let folder = scratch();
    let capture = folder.path().join("made.pcap");
    let totals = write(&capture, "--flows 5000 --exporters 3 --domains 2 --sampling 100");
    let (sums, said) = collected(&capture);
    assert_eq!(sums, made(&totals));
    for exporter in 1..=3 {
        for domain in 0..2 {
            let line = format!("exporter 127.0.0.{exporter} domain {domain} v9: ");
            let line =
                said.lines().find(|said| said.contains(&line)).unwrap_or_else(|| panic!("{line}: {said}"));
            assert!(line.contains("; 0 packets lost"), "{line}");
        }
    }
    let flows =
        run_nf(["collect", "--format", "ndjson", "-o", "-", "--read", capture.to_str().unwrap()]).json();
    for flow in flows {
        assert_eq!((&flow["sampling_rate"], &flow["sampling_source"]), (&100.into(), &"options".into()));
        assert!(flow["in_if_name"].as_str().is_some_and(|name| name.contains("Gig")), "{flow}");
    }
}

#[test]
fn live_exporters_have_addresses_of_their_own() {
    let folder = scratch();
    let file = folder.path().join("flows.ndjson");
    let collecting = Collecting::start(["--file", file.to_str().unwrap()]);
    let totals = generate(&format!("--to {} --flows 400 --rate max --exporters 4", collecting.address));
    let packets = totals["export_packets"].as_u64().unwrap();
    assert_eq!(totals["sent_packets"], packets);
    wait_for("the packets", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        (text.lines().count() == 400).then_some(())
    });
    let said = collecting.stop("INT").with(0).err;
    for exporter in 1..=4 {
        assert!(said.contains(&format!("exporter 127.0.0.{exporter} domain 0 v9: ")), "{said}");
    }
}

#[test]
fn faults_are_counted_by_the_collector_as_they_were_made() {
    let folder = scratch();
    for version in ["v5", "v9", "ipfix --template-refresh 0"] {
        let capture = folder.path().join("made.pcap");
        let faults = |arguments: &str| {
            let totals = write(&capture, &format!("--flows 15000 --version {version} {arguments}"));
            let doctor = run_nf(["doctor", "--format", "json", capture.to_str().unwrap()]).with(0);
            (totals["faults"].clone(), collected(&capture).1, doctor.out)
        };
        let (counts, said, doctor) = faults("--loss 5%");
        let lost = if version == "v9" { &counts["lost"] } else { &counts["lost_flows"] };
        assert!(counts["lost"].as_u64().unwrap() > 10);
        let unit = if version == "v9" { " packets lost" } else { " records lost" };
        assert_eq!(number_before(&said, unit), lost.as_u64().unwrap(), "{version}: {said}");
        assert!(doctor.contains(r#""kind":"loss""#), "{doctor}");

        let (counts, said, doctor) = faults("--reorder 5%");
        assert_eq!(number_before(&said, " late"), counts["reordered"].as_u64().unwrap(), "{version}: {said}");
        assert_eq!(number_before(&said, unit), 0);
        assert!(doctor.contains(r#""kind":"reordered""#), "{doctor}");

        let (counts, said, doctor) = faults("--duplicate 5%");
        assert_eq!(
            number_before(&said, " twice"),
            counts["duplicated"].as_u64().unwrap(),
            "{version}: {said}"
        );
        assert!(doctor.contains(r#""kind":"duplicates""#), "{doctor}");

        let (counts, said, doctor) = faults("--corrupt 5%");
        let unreadable = number_before(&said, " were no export packets");
        assert_eq!(unreadable, counts["unreadable"].as_u64().unwrap(), "{version}: {said}");
        let faulty = number_before(&said, " had something wrong in them");
        assert_eq!(unreadable + faulty, counts["corrupted"].as_u64().unwrap(), "{version}: {said}");
        assert!(
            doctor.contains(r#""kind":"malformed""#) && doctor.contains("not_export_packets"),
            "{doctor}"
        );
    }
}

#[test]
fn restarts_are_found() {
    let folder = scratch();
    let capture = folder.path().join("made.pcap");
    let totals = write(&capture, "--flows 6000 --restart 3 --exporters 2");
    assert_eq!(totals["restarts"], 2);
    let (sums, said) = collected(&capture);
    assert_eq!(sums, made(&totals));
    assert_eq!(said.matches("1 restart)").count(), 2, "{said}");
    let doctor = run_nf(["doctor", "--format", "json", capture.to_str().unwrap()]).with(0).out;
    assert_eq!(doctor.matches(r#""kind":"restarted""#).count(), 2, "{doctor}");
}

#[test]
fn flows_keep_their_times_when_the_uptime_wraps() {
    let folder = scratch();
    for version in ["v5", "v9"] {
        let capture = folder.path().join("made.pcap");
        let totals = write(&capture, &format!("--flows 5000 --uptime-wrap --version {version}"));
        assert_eq!(totals["uptime_wraps"], 1);
        let flows =
            run_nf(["collect", "--format", "ndjson", "-o", "-", "--read", capture.to_str().unwrap()]).json();
        for flow in flows {
            let end = flow["time_flow_end"].as_str().unwrap();
            assert!(end.starts_with("2025-12-31T23:59:") || end.starts_with("2026-01-01T00:00:0"), "{flow}");
        }
        let doctor = run_nf(["doctor", capture.to_str().unwrap()]).with(0).out;
        assert!(!doctor.contains("\n  error ") && !doctor.contains("\n  warning "), "{doctor}");
        assert!(doctor.contains("uptime ran over once") && !doctor.contains("started again"), "{doctor}");
    }
}

#[test]
fn the_doctor_finds_no_fault_in_what_is_made() {
    let folder = scratch();
    for version in VERSIONS {
        let capture = folder.path().join("made.pcap");
        write(&capture, &format!("--flows 6000 --version {version}"));
        let doctor = run_nf(["doctor", capture.to_str().unwrap()]).with(0).out;
        assert!(!doctor.contains("\n  error ") && !doctor.contains("\n  warning "), "{version}: {doctor}");
        // v5 and those before it have no other place for it.
        let in_port = doctor.contains("ICMP") && matches!(version, "v9" | "ipfix");
        assert!(!in_port, "{version}: {doctor}");
    }
}

#[test]
fn every_profile_is_collected_and_named() {
    let folder = scratch();
    for profile in netflow_exporter::PROFILES {
        let capture = folder.path().join("made.pcap");
        let name = format!("{} {}", profile.name, profile.version);
        let arguments = format!("--flows 10000 --profile {} --version {}", profile.name, profile.version);
        let totals = write(&capture, &arguments);
        let (sums, said) = collected(&capture);
        assert_eq!(sums, made(&totals), "{name}: {said}");
        let doctor = run_nf(["doctor", "--format", "json", capture.to_str().unwrap()]).with(0).out;
        for finding in profile.findings {
            assert!(doctor.contains(finding), "{name}: no {finding} in {doctor}");
        }
    }
}

#[test]
fn ipfix_goes_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let command =
        format!("generate --to tcp://{address} --version ipfix --flows 1000 --rate max --format json");
    let sending = Running::start(&mut nf(command.split(' ')));
    let mut octets = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut octets).unwrap();
    let totals = sending.end().with(0).json().remove(0);
    assert_eq!(totals["export_octets"].as_u64(), Some(octets.len() as u64));
    let folder = scratch();
    let file = folder.path().join("messages.ipfix");
    fs::write(&file, octets).unwrap();
    assert_eq!(collected(&file).0, made(&totals));
}

#[test]
fn an_endless_run_ends_on_a_signal_and_says_what_was_made() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = socket.local_addr().unwrap().to_string();
    let mut running = Running::start(&mut nf(["generate", "--to", &to]));
    running.wait_until_it_says("Ctrl-C ends");
    socket.recv(&mut [0; 2_000]).unwrap();
    running.signal("INT");
    running.end().with(0).saying("made ");
}

#[test]
fn arguments_that_do_not_go_together_are_refused() {
    let refused = |arguments: &str, says: &str| {
        run_nf(["generate"].into_iter().chain(arguments.split(' '))).with(2).saying(says);
    };
    refused("--rate 10", "--to");
    refused("--to tcp://127.0.0.1:1 --version v9", "only IPFIX goes over TCP");
    refused("--to 127.0.0.1 --biflow", "only IPFIX has biflows");
    refused("--to 127.0.0.1 --version v1 --domains 2", "no observation domains");
    refused("--to 127.0.0.1 --version v6", "v6");
    refused("--to 127.0.0.1 --profile nobody", "mikrotik");
    refused("--to 127.0.0.1 --profile mikrotik --version v5", "the profile mikrotik has no NetFlow v5");
    refused("--to 127.0.0.1 --spike gopher", "bittorrent");
    refused("--write /nowhere/x.pcap", "cannot create /nowhere/x.pcap");
    refused("--write - --format json", "stdout");
}

#[test]
fn a_full_disk_is_no_success() {
    if !Path::new("/dev/full").exists() {
        return common::skip("there is no /dev/full");
    }
    run_nf(["generate", "--write", "/dev/full"]).with(2).saying("cannot write /dev/full");
}
