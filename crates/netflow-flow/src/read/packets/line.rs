//! The JSON of a line.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use netflow_templates::{Exporter, Timestamp};
use netflow_wire::{Header, ipfix, v1, v5, v7, v8, v9};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::rows::{Rows, Scalar};

/// What a line says besides its records.
pub(super) struct Packet {
    pub(super) received: Timestamp,
    pub(super) exporter: Exporter,
    pub(super) header: Header,
}

/// Reads a line, and its records into `flows` and `options`.
pub(super) fn read(line: &[u8], flows: &mut Rows, options: &mut Rows) -> Result<Packet, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let packet =
        deserializer.deserialize_map(LineVisitor { flows, options }).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
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

struct LineVisitor<'a> {
    flows: &'a mut Rows,
    options: &'a mut Rows,
}

impl<'de> Visitor<'de> for LineVisitor<'_> {
    type Value = Packet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the receive time as its key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Packet, A::Error> {
        let key = map
            .next_key::<Cow<'_, str>>()?
            .ok_or_else(|| A::Error::custom("the line has no receive time"))?;
        let received =
            received(&key).ok_or_else(|| A::Error::custom(format_args!("'{key}' is no receive time")))?;
        let (exporter, header) =
            map.next_value_seed(PacketSeed { flows: self.flows, options: self.options })?;
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("the line has more than one receive time"));
        }
        let header = header.header().map_err(A::Error::custom)?;
        Ok(Packet { received, exporter, header })
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

struct PacketSeed<'a> {
    flows: &'a mut Rows,
    options: &'a mut Rows,
}

impl<'de> DeserializeSeed<'de> for PacketSeed<'_> {
    type Value = (Exporter, JsonHeader);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PacketSeed<'_> {
    type Value = (Exporter, JsonHeader);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an export packet: client, header and flows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut exporter, mut header) = (None, None);
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match key.as_ref() {
                "client" => {
                    let client: Vec<serde_json::Value> = map.next_value()?;
                    let address = client.first().and_then(|address| address.as_str()?.parse::<IpAddr>().ok());
                    let port = client.get(1).and_then(|port| u16::try_from(port.as_u64()?).ok()).unwrap_or(0);
                    exporter = address.map(|address| Exporter { address: address.to_canonical(), port });
                }
                "header" => header = Some(map.next_value::<JsonHeader>()?),
                "flows" => map.next_value_seed(RowsSeed(self.flows))?,
                "options" => map.next_value_seed(RowsSeed(self.options))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let exporter = exporter.ok_or_else(|| A::Error::custom("the packet has no client address"))?;
        let header = header.ok_or_else(|| A::Error::custom("the packet has no header"))?;
        Ok((exporter, header))
    }
}

/// Reads a list of records.
struct RowsSeed<'a>(&'a mut Rows);

impl<'de> DeserializeSeed<'de> for RowsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(RowSeed { rows: self.0 })?.is_some() {
            self.0.end_row();
        }
        Ok(())
    }
}

/// Reads the members of a record; those of nested objects (an options record's scopes and fields) too.
struct RowSeed<'a> {
    rows: &'a mut Rows,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record: an object of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(NameSeed(self.rows))? {
            map.next_value_seed(ScalarSeed { rows: self.rows, name })?;
        }
        Ok(())
    }
}

/// Appends a member's name to the signature.
struct NameSeed<'a>(&'a mut Rows);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.name(name))
    }
}

/// Keeps a member's value.
struct ScalarSeed<'a> {
    rows: &'a mut Rows,
    name: Range<usize>,
}

impl ScalarSeed<'_> {
    fn plain<E>(self, scalar: Scalar<'static>) -> Result<(), E> {
        self.rows.push(self.name, scalar);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ScalarSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's value")
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<(), E> {
        self.plain(Scalar::Boolean(yes))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.plain(Scalar::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.plain(Scalar::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.plain(Scalar::Float(number))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.plain(Scalar::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.rows.push_text(self.name, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.plain(Scalar::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        // The member was a heading of members.
        self.rows.take_back(self.name);
        RowSeed { rows: self.rows }.visit_map(map)
    }
}
