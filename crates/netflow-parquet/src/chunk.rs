//! The pages of one leaf column in a row group, encoded and compressed as they fill up.

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, Type as PhysicalType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::data_type::ByteArray;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::zstd_safe::CParameter;

use crate::error::Error;

/// The least that zstd does: more costs twice the time for a hundredth of the size.
pub(crate) const ZSTD_LEVEL: i32 = 1;
/// Texts that are longer are no bounds worth having.
const MAX_BOUND: usize = 64;

/// Compresses pages; memory that one needs is used for the next.
pub(crate) struct Compressor(zstd::bulk::Compressor<'static>);

impl Compressor {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        // What repeats here are numbers of eight octets: shorter matches cost more than they spare.
        compressor.set_parameter(CParameter::MinMatch(7))?;
        // A table that stays in the first cache takes less time, and one octet more of a hundred.
        compressor.set_parameter(CParameter::HashLog(11))?;
        Ok(Self(compressor))
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

/// The least and the greatest value, as statistics have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bounds {
    Numbers(i64, i64),
    Texts(Vec<u8>, Vec<u8>),
}

/// Content of a data page.
#[derive(Debug)]
pub(crate) struct DataPage<'a> {
    /// Levels and values, as version 1 of data pages has them.
    pub(crate) octets: &'a [u8],
    pub(crate) encoding: Encoding,
    pub(crate) rows: usize,
    /// Values and nulls.
    pub(crate) levels: usize,
    pub(crate) nulls: usize,
    /// `None` when there are nulls alone.
    pub(crate) bounds: Option<Bounds>,
}

#[derive(Debug, Clone)]
struct Written {
    length: usize,
    uncompressed: usize,
    levels: usize,
    encoding: Encoding,
    rows: usize,
    nulls: usize,
    bounds: Option<Bounds>,
}

/// The data pages so far; a dictionary comes before them, but at the end.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    octets: Vec<u8>,
    pages: Vec<Written>,
}

/// Octets of a row group, in pieces: so that none of them are copied together.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) parts: Vec<Vec<u8>>,
    length: usize,
}

impl Parts {
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    fn push(&mut self, part: Vec<u8>) {
        self.length += part.len();
        self.parts.push(part);
    }
}

/// A column chunk within its row group; places count from the row group's start.
#[derive(Debug)]
pub(crate) struct EncodedChunk {
    pub(crate) metadata: ColumnChunkMetaData,
    pub(crate) column_index: Option<ColumnIndexMetaData>,
    /// Length and rows of each data page.
    pub(crate) pages: Vec<(usize, usize)>,
}

