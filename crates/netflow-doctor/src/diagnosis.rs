//! What comes out.

use std::net::IpAddr;

use netflow_templates::Timestamp;
use netflow_templates::sequence::{Convention, SequenceTotals};
use serde::Serialize;

use crate::clock::ClockFacts;
use crate::doctor::Overflow;
use crate::finding::{Finding, convention_as_str};
use crate::sampling::SamplingFacts;
use crate::templates::TemplateFacts;

/// Where the facts about a domain are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Export packets.
    Packets,
    /// Flows that were normalised before, as from a flow file.
    Flows,
}

impl Source {
    /// The checks that are not possible with what this source holds.
    pub fn not_possible(self, version: u16) -> &'static [&'static str] {
        match self {
            Self::Packets if version == 1 => &["loss, as version 1 has no sequence numbers"],
            Self::Packets => &[],
            Self::Flows if matches!(version, 5 | 7 | 8) => {
                &["uptimes and restarts", "fields that are never filled", "malformed packets"]
            }
            Self::Flows => &[
                "templates",
                "loss",
                "options data",
                "uptimes and restarts",
                "fields that are lacking or never filled",
                "malformed packets",
            ],
        }
    }
}

/// What is known about one exporter and observation domain.
#[derive(Debug, Clone)]
pub struct DomainFacts {
    /// Address of the exporter.
    pub exporter: IpAddr,
    /// Observation domain.
    pub domain: u32,
    /// Version of the export protocol.
    pub version: u16,
    /// Where the facts are from.
    pub source: Source,
    /// Export packets; those with flows, out of a flow file.
    pub packets: u64,
    /// Flow records.
    pub flows: u64,
    /// Options records.
    pub options: u64,
    /// When the first packet was received.
    pub first: Timestamp,
    /// When the last packet was received.
    pub last: Timestamp,
    /// Its templates by id.
    pub templates: Vec<TemplateFacts>,
    /// What sequence numbers tell; in packets for v9, in records for the others.
    pub sequence: SequenceTotals,
    /// How sequence numbers count; [`Convention::Other`] if `partial`.
    pub convention: Convention,
    /// Flows of packets are not there, as when a flow file was filtered: then loss cannot be told.
    pub partial: bool,
    /// Sampling rates.
    pub sampling: SamplingFacts,
    /// The clock.
    pub clock: ClockFacts,
}

impl DomainFacts {
    /// Whether all checks could be made: the source holds what they need, and enough came to tell loss.
    pub fn is_complete(&self) -> bool {
        self.source.not_possible(self.version).is_empty() && self.convention.tells_loss()
    }

    /// The name of the way in which sequence numbers count, such as `before` or `after_without_options`.
    pub fn convention_name(&self) -> &'static str {
        convention_as_str(self.convention)
    }

    /// Seconds from the first packet to the last.
    pub fn observed(&self) -> f64 {
        self.last.saturating_since(self.first).as_secs_f64()
    }
}

/// What is known about exporters, and what is wrong with their export.
#[derive(Debug, Clone, Default)]
pub struct Diagnosis {
    /// By exporter, domain and version.
    pub domains: Vec<DomainFacts>,
    /// In order of severity.
    pub findings: Vec<Finding>,
    /// What was too much to be looked at.
    pub overflow: Overflow,
}

impl Diagnosis {
    /// The findings about one domain.
    pub fn of_domain(&self, facts: &DomainFacts) -> impl Iterator<Item = &Finding> {
        let of = (Some(facts.exporter), Some(facts.domain), Some(facts.version));
        self.findings.iter().filter(move |finding| (finding.exporter, finding.domain, finding.version) == of)
    }

    /// The findings about no domain in particular.
    pub fn of_no_domain(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.domain.is_none())
    }
}
