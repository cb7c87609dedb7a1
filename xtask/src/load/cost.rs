//! What a program and those that it starts cost.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, wait};

use crate::programs::Process;

/// Costs of a program from its start to its end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// Of user and system, all processes together.
    pub(super) cpu: Duration,
    /// Octets of memory that the largest of its processes had.
    pub(super) memory: u64,
}

/// Measures one program at a time: no other may end meanwhile.
#[derive(Debug)]
pub(super) struct Meter {
    before: Duration,
    memory: u64,
}

impl Meter {
    /// Begins when all other programs have ended.
    pub(super) fn begin() -> anyhow::Result<Self> {
        // What outlives the program that started it is ours to wait for.
        set_child_subreaper(Some(Pid::INIT))?;
        Ok(Self { before: cpu_of_children()?, memory: 0 })
    }

    /// Notes the memory that a program has taken so far.
    pub(super) fn look(&mut self, process: &Process) {
        let id = process.id();
        let all = children(id).into_iter().chain([id]);
        self.memory = all.filter_map(peak_memory).fold(self.memory, u64::max);
    }

    /// Leaves out what programs took that have ended meanwhile, such as the sender.
    pub(super) fn leave_out_ended(&mut self) -> anyhow::Result<()> {
        self.before = cpu_of_children()?;
        Ok(())
    }

    /// Waits until a program that was told to end has done so, and all that it started.
    pub(super) fn end(mut self, mut process: Process, patience: Duration) -> anyhow::Result<Cost> {
        let end = Instant::now() + patience;
        while process.is_running()? {
            self.look(&process);
            pause(end, process.name())?;
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => pause(end, process.name()).inspect_err(|_| kill_children())?,
                Err(Errno::CHILD) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Cost { cpu: cpu_of_children()?.saturating_sub(self.before), memory: self.memory })
    }
}

fn pause(end: Instant, name: &str) -> anyhow::Result<()> {
    if Instant::now() > end {
        bail!("{name} does not end");
    }
    std::thread::sleep(Duration::from_millis(10));
    Ok(())
}

fn kill_children() {
    for child in children(std::process::id()) {
        let child = i32::try_from(child).ok().and_then(Pid::from_raw);
        child.map(|child| kill_process(child, Signal::KILL));
    }
}

/// Processor time of all children that have ended.
pub(crate) fn cpu_of_children() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into()?))
}

/// Processes that a process started, and that run.
fn children(id: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// The most memory that a running process had, in octets.
pub(crate) fn peak_memory(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
