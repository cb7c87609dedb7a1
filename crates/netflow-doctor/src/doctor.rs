//! The accumulator.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use netflow_flow::Flow;
use netflow_templates::sequence::Units;
use netflow_templates::{Context, DataSet, Exporter, MessageSink, Problem, TemplateChange, Timestamp};
use netflow_wire::{Header, WireError};
use serde::Serialize;

use crate::diagnosis::{Diagnosis, Source};
use crate::domain::{Domain, Packet};
use crate::double::Doubles;
use crate::finding::{Finding, Kind, Severity};
use crate::reading::{Observation, Reader};

/// Exporters' domains that are kept, some KiB each and more for their templates.
const MAX_DOMAINS: usize = 1_024;
/// Exporters whose datagrams are no export packets that are kept.
const MAX_FOREIGN: usize = 1_024;

/// Gathers what there is to know about exporters from what a [`Session`](netflow_templates::Session) decodes, for
/// which it is a sink; or from flows. Memory is bounded, whatever comes.
#[derive(Debug, Default)]
pub struct Doctor {
    domains: HashMap<DomainKey, Domain>,
    foreign: BTreeMap<IpAddr, (u64, String)>,
    doubles: Doubles,
    current: Option<Current>,
    reader: Reader,
    /// Flows of late sets, which are of an earlier packet.
    late: Vec<Observation>,
    cut_off: bool,
    reliable: bool,
    dropped_here: u64,
    overflow: Overflow,
}

/// What was too much to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Overflow {
    /// Packets, or flows out of files, of exporters beyond the number that is kept.
    pub packets: u64,
    /// Template records and data sets of templates beyond the number that is kept.
    pub templates: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DomainKey {
    pub(crate) exporter: IpAddr,
    pub(crate) domain: u32,
    pub(crate) version: u16,
    pub(crate) source: Source,
}

impl DomainKey {
    fn of(context: &Context<'_>) -> Self {
        Self {
            exporter: context.exporter.address,
            domain: context.domain(),
            version: context.header.version(),
            source: Source::Packets,
        }
    }
}

/// The packet that is coming.
#[derive(Debug)]
struct Current {
    key: DomainKey,
    number: u64,
    header: Header,
    received: Timestamp,
    records: u64,
    options: u64,
    templates: u64,
    uncounted: bool,
    malformed: bool,
    /// Data do not fit their template, which may be because the packet is malformed.
    misfit: Option<Problem>,
    flows: Vec<Observation>,
}

impl Doctor {
    /// A doctor who has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says of the packets that come from now on whether a capture kept only the beginning of each: then what is
    /// wrong with them is not the exporter's fault.
    pub fn set_cut_off(&mut self, cut_off: bool) {
        self.cut_off = cut_off;
    }

    /// Says of the packets that come from now on whether their transport loses nothing, as TCP: then templates are
    /// sent once.
    pub fn set_reliable(&mut self, reliable: bool) {
        self.reliable = reliable;
    }

    /// A datagram came that is no export packet.
    pub fn not_export_packet(&mut self, exporter: Exporter, error: &WireError) {
        if self.cut_off
            || (self.foreign.len() >= MAX_FOREIGN && !self.foreign.contains_key(&exporter.address))
        {
            self.overflow.packets += u64::from(!self.cut_off);
            return;
        }
        self.foreign.entry(exporter.address).or_insert_with(|| (0, error.to_string())).0 += 1;
    }

    /// This machine dropped datagrams before they were decoded.
    pub fn dropped_here(&mut self, datagrams: u64) {
        self.dropped_here += datagrams;
    }

    /// A flow that was normalised before, as out of a flow file. The flows of an export packet must follow each
    /// other, as they do in files of `nf collect`.
    pub fn flow(&mut self, flow: &Flow) {
        let flow = Observation::from(flow);
        let key = DomainKey {
            exporter: flow.exporter,
            domain: flow.domain,
            version: flow.version,
            source: Source::Flows,
        };
        let is_next = self.current.as_ref().is_some_and(|current| {
            let first = current.flows.first();
            current.key == key
                && first.is_some_and(|first| {
                    (first.sequence, first.export, first.received)
                        == (flow.sequence, flow.export, flow.received)
                })
                && flow.record_index > 0
        });
        if !is_next {
            self.end_packet();
            // Only its place in the packet matters of the header.
            let header = Header::V9(netflow_wire::v9::Header::default());
            self.current = Some(Current::new(key, 0, header, flow.received));
        }
        if let Some(current) = &mut self.current {
            current.records += 1;
            current.flows.push(flow);
        }
    }

