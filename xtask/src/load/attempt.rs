//! One attempt: a collector starts, is sent to, and ends; its files are counted.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::collectors::{Collector, Count};
use super::cost::{Cost, Meter};
use crate::programs::{PATIENCE, Process, free_port, is_bound, is_read, output, until};

/// What is sent.
#[derive(Debug, Clone)]
pub(super) enum Load<'a> {
    /// Made-up traffic of a version, for some seconds; without a rate as fast as it goes.
    Made { version: &'a str, rate: Option<f64>, seconds: u64, exporters: u16 },
    /// A capture of so many flows, at so many packets a second.
    Capture { file: &'a Path, rate: u32, flows: u64 },
}

/// Flows, or what they add up to; `None` for what is not told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) flows: Option<u64>,
    pub(super) octets: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// Export packets; 0 for a capture.
    pub(super) packets: u64,
    pub(super) sent: Sums,
    /// What is in the collector's files.
    pub(super) found: Sums,
    /// From the first packet until the last one was taken from the socket.
    pub(super) duration: Duration,
    pub(super) cost: Cost,
    /// Octets of the collector's files.
    pub(super) on_disk: u64,
}

impl Attempt {
    /// Packets a second.
    pub(super) fn rate(&self) -> f64 {
        self.packets as f64 / self.duration.as_secs_f64().max(1e-3)
    }

    /// How many were sent.
    pub(super) fn flows(&self) -> u64 {
        self.sent.flows.unwrap_or(0)
    }

    /// Part of what was sent that is in the files, 1 when nothing is missing; `None` when they cannot be compared.
    pub(super) fn arrived(&self) -> Option<f64> {
        let of = |sent: Option<u64>, found: Option<u64>| Some(found? as f64 / sent?.max(1) as f64);
        of(self.sent.flows, self.found.flows).or(of(self.sent.octets, self.found.octets))
    }
}

/// Starts a collector, sends to it, ends it.
pub(super) fn attempt(
    nf: &Path,
    collector: &Collector,
    buffer: Option<u64>,
    load: &Load<'_>,
) -> anyhow::Result<Attempt> {
    let (port, scratch) = (free_port()?, tempfile::tempdir()?);
    let folder = scratch.path().join("files");
    fs::create_dir(&folder)?;
    let mut command = command(nf, collector, buffer, port, scratch.path(), &folder)?;
    let mut meter = Meter::begin()?;
    let mut process = Process::start(&mut command)?;
    until("the collector listens", || Ok(is_bound(port)?.then_some(())))?;
    let start = Instant::now();
    let (packets, sent, sending) = load.send(nf, port)?;
    // Starting the sender takes its time too.
    let started = start.elapsed().saturating_sub(sending);
    until("the collector takes all packets", || Ok(is_read(port)?.then_some(())))?;
    let duration = start.elapsed().saturating_sub(started);
    meter.look(&process);
    meter.leave_out_ended()?;
    process.interrupt()?;
    let said = process.take_said();
    let cost = meter.end(process, PATIENCE)?;
    let found = count(collector.count, &folder, &said.iter().collect::<Vec<_>>())?;
    Ok(Attempt { packets, sent, found, duration, cost, on_disk: size(&folder)? })
}

fn command(
    nf: &Path,
    collector: &Collector,
    buffer: Option<u64>,
    port: u16,
    scratch: &Path,
    folder: &Path,
) -> anyhow::Result<Command> {
    let octets = buffer.unwrap_or_default();
    let buffer = match buffer {
        Some(_) => collector
            .buffer
            .replace("{octets}", &octets.to_string())
            .replace("{mebibytes}", &octets.div_ceil(1 << 20).to_string()),
        None => String::new(),
    };
    let config = scratch.join("config");
    let fill = |text: &str| {
        text.replace("{buffer}", &buffer)
            .replace("{port}", &port.to_string())
            .replace("{folder}", &folder.to_string_lossy())
            .replace("{config}", &config.to_string_lossy())
    };
    fs::write(&config, fill(collector.config))?;
    let program = if collector.program == "nf" { nf } else { collector.program.as_ref() };
    let mut command = Command::new(program);
    // Folders for what is temporary have no spaces.
    command.args(fill(collector.arguments).split_whitespace());
    Ok(command)
}

