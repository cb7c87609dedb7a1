//! Fuzzing, mutated packets, worst cases: hostile input of all kinds.
//!
//! No cargo-fuzz and no nightly: coverage instrumentation is a stable flag of the compiler, and libFuzzer comes with
//! `libfuzzer-sys`, which wants a C++ compiler.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, bail, ensure};

/// What tells libFuzzer which code was reached, and what it was compared with.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing";
/// The targets, as netflow-fuzz has them.
const TARGETS: [&str; 4] = ["message", "session", "flow_file", "capture_file"];
/// Megabytes that a target may take.
const MEMORY: u32 = 300;
/// Seconds that one input may take; the expensive ones are in `worst`.
const TIMEOUT: u32 = 10;
/// Longest input, in octets.
const LONGEST: u32 = 65_536;
/// Sizes between which work is compared: what doubles may double it, and little more.
const SIZES: [usize; 3] = [16_000, 32_000, 64_000];
/// Growth of work that is too much for twice the input.
const TOO_MUCH: f64 = 2.6;
/// Instructions below which nothing is said about growth: what is constant weighs too much.
const FEW: u64 = 2_000_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Fuzzes with libFuzzer; the corpus grows in the build folder
    #[command(flatten)]
    Target(Target),
    /// Decodes mutated real packets in one long-lived session
    Mutate {
        /// How many
        #[arg(long, default_value_t = 1_000_000)]
        packets: u64,
        /// Of the random numbers
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folders with more captures than `fixtures`
        more: Vec<PathBuf>,
    },
    /// Shows what inputs cost that are made to cost much
    Worst {
        /// Only those with this in their name
        name: Option<String>,
        /// Counts instructions for inputs of several sizes, and fails when they grow faster than the input; needs
        /// valgrind
        #[arg(long)]
        growth: bool,
    },
}

#[derive(clap::Subcommand)]
enum Target {
    /// netflow-wire: framing, template records, fixed records
    Message(Run),
    /// Packets of several exporters through one session, to every format
    Session(Run),
    /// Files of flows, of every format
    #[command(name = "flow_file")]
    FlowFile(Run),
    /// pcap and pcapng
    #[command(name = "capture_file")]
    CaptureFile(Run),
    /// Each of the targets in turn
    All(Run),
}

#[derive(clap::Args)]
struct Run {
    /// How long, for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only makes and runs the seeds
    #[arg(long)]
    seed_only: bool,
    /// Runs this file only, as one that was found before
    #[arg(long, conflicts_with = "seed_only")]
    file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let fuzz = Fuzz::new()?;
    match &args.task {
        Task::Target(Target::Message(run)) => fuzz.fuzz(&["message"], run),
        Task::Target(Target::Session(run)) => fuzz.fuzz(&["session"], run),
        Task::Target(Target::FlowFile(run)) => fuzz.fuzz(&["flow_file"], run),
        Task::Target(Target::CaptureFile(run)) => fuzz.fuzz(&["capture_file"], run),
        Task::Target(Target::All(run)) => fuzz.fuzz(&TARGETS, run),
        Task::Mutate { packets, seed, more } => {
            let program = fuzz.program("fast")?;
            let numbers = [format!("--packets={packets}"), format!("--seed={seed}")];
            succeed(Command::new(program).arg("mutate").args(numbers).args(more))
        }
        Task::Worst { name, growth: false } => {
            succeed(Command::new(fuzz.program("fast")?).arg("worst").args(name))
        }
        Task::Worst { name, growth: true } => fuzz.growth(name.as_deref()),
    }
}

