//! How much collectors bear: the highest rate without loss, and what a flow costs.
//!
//! Sender and collector share the machine, so that only ratios within one run say something.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::programs::{self, is_installed};
use attempt::{Load, attempt};
use collectors::{COLLECTORS, Collector};
use search::{Highest, Patience, Tried, highest};
use table::Row;

pub(crate) use cost::{cpu_of_children, peak_memory};

mod attempt;
mod collectors;
mod cost;
mod reading;
mod search;
mod table;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The nf program [default: built from here, with --profile fast]
    #[arg(long, value_name = "PATH")]
    nf: Option<PathBuf>,
    /// Collectors, of: nf (Parquet), nf-ndjson, nf-packets (both gzip), nfcapd, nfcapd-lz4, nfacctd
    #[arg(long, value_delimiter = ',', value_name = "NAMES", value_parser = collector)]
    #[arg(default_values_t = COLLECTORS.iter().filter(|one| one.usual).map(Named))]
    collectors: Vec<Named>,
    /// Versions of the export protocol
    #[arg(long, value_delimiter = ',', default_value = "v5,v9,ipfix")]
    versions: Vec<String>,
    /// Exporters that send
    #[arg(long, value_name = "N", default_value_t = 4)]
    exporters: u16,
    /// How long each attempt sends
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// One second for each attempt, and fewer of them
    #[arg(long)]
    quick: bool,
    /// Receive buffer that all are told to ask for, instead of what each asks for by itself
    #[arg(long, value_name = "MIB")]
    buffer: Option<u64>,
    /// What a flow costs of a capture instead: nf reads it, the others are sent it slowly. Without a file one is
    /// made
    #[arg(long, value_name = "FILE")]
    read: Option<Option<PathBuf>>,
    /// Flows of the capture that is made
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    flows: u64,
}

/// A collector, as an argument.
#[derive(Debug, Clone, Copy)]
struct Named(&'static Collector);

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

fn collector(name: &str) -> Result<Named, String> {
    Collector::named(name).map(Named).ok_or_else(|| {
        let names: Vec<_> = COLLECTORS.iter().map(|collector| collector.name).collect();
        format!("there are {}", names.join(", "))
    })
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let nf = programs::nf(args.nf.as_deref(), "fast")?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!("{}, {cores} cores, which sender and collector share", nf.display());
    let collectors = installed(&args.collectors)?;
    if let Some(file) = &args.read {
        return reading::run(&nf, file.as_deref(), args.flows, &collectors);
    }
    println!("{}", buffers(args.buffer));
    for version in &args.versions {
        let mut rows = Vec::new();
        for collector in &collectors {
            eprintln!("{version}: {} ...", collector.name);
            let found = rate_of(&nf, collector, version, args).with_context(|| collector.name.to_owned())?;
            rows.push(Row::of(collector.name, found));
        }
        table::print(version, &rows);
    }
    Ok(())
}

/// The highest rate without loss of a collector.
fn rate_of(
    nf: &Path,
    collector: &Collector,
    version: &str,
    args: &Args,
) -> anyhow::Result<Option<Highest<attempt::Attempt>>> {
    let (seconds, patience) = match args.quick {
        true => (1, Patience { attempts: 6, precision: 1.15 }),
        false => (args.seconds, Patience { attempts: 9, precision: 1.05 }),
    };
    highest(patience, |rate| {
        let load = Load::Made { version, rate, seconds, exporters: args.exporters };
        let result = attempt(nf, collector, args.buffer.map(|mebibytes| mebibytes << 20), &load)?;
        let tried =
            Tried { rate: result.rate(), arrived: result.arrived().context("nothing was counted")?, result };
        eprintln!("  {:.0} packets/s: {:.2} % arrived", tried.rate, tried.arrived * 100.0);
        Ok(tried)
    })
}

/// Those that are there; says which are not.
fn installed(named: &[Named]) -> anyhow::Result<Vec<&'static Collector>> {
    let mut there = Vec::new();
    for Named(collector) in named {
        let mut missing = None;
        for program in collector.needs() {
            if !is_installed(program)? {
                missing = Some(program);
            }
        }
        match missing {
            Some(program) => println!("{} is left out: {program} is not installed", collector.name),
            None => there.push(*collector),
        }
    }
    Ok(there)
}

fn buffers(asked: Option<u64>) -> String {
    let limit = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/core/{name}"));
        text.map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
    };
    let (usual, most) = (limit("rmem_default"), limit("rmem_max"));
    match asked {
        Some(mebibytes) => {
            format!(
                "receive buffers: {mebibytes} MiB asked for; the system grants {most} octets, more to root"
            )
        }
        None => format!(
            "receive buffers: what each asks for by itself; the system gives {usual} octets when nothing is asked"
        ),
    }
}
