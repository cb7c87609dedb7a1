//! What makes flows one connection: the protocol and the two endpoints.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use netflow_flow::Flow;

/// Protocol numbers (IANA) that the analyzer treats by themselves.
pub(crate) mod proto {
    pub(crate) const UNKNOWN: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const DCCP: u8 = 33;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const SCTP: u8 = 132;
    pub(crate) const UDP_LITE: u8 = 136;

    /// Whether the ports of a record mean ports. In other protocols exporters put other things there:
    /// the type and code of ICMP above all, which differ between a request and its reply.
    ///
    /// Protocol 0 is what a template without a protocol gives; its ports are all there is to go by.
    pub(crate) fn has_ports(proto: u8) -> bool {
        matches!(proto, TCP | UDP | DCCP | SCTP | UDP_LITE | UNKNOWN)
    }
}

/// One of the two ends of a connection.
///
/// Ends have no role: `A` is the one whose address and port sort first. Who is the client is told by
/// [`Orientation`](crate::Orientation), who sent more by [`Connection::heavier`](crate::Connection::heavier).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that sorts first.
    A,
    /// The end that sorts last.
    B,
}

impl Side {
    /// The opposite side.
    #[inline]
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub addr: IpAddr,
    /// The port; 0 for protocols without ports.
    pub port: u16,
}

/// What the flows of one connection have in common, whichever direction they report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionKey {
    /// The exporter, if exporters are to be kept apart.
    ///
    /// `None` unless [`of_exporter`](Self::of_exporter) was asked for: what several exporters saw is one
    /// connection.
    pub exporter_addr: Option<IpAddr>,
    /// The observation domain, if domains are to be kept apart.
    ///
    /// `None` unless [`in_domain`](Self::in_domain) was asked for: routers give every line card a domain
    /// of its own, and the two directions of a connection often pass different line cards.
    pub observation_domain_id: Option<u32>,
    /// IP protocol number.
    pub proto: u8,
    /// The endpoint that sorts first.
    pub a: Endpoint,
    /// The endpoint that sorts last; equal to `a` if something talks to itself.
    pub b: Endpoint,
}

impl ConnectionKey {
    /// The key of the connection that `flow` belongs to, and the side that sent it.
    ///
    /// `None` for a flow without both addresses: an aggregate, or a record of layer 2.
    /// When source and destination are the same, the flow is always side A's.
    #[inline]
    pub fn of(flow: &Flow) -> Option<(Self, Side)> {
        let (src_port, dst_port) =
            if proto::has_ports(flow.proto) { (flow.src_port, flow.dst_port) } else { (0, 0) };
        let src = Endpoint { addr: flow.src_addr?, port: src_port };
        let dst = Endpoint { addr: flow.dst_addr?, port: dst_port };
        Some(Self::between(flow.proto, src, dst))
    }

    /// The key of what `src` sends to `dst`, and the side that `src` is.
    #[inline]
    pub(crate) fn between(proto: u8, src: Endpoint, dst: Endpoint) -> (Self, Side) {
        let (a, b, side) = if src <= dst { (src, dst, Side::A) } else { (dst, src, Side::B) };
        (Self { exporter_addr: None, observation_domain_id: None, proto, a, b }, side)
    }

    /// The key of what `flow` was after translation of its addresses and ports (NAT), and the side that sent it
    /// then; `None` when it was not translated.
    pub(crate) fn translated(flow: &Flow) -> Option<(Self, Side)> {
        let rare = flow.rare();
        let (src_addr, dst_addr) = (rare.post_nat_src_addr, rare.post_nat_dst_addr);
        let (src_port, dst_port) = (rare.post_nat_src_port, rare.post_nat_dst_port);
        if src_addr.is_none() && dst_addr.is_none() && src_port.is_none() && dst_port.is_none() {
            return None;
        }
        let end = |after: Option<IpAddr>, port: Option<u16>, addr: IpAddr, before: u16| {
            // Some exporters fill what was not translated with zeros.
            let addr = after.filter(|after| !after.is_unspecified()).unwrap_or(addr);
            let port = port.filter(|&port| port != 0).unwrap_or(before);
            Endpoint { addr, port: if proto::has_ports(flow.proto) { port } else { 0 } }
        };
        let src = end(src_addr, src_port, flow.src_addr?, flow.src_port);
        let dst = end(dst_addr, dst_port, flow.dst_addr?, flow.dst_port);
        let translated = Self::between(flow.proto, src, dst);
        (Self::of(flow)? != translated).then_some(translated)
    }

    /// This key, kept apart from the same key of other exporters.
    #[inline]
    #[must_use]
    pub const fn of_exporter(mut self, exporter_addr: IpAddr) -> Self {
        self.exporter_addr = Some(exporter_addr);
        self
    }

