//! A diagnosis for people.

use std::io::{self, Write};
use std::net::IpAddr;

use netflow_doctor::{Diagnosis, DomainFacts, Finding, Source, TemplateFacts};
use netflow_templates::Timestamp;
use netflow_templates::sequence::Convention;

use crate::output::count;

/// Templates that are listed of one domain.
const TEMPLATES: usize = 12;
/// Rates that are listed of one domain.
const RATES: usize = 3;

/// Writes facts and findings by exporter and domain, then the findings that are about no domain in particular.
pub(super) fn write(diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    for (index, facts) in diagnosis.domains.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        heading(facts, out)?;
        for (name, line) in self::facts(facts) {
            writeln!(out, "  {name:<10} {line}")?;
        }
        findings(diagnosis.of_domain(facts), facts, out)?;
    }
    let mut of_exporter = None;
    for finding in diagnosis.of_no_domain() {
        if of_exporter != Some(finding.exporter) {
            of_exporter = Some(finding.exporter);
            let space = if diagnosis.domains.is_empty() { "" } else { "\n" };
            writeln!(out, "{space}{}, all domains", subject(finding.exporter))?;
        }
        self::finding(finding, out)?;
    }
    Ok(())
}

fn subject(exporter: Option<IpAddr>) -> String {
    exporter.map_or_else(|| "All exporters".to_owned(), |exporter| format!("Exporter {exporter}"))
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
    if let Some(interval) = template.interval {
        line.push_str(&format!(", every {}", seconds(interval)));
    }
    line.push_str(&format!(", last {} before the end", seconds(age)));
    line
}

fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

fn loss(facts: &DomainFacts) -> Option<String> {
    let totals = &facts.sequence;
    let unit = if facts.version == 9 { "packet" } else { "record" };
    match facts.convention {
        _ if totals.packets == 0 || (facts.source == Source::Flows && facts.version > 8) => None,
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
        let direction = if skew < 0.0 { "behind" } else { "ahead of" };
        parts.push(format!("{} {direction} the collector's", seconds(skew.abs())));
    }
    if let Some(boot) = facts.clock.boot {
        parts.push(format!("started {:.0}", Timestamp::from_secs(boot as i64)));
    }
    if facts.clock.wraps > 0 {
        parts.push(format!("uptime ran over {}", count(facts.clock.wraps, "time")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn findings<'a>(
    findings: impl Iterator<Item = &'a Finding>,
    facts: &DomainFacts,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut any = false;
    for found in findings {
        any = true;
        finding(found, out)?;
    }
    if any {
        return Ok(());
    }
    match facts.source.not_possible(facts.version) {
        [] => writeln!(out, "  good: everything was checked, and nothing is wrong"),
        _ => writeln!(out, "  good: nothing is wrong with what could be checked"),
    }
}

fn finding(finding: &Finding, out: &mut impl Write) -> io::Result<()> {
    let advice = finding.advice();
    writeln!(out, "  {}: {finding}", finding.severity.as_str())?;
    writeln!(out, "      {}", advice.change)?;
    for command in advice.commands {
        writeln!(out, "      {}: {}", command.platform, command.lines.join(" /"))?;
    }
    Ok(())
}
