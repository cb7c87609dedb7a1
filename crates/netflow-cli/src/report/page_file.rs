//! Where the page goes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::output;

/// Writes a page to a file, which has it as a whole or not at all, or to stdout as `-`.
pub(super) fn write(path: &Path, page: &str) -> anyhow::Result<()> {
    if path.as_os_str() == "-" {
        let mut out = output::data();
        out.write_all(page.as_bytes())?;
        return Ok(out.flush()?);
    }
    let cannot = || format!("cannot write {}", path.display());
    // A device, a pipe: what it is stays.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return fs::write(path, page).with_context(cannot);
    }
    // Through a link, the file that it leads to.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = temporary(&target).with_context(cannot)?;
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(page.as_bytes())?;
        if let Ok(old) = fs::metadata(&target) {
            // Who may read the page stays as it was.
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&temporary, &target)
    });
    written.inspect_err(|_| drop(fs::remove_file(&temporary))).with_context(cannot)
}

/// A name beside the target, of this process alone.
fn temporary(target: &Path) -> io::Result<PathBuf> {
    let name = target.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    if target.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let name = format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id());
    Ok(target.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_replaces_another_and_leaves_nothing_beside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.html");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_page_that_cannot_be_written_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("none/report.html")] {
            let error = format!("{:#}", write(&path, "one").unwrap_err());
            assert!(error.starts_with(&format!("cannot write {}: ", path.display())), "{error}");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
