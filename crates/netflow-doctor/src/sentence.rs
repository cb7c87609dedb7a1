//! Findings as sentences.

use std::fmt;

use netflow_templates::sequence::Convention;

use crate::finding::{Finding, Kind, Observer};
use crate::sampling::RateSaid;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for Kind {
    #[allow(clippy::too_many_lines, reason = "a sentence each")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingTemplate { template_id, sets, octets, observed } => write!(
                f,
                "Template {template_id} did not come{}: {} of {octets} octets cannot be decoded.",
                Within(*observed),
                Count(*sets, "data set")
            ),
            Self::LateTemplate { template_id, sets, waited } => write!(
                f,
                "{} had to wait for template {template_id}, up to {}.",
                Count(*sets, "data set"),
                Seconds(*waited)
            ),
            Self::TemplateNotRefreshed { template_id, since } => write!(
                f,
                "Template {template_id} was not sent again for {}: a collector that starts now cannot decode its \
                 data.",
                Seconds(*since)
            ),
            Self::TemplateEveryPacket { template_id, packets, of } => {
                write!(f, "Template {template_id} is in {}.", Share(*packets, *of, "packet"))
            }
            Self::TemplateChanged { template_id, changes } => {
                write!(f, "Template {template_id} changed its fields {}.", Times(*changes))
            }
            Self::Loss { lost, expected, unit } => {
                let unit = unit.trim_end_matches('s');
                write!(f, "{} did not arrive.", Share(*lost, *expected, unit))
            }
            Self::OwnConvention { convention } => {
                let what = match convention {
                    Convention::After => "the records up to and including the packet, not those before it",
                    Convention::AfterWithoutOptions => {
                        "the records up to and including the packet, without those of options"
                    }
                    _ => "the records before the packet without those of options",
                };
                write!(f, "Sequence numbers count {what}; loss is told by this.")
            }
            Self::UnknownConvention => {
                f.write_str("Sequence numbers count neither packets nor records, so loss cannot be told.")
            }
            Self::Reordered { packets, of } => {
                write!(
                    f,
                    "{} came later than a packet that was sent after it.",
                    Share(*packets, *of, "packet")
                )
            }
            Self::Duplicates { packets, of } => {
                write!(f, "{} had come before; they are counted once.", Share(*packets, *of, "packet"))
            }
            Self::Restarted { times } => write!(f, "The exporter started again {}.", Times(*times)),
            Self::UptimeWrapped { times } => write!(
                f,
                "The exporter's uptime ran over {}: of 32 bits, in milliseconds, it does every 49.7 days. It did not \
                 start again.",
                Times(*times)
            ),
            Self::SharedAddress { sources } => write!(
                f,
                "Packets of {sources} exporters come from this address and domain, as their uptimes alternate: \
                 templates are mixed up, and loss cannot be told."
            ),
            Self::DroppedHere { datagrams } => {
                write!(f, "This machine dropped {} before they were read.", Count(*datagrams, "datagram"))
            }
            Self::SamplingContradiction { first, second } => {
                write!(f, "Sampling rates contradict each other: {first}, {second}.")
            }
            Self::SamplerUnclear { rates, flows } => write!(
                f,
                "Options data say rates of {}, and {} do not say which one: the rate is taken as 1.",
                List(rates.iter().map(|rate| format!("1:{rate}"))),
                Count(*flows, "flow")
            ),
            Self::SamplingZero { records } => write!(
                f,
                "{} a sampling interval of 0, which is no rate: flows may have been sampled at an unknown one.",
                match records {
                    1 => "1 options record says".to_owned(),
                    records => format!("{records} options records say"),
                }
            ),
            Self::UnknownSampler { sampler, observed } => write!(
                f,
                "Records name sampler {sampler}, which no options data described{}: the rate is taken as 1.",
                Within(*observed)
            ),
            Self::SamplingChanges { before, after, changes } => write!(
                f,
                "The sampling rate in options data changed {}, last from 1:{before} to 1:{after}.",
                Times(*changes)
            ),
            Self::SamplingOtherDomain { flows } => write!(
                f,
                "The sampling rate of {} was said in another observation domain only.",
                Count(*flows, "flow")
            ),
            Self::ClockSkew { seconds } => write!(
                f,
                "The exporter's clock is {} {} the collector's{}.",
                Seconds(seconds.abs()),
                if *seconds > 0.0 { "ahead of" } else { "behind" },
                if is_time_zone(*seconds) {
                    ", a whole number of half hours: a time zone, perhaps"
                } else {
                    ""
                }
            ),
            Self::UptimeStandsStill { seconds } => write!(
                f,
                "The uptime in the headers stands still, while the export time moved by {}: times of flows that are \
                 given in it may be wrong by as much.",
                Seconds(*seconds)
            ),
            Self::BootTimeDrifts { drift, over } => write!(
                f,
                "Export time and uptime moved apart by {} in {}: times of flows that are given in uptime drift.",
                Seconds(drift.abs()),
                Seconds(*over)
            ),
            Self::ClockSet { seconds } => write!(
                f,
                "The exporter's clock was set {} by {}.",
                if *seconds > 0.0 { "forward" } else { "back" },
                Seconds(seconds.abs())
            ),
            Self::FlowsEndAfterExport { flows, of, most } => {
                write!(
                    f,
                    "{} end after their export, by up to {}.",
                    Share(*flows, *of, "flow"),
                    Seconds(*most)
                )
            }
            Self::FlowsEndBeforeStart { flows, of } => {
                write!(f, "{} end before they start.", Share(*flows, *of, "flow"))
            }
            Self::FlowsStartLongBefore { flows, of, most } => write!(
                f,
                "{} start more than a day before their export, by up to {}.",
                Share(*flows, *of, "flow"),
                Seconds(*most)
            ),
            Self::FlowsExportedLate { flows, of, most } => write!(
                f,
                "{} were over for more than 10 min when they were exported, for up to {}.",
                Share(*flows, *of, "flow"),
                Seconds(*most)
            ),
            Self::LongFlows { flows, of, longest } => write!(
                f,
                "{} last longer than 5 min, up to {}: their octets appear all at once, long after they were sent.",
                Share(*flows, *of, "flow"),
                Seconds(*longest)
            ),
            Self::TimesMissing { flows, of } => write!(f, "{} have no times.", Share(*flows, *of, "flow")),
            Self::NeverFilled { fields, records } => {
                write!(f, "Always zero, in {}: {}.", Count(*records, "record"), fields.join(", "))
            }
            Self::LackingFields { fields, templates } => write!(
                f,
                "Template{} {} lack{} {}.",
                if templates.len() == 1 { "" } else { "s" },
                List(templates.iter().map(u16::to_string)),
                if templates.len() == 1 { "s" } else { "" },
                fields.join(", ")
            ),
            Self::Malformed { packets, of, example } => {
                let share = Share(*packets, *of, "packet");
                write!(f, "{share} {} malformed; the first one: {example}.", are(*packets))
            }
            Self::NotExportPackets { datagrams, example } => write!(
                f,
                "{} {} no export packet{}; the first one: {example}.",
                Count(*datagrams, "datagram"),
                are(*datagrams),
                if *datagrams == 1 { "" } else { "s" }
            ),
            Self::Quirk { quirk, seen, of } => {
                write!(f, "{}: {}", quirk.says, Share(*seen, *of, quirk.unit()))?;
                if !quirk.known.is_empty() {
                    write!(f, ", as known from {}", quirk.known)?;
                }
                f.write_str(".")
            }
            Self::DoubleCounted { observer, flows, of } => {
                let share = Share(*flows, *of, "flow");
                match observer {
                    Observer::Interfaces => write!(
                        f,
                        "{share} were exported before, from another direction or interface: sums count them twice."
                    ),
                    Observer::Exporters { exporters } => write!(
                        f,
                        "{share} were seen by another exporter before ({}): sums over exporters count them twice.",
                        List(exporters.iter().map(ToString::to_string))
                    ),
                }
            }
        }
    }
}

