//! Fields that are never filled, and fields that templates lack.

use std::collections::{BTreeMap, BTreeSet};

use netflow_flow::is_of_events;
use netflow_templates::{DataSet, Plan};
use netflow_wire::{element_id as ie, enterprise as pen};

use crate::finding::{Kind, Severity};
use crate::reading::Observation;

/// Records that must have a field before it is said that it is never filled.
const ENOUGH: u64 = 50;
/// Templates looked at for what they lack.
const TEMPLATES: usize = 256;

/// A field that people want, and the elements that it may be in.
#[derive(Debug)]
struct Wanted {
    name: &'static str,
    elements: &'static [u16],
    /// Whether zero in every record means that it is not filled.
    filled: bool,
    /// Whether a template of flows without it lacks something.
    needed: bool,
    /// How it comes into a flow record of Cisco IOS (Flexible NetFlow).
    ios: &'static [&'static str],
}

const TCP_FLAGS: &str = "TCP flags";
/// Names of the fields, as findings have them.
pub(crate) const INPUT: &str = "input interface";
pub(crate) const OUTPUT: &str = "output interface";
pub(crate) const AS_NUMBERS: &str = "AS numbers";

const WANTED: &[Wanted] = &[
    Wanted {
        name: INPUT,
        elements: &[ie::INGRESS_INTERFACE, ie::INGRESS_PHYSICAL_INTERFACE],
        filled: true,
        needed: true,
        ios: &[" match interface input"],
    },
    Wanted {
        name: OUTPUT,
        elements: &[ie::EGRESS_INTERFACE, ie::EGRESS_PHYSICAL_INTERFACE],
        filled: true,
        needed: true,
        ios: &[" collect interface output"],
    },
    Wanted {
        name: "direction",
        elements: &[ie::FLOW_DIRECTION],
        filled: false,
        needed: true,
        ios: &[" match flow direction"],
    },
    Wanted {
        name: TCP_FLAGS,
        // Or how often each was seen, as Open vSwitch says it.
        elements: &[ie::TCP_CONTROL_BITS, ie::TCP_SYN_TOTAL_COUNT],
        filled: false,
        needed: true,
        ios: &[" collect transport tcp flags"],
    },
    Wanted {
        name: "packets",
        elements: &[ie::PACKET_DELTA_COUNT, ie::PACKET_TOTAL_COUNT, ie::INITIATOR_PACKETS],
        filled: true,
        needed: true,
        ios: &[" collect counter packets long"],
    },
    Wanted {
        name: AS_NUMBERS,
        elements: &[ie::BGP_SOURCE_AS_NUMBER, ie::BGP_DESTINATION_AS_NUMBER],
        filled: true,
        needed: false,
        ios: &[" collect routing source as", " collect routing destination as"],
    },
    Wanted {
        name: "next hop",
        elements: &[ie::IP_NEXT_HOP_IPV4_ADDRESS, ie::IP_NEXT_HOP_IPV6_ADDRESS],
        filled: true,
        needed: false,
        ios: &[" collect routing next-hop address ipv4"],
    },
    Wanted {
        name: "BGP next hop",
        elements: &[ie::BGP_NEXT_HOP_IPV4_ADDRESS, ie::BGP_NEXT_HOP_IPV6_ADDRESS],
        filled: true,
        needed: false,
        ios: &[" collect routing next-hop address ipv4 bgp"],
    },
    Wanted {
        name: "prefix lengths",
        elements: &[
            ie::SOURCE_IPV4_PREFIX_LENGTH,
            ie::DESTINATION_IPV4_PREFIX_LENGTH,
            ie::SOURCE_IPV6_PREFIX_LENGTH,
            ie::DESTINATION_IPV6_PREFIX_LENGTH,
        ],
        filled: true,
        needed: false,
        ios: &[" collect ipv4 source mask", " collect ipv4 destination mask"],
    },
];

/// What a template lacks.
#[derive(Debug)]
struct Lacking {
    fields: Vec<&'static str>,
    /// Whether records were of TCP, which alone has flags.
    tcp: bool,
}

/// What is known about the fields of one domain's flow records.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// For each wanted field, records that have it, and whether one was not zero.
    seen: [(u64, bool); WANTED.len()],
    tcp: u64,
    /// What templates of flows lack.
    lacking: BTreeMap<u16, Lacking>,
}

