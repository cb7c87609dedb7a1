//! A connection that waits for more.

use std::net::IpAddr;

use netflow_flow::TimeQuality;
use netflow_templates::Timestamp;

use super::piece::Piece;
use super::sent::Sent;
use super::{FIN, NANOS, RST, SYN};
use crate::connection::{Connection, Kind, Peer, worse};
use crate::firewall::FirewallSession;
use crate::key::{ConnectionKey, Endpoint, Side};

/// Exporters of one connection whose counters are kept apart; what further ones report is counted as merged.
const MAX_EXPORTERS: usize = 8;

/// How far the times of the two directions may be apart although they overlapped: v9 exporters tell the
/// time of their start in whole seconds, anew in every export packet.
const SKEW: i64 = 2 * NANOS;

/// How far the clocks of two exporters may be apart.
const SKEW_OF_EXPORTERS: i64 = 30 * NANOS;

/// A connection that waits for more.
///
/// There are very many of them: what few have is in [`More`].
#[derive(Debug)]
pub(super) struct Open {
    a: Endpoint,
    b: Endpoint,
    proto: u8,
    pub(super) biflow: bool,
    /// Whether nothing was counted yet: events only.
    pub(super) events_only: bool,
    opened_by: Side,
    initiator: Option<Side>,
    a_as: u32,
    b_as: u32,
    /// Of its key.
    pub(super) hash: u32,
    /// An older connection with the same key.
    pub(super) next: Option<u32>,
    /// When to close, in ticks of stream time.
    pub(super) due: u32,
    /// Until when a further piece of a flow that was cut may come.
    pub(super) due_of_cut: u32,
    /// From the first packet to the last, in nanoseconds; the time of receipt where unknown.
    pub(super) start: i64,
    pub(super) end: i64,
    received_first: Timestamp,
    received_last: Timestamp,
    /// What the exporter tells that came first.
    account: Account,
    more: Option<Box<More>>,
}

/// What one exporter tells of a connection.
#[derive(Debug)]
struct Account {
    exporter_addr: IpAddr,
    observation_domain_id: u32,
    time_quality: TimeQuality,
    sampling_rate: u64,
    a: Sent,
    b: Sent,
    firewall: Option<Box<FirewallSession>>,
}

/// What few connections have.
#[derive(Debug, Default)]
struct More {
    /// What further exporters tell.
    others: Vec<Account>,
    /// The key after translation, and whether the sides are the other way round there.
    alias: Option<(ConnectionKey, bool)>,
}

/// What a piece was to its connection.
pub(super) enum Added {
    /// The first of its direction.
    Answer,
    /// A further piece of its direction.
    Further,
    /// The same packets once more.
    Repeated,
    /// What another exporter says of the same packets.
    Merged,
}

impl Open {
    #[inline]
    pub(super) fn new(key: &ConnectionKey, piece: &Piece) -> Self {
        let mut open = Self {
            a: key.a,
            b: key.b,
            proto: key.proto,
            biflow: piece.answered().is_some(),
            events_only: true,
            opened_by: piece.side,
            initiator: None,
            a_as: 0,
            b_as: 0,
            hash: 0,
            next: None,
            due: 0,
            due_of_cut: 0,
            start: piece.start,
            end: piece.end,
            received_first: piece.received,
            received_last: piece.received,
            account: Account::new(piece),
            more: None,
        };
        open.add(piece);
        open
    }

    /// The key, kept apart from others as asked for.
    #[inline]
    pub(super) fn key(&self, per_exporter: bool, separate_domains: bool) -> ConnectionKey {
        let account = &self.account;
        ConnectionKey {
            exporter_addr: (per_exporter || separate_domains).then_some(account.exporter_addr),
            observation_domain_id: separate_domains.then_some(account.observation_domain_id),
            proto: self.proto,
            a: self.a,
            b: self.b,
        }
    }

    pub(super) const fn proto(&self) -> u8 {
        self.proto
    }

    /// Whether a direction was reported, by any exporter.
    #[inline]
    pub(super) fn has(&self, side: Side) -> bool {
        self.account.sent(side).flows != 0 || self.others().iter().any(|other| other.sent(side).flows != 0)
    }

    /// Whether TCP said that it is over: both sides, or either by a reset.
    pub(super) fn is_over(&self) -> bool {
        let over = |account: &Account| {
            let (a, b) = (account.a.tcp_flags, account.b.tcp_flags);
            (a | b) & RST != 0 || a & b & FIN != 0
        };
        over(&self.account) || self.others().iter().any(over)
    }

    pub(super) fn received(&self) -> (Timestamp, Timestamp) {
        (self.received_last, self.received_first)
    }

