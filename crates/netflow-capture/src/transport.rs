//! What an IP packet carries: UDP, a TCP segment, or something else.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use crate::link::{self, Packet};
use crate::stream::{Key, Segment};

/// The payload of an IP packet.
pub(crate) enum Payload<'a> {
    Udp(UdpPayload),
    Tcp(Key, Segment<'a>),
    /// Its header contradicts the length of the packet.
    Malformed,
    /// Of another protocol.
    Other,
}

/// The payload of a UDP packet.
pub(crate) struct UdpPayload {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// Where it is in the payload of the IP packet, as far as that was captured.
    pub(crate) range: Range<usize>,
    /// Whether only its beginning was captured.
    pub(crate) truncated: bool,
}

/// Reads the header behind those of IP.
pub(crate) fn payload<'a>(packet: &Packet<'a>) -> Payload<'a> {
    match packet.protocol {
        link::UDP => udp(packet).map_or(Payload::Malformed, Payload::Udp),
        link::TCP => tcp(packet).map_or(Payload::Malformed, |(key, segment)| Payload::Tcp(key, segment)),
        _ => Payload::Other,
    }
}

fn udp(packet: &Packet<'_>) -> Option<UdpPayload> {
    let header = UdpHeaderSlice::from_slice(packet.payload).ok()?;
    let length = match (header.length(), packet.source) {
        // Of an IPv6 packet longer than the field can say.
        (0, IpAddr::V6(_)) => packet.declared,
        (length, _) => usize::from(length),
    };
    if !(8..=packet.declared).contains(&length) {
        return None;
    }
    let end = length.min(packet.payload.len());
    Some(UdpPayload {
        source: SocketAddr::new(packet.source, header.source_port()),
        destination: SocketAddr::new(packet.destination, header.destination_port()),
        range: 8..end,
        truncated: end < length,
    })
}

fn tcp<'a>(packet: &Packet<'a>) -> Option<(Key, Segment<'a>)> {
    let header = TcpHeaderSlice::from_slice(packet.payload).ok()?;
    let key = Key {
        source: SocketAddr::new(packet.source, header.source_port()),
        destination: SocketAddr::new(packet.destination, header.destination_port()),
    };
    let offset = header.slice().len();
    let segment = Segment {
        sequence: header.sequence_number(),
        syn: header.syn(),
        fin: header.fin(),
        rst: header.rst(),
        data: &packet.payload[offset..],
        declared: packet.declared - offset,
    };
    Some((key, segment))
}
