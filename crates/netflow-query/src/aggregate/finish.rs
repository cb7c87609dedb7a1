//! The largest groups of what all threads counted.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};
use std::thread;

use foldhash::fast::RandomState;
use netflow_templates::Timestamp;

use super::groups::{Groups, Hashing, Record};
use super::interner::Interner;
use super::layout::{Layout, MOST_WORDS};
use super::partial::{Partial, Sized};
use super::partition::{PARTITION_BITS, Partition, Table};
use super::spill::Spill;
use super::value::KeyValue;
use super::{Measure, Shared, Totals};
use crate::error::Error;

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// Names of the keys.
    pub keys: Vec<String>,
    /// The largest groups, the largest first.
    pub groups: Vec<Group>,
    /// How many groups there are in all.
    pub count: u64,
    /// All flows that were counted.
    pub total: Totals,
    /// All flows of each step of time, in order, where groups are divided into steps.
    pub steps: Vec<Step>,
    /// Records that were counted: flows, unless some are aggregates of several.
    pub records: u64,
    /// Octets of groups that were written to temporary files, since they did not fit in memory.
    pub spilled: u64,
    /// What is counted as [`KeyValue::Other`], since there were more different addresses or texts than are kept: no
    /// group that is not shown, and none that is, lacks more than this.
    pub other: Totals,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Values of the keys, in their order.
    pub keys: Vec<KeyValue>,
    /// What was counted.
    pub totals: Totals,
    /// The same for each step of time in which there were flows, where groups are divided.
    pub steps: Vec<Step>,
}

/// What there was in a step of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// When it begins.
    pub start: Timestamp,
    /// What was counted.
    pub totals: Totals,
}

pub(super) fn finish(
    shared: &Shared,
    partials: Vec<Partial>,
    by: Measure,
    limit: usize,
) -> Result<Top, Error> {
    let mut top = Top {
        keys: shared.keys.iter().map(|key| key.name().to_owned()).collect(),
        groups: Vec::new(),
        count: 0,
        total: Totals::default(),
        steps: Vec::new(),
        records: 0,
        spilled: 0,
        other: Totals::default(),
    };
    if shared.layout.series {
        top.keys.pop();
    }
    let (mut one, mut two, mut three, mut four, mut most) = Default::default();
    for partial in end(partials)? {
        top.total.add(partial.total);
        top.records += partial.records;
        match partial.groups {
            Sized::One(groups) => Vec::push(&mut one, groups),
            Sized::Two(groups) => Vec::push(&mut two, groups),
            Sized::Three(groups) => Vec::push(&mut three, groups),
            Sized::Four(groups) => Vec::push(&mut four, groups),
            Sized::Most(groups) => Vec::push(&mut most, groups),
        }
    }
    let interner = shared.interner();
    let found = Found { shared, interner: &interner, by, limit };
    match shared.layout.words {
        1 => found.of::<1>(one, &mut top),
        2 => found.of::<2>(two, &mut top),
        3 => found.of::<3>(three, &mut top),
        4 => found.of::<4>(four, &mut top),
        _ => found.of::<MOST_WORDS>(most, &mut top),
    }?;
    Ok(top)
}

/// Ends the counting, on all threads.
fn end(mut partials: Vec<Partial>) -> Result<Vec<Partial>, Error> {
    thread::scope(|scope| {
        let mut partials = partials.iter_mut();
        let own = partials.next();
        let others: Vec<_> = partials.map(|partial| scope.spawn(|| partial.end())).collect();
        let own = own.map_or(Ok(()), Partial::end);
        let join = |thread: thread::ScopedJoinHandle<'_, Result<(), Error>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        others.into_iter().map(join).fold(own, Result::and)
    })?;
    Ok(partials)
}

/// How groups are found.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    shared: &'a Shared,
    interner: &'a Interner,
    by: Measure,
    limit: usize,
}

/// A group that may be among the largest. One is "greater" when it goes first.
#[derive(Debug)]
struct Candidate<'a, const K: usize> {
    of: Found<'a>,
    record: Record<K>,
    steps: Vec<(u64, Totals)>,
    partition: usize,
}

impl<const K: usize> Candidate<'_, K> {
    fn values(&self) -> Vec<KeyValue> {
        self.of.shared.layout.values(&self.record.key, self.of.interner)
    }
}

impl<const K: usize> Ord for Candidate<'_, K> {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |candidate: &Self| candidate.record.totals.rank(self.of.by);
        // The numbers of values depend on which thread was first, the values do not.
        rank(self).cmp(&rank(other)).then_with(|| other.values().cmp(&self.values()))
    }
}

impl<const K: usize> PartialOrd for Candidate<'_, K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const K: usize> PartialEq for Candidate<'_, K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<const K: usize> Eq for Candidate<'_, K> {}

/// What one thread found.
struct Share<'a, const K: usize> {
    /// The smallest of the largest on top.
    heap: BinaryHeap<std::cmp::Reverse<Candidate<'a, K>>>,
    /// What a group has to have at least, to be among the largest.
    least: u64,
    count: u64,
    other: Totals,
    steps: Table<1>,
}

