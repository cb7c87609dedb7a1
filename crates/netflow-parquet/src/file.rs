//! Files: row groups one behind the other, and a footer that says where everything is.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::page_index::PageIndexBuilder;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaDataBuilder, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::SchemaDescPtr;

use crate::chunk::{EncodedChunk, offset_index};
use crate::error::Error;
use crate::note::{self, Next, Noted};
use crate::row_group::EncodedRowGroup;
use crate::schema::{MAGIC, SCHEMA_KEY, SCHEMA_VERSION, SOFTWARE_KEY, schema};

/// What wrote the files.
pub(crate) const SOFTWARE: &str = concat!("nf ", env!("CARGO_PKG_VERSION"));
/// Version of the format.
const VERSION: i32 = 2;

/// A file being written.
///
/// It can be read when it has a footer: [`write_footer`](Self::write_footer), [`finish`](Self::finish). A file whose
/// writer was killed before that has all row groups that were appended: [`resume`](Self::resume) finds them, since
/// before each stands a note of what the footer is to say. That is cheap: some kilobytes for each row group.
#[derive(Debug)]
pub struct ParquetFile<W> {
    out: W,
    length: u64,
    rows: u64,
    schema: SchemaDescPtr,
    row_groups: Vec<RowGroupMetaData>,
    indexes: Vec<Indexes>,
    metadata: Vec<(String, String)>,
}

/// Page indexes of the leaf columns of a row group.
type Indexes = Vec<(Option<ColumnIndexMetaData>, OffsetIndexMetaData)>;

impl ParquetFile<File> {
    /// Goes on in a file that was written before, open for reading and writing, complete or not. Also says how many
    /// octets were cut off: of a row group that was not whole. All of the file is read.
    ///
    /// # Errors
    /// When the file cannot be read or cut; [`Error::NotParquet`], [`Error::Unsupported`] and [`Error::Damaged`] when
    /// it was not written here, or cannot be gone on with: such as when whole row groups stand behind one that is
    /// damaged. Then the file stays as it is.
    pub fn resume(mut out: File) -> Result<(Self, u64), Error> {
        let end = out.seek(SeekFrom::End(0))?;
        out.seek(SeekFrom::Start(0))?;
        let mut magic = Vec::new();
        (&out).take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        if !MAGIC.starts_with(&magic) {
            return Err(Error::NotParquet);
        }
        if magic.len() < MAGIC.len() {
            out.set_len(0)?;
            out.seek(SeekFrom::Start(0))?;
            return Ok((Self::new(out)?, magic.len() as u64));
        }
        let mut file = Self::begun(out);
        let torn = loop {
            file.out.seek(SeekFrom::Start(file.length))?;
            match note::read(&mut BufReader::new(&file.out), end - file.length)? {
                Next::Group(noted) => file.take(*noted)?,
                Next::Torn => break true,
                Next::Other => break false,
            }
        };
        let rest = end - file.length;
        file.refuse_good_groups_behind(torn, end)?;
        if torn {
            file.out.set_len(file.length)?;
        } else if file.row_groups.is_empty() && rest > 0 {
            // A file of others has no notes; one without flows needs none.
            let metadata = ParquetMetaDataReader::new().parse_and_finish(&file.out)?;
            if metadata.num_row_groups() > 0 {
                return Err(Error::Unsupported("it was not written by nf, and cannot be appended to".into()));
            }
        }
        file.out.seek(SeekFrom::Start(file.length))?;
        Ok((file, if torn { rest } else { 0 }))
    }

    /// Whether what is behind the row groups that were read can be cut off: not when others follow that are good.
    fn refuse_good_groups_behind(&mut self, torn: bool, end: u64) -> Result<(), Error> {
        if self.length == end {
            return Ok(());
        }
        let listed = ParquetMetaDataReader::new().parse_and_finish(&self.out);
        let listed = listed.map_or(0, |metadata| metadata.num_row_groups());
        if !torn && self.row_groups.is_empty() && listed > 0 {
            // The whole file is of somebody else.
            return Ok(());
        }
        if listed > self.row_groups.len() || note::follows(&mut self.out, self.length, end)? {
            let reason =
                format!("behind octet {}, and what follows is not, so nothing is cut off", self.length);
            return Err(Error::Damaged(reason));
        }
        Ok(())
    }

    /// Takes a row group that is there.
    fn take(&mut self, noted: Noted) -> Result<(), Error> {
        if self.row_groups.is_empty() {
            self.schema = noted.schema;
        } else if self.schema.root_schema() != noted.schema.root_schema() {
            return Err(Error::Damaged("its row groups have different columns".into()));
        }
        let start = self.length + noted.length - noted.group;
        let (columns, indexes) =
            place(&self.schema, noted.rows, &noted.chunks, start, self.row_groups.len())?;
        self.row_groups.push(columns);
        self.indexes.push(indexes);
        self.length += noted.length;
        self.rows += noted.rows as u64;
        Ok(())
    }
}

impl<W> ParquetFile<W> {
    /// A file whose first octets are written.
    fn begun(out: W) -> Self {
        let metadata =
            [(SCHEMA_KEY, SCHEMA_VERSION), (SOFTWARE_KEY, SOFTWARE)].map(|(k, v)| (k.into(), v.into()));
        let (row_groups, indexes) = Default::default();
        let (length, schema) = (MAGIC.len() as u64, schema());
        Self { out, length, rows: 0, schema, row_groups, indexes, metadata: metadata.into() }
    }

