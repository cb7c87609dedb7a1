//! Reading files of flows: those that are written here, and what other software made of them.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use netflow_flow::{COLUMNS, Column, Flow};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;

use self::column::{ColumnMemory, ColumnReader};
use self::leaf::Leaves;
use self::source::Source;
use crate::error::Error;
use crate::schema::{MAGIC, SCHEMA_KEY, SOFTWARE_KEY};

mod cells;
pub(crate) mod column;
mod leaf;
mod page;
mod source;

/// Flows that [`FlowFile::read`] gives at a time: as many as stay near while one column after the other is set.
const BATCH: usize = 256;
/// Octets of metadata that are read: a gigabyte of flows has some hundred thousand.
const MAX_METADATA: u64 = 256 << 20;

/// A file of flows.
///
/// Columns are found by their names; those that the file does not have are absent in every flow.
pub struct FlowFile {
    source: Arc<Source>,
    metadata: ParquetMetaData,
    /// Where each of [`COLUMNS`] is.
    leaves: Vec<Option<Leaves>>,
    group: usize,
    rows: Option<RowGroupReader>,
}

/// The least and the greatest value of a column in a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bounds<'a> {
    /// Of numbers; of times, in nanoseconds.
    Numbers(i64, i64),
    /// Of what has a text, octet by octet.
    Texts(&'a str, &'a str),
}

impl FlowFile {
    /// Opens a file.
    pub fn open(file: File) -> Result<Self, Error> {
        Self::new(Source::File { length: file.metadata()?.len(), file: file.into() })
    }

    /// Opens the content of a file.
    pub fn from_octets(octets: impl Into<Vec<u8>>) -> Result<Self, Error> {
        Self::new(Source::Octets(Bytes::from(octets.into())))
    }

    fn new(source: Source) -> Result<Self, Error> {
        let metadata = metadata(&source)?;
        let schema = metadata.file_metadata().schema_descr();
        let leaves =
            COLUMNS.iter().map(|column| Leaves::find(column, schema)).collect::<Result<Vec<_>, _>>()?;
        if leaves.iter().all(Option::is_none) {
            return Err(Error::NoFlows);
        }
        Ok(Self { source: Arc::new(source), metadata, leaves, group: 0, rows: None })
    }

