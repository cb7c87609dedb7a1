//! What stands at the top: title, ways to the sections, sums.

use crate::html::{Html, html};
use crate::report::Report;
use crate::units;

use super::correction_text;

/// Sections, as they are linked.
const SECTIONS: [(&str, &str); 6] = [
    ("summary", "Summary"),
    ("over-time", "Over time"),
    ("top", "Top"),
    ("systems", "AS by interface"),
    ("exporters", "Exporters"),
    ("connections", "Connections"),
];

pub(super) fn write(out: &mut Html, report: &Report) {
    html!(
        out,
        "<header>\n<div class=\"bar\"><p class=\"mark\"><bdi>{}</bdi></p>\n<nav aria-label=\"Sections\"><ul>",
        report.title
    );
    let empty = report.totals.amount.flows == 0;
    for (id, name) in SECTIONS {
        let is_there = match id {
            "summary" | "exporters" => true,
            "systems" => !empty && !report.systems_by_interface.is_empty(),
            _ => !empty,
        };
        if is_there {
            html!(out, "<li><a href=\"#{}\">{}</a></li>", id, name);
        }
    }
    out.literal(
        "</ul></nav>\n<fieldset class=\"theme\"><legend class=\"unseen\">Colours</legend>\
         <label><input type=\"radio\" name=\"theme\" value=\"auto\" id=\"auto\" checked><span>Auto</span></label>\
         <label><input type=\"radio\" name=\"theme\" value=\"light\" id=\"light\"><span>Light</span></label>\
         <label><input type=\"radio\" name=\"theme\" value=\"dark\" id=\"dark\"><span>Dark</span></label>\
         </fieldset></div>\n</header>\n",
    );
}

pub(super) fn write_summary(out: &mut Html, report: &Report) {
    html!(
        out,
        "<section id=\"summary\" aria-labelledby=\"title\">\n<h1 id=\"title\"><bdi>{}</bdi></h1>\n\
         <dl class=\"facts\"><div><dt>Time</dt><dd>{}</dd></div><div><dt>Filter</dt><dd>",
        report.title,
        report.range_text()
    );
    match &report.basis.filter {
        Some(filter) => html!(out, "<code>{}</code>", filter),
        None => html!(out, "None: all flows"),
    }
    html!(
        out,
        "</dd></div><div><dt>Sampling</dt><dd>{}</dd></div></dl>\n",
        correction_text(&report.basis.correction)
    );
    let lists = [
        (&report.warnings, "warnings", "What went wrong"),
        (&report.notes, "notes", "What to know of the figures"),
    ];
    for (texts, class, label) in lists.into_iter().filter(|(texts, ..)| !texts.is_empty()) {
        html!(out, "<ul class=\"{}\" aria-label=\"{}\">", class, label);
        for text in texts {
            html!(out, "<li>{}</li>", text);
        }
        html!(out, "</ul>\n");
    }
    let totals = &report.totals;
    if totals.amount.flows == 0 {
        html!(
            out,
            "<p class=\"empty\">There are no flows. What was read: {}. No flow has passed the filter and the range of \
             time.</p>\n</section>\n",
            files(totals.files)
        );
        return;
    }
    html!(out, "<dl class=\"tiles\">");
    tile(out, "Traffic", &units::bytes(totals.amount.bytes), &average(report));
    tile(
        out,
        "Packets",
        &units::count(totals.amount.packets),
        &mean(totals.amount.bytes, totals.amount.packets),
    );
    tile(out, "Flows", &units::count(totals.amount.flows), &format!("from {}", files(totals.files)));
    tile(out, "Exporters", &units::count(totals.exporters), &interfaces(totals.interfaces));
    html!(out, "</dl>\n</section>\n");
}

fn tile(out: &mut Html, name: &str, value: &str, detail: &str) {
    html!(out, "<div><dt>{}</dt><dd><b>{}</b> <span>{}</span></dd></div>", name, value, detail);
}

fn average(report: &Report) -> String {
    let (Some(from), Some(to)) = (report.basis.from, report.basis.to) else { return String::new() };
    let seconds = to.saturating_since(from).as_secs_f64();
    if seconds <= 0.0 {
        return String::new();
    }
    format!("{} on average", units::rate(report.totals.amount.bytes as f64 * 8.0 / seconds))
}

fn mean(bytes: u64, packets: u64) -> String {
    let mean = bytes.checked_div(packets);
    mean.map_or_else(String::new, |mean| format!("of {} on average", units::bytes(mean)))
}

fn interfaces(number: u64) -> String {
    match number {
        0 => "whose interfaces are not known".to_owned(),
        1 => "with 1 interface".to_owned(),
        _ => format!("with {} interfaces", units::count(number)),
    }
}

fn files(number: u64) -> String {
    format!("{} file{}", units::count(number), if number == 1 { "" } else { "s" })
}
