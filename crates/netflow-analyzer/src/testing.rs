//! Flows for tests.

use std::net::SocketAddr;

use netflow_flow::{Flow, TimeQuality};
use netflow_templates::Timestamp;

use crate::connection::Connection;
use crate::pairing::{Pairing, PairingConfig};

/// Seconds of the time at which the tests' flows start.
pub(crate) const T0: i64 = 1_714_564_800;

/// A flow of 10 packets and 1000 octets, seen from `T0` for one second, received 15 s later.
pub(crate) fn flow(proto: u8, src: &str, dst: &str) -> Flow {
    let (src, dst): (SocketAddr, SocketAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    let mut flow = Flow::default();
    flow.exporter_addr = "192.0.2.1".parse().unwrap();
    (flow.flow_version, flow.template_id) = (9, Some(256));
    flow.proto = proto;
    (flow.src_addr, flow.src_port) = (Some(src.ip()), src.port());
    (flow.dst_addr, flow.dst_port) = (Some(dst.ip()), dst.port());
    (flow.bytes_raw, flow.packets_raw, flow.sampling_rate) = (1000, 10, 1);
    flow.time_quality = TimeQuality::Exact;
    at(&mut flow, 0, 1);
    flow
}

/// Moves a flow: it starts `start` seconds after `T0`, ends at `end`, and is received 15 s later.
pub(crate) fn at(flow: &mut Flow, start: i64, end: i64) {
    flow.time_flow_start = Some(Timestamp::from_secs(T0 + start));
    flow.time_flow_end = Some(Timestamp::from_secs(T0 + end));
    flow.time_received = Timestamp::from_secs(T0 + end + 15);
    flow.time_export = flow.time_received;
}

/// A copy of a flow, moved.
pub(crate) fn moved(flow: &Flow, start: i64, end: i64) -> Flow {
    let mut copy = flow.clone();
    at(&mut copy, start, end);
    copy
}

/// The same flow in the other direction.
pub(crate) fn reply(flow: &Flow) -> Flow {
    let mut reply = flow.clone();
    (reply.src_addr, reply.dst_addr) = (flow.dst_addr, flow.src_addr);
    (reply.src_port, reply.dst_port) = (flow.dst_port, flow.src_port);
    (reply.src_as, reply.dst_as) = (flow.dst_as, flow.src_as);
    (reply.in_if, reply.out_if) = (flow.out_if, flow.in_if);
    reply
}

/// The connections of `flows`, with the default configuration.
pub(crate) fn pair(flows: &[Flow]) -> Vec<Connection> {
    pair_with(PairingConfig::default(), flows)
}

/// The connections of `flows`.
pub(crate) fn pair_with(config: PairingConfig, flows: &[Flow]) -> Vec<Connection> {
    let mut connections = Vec::new();
    let mut pairing = Pairing::new(config);
    for flow in flows {
        pairing.push(flow, &mut |connection| connections.push(connection));
    }
    pairing.finish(&mut |connection| connections.push(connection));
    connections
}
