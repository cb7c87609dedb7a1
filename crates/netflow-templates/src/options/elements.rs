//! Elements of enterprises that an exporter describes itself (RFC 5610).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use netflow_wire::{element_id as ie, enterprise as pen};

use crate::data_set::Record;
use crate::element::{DataType, Element, Semantics, Units};
use crate::encoding::Value;
use crate::memory::{allocation, tree, tree_entry};
use crate::plan::Plan;
use crate::problem::DescriptionFault;
use crate::registry::Registry;

/// Elements kept of one exporter.
const MAX_ELEMENTS: usize = 4_096;
/// Octets of a name: more than any has that is registered.
const MAX_NAME: usize = 64;

/// Data types by the numbers that informationElementDataType has for them.
const DATA_TYPES: [DataType; 24] = [
    DataType::OctetArray,
    DataType::Unsigned8,
    DataType::Unsigned16,
    DataType::Unsigned32,
    DataType::Unsigned64,
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
    DataType::BasicList,
    DataType::SubTemplateList,
    DataType::SubTemplateMultiList,
    DataType::Unsigned256,
];

/// Semantics by the numbers of informationElementSemantics.
const SEMANTICS: [Semantics; 9] = [
    Semantics::Default,
    Semantics::Quantity,
    Semantics::TotalCounter,
    Semantics::DeltaCounter,
    Semantics::Identifier,
    Semantics::Flags,
    Semantics::List,
    Semantics::SnmpCounter,
    Semantics::SnmpGauge,
];

/// Units by the numbers of informationElementUnits.
const UNITS: [Units; 16] = [
    Units::None,
    Units::Bits,
    Units::Octets,
    Units::Packets,
    Units::Flows,
    Units::Seconds,
    Units::Milliseconds,
    Units::Microseconds,
    Units::Nanoseconds,
    Units::FourOctetWords,
    Units::Messages,
    Units::Hops,
    Units::Entries,
    Units::Frames,
    Units::Ports,
    Units::Inferred,
];

/// Whether options records describe elements: enterprise and id are their scope.
pub(super) fn describes_elements(plan: &Plan) -> bool {
    let in_scope = |id| {
        let mut scopes = plan.fields().iter().take(plan.scope_count());
        scopes.any(|field| (field.element().enterprise, field.element().id) == (pen::IANA, id))
    };
    plan.has(pen::IANA, ie::PRIVATE_ENTERPRISE_NUMBER)
        && in_scope(ie::PRIVATE_ENTERPRISE_NUMBER)
        && in_scope(ie::INFORMATION_ELEMENT_ID)
}

/// What a record says of an element. Its description for people and the range of its values are not kept:
/// they say nothing about how values are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    data_type: DataType,
    semantics: Semantics,
    units: Units,
    name: Option<Arc<str>>,
}

