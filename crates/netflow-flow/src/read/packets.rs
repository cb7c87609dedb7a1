//! Export packets from lines of JSON: the layout of PyPI `netflow`.
//!
//! The fields of a record are encoded again, as a template has them that is made from their names and values,
//! and go the way of every data record from there: there is one way from elements to flows. A line does not
//! say whether its options records came before its flows or behind them: they count for all of them.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::rc::Rc;

use netflow_templates::{
    Clock, Context, DataSet, DataType, Element, Exporter, Naming, Options, Plan, Problem, Registry, Timestamp,
};
use netflow_wire::{FieldSpecifier, Header};

use self::encode::encode;
use self::rows::Rows;
use crate::flows::Flows;
use crate::normalize::Normalizer;
use crate::schema::Flow;

mod encode;
mod large;
mod line;
mod rows;

pub(super) use line::Packet;

/// Names of fields that are not known, kept to be told.
const MAX_UNKNOWN: usize = 100;
/// Octets of such a name that are kept.
const MAX_NAME: usize = 100;
/// Octets that a shape takes besides its names and elements, about.
const SHAPE: usize = 512;
/// Octets that remembered shapes may take, about; then all are forgotten.
const MAX_SHAPES: usize = 64 << 20;

/// Whether a line is an object whose first key is a number, or the one that a line of `nf decode` starts with.
pub(super) fn is_packet_line(line: &[u8]) -> bool {
    let key = line[1..].trim_ascii_start().strip_prefix(b"\"");
    let key = key.and_then(|key| std::str::from_utf8(key.split(|&octet| octet == b'"').next()?).ok());
    key.is_some_and(|key| key == line::VERSION || key.parse::<f64>().is_ok())
}

/// The records of a line, in reused memory.
#[derive(Debug, Default)]
pub(super) struct Records {
    flows: Rows,
    options: Rows,
}

impl Records {
    /// Octets of memory that are used again.
    pub(super) fn memory(&self) -> usize {
        self.flows.memory() + self.options.memory()
    }
}

/// Parses a line of an export packet, whose records become the content of `records`.
pub(super) fn parse(line: &[u8], records: &mut Records) -> Result<Packet, String> {
    records.flows.clear();
    records.options.clear();
    line::read(line, &mut records.flows, &mut records.options)
}

/// Makes flows of the export packets that lines hold.
pub(super) struct PacketLines {
    registry: Registry,
    /// The same, but a list (RFC 6313) is a string: flows have the text of it, and so have the lines.
    without_lists: Registry,
    normalizer: Normalizer,
    normalized: Flows,
    options: Options,
    /// By the names of the members, for each kind of records.
    shapes: HashMap<Kind, HashMap<Box<[u8]>, Rc<Shape>>>,
    /// Octets that they take, about.
    shapes_memory: usize,
    unknown: BTreeSet<String>,
    options_problems: Option<OptionsProblems>,
    packets: u64,
    /// The last packet whose sets had to wait, and its number.
    late: Option<(Exporter, Timestamp, Header, u64)>,
    run: Run,
}

/// What was wrong with options data of a file of export packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionsProblems {
    /// How often something was.
    pub count: u64,
    /// What it was first.
    pub first: Problem,
    /// The line with that, from 1.
    pub line: u64,
}

/// What names of members mean depends on: the elements that the exporter described itself (RFC 5610), by their
/// version, and how many members are the scope of options.
type Kind = (u64, usize);

/// The elements that records with the same members have, `None` for names that are not known, and the plans
/// for their values by lengths.
struct Shape {
    elements: Vec<Option<Element>>,
    /// How many of those that are known are the scope of options.
    scope_count: u16,
    plans: RefCell<HashMap<Box<[u16]>, Rc<Plan>>>,
}

/// Records that follow each other and are encoded alike, in reused memory.
#[derive(Default)]
struct Run {
    octets: Vec<u8>,
    lengths: Vec<u16>,
    next_lengths: Vec<u16>,
    spans: Vec<u32>,
    /// Record and member of values that are none of their element.
    misfits: Vec<(usize, usize)>,
}

impl PacketLines {
    pub(super) fn new(registry: Registry, normalizer: Normalizer) -> Self {
        Self {
            without_lists: registry.clone(),
            registry,
            normalizer,
            normalized: Flows::new(),
            options: Options::default(),
            shapes: HashMap::new(),
            shapes_memory: 0,
            unknown: BTreeSet::new(),
            options_problems: None,
            packets: 0,
            late: None,
            run: Run::default(),
        }
    }

    pub(super) fn unknown_fields(&self) -> &BTreeSet<String> {
        &self.unknown
    }

