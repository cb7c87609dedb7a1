//! Whatever is encoded under a template is what its plan gives back.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use netflow_templates::{
    Context, DataSet, DataType, Exporter, MessageSink, Registry, Session, SessionConfig, Timestamp, Value,
};
use netflow_wire::{
    FieldSpecifier, FixedLayout, Header, MessageEncoder, TemplateDefinition, VARIABLE_LENGTH, ipfix, v1, v5,
    v7, v8,
};
use proptest::prelude::*;

/// An enterprise for examples (RFC 5612), with an element for each data type.
const ENTERPRISE: u32 = 32473;

/// All types but the lists, whose values are more than octets; an element's id is its place here.
const TYPES: [DataType; 21] = [
    DataType::OctetArray,
    DataType::Unsigned8,
    DataType::Unsigned16,
    DataType::Unsigned32,
    DataType::Unsigned64,
    DataType::Unsigned256,
    DataType::Signed8,
    DataType::Signed16,
    DataType::Signed32,
    DataType::Signed64,
    DataType::Float32,
    DataType::Float64,
    DataType::Boolean,
    DataType::MacAddress,
    DataType::String,
    DataType::DateTimeSeconds,
    DataType::DateTimeMilliseconds,
    DataType::DateTimeMicroseconds,
    DataType::DateTimeNanoseconds,
    DataType::Ipv4Address,
    DataType::Ipv6Address,
];

fn registry() -> Registry {
    let mut registry = Registry::new();
    let rows = TYPES.iter().enumerate().map(|(id, kind)| format!("{ENTERPRISE},{id},{kind}Value,{kind}\n"));
    assert_eq!(registry.add_csv(&rows.collect::<String>()), Ok(TYPES.len()));
    registry
}

/// A value that encodings of a length can have.
fn value(data_type: DataType, length: usize) -> BoxedStrategy<Value<'static>> {
    let bits = 8 * length as u32;
    let unsigned = (0..=u64::MAX >> (64 - bits.clamp(8, 64))).boxed();
    let time = |time, digits| Value::Time { time, digits };
    match data_type {
        DataType::Signed8 | DataType::Signed16 | DataType::Signed32 | DataType::Signed64 => {
            let shift = 64 - bits;
            any::<i64>().prop_map(move |number| Value::Signed(number >> shift)).boxed()
        }
        DataType::Float32 | DataType::Float64 if length == 4 => {
            prop::num::f32::NORMAL.prop_map(|number| Value::Float(number.into())).boxed()
        }
        DataType::Float32 | DataType::Float64 => prop::num::f64::NORMAL.prop_map(Value::Float).boxed(),
        DataType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        DataType::MacAddress => any::<[u8; 6]>().prop_map(Value::Mac).boxed(),
        DataType::Ipv4Address => {
            any::<[u8; 4]>().prop_map(|ip| Value::Address(Ipv4Addr::from(ip).into())).boxed()
        }
        DataType::Ipv6Address => {
            any::<[u8; 16]>().prop_map(|ip| Value::Address(Ipv6Addr::from(ip).into())).boxed()
        }
        DataType::DateTimeSeconds => {
            unsigned.prop_map(move |number| time(Timestamp::from_secs(number as i64), 0)).boxed()
        }
        // As far as nanoseconds go in 64 bits.
        DataType::DateTimeMilliseconds => {
            (0..9_000_000_000_000_i64).prop_map(move |millis| time(Timestamp::from_millis(millis), 3)).boxed()
        }
        // From 1970 to 2100, of which the second half is in the next era of NTP.
        DataType::DateTimeMicroseconds => (0..4_102_444_800_000_000_i64)
            .prop_map(move |micros| time(Timestamp::from_nanos(micros * 1_000), 6))
            .boxed(),
        DataType::DateTimeNanoseconds => (0..4_102_444_800_000_000_000_i64)
            .prop_map(move |nanos| time(Timestamp::from_nanos(nanos), 9))
            .boxed(),
        DataType::String => prop::collection::vec(prop::char::range('!', 'ÿ'), length / 2)
            .prop_map(|text| Value::String(Cow::Owned(text.into_iter().collect())))
            .boxed(),
        DataType::OctetArray => octets(length),
        // Numbers of more than 64 bits are given as octets.
        _ if length > 8 => octets(length),
        _ => unsigned.prop_map(Value::Unsigned).boxed(),
    }
}

