//! Fractions of seconds in times of the NTP format, which some exporters count in a unit of their own.

use netflow_templates::{Column, DataSet, DataType, Timestamp, Value};

use super::time::Times;
use crate::flows::Row;
use crate::quality::Quality;
use crate::value::TimeQuality;

/// Different fractions after which an exporter's unit is clear: of those that count 2^-32 s, less than a quarter
/// are below 10^9.
const ENOUGH: u32 = 32;

/// The fractions that the records of a template had.
#[derive(Debug, Default)]
pub(super) struct Fractions {
    different: u32,
    last: u32,
    largest: u32,
}

impl Fractions {
    fn note(&mut self, fraction: u32) {
        if fraction != self.last {
            self.different = self.different.saturating_add(1);
            self.last = fraction;
            self.largest = self.largest.max(fraction);
        }
    }

    /// Nanoseconds that a fraction of 1 stands for; `None` when it is 2^-32 s, as it should be.
    fn unit(&self) -> Option<i64> {
        match self.largest {
            _ if self.different < ENOUGH => None,
            // Microseconds (Citrix NetScaler), nanoseconds (VPP).
            0..1_000_000 => Some(1_000),
            1_000_000..1_000_000_000 => Some(1),
            _ => None,
        }
    }
}

/// Corrects times of the NTP format whose fractions are not of 2^-32 s, once so many were seen that this is clear.
pub(super) fn correct(fractions: &mut Fractions, set: &DataSet<'_>, times: &Times, flows: &mut [Row]) {
    let fields = [times.start_field(set), times.end_field(set)];
    for column in fields.iter().flatten() {
        (0..set.len()).for_each(|row| fractions.note(parts(column, row).1));
    }
    let Some(unit) = fractions.unit() else { return };
    for (row, flow) in flows.iter_mut().enumerate() {
        let [start, end] = fields.each_ref().map(|field| field.map(|column| corrected(&column, row, unit)));
        flow.time_flow_start = start.flatten().or(flow.time_flow_start);
        flow.time_flow_end = end.flatten().or(flow.time_flow_end);
        flow.time_quality = TimeQuality::Corrected;
        flow.quality |= Quality::QUIRK_CORRECTED.0;
    }
}

/// Seconds and fraction, as they stand in the record.
fn parts(column: &Column<'_>, row: usize) -> (u32, u32) {
    let halves = column.octets(row).as_chunks::<4>().0;
    let half = |at: usize| halves.get(at).map_or(0, |&octets| u32::from_be_bytes(octets));
    (half(0), half(1))
}

fn corrected(column: &Column<'_>, row: usize, unit: i64) -> Option<Timestamp> {
    let (seconds, fraction) = parts(column, row);
    let whole = (u64::from(seconds) << 32).to_be_bytes();
    match DataType::DateTimeNanoseconds.decode(&whole) {
        Value::Time { time, .. } => Some(time.saturating_add_nanos(i64::from(fraction) * unit)),
        _ => None,
    }
}
