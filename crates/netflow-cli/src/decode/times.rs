//! What is odd about the times of a flow: it ends before it starts, or after its packet was sent.

use std::time::Duration;

use netflow_templates::{Plan, Record, Timestamp, Value};
use netflow_wire::{element_id as ie, enterprise};

use super::meaning::Scene;
use super::tree::{Mark, Tree};

/// How far a flow may end after its packet was sent: the header has whole seconds.
const TOLERANCE: Duration = Duration::from_secs(2);

/// Elements of start and end, in one unit each.
const PAIRS: [(u16, u16); 5] = [
    (ie::FLOW_START_SYS_UP_TIME, ie::FLOW_END_SYS_UP_TIME),
    (ie::FLOW_START_SECONDS, ie::FLOW_END_SECONDS),
    (ie::FLOW_START_MILLISECONDS, ie::FLOW_END_MILLISECONDS),
    (ie::FLOW_START_MICROSECONDS, ie::FLOW_END_MICROSECONDS),
    (ie::FLOW_START_NANOSECONDS, ie::FLOW_END_NANOSECONDS),
];

/// A time in a record.
struct Found {
    name: String,
    offset: usize,
    time: Timestamp,
}

/// Tells what is odd about the times of a data record; `told` remembers that they are late, which all of a set are
/// when the exporter's clock is what is wrong.
pub(super) fn tell(tree: &mut Tree, scene: &Scene<'_>, record: &Record<'_>, plan: &Plan, told: &mut bool) {
    let template = match plan.template_id() {
        0 => "",
        _ => ", or the template is not the one that it used",
    };
    for (start, end) in PAIRS {
        let Some(end) = find(scene, record, end) else { continue };
        if let Some(start) = find(scene, record, start)
            && end.time < start.time
        {
            let text = format!(
                "{} (offset {}) is before {} (offset {}): the flow would end {} before it starts. The exporter \
                 mixed them up{template}.",
                end.name,
                end.offset,
                start.name,
                start.offset,
                span(start.time.saturating_since(end.time))
            );
            tree.remark(Mark::Odd, &text);
        }
        let late = end.time.saturating_since(scene.clock.export);
        if late > TOLERANCE && !std::mem::replace(told, true) {
            let header = if scene.clock.uptime_millis.is_some() { "times" } else { "time" };
            let text = format!(
                "{} (offset {}) is {} after the packet was sent, by the {header} in its header: the exporter \
                 has one of them wrong{template}.",
                end.name,
                end.offset,
                span(late)
            );
            tree.remark(Mark::Odd, &text);
        }
    }
}

/// The time of an element, unless it is absent or 0, which is not set.
fn find(scene: &Scene<'_>, record: &Record<'_>, id: u16) -> Option<Found> {
    let values = record.values().zip(record.octets()).zip(record.places());
    let mut found = values.filter_map(|(((field, value), (_, octets)), (_, place))| {
        let element = field.element();
        if (element.enterprise, element.id) != (enterprise::IANA, id)
            || octets.iter().all(|&octet| octet == 0)
        {
            return None;
        }
        let time = match value {
            Value::Time { time, .. } => time,
            Value::Unsigned(uptime) => scene.clock.at_uptime(u32::try_from(uptime).ok()?)?,
            _ => return None,
        };
        Some(Found { name: field.name().to_owned(), offset: place.start, time })
    });
    found.next()
}

/// A duration to the millisecond, with its largest unit.
fn span(duration: Duration) -> String {
    match duration.as_secs() {
        0..600 => format!("{:.3} s", duration.as_secs_f64()),
        seconds @ 600..7_200 => format!("{} minutes", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} hours", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
