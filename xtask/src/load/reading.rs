//! What the flows of a capture cost: nf reads the file, the others are sent it so slowly that nothing is lost.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::attempt::{Attempt, Load, Sums, attempt, size, written_flows};
use super::collectors::Collector;
use super::cost::Meter;
use super::table::{self, Row};
use crate::programs::{Process, output};

/// What nf writes.
const FORMATS: &[&str] = &["parquet", "ndjson.gz", "json.gz"];
/// Packets a second that every collector bears.
const RATE: u32 = 8000;

pub(super) fn run(
    nf: &Path,
    file: Option<&Path>,
    flows: u64,
    collectors: &[&Collector],
) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let made = scratch.path().join("made.pcap");
    let file = match file {
        Some(file) => file,
        None => {
            let mut command = Command::new(nf);
            command.args(["generate", "--exporters", "4", "--flows", &flows.to_string(), "--write"]);
            output(command.arg(&made))?;
            &made
        }
    };
    let mut rows = Vec::new();
    let mut flows = 0;
    for format in FORMATS {
        let what = format!("nf collect --read, .{format}");
        eprintln!("{what} ...");
        let read = read(nf, file, format).with_context(|| what.clone())?;
        ensure!(read.flows() > 0, "{} has no flows", file.display());
        flows = read.flows();
        rows.push(Row::of_cost(&what, read));
    }
    for collector in collectors {
        let what = format!("{}, sent", collector.name);
        eprintln!("{what} ...");
        let sent = attempt(nf, collector, None, &Load::Capture { file, rate: RATE, flows })?;
        if let Some(arrived) = sent.arrived().filter(|&arrived| arrived < 1.0) {
            println!("{}: only {:.2} % arrived", collector.name, arrived * 100.0);
        }
        rows.push(Row::of_cost(&what, sent));
    }
    table::print_costs(&format!("{flows} flows"), &rows);
    Ok(())
}

/// Has nf read the file.
fn read(nf: &Path, file: &Path, format: &str) -> anyhow::Result<Attempt> {
    let folder = tempfile::tempdir()?;
    let meter = Meter::begin()?;
    let start = Instant::now();
    let mut command = Command::new(nf);
    command.args(["collect", "--read"]).arg(file);
    command.arg("-o").arg(folder.path().join("flows").with_extension(format));
    let mut process = Process::start(&mut command)?;
    let said = process.take_said();
    let cost = meter.end(process, Duration::from_secs(600))?;
    let sums = Sums { flows: Some(written_flows(&said.iter().collect::<Vec<_>>())?), octets: None };
    let on_disk = size(folder.path())?;
    Ok(Attempt { packets: 0, sent: sums, found: sums, duration: start.elapsed(), cost, on_disk })
}
