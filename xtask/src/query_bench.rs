//! How long `nf top` and `nf flows` take for questions to millions of flows, beside nfdump and DuckDB.
//!
//! All answer the same questions: nf and DuckDB to the same Parquet file with as many threads, nfdump to files that
//! nfcapd made of the same packets, compressed with LZ4. Programs take turns, since machines are not quiet; of several runs
//! the shortest is shown. DuckDB is timed within Python, from the question to the answer, and nf and nfdump as a user
//! times them, from the start of the process to its end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::load::{cpu_of_children, peak_memory};
use crate::programs::{self, PATIENCE, Process, free_port, is_bound, is_installed, output, until};

/// How often the memory of a process is looked at.
const TICK: Duration = Duration::from_millis(1);
/// Packets a second that nfcapd gets: it can take twice as many.
const PACE: &str = "20000";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The nf program [default: built from here, with the profile fast]
    #[arg(long, value_name = "PATH")]
    nf: Option<PathBuf>,
    /// Flows that nf generate makes, as NetFlow v9
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    flows: u64,
    /// Capture of export packets to take instead
    #[arg(long, value_name = "FILE")]
    read: Option<PathBuf>,
    /// Directory to keep the files in, and to take them from when they are there [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Runs of each program for each question
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Threads of nf and DuckDB
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Python that has duckdb, as `python3 -m venv v && v/bin/pip install duckdb` makes it
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
}

/// A question in three languages.
struct Question {
    name: &'static str,
    nf: &'static [&'static str],
    nfdump: &'static [&'static str],
    /// What DuckDB selects, with FILE for the file.
    sql: &'static str,
    answer: Answer,
}

/// What comes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The largest groups, whose octets are compared.
    Groups,
    /// A number, which is compared.
    Count,
    /// All flows.
    Text,
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "source addresses",
        nf: &["top", "src"],
        nfdump: &["-s", "srcip/bytes"],
        sql: "select sum(bytes) bytes, sum(packets), sum(flows), src_addr from FILE group by all \
              order by bytes desc limit 10",
        answer: Answer::Groups,
    },
    Question {
        name: "source, port",
        nf: &["top", "src,dstport"],
        nfdump: &["-A", "srcip,dstport", "-O", "bytes"],
        sql: "select sum(bytes) bytes, sum(packets), sum(flows), src_addr, dst_port from FILE group by all \
              order by bytes desc limit 10",
        answer: Answer::Groups,
    },
    Question {
        name: "five keys",
        nf: &["top", "record"],
        nfdump: &["-A", "proto,srcip,srcport,dstip,dstport", "-O", "bytes"],
        sql: "select sum(bytes) bytes, sum(packets), sum(flows), src_addr, dst_addr, src_port, dst_port, proto \
              from FILE group by all order by bytes desc limit 10",
        answer: Answer::Groups,
    },
    Question {
        name: "filter, sums",
        nf: &["top", "proto", "--filter", "proto tcp and dst port 443"],
        nfdump: &["-s", "proto/bytes", "proto tcp and dst port 443"],
        sql: "select sum(bytes) bytes, sum(packets), sum(flows), proto from FILE \
              where proto = 6 and dst_port = 443 group by all",
        answer: Answer::Groups,
    },
    Question {
        name: "filter, count",
        nf: &["flows", "--count", "--filter", "proto tcp and dst port 443"],
        // It has no counting alone: this prints nothing but the sums at the end.
        nfdump: &["-o", "null", "proto tcp and dst port 443"],
        sql: "select count(*) from FILE where proto = 6 and dst_port = 443",
        answer: Answer::Count,
    },
    Question {
        name: "all as CSV",
        nf: &["flows", "--format", "csv"],
        nfdump: &["-o", "csv"],
        sql: "copy (from FILE) to '/dev/null' (format csv)",
        answer: Answer::Text,
    },
];

