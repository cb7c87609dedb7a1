//! What several tests need: export packets, and a sink that writes down what a session tells.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::net::{IpAddr, Ipv4Addr};

use netflow_templates::{
    Context, DataSet, Exporter, MessageSink, Problem, Session, TemplateChange, Timestamp,
};
use netflow_wire::{FieldSpecifier, Header, MessageEncoder, TemplateDefinition, element_id as ie, ipfix, v9};

/// Everything that a session tells, as text: `flow 256: 6 80`, `options 257: ...`, `template 256 new`, ...
#[derive(Default)]
pub struct Told {
    pub lines: Vec<String>,
    pub problems: Vec<Problem>,
}

impl Told {
    fn records(&mut self, kind: &str, context: &Context<'_>, set: &DataSet<'_>) {
        for record in set.records() {
            let values: Vec<_> = record.values().map(|(_, value)| value.to_string()).collect();
            let late = if context.late { format!(" (of packet {})", context.packet) } else { String::new() };
            self.lines.push(format!("{kind} {}: {}{late}", set.plan().template_id(), values.join(" ")));
        }
    }
}

impl MessageSink for Told {
    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.records("flow", context, &set);
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.records("options", context, &set);
    }

    fn template(&mut self, _context: &Context<'_>, change: TemplateChange<'_>) {
        self.lines.push(match change {
            TemplateChange::Sent { definition, new, .. } => {
                format!("template {} {}", definition.template_id, if new { "new" } else { "again" })
            }
            TemplateChange::Withdrawn { template_id, count } => format!("withdrawn {template_id}: {count}"),
            _ => unreachable!(),
        });
    }

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        self.problems.push(problem);
    }
}

pub const ROUTER: Exporter = Exporter { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port: 2055 };

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_714_564_800 + seconds)
}

pub fn v9(source_id: u32) -> MessageEncoder {
    MessageEncoder::new(Header::V9(v9::Header { source_id, ..v9::Header::default() }))
}

pub fn ipfix(observation_domain_id: u32) -> MessageEncoder {
    MessageEncoder::new(Header::Ipfix(ipfix::Header { observation_domain_id, ..ipfix::Header::default() }))
}

pub fn template(template_id: u16, fields: &[(u16, u16)]) -> TemplateDefinition {
    let fields = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
    TemplateDefinition { template_id, scope_count: 0, options: false, fields, offset: 0 }
}

/// Protocol and source port.
pub fn protocol_and_port(template_id: u16) -> TemplateDefinition {
    template(template_id, &[(ie::PROTOCOL_IDENTIFIER, 1), (ie::SOURCE_TRANSPORT_PORT, 2)])
}

/// Decodes packets one after the other; returns what was told about each.
pub fn decode(session: &mut Session, packets: &[Vec<u8>]) -> Vec<Told> {
    packets
        .iter()
        .map(|packet| {
            let mut told = Told::default();
            session.decode(ROUTER, at(0), packet, &mut told).unwrap();
            told
        })
        .collect()
}

pub fn lines(told: &[Told]) -> Vec<Vec<&str>> {
    told.iter().map(|told| told.lines.iter().map(String::as_str).collect()).collect()
}

/// An export packet with options records of one template, whose first field is the scope. Values have the lengths
/// of those of the first record.
pub fn options_packet(domain: u32, records: &[Vec<(u16, &[u8])>]) -> Vec<u8> {
    scoped_packet(domain, 1, records)
}

/// The same, with so many fields of scope.
pub fn scoped_packet(domain: u32, scope_count: u16, records: &[Vec<(u16, &[u8])>]) -> Vec<u8> {
    let fields = records[0].iter().map(|&(id, value)| FieldSpecifier::iana(id, value.len() as u16)).collect();
    let definition = TemplateDefinition { template_id: 300, scope_count, options: true, fields, offset: 0 };
    let mut packet = ipfix(domain);
    packet.template(&definition).begin_set(300);
    for (_, value) in records.iter().flatten() {
        packet.octets(value);
    }
    packet.finish()
}
