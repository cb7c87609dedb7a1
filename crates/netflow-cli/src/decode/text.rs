//! Export packets as a tree for people.

use std::io::Write;
use std::net::SocketAddr;

use netflow_flow::{ApplicationId, header_fields, protocol_name};
use netflow_templates::{
    Clock, Context, DataSet, DataType, Exporter, Field, MessageSink, Plan, Problem, Record, TemplateChange,
    Timestamp, Units, Value,
};
use netflow_wire::{Header, TemplateDefinition, VARIABLE_LENGTH, element_id as ie, enterprise};

/// Collects what a session decodes of one export packet, and writes it as a tree.
#[derive(Debug, Default)]
pub(super) struct TextWriter {
    packet: Option<(u64, Exporter, Timestamp, Header)>,
    body: Vec<u8>,
    problems: Vec<Problem>,
    flows: usize,
}

impl TextWriter {
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn write(&mut self, length: usize, out: &mut Vec<u8>) {
        let Some((number, exporter, received, header)) = self.packet.take() else { return };
        let name = match header {
            Header::Ipfix(_) => "IPFIX message".to_owned(),
            _ => format!("NetFlow v{} export packet", header.version()),
        };
        line(out, format_args!("{name} {}, {length} octets", number + 1));
        if exporter.port != 0 {
            line(out, format_args!("  from {} at {received}", SocketAddr::from(exporter)));
        }
        line(out, format_args!("  header, {} octets", header.len()));
        for (name, value) in header_fields(&header) {
            let meaning = header_meaning(&header, name, value);
            line(out, format_args!("    {name:<22} {value}{meaning}"));
        }
        out.append(&mut self.body);
        for problem in self.problems.drain(..) {
            line(out, format_args!("  ! {problem}"));
        }
        line(out, format_args!("  {} flow records decoded", self.flows));
        self.flows = 0;
        out.push(b'\n');
    }

    fn set(&mut self, context: &Context<'_>, set: &DataSet<'_>) {
        let plan = set.plan();
        let late = match context.late {
            true => format!(" of packet {}, which waited for this template", context.packet + 1),
            false => String::new(),
        };
        let records = if set.len() == 1 { "record" } else { "records" };
        let what = match (plan.template_id(), plan.is_options()) {
            (0, _) => format!("{} {records}", set.len()),
            (id, false) => format!("data set {id}: {} {records}", set.len()),
            (id, true) => format!("options data set {id}: {} {records}", set.len()),
        };
        line(&mut self.body, format_args!("  {what}{late}"));
        for (index, record) in set.records().enumerate() {
            let range = record.range();
            line(
                &mut self.body,
                format_args!("    record {}, octets {} to {}", index + 1, range.start, range.end - 1),
            );
            self.record(context, &record, plan);
        }
    }

    fn record(&mut self, context: &Context<'_>, record: &Record<'_>, plan: &Plan) {
        let width = plan.fields().iter().map(|field| field.name().len()).max().unwrap_or(0).min(40);
        for (index, (field, value)) in
            record.values().enumerate().filter(|(_, (field, _))| !field.is_padding())
        {
            let scope = if index < plan.scope_count() { "scope " } else { "" };
            let meaning = meaning(context, field, &value);
            let name = field.name();
            line(&mut self.body, format_args!("      {scope}{name:<width$}  {value}{meaning}"));
        }
    }
}

impl MessageSink for TextWriter {
    fn packet(&mut self, context: &Context<'_>) {
        self.packet = Some((context.packet, context.exporter, context.received, *context.header));
        self.body.clear();
        self.problems.clear();
        self.flows = 0;
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.flows += set.len();
        self.set(context, &set);
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.set(context, &set);
    }

    fn template(&mut self, _context: &Context<'_>, change: TemplateChange<'_>) {
        match change {
            TemplateChange::Sent { definition, plan, new } => template(&mut self.body, definition, plan, new),
            TemplateChange::Withdrawn { template_id, count } => {
                let what = match template_id {
                    2 => "all templates are withdrawn".to_owned(),
                    3 => "all options templates are withdrawn".to_owned(),
                    id => format!("template {id} is withdrawn"),
                };
                line(&mut self.body, format_args!("  {what} ({count} were known)"));
            }
            _ => {}
        }
    }

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        self.problems.push(problem);
    }
}

