//! Crate `netgauze-flow-pkt`, packet by packet, with one table of templates for all exporters.

use std::hint::black_box;

use netgauze_flow_pkt::ie::Field;
use netgauze_flow_pkt::{ipfix, netflow};
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;

use super::Contender;
use crate::corpus::{Corpus, Totals};

pub(super) const NAME: &str = "netgauze-flow-pkt 0.13";

/// Where octets and packets are in the records of every template.
const OCTETS: usize = 4;
const PACKETS: usize = 5;

pub(super) fn v9() -> Contender {
    let mut templates = netflow::TemplatesMap::new();
    Contender::new(NAME, move |corpus: &Corpus| {
        let mut totals = Totals::default();
        for (_, octets) in corpus.packets() {
            let packet = netflow::NetFlowV9Packet::parse(&mut SliceReader::new(octets), &mut templates);
            let Ok(packet) = black_box(&packet) else { continue };
            for set in packet.sets() {
                if let netflow::Set::Data { records, .. } = set {
                    records.iter().for_each(|record| add(record.fields(), &mut totals));
                }
            }
        }
        totals
    })
}

pub(super) fn ipfix() -> Contender {
    let mut templates = ipfix::TemplatesMap::new();
    Contender::new(NAME, move |corpus: &Corpus| {
        let mut totals = Totals::default();
        for (_, octets) in corpus.packets() {
            let packet = ipfix::IpfixPacket::parse(&mut SliceReader::new(octets), &mut templates);
            let Ok(packet) = black_box(&packet) else { continue };
            for set in packet.sets() {
                if let ipfix::Set::Data { records, .. } = set {
                    records.iter().for_each(|record| add(record.fields(), &mut totals));
                }
            }
        }
        totals
    })
}

fn add(record: &[Field], totals: &mut Totals) {
    if let (Some(&Field::octetDeltaCount(octets)), Some(&Field::packetDeltaCount(packets))) =
        (record.get(OCTETS), record.get(PACKETS))
    {
        totals.add(octets, packets);
    }
}
