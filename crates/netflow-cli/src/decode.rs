//! `nf decode`: explains export packets.

use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::time::SystemTime;

use netflow_flow::PacketWriter;
use netflow_templates::{Problem, Session, Timestamp};
use netflow_wire::{Message, WireError};

use crate::Outcome;
use crate::args::{Decode, DecodeFormat};
use crate::output::{self, count};

mod text;

mod body;
mod header;
mod meaning;
mod record;

mod explain;
mod oddities;
mod origin;
mod times;
mod tree;

mod borrowed;
mod input;

use borrowed::Borrowed;
use input::{NOBODY, Packet, Taker};
use origin::Origins;
use text::{TextSink, TextWriter};

pub(crate) fn run(args: &Decode) -> anyhow::Result<Outcome> {
    if args.hex.is_empty() && args.file.is_empty() {
        anyhow::bail!("nothing to decode: give hex, `-` to read hex from stdin, or --file FILE");
    }
    let config = crate::input::session_config(&args.decoding)?;
    let mut decoder = Decoder {
        borrowed: Borrowed::read(&args.template_from, &config)?,
        session: Session::with_config(config),
        origins: Origins::default(),
        writer: Writer::new(args.format),
        out: BufWriter::new(output::data()),
        text: Vec::new(),
        given: 0,
        packets: 0,
        bad: 0,
        undecoded: 0,
    };
    let mut unreadable = 0;
    let mut input = |result: anyhow::Result<()>| match result {
        Err(error) if output::is_closed_pipe(&error) => Err(error),
        Err(error) => {
            output::error(format_args!("{error:#}"));
            unreadable += 1;
            Ok(())
        }
        Ok(()) => Ok(()),
    };
    for (index, hex) in args.hex.iter().enumerate() {
        input(match hex.as_str() {
            "-" => input::stdin(&mut decoder),
            hex => input::argument(index + 1, hex, &mut decoder),
        })?;
    }
    for path in &args.file {
        input(input::file(path, &mut decoder))?;
    }
    decoder.out.flush()?;
    if decoder.undecoded > 0 {
        let (sets, octets) = decoder.session.waiting();
        let waiting = match sets {
            0 => "none still waits for one".to_owned(),
            1 => format!("1 still waits for one ({octets} octets)"),
            sets => format!("{sets} still wait for one ({octets} octets in all)"),
        };
        output::note(format_args!(
            "{} came without a template; {waiting}{}",
            count(decoder.undecoded, "data set"),
            if sets > 0 && args.template_from.is_empty() {
                ": --template-from FILE lends templates"
            } else {
                ""
            }
        ));
    }
    if decoder.given == 0 {
        anyhow::bail!("nothing could be decoded");
    }
    let bad = decoder.bad > 0 || unreadable > 0;
    Ok(if bad { Outcome::BadInput } else { Outcome::Done })
}

/// How packets are printed.
enum Writer {
    Text(Box<TextWriter>),
    Json(Box<PacketWriter>),
}

impl Writer {
    fn new(format: DecodeFormat) -> Self {
        match format {
            DecodeFormat::Text => Self::Text(Box::default()),
            DecodeFormat::Json => Self::Json(Box::default()),
        }
    }

    fn problems(&self) -> &[Problem] {
        match self {
            Self::Text(text) => text.problems(),
            Self::Json(json) => json.problems(),
        }
    }
}

struct Decoder<W> {
    session: Session,
    borrowed: Borrowed,
    origins: Origins,
    writer: Writer,
    out: W,
    text: Vec<u8>,
    /// What was given as an export packet, whether or not it is one.
    given: u64,
    packets: u64,
    bad: u64,
    undecoded: u64,
}

impl<W: Write> Taker for Decoder<W> {
    /// Decodes what was given as one packet: one, or IPFIX messages that follow each other.
    fn packet(&mut self, packet: &Packet<'_>) -> anyhow::Result<()> {
        let mut next = (!packet.octets.is_empty()).then_some(packet.octets);
        while let Some(rest) = next {
            let at = packet.octets.len() - rest.len();
            let place =
                if at > 0 { format!("{}, octet {at}", packet.place) } else { packet.place.to_owned() };
            if at > 0 && body::is_no_message(rest) {
                self.bad(&format!(
                    "{place}: no other message is in the {} behind the length that the message before gives",
                    count(rest.len() as u64, "octet")
                ));
                break;
            }
            let packet = Packet { octets: rest, place: &place, ..*packet };
            let length = self.message(&packet)?;
            next = length.and_then(|length| Message::following(rest, length));
        }
        Ok(())
    }

    fn bad(&mut self, what: &str) {
        self.bad += 1;
        output::error(what);
    }
}

impl<W: Write> Decoder<W> {
    /// Decodes the packet at the start of what was given, and writes it. Returns its length; none when nothing
    /// could be decoded.
    fn message(&mut self, packet: &Packet<'_>) -> anyhow::Result<Option<usize>> {
        self.given += 1;
        let received = packet.received.unwrap_or_else(|| Timestamp::from(SystemTime::now()));
        let Packet { exporter, octets, place, .. } = *packet;
        self.borrowed.lend(&mut self.session, &mut self.origins, exporter, received, octets);
        let decoded: Result<usize, WireError> = match &mut self.writer {
            Writer::Text(writer) => {
                let (origins, borrowed) = (&mut self.origins, &self.borrowed);
                let mut sink = TextSink { writer, origins, borrowed, octets, place };
                self.session.decode(exporter, received, octets, &mut sink)
            }
            Writer::Json(json) => self.session.decode(exporter, received, octets, &mut **json),
        };
        match &decoded {
            Ok(length) => {
                self.packets += 1;
                self.problems(packet);
                match &mut self.writer {
                    Writer::Text(text) => text.write(packet, octets, *length, &self.origins, &mut self.text),
                    Writer::Json(json) => json.write_packet(&mut self.text),
                }
            }
            Err(error) => {
                Taker::bad(self, &format!("{place}: {error}"));
                if let Writer::Text(_) = self.writer {
                    TextWriter::write_unreadable(packet, octets, error, &mut self.text);
                }
            }
        }
        self.out.write_all(&self.text)?;
        self.text.clear();
        // What is pasted, or piped by a program that runs, is answered at once.
        if packet.received.is_none() {
            self.out.flush()?;
        }
        Ok(decoded.ok())
    }

    fn problems(&mut self, packet: &Packet<'_>) {
        let Packet { exporter, place, .. } = *packet;
        let mut malformed = false;
        for problem in self.writer.problems() {
            if let Problem::MissingTemplate { .. } = problem {
                self.undecoded += 1;
                continue;
            }
            malformed |= problem.is_malformed();
            match exporter {
                NOBODY => output::error(format_args!("{place}: {problem}")),
                exporter => {
                    output::error(format_args!("{place} from {}: {problem}", SocketAddr::from(exporter)))
                }
            }
        }
        self.bad += u64::from(malformed);
    }
}
