//! Whether files go both ways between `nf` and PyPI `netflow`, whether both find the same connections, whether other
//! collectors count what `nf generate` sends, and whether filters let the same flows pass as nfdump's.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::programs::{self, PATIENCE, Process, bounded, is_bound, output, succeeds, until};

mod filters;
mod generated;
mod speed;

/// The package on PyPI.
const PACKAGE: &str = "netflow==0.12.2";
/// What is sent to both collectors.
const EXPORTS: &[Export] = &[
    Export { name: "v9", capture: "softflowd-v9", without: &[], trouble: "fails at flows without ports" },
    Export { name: "v9-ports", capture: "softflowd-v9", without: &[1025, 2049], trouble: "" },
    Export {
        name: "v5",
        capture: "softflowd-v5",
        without: &[],
        trouble: "looks for fields that v5 does not have",
    },
];
/// Time for installing.
const INSTALLING: Duration = Duration::from_secs(600);

/// Export packets of a fixture.
struct Export {
    name: &'static str,
    capture: &'static str,
    /// Data sets that are left out: softflowd's for ICMP.
    without: &'static [u16],
    /// Why the package's analyzer cannot read them; empty if it can.
    trouble: &'static str,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The nf program [default: built from here]
    #[arg(long, value_name = "PATH")]
    nf: Option<PathBuf>,
    /// Compares filters with nfdump's, and nothing else
    #[arg(long)]
    filters: bool,
    /// Compares how long both analyzers take for a large file, and nothing else
    #[arg(long, conflicts_with = "filters")]
    speed: bool,
    /// Leaves the collected files in target/interop
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let root = programs::root();
    let folder = root.join("target/interop");
    fs::create_dir_all(&folder)?;
    if args.speed {
        let nf = programs::nf(args.nf.as_deref(), "fast")?;
        return speed::compare(&nf, &python(&folder)?, &folder);
    }
    let nf = programs::nf(args.nf.as_deref(), "dev")?;
    let mut differences = filters::differences(&nf).context("filters")?;
    if args.filters {
        return conclude(&differences);
    }
    let programs = Programs { nf, python: python(&folder)? };
    for export in EXPORTS {
        let name = export.name;
        let files =
            Files { nf: folder.join(format!("{name}-nf.gz")), pypi: folder.join(format!("{name}-pypi.gz")) };
        let found = programs.check(root, export, &files).with_context(|| name.to_owned())?;
        differences.extend(found.into_iter().map(|what| format!("{name}: {what}")));
        if !args.keep {
            files.remove()?;
        }
    }
    let generated = generated::differences(&programs.nf, &folder).context("generated packets")?;
    differences.extend(generated.into_iter().map(|what| format!("generated {what}")));
    conclude(&differences)
}

fn conclude(differences: &[String]) -> anyhow::Result<()> {
    for difference in differences {
        println!("{difference}");
    }
    ensure!(differences.is_empty(), "{} differences", differences.len());
    println!("No differences.");
    Ok(())
}

/// What the two collectors write.
struct Files {
    nf: PathBuf,
    pypi: PathBuf,
}

