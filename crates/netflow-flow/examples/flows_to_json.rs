//! Decodes an export packet into normalised flows, writes them as JSON lines, and reads these back.
//!
//! `cargo run -p netflow-flow --example flows_to_json`
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::net::Ipv4Addr;

use netflow_flow::{FlowReader, FlowSink, write_flow_line};
use netflow_templates::{Exporter, Session, Timestamp};
use netflow_wire::{Header, MessageEncoder, v5};

fn main() -> Result<(), Box<dyn Error>> {
    let exporter = Exporter { address: [192, 0, 2, 254].into(), port: 2055 };
    let mut sink = FlowSink::default();
    Session::new().decode(exporter, Timestamp::from_secs(1_714_564_801), &packet(), &mut sink)?;

    let mut lines = Vec::new();
    sink.flows.iter().for_each(|flow| write_flow_line(&mut lines, flow));
    print!("{}", String::from_utf8_lossy(&lines));

    // The reader finds out the format by itself, and whether it is compressed.
    let mut reader = FlowReader::new(lines.as_slice())?;
    let mut flows = Vec::new();
    while reader.read(&mut flows)? {
        for flow in &flows {
            let (src, dst) = (flow.src_addr.ok_or("no source")?, flow.dst_addr.ok_or("no destination")?);
            println!(
                "{src}:{} to {dst}:{}, {} octets after sampling",
                flow.src_port,
                flow.dst_port,
                flow.bytes()
            );
            assert!(sink.flows.to_vec().contains(flow), "what was written is read");
        }
    }
    Ok(())
}

/// A v5 export packet: an HTTPS request and its answer, one packet in 100 sampled.
fn packet() -> Vec<u8> {
    let (client, server) = (Ipv4Addr::new(198, 51, 100, 7).into(), Ipv4Addr::new(192, 0, 2, 80).into());
    let request = v5::Record {
        src_addr: client,
        dst_addr: server,
        packets: 12,
        octets: 1_500,
        first: 55_000,
        last: 59_000,
        src_port: 50_123,
        dst_port: 443,
        tcp_flags: 0x1b,
        protocol: 6,
        ..v5::Record::default()
    };
    let answer = v5::Record {
        src_addr: server,
        dst_addr: client,
        octets: 90_000,
        src_port: request.dst_port,
        dst_port: request.src_port,
        ..request
    };
    let header = v5::Header {
        count: 2,
        uptime_millis: 60_000,
        unix_seconds: 1_714_564_800,
        sampling: 1 << 14 | 100,
        ..v5::Header::default()
    };
    let mut encoder = MessageEncoder::new(Header::V5(header));
    encoder.record(&request).record(&answer);
    encoder.finish()
}
