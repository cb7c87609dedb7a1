//! Corpora: export packets of made-up traffic.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::{AddAssign, Range};
use std::str::FromStr;

use netflow_templates::Exporter;
use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, VARIABLE_LENGTH, element_id as ie,
    enterprise as pen, ipfix, v5, v9,
};

use crate::traffic::{Connection, EXPORTERS, Random, Record, Traffic};

/// The corpora that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// NetFlow v5, 30 records a packet.
    V5,
    /// NetFlow v9 as softflowd sends it: 18 fields, a template for IPv4 and one for IPv6.
    V9,
    /// IPFIX: 20 fields, absolute times, counters of 64 bits.
    Ipfix,
    /// The same with two texts of variable length and the counters of the reverse direction. Some of the
    /// texts have their length in three octets.
    Varlen,
    /// The same with all lengths in one octet.
    VarlenShort,
}

impl Kind {
    /// All, in the order in which they are measured.
    pub const ALL: [Self; 5] = [Self::V5, Self::V9, Self::Ipfix, Self::Varlen, Self::VarlenShort];

    /// What the corpus goes by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V5 => "v5",
            Self::V9 => "v9",
            Self::Ipfix => "ipfix",
            Self::Varlen => "ipfix-varlen",
            Self::VarlenShort => "ipfix-varlen-short",
        }
    }

    /// Whether records have texts of variable length.
    pub(crate) const fn has_texts(self) -> bool {
        matches!(self, Self::Varlen | Self::VarlenShort)
    }

    /// Ids of the templates for IPv4 and IPv6.
    pub(crate) const fn template_ids(self) -> [u16; 2] {
        if matches!(self, Self::V9) { [1024, 2048] } else { [256, 257] }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no corpus '{name}'; there are {names}")
        })
    }
}

/// What all records of a corpus come to, by which one sees that they were decoded right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Flow records.
    pub records: u64,
    /// Their octets.
    pub octets: u64,
    /// Their packets.
    pub packets: u64,
}

impl Totals {
    /// Counts one record.
    #[inline]
    pub(crate) fn add(&mut self, octets: u64, packets: u64) {
        *self += Self { records: 1, octets, packets };
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.octets = self.octets.wrapping_add(other.octets);
        self.packets = self.packets.wrapping_add(other.packets);
    }
}

/// Export packets, one behind the other as they were sent, and what is in them.
#[derive(Debug)]
pub struct Corpus {
    /// Which corpus this is.
    pub kind: Kind,
    /// What the records come to.
    pub totals: Totals,
    octets: Vec<u8>,
    packets: Vec<(Exporter, Range<usize>)>,
}

/// Seconds since the Unix epoch at which the traffic starts: 2024-05-01 12:00:00 UTC.
const START: u64 = 1_714_564_800;
/// Octets of an export packet.
const MAX_PACKET: usize = 1_400;
/// Templates are sent with every so many packets.
const TEMPLATES_EVERY: u32 = 20;

impl Corpus {
    /// A corpus of `records` flow records.
    pub fn new(kind: Kind, records: u64) -> Self {
        let traffic = Traffic::new(1, if kind == Kind::V5 { 0 } else { 20 });
        let mut corpus = Self { kind, totals: Totals::default(), octets: Vec::new(), packets: Vec::new() };
        let mut exporters: [Sender; EXPORTERS] = std::array::from_fn(|number| Sender::new(kind, number));
        let mut biflow = Random::new(2);
        for Connection { exporter, there, back } in traffic {
            let sender = &mut exporters[exporter];
            let joined = kind.has_texts() && back.is_some() && biflow.percent(50);
            let records_of = match (joined, &back) {
                (true, back) => [Some((&there, back.as_ref())), None],
                (false, back) => [Some((&there, None)), back.as_ref().map(|back| (back, None))],
            };
            for (record, reverse) in records_of.into_iter().flatten() {
                if corpus.totals.records == records {
                    break;
                }
                sender.send(record, reverse, &mut corpus);
                corpus.totals.add(record.octets.min(kind.largest_counter()), record.packets);
            }
            if corpus.totals.records == records {
                break;
            }
        }
        for sender in &mut exporters {
            sender.flush(&mut corpus);
        }
        corpus
    }

    /// The export packets and who sent them.
    #[inline]
    pub fn packets(&self) -> impl Iterator<Item = (Exporter, &[u8])> {
        self.packets.iter().map(|(exporter, range)| (*exporter, &self.octets[range.clone()]))
    }

