//! The writer: blocks of encoded flows to a file.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use netflow_flow::Format;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::backlog::{Arrivals, Backlog, Lane, Room, lane};
use crate::block::{Block, BlockEncoder, Encoding};
use crate::flow_file::{FlowFile, Target};
use crate::output::{Branch, Way};
use crate::tail::Mended;

/// Events that may wait to be taken.
const EVENTS: usize = 64;

/// Something that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}: {source}", target.display())]
pub struct WriteFailure {
    /// What was written to; `-` for stdout.
    pub target: PathBuf,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// Something that happened to a file. Events are dropped when nobody takes them; the [`WriterReport`] counts all.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutputEvent {
    /// Something could not be written: the first of several failures one after the other.
    Failed(WriteFailure),
    /// After failures, something could be written again.
    WritesAgain,
    /// A file of a directory is complete.
    Finished {
        /// Its name.
        path: PathBuf,
        /// Flows in it, as far as this writer wrote them.
        flows: u64,
    },
    /// A file that an earlier writer left unfinished was mended, and is complete.
    Mended {
        /// Its name.
        path: PathBuf,
        /// Octets cut off: of a block that was not whole.
        cut: u64,
        /// Lines that could be read of them, and are kept.
        saved_lines: u64,
        /// Octets of text behind these lines, which are lost.
        lost_text: u64,
        /// Octets of a last line that had no end, which it was given.
        open_line: u64,
    },
    /// A file that an earlier writer left unfinished is damaged: it is left as it is.
    Damaged(WriteFailure),
    /// The command for a complete file failed.
    CommandFailed {
        /// The program.
        program: String,
        /// Its exit status, or why it was not started.
        failure: String,
    },
}

/// What a writer wrote.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriterReport {
    /// Octets written.
    pub octets: u64,
    /// Flows in them.
    pub flows: u64,
    /// Blocks that could not be written, or had no room to wait for that.
    pub lost_blocks: u64,
    /// Octets of these blocks.
    pub lost_octets: u64,
    /// Flows in these blocks, and in files that somebody removed before they were complete.
    pub lost_flows: u64,
    /// Files that somebody removed before they were complete.
    pub lost_files: u64,
    /// Octets that were cut off the file before anything was appended: of a block that was not whole, as
    /// when a writer was killed.
    pub cut_octets: u64,
    /// Lines that could be read of what was cut off, and were written again.
    pub saved_lines: u64,
    /// Octets of text behind these lines, of a line without its end, which are lost.
    pub lost_text: u64,
    /// Octets of the file's last line, where it had no end. It was given one, so that what follows can be read.
    pub open_line: u64,
    /// Files of a directory that are complete.
    pub files: u64,
    /// Those of them that an earlier writer left unfinished.
    pub mended_files: u64,
    /// Files that could not be completed: they will be when somebody writes to the directory, or the file, again.
    pub unfinished_files: u64,
    /// Loss files that could not be written.
    pub lost_accounts: u64,
    /// Files that an earlier writer left unfinished, and that cannot be completed.
    pub damaged_files: u64,
    /// Files that were removed, as they were too old or too many.
    pub expired_files: u64,
    /// Octets of these files.
    pub expired_octets: u64,
    /// Commands for complete files that failed.
    pub failed_commands: u64,
    /// Commands that were not run, since too many were waiting.
    pub skipped_commands: u64,
    /// Commands that still ran at the end.
    pub running_commands: u64,
    /// Whether the writer's thread failed, which is an error of this program. What it had not written is lost, and
    /// counted as far as blocks had reached it.
    pub failed: bool,
}

impl WriterReport {
    /// Adds what another writer wrote.
    pub fn add(&mut self, other: &Self) {
        self.octets += other.octets;
        self.flows += other.flows;
        self.lost_blocks += other.lost_blocks;
        self.lost_octets += other.lost_octets;
        self.lost_flows += other.lost_flows;
        self.lost_files += other.lost_files;
        self.cut_octets += other.cut_octets;
        self.saved_lines += other.saved_lines;
        self.lost_text += other.lost_text;
        self.open_line += other.open_line;
        self.files += other.files;
        self.mended_files += other.mended_files;
        self.lost_accounts += other.lost_accounts;
        self.unfinished_files += other.unfinished_files;
        self.damaged_files += other.damaged_files;
        self.expired_files += other.expired_files;
        self.expired_octets += other.expired_octets;
        self.failed_commands += other.failed_commands;
        self.skipped_commands += other.skipped_commands;
        self.running_commands += other.running_commands;
        self.failed |= other.failed;
    }
}

