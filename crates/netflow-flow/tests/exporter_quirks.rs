//! What real exporters do otherwise than the RFCs say, and what becomes of it: the values of flows. The table is
//! docs/exporter-quirks.md, and that of features docs/features.md.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::path::Path;

use netflow_flow::{Flow, FlowSink, MacAddress, Normalizer, Quality, SamplingSource, TimeQuality, Value};
use netflow_templates::{Exporter, Session, Timestamp};
use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, element_id as ie, enterprise, ipfix, v5, v9,
};

const EXPORTER: Exporter = Exporter { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 254)), port: 40_000 };
/// Export time of the packets, in seconds.
const NOW: i64 = 1_714_564_800;

fn normalized(normalizer: Normalizer, packets: &[Vec<u8>]) -> Vec<Flow> {
    let mut sink = FlowSink::new(normalizer);
    let mut session = Session::new();
    for packet in packets {
        session.decode(EXPORTER, Timestamp::from_secs(NOW), packet, &mut sink).unwrap();
    }
    sink.flows.to_vec()
}

/// The flows of export packets of one exporter.
fn flows(packets: &[Vec<u8>]) -> Vec<Flow> {
    normalized(Normalizer::new(), packets)
}

/// A field of a template and its value in the only record.
type FieldValue<'a> = (FieldSpecifier, &'a [u8]);

fn iana(id: u16, octets: &[u8]) -> FieldValue<'_> {
    (FieldSpecifier::iana(id, octets.len() as u16), octets)
}

