//! Reading many files, on several threads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use netflow_flow::{Column, FlowRef};
use netflow_parquet::{ColumnMemory, FlowFile};

use crate::batch::{Batch, FlowBatch};
use crate::error::Error;
use crate::selection::Selection;

mod queue;

use queue::{Queue, Unit};

/// Takes batches; each thread has its own.
pub trait Consumer: Send {
    /// The columns that it wants to ask batches for.
    fn columns(&self) -> Vec<&'static Column>;

    /// Takes the selected rows of a batch, of which there is at least one.
    fn take(&mut self, batch: &mut Batch, selection: &Selection) -> Result<(), Error>;
}

/// Chooses rows; each thread has its own.
pub trait Selector: Send {
    /// The columns that it wants to ask batches for.
    fn columns(&self) -> Vec<&'static Column>;

    /// Whether a row group may have rows that are chosen, as far as its bounds tell.
    fn may_match(&self, _file: &FlowFile, _group: usize) -> bool {
        true
    }

    /// Replaces `selection`, which has all rows, by those that are chosen.
    fn select(&mut self, batch: &mut Batch, selection: &mut Selection) -> Result<(), Error>;
}

/// Chooses all rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct All;

impl Selector for All {
    fn columns(&self) -> Vec<&'static Column> {
        Vec::new()
    }

    fn select(&mut self, _: &mut Batch, _: &mut Selection) -> Result<(), Error> {
        Ok(())
    }
}

/// Feeds consumers, one on each thread, with the rows of files.
#[derive(Debug)]
pub struct Scan<S, C> {
    workers: Vec<Worker<S, C>>,
    /// Flows that come one by one, for the first consumer.
    flows: FlowBatch,
    counts: Counts,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Counts {
    rows: AtomicU64,
    selected: AtomicU64,
    pruned: AtomicU64,
    bad: AtomicU64,
}

impl Counts {
    /// Rows that were looked at, or passed over because of the bounds of their row group.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Rows that were chosen.
    pub fn selected(&self) -> u64 {
        self.selected.load(Ordering::Relaxed)
    }

    /// Row groups that were passed over because of their bounds.
    pub fn pruned(&self) -> u64 {
        self.pruned.load(Ordering::Relaxed)
    }

