//! What normalising needs to know of a template, found once for each.

use netflow_templates::{Field, Plan};
use netflow_wire::{element_id as ie, enterprise as pen};

use super::sampling::Sampling;
use super::time::{Times, Which};
use super::{icmp, mpls};
use crate::column::{Fill, FillBoth};
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
pub(super) enum Step {
    /// To the column that the table says.
    Column(Fill),
    /// To their columns, together with the field of this number.
    Pair(FillBoth, usize),
    /// To a time.
    Time(Which),
    /// To ICMP type or code, or both.
    Icmp,
    /// To the MPLS labels.
    Mpls,
    /// Nowhere: it fills space.
    Nothing,
    /// To the extras, under its name.
    Extra,
}

impl Program {
    fn new(plan: &Plan) -> Self {
        let times = Times::new(plan);
        let mut steps: Box<[Step]> = plan.fields().iter().map(|field| step(plan, &times, field)).collect();
        let rare = plan.fields().iter().zip(&steps).any(|(field, step)| match step {
            Step::Column(_) => schema::is_rare(field),
            Step::Time(which) => which.is_reverse(),
            Step::Mpls | Step::Extra => true,
            Step::Pair(..) | Step::Icmp | Step::Nothing => false,
        });
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

fn step(plan: &Plan, times: &Times, field: &Field) -> Step {
    if field.is_padding() || field.length() == 0 {
        Step::Nothing
    } else if field.occurrence() > 0 {
        // The first of an element is the outermost, and the one that columns are for.
        Step::Extra
    } else if let Some(fill) = schema::filler(plan, field) {
        Step::Column(fill)
    } else if let Some(which) = times.which(field) {
        Step::Time(which)
    } else if icmp::takes(field) {
        Step::Icmp
    } else if mpls::takes(field) {
        Step::Mpls
    } else {
        Step::Extra
    }
}

/// Joins the steps of fields that go to a pair of columns: half as many goes through the records.
fn join_pairs(plan: &Plan, steps: &mut [Step]) {
    let fields = plan.fields();
    for first in 0..fields.len() {
        let is_column = |&other: &usize| matches!(steps[other], Step::Column(_));
        let second = (0..fields.len()).filter(is_column).filter(|_| is_column(&first)).find_map(|second| {
            schema::pair_filler(&fields[first], &fields[second]).map(|fill| (second, fill))
        });
        if let Some((second, fill)) = second {
            steps[first] = Step::Pair(fill, second);
            steps[second] = Step::Nothing;
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