impl Files {
    fn remove(&self) -> anyhow::Result<()> {
        for file in [&self.nf, &self.pypi] {
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        Ok(())
    }
}

struct Programs {
    nf: PathBuf,
    /// A Python that has the package.
    python: PathBuf,
}

impl Programs {
    fn check(&self, root: &Path, export: &Export, files: &Files) -> anyhow::Result<Vec<String>> {
        files.remove()?;
        let capture = fs::read(root.join(format!("fixtures/{}.pcap", export.capture)))?;
        let datagrams = datagrams(&capture).context("a pcap file of UDP over IPv4")?;
        let packets = datagrams.into_iter().map(|packet| without_sets(packet, export.without));
        let packets = packets.collect::<Option<Vec<_>>>().context("the sets of NetFlow v9")?;
        self.collect_with_nf(&packets, &files.nf)?;
        self.collect_with_pypi(&packets, &files.pypi)?;

        let flows = flows(&files.pypi)?;
        println!("{}: {} packets, {} flows", export.name, packets.len(), flows.iter().flatten().count());
        let mut differences = Vec::new();
        let mut same = |what: &str, one: &[Line], other: &[Line]| {
            println!("  {what}: {} connections and {}", one.len(), other.len());
            differences.extend(compare(one, other).into_iter().map(|line| format!("{what}: {line}")));
        };
        let nf = self.analyze_with_nf(&files.nf)?;
        same("nf analyze, of nf's file and of PyPI's", &nf, &self.analyze_with_nf(&files.pypi)?);
        if !export.trouble.is_empty() {
            println!("  PyPI's analyzer {}", export.trouble);
            return Ok(differences);
        }
        let pypi = self.analyze_with_pypi(&files.pypi)?;
        same("PyPI's analyzer, of nf's file and of its own", &self.analyze_with_pypi(&files.nf)?, &pypi);

        let pairs = right_pairs(&flows);
        let (in_nf, in_pypi) = (missing(&pairs, &nf), missing(&pairs, &pypi));
        println!(
            "  of {} pairs of flows that are right, PyPI's analyzer prints {}, nf analyze {}",
            pairs.len(),
            pairs.len() - in_pypi.len(),
            pairs.len() - in_nf.len()
        );
        ensure!(!pairs.is_empty(), "some pairs are right");
        differences.extend(in_nf.into_iter().map(|line| format!("nf analyze does not print {line:?}")));
        differences
            .extend(in_pypi.into_iter().map(|line| format!("PyPI's analyzer does not print {line:?}")));
        Ok(differences)
    }

    fn collect_with_nf(&self, packets: &[Vec<u8>], file: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(&self.nf);
        command.args(["collect", "--host", "127.0.0.1", "--port", "0", "--debug", "--file"]).arg(file);
        let mut process = Process::start(&mut command)?;
        let greeting = process.wait_for("listening on ")?;
        let address = greeting.split("listening on ").nth(1).and_then(|rest| rest.split(' ').next());
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(address.context("nf names its address")?)?;
        for packet in packets {
            socket.send(packet)?;
            process.wait_for(" octets, ")?;
        }
        process.interrupt()?;
        let status = process.end(PATIENCE)?;
        ensure!(status.success(), "nf collect: {status}");
        Ok(())
    }

    fn collect_with_pypi(&self, packets: &[Vec<u8>], file: &Path) -> anyhow::Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        // Free a moment ago.
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(&self.python);
        command.args(["-m", "netflow.collector", "--host", "127.0.0.1", "--debug"]);
        command.args(["--port", &port.to_string(), "--file"]).arg(file);
        let mut process = Process::start(&mut command)?;
        until("PyPI's collector listens", || Ok(is_bound(port)?.then_some(())))?;
        socket.connect(("127.0.0.1", port))?;
        for (sent, packet) in packets.iter().enumerate() {
            socket.send(packet)?;
            // It writes a packet after it said so.
            process.wait_for("Processed a v")?;
            until("PyPI's collector writes a packet", || {
                Ok((file.exists() && lines(file)?.len() > sent).then_some(()))
            })?;
        }
        process.interrupt()?;
        process.end(PATIENCE)?;
        Ok(())
    }

    fn analyze_with_nf(&self, file: &Path) -> anyhow::Result<Vec<Line>> {
        Ok(Line::all(&output(bounded(&self.nf).args(["analyze", "-n", "-p", "0", "-f"]).arg(file))?))
    }

    fn analyze_with_pypi(&self, file: &Path) -> anyhow::Result<Vec<Line>> {
        let mut command = bounded(&self.python);
        Ok(Line::all(&output(command.args(["-m", "netflow.analyzer", "-n", "-p", "0", "-f"]).arg(file))?))
    }
}

/// What both analyzers print of a connection: size, duration, packets, hosts.
type Cells = [String; 4];

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line(Cells);

impl Line {
    /// The connections in an analyzer's text, sorted. The time of receipt and how the columns are spaced differ.
    fn all(text: &str) -> Vec<Self> {
        let lines = text.lines().filter(|line| line.contains(" | Between "));
        let mut lines: Vec<_> = lines
            .filter_map(|line| {
                let cells: Vec<_> = line.rsplitn(5, " | ").map(|cell| cell.trim().to_owned()).collect();
                let [hosts, packets, duration, size, _] = cells.try_into().ok()?;
                Some(Self([size, duration, packets, hosts]))
            })
            .collect();
        lines.sort();
        lines
    }
}

