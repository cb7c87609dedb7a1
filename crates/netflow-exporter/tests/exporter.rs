//! Sequence numbers, templates, options data, limits: what an exporter does around its records.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::Duration;

use netflow_doctor::DomainFacts;
use netflow_exporter::{
    Announcement, ConfigError, Exporter, ExporterConfig, Facts, FlowTemplate, Grouping, Habits, OptionsFrom,
    OptionsTable, PROFILES, Padding, Profile, Refresh, SamplingStyle, Sequence, Takes, Version,
};
use netflow_flow::{COLUMNS, Cell, Flow, Kind, SamplingSource, TimeQuality, column};
use netflow_templates::sequence::Convention;
use netflow_templates::{DataType, Timestamp};
use netflow_wire::{FieldSpecifier, Message, SetKind, VARIABLE_LENGTH, element_id as ie};

use common::{NOW, Reading, STARTED, export, flow};

const VERSIONS: [Version; 6] =
    [Version::V1, Version::V5, Version::V7, Version::V8(14), Version::V9, Version::Ipfix];

fn config(version: Version) -> ExporterConfig {
    ExporterConfig::new(version, STARTED)
}

/// An exporter of a configuration, and what a reader makes of 3,000 flows of it.
fn exported(config: ExporterConfig) -> (Exporter, Reading) {
    let mut exporter = Exporter::new(config).unwrap();
    let reading = export(&mut exporter, 3_000);
    (exporter, reading)
}

/// What a reader makes of one flow.
fn one(config: ExporterConfig, flow: &Flow) -> Flow {
    let mut exporter = Exporter::new(config).unwrap();
    exporter.add(flow, NOW);
    exporter.flush(NOW);
    let mut reading = Reading::default();
    reading.take(&mut exporter, NOW);
    assert_eq!(reading.problems(), 0);
    assert_eq!(exporter.statistics().cut, 0);
    reading.sink.flows.get(0).unwrap().to_flow()
}

fn sequence(reading: Reading) -> DomainFacts {
    let [facts] = reading.doctor.finish().domains.try_into().unwrap();
    facts
}

fn sampling(version: Version) -> OptionsTable {
    OptionsTable::sampling(version, 300, SamplingStyle::Interval, 100)
}

/// How many template records each packet has.
fn templates(reading: &Reading) -> Vec<usize> {
    let count = |packet: &Vec<u8>| {
        let message = Message::parse(packet).unwrap();
        let sets = message.sets().map(|set| set.unwrap());
        let records = |set: netflow_wire::Set<'_>| match set.kind {
            SetKind::Template | SetKind::OptionsTemplate => set.templates().count(),
            _ => 0,
        };
        sets.map(records).sum()
    };
    reading.packets.iter().map(count).collect()
}

#[test]
fn sequence_numbers_count_in_the_unit_of_their_version_and_nothing_seems_lost() {
    for version in VERSIONS.into_iter().filter(|version| *version != Version::V1) {
        let options = if version.has_templates() { vec![sampling(version)] } else { Vec::new() };
        let (exporter, reading) = exported(ExporterConfig { options, ..config(version) });
        let facts = sequence(reading);
        let statistics = exporter.statistics();
        let expected = if version == Version::V9 { Convention::Packets } else { Convention::Before };
        assert_eq!(facts.convention, expected, "{version}");
        let units = match version {
            Version::V9 => statistics.packets,
            _ => statistics.flows + statistics.options,
        };
        assert_eq!((facts.sequence.lost, facts.sequence.received), (0, units), "{version}");
    }
}

#[test]
fn a_packet_that_is_not_sent_is_lost_with_all_that_it_has() {
    for version in [Version::V5, Version::V9, Version::Ipfix] {
        let mut exporter = Exporter::new(config(version)).unwrap();
        let (mut reading, mut packets, mut lost) = (Reading::default(), 0, 0);
        for number in 0..3_000 {
            exporter.add(&flow(number, NOW), NOW);
            if exporter.statistics().packets == packets {
                continue;
            }
            packets = exporter.statistics().packets;
            if packets == 20 {
                lost = exporter.next_packet().unwrap().flows;
            }
            reading.take(&mut exporter, NOW);
        }
        let facts = sequence(reading);
        let units = if version == Version::V9 { 1 } else { lost.into() };
        assert_eq!(facts.sequence.lost, units, "{version}");
    }
}