    /// What all that says.
    pub fn finish(mut self) -> Diagnosis {
        self.end_packet();
        let mut findings = Vec::new();
        let mut domains = Vec::new();
        let mut sorted: Vec<_> = std::mem::take(&mut self.domains).into_iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        let said = said_about_sampling(&sorted);
        for (key, mut domain) in sorted {
            let (rates, samplers) = &said[&key.exporter];
            domains.push(domain.facts(&key));
            self.overflow.templates += domain.templates.untracked;
            domain.findings(&key, rates, samplers, &mut |severity, kind| {
                findings.push(Finding {
                    severity,
                    exporter: Some(key.exporter),
                    domain: Some(key.domain),
                    version: Some(key.version),
                    kind,
                });
            });
        }
        let mut found = |exporter, severity, kind| {
            findings.push(Finding { severity, exporter, domain: None, version: None, kind });
        };
        self.doubles.findings(&mut found);
        for (exporter, (datagrams, example)) in self.foreign {
            found(Some(exporter), Severity::Warning, Kind::NotExportPackets { datagrams, example });
        }
        if self.dropped_here > 0 {
            found(None, Severity::Error, Kind::DroppedHere { datagrams: self.dropped_here });
        }
        findings.sort_by_key(|finding| finding.severity);
        Diagnosis { domains, findings, overflow: self.overflow }
    }

    /// Takes stock of the packet that came.
    fn end_packet(&mut self) {
        let Some(current) = self.current.take() else { return };
        let from_flows = current.key.source == Source::Flows;
        let Some(domain) = entry(&mut self.domains, current.key) else {
            self.overflow.packets += 1;
            return;
        };
        let units = Units { records: current.records as u32, options: current.options as u32 };
        let header = &current.header;
        let mut packet = Packet {
            version: current.key.version,
            sequence: header.sequence(),
            uptime: header.uptime_millis(),
            export: Timestamp::from_nanos(header.export_nanos()),
            received: current.received,
            units: (!current.uncounted).then_some(units),
        };
        if let Some(flow) = current.flows.first().filter(|_| from_flows) {
            let mut indices = current.flows.iter().map(|flow| usize::from(flow.record_index)).enumerate();
            domain.partial |= indices.any(|(position, index)| position != index);
            // Versions whose packets hold nothing but flows have them all in a file.
            let sequence = matches!(packet.version, 5 | 7 | 8).then_some(flow.sequence);
            packet = Packet { sequence, uptime: None, export: flow.export, ..packet };
        } else if !current.uncounted {
            let counts = [current.records, current.options, current.templates];
            domain.signals.header(header, counts, current.number);
        }
        if let Some(misfit) = current.misfit.filter(|_| !current.malformed) {
            domain.signals.problem(&misfit, current.number);
        }
        domain.options += current.options;
        let duplicate = domain.packet(&packet);
        if !duplicate {
            for flow in &current.flows {
                domain.flow(flow);
                self.doubles.note(flow);
            }
        }
    }

    fn end_late(&mut self, key: DomainKey) {
        let late = std::mem::take(&mut self.late);
        if let Some(domain) = entry(&mut self.domains, key) {
            late.iter().for_each(|flow| domain.flow(flow));
            late.iter().for_each(|flow| self.doubles.note(flow));
        }
        self.late = late;
        self.late.clear();
    }
}

/// The domain that a packet is of, unless there are too many.
fn entry(domains: &mut HashMap<DomainKey, Domain>, key: DomainKey) -> Option<&mut Domain> {
    if domains.len() >= MAX_DOMAINS && !domains.contains_key(&key) {
        return None;
    }
    Some(domains.entry(key).or_default())
}

