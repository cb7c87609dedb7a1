//! `nf collect` on a socket: what comes is in the file, whatever the format, and it ends in order.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{
    Collecting, Ended, V5, datagrams, fixtures, gunzip, json_lines, octets, run_nf, scratch, wait_for,
};
use serde_json::{Value, json};

mod common;

/// An IPFIX message with template 256: sourceIPv4Address, octetDeltaCount.
const IPFIX_TEMPLATE: &str = "000a0020 5e8465fd 00000000 0000002a  0002 0010 0100 0002 0008 0004 0001 0008";
/// An IPFIX message with a record of template 256.
const IPFIX_RECORD: &str = "000a0020 5e8465fd 00000000 0000002a  0100 0010 c0000201 0000000000000348";
/// v9 with template 300: IN_BYTES, L4_SRC_PORT.
const V9_TEMPLATE: &str =
    "0009 0001 00000000 5e8465fd 00000000 00000007  0000 0010 012c 0002 0001 0004 0007 0002";
/// v9 with a record of template 300.
const V9_RECORD: &str = "0009 0001 00000000 5e8465fd 00000001 00000007  012c 000a 00000348 01bb";

const REQUEST: V5 = V5 { from: (1, 40_000), to: (2, 443), octets: 500, packets: 5 };
const ANSWER: V5 = V5 { from: (2, 443), to: (1, 40_000), octets: 9_000, packets: 9 };

