//! ICMP type and code, which exporters put in four places.

use netflow_templates::{Field, Plan};
use netflow_wire::{element_id as ie, enterprise as pen};

use crate::column::Fill;
use crate::quality::Quality;
use crate::schema::Flow;

const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;

/// Elements that say type or code.
pub(crate) const ELEMENTS: [u16; 6] = [
    ie::ICMP_TYPE_CODE_IPV4,
    ie::ICMP_TYPE_CODE_IPV6,
    ie::ICMP_TYPE_IPV4,
    ie::ICMP_TYPE_IPV6,
    ie::ICMP_CODE_IPV4,
    ie::ICMP_CODE_IPV6,
];

/// Whether a field says type or code, as one number or as two.
pub(super) fn takes(field: &Field) -> bool {
    let lengths = match field.element().id {
        ie::ICMP_TYPE_CODE_IPV4 | ie::ICMP_TYPE_CODE_IPV6 => 2..=8,
        ie::ICMP_TYPE_IPV4 | ie::ICMP_TYPE_IPV6 | ie::ICMP_CODE_IPV4 | ie::ICMP_CODE_IPV6 => 1..=8,
        _ => return false,
    };
    field.element().enterprise == pen::IANA && lengths.contains(&field.length())
}

/// Takes a field that says type or code. Where a template has those of both versions of IP, the one that is not zero
/// counts, as with addresses.
pub(super) const FILL: Fill = |[column, _], _, target| match column.field().element().id {
    ie::ICMP_TYPE_CODE_IPV4 | ie::ICMP_TYPE_CODE_IPV6 => column.zip_unsigned(target.flows, |flow, number| {
        // Both or none: a code of zero belongs to its type.
        if flow.icmp_type.unwrap_or(0) == 0 && flow.icmp_code.unwrap_or(0) == 0 {
            (flow.icmp_type, flow.icmp_code) = (Some((number >> 8) as u8), Some(number as u8));
        } else {
            flow.icmp_type.get_or_insert((number >> 8) as u8);
            flow.icmp_code.get_or_insert(number as u8);
        }
    }),
    ie::ICMP_TYPE_IPV4 | ie::ICMP_TYPE_IPV6 => {
        column.zip_unsigned(target.flows, |flow, number| take(&mut flow.icmp_type, number))
    }
    _ => column.zip_unsigned(target.flows, |flow, number| take(&mut flow.icmp_code, number)),
};

/// Takes a number, unless there is one already that says more.
fn take(slot: &mut Option<u8>, number: u64) {
    if slot.unwrap_or(0) == 0 {
        *slot = Some(number as u8);
    }
}

/// Elements that are there for ICMP only, by protocol.
const ONLY_ICMP: [(u8, [u16; 3]); 2] = [
    (ICMP, [ie::ICMP_TYPE_CODE_IPV4, ie::ICMP_TYPE_IPV4, ie::ICMP_CODE_IPV4]),
    (ICMP_V6, [ie::ICMP_TYPE_CODE_IPV6, ie::ICMP_TYPE_IPV6, ie::ICMP_CODE_IPV6]),
];

/// The protocol that a template without one is for (softflowd leaves it out of templates for ICMP).
pub(super) fn implied_proto(plan: &Plan) -> Option<u8> {
    if plan.has(pen::IANA, ie::PROTOCOL_IDENTIFIER) {
        return None;
    }
    let implied = ONLY_ICMP.iter().find(|(_, ids)| ids.iter().any(|&id| plan.has(pen::IANA, id)));
    implied.map(|&(proto, _)| proto)
}

/// Elements that fill the columns of ports.
const PORTS: [u16; 6] = [
    ie::SOURCE_TRANSPORT_PORT,
    ie::DESTINATION_TRANSPORT_PORT,
    ie::UDP_SOURCE_PORT,
    ie::UDP_DESTINATION_PORT,
    ie::TCP_SOURCE_PORT,
    ie::TCP_DESTINATION_PORT,
];

/// Whether a template has a port, in which type and code may be.
pub(super) fn has_ports(plan: &Plan) -> bool {
    PORTS.iter().any(|&id| plan.has(pen::IANA, id))
}

/// Whether a protocol is ICMP or ICMPv6.
#[inline]
pub(crate) fn is_icmp(proto: u8) -> bool {
    proto == ICMP || proto == ICMP_V6
}

/// Completes what the fields leave open: type and code where they are in the ports, which gets `note`, and none of
/// either for other protocols. Without ports, `note` is none.
#[inline]
pub(super) fn complete(flow: &mut Flow, note: Option<Quality>) {
    if !is_icmp(flow.proto) {
        // Exporters with one template for all protocols send zeros for the others.
        if flow.icmp_type.is_some() || flow.icmp_code.is_some() {
            (flow.icmp_type, flow.icmp_code) = (None, None);
        }
    } else if let (None, None, Some(note)) = (flow.icmp_type, flow.icmp_code, note) {
        // type * 256 + code stands in the destination port, or (Cisco) in the source port.
        let number = if flow.dst_port == 0 { flow.src_port } else { flow.dst_port };
        flow.icmp_type = Some((number >> 8) as u8);
        flow.icmp_code = Some(number as u8);
        flow.quality |= note.0;
    }
}
