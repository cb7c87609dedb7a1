//! From a captured frame to the payload of its IP packet.

use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice};

/// IP protocol number of TCP.
pub(crate) const TCP: u8 = 6;
/// IP protocol number of UDP.
pub(crate) const UDP: u8 = 17;

const IPV6_FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;

/// Link types whose frames can be read, by their number in capture files.
mod kind {
    pub(super) const NULL: u32 = 0;
    pub(super) const ETHERNET: u32 = 1;
    /// Raw IP, under the numbers that different systems wrote for it.
    pub(super) const RAW: [u32; 3] = [12, 14, 101];
    pub(super) const LOOP: u32 = 108;
    pub(super) const LINUX_SLL: u32 = 113;
    pub(super) const IPV4: u32 = 228;
    pub(super) const IPV6: u32 = 229;
    pub(super) const LINUX_SLL2: u32 = 276;
}

/// Whether frames of this link type can be read.
pub(crate) fn is_supported(link_type: u32) -> bool {
    use kind::{ETHERNET, IPV4, IPV6, LINUX_SLL, LINUX_SLL2, LOOP, NULL, RAW};
    matches!(link_type, NULL | ETHERNET | LOOP | LINUX_SLL | IPV4 | IPV6 | LINUX_SLL2)
        || RAW.contains(&link_type)
}

/// Why a frame holds no IP payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It is of another protocol, or too short to tell.
    NotIp,
    /// It claims to be IP, but its headers contradict each other or its length.
    Malformed,
}

/// Where a fragment belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// Identification, 16 bits in IPv4 and 32 in IPv6.
    pub(crate) id: u32,
    /// First octet of the fragment within the payload of the whole packet.
    pub(crate) offset: u32,
    /// Whether more fragments follow.
    pub(crate) more: bool,
}

/// An IP packet, without its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// What the payload is; of an IPv6 fragment, what the fragmented part begins with.
    pub(crate) protocol: u8,
    /// Where the payload starts in the frame.
    pub(crate) start: usize,
    /// What was captured of the payload, without padding of the link.
    pub(crate) payload: &'a [u8],
    /// Octets of payload that the packet had on the wire.
    pub(crate) declared: usize,
    /// Present on a fragment of a packet.
    pub(crate) fragment: Option<Fragment>,
}

/// The IP packet in a frame.
pub(crate) fn packet(link_type: u32, frame: &[u8]) -> Result<Packet<'_>, Unusable> {
    let ip = network(link_type, frame).ok_or(Unusable::NotIp)?;
    let mut packet = match ip.first().map(|first| first >> 4) {
        Some(4) => ipv4(ip)?,
        Some(6) => ipv6(ip)?,
        _ => return Err(Unusable::NotIp),
    };
    // Only headers were removed, nothing from the end.
    packet.start += frame.len() - ip.len();
    Ok(packet)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|field| u16::from_be_bytes(*field))
}

/// Removes the link layer.
fn network(link_type: u32, frame: &[u8]) -> Option<&[u8]> {
    match link_type {
        kind::ETHERNET => tagged(u16_at(frame, 12)?, frame.get(14..)?),
        kind::NULL | kind::LOOP => {
            // An address family in the octet order of the capturing machine, or of the network.
            // AF_INET is 2 everywhere; AF_INET6 is 10 (Linux), 24, 28 or 30 (BSD and macOS).
            let family: [u8; 4] = *frame.first_chunk()?;
            let family = u32::from_be_bytes(family).min(u32::from_le_bytes(family));
            matches!(family, 2 | 10 | 24 | 28 | 30).then(|| &frame[4..])
        }
        kind::LINUX_SLL => {
            let protocol = u16_at(frame, 14)?;
            tagged(protocol, frame.get(16..)?)
        }
        kind::LINUX_SLL2 => tagged(u16_at(frame, 0)?, frame.get(20..)?),
        kind::IPV4 | kind::IPV6 => Some(frame),
        other if kind::RAW.contains(&other) => Some(frame),
        _ => None,
    }
}

/// Removes VLAN tags after an EtherType; what follows is IP, or nothing is returned.
fn tagged(mut ether_type: u16, mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        match ether_type {
            0x0800 | 0x86dd => return Some(rest),
            0x8100 | 0x88a8 | 0x9100 => {
                ether_type = u16_at(rest, 2)?;
                rest = rest.get(4..)?;
            }
            // IEEE 802.3 with a length, where LLC and SNAP name the protocol.
            0..=1500 if rest.starts_with(&[0xaa, 0xaa, 3, 0, 0, 0]) => {
                ether_type = u16_at(rest, 6)?;
                rest = rest.get(8..)?;
                // A second length in place of the type is no protocol.
                if ether_type <= 1500 {
                    return None;
                }
            }
            _ => return None,
        }
    }
}

