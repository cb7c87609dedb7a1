//! Which flows a command is about: files, a time range, a filter.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::anyhow;
use netflow_filter::Filter;
use netflow_query::{FlowFiles, FoundFile, TimeRange, parse_time};
use netflow_templates::Timestamp;

use crate::args;
use crate::filter;
use crate::flow_input::FlowInputs;
use crate::output::{self, count};

/// Arguments that are looked at for a filter.
const MOST_WORDS: usize = 64;
/// Problems that are told one by one.
const MAX_MESSAGES: usize = 20;

/// What was selected.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) files: FlowFiles,
    pub(crate) filter: Filter,
    /// What the user wrote as filters; none where all flows are meant.
    pub(crate) text: Option<String>,
    pub(crate) range: TimeRange,
}

impl Selection {
    /// What the command line says. Nothing is read but directories, and files of filters.
    pub(crate) fn of(args: &args::Selection) -> anyhow::Result<Self> {
        let range = range(args, Timestamp::from(SystemTime::now()))?;
        let (named, trailing) = split(args)?;
        let (mut filter, mut texts) = (Filter::ALL, Vec::new());
        if let Some(path) = &args.filter_file {
            let (read, text) = filter::of_file(path)?;
            filter = filter.and(read.expression().clone());
            texts.push(text.trim().to_owned());
        }
        for text in args.filter.iter().chain(&trailing) {
            filter = filter.and(filter::compile(text)?.expression().clone());
            texts.push(text.trim().to_owned());
        }
        let mut files = FlowFiles::find(&named, range);
        for (paths, sequence) in [(&args.read, false), (&args.sequence, true)] {
            for path in paths.iter().flat_map(|path| below(args.multiple.as_deref(), path)) {
                files.append(match sequence {
                    true => FlowFiles::sequence(&path, range),
                    false => FlowFiles::find(&[path], range),
                });
            }
        }
        if named.is_empty() && args.read.is_empty() && args.sequence.is_empty() {
            files = FlowFiles::find(&["-"], range);
        }
        texts.retain(|text| !text.is_empty());
        let text = match &texts[..] {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(format!("({})", several.join(") and ("))),
        };
        Ok(Self { files, filter, text, range })
    }

    /// The filter for the flows of a file, with what of the time range is left to be looked at.
    pub(crate) fn filter_of(&self, file: &FoundFile) -> Filter {
        self.filter.clone().and(file.range.expression())
    }

    /// Octets of all files, unless one is stdin.
    pub(crate) fn octets(&self) -> Option<u64> {
        let stdin = self.files.files.iter().any(|file| file.path.as_os_str() == "-");
        (!stdin).then(|| self.files.octets())
    }

    /// Says what of the files could not be found, and why there may be none.
    pub(crate) fn tell(&self, inputs: &mut FlowInputs<'_>) {
        let FlowFiles { files, problems, outside, others } = &self.files;
        for problem in problems.iter().take(MAX_MESSAGES) {
            inputs.unreadable(&anyhow!("{problem}"));
        }
        if problems.len() > MAX_MESSAGES {
            output::error(format_args!("{} of such a kind in all", count(problems.len() as u64, "problem")));
        }
        if let (Some(first), false) = (others.first(), files.is_empty()) {
            output::note(format_args!(
                "{} of directories left out, whose endings are none of flows, such as {}",
                count(others.len() as u64, "file"),
                first.display()
            ));
        }
        if let (Some(some), true) = (outside.first(), files.is_empty()) {
            output::note(format_args!(
                "none of {} is of that time, going by their names, such as {} (names are in UTC)",
                count(outside.len() as u64, "file"),
                some.display()
            ));
        }
    }
}

/// The files of the command line, and the filter behind them, in one argument or in several, whose last is no file.
fn split(args: &args::Selection) -> anyhow::Result<(Vec<PathBuf>, Option<String>)> {
    let is_file = |path: &PathBuf| path.as_os_str() == "-" || path.symlink_metadata().is_ok();
    if args.files.last().is_none_or(is_file) {
        return Ok((args.files.clone(), None));
    }
    let words: Vec<_> = args.files.iter().map(|word| word.to_string_lossy()).collect();
    // A word of a filter may be the name of a file, too: the most of them that are a filter are one.
    for start in words.len().saturating_sub(MOST_WORDS)..words.len() {
        let text = words[start..].join(" ");
        if filter::compile(&text).is_ok() {
            return Ok((args.files[..start].to_vec(), Some(text)));
        }
    }
    let files = args.files.iter().rposition(is_file).map_or(0, |last| last + 1);
    let rest = &args.files[files..];
    let text = words[files..].join(" ");
    if rest.iter().all(|path| looks_like_path(path)) {
        return Ok((args.files.clone(), None));
    }
    let Err(error) = filter::compile(&text) else { return Ok((args.files[..files].to_vec(), Some(text))) };
    Err(match rest.len() == 1 && !text.contains(char::is_whitespace) {
        true => error.context(format!("there is no file {}, and as a filter", text.escape_debug())),
        false => error,
    })
}

/// Whether what is no file was meant as one: it has an ending or a directory, and no blank.
fn looks_like_path(path: &Path) -> bool {
    let text = path.to_string_lossy();
    !text.contains(char::is_whitespace) && (text.contains('/') || path.extension().is_some())
}

/// The paths of -r or -R: below the directories of -M, if it is given.
fn below(multiple: Option<&Path>, path: &Path) -> Vec<PathBuf> {
    let Some(multiple) = multiple else { return vec![path.to_owned()] };
    let text = multiple.to_string_lossy();
    let mut names = text.split(':');
    let first = PathBuf::from(names.next().unwrap_or_default());
    let top = first.parent().unwrap_or(Path::new("")).to_owned();
    let others = names.map(|name| top.join(name));
    std::iter::once(first.clone()).chain(others).map(|directory| directory.join(path)).collect()
}

fn range(args: &args::Selection, now: Timestamp) -> anyhow::Result<TimeRange> {
    let time = |text: &str| {
        parse_time(text, now).ok_or_else(|| {
            anyhow!(
                "'{}' is no time: 2026-01-31, 2026-01-31T12:00, 2026-01-31T12:00:00Z, 2026-01-31T12:00+02:00, now and -1h \
                 are (s, m, h, d, w)",
                text.escape_debug()
            )
        })
    };
    let (from, to) = match &args.time {
        // Dates have slashes there, so that only the hyphen between them is one.
        Some(window) if window.contains('/') => match window.split_once('-') {
            Some((from, to)) => (Some(time(from)?), Some(time(to)?)),
            None => (Some(time(window)?), None),
        },
        Some(window) => (Some(time(window)?), None),
        None => (args.from.as_deref().map(time).transpose()?, args.to.as_deref().map(time).transpose()?),
    };
    Ok(TimeRange::new(from, to)?)
}