#[test]
fn sequence_numbers_follow_the_habit() {
    for (version, sequence_habit, expected) in [
        (Version::V5, Sequence::After, Convention::After),
        (Version::Ipfix, Sequence::After, Convention::After),
        (Version::V9, Sequence::After, Convention::Packets),
    ] {
        let habits = Habits { sequence: sequence_habit, ..Habits::STANDARD };
        let (_, reading) = exported(ExporterConfig { habits, ..config(version) });
        let facts = sequence(reading);
        assert_eq!((facts.convention, facts.sequence.lost), (expected, 0), "{version} {sequence_habit:?}");
    }
}

#[test]
fn templates_are_sent_at_start_and_again_after_packets_or_seconds() {
    for version in [Version::V9, Version::Ipfix] {
        let number = config(version).templates.len();
        let (_, reading) = exported(ExporterConfig { refresh: Refresh::NEVER, ..config(version) });
        let sent = templates(&reading);
        assert_eq!((sent[0], sent.iter().sum::<usize>()), (number, number), "{version}");

        let refresh = Refresh { packets: 10, interval: Duration::ZERO };
        let (_, reading) = exported(ExporterConfig { refresh, ..config(version) });
        for (packet, sent) in templates(&reading).into_iter().enumerate() {
            assert_eq!(sent, if packet % 10 == 0 { number } else { 0 }, "{version}, packet {packet}");
        }

        // 3,000 flows in 60 seconds.
        let refresh = Refresh { packets: 0, interval: Duration::from_secs(7) };
        let (_, reading) = exported(ExporterConfig { refresh, ..config(version) });
        let times = templates(&reading).into_iter().filter(|&sent| sent == number).count();
        assert!((8..=9).contains(&times), "{version}: {times}");
    }
}

#[test]
fn nothing_is_lost_and_no_packet_too_long_whatever_the_habits() {
    for version in VERSIONS {
        for max_packet in [512, 577, 1_400, 9_000] {
            for grouping in [Grouping::Gathered, Grouping::Arrival, Grouping::OneTemplate] {
                for announcement in [Announcement::WithData, Announcement::Alone, Announcement::BeforeEachSet]
                {
                    let habits = Habits { grouping, announcement, ..Habits::STANDARD };
                    let config = ExporterConfig { max_packet, habits, ..config(version) };
                    let mut exporter = Exporter::new(config).unwrap();
                    let reading = export(&mut exporter, 200);
                    let statistics = exporter.statistics();
                    let context = format!("{version} {max_packet} {grouping:?} {announcement:?}");
                    assert_eq!(reading.problems(), 0, "{context}");
                    assert_eq!(statistics.flows + statistics.left_out, 200, "{context}");
                    assert_eq!(reading.sink.flows.len() as u64, statistics.flows, "{context}");
                    assert!(reading.packets.iter().all(|packet| packet.len() <= max_packet), "{context}");
                    let octets = reading.packets.iter().map(|packet| packet.len() as u64).sum::<u64>();
                    assert_eq!(statistics.octets, octets, "{context}");
                    if version.has_templates() {
                        assert_eq!(statistics.left_out, 0, "{context}");
                    }
                }
            }
        }
    }
}

#[test]
fn packets_have_as_many_records_as_asked_for_and_as_the_version_allows() {
    for (version, most) in [(Version::V1, 24), (Version::V5, 30), (Version::V7, 28)] {
        let mut exporter = Exporter::new(ExporterConfig { max_packet: 9_000, ..config(version) }).unwrap();
        (0..300).for_each(|_| exporter.add(&flow(0, NOW), NOW));
        assert_eq!(exporter.next_packet().unwrap().flows, most, "{version}");
    }
    let mut exporter =
        Exporter::new(ExporterConfig { max_records: Some(3), ..config(Version::Ipfix) }).unwrap();
    (0..30).for_each(|number| exporter.add(&flow(number, NOW), NOW));
    assert_eq!(exporter.next_packet().unwrap().flows, 3);
}

