//! Where export packets come from: arguments, stdin, captures, IPFIX files, raw and text files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, bail};
use netflow_capture::{CaptureReader, IpfixFileReader, looks_like_capture, looks_like_ipfix};
use netflow_templates::{Exporter, Timestamp};

use crate::frame;
use crate::input::cannot_read;
use crate::output::{self, count};
use crate::paste::{self, Found, PassedOver, Paste};

/// The sender of a packet that came without one.
pub(super) const NOBODY: Exporter =
    Exporter { address: std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };

/// Octets of a line of text: a longer one holds no packet.
const MAX_LINE: u64 = 8 << 20;
/// Octets of a raw file: the longest packet, of 65,535 v8 records, has fewer.
const MAX_RAW: u64 = 4 << 20;
/// The mark of UTF-16 text, which PowerShell writes.
const UTF16: [u8; 2] = [0xff, 0xfe];
/// Octets at the start of an input that tell text from anything else.
const START: usize = 512;

/// Octets that should be an export packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) exporter: Exporter,
    /// When it was captured; absent when nothing says that.
    pub(super) received: Option<Timestamp>,
    pub(super) octets: &'a [u8],
    /// Where it was, such as `FILE: frame 3`.
    pub(super) place: &'a str,
    /// What it was in, when it was given as a frame: `Ethernet and IP`.
    pub(super) out_of: Option<&'static str>,
    /// Whether the capture kept only the beginning of it.
    pub(super) truncated: bool,
}

/// Who takes packets.
pub(super) trait Taker {
    /// Takes the next packet.
    fn packet(&mut self, packet: &Packet<'_>) -> anyhow::Result<()>;

    /// Says what could not be read.
    fn bad(&mut self, what: &str);
}

/// Packets of one argument: hex, or else the name of a file.
pub(super) fn argument(number: usize, text: &str, taker: &mut impl Taker) -> anyhow::Result<()> {
    let path = Path::new(text);
    let (found, passed_over) = paste::text(text);
    let hex = found.iter().any(|found| matches!(found, Found::Packet { .. }));
    match (hex, path.exists()) {
        (false, true) => return file(path, taker),
        (true, true) => output::note(format_args!("taken as hex; --file {text} reads the file of that name")),
        (false, false) if looks_like_path(text) => {
            bail!("'{text}' is neither hex nor a file that exists");
        }
        _ => {}
    }
    let place = format!("packet {number} of the command line");
    let several = found.len() > 1;
    for found in found {
        let place = |line| if several { format!("{place}, line {line}") } else { place.clone() };
        give(found, place, taker)?;
    }
    say_passed_over(passed_over, &place);
    if hex || !text.trim().is_empty() {
        return Ok(());
    }
    taker.bad(&format!("{place}: no hexadecimal digits"));
    Ok(())
}

/// Whether a text that is no hex is meant as the name of a file.
fn looks_like_path(text: &str) -> bool {
    let path = Path::new(text);
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let named =
        ending.len() >= 2 && ending.len() <= 6 && ending.starts_with(|c: char| c.is_ascii_alphabetic());
    !text.contains(char::is_whitespace)
        && (text.contains('/') || named && !ending.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// Packets of stdin: text, a packet a line or dumps; or what a file may hold.
pub(super) fn stdin(taker: &mut impl Taker) -> anyhow::Result<()> {
    let mut input = io::stdin().lock();
    if input.fill_buf().context("cannot read stdin")?.is_empty() {
        bail!("nothing to decode: stdin is empty");
    }
    read(None, &mut input, taker)
}

/// Packets of a file: a capture, IPFIX messages, text with hex, or one raw packet.
pub(super) fn file(path: &Path, taker: &mut impl Taker) -> anyhow::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            let hex = path.to_str().is_some_and(|text| {
                text.len() >= 8 && matches!(&paste::text(text).0[..], [Found::Packet { .. }])
            });
            let advice = if hex { "; it looks like hex: give it without --file" } else { "" };
            bail!("{}: {error}{advice}", cannot_read(path));
        }
    };
    read(Some(path), &mut BufReader::new(file), taker)
}

fn read(path: Option<&Path>, input: &mut impl BufRead, taker: &mut impl Taker) -> anyhow::Result<()> {
    let name = path.map_or("stdin".to_owned(), |path| path.display().to_string());
    let failed = || format!("cannot read {name}");
    let start = input.fill_buf().with_context(failed)?;
    let ending = path.and_then(Path::extension).is_some_and(|ending| ending.eq_ignore_ascii_case("ipfix"));
    if start.is_empty() {
        bail!("{name} is empty");
    } else if looks_like_capture(start) {
        capture(&name, input, taker)
    } else if looks_like_ipfix(start) {
        messages(&name, input, taker)
    } else if looks_like_text(start) {
        text(path.map(|_| &*name), input, taker)
    } else if start.starts_with(&UTF16) {
        let mut octets = Vec::new();
        input.take(MAX_LINE).read_to_end(&mut octets).with_context(failed)?;
        if octets.len() as u64 == MAX_LINE {
            taker.bad(&format!("{name} is UTF-16, of which {} MiB are read and no more", MAX_LINE >> 20));
        }
        let units: Vec<u16> = octets.as_chunks().0.iter().map(|&unit| u16::from_le_bytes(unit)).collect();
        text(path.map(|_| &*name), &mut String::from_utf16_lossy(&units).as_bytes(), taker)
    } else if ending {
        messages(&name, input, taker)
    } else {
        let mut octets = Vec::new();
        input.take(MAX_RAW).read_to_end(&mut octets).with_context(failed)?;
        if octets.len() as u64 == MAX_RAW {
            taker.bad(&format!("{name} is longer than any packet: decoded up to octet {MAX_RAW}"));
        }
        give_octets(&octets, &name, taker)
    }
}

