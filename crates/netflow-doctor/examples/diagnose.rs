//! Two routers, of which one has faults.
//!
//! Run with `cargo run -p netflow-doctor --example diagnose`.

#![allow(clippy::print_stdout)]

use std::net::Ipv4Addr;

use netflow_doctor::Doctor;
use netflow_templates::{Exporter, Session, Timestamp};
use netflow_wire::{Header, Ipv4, MessageEncoder, v5};

const START: u32 = 1_714_564_800;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut session = Session::new();
    let mut doctor = Doctor::new();
    for second in 0..120 {
        let received = Timestamp::from_secs((START + second).into());
        for (last, faulty) in [(1, false), (2, true)] {
            // Every 30th packet of the faulty one is lost, its clock is an hour slow, and its flows are long.
            if faulty && second % 30 == 29 {
                continue;
            }
            let exporter = Exporter { address: [192, 0, 2, last].into(), port: 2055 };
            session.decode(exporter, received, &packet(second, last, faulty), &mut doctor)?;
        }
    }
    let diagnosis = doctor.finish();
    for facts in &diagnosis.domains {
        println!("{}: {} packets, {} flows", facts.exporter, facts.packets, facts.flows);
        let mut findings = diagnosis.of_domain(facts).peekable();
        if findings.peek().is_none() {
            println!("  nothing is wrong");
        }
        for finding in findings {
            println!("  {}: {finding}", finding.severity.as_str());
            let advice = finding.advice();
            println!("    {}", advice.change);
            for command in &*advice.commands {
                println!("    {}: {}", command.platform, command.lines.join(" /"));
            }
        }
    }
    Ok(())
}

/// A v5 packet with one flow.
fn packet(second: u32, last: u8, faulty: bool) -> Vec<u8> {
    let uptime_millis = 40_000_000 + second * 1_000;
    let header = v5::Header {
        count: 1,
        uptime_millis,
        unix_seconds: START + second - if faulty { 3_600 } else { 0 },
        sequence: second,
        ..v5::Header::default()
    };
    let address = |last: u8| Ipv4::from(Ipv4Addr::new(198, 51, 100, last));
    let mut packet = MessageEncoder::new(Header::V5(header));
    packet.record(&v5::Record {
        src_addr: address(last),
        dst_addr: address(200),
        next_hop: address(254),
        input: 1,
        output: 2,
        packets: 10,
        octets: 5_000,
        first: uptime_millis - if faulty { 1_800_000 } else { 30_000 },
        last: uptime_millis - 1_000,
        src_port: 50_000 + second as u16,
        dst_port: 443,
        tcp_flags: 0x1b,
        protocol: 6,
        src_as: 64_500,
        dst_as: 64_501,
        src_mask: 24,
        dst_mask: 24,
        ..v5::Record::default()
    });
    packet.finish()
}