/// What DuckDB runs: it prints seconds, CPU seconds, KiB and the first numbers of the rows.
const SCRIPT: &str = "
import duckdb, json, resource, sys, time
file, threads, sql = sys.argv[1:]
connection = duckdb.connect()
connection.sql('set enable_progress_bar = false')
connection.sql(f'set threads = {threads}')
connection.sql(f\"select 1 from '{file}' limit 1\").fetchall()
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
start, before = time.perf_counter(), cpu()
rows = connection.execute(sql.replace('FILE', f\"'{file}'\")).fetchall()
seconds, used = time.perf_counter() - start, cpu() - before
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, used, peak, [int(row[0]) for row in rows]]))
";

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let nf = programs::nf(args.nf.as_deref(), "fast")?;
    let temporary = tempfile::tempdir()?;
    let folder = args.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let files = Files::make(args, &nf, folder)?;
    let import = Command::new(&args.python).args(["-c", "import duckdb"]).stderr(Stdio::null()).status();
    let has_duckdb = import.is_ok_and(|status| status.success());
    println!(
        "{:18} {:8} {:>8} {:>8} {:>8} {:>9} {:>9}",
        "", "", "seconds", "of CPU", "MiB", "x seconds", "x CPU"
    );
    for question in QUESTIONS {
        let mut best: [Option<Run>; 3] = [None; 3];
        for _ in 0..args.runs {
            let (own, groups) = nf_run(args, &nf, &files.parquet, question)?;
            Run::keep(&mut best[0], own);
            if let Some(nfcapd) = &files.nfcapd {
                let mut command = Command::new("nfdump");
                command.arg("-R").arg(nfcapd).arg("-q").args(question.nfdump);
                if question.answer == Answer::Groups {
                    command.args(["-n", "10"]);
                }
                question.prepare(&mut command);
                Run::keep(&mut best[1], measure(command)?.0);
            }
            if has_duckdb {
                let (other, same) = duckdb_run(args, &files.parquet, question)?;
                ensure!(
                    groups == same || question.answer == Answer::Text,
                    "{}: nf has {groups:?}, DuckDB {same:?}",
                    question.name
                );
                Run::keep(&mut best[2], other);
            }
        }
        let own = best[0].context("nf was measured")?;
        for (program, run) in ["nf", "nfdump", "DuckDB"].into_iter().zip(best) {
            let Some(run) = run else { continue };
            let (wall, cpu) = (run.seconds / own.seconds, run.cpu_seconds / own.cpu_seconds);
            println!(
                "{:18} {program:8} {:>8.3} {:>8.3} {:>8.0} {wall:>8.2}x {cpu:>8.2}x",
                question.name, run.seconds, run.cpu_seconds, run.mebibytes
            );
        }
    }
    if files.nfcapd.is_none() {
        println!("nfdump and nfcapd are not installed (Debian: nfdump): nf was measured without them");
    }
    if !has_duckdb {
        println!("{} has no module duckdb: nf was measured without it", args.python.display());
    }
    Ok(())
}

/// The same flows, as each program reads them.
struct Files {
    parquet: PathBuf,
    /// The directory of nfcapd; `None` when it is not installed.
    nfcapd: Option<PathBuf>,
}

impl Files {
    /// Makes them, those that are not there.
    fn make(args: &Args, nf: &Path, folder: &Path) -> anyhow::Result<Self> {
        let (parquet, nfcapd) = (folder.join("flows.parquet"), folder.join("nfcapd"));
        let capture = match &args.read {
            Some(capture) => capture.clone(),
            None => folder.join("packets.pcap"),
        };
        let has_nfcapd = is_installed("nfcapd")? && is_installed("nfdump")?;
        let is_made = parquet.exists() && (nfcapd.exists() || !has_nfcapd);
        if !is_made && !capture.exists() {
            let flows = args.flows.to_string();
            let mut command = Command::new(nf);
            command.args(["generate", "--version", "v9", "--rate", "max", "--flows", &flows, "--write"]);
            output(command.arg(&capture))?;
        }
        if !parquet.exists() {
            output(Command::new(nf).args(["collect", "--read"]).arg(&capture).arg("-o").arg(&parquet))?;
        }
        if has_nfcapd && !nfcapd.exists() {
            receive(nf, &capture, &nfcapd)?;
        }
        Ok(Self { parquet, nfcapd: has_nfcapd.then_some(nfcapd) })
    }
}

