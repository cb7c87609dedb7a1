//! What a column is: the machinery behind the table in [`schema`](crate::schema).

use std::borrow::Borrow;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use netflow_templates::{Column as SetColumn, Context, Field, Plan, Timestamp};

use crate::extras::ExtrasRef;
use crate::flows::{FlowRef, Flows, Row};
use crate::schema::{Flow, RareColumns};
use crate::store::Store;
use crate::value::{ApplicationId, MacAddress};

mod fixed;
mod gather;
mod put;
#[macro_use]
mod table;
mod values;

pub(crate) use fixed::{FixedRecord, place};
pub use gather::Gathered;
pub(crate) use put::{ANY_LENGTH, Put, is_pair, put, put_any};

/// The value of a column in one flow, borrowed from it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Cell<'a> {
    /// Absent.
    Null,
    /// A number.
    Unsigned(u64),
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
    /// A point in time.
    Time(Timestamp),
    /// Text, or the name of an enumerated value.
    Text(&'a str),
    /// A MAC address.
    Mac(MacAddress),
    /// An application.
    Application(ApplicationId),
    /// Numbers.
    List(&'a [u32]),
    /// Names and values.
    Extras(ExtrasRef<'a>),
}

/// What values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Numbers of so many bits.
    Unsigned(u8),
    /// Addresses.
    Address,
    /// Points in time.
    Time,
    /// Text.
    Text,
    /// Enumerated values, as text.
    Enumeration,
    /// MAC addresses.
    Mac,
    /// Applications.
    Application,
    /// Lists of numbers.
    List,
    /// Names and values.
    Extras,
}

/// A cell that does not fit its column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} cannot hold {value}")]
pub struct CellError {
    /// Name of the column.
    pub column: &'static str,
    /// The value, as text.
    pub value: String,
}

/// One column of a flow.
#[derive(Clone, Copy)]
pub struct Column {
    /// Name: the same in JSON, CSV and code.
    pub name: &'static str,
    /// What it is.
    pub documentation: &'static str,
    /// What values it has.
    pub kind: Kind,
    /// Whether a value may be absent.
    pub nullable: bool,
    /// Whether it follows from other columns, and so cannot be set.
    pub derived: bool,
    /// The elements that fill it by themselves, as enterprise number and id, preferred first.
    pub elements: &'static [(u32, u16)],
    /// The name as the key of a member of a JSON object, behind a comma.
    pub(crate) key: &'static str,
    pub(crate) get: for<'a> fn(FlowRef<'a>) -> Cell<'a>,
    pub(crate) set: fn(&mut Flow, Cell<'_>) -> bool,
    pub(crate) set_numbers: fn(&mut [Flow], &[u64]) -> bool,
    pub(crate) gather: fn(&Flows, Range<usize>, &mut Gathered) -> bool,
}

impl Column {
    /// The column's value in a flow.
    #[inline]
    pub fn get<'a>(&self, flow: impl Into<FlowRef<'a>>) -> Cell<'a> {
        (self.get)(flow.into())
    }

    /// Sets the column's value in a flow. Numbers, times, addresses and names may be given as text too. A
    /// derived column takes any value and keeps none.
    pub fn set(&self, flow: &mut Flow, cell: Cell<'_>) -> Result<(), CellError> {
        if (self.set)(flow, cell) {
            Ok(())
        } else {
            Err(CellError { column: self.name, value: format!("{cell:?}") })
        }
    }

    /// Sets the column's values in flows, all at once, to numbers as [`gather`](Self::gather) gives them. False when they
    /// have to be set one by one with [`set`](Self::set): what are no numbers, those that are rare, and where one does
    /// not fit; those before it are set then.
    pub fn set_numbers(&self, flows: &mut [Flow], numbers: &[u64]) -> bool {
        (self.set_numbers)(flows, numbers)
    }

    /// Appends the column's values in some of the flows, all at once; panics when there are not so many flows.
    /// False, and nothing is appended, when they have to be taken one by one with [`get`](Self::get): texts,
    /// lists and extras, where there are any.
    pub fn gather(&self, flows: &Flows, rows: Range<usize>, gathered: &mut Gathered) -> bool {
        (self.gather)(flows, rows, gathered)
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Column").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A type that a column can have.
pub(crate) trait ColumnValue: Sized {
    /// How the column is held for many flows, if it is a rare one.
    type Store: Store<Self>;

    const KIND: Kind;
    const NULLABLE: bool = false;
    /// Whether, of several elements for the column, the value decides (an address of zeros gives way), not
    /// only the order of preference.
    const BY_VALUE: bool = false;
    /// Lengths of fields that are read as an array.
    const LENGTHS: &'static [u16] = &[];

    /// What the column holds when nothing is known.
    const ABSENT: Self;

    /// Those of them whose values always fit.
    const FITTING: &'static [u16] = Self::LENGTHS;

    /// The value of a field whose length is one of [`FITTING`](Self::FITTING).
    fn of_octets(_octets: &[u8]) -> Self {
        Self::ABSENT
    }

    /// The value that a number stands for in [`Gathered`]; `None` when it does not fit, or values are no numbers.
    #[inline]
    fn of_number(_number: u64) -> Option<Self> {
        None
    }

    fn cell(&self) -> Cell<'_>;
    fn set(&mut self, cell: Cell<'_>) -> bool;

    /// Appends values, if they are of a kind that [`Gathered`] holds.
    fn gather(_values: impl ExactSizeIterator<Item = impl Borrow<Self>>, _gathered: &mut Gathered) -> bool {
        false
    }

    /// Appends the value alone to those gathered, whose rows the caller counts.
    fn put_into(&self, _gathered: &mut Gathered) {}

    /// Resets to absent, keeping memory where there is some.
    fn clear(&mut self) {
        *self = Self::ABSENT;
    }

    /// Takes the values of a field of a data set, of `N` octets each, or of any length when `N` is 0. False
    /// when the field's encoding does not fit; the flows are as before then.
    fn fill<const N: usize>(
        _columns: &[SetColumn<'_>; 2],
        _flows: &mut [Row],
        _slot: impl Fn(&mut Flow) -> &mut Self,
    ) -> bool {
        false
    }

    /// Takes the values of a field into a rare column of some rows, whose flows are `flows`. False when the
    /// field's encoding does not fit: it has to be kept under its name then.
    fn fill_rare(
        _column: &SetColumn<'_>,
        _store: &mut Self::Store,
        _rows: Range<usize>,
        _flows: &mut [Row],
    ) -> bool {
        false
    }

    /// Takes the values of two fields of `N` octets each, one of [`LENGTHS`](Self::LENGTHS), in one go.
    fn fill_both<const N: usize>(
        columns: &[SetColumn<'_>; 2],
        flows: &mut [Row],
        first: impl Fn(&mut Flow) -> &mut Self,
        second: impl Fn(&mut Flow) -> &mut Self,
    ) -> bool {
        let [one, other] = *columns;
        Self::fill::<N>(&[one, other], flows, first) & Self::fill::<N>(&[other, one], flows, second)
    }
}

/// Takes the values of a field, or of two of one length, into columns. False when an encoding does not fit, or
/// not every value found its place.
pub(crate) type Fill = fn(&[SetColumn<'_>; 2], &Context<'_>, &mut Target<'_>) -> bool;

/// The flows of a data set, as they are made.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) flows: &'a mut [Row],
    pub(crate) rare: &'a mut RareColumns,
    /// Where they are in the rare columns.
    pub(crate) rows: Range<usize>,
}

/// Number of a field's element.
pub(crate) fn id(field: &Field) -> (u32, u16) {
    (field.element().enterprise, field.element().id)
}

/// Whether a column takes an element of a template: not where the template has one that is preferred.
pub(crate) fn takes<V: ColumnValue>(plan: &Plan, id: (u32, u16), preference: &[(u32, u16)]) -> bool {
    V::BY_VALUE || preferred(plan, id, preference) == 0
}

/// How many elements of a template are preferred to one of it.
pub(crate) fn preferred(plan: &Plan, id: (u32, u16), preference: &[(u32, u16)]) -> usize {
    let preferred = preference.iter().take_while(|&&other| other != id);
    preferred.filter(|&&(enterprise, id)| plan.has(enterprise, id)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::COLUMNS;

    #[test]
    fn numbers_that_are_set_at_once_are_as_those_set_one_by_one() {
        let mut at_once = Vec::new();
        for column in COLUMNS {
            let mut flows = [Flow::default(), Flow::default()];
            if !column.set_numbers(&mut flows, &[0, 7]) {
                continue;
            }
            at_once.push(column.name);
            let cell = |number| match column.kind {
                Kind::Time => Cell::Time(Timestamp::from_nanos(number)),
                _ => Cell::Unsigned(number as u64),
            };
            for (flow, number) in flows.iter().zip([0, 7]) {
                let mut one = Flow::default();
                column.set(&mut one, cell(number)).unwrap();
                assert_eq!(*flow, one, "{}", column.name);
            }
            // What a signed number of a file cannot be.
            let negative = column.set_numbers(&mut flows, &[u64::MAX]);
            assert_eq!(negative, column.kind == Kind::Time, "{}", column.name);
        }
        for name in ["bytes_raw", "time_flow_start", "src_port", "icmp_type"] {
            assert!(at_once.contains(&name), "{name}");
        }
        assert!(!at_once.contains(&"src_addr") && !at_once.contains(&"post_nat_src_port"));
    }
}
