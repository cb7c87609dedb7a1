//! Which files are meant: those that are named, and those of directories that may hold something of a time range.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use netflow_flow::FileName;
use netflow_templates::Timestamp;

mod problem;
mod range;

pub use problem::{FileProblem, Trouble};
pub use range::{RangeError, TimeRange, parse_time};

/// Endings of the files of a directory that may hold flows or export packets.
const ENDINGS: [&str; 8] = ["parquet", "ndjson", "csv", "json", "gz", "pcap", "pcapng", "cap"];

/// The files that are meant by paths and a time range, in the order in which they are to be read.
///
/// Files in a directory, and below it, are taken in the order of their times, those without a time in their names in the
/// order of their paths behind them. Left out are those that engines which read whole directories leave out too, whose
/// names start with a dot or an underscore (unfinished files, loss tables), and those of other software, which are
/// counted. A file that is named is taken whatever its name.
///
/// What a collector writes by windows of time is told by [its name](FileName): files whose window is outside of the range
/// are not opened. A window ends where the next one of the same directory starts; where there is none, it is open.
#[derive(Debug, Default)]
pub struct FlowFiles {
    /// The files.
    pub files: Vec<FoundFile>,
    /// What could not be found or looked into.
    pub problems: Vec<FileProblem>,
    /// Files whose names say that they hold nothing of the time range.
    pub outside: Vec<PathBuf>,
    /// Files of directories whose endings are none of flows.
    pub others: Vec<PathBuf>,
}

/// A file that may hold flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it is; `-` is stdin.
    pub path: PathBuf,
    /// Its length, as far as it is known.
    pub octets: u64,
    /// The window of its name: its first second, and the one behind it.
    pub window: Option<(Timestamp, Option<Timestamp>)>,
    /// What of the time range is to be looked for in it: everything, where its window is within the range. So what was
    /// received early or late for its window counts as of the window, and each flow is in one of two ranges that meet.
    pub range: TimeRange,
}

/// What is looked for in a directory.
#[derive(Debug, Clone, Default)]
struct Bounds<'a> {
    /// The first path below it, and the last one.
    first: Option<&'a Path>,
    last: Option<&'a Path>,
}

impl FlowFiles {
    /// The files that paths are, or that are in and below directories.
    pub fn find(paths: &[impl AsRef<Path>], range: TimeRange) -> Self {
        let mut search = Search::new(range);
        for path in paths {
            search.path(path.as_ref());
        }
        search.finish()
    }

    /// The files of nfdump's option -R: all of a directory; those from a file on, `DIR/FIRST`; or those from one to another,
    /// `DIR/FIRST:LAST`, where directories may stand before LAST: `DIR/a/FIRST:b/LAST`. The files need not be there.
    pub fn sequence(sequence: &Path, range: TimeRange) -> Self {
        let mut search = Search::new(range);
        let text = sequence.to_string_lossy();
        let (first, last) = match text.split_once(':') {
            Some((first, last)) if !sequence.exists() => {
                (Path::new(first).to_owned(), Some(PathBuf::from(last)))
            }
            _ => (sequence.to_owned(), None),
        };
        if first.is_dir() && last.is_none() {
            search.path(&first);
            return search.finish();
        }
        // As many directories as LAST has are below the one that is searched.
        let depth = last.as_ref().map_or(1, |last| last.components().count());
        let top =
            first.ancestors().nth(depth).filter(|top| !top.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let below = first.strip_prefix(top).unwrap_or(&first).to_owned();
        search.directory(top, Bounds { first: Some(&below), last: last.as_deref() });
        search.finish()
    }

    /// Appends what was found elsewhere.
    pub fn append(&mut self, other: Self) {
        self.files.extend(other.files);
        self.problems.extend(other.problems);
        self.outside.extend(other.outside);
        self.others.extend(other.others);
    }

    /// Octets of all files.
    pub fn octets(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.octets))
    }
}

/// A search that goes on.
struct Search {
    range: TimeRange,
    found: FlowFiles,
    /// Windows that start in each tree of directories: each directory that was named, or the directory of files that were.
    starts: BTreeMap<PathBuf, Vec<Timestamp>>,
    /// Files, with the tree that they belong to.
    files: Vec<(PathBuf, FoundFile)>,
    /// Directories that were looked into: links may lead in a circle.
    seen: BTreeSet<PathBuf>,
}

