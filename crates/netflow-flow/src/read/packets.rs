//! Export packets from lines of JSON: the layout of PyPI `netflow`.
//!
//! The fields of a record are encoded again, as a template has them that is made from their names, and go
//! the way of every data record from there: there is one way from elements to flows.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use netflow_templates::{
    Clock, Context, DataSet, DataType, Element, Exporter, Naming, Options, Plan, Registry, Timestamp,
};
use netflow_wire::{FieldSpecifier, Header, VARIABLE_LENGTH, ipfix, v1, v5, v7, v8, v9};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::normalize::Normalizer;
use crate::schema::Flow;

/// Names of fields that are not known, kept to be told.
const MAX_UNKNOWN: usize = 100;
/// Shapes of records kept.
const MAX_SHAPES: usize = 10_000;

/// Whether a line is an object with one number as key.
pub(super) fn is_packet_line(line: &[u8]) -> bool {
    let key = line[1..].trim_ascii_start().strip_prefix(b"\"");
    let number = key.and_then(|key| key.split(|&octet| octet == b'"').next());
    number.is_some_and(|number| std::str::from_utf8(number).is_ok_and(|text| text.parse::<f64>().is_ok()))
}

/// Reads lines of export packets.
pub(super) struct PacketLines {
    registry: Registry,
    normalizer: Normalizer,
    options: Options,
    shapes: HashMap<Vec<u8>, Rc<Shape>>,
    last: Option<Rc<Shape>>,
    flows: Rows,
    option_records: Rows,
    unknown: BTreeSet<String>,
    packets: u64,
    octets: Vec<u8>,
    spans: Vec<u32>,
}

/// The fields that records of one kind have.
struct Shape {
    signature: Vec<u8>,
    plan: Plan,
    /// For each JSON member the length that its values are encoded in; `None` for a member that is left out.
    fields: Vec<Option<(Element, u16)>>,
}

impl PacketLines {
    pub(super) fn new(registry: Registry, normalizer: Normalizer) -> Self {
        Self {
            registry,
            normalizer,
            options: Options::default(),
            shapes: HashMap::new(),
            last: None,
            flows: Rows::default(),
            option_records: Rows::default(),
            unknown: BTreeSet::new(),
            packets: 0,
            octets: Vec::new(),
            spans: Vec::new(),
        }
    }

    pub(super) fn unknown_fields(&self) -> &BTreeSet<String> {
        &self.unknown
    }

    pub(super) fn recycle(&mut self, flows: &mut Vec<Flow>) {
        self.normalizer.recycle(flows);
    }

    /// Appends the flows of a line; returns when its packet was received.
    pub(super) fn read(&mut self, line: &[u8], flows: &mut Vec<Flow>) -> Result<Timestamp, String> {
        self.flows.clear();
        self.option_records.clear();
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let visitor = LineVisitor { flows: &mut self.flows, options: &mut self.option_records };
        let packet = deserializer.deserialize_map(visitor).map_err(|error| error.to_string())?;
        deserializer.end().map_err(|error| error.to_string())?;
        let Packet { received, exporter, header } = packet;
        let header = header.header()?;
        let domain = header.observation_domain();
        let number = self.packets;
        self.packets += 1;

        let rows = std::mem::take(&mut self.option_records);
        self.sets(&rows, &header, true, |lines, set| lines.options.learn(exporter.address, domain, &set));
        self.option_records = rows;

        let system_init = match header {
            Header::Ipfix(_) => {
                self.options.find(exporter.address, domain, |options| options.system_init).map(|found| found.value)
            }
            _ => None,
        };
        let clock = Clock::new(&header, system_init);
        let rows = std::mem::take(&mut self.flows);
        self.sets(&rows, &header, false, |lines, set| {
            let (packet, options) = (number, &lines.options);
            let context = Context { packet, exporter, received, header: &header, late: false, clock, options };
            lines.normalizer.normalize(&context, set, flows);
        });
        self.flows = rows;
        // The made-up template of the encoding is nobody's.
        flows.iter_mut().for_each(|flow| flow.template_id = None);
        Ok(received)
    }

