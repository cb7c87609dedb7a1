//! `nf decode`: explains export packets.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context as _;
use netflow_collector::capture::{CaptureReader, looks_like_capture};
use netflow_flow::PacketWriter;
use netflow_templates::{Exporter, Problem, Session, Timestamp};
use netflow_wire::WireError;

use crate::Outcome;
use crate::args::{Decode, DecodeFormat};
use crate::input;
use crate::output;

mod text;

use text::TextWriter;

/// The sender of a packet that came without one.
const NOBODY: Exporter = Exporter { address: std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };

pub(crate) fn run(args: &Decode) -> anyhow::Result<Outcome> {
    if args.hex.is_empty() && args.file.is_empty() {
        anyhow::bail!("nothing to decode: give hex, `-` to read hex from stdin, or --file FILE");
    }
    let mut decoder = Decoder {
        session: Session::with_config(input::session_config(&args.decoding)?),
        writer: Writer::new(args.format),
        out: BufWriter::new(io::stdout().lock()),
        text: Vec::new(),
        packets: 0,
        bad: 0,
        undecoded: 0,
    };
    let mut unreadable = 0;
    for (index, hex) in args.hex.iter().enumerate() {
        if hex == "-" {
            decoder.stdin()?;
        } else {
            decoder.hex(hex, &format!("packet {} of the command line", index + 1))?;
        }
    }
    for path in &args.file {
        if let Err(error) = decoder.file(path) {
            if output::is_closed_pipe(&error) {
                return Err(error);
            }
            output::error(format_args!("{error:#}"));
            unreadable += 1;
        }
    }
    decoder.out.flush()?;
    if decoder.undecoded > 0 {
        let (sets, octets) = decoder.session.waiting();
        output::note(format_args!(
            "{} came without a template; {sets} of {octets} octets still wait for one",
            output::count(decoder.undecoded, "data set")
        ));
    }
    if unreadable > 0 && decoder.packets == 0 && decoder.bad == 0 {
        anyhow::bail!("nothing could be decoded");
    }
    let bad = decoder.bad > 0 || unreadable > 0;
    Ok(if bad { Outcome::BadInput } else { Outcome::Done })
}

/// How packets are printed.
enum Writer {
    Text(TextWriter),
    Json(PacketWriter),
}

impl Writer {
    fn new(format: DecodeFormat) -> Self {
        match format {
            DecodeFormat::Text => Self::Text(TextWriter::default()),
            DecodeFormat::Json => Self::Json(PacketWriter::new()),
        }
    }

    fn decode(
        &mut self,
        session: &mut Session,
        exporter: Exporter,
        received: Timestamp,
        octets: &[u8],
    ) -> Result<usize, WireError> {
        match self {
            Self::Text(text) => session.decode(exporter, received, octets, text),
            Self::Json(json) => session.decode(exporter, received, octets, json),
        }
    }

    fn problems(&self) -> &[Problem] {
        match self {
            Self::Text(text) => text.problems(),
            Self::Json(json) => json.problems(),
        }
    }

    /// Writes the packet that was decoded, of `length` octets.
    fn write(&mut self, length: usize, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => text.write(length, out),
            Self::Json(json) => json.write_packet(out),
        }
    }
}

struct Decoder<W> {
    session: Session,
    writer: Writer,
    out: W,
    text: Vec<u8>,
    packets: u64,
    bad: u64,
    undecoded: u64,
}

impl<W: Write> Decoder<W> {
    fn hex(&mut self, text: &str, place: &str) -> anyhow::Result<()> {
        match input::hex(text) {
            Ok(octets) => {
                self.messages(NOBODY, Timestamp::from(std::time::SystemTime::now()), &octets, place)
            }
            Err(error) => {
                self.bad += 1;
                output::error(format_args!("{place}: {error}"));
                Ok(())
            }
        }
    }

    fn stdin(&mut self) -> anyhow::Result<()> {
        for (number, line) in io::stdin().lock().lines().enumerate() {
            let line = line.context("cannot read stdin")?;
            if !line.trim().is_empty() {
                self.hex(&line, &format!("line {} of stdin", number + 1))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut file = BufReader::new(File::open(path).with_context(|| input::cannot_read(path))?);
        let start = file.fill_buf().with_context(|| input::cannot_read(path))?;
        if start.is_empty() {
            anyhow::bail!("{} is empty", path.display());
        }
        if looks_like_capture(start) {
            return self.capture(path, file);
        }
        let mut octets = Vec::new();
        file.read_to_end(&mut octets).with_context(|| input::cannot_read(path))?;
        self.messages(
            NOBODY,
            Timestamp::from(std::time::SystemTime::now()),
            &octets,
            &path.display().to_string(),
        )
    }

    fn capture(&mut self, path: &Path, file: impl Read) -> anyhow::Result<()> {
        let name = path.display().to_string();
        let mut capture = CaptureReader::new(file).with_context(|| name.clone())?;
        while let Some(datagram) = capture.next_datagram().with_context(|| name.clone())? {
            let place = format!("{name}: frame {}", datagram.frame);
            self.messages(datagram.source.into(), datagram.time, datagram.payload, &place)?;
        }
        let statistics = capture.statistics();
        if statistics.datagrams == 0 {
            output::note(format_args!(
                "{name}: no UDP packets in {}",
                output::count(statistics.frames, "frame")
            ));
        }
        if statistics.truncated > 0 {
            output::note(format_args!(
                "{name}: {} cut off by the capture's snap length",
                output::count(statistics.truncated, "packet")
            ));
        }
        Ok(())
    }

    /// Decodes export packets that follow each other: one, or IPFIX messages.
    fn messages(
        &mut self,
        exporter: Exporter,
        received: Timestamp,
        octets: &[u8],
        place: &str,
    ) -> anyhow::Result<()> {
        let mut at = 0;
        while at < octets.len() {
            // An IPFIX message may be followed by zeros that some exporters fill a datagram with.
            if at > 0 && octets[at..].iter().all(|&octet| octet == 0) {
                break;
            }
            let place = if at > 0 { format!("{place}, octet {at}") } else { place.to_owned() };
            match self.writer.decode(&mut self.session, exporter, received, &octets[at..]) {
                Ok(length) => {
                    self.packets += 1;
                    self.problems(exporter, &place);
                    self.writer.write(length, &mut self.text);
                    self.out.write_all(&self.text)?;
                    self.text.clear();
                    at += length;
                }
                Err(error) => {
                    self.bad += 1;
                    output::error(format_args!("{place}: {error}"));
                    break;
                }
            }
        }
        Ok(())
    }

    fn problems(&mut self, exporter: Exporter, place: &str) {
        let mut malformed = false;
        for problem in self.writer.problems() {
            if let Problem::MissingTemplate { .. } = problem {
                self.undecoded += 1;
                continue;
            }
            malformed |= problem.is_malformed();
            if exporter == NOBODY {
                output::error(format_args!("{place}: {problem}"));
            } else {
                output::error(format_args!("{place} from {}: {problem}", SocketAddr::from(exporter)));
            }
        }
        self.bad += u64::from(malformed);
    }
}
