//! The JSON of a line.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use netflow_templates::{Exporter, Timestamp};
use netflow_wire::{Header, ipfix, v1, v5, v7, v8, v9};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess};

use super::large;
use super::rows::Rows;
use crate::address::parse_address;
use crate::read::json::{self, Json, JsonText, Scalar, Take};

/// The key that a line of `nf decode` starts with.
pub(super) const VERSION: &str = "version";
/// The sender of a packet that came without one.
const NOBODY: Exporter = Exporter { address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), port: 0 };
/// Records of a line: an export packet has no more octets.
const MAX_RECORDS: usize = 65_535;
/// Fields of a record: a template has four octets for each, in one export packet.
const MAX_FIELDS: usize = 16_384;

/// What a line says besides its records.
#[derive(Debug)]
pub(in crate::read) struct Packet {
    pub(in crate::read) received: Timestamp,
    pub(super) exporter: Exporter,
    pub(super) header: Header,
    /// Whether the records had to wait for their template.
    pub(super) late: bool,
    /// Records of each data set, where the line says so.
    pub(super) sets: Vec<u32>,
}

/// Reads a line, and its records into `flows` and `options`.
pub(super) fn read(line: &[u8], flows: &mut Rows, options: &mut Rows) -> Result<Packet, String> {
    let packet = json::read(line, Line { flows, options })?;
    if flows.has_large_number()
        && let Some(line) = large::addresses_as_text(line)
    {
        flows.clear();
        options.clear();
        return json::read(&line, Line { flows, options });
    }
    Ok(packet)
}

/// The header's members that matter, under the names of either library.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct JsonHeader {
    version: u16,
    count: u16,
    length: u16,
    uptime: u32,
    #[serde(alias = "export_time", alias = "export_uptime")]
    timestamp: u32,
    timestamp_nano: u32,
    #[serde(alias = "sequence_number")]
    sequence: u32,
    #[serde(alias = "observation_domain_id", alias = "obervation_domain_id")]
    source_id: u32,
    engine_type: u8,
    engine_id: u8,
    sampling_interval: u16,
    aggregation: u8,
    aggregation_version: u8,
}

impl JsonHeader {
    fn header(&self) -> Result<Header, String> {
        let &Self { count, uptime: uptime_millis, sequence, engine_type, engine_id, .. } = self;
        let (unix_seconds, unix_nanos) = (self.timestamp, self.timestamp_nano);
        Ok(match self.version {
            v1::VERSION => Header::V1(v1::Header { count, uptime_millis, unix_seconds, unix_nanos }),
            v5::VERSION => Header::V5(v5::Header {
                count,
                uptime_millis,
                unix_seconds,
                unix_nanos,
                sequence,
                engine_type,
                engine_id,
                sampling: self.sampling_interval,
            }),
            v7::VERSION => {
                let reserved = 0;
                Header::V7(v7::Header { count, uptime_millis, unix_seconds, unix_nanos, sequence, reserved })
            }
            v8::VERSION => Header::V8(v8::Header {
                count,
                uptime_millis,
                unix_seconds,
                unix_nanos,
                sequence,
                engine_type,
                engine_id,
                aggregation: self.aggregation,
                aggregation_version: self.aggregation_version,
                reserved: 0,
            }),
            v9::VERSION => {
                let source_id = self.source_id;
                Header::V9(v9::Header { count, uptime_millis, unix_seconds, sequence, source_id })
            }
            ipfix::VERSION => Header::Ipfix(ipfix::Header {
                length: self.length,
                export_time: unix_seconds,
                sequence_number: sequence,
                observation_domain_id: self.source_id,
            }),
            version => {
                return Err(format!("header version {version} is not NetFlow (1, 5, 7, 8, 9) or IPFIX (10)"));
            }
        })
    }
}

/// An object with the receive time as its key; or what `nf decode` prints, which starts with the version and has neither
/// receive time nor client.
struct Line<'a> {
    flows: &'a mut Rows,
    options: &'a mut Rows,
}