    /// Hands out the records as data sets: those that follow each other and have the same fields together.
    fn sets(&mut self, rows: &Rows, header: &Header, options: bool, mut each: impl FnMut(&mut Self, DataSet<'_>)) {
        let mut next = 0;
        while next < rows.len() {
            let shape = self.shape(rows, next, header, options);
            let mut octets = std::mem::take(&mut self.octets);
            octets.clear();
            while next < rows.len() && rows.signature(next) == shape.signature {
                encode(rows, next, &shape, &mut octets);
                next += 1;
            }
            let mut spans = std::mem::take(&mut self.spans);
            each(self, DataSet::lay(&shape.plan, &octets, 0, &mut spans, &mut |_| {}));
            (self.octets, self.spans) = (octets, spans);
        }
    }

    fn shape(&mut self, rows: &Rows, row: usize, header: &Header, options: bool) -> Rc<Shape> {
        let signature = rows.signature(row);
        if let Some(shape) = self.last.as_ref().filter(|shape| shape.signature == signature) {
            return Rc::clone(shape);
        }
        let shape = match self.shapes.get(signature) {
            Some(shape) => Rc::clone(shape),
            None => {
                let shape = Rc::new(self.new_shape(rows, row, header, options));
                if self.shapes.len() < MAX_SHAPES {
                    self.shapes.insert(signature.to_vec(), Rc::clone(&shape));
                }
                shape
            }
        };
        self.last = Some(Rc::clone(&shape));
        shape
    }

    fn new_shape(&mut self, rows: &Rows, row: usize, header: &Header, options: bool) -> Shape {
        let (mut fields, mut specifiers) = (Vec::new(), Vec::new());
        for (name, scalar) in rows.members(row) {
            let Some(element) = self.element(name) else {
                if self.unknown.len() < MAX_UNKNOWN {
                    self.unknown.insert(name.to_owned());
                }
                fields.push(None);
                continue;
            };
            let length = encoded_length(element.data_type, &scalar);
            specifiers.push(FieldSpecifier::of(element.enterprise, element.id, length));
            fields.push(Some((element, length)));
        }
        let naming = match header {
            Header::Ipfix(_) => Naming::Ipfix,
            Header::V9(_) => Naming::V9,
            _ => Naming::Fixed,
        };
        let plan = Plan::compile(&self.registry, naming, 0, options, 0, &specifiers);
        Shape { signature: rows.signature(row).to_vec(), plan, fields }
    }

    /// The element with a name; a repeated field's number is not part of it.
    fn element(&self, name: &str) -> Option<Element> {
        self.registry.find_name(name).or_else(|| {
            let (stem, number) = name.rsplit_once('_')?;
            number.parse::<u16>().ok()?;
            self.registry.find_name(stem)
        })
    }
}

/// Octets that a value is encoded in.
fn encoded_length(data_type: DataType, scalar: &Scalar<'_>) -> u16 {
    use DataType as T;
    match (data_type, scalar) {
        (_, Scalar::Null) => 0,
        (T::Ipv4Address, Scalar::Text(_) | Scalar::Unsigned(_)) => 4,
        (T::Ipv6Address, Scalar::Text(_)) => 16,
        (T::MacAddress, Scalar::Text(_) | Scalar::Unsigned(_)) => 6,
        (T::Boolean, Scalar::Boolean(_)) => 1,
        (
            T::DateTimeSeconds | T::DateTimeMilliseconds | T::DateTimeMicroseconds | T::DateTimeNanoseconds,
            Scalar::Text(_) | Scalar::Unsigned(_),
        ) => 8,
        (T::String | T::OctetArray, _) => VARIABLE_LENGTH,
        (_, Scalar::Unsigned(_) | Scalar::Signed(_) | Scalar::Float(_)) => 8,
        _ => VARIABLE_LENGTH,
    }
}

fn encode(rows: &Rows, row: usize, shape: &Shape, out: &mut Vec<u8>) {
    for ((_, scalar), field) in rows.members(row).zip(&shape.fields) {
        let Some((element, length)) = field else { continue };
        let start = out.len();
        encode_value(element.data_type, &scalar, out);
        let encoded = out.len() - start;
        match *length {
            VARIABLE_LENGTH => {
                let encoded = u16::try_from(encoded).unwrap_or(u16::MAX - 1);
                out.truncate(start + usize::from(encoded));
                let [high, low] = encoded.to_be_bytes();
                out.splice(start..start, [255, high, low]);
            }
            // A text that is no value of its type becomes zeros.
            length => out.resize(start + usize::from(length), 0),
        }
    }
}

fn encode_value(data_type: DataType, scalar: &Scalar<'_>, out: &mut Vec<u8>) {
    use DataType as T;
    match (data_type, scalar) {
        (T::Ipv4Address, Scalar::Text(text)) => match text.parse() {
            Ok(IpAddr::V4(address)) => out.extend(address.octets()),
            _ => out.extend([0; 4]),
        },
        // PyPI `netflow` writes the addresses of v1 and v5 as numbers.
        (T::Ipv4Address, Scalar::Unsigned(number)) => out.extend((*number as u32).to_be_bytes()),
        (T::Ipv6Address, Scalar::Text(text)) => match text.parse() {
            Ok(IpAddr::V6(address)) => out.extend(address.octets()),
            _ => out.extend([0; 16]),
        },
        (T::MacAddress, Scalar::Text(text)) => {
            out.extend(text.parse::<crate::MacAddress>().unwrap_or_default().0);
        }
        (T::MacAddress, Scalar::Unsigned(number)) => out.extend(&number.to_be_bytes()[2..]),
        (T::DateTimeSeconds, Scalar::Text(text)) => {
            out.extend((nanos(text) / 1_000_000_000).to_be_bytes());
        }
        (T::DateTimeMilliseconds, Scalar::Text(text)) => out.extend((nanos(text) / 1_000_000).to_be_bytes()),
        (T::DateTimeMicroseconds | T::DateTimeNanoseconds, Scalar::Text(text)) => {
            let nanos = nanos(text);
            let (seconds, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
            let ntp = (seconds + 2_208_988_800) as u64;
            let fraction = ((fraction as u64) << 32).div_ceil(1_000_000_000);
            out.extend((ntp << 32 | fraction).to_be_bytes());
        }
        (T::Boolean, Scalar::Boolean(yes)) => out.push(if *yes { 1 } else { 2 }),
        (T::String, scalar) => out.extend(scalar.text().as_bytes()),
        (T::Float32 | T::Float64, Scalar::Unsigned(number)) => out.extend((*number as f64).to_be_bytes()),
        (T::Float32 | T::Float64, Scalar::Signed(number)) => out.extend((*number as f64).to_be_bytes()),
        (_, Scalar::Unsigned(number)) => out.extend(number.to_be_bytes()),
        (_, Scalar::Signed(number)) => out.extend(number.to_be_bytes()),
        (T::Float32 | T::Float64, Scalar::Float(number)) => out.extend(number.to_be_bytes()),
        (_, Scalar::Float(number)) => out.extend((*number as u64).to_be_bytes()),
        (_, Scalar::Boolean(yes)) => out.push((*yes).into()),
        // Octets as hex.
        (_, Scalar::Text(text)) => out.extend(octets(text)),
        (_, Scalar::Null) => {}
    }
}

fn nanos(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap_or_default().as_nanos()
}

fn octets(hex: &str) -> impl Iterator<Item = u8> {
    hex.as_bytes().chunks_exact(2).map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
}

/// A value of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scalar<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

impl Scalar<'_> {
    /// One octet that is the same for values that are encoded alike.
    fn class(&self) -> u8 {
        match self {
            Self::Null => b'0',
            Self::Boolean(_) => b'b',
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) => b'n',
            Self::Text(_) => b't',
        }
    }

    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => "".into(),
            Self::Boolean(yes) => yes.to_string().into(),
            Self::Unsigned(number) => number.to_string().into(),
            Self::Signed(number) => number.to_string().into(),
            Self::Float(number) => number.to_string().into(),
            Self::Text(text) => (*text).into(),
        }
    }
}

