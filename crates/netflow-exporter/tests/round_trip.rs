//! What is exported is read as it was: every column, in each version that can carry it.
#![allow(clippy::unwrap_used, missing_docs)]

use netflow_exporter::{Exporter, ExporterConfig, FlowTemplate, Version};
use netflow_flow::{COLUMNS, Cell, Column, Flow, FlowSink, Kind, MacAddress, column};
use netflow_templates::{Session, Timestamp};

const STARTED: Timestamp = Timestamp::from_secs(1_714_000_000);
const NOW: Timestamp = Timestamp::from_secs(1_714_564_800);

/// Columns that say where a flow comes from and how it was read, not what it was.
const OF_THE_READER: &[&str] = &[
    "exporter_addr",
    "exporter_port",
    "observation_domain_id",
    "flow_version",
    "template_id",
    "sequence",
    "record_index",
    "time_received",
    "time_export",
    "time_quality",
    "sampling_source",
    "quality",
    // Joined from options data only.
    "out_if_name",
    "out_vrf_name",
    // No template has a field for each: see the tests below.
    "mpls_labels",
    "extras",
];

const VERSIONS: [Version; 18] = [
    Version::V1,
    Version::V5,
    Version::V7,
    Version::V8(1),
    Version::V8(2),
    Version::V8(3),
    Version::V8(4),
    Version::V8(5),
    Version::V8(6),
    Version::V8(7),
    Version::V8(8),
    Version::V8(9),
    Version::V8(10),
    Version::V8(11),
    Version::V8(12),
    Version::V8(13),
    Version::V8(14),
    Version::Ipfix,
];

fn config(version: Version) -> ExporterConfig {
    let templates = match version.has_templates() {
        true => FlowTemplate::of_all_columns(version),
        false => Vec::new(),
    };
    ExporterConfig { templates, ..ExporterConfig::new(version, STARTED) }
}

/// A flow with values that every version has room for.
fn flow(family: u8) -> Flow {
    let address = |last: u8| match family {
        4 => [192, 0, 2, last].into(),
        _ => [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last].into(),
    };
    let mut flow = Flow::UNKNOWN;
    flow.time_flow_start = Some(NOW.saturating_add_nanos(-5_000_000_000));
    flow.time_flow_end = Some(NOW.saturating_add_nanos(-1_000_000));
    flow.ip_version = family;
    (flow.src_addr, flow.dst_addr, flow.next_hop) = (Some(address(1)), Some(address(2)), Some(address(254)));
    (flow.proto, flow.sampling_rate, flow.flows) = (6, 1, 1);
    flow
}

/// The flows that a reader makes of an exporter's packets.
fn read(exporter: &mut Exporter) -> Vec<Flow> {
    exporter.flush(NOW);
    let (mut session, mut sink) = (Session::new(), FlowSink::default());
    let from = netflow_templates::Exporter { address: [198, 51, 100, 1].into(), port: 2055 };
    while let Some(packet) = exporter.next_packet() {
        session.decode(from, NOW, packet.octets, &mut sink).unwrap();
    }
    assert_eq!(session.statistics().problems, 0, "{:?}", session.statistics());
    sink.flows.to_vec()
}

fn round_trip(config: ExporterConfig, flow: &Flow) -> Flow {
    let mut exporter = Exporter::new(config).unwrap();
    exporter.add(flow, NOW);
    assert_eq!(exporter.statistics().left_out, 0);
    assert_eq!(exporter.statistics().cut, 0, "{flow:?}");
    let [read] = read(&mut exporter).try_into().unwrap();
    read
}

/// A value that a column can have in every version that has the column.
fn value(column: &Column, family: u8) -> Cell<'static> {
    match (column.name, column.kind) {
        ("ip_version", _) => Cell::Unsigned(family.into()),
        ("proto", _) => Cell::Unsigned(17),
        ("direction", _) => Cell::Unsigned(1),
        (_, Kind::Unsigned(_)) => Cell::Unsigned(77),
        (_, Kind::Address) if family == 4 => Cell::Text("203.0.113.77"),
        (_, Kind::Address) => Cell::Text("2001:db8::77"),
        (_, Kind::Time) => Cell::Time(NOW.saturating_add_nanos(-2_000_000_000)),
        (_, Kind::Text) => Cell::Text("GigabitEthernet0/0"),
        (_, Kind::Mac) => Cell::Mac(MacAddress([2, 0, 0, 1, 2, 3])),
        (_, Kind::Application) => Cell::Text("13:453"),
        (name, kind) => panic!("{name}: what is a value of {kind:?}?"),
    }
}

