//! Both directions, and all pieces, of a conversation become one [`Connection`].
//!
//! # What belongs together
//!
//! Flows with the same [`ConnectionKey`]: protocol, and both addresses and ports in either
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
//! with its own further pieces only, and with events.
//!
//! # Several exporters
//!
//! What several exporters saw is one connection, unless [`per_exporter`](PairingConfig::per_exporter) keeps
//! them apart. They counted the same packets: pieces are added up within an exporter only, and the numbers of
//! the connection are those of one of them, as [`Connection`] says. An answer that took a way past another
//! exporter is found there.
//!
//! # Translation and events
//!
//! A flow whose addresses or ports were translated (NAT: the columns `post_nat_*`) has two keys. Flows that
//! were seen behind the translation, such as the answers on the outside, are found by the second one; the
//! connection has the addresses that its first translated flow had before. Events of firewalls (NSEL) and of NAT about
//! a connection, its creation, updates, and end, belong to it; where nothing else was exported there is
//! nothing to report, and it is counted only.
//!
//! # How long to wait
//!
//! A connection that lacks an answer is closed, and handed out, when [`wait`](PairingConfig::wait) has passed
//! since its last flow arrived; one that has both directions when [`settle`](PairingConfig::settle) has; neither
//! before its idle timeout, unless TCP said that it is over. What passes is the time of the stream: the highest
//! [`time_received`](Flow::time_received) so far, which is the collector's clock and the same for all
//! exporters. (Of a flow that has none, the export time counts, or else its end.) A flow that the active
//! timeout may have cut keeps its connection open longer by its own length, up to an hour: it is as long
//! as that timeout, so the next piece comes when the same time has passed again.
//!
//! # What it costs
//!
//! Finding a connection is one look-up in a hash table with a random key; closing is driven by a timer
//! wheel. Both cost a constant time per flow. Memory is what is open: about 330 octets a connection, for
//! as many connections as there were in the time that they wait, and never more than
//! [`max_open`](PairingConfig::max_open).

use std::hash::BuildHasher;
use std::time::Duration;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use netflow_flow::Flow;
use serde::Serialize;

use self::open::{Added, Open};
pub use self::piece::Piece;
pub(crate) use self::sent::Sent;
use crate::connection::{Connection, Kind};
use crate::key::{ConnectionKey, Side, proto};
use crate::slab::Slab;
use crate::stream_clock::StreamClock;
use crate::wheel::Wheel;

mod open;
mod piece;
mod sent;

/// Connections with one key that may be open at once. More come from ill-set clocks or from hostile
/// exporters only; the bound keeps the search among them short.
const SAME_KEY: usize = 8;

/// The longest that a cut flow prolongs the wait for its next piece.
const LONGEST_CUT: i64 = 3_600 * NANOS;

/// Flows, and connections that are due, whose places are looked at before the first of them is worked on: the waits for
/// memory overlap.
const AHEAD: usize = 16;

/// Milliseconds of a tick, as a power of two: 32 bits of them are years.
const TICK_BITS: u32 = 6;

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
    /// How long a connection waits for its answer, in the time of the stream (5 minutes).
    ///
    /// It has to cover by how much the export of the two directions differs (the exporter's inactive
    /// timeout, 15 seconds to a minute as a rule) and the disorder of the input. Less takes less memory.
    pub wait: Duration,
    /// How long it waits for further pieces, and for what other exporters tell, when it has both directions
    /// (90 seconds); no longer than `wait`.
    pub settle: Duration,
    /// The most connections to keep open; when there are more, those due first are closed early (4 million).
    pub max_open: usize,
    /// Keeps the observation domains of an exporter apart (false).
    ///
    /// For exporters whose domains are virtual routers with overlapping addresses. By default domains are
    /// paired with each other, as they mostly are line cards of one router.
    pub separate_domains: bool,
    /// Keeps exporters apart (false).
    ///
    /// For each exporter's own view, and for exporters of networks with overlapping addresses.
    pub per_exporter: bool,
    /// Connections with fewer packets in both directions together are counted, and not handed out (0).
    pub least_packets: u64,
}

