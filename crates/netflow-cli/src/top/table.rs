//! Groups as a table for people.

use std::io::Write;

use netflow_flow::{protocol_name, service_name};
use netflow_query::{Group, KeyValue, Measure, Totals};
use netflow_templates::Timestamp;

use super::Shown;
use crate::output;

/// A row of the table: what is in front, and what was counted, of how much.
struct Row {
    front: Vec<String>,
    totals: Totals,
    of: Totals,
}

pub(super) fn write(out: &mut impl Write, shown: &Shown<'_>) -> anyhow::Result<()> {
    let top = shown.top;
    let correction = if shown.args.raw { "as exported" } else { "corrected for sampling" };
    let keys = top.keys.join(",");
    let shown_groups = top.groups.len();
    let head = match u64::try_from(shown_groups) {
        Ok(all) if all == top.count => format!("All {all}"),
        _ => format!("Top {shown_groups} of {}", top.count),
    };
    output::line(
        out,
        &format!("{head} by {keys}, in order of {}; octets and packets {correction}", shown.measure()),
    )?;
    let mut names = top.keys.clone();
    let mut rows = Vec::new();
    if shown.args.every.is_some() {
        names.insert(0, "start".to_owned());
        for step in &top.steps {
            let start = time(step.start);
            let mut groups: Vec<_> =
                top.groups.iter().filter_map(|group| Some((group, in_step(group, step.start)?))).collect();
            groups.sort_by_key(|(_, totals)| std::cmp::Reverse(totals.of(shown.by)));
            for (group, totals) in groups {
                let front = [vec![start.clone()], keys_of(group, shown)].concat();
                rows.push(Row { front, totals, of: step.totals });
            }
            let all =
                [vec![start, "all".to_owned()], vec![String::new(); names.len().saturating_sub(2)]].concat();
            rows.push(Row { front: all, totals: step.totals, of: step.totals });
        }
    } else {
        for group in &top.groups {
            rows.push(Row { front: keys_of(group, shown), totals: group.totals, of: top.total });
        }
    }
    let all = [vec!["all".to_owned()], vec![String::new(); names.len().saturating_sub(1)]].concat();
    rows.push(Row { front: all, totals: top.total, of: top.total });
    write_rows(out, &names, &rows, shown)
}

fn in_step(group: &Group, start: Timestamp) -> Option<Totals> {
    group.steps.iter().find(|step| step.start == start).map(|step| step.totals)
}

fn write_rows(out: &mut impl Write, names: &[String], rows: &[Row], shown: &Shown<'_>) -> anyhow::Result<()> {
    let measures = [("bytes", Measure::Bytes), ("packets", Measure::Packets), ("flows", Measure::Flows)];
    let mut cells: Vec<Vec<String>> = vec![names.to_vec()];
    for (name, _) in measures {
        cells[0].extend([name.to_owned(), "%".to_owned()]);
    }
    for row in rows {
        let mut line = row.front.clone();
        for (_, measure) in measures {
            let (part, of) = (row.totals.of(measure), row.of.of(measure));
            line.push(if shown.args.plain { part.to_string() } else { rounded(part) });
            line.push(percent(part, of));
        }
        cells.push(line);
    }
    let columns = names.len() + 2 * measures.len();
    let width = |column: usize| {
        cells.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for line in &cells {
        let mut text = String::new();
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            // Two blanks between columns, one before a share.
            let gap = match column {
                0 => 0,
                _ if column >= names.len() && (column - names.len()) % 2 == 1 => 1,
                _ => 2,
            };
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            text.push_str(&" ".repeat(gap));
            match column < names.len() {
                true => text.extend([cell.as_str(), &pad]),
                false => text.extend([&pad, cell.as_str()]),
            }
        }
        output::line(out, text.trim_end())?;
    }
    Ok(())
}

fn keys_of(group: &Group, shown: &Shown<'_>) -> Vec<String> {
    let keys = shown.top.keys.iter().zip(&group.keys);
    keys.map(|(name, value)| text(name, value, shown)).collect()
}

/// A value as people read it.
fn text(name: &str, value: &KeyValue, shown: &Shown<'_>) -> String {
    match value {
        KeyValue::Absent => "-".to_owned(),
        _ if shown.args.plain => value.to_string(),
        KeyValue::Number(number) if name == "proto" => {
            let known = u8::try_from(*number).ok().and_then(protocol_name);
            known.map_or_else(|| number.to_string(), str::to_owned)
        }
        KeyValue::Number(number) if name == "tcp_flags" => flags(*number),
        KeyValue::Service(protocol, port) => service(*protocol, *port, shown),
        KeyValue::Time(start) => time(*start),
        other => other.to_string(),
    }
}

/// The name of a service, or its protocol and port.
pub(super) fn service(protocol: u8, port: u16, shown: &Shown<'_>) -> String {
    let known = shown.services.name(protocol, port).or_else(|| service_name(protocol, port));
    if let (Some(name), true) = (known, port > 0) {
        return name.to_owned();
    }
    let name = protocol_name(protocol).map_or_else(|| protocol.to_string(), str::to_owned);
    if port == 0 { name } else { format!("{name}/{port}") }
}

/// TCP flags as nfdump shows them.
fn flags(number: u64) -> String {
    let letters = "CEUAPRSF".chars().enumerate();
    letters.map(|(at, letter)| if number >> (7 - at) & 1 == 1 { letter } else { '.' }).collect()
}

fn time(time: Timestamp) -> String {
    match time.as_nanos() % 1_000_000_000 {
        0 => format!("{time:.0}"),
        _ => format!("{time:.3}"),
    }
}

/// A number of at most four digits, and what they stand for: K, M, G, T of 1000, as nfdump's.
fn rounded(number: u64) -> String {
    let units = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")];
    let found = units.into_iter().find(|&(unit, _)| number as f64 >= unit);
    found.map_or_else(|| number.to_string(), |(unit, letter)| format!("{:.1} {letter}", number as f64 / unit))
}

fn percent(part: u64, of: u64) -> String {
    if of == 0 { "-".to_owned() } else { format!("{:.1}", part as f64 * 100.0 / of as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_as_nfdump_does() {
        let numbers = [0, 999, 999_999, 1_000_000, 53_970_552, 30_733_450_925, u64::MAX];
        assert_eq!(numbers.map(rounded), ["0", "999", "999999", "1.0 M", "54.0 M", "30.7 G", "18.4 E"]);
        assert_eq!([percent(1, 3), percent(0, 0), percent(5, 5)], ["33.3", "-", "100.0"]);
    }

    #[test]
    fn flags_have_letters() {
        assert_eq!([0, 0x12, 0xff].map(flags), ["........", "...A..S.", "CEUAPRSF"]);
    }
}