/// `length` octets of `bytes`, or as many as were captured. A length of 0 comes from a machine that
/// captured a packet before its network card cut and completed it: then it is all that is there.
fn limited(bytes: &[u8], length: usize) -> (&[u8], usize) {
    match length {
        0 => (bytes, bytes.len()),
        _ => (&bytes[..length.min(bytes.len())], length),
    }
}

fn ipv4(ip: &[u8]) -> Result<Packet<'_>, Unusable> {
    let header = Ipv4HeaderSlice::from_slice(ip).map_err(|_| Unusable::Malformed)?;
    let header_length = header.slice().len();
    let (ip, total) = limited(ip, usize::from(header.total_len()));
    if total < header_length {
        return Err(Unusable::Malformed);
    }
    let offset = u32::from(header.fragments_offset().value()) * 8;
    let more = header.more_fragments();
    let fragment =
        (more || offset > 0).then(|| Fragment { id: header.identification().into(), offset, more });
    let (protocol, skipped) = match header.protocol().0 {
        // What is behind an authentication header is known only once the packet is whole.
        AUTHENTICATION if fragment.is_none() => extensions(AUTHENTICATION, &ip[header_length..])?,
        protocol => (protocol, 0),
    };
    Ok(Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol,
        start: header_length + skipped,
        payload: &ip[header_length + skipped..],
        declared: total - header_length - skipped,
        fragment,
    })
}

fn ipv6(ip: &[u8]) -> Result<Packet<'_>, Unusable> {
    let header = Ipv6HeaderSlice::from_slice(ip).map_err(|_| Unusable::Malformed)?;
    let (mut payload, mut declared) =
        limited(&ip[header.slice().len()..], usize::from(header.payload_length()));
    let mut start = header.slice().len();
    let mut fragment = None;
    let (mut protocol, mut skipped) = extensions(header.next_header().0, payload)?;
    if protocol == IPV6_FRAGMENT {
        payload = &payload[skipped..];
        declared -= skipped;
        let part = Ipv6FragmentHeaderSlice::from_slice(payload).map_err(|_| Unusable::Malformed)?;
        payload = &payload[8..];
        start += skipped + 8;
        declared = declared.checked_sub(8).ok_or(Unusable::Malformed)?;
        let offset = u32::from(part.fragment_offset().value()) * 8;
        (protocol, skipped) = (part.next_header().0, 0);
        if part.more_fragments() || offset > 0 {
            fragment = Some(Fragment { id: part.identification(), offset, more: part.more_fragments() });
        } else {
            // A fragment that is the whole packet (RFC 6946).
            (protocol, skipped) = extensions(protocol, payload)?;
        }
    }
    Ok(Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol,
        start: start + skipped,
        payload: &payload[skipped..],
        declared: declared - skipped,
        fragment,
    })
}

