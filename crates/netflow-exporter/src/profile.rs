//! Profiles: how exporters that are known by name export.

use netflow_templates::Timestamp;
use netflow_wire::FieldSpecifier;

use crate::Version;
use crate::exporter::{ExporterConfig, FlowTemplate, Habits, OptionsTable, Refresh};

mod facts;
mod table;
mod templates;

pub use facts::Facts;
pub use table::PROFILES;

/// How an exporter that is known by name exports in one version.
///
/// Facts come from captures of these exporters and from their documentation; what is not known of one is as in
/// [`Habits::STANDARD`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// Name; several profiles of one name are of different versions, and the first of them is the usual one.
    pub name: &'static str,
    /// What it is like, in a few words.
    pub says: &'static str,
    /// The version.
    pub version: Version,
    /// Templates of flows.
    pub templates: &'static [FlowTemplate],
    /// Options data.
    pub options: &'static [OptionsLayout],
    /// What it does otherwise than others.
    pub habits: Habits,
    /// When templates and options data are sent again.
    pub refresh: Refresh,
    /// Octets of a packet at most.
    pub max_packet: usize,
    /// Flow records of a packet at most.
    pub max_records: Option<u16>,
    /// Observation domain.
    pub domain: u32,
    /// One packet in how many it samples when nothing else is said.
    pub sampling: u32,
    /// What `nf doctor` finds of it, by the names that it has for that; fields that are lacking left out.
    pub findings: &'static [&'static str],
}

/// The template of options data whose values follow from what an exporter knows of itself: see [`Facts`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptionsLayout {
    /// Template id.
    pub id: u16,
    /// Fields of the scope.
    pub scopes: &'static [FieldSpecifier],
    /// The other fields.
    pub fields: &'static [FieldSpecifier],
    /// Whether it is sent only by an exporter that samples.
    pub when_sampled: bool,
}

impl Profile {
    /// What nothing is odd about.
    const STANDARD: Self = Self {
        name: "",
        says: "",
        version: Version::V9,
        templates: &[],
        options: &[],
        habits: Habits::STANDARD,
        refresh: Refresh::USUAL,
        max_packet: 1_400,
        max_records: None,
        domain: 0,
        sampling: 1,
        findings: &[],
    };

    /// The profile with a name, in a version or else in its usual one.
    pub fn find(name: &str, version: Option<Version>) -> Option<&'static Self> {
        let is = |profile: &&Self| {
            profile.name == name && version.is_none_or(|version| version == profile.version)
        };
        PROFILES.iter().find(is)
    }

    /// The names of all, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let mut names: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// An exporter of this kind that started at a time.
    pub fn config(&self, started: Timestamp) -> ExporterConfig {
        self.config_with(&Facts { sampling: self.sampling, ..Facts::of(started) })
    }

    /// The same, of which more is known.
    pub fn config_with(&self, facts: &Facts) -> ExporterConfig {
        let options = self.options.iter().filter(|layout| facts.sampling > 1 || !layout.when_sampled);
        let mut config = ExporterConfig::new(self.version, facts.started);
        if !self.templates.is_empty() {
            config.templates = self.templates.to_vec();
        }
        config.domain = self.domain;
        config.options = options.map(|layout| OptionsTable::of_layout(layout, facts)).collect();
        (config.habits, config.refresh) = (self.habits, self.refresh);
        (config.max_packet, config.max_records) = (self.max_packet, self.max_records);
        config.sampling = facts.sampling;
        config
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Exporter;

    #[test]
    fn profiles_are_told_apart_by_name_and_version() {
        let mut seen = HashSet::new();
        for profile in PROFILES {
            assert!(seen.insert((profile.name, profile.version)), "{} {}", profile.name, profile.version);
            assert!(!profile.says.is_empty(), "{}", profile.name);
        }
        assert_eq!(Profile::find("softflowd", None).map(|profile| profile.version), Some(Version::V9));
        assert_eq!(
            Profile::find("softflowd", Some(Version::Ipfix)).map(|profile| profile.version),
            Some(Version::Ipfix)
        );
        assert_eq!(Profile::find("softflowd", Some(Version::V7)), None);
        assert_eq!(Profile::find("hardflowd", None), None);
        assert!(Profile::names().any(|name| name == "mikrotik"));
    }

    #[test]
    fn every_profile_makes_an_exporter() {
        for profile in PROFILES {
            for sampling in [1, 100] {
                let facts = Facts { sampling, ..Facts::of(Timestamp::from_secs(1_714_564_800)) };
                Exporter::new(profile.config_with(&facts)).unwrap();
            }
        }
    }
}
