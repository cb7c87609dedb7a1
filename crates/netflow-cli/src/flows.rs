//! `nf flows`: flows printed, sorted, limited, converted.

use std::sync::atomic::AtomicBool;

use netflow_filter::Filter;
use netflow_flow::Flow;
use netflow_parquet::FlowFile;
use netflow_query::{FoundFile, Matching, Ordered, Piece};

use crate::Outcome;
use crate::args;
use crate::flow_input::{Content, FlowInput, FlowInputs, note_unknown_columns};
use crate::output;
use crate::progress::Progress;
use crate::scan;
use crate::selection::Selection;

mod count;
mod form;
mod layout;
mod lines;
mod order;
mod sink;
pub(crate) mod sorter;

use form::Target;
use lines::{Block, Lines};
use order::Order;
use sink::{Enough, Sink};

/// Files of Parquet that are open at once.
const OPEN: usize = 32;

pub(crate) fn run(args: &args::Flows) -> anyhow::Result<Outcome> {
    if args.count {
        return count::run(args);
    }
    let target = Target::of(args)?;
    let order = args.sort.as_deref().map(Order::parse).transpose()?.unwrap_or_default();
    let selection = Selection::of(&args.selection)?;
    let progress = Progress::start(selection.octets())?;
    let mut inputs = FlowInputs::new(&args.selection.decoding, &progress)?;
    selection.tell(&mut inputs);
    let sink = match selection.files.files.is_empty() && inputs.unreadable > 0 {
        // A file that nothing will be written to is not made.
        true => return inputs.outcome(),
        false => Sink::new(target, order, args.limit)?,
    };
    let threads = scan::threads(args.threads);
    let mut run = Run { selection: &selection, progress, inputs, sink, threads, seen: 0 };
    match run.read() {
        Ok(()) | Err(Stop::Enough) => {}
        Err(Stop::Failed(error)) => return Err(error),
    }
    let Run { inputs, sink, seen, .. } = run;
    let written = sink.finish()?;
    let outcome = inputs.outcome()?;
    if written == 0 && seen > 0 && args.limit != Some(0) {
        output::note(format_args!("no flow passes, of {}", output::count(seen, "flow")));
    }
    Ok(outcome)
}

/// Why reading ends before its end.
enum Stop {
    /// There are as many flows as are wanted.
    Enough,
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        if error.is::<Enough>() { Self::Enough } else { Self::Failed(error) }
    }
}

struct Run<'a> {
    selection: &'a Selection,
    progress: Progress,
    inputs: FlowInputs<'a>,
    sink: Sink,
    threads: usize,
    /// Flows that were looked at.
    seen: u64,
}

impl Run<'_> {
    fn read(&mut self) -> Result<(), Stop> {
        let selection = self.selection;
        // Files of Parquet that follow each other, and of which the same is wanted, are read by all threads.
        let mut together: Vec<(&FoundFile, String, FlowFile)> = Vec::new();
        for found in &selection.files.files {
            if self.progress.stopped() {
                break;
            }
            if together.len() >= OPEN
                || together.first().is_some_and(|(first, ..)| first.range != found.range)
            {
                self.columns(std::mem::take(&mut together))?;
            }
            let Some(input) = self.inputs.open(&found.path) else { continue };
            match input {
                FlowInput { name, content: Content::Parquet(file) } if self.sink.takes_lines() => {
                    together.push((found, name, *file));
                }
                input => {
                    self.columns(std::mem::take(&mut together))?;
                    self.flows(found, input)?;
                }
            }
        }
        self.columns(together)
    }

    /// Threads that read with these filters, and write as the sink wants it.
    fn ordered(&self, filter: &Filter, threads: usize) -> Ordered<Matching, Lines> {
        Ordered::new(threads, || (Matching::new(filter), self.sink.lines()))
    }

    /// Reads files of Parquet column by column, on all threads.
    fn columns(&mut self, files: Vec<(&FoundFile, String, FlowFile)>) -> Result<(), Stop> {
        let Some((first, ..)) = files.first() else { return Ok(()) };
        let mut ordered = self.ordered(&self.selection.filter_of(first), self.threads);
        let lengths: Vec<_> = files.iter().map(|(found, ..)| found.octets).collect();
        let (names, files): (Vec<_>, Vec<_>) = files.into_iter().map(|(_, name, file)| (name, file)).unzip();
        let stop = AtomicBool::new(false);
        let mut bad = vec![0_usize; files.len()];
        let taken = ordered.parquet(&files, &stop, &mut |piece: Piece<Block>| {
            let Piece { file, rows, made, problem } = piece;
            let share = u128::from(lengths[file]) * rows as u128 / u128::from(files[file].rows().max(1));
            self.progress.octets(share as u64);
            self.progress.flows(rows as u64);
            self.seen += rows as u64;
            self.inputs.good += rows as u64;
            for block in made {
                self.sink.block(block)?;
            }
            if let Some(error) = problem {
                bad[file] += 1;
                self.inputs.bad_row_group(&names[file], &error);
            }
            if self.progress.stopped() {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            Ok::<_, anyhow::Error>(())
        });
        for (name, file) in names.iter().zip(&files) {
            note_unknown_columns(name, file);
        }
        taken.map_err(Stop::from)
    }

    /// Reads any input flow by flow.
    fn flows(&mut self, found: &FoundFile, input: FlowInput) -> Result<(), Stop> {
        let filter = self.selection.filter_of(found);
        let mut ordered = self.ordered(&filter, 1);
        let (sink, seen) = (&mut self.sink, &mut self.seen);
        let mut take = |flows: &mut Vec<Flow>| {
            *seen += flows.len() as u64;
            for flow in flows.iter().filter(|flow| filter.matches(*flow)) {
                match sink.takes_lines() {
                    true => ordered.flow(flow)?.map_or(Ok(()), |block| sink.block(block))?,
                    false => sink.flow(flow)?,
                }
            }
            Ok(())
        };
        let read = self.inputs.read(input, &mut take);
        // What came before an error was good.
        let rest = ordered.flush().map_err(anyhow::Error::from)?;
        read?;
        match rest {
            Some(block) => Ok(self.sink.block(block)?),
            None => Ok(()),
        }
    }
}
