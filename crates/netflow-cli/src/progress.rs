//! How far a long command is, on a terminal; and its end before its time, on Ctrl-C.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{HumanBytes, ProgressBar, ProgressState, ProgressStyle};

use crate::output::{self, count};
use crate::signals;

/// How often the bar moves, and input that does not come is looked after.
const TICK: Duration = Duration::from_millis(200);

/// The bar that is on the terminal, if one is.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// How far a command is with its input. Clones, for threads, are of the same one.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    shared: Arc<Shared>,
    /// Set by the signal.
    stop: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Octets of input that were read, as they are in files.
    octets: AtomicU64,
    flows: AtomicU64,
    /// Octets of all input; 0 while that is not known.
    total: AtomicU64,
    /// Whether input was left unread because of the signal.
    cut: AtomicBool,
    /// Whether no more input is wanted.
    enough: AtomicBool,
}

impl Progress {
    /// The progress over `total` octets of input, if that is known, drawn on stderr when that is a terminal.
    ///
    /// From now on SIGINT and SIGTERM are requests to end in order, which [`stopped`](Self::stopped) tells; the second
    /// one ends the process at once.
    pub(crate) fn start(total: Option<u64>) -> anyhow::Result<Self> {
        let stop = signals::stop_flag().context("cannot handle signals")?;
        let bar = match io::stderr().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        let progress = Self { bar, shared: Arc::default(), stop };
        progress.set_total(total);
        if !progress.bar.is_hidden() {
            progress.bar.enable_steady_tick(TICK);
            *shown() = Some(progress.bar.clone());
        }
        Ok(progress)
    }

    /// Says how many octets of input there are in all, if that is known.
    pub(crate) fn set_total(&self, total: Option<u64>) {
        self.shared.total.store(total.unwrap_or(0), Relaxed);
        let shared = Arc::clone(&self.shared);
        let template = match total {
            Some(_) => "{wide_bar} {bytes} of {total_bytes}, {flows}, {eta} left",
            None => "{spinner} {bytes}, {flows}, {elapsed}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let rate = move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let rate = shared.flows.load(Relaxed) as f64 / state.elapsed().as_secs_f64().max(0.001);
            let _ = write!(text, "{} flows/s", rounded(rate));
        };
        self.bar.set_style(style.with_key("flows", rate));
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
    }

    /// Counts octets of input that are done, as they are in the file. [`reading`](Self::reading) does it by itself.
    pub(crate) fn octets(&self, octets: u64) {
        self.shared.octets.fetch_add(octets, Relaxed);
        self.bar.inc(octets);
    }

    /// Counts flows that were read; better many at once.
    pub(crate) fn flows(&self, flows: u64) {
        self.shared.flows.fetch_add(flows, Relaxed);
    }

    /// Whether the user wants it to end. To be asked where there is more to read, between row groups, lines, packets:
    /// when the answer was yes, [`finish`](Self::finish) says that the rest was left.
    #[must_use]
    pub(crate) fn stopped(&self) -> bool {
        if self.shared.enough.load(Relaxed) {
            return true;
        }
        let stopped = self.stop.load(Relaxed);
        if stopped {
            self.shared.cut.store(true, Relaxed);
        }
        stopped
    }

    /// Says that no more input is wanted: from now on readers end as if the user had wanted it, and nothing is said of it.
    pub(crate) fn enough(&self) {
        self.shared.enough.store(true, Relaxed);
    }

    /// An input whose octets count.
    pub(crate) fn reading<R: Read>(&self, input: R) -> Reading<R> {
        Reading { input, progress: self.clone() }
    }

    /// Stdin, whose octets count. When the user wants to end while nothing comes, it ends.
    pub(crate) fn stdin(&self) -> Reading<Stdin> {
        self.reading(Stdin { input: io::stdin(), progress: self.clone() })
    }

