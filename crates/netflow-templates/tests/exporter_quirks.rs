//! What real exporters do otherwise than the RFCs say, and what becomes of it: octets and templates. The table is
//! docs/exporter-quirks.md.
#![allow(clippy::unwrap_used, reason = "tests")]

use netflow_templates::{Limits, Problem, Session, SessionConfig};
use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, SetError, TemplateDefinition, TemplateError, VARIABLE_LENGTH,
    element_id as ie, enterprise, unassigned, v5, v9 as version9,
};

mod common;

use common::{Told, at, decode, ipfix, lines, protocol_and_port, template, v9};

/// A v9 packet with a template of a protocol and a port, one record, and then whatever comes.
fn packet_and(rest: &[u8]) -> Vec<u8> {
    let mut packet = v9(0);
    packet.template(&protocol_and_port(256));
    packet.begin_set(256).octets(&[6, 0, 80, 0]);
    let mut packet = packet.finish();
    packet.extend(rest);
    packet
}

fn alone(packet: Vec<u8>) -> Told {
    decode(&mut Session::new(), &[packet]).remove(0)
}

#[test]
fn mikrotik_counts_its_sets_wrongly() {
    let packet = packet_and(&[1, 0, 0, 8, 17, 0, 53, 0]);
    for count in [0u16, 1, 2, 3, 4_000] {
        let mut packet = packet.clone();
        packet[2..4].copy_from_slice(&count.to_be_bytes());
        let told = alone(packet);
        assert_eq!(told.lines, ["template 256 new", "flow 256: 6 80", "flow 256: 17 53"], "count {count}");
        assert_eq!(told.problems, []);
    }
}

#[test]
fn mikrotik_leaves_three_octets_behind_its_last_set() {
    let told = alone(packet_and(&[0x32, 0x35, 0x56]));
    assert_eq!(told.lines, ["template 256 new", "flow 256: 6 80"]);
    assert!(matches!(told.problems[..], [Problem::Set(SetError::Trailing { length: 3, .. })]));
}

#[test]
fn mikrotik_sends_records_that_do_not_fit_their_template() {
    // A template of three octets, and data of seven.
    let told = alone(packet_and(&[1, 0, 0, 11, 17, 0, 53, 6, 1, 0xbb, 9]));
    assert_eq!(told.lines[2..], ["flow 256: 17 53", "flow 256: 6 443"]);
    assert!(matches!(told.problems[..], [Problem::Padding { set_id: 256, length: 1, record: 3, .. }]));
}

#[test]
fn softflowd_refreshes_its_templates_with_malformed_ones() {
    // The second template says that it has 255 fields; a set with data follows.
    let mut refresh = v9(0);
    refresh.template(&protocol_and_port(256));
    refresh.octets(&[1, 1, 0, 255, 0, 8, 0, 4]);
    refresh.begin_set(256).octets(&[17, 0, 53]);
    let mut session = Session::new();
    let told = decode(&mut session, &[packet_and(&[]), refresh.finish(), packet_and(&[])]);
    assert_eq!(told[1].lines, ["template 256 again", "flow 256: 17 53"]);
    assert!(matches!(
        told[1].problems[..],
        [Problem::Template(TemplateError::Truncated { template_id: 257, .. })]
    ));
    assert_eq!((lines(&told)[2].len(), session.statistics().problems), (2, 1));
}

