//! Sampling rates, as the elements say them that `normalize::sampling` reads.

use netflow_templates::{Element, put_unsigned};
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
        _ => return None,
    })
}

fn rate(flow: &FlowRef<'_>) -> u64 {
    flow.flow.sampling_rate.max(1)
}
