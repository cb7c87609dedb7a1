//! Inputs that several commands take.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use netflow_flow::{FlowReader, OptionsProblems, ReadError};
use netflow_templates::{Registry, SessionConfig, TemplateScope};
use netflow_wire::Message;

use crate::args::{self, Decoding};
use crate::output::{self, count};

/// The configuration of sessions, with the user's elements.
pub(crate) fn session_config(decoding: &Decoding) -> anyhow::Result<SessionConfig> {
    let template_scope = match decoding.template_scope {
        args::TemplateScope::Session => TemplateScope::Session,
        args::TemplateScope::Domain => TemplateScope::Domain,
        args::TemplateScope::Exporter => TemplateScope::Exporter,
    };
    let registry = Arc::new(registry(decoding)?);
    Ok(SessionConfig { template_scope, registry, ..SessionConfig::default() })
}

/// The built-in elements and the user's.
pub(crate) fn registry(decoding: &Decoding) -> anyhow::Result<Registry> {
    let mut registry = Registry::new();
    if let Some(path) = &decoding.elements {
        let text = fs::read_to_string(path).with_context(|| cannot_read(path))?;
        registry.add_csv(&text).with_context(|| format!("{}", path.display()))?;
    }
    Ok(registry)
}

pub(crate) fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// Says what a reader left out of a flow file that it read.
pub(crate) fn note_left_out(name: &str, reader: &FlowReader<'_>) {
    let unknown = reader.unknown_fields();
    if !unknown.is_empty() {
        // They come from the file, and go to a terminal.
        let names: Vec<_> = unknown.iter().map(|name| name.escape_debug().to_string()).collect();
        let names = names.join(", ");
        output::note(format_args!("{name}: fields that are not known were left out: {names}"));
    }
    if let Some(OptionsProblems { count: problems, first, line }) = reader.options_problems() {
        let problems = count(problems, "problem");
        output::note(format_args!("{name}: {problems} with options data, the first in line {line}: {first}"));
    }
}

/// Why a file of flows cannot be read. What came here is no capture, which the error itself does not know.
pub(crate) fn no_flows(name: &str, error: ReadError) -> anyhow::Error {
    let advice = match error {
        ReadError::UnknownFormat { .. } => {
            ", so it is no pcap or pcapng capture either (`nf decode -f` reads raw export packets and hex)"
        }
        _ => "",
    };
    anyhow!("{name}: {error}{advice}")
}

/// Hands `decode` the export packets that follow each other in `octets`, with where each starts: one, or IPFIX
/// messages. It says how long each is; nothing ends it.
pub(crate) fn messages(octets: &[u8], mut decode: impl FnMut(usize, &[u8]) -> Option<usize>) {
    let mut next = (!octets.is_empty()).then_some(octets);
    while let Some(rest) = next {
        let length = decode(octets.len() - rest.len(), rest);
        next = length.and_then(|length| Message::following(rest, length));
    }
}
