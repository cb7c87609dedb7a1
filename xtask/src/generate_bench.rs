//! How many packets `nf generate` sends in a second from one core, beside nfreplay.
//!
//! Each program runs on one core, and sends over the loopback to a socket of this process, which reads on another
//! core. What it does not read in time the kernel drops, and counts: that is sent, too. CPU time includes the
//! delivery into the socket's buffer, which the kernel does in the sender's time.

use std::fs;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::load::cpu_of_children;
use crate::programs::{self, PATIENCE, Process, free_port, is_bound, is_installed, output, until};

/// What `nf generate` sends.
const VERSIONS: [&str; 3] = ["v5", "v9", "ipfix"];
/// What nfreplay can send.
const REPLAYED: [&str; 2] = ["5", "9"];
/// Flow records of the file that nfreplay reads, and how many a second nfcapd is given.
const FLOWS_OF_FILE: &str = "600000";
const RATE_OF_FILE: &str = "150000";
/// How long nothing more arrives when all has.
const QUIET: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The nf program [default: built from here, with the profile fast]
    #[arg(long, value_name = "PATH")]
    nf: Option<PathBuf>,
    /// Flow records in each run of nf generate
    #[arg(long, value_name = "N", default_value_t = 6_000_000)]
    flows: u64,
    /// Runs of each, of which the one with the least CPU time for a packet is shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The core to send from
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    core: usize,
    /// The core to receive on
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    other_core: usize,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.core != args.other_core, "sender and receiver need a core each");
    let nf = programs::nf(args.nf.as_deref(), "fast")?;
    ensure!(is_installed("taskset")?, "taskset is not there; Debian has it in util-linux");
    let folder = tempfile::tempdir()?;
    let file = file_of_flows(&nf, folder.path())?;
    // All threads of this process from here on.
    let own = std::process::id().to_string();
    output(Command::new("taskset").args(["-a", "-c", "-p", &args.other_core.to_string(), &own]))
        .with_context(|| format!("there is no core {} to receive on", args.other_core))?;

    let sink = Sink::new()?;
    let port = sink.port.to_string();
    let mut rows: Vec<(String, Run)> = Vec::new();
    for version in VERSIONS {
        let flows = args.flows.to_string();
        let target = format!("127.0.0.1:{port}");
        let arguments = ["generate", "--to", &target, "--rate", "max", "--flows", &flows];
        let mut best: Option<Run> = None;
        for _ in 0..args.runs {
            let mut command = on_core(args.core, &nf);
            command.args(arguments).args(["--version", version, "--format", "json"]);
            let (run, said) = sink.measure(&mut command)?;
            let said: Value = serde_json::from_str(&said)?;
            let sent = said["sent_packets"].as_u64().context("nf says what it sent")?;
            ensure!(sent == run.packets, "nf says {sent} packets, and {} arrived", run.packets);
            best = Some(Run::better(best, run));
        }
        rows.extend(best.map(|run| (format!("nf generate {version}"), run)));
    }
    let own_rows = rows.len();
    for version in REPLAYED {
        let Some(file) = &file else { break };
        let mut best: Option<Run> = None;
        for _ in 0..args.runs {
            let mut command = on_core(args.core, "nfreplay".as_ref());
            command.args(["-H", "127.0.0.1", "-p", &port, "-d", "0", "-v", version, "-r"]).arg(file);
            best = Some(Run::better(best, sink.measure(&mut command)?.0));
        }
        rows.extend(best.map(|run| (format!("nfreplay v{version}"), run)));
    }
    print(&rows, rows[own_rows..].iter().map(|(_, run)| run));
    if file.is_none() {
        println!("nfreplay and nfcapd are not installed (Debian: nfdump): nf was measured alone");
    }
    Ok(())
}

fn print<'a>(rows: &[(String, Run)], peers: impl Iterator<Item = &'a Run>) {
    let peer = peers.map(Run::of_cpu).fold(f64::NAN, f64::max);
    println!(
        "{:18} {:>9} {:>8} {:>12} {:>12} {:>9} {:>11}",
        "", "packets", "octets", "a second", "of CPU time", "ns each", "to nfreplay"
    );
    for (name, run) in rows {
        let ratio = if peer.is_nan() { "-".to_owned() } else { format!("{:.2}x", run.of_cpu() / peer) };
        println!(
            "{name:18} {:>9} {:>8.0} {:>12.0} {:>12.0} {:>9.0} {ratio:>11}",
            run.packets,
            run.octets,
            run.packets as f64 / run.seconds,
            run.of_cpu(),
            1e9 / run.of_cpu(),
        );
    }
}

