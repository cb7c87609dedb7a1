//! Tables of other rows than flows, such as connections.

use std::io::Write;
use std::sync::Arc;

use netflow_templates::Timestamp;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use crate::chunk::ZSTD_LEVEL;
use crate::error::Error;
use crate::file::SOFTWARE;
use crate::schema::{SCHEMA_KEY, SOFTWARE_KEY, list_of_texts};

/// Rows of a row group: all of them are in memory until it is written.
const ROW_GROUP_ROWS: usize = 1 << 17;

/// A column of a [`Table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableColumn {
    /// The name.
    pub name: &'static str,
    /// What its values are.
    pub kind: TableKind,
    /// Whether values may be absent. Lists are empty instead.
    pub nullable: bool,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Numbers, signed ones of 64 bits; what is larger is the largest.
    Number,
    /// Times, in microseconds of UTC.
    Time,
    /// Texts.
    Text,
    /// Lists of texts.
    Texts,
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableValue<'a> {
    /// None. In a column whose values cannot be absent it is 0, the epoch, or nothing.
    Absent,
    /// A number.
    Number(u64),
    /// A time.
    Time(Timestamp),
    /// A text.
    Text(&'a str),
    /// Texts.
    Texts(&'a [String]),
}

/// A Parquet file being written, row by row. It can be read once it is [finished](Self::finish).
pub struct Table<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Pending>,
    rows: usize,
}

/// Values of a column that are in no row group yet.
struct Pending {
    column: TableColumn,
    definition: Vec<i16>,
    repetition: Vec<i16>,
    numbers: Vec<i64>,
    texts: Vec<ByteArray>,
}

impl<W: Write + Send> Table<W> {
    /// Begins a file whose rows have these columns; `schema` names what they mean, with a version.
    pub fn new(out: W, schema: &str, columns: impl IntoIterator<Item = TableColumn>) -> Result<Self, Error> {
        let pending = |column| Pending {
            column,
            definition: Vec::new(),
            repetition: Vec::new(),
            numbers: Vec::new(),
            texts: Vec::new(),
        };
        let columns: Vec<_> = columns.into_iter().map(pending).collect();
        let fields = columns.iter().map(|pending| field(&pending.column)).collect::<Result<_, _>>()?;
        let fields = Type::group_type_builder("row").with_fields(fields).build()?;
        let pair = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_created_by(SOFTWARE.to_owned())
            .set_key_value_metadata(Some(vec![pair(SCHEMA_KEY, schema), pair(SOFTWARE_KEY, SOFTWARE)]));
        let file = SerializedFileWriter::new(out, Arc::new(fields), Arc::new(properties.build()))?;
        Ok(Self { file, columns, rows: 0 })
    }

    /// Appends a row: a value for each column.
    pub fn push<'a>(&mut self, values: impl IntoIterator<Item = TableValue<'a>>) -> Result<(), Error> {
        let mut values = values.into_iter();
        for column in &mut self.columns {
            column.push(values.next().unwrap_or(TableValue::Absent));
        }
        self.rows += 1;
        if self.rows >= ROW_GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes what is left, and the footer.
    pub fn finish(mut self) -> Result<W, Error> {
        self.flush()?;
        Ok(self.file.into_inner()?)
    }

    fn flush(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.rows) == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            column.write(writer.untyped())?;
            writer.close()?;
        }
        group.close()?;
        Ok(())
    }
}

impl<W: Write + Send> std::fmt::Debug for Table<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Pending {
    fn push(&mut self, value: TableValue<'_>) {
        let TableColumn { kind, nullable, .. } = self.column;
        if kind == TableKind::Texts {
            let TableValue::Texts(texts) = value else { return self.push(TableValue::Texts(&[])) };
            for (place, text) in texts.iter().enumerate() {
                self.definition.push(1);
                self.repetition.push(i16::from(place > 0));
                self.texts.push(text.as_str().into());
            }
            if texts.is_empty() {
                self.definition.push(0);
                self.repetition.push(0);
            }
            return;
        }
        let absent = matches!(value, TableValue::Absent | TableValue::Texts(_));
        self.definition.push(i16::from(!absent));
        match (kind, value) {
            _ if absent && nullable => {}
            (TableKind::Text, TableValue::Text(text)) => self.texts.push(text.into()),
            (TableKind::Text, _) => self.texts.push("".into()),
            (_, TableValue::Number(number)) => self.numbers.push(i64::try_from(number).unwrap_or(i64::MAX)),
            (_, TableValue::Time(time)) => self.numbers.push(time.as_nanos().div_euclid(1_000)),
            _ => self.numbers.push(0),
        }
    }

    fn write(&mut self, writer: &mut ColumnWriter<'_>) -> Result<(), Error> {
        let lists = self.column.kind == TableKind::Texts;
        let definition = (lists || self.column.nullable).then_some(&self.definition[..]);
        let repetition = lists.then_some(&self.repetition[..]);
        match writer {
            ColumnWriter::Int64ColumnWriter(writer) => {
                writer.write_batch(&self.numbers, definition, repetition)?;
            }
            ColumnWriter::ByteArrayColumnWriter(writer) => {
                writer.write_batch(&self.texts, definition, repetition)?;
            }
            _ => return Err(Error::Unsupported(format!("column {} is of another type", self.column.name))),
        }
        self.definition.clear();
        self.repetition.clear();
        self.numbers.clear();
        self.texts.clear();
        Ok(())
    }
}

fn field(column: &TableColumn) -> Result<TypePtr, Error> {
    let repetition = if column.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let (physical, logical) = match column.kind {
        TableKind::Number => (PhysicalType::INT64, None),
        TableKind::Time => (PhysicalType::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        TableKind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        TableKind::Texts => return Ok(Arc::new(list_of_texts(column.name)?)),
    };
    let field = Type::primitive_type_builder(column.name, physical);
    Ok(Arc::new(field.with_repetition(repetition).with_logical_type(logical).build()?))
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::RowAccessor as _;

    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let column = |name, kind, nullable| TableColumn { name, kind, nullable };
        let columns = [
            column("number", TableKind::Number, false),
            column("time", TableKind::Time, true),
            column("text", TableKind::Text, true),
            column("texts", TableKind::Texts, false),
        ];
        let mut table = Table::new(Vec::new(), "test.v1", columns).unwrap();
        let texts = ["a".to_owned(), "b".to_owned()];
        let rows = ROW_GROUP_ROWS as u64 + 3;
        for row in 0..rows {
            let time = Timestamp::from_millis(row as i64);
            let text = if row % 2 == 0 { TableValue::Text("x") } else { TableValue::Absent };
            let list = TableValue::Texts(&texts[..row as usize % 3]);
            table.push([TableValue::Number(u64::MAX - row), TableValue::Time(time), text, list]).unwrap();
        }
        let octets = table.finish().unwrap();
        let file = SerializedFileReader::new(bytes::Bytes::from(octets)).unwrap();
        assert_eq!(file.metadata().num_row_groups(), 2);
        let read: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len() as u64, rows);
        for (at, row) in read.iter().enumerate().step_by(997) {
            assert_eq!(row.get_long(0).unwrap(), i64::MAX);
            assert_eq!(row.get_timestamp_micros(1).unwrap(), at as i64 * 1_000);
            assert_eq!(row.get_string(2).is_ok(), at % 2 == 0);
            assert_eq!(row.get_list(3).unwrap().len(), at % 3);
        }
    }
}
