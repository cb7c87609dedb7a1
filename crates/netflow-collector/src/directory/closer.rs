//! The closer: from a file that was written to one that is complete.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use netflow_flow::FileName;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::command::Commands;
use super::layout::DEEPEST;
use super::leftovers::{self, Leftover};
use super::{Closing, DirectoryConfig, MOST_ALIKE, Unfinished, loss};
use crate::flow_file::Target;
use crate::rotation::Window;
use crate::writer::{OutputEvent, SharedState, Teller, WriteFailure, WriterReport, WriterState};

/// How often the commands are looked after.
const TICK: Duration = Duration::from_millis(200);
/// When a file that could not be completed is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// Files that are tried again; what is more is left for the next start.
const MOST_AGAIN: usize = 1_000;

/// The closer's thread.
pub(super) struct Closer {
    config: Arc<DirectoryConfig>,
    leftovers: VecDeque<Leftover>,
    /// Files that could not be completed, and are not tried again.
    left: u64,
    tried: Instant,
    commands: Option<Commands>,
    /// When to look for expired files next: looking takes a while where there are many.
    expiry: Instant,
    teller: Teller,
    report: WriterReport,
    state: SharedState,
}

impl Closer {
    pub(super) fn new(
        config: Arc<DirectoryConfig>,
        leftovers: Vec<Leftover>,
        teller: Teller,
        state: SharedState,
    ) -> Self {
        let commands = config.command.clone().map(Commands::new);
        let (leftovers, now) = (leftovers.into(), Instant::now());
        let report = WriterReport::default();
        Self { config, leftovers, left: 0, tried: now, commands, expiry: now, teller, report, state }
    }