    /// How many flows there are.
    pub fn rows(&self) -> u64 {
        self.metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).sum()
    }

    /// Octets of the file.
    pub fn length(&self) -> u64 {
        self.source.length()
    }

    /// How many row groups there are.
    pub fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// How many flows a row group has.
    pub fn row_group_rows(&self, group: usize) -> Option<usize> {
        let group = self.metadata.row_groups().get(group)?;
        usize::try_from(group.num_rows()).ok()
    }

    /// Pairs of the metadata.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.metadata.file_metadata().key_value_metadata().into_iter().flatten();
        pairs.map(|pair| (pair.key.as_str(), pair.value.as_deref().unwrap_or_default()))
    }

    /// Version of the schema, such as [`SCHEMA_VERSION`](crate::SCHEMA_VERSION); `None` when other software wrote
    /// the file.
    pub fn schema_version(&self) -> Option<&str> {
        self.metadata().find(|(key, _)| *key == SCHEMA_KEY).map(|(_, version)| version)
    }

    /// What wrote the file.
    pub fn software(&self) -> Option<&str> {
        let own = self.metadata().find(|(key, _)| *key == SOFTWARE_KEY).map(|(_, software)| software);
        own.or_else(|| self.metadata.file_metadata().created_by())
    }

    /// Columns of the file that are none of a flow: they are not read.
    pub fn unknown_columns(&self) -> impl Iterator<Item = &str> {
        let fields = self.metadata.file_metadata().schema_descr().root_schema().get_fields().iter();
        fields.map(|field| field.name()).filter(|name| netflow_flow::column(name).is_none())
    }

    /// The bounds of a column in a row group: without them every row is to be looked at. `None` too when the row
    /// group has no value of it.
    pub fn bounds(&self, group: usize, column: &Column) -> Option<Bounds<'_>> {
        let leaf = match self.leaves(column)? {
            Leaves::Flat(leaf) => leaf,
            _ => return None,
        };
        match self.metadata.row_groups().get(group)?.columns().get(leaf.index)?.statistics()? {
            Statistics::Int32(of) => Some(leaf.bounds((*of.min_opt()?).into(), (*of.max_opt()?).into())),
            Statistics::Int64(of) => Some(leaf.bounds(*of.min_opt()?, *of.max_opt()?)),
            Statistics::ByteArray(of) => {
                Some(Bounds::Texts(of.min_opt()?.as_utf8().ok()?, of.max_opt()?.as_utf8().ok()?))
            }
            _ => None,
        }
    }

    fn leaves(&self, column: &Column) -> Option<&Leaves> {
        let at = COLUMNS.iter().position(|other| other.name == column.name)?;
        self.leaves[at].as_ref()
    }

    /// A reader of one column's pages in a row group; `None` when the file has no such column or row group, or the
    /// column is one of lists or maps.
    pub fn column(&self, group: usize, column: &'static Column) -> Result<Option<ColumnReader>, Error> {
        self.column_with(group, column, &mut ColumnMemory::default())
    }

    /// The same, with the memory of a reader that is no longer used, which is taken if there is such a column.
    pub fn column_with(
        &self,
        group: usize,
        column: &'static Column,
        memory: &mut ColumnMemory,
    ) -> Result<Option<ColumnReader>, Error> {
        match (self.leaves(column), self.row_group_rows(group)) {
            (Some(Leaves::Flat(leaf)), Some(rows)) => {
                let (chunk, memory) = (self.chunk(group, leaf.index)?, std::mem::take(memory));
                ColumnReader::new(&self.source, chunk, leaf, column, rows, memory).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A reader of the flows of a row group, of which these columns are set.
    pub fn row_group(&self, group: usize, columns: &[&'static Column]) -> Result<RowGroupReader, Error> {
        let rows = self.row_group_rows(group).ok_or_else(|| damaged("a row group has less than no rows"))?;
        let mut readers = Vec::new();
        for column in columns {
            let Some(leaves) = self.leaves(column) else { continue };
            let reader = |leaf: &leaf::Leaf| {
                let chunk = self.chunk(group, leaf.index)?;
                ColumnReader::new(&self.source, chunk, leaf, column, rows, ColumnMemory::default())
            };
            readers.push(match leaves {
                Leaves::Flat(leaf) => cells::Cells::flat(reader(leaf)?),
                Leaves::List(leaf) => cells::Cells::list(reader(leaf)?),
                Leaves::Map(keys, values) => cells::Cells::map(reader(keys)?, reader(values)?),
            });
        }
        Ok(RowGroupReader { left: rows, readers })
    }

    /// Replaces the content of `flows` by the next ones, some hundreds; false at the end.
    ///
    /// Derived columns follow from others, and are not read. After an error nothing more of the row group can be
    /// read; the next call goes on with the next one.
    pub fn read(&mut self, flows: &mut Vec<Flow>) -> Result<bool, Error> {
        loop {
            if let Some(rows) = &mut self.rows {
                let read = rows.read(BATCH, flows);
                if !matches!(read, Ok(true)) {
                    self.rows = None;
                }
                if !matches!(read, Ok(false)) {
                    return read;
                }
            }
            flows.clear();
            if self.group >= self.row_groups() {
                return Ok(false);
            }
            self.group += 1;
            let columns: Vec<_> = COLUMNS.iter().filter(|column| !column.derived).collect();
            self.rows = Some(self.row_group(self.group - 1, &columns)?);
        }
    }

    fn chunk(&self, group: usize, leaf: usize) -> Result<&ColumnChunkMetaData, Error> {
        let group = self.metadata.row_groups().get(group);
        group.and_then(|group| group.columns().get(leaf)).ok_or_else(|| damaged("a column has no place"))
    }
}

impl std::fmt::Debug for FlowFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowFile").field("rows", &self.rows()).finish_non_exhaustive()
    }
}

/// Reads the flows of one row group.
#[derive(Debug)]
pub struct RowGroupReader {
    left: usize,
    readers: Vec<cells::Cells>,
}

impl RowGroupReader {
    /// Replaces the content of `flows` by the next ones, so many at most; false at the end.
    pub fn read(&mut self, most: usize, flows: &mut Vec<Flow>) -> Result<bool, Error> {
        flows.clear();
        let count = self.left.min(most);
        flows.resize_with(count, Flow::default);
        for reader in &mut self.readers {
            if let Err(error) = reader.fill(flows) {
                flows.clear();
                self.left = 0;
                return Err(error);
            }
        }
        self.left -= count;
        Ok(count > 0)
    }
}

/// Reads the footer.
fn metadata(source: &Source) -> Result<ParquetMetaData, Error> {
    const TAIL: u64 = 8;
    let length = source.length();
    let start = source.octets(0, length.min(4))?;
    if *start != MAGIC[..] {
        return Err(Error::NotParquet);
    }
    if length < 4 + TAIL {
        return Err(Error::Unfinished);
    }
    let tail = source.octets(length - TAIL, TAIL)?;
    let (size, magic) = tail.split_at(4);
    if magic != MAGIC {
        return Err(Error::Unfinished);
    }
    let size = u64::from(u32::from_le_bytes([size[0], size[1], size[2], size[3]]));
    if size > length - 4 - TAIL {
        return Err(damaged("the footer is larger than the file"));
    }
    if size > MAX_METADATA {
        return Err(Error::Unsupported(format!("its footer has {size} octets")));
    }
    let octets = source.octets(length - TAIL - size, size)?;
    Ok(ParquetMetaDataReader::decode_metadata(&octets)?)
}

fn damaged(what: impl Into<String>) -> Error {
    Error::Damaged(what.into())
}
