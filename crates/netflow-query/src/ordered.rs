//! Rows in their order, which several threads work on.
//!
//! A row group is cut in pieces of as many rows as a page has. Threads take them in turn, and the pages between their own
//! are stepped over; what they made is put in order again. So memory is bounded by some pieces, and one row group keeps
//! all threads busy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use netflow_flow::{Column, FlowRef};
use netflow_parquet::{FlowFile, PAGE_ROWS};

use crate::batch::{BATCH_ROWS, Batch, FlowBatch};
use crate::error::Error;
use crate::scan::Selector;
use crate::selection::Selection;

/// Batches of a piece.
const PIECE: usize = PAGE_ROWS / BATCH_ROWS;
/// Pieces for each thread that may be ahead of what was taken.
const AHEAD: usize = 3;
/// How often it is looked after a wish to stop.
const TICK: Duration = Duration::from_millis(50);

/// Makes something of batches; each thread has its own.
pub trait Maker: Send {
    /// What is made of a batch.
    type Made: Send;

    /// The columns that it wants to ask batches for.
    fn columns(&self) -> Vec<&'static Column>;

    /// Makes it of the selected rows, of which there is at least one.
    fn make(&mut self, batch: &mut Batch, selection: &Selection) -> Result<Self::Made, Error>;
}

/// What was made of rows that follow each other.
#[derive(Debug)]
pub struct Piece<T> {
    /// Number of the file.
    pub file: usize,
    /// Rows that were looked at, or passed over because of the bounds of their row group.
    pub rows: usize,
    /// What was made, in order.
    pub made: Vec<T>,
    /// Why rows are missing behind those. It is told once for a row group.
    pub problem: Option<Error>,
}

/// Reads files on several threads, and gives what was made in the order of their rows.
#[derive(Debug)]
pub struct Ordered<S, M> {
    workers: Vec<Worker<S, M>>,
    flows: FlowBatch,
}

#[derive(Debug)]
struct Worker<S, M> {
    selector: S,
    maker: M,
    columns: Vec<&'static Column>,
    selection: Selection,
    open: Option<Open>,
}

/// A row group that a thread reads.
#[derive(Debug)]
struct Open {
    unit: (usize, usize),
    batch: Batch,
    left: usize,
    /// Pieces that it is behind.
    pieces: usize,
}

/// A piece that is to be made.
#[derive(Debug, Clone, Copy)]
struct Unit {
    number: usize,
    file: usize,
    group: usize,
    /// Its number in the row group; `None` stands for the whole, which is passed over.
    piece: Option<usize>,
}

/// What is next, and what was taken.
#[derive(Debug, Default)]
struct Turn {
    next: usize,
    taken: usize,
    file: usize,
    group: usize,
    piece: usize,
}

impl<S: Selector, M: Maker> Ordered<S, M> {
    /// On so many threads (at least one), each of which gets its selector and maker from `make`.
    pub fn new(threads: usize, mut make: impl FnMut() -> (S, M)) -> Self {
        let worker = |_| {
            let (selector, maker) = make();
            let mut columns = selector.columns();
            columns.extend(maker.columns());
            columns.sort_by_key(|column| column.name);
            columns.dedup_by_key(|column| column.name);
            Worker { selector, maker, columns, selection: Selection::default(), open: None }
        };
        let workers: Vec<_> = (0..threads.max(1)).map(worker).collect();
        let flows = FlowBatch::new(&workers[0].columns);
        Self { workers, flows }
    }

    /// Reads Parquet files. `take` is called with each piece, in order, on this thread; its error ends the reading, and
    /// so does setting `stop`, soon.
    pub fn parquet<E>(
        &mut self,
        files: &[FlowFile],
        stop: &AtomicBool,
        take: &mut dyn FnMut(Piece<M::Made>) -> Result<(), E>,
    ) -> Result<(), E> {
        let ahead = self.workers.len() * AHEAD;
        let (turn, moved, ended) = (Mutex::new(Turn::default()), Condvar::new(), AtomicBool::new(false));
        let over = || stop.load(Ordering::Relaxed) || ended.load(Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel();
        let work = |worker: &mut Worker<S, M>, sender: mpsc::Sender<(Unit, Piece<M::Made>)>| {
            worker.open = None;
            let _guard = EndOnPanic(&ended);
            loop {
                let mut now = lock(&turn);
                while now.next >= now.taken + ahead && !over() {
                    now = moved.wait_timeout(now, TICK).unwrap_or_else(PoisonError::into_inner).0;
                }
                let unit = now.claim(files, &worker.selector);
                drop(now);
                let Some(unit) = unit.filter(|_| !over()) else { break };
                if sender.send((unit, worker.piece(files, unit))).is_err() {
                    break;
                }
            }
            worker.open = None;
        };
        thread::scope(|scope| {
            let work = &work;
            for worker in &mut self.workers {
                let sender = sender.clone();
                scope.spawn(move || work(worker, sender));
            }
            drop(sender);
            // What came before its turn.
            let mut early = BTreeMap::new();
            let (mut next, mut troubled) = (0, None);
            let taken = loop {
                let (unit, piece) = match receiver.recv_timeout(TICK) {
                    Ok(made) => made,
                    Err(RecvTimeoutError::Timeout) if over() => break Ok(()),
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break Ok(()),
                };
                early.insert(unit.number, (unit, piece));
                let mut result = Ok(());
                while let Some((unit, mut piece)) = early.remove(&next) {
                    let group = Some((unit.file, unit.group));
                    if piece.problem.is_some() && troubled == group {
                        piece.problem = None;
                    } else if piece.problem.is_some() {
                        troubled = group;
                    }
                    next += 1;
                    lock(&turn).taken = next;
                    moved.notify_all();
                    result = take(piece);
                    if result.is_err() {
                        break;
                    }
                }
                if result.is_err() {
                    break result;
                }
            };
            ended.store(true, Ordering::Relaxed);
            moved.notify_all();
            taken
        })
    }

    /// Takes one flow, of a file of another kind; gives what was made when there were enough.
    pub fn flow<'a>(&mut self, flow: impl Into<FlowRef<'a>>) -> Result<Option<M::Made>, Error> {
        self.flows.push(flow)?;
        if self.flows.is_full() { self.flush() } else { Ok(None) }
    }