/// A set with a template and one record of it; of options data the first field is the scope.
fn add(packet: &mut MessageEncoder, template_id: u16, options: bool, fields: &[FieldValue<'_>]) {
    let specifiers = fields.iter().map(|(specifier, _)| *specifier).collect();
    let scope_count = options.into();
    let definition = TemplateDefinition { template_id, scope_count, options, fields: specifiers, offset: 0 };
    packet.template(&definition).begin_set(template_id);
    for (_, octets) in fields {
        packet.octets(octets);
    }
}

fn ipfix(domain: u32) -> MessageEncoder {
    let export_time = NOW as u32;
    let header = ipfix::Header { export_time, observation_domain_id: domain, ..ipfix::Header::default() };
    MessageEncoder::new(Header::Ipfix(header))
}

/// A v9 packet with one record.
fn v9_record(uptime_millis: u32, fields: &[FieldValue<'_>]) -> Vec<u8> {
    let header = v9::Header { uptime_millis, unix_seconds: NOW as u32, ..v9::Header::default() };
    let mut packet = MessageEncoder::new(Header::V9(header));
    add(&mut packet, 256, false, fields);
    packet.finish()
}

/// An IPFIX packet of domain 7 with one record.
fn record(fields: &[FieldValue<'_>]) -> Vec<u8> {
    let mut packet = ipfix(7);
    add(&mut packet, 256, false, fields);
    packet.finish()
}

/// An IPFIX packet with one options record.
fn options(domain: u32, fields: &[FieldValue<'_>]) -> Vec<u8> {
    let mut packet = ipfix(domain);
    add(&mut packet, 300, true, fields);
    packet.finish()
}

/// The flow of one IPFIX record.
fn flow(fields: &[FieldValue<'_>]) -> Flow {
    let mut flows = flows(&[record(fields)]);
    assert_eq!(flows.len(), 1);
    flows.remove(0)
}

/// Octets that real exporters sent; `None`, and a note, when the captures are not there.
fn captured(name: &str, packets: usize) -> Option<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures");
    if !folder.is_dir() {
        #[allow(clippy::print_stderr, reason = "this is where a test says it")]
        {
            eprintln!("skipped: {} is not there", folder.display());
        }
        return None;
    }
    let file = |number| std::fs::read(folder.join(format!("{name}.{number}.dat"))).unwrap();
    Some((1..=packets).map(file).collect())
}

fn port() -> FieldValue<'static> {
    iana(ie::SOURCE_TRANSPORT_PORT, &[0, 80])
}

fn scope() -> FieldValue<'static> {
    iana(ie::EXPORTING_PROCESS_ID, &[0, 0, 0, 1])
}

fn is_inferred(flow: &Flow) -> bool {
    Quality(flow.quality).contains(Quality::INFERRED)
}

mod addresses {
    use super::*;

    #[test]
    fn mikrotik_sends_addresses_behind_nat_in_fields_of_their_own() {
        let flow = flow(&[
            iana(ie::SOURCE_IPV4_ADDRESS, &[10, 10, 8, 197]),
            iana(ie::POST_NAT_SOURCE_IPV4_ADDRESS, &[192, 0, 2, 1]),
            iana(ie::POST_NAT_DESTINATION_IPV4_ADDRESS, &[198, 51, 100, 1]),
            iana(ie::POST_NAPT_SOURCE_TRANSPORT_PORT, &[0xc3, 0x50]),
        ]);
        assert_eq!(flow.src_addr, Some([10, 10, 8, 197].into()), "not overwritten");
        assert_eq!(flow.rare().post_nat_src_addr, Some([192, 0, 2, 1].into()));
        assert_eq!(flow.rare().post_nat_src_port, Some(50_000));
        // What is only there behind the translation stays there.
        assert_eq!((flow.dst_addr, flow.src_port), (None, 0));
        assert_eq!(flow.rare().post_nat_dst_addr, Some([198, 51, 100, 1].into()));
    }

    #[test]
    fn mikrotik_of_a_capture_has_both_sides_of_nat() {
        let Some(packets) = captured("logstash_ipfix_mikrotik_routeros_6_39_2", 3) else { return };
        let flows = flows(&packets);
        assert_eq!(flows.len(), 46);
        assert_eq!(flows.iter().map(|flow| flow.bytes_raw).sum::<u64>(), 103_235);
        assert_eq!(flows[0].src_addr, Some([10, 10, 8, 197].into()));
        assert_eq!(flows[0].rare().post_nat_src_addr, Some([192, 168, 230, 216].into()));
    }

    #[test]
    fn mac_addresses_are_found_in_57_or_80() {
        let (a, b) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let macs = |fields: &[FieldValue<'_>]| {
            let flow = flow(fields);
            (flow.rare().src_mac, flow.rare().dst_mac)
        };
        let (source, destination) = (iana(ie::SOURCE_MAC_ADDRESS, &a), iana(ie::DESTINATION_MAC_ADDRESS, &b));
        let both = (Some(MacAddress(a)), Some(MacAddress(b)));
        assert_eq!(macs(&[source, destination]), both);
        assert_eq!(macs(&[source, iana(ie::POST_DESTINATION_MAC_ADDRESS, &b)]), both);
        assert_eq!(macs(&[iana(ie::POST_SOURCE_MAC_ADDRESS, &a), destination]), both);
        let notes = |fields: &[FieldValue<'_>]| is_inferred(&flow(fields));
        assert!(
            !notes(&[source, destination]) && notes(&[source, iana(ie::POST_DESTINATION_MAC_ADDRESS, &b)])
        );
        // With both, what came in counts.
        assert_eq!(macs(&[iana(ie::POST_DESTINATION_MAC_ADDRESS, &a), source, destination]), both);
    }

    #[test]
    fn physical_interfaces_stand_in_for_the_logical_ones() {
        let physical =
            [iana(ie::INGRESS_PHYSICAL_INTERFACE, &[0, 4]), iana(ie::EGRESS_PHYSICAL_INTERFACE, &[0, 5])];
        let only = flow(&physical);
        assert_eq!((only.in_if, only.out_if), (4, 5));
        let logical = [iana(ie::INGRESS_INTERFACE, &[0, 14]), iana(ie::EGRESS_INTERFACE, &[0, 15])];
        let both = flow(&[physical[0], physical[1], logical[0], logical[1]]);
        assert_eq!((both.in_if, both.out_if), (14, 15));
        assert_eq!(both.rare().extras.get("ingressPhysicalInterface"), Some(Value::Unsigned(4)));
        assert_eq!((is_inferred(&only), is_inferred(&both)), (true, false));
    }

    #[test]
    fn of_ipv4_and_ipv6_addresses_in_one_record_the_zeros_do_not_count() {
        let v6 = "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap();
        let (zero, address) =
            (iana(ie::SOURCE_IPV4_ADDRESS, &[0; 4]), iana(ie::SOURCE_IPV4_ADDRESS, &[192, 0, 2, 1]));
        let six = v6.octets();
        let with_v6 = flow(&[zero, iana(ie::SOURCE_IPV6_ADDRESS, &six), iana(ie::IP_VERSION, &[6])]);
        assert_eq!((with_v6.src_addr, with_v6.ip_version), (Some(v6.into()), 6));
        let with_v4 = flow(&[iana(ie::SOURCE_IPV6_ADDRESS, &[0; 16]), address]);
        assert_eq!((with_v4.src_addr, with_v4.ip_version), (Some([192, 0, 2, 1].into()), 4));
    }

    #[test]
    fn a_direction_that_is_neither_0_nor_1_is_absent_and_noted() {
        for (octet, direction) in [(0, Some(0)), (1, Some(1)), (2, None), (255, None)] {
            let flow = flow(&[iana(ie::FLOW_DIRECTION, &[octet])]);
            assert_eq!(flow.direction, direction);
            let noted = Quality(flow.quality).contains(Quality::INVALID_VALUE);
            assert_eq!(noted, direction.is_none(), "{octet}");
        }
    }
}

mod icmp {
    use super::*;

    #[test]
    fn cisco_sends_icmp_type_and_code_in_a_port() {
        let ports = |proto: u8, src: &[u8; 2], dst: &[u8; 2]| {
            let flow = flow(&[
                iana(ie::PROTOCOL_IDENTIFIER, &[proto]),
                iana(ie::SOURCE_TRANSPORT_PORT, src),
                iana(ie::DESTINATION_TRANSPORT_PORT, dst),
            ]);
            (flow.icmp_type, flow.icmp_code)
        };
        assert_eq!(ports(1, &[0, 0], &[8, 0]), (Some(8), Some(0)));
        assert_eq!(ports(1, &[3, 1], &[0, 0]), (Some(3), Some(1)));
        assert_eq!(ports(58, &[0, 0], &[135, 0]), (Some(135), Some(0)));
        assert_eq!(ports(1, &[9, 9], &[3, 1]), (Some(3), Some(1)), "the destination port counts first");
        assert_eq!(ports(6, &[0, 0], &[8, 0]), (None, None));
    }

    #[test]
    fn icmp_type_and_code_out_of_a_port_are_noted() {
        let noted =
            |packets: &[Vec<u8>]| Quality(flows(packets)[0].quality).contains(Quality::ICMP_FROM_PORT);
        let port = iana(ie::DESTINATION_TRANSPORT_PORT, &[8, 0]);
        let of = |proto: &'static [u8]| iana(ie::PROTOCOL_IDENTIFIER, proto);
        assert!(noted(&[record(&[of(&[1]), port])]) && noted(&[v9_record(0, &[of(&[58]), port])]));
        assert!(!noted(&[record(&[of(&[6]), port])]));
        assert!(!noted(&[record(&[of(&[1]), port, iana(ie::ICMP_TYPE_CODE_IPV4, &[8, 0])])]));
        // Version 5 has no other place for them.
        let mut packet = MessageEncoder::new(Header::V5(v5::Header { count: 1, ..v5::Header::default() }));
        packet.record(&v5::Record { dst_port: 0x800, protocol: 1, ..v5::Record::default() });
        let packet = packet.finish();
        assert_eq!(flows(std::slice::from_ref(&packet))[0].icmp_type, Some(8));
        assert!(!noted(&[packet]));
    }

    #[test]
    fn icmp_type_and_code_that_are_said_to_be_zero_are_an_echo_reply_whatever_the_ports() {
        // Some exporters put the identifier of an echo into the ports.
        let fields = [iana(ie::PROTOCOL_IDENTIFIER, &[1]), iana(ie::DESTINATION_TRANSPORT_PORT, &[18, 52])];
        let (zero, both) = (&[0][..], iana(ie::ICMP_TYPE_CODE_IPV4, &[0, 0]));
        let (kind, code) = (iana(ie::ICMP_TYPE_IPV4, zero), iana(ie::ICMP_CODE_IPV4, zero));
        for said in [vec![both], vec![kind, code]] {
            let flow = flow(&[&fields[..], &said].concat());
            assert_eq!((flow.icmp_type, flow.icmp_code), (Some(0), Some(0)));
        }
        let six = [iana(ie::PROTOCOL_IDENTIFIER, &[58]), fields[1]];
        let said = [iana(ie::ICMP_TYPE_IPV6, &[129]), iana(ie::ICMP_CODE_IPV6, zero)];
        let six = flow(&[six, said].concat());
        assert_eq!((six.icmp_type, six.icmp_code), (Some(129), Some(0)));
        let only_type = flow(&[fields[0], fields[1], kind]);
        assert_eq!((only_type.icmp_type, only_type.icmp_code), (Some(0), None));
    }

    #[test]
    fn softflowd_leaves_the_protocol_out_of_its_templates_for_icmp() {
        let echo = flow(&[iana(ie::ICMP_TYPE_CODE_IPV4, &[8, 0])]);
        assert_eq!((echo.proto, echo.icmp_type, echo.icmp_code), (1, Some(8), Some(0)));
        let solicitation = flow(&[iana(ie::ICMP_TYPE_CODE_IPV6, &[135, 0])]);
        assert_eq!((solicitation.proto, solicitation.icmp_type), (58, Some(135)));
        // One that says its protocol is believed.
        let tcp = flow(&[iana(ie::ICMP_TYPE_CODE_IPV4, &[0, 0]), iana(ie::PROTOCOL_IDENTIFIER, &[6])]);
        assert_eq!((tcp.proto, tcp.icmp_type), (6, None));
        assert!(is_inferred(&echo) && !is_inferred(&tcp));
    }
}

mod times {
    use super::*;

    /// A time before the export.
    fn before(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp::from_secs(NOW - seconds))
    }

    #[test]
    fn nexus_7700_sends_uptimes_in_eight_octets() {
        let (start, end) = (50_000u64.to_be_bytes(), 58_000u64.to_be_bytes());
        let fields = [iana(ie::FLOW_START_SYS_UP_TIME, &start), iana(ie::FLOW_END_SYS_UP_TIME, &end)];
        let flow = flows(&[v9_record(60_000, &fields)]).remove(0);
        assert_eq!((flow.time_flow_start, flow.time_flow_end), (before(10), before(2)));
        assert_eq!(flow.time_quality, TimeQuality::Relative);
    }

    #[test]
    fn ios_xr_sends_uptimes_in_ipfix_without_saying_when_it_started() {
        let (start, end) = (5_000u32.to_be_bytes(), 9_000u32.to_be_bytes());
        let uptimes = [iana(ie::FLOW_START_SYS_UP_TIME, &start), iana(ie::FLOW_END_SYS_UP_TIME, &end)];
        let estimated = flow(&uptimes);
        assert_eq!(estimated.time_quality, TimeQuality::Estimated);
        assert_eq!((estimated.time_flow_start, estimated.time_flow_end), (before(4), before(0)));
        // With systemInitTimeMilliseconds, in the record or in options data, they are what they say.
        let init = ((NOW - 100) * 1_000).to_be_bytes();
        let init = iana(ie::SYSTEM_INIT_TIME_MILLISECONDS, &init);
        let said = [
            vec![record(&[uptimes[0], uptimes[1], init])],
            vec![options(7, &[scope(), init]), record(&uptimes)],
        ];
        for packets in said {
            let flow = flows(&packets).remove(0);
            assert_eq!(flow.time_quality, TimeQuality::Relative);
            assert_eq!((flow.time_flow_start, flow.time_flow_end), (before(95), before(91)));
        }
    }

    #[test]
    fn sophos_sends_times_in_seconds() {
        let (start, end) = (((NOW - 10) as u32).to_be_bytes(), ((NOW - 2) as u32).to_be_bytes());
        let flow = flow(&[iana(ie::FLOW_START_SECONDS, &start), iana(ie::FLOW_END_SECONDS, &end)]);
        assert_eq!((flow.time_flow_start, flow.time_flow_end), (before(10), before(2)));
        assert_eq!(flow.time_quality, TimeQuality::Exact);
    }

    #[test]
    fn meraki_and_viptela_mix_elements_of_time() {
        let (start, end) = (((NOW - 10) * 1_000).to_be_bytes(), ((NOW - 2) as u32).to_be_bytes());
        let end = iana(ie::FLOW_END_SECONDS, &end);
        let mixed = flow(&[iana(ie::FLOW_START_MILLISECONDS, &start), end]);
        assert_eq!((mixed.time_flow_start, mixed.time_flow_end), (before(10), before(2)));
        let duration = 8_000u32.to_be_bytes();
        let only_end = flow(&[end, iana(ie::FLOW_DURATION_MILLISECONDS, &duration)]);
        assert_eq!(only_end.time_flow_start, before(10));
        let neither = flow(&[port()]);
        assert_eq!((neither.time_flow_start, neither.time_quality), (None, TimeQuality::Missing));
    }

    #[test]
    fn palo_alto_sends_events_without_their_time() {
        let event = flow(&[iana(ie::FIREWALL_EVENT, &[2]), port()]);
        assert_eq!((event.time_flow_start, event.time_flow_end), (before(0), before(0)));
        assert_eq!(event.time_quality, TimeQuality::Estimated);
    }

    #[test]
    fn fractions_of_seconds_are_parts_of_2_to_the_32() {
        let half = (((NOW - 10 + 2_208_988_800) as u64) << 32 | 1 << 31).to_be_bytes();
        let start = Timestamp::from_secs(NOW - 10).saturating_add_nanos(500_000_000);
        for id in [ie::FLOW_START_MICROSECONDS, ie::FLOW_START_NANOSECONDS] {
            let flow = flow(&[iana(id, &half)]);
            assert_eq!((flow.time_flow_start, flow.time_quality), (Some(start), TimeQuality::Exact));
        }
    }
}

mod sampling {
    use super::*;
    use SamplingSource as S;

    /// Rate and source of the last flow.
    fn rate(packets: &[Vec<u8>]) -> (u64, SamplingSource) {
        let flow = flows(packets).pop().unwrap();
        (flow.sampling_rate, flow.sampling_source)
    }

    #[test]
    fn juniper_ptx_and_huawei_say_an_interval_of_zero() {
        for id in [ie::SAMPLING_INTERVAL, ie::SAMPLER_RANDOM_INTERVAL, ie::SAMPLING_PACKET_INTERVAL] {
            let zero = iana(id, &[0; 4]);
            assert_eq!(rate(&[record(&[port(), zero])]), (1, S::Assumed), "element {id}");
            assert_eq!(rate(&[options(7, &[scope(), zero]), record(&[port()])]), (1, S::Assumed));
        }
        let flow = flow(&[iana(ie::OCTET_DELTA_COUNT, &[100]), iana(ie::SAMPLING_INTERVAL, &[0])]);
        assert_eq!(flow.bytes(), 100, "never times zero");
        // Of two samplers, one without an interval, each counts for its own records.
        let sampler = |id: &'static [u8], interval: &'static [u8]| {
            options(7, &[iana(ie::SAMPLER_ID, id), iana(ie::SAMPLER_RANDOM_INTERVAL, interval)])
        };
        let of = |id: &'static [u8]| {
            let data = record(&[port(), iana(ie::SAMPLER_ID, id)]);
            rate(&[sampler(&[1], &[0, 0]), sampler(&[2], &[3, 232]), data])
        };
        assert_eq!((of(&[1]), of(&[2])), ((1, S::Assumed), (1_000, S::Options)));
    }

    #[test]
    fn juniper_qfx_and_fortigate_are_overridden_by_the_user() {
        let said = record(&[iana(ie::OCTET_DELTA_COUNT, &[100]), iana(ie::SAMPLING_INTERVAL, &[4, 16])]);
        assert_eq!(rate(std::slice::from_ref(&said)), (1_040, S::Record), "shown as it is said");
        let normalizer = Normalizer::with_sampling_override(NonZeroU64::new(1_024));
        let flow = normalized(normalizer, &[said]).remove(0);
        assert_eq!((flow.sampling_rate, flow.sampling_source), (1_024, S::Override));
        assert_eq!((flow.bytes_raw, flow.bytes()), (100, 102_400), "raw counters stay");
    }

    #[test]
    fn nokia_sros_says_305_and_306() {
        let said = [
            iana(ie::SAMPLING_PACKET_INTERVAL, &[0, 0, 0, 1]),
            iana(ie::SAMPLING_PACKET_SPACE, &[0, 0, 1, 243]),
        ];
        assert_eq!(rate(&[options(7, &[scope(), said[0], said[1]]), record(&[port()])]), (500, S::Options));
        assert_eq!(rate(&[record(&[port(), said[0], said[1]])]), (500, S::Record));
    }

    #[test]
    fn a_packet_interval_without_its_space_says_no_rate_in_records_and_options_alike() {
        // RFC 5477, section 8.2: so many packets are taken in a row, and nothing says how many are left out.
        let interval = iana(ie::SAMPLING_PACKET_INTERVAL, &[0, 100]);
        assert_eq!(rate(&[record(&[port(), interval])]), (1, S::Assumed));
        assert_eq!(rate(&[options(7, &[scope(), interval]), record(&[port()])]), (1, S::Assumed));
        let space = iana(ie::SAMPLING_PACKET_SPACE, &[3, 132]);
        assert_eq!(rate(&[record(&[port(), space, interval])]), (10, S::Record));
        assert_eq!(rate(&[options(7, &[scope(), space, interval]), record(&[port()])]), (10, S::Options));
    }

    #[test]
    fn asr9010_records_have_only_the_number_of_their_sampler() {
        for (sampler, interval) in [
            (ie::SAMPLER_ID, ie::SAMPLER_RANDOM_INTERVAL),
            (ie::SAMPLER_ID, ie::SAMPLING_INTERVAL),
            (ie::SELECTOR_ID, ie::SAMPLING_INTERVAL),
        ] {
            let said = |id: &'static [u8], value: &'static [u8]| {
                options(7, &[iana(sampler, id), iana(interval, value)])
            };
            let of = |id: &'static [u8]| {
                let data = record(&[port(), iana(sampler, id)]);
                rate(&[said(&[0, 1], &[0, 100]), said(&[0, 2], &[3, 232]), data])
            };
            assert_eq!((of(&[0, 1]), of(&[0, 2])), ((100, S::Options), (1_000, S::Options)));
            assert_eq!(of(&[0, 3]), (1, S::Assumed), "a sampler that nothing describes");
        }
    }

    #[test]
    fn cisco_c9300_says_its_rate_under_another_domain() {
        let said = options(256, &[iana(ie::SAMPLER_ID, &[1]), iana(ie::SAMPLER_RANDOM_INTERVAL, &[3, 232])]);
        let data = record(&[port(), iana(ie::SAMPLER_ID, &[1])]);
        assert_eq!(rate(&[said, data]), (1_000, S::OptionsOtherDomain));
    }

    #[test]
    fn flow_sampling_of_ipt_netflow_scales_no_octets() {
        let said = [
            iana(ie::FLOW_SELECTOR_ALGORITHM, &[0, 1]),
            iana(ie::SAMPLING_FLOW_INTERVAL, &[0, 0, 0, 1]),
            iana(ie::SAMPLING_FLOW_SPACING, &[0, 0, 0, 9]),
        ];
        let octets = iana(ie::OCTET_DELTA_COUNT, &[100]);
        for packets in [
            vec![options(7, &[scope(), said[0], said[1], said[2]]), record(&[octets])],
            vec![record(&[octets, said[1], said[2]])],
        ] {
            let flow = flows(&packets).remove(0);
            assert_eq!((flow.bytes(), flow.sampling_rate, flow.sampling_source), (100, 1, S::Assumed));
        }
        let flow = flow(&[octets, said[1], said[2]]);
        assert_eq!(flow.rare().extras.get("samplingFlowSpacing"), Some(Value::Unsigned(9)));
    }

    #[test]
    fn v5_says_its_rate_in_the_low_14_bits_of_the_header() {
        let header = v5::Header { count: 1, sampling: 0x4000 | 1_000, ..v5::Header::default() };
        let mut packet = MessageEncoder::new(Header::V5(header));
        packet.record(&v5::Record { octets: 60, packets: 1, ..v5::Record::default() });
        let flow = flows(&[packet.finish()]).remove(0);
        assert_eq!((flow.sampling_rate, flow.sampling_source, flow.bytes()), (1_000, S::Header, 60_000));
    }
}