impl Description {
    /// The element that a record describes, by enterprise and id, and what it says; `None` when it says
    /// nothing of use. Faults are those within the record.
    pub(super) fn of(
        record: &Record<'_>,
        mut fault: impl FnMut((u32, u16), DescriptionFault),
    ) -> Option<((u32, u16), Self)> {
        let (mut enterprise, mut id, mut name) = (None, None, None);
        let (mut data_type, mut semantics, mut units) = (None, 0, 0);
        for (field, value) in record.values() {
            let element = field.element();
            match (element.enterprise, element.id, value) {
                (pen::IANA, ie::PRIVATE_ENTERPRISE_NUMBER, Value::Unsigned(number)) => {
                    enterprise = u32::try_from(number).ok();
                }
                // Some exporters leave the bit set that says on the wire that an enterprise follows.
                (pen::IANA, ie::INFORMATION_ELEMENT_ID, Value::Unsigned(number)) => {
                    id = u16::try_from(number).ok().map(|id| id & 0x7fff);
                }
                (pen::IANA, ie::INFORMATION_ELEMENT_DATA_TYPE, Value::Unsigned(number)) => {
                    data_type = Some(number);
                }
                (pen::IANA, ie::INFORMATION_ELEMENT_SEMANTICS, Value::Unsigned(number)) => {
                    semantics = number;
                }
                (pen::IANA, ie::INFORMATION_ELEMENT_UNITS, Value::Unsigned(number)) => units = number,
                (pen::IANA, ie::INFORMATION_ELEMENT_NAME, Value::String(text)) => name = Some(text),
                _ => {}
            }
        }
        let number = (enterprise?, id?);
        let name = name.filter(|name| !name.is_empty());
        if data_type.is_none() && name.is_none() {
            return None;
        }
        let Some(data_type) = nth(&DATA_TYPES, data_type.unwrap_or(0)) else {
            fault(number, DescriptionFault::DataType(data_type.unwrap_or(0)));
            return None;
        };
        let named = name.is_some();
        let name = name.filter(|name| is_element_name(name));
        if named && name.is_none() {
            fault(number, DescriptionFault::Name);
        }
        let description = Self {
            data_type,
            semantics: nth(&SEMANTICS, semantics).unwrap_or(Semantics::Default),
            units: nth(&UNITS, units).unwrap_or(Units::None),
            name: name.map(Into::into),
        };
        Some((number, description))
    }
}

fn nth<T: Copy>(values: &[T], number: u64) -> Option<T> {
    values.get(usize::try_from(number).ok()?).copied()
}

/// The number that a value has in its registry.
fn number_of<T: PartialEq>(values: &[T], value: T) -> u8 {
    values.iter().position(|known| *known == value).unwrap_or(0) as u8
}

/// Whether a name has only what names of elements have, and is none of a repeated field (`name_2`).
fn is_element_name(name: &str) -> bool {
    let repeated =
        name.rsplit_once('_').is_some_and(|(_, end)| end.bytes().all(|octet| octet.is_ascii_digit()));
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'))
        && !repeated
}

/// The elements that an exporter described.
#[derive(Debug, Default)]
pub(crate) struct DescribedElements {
    elements: BTreeMap<(u32, u16), Description>,
    names: BTreeMap<Arc<str>, (u32, u16)>,
    /// A number that no other state of these, or of another exporter's, has.
    version: u64,
    octets: usize,
}

impl DescribedElements {
    /// Octets for the first elements.
    const EMPTY: usize = tree::<((u32, u16), Description)>() + tree::<(Arc<str>, (u32, u16))>();

    pub(super) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Octets of memory that the elements take.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// The element with a number, if it was described.
    pub(crate) fn element(&self, enterprise: u32, id: u16) -> Option<Element> {
        let description = self.elements.get(&(enterprise, id))?;
        let unknown = Element::unknown(enterprise, id);
        let Description { data_type, semantics, units, ref name } = *description;
        let name = name.as_ref().map_or(unknown.name, |name| Cow::Owned((**name).to_owned()));
        Some(Element { name, data_type, semantics, units, ..unknown })
    }

    /// The element with a name, if it was described with it.
    pub(crate) fn find_name(&self, name: &str) -> Option<Element> {
        let &(enterprise, id) = self.names.get(name)?;
        self.element(enterprise, id)
    }

    /// The data type of an element, if it was described.
    pub(crate) fn data_type(&self, enterprise: u32, id: u16) -> Option<DataType> {
        Some(self.elements.get(&(enterprise, id))?.data_type)
    }

    /// The name of an element, if it was described with one.
    pub(crate) fn name(&self, enterprise: u32, id: u16) -> Option<&str> {
        self.elements.get(&(enterprise, id))?.name.as_deref()
    }

