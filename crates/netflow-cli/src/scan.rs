//! Files read by threads that each feed a consumer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use netflow_flow::{Column, Flow};
use netflow_parquet::FlowFile;
use netflow_query::{Batch, Consumer, Counts, Error, Matching, Scan, Selector};

use crate::flow_input::{Content, FlowInputs, note_unknown_columns};
use crate::output;
use crate::progress::Progress;
use crate::selection::Selection;

/// Parquet files that are open at once.
const OPEN_FILES: usize = 64;

/// How many threads read: so many, or one for each core if 0.
pub(crate) fn threads(wanted: usize) -> usize {
    match wanted {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// Reads the files of a selection, on so many threads, each with a consumer of its own that gets the flows that pass.
pub(crate) fn scan<C: Consumer>(
    selection: &Selection,
    inputs: &mut FlowInputs<'_>,
    progress: &Progress,
    threads: usize,
    mut make: impl FnMut() -> C,
) -> anyhow::Result<(Vec<C>, Counts)> {
    let stop = Arc::new(AtomicBool::new(false));
    let per_row = Arc::new(AtomicU64::new(0));
    let mut filter = selection.filter.clone();
    let chooser = |filter: &netflow_filter::Filter| Chooser {
        matching: Matching::new(filter),
        progress: progress.clone(),
        per_row: Arc::clone(&per_row),
        stop: Arc::clone(&stop),
    };
    let scan = Scan::new(threads, || (chooser(&filter), make()));
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
    Ok(reading.scan.finish()?)
}

/// Files that are being read.
struct Reading<'a, C> {
    scan: Scan<Chooser, C>,
    /// Parquet files that are read together, so that all threads have something to do.
    pending: Vec<(String, FlowFile)>,
    per_row: &'a AtomicU64,
    stop: &'a AtomicBool,
}

impl<C: Consumer> Reading<'_, C> {
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