#[test]
fn nexus_7700_pads_data_with_up_to_36_octets() {
    let record = [7; 40];
    for padding in [24, 30, 36] {
        let mut packet = v9(0);
        packet.template(&template(256, &[(ie::INTERFACE_NAME, 40)]));
        packet.begin_set(256).octets(&record).octets(&vec![0; padding]);
        let told = alone(packet.finish());
        assert_eq!(told.lines.len(), 2, "{padding} octets");
        let noted = [Problem::ZeroPadding { set_id: 256, offset: 76, length: padding, records: 0 }];
        assert_eq!(told.problems, noted);
        assert!(!told.problems[0].is_malformed());
    }
    // Up to seven octets align the next set.
    let mut packet = v9(0);
    packet.template(&template(256, &[(ie::INTERFACE_NAME, 40)]));
    packet.begin_set(256).octets(&record).octets(&[0; 7]);
    assert_eq!(alone(packet.finish()).problems, []);
    // What is not zero is no padding, and nothing that would be silently passed over.
    let mut packet = v9(0);
    packet.template(&template(256, &[(ie::INTERFACE_NAME, 40)]));
    packet.begin_set(256).octets(&record).octets(&[0; 23]).octets(&[1]);
    assert!(matches!(alone(packet.finish()).problems[..], [Problem::Padding { length: 24, .. }]));
}

/// A set of template 256 with these octets, and what is told of it behind the template.
fn set_of(fields: &[(u16, u16)], octets: &[u8]) -> (Vec<String>, Vec<Problem>) {
    let mut packet = v9(0);
    packet.template(&template(256, fields)).begin_set(256).octets(octets);
    let mut told = alone(packet.finish());
    (told.lines.split_off(1), told.problems)
}

