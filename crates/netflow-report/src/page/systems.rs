//! Autonomous systems by interface: where they come in, and where they leave.

use crate::html::{Html, html};
use crate::report::{Direction, Report, SystemsByInterface};
use crate::svg::ribbons::{self, SIZE};
use crate::units;

use super::{COLOURS, colour, sign};

/// Height that each label has beside the picture, and the gap between two, in pixels.
const LABEL: f64 = 58.0;
const GAP: f64 = 4.0;

pub(super) fn write(out: &mut Html, report: &Report) {
    if report.systems_by_interface.is_empty() {
        return;
    }
    html!(
        out,
        "<section id=\"systems\" aria-labelledby=\"systems-title\">\n<h2 id=\"systems-title\">AS by interface</h2>\n<div class=\"cards\">\n"
    );
    for systems in &report.systems_by_interface {
        card(out, report, systems);
    }
    html!(out, "</div>\n</section>\n");
}

fn card(out: &mut Html, report: &Report, data: &SystemsByInterface) {
    let shown = Shown::new(data);
    let (title, from, to) = match data.direction {
        Direction::In => ("Coming in", "Source AS", "Input interface"),
        Direction::Out => ("Going out", "Output interface", "Destination AS"),
    };
    html!(out, "<article class=\"card\"><h3>{} <small>{} \u{2192} {}</small></h3>\n", title, from, to);
    if shown.total == 0 {
        html!(out, "<p class=\"empty\">The flows have no AS numbers.</p></article>\n");
        return;
    }
    picture(out, data.direction, &shown, (from, to));
    key(out, &shown);
    shares(out, &shown);
    table(out, &shown, title);
    report.write_basis(out, data.correction.as_ref(), &data.note);
    html!(out, "</article>\n");
}

/// What is shown: systems with a colour, all others as one.
struct Shown<'a> {
    /// The systems, the others last; those are told apart by their number.
    systems: Vec<(&'a str, &'a str)>,
    interfaces: Vec<(&'a str, Vec<u64>)>,
    /// How many systems have a colour.
    coloured: usize,
    total: u64,
}

impl<'a> Shown<'a> {
    fn new(data: &'a SystemsByInterface) -> Self {
        let coloured = data.systems.len().min(COLOURS);
        let mut systems: Vec<(&str, &str)> = (data.systems.iter().take(coloured))
            .map(|(name, detail)| (name.as_str(), detail.as_str()))
            .collect();
        let mut interfaces: Vec<(&str, Vec<u64>)> = data
            .interfaces
            .iter()
            .map(|(name, octets)| {
                let mut shown: Vec<u64> =
                    (0..coloured).map(|system| octets.get(system).copied().unwrap_or(0)).collect();
                shown.push(octets.iter().skip(coloured).fold(0, |sum, octets| sum.saturating_add(*octets)));
                (name.as_str(), shown)
            })
            .collect();
        if interfaces.iter().any(|(_, octets)| octets.last().is_some_and(|octets| *octets > 0)) {
            systems.push(("All others", ""));
        } else {
            interfaces.iter_mut().for_each(|(_, octets)| octets.truncate(coloured));
        }
        let total = interfaces
            .iter()
            .flat_map(|(_, octets)| octets)
            .fold(0_u64, |sum, octets| sum.saturating_add(*octets));
        Self { systems, interfaces, coloured, total }
    }

    fn of_system(&self, system: usize) -> u64 {
        self.interfaces
            .iter()
            .filter_map(|(_, octets)| octets.get(system))
            .fold(0, |sum, octets| sum.saturating_add(*octets))
    }
}

fn sum(octets: &[u64]) -> u64 {
    octets.iter().fold(0, |sum, octets| sum.saturating_add(*octets))
}

