//! NetFlow version 5: IPv4 flows with AS numbers, masks and a sequence number.
//!
//! Source: Cisco, "NetFlow Services Solutions Guide", tables of version 5.

use binrw::binrw;

use crate::fixed::{FixedLayout, Ipv4};

/// Version number on the wire.
pub const VERSION: u16 = 5;
/// Length of the header, in octets.
pub const HEADER_LEN: usize = 24;

/// Header of a v5 export packet.
#[binrw]
#[brw(big, magic = 5u16)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Flow records in the packet, 1 to 30.
    pub count: u16,
    /// Milliseconds since the exporter started.
    pub uptime_millis: u32,
    /// Export time, seconds since the Unix epoch.
    pub unix_seconds: u32,
    /// Export time, nanoseconds beyond the second.
    pub unix_nanos: u32,
    /// Flows exported before this packet.
    pub sequence: u32,
    /// Type of the switching engine.
    pub engine_type: u8,
    /// Slot of the switching engine.
    pub engine_id: u8,
    /// Sampling: see [`sampling_mode`](Self::sampling_mode) and [`sampling_interval`](Self::sampling_interval).
    pub sampling: u16,
}

impl Header {
    /// Sampling mode, the upper two bits: 0 none, 1 packet interval, 2 random.
    pub fn sampling_mode(&self) -> u8 {
        (self.sampling >> 14) as u8
    }

    /// One packet in how many was sampled, the lower 14 bits; 0 when unsampled or unknown.
    pub fn sampling_interval(&self) -> u16 {
        self.sampling & 0x3fff
    }
}

fixed_record! {
    /// One v5 flow record, 48 octets.
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
        pad1: u8 = ie::PADDING_OCTETS,
        /// Cumulative TCP flags.
        tcp_flags: u8 = ie::TCP_CONTROL_BITS,
        /// IP protocol.
        protocol: u8 = ie::PROTOCOL_IDENTIFIER,
        /// Type of service.
        tos: u8 = ie::IP_CLASS_OF_SERVICE,
        /// AS of the source, origin or peer as configured.
        src_as: u16 = ie::BGP_SOURCE_AS_NUMBER,
        /// AS of the destination, origin or peer as configured.
        dst_as: u16 = ie::BGP_DESTINATION_AS_NUMBER,
        /// Prefix length of the source's route.
        src_mask: u8 = ie::SOURCE_IPV4_PREFIX_LENGTH,
        /// Prefix length of the destination's route.
        dst_mask: u8 = ie::DESTINATION_IPV4_PREFIX_LENGTH,
        /// Unused.
        pad2: u16 = ie::PADDING_OCTETS,
    }
}

/// Layout of the data of a v5 packet.
pub static LAYOUT: FixedLayout =
    FixedLayout { name: "NetFlow v5 flow record", record_len: Record::LEN, fields: Record::TEMPLATE };