/// For CI: the seeds and some seconds of each target, if there is a C++ compiler; else what `cargo test` runs of
/// them anyway is all.
pub(crate) fn smoke(seconds: u32) -> anyhow::Result<()> {
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let silent =
        Command::new(&compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !silent.is_ok_and(|status| status.success()) {
        println!("{} is not there: no libFuzzer, only the tests of netflow-fuzz", compiler.display());
        return Ok(());
    }
    Fuzz::new()?.fuzz(&TARGETS, &Run { seconds, seed_only: false, file: None })
}

struct Fuzz {
    root: PathBuf,
    cargo: OsString,
    /// The build folder.
    target: PathBuf,
}

impl Fuzz {
    fn new() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is in a workspace")?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Ok(Self { root: root.to_owned(), cargo, target })
    }

    fn build(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root).args(["build", "--quiet", "--package", "netflow-fuzz"]);
        command
    }

    /// The program with everything but libFuzzer.
    fn program(&self, profile: &str) -> anyhow::Result<PathBuf> {
        succeed(self.build().args(["--bin", "netflow-fuzz", "--profile", profile]))?;
        let folder = if profile == "dev" { "debug" } else { profile };
        Ok(self.target.join(folder).join("netflow-fuzz"))
    }

    fn fuzz(&self, targets: &[&str], run: &Run) -> anyhow::Result<()> {
        let host = host()?;
        let mut build = self.build();
        // With a target named, the flags are not for build scripts, which are not linked with libFuzzer.
        build.args(["--profile", "fuzz", "--features", "libfuzzer", "--target", &host]);
        for target in targets {
            build.args(["--bin", target]);
        }
        succeed(build.env("RUSTFLAGS", INSTRUMENTATION)).context("libfuzzer-sys needs a C++ compiler")?;
        let programs = self.target.join(host).join("fuzz");
        let seeder = self.program("dev")?;
        for target in targets {
            self.target(target, &programs.join(target), &seeder, run)?;
        }
        Ok(())
    }

    fn target(&self, target: &str, program: &Path, seeder: &Path, run: &Run) -> anyhow::Result<()> {
        let folder = self.target.join("fuzz-corpus").join(target);
        let (corpus, seeds, artifacts) =
            (folder.join("corpus"), folder.join("seeds"), folder.join("artifacts"));
        let dictionary = folder.join("dictionary");
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder)?;
        }
        // Seeds that are made no more are not to stay.
        fs::remove_dir_all(&seeds).or_else(|error| if seeds.exists() { Err(error) } else { Ok(()) })?;
        succeed(Command::new(seeder).args(["seed", target]).args([&seeds, &dictionary]))?;

        let mut command = Command::new(program);
        command.arg(format!("-rss_limit_mb={MEMORY}")).arg(format!("-timeout={TIMEOUT}"));
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        command.args(["-print_final_stats=1".to_owned(), format!("-max_len={LONGEST}")]);
        if let Some(file) = &run.file {
            command.arg(file);
        } else {
            command.arg(format!("-dict={}", dictionary.display()));
            // With no time at all it would go on for ever.
            match run.seed_only {
                true => command.arg("-runs=0"),
                false => command.arg(format!("-max_total_time={}", run.seconds.max(1))),
            };
            command.args([&corpus, &seeds]);
        }
        let log = folder.join("log");
        let status = command.stdout(Stdio::null()).stderr(fs::File::create(&log)?).status();
        let status = status.with_context(|| format!("{} does not start", program.display()))?;
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        println!("{target}: {}", summary(&said, &corpus));
        if !status.success() {
            let panic = said.lines().skip_while(|line| !line.contains("panicked at")).take(8);
            let artifact = said.lines().rev().find_map(|line| line.split_once("Test unit written to "));
            bail!(
                "{target} failed: {status}\n{}\nthe input: {}\nthe log: {}",
                panic.collect::<Vec<_>>().join("\n"),
                artifact.map_or("none was kept", |(_, path)| path),
                log.display()
            );
        }
        Ok(())
    }

    /// Counts the instructions that inputs of several sizes take.
    fn growth(&self, name: Option<&str>) -> anyhow::Result<()> {
        let program = self.program("fast")?;
        let list = Command::new(&program).args(["worst", "--list"]).output()?;
        let list = String::from_utf8(list.stdout)?;
        let mut bad = Vec::new();
        let named = |line: &&str| name.is_none_or(|name| line.contains(name));
        for line in list.lines().filter(named) {
            let (number, input) = line.split_once(' ').context("a number and a name")?;
            let counts = SIZES.map(|size| instructions(&program, input, number, size));
            let [small, middle, large] = counts.map(|count| count.unwrap_or(0));
            ensure!(large > 0, "valgrind counted nothing for {input:?}");
            let growth = [middle as f64 / small.max(FEW) as f64, large as f64 / middle.max(FEW) as f64];
            let grows = growth.iter().any(|&growth| growth > TOO_MUCH);
            let mark = if grows { "!" } else { " " };
            println!("{:9.2} M{mark} x{:.2} x{:.2}  {line}", large as f64 / 1e6, growth[0], growth[1]);
            if grows {
                bad.push(line);
            }
        }
        ensure!(bad.is_empty(), "the work for these grows faster than they do:\n{}", bad.join("\n"));
        Ok(())
    }
}

/// Instructions of the measured work, without making the input.
fn instructions(program: &Path, input: &str, number: &str, size: usize) -> anyhow::Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*worst*work*"]);
    command.arg(program).args(["worst", input, "--exact", "--once", number, "--size", &size.to_string()]);
    let output = command.output().context("valgrind does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    Ok(collected.context("valgrind counts nothing")?.1.trim().parse()?)
}

/// One line of what libFuzzer said.
fn summary(said: &str, corpus: &Path) -> String {
    let number = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("stat::{name}:")));
        line.map_or("?", str::trim)
    };
    let last = said.lines().rev().find(|line| line.contains(" cov: "));
    let coverage = last.and_then(|line| line.split("cov: ").nth(1)?.split_whitespace().next()).unwrap_or("?");
    let inputs = fs::read_dir(corpus).map_or(0, Iterator::count);
    format!(
        "{} executions, corpus of {inputs} inputs, coverage {coverage}, peak memory {} MB",
        number("number_of_executed_units"),
        number("peak_rss_mb")
    )
}

fn host() -> anyhow::Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("-vV").output().context("rustc does not start")?;
    let said = String::from_utf8(said.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names its host")?.to_owned())
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_how_far_it_came() {
        let said = "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 29Mb\n\
                    #900\tDONE   cov: 774 ft: 3714 corp: 482/232Kb lim: 7042 exec/s: 70469 rss: 29Mb\n\
                    stat::number_of_executed_units: 900\nstat::peak_rss_mb:              29\n";
        let summary = summary(said, Path::new("no such folder"));
        assert_eq!(summary, "900 executions, corpus of 0 inputs, coverage 774, peak memory 29 MB");
    }
}
