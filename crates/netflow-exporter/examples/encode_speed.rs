//! How long a record takes to be encoded, in each version.
//!
//! Run with `cargo run --profile fast -p netflow-exporter --example encode_speed`.

#![allow(clippy::print_stdout)]

use std::time::Instant;

use netflow_exporter::{Exporter, ExporterConfig, Version};
use netflow_flow::Flow;
use netflow_templates::Timestamp;

const START: Timestamp = Timestamp::from_secs(1_714_564_800);
const FLOWS: u64 = 1_000;
const ROUNDS: u64 = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flows: Vec<Flow> = (0..FLOWS as u32).map(flow).collect();
    let wanted = std::env::args().nth(1);
    for version in ["1", "5", "7", "8.14", "9", "ipfix"] {
        if wanted.as_deref().is_some_and(|wanted| wanted != version) {
            continue;
        }
        let version: Version = version.parse()?;
        let mut exporter = Exporter::new(ExporterConfig::new(version, START))?;
        let begun = Instant::now();
        for round in 0..ROUNDS {
            for flow in &flows {
                exporter.add(flow, START.saturating_add_nanos(round as i64 * 1_000_000));
                while let Some(packet) = exporter.next_packet() {
                    std::hint::black_box(packet.octets);
                }
            }
        }
        let took = begun.elapsed().as_secs_f64();
        let statistics = exporter.statistics();
        println!(
            "{version:>5}: {:5.1} ns a record, {:6.0} ns a packet of {} octets",
            took * 1e9 / statistics.flows as f64,
            took * 1e9 / statistics.packets as f64,
            statistics.octets / statistics.packets
        );
    }
    Ok(())
}

/// A flow with a value in every usual column.
fn flow(number: u32) -> Flow {
    let address = |number: u32| Some(std::net::Ipv4Addr::from_bits(0xc000_0200 + number).into());
    let mut flow = Flow::UNKNOWN;
    (flow.src_addr, flow.dst_addr, flow.next_hop) = (address(number), address(number + 1), address(254));
    (flow.src_port, flow.dst_port, flow.proto, flow.tcp_flags) = (40_000, 443, 6, 0x1b);
    (flow.bytes_raw, flow.packets_raw) = (1_500 * u64::from(number), number.into());
    (flow.in_if, flow.out_if, flow.src_as, flow.dst_as) = (1, 2, 64_500, 64_501);
    (flow.src_mask, flow.dst_mask, flow.ip_version, flow.ip_tos) = (24, 16, 4, 0x20);
    (flow.direction, flow.flow_end_reason) = (Some(0), Some(3));
    flow.time_flow_start = Some(START.saturating_add_nanos(-i64::from(number) * 10_000_000));
    flow.time_flow_end = Some(START);
    flow
}
