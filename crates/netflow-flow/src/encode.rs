//! From flows to data records: what [`normalize`](crate::normalize) reads.
//!
//! Which column an element is read from is said in [`schema`](crate::schema), the one table; what takes more than
//! a column (times, sampling, ICMP, labels) is in the modules here. What no column is for comes from `extras`, by
//! the element's name, and is zero where the flow has none.

use netflow_templates::{Clock, DataType, Element, Registry};
use netflow_wire::{FieldSpecifier, VARIABLE_LENGTH, element_id as ie, enterprise as pen};

use crate::column::{Cell, Column, Kind, Put};
use crate::extras::{ExtrasRef, repeated_name};
use crate::flows::FlowRef;
use crate::schema::{self, COLUMNS};

mod fixed;
mod icmp;
mod mpls;
mod sampling;
mod time;

/// How flows become records of one template.
#[derive(Debug, Clone)]
pub struct EncodePlan {
    /// Writes all fields, where the layout is fixed.
    record: Option<fixed::PutRecord>,
    /// Fields that are written at a place which is known.
    steps: Box<[Step]>,
    /// Fields from `extras`, and those of variable length.
    others: Box<[Other]>,
    /// Length of a record, those fields of variable length left out.
    fixed: usize,
    variable: bool,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    start: usize,
    end: usize,
    put: Put,
}

#[derive(Debug, Clone)]
struct Other {
    /// Where the field is among those of fixed length.
    start: usize,
    length: u16,
    from: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Column(&'static Column),
    /// By its name; of a flow that has no such extra from the column, if there is one.
    Extra(Box<str>, DataType, Option<&'static Column>),
}

impl EncodePlan {
    /// Compiles the fields of a template, options templates excepted.
    pub fn compile(registry: &Registry, fields: &[FieldSpecifier]) -> Self {
        let (mut steps, mut others): (Vec<Step>, Vec<Other>) = (Vec::new(), Vec::new());
        let mut fixed = 0;
        for (number, &FieldSpecifier { enterprise, id, length }) in fields.iter().enumerate() {
            let start = fixed;
            fixed += if length == VARIABLE_LENGTH { 0 } else { usize::from(length) };
            if length == 0 || (enterprise, id) == (pen::IANA, ie::PADDING_OCTETS) && length != VARIABLE_LENGTH
            {
                continue;
            }
            let same = |other: &&FieldSpecifier| (other.enterprise, other.id) == (enterprise, id);
            let occurrence = fields[..number].iter().filter(same).count() as u16;
            let element = registry.element(enterprise, id);
            let column = COLUMNS.iter().find(|column| column.elements.contains(&(enterprise, id)));
            let second = column.is_some_and(|column| is_second(fields, column, (enterprise, id)));
            let put = if occurrence > 0 || length == VARIABLE_LENGTH || second {
                None
            } else {
                put(fields, &element, length)
            };
            let column = column.filter(|_| occurrence == 0);
            match (put, column) {
                (Some(put), _) => steps.push(Step { start, end: fixed, put }),
                (None, Some(column)) if !second => {
                    others.push(Other { start, length, from: Source::Column(column) });
                }
                (None, _) => {
                    let mut name = String::new();
                    repeated_name(&mut name, &element.name, occurrence);
                    let from = Source::Extra(name.into(), element.data_type, column);
                    others.push(Other { start, length, from });
                }
            }
        }
        join_pairs(fields, &mut steps);
        let record = fixed::of(fields);
        if record.is_some() {
            steps.clear();
        }
        let variable = fields.iter().any(|field| field.length == VARIABLE_LENGTH);
        Self { record, steps: steps.into(), others: others.into(), fixed, variable }
    }

    /// Length of every record in octets; `None` when records have a length of their own each.
    #[inline]
    pub fn record_len(&self) -> Option<usize> {
        (!self.variable).then_some(self.fixed)
    }

    /// Appends the record of a flow, exported when `clock` says. False when a value did not fit its field, which
    /// holds what comes nearest.
    #[inline]
    pub fn encode<'a>(&self, flow: impl Into<FlowRef<'a>>, clock: &Clock, out: &mut Vec<u8>) -> bool {
        let flow = flow.into();
        let begin = out.len();
        out.resize(begin + self.fixed, 0);
        let record = &mut out[begin..];
        if let Some(put) = self.record {
            return put(&flow, clock, record);
        }
        let mut fits = true;
        for step in &self.steps {
            fits &= (step.put)(&flow, clock, &mut record[step.start..step.end]);
        }
        if !self.others.is_empty() {
            fits &= self.encode_others(flow, begin, out);
        }
        fits
    }

    fn encode_others(&self, flow: FlowRef<'_>, begin: usize, out: &mut Vec<u8>) -> bool {
        let mut fits = true;
        // Octets that fields of variable length have added before.
        let mut added = 0;
        for other in &self.others {
            let at = begin + other.start + added;
            if other.length != VARIABLE_LENGTH {
                fits &= other.from.put(flow, &mut out[at..at + usize::from(other.length)]);
                continue;
            }
            let before = out.len();
            fits &= other.from.insert(flow, at, out);
            added += out.len() - before;
        }
        fits
    }
}

/// Whether the fields have an element that the column prefers to this one: what is read beside it goes to the extras.
/// Addresses have an element for each family, of which a record fills one.
fn is_second(fields: &[FieldSpecifier], column: &Column, element: (u32, u16)) -> bool {
    let preferred = column.elements.iter().take_while(|other| **other != element);
    let is_there = |other: &(u32, u16)| fields.iter().any(|field| (field.enterprise, field.id) == *other);
    column.kind != Kind::Address && preferred.into_iter().any(is_there)
}

/// What writes a field of fixed length; `None` when that takes a column of texts, or an extra.
fn put(fields: &[FieldSpecifier], element: &Element, length: u16) -> Option<Put> {
    time::putter(element)
        .or_else(|| icmp::putter(fields, element))
        .or_else(|| mpls::putter(element))
        .or_else(|| sampling::putter(element))
        .or_else(|| schema::putter((element.enterprise, element.id), length))
}

/// Joins the steps of fields that stand one behind the other, and that records have both of as a rule: half as
/// many are gone through.
fn join_pairs(fields: &[FieldSpecifier], steps: &mut Vec<Step>) {
    let mut start = 0;
    for pair in fields.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        let [one, other] = [first.length, second.length];
        if one == VARIABLE_LENGTH || other == VARIABLE_LENGTH {
            // Where fields behind it are is told from its end; what is joined stays together.
            start += if one == VARIABLE_LENGTH { 0 } else { usize::from(one) };
            continue;
        }
        let (middle, end) = (start + usize::from(one), start + usize::from(one) + usize::from(other));
        let place = steps.iter().position(|step| (step.start, step.end) == (start, middle));
        let joins = place.is_some_and(|place| {
            steps.get(place + 1).is_some_and(|step| (step.start, step.end) == (middle, end))
        });
        let ids = [(first.enterprise, first.id), (second.enterprise, second.id)];
        let put = if one != other || !joins { None } else { both(fields, ids, one) };
        if let (Some(place), Some(put)) = (place, put) {
            steps[place] = Step { start, end, put };
            steps.remove(place + 1);
        }
        start = middle;
    }
}

