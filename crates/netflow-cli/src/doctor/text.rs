//! A diagnosis for people.

use std::io::{self, Write};
use std::net::IpAddr;

use netflow_doctor::{Command, Diagnosis, DomainFacts, Finding, Seconds, Source, TemplateFacts};
use netflow_templates::Timestamp;
use netflow_templates::sequence::Convention;

use crate::output::count;

/// Templates that are listed of one domain.
const TEMPLATES: usize = 12;
/// Seconds below which a length of time says nothing about a template.
const SHORT: f64 = 0.1;
/// Rates that are listed of one domain.
const RATES: usize = 3;

/// Writes facts and findings by exporter and domain, then the findings that are about no domain in particular.
pub(super) fn write(diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    let mut told = Told::default();
    for (index, facts) in diagnosis.domains.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        heading(facts, out)?;
        for (name, line) in self::facts(facts) {
            writeln!(out, "  {name:<10} {line}")?;
        }
        if told.findings(diagnosis.of_domain(facts), out)? == 0 {
            writeln!(out, "  good       {}", good(facts))?;
        }
    }
    let mut of_no_domain: Vec<_> = diagnosis.of_no_domain().collect();
    of_no_domain.sort_by_key(|finding| finding.exporter);
    for (index, alike) in of_no_domain.chunk_by(|one, other| one.exporter == other.exporter).enumerate() {
        if index > 0 || !diagnosis.domains.is_empty() {
            writeln!(out)?;
        }
        writeln!(out, "{}, all domains", subject(alike[0].exporter))?;
        told.findings(alike.iter().copied(), out)?;
    }
    Ok(())
}

fn subject(exporter: Option<IpAddr>) -> String {
    match exporter {
        Some(exporter) if exporter.is_unspecified() => "Unknown exporter".to_owned(),
        Some(exporter) => format!("Exporter {exporter}"),
        None => "All exporters".to_owned(),
    }
}

fn heading(facts: &DomainFacts, out: &mut impl Write) -> io::Result<()> {
    let version = match facts.version {
        10 => "IPFIX".to_owned(),
        version => format!("NetFlow v{version}"),
    };
    write!(out, "{}, domain {}, {version}", subject(Some(facts.exporter)), facts.domain)?;
    if facts.source == Source::Flows {
        write!(out, ", from a flow file")?;
    }
    writeln!(out)
}

/// What is known, line by line: what it is about, and the line.
fn facts(facts: &DomainFacts) -> Vec<(&'static str, String)> {
    let mut lines = vec![("seen", seen(facts))];
    let mut name = "templates";
    let mut templates: Vec<_> = facts.templates.iter().collect();
    // Those that are used, or waited for, before the others.
    templates
        .sort_by_key(|template| (template.records == 0 && template.waiting_sets == 0, template.template_id));
    for known in templates.iter().take(TEMPLATES) {
        lines.push((name, template(known)));
        name = "";
    }
    if templates.len() > TEMPLATES {
        lines.push(("", format!("and {} more", templates.len() - TEMPLATES)));
    }
    if let Some(loss) = loss(facts) {
        lines.push(("loss", loss));
    }
    if let Some(sampling) = sampling(facts) {
        lines.push(("sampling", sampling));
    }
    if let Some(clock) = clock(facts) {
        lines.push(("clock", clock));
    }
    let not_possible = facts.source.not_possible(facts.version);
    if !not_possible.is_empty() {
        lines.push(("unchecked", not_possible.join("; ")));
    }
    lines
}

fn seen(facts: &DomainFacts) -> String {
    let mut line = format!("{}, {}", count(facts.packets, "packet"), count(facts.flows, "flow"));
    if facts.options > 0 {
        line.push_str(&format!(", {}", count(facts.options, "options record")));
    }
    if facts.first > Timestamp::EPOCH {
        line.push_str(&format!("; {:.0} to {:.0}", facts.first, facts.last));
    }
    line
}

