//! Exporters and templates as JSON.

use netflow_collector::{DomainReport, KnownTemplate, Observer};
use serde_json::{Value, json};

/// An array with an object for each exporter, observation domain and version.
pub(super) fn exporters(observer: &Observer) -> String {
    let report = observer.snapshot().report;
    lines(report.domains.iter().map(exporter))
}

/// An array with an object for each template.
pub(super) fn templates(observer: &Observer) -> String {
    lines(observer.templates().iter().map(template))
}

/// An element a line.
fn lines(values: impl Iterator<Item = Value>) -> String {
    let lines: Vec<_> = values.map(|value| value.to_string()).collect();
    match lines.is_empty() {
        true => "[]\n".to_owned(),
        false => format!("[\n{}\n]\n", lines.join(",\n")),
    }
}

fn exporter(domain: &DomainReport) -> Value {
    let totals = &domain.sequence;
    let known = domain.loss_is_known();
    json!({
        "exporter": domain.exporter.to_string(),
        "domain": domain.domain,
        "version": domain.version,
        "packets": domain.packets,
        "flows": domain.flows,
        "undecoded_sets": domain.undecoded_sets,
        "unit": unit(domain),
        "expected": known.then_some(totals.expected),
        "lost": known.then_some(totals.lost),
        "duplicates": totals.duplicates,
        "reordered": totals.reordered,
        "restarts": totals.restarts,
        "first_received": domain.first_received.to_string(),
        "last_received": domain.last_received.to_string(),
    })
}

/// What sequence numbers count.
pub(super) fn unit(domain: &DomainReport) -> &'static str {
    if domain.version == 9 { "packets" } else { "records" }
}

fn template(known: &KnownTemplate) -> Value {
    let plan = &known.plan;
    let fields = plan.fields().iter().map(|field| {
        let element = field.element();
        json!({
            "name": field.name(),
            "enterprise": element.enterprise,
            "id": element.id,
            "length": (!field.is_variable()).then(|| field.length()),
        })
    });
    json!({
        "exporter": known.exporter.to_string(),
        "domain": known.domain,
        "version": known.version,
        "template": plan.template_id(),
        "options": plan.is_options(),
        "scope_fields": plan.scope_count(),
        "refreshed": known.refreshed.to_string(),
        "fields": fields.collect::<Vec<_>>(),
    })
}
