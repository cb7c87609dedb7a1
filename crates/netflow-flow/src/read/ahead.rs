//! Lines that are read and parsed in threads of their own, ahead of where they are taken.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::ReadError;
use super::lines::Lines;
use super::parse::{Kind, Line, Parsed};

/// Octets and lines that go from thread to thread at a time, about, and how often that before either waits.
const BATCH: usize = 128 << 10;
const BATCH_LINES: usize = 1024;
const WAITING: usize = 2;
/// Memory for what lines say that is kept with a batch to be used again.
pub(super) const KEPT: usize = 2 << 20;
/// Octets that are ahead at most, or one line.
const AHEAD: usize = 4 << 20;

/// Takes lines with what they say, and errors with the number of the line that was read last.
pub(super) type Take<'a> =
    dyn FnMut(Result<(Line<'_>, &mut Parsed), (u64, ReadError)>) -> ControlFlow<()> + 'a;

/// Reads all lines, and hands them out in their order until `take` breaks.
pub(super) fn read(lines: &mut Lines<'_>, threads: NonZero<usize>, take: &mut Take<'_>) {
    thread::scope(|scope| {
        let (free, used) = channel();
        let (mut to_parse, mut parsed) = (Vec::new(), Vec::new());
        for _ in 0..threads.get() {
            let (gathered, batches) = sync_channel::<Batch>(WAITING);
            let (done, next) = sync_channel(WAITING);
            scope.spawn(move || {
                for mut batch in batches {
                    batch.parse();
                    if done.send(batch).is_err() {
                        break;
                    }
                }
            });
            to_parse.push(gathered);
            parsed.push(next);
        }
        scope.spawn(move || gather(lines, &to_parse, &used));
        take_all(&parsed, &free, take);
    });
}

/// Takes batches from one thread after the other, as [`gather`] gave them.
fn take_all(parsed: &[Receiver<Batch>], free: &Sender<Batch>, take: &mut Take<'_>) {
    for next in parsed.iter().cycle() {
        let Ok(mut batch) = next.recv() else { return };
        if batch.take(take).is_break() {
            return;
        }
        // Whoever gathers may be at the end.
        let _ = free.send(batch);
    }
}

/// Gives batches of lines to one thread after the other.
fn gather(lines: &mut Lines<'_>, to_parse: &[SyncSender<Batch>], used: &Receiver<Batch>) {
    let mut ahead = 0;
    for next in to_parse.iter().cycle() {
        let mut batch = used.try_recv().unwrap_or_default();
        ahead -= batch.text.len();
        if !batch.fill(lines) {
            return;
        }
        while ahead > 0 && ahead + batch.text.len() > AHEAD {
            let Ok(taken) = used.recv() else { return };
            ahead -= taken.text.len();
        }
        ahead += batch.text.len();
        if next.send(batch).is_err() {
            return;
        }
    }
}

/// Lines that follow each other.
#[derive(Default)]
pub(super) struct Batch {
    kind: Option<Kind>,
    text: Vec<u8>,
    ends: Vec<End>,
    parsed: Vec<Parsed>,
    /// What follows the lines, and the number of the last one then.
    error: Option<(u64, ReadError)>,
}

/// Where a line ends.
#[derive(Clone, Copy)]
struct End {
    at: usize,
    number: u64,
    whole: bool,
}

impl Batch {
    /// Has the next lines, up to an error; false when there are none.
    pub(super) fn fill(&mut self, lines: &mut Lines<'_>) -> bool {
        if self.text.capacity() > 2 * BATCH {
            *self = Self::default();
        }
        // Each of them may have had a long line at some time.
        if self.memory() > KEPT {
            self.parsed = Vec::new();
        }
        self.text.clear();
        self.ends.clear();
        while self.text.len() < BATCH && self.ends.len() < BATCH_LINES {
            match lines.next() {
                Ok(Some(line)) => {
                    let Line { kind, text, number, whole } = line;
                    self.kind.get_or_insert_with(|| kind.clone());
                    self.text.extend_from_slice(text);
                    self.ends.push(End { at: self.text.len(), number, whole });
                }
                Ok(None) => break,
                Err(error) => {
                    self.error = Some((lines.number(), error));
                    break;
                }
            }
        }
        !self.ends.is_empty() || self.error.is_some()
    }

    /// Octets of memory for what lines say.
    pub(super) fn memory(&self) -> usize {
        self.parsed.iter().map(Parsed::memory).sum()
    }

    pub(super) fn parse(&mut self) {
        self.parsed.resize_with(self.parsed.len().max(self.ends.len()), Parsed::default);
        self.lines().for_each(|(line, parsed)| parsed.parse(&line));
    }

    fn take(&mut self, take: &mut Take<'_>) -> ControlFlow<()> {
        self.lines().try_for_each(|next| take(Ok(next)))?;
        self.error.take().map_or(ControlFlow::Continue(()), |error| take(Err(error)))
    }

    fn lines(&mut self) -> impl Iterator<Item = (Line<'_>, &mut Parsed)> {
        let (kind, text) = (self.kind.as_ref(), &self.text);
        let mut start = 0;
        self.ends.iter().zip(&mut self.parsed).filter_map(move |(&End { at, number, whole }, parsed)| {
            let text = &text[std::mem::replace(&mut start, at)..at];
            Some((Line { kind: kind?, text, number, whole }, parsed))
        })
    }
}
