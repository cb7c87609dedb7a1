//! When a flow started and ended, which exporters say in many ways.

use netflow_templates::{Column, Context, DataSet, DataType, Field, Plan, Timestamp, Value};
use netflow_wire::{element_id as ie, enterprise as pen};

use super::is_of_events;
use crate::column::Fill;
use crate::flows::Row;
use crate::value::TimeQuality;

/// Elements for a flow's start, the most precise first.
pub(crate) const START: [u16; 6] = [
    ie::FLOW_START_NANOSECONDS,
    ie::FLOW_START_MICROSECONDS,
    ie::FLOW_START_MILLISECONDS,
    ie::FLOW_START_SECONDS,
    ie::FLOW_START_DELTA_MICROSECONDS,
    ie::FLOW_START_SYS_UP_TIME,
];

/// Elements for a flow's end, the most precise first.
pub(crate) const END: [u16; 6] = [
    ie::FLOW_END_NANOSECONDS,
    ie::FLOW_END_MICROSECONDS,
    ie::FLOW_END_MILLISECONDS,
    ie::FLOW_END_SECONDS,
    ie::FLOW_END_DELTA_MICROSECONDS,
    ie::FLOW_END_SYS_UP_TIME,
];

/// Elements for the time of an event.
pub(crate) const EVENT: [u16; 4] = [
    ie::OBSERVATION_TIME_NANOSECONDS,
    ie::OBSERVATION_TIME_MICROSECONDS,
    ie::OBSERVATION_TIME_MILLISECONDS,
    ie::OBSERVATION_TIME_SECONDS,
];

/// The elements that times are taken from in the records of a template.
#[derive(Debug)]
pub(super) struct Times {
    start: Option<u16>,
    end: Option<u16>,
    reverse_start: Option<u16>,
    reverse_end: Option<u16>,
    /// The record says when the exporter started.
    system_init: bool,
    /// There are durations, or times of events.
    further: bool,
    event_without_time: bool,
}

impl Times {
    pub(super) fn new(plan: &Plan) -> Self {
        let has = |ids: &[u16]| ids.iter().any(|&id| plan.has(pen::IANA, id));
        Self {
            start: chosen(plan, pen::IANA, START),
            end: chosen(plan, pen::IANA, END),
            reverse_start: chosen(plan, pen::REVERSE, START),
            reverse_end: chosen(plan, pen::REVERSE, END),
            system_init: has(&[ie::SYSTEM_INIT_TIME_MILLISECONDS]),
            further: has(&EVENT) || has(&[ie::FLOW_DURATION_MILLISECONDS, ie::FLOW_DURATION_MICROSECONDS]),
            event_without_time: is_of_events(plan) && !has(&EVENT),
        }
    }

    /// What takes a field that says a time, and whether that is one of the reverse direction; `None` when it
    /// says none, or a better one is there.
    pub(super) fn filler(&self, field: &Field) -> Option<(Fill, bool)> {
        let id = Some(field.element().id);
        match field.element().enterprise {
            pen::IANA if id == self.start => Some((
                |[column, _], context, target| {
                    put(column, context, target.flows, |flow| &mut flow.time_flow_start)
                },
                false,
            )),
            pen::IANA if id == self.end => Some((
                |[column, _], context, target| {
                    put(column, context, target.flows, |flow| &mut flow.time_flow_end)
                },
                false,
            )),
            pen::REVERSE if id == self.reverse_start => Some((
                |[column, _], context, target| {
                    put(column, context, target.rare.reverse_start.rows(target.rows.clone()), |time| time)
                },
                true,
            )),
            pen::REVERSE if id == self.reverse_end => Some((
                |[column, _], context, target| {
                    put(column, context, target.rare.reverse_end.rows(target.rows.clone()), |time| time)
                },
                true,
            )),
            _ => None,
        }
    }

    /// Whether start or end is of the NTP format, which has fractions of seconds.
    pub(super) fn has_fractions(&self) -> bool {
        [self.start, self.end].into_iter().flatten().any(is_ntp)
    }