    /// Row groups that could not be read to their end.
    pub fn bad(&self) -> u64 {
        self.bad.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Worker<S, C> {
    selector: S,
    consumer: C,
    columns: Vec<&'static Column>,
    selection: Selection,
    /// Of a row group that was read, for the next one.
    memory: Vec<ColumnMemory>,
}

impl<S: Selector, C: Consumer> Scan<S, C> {
    /// A scan on so many threads (at least one), each of which gets its selector and consumer from `make`.
    pub fn new(threads: usize, mut make: impl FnMut() -> (S, C)) -> Self {
        let worker = |_| {
            let (selector, consumer) = make();
            let columns = columns(&selector, &consumer);
            Worker { selector, consumer, columns, selection: Selection::default(), memory: Vec::new() }
        };
        let workers: Vec<_> = (0..threads.max(1)).map(worker).collect();
        let flows = FlowBatch::new(&workers[0].columns);
        Self { workers, flows, counts: Counts::default() }
    }

    /// Chooses other rows from now on, in the files that are read next.
    pub fn choose(&mut self, mut make: impl FnMut() -> S) -> Result<(), Error> {
        self.flush()?;
        for worker in &mut self.workers {
            worker.selector = make();
            worker.columns = columns(&worker.selector, &worker.consumer);
        }
        self.flows = FlowBatch::new(&self.workers[0].columns);
        Ok(())
    }

    /// Reads Parquet files, their row groups on all threads.
    ///
    /// `problem` is told of a row group that cannot be read, with the number of its file; the others are read. What
    /// was read of it before stays counted. Setting `stop` ends the reading soon.
    pub fn parquet(
        &mut self,
        files: &[FlowFile],
        stop: &AtomicBool,
        problem: &(dyn Fn(usize, Error) + Sync),
    ) -> Result<(), Error> {
        let queue = Queue::new(files, self.workers.len());
        let counts = &self.counts;
        let (failed, told) = (Mutex::new(None), Mutex::new(BTreeSet::new()));
        let work = &|number: usize, worker: &mut Worker<S, C>| {
            let mut open = None;
            while let Some(unit) = queue.take(number) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                match worker.unit(&unit, &mut open, counts, stop) {
                    Ok(()) => {}
                    Err(error @ Error::Spill(_)) => {
                        stop.store(true, Ordering::Relaxed);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                    // Of all parts of a row group the first one says it.
                    Err(error) => {
                        open = None;
                        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                        if told.insert((unit.at, unit.group)) {
                            counts.bad.fetch_add(1, Ordering::Relaxed);
                            problem(unit.at, error);
                        }
                    }
                }
            }
        };
        thread::scope(|scope| {
            let mut workers = self.workers.iter_mut().enumerate();
            let own = workers.next();
            let threads = workers.map(|(number, worker)| scope.spawn(move || work(number, worker)));
            let threads: Vec<_> = threads.collect();
            if let Some((number, own)) = own {
                work(number, own);
            }
            for thread in threads {
                if let Err(panic) = thread.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Takes one flow, of a file of another kind.
    pub fn flow<'a>(&mut self, flow: impl Into<FlowRef<'a>>) -> Result<(), Error> {
        self.flows.push(flow)?;
        if self.flows.is_full() { self.flush() } else { Ok(()) }
    }

    /// Hands on the flows that were taken.
    pub fn flush(&mut self) -> Result<(), Error> {
        let taken = match self.workers.first_mut() {
            Some(worker) => worker.batch(self.flows.batch(), &self.counts),
            None => Ok(()),
        };
        self.flows.clear();
        taken
    }

    /// What was read so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The consumers, when all was read.
    pub fn finish(mut self) -> Result<(Vec<C>, Counts), Error> {
        self.flush()?;
        Ok((self.workers.into_iter().map(|worker| worker.consumer).collect(), self.counts))
    }
}

/// What batches are to have.
fn columns(selector: &impl Selector, consumer: &impl Consumer) -> Vec<&'static Column> {
    let mut columns: Vec<&'static Column> = Vec::new();
    for column in selector.columns().into_iter().chain(consumer.columns()) {
        if !columns.iter().any(|known| std::ptr::eq(*known, column)) {
            columns.push(column);
        }
    }
    columns
}

impl<S: Selector, C: Consumer> Worker<S, C> {
    /// Reads some of a row group: `open`, where it goes on from there.
    fn unit(
        &mut self,
        unit: &Unit<'_>,
        open: &mut Option<Open>,
        counts: &Counts,
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        let Unit { at, file, group, start, mut rows } = *unit;
        let open = match open {
            Some(open) if (open.at, open.group, open.next) == (at, group, start) => open,
            open => {
                if let Some(batch) = open.take().and_then(|open| open.batch) {
                    self.memory = batch.into_memory();
                }
                let batch = match self.selector.may_match(file, group) {
                    true => Some(Batch::of_row_group(file, group, start, &self.columns, &mut self.memory)?),
                    false => None,
                };
                open.insert(Open { at, group, next: start, batch })
            }
        };
        open.next += rows;
        let Some(batch) = &mut open.batch else {
            counts.rows.fetch_add(rows as u64, Ordering::Relaxed);
            counts.pruned.fetch_add(u64::from(start == 0), Ordering::Relaxed);
            return Ok(());
        };
        while batch.next(&mut rows)? && !stop.load(Ordering::Relaxed) {
            self.batch(batch, counts)?;
        }
        Ok(())
    }

    fn batch(&mut self, batch: &mut Batch, counts: &Counts) -> Result<(), Error> {
        if batch.rows() == 0 {
            return Ok(());
        }
        counts.rows.fetch_add(batch.rows() as u64, Ordering::Relaxed);
        self.selection.set_all(batch.rows());
        self.selector.select(batch, &mut self.selection)?;
        counts.selected.fetch_add(self.selection.len() as u64, Ordering::Relaxed);
        if self.selection.is_empty() {
            return Ok(());
        }
        self.consumer.take(batch, &self.selection)
    }
}

/// A row group that is being read.
struct Open {
    at: usize,
    group: usize,
    /// The row after what was read.
    next: usize,
    /// `None` when its bounds say that there is nothing to be read.
    batch: Option<Batch>,
}

/// Several that take the same rows.
impl<C: Consumer> Consumer for Vec<C> {
    fn columns(&self) -> Vec<&'static Column> {
        self.iter().flat_map(Consumer::columns).collect()
    }

    fn take(&mut self, batch: &mut Batch, selection: &Selection) -> Result<(), Error> {
        self.iter_mut().try_for_each(|one| one.take(batch, selection))
    }
}