    /// What is made of the flows that were taken since.
    pub fn flush(&mut self) -> Result<Option<M::Made>, Error> {
        let made = self.workers[0].batch(self.flows.batch());
        self.flows.clear();
        made
    }
}

/// Ends the others when a thread panics, since its piece will not come.
struct EndOnPanic<'a>(&'a AtomicBool);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

fn lock(turn: &Mutex<Turn>) -> MutexGuard<'_, Turn> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turn {
    /// The next piece; `None` at the end.
    fn claim(&mut self, files: &[FlowFile], selector: &impl Selector) -> Option<Unit> {
        loop {
            let file = files.get(self.file)?;
            let Some(rows) = file.row_group_rows(self.group) else {
                if self.group >= file.row_groups() {
                    (self.file, self.group) = (self.file + 1, 0);
                } else {
                    self.group += 1;
                }
                continue;
            };
            let (number, piece) = (self.next, self.piece);
            let (of, group) = (self.file, self.group);
            let pruned = piece == 0 && !selector.may_match(file, group);
            self.piece += 1;
            if pruned || self.piece * PIECE * BATCH_ROWS >= rows {
                (self.group, self.piece) = (self.group + 1, 0);
            }
            if rows == 0 {
                continue;
            }
            self.next += 1;
            return Some(Unit { number, file: of, group, piece: (!pruned).then_some(piece) });
        }
    }
}

impl<S: Selector, M: Maker> Worker<S, M> {
    fn piece(&mut self, files: &[FlowFile], unit: Unit) -> Piece<M::Made> {
        let Unit { file, group, .. } = unit;
        let all = files[file].row_group_rows(group).unwrap_or(0);
        let mut piece = Piece { file, rows: all, made: Vec::new(), problem: None };
        if let Some(number) = unit.piece {
            piece.rows = (all - (number * PIECE * BATCH_ROWS).min(all)).min(PIECE * BATCH_ROWS);
            if let Err(error) = self.make(&files[file], unit, number, &mut piece.made) {
                piece.problem = Some(error);
                self.open = None;
            }
        }
        piece
    }

    fn make(
        &mut self,
        file: &FlowFile,
        unit: Unit,
        piece: usize,
        made: &mut Vec<M::Made>,
    ) -> Result<(), Error> {
        let here = (unit.file, unit.group);
        let mut open = match self.open.take() {
            Some(open) if open.unit == here && open.pieces <= piece => open,
            other => {
                let mut memory = other.map(|open| open.batch.into_memory()).unwrap_or_default();
                let batch = Batch::of_row_group(file, unit.group, 0, &self.columns, &mut memory)?;
                let left = file.row_group_rows(unit.group).unwrap_or(0);
                Open { unit: here, batch, left, pieces: 0 }
            }
        };
        for _ in open.pieces * PIECE..piece * PIECE {
            open.batch.next(&mut open.left)?;
        }
        for _ in 0..PIECE {
            if !open.batch.next(&mut open.left)? {
                break;
            }
            made.extend(self.batch(&mut open.batch)?);
        }
        open.pieces = piece + 1;
        self.open = Some(open);
        Ok(())
    }

    fn batch(&mut self, batch: &mut Batch) -> Result<Option<M::Made>, Error> {
        if batch.rows() == 0 {
            return Ok(None);
        }
        self.selection.set_all(batch.rows());
        self.selector.select(batch, &mut self.selection)?;
        if self.selection.is_empty() {
            return Ok(None);
        }
        self.maker.make(batch, &self.selection).map(Some)
    }
}

#[cfg(test)]
mod tests;
