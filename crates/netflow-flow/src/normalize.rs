//! From data records to flows.
//!
//! Which element fills which column is said in [`schema`](crate::schema), the one table; what takes more
//! than one element to find is in the modules here. Everything else goes to `extras`, so that nothing that
//! was decoded is lost.

use netflow_templates::{Column, Context, DataSet, DataType};

use self::program::{Program, Programs};
use crate::column::SpareParts;
use crate::json;
use crate::quality::Quality;
use crate::schema::Flow;

mod fixed;
mod icmp;
mod mpls;
mod names;
mod program;
mod sampling;
mod time;

pub use sampling::SamplingOverride;

/// Turns data sets into flows.
#[derive(Debug, Default)]
pub struct Normalizer {
    sampling_override: SamplingOverride,
    programs: Programs,
    spare: SpareParts,
    packet: u64,
    records: u16,
    /// The same of the packet whose late sets come now.
    late: (u64, u16),
}

impl Normalizer {
    /// A normaliser that believes what exporters say about sampling.
    pub fn new() -> Self {
        Self::default()
    }

    /// A normaliser that believes the user about sampling.
    pub fn with_sampling_override(sampling_override: SamplingOverride) -> Self {
        Self { sampling_override, ..Self::default() }
    }

    /// Appends a flow for every record of `set` to `flows`.
    pub fn normalize(&mut self, context: &Context<'_>, set: DataSet<'_>, flows: &mut Vec<Flow>) {
        let start = flows.len();
        let first = self.count(context, set.len());
        let program = self.programs.of(set.plan());
        begin(context, &set, program, self.sampling_override, first, flows);
        let flows = &mut flows[start..];
        if program.rare {
            self.spare.attach(flows);
        }
        let fields = set.plan().fields();
        for step in &program.steps {
            let columns = [set.column(&fields[step.field]), set.column(&fields[step.other])];
            if !(step.fill)(&columns, context, flows) {
                extras(&columns[0], flows);
            }
        }
        if program.time.is_to_complete() {
            time::complete(&set, &program.time, context, flows);
        }
        if self.sampling_override.is_none() {
            program.sampling.complete(&set, context, flows);
        }
        if program.direction {
            flows.iter_mut().for_each(drop_wrong_direction);
        }
        if program.ip_version == 0 {
            flows.iter_mut().for_each(take_ip_version);
        }
        if let Some(proto) = program.implied_proto {
            flows.iter_mut().for_each(|flow| flow.proto = proto);
        }
        flows.iter_mut().for_each(icmp::complete);
        if context.options.knows(context.exporter.address) {
            names::complete(context, flows);
        }
    }

    /// Takes back the memory of flows that are done with.
    pub fn recycle(&mut self, flows: &mut Vec<Flow>) {
        self.spare.detach(flows);
        flows.clear();
    }

    /// Position of the set's first record in its export packet.
    fn count(&mut self, context: &Context<'_>, records: usize) -> u16 {
        let (packet, counted) = match context.late {
            true => (&mut self.late.0, &mut self.late.1),
            false => (&mut self.packet, &mut self.records),
        };
        if *packet != context.packet {
            (*packet, *counted) = (context.packet, 0);
        }
        let first = *counted;
        *counted = first.wrapping_add(records as u16);
        first
    }
}

/// Appends the flows of a set, with what they all have in common.
fn begin(
    context: &Context<'_>,
    set: &DataSet<'_>,
    program: &Program,
    sampling_override: SamplingOverride,
    first: u16,
    flows: &mut Vec<Flow>,
) {
    let header = context.header;
    let (sampling_rate, sampling_source) = sampling::of_set(context, sampling_override);
    let common = Flow {
        exporter_addr: context.exporter.address,
        exporter_port: context.exporter.port,
        observation_domain_id: context.domain(),
        flow_version: header.version() as u8,
        template_id: Some(set.plan().template_id()).filter(|&id| id != 0),
        sequence: header.sequence().unwrap_or(0),
        time_received: context.received,
        time_export: context.clock.export,
        time_quality: program.time.quality(context),
        flows: 1,
        sampling_rate,
        sampling_source,
        ip_version: program.ip_version,
        quality: if context.late { Quality::LATE_TEMPLATE.0 } else { 0 },
        record_index: first,
        ..Flow::UNKNOWN
    };
    if let Some(begin) = program.fixed {
        return begin(set, &common, &context.clock, flows);
    }
    flows.extend((0..set.len()).map(|row| common.with_index(first.wrapping_add(row as u16))));
}

/// Keeps a field that no column takes under its name.
fn extras(column: &Column<'_>, flows: &mut [Flow]) {
    let field = column.field();
    let element = field.element();
    if element.data_type.is_list() {
        // A list is nothing without the templates that it is made of: its text is kept.
        for (row, flow) in flows.iter_mut().enumerate() {
            let mut text = Vec::new();
            json::value(&mut text, &column.value(row));
            flow.rare_mut().extras.push(&element.name, field.occurrence(), DataType::String, &text);
        }
        return;
    }
    column.zip_octets(flows, |flow, octets| {
        flow.rare_mut().extras.push(&element.name, field.occurrence(), element.data_type, octets);
    });
}

/// Where the record does not say its IP version, or says zero, the addresses do.
fn take_ip_version(flow: &mut Flow) {
    if flow.ip_version == 0 {
        flow.ip_version = match flow.src_addr.or(flow.dst_addr) {
            Some(address) if address.is_ipv4() => 4,
            Some(_) => 6,
            None => 0,
        };
    }
}

/// Some exporters send other values than the two that there are.
fn drop_wrong_direction(flow: &mut Flow) {
    if flow.direction.is_some_and(|direction| direction > 1) {
        flow.direction = None;
        flow.quality |= Quality::INVALID_VALUE.0;
    }
}

#[cfg(test)]
mod tests;
