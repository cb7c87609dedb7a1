//! What normalising needs to know of a template, found once for each.

use netflow_templates::{Field, Plan};
use netflow_wire::{element_id as ie, enterprise as pen};

use super::fractions::Fractions;
use super::sampling::Sampling;
use super::time::Times;
use super::{fixed, icmp, mpls, stand_ins};
use crate::column::Fill;
use crate::quality::Quality;
use crate::schema;

/// How the records of one template become flows.
#[derive(Debug)]
pub(super) struct Program {
    plan: u64,
    /// Begins the flows, and takes most fields, where the layout is fixed.
    pub(super) fixed: Option<fixed::Begin>,
    /// Where the fields go, those that go nowhere left out.
    pub(super) steps: Box<[Step]>,
    /// Whether any field goes to the rare columns.
    pub(super) rare: bool,
    /// The fields with MPLS labels.
    pub(super) mpls: Box<[usize]>,
    /// Where times are taken from.
    pub(super) time: Times,
    /// What fractions of seconds the records had, if they have any.
    pub(super) fractions: Option<Fractions>,
    /// Where sampling rates are taken from.
    pub(super) sampling: Sampling,
    /// The IP version that the address fields leave no doubt about; 0 when the records say it.
    pub(super) ip_version: u8,
    /// The protocol, where templates for ICMP leave it out.
    pub(super) implied_proto: Option<u8>,
    /// Whether there are ports, in which ICMP type and code may be.
    pub(super) ports: bool,
    /// What is to be noted of every flow.
    pub(super) quality: Quality,
    /// Whether there is a direction, which some exporters send wrong.
    pub(super) direction: bool,
}

/// Where a field goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Takes the field; false when it does not fit, and has to be kept under its name.
    pub(super) fill: Fill,
    /// Number of the field.
    pub(super) field: usize,
    /// Number of the field that is taken in the same go; its own where there is none.
    pub(super) other: usize,
    /// Whether it goes to the rare columns.
    rare: bool,
    /// Whether a column of the table takes it.
    column: bool,
    /// How many other fields are preferred for the same column.
    rank: usize,
}

impl Program {
    fn new(plan: &Plan) -> Self {
        let times = Times::new(plan);
        let fields = plan.fields().iter().enumerate();
        let fixed = fixed::of(plan);
        let mut steps: Vec<Step> = fields
            .filter(|(_, field)| fixed.is_none() || !fixed::takes(field))
            .filter_map(|(number, field)| step(plan, &times, number, field))
            .collect();
        let mpls: Vec<_> =
            (0..plan.fields().len()).filter(|&field| mpls::takes(&plan.fields()[field])).collect();
        let rare = !mpls.is_empty() || steps.iter().any(|step| step.rare);
        // Where the values decide, those that are preferred come first.
        steps.sort_by_key(|step| step.rank);
        join_pairs(plan, &mut steps);
        let implied_proto = icmp::implied_proto(plan);
        let inferred = implied_proto.is_some() || stand_ins::has_any(plan);
        Self {
            plan: plan.id(),
            quality: if inferred { Quality::INFERRED } else { Quality::default() },
            fixed,
            mpls: mpls.into(),
            steps: steps.into(),
            rare,
            sampling: Sampling::new(plan),
            ip_version: ip_version(plan),
            implied_proto,
            ports: icmp::has_ports(plan),
            fractions: times.has_fractions().then(Fractions::default),
            direction: plan.has(pen::IANA, ie::FLOW_DIRECTION),
            time: times,
        }
    }
}

/// To the extras: no column takes it.
const EXTRA: Fill = |_, _, _| false;

/// Where a field goes; `None` when it only fills space.
fn step(plan: &Plan, times: &Times, number: usize, field: &Field) -> Option<Step> {
    let to = |fill, rare| Step { fill, field: number, other: number, rare, column: false, rank: 0 };
    if field.is_padding() || field.length() == 0 || mpls::takes(field) {
        return None;
    }
    Some(if field.occurrence() > 0 {
        // The first of an element is the outermost, and the one that columns are for.
        to(EXTRA, true)
    } else if let Some(fill) = schema::filler(plan, field) {
        Step { column: true, rank: schema::rank(plan, field), ..to(fill, schema::is_rare(field)) }
    } else if let Some((fill, reverse)) = times.filler(field) {
        to(fill, reverse)
    } else if icmp::takes(field) {
        to(icmp::FILL, false)
    } else {
        to(EXTRA, true)
    })
}

/// Joins the steps of fields that go to a pair of columns: half as many goes through the records.
fn join_pairs(plan: &Plan, steps: &mut Vec<Step>) {
    // No more than there are elements with a column, however many fields the template has.
    let single: Vec<_> = (0..steps.len()).filter(|&at| steps[at].column && steps[at].rank == 0).collect();
    let mut joined = vec![false; steps.len()];
    for &first in &single {
        let pair = single.iter().filter(|&&second| !joined[first] && !joined[second] && first != second);
        let pair = pair.copied().find_map(|second| {
            let fields = (&plan.fields()[steps[first].field], &plan.fields()[steps[second].field]);
            schema::pair_filler(fields.0, fields.1).map(|fill| (second, fill))
        });
        if let Some((second, fill)) = pair {
            steps[first] = Step { fill, other: steps[second].field, ..steps[first] };
            (joined[first], joined[second]) = (true, true);
            steps[second].field = JOINED;
        }
    }
    steps.retain(|step| step.field != JOINED);
}

/// The field of a step that another one does too.
const JOINED: usize = usize::MAX;

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
pub(super) struct Programs {
    places: Vec<Option<Program>>,
    /// Fields of all programs.
    fields: usize,
}

impl Programs {
    /// Plans that share a place take turns in it.
    const PLACES: usize = 1_024;

    /// Fields of all programs, some 40 octets each; when there are more, all are made again.
    const MAX_FIELDS: usize = 400_000;

    #[inline]
    pub(super) fn of(&mut self, plan: &Plan) -> &mut Program {
        let place = plan.id() as usize % Self::PLACES;
        if self.places.get(place).and_then(Option::as_ref).is_none_or(|program| program.plan != plan.id()) {
            self.insert(place, Program::new(plan));
        }
        self.places[place].as_mut().expect("it was there or was inserted")
    }

    #[cold]
    fn insert(&mut self, place: usize, program: Program) {
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        self.fields += program.steps.len();
        if self.fields > Self::MAX_FIELDS {
            self.places.fill_with(|| None);
            self.fields = program.steps.len();
        }
        if let Some(before) = self.places[place].replace(program) {
            self.fields -= before.steps.len();
        }
    }
}
