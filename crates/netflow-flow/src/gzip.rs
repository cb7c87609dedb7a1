//! Gzip in members: each block of a file is complete by itself, so that what was written is readable, also
//! after the writer was killed.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use flate2::bufread::GzDecoder;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};

mod members;

pub(crate) use members::{Damage, Members};

/// Compresses blocks into finished gzip members; a file of members is a gzip file (RFC 1952, section 2.2).
#[derive(Debug, Clone, Copy)]
pub struct GzipBlock {
    level: Compression,
}

impl Default for GzipBlock {
    /// Level 1: compressing is most of what a flow costs on its way to a file, and flows compress well.
    fn default() -> Self {
        Self { level: Compression::new(1) }
    }
}

impl GzipBlock {
    /// One gzip member with all of `block`.
    pub fn compress(&self, block: &[u8]) -> io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::with_capacity(block.len() / 6 + 64), self.level);
        encoder.write_all(block)?;
        encoder.finish()
    }
}

/// Whether octets start like a gzip file.
pub(crate) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

/// Reads all members of a gzip file.
pub(crate) fn reader<R: Read>(read: R) -> MultiGzDecoder<R> {
    MultiGzDecoder::new(read)
}

/// How far a gzip file can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GzipEnd {
    /// Octets of the members that are whole.
    pub whole: u64,
    /// What follows them; `None` when that is damaged, or more than the beginning of a block.
    pub torn: Option<TornBlock>,
    /// Whether the text of the whole members ends a line, or is empty.
    pub ends_line: bool,
}

/// What can be read of a block that a file ends in, and that was not written to its end or has a wrong
/// checksum. Empty when nothing or only zeros follow the members that are whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TornBlock {
    /// Its whole lines.
    pub lines: Vec<u8>,
    /// Octets of text behind them, of a line without its end.
    pub open_line: u64,
}

/// Octets that a block has at most that was not written to its end; blocks are much smaller.
const LONGEST_TORN: u64 = 1 << 20;
/// What a member that [`GzipBlock`] makes starts with.
const MEMBER: [u8; 4] = [0x1f, 0x8b, 8, 0];
/// Octets before and behind the compressed data of such a member (RFC 1952, section 2.3).
const HEAD: usize = 10;
const TRAILER: usize = 8;
/// Octets of text that are kept of a torn block: far more than a block has, less than a bomb makes.
const MOST_TEXT: usize = 64 << 20;
/// This many zeros at the end are no compressed data, but what a file system leaves when the power fails.
const ZEROS: usize = 16;

/// Finds how far a gzip file can be read. All of it is decompressed, as a stream: there is no other way to
/// tell where a member ends.
///
/// # Errors
/// When it cannot be read; what is wrong with its content is no error.
pub fn gzip_end(file: &mut (impl Read + Seek)) -> io::Result<GzipEnd> {
    file.seek(SeekFrom::Start(0))?;
    let mut input = Counted { input: BufReader::with_capacity(1 << 18, &mut *file), octets: 0 };
    let (mut whole, mut ends_line) = (0, true);
    let mut text = vec![0; 1 << 16];
    'members: while !input.fill_buf()?.is_empty() {
        let mut member = GzDecoder::new(&mut input);
        let mut last = None;
        loop {
            match member.read(&mut text) {
                Ok(0) => break,
                Ok(length) => last = text[..length].last().copied(),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::InvalidData => break 'members,
                    _ => return Err(error),
                },
            }
        }
        whole = input.octets;
        ends_line = last.map_or(ends_line, |last| last == b'\n');
    }
    file.seek(SeekFrom::Start(whole))?;
    let torn = torn_block(file)?;
    Ok(GzipEnd { whole, torn, ends_line })
}

/// What is left to read, when it is the beginning of a member and no more, or zeros.
fn torn_block(rest: &mut impl Read) -> io::Result<Option<TornBlock>> {
    let mut start = Vec::new();
    rest.take(LONGEST_TORN).read_to_end(&mut start)?;
    let common = start.len().min(MEMBER.len());
    if start.iter().any(|&octet| octet != 0) {
        let torn = start[..common] == MEMBER[..common];
        let others = start.windows(MEMBER.len()).skip(1).any(|octets| octets == MEMBER);
        let alone = torn && !others && (start.len() as u64) < LONGEST_TORN;
        return Ok(if alone { readable(&start, MOST_TEXT) } else { None });
    }
    let mut rest = BufReader::new(rest);
    loop {
        let octets = rest.fill_buf()?;
        if octets.iter().any(|&octet| octet != 0) {
            return Ok(None);
        }
        let length = octets.len();
        if length == 0 {
            return Ok(Some(TornBlock::default()));
        }
        rest.consume(length);
    }
}

/// The text of a torn member, up to where it is cut off; `None` when it is damaged before, so that more than
/// this may be in it, or when it is more than `most` octets.
fn readable(member: &[u8], most: usize) -> Option<TornBlock> {
    let used = member.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    let member = if member.len() - used < ZEROS { member } else { &member[..used] };
    let data = member.get(HEAD..).unwrap_or_default();
    let mut inflate = Decompress::new(false);
    let mut text = Vec::new();
    loop {
        // Each call fills what is free, so that a call without progress is the end of the data.
        text.reserve(1 << 16);
        let before = (inflate.total_in(), inflate.total_out());
        let rest = data.get(before.0 as usize..)?;
        let status = inflate.decompress_vec(rest, &mut text, FlushDecompress::None).ok()?;
        if text.len() > most {
            return None;
        }
        if status == Status::StreamEnd {
            let behind = data[inflate.total_in() as usize..].get(TRAILER..).unwrap_or_default();
            if !MEMBER.starts_with(behind) && behind.iter().any(|&octet| octet != 0) {
                return None;
            }
            break;
        }
        if before == (inflate.total_in(), inflate.total_out()) {
            break;
        }
    }
    let whole = text.iter().rposition(|&octet| octet == b'\n').map_or(0, |end| end + 1);
    let open_line = (text.len() - whole) as u64;
    text.truncate(whole);
    Some(TornBlock { lines: text, open_line })
}

/// Counts what is taken from an input.
struct Counted<R> {
    input: R,
    octets: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(octets)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, length: usize) {
        self.input.consume(length);
        self.octets += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_follow_each_other() {
        let gzip = GzipBlock::default();
        let mut file = gzip.compress(b"one\n").unwrap();
        file.extend(gzip.compress(b"two\n").unwrap());
        let mut text = String::new();
        reader(file.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn what_was_finished_is_readable_when_the_rest_is_cut_off() {
        let gzip = GzipBlock::default();
        let mut file = gzip.compress(b"one\n").unwrap();
        let second = gzip.compress(b"two\n").unwrap();
        file.extend_from_slice(&second[..second.len() - 5]);
        let mut text = Vec::new();
        let error = reader(file.as_slice()).read_to_end(&mut text).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(text.starts_with(b"one\n"));
    }

    #[test]
    fn a_torn_block_of_far_too_much_text_is_not_kept_in_memory() {
        let mut member = GzipBlock::default().compress(&vec![b'\n'; 1 << 20]).unwrap();
        member.pop();
        assert_eq!(readable(&member, 1 << 20).map(|torn| torn.lines.len()), Some(1 << 20));
        assert_eq!(readable(&member, 1 << 19), None);
    }
}
