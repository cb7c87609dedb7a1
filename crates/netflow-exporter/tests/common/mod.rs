//! Flows to export, and readers of what comes out.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

use netflow_doctor::Doctor;
use netflow_exporter::{Exporter, Source};
use netflow_flow::{Flow, FlowSink};
use netflow_templates::{Session, Timestamp};

pub(crate) const STARTED: Timestamp = Timestamp::from_secs(1_714_560_000);
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_714_564_800);

/// A flow as routers see them: of IPv4 or IPv6; TCP, UDP or ICMP.
pub(crate) fn flow(number: u32, end: Timestamp) -> Flow {
    let v6 = number % 3 == 1;
    let address = |last: u32| match v6 {
        false => std::net::Ipv4Addr::from_bits(0xc000_0200 | last).into(),
        true => std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(last)).into(),
    };
    let mut flow = Flow::UNKNOWN;
    flow.time_flow_start = Some(end.saturating_add_nanos(-1_000_000 * i64::from(number % 5_000 + 1)));
    flow.time_flow_end = Some(end);
    flow.ip_version = if v6 { 6 } else { 4 };
    (flow.src_addr, flow.dst_addr) = (Some(address(number % 100 + 1)), Some(address(number % 7 + 200)));
    (flow.in_if, flow.out_if, flow.flows, flow.sampling_rate) = (1, 2, 1, 1);
    (flow.bytes_raw, flow.packets_raw) = (u64::from(number % 1_000 + 1) * 120, u64::from(number % 1_000 + 1));
    (flow.src_as, flow.dst_as, flow.src_mask, flow.dst_mask) = (64_500, 64_501, 24, 24);
    flow.direction = Some(0);
    match number % 10 {
        0 => {
            flow.proto = if v6 { 58 } else { 1 };
            (flow.icmp_type, flow.icmp_code) = (Some(if v6 { 128 } else { 8 }), Some(0));
        }
        1..4 => (flow.proto, flow.src_port, flow.dst_port) = (17, 30_000 + number as u16 % 30_000, 53),
        _ => {
            (flow.proto, flow.src_port, flow.dst_port) = (6, 30_000 + number as u16 % 30_000, 443);
            flow.tcp_flags = 0x1b;
        }
    }
    flow
}

/// What a reader made of an exporter's packets.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    session: Session,
    examined: Session,
    pub(crate) sink: FlowSink,
    pub(crate) doctor: Doctor,
    pub(crate) packets: Vec<Vec<u8>>,
}

impl Reading {
    /// Reads the packets that are ready.
    pub(crate) fn take(&mut self, exporter: &mut Exporter, now: Timestamp) {
        while let Some(packet) = exporter.next_packet() {
            let port = if packet.source == Source::Options { 2056 } else { 2055 };
            let from = netflow_templates::Exporter { address: [198, 51, 100, 1].into(), port };
            self.session.decode(from, now, packet.octets, &mut self.sink).unwrap();
            self.examined.decode(from, now, packet.octets, &mut self.doctor).unwrap();
            self.packets.push(packet.octets.to_vec());
        }
    }

    pub(crate) fn problems(&self) -> u64 {
        self.session.statistics().problems
    }

    pub(crate) fn options_records(&self) -> u64 {
        self.session.statistics().options_records
    }
}

/// Has an exporter send flows, one each 20 ms, and reads what comes.
pub(crate) fn export(exporter: &mut Exporter, flows: u32) -> Reading {
    let mut reading = Reading::default();
    let mut now = NOW;
    for number in 0..flows {
        now = NOW.saturating_add_nanos(i64::from(number) * 20_000_000);
        exporter.add(&flow(number, now.saturating_add_nanos(-2_000_000_000)), now);
        reading.take(exporter, now);
    }
    exporter.flush(now);
    reading.take(exporter, now);
    reading
}
