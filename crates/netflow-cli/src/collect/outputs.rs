//! What `nf collect` writes to: files, stdout, a directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use netflow_collector::{
    Backlog, Branch, DirectoryConfig, DirectoryWriter, Encoding, Expiry, FileCommand, FileWriter, FlowOutput,
    Layout, OutputEvent, WhenFull, WriteFailure, WriterReport,
};
use netflow_filter::Filter;
use netflow_flow::{Format, SamplingOverride};
use netflow_templates::Timestamp;

use super::health::OutputState;
use crate::args::{Collect, FileFormat, Partition};
use crate::filter;
use crate::output;

/// How long flows may wait in memory for text, and for Parquet, where few of them at once make large files.
const FLUSH_TEXT: u64 = 1;
const FLUSH_PARQUET: u64 = 60;

/// All outputs of one run.
pub(super) struct Outputs {
    files: Vec<FileWriter>,
    directory: Option<DirectoryWriter>,
    names: Vec<String>,
    /// Flows are written, and not export packets alone.
    flows: bool,
    filter: Option<Arc<Filter>>,
    /// Flows that the filter did not let pass.
    left_out: Arc<AtomicU64>,
}

/// A file to write.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    path: PathBuf,
    format: FileFormat,
}

impl Outputs {
    /// Opens them.
    pub(super) fn open(args: &Collect) -> anyhow::Result<Self> {
        let targets = targets(args)?;
        let directory = directory(args, &targets)?;
        let mut names: Vec<_> = targets.iter().map(|target| name(&target.path)).collect();
        names.extend(directory.iter().map(|config| config.path.display().to_string()));
        let filter = filter(args, &targets, directory.as_ref())?.map(Arc::new);
        let flows = formats(&targets, directory.as_ref()).any(|format| format != Format::Packets);
        let backlog = backlog(args, names.len());
        let files = targets.iter().map(|Target { path, format }| {
            let encoding = encoding(args, *format);
            let writer = match path == Path::new("-") {
                true => FileWriter::to(output::data(), encoding, backlog),
                false => FileWriter::open(path, encoding, backlog),
            };
            writer.map_err(explain_write)
        });
        let files = files.collect::<anyhow::Result<_>>()?;
        let directory = directory.map(DirectoryWriter::open).transpose().map_err(explain_write)?;
        Ok(Self { files, directory, names, flows, filter, left_out: Arc::default() })
    }