/// Whether the version has a field for a column.
fn carries(version: Version, column: &Column) -> bool {
    let computed = match column.name {
        "time_flow_start" | "time_flow_end" => true,
        "sampling_rate" | "icmp_type" | "icmp_code" | "reverse_start" | "reverse_end" => {
            version == Version::Ipfix || (version == Version::V9 && !column.name.starts_with("reverse"))
        }
        _ => false,
    };
    let Some(layout) = version.layout() else {
        return computed || column.elements.iter().any(|element| version == Version::Ipfix || element.0 == 0);
    };
    let has = |&(enterprise, id): &(u32, u16)| {
        layout.fields.iter().any(|field| (field.enterprise, field.id) == (enterprise, id))
    };
    computed || column.elements.iter().any(has)
}

#[test]
fn every_column_goes_through_every_version_that_has_it() {
    for version in VERSIONS.into_iter().chain([Version::V9]) {
        for family in [4, 6] {
            if family == 6 && !version.has_templates() {
                continue;
            }
            let base = round_trip(config(version), &flow(family));
            for column in COLUMNS.iter().filter(|column| !column.derived) {
                if OF_THE_READER.contains(&column.name) || !carries(version, column) {
                    continue;
                }
                let mut changed = flow(family);
                if column.name.starts_with("icmp") {
                    changed.proto = 1;
                }
                column.set(&mut changed, value(column, family)).unwrap();
                let read = round_trip(config(version), &changed);
                assert_eq!(column.get(&read), column.get(&changed), "{} in {version}", column.name);
                let others = COLUMNS.iter().filter(|other| {
                    let both = |prefix| column.name.starts_with(prefix) && other.name.starts_with(prefix);
                    let follows = (column.name.starts_with("icmp") && other.name == "proto") || both("icmp");
                    let same = other.derived || other.name == column.name || follows;
                    !same && !OF_THE_READER.contains(&other.name)
                });
                for other in others {
                    assert_eq!(
                        other.get(&read),
                        other.get(&base),
                        "{} changed with {} in {version}",
                        other.name,
                        column.name
                    );
                }
            }
        }
    }
}

#[test]
fn every_column_of_a_flow_is_one_that_the_test_above_goes_through() {
    for column in COLUMNS.iter().filter(|column| !column.derived) {
        assert!(
            OF_THE_READER.contains(&column.name) || carries(Version::Ipfix, column),
            "nothing exports {}",
            column.name
        );
        assert!(netflow_flow::column(column.name).is_some());
    }
    assert!(column("nothing").is_none());
}

#[test]
fn what_is_read_as_an_extra_beside_a_column_is_sent_as_what_it_was() {
    use netflow_exporter::Takes;
    use netflow_templates::{DataType, Value};
    use netflow_wire::{FieldSpecifier, element_id as ie};

    let ids = [ie::PACKET_DELTA_COUNT, ie::PACKET_TOTAL_COUNT];
    let fields = ids.map(|id| FieldSpecifier::iana(id, 8)).to_vec();
    let templates = vec![FlowTemplate { id: 256, takes: Takes::ALL, fields: fields.into() }];
    let config = ExporterConfig { templates, ..config(Version::Ipfix) };
    let mut flow = flow(4);
    flow.packets_raw = 3;
    let total =
        |flow: &Flow| flow.rare().extras.get("packetTotalCount").map(|value| value == Value::Unsigned(679));
    // A flow that says no total has that of its column.
    assert_eq!(total(&round_trip(config.clone(), &flow)), Some(false));
    flow.rare_mut().extras.push("packetTotalCount", 0, DataType::Unsigned64, &679_u64.to_be_bytes());
    let read = round_trip(config, &flow);
    assert_eq!((read.packets_raw, total(&read)), (3, Some(true)));
}
