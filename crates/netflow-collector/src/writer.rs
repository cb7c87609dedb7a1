//! The writer: blocks of encoded flows to a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use netflow_flow::{FlowEncoder, Format, GzipBlock, SamplingOverride, write_csv_head};
use netflow_templates::{Context, DataSet, MessageSink, Problem, TemplateChange};

use crate::shard::Output;
use crate::tail;

/// Octets of text after which an encoder's block is full.
const BLOCK: usize = 256 << 10;
/// Blocks that may wait for the writer.
const QUEUE: usize = 64;
/// Failures that may wait to be taken.
const FAILURES: usize = 64;

/// A block that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}: {source}", target.display())]
pub struct WriteFailure {
    /// What was written to; `-` for stdout.
    pub target: PathBuf,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// What a writer wrote.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriterReport {
    /// Octets written.
    pub octets: u64,
    /// Blocks that could not be written.
    pub lost_blocks: u64,
    /// Octets of these blocks.
    pub lost_octets: u64,
    /// Octets that were cut off the file before anything was appended: of a block that was not whole, as
    /// when a writer was killed.
    pub cut_octets: u64,
    /// Lines that could be read of what was cut off, and were written again.
    pub saved_lines: u64,
    /// Octets of text behind these lines, of a line without its end, which are lost.
    pub lost_text: u64,
    /// Octets of the file's last line, where it had no end. It was given one, so that what follows can be read.
    pub open_line: u64,
    /// Whether the writer's thread failed, which is an error of this program: what it had not written is lost,
    /// and the other counts are missing.
    pub failed: bool,
}

/// Appends blocks to a file, in a thread of its own.
///
/// A block is appended whole or not at all: when the disk is full, what was written of it is taken back, so
/// that the file stays readable, and the next one is tried.
#[derive(Debug)]
pub struct FileWriter {
    format: Format,
    gzip: Option<GzipBlock>,
    blocks: Sender<Vec<u8>>,
    failures: Receiver<WriteFailure>,
    thread: JoinHandle<WriterReport>,
}

/// What is written to.
enum Target {
    File(File),
    /// What cannot be cut off again: a pipe, a terminal, a device.
    Stream(Box<dyn Write + Send>),
}

