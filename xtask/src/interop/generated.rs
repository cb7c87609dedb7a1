//! Whether other collectors count in what `nf generate` sends what was made.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::programs::{
    PATIENCE, Process, bounded, free_port, is_bound, is_installed, is_read, output, until,
};

/// Flow records of each version: some hundred packets.
const FLOWS: &str = "5000";
/// Flow records a second, which every collector keeps up with.
const RATE: &str = "20000";
/// All versions; of v8 three aggregations of different layouts.
const VERSIONS: &[&str] = &["v1", "v5", "v7", "v8", "v8.5", "v8.14", "v9", "ipfix"];
/// What nfcapd understands, and nfacctd.
const OF_NFCAPD: &[&str] = &["v1", "v5", "v7", "v9", "ipfix"];
const OF_NFACCTD: &[&str] = &["v5", "v9", "ipfix"];

/// Flows, octets and packets; `None` for what a collector does not tell.
#[derive(Debug, Clone, Copy)]
struct Sums {
    flows: Option<u64>,
    octets: u64,
    packets: u64,
}

/// Compares each version, and gives what differs.
pub(super) fn differences(nf: &Path, folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut differences = Vec::new();
    for &version in VERSIONS {
        let capture = folder.join("generated.pcap");
        let made = generate(nf, version, &["--write", &capture.to_string_lossy()])?;
        let mut compare = |who: &str, made: Sums, found: Option<Sums>| {
            let Some(found) = found else { return println!("  {who} is not installed: skipped") };
            println!("  {who}: {} octets in {} packets of flows", found.octets, found.packets);
            let flows = found.flows.is_none_or(|flows| made.flows == Some(flows));
            if !flows || (found.octets, found.packets) != (made.octets, made.packets) {
                differences.push(format!("{version}: {who} counts {found:?} of {made:?}"));
            }
        };
        println!("generated {version}: {FLOWS} flows");
        compare("tshark", made, tshark(&capture)?);
        fs::remove_file(&capture)?;
        if OF_NFCAPD.contains(&version) {
            let (made, found) = nfcapd(nf, version)?;
            compare("nfcapd", made, found);
        }
        if OF_NFACCTD.contains(&version) {
            let (made, found) = nfacctd(nf, version)?;
            compare("nfacctd", made, found);
        }
    }
    Ok(differences)
}

/// Generates, and gives what was made.
fn generate(nf: &Path, version: &str, arguments: &[&str]) -> anyhow::Result<Sums> {
    let mut command = bounded(nf);
    command.args(["generate", "--format", "json", "--flows", FLOWS, "--rate", RATE, "--version", version]);
    let totals: Value = serde_json::from_str(&output(command.args(arguments))?)?;
    let number = |name: &str| totals[name].as_u64().with_context(|| format!("nf tells {name}"));
    Ok(Sums { flows: Some(number("flows")?), octets: number("bytes")?, packets: number("packets")? })
}

fn tshark(capture: &Path) -> anyhow::Result<Option<Sums>> {
    if !is_installed("tshark")? {
        return Ok(None);
    }
    let mut command = bounded("tshark".as_ref());
    command.arg("-r").arg(capture).args(["-n", "-d", "udp.port==2055,cflow", "-T", "fields"]);
    let text = output(command.args(["-e", "cflow.octets", "-e", "cflow.packets"]))?;
    let mut sums = Sums { flows: Some(0), octets: 0, packets: 0 };
    for line in text.lines() {
        let (octets, packets) = line.split_once('\t').context("two columns")?;
        let numbers = |list: &str| -> anyhow::Result<Vec<u64>> {
            Ok(list.split(',').filter(|text| !text.is_empty()).map(str::parse).collect::<Result<_, _>>()?)
        };
        let (octets, packets) = (numbers(octets)?, numbers(packets)?);
        sums.flows = sums.flows.map(|flows| flows + octets.len() as u64);
        sums.octets += octets.iter().sum::<u64>();
        sums.packets += packets.iter().sum::<u64>();
    }
    Ok(Some(sums))
}

/// Sends to a collector that listens on a port, and ends it.
fn send(nf: &Path, version: &str, command: &mut Command, port: u16) -> anyhow::Result<Sums> {
    let process = Process::start(command)?;
    until("the collector listens", || Ok(is_bound(port)?.then_some(())))?;
    let made = generate(nf, version, &["--to", &format!("127.0.0.1:{port}")])?;
    until("the collector takes all packets", || Ok(is_read(port)?.then_some(())))?;
    process.interrupt()?;
    process.end(PATIENCE)?;
    Ok(made)
}

fn nfcapd(nf: &Path, version: &str) -> anyhow::Result<(Sums, Option<Sums>)> {
    let (folder, port) = (tempfile::tempdir()?, free_port()?);
    if !is_installed("nfcapd")? {
        return Ok((Sums { flows: None, octets: 0, packets: 0 }, None));
    }
    let mut command = Command::new("nfcapd");
    command.args(["-b", "127.0.0.1", "-t", "3600", "-B", "8000000", "-p", &port.to_string(), "-w"]);
    let made = send(nf, version, command.arg(folder.path()), port)?;
    let text = output(bounded("nfdump".as_ref()).arg("-R").arg(folder.path()).arg("-I"))?;
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.and_then(|number| number.trim().parse().ok()).with_context(|| format!("nfdump tells {name}"))
    };
    let found = Sums { flows: Some(number("Flows")?), octets: number("Bytes")?, packets: number("Packets")? };
    Ok((made, Some(found)))
}

fn nfacctd(nf: &Path, version: &str) -> anyhow::Result<(Sums, Option<Sums>)> {
    let (folder, port) = (tempfile::tempdir()?, free_port()?);
    if !is_installed("nfacctd")? {
        return Ok((Sums { flows: None, octets: 0, packets: 0 }, None));
    }
    let (config, table) = (folder.path().join("nfacctd.conf"), folder.path().join("table.csv"));
    fs::write(
        &config,
        format!(
            "daemonize: false\nnfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\nplugins: print\naggregate: proto\n\
             print_output: csv\nprint_output_file: {}\nprint_refresh_time: 3600\n",
            table.display()
        ),
    )?;
    let made = send(nf, version, Command::new("nfacctd").arg("-f").arg(&config), port)?;
    // Its plugin is a process of its own, which writes the table when it ends.
    let text = until("nfacctd writes its table", || {
        let text = fs::read_to_string(&table).unwrap_or_default();
        Ok((text.lines().count() > 1 && text.ends_with('\n')).then_some(text))
    })?;
    let mut found = Sums { flows: None, octets: 0, packets: 0 };
    for line in text.lines().skip(1) {
        let mut cells = line.rsplit(',');
        let mut number = || cells.next().and_then(|cell| cell.parse::<u64>().ok()).context("a number");
        found.octets += number()?;
        found.packets += number()?;
    }
    Ok((made, Some(found)))
}