/// The lines that are in one of two sorted lists only.
fn compare(one: &[Line], other: &[Line]) -> Vec<String> {
    let mut counts = BTreeMap::<&Line, i32>::new();
    one.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    other.iter().for_each(|line| *counts.entry(line).or_default() -= 1);
    let differences = counts.into_iter().filter(|(_, count)| *count != 0);
    differences.map(|(Line(cells), count)| format!("{} ({count:+})", cells.join(" | "))).collect()
}

/// A flow of v9 in the layout of PyPI `netflow`.
struct Flow {
    first: u64,
    last: u64,
    octets: u64,
    packets: u64,
    from: (String, u64),
    to: (String, u64),
    protocol: u64,
}

/// The flows in a collector's file, by export packet.
fn flows(file: &Path) -> anyhow::Result<Vec<Vec<Flow>>> {
    let mut packets = Vec::new();
    for line in lines(file)? {
        let line: Value = serde_json::from_str(&line)?;
        let packet = line.as_object().and_then(|line| line.values().next()).context("an export packet")?;
        let mut flows = Vec::new();
        for flow in packet["flows"].as_array().into_iter().flatten() {
            let number = |names: [&str; 2]| names.iter().find_map(|name| flow[*name].as_u64()).unwrap_or(0);
            let address = |direction: &str| {
                let names = ["IPV4", "IPV6"].map(|family| format!("{family}_{direction}_ADDR"));
                let address = names.iter().map(|name| &flow[name.as_str()]).find(|value| !value.is_null());
                address.map_or_else(String::new, |address| {
                    address.as_str().map_or_else(|| address.to_string(), str::to_owned)
                })
            };
            flows.push(Flow {
                first: number(["FIRST_SWITCHED"; 2]),
                last: number(["LAST_SWITCHED"; 2]),
                octets: number(["IN_BYTES", "IN_OCTETS"]),
                packets: number(["IN_PKTS", "IN_PACKETS"]),
                from: (address("SRC"), number(["L4_SRC_PORT", "SRC_PORT"])),
                to: (address("DST"), number(["L4_DST_PORT", "DST_PORT"])),
                protocol: number(["PROTOCOL", "PROTO"]),
            });
        }
        packets.push(flows);
    }
    Ok(packets)
}

/// What is to be printed of the pairs that PyPI's analyzer gets right. It pairs flows that began at the same time
/// between the same hosts, and keeps one waiting flow of a host; right is what also has the same ports, if no other
/// flow has them. If both sides sent as much, either may be named first.
fn right_pairs(packets: &[Vec<Flow>]) -> Vec<Vec<Line>> {
    let mut waiting = BTreeMap::new();
    let mut pairs = Vec::new();
    for packet in packets {
        let mut flows: Vec<_> = packet.iter().collect();
        flows.sort_by_key(|flow| flow.first);
        for one in flows {
            let Some(other) = waiting.remove(&(one.first, &one.to.0)) else {
                waiting.insert((one.first, &one.from.0), one);
                continue;
            };
            let has_ends = |flow: &&Flow| {
                flow.protocol == one.protocol
                    && [(&flow.from, &flow.to), (&flow.to, &flow.from)].contains(&(&one.from, &one.to))
            };
            if (&other.from, &other.to, other.protocol) == (&one.to, &one.from, one.protocol)
                && packets.iter().flatten().filter(has_ends).count() == 2
            {
                pairs.push(lines_of(one, other));
            }
        }
    }
    pairs
}

fn lines_of(one: &Flow, other: &Flow) -> Vec<Line> {
    let line = |heavy: &Flow| {
        Line([
            human_size(heavy.octets),
            human_duration(heavy.last.wrapping_sub(heavy.first) & 0xffff_ffff),
            (one.packets + other.packets).to_string(),
            format!("Between {0} ({0}) and {1} ({1})", heavy.from.0, heavy.to.0),
        ])
    };
    match one.octets.cmp(&other.octets) {
        Ordering::Less => vec![line(other)],
        Ordering::Equal => vec![line(one), line(other)],
        Ordering::Greater => vec![line(one)],
    }
}