impl Load<'_> {
    /// Sends; gives packets, what is in them, and how long it took.
    fn send(&self, nf: &Path, port: u16) -> anyhow::Result<(u64, Sums, Duration)> {
        let to = format!("127.0.0.1:{port}");
        let mut command = Command::new(nf);
        match self {
            Self::Made { version, rate, seconds, exporters } => {
                command.args(["generate", "--format", "json", "--to", &to, "--version", version]);
                command.args(["--duration", &seconds.to_string(), "--exporters", &exporters.to_string()]);
                match rate {
                    Some(rate) => command.args(["--pps", &format!("{rate:.0}")]),
                    None => command.args(["--rate", "max"]),
                };
                let made: Value = serde_json::from_str(&output(&mut command)?)?;
                let number = |name: &str| made[name].as_u64().with_context(|| format!("nf tells {name}"));
                let sums = Sums { flows: Some(number("flows")?), octets: Some(number("bytes")?) };
                let seconds = made["seconds"].as_f64().context("nf tells seconds")?;
                Ok((number("export_packets")?, sums, Duration::from_secs_f64(seconds)))
            }
            Self::Capture { file, rate, flows } => {
                command.args(["replay", "--to", &to, "--pps", &rate.to_string()]).arg(file);
                let start = Instant::now();
                output(&mut command)?;
                Ok((0, Sums { flows: Some(*flows), octets: None }, start.elapsed()))
            }
        }
    }
}

/// Counts what a collector wrote.
fn count(count: Count, folder: &Path, said: &[String]) -> anyhow::Result<Sums> {
    match count {
        Count::NfReport => Ok(Sums { flows: Some(written_flows(said)?), octets: None }),
        Count::Nfdump => {
            let text = output(Command::new("nfdump").arg("-R").arg(folder).arg("-I"))?;
            let number = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                line.and_then(|number| number.trim().parse().ok())
            };
            Ok(Sums { flows: number("Flows"), octets: number("Bytes") })
        }
        Count::NfacctdLines => {
            let mut octets = 0;
            for file in files(folder)? {
                let text = fs::read_to_string(file)?;
                octets += text.lines().filter_map(|line| number_in(line, "\"bytes\": ")).sum::<u64>();
            }
            Ok(Sums { flows: None, octets: Some(octets) })
        }
    }
}

/// Flows that nf says it has decoded, less those that it says it could not write.
pub(super) fn written_flows(said: &[String]) -> anyhow::Result<u64> {
    let find = |of: &str, unit: &str| {
        let line = said.iter().find(|line| line.contains(of))?;
        let before = &line[..line.find(unit)?];
        before.rsplit(' ').next()?.parse::<u64>().ok()
    };
    let decoded = find(" received: ", " flow").context("nf reports how many flows it decoded")?;
    Ok(decoded.saturating_sub(find(" are lost: ", " flow").unwrap_or(0)))
}

fn number_in(line: &str, name: &str) -> Option<u64> {
    let rest = &line[line.find(name)? + name.len()..];
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn files(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    entries.collect()
}

/// Octets of all files in a folder.
pub(super) fn size(folder: &Path) -> anyhow::Result<u64> {
    files(folder)?.into_iter().map(|file| Ok(fs::metadata(file)?.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_that_could_not_be_written_are_not_counted() {
        let said = [
            "nf: 6 packets received: 6 decoded, 139 flows, 1 options record; 4392 octets written",
            "nf: 1 block of 400 octets could not be written, and are lost: 39 flows",
        ];
        let said = said.map(str::to_owned);
        assert_eq!(written_flows(&said).unwrap(), 100);
        assert_eq!(written_flows(&said[..1]).unwrap(), 139);
        assert!(written_flows(&[]).is_err());
    }

    #[test]
    fn numbers_are_found_in_lines_of_json() {
        let line = r#"{"event_type": "purge", "packets": 3, "bytes": 18446744073709551615}"#;
        assert_eq!(number_in(line, "\"bytes\": "), Some(u64::MAX));
        assert_eq!(number_in(line, "\"packets\": "), Some(3));
        assert_eq!(number_in(line, "\"flows\": "), None);
    }
}
