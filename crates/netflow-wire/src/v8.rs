//! NetFlow version 8: aggregates of flows, in one of fourteen schemes.
//!
//! Source: Cisco, "NetFlow Services Solutions Guide", tables of version 8; schemes 6 to 8 are those of
//! Catalyst switches.

use binrw::binrw;

use crate::fixed::{FixedLayout, Ipv4};

/// Version number on the wire.
pub const VERSION: u16 = 8;
/// Length of the header, in octets.
pub const HEADER_LEN: usize = 28;

/// Header of a v8 export packet.
#[binrw]
#[brw(big, magic = 8u16)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Records in the packet.
    pub count: u16,
    /// Milliseconds since the exporter started.
    pub uptime_millis: u32,
    /// Export time, seconds since the Unix epoch.
    pub unix_seconds: u32,
    /// Export time, nanoseconds beyond the second.
    pub unix_nanos: u32,
    /// Records exported before this packet.
    pub sequence: u32,
    /// Type of the switching engine.
    pub engine_type: u8,
    /// Slot of the switching engine.
    pub engine_id: u8,
    /// Aggregation scheme, 1 to 14.
    pub aggregation: u8,
    /// Version of the aggregation scheme; 2 is the only one seen.
    pub aggregation_version: u8,
    /// Unused.
    pub reserved: u32,
}

fixed_record! {
    /// Scheme 1: one aggregate by autonomous systems and interfaces, 28 octets.
    pub struct As {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// AS of the source.
        src_as: u16 = ie::BGP_SOURCE_AS_NUMBER,
        /// AS of the destination.
        dst_as: u16 = ie::BGP_DESTINATION_AS_NUMBER,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
    }
}

fixed_record! {
    /// Scheme 2: one aggregate by protocol and ports, 28 octets.
    pub struct ProtocolPort {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// IP protocol.
        protocol: u8 = ie::PROTOCOL_IDENTIFIER,
        /// Unused.
        pad1: u8 = ie::PADDING_OCTETS,
        /// Unused.
        pad2: u16 = ie::PADDING_OCTETS,
        /// Source port.
        src_port: u16 = ie::SOURCE_TRANSPORT_PORT,
        /// Destination port.
        dst_port: u16 = ie::DESTINATION_TRANSPORT_PORT,
    }
}

fixed_record! {
    /// Scheme 3: one aggregate by source prefix, 32 octets.
    pub struct SourcePrefix {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// Prefix of the source.
        src_prefix: Ipv4 = ie::SOURCE_IPV4_PREFIX,
        /// Length of the source's prefix.
        src_mask: u8 = ie::SOURCE_IPV4_PREFIX_LENGTH,
        /// Unused.
        pad1: u8 = ie::PADDING_OCTETS,
        /// AS of the source.
        src_as: u16 = ie::BGP_SOURCE_AS_NUMBER,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// Unused.
        pad2: u16 = ie::PADDING_OCTETS,
    }
}

fixed_record! {
    /// Scheme 4: one aggregate by destination prefix, 32 octets.
    pub struct DestinationPrefix {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// Prefix of the destination.
        dst_prefix: Ipv4 = ie::DESTINATION_IPV4_PREFIX,
        /// Length of the destination's prefix.
        dst_mask: u8 = ie::DESTINATION_IPV4_PREFIX_LENGTH,
        /// Unused.
        pad1: u8 = ie::PADDING_OCTETS,
        /// AS of the destination.
        dst_as: u16 = ie::BGP_DESTINATION_AS_NUMBER,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
        /// Unused.
        pad2: u16 = ie::PADDING_OCTETS,
    }
}

fixed_record! {
    /// Scheme 5: one aggregate by source and destination prefixes, 40 octets.
    pub struct Prefix {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// Prefix of the source.
        src_prefix: Ipv4 = ie::SOURCE_IPV4_PREFIX,
        /// Prefix of the destination.
        dst_prefix: Ipv4 = ie::DESTINATION_IPV4_PREFIX,
        /// Length of the source's prefix.
        src_mask: u8 = ie::SOURCE_IPV4_PREFIX_LENGTH,
        /// Length of the destination's prefix.
        dst_mask: u8 = ie::DESTINATION_IPV4_PREFIX_LENGTH,
        /// Unused.
        pad1: u16 = ie::PADDING_OCTETS,
        /// AS of the source.
        src_as: u16 = ie::BGP_SOURCE_AS_NUMBER,
        /// AS of the destination.
        dst_as: u16 = ie::BGP_DESTINATION_AS_NUMBER,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
    }
}

