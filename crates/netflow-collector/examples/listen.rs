//! Listens on a port of the loopback interface, sends itself one export packet, prints its flows, and ends.
//!
//! `cargo run -p netflow-collector --example listen`
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use netflow_collector::PacketListener;
use netflow_flow::write_flow_line;
use netflow_wire::{Header, MessageEncoder, v5};

fn main() -> Result<(), Box<dyn Error>> {
    // Port 0: the system chooses one that is free. A collector would bind 0.0.0.0:2055.
    let mut listener = PacketListener::bind("127.0.0.1:0".parse()?)?;
    let address = listener.addresses()[0];
    println!("listening on {address}");

    UdpSocket::bind("127.0.0.1:0")?.send_to(&packet(), address)?;

    let packet = listener.next_timeout(Duration::from_secs(5)).ok_or("no packet came")?;
    println!("{} flows from {}", packet.flows.len(), packet.exporter.address);
    let mut lines = Vec::new();
    packet.flows.iter().for_each(|flow| write_flow_line(&mut lines, flow));
    print!("{}", String::from_utf8_lossy(&lines));
    for problem in &packet.problems {
        println!("! {problem}");
    }

    let report = listener.stop();
    println!(
        "{} received, {} flows decoded, {} dropped",
        report.received, report.session.records, report.dropped
    );
    Ok(())
}

/// A v5 export packet with one flow.
fn packet() -> Vec<u8> {
    let header = v5::Header { count: 1, unix_seconds: 1_714_564_800, ..v5::Header::default() };
    let record = v5::Record {
        src_addr: Ipv4Addr::new(192, 0, 2, 1).into(),
        dst_addr: Ipv4Addr::new(192, 0, 2, 53).into(),
        packets: 1,
        octets: 71,
        src_port: 40_000,
        dst_port: 53,
        protocol: 17,
        ..v5::Record::default()
    };
    let mut encoder = MessageEncoder::new(Header::V5(header));
    encoder.record(&record);
    encoder.finish()
}
