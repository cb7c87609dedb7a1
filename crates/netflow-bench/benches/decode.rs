//! Decoding speed, side by side: `cargo bench -p netflow-bench -- --help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use netflow_bench::{Corpus, Effort, Kind, Table, contenders, measure, nf};

/// Measures how fast flow records are decoded, by nf and by others, on one core.
#[derive(Parser)]
struct Args {
    /// Flow records in each corpus.
    ///
    /// As many as the cache of a processor holds: so are datagrams that were just received. With ten times as many, the time
    /// that memory takes is measured, too.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Measures with this corpus alone.
    #[arg(long, value_name = "CORPUS")]
    only: Option<Kind>,
    /// Lets nf alone decode a corpus for so many seconds, for a profiler.
    #[arg(long, num_args = 2, value_names = ["CORPUS", "SECONDS"], conflicts_with = "only")]
    profile_loop: Option<Vec<String>>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(values) = &args.profile_loop {
        return match profile_loop(values, args.records) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("error: --profile-loop: {reason}");
                ExitCode::FAILURE
            }
        };
    }
    let mut right = true;
    println!("{}", Table::HEADING);
    for kind in Kind::ALL.into_iter().filter(|&kind| args.only.is_none_or(|only| only == kind)) {
        let table = measure(&Corpus::new(kind, args.records), &mut contenders(kind), Effort::default());
        print!("{table}");
        if !table.is_right() {
            eprintln!("error: {kind}: nf's sums differ from those of the corpus");
            right = false;
        }
    }
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn profile_loop(values: &[String], records: u64) -> Result<(), String> {
    let [corpus, seconds] = values else { return Err("a corpus and seconds are needed".to_owned()) };
    let seconds = seconds.parse().map_err(|_| format!("'{seconds}' is no number of seconds"))?;
    let corpus = Corpus::new(corpus.parse()?, records);
    let (mut nf, start) = (nf(), Instant::now());
    let (mut passes, mut fastest) = (0, Duration::MAX);
    while start.elapsed() < Duration::from_secs(seconds) {
        let before = Instant::now();
        black_box(nf.decode(black_box(&corpus)));
        fastest = fastest.min(before.elapsed());
        passes += 1;
    }
    let nanos = fastest.as_nanos() as f64 / records as f64;
    println!("{} records; {nanos:.1} ns for each in the fastest of {passes} passes", records * passes);
    Ok(())
}
