//! The types that columns can have.

use std::borrow::Borrow;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use netflow_templates::{Column as SetColumn, Timestamp};

use super::{Cell, ColumnValue, Gathered, Kind};
use crate::extras::Extras;
use crate::flows::Row;
use crate::quality::Quality;
use crate::schema::Flow;
use crate::store::{ExtrasColumns, Lists, Texts, Values};
use crate::value::{ApplicationId, MacAddress, SamplingSource, TimeQuality};

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

/// Appends the values that are there.
macro_rules! gather_present {
    ($type:ty) => {
        #[inline]
        fn gather(values: impl ExactSizeIterator<Item = impl Borrow<Self>>, gathered: &mut Gathered) -> bool {
            let (mut present, mut rows) = (true, 0);
            values.for_each(|value| {
                let value = value.borrow();
                if value.is_some() != present {
                    gathered.append(present, rows);
                    (present, rows) = (!present, 0);
                }
                rows += 1;
                if let Some(value) = value {
                    value.put_into(gathered);
                }
            });
            gathered.append(present, rows);
            true
        }
    };
}

macro_rules! number_column {
    ($($type:ty),*) => { $(
        impl ColumnValue for $type {
            type Store = Values<Self>;

            const KIND: Kind = Kind::Unsigned(<$type>::BITS as u8);
            const ABSENT: Self = 0;
            const LENGTHS: &'static [u16] = &[1, 2, 4, 8];
            const FITTING: &'static [u16] = match size_of::<$type>() {
                1 => &[1],
                2 => &[1, 2],
                4 => &[1, 2, 4],
                _ => Self::LENGTHS,
            };

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

            #[inline]
            fn of_number(number: u64) -> Option<Self> {
                // Numbers in files are signed.
                i64::try_from(number).ok()?.try_into().ok()
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
            fn gather(values: impl ExactSizeIterator<Item = impl Borrow<Self>>, gathered: &mut Gathered) -> bool {
                gathered.append(true, values.len());
                gathered.numbers.extend(values.map(|value| u64::from(*value.borrow())));
                true
            }

            #[inline]
            fn put_into(&self, gathered: &mut Gathered) {
                gathered.numbers.push(u64::from(*self));
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

            #[inline]
            fn of_number(number: u64) -> Option<Self> {
                <$type>::of_number(number).map(Some)
            }

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

            gather_present!($type);

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

/// Columns whose values are `Copy` and have a text: `$cell` makes the cell, `$gathered` what is gathered.
macro_rules! parsed_column {
    ($type:ty, $kind:expr, $absent:expr, $cell:path, $vector:ident: $gathered:expr $(, { $($number:item)* })?) => {
        impl ColumnValue for $type {
            type Store = Values<Self>;

            const KIND: Kind = $kind;
            const ABSENT: Self = $absent;

            $($($number)*)?

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

            #[inline]
            fn gather(
                values: impl ExactSizeIterator<Item = impl Borrow<Self>>,
                gathered: &mut Gathered,
            ) -> bool {
                gathered.append(true, values.len());
                gathered.$vector.extend(values.map(|value| $gathered(*value.borrow())));
                true
            }

            #[inline]
            fn put_into(&self, gathered: &mut Gathered) {
                gathered.$vector.push($gathered(*self));
            }
        }
    };
}

parsed_column!(IpAddr, Kind::Address, IpAddr::V4(Ipv4Addr::UNSPECIFIED), Cell::Address,
    addresses: std::convert::identity);
parsed_column!(Timestamp, Kind::Time, Timestamp::EPOCH, Cell::Time,
numbers: |time: Timestamp| time.as_nanos() as u64, {
    #[inline]
    fn of_number(number: u64) -> Option<Self> {
        Some(Timestamp::from_nanos(number as i64))
    }
});
parsed_column!(MacAddress, Kind::Mac, MacAddress([0; 6]), Cell::Mac,
    numbers: |mac: MacAddress| number(mac.0));
parsed_column!(ApplicationId, Kind::Application, ApplicationId { engine: 0, selector: 0 }, Cell::Application,
    numbers: ApplicationId::number);

macro_rules! optional_column {
    ($type:ty, $by_value:literal, { $($fill:item)* }) => {
        impl ColumnValue for Option<$type> {
            type Store = Values<Self>;

            const KIND: Kind = <$type>::KIND;
            const NULLABLE: bool = true;
            const BY_VALUE: bool = $by_value;
            const ABSENT: Self = None;

            #[inline]
            fn of_number(number: u64) -> Option<Self> {
                <$type>::of_number(number).map(Some)
            }

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

            gather_present!($type);

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

            #[inline]
            fn gather(
                values: impl ExactSizeIterator<Item = impl Borrow<Self>>,
                gathered: &mut Gathered,
            ) -> bool {
                gathered.append(true, values.len());
                gathered.names.extend(values.map(|value| value.borrow().as_str()));
                true
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
