//! Plans: templates, compiled once.
//!
//! A plan knows for each field which element it is and where its octets are: at a fixed offset, or behind
//! the end of the last field of variable length before it.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use netflow_wire::{
    FieldSpecifier, FixedLayout, TemplateDefinition, VARIABLE_LENGTH, element_id as ie, enterprise,
};

use crate::element::Element;
use crate::registry::Registry;

/// Which names fields go by; it follows from the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// v1, v5, v7, v8: the names of PyPI `netflow`.
    Fixed,
    /// v9: Cisco's names, and IANA's where Cisco has none.
    V9,
    /// IPFIX: IANA's names.
    Ipfix,
}

impl Naming {
    fn name(self, element: &Element) -> Cow<'static, str> {
        let known = match self {
            Self::Fixed => Registry::fixed_name(element.enterprise, element.id),
            Self::V9 if element.enterprise == enterprise::IANA => Registry::v9_name(element.id),
            Self::V9 | Self::Ipfix => None,
        };
        known.map_or_else(|| element.name.clone(), Cow::Borrowed)
    }
}

/// A compiled template: how to read records of it.
#[derive(Debug, Clone)]
pub struct Plan {
    id: u64,
    template_id: u16,
    scope_count: u16,
    options: bool,
    fields: Box<[Field]>,
    iana: IanaElements,
    no_flow_of_zeros: bool,
    /// For each field of variable length, octets from the end of the one before it, or the record's start.
    variable: Box<[usize]>,
    shortest: usize,
}

/// Which of IANA's elements a template has, as bits: that is asked many times of every data set.
#[derive(Debug, Clone, PartialEq, Default)]
struct IanaElements([u64; 16]);

impl IanaElements {
    /// The word and the bit for an element; `None` for ids above all that IANA has assigned.
    #[inline]
    fn place(id: u16) -> Option<(usize, u64)> {
        (id < 1_024).then_some((usize::from(id / 64), 1 << (id % 64)))
    }

    fn insert(&mut self, id: u16) {
        if let Some((word, bit)) = Self::place(id) {
            self.0[word] |= bit;
        }
    }

    /// Whether an element is there; `None` when there is no bit for it.
    #[inline]
    fn contains(&self, id: u16) -> Option<bool> {
        Self::place(id).map(|(word, bit)| self.0[word] & bit != 0)
    }
}

/// Counters of a flow, none of which is zero in all of them.
const COUNTERS: [u16; 8] = [
    ie::OCTET_DELTA_COUNT,
    ie::PACKET_DELTA_COUNT,
    ie::OCTET_TOTAL_COUNT,
    ie::PACKET_TOTAL_COUNT,
    ie::INITIATOR_OCTETS,
    ie::RESPONDER_OCTETS,
    ie::INITIATOR_PACKETS,
    ie::RESPONDER_PACKETS,
];

/// Source and destination addresses.
const ADDRESSES: [[u16; 2]; 2] = [
    [ie::SOURCE_IPV4_ADDRESS, ie::DESTINATION_IPV4_ADDRESS],
    [ie::SOURCE_IPV6_ADDRESS, ie::DESTINATION_IPV6_ADDRESS],
];

fn no_flow_of_zeros(iana: &IanaElements) -> bool {
    let has = |&id: &u16| iana.contains(id) == Some(true);
    COUNTERS.iter().any(has) || ADDRESSES.iter().any(|pair| pair.iter().all(has))
}

/// One field of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    element: Element,
    name: Box<str>,
    length: u16,
    occurrence: u16,
    /// Fields of variable length before this one.
    pub(crate) segment: usize,
    /// Octets from the end of the last of those, or from the record's start.
    pub(crate) offset: usize,
}

impl Field {
    /// The element that the field holds.
    #[inline]
    pub fn element(&self) -> &Element {
        &self.element
    }

    /// Name of the field, unique in its template: a repeated element has `_2`, `_3`, ... appended.
    #[inline]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Octets of a value; [`VARIABLE_LENGTH`] when each value has its own length.
    #[inline]
    pub fn length(&self) -> u16 {
        self.length
    }

    /// Whether each value has its own length.
    #[inline]
    pub fn is_variable(&self) -> bool {
        self.length == VARIABLE_LENGTH
    }

