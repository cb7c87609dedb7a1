//! Flows of many files in the order of time, each file read in a thread of its own.

use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use netflow_analyzer::pairing::{COLUMNS, Piece};
use netflow_filter::Filter;
use netflow_flow::{Column, column};
use netflow_parquet::{Bounds, FlowFile};
use netflow_query::{FoundFile, Matching};
use netflow_templates::Timestamp;

use crate::flow_input::{FlowInputs, Part};
use crate::selection::Selection;

/// Files that are read side by side; more that overlap in time are read one behind the other.
const MOST_AT_ONCE: usize = 16;
/// Flows that go from one thread to the other at a time, about, and how often that for each file.
const BATCH: usize = 512;
const WAITING: usize = 16;

/// By how much flows of one file may run ahead of those of another: so that they do not take turns one by one.
const RUN: Duration = Duration::from_secs(1);

/// Files to be read, and which of their flows are wanted.
pub(super) struct Feed<'a> {
    selection: &'a Selection,
    files: Vec<File<'a>>,
}

struct File<'a> {
    found: &'a FoundFile,
    /// When its first flow was received, at the earliest, if that is known.
    start: Option<Timestamp>,
}

/// What a thread counted: see [`FlowInputs`].
type Counts = (u64, u64, u64);

impl<'a> Feed<'a> {
    pub(super) fn new(selection: &'a Selection) -> Self {
        let files = &selection.files.files;
        let several = files.len() > 1;
        let start = |found: &FoundFile| match found.window {
            Some((start, _)) => Some(start),
            None if several => first_received(found),
            None => None,
        };
        let mut files: Vec<File<'_>> =
            files.iter().map(|found| File { start: start(found), found }).collect();
        // Those whose time is not known stay where they are.
        let mut known = None;
        files.sort_by_cached_key(|file| {
            known = file.start.or(known);
            known
        });
        Self { selection, files }
    }

    /// Reads the files, in the order of time where they overlap, until `take` has enough. What cannot be read is said and
    /// counted.
    pub(super) fn run(
        self,
        inputs: &mut FlowInputs<'_>,
        take: &mut dyn FnMut(&[Piece]) -> bool,
    ) -> anyhow::Result<()> {
        let counts: Vec<Counts> = std::thread::scope(|scope| {
            let (mut active, mut ended) = (Vec::<Source<'_>>::new(), Vec::new());
            let mut files = self.files.iter().peekable();
            loop {
                let now = active.iter().map(Source::time).min();
                let next = files.next_if(|file| {
                    let begins = |now| file.start.is_none_or(|start| start <= now);
                    active.len() < MOST_AT_ONCE && now.is_none_or(begins)
                });
                if let Some(file) = next {
                    let filter = self.selection.filter_of(file.found);
                    let part = Part { columns: columns(&filter), matching: Matching::new(&filter) };
                    let reader = Reader { inputs: inputs.fork(part), filter };
                    let source = Source::start(scope, reader, file.found);
                    advance(source, &mut active, &mut ended);
                    continue;
                }
                let first = (0..active.len()).min_by_key(|&place| active[place].time());
                let Some(first) = first else { break };
                let mut source = active.remove(first);
                // As far as nothing else comes before.
                let others = active.iter().map(Source::time).min();
                let until = others.into_iter().chain(files.peek().and_then(|file| file.start)).min();
                if !take(source.next(until)) {
                    inputs.enough();
                    ended.push(source.end());
                    break;
                }
                // In its place, so that the order does not depend on who is faster.
                match source.at < source.head.len() {
                    true => active.insert(first, source),
                    false => advance_at(first, source, &mut active, &mut ended),
                }
            }
            drop(files);
            ended.extend(active.into_iter().map(Source::end));
            let join = |thread: ScopedJoinHandle<'_, Counts>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            ended.into_iter().map(join).collect()
        });
        counts.into_iter().for_each(|counts| inputs.add(counts));
        Ok(())
    }
}

/// The columns that pairing and a filter look at.
fn columns(filter: &Filter) -> Vec<&'static Column> {
    let mut columns: Vec<_> = COLUMNS.iter().filter_map(|name| column(name)).collect();
    for of_filter in filter.columns() {
        if !of_filter.derived && columns.iter().all(|column| column.name != of_filter.name) {
            columns.push(of_filter);
        }
    }
    columns
}

