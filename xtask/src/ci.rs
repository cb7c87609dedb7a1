//! All checks that a change has to pass, in one go: what runs here is what runs for every change.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};

/// What some examples need to be given.
const ARGUMENTS: &[(&str, &[&str])] = &[
    ("read_capture", &["fixtures/softflowd-v9.pcap"]),
    ("pairing_speed", &["1000", "60"]),
    ("flows_to_ipfix", &["fixtures/softflowd-v9.json", "/dev/null"]),
    ("read_columns", &[PARQUET]),
    ("top_talkers", &["src,dst_port", PARQUET]),
    ("count", &["fixtures/softflowd-v9.json", "tcp and bytes > 1k"]),
    ("count_flows", &[PARQUET, "tcp and bytes > 1k"]),
    ("as_csv", &[PARQUET, "tcp and bytes > 1k"]),
];

/// A Parquet file, made here for the examples.
const PARQUET: &str = "target/examples.parquet";

/// Examples that measure, with load or files that are large: they are built, but not run here.
const MEASURES: &[&str] = &["encode_speed", "forward_load", "line_rate", "parquet_speed"];

/// How long each fuzz target runs.
const FUZZ_SECONDS: u32 = 5;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Runs only these steps [default: all, in this order]
    #[arg(value_enum)]
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    Format,
    Clippy,
    Doc,
    Codegen,
    Test,
    Fuzz,
    Release,
    Examples,
    Package,
    Fixtures,
    Interop,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is in a workspace")?;
    let ci = Ci { root, cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()) };
    let steps = if args.steps.is_empty() { <Step as clap::ValueEnum>::value_variants() } else { &args.steps };
    let mut times = Vec::new();
    for &step in steps {
        let started = Instant::now();
        ci.step(step).with_context(|| format!("{step:?} failed"))?;
        times.push(format!("{:>5} s  {step:?}", started.elapsed().as_secs()));
    }
    println!("\n== All passed\n{}", times.join("\n"));
    Ok(())
}

struct Ci<'a> {
    root: &'a Path,
    cargo: OsString,
}

impl Ci<'_> {
    fn step(&self, step: Step) -> anyhow::Result<()> {
        match step {
            Step::Format => self.cargo(&["fmt", "--all", "--check"]),
            Step::Clippy => {
                self.cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
            }
            Step::Doc => {
                let doc = ["doc", "--workspace", "--no-deps"];
                self.run(self.command(&self.cargo, &doc).env("RUSTDOCFLAGS", "--deny warnings"))
            }
            Step::Codegen => self.xtask(&["codegen", "--check"]),
            Step::Test => self.cargo(&["test", "--workspace"]),
            Step::Fuzz => crate::fuzz::smoke(FUZZ_SECONDS),
            Step::Release => self.release(),
            Step::Examples => self.examples(),
            Step::Package => {
                let mut package = vec!["package", "--workspace"];
                for unpublished in ["netflow-bench", "netflow-fuzz", "xtask"] {
                    package.extend(["--exclude", unpublished]);
                }
                // Only a clean checkout can be published, but there may be work in progress in this one.
                if std::env::var_os("CI").is_none() {
                    package.push("--allow-dirty");
                }
                // Cargo keeps what it unpacks from a folder of packages under the folder's name, and takes it for
                // the packages of the next run: so each run has a folder of its own.
                let folder = tempfile::tempdir().context("no folder for the packages")?;
                let path = folder.path().to_string_lossy();
                package.extend(["--target-dir", &path]);
                self.cargo(&package)
            }
            Step::Fixtures => self.xtask(&["fixtures", "--check", "--nf", &self.released()?]),
            Step::Interop => self.xtask(&["interop", "--nf", &self.released()?]),
        }
    }

    /// The README's first command, with the result that the README promises.
    fn release(&self) -> anyhow::Result<()> {
        let analyze = ["run", "--release", "--", "analyze", "fixtures/softflowd-v9.pcap", "-n"];
        let mut command = self.command(&self.cargo, &analyze);
        heading(&command);
        let output = command.stderr(Stdio::inherit()).output().context("cargo does not start")?;
        let text = String::from_utf8(output.stdout)?;
        print!("{text}");
        ensure!(output.status.success(), "{}", output.status);
        let hosts = "Between 192.0.2.1 (192.0.2.1) and 192.0.2.2 (192.0.2.2)";
        ensure!(text.lines().any(|line| line.ends_with(hosts)), "no connections are printed");
        Ok(())
    }

    /// The nf that the release step built.
    fn released(&self) -> anyhow::Result<String> {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from);
        let nf = target.join("release/nf");
        ensure!(nf.is_file(), "{} is not there: the step `release` builds it", nf.display());
        nf.into_os_string().into_string().ok().context("a path in UTF-8")
    }

    /// Runs the examples of all crates.
    fn examples(&self) -> anyhow::Result<()> {
        let mut count = 0;
        // Collecting appends; and with a target directory elsewhere there may be no folder for it.
        fs::create_dir_all(self.root.join("target"))?;
        let _ = fs::remove_file(self.root.join(PARQUET));
        let collect = ["collect", "--read", "fixtures/softflowd-v9.pcap", "-o", PARQUET];
        self.run(self.command(&self.released()?.into(), &collect).stderr(Stdio::null()))?;
        for package in names_in(&self.root.join("crates"))? {
            for example in names_in(&self.root.join("crates").join(&package).join("examples"))? {
                let Some(example) = example.strip_suffix(".rs") else { continue };
                if MEASURES.contains(&example) {
                    continue;
                }
                let arguments = ARGUMENTS.iter().find(|(name, _)| *name == example);
                let arguments = arguments.map_or(&[][..], |(_, arguments)| arguments);
                let run = ["run", "--quiet", "--package", &package, "--example", example, "--"];
                self.cargo(&[&run, arguments].concat())?;
                count += 1;
            }
        }
        ensure!(count > 0, "there are examples");
        Ok(())
    }

    fn cargo(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.run(&mut self.command(&self.cargo, arguments))
    }

    fn xtask(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.cargo(&[&["xtask"], arguments].concat())
    }

    fn command(&self, program: &OsString, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.root).args(arguments);
        command
    }

    fn run(&self, command: &mut Command) -> anyhow::Result<()> {
        heading(command);
        let status = command.status().context("cargo does not start")?;
        if !status.success() {
            bail!("{status}");
        }
        Ok(())
    }
}

fn heading(command: &Command) {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    println!("\n== cargo {}", arguments.join(" "));
}

/// The names in a directory, sorted; none if it is not there.
fn names_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}
