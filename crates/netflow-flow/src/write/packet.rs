//! An export packet as JSON.

use netflow_templates::{Context, DataSet, Exporter, MessageSink, Problem, TemplateChange, Timestamp};
use netflow_wire::{Header, TemplateDefinition};

use crate::json;

/// Collects what a session decodes of one export packet, and writes it as JSON: either everything, as
/// `nf decode` prints it, or as a line of a flow file.
///
/// A sink: after each [`Session::decode`](netflow_templates::Session::decode), one of the two writing
/// methods is called once.
#[derive(Debug, Default)]
pub struct PacketWriter {
    packet: Option<Packet>,
    templates: Vec<u8>,
    undecoded: Vec<u8>,
    /// Sets of earlier packets whose template came with this one.
    late: Vec<(u64, Packet)>,
    problems: Vec<Problem>,
}

/// What one line of a flow file is about.
#[derive(Debug)]
struct Packet {
    exporter: Exporter,
    received: Timestamp,
    header: Header,
    late: bool,
    /// Records of each data set: times that are estimated are so for a set.
    sets: Vec<usize>,
    flows: Vec<u8>,
    options: Vec<u8>,
}

impl Packet {
    fn new(context: &Context<'_>) -> Self {
        Self {
            exporter: context.exporter,
            received: context.received,
            header: *context.header,
            late: context.late,
            sets: Vec::new(),
            flows: Vec::new(),
            options: Vec::new(),
        }
    }

    fn write_line(&self, out: &mut Vec<u8>) {
        // The key is a number of seconds, to the microsecond as Python's time.time() has it.
        let micros = self.received.as_nanos().div_euclid(1_000);
        out.push(b'{');
        json::display(
            out,
            format_args!("{}.{:06}", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000)),
        );
        out.extend_from_slice(b":{\"client\":[");
        json::address(out, self.exporter.address);
        out.push(b',');
        json::number(out, self.exporter.port.into());
        out.extend_from_slice(b"],\"header\":");
        json::header(out, &self.header);
        if self.late {
            out.extend_from_slice(b",\"late\":true");
        }
        if self.sets.len() > 1 {
            let lengths: Vec<_> = self.sets.iter().map(usize::to_string).collect();
            list(out, "sets", lengths.join(",").as_bytes());
        }
        list(out, "flows", &self.flows);
        if !self.options.is_empty() {
            list(out, "options", &self.options);
        }
        out.extend_from_slice(b"}}\n");
    }
}

/// Appends a member that is a list, of elements that are written already.
fn list(out: &mut Vec<u8>, name: &str, elements: &[u8]) {
    json::key(out, name);
    out.push(b'[');
    out.extend_from_slice(elements);
    out.push(b']');
}

