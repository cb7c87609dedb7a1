//! Development tasks: `cargo xtask --help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

use clap::{Parser, Subcommand};

mod bench;
mod ci;
mod codegen;
#[cfg(test)]
mod documented;
mod fixtures;
mod fuzz;
mod generate_bench;
mod interop;
mod load;
mod programs;
mod query_bench;

#[derive(Parser)]
#[command(about)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measures the decoding speed, side by side with other libraries.
    Bench(bench::Args),
    /// Runs all checks that a change has to pass.
    Ci(ci::Args),
    /// Generates the registry tables from the CSV facts.
    Codegen(codegen::Args),
    /// Makes the fixtures: real traffic, exported by real exporters.
    Fixtures(fixtures::Args),
    /// Feeds nf hostile input: fuzzing, mutated packets, worst cases.
    Fuzz(fuzz::Args),
    /// Measures how many packets nf generate sends from one core, beside nfreplay.
    GenerateBench(generate_bench::Args),
    /// Exchanges files with PyPI `netflow`, and compares the connections that both find.
    Interop(interop::Args),
    /// Finds the highest rates without loss of nf, nfcapd and nfacctd, and what a flow costs each.
    Load(load::Args),
    /// Measures how long questions to millions of flows take nf, nfdump and DuckDB.
    QueryBench(query_bench::Args),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().task {
        Task::Bench(args) => bench::run(&args),
        Task::Ci(args) => ci::run(&args),
        Task::Codegen(args) => codegen::run(&args),
        Task::Fixtures(args) => fixtures::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::GenerateBench(args) => generate_bench::run(&args),
        Task::Interop(args) => interop::run(&args),
        Task::Load(args) => load::run(&args),
        Task::QueryBench(args) => query_bench::run(&args),
    }
}
