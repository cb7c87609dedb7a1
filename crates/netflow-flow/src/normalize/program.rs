//! What normalising needs to know of a template, found once for each.

use netflow_templates::{Field, Plan};
use netflow_wire::{element_id as ie, enterprise as pen};

use super::sampling::Sampling;
use super::time::Times;
use super::{icmp, mpls};
use crate::column::Fill;
use crate::schema;

/// How the records of one template become flows.
#[derive(Debug)]
pub(super) struct Program {
    plan: u64,
    /// For each field where it goes.
    pub(super) steps: Box<[Step]>,
    /// Whether any of them goes to the rare columns.
    pub(super) rare: bool,
    /// Where times are taken from.
    pub(super) time: Times,
    /// Where sampling rates are taken from.
    pub(super) sampling: Sampling,
    /// The IP version that the address fields leave no doubt about; 0 when the records say it.
    pub(super) ip_version: u8,
    /// The protocol, where templates for ICMP leave it out.
    pub(super) implied_proto: Option<u8>,
    /// Whether there is a direction, which some exporters send wrong.
    pub(super) direction: bool,
}

/// Where a field goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Takes the field; false when it does not fit, and has to be kept under its name.
    pub(super) fill: Fill,
    /// Number of the field that is taken in the same go; its own where there is none.
    pub(super) other: usize,
    /// Whether it goes to the rare columns.
    rare: bool,
    /// Whether a column of the table takes it.
    column: bool,
}

impl Program {
    fn new(plan: &Plan) -> Self {
        let times = Times::new(plan);
        let fields = plan.fields().iter().enumerate();
        let mut steps: Box<[Step]> =
            fields.map(|(number, field)| step(plan, &times, number, field)).collect();
        let rare = steps.iter().any(|step| step.rare);
        join_pairs(plan, &mut steps);
        Self {
            plan: plan.id(),
            steps,
            rare,
            sampling: Sampling::new(plan),
            ip_version: ip_version(plan),
            implied_proto: icmp::implied_proto(plan),
            direction: plan.has(pen::IANA, ie::FLOW_DIRECTION),
            time: times,
        }
    }
}

/// Nowhere: the field only fills space, or is taken with another.
const NOWHERE: Fill = |_, _, _| true;
/// To the extras: no column takes it.
const EXTRA: Fill = |_, _, _| false;

fn step(plan: &Plan, times: &Times, number: usize, field: &Field) -> Step {
    let to = |fill, rare| Step { fill, other: number, rare, column: false };
    if field.is_padding() || field.length() == 0 {
        to(NOWHERE, false)
    } else if field.occurrence() > 0 {
        // The first of an element is the outermost, and the one that columns are for.
        to(EXTRA, true)
    } else if let Some(fill) = schema::filler(plan, field) {
        Step { column: true, ..to(fill, schema::is_rare(field)) }
    } else if let Some((fill, reverse)) = times.filler(field) {
        to(fill, reverse)
    } else if icmp::takes(field) {
        to(icmp::FILL, false)
    } else if mpls::takes(field) {
        to(mpls::FILL, true)
    } else {
        to(EXTRA, true)
    }
}

/// Joins the steps of fields that go to a pair of columns: half as many goes through the records.
fn join_pairs(plan: &Plan, steps: &mut [Step]) {
    let fields = plan.fields();
    for first in 0..fields.len() {
        let columns = (first + 1..fields.len())
            .chain(0..first)
            .filter(|&other| steps[first].column && steps[other].column);
        let pair = columns.into_iter().find_map(|second| {
            schema::pair_filler(&fields[first], &fields[second]).map(|fill| (second, fill))
        });
        if let Some((second, fill)) = pair {
            steps[first] = Step { fill, other: second, column: false, ..steps[first] };
            steps[second] = Step { fill: NOWHERE, column: false, ..steps[second] };
        }
    }
}

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

/// Programs by plan.
#[derive(Debug, Default)]
pub(super) struct Programs(Vec<Option<Program>>);

impl Programs {
    /// Plans that share a place take turns in it.
    const PLACES: usize = 1_024;

    #[inline]
    pub(super) fn of(&mut self, plan: &Plan) -> &Program {
        let place = plan.id() as usize % Self::PLACES;
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        let program = &mut self.0[place];
        if program.as_ref().is_some_and(|program| program.plan != plan.id()) {
            *program = None;
        }
        program.get_or_insert_with(|| Program::new(plan))
    }
}