impl Default for PairingConfig {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            tcp_idle_timeout: Duration::from_secs(300),
            wait: Duration::from_secs(300),
            settle: Duration::from_secs(90),
            max_open: 4_000_000,
            separate_domains: false,
            per_exporter: false,
            least_packets: 0,
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
    /// Flows not added up, because another exporter reported the same packets.
    pub merged: u64,
    /// Flows that met their connection by its addresses before or after translation.
    pub translated: u64,
    /// Connections with both directions, from flows of their own.
    pub paired: u64,
    /// Connections with both directions, from biflows.
    pub biflows: u64,
    /// Connections with one direction.
    pub one_way: u64,
    /// Connections with both directions that were not handed out, as they had too few packets.
    pub too_small: u64,
    /// Connections of which there were events only, without any counter: not handed out.
    pub events_only: u64,
    /// Connections closed before their time, because too many were open.
    pub closed_early: u64,
    /// The most connections that were open at once.
    pub most_open: u64,
}

/// The columns of a flow that make a difference to [`Pairing`]: of files that are read by columns, the others need not
/// be read.
pub const COLUMNS: &[&str] = &[
    "exporter_addr",
    "observation_domain_id",
    "time_received",
    "time_export",
    "time_flow_start",
    "time_flow_end",
    "time_quality",
    "bytes_raw",
    "packets_raw",
    "sampling_rate",
    "src_addr",
    "dst_addr",
    "src_port",
    "dst_port",
    "proto",
    "tcp_flags",
    "icmp_type",
    "icmp_code",
    "in_if",
    "out_if",
    "direction",
    "src_as",
    "dst_as",
    "flow_end_reason",
    "post_nat_src_addr",
    "post_nat_dst_addr",
    "post_nat_src_port",
    "post_nat_dst_port",
    "nat_event",
    "fw_event",
    "flow_id",
    "biflow_direction",
    "reverse_bytes",
    "reverse_packets",
    "reverse_tcp_flags",
    "reverse_start",
    "reverse_end",
];

/// Takes flows, gives connections.
///
/// ```
/// # use netflow_analyzer::{Pairing, PairingConfig};
/// # let flows: Vec<netflow_flow::Flow> = Vec::new();
/// let mut pairing = Pairing::new(PairingConfig::default());
/// let mut show = |connection| println!("{connection:?}");
/// pairing.push_all(&flows, &mut show);
/// pairing.finish(&mut show);
/// ```
#[derive(Debug)]
pub struct Pairing {
    limits: Limits,
    clock: StreamClock,
    open: Slab<Open>,
    /// By key: the newest connection of a key, from which `Open::next` leads on.
    by_key: HashTable<Head>,
    /// Places in `open`, by the key after translation: the newest connection.
    by_alias: HashTable<u32>,
    hasher: DefaultHashBuilder,
    due: Wheel,
    statistics: PairingStatistics,
}

/// Where the connections of a key begin.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// Of the key: what does not fit is passed over, and the table grows, without a look at the connection.
    hash: u32,
    /// In [`Pairing::open`].
    place: u32,
}

/// The key of a flow, and what follows from it.
#[derive(Debug, Clone, Copy)]
struct Keyed {
    key: ConnectionKey,
    hash: u32,
}

impl Pairing {
    /// Begins with nothing open. Times beyond an hour in `config` are cut to an hour.
    pub fn new(config: PairingConfig) -> Self {
        Self {
            limits: Limits::new(&config),
            clock: StreamClock::default(),
            open: Slab::new(),
            by_key: HashTable::new(),
            by_alias: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            due: Wheel::new(),
            statistics: PairingStatistics::default(),
        }
    }

    /// Takes flows in, and hands out the connections that their arrival shows to be over. The more at a time, the
    /// cheaper; some tens are enough.
    pub fn push_all(&mut self, flows: &[Flow], emit: &mut impl FnMut(Connection)) {
        let mut pieces = Vec::with_capacity(flows.len().min(AHEAD));
        for flows in flows.chunks(AHEAD) {
            pieces.clear();
            pieces.extend(flows.iter().map(Piece::of));
            self.push_pieces(&pieces, emit);
        }
    }

