//! SIGHUP: the configuration and the files for TLS are read again, files of flows are opened again.

use netflow_collector::{Collector, Rules};
use netflow_templates::Limits;

use super::listen;
use super::outputs::Outputs;
use super::watch::Watch;
use crate::args::{Args, Collect, Command};
use crate::configuration::{self, LoadError, Loaded, Setting};

/// Settings that take effect while a collector runs.
const AT_RUN_TIME: [&str; 4] = ["allow", "rate-limit", "max-templates", "template-lifetime"];

/// Who may send how much.
pub(super) fn rules(args: &Collect) -> Rules {
    let operation = &args.operation;
    let mut limits = Limits { template_lifetime: args.template_lifetime, ..Limits::default() };
    if let Some(templates) = operation.max_templates {
        limits.templates = templates.get();
    }
    Rules { allow: operation.allow.clone(), rate: operation.rate_limit, limits }
}

/// Reads the configuration again, and has `collector` heed it. When it is wrong, all stays as it is.
pub(super) fn reload(settings: &mut Vec<Setting>, collector: &Collector, outputs: &Outputs, watch: &Watch) {
    outputs.reopen();
    match collector.renew_tls() {
        Ok(true) => watch.say("certificate and key for TLS are read again, for connections that come now"),
        Ok(false) => {}
        Err(error) => {
            let advice = listen::tls_advice(&error);
            watch.say(format_args!("certificate and key for TLS stay as they were: {error}{advice}"));
        }
    }
    let loaded = match configuration::load() {
        Ok(Loaded { args: Args { command: Command::Collect(args) }, settings }) => Ok((args, settings)),
        Ok(_) => return,
        Err(LoadError::Usage(error)) => Err(error.to_string()),
        Err(LoadError::Configuration(error)) => Err(format!("{error:#}")),
    };
    let (args, new) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            return watch.say(format_args!("the configuration stays as it was: {error}"));
        }
    };
    apply(&args, &new, settings, collector, watch);
    // The others hold as they were, and are told of again.
    settings.retain(|setting| !at_run_time(&setting.name));
    settings.extend(new.into_iter().filter(|setting| at_run_time(&setting.name)));
}

fn at_run_time(name: &str) -> bool {
    AT_RUN_TIME.contains(&name)
}

fn apply(args: &Collect, new: &[Setting], old: &[Setting], collector: &Collector, watch: &Watch) {
    let changed = changed(old, new);
    let (now, restart): (Vec<_>, Vec<_>) = changed.into_iter().partition(|name| at_run_time(name));
    if !now.is_empty() {
        collector.change_rules(rules(args));
        watch.say(format_args!("changed: {}", now.join(", ")));
    }
    if !restart.is_empty() {
        watch.say(format_args!("changed, but takes a restart: {}", restart.join(", ")));
    }
    if now.is_empty() && restart.is_empty() {
        watch.say("read again, nothing changed");
    }
}

/// Names of the settings that are not as they were.
fn changed(old: &[Setting], new: &[Setting]) -> Vec<String> {
    let has = |settings: &[Setting], one: &Setting| {
        settings.iter().any(|other| other.name == one.name && other.values == one.values)
    };
    let gone = old.iter().filter(|setting| !has(new, setting));
    let come = new.iter().filter(|setting| !has(old, setting));
    let mut names: Vec<_> = gone.chain(come).map(|setting| setting.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Origin;

    #[test]
    fn what_was_set_otherwise_added_or_left_out_has_changed() {
        let set = |settings: &[(&str, &str)]| -> Vec<Setting> {
            let origin = Origin::CommandLine;
            let one = |&(name, value): &(&str, &str)| Setting {
                name: name.to_owned(),
                values: vec![value.into()],
                origin: origin.clone(),
            };
            settings.iter().map(one).collect()
        };
        let (old, new) =
            (set(&[("a", "1"), ("b", "1"), ("c", "1")]), set(&[("a", "1"), ("b", "2"), ("d", "1")]));
        assert_eq!(changed(&old, &new), ["b", "c", "d"]);
        assert!(changed(&old, &old).is_empty());
    }
}
