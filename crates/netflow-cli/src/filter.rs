//! Filters of flows, as all commands take them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use netflow_filter::{Filter, FilterError};

use crate::output;

/// Octets that are read of a file: a filter may not be as long.
const MOST: u64 = 16 << 20;

/// Compiles a filter; files that it includes are read.
pub(crate) fn compile(text: &str) -> anyhow::Result<Filter> {
    Ok(Filter::parse_with(text, &mut |name| included(Path::new(name)))?)
}

/// Compiles what is in a file, and gives its text, too. Files that it includes are named from where it is.
pub(crate) fn of_file(path: &Path) -> anyhow::Result<(Filter, String)> {
    let text = read(path).with_context(|| crate::input::cannot_read(path))?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let filter = Filter::parse_with(&text, &mut |name| included(&beside.join(name)));
    Ok((filter.with_context(|| path.display().to_string())?, text))
}

/// Shows where it is wrong, if an error is one of a filter.
pub(crate) fn show_place(error: &anyhow::Error) {
    let Some(wrong) = error.downcast_ref::<FilterError>() else { return };
    for line in wrong.excerpt().lines() {
        // A stderr that is closed hears nothing.
        let _ = output::line(&mut io::stderr(), &format!("    {line}"));
    }
}

fn included(path: &Path) -> Result<String, String> {
    read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}