    /// How often the element came before in the template: 0 for the first.
    #[inline]
    pub fn occurrence(&self) -> u16 {
        self.occurrence
    }

    /// Whether the field only fills space (paddingOctets).
    #[inline]
    pub fn is_padding(&self) -> bool {
        (self.element.enterprise, self.element.id) == (enterprise::IANA, ie::PADDING_OCTETS)
    }
}

impl Plan {
    /// Compiles field specifiers, of which the first `scope_count` are the scope.
    pub fn compile(
        registry: &Registry,
        naming: Naming,
        template_id: u16,
        options: bool,
        scope_count: u16,
        specifiers: &[FieldSpecifier],
    ) -> Self {
        let element = |enterprise, id| registry.element(enterprise, id);
        Self::compile_with(element, naming, template_id, options, scope_count, specifiers)
    }

    /// The same, with elements from wherever `element` takes them.
    pub fn compile_with(
        element: impl Fn(u32, u16) -> Element,
        naming: Naming,
        template_id: u16,
        options: bool,
        scope_count: u16,
        specifiers: &[FieldSpecifier],
    ) -> Self {
        let mut seen = std::collections::HashMap::new();
        let mut fields = Vec::with_capacity(specifiers.len());
        let mut iana = IanaElements::default();
        let (mut segment, mut offset, mut shortest) = (0, 0, 0);
        let mut variable = Vec::new();
        for specifier in specifiers {
            let element = element(specifier.enterprise, specifier.id);
            if specifier.enterprise == enterprise::IANA {
                iana.insert(specifier.id);
            }
            let times: &mut u16 = seen.entry((specifier.enterprise, specifier.id)).or_insert(0);
            let occurrence = *times;
            *times = times.saturating_add(1);
            let mut name = naming.name(&element);
            if occurrence > 0 {
                name.to_mut().push_str(&format!("_{}", occurrence + 1));
            }
            let name = name.into_owned().into_boxed_str();
            let length = specifier.length;
            fields.push(Field { element, name, length, occurrence, segment, offset });
            if length == VARIABLE_LENGTH {
                variable.push(offset);
                (segment, offset) = (segment + 1, 0);
                shortest += 1;
            } else {
                offset += usize::from(length);
                shortest += usize::from(length);
            }
        }
        static PLANS: AtomicU64 = AtomicU64::new(0);
        let id = PLANS.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            template_id,
            scope_count,
            options,
            fields: fields.into(),
            no_flow_of_zeros: no_flow_of_zeros(&iana),
            iana,
            variable: variable.into(),
            shortest,
        }
    }

    /// The plan of a fixed layout.
    pub fn of_layout(registry: &Registry, layout: &FixedLayout) -> Self {
        Self::compile(registry, Naming::Fixed, 0, false, 0, layout.fields)
    }

    /// A number that no other plan of the process has: what follows from a plan can be kept under it.
    #[inline]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Template id; 0 for a fixed layout.
    #[inline]
    pub fn template_id(&self) -> u16 {
        self.template_id
    }

    /// Whether the template is an options template.
    #[inline]
    pub fn is_options(&self) -> bool {
        self.options
    }

    /// How many of the fields are the scope.
    #[inline]
    pub fn scope_count(&self) -> usize {
        self.scope_count.into()
    }

    /// Fields in the template's order, the scope first.
    #[inline]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Whether the template has an element.
    #[inline]
    pub fn has(&self, enterprise: u32, id: u16) -> bool {
        let known = if enterprise == enterprise::IANA { self.iana.contains(id) } else { None };
        known.unwrap_or_else(|| {
            self.fields.iter().any(|field| field.element.id == id && field.element.enterprise == enterprise)
        })
    }

    /// Whether a record of zeros can be none of a flow: it would have no octets or packets, or go from no address
    /// to none.
    #[inline]
    pub fn has_no_flow_of_zeros(&self) -> bool {
        self.no_flow_of_zeros
    }

    /// Length of every record, in octets; `None` when records have a length of their own each.
    #[inline]
    pub fn record_len(&self) -> Option<usize> {
        self.variable.is_empty().then_some(self.shortest)
    }

    /// Length of the shortest possible record, in octets.
    #[inline]
    pub fn shortest_record(&self) -> usize {
        self.shortest
    }

    /// For each field of variable length, octets from the end of the one before it, or the record's start.
    #[inline]
    pub(crate) fn variable_fields(&self) -> &[usize] {
        &self.variable
    }

    /// Octets behind the last field of variable length.
    pub(crate) fn tail(&self) -> usize {
        self.fields
            .last()
            .map_or(0, |last| if last.is_variable() { 0 } else { last.offset + usize::from(last.length) })
    }

    /// Whether the plan is that of a template record.
    pub(crate) fn is_of(&self, definition: &TemplateDefinition) -> bool {
        let same = |(field, specifier): (&Field, &FieldSpecifier)| {
            let element = &field.element;
            (element.enterprise, element.id, field.length)
                == (specifier.enterprise, specifier.id, specifier.length)
        };
        (self.options, self.scope_count) == (definition.options, definition.scope_count)
            && self.fields.len() == definition.fields.len()
            && self.fields.iter().zip(&definition.fields).all(same)
    }

    /// Whether any element is an enterprise's, so that an exporter may describe it (RFC 5610).
    pub(crate) fn has_enterprise_elements(&self) -> bool {
        let mut enterprises = self.fields.iter().map(|field| field.element.enterprise);
        enterprises.any(|enterprise| !matches!(enterprise, enterprise::IANA | enterprise::REVERSE))
    }

    /// The plan of the same template where elements are now what `element` says; `None` when they are what they
    /// were.
    pub(crate) fn with_elements(
        &self,
        naming: Naming,
        element: impl Fn(u32, u16) -> Element,
    ) -> Option<Self> {
        let mut fields = self.fields.iter().filter(|field| field.element.enterprise != enterprise::IANA);
        if fields.all(|field| field.element == element(field.element.enterprise, field.element.id)) {
            return None;
        }
        let specifier = |field: &Field| FieldSpecifier {
            enterprise: field.element.enterprise,
            id: field.element.id,
            length: field.length,
        };
        let specifiers: Vec<_> = self.fields.iter().map(specifier).collect();
        let Self { template_id, options, scope_count, .. } = *self;
        Some(Self::compile_with(element, naming, template_id, options, scope_count, &specifiers))
    }

    /// Octets of memory that the plan takes, about.
    pub fn memory(&self) -> usize {
        // What the allocator adds to each piece.
        const PIECE: usize = 16;
        let field = |field: &Field| {
            let element_name = match &field.element.name {
                Cow::Borrowed(_) => 0,
                Cow::Owned(name) => name.capacity() + PIECE,
            };
            size_of::<Field>() + field.name.len() + PIECE + element_name
        };
        size_of::<Self>() + size_of_val(&*self.variable) + self.fields.iter().map(field).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_start_again_behind_a_field_of_variable_length() {
        let specifiers = [(8, 4), (96, VARIABLE_LENGTH), (1, 8), (82, VARIABLE_LENGTH), (4, 1), (6, 1)]
            .map(|(id, length)| FieldSpecifier::iana(id, length));
        let plan = Plan::compile(&Registry::new(), Naming::Ipfix, 256, false, 0, &specifiers);
        let positions: Vec<_> = plan.fields().iter().map(|field| (field.segment, field.offset)).collect();
        assert_eq!(positions, [(0, 0), (0, 4), (1, 0), (1, 8), (2, 0), (2, 1)]);
        assert_eq!((plan.record_len(), plan.shortest_record(), plan.tail()), (None, 16, 2));
    }

    #[test]
    fn repeated_elements_get_a_number() {
        let specifiers =
            [(8, 4), (8, 4), (8, 4), (33002, 2)].map(|(id, length)| FieldSpecifier::iana(id, length));
        let plan = Plan::compile(&Registry::new(), Naming::V9, 256, false, 0, &specifiers);
        let names: Vec<_> = plan.fields().iter().map(Field::name).collect();
        assert_eq!(names, ["IPV4_SRC_ADDR", "IPV4_SRC_ADDR_2", "IPV4_SRC_ADDR_3", "NF_F_FW_EXT_EVENT"]);
        assert_eq!(plan.record_len(), Some(14));
    }
}
