//! Two flows become one connection.
//!
//! Run with `cargo run -p netflow-analyzer --example pair`.

#![allow(clippy::print_stdout)]

use std::net::IpAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use netflow_analyzer::report::{write_line, write_unpaired};
use netflow_analyzer::{HostNames, Kind, Orientation, Pairing, PairingConfig, Resolver, Services};
use netflow_flow::Flow;
use netflow_templates::Timestamp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let browser: IpAddr = "192.0.2.10".parse()?;
    let server: IpAddr = "198.51.100.80".parse()?;

    // What an exporter says of a download: the request in one piece, the answer cut in two by its active
    // timeout, each direction by itself. And a packet that nobody answered.
    let flows = [
        tcp(browser, 51_000, server, 443, 0..61, 5_000),
        tcp(server, 443, browser, 51_000, 0..60, 3_000_000),
        tcp(browser, 51_001, server, 8_080, 2..2, 60),
        tcp(server, 443, browser, 51_000, 60..61, 50_000),
    ];

    // Pair them. A connection comes out as soon as it has been silent for long enough, the rest at the end.
    let mut connections = Vec::new();
    let mut pairing = Pairing::new(PairingConfig::default());
    for flow in &flows {
        pairing.push(flow, &mut |connection| connections.push(connection));
    }
    pairing.finish(&mut |connection| connections.push(connection));

    // Services have names: IANA's, and the system's own.
    let services = Services::with_system("/etc/services")?;

    // So have hosts. Here a table answers; `Resolver::new()` asks the DNS.
    let mut resolver = Resolver::with_lookup(4, move |addr| match addr {
        _ if addr == server => Ok("www.example".to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    });
    let addresses = connections.iter().flat_map(|connection| [connection.a.addr, connection.b.addr]);
    let names: HostNames = resolver.resolve(addresses, Duration::from_secs(2));

    let mut text = String::new();
    for connection in &connections {
        match connection.kind {
            Kind::OneWay => write_unpaired(&mut text, connection, &names)?,
            _ => write_line(&mut text, connection, &services, &names, &TimeZone::UTC)?,
        }
        let orientation = Orientation::of(connection, &services);
        let client = connection.peer(orientation.client);
        text += &format!("    client: {}, known by: {}\n", names.show(client.addr), orientation.by);
    }
    print!("{text}");
    println!("{:#?}", pairing.statistics());
    Ok(())
}

/// A flow of TCP, seen in the given seconds.
fn tcp(
    src: IpAddr,
    src_port: u16,
    dst: IpAddr,
    dst_port: u16,
    seen: std::ops::Range<i64>,
    bytes: u64,
) -> Flow {
    let noon = 1_714_564_800;
    let mut flow = Flow::default();
    flow.exporter_addr = [203, 0, 113, 1].into();
    flow.time_received = Timestamp::from_secs(noon + seen.end + 15);
    flow.time_flow_start = Some(Timestamp::from_secs(noon + seen.start));
    flow.time_flow_end = Some(Timestamp::from_secs(noon + seen.end));
    flow.proto = 6;
    (flow.src_addr, flow.src_port) = (Some(src), src_port);
    (flow.dst_addr, flow.dst_port) = (Some(dst), dst_port);
    (flow.bytes_raw, flow.packets_raw, flow.sampling_rate) = (bytes, bytes.div_ceil(1_400), 1);
    flow
}
