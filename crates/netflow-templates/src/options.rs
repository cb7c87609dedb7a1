//! Options data: what exporters say about themselves, and what flows are joined with.

use std::collections::HashMap;
use std::net::IpAddr;

use netflow_wire::{element_id as ie, enterprise, unassigned};

use crate::Timestamp;
use crate::data_set::{DataSet, Record};
use crate::encoding::Value;

/// Characters kept of a name: more than any interface or application has.
const MAX_NAME: usize = 255;
/// Entries kept for one observation domain: sampling rates and names together.
const MAX_ENTRIES: usize = 65_536;
/// Observation domains kept for one exporter.
const MAX_DOMAINS: usize = 4_096;
/// Exporters kept.
const MAX_EXPORTERS: usize = 65_536;

/// Something that options data said, and whether it was said for the very observation domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<T> {
    /// What was said.
    pub value: T,
    /// True when it was said for another observation domain of the same exporter: some exporters send
    /// their options data under an id of their own.
    pub other_domain: bool,
}

/// What options data said about one observation domain.
#[derive(Debug, Clone, Default)]
pub struct DomainOptions {
    /// When the exporter started.
    pub system_init: Option<Timestamp>,
    /// One packet in how many is sampled, where no sampler or interface is named.
    pub sampling: Option<u64>,
    /// The same by sampler (samplerId, selectorId).
    pub samplers: HashMap<u64, u64>,
    /// The same by ifIndex.
    pub interface_sampling: HashMap<u32, u64>,
    /// Interface names by ifIndex.
    pub interfaces: HashMap<u32, Box<str>>,
    /// VRF names by VRF id.
    pub vrfs: HashMap<u32, Box<str>>,
    /// Application names by application id (RFC 6759): the engine in the highest octet, the selector below.
    pub applications: HashMap<u64, Box<str>>,
}

impl DomainOptions {
    fn entries(&self) -> usize {
        self.samplers.len()
            + self.interface_sampling.len()
            + self.interfaces.len()
            + self.vrfs.len()
            + self.applications.len()
    }

    /// The rate for a record: by its sampler, its interface, the domain's; else the only one there is.
    fn rate(&self, sampler: Option<u64>, interface: u32) -> Option<u64> {
        if let Some(rate) = sampler.and_then(|sampler| self.samplers.get(&sampler)) {
            return Some(*rate);
        }
        if let Some(rate) = self.interface_sampling.get(&interface) {
            return Some(*rate);
        }
        self.sampling.or_else(|| {
            let mut rates = self.samplers.values().chain(self.interface_sampling.values());
            let first = *rates.next()?;
            rates.all(|&rate| rate == first).then_some(first)
        })
    }

    fn learn(&mut self, record: &Record<'_>) {
        let mut seen = Seen::default();
        for (field, value) in record.values() {
            seen.note(field.element().enterprise, field.element().id, &value);
        }
        if seen.system_init.is_some() {
            self.system_init = seen.system_init;
        }
        let full = self.entries() >= MAX_ENTRIES;
        if let Some(rate) = seen.rate() {
            match (seen.sampler, seen.interface) {
                (Some(sampler), _) if !full || self.samplers.contains_key(&sampler) => {
                    self.samplers.insert(sampler, rate);
                }
                (None, Some(interface)) if !full || self.interface_sampling.contains_key(&interface) => {
                    self.interface_sampling.insert(interface, rate);
                }
                (None, None) => self.sampling = Some(rate),
                _ => {}
            }
        }
        name(&mut self.interfaces, seen.interface, seen.interface_name.or(seen.interface_description), full);
        name(&mut self.vrfs, seen.vrf, seen.vrf_name, full);
        name(&mut self.applications, seen.application, seen.application_name, full);
    }
}

/// Keeps a name that options data gave to a number.
fn name<K: std::hash::Hash + Eq>(
    names: &mut HashMap<K, Box<str>>,
    key: Option<K>,
    name: Option<Box<str>>,
    full: bool,
) {
    if let (Some(key), Some(name)) = (key, name)
        && !name.is_empty()
        && (!full || names.contains_key(&key))
    {
        names.insert(key, name);
    }
}

/// The values of one options record that matter here.
#[derive(Default)]
struct Seen {
    system_init: Option<Timestamp>,
    sampler: Option<u64>,
    interface: Option<u32>,
    interface_name: Option<Box<str>>,
    interface_description: Option<Box<str>>,
    vrf: Option<u32>,
    vrf_name: Option<Box<str>>,
    application: Option<u64>,
    application_name: Option<Box<str>>,
    interval: Option<u64>,
    packet_interval: Option<u64>,
    packet_space: Option<u64>,
    size: Option<u64>,
    population: Option<u64>,
}