    /// Takes one flow in, and hands out the connections that its arrival shows to be over.
    pub fn push(&mut self, flow: &Flow, emit: &mut impl FnMut(Connection)) {
        self.push_pieces(&[Piece::of(flow)], emit);
    }

    /// Takes flows in of which other threads made pieces, and hands out the connections that their arrival shows to be
    /// over.
    pub fn push_pieces(&mut self, pieces: &[Piece], emit: &mut impl FnMut(Connection)) {
        for pieces in pieces.chunks(AHEAD) {
            let mut keyed = [None; AHEAD];
            for (keyed, piece) in keyed.iter_mut().zip(pieces) {
                *keyed = self.keyed(piece);
            }
            let mut seen = 0;
            for &Keyed { hash, .. } in keyed.iter().flatten() {
                if let Some(head) = self.by_key.find(wide(hash), |head| head.hash == hash) {
                    seen ^= self.open.get(head.place).touch();
                }
            }
            std::hint::black_box(seen);
            for (keyed, piece) in keyed.iter().zip(pieces) {
                self.push_keyed(piece, keyed.as_ref(), emit);
            }
        }
    }

    #[inline]
    fn keyed(&self, piece: &Piece) -> Option<Keyed> {
        let key = self.limits.apart(piece.key()?, piece);
        Some(Keyed { key, hash: narrow(self.hasher.hash_one(key)) })
    }

    #[inline]
    fn push_keyed(&mut self, piece: &Piece, keyed: Option<&Keyed>, emit: &mut impl FnMut(Connection)) {
        self.statistics.flows += 1;
        let now = self.clock.advance(piece.received, 2 * Wheel::HORIZON);
        self.close_due(now, emit);

        let Some(&Keyed { ref key, hash }) = keyed else {
            self.statistics.without_addresses += 1;
            return;
        };
        let head = self.head(hash, key);
        match self.find_fitting(head, piece, piece.side) {
            Some(place) => self.join(place, piece, now),
            None if piece.translated().is_some() || !self.by_alias.is_empty() => {
                // Its side may be another one there.
                let mut piece = piece.clone();
                match self.find_translated(key, hash, &mut piece) {
                    Some(place) => {
                        self.statistics.translated += 1;
                        self.join(place, &piece, now);
                    }
                    None => self.open(hash, key, head, &piece, now, emit),
                }
            }
            None => self.open(hash, key, head, piece, now, emit),
        }
    }

    /// Hands out what is still open, in the order of its last flow's arrival. Another stream may follow.
    pub fn finish(&mut self, emit: &mut impl FnMut(Connection)) {
        self.by_key.clear();
        self.by_alias.clear();
        self.due = Wheel::new();
        self.clock = StreamClock::default();
        let places: Vec<u32> = self.open.places().collect();
        let when = |place| {
            let open = self.open.get(place);
            (open.received(), open.start, open.end, place)
        };
        let mut left: Vec<_> = places.into_iter().map(when).collect();
        left.sort_unstable();
        for left in left.chunks(AHEAD) {
            let touch = |seen: u32, &(.., place): &(_, _, _, u32)| seen ^ self.open.get(place).touch();
            std::hint::black_box(left.iter().fold(0, touch));
            for &(.., place) in left {
                hand_out(&mut self.statistics, self.limits.least_packets, self.open.get(place), emit);
            }
        }
        self.open.clear();
    }

    /// What has been done so far.
    pub const fn statistics(&self) -> PairingStatistics {
        self.statistics
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.open.len()
    }

    /// The place of the newest connection that has `key`.
    #[inline]
    fn head(&self, hash: u32, key: &ConnectionKey) -> Option<u32> {
        let is = |head: &Head| head.hash == hash && self.limits.key_of(self.open.get(head.place)) == *key;
        self.by_key.find(wide(hash), is).map(|head| head.place)
    }

