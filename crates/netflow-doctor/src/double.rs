//! Flows that are seen more than once.

use std::collections::HashMap;
use std::net::IpAddr;

use netflow_templates::Timestamp;

use crate::finding::{Kind, Observer, Severity};
use crate::reading::{FlowKey, Observation};

/// Flows with different keys that are remembered; twice as many at most.
const KEYS: usize = 32_768;
/// Flows of one key that are remembered.
const SAME_KEY: usize = 4;
/// Exporters that are named.
const EXPORTERS: usize = 16;
/// Exporters with an account of their own.
const ACCOUNTS: usize = 4_096;
/// Nanoseconds by which clocks that are in order may differ.
const NEAR: i64 = 1_000_000_000;
/// Flows seen again before that is told, and the part of all that they must be.
const SOME: u64 = 10;
const PART: u64 = 20;

/// When and where a flow was seen.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    exporter: IpAddr,
    start: i64,
    end: i64,
    octets: u64,
    packets: u64,
    direction: Option<u8>,
    interfaces: (u32, u32),
}

impl Sighting {
    fn of(flow: &Observation) -> Self {
        // By the collector's clock, where it is known: those of two exporters need not agree.
        let ahead = match flow.received > Timestamp::EPOCH {
            true => flow.export.as_nanos().saturating_sub(flow.received.as_nanos()),
            false => 0,
        };
        let ahead = if ahead.unsigned_abs() > 5 * NEAR.unsigned_abs() { ahead } else { 0 };
        let at = |time: Option<Timestamp>| time.unwrap_or(flow.export).as_nanos().saturating_sub(ahead);
        Self {
            exporter: flow.exporter,
            start: at(flow.start.or(flow.end)),
            end: at(flow.end.or(flow.start)),
            octets: flow.octets,
            packets: flow.packets,
            direction: flow.direction,
            interfaces: flow.interfaces,
        }
    }

    /// Whether both are of the same packets.
    fn is_same(&self, other: &Self) -> bool {
        let common = self.end.min(other.end).saturating_sub(self.start.max(other.start));
        let shorter = (self.end.saturating_sub(self.start)).min(other.end.saturating_sub(other.start));
        if self.exporter != other.exporter {
            // Half of the shorter one; a short one may be seen a little later elsewhere.
            return common.saturating_mul(2) >= shorter.saturating_sub(NEAR) && common >= -NEAR;
        }
        let elsewhere = self.direction != other.direction || self.interfaces != other.interfaces;
        // An exporter that keeps no flows sends a record a packet: only flows that last can be the same.
        let equal = (self.start, self.end, self.octets) == (other.start, other.end, other.octets);
        self.packets == other.packets
            && common.saturating_mul(2) >= shorter
            && common >= -NEAR
            && (elsewhere || (equal && shorter > 0))
    }
}

/// Remembers flows, to know them again.
#[derive(Debug, Default)]
pub(crate) struct Doubles {
    young: HashMap<FlowKey, Vec<Sighting>>,
    old: HashMap<FlowKey, Vec<Sighting>>,
    /// By exporter: flows, and those of them that it had seen before.
    exporters: HashMap<IpAddr, (u64, u64)>,
    flows: u64,
    /// Flows that another exporter had seen, and which exporters these were.
    shared: u64,
    sharers: Vec<IpAddr>,
}

impl Doubles {
    pub(crate) fn note(&mut self, flow: &Observation) {
        let Some(key) = flow.key else { return };
        self.flows += 1;
        let this = Sighting::of(flow);
        if self.exporters.len() < ACCOUNTS || self.exporters.contains_key(&this.exporter) {
            self.exporters.entry(this.exporter).or_default().0 += 1;
        }
        let before = self.young.get(&key).into_iter().chain(self.old.get(&key)).flatten();
        // A flow that the exporter itself had seen is no new one of the network.
        let same =
            before.filter(|other| this.is_same(other)).max_by_key(|other| other.exporter == this.exporter);
        match same.copied() {
            Some(other) if other.exporter == this.exporter => {
                if let Some((_, again)) = self.exporters.get_mut(&this.exporter) {
                    *again += 1;
                }
            }
            Some(other) => {
                self.shared += 1;
                for exporter in [other.exporter, this.exporter] {
                    if self.sharers.len() < EXPORTERS && !self.sharers.contains(&exporter) {
                        self.sharers.push(exporter);
                    }
                }
                self.remember(key, this);
            }
            None => self.remember(key, this),
        }
    }

