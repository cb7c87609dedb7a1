//! Shards: decoding, each with a session of its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use netflow_templates::{
    Context, DataSet, Exporter, MessageSink, Problem, Session, SessionStatistics, TemplateChange, Timestamp,
};

use netflow_wire::Message;

use crate::admission::SharedRules;
use crate::drops::Sockets;
use crate::observer::{Board, KnownTemplate, MAX_TEMPLATES};
use crate::receiver::{Arrival, Batch, Pool, Way};
use crate::report::{Account, Accounts, Counters, DomainReport, Drops, Event};
use crate::sequence::{SequenceTracker, Units};
use crate::state::Keeper;

mod streams;

use streams::StreamTotals;
pub(crate) use streams::StreamTrackers;

/// Exporters' domains that a shard keeps account of; more than any network has, fewer than a flood of
/// made-up addresses.
pub(crate) const MAX_DOMAINS: usize = 16_384;

/// Where a shard puts what it decodes.
pub trait Output: MessageSink + Send + 'static {
    /// An export packet ends: nothing more comes of it, unless a set of it has to wait.
    fn end_packet(&mut self);

    /// Hands on what was kept back; called at least once for each
    /// [flush interval](crate::Config::flush_interval), and at the end.
    fn flush(&mut self);

    /// Time goes on. Called before each packet, and now and then. When a window of time ends with that, it returns
    /// true, and [`end_window`](Self::end_window) is called.
    fn window_ends(&mut self, time: Time) -> bool {
        let _ = time;
        false
    }

    /// Ends a window. `accounts` says what was counted since the last one.
    fn end_window(&mut self, accounts: &Accounts) {
        let _ = accounts;
    }

    /// The shard is at its end: hands on what was kept back. `accounts` is that of the window that is open.
    fn end(&mut self, accounts: &Accounts) {
        let _ = accounts;
        self.flush();
    }
}

/// The time, as a shard knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// What is decoded next was received then.
    Received(Timestamp),
    /// There is nothing to decode; what comes was received then or later, as far as is known.
    Idle(Timestamp),
}

/// What a shard knows of the time when nothing comes.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    /// The system's clock: what was received a while ago has been handed on.
    Wall,
    /// Packets of a file that were received before this, in nanoseconds, have been handed on; [`NO_TIME`] before the
    /// first.
    File(Arc<AtomicI64>),
}

/// Nothing has been handed on.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// How long a datagram is on its way from a socket to its shard at most.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

impl Clock {
    fn now(&self) -> Option<Timestamp> {
        match self {
            Self::Wall => {
                let on_its_way = ON_ITS_WAY.as_nanos() as i64;
                Some(Timestamp::from(SystemTime::now()).saturating_add_nanos(-on_its_way))
            }
            Self::File(time) => match time.load(Ordering::Acquire) {
                NO_TIME => None,
                nanos => Some(Timestamp::from_nanos(nanos)),
            },
        }
    }
}

/// What a shard says at its end, and publishes meanwhile.
#[derive(Debug, Default)]
pub(crate) struct ShardReport {
    pub(crate) session: SessionStatistics,
    pub(crate) waiting: (usize, usize),
    pub(crate) domains: Vec<DomainReport>,
    pub(crate) faulty: u64,
    pub(crate) untracked: u64,
}

/// One decoding thread.
pub(crate) struct Shard<O> {
    pub(crate) session: Session,
    pub(crate) output: O,
    pub(crate) batches: Receiver<Batch>,
    pub(crate) pool: Pool,
    pub(crate) counters: Arc<Counters>,
    pub(crate) events: Sender<Event>,
    pub(crate) flush_interval: Duration,
    pub(crate) packet_events: bool,
    pub(crate) limit: Option<Limit>,
    pub(crate) clock: Clock,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) trackers: StreamTrackers,
    pub(crate) board: Arc<Board>,
    pub(crate) is_observed: bool,
    pub(crate) list_templates: bool,
    pub(crate) sockets: Sockets,
    pub(crate) rules: Arc<SharedRules>,
}