    pub(super) fn alias(&self) -> Option<(ConnectionKey, bool)> {
        self.more.as_ref()?.alias
    }

    pub(super) fn set_alias(&mut self, alias: (ConnectionKey, bool)) {
        self.more.get_or_insert_default().alias = Some(alias);
    }

    fn others(&self) -> &[Account] {
        self.more.as_ref().map_or(&[], |more| &more.others)
    }

    /// Gives it another key, which the side that was A may have as B.
    pub(super) fn rekey(&mut self, key: &ConnectionKey, turned: bool) {
        (self.a, self.b) = (key.a, key.b);
        if turned {
            std::mem::swap(&mut self.a_as, &mut self.b_as);
            self.opened_by = self.opened_by.other();
            self.initiator = self.initiator.map(Side::other);
            self.account.turn();
            if let Some(more) = &mut self.more {
                more.others.iter_mut().for_each(Account::turn);
            }
        }
    }

    /// Whether `piece` cannot belong here although it is near in time: a SYN follows a FIN or RST, so the ports were
    /// used again for another TCP connection.
    pub(super) fn is_over_before(&self, piece: &Piece, side: Side, piece_is_later: bool, gap: i64) -> bool {
        let flags = |account: &Account| account.a.tcp_flags | account.b.tcp_flags;
        let open_flags = self.others().iter().fold(flags(&self.account), |all, other| all | flags(other));
        let (earlier, later) = match piece_is_later {
            true => (open_flags, piece.tcp_flags()),
            false => (piece.tcp_flags(), open_flags),
        };
        // Within a direction times are exact; between directions they may only seem not to overlap.
        let skew = match self.account_of(piece.exporter_addr) {
            Some(account) if account.sent(side).flows != 0 => 0,
            Some(_) => SKEW,
            None => SKEW_OF_EXPORTERS,
        };
        gap > skew && earlier & (FIN | RST) != 0 && later & SYN != 0
    }

    /// Whether the exporter said nothing of this side yet.
    #[inline]
    pub(super) fn lacks(&self, exporter_addr: IpAddr, side: Side) -> bool {
        self.account_of(exporter_addr).is_none_or(|account| account.sent(side).flows == 0)
    }

    #[inline]
    fn account_of(&self, exporter_addr: IpAddr) -> Option<&Account> {
        match self.account.exporter_addr == exporter_addr {
            true => Some(&self.account),
            false => self.others().iter().find(|other| other.exporter_addr == exporter_addr),
        }
    }

    #[inline]
    pub(super) fn add(&mut self, piece: &Piece) -> Added {
        let side = piece.side;
        self.start = self.start.min(piece.start);
        self.end = self.end.max(piece.end);
        self.received_first = self.received_first.min(piece.received);
        self.received_last = self.received_last.max(piece.received);
        self.biflow |= piece.answered().is_some();
        self.events_only &= piece.is_event();
        let (source_as, destination_as) = match side {
            Side::A => (&mut self.a_as, &mut self.b_as),
            Side::B => (&mut self.b_as, &mut self.a_as),
        };
        if *source_as == 0 {
            *source_as = piece.src_as;
        }
        if *destination_as == 0 {
            *destination_as = piece.dst_as;
        }
        if let Some(rest) = piece.rest() {
            let initiator = |by_source| if by_source { side } else { side.other() };
            self.initiator = self.initiator.or(rest.by_source.map(initiator));
        }
        let seen = self.has(side);
        if self.account.exporter_addr == piece.exporter_addr {
            return self.account.add(piece);
        }
        let others = &mut self.more.get_or_insert_default().others;
        let room = others.len() + 1 < MAX_EXPORTERS;
        match others.iter_mut().find(|other| other.exporter_addr == piece.exporter_addr) {
            Some(other) => _ = other.add(piece),
            None if room => {
                let mut other = Account::new(piece);
                other.add(piece);
                others.push(other);
            }
            None => {}
        }
        if seen { Added::Merged } else { Added::Answer }
    }

    /// What kind of a connection becomes of it, and of how many packets, if that takes no choice between exporters.
    #[inline]
    pub(super) fn kind_and_packets(&self) -> Option<(Kind, u64)> {
        let (a, b) = (&self.account.a, &self.account.b);
        let kind = self.kind(a.flows != 0 && b.flows != 0);
        self.others().is_empty().then(|| (kind, a.packets.saturating_add(b.packets)))
    }

    const fn kind(&self, both: bool) -> Kind {
        match (both, self.biflow) {
            (true, true) => Kind::Biflow,
            (true, false) => Kind::Paired,
            (false, _) => Kind::OneWay,
        }
    }

