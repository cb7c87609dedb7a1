//! `nf top`: flows counted by keys.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use netflow_analyzer::Services;
use netflow_flow::{Column, Flow};
use netflow_parquet::FlowFile;
use netflow_query::{
    Aggregation, Batch, Error, Key, Matching, Measure, Partial, Ports, Question, Scan, Selector, Top,
};

use crate::Outcome;
use crate::args::{self, MeasureArg, TopFormat};
use crate::flow_input::{Content, FlowInputs, note_unknown_columns};
use crate::output::{self, count};
use crate::progress::Progress;
use crate::selection::Selection;

mod data;
mod table;

/// Parquet files that are open at once.
const OPEN_FILES: usize = 64;

pub(crate) fn run(mut args: args::Top) -> anyhow::Result<Outcome> {
    let services = Services::with_system("/etc/services").unwrap_or_else(|_| Services::embedded());
    let trailing = take_measure(&mut args.selection.files);
    let args = &args;
    let (keys, measure) = keys_and_measure(&args.keys);
    let by = match args.by.or(trailing).or(measure) {
        Some(MeasureArg::Packets) => Measure::Packets,
        Some(MeasureArg::Flows) => Measure::Flows,
        Some(MeasureArg::Bytes) | None => Measure::Bytes,
    };
    let ports = || Arc::new(Ports::new(|protocol, port| services.name(protocol, port).is_some()));
    let keys = Key::parse(keys, &ports)?;
    let question = Question {
        both: args.both,
        every: args.every,
        raw: args.raw,
        memory: args.memory,
        spill: args.temporary.clone(),
        ..Question::new(keys)
    };
    let selection = Selection::of(&args.selection)?;
    let progress = Progress::start(selection.octets())?;
    let mut inputs = FlowInputs::new(&args.selection.decoding, &progress)?;
    selection.tell(&mut inputs);
    let top = count_all(args, question, &selection, &mut inputs, &progress, by)?;
    // Nothing is printed of nothing that could be read.
    let outcome = inputs.outcome()?;
    say(&top);
    let mut out = BufWriter::new(output::data());
    let shown = Shown { top: &top, args, by, services: &services };
    match args.format {
        TopFormat::Text => table::write(&mut out, &shown)?,
        TopFormat::Json => data::write_json(&mut out, &shown)?,
        TopFormat::Ndjson => data::write_ndjson(&mut out, &shown)?,
        TopFormat::Csv => data::write_csv(&mut out, &shown)?,
    }
    out.flush()?;
    Ok(outcome)
}

/// What is to be printed.
struct Shown<'a> {
    top: &'a Top,
    args: &'a args::Top,
    by: Measure,
    services: &'a Services,
}

impl Shown<'_> {
    fn measure(&self) -> &'static str {
        match self.by {
            Measure::Bytes => "bytes",
            Measure::Packets => "packets",
            Measure::Flows => "flows",
        }
    }
}

/// Says what of the result is worth knowing.
fn say(top: &Top) {
    if top.spilled > 0 {
        let size = indicatif::HumanBytes(top.spilled);
        output::note(format_args!(
            "groups did not fit in memory: {size} went through a temporary file (--memory)"
        ));
    }
    if top.other.flows > 0 {
        output::note(format_args!(
            "there were more different addresses or texts than fit in memory: {} of {} are counted as (other), and each \
             group may lack up to {} (--memory)",
            count(top.other.flows, "flow"),
            count(top.total.flows, "flow"),
            count(top.other.bytes, "octet"),
        ));
    }
}

/// Keys, and what is behind the last slash, as nfdump has it: `srcip/packets`.
fn keys_and_measure(text: &str) -> (&str, Option<MeasureArg>) {
    let split = text.rsplit_once('/').and_then(|(keys, word)| Some((keys, measure(word)?)));
    split.map_or((text, None), |(keys, measure)| (keys, Some(measure)))
}

fn measure(word: &str) -> Option<MeasureArg> {
    match word {
        "bytes" | "octets" => Some(MeasureArg::Bytes),
        "packets" => Some(MeasureArg::Packets),
        "flows" => Some(MeasureArg::Flows),
        _ => None,
    }
}

