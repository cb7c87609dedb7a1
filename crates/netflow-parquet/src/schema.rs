//! What the columns of flows are in Parquet: follows from the table of columns in `netflow-flow`.

use std::sync::{Arc, LazyLock};

use netflow_flow::{COLUMNS, Column, Kind};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

/// Version of the schema; files have it as `nf.schema` in their metadata.
pub const SCHEMA_VERSION: &str = "nf.flow.v1";

/// Key of the schema's version in the metadata.
pub(crate) const SCHEMA_KEY: &str = "nf.schema";
/// Key of the software in the metadata.
pub(crate) const SOFTWARE_KEY: &str = "nf.software";
/// First and last octets of a file.
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";

/// Whether a file that starts so is of Parquet.
pub fn is_parquet(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// How the values of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Numbers of up to 16 bits: signed ones of 32, which have the same values in every engine.
    Int32,
    /// Larger numbers, and times in microseconds.
    Int64,
    /// What has a text.
    Text,
    /// Lists of numbers.
    List,
    /// A map of texts to texts.
    Map,
}

impl Storage {
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Unsigned(..=16) => Self::Int32,
            Kind::Unsigned(_) | Kind::Time => Self::Int64,
            Kind::List => Self::List,
            Kind::Extras => Self::Map,
            _ => Self::Text,
        }
    }

    /// The type of the column's values in the file.
    pub(crate) fn physical(self) -> PhysicalType {
        match self {
            Self::Int32 => PhysicalType::INT32,
            Self::Int64 | Self::List => PhysicalType::INT64,
            Self::Text | Self::Map => PhysicalType::BYTE_ARRAY,
        }
    }
}

/// The schema of the files that are written.
pub(crate) fn schema() -> SchemaDescPtr {
    static SCHEMA: LazyLock<SchemaDescPtr> = LazyLock::new(|| {
        let fields = COLUMNS.iter().map(|column| field(column).map(Arc::new)).collect::<Result<_, _>>();
        let schema = fields.and_then(|fields| Type::group_type_builder("flow").with_fields(fields).build());
        // What could be wrong with it is in the table of columns alone, and a test goes over that.
        Arc::new(SchemaDescriptor::new(Arc::new(schema.expect("every column has a type"))))
    });
    SCHEMA.clone()
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let repetition = if column.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    match Storage::of(column.kind) {
        Storage::List => {
            let element = Type::primitive_type_builder("element", PhysicalType::INT64)
                .with_repetition(Repetition::REQUIRED);
            group(column.name, repetition, LogicalType::List, "list", vec![Arc::new(element.build()?)])
        }
        Storage::Map => {
            let fields = vec![Arc::new(text("key")?), Arc::new(text("value")?)];
            group(column.name, repetition, LogicalType::Map, "key_value", fields)
        }
        storage => {
            let logical = match column.kind {
                Kind::Unsigned(_) => None,
                Kind::Time => Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
                _ => Some(LogicalType::String),
            };
            Type::primitive_type_builder(column.name, storage.physical())
                .with_repetition(repetition)
                .with_logical_type(logical)
                .build()
        }
    }
}

fn text(name: &str) -> Result<Type, ParquetError> {
    Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::String))
        .build()
}

/// A list of texts, which may be empty, but not absent.
pub(crate) fn list_of_texts(name: &str) -> Result<Type, ParquetError> {
    group(name, Repetition::REQUIRED, LogicalType::List, "list", vec![Arc::new(text("element")?)])
}

/// A list or a map: the column, and what it has any number of.
fn group(
    name: &str,
    repetition: Repetition,
    logical: LogicalType,
    repeated: &str,
    fields: Vec<TypePtr>,
) -> Result<Type, ParquetError> {
    let repeated = Type::group_type_builder(repeated)
        .with_repetition(Repetition::REPEATED)
        .with_fields(fields)
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(repetition)
        .with_logical_type(Some(logical))
        .with_fields(vec![Arc::new(repeated)])
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_in_the_schema() {
        let schema = schema();
        let names: Vec<_> = schema.root_schema().get_fields().iter().map(|field| field.name()).collect();
        assert_eq!(names, COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>());
        let leaves: usize =
            COLUMNS.iter().map(|column| if Storage::of(column.kind) == Storage::Map { 2 } else { 1 }).sum();
        assert_eq!(schema.num_columns(), leaves);
    }
}
