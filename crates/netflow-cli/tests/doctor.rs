//! What `nf doctor` finds in captures that are made for it, and that it finds nothing where nothing is.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};

use common::{Ended, Running, fixtures, nf, pcap, run_nf, scratch};
use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, element_id as ie, ipfix, v5, v9,
};
use serde_json::{Value, json};

mod common;

/// 2024-05-01 12:00:00 UTC, in seconds.
const START: i64 = 1_714_564_800;
/// Seconds that routers are up at the start.
const UPTIME: i64 = 40_000;
const DATA: u16 = 256;
const WITHHELD: u16 = 257;
const OPTIONS: u16 = 300;
/// Packets that a router sends, one a second.
const PACKETS: u32 = 200;
/// Records in each.
const RECORDS: u32 = 10;
/// Templates and options data come with every so many packets.
const REFRESH: u32 = 20;

/// A router that exports flows, and what is wrong with it.
#[derive(Clone, Copy)]
struct Router {
    address: Ipv4Addr,
    version: u16,
    /// Seconds that its clock is ahead.
    ahead: i64,
    /// The rate that its records say, and the headers of v5.
    rate: u32,
    /// The rate that its options data say.
    options_rate: u32,
    /// Whether it also sends data of a template that it never sends.
    withholds: bool,
}

impl Router {
    fn new(last: u8, version: u16) -> Self {
        let address = Ipv4Addr::new(192, 0, 2, last);
        Self { address, version, ahead: 0, rate: 100, options_rate: 100, withholds: false }
    }

    /// All its packets.
    fn packets(&self) -> Vec<Vec<u8>> {
        (0..PACKETS).map(|n| if self.version == 5 { self.v5(n) } else { self.templated(n) }).collect()
    }

    /// A capture of those of its packets that are not lost.
    fn capture(&self, is_lost: impl Fn(u32) -> bool) -> Vec<(Ipv4Addr, i64, Vec<u8>)> {
        let packets = (0..PACKETS).zip(self.packets()).filter(|(n, _)| !is_lost(*n));
        packets.map(|(n, packet)| (self.address, (START + i64::from(n)) * 1_000_000_000, packet)).collect()
    }

    fn uptime(n: u32) -> u32 {
        (UPTIME + i64::from(n)) as u32 * 1_000
    }

    fn v5(&self, n: u32) -> Vec<u8> {
        let header = v5::Header {
            count: RECORDS as u16,
            uptime_millis: Self::uptime(n),
            unix_seconds: (START + i64::from(n) + self.ahead) as u32,
            sequence: n * RECORDS,
            sampling: 1 << 14 | self.rate as u16,
            ..v5::Header::default()
        };
        let mut packet = MessageEncoder::new(Header::V5(header));
        for record in 0..RECORDS {
            let [a, b, c, d] = self.source(n * RECORDS + record).octets();
            packet.record(&v5::Record {
                src_addr: Ipv4Addr::new(a, b, c, d).into(),
                dst_addr: Ipv4Addr::new(198, 51, 100, 1).into(),
                next_hop: Ipv4Addr::new(192, 0, 2, 254).into(),
                input: 1,
                output: 2,
                packets: 10,
                octets: 5_000,
                first: Self::uptime(n) - 20_000,
                last: Self::uptime(n) - 1_000,
                src_port: 50_000,
                dst_port: 443,
                tcp_flags: 0x1b,
                protocol: 6,
                src_as: 64_500,
                dst_as: 64_501,
                src_mask: 24,
                dst_mask: 24,
                ..v5::Record::default()
            });
        }
        packet.finish()
    }

    /// An address for a flow: every router sees others.
    fn source(&self, flow: u32) -> Ipv4Addr {
        let [.., last] = self.address.octets();
        Ipv4Addr::from(0x0a00_0000 | u32::from(last) << 16 | flow)
    }