/// Ribbons between systems and interfaces.
fn picture(out: &mut Html, direction: Direction, shown: &Shown<'_>, (from, to): (&str, &str)) {
    let by_system: Vec<Vec<u64>> = (0..shown.systems.len())
        .map(|system| shown.interfaces.iter().map(|(_, octets)| octets[system]).collect())
        .collect();
    let by_interface: Vec<Vec<u64>> = shown.interfaces.iter().map(|(_, octets)| octets.clone()).collect();
    let most = shown.systems.len().max(shown.interfaces.len()) as f64;
    let height = (most * (LABEL + GAP)).max(160.0);
    let amounts = if direction == Direction::In { &by_system } else { &by_interface };
    let laid = ribbons::lay_out(amounts, LABEL / height * SIZE, GAP / height * SIZE);
    let systems: Vec<Label<'_>> = (shown.systems.iter().enumerate())
        .map(|(number, (name, _))| Label {
            name,
            octets: shown.of_system(number),
            system: Some((number, number >= shown.coloured)),
        })
        .collect();
    let interfaces: Vec<Label<'_>> = shown
        .interfaces
        .iter()
        .map(|(name, octets)| Label { name, octets: sum(octets), system: None })
        .collect();
    let (left, right) =
        if direction == Direction::In { (&systems, &interfaces) } else { (&interfaces, &systems) };
    html!(out, "<div class=\"ribbons\" style=\"height:{}px\">\n", height.round());
    labels(out, "left", left, &laid.left, shown.total);
    html!(
        out,
        "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"How traffic is divided between {} and {}. \
         The table below has the values.\">",
        SIZE,
        SIZE,
        from,
        to
    );
    for ribbon in &laid.ribbons {
        let system = if direction == Direction::In { ribbon.left } else { ribbon.right };
        html!(
            out,
            "<path class=\"c{}\" d=\"{}\"><title>{} \u{2192} {}: {}</title></path>",
            colour(system, system >= shown.coloured),
            ribbon.path,
            left[ribbon.left].name,
            right[ribbon.right].name,
            units::bytes(ribbon.amount)
        );
    }
    html!(out, "</svg>\n");
    labels(out, "right", right, &laid.right, shown.total);
    html!(out, "</div>\n");
}

/// What stands beside a box.
struct Label<'a> {
    name: &'a str,
    octets: u64,
    /// Its number, and whether it stands for all others; none for an interface.
    system: Option<(usize, bool)>,
}

fn labels(out: &mut Html, side: &str, labels: &[Label<'_>], spans: &[ribbons::Span], total: u64) {
    html!(out, "<ol class=\"{}\" aria-hidden=\"true\">", side);
    for (label, span) in labels.iter().zip(spans) {
        html!(
            out,
            "<li style=\"top:{}%;height:{}%\"><span class=\"name\">",
            units::hundredths(span.start / SIZE * 100.0),
            units::hundredths((span.end - span.start) / SIZE * 100.0)
        );
        if let Some((number, is_rest)) = label.system {
            html!(out, "<i class=\"key c{}\">{}</i>", colour(number, is_rest), sign(number, is_rest));
        }
        html!(
            out,
            "<bdi>{}</bdi></span><small>{}</small></li>",
            label.name,
            units::share(label.octets, total)
        );
    }
    html!(out, "</ol>\n");
}

/// What the signs stand for.
fn key(out: &mut Html, shown: &Shown<'_>) {
    html!(out, "<ul class=\"names\" aria-label=\"Autonomous systems\">");
    for (number, (name, detail)) in shown.systems.iter().enumerate() {
        html!(
            out,
            "<li><i class=\"key c{}\" aria-hidden=\"true\">{}</i><span><bdi>{}</bdi> <small><bdi>{}</bdi></small></span></li>",
            colour(number, number >= shown.coloured),
            sign(number, number >= shown.coloured),
            name,
            detail
        );
    }
    html!(out, "</ul>\n");
}

/// What each interface consists of.
fn shares(out: &mut Html, shown: &Shown<'_>) {
    html!(out, "<ul class=\"shares\" aria-hidden=\"true\">");
    for (name, octets) in &shown.interfaces {
        let whole = sum(octets);
        html!(
            out,
            "<li><span class=\"name\"><bdi>{}</bdi> <small>{}</small></span><span class=\"parts\">",
            name,
            units::bytes(whole)
        );
        for (system, octets) in octets.iter().enumerate().filter(|(_, octets)| **octets > 0) {
            let percent = units::percent(*octets, whole);
            html!(
                out,
                "<i class=\"c{}\" style=\"width:{}%\" title=\"{}: {}\">",
                colour(system, system >= shown.coloured),
                units::hundredths(percent),
                shown.systems[system].0,
                units::share(*octets, whole)
            );
            // Where there is room for it, also on a narrow page.
            if percent >= 8.0 {
                html!(out, "<b class=\"sign\">{}</b>", sign(system, system >= shown.coloured));
            }
            html!(out, "</i>");
        }
        html!(out, "</span></li>");
    }
    html!(out, "</ul>\n");
}

fn table(out: &mut Html, shown: &Shown<'_>, title: &str) {
    html!(
        out,
        "<details><summary>Values as a table</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"AS by interface: {}\">\
         <table class=\"values\"><caption>Volumes</caption><thead><tr><th scope=\"col\">Interface",
        title.to_lowercase()
    );
    for (name, _) in &shown.systems {
        html!(out, "<th scope=\"col\"><bdi>{}</bdi>", name);
    }
    html!(out, "<tbody>\n");
    for (name, octets) in &shown.interfaces {
        html!(out, "<tr><th scope=\"row\"><bdi>{}</bdi>", name);
        for octets in octets {
            html!(out, "<td>{}", units::bytes(*octets));
        }
        html!(out, "\n");
    }
    html!(out, "</table></div></details>\n");
}