/// Tells what happens: of failures one after the other only the first.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    events: Sender<OutputEvent>,
    failing: bool,
}

impl Teller {
    pub(crate) fn new() -> (Self, Receiver<OutputEvent>) {
        let (events, receiver) = bounded(EVENTS);
        (Self { events, failing: false }, receiver)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing
    }

    pub(crate) fn tell(&self, event: OutputEvent) {
        let _ = self.events.try_send(event);
    }

    pub(crate) fn failed(&mut self, failure: WriteFailure) {
        if !self.failing {
            self.tell(OutputEvent::Failed(failure));
        }
        self.failing = true;
    }

    pub(crate) fn succeeded(&mut self) {
        if self.failing {
            self.tell(OutputEvent::WritesAgain);
        }
        self.failing = false;
    }
}

/// How a writer is doing.
#[derive(Debug, Clone, Default)]
pub struct WriterState {
    /// What it wrote so far.
    pub report: WriterReport,
    /// The file that it writes to; `-` for stdout.
    pub file: Option<PathBuf>,
    /// The last that was written failed.
    pub failing: bool,
    /// Octets of blocks that wait, with those that are being written.
    pub waiting_octets: u64,
    /// How long it has been at the same block: an output that is stuck takes nothing.
    pub busy: Option<Duration>,
}

/// How a writer is doing, for any thread to look at.
#[derive(Debug, Clone, Default)]
pub struct SharedState {
    state: Arc<Mutex<WriterState>>,
    room: Option<Arc<Room>>,
}

impl SharedState {
    pub(crate) fn new(state: WriterState, room: Arc<Room>) -> Self {
        Self { state: Arc::new(Mutex::new(state)), room: Some(room) }
    }

    fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, state: WriterState) {
        *self.lock() = state;
    }

    /// What its thread did is as it was when the last block was written; what waits, and what was lost because it had no
    /// room, as it is.
    pub fn now(&self) -> WriterState {
        let mut state = self.lock().clone();
        if let Some(room) = &self.room {
            let waiting = room.now();
            state.report.lost_blocks += waiting.lost_blocks;
            state.report.lost_octets += waiting.lost_octets;
            state.report.lost_flows += waiting.lost_flows;
            state.report.lost_accounts += waiting.lost_accounts;
            (state.waiting_octets, state.busy) = (waiting.octets as u64, waiting.busy_for());
        }
        state
    }

    /// To be held by the writer's thread: notes when it fails.
    pub(crate) fn watch(&self) -> Watched {
        Watched(self.clone())
    }

    /// What the thread leaves behind.
    pub(crate) fn join(&self, thread: JoinHandle<WriterReport>) -> WriterReport {
        let ended = thread.join();
        if let Ok(report) = ended {
            self.lock().report = report;
        }
        self.now().report
    }
}

/// Notes when the thread that holds it fails.
pub(crate) struct Watched(SharedState);

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().report.failed = true;
        }
    }
}

/// How often a writer that has nothing to write looks whether it is to open its file again.
const LOOK: Duration = Duration::from_millis(500);

/// Appends blocks to a file, in a thread of its own.
///
/// A block is appended whole or not at all: when the disk is full, what was written of it is taken back, so
/// that the file stays readable, and the next one is tried.
#[derive(Debug)]
pub struct FileWriter {
    encoding: Encoding,
    blocks: Lane<Block>,
    events: Receiver<OutputEvent>,
    state: SharedState,
    reopen: Arc<AtomicBool>,
    thread: JoinHandle<WriterReport>,
}

