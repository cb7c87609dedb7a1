//! Both directions, and all pieces, of a conversation become one [`Connection`].
//!
//! # What belongs together
//!
//! Flows with the same [`ConnectionKey`]: exporter, protocol, and both addresses and ports in either
//! direction. Of these, flows that are close in time: a flow joins a connection unless a silence longer
//! than the idle timeout lies between them. The times of a flow are those of its first and last packet,
//! so it does not matter that a long flow is exported hours after it began, nor that an exporter's clock
//! is wrong, as long as it is wrong for both directions. A flow without times is taken to have happened
//! when it was received. On the same side a flow is added up (a long flow is exported in pieces, whenever
//! the exporter's active timeout strikes); on the other side it is the answer.
//!
//! The same addresses and ports later are another connection: after the silence, or, in TCP, when a SYN
//! follows a FIN or RST. Several connections with one key may be open at once, so that flows that arrive
//! out of order find theirs.
//!
//! A record that carries both directions (a biflow, RFC 5103) is a connection by itself, and is joined
//! with its own further pieces only.
//!
//! # How long to wait
//!
//! A connection is closed, and handed out, when [`wait`](PairingConfig::wait) has passed since its last
//! flow arrived, and no less than the idle timeout. What passes is the time of the stream: the highest
//! [`time_received`](Flow::time_received) so far, which is the collector's clock and the same for all
//! exporters. (Of a flow that has none, the export time counts, or else its end.) A flow that the active
//! timeout may have cut keeps its connection open longer by its own length, up to an hour: it is as long
//! as that timeout, so the next piece comes when the same time has passed again.
//!
//! # What it costs
//!
//! Finding a connection is one look-up in a hash table with a random key; closing is driven by a timer
//! wheel. Both cost a constant time per flow. Memory is what is open: about 350 octets a connection, for
//! as many connections as there were in the last `wait`, and never more than
//! [`max_open`](PairingConfig::max_open).

use std::hash::BuildHasher;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};
use netflow_flow::Flow;
use netflow_templates::Timestamp;
use serde::Serialize;

use crate::connection::{Connection, Kind, Peer, Traffic, worse};
use crate::firewall::FirewallSession;
use crate::key::{ConnectionKey, Endpoint, Side, proto};
use crate::slab::Slab;
use crate::stream_clock::StreamClock;
use crate::wheel::Wheel;

/// Connections with one key that may be open at once. More come from ill-set clocks or from hostile
/// exporters only; the bound keeps the search among them short.
const SAME_KEY: usize = 8;

/// The longest that a cut flow prolongs the wait for its next piece.
const LONGEST_CUT: i64 = 3_600 * NANOS;

/// How far the times of the two directions may be apart although they overlapped: v9 exporters tell the
/// time of their start in whole seconds, anew in every export packet.
const SKEW: i64 = 2 * NANOS;

const NANOS: i64 = 1_000_000_000;

const FIN: u16 = 0x01;
const SYN: u16 = 0x02;
const RST: u16 = 0x04;

/// When flows belong together, and how much to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingConfig {
    /// A silence longer than this separates two connections with the same addresses and ports (1 minute).
    pub idle_timeout: Duration,
    /// The same in TCP, which says when it ends and often is silent before (5 minutes).
    pub tcp_idle_timeout: Duration,
    /// How long a connection waits for further flows, in the time of the stream (5 minutes).
    ///
    /// It has to cover by how much the export of the two directions differs (the exporter's inactive
    /// timeout, 15 seconds to a minute as a rule) and the disorder of the input. Less takes less memory.
    pub wait: Duration,
    /// The most connections to keep open; when there are more, those due first are closed early (4 million).
    pub max_open: usize,
    /// Keeps the observation domains of an exporter apart (false).
    ///
    /// For exporters whose domains are virtual routers with overlapping addresses. By default domains are
    /// paired with each other, as they mostly are line cards of one router.
    pub separate_domains: bool,
}

impl Default for PairingConfig {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            tcp_idle_timeout: Duration::from_secs(300),
            wait: Duration::from_secs(300),
            max_open: 4_000_000,
            separate_domains: false,
        }
    }
}

/// What a [`Pairing`] has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PairingStatistics {
    /// Flows that were pushed.
    pub flows: u64,
    /// Flows without both addresses (aggregates, layer 2), which belong to no connection.
    pub without_addresses: u64,
    /// Flows that were added to an earlier one in the same direction.
    pub joined: u64,
    /// Flows not added up, because they report the same packets at the exporter's other interface.
    pub repeated: u64,
    /// Connections handed out with both directions, from flows of their own.
    pub paired: u64,
    /// Connections handed out with both directions, from biflows.
    pub biflows: u64,
    /// Connections handed out with one direction.
    pub one_way: u64,
    /// Connections closed before their time, because too many were open.
    pub closed_early: u64,
    /// The most connections that were open at once.
    pub most_open: u64,
}

/// Takes flows, gives connections.
///
/// ```
/// # use netflow_analyzer::{Pairing, PairingConfig};
/// # let flows: Vec<netflow_flow::Flow> = Vec::new();
/// let mut pairing = Pairing::new(PairingConfig::default());
/// let mut show = |connection| println!("{connection:?}");
/// for flow in &flows {
///     pairing.push(flow, &mut show);
/// }
/// pairing.finish(&mut show);
/// ```
#[derive(Debug)]
pub struct Pairing {
    limits: Limits,
    clock: StreamClock,
    open: Slab<Open>,
    /// Places in `open`, by key: the newest connection of a key, from which `Open::next` leads on.
    by_key: HashTable<u32>,
    hasher: DefaultHashBuilder,
    due: Wheel,
    statistics: PairingStatistics,
}

