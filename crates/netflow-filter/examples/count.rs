//! Counts the flows of a file that filters let pass: a line for each filter.
//!
//! `cargo run -p netflow-filter --example count -- FILE.ndjson 'proto tcp and bytes > 1k' 'src net 10.0.0.0/8'`
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::fs::File;

use netflow_filter::Filter;
use netflow_flow::FlowReader;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("a file and filters are needed")?;
    let compile =
        |text: String| Filter::parse(&text).map_err(|error| format!("{error}\n{}", error.excerpt()));
    let filters = arguments.map(compile).collect::<Result<Vec<_>, _>>()?;
    let mut reader = FlowReader::new(File::open(file)?)?;
    let (mut flows, mut counts) = (Vec::new(), vec![0; filters.len()]);
    while reader.read(&mut flows)? {
        for (count, filter) in counts.iter_mut().zip(&filters) {
            *count += flows.iter().filter(|flow| filter.matches(*flow)).count();
        }
    }
    for (count, filter) in counts.iter().zip(&filters) {
        println!("{count:>10} {filter}");
    }
    Ok(())
}
