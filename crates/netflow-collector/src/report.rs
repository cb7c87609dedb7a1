//! What a collector counts and tells.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netflow_capture::{CaptureError, CaptureStatistics, IpfixFileStatistics};
use netflow_templates::{Exporter, Problem, SessionStatistics, Timestamp};
use netflow_wire::WireError;

use crate::admission::Denial;
use crate::sequence::{Convention, SequenceTotals};
use crate::shard::ShardReport;
use crate::state::StateEvent;
use crate::stream::{Closing, Refusal, StreamReport};

/// Something that happened, told while the collector runs. Events are dropped when nobody takes them; the
/// [`Report`] counts all.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A packet was decoded; only when asked for by [`Config::packet_events`](crate::Config::packet_events).
    Packet {
        /// Who sent it.
        exporter: Exporter,
        /// Its octets.
        octets: usize,
        /// Its version.
        version: u16,
        /// Flow records decoded, those of earlier packets included that had to wait.
        flows: u64,
    },
    /// A datagram could not be decoded at all.
    Malformed {
        /// Who sent it.
        exporter: Exporter,
        /// Why.
        error: WireError,
    },
    /// Something was wrong within a packet.
    Problem {
        /// Who sent it.
        exporter: Exporter,
        /// Observation domain.
        domain: u32,
        /// What was wrong.
        problem: Problem,
    },
    /// Datagrams of an exporter are refused by the [`Rules`](crate::Rules).
    Denied {
        /// Who sent them.
        exporter: IpAddr,
        /// Why.
        refusal: Denial,
    },
    /// The capture could not be read to its end.
    Capture(CaptureError),
    /// State was restored, or could not be read or written.
    State(StateEvent),
    /// A connection was taken.
    Opened {
        /// Who connected.
        exporter: Exporter,
    },
    /// A connection was refused.
    Refused {
        /// Who wanted to connect.
        exporter: Exporter,
        /// Why.
        reason: Refusal,
    },
    /// A connection has ended.
    Closed {
        /// Who had connected.
        exporter: Exporter,
        /// Why.
        reason: Closing,
        /// Messages that came.
        messages: u64,
    },
    /// A socket failed.
    Socket {
        /// Address that it is bound to.
        address: SocketAddr,
        /// The system's error.
        error: std::io::Error,
    },
}

/// Counts that grow while the collector runs.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) received: AtomicU64,
    pub(crate) received_octets: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) dropped_octets: AtomicU64,
    pub(crate) not_allowed: AtomicU64,
    pub(crate) too_fast: AtomicU64,
    pub(crate) decoded: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) flows: AtomicU64,
    streams: Mutex<StreamReport>,
    /// Names of threads that failed.
    failed: Mutex<Vec<String>>,
}

/// To be held by a thread: notes when it fails.
pub(crate) struct Watched {
    name: String,
    counters: Arc<Counters>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.counters.failed).push(std::mem::take(&mut self.name));
        }
    }
}