impl Pairing {
    /// Begins with nothing open. Times beyond an hour in `config` are cut to an hour.
    pub fn new(config: PairingConfig) -> Self {
        Self {
            limits: Limits::new(&config),
            clock: StreamClock::default(),
            open: Slab::new(),
            by_key: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            due: Wheel::new(),
            statistics: PairingStatistics::default(),
        }
    }

    /// Takes one flow in, and hands out the connections that its arrival shows to be over.
    pub fn push(&mut self, flow: &Flow, emit: &mut impl FnMut(Connection)) {
        self.statistics.flows += 1;
        let received = received(flow);
        let now = self.clock.advance(received, 2 * Wheel::HORIZON);
        self.close_due(now, emit);

        let Some((mut key, side)) = ConnectionKey::of(flow) else {
            self.statistics.without_addresses += 1;
            return;
        };
        if self.limits.separate_domains {
            key = key.in_domain(flow.observation_domain_id);
        }
        let piece = Piece::of(flow, side, received);
        let due = now + self.limits.patience(&piece);

        let hash = self.hasher.hash_one(key);
        let head = self.by_key.find(hash, |&place| self.is_of(place, &key)).copied();
        match self.find_fitting(head, &piece) {
            Some(place) => self.join(place, &piece, due),
            None => self.open(hash, key, head, &piece, due, emit),
        }
    }

    /// Hands out what is still open, in the order of its last flow's arrival. Another stream may follow.
    pub fn finish(&mut self, emit: &mut impl FnMut(Connection)) {
        self.by_key.clear();
        self.due = Wheel::new();
        self.clock = StreamClock::default();
        let mut left = self.open.take_all();
        left.sort_by_key(|open| {
            (open.connection.received_last, open.connection.received_first, open.start, open.end)
        });
        for open in left {
            self.hand_out(open.connection, open.biflow, emit);
        }
    }

    /// What has been done so far.
    pub const fn statistics(&self) -> PairingStatistics {
        self.statistics
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.open.len()
    }

    /// Whether the connection at `place` has `key`.
    #[inline]
    fn is_of(&self, place: u32, key: &ConnectionKey) -> bool {
        self.open.get(place).key(self.limits.separate_domains) == *key
    }

    /// The connection that `piece` is nearest to in time, among those of its key, from `head` on.
    #[inline]
    fn find_fitting(&self, head: Option<u32>, piece: &Piece<'_>) -> Option<u32> {
        let mut best = None;
        let mut next = head;
        while let Some(place) = next {
            let open = self.open.get(place);
            next = open.next;
            let Some(gap) = self.limits.gap(open, piece) else { continue };
            // Of two equally near, the one that lacks this direction.
            let distance = (gap, open.connection.peer(piece.side).sent.flows != 0);
            if best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, place));
            }
        }
        best.map(|(_, place)| place)
    }

    fn join(&mut self, place: u32, piece: &Piece<'_>, due: u64) {
        let open = self.open.get_mut(place);
        open.due = open.due.max(due);
        match open.add(piece) {
            Added::Answer => {}
            Added::Further => self.statistics.joined += 1,
            Added::Repeated => self.statistics.repeated += 1,
        }
    }

    fn open(
        &mut self,
        hash: u64,
        key: ConnectionKey,
        mut head: Option<u32>,
        piece: &Piece<'_>,
        due: u64,
        emit: &mut impl FnMut(Connection),
    ) {
        if let Some(oldest) = self.oldest_of_many(head) {
            self.due.remove(oldest);
            self.close_early(oldest, emit);
        }
        if self.open.len() >= self.limits.max_open {
            self.close_first(emit);
            // It may have been one with this key.
            head = self.by_key.find(hash, |&place| self.is_of(place, &key)).copied();
        }
        let place = self.open.insert(Open::new(&key, piece, head, due));
        self.due.insert(place, due);
        let (open, hasher, separate_domains) = (&self.open, &self.hasher, self.limits.separate_domains);
        match head {
            Some(head) => {
                if let Some(entry) = self.by_key.find_mut(hash, |&place| place == head) {
                    *entry = place;
                }
            }
            None => {
                let rehash = |&place: &u32| hasher.hash_one(open.get(place).key(separate_domains));
                self.by_key.insert_unique(hash, place, rehash);
            }
        }
        self.statistics.most_open = self.statistics.most_open.max(self.open.len() as u64);
    }

    /// The last connection from `head` on, if there are as many as there may be.
    fn oldest_of_many(&self, head: Option<u32>) -> Option<u32> {
        let mut last = head?;
        for _ in 1..SAME_KEY {
            last = self.open.get(last).next?;
        }
        Some(last)
    }

    #[inline]
    fn close_due(&mut self, now: u64, emit: &mut impl FnMut(Connection)) {
        while let Some(place) = self.due.take_due(now) {
            let due = self.open.get(place).due;
            if due > now {
                self.due.insert(place, due);
            } else {
                self.close(place, emit);
            }
        }
    }

    /// Closes the connection that is due first.
    fn close_first(&mut self, emit: &mut impl FnMut(Connection)) {
        while let Some(place) = self.due.take_first() {
            let due = self.open.get(place).due;
            if !self.due.lies_ahead(due) {
                return self.close_early(place, emit);
            }
            self.due.insert(place, due);
        }
    }

    fn close_early(&mut self, place: u32, emit: &mut impl FnMut(Connection)) {
        self.statistics.closed_early += 1;
        self.close(place, emit);
    }

    /// Closes the connection at `place`, which is no longer in the wheel.
    fn close(&mut self, place: u32, emit: &mut impl FnMut(Connection)) {
        let closed = self.open.get(place);
        let (key, next) = (closed.key(self.limits.separate_domains), closed.next);
        let hash = self.hasher.hash_one(key);
        // The table leads to the newest connection of the key: this one, or one that leads on to it.
        if let Ok(mut entry) = self.by_key.find_entry(hash, |&head| head == place) {
            match next {
                Some(next) => *entry.get_mut() = next,
                None => drop(entry.remove()),
            }
        } else {
            let mut before = self.by_key.find(hash, |&head| self.is_of(head, &key)).copied();
            while let Some(open) = before.map(|before| self.open.get_mut(before)) {
                if open.next == Some(place) {
                    open.next = next;
                    break;
                }
                before = open.next;
            }
        }
        self.open.free(place);
        let closed = self.open.get(place);
        self.hand_out(closed.connection.clone(), closed.biflow, emit);
    }

    #[inline]
    fn hand_out(&mut self, mut connection: Connection, biflow: bool, emit: &mut impl FnMut(Connection)) {
        let both = connection.a.sent.flows != 0 && connection.b.sent.flows != 0;
        connection.kind = match (both, biflow) {
            (true, true) => Kind::Biflow,
            (true, false) => Kind::Paired,
            (false, _) => Kind::OneWay,
        };
        match connection.kind {
            Kind::Paired => self.statistics.paired += 1,
            Kind::Biflow => self.statistics.biflows += 1,
            Kind::OneWay => self.statistics.one_way += 1,
        }
        emit(connection);
    }
}