    fn push(&mut self, exporter: Exporter, packet: &[u8]) {
        let start = self.octets.len();
        self.octets.extend_from_slice(packet);
        self.packets.push((exporter, start..self.octets.len()));
    }
}

impl Kind {
    fn largest_counter(self) -> u64 {
        if matches!(self, Self::V5 | Self::V9) { u32::MAX.into() } else { u64::MAX }
    }

    /// The template for IPv4 or IPv6.
    fn template(self, v6: bool) -> TemplateDefinition {
        let fields = if self == Self::V9 { V9_FIELDS } else { IPFIX_FIELDS };
        let mut fields: Vec<_> =
            fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
        if v6 {
            for field in &mut fields {
                (field.id, field.length) = match field.id {
                    ie::SOURCE_IPV4_ADDRESS => (ie::SOURCE_IPV6_ADDRESS, 16),
                    ie::DESTINATION_IPV4_ADDRESS => (ie::DESTINATION_IPV6_ADDRESS, 16),
                    ie::SOURCE_IPV4_PREFIX_LENGTH => (ie::SOURCE_IPV6_PREFIX_LENGTH, 1),
                    ie::DESTINATION_IPV4_PREFIX_LENGTH => (ie::DESTINATION_IPV6_PREFIX_LENGTH, 1),
                    id => (id, field.length),
                };
            }
        }
        if self.has_texts() {
            fields.extend([
                FieldSpecifier::of(pen::REVERSE, ie::OCTET_DELTA_COUNT, 8),
                FieldSpecifier::of(pen::REVERSE, ie::PACKET_DELTA_COUNT, 8),
                FieldSpecifier::iana(ie::APPLICATION_NAME, VARIABLE_LENGTH),
                FieldSpecifier::iana(ie::HTTP_REQUEST_HOST, VARIABLE_LENGTH),
            ]);
        }
        let template_id = self.template_ids()[usize::from(v6)];
        TemplateDefinition { template_id, scope_count: 0, options: false, fields, offset: 0 }
    }
}

const V9_FIELDS: &[(u16, u16)] = &[
    (ie::SOURCE_IPV4_ADDRESS, 4),
    (ie::DESTINATION_IPV4_ADDRESS, 4),
    (ie::FLOW_START_SYS_UP_TIME, 4),
    (ie::FLOW_END_SYS_UP_TIME, 4),
    (ie::OCTET_DELTA_COUNT, 4),
    (ie::PACKET_DELTA_COUNT, 4),
    (ie::INGRESS_INTERFACE, 4),
    (ie::EGRESS_INTERFACE, 4),
    (ie::SOURCE_TRANSPORT_PORT, 2),
    (ie::DESTINATION_TRANSPORT_PORT, 2),
    (ie::PROTOCOL_IDENTIFIER, 1),
    (ie::TCP_CONTROL_BITS, 1),
    (ie::IP_VERSION, 1),
    (ie::IP_CLASS_OF_SERVICE, 1),
    (ie::BGP_SOURCE_AS_NUMBER, 4),
    (ie::BGP_DESTINATION_AS_NUMBER, 4),
    (ie::ICMP_TYPE_CODE_IPV4, 2),
    (ie::VLAN_ID, 2),
];

const IPFIX_FIELDS: &[(u16, u16)] = &[
    (ie::SOURCE_IPV4_ADDRESS, 4),
    (ie::DESTINATION_IPV4_ADDRESS, 4),
    (ie::FLOW_START_MILLISECONDS, 8),
    (ie::FLOW_END_MILLISECONDS, 8),
    (ie::OCTET_DELTA_COUNT, 8),
    (ie::PACKET_DELTA_COUNT, 8),
    (ie::INGRESS_INTERFACE, 4),
    (ie::EGRESS_INTERFACE, 4),
    (ie::SOURCE_TRANSPORT_PORT, 2),
    (ie::DESTINATION_TRANSPORT_PORT, 2),
    (ie::PROTOCOL_IDENTIFIER, 1),
    (ie::TCP_CONTROL_BITS, 2),
    (ie::IP_VERSION, 1),
    (ie::IP_CLASS_OF_SERVICE, 1),
    (ie::BGP_SOURCE_AS_NUMBER, 4),
    (ie::BGP_DESTINATION_AS_NUMBER, 4),
    (ie::VLAN_ID, 2),
    (ie::FLOW_END_REASON, 1),
    (ie::SOURCE_IPV4_PREFIX_LENGTH, 1),
    (ie::DESTINATION_IPV4_PREFIX_LENGTH, 1),
];