/// Takes the words `by MEASURE` out of the files, and gives what they say.
fn take_measure(files: &mut Vec<PathBuf>) -> Option<MeasureArg> {
    let is_by = |path: &PathBuf| path.as_os_str() == "by" && !path.exists();
    let at = files.iter().position(is_by)?;
    let measure = measure(files.get(at + 1)?.to_str()?)?;
    files.drain(at..at + 2);
    Some(measure)
}

/// Reads and counts all.
fn count_all(
    args: &args::Top,
    question: Question,
    selection: &Selection,
    inputs: &mut FlowInputs<'_>,
    progress: &Progress,
    by: Measure,
) -> anyhow::Result<Top> {
    let threads = match args.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let aggregation = Aggregation::new(question)?;
    let stop = Arc::new(AtomicBool::new(false));
    let per_row = Arc::new(AtomicU64::new(0));
    let mut filter = selection.filter.clone();
    let chooser = |filter: &netflow_filter::Filter| Chooser {
        matching: Matching::new(filter),
        progress: progress.clone(),
        per_row: Arc::clone(&per_row),
        stop: Arc::clone(&stop),
    };
    let scan = Scan::new(threads, || (chooser(&filter), aggregation.partial(threads)));
    let mut reading = Reading { scan, pending: Vec::new(), per_row: &per_row, stop: &stop };
    for file in &selection.files.files {
        if progress.stopped() {
            break;
        }
        let wanted = selection.filter_of(file);
        if wanted.expression() != filter.expression() {
            reading.read_pending(inputs)?;
            filter = wanted;
            reading.scan.choose(|| chooser(&filter))?;
        }
        let Some(input) = inputs.open(&file.path) else { continue };
        if matches!(input.content, Content::Parquet(_)) {
            if let Content::Parquet(parquet) = input.content {
                reading.pending.push((input.name, *parquet));
            }
            if reading.pending.len() >= OPEN_FILES {
                reading.read_pending(inputs)?;
            }
            continue;
        }
        let scan = &mut reading.scan;
        let mut take = |flows: &mut Vec<Flow>| -> anyhow::Result<()> {
            flows.iter().try_for_each(|flow| scan.flow(flow))?;
            Ok(())
        };
        inputs.read(input, &mut take)?;
    }
    reading.read_pending(inputs)?;
    let (partials, _) = reading.scan.finish()?;
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    Ok(aggregation.finish(partials, by, limit)?)
}

/// Files that are being read.
struct Reading<'a> {
    scan: Scan<Chooser, Partial>,
    /// Parquet files that are read together, so that all threads have something to do.
    pending: Vec<(String, FlowFile)>,
    per_row: &'a AtomicU64,
    stop: &'a AtomicBool,
}

impl Reading<'_> {
    fn read_pending(&mut self, inputs: &mut FlowInputs<'_>) -> anyhow::Result<()> {
        let (names, files): (Vec<_>, Vec<_>) = self.pending.drain(..).unzip();
        let octets: u64 = files.iter().map(FlowFile::length).sum();
        let rows: u64 = files.iter().map(FlowFile::rows).sum();
        self.per_row.store((octets << 10) / rows.max(1), Ordering::Relaxed);
        let before = self.scan.counts().bad();
        let before_rows = self.scan.counts().rows();
        let problem = |file: usize, error: Error| output::error(format_args!("{}: {error}", names[file]));
        self.scan.parquet(&files, self.stop, &problem)?;
        inputs.bad += self.scan.counts().bad() - before;
        inputs.good += self.scan.counts().rows() - before_rows;
        for (name, file) in names.iter().zip(&files) {
            note_unknown_columns(name, file);
        }
        Ok(())
    }
}

/// Chooses rows, and says how far it is.
struct Chooser {
    matching: Matching,
    progress: Progress,
    /// Octets of 1024 rows of Parquet.
    per_row: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Selector for Chooser {
    fn columns(&self) -> Vec<&'static Column> {
        self.matching.columns()
    }

    fn may_match(&self, file: &FlowFile, group: usize) -> bool {
        self.matching.may_match(file, group)
    }

    fn select(&mut self, batch: &mut Batch, selection: &mut netflow_query::Selection) -> Result<(), Error> {
        let rows = batch.rows() as u64;
        if self.progress.stopped() {
            self.stop.store(true, Ordering::Relaxed);
        }
        let per_row = self.per_row.load(Ordering::Relaxed);
        if per_row > 0 {
            self.progress.octets((rows * per_row) >> 10);
            self.progress.flows(rows);
        }
        self.matching.select(batch, selection)
    }
}