    pub(super) fn options_problems(&self) -> Option<OptionsProblems> {
        self.options_problems
    }

    /// Shapes of records that are kept.
    #[cfg(test)]
    pub(super) fn kept_shapes(&self) -> usize {
        self.shapes.values().map(HashMap::len).sum()
    }

    /// Replaces the content of `flows`, whose memory is used again, by those of a line with a number.
    pub(super) fn take(
        &mut self,
        packet: &Packet,
        records: &Records,
        line_number: u64,
        flows: &mut Vec<Flow>,
    ) {
        let &Packet { received, exporter, header, late, ref sets } = packet;
        let domain = header.observation_domain();
        let number = self.number(packet);

        let rows = &records.options;
        self.options.hear(exporter.address);
        let mut problems = Vec::new();
        self.sets(exporter.address, rows, &[], |lines, set, _, misfits| {
            let registry = &lines.registry;
            lines.options.learn(exporter.address, domain, registry, &set, &mut problems);
            lines.leave_out(rows, misfits);
        });
        if let Some(&first) = problems.first() {
            let known = OptionsProblems { count: 0, first, line: line_number };
            self.options_problems.get_or_insert(known).count += problems.len() as u64;
        }

        let system_init = match header {
            Header::Ipfix(_) => {
                let options = self.options.domain(exporter.address, domain);
                options.and_then(|options| options.system_init())
            }
            _ => None,
        };
        let clock = Clock::new(&header, system_init);
        let rows = &records.flows;
        let mut count = 0;
        self.sets(exporter.address, rows, sets, |lines, set, first, misfits| {
            let (packet, options) = (number, &lines.options);
            let context = Context { packet, exporter, received, header: &header, late, clock, options };
            let start = count;
            lines.normalized.clear();
            lines.normalizer.normalize(&context, set, &mut lines.normalized);
            for flow in lines.normalized.iter() {
                match flows.get_mut(count) {
                    Some(used) => flow.copy_to(used),
                    None => flows.push(flow.to_flow()),
                }
                count += 1;
            }
            if count == start {
                return lines.leave_out(rows, misfits);
            }
            for &(row, member) in misfits {
                let (name, value) = rows.member(row, member);
                let extras = &mut flows[start + row - first].rare_mut().extras;
                extras.push(name, 0, DataType::String, value.text().as_bytes());
            }
        });
        flows.truncate(count);
        // The made-up template of the encoding is nobody's.
        flows.iter_mut().for_each(|flow| flow.template_id = None);
    }

    /// Number of a packet: sets of one that had to wait may stand in several lines.
    fn number(&mut self, packet: &Packet) -> u64 {
        let &Packet { received, exporter, header, late, .. } = packet;
        if late
            && let Some((of, at, under, number)) = self.late
            && (of, at, under) == (exporter, received, header)
        {
            return number;
        }
        let number = self.packets;
        self.packets += 1;
        if late {
            self.late = Some((exporter, received, header, number));
        }
        number
    }