impl fmt::Display for RateSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use netflow_flow::SamplingSource as S;
        let (who, says) = match self.source {
            S::Record => ("records", "say"),
            S::Options => ("options data", "say"),
            S::OptionsOtherDomain => ("options data of another domain", "say"),
            S::Header => ("the header", "says"),
            S::Override => ("the user", "says"),
            S::Assumed => ("nothing", "says"),
        };
        write!(f, "{who} {says} 1:{}", self.rate)
    }
}

fn are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// A skew of a whole number of half hours, but for half a minute.
fn is_time_zone(seconds: f64) -> bool {
    let half_hours = (seconds.abs() / 1_800.0).round();
    (1.0..=28.0).contains(&half_hours) && (seconds.abs() - half_hours * 1_800.0).abs() <= 30.0
}

/// A number with a noun.
struct Count<'a>(u64, &'a str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// A number out of another, with a noun and the percentage.
struct Share<'a>(u64, u64, &'a str);

impl fmt::Display for Share<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(part, of, noun) = self;
        let percent = 100.0 * part as f64 / of.max(1) as f64;
        let digits = if percent >= 10.0 || part == of {
            0
        } else if percent >= 0.1 {
            1
        } else {
            3
        };
        write!(f, "{part} of {} ({percent:.digits$} %)", Count(of, noun))
    }
}