/// Ends the collector after so many packets.
#[derive(Clone)]
pub(crate) struct Limit {
    pub(crate) packets: u64,
    pub(crate) taken: Arc<AtomicU64>,
    pub(crate) decoded: Arc<AtomicU64>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Limit {
    /// Whether one more packet may be decoded.
    fn take(&self) -> bool {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed) < self.packets;
        if !taken {
            self.give_back();
        }
        taken
    }

    /// Gives back what a datagram took that was no export packet.
    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an export packet; after the last, the collector is told to stop.
    fn decoded(&self) {
        if self.decoded.fetch_add(1, Ordering::Relaxed) + 1 >= self.packets {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

pub(crate) type DomainKey = (IpAddr, u32, u16);

/// What is kept of one exporter's domain.
#[derive(Default)]
struct Domain {
    packets: u64,
    flows: u64,
    undecoded_sets: u64,
    tracker: SequenceTracker,
    /// What the trackers of its connections tell.
    streams: StreamTotals,
    first: Timestamp,
    last: Timestamp,
    /// What the last account said.
    told: Option<DomainReport>,
}

type Domains = HashMap<DomainKey, Domain>;

impl Domain {
    fn report(&self, (exporter, domain, version): DomainKey) -> DomainReport {
        DomainReport {
            exporter,
            domain,
            version,
            packets: self.packets,
            flows: self.flows,
            undecoded_sets: self.undecoded_sets,
            sequence: streams::sum(self.tracker.totals(), &self.streams.totals),
            convention: match self.streams.convention {
                Some(convention) if self.tracker.totals().packets == 0 => convention,
                _ => self.tracker.convention(),
            },
            first_received: self.first,
            last_received: self.last,
        }
    }
}

fn trackers(domains: &Domains) -> impl Iterator<Item = (DomainKey, &SequenceTracker)> {
    // Those of connections end with them. One that was restored has seen no packet yet, either.
    let is_of_streams =
        |domain: &Domain| domain.tracker.totals().packets == 0 && domain.streams.totals.packets > 0;
    let of_datagrams = domains.iter().filter(move |(_, domain)| !is_of_streams(domain));
    of_datagrams.map(|(&key, domain)| (key, &domain.tracker))
}

/// The templates that were listed last: how many were learned then, and how many there were.
#[derive(Default)]
struct Listed {
    changes: (u64, usize),
    when: Option<Instant>,
}

/// When templates are listed again that did not change: they may have been sent once more.
const LIST_AGAIN: Duration = Duration::from_secs(10);

impl<O: Output> Shard<O> {
    /// Decodes until the receivers are gone.
    pub(crate) fn run(mut self) -> ShardReport {
        let mut domains = Domains::new();
        let (mut faulty, mut untracked) = (0, 0);
        let mut flushed = Instant::now();
        let (mut rules, mut listed) = (1, Listed::default());
        loop {
            let mut wait = self.flush_interval.saturating_sub(flushed.elapsed());
            if let Some(keeper) = &mut self.keeper {
                keeper.keep(&self.session, trackers(&domains));
                wait = wait.min(keeper.wait(&self.session));
            }
            match self.batches.recv_timeout(wait) {
                Ok(batch) => {
                    self.board.waiting.store(self.batches.len(), Ordering::Relaxed);
                    for (source, arrival, octets) in batch.iter() {
                        self.time(Time::Received(arrival.time), &mut domains);
                        if let Way::EndOfStream(stream) = arrival.way {
                            self.session.end_stream(stream);
                            self.trackers.end(stream);
                            continue;
                        }
                        // A datagram should have one IPFIX message; what some put behind it is decoded too, or counted.
                        let mut next = Some(octets);
                        while let Some(octets) = next {
                            let length = self.packet(
                                source.into(),
                                arrival,
                                octets,
                                &mut domains,
                                &mut faulty,
                                &mut untracked,
                            );
                            next = length.and_then(|length| Message::following(octets, length));
                        }
                    }
                    self.pool.give(batch);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // The time first: what comes behind this look at the queue was received later.
            let now = self.clock.now();
            if let (true, Some(now)) = (self.batches.is_empty(), now) {
                self.time(Time::Idle(now), &mut domains);
            }
            if flushed.elapsed() >= self.flush_interval {
                self.output.flush();
                if let Some(rules) = self.rules.changed(&mut rules) {
                    self.session.set_limits(rules.limits);
                }
                if self.is_observed {
                    self.publish(&domains, faulty, untracked, &mut listed);
                }
                flushed = Instant::now();
            }
        }
        let accounts = self.accounts(&mut domains);
        self.output.end(&accounts);
        if let Some(keeper) = self.keeper.take() {
            keeper.finish(&self.session, trackers(&domains));
        }
        self.report(&domains, faulty, untracked, Vec::new())
    }

    /// What was counted since the last accounts.
    fn accounts(&self, domains: &mut Domains) -> Accounts {
        let exporters = domains.iter_mut().filter_map(|(&key, domain)| {
            let now = domain.report(key);
            let before = domain.told.replace(now).unwrap_or_else(|| Domain::default().report(key));
            (now.packets > before.packets).then(|| Account::between(&before, &now))
        });
        // Before the first packet there is no window that they could be told of: another thread tells them, or this one later.
        let exporters: Vec<_> = exporters.collect();
        let drops =
            if domains.is_empty() { Drops::default() } else { self.sockets.since_told(&self.counters) };
        Accounts { exporters, drops }
    }

    /// What was counted so far; `reports` are overwritten.
    fn report(
        &self,
        domains: &Domains,
        faulty: u64,
        untracked: u64,
        mut reports: Vec<DomainReport>,
    ) -> ShardReport {
        reports.clear();
        reports.extend(domains.iter().map(|(&key, domain)| domain.report(key)));
        ShardReport {
            session: self.session.statistics(),
            waiting: self.session.waiting(),
            domains: reports,
            faulty,
            untracked,
        }
    }

    /// Says how it goes to whoever asks.
    fn publish(&self, domains: &Domains, faulty: u64, untracked: u64, listed: &mut Listed) {
        let mut published = self.board.lock();
        let reports = std::mem::take(&mut published.report.domains);
        published.report = self.report(domains, faulty, untracked, reports);
        published.template_count = self.session.templates();
        published.template_octets = self.session.template_octets();
        let changes = (published.report.session.templates, published.template_count);
        let old = listed.when.is_none_or(|when| when.elapsed() >= LIST_AGAIN);
        if self.list_templates && (changes != listed.changes || old) {
            *listed = Listed { changes, when: Some(Instant::now()) };
            let known = self.session.known_templates().map(|(exporter, domain, version, plan, refreshed)| {
                KnownTemplate { exporter, domain, version, refreshed, plan: Arc::clone(plan) }
            });
            published.templates.clear();
            published.templates.extend(known.take(MAX_TEMPLATES));
        }
    }

    fn time(&mut self, time: Time, domains: &mut Domains) {
        if self.output.window_ends(time) {
            let accounts = self.accounts(domains);
            self.output.end_window(&accounts);
        }
    }

    /// Decodes an export packet; returns its length, unless it was none.
    fn packet(
        &mut self,
        exporter: Exporter,
        arrival: Arrival,
        octets: &[u8],
        domains: &mut Domains,
        faulty: &mut u64,
        untracked: &mut u64,
    ) -> Option<usize> {
        if self.limit.as_ref().is_some_and(|limit| !limit.take()) {
            return None;
        }
        let mut sink = Counting { output: &mut self.output, events: &self.events, seen: Seen::default() };
        let received = arrival.time;
        let stream = match arrival.way {
            Way::Stream(stream) => Some(stream),
            _ => None,
        };
        let decoded = match stream {
            Some(stream) => self.session.decode_of_stream(stream, exporter, received, octets, &mut sink),
            None => self.session.decode(exporter, received, octets, &mut sink),
        };
        let seen = sink.seen;
        let length = match decoded {
            Ok(length) => length,
            Err(error) => {
                Counters::add(&self.counters.malformed, 1);
                let _ = self.events.try_send(Event::Malformed { exporter, error });
                if let Some(limit) = &self.limit {
                    limit.give_back();
                }
                return None;
            }
        };
        self.output.end_packet();
        if let Some(limit) = &self.limit {
            limit.decoded();
        }
        Counters::add(&self.counters.decoded, 1);
        Counters::add(&self.counters.flows, (seen.flows + seen.late_flows) as usize);
        *faulty += u64::from(seen.faulty);
        let key = (exporter.address, seen.domain, seen.version);
        if domains.len() < MAX_DOMAINS || domains.contains_key(&key) {
            let domain = domains.entry(key).or_insert_with(|| {
                let tracker = self.keeper.as_mut().map(|keeper| keeper.tracker(key)).unwrap_or_default();
                Domain { tracker, first: received, ..Domain::default() }
            });
            domain.last = received;
            domain.packets += 1;
            domain.flows += seen.flows + seen.late_flows;
            domain.undecoded_sets += seen.undecoded_sets;
            if let Some(sequence) = seen.sequence {
                let units = Units { records: seen.flows as u32, options: seen.options as u32 };
                let units = (!seen.uncounted).then_some(units);
                if let Some(stream) = stream {
                    let key = (stream, seen.domain);
                    self.trackers.observe(key, sequence, units, received, &mut domain.streams);
                } else {
                    domain.tracker.observe(seen.version, sequence, units, received, seen.uptime);
                }
            }
        } else {
            *untracked += 1;
        }
        if self.packet_events {
            let (version, flows) = (seen.version, seen.flows + seen.late_flows);
            let _ = self.events.try_send(Event::Packet { exporter, octets: length, version, flows });
        }
        Some(length)
    }
}

/// What was in one packet.
#[derive(Default)]
struct Seen {
    version: u16,
    domain: u32,
    sequence: Option<u32>,
    uptime: Option<u32>,
    flows: u64,
    late_flows: u64,
    options: u64,
    undecoded_sets: u64,
    /// Some records could not be counted.
    uncounted: bool,
    faulty: bool,
}

/// Counts what goes to the output.
struct Counting<'a, O> {
    output: &'a mut O,
    events: &'a Sender<Event>,
    seen: Seen,
}

impl<O: Output> MessageSink for Counting<'_, O> {
    fn packet(&mut self, context: &Context<'_>) {
        self.seen.version = context.header.version();
        self.seen.domain = context.domain();
        self.seen.sequence = context.header.sequence();
        self.seen.uptime = context.header.uptime_millis();
        self.output.packet(context);
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        let flows = if context.late { &mut self.seen.late_flows } else { &mut self.seen.flows };
        *flows += set.len() as u64;
        self.output.data(context, set);
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        if !context.late {
            self.seen.options += set.len() as u64;
        }
        self.output.options(context, set);
    }

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        self.output.template(context, change);
    }

    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        self.seen.faulty |= problem.is_malformed();
        self.seen.undecoded_sets += u64::from(matches!(problem, Problem::MissingTemplate { .. }));
        self.seen.uncounted |= problem.is_malformed() || matches!(problem, Problem::MissingTemplate { .. });
        let (exporter, domain) = (context.exporter, context.domain());
        let _ = self.events.try_send(Event::Problem { exporter, domain, problem });
        self.output.problem(context, problem);
    }
}
