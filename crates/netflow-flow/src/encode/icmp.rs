//! ICMP type and code, and the IP version that follows from addresses: see `normalize::icmp`.

use netflow_templates::{Element, put_unsigned};
use netflow_wire::{FieldSpecifier, element_id as ie, enterprise as pen};

use crate::column::Put;
use crate::flows::FlowRef;
use crate::normalize::icmp::{ELEMENTS, is_icmp};

/// What writes a field that has to do with ICMP in a template; `None` when it has not.
pub(super) fn putter(fields: &[FieldSpecifier], element: &Element) -> Option<Put> {
    if element.enterprise != pen::IANA {
        return None;
    }
    Some(match element.id {
        ie::ICMP_TYPE_CODE_IPV4 | ie::ICMP_TYPE_CODE_IPV6 => |flow, _, out| put_unsigned(number(flow), out),
        ie::ICMP_TYPE_IPV4 | ie::ICMP_TYPE_IPV6 => |flow, _, out| put_unsigned(number(flow) >> 8, out),
        ie::ICMP_CODE_IPV4 | ie::ICMP_CODE_IPV6 => |flow, _, out| put_unsigned(number(flow) & 0xff, out),
        ie::DESTINATION_TRANSPORT_PORT if is_only_in_port(fields) => |flow, _, out| {
            put_unsigned(if is_in_port(flow) { number(flow) } else { flow.flow.dst_port.into() }, out)
        },
        ie::IP_VERSION => |flow, _, out| put_unsigned(flow.flow.ip_family().into(), out),
        _ => return None,
    })
}

/// What writes both ports in one go, where type and code go to the destination port.
pub(super) fn pair_putter(fields: &[FieldSpecifier], ids: [(u32, u16); 2], length: u16) -> Option<Put> {
    let ports = [ie::SOURCE_TRANSPORT_PORT, ie::DESTINATION_TRANSPORT_PORT].map(|id| (pen::IANA, id));
    if ids != ports || length != 2 || !concerns(fields, ids) {
        return None;
    }
    Some(|flow, _, out| {
        let Some((source, destination)) = out.split_at_mut_checked(2) else { return false };
        let number = if is_in_port(flow) { number(flow) } else { flow.flow.dst_port.into() };
        put_unsigned(flow.flow.src_port.into(), source) & put_unsigned(number, destination)
    })
}

/// Whether one of two fields is the port that type and code go to.
pub(super) fn concerns(fields: &[FieldSpecifier], ids: [(u32, u16); 2]) -> bool {
    ids.contains(&(pen::IANA, ie::DESTINATION_TRANSPORT_PORT)) && is_only_in_port(fields)
}

/// Whether a template has no field of its own for type and code.
fn is_only_in_port(fields: &[FieldSpecifier]) -> bool {
    !fields.iter().any(|field| field.enterprise == pen::IANA && ELEMENTS.contains(&field.id))
}

/// Whether type and code go to the destination port, where the template has no field of their own for them.
#[inline(always)]
pub(super) fn is_in_port(flow: &FlowRef<'_>) -> bool {
    is_icmp(flow.flow.proto) && flow.flow.src_port == 0 && flow.flow.dst_port == 0
}

/// Type * 256 + code; 0 for other protocols.
pub(super) fn number(flow: &FlowRef<'_>) -> u64 {
    let flow = flow.flow;
    u64::from(flow.icmp_type.unwrap_or(0)) << 8 | u64::from(flow.icmp_code.unwrap_or(0))
}