    /// The field with the start, if that is of the NTP format.
    pub(super) fn start_field<'s>(&self, set: &'s DataSet<'_>) -> Option<Column<'s>> {
        self.start.filter(|&id| is_ntp(id)).and_then(|id| first(set, id))
    }

    /// The field with the end, if that is of the NTP format.
    pub(super) fn end_field<'s>(&self, set: &'s DataSet<'_>) -> Option<Column<'s>> {
        self.end.filter(|&id| is_ntp(id)).and_then(|id| first(set, id))
    }

    /// How far the times can be trusted.
    pub(super) fn quality(&self, context: &Context<'_>) -> TimeQuality {
        let clock = &context.clock;
        match self.start.or(self.end) {
            Some(ie::FLOW_START_DELTA_MICROSECONDS | ie::FLOW_END_DELTA_MICROSECONDS) => {
                TimeQuality::Relative
            }
            Some(ie::FLOW_START_SYS_UP_TIME | ie::FLOW_END_SYS_UP_TIME) => {
                if clock.uptime_millis.is_some() || clock.system_init.is_some() || self.system_init {
                    TimeQuality::Relative
                } else {
                    TimeQuality::Estimated
                }
            }
            Some(_) => TimeQuality::Exact,
            None => TimeQuality::Missing,
        }
    }

    /// Whether start or end have to be found in another way.
    pub(super) fn is_to_complete(&self) -> bool {
        (self.start.is_none() || self.end.is_none()) && (self.further || self.event_without_time)
    }
}

/// The element that is taken of those that a template has: the first whose length fits its type.
fn chosen(plan: &Plan, enterprise: u32, preference: [u16; 6]) -> Option<u16> {
    let fits = |field: &Field| match field.element().data_type {
        DataType::DateTimeMicroseconds | DataType::DateTimeNanoseconds => field.length() == 8,
        _ => (1..=8).contains(&field.length()),
    };
    preference.into_iter().find(|&id| {
        let is = |field: &Field| (field.element().enterprise, field.element().id) == (enterprise, id);
        plan.fields().iter().any(|field| is(field) && field.occurrence() == 0 && fits(field))
    })
}

fn put<R>(
    column: &Column<'_>,
    context: &Context<'_>,
    flows: &mut [R],
    slot: impl Fn(&mut R) -> &mut Option<Timestamp>,
) -> bool {
    let field = column.field();
    match field.element().id {
        ie::FLOW_START_SYS_UP_TIME | ie::FLOW_END_SYS_UP_TIME if field.length() <= 8 => {
            at_uptime(column, context, flows, slot)
        }
        ie::FLOW_START_DELTA_MICROSECONDS | ie::FLOW_END_DELTA_MICROSECONDS => {
            let export = context.clock.export;
            column.zip_unsigned(flows, |flow, micros| {
                let nanos = i64::try_from(micros).unwrap_or(i64::MAX).saturating_mul(-1_000);
                *slot(flow) = Some(export.saturating_add_nanos(nanos));
            })
        }
        ie::FLOW_START_MILLISECONDS | ie::FLOW_END_MILLISECONDS => {
            column.zip_unsigned(flows, |flow, millis| {
                *slot(flow) = Some(Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)));
            })
        }
        ie::FLOW_START_SECONDS | ie::FLOW_END_SECONDS => column.zip_unsigned(flows, |flow, seconds| {
            *slot(flow) = Some(Timestamp::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)));
        }),
        _ if field.length() == 8 => {
            let data_type = field.element().data_type;
            column.zip_octets(flows, |flow, octets| {
                if let Value::Time { time, .. } = data_type.decode(octets) {
                    *slot(flow) = Some(time);
                }
            });
            true
        }
        _ => false,
    }
}