mod counters {
    use super::*;

    #[test]
    fn where_only_total_counters_are_sent_they_are_the_flows() {
        let flow = flow(&[iana(ie::OCTET_TOTAL_COUNT, &[5, 220]), iana(ie::PACKET_TOTAL_COUNT, &[3])]);
        assert_eq!((flow.bytes_raw, flow.packets_raw), (1_500, 3));
        assert!(is_inferred(&flow));
        let delta = [iana(ie::OCTET_TOTAL_COUNT, &[5, 220]), iana(ie::OCTET_DELTA_COUNT, &[100])];
        assert!(!is_inferred(&super::flow(&delta)));
        // What a connection had in all is what an event of it tells.
        let event = [iana(ie::OCTET_TOTAL_COUNT, &[5, 220]), iana(ie::FIREWALL_EVENT, &[2])];
        assert!(!is_inferred(&super::flow(&event)));
    }

    #[test]
    fn mikrotik_sends_absurd_counters_which_are_kept_as_they_are() {
        let octets = 2_000_000_000u64.to_be_bytes();
        let flow = flow(&[iana(ie::OCTET_DELTA_COUNT, &octets), iana(ie::PACKET_DELTA_COUNT, &[1])]);
        assert_eq!((flow.bytes_raw, flow.packets_raw), (2_000_000_000, 1));
    }

