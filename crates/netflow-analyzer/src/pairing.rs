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
mod tests;
