//! The headers before a UDP payload: IPv4 (RFC 791) or IPv6 (RFC 8200), and UDP (RFC 768).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

/// Routers that a packet may pass.
const HOPS: u8 = 64;
/// Protocol numbers.
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
/// Octets of headers.
const UDP_LENGTH: usize = 8;
const V4_LENGTH: usize = 20;
const V6_LENGTH: usize = 40;
const FRAGMENT_LENGTH: usize = 8;
/// IPv6, with its header for fragments, and UDP.
const MAX_LENGTH: usize = V6_LENGTH + FRAGMENT_LENGTH + UDP_LENGTH;

/// What is before a payload, or a part of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    octets: [u8; MAX_LENGTH],
    length: usize,
}

impl Header {
    pub(super) const EMPTY: Self = Self { octets: [0; MAX_LENGTH], length: 0 };

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    fn push(&mut self, octets: &[u8]) {
        self.octets[self.length..][..octets.len()].copy_from_slice(octets);
        self.length += octets.len();
    }
}

/// A packet, or a fragment of it: its header, and which part of the payload is in it.
pub(super) type Part = (Header, Range<usize>);

/// Source and target, which are of one IP version.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    V4 { from: Ipv4Addr, to: Ipv4Addr, ports: [u16; 2] },
    V6 { from: Ipv6Addr, to: Ipv6Addr, ports: [u16; 2] },
}

impl Way {
    /// `None` when they are of two versions.
    pub(super) fn new(source: SocketAddr, target: SocketAddr) -> Option<Self> {
        let ports = [source.port(), target.port()];
        match (source.ip().to_canonical(), target.ip().to_canonical()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Some(Self::V4 { from, to, ports }),
            (IpAddr::V6(from), IpAddr::V6(to)) => Some(Self::V6 { from, to, ports }),
            _ => None,
        }
    }

    /// Octets of the headers of a packet that is not in fragments.
    pub(super) fn overhead(self) -> usize {
        UDP_LENGTH
            + match self {
                Self::V4 { .. } => V4_LENGTH,
                Self::V6 { .. } => V6_LENGTH,
            }
    }

    /// The headers of a whole packet. `None` when its length has no place in them.
    pub(super) fn whole(self, id: u16, payload: &[u8]) -> Option<Header> {
        let udp = self.udp(payload)?;
        let mut header = self.ip(id, None, udp.len() + payload.len())?;
        header.push(&udp);
        Some(header)
    }

    /// The fragments of a packet, none of them longer than `mtu` (at least 68 octets). `None` when its length has no
    /// place in its headers.
    pub(super) fn fragments(self, id: u16, payload: &[u8], mtu: usize) -> Option<Vec<Part>> {
        let udp = self.udp(payload)?;
        let before = match self {
            Self::V4 { .. } => V4_LENGTH,
            Self::V6 { .. } => V6_LENGTH + FRAGMENT_LENGTH,
        };
        // Offsets are counted in units of eight octets.
        let most = mtu.saturating_sub(before).max(2 * UDP_LENGTH) / 8 * 8;
        let total = udp.len() + payload.len();
        let mut parts = Vec::new();
        for offset in (0..total).step_by(most) {
            let end = (offset + most).min(total);
            let fragment = Fragment { offset: offset as u16, more: end < total };
            let mut header = self.ip(id, Some(fragment), end - offset)?;
            if offset == 0 {
                header.push(&udp);
            }
            parts.push((header, offset.saturating_sub(udp.len())..end - udp.len()));
        }
        Some(parts)
    }

    fn udp(self, payload: &[u8]) -> Option<[u8; UDP_LENGTH]> {
        let length = u16::try_from(UDP_LENGTH + payload.len()).ok()?;
        let (addresses, [from, to]) = match self {
            Self::V4 { from, to, ports } => (sum(&from.octets()) + sum(&to.octets()), ports),
            Self::V6 { from, to, ports } => (sum(&from.octets()) + sum(&to.octets()), ports),
        };
        let pseudo = addresses + u64::from(UDP) + u64::from(length);
        let header = u64::from(from) + u64::from(to) + u64::from(length);
        // Zero says that there is none.
        let checksum = match checksum(pseudo + header + sum(payload)) {
            0 => u16::MAX,
            sum => sum,
        };
        let mut octets = [0; UDP_LENGTH];
        for (place, value) in octets.chunks_exact_mut(2).zip([from, to, length, checksum]) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        Some(octets)
    }

