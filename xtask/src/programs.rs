//! Programs that tasks run: `nf`, and others beside it.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Time that a program has for what takes it a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs. It is killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    name: String,
    said: mpsc::Receiver<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("{name} does not start"))?;
        let stderr = child.stderr.take().context("stderr is a pipe")?;
        let (lines, said) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, name, said })
    }

    /// Waits until stderr says something, and gives that line.
    pub(crate) fn wait_for(&mut self, text: &str) -> anyhow::Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let line = self.said.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.with_context(|| format!("{} did not say {text:?}", self.name))?;
            if line.contains(text) {
                return Ok(line);
            }
        }
    }

    pub(crate) fn interrupt(&self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.child.id().try_into()?).context("a process id")?;
        Ok(kill_process(pid, Signal::INT)?)
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// What it said and will say on stderr, line by line; it has to be read to the end only when it is wanted.
    pub(crate) fn take_said(&mut self) -> mpsc::Receiver<String> {
        std::mem::replace(&mut self.said, mpsc::channel().1)
    }

    pub(crate) fn end(mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < end, "{} does not end", self.name);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that is killed when it takes too long.
pub(crate) fn bounded(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE.as_secs().to_string()).arg(program);
    command
}

/// The stdout of a command that succeeds.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{command:?}: {}, {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs a command that says what it does; false if it fails.
pub(crate) fn succeeds(command: &mut Command, patience: Duration) -> anyhow::Result<bool> {
    let mut process = Process::start(command)?;
    // What it says is only of interest when it fails.
    let said = process.take_said();
    let succeeded = process.end(patience)?.success();
    if !succeeded {
        said.try_iter().for_each(|line| eprintln!("{line}"));
    }
    Ok(succeeded)
}

/// Whether a program is there.
pub(crate) fn is_installed(program: &str) -> anyhow::Result<bool> {
    match Command::new(program).arg("-h").output() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{program} does not start")),
    }
}

/// The nf program: the one that is named, or else built from here with a profile.
pub(crate) fn nf(named: Option<&Path>, profile: &str) -> anyhow::Result<PathBuf> {
    if let Some(nf) = named {
        return nf.canonicalize().with_context(|| format!("{} is not there", nf.display()));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["build", "--package", "netflow-cli", "--message-format", "json"]);
    for line in output(command.args(["--profile", profile]).stderr(Stdio::inherit()))?.lines() {
        let message: Value = serde_json::from_str(line)?;
        if let Some(nf) = message["executable"].as_str().filter(|path| path.ends_with("/nf")) {
            return Ok(nf.into());
        }
    }
    bail!("cargo built no nf")
}

/// The workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in a workspace")
}

/// Looks until there is something, but not forever.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Whether a socket is bound to a UDP port of IPv4.
pub(crate) fn is_bound(port: u16) -> anyhow::Result<bool> {
    let sockets = fs::read_to_string("/proc/net/udp")?;
    let mut local = sockets.lines().filter_map(|line| line.split_whitespace().nth(1));
    Ok(local.any(|address| address.ends_with(&format!(":{port:04X}"))))
}

/// Whether nothing waits in the receive buffer of a port of 127.0.0.1.
pub(crate) fn is_read(port: u16) -> anyhow::Result<bool> {
    let table = fs::read_to_string("/proc/net/udp")?;
    let local = format!(":{port:04X}");
    let mut waiting = table.lines().filter_map(|line| {
        let mut columns = line.split_whitespace();
        let address = columns.nth(1)?;
        let queues = columns.nth(2)?;
        address.ends_with(&local).then(|| queues.ends_with(":00000000"))
    });
    Ok(waiting.all(|empty| empty))
}