/// The expected lines that an analyzer did not print.
fn missing(pairs: &[Vec<Line>], printed: &[Line]) -> Vec<Line> {
    let mut left = printed.to_vec();
    let mut missing = Vec::new();
    for pair in pairs {
        match left.iter().position(|line| pair.contains(line)) {
            Some(found) => drop(left.swap_remove(found)),
            None => missing.push(pair[0].clone()),
        }
    }
    missing
}

fn human_size(octets: u64) -> String {
    match octets as f64 {
        size if size < 1024.0 => format!("{octets}B"),
        size if size < 1024.0 * 1024.0 => format!("{:.2}K", size / 1024.0),
        size => format!("{:.2}M", size / 1024.0 / 1024.0),
    }
}

fn human_duration(millis: u64) -> String {
    match millis / 1000 {
        seconds @ 0..60 => format!("{seconds} sec"),
        seconds => format!("{:02}:{:02} min", seconds / 60, seconds % 60),
    }
}

/// The UDP payloads of a classic pcap file of Ethernet and IPv4.
fn datagrams(capture: &[u8]) -> Option<Vec<&[u8]>> {
    let (header, mut rest) = capture.split_at_checked(24)?;
    if header[..4] != 0xa1b2_c3d4u32.to_le_bytes() || header[20..24] != 1u32.to_le_bytes() {
        return None;
    }
    let mut datagrams = Vec::new();
    while !rest.is_empty() {
        let (record, after) = rest.split_at_checked(16)?;
        let length = u32::from_le_bytes(record[8..12].try_into().ok()?);
        let (frame, after) = after.split_at_checked(length as usize)?;
        let packet = frame.get(14..).filter(|packet| packet.first().is_some_and(|first| first >> 4 == 4))?;
        let udp = packet.get(usize::from(packet[0] & 15) * 4..)?;
        let length = u16::from_be_bytes(udp.get(4..6)?.try_into().ok()?);
        datagrams.push(udp.get(8..length.into())?);
        rest = after;
    }
    Some(datagrams)
}

/// A packet of NetFlow v9 without some of its data sets; any other as it is.
fn without_sets(packet: &[u8], without: &[u16]) -> Option<Vec<u8>> {
    if without.is_empty() {
        return Some(packet.to_vec());
    }
    let (header, mut rest) = packet.split_at_checked(20)?;
    let mut kept = header.to_vec();
    while !rest.is_empty() {
        let field = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
        let (id, length) = (field(0)?, field(2)?);
        let (set, after) = rest.split_at_checked(usize::from(length).max(4))?;
        if !without.contains(&id) {
            kept.extend_from_slice(set);
        }
        rest = after;
    }
    Some(kept)
}

/// The whole lines in a gzip file that may be growing.
fn lines(file: &Path) -> anyhow::Result<Vec<String>> {
    let unpacked = Command::new("gzip").arg("-dc").stdin(fs::File::open(file)?).output().context("gzip")?;
    let text = String::from_utf8(unpacked.stdout)?;
    Ok(text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect())
}

/// The Python of a virtual environment that has the package.
fn python(folder: &Path) -> anyhow::Result<PathBuf> {
    let environment = folder.join("venv");
    let python = environment.join("bin/python");
    let (_, version) = PACKAGE.split_once("==").context("a version")?;
    let test = format!("import importlib.metadata as m, sys; sys.exit(m.version('netflow') != '{version}')");
    let has_package = || Command::new(&python).args(["-c", &test]).output().is_ok_and(|o| o.status.success());
    if has_package() {
        return Ok(python);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&environment);
    if !succeeds(&mut make, INSTALLING)? {
        ensure!(
            rustix::process::geteuid().is_root(),
            "python3 -m venv does not work; Debian has it in python3-venv"
        );
        let mut install = Command::new("apt-get");
        install.args(["install", "--yes", "python3-venv"]).env("DEBIAN_FRONTEND", "noninteractive");
        ensure!(succeeds(&mut install, INSTALLING)?, "python3-venv cannot be installed");
        ensure!(succeeds(&mut make, INSTALLING)?, "python3 -m venv does not work");
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]);
    ensure!(succeeds(&mut pip, INSTALLING)?, "{PACKAGE} cannot be installed");
    ensure!(has_package(), "{PACKAGE} was not installed");
    Ok(python)
}
