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
    let elsewhere =
        || fields.iter().any(|field| field.enterprise == pen::IANA && ELEMENTS.contains(&field.id));
    Some(match element.id {
        ie::ICMP_TYPE_CODE_IPV4 | ie::ICMP_TYPE_CODE_IPV6 => |flow, _, out| put_unsigned(number(flow), out),
        ie::ICMP_TYPE_IPV4 | ie::ICMP_TYPE_IPV6 => |flow, _, out| put_unsigned(number(flow) >> 8, out),
        ie::ICMP_CODE_IPV4 | ie::ICMP_CODE_IPV6 => |flow, _, out| put_unsigned(number(flow) & 0xff, out),
        // Without a field of their own type and code stand in the destination port.
        ie::DESTINATION_TRANSPORT_PORT if !elsewhere() => |flow, _, out| {
            let port = u64::from(flow.flow.dst_port);
            let in_port = is_icmp(flow.flow.proto) && flow.flow.src_port == 0 && port == 0;
            put_unsigned(if in_port { number(flow) } else { port }, out)
        },
        ie::IP_VERSION => |flow, _, out| put_unsigned(flow.flow.ip_family().into(), out),
        _ => return None,
    })
}

/// Type * 256 + code; 0 for other protocols.
fn number(flow: &FlowRef<'_>) -> u64 {
    let flow = flow.flow;
    u64::from(flow.icmp_type.unwrap_or(0)) << 8 | u64::from(flow.icmp_code.unwrap_or(0))
}
