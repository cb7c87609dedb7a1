//! How many flows there are, and nothing else of them.

use std::io::Write as _;

use netflow_flow::Column;
use netflow_query::{Batch, Consumer, Error};

use crate::Outcome;
use crate::args;
use crate::flow_input::FlowInputs;
use crate::output;
use crate::progress::Progress;
use crate::scan;
use crate::selection::Selection;

pub(super) fn run(args: &args::Flows) -> anyhow::Result<Outcome> {
    let selection = Selection::of(&args.selection)?;
    let progress = Progress::start(selection.octets())?;
    let mut inputs = FlowInputs::new(&args.selection.decoding, &progress)?;
    selection.tell(&mut inputs);
    let (_, counts) =
        scan::scan(&selection, &mut inputs, &progress, scan::threads(args.threads), || Nothing)?;
    // Nothing is printed of nothing that could be read.
    let outcome = inputs.outcome()?;
    writeln!(output::data(), "{}", counts.selected())?;
    Ok(outcome)
}

/// Looks at no column: which flows pass is known without it.
struct Nothing;

impl Consumer for Nothing {
    fn columns(&self) -> Vec<&'static Column> {
        Vec::new()
    }

    fn take(&mut self, _: &mut Batch, _: &netflow_query::Selection) -> Result<(), Error> {
        Ok(())
    }
}