struct Times(u64);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("once"),
            2 => f.write_str("twice"),
            times => write!(f, "{times} times"),
        }
    }
}

/// How long something was waited for, if it was for some time.
struct Within(f64);

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1.0 { Ok(()) } else { write!(f, " within {}", Seconds(self.0)) }
    }
}

/// A length of time in seconds; its text is for people, in a unit that suits it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds(pub f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        match seconds.round() {
            ..10.0 => write!(f, "{seconds:.1} s"),
            ..120.0 => write!(f, "{seconds:.0} s"),
            ..7_200.0 => write!(f, "{:.1} min", seconds / 60.0),
            ..172_800.0 => write!(f, "{:.1} h", seconds / 3_600.0),
            _ => write!(f, "{:.1} days", seconds / 86_400.0),
        }
    }
}

/// Words with commas, the last one with `and`.
struct List<I>(I);

impl<I: Iterator<Item = String> + Clone> fmt::Display for List<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.clone().collect();
        match words.split_last() {
            Some((last, [])) => f.write_str(last),
            Some((last, rest)) => write!(f, "{} and {last}", rest.join(", ")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_have_numbers_units_and_the_right_plural() {
        let loss = Kind::Loss { lost: 5, expected: 100, unit: "packets" };
        assert_eq!(loss.to_string(), "5 of 100 packets (5.0 %) did not arrive.");
        let one = Kind::MissingTemplate { template_id: 256, sets: 1, octets: 88, observed: 61.0 };
        assert_eq!(
            one.to_string(),
            "Template 256 did not come within 61 s: 1 data set of 88 octets cannot be decoded."
        );
        let lacking = Kind::LackingFields { fields: vec!["direction"], templates: vec![256, 257, 300] };
        assert_eq!(lacking.to_string(), "Templates 256, 257 and 300 lack direction.");
    }

    #[test]
    fn a_time_zone_is_recognised() {
        let skew = |seconds| Kind::ClockSkew { seconds }.to_string();
        assert_eq!(skew(600.0), "The exporter's clock is 10.0 min ahead of the collector's.");
        assert!(skew(-7_199.0).ends_with("a time zone, perhaps."));
        assert!(skew(19_801.0).contains("5.5 h ahead of"));
    }

    #[test]
    fn lengths_of_time_have_a_unit_that_suits_them() {
        let texts =
            [0.25, 59.6, 119.0, 600.0, 7_200.0, 200_000.0].map(|seconds| Seconds(seconds).to_string());
        assert_eq!(texts, ["0.2 s", "60 s", "119 s", "10.0 min", "2.0 h", "2.3 days"]);
    }
}