/// The export packets of a file in the layout of PyPI `netflow`.
fn packets(text: &str) -> Vec<Value> {
    let lines = json_lines(text);
    lines
        .iter()
        .map(|line| line.as_object().and_then(|line| line.values().next()).expect("a key").clone())
        .collect()
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Collects a v5 packet and an IPFIX one, and ends it with SIGINT.
fn collect_some(file: &Path) -> Ended {
    let collecting = Collecting::start(["-o", utf8(file)]);
    collecting.send(&V5::packet(0, &[REQUEST, ANSWER]));
    collecting.send(&octets(IPFIX_TEMPLATE));
    collecting.send(&octets(IPFIX_RECORD));
    collecting.stop("INT").with(0)
}

#[test]
fn every_version_and_garbage_in_between() {
    let folder = scratch();
    let file = folder.path().join("flows.json");
    let collecting = Collecting::start(["-o", utf8(&file)]);
    collecting.send(&V5::packet(0, &[REQUEST, ANSWER]));
    collecting.send(b"no export packet at all");
    collecting.send(&octets(V9_TEMPLATE));
    collecting.send(&octets(V9_RECORD));
    collecting.send(&[]);
    // Data first: the template comes later.
    collecting.send(&octets(IPFIX_RECORD));
    collecting.send(&octets(IPFIX_TEMPLATE));
    let ended = collecting.stop("INT").with(0).saying("7 packets received: 5 decoded, 4 flows");
    assert!(ended.err.contains("2 were no export packets"), "{}", ended.err);

    let text = fs::read_to_string(&file).expect("written");
    for line in json_lines(&text) {
        let keys: Vec<_> = line.as_object().expect("an object").keys().collect();
        assert!(matches!(keys[..], [key] if key.parse::<f64>().is_ok_and(|time| time > 1.7e9)), "{keys:?}");
    }
    let packets = packets(&text);
    let versions: Vec<_> = packets.iter().map(|packet| packet["header"]["version"].as_u64()).collect();
    assert_eq!(versions, [Some(5), Some(9), Some(9), Some(10), Some(10)]);
    for packet in &packets {
        assert_eq!(packet["client"][0], "127.0.0.1");
        assert!(packet["client"][1].is_u64());
    }
    let flow = &packets[0]["flows"][1];
    assert_eq!((&flow["IPV4_SRC_ADDR"], &flow["IN_OCTETS"]), (&json!("192.0.2.2"), &json!(9000)));
    assert_eq!(packets[2]["flows"], json!([{"IN_BYTES": 840, "L4_SRC_PORT": 443}]));
    let ipfix = json!([{"sourceIPv4Address": "192.0.2.1", "octetDeltaCount": 840}]);
    let late = packets[3..].iter().any(|packet| packet["flows"] == ipfix);
    assert!(late, "the flow that waited for its template is not there: {packets:?}");
}

#[test]
fn sigterm_ends_it_like_sigint() {
    let folder = scratch();
    for signal in ["INT", "TERM"] {
        let file = folder.path().join(signal).with_extension("ndjson");
        let collecting = Collecting::start(["-o", utf8(&file)]);
        collecting.send(&V5::packet(0, &[REQUEST]));
        collecting.stop(signal).with(0).saying("1 packet received: 1 decoded, 1 flow");
        assert_eq!(json_lines(&fs::read_to_string(&file).expect("written")).len(), 1, "{signal}");
    }
}

#[test]
fn the_ending_chooses_the_format() {
    let folder = scratch();
    for ending in ["json", "json.gz", "gz", "ndjson", "ndjson.gz", "csv", "csv.gz"] {
        let file = folder.path().join(format!("flows.{ending}"));
        collect_some(&file);
        let text = match ending.ends_with("gz") {
            true => gunzip(&file).0,
            false => fs::read_to_string(&file).expect("written"),
        };
        match ending.trim_end_matches(".gz") {
            "csv" => {
                let lines: Vec<_> = text.lines().collect();
                assert_eq!(lines.len(), 4, "{text}");
                let columns: Vec<_> = lines[0].split(',').collect();
                let cells: Vec<_> = lines[2].split(',').collect();
                assert_eq!(columns.len(), cells.len());
                let cell = |name| cells[columns.iter().position(|column| *column == name).expect("a column")];
                assert_eq!((cell("src_addr"), cell("src_port"), cell("bytes")), ("192.0.2.2", "443", "9000"));
                assert_eq!((cell("flow_version"), cell("exporter_addr")), ("5", "127.0.0.1"));
            }
            "ndjson" => {
                let flows = json_lines(&text);
                assert_eq!(flows.len(), 3, "{text}");
                assert_eq!((&flows[1]["dst_addr"], &flows[1]["packets"]), (&json!("192.0.2.1"), &json!(9)));
                assert_eq!((&flows[2]["bytes"], &flows[2]["flow_version"]), (&json!(840), &json!(10)));
            }
            _ => {
                let packets = packets(&text);
                let flows: Vec<_> =
                    packets.iter().map(|packet| packet["flows"].as_array().map_or(0, Vec::len)).collect();
                assert_eq!(flows, [2, 0, 1], "{text}");
            }
        }
    }
}

#[test]
fn stdout_is_written_in_the_format_asked_for() {
    for (format, lines) in [("json", 3), ("ndjson", 3), ("csv", 4)] {
        let collecting = Collecting::start(["-o", "-", "--format", format]);
        collecting.send(&V5::packet(0, &[REQUEST, ANSWER]));
        collecting.send(&octets(IPFIX_TEMPLATE));
        collecting.send(&octets(IPFIX_RECORD));
        let ended = collecting.stop("INT").with(0);
        assert_eq!(ended.out.lines().count(), lines, "{}", ended.out);
        assert_eq!(ended.out.starts_with('{'), format != "csv");
    }
}

#[test]
fn what_was_received_is_in_the_file_while_it_runs() {
    let folder = scratch();
    let file = folder.path().join("flows.json.gz");
    let collecting = Collecting::start(["-o", utf8(&file), "--flush", "1"]);
    for sequence in 0..2 {
        collecting.send(&V5::packet(sequence, &[REQUEST]));
        wait_for("a flow in the file", || {
            let (text, whole) = gunzip(&file);
            (whole && text.lines().count() as u32 > sequence).then_some(())
        });
    }
    collecting.stop("TERM").with(0);
}

#[test]
fn a_file_that_is_there_is_appended_to() {
    let folder = scratch();
    for (ending, lines) in [("gz", 6), ("csv", 7), ("csv.gz", 7), ("ndjson", 6)] {
        let file = folder.path().join("flows").with_extension(ending);
        collect_some(&file);
        collect_some(&file);
        let text = if ending.ends_with("gz") {
            gunzip(&file).0
        } else {
            fs::read_to_string(&file).expect("written")
        };
        assert_eq!(text.lines().count(), lines, "{ending}: {text}");
        run_nf(["analyze", "-n", utf8(&file)]).with(0);
    }
}

#[test]
fn the_default_file_is_named_after_the_time() {
    let folder = scratch();
    let mut command = common::nf(["collect", "--host", "127.0.0.1", "-p", "0"]);
    let running = common::Running::start(command.current_dir(folder.path()));
    let name = wait_for("the file", || fs::read_dir(folder.path()).expect("a folder").next());
    let name = name.expect("an entry").file_name().into_string().expect("UTF-8");
    let seconds = name.strip_suffix(".gz").and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 1_700_000_000), "{name}");
    drop(running);
}

#[test]
fn count_ends_it_by_itself() {
    let folder = scratch();
    let file = folder.path().join("flows.json");
    let collecting = Collecting::start(["-o", utf8(&file), "--count", "3"]);
    for sequence in 0..5 {
        collecting.send(&V5::packet(sequence, &[REQUEST]));
    }
    collecting.process.end().with(0).saying("3 decoded");
    assert_eq!(packets(&fs::read_to_string(&file).expect("written")).len(), 3);
}