impl<'de> Take<'de> for Line<'_> {
    type Output = Packet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the receive time as its key")
    }

    fn object<A: MapAccess<'de>>(self, mut line: A) -> Result<Packet, A::Error> {
        let key = line
            .next_key::<Cow<'_, str>>()?
            .ok_or_else(|| A::Error::custom("the line has no receive time"))?;
        if key == VERSION {
            line.next_value::<IgnoredAny>()?;
            return PacketOf { line: self, received: None }.object(line);
        }
        let received =
            received(&key).ok_or_else(|| A::Error::custom(format_args!("{key:?} is no receive time")))?;
        let packet = line.next_value_seed(Json(PacketOf { line: self, received: Some(received) }))?;
        if line.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("the line has more than one receive time"));
        }
        Ok(packet)
    }
}

/// Seconds with a fraction, exactly.
fn received(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.bytes().any(|octet| !octet.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.get(..fraction.len().min(9))?;
    let nanos: i64 = format!("{digits:0<9}").parse().ok()?;
    Some(Timestamp::from_secs(seconds.parse().ok()?).saturating_add_nanos(nanos))
}

/// The export packet of a line.
struct PacketOf<'a> {
    line: Line<'a>,
    /// Absent in what `nf decode` prints.
    received: Option<Timestamp>,
}

impl<'de> Take<'de> for PacketOf<'_> {
    type Output = Packet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an export packet: client, header and flows")
    }

    fn object<A: MapAccess<'de>>(self, mut packet: A) -> Result<Packet, A::Error> {
        let (mut exporter, mut header, mut late, mut sets) = (None, None, false, Vec::new());
        let Line { flows, options } = self.line;
        while let Some(key) = packet.next_key::<Cow<'_, str>>()? {
            match key.as_ref() {
                "client" => exporter = Some(packet.next_value_seed(Json(Client))?),
                "header" => header = Some(packet.next_value::<JsonHeader>()?),
                "flows" => packet.next_value_seed(Json(Records { rows: flows, options: false }))?,
                "options" => packet.next_value_seed(Json(Records { rows: options, options: true }))?,
                "late" => late = packet.next_value_seed(Json(Late { flows, options }))?,
                "sets" => sets = packet.next_value()?,
                _ => {
                    packet.next_value::<IgnoredAny>()?;
                }
            }
        }
        let exporter = exporter.or(self.received.is_none().then_some(NOBODY));
        let exporter = exporter.ok_or_else(|| A::Error::custom("the packet has no client address"))?;
        let header = header.ok_or_else(|| A::Error::custom("the packet has no header"))?;
        let header = header.header().map_err(A::Error::custom)?;
        // When it was sent is the best that is known then.
        let sent = || Timestamp::from_nanos(header.export_nanos());
        Ok(Packet { received: self.received.unwrap_or_else(sent), exporter, header, late, sets })
    }
}

/// Whether the records of the packet had to wait for their template; or those of earlier packets that had to, as
/// `nf decode` prints them: they are taken for records of this one, by whose clock their times are the same.
struct Late<'a> {
    flows: &'a mut Rows,
    options: &'a mut Rows,
}

impl<'de> Take<'de> for Late<'_> {
    type Output = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whether the records came before their template, or a list of such records")
    }

    fn scalar<E: Error>(self, late: Scalar<'_>) -> Result<bool, E> {
        match late {
            Scalar::Boolean(late) => Ok(late),
            other => Err(E::invalid_type(other.unexpected(), &Json(self))),
        }
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let Self { flows, options } = self;
        while list.next_element_seed(Json(LateOf { flows, options }))?.is_some() {}
        Ok(false)
    }
}

/// The records of one earlier packet.
struct LateOf<'a> {
    flows: &'a mut Rows,
    options: &'a mut Rows,
}

