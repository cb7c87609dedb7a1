//! Exporters and templates as JSON.

use std::fmt::Write as _;
use std::net::IpAddr;

use netflow_collector::{DomainReport, KnownTemplate, Observer, Prefix};
use serde_json::{Value, json};

use super::http::{Response, Status};

/// Octets of an answer: there may be tens of thousands of exporters, each with thousands of templates.
const MOST: usize = 1 << 20;

/// All exporters, or those that the query asks for: an object for each exporter, observation domain and version.
pub(super) fn exporters(observer: &Observer, query: &str) -> Response {
    listed("exporters", query, &observer.snapshot().report.domains, |domain| domain.exporter, exporter)
}

/// All templates, or those of the exporters that the query asks for: an object for each.
pub(super) fn templates(observer: &Observer, query: &str) -> Response {
    listed("templates", query, &observer.templates(), |known| known.exporter, template)
}

/// `{"NAME":[...],"listed":N,"total":N,"truncated":BOOL}`, an element a line: as many as have room.
fn listed<T>(
    name: &str,
    query: &str,
    all: &[T],
    exporter: impl Fn(&T) -> IpAddr,
    value: impl Fn(&T) -> Value,
) -> Response {
    let wanted = match wanted(query) {
        Ok(wanted) => wanted,
        Err(wrong) => return Response::text(Status::BadRequest, wrong + "\n"),
    };
    let is_wanted =
        |one: &&T| wanted.is_empty() || wanted.iter().any(|prefix| prefix.contains(exporter(one)));
    let (mut body, mut listed, mut total) = (format!("{{\"{name}\":["), 0, 0);
    for one in all.iter().filter(is_wanted) {
        total += 1;
        // Once one had no room, none behind it is shown.
        if listed + 1 < total {
            continue;
        }
        let line = value(one).to_string();
        if listed == 0 || body.len() + line.len() <= MOST {
            body += if listed == 0 { "\n" } else { ",\n" };
            body += &line;
            listed += 1;
        }
    }
    // A String takes every text.
    let _ = writeln!(body, "\n],\"listed\":{listed},\"total\":{total},\"truncated\":{}}}", listed < total);
    Response::json(body)
}

/// The prefixes of `exporter=PREFIX`; none: all.
fn wanted(query: &str) -> Result<Vec<Prefix>, String> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let prefix = |part: &str| match part.split_once('=') {
        Some(("exporter", text)) => unescaped(text).parse::<Prefix>().map_err(|error| error.to_string()),
        _ => Err(format!("'{part}' is not understood: exporter=ADDRESS or exporter=PREFIX")),
    };
    parts.map(prefix).collect()
}

/// A value of a query, which may have colons and slashes as `%3A` and `%2F`.
fn unescaped(text: &str) -> String {
    text.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/").replace("%2f", "/")
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
        "missed": known.then_some(totals.missed),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(query: &str, count: u32, length: usize) -> (Value, Response) {
        let all: Vec<u32> = (0..count).collect();
        let exporter = |number: &u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
        let answer = listed("numbers", query, &all, exporter, |number| json!([number, "x".repeat(length)]));
        (serde_json::from_str(&answer.body).unwrap_or_default(), answer)
    }

    #[test]
    fn an_answer_has_a_bound_and_says_when_something_is_left_out() {
        let (all, _) = numbers("", 1_000, 10);
        assert_eq!((all["numbers"].as_array().unwrap().len(), &all["truncated"]), (1_000, &json!(false)));
        let (some, answer) = numbers("", 100_000, 100);
        assert!(answer.body.len() <= MOST + 100);
        let listed = some["numbers"].as_array().unwrap().len();
        assert_eq!((&some["listed"], &some["total"]), (&json!(listed), &json!(100_000)));
        assert_eq!(some["truncated"], json!(true));
        // One that is too long by itself is shown; nothing is an answer too.
        let (long, _) = numbers("", 3, 2 * MOST);
        assert_eq!((&long["listed"], &long["truncated"]), (&json!(1), &json!(true)));
        let (none, _) = numbers("", 0, 1);
        assert_eq!((&none["numbers"], &none["truncated"]), (&json!([]), &json!(false)));
    }

    #[test]
    fn a_query_chooses_exporters() {
        let (some, _) = numbers("exporter=10.0.0.7&exporter=10.0.1.0%2F31", 1_000, 1);
        let chosen: Vec<_> = some["numbers"].as_array().unwrap().iter().map(|one| one[0].clone()).collect();
        assert_eq!(chosen, [7, 256, 257]);
        for (query, says) in [("exporter=x", "'x' is no address"), ("limit=3", "'limit=3' is not understood")]
        {
            let (_, answer) = numbers(query, 1, 1);
            assert!(answer.status == Status::BadRequest && answer.body.contains(says), "{}", answer.body);
        }
    }
}
