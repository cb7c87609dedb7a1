//! Records of fixed layout: where their fields are is known when this is compiled.

use netflow_templates::{Clock, put_unsigned};
use netflow_wire::{FieldSpecifier, v1, v5, v7};

use super::icmp;
use crate::column::{ANY_LENGTH, FixedRecord, place};
use crate::flows::FlowRef;
use crate::normalize::fixed::{DST_PORT, END, START};
use crate::schema;

/// Writes the whole record of a flow, all of whose octets are zero.
pub(super) type PutRecord = fn(&FlowRef<'_>, &Clock, &mut [u8]) -> bool;

/// What writes records of a fixed layout, if the fields are those of one.
pub(super) fn of(fields: &[FieldSpecifier]) -> Option<PutRecord> {
    match fields {
        v1::Record::TEMPLATE => Some(put::<v1::Record>),
        v5::Record::TEMPLATE => Some(put::<v5::Record>),
        v7::Record::TEMPLATE => Some(put::<v7::Record>),
        _ => None,
    }
}

fn put<L: FixedRecord>(flow: &FlowRef<'_>, clock: &Clock, record: &mut [u8]) -> bool {
    let Some(record) = record.get_mut(..L::LEN) else { return false };
    let (start, end) = (flow.flow.time_flow_start, flow.flow.time_flow_end);
    let uptime = |time| u64::from(clock.uptime_at(time));
    let mut fits = schema::put_record::<L>(flow.flow, record);
    if let Some((from, to)) = const { place(L::TEMPLATE, START, ANY_LENGTH) } {
        fits &= put_unsigned(uptime(start.or(end).unwrap_or(clock.export)), &mut record[from..to]);
    }
    if let Some((from, to)) = const { place(L::TEMPLATE, END, ANY_LENGTH) } {
        fits &= put_unsigned(uptime(end.or(start).unwrap_or(clock.export)), &mut record[from..to]);
    }
    if let Some((from, to)) = const { place(L::TEMPLATE, DST_PORT, ANY_LENGTH) }
        && icmp::is_in_port(flow)
    {
        fits &= put_unsigned(icmp::number(flow), &mut record[from..to]);
    }
    fits
}