/// Records as they stand in the line, in reused memory.
#[derive(Debug, Default)]
struct Rows {
    /// For each member of each record.
    members: Vec<Member>,
    /// For each record the end of its members and of its signature.
    ends: Vec<(usize, usize)>,
    /// For each record, for each member: name, class.
    signatures: Vec<u8>,
    texts: String,
}

#[derive(Debug)]
struct Member {
    name: std::ops::Range<usize>,
    scalar: StoredScalar,
}

#[derive(Debug)]
enum StoredScalar {
    Plain(Scalar<'static>),
    Text(std::ops::Range<usize>),
}

impl Rows {
    fn clear(&mut self) {
        self.members.clear();
        self.ends.clear();
        self.signatures.clear();
        self.texts.clear();
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn start(&self, row: usize) -> (usize, usize) {
        row.checked_sub(1).map_or((0, 0), |before| self.ends[before])
    }

    fn signature(&self, row: usize) -> &[u8] {
        &self.signatures[self.start(row).1..self.ends[row].1]
    }

    fn members(&self, row: usize) -> impl Iterator<Item = (&str, Scalar<'_>)> {
        self.members[self.start(row).0..self.ends[row].0].iter().map(|member| {
            let name = std::str::from_utf8(&self.signatures[member.name.clone()]).unwrap_or_default();
            let scalar = match &member.scalar {
                StoredScalar::Plain(scalar) => *scalar,
                StoredScalar::Text(range) => Scalar::Text(&self.texts[range.clone()]),
            };
            (name, scalar)
        })
    }

    fn push(&mut self, name: std::ops::Range<usize>, scalar: StoredScalar) {
        let class = match &scalar {
            StoredScalar::Plain(scalar) => scalar.class(),
            StoredScalar::Text(_) => b't',
        };
        self.signatures.push(0);
        self.signatures.push(class);
        self.members.push(Member { name, scalar });
    }

    fn end_row(&mut self) {
        self.ends.push((self.members.len(), self.signatures.len()));
    }
}

/// What a line says besides its records.
struct Packet {
    received: Timestamp,
    exporter: Exporter,
    header: JsonHeader,
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
            version => return Err(format!("header version {version} is not NetFlow (1, 5, 7, 8, 9) or IPFIX (10)")),
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
        let key = map.next_key::<Cow<'_, str>>()?.ok_or_else(|| A::Error::custom("the line has no receive time"))?;
        let received = received(&key).ok_or_else(|| A::Error::custom(format_args!("'{key}' is no receive time")))?;
        let (exporter, header) =
            map.next_value_seed(PacketSeed { flows: self.flows, options: self.options })?;
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("the line has more than one receive time"));
        }
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
    type Value = std::ops::Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = std::ops::Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let start = self.0.signatures.len();
        self.0.signatures.extend_from_slice(name.as_bytes());
        Ok(start..self.0.signatures.len())
    }
}

/// Keeps a member's value.
struct ScalarSeed<'a> {
    rows: &'a mut Rows,
    name: std::ops::Range<usize>,
}

impl ScalarSeed<'_> {
    fn plain<E>(self, scalar: Scalar<'static>) -> Result<(), E> {
        self.rows.push(self.name, StoredScalar::Plain(scalar));
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
        let start = self.rows.texts.len();
        self.rows.texts.push_str(text);
        let range = start..self.rows.texts.len();
        self.rows.push(self.name, StoredScalar::Text(range));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.plain(Scalar::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        // The member was a heading of members.
        self.rows.signatures.truncate(self.name.start);
        RowSeed { rows: self.rows }.visit_map(map)
    }
}
