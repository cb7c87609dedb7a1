//! `nf`: collect, analyze and decode NetFlow and IPFIX.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![allow(clippy::print_stderr, reason = "a command says what happens on stderr")]

use std::process::ExitCode;

mod analyze;
mod args;
mod collect;
mod completions;
mod configuration;
mod decode;
mod doctor;
mod endpoint;
mod filter;
mod flow_input;
mod flows;
mod forward;
mod frame;
mod generate;
mod input;
mod output;
mod paste;
mod progress;
mod replay;
mod report;
mod scan;
mod selection;
mod signals;
mod target;
mod top;

use args::Command;
use configuration::{LoadError, Loaded};

/// How a command ended that did what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All input was good.
    Done,
    /// Some input was bad; it was said what, and the rest was done.
    BadInput,
}

fn main() -> ExitCode {
    let Loaded { args, settings } = match configuration::load() {
        Ok(loaded) => loaded,
        Err(LoadError::Usage(error)) => error.exit(),
        Err(LoadError::Configuration(error)) => {
            output::error(format_args!("{error:#}"));
            return ExitCode::from(2);
        }
    };
    let result = match args.command {
        Command::Collect(args) => collect::run(&args, settings),
        Command::Flows(args) => flows::run(&args),
        Command::Top(args) => top::run(*args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Forward(args) => forward::run(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => completions::man(&args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::BadInput) => ExitCode::from(1),
        // Whoever read the output has seen enough.
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(format_args!("{error:#}"));
            filter::show_place(&error);
            ExitCode::from(2)
        }
    }
}
