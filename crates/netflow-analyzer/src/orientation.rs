//! Who is the client.
//!
//! Flow records do not say who began. What they do say is weighed in this order, the first that decides
//! wins:
//!
//! | reason | evidence |
//! |---|---|
//! | [`BiflowDirection`](Reason::BiflowDirection) | the exporter says so |
//! | [`IcmpRequest`](Reason::IcmpRequest) | one side sent ICMP requests, or the other replies |
//! | [`Syn`](Reason::Syn) | one side sent a SYN without ACK, the other did not |
//! | [`FirstPacket`](Reason::FirstPacket) | TCP: one side was seen first, by exact times, unsampled, from its SYN on |
//! | [`BiflowSource`](Reason::BiflowSource) | it is the source of a biflow: meters put the initiator there |
//! | [`WellKnownPort`](Reason::WellKnownPort) | only the other side's port is below 1024 |
//! | [`ServicePort`](Reason::ServicePort) | only the other side's port is one of a known service |
//! | [`FirstPacket`](Reason::FirstPacket) | other protocols: one side was seen first, by exact times, unsampled |
//! | [`LowerPort`](Reason::LowerPort) | the other side's port is lower |
//! | [`FewerBytes`](Reason::FewerBytes) | the other side sent more |
//! | [`FirstFlow`](Reason::FirstFlow) | its flow came first |

use std::fmt;

use netflow_flow::TimeQuality;

use crate::connection::{Connection, Kind};
use crate::key::{Side, proto};
use crate::service::Services;

const SYN: u16 = 0x02;
const ACK: u16 = 0x10;

/// Which side of a connection is the client, and why it is thought to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation {
    /// The side that began; the other is the server.
    pub client: Side,
    /// The evidence that decided.
    pub by: Reason,
}

/// What decided an [`Orientation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The exporter told the initiator (biflowDirection, RFC 5103).
    BiflowDirection,
    /// The ICMP types of the two sides.
    IcmpRequest,
    /// A SYN without ACK.
    Syn,
    /// The times of the first packets.
    FirstPacket,
    /// The source of a biflow.
    BiflowSource,
    /// A port below 1024 on one side only.
    WellKnownPort,
    /// A known service's port on one side only.
    ServicePort,
    /// The lower port.
    LowerPort,
    /// The client sent less than the server.
    FewerBytes,
    /// Nothing told them apart: the first flow's sender.
    FirstFlow,
    /// It was not asked for: the side that sent more is put first ([`Orientation::by_size`]).
    Size,
}

