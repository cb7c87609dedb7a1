//! Flows out of any file that holds some: flow files, files of export packets, captures of them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Seek};
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use netflow_capture::{CaptureReader, looks_like_capture};
use netflow_flow::{COLUMNS, Column, Flow, FlowReader, Flows, Normalizer, ReadError};
use netflow_parquet::{FlowFile, is_parquet};
use netflow_query::{Matching, Selector as _};
use netflow_templates::{Context, DataSet, MessageSink, Problem, Registry, Session};

use crate::args::Decoding;
use crate::input;
use crate::output::{self, count};
use crate::progress::Progress;

/// Flows of Parquet that are taken at a time: as many as stay near while one column after the other is set.
const PARQUET_BATCH: usize = 512;
/// Threads that parse the lines of one file: whatever takes the flows is not faster.
const MOST_PARSING: usize = 4;
/// Bad lines that are told one by one.
const MAX_MESSAGES: u64 = 20;

/// What takes flows, some at a time; it may take them away. Its errors end the command.
pub(crate) type Take<'a> = dyn FnMut(&mut Vec<Flow>) -> anyhow::Result<()> + 'a;

/// An input that was opened. What it holds is told by its beginning.
pub(crate) struct FlowInput {
    pub(crate) name: String,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Parquet(Box<FlowFile>),
    /// A pcap or pcapng capture of export packets.
    Capture(Box<dyn BufRead>),
    /// Anything else: lines of flows or of export packets, if it can be read.
    Lines {
        input: Box<dyn BufRead + Send>,
        /// Whether all of it is there already.
        whole: bool,
    },
}

impl FlowInput {
    /// Opens stdin.
    pub(crate) fn stdin(progress: &Progress) -> anyhow::Result<Self> {
        if io::stdin().is_terminal() {
            output::note("reading from the terminal; give a FILE to read that instead");
        }
        Self::of("stdin".to_owned(), progress.stdin(), false)
    }

    /// Opens a file, whose octets count for the progress when they are read.
    pub(crate) fn open(path: &Path, progress: &Progress) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let mut file = File::open(path).map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::NotFound => {
                    "; is the name right? `nf collect` names its files <unix seconds>.gz"
                }
                _ => "",
            };
            anyhow::anyhow!("cannot read {name}: {error}{advice}")
        })?;
        if starts_as_parquet(&mut file) {
            let file = FlowFile::open(file).with_context(|| name.clone())?;
            return Ok(Self { name, content: Content::Parquet(Box::new(file)) });
        }
        let whole = file.metadata().is_ok_and(|metadata| metadata.is_file());
        Self::of(name, progress.reading(file), whole)
    }

    fn of(name: String, input: impl Read + Send + 'static, whole: bool) -> anyhow::Result<Self> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let start = input.fill_buf().with_context(|| format!("cannot read {name}"))?;
        let content = if is_parquet(start) {
            // Its end has to be known before anything can be read.
            let mut octets = Vec::new();
            input.read_to_end(&mut octets).with_context(|| format!("cannot read {name}"))?;
            Content::Parquet(Box::new(FlowFile::from_octets(octets).with_context(|| name.clone())?))
        } else if looks_like_capture(start) {
            Content::Capture(Box::new(input))
        } else {
            Content::Lines { input: Box::new(input), whole }
        };
        Ok(Self { name, content })
    }
}

/// Threads that parse the lines of one file; `None` where they would only take turns.
fn parsing_threads() -> Option<NonZero<usize>> {
    let cores = thread::available_parallelism().ok()?;
    NonZero::new(cores.get().min(MOST_PARSING)).filter(|threads| threads.get() > 1)
}

/// Whether a file, which is read from its start afterwards, is of Parquet.
fn starts_as_parquet(file: &mut File) -> bool {
    let mut start = [0; 4];
    let regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let is = regular && file.read_exact(&mut start).is_ok() && is_parquet(&start);
    (!regular || file.rewind().is_ok()) && is
}