    fn remember(&mut self, key: FlowKey, sighting: Sighting) {
        if self.young.len() >= KEYS && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        let sightings = self.young.entry(key).or_default();
        if sightings.len() == SAME_KEY {
            sightings.remove(0);
        }
        sightings.push(sighting);
    }

    /// What is wrong; the exporter is given where it is one.
    pub(crate) fn findings(&self, found: &mut impl FnMut(Option<IpAddr>, Severity, Kind)) {
        let matters = |flows: u64, of: u64| flows >= SOME && flows * PART >= of;
        for (&exporter, &(of, flows)) in self.exporters.iter().filter(|(_, (of, flows))| matters(*flows, *of))
        {
            let kind = Kind::DoubleCounted { observer: Observer::Interfaces, flows, of };
            found(Some(exporter), Severity::Warning, kind);
        }
        if matters(self.shared, self.flows) {
            let mut exporters = self.sharers.clone();
            exporters.sort_unstable();
            let observer = Observer::Exporters { exporters };
            let kind = Kind::DoubleCounted { observer, flows: self.shared, of: self.flows };
            found(None, Severity::Warning, kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{EXPORT, flow};

    /// A flow of port `port` from `start` to `end`, in seconds before its export.
    fn seen(port: u16, start: i64, end: i64) -> Observation {
        let mut flow = flow();
        let at = |seconds: i64| Some(EXPORT.saturating_add_nanos(-seconds * 1_000_000_000));
        (flow.start, flow.end) = (at(start), at(end));
        flow.key.as_mut().unwrap().ports.0 = port;
        flow
    }

    fn findings(flows: impl IntoIterator<Item = Observation>) -> Vec<(Option<IpAddr>, Kind)> {
        let mut doubles = Doubles::default();
        flows.into_iter().for_each(|flow| doubles.note(&flow));
        let mut kinds = Vec::new();
        doubles.findings(&mut |exporter, _, kind| kinds.push((exporter, kind)));
        kinds
    }

    #[test]
    fn pieces_of_long_flows_and_other_flows_are_not_the_same() {
        let pieces = (0..20).flat_map(|port| [seen(port, 120, 60), seen(port, 60, 0)]);
        assert_eq!(findings(pieces), []);
    }

    #[test]
    fn records_of_single_packets_are_not_the_same() {
        let packets = (0..50).map(|_| Observation { packets: 1, ..seen(1, 10, 10) });
        assert_eq!(findings(packets), []);
    }

    #[test]
    fn ingress_and_egress_of_one_exporter_are_the_same_flow() {
        let flows = (0..20).flat_map(|port| {
            [0, 1].map(|direction| Observation { direction: Some(direction), ..seen(port, 20, 10) })
        });
        let kind = Kind::DoubleCounted { observer: Observer::Interfaces, flows: 20, of: 40 };
        assert_eq!(findings(flows), [(Some(flow().exporter), kind)]);
    }

    #[test]
    fn a_flow_at_two_exporters_is_one_whatever_their_clocks_say() {
        let other: IpAddr = [192, 0, 2, 253].into();
        let flows = (0..20).flat_map(|port| {
            let ahead = |time: Option<Timestamp>| time.map(|time| time.saturating_add_nanos(600_000_000_000));
            let here = seen(port, 20, 10);
            let there = Observation {
                exporter: other,
                start: ahead(here.start),
                end: ahead(here.end),
                export: here.export.saturating_add_nanos(600_000_000_000),
                packets: 9,
                ..here.clone()
            };
            [here, there]
        });
        let observer = Observer::Exporters { exporters: vec![other, flow().exporter] };
        assert_eq!(findings(flows), [(None, Kind::DoubleCounted { observer, flows: 20, of: 40 })]);
    }

    #[test]
    fn memory_is_bounded_and_what_is_recent_is_kept() {
        let mut doubles = Doubles::default();
        for n in 0..4 * KEYS as u32 {
            let mut flow = flow();
            flow.key.as_mut().unwrap().src = std::net::Ipv4Addr::from(n).into();
            doubles.note(&flow);
            assert!(doubles.young.len() <= KEYS && doubles.old.len() <= KEYS);
        }
    }
}