impl Reason {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BiflowDirection => "biflow_direction",
            Self::IcmpRequest => "icmp_request",
            Self::Syn => "syn",
            Self::FirstPacket => "first_packet",
            Self::BiflowSource => "biflow_source",
            Self::WellKnownPort => "well_known_port",
            Self::ServicePort => "service_port",
            Self::LowerPort => "lower_port",
            Self::FewerBytes => "fewer_bytes",
            Self::FirstFlow => "first_flow",
            Self::Size => "size",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Orientation {
    /// Weighs the evidence of `connection`.
    pub fn of(connection: &Connection, services: &Services) -> Self {
        let decided = |by: Reason, client: Option<Side>| client.map(|client| Self { client, by });
        let is_tcp = connection.proto == proto::TCP;
        let well_known = |port| (1..1024).contains(&port);
        let known = |port| services.name(connection.proto, port).is_some();
        decided(Reason::BiflowDirection, connection.initiator)
            .or_else(|| decided(Reason::IcmpRequest, by_icmp_type(connection)))
            .or_else(|| decided(Reason::Syn, by_syn(connection)))
            .or_else(|| decided(Reason::FirstPacket, by_first_packet(connection).filter(|_| is_tcp)))
            .or_else(|| decided(Reason::BiflowSource, by_biflow_source(connection)))
            .or_else(|| decided(Reason::WellKnownPort, only_other(connection, well_known)))
            .or_else(|| decided(Reason::ServicePort, only_other(connection, known)))
            // Without a SYN, the first packet that was seen need not have been the first that was sent.
            .or_else(|| decided(Reason::FirstPacket, by_first_packet(connection)))
            .or_else(|| decided(Reason::LowerPort, by_lower_port(connection)))
            .or_else(|| decided(Reason::FewerBytes, by_fewer_bytes(connection)))
            .unwrap_or(Self { client: connection.opened_by, by: Reason::FirstFlow })
    }

    /// The rule of PyPI `netflow`'s analyzer: the side that sent more comes first, whoever began.
    pub fn by_size(connection: &Connection) -> Self {
        Self { client: connection.heavier(), by: Reason::Size }
    }

    /// The side that answered.
    pub const fn server(self) -> Side {
        self.client.other()
    }
}

fn by_icmp_type(connection: &Connection) -> Option<Side> {
    let requests = |side: Side| match (connection.proto, connection.peer(side).sent.icmp_type?) {
        // Echo, timestamp, information and address mask requests, and their replies.
        (proto::ICMP, 8 | 13 | 15 | 17) | (proto::ICMPV6, 128) => Some(true),
        (proto::ICMP, 0 | 14 | 16 | 18) | (proto::ICMPV6, 129) => Some(false),
        _ => None,
    };
    match (requests(Side::A), requests(Side::B)) {
        (Some(a), Some(b)) if a == b => None,
        (Some(true), _) | (_, Some(false)) => Some(Side::A),
        (_, Some(true)) | (Some(false), _) => Some(Side::B),
        (None, None) => None,
    }
}

fn by_syn(connection: &Connection) -> Option<Side> {
    if connection.proto != proto::TCP {
        return None;
    }
    // The flags of a whole flow hold both for either side. They tell the sides apart when a flow is a single
    // SYN, or when the exporter keeps the first packet's flags only.
    let flags = |side: Side| connection.peer(side).sent.tcp_flags & (SYN | ACK);
    match (flags(Side::A), flags(Side::B)) {
        (SYN, other) if other != SYN => Some(Side::A),
        (other, SYN) if other != SYN => Some(Side::B),
        _ => None,
    }
}

fn by_first_packet(connection: &Connection) -> Option<Side> {
    let (a, b) = (&connection.a.sent, &connection.b.sent);
    let from_the_beginning = connection.proto != proto::TCP || a.tcp_flags & b.tcp_flags & SYN != 0;
    let exact = connection.time_quality == TimeQuality::Exact && !connection.split;
    if !exact || connection.sampling_rate > 1 || !from_the_beginning {
        return None;
    }
    match a.first?.cmp(&b.first?) {
        std::cmp::Ordering::Less => Some(Side::A),
        std::cmp::Ordering::Greater => Some(Side::B),
        std::cmp::Ordering::Equal => None,
    }
}

fn by_biflow_source(connection: &Connection) -> Option<Side> {
    (connection.kind == Kind::Biflow).then_some(connection.opened_by)
}

/// The side whose port does not fulfil `is_service`, if the other's does.
fn only_other(connection: &Connection, is_service: impl Fn(u16) -> bool) -> Option<Side> {
    match (is_service(connection.a.port), is_service(connection.b.port)) {
        (false, true) => Some(Side::A),
        (true, false) => Some(Side::B),
        _ => None,
    }
}

fn by_lower_port(connection: &Connection) -> Option<Side> {
    match connection.a.port.cmp(&connection.b.port) {
        std::cmp::Ordering::Less => Some(Side::B),
        std::cmp::Ordering::Greater => Some(Side::A),
        std::cmp::Ordering::Equal => None,
    }
}

fn by_fewer_bytes(connection: &Connection) -> Option<Side> {
    // The silent side of a one-way flow did not send less, it was not seen.
    if connection.kind == Kind::OneWay || connection.a.sent.bytes == connection.b.sent.bytes {
        return None;
    }
    Some(connection.heavier().other())
}

#[cfg(test)]
mod tests {
    use netflow_flow::Flow;

    use super::*;
    use crate::testing::{at, flow, moved, pair, reply};

    /// The client's port and the reason, of the one connection of `flows`.
    fn client(flows: &[Flow]) -> (u16, Reason) {
        let connection = &pair(flows)[0];
        let orientation = Orientation::of(connection, &Services::embedded());
        (connection.peer(orientation.client).port, orientation.by)
    }

