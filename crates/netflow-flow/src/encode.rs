//! From flows to data records: what [`normalize`](crate::normalize) reads.
//!
//! Which column an element is read from is said in [`schema`](crate::schema), the one table; what takes more than
//! a column (times, sampling, ICMP, labels) is in the modules here. What no column is for comes from `extras`, by
//! the element's name, and is zero where the flow has none.

use netflow_templates::{Clock, DataType, Registry};
use netflow_wire::{FieldSpecifier, VARIABLE_LENGTH, element_id as ie, enterprise as pen};

use crate::column::{Cell, Column, Put};
use crate::extras::ExtrasRef;
use crate::flows::FlowRef;
use crate::schema::{self, COLUMNS};

mod icmp;
mod mpls;
mod sampling;
mod time;

/// How flows become records of one template.
#[derive(Debug, Clone)]
pub struct EncodePlan {
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
    Extra(Box<str>, DataType),
}

impl EncodePlan {
    /// Compiles the fields of a template, options templates excepted.
    pub fn compile(registry: &Registry, fields: &[FieldSpecifier]) -> Self {
        let (mut steps, mut others) = (Vec::new(), Vec::new());
        let mut start = 0;
        let mut seen = std::collections::HashMap::new();
        for &FieldSpecifier { enterprise, id, length } in fields {
            let element = registry.element(enterprise, id);
            let repeat: &mut u16 = seen.entry((enterprise, id)).or_insert(0);
            let occurrence = std::mem::replace(repeat, repeat.saturating_add(1));
            let end = if length == VARIABLE_LENGTH { start } else { start + usize::from(length) };
            let is_padding = (enterprise, id) == (pen::IANA, ie::PADDING_OCTETS);
            let put = || {
                time::putter(&element)
                    .or_else(|| icmp::putter(fields, &element))
                    .or_else(|| mpls::putter(&element))
                    .or_else(|| sampling::putter(&element))
                    .or_else(|| schema::putter((enterprise, id), length))
            };
            let column = || COLUMNS.iter().find(|column| column.elements.contains(&(enterprise, id)));
            if length == VARIABLE_LENGTH || !(is_padding || length == 0) {
                match (if occurrence == 0 && length != VARIABLE_LENGTH { put() } else { None }, column()) {
                    (Some(put), _) => steps.push(Step { start, end, put }),
                    (None, Some(column)) if occurrence == 0 => {
                        others.push(Other { start, length, from: Source::Column(column) });
                    }
                    _ => {
                        let mut name = String::new();
                        crate::extras::repeated_name(&mut name, &element.name, occurrence);
                        let from = Source::Extra(name.into(), element.data_type);
                        others.push(Other { start, length, from });
                    }
                }
            }
            start = end;
        }
        let variable = fields.iter().any(|field| field.length == VARIABLE_LENGTH);
        Self { steps: steps.into(), others: others.into(), fixed: start, variable }
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

/// The longest value of variable length that is sent: what leaves room for others in a message.
const MAX_VARIABLE: usize = 32_767;

impl Source {
    /// Writes the value to a field of fixed length, all of whose octets are zero.
    fn put(&self, flow: FlowRef<'_>, out: &mut [u8]) -> bool {
        match self {
            Self::Column(column) => crate::column::put_any(column.get(flow), out),
            Self::Extra(name, data_type) => extra(flow, name).is_none_or(|(own, octets)| {
                // Octets of the very type and length are a value of it, whatever it is.
                if own == *data_type && octets.len() == out.len() {
                    out.copy_from_slice(octets);
                    return true;
                }
                data_type.encode(&own.decode(octets), out)
            }),
        }
    }

    /// Inserts the value behind its length (RFC 7011, section 7).
    fn insert(&self, flow: FlowRef<'_>, at: usize, out: &mut Vec<u8>) -> bool {
        let mut octets = [0; 16];
        let (value, fits): (&[u8], bool) = match self {
            Self::Extra(name, _) => (extra(flow, name).map_or(&[], |(_, octets)| octets), true),
            Self::Column(column) => match column.get(flow) {
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
    fn extras(self) -> ExtrasRef<'a> {
        match (self.rare, &self.flow.rare) {
            (Some((columns, row)), _) => ExtrasRef::of_row(&columns.extras, row),
            (None, Some(rare)) => (&rare.extras).into(),
            (None, None) => ExtrasRef::none(),
        }
    }
}
