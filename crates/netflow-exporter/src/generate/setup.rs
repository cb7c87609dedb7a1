//! The exporters and observation domains of a [`Generator`](super::Generator), before they begin.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netflow_templates::Timestamp;

use super::{GenerateConfig, Pace, Stream};
use crate::traffic::{Traffic, TrafficConfig, interfaces};
use crate::{ConfigError, Exporter, ExporterConfig, Facts, OptionsTable, Refresh, SamplingStyle};

/// What uptimes of 32 bits of milliseconds can say: 49.7 days.
pub(super) const UPTIME_PERIOD: Duration = Duration::from_millis(1 << 32);
/// How long exporters have been up at the start, unless that is to be nearly [`UPTIME_PERIOD`].
const UPTIME: Duration = Duration::from_secs(10 * 86_400);
/// By how much each has been up for longer than the one before it.
const APART: Duration = Duration::from_secs(3_607);
/// Often enough for a collector that starts later, and little beside the data.
const REFRESH: Refresh = Refresh { packets: 100, interval: Duration::from_secs(10) };
/// Flows without a packet after which no more are tried for now: many times what a packet holds.
pub(super) const PATIENCE: u64 = 10_000;
/// Templates of options data; above those of flows.
const SAMPLING_ID: u16 = 600;
const INTERFACES_ID: u16 = 601;

/// The address that an exporter, counted from 0, sends from where the collector is on the same machine.
pub fn source_address(exporter: u32) -> IpAddr {
    Ipv4Addr::from_bits((127 << 24) + 1 + exporter % 0x00ff_fffe).into()
}

/// All domains of the first exporter, then those of the second.
pub(super) fn streams(config: &GenerateConfig) -> Result<Vec<Stream>, ConfigError> {
    let (exporters, domains) = (config.exporters.max(1), config.domains.max(1));
    let traffic = Traffic::new(&traffic_config(config));
    can_export(config, traffic.clone())?;
    let mut streams = Vec::new();
    for exporter in 0..exporters {
        let started = started(config, exporter);
        for domain in 0..domains {
            let number = exporter * domains + domain;
            let traffic = match number {
                0 => traffic.clone(),
                _ => traffic.beside(config.traffic.seed, number.into()),
            };
            let domain = if config.distinct_domains { number } else { domain };
            let exporter = Exporter::new(exporter_config(config, domain, started))?;
            streams.push(Stream { exporter, traffic });
        }
    }
    Ok(streams)
}

/// Whether the exporter takes any of the first flows.
fn can_export(config: &GenerateConfig, mut traffic: Traffic) -> Result<(), ConfigError> {
    let mut exporter = Exporter::new(exporter_config(config, 0, started(config, 0)))?;
    for _ in 0..PATIENCE {
        let left_out = exporter.statistics().left_out;
        exporter.add(traffic.flow(config.start), config.start);
        if exporter.statistics().left_out == left_out {
            return Ok(());
        }
    }
    Err(ConfigError::NothingTaken)
}

fn started(config: &GenerateConfig, exporter: u32) -> Timestamp {
    let uptime = match config.uptime_wrap {
        Some(after) => UPTIME_PERIOD.saturating_sub(after),
        None => UPTIME + APART * (exporter % 100),
    };
    config.start.saturating_add_nanos(-(uptime.as_nanos() as i64))
}

fn exporter_config(config: &GenerateConfig, domain: u32, started: Timestamp) -> ExporterConfig {
    let (version, sampling) = (config.version, config.traffic.sampling);
    let mut exporter = match config.profile {
        Some(profile) => {
            let interfaces = interfaces().collect();
            profile.config_with(&Facts { sampling, interfaces, ..Facts::of(started) })
        }
        None => {
            let mut exporter = ExporterConfig::new(version, started);
            (exporter.refresh, exporter.sampling) = (REFRESH, sampling);
            if version.has_templates() {
                if sampling > 1 {
                    let style = SamplingStyle::Interval;
                    exporter.options.push(OptionsTable::sampling(version, SAMPLING_ID, style, sampling));
                }
                exporter.options.push(OptionsTable::interfaces(version, INTERFACES_ID, interfaces()));
            }
            exporter
        }
    };
    exporter.domain += domain;
    exporter.max_records = config.max_records.or(exporter.max_records);
    exporter.refresh = config.refresh.unwrap_or(exporter.refresh);
    // Nothing goes by the others; without them there is less to announce and to choose from.
    if config.profile.is_none() {
        exporter.templates.retain(|template| template.takes.reverse != Some(!config.traffic.biflow));
    }
    exporter
}

/// The traffic, as far as the exporters can say it.
fn traffic_config(config: &GenerateConfig) -> TrafficConfig {
    let mut traffic = config.traffic.clone();
    let takes_ipv6 = config.profile.is_none_or(|profile| {
        let templates = profile.config(config.start).templates;
        templates.is_empty() || templates.iter().any(|template| template.takes.family != Some(4))
    });
    if !config.version.has_templates() || !takes_ipv6 {
        traffic.ipv6_percent = 0;
    }
    // Records of one template fill packets to the same length, and these go out many at a time. Where packets follow
    // from the seed alone they stay as they are.
    traffic.families_apart |= config.pace == Pace::Clock;
    // An event is of both directions.
    traffic.biflow |= config.profile.is_some_and(|profile| profile.habits.events);
    traffic
}
