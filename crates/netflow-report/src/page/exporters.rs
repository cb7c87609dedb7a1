//! How well each exporter could be heard.

use crate::html::{Html, html};
use crate::report::{Exporter, Loss, Report};
use crate::svg::time_axis::date_and_time;
use crate::units;

/// Windows that the strip of losses has room for; more are put together.
const STRIP: usize = 96;

pub(super) fn write(out: &mut Html, report: &Report) {
    html!(
        out,
        "<section id=\"exporters\" aria-labelledby=\"exporters-title\">\n<h2 id=\"exporters-title\">Exporter health</h2>\n<div class=\"card\">\n"
    );
    if report.exporters.is_empty() {
        html!(out, "<p class=\"empty\">No exporter was heard.</p>\n</div>\n</section>\n");
        return;
    }
    html!(
        out,
        "<table class=\"health\"><thead><tr><th scope=\"col\">Exporter</th><th scope=\"col\">Export</th><th scope=\"col\" class=\"n\">Flows</th>\
         <th scope=\"col\" class=\"n\">Volume</th><th scope=\"col\">Sampling</th><th scope=\"col\">Lost on the way</th><th scope=\"col\">What else</th></tr></thead><tbody>\n"
    );
    for exporter in &report.exporters {
        row(out, report, exporter);
    }
    html!(out, "</tbody></table>\n");
    let all = "Losses are those of all that the exporters sent, whatever the filter; they are known from sequence numbers, \
               where the collector wrote a table of losses.";
    report.write_basis(out, None, all);
    html!(out, "</div>\n</section>\n");
}

fn row(out: &mut Html, report: &Report, exporter: &Exporter) {
    let versions: Vec<String> = exporter.versions.iter().map(|version| version_name(*version)).collect();
    html!(
        out,
        "<tr><th scope=\"row\"><bdi>{}</bdi> <small class=\"line\">domain {}</small></th><td>{}",
        exporter.address,
        exporter.domain,
        versions.join(", ")
    );
    if !exporter.templates.is_empty() {
        html!(
            out,
            " <small>template{} {}</small>",
            if exporter.templates.len() == 1 { "" } else { "s" },
            listed(&exporter.templates)
        );
    }
    html!(
        out,
        "</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>",
        units::count(exporter.amount.flows),
        units::bytes(exporter.amount.bytes)
    );
    for (rate, source) in &exporter.sampling {
        html!(out, "<span class=\"line\">1:{} <small>{}</small></span>", units::grouped(*rate), source);
    }
    html!(out, "</td><td>");
    match &exporter.loss {
        None => html!(
            out,
            "<span class=\"state unknown\">not known</span> <small>no table of losses</small></td><td>"
        ),
        Some(loss) => {
            lost(out, report, loss);
            html!(out, "</td><td>");
            others(out, loss);
        }
    }
    html!(out, "</td></tr>\n");
}

fn lost(out: &mut Html, report: &Report, loss: &Loss) {
    let Some(expected) = loss.expected else {
        html!(
            out,
            "<span class=\"state unknown\">not known</span> <small>sequence numbers follow no rule</small>"
        );
        return;
    };
    if loss.lost == 0 {
        html!(
            out,
            "<span class=\"state good\">none</span> <small>of {} {}</small>",
            units::count(expected),
            loss.unit
        );
    } else {
        html!(
            out,
            "<span class=\"state bad\">{}</span> <small>{} of {} {}</small>",
            units::share(loss.lost, expected),
            units::count(loss.lost),
            units::count(expected),
            loss.unit
        );
        if loss.windows.len() > 1 {
            strip(out, report, loss);
        }
    }
}

/// Loss over time, as bars; the highest is as high as the strip.
fn strip(out: &mut Html, report: &Report, loss: &Loss) {
    let together = loss.windows.len().div_ceil(STRIP);
    let bars: Vec<(u64, u64)> = loss
        .windows
        .chunks(together)
        .map(|windows| {
            windows.iter().fold((0_u64, 0_u64), |(expected, lost), window| {
                (expected.saturating_add(window.expected), lost.saturating_add(window.lost))
            })
        })
        .collect();
    let percent = |(expected, lost): &(u64, u64)| units::percent(*lost, *expected);
    let highest = bars.iter().map(percent).fold(0.0, f64::max).max(1e-9);
    let worst = loss.windows.iter().max_by(|one, other| {
        units::percent(one.lost, one.expected).total_cmp(&units::percent(other.lost, other.expected))
    });
    let worst = worst.map_or_else(String::new, |window| {
        format!(
            "most {} at {}",
            units::share(window.lost, window.expected),
            date_and_time(window.start, &report.zone)
        )
    });
    html!(
        out,
        "<svg class=\"strip\" viewBox=\"0 0 {} 20\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Loss over time: {}\"><path d=\"",
        bars.len(),
        worst
    );
    for (number, bar) in bars.iter().enumerate().filter(|(_, bar)| bar.1 > 0) {
        let height = (percent(bar) / highest * 20.0).max(1.0);
        html!(out, "M{} 20v-{}h.8v{}z", number, format!("{height:.1}"), format!("{height:.1}"));
    }
    html!(out, "\"/></svg><small>{}</small>", worst);
}

fn others(out: &mut Html, loss: &Loss) {
    let all = [
        (loss.duplicates, "twice", "twice"),
        (loss.reordered, "late", "late"),
        (loss.restarts, "restart", "restarts"),
        (loss.undecoded_sets, "set without template", "sets without template"),
    ];
    let mut none = true;
    for (number, one, many) in all.into_iter().filter(|(number, ..)| *number > 0) {
        none = false;
        html!(
            out,
            "<span class=\"line\">{} {}</span>",
            units::count(number),
            if number == 1 { one } else { many }
        );
    }
    if none {
        html!(out, "\u{2013}");
    }
}

fn version_name(version: u8) -> String {
    if version == 10 { "IPFIX".to_owned() } else { format!("NetFlow v{version}") }
}

/// Numbers, as many as can be read.
fn listed(numbers: &[u16]) -> String {
    let shown: Vec<String> = numbers.iter().take(8).map(u16::to_string).collect();
    let more = numbers.len().saturating_sub(8);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
