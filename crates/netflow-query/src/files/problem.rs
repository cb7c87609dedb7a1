//! What can be wrong with paths, and what helps.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A path that gives no files, or not all.
#[derive(Debug)]
pub struct FileProblem {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong there.
    pub trouble: Trouble,
}

/// What is wrong with a path.
#[derive(Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// It cannot be opened or listed.
    Unreadable(io::Error),
    /// A directory in which there are no flow files, only so many others.
    NoFlowFiles {
        /// Files that are left out, for their endings.
        others: usize,
    },
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        let path = path.escape_debug();
        match &self.trouble {
            Trouble::Unreadable(error) => {
                write!(f, "cannot read {path}: {error}")?;
                f.write_str(match error.kind() {
                    io::ErrorKind::NotFound => {
                        "; is the name right? `nf collect` names its files <unix seconds>.gz"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "; what `nf collect` writes belongs to the user that it runs as (--user)"
                    }
                    _ => "",
                })
            }
            Trouble::NoFlowFiles { others: 0 } => write!(
                f,
                "no flow files in {path}: it is empty, or what is in it is not complete yet (a file of \
                 `nf collect -w` is when its window ends)"
            ),
            Trouble::NoFlowFiles { others } => write!(
                f,
                "no flow files in {path}: {others} of other kinds (flow files end in .parquet, .ndjson, .csv, .json or \
                 .gz, captures in .pcap or .pcapng)"
            ),
        }
    }
}