    #[test]
    fn antrea_sends_negative_deltas_which_do_not_overflow() {
        let flow = flow(&[
            iana(ie::OCTET_DELTA_COUNT, &[0xff; 8]),
            iana(ie::PACKET_DELTA_COUNT, &[0xff; 8]),
            iana(ie::SAMPLING_INTERVAL, &[10]),
        ]);
        assert_eq!((flow.bytes_raw, flow.bytes(), flow.packets()), (u64::MAX, u64::MAX, u64::MAX));
    }
}

mod fractions {
    use super::*;

    /// Starts, in nanoseconds after the export time, of records with these fractions.
    fn starts(fractions: impl Iterator<Item = u32>) -> Vec<(i64, TimeQuality)> {
        let mut packet = ipfix(7);
        let specifier = FieldSpecifier::iana(ie::FLOW_START_NANOSECONDS, 8);
        let fields = vec![specifier];
        packet.template(&TemplateDefinition {
            template_id: 256,
            scope_count: 0,
            options: false,
            fields,
            offset: 0,
        });
        let seconds = (NOW + 2_208_988_800) as u32;
        // A set for each: what the first ones told is known in the later ones.
        for fraction in fractions {
            packet.begin_set(256).octets(&seconds.to_be_bytes()).octets(&fraction.to_be_bytes());
        }
        let after = |flow: &Flow| flow.time_flow_start.unwrap().as_nanos() - NOW * 1_000_000_000;
        flows(&[packet.finish()]).iter().map(|flow| (after(flow), flow.time_quality)).collect()
    }

