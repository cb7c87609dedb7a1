//! What waits for one target.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::outlet::Outlet;
use super::{Prefix, TargetReport, lock};
use crate::batch::{Batch, Pool};

/// Octets that wait when it is time to hurry. Without a hurry what is captured on this machine is what was
/// sent; but losing nothing comes first.
const HURRY: u64 = 1 << 20;

/// The way of batches to the thread of one target.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    sender: Sender<Arc<Batch>>,
    counters: Arc<TargetCounters>,
    most_octets: u64,
    from: Vec<Prefix>,
}

/// What became of the copies for one target.
#[derive(Debug, Default)]
pub(super) struct TargetCounters {
    /// Octets that wait.
    waiting: AtomicU64,
    sent: AtomicU64,
    sent_octets: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
    filtered: AtomicU64,
    refused: AtomicU64,
    error: Mutex<Option<String>>,
}

impl TargetCounters {
    pub(super) fn report(&self, address: SocketAddr) -> TargetReport {
        TargetReport {
            address,
            sent: get(&self.sent),
            sent_octets: get(&self.sent_octets),
            lost: get(&self.lost),
            dropped: get(&self.dropped),
            filtered: get(&self.filtered),
            refused: get(&self.refused),
            error: lock(&self.error).clone(),
        }
    }
}

impl Queue {
    pub(super) fn new(
        sender: Sender<Arc<Batch>>,
        counters: Arc<TargetCounters>,
        most_octets: usize,
        from: Vec<Prefix>,
    ) -> Self {
        Self { sender, counters, most_octets: most_octets as u64, from }
    }

    /// Puts a batch into the queue. When there is no room it is dropped for this target, and counted.
    pub(super) fn offer(&self, batch: &Arc<Batch>) {
        let counters = &self.counters;
        let octets = batch.octets() as u64;
        // Of a batch alone, however large, there is always room.
        let waiting = counters.waiting.fetch_add(octets, Ordering::Relaxed);
        let room = waiting == 0 || waiting + octets <= self.most_octets;
        if room && self.sender.try_send(Arc::clone(batch)).is_ok() {
            return;
        }
        counters.waiting.fetch_sub(octets, Ordering::Relaxed);
        let wanted = batch.iter().filter(|(source, ..)| is_wanted(&self.from, *source)).count();
        add(&counters.dropped, wanted);
        add(&counters.filtered, batch.len() - wanted);
    }
}

/// Until when to send what waits, once that is known: behind it, what is left is dropped.
pub(super) type Deadline = OnceLock<Instant>;

fn is_over(deadline: &Deadline) -> bool {
    deadline.get().is_some_and(|until| Instant::now() >= *until)
}

/// Sends all batches of a queue, until nobody puts any into it.
pub(super) fn send_all(
    batches: &Receiver<Arc<Batch>>,
    from: &[Prefix],
    outlet: &mut Outlet,
    counters: &TargetCounters,
    pool: &Pool,
    deadline: &Deadline,
) {
    for batch in batches {
        let (mut filtered, mut dropped) = (0, 0);
        let wanted = batch.iter().filter(|(source, ..)| {
            let wanted = is_wanted(from, *source);
            filtered += usize::from(!wanted);
            let late = wanted && is_over(deadline);
            dropped += usize::from(late);
            wanted && !late
        });
        let hurry = get(&counters.waiting) >= HURRY;
        let sent = outlet.send(wanted.map(|(source, _, payload)| (source, payload)), hurry);
        let more = sent.statistics;
        add(&counters.sent, more.sent as usize);
        add(&counters.sent_octets, more.sent_octets as usize);
        add(&counters.lost, more.lost as usize);
        add(&counters.refused, more.refused as usize);
        add(&counters.filtered, filtered);
        add(&counters.dropped, dropped);
        if let Some(error) = sent.error {
            *lock(&counters.error) = Some(error.to_string());
        }
        counters.waiting.fetch_sub(batch.octets() as u64, Ordering::Relaxed);
        give_back(batch, pool);
    }
}

/// Gives a batch back when nobody else needs it.
pub(super) fn give_back(batch: Arc<Batch>, pool: &Pool) {
    if let Some(batch) = Arc::into_inner(batch) {
        pool.give(batch);
    }
}

fn is_wanted(from: &[Prefix], source: SocketAddr) -> bool {
    from.is_empty() || from.iter().any(|prefix| prefix.contains(source.ip()))
}

pub(super) fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

pub(super) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
