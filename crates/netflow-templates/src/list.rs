//! Structured data (RFC 6313): lists of values, and of records of other templates.

use std::fmt;

use netflow_wire::{VARIABLE_LENGTH, enterprise};

use crate::element::DataType;
use crate::encoding::{Value, unsigned};
use crate::known::KnownElements;
use crate::plan::{Field, Plan};
use crate::table::{DomainKey, TemplateTable};

/// How deep lists within lists are followed.
const MAX_DEPTH: usize = 8;

/// What a list's items have to do with the record (RFC 6313, section 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListSemantic {
    /// None of the items applies.
    NoneOf,
    /// Exactly one applies.
    ExactlyOneOf,
    /// One or more apply.
    OneOrMoreOf,
    /// All apply.
    AllOf,
    /// All apply, in this order.
    Ordered,
    /// It is not said: 255, or a number that has no meaning yet.
    Undefined(u8),
}

impl From<u8> for ListSemantic {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::NoneOf,
            1 => Self::ExactlyOneOf,
            2 => Self::OneOrMoreOf,
            3 => Self::AllOf,
            4 => Self::Ordered,
            number => Self::Undefined(number),
        }
    }
}

impl fmt::Display for ListSemantic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoneOf => "noneOf",
            Self::ExactlyOneOf => "exactlyOneOf",
            Self::OneOrMoreOf => "oneOrMoreOf",
            Self::AllOf => "allOf",
            Self::Ordered => "ordered",
            Self::Undefined(255) => "undefined",
            Self::Undefined(number) => return write!(f, "undefined({number})"),
        })
    }
}

/// A decoded list: basicList, subTemplateList or subTemplateMultiList.
#[derive(Debug, Clone, PartialEq)]
pub struct List<'a> {
    /// What the items have to do with the record.
    pub semantic: ListSemantic,
    /// The items, in order.
    pub items: Vec<ListItem<'a>>,
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq)]
pub enum ListItem<'a> {
    /// Of a basicList: a value.
    Value(Value<'a>),
    /// Of the others: names and values of a record.
    Record(Vec<(&'a str, Value<'a>)>),
}

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [", self.semantic)?;
        for (index, item) in self.items.iter().enumerate() {
            f.write_str(if index > 0 { ", " } else { "" })?;
            match item {
                ListItem::Value(value) => value.fmt(f)?,
                ListItem::Record(fields) => {
                    f.write_str("{")?;
                    for (index, (name, value)) in fields.iter().enumerate() {
                        write!(f, "{}{name}: {value}", if index > 0 { ", " } else { "" })?;
                    }
                    f.write_str("}")?;
                }
            }
        }
        f.write_str("]")
    }
}

/// What it takes to decode lists: the elements, and the templates of the observation domain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lists<'a> {
    pub(crate) elements: KnownElements<'a>,
    pub(crate) table: &'a TemplateTable,
    pub(crate) key: DomainKey,
}

