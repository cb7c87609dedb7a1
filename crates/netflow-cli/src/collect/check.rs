//! `nf collect --check-config`: what would be done.

use std::io::{self, Write};

use anyhow::Context;

use super::outputs;
use crate::Outcome;
use crate::args::Collect;
use crate::configuration::Setting;
use crate::input;

/// Says what would be done, as a configuration file with comments. Nothing is opened for writing, nothing bound.
pub(super) fn run(args: &Collect, settings: &[Setting]) -> anyhow::Result<Outcome> {
    let (source, names) = plan(args)?;
    let mut out = io::stdout().lock();
    for setting in settings.iter().filter(|setting| setting.name != "check-config") {
        let values: Vec<_> =
            setting.values.iter().map(|value| toml_value(&value.to_string_lossy())).collect();
        let value = match &values[..] {
            [] => "true".to_owned(),
            [value] => value.clone(),
            values => format!("[{}]", values.join(", ")),
        };
        // The file cannot name itself.
        let comment = if setting.name == "config" { "# " } else { "" };
        writeln!(out, "{comment}{} = {value}  # {}", setting.name, setting.origin)?;
    }
    writeln!(out, "# would {source}, writing to {}", names.join(", "))?;
    if let Some(address) = &args.operation.metrics {
        writeln!(out, "# would serve http://{}/metrics", super::serve::address(address)?)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Where packets would come from, and where they would go to.
fn plan(args: &Collect) -> anyhow::Result<(String, Vec<String>)> {
    input::session_config(&args.decoding)?;
    let source = match &args.read {
        Some(path) => {
            std::fs::metadata(path).with_context(|| input::cannot_read(path))?;
            format!("read {}", path.display())
        }
        None => {
            let places = super::listen::places(args)?;
            let places: Vec<_> =
                places.iter().map(|place| format!("{} ({})", place.address, place.transport)).collect();
            format!("listen on {}", places.join(", "))
        }
    };
    Ok((source, outputs::planned(args)?))
}

/// A value of TOML: a number as it is, anything else as a string.
fn toml_value(text: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if digits(text) && (text == "0" || !text.starts_with('0')) && text.parse::<i64>().is_ok() {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => quoted += &format!("\\u{:04x}", u32::from(character)),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::toml_value;

    #[test]
    fn values_are_read_back_as_they_were() {
        assert_eq!(toml_value("300"), "300");
        for text in ["", "5m", "007", "1.5", "-1", "a \"b\" \\ c\u{1b}", "99999999999999999999"] {
            let line = format!("key = {}", toml_value(text));
            let table = toml::de::DeTable::parse(&line).unwrap();
            assert_eq!(table.get_ref()["key"].get_ref().as_str(), Some(text), "{line}");
        }
    }
}