    pub(super) fn run(mut self, closed: &Receiver<Closing>) -> WriterReport {
        self.finish_leftovers();
        loop {
            match closed.recv_timeout(TICK) {
                Ok(closing) => self.close(closing),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.tried.elapsed() >= AGAIN {
                self.finish_leftovers();
            }
            self.look_after_commands();
            let failing = self.teller.is_failing();
            self.state.set(WriterState { report: self.report, failing, ..WriterState::default() });
        }
        self.finish_leftovers();
        self.report.unfinished_files = self.left + self.leftovers.len() as u64;
        if let Some(commands) = self.commands.take() {
            commands.end(&mut self.report, &mut self.teller);
        }
        self.report
    }

    fn look_after_commands(&mut self) {
        if let Some(commands) = &mut self.commands {
            commands.look_after(&mut self.report, &mut self.teller);
        }
    }

    fn close(&mut self, closing: Closing) {
        let Closing { window, file, accounts } = closing;
        let mut name = None;
        if let Some(Unfinished { file, path, directory, name: wanted, flows }) = file {
            let finished = match file.is_removed() {
                true => Err(io::Error::from(io::ErrorKind::NotFound)),
                false => file.finish().and_then(|target| complete(&target, &path, &directory, &wanted)),
            };
            match finished {
                Ok((named, path)) => {
                    name = Some(named.clone());
                    self.completed(&path, &named, window.start, flows);
                }
                Err(source) if path.exists() => {
                    if self.leftovers.len() < MOST_AGAIN {
                        let (path, flows) = (path.clone(), Some(flows));
                        self.leftovers.push_back(Leftover { path, name: wanted, flows });
                        self.tried = Instant::now();
                    } else {
                        self.left += 1;
                    }
                    self.teller.failed(WriteFailure { target: path, source });
                }
                Err(source) => {
                    self.report.lost_files += 1;
                    self.report.lost_flows += flows;
                    self.teller.failed(WriteFailure { target: path, source });
                }
            }
        }
        if !accounts.is_empty() {
            let lines = loss::lines(window, self.config.window, &accounts);
            if let Err(failure) = self.write_loss(window, name, &lines) {
                self.report.lost_accounts += 1;
                self.teller.failed(failure);
            }
        }
        self.expire(window.start, SystemTime::now());
    }

    fn completed(&mut self, path: &Path, name: &FileName, start: i64, flows: u64) {
        self.report.files += 1;
        self.teller.succeeded();
        self.teller.tell(OutputEvent::Finished { path: path.to_owned(), flows });
        if let Some(commands) = &mut self.commands {
            commands.run(&self.config.path, path, &name.stamp, start, &mut self.report);
        }
        self.look_after_commands();
    }

    /// Completes what an earlier run left, or what could not be completed before.
    fn finish_leftovers(&mut self) {
        self.tried = Instant::now();
        for _ in 0..self.leftovers.len() {
            let Some(leftover) = self.leftovers.pop_front() else { return };
            match leftovers::finish(&leftover) {
                Ok(Some((path, name, mended))) => {
                    if leftover.flows.is_none() {
                        self.report.mended_files += 1;
                        self.teller.tell(OutputEvent::Mended {
                            path: path.clone(),
                            cut: mended.cut,
                            saved_lines: mended.saved_lines,
                            lost_text: mended.lost_text,
                            open_line: mended.open_line,
                        });
                    }
                    let start = name.seconds().unwrap_or_default();
                    self.completed(&path, &name, start, leftover.flows.unwrap_or(0));
                }
                Ok(None) => {}
                Err(source) if source.kind() == io::ErrorKind::InvalidData => {
                    // It will not get any better.
                    self.report.damaged_files += 1;
                    let failure = WriteFailure { target: leftover.path, source };
                    self.teller.tell(OutputEvent::Damaged(failure));
                }
                Err(source) if source.kind() == io::ErrorKind::NotFound => {
                    self.report.lost_files += 1;
                    self.report.lost_flows += leftover.flows.unwrap_or(0);
                }
                Err(source) => {
                    self.teller.failed(WriteFailure { target: leftover.path.clone(), source });
                    self.leftovers.push_back(leftover);
                }
            }
        }
    }

    fn write_loss(&self, window: Window, name: Option<FileName>, lines: &[u8]) -> Result<(), WriteFailure> {
        let directory = self.config.path.join(self.config.layout.directory(window.start));
        let (format, gzip) = (self.config.encoding.format, self.config.encoding.gzip);
        let name = name.unwrap_or_else(|| FileName::new(window.start, self.config.window, format, gzip));
        let temporary = directory.join(format!(".{}.tmp", name.loss()));
        let failure = |source| WriteFailure { target: temporary.clone(), source };
        fs::create_dir_all(&directory).map_err(failure)?;
        let mut file = File::create(&temporary).map_err(failure)?;
        let written = file.write_all(lines).and_then(|()| file.sync_all());
        let named = written.and_then(|()| publish(&temporary, &directory, &name, FileName::loss));
        named.map(drop).map_err(failure).inspect_err(|_| _ = fs::remove_file(&temporary))
    }

    fn expire(&mut self, newest: i64, now: SystemTime) {
        if Instant::now() < self.expiry {
            return;
        }
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
        let began = Instant::now();
        let removed = self.config.expiry.run(&self.config.path, newest, now);
        self.report.expired_files += removed.files;
        self.report.expired_octets += removed.octets;
        if let Some(failure) = removed.failure {
            self.teller.failed(failure);
        }
        self.expiry = Instant::now() + began.elapsed() * 10;
    }
}

/// Brings a file to the disk and gives it its name: behind this it never changes.
pub(super) fn complete(
    target: &Target,
    path: &Path,
    directory: &Path,
    name: &FileName,
) -> io::Result<(FileName, PathBuf)> {
    if let Target::File(file) = target {
        file.sync_all()?;
    }
    publish(path, directory, name, FileName::finished)
}

/// Renames a file to one that is not there yet, and brings that to the disk.
fn publish(
    path: &Path,
    directory: &Path,
    name: &FileName,
    wanted: fn(&FileName) -> String,
) -> io::Result<(FileName, PathBuf)> {
    let mut name = name.clone();
    loop {
        let to = directory.join(wanted(&name));
        match rename_to_new(path, &to) {
            Ok(()) => {
                // The directories too, which may be new. The name is there, whatever the disk says to this.
                for directory in directory.ancestors().take(DEEPEST + 1) {
                    let _ = File::open(directory).and_then(|directory| directory.sync_all());
                }
                return Ok((name, to));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && name.number < MOST_ALIKE => {
                name.number += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Renames a file, unless there is one with the new name.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // File systems that know no such renaming.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use netflow_flow::Format;

    use super::*;
    use crate::backlog::Backlog;
    use crate::block::Encoding;
    use crate::directory::{Expiry, Layout};

    fn closer(directory: &Path) -> (Closer, Receiver<OutputEvent>) {
        let encoding = Encoding { format: Format::FlowLines, gzip: false, flush: Duration::from_secs(1) };
        let config = DirectoryConfig {
            path: directory.to_owned(),
            encoding,
            window: Duration::from_secs(60),
            layout: Layout::Flat,
            expiry: Expiry::default(),
            command: None,
            backlog: Backlog::default(),
        };
        let (teller, events) = Teller::new();
        (Closer::new(Arc::new(config), Vec::new(), teller, SharedState::default()), events)
    }

    #[test]
    fn a_file_of_this_run_that_is_completed_later_is_no_leftover_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let (mut closer, events) = closer(folder.path());
        let name = |number| FileName { stamp: "202603010300".into(), number, ending: "ndjson".into() };
        for (number, flows) in [(0, Some(7)), (1, None), (2, Some(5))] {
            let path = folder.path().join(name(number).unfinished());
            if number < 2 {
                fs::write(&path, "{}\n").unwrap();
            }
            closer.leftovers.push_back(Leftover { path, name: name(number), flows });
        }
        closer.finish_leftovers();
        let report = closer.report;
        assert_eq!((report.files, report.mended_files), (2, 1));
        // Somebody removed the third.
        assert_eq!((report.lost_files, report.lost_flows), (1, 5));
        let finished: Vec<_> = events
            .try_iter()
            .filter_map(|event| match event {
                OutputEvent::Finished { flows, .. } => Some(flows),
                _ => None,
            })
            .collect();
        assert_eq!(finished, [7, 0]);
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let name = FileName { stamp: "202603010300".into(), number: 0, ending: "csv".into() };
        for (number, text) in ["one", "two", "three"].into_iter().enumerate() {
            let path = folder.path().join(name.unfinished());
            fs::write(&path, text).unwrap();
            let target = Target::File(File::open(&path).unwrap());
            let (named, to) = complete(&target, &path, folder.path(), &name).unwrap();
            assert_eq!((named.number as usize, path.exists()), (number, false));
            assert_eq!(fs::read_to_string(to).unwrap(), text);
        }
        assert_eq!(fs::read_to_string(folder.path().join("nf.202603010300.csv")).unwrap(), "one");
        assert_eq!(fs::read_to_string(folder.path().join("nf.202603010300-2.csv")).unwrap(), "three");
    }
}