/// For each exporter the rates that options data of all its domains say, and the samplers that they describe.
fn said_about_sampling(domains: &[(DomainKey, Domain)]) -> HashMap<IpAddr, (BTreeSet<u64>, BTreeSet<u64>)> {
    let mut said: HashMap<_, (BTreeSet<_>, BTreeSet<_>)> = HashMap::new();
    for (key, domain) in domains {
        let (rates, samplers) = said.entry(key.exporter).or_default();
        rates.extend(domain.sampling.said());
        samplers.extend(domain.sampling.described());
    }
    said
}

impl Current {
    fn new(key: DomainKey, number: u64, header: Header, received: Timestamp) -> Self {
        Self {
            key,
            number,
            header,
            received,
            records: 0,
            options: 0,
            templates: 0,
            uncounted: false,
            malformed: false,
            misfit: None,
            flows: Vec::new(),
        }
    }
}

impl MessageSink for Doctor {
    fn packet(&mut self, context: &Context<'_>) {
        self.end_packet();
        let key = DomainKey::of(context);
        if let Some(domain) = entry(&mut self.domains, key) {
            domain.sampling.header(context.header);
            domain.reliable = self.reliable;
        }
        let mut current = Current::new(key, context.packet, *context.header, context.received);
        current.uncounted = self.cut_off;
        self.current = Some(current);
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        let key = DomainKey::of(context);
        let received = self.current.as_ref().map_or(context.received, |current| current.received);
        let Some(domain) = entry(&mut self.domains, key) else { return };
        if set.plan().template_id() > 0 {
            domain.templates.data(set.plan().template_id(), set.len(), received, context.late);
        }
        domain.sampling.data(&set);
        domain.fields.data(&set);
        domain.signals.data(context, &set);
        domain.ports.data(context.exporter.port);
        if context.late {
            self.reader.read(context, set, &mut self.late);
            self.end_late(key);
        } else if let Some(current) = &mut self.current {
            current.records += set.len() as u64;
            self.reader.read(context, set, &mut current.flows);
        }
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        let received = self.current.as_ref().map_or(context.received, |current| current.received);
        let Some(domain) = entry(&mut self.domains, DomainKey::of(context)) else { return };
        domain.templates.data(set.plan().template_id(), set.len(), received, context.late);
        domain.sampling.options(context, &set);
        domain.ports.options(context.exporter.port, context.packet);
        if context.late {
            domain.options += set.len() as u64;
        } else if let Some(current) = &mut self.current {
            current.options += set.len() as u64;
        }
    }

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        let key = DomainKey::of(context);
        let Some(domain) = entry(&mut self.domains, key) else { return };
        if let TemplateChange::Sent { definition, plan, new } = change {
            let (packet, packets) = (context.packet, domain.packets);
            domain.templates.sent(definition, packet, packets, context.received, plan.is_some());
            if let (Some(plan), true) = (plan, new) {
                domain.signals.template(definition, plan, key.version);
            }
        }
        if let Some(current) = &mut self.current {
            current.templates += 1;
        }
    }

    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        let (key, cut_off) = (DomainKey::of(context), self.cut_off);
        let Some(domain) = entry(&mut self.domains, key) else { return };
        let missing = match problem {
            Problem::MissingTemplate { set_id, length, .. } => {
                domain.templates.missing(set_id, length, context.received);
                true
            }
            _ => false,
        };
        let current = self.current.as_mut().filter(|current| current.number == context.packet);
        // Of a late set the packet is over, and what else is wrong with it was told.
        let misfit = matches!(problem, Problem::Padding { .. }) && !cut_off && current.is_some();
        let is_quirk = !misfit && !cut_off && domain.signals.problem(&problem, context.packet);
        let is_malformed = problem.is_malformed() && !is_quirk && !cut_off;
        let is_uncounted = missing || problem.is_malformed();
        let Some(current) = current else { return };
        if misfit {
            current.misfit = Some(problem);
        }
        current.uncounted |= is_uncounted;
        if is_malformed && !std::mem::replace(&mut current.malformed, true) {
            domain.malformed(|| problem.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
