//! What is said about state that is kept.

use std::io;

use netflow_collector::{StateError, StateEvent};

use crate::output::count;

/// The sentence for something that happened to the state.
pub(super) fn sentence(event: StateEvent) -> String {
    match event {
        StateEvent::Restored { path, written, templates, waiting_sets } => format!(
            "goes on from {}, written {written}: {}, {} without theirs",
            path.display(),
            count(templates as u64, "template"),
            count(waiting_sets as u64, "data set"),
        ),
        StateEvent::Unreadable { path, error, aside } => {
            let advice = match error {
                StateError::Version(_) => ": another version of nf wrote it",
                StateError::Scope => ": --template-scope is another one than before",
                _ => "",
            };
            let aside = aside.map_or(String::new(), |aside| format!("; it is kept as {}", aside.display()));
            format!("{}: nothing is known of earlier runs, as {error}{advice}{aside}", path.display())
        }
        StateEvent::NotWritten { path, source } => {
            let advice = match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => " (`df -h`, `df -i`)",
                io::ErrorKind::PermissionDenied => {
                    " (whoever runs nf must be able to write in the directory)"
                }
                _ => "",
            };
            format!(
                "cannot write {}: {source}{advice}; until it can be, what is learned will not be known after a restart",
                path.display()
            )
        }
        StateEvent::WritesAgain { path } => format!("{} is written again", path.display()),
        _ => "something happened to the state that is kept".into(),
    }
}
