//! Files in a directory, one for each window of time.
//!
//! ```text
//!  shard ─┐ blocks, accounts,       ┌─ .nf.STAMP.ENDING.tmp ─┐           ┌─ sync, rename, sync
//!         ├─ "I am in this window" ─┤  (one for each window  ├─ closer ──┼─ loss file
//!  shard ─┘                         └─  that a shard is in)  ┘           └─ expiry, command
//! ```
//!
//! The writer appends; all that may take long is done by the closer, in a thread of its own. A window's file is
//! closed when every shard has entered a later one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use netflow_flow::FileName;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::backlog::{Arrivals, Backlog, Lane, lane};
use crate::block::{Block, BlockEncoder, Encoding};
use crate::flow_file::{FlowFile, Target};
use crate::output::{Branch, Way};
use crate::report::Accounts;
use crate::rotation::{Rotation, Window};
use crate::writer::{OutputEvent, SharedState, Teller, WriteFailure, WriterReport, WriterState};

mod closer;
mod command;
mod expiry;
mod layout;
mod leftovers;
mod loss;

pub use command::{BadCommand, FileCommand};
pub use expiry::Expiry;
pub use layout::Layout;

use closer::Closer;

/// Files that may be open at once. There is one for each window that a shard is in, or may yet come to.
const MOST_OPEN: usize = 256;
/// Files that may wait for the closer.
const CLOSING: usize = 64;
/// How often a writer that gets nothing wakes up.
const LOOK: Duration = Duration::from_secs(3_600);
/// Files of the same time and ending.
const MOST_ALIKE: u32 = 100_000;

/// How files are written to a directory.
#[derive(Debug, Clone)]
pub struct DirectoryConfig {
    /// The directory. It is made if it is not there.
    pub path: PathBuf,
    /// How flows are written.
    pub encoding: Encoding,
    /// How long the window of a file is, in whole seconds.
    pub window: Duration,
    /// Directories below the top one.
    pub layout: Layout,
    /// When old files are removed.
    pub expiry: Expiry,
    /// What is run for each file that is complete.
    pub command: Option<FileCommand>,
    /// What may wait to be written.
    pub backlog: Backlog,
}

/// Writes files to a directory, one for each window of time.
///
/// A file has a hidden name while it is written, and gets its own when the window is over: then it is complete, on
/// the disk, and never changes. A file that is there is never overwritten; another one of the same time gets a number.
#[derive(Debug)]
pub struct DirectoryWriter {
    encoding: Encoding,
    rotation: Rotation,
    shards: usize,
    messages: Lane<Message>,
    events: Receiver<OutputEvent>,
    writing: SharedState,
    closing: SharedState,
    thread: JoinHandle<WriterReport>,
    closer: JoinHandle<WriterReport>,
}

/// What a shard tells the writer.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) shard: usize,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// There is such a shard.
    Came,
    /// It begins with this window; all of those before was given.
    Entered(Window),
    Block(Window, Block),
    /// What was counted in a window.
    Accounts(Window, Accounts),
    /// It is at its end.
    Gone,
}

impl DirectoryWriter {
    /// Opens a directory. Files that an earlier writer left unfinished are mended, and get their names.
    ///
    /// # Errors
    /// When the directory cannot be made, read or written to.
    pub fn open(config: DirectoryConfig) -> Result<Self, WriteFailure> {
        let config = Arc::new(config);
        let failure = |source| WriteFailure { target: config.path.clone(), source };
        fs::create_dir_all(&config.path).map_err(failure)?;
        let leftovers = leftovers::find(&config.path).map_err(failure)?;
        writable(&config.path).map_err(failure)?;
        let (teller, events) = Teller::new();
        let (closing, closed) = bounded(CLOSING);
        let (messages, mut arrivals) = lane(config.backlog);
        let writing = SharedState::new(WriterState::default(), Arc::clone(messages.room()));
        let completing = SharedState::default();
        let closer = Closer::new(Arc::clone(&config), leftovers, teller.clone(), completing.clone());
        let watched = completing.watch();
        let run = move || {
            let _watched = watched;
            closer.run(&closed)
        };
        let closer = spawn("closer", run).map_err(failure)?;
        let windows = Windows {
            config: Arc::clone(&config),
            places: Vec::new(),
            open: BTreeMap::new(),
            closing,
            teller,
            state: writing.clone(),
            report: WriterReport::default(),
        };
        let watched = writing.watch();
        let run = move || {
            let _watched = watched;
            windows.run(&mut arrivals)
        };
        let thread = spawn("writer", run).map_err(failure)?;
        let rotation = Rotation::new(config.window);
        let encoding = config.encoding;
        let closing = completing;
        Ok(Self { encoding, rotation, shards: 0, messages, events, writing, closing, thread, closer })
    }

    /// The way to this directory for one more shard. All ways are to be made before the first shard starts.
    ///
    /// # Errors
    /// When the encoder cannot be made.
    pub fn branch(&mut self) -> io::Result<Branch> {
        let encoder = BlockEncoder::new(self.encoding)?;
        let (shard, messages, rotation) = (self.shards, self.messages.clone(), self.rotation.clone());
        self.shards += 1;
        messages.tell(Message { shard, what: What::Came });
        Ok(Branch { encoder, way: Way::Directory { shard, messages, rotation, next: None } })
    }

