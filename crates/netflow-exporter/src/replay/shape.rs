//! Templates that have the fields of a flow, and no others.

use std::collections::BTreeSet;

use netflow_flow::{COLUMNS, Cell, Column, Flow, FlowRef};
use netflow_templates::{DataType, Element, Registry, Timestamp};
use netflow_wire::{FieldSpecifier, FixedLayout, element_id as ie, enterprise as pen};

use crate::{FlowTemplate, Takes, Version};

/// Extras and labels that records have at most.
const MOST_EXTRAS: usize = 64;
const MOST_LABELS: usize = 10;
/// An uptime tells times from the export's on that are not further away: half of what 32 bits count.
const UPTIME_REACH: u64 = (1 << 31) * MILLISECOND.unsigned_abs();
const MILLISECOND: i64 = 1_000_000;

/// Columns that say where a flow comes from and how it was read: the packet says them, or nothing does.
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
];

/// What is told apart by other fields than those of [`FlowTemplate::of_columns`].
const APART: &[&str] = &[
    "time_flow_start",
    "time_flow_end",
    "reverse_start",
    "reverse_end",
    "icmp_type",
    "icmp_code",
    "mpls_labels",
];

/// What a record has fields for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    /// Columns by their place in the table, in order: those of IPv4 flows and those of IPv6, addresses by their own
    /// family.
    columns: [Vec<u16>; 2],
    family: u8,
    unit: Unit,
    start: bool,
    end: bool,
    reverse: bool,
    icmp: bool,
    labels: usize,
    extras: Vec<FieldSpecifier>,
}

/// How times are said: as coarsely as they are, since more collectors know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Uptime,
    Milliseconds,
    Nanoseconds,
}

/// Which columns a version has a field for.
#[derive(Debug)]
pub(super) struct Carried {
    /// By the family of their values, IPv4 or IPv6, and by their place in the table.
    columns: [Vec<bool>; 2],
    reverse: bool,
    labels: bool,
}

impl Carried {
    pub(super) fn by(version: Version) -> Self {
        let in_template =
            |family, column| !FlowTemplate::of_columns(version, 256, family, [column]).fields.is_empty();
        let in_layout = |layout: &FixedLayout, column: &Column| {
            let has = |&(enterprise, id): &(u32, u16)| {
                layout.fields.iter().any(|field| (field.enterprise, field.id) == (enterprise, id))
            };
            // The header of v5 says the sampling rate.
            column.elements.iter().any(has) || column.name == "sampling_rate" && version == Version::V5
        };
        let carries = |family| {
            let carries = |column| match version.layout() {
                Some(layout) => in_layout(layout, column),
                None => in_template(family, column),
            };
            COLUMNS.iter().map(carries).collect()
        };
        let columns = [carries(4), carries(6)];
        Self { columns, reverse: version == Version::Ipfix, labels: version.has_templates() }
    }
}

/// Finds the shapes of an exporter's flows.
#[derive(Debug)]
pub(super) struct Shapes {
    version: Version,
    /// Columns where absent is 0 and that had another value: all later records have them too.
    numbers: BTreeSet<u16>,
}

impl Shapes {
    pub(super) fn new(version: Version) -> Self {
        let usual = [
            "bytes_raw",
            "packets_raw",
            "src_port",
            "dst_port",
            "proto",
            "tcp_flags",
            "ip_tos",
            "in_if",
            "out_if",
        ];
        let place = |name: &&str| COLUMNS.iter().position(|column| column.name == *name);
        Self { version, numbers: usual.iter().filter_map(place).map(|place| place as u16).collect() }
    }

    /// The shape of a flow that is exported at a time. What the version has no field for is named in `left_out`.
    pub(super) fn of(
        &mut self,
        flow: &Flow,
        export: Timestamp,
        carried: &Carried,
        registry: &Registry,
        left_out: &mut BTreeSet<String>,
    ) -> Shape {
        let family = FlowRef::from(flow).ip_family();
        let mut columns = [Vec::new(), Vec::new()];
        for (place, column) in COLUMNS.iter().enumerate() {
            if column.derived || OF_THE_READER.contains(&column.name) || APART.contains(&column.name) {
                continue;
            }
            let of_value = match column.get(flow) {
                Cell::Null | Cell::Text("") | Cell::Extras(_) => continue,
                Cell::Unsigned(number) if !self.is_number(place as u16, column, number) => continue,
                Cell::Address(address) => u8::from(address.is_ipv6()),
                _ => u8::from(family == 6),
            };
            match carried.columns[usize::from(of_value)][place] {
                true => columns[usize::from(of_value)].push(place as u16),
                // It follows from the addresses.
                false if column.name == "ip_version" => {}
                false => name(left_out, column.name),
            }
        }
        let rare = flow.rare();
        let times = [flow.time_flow_start, flow.time_flow_end, rare.reverse_start, rare.reverse_end];
        let reverse = rare.reverse_start.is_some() || rare.reverse_end.is_some();
        for (there, apart, column) in [
            (reverse, carried.reverse, "reverse_start"),
            (!rare.mpls_labels.is_empty(), carried.labels, "mpls_labels"),
        ] {
            if there && !apart {
                name(left_out, column);
            }
        }
        Shape {
            columns,
            family,
            unit: unit(self.version, export, times),
            start: flow.time_flow_start.is_some(),
            end: flow.time_flow_end.is_some(),
            reverse: reverse && carried.reverse,
            icmp: flow.icmp_type.is_some(),
            labels: rare.mpls_labels.len().min(MOST_LABELS),
            extras: self.extras(flow, registry, left_out),
        }
    }

