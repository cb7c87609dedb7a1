use std::net::{IpAddr, Ipv4Addr};

use netflow_templates::{DataType, Exporter, Registry, Session, SessionConfig, Timestamp, Value};
use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, element_id as ie, enterprise, ipfix, v1, v5,
    v7, v8, v9,
};

use super::*;
use crate::FlowSink;
use crate::value::{SamplingSource, TimeQuality};

const EXPORTER: Exporter = Exporter { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 254)), port: 40_000 };
const NOW: i64 = 1_714_564_800;

fn decode(session: &mut Session, packet: Vec<u8>) -> Vec<Flow> {
    let mut sink = FlowSink::default();
    session.decode(EXPORTER, Timestamp::from_secs(NOW + 1), &packet, &mut sink).unwrap();
    sink.flows.to_vec()
}

/// A field of a template and its value in the only record.
type FieldValue<'a> = (u32, u16, &'a [u8]);

fn iana(id: u16, octets: &[u8]) -> FieldValue<'_> {
    (enterprise::IANA, id, octets)
}

fn definition(template_id: u16, options: bool, fields: &[FieldValue<'_>]) -> TemplateDefinition {
    let specifier = |&(enterprise, id, octets): &FieldValue<'_>| FieldSpecifier {
        enterprise,
        id,
        length: octets.len() as u16,
    };
    let fields = fields.iter().map(specifier).collect();
    TemplateDefinition { template_id, scope_count: options.into(), options, fields, offset: 0 }
}