/// When the first flow of a file was received, where its end tells.
fn first_received(found: &FoundFile) -> Option<Timestamp> {
    let file = FlowFile::open(std::fs::File::open(&found.path).ok()?).ok()?;
    let times = column("time_received")?;
    let first = |group| match file.bounds(group, times) {
        Some(Bounds::Numbers(first, _)) => Some(Timestamp::from_nanos(first)),
        _ => None,
    };
    (0..file.row_groups()).filter_map(first).min()
}

/// A file that is read.
struct Source<'scope> {
    flows: Receiver<Vec<Piece>>,
    /// For batches whose memory is free.
    used: Sender<Vec<Piece>>,
    head: Vec<Piece>,
    /// How many of them were taken.
    at: usize,
    thread: ScopedJoinHandle<'scope, Counts>,
}

impl<'scope> Source<'scope> {
    fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        reader: Reader<'scope>,
        found: &'scope FoundFile,
    ) -> Self {
        let (to_pair, flows) = bounded(WAITING);
        let (used, free) = unbounded();
        let thread = scope.spawn(move || reader.read(found, &to_pair, &free));
        Self { flows, used, head: Vec::new(), at: 0, thread }
    }

    /// When its next flow was received.
    fn time(&self) -> Timestamp {
        self.head.get(self.at).map_or(Timestamp::EPOCH, Piece::received)
    }

    /// Takes the next flows, up to a time; at least one.
    fn next(&mut self, until: Option<Timestamp>) -> &[Piece] {
        let rest = &self.head[self.at..];
        let count = until.map_or(rest.len(), |until| {
            let until = until.saturating_add(RUN);
            rest.iter().position(|piece| piece.received() > until).unwrap_or(rest.len()).max(1)
        });
        self.at += count;
        &self.head[self.at - count..self.at]
    }

    fn end(self) -> ScopedJoinHandle<'scope, Counts> {
        self.thread
    }
}

/// Has the next flows of a source at hand, behind all others.
fn advance<'scope>(
    source: Source<'scope>,
    active: &mut Vec<Source<'scope>>,
    ended: &mut Vec<ScopedJoinHandle<'scope, Counts>>,
) {
    advance_at(active.len(), source, active, ended);
}

fn advance_at<'scope>(
    place: usize,
    mut source: Source<'scope>,
    active: &mut Vec<Source<'scope>>,
    ended: &mut Vec<ScopedJoinHandle<'scope, Counts>>,
) {
    match source.flows.recv() {
        Ok(flows) => {
            let _ = source.used.send(std::mem::replace(&mut source.head, flows));
            source.at = 0;
            active.insert(place, source);
        }
        Err(_) => ended.push(source.end()),
    }
}

/// Reads a file in a thread.
struct Reader<'a> {
    inputs: FlowInputs<'a>,
    filter: Filter,
}

impl Reader<'_> {
    fn read(
        mut self,
        found: &FoundFile,
        to_pair: &Sender<Vec<Piece>>,
        free: &Receiver<Vec<Piece>>,
    ) -> Counts {
        let mut gathered: Vec<Piece> = Vec::new();
        let filter = self.filter;
        let read = self.inputs.read_path(&found.path, &mut |flows| {
            if !filter.is_all() {
                flows.retain(|flow| filter.matches(flow));
            }
            gathered.extend(flows.iter().map(Piece::of));
            if gathered.len() >= BATCH {
                let empty = free.try_recv().unwrap_or_default();
                let batch = std::mem::replace(&mut gathered, empty);
                gathered.clear();
                // Nobody takes more when enough was printed, or nothing can be any longer.
                if to_pair.send(batch).is_err() {
                    anyhow::bail!("enough");
                }
            }
            Ok(())
        });
        if read.is_ok() && !gathered.is_empty() {
            let _ = to_pair.send(gathered);
        }
        (self.inputs.good, self.inputs.bad, self.inputs.unreadable)
    }
}
