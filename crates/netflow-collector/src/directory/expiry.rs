//! Old files are removed, to make room for new ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netflow_flow::FileName;

use super::leftovers::walk;
use crate::writer::WriteFailure;

/// When complete files are removed, the oldest first. Only files with the names that this writer gives are looked at;
/// a file's age is that of the time in its name, counted back from the newest window, or from now where that is in the
/// future: a time that an exporter made up removes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expiry {
    /// Octets that all files together may take, up to the newest window. Its file is always kept.
    pub size: Option<u64>,
    /// How old a file may be.
    pub age: Option<Duration>,
}

/// What was removed.
#[derive(Debug, Default)]
pub(super) struct Removed {
    pub(super) files: u64,
    pub(super) octets: u64,
    /// The first failure.
    pub(super) failure: Option<WriteFailure>,
}

impl Expiry {
    /// Removes what is too old or too much; `newest` is when the last window began, `now` what the clock says, both in
    /// seconds since 1970.
    pub(super) fn run(self, directory: &Path, newest: i64, now: i64) -> Removed {
        let newest = newest.min(now);
        let mut removed = Removed::default();
        if self == Self::default() {
            return removed;
        }
        let mut files = match files(directory) {
            Ok(files) => files,
            Err(source) => {
                removed.failure = Some(WriteFailure { target: directory.to_owned(), source });
                return removed;
            }
        };
        files.sort_unstable();
        let mut octets: u64 = files.iter().filter(|file| file.0.0 <= newest).map(|file| file.2).sum();
        let oldest = self.age.map(|age| newest.saturating_sub_unsigned(age.as_secs()));
        for ((seconds, _), path, length) in &files {
            let too_old = oldest.is_some_and(|oldest| *seconds < oldest);
            let too_much = self.size.is_some_and(|size| octets > size);
            if *seconds >= newest || !(too_old || too_much) {
                break;
            }
            octets -= length;
            match fs::remove_file(path) {
                Ok(()) => {
                    removed.files += 1;
                    removed.octets += length;
                    remove_empty(path, directory);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    removed.failure.get_or_insert(WriteFailure { target: path.clone(), source });
                }
            }
        }
        removed
    }
}

/// Time and number in the name, path, length.
type Found = ((i64, u32), PathBuf, u64);

fn files(directory: &Path) -> io::Result<Vec<Found>> {
    let mut files = Vec::new();
    walk(directory, &mut |path, name| {
        let Some(name) = FileName::of_finished(name) else { return };
        if let (Some(seconds), Ok(metadata)) = (name.seconds(), fs::symlink_metadata(path)) {
            files.push(((seconds, name.number), path.to_owned(), metadata.len()));
        }
    })?;
    Ok(files)
}

/// Removes the directories that a file was in, below the top one, as far as they are empty.
fn remove_empty(path: &Path, top: &Path) {
    for parent in path.ancestors().skip(1).take_while(|&parent| parent != top) {
        if fs::remove_dir(parent).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of ten octets each, one for each hour of a day, and some of others.
    fn store() -> (tempfile::TempDir, i64) {
        let folder = tempfile::tempdir().unwrap();
        for hour in 0..24 {
            let below = folder.path().join(format!("dt=2026-03-01/hour={hour}"));
            fs::create_dir_all(&below).unwrap();
            fs::write(below.join(format!("nf.20260301{hour:02}00.parquet")), "0123456789").unwrap();
            fs::write(below.join(format!(".nf.20260301{hour:02}05.parquet.tmp")), "0123456789").unwrap();
            if hour % 2 == 1 {
                fs::write(below.join("notes.txt"), "0123456789").unwrap();
            }
        }
        let newest = FileName::of_finished("nf.202603012300.parquet").unwrap().seconds().unwrap();
        (folder, newest)
    }

    fn left(folder: &tempfile::TempDir) -> Vec<String> {
        let mut left = Vec::new();
        walk(folder.path(), &mut |_, name| left.push(name.to_owned())).unwrap();
        left.retain(|name| FileName::of_finished(name).is_some());
        left.sort();
        left
    }

    #[test]
    fn the_oldest_go_first_until_the_rest_is_small_enough() {
        let (folder, newest) = store();
        let expiry = Expiry { size: Some(105), age: None };
        let removed = expiry.run(folder.path(), newest, newest);
        assert_eq!((removed.files, removed.octets, removed.failure.is_none()), (14, 140, true));
        assert_eq!(left(&folder)[0], "nf.202603011400.parquet");
        assert_eq!(expiry.run(folder.path(), newest, newest).files, 0);
        // The newest stays, however little is allowed.
        assert_eq!(Expiry { size: Some(0), age: None }.run(folder.path(), newest, newest).files, 9);
        assert_eq!(left(&folder), ["nf.202603012300.parquet"]);
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_of_others() {
        let (folder, newest) = store();
        let removed =
            Expiry { size: None, age: Some(Duration::from_secs(7_200)) }.run(folder.path(), newest, newest);
        assert_eq!(removed.files, 21);
        assert_eq!(left(&folder).len(), 3);
        let mut others = 0;
        walk(folder.path(), &mut |_, name| others += u64::from(FileName::of_finished(name).is_none()))
            .unwrap();
        assert_eq!(others, 24 + 12);
    }

    #[test]
    fn directories_that_are_empty_go_too() {
        let folder = tempfile::tempdir().unwrap();
        for day in ["01", "02"] {
            let below = folder.path().join("2026/03").join(day);
            fs::create_dir_all(&below).unwrap();
            fs::write(below.join(format!("nf.202603{day}0000.csv")), "x").unwrap();
        }
        let newest = FileName::of_finished("nf.202603020000.csv").unwrap().seconds().unwrap();
        Expiry { size: None, age: Some(Duration::from_secs(3_600)) }.run(folder.path(), newest, newest);
        assert!(!folder.path().join("2026/03/01").exists() && folder.path().join("2026/03/02").exists());
    }

    #[test]
    fn without_a_bound_nothing_goes() {
        let (folder, newest) = store();
        assert_eq!(Expiry::default().run(folder.path(), newest, newest).files, 0);
        assert_eq!(left(&folder).len(), 24);
    }

    #[test]
    fn a_window_in_the_future_removes_nothing() {
        let (folder, now) = store();
        let future = FileName::of_finished("nf.210001010000.parquet").unwrap().seconds().unwrap();
        fs::write(folder.path().join("nf.210001010000.parquet"), "0123456789").unwrap();
        for bound in [
            Expiry { size: None, age: Some(Duration::from_secs(86_400)) },
            Expiry { size: Some(240), age: None },
        ] {
            assert_eq!(bound.run(folder.path(), future, now).files, 0);
        }
        assert_eq!(left(&folder).len(), 25);
        // What is too old by the clock goes all the same.
        let removed = Expiry { size: None, age: Some(Duration::from_secs(7_200)) };
        assert_eq!(removed.run(folder.path(), future, now).files, 21);
    }

    #[test]
    fn a_window_of_the_past_removes_nothing_that_is_newer() {
        let (folder, newest) = store();
        let past = newest - 10 * 3_600;
        let removed = Expiry { size: Some(1), age: Some(Duration::from_secs(3_600)) };
        assert_eq!(removed.run(folder.path(), past, newest).files, 13);
        assert_eq!(left(&folder).len(), 11);
    }
}
