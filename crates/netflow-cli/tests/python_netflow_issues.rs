//! What users of PyPI `netflow` reported (github.com/bitkeks/python-netflow-v9-softflowd/issues), by number.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use common::{Ended, V5, hex, pcap, run_nf, scratch};
use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, VARIABLE_LENGTH, element_id as ie,
    enterprise, ipfix, unassigned, v9,
};
use serde_json::{Value, json};

mod common;

/// When packets are exported, in seconds.
const NOW: u32 = 1_700_000_000;

fn v9() -> MessageEncoder {
    let header = v9::Header { unix_seconds: NOW, uptime_millis: 60_000, ..v9::Header::default() };
    MessageEncoder::new(Header::V9(header))
}

fn ipfix() -> MessageEncoder {
    MessageEncoder::new(Header::Ipfix(ipfix::Header { export_time: NOW, ..ipfix::Header::default() }))
}

fn template(template_id: u16, fields: &[(u16, u16)]) -> TemplateDefinition {
    let fields = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
    TemplateDefinition { template_id, scope_count: 0, options: false, fields, offset: 0 }
}

/// Protocol and source port.
fn protocol_and_port() -> TemplateDefinition {
    template(256, &[(ie::PROTOCOL_IDENTIFIER, 1), (ie::SOURCE_TRANSPORT_PORT, 2)])
}

fn with_template() -> Vec<u8> {
    let mut packet = v9();
    packet.template(&protocol_and_port()).begin_set(256).octets(&[6, 0, 80]);
    packet.finish()
}

fn only_data() -> Vec<u8> {
    let mut packet = v9();
    packet.begin_set(256).octets(&[17, 0, 53]);
    packet.finish()
}

fn decode(packets: &[Vec<u8>]) -> Ended {
    run_nf(
        ["decode", "--format", "json"].map(str::to_owned).into_iter().chain(packets.iter().map(|p| hex(p))),
    )
}

fn flows(packets: &[Value]) -> Vec<usize> {
    packets.iter().map(|packet| packet["flows"].as_array().expect("a list").len()).collect()
}

/// A capture of export packets of one exporter, a second apart.
fn capture(folder: &Path, packets: &[Vec<u8>]) -> String {
    let path = folder.join("capture.pcap");
    let at = |number: usize| (i64::from(NOW) + number as i64) * 1_000_000_000;
    let exporter = Ipv4Addr::new(192, 0, 2, 254);
    let datagrams = packets.iter().enumerate().map(|(n, packet)| (exporter, at(n), &packet[..]));
    fs::write(&path, pcap(datagrams)).expect("a file");
    path.into_os_string().into_string().expect("UTF-8")
}

fn analyze(file: &str, more: &[&str]) -> Ended {
    run_nf(["analyze", "-n", file].iter().chain(more))
}

/// Both directions of a conversation: start and end of flows where there are some, addresses, ports, and counters.
fn conversation(fields: &[(u16, u16)], times: &[u8]) -> Vec<Vec<u8>> {
    const KEY: [(u16, u16); 7] = [
        (ie::SOURCE_IPV4_ADDRESS, 4),
        (ie::DESTINATION_IPV4_ADDRESS, 4),
        (ie::SOURCE_TRANSPORT_PORT, 2),
        (ie::DESTINATION_TRANSPORT_PORT, 2),
        (ie::PROTOCOL_IDENTIFIER, 1),
        (ie::OCTET_DELTA_COUNT, 4),
        (ie::PACKET_DELTA_COUNT, 4),
    ];
    let definition = template(256, &[fields, &KEY].concat());
    [v9(), ipfix()]
        .into_iter()
        .map(|mut packet| {
            packet.template(&definition).begin_set(256);
            packet.octets(times).octets(&[192, 0, 2, 1, 192, 0, 2, 2, 0xc3, 0x50, 1, 187, 6]);
            packet.octets(&[0, 0, 1, 244, 0, 0, 0, 20]);
            packet.octets(times).octets(&[192, 0, 2, 2, 192, 0, 2, 1, 1, 187, 0xc3, 0x50, 6]);
            packet.octets(&[0, 0, 17, 0, 0, 0, 0, 30]);
            packet.finish()
        })
        .collect()
}

