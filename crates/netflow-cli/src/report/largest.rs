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
    kept: Vec<Connection>,
    most: usize,
    raw: bool,
    total: u64,
    columns: Vec<&'static Column>,
    flows: Vec<Flow>,
}

impl Largest {
    pub(super) fn new(most: usize, raw: bool) -> Self {
        Self {
            pairing: Pairing::new(PairingConfig::default()),
            kept: Vec::new(),
            most,
            raw,
            total: 0,
            columns: pairing::COLUMNS.iter().filter_map(|name| column(name)).collect(),
            flows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, flow: &Flow) {
        let Self { pairing, kept, most, raw, total, .. } = self;
        pairing.push(flow, &mut |connection| keep(kept, *most, *raw, total, connection));
    }

    /// The largest, the largest first, and how many there were in all.
    pub(super) fn finish(mut self) -> (Vec<Connection>, u64) {
        let Self { pairing, kept, most, raw, total, .. } = &mut self;
        pairing.finish(&mut |connection| keep(kept, *most, *raw, total, connection));
        cut(kept, *most, *raw);
        (self.kept, self.total)
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

fn keep(kept: &mut Vec<Connection>, most: usize, raw: bool, total: &mut u64, connection: Connection) {
    *total += 1;
    kept.push(connection);
    if kept.len() >= most * 2 + 1_024 {
        cut(kept, most, raw);
    }
}

fn cut(kept: &mut Vec<Connection>, most: usize, raw: bool) {
    kept.sort_by(|one, other| {
        volume(other, raw).cmp(&volume(one, raw)).then_with(|| one.start().cmp(&other.start()))
    });
    kept.truncate(most);
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
