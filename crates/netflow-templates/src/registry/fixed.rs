//! Names of the fields of the fixed versions: those that PyPI `netflow` prints.

use netflow_wire::{element_id as ie, enterprise, unassigned};

/// Element number and name; padding has no name.
const NAMES: &[((u32, u16), &str)] = &[
    ((enterprise::IANA, ie::SOURCE_IPV4_ADDRESS), "IPV4_SRC_ADDR"),
    ((enterprise::IANA, ie::DESTINATION_IPV4_ADDRESS), "IPV4_DST_ADDR"),
    ((enterprise::IANA, ie::IP_NEXT_HOP_IPV4_ADDRESS), "NEXT_HOP"),
    ((enterprise::IANA, ie::INGRESS_INTERFACE), "INPUT"),
    ((enterprise::IANA, ie::EGRESS_INTERFACE), "OUTPUT"),
    ((enterprise::IANA, ie::PACKET_DELTA_COUNT), "IN_PACKETS"),
    ((enterprise::IANA, ie::OCTET_DELTA_COUNT), "IN_OCTETS"),
    ((enterprise::IANA, ie::FLOW_START_SYS_UP_TIME), "FIRST_SWITCHED"),
    ((enterprise::IANA, ie::FLOW_END_SYS_UP_TIME), "LAST_SWITCHED"),
    ((enterprise::IANA, ie::SOURCE_TRANSPORT_PORT), "SRC_PORT"),
    ((enterprise::IANA, ie::DESTINATION_TRANSPORT_PORT), "DST_PORT"),
    ((enterprise::IANA, ie::TCP_CONTROL_BITS), "TCP_FLAGS"),
    ((enterprise::IANA, ie::PROTOCOL_IDENTIFIER), "PROTO"),
    ((enterprise::IANA, ie::IP_CLASS_OF_SERVICE), "TOS"),
    ((enterprise::IANA, ie::BGP_SOURCE_AS_NUMBER), "SRC_AS"),
    ((enterprise::IANA, ie::BGP_DESTINATION_AS_NUMBER), "DST_AS"),
    ((enterprise::IANA, ie::SOURCE_IPV4_PREFIX_LENGTH), "SRC_MASK"),
    ((enterprise::IANA, ie::DESTINATION_IPV4_PREFIX_LENGTH), "DST_MASK"),
    ((enterprise::IANA, ie::DELTA_FLOW_COUNT), "FLOWS"),
    ((enterprise::IANA, ie::SOURCE_IPV4_PREFIX), "SRC_PREFIX"),
    ((enterprise::IANA, ie::DESTINATION_IPV4_PREFIX), "DST_PREFIX"),
    ((enterprise::UNASSIGNED, unassigned::ROUTER_SC), "ROUTER_SC"),
    ((enterprise::UNASSIGNED, unassigned::EXTRA_PACKETS), "EXTRA_PACKETS"),
    ((enterprise::UNASSIGNED, unassigned::MARKED_TOS), "MARKED_TOS"),
    ((enterprise::UNASSIGNED, unassigned::FLAGS), "FLAGS"),
    ((enterprise::UNASSIGNED, unassigned::FLAGS_2), "FLAGS_2"),
];

/// Name of a field.
pub(super) fn name(enterprise: u32, id: u16) -> Option<&'static str> {
    NAMES.iter().find(|(number, _)| *number == (enterprise, id)).map(|&(_, name)| name)
}

/// All names, with the numbers of their elements.
pub(super) fn names() -> impl Iterator<Item = (&'static str, (u32, u16))> {
    NAMES.iter().map(|&(number, name)| (name, number))
}