    /// Has what is looked at when a piece comes read from memory; what it is does not matter.
    #[inline]
    pub(super) fn touch(&self) -> u32 {
        self.due ^ self.account.a.flows ^ self.account.b.flows ^ u32::from(self.b.port)
    }

    /// What became of it.
    ///
    /// The numbers are those of one exporter, since others counted the same packets: of one that saw both directions
    /// if one did, of those the one that sampled least, of those the one that counted most packets (what is lost on
    /// the way to the collector is missing, and nothing comes twice), of those the first. A direction that it did not
    /// see is taken from the best of the others.
    pub(super) fn connection(&self) -> Connection {
        let others = self.others();
        let mut best = &self.account;
        for other in others {
            if other.rank(None) > best.rank(None) {
                best = other;
            }
        }
        let mut split = false;
        let mut sent = |side: Side| {
            let own = best.sent(side);
            if own.flows != 0 || others.is_empty() {
                return own.traffic();
            }
            let all = std::iter::once(&self.account).chain(others);
            let fullest = all.filter(|account| account.sent(side).flows != 0).reduce(|best, other| {
                if other.rank(Some(side)) > best.rank(Some(side)) { other } else { best }
            });
            split |= fullest.is_some();
            fullest.map_or(own, |account| account.sent(side)).traffic()
        };
        let peer = |at: Endpoint, asn, sent| Peer { addr: at.addr, port: at.port, asn, sent };
        let (a, b) = (sent(Side::A), sent(Side::B));
        let kind = self.kind(a.flows != 0 && b.flows != 0);
        let seen_by = match others.is_empty() {
            true => Box::default(),
            false => {
                std::iter::once(&self.account).chain(others).map(|account| account.exporter_addr).collect()
            }
        };
        let translated = self.alias().map(|(key, turned)| match turned {
            true => Box::new([key.b, key.a]),
            false => Box::new([key.a, key.b]),
        });
        Connection {
            exporter_addr: best.exporter_addr,
            observation_domain_id: best.observation_domain_id,
            proto: self.proto,
            kind,
            a: peer(self.a, self.a_as, a),
            b: peer(self.b, self.b_as, b),
            opened_by: self.opened_by,
            initiator: self.initiator,
            received_first: self.received_first,
            received_last: self.received_last,
            time_quality: best.time_quality,
            sampling_rate: best.sampling_rate,
            seen_by,
            split,
            translated,
        }
    }
}

impl Account {
    #[inline]
    fn new(piece: &Piece) -> Self {
        Self {
            exporter_addr: piece.exporter_addr,
            observation_domain_id: piece.observation_domain_id,
            time_quality: piece.time_quality,
            sampling_rate: piece.sampling_rate,
            a: Sent::NOTHING,
            b: Sent::NOTHING,
            firewall: None,
        }
    }

    #[inline]
    const fn sent(&self, side: Side) -> &Sent {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// How good its numbers are, of one side or of both: more is better.
    fn rank(&self, side: Option<Side>) -> (bool, std::cmp::Reverse<u64>, u64) {
        let (complete, packets) = match side {
            Some(side) => (true, self.sent(side).packets),
            None => {
                let both = self.a.flows != 0 && self.b.flows != 0;
                (both, self.a.packets.saturating_add(self.b.packets))
            }
        };
        (complete, std::cmp::Reverse(self.sampling_rate), packets)
    }

    fn turn(&mut self) {
        std::mem::swap(&mut self.a, &mut self.b);
        if let Some(session) = &mut self.firewall {
            session.turn();
        }
    }

    #[inline]
    fn add(&mut self, piece: &Piece) -> Added {
        self.time_quality = worse(self.time_quality, piece.time_quality);
        self.sampling_rate = self.sampling_rate.max(piece.sampling_rate);
        let turned = matches!(piece.side, Side::B);
        let [source, destination] = match turned {
            false => [&mut self.a, &mut self.b],
            true => [&mut self.b, &mut self.a],
        };
        let added = match source.flows {
            0 => Added::Answer,
            _ if source.is_repeated_by(&piece.sent) => Added::Repeated,
            _ => Added::Further,
        };
        let answered = piece.answered();
        if let (Some(answer), Some(event)) = (answered, piece.rest().and_then(|rest| rest.firewall)) {
            let sums = [&mut *source, &mut *destination];
            FirewallSession::add(&mut self.firewall, event, turned, sums, [&piece.sent, answer]);
            return added;
        }
        match (&added, answered) {
            (Added::Repeated, _) => source.learn_interfaces(&piece.sent),
            (_, answer) => {
                source.add(&piece.sent);
                if let Some(answer) = answer {
                    destination.add(answer);
                }
            }
        }
        added
    }
}
