//! Traffic over time, stacked.

use std::time::Duration;

use crate::html::{Html, html};
use crate::report::{Report, Series, Timeline};
use crate::svg::stack::{self, HEIGHT};
use crate::svg::{scale, time_axis};
use crate::units;

use super::{COLOURS, colour, sign};

/// Marks on the axis of time; on a narrow page every third of them is shown.
const TIME_MARKS: usize = 10;
/// What a sign takes of the picture, on the narrowest page: 17 of some 270 and of 260 pixels.
const SIGN: (f64, f64) = (0.063, 0.067);

pub(super) fn write(out: &mut Html, report: &Report) {
    html!(
        out,
        "<section id=\"over-time\" aria-labelledby=\"over-time-title\">\n<h2 id=\"over-time-title\">Traffic over time</h2>\n"
    );
    if report.timelines.is_empty() {
        html!(out, "<p class=\"empty\">No flow says when it was.</p>\n</section>\n");
        return;
    }
    html!(out, "<div class=\"card switch\">\n<fieldset><legend>Stacked by</legend>");
    for (number, timeline) in report.timelines.iter().enumerate() {
        html!(
            out,
            "<label><input type=\"radio\" name=\"by\" id=\"by-{}\"{}><span>{}</span></label>",
            number,
            if number == 0 { " checked" } else { "" },
            timeline.by
        );
    }
    html!(out, "</fieldset>\n");
    for (number, timeline) in report.timelines.iter().enumerate() {
        html!(
            out,
            "<figure class=\"panel\" id=\"panel-{}\" aria-label=\"Traffic over time by {}\">\n",
            number,
            timeline.by.to_lowercase()
        );
        figure(out, report, timeline);
        html!(out, "</figure>\n");
    }
    html!(out, "</div>\n</section>\n");
}

/// A timeline with what its picture and its tables need.
struct Drawn<'a> {
    timeline: &'a Timeline,
    /// All that is shown, the largest first, and whether it stands for all others.
    series: Vec<(&'a Series, bool)>,
    buckets: usize,
    /// Seconds of a bucket.
    step: f64,
}

impl<'a> Drawn<'a> {
    fn new(timeline: &'a Timeline) -> Self {
        let series: Vec<_> = timeline
            .series
            .iter()
            .take(COLOURS)
            .map(|series| (series, false))
            .chain(timeline.rest.as_ref().map(|rest| (rest, true)))
            .collect();
        let buckets = series.iter().map(|(series, _)| series.bytes.len()).max().unwrap_or(0);
        Self { timeline, series, buckets, step: timeline.step.as_secs_f64().max(1e-9) }
    }

    /// Bits in a second, in a bucket.
    fn rate(&self, series: &Series, bucket: usize) -> f64 {
        series.bytes.get(bucket).copied().unwrap_or(0) as f64 * 8.0 / self.step
    }

    fn peak(&self) -> (usize, f64) {
        (0..self.buckets)
            .map(|bucket| (bucket, self.series.iter().map(|(series, _)| self.rate(series, bucket)).sum()))
            .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best })
    }

    fn start_of(&self, bucket: usize) -> netflow_templates::Timestamp {
        let step = i64::try_from(self.timeline.step.as_nanos()).unwrap_or(i64::MAX);
        self.timeline.start.saturating_add_nanos(step.saturating_mul(bucket as i64))
    }
}