    /// For people.
    pub(super) fn names(&self) -> String {
        self.names.join(", ")
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether flows are normalised, and not export packets alone written.
    pub(super) fn has_flows(&self) -> bool {
        self.flows
    }

    /// The outputs of so many shards.
    pub(super) fn shards(
        &mut self,
        shards: usize,
        sampling: SamplingOverride,
    ) -> anyhow::Result<Vec<FlowOutput>> {
        let mut outputs = Vec::new();
        for _ in 0..shards {
            let branches = self.files.iter().map(FileWriter::branch);
            let mut branches: Vec<Branch> =
                branches.collect::<io::Result<_>>().context("cannot begin to encode flows")?;
            if let Some(directory) = &mut self.directory {
                branches.push(directory.branch().context("cannot begin to encode flows")?);
            }
            let output = FlowOutput::new(branches, sampling);
            outputs.push(match &self.filter {
                Some(filter) => output.filtered(Arc::clone(filter), Arc::clone(&self.left_out)),
                None => output,
            });
        }
        Ok(outputs)
    }

    /// Flows that a filter does not let pass; `None` without one.
    pub(super) fn left_out(&self) -> Option<Arc<AtomicU64>> {
        self.filter.as_ref().map(|_| Arc::clone(&self.left_out))
    }

    /// How they are doing, for other threads.
    pub(super) fn states(&self) -> Vec<OutputState> {
        let files = self.files.iter().map(|file| vec![file.state()]);
        let states = files.chain(self.directory.iter().map(|directory| directory.states().to_vec()));
        let names = self.names.iter().cloned();
        names.zip(states).map(|(name, states)| OutputState { name, states }).collect()
    }

    /// The file that is written, of the last output that has one.
    pub(super) fn current_file(&self) -> Option<PathBuf> {
        self.directory.iter().find_map(|directory| directory.states()[0].now().file)
    }

    /// Opens files again. Those of a directory are opened by themselves.
    pub(super) fn reopen(&self) {
        self.files.iter().for_each(FileWriter::reopen);
    }

    /// What happened since the last call.
    pub(super) fn events(&self) -> impl Iterator<Item = OutputEvent> {
        let channels = self.files.iter().map(FileWriter::events);
        let channels = channels.chain(self.directory.iter().map(DirectoryWriter::events));
        channels.flat_map(|channel| channel.try_iter())
    }

    /// Waits until everything is written; the outputs of the shards must be gone.
    pub(super) fn finish(self) -> (WriterReport, Vec<OutputEvent>) {
        let finished = self.files.into_iter().map(FileWriter::finish);
        let finished = finished.chain(self.directory.map(DirectoryWriter::finish));
        let (mut sum, mut all) = (WriterReport::default(), Vec::new());
        for (report, events) in finished {
            sum.add(&report);
            all.extend(events);
        }
        (sum, all)
    }
}

/// What would be opened.
pub(super) fn planned(args: &Collect) -> anyhow::Result<Vec<String>> {
    let targets = targets(args)?;
    let directory = directory(args, &targets)?;
    filter(args, &targets, directory.as_ref())?;
    let mut names: Vec<_> = targets.iter().map(|target| name(&target.path)).collect();
    names.extend(directory.iter().map(|config| format!("files in {}", config.path.display())));
    Ok(names)
}

/// The formats of all outputs.
fn formats<'a>(
    targets: &'a [Target],
    directory: Option<&DirectoryConfig>,
) -> impl Iterator<Item = Format> + use<'a> {
    let directory = directory.map(|config| config.encoding.format);
    targets.iter().map(|target| target.format.format).chain(directory)
}

/// The filter, where flows are written.
fn filter(
    args: &Collect,
    targets: &[Target],
    directory: Option<&DirectoryConfig>,
) -> anyhow::Result<Option<Filter>> {
    let Some(text) = &args.filter else { return Ok(None) };
    let compiled = filter::compile(text)?;
    let packets = formats(targets, directory).filter(|&format| format == Format::Packets).count();
    if packets == formats(targets, directory).count() {
        bail!(
            "--filter chooses flows, and only export packets are to be written: choose .ndjson, .csv or .parquet for flows"
        );
    }
    if packets > 0 {
        output::note("export packets (.json) are written whole; --filter is for the files of flows");
    }
    Ok(Some(compiled))
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "stdout".to_owned() } else { path.display().to_string() }
}

/// What may wait for each of so many outputs.
fn backlog(args: &Collect, outputs: usize) -> Backlog {
    let octets = args.queue.saturating_mul(1 << 20) / outputs.max(1);
    // One that takes nothing must not hold up the others. A file can wait, and so can all that comes when there is no
    // other output.
    let when_full = if outputs > 1 && args.read.is_none() { WhenFull::Lose } else { WhenFull::Wait };
    Backlog { octets, when_full }
}

fn encoding(args: &Collect, format: FileFormat) -> Encoding {
    let FileFormat { format, gzip } = format;
    let usual = if format == Format::Parquet { FLUSH_PARQUET } else { FLUSH_TEXT };
    Encoding { format, gzip, flush: Duration::from_secs(args.flush.unwrap_or(usual).max(1)) }
}

