//! NetFlow version 1: the first format, without sequence numbers.
//!
//! Source: Cisco, "NetFlow Services Solutions Guide", tables of version 1.

use binrw::binrw;

use crate::fixed::{FixedLayout, Ipv4};

/// Version number on the wire.
pub const VERSION: u16 = 1;
/// Length of the header, in octets.
pub const HEADER_LEN: usize = 16;

/// Header of a v1 export packet.
#[binrw]
#[brw(big, magic = 1u16)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Flow records in the packet, 1 to 24.
    pub count: u16,
    /// Milliseconds since the exporter started.
    pub uptime_millis: u32,
    /// Export time, seconds since the Unix epoch.
    pub unix_seconds: u32,
    /// Export time, nanoseconds beyond the second.
    pub unix_nanos: u32,
}

fixed_record! {
    /// One v1 flow record, 48 octets.
    pub struct Record {
        /// Source address.
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
        /// Source port.
        src_port: u16 = ie::SOURCE_TRANSPORT_PORT,
        /// Destination port.
        dst_port: u16 = ie::DESTINATION_TRANSPORT_PORT,
        /// Unused.
        pad1: u16 = ie::PADDING_OCTETS,
        /// IP protocol.
        protocol: u8 = ie::PROTOCOL_IDENTIFIER,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// Cumulative TCP flags.
        tcp_flags: u8 = ie::TCP_CONTROL_BITS,
        /// Unused.
        pad2: u8 = ie::PADDING_OCTETS,
        /// Unused.
        pad3: u16 = ie::PADDING_OCTETS,
        /// Reserved.
        reserved: u32 = ie::PADDING_OCTETS,
    }
}

/// Layout of the data of a v1 packet.
pub static LAYOUT: FixedLayout =
    FixedLayout { name: "NetFlow v1 flow record", record_len: Record::LEN, fields: Record::TEMPLATE };