impl<'de> Take<'de> for LateOf<'_> {
    type Output = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("records of an earlier packet")
    }

    fn object<A: MapAccess<'de>>(self, mut packet: A) -> Result<(), A::Error> {
        let Self { flows, options } = self;
        while let Some(key) = packet.next_key::<Cow<'_, str>>()? {
            match key.as_ref() {
                "flows" => packet.next_value_seed(Json(Records { rows: flows, options: false }))?,
                "options" => packet.next_value_seed(Json(Records { rows: options, options: true }))?,
                _ => {
                    packet.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Address and port of the exporter.
struct Client;

impl<'de> Take<'de> for Client {
    type Output = Exporter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("address and port of the exporter")
    }

    fn list<A: SeqAccess<'de>>(self, mut client: A) -> Result<Exporter, A::Error> {
        let text = client.next_element::<Cow<'_, str>>()?;
        // Python appends its zone to a link-local address.
        let address = text.and_then(|text| parse_address(text.split('%').next()?));
        let address = address.ok_or_else(|| A::Error::custom("the packet has no client address"))?;
        let port = client.next_element::<u16>()?.unwrap_or(0);
        // Of an IPv6 socket Python tells the flow label and the scope too.
        while client.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Exporter { address: address.to_canonical(), port })
    }
}

/// A list of records.
struct Records<'a> {
    rows: &'a mut Rows,
    options: bool,
}

impl<'de> Take<'de> for Records<'_> {
    type Output = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { rows, options } = self;
        while list.next_element_seed(Json(Record { rows, headings: options }))?.is_some() {
            rows.end_row();
            if rows.len() > MAX_RECORDS {
                return Err(A::Error::custom(format_args!("a packet has at most {MAX_RECORDS} records")));
            }
        }
        Ok(())
    }
}

/// The fields of a record.
struct Record<'a> {
    rows: &'a mut Rows,
    /// Whether the fields may stand below `scopes` and `fields`, as those of options records do.
    headings: bool,
}

impl<'de> Take<'de> for Record<'_> {
    type Output = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record: an object of fields")
    }

    fn object<A: MapAccess<'de>>(self, mut record: A) -> Result<(), A::Error> {
        let Self { rows, headings } = self;
        while let Some(name) = record.next_key_seed(Json(Name { rows, headings }))? {
            match name {
                Key::Field => record.next_value_seed(Json(Value { rows }))?,
                Key::Fields => record.next_value_seed(Json(Record { rows, headings: false }))?,
                Key::Scopes => {
                    let first = rows.open_members() == 0;
                    record.next_value_seed(Json(Record { rows, headings: false }))?;
                    if first {
                        rows.end_scopes();
                    }
                }
            }
            if rows.open_members() > MAX_FIELDS {
                return Err(A::Error::custom(format_args!("a record has at most {MAX_FIELDS} fields")));
            }
        }
        Ok(())
    }
}

/// A key of a record.
enum Key {
    /// A field, whose name was appended.
    Field,
    /// The heading of the scope.
    Scopes,
    /// The heading of the other fields.
    Fields,
}

/// Appends a field's name, unless it is a heading.
struct Name<'a> {
    rows: &'a mut Rows,
    headings: bool,
}

impl<'de> Take<'de> for Name<'_> {
    type Output = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn scalar<E: Error>(self, name: Scalar<'_>) -> Result<Self::Output, E> {
        match name {
            Scalar::Text("scopes") if self.headings => Ok(Key::Scopes),
            Scalar::Text("fields") if self.headings => Ok(Key::Fields),
            Scalar::Text(name) => {
                self.rows.name(name);
                Ok(Key::Field)
            }
            other => Err(E::invalid_type(other.unexpected(), &Json(self))),
        }
    }
}

/// Appends a field's value.
struct Value<'a> {
    rows: &'a mut Rows,
}

impl Value<'_> {
    fn json(self, text: &[u8]) {
        // It was written from text.
        let text = std::str::from_utf8(text).unwrap_or_default();
        self.rows.value(Scalar::Json(text));
    }
}

impl<'de> Take<'de> for Value<'_> {
    type Output = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's value")
    }

    fn scalar<E: Error>(self, scalar: Scalar<'_>) -> Result<(), E> {
        self.rows.value(scalar);
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let mut text = Vec::new();
        JsonText(&mut text).list(list)?;
        self.json(&text);
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let mut text = Vec::new();
        JsonText(&mut text).object(object)?;
        self.json(&text);
        Ok(())
    }
}
