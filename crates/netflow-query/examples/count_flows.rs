//! Counts the flows of a Parquet file that a filter lets pass, on some threads.
//!
//! `cargo run --profile fast -p netflow-query --example count_flows -- FILE.parquet 'tcp and dst port 443' [THREADS]`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::error::Error as _;
use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use netflow_filter::Filter;
use netflow_flow::Column;
use netflow_parquet::FlowFile;
use netflow_query::{Batch, Consumer, Error, Matching, Scan, Selection};

/// Takes rows and does nothing with them: they are counted as they are chosen.
struct Nobody;

impl Consumer for Nobody {
    fn columns(&self) -> Vec<&'static Column> {
        Vec::new()
    }

    fn take(&mut self, _: &mut Batch, _: &Selection) -> Result<(), Error> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(filter)) = (arguments.next(), arguments.next()) else {
        return Err("a file and a filter are needed".into());
    };
    let threads = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let filter = Filter::parse(&filter).map_err(|error| format!("{error}\n{}", error.excerpt()))?;
    let start = Instant::now();
    let files = [FlowFile::open(File::open(file)?)?];
    let mut scan = Scan::new(threads, || (Matching::new(&filter), Nobody));
    scan.parquet(&files, &AtomicBool::new(false), &|_, error| eprintln!("{error} {:?}", error.source()))?;
    let counts = scan.counts();
    println!(
        "{} of {} flows, {} row groups passed over, {:.3} s",
        counts.selected(),
        counts.rows(),
        counts.pruned(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