#[test]
fn padding_as_long_as_records_makes_no_flows_where_none_could_be_so() {
    let fields = [(ie::PROTOCOL_IDENTIFIER, 1), (ie::OCTET_DELTA_COUNT, 4), (ie::SOURCE_TRANSPORT_PORT, 2)];
    let record = [6, 0, 0, 0, 40, 0, 80];
    let noted = |length, records| [Problem::ZeroPadding { set_id: 256, offset: 51, length, records }];
    for (padding, records) in [(7, 1), (9, 1), (36, 5)] {
        let (lines, problems) = set_of(&fields, &[&record[..], &vec![0; padding]].concat());
        assert_eq!(lines, ["flow 256: 6 40 80"], "{padding} octets");
        assert_eq!(problems, noted(padding, records));
        assert!(!problems[0].is_malformed());
    }
    // Zeros with something behind them are no padding.
    let (lines, problems) = set_of(&fields, &[&record[..], &[0; 7], &record[..]].concat());
    assert_eq!((lines.len(), &problems[..]), (3, &[][..]));
    // Lengths of zero are the shortest record of a template of variable length.
    let fields = [(ie::INTERFACE_NAME, VARIABLE_LENGTH), (ie::PACKET_DELTA_COUNT, 2)];
    let (lines, problems) = set_of(&fields, &[2, b'g', b'e', 0, 7, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(lines, ["flow 256: ge 7"]);
    assert_eq!(problems, [Problem::ZeroPadding { set_id: 256, offset: 45, length: 7, records: 2 }]);
    let (lines, problems) = set_of(&fields, &[5, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((lines.len(), &problems[..]), (1, &[][..]), "zeros within a record");
}

#[test]
fn records_of_zeros_that_may_be_some_are_kept_and_told() {
    let ports = [(ie::PROTOCOL_IDENTIFIER, 1), (ie::SOURCE_TRANSPORT_PORT, 2)];
    let (lines, problems) = set_of(&ports, &[6, 0, 80, 0, 0, 0, 0, 0, 0]);
    assert_eq!(lines, ["flow 256: 6 80", "flow 256: 0 0", "flow 256: 0 0"]);
    assert_eq!(problems, [Problem::ZeroRecords { set_id: 256, offset: 43, records: 2 }]);
    assert!(!problems[0].is_malformed());
    // A set has a record at least.
    let counter = [(ie::OCTET_DELTA_COUNT, 4)];
    let (lines, problems) = set_of(&counter, &[0; 8]);
    assert_eq!(lines, ["flow 256: 0", "flow 256: 0"]);
    assert!(matches!(problems[..], [Problem::ZeroRecords { records: 2, .. }]));
    // Options data may well be zeros, and a fixed version says how many records it has.
    let record = vec![(ie::EXPORTING_PROCESS_ID, &[0][..]), (ie::OCTET_TOTAL_COUNT, &[0][..])];
    let told = decode(&mut Session::new(), &[common::options_packet(1, &[record])]).remove(0);
    assert_eq!((told.lines.len(), &told.problems[..]), (2, &[][..]));
    let mut packet = MessageEncoder::new(Header::V5(v5::Header { count: 2, ..v5::Header::default() }));
    packet.record(&v5::Record { protocol: 6, ..v5::Record::default() }).record(&v5::Record::default());
    let told = alone(packet.finish());
    assert_eq!((told.lines.len(), &told.problems[..]), (2, &[][..]));
}

#[test]
fn sets_of_odd_length_follow_each_other_without_padding() {
    // Set 256 is 17 octets long: four records of three octets, and one that is padding.
    let mut packet = v9(0);
    packet.template(&protocol_and_port(256));
    packet.begin_set(256).octets(&[6, 0, 80, 6, 0, 81, 6, 0, 82, 6, 0, 83, 0]);
    packet.begin_set(256).octets(&[17, 0, 53]);
    packet.begin_set(256).octets(&[17, 0, 54]);
    let told = alone(packet.finish());
    let ports = [80, 81, 82, 83].map(|port| format!("flow 256: 6 {port}"));
    assert_eq!(told.lines[1..5], ports);
    assert_eq!(told.lines[5..], ["flow 256: 17 53", "flow 256: 17 54"]);
    assert_eq!(told.problems, []);
}

#[test]
fn cisco_pads_nothing_in_v9() {
    let mut packet = v9(0);
    packet.template(&protocol_and_port(256));
    packet.begin_set(256).octets(&[6, 0, 80]);
    packet.template(&template(257, &[(ie::PROTOCOL_IDENTIFIER, 1)]));
    packet.begin_set(257).octets(&[17]);
    let told = alone(packet.finish());
    assert_eq!(told.lines, ["template 256 new", "flow 256: 6 80", "template 257 new", "flow 257: 17"]);
    assert_eq!(told.problems, []);
}

#[test]
fn palo_alto_fills_the_datagram_with_zeros() {
    let mut packet = packet_and(&[]);
    let used = packet.len();
    packet.resize(1_408, 0);
    let told = alone(packet.clone());
    assert_eq!(told.lines.len(), 2);
    assert_eq!(told.problems, [Problem::Set(SetError::Filling { offset: used, length: 1_408 - used })]);
    assert!(!told.problems[0].is_malformed());
    // Zeros are padding up to the end only.
    packet[used + 100] = 1;
    assert!(matches!(alone(packet).problems[..], [Problem::Set(SetError::Length { id: 0, length: 0, .. })]));
}

#[test]
fn zeros_behind_v5_records_and_ipfix_messages_fill_the_datagram() {
    let mut packet = MessageEncoder::new(Header::V5(v5::Header { count: 1, ..v5::Header::default() }));
    packet.record(&v5::Record { protocol: 6, ..v5::Record::default() });
    let mut message = ipfix(0);
    message.template(&protocol_and_port(256)).begin_set(256).octets(&[6, 0, 80, 0]);
    for packet in [packet.finish(), message.finish()] {
        let used = packet.len();
        let filled = [&packet[..], &[0; 40]].concat();
        let told = alone(filled);
        assert_eq!(told.problems, [Problem::Set(SetError::Filling { offset: used, length: 40 })]);
        assert_eq!(told.lines, alone(packet).lines);
    }
}

#[test]
fn ixia_pads_template_sets_with_up_to_seven_octets() {
    for padding in 4..=7 {
        let mut packet = v9(0);
        packet.template(&protocol_and_port(256)).octets(&vec![0; padding]);
        packet.begin_set(256).octets(&[6, 0, 80]);
        let told = alone(packet.finish());
        assert_eq!(told.lines, ["template 256 new", "flow 256: 6 80"], "{padding} octets");
        assert_eq!(told.problems, []);
    }
}

#[test]
fn options_template_sets_are_padded() {
    let scope = FieldSpecifier::of(enterprise::UNASSIGNED, unassigned::SCOPE_SYSTEM, 4);
    let fields = vec![scope, FieldSpecifier::iana(ie::SAMPLING_INTERVAL, 4)];
    let definition =
        TemplateDefinition { template_id: 300, scope_count: 1, options: true, fields, offset: 0 };
    for padding in 1..=6 {
        for mut packet in [v9(0), ipfix(0)] {
            packet.template(&definition).octets(&vec![0; padding]);
            packet.begin_set(300).octets(&[0, 0, 0, 1, 0, 0, 0, 100]);
            let told = alone(packet.finish());
            assert_eq!(told.lines, ["template 300 new", "options 300: 1 100"], "{padding} octets");
            assert_eq!(told.problems, []);
        }
    }
}

#[test]
fn juniper_srx_has_a_scope_without_octets() {
    let scope = FieldSpecifier::of(enterprise::UNASSIGNED, unassigned::SCOPE_SYSTEM, 0);
    let fields = vec![scope, FieldSpecifier::iana(ie::SAMPLING_INTERVAL, 4)];
    let definition =
        TemplateDefinition { template_id: 256, scope_count: 1, options: true, fields, offset: 0 };
    let mut packet = v9(7);
    packet.template(&definition).begin_set(256).octets(&[0, 0, 3, 232]);
    let mut session = Session::new();
    let told = decode(&mut session, &[packet.finish()]).remove(0);
    assert_eq!(told.lines, ["template 256 new", "options 256:  1000"], "the scope is absent");
    assert_eq!(told.problems, []);
    let options = session.options().domain(common::ROUTER.address, 7).unwrap();
    assert_eq!(options.rate(None, 0).unwrap().value, 1_000);
}

#[test]
fn fields_without_octets_are_absent() {
    let fields = [(ie::SOURCE_TRANSPORT_PORT, 0), (ie::PROTOCOL_IDENTIFIER, 1), (ie::INTERFACE_NAME, 0)];
    for mut packet in [v9(0), ipfix(0)] {
        packet.template(&template(256, &fields)).begin_set(256).octets(&[6, 17]);
        let told = alone(packet.finish());
        assert_eq!(told.lines[1..], ["flow 256:  6 ", "flow 256:  17 "]);
        assert_eq!(told.problems, []);
    }
}

#[test]
fn an_element_twice_in_a_template_gives_two_values_in_order() {
    let port = (ie::SOURCE_TRANSPORT_PORT, 2);
    let mut packet = v9(0);
    packet.template(&template(256, &[port, port, port])).begin_set(256).octets(&[0, 1, 0, 2, 0, 3]);
    assert_eq!(alone(packet.finish()).lines[1..], ["flow 256: 1 2 3"]);
}

#[test]
fn h3c_sends_variable_lengths_in_v9() {
    let mut packet = v9(0);
    packet.template(&template(256, &[(ie::INTERFACE_NAME, VARIABLE_LENGTH), (ie::PROTOCOL_IDENTIFIER, 1)]));
    packet.begin_set(256).octets(&[4, b'g', b'e', b'-', b'1', 6, 255, 0, 2, b'l', b'o', 17]);
    let told = alone(packet.finish());
    assert_eq!(told.lines[1..], ["flow 256: ge-1 6", "flow 256: lo 17"]);
    assert_eq!(told.problems, []);
}

#[test]
fn vendors_ids_above_32767_are_no_enterprise_elements_in_v9() {
    // nProbe, Palo Alto, Cisco ASA: 16 bits of type, and no enterprise number behind them.
    let fields = [(57_652, 4), (57_659, 4), (56_701, 4), (56_702, 4), (33_002, 2), (40_005, 1), (65_535, 1)];
    let definition = template(256, &fields);
    let mut packet = v9(0);
    packet
        .template(&definition)
        .begin_set(256)
        .octets(b"/a/bhost")
        .octets(b"web\0jane")
        .octets(&[7, 233, 2, 9]);
    let told = alone(packet.finish());
    assert_eq!(told.lines[1..], ["flow 256: /a/b host web jane 2025 2 09"]);
    assert_eq!(told.problems, []);
}

#[test]
fn lengths_of_3_5_6_and_9_octets_are_read() {
    let bytes = ie::OCTET_DELTA_COUNT;
    let mut packet = v9(0);
    packet.template(&template(256, &[(bytes, 3), (bytes, 5), (bytes, 6), (bytes, 9)])).begin_set(256);
    packet.octets(&[1, 0, 0]).octets(&[1, 0, 0, 0, 0]).octets(&[0, 0, 0, 0, 1, 2]).octets(&[1; 9]);
    // More than eight octets are no number, and kept as they are.
    assert_eq!(alone(packet.finish()).lines[1..], ["flow 256: 65536 4294967296 258 010101010101010101"]);
}

#[test]
fn juniper_mx_sends_templates_only_at_start() {
    let mut session =
        Session::with_config(SessionConfig { limits: Limits::default(), ..SessionConfig::default() });
    decode(&mut session, &[packet_and(&[])]);
    let mut data = v9(0);
    data.begin_set(256).octets(&[17, 0, 53]);
    let mut told = Told::default();
    let days = 400 * 86_400;
    session.decode(common::ROUTER, at(days), &data.finish(), &mut told).unwrap();
    assert_eq!(told.lines, ["flow 256: 17 53"], "no template is given up by default");
}

#[test]
fn options_from_another_port_count_for_the_exporter() {
    // Juniper MX: options data from one UDP port, flows from another.
    let record = vec![(ie::EXPORTING_PROCESS_ID, &[1][..]), (ie::SAMPLING_INTERVAL, &[100][..])];
    let mut session = Session::new();
    decode(&mut session, &[common::options_packet(1, &[record])]);
    let options = session.options().domain(common::ROUTER.address, 1).unwrap();
    assert_eq!(options.rate(None, 0).unwrap().value, 100);
    // The template is the exporter's too, whatever the port.
    let mut template = ipfix(1);
    template.template(&protocol_and_port(256));
    let mut data = ipfix(1);
    data.begin_set(256).octets(&[6, 0, 80]);
    let other_port = netflow_templates::Exporter { port: 40_112, ..common::ROUTER };
    let mut told = Told::default();
    session.decode(common::ROUTER, at(0), &template.finish(), &mut told).unwrap();
    session.decode(other_port, at(1), &data.finish(), &mut told).unwrap();
    assert_eq!(told.lines, ["template 256 new", "flow 256: 6 80"]);
}

#[test]
fn nflow_generator_sends_more_than_30_records_in_v5() {
    let header = v5::Header { count: 128, ..v5::Header::default() };
    let mut packet = MessageEncoder::new(Header::V5(header));
    for port in 1..=128 {
        packet.record(&v5::Record { src_port: port, protocol: 6, ..v5::Record::default() });
    }
    let told = alone(packet.finish());
    assert_eq!((told.lines.len(), &told.problems[..]), (128, &[][..]));
}

#[test]
fn a_set_without_octets_ends_the_packet() {
    let told = alone(packet_and(&[1, 0, 0, 0, 1, 0, 0, 8, 17, 0, 53, 0]));
    assert_eq!(told.lines.len(), 2);
    assert!(matches!(told.problems[..], [Problem::Set(SetError::Length { id: 256, length: 0, .. })]));
    let empty = MessageEncoder::new(Header::V9(version9::Header::default())).finish();
    assert_eq!(alone(empty).problems, []);
}