impl FileWriter {
    /// Opens `path`, to append to what is there.
    ///
    /// What is there may end in half a block: this is cut off, but for the lines that can be read of it, and a
    /// last line without its end gets one. For that a text is read from its last line on, any other file from its
    /// beginning.
    ///
    /// # Errors
    /// When the file cannot be opened, read or written; of the kind `InvalidData` when it holds something else
    /// than this format, or is damaged so that what is appended could not be read; `WouldBlock` when another writer
    /// has it open.
    pub fn open(path: &Path, encoding: Encoding, backlog: Backlog) -> Result<Self, WriteFailure> {
        let failure = |source| WriteFailure { target: path.to_owned(), source };
        let (file, opened) = open(path, encoding).map_err(failure)?;
        Self::start(file, &opened, path, encoding, backlog).map_err(failure)
    }

    /// Writes to an output that is open, such as stdout; failures name it `-`.
    ///
    /// # Errors
    /// When nothing can be written to it.
    pub fn to(
        output: impl Write + Send + 'static,
        encoding: Encoding,
        backlog: Backlog,
    ) -> Result<Self, WriteFailure> {
        let path = Path::new("-");
        let failure = |source| WriteFailure { target: path.to_owned(), source };
        let (file, opened) = begin(Target::Stream(Box::new(output)), encoding).map_err(failure)?;
        Self::start(file, &opened, path, encoding, backlog).map_err(failure)
    }

    fn start(
        file: FlowFile,
        opened: &Opened,
        path: &Path,
        encoding: Encoding,
        backlog: Backlog,
    ) -> io::Result<Self> {
        let (teller, events) = Teller::new();
        let mut report = WriterReport::default();
        opened.count(&mut report);
        let (file, closed) = (Some(file), false);
        let (blocks, mut arrivals) = lane(backlog);
        let first = WriterState { report, file: Some(path.to_owned()), ..WriterState::default() };
        let state = SharedState::new(first, Arc::clone(blocks.room()));
        let (watched, reopen) = (state.watch(), Arc::new(AtomicBool::new(false)));
        let writer = BlockWriter {
            file,
            path: path.to_owned(),
            encoding,
            report,
            teller,
            closed,
            state: state.clone(),
            reopen: Arc::clone(&reopen),
        };
        let run = move || {
            let _watched = watched;
            writer.run(&mut arrivals)
        };
        let thread = std::thread::Builder::new().name("writer".into()).spawn(run)?;
        Ok(Self { encoding, blocks, events, state, reopen, thread })
    }

    /// The way to this file for one shard.
    ///
    /// # Errors
    /// When the encoder cannot be made.
    pub fn branch(&self) -> io::Result<Branch> {
        let way = Way::File(self.blocks.clone());
        Ok(Branch { encoder: BlockEncoder::new(self.encoding)?, way })
    }

    /// How it goes, for any thread to look at.
    pub fn state(&self) -> SharedState {
        self.state.clone()
    }

    /// Completes the file within a second and opens it by its name again, if somebody renamed it. What cannot be
    /// opened by name stays as it is.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// What happens.
    pub fn events(&self) -> &Receiver<OutputEvent> {
        &self.events
    }

    /// Waits until everything is written that branches gave, which must be gone. Also says what happened since
    /// [`events`](Self::events) were last taken.
    pub fn finish(self) -> (WriterReport, Vec<OutputEvent>) {
        drop(self.blocks);
        let report = self.state.join(self.thread);
        (report, self.events.try_iter().collect())
    }
}

/// What opening a file did.
#[derive(Debug, Default)]
struct Opened {
    /// Octets that were written to it.
    octets: u64,
    mended: Mended,
}

impl Opened {
    fn count(&self, report: &mut WriterReport) {
        report.octets += self.octets;
        report.cut_octets += self.mended.cut;
        report.saved_lines += self.mended.saved_lines;
        report.lost_text += self.mended.lost_text;
        report.open_line += self.mended.open_line;
    }
}

/// Begins a file in what is empty. After a failure it is empty again, so that the next writer finds nothing that is half
/// begun.
fn begin(target: Target, encoding: Encoding) -> io::Result<(FlowFile, Opened)> {
    let empty = match &target {
        Target::File(file) => Some(file.try_clone()?),
        Target::Stream(_) => None,
    };
    let begun = FlowFile::begin(target, encoding.format, encoding.gzip).and_then(|(mut file, octets)| {
        file.checkpoint()?;
        Ok((file, Opened { octets, ..Opened::default() }))
    });
    // What is left if even that fails, the next writer takes for torn.
    begun.inspect_err(|_| _ = empty.map(|file| file.set_len(0)))
}

