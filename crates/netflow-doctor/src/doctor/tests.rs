//! Findings in export packets that are made for them.

use netflow_templates::sequence::Convention;
use netflow_templates::{Session, SessionConfig};
use netflow_wire::{
    FieldSpecifier, MessageEncoder, TemplateDefinition, VARIABLE_LENGTH, element_id as ie, ipfix, v5, v9,
};

use super::*;
use crate::Observer;

const ROUTER: Exporter = Exporter { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), port: 2055 };
const START: u32 = 1_714_564_800;

/// Gives packets to a doctor, each with the second since the start at which it is received.
fn diagnose(packets: impl IntoIterator<Item = (u32, Vec<u8>)>) -> Diagnosis {
    let mut session = Session::with_config(SessionConfig::default());
    let mut doctor = Doctor::new();
    for (second, packet) in packets {
        let received = Timestamp::from_secs((START + second).into());
        if let Err(error) = session.decode(ROUTER, received, &packet, &mut doctor) {
            doctor.not_export_packet(ROUTER, &error);
        }
    }
    doctor.finish()
}

fn kinds(diagnosis: &Diagnosis) -> Vec<&Kind> {
    diagnosis.findings.iter().map(|finding| &finding.kind).collect()
}

fn quirks(diagnosis: &Diagnosis) -> Vec<(&'static str, u64, u64)> {
    let quirk = |kind: &Kind| match kind {
        Kind::Quirk { quirk, seen, of } => Some((quirk.name, *seen, *of)),
        _ => None,
    };
    diagnosis.findings.iter().filter_map(|finding| quirk(&finding.kind)).collect()
}

fn v9(sequence: u32, second: u32, count: u16) -> MessageEncoder {
    MessageEncoder::new(Header::V9(v9::Header {
        count,
        uptime_millis: (40_000 + second) * 1_000,
        unix_seconds: START + second,
        sequence,
        source_id: 7,
    }))
}

fn ipfix(sequence_number: u32, second: u32) -> MessageEncoder {
    MessageEncoder::new(Header::Ipfix(ipfix::Header {
        export_time: START + second,
        sequence_number,
        observation_domain_id: 7,
        ..ipfix::Header::default()
    }))
}

fn template(template_id: u16, scope_count: u16, fields: &[(u16, u16)]) -> TemplateDefinition {
    let fields = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
    TemplateDefinition { template_id, scope_count, options: scope_count > 0, fields, offset: 0 }
}

/// No flows, so nothing that flows have is lacking.
const BYTES: &[(u16, u16)] = &[(ie::OCTET_DELTA_COUNT, 4), (ie::FLOW_END_SECONDS, 4)];