#[test]
fn issue_6_a_bad_template_set_does_not_end_the_collector() {
    let mut bad = v9();
    bad.template(&protocol_and_port()).octets(&[1, 1, 0, 200, 0, 8]);
    bad.begin_set(256).octets(&[6, 1, 187]);
    let packets = [with_template(), bad.finish(), only_data()];
    let decoded = decode(&packets).with(1).saying("template 257");
    assert_eq!(flows(&decoded.json()), [1, 1, 1]);
    let folder = scratch();
    let file = capture(folder.path(), &packets);
    let out = folder.path().join("flows.ndjson");
    run_nf(["collect", "--read", &file, "-o", out.to_str().expect("UTF-8")]);
    assert_eq!(fs::read_to_string(out).expect("flows").lines().count(), 3);
}

#[test]
fn issue_11_28_33_48_data_wait_for_their_template_whatever_comes_first() {
    // 11, 28: data before any template. 33, 48: packets without a template, or none at all, in between.
    let nothing = v9().finish();
    let packets = decode(&[nothing, only_data(), only_data(), with_template(), only_data()]).with(0).json();
    assert_eq!(flows(&packets), [0, 0, 0, 1, 1]);
    let late = packets[3]["late"].as_array().expect("a list");
    assert_eq!(late.iter().map(|late| &late["packet"]).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(late[0]["flows"], json!([{"PROTOCOL": 17, "L4_SRC_PORT": 53}]));
    // A template that never comes is told, with its number and what waits for it.
    let ended = decode(&[only_data()]).with(0).saying("came without a template");
    assert_eq!(ended.json()[0]["undecoded"][0]["set_id"], 256);
}

#[test]
fn issue_17_26_flows_without_first_switched_are_analyzed() {
    let folder = scratch();
    let end = NOW.to_be_bytes();
    for (fields, times) in [(&[][..], &[][..]), (&[(ie::FLOW_END_SECONDS, 4)], &end)] {
        for packet in conversation(fields, times) {
            let rows = analyze(&capture(folder.path(), &[packet]), &["--format", "json"]).with(0).json();
            assert_eq!(rows.len(), 1, "{fields:?}");
            assert_eq!((&rows[0]["client_bytes"], &rows[0]["server_bytes"]), (&json!(500), &json!(4_352)));
        }
    }
}

#[test]
fn issue_20_ipfix_is_decoded() {
    let mut packet = ipfix();
    let mut definition = protocol_and_port();
    definition.fields.push(FieldSpecifier::of(32_473, 9, 2));
    packet.template(&definition).begin_set(256).octets(&[6, 0, 80, 0xab, 0xcd]);
    let packets = decode(&[packet.finish()]).with(0).json();
    let expected = json!([{"protocolIdentifier": 6, "sourceTransportPort": 80, "32473.9": "abcd"}]);
    assert_eq!(packets[0]["flows"], expected);
}

#[test]
fn issue_30_options_of_v9_are_decoded() {
    let scope = FieldSpecifier::of(enterprise::UNASSIGNED, unassigned::SCOPE_INTERFACE, 4);
    let fields = vec![scope, FieldSpecifier::iana(ie::INTERFACE_NAME, 4)];
    let definition =
        TemplateDefinition { template_id: 300, scope_count: 1, options: true, fields, offset: 0 };
    let mut packet = v9();
    packet.template(&definition).begin_set(300).octets(&[0, 0, 0, 4]).octets(b"eth4");
    let packets = decode(&[packet.finish()]).with(0).json();
    assert_eq!(packets[0]["options"], json!([{"scopes": {"Interface": 4}, "fields": {"IF_NAME": "eth4"}}]));
}

#[test]
fn issue_31_values_of_variable_length_are_decoded() {
    let mut packet = ipfix();
    packet.template(&template(256, &[(ie::INTERFACE_NAME, VARIABLE_LENGTH), (ie::PROTOCOL_IDENTIFIER, 1)]));
    packet.begin_set(256).octets(&[4]).octets(b"eth0").octets(&[6]);
    packet.octets(&[255, 1, 44]).octets(&[b'x'; 300]).octets(&[17]);
    let packets = decode(&[packet.finish()]).with(0).json();
    let flows = packets[0]["flows"].as_array().expect("a list");
    assert_eq!(flows[0], json!({"interfaceName": "eth0", "protocolIdentifier": 6}));
    assert_eq!(flows[1], json!({"interfaceName": "x".repeat(300), "protocolIdentifier": 17}));
}

#[test]
fn issue_32_an_analyzer_that_shows_nothing_says_why() {
    let folder = scratch();
    let small = V5 { from: (1, 50_000), to: (2, 443), octets: 500, packets: 3 };
    let answer = V5 { from: (2, 443), to: (1, 50_000), octets: 900, packets: 4 };
    let file = capture(folder.path(), &[V5::packet(0, &[small, answer])]);
    let ended = analyze(&file, &[]).with(0).saying("less than 10 packets");
    assert_eq!(ended.out, "");
    assert_eq!(analyze(&file, &["-p", "1"]).with(0).out.lines().count(), 1);
    // A single direction is no connection, which is said too.
    let file = capture(folder.path(), &[V5::packet(0, &[small])]);
    let ended = analyze(&file, &["-p", "1"]).with(0).saying("without an answer");
    assert_eq!(ended.out, "");
}

#[test]
fn issue_36_a_set_of_length_zero_ends_its_packet() {
    for (good, kind) in [(with_template(), "v9"), (conversation(&[], &[]).remove(1), "IPFIX")] {
        let mut packet = good.clone();
        packet.extend([1, 0, 0, 0, 9, 9, 9, 9]);
        if kind == "IPFIX" {
            let length = (packet.len() as u16).to_be_bytes();
            packet[2..4].copy_from_slice(&length);
        }
        let packets = decode(&[packet, good.clone()]).with(1).saying("set 256").json();
        assert_eq!(packets[0]["flows"], packets[1]["flows"], "{kind}");
        assert!(!packets[0]["flows"].as_array().expect("a list").is_empty());
    }
}

#[test]
fn issue_46_flows_of_v1_v5_and_ipfix_are_analyzed() {
    let folder = scratch();
    let there = V5 { from: (1, 50_000), to: (2, 443), octets: 500, packets: 20 };
    let back = V5 { from: (2, 443), to: (1, 50_000), octets: 4_352, packets: 30 };
    let v5 = V5::packet(0, &[there, back]);
    // v1 has its 16 octets of header, and records that start the same way.
    let mut v1 = [&[0, 1], &v5[2..16]].concat();
    for record in v5[24..].chunks_exact(48) {
        let mut record = record.to_vec();
        record[36..48].copy_from_slice(&[0, 0, 6, 0, 0x1b, 0, 0, 0, 0, 0, 0, 0]);
        v1.extend(record);
    }
    let times = [(NOW - 10).to_be_bytes(), NOW.to_be_bytes()].concat();
    let ipfix = conversation(&[(ie::FLOW_START_SECONDS, 4), (ie::FLOW_END_SECONDS, 4)], &times).remove(1);
    for packet in [v1, v5, ipfix] {
        let version = packet[1];
        // As a capture, and as the collector's file.
        let file = capture(folder.path(), &[packet]);
        let collected = folder.path().join(format!("{version}.gz"));
        let collected = collected.to_str().expect("UTF-8");
        run_nf(["collect", "--read", &file, "-o", collected]).with(0);
        for file in [&file[..], collected] {
            let text = analyze(file, &[]).with(0).out;
            assert_eq!(text.lines().count(), 1, "version {version}: {text}");
            assert!(text.contains("HTTPS"), "version {version}: {text}");
            assert!(text.contains("192.0.2.1"), "version {version}: {text}");
        }
    }
}