    /// What it is written to.
    pub fn out(&self) -> &W {
        &self.out
    }

    /// What it is written to, to cut off what is behind [`length`](Self::length).
    pub fn out_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// What it is written to, without a footer behind what was appended, or with the one that was written.
    pub fn into_out(self) -> W {
        self.out
    }

    /// The same file, written to something made of what it was written to.
    pub fn map_out<T>(self, into: impl FnOnce(W) -> T) -> ParquetFile<T> {
        let Self { out, length, rows, schema, row_groups, indexes, metadata } = self;
        ParquetFile { out: into(out), length, rows, schema, row_groups, indexes, metadata }
    }

    /// Whether it has the columns of this version, so that row groups can be appended.
    pub fn has_our_columns(&self) -> bool {
        self.schema.root_schema() == schema().root_schema()
    }
}

impl<W: Write> ParquetFile<W> {
    /// Begins a file.
    pub fn new(mut out: W) -> Result<Self, Error> {
        out.write_all(MAGIC)?;
        Ok(Self::begun(out))
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
        if !self.has_our_columns() {
            return Err(Error::Unsupported("it has the columns of another version".into()));
        }
        let note = note::note(&footer_of_one(group)?, &group.parts);
        let start = self.length + note.len() as u64;
        let (columns, indexes) =
            place(&self.schema, group.rows, &group.chunks, start, self.row_groups.len())?;
        self.out.write_all(&note)?;
        for part in &group.parts.parts {
            self.out.write_all(part)?;
        }
        self.row_groups.push(columns);
        self.indexes.push(indexes);
        self.length = start + group.length() as u64;
        self.rows += group.rows as u64;
        Ok(())
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

    /// Writes a footer, with which what was appended can be read, and says how many octets it takes: some kilobytes for
    /// each row group. Before more is appended it is to be cut off, at [`length`](Self::length).
    pub fn write_footer(&mut self) -> Result<u64, Error> {
        let pair = |(key, value): &(String, String)| KeyValue::new(key.clone(), value.clone());
        let metadata = Some(self.metadata.iter().map(pair).collect());
        let footer =
            footer(self.length, &self.schema, metadata, self.row_groups.clone(), self.indexes.clone())?;
        self.out.write_all(&footer)?;
        self.out.flush()?;
        Ok(footer.len() as u64)
    }

    /// Writes the footer, with which the file is complete, and gives back what it was written to. A file without
    /// flows is a good one too.
    pub fn finish(mut self) -> Result<W, Error> {
        self.write_footer()?;
        Ok(self.out)
    }
}

/// The footer of a file that has nothing but a row group, from its first octet on.
fn footer_of_one(group: &EncodedRowGroup) -> Result<Vec<u8>, Error> {
    let schema = schema();
    let (row_group, indexes) = place(&schema, group.rows, &group.chunks, 0, 0)?;
    footer(0, &schema, None, vec![row_group], vec![indexes])
}

/// Metadata of a row group that begins at `start`.
fn place(
    schema: &SchemaDescPtr,
    rows: usize,
    chunks: &[EncodedChunk],
    start: u64,
    ordinal: usize,
) -> Result<(RowGroupMetaData, Indexes), ParquetError> {
    let mut columns = Vec::with_capacity(chunks.len());
    let mut indexes = Vec::with_capacity(chunks.len());
    let place = |offset: i64| offset.saturating_add_unsigned(start);
    for chunk in chunks {
        let metadata = &chunk.metadata;
        let first_page = place(metadata.data_page_offset());
        indexes.push((chunk.column_index.clone(), offset_index(first_page as u64, &chunk.pages)));
        let placed = metadata.clone().into_builder();
        let dictionary = metadata.dictionary_page_offset().map(place);
        columns.push(placed.set_data_page_offset(first_page).set_dictionary_page_offset(dictionary).build()?);
    }
    let uncompressed = columns.iter().map(|column| column.uncompressed_size()).sum();
    let metadata = RowGroupMetaData::builder(Arc::clone(schema))
        .set_num_rows(rows as i64)
        .set_total_byte_size(uncompressed)
        .set_file_offset(start as i64)
        .set_ordinal(ordinal as i32)
        .set_column_metadata(columns)
        .build()?;
    Ok((metadata, indexes))
}

/// A footer that begins at `start`.
fn footer(
    start: u64,
    schema: &SchemaDescPtr,
    metadata: Option<Vec<KeyValue>>,
    row_groups: Vec<RowGroupMetaData>,
    indexes: Vec<Indexes>,
) -> Result<Vec<u8>, Error> {
    let rows = row_groups.iter().map(RowGroupMetaData::num_rows).sum();
    let software = Some(SOFTWARE.to_owned());
    let file = FileMetaData::new(VERSION, rows, software, metadata, Arc::clone(schema), None);
    let mut index = PageIndexBuilder::new(row_groups.len(), schema.num_columns());
    for (group, columns) in indexes.into_iter().enumerate() {
        for (column, (bounds, places)) in columns.into_iter().enumerate() {
            if let Some(bounds) = bounds {
                index.put_column_index(bounds, group, column);
            }
            index.put_offset_index(places, group, column);
        }
    }
    let metadata = ParquetMetaDataBuilder::new(file)
        .set_row_groups(row_groups)
        .set_page_index(Some(Arc::new(index.build())))
        .build();
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new_with_tracked(behind(start, &mut footer)?, &metadata).finish()?;
    Ok(footer)
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