#[test]
fn no_packets_at_all_is_wrong_usage() {
    run_nf(["collect", "--host", "127.0.0.1", "-p", "0", "-o", "-", "--count", "0"])
        .with(2)
        .saying("--count");
}

#[test]
fn the_receive_buffer_is_as_large_as_asked_for_or_it_is_said() {
    let largest = usize::MAX.to_string();
    let rmem_max = fs::read_to_string("/proc/sys/net/core/rmem_max");
    let for_everyone = rmem_max.ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    // The second is what the most that a system takes is written as in `sysctl`.
    for (mebibytes, rmem_max) in
        [("1", "1048576"), ("64", "67108864"), ("4096", "2147483647"), (&largest, "2147483647")]
    {
        let collecting = Collecting::start(["-o", "-", "--buffer", mebibytes]);
        // Of packets that come while it cannot take them, more than 2 MiB with what Linux counts for each.
        collecting.process.signal("STOP");
        (0..6_000).for_each(|number| collecting.send(&V5::packet(number, &[REQUEST])));
        collecting.process.signal("CONT");
        let ended = collecting.stop("INT").with(0);
        let told = ended.err.split("the receive buffer is ").nth(1).map(|told| {
            let advised = told.split("net.core.rmem_max=").nth(1).and_then(|rest| rest.lines().next());
            assert_eq!(advised, Some(rmem_max), "{}", ended.err);
            told.split(' ').next().and_then(|kibibytes| kibibytes.parse::<u64>().ok()).expect("a number")
        });
        let asked = rmem_max.parse::<u64>().expect("a number");
        assert!(told.is_none() || asked > for_everyone, "{asked} octets are for everyone: {}", ended.err);
        let granted = told.unwrap_or(asked >> 10);
        let lost = ended.err.contains("dropped by the kernel");
        if granted <= 1 << 10 {
            assert!(lost, "{granted} KiB are not enough: {}", ended.err);
        } else if granted >= 16 << 10 {
            assert!(!lost, "{granted} KiB are enough: {}", ended.err);
        }
    }
}

#[test]
fn an_ending_that_names_no_format_is_said_to_be_gzip() {
    let folder = scratch();
    for name in ["flows.txt", "dump"] {
        let file = folder.path().join(name);
        let ended = collect_some(&file).saying(name).saying("compressed with gzip").saying("--format");
        assert!(gunzip(&file).1, "{}", ended.err);
    }
    let ended = collect_some(&folder.path().join("1714564800.gz"));
    assert!(!ended.err.contains("names no format"), "{}", ended.err);
}

#[test]
fn garbage_does_not_count() {
    let mut collecting = Collecting::start(["-o", "-", "--count", "1"]);
    collecting.send(b"no export packet at all");
    collecting.process.wait_until_it_says("is not NetFlow");
    collecting.send(&V5::packet(0, &[REQUEST]));
    let ended = collecting.process.end().with(0).saying("1 decoded");
    assert_eq!(packets(&ended.out).len(), 1);
}

#[test]
fn debug_says_what_each_packet_holds() {
    let mut collecting = Collecting::start(["-D", "-o", "/dev/null", "--format", "json"]);
    collecting.send(&V5::packet(0, &[REQUEST, ANSWER]));
    collecting.process.wait_until_it_says("v5, 120 octets, 2 flows");
    collecting.send(&octets(IPFIX_TEMPLATE));
    collecting.process.wait_until_it_says("IPFIX, 32 octets, 0 flows");
    collecting.stop("INT").with(0);
}

#[test]
fn loss_is_told_by_sequence_numbers() {
    let collecting = Collecting::start(["-o", "/dev/null", "--format", "json"]);
    // The sequence number of v5 counts flows. Of these, six never come.
    for sequence in (0..40).chain(46..60).step_by(2) {
        collecting.send(&V5::packet(sequence, &[REQUEST, ANSWER]));
    }
    collecting.stop("INT").with(0).saying("6 records lost by sequence numbers");
}

#[test]
fn ipv6_is_listened_on() {
    let folder = scratch();
    let file = folder.path().join("flows.json");
    for host in ["::1", "[::1]", "::"] {
        if std::net::UdpSocket::bind("[::1]:0").is_err() {
            return common::skip("there is no IPv6 here");
        }
        let _ = fs::remove_file(&file);
        let mut collecting = Collecting::on(host, ["-o", utf8(&file)]);
        collecting.address = collecting.address.replace("[::]", "[::1]");
        collecting.send(&V5::packet(0, &[REQUEST]));
        collecting.stop("INT").with(0).saying("1 packet received: 1 decoded");
        assert_eq!(packets(&fs::read_to_string(&file).expect("written"))[0]["client"][0], "::1", "{host}");
    }
}

