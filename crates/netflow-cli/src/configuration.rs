//! Settings of `nf collect` from a file and from the environment.
//!
//! The flags are the only list of settings: a key of the file is the long name of a flag, a variable the same in
//! capitals behind `NF_`. What they say is put before the command line's own arguments, so that clap reads, checks and
//! explains all in one way.

use std::collections::HashSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::args::Args;
use crate::output;

mod file;

/// The command that has a configuration.
const COMMAND: &str = "collect";
/// Before the names of variables.
const PREFIX: &str = "NF_";
/// Flags that no file can set.
const NOT_IN_FILES: [&str; 2] = ["config", "check-config"];

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    CommandLine,
    /// The variable of this name.
    Environment(String),
    /// This file, in this line.
    File(PathBuf, usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(name) => f.write_str(name),
            Self::File(path, line) => write!(f, "{} line {line}", path.display()),
        }
    }
}

/// What one setting was set to. What has its default is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Long name of the flag.
    pub(crate) name: String,
    /// As they were written; none for a flag without a value.
    pub(crate) values: Vec<OsString>,
    pub(crate) origin: Origin,
}

/// What a file or a variable says of a flag.
#[derive(Debug)]
enum Said {
    /// It is set, as here.
    Set(Setting),
    /// The flag of this name is switched off, whatever says otherwise with less weight.
    Off(String),
}

impl Said {
    fn name(&self) -> &str {
        match self {
            Self::Set(setting) => &setting.name,
            Self::Off(name) => name,
        }
    }
}

/// The arguments, and where those of `nf collect` come from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) args: Args,
    pub(crate) settings: Vec<Setting>,
}

/// Why there are no arguments.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// clap's own: help and version, too.
    Usage(clap::Error),
    /// In the file or a variable.
    Configuration(anyhow::Error),
}

/// Reads the command line; for `nf collect` its file and its variables, too.
pub(crate) fn load() -> Result<Loaded, LoadError> {
    from(env::args_os().collect(), env::vars_os().collect())
}

fn from(line: Vec<OsString>, variables: Vec<(OsString, OsString)>) -> Result<Loaded, LoadError> {
    let whole = Args::command();
    let command = whole.find_subcommand(COMMAND);
    let Some(command) = command.filter(|_| line.get(1).is_some_and(|word| word == COMMAND)) else {
        let args = <Args as clap::Parser>::try_parse_from(line).map_err(LoadError::Usage)?;
        return Ok(Loaded { args, settings: Vec::new() });
    };
    let given = given(&line)?;
    let mut settings = Vec::new();
    let mut taken: HashSet<String> = given.iter().map(|setting| setting.name.clone()).collect();
    let variables = from_environment(command, variables).map_err(LoadError::Configuration)?;
    let set = variables.iter().filter_map(|said| match said {
        Said::Set(setting) => Some(setting),
        Said::Off(_) => None,
    });
    let path = value_of(&given, "config").or_else(|| value_of(set, "config"));
    let in_file = match &path {
        Some(path) => file::read(command, path).map_err(LoadError::Configuration)?,
        None => Vec::new(),
    };
    let mut off: HashSet<String> = HashSet::new();
    for layer in [variables, in_file] {
        let (before, off_before) = (taken.clone(), off.clone());
        for said in layer {
            let name = said.name();
            if before.contains(name) || off_before.contains(name) || rules_out(command, &before, name) {
                continue;
            }
            match said {
                Said::Set(setting) => {
                    taken.insert(setting.name.clone());
                    settings.push(setting);
                }
                Said::Off(name) => _ = off.insert(name),
            }
        }
    }

    let mut words: Vec<OsString> = line[..2].to_vec();
    words.extend(settings.iter().flat_map(words_of));
    words.extend_from_slice(&line[2..]);
    let matches = whole.clone().try_get_matches_from(&words);
    let matches = matches.map_err(|error| with_origin(error, &settings))?;
    let args = Args::from_arg_matches(&matches).map_err(|error| with_origin(error, &settings))?;
    settings.extend(given);
    settings.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Loaded { args, settings })
}

