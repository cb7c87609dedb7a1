//! The page.

mod connections;
mod exporters;
mod head;
mod ranking;
mod systems;
mod timeline;

use crate::html::{Html, html};
use crate::report::{Basis, Correction, Report};
use crate::svg::time_axis::{date_and_time, zone_name};
use crate::units;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");
/// What browsers may run: the script above and nothing else, nor load anything from anywhere. The hash is that of the
/// script.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
                      script-src 'sha256-W+aNN1xe4pqgH1lGaz6JYTYItW8FVhpgG0/rWo4NbEw='; \
                      base-uri 'none'; form-action 'none'";

/// How many things have a colour of their own.
const COLOURS: usize = 8;

impl Report {
    /// The report as one HTML page, which needs no other file.
    pub fn to_html(&self) -> String {
        let mut out = Html::default();
        html!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"generator\" content=\"{}\">\n<title>{}</title>\n<style>\n",
            POLICY,
            self.made_by,
            self.title
        );
        out.literal(STYLE);
        html!(
            out,
            "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n"
        );
        head::write(&mut out, self);
        html!(out, "<main id=\"content\" tabindex=\"-1\">\n");
        head::write_summary(&mut out, self);
        if self.totals.amount.flows > 0 {
            timeline::write(&mut out, self);
            ranking::write(&mut out, self);
            systems::write(&mut out, self);
        }
        exporters::write(&mut out, self);
        if self.totals.amount.flows > 0 {
            // The longest comes last.
            connections::write(&mut out, self);
        }
        html!(
            out,
            "</main>\n<footer>Made by {} on {} ({}).</footer>\n<script>",
            self.made_by,
            date_and_time(self.made, &self.zone),
            zone_name(self.made, &self.zone)
        );
        out.literal(SCRIPT);
        html!(out, "</script>\n</body>\n</html>\n");
        out.into_string()
    }

    /// Says below a figure what it stands on.
    fn write_basis(&self, out: &mut Html, correction: Option<&Correction>, note: &str) {
        html!(out, "<p class=\"basis\">");
        if !note.is_empty() {
            html!(out, "{} ", note);
        }
        html!(
            out,
            "<span>{}.</span> <span>{}.</span> <span>{}.</span></p>\n",
            filter_text(&self.basis),
            self.range_text(),
            correction_text(correction.unwrap_or(&self.basis.correction))
        );
    }

    /// From when to when, with the zone.
    fn range_text(&self) -> String {
        let zone = |time| zone_name(time, &self.zone);
        match (self.basis.from, self.basis.to) {
            (Some(from), Some(to)) => format!(
                "{} to {} ({})",
                date_and_time(from, &self.zone),
                date_and_time(to, &self.zone),
                zone(from)
            ),
            (Some(from), None) => format!("From {} ({})", date_and_time(from, &self.zone), zone(from)),
            (None, Some(to)) => format!("Until {} ({})", date_and_time(to, &self.zone), zone(to)),
            (None, None) => "All times".to_owned(),
        }
    }
}

fn filter_text(basis: &Basis) -> String {
    basis.filter.as_ref().map_or_else(|| "All flows".to_owned(), |filter| format!("Flows with: {filter}"))
}

fn correction_text(correction: &Correction) -> String {
    let rates = |least: &u64, most: &u64| {
        if least == most {
            format!("1:{}", units::grouped(*most))
        } else {
            format!("1:{} to 1:{}", units::grouped(*least), units::grouped(*most))
        }
    };
    match correction {
        Correction::Scaled(0 | 1, 0 | 1) | Correction::Raw(0 | 1, 0 | 1) => "Not sampled".to_owned(),
        Correction::Scaled(least, most) => format!("Corrected for sampling of {}", rates(least, most)),
        Correction::Raw(least, most) => {
            format!("As exported: not corrected for sampling of {}", rates(least, most))
        }
        Correction::Counters => "Scaled to the interfaces' counters (SNMP)".to_owned(),
    }
}

/// The class of the colour of the `number`th thing, from 0; that of all others behind the last.
fn colour(number: usize, is_rest: bool) -> usize {
    if is_rest || number >= COLOURS { 0 } else { number + 1 }
}

/// The sign that stands for a colour, for those who cannot tell colours apart.
fn sign(number: usize, is_rest: bool) -> String {
    match colour(number, is_rest) {
        0 => "+".to_owned(),
        number => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    #[test]
    fn the_script_is_the_one_that_browsers_may_run() {
        let digest = ring::digest::digest(&ring::digest::SHA256, SCRIPT.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(digest);
        assert!(POLICY.contains(&format!("script-src 'sha256-{hash}'")), "the script's hash is {hash}");
    }

    /// The light and the dark colour of a variable.
    fn colours(variable: &str) -> [[f64; 3]; 2] {
        let (_, value) = STYLE.split_once(&format!("  --{variable}: light-dark(#")).unwrap();
        let (light, rest) = value.split_once(", #").unwrap();
        let (dark, _) = rest.split_once(')').unwrap();
        [light, dark].map(|digits| {
            [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap()) / 255.0)
        })
    }

    /// Contrast as WCAG 2 has it, from 1 to 21.
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let luminance = |colour: [f64; 3]| {
            let [red, green, blue] = colour
                .map(|part| if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) });
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn colours_have_enough_contrast_in_both_themes() {
        let pairs = [("text", "surface", 4.5), ("text", "page", 4.5), ("text", "raised", 4.5)]
            .into_iter()
            .chain([("muted", "surface", 4.5), ("muted", "page", 4.5), ("muted", "raised", 4.5)])
            .chain([("accent", "surface", 4.5), ("good", "surface", 4.5), ("bad", "surface", 4.5)])
            .chain([("strong-line", "surface", 3.0)])
            // Signs on the colours are small bold text; areas are graphics.
            .chain(["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c0"].map(|area| (area, "surface", 3.0)));
        for (one, other, least) in pairs {
            for theme in 0..2 {
                let contrast = contrast(colours(one)[theme], colours(other)[theme]);
                assert!(contrast >= least, "{one} on {other}: {contrast:.2} of {least}, theme {theme}");
            }
        }
    }
}
