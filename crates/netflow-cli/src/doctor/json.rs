//! A diagnosis as lines of JSON.

use std::io::Write;

use netflow_doctor::{Diagnosis, DomainFacts, Finding};
use serde_json::{Value, json};

/// Writes a line for each exporter and domain, and one for each finding that is about no domain in particular.
pub(super) fn write(diagnosis: &Diagnosis, out: &mut impl Write) -> anyhow::Result<()> {
    for facts in &diagnosis.domains {
        let findings = findings(diagnosis.of_domain(facts))?;
        writeln!(out, "{}", domain(facts, findings)?)?;
    }
    for found in diagnosis.of_no_domain() {
        let line = json!({
            "exporter": found.exporter,
            "domain": null,
            "findings": [finding(found)?],
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn domain(facts: &DomainFacts, findings: Vec<Value>) -> anyhow::Result<Value> {
    let totals = &facts.sequence;
    Ok(json!({
        "exporter": facts.exporter,
        "domain": facts.domain,
        "version": facts.version,
        "source": facts.source,
        "packets": facts.packets,
        "flows": facts.flows,
        "options_records": facts.options,
        "first_received": facts.first.to_string(),
        "last_received": facts.last.to_string(),
        "templates": facts.templates,
        "sequence": {
            "unit": if facts.version == 9 { "packets" } else { "records" },
            "convention": facts.convention_name(),
            "partial": facts.partial,
            "expected": totals.expected,
            "received": totals.received,
            "lost": totals.lost,
            "reordered_packets": totals.reordered,
            "duplicate_packets": totals.duplicates,
            "restarts": totals.restarts,
        },
        "sampling": facts.sampling,
        "clock": facts.clock,
        "not_checked": facts.source.not_possible(facts.version),
        "findings": findings,
    }))
}

fn findings<'a>(findings: impl Iterator<Item = &'a Finding>) -> anyhow::Result<Vec<Value>> {
    findings.map(finding).collect()
}

/// The finding's members, and what it says to people.
fn finding(finding: &Finding) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(finding)?;
    if let Value::Object(members) = &mut value {
        members.insert("text".to_owned(), finding.to_string().into());
        members.insert("advice".to_owned(), serde_json::to_value(finding.advice())?);
    }
    Ok(value)
}
