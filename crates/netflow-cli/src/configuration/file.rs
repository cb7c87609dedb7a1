//! The configuration file: TOML with the long names of flags as keys.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use clap::{Arg, Command};
use toml::de::{DeTable, DeValue};

use super::{NOT_IN_FILES, Origin, Said, Setting, find, is_flag, is_list, like, long};
use crate::input::cannot_read;

/// Octets of a file at most.
const MAX_LENGTH: u64 = 1 << 20;

/// What a file sets, in the order of its lines.
pub(super) fn read(command: &Command, path: &Path) -> anyhow::Result<Vec<Said>> {
    let length = fs::metadata(path).with_context(|| cannot_read(path))?.len();
    if length > MAX_LENGTH {
        bail!("{}: {length} octets are no configuration", path.display());
    }
    let text = fs::read_to_string(path).with_context(|| cannot_read(path))?;
    let line = |offset: usize| {
        1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&octet| octet == b'\n').count()
    };
    let table = DeTable::parse(&text).map_err(|error| {
        let at = error.span().map_or(1, |span| line(span.start));
        anyhow!("{} line {at}: {}", path.display(), error.message())
    })?;
    let mut settings: Vec<Setting> = Vec::new();
    for (key, value) in table.get_ref() {
        let (name, at) = (key.get_ref().as_ref(), line(key.span().start));
        let wrong = |message: String| anyhow!("{} line {at}: {message}", path.display());
        let Some(arg) = find(command, name) else {
            let like = like(command, name).map(|like| format!("; perhaps '{like}'"));
            let like =
                like.unwrap_or_else(|| "; the keys are the long names of nf collect's flags".to_owned());
            return Err(wrong(format!("there is no '{name}'{like}")));
        };
        if NOT_IN_FILES.contains(&name) {
            return Err(wrong(format!("'{name}' cannot be set in a file")));
        }
        let values = match values(arg, name, value.get_ref()).map_err(wrong)? {
            Some(values) => values,
            None => continue,
        };
        if settings.iter().any(|setting| setting.name == long(arg)) {
            let other = arg.get_all_aliases().and_then(|names| names.into_iter().find(|one| *one != name));
            let other = if arg.get_long() == Some(name) { other } else { arg.get_long() };
            return Err(wrong(format!("'{name}' is '{}', which is set already", other.unwrap_or_default())));
        }
        settings.push(Setting { name: long(arg), values, origin: Origin::File(path.to_owned(), at) });
    }
    settings.sort_by_key(|setting| match setting.origin {
        Origin::File(_, line) => line,
        _ => 0,
    });
    Ok(settings.into_iter().map(Said::Set).collect())
}

/// The values of a key; `None` when it says no more than the default.
fn values(arg: &Arg, name: &str, value: &DeValue<'_>) -> Result<Option<Vec<OsString>>, String> {
    match value {
        DeValue::Boolean(on) if is_flag(arg) => Ok(on.then(Vec::new)),
        _ if is_flag(arg) => Err(format!("'{name}' is true or false")),
        DeValue::Array(values) if is_list(arg) => {
            let values: Result<Vec<_>, _> =
                values.iter().map(|value| scalar(name, value.get_ref())).collect();
            Ok(Some(values?).filter(|values| !values.is_empty()))
        }
        DeValue::Array(_) => Err(format!("'{name}' takes one value, no list")),
        value => Ok(Some(vec![scalar(name, value)?])),
    }
}

/// A value as it would stand on the command line.
fn scalar(name: &str, value: &DeValue<'_>) -> Result<OsString, String> {
    match value {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().into()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Ok(number.to_string().into()),
            Err(_) => Err(format!("'{name}' takes no number as long as this")),
        },
        DeValue::Float(number) => Ok(number.as_str().into()),
        other => Err(format!("'{name}' takes a text or a number, no {}", other.type_str())),
    }
}