    #[test]
    fn vpp_counts_fractions_in_nanoseconds_and_netscaler_in_microseconds() {
        let nanos = starts((1..=40).map(|n| n * 24_999_999));
        assert_eq!(nanos[39], (40 * 24_999_999, TimeQuality::Corrected));
        let micros = starts((1..=40).map(|n| n * 24_999));
        assert_eq!(micros[39], (40 * 24_999_000, TimeQuality::Corrected));
        // A few may be so by chance.
        assert_eq!(nanos[0].1, TimeQuality::Exact);
    }

    #[test]
    fn fractions_of_the_ntp_format_are_left_alone() {
        let half = starts((1..=40).map(|n| n << 26));
        assert_eq!(half[31], (500_000_000, TimeQuality::Exact));
        // One time again and again tells nothing.
        assert!(starts([1_000; 100].into_iter()).iter().all(|start| start.1 == TimeQuality::Exact));
    }
}

mod fields {
    use super::*;

    #[test]
    fn a_field_without_octets_leaves_its_column_empty() {
        let flow = flow(&[iana(ie::FLOW_DIRECTION, &[]), iana(ie::SOURCE_IPV4_ADDRESS, &[]), port()]);
        assert_eq!((flow.direction, flow.src_addr, flow.src_port), (None, None, 80));
        assert!(flow.rare().extras.is_empty());
    }