fn octets(length: usize) -> BoxedStrategy<Value<'static>> {
    prop::collection::vec(any::<u8>(), length).prop_map(|octets| Value::Octets(octets.leak())).boxed()
}

/// Lengths that a type is sent in: its own and the reduced ones (RFC 7011, section 6.2).
fn lengths(data_type: DataType) -> BoxedStrategy<usize> {
    let up_to = |most: usize| (1..=most).boxed();
    match data_type {
        DataType::Unsigned8 | DataType::Signed8 => up_to(1),
        DataType::Unsigned16 | DataType::Signed16 => up_to(2),
        DataType::Unsigned32 | DataType::Signed32 => up_to(4),
        DataType::Unsigned64 | DataType::Signed64 => up_to(8),
        DataType::Unsigned256 => prop_oneof![Just(32usize), 1usize..=8].boxed(),
        DataType::Float32 => Just(4).boxed(),
        DataType::Float64 => prop_oneof![Just(4usize), Just(8)].boxed(),
        DataType::Boolean => Just(1).boxed(),
        DataType::MacAddress => Just(6).boxed(),
        DataType::Ipv4Address | DataType::DateTimeSeconds => Just(4).boxed(),
        DataType::Ipv6Address => Just(16).boxed(),
        DataType::DateTimeMilliseconds => prop_oneof![Just(6usize), Just(8)].boxed(),
        DataType::DateTimeMicroseconds | DataType::DateTimeNanoseconds => Just(8).boxed(),
        // Also beyond 254, which takes the long form where each value says its length.
        _ => prop_oneof![0usize..40, 250usize..260, 260usize..600].boxed(),
    }
}

/// A field of a template: type, length, whether each value says it, whether in the long form though it is short.
#[derive(Debug, Clone)]
struct Cell {
    id: u16,
    length: usize,
    variable: bool,
    long: bool,
}

fn cells() -> impl Strategy<Value = Vec<Cell>> {
    let cell =
        (0..TYPES.len()).prop_flat_map(|id| {
            (lengths(TYPES[id]), any::<bool>(), any::<bool>())
                .prop_map(move |(length, variable, long)| Cell { id: id as u16, length, variable, long })
        });
    prop::collection::vec(cell, 1..12)
}

/// A template, and values of some records: those of a field have one length, unless each says its own.
fn records() -> impl Strategy<Value = (Vec<Cell>, Vec<Vec<Value<'static>>>)> {
    cells().prop_flat_map(|cells| {
        let record: Vec<_> =
            cells.iter().map(|cell| value(TYPES[usize::from(cell.id)], cell.length)).collect();
        (Just(cells), prop::collection::vec(record, 0..6))
    })
}

/// The encoding of a value, written without looking at the decoder.
fn encode(data_type: DataType, value: &Value<'_>, length: usize) -> Vec<u8> {
    let last = |octets: &[u8]| octets[octets.len() - length..].to_vec();
    match value {
        Value::Unsigned(number) => {
            let mut octets = vec![0; length.saturating_sub(8)];
            octets.extend(number.to_be_bytes());
            last(&octets)
        }
        Value::Signed(number) => last(&number.to_be_bytes()),
        Value::Float(number) if length == 4 => (*number as f32).to_be_bytes().to_vec(),
        Value::Float(number) => number.to_be_bytes().to_vec(),
        Value::Boolean(yes) => vec![if *yes { 1 } else { 2 }],
        Value::Mac(mac) => mac.to_vec(),
        Value::Address(IpAddr::V4(ip)) => ip.octets().to_vec(),
        Value::Address(IpAddr::V6(ip)) => ip.octets().to_vec(),
        Value::String(text) => text.bytes().collect(),
        Value::Octets(octets) => octets.to_vec(),
        Value::Time { time, .. } => {
            let nanos = time.as_nanos();
            let (seconds, part) = (nanos / 1_000_000_000, (nanos % 1_000_000_000) as u64);
            match data_type {
                DataType::DateTimeSeconds => last(&seconds.to_be_bytes()),
                DataType::DateTimeMilliseconds => last(&(nanos / 1_000_000).to_be_bytes()),
                _ => {
                    let since_1900 = (seconds + 2_208_988_800) as u32;
                    // Rounded up, so that no unit of the value is lost.
                    let fraction = ((part << 32).div_ceil(1_000_000_000)) as u32;
                    [since_1900.to_be_bytes(), fraction.to_be_bytes()].concat()
                }
            }
        }
        other => unreachable!("{other:?} is not made here"),
    }
}