impl Seen {
    fn note(&mut self, enterprise: u32, id: u16, value: &Value<'_>) {
        let number = match value {
            Value::Unsigned(number) => Some(*number),
            _ => None,
        };
        let text = || match value {
            // A name goes into every flow: a long one would make one packet cost gigabytes.
            Value::String(text) => Some(text.chars().take(MAX_NAME).collect()),
            _ => None,
        };
        let narrow = || number.and_then(|number| u32::try_from(number).ok());
        match (enterprise, id) {
            (enterprise::UNASSIGNED, unassigned::SCOPE_INTERFACE) => self.interface = narrow(),
            (enterprise::IANA, id) => match id {
                ie::SYSTEM_INIT_TIME_MILLISECONDS => {
                    if let Value::Time { time, .. } = value {
                        self.system_init = Some(*time);
                    }
                }
                ie::SAMPLER_ID | ie::SELECTOR_ID => self.sampler = number,
                ie::INGRESS_INTERFACE | ie::EGRESS_INTERFACE => {
                    self.interface = self.interface.or_else(narrow)
                }
                ie::INTERFACE_NAME => self.interface_name = text(),
                ie::INTERFACE_DESCRIPTION => self.interface_description = text(),
                ie::INGRESS_VRF_ID => self.vrf = narrow(),
                ie::VRF_NAME => self.vrf_name = text(),
                ie::APPLICATION_ID => {
                    if let Value::Octets([engine, selector @ ..]) = value
                        && selector.len() < 8
                    {
                        let selector = crate::encoding::unsigned(selector);
                        self.application = Some(u64::from(*engine) << 56 | selector);
                    }
                }
                ie::APPLICATION_NAME => self.application_name = text(),
                ie::SAMPLING_INTERVAL | ie::SAMPLER_RANDOM_INTERVAL => self.interval = number,
                ie::SAMPLING_PACKET_INTERVAL => self.packet_interval = number,
                ie::SAMPLING_PACKET_SPACE => self.packet_space = number,
                ie::SAMPLING_SIZE => self.size = number,
                ie::SAMPLING_POPULATION => self.population = number,
                _ => {}
            },
            _ => {}
        }
    }

    /// One packet in how many: an interval; (interval + space) / interval; population / size. A zero in
    /// any of them means unknown.
    fn rate(&self) -> Option<u64> {
        let share = |all: u64, part: u64| (all > 0 && part > 0).then(|| (all / part).max(1));
        let spaced = self
            .packet_interval
            .and_then(|interval| share(interval.saturating_add(self.packet_space.unwrap_or(0)), interval));
        let of_population = || share(self.population?, self.size?);
        spaced.or(self.interval.filter(|&interval| interval > 0)).or_else(of_population)
    }
}

/// What options data said, by exporter and observation domain.
#[derive(Debug, Default)]
pub struct Options {
    exporters: HashMap<IpAddr, HashMap<u32, DomainOptions>>,
}

impl Options {
    /// What was said for one observation domain.
    pub fn domain(&self, exporter: IpAddr, domain: u32) -> Option<&DomainOptions> {
        self.exporters.get(&exporter)?.get(&domain)
    }

    /// Learns from options data records.
    pub fn learn(&mut self, exporter: IpAddr, domain: u32, set: &DataSet<'_>) {
        if set.is_empty()
            || (self.exporters.len() >= MAX_EXPORTERS && !self.exporters.contains_key(&exporter))
        {
            return;
        }
        let domains = self.exporters.entry(exporter).or_default();
        if domains.len() >= MAX_DOMAINS && !domains.contains_key(&domain) {
            return;
        }
        let options = domains.entry(domain).or_default();
        for record in set.records() {
            options.learn(&record);
        }
    }

    /// Looks something up for a domain, and where it is not known there, for the exporter's others.
    pub fn find<'a, T>(
        &'a self,
        exporter: IpAddr,
        domain: u32,
        look: impl Fn(&'a DomainOptions) -> Option<T>,
    ) -> Option<Found<T>> {
        let domains = self.exporters.get(&exporter)?;
        if let Some(value) = domains.get(&domain).and_then(&look) {
            return Some(Found { value, other_domain: false });
        }
        let value =
            domains.iter().filter(|(other, _)| **other != domain).find_map(|(_, options)| look(options))?;
        Some(Found { value, other_domain: true })
    }

    /// One packet in how many is sampled, for a record of a sampler or interface.
    pub fn sampling(
        &self,
        exporter: IpAddr,
        domain: u32,
        sampler: Option<u64>,
        interface: u32,
    ) -> Option<Found<u64>> {
        self.find(exporter, domain, |options| options.rate(sampler, interface))
    }

    /// Whether anything was said by an exporter.
    pub fn knows(&self, exporter: IpAddr) -> bool {
        self.exporters.contains_key(&exporter)
    }
}
