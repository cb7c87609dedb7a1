//! What this process takes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time that this thread ran: other programs, which make it wait, are no part of it.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // It is a time since the thread began, so neither part is negative.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The most octets that the process ever had in memory; `None` where the system does not tell (only Linux does).
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes << 10)
}