/// Times in the exporter's uptime: see [`Clock`](netflow_templates::Clock).
fn at_uptime<R>(
    column: &Column<'_>,
    context: &Context<'_>,
    flows: &mut [R],
    slot: impl Fn(&mut R) -> &mut Option<Timestamp>,
) -> bool {
    let clock = context.clock;
    if let Some(now) = clock.uptime_millis {
        let export = clock.export;
        return column.zip_unsigned(flows, |flow, uptime| {
            let millis = i64::from((uptime as u32).wrapping_sub(now).cast_signed());
            *slot(flow) = Some(export.saturating_add_nanos(millis * 1_000_000));
        });
    }
    if let Some(init) = field(column, ie::SYSTEM_INIT_TIME_MILLISECONDS) {
        for (row, flow) in flows.iter_mut().enumerate() {
            if let Value::Time { time, .. } = init.field().element().data_type.decode(init.octets(row)) {
                *slot(flow) = Some(clock.since_start(time, uptime_of(column.octets(row))));
            }
        }
        return true;
    }
    let start = match clock.system_init {
        Some(start) => start,
        None => {
            // Nothing says when the exporter started. The flow that ended last did so at the export, about.
            let ends = field(column, ie::FLOW_END_SYS_UP_TIME).unwrap_or(*column);
            let last = (0..flows.len()).map(|row| uptime_of(ends.octets(row))).max().unwrap_or(0);
            clock.export.saturating_add_nanos(i64::from(last) * -1_000_000)
        }
    };
    column.zip_unsigned(flows, |flow, uptime| {
        *slot(flow) = Some(clock.since_start(start, uptime as u32));
    })
}

fn uptime_of(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |number, &octet| number << 8 | u32::from(octet))
}

/// Another field of the same set.
fn field<'a>(column: &Column<'a>, id: u16) -> Option<Column<'a>> {
    first(column.set(), id)
}

/// The first field of an element.
fn first<'s>(set: &'s DataSet<'_>, id: u16) -> Option<Column<'s>> {
    set.columns().find(|column| {
        let element = column.field().element();
        (element.enterprise, element.id) == (pen::IANA, id)
    })
}

/// Whether an element is a time of the NTP format: seconds, and a fraction of 2^-32 s.
fn is_ntp(id: u16) -> bool {
    matches!(
        id,
        ie::FLOW_START_MICROSECONDS
            | ie::FLOW_END_MICROSECONDS
            | ie::FLOW_START_NANOSECONDS
            | ie::FLOW_END_NANOSECONDS
    )
}

/// Completes start and end from durations and times of events.
pub(super) fn complete(set: &DataSet<'_>, times: &Times, context: &Context<'_>, flows: &mut [Row]) {
    for column in set.columns().filter(|column| column.field().element().enterprise == pen::IANA) {
        match column.field().element().id {
            ie::FLOW_DURATION_MILLISECONDS => duration(&column, 1_000_000, flows),
            ie::FLOW_DURATION_MICROSECONDS => duration(&column, 1_000, flows),
            id if EVENT.contains(&id) => event(&column, flows),
            _ => {}
        }
    }
    if times.start.is_none() && times.end.is_none() && times.event_without_time {
        // An event without a time (Palo Alto): it was exported when it happened, about.
        for flow in flows {
            flow.time_flow_end = Some(context.clock.export);
            flow.time_flow_start = flow.time_flow_end;
            flow.time_quality = TimeQuality::Estimated;
        }
    }
}

fn duration(column: &Column<'_>, unit: i64, flows: &mut [Row]) {
    column.zip_unsigned(flows, |flow, duration| {
        let nanos = i64::try_from(duration).unwrap_or(i64::MAX).saturating_mul(unit);
        match (flow.time_flow_start, flow.time_flow_end) {
            (Some(start), None) => flow.time_flow_end = Some(start.saturating_add_nanos(nanos)),
            (None, Some(end)) => flow.time_flow_start = Some(end.saturating_add_nanos(-nanos)),
            _ => {}
        }
    });
}

fn event(column: &Column<'_>, flows: &mut [Row]) {
    let data_type = column.field().element().data_type;
    column.zip_octets(flows, |flow, octets| {
        if let Value::Time { time, .. } = data_type.decode(octets) {
            flow.time_flow_end.get_or_insert(time);
            flow.time_flow_start.get_or_insert(time);
            if flow.time_quality == TimeQuality::Missing {
                flow.time_quality = TimeQuality::Exact;
            }
        }
    });
}
