//! The largest connections.

use std::net::IpAddr;
use std::sync::Arc;

use netflow_analyzer::{Connection, HostNames, Orientation, Pairing, PairingConfig, Services, pairing};
use netflow_flow::{Column, Flow, column, protocol_name};
use netflow_query::{Batch, Consumer, Error, Selection};
use netflow_report::{self as report, End};

/// Pairs flows, and keeps the largest connections.
pub(super) struct Largest {
    pairing: Pairing,
    kept: Kept,
    columns: Vec<&'static Column>,
    flows: Vec<Flow>,
}

/// The largest connections so far, and some more.
struct Kept {
    connections: Vec<Connection>,
    most: usize,
    raw: bool,
    total: u64,
    /// What is smaller is not among the largest.
    least: u64,
}

impl Largest {
    pub(super) fn new(most: usize, raw: bool) -> Self {
        Self {
            pairing: Pairing::new(PairingConfig::default()),
            kept: Kept { connections: Vec::new(), most, raw, total: 0, least: 0 },
            columns: pairing::COLUMNS.iter().filter_map(|name| column(name)).collect(),
            flows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, flow: &Flow) {
        self.pairing.push(flow, &mut |connection| self.kept.take(connection));
    }

    /// The largest, the largest first, and how many there were in all.
    pub(super) fn finish(mut self) -> (Vec<Connection>, u64) {
        self.pairing.finish(&mut |connection| self.kept.take(connection));
        self.kept.cut();
        (self.kept.connections, self.kept.total)
    }
}

impl Consumer for Largest {
    fn columns(&self) -> Vec<&'static Column> {
        self.columns.clone()
    }

    fn take(&mut self, batch: &mut Batch, selection: &Selection) -> Result<(), Error> {
        let mut flows = std::mem::take(&mut self.flows);
        let made = batch.flows(selection, &mut flows);
        flows.iter().for_each(|flow| self.push(flow));
        self.flows = flows;
        made
    }
}

impl Kept {
    fn take(&mut self, connection: Connection) {
        self.total += 1;
        if volume(&connection, self.raw) < self.least {
            return;
        }
        self.connections.push(connection);
        if self.connections.len() >= self.most * 2 + 1_024 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let raw = self.raw;
        self.connections.sort_by(|one, other| {
            volume(other, raw).cmp(&volume(one, raw)).then_with(|| one.start().cmp(&other.start()))
        });
        self.connections.truncate(self.most);
        if self.connections.len() == self.most {
            self.least = self.connections.last().map_or(0, |smallest| volume(smallest, raw));
        }
    }
}

fn volume(connection: &Connection, raw: bool) -> u64 {
    match raw {
        false => connection.total_bytes(),
        true => connection.a.sent.bytes_raw.saturating_add(connection.b.sent.bytes_raw),
    }
}

/// Connections as the page shows them.
pub(super) fn rows(
    connections: &[Connection],
    services: &Services,
    names: &HostNames,
    raw: bool,
) -> Vec<report::Connection> {
    let row = |connection: &Connection| {
        let orientation = Orientation::of(connection, services);
        let end = |side| {
            let peer = connection.peer(side);
            let (bytes, packets) = match raw {
                false => (peer.sent.bytes, peer.sent.packets),
                true => (peer.sent.bytes_raw, peer.sent.packets_raw),
            };
            let name = names.get(peer.addr).unwrap_or_default().to_owned();
            End { address: peer.addr.to_string(), port: peer.port, name, bytes, packets }
        };
        let protocol =
            protocol_name(connection.proto).map_or_else(|| connection.proto.to_string(), str::to_owned);
        report::Connection {
            start: connection.start().or(Some(connection.received_first)),
            duration: connection.duration(),
            service: services.of(connection).map_or_else(|| protocol.clone(), str::to_owned),
            protocol,
            client: end(orientation.client),
            server: end(orientation.server()),
            seen_by: connection.exporters().iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", "),
        }
    };
    connections.iter().map(row).collect()
}

/// The hosts of connections.
pub(super) fn hosts(connections: &[Connection]) -> impl Iterator<Item = IpAddr> {
    connections.iter().flat_map(|connection| [connection.a.addr, connection.b.addr])
}

/// Ports that name services.
pub(super) fn ports(services: &Services) -> Arc<netflow_query::Ports> {
    Arc::new(netflow_query::Ports::new(|protocol, port| services.name(protocol, port).is_some()))
}