fixed_record! {
    /// Scheme 6: one aggregate by destination address (Catalyst), 32 octets.
    pub struct Destination {
        /// Destination address.
        dst_addr: Ipv4 = ie::DESTINATION_IPV4_ADDRESS,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// Type of service of packets that exceeded the contract.
        marked_tos: u8 = unassigned::MARKED_TOS,
        /// Packets that exceeded the contract.
        extra_packets: u32 = unassigned::EXTRA_PACKETS,
        /// Router that the switch bypassed.
        router_sc: Ipv4 = unassigned::ROUTER_SC,
    }
}

fixed_record! {
    /// Scheme 7: one aggregate by source and destination addresses (Catalyst), 40 octets.
    pub struct SourceDestination {
        /// Destination address.
        dst_addr: Ipv4 = ie::DESTINATION_IPV4_ADDRESS,
        /// Source address.
        src_addr: Ipv4 = ie::SOURCE_IPV4_ADDRESS,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// Type of service of packets that exceeded the contract.
        marked_tos: u8 = unassigned::MARKED_TOS,
        /// Unused.
        pad1: u16 = ie::PADDING_OCTETS,
        /// Packets that exceeded the contract.
        extra_packets: u32 = unassigned::EXTRA_PACKETS,
        /// Router that the switch bypassed.
        router_sc: Ipv4 = unassigned::ROUTER_SC,
    }
}

fixed_record! {
    /// Scheme 8: one aggregate by the full flow (Catalyst), 44 octets.
    pub struct FullFlow {
        /// Destination address.
        dst_addr: Ipv4 = ie::DESTINATION_IPV4_ADDRESS,
        /// Source address.
        src_addr: Ipv4 = ie::SOURCE_IPV4_ADDRESS,
        /// Destination port.
        dst_port: u16 = ie::DESTINATION_TRANSPORT_PORT,
        /// Source port.
        src_port: u16 = ie::SOURCE_TRANSPORT_PORT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// IP protocol.
        protocol: u8 = ie::PROTOCOL_IDENTIFIER,
        /// Type of service of packets that exceeded the contract.
        marked_tos: u8 = unassigned::MARKED_TOS,
        /// Unused.
        pad1: u8 = ie::PADDING_OCTETS,
        /// Packets that exceeded the contract.
        extra_packets: u32 = unassigned::EXTRA_PACKETS,
        /// Router that the switch bypassed.
        router_sc: Ipv4 = unassigned::ROUTER_SC,
    }
}

fixed_record! {
    /// Scheme 9: one aggregate by autonomous systems, interfaces and type of service, 32 octets.
    ///
    /// Cisco's figure has the type of service behind the interfaces; tshark 4.0 reads it before them.
    pub struct AsTos {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// AS of the source.
        src_as: u16 = ie::BGP_SOURCE_AS_NUMBER,
        /// AS of the destination.
        dst_as: u16 = ie::BGP_DESTINATION_AS_NUMBER,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// Unused.
        pad1: u8 = ie::PADDING_OCTETS,
        /// Unused.
        pad2: u16 = ie::PADDING_OCTETS,
    }
}

fixed_record! {
    /// Scheme 10: one aggregate by protocol, ports, interfaces and type of service, 32 octets.
    pub struct ProtocolPortTos {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// IP protocol.
        protocol: u8 = ie::PROTOCOL_IDENTIFIER,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// Unused.
        pad1: u16 = ie::PADDING_OCTETS,
        /// Source port.
        src_port: u16 = ie::SOURCE_TRANSPORT_PORT,
        /// Destination port.
        dst_port: u16 = ie::DESTINATION_TRANSPORT_PORT,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
    }
}

fixed_record! {
    /// Scheme 11: one aggregate by source prefix and type of service, 32 octets.
    pub struct SourcePrefixTos {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// Prefix of the source.
        src_prefix: Ipv4 = ie::SOURCE_IPV4_PREFIX,
        /// Length of the source's prefix.
        src_mask: u8 = ie::SOURCE_IPV4_PREFIX_LENGTH,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// AS of the source.
        src_as: u16 = ie::BGP_SOURCE_AS_NUMBER,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// Unused.
        pad1: u16 = ie::PADDING_OCTETS,
    }
}

