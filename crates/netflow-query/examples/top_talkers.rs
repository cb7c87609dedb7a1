//! The largest groups of Parquet files, by keys, and how long it took.
//!
//! `cargo run --profile fast -p netflow-query --example top_talkers -- src,dst_port FILE.parquet...`
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use netflow_parquet::FlowFile;
use netflow_query::{Aggregation, All, Key, Measure, Ports, Question, Scan};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let keys = arguments.next().ok_or("keys and files are needed")?;
    let keys = Key::parse(&keys, &|| Arc::new(Ports::new(|_, port| port < 1024)))?;
    let files = arguments.map(|path| Ok(FlowFile::open(File::open(path)?)?));
    let files = files.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let start = Instant::now();
    let threads = std::thread::available_parallelism()?.get();
    let aggregation = Aggregation::new(Question::new(keys))?;
    let mut scan = Scan::new(threads, || (All, aggregation.partial(threads)));
    scan.parquet(&files, &AtomicBool::new(false), &|file, error| println!("file {file}: {error}"))?;
    let (partials, _) = scan.finish()?;
    let top = aggregation.finish(partials, Measure::Bytes, 10)?;
    for group in &top.groups {
        let keys: Vec<_> = group.keys.iter().map(ToString::to_string).collect();
        println!("{:>16} {}", group.totals.bytes, keys.join(" "));
    }
    let (total, count) = (top.total, top.count);
    println!(
        "{:>16} in all, of {count} groups and {} flows, in {:?}",
        total.bytes,
        total.flows,
        start.elapsed()
    );
    Ok(())
}