#[test]
fn what_a_version_cannot_carry_is_counted() {
    let mut exporter = Exporter::new(config(Version::V5)).unwrap();
    exporter.add(&flow(1, NOW), NOW);
    assert_eq!((exporter.statistics().left_out, exporter.next_packet()), (1, None), "IPv6");
    let mut large = flow(0, NOW);
    large.bytes_raw = 1 << 32;
    exporter.add(&large, NOW);
    exporter.flush(NOW);
    assert_eq!(exporter.statistics().cut, 1);
    let mut reading = Reading::default();
    reading.take(&mut exporter, NOW);
    assert_eq!(reading.sink.flows.get(0).unwrap().bytes_raw(), u64::from(u32::MAX));
}

#[test]
fn options_data_are_joined_with_the_flows() {
    for version in [Version::V9, Version::Ipfix] {
        for style in [SamplingStyle::Interval, SamplingStyle::Space, SamplingStyle::Sampler] {
            let options = vec![
                OptionsTable::sampling(version, 300, style, 100),
                OptionsTable::interfaces(version, 301, [(1, "eth0"), (2, "uplink")]),
                OptionsTable::applications(version, 302, [(13 << 24 | 453, "video")]),
            ];
            let mut templates = FlowTemplate::of_all_columns(version);
            for template in &mut templates {
                let is_rate = |field: &FieldSpecifier| field.id == ie::SAMPLING_INTERVAL;
                let is_name =
                    |field: &FieldSpecifier| [ie::INTERFACE_NAME, ie::APPLICATION_NAME].contains(&field.id);
                template.fields.to_mut().retain(|field| !is_rate(field) && !is_name(field));
            }
            let mut sent = flow(0, NOW);
            column("app_id").unwrap().set(&mut sent, Cell::Text("13:453")).unwrap();
            let read = one(ExporterConfig { options, templates, ..config(version) }, &sent);
            let rare = read.rare();
            assert_eq!((&*rare.in_if_name, &*rare.out_if_name), ("eth0", "uplink"), "{version}");
            assert_eq!(rare.app_name, "video", "{version}");
            assert_eq!(
                (read.sampling_rate, read.sampling_source),
                (100, SamplingSource::Options),
                "{version}"
            );
        }
    }
}

#[test]
fn long_names_in_options_data_are_whole_in_ipfix_and_cut_and_counted_in_v9() {
    let name = "n".repeat(300);
    for (version, kept, cut) in [(Version::Ipfix, 300, 0), (Version::V9, 32, 1)] {
        let options = vec![OptionsTable::interfaces(version, 301, [(1, name.clone()), (2, "eth0".into())])];
        let mut exporter = Exporter::new(ExporterConfig { options, ..config(version) }).unwrap();
        exporter.announce(NOW);
        let packet = exporter.next_packet().unwrap().octets.to_vec();
        let names: Vec<_> = packet.split(|&octet| octet != b'n').map(<[u8]>::len).collect();
        assert_eq!(names.into_iter().max(), Some(kept));
        assert_eq!(exporter.statistics().cut, cut);
    }
    let options = vec![OptionsTable::interfaces(Version::Ipfix, 301, [(1, "n".repeat(1_500))])];
    let error = Exporter::new(ExporterConfig { options, ..config(Version::Ipfix) }).unwrap_err();
    assert!(matches!(error, ConfigError::TooLong { id: 301, .. }), "{error}");
}

#[test]
fn v5_says_its_sampling_rate_in_the_header() {
    let read = one(ExporterConfig { sampling: 100, ..config(Version::V5) }, &flow(0, NOW));
    assert_eq!((read.sampling_rate, read.sampling_source), (100, SamplingSource::Header));
}

#[test]
fn uptimes_in_ipfix_are_read_by_the_start_that_options_data_say() {
    let profile = Profile::find("mikrotik", Some(Version::Ipfix)).unwrap();
    let sent = flow(0, NOW);
    let read = one(profile.config(STARTED), &sent);
    assert_eq!((read.time_flow_start, read.time_flow_end), (sent.time_flow_start, sent.time_flow_end));
    assert_eq!(read.time_quality, TimeQuality::Relative);
}