    /// This key, kept apart from the same key in other observation domains.
    #[inline]
    #[must_use]
    pub const fn in_domain(mut self, observation_domain_id: u32) -> Self {
        self.observation_domain_id = Some(observation_domain_id);
        self
    }

    /// The endpoint on `side`.
    #[inline]
    pub const fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }
}

impl Hash for ConnectionKey {
    /// In few steps: it is the dearest part of finding a connection.
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let bits = |addr: IpAddr| match addr {
            IpAddr::V4(addr) => u128::from(addr.to_bits()),
            IpAddr::V6(addr) => addr.to_bits(),
        };
        hasher.write_u128(bits(self.a.addr));
        hasher.write_u128(bits(self.b.addr));
        hasher.write_u64(u64::from(self.a.port) | u64::from(self.b.port) << 16 | u64::from(self.proto) << 32);
        if let Some(exporter) = self.exporter_addr {
            hasher.write_u128(bits(exporter));
        }
        if let Some(domain) = self.observation_domain_id {
            hasher.write_u32(domain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{flow, reply};

    #[test]
    fn both_directions_share_the_key_on_opposite_sides() {
        let request = flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443");
        let (key, side) = ConnectionKey::of(&request).unwrap();
        let (back, back_side) = ConnectionKey::of(&reply(&request)).unwrap();
        assert_eq!(key, back);
        assert_eq!(side, back_side.other());
        assert_eq!(key.endpoint(side).port, 40_000);
    }

    #[test]
    fn ports_decide_between_equal_addresses() {
        let request = flow(proto::TCP, "10.0.0.1:443", "10.0.0.1:80");
        assert_eq!(ConnectionKey::of(&request).unwrap().1, Side::B);
        assert_eq!(ConnectionKey::of(&reply(&request)).unwrap().1, Side::A);
    }

    #[test]
    fn talking_to_itself_is_side_a() {
        let itself = flow(proto::UDP, "10.0.0.1:53", "10.0.0.1:53");
        let (key, side) = ConnectionKey::of(&itself).unwrap();
        assert_eq!((key.a, side), (key.b, Side::A));
    }

    #[test]
    fn icmp_type_and_code_are_not_ports() {
        let request = flow(proto::ICMP, "10.0.0.1:0", "10.0.0.2:2048");
        let answer = flow(proto::ICMP, "10.0.0.2:0", "10.0.0.1:0");
        assert_eq!(ConnectionKey::of(&request).unwrap().0, ConnectionKey::of(&answer).unwrap().0);
        let request = flow(proto::ICMPV6, "[2001:db8::1]:0", "[2001:db8::2]:32768");
        let answer = flow(proto::ICMPV6, "[2001:db8::2]:0", "[2001:db8::1]:33024");
        assert_eq!(ConnectionKey::of(&request).unwrap().0, ConnectionKey::of(&answer).unwrap().0);
    }

    #[test]
    fn flow_without_an_address_has_no_key() {
        let mut aggregate = flow(proto::TCP, "10.0.0.1:1", "10.0.0.2:2");
        aggregate.src_addr = None;
        assert_eq!(ConnectionKey::of(&aggregate), None);
    }

    #[test]
    fn translation_changes_what_was_translated() {
        let mut request = flow(proto::TCP, "10.0.0.9:40000", "198.51.100.1:443");
        assert_eq!(ConnectionKey::translated(&request), None);
        request.rare_mut().post_nat_src_addr = Some("192.0.2.7".parse().unwrap());
        request.rare_mut().post_nat_src_port = Some(1_025);
        request.rare_mut().post_nat_dst_addr = Some("0.0.0.0".parse().unwrap());
        let (key, side) = ConnectionKey::translated(&request).unwrap();
        let outside = flow(proto::TCP, "192.0.2.7:1025", "198.51.100.1:443");
        assert_eq!(ConnectionKey::of(&outside), Some((key, side)));
        // What says that nothing changed is no translation.
        request.rare_mut().post_nat_src_addr = request.src_addr;
        request.rare_mut().post_nat_src_port = Some(40_000);
        assert_eq!(ConnectionKey::translated(&request), None);
    }

    #[test]
    fn domains_are_kept_apart_only_when_asked() {
        let (key, _) = ConnectionKey::of(&flow(proto::TCP, "10.0.0.1:1", "10.0.0.2:2")).unwrap();
        assert_ne!(key.in_domain(1), key.in_domain(2));
        assert_ne!(key.of_exporter([192, 0, 2, 1].into()), key.of_exporter([192, 0, 2, 2].into()));
        assert_eq!((key.observation_domain_id, key.exporter_addr), (None, None));
    }
}