impl Chunk {
    /// Appends a data page.
    pub(crate) fn push(&mut self, page: DataPage<'_>, compressor: &mut Compressor) -> Result<(), Error> {
        let DataPage { octets, encoding, rows, levels, nulls, bounds } = page;
        let page = Page::DataPage {
            buf: compressor.0.compress(octets)?.into(),
            num_values: levels as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let (length, uncompressed) = write(&mut self.octets, page, octets.len())?;
        self.pages.push(Written { length, uncompressed, levels, encoding, rows, nulls, bounds });
        Ok(())
    }

    /// Appends the last page of another chunk, if that is encoded so.
    pub(crate) fn push_copy(&mut self, other: &Self, encoding: Encoding) -> bool {
        let Some(page) = other.pages.last().filter(|page| page.encoding == encoding) else { return false };
        self.octets.extend_from_slice(&other.octets[other.octets.len() - page.length..]);
        self.pages.push(page.clone());
        true
    }

    pub(crate) fn memory(&self) -> usize {
        self.octets.capacity()
    }

    /// Appends the chunk to a row group: the dictionary, of so many values, and the data pages. Nothing is left.
    pub(crate) fn finish(
        &mut self,
        descriptor: ColumnDescPtr,
        dictionary: Option<(&[u8], u32)>,
        out: &mut Parts,
        compressor: &mut Compressor,
    ) -> Result<EncodedChunk, Error> {
        let Self { octets, pages } = std::mem::take(self);
        let uncompressed = pages.iter().map(|page| page.uncompressed).sum::<usize>();
        let levels = pages.iter().map(|page| page.levels).sum::<usize>();
        let start = out.length();
        let mut dictionary_size = 0;
        if let Some((values, count)) = dictionary {
            let page = Page::DictionaryPage {
                buf: compressor.0.compress(values)?.into(),
                num_values: count,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let mut part = Vec::new();
            dictionary_size = write(&mut part, page, values.len())?.1;
            out.push(part);
        }
        let data_start = out.length();
        out.push(octets);
        let physical = descriptor.physical_type();
        let nulls = pages.iter().map(|page| page.nulls).sum::<usize>();
        let bounds = pages.iter().filter_map(|page| page.bounds.clone()).reduce(union);
        let all_bounded = pages.iter().all(|page| page.bounds.is_some() || is_null(page));
        let nested = descriptor.max_rep_level() > 0;
        let metadata = ColumnChunkMetaData::builder(descriptor)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_encodings(encodings(&pages, dictionary.is_some()))
            .set_page_encoding_stats(encoding_stats(&pages, dictionary.is_some()))
            .set_num_values(levels as i64)
            .set_total_compressed_size((out.length() - start) as i64)
            .set_total_uncompressed_size((uncompressed + dictionary_size) as i64)
            .set_data_page_offset(data_start as i64)
            .set_dictionary_page_offset(dictionary.map(|_| start as i64))
            .set_statistics(statistics(physical, bounds.filter(|_| all_bounded), nulls))
            .build()?;
        // Pages of lists have no bounds of their rows.
        let column_index = match all_bounded && !nested {
            true => Some(column_index(physical, &pages)?),
            false => None,
        };
        let pages = pages.iter().map(|page| (page.length, page.rows)).collect();
        Ok(EncodedChunk { metadata, column_index, pages })
    }
}

/// Appends a page; says how long it is, and would be without compression.
fn write(out: &mut Vec<u8>, page: Page, uncompressed: usize) -> Result<(usize, usize), Error> {
    let mut out = TrackedWrite::new(out);
    let spec = SerializedPageWriter::new(&mut out).write_page(CompressedPage::new(page, uncompressed))?;
    // Or what is buffered of it would be dropped.
    std::io::Write::flush(&mut out)?;
    Ok((spec.bytes_written as usize, spec.uncompressed_size))
}

fn is_null(page: &Written) -> bool {
    page.nulls > 0 && page.nulls >= page.rows
}

fn encodings(pages: &[Written], dictionary: bool) -> Vec<Encoding> {
    let mut encodings = vec![Encoding::RLE];
    encodings.extend(dictionary.then_some(Encoding::PLAIN));
    for page in pages {
        if !encodings.contains(&page.encoding) {
            encodings.push(page.encoding);
        }
    }
    encodings
}

fn encoding_stats(pages: &[Written], dictionary: bool) -> Vec<PageEncodingStats> {
    let mut stats = Vec::new();
    if dictionary {
        stats.push(PageEncodingStats {
            page_type: PageType::DICTIONARY_PAGE,
            encoding: Encoding::PLAIN,
            count: 1,
        });
    }
    for page in pages {
        match stats.iter_mut().find(|of| of.page_type == PageType::DATA_PAGE && of.encoding == page.encoding)
        {
            Some(of) => of.count += 1,
            None => stats.push(PageEncodingStats {
                page_type: PageType::DATA_PAGE,
                encoding: page.encoding,
                count: 1,
            }),
        }
    }
    stats
}

fn union(one: Bounds, other: Bounds) -> Bounds {
    match (one, other) {
        (Bounds::Numbers(a, b), Bounds::Numbers(c, d)) => Bounds::Numbers(a.min(c), b.max(d)),
        (Bounds::Texts(a, b), Bounds::Texts(c, d)) => Bounds::Texts(a.min(c), b.max(d)),
        (one, _) => one,
    }
}

impl Bounds {
    /// Whether they are short enough to be kept.
    pub(crate) fn are_short(&self) -> bool {
        match self {
            Self::Numbers(..) => true,
            Self::Texts(least, greatest) => least.len().max(greatest.len()) <= MAX_BOUND,
        }
    }

    fn octets(self, physical: PhysicalType) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Numbers(least, greatest) if physical == PhysicalType::INT32 => {
                ((least as i32).to_le_bytes().into(), (greatest as i32).to_le_bytes().into())
            }
            Self::Numbers(least, greatest) => (least.to_le_bytes().into(), greatest.to_le_bytes().into()),
            Self::Texts(least, greatest) => (least, greatest),
        }
    }
}

fn statistics(physical: PhysicalType, bounds: Option<Bounds>, nulls: usize) -> Statistics {
    let nulls = Some(nulls as u64);
    match (physical, bounds) {
        (PhysicalType::INT32, Some(Bounds::Numbers(least, greatest))) => {
            Statistics::int32(Some(least as i32), Some(greatest as i32), None, nulls, false)
        }
        (PhysicalType::INT64, Some(Bounds::Numbers(least, greatest))) => {
            Statistics::int64(Some(least), Some(greatest), None, nulls, false)
        }
        (_, Some(Bounds::Texts(least, greatest))) => {
            let text = |octets| Some(ByteArray::from(Bytes::from(octets)));
            Statistics::byte_array(text(least), text(greatest), None, nulls, false)
        }
        (PhysicalType::INT32, _) => Statistics::int32(None, None, None, nulls, false),
        (PhysicalType::INT64, _) => Statistics::int64(None, None, None, nulls, false),
        _ => Statistics::byte_array(None, None, None, nulls, false),
    }
}

fn column_index(physical: PhysicalType, pages: &[Written]) -> Result<ColumnIndexMetaData, Error> {
    let mut index = ColumnIndexBuilder::new(physical);
    for page in pages {
        let null = page.bounds.is_none();
        let (least, greatest) = page.bounds.clone().map(|bounds| bounds.octets(physical)).unwrap_or_default();
        index.append(null, least, greatest, page.nulls as i64, None);
    }
    Ok(index.build()?)
}

/// Where the data pages of a chunk are in the file.
pub(crate) fn offset_index(
    first_page: u64,
    pages: &[(usize, usize)],
) -> parquet::file::page_index::offset_index::OffsetIndexMetaData {
    let mut index = OffsetIndexBuilder::new();
    let mut at = first_page;
    for &(length, rows) in pages {
        index.append_offset_and_size(at as i64, length as i32);
        index.append_row_count(rows as i64);
        at += length as u64;
    }
    index.build()
}