/// Encoded records that wait for their packet to be full.
#[derive(Debug, Default)]
struct Waiting {
    records: u16,
    octets: Vec<u8>,
}

/// One exporter.
#[derive(Debug)]
struct Sender {
    kind: Kind,
    exporter: Exporter,
    domain: u32,
    /// Milliseconds from its start to that of the traffic.
    uptime: u64,
    templates: [TemplateDefinition; 2],
    /// Records for IPv4, and for IPv6.
    waiting: [Waiting; 2],
    /// End of the last flow, in milliseconds since the start of the traffic.
    now: u64,
    packets: u32,
    records: u32,
}

impl Sender {
    fn new(kind: Kind, number: usize) -> Self {
        let address = Ipv4Addr::new(192, 0, 2, 1 + number as u8);
        Self {
            kind,
            exporter: Exporter { address: address.into(), port: 40_000 + number as u16 },
            domain: 1 + number as u32,
            uptime: 40_000_000 + 777_777 * number as u64,
            templates: [kind.template(false), kind.template(true)],
            waiting: Default::default(),
            now: 0,
            packets: 0,
            records: 0,
        }
    }

    fn send(&mut self, record: &Record, reverse: Option<&Record>, corpus: &mut Corpus) {
        let octets = match self.kind {
            Kind::V5 => self.v5_record(record),
            Kind::V9 => self.v9_record(record),
            Kind::Ipfix => ipfix_record(record),
            Kind::Varlen | Kind::VarlenShort => {
                let mut octets = ipfix_record(record);
                let count = |of: fn(&Record) -> u64| reverse.map_or(0, of).to_be_bytes();
                octets.extend(count(|reverse| reverse.octets));
                octets.extend(count(|reverse| reverse.packets));
                push_text(&mut octets, record.application, false);
                let host = format!("host-{:x}.example.net", record.host);
                push_text(&mut octets, &host, self.kind == Kind::Varlen && record.host % 16 == 1);
                octets
            }
        };
        let full = match self.kind {
            Kind::V5 => self.waiting[0].records == 30,
            _ => {
                let templates = if self.sends_templates() { 240 } else { 0 };
                let used: usize = self.waiting.iter().map(|waiting| waiting.octets.len()).sum();
                used + octets.len() + templates + 32 > MAX_PACKET
            }
        };
        if full {
            self.flush(corpus);
        }
        self.now = self.now.max(record.end);
        let waiting = &mut self.waiting[usize::from(record.src.is_ipv6())];
        waiting.records += 1;
        waiting.octets.extend(octets);
    }

    fn sends_templates(&self) -> bool {
        self.packets.is_multiple_of(TEMPLATES_EVERY)
    }

    fn flush(&mut self, corpus: &mut Corpus) {
        let records = self.waiting[0].records + self.waiting[1].records;
        if records == 0 {
            return;
        }
        let packet =
            if self.kind == Kind::V5 { self.v5_packet(records) } else { self.templated_packet(records) };
        corpus.push(self.exporter, &packet);
        self.waiting.iter_mut().for_each(|waiting| {
            waiting.records = 0;
            waiting.octets.clear();
        });
        self.packets += 1;
        self.records = self.records.wrapping_add(records.into());
    }

    /// Export is a second after the end of the last flow.
    fn clock(&self) -> (u32, u32, u32) {
        let millis = self.now + 1_000;
        let seconds = START + millis / 1_000;
        ((self.uptime + millis) as u32, seconds as u32, (millis % 1_000) as u32 * 1_000_000)
    }

