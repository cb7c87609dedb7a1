//! Counts the flows of a file that a filter lets pass.
//!
//! `cargo run -p netflow-filter --example count -- FILE.ndjson 'proto tcp and bytes > 1k'`
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::fs::File;

use netflow_filter::Filter;
use netflow_flow::FlowReader;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(filter)) = (arguments.next(), arguments.next()) else {
        return Err("a file and a filter are needed".into());
    };
    let filter = Filter::parse(&filter).map_err(|error| format!("{error}\n{}", error.excerpt()))?;
    let mut reader = FlowReader::new(File::open(file)?)?;
    let (mut flows, mut all, mut passed) = (Vec::new(), 0, 0);
    while reader.read(&mut flows)? {
        all += flows.len();
        passed += flows.iter().filter(|flow| filter.matches(*flow)).count();
    }
    println!("{passed} of {all}");
    Ok(())
}