fn on_core(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// What nfcapd makes of packets of v5; `None` when it or nfreplay are not there.
fn file_of_flows(nf: &Path, folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    if !is_installed("nfcapd")? || !is_installed("nfreplay")? {
        return Ok(None);
    }
    let port = free_port()?;
    let mut command = Command::new("nfcapd");
    command.args(["-b", "127.0.0.1", "-t", "3600", "-B", "8000000", "-p", &port.to_string(), "-w"]);
    let nfcapd = Process::start(command.arg(folder))?;
    until("nfcapd listens", || Ok(is_bound(port)?.then_some(())))?;
    let target = format!("127.0.0.1:{port}");
    let mut command = Command::new(nf);
    command.args(["generate", "--to", &target, "--version", "v5"]);
    output(command.args(["--flows", FLOWS_OF_FILE, "--rate", RATE_OF_FILE]))?;
    nfcapd.interrupt()?;
    nfcapd.end(PATIENCE)?;
    let mut files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.file_name().to_string_lossy().starts_with("nfcapd.2"));
    match &files[..] {
        [file] => Ok(Some(file.path())),
        files => bail!("nfcapd wrote {} files, and not one", files.len()),
    }
}

/// A program that sent packets.
#[derive(Debug, Clone, Copy)]
struct Run {
    packets: u64,
    /// Octets of a packet, on average of those that were read.
    octets: f64,
    /// From start to end of the program.
    seconds: f64,
    cpu_seconds: f64,
}

impl Run {
    /// Packets for a second of CPU time.
    fn of_cpu(&self) -> f64 {
        self.packets as f64 / self.cpu_seconds
    }

    fn better(best: Option<Self>, other: Self) -> Self {
        best.filter(|best| best.of_cpu() >= other.of_cpu()).unwrap_or(other)
    }
}

/// A socket that a thread reads.
struct Sink {
    port: u16,
    counts: Arc<Counts>,
    reader: Option<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    packets: AtomicU64,
    octets: AtomicU64,
    end: AtomicBool,
}

impl Sink {
    fn new() -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(QUIET))?;
        let (port, counts) = (socket.local_addr()?.port(), Arc::new(Counts::default()));
        let of_thread = Arc::clone(&counts);
        let reader = thread::spawn(move || of_thread.read(&socket));
        Ok(Self { port, counts, reader: Some(reader) })
    }

    /// Runs a program that sends to the port, and gives its stdout, too.
    fn measure(&self, command: &mut Command) -> anyhow::Result<(Run, String)> {
        let before = self.arrived()?;
        let (start, cpu) = (Instant::now(), cpu_of_children()?);
        let said = output(command)?;
        let (seconds, cpu_seconds) =
            (start.elapsed().as_secs_f64(), (cpu_of_children()? - cpu).as_secs_f64());
        let after = self.arrived()?;
        let read = after.read - before.read;
        ensure!(read > 0 && cpu_seconds > 0.0, "{command:?} sent nothing");
        let octets = (after.octets - before.octets) as f64 / read as f64;
        let packets = read + after.dropped - before.dropped;
        Ok((Run { packets, octets, seconds, cpu_seconds }, said))
    }

    /// What has arrived when nothing more does.
    fn arrived(&self) -> anyhow::Result<Arrived> {
        let mut last = self.so_far()?;
        until("the packets are read", || {
            thread::sleep(QUIET);
            let before = std::mem::replace(&mut last, self.so_far()?);
            Ok((before == last).then_some(last))
        })
    }

    fn so_far(&self) -> anyhow::Result<Arrived> {
        Ok(Arrived {
            read: self.counts.packets.load(Ordering::Acquire),
            octets: self.counts.octets.load(Ordering::Acquire),
            dropped: dropped(self.port)?,
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.counts.end.store(true, Ordering::Release);
        self.reader.take().map(thread::JoinHandle::join);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Arrived {
    read: u64,
    octets: u64,
    dropped: u64,
}

impl Counts {
    fn read(&self, socket: &UdpSocket) {
        let mut buffer = vec![0; 65_536];
        while !self.end.load(Ordering::Acquire) {
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    self.octets.fetch_add(length as u64, Ordering::Release);
                    self.packets.fetch_add(1, Ordering::Release);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return,
            }
        }
    }
}

/// Datagrams that found no room in the buffer of a socket of IPv4.
fn dropped(port: u16) -> anyhow::Result<u64> {
    let sockets = fs::read_to_string("/proc/net/udp").context("only Linux tells what it drops")?;
    let local = format!(":{port:04X}");
    let of_port = |line: &&str| line.split_whitespace().nth(1).is_some_and(|own| own.ends_with(&local));
    let row = sockets.lines().find(of_port).context("the socket is in /proc/net/udp")?;
    row.split_whitespace().last().and_then(|number| number.parse().ok()).context("the number of drops")
}