    fn v5_record(&self, record: &Record) -> Vec<u8> {
        let v4 = |address: IpAddr| match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(_) => v5::Record::default().src_addr,
        };
        let as_number = |number: u32| u16::try_from(number).unwrap_or(23_456);
        let record = v5::Record {
            src_addr: v4(record.src),
            dst_addr: v4(record.dst),
            input: record.in_if as u16,
            output: record.out_if as u16,
            packets: record.packets as u32,
            octets: u32::try_from(record.octets).unwrap_or(u32::MAX),
            first: (self.uptime + record.start) as u32,
            last: (self.uptime + record.end) as u32,
            src_port: record.src_port,
            dst_port: record.dst_port,
            tcp_flags: record.tcp_flags,
            protocol: record.proto,
            tos: record.tos,
            src_as: as_number(record.src_as),
            dst_as: as_number(record.dst_as),
            src_mask: record.src_mask,
            dst_mask: record.dst_mask,
            ..v5::Record::default()
        };
        // What is behind the header is the record.
        let mut encoder = MessageEncoder::new(Header::V5(v5::Header::default()));
        encoder.record(&record);
        encoder.finish().split_off(v5::HEADER_LEN)
    }

    fn v5_packet(&self, count: u16) -> Vec<u8> {
        let (uptime_millis, unix_seconds, unix_nanos) = self.clock();
        let engine_id = self.domain as u8;
        let sequence = self.records;
        let header = v5::Header {
            count,
            uptime_millis,
            unix_seconds,
            unix_nanos,
            sequence,
            engine_id,
            ..Default::default()
        };
        let mut encoder = MessageEncoder::new(Header::V5(header));
        encoder.octets(&self.waiting[0].octets);
        encoder.finish()
    }

    fn v9_record(&self, record: &Record) -> Vec<u8> {
        let mut out = addresses(record);
        let words = [
            self.uptime + record.start,
            self.uptime + record.end,
            record.octets.min(u32::MAX.into()),
            record.packets,
            record.in_if.into(),
            record.out_if.into(),
        ];
        out.extend(words.into_iter().flat_map(|word| (word as u32).to_be_bytes()));
        out.extend(record.src_port.to_be_bytes());
        out.extend(record.dst_port.to_be_bytes());
        out.extend([record.proto, record.tcp_flags, ip_version(record), record.tos]);
        out.extend(record.src_as.to_be_bytes());
        out.extend(record.dst_as.to_be_bytes());
        let icmp = if matches!(record.proto, 1 | 58) { record.dst_port } else { 0 };
        out.extend(icmp.to_be_bytes());
        out.extend(record.vlan.to_be_bytes());
        out
    }

    fn templated_packet(&self, records: u16) -> Vec<u8> {
        let templates = if self.sends_templates() { &self.templates[..] } else { &[] };
        let (uptime_millis, seconds, _) = self.clock();
        let header = match self.kind {
            Kind::V9 => Header::V9(v9::Header {
                count: records + templates.len() as u16,
                uptime_millis,
                unix_seconds: seconds,
                sequence: self.packets,
                source_id: self.domain,
            }),
            _ => Header::Ipfix(ipfix::Header {
                length: 0,
                export_time: seconds,
                sequence_number: self.records,
                observation_domain_id: self.domain,
            }),
        };
        let mut encoder = MessageEncoder::new(header);
        for template in templates {
            encoder.template(template);
        }
        for (id, waiting) in self.kind.template_ids().into_iter().zip(&self.waiting) {
            if waiting.records > 0 {
                encoder.begin_set(id).octets(&waiting.octets);
                if self.kind == Kind::V9 {
                    encoder.octets(&[0; 3][..(4 - waiting.octets.len() % 4) % 4]);
                }
            }
        }
        encoder.finish()
    }
}

fn addresses(record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    for address in [record.src, record.dst] {
        match address {
            IpAddr::V4(address) => out.extend(address.octets()),
            IpAddr::V6(address) => out.extend(address.octets()),
        }
    }
    out
}

fn ip_version(record: &Record) -> u8 {
    if record.src.is_ipv6() { 6 } else { 4 }
}

fn ipfix_record(record: &Record) -> Vec<u8> {
    let mut out = addresses(record);
    let words = [START * 1_000 + record.start, START * 1_000 + record.end, record.octets, record.packets];
    out.extend(words.into_iter().flat_map(u64::to_be_bytes));
    out.extend(record.in_if.to_be_bytes());
    out.extend(record.out_if.to_be_bytes());
    out.extend(record.src_port.to_be_bytes());
    out.extend(record.dst_port.to_be_bytes());
    out.extend([record.proto, 0, record.tcp_flags, ip_version(record), record.tos]);
    out.extend(record.src_as.to_be_bytes());
    out.extend(record.dst_as.to_be_bytes());
    out.extend(record.vlan.to_be_bytes());
    out.extend([record.end_reason, record.src_mask, record.dst_mask]);
    out
}

/// A value of variable length, with its length in one octet or in three (RFC 7011, section 7).
fn push_text(out: &mut Vec<u8>, text: &str, long: bool) {
    if long {
        out.push(255);
        out.extend((text.len() as u16).to_be_bytes());
    } else {
        out.push(text.len() as u8);
    }
    out.extend(text.as_bytes());
}