    fn templated(&self, n: u32) -> Vec<u8> {
        let refreshes = n.is_multiple_of(REFRESH);
        // So many options packets came before.
        let options = n.div_ceil(REFRESH);
        let seconds = (START + i64::from(n) + self.ahead) as u32;
        let header = match self.version {
            9 => Header::V9(v9::Header {
                count: RECORDS as u16 + if refreshes { 3 } else { 0 },
                uptime_millis: Self::uptime(n),
                unix_seconds: seconds,
                sequence: n,
                source_id: 7,
            }),
            _ => Header::Ipfix(ipfix::Header {
                export_time: seconds,
                sequence_number: n * RECORDS + options,
                observation_domain_id: 7,
                ..ipfix::Header::default()
            }),
        };
        let mut packet = MessageEncoder::new(header);
        if refreshes {
            packet.template(&template(DATA, 0, FIELDS));
            // v9: scope System; IPFIX: scope exportingProcessId.
            let scope = if self.version == 9 { 1 } else { ie::EXPORTING_PROCESS_ID };
            packet.template(&template(OPTIONS, 1, &[(scope, 4), (ie::SAMPLING_INTERVAL, 4)]));
            packet.octets(&[0; 2]);
            packet.begin_set(OPTIONS).octets(&1u32.to_be_bytes());
            packet.octets(&self.options_rate.to_be_bytes());
        }
        let records: Vec<u8> = (0..RECORDS).flat_map(|record| self.record(n, n * RECORDS + record)).collect();
        packet.begin_set(DATA).octets(&records);
        packet.octets(&[0; 3][..records.len().next_multiple_of(4) - records.len()]);
        if self.withholds && n % 10 == 3 {
            packet.begin_set(WITHHELD).octets(&[1; 24]);
        }
        packet.finish()
    }

    fn record(&self, n: u32, flow: u32) -> Vec<u8> {
        let end = (START + i64::from(n) + self.ahead) * 1_000 - 1_000;
        let mut octets = Vec::new();
        for &(id, length) in FIELDS {
            let value: u64 = match id {
                ie::SOURCE_IPV4_ADDRESS => u32::from(self.source(flow)).into(),
                ie::DESTINATION_IPV4_ADDRESS => 0xc633_6401,
                ie::PROTOCOL_IDENTIFIER => 6,
                ie::TCP_CONTROL_BITS => 0x1b,
                ie::OCTET_DELTA_COUNT => 5_000,
                ie::FLOW_START_MILLISECONDS => end as u64 - 19_000,
                ie::FLOW_END_MILLISECONDS => end as u64,
                ie::SAMPLING_INTERVAL => self.rate.into(),
                ie::FLOW_DIRECTION => 0,
                _ => 10,
            };
            octets.extend(&value.to_be_bytes()[8 - usize::from(length)..]);
        }
        octets
    }
}

/// All that one may want.
const FIELDS: &[(u16, u16)] = &[
    (ie::SOURCE_IPV4_ADDRESS, 4),
    (ie::DESTINATION_IPV4_ADDRESS, 4),
    (ie::SOURCE_TRANSPORT_PORT, 2),
    (ie::DESTINATION_TRANSPORT_PORT, 2),
    (ie::PROTOCOL_IDENTIFIER, 1),
    (ie::TCP_CONTROL_BITS, 1),
    (ie::OCTET_DELTA_COUNT, 8),
    (ie::PACKET_DELTA_COUNT, 8),
    (ie::FLOW_START_MILLISECONDS, 8),
    (ie::FLOW_END_MILLISECONDS, 8),
    (ie::INGRESS_INTERFACE, 4),
    (ie::EGRESS_INTERFACE, 4),
    (ie::FLOW_DIRECTION, 1),
    (ie::BGP_SOURCE_AS_NUMBER, 4),
    (ie::BGP_DESTINATION_AS_NUMBER, 4),
    (ie::IP_NEXT_HOP_IPV4_ADDRESS, 4),
    (ie::SOURCE_IPV4_PREFIX_LENGTH, 1),
    (ie::DESTINATION_IPV4_PREFIX_LENGTH, 1),
    (ie::SAMPLING_INTERVAL, 4),
];

fn template(template_id: u16, scope_count: u16, fields: &[(u16, u16)]) -> TemplateDefinition {
    let fields = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
    TemplateDefinition { template_id, scope_count, options: scope_count > 0, fields, offset: 0 }
}

/// Writes a capture.
fn write(folder: &Path, datagrams: &[(Ipv4Addr, i64, Vec<u8>)]) -> PathBuf {
    let path = folder.join("export.pcap");
    let datagrams = datagrams.iter().map(|(source, time, payload)| (*source, *time, &payload[..]));
    fs::write(&path, pcap(datagrams)).expect("the folder is writable");
    path
}

fn doctor(path: &Path, format: &str) -> Ended {
    run_nf(["doctor".as_ref(), "--format".as_ref(), format.as_ref(), path.as_os_str()])
}