/// What the command line says. What is wrong with it is said when all is read.
fn given(line: &[OsString]) -> Result<Vec<Setting>, LoadError> {
    let command = Args::command().ignore_errors(true);
    let matches = command.try_get_matches_from(line).map_err(LoadError::Usage)?;
    let Some((_, matches)) = matches.subcommand() else { return Ok(Vec::new()) };
    let whole = Args::command();
    let Some(command) = whole.find_subcommand(COMMAND) else { return Ok(Vec::new()) };
    let settings = command.get_arguments().filter_map(|arg| {
        let id = arg.get_id().as_str();
        let known = matches!(matches.try_contains_id(id), Ok(true));
        let said = known && matches.value_source(id) == Some(ValueSource::CommandLine);
        let name = arg.get_long().filter(|_| said)?;
        let values = if is_flag(arg) { Vec::new() } else { values(matches, id) };
        Some(Setting { name: name.to_owned(), values, origin: Origin::CommandLine })
    });
    Ok(settings.collect())
}

fn values(matches: &ArgMatches, id: &str) -> Vec<OsString> {
    matches.get_raw(id).map_or_else(Vec::new, |values| values.map(OsStr::to_owned).collect())
}

/// What the variables say. One that no flag has may be of somebody else, so it is only told.
fn from_environment(command: &Command, variables: Vec<(OsString, OsString)>) -> anyhow::Result<Vec<Said>> {
    let mut all = Vec::new();
    for (variable, value) in variables {
        let Some(variable) = variable.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let name = variable[PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
        let Some(arg) = find(command, &name).filter(|_| variable == variable_of(&name)) else {
            let like = like(command, &name).map(|name| format!("; there is {}", variable_of(&name)));
            output::note(format_args!(
                "the variable {variable} is no flag of nf collect{}",
                like.unwrap_or_default()
            ));
            continue;
        };
        let values = if is_flag(arg) {
            let on = value.to_str().and_then(boolish);
            match on {
                Some(true) => Vec::new(),
                Some(false) => {
                    all.push(Said::Off(long(arg)));
                    continue;
                }
                None => anyhow::bail!("{variable}: true or false"),
            }
        } else if is_list(arg) {
            let text = value.to_str().map(ToOwned::to_owned);
            let text = text.ok_or_else(|| anyhow::anyhow!("{variable} is no text in UTF-8"))?;
            text.split(',').map(|value| value.trim().into()).collect()
        } else {
            vec![value]
        };
        let origin = Origin::Environment(variable.to_owned());
        all.push(Said::Set(Setting { name: long(arg), values, origin }));
    }
    all.sort_by(|one, other| one.name().cmp(other.name()));
    Ok(all)
}

fn boolish(text: &str) -> Option<bool> {
    use clap::builder::TypedValueParser;
    BoolishValueParser::new().parse_ref(&Command::new(""), None, OsStr::new(text)).ok()
}

fn variable_of(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The flag of a name, or of another name of the same.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let has_alias = |arg: &Arg| arg.get_all_aliases().is_some_and(|names| names.contains(&name));
    command.get_arguments().find(|arg| arg.get_long() == Some(name) || has_alias(arg))
}

/// The one name by which a flag is known here.
fn long(arg: &Arg) -> String {
    arg.get_long().unwrap_or_default().to_owned()
}

/// A flag whose name is much like this.
fn like(command: &Command, name: &str) -> Option<String> {
    let names = command.get_arguments().filter_map(Arg::get_long);
    let names = names.filter(|known| !NOT_IN_FILES.contains(known));
    let names = names.map(|known| (strsim::jaro_winkler(known, name), known));
    let nearest = names.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (nearest.0 > 0.75).then(|| nearest.1.to_owned())
}

fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Whether something of more weight is set that does not go together with this.
fn rules_out(command: &Command, set: &HashSet<String>, name: &str) -> bool {
    let Some(arg) = find(command, name) else { return false };
    let conflicts = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
    };
    set.iter()
        .filter_map(|name| find(command, name))
        .any(|other| conflicts(arg, other) || conflicts(other, arg))
}

fn words_of(setting: &Setting) -> Vec<OsString> {
    let flag = OsString::from(format!("--{}", setting.name));
    if setting.values.is_empty() {
        return vec![flag];
    }
    let with = |value: &OsString| {
        let mut word = flag.clone();
        word.push("=");
        word.push(value);
        word
    };
    setting.values.iter().map(with).collect()
}

fn value_of<'a>(settings: impl IntoIterator<Item = &'a Setting>, name: &str) -> Option<PathBuf> {
    let setting = settings.into_iter().find(|setting| setting.name == name)?;
    setting.values.last().map(PathBuf::from)
}

