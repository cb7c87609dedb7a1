//! From data records to flows.
//!
//! Which element fills which column is said in [`schema`](crate::schema), the one table; what takes more
//! than one element to find is in the modules here. Everything else goes to `extras`, so that nothing that
//! was decoded is lost.

use std::collections::HashMap;
use std::mem::ManuallyDrop;

use netflow_templates::{Column, Context, DataSet};
use netflow_wire::Header;

use self::program::{Program, Programs};
use crate::column::Target;
use crate::flows::{Flows, Row};
use crate::json;
use crate::quality::Quality;
use crate::schema::Flow;

pub(crate) mod fixed;
mod fractions;
pub(crate) mod icmp;
mod mpls;
mod names;
mod program;
mod sampling;
mod stand_ins;
pub(crate) mod time;

pub use sampling::SamplingOverride;
pub use stand_ins::{has_only_physical_interfaces, has_only_totals, is_of_events};

/// Packets with late sets whose records are counted, until a packet has data of its own.
const MAX_LATE: usize = 65_536;
/// Answers that a look-up has at hand.
const AT_HAND: usize = 16;

/// Turns data sets into flows.
#[derive(Debug, Default)]
pub struct Normalizer {
    sampling_override: SamplingOverride,
    programs: Programs,
    packet: u64,
    records: u16,
    /// Records of packets whose late sets come with this one.
    late: HashMap<u64, u16>,
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
    pub fn normalize(&mut self, context: &Context<'_>, set: DataSet<'_>, flows: &mut Flows) {
        let start = flows.len();
        let first = self.count(context, set.len());
        let program = self.programs.of(set.plan());
        begin(context, &set, program, self.sampling_override, first, &mut flows.rows);
        let Flows { rows, rare, has_rare } = flows;
        *has_rare |= program.rare;
        let rows = start..rows.len();
        let mut target = Target { flows: &mut flows.rows[start..], rare, rows };
        let fields = set.plan().fields();
        for step in &program.steps {
            let columns = [set.column(&fields[step.field]), set.column(&fields[step.other])];
            if !(step.fill)(&columns, context, &mut target) {
                *has_rare = true;
                extras(&columns[0], &mut target);
            }
        }
        if !program.mpls.is_empty() {
            mpls::complete(&set, &program.mpls, &mut target);
        }
        if let Some(seen) = &mut program.fractions {
            fractions::correct(seen, &set, &program.time, target.flows);
        }
        if program.time.is_to_complete() {
            time::complete(&set, &program.time, context, target.flows);
        }
        if self.sampling_override.is_none() {
            program.sampling.complete(&set, context, target.flows);
        }
        if program.direction {
            target.flows.iter_mut().for_each(|flow| drop_wrong_direction(flow));
        }
        if program.ip_version == 0 {
            target.flows.iter_mut().for_each(|flow| take_ip_version(flow));
        }
        if let Some(proto) = program.implied_proto {
            target.flows.iter_mut().for_each(|flow| flow.proto = proto);
        }
        if program.fixed.is_none() {
            let note = match context.header {
                Header::V9(_) | Header::Ipfix(_) => Quality::ICMP_FROM_PORT,
                _ => Quality::default(),
            };
            let note = program.ports.then_some(note);
            target.flows.iter_mut().for_each(|flow| icmp::complete(flow, note));
        }
        if context.options.knows(context.exporter.address) {
            *has_rare |= names::complete(context, &mut target);
        }
    }

    /// Position of the set's first record in its export packet.
    fn count(&mut self, context: &Context<'_>, records: usize) -> u16 {
        if !context.late && self.packet != context.packet {
            (self.packet, self.records) = (context.packet, 0);
            self.late.clear();
        }
        if self.late.len() >= MAX_LATE {
            self.late.clear();
        }
        let counted = match context.late {
            true => self.late.entry(context.packet).or_default(),
            false => &mut self.records,
        };
        let first = *counted;
        *counted = first.wrapping_add(records as u16);
        first
    }
}

/// Appends the flows of a set, with what they all have in common; the first has the index `first`.
fn begin(
    context: &Context<'_>,
    set: &DataSet<'_>,
    program: &Program,
    sampling_override: SamplingOverride,
    first: u16,
    flows: &mut Vec<Row>,
) {
    if let Some(begin) = program.fixed {
        let common = Flow { record_index: first, ..common(context, set, program, sampling_override) };
        return begin(set, &common, &context.clock, flows);
    }
    // Nothing else may see this one, so that what is not known of it is known when this is compiled.
    let common = common(context, set, program, sampling_override);
    let indices = (0..set.len()).map(|row| first.wrapping_add(row as u16));
    flows.extend(indices.map(|index| ManuallyDrop::new(common.with_index(index))));
}

/// What the flows of a set have in common.
#[inline(always)]
fn common(
    context: &Context<'_>,
    set: &DataSet<'_>,
    program: &Program,
    sampling_override: SamplingOverride,
) -> Flow {
    let header = context.header;
    let (sampling_rate, sampling_source) = sampling::of_set(context, sampling_override);
    Flow {
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
        quality: (if context.late { program.quality | Quality::LATE_TEMPLATE } else { program.quality }).0,
        ..Flow::UNKNOWN
    }
}

/// Keeps a field that no column takes under its name.
fn extras(column: &Column<'_>, target: &mut Target<'_>) {
    let (extras, rows) = (&mut target.rare.extras, target.rows.clone());
    if column.field().element().data_type.is_list() {
        // A list is nothing without the templates that it is made of: its text is kept.
        extras.fill_texts(column, rows, |row, text| json::value(text, &column.value(row)));
    } else {
        extras.fill(column, rows);
    }
}

/// A look-up of which some answers are at hand, each in the only place that its key has: the flows of a set have few
/// interfaces.
fn remembering<K: Copy + PartialEq, V: Copy>(
    place: impl Fn(K) -> usize,
    look: impl Fn(K) -> V,
) -> impl FnMut(K) -> V {
    let mut known = [None; AT_HAND];
    move |key| match &mut known[place(key) % AT_HAND] {
        Some((of, value)) if *of == key => *value,
        place => {
            let value = look(key);
            *place = Some((key, value));
            value
        }
    }
}

/// Where the record does not say its IP version, or says zero, the addresses do.
fn take_ip_version(flow: &mut Flow) {
    flow.ip_version = flow.ip_family();
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