impl<'a> Lists<'a> {
    /// Decodes a value that may be a list. What is no list, or not decodable, is given as octets.
    pub(crate) fn decode(&self, data_type: DataType, octets: &'a [u8]) -> Value<'a> {
        self.value(data_type, octets, 0)
    }

    fn value(&self, data_type: DataType, octets: &'a [u8], depth: usize) -> Value<'a> {
        if octets.is_empty() {
            return data_type.decode(octets);
        }
        let list = match data_type {
            _ if depth >= MAX_DEPTH => None,
            DataType::BasicList => self.basic(octets, depth + 1),
            DataType::SubTemplateList => self.of_template(octets, depth + 1),
            DataType::SubTemplateMultiList => self.of_templates(octets, depth + 1),
            _ => None,
        };
        list.map_or_else(|| data_type.decode(octets), |list| Value::List(Box::new(list)))
    }

    /// A basicList (section 4.5.1): semantic, field specifier, values.
    fn basic(&self, octets: &'a [u8], depth: usize) -> Option<List<'a>> {
        let (&semantic, rest) = octets.split_first()?;
        let ([a, b, c, d], mut rest) = take::<4>(rest)?;
        let (id, length) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let enterprise = if id & 0x8000 == 0 {
            0
        } else {
            let (enterprise, behind) = take::<4>(rest)?;
            rest = behind;
            u32::from_be_bytes(enterprise)
        };
        if length == 0 && !rest.is_empty() {
            return None;
        }
        let data_type = self.elements.data_type(enterprise, id & 0x7fff);
        let mut items = Vec::new();
        while !rest.is_empty() {
            let (value, behind) = split_value(length, rest)?;
            items.push(ListItem::Value(self.value(data_type, value, depth)));
            rest = behind;
        }
        Some(List { semantic: semantic.into(), items })
    }

    /// A subTemplateList (section 4.5.2): semantic, template id, records.
    fn of_template(&self, octets: &'a [u8], depth: usize) -> Option<List<'a>> {
        let (&semantic, rest) = octets.split_first()?;
        let (id, rest) = take::<2>(rest)?;
        let mut items = Vec::new();
        self.records(u16::from_be_bytes(id), rest, depth, &mut items)?;
        Some(List { semantic: semantic.into(), items })
    }

    /// A subTemplateMultiList (section 4.5.3): semantic, then for each template its id, a length, records.
    fn of_templates(&self, octets: &'a [u8], depth: usize) -> Option<List<'a>> {
        let (&semantic, mut rest) = octets.split_first()?;
        let mut items = Vec::new();
        while !rest.is_empty() {
            let ([a, b, c, d], _) = take::<4>(rest)?;
            let length = usize::from(u16::from_be_bytes([c, d]));
            let records = rest.get(4..length)?;
            self.records(u16::from_be_bytes([a, b]), records, depth, &mut items)?;
            rest = &rest[length..];
        }
        Some(List { semantic: semantic.into(), items })
    }

    fn records(
        &self,
        id: u16,
        mut rest: &'a [u8],
        depth: usize,
        items: &mut Vec<ListItem<'a>>,
    ) -> Option<()> {
        let plan: &'a Plan = self.table.plan(self.key, id)?;
        if plan.shortest_record() == 0 && !rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let mut record = Vec::with_capacity(plan.fields().len());
            for field in plan.fields() {
                let (value, behind) = split_value(Field::length(field), rest)?;
                if !field.is_padding() {
                    let (name, data_type) = meaning(&self.elements, field);
                    record.push((name, self.value(data_type, value, depth)));
                }
                rest = behind;
            }
            items.push(ListItem::Record(record));
        }
        Some(())
    }
}

/// Name and data type of a field of another template, which may be older than the exporter's description of its
/// element.
fn meaning<'a>(elements: &KnownElements<'a>, field: &'a Field) -> (&'a str, DataType) {
    let element = field.element();
    let described = || {
        let described = elements.described().filter(|_| element.enterprise != enterprise::IANA)?;
        let data_type = described.data_type(element.enterprise, element.id)?;
        let name = described.name(element.enterprise, element.id).filter(|_| field.occurrence() == 0);
        Some((name.unwrap_or(field.name()), data_type))
    };
    described().unwrap_or((field.name(), element.data_type))
}

fn take<const N: usize>(octets: &[u8]) -> Option<([u8; N], &[u8])> {
    let (first, rest) = octets.split_first_chunk::<N>()?;
    Some((*first, rest))
}

/// A value of a length, or of a length that it says itself (RFC 7011, section 7), and what is behind it.
fn split_value(length: u16, octets: &[u8]) -> Option<(&[u8], &[u8])> {
    if length != VARIABLE_LENGTH {
        return octets.split_at_checked(length.into());
    }
    let (&short, rest) = octets.split_first()?;
    if short < 255 {
        return rest.split_at_checked(short.into());
    }
    let (long, rest) = rest.split_at_checked(2)?;
    rest.split_at_checked(unsigned(long) as usize)
}