    #[test]
    fn nprobes_ids_above_32767_are_extras_by_name() {
        let fields = [port(), iana(57_652, b"/index"), iana(57_659, b"example.org"), iana(57_999, &[7])];
        let flow = flows(&[v9_record(0, &fields)]).remove(0);
        let extras: Vec<_> =
            flow.rare().extras.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(extras, ["httpUrl=/index", "httpHost=example.org", "0.57999=07"]);
    }

    #[test]
    fn data_link_frame_sections_are_kept_as_octets() {
        let frame = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00, 0x45];
        let section = iana(ie::DATA_LINK_FRAME_SECTION, &frame);
        let flow = flow(&[iana(ie::DATA_LINK_FRAME_SIZE, &[0, 60]), section]);
        assert_eq!(flow.rare().extras.get("dataLinkFrameSection"), Some(Value::Octets(&frame)));
        assert_eq!(flow.rare().extras.get("dataLinkFrameSize"), Some(Value::Unsigned(60)));
    }

    #[test]
    fn reverse_elements_fill_the_reverse_side_and_the_rest_are_extras() {
        let reverse = |id, octets: &'static [u8]| {
            (FieldSpecifier::of(enterprise::REVERSE, id, octets.len() as u16), octets)
        };
        let flow = flow(&[
            iana(ie::OCTET_DELTA_COUNT, &[100]),
            reverse(ie::OCTET_DELTA_COUNT, &[200]),
            reverse(ie::IP_TTL, &[63]),
            iana(ie::BIFLOW_DIRECTION, &[2]),
        ]);
        let rare = flow.rare();
        assert_eq!((flow.bytes_raw, rare.reverse_bytes, rare.biflow_direction), (100, Some(200), Some(2)));
        assert_eq!((rare.ip_ttl, rare.extras.get("reverseIpTTL")), (None, Some(Value::Unsigned(63))));
    }

    #[test]
    fn a_forwarding_status_of_one_or_four_octets_has_a_column() {
        // RFC 7270 allows both: 0x40 is forwarded, 0x80 dropped.
        for (octets, status) in [(&[0x40][..], 0x40), (&[0, 0, 0, 0x80], 0x80)] {
            let flow = flow(&[iana(ie::FORWARDING_STATUS, octets)]);
            assert_eq!(flow.rare().forwarding_status, Some(status));
        }
    }

    #[test]
    fn application_ids_have_an_engine_and_a_selector() {
        let id = iana(ie::APPLICATION_ID, &[13, 0, 1, 197]);
        let named = options(7, &[id, iana(ie::APPLICATION_NAME, b"bittorrent")]);
        let flow = flows(&[named, record(&[id])]).remove(0);
        assert_eq!(flow.rare().app_id.unwrap().to_string(), "13:453");
        assert_eq!(flow.rare().app_name, "bittorrent");
    }
}

