//! NetFlow version 7: Catalyst switches.
//!
//! Source: Cisco, "NetFlow Services Solutions Guide", tables of version 7.

use binrw::binrw;

use crate::fixed::{FixedLayout, Ipv4};

/// Version number on the wire.
pub const VERSION: u16 = 7;
/// Length of the header, in octets.
pub const HEADER_LEN: usize = 24;

/// Header of a v7 export packet.
#[binrw]
#[brw(big, magic = 7u16)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Flow records in the packet, 1 to 28.
    pub count: u16,
    /// Milliseconds since the exporter started.
    pub uptime_millis: u32,
    /// Export time, seconds since the Unix epoch.
    pub unix_seconds: u32,
    /// Export time, nanoseconds beyond the second.
    pub unix_nanos: u32,
    /// Flows exported before this packet.
    pub sequence: u32,
    /// Unused.
    pub reserved: u32,
}

fixed_record! {
    /// One v7 flow record, 52 octets.
    pub struct Record {
        /// Source address; 0 for flows by destination only.
        src_addr: Ipv4 = ie::SOURCE_IPV4_ADDRESS,
        /// Destination address.
        dst_addr: Ipv4 = ie::DESTINATION_IPV4_ADDRESS,
        /// Next hop router.
        next_hop: Ipv4 = ie::IP_NEXT_HOP_IPV4_ADDRESS,
        /// ifIndex of the input interface.
        input: u16 = ie::INGRESS_INTERFACE,
        /// ifIndex of the output interface.
        output: u16 = ie::EGRESS_INTERFACE,
        /// Packets of the flow.
        packets: u32 = ie::PACKET_DELTA_COUNT,
        /// Octets of the flow's packets.
        octets: u32 = ie::OCTET_DELTA_COUNT,
        /// System uptime at the first packet, in milliseconds.
        first: u32 = ie::FLOW_START_SYS_UP_TIME,
        /// System uptime at the last packet, in milliseconds.
        last: u32 = ie::FLOW_END_SYS_UP_TIME,
        /// Source port; 0 for flows by destination only.
        src_port: u16 = ie::SOURCE_TRANSPORT_PORT,
        /// Destination port; 0 for flows by destination only.
        dst_port: u16 = ie::DESTINATION_TRANSPORT_PORT,
        /// Which fields are invalid.
        flags: u8 = unassigned::FLAGS,
        /// Cumulative TCP flags; 0 for flows by destination only.
        tcp_flags: u8 = ie::TCP_CONTROL_BITS,
        /// IP protocol; 0 for flows by destination only.
        protocol: u8 = ie::PROTOCOL_IDENTIFIER,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// AS of the source.
        src_as: u16 = ie::BGP_SOURCE_AS_NUMBER,
        /// AS of the destination.
        dst_as: u16 = ie::BGP_DESTINATION_AS_NUMBER,
        /// Prefix length of the source's route.
        src_mask: u8 = ie::SOURCE_IPV4_PREFIX_LENGTH,
        /// Prefix length of the destination's route.
        dst_mask: u8 = ie::DESTINATION_IPV4_PREFIX_LENGTH,
        /// Which fields are invalid, continued.
        flags_2: u16 = unassigned::FLAGS_2,
        /// Router that the switch bypassed.
        router_sc: Ipv4 = unassigned::ROUTER_SC,
    }
}

/// Layout of the data of a v7 packet.
pub static LAYOUT: FixedLayout =
    FixedLayout { name: "NetFlow v7 flow record", record_len: Record::LEN, fields: Record::TEMPLATE };
