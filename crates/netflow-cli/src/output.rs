//! What all commands say in the same way.

use std::fmt::Display;
use std::io::{self, Write};

/// Says on stderr that something went wrong. A stderr that is closed hears nothing.
pub(crate) fn error(message: impl Display) {
    let _ = writeln!(io::stderr(), "nf: {message}");
}

/// Says on stderr what is worth knowing.
pub(crate) fn note(message: impl Display) {
    let _ = writeln!(io::stderr(), "nf: {message}");
}

/// Whether an error says only that nobody reads the output any more.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// A number with a noun, in the plural unless it is one.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
