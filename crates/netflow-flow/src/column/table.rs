//! The macro that the table of columns is written in.

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

/// What writes a column as a field of a length, which is a constant there.
macro_rules! put_by_length {
    ($length:expr, |$flow:ident| $cell:expr) => {
        match $length {
            1 => |$flow, _, out| put::<1>($cell, out),
            2 => |$flow, _, out| put::<2>($cell, out),
            4 => |$flow, _, out| put::<4>($cell, out),
            8 => |$flow, _, out| put::<8>($cell, out),
            16 => |$flow, _, out| put::<16>($cell, out),
            _ => |$flow, _, out| put_any($cell, out),
        }
    };
}

/// The same for two columns, in two fields of that length.
macro_rules! put_both_by_length {
    ($length:expr, |$flow:ident| $one:expr, $other:expr) => {
        put_both_by_length!(@ $length, $flow, $one, $other, 1 2 4 8 16)
    };
    (@ $length:expr, $flow:ident, $one:expr, $other:expr, $($fixed:literal)*) => {
        match $length {
            $( $fixed => |$flow, _, out| {
                let Some((one, other)) = out.split_at_mut_checked($fixed) else { return false };
                put::<$fixed>(ColumnValue::cell(&$one), one) & put::<$fixed>(ColumnValue::cell(&$other), other)
            }, )*
            _ => |$flow, _, out| {
                let (one, other) = out.split_at_mut(out.len() / 2);
                put_any(ColumnValue::cell(&$one), one) & put_any(ColumnValue::cell(&$other), other)
            },
        }
    };
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

            /// A copy without rare columns.
            pub(crate) fn without_rare(&self) -> Self {
                Self { rare: None, $( $flow: self.$flow, )* }
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

            /// Sets the columns of a row behind all that were set.
            pub(crate) fn set(&mut self, row: usize, rare: &Rare) {
                $( self.$rare.set(row, &rare.$rare); )*
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
                key: concat!(",\"", stringify!($flow), "\":"),
                documentation: concat!($( $flow_doc ),+),
                kind: <$flow_type as ColumnValue>::KIND,
                nullable: <$flow_type as ColumnValue>::NULLABLE,
                derived: false,
                elements: preference::$flow,
                get: |flow| ColumnValue::cell(&flow.flow.$flow),
                set: |flow, cell| ColumnValue::set(&mut flow.$flow, cell),
                set_numbers: |flows, numbers| {
                    flows.iter_mut().zip(numbers).all(|(flow, &number)| {
                        let value = <$flow_type>::of_number(number);
                        value.map(|value| flow.$flow = value).is_some()
                    })
                },
                gather: |flows, rows, gathered| {
                    <$flow_type>::gather(flows.rows[rows].iter().map(|row| &row.$flow), gathered)
                },
            }, )*
            $( Column {
                name: stringify!($derived),
                key: concat!(",\"", stringify!($derived), "\":"),
                documentation: concat!($( $derived_doc ),+),
                kind: <$derived_type as ColumnValue>::KIND,
                nullable: false,
                derived: true,
                elements: &[],
                get: |flow| Cell::Unsigned(flow.flow.$derived()),
                set: |_, _| true,
                set_numbers: |_, _| false,
                gather: |flows, rows, gathered| {
                    <$derived_type>::gather(flows.rows[rows].iter().map(|row| row.$derived()), gathered)
                },
            }, )*
            $( Column {
                name: stringify!($rare),
                key: concat!(",\"", stringify!($rare), "\":"),
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
                set_numbers: |_, _| false,
                gather: |flows, rows, gathered| match flows.has_rare {
                    true => Store::<$rare_type>::gather(&flows.rare.$rare, rows, gathered),
                    false => {
                        gathered.append(false, rows.len());
                        true
                    }
                },
            }, )*
        ];

        /// The columns before the rare ones.
        pub(crate) const USUAL: usize = [$( stringify!($flow), )* $( stringify!($derived), )*].len();

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

        /// What writes a column as a field of an element that is for it; `None` when no column has that.
        pub(crate) fn putter(id: (u32, u16), length: u16) -> Option<Put> {
            $( if preference::$flow.contains(&id) {
                let put: Put = put_by_length!(length, |flow| ColumnValue::cell(&flow.flow.$flow));
                return Some(put);
            } )*
            $( if preference::$rare.contains(&id) {
                return Some(|flow, _, out| match (flow.rare, &flow.flow.rare) {
                    (Some((columns, row)), _) => put_any(columns.$rare.cell(row), out),
                    (None, Some(rare)) => put_any(ColumnValue::cell(&rare.$rare), out),
                    (None, None) => put_any(Cell::Null, out),
                });
            } )*
            None
        }

        /// What writes two fields of one length, one behind the other; `None` when these are no pair.
        pub(crate) fn pair_putter(ids: [(u32, u16); 2], length: u16) -> Option<Put> {
            $( if let Some(reversed) = is_pair(ids, [preference::$one, preference::$other]) {
                return Some(match reversed {
                    false => put_both_by_length!(length, |flow| flow.flow.$one, flow.flow.$other),
                    true => put_both_by_length!(length, |flow| flow.flow.$other, flow.flow.$one),
                });
            } )*
            None
        }

        /// Writes a record of fixed layout, all of whose octets are zero. False when a value does not fit.
        #[inline(always)]
        pub(crate) fn put_record<L: FixedRecord>(flow: &Flow, record: &mut [u8]) -> bool {
            let mut fits = true;
            $( if let Some((start, end)) = const { place(L::TEMPLATE, preference::$flow, ANY_LENGTH) } {
                fits &= put_any(ColumnValue::cell(&flow.$flow), &mut record[start..end]);
            } )*
            fits
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
                $( $flow: match const { place(L::TEMPLATE, preference::$flow, <$flow_type>::FITTING) } {
                    Some((start, end)) => <$flow_type as ColumnValue>::of_octets(&record[start..end]),
                    None => common.$flow,
                }, )*
            }
        }

        /// Whether [`flow_of_record`] takes a field that a column is for.
        pub(crate) fn is_placed(field: &Field) -> bool {
            let id = id(field);
            $( (preference::$flow.contains(&id) && <$flow_type>::FITTING.contains(&field.length())) )||*
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
