//! Reads a flow file, of any format, and exports its flows as IPFIX: to a collector, or to a file.
//!
//! `cargo run -p netflow-exporter --example flows_to_ipfix -- FLOWS HOST:PORT`
//! `cargo run -p netflow-exporter --example flows_to_ipfix -- FLOWS FILE.ipfix`
#![allow(clippy::print_stderr, reason = "an example")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{SocketAddr, UdpSocket};

use netflow_exporter::{Exporter, ExporterConfig, Refresh, Version};
use netflow_flow::FlowReader;
use netflow_templates::Timestamp;

/// What takes a message.
type Send = dyn FnMut(&[u8]) -> std::io::Result<()>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(flows), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("two arguments: a flow file, and HOST:PORT or a file to write".into());
    };
    let mut reader = FlowReader::new(File::open(flows)?)?;
    let mut config = ExporterConfig::new(Version::Ipfix, Timestamp::EPOCH);
    let mut send: Box<Send> = match to.parse::<SocketAddr>() {
        Ok(collector) => {
            let local = if collector.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(local)?;
            socket.connect(collector)?;
            Box::new(move |packet| socket.send(packet).map(drop))
        }
        Err(_) => {
            // A file loses nothing: templates are needed once.
            config.refresh = Refresh::NEVER;
            let mut file = BufWriter::new(File::create(to)?);
            Box::new(move |packet| file.write_all(packet))
        }
    };

    let mut exporter = Exporter::new(config)?;
    let (mut line, mut now) = (Vec::new(), Timestamp::EPOCH);
    while reader.read(&mut line)? {
        for flow in &line {
            now = flow.time_export.max(now);
            exporter.add(flow, now);
            while let Some(packet) = exporter.next_packet() {
                send(packet.octets)?;
            }
        }
    }
    exporter.flush(now);
    while let Some(packet) = exporter.next_packet() {
        send(packet.octets)?;
    }
    let statistics = exporter.statistics();
    eprintln!("{} flows in {} messages", statistics.flows, statistics.packets);
    Ok(())
}