    /// Hands out the records as data sets: those that follow each other and are encoded alike together, unless
    /// `sets`, the lengths of the sets that they came in, parts them; with the number of the first, and record
    /// and member of values that are none of their element.
    fn sets(
        &mut self,
        exporter: IpAddr,
        rows: &Rows,
        sets: &[u32],
        mut each: impl FnMut(&mut Self, DataSet<'_>, usize, &[(usize, usize)]),
    ) {
        let mut run = std::mem::take(&mut self.run);
        let mut ends = sets.iter().scan(0, |end: &mut usize, &length| {
            *end = end.saturating_add(length as usize);
            Some(*end)
        });
        let (mut first, mut end) = (0, 0);
        while first < rows.len() {
            while end <= first {
                end = ends.next().unwrap_or(usize::MAX);
            }
            let scope_count = rows.scope_count(first);
            let shape = self.shape(exporter, rows, first);
            run.clear();
            run.append(rows, first, &shape.elements);
            std::mem::swap(&mut run.lengths, &mut run.next_lengths);
            let mut next = first + 1;
            while next < rows.len().min(end)
                && rows.are_named_alike(first, next)
                && rows.scope_count(next) == scope_count
            {
                let (octets, misfits) = (run.octets.len(), run.misfits.len());
                run.append(rows, next, &shape.elements);
                if run.lengths != run.next_lengths {
                    run.octets.truncate(octets);
                    run.misfits.truncate(misfits);
                    break;
                }
                next += 1;
            }
            let plan = self.plan(exporter, &shape, &run.lengths);
            let set = DataSet::lay(&plan, &run.octets, 0, &mut run.spans, &mut |_| {});
            each(self, set, first, &run.misfits);
            first = next;
        }
        self.run = run;
    }

    /// The elements of a record.
    fn shape(&mut self, exporter: IpAddr, rows: &Rows, row: usize) -> Rc<Shape> {
        if self.shapes_memory > MAX_SHAPES {
            self.shapes.clear();
            self.shapes_memory = 0;
        }
        let (names, scope_count) = (rows.names(row), rows.scope_count(row));
        let kind = (self.options.elements_version(exporter), scope_count);
        if let Some(shape) = self.shapes.get(&kind).and_then(|shapes| shapes.get(names)) {
            return Rc::clone(shape);
        }
        let elements: Vec<_> = rows.member_names(row).map(|name| self.element(exporter, name)).collect();
        self.shapes_memory += SHAPE + names.len() + size_of_val(elements.as_slice());
        // A record has no more fields than a template has.
        let scope_count = elements.iter().take(scope_count).flatten().count() as u16;
        let shape = Rc::new(Shape { elements, scope_count, plans: RefCell::default() });
        self.shapes.entry(kind).or_default().insert(names.into(), Rc::clone(&shape));
        shape
    }

    /// The plan for values of these lengths.
    fn plan(&mut self, exporter: IpAddr, shape: &Shape, lengths: &[u16]) -> Rc<Plan> {
        if let Some(plan) = shape.plans.borrow().get(lengths) {
            return Rc::clone(plan);
        }
        let elements = shape.elements.iter().flatten();
        let specifiers: Vec<_> = elements
            .zip(lengths)
            .map(|(element, &length)| FieldSpecifier::of(element.enterprise, element.id, length))
            .collect();
        let element = |enterprise, id| match self.options.element(exporter, enterprise, id) {
            Some(list) if list.data_type.is_list() => Element { data_type: DataType::String, ..list },
            Some(described) => described,
            None => self.without_lists.element(enterprise, id),
        };
        // Names and ids are of no account here: flows have the registry's.
        let (options, scope_count) = (shape.scope_count > 0, shape.scope_count);
        let plan = Plan::compile_with(element, Naming::Ipfix, 0, options, scope_count, &specifiers);
        let plan = Rc::new(plan);
        self.shapes_memory += plan.memory() + size_of_val(lengths);
        shape.plans.borrow_mut().insert(lengths.into(), Rc::clone(&plan));
        plan
    }

    /// The element with a name, which is kept to be told when neither a registry nor the exporter has it; a
    /// repeated field's number is no part of it.
    fn element(&mut self, exporter: IpAddr, name: &str) -> Option<Element> {
        let (registry, options) = (&self.registry, &self.options);
        let find = |name: &str| {
            let known = registry.find_name(name).or_else(|| options.find_element(exporter, name))?;
            // One that was described without a name goes by its number.
            Some(options.element(exporter, known.enterprise, known.id).unwrap_or(known))
        };
        let element = find(name).or_else(|| {
            let (stem, number) = name.rsplit_once('_')?;
            number.parse::<u16>().ok()?;
            find(stem)
        });
        match &element {
            Some(Element { enterprise, id, name, data_type, .. }) if data_type.is_list() => {
                // A name of a registry has no commas, which are all that could go wrong.
                if self.options.element(exporter, *enterprise, *id).is_none() {
                    let _ = self.without_lists.add_csv(&format!("{enterprise},{id},{name},string"));
                }
            }
            Some(_) => {}
            None => self.left_out(name),
        }
        element
    }

    /// Notes values that no flow can have.
    fn leave_out(&mut self, rows: &Rows, misfits: &[(usize, usize)]) {
        for &(row, member) in misfits {
            self.left_out(rows.member(row, member).0);
        }
    }

    fn left_out(&mut self, name: &str) {
        if self.unknown.len() < MAX_UNKNOWN {
            self.unknown.insert(name.chars().take(MAX_NAME).collect());
        }
    }
}

impl Run {
    fn clear(&mut self) {
        self.octets.clear();
        self.misfits.clear();
    }

    /// Appends a record, whose lengths become the next.
    fn append(&mut self, rows: &Rows, row: usize, elements: &[Option<Element>]) {
        self.next_lengths.clear();
        for (member, (value, element)) in rows.values(row).zip(elements).enumerate() {
            let Some(element) = element else { continue };
            let length = encode(element.data_type, value, &mut self.octets);
            self.next_lengths.push(length.unwrap_or_else(|| {
                self.misfits.push((row, member));
                0
            }));
        }
    }
}