impl FileWriter {
    /// Opens `path`, to append to what is there.
    ///
    /// What is there may end in half a block: this is cut off, but for the lines that can be read of it, and a
    /// last line without its end gets one. For that a text is read from its last line on, a compressed file from its beginning.
    ///
    /// # Errors
    /// When the file cannot be opened, read or written; of the kind `InvalidData` when it holds something else
    /// than this format, or is damaged so that what is appended could not be read.
    pub fn open(path: &Path, format: Format, gzip: bool) -> Result<Self, WriteFailure> {
        let failure = |source| WriteFailure { target: path.to_owned(), source };
        let gzip = gzip.then(GzipBlock::default);
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).read(true).open(path).map_err(failure)?;
        let metadata = file.metadata().map_err(failure)?;
        if metadata.is_dir() {
            return Err(failure(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let mut report = WriterReport::default();
        if !metadata.is_file() {
            return Self::start(Target::Stream(Box::new(file)), true, path, format, gzip, report);
        }
        let unlike = netflow_flow::unlike(&mut file, format, gzip.is_some()).map_err(failure)?;
        if let Some(holds) = unlike {
            return Err(failure(io::Error::new(io::ErrorKind::InvalidData, holds.to_string())));
        }
        let mended = tail::mend(&mut file, format, gzip).map_err(failure)?;
        (report.cut_octets, report.open_line) = (mended.cut, mended.open_line);
        (report.saved_lines, report.lost_text) = (mended.saved_lines, mended.lost_text);
        let empty = file.metadata().map_err(failure)?.len() == 0;
        Self::start(Target::File(file), empty, path, format, gzip, report)
    }

    /// Writes to an output that is open, such as stdout, without compression; failures name it `-`.
    ///
    /// # Errors
    /// When nothing can be written to it.
    pub fn to(output: impl Write + Send + 'static, format: Format) -> Result<Self, WriteFailure> {
        let report = WriterReport::default();
        Self::start(Target::Stream(Box::new(output)), true, Path::new("-"), format, None, report)
    }

    fn start(
        target: Target,
        empty: bool,
        path: &Path,
        format: Format,
        gzip: Option<GzipBlock>,
        report: WriterReport,
    ) -> Result<Self, WriteFailure> {
        let failure = |source| WriteFailure { target: path.to_owned(), source };
        let (told, failures) = bounded(FAILURES);
        let mut writer = BlockWriter { target, path: path.to_owned(), report, failing: false, told };
        if format == Format::Csv && empty {
            let mut head = Vec::new();
            write_csv_head(&mut head);
            let head = match gzip {
                Some(gzip) => gzip.compress(&head).map_err(failure)?,
                None => head,
            };
            writer.write(&head).map_err(failure)?;
            writer.report.octets += head.len() as u64;
        }
        let (blocks, receiver) = bounded(QUEUE);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || writer.run(&receiver))
            .map_err(failure)?;
        Ok(Self { format, gzip, blocks, failures, thread })
    }

    /// An output for one shard.
    pub fn output(&self, sampling: SamplingOverride) -> FileOutput {
        FileOutput {
            encoder: FlowEncoder::new(self.format, self.gzip, sampling),
            blocks: self.blocks.clone(),
        }
    }

    /// Failures to write, as they happen: the first of each run of them.
    pub fn failures(&self) -> &Receiver<WriteFailure> {
        &self.failures
    }

    /// Waits until everything is written that outputs gave, which must be gone. Also says what failed since
    /// [`failures`](Self::failures) were last taken.
    pub fn finish(self) -> (WriterReport, Vec<WriteFailure>) {
        drop(self.blocks);
        let report = self.thread.join();
        let report = report.unwrap_or_else(|_| WriterReport { failed: true, ..WriterReport::default() });
        (report, self.failures.try_iter().collect())
    }
}

struct BlockWriter {
    target: Target,
    path: PathBuf,
    report: WriterReport,
    failing: bool,
    told: Sender<WriteFailure>,
}

impl BlockWriter {
    fn run(mut self, blocks: &Receiver<Vec<u8>>) -> WriterReport {
        for block in blocks {
            match self.write(&block) {
                Ok(()) => {
                    self.report.octets += block.len() as u64;
                    self.failing = false;
                }
                Err(source) => self.failed(block.len(), source),
            }
        }
        self.report
    }

    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        match &mut self.target {
            Target::Stream(output) => {
                output.write_all(block)?;
                output.flush()
            }
            Target::File(file) => {
                let end = file.seek(SeekFrom::End(0))?;
                file.write_all(block).inspect_err(|_| {
                    // If even this fails, the next reader finds a cut-off block, and says so.
                    let _ = file.set_len(end);
                })
            }
        }
    }

    fn failed(&mut self, octets: usize, source: io::Error) {
        self.report.lost_blocks += 1;
        self.report.lost_octets += octets as u64;
        if !self.failing {
            let _ = self.told.try_send(WriteFailure { target: self.path.clone(), source });
        }
        self.failing = true;
    }
}

/// Encodes one shard's flows, and gives the blocks to a [`FileWriter`].
#[derive(Debug)]
pub struct FileOutput {
    encoder: FlowEncoder,
    blocks: Sender<Vec<u8>>,
}

impl FileOutput {
    fn hand_on_much(&mut self) {
        if self.encoder.buffered() >= BLOCK {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        // Compressing into memory cannot fail.
        if let Ok(Some(block)) = self.encoder.take_block() {
            // The writer lives as long as there are outputs.
            let _ = self.blocks.send(block);
        }
    }
}

impl Output for FileOutput {
    fn end_packet(&mut self) {
        self.encoder.end_packet();
        self.hand_on_much();
    }

    fn flush(&mut self) {
        self.hand_on();
    }
}

impl MessageSink for FileOutput {
    fn packet(&mut self, context: &Context<'_>) {
        self.encoder.packet(context);
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.encoder.data(context, set);
        // A template may release all that waited for it.
        self.hand_on_much();
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.encoder.options(context, set);
    }

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        self.encoder.template(context, change);
    }

    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        self.encoder.problem(context, problem);
    }
}
