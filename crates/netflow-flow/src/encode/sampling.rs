//! Sampling rates, as the elements say them that `normalize::sampling` reads.

use netflow_templates::{Element, Value, put_unsigned};
use netflow_wire::{element_id as ie, enterprise as pen};

use crate::column::Put;
use crate::flows::FlowRef;

/// What writes a field that says a flow's sampling rate, or part of it; `None` when it says nothing of it.
pub(super) fn putter(element: &Element) -> Option<Put> {
    if element.enterprise != pen::IANA {
        return None;
    }
    Some(match element.id {
        ie::SAMPLING_INTERVAL | ie::SAMPLER_RANDOM_INTERVAL | ie::SAMPLING_POPULATION => {
            |flow, _, out| put_unsigned(rate(flow), out)
        }
        // One packet, and then so many that are not taken.
        ie::SAMPLING_PACKET_INTERVAL | ie::SAMPLING_SIZE => |_, _, out| put_unsigned(1, out),
        ie::SAMPLING_PACKET_SPACE => |flow, _, out| put_unsigned(rate(flow) - 1, out),
        // 1 is deterministic sampling; of no sampling there is none.
        ie::SAMPLING_ALGORITHM => |flow, _, out| put_unsigned(u64::from(rate(flow) > 1), out),
        ie::SAMPLER_ID => |flow, _, out| put_unsigned(sampler(flow, "samplerId"), out),
        ie::SELECTOR_ID => |flow, _, out| put_unsigned(sampler(flow, "selectorId"), out),
        _ => return None,
    })
}

/// The sampler that the record named; else 1 where there was one, as it may be the only one, and 0 where there was
/// none.
fn sampler(flow: &FlowRef<'_>, name: &str) -> u64 {
    match flow.extras().iter().find(|(other, _)| *other == name) {
        Some((_, Value::Unsigned(number))) => number,
        _ => u64::from(rate(flow) > 1),
    }
}

fn rate(flow: &FlowRef<'_>) -> u64 {
    flow.flow.sampling_rate.max(1)
}
