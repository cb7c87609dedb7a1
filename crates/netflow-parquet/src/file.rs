//! Files: row groups one behind the other, and a footer that says where everything is.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::page_index::PageIndexBuilder;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::writer::TrackedWrite;

use crate::chunk::offset_index;
use crate::error::Error;
use crate::row_group::EncodedRowGroup;
use crate::schema::{MAGIC, SCHEMA_KEY, SCHEMA_VERSION, SOFTWARE_KEY, schema};

/// What wrote the files.
const SOFTWARE: &str = concat!("nf ", env!("CARGO_PKG_VERSION"));
/// Version of the format.
const VERSION: i32 = 2;

/// A file being written.
///
/// Nothing of it can be read before [`finish`](Self::finish), which is cheap: it writes some kilobytes for each
/// row group. So what a crash can lose is bounded by how long one file is written.
#[derive(Debug)]
pub struct ParquetFile<W> {
    out: W,
    length: u64,
    rows: u64,
    row_groups: Vec<RowGroupMetaData>,
    indexes: Vec<Indexes>,
    metadata: Vec<(String, String)>,
}

/// Page indexes of the leaf columns of a row group.
type Indexes = Vec<(Option<ColumnIndexMetaData>, OffsetIndexMetaData)>;

impl<W: Write> ParquetFile<W> {
    /// Begins a file.
    pub fn new(mut out: W) -> Result<Self, Error> {
        out.write_all(MAGIC)?;
        let metadata =
            [(SCHEMA_KEY, SCHEMA_VERSION), (SOFTWARE_KEY, SOFTWARE)].map(|(k, v)| (k.into(), v.into()));
        let (row_groups, indexes) = Default::default();
        let length = MAGIC.len() as u64;
        Ok(Self { out, length, rows: 0, row_groups, indexes, metadata: metadata.into() })
    }

    /// Adds a pair to the metadata, in which the schema's version and the software are already.
    pub fn set_metadata(&mut self, key: &str, value: &str) {
        match self.metadata.iter_mut().find(|(other, _)| other == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.metadata.push((key.into(), value.into())),
        }
    }

    /// Appends a row group.
    ///
    /// After an error the row group is not part of the file: who writes to a file can cut it off at
    /// [`length`](Self::length), and append this or another one.
    pub fn append(&mut self, group: &EncodedRowGroup) -> Result<(), Error> {
        if group.rows == 0 {
            return Ok(());
        }
        let (columns, indexes) = self.place(group)?;
        self.out.write_all(&group.octets)?;
        self.row_groups.push(columns);
        self.indexes.push(indexes);
        self.length += group.octets.len() as u64;
        self.rows += group.rows as u64;
        Ok(())
    }

    /// Metadata of a row group that begins at the end of the file.
    fn place(&self, group: &EncodedRowGroup) -> Result<(RowGroupMetaData, Indexes), ParquetError> {
        let mut columns = Vec::with_capacity(group.chunks.len());
        let mut indexes = Vec::with_capacity(group.chunks.len());
        let place = |offset: i64| offset + self.length as i64;
        for chunk in &group.chunks {
            let metadata = &chunk.metadata;
            let first_page = place(metadata.data_page_offset());
            indexes.push((chunk.column_index.clone(), offset_index(first_page as u64, &chunk.pages)));
            let placed = metadata.clone().into_builder();
            let dictionary = metadata.dictionary_page_offset().map(place);
            columns.push(
                placed.set_data_page_offset(first_page).set_dictionary_page_offset(dictionary).build()?,
            );
        }
        let uncompressed = columns.iter().map(|column| column.uncompressed_size()).sum();
        let metadata = RowGroupMetaData::builder(schema())
            .set_num_rows(group.rows as i64)
            .set_total_byte_size(uncompressed)
            .set_file_offset(self.length as i64)
            .set_ordinal(self.row_groups.len() as i32)
            .set_column_metadata(columns)
            .build()?;
        Ok((metadata, indexes))
    }

    /// How many flows were appended.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many row groups were appended.
    pub fn row_groups(&self) -> usize {
        self.row_groups.len()
    }

    /// Octets of the file so far, without the footer.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes the footer, with which the file is complete, and gives back what it was written to. A file without
    /// flows is a good one too.
    pub fn finish(mut self) -> Result<W, Error> {
        let pair = |(key, value): (String, String)| KeyValue::new(key, value);
        let metadata = self.metadata.into_iter().map(pair).collect();
        let software = Some(SOFTWARE.to_owned());
        let file = FileMetaData::new(VERSION, self.rows as i64, software, Some(metadata), schema(), None);
        let mut index = PageIndexBuilder::new(self.row_groups.len(), schema().num_columns());
        for (group, columns) in self.indexes.into_iter().enumerate() {
            for (column, (bounds, places)) in columns.into_iter().enumerate() {
                if let Some(bounds) = bounds {
                    index.put_column_index(bounds, group, column);
                }
                index.put_offset_index(places, group, column);
            }
        }
        let metadata = ParquetMetaDataBuilder::new(file)
            .set_row_groups(self.row_groups)
            .set_page_index(Some(Arc::new(index.build())))
            .build();
        let mut footer = Vec::new();
        ParquetMetaDataWriter::new_with_tracked(behind(self.length, &mut footer)?, &metadata).finish()?;
        self.out.write_all(&footer)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A writer to `out` that counts as if so many octets had been written before.
fn behind(length: u64, out: &mut Vec<u8>) -> Result<TrackedWrite<Behind<'_>>, Error> {
    static NOTHING: [u8; 1 << 16] = [0; 1 << 16];
    let mut out = TrackedWrite::new(Behind { length, out });
    let mut left = length;
    while left > 0 {
        let part = left.min(NOTHING.len() as u64);
        out.write_all(&NOTHING[..part as usize])?;
        left -= part;
    }
    out.flush()?;
    Ok(out)
}

/// Drops the first octets.
struct Behind<'a> {
    length: u64,
    out: &'a mut Vec<u8>,
}

impl Write for Behind<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let dropped = self.length.min(octets.len() as u64);
        self.length -= dropped;
        self.out.extend_from_slice(&octets[dropped as usize..]);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