/// What is wanted of files that are read by columns.
#[derive(Debug)]
pub(crate) struct Part {
    /// The columns that are read; the others are absent.
    pub(crate) columns: Vec<&'static Column>,
    /// The filter that the flows are to pass, for row groups that have none to be left out.
    pub(crate) matching: Matching,
}

/// Reads inputs, one after the other, says what is wrong with them, and counts.
pub(crate) struct FlowInputs<'a> {
    decoding: &'a Decoding,
    registry: Arc<Registry>,
    progress: Progress,
    part: Option<Part>,
    /// Lines, export packets, and flows of Parquet that were read.
    pub(crate) good: u64,
    /// Lines, export packets and row groups that could not be read.
    pub(crate) bad: u64,
    /// Inputs that could not be read, or not to their end.
    pub(crate) unreadable: u64,
}

impl<'a> FlowInputs<'a> {
    pub(crate) fn new(decoding: &'a Decoding, progress: &Progress) -> anyhow::Result<Self> {
        let registry = Arc::new(input::registry(decoding)?);
        let progress = progress.clone();
        Ok(Self { decoding, registry, progress, part: None, good: 0, bad: 0, unreadable: 0 })
    }

    /// The same, of which nothing was read yet, for another thread. Of files that are read by columns it reads a part.
    pub(crate) fn fork(&self, part: Part) -> Self {
        let (decoding, registry, progress) =
            (self.decoding, Arc::clone(&self.registry), self.progress.clone());
        Self { decoding, registry, progress, part: Some(part), good: 0, bad: 0, unreadable: 0 }
    }

    /// Says that no more is wanted: what is being read, in other threads too, ends.
    pub(crate) fn enough(&self) {
        self.progress.enough();
    }

    /// Counts what another one read.
    pub(crate) fn add(&mut self, (good, bad, unreadable): (u64, u64, u64)) {
        self.good += good;
        self.bad += bad;
        self.unreadable += unreadable;
    }

    /// Opens a file, or stdin as `-`; `None` when it cannot be, which was said.
    pub(crate) fn open(&mut self, path: &Path) -> Option<FlowInput> {
        let opened = match path.as_os_str() == "-" {
            true => FlowInput::stdin(&self.progress),
            false => FlowInput::open(path, &self.progress),
        };
        opened.map_err(|error| self.unreadable(&error)).ok()
    }

    /// Opens and reads a file, or stdin as `-`. What cannot be read is said. Nothing is read once the user wants to
    /// end, and reading stops then.
    ///
    /// # Errors
    /// Those of `take` alone.
    pub(crate) fn read_path(&mut self, path: &Path, take: &mut Take<'_>) -> anyhow::Result<()> {
        if self.progress.stopped() {
            return Ok(());
        }
        match self.open(path) {
            Some(input) => self.read(input, take),
            None => Ok(()),
        }
    }

    /// Reads an input. What cannot be read is said.
    ///
    /// # Errors
    /// Those of `take` alone.
    pub(crate) fn read(&mut self, input: FlowInput, take: &mut Take<'_>) -> anyhow::Result<()> {
        let mut failed = None;
        let progress = self.progress.clone();
        let mut take = |flows: &mut Vec<Flow>| {
            progress.flows(flows.len() as u64);
            take(flows).map_err(|error| {
                failed = Some(error);
                anyhow::anyhow!("stopped")
            })
        };
        let FlowInput { name, content } = input;
        let read = match content {
            Content::Parquet(file) => self.parquet(&name, *file, &mut take),
            Content::Capture(input) => self.capture(&name, input, &mut take),
            Content::Lines { input, whole } => self.lines(&name, input, whole, &mut take),
        };
        match failed {
            Some(error) => Err(error),
            // What ends in the middle because the user wanted it is not wrong.
            None if read.is_err() && self.progress.stopped() => Ok(()),
            None => {
                read.unwrap_or_else(|error| self.unreadable(&error));
                Ok(())
            }
        }
    }