/// When a flow came in: its receipt, else its export, else its end. (A time of 0 was never set.)
#[inline]
fn received(flow: &Flow) -> Timestamp {
    if flow.time_received != Timestamp::EPOCH {
        flow.time_received
    } else if flow.time_export != Timestamp::EPOCH {
        flow.time_export
    } else {
        flow.time_flow_end.or(flow.time_flow_start).unwrap_or(Timestamp::EPOCH)
    }
}

/// The configuration, in the units of the work.
#[derive(Debug)]
struct Limits {
    /// Nanoseconds of flow time.
    idle: i64,
    tcp_idle: i64,
    /// Milliseconds of stream time.
    wait: u64,
    max_open: usize,
    separate_domains: bool,
}

impl Limits {
    fn new(config: &PairingConfig) -> Self {
        let cut = |duration: Duration| duration.min(Duration::from_secs(3_600));
        let nanos = |duration: Duration| cut(duration).as_nanos() as i64;
        Self {
            idle: nanos(config.idle_timeout),
            tcp_idle: nanos(config.tcp_idle_timeout),
            wait: cut(config.wait).as_millis() as u64,
            max_open: config.max_open.clamp(1, u32::MAX as usize - 1),
            separate_domains: config.separate_domains,
        }
    }

    #[inline]
    const fn idle(&self, protocol: u8) -> i64 {
        if protocol == proto::TCP { self.tcp_idle } else { self.idle }
    }

    /// How long to wait for more after `piece`, in milliseconds of stream time.
    #[inline]
    fn patience(&self, piece: &Piece<'_>) -> u64 {
        let idle = (self.idle(piece.flow.proto) / 1_000_000) as u64;
        let cut = if piece.may_go_on() { piece.end.saturating_sub(piece.start).min(LONGEST_CUT) } else { 0 };
        (self.wait.max(idle) + (cut / 1_000_000) as u64).min(Wheel::HORIZON)
    }

    /// The silence between `open` and `piece`, in nanoseconds, if they can be one connection.
    #[inline]
    fn gap(&self, open: &Open, piece: &Piece<'_>) -> Option<i64> {
        let after = piece.start.saturating_sub(open.end);
        let before = open.start.saturating_sub(piece.end);
        let gap = after.max(before).max(0);
        let joins = open.biflow == piece.biflow
            && gap <= self.idle(open.connection.proto)
            && !(open.connection.proto == proto::TCP && gap > 0 && starts_anew(open, piece, after > 0, gap));
        joins.then_some(gap)
    }
}

/// Whether a SYN follows a FIN or RST: the ports were used again for another TCP connection.
fn starts_anew(open: &Open, piece: &Piece<'_>, piece_is_later: bool, gap: i64) -> bool {
    let open_flags = open.connection.a.sent.tcp_flags | open.connection.b.sent.tcp_flags;
    let piece_flags = piece.sent.tcp_flags | piece.answered.as_ref().map_or(0, |answer| answer.tcp_flags);
    let (earlier, later) = if piece_is_later { (open_flags, piece_flags) } else { (piece_flags, open_flags) };
    // Within a direction times are exact; between directions they may only seem not to overlap.
    let skew = if open.connection.peer(piece.side).sent.flows == 0 { SKEW } else { 0 };
    gap > skew && earlier & (FIN | RST) != 0 && later & SYN != 0
}

/// A flow, looked at as a part of a connection.
struct Piece<'a> {
    flow: &'a Flow,
    side: Side,
    received: Timestamp,
    /// From the first packet to the last, in nanoseconds; the time of receipt where unknown.
    start: i64,
    end: i64,
    /// What the source sent.
    sent: Traffic,
    /// What the destination sent, of a biflow.
    answered: Option<Traffic>,
    biflow: bool,
}