/// Every export packet starts with a zero, which no text has.
fn looks_like_text(start: &[u8]) -> bool {
    let start = &start[..start.len().min(START)];
    !start.starts_with(&[0x1f, 0x8b]) && !start.iter().any(|&octet| octet < 8 || (14..27).contains(&octet))
}

fn capture(name: &str, input: impl Read, taker: &mut impl Taker) -> anyhow::Result<()> {
    let mut capture = CaptureReader::new(input).with_context(|| name.to_owned())?;
    while let Some(datagram) = capture.next_datagram().with_context(|| name.to_owned())? {
        let place = format!("{name}: frame {}", datagram.frame);
        taker.packet(&Packet {
            exporter: datagram.source.into(),
            received: Some(datagram.time),
            octets: datagram.payload,
            place: &place,
            out_of: None,
            truncated: datagram.truncated,
        })?;
    }
    let statistics = capture.statistics();
    if statistics.datagrams == 0 {
        output::note(format_args!("{name}: no UDP packets in {}", count(statistics.frames, "frame")));
    }
    if statistics.truncated > 0 {
        output::note(format_args!(
            "{name}: {} cut off by the capture's snap length",
            count(statistics.truncated, "packet")
        ));
    }
    Ok(())
}

/// IPFIX messages one after the other (RFC 5655).
fn messages(name: &str, input: impl Read, taker: &mut impl Taker) -> anyhow::Result<()> {
    let mut file = IpfixFileReader::new(input);
    let skipped = |before: u64, end: u64, taker: &mut _| {
        if before > 0 {
            let octets = count(before, "octet");
            Taker::bad(taker, &format!("{name}, octet {}: {octets} of no message, skipped", end - before));
        }
    };
    let mut reported = 0;
    while let Some(message) = file.next_message().with_context(|| format!("cannot read {name}"))? {
        skipped(message.skipped, message.offset, taker);
        reported += message.skipped;
        let place = match message.offset {
            0 => name.to_owned(),
            offset => format!("{name}, octet {offset}"),
        };
        let (received, out_of, truncated) = (None, None, false);
        let octets = message.octets;
        taker.packet(&Packet { exporter: NOBODY, received, octets, place: &place, out_of, truncated })?;
    }
    skipped(file.statistics().skipped - reported, file.offset(), taker);
    Ok(())
}

/// Packets in text; of stdin, when there is no name.
fn text(name: Option<&str>, input: &mut impl BufRead, taker: &mut impl Taker) -> anyhow::Result<()> {
    let (mut paste, mut found, mut line) = (Paste::default(), Vec::new(), Vec::new());
    let place = |line: usize| match name {
        Some(name) => format!("{name}: line {line}"),
        None => format!("line {line} of stdin"),
    };
    let mut packets = 0;
    loop {
        line.clear();
        let length = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let ended = length.with_context(|| format!("cannot read {}", name.unwrap_or("stdin")))? == 0;
        match ended {
            true => paste.finish(&mut found),
            false => paste.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']), &mut found),
        }
        for found in found.drain(..) {
            packets += 1;
            give(found, place, taker)?;
        }
        if ended && packets == 0 {
            bail!("nothing to decode: {} has no hex in it", name.unwrap_or("stdin"));
        }
        if ended {
            say_passed_over(paste.passed_over(), name.unwrap_or("stdin"));
            return Ok(());
        }
    }
}

/// Says that lines hold nothing to decode.
fn say_passed_over(PassedOver { lines, first }: PassedOver, name: &str) {
    match lines {
        0 => {}
        1 => output::note(format_args!("{name}: line {first} is text without a packet, and was passed over")),
        _ => output::note(format_args!(
            "{name}: {lines} lines are text without a packet, and were passed over; line {first} is the first"
        )),
    }
}

fn give(found: Found, place: impl Fn(usize) -> String, taker: &mut impl Taker) -> anyhow::Result<()> {
    match found {
        Found::Packet { line, octets } => give_octets(&octets, &place(line), taker),
        Found::Bad(bad) => {
            taker.bad(&bad.at(&place(bad.line)));
            Ok(())
        }
    }
}

/// Octets without a sender, which may be a frame with a packet in it.
fn give_octets(octets: &[u8], place: &str, taker: &mut impl Taker) -> anyhow::Result<()> {
    let frame = frame::unwrap(octets);
    taker.packet(&Packet {
        exporter: frame.as_ref().map_or(NOBODY, |frame| frame.source.into()),
        received: None,
        octets: frame.as_ref().map_or(octets, |frame| &frame.payload),
        place,
        out_of: frame.as_ref().map(|frame| frame.link),
        truncated: frame.as_ref().is_some_and(|frame| frame.truncated),
    })
}