fn template(out: &mut Vec<u8>, definition: &TemplateDefinition, plan: Option<&Plan>, new: bool) {
    let kind = if definition.options { "options template" } else { "template" };
    let length = match plan.map(|plan| (plan.record_len(), plan.shortest_record())) {
        Some((Some(length), _)) => format!("{length} octets a record"),
        Some((None, shortest)) => format!("at least {shortest} octets a record"),
        None => "not kept".to_owned(),
    };
    let known = if new { "" } else { ", known already" };
    line(
        out,
        format_args!(
            "  {kind} {} at octet {}: {} fields, {length}{known}",
            definition.template_id,
            definition.offset,
            definition.fields.len()
        ),
    );
    for (index, specifier) in definition.fields.iter().enumerate() {
        let field = plan.and_then(|plan| plan.fields().get(index));
        let scope = if index < usize::from(definition.scope_count) { "scope " } else { "" };
        let number = match specifier.enterprise {
            enterprise::IANA => specifier.id.to_string(),
            enterprise::UNASSIGNED => format!("scope type {}", specifier.id),
            pen => format!("{pen}.{}", specifier.id),
        };
        let name = field.map_or("", Field::name);
        let data_type = field.map_or("", |field| field.element().data_type.as_str());
        let length = match specifier.length {
            VARIABLE_LENGTH => "variable length".to_owned(),
            1 => "1 octet".to_owned(),
            length => format!("{length} octets"),
        };
        line(out, format_args!("    {scope}{name} ({number}): {data_type}, {length}"));
    }
}

/// What a header's number means, where that is not plain.
fn header_meaning(header: &Header, name: &str, value: u32) -> String {
    match (name, header) {
        ("uptime", _) => format!(" ms = {}", duration(value.into())),
        ("timestamp" | "export_time", _) => format!(" s = {:.0}", Timestamp::from_secs(value.into())),
        ("timestamp_nano", _) => " ns".to_owned(),
        ("length", _) => " octets".to_owned(),
        ("sampling_interval", Header::V5(h)) => {
            let mode = match h.sampling_mode() {
                0 => "none",
                1 => "packet interval",
                2 => "random",
                _ => "reserved",
            };
            format!(" = mode {} ({mode}), 1 packet in {}", h.sampling_mode(), h.sampling_interval().max(1))
        }
        ("sequence", Header::V5(_) | Header::V7(_) | Header::V8(_)) => " flows before".to_owned(),
        ("sequence", Header::V9(_)) => " packets before".to_owned(),
        ("sequence_number", _) => " data records before".to_owned(),
        ("count", _) => " records".to_owned(),
        _ => String::new(),
    }
}

/// What a value means, behind it: units, names, points in time.
fn meaning(context: &Context<'_>, field: &Field, value: &Value<'_>) -> String {
    let element = field.element();
    let id = if element.enterprise == enterprise::REVERSE { enterprise::IANA } else { element.enterprise };
    if let Value::Unsigned(number) = *value
        && id == enterprise::IANA
    {
        let text = match element.id {
            ie::PROTOCOL_IDENTIFIER => {
                u8::try_from(number).ok().and_then(protocol_name).unwrap_or_default().to_owned()
            }
            ie::TCP_CONTROL_BITS => tcp_flags(number),
            ie::FLOW_START_SYS_UP_TIME | ie::FLOW_END_SYS_UP_TIME => {
                return uptime_meaning(&context.clock, number);
            }
            ie::FLOW_DIRECTION => ["ingress", "egress"].get(number as usize).unwrap_or(&"").to_string(),
            ie::FLOW_END_REASON => {
                let reasons =
                    ["", "idle", "active timeout", "end of flow", "forced end", "lack of resources"];
                reasons.get(number as usize).unwrap_or(&"").to_string()
            }
            ie::ICMP_TYPE_CODE_IPV4 | ie::ICMP_TYPE_CODE_IPV6 => {
                format!("type {}, code {}", number >> 8, number & 255)
            }
            _ => String::new(),
        };
        if !text.is_empty() {
            return format!(" ({text})");
        }
    }
    if let (Value::Octets(octets), enterprise::IANA, ie::APPLICATION_ID) = (value, id, element.id)
        && let Some(application) = ApplicationId::from_octets(octets)
    {
        return format!(" ({application})");
    }
    let fits = !matches!(value, Value::Absent | Value::Octets(_));
    match element.units {
        _ if matches!(value, Value::Absent) => " (absent)".to_owned(),
        Units::None | Units::Inferred => String::new(),
        _ if element.data_type == DataType::OctetArray => String::new(),
        units if *value == Value::Unsigned(1) => format!(" {}", units.as_str().trim_end_matches('s')),
        units if fits => format!(" {units}"),
        _ => String::new(),
    }
}

fn uptime_meaning(clock: &Clock, number: u64) -> String {
    match clock.at_uptime(number as u32) {
        Some(time) => format!(" ms of uptime = {time:.3}"),
        None => " ms of uptime".to_owned(),
    }
}

fn tcp_flags(number: u64) -> String {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    let set = names.iter().enumerate().filter(|(bit, _)| number & (1 << bit) != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{days} d {hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, millis % 1000)
}

fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A vector takes every octet.
    let _ = writeln!(out, "{text}");
}
