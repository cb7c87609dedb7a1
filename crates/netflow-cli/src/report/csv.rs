//! Small tables of the user's.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::input::cannot_read;

/// Hands the lines of a CSV file to `take`, which says whether it could use the fields. A first line that it cannot use is
/// a heading; empty lines and those that start with `#` are left out.
///
/// # Errors
/// When the file cannot be read, or a line cannot be used; `columns` says what is expected.
pub(super) fn read(
    path: &Path,
    columns: &str,
    mut take: impl FnMut(&[String]) -> Option<()>,
) -> anyhow::Result<()> {
    let text = fs::read(path).with_context(|| cannot_read(path))?;
    let text = String::from_utf8_lossy(&text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut first = true;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if take(&fields(line)).is_none() && !first {
            bail!("{}, line {}: '{}' is not {columns}", path.display(), number + 1, line.escape_debug());
        }
        first = false;
    }
    Ok(())
}

/// The fields of a line, trimmed; those in quotes may have commas, and quotes twice.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted || field.trim().is_empty() => {
                quoted = !quoted;
                if quoted {
                    field.clear();
                }
            }
            ',' if !quoted => fields.push(std::mem::take(&mut field).trim().to_owned()),
            _ => field.push(character),
        }
    }
    fields.push(field.trim().to_owned());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_in_quotes() {
        assert_eq!(fields("64496, Example"), ["64496", "Example"]);
        assert_eq!(fields("64496,\"Example, \"\"the\"\" one\",x"), ["64496", "Example, \"the\" one", "x"]);
        assert_eq!(fields("a,,"), ["a", "", ""]);
        assert_eq!(fields("a,\"b"), ["a", "b"]);
    }
}
