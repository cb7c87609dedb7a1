//! Gzip in members: each block of a file is complete by itself, so that what was written is readable, also
//! after the writer was killed.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GzipEnd {
    /// Octets of the members that are whole.
    pub whole: u64,
    /// Whether nothing of worth follows them: nothing, the beginning of a block that the file ends in, or
    /// zeros. What is longer than a block, or has another member in it, is damage.
    pub mendable: bool,
    /// Whether the text of the whole members ends a line, or is empty.
    pub ends_line: bool,
}

/// Octets that a block has at most that was not written to its end; blocks are much smaller.
const LONGEST_TORN: u64 = 1 << 20;
/// What a member that [`GzipBlock`] makes starts with.
const MEMBER: [u8; 4] = [0x1f, 0x8b, 8, 0];

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
    let mendable = is_torn(file)?;
    Ok(GzipEnd { whole, mendable, ends_line })
}

/// Whether what is left to read is the beginning of a member and no more, or zeros.
fn is_torn(rest: &mut impl Read) -> io::Result<bool> {
    let mut start = Vec::new();
    rest.take(LONGEST_TORN).read_to_end(&mut start)?;
    let common = start.len().min(MEMBER.len());
    if start.iter().any(|&octet| octet != 0) {
        let torn = start[..common] == MEMBER[..common];
        let others = start.windows(MEMBER.len()).skip(1).any(|octets| octets == MEMBER);
        return Ok(torn && !others && (start.len() as u64) < LONGEST_TORN);
    }
    let mut rest = BufReader::new(rest);
    loop {
        let octets = rest.fill_buf()?;
        if octets.iter().any(|&octet| octet != 0) {
            return Ok(false);
        }
        let length = octets.len();
        if length == 0 {
            return Ok(true);
        }
        rest.consume(length);
    }
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
}
