//! All that is kept of one exporter and observation domain.

use std::collections::BTreeSet;

use netflow_templates::Timestamp;
use netflow_templates::sequence::{Convention, SequenceTracker, Units};

use crate::clock::Clocks;
use crate::diagnosis::{DomainFacts, Source};
use crate::doctor::DomainKey;
use crate::fields::Fields;
use crate::finding::{Kind, Severity};
use crate::loss;
use crate::quirks::{Signal, Signals};
use crate::reading::Observation;
use crate::sampling::Sampling;
use crate::templates::Templates;
use crate::times::FlowTimes;

#[derive(Debug, Default)]
pub(crate) struct Domain {
    pub(crate) packets: u64,
    pub(crate) flows: u64,
    pub(crate) options: u64,
    first: Option<Timestamp>,
    last: Timestamp,
    pub(crate) templates: Templates,
    pub(crate) sampling: Sampling,
    pub(crate) fields: Fields,
    pub(crate) signals: Signals,
    pub(crate) ports: Ports,
    tracker: SequenceTracker,
    clocks: Clocks,
    times: FlowTimes,
    malformed: u64,
    example: Option<String>,
    /// Flows of packets are not there, as when a flow file was filtered.
    pub(crate) partial: bool,
    /// Packets came over a transport that loses nothing, where templates are sent once.
    pub(crate) reliable: bool,
}

/// UDP or TCP ports that an exporter sends from.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    data: BTreeSet<u16>,
    /// Of options data.
    options: BTreeSet<u16>,
    /// Packets with options data.
    packets: u64,
    /// The latest of them, by number: sets that had to wait come after those of later packets.
    latest: BTreeSet<u64>,
}

impl Ports {
    /// Ports that are kept.
    const MOST: usize = 64;
    /// Packets that are remembered, so that each is counted once.
    const REMEMBERED: usize = 256;

    pub(crate) fn data(&mut self, port: u16) {
        if self.data.len() < Self::MOST {
            self.data.insert(port);
        }
    }

    /// Takes the port of a set of options data, and the number of its packet.
    pub(crate) fn options(&mut self, port: u16, packet: u64) {
        if self.options.len() >= Self::MOST && !self.options.contains(&port) {
            return;
        }
        self.options.insert(port);
        let full = self.latest.len() >= Self::REMEMBERED;
        if full && self.latest.first().is_some_and(|&first| packet < first) {
            return;
        }
        if self.latest.insert(packet) {
            self.packets += 1;
            if full {
                self.latest.pop_first();
            }
        }
    }

    /// Packets with options data, if none of them came from a port that flows come from.
    fn apart(&self) -> u64 {
        let apart = self.data.is_disjoint(&self.options);
        if self.data.is_empty() || self.data.len() >= Self::MOST || !apart { 0 } else { self.packets }
    }
}

/// What is known about an export packet when it is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) version: u16,
    pub(crate) sequence: Option<u32>,
    pub(crate) uptime: Option<u32>,
    pub(crate) export: Timestamp,
    pub(crate) received: Timestamp,
    /// Its records; none when some could not be counted.
    pub(crate) units: Option<Units>,
}

impl Domain {
    /// A packet is over; whether it came before.
    pub(crate) fn packet(&mut self, packet: &Packet) -> bool {
        self.packets += 1;
        let received = packet.received;
        let first = self.first.get_or_insert(received);
        *first = (*first).min(received);
        self.last = self.last.max(received);
        let Packet { version, sequence, uptime, units, .. } = *packet;
        let step = sequence.map(|sequence| self.tracker.observe(version, sequence, units, received, uptime));
        let step = step.unwrap_or_default();
        if !step.duplicate {
            self.clocks.source(packet.export, uptime);
        }
        if !step.duplicate && !step.reordered {
            self.clocks.note(packet.export, received, uptime, step.restarted);
        }
        step.duplicate
    }

    /// A flow of a packet that came for the first time.
    pub(crate) fn flow(&mut self, flow: &Observation) {
        self.flows += 1;
        self.times.note(flow);
        self.sampling.note(flow);
        self.fields.note(flow);
        self.signals.note(flow);
    }

    /// Octets of a packet were malformed.
    pub(crate) fn malformed(&mut self, example: impl FnOnce() -> String) {
        self.malformed += 1;
        self.example.get_or_insert_with(example);
    }

    pub(crate) fn facts(&self, key: &DomainKey) -> DomainFacts {
        DomainFacts {
            exporter: key.exporter,
            domain: key.domain,
            version: key.version,
            source: key.source,
            packets: self.packets,
            flows: self.flows,
            options: self.options,
            first: self.first.unwrap_or_default(),
            last: self.last,
            templates: self.templates.facts(self.last),
            sequence: self.tracker.totals(),
            convention: if self.partial { Convention::Other } else { self.tracker.convention() },
            partial: self.partial,
            sampling: self.sampling.facts(),
            clock: self.clocks.facts(),
        }
    }

    /// What is wrong. `rates` and `samplers` are those of options data of all domains of the exporter.
    pub(crate) fn findings(
        &mut self,
        key: &DomainKey,
        rates: &BTreeSet<u64>,
        samplers: &BTreeSet<u64>,
        found: &mut impl FnMut(Severity, Kind),
    ) {
        let observed = self.facts(key).observed();
        self.templates.findings(self.packets, observed, self.reliable, found);
        let lacks_packets = key.source == Source::Flows && key.version > 8;
        let can_tell_loss = !lacks_packets && !self.partial;
        if can_tell_loss && self.clocks.sources().is_none() {
            loss::findings(key.version, &self.tracker, self.options > 0, found);
        }
        self.sampling.findings(rates, samplers, observed, found);
        self.clocks.findings(self.times.are_relative(), found);
        let skew = self.clocks.facts().skew.unwrap_or_default().abs();
        self.times.findings(skew, self.signals.seen(Signal::TimeLength) > 0, found);
        self.fields.findings(found);
        self.signals.add(Signal::UptimeWithoutStart, self.times.estimated());
        self.signals.add(Signal::OptionsFromOtherPort, self.ports.apart());
        self.signals.findings(self.packets, found);
        if self.malformed > 0 {
            let (packets, of) = (self.malformed, self.packets);
            let example = self.example.take().unwrap_or_default();
            found(Severity::Error, Kind::Malformed { packets, of, example });
        }
    }
}
