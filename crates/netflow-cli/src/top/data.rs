//! Groups for programs: exact numbers.

use std::io::{self, Write};

use netflow_query::{Group, KeyValue, Step, Totals};
use netflow_templates::Timestamp;
use serde_json::{Value, json};

use super::{Shown, table};

/// One object of all.
pub(super) fn write_json(out: &mut impl Write, shown: &Shown<'_>) -> anyhow::Result<()> {
    let top = shown.top;
    let every = shown.args.every.is_some();
    let groups = top.groups.iter().map(|group| {
        let mut members = keys(group, shown);
        members.extend(totals(group.totals, shown));
        members.push(("share", json!(share(group.totals, top.total, shown)).to_string()));
        if every {
            members.push(("steps", steps(&group.steps, shown)));
        }
        object(&members)
    });
    let mut members = vec![
        ("keys", json!(top.keys).to_string()),
        ("by", json!(shown.measure()).to_string()),
        ("sampling", json!(if shown.args.raw { "raw" } else { "corrected" }).to_string()),
        ("groups", array(groups)),
        ("group_count", top.count.to_string()),
        ("total", object(&totals(top.total, shown))),
        ("records", top.records.to_string()),
    ];
    if every {
        members.push(("steps", steps(&top.steps, shown)));
    }
    // No group lacks more than what is counted as others.
    members.push(("exact", (top.other.flows == 0).to_string()));
    members.push(("other", object(&totals(top.other, shown))));
    members.push(("spilled_octets", top.spilled.to_string()));
    writeln!(out, "{}", object(&members))?;
    Ok(())
}

/// An object a line.
pub(super) fn write_ndjson(out: &mut impl Write, shown: &Shown<'_>) -> anyhow::Result<()> {
    each(shown, |start, group, counted, of| {
        let mut members = Vec::new();
        members.extend(start.map(|start| ("start", json!(start.to_string()).to_string())));
        members.extend(keys(group, shown));
        members.extend(totals(counted, shown));
        members.push(("share", json!(share(counted, of, shown)).to_string()));
        writeln!(out, "{}", object(&members))
    })?;
    Ok(())
}

/// CSV with a heading.
pub(super) fn write_csv(out: &mut impl Write, shown: &Shown<'_>) -> anyhow::Result<()> {
    let start = shown.args.every.map(|_| "start");
    let heading: Vec<_> = start.into_iter().chain(shown.top.keys.iter().map(String::as_str)).collect();
    writeln!(out, "{},{},flows,share", heading.join(","), measures(shown).join(","))?;
    each(shown, |start, group, totals, of| {
        if let Some(start) = start {
            write!(out, "{start},")?;
        }
        for value in &group.keys {
            write_cell(out, &cell(value, shown))?;
            write!(out, ",")?;
        }
        let Totals { bytes, packets, flows } = totals;
        writeln!(out, "{bytes},{packets},{flows},{}", share(totals, of, shown))
    })?;
    Ok(())
}

/// Each group, or each step of time with the groups that it has.
fn each(
    shown: &Shown<'_>,
    mut take: impl FnMut(Option<Timestamp>, &Group, Totals, Totals) -> io::Result<()>,
) -> io::Result<()> {
    let top = shown.top;
    if shown.args.every.is_none() {
        return top.groups.iter().try_for_each(|group| take(None, group, group.totals, top.total));
    }
    for of in &top.steps {
        for group in &top.groups {
            if let Some(step) = group.steps.iter().find(|step| step.start == of.start) {
                take(Some(of.start), group, step.totals, of.totals)?;
            }
        }
    }
    Ok(())
}

/// Names of octets and packets: those of columns.
fn measures(shown: &Shown<'_>) -> [&'static str; 2] {
    if shown.args.raw { ["bytes_raw", "packets_raw"] } else { ["bytes", "packets"] }
}

/// Members of an object, whose values are JSON already.
type Members<'a> = Vec<(&'a str, String)>;

fn object(members: &[(&str, String)]) -> String {
    let members = members.iter().map(|(name, value)| format!("{}:{value}", json!(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn array(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

fn steps(steps: &[Step], shown: &Shown<'_>) -> String {
    let step = |step: &Step| {
        let mut members = vec![("start", json!(step.start.to_string()).to_string())];
        members.extend(totals(step.totals, shown));
        object(&members)
    };
    array(steps.iter().map(step))
}

fn totals(totals: Totals, shown: &Shown<'_>) -> Members<'static> {
    let [bytes, packets] = measures(shown);
    vec![
        (bytes, totals.bytes.to_string()),
        (packets, totals.packets.to_string()),
        ("flows", totals.flows.to_string()),
    ]
}

/// The part of the total, by what groups are sorted by.
fn share(totals: Totals, of: Totals, shown: &Shown<'_>) -> f64 {
    let (part, of) = (totals.of(shown.by), of.of(shown.by));
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn keys<'a>(group: &Group, shown: &Shown<'a>) -> Members<'a> {
    let keys = shown.top.keys.iter().zip(&group.keys);
    let members = keys.map(|(name, value)| {
        let value = match value {
            KeyValue::Absent => Value::Null,
            KeyValue::Number(number) => json!(number),
            other => json!(cell(other, shown)),
        };
        (name.as_str(), value.to_string())
    });
    members.collect()
}

fn cell(value: &KeyValue, shown: &Shown<'_>) -> String {
    match *value {
        KeyValue::Service(protocol, port) if !shown.args.plain => table::service(protocol, port, shown),
        _ => value.to_string(),
    }
}

/// A cell of CSV, quoted where it has to be (RFC 4180).
fn write_cell(out: &mut impl Write, text: &str) -> io::Result<()> {
    match text.contains([',', '"', '\n', '\r']) {
        true => write!(out, "\"{}\"", text.replace('"', "\"\"")),
        false => write!(out, "{text}"),
    }
}