    /// How it goes, for any thread to look at: of the thread that writes, and of the one that completes files.
    pub fn states(&self) -> [SharedState; 2] {
        [self.writing.clone(), self.closing.clone()]
    }

    /// What happens.
    pub fn events(&self) -> &Receiver<OutputEvent> {
        &self.events
    }

    /// Waits until everything is written and all files have their names; the branches must be gone. Also says what
    /// happened since [`events`](Self::events) were last taken.
    pub fn finish(self) -> (WriterReport, Vec<OutputEvent>) {
        drop(self.messages);
        let mut report = self.writing.join(self.thread);
        report.add(&self.closing.join(self.closer));
        (report, self.events.try_iter().collect())
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.into()).spawn(run)
}

/// Finds out at once whether files can be made, and not only with the first flow.
fn writable(directory: &Path) -> io::Result<()> {
    let probe = directory.join(format!(".nf.{}.probe", std::process::id()));
    File::create(&probe)?;
    fs::remove_file(&probe)
}

/// Where a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// It has not entered any window, and may enter any.
    Nowhere,
    In(Window),
    Gone,
}

/// A file that is being written.
#[derive(Debug)]
struct Unfinished {
    file: FlowFile,
    path: PathBuf,
    directory: PathBuf,
    name: FileName,
    flows: u64,
}

/// What there is of a window.
#[derive(Debug)]
struct Closing {
    window: Window,
    file: Option<Unfinished>,
    accounts: Accounts,
}

/// The writer's thread.
struct Windows {
    config: Arc<DirectoryConfig>,
    places: Vec<Place>,
    open: BTreeMap<Window, Closing>,
    closing: Sender<Closing>,
    teller: Teller,
    state: SharedState,
    report: WriterReport,
}

impl Windows {
    fn run(mut self, messages: &mut Arrivals<Message>) -> WriterReport {
        loop {
            let Message { shard, what } = match messages.next(LOOK) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            match what {
                What::Came => self.places.push(Place::Nowhere),
                What::Entered(window) => self.place(shard, Place::In(window)),
                What::Gone => self.place(shard, Place::Gone),
                What::Block(window, block) => self.append(window, block),
                What::Accounts(window, accounts) => self.window(window).accounts.add(accounts),
            }
            let file = self.open.values().rev().find_map(|open| Some(open.file.as_ref()?.path.clone()));
            let failing = self.teller.is_failing();
            self.state.set(WriterState { report: self.report, file, failing, ..WriterState::default() });
        }
        while let Some((_, closing)) = self.open.pop_first() {
            self.close(closing);
        }
        self.report
    }

    /// Notes where a shard is, and closes what no shard can come to any more.
    fn place(&mut self, shard: usize, place: Place) {
        self.places[shard] = place;
        let first = self.places.iter().min().copied().unwrap_or(Place::Gone);
        while self.open.first_key_value().is_some_and(|(window, _)| Place::In(*window) < first) {
            let Some((_, closing)) = self.open.pop_first() else { return };
            self.close(closing);
        }
    }

    fn window(&mut self, window: Window) -> &mut Closing {
        if self.open.len() >= MOST_OPEN && !self.open.contains_key(&window) {
            // If a shard still comes to it, its flows get a file with a number.
            if let Some((_, closing)) = self.open.pop_first() {
                self.close(closing);
            }
        }
        self.open.entry(window).or_insert_with(|| Closing {
            window,
            file: None,
            accounts: Accounts::default(),
        })
    }

    fn close(&mut self, closing: Closing) {
        // The closer runs until this sender is gone, unless it failed: the next start completes what is there.
        if let Err(lost) = self.closing.send(closing) {
            self.report.unfinished_files += u64::from(lost.0.file.is_some());
            self.report.lost_accounts += u64::from(!lost.0.accounts.is_empty());
        }
    }

    fn append(&mut self, window: Window, block: Block) {
        let (flows, octets) = (block.flows, block.octets());
        self.window(window);
        let config = Arc::clone(&self.config);
        let Some(Closing { file, .. }) = self.open.get_mut(&window) else { return };
        if let Some(removed) = file.take_if(|unfinished| unfinished.file.is_removed()) {
            let source = io::Error::from(io::ErrorKind::NotFound);
            self.report.lost_flows += removed.flows;
            self.report.lost_files += 1;
            self.teller.failed(WriteFailure { target: removed.path, source });
        }
        let written = match file {
            Some(unfinished) => Ok(unfinished),
            None => create(&config, window).map(|(unfinished, head)| {
                self.report.octets += head;
                file.insert(unfinished)
            }),
        };
        let written = written.and_then(|unfinished| {
            let failure = |source| WriteFailure { target: unfinished.path.clone(), source };
            unfinished.file.append(block).map_err(failure)?;
            unfinished.flows += flows;
            Ok(())
        });
        match written {
            Ok(()) => {
                self.report.octets += octets;
                self.report.flows += flows;
                self.teller.succeeded();
            }
            Err(failure) => {
                self.report.lost_blocks += 1;
                self.report.lost_octets += octets;
                self.report.lost_flows += flows;
                self.teller.failed(failure);
            }
        }
    }
}