impl Search {
    fn new(range: TimeRange) -> Self {
        Self {
            range,
            found: FlowFiles::default(),
            starts: BTreeMap::new(),
            files: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    fn problem(&mut self, path: &Path, trouble: Trouble) {
        self.found.problems.push(FileProblem { path: path.to_owned(), trouble });
    }

    fn path(&mut self, path: &Path) {
        if path.as_os_str() == "-" {
            return self.file(Path::new(""), path, 0);
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.directory(path, Bounds::default()),
            Ok(metadata) => {
                let tree = path.parent().unwrap_or(Path::new("")).to_owned();
                self.note_start(&tree, path.file_name());
                self.file(&tree, path, metadata.len());
            }
            Err(error) => self.problem(path, Trouble::Unreadable(error)),
        }
    }

    fn directory(&mut self, top: &Path, bounds: Bounds<'_>) {
        let (before, others, troubles) =
            (self.files.len(), self.found.others.len(), self.found.problems.len());
        self.seen.clear();
        self.below(top, Path::new(""), top, &bounds);
        let (found, others) = (self.files.len() - before, self.found.others.len() - others);
        if found == 0 && self.found.problems.len() == troubles {
            self.problem(top, Trouble::NoFlowFiles { others });
        }
        let mut files = self.files.split_off(before);
        files.sort_by(|(_, one), (_, other)| {
            // Without a window they come last; of one window by their numbers.
            let key = |file: &FoundFile| match (file.window, file.path.file_name().and_then(name_of)) {
                (Some((start, _)), Some(name)) => (false, start, name.number),
                _ => (true, Timestamp::EPOCH, 0),
            };
            key(one).cmp(&key(other)).then_with(|| natural(&one.path, &other.path))
        });
        self.files.append(&mut files);
    }

    /// Looks into a directory and those below.
    fn below(&mut self, tree: &Path, relative: &Path, directory: &Path, bounds: &Bounds<'_>) {
        if let Ok(directory) = fs::canonicalize(directory)
            && !self.seen.insert(directory)
        {
            return;
        }
        let entries = fs::read_dir(directory).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.problem(directory, Trouble::Unreadable(error)),
        };
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let relative = relative.join(&name);
            self.note_start(tree, Some(&name));
            if is_hidden(&name) {
                continue;
            }
            // Through links, too.
            let metadata: Metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) => {
                    self.problem(&path, Trouble::Unreadable(error));
                    continue;
                }
            };
            if metadata.is_dir() {
                self.below(tree, &relative, &path, bounds);
            } else if !is_of_flows(&name) {
                self.found.others.push(path);
            } else if bounds.first.is_none_or(|first| *first <= *relative)
                && bounds.last.is_none_or(|last| *relative <= *last)
            {
                self.file(tree, &path, metadata.len());
            }
        }
    }

    /// Notes the window of a file's name, also of one that is left out.
    fn note_start(&mut self, tree: &Path, name: Option<&OsStr>) {
        if let Some(start) = name.and_then(start_of) {
            self.starts.entry(tree.to_owned()).or_default().push(start);
        }
    }

    fn file(&mut self, tree: &Path, path: &Path, octets: u64) {
        let window = path.file_name().and_then(start_of).map(|start| (start, None));
        let file = FoundFile { path: path.to_owned(), octets, window, range: self.range };
        self.files.push((tree.to_owned(), file));
    }

    /// Finds the ends of windows, and leaves out what is outside of the range.
    fn finish(mut self) -> FlowFiles {
        for starts in self.starts.values_mut() {
            starts.sort_unstable();
            starts.dedup();
        }
        for (tree, mut file) in self.files {
            if let (Some((start, end)), Some(starts)) = (&mut file.window, self.starts.get(&tree)) {
                *end = starts.get(starts.partition_point(|other| other <= start)).copied();
                if !self.range.meets(*start, *end) {
                    self.found.outside.push(file.path);
                    continue;
                }
                file.range = self.range.within(*start, *end);
            }
            self.found.files.push(file);
        }
        self.found
    }
}

/// The name of a flow file or a loss table, finished or not.
fn name_of(name: &OsStr) -> Option<FileName> {
    let name = name.to_str()?;
    FileName::of_finished(name).or_else(|| FileName::of_unfinished(name))
}

/// The start of the window in such a name.
fn start_of(name: &OsStr) -> Option<Timestamp> {
    name_of(name)?.seconds().map(Timestamp::from_secs)
}

fn is_hidden(name: &OsStr) -> bool {
    matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_'))
}

fn is_of_flows(name: &OsStr) -> bool {
    let ending = Path::new(name).extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// The order of paths in which `hour=3` comes before `hour=10`.
fn natural(one: &Path, other: &Path) -> std::cmp::Ordering {
    let (mut one, mut other) = (one.as_os_str().as_encoded_bytes(), other.as_os_str().as_encoded_bytes());
    let digits = |octets: &[u8]| octets.iter().take_while(|octet| octet.is_ascii_digit()).count();
    loop {
        let (a, b) = (digits(one), digits(other));
        let order = if a > 0 && b > 0 {
            let (x, y) = (&one[..a], &other[..b]);
            let zeros = |text: &[u8]| text.iter().take_while(|&&octet| octet == b'0').count();
            let (x0, y0) = (&x[zeros(x)..], &y[zeros(y)..]);
            (one, other) = (&one[a..], &other[b..]);
            x0.len().cmp(&y0.len()).then_with(|| x0.cmp(y0)).then_with(|| x.len().cmp(&y.len()))
        } else {
            let order = one.first().cmp(&other.first());
            if one.is_empty() || other.is_empty() {
                return order;
            }
            (one, other) = (&one[1..], &other[1..]);
            order
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests;
