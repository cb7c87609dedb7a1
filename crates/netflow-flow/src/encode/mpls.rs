//! MPLS label stacks: see `normalize::mpls`.

use netflow_templates::{Element, put_unsigned};
use netflow_wire::{element_id as ie, enterprise as pen};

use crate::column::{Cell, Put};
use crate::flows::FlowRef;
use crate::schema::column;

/// What writes a label stack entry; `None` when the element is none.
pub(super) fn putter(element: &Element) -> Option<Put> {
    macro_rules! entries {
        ($($place:literal)*) => { [$( (|flow, _, out| put(flow, $place, out)) as Put ),*] };
    }
    const ENTRIES: [Put; 10] = entries!(0 1 2 3 4 5 6 7 8 9);
    let place = element.id.checked_sub(ie::MPLS_TOP_LABEL_STACK_SECTION)?;
    ENTRIES.get(usize::from(place)).copied().filter(|_| element.enterprise == pen::IANA)
}

/// 20 bits of label, then the traffic class, then the bottom bit.
fn put(flow: &FlowRef<'_>, place: usize, out: &mut [u8]) -> bool {
    let Some(Cell::List(labels)) = column("mpls_labels").map(|column| column.get(*flow)) else { return true };
    let Some(&label) = labels.get(place) else { return true };
    let bottom = u64::from(place + 1 == labels.len());
    put_unsigned(u64::from(label) << 4 | bottom, out)
}