#[test]
fn uptimes_run_over_after_49_days() {
    for version in [Version::V5, Version::V9] {
        for millis in [-1, 0, 1, 2_000] {
            let started = NOW.saturating_add_nanos(-((1 << 32) + millis) * 1_000_000);
            let sent = flow(0, NOW);
            let read = one(ExporterConfig::new(version, started), &sent);
            assert_eq!(read.time_flow_start, sent.time_flow_start, "{version} {millis}");
            assert_eq!(read.time_flow_end, sent.time_flow_end, "{version} {millis}");
        }
    }
}

#[test]
fn both_directions_of_a_connection_go_in_one_record_of_ipfix() {
    let mut sent = flow(0, NOW);
    sent.rare_mut().reverse_bytes = Some(5_000);
    sent.rare_mut().reverse_packets = Some(7);
    sent.rare_mut().reverse_start = sent.time_flow_start;
    sent.rare_mut().reverse_end = sent.time_flow_end;
    let read = one(config(Version::Ipfix), &sent);
    assert_eq!(read.template_id, Some(258));
    assert_eq!(read.rare().reverse_bytes, Some(5_000));
    assert_eq!(read.rare().reverse_start, sent.time_flow_start);
    assert_eq!(one(config(Version::Ipfix), &flow(0, NOW)).template_id, Some(256));
}

#[test]
fn labels_extras_and_variable_lengths_are_read_as_they_were() {
    let mut sent = flow(0, NOW);
    let rare = sent.rare_mut();
    rare.mpls_labels.extend([16, 17_000, 3]);
    rare.in_if_name.push_str("GigabitEthernet0/0/1");
    rare.extras.push("httpRequestHost", 0, DataType::String, b"example.org");
    rare.extras.push("minimumIpTotalLength", 0, DataType::Unsigned64, &[40]);
    rare.extras.push("minimumIpTotalLength", 1, DataType::Unsigned64, &[41]);
    let fields = [
        (ie::SOURCE_IPV4_ADDRESS, 4),
        (ie::INTERFACE_NAME, VARIABLE_LENGTH),
        (ie::MPLS_TOP_LABEL_STACK_SECTION, 3),
        (ie::MPLS_LABEL_STACK_SECTION2, 3),
        (ie::MPLS_LABEL_STACK_SECTION3, 3),
        (ie::MPLS_LABEL_STACK_SECTION4, 3),
        (460, VARIABLE_LENGTH),
        (ie::MINIMUM_IP_TOTAL_LENGTH, 8),
        (ie::MINIMUM_IP_TOTAL_LENGTH, 2),
        (ie::DESTINATION_IPV4_ADDRESS, 4),
    ];
    let fields: Vec<_> = fields.map(|(id, length)| FieldSpecifier::iana(id, length)).into();
    let templates = vec![FlowTemplate { id: 256, takes: Takes::ALL, fields: fields.into() }];
    let read = one(ExporterConfig { templates, ..config(Version::Ipfix) }, &sent);
    assert_eq!((read.src_addr, read.dst_addr), (sent.src_addr, sent.dst_addr));
    for name in ["mpls_labels", "in_if_name", "extras"] {
        let column = column(name).unwrap();
        assert_eq!(column.get(&read), column.get(&sent), "{name}");
    }
}

#[test]
fn a_name_that_is_too_long_for_any_packet_leaves_its_flow_out() {
    let mut sent = flow(0, NOW);
    sent.rare_mut().in_if_name.push_str(&"x".repeat(2_000));
    let templates = FlowTemplate::of_all_columns(Version::Ipfix);
    let mut exporter = Exporter::new(ExporterConfig { templates, ..config(Version::Ipfix) }).unwrap();
    exporter.add(&sent, NOW);
    exporter.add(&flow(0, NOW), NOW);
    exporter.flush(NOW);
    assert_eq!((exporter.statistics().left_out, exporter.statistics().flows), (1, 1));
}