impl<'a> Found<'a> {
    fn of<const K: usize>(self, threads: Vec<Groups<K>>, top: &mut Top) -> Result<(), Error> {
        let count = threads.len().max(1);
        let (mut partitions, mut spills) = (Vec::new(), Vec::new());
        for mut groups in threads {
            partitions.push(
                std::mem::take(&mut groups.partitions)
                    .into_iter()
                    .map(|one| Mutex::new(Some(one)))
                    .collect::<Vec<_>>(),
            );
            top.spilled += groups.spill.as_ref().map_or(0, Spill::octets);
            spills.extend(groups.spill.take().map(Mutex::new));
        }
        let next = AtomicUsize::new(0);
        let work = || -> Result<Share<'a, K>, Error> {
            let mut share = Share {
                heap: BinaryHeap::new(),
                least: 0,
                count: 0,
                other: Totals::default(),
                steps: Table::default(),
            };
            share.steps.reset(0);
            let (mut table, mut whole) = (Table::default(), Table::default());
            loop {
                let at = next.fetch_add(1, Atomic::Relaxed);
                if at >= 1 << PARTITION_BITS {
                    return Ok(share);
                }
                let own: Vec<Partition<K>> =
                    partitions.iter().filter_map(|thread| lock(&thread[at]).take()).collect();
                self.add_up(at, own, &spills, &mut table)?;
                self.largest(at, &table, &mut whole, &mut share);
            }
        };
        let shares = thread::scope(|scope| {
            let others: Vec<_> = (1..count).map(|_| scope.spawn(work)).collect();
            let mut shares = vec![work()];
            for thread in others {
                shares.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            shares
        });
        let mut candidates = Vec::new();
        let mut steps = Table::default();
        steps.reset(0);
        let hashing = self.hashing(false);
        for share in shares {
            let share = share?;
            candidates.extend(share.heap.into_iter().map(|candidate| candidate.0));
            top.count += share.count;
            top.other.add(share.other);
            share.steps.records().for_each(|&record| steps.add(record, &hashing));
        }
        candidates.sort_by(|one, other| other.cmp(one));
        candidates.truncate(self.limit);
        top.groups = candidates.into_iter().map(|candidate| self.group(candidate)).collect();
        let steps = steps.records().map(|record| (record.key[0], record.totals)).collect();
        top.steps = self.steps(steps);
        Ok(())
    }

    fn hashing(&self, series: bool) -> Hashing {
        Hashing { seed: self.shared.seed.clone(), series }
    }

    /// Adds up the groups of a partition.
    fn add_up<const K: usize>(
        &self,
        at: usize,
        own: Vec<Partition<K>>,
        spills: &[Mutex<Spill>],
        table: &mut Table<K>,
    ) -> Result<(), Error> {
        let hashing = self.hashing(self.shared.layout.series);
        let spilled = spills.iter().map(|spill| lock(spill).records(at)).max().unwrap_or(0);
        table.reset(own.iter().map(Partition::len).sum::<usize>().max(spilled));
        for mut partition in own {
            partition.drain(|record| table.add(record, &hashing));
        }
        for spill in spills {
            lock(spill).read(at, |record| table.add(record, &hashing))?;
        }
        Ok(())
    }

    /// Keeps the largest groups of a partition.
    fn largest<const K: usize>(
        self,
        at: usize,
        table: &Table<K>,
        whole: &mut Table<K>,
        share: &mut Share<'a, K>,
    ) {
        if !self.shared.layout.series {
            share.count += table.len() as u64;
            for record in table.records() {
                self.offer(at, *record, share);
            }
            return;
        }
        let (hashing, of_steps) = (self.hashing(true), self.hashing(false));
        whole.reset(table.len() / 4);
        for record in table.records() {
            let mut group = *record;
            group.key[K - 1] = 0;
            whole.add(group, &hashing);
            share.steps.add(Record { key: [record.key[K - 1]], totals: record.totals }, &of_steps);
        }
        share.count += whole.len() as u64;
        for record in whole.records() {
            self.offer(at, *record, share);
        }
        // The steps of those that are among the largest now.
        let mut largest = std::mem::take(&mut share.heap).into_vec();
        let new = largest.iter().enumerate().filter(|(_, candidate)| candidate.0.partition == at);
        let new: HashMap<[u64; K], usize, RandomState> =
            new.map(|(place, candidate)| (candidate.0.record.key, place)).collect();
        for record in table.records() {
            let mut key = record.key;
            key[K - 1] = 0;
            if let Some(&place) = new.get(&key) {
                largest[place].0.steps.push((record.key[K - 1], record.totals));
            }
        }
        share.heap = largest.into();
    }

    fn offer<const K: usize>(self, partition: usize, record: Record<K>, share: &mut Share<'a, K>) {
        let layout: &Layout = &self.shared.layout;
        if layout.has_other(&record.key) {
            share.other.add(record.totals);
        }
        if self.limit == 0 {
            return;
        }
        // Most groups are too small, which one number tells.
        if record.totals.of(self.by) < share.least {
            return;
        }
        share.heap.push(std::cmp::Reverse(Candidate { of: self, record, steps: Vec::new(), partition }));
        if share.heap.len() > self.limit {
            share.heap.pop();
            let least = share.heap.peek().map(|least| least.0.record.totals.of(self.by));
            share.least = least.unwrap_or(0);
        }
    }

    fn group<const K: usize>(&self, candidate: Candidate<'_, K>) -> Group {
        let mut keys = candidate.values();
        if self.shared.layout.series {
            keys.pop();
        }
        Group { keys, totals: candidate.record.totals, steps: self.steps(candidate.steps) }
    }

    /// Steps in their order.
    fn steps(&self, mut steps: Vec<(u64, Totals)>) -> Vec<Step> {
        steps.sort_by_key(|&(step, _)| step as i64);
        let start = |step| self.shared.layout.step(step);
        steps.into_iter().map(|(step, totals)| Step { start: start(step), totals }).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
