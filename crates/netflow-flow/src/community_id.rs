//! Community ID: a name for a conversation that other tools (Zeek, Suricata, Wireshark) give it too.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::schema::Flow;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// Types of ICMP messages that answer each other.
const ICMP_ANSWERS: [(u8, u8); 5] = [(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)];
const ICMPV6_ANSWERS: [(u8, u8); 6] =
    [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];

/// What a [`community_id`] is of. Both directions of a conversation have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommunityIdOf {
    /// IP protocol number.
    pub proto: u8,
    /// Address and port of either end; the port is of no meaning in protocols without ports.
    pub src: (IpAddr, u16),
    /// Address and port of the other end.
    pub dst: (IpAddr, u16),
    /// ICMP type and code of what `src` sent.
    pub icmp: Option<(u8, u8)>,
}

impl CommunityIdOf {
    /// Of a flow; `None` for one without both addresses.
    pub fn flow(flow: &Flow) -> Option<Self> {
        Some(Self {
            proto: flow.proto,
            src: (flow.src_addr?, flow.src_port),
            dst: (flow.dst_addr?, flow.dst_port),
            icmp: flow.icmp_type.map(|icmp_type| (icmp_type, flow.icmp_code.unwrap_or(0))),
        })
    }
}

/// Community ID, version 1: `1:` and the SHA-1 of protocol, addresses and ports in base64
/// (<https://github.com/corelight/community-id-spec>). The seed is 0 unless a site has chosen another one. `None` for
/// ICMP whose type is not known.
pub fn community_id(of: CommunityIdOf, seed: u16) -> Option<String> {
    let CommunityIdOf { proto, mut src, mut dst, icmp } = of;
    let mut one_way = false;
    let answers: &[_] = match proto {
        ICMP => &ICMP_ANSWERS,
        ICMPV6 => &ICMPV6_ANSWERS,
        _ => &[],
    };
    if !answers.is_empty() {
        let (icmp_type, code) = icmp?;
        let answer = answers.iter().find_map(|&(one, other)| match icmp_type {
            _ if icmp_type == one => Some(other),
            _ if icmp_type == other => Some(one),
            _ => None,
        });
        one_way = answer.is_none();
        (src.1, dst.1) = (icmp_type.into(), answer.unwrap_or(code).into());
    }
    // Of two addresses of one family this is the order of their octets, which the specification asks for.
    if !one_way && src > dst {
        std::mem::swap(&mut src, &mut dst);
    }
    let mut hash = Sha1::new();
    hash.update(seed.to_be_bytes());
    for (addr, _) in [src, dst] {
        match addr {
            IpAddr::V4(addr) => hash.update(addr.octets()),
            IpAddr::V6(addr) => hash.update(addr.octets()),
        }
    }
    hash.update([proto, 0]);
    if matches!(proto, ICMP | TCP | UDP | ICMPV6 | SCTP) {
        hash.update(src.1.to_be_bytes());
        hash.update(dst.1.to_be_bytes());
    }
    let mut id = String::with_capacity(30);
    id.push_str("1:");
    STANDARD.encode_string(hash.finalize(), &mut id);
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(proto: u8, src: (&str, u16), dst: (&str, u16), icmp: Option<(u8, u8)>, expected: &str) {
        let end = |(addr, port): (&str, u16)| (addr.parse().unwrap(), port);
        let of = CommunityIdOf { proto, src: end(src), dst: end(dst), icmp };
        assert_eq!(community_id(of, 0).as_deref(), Some(expected));
    }

    /// As the reference implementation (Python's `communityid`) has them.
    #[test]
    fn ids_are_those_of_other_tools() {
        let web = [("128.232.110.120", 34_855), ("66.35.250.204", 80)];
        is(TCP, web[0], web[1], None, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        is(TCP, web[1], web[0], None, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        is(TCP, ("2001:db8::1", 40_000), ("2001:db8::2", 443), None, "1:RYG3Msb11GthNt1OYXJouPzmrvA=");
        is(UDP, ("192.168.1.52", 54_585), ("8.8.8.8", 53), None, "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        is(UDP, ("10.0.0.1", 5), ("10.0.0.1", 3), None, "1:eHS0c/uadImFlb+NoDAVWX0ZqTE=");
        is(SCTP, ("192.168.170.8", 7), ("192.168.170.56", 80), None, "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ=");
        is(46, ("10.1.24.4", 9), ("10.1.12.1", 9), None, "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4=");
    }

    #[test]
    fn icmp_and_its_answer_have_one() {
        let (one, other) = (("192.168.0.89", 0), ("192.168.0.1", 2_048));
        is(ICMP, one, other, Some((8, 0)), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
        is(ICMP, other, one, Some((0, 0)), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
        // Nothing answers what is unreachable.
        is(ICMP, one, other, Some((3, 1)), "1:LXCfhMUFbYXe+CEMrQuZCbiLY3o=");
        is(ICMP, other, one, Some((3, 1)), "1:o3zT92uTgnRWv/YrDVeXcWumpC4=");
        let (one, other) = (("fe80::200:86ff:fe05:80da", 0), ("fe80::260:97ff:fe07:69ea", 0));
        is(ICMPV6, one, other, Some((135, 0)), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=");
        is(ICMPV6, one, other, Some((1, 4)), "1:JFKLai0Yy5jldt/ku5XTzXROz0Q=");
    }

    #[test]
    fn what_is_not_known_has_none() {
        let mut flow = Flow { proto: ICMP, src_addr: Some([192, 0, 2, 1].into()), ..Flow::default() };
        assert_eq!(CommunityIdOf::flow(&flow), None);
        flow.dst_addr = Some([192, 0, 2, 2].into());
        assert_eq!(CommunityIdOf::flow(&flow).and_then(|of| community_id(of, 0)), None);
        flow.icmp_type = Some(8);
        let id = |seed| CommunityIdOf::flow(&flow).and_then(|of| community_id(of, seed));
        assert!(id(0).is_some() && id(0) != id(1));
    }
}
