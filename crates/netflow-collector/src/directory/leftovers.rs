//! Files that an earlier writer did not complete, as it was killed or had no room.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use netflow_flow::FileName;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::closer::complete;
use super::layout::DEEPEST;
use crate::flow_file::FlowFile;
use crate::tail::Mended;

/// A file that was not completed.
#[derive(Debug, Clone)]
pub(super) struct Leftover {
    pub(super) path: PathBuf,
    pub(super) name: FileName,
    /// Flows in it, if it is of this run; `None` if an earlier one left it.
    pub(super) flows: Option<u64>,
}

/// Finds them, in all directories that a layout may have.
pub(super) fn find(directory: &Path) -> io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    walk(directory, &mut |path, name| {
        if let Some(name) = FileName::of_unfinished(name) {
            found.push(Leftover { path: path.to_owned(), name, flows: None });
        } else if name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp")).is_some_and(is_loss) {
            // What it is about is gone with the one who counted it.
            let _ = fs::remove_file(path);
        }
    })?;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn is_loss(name: &str) -> bool {
    FileName::of_finished(name).is_some_and(|of| of.loss() == name)
}

/// Calls `each` with all files in a directory and those below, as deep as layouts go. Directories below that cannot
/// be read are left out, and links are not followed.
pub(super) fn walk(directory: &Path, each: &mut impl FnMut(&Path, &str)) -> io::Result<()> {
    fn below(directory: &Path, depth: usize, each: &mut impl FnMut(&Path, &str)) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let Ok(entry) = entry else { continue };
            let (Ok(kind), name) = (entry.file_type(), entry.file_name()) else { continue };
            if kind.is_dir() && depth < DEEPEST {
                let _ = below(&entry.path(), depth + 1, each);
            } else if let (true, Some(name)) = (kind.is_file(), name.to_str()) {
                each(&entry.path(), name);
            }
        }
        Ok(())
    }
    below(directory, 0, each)
}

/// Mends and completes a file; `None` when somebody is writing it, or when there are no flows in it, and it is
/// removed.
///
/// # Errors
/// When it cannot be read or written; `InvalidData` when it is damaged in a way that leaves nothing to be done. It is
/// left as it is then.
pub(super) fn finish(leftover: &Leftover) -> io::Result<Option<(PathBuf, FileName, Mended)>> {
    let Leftover { path, name, .. } = leftover;
    let (Some((format, gzip)), Some(directory)) = (name.format(), path.parent()) else { return Ok(None) };
    let file = File::options().read(true).append(true).open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Ok(None);
    }
    if file.metadata()?.len() == 0 {
        return fs::remove_file(path).map(|()| None);
    }
    let (file, mended) = FlowFile::resume(file, format, gzip)?;
    if file.is_empty()? {
        return fs::remove_file(path).map(|()| None);
    }
    let (name, path) = complete(&file.finish()?, path, directory, name)?;
    Ok(Some((path, name, mended)))
}