    /// Says and counts that an input could not be read.
    pub(crate) fn unreadable(&mut self, error: &anyhow::Error) {
        output::error(format_args!("{error:#}"));
        self.unreadable += 1;
    }

    /// Says and counts that a row group could not be read, or not to its end.
    pub(crate) fn bad_row_group(&mut self, name: &str, error: &netflow_query::Error) {
        self.bad += 1;
        if self.bad <= MAX_MESSAGES {
            output::error(format_args!("{name}: {error}"));
        }
    }

    /// How the command ends, once all was read, or what the user wanted of it.
    ///
    /// # Errors
    /// When nothing could be read.
    pub(crate) fn outcome(&self) -> anyhow::Result<crate::Outcome> {
        let stopped = self.progress.finish();
        if self.unreadable > 0 && self.good == 0 {
            anyhow::bail!("nothing could be read");
        }
        Ok(match self.unreadable > 0 || self.bad > 0 || stopped {
            true => crate::Outcome::BadInput,
            false => crate::Outcome::Done,
        })
    }

    fn parquet(&mut self, name: &str, file: FlowFile, take: &mut Take<'_>) -> anyhow::Result<()> {
        let all: Vec<_> = COLUMNS.iter().filter(|column| !column.derived).collect();
        let columns = self.part.as_ref().map_or(&all, |part| &part.columns);
        let mut flows = Vec::new();
        let (mut good, mut bad) = (0, 0);
        let (length, rows) = (u128::from(file.length()), u128::from(file.rows().max(1)));
        for group in 0..file.row_groups() {
            let of_group = file.row_group_rows(group).unwrap_or(0) as u64;
            let octets = |flows: u64| (length * u128::from(flows) / rows) as u64;
            if self.part.as_ref().is_some_and(|part| !part.matching.may_match(&file, group)) {
                self.progress.octets(octets(of_group));
                good += of_group;
                continue;
            }
            let mut reader = file.row_group(group, columns);
            let mut done = 0;
            while !self.progress.stopped() {
                let read = match &mut reader {
                    Ok(reader) => reader.read(PARQUET_BATCH, &mut flows),
                    Err(_) => Ok(false),
                };
                match read {
                    Ok(true) => {
                        let (before, count) = (done, flows.len() as u64);
                        done += count;
                        good += count;
                        self.progress.octets(octets(done) - octets(before));
                        take(&mut flows)?;
                    }
                    Ok(false) => break,
                    Err(error) => {
                        reader = Err(error);
                    }
                }
            }
            // The next row group may be good.
            if let Err(error) = reader {
                bad += 1;
                if bad <= MAX_MESSAGES {
                    output::error(format_args!("{name}: {error}"));
                }
            }
        }
        self.good += good;
        self.bad += bad;
        if good == 0 && bad > 0 {
            anyhow::bail!("{name}: none of its row groups can be read");
        }
        note_unknown_columns(name, &file);
        Ok(())
    }