fn open(path: &Path, encoding: Encoding) -> io::Result<(FlowFile, Opened)> {
    let Encoding { format, gzip, .. } = encoding;
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if !metadata.is_file() {
        return begin(Target::Stream(Box::new(file)), encoding);
    }
    // Two that append to one file would cut off what the other wrote.
    if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Err(io::Error::new(io::ErrorKind::WouldBlock, "another collector writes to it"));
    }
    // Only now nobody else changes it.
    if file.metadata()?.len() == 0 {
        return begin(Target::File(file), encoding);
    }
    if format != Format::Parquet
        && let Some(holds) = netflow_flow::unlike(&mut file, format, gzip)?
    {
        return Err(io::Error::new(io::ErrorKind::InvalidData, holds.to_string()));
    }
    match FlowFile::resume(file, format, gzip)? {
        // All of it was cut off.
        (FlowFile::Text(Target::File(file)), mended) if file.metadata()?.len() == 0 => {
            let (file, opened) = begin(Target::File(file), encoding)?;
            Ok((file, Opened { mended, ..opened }))
        }
        (file, _) if !file.takes_more() => {
            let reason = "it has the columns of another version, and cannot be appended to";
            Err(io::Error::new(io::ErrorKind::InvalidData, reason))
        }
        (file, mended) => Ok((file, Opened { octets: 0, mended })),
    }
}

struct BlockWriter {
    /// `None` while it cannot be opened.
    file: Option<FlowFile>,
    path: PathBuf,
    encoding: Encoding,
    report: WriterReport,
    teller: Teller,
    /// Nobody reads what is written, and so it is not lost to anybody.
    closed: bool,
    state: SharedState,
    reopen: Arc<AtomicBool>,
}

impl BlockWriter {
    fn run(mut self, blocks: &mut Arrivals<Block>) -> WriterReport {
        loop {
            let block = blocks.next(LOOK);
            if self.reopen.swap(false, Ordering::Relaxed) {
                self.open_again();
            }
            let block = match block {
                Ok(block) if !self.closed => block,
                Ok(_) | Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let (flows, octets) = (block.flows, block.octets());
            match self.write(block) {
                Ok(()) => {
                    self.report.octets += octets;
                    self.report.flows += flows;
                    self.teller.succeeded();
                }
                Err(source) if source.kind() == io::ErrorKind::BrokenPipe => {
                    self.closed = true;
                    self.failed(source);
                }
                Err(source) => {
                    self.report.lost_blocks += 1;
                    self.report.lost_octets += octets;
                    self.report.lost_flows += flows;
                    self.failed(source);
                }
            }
            let failing = self.teller.is_failing();
            let file = Some(self.path.clone());
            self.state.set(WriterState { report: self.report, file, failing, ..WriterState::default() });
        }
        if !self.closed {
            self.complete();
        }
        self.report
    }

    fn write(&mut self, block: Block) -> io::Result<()> {
        // Somebody removed the file: what comes is for a new one.
        self.file.take_if(|file| file.is_removed());
        if self.file.is_none() {
            self.open()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.append(block)?;
        // Without it the file can be mended, but not yet read. What has no room will be told of the next block.
        let _ = file.checkpoint();
        Ok(())
    }

    /// Completes the file and opens it again by its name, unless it still has that name.
    fn open_again(&mut self) {
        if self.closed || !self.file.as_ref().is_some_and(|file| file.is_by_name() && !file.is_at(&self.path))
        {
            return;
        }
        self.complete();
        if let Err(source) = self.open() {
            self.failed(source);
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let (file, opened) = open(&self.path, self.encoding)?;
        opened.count(&mut self.report);
        self.file = Some(file);
        Ok(())
    }

    fn complete(&mut self) {
        if let Some(Err(source)) = self.file.take().map(FlowFile::finish) {
            self.report.unfinished_files += 1;
            self.failed(source);
        }
    }

    fn failed(&mut self, source: io::Error) {
        self.teller.failed(WriteFailure { target: self.path.clone(), source });
    }
}

#[cfg(test)]
mod tests;