    /// The connection that `piece`, on a side, is nearest to in time, among those of its key, from `head` on.
    #[inline]
    fn find_fitting(&self, head: Option<u32>, piece: &Piece, side: Side) -> Option<u32> {
        let mut best = None;
        let mut next = head;
        while let Some(place) = next {
            let open = self.open.get(place);
            next = open.next;
            let Some(gap) = self.limits.gap(open, piece, side) else { continue };
            // Of two equally near, the one that lacks this direction.
            let distance = (gap, !open.lacks(piece.exporter_addr, side));
            if best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, place));
            }
        }
        best.map(|(_, place)| place)
    }

    /// A connection that `piece` belongs to by an address before or after translation. The piece is then on the side
    /// that it has there.
    #[cold]
    fn find_translated(&mut self, key: &ConnectionKey, hash: u32, piece: &mut Piece) -> Option<u32> {
        // Its own key is what another flow was translated to.
        if let Some(&place) =
            self.by_alias.find(self.hasher.hash_one(key), |&place| self.has_alias(place, key))
        {
            let open = self.open.get(place);
            let (_, turned) = open.alias()?;
            let side = if turned { piece.side.other() } else { piece.side };
            if self.limits.gap(open, piece, side).is_some() {
                piece.side = side;
                // What it says of translation turns the same the other way.
                piece.forget_translation();
                return Some(place);
            }
        }
        // What it was translated to has been seen before, so that connection is in truth between these ends.
        let (after, side) = piece.translated()?;
        let after = self.limits.apart(after, piece);
        let head = self.head(narrow(self.hasher.hash_one(after)), &after);
        let turned = side != piece.side;
        let place = self.find_fitting(head, piece, side)?;
        self.unlink(place);
        self.open.get_mut(place).rekey(key, turned);
        self.link(place, hash, key);
        Some(place)
    }

    fn has_alias(&self, place: u32, key: &ConnectionKey) -> bool {
        self.open.get(place).alias().is_some_and(|(alias, _)| alias == *key)
    }

    /// Has the connection at `place` found by what `piece` was translated to, too.
    #[cold]
    fn add_alias(&mut self, place: u32, piece: &Piece) {
        let Some((key, side)) = piece.translated() else { return };
        if self.open.get(place).alias().is_some() {
            return;
        }
        let key = self.limits.apart(key, piece);
        self.open.get_mut(place).set_alias((key, side != piece.side));
        let hash = self.hasher.hash_one(key);
        let (open, hasher) = (&self.open, &self.hasher);
        let alias = |place: u32| open.get(place).alias().map(|(key, _)| key);
        match self.by_alias.find_mut(hash, |&other| alias(other) == Some(key)) {
            Some(other) => *other = place,
            None => {
                let rehash = |&place: &u32| hasher.hash_one(alias(place));
                // Hashed as the key that it always is.
                let rehash =
                    |place: &u32| alias(*place).map_or_else(|| rehash(place), |key| hasher.hash_one(key));
                self.by_alias.insert_unique(hash, place, rehash);
            }
        }
    }

    #[inline]
    fn join(&mut self, place: u32, piece: &Piece, now: u64) {
        let open = self.open.get_mut(place);
        let added = open.add(piece);
        self.limits.put_off(open, piece, now);
        match added {
            Added::Answer => {}
            Added::Further => self.statistics.joined += 1,
            Added::Repeated => self.statistics.repeated += 1,
            Added::Merged => self.statistics.merged += 1,
        }
        if piece.translated().is_some() {
            self.add_alias(place, piece);
        }
    }

    fn open(
        &mut self,
        hash: u32,
        key: &ConnectionKey,
        head: Option<u32>,
        piece: &Piece,
        now: u64,
        emit: &mut impl FnMut(Connection),
    ) {
        if let Some(oldest) = self.oldest_of_many(head) {
            self.due.remove(oldest);
            self.close_early(oldest, emit);
        }
        if self.open.len() >= self.limits.max_open {
            self.close_first(emit);
        }
        let mut open = Open::new(key, piece);
        self.limits.put_off(&mut open, piece, now);
        // An answer may make it due earlier, so it is looked at before.
        let look = due(&open).min(now + self.limits.settle);
        let place = self.open.insert(open);
        self.due.insert(place, look);
        self.link(place, hash, key);
        if piece.translated().is_some() {
            self.add_alias(place, piece);
        }
        self.statistics.most_open = self.statistics.most_open.max(self.open.len() as u64);
    }

    /// Has the connection at `place` found by its key.
    #[inline]
    fn link(&mut self, place: u32, hash: u32, key: &ConnectionKey) {
        let (open, limits) = (&self.open, &self.limits);
        let is = |head: &Head| head.hash == hash && limits.key_of(open.get(head.place)) == *key;
        let next = match self.by_key.entry(wide(hash), is, |head| wide(head.hash)) {
            Entry::Occupied(mut head) => Some(std::mem::replace(&mut head.get_mut().place, place)),
            Entry::Vacant(free) => {
                free.insert(Head { hash, place });
                None
            }
        };
        let open = self.open.get_mut(place);
        (open.hash, open.next) = (hash, next);
    }

    /// Has it found no longer.
    #[inline]
    fn unlink(&mut self, place: u32) {
        let open = self.open.get(place);
        let (hash, next, alias) = (open.hash, open.next, open.alias());
        // The table leads to the newest connection of the key: this one, or one that leads on to it.
        if let Ok(mut entry) = self.by_key.find_entry(wide(hash), |head| head.place == place) {
            match next {
                Some(next) => entry.get_mut().place = next,
                None => drop(entry.remove()),
            }
        } else {
            let key = self.limits.key_of(open);
            let mut before = self.head(hash, &key);
            while let Some(open) = before.map(|before| self.open.get_mut(before)) {
                if open.next == Some(place) {
                    open.next = next;
                    break;
                }
                before = open.next;
            }
        }
        if let Some((alias, _)) = alias
            && let Ok(entry) = self.by_alias.find_entry(self.hasher.hash_one(alias), |&other| other == place)
        {
            entry.remove();
        }
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
        while let Some(first) = self.due.take_due(now) {
            self.close_some_due(first, now, emit);
        }
    }

    /// Closes the connection at `first` and some after it, as far as they are due.
    fn close_some_due(&mut self, first: u32, now: u64, emit: &mut impl FnMut(Connection)) {
        let mut places = [first; AHEAD];
        let mut count = 1;
        while count < AHEAD
            && let Some(place) = self.due.take_due(now)
        {
            places[count] = place;
            count += 1;
        }
        let places = &places[..count];
        let mut seen = 0;
        for &place in places {
            let hash = self.open.get(place).hash;
            seen ^= self.by_key.find(wide(hash), |head| head.place == place).map_or(0, |head| head.hash);
        }
        std::hint::black_box(seen);
        for &place in places {
            let due = due(self.open.get(place));
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
            let due = due(self.open.get(place));
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
    #[inline]
    fn close(&mut self, place: u32, emit: &mut impl FnMut(Connection)) {
        self.unlink(place);
        self.open.free(place);
        hand_out(&mut self.statistics, self.limits.least_packets, self.open.get(place), emit);
    }
}

#[inline]
fn hand_out(
    statistics: &mut PairingStatistics,
    least_packets: u64,
    open: &Open,
    emit: &mut impl FnMut(Connection),
) {
    if open.events_only {
        statistics.events_only += 1;
        return;
    }
    // What is too small is not made a connection of.
    let mut made = None;
    let (kind, packets) = open.kind_and_packets().unwrap_or_else(|| {
        let connection = made.insert(open.connection());
        (connection.kind, connection.total_packets())
    });
    match kind {
        Kind::Paired => statistics.paired += 1,
        Kind::Biflow => statistics.biflows += 1,
        Kind::OneWay => statistics.one_way += 1,
    }
    if packets >= least_packets {
        emit(made.unwrap_or_else(|| open.connection()));
    } else if kind != Kind::OneWay {
        statistics.too_small += 1;
    }
}

/// The part of a hash that is kept.
#[inline]
const fn narrow(hash: u64) -> u32 {
    (hash ^ hash >> 32) as u32
}

/// A hash for the table, which looks at the highest and at the lowest bits.
#[inline]
const fn wide(hash: u32) -> u64 {
    (hash as u64) << 32 | hash as u64
}

/// When a connection is due, in milliseconds of stream time.
#[inline]
fn due(open: &Open) -> u64 {
    u64::from(open.due) << TICK_BITS
}

/// The configuration, in the units of the work.
#[derive(Debug)]
struct Limits {
    /// Nanoseconds of flow time.
    idle: i64,
    tcp_idle: i64,
    /// Milliseconds of stream time.
    wait: u64,
    settle: u64,
    max_open: usize,
    separate_domains: bool,
    per_exporter: bool,
    least_packets: u64,
}

impl Limits {
    fn new(config: &PairingConfig) -> Self {
        let cut = |duration: Duration| duration.min(Duration::from_secs(3_600));
        let nanos = |duration: Duration| cut(duration).as_nanos() as i64;
        let millis = |duration: Duration| cut(duration).as_millis() as u64;
        Self {
            idle: nanos(config.idle_timeout),
            tcp_idle: nanos(config.tcp_idle_timeout),
            wait: millis(config.wait),
            settle: millis(config.settle.min(config.wait)),
            max_open: config.max_open.clamp(1, u32::MAX as usize - 1),
            separate_domains: config.separate_domains,
            per_exporter: config.per_exporter,
            least_packets: config.least_packets,
        }
    }

    #[inline]
    const fn idle(&self, protocol: u8) -> i64 {
        if protocol == proto::TCP { self.tcp_idle } else { self.idle }
    }

    /// The key of `piece`, kept apart from that of other exporters and domains as asked for.
    #[inline]
    fn apart(&self, key: ConnectionKey, piece: &Piece) -> ConnectionKey {
        match (self.per_exporter, self.separate_domains) {
            (false, false) => key,
            (true, false) => key.of_exporter(piece.exporter_addr),
            (_, true) => key.of_exporter(piece.exporter_addr).in_domain(piece.observation_domain_id),
        }
    }

    #[inline]
    fn key_of(&self, open: &Open) -> ConnectionKey {
        open.key(self.per_exporter, self.separate_domains)
    }

    /// Sets when `open` is due, to which `piece` was added `now`.
    #[inline]
    fn put_off(&self, open: &mut Open, piece: &Piece, now: u64) {
        let ticks = |millis: u64| (millis.min(Wheel::HORIZON) + now).div_ceil(1 << TICK_BITS) as u32;
        let idle = (self.idle(open.proto()) / 1_000_000) as u64;
        let patience = match open.has(Side::A) && open.has(Side::B) {
            true if open.is_over() => self.settle,
            true => self.settle.max(idle),
            false => self.wait.max(idle),
        };
        if piece.may_go_on {
            let length = piece.end.saturating_sub(piece.start).min(LONGEST_CUT);
            if length > NANOS {
                let next = self.settle.max(idle) + (length / 1_000_000) as u64;
                open.due_of_cut = open.due_of_cut.max(ticks(next));
            }
        }
        open.due = ticks(patience).max(open.due_of_cut);
    }

    /// The silence between `open` and `piece` on a side, in nanoseconds, if they can be one connection.
    #[inline]
    fn gap(&self, open: &Open, piece: &Piece, side: Side) -> Option<i64> {
        let after = piece.start.saturating_sub(open.end);
        let before = open.start.saturating_sub(piece.end);
        let gap = after.max(before).max(0);
        let joins = (open.biflow == piece.answered().is_some() || piece.is_event() || open.events_only)
            && gap <= self.idle(open.proto())
            && !(open.proto() == proto::TCP && gap > 0 && open.is_over_before(piece, side, after > 0, gap));
        joins.then_some(gap)
    }
}

#[cfg(test)]
mod tests;
