//! The end of a file that is appended to: a writer that was killed, or a full disk, may have left half a block.
//!
//! Whatever came behind that could not be read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use netflow_flow::{Format, GzipBlock, GzipEnd, gzip_end, write_csv_head};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Octets read at once when looking backwards for the last line's start.
const STEP: u64 = 64 << 10;

/// What was done about the end of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mended {
    /// Octets cut off: of a gzip member that was not whole, or of zeros.
    pub(crate) cut: u64,
    /// Octets of a last line that had no end, which it was given.
    pub(crate) open_line: u64,
}

/// Makes a file that is open for reading and appending one that can be appended to.
///
/// Of text only the last line is read, of gzip everything, as a stream. A file that another collector has open
/// is left alone: its end is what that one is just writing.
///
/// # Errors
/// When the file cannot be read or written; `InvalidData` when what is appended to it could not be read
/// for another reason than its end.
pub(crate) fn mend(file: &mut File, format: Format, gzip: Option<GzipBlock>) -> io::Result<Mended> {
    if flock(&*file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Ok(Mended::default());
    }
    match gzip {
        Some(gzip) => mend_gzip(file, gzip),
        None => mend_text(file, format),
    }
}

fn mend_gzip(file: &mut File, gzip: GzipBlock) -> io::Result<Mended> {
    let length = file.seek(SeekFrom::End(0))?;
    let GzipEnd { whole, mendable, ends_line } = gzip_end(file)?;
    if !mendable {
        let reason = match whole {
            0 => "it holds no gzip member that is whole, and what is appended could not be read".to_owned(),
            _ => format!("it is damaged behind octet {whole}, and what is appended could not be read"),
        };
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    if whole < length {
        file.set_len(whole)?;
    }
    if !ends_line {
        file.write_all(&gzip.compress(b"\n")?)?;
    }
    Ok(Mended { cut: length - whole, open_line: 0 })
}

fn mend_text(file: &mut File, format: Format) -> io::Result<Mended> {
    let length = file.seek(SeekFrom::End(0))?;
    let open_line = length - last_line(file, length)?;
    if open_line == 0 {
        return Ok(Mended::default());
    }
    if format == Format::Csv && open_line == length {
        let mut head = Vec::new();
        write_csv_head(&mut head);
        if length + 1 < head.len() as u64 && head.starts_with(&read_at(file, 0, length)?) {
            file.set_len(0)?;
            return Ok(Mended { cut: length, open_line: 0 });
        }
    }
    // It may be whole but for its end, so that it is no loss to keep it: the reader sees what it is.
    file.write_all(b"\n")?;
    Ok(Mended { cut: 0, open_line })
}

/// Where the line starts that the file's last octets belong to: its length, when they end a line.
fn last_line(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let octets = read_at(file, start, end - start)?;
        if let Some(before) = octets.iter().rposition(|&octet| octet == b'\n') {
            return Ok(start + before as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn read_at(file: &mut File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut octets = Vec::new();
    file.take(length).read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What becomes of a file with this content, and what was done.
    fn mended(content: &[u8], format: Format, gzip: bool) -> (Vec<u8>, io::Result<Mended>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows");
        fs::write(&path, content).unwrap();
        let mut file = File::options().append(true).read(true).open(&path).unwrap();
        let done = mend(&mut file, format, gzip.then(GzipBlock::default));
        (fs::read(&path).unwrap(), done)
    }

    fn member(text: &[u8]) -> Vec<u8> {
        GzipBlock::default().compress(text).unwrap()
    }

    #[test]
    fn gzip_is_cut_back_to_its_last_whole_member() {
        let (one, two) = (member(b"one\n"), member(&b"two, three\n".repeat(1_000)));
        let both = [&one[..], &two[..]].concat();
        for cut in 0..=both.len() {
            let whole = [0, one.len(), both.len()].into_iter().rfind(|&end| end <= cut).unwrap();
            let (left, done) = mended(&both[..cut], Format::Packets, true);
            assert_eq!(left, both[..whole], "{cut}");
            assert_eq!(done.unwrap(), Mended { cut: (cut - whole) as u64, open_line: 0 });
        }
        // As a file system leaves them after the power failed.
        let (left, done) = mended(&[&one[..], &[0; 5_000]].concat(), Format::Packets, true);
        assert_eq!((left, done.unwrap().cut), (one, 5_000));
    }

    #[test]
    fn gzip_that_is_damaged_is_left_as_it_is() {
        let (one, two) = (member(b"one\n"), member(b"two\n"));
        for content in
            [[&one[..], b"garbage", &two[..]].concat(), [&one[..], &two[..two.len() - 9], &two[..]].concat()]
        {
            let (left, done) = mended(&content, Format::Packets, true);
            assert_eq!(left, content);
            let error = done.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(&format!("behind octet {}", one.len())), "{error}");
        }
        // More than a block: it can be read up to where it is cut off.
        let mut seed = 1u64;
        let octets = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as u8
        });
        let text: Vec<u8> = octets.take(2_000_000).collect();
        let big = member(&text);
        let (left, done) = mended(&big[..big.len() - 1], Format::Packets, true);
        assert_eq!(left.len(), big.len() - 1);
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::InvalidData);

        let (left, done) = mended(b"{\"a\":1}\n", Format::Packets, true);
        assert_eq!(left, b"{\"a\":1}\n");
        assert!(done.unwrap_err().to_string().contains("no gzip member"));
    }

    #[test]
    fn a_line_without_its_end_gets_one() {
        let long = [&b"a\n"[..], &[b'x'; 3 * STEP as usize]].concat();
        for (content, open_line) in
            [(&b""[..], 0), (b"a\n", 0), (b"a\nbc", 2), (b"abc", 3), (&long, 3 * STEP)]
        {
            let (left, done) = mended(content, Format::FlowLines, false);
            assert_eq!(done.unwrap(), Mended { cut: 0, open_line });
            assert_eq!(left, [content, if open_line > 0 { b"\n" } else { b"" }].concat());
        }
        let (left, done) = mended(&member(b"one"), Format::FlowLines, true);
        assert_eq!((left, done.unwrap()), ([member(b"one"), member(b"\n")].concat(), Mended::default()));
    }

    #[test]
    fn a_heading_that_is_cut_off_is_taken_away() {
        let mut head = Vec::new();
        write_csv_head(&mut head);
        let all = head.len() - 1;
        for cut in [1, 10, all - 1] {
            let (left, done) = mended(&head[..cut], Format::Csv, false);
            assert_eq!((left, done.unwrap().cut), (vec![], cut as u64));
        }
        assert_eq!(mended(&head[..all], Format::Csv, false).0, head);
        assert_eq!(mended(b"some,other", Format::Csv, false).0, b"some,other\n");
    }

    #[test]
    fn what_another_collector_is_writing_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows");
        fs::write(&path, b"half a li").unwrap();
        let open = || File::options().append(true).read(true).open(&path).unwrap();
        let (mut first, mut second) = (open(), open());
        mend(&mut first, Format::Packets, None).unwrap();
        first.write_all(b"half a li").unwrap();
        assert_eq!(mend(&mut second, Format::Packets, None).unwrap(), Mended::default());
        drop(first);
        assert_eq!(mend(&mut second, Format::Packets, None).unwrap().open_line, 9);
    }
}
