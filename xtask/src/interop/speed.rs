//! How long the analyzers of `nf` and of the package take to print all connections of one file of export packets.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::programs::{bounded, output};

/// Flow records, all of IPv4: half a minute for the package's analyzer, at most.
const FLOWS: &str = "600000";
const RUNS: u32 = 3;

/// Times both, in turns, and prints the shortest of some runs each.
pub(super) fn compare(nf: &Path, python: &Path, folder: &Path) -> anyhow::Result<()> {
    let (capture, file) = (folder.join("speed.pcap"), folder.join("speed.gz"));
    let mut generate = bounded(nf);
    generate.args(["generate", "--version", "v9", "--rate", "2000", "--ipv6", "0", "--flows", FLOWS]);
    output(generate.arg("--write").arg(&capture))?;
    if file.exists() {
        fs::remove_file(&file)?;
    }
    output(bounded(nf).args(["collect", "--read"]).arg(&capture).arg("-o").arg(&file))?;
    fs::remove_file(capture)?;
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        ours = ours.min(time(bounded(nf).args(["analyze", "-n", "-p", "1", "-f"]).arg(&file))?);
        theirs = theirs
            .min(time(bounded(python).args(["-m", "netflow.analyzer", "-n", "-p", "1", "-f"]).arg(&file))?);
    }
    fs::remove_file(file)?;
    let (ours, theirs) = (ours.as_secs_f64(), theirs.as_secs_f64());
    println!(
        "Connections of {FLOWS} flows: nf analyze {ours:.2} s, the package's analyzer {theirs:.2} s, {:.1}x.",
        theirs / ours
    );
    Ok(())
}

fn time(command: &mut Command) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(start.elapsed())
}
