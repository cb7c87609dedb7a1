//! Inputs that several commands take.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use netflow_templates::{Registry, SessionConfig, TemplateScope};

use crate::args::{self, Decoding};

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

/// Hands `decode` the export packets that follow each other in `octets`, with where each starts: one, or IPFIX
/// messages. It says how long each is; nothing ends it.
pub(crate) fn messages(octets: &[u8], mut decode: impl FnMut(usize, &[u8]) -> Option<usize>) {
    let mut at = 0;
    // An IPFIX message may be followed by zeros that some exporters fill a datagram with.
    while at < octets.len() && (at == 0 || octets[at..].iter().any(|&octet| octet != 0)) {
        match decode(at, &octets[at..]) {
            Some(length @ 1..) => at += length,
            _ => break,
        }
    }
}

/// Octets from hex as people paste it: `0x`, spaces, colons, dots and line ends are passed over.
pub(crate) fn hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut half = None;
    for part in text.split([' ', '\t', '\n', '\r', ':', '.', ',', '-']) {
        let part = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")).unwrap_or(part);
        for digit in part.chars() {
            let Some(value) = digit.to_digit(16) else { bail!("'{digit}' is no hexadecimal digit") };
            match half.take() {
                Some(high) => octets.push(((high << 4) | value) as u8),
                None => half = Some(value),
            }
        }
    }
    if half.is_some() {
        bail!("an odd number of hexadecimal digits: the last octet has only one");
    }
    if octets.is_empty() {
        bail!("no hexadecimal digits");
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_as_people_paste_it() {
        assert_eq!(hex("0x00 05:00-1e\n0X01").unwrap(), [0, 5, 0, 0x1e, 1]);
        assert_eq!(hex("0005001e").unwrap(), [0, 5, 0, 0x1e]);
        assert!(hex("0005g").is_err());
        assert!(hex("000").is_err());
        assert!(hex(" ").is_err());
    }
}