fn ipfix_packet(domain: u32, sets: &[(bool, &[FieldValue<'_>])]) -> Vec<u8> {
    let export_time = NOW as u32;
    let header = ipfix::Header { export_time, observation_domain_id: domain, ..ipfix::Header::default() };
    packet(Header::Ipfix(header), sets)
}

fn packet(header: Header, sets: &[(bool, &[FieldValue<'_>])]) -> Vec<u8> {
    let mut packet = MessageEncoder::new(header);
    for (index, (options, fields)) in sets.iter().enumerate() {
        let id = 256 + index as u16;
        packet.template(&definition(id, *options, fields)).begin_set(id);
        for (_, _, octets) in *fields {
            packet.octets(octets);
        }
    }
    packet.finish()
}

/// The flow of one IPFIX record.
fn flow_of(fields: &[FieldValue<'_>]) -> Flow {
    let mut flows = decode(&mut Session::new(), ipfix_packet(7, &[(false, fields)]));
    assert_eq!(flows.len(), 1);
    flows.remove(0)
}

fn v5_header(uptime_millis: u32) -> v5::Header {
    v5::Header {
        count: 1,
        uptime_millis,
        unix_seconds: NOW as u32,
        unix_nanos: 500_000_000,
        sequence: 42,
        engine_type: 3,
        engine_id: 7,
        sampling: 0x400a,
    }
}

#[test]
fn every_column_of_a_v5_record() {
    let record = v5::Record {
        src_addr: Ipv4Addr::new(192, 0, 2, 1).into(),
        dst_addr: Ipv4Addr::new(198, 51, 100, 2).into(),
        next_hop: Ipv4Addr::new(203, 0, 113, 3).into(),
        input: 4,
        output: 5,
        packets: 6,
        octets: 700,
        first: 50_000,
        last: 58_000,
        src_port: 443,
        dst_port: 50_001,
        tcp_flags: 0x1b,
        protocol: 6,
        tos: 0x28,
        src_as: 64_500,
        dst_as: 64_501,
        src_mask: 24,
        dst_mask: 22,
        ..v5::Record::default()
    };
    let mut packet = MessageEncoder::new(Header::V5(v5_header(60_000)));
    packet.record(&record);
    let flows = decode(&mut Session::new(), packet.finish());
    let end = Timestamp::from_nanos((NOW * 10 + 5) * 100_000_000);
    let expected = Flow {
        exporter_addr: EXPORTER.address,
        exporter_port: EXPORTER.port,
        observation_domain_id: 3 << 8 | 7,
        flow_version: 5,
        sequence: 42,
        time_received: Timestamp::from_secs(NOW + 1),
        time_export: end,
        time_flow_start: Some(end.saturating_add_nanos(-10_000_000_000)),
        time_flow_end: Some(end.saturating_add_nanos(-2_000_000_000)),
        time_quality: TimeQuality::Relative,
        bytes_raw: 700,
        packets_raw: 6,
        flows: 1,
        sampling_rate: 10,
        sampling_source: SamplingSource::Header,
        ip_version: 4,
        src_addr: Some("192.0.2.1".parse().unwrap()),
        dst_addr: Some("198.51.100.2".parse().unwrap()),
        src_port: 443,
        dst_port: 50_001,
        proto: 6,
        tcp_flags: 0x1b,
        ip_tos: 0x28,
        in_if: 4,
        out_if: 5,
        src_as: 64_500,
        dst_as: 64_501,
        src_mask: 24,
        dst_mask: 22,
        next_hop: Some("203.0.113.3".parse().unwrap()),
        ..Flow::default()
    };
    assert_eq!(flows, [expected]);
    assert_eq!((flows[0].bytes(), flows[0].packets()), (7_000, 60));
}

#[test]
fn v1_v7_and_all_v8_schemes_fill_the_same_columns() {
    let v1 = v1::Record { packets: 2, octets: 90, src_port: 53, protocol: 17, ..v1::Record::default() };
    let mut packet = MessageEncoder::new(Header::V1(v1::Header { count: 1, ..v1::Header::default() }));
    packet.record(&v1);
    let flow = &decode(&mut Session::new(), packet.finish())[0];
    assert_eq!(
        (flow.flow_version, flow.packets_raw, flow.bytes_raw, flow.src_port, flow.proto),
        (1, 2, 90, 53, 17)
    );

    let router_sc = Ipv4Addr::new(192, 0, 2, 9).into();
    let v7 = v7::Record { packets: 2, octets: 90, router_sc, tcp_flags: 2, ..v7::Record::default() };
    let mut packet = MessageEncoder::new(Header::V7(v7::Header { count: 1, ..v7::Header::default() }));
    packet.record(&v7);
    let flow = &decode(&mut Session::new(), packet.finish())[0];
    assert_eq!((flow.flow_version, flow.packets_raw, flow.tcp_flags), (7, 2, 2));
    assert_eq!(flow.rare().extras.get("ROUTER_SC"), Some(Value::Address("192.0.2.9".parse().unwrap())));

    for aggregation in 1..=14 {
        let layout = v8::layout(aggregation).unwrap();
        let header = v8::Header { count: 1, aggregation, aggregation_version: 2, ..v8::Header::default() };
        let mut packet = MessageEncoder::new(Header::V8(header));
        // Octets 1, 2, 3, ...: every field has a value of its own.
        let octets: Vec<u8> = (1..=layout.record_len as u8).collect();
        packet.octets(&octets);
        let flow = &decode(&mut Session::new(), packet.finish())[0];
        let mut offset = 0;
        for field in layout.fields {
            let value =
                octets[offset..][..usize::from(field.length)].iter().fold(0, |n, &o| n << 8 | u64::from(o));
            let is = |id| (field.enterprise, field.id) == (enterprise::IANA, id);
            if is(ie::OCTET_DELTA_COUNT) {
                assert_eq!(flow.bytes_raw, value, "scheme {aggregation}");
            }
            if is(ie::DELTA_FLOW_COUNT) {
                assert_eq!(flow.flows, value, "scheme {aggregation}");
            }
            if is(ie::BGP_DESTINATION_AS_NUMBER) {
                assert_eq!(u64::from(flow.dst_as), value, "scheme {aggregation}");
            }
            if is(ie::SOURCE_IPV4_PREFIX) {
                assert_eq!(
                    flow.src_addr,
                    Some(Ipv4Addr::from_bits(value as u32).into()),
                    "scheme {aggregation}"
                );
            }
            offset += usize::from(field.length);
        }
        assert_eq!(offset, layout.record_len);
        assert_eq!(flow.flow_version, 8);
    }
}

#[test]
fn counters_take_the_preferred_element_and_the_others_are_kept() {
    let flow = flow_of(&[
        iana(ie::OCTET_TOTAL_COUNT, &[0, 0, 9, 0]),
        iana(ie::OCTET_DELTA_COUNT, &[3, 0]),
        iana(ie::PACKET_TOTAL_COUNT, &[5]),
    ]);
    assert_eq!((flow.bytes_raw, flow.packets_raw), (768, 5));
    assert_eq!(flow.rare().extras.get("octetTotalCount"), Some(Value::Unsigned(2_304)));
    assert_eq!(flow.rare().extras.get("packetTotalCount"), None);
}

#[test]
fn of_two_address_families_the_one_that_is_not_zero_counts() {
    let v6 = "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap();
    let v4 = [192, 0, 2, 1];
    for fields in [
        [iana(ie::SOURCE_IPV4_ADDRESS, &[0; 4]), iana(ie::SOURCE_IPV6_ADDRESS, &v6.octets())],
        [iana(ie::SOURCE_IPV6_ADDRESS, &v6.octets()), iana(ie::SOURCE_IPV4_ADDRESS, &[0; 4])],
    ] {
        let flow = flow_of(&fields);
        assert_eq!((flow.src_addr, flow.ip_version), (Some(v6.into()), 6));
    }
    let flow = flow_of(&[iana(ie::SOURCE_IPV6_ADDRESS, &[0; 16]), iana(ie::SOURCE_IPV4_ADDRESS, &v4)]);
    assert_eq!((flow.src_addr, flow.ip_version), (Some(v4.into()), 4));
}

#[test]
fn of_two_addresses_the_preferred_one_counts_and_the_other_is_kept() {
    let (prefix, address) = (iana(ie::SOURCE_IPV4_PREFIX, &[192, 0, 2, 0]), [192, 0, 2, 1]);
    let flow = flow_of(&[prefix, iana(ie::SOURCE_IPV4_ADDRESS, &address)]);
    assert_eq!(flow.src_addr, Some(address.into()));
    let kept = Some(Value::Address("192.0.2.0".parse().unwrap()));
    assert_eq!(flow.rare().extras.get("sourceIPv4Prefix"), kept);
    // The same once more says nothing new.
    let same = [iana(ie::SOURCE_IPV4_PREFIX, &address), iana(ie::SOURCE_IPV4_ADDRESS, &address)];
    assert!(flow_of(&same).rare().extras.is_empty());
    let (v4, v6) = (ie::POST_NAT_SOURCE_IPV4_ADDRESS, ie::POST_NAT_SOURCE_IPV6_ADDRESS);
    let flow = flow_of(&[iana(v6, &[1; 16]), iana(v4, &address)]);
    assert_eq!(flow.rare().post_nat_src_addr, Some(address.into()));
    assert_eq!(flow.rare().extras.len(), 1);
}

#[test]
fn sets_of_one_batch_have_their_own_rare_columns() {
    let (texts, odd) = ([iana(ie::INTERFACE_NAME, b"\xc3\xa9t")], [iana(ie::INTERFACE_NAME, b"\xc3\0\0")]);
    let numbers =
        [iana(ie::FLOW_ID, &[9]), iana(ie::BASIC_LIST, &[3, 0, 7, 0, 2, 0, 80]), iana(70, &[0, 1, 0])];
    let extras = [iana(ie::MINIMUM_IP_TOTAL_LENGTH, &[40]), iana(ie::INTERFACE_NAME, b"b")];
    let plain = [iana(ie::PROTOCOL_IDENTIFIER, &[6])];
    let sets: Vec<_> = [&plain[..], &texts, &numbers, &odd, &plain, &extras]
        .into_iter()
        .map(|fields| (false, fields))
        .collect();
    let flows = decode(&mut Session::new(), ipfix_packet(7, &sets));
    let names: Vec<_> = flows.iter().map(|flow| flow.rare().in_if_name.as_str()).collect();
    assert_eq!(names, ["", "\u{e9}t", "", "\u{fffd}", "", "b"]);
    let ids: Vec<_> = flows.iter().map(|flow| flow.rare().flow_id).collect();
    assert_eq!(ids, [None, None, Some(9), None, None, None]);
    let extras: Vec<_> = flows.iter().map(|flow| flow.rare().extras.len()).collect();
    assert_eq!(extras, [0, 0, 1, 0, 0, 1]);
    let labels: Vec<_> = flows.iter().map(|flow| flow.rare().mpls_labels.clone()).collect();
    assert_eq!(labels, [vec![], vec![], vec![16], vec![], vec![], vec![]]);
}

#[test]
fn a_rare_number_that_is_too_large_is_clamped_and_marked() {
    let flow = flow_of(&[iana(ie::IP_TTL, &[1, 0])]);
    assert_eq!(flow.rare().ip_ttl, Some(u8::MAX));
    assert!(Quality(flow.quality).contains(Quality::CLAMPED));
    assert_eq!(flow_of(&[iana(ie::IP_TTL, &[0, 64])]).quality, 0);
}

#[test]
fn records_of_sets_that_waited_are_numbered_through_their_packet() {
    let (mut session, mut sink) = (Session::new(), FlowSink::default());
    let record = [iana(ie::PROTOCOL_IDENTIFIER, &[6])];
    let mut decode = |sequence: u32, fill: &dyn Fn(&mut MessageEncoder)| {
        let header = ipfix::Header { sequence_number: sequence, ..ipfix::Header::default() };
        let mut packet = MessageEncoder::new(Header::Ipfix(header));
        fill(&mut packet);
        session.decode(EXPORTER, Timestamp::EPOCH, &packet.finish(), &mut sink).unwrap();
    };
    // Two packets with two sets each wait for one template; then their sets come one after the other.
    for sequence in [1, 2] {
        decode(sequence, &|packet| {
            packet.begin_set(256).octets(&[1, 2]).begin_set(257).octets(&[3]);
        });
    }
    decode(3, &|packet| {
        packet.template(&definition(256, false, &record)).template(&definition(257, false, &record));
    });
    let flows = sink.flows.to_vec();
    let numbers: Vec<_> = flows.iter().map(|flow| (flow.sequence, flow.record_index, flow.proto)).collect();
    assert_eq!(numbers, [(1, 0, 1), (1, 1, 2), (2, 0, 1), (2, 1, 2), (1, 2, 3), (2, 2, 3)]);
}

#[test]
fn a_source_of_zeros_is_an_address() {
    let flow = flow_of(&[iana(ie::SOURCE_IPV4_ADDRESS, &[0; 4])]);
    assert_eq!(flow.src_addr, Some(Ipv4Addr::UNSPECIFIED.into()));
}

#[test]
fn numbers_that_do_not_fit_their_column_are_clamped_and_marked() {
    let flow =
        flow_of(&[iana(ie::SOURCE_TRANSPORT_PORT, &[1, 0, 0, 0]), iana(ie::PROTOCOL_IDENTIFIER, &[0, 6])]);
    assert_eq!((flow.src_port, flow.proto), (u16::MAX, 6));
    assert!(Quality(flow.quality).contains(Quality::CLAMPED));
}

#[test]
fn fields_without_a_column_are_extras_under_their_iana_name() {
    let mut registry = Registry::new();
    registry.add_csv("pen,id,name,type\n64999,7,rackName,string").unwrap();
    let config = SessionConfig { registry: registry.into(), ..SessionConfig::default() };
    let fields = [
        (64_999, 7, &b"r12\0"[..]),
        (64_998, 1, &[0xab, 0xcd]),
        iana(ie::SAMPLER_ID, &[0, 9]),
        iana(ie::SAMPLER_ID, &[0, 8]),
    ];
    let flows = decode(&mut Session::with_config(config), ipfix_packet(7, &[(false, &fields)]));
    let extras: Vec<_> =
        flows[0].rare().extras.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(extras, ["rackName=r12", "64998.1=abcd", "samplerId=9", "samplerId_2=8"]);
}

#[test]
fn of_a_repeated_element_the_first_fills_the_column() {
    let port = ie::SOURCE_TRANSPORT_PORT;
    let flow =
        flow_of(&[iana(port, &[0, 80]), iana(ie::DESTINATION_TRANSPORT_PORT, &[0, 1]), iana(port, &[0, 81])]);
    assert_eq!((flow.src_port, flow.dst_port), (80, 1));
    assert_eq!(flow.rare().extras.get("sourceTransportPort_2"), Some(Value::Unsigned(81)));
}

#[test]
fn pairs_of_columns_are_filled_whatever_their_lengths() {
    let (bytes, packets) = (ie::OCTET_DELTA_COUNT, ie::PACKET_DELTA_COUNT);
    for (a, b) in [(1, 1), (2, 2), (3, 3), (4, 4), (8, 8), (1, 8), (5, 2)] {
        let octets = [0, 0, 0, 0, 0, 0, 0, 9];
        let flow = flow_of(&[iana(packets, &octets[8 - b..]), iana(bytes, &octets[8 - a..])]);
        assert_eq!((flow.bytes_raw, flow.packets_raw), (9, 9), "{a} and {b} octets");
    }
    // Counters of sixteen octets fit no column.
    let flow = flow_of(&[iana(bytes, &[1; 16]), iana(packets, &[2; 16])]);
    assert_eq!((flow.bytes_raw, flow.packets_raw, flow.rare().extras.len()), (0, 0, 2));
    let flow =
        flow_of(&[iana(ie::SOURCE_IPV4_ADDRESS, &[1; 3]), iana(ie::DESTINATION_IPV4_ADDRESS, &[1; 3])]);
    assert_eq!((flow.src_addr, flow.dst_addr, flow.rare().extras.len()), (None, None, 2));
}

#[test]
fn padding_is_no_extra() {
    let flow = flow_of(&[iana(ie::PROTOCOL_IDENTIFIER, &[6]), iana(ie::PADDING_OCTETS, &[0, 0, 0])]);
    assert!(flow.rare().extras.is_empty());
}

#[test]
fn times_in_every_unit() {
    let start = Timestamp::from_secs(NOW - 10);
    let check = |fields: &[FieldValue<'_>], start, quality| {
        let flow = flow_of(fields);
        assert_eq!((flow.time_flow_start, flow.time_quality), (Some(start), quality), "{fields:?}");
    };
    let ntp = (((NOW - 10 + 2_208_988_800) as u64) << 32).to_be_bytes();
    check(&[iana(150, &((NOW - 10) as u32).to_be_bytes())], start, TimeQuality::Exact);
    check(&[iana(152, &((NOW - 10) * 1000).to_be_bytes())], start, TimeQuality::Exact);
    check(&[iana(154, &ntp)], start, TimeQuality::Exact);
    check(&[iana(156, &ntp)], start, TimeQuality::Exact);
    check(&[iana(158, &10_000_000u32.to_be_bytes())], start, TimeQuality::Relative);
    // The most precise one counts.
    check(&[iana(150, &[0; 4]), iana(156, &ntp)], start, TimeQuality::Exact);
    // A length that the type does not have is kept as it is.
    let flow = flow_of(&[iana(154, &[1; 16])]);
    assert_eq!((flow.time_flow_start, flow.time_quality), (None, TimeQuality::Missing));
    assert_eq!(flow.rare().extras.get("flowStartMicroseconds"), Some(Value::Octets(&[1; 16])));
}

#[test]
fn ends_follow_from_durations_and_events() {
    let millis = ((NOW - 10) * 1000).to_be_bytes();
    let flow = flow_of(&[iana(152, &millis), iana(ie::FLOW_DURATION_MILLISECONDS, &4_000u32.to_be_bytes())]);
    assert_eq!(flow.time_flow_end, Some(Timestamp::from_secs(NOW - 6)));
    let flow =
        flow_of(&[iana(ie::FLOW_DURATION_MICROSECONDS, &4_000_000u32.to_be_bytes()), iana(153, &millis)]);
    assert_eq!(flow.time_flow_start, Some(Timestamp::from_secs(NOW - 14)));
    let flow = flow_of(&[iana(ie::OBSERVATION_TIME_MILLISECONDS, &millis), iana(ie::FIREWALL_EVENT, &[1])]);
    assert_eq!(flow.time_flow_end, Some(Timestamp::from_secs(NOW - 10)));
    let flow = flow_of(&[iana(ie::FIREWALL_EVENT, &[1])]);
    assert_eq!(
        (flow.time_flow_end, flow.time_quality),
        (Some(Timestamp::from_secs(NOW)), TimeQuality::Estimated)
    );
}

#[test]
fn uptimes_without_a_start_are_estimated_from_the_last_flow() {
    let (start, end) = (5_000u32.to_be_bytes(), 9_000u32.to_be_bytes());
    let fields = [iana(ie::FLOW_START_SYS_UP_TIME, &start), iana(ie::FLOW_END_SYS_UP_TIME, &end)];
    let flow = flow_of(&fields);
    assert_eq!(flow.time_flow_end, Some(Timestamp::from_secs(NOW)));
    assert_eq!(flow.time_flow_start, Some(Timestamp::from_secs(NOW - 4)));
    assert_eq!(flow.time_quality, TimeQuality::Estimated);
}

#[test]
fn uptimes_are_relative_to_the_start_that_options_data_tell() {
    let init = ((NOW - 100) * 1000).to_be_bytes();
    let options = [iana(143, &[0, 0, 0, 1]), iana(ie::SYSTEM_INIT_TIME_MILLISECONDS, &init)];
    let start = 40_000u32.to_be_bytes();
    let flows = decode(
        &mut Session::new(),
        ipfix_packet(7, &[(true, &options), (false, &[iana(ie::FLOW_START_SYS_UP_TIME, &start)])]),
    );
    assert_eq!(flows[0].time_flow_start, Some(Timestamp::from_secs(NOW - 60)));
    assert_eq!(flows[0].time_quality, TimeQuality::Relative);
}

#[test]
fn uptimes_are_relative_to_the_start_in_the_record() {
    let init = ((NOW - 100) * 1000).to_be_bytes();
    let start = 40_000u32.to_be_bytes();
    let flow =
        flow_of(&[iana(ie::FLOW_START_SYS_UP_TIME, &start), iana(ie::SYSTEM_INIT_TIME_MILLISECONDS, &init)]);
    assert_eq!(flow.time_flow_start, Some(Timestamp::from_secs(NOW - 60)));
}

#[test]
fn v9_uptimes_of_eight_octets_are_read_by_their_length() {
    let header = v9::Header { uptime_millis: 60_000, unix_seconds: NOW as u32, ..v9::Header::default() };
    let start = 50_000u64.to_be_bytes();
    let fields = [iana(ie::FLOW_START_SYS_UP_TIME, &start)];
    let flows = decode(&mut Session::new(), packet(Header::V9(header), &[(false, &fields)]));
    assert_eq!(flows[0].time_flow_start, Some(Timestamp::from_secs(NOW - 10)));
}

/// Rate and source of the one flow, after options data of `domain`.
fn sampled(domain: u32, options: &[FieldValue<'_>], fields: &[FieldValue<'_>]) -> (u64, SamplingSource) {
    let mut session = Session::new();
    if !options.is_empty() {
        decode(&mut session, ipfix_packet(domain, &[(true, options)]));
    }
    let flow = &decode(&mut session, ipfix_packet(7, &[(false, fields)]))[0];
    (flow.sampling_rate, flow.sampling_source)
}

#[test]
fn sampling_rates_from_every_source() {
    use SamplingSource as S;
    let port = iana(ie::SOURCE_TRANSPORT_PORT, &[0, 80]);
    let scope = iana(ie::EXPORTING_PROCESS_ID, &[0, 0, 0, 1]);
    assert_eq!(sampled(7, &[], &[port]), (1, S::Assumed));
    assert_eq!(sampled(7, &[], &[iana(ie::SAMPLING_INTERVAL, &[100])]), (100, S::Record));
    assert_eq!(sampled(7, &[], &[iana(ie::SAMPLING_INTERVAL, &[0])]), (1, S::Assumed));
    let spaced = [iana(ie::SAMPLING_PACKET_INTERVAL, &[1]), iana(ie::SAMPLING_PACKET_SPACE, &[0x01, 0xf3])];
    assert_eq!(sampled(7, &[], &spaced), (500, S::Record));
    let spaced = [scope, spaced[0], spaced[1]];
    assert_eq!(sampled(7, &spaced, &[port]), (500, S::Options));
    assert_eq!(sampled(8, &spaced, &[port]), (500, S::OptionsOtherDomain));
    let population = [scope, iana(ie::SAMPLING_SIZE, &[2]), iana(ie::SAMPLING_POPULATION, &[0x07, 0xd0])];
    assert_eq!(sampled(7, &population, &[port]), (1_000, S::Options));
    let random = [iana(ie::SAMPLER_ID, &[3]), iana(ie::SAMPLER_RANDOM_INTERVAL, &[0x01, 0x00])];
    assert_eq!(sampled(7, &random, &[iana(ie::SAMPLER_ID, &[3])]), (256, S::Options));
    // A record without a sampler: the only one that there is.
    assert_eq!(sampled(7, &random, &[port]), (256, S::Options));
    let interface = [iana(ie::INGRESS_INTERFACE, &[4]), iana(ie::SAMPLING_INTERVAL, &[64])];
    assert_eq!(sampled(7, &interface, &[iana(ie::INGRESS_INTERFACE, &[4])]), (64, S::Options));
    let zero = [scope, iana(ie::SAMPLING_INTERVAL, &[0])];
    assert_eq!(sampled(7, &zero, &[port]), (1, S::Assumed));
}

#[test]
fn options_data_say_nothing_about_v5_from_the_same_address() {
    let mut session = Session::new();
    let scope = iana(ie::EXPORTING_PROCESS_ID, &[0, 0, 0, 1]);
    decode(&mut session, ipfix_packet(3 << 8 | 7, &[(true, &[scope, iana(ie::SAMPLING_INTERVAL, &[100])])]));
    let mut packet = MessageEncoder::new(Header::V5(v5_header(60_000)));
    packet.record(&v5::Record::default());
    let flow = &decode(&mut session, packet.finish())[0];
    assert_eq!((flow.sampling_rate, flow.sampling_source), (10, SamplingSource::Header));
}

#[test]
fn names_of_interfaces_vrfs_and_applications_are_joined() {
    let mut session = Session::new();
    let interface = [iana(ie::INGRESS_INTERFACE, &[4]), iana(ie::INTERFACE_NAME, b"ge-0/0/4")];
    let other = [iana(ie::INGRESS_INTERFACE, &[5]), iana(ie::INTERFACE_DESCRIPTION, b"uplink")];
    let vrf = [iana(ie::INGRESS_VRF_ID, &[9]), iana(ie::VRF_NAME, b"blue")];
    let application =
        [iana(ie::APPLICATION_ID, &[13, 0, 1, 0xc5]), iana(ie::APPLICATION_NAME, b"bittorrent")];
    let sets = [(true, &interface[..]), (true, &other), (true, &vrf), (true, &application)];
    decode(&mut session, ipfix_packet(8, &sets));
    let flow = |session: &mut Session, fields: &[FieldValue<'_>]| {
        decode(session, ipfix_packet(7, &[(false, fields)])).remove(0)
    };
    let named = flow(
        &mut session,
        &[
            iana(ie::INGRESS_INTERFACE, &[4]),
            iana(ie::EGRESS_INTERFACE, &[5]),
            iana(ie::INGRESS_VRF_ID, &[9]),
            iana(ie::APPLICATION_ID, &[13, 0x01, 0xc5]),
        ],
    );
    let rare = named.rare();
    assert_eq!((rare.in_if_name.as_str(), rare.out_if_name.as_str()), ("ge-0/0/4", "uplink"));
    assert_eq!((rare.in_vrf_name.as_str(), rare.app_name.as_str()), ("blue", "bittorrent"));
    // What the record says itself counts; unknown numbers have no name.
    let own = flow(&mut session, &[iana(ie::INGRESS_INTERFACE, &[4]), iana(ie::INTERFACE_NAME, b"lan")]);
    assert_eq!((own.rare().in_if_name.as_str(), own.rare().out_if_name.as_str()), ("lan", ""));
    let unknown = flow(&mut session, &[iana(ie::INGRESS_INTERFACE, &[6])]);
    assert_eq!(unknown.rare(), &crate::Rare::default());
}

#[test]
fn the_user_is_believed_before_everyone() {
    let mut sink = FlowSink::new(Normalizer::with_sampling_override(std::num::NonZeroU64::new(1_000)));
    let packet = ipfix_packet(7, &[(false, &[iana(ie::SAMPLING_INTERVAL, &[100])])]);
    Session::new().decode(EXPORTER, Timestamp::EPOCH, &packet, &mut sink).unwrap();
    let flow = sink.flows.get(0).unwrap();
    assert_eq!((flow.sampling_rate(), flow.sampling_source()), (1_000, SamplingSource::Override));
}

#[test]
fn icmp_type_and_code_of_one_version_of_ip_are_not_lost_to_zeros_of_the_other() {
    let icmp = |proto: u8, fields: [FieldValue<'_>; 2]| {
        let flow = flow_of(&[&[iana(ie::PROTOCOL_IDENTIFIER, &[proto])], &fields[..]].concat());
        (flow.icmp_type, flow.icmp_code)
    };
    let (v4, v6) = (ie::ICMP_TYPE_CODE_IPV4, ie::ICMP_TYPE_CODE_IPV6);
    for (proto, said, zero) in [(1, v4, v6), (58, v6, v4)] {
        let both = [iana(said, &[3, 1]), iana(zero, &[0, 0])];
        for fields in [both, [both[1], both[0]]] {
            assert_eq!(icmp(proto, fields), (Some(3), Some(1)));
        }
        assert_eq!(icmp(proto, [iana(said, &[0, 0]), iana(zero, &[0, 0])]), (Some(0), Some(0)));
    }
    let (types, codes) = ([ie::ICMP_TYPE_IPV4, ie::ICMP_TYPE_IPV6], [ie::ICMP_CODE_IPV4, ie::ICMP_CODE_IPV6]);
    for [said, zero] in [[0, 1], [1, 0]] {
        assert_eq!(icmp(1, [iana(types[said], &[3]), iana(types[zero], &[0])]), (Some(3), None));
        assert_eq!(icmp(1, [iana(codes[said], &[1]), iana(codes[zero], &[0])]), (None, Some(1)));
    }
    // What is said of one of them completes the other.
    for fields in [[iana(codes[0], &[1]), iana(v4, &[3, 1])], [iana(v4, &[3, 1]), iana(codes[0], &[1])]] {
        assert_eq!(icmp(1, fields), (Some(3), Some(1)));
    }
}

#[test]
fn icmp_without_type_and_code_and_ports_has_neither() {
    let record = [iana(ie::PROTOCOL_IDENTIFIER, &[1]), iana(ie::OCTET_DELTA_COUNT, &[84])];
    let v9 = v9::Header { unix_seconds: NOW as u32, ..v9::Header::default() };
    for packet in [ipfix_packet(7, &[(false, &record)]), packet(Header::V9(v9), &[(false, &record)])] {
        let [flow] = &decode(&mut Session::new(), packet)[..] else { panic!() };
        assert_eq!((flow.proto, flow.icmp_type, flow.icmp_code), (1, None, None));
        assert!(!Quality(flow.quality).contains(Quality::ICMP_FROM_PORT));
    }
    // One port is enough.
    for id in [ie::SOURCE_TRANSPORT_PORT, ie::DESTINATION_TRANSPORT_PORT, ie::UDP_DESTINATION_PORT] {
        let flow = flow_of(&[record[0], iana(id, &[3, 1])]);
        assert_eq!((flow.icmp_type, flow.icmp_code), (Some(3), Some(1)));
    }
}

#[test]
fn icmp_type_and_code_from_every_place() {
    let proto = iana(ie::PROTOCOL_IDENTIFIER, &[1]);
    let icmp = |fields: &[FieldValue<'_>]| {
        let flow = flow_of(fields);
        (flow.proto, flow.icmp_type, flow.icmp_code)
    };
    assert_eq!(icmp(&[proto, iana(ie::ICMP_TYPE_CODE_IPV4, &[3, 1])]), (1, Some(3), Some(1)));
    assert_eq!(icmp(&[proto, iana(176, &[3]), iana(177, &[1])]), (1, Some(3), Some(1)));
    let (src, dst) = (ie::SOURCE_TRANSPORT_PORT, ie::DESTINATION_TRANSPORT_PORT);
    assert_eq!(icmp(&[proto, iana(src, &[0, 0]), iana(dst, &[3, 1])]), (1, Some(3), Some(1)));
    assert_eq!(icmp(&[proto, iana(src, &[3, 1]), iana(dst, &[0, 0])]), (1, Some(3), Some(1)));
    // softflowd leaves the protocol out of its templates for ICMP.
    assert_eq!(icmp(&[iana(ie::ICMP_TYPE_CODE_IPV6, &[0x80, 0])]), (58, Some(128), Some(0)));
    // For other protocols the field is there, and means nothing.
    let tcp = iana(ie::PROTOCOL_IDENTIFIER, &[6]);
    assert_eq!(icmp(&[tcp, iana(ie::ICMP_TYPE_CODE_IPV4, &[0, 0]), iana(dst, &[3, 1])]), (6, None, None));
}

#[test]
fn mpls_labels_without_the_empty_places() {
    let flow = flow_of(&[iana(70, &[0x00, 0x01, 0x00]), iana(71, &[0x00, 0x02, 0x01]), iana(72, &[0, 0, 0])]);
    assert_eq!(flow.rare().mpls_labels, [16, 32]);
}

#[test]
fn biflows_have_a_reverse_side() {
    let forward = ((NOW - 10) * 1000).to_be_bytes();
    let reverse = ((NOW - 9) * 1000).to_be_bytes();
    let flow = flow_of(&[
        iana(ie::OCTET_DELTA_COUNT, &[100]),
        (enterprise::REVERSE, ie::OCTET_DELTA_COUNT, &[200]),
        (enterprise::REVERSE, ie::PACKET_DELTA_COUNT, &[3]),
        (enterprise::REVERSE, ie::TCP_CONTROL_BITS, &[0x12]),
        (enterprise::REVERSE, 152, &reverse),
        iana(152, &forward),
    ]);
    let rare = flow.rare();
    assert_eq!((flow.bytes_raw, rare.reverse_bytes, rare.reverse_packets), (100, Some(200), Some(3)));
    assert_eq!(rare.reverse_tcp_flags, Some(0x12));
    assert_eq!(rare.reverse_start, Some(Timestamp::from_secs(NOW - 9)));
    assert_eq!(flow.time_flow_start, Some(Timestamp::from_secs(NOW - 10)));
}

#[test]
fn post_counters_are_not_the_reverse_direction() {
    let flow = flow_of(&[iana(ie::OCTET_DELTA_COUNT, &[100]), iana(ie::POST_OCTET_DELTA_COUNT, &[90])]);
    assert_eq!((flow.rare().post_bytes, flow.rare().reverse_bytes), (Some(90), None));
}

#[test]
fn wrong_directions_are_left_out() {
    assert_eq!(flow_of(&[iana(ie::FLOW_DIRECTION, &[1])]).direction, Some(1));
    let flow = flow_of(&[iana(ie::FLOW_DIRECTION, &[7])]);
    assert_eq!(flow.direction, None);
    assert!(Quality(flow.quality).contains(Quality::INVALID_VALUE));
}

#[test]
fn records_are_numbered_through_their_packet() {
    let (first, second) = ([iana(4, &[6])], [iana(4, &[17])]);
    let flows = decode(&mut Session::new(), ipfix_packet(7, &[(false, &first), (false, &second)]));
    let numbers: Vec<_> = flows.iter().map(|flow| (flow.record_index, flow.template_id)).collect();
    assert_eq!(numbers, [(0, Some(256)), (1, Some(257))]);
}

#[test]
fn cleared_flows_leave_nothing_behind() {
    let (mut session, mut sink) = (Session::new(), FlowSink::default());
    let names = [iana(ie::INTERFACE_NAME, b"eth0"), iana(ie::OCTET_TOTAL_SUM_OF_SQUARES, &[4])];
    session.decode(EXPORTER, Timestamp::EPOCH, &ipfix_packet(7, &[(false, &names)]), &mut sink).unwrap();
    assert_eq!(sink.flows.to_vec()[0].rare().in_if_name, "eth0");
    sink.flows.clear();
    let other = [iana(ie::APPLICATION_NAME, b"dns")];
    session.decode(EXPORTER, Timestamp::EPOCH, &ipfix_packet(7, &[(false, &other)]), &mut sink).unwrap();
    let flows = sink.flows.to_vec();
    let rare = flows[0].rare();
    assert_eq!((rare.app_name.as_str(), rare.in_if_name.as_str(), rare.extras.len()), ("dns", "", 0));
}

#[test]
fn lists_are_extras_as_json_text() {
    let flow = flow_of(&[iana(ie::BASIC_LIST, &[3, 0, 7, 0, 2, 0, 80, 1, 0xbb])]);
    let text = r#"{"semantic":"allOf","values":[80,443]}"#;
    assert_eq!(flow.rare().extras.get("basicList"), Some(Value::String(text.into())));
}

#[test]
fn extras_keep_the_type_of_their_element() {
    let flow = flow_of(&[iana(ie::MINIMUM_IP_TOTAL_LENGTH, &[0, 40])]);
    assert_eq!(
        DataType::Unsigned64.decode(&[0, 40]),
        flow.rare().extras.get("minimumIpTotalLength").unwrap()
    );
}