    /// Whether a number goes into the record: in most columns 0 is what a record without the field is read as.
    fn is_number(&mut self, place: u16, column: &Column, number: u64) -> bool {
        let absent = match column.name {
            "flows" | "sampling_rate" => 1,
            _ if column.get(&Flow::UNKNOWN) == Cell::Null => return true,
            _ => 0,
        };
        number != absent && self.numbers.insert(place) || self.numbers.contains(&place)
    }

    fn extras(
        &self,
        flow: &Flow,
        registry: &Registry,
        left_out: &mut BTreeSet<String>,
    ) -> Vec<FieldSpecifier> {
        let mut fields = Vec::new();
        for (extra, _) in flow.rare().extras.iter() {
            // What fixed versions have and no others is under a number that is never sent.
            let sent =
                |element: &Element| is_whole(element.data_type) && element.enterprise != pen::UNASSIGNED;
            match registry.find_name(extra).filter(sent) {
                Some(element)
                    if fields.len() < MOST_EXTRAS
                        && self.version.has_templates()
                        && (self.version == Version::Ipfix
                            || element.enterprise == pen::IANA && element.data_type.full_length() < 256) =>
                {
                    fields.push(FieldSpecifier::of(
                        element.enterprise,
                        element.id,
                        element.data_type.full_length(),
                    ));
                }
                _ => name(left_out, extra),
            }
        }
        fields
    }
}

/// Names that are told at most.
const MOST_NAMES: usize = 1_000;

fn name(names: &mut BTreeSet<String>, column: &str) {
    if names.len() < MOST_NAMES && !names.contains(column) {
        names.insert(column.to_owned());
    }
}

/// Whether a value means the same in any packet: lists may refer to templates.
fn is_whole(data_type: DataType) -> bool {
    !matches!(data_type, DataType::BasicList | DataType::SubTemplateList | DataType::SubTemplateMultiList)
}

/// The coarsest unit that says times as they are.
fn unit(version: Version, export: Timestamp, times: [Option<Timestamp>; 4]) -> Unit {
    let mut times = times.into_iter().flatten().map(Timestamp::as_nanos);
    let near = |nanos: i64| (nanos.saturating_sub(export.as_nanos())).unsigned_abs() < UPTIME_REACH;
    if !times.clone().all(|nanos| nanos % MILLISECOND == 0) {
        Unit::Nanoseconds
    } else if version == Version::V9 && times.all(near) {
        Unit::Uptime
    } else {
        Unit::Milliseconds
    }
}

impl Shape {
    /// The template of such flows.
    pub(super) fn template(&self, version: Version, id: u16) -> FlowTemplate {
        let mut fields = Vec::new();
        for (columns, family) in self.columns.iter().zip([4, 6]) {
            let columns = columns.iter().map(|&place| &COLUMNS[usize::from(place)]);
            fields.extend_from_slice(&FlowTemplate::of_columns(version, id, family, columns).fields);
        }
        let [start, end] = match self.unit {
            Unit::Uptime => [ie::FLOW_START_SYS_UP_TIME, ie::FLOW_END_SYS_UP_TIME],
            Unit::Milliseconds => [ie::FLOW_START_MILLISECONDS, ie::FLOW_END_MILLISECONDS],
            Unit::Nanoseconds => [ie::FLOW_START_NANOSECONDS, ie::FLOW_END_NANOSECONDS],
        };
        let length = if self.unit == Unit::Uptime { 4 } else { 8 };
        let mut time = |wanted, enterprise, id| {
            if wanted {
                fields.push(FieldSpecifier::of(enterprise, id, length));
            }
        };
        time(self.start, pen::IANA, start);
        time(self.end, pen::IANA, end);
        time(self.reverse, pen::REVERSE, start);
        time(self.reverse, pen::REVERSE, end);
        if self.icmp {
            let id = if self.family == 6 { ie::ICMP_TYPE_CODE_IPV6 } else { ie::ICMP_TYPE_CODE_IPV4 };
            fields.push(FieldSpecifier::iana(id, 2));
        }
        let label = |place: usize| FieldSpecifier::iana(ie::MPLS_TOP_LABEL_STACK_SECTION + place as u16, 3);
        fields.extend((0..self.labels).map(label));
        for extra in &self.extras {
            // Sampling rates and times are extras too, and have their fields already.
            if !fields.iter().any(|field| (field.enterprise, field.id) == (extra.enterprise, extra.id)) {
                fields.push(*extra);
            }
        }
        FlowTemplate { id, takes: Takes::ALL, fields: fields.into() }
    }
}
