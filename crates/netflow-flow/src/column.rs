//! What a column is: the machinery behind the table in [`schema`](crate::schema).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use netflow_templates::{Column as SetColumn, Context, Field, Plan, Timestamp};
use netflow_wire::FieldSpecifier;

use crate::extras::{Extras, ExtrasRef};
use crate::flows::{FlowRef, Row};
use crate::quality::Quality;
use crate::schema::{Flow, RareColumns};
use crate::store::{ExtrasColumns, Lists, Store, Texts, Values};
use crate::value::{ApplicationId, MacAddress, SamplingSource, TimeQuality};

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
    pub(crate) get: for<'a> fn(FlowRef<'a>) -> Cell<'a>,
    pub(crate) set: fn(&mut Flow, Cell<'_>) -> bool,
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

    /// The value of a field whose length is one of [`LENGTHS`](Self::LENGTHS).
    fn of_octets(_octets: &[u8]) -> Self {
        Self::ABSENT
    }

    fn cell(&self) -> Cell<'_>;
    fn set(&mut self, cell: Cell<'_>) -> bool;

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

/// A number of `N` octets, as large as any.
#[inline]
fn number<const N: usize>(octets: [u8; N]) -> u64 {
    octets.into_iter().fold(0, |number, octet| number << 8 | u64::from(octet))
}

/// Notes that a number was too large for its column.
#[cold]
fn clamp<T>(flow: &mut Flow, most: T) -> T {
    flow.quality |= Quality::CLAMPED.0;
    most
}

macro_rules! number_column {
    ($($type:ty),*) => { $(
        impl ColumnValue for $type {
            type Store = Values<Self>;

            const KIND: Kind = Kind::Unsigned(<$type>::BITS as u8);
            const ABSENT: Self = 0;
            const LENGTHS: &'static [u16] = &[1, 2, 4, 8];

            #[inline]
            fn of_octets(octets: &[u8]) -> Self {
                let number = match *octets {
                    [octet] => octet.into(),
                    [a, b] => u16::from_be_bytes([a, b]).into(),
                    [a, b, c, d] => u32::from_be_bytes([a, b, c, d]).into(),
                    [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
                    _ => 0,
                };
                <$type>::try_from(number).unwrap_or(<$type>::MAX)
            }

            fn cell(&self) -> Cell<'_> {
                Cell::Unsigned((*self).into())
            }

            fn set(&mut self, cell: Cell<'_>) -> bool {
                let number = match cell {
                    Cell::Unsigned(number) => <$type>::try_from(number).ok(),
                    Cell::Text(text) => text.parse().ok(),
                    Cell::Null => Some(0),
                    _ => None,
                };
                number.map(|number| *self = number).is_some()
            }

            #[inline]
            fn fill<const N: usize>(
                [column, _]: &[SetColumn<'_>; 2],
                flows: &mut [Row],
                slot: impl Fn(&mut Flow) -> &mut Self,
            ) -> bool {
                if Self::LENGTHS.contains(&(N as u16)) {
                    column.zip_array::<_, N>(flows, |flow, octets| {
                        *slot(flow) = <$type>::try_from(number(octets)).unwrap_or_else(|_| clamp(flow, <$type>::MAX));
                    });
                    return true;
                }
                column.zip_unsigned(flows, |flow, number| {
                    *slot(flow) = <$type>::try_from(number).unwrap_or_else(|_| clamp(flow, <$type>::MAX));
                })
            }

            #[inline]
            fn fill_both<const N: usize>(
                columns: &[SetColumn<'_>; 2],
                flows: &mut [Row],
                first: impl Fn(&mut Flow) -> &mut Self,
                second: impl Fn(&mut Flow) -> &mut Self,
            ) -> bool {
                let [one, other] = columns;
                one.zip_arrays::<_, N>(other, flows, |flow, a, b| {
                    *first(flow) = <$type>::try_from(number(a)).unwrap_or_else(|_| clamp(flow, <$type>::MAX));
                    *second(flow) = <$type>::try_from(number(b)).unwrap_or_else(|_| clamp(flow, <$type>::MAX));
                });
                true
            }
        }

        impl ColumnValue for Option<$type> {
            type Store = Values<Self>;

            const KIND: Kind = <$type>::KIND;
            const NULLABLE: bool = true;
            const ABSENT: Self = None;

            fn cell(&self) -> Cell<'_> {
                self.as_ref().map_or(Cell::Null, |number| number.cell())
            }

            fn set(&mut self, cell: Cell<'_>) -> bool {
                if cell == Cell::Null {
                    *self = None;
                    return true;
                }
                self.get_or_insert_default().set(cell)
            }

            #[inline]
            fn fill<const N: usize>(
                [column, _]: &[SetColumn<'_>; 2],
                flows: &mut [Row],
                slot: impl Fn(&mut Flow) -> &mut Self,
            ) -> bool {
                column.zip_unsigned(flows, |flow, number| {
                    *slot(flow) = Some(<$type>::try_from(number).unwrap_or_else(|_| clamp(flow, <$type>::MAX)));
                })
            }

            fn fill_rare(
                column: &SetColumn<'_>,
                store: &mut Self::Store,
                rows: Range<usize>,
                flows: &mut [Row],
            ) -> bool {
                let mut too_large = false;
                let fits = column.zip_unsigned(store.rows(rows), |value, number| {
                    too_large |= number > u64::from(<$type>::MAX);
                    *value = Some(<$type>::try_from(number).unwrap_or(<$type>::MAX));
                });
                if too_large {
                    column.zip_unsigned(flows, |flow, number| {
                        if number > u64::from(<$type>::MAX) {
                            clamp(flow, ());
                        }
                    });
                }
                fits
            }
        }
    )* };
}

number_column!(u8, u16, u32, u64);

/// Columns whose values are `Copy` and have a text: `$wrap` makes the cell.
macro_rules! parsed_column {
    ($type:ty, $kind:expr, $absent:expr, $cell:path) => {
        impl ColumnValue for $type {
            type Store = Values<Self>;

            const KIND: Kind = $kind;
            const ABSENT: Self = $absent;

            fn cell(&self) -> Cell<'_> {
                $cell(*self)
            }

            fn set(&mut self, cell: Cell<'_>) -> bool {
                let value = match cell {
                    $cell(value) => Some(value),
                    Cell::Text(text) => text.parse().ok(),
                    _ => None,
                };
                value.map(|value| *self = value).is_some()
            }
        }
    };
}

parsed_column!(IpAddr, Kind::Address, IpAddr::V4(Ipv4Addr::UNSPECIFIED), Cell::Address);
parsed_column!(Timestamp, Kind::Time, Timestamp::EPOCH, Cell::Time);
parsed_column!(MacAddress, Kind::Mac, MacAddress([0; 6]), Cell::Mac);
parsed_column!(ApplicationId, Kind::Application, ApplicationId { engine: 0, selector: 0 }, Cell::Application);

macro_rules! optional_column {
    ($type:ty, $by_value:literal, { $($fill:item)* }) => {
        impl ColumnValue for Option<$type> {
            type Store = Values<Self>;

            const KIND: Kind = <$type>::KIND;
            const NULLABLE: bool = true;
            const BY_VALUE: bool = $by_value;
            const ABSENT: Self = None;

            fn cell(&self) -> Cell<'_> {
                self.as_ref().map_or(Cell::Null, |value| value.cell())
            }

            fn set(&mut self, cell: Cell<'_>) -> bool {
                if matches!(cell, Cell::Null | Cell::Text("")) {
                    *self = None;
                    return true;
                }
                let mut value = <$type as ColumnValue>::ABSENT;
                let fits = value.set(cell);
                if fits {
                    *self = Some(value);
                }
                fits
            }

            $($fill)*
        }
    };
}

optional_column!(IpAddr, true, {
    const LENGTHS: &'static [u16] = &[4, 16];

    #[inline]
    fn of_octets(octets: &[u8]) -> Self {
        octets
            .try_into()
            .ok()
            .and_then(address::<4>)
            .or_else(|| octets.try_into().ok().and_then(address::<16>))
    }

    #[inline]
    fn fill<const N: usize>(
        [column, _]: &[SetColumn<'_>; 2],
        flows: &mut [Row],
        slot: impl Fn(&mut Flow) -> &mut Self,
    ) -> bool {
        // All flows of a set are filled alike: the first tells whether another field came before.
        if Self::LENGTHS.contains(&(N as u16)) && flows.first_mut().is_some_and(|flow| slot(flow).is_none()) {
            column.zip_array::<_, N>(flows, |flow, octets| *slot(flow) = address(octets));
            return true;
        }
        let mut lost = false;
        column.zip_address(flows, |flow, address| lost |= !put_address(slot(flow), address)) && !lost
    }

    fn fill_rare(column: &SetColumn<'_>, store: &mut Self::Store, rows: Range<usize>, _: &mut [Row]) -> bool {
        let mut lost = false;
        column.zip_address(store.rows(rows), |slot, address| lost |= !put_address(slot, address)) && !lost
    }

    #[inline]
    fn fill_both<const N: usize>(
        columns: &[SetColumn<'_>; 2],
        flows: &mut [Row],
        first: impl Fn(&mut Flow) -> &mut Self,
        second: impl Fn(&mut Flow) -> &mut Self,
    ) -> bool {
        let [one, other] = columns;
        if flows.first_mut().is_some_and(|flow| first(flow).is_none() && second(flow).is_none()) {
            one.zip_arrays::<_, N>(other, flows, |flow, a, b| {
                *first(flow) = address(a);
                *second(flow) = address(b);
            });
            return true;
        }
        Self::fill::<N>(&[*one, *other], flows, first) & Self::fill::<N>(&[*other, *one], flows, second)
    }
});
optional_column!(Timestamp, false, {});
optional_column!(MacAddress, false, {
    fn fill_rare(column: &SetColumn<'_>, store: &mut Self::Store, rows: Range<usize>, _: &mut [Row]) -> bool {
        fill_octets(column, store.rows(rows), |octets| octets.try_into().ok().map(MacAddress))
    }
});
optional_column!(ApplicationId, false, {
    fn fill_rare(column: &SetColumn<'_>, store: &mut Self::Store, rows: Range<usize>, _: &mut [Row]) -> bool {
        fill_octets(column, store.rows(rows), ApplicationId::from_octets)
    }
});

/// An address of four or sixteen octets.
#[inline]
fn address<const N: usize>(octets: [u8; N]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(&octets[..]) {
        return Some(IpAddr::V4(octets.into()));
    }
    <[u8; 16]>::try_from(&octets[..]).ok().map(|octets| IpAddr::V6(octets.into()))
}

/// The first address that is not all zeros stays: some records have an IPv4 and an IPv6 field, and zeros in
/// the one that does not apply. False when the address is another one, which then has no place.
fn put_address(slot: &mut Option<IpAddr>, address: IpAddr) -> bool {
    match *slot {
        Some(before) if !before.is_unspecified() => before == address || address.is_unspecified(),
        // Of two of zeros the preferred one stays.
        Some(_) if address.is_unspecified() => true,
        _ => {
            *slot = Some(address);
            true
        }
    }
}

/// Values of one shape; false when one does not have it.
fn fill_octets<T>(column: &SetColumn<'_>, rows: &mut [Option<T>], read: impl Fn(&[u8]) -> Option<T>) -> bool {
    let mut fits = true;
    column.zip_octets(rows, |slot, octets| {
        *slot = read(octets);
        fits &= slot.is_some();
    });
    fits
}

impl ColumnValue for String {
    type Store = Texts;

    const KIND: Kind = Kind::Text;
    const NULLABLE: bool = true;
    const ABSENT: Self = Self::new();

    fn cell(&self) -> Cell<'_> {
        if self.is_empty() { Cell::Null } else { Cell::Text(self) }
    }

    fn set(&mut self, cell: Cell<'_>) -> bool {
        self.clear();
        match cell {
            Cell::Text(text) => self.push_str(text),
            Cell::Null => {}
            _ => return false,
        }
        true
    }

    fn clear(&mut self) {
        self.clear();
    }

    fn fill_rare(column: &SetColumn<'_>, store: &mut Self::Store, rows: Range<usize>, _: &mut [Row]) -> bool {
        store.fill(column, rows);
        true
    }
}

macro_rules! enumeration_column {
    ($($type:ty),*) => { $(
        impl ColumnValue for $type {
            type Store = Values<Self>;

            const KIND: Kind = Kind::Enumeration;
            const ABSENT: Self = Self::DEFAULT;

            fn cell(&self) -> Cell<'_> {
                Cell::Text(self.as_str())
            }

            fn set(&mut self, cell: Cell<'_>) -> bool {
                let Cell::Text(text) = cell else { return false };
                text.parse().map(|value| *self = value).is_ok()
            }
        }
    )* };
}

enumeration_column!(TimeQuality, SamplingSource);

impl ColumnValue for Vec<u32> {
    type Store = Lists;

    const KIND: Kind = Kind::List;
    const NULLABLE: bool = true;
    const ABSENT: Self = Self::new();

    fn cell(&self) -> Cell<'_> {
        if self.is_empty() { Cell::Null } else { Cell::List(self) }
    }

    fn set(&mut self, cell: Cell<'_>) -> bool {
        self.clear();
        match cell {
            Cell::List(numbers) => self.extend_from_slice(numbers),
            Cell::Null | Cell::Text("") => {}
            // In CSV: numbers with spaces between.
            Cell::Text(text) => {
                for number in text.split(' ') {
                    let Ok(number) = number.parse() else { return false };
                    self.push(number);
                }
            }
            _ => return false,
        }
        true
    }

    fn clear(&mut self) {
        self.clear();
    }
}

impl ColumnValue for Extras {
    type Store = ExtrasColumns;

    const KIND: Kind = Kind::Extras;
    const NULLABLE: bool = true;
    const ABSENT: Self = Self::new();

    fn cell(&self) -> Cell<'_> {
        if self.is_empty() { Cell::Null } else { Cell::Extras(self.into()) }
    }

    fn set(&mut self, cell: Cell<'_>) -> bool {
        match cell {
            Cell::Extras(extras) => self.copy_from(extras),
            Cell::Null | Cell::Text("") => self.clear(),
            _ => return false,
        }
        true
    }

    fn clear(&mut self) {
        self.clear();
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

/// The method of a column's type that takes a field of a length, which is a constant there.
macro_rules! by_length {
    ($length:expr, $method:ident <$type:ty> ($($slot:expr),*)) => {
        match $length {
            1 => |columns, _, target| {
            <$type as ColumnValue>::$method::<1>(columns, target.flows, $($slot),*)
        },
            2 => |columns, _, target| {
            <$type as ColumnValue>::$method::<2>(columns, target.flows, $($slot),*)
        },
            4 => |columns, _, target| {
            <$type as ColumnValue>::$method::<4>(columns, target.flows, $($slot),*)
        },
            8 => |columns, _, target| {
            <$type as ColumnValue>::$method::<8>(columns, target.flows, $($slot),*)
        },
            16 => |columns, _, target| {
            <$type as ColumnValue>::$method::<16>(columns, target.flows, $($slot),*)
        },
            _ => |columns, _, target| {
            <$type as ColumnValue>::$method::<0>(columns, target.flows, $($slot),*)
        },
        }
    };
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

/// A record whose layout is known when this is compiled.
pub(crate) trait FixedRecord {
    /// Its fields.
    const TEMPLATE: &'static [FieldSpecifier];
    /// Its length in octets.
    const LEN: usize;
}

/// Where the field is that a column takes, of those whose length it can read: start and end in the record.
pub(crate) const fn place(
    template: &[FieldSpecifier],
    preference: &[(u32, u16)],
    lengths: &[u16],
) -> Option<(usize, usize)> {
    let mut preferred = 0;
    while preferred < preference.len() {
        let (mut field, mut start) = (0, 0);
        while field < template.len() {
            let FieldSpecifier { enterprise, id, length } = template[field];
            if enterprise == preference[preferred].0 && id == preference[preferred].1 {
                let mut at = 0;
                while at < lengths.len() {
                    if lengths[at] == length {
                        return Some((start, start + length as usize));
                    }
                    at += 1;
                }
            }
            start += length as usize;
            field += 1;
        }
        preferred += 1;
    }
    None
}

/// Declares the columns: see [`schema`](crate::schema).
macro_rules! columns {
    (
        $(#[$flow_meta:meta])*
        pub struct Flow { $(
            $(#[doc = $flow_doc:literal])+
            $flow:ident : $flow_type:ty
                $( = [ $( $flow_element:ident ),* $(,)? ] )?
                $( | reverse [ $( $flow_reverse:ident ),* $(,)? ] )?,
        )* }
        $(#[$rare_meta:meta])*
        pub struct Rare { $(
            $(#[doc = $rare_doc:literal])+
            $rare:ident : $rare_type:ty
                $( = [ $( $rare_element:ident ),* $(,)? ] )?
                $( | reverse [ $( $rare_reverse:ident ),* $(,)? ] )?,
        )* }
        derived { $(
            $(#[doc = $derived_doc:literal])+
            $derived:ident : $derived_type:ty,
        )* }
        pairs { $( $one:ident, $other:ident : $pair_type:ty; )* }
    ) => {
        $(#[$flow_meta])*
        #[derive(Debug, Clone)]
        pub struct Flow {
            $( $(#[doc = $flow_doc])+ pub $flow: $flow_type, )*
            pub(crate) rare: Option<Box<Rare>>,
        }

        impl Flow {
            /// A flow of which nothing is known.
            pub const UNKNOWN: Self =
                Self { $( $flow: <$flow_type as ColumnValue>::ABSENT, )* rare: None };
        }

        impl Flow {
            /// A copy with another index, for which there are no rare columns yet.
            #[inline]
            pub(crate) fn with_index(&self, record_index: u16) -> Self {
                let mut flow = Self { rare: None, $( $flow: self.$flow, )* };
                flow.record_index = record_index;
                flow
            }

            /// A copy with rare columns.
            pub(crate) fn with_rare(&self, rare: Box<Rare>) -> Self {
                Self { rare: Some(rare), $( $flow: self.$flow, )* }
            }
        }

        impl PartialEq for Flow {
            fn eq(&self, other: &Self) -> bool {
                $( self.$flow == other.$flow && )* self.rare() == other.rare()
            }
        }

        impl FlowRef<'_> {
            $( $(#[doc = $flow_doc])+
            #[inline]
            pub fn $flow(&self) -> $flow_type {
                self.flow.$flow
            } )*

            $( $(#[doc = $derived_doc])+
            pub fn $derived(&self) -> $derived_type {
                self.flow.$derived()
            } )*
        }

        /// The rare columns of many flows.
        #[derive(Debug, Default)]
        pub(crate) struct RareColumns {
            $( pub(crate) $rare: <$rare_type as ColumnValue>::Store, )*
        }

        impl RareColumns {
            pub(crate) fn clear(&mut self) {
                $( Store::<$rare_type>::clear(&mut self.$rare); )*
            }

            /// Sets the columns of `rare`, which are all absent.
            pub(crate) fn copy_to(&self, row: usize, rare: &mut Rare) {
                $( self.$rare.copy_to(row, &mut rare.$rare); )*
            }
        }

        impl Default for Flow {
            /// [`Flow::UNKNOWN`].
            fn default() -> Self {
                Self::UNKNOWN
            }
        }

        $(#[$rare_meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct Rare {
            $( $(#[doc = $rare_doc])+ pub $rare: $rare_type, )*
        }

        impl Rare {
            /// What a flow without rare columns shows.
            fn none() -> &'static Self {
                static NONE: std::sync::LazyLock<Rare> = std::sync::LazyLock::new(Rare::default);
                &NONE
            }

            pub(crate) fn clear(&mut self) {
                $( ColumnValue::clear(&mut self.$rare); )*
            }
        }

        impl Default for Rare {
            fn default() -> Self {
                Self { $( $rare: <$rare_type as ColumnValue>::ABSENT, )* }
            }
        }

        /// All columns, in the order of the schema; new ones are added at the end.
        pub static COLUMNS: &[Column] = &[
            $( Column {
                name: stringify!($flow),
                documentation: concat!($( $flow_doc ),+),
                kind: <$flow_type as ColumnValue>::KIND,
                nullable: <$flow_type as ColumnValue>::NULLABLE,
                derived: false,
                elements: preference::$flow,
                get: |flow| ColumnValue::cell(&flow.flow.$flow),
                set: |flow, cell| ColumnValue::set(&mut flow.$flow, cell),
            }, )*
            $( Column {
                name: stringify!($derived),
                documentation: concat!($( $derived_doc ),+),
                kind: <$derived_type as ColumnValue>::KIND,
                nullable: false,
                derived: true,
                elements: &[],
                get: |flow| Cell::Unsigned(flow.flow.$derived()),
                set: |_, _| true,
            }, )*
            $( Column {
                name: stringify!($rare),
                documentation: concat!($( $rare_doc ),+),
                kind: <$rare_type as ColumnValue>::KIND,
                nullable: <$rare_type as ColumnValue>::NULLABLE,
                derived: false,
                elements: preference::$rare,
                get: |flow| match flow.rare {
                    Some((columns, row)) => columns.$rare.cell(row),
                    None => {
                        flow.flow.rare.as_deref().map_or(Cell::Null, |rare| ColumnValue::cell(&rare.$rare))
                    }
                },
                set: |flow, cell| {
                    (flow.rare.is_none() && cell == Cell::Null)
                        || ColumnValue::set(&mut flow.rare_mut().$rare, cell)
                },
            }, )*
        ];

        /// The elements of each column, preferred first.
        #[allow(non_upper_case_globals, reason = "named like the columns")]
        mod preference {
            use super::{ie, pen};
            $( pub(super) const $flow: &[(u32, u16)] = &[
                $( $( (pen::IANA, ie::$flow_element), )* )?
                $( $( (pen::REVERSE, ie::$flow_reverse), )* )?
            ]; )*
            $( pub(super) const $rare: &[(u32, u16)] = &[
                $( $( (pen::IANA, ie::$rare_element), )* )?
                $( $( (pen::REVERSE, ie::$rare_reverse), )* )?
            ]; )*
        }

        /// What takes a field of a template into the column that it is for; `None` when it is for none, or
        /// the template has a preferred one for that.
        pub(crate) fn filler(plan: &Plan, field: &Field) -> Option<Fill> {
            let (id, length) = (id(field), field.length());
            $( if preference::$flow.contains(&id) {
                let fill: Fill = by_length!(length, fill<$flow_type>(|flow| &mut flow.$flow));
                return takes::<$flow_type>(plan, id, preference::$flow).then_some(fill);
            } )*
            $( if preference::$rare.contains(&id) {
                let fill: Fill = |[column, _], _, target| {
                    let Target { flows, rare, rows } = target;
                    <$rare_type as ColumnValue>::fill_rare(column, &mut rare.$rare, rows.clone(), flows)
                };
                return takes::<$rare_type>(plan, id, preference::$rare).then_some(fill);
            } )*
            None
        }

        /// How many fields of the template are preferred to this one, for a column where the values decide.
        pub(crate) fn rank(plan: &Plan, field: &Field) -> usize {
            let id = id(field);
            $( if <$flow_type>::BY_VALUE && preference::$flow.contains(&id) {
                return preferred(plan, id, preference::$flow);
            } )*
            $( if <$rare_type>::BY_VALUE && preference::$rare.contains(&id) {
                return preferred(plan, id, preference::$rare);
            } )*
            0
        }

        /// Whether a field is for one of the rare columns.
        pub(crate) fn is_rare(field: &Field) -> bool {
            let id = id(field);
            $( preference::$rare.contains(&id) )||*
        }

        /// The flow of a record of fixed layout. What the record does not say is as in `common`.
        #[inline(always)]
        pub(crate) fn flow_of_record<L: FixedRecord>(record: &[u8], common: &Flow) -> Flow {
            Flow {
                rare: None,
                $( $flow: match const { place(L::TEMPLATE, preference::$flow, <$flow_type>::LENGTHS) } {
                    Some((start, end)) => <$flow_type as ColumnValue>::of_octets(&record[start..end]),
                    None => common.$flow,
                }, )*
            }
        }

        /// Whether [`flow_of_record`] takes a field that a column is for.
        pub(crate) fn is_placed(field: &Field) -> bool {
            let id = id(field);
            $( (preference::$flow.contains(&id) && <$flow_type>::LENGTHS.contains(&field.length())) )||*
        }

        /// What takes two fields of one length, each of which has a filler, into their columns in one go;
        /// `None` when these are no pair.
        pub(crate) fn pair_filler(first: &Field, second: &Field) -> Option<Fill> {
            let ids = (id(first), id(second));
            let length = first.length();
            if length != second.length() {
                return None;
            }
            let reads = |lengths: &[u16]| lengths.contains(&length);
            $( if reads(<$pair_type>::LENGTHS) && preference::$one.contains(&ids.0) && preference::$other.contains(&ids.1) {
                let fill: Fill =
                    by_length!(length, fill_both<$pair_type>(|flow| &mut flow.$one, |flow| &mut flow.$other));
                return Some(fill);
            } )*
            None
        }
    };
}