    fn lines(
        &mut self,
        name: &str,
        input: impl Read + Send,
        whole: bool,
        take: &mut Take<'_>,
    ) -> anyhow::Result<()> {
        let registry = (*self.registry).clone();
        let mut reader = FlowReader::with_registry(input, registry, self.decoding.sampling)
            .map_err(|error| input::no_flows(name, error))?;
        let (mut good, mut bad) = (0, 0);
        let mut result = Ok(());
        let mut each = |read: Result<&mut Vec<Flow>, ReadError>| {
            let taken = match read {
                Ok(flows) => {
                    good += 1;
                    take(flows)
                }
                Err(error) if error.is_recoverable() => {
                    bad += 1;
                    if bad <= MAX_MESSAGES {
                        output::error(format_args!("{name}: {error}"));
                    }
                    Ok(())
                }
                Err(error) => Err(input::no_flows(name, error)),
            };
            let ended = taken.is_err() || self.progress.stopped();
            result = taken;
            if ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match parsing_threads().filter(|_| whole) {
            Some(threads) => reader.read_all(threads, &mut each),
            None => {
                let mut flows = Vec::new();
                while !self.progress.stopped() {
                    let ended = match reader.read(&mut flows) {
                        Ok(true) => each(Ok(&mut flows)),
                        Ok(false) => break,
                        Err(error) => each(Err(error)),
                    };
                    if ended.is_break() {
                        break;
                    }
                }
            }
        }
        self.good += good;
        self.bad += bad;
        result?;
        if bad > MAX_MESSAGES {
            output::error(format_args!("{name}: {bad} lines could not be read in all"));
        }
        if good == 0 && bad > 0 {
            anyhow::bail!("{name}: none of its lines is a flow or an export packet");
        }
        input::note_left_out(name, &reader);
        Ok(())
    }

    fn capture(&mut self, name: &str, input: impl Read, take: &mut Take<'_>) -> anyhow::Result<()> {
        let mut session = Session::with_config(input::session_config(self.decoding)?);
        let mut capture = CaptureReader::new(input).with_context(|| name.to_owned())?;
        let mut sink = FlowSink {
            normalizer: Normalizer::with_sampling_override(self.decoding.sampling),
            flows: Flows::new(),
            batch: Vec::new(),
            malformed: 0,
        };
        let (mut good, mut foreign, mut malformed) = (0, 0, 0);
        let result = loop {
            let datagram = match capture.next_datagram() {
                _ if self.progress.stopped() => break Ok(()),
                Ok(Some(datagram)) => datagram,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error).with_context(|| name.to_owned()),
            };
            let (from, time) = (datagram.source.into(), datagram.time);
            input::messages(datagram.payload, |at, octets| {
                let decoded = session.decode(from, time, octets, &mut sink);
                match (&decoded, at) {
                    (Ok(_), _) => good += 1,
                    (Err(_), 0) => foreign += 1,
                    (Err(_), _) => malformed += 1,
                }
                decoded.ok()
            });
            if !sink.batch.is_empty() {
                take(&mut sink.batch)?;
                sink.batch.clear();
            }
        };
        self.good += good;
        if foreign > 0 {
            output::note(format_args!(
                "{name}: {} were no export packets, of {}",
                foreign,
                count(capture.statistics().datagrams, "datagram")
            ));
        }
        if session.statistics().packets == 0 {
            result?;
            anyhow::bail!("{name}: no export packets in {}", count(capture.statistics().frames, "frame"));
        }
        let (waiting, octets) = session.waiting();
        if waiting > 0 {
            output::note(format_args!(
                "{name}: {} of {octets} octets could not be decoded: their templates are not in the capture",
                count(waiting as u64, "data set")
            ));
        }
        let malformed = malformed + sink.malformed;
        if malformed > 0 {
            self.bad += malformed;
            let malformed = count(malformed, "export packet");
            output::error(format_args!(
                "{name}: {malformed} with something wrong (`nf decode -f` tells what)"
            ));
        }
        result
    }
}

/// Says which columns of a file are none of a flow.
pub(crate) fn note_unknown_columns(name: &str, file: &FlowFile) {
    let unknown: Vec<_> = file.unknown_columns().map(|name| name.escape_debug().to_string()).collect();
    if !unknown.is_empty() {
        output::note(format_args!(
            "{name}: columns that are not known were left out: {}",
            unknown.join(", ")
        ));
    }
}

/// Collects the flows of decoded packets.
struct FlowSink {
    normalizer: Normalizer,
    flows: Flows,
    batch: Vec<Flow>,
    malformed: u64,
}

impl MessageSink for FlowSink {
    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.normalizer.normalize(context, set, &mut self.flows);
        self.batch.extend(self.flows.iter().map(|flow| flow.to_flow()));
        self.flows.clear();
    }

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        self.malformed += u64::from(problem.is_malformed());
    }
}