fn figure(out: &mut Html, report: &Report, timeline: &Timeline) {
    let drawn = Drawn::new(timeline);
    let (peak_bucket, peak) = drawn.peak();
    let axis = scale::marks(peak, 5);
    let top = axis.last().copied().unwrap_or(1.0);
    let (prefix, unit) = units::prefix(top);
    let length = timeline.step.saturating_mul(u32::try_from(drawn.buckets).unwrap_or(u32::MAX));
    let values: Vec<Vec<f64>> = drawn
        .series
        .iter()
        .map(|(series, _)| (0..drawn.buckets).map(|bucket| drawn.rate(series, bucket)).collect())
        .collect();
    let layers = stack::layers(&values, top, SIGN.0, SIGN.1);

    html!(
        out,
        "<div class=\"side\"><div>\n<p class=\"unit\">{}bit/s, averages of {}</p>\n<div class=\"chart\" data-buckets=\"{}\">\n<div class=\"y\" aria-hidden=\"true\">",
        prefix,
        units::duration(timeline.step),
        drawn.buckets
    );
    for mark in &axis {
        html!(
            out,
            "<span style=\"bottom:{}%\">{}</span>",
            units::hundredths(mark / top * 100.0),
            trimmed(mark / unit)
        );
    }
    html!(
        out,
        "</div>\n<div class=\"plot\"><svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Stacked areas: \
         traffic by {}, highest at {} with {}. The table below has the values.\">",
        drawn.buckets,
        HEIGHT,
        timeline.by.to_lowercase(),
        time_axis::date_and_time(drawn.start_of(peak_bucket), &report.zone),
        units::rate(peak)
    );
    for (number, (layer, (_, is_rest))) in layers.iter().zip(&drawn.series).enumerate() {
        html!(out, "<path class=\"c{}\" d=\"{}\"/>", colour(number, *is_rest), layer.path);
    }
    html!(out, "<path class=\"grid\" d=\"");
    for mark in axis.iter().skip(1) {
        html!(out, "M0 {}H{}", ((1.0 - mark / top) * f64::from(HEIGHT)).round(), drawn.buckets);
    }
    html!(out, "\"/></svg>");
    for (number, (layer, (_, is_rest))) in layers.iter().zip(&drawn.series).enumerate() {
        if let Some((x, y)) = layer.sign {
            html!(
                out,
                "<i class=\"sign\" aria-hidden=\"true\" style=\"left:{}%;top:{}%\">{}</i>",
                units::hundredths(x * 100.0),
                units::hundredths(y * 100.0),
                sign(number, *is_rest)
            );
        }
    }
    html!(out, "</div>\n<div class=\"beside\" aria-hidden=\"true\">");
    for (number, (layer, (_, is_rest))) in layers.iter().zip(&drawn.series).enumerate() {
        html!(
            out,
            "<i class=\"key c{}\" style=\"top:{}%\">{}</i>",
            colour(number, *is_rest),
            units::hundredths(layer.beside * 100.0),
            sign(number, *is_rest)
        );
    }
    html!(out, "</div>\n<div class=\"x\" aria-hidden=\"true\">");
    let marks = time_axis::marks(timeline.start, length, &report.zone, TIME_MARKS);
    let every = marks.len().div_ceil(4).max(1);
    for (number, mark) in marks.iter().enumerate() {
        html!(
            out,
            "<span class=\"{}\" style=\"left:{}%\">{}",
            if number % every == 0 { "major" } else { "minor" },
            units::hundredths(mark.at * 100.0),
            mark.label
        );
        // A date at the very end would have no room, and says little.
        if let Some(date) = mark.date.as_ref().filter(|_| mark.at < 0.96) {
            html!(out, "<br>{}", date);
        }
        html!(out, "</span>");
    }
    html!(
        out,
        "</div>\n<p class=\"axis\">Time ({})</p>\n</div>\n",
        time_axis::zone_name(timeline.start, &report.zone)
    );
    html!(out, "</div>\n");
    legend(out, &drawn, length);
    html!(out, "</div>\n");
    table(out, report, &drawn, (prefix, unit));
    report.write_basis(out, timeline.correction.as_ref(), &timeline.note);
}

/// What the layers are, in the order in which they lie, with their sums.
fn legend(out: &mut Html, drawn: &Drawn<'_>, length: Duration) {
    let sum = |series: &Series| series.bytes.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
    let total = drawn.series.iter().fold(0_u64, |total, (series, _)| total.saturating_add(sum(series)));
    html!(
        out,
        "<table class=\"legend\"><thead><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">Average</th><th scope=\"col\" class=\"n wide\">Highest</th>\
         <th scope=\"col\" class=\"n\">Volume</th><th scope=\"col\" class=\"n\">Share</th></tr></thead><tbody>\n",
        drawn.timeline.by
    );
    for (number, (series, is_rest)) in drawn.series.iter().enumerate() {
        let bytes = sum(series);
        let highest = (0..drawn.buckets).map(|bucket| drawn.rate(series, bucket)).fold(0.0, f64::max);
        html!(
            out,
            "<tr><th scope=\"row\"><i class=\"key c{}\" aria-hidden=\"true\">{}</i><bdi>{}</bdi></th><td class=\"n\">{}</td><td class=\"n wide\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            colour(number, *is_rest),
            sign(number, *is_rest),
            series.name,
            units::rate(bytes as f64 * 8.0 / length.as_secs_f64().max(1e-9)),
            units::rate(highest),
            units::bytes(bytes),
            units::share(bytes, total)
        );
    }
    html!(out, "</tbody></table>\n");
}

/// The values behind the picture.
fn table(out: &mut Html, report: &Report, drawn: &Drawn<'_>, (prefix, unit): (&str, f64)) {
    html!(
        out,
        "<details><summary>Values as a table</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Values by {}\">\
         <table class=\"values\"><caption>{}bit/s, averages of {}</caption><thead><tr><th scope=\"col\">Time",
        drawn.timeline.by.to_lowercase(),
        prefix,
        units::duration(drawn.timeline.step)
    );
    for (series, _) in &drawn.series {
        html!(out, "<th scope=\"col\"><bdi>{}</bdi>", series.name);
    }
    html!(out, "<tbody>\n");
    for bucket in 0..drawn.buckets {
        html!(
            out,
            "<tr><th scope=\"row\">{}",
            time_axis::date_and_time(drawn.start_of(bucket), &report.zone)
        );
        for (series, _) in &drawn.series {
            html!(out, "<td>{}", units::three_digits(drawn.rate(series, bucket) / unit));
        }
        html!(out, "\n");
    }
    html!(out, "</table></div></details>\n");
}

/// A round number without zeros behind the point.
fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