#[test]
fn a_template_that_was_withdrawn_is_sent_again_before_it_is_used() {
    let mut exporter = Exporter::new(config(Version::Ipfix)).unwrap();
    exporter.add(&flow(0, NOW), NOW);
    assert!(exporter.withdraw(256, NOW));
    assert!(!exporter.withdraw(999, NOW));
    exporter.add(&flow(0, NOW), NOW);
    exporter.flush(NOW);
    let mut reading = Reading::default();
    reading.take(&mut exporter, NOW);
    assert_eq!((reading.problems(), reading.sink.flows.len()), (0, 2));
    assert_eq!(templates(&reading), [4, 1, 1]);
    assert!(!Exporter::new(config(Version::V9)).unwrap().withdraw(256, NOW));
}

#[test]
fn a_restart_begins_uptimes_sequence_numbers_and_templates_anew() {
    for version in [Version::V5, Version::V9, Version::Ipfix] {
        let mut exporter = Exporter::new(config(version)).unwrap();
        exporter.add(&flow(0, NOW), NOW);
        exporter.restart(NOW);
        exporter.add(&flow(0, NOW), NOW);
        exporter.flush(NOW.saturating_add_nanos(5_000_000_000));
        let mut reading = Reading::default();
        reading.take(&mut exporter, NOW);
        let headers: Vec<_> =
            reading.packets.iter().map(|packet| *Message::parse(packet).unwrap().header()).collect();
        assert_eq!(headers.len(), 2);
        assert_eq!(headers[1].sequence(), Some(0), "{version}");
        if version != Version::Ipfix {
            assert_eq!(headers[1].uptime_millis(), Some(5_000), "{version}");
        }
        assert_eq!((reading.problems(), reading.sink.flows.len()), (0, 2), "{version}");
    }
}

#[test]
fn octets_that_no_length_covers_are_found_by_the_doctor() {
    let habits = Habits {
        behind_sets: &[0x32, 0x35, 0x56],
        padding: Padding::None,
        grouping: Grouping::OneTemplate,
        ..Habits::STANDARD
    };
    let (_, reading) = exported(ExporterConfig { habits, ..config(Version::V9) });
    let diagnosis = reading.doctor.finish();
    let texts: Vec<_> = diagnosis.findings.iter().map(|finding| format!("{:?}", finding.kind)).collect();
    assert!(texts.iter().any(|text| text.contains("trailing_octets")), "{texts:?}");
}

#[test]
fn options_data_may_come_under_another_domain() {
    let habits = Habits { options: OptionsFrom::OtherDomain(7), ..Habits::STANDARD };
    let version = Version::V9;
    let read =
        one(ExporterConfig { habits, options: vec![sampling(version)], ..config(version) }, &flow(0, NOW));
    assert_eq!(read.sampling_source, SamplingSource::OptionsOtherDomain);
    assert_eq!((read.observation_domain_id, read.sampling_rate), (0, 100));
}

#[test]
fn the_sampler_that_records_name_is_the_one_of_the_options_data() {
    let profile = Profile::find("asr9k", None).unwrap();
    let mut sent = flow(0, NOW);
    sent.sampling_rate = 1_000;
    let interfaces = vec![(1, "Bundle-Ether1".to_owned())];
    let facts = Facts { interfaces, sampling: 1_000, ..Facts::of(STARTED) };
    let read = one(profile.config_with(&facts), &sent);
    assert_eq!((read.sampling_rate, read.sampling_source), (1_000, SamplingSource::Options));
}

