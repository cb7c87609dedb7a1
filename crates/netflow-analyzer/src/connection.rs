//! The result of pairing: both directions of a conversation.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use netflow_flow::{CommunityIdOf, TimeQuality, community_id};
use netflow_templates::Timestamp;

use crate::key::{Endpoint, Side};

/// A conversation between two endpoints.
///
/// When several exporters saw it, the numbers and times are those of one of them, and not added up: of one that saw
/// both directions, sampled least and counted most.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Address of the exporter whose numbers these are.
    pub exporter_addr: IpAddr,
    /// Observation domain of its first flow.
    pub observation_domain_id: u32,
    /// IP protocol number.
    pub proto: u8,
    /// How much of the conversation was exported.
    pub kind: Kind,
    /// The end whose address and port sort first.
    pub a: Peer,
    /// The end whose address and port sort last.
    pub b: Peer,
    /// The side that sent the first flow to arrive (of a biflow: its source).
    pub opened_by: Side,
    /// The side that the exporter says initiated it (RFC 5103, biflowDirection).
    pub initiator: Option<Side>,
    /// When the first of the flows was received.
    pub received_first: Timestamp,
    /// When the last of the flows was received.
    pub received_last: Timestamp,
    /// The worst of the flows' time qualities.
    pub time_quality: TimeQuality,
    /// The highest sampling rate of the flows, one packet in how many; 1 when unsampled.
    pub sampling_rate: u64,
    /// All exporters that saw it, the first to report it first; empty when there was one.
    pub seen_by: Box<[IpAddr]>,
    /// Whether the directions were told by different exporters, whose clocks may differ.
    pub split: bool,
    /// What A and B were after translation (NAT), if it was told: the same, or another address or port.
    pub translated: Option<Box<[Endpoint; 2]>>,
}

/// How much of a conversation was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Each direction by flows of its own.
    Paired,
    /// Both directions in the same records (RFC 5103, or a firewall's initiator and responder).
    Biflow,
    /// One direction only: nobody answered, or the answer took a way that this exporter does not see.
    OneWay,
}

impl Kind {
    /// The name in reports: `paired`, `biflow` or `one-way`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paired => "paired",
            Self::Biflow => "biflow",
            Self::OneWay => "one-way",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One end of a [`Connection`] and what it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address.
    pub addr: IpAddr,
    /// The port; 0 for protocols without ports.
    pub port: u16,
    /// The autonomous system; 0 unknown.
    pub asn: u32,
    /// What this end sent.
    pub sent: Traffic,
}

/// What went in one direction: the sum of that direction's flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Octets, corrected for sampling.
    pub bytes: u64,
    /// Packets, corrected for sampling.
    pub packets: u64,
    /// Octets, as exported.
    pub bytes_raw: u64,
    /// Packets, as exported.
    pub packets_raw: u64,
    /// When the first packet was seen.
    pub first: Option<Timestamp>,
    /// When the last packet was seen.
    pub last: Option<Timestamp>,
    /// Flow records that were added up; more than 1 if the exporter cut a long flow into pieces.
    pub flows: u32,
    /// ifIndex of the interface on which packets came in, of the first flow that knew; 0 unknown.
    pub in_if: u32,
    /// ifIndex of the interface on which packets left, of the first flow that knew; 0 unknown.
    pub out_if: u32,
    /// All TCP flags seen, as bits.
    pub tcp_flags: u16,
    /// ICMP type of the first flow.
    pub icmp_type: Option<u8>,
    /// ICMP code of the first flow.
    pub icmp_code: Option<u8>,
    /// Where it was observed: 0 ingress, 1 egress.
    pub direction: Option<u8>,
}

impl Traffic {
    /// From the first packet to the last; zero when their times are unknown.
    pub fn duration(&self) -> Duration {
        between(self.first, self.last)
    }

    /// Whether no flow reported this direction, or one that counted nothing.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.packets_raw == 0 && self.bytes_raw == 0
    }
}