impl Fields {
    pub(crate) fn data(&mut self, set: &DataSet<'_>) {
        let records = set.len() as u64;
        for (wanted, (seen, filled)) in WANTED.iter().zip(&mut self.seen) {
            let is = |enterprise, id: u16| enterprise == pen::IANA && wanted.elements.contains(&id);
            let mut columns = set
                .columns()
                .filter(|column| is(column.field().element().enterprise, column.field().element().id))
                .peekable();
            if columns.peek().is_none() {
                continue;
            }
            *seen += records;
            *filled = *filled
                || columns.any(|column| {
                    (0..set.len()).any(|row| column.octets(row).iter().any(|&octet| octet != 0))
                });
        }
        let (plan, id) = (set.plan(), set.plan().template_id());
        let is_new = !self.lacking.contains_key(&id);
        if is_new && id > 0 && self.lacking.len() < TEMPLATES && is_of_flows(plan) {
            self.lacking.insert(id, Lacking { fields: lacking(plan), tcp: false });
        }
        if let Some(lacking) = self.lacking.get_mut(&id).filter(|lacking| !lacking.tcp) {
            lacking.tcp = has_tcp(set);
        }
    }

    pub(crate) fn note(&mut self, flow: &Observation) {
        if flow.key.is_some_and(|key| key.proto == 6) {
            self.tcp += 1;
        }
    }

    pub(crate) fn findings(&self, found: &mut impl FnMut(Severity, Kind)) {
        let mut fields = Vec::new();
        let mut records = u64::MAX;
        for (wanted, &(seen, filled)) in WANTED.iter().zip(&self.seen) {
            let empty = match wanted.name {
                // Only TCP has flags.
                TCP_FLAGS => seen > 0 && self.tcp >= ENOUGH && !filled,
                _ => wanted.filled && seen >= ENOUGH && !filled,
            };
            if empty {
                fields.push(wanted.name);
                records = records.min(seen);
            }
        }
        if !fields.is_empty() {
            found(Severity::Notice, Kind::NeverFilled { fields, records });
        }
        let mut alike: BTreeMap<Vec<&'static str>, BTreeSet<u16>> = BTreeMap::new();
        for (id, Lacking { fields, tcp }) in &self.lacking {
            let fields: Vec<_> = fields.iter().copied().filter(|&name| *tcp || name != TCP_FLAGS).collect();
            if !fields.is_empty() {
                alike.entry(fields).or_default().insert(*id);
            }
        }
        for (fields, templates) in alike {
            let templates = templates.into_iter().collect();
            found(Severity::Notice, Kind::LackingFields { fields, templates });
        }
    }
}

/// Lines of a flow record of Cisco IOS for fields, by their names.
pub(crate) fn ios_lines(names: &[&str]) -> impl Iterator<Item = &'static str> {
    WANTED.iter().filter(|wanted| names.contains(&wanted.name)).flat_map(|wanted| wanted.ios.iter().copied())
}

/// Whether records of a template are flows between addresses, rather than events of a firewall or of address
/// translation, or something else.
fn is_of_flows(plan: &Plan) -> bool {
    let has = |ids: &[u16]| ids.iter().any(|&id| plan.has(pen::IANA, id));
    has(&[ie::SOURCE_IPV4_ADDRESS, ie::SOURCE_IPV6_ADDRESS])
        && has(&[ie::DESTINATION_IPV4_ADDRESS, ie::DESTINATION_IPV6_ADDRESS])
        && has(&[ie::OCTET_DELTA_COUNT, ie::OCTET_TOTAL_COUNT])
        && !is_of_events(plan)
}

fn lacking(plan: &Plan) -> Vec<&'static str> {
    let has = |ids: &[u16]| ids.iter().any(|&id| plan.has(pen::IANA, id));
    let lacks = |wanted: &&Wanted| wanted.needed && !has(wanted.elements);
    WANTED.iter().filter(lacks).map(|wanted| wanted.name).collect()
}

/// Whether one of the records is of TCP.
fn has_tcp(set: &DataSet<'_>) -> bool {
    let mut columns = set.columns();
    let protocol = columns.find(|column| {
        let element = column.field().element();
        (element.enterprise, element.id) == (pen::IANA, ie::PROTOCOL_IDENTIFIER)
    });
    protocol.is_some_and(|column| (0..set.len()).any(|row| column.octets(row) == [6]))
}