/// NetFlow Security Event Logging, and NAT events.
mod events {
    use super::*;

    fn event(event: u8) -> Flow {
        let millis = ((NOW - 1) * 1_000).to_be_bytes();
        flow(&[
            iana(ie::FLOW_ID, &[0, 0, 33, 52]),
            iana(ie::FIREWALL_EVENT, &[event]),
            iana(ie::OBSERVATION_TIME_MILLISECONDS, &millis),
            iana(ie::INITIATOR_OCTETS, &[1, 0]),
            iana(ie::RESPONDER_OCTETS, &[0, 200]),
            iana(ie::INITIATOR_PACKETS, &[5]),
            iana(ie::RESPONDER_PACKETS, &[6]),
        ])
    }

    #[test]
    fn nsel_counters_of_initiator_and_responder_are_the_two_directions() {
        let flow = event(5);
        assert_eq!((flow.bytes_raw, flow.packets_raw), (256, 5));
        assert_eq!((flow.rare().reverse_bytes, flow.rare().reverse_packets), (Some(200), Some(6)));
    }

    #[test]
    fn nsel_events_of_a_connection_are_told_apart_and_share_its_number() {
        // Created, update, deleted.
        for kind in [1, 5, 2] {
            let flow = event(kind);
            assert_eq!((flow.rare().fw_event, flow.rare().flow_id), (Some(kind), Some(8_500)));
            assert_eq!(flow.time_flow_end, Some(Timestamp::from_secs(NOW - 1)));
            assert_eq!(flow.time_quality, TimeQuality::Exact);
        }
    }

