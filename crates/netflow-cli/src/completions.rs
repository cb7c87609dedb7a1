//! Shell completions and manual pages.

use std::io::{self, Write};

use anyhow::Context;
use clap::CommandFactory;

use crate::Outcome;
use crate::args::{Args, Completions, Man};

pub(crate) fn completions(args: &Completions) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "nf", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Outcome::Done)
}

pub(crate) fn man(args: &Man) -> anyhow::Result<Outcome> {
    // `nf help` has no page, so that no other one should name it.
    let command = Args::command().disable_help_subcommand(true);
    match &args.out {
        Some(directory) => clap_mangen::generate_to(command, directory)
            .with_context(|| format!("cannot write manual pages to {}", directory.display()))?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            io::stdout().write_all(&page)?;
        }
    }
    Ok(Outcome::Done)
}