fn template(template: &TemplateFacts) -> String {
    let id = template.template_id;
    let Some(age) = template.age else {
        let (sets, octets) = (count(template.waiting_sets, "data set"), template.waiting_octets);
        return format!("{id}: never sent; {sets} of {octets} octets without it");
    };
    let mut line = format!("{id}: ");
    if template.options {
        line.push_str("options, ");
    }
    line.push_str(&format!(
        "{}, {}, sent {}",
        count(template.fields as u64, "field"),
        count(template.records, "record"),
        count(template.sent, "time")
    ));
    if let Some(interval) = template.interval.filter(|&interval| interval >= SHORT) {
        line.push_str(&format!(", every {}", Seconds(interval)));
    }
    if age >= SHORT {
        line.push_str(&format!(", last {} before the end", Seconds(age)));
    }
    line
}

fn loss(facts: &DomainFacts) -> Option<String> {
    let totals = &facts.sequence;
    let unit = if facts.version == 9 { "packet" } else { "record" };
    match facts.convention {
        _ if totals.packets == 0 || (facts.source == Source::Flows && facts.version > 8) => None,
        _ if facts.partial => Some("unknown: the file has not all flows".to_owned()),
        Convention::Other => Some("unknown: sequence numbers count something else".to_owned()),
        Convention::Unknown => Some("unknown: too few packets to tell".to_owned()),
        _ if totals.lost == 0 => Some(format!("none, of {}", count(totals.expected, unit))),
        _ => Some(format!("{} of {}", totals.lost, count(totals.expected, unit))),
    }
}

fn sampling(facts: &DomainFacts) -> Option<String> {
    use netflow_flow::SamplingSource as S;
    let rates = &facts.sampling.rates;
    let mut parts: Vec<_> = rates
        .iter()
        .take(RATES)
        .map(|used| {
            let who = match used.said.source {
                S::Assumed => "assumed, as nothing says a rate",
                S::Record => "by the records",
                S::Options => "by options data",
                S::OptionsOtherDomain => "by options data of another domain",
                S::Header => "by the header",
                S::Override => "by the user",
            };
            let flows =
                if rates.len() > 1 { format!(", {}", count(used.flows, "flow")) } else { String::new() };
            format!("1:{} ({who}{flows})", used.said.rate)
        })
        .collect();
    if rates.len() > RATES {
        parts.push(format!("and {} more", rates.len() - RATES));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn clock(facts: &DomainFacts) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(skew) = facts.clock.skew {
        parts.push(match skew {
            -2.0..=2.0 => "in step with the collector's".to_owned(),
            ..0.0 => format!("{} behind the collector's", Seconds(-skew)),
            _ => format!("{} ahead of the collector's", Seconds(skew)),
        });
    }
    if let Some(boot) = facts.clock.boot {
        parts.push(format!("started {:.0}", Timestamp::from_secs(boot as i64)));
    }
    if facts.clock.wraps > 0 {
        parts.push(format!("uptime ran over {}", count(facts.clock.wraps, "time")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn good(facts: &DomainFacts) -> &'static str {
    if facts.is_complete() {
        "everything was checked, and nothing is wrong"
    } else {
        "nothing is wrong with what could be checked"
    }
}

/// What was said before: commands are told once.
#[derive(Default)]
struct Told(Vec<Vec<Command>>);

impl Told {
    /// Writes findings, and behind those with the same advice what to change; says how many they were.
    fn findings<'a>(
        &mut self,
        findings: impl Iterator<Item = &'a Finding>,
        out: &mut impl Write,
    ) -> io::Result<usize> {
        let findings: Vec<_> = findings.map(|finding| (finding, finding.advice())).collect();
        for alike in findings.chunk_by(|(_, one), (_, other)| one == other) {
            for (finding, _) in alike {
                writeln!(out, "  {:<10} {finding}", finding.severity.as_str())?;
            }
            let advice = &alike[0].1;
            writeln!(out, "{:13}{}", "", advice.change)?;
            if advice.commands.is_empty() || self.0.iter().any(|told| told[..] == *advice.commands) {
                continue;
            }
            self.0.push(advice.commands.to_vec());
            for command in &*advice.commands {
                writeln!(out, "{:13}{}: {}", "", command.platform, command.lines.join(" /"))?;
            }
        }
        Ok(findings.len())
    }
}