/// Steps over extension headers: the protocol behind them and how many octets they take. A fragment
/// header is not stepped over, but returned as the protocol.
pub(crate) fn extensions(mut protocol: u8, payload: &[u8]) -> Result<(u8, usize), Unusable> {
    let mut skipped = 0;
    loop {
        // Hop-by-hop, routing, destination options, mobility, host identity, shim6.
        let generic = matches!(protocol, 0 | 43 | 60 | 135 | 139 | 140);
        if !generic && protocol != AUTHENTICATION {
            return Ok((protocol, skipped));
        }
        let rest = &payload[skipped..];
        let Some(&[next, units]) = rest.first_chunk() else { return Err(Unusable::Malformed) };
        let units = usize::from(units);
        let length = if generic { (units + 1) * 8 } else { (units + 2) * 4 };
        if rest.len() < length {
            return Err(Unusable::Malformed);
        }
        protocol = next;
        skipped += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 packet of 20 + 4 octets, from 192.0.2.1 to 192.0.2.2.
    fn v4() -> Vec<u8> {
        let mut ip = vec![0x45, 0, 0, 24, 0x12, 0x34, 0, 0, 64, UDP, 0, 0];
        ip.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        ip.extend(b"data");
        ip
    }

    fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut ip = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 64];
        for last in [1, 2] {
            ip.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        ip.extend(payload);
        ip
    }

    fn with(head: &[u8], ip: &[u8]) -> Vec<u8> {
        [head, ip].concat()
    }

    #[test]
    fn every_link_type_gives_the_same_packet() {
        let ip = v4();
        let macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        let frames = [
            (1, with(&[&macs[..], &[8, 0]].concat(), &ip)),
            (1, with(&[&macs[..], &[0x81, 0, 0, 7, 8, 0]].concat(), &ip)),
            (1, with(&[&macs[..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0]].concat(), &ip)),
            (1, with(&[&macs[..], &[0, 32, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat(), &ip)),
            (0, with(&[2, 0, 0, 0], &ip)),
            (0, with(&[0, 0, 0, 2], &ip)),
            (108, with(&[0, 0, 0, 2], &ip)),
            (12, ip.clone()),
            (14, ip.clone()),
            (101, ip.clone()),
            (228, ip.clone()),
            // packet type, ARPHRD, address length, address, protocol
            (113, with(&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0], &ip)),
            // protocol, reserved, interface, ARPHRD, packet type, address length, address
            (276, with(&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &ip)),
        ];
        for (link_type, mut frame) in frames {
            // Padding to the least length of an Ethernet frame is no payload.
            frame.resize(frame.len().max(60), 0);
            assert!(is_supported(link_type));
            let packet = packet(link_type, &frame).expect("an IPv4 packet");
            assert_eq!(packet.source.to_string(), "192.0.2.1", "link type {link_type}");
            assert_eq!(packet.destination.to_string(), "192.0.2.2");
            assert_eq!((packet.protocol, packet.payload, packet.declared), (UDP, &b"data"[..], 4));
            assert_eq!(packet.fragment, None);
            assert_eq!(&frame[packet.start..packet.start + 4], b"data");
        }
    }

    #[test]
    fn ipv6_on_every_link_type_that_names_it() {
        let ip = v6(UDP, b"data");
        let frames = [
            (1, with(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd], &ip)),
            (0, with(&[30, 0, 0, 0], &ip)),
            (108, with(&[0, 0, 0, 24], &ip)),
            (101, ip.clone()),
            (229, ip.clone()),
            (113, with(&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x86, 0xdd], &ip)),
        ];
        for (link_type, frame) in frames {
            let packet = packet(link_type, &frame).expect("an IPv6 packet");
            assert_eq!(packet.source.to_string(), "2001:db8::1", "link type {link_type}");
            assert_eq!((packet.protocol, packet.payload), (UDP, &b"data"[..]));
        }
    }

    #[test]
    fn extension_headers_are_stepped_over() {
        // Hop-by-hop of 8 octets, destination options of 16, authentication header of 12.
        let mut payload = vec![60, 0, 1, 4, 0, 0, 0, 0];
        payload.extend([51, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        payload.extend([UDP, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        payload.extend(b"data");
        let ip = v6(0, &payload);
        let whole = packet(101, &ip).expect("an IPv6 packet");
        assert_eq!((whole.protocol, whole.payload, whole.declared), (UDP, &b"data"[..], 4));
        assert_eq!(whole.start, ip.len() - 4);
        // Cut at any octet, it is an error or a shorter payload.
        for end in 0..ip.len() {
            if let Ok(cut) = packet(101, &ip[..end]) {
                assert_eq!(cut.declared, 4);
                assert!(b"data".starts_with(cut.payload));
            }
        }
    }

    #[test]
    fn fragments_are_told() {
        let mut ip = v4();
        (ip[6], ip[7]) = (0x20, 0x02);
        let part = packet(101, &ip).expect("a fragment").fragment;
        assert_eq!(part, Some(Fragment { id: 0x1234, offset: 16, more: true }));
        let ip = v6(44, &[UDP, 0, 0, 0x09, 0, 1, 2, 3, 1, 2, 3, 4, 5, 6, 7, 8]);
        let part = packet(101, &ip).expect("a fragment").fragment;
        assert_eq!(part, Some(Fragment { id: 0x10203, offset: 8, more: true }));
        // Offset 0 and nothing more to come: no fragment at all.
        let ip = v6(44, &[UDP, 0, 0, 0, 0, 1, 2, 3, 1, 2, 3, 4]);
        let whole = packet(101, &ip).expect("a packet");
        assert_eq!((whole.fragment, whole.payload, whole.start), (None, &[1, 2, 3, 4][..], 48));
    }

    #[test]
    fn what_is_not_ip() {
        let arp = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1];
        assert_eq!(packet(1, &arp), Err(Unusable::NotIp));
        assert_eq!(packet(1, &[]), Err(Unusable::NotIp));
        assert_eq!(packet(9999, &v4()), Err(Unusable::NotIp));
        // A total length shorter than the header.
        let mut ip = v4();
        ip[3] = 19;
        assert_eq!(packet(101, &ip), Err(Unusable::Malformed));
        // A total length of 0 means all that is there.
        ip[3] = 0;
        assert_eq!(packet(101, &ip).map(|packet| packet.payload), Ok(&b"data"[..]));
    }
}
