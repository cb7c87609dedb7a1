//! How long pairing takes per flow.
//!
//! Run with `cargo run --release -p netflow-analyzer --example pairing_speed [CONNECTIONS] [WAIT_SECONDS]`.

#![allow(clippy::print_stdout)]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use netflow_analyzer::{Pairing, PairingConfig};
use netflow_flow::Flow;
use netflow_templates::Timestamp;

/// Connections that begin in a second of the stream.
const RATE: u64 = 5_000;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let mut next = |default| arguments.next().and_then(Result::ok).unwrap_or(default);
    let (connections, wait) = (next(1_000_000), next(30));

    let flows = flows(connections);
    let wait = Duration::from_secs(wait);
    let config =
        PairingConfig { wait, tcp_idle_timeout: wait, idle_timeout: wait, ..PairingConfig::default() };
    for _ in 0..3 {
        let mut pairing = Pairing::new(config.clone());
        let mut bytes = 0;
        let began = Instant::now();
        pairing.push_all(&flows, &mut |connection| bytes += connection.total_bytes());
        let pushed = began.elapsed();
        pairing.finish(&mut |connection| bytes += connection.total_bytes());
        let whole = began.elapsed();
        let per_flow = |time: Duration| time.as_nanos() / flows.len() as u128;
        let statistics = pairing.statistics();
        println!(
            "{} ns a flow ({} with the end), {} flows, {} paired, {} open at most, {bytes} octets",
            per_flow(pushed),
            per_flow(whole),
            statistics.flows,
            statistics.paired,
            statistics.most_open,
        );
    }
}

/// Both directions of each connection, the answer up to two seconds after the request.
fn flows(connections: u64) -> Vec<Flow> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut flows = Vec::with_capacity(connections as usize * 2);
    for n in 0..connections {
        let start = 1_714_564_800_000 + (n * 1_000 / RATE) as i64;
        let length = (random() % 3_000) as i64;
        let mut flow = Flow::default();
        flow.exporter_addr = Ipv4Addr::new(203, 0, 113, (random() % 4) as u8).into();
        flow.time_received = Timestamp::from_millis(start + length);
        flow.time_flow_start = Some(Timestamp::from_millis(start));
        flow.time_flow_end = Some(Timestamp::from_millis(start + length));
        flow.proto = if random() % 3 == 0 { 17 } else { 6 };
        flow.src_addr = Some(Ipv4Addr::from(0x0a00_0000 | (random() as u32 & 0xffff)).into());
        flow.src_port = 32_768 | random() as u16;
        flow.dst_addr = Some(Ipv4Addr::from(random() as u32).into());
        flow.dst_port = 443;
        (flow.bytes_raw, flow.packets_raw, flow.sampling_rate) = (random() % 100_000, random() % 100, 1);
        flow.flow_end_reason = Some(3);
        flows.push(flow.clone());
        std::mem::swap(&mut flow.src_addr, &mut flow.dst_addr);
        std::mem::swap(&mut flow.src_port, &mut flow.dst_port);
        flow.time_received = Timestamp::from_millis(start + length + (random() % 2_000) as i64);
        flows.push(flow);
    }
    flows.sort_by_key(|flow| flow.time_received);
    flows
}