impl Connection {
    /// The end on `side`.
    #[inline]
    pub const fn peer(&self, side: Side) -> &Peer {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// All exporters that saw it, the first to report it first.
    pub fn exporters(&self) -> &[IpAddr] {
        match &*self.seen_by {
            [] => std::slice::from_ref(&self.exporter_addr),
            several => several,
        }
    }

    /// What the end on `side` was after translation; `None` when it was not translated.
    pub fn translation(&self, side: Side) -> Option<Endpoint> {
        let after = self.translated.as_ref()?[usize::from(side == Side::B)];
        let peer = self.peer(side);
        (after != Endpoint { addr: peer.addr, port: peer.port }).then_some(after)
    }

    /// Community ID, version 1 with seed 0: the same as other tools give the conversation before translation. `None`
    /// for ICMP whose type is not known.
    pub fn community_id(&self) -> Option<String> {
        let first = match self.peer(self.opened_by).sent.icmp_type {
            Some(_) => self.opened_by,
            None => self.opened_by.other(),
        };
        let (src, dst) = (self.peer(first), self.peer(first.other()));
        let of = CommunityIdOf {
            proto: self.proto,
            src: (src.addr, src.port),
            dst: (dst.addr, dst.port),
            icmp: src.sent.icmp_type.map(|icmp_type| (icmp_type, src.sent.icmp_code.unwrap_or(0))),
        };
        community_id(of, 0)
    }

    /// When the first packet of either direction was seen.
    pub fn start(&self) -> Option<Timestamp> {
        [self.a.sent.first, self.b.sent.first].into_iter().flatten().min()
    }

    /// When the last packet of either direction was seen.
    pub fn end(&self) -> Option<Timestamp> {
        [self.a.sent.last, self.b.sent.last].into_iter().flatten().max()
    }

    /// From [`start`](Self::start) to [`end`](Self::end); zero when they are unknown.
    pub fn duration(&self) -> Duration {
        between(self.start(), self.end())
    }

    /// Octets of both directions, corrected for sampling.
    pub const fn total_bytes(&self) -> u64 {
        self.a.sent.bytes.saturating_add(self.b.sent.bytes)
    }

    /// Packets of both directions, corrected for sampling.
    pub const fn total_packets(&self) -> u64 {
        self.a.sent.packets.saturating_add(self.b.sent.packets)
    }

    /// The side that sent more octets: the "source" of PyPI `netflow`'s analyzer, whoever began.
    ///
    /// Between equals it is the side whose flow arrived later, as there; of a biflow, which arrives
    /// at once, its source; and of a connection with one direction, the one that sent.
    pub fn heavier(&self) -> Side {
        let first = self.opened_by;
        let (mine, theirs) = (&self.peer(first).sent, &self.peer(first.other()).sent);
        let first_wins = match self.kind {
            Kind::Paired => mine.bytes > theirs.bytes,
            Kind::Biflow => mine.bytes >= theirs.bytes,
            Kind::OneWay => !mine.is_empty() || theirs.is_empty(),
        };
        if first_wins { first } else { first.other() }
    }
}

fn between(first: Option<Timestamp>, last: Option<Timestamp>) -> Duration {
    match (first, last) {
        (Some(first), Some(last)) => last.saturating_since(first),
        _ => Duration::ZERO,
    }
}

/// The less trustworthy of two.
#[inline]
pub(crate) fn worse(one: TimeQuality, other: TimeQuality) -> TimeQuality {
    const fn rank(quality: TimeQuality) -> u8 {
        match quality {
            TimeQuality::Exact => 0,
            TimeQuality::Relative => 1,
            TimeQuality::Corrected => 2,
            TimeQuality::Estimated => 3,
            TimeQuality::Missing => 4,
        }
    }
    if rank(other) > rank(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::proto;
    use crate::testing::{flow, pair, reply};

    #[test]
    fn heavier_is_who_sent_more_and_between_equals_who_came_later() {
        let mut request = flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443");
        let mut answer = reply(&request);
        (request.bytes_raw, answer.bytes_raw) = (100, 5_000);
        let connection = &pair(&[request.clone(), answer.clone()])[0];
        assert_eq!(connection.peer(connection.heavier()).port, 443);

        answer.bytes_raw = 100;
        let connection = &pair(&[request.clone(), answer.clone()])[0];
        assert_eq!(connection.peer(connection.heavier()).port, 443);
        let connection = &pair(&[answer, request.clone()])[0];
        assert_eq!(connection.peer(connection.heavier()).port, 40_000);

        let connection = &pair(&[request])[0];
        assert_eq!(connection.peer(connection.heavier()).port, 40_000);
    }

    #[test]
    fn unknown_times_last_zero() {
        let mut unknown = flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443");
        (unknown.time_flow_start, unknown.time_flow_end) = (None, None);
        let connection = &pair(&[unknown])[0];
        assert_eq!(connection.duration(), Duration::ZERO);
        assert_eq!((connection.start(), connection.end()), (None, None));
    }

    #[test]
    fn one_packet_lasts_zero() {
        let mut single = flow(proto::UDP, "10.0.0.9:40000", "10.0.0.1:53");
        single.time_flow_end = single.time_flow_start;
        assert_eq!(pair(&[single])[0].duration(), Duration::ZERO);
    }

    #[test]
    fn totals_saturate() {
        let mut huge = flow(proto::UDP, "10.0.0.9:40000", "10.0.0.1:53");
        (huge.bytes_raw, huge.sampling_rate) = (u64::MAX / 2, 1000);
        let connection = &pair(&[huge.clone(), reply(&huge)])[0];
        assert_eq!(connection.total_bytes(), u64::MAX);
    }
}