/// Counts of a thread that failed are as good as they were.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, more: usize) {
        counter.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// What became of connections up to now; `count` may add to it.
    pub(crate) fn streams<T>(&self, count: impl FnOnce(&mut StreamReport) -> T) -> T {
        count(&mut lock(&self.streams))
    }

    /// Notes it when the thread of this name fails.
    pub(crate) fn watch(self: &Arc<Self>, name: &str) -> Watched {
        Watched { name: name.to_owned(), counters: Arc::clone(self) }
    }

    /// Names of threads that failed so far.
    pub(crate) fn failed_threads(&self) -> Vec<String> {
        lock(&self.failed).clone()
    }

    /// Counts datagrams that no shard takes.
    pub(crate) fn count_dropped(&self, datagrams: usize, octets: usize) {
        Self::add(&self.dropped, datagrams);
        Self::add(&self.dropped_octets, octets);
    }

    pub(crate) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// What became of everything that was sent to a collector.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Datagrams, and messages of connections, that were received.
    pub received: u64,
    /// Their octets.
    pub received_octets: u64,
    /// Datagrams that were dropped since the shards did not keep up, or had failed.
    pub dropped: u64,
    /// Their octets.
    pub dropped_octets: u64,
    /// Datagrams of exporters that are not listened to.
    pub not_allowed: u64,
    /// Datagrams of exporters that sent more than they may.
    pub too_fast: u64,
    /// Datagrams that the kernel dropped since the receive buffer was full; `None` when the system does not
    /// tell.
    pub kernel_dropped: Option<u64>,
    /// Datagrams that were no export packets at all.
    pub malformed: u64,
    /// Export packets with something wrong in them; the rest of each was decoded.
    pub faulty: u64,
    /// What the sessions of all shards did.
    pub session: SessionStatistics,
    /// Data sets that still waited for their template at the end.
    pub waiting_sets: u64,
    /// Octets that these take.
    pub waiting_octets: u64,
    /// For each exporter, observation domain and version, in this order.
    pub domains: Vec<DomainReport>,
    /// Exporters' domains that were too many to keep account of.
    pub untracked_packets: u64,
    /// What was in the capture, if packets came from one.
    pub capture: Option<CaptureStatistics>,
    /// What was in the file of IPFIX messages, if packets came from one.
    pub ipfix_file: Option<IpfixFileStatistics>,
    /// Whether the capture or file could not be read to its end.
    pub capture_failed: bool,
    /// Whether the last state could not be written; false when none was to be.
    pub state_failed: bool,
    /// What became of connections.
    pub streams: StreamReport,
    /// Names of threads that failed, which is an error of this program. What they had not handed on is lost, and
    /// the counts here lack theirs.
    pub failed_threads: Vec<String>,
}

/// What came from one exporter and observation domain.
#[derive(Debug, Clone, Copy)]
pub struct DomainReport {
    /// Address of the exporter.
    pub exporter: IpAddr,
    /// Observation domain.
    pub domain: u32,
    /// Version of the export protocol.
    pub version: u16,
    /// Export packets.
    pub packets: u64,
    /// Flow records.
    pub flows: u64,
    /// Data sets that came before their template.
    pub undecoded_sets: u64,
    /// What sequence numbers tell about loss; in packets for v9, in records for the others.
    pub sequence: SequenceTotals,
    /// How the exporter counts.
    pub convention: Convention,
    /// Receive time of the first export packet.
    pub first_received: Timestamp,
    /// Receive time of the last one.
    pub last_received: Timestamp,
}

impl DomainReport {
    /// Whether sequence numbers tell about loss, once it is known how the exporter counts. Where they do not, zero
    /// lost does not mean none.
    pub fn loss_is_known(&self) -> bool {
        tells_loss(self.version, self.convention)
    }
}

/// NetFlow v1 has no sequence numbers.
fn tells_loss(version: u16, convention: Convention) -> bool {
    version != 1 && convention.tells_loss()
}

/// What was counted of one exporter and observation domain while a window of time was open.
///
/// What sequence numbers tell may be less than nothing: a packet that was counted as lost came in a later window,
/// or the exporter's way of counting turned out to be another one. The sum over all windows is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Address of the exporter.
    pub exporter: IpAddr,
    /// Observation domain.
    pub domain: u32,
    /// Version of the export protocol.
    pub version: u16,
    /// Export packets.
    pub packets: u64,
    /// Flow records.
    pub flows: u64,
    /// Data sets that came before their template.
    pub undecoded_sets: u64,
    /// Units that were sent; packets for v9, records for the others.
    pub expected: i64,
    /// Units that arrived.
    pub received: i64,
    /// Units that did not.
    pub lost: i64,
    /// Units that were sent before, while nobody listened: between the last packet of an earlier run and the first.
    pub missed: u64,
    /// Packets that arrived more than once.
    pub duplicates: u64,
    /// Packets that arrived late.
    pub reordered: u64,
    /// Times that the exporter began to count anew.
    pub restarts: u64,
    /// How the exporter counts.
    pub convention: Convention,
}