/// Names the file or variable of the argument that is wrong; clap knows only that it is one.
fn with_origin(error: clap::Error, settings: &[Setting]) -> LoadError {
    let named: Vec<&String> = error
        .context()
        .filter(|(kind, _)| matches!(kind, ContextKind::InvalidArg | ContextKind::PriorArg))
        .flat_map(|(_, value)| match value {
            ContextValue::String(text) => std::slice::from_ref(text).iter(),
            ContextValue::Strings(texts) => texts.iter(),
            _ => [].iter(),
        })
        .collect();
    let is_named = |setting: &&Setting| {
        let flag = format!("--{}", setting.name);
        named.iter().any(|text| text.split([' ', '=']).next() == Some(flag.as_str()))
    };
    let Some(setting) = settings.iter().find(is_named) else { return LoadError::Usage(error) };
    let text = error.to_string();
    let said = text.strip_prefix("error: ").unwrap_or(&text);
    let first = said.split("\n\n").next().unwrap_or_default().trim_end();
    let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
    LoadError::Configuration(anyhow::anyhow!("{}: {first}", setting.origin))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::args;

    fn load(line: &[&str], variables: &[(&str, &str)]) -> Result<(args::Collect, Vec<Setting>), String> {
        let line = ["nf", "collect"].iter().chain(line).map(OsString::from).collect();
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        match from(line, variables) {
            Ok(Loaded { args: Args { command: args::Command::Collect(args) }, settings }) => {
                Ok((*args, settings))
            }
            Ok(loaded) => Err(format!("{loaded:?}")),
            Err(LoadError::Usage(error)) => Err(error.to_string()),
            Err(LoadError::Configuration(error)) => Err(format!("{error:#}")),
        }
    }

    fn file(text: &str) -> (tempfile::NamedTempFile, String) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let flag = format!("--config={}", file.path().display());
        (file, flag)
    }

    #[test]
    fn flags_win_over_variables_and_variables_over_the_file() {
        let (_file, flag) = file("port = 1\nthreads = 1\nbuffer = 1\n");
        let variables = [("NF_PORT", "2"), ("NF_THREADS", "2"), ("OTHER", "2")];
        let (args, settings) = load(&[&flag, "-p", "3"], &variables).unwrap();
        assert_eq!((args.port, args.threads, args.buffer), (3, 2, 1));
        let origin =
            |name: &str| settings.iter().find(|setting| setting.name == name).unwrap().origin.clone();
        assert_eq!(origin("port"), Origin::CommandLine);
        assert_eq!(origin("threads"), Origin::Environment("NF_THREADS".into()));
        assert!(matches!(origin("buffer"), Origin::File(_, 3)));
    }

    #[test]
    fn lists_flags_and_numbers_are_set() {
        let (_file, flag) = file(
            "allow = [\"10.0.0.0/8\", \"::1\"]\ndebug = true\nfile = \"a.csv\"\ndir = 'x y'\nrotate = 60\n",
        );
        let (args, _) = load(&[&flag], &[]).unwrap();
        assert_eq!(args.operation.allow.len(), 2);
        assert!(args.debug);
        assert_eq!(args.file, [PathBuf::from("a.csv")]);
        assert_eq!(args.dir, Some("x y".into()));
        assert_eq!(args.rotate.as_secs(), 60);
        let (args, _) = load(&[], &[("NF_ALLOW", "10.0.0.0/8, ::1"), ("NF_DEBUG", "yes")]).unwrap();
        assert!(args.operation.allow.len() == 2 && args.debug);
        assert!(!load(&[], &[("NF_DEBUG", "0")]).unwrap().0.debug);
    }

    #[test]
    fn a_flag_that_a_variable_switches_off_stays_off_whatever_the_file_says() {
        let (_file, flag) = file("debug = true\nlisten = [\"udp://127.0.0.1:1\"]");
        assert!(load(&[&flag], &[]).unwrap().0.debug);
        let (args, settings) = load(&[&flag], &[("NF_DEBUG", "false")]).unwrap();
        assert!(!args.debug && settings.iter().all(|setting| setting.name != "debug"));
        assert!(load(&[&flag, "-D"], &[("NF_DEBUG", "false")]).unwrap().0.debug);
        let (_off, off) = file("debug = false");
        assert!(load(&[&off], &[("NF_DEBUG", "1")]).unwrap().0.debug);
        assert!(load(&[&off, "--debug"], &[]).unwrap().0.debug && !load(&[&off], &[]).unwrap().0.debug);
    }

    #[test]
    fn a_flag_of_two_names_can_be_set_by_each() {
        let (_file, flag) = file("output = [\"a.csv\", \"b.csv\"]");
        let (args, settings) = load(&[&flag], &[]).unwrap();
        assert_eq!(args.file, [PathBuf::from("a.csv"), "b.csv".into()]);
        assert!(settings.iter().any(|setting| setting.name == "file"));
        let (args, _) = load(&[&flag], &[("NF_OUTPUT", "c.csv")]).unwrap();
        assert_eq!(args.file, [PathBuf::from("c.csv")]);
        let (args, _) = load(&[&flag, "-o", "d.csv"], &[("NF_FILE", "c.csv")]).unwrap();
        assert_eq!(args.file, [PathBuf::from("d.csv")]);
        let (_both, both) = file("output = \"a.csv\"\nfile = \"b.csv\"");
        assert!(load(&[&both], &[]).unwrap_err().contains("'output' is 'file', which is set already"));
    }

    #[test]
    fn a_list_of_more_weight_replaces_the_other() {
        let (_file, flag) = file("allow = [\"10.0.0.0/8\", \"::1\"]");
        let (args, _) = load(&[&flag, "--allow", "192.0.2.1"], &[]).unwrap();
        assert_eq!(args.operation.allow.len(), 1);
    }

    #[test]
    fn a_flag_takes_away_what_does_not_go_together_with_it() {
        let (_file, flag) = file("dir = \"x\"\nlayout = 3");
        assert!(load(&[&flag], &[]).is_ok());
        let (args, _) = load(&[&flag, "--partition", "hive"], &[]).unwrap();
        assert!(args.partition.is_some() && args.layout == 0);
    }

    #[test]
    fn the_file_may_be_named_by_a_variable_and_be_missing_what_a_flag_has() {
        let (file, _flag) = file("rotate = \"5m\"");
        let path = file.path().to_str().unwrap();
        let (args, _) = load(&["-w", "x"], &[("NF_CONFIG", path)]).unwrap();
        assert_eq!(args.rotate.as_secs(), 300);
        // Alone it means nothing, as on the command line.
        assert!(load(&[], &[("NF_CONFIG", path)]).unwrap_err().contains("--dir"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, expected) in [
            ("prot = 1", "line 1: there is no 'prot'; perhaps 'port'"),
            ("\n\nport = 70000", "line 3: invalid value '70000' for '--port"),
            ("port = [1, 2]", "line 1: 'port' takes one value"),
            ("debug = 1", "line 1: 'debug' is true or false"),
            ("host = true", "line 1: 'host' takes"),
            ("rotate = 1.5\ndir = \"x\"", "line 1: invalid value '1.5'"),
            ("[output]\nport = 1", "line 1: 'output' takes"),
            ("[outputs]\nport = 1", "line 1: there is no 'outputs'"),
            ("[allow]\nx = 1", "line 1: 'allow' takes"),
            ("config = \"x\"", "line 1: 'config' cannot be set in a file"),
            ("port = 1\nport = 2", "line 2"),
            ("port = ", "line 1"),
            ("allow = \"10.0.0.0/33\"", "line 1: invalid value '10.0.0.0/33'"),
        ] {
            let (_file, flag) = file(text);
            let error = load(&[&flag], &[]).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = load(&[], &[("NF_PORT", "x")]).unwrap_err();
        assert!(error.starts_with("NF_PORT: invalid value 'x'"), "{error}");
        assert!(
            load(&["--config", "/nowhere/nf.toml"], &[])
                .unwrap_err()
                .contains("cannot read /nowhere/nf.toml")
        );
        assert!(load(&["-p", "x"], &[]).unwrap_err().starts_with("error: invalid value 'x'"));
    }

    #[test]
    fn every_flag_has_a_key_and_a_variable() {
        let whole = Args::command();
        let command = whole.find_subcommand(COMMAND).unwrap();
        for arg in command.get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
        {
            let name = arg.get_long().unwrap();
            assert_eq!(find(command, name).map(Arg::get_id), Some(arg.get_id()));
            assert!(is_flag(arg) || is_list(arg) || matches!(arg.get_action(), ArgAction::Set), "{name}");
        }
    }
}
