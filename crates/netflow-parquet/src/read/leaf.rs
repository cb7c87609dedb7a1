//! Which leaf columns of a file are a column of flows.

use netflow_flow::{Column, Kind};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::schema::types::SchemaDescriptor;

use super::Bounds;
use crate::error::Error;
use crate::schema::Storage;

/// A leaf column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf {
    pub(crate) index: usize,
    pub(crate) physical: PhysicalType,
    pub(crate) max_definition: u32,
    pub(crate) max_repetition: u32,
    /// Whether a value of a list may be absent.
    pub(crate) optional: bool,
    kind: Kind,
    /// Nanoseconds of a unit of time.
    unit: i64,
}

/// The leaves of a column.
#[derive(Debug)]
pub(crate) enum Leaves {
    Flat(Leaf),
    List(Leaf),
    Map(Leaf, Leaf),
}

impl Leaves {
    /// Finds a column by its name; `None` when the file has none of that.
    pub(crate) fn find(column: &Column, schema: &SchemaDescriptor) -> Result<Option<Self>, Error> {
        let all = (0..schema.num_columns())
            .filter(|&leaf| schema.get_column_root(leaf).name() == column.name)
            .map(|leaf| Leaf::new(column, schema, leaf))
            .collect::<Result<Vec<_>, _>>()?;
        let storage = Storage::of(column.kind);
        let nesting = u32::from(matches!(storage, Storage::List | Storage::Map));
        let fits = |leaf: &Leaf| {
            let integers = [PhysicalType::INT32, PhysicalType::INT64];
            let type_fits = match storage.physical() {
                PhysicalType::BYTE_ARRAY => leaf.physical == PhysicalType::BYTE_ARRAY,
                _ => integers.contains(&leaf.physical),
            };
            type_fits && leaf.max_repetition == nesting && (nesting > 0 || leaf.max_definition <= 1)
        };
        if all.is_empty() {
            return Ok(None);
        }
        match all[..] {
            [leaf] if fits(&leaf) && storage == Storage::List => Ok(Some(Self::List(leaf))),
            [leaf] if fits(&leaf) && storage != Storage::Map => Ok(Some(Self::Flat(leaf))),
            [key, value] if fits(&key) && fits(&value) && storage == Storage::Map => {
                Ok(Some(Self::Map(key, value)))
            }
            _ => Err(Error::Unsupported(format!(
                "its column {} is of another type than that of a flow",
                column.name
            ))),
        }
    }
}

impl Leaf {
    fn new(column: &Column, schema: &SchemaDescriptor, index: usize) -> Result<Self, Error> {
        let descriptor = schema.column(index);
        let unit = match (descriptor.logical_type_ref(), descriptor.converted_type()) {
            (Some(LogicalType::Timestamp(of)), _) if of.unit == TimeUnit::MILLIS => 1_000_000,
            (Some(LogicalType::Timestamp(of)), _) if of.unit == TimeUnit::NANOS => 1,
            (None, ConvertedType::TIMESTAMP_MILLIS) => 1_000_000,
            _ => 1_000,
        };
        let level = |level: i16| {
            u32::try_from(level).map_err(|_| Error::Damaged("its levels are less than nothing".into()))
        };
        Ok(Self {
            index,
            physical: descriptor.physical_type(),
            max_definition: level(descriptor.max_def_level())?,
            max_repetition: level(descriptor.max_rep_level())?,
            optional: descriptor.self_type().is_optional(),
            kind: column.kind,
            unit,
        })
    }

    /// A number of the file as the column has it.
    pub(crate) fn number(&self, number: i64) -> i64 {
        if self.kind == Kind::Time { number.saturating_mul(self.unit) } else { number }
    }

    /// Makes numbers of the file what the column has.
    pub(crate) fn scale(&self, numbers: &mut [u64]) {
        if self.kind == Kind::Time && self.unit != 1 {
            let scaled = |number: u64| (number as i64).saturating_mul(self.unit) as u64;
            numbers.iter_mut().for_each(|number| *number = scaled(*number));
        }
    }

    pub(crate) fn bounds(&self, least: i64, greatest: i64) -> Bounds<'static> {
        Bounds::Numbers(self.number(least), self.number(greatest))
    }
}