/// Datagrams that were dropped before anybody knew whose they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drops {
    /// By the kernel, since the receive buffer of a socket was full: its address, and how many. An address may come
    /// several times.
    pub kernel: Vec<(SocketAddr, u64)>,
    /// In front of decoding threads that did not keep up.
    pub queue: u64,
}

impl Drops {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kernel.is_empty() && self.queue == 0
    }
}

/// What was counted while a window of time was open.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    /// Of each exporter and domain that sent something.
    pub exporters: Vec<Account>,
    /// What was dropped, and not told in another window.
    pub drops: Drops,
}

impl Accounts {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.exporters.is_empty() && self.drops.is_empty()
    }

    /// Octets of memory, about.
    pub(crate) fn octets(&self) -> usize {
        size_of_val(&self.exporters[..]) + size_of_val(&self.drops.kernel[..])
    }

    /// Adds those of another thread.
    pub(crate) fn add(&mut self, other: Self) {
        self.exporters.extend(other.exporters);
        self.drops.queue += other.drops.queue;
        self.drops.kernel.extend(other.drops.kernel);
    }
}

impl Account {
    /// As [`DomainReport::loss_is_known`].
    pub fn loss_is_known(&self) -> bool {
        tells_loss(self.version, self.convention)
    }

    /// What was counted between two reports about the same domain.
    pub(crate) fn between(before: &DomainReport, after: &DomainReport) -> Self {
        let (old, new) = (&before.sequence, &after.sequence);
        let more = |old: u64, new: u64| new.saturating_sub(old);
        let signed = |old: u64, new: u64| new.wrapping_sub(old) as i64;
        Self {
            exporter: after.exporter,
            domain: after.domain,
            version: after.version,
            packets: more(before.packets, after.packets),
            flows: more(before.flows, after.flows),
            undecoded_sets: more(before.undecoded_sets, after.undecoded_sets),
            expected: signed(old.expected, new.expected),
            received: signed(old.received, new.received),
            lost: signed(old.lost, new.lost),
            missed: more(old.missed, new.missed),
            duplicates: more(old.duplicates, new.duplicates),
            reordered: more(old.reordered, new.reordered),
            restarts: more(old.restarts, new.restarts),
            convention: after.convention,
        }
    }
}

impl Report {
    /// Adds what a shard says.
    pub(crate) fn add_shard(&mut self, shard: &ShardReport) {
        self.add_session(&shard.session);
        self.waiting_sets += shard.waiting.0 as u64;
        self.waiting_octets += shard.waiting.1 as u64;
        self.faulty += shard.faulty;
        self.untracked_packets += shard.untracked;
        self.domains.extend_from_slice(&shard.domains);
    }

    /// Fills in what is counted for all threads together.
    pub(crate) fn add_counters(&mut self, counters: &Counters) {
        self.domains.sort_by_key(|domain| (domain.exporter, domain.domain, domain.version));
        self.received = Counters::get(&counters.received);
        self.received_octets = Counters::get(&counters.received_octets);
        self.dropped = Counters::get(&counters.dropped);
        self.dropped_octets = Counters::get(&counters.dropped_octets);
        self.not_allowed = Counters::get(&counters.not_allowed);
        self.too_fast = Counters::get(&counters.too_fast);
        self.malformed = Counters::get(&counters.malformed);
        self.streams = counters.streams(|report| report.clone());
        self.failed_threads = counters.failed_threads();
    }

    /// Adds the counts of another shard's session.
    fn add_session(&mut self, other: &SessionStatistics) {
        let sum = &mut self.session;
        sum.packets += other.packets;
        sum.records += other.records;
        sum.options_records += other.options_records;
        sum.templates += other.templates;
        sum.undecoded_sets += other.undecoded_sets;
        sum.late_sets += other.late_sets;
        sum.given_up_sets += other.given_up_sets;
        sum.given_up_octets += other.given_up_octets;
        sum.refused_options += other.refused_options;
        sum.given_up_options += other.given_up_options;
        sum.problems += other.problems;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_unknown_until_it_is_known_how_the_exporter_counts() {
        assert!(!tells_loss(9, Convention::Unknown) && !tells_loss(10, Convention::Other));
    }
}
