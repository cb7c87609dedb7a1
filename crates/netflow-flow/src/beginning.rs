//! What a file holds, by its beginning: only the same may be appended to it.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use crate::file::Format;
use crate::{gzip, read, write_csv_head};

/// Octets of text that are looked at: the first line is the longest that is of interest.
const LOOKED_AT: u64 = 1 << 20;

/// What a file holds that is not what is to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holds {
    /// Compressed data, where text is to be appended.
    Gzip,
    /// Flows in another format.
    Flows(Format),
    /// CSV whose heading is another, as of another version.
    OtherColumns,
    /// No flows.
    Other,
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip => f.write_str("it holds gzip, and text behind that could not be read"),
            Self::Flows(Format::Packets) => f.write_str("it holds export packets (json), another format"),
            Self::Flows(format) => write!(f, "it holds flows as {format}, another format"),
            Self::OtherColumns => f.write_str("it holds CSV with other columns, as of another version"),
            Self::Other => f.write_str("it holds something else than flows"),
        }
    }
}

/// What stands against appending flows in this format to a file; `None` when nothing does: it is empty, or
/// its first line that can be read is of the same format.
///
/// Of a file in which nothing can be read because it is cut off or damaged, nothing is said.
///
/// # Errors
/// When the file cannot be read.
pub fn unlike(file: &mut (impl Read + Seek), format: Format, gzip: bool) -> io::Result<Option<Holds>> {
    let start = beginning(file, gzip)?;
    if !gzip && gzip::is_gzip(&start) {
        return Ok(Some(Holds::Gzip));
    }
    let mut lines =
        start.split_inclusive(|&octet| octet == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let Some(first) = lines.next() else { return Ok(None) };
    let mut head = Vec::new();
    write_csv_head(&mut head);
    if first.trim_ascii() == head.trim_ascii() || (!first.ends_with(b"\n") && head.starts_with(first)) {
        return Ok((format != Format::Csv).then_some(Holds::Flows(Format::Csv)));
    }
    // A line that was cut off, and ended when something was appended, may come first.
    let found = std::iter::once(first).chain(lines).find_map(|line| read::line_format(line.trim_ascii()));
    Ok(match found {
        Some(Format::Csv) if format == Format::Csv => Some(Holds::OtherColumns),
        Some(found) => (found != format).then_some(Holds::Flows(found)),
        // The first line of all, and not whole.
        None if format != Format::Csv && first.starts_with(b"{") && !first.ends_with(b"\n") => None,
        None => Some(Holds::Other),
    })
}

/// The text that a file starts with, as far as it can be read.
fn beginning(file: &mut (impl Read + Seek), gzip: bool) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    if !gzip {
        file.take(LOOKED_AT).read_to_end(&mut start)?;
        return Ok(start);
    }
    match gzip::reader(file).take(LOOKED_AT).read_to_end(&mut start) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
            ) =>
        {
            Err(error)
        }
        _ => Ok(start),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::GzipBlock;

    const PACKET: &str =
        "{\"1700000000.5\": {\"client\": [\"192.0.2.1\", 1], \"header\": {}, \"flows\": []}}\n";
    const FLOW: &str = "{\"src_addr\":\"192.0.2.1\",\"bytes\":5}\n";

    /// The same for text and for gzip.
    fn found(text: &str, format: Format) -> Option<Holds> {
        let found = unlike(&mut Cursor::new(text), format, false).unwrap();
        let member = GzipBlock::default().compress(text.as_bytes()).unwrap();
        assert_eq!(unlike(&mut Cursor::new(&member), format, true).unwrap(), found, "{text}");
        if !text.is_empty() {
            assert_eq!(unlike(&mut Cursor::new(&member), format, false).unwrap(), Some(Holds::Gzip));
        }
        found
    }

    #[test]
    fn a_file_goes_on_in_its_own_format_only() {
        let mut head = Vec::new();
        write_csv_head(&mut head);
        let head = String::from_utf8(head).unwrap();
        let formats = [(Format::Packets, PACKET), (Format::FlowLines, FLOW), (Format::Csv, &head)];
        for (format, _) in formats {
            assert_eq!(found("", format), None);
            for (held, text) in formats {
                let other = (held != format).then_some(Holds::Flows(held));
                assert_eq!(found(text, format), other, "{format}: {text}");
                assert_eq!(found(&format!("\n{text}{text}"), format), other, "{format}: {text}");
            }
            for text in ["root:x:0:0:root:/root:/bin/sh\n", "root", "{\"a\": 1}\n", "[1, 2]\n"] {
                assert_eq!(found(text, format), Some(Holds::Other), "{format}: {text}");
            }
        }
        assert_eq!(found("src_addr,bytes\n192.0.2.1,5\n", Format::Csv), Some(Holds::OtherColumns));
    }

    #[test]
    fn a_first_line_that_was_cut_off_does_not_stop_it() {
        let mut head = Vec::new();
        write_csv_head(&mut head);
        let head = String::from_utf8(head).unwrap();
        assert_eq!(found(&head[..10], Format::Csv), None);
        assert_eq!(found(&FLOW[..20], Format::FlowLines), None);
        assert_eq!(found(&format!("{}\n{FLOW}", &FLOW[..20]), Format::FlowLines), None);
        assert_eq!(found(&PACKET[..40], Format::Packets), None);
    }
}
