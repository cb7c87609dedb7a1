//! MPLS label stacks.

use netflow_templates::{DataSet, Field};
use netflow_wire::{element_id as ie, enterprise as pen};

use crate::column::Target;

/// Whether a field is a label stack entry (elements 70 to 79).
pub(super) fn takes(field: &Field) -> bool {
    let entries = ie::MPLS_TOP_LABEL_STACK_SECTION..=ie::MPLS_LABEL_STACK_SECTION10;
    let element = field.element();
    element.enterprise == pen::IANA
        && entries.contains(&element.id)
        && field.occurrence() == 0
        && field.length() == 3
}

/// Takes the label stack entries, from the top: 20 bits of label, then the traffic class and the bottom bit.
/// Entries of zeros are places in the template that the packet's stack did not reach.
pub(super) fn complete(set: &DataSet<'_>, fields: &[usize], target: &mut Target<'_>) {
    for row in 0..set.len() {
        let entries = fields.iter().map(|&field| set.column(&set.plan().fields()[field]).octets(row));
        let labels = entries.filter_map(|octets| match *octets {
            [0, 0, 0] => None,
            [high, middle, low] => Some(u32::from_be_bytes([0, high, middle, low]) >> 4),
            _ => None,
        });
        target.rare.mpls_labels.push(target.rows.start + row, labels);
    }
}
