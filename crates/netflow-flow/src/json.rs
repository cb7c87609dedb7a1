//! JSON text, written straight into octets.

use std::fmt::{Display, Write as _};
use std::net::IpAddr;

use netflow_templates::{DataSet, List, ListItem, Record, Value};
use netflow_wire::Header;

use crate::address::AddressText;

/// Appends text as a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|octet| octet >= 0x20 && octet != b'"' && octet != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a vector takes every octet");
    }
}

/// Appends a number.
pub(crate) fn number(out: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(out, &number).expect("a vector takes every octet");
}

/// Appends what `value` displays, as a JSON string; for texts that need no escaping.
pub(crate) fn display(out: &mut Vec<u8>, value: impl Display) {
    out.push(b'"');
    write(out, value);
    out.push(b'"');
}

/// Appends what `value` displays.
pub(crate) fn write(out: &mut Vec<u8>, value: impl Display) {
    write!(Octets(out), "{value}").expect("a vector takes every octet");
}

/// Appends an address as a JSON string.
pub(crate) fn address(out: &mut Vec<u8>, address: IpAddr) {
    out.push(b'"');
    out.extend_from_slice(AddressText::of(address).as_bytes());
    out.push(b'"');
}

struct Octets<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Octets<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Appends `"name":`, after a comma unless it is the first of its object.
pub(crate) fn key(out: &mut Vec<u8>, name: &str) {
    if !matches!(out.last(), Some(b'{')) {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
}

/// Appends a decoded value: integers as numbers, times in RFC 3339, octets as hex, what is absent as null.
pub(crate) fn value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Absent => out.extend_from_slice(b"null"),
        Value::Unsigned(unsigned) => number(out, *unsigned),
        Value::Signed(signed) => serde_json::to_writer(out, signed).expect("a vector takes every octet"),
        Value::Float(float) => serde_json::to_writer(out, float).expect("a vector takes every octet"),
        Value::Boolean(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Address(ip) => address(out, *ip),
        Value::String(text) => string(out, text),
        Value::List(of) => list(out, of),
        other => display(out, other),
    }
}

/// Appends a list (RFC 6313): its semantic, and its values or records.
fn list(out: &mut Vec<u8>, list: &List<'_>) {
    out.extend_from_slice(b"{\"semantic\":");
    display(out, list.semantic);
    out.extend_from_slice(b",\"values\":[");
    for (index, item) in list.items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match item {
            ListItem::Value(of) => value(out, of),
            ListItem::Record(fields) => {
                out.push(b'{');
                for (name, of) in fields {
                    key(out, name);
                    value(out, of);
                }
                out.push(b'}');
            }
        }
    }
    out.extend_from_slice(b"]}");
}

/// Appends an object of fields and values; padding is left out. What a template gives no octets is absent,
/// whatever its type: text and octets are empty only where a record says so.
fn fields<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = (&'a netflow_templates::Field, Value<'a>)>) {
    out.push(b'{');
    for (field, decoded) in values {
        if !field.is_padding() {
            key(out, field.name());
            value(out, if field.length() == 0 { &Value::Absent } else { &decoded });
        }
    }
    out.push(b'}');
}

/// Appends the records of a set, each after a comma unless `out` is empty.
pub(crate) fn records(out: &mut Vec<u8>, set: &DataSet<'_>) {
    for record in set.records() {
        separate(out);
        fields(out, record.values());
    }
}

/// Appends options records, with their scopes apart.
pub(crate) fn options_records(out: &mut Vec<u8>, set: &DataSet<'_>) {
    for record in set.records() {
        separate(out);
        options_record(out, &record);
    }
}

fn options_record(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b"{\"scopes\":");
    fields(out, record.scopes());
    out.extend_from_slice(b",\"fields\":");
    fields(out, record.fields());
    out.push(b'}');
}

/// A comma, unless this is the first element of its list, which has nothing before it.
pub(crate) fn separate(out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
}

/// Appends a header, with the keys of PyPI `netflow` (IPFIX: of RFC 7011).
pub(crate) fn header(out: &mut Vec<u8>, header: &Header) {
    out.push(b'{');
    for (name, field) in header_fields(header) {
        key(out, name);
        number(out, field.into());
    }
    out.push(b'}');
}

/// Names and raw values of a header's fields, in order: the names of PyPI `netflow`, for IPFIX of RFC 7011.
pub fn header_fields(header: &Header) -> Vec<(&'static str, u32)> {
    let mut fields = vec![("version", u32::from(header.version()))];
    match header {
        Header::Ipfix(h) => {
            fields.extend([
                ("length", h.length.into()),
                ("export_time", h.export_time),
                ("sequence_number", h.sequence_number),
                ("observation_domain_id", h.observation_domain_id),
            ]);
        }
        Header::V9(h) => {
            fields.extend([
                ("count", h.count.into()),
                ("uptime", h.uptime_millis),
                ("timestamp", h.unix_seconds),
                ("sequence", h.sequence),
                ("source_id", h.source_id),
            ]);
        }
        Header::V1(h) => {
            fields.extend([
                ("count", h.count.into()),
                ("uptime", h.uptime_millis),
                ("timestamp", h.unix_seconds),
                ("timestamp_nano", h.unix_nanos),
            ]);
        }
        Header::V5(h) => {
            fields.extend([
                ("count", h.count.into()),
                ("uptime", h.uptime_millis),
                ("timestamp", h.unix_seconds),
                ("timestamp_nano", h.unix_nanos),
                ("sequence", h.sequence),
                ("engine_type", h.engine_type.into()),
                ("engine_id", h.engine_id.into()),
                ("sampling_interval", h.sampling.into()),
            ]);
        }
        Header::V7(h) => {
            fields.extend([
                ("count", h.count.into()),
                ("uptime", h.uptime_millis),
                ("timestamp", h.unix_seconds),
                ("timestamp_nano", h.unix_nanos),
                ("sequence", h.sequence),
            ]);
        }
        Header::V8(h) => {
            fields.extend([
                ("count", h.count.into()),
                ("uptime", h.uptime_millis),
                ("timestamp", h.unix_seconds),
                ("timestamp_nano", h.unix_nanos),
                ("sequence", h.sequence),
                ("engine_type", h.engine_type.into()),
                ("engine_id", h.engine_id.into()),
                ("aggregation", h.aggregation.into()),
                ("aggregation_version", h.aggregation_version.into()),
            ]);
        }
        _ => {}
    }
    fields
}
