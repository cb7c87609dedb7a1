//! Crate `netflow_parser`, through its iterator, which allocates less than a list of packets. One parser
//! for all exporters, since they all have the same templates.

use std::hint::black_box;

use netflow_parser::variable_versions::{ipfix, v9};
use netflow_parser::{FieldValue, NetflowPacket, NetflowParser};

use super::Contender;
use crate::corpus::{Corpus, Totals};

const NAME: &str = "netflow_parser 1.0.6";

/// Where octets and packets are in the records of every template.
const OCTETS: usize = 4;
const PACKETS: usize = 5;

pub(super) fn v5() -> Contender {
    contender(|packet, totals| {
        if let NetflowPacket::V5(packet) = packet {
            for flow in &packet.flowsets {
                totals.add(flow.d_octets.into(), flow.d_pkts.into());
            }
        }
    })
}

pub(super) fn v9() -> Contender {
    contender(|packet, totals| {
        let NetflowPacket::V9(packet) = packet else { return };
        for set in &packet.flowsets {
            if let v9::FlowSetBody::Data(data) = &set.body {
                data.fields.iter().for_each(|record| add(record, totals));
            }
        }
    })
}

pub(super) fn ipfix() -> Contender {
    contender(|packet, totals| {
        let NetflowPacket::IPFix(packet) = packet else { return };
        for set in &packet.flowsets {
            if let ipfix::FlowSetBody::Data(data) = &set.body {
                data.fields.iter().for_each(|record| add(record, totals));
            }
        }
    })
}

fn contender(count: impl Fn(&NetflowPacket, &mut Totals) + 'static) -> Contender {
    let mut parser = NetflowParser::default();
    Contender::new(NAME, move |corpus: &Corpus| {
        let mut totals = Totals::default();
        for (_, octets) in corpus.packets() {
            for packet in parser.iter_packets(octets).flatten() {
                count(black_box(&packet), &mut totals);
            }
        }
        totals
    })
}

fn add<T>(record: &[(T, FieldValue)], totals: &mut Totals) {
    let number = |at: usize| record.get(at).and_then(|(_, value)| value.as_u64()).unwrap_or(0);
    totals.add(number(OCTETS), number(PACKETS));
}
