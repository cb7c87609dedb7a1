#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod exporter;
mod profile;
mod version;

pub mod fault;
pub mod generate;
pub mod replay;
pub mod traffic;

mod random;

pub use exporter::{
    Announcement, ConfigError, Count, Exporter, ExporterConfig, ExporterStatistics, FlowTemplate, Grouping,
    Habits, HeaderClock, OptionsFrom, OptionsTable, Packet, Padding, Refresh, SAMPLER_ID, SamplingStyle,
    Sequence, Source, Takes,
};
pub use profile::{Facts, OptionsLayout, PROFILES, Profile};
pub use version::{UnknownVersion, Version};