impl<'a> Piece<'a> {
    #[inline]
    fn of(flow: &'a Flow, side: Side, received: Timestamp) -> Self {
        let answered = answered(flow);
        let (mut first, mut last) = (flow.time_flow_start, flow.time_flow_end);
        if let Some(answer) = &answered {
            first = [first, answer.first].into_iter().flatten().min();
            last = last.max(answer.last);
        }
        let start = first.or(last).unwrap_or(received).as_nanos();
        let end = last.or(first).unwrap_or(received).as_nanos();
        Self {
            flow,
            side,
            received,
            // An exporter with a broken clock may end flows before they start.
            start: start.min(end),
            end: end.max(start),
            sent: sent(flow),
            biflow: answered.is_some(),
            answered,
        }
    }

    /// Whether the exporter may have cut the flow, so that another piece will come.
    #[inline]
    fn may_go_on(&self) -> bool {
        const ACTIVE_TIMEOUT: u8 = 2;
        const FORCED: u8 = 4;
        const LACK_OF_RESOURCES: u8 = 5;
        match self.flow.flow_end_reason {
            Some(reason) => matches!(reason, ACTIVE_TIMEOUT | FORCED | LACK_OF_RESOURCES),
            None => self.flow.proto != proto::TCP || self.flow.tcp_flags & (FIN | RST) == 0,
        }
    }
}

/// The direction that a record reports.
#[inline]
fn sent(flow: &Flow) -> Traffic {
    Traffic {
        bytes: flow.bytes(),
        packets: flow.packets(),
        bytes_raw: flow.bytes_raw,
        packets_raw: flow.packets_raw,
        first: flow.time_flow_start,
        last: flow.time_flow_end,
        flows: 1,
        in_if: flow.in_if,
        out_if: flow.out_if,
        tcp_flags: flow.tcp_flags,
        icmp_type: flow.icmp_type,
        direction: flow.direction,
    }
}

/// The reverse direction of a record that has one.
#[inline]
fn answered(flow: &Flow) -> Option<Traffic> {
    let rare = flow.rare();
    if rare.reverse_bytes.is_none() && rare.reverse_packets.is_none() {
        return None;
    }
    let bytes_raw = rare.reverse_bytes.unwrap_or(0);
    let packets_raw = rare.reverse_packets.unwrap_or(0);
    let nothing = bytes_raw == 0 && packets_raw == 0;
    Some(Traffic {
        bytes: bytes_raw.saturating_mul(flow.sampling_rate.max(1)),
        packets: packets_raw.saturating_mul(flow.sampling_rate.max(1)),
        bytes_raw,
        packets_raw,
        // Most exporters tell the times of the whole only.
        first: if nothing { None } else { rare.reverse_start.or(flow.time_flow_start) },
        last: if nothing { None } else { rare.reverse_end.or(flow.time_flow_end) },
        flows: u32::from(!nothing),
        in_if: flow.out_if,
        out_if: flow.in_if,
        tcp_flags: rare.reverse_tcp_flags.unwrap_or(0),
        icmp_type: None,
        direction: None,
    })
}

/// A connection that waits for more.
#[derive(Debug)]
struct Open {
    /// An older connection with the same key.
    next: Option<u32>,
    biflow: bool,
    /// When to close, in milliseconds of stream time.
    due: u64,
    /// From the first packet to the last, in nanoseconds; the time of receipt where unknown.
    start: i64,
    end: i64,
    firewall: Option<Box<FirewallSession>>,
    connection: Connection,
}

/// What a piece was to its connection.
enum Added {
    /// The first of its direction.
    Answer,
    /// A further piece of its direction.
    Further,
    /// The same packets once more.
    Repeated,
}

impl Open {
    #[inline]
    fn new(key: &ConnectionKey, piece: &Piece<'_>, next: Option<u32>, due: u64) -> Self {
        let flow = piece.flow;
        let peer = |side| {
            let endpoint = key.endpoint(side);
            Peer { addr: endpoint.addr, port: endpoint.port, asn: 0, sent: Traffic::default() }
        };
        let mut open = Self {
            next,
            biflow: piece.biflow,
            due,
            start: piece.start,
            end: piece.end,
            firewall: None,
            connection: Connection {
                exporter_addr: flow.exporter_addr,
                observation_domain_id: flow.observation_domain_id,
                proto: flow.proto,
                kind: Kind::OneWay,
                a: peer(Side::A),
                b: peer(Side::B),
                opened_by: piece.side,
                initiator: None,
                received_first: piece.received,
                received_last: piece.received,
                time_quality: flow.time_quality,
                sampling_rate: flow.sampling_rate.max(1),
            },
        };
        open.add(piece);
        open
    }

    #[inline]
    fn key(&self, separate_domains: bool) -> ConnectionKey {
        let Connection { exporter_addr, observation_domain_id, proto, a, b, .. } = &self.connection;
        ConnectionKey {
            exporter_addr: *exporter_addr,
            observation_domain_id: separate_domains.then_some(*observation_domain_id),
            proto: *proto,
            a: Endpoint { addr: a.addr, port: a.port },
            b: Endpoint { addr: b.addr, port: b.port },
        }
    }

