//! The end of a file that is appended to: a writer that was killed, or a full disk, may have left half a block.
//!
//! Whatever came behind that could not be read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use netflow_flow::{Format, GzipBlock, GzipEnd, gzip_end, write_csv_head};
use rustix::fs::{FlockOperation, OFlags, fcntl_getfl, fcntl_setfl, flock};
use rustix::io::Errno;

/// Octets read at once when looking backwards for the last line's start.
const STEP: u64 = 64 << 10;

/// What was done about the end of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mended {
    /// Octets cut off: of a gzip member that was not whole, or of zeros.
    pub(crate) cut: u64,
    /// Lines that could be read of what was cut off, and are kept.
    pub(crate) saved_lines: u64,
    /// Octets of text of the line behind these, which has no end and is not kept.
    pub(crate) lost_text: u64,
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
    let GzipEnd { whole, torn, ends_line } = gzip_end(file)?;
    let Some(torn) = torn else {
        let reason = match whole {
            0 => "it holds no gzip member that is whole, and what is appended could not be read".to_owned(),
            _ => format!("it is damaged behind octet {whole}, and what is appended could not be read"),
        };
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    };
    if !torn.lines.is_empty() {
        replace(file, whole, length, gzip.compress(&torn.lines)?)?;
    } else if whole < length {
        file.set_len(whole)?;
    }
    if !ends_line && torn.lines.is_empty() {
        file.write_all(&gzip.compress(b"\n")?)?;
    }
    let saved_lines = torn.lines.iter().filter(|&&octet| octet == b'\n').count() as u64;
    Ok(Mended { cut: length - whole, saved_lines, lost_text: torn.open_line, open_line: 0 })
}

/// Replaces what a file of `length` octets has from `start` on by a gzip member.
///
/// It is written over what is there, with zeros up to the old length, and cut only then: killed before the
/// write or behind it, the file has all lines, and zeros can be mended. In between is one write of less than
/// some MiB, of which a part may be there after a crash; when it fails, the old octets are put back.
fn replace(file: &mut File, start: u64, length: u64, mut member: Vec<u8>) -> io::Result<()> {
    let old = read_at(file, start, length - start)?;
    let end = start + member.len() as u64;
    member.resize(member.len().max(old.len()), 0);
    // A file that is open for appending is written at its end, wherever one seeks.
    let flags = fcntl_getfl(&*file)?;
    fcntl_setfl(&*file, flags - OFlags::APPEND)?;
    let written = write_over(file, start, &member).inspect_err(|_| {
        // If this fails as well there is nothing more to be done; the first error is the one that is told.
        let _ = write_over(file, start, &old).and_then(|()| file.set_len(length));
    });
    fcntl_setfl(&*file, flags)?;
    written?;
    file.set_len(end)?;
    file.sync_data()
}

fn write_over(mut file: &File, start: u64, octets: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    file.write_all(octets)?;
    file.sync_data()
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
            return Ok(Mended { cut: length, ..Mended::default() });
        }
    }
    // It may be whole but for its end, so that it is no loss to keep it: the reader sees what it is.
    file.write_all(b"\n")?;
    Ok(Mended { open_line, ..Mended::default() })
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

    /// What can be read of gzip.
    fn text(gzip: &[u8]) -> String {
        let mut text = Vec::new();
        // What is there before the end is the point.
        let _ = flate2::read::MultiGzDecoder::new(gzip).read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    }

    fn member(text: &[u8]) -> Vec<u8> {
        GzipBlock::default().compress(text).unwrap()
    }

    #[test]
    fn gzip_is_cut_back_to_its_last_whole_member() {
        let (one, two) = (member(b"one\n"), member(&b"two, three\n".repeat(1_000)));
        let both = [&one[..], &two[..]].concat();
        let both_text = text(&both);
        for cut in 0..=both.len() {
            let whole = [0, one.len(), both.len()].into_iter().rfind(|&end| end <= cut).unwrap();
            let (left, done) = mended(&both[..cut], Format::Packets, true);
            let (left, done) = (text(&left), done.unwrap());
            assert_eq!(done.cut, (cut - whole) as u64);
            // Every line that can be read of what was cut off is kept.
            let all = text(&both[..cut]);
            let lines = &all[..all.rfind('\n').map_or(0, |end| end + 1)];
            assert!(left.starts_with(lines) && both_text.starts_with(&left), "{cut}: {left}");
            assert!(left.is_empty() || left.ends_with('\n'), "{cut}");
            assert_eq!(
                left.lines().count() as u64,
                text(&both[..whole]).lines().count() as u64 + done.saved_lines
            );
        }
        // As a file system leaves them after the power failed.
        let (left, done) = mended(&[&one[..], &[0; 5_000]].concat(), Format::Packets, true);
        assert_eq!((left, done.unwrap().cut), (one, 5_000));
    }

    #[test]
    fn lines_of_a_block_with_a_wrong_checksum_are_kept() {
        let (one, mut two) = (member(b"one\n"), member(b"two\nthree\nfo"));
        let length = two.len();
        two[length - 6] ^= 0x55;
        for zeros in [0, 100] {
            let (left, done) = mended(&[&one[..], &two[..], &vec![0; zeros]].concat(), Format::Packets, true);
            assert_eq!(left, [&one[..], &member(b"two\nthree\n")].concat());
            let cut = (length + zeros) as u64;
            assert_eq!(done.unwrap(), Mended { cut, saved_lines: 2, lost_text: 2, open_line: 0 });
        }
    }

    #[test]
    fn a_block_that_is_damaged_inside_is_left_as_it_is() {
        let mut content = member("a line, and ".repeat(100).as_bytes());
        // A kind of block that deflate does not have (RFC 1951, section 3.2.3).
        content[10] |= 0b110;
        let (left, done) = mended(&content, Format::Packets, true);
        assert_eq!((left, done.unwrap_err().kind()), (content, io::ErrorKind::InvalidData));
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
            assert_eq!(done.unwrap(), Mended { open_line, ..Mended::default() });
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