/// The files, with their formats.
///
/// `--format` is for stdout; where nothing goes there, for the directory; where there is none, for the file.
fn targets(args: &Collect) -> anyhow::Result<Vec<Target>> {
    let mut paths = args.file.clone();
    if paths.is_empty() && args.dir.is_none() {
        let seconds = Timestamp::from(SystemTime::now()).as_nanos() / 1_000_000_000;
        paths.push(PathBuf::from(format!("{seconds}.gz")));
    }
    let alone = paths.len() == 1 && args.dir.is_none();
    if paths.len() > 1 && args.format.is_some() && args.dir.is_none() && !has_stdout(&paths) {
        bail!(
            "--format is for stdout, a directory or a single file: give each of these files an ending that says it"
        );
    }
    let mut targets: Vec<Target> = Vec::new();
    for path in paths {
        if targets.iter().any(|target| target.path == path) {
            bail!("{} is written to twice", name(&path));
        }
        let gzip_name = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let format = match args.format {
            Some(format) if path == Path::new("-") => format,
            None if path == Path::new("-") => FileFormat { format: Format::Packets, gzip: false },
            Some(FileFormat { format, gzip }) if alone => {
                FileFormat { format, gzip: gzip || gzip_name && format != Format::Parquet }
            }
            _ => {
                let (format, gzip) = Format::of_path(&path)?;
                if gzip && !gzip_name {
                    output::note(format_args!(
                        "{}: this ending names no format, so it gets export packets as JSON, compressed with gzip; .json, .ndjson, .csv, .parquet or --format choose another",
                        path.display()
                    ));
                }
                FileFormat { format, gzip }
            }
        };
        targets.push(Target { path, format });
    }
    Ok(targets)
}

fn has_stdout(paths: &[PathBuf]) -> bool {
    paths.iter().any(|path| path == Path::new("-"))
}

/// The directory, if there is one.
fn directory(args: &Collect, targets: &[Target]) -> anyhow::Result<Option<DirectoryConfig>> {
    let Some(path) = &args.dir else { return Ok(None) };
    let stdout = targets.iter().any(|target| target.path == Path::new("-"));
    let format = args.dir_format.or(if stdout { None } else { args.format });
    let format = format.unwrap_or(FileFormat { format: Format::Parquet, gzip: false });
    let layout = match args.partition {
        Some(Partition::Hive) => Layout::Hive,
        None => Layout::nfcapd(args.layout).unwrap_or_default(),
    };
    let command = match &args.exec {
        Some(command) => {
            let parsed: Result<FileCommand, _> = command.parse();
            let mut parsed = parsed.with_context(|| format!("-x {command}"))?;
            parsed.ident.clone_from(&args.ident);
            Some(parsed)
        }
        None => None,
    };
    Ok(Some(DirectoryConfig {
        path: path.clone(),
        encoding: encoding(args, format),
        window: args.rotate,
        layout,
        expiry: Expiry { size: args.expire_size, age: args.expire_age },
        command,
        backlog: backlog(args, targets.len() + 1),
    }))
}

/// What to do about it, behind what is wrong.
pub(super) fn explain_write(failure: WriteFailure) -> anyhow::Error {
    let advice = match failure.source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the disk is full (`df -h`, `df -i`): free some room, and writing goes on with what comes then"
        }
        io::ErrorKind::NotFound => "; the directory does not exist: create it first",
        io::ErrorKind::PermissionDenied => {
            "; choose a file that you may write with -o, or a directory with -w"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; the file system is read-only: choose another with -o or -w, or mount it for writing"
        }
        io::ErrorKind::IsADirectory => "; this is a directory: name a file in it, or write to it with -w",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "; -w takes a directory",
        io::ErrorKind::InvalidData => "; choose another file with -o",
        _ => "",
    };
    anyhow::anyhow!("{failure}{advice}")
}

/// Says what changes nothing.
pub(super) fn warn_about_unused(args: &Collect, outputs: &Outputs) {
    if args.decoding.sampling.is_some() && !outputs.has_flows() {
        output::note(
            "--sampling changes nothing here: export packets are written as they came (try .ndjson or .csv)",
        );
    }
}