#[test]
fn extreme_flows_and_times_do_no_harm() {
    let extremes = |low: bool| {
        let mut flow = Flow::UNKNOWN;
        let time = Timestamp::from_nanos(if low { i64::MIN } else { i64::MAX });
        for column in COLUMNS {
            let cell = match column.kind {
                Kind::Unsigned(bits) => Cell::Unsigned(if low { 0 } else { u64::MAX >> (64 - bits) }),
                Kind::Address if low => Cell::Text("0.0.0.0"),
                Kind::Address => Cell::Text("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                Kind::Time => Cell::Time(time),
                Kind::Text if low => Cell::Null,
                Kind::Text => Cell::Text("\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}"),
                Kind::List if !low => Cell::List(&[u32::MAX; 20]),
                _ => continue,
            };
            column.set(&mut flow, cell).unwrap();
        }
        flow.ip_version = if low { 4 } else { 6 };
        // Records of zeros are padding to a reader.
        flow.src_port = flow.src_port.max(1);
        flow.in_if = flow.in_if.max(1);
        flow
    };
    let flows = [extremes(true), extremes(false), flow(0, NOW), flow(1, NOW)];
    let times = [i64::MIN, -1, 0, NOW.as_nanos(), i64::MAX].map(Timestamp::from_nanos);
    let all_columns = |version| {
        let templates = FlowTemplate::of_all_columns(version);
        ExporterConfig { templates, ..config(version) }
    };
    let configs = VERSIONS.map(config).into_iter().chain([Version::V9, Version::Ipfix].map(all_columns));
    for config in configs.chain(PROFILES.iter().map(|profile| profile.config(STARTED))) {
        for started in times {
            let mut exporter = Exporter::new(ExporterConfig { started, ..config.clone() }).unwrap();
            let mut reading = Reading::default();
            let times = times.iter().chain(times.iter().rev());
            for (&now, flow) in times.flat_map(|now| flows.iter().map(move |flow| (now, flow))) {
                exporter.add(flow, now);
                reading.take(&mut exporter, NOW);
            }
            exporter.flush(started);
            reading.take(&mut exporter, NOW);
            let statistics = exporter.statistics();
            let context = format!("{} {:?} since {started}", config.version, config.habits);
            assert_eq!(reading.sink.flows.len() as u64, statistics.flows, "{context}");
            assert!(statistics.flows > 0, "{context}");
        }
    }
}

#[test]
fn what_an_exporter_cannot_be_is_told() {
    let template = |id, fields: &[(u16, u16)]| {
        let fields: Vec<_> = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
        FlowTemplate { id, takes: Takes::ALL, fields: fields.into() }
    };
    let error = |version, change: &dyn Fn(&mut ExporterConfig)| {
        let mut config = config(version);
        change(&mut config);
        Exporter::new(config).unwrap_err()
    };
    let v9 =
        |templates: Vec<FlowTemplate>| error(Version::V9, &|config| config.templates.clone_from(&templates));
    assert_eq!(error(Version::V8(15), &|_| {}), ConfigError::Scheme(15));
    assert_eq!(error(Version::V5, &|config| config.max_packet = 100), ConfigError::PacketLength(100));
    assert_eq!(v9(vec![]), ConfigError::NoTemplate);
    assert_eq!(v9(vec![template(255, &[(1, 4)])]), ConfigError::TemplateId(255));
    assert_eq!(v9(vec![template(256, &[(1, 4)]), template(256, &[(2, 4)])]), ConfigError::TwiceId(256));
    assert_eq!(v9(vec![template(256, &[])]), ConfigError::Empty(256));
    assert_eq!(v9(vec![template(256, &[(1, 0)])]), ConfigError::Empty(256));
    let long = ConfigError::TooLong { id: 256, needed: 2_000, room: 1_373 };
    assert_eq!(v9(vec![template(256, &[(82, 2_000)])]), long);
    let enterprise =
        FlowTemplate { fields: vec![FieldSpecifier::of(29_305, 1, 8)].into(), ..template(256, &[]) };
    assert_eq!(v9(vec![enterprise]), ConfigError::Enterprise { id: 256, enterprise: 29_305, element: 1 });
}

#[test]
fn memory_is_used_again() {
    let mut exporter = Exporter::new(config(Version::V9)).unwrap();
    let mut places = std::collections::HashSet::new();
    for number in 0..20_000 {
        exporter.add(&flow(number, NOW), Timestamp::EPOCH.max(NOW));
        while let Some(packet) = exporter.next_packet() {
            places.insert(packet.octets.as_ptr());
        }
    }
    assert!(exporter.statistics().packets > 100);
    assert!(places.len() < 10, "{}", places.len());
}