    /// Takes the bar off the terminal. Says so when input was left unread on the user's wish, and is true then: the
    /// command ends with [`Outcome::BadInput`](crate::Outcome::BadInput).
    pub(crate) fn finish(&self) -> bool {
        shown().take();
        self.bar.finish_and_clear();
        let cut = self.shared.cut.load(Relaxed);
        if cut {
            output::note(self.so_far());
        }
        cut
    }

    /// What the result stands on when it was stopped.
    fn so_far(&self) -> String {
        let Shared { octets, flows, total, .. } = &*self.shared;
        let [octets, flows, total] = [octets, flows, total].map(|number| number.load(Relaxed));
        let mut text = format!("stopped: this is of the first {}", HumanBytes(octets));
        if total > octets {
            let _ = write!(text, " of {}", HumanBytes(total));
        }
        let _ = write!(text, ", {}", count(flows, "flow"));
        text
    }
}

/// Writes to the terminal while the bar is off it.
pub(crate) fn aside<T>(write: impl FnOnce() -> T) -> T {
    let bar = shown().clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn shown() -> std::sync::MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number as people read it: three digits, and what they stand for.
fn rounded(number: f64) -> String {
    let (number, unit) = match number {
        1e6.. => (number / 1e6, " M"),
        1e3.. => (number / 1e3, " k"),
        _ => return format!("{number:.0}"),
    };
    format!("{number:.*}{unit}", if number < 99.5 { 1 } else { 0 })
}

/// An input whose octets count: see [`Progress::reading`].
#[derive(Debug)]
pub(crate) struct Reading<R> {
    input: R,
    progress: Progress,
}

impl<R: Read> Read for Reading<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(into)?;
        self.progress.octets(length as u64);
        Ok(length)
    }
}

/// Stdin that ends when the user wants it to: see [`Progress::stdin`].
#[derive(Debug)]
pub(crate) struct Stdin {
    input: io::Stdin,
    progress: Progress,
}

impl Read for Stdin {
    #[cfg(unix)]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use rustix::io::{Errno, read};

        let tick = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as _ };
        while !self.progress.stopped() {
            // Not through the buffer of `io::Stdin`: nobody can wait for what is in there already.
            match poll(&mut [PollFd::new(&self.input, PollFlags::IN)], Some(&tick)) {
                Ok(0) | Err(Errno::INTR) => continue,
                _ => {}
            }
            match read(&self.input, &mut *into) {
                Err(Errno::INTR) => {}
                read => return Ok(read?),
            }
        }
        Ok(0)
    }

    #[cfg(not(unix))]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.progress.stopped() { Ok(0) } else { self.input.read(into) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(total: Option<u64>) -> Progress {
        let progress = Progress { bar: ProgressBar::hidden(), shared: Arc::default(), stop: Arc::default() };
        progress.set_total(total);
        progress
    }

    #[test]
    fn what_is_read_counts() {
        let progress = progress(Some(1 << 20));
        let mut octets = Vec::new();
        progress.reading(&[7; 70_000][..]).read_to_end(&mut octets).unwrap();
        progress.clone().octets(30_000);
        progress.flows(1_234);
        assert_eq!((octets.len(), progress.bar.position()), (70_000, 100_000));
        assert_eq!(progress.so_far(), "stopped: this is of the first 97.66 KiB of 1.00 MiB, 1234 flows");
    }

    #[test]
    fn only_a_stop_that_left_input_unread_is_told() {
        let progress = progress(None);
        progress.stop.store(true, Relaxed);
        assert!(!progress.finish());
        assert!(progress.stopped());
        assert!(progress.finish());
    }

    #[test]
    fn enough_input_is_no_stop() {
        let progress = progress(None);
        assert!(!progress.stopped());
        progress.clone().enough();
        assert!(progress.stopped());
        assert!(!progress.finish());
    }

    #[test]
    fn rates_have_three_digits() {
        let numbers = [0.0, 7.4, 999.0, 1_040.0, 99_400.0, 250_000.0, 3_500_000.0];
        let texts = numbers.map(rounded);
        assert_eq!(texts, ["0", "7", "999", "1.0 k", "99.4 k", "250 k", "3.5 M"]);
    }
}
