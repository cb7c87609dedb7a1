//! MPLS label stacks.

use netflow_templates::Field;
use netflow_wire::{element_id as ie, enterprise as pen};

use crate::column::Fill;

/// Whether a field is a label stack entry (elements 70 to 79).
pub(super) fn takes(field: &Field) -> bool {
    let entries = ie::MPLS_TOP_LABEL_STACK_SECTION..=ie::MPLS_LABEL_STACK_SECTION10;
    let element = field.element();
    element.enterprise == pen::IANA
        && entries.contains(&element.id)
        && (field.length() == 3 || field.is_variable())
}

/// Takes a label stack entry: 20 bits of label, then the traffic class and the bottom bit. Entries of zeros
/// are places in the template that the packet's stack did not reach.
pub(super) const FILL: Fill = |[column, _], _, flows| {
    column.zip_octets(flows, |flow, octets| {
        if let &[high, middle, low] = octets
            && octets != [0; 3]
        {
            flow.rare_mut().mpls_labels.push(u32::from_be_bytes([0, high, middle, low]) >> 4);
        }
    });
    true
};