/// Has nfcapd receive the packets of a capture.
fn receive(nf: &Path, capture: &Path, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let port = free_port()?;
    let mut command = Command::new("nfcapd");
    command.args(["-y", "-b", "127.0.0.1", "-t", "3600", "-B", "16000000", "-p", &port.to_string(), "-w"]);
    let nfcapd = Process::start(command.arg(folder))?;
    until("nfcapd listens", || Ok(is_bound(port)?.then_some(())))?;
    let target = format!("127.0.0.1:{port}");
    output(Command::new(nf).arg("replay").arg(capture).args(["--to", &target, "--pps", PACE]))?;
    thread::sleep(Duration::from_secs(1));
    nfcapd.interrupt()?;
    nfcapd.end(PATIENCE)?;
    Ok(())
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    mebibytes: f64,
}

impl Run {
    /// Keeps the shorter one.
    fn keep(best: &mut Option<Self>, other: Self) {
        *best = Some(best.filter(|best| best.seconds <= other.seconds).unwrap_or(other));
    }
}

/// Runs a program, and gives its stdout, too.
fn measure(mut command: Command) -> anyhow::Result<(Run, String)> {
    let (start, cpu) = (Instant::now(), cpu_of_children()?);
    let mut child = command.stderr(Stdio::null()).spawn()?;
    let mut memory = 0;
    let status = loop {
        memory = peak_memory(child.id()).unwrap_or(0).max(memory);
        match child.try_wait()? {
            Some(status) => break status,
            None => thread::sleep(TICK),
        }
    };
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_of_children()? - cpu);
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        std::io::Read::read_to_string(&mut stdout, &mut said)?;
    }
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    let mebibytes = memory as f64 / f64::from(1 << 20);
    Ok((Run { seconds, cpu_seconds: cpu.as_secs_f64(), mebibytes }, said))
}

impl Question {
    /// Has the answer read, or left where it costs nothing.
    fn prepare(&self, command: &mut Command) {
        command.stdout(if self.answer == Answer::Text { Stdio::null() } else { Stdio::piped() });
    }
}

/// Runs nf, and gives the octets of the groups, or the number, too.
fn nf_run(args: &Args, nf: &Path, file: &Path, question: &Question) -> anyhow::Result<(Run, Vec<u64>)> {
    let threads = args.threads.to_string();
    let mut command = Command::new(nf);
    command.args(question.nf).arg("-r").arg(file).args(["--threads", &threads]);
    if question.answer == Answer::Groups {
        command.args(["--format", "json"]);
    }
    question.prepare(&mut command);
    let (run, said) = measure(command)?;
    match question.answer {
        Answer::Groups => {}
        Answer::Count => return Ok((run, vec![said.trim().parse()?])),
        Answer::Text => return Ok((run, Vec::new())),
    }
    let said: Value = serde_json::from_str(&said)?;
    let groups = said["groups"].as_array().context("nf prints groups")?;
    Ok((run, groups.iter().filter_map(|group| group["bytes"].as_u64()).collect()))
}

/// Runs DuckDB, and gives the octets of the groups, or the number, too.
fn duckdb_run(args: &Args, file: &Path, question: &Question) -> anyhow::Result<(Run, Vec<u64>)> {
    let mut command = Command::new(&args.python);
    command.args(["-c", SCRIPT]).arg(file).arg(args.threads.to_string());
    let said = output(command.arg(question.sql))?;
    let (seconds, cpu_seconds, peak, groups): (f64, f64, f64, Vec<u64>) = serde_json::from_str(&said)?;
    Ok((Run { seconds, cpu_seconds, mebibytes: peak / 1024.0 }, groups))
}
