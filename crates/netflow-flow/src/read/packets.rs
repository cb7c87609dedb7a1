//! Export packets from lines of JSON: the layout of PyPI `netflow`.
//!
//! The fields of a record are encoded again, as a template has them that is made from their names, and go
//! the way of every data record from there: there is one way from elements to flows.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use netflow_templates::{Clock, Context, DataSet, Element, Naming, Options, Plan, Registry, Timestamp};
use netflow_wire::{FieldSpecifier, Header};

use self::encode::{encode, encoded_length};
use self::line::Packet;
use self::rows::Rows;
use crate::normalize::Normalizer;
use crate::schema::Flow;

mod encode;
mod line;
mod rows;

/// Names of fields that are not known, kept to be told.
const MAX_UNKNOWN: usize = 100;
/// Characters of such a name that are kept.
const MAX_NAME: usize = 255;
/// Shapes of records kept.
const MAX_SHAPES: usize = 10_000;
/// Octets that these take, about.
const MAX_SHAPE_OCTETS: usize = 32 << 20;

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
    shape_octets: usize,
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

impl Shape {
    /// Octets that keeping it takes, about: the signature is its key, too.
    fn memory(&self) -> usize {
        2 * self.signature.len() + self.plan.memory() + size_of_val(&*self.fields) + size_of::<Self>()
    }
}

impl PacketLines {
    pub(super) fn new(registry: Registry, normalizer: Normalizer) -> Self {
        Self {
            registry,
            normalizer,
            options: Options::default(),
            shapes: HashMap::new(),
            shape_octets: 0,
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

    /// Shapes of records that are kept.
    #[cfg(test)]
    pub(super) fn kept_shapes(&self) -> usize {
        self.shapes.len()
    }

    pub(super) fn recycle(&mut self, flows: &mut Vec<Flow>) {
        self.normalizer.recycle(flows);
    }

    /// Appends the flows of a line; returns when its packet was received.
    pub(super) fn read(&mut self, line: &[u8], flows: &mut Vec<Flow>) -> Result<Timestamp, String> {
        self.flows.clear();
        self.option_records.clear();
        let Packet { received, exporter, header } =
            line::read(line, &mut self.flows, &mut self.option_records)?;
        let domain = header.observation_domain();
        let number = self.packets;
        self.packets += 1;

        let rows = std::mem::take(&mut self.option_records);
        self.options.hear(exporter.address);
        self.sets(&rows, &header, true, |lines, set| {
            let registry = &lines.registry;
            lines.options.learn(exporter.address, domain, registry, &set, &mut Vec::new());
        });
        self.option_records = rows;

        let system_init = match header {
            Header::Ipfix(_) => {
                let options = self.options.domain(exporter.address, domain);
                options.and_then(|options| options.system_init())
            }
            _ => None,
        };
        let clock = Clock::new(&header, system_init);
        let rows = std::mem::take(&mut self.flows);
        self.sets(&rows, &header, false, |lines, set| {
            let (packet, options) = (number, &lines.options);
            let context =
                Context { packet, exporter, received, header: &header, late: false, clock, options };
            lines.normalizer.normalize(&context, set, flows);
        });
        self.flows = rows;
        // The made-up template of the encoding is nobody's.
        flows.iter_mut().for_each(|flow| flow.template_id = None);
        Ok(received)
    }

    /// Hands out the records as data sets: those that follow each other and have the same fields together.
    fn sets(
        &mut self,
        rows: &Rows,
        header: &Header,
        options: bool,
        mut each: impl FnMut(&mut Self, DataSet<'_>),
    ) {
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
                let octets = self.shape_octets + shape.memory();
                if self.shapes.len() < MAX_SHAPES && octets <= MAX_SHAPE_OCTETS {
                    self.shape_octets = octets;
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
                    self.unknown.insert(name.chars().take(MAX_NAME).collect());
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