/// Findings of a kind in a line of JSON.
fn findings<'a>(line: &'a Value, kind: &str) -> Vec<&'a Value> {
    let findings = line["findings"].as_array().expect("findings");
    findings.iter().filter(|finding| finding["kind"] == kind).collect()
}

fn kinds(line: &Value) -> Vec<&str> {
    let findings = line["findings"].as_array().expect("findings").iter();
    findings.map(|finding| finding["kind"].as_str().expect("a kind")).collect()
}

#[test]
fn loss_a_withheld_template_a_contradiction_and_a_wrong_clock_are_found_with_their_numbers() {
    let folder = scratch();
    let router = Router { ahead: 600, rate: 512, options_rate: 1_000, withholds: true, ..Router::new(1, 9) };
    let capture = write(folder.path(), &router.capture(|n| n % 20 == 7));
    let lines = doctor(&capture, "json").with(0).json();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(
        kinds(line),
        ["loss", "sampling_contradiction", "clock_skew", "missing_template"],
        "errors before warnings, and nothing else: {line:#}"
    );

    let loss = findings(line, "loss")[0];
    assert_eq!(
        (&loss["lost"], &loss["expected"], &loss["unit"]),
        (&json!(10), &json!(PACKETS), &json!("packets"))
    );
    // 20 sets of 24 octets and a header each: those packets are none of the lost ones.
    let missing = findings(line, "missing_template")[0];
    assert_eq!(
        (&missing["template_id"], &missing["sets"], &missing["octets"], &missing["observed"]),
        (&json!(WITHHELD), &json!(20), &json!(20 * 28), &json!(199.0))
    );
    let contradiction = findings(line, "sampling_contradiction")[0];
    assert_eq!(contradiction["first"], json!({"source": "options", "rate": 1_000}));
    assert_eq!(contradiction["second"], json!({"source": "record", "rate": 512}));
    assert_eq!(findings(line, "clock_skew")[0]["seconds"], json!(600.0));
    for finding in line["findings"].as_array().expect("findings") {
        assert_eq!((&finding["exporter"], &finding["domain"]), (&json!("192.0.2.1"), &json!(7)));
        assert!(!finding["advice"]["change"].as_str().expect("a text").is_empty());
    }

    let text = doctor(&capture, "text").with(0).out;
    for said in [
        "error      10 of 200 packets (5.0 %) did not arrive.",
        "error      Sampling rates contradict each other: options data say 1:1000, records say 1:512.",
        "error      The exporter's clock is 10.0 min ahead of the collector's.",
        "warning    Template 257 did not come within 3.3 min: 20 data sets of 560 octets cannot be decoded.",
        "Cisco IOS: ntp server ADDRESS",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
}

#[test]
fn loss_is_told_in_the_unit_of_each_version() {
    let folder = scratch();
    for (version, unit, lost, expected) in [
        (5, "records", 10 * RECORDS, PACKETS * RECORDS),
        (9, "packets", 10, PACKETS),
        (10, "records", 10 * RECORDS, PACKETS * RECORDS + PACKETS / REFRESH),
    ] {
        let capture = write(folder.path(), &Router::new(1, version).capture(|n| n % 20 == 7));
        let lines = doctor(&capture, "json").with(0).json();
        assert_eq!(kinds(&lines[0]), ["loss"]);
        let loss = findings(&lines[0], "loss")[0];
        assert_eq!(
            (&loss["lost"], &loss["expected"], &loss["unit"]),
            (&json!(lost), &json!(expected), &json!(unit))
        );
    }
}

#[test]
fn a_v5_header_that_contradicts_options_data_of_the_same_exporter_is_found() {
    let folder = scratch();
    let old = Router { rate: 512, ..Router::new(1, 5) };
    let new = Router { rate: 1_000, options_rate: 1_000, ..Router::new(1, 9) };
    let mut datagrams = new.capture(|_| false);
    // Others flows, so that none is seen twice.
    let others = Router { address: Ipv4Addr::new(192, 0, 2, 99), ..old };
    datagrams
        .extend(others.capture(|_| false).into_iter().map(|(_, time, packet)| (old.address, time, packet)));
    datagrams.sort_by_key(|(_, time, _)| *time);
    let lines = doctor(&write(folder.path(), &datagrams), "json").with(0).json();
    let of_v5 = lines.iter().find(|line| line["version"] == 5).expect("a line for v5");
    let contradiction = findings(of_v5, "sampling_contradiction")[0];
    assert_eq!(contradiction["first"], json!({"source": "options", "rate": 1_000}));
    assert_eq!(contradiction["second"], json!({"source": "header", "rate": 512}));
    let of_v9 = lines.iter().find(|line| line["version"] == 9).expect("a line for v9");
    assert_eq!(of_v9["findings"], json!([]));
}

#[test]
fn a_clean_capture_gives_no_findings() {
    let folder = scratch();
    let routers = [Router::new(1, 5), Router::new(2, 9), Router::new(3, 10)];
    let mut datagrams: Vec<_> = routers.iter().flat_map(|router| router.capture(|_| false)).collect();
    datagrams.sort_by_key(|(_, time, _)| *time);
    let capture = write(folder.path(), &datagrams);
    let ended = doctor(&capture, "json").with(0);
    assert_eq!(ended.err, "");
    let lines = ended.json();
    assert_eq!(lines.len(), routers.len());
    for line in &lines {
        assert_eq!(line["findings"], json!([]));
        assert_eq!((&line["sequence"]["lost"], &line["clock"]["skew"]), (&json!(0), &json!(0.0)));
    }
    let text = doctor(&capture, "text").with(0).out;
    assert_eq!(
        text.matches("good       everything was checked, and nothing is wrong").count(),
        routers.len()
    );
}

#[test]
fn flows_of_several_exporters_are_counted_once() {
    let folder = scratch();
    let router = Router::new(1, 9);
    let mut datagrams = router.capture(|_| false);
    // The next hop sees every second packet of flows, half a second later, by a clock that is 10 minutes slow.
    let next = Router { ahead: -600, ..router }.capture(|n| n % 2 == 1);
    datagrams.extend(
        next.into_iter().map(|(_, time, packet)| (Ipv4Addr::new(192, 0, 2, 2), time + 500_000_000, packet)),
    );
    datagrams.sort_by_key(|(_, time, _)| *time);
    let lines = doctor(&write(folder.path(), &datagrams), "json").with(0).json();
    let of_none = lines.iter().find(|line| line["domain"].is_null()).expect("a line for no domain");
    let double = findings(of_none, "double_counted")[0];
    assert_eq!((&double["flows"], &double["of"]), (&json!(1_000), &json!(3_000)));
    assert_eq!(double["exporters"], json!(["192.0.2.1", "192.0.2.2"]));
}

#[test]
fn what_a_capture_cut_off_is_not_the_exporters_fault() {
    let folder = scratch();
    let mut datagrams = Router::new(1, 5).capture(|_| false);
    // What else is in the capture is none of the exporter's business either.
    datagrams.insert(0, (Ipv4Addr::new(192, 0, 2, 1), START * 1_000_000_000, b"no export packet".to_vec()));
    let whole = datagrams[1].2.len();
    let mut file = fs::read(write(folder.path(), &datagrams)).expect("it was written");
    // The last frame is kept to 200 octets less; its length on the wire stays.
    file.truncate(file.len() - 200);
    let at = file.len() - (20 + 8 + whole - 200) - 8;
    let kept = (20 + 8 + whole - 200) as u32;
    file[at..at + 4].copy_from_slice(&kept.to_le_bytes());
    let path = folder.path().join("cut.pcap");
    fs::write(&path, &file).expect("the folder is writable");

    let ended = doctor(&path, "json").with(0).saying("1 packet cut off by the capture's snap length");
    let lines = ended.json();
    assert_eq!(lines[0]["findings"], json!([]));
    // To the port of export packets something else came, which is told.
    assert_eq!(kinds(&lines[1]), ["not_export_packets"]);
}

#[test]
fn a_flow_file_is_diagnosed_as_far_as_it_goes_and_the_rest_is_said() {
    let folder = scratch();
    let router = Router { ahead: 600, ..Router::new(1, 5) };
    let capture = write(folder.path(), &router.capture(|n| n % 20 == 7));
    for name in ["flows.ndjson", "flows.csv.gz", "flows.json.gz"] {
        let flows = folder.path().join(name);
        run_nf([
            "collect".as_ref(),
            "--read".as_ref(),
            capture.as_os_str(),
            "-o".as_ref(),
            flows.as_os_str(),
        ])
        .with(0);
        let lines = doctor(&flows, "json").with(0).json();
        assert_eq!(kinds(&lines[0]), ["loss", "clock_skew"], "{name}");
        assert_eq!(findings(&lines[0], "loss")[0]["lost"], json!(10 * RECORDS), "{name}");
        assert_eq!(lines[0]["source"], "flows");
        assert!(doctor(&flows, "text").with(0).out.contains("unchecked  uptimes and restarts;"));
    }
    let capture = write(folder.path(), &Router::new(1, 9).capture(|n| n % 20 == 7));
    let flows = folder.path().join("v9.ndjson");
    run_nf(["collect".as_ref(), "--read".as_ref(), capture.as_os_str(), "-o".as_ref(), flows.as_os_str()])
        .with(0);
    let line = &doctor(&flows, "json").with(0).json()[0];
    assert_eq!(line["findings"], json!([]), "packets without flows are not in the file");
    assert!(line["not_checked"].as_array().expect("a list").contains(&json!("loss")));
}

#[test]
fn several_files_are_one_observation() {
    let folder = scratch();
    let datagrams = Router::new(1, 9).capture(|n| n == 100);
    let (first, second) = (folder.path().join("1.pcap"), folder.path().join("2.pcap"));
    let halves = datagrams.split_at(90);
    for (path, half) in [(&first, halves.0), (&second, halves.1)] {
        fs::rename(write(folder.path(), half), path).expect("the folder is writable");
    }
    let ended = run_nf([
        "doctor".as_ref(),
        "--format".as_ref(),
        "json".as_ref(),
        first.as_os_str(),
        second.as_os_str(),
    ]);
    let lines = ended.with(0).json();
    assert_eq!((&lines[0]["packets"], &lines[0]["sequence"]["lost"]), (&json!(PACKETS - 1), &json!(1)));
}

#[test]
fn the_exit_status_says_whether_the_input_was_good_and_not_what_was_found() {
    let folder = scratch();
    let capture = write(folder.path(), &Router::new(1, 9).capture(|n| n % 20 == 7));
    let missing = folder.path().join("missing.pcap");
    let both = ["doctor".as_ref(), capture.as_os_str(), missing.as_os_str()];
    run_nf(both).with(1).saying("missing.pcap");
    doctor(&missing, "text").with(2).saying("nothing to diagnose");
    let cut = folder.path().join("half.pcap");
    let content = fs::read(&capture).expect("it was written");
    fs::write(&cut, &content[..content.len() - 100]).expect("the folder is writable");
    let ended = doctor(&cut, "text").with(1).saying("cut off");
    assert!(ended.out.contains("did not arrive"));
    run_nf(["doctor"]).with(2);
    run_nf(["doctor", "--listen", "127.0.0.1", "file.pcap"]).with(2);
    run_nf(["doctor", "--listen", "127.0.0.1:0", "--duration", "0"])
        .with(2)
        .saying("nothing came to 127.0.0.1:");
}

#[test]
fn listening_ends_on_a_signal_with_a_diagnosis() {
    let arguments = ["doctor", "--listen", "127.0.0.1:0", "--duration", "100", "--format", "json"];
    let mut process = Running::start(&mut nf(arguments));
    process.wait_until_it_says("Ctrl-C ends");
    let said = process.said();
    let address =
        said.split("listening on ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let router = Router::new(1, 9);
    let packets = router.packets();
    let kept = packets.iter().enumerate().filter(|(n, _)| n % 20 != 7).map(|(_, packet)| packet.as_slice());
    for datagram in kept.chain([&b"hello"[..]]) {
        socket.send_to(datagram, address).expect("loopback takes datagrams");
    }
    process.signal("INT");
    let lines = process.end().with(0).json();
    assert_eq!(findings(&lines[0], "loss")[0]["lost"], json!(10));
    // The packets say that it is 2024.
    assert_eq!(findings(&lines[0], "clock_skew").len(), 1);
    assert_eq!(kinds(&lines[1]), ["not_export_packets"]);
}

#[test]
fn no_loss_and_no_malformed_packet_is_found_in_the_captures_of_real_exporters() {
    let Some(fixtures) = fixtures() else { return };
    let mut captures = 0;
    for entry in fs::read_dir(fixtures).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "pcap") || path.ends_with("traffic.pcap") {
            continue;
        }
        captures += 1;
        for line in doctor(&path, "json").with(0).json() {
            for wrong in ["loss", "missing_template", "malformed", "restarted", "sampling_contradiction"] {
                assert!(findings(&line, wrong).is_empty(), "{wrong} in {}: {line:#}", path.display());
            }
        }
    }
    assert!(captures > 0, "there are captures");
}
