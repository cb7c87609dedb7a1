//! `nf top`: flows counted by keys.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use netflow_analyzer::Services;
use netflow_query::{Aggregation, Key, Measure, Ports, Question, Top};

use crate::Outcome;
use crate::args::{self, MeasureArg, TopFormat};
use crate::flow_input::FlowInputs;
use crate::output::{self, count};
use crate::progress::Progress;
use crate::scan;
use crate::selection::Selection;

mod data;
mod table;

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
    let aggregation = Aggregation::new(question)?;
    let threads = scan::threads(args.threads);
    let partial = || aggregation.partial(threads);
    let (partials, _) = scan::scan(&selection, &mut inputs, &progress, threads, partial)?;
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let top = aggregation.finish(partials, by, limit)?;
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