fixed_record! {
    /// Scheme 12: one aggregate by destination prefix and type of service, 32 octets.
    pub struct DestinationPrefixTos {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// Prefix of the destination.
        dst_prefix: Ipv4 = ie::DESTINATION_IPV4_PREFIX,
        /// Length of the destination's prefix.
        dst_mask: u8 = ie::DESTINATION_IPV4_PREFIX_LENGTH,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// AS of the destination.
        dst_as: u16 = ie::BGP_DESTINATION_AS_NUMBER,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
        /// Unused.
        pad1: u16 = ie::PADDING_OCTETS,
    }
}

fixed_record! {
    /// Scheme 13: one aggregate by source and destination prefixes and type of service, 40 octets.
    pub struct PrefixTos {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// Prefix of the source.
        src_prefix: Ipv4 = ie::SOURCE_IPV4_PREFIX,
        /// Prefix of the destination.
        dst_prefix: Ipv4 = ie::DESTINATION_IPV4_PREFIX,
        /// Length of the source's prefix.
        src_mask: u8 = ie::SOURCE_IPV4_PREFIX_LENGTH,
        /// Length of the destination's prefix.
        dst_mask: u8 = ie::DESTINATION_IPV4_PREFIX_LENGTH,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// Unused.
        pad1: u8 = ie::PADDING_OCTETS,
        /// AS of the source.
        src_as: u16 = ie::BGP_SOURCE_AS_NUMBER,
        /// AS of the destination.
        dst_as: u16 = ie::BGP_DESTINATION_AS_NUMBER,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
    }
}

fixed_record! {
    /// Scheme 14: one aggregate by prefixes, protocol, ports and type of service, 40 octets.
    pub struct PrefixPortTos {
        /// Flows that were aggregated.
        flows: u32 = ie::DELTA_FLOW_COUNT,
        /// Packets of the flows.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flows' packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// Prefix of the source.
        src_prefix: Ipv4 = ie::SOURCE_IPV4_PREFIX,
        /// Prefix of the destination.
        dst_prefix: Ipv4 = ie::DESTINATION_IPV4_PREFIX,
        /// Length of the source's prefix.
        src_mask: u8 = ie::SOURCE_IPV4_PREFIX_LENGTH,
        /// Length of the destination's prefix.
        dst_mask: u8 = ie::DESTINATION_IPV4_PREFIX_LENGTH,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// IP protocol.
        protocol: u8 = ie::PROTOCOL_IDENTIFIER,
        /// Source port.
        src_port: u16 = ie::SOURCE_TRANSPORT_PORT,
        /// Destination port.
        dst_port: u16 = ie::DESTINATION_TRANSPORT_PORT,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
    }
}

macro_rules! layouts {
    ($( $record:ident $name:literal, )*) => {
        [$( FixedLayout { name: $name, record_len: $record::LEN, fields: $record::TEMPLATE }, )*]
    };
}

/// Layouts by aggregation scheme: scheme 1 first.
static LAYOUTS: [FixedLayout; 14] = layouts![
    As "NetFlow v8 aggregate by autonomous systems and interfaces",
    ProtocolPort "NetFlow v8 aggregate by protocol and ports",
    SourcePrefix "NetFlow v8 aggregate by source prefix",
    DestinationPrefix "NetFlow v8 aggregate by destination prefix",
    Prefix "NetFlow v8 aggregate by source and destination prefixes",
    Destination "NetFlow v8 aggregate by destination address (Catalyst)",
    SourceDestination "NetFlow v8 aggregate by source and destination addresses (Catalyst)",
    FullFlow "NetFlow v8 aggregate by the full flow (Catalyst)",
    AsTos "NetFlow v8 aggregate by autonomous systems, interfaces and type of service",
    ProtocolPortTos "NetFlow v8 aggregate by protocol, ports, interfaces and type of service",
    SourcePrefixTos "NetFlow v8 aggregate by source prefix and type of service",
    DestinationPrefixTos "NetFlow v8 aggregate by destination prefix and type of service",
    PrefixTos "NetFlow v8 aggregate by source and destination prefixes and type of service",
    PrefixPortTos "NetFlow v8 aggregate by prefixes, protocol, ports and type of service",
];

/// The layout of an aggregation scheme; `None` when the scheme was never published.
pub fn layout(aggregation: u8) -> Option<&'static FixedLayout> {
    LAYOUTS.get(usize::from(aggregation).checked_sub(1)?)
}