fn both(fields: &[FieldSpecifier], ids: [(u32, u16); 2], length: u16) -> Option<Put> {
    time::pair_putter(ids, length)
        .or_else(|| icmp::pair_putter(fields, ids, length))
        .or_else(|| schema::pair_putter(ids, length).filter(|_| !icmp::concerns(fields, ids)))
}

/// The longest value of variable length that is sent: what leaves room for others in a message.
const MAX_VARIABLE: usize = 32_767;

impl Source {
    /// Writes the value to a field of fixed length, all of whose octets are zero.
    fn put(&self, flow: FlowRef<'_>, out: &mut [u8]) -> bool {
        match self {
            Self::Column(column) => crate::column::put_any(column.get(flow), out),
            Self::Extra(name, data_type, column) => match (extra(flow, name), column) {
                // Octets of the very type and length are a value of it, whatever it is.
                (Some((own, octets)), _) if own == *data_type && octets.len() == out.len() => {
                    out.copy_from_slice(octets);
                    true
                }
                (Some((own, octets)), _) => data_type.encode(&own.decode(octets), out),
                (None, Some(column)) => crate::column::put_any(column.get(flow), out),
                (None, None) => true,
            },
        }
    }

    /// Inserts the value behind its length (RFC 7011, section 7).
    fn insert(&self, flow: FlowRef<'_>, at: usize, out: &mut Vec<u8>) -> bool {
        let mut octets = [0; 16];
        let (found, column) = match self {
            Self::Extra(name, _, column) => (extra(flow, name), *column),
            Self::Column(column) => (None, Some(*column)),
        };
        let (value, fits): (&[u8], bool) = match (found, column) {
            (Some((_, octets)), _) => (octets, true),
            (None, None) => (&[], true),
            (None, Some(column)) => match column.get(flow) {
                Cell::Text(text) => (text.as_bytes(), true),
                Cell::Null => (&[], true),
                cell => {
                    let length = match cell {
                        Cell::Address(address) if address.is_ipv4() => 4,
                        Cell::Address(_) => 16,
                        Cell::Mac(_) => 6,
                        _ => 8,
                    };
                    let fits = crate::column::put_any(cell, &mut octets[..length]);
                    (&octets[..length], fits)
                }
            },
        };
        let length = value.len().min(MAX_VARIABLE);
        let stated = [255, (length >> 8) as u8, length as u8];
        let stated = if length < 255 { &stated[2..] } else { &stated[..] };
        out.splice(at..at, stated.iter().chain(&value[..length]).copied());
        fits && length == value.len()
    }
}

/// Type and octets of an extra.
fn extra<'a>(flow: FlowRef<'a>, name: &str) -> Option<(DataType, &'a [u8])> {
    flow.extras().raw().find(|(other, ..)| *other == name).map(|(_, data_type, octets)| (data_type, octets))
}

impl<'a> FlowRef<'a> {
    /// What no column is for.
    pub(crate) fn extras(self) -> ExtrasRef<'a> {
        match (self.rare, &self.flow.rare) {
            (Some((columns, row)), _) => ExtrasRef::of_row(&columns.extras, row),
            (None, Some(rare)) => (&rare.extras).into(),
            (None, None) => ExtrasRef::none(),
        }
    }
}