    #[inline]
    fn add(&mut self, piece: &Piece<'_>) -> Added {
        let (flow, side) = (piece.flow, piece.side);
        self.start = self.start.min(piece.start);
        self.end = self.end.max(piece.end);

        let turned = matches!(side, Side::B);
        let connection = &mut self.connection;
        connection.received_first = connection.received_first.min(piece.received);
        connection.received_last = connection.received_last.max(piece.received);
        connection.time_quality = worse(connection.time_quality, flow.time_quality);
        connection.sampling_rate = connection.sampling_rate.max(flow.sampling_rate);

        let source = connection.peer_mut(side);
        if source.asn == 0 {
            source.asn = flow.src_as;
        }
        let added = match source.sent.flows {
            0 => Added::Answer,
            _ if source.sent.is_repeated_by(&piece.sent) => Added::Repeated,
            _ => Added::Further,
        };
        let of_firewall = piece.answered.as_ref().is_some_and(|answer| {
            let (a, b) = (&mut connection.a.sent, &mut connection.b.sent);
            let sums = if turned { [b, a] } else { [a, b] };
            FirewallSession::add(&mut self.firewall, flow, turned, sums, [&piece.sent, answer])
        });
        let source = connection.peer_mut(side);
        if of_firewall {
            // Both directions are counted.
        } else if let Added::Repeated = added {
            source.sent.learn_interfaces(&piece.sent);
        } else {
            source.sent.add(&piece.sent);
        }

        let destination = connection.peer_mut(side.other());
        if destination.asn == 0 {
            destination.asn = flow.dst_as;
        }
        if let Some(answer) = &piece.answered {
            if !of_firewall && !matches!(added, Added::Repeated) {
                destination.sent.add(answer);
            }
            connection.initiator = connection.initiator.or(match flow.rare().biflow_direction {
                Some(1) => Some(side),
                Some(2) => Some(side.other()),
                _ => None,
            });
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{T0, at, flow, moved, pair, pair_with, reply};

    fn tcp() -> Flow {
        flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443")
    }

    fn udp() -> Flow {
        flow(proto::UDP, "10.0.0.9:40000", "10.0.0.1:53")
    }

    fn biflow() -> Flow {
        let mut biflow = tcp();
        let rare = biflow.rare_mut();
        (rare.reverse_bytes, rare.reverse_packets) = (Some(9_000), Some(12));
        biflow
    }

    fn kinds(connections: &[Connection]) -> Vec<Kind> {
        connections.iter().map(|connection| connection.kind).collect()
    }

    #[test]
    fn two_directions_are_one_connection() {
        let mut request = tcp();
        (request.src_as, request.dst_as, request.in_if) = (64_500, 64_501, 7);
        let mut answer = reply(&request);
        answer.bytes_raw = 5_000;
        let connections = pair(&[request, answer]);
        assert_eq!(kinds(&connections), [Kind::Paired]);
        let connection = &connections[0];
        // 10.0.0.1:443 sorts before 10.0.0.9:40000.
        assert_eq!((connection.a.port, connection.a.sent.bytes, connection.a.asn), (443, 5_000, 64_501));
        assert_eq!((connection.b.port, connection.b.sent.bytes, connection.b.asn), (40_000, 1_000, 64_500));
        assert_eq!((connection.b.sent.in_if, connection.a.sent.out_if), (7, 7));
        assert_eq!(connection.opened_by, Side::B);
        assert_eq!(connection.total_packets(), 20);
        assert_eq!(connection.duration(), Duration::from_secs(1));
    }

    /// An event of a firewall, with octets of both directions.
    fn event(kind: u8, id: u64, octets: (u64, u64)) -> Flow {
        let mut event = tcp();
        (event.bytes_raw, event.packets_raw) = (octets.0, 1);
        let rare = event.rare_mut();
        (rare.fw_event, rare.flow_id) = (Some(kind), Some(id));
        (rare.reverse_bytes, rare.reverse_packets) = (Some(octets.1), Some(1));
        event
    }

    /// Octets of server and client of the only connection.
    fn octets(events: &[Flow]) -> (u64, u64) {
        let connections = pair(events);
        assert_eq!(connections.len(), 1);
        (connections[0].a.sent.bytes, connections[0].b.sent.bytes)
    }

    #[test]
    fn the_totals_of_a_firewall_are_not_added_to_its_updates() {
        let (one, other) = (event(5, 7, (1_000, 10)), event(5, 7, (500, 20)));
        let totals = event(2, 7, (1_500, 30));
        assert_eq!(octets(&[one.clone(), other.clone()]), (30, 1_500));
        for order in [[&one, &other, &totals], [&one, &totals, &other], [&totals, &one, &other]] {
            assert_eq!(octets(&order.map(Clone::clone)), (30, 1_500));
        }
        // Updates that were lost are in the totals; totals without counters take nothing away.
        assert_eq!(octets(&[one.clone(), totals.clone()]), (30, 1_500));
        assert_eq!(octets(&[one.clone(), other.clone(), event(2, 7, (0, 0))]), (30, 1_500));
        // The same addresses and ports again are another connection of the firewall.
        assert_eq!(octets(&[one, other, totals, event(5, 8, (9, 1)), event(2, 8, (10, 2))]), (32, 1_510));
    }

    #[test]
    fn start_times_need_not_be_equal() {
        let request = udp();
        for shift in [-50, -1, 0, 1, 50] {
            let answer = moved(&reply(&request), shift, shift + 1);
            assert_eq!(kinds(&pair(&[request.clone(), answer])), [Kind::Paired], "{shift} s apart");
        }
    }

    #[test]
    fn other_ports_and_protocols_are_other_connections() {
        let request = tcp();
        let mut other_port = reply(&request);
        other_port.dst_port += 1;
        let mut other_protocol = reply(&request);
        other_protocol.proto = proto::UDP;
        assert_eq!(kinds(&pair(&[request, other_port, other_protocol])), [Kind::OneWay; 3]);
    }

    #[test]
    fn each_exporter_has_its_own_connections() {
        let here = udp();
        let mut there = reply(&here);
        there.exporter_addr = "192.0.2.2".parse().unwrap();
        assert_eq!(kinds(&pair(&[here.clone(), there.clone()])), [Kind::OneWay; 2]);
        let connections = pair(&[here.clone(), there.clone(), reply(&here), reply(&there)]);
        assert_eq!(kinds(&connections), [Kind::Paired; 2]);
    }

    #[test]
    fn domains_are_paired_unless_kept_apart() {
        let mut request = udp();
        let mut answer = reply(&request);
        (request.observation_domain_id, answer.observation_domain_id) = (1, 2);
        let flows = [request, answer];
        let connections = pair(&flows);
        assert_eq!(kinds(&connections), [Kind::Paired]);
        assert_eq!(connections[0].observation_domain_id, 1);
        let apart = PairingConfig { separate_domains: true, ..PairingConfig::default() };
        assert_eq!(kinds(&pair_with(apart, &flows)), [Kind::OneWay; 2]);
    }

    #[test]
    fn pieces_of_a_long_flow_are_added_up() {
        let request = tcp();
        let mut flows = Vec::new();
        for piece in 0..10 {
            flows.push(moved(&request, piece * 60, piece * 60 + 60));
            flows.push(moved(&reply(&request), piece * 60, piece * 60 + 59));
        }
        let connections = pair(&flows);
        assert_eq!(kinds(&connections), [Kind::Paired]);
        let connection = &connections[0];
        assert_eq!((connection.a.sent.flows, connection.b.sent.flows), (10, 10));
        assert_eq!(connection.total_bytes(), 20_000);
        assert_eq!(connection.duration(), Duration::from_secs(600));
    }

    #[test]
    fn pieces_half_an_hour_apart_find_each_other() {
        // The active timeout of many routers, with other traffic in between that moves the time on.
        let long = udp();
        let mut flows = vec![moved(&long, 0, 1_800)];
        for minute in 31..60 {
            let mut other = moved(&udp(), minute * 60, minute * 60 + 1);
            other.src_port = 1_000 + minute as u16;
            flows.push(other);
        }
        flows.push(moved(&long, 1_800, 3_600));
        let connections = pair(&flows);
        let joined = connections.iter().find(|connection| connection.b.port == 40_000).unwrap();
        assert_eq!(joined.b.sent.flows, 2);
        assert_eq!(joined.duration(), Duration::from_secs(3_600));
    }

    #[test]
    fn a_flow_that_ended_by_itself_is_not_waited_for_longer() {
        let mut pairing = Pairing::new(PairingConfig::default());
        let mut closed = Vec::new();
        let mut ended = moved(&udp(), 0, 1_800);
        ended.flow_end_reason = Some(1);
        pairing.push(&ended, &mut |connection| closed.push(connection));
        let mut later = moved(&udp(), 2_200, 2_201);
        later.src_port = 1;
        pairing.push(&later, &mut |connection| closed.push(connection));
        assert_eq!(closed.len(), 1);
    }

    #[test]
    fn same_ports_after_a_silence_are_a_new_connection() {
        let query = udp();
        let later = moved(&query, 120, 121);
        let flows = [query.clone(), reply(&query), later.clone(), reply(&later)];
        let connections = pair(&flows);
        assert_eq!(kinds(&connections), [Kind::Paired; 2]);
        assert_eq!(connections[0].duration(), Duration::from_secs(1));
    }

    #[test]
    fn dns_from_a_fixed_port_pairs_each_query_with_its_answer() {
        // All queries are exported before all answers: several connections with one key are open at once.
        let query = udp();
        let queries: Vec<Flow> = (0..5).map(|n| moved(&query, n * 70, n * 70)).collect();
        let answers = queries.iter().map(|query| {
            let mut answer = reply(query);
            answer.bytes_raw = 200;
            answer.time_received = queries[4].time_received;
            answer
        });
        let flows: Vec<Flow> = queries.iter().cloned().chain(answers).collect();
        let connections = pair(&flows);
        assert_eq!(kinds(&connections), [Kind::Paired; 5]);
        assert!(connections.iter().all(|connection| connection.total_bytes() == 1_200));
    }

    #[test]
    fn syn_after_fin_is_a_new_connection() {
        let mut first = tcp();
        first.tcp_flags = SYN | FIN | 0x10;
        let second = moved(&first, 5, 6);
        let flows = [first.clone(), second.clone(), reply(&second), reply(&first)];
        let connections = pair(&flows);
        assert_eq!(kinds(&connections), [Kind::Paired; 2]);
        assert!(connections.iter().all(|connection| connection.duration() == Duration::from_secs(1)));
        // The same, seen in the opposite order.
        assert_eq!(kinds(&pair(&[second, first])), [Kind::OneWay; 2]);
    }

    #[test]
    fn answer_just_after_the_end_is_still_the_answer() {
        let mut request = tcp();
        request.tcp_flags = SYN | FIN | 0x10;
        at(&mut request, 0, 0);
        let answer = moved(&reply(&request), 1, 2);
        assert_eq!(kinds(&pair(&[request, answer])), [Kind::Paired]);
    }

    #[test]
    fn biflow_is_a_connection_by_itself() {
        let connections = pair(&[biflow()]);
        assert_eq!(kinds(&connections), [Kind::Biflow]);
        let connection = &connections[0];
        assert_eq!((connection.b.sent.bytes, connection.a.sent.bytes), (1_000, 9_000));
        assert_eq!((connection.b.sent.packets, connection.a.sent.packets), (10, 12));
        assert_eq!(connection.peer(connection.heavier()).port, 443);
    }

    #[test]
    fn biflow_does_not_take_another_flow_in() {
        assert_eq!(kinds(&pair(&[biflow(), reply(&tcp())])), [Kind::Biflow, Kind::OneWay]);
    }

    #[test]
    fn pieces_of_a_long_biflow_are_added_up() {
        let mut first = moved(&biflow(), 0, 60);
        first.rare_mut().biflow_direction = Some(1);
        let connections = pair(&[first, moved(&biflow(), 60, 120)]);
        assert_eq!(kinds(&connections), [Kind::Biflow]);
        assert_eq!(connections[0].total_bytes(), 20_000);
        assert_eq!(connections[0].initiator, Some(Side::B));
    }

    #[test]
    fn biflow_without_an_answer_is_one_way() {
        let mut unanswered = biflow();
        let rare = unanswered.rare_mut();
        (rare.reverse_bytes, rare.reverse_packets) = (Some(0), Some(0));
        assert_eq!(kinds(&pair(&[unanswered])), [Kind::OneWay]);
    }

    #[test]
    fn ping_and_its_answer_are_one_connection() {
        let mut request = flow(proto::ICMP, "10.0.0.9:0", "10.0.0.1:2048");
        request.icmp_type = Some(8);
        let mut answer = flow(proto::ICMP, "10.0.0.1:0", "10.0.0.9:0");
        answer.icmp_type = Some(0);
        let connections = pair(&[request, answer]);
        assert_eq!(kinds(&connections), [Kind::Paired]);
        assert_eq!((connections[0].a.port, connections[0].b.port), (0, 0));
        assert_eq!(connections[0].b.sent.icmp_type, Some(8));
    }

    #[test]
    fn unanswered_flow_is_one_way() {
        let connections = pair(&[tcp()]);
        assert_eq!(kinds(&connections), [Kind::OneWay]);
        assert!(connections[0].a.sent.is_empty());
        assert_eq!(connections[0].a.sent.flows, 0);
    }

    #[test]
    fn long_flow_exported_at_its_end_finds_its_other_half() {
        // The answer was exported every minute, the request once, an hour after it began.
        let request = tcp();
        let mut flows: Vec<Flow> =
            (0..60).map(|minute| moved(&reply(&request), minute * 60, minute * 60 + 60)).collect();
        flows.push(moved(&request, 0, 3_600));
        let connections = pair(&flows);
        assert_eq!(kinds(&connections), [Kind::Paired]);
        assert_eq!((connections[0].a.sent.flows, connections[0].b.sent.flows), (60, 1));
    }

    #[test]
    fn flows_out_of_order_by_minutes_are_paired() {
        let mut flows = Vec::new();
        for n in 0..600 {
            let mut request = moved(&udp(), n, n + 1);
            request.src_port = n as u16;
            flows.push(reply(&request));
            flows.push(request);
        }
        // Blocks of four minutes in reverse, as from threads that write when they are done.
        let mut shuffled: Vec<Flow> = flows.chunks(480).rev().flatten().cloned().collect();
        assert_eq!(kinds(&pair(&shuffled)), [Kind::Paired; 600]);
        // And every answer four minutes late, all over the stream.
        shuffled.clear();
        for n in 0..flows.len() + 480 {
            shuffled.extend(flows.get(n).filter(|_| n % 2 == 1).cloned());
            shuffled.extend(n.checked_sub(480).filter(|n| n % 2 == 0).and_then(|n| flows.get(n)).cloned());
        }
        assert_eq!(shuffled.len(), 1_200);
        assert_eq!(kinds(&pair(&shuffled)), [Kind::Paired; 600]);
    }

    #[test]
    fn files_in_the_wrong_order_are_paired_and_closed() {
        let mut pairing = Pairing::new(PairingConfig::default());
        let (mut paired, mut most) = (0, 0);
        for hour in [5, 4, 3, 2, 1] {
            for n in 0..100_000 {
                let second = hour * 3_600 + n / 30;
                let mut request = moved(&udp(), second, second);
                (request.src_port, request.in_if) = (n as u16, n as u32);
                for flow in [&request, &reply(&request)] {
                    pairing.push(flow, &mut |connection| {
                        paired += usize::from(connection.kind == Kind::Paired);
                    });
                }
                most = most.max(pairing.open_connections());
            }
        }
        pairing.finish(&mut |connection| paired += usize::from(connection.kind == Kind::Paired));
        assert_eq!(paired, 5 * 100_000);
        // Those of five minutes, and those of the flows that it takes to notice.
        assert!(most < 300 * 30 + 51_000, "{most} open");
    }

    #[test]
    fn flows_without_times_use_the_time_of_receipt() {
        let mut request = tcp();
        (request.time_flow_start, request.time_flow_end) = (None, None);
        let mut later = reply(&request);
        assert_eq!(kinds(&pair(&[request.clone(), later.clone()])), [Kind::Paired]);
        later.time_received = later.time_received.saturating_add(Duration::from_secs(400));
        let connections = pair(&[request.clone(), later.clone()]);
        assert_eq!(kinds(&connections), [Kind::OneWay; 2]);
        assert_eq!(connections[0].start(), None);
        (request.time_received, later.time_received) = (Timestamp::EPOCH, Timestamp::EPOCH);
        (request.time_export, later.time_export) = (Timestamp::EPOCH, Timestamp::EPOCH);
        assert_eq!(kinds(&pair(&[request, later])), [Kind::Paired]);
    }

    #[test]
    fn flows_of_fixed_versions_are_paired() {
        for version in [1, 5, 7] {
            let mut request = tcp();
            (request.flow_version, request.template_id) = (version, None);
            assert_eq!(kinds(&pair(&[request.clone(), reply(&request)])), [Kind::Paired]);
        }
    }

    #[test]
    fn aggregates_are_counted() {
        let mut aggregate = tcp();
        aggregate.dst_addr = None;
        let mut pairing = Pairing::new(PairingConfig::default());
        pairing.push(&aggregate, &mut |_| {});
        pairing.finish(&mut |_| panic!("no connection"));
        assert_eq!((pairing.statistics().flows, pairing.statistics().without_addresses), (1, 1));
    }

    #[test]
    fn sampled_counters_are_corrected_and_kept() {
        let mut request = tcp();
        request.sampling_rate = 100;
        let connection = &pair(&[request.clone(), reply(&request)])[0];
        assert_eq!((connection.a.sent.bytes, connection.a.sent.bytes_raw), (100_000, 1_000));
        assert_eq!((connection.total_packets(), connection.sampling_rate), (2_000, 100));
    }

    #[test]
    fn flow_seen_at_both_interfaces_counts_once() {
        let mut ingress = tcp();
        (ingress.direction, ingress.in_if) = (Some(0), 3);
        let mut egress = tcp();
        (egress.direction, egress.out_if) = (Some(1), 4);
        let mut pairing = Pairing::new(PairingConfig::default());
        pairing.push(&ingress, &mut |_| {});
        pairing.push(&egress, &mut |_| {});
        assert_eq!(pairing.statistics().repeated, 1);
        pairing.finish(&mut |connection| {
            let sent = connection.b.sent;
            assert_eq!((sent.bytes, sent.flows, sent.in_if, sent.out_if), (1_000, 1, 3, 4));
        });
    }

    #[test]
    fn talking_to_itself_is_one_way() {
        let itself = flow(proto::UDP, "127.0.0.1:53", "127.0.0.1:53");
        let connections = pair(&[itself.clone(), itself]);
        assert_eq!(kinds(&connections), [Kind::OneWay]);
        assert_eq!(connections[0].a.sent.flows, 2);
    }

    #[test]
    fn what_is_open_stays_bounded() {
        let mut pairing = Pairing::new(PairingConfig {
            wait: Duration::from_secs(60),
            tcp_idle_timeout: Duration::from_secs(60),
            ..PairingConfig::default()
        });
        let (mut connections, mut most) = (0_u64, 0);
        let mut request = tcp();
        for n in 0..500_000_u32 {
            // A thousand connections a second.
            let time = Timestamp::from_millis(T0 * 1_000 + i64::from(n));
            request.src_addr = Some(std::net::Ipv4Addr::from(0x0b00_0000 + n).into());
            (request.time_flow_start, request.time_flow_end) = (Some(time), Some(time));
            request.time_received = time;
            for flow in [&request, &reply(&request)] {
                pairing.push(flow, &mut |connection| {
                    assert_eq!(connection.kind, Kind::Paired);
                    connections += 1;
                });
            }
            most = most.max(pairing.open_connections());
        }
        assert!(most < 63_000, "{most} open");
        pairing.finish(&mut |_| connections += 1);
        assert_eq!(connections, 500_000);
        assert_eq!(pairing.statistics().most_open, most as u64);
        assert_eq!(pairing.statistics().paired, 500_000);
    }

    #[test]
    fn too_many_open_close_the_oldest() {
        let mut pairing = Pairing::new(PairingConfig { max_open: 100, ..PairingConfig::default() });
        let mut closed = Vec::new();
        for n in 0..1_000 {
            let mut scan = moved(&tcp(), i64::from(n) / 10, i64::from(n) / 10);
            scan.dst_port = n;
            pairing.push(&scan, &mut |connection| closed.push(connection.a.port));
            assert!(pairing.open_connections() <= 100);
        }
        assert_eq!(pairing.statistics().closed_early, 900);
        assert_eq!(closed.len(), 900);
        assert!(closed.iter().all(|&port| port < 910), "the youngest stay open");
    }

    #[test]
    fn hostile_times_are_bounded() {
        // One key with times all over: neither the search nor the memory may grow.
        let mut pairing = Pairing::new(PairingConfig::default());
        let mut count = 0;
        for n in 0..2_000_i64 {
            let mut odd = udp();
            let time = Timestamp::from_nanos(n.wrapping_mul(0x5851_f42d_4c95_7f2d));
            (odd.time_flow_start, odd.time_flow_end) = (Some(time), Some(Timestamp::EPOCH));
            odd.time_received = if n % 3 == 0 { time } else { odd.time_received };
            pairing.push(&odd, &mut |_| count += 1);
            assert!(pairing.open_connections() <= SAME_KEY);
        }
        pairing.finish(&mut |_| count += 1);
        assert!(count > 0);
        assert_eq!(pairing.open_connections(), 0);
    }

    #[test]
    fn every_flow_is_in_exactly_one_connection() {
        // A few keys, times and sizes from a simple generator: nothing is lost and nothing counted twice.
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut pairing = Pairing::new(PairingConfig { max_open: 50, ..PairingConfig::default() });
        let (mut bytes_in, mut flows_in, mut bytes_out, mut flows_out) = (0, 0, 0, 0);
        let mut take = |connection: Connection| {
            bytes_out += connection.total_bytes();
            flows_out += u64::from(connection.a.sent.flows + connection.b.sent.flows);
        };
        for n in 0..20_000 {
            let mut flow = if random(2) == 0 { tcp() } else { udp() };
            flow.src_port = 1_000 + random(40) as u16;
            flow.bytes_raw = random(10_000);
            flow.tcp_flags = random(32) as u16;
            let start = n / 10 - random(500) as i64;
            at(&mut flow, start, start + random(400) as i64);
            flow.time_received = Timestamp::from_secs(T0 + n / 10);
            let flow = if random(2) == 0 { reply(&flow) } else { flow };
            bytes_in += flow.bytes_raw;
            flows_in += 1;
            pairing.push(&flow, &mut take);
        }
        pairing.finish(&mut take);
        assert_eq!((bytes_in, flows_in), (bytes_out, flows_out));
        assert!(pairing.statistics().closed_early > 0);
    }
}
