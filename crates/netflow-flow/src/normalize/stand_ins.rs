//! Elements that stand in for others, which a template lacks: their values fill columns that are not quite theirs.

use netflow_templates::Plan;
use netflow_wire::{element_id as ie, enterprise as pen};

/// Elements that only records of events have: of a firewall, or of address translation.
const EVENTS: [u16; 4] = [ie::FIREWALL_EVENT, ie::NAT_EVENT, ie::V9_FW_EVENT, ie::V9_FW_EXT_EVENT];

/// Counters since the last record of a flow, and those since the flow began, which stand in for them.
const COUNTERS: [[u16; 2]; 2] =
    [[ie::OCTET_DELTA_COUNT, ie::OCTET_TOTAL_COUNT], [ie::PACKET_DELTA_COUNT, ie::PACKET_TOTAL_COUNT]];

/// Interfaces, and the physical ones, which stand in for them.
const INTERFACES: [[u16; 2]; 2] = [
    [ie::INGRESS_INTERFACE, ie::INGRESS_PHYSICAL_INTERFACE],
    [ie::EGRESS_INTERFACE, ie::EGRESS_PHYSICAL_INTERFACE],
];

/// MAC addresses of frames that came in, and of those that went out, which stand in for them.
const MAC_ADDRESSES: [[u16; 2]; 2] = [
    [ie::SOURCE_MAC_ADDRESS, ie::POST_SOURCE_MAC_ADDRESS],
    [ie::DESTINATION_MAC_ADDRESS, ie::POST_DESTINATION_MAC_ADDRESS],
];

/// Whether records of a template are of events of a firewall or of address translation, rather than of packets.
pub fn is_of_events(plan: &Plan) -> bool {
    EVENTS.iter().any(|&id| plan.has(pen::IANA, id))
}

/// Whether a template counts octets or packets since the flow began, and not since its last record. An event of a
/// connection tells what the connection had in all, as it should.
pub fn has_only_totals(plan: &Plan) -> bool {
    !is_of_events(plan) && stands_in(plan, &COUNTERS)
}

/// Whether a template has physical interfaces and not those that they belong to.
pub fn has_only_physical_interfaces(plan: &Plan) -> bool {
    stands_in(plan, &INTERFACES)
}

/// Whether columns are filled by elements that are not quite theirs.
pub(super) fn has_any(plan: &Plan) -> bool {
    has_only_totals(plan) || has_only_physical_interfaces(plan) || stands_in(plan, &MAC_ADDRESSES)
}

fn stands_in(plan: &Plan, pairs: &[[u16; 2]]) -> bool {
    pairs.iter().any(|&[own, other]| !plan.has(pen::IANA, own) && plan.has(pen::IANA, other))
}