    /// Both directions at the same times, so that only what a test adds decides.
    fn both(proto: u8, client: u16, server: u16) -> [Flow; 2] {
        let request = flow(proto, &format!("10.0.0.9:{client}"), &format!("10.0.0.1:{server}"));
        [reply(&request), request]
    }

    #[test]
    fn exporter_knows_best() {
        let mut biflow = flow(proto::TCP, "10.0.0.1:443", "10.0.0.9:40000");
        biflow.rare_mut().reverse_bytes = Some(1);
        assert_eq!(client(&[biflow.clone()]), (443, Reason::BiflowSource));
        biflow.rare_mut().biflow_direction = Some(2);
        assert_eq!(client(&[biflow]), (40_000, Reason::BiflowDirection));
    }

    #[test]
    fn syn_without_ack_is_the_clients() {
        let [mut answer, mut request] = both(proto::TCP, 443, 40_000);
        (request.tcp_flags, answer.tcp_flags) = (SYN, SYN | ACK);
        assert_eq!(client(&[answer, request.clone()]), (443, Reason::Syn));
        assert_eq!(client(&[request]), (443, Reason::Syn));
    }

    #[test]
    fn first_packet_counts_when_its_time_is_exact_and_the_beginning_was_seen() {
        let [answer, request] = both(proto::UDP, 50_001, 60_001);
        let answer = moved(&answer, 1, 2);
        assert_eq!(client(&[answer.clone(), request.clone()]), (50_001, Reason::FirstPacket));
        let mut inexact = request.clone();
        inexact.time_quality = TimeQuality::Relative;
        assert_eq!(client(&[answer.clone(), inexact]), (60_001, Reason::LowerPort));
        let mut sampled = request;
        sampled.sampling_rate = 10;
        assert_eq!(client(&[answer, sampled]), (60_001, Reason::LowerPort));

        let [mut answer, mut request] = both(proto::TCP, 700, 2_049);
        at(&mut answer, 1, 2);
        assert_eq!(client(&[answer.clone(), request.clone()]), (2_049, Reason::WellKnownPort));
        (answer.tcp_flags, request.tcp_flags) = (SYN | ACK, SYN | ACK);
        assert_eq!(client(&[answer, request]), (700, Reason::FirstPacket));
    }

    #[test]
    fn ports_tell_the_server() {
        let [answer, request] = both(proto::UDP, 50_000, 53);
        assert_eq!(client(&[answer, moved(&request, 1, 2)]), (50_000, Reason::WellKnownPort));
        assert_eq!(client(&both(proto::TCP, 50_000, 80)), (50_000, Reason::WellKnownPort));
        assert_eq!(client(&both(proto::TCP, 50_000, 5_432)), (50_000, Reason::ServicePort));
        assert_eq!(client(&both(proto::TCP, 60_001, 50_001)), (60_001, Reason::LowerPort));
    }

    #[test]
    fn equal_ports_leave_the_bytes_and_then_the_order() {
        let [mut answer, request] = both(proto::UDP, 123, 123);
        assert_eq!(client(&[request.clone(), answer.clone()]).1, Reason::FirstFlow);
        answer.bytes_raw = 9_999;
        let connection = &pair(&[answer, request])[0];
        let orientation = Orientation::of(connection, &Services::embedded());
        assert_eq!(orientation.by, Reason::FewerBytes);
        assert_eq!(connection.peer(orientation.server()).sent.bytes, 9_999);
    }

    #[test]
    fn ping_is_asked_by_who_sent_the_request() {
        let mut answer = flow(proto::ICMP, "10.0.0.1:0", "10.0.0.9:0");
        answer.icmp_type = Some(0);
        let connection = &pair(&[answer])[0];
        let orientation = Orientation::of(connection, &Services::embedded());
        assert_eq!(orientation, Orientation { client: Side::B, by: Reason::IcmpRequest });
    }

    #[test]
    fn one_way_sender_is_the_client_when_nothing_else_tells() {
        let unknown = flow(47, "10.0.0.9:0", "10.0.0.1:0");
        let connection = &pair(&[unknown])[0];
        let orientation = Orientation::of(connection, &Services::embedded());
        assert_eq!(orientation, Orientation { client: Side::B, by: Reason::FirstFlow });
    }
}
