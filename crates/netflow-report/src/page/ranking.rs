//! The most of each kind, with bars.

use crate::html::{Html, html};
use crate::report::{Ranking, Report};
use crate::units;

pub(super) fn write(out: &mut Html, report: &Report) {
    html!(
        out,
        "<section id=\"top\" aria-labelledby=\"top-title\">\n<h2 id=\"top-title\">Top talkers</h2>\n<div class=\"cards\">\n"
    );
    for ranking in &report.rankings {
        card(out, report, ranking);
    }
    html!(out, "</div>\n</section>\n");
}

fn card(out: &mut Html, report: &Report, ranking: &Ranking) {
    let total = if ranking.total_bytes > 0 { ranking.total_bytes } else { report.totals.amount.bytes };
    let largest = ranking.rows.iter().map(|row| row.amount.bytes).max().unwrap_or(0);
    html!(out, "<article class=\"card\"><h3>{}", ranking.title);
    if let Some(distinct) = ranking.distinct.filter(|distinct| *distinct > ranking.rows.len() as u64) {
        html!(out, " <small>{} of {}</small>", ranking.rows.len(), units::grouped(distinct));
    }
    html!(out, "</h3>\n");
    if ranking.rows.is_empty() {
        html!(out, "<p class=\"empty\">The flows say nothing of it.</p>\n");
    } else {
        html!(
            out,
            "<table class=\"rank sortable\"><thead><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">Volume</th>\
             <th scope=\"col\" class=\"n\">Share</th><th scope=\"col\" class=\"n wide\">Packets</th><th scope=\"col\" class=\"n wide\">Flows</th></tr></thead><tbody>\n",
            ranking.heading
        );
        for row in &ranking.rows {
            html!(
                out,
                "<tr style=\"--part:{}%\"><th scope=\"row\">",
                units::hundredths(units::percent(row.amount.bytes, largest))
            );
            for (number, name) in row.name.iter().enumerate() {
                if number > 0 {
                    html!(out, " <span class=\"with\">\u{2194}</span> ");
                }
                html!(out, "<bdi>{}</bdi>", name);
            }
            if !row.detail.is_empty() {
                html!(out, " <small><bdi>{}</bdi></small>", row.detail);
            }
            let amount = row.amount;
            html!(
                out,
                "</th><td class=\"n\" data-v=\"{}\">{}</td><td class=\"n\" data-v=\"{}\">{}</td><td class=\"n wide\" data-v=\"{}\">{}</td>\
                 <td class=\"n wide\" data-v=\"{}\">{}</td></tr>\n",
                amount.bytes,
                units::bytes(amount.bytes),
                amount.bytes,
                units::share(amount.bytes, total),
                amount.packets,
                units::count(amount.packets),
                amount.flows,
                units::count(amount.flows)
            );
        }
        html!(out, "</tbody></table>\n");
    }
    report.write_basis(out, ranking.correction.as_ref(), &ranking.note);
    html!(out, "</article>\n");
}
