//! Cells as fields of data records.

use netflow_templates::{Clock, put_address, put_octets, put_text, put_unsigned};

use super::Cell;
use crate::flows::FlowRef;

/// Writes what a flow says to a field, all of whose octets are zero. False when it does not fit.
pub(crate) type Put = fn(&FlowRef<'_>, &Clock, &mut [u8]) -> bool;

/// Writes a cell to a field of `N` octets.
#[inline(always)]
pub(crate) fn put<const N: usize>(cell: Cell<'_>, out: &mut [u8]) -> bool {
    out.first_chunk_mut::<N>().is_some_and(|out| put_any(cell, out))
}

/// Writes a cell to a field; an absent one leaves it zero.
#[inline(always)]
pub(crate) fn put_any(cell: Cell<'_>, out: &mut [u8]) -> bool {
    match cell {
        Cell::Null => true,
        Cell::Unsigned(number) => put_unsigned(number, out),
        Cell::Address(address) => put_address(address, out),
        Cell::Text(text) => put_text(text, out),
        Cell::Mac(address) => put_octets(&address.0, out),
        Cell::Application(application) => match out.split_first_mut() {
            Some((engine, selector)) => {
                *engine = application.engine;
                put_unsigned(application.selector, selector)
            }
            None => false,
        },
        // Times, lists and extras take more than their cell: see `encode`.
        Cell::Time(_) | Cell::List(_) | Cell::Extras(_) => false,
    }
}

/// Lengths of fields of fixed records.
pub(crate) const ANY_LENGTH: &[u16] = &[1, 2, 4, 8, 16];

/// Whether two elements are for a pair of columns, and whether in reverse order.
pub(crate) fn is_pair(ids: [(u32, u16); 2], columns: [&[(u32, u16)]; 2]) -> Option<bool> {
    let [one, other] = columns;
    match ids {
        [a, b] if one.contains(&a) && other.contains(&b) => Some(false),
        [a, b] if other.contains(&a) && one.contains(&b) => Some(true),
        _ => None,
    }
}