fn field(cell: &Cell, value: &Value<'_>) -> Vec<u8> {
    let mut octets = encode(TYPES[usize::from(cell.id)], value, cell.length);
    if !cell.variable {
        // Text of a fixed length has NULs behind it.
        octets.resize(cell.length, 0);
        return octets;
    }
    let length = octets.len() as u16;
    let head = match length {
        0..255 if !cell.long => vec![length as u8],
        _ => [&[255][..], &length.to_be_bytes()].concat(),
    };
    [head, octets].concat()
}

/// All values of a session, with octets for fixed records.
#[derive(Default)]
struct Records {
    values: Vec<Vec<String>>,
    octets: Vec<Vec<u8>>,
}

impl MessageSink for Records {
    fn data(&mut self, _context: &Context<'_>, set: DataSet<'_>) {
        for record in set.records() {
            self.values.push(record.values().map(|(_, value)| format!("{value:?}")).collect());
            self.octets.push(record.octets().flat_map(|(_, octets)| octets).copied().collect());
        }
    }
}

fn decode(registry: Registry, packet: &[u8]) -> Records {
    let config = SessionConfig { registry: Arc::new(registry), ..SessionConfig::default() };
    let exporter = Exporter { address: Ipv4Addr::LOCALHOST.into(), port: 4739 };
    let mut records = Records::default();
    Session::with_config(config).decode(exporter, Timestamp::EPOCH, packet, &mut records).unwrap();
    records
}

proptest! {
    #[test]
    fn values_of_every_type_and_length_come_back((cells, records) in records()) {
        let fields = cells.iter().map(|cell| {
            let length = if cell.variable { VARIABLE_LENGTH } else { cell.length as u16 };
            FieldSpecifier::of(ENTERPRISE, cell.id, length)
        });
        // A field that is always there, so that no record is without octets.
        let fields: Vec<_> = fields.chain([FieldSpecifier::iana(4, 1)]).collect();
        let mut packet = MessageEncoder::new(Header::Ipfix(ipfix::Header::default()));
        packet.template(&TemplateDefinition { template_id: 256, scope_count: 0, options: false, fields, offset: 0 });
        packet.begin_set(256);
        let mut expected = Vec::new();
        for record in &records {
            let mut values = Vec::new();
            for (cell, value) in cells.iter().zip(record) {
                packet.octets(&field(cell, value));
                values.push(format!("{value:?}"));
            }
            packet.octets(&[6]);
            values.push(format!("{:?}", Value::Unsigned(6)));
            expected.push(values);
        }
        prop_assert_eq!(decode(registry(), &packet.finish()).values, expected);
    }

    #[test]
    fn fields_of_a_fixed_record_are_all_of_its_octets(
        octets in prop::collection::vec(any::<u8>(), 64),
        count in 1usize..5,
        layout in 0u8..17,
    ) {
        let records = count as u16;
        let (header, layout): (_, &FixedLayout) = match layout {
            0 => (Header::V1(v1::Header { count: records, ..v1::Header::default() }), &v1::LAYOUT),
            15 => (Header::V5(v5::Header { count: records, ..v5::Header::default() }), &v5::LAYOUT),
            16 => (Header::V7(v7::Header { count: records, ..v7::Header::default() }), &v7::LAYOUT),
            scheme => {
                let header = v8::Header { count: records, aggregation: scheme, ..v8::Header::default() };
                (Header::V8(header), v8::layout(scheme).unwrap())
            }
        };
        let record = &octets[..layout.record_len];
        let mut packet = MessageEncoder::new(header);
        packet.octets(&record.repeat(count));
        let read = decode(Registry::new(), &packet.finish()).octets;
        prop_assert_eq!(read, vec![record.to_vec(); count]);
    }
}