    /// What of a description can be believed, beside the registry and the other elements; `None` when it is
    /// known already, or nothing.
    pub(super) fn check(
        &self,
        number: (u32, u16),
        mut description: Description,
        registry: &Registry,
        mut fault: impl FnMut((u32, u16), DescriptionFault),
    ) -> Option<Description> {
        let (enterprise, id) = number;
        if let Some(known) = registry.find(enterprise, id) {
            if known.data_type != description.data_type {
                fault(number, DescriptionFault::Known);
            }
            return None;
        }
        // What these numbers mean is for IANA to say.
        if matches!(enterprise, pen::IANA | pen::REVERSE | pen::UNASSIGNED) {
            fault(number, DescriptionFault::Enterprise);
            return None;
        }
        if let Some(name) = &description.name {
            let others = self.names.get(name).is_some_and(|other| *other != number);
            if others || registry.find_name(name).is_some() {
                fault(number, DescriptionFault::Name);
                description.name = None;
            }
        }
        let known = self.elements.get(&number);
        if known == Some(&description) {
            return None;
        }
        if known.is_some() {
            fault(number, DescriptionFault::Contradiction);
        }
        Some(description)
    }

    /// Hands out what each element is: enterprise, id, data type, semantics and units as RFC 5610 has them, and the
    /// name, which may be empty.
    pub(super) fn say_again(&self, mut each: impl FnMut([u8; 10], &str)) {
        for (&(enterprise, id), description) in &self.elements {
            let Description { data_type, semantics, units, ref name } = *description;
            let mut numbers = [0; 10];
            numbers[..4].copy_from_slice(&enterprise.to_be_bytes());
            numbers[4..6].copy_from_slice(&id.to_be_bytes());
            numbers[6] = number_of(&DATA_TYPES, data_type);
            numbers[7] = number_of(&SEMANTICS, semantics);
            numbers[9] = number_of(&UNITS, units);
            each(numbers, name.as_deref().unwrap_or_default());
        }
    }

    fn cost(description: &Description) -> usize {
        let name = description.name.as_ref().map_or(0, |name| {
            tree_entry::<(Arc<str>, (u32, u16))>() + allocation(2 * size_of::<usize>() + name.len())
        });
        tree_entry::<((u32, u16), Description)>() + name
    }

    /// Octets more that would be taken with a description; `None` when there are too many.
    pub(super) fn more(&self, number: (u32, u16), description: &Description) -> Option<usize> {
        let known = self.elements.get(&number);
        if known.is_none() && self.elements.len() >= MAX_ELEMENTS {
            return None;
        }
        let empty = if self.is_empty() { Self::EMPTY } else { 0 };
        Some((empty + Self::cost(description)).saturating_sub(known.map_or(0, Self::cost)))
    }

    pub(super) fn learn(&mut self, number: (u32, u16), description: Description, version: u64) {
        if self.is_empty() {
            self.octets += Self::EMPTY;
        }
        self.version = version;
        self.octets += Self::cost(&description);
        let name = description.name.clone();
        if let Some(known) = self.elements.insert(number, description) {
            self.octets -= Self::cost(&known);
            if let Some(name) = known.name {
                self.names.remove(&name);
            }
        }
        if let Some(name) = name {
            self.names.insert(name, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_elements_are_told_from_others() {
        for name in ["rackName", "httpX-Forwarded-For", "FW_Rule", "a", "label_2b"] {
            assert!(is_element_name(name), "{name}");
        }
        for name in ["", "9lives", "_x", "a b", "a.b", "a\"b", "é", "a\n", "label_2", "x_", &"x".repeat(65)]
        {
            assert!(!is_element_name(name), "{name}");
        }
    }

    #[test]
    fn numbers_of_types_semantics_and_units_are_those_of_the_registries() {
        assert_eq!(DATA_TYPES[13], DataType::String);
        assert_eq!(DATA_TYPES[18], DataType::Ipv4Address);
        assert_eq!(DATA_TYPES[22], DataType::SubTemplateMultiList);
        assert_eq!(SEMANTICS[4], Semantics::Identifier);
        assert_eq!(UNITS[9], Units::FourOctetWords);
        assert_eq!(UNITS[15], Units::Inferred);
        assert_eq!(nth(&DATA_TYPES, 24), None);
        assert_eq!(nth(&DATA_TYPES, u64::MAX), None);
    }
}