impl PacketWriter {
    /// A writer of packets.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was wrong with the packet, since it was begun.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Appends everything about the packet as one line: header, templates, options, flows, what was not
    /// decoded, and sets of earlier packets that now were.
    pub fn write_packet(&mut self, out: &mut Vec<u8>) {
        let Some(packet) = self.packet.take() else { return };
        out.extend_from_slice(b"{\"version\":");
        json::number(out, packet.header.version().into());
        json::key(out, "header");
        json::header(out, &packet.header);
        list(out, "templates", &self.templates);
        list(out, "options", &packet.options);
        list(out, "flows", &packet.flows);
        list(out, "undecoded", &self.undecoded);
        if !self.late.is_empty() {
            json::key(out, "late");
            out.push(b'[');
            for (index, (number, late)) in self.late.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(b"{\"packet\":");
                json::number(out, *number);
                list(out, "flows", &late.flows);
                if !late.options.is_empty() {
                    list(out, "options", &late.options);
                }
                out.push(b'}');
            }
            out.push(b']');
        }
        out.extend_from_slice(b"}\n");
        self.clear();
    }

    /// Appends the packet's line of a flow file, and before it those of earlier packets whose sets had to
    /// wait for their template. A packet of which nothing could be decoded yet has no line yet.
    pub fn write_line(&mut self, out: &mut Vec<u8>) {
        let Some(packet) = self.packet.take() else { return };
        for (_, late) in &self.late {
            late.write_line(out);
        }
        if !packet.flows.is_empty() || !packet.options.is_empty() || self.undecoded.is_empty() {
            packet.write_line(out);
        }
        self.clear();
    }

    /// Appends the lines of earlier packets to which nothing can be added any more.
    pub(super) fn write_late_lines(&mut self, out: &mut Vec<u8>) {
        let complete = self.late.len().saturating_sub(1);
        for (_, late) in self.late.drain(..complete) {
            late.write_line(out);
        }
    }

    fn clear(&mut self) {
        self.templates.clear();
        self.undecoded.clear();
        self.late.clear();
        self.problems.clear();
    }

    /// The packet that a set belongs to.
    fn packet_of(&mut self, context: &Context<'_>) -> &mut Packet {
        if context.late {
            if self.late.last().is_none_or(|(number, _)| *number != context.packet) {
                self.late.push((context.packet, Packet::new(context)));
            }
            &mut self.late.last_mut().expect("one was pushed if there was none").1
        } else {
            self.packet.get_or_insert_with(|| Packet::new(context))
        }
    }
}

impl MessageSink for PacketWriter {
    fn packet(&mut self, context: &Context<'_>) {
        self.clear();
        self.packet = Some(Packet::new(context));
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        let packet = self.packet_of(context);
        packet.sets.push(set.len());
        json::records(&mut packet.flows, &set);
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        json::options_records(&mut self.packet_of(context).options, &set);
    }

    fn template(&mut self, _context: &Context<'_>, change: TemplateChange<'_>) {
        let out = &mut self.templates;
        json::separate(out);
        match change {
            TemplateChange::Sent { definition, plan, .. } => {
                let kind = if definition.options { "options" } else { "data" };
                template_head(out, definition.template_id, kind);
                out.extend_from_slice(b",\"fields\":[");
                template_fields(out, definition, plan);
                out.extend_from_slice(b"]}");
            }
            TemplateChange::Withdrawn { template_id, .. } => {
                template_head(out, template_id, "withdrawal");
                out.extend_from_slice(b",\"fields\":[]}");
            }
            _ => {}
        }
    }

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        if let Problem::MissingTemplate { set_id, length, .. } = problem {
            let out = &mut self.undecoded;
            json::separate(out);
            out.extend_from_slice(b"{\"set_id\":");
            json::number(out, set_id.into());
            out.extend_from_slice(b",\"length\":");
            json::number(out, length as u64);
            out.extend_from_slice(b",\"reason\":\"template unknown\"}");
        }
        self.problems.push(problem);
    }
}

fn template_head(out: &mut Vec<u8>, template_id: u16, kind: &str) {
    out.extend_from_slice(b"{\"template_id\":");
    json::number(out, template_id.into());
    json::key(out, "kind");
    json::string(out, kind);
}

fn template_fields(
    out: &mut Vec<u8>,
    definition: &TemplateDefinition,
    plan: Option<&netflow_templates::Plan>,
) {
    for (index, specifier) in definition.fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"id\":");
        json::number(out, specifier.id.into());
        json::key(out, "pen");
        // Scope types of v9 are no information elements, and have no enterprise.
        let scope = index < usize::from(definition.scope_count);
        let assigned = specifier.enterprise != netflow_wire::enterprise::UNASSIGNED;
        json::number(out, if assigned { specifier.enterprise.into() } else { 0 });
        if let Some(field) = plan.and_then(|plan| plan.fields().get(index)) {
            json::key(out, "name");
            json::string(out, field.name());
        }
        json::key(out, "length");
        json::number(out, specifier.length.into());
        if definition.options {
            json::key(out, "scope");
            out.extend_from_slice(if scope { b"true" } else { b"false" });
        }
        out.push(b'}');
    }
}
