//! Times, in the unit of the element that is asked for: what [`normalize::time`](crate::normalize::time) reads.

use netflow_templates::{Clock, DataType, Element, Timestamp, put_unsigned};
use netflow_wire::{element_id as ie, enterprise as pen};

use crate::column::Put;
use crate::flows::FlowRef;
use crate::normalize::time::{END, EVENT, START};

/// What writes a field that says a time; `None` when it says none.
pub(super) fn putter(element: &Element) -> Option<Put> {
    let id = element.id;
    match element.enterprise {
        pen::IANA if START.contains(&id) => unit::<Start>(element),
        pen::IANA if END.contains(&id) || EVENT.contains(&id) => unit::<End>(element),
        pen::REVERSE if START.contains(&id) => unit::<ReverseStart>(element),
        pen::REVERSE if END.contains(&id) => unit::<ReverseEnd>(element),
        pen::IANA if id == ie::FLOW_DURATION_MILLISECONDS => {
            Some(|flow, _, out| put_unsigned(duration(flow) / 1_000_000, out))
        }
        pen::IANA if id == ie::FLOW_DURATION_MICROSECONDS => {
            Some(|flow, _, out| put_unsigned(duration(flow) / 1_000, out))
        }
        pen::IANA if id == ie::SYSTEM_INIT_TIME_MILLISECONDS => Some(|_, clock, out| {
            clock.system_init.is_none_or(|start| DataType::DateTimeMilliseconds.put_time(start, out))
        }),
        _ => None,
    }
}

/// What writes start and end in one go, in the two units that most records have.
pub(super) fn pair_putter(ids: [(u32, u16); 2], length: u16) -> Option<Put> {
    let [(pen::IANA, first), (pen::IANA, second)] = ids else { return None };
    Some(match (first, second, length) {
        (ie::FLOW_START_SYS_UP_TIME, ie::FLOW_END_SYS_UP_TIME, 4) => both_uptimes::<Start, End>,
        (ie::FLOW_END_SYS_UP_TIME, ie::FLOW_START_SYS_UP_TIME, 4) => both_uptimes::<End, Start>,
        (ie::FLOW_START_MILLISECONDS, ie::FLOW_END_MILLISECONDS, 8) => both_millis::<Start, End>,
        (ie::FLOW_END_MILLISECONDS, ie::FLOW_START_MILLISECONDS, 8) => both_millis::<End, Start>,
        _ => return None,
    })
}

fn both_uptimes<M: Moment, N: Moment>(flow: &FlowRef<'_>, clock: &Clock, out: &mut [u8]) -> bool {
    let Some((one, other)) = out.split_at_mut_checked(4) else { return false };
    put_unsigned(clock.uptime_at(time::<M>(flow, clock)).into(), one)
        & put_unsigned(clock.uptime_at(time::<N>(flow, clock)).into(), other)
}

fn both_millis<M: Moment, N: Moment>(flow: &FlowRef<'_>, clock: &Clock, out: &mut [u8]) -> bool {
    let Some((one, other)) = out.split_at_mut_checked(8) else { return false };
    DataType::DateTimeMilliseconds.put_time(time::<M>(flow, clock), one)
        & DataType::DateTimeMilliseconds.put_time(time::<N>(flow, clock), other)
}

#[inline(always)]
fn time<M: Moment>(flow: &FlowRef<'_>, clock: &Clock) -> Timestamp {
    M::of(flow).unwrap_or(clock.export)
}

/// Which time of a flow. One that is not known is taken to be the export's: there is none that means "unknown".
trait Moment {
    fn of(flow: &FlowRef<'_>) -> Option<Timestamp>;
}

struct Start;
struct End;
struct ReverseStart;
struct ReverseEnd;

impl Moment for Start {
    #[inline(always)]
    fn of(flow: &FlowRef<'_>) -> Option<Timestamp> {
        flow.flow.time_flow_start.or(flow.flow.time_flow_end)
    }
}

impl Moment for End {
    #[inline(always)]
    fn of(flow: &FlowRef<'_>) -> Option<Timestamp> {
        flow.flow.time_flow_end.or(flow.flow.time_flow_start)
    }
}

impl Moment for ReverseStart {
    fn of(flow: &FlowRef<'_>) -> Option<Timestamp> {
        reverse(flow, |columns, row| columns.reverse_start.get(row), |rare| rare.reverse_start)
    }
}

impl Moment for ReverseEnd {
    fn of(flow: &FlowRef<'_>) -> Option<Timestamp> {
        reverse(flow, |columns, row| columns.reverse_end.get(row), |rare| rare.reverse_end)
    }
}

fn reverse(
    flow: &FlowRef<'_>,
    of_row: fn(&crate::schema::RareColumns, usize) -> Option<Timestamp>,
    of_rare: fn(&crate::schema::Rare) -> Option<Timestamp>,
) -> Option<Timestamp> {
    match flow.rare {
        Some((columns, row)) => of_row(columns, row),
        None => flow.flow.rare.as_deref().and_then(of_rare),
    }
}

/// What writes a time in an element's unit.
fn unit<M: Moment>(element: &Element) -> Option<Put> {
    Some(match element.id {
        ie::FLOW_START_SYS_UP_TIME | ie::FLOW_END_SYS_UP_TIME => {
            |flow, clock, out| put_unsigned(clock.uptime_at(time::<M>(flow, clock)).into(), out)
        }
        ie::FLOW_START_DELTA_MICROSECONDS | ie::FLOW_END_DELTA_MICROSECONDS => |flow, clock, out| {
            let nanos = clock.export.as_nanos().saturating_sub(time::<M>(flow, clock).as_nanos());
            put_unsigned((nanos / 1_000).max(0).cast_unsigned(), out) && nanos >= 0
        },
        _ => match element.data_type {
            DataType::DateTimeSeconds => {
                |flow, clock, out| DataType::DateTimeSeconds.put_time(time::<M>(flow, clock), out)
            }
            DataType::DateTimeMilliseconds => {
                |flow, clock, out| DataType::DateTimeMilliseconds.put_time(time::<M>(flow, clock), out)
            }
            DataType::DateTimeMicroseconds | DataType::DateTimeNanoseconds => {
                |flow, clock, out| match out.split_at_mut_checked(8) {
                    // pmacct: 64 bits of seconds, 64 bits of microseconds.
                    Some((seconds, rest)) if rest.len() == 8 => {
                        let nanos = time::<M>(flow, clock).as_nanos();
                        let micros = nanos.rem_euclid(1_000_000_000) / 1_000;
                        put_unsigned(nanos.div_euclid(1_000_000_000).cast_unsigned(), seconds)
                            && put_unsigned(micros.cast_unsigned(), rest)
                    }
                    _ => DataType::DateTimeNanoseconds.put_time(time::<M>(flow, clock), out),
                }
            }
            _ => return None,
        },
    })
}

/// Nanoseconds from start to end.
fn duration(flow: &FlowRef<'_>) -> u64 {
    match (flow.flow.time_flow_start, flow.flow.time_flow_end) {
        (Some(start), Some(end)) => end.as_nanos().saturating_sub(start.as_nanos()).max(0).cast_unsigned(),
        _ => 0,
    }
}