#[test]
fn a_capture_read_gives_the_same_flows_as_the_socket() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    let captures = fs::read_dir(fixtures).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_export =
        |path: &Path| path.extension().is_some_and(|e| e == "pcap") && !path.ends_with("traffic.pcap");
    for capture in captures.filter(|path| is_export(path)) {
        let read = run_nf(["collect", "--read", utf8(&capture), "-o", "-"]).with(0);
        let file = folder.path().join("socket.json");
        let _ = fs::remove_file(&file);
        let collecting = Collecting::start(["-D", "-o", utf8(&file)]);
        for (sent, datagram) in datagrams(&capture).iter().enumerate() {
            // No more at once than the smallest receive buffer holds.
            if sent % 16 == 15 {
                wait_for("the packets before", || {
                    (collecting.process.said().matches(" octets, ").count() >= sent).then_some(())
                });
            }
            collecting.send(datagram);
        }
        collecting.stop("INT").with(0);
        let of_socket = fs::read_to_string(&file).expect("written");
        // Sender and time of receipt differ.
        let without = |text: &str| -> Vec<Value> {
            let packets = packets(text).into_iter();
            packets
                .map(|mut packet| {
                    packet["client"].take();
                    packet
                })
                .collect()
        };
        assert_eq!(without(&read.out), without(&of_socket), "{}", capture.display());
        assert!(!read.out.is_empty());
    }
}

#[test]
fn a_port_in_use_is_named_and_no_file_is_left_behind() {
    let folder = scratch();
    let file = folder.path().join("flows.gz");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let port = taken.local_addr().expect("bound").port().to_string();
    let ended = run_nf(["collect", "--host", "127.0.0.1", "-p", &port, "-o", utf8(&file)]);
    ended.with(2).saying(&format!("127.0.0.1:{port}")).saying("another program has the port");
    assert!(!file.exists());
}

#[test]
fn a_host_that_is_not_here_is_named() {
    let folder = scratch();
    let file = folder.path().join("flows.gz");
    let on = |host: &str| run_nf(["collect", "--host", host, "-p", "0", "-o", utf8(&file)]).with(2);
    // With an empty part it is no name at all, so that nobody is asked for it.
    on("no..such.host").saying("unknown host 'no..such.host'");
    on("198.51.100.77").saying("this machine has no such address");
    assert!(!file.exists());
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = scratch();
    fs::write(folder.path().join("plain"), []).expect("written");
    for (file, sentence) in [
        ("missing/flows.gz", "the directory does not exist"),
        ("plain/flows.gz", "plain/flows.gz"),
        (".", "name a file in it"),
        ("flows.xz", ".xz is no format"),
    ] {
        let file = folder.path().join(file);
        run_nf(["collect", "--host", "127.0.0.1", "-p", "0", "-o", utf8(&file)]).with(2).saying(sentence);
    }
}

#[test]
fn a_capture_that_cannot_be_read_is_named_and_no_file_is_left_behind() {
    let folder = scratch();
    let (file, text) = (folder.path().join("flows.gz"), folder.path().join("text.pcap"));
    fs::write(&text, "no capture").expect("written");
    for (capture, sentence) in [
        (text, "neither a pcap nor a pcapng"),
        (folder.path().join("missing.pcap"), "missing.pcap: No such file"),
    ] {
        run_nf(["collect", "--read", utf8(&capture), "-o", utf8(&file)]).with(2).saying(sentence);
        assert!(!file.exists());
    }
}

#[test]
fn a_capture_that_is_cut_off_is_read_up_to_there() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    let whole = fs::read(fixtures.join("softflowd-v5.pcap")).expect("a fixture");
    let capture = folder.path().join("cut.pcap");
    fs::write(&capture, &whole[..whole.len() - 10]).expect("written");
    let ended = run_nf(["collect", "--read", utf8(&capture), "-o", "-"]).with(1).saying("2 decoded");
    assert_eq!(ended.out.lines().count(), 2);
}

#[test]
fn a_port_number_that_is_none_is_wrong_usage() {
    run_nf(["collect", "-p", "65536"]).with(2).saying("65536");
    run_nf(["collect", "--count", "many"]).with(2).saying("many");
}

#[test]
fn gzip_itself_reads_what_is_written() {
    let folder = scratch();
    let file = folder.path().join("flows.gz");
    collect_some(&file);
    let status = Command::new("gzip").arg("-t").arg(&file).status().expect("there is a gzip program");
    assert!(status.success());
}
