//! From data records to flows.
//!
//! Which element fills which column is said in [`schema`](crate::schema), the one table; what takes more
//! than one element to find is in the modules here. Everything else goes to `extras`, so that nothing that
//! was decoded is lost.

use netflow_templates::{Column, Context, DataSet, Plan};
use netflow_wire::{element_id as ie, enterprise as pen};

use crate::column::{Fill, SpareParts};
use crate::quality::Quality;
use crate::schema::{self, Flow};

mod icmp;
mod mpls;
mod sampling;
mod time;

pub use sampling::SamplingOverride;

/// Turns data sets into flows.
#[derive(Debug, Default)]
pub struct Normalizer {
    sampling_override: SamplingOverride,
    spare: SpareParts,
    assignments: Assignments,
    packet: u64,
    records: u16,
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
        self.begin(context, &set, first, flows);
        let flows = &mut flows[start..];
        let plan = set.plan();
        for (column, fill) in set.columns().zip(self.assignments.of(plan)) {
            let taken = fill.is_some_and(|fill| fill(&column, flows, &mut self.spare))
                || time::fill(&column, context, flows, &mut self.spare)
                || icmp::fill(&column, flows)
                || mpls::fill(&column, flows, &mut self.spare)
                || column.field().is_padding()
                || column.field().length() == 0;
            if !taken {
                extras(&column, flows, &mut self.spare);
            }
        }
        time::complete(&set, context, flows);
        sampling::complete(&set, context, self.sampling_override, flows);
        if plan.has(pen::IANA, ie::FLOW_DIRECTION) {
            drop_wrong_directions(flows);
        }
        if ip_version(plan) == 0 {
            flows.iter_mut().for_each(take_ip_version);
        }
        icmp::complete(plan, flows);
    }

    /// Takes back the memory of flows that are done with.
    pub fn recycle(&mut self, flows: &mut Vec<Flow>) {
        self.spare.detach(flows);
        flows.clear();
    }

    /// Appends the flows of a set, with what they all have in common.
    fn begin(&self, context: &Context<'_>, set: &DataSet<'_>, first: u16, flows: &mut Vec<Flow>) {
        let header = context.header;
        let (exporter, observation_domain_id) = (context.exporter, context.domain());
        let (flow_version, sequence) = (header.version() as u8, header.sequence().unwrap_or(0));
        let template_id = Some(set.plan().template_id()).filter(|&id| id != 0);
        let (time_received, time_export) = (context.received, context.clock.export);
        let time_quality = time::quality(set.plan(), context);
        let (sampling_rate, sampling_source) = sampling::of_set(context, self.sampling_override);
        let ip_version = ip_version(set.plan());
        let quality = if context.late { Quality::LATE_TEMPLATE.0 } else { 0 };
        flows.extend((0..set.len()).map(|row| Flow {
            exporter_addr: exporter.address,
            exporter_port: exporter.port,
            observation_domain_id,
            flow_version,
            template_id,
            sequence,
            record_index: first.wrapping_add(row as u16),
            time_received,
            time_export,
            time_quality,
            flows: 1,
            sampling_rate,
            sampling_source,
            ip_version,
            quality,
            ..Flow::UNKNOWN
        }));
    }

    /// Position of the set's first record in its export packet.
    fn count(&mut self, context: &Context<'_>, records: usize) -> u16 {
        if self.packet != context.packet {
            (self.packet, self.records) = (context.packet, 0);
        }
        let first = self.records;
        self.records = first.wrapping_add(records as u16);
        first
    }
}

/// What takes the fields of plans into the columns of the table: found once for a plan, not for each of its
/// data sets.
#[derive(Debug, Default)]
struct Assignments(Vec<Assignment>);

/// For each field of a plan what takes it; `None` when no column of the table does.
#[derive(Debug, Default)]
struct Assignment {
    plan: Option<u64>,
    fields: Box<[Option<Fill>]>,
}

impl Assignments {
    /// Plans that share a place take turns in it.
    const PLACES: usize = 1_024;

    #[inline]
    fn of(&mut self, plan: &Plan) -> &[Option<Fill>] {
        let place = plan.id() as usize % Self::PLACES;
        if self.0.len() <= place {
            self.0.resize_with(place + 1, Assignment::default);
        }
        let assignment = &mut self.0[place];
        if assignment.plan != Some(plan.id()) {
            assignment.plan = Some(plan.id());
            assignment.fields = plan.fields().iter().map(|field| schema::filler(plan, field)).collect();
        }
        &assignment.fields
    }
}

/// Keeps a field that no column takes under its name.
fn extras(column: &Column<'_>, flows: &mut [Flow], spare: &mut SpareParts) {
    spare.attach(flows);
    let field = column.field();
    let element = field.element();
    column.zip_octets(flows, |flow, octets| {
        flow.rare_mut().extras.push(&element.name, field.occurrence(), element.data_type, octets);
    });
}

/// The IP version that a template's address fields leave no doubt about; 0 when the records say it.
fn ip_version(plan: &Plan) -> u8 {
    let has = |id| plan.has(pen::IANA, id);
    let v4 = has(ie::SOURCE_IPV4_ADDRESS) || has(ie::SOURCE_IPV4_PREFIX) || has(ie::DESTINATION_IPV4_PREFIX);
    let v6 = has(ie::SOURCE_IPV6_ADDRESS) || has(ie::SOURCE_IPV6_PREFIX);
    match (has(ie::IP_VERSION), v4, v6) {
        (false, true, false) => 4,
        (false, false, true) => 6,
        _ => 0,
    }
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
fn drop_wrong_directions(flows: &mut [Flow]) {
    for flow in flows {
        if flow.direction.is_some_and(|direction| direction > 1) {
            flow.direction = None;
            flow.quality |= Quality::INVALID_VALUE.0;
        }
    }
}

#[cfg(test)]
mod tests;
