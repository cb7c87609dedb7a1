//! Decoding speed, side by side with other libraries.

use std::process::Command;

use anyhow::{Context, bail};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the benchmark: `cargo xtask bench -- --help` shows them.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["bench", "--quiet", "--package", "netflow-bench", "--bench", "decode", "--"])
        .args(&args.arguments)
        .status()
        .context("cargo does not start")?;
    if !status.success() {
        bail!("the benchmark failed: {status}");
    }
    Ok(())
}