    #[test]
    fn events_of_old_asa_software_fill_the_columns_of_nat_and_events() {
        let fields = [
            iana(ie::SOURCE_IPV4_ADDRESS, &[10, 0, 0, 1]),
            iana(ie::V9_XLATE_SOURCE_IPV4_ADDRESS, &[192, 0, 2, 1]),
            iana(ie::V9_XLATE_DESTINATION_IPV4_ADDRESS, &[198, 51, 100, 1]),
            iana(ie::V9_XLATE_SOURCE_TRANSPORT_PORT, &[0xc3, 0x50]),
            iana(ie::V9_XLATE_DESTINATION_TRANSPORT_PORT, &[1, 187]),
            iana(ie::V9_FW_EVENT, &[2]),
        ];
        let flow = flows(&[v9_record(0, &fields)]).remove(0);
        let rare = flow.rare();
        assert_eq!(flow.src_addr, Some([10, 0, 0, 1].into()), "not overwritten");
        assert_eq!(rare.post_nat_src_addr, Some([192, 0, 2, 1].into()));
        assert_eq!(rare.post_nat_dst_addr, Some([198, 51, 100, 1].into()));
        assert_eq!((rare.post_nat_src_port, rare.post_nat_dst_port), (Some(50_000), Some(443)));
        assert_eq!((rare.fw_event, rare.extras.is_empty()), (Some(2), true));
        // An event without a time, as any other.
        assert_eq!(flow.time_flow_end, Some(Timestamp::from_secs(NOW)));
        assert_eq!(flow.time_quality, TimeQuality::Estimated);
        // Newer elements are preferred where both are there.
        let both = [iana(ie::V9_FW_EVENT, &[2]), iana(ie::FIREWALL_EVENT, &[1])];
        let both = flows(&[v9_record(0, &both)]).remove(0);
        assert_eq!(both.rare().fw_event, Some(1));
        assert_eq!(both.rare().extras.get("fwEvent"), Some(Value::Unsigned(2)));
    }

    #[test]
    fn nsel_of_a_capture_has_counters_and_connections() {
        let Some(packets) = captured("logstash_netflow_9_cisco_asa", 2) else { return };
        let flows = flows(&packets);
        assert_eq!(flows.len(), 14);
        assert_eq!(flows.iter().map(|flow| flow.bytes_raw).sum::<u64>(), 888);
        let first = flows[0].rare();
        assert_eq!(first.flow_id, Some(8_500));
        assert_eq!(first.extras.get("fwExtEvent"), Some(Value::Unsigned(2_025)));
    }

    #[test]
    fn nat_events_have_both_sides_and_their_kind() {
        let millis = ((NOW - 1) * 1_000).to_be_bytes();
        let flow = flow(&[
            iana(ie::OBSERVATION_TIME_MILLISECONDS, &millis),
            iana(ie::SOURCE_IPV4_ADDRESS, &[10, 0, 0, 1]),
            iana(ie::POST_NAT_SOURCE_IPV4_ADDRESS, &[192, 0, 2, 1]),
            iana(ie::POST_NAPT_SOURCE_TRANSPORT_PORT, &[4, 0]),
            iana(ie::NAT_EVENT, &[1]),
            iana(ie::INGRESS_VRF_ID, &[0, 0, 0, 9]),
        ]);
        let rare = flow.rare();
        assert_eq!((rare.nat_event, rare.in_vrf, rare.post_nat_src_port), (Some(1), Some(9), Some(1_024)));
        assert_eq!(flow.src_addr, Some([10, 0, 0, 1].into()));
        assert_eq!(rare.post_nat_src_addr, Some([192, 0, 2, 1].into()));
        assert_eq!(flow.time_flow_end, Some(Timestamp::from_secs(NOW - 1)));
    }
}
