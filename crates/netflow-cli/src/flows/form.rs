//! What is written, and where to.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use netflow_flow::{COLUMNS, Column, column};
use netflow_query::TextFormat;

use super::layout::{Layout, Style};
use crate::args;

/// What flows are written as.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// For people.
    Text(Layout),
    /// With these columns.
    Columns(TextFormat, Vec<&'static Column>),
    Parquet,
}

/// What is written, and where to.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) form: Form,
    /// Stdout, if there is none.
    pub(crate) path: Option<PathBuf>,
    pub(crate) gzip: bool,
    pub(crate) heading: bool,
}

impl Target {
    pub(crate) fn of(args: &args::Flows) -> anyhow::Result<Self> {
        let (mut how, mut path) = (args.format.clone(), None);
        for word in &args.output {
            if is_form(word) {
                if how.replace(word.clone()).is_some() {
                    bail!("one way to print is enough; -o takes a file beside it");
                }
            } else if path.replace(PathBuf::from(word)).is_some() {
                bail!("one file to write is enough");
            }
        }
        if path.as_deref() == Some(Path::new("-")) {
            path = None;
        }
        let by_ending = path.as_deref().map(ending).transpose();
        let (how, gzip) = match (how, by_ending) {
            (Some(how), by_ending) => match how.strip_suffix(".gz") {
                Some(stem) if !how.starts_with("fmt:") => (stem.to_owned(), true),
                _ => (how, by_ending.is_ok_and(|ending| ending.is_some_and(|(_, gzip)| gzip))),
            },
            (None, by_ending) => by_ending?.unwrap_or(("text".to_owned(), false)),
        };
        let form = Self::form(&how, args)?;
        if gzip && path.is_none() && matches!(form, Form::Parquet) {
            bail!("parquet is compressed by itself");
        }
        if !args.fields.is_empty() && !matches!(form, Form::Columns(..)) {
            bail!("--fields chooses the columns of CSV and JSON; of text fmt: does, and Parquet has all");
        }
        Ok(Self { form, path, gzip: gzip && !how.starts_with("parquet"), heading: !args.quiet })
    }

    fn form(how: &str, args: &args::Flows) -> anyhow::Result<Form> {
        let style = Style { plain: args.plain, full_ipv6: args.full_ipv6 };
        Ok(match how {
            "csv" => Form::Columns(TextFormat::Csv, columns(&args.fields)?),
            "json" | "ndjson" => Form::Columns(TextFormat::JsonLines, columns(&args.fields)?),
            "parquet" => Form::Parquet,
            how => match Layout::named(how, style)? {
                Some(layout) => Form::Text(layout),
                None => bail!(
                    "'{}' is no way to print flows: text (line), long, extended, fmt:FORMAT, json (ndjson), csv, parquet are",
                    how.escape_debug()
                ),
            },
        })
    }
}

/// Whether a word of -o is a way to print, and not a file.
fn is_form(word: &str) -> bool {
    matches!(word, "csv" | "json" | "ndjson" | "parquet") || Layout::is_name(word)
}

/// The form that the ending of a file's name says, and whether it is compressed.
fn ending(path: &Path) -> anyhow::Result<(String, bool)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let (stem, gzip) = name.strip_suffix(".gz").map_or((name.as_str(), false), |stem| (stem, true));
    match Path::new(stem).extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(("csv".into(), gzip)),
        Some("ndjson" | "jsonl") => Ok(("ndjson".into(), gzip)),
        Some("txt") => Ok(("text".into(), gzip)),
        Some("parquet") if !gzip => Ok(("parquet".into(), false)),
        Some("json") => Err(anyhow!(
            "{}: files that end in .json hold export packets, which flows are not any more; .ndjson has flows (--format json \
             writes them to any name)",
            path.display()
        )),
        _ => Err(anyhow!(
            "{}: neither a way to print nor a file whose ending says what to write: .csv, .ndjson, .txt, each also with .gz, \
             and .parquet do, or --format",
            path.display()
        )),
    }
}

/// The columns with these names; all, if there are none.
fn columns(names: &[String]) -> anyhow::Result<Vec<&'static Column>> {
    if names.is_empty() {
        return Ok(COLUMNS.iter().collect());
    }
    names.iter().map(|name| column_named(name)).collect()
}

/// The column with a name, or with a word of nfdump's for it.
pub(crate) fn column_named(name: &str) -> anyhow::Result<&'static Column> {
    column(name).or_else(|| netflow_query::column_of_word(name)).ok_or_else(|| {
        let likely = COLUMNS.iter().map(|column| (strsim::jaro_winkler(column.name, name), column.name));
        let likely =
            likely.max_by(|one, other| one.0.total_cmp(&other.0)).filter(|(likeness, _)| *likeness > 0.7);
        let meant = likely.map_or(String::new(), |(_, name)| format!("; did you mean {name}?"));
        anyhow!("flows have no column '{}'{meant}", name.escape_debug())
    })
}