/// Creates the file for a window, under a name that nobody has; says how many octets it begins with.
fn create(config: &DirectoryConfig, window: Window) -> Result<(Unfinished, u64), WriteFailure> {
    let Encoding { format, gzip, .. } = config.encoding;
    let directory = config.path.join(config.layout.directory(window.start));
    let make = || {
        let made = fs::create_dir_all(&directory);
        made.map_err(|source| WriteFailure { target: directory.clone(), source })
    };
    make()?;
    let mut name = FileName::new(window.start, config.window, format, gzip);
    let mut made_again = false;
    loop {
        let path = directory.join(name.unfinished());
        let failure = |source| WriteFailure { target: path.clone(), source };
        match File::options().read(true).append(true).create_new(true).open(&path) {
            Ok(file) => {
                // Somebody who was faster takes it for a leftover.
                if flock(&file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK) {
                    let begun = FlowFile::begin(Target::File(file), format, gzip);
                    let (file, head) = begun.map_err(failure).inspect_err(|_| _ = fs::remove_file(&path))?;
                    return Ok((Unfinished { file, path, directory, name, flows: 0 }, head));
                }
            }
            // Expiry may have removed it, since it was empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !made_again => {
                made_again = true;
                make()?;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && name.number < MOST_ALIKE => {}
            Err(error) => return Err(failure(error)),
        }
        name.number += 1;
    }
}

#[cfg(test)]
mod tests {
    use netflow_flow::Format;

    use super::*;
    use crate::block::Body;

    fn config(path: &Path) -> DirectoryConfig {
        let encoding = Encoding { format: Format::FlowLines, gzip: false, flush: Duration::from_secs(1) };
        let (path, window) = (path.to_owned(), Duration::from_secs(60));
        let (layout, expiry) = (Layout::Flat, Expiry::default());
        let backlog = Backlog::default();
        DirectoryConfig { path, encoding, window, layout, expiry, command: None, backlog }
    }

    fn window(minute: i64) -> Window {
        Window { generation: 0, start: minute * 60 }
    }

    /// Gives a block with one line of text.
    fn give(writer: &DirectoryWriter, shard: usize, minute: i64) {
        let text = format!("{{\"shard\":{shard}}}\n").into_bytes();
        let block = Block { flows: 1, body: Body::Text(text) };
        say(writer, shard, What::Block(window(minute), block));
    }

    fn say(writer: &DirectoryWriter, shard: usize, what: What) {
        writer.messages.tell(Message { shard, what });
    }

    /// The file that is complete next.
    fn completed(writer: &DirectoryWriter) -> (String, u64) {
        match writer.events().recv_timeout(Duration::from_secs(60)) {
            Ok(OutputEvent::Finished { path, flows }) => {
                (path.file_name().unwrap().to_str().unwrap().to_owned(), flows)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_closed_when_the_last_shard_is_past_its_window() {
        let folder = tempfile::tempdir().unwrap();
        let writer = DirectoryWriter::open(config(folder.path())).unwrap();
        (0..3).for_each(|shard| say(&writer, shard, What::Came));
        // The first one is fast; the second follows; the third has nothing to say for long.
        for minute in 0..3 {
            say(&writer, 0, What::Entered(window(minute)));
            give(&writer, 0, minute);
        }
        say(&writer, 1, What::Entered(window(0)));
        give(&writer, 1, 0);
        say(&writer, 1, What::Entered(window(2)));
        // Nothing is complete before the third is past it, whenever that is.
        std::thread::sleep(Duration::from_millis(300));
        assert!(writer.events().is_empty());
        say(&writer, 2, What::Entered(window(0)));
        give(&writer, 2, 0);
        say(&writer, 2, What::Entered(window(1)));
        assert_eq!(completed(&writer), ("nf.197001010000.ndjson".into(), 3));
        give(&writer, 2, 1);
        say(&writer, 2, What::Gone);
        assert_eq!(completed(&writer), ("nf.197001010001.ndjson".into(), 2));
        let (report, events) = writer.finish();
        assert_eq!((report.files, report.flows, report.lost_flows, events.len()), (3, 6, 0, 1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn more_windows_than_may_be_open_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let writer = DirectoryWriter::open(config(folder.path())).unwrap();
        (0..2).for_each(|shard| say(&writer, shard, What::Came));
        let windows = MOST_OPEN as i64 + 50;
        for shard in 0..2 {
            for minute in 0..windows {
                say(&writer, shard, What::Entered(window(minute)));
                give(&writer, shard, minute);
            }
        }
        let (report, _) = writer.finish();
        assert_eq!((report.flows, report.lost_flows), (2 * windows as u64, 0));
        let text: String = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        assert_eq!(text.lines().count() as u64, 2 * windows as u64);
    }
}
