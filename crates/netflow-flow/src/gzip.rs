//! Gzip in members: each block of a file is complete by itself, so that what was written is readable, also
//! after the writer was killed.

use std::io::{self, Read, Write};

use flate2::Compression;
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