/// A record of [`BYTES`] that ends when it is exported.
fn bytes(second: u32) -> Vec<u8> {
    [1_500, START + second].into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A v9 packet with a record of template 256, and the template before it if so.
fn packet(sequence: u32, second: u32, with_template: bool) -> (u32, Vec<u8>) {
    let mut packet = v9(sequence, second, 1 + u16::from(with_template));
    if with_template {
        packet.template(&template(256, 0, BYTES));
    }
    packet.begin_set(256).octets(&bytes(second));
    (second, packet.finish())
}

#[test]
fn a_template_that_comes_late_or_not_at_all_is_told_with_what_waits() {
    let without = (0..3).map(|n| packet(n, n * 60, false));
    let diagnosis = diagnose(without.clone());
    let missing = Kind::MissingTemplate { template_id: 256, sets: 3, octets: 36, observed: 120.0 };
    assert_eq!(kinds(&diagnosis), [&missing]);
    assert_eq!(diagnosis.findings[0].severity, Severity::Warning);

    let diagnosis = diagnose(without.clone().chain([packet(3, 180, true)]));
    let late = Kind::LateTemplate { template_id: 256, sets: 3, waited: 180.0 };
    assert_eq!(kinds(&diagnosis), [&late]);
    let facts = &diagnosis.domains[0].templates[0];
    assert_eq!((facts.records, facts.late_sets, facts.waiting_sets, facts.age), (4, 3, 0, Some(0.0)));
    assert_eq!(diagnosis.domains[0].flows, 4);

    // Half an hour is more than a template may take.
    let diagnosis = diagnose(without.chain([packet(3, 1_800, false)]));
    assert_eq!(diagnosis.findings[0].severity, Severity::Error);
}

#[test]
fn a_template_in_use_that_is_not_sent_again_is_told() {
    let sparse = (0..40).map(|n| packet(n, n * 60, n == 0));
    let since = Kind::TemplateNotRefreshed { template_id: 256, since: 2_340.0 };
    assert_eq!(kinds(&diagnose(sparse)), [&since]);
    // Over TCP it is as it should be.
    let mut session = Session::new();
    let mut doctor = Doctor::new();
    doctor.set_reliable(true);
    for (second, packet) in (0..40).map(|n| packet(n, n * 60, n == 0)) {
        let received = Timestamp::from_secs((START + second).into());
        session.decode(ROUTER, received, &packet, &mut doctor).unwrap();
    }
    assert_eq!(doctor.finish().findings, []);
    let refreshed = (0..40).map(|n| packet(n, n * 60, n % 20 == 0));
    let diagnosis = diagnose(refreshed);
    assert_eq!(kinds(&diagnosis), [] as [&Kind; 0]);
    assert_eq!(diagnosis.domains[0].templates[0].interval, Some(1_200.0));
}

#[test]
fn a_template_in_every_packet_is_told() {
    let diagnosis = diagnose((0..30).map(|n| packet(n, n, true)));
    assert_eq!(kinds(&diagnosis), [&Kind::TemplateEveryPacket { template_id: 256, packets: 30, of: 30 }]);
}

#[test]
fn a_template_that_changes_is_told() {
    let change = |n: u32| {
        let mut packet = v9(n, n, 1);
        let fields = if n.is_multiple_of(2) { BYTES } else { &BYTES[1..] };
        packet.template(&template(256, 0, fields));
        (n, packet.finish())
    };
    let diagnosis = diagnose((0..4).map(change));
    assert_eq!(kinds(&diagnosis), [&Kind::TemplateChanged { template_id: 256, changes: 3 }]);
}

#[test]
fn duplicates_late_packets_and_restarts_are_no_loss() {
    let mut packets: Vec<_> = (0..40).map(|n| packet(n, n, n == 0)).collect();
    packets.swap(20, 21);
    packets.insert(30, packets[29].clone());
    let diagnosis = diagnose(packets);
    let found = [&Kind::Duplicates { packets: 1, of: 41 }, &Kind::Reordered { packets: 1, of: 41 }];
    assert_eq!(kinds(&diagnosis), found);
    // The flow in it is counted once.
    assert_eq!(diagnosis.domains[0].flows, 40);

    let started = |n: u32| {
        let mut packet = MessageEncoder::new(Header::V9(v9::Header {
            count: 0,
            uptime_millis: n * 1_000,
            unix_seconds: START + 1_000 + n,
            sequence: n,
            source_id: 7,
        }));
        packet.begin_set(0).octets(&[]);
        (1_000 + n, packet.finish())
    };
    let packets = (70_000..70_040).map(|n| packet(n, n - 70_000, n == 70_000)).chain((0..20).map(started));
    assert_eq!(kinds(&diagnose(packets)), [&Kind::Restarted { times: 1 }]);
}

#[test]
fn exporters_behind_one_address_are_told_and_no_loss_of_a_mixture() {
    let of = |sequence: u32, second: u32, start: u32| {
        let header = v9::Header {
            count: 0,
            uptime_millis: (start + second) * 1_000,
            unix_seconds: START + second,
            sequence,
            source_id: 0,
        };
        (second, MessageEncoder::new(Header::V9(header)).finish())
    };
    let packets = (0..60).flat_map(|n| [of(n, n, 5_000), of(700_000 + n, n, 900_000)]);
    assert_eq!(kinds(&diagnose(packets)), [&Kind::SharedAddress { sources: 2 }]);
}

#[test]
fn a_filtered_flow_file_tells_no_loss() {
    for (indices, lost) in [(&[0, 1, 2][..], vec![3]), (&[0, 2], vec![]), (&[1, 2], vec![])] {
        let mut doctor = Doctor::new();
        for packet in (0..20).filter(|&packet| packet != 9) {
            for &record_index in indices {
                let mut flow = Flow::default();
                flow.exporter_addr = ROUTER.address;
                flow.flow_version = 5;
                (flow.sequence, flow.record_index) = (packet * 3, record_index);
                flow.time_received = Timestamp::from_secs((START + packet).into());
                flow.time_export = flow.time_received;
                doctor.flow(&flow);
            }
        }
        let diagnosis = doctor.finish();
        let loss = |kind: &Kind| match kind {
            Kind::Loss { lost, .. } => Some(*lost),
            _ => None,
        };
        let found: Vec<_> = diagnosis.findings.iter().filter_map(|finding| loss(&finding.kind)).collect();
        assert_eq!((found, diagnosis.domains[0].partial), (lost.clone(), lost.is_empty()), "{indices:?}");
    }
}

/// IPFIX messages of varying size, with a sequence number of `number(records before, records of it, message)`.
fn messages(number: impl Fn(u32, u32, u32) -> u32) -> Vec<(u32, Vec<u8>)> {
    let mut before = 0;
    let message = |n: u32| {
        let records = 1 + n * 7 % 5;
        let mut packet = ipfix(number(before, records, n), n);
        if n == 0 {
            packet.template(&template(256, 0, BYTES));
        }
        packet.begin_set(256);
        (0..records).for_each(|_| _ = packet.octets(&bytes(n)));
        before += records;
        (n, packet.finish())
    };
    (0..60).map(message).collect()
}

#[test]
fn ways_of_counting_are_told_where_they_depart() {
    assert_eq!(kinds(&diagnose(messages(|before, _, _| before))), [] as [&Kind; 0]);
    let after = diagnose(messages(|before, records, _| before + records));
    assert_eq!(kinds(&after), [&Kind::OwnConvention { convention: Convention::After }]);
    assert!(after.domains[0].is_complete());
    let packets = diagnose(messages(|_, _, n| n));
    assert_eq!(kinds(&packets), [&Kind::UnknownConvention]);
    assert!(!packets.domains[0].is_complete());
}

const FLOW: &[(u16, u16)] = &[
    (ie::SOURCE_IPV4_ADDRESS, 4),
    (ie::DESTINATION_IPV4_ADDRESS, 4),
    (ie::OCTET_DELTA_COUNT, 4),
    (ie::PACKET_DELTA_COUNT, 4),
    (ie::BGP_SOURCE_AS_NUMBER, 4),
    (ie::INGRESS_INTERFACE, 4),
    (ie::PROTOCOL_IDENTIFIER, 1),
    (ie::FLOW_END_SECONDS, 4),
];

/// A v9 packet with `records` flows of protocol `proto`.
fn flows(records: u32, proto: u8) -> (u32, Vec<u8>) {
    let mut packet = v9(0, 0, 1 + records as u16);
    packet.template(&template(256, 0, FLOW)).begin_set(256);
    for n in 0..records {
        for number in [n, 2, 600, 10, 0, 1] {
            packet.octets(&number.to_be_bytes());
        }
        packet.octets(&[proto]).octets(&START.to_be_bytes());
    }
    (0, packet.finish())
}

#[test]
fn fields_that_are_lacking_or_never_filled_are_told() {
    let lacking =
        |fields: &[&'static str]| Kind::LackingFields { fields: fields.to_vec(), templates: vec![256] };
    let empty = Kind::NeverFilled { fields: vec!["AS numbers"], records: 50 };
    let of_tcp = lacking(&["output interface", "direction", "TCP flags"]);
    assert_eq!(kinds(&diagnose([flows(50, 6)])), [&empty, &of_tcp]);
    // UDP has no flags; 49 records may be empty by chance.
    assert_eq!(kinds(&diagnose([flows(49, 17)])), [&lacking(&["output interface", "direction"])]);
}

#[test]
fn tcp_flags_that_are_never_set_are_told_and_fixed_records_lack_nothing() {
    let mut sequence = 0;
    let packet = |n: u32| {
        let mut packet = MessageEncoder::new(Header::V5(v5::Header {
            count: 30,
            uptime_millis: 50_000 + n * 1_000,
            unix_seconds: START + n,
            sequence,
            ..v5::Header::default()
        }));
        for record in 0..30_u16 {
            packet.record(&v5::Record {
                input: 1,
                output: 2,
                packets: 1,
                octets: 40,
                first: 49_000,
                last: 50_000,
                src_port: record + 30 * n as u16,
                protocol: 6,
                src_as: 1,
                src_mask: 24,
                next_hop: std::net::Ipv4Addr::LOCALHOST.into(),
                ..v5::Record::default()
            });
        }
        sequence += 30;
        (n, packet.finish())
    };
    let diagnosis = diagnose((0..4).map(packet));
    assert_eq!(kinds(&diagnosis), [&Kind::NeverFilled { fields: vec!["TCP flags"], records: 120 }]);
}

#[test]
fn an_interval_of_zero_in_options_data_is_told() {
    let mut packet = v9(0, 0, 2);
    packet.template(&template(300, 1, &[(1, 4), (ie::SAMPLING_INTERVAL, 4)]));
    packet.begin_set(300).octets(&[0; 8]);
    assert_eq!(kinds(&diagnose([(0, packet.finish())])), [&Kind::SamplingZero { records: 1 }]);
}

#[test]
fn quirks_of_templates_and_times_are_recognised() {
    // H3C; pmacct with nfprobe_tstamp_usec.
    let mut packet = v9(0, 0, 2);
    packet.template(&template(
        256,
        0,
        &[(ie::OCTET_DELTA_COUNT, 4), (ie::APPLICATION_NAME, VARIABLE_LENGTH)],
    ));
    packet.template(&template(257, 0, &[(ie::FLOW_START_MICROSECONDS, 16), (ie::OCTET_DELTA_COUNT, 4)]));
    let diagnosis = diagnose([(0, packet.finish())]);
    assert_eq!(quirks(&diagnosis), [("time_length", 1, 2), ("variable_length_in_v9", 1, 2)]);

    // VPP: nanoseconds instead of parts of 2^32; and an exporter that is in order.
    for (unit, expected) in [(1, vec![("ntp_fraction", 40, 40)]), (4, vec![])] {
        let mut packet = ipfix(0, 0);
        packet.template(&template(256, 0, &[(ie::FLOW_START_NANOSECONDS, 8), (ie::OCTET_DELTA_COUNT, 4)]));
        packet.begin_set(256);
        for n in 1..=40_u32 {
            packet
                .octets(&(START + 2_208_988_800).to_be_bytes())
                .octets(&(n * 24_999_999 * unit).to_be_bytes());
            packet.octets(&1_500u32.to_be_bytes());
        }
        assert_eq!(quirks(&diagnose([(0, packet.finish())])), expected);
    }
}

#[test]
fn padding_and_filling_are_counted_and_nothing_is_malformed() {
    // Palo Alto fills its datagrams, Nexus 7700 pads sets with what could be records.
    let (_, plain) = packet(0, 0, true);
    let filled = [&packet(1, 1, false).1[..], &[0; 400]].concat();
    let mut padded = v9(2, 2, 1);
    padded.begin_set(256).octets(&bytes(2)).octets(&[0; 24]);
    let padded = padded.finish();
    let mut kept = v9(3, 3, 2);
    kept.template(&template(257, 0, &[(ie::PROTOCOL_IDENTIFIER, 1), (ie::SOURCE_TRANSPORT_PORT, 2)]));
    kept.begin_set(257).octets(&[6, 0, 80, 0, 0, 0]);
    // The set behind one of odd length.
    let mut odd = v9(4, 4, 2);
    odd.begin_set(257).octets(&[6, 0, 80]).begin_set(256).octets(&bytes(4));
    let packets = [plain, filled, padded, kept.finish(), odd.finish()];
    let diagnosis = diagnose((0..).zip(packets));
    let mut seen = quirks(&diagnosis);
    seen.sort_unstable();
    assert_eq!(
        seen,
        [("filled_datagram", 1, 5), ("unaligned_set", 1, 5), ("zero_padding", 1, 5), ("zero_records", 1, 5)]
    );
    assert!(diagnosis.findings.iter().all(|finding| finding.severity == Severity::Notice));
    assert_eq!(diagnosis.domains[0].flows, 7, "two of them of zeros, or of odd length");
}

#[test]
fn icmp_in_ports_is_counted_by_flows() {
    let fields =
        [(ie::PROTOCOL_IDENTIFIER, 1), (ie::DESTINATION_TRANSPORT_PORT, 2), (ie::OCTET_DELTA_COUNT, 4)];
    let mut packet = v9(0, 0, 4);
    packet.template(&template(256, 0, &fields)).begin_set(256);
    for (protocol, port) in [(1, [8, 0]), (6, [0, 80]), (58, [135, 0])] {
        packet.octets(&[protocol]).octets(&port).octets(&[0, 0, 0, 84]);
    }
    let seen = quirks(&diagnose([(0, packet.finish())]));
    assert!(seen.contains(&("icmp_in_port", 2, 3)), "{seen:?}");
    let mut packet = v9(0, 0, 2);
    let without = [(ie::PROTOCOL_IDENTIFIER, 1), (ie::OCTET_DELTA_COUNT, 4)];
    packet.template(&template(256, 0, &without)).begin_set(256).octets(&[1, 0, 0, 0, 84, 0, 0, 0]);
    let seen = quirks(&diagnose([(0, packet.finish())]));
    assert!(seen.iter().all(|(name, ..)| *name != "icmp_in_port"), "{seen:?}");
}

#[test]
fn options_that_come_from_another_port_than_flows_are_told() {
    let mut options = v9(0, 0, 3);
    let fields = [(ie::EXPORTING_PROCESS_ID, 4), (ie::SAMPLING_INTERVAL, 4)];
    options.template(&template(300, 1, &fields)).begin_set(300).octets(&[0, 0, 0, 1, 0, 0, 0, 100]);
    // A second set of the same packet, which is one packet still.
    options.begin_set(300).octets(&[0, 0, 0, 2, 0, 0, 0, 100]);
    let (options, data) = (options.finish(), packet(1, 1, true).1);
    let seen = |ports: [u16; 2]| {
        let (mut session, mut doctor) = (Session::new(), Doctor::new());
        for (packet, port) in [&options, &data].into_iter().zip(ports) {
            let received = Timestamp::from_secs(START.into());
            session.decode(Exporter { port, ..ROUTER }, received, packet, &mut doctor).unwrap();
        }
        quirks(&doctor.finish())
    };
    assert_eq!(seen([2_055, 40_112]), [("options_from_other_port", 1, 2)]);
    assert_eq!(seen([2_055, 2_055]), []);
}

#[test]
fn uptimes_in_ipfix_need_a_start() {
    const FIELDS: &[(u16, u16)] = &[(ie::FLOW_END_SYS_UP_TIME, 4), (ie::OCTET_DELTA_COUNT, 4)];
    let message = |n: u32, with_start: bool| {
        let mut packet = ipfix(n, n);
        packet.template(&template(256, 0, FIELDS));
        packet.begin_set(256).octets(&(5_000 + n * 1_000).to_be_bytes()).octets(&[0, 0, 5, 220]);
        if with_start {
            let fields = [(ie::EXPORTING_PROCESS_ID, 4), (ie::SYSTEM_INIT_TIME_MILLISECONDS, 8)];
            packet.template(&template(300, 1, &fields));
            packet.begin_set(300).octets(&[0; 4]).octets(&(u64::from(START - 5) * 1_000).to_be_bytes());
        }
        (n, packet.finish())
    };
    let without = diagnose((0..4).map(|n| message(n, false)));
    assert_eq!(quirks(&without), [("uptime_without_start", 4, 4)]);
    // It may be said later than the first flows come.
    assert_eq!(quirks(&diagnose((0..4).map(|n| message(n, n == 2)))), []);
}

#[test]
fn malformed_packets_and_what_is_none_are_told_with_an_example() {
    let mut cut = packet(0, 0, true).1;
    cut.truncate(cut.len() - 1);
    let diagnosis = diagnose([(0, cut), packet(1, 1, true), (2, b"hello, collector".to_vec())]);
    let [Kind::Malformed { packets: 1, of: 2, example }, Kind::NotExportPackets { datagrams: 1, .. }] =
        kinds(&diagnosis)[..]
    else {
        panic!("{:?}", diagnosis.findings)
    };
    assert!(example.contains("octets are left"), "{example}");
    assert_eq!(diagnosis.findings[1].exporter, Some(ROUTER.address));
    assert_eq!(diagnosis.findings[1].domain, None);
}

#[test]
fn datagrams_that_this_machine_dropped_are_told() {
    let mut doctor = Doctor::new();
    doctor.dropped_here(0);
    assert_eq!(Doctor::new().finish().findings, []);
    doctor.dropped_here(3);
    assert_eq!(kinds(&doctor.finish()), [&Kind::DroppedHere { datagrams: 3 }]);
}

#[test]
fn ingress_and_egress_are_seen_as_one_flow() {
    let fields = [FLOW, &[(ie::FLOW_DIRECTION, 1), (ie::EGRESS_INTERFACE, 4)]].concat();
    let mut packet = v9(0, 0, 21);
    packet.template(&template(256, 0, &fields)).begin_set(256);
    for n in 0..20_u32 {
        for number in [n / 2, 2, 600, 10, 5, 1] {
            packet.octets(&number.to_be_bytes());
        }
        packet.octets(&[17]).octets(&START.to_be_bytes()).octets(&[(n % 2) as u8, 0, 0, 0, 9]);
    }
    let diagnosis = diagnose([(0, packet.finish())]);
    let double = Kind::DoubleCounted { observer: Observer::Interfaces, flows: 10, of: 20 };
    assert_eq!(kinds(&diagnosis), [&double]);
}

#[test]
fn made_up_exporters_and_templates_do_not_fill_the_memory() {
    let mut session = Session::new();
    let mut doctor = Doctor::new();
    for source_id in 0..3_000 {
        let packet =
            MessageEncoder::new(Header::V9(v9::Header { source_id, ..v9::Header::default() })).finish();
        session.decode(ROUTER, Timestamp::EPOCH, &packet, &mut doctor).unwrap();
    }
    let mut packet = v9(0, 0, 0);
    (256..1_024).for_each(|id| _ = packet.template(&template(id, 0, BYTES)));
    let Header::V9(header) = Header::parse(&packet.finish()).unwrap() else { unreachable!() };
    let mut packet = MessageEncoder::new(Header::V9(v9::Header { source_id: 0, ..header }));
    (256..1_024).for_each(|id| _ = packet.template(&template(id, 0, BYTES)));
    session.decode(ROUTER, Timestamp::EPOCH, &packet.finish(), &mut doctor).unwrap();
    let diagnosis = doctor.finish();
    assert_eq!(diagnosis.domains.len(), MAX_DOMAINS);
    let beyond = Overflow { packets: 3_000 - MAX_DOMAINS as u64, templates: 768 - 256 };
    assert_eq!(diagnosis.overflow, beyond);
}

#[test]
fn damaged_packets_are_diagnosed_without_a_panic() {
    let mut random = 7_u64;
    let mut below = |end: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % end
    };
    let mut packets: Vec<_> = (0..20).map(|n| packet(n, n, n.is_multiple_of(5)).1).collect();
    packets.extend(messages(|before, _, _| before).into_iter().map(|(_, packet)| packet));
    packets.push(flows(50, 6).1);
    let mut session = Session::new();
    let mut doctor = Doctor::new();
    for _ in 0..20_000 {
        let mut packet = packets[below(packets.len())].clone();
        for _ in 0..below(4) {
            let at = below(packet.len());
            packet[at] = below(256) as u8;
        }
        packet.truncate(packet.len() - if below(4) == 0 { below(packet.len()) } else { 0 });
        let received =
            Timestamp::from_nanos(below(1 << 31) as i64 * if below(2) == 0 { 1 } else { 4_000_000_000 });
        if let Err(error) = session.decode(ROUTER, received, &packet, &mut doctor) {
            doctor.not_export_packet(ROUTER, &error);
        }
    }
    for finding in doctor.finish().findings {
        assert!(!finding.to_string().is_empty() && !finding.advice().change.is_empty());
    }
}