    /// The header of IP, for so many octets behind it.
    fn ip(self, id: u16, fragment: Option<Fragment>, octets: usize) -> Option<Header> {
        let mut header = Header::EMPTY;
        match self {
            Self::V4 { from, to, .. } => {
                let length = u16::try_from(V4_LENGTH + octets).ok()?;
                header.push(&[0x45, 0]);
                header.push(&length.to_be_bytes());
                header.push(&id.to_be_bytes());
                let Fragment { offset, more } = fragment.unwrap_or_default();
                header.push(&((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
                header.push(&[HOPS, UDP, 0, 0]);
                header.push(&from.octets());
                header.push(&to.octets());
                let checksum = checksum(sum(header.octets()));
                header.octets[10..12].copy_from_slice(&checksum.to_be_bytes());
            }
            Self::V6 { from, to, .. } => {
                let behind = if fragment.is_some() { FRAGMENT_LENGTH } else { 0 };
                let length = u16::try_from(behind + octets).ok()?;
                header.push(&[0x60, 0, 0, 0]);
                header.push(&length.to_be_bytes());
                header.push(&[if fragment.is_some() { FRAGMENT } else { UDP }, HOPS]);
                header.push(&from.octets());
                header.push(&to.octets());
                if let Some(Fragment { offset, more }) = fragment {
                    header.push(&[UDP, 0]);
                    header.push(&(offset | u16::from(more)).to_be_bytes());
                    header.push(&u32::from(id).to_be_bytes());
                }
            }
        }
        Some(header)
    }
}

/// Where a fragment begins, in octets, and whether others follow.
#[derive(Debug, Clone, Copy, Default)]
struct Fragment {
    offset: u16,
    more: bool,
}

/// The sum of the 16-bit words of `octets`.
fn sum(octets: &[u8]) -> u64 {
    let words = octets.chunks_exact(2);
    let odd = words.remainder().first().map_or(0, |&octet| u64::from(octet) << 8);
    words.map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u64>() + odd
}

/// The complement of the sum in one's complement arithmetic (RFC 1071).
fn checksum(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(version: u8) -> Way {
        let (source, target) = match version {
            4 => ("198.51.100.7:4000", "192.0.2.1:2055"),
            _ => ("[2001:db8::7]:4000", "[2001:db8::1]:2055"),
        };
        Way::new(source.parse().unwrap(), target.parse().unwrap()).unwrap()
    }

    #[test]
    fn headers_are_laid_out_as_the_rfcs_say() {
        let header = way(4).whole(0x1234, b"abc").unwrap();
        let expected = [
            &[0x45, 0, 0, 31, 0x12, 0x34, 0, 0, 64, 17][..],
            &[0x7c, 0x5e],
            &[198, 51, 100, 7, 192, 0, 2, 1],
            &[0x0f, 0xa0, 0x08, 0x07, 0, 11],
        ]
        .concat();
        assert_eq!(header.octets()[..26], expected);
        let header = way(6).whole(0, b"abc").unwrap();
        assert_eq!(header.octets()[..8], [0x60, 0, 0, 0, 0, 11, 17, 64]);
        assert_eq!(header.octets()[40..46], [0x0f, 0xa0, 0x08, 0x07, 0, 11]);
    }

    #[test]
    fn checksums_add_up() {
        for length in [0, 1, 2, 3, 1_400] {
            let payload: Vec<_> = (0..length).map(|number| number as u8).collect();
            let header = way(4).whole(7, &payload).unwrap();
            let (ip, udp) = header.octets().split_at(V4_LENGTH);
            assert_eq!(checksum(sum(ip)), 0);
            let pseudo = sum(&ip[12..20]) + 17 + (8 + length);
            assert_eq!(checksum(pseudo + sum(udp) + sum(&payload)), 0);
            let header = way(6).whole(7, &payload).unwrap();
            let (ip, udp) = header.octets().split_at(V6_LENGTH);
            let pseudo = sum(&ip[8..]) + 17 + (8 + length);
            assert_eq!(checksum(pseudo + sum(udp) + sum(&payload)), 0);
        }
    }

    #[test]
    fn fragments_are_the_packet_again_and_none_is_too_long() {
        for (version, mtu, length) in [
            (4, 1_500, 9_000),
            (6, 1_500, 9_000),
            (4, 576, 1_480),
            (6, 1_280, 65_000),
            (4, 68, 100),
            (6, 1_280, 3),
        ] {
            let payload: Vec<_> = (0..length).map(|number| number as u8).collect();
            let parts = way(version).fragments(9, &payload, mtu).unwrap();
            let mut next = 0;
            for (number, (header, range)) in parts.iter().enumerate() {
                assert!(header.octets().len() + range.len() <= mtu);
                assert_eq!(range.start, next);
                next = range.end;
                let field = match version {
                    4 => &header.octets()[6..8],
                    _ => &header.octets()[42..44],
                };
                let field = u16::from_be_bytes([field[0], field[1]]);
                let (units, more) =
                    if version == 4 { (field & 0x1fff, field >> 13) } else { (field >> 3, field & 1) };
                assert_eq!(usize::from(units) * 8, if number == 0 { 0 } else { range.start + UDP_LENGTH });
                assert_eq!(more == 1, number + 1 < parts.len());
            }
            assert_eq!(next, payload.len());
        }
    }

    #[test]
    fn what_has_no_place_is_refused() {
        assert!(way(4).whole(0, &[0; 65_508]).is_none());
        assert!(way(4).whole(0, &[0; 65_507]).is_some());
        assert!(way(6).whole(0, &[0; 65_528]).is_none());
        assert!(way(6).fragments(0, &[0; 65_528], 1_500).is_none());
        assert!(Way::new("[2001:db8::7]:1".parse().unwrap(), "192.0.2.1:1".parse().unwrap()).is_none());
        assert!(Way::new("[::ffff:192.0.2.7]:1".parse().unwrap(), "192.0.2.1:1".parse().unwrap()).is_some());
    }
}
