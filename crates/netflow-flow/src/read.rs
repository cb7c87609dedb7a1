//! Reading flow files: all that `nf collect` writes, the files of PyPI `netflow`, and what `nf decode` prints as JSON.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::num::NonZero;
use std::ops::ControlFlow;

use netflow_templates::{Registry, Timestamp};

use self::lines::Lines;
use self::packets::PacketLines;
use self::parse::{Content, Line, Parsed};
use crate::file::Format;
use crate::normalize::{Normalizer, SamplingOverride};
use crate::schema::Flow;

mod ahead;
mod csv;
mod flow_line;
mod json;
mod lines;
mod packets;
mod parse;

pub use packets::OptionsProblems;

/// What is wrong with a flow file, or with one line of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file has no octets.
    #[error("the file is empty")]
    Empty,
    /// The file is of no format that is known.
    #[error("it holds no flows: it is neither gzip nor JSON lines nor CSV of flows; it starts with {start}")]
    UnknownFormat {
        /// Its first octets, as hex.
        start: String,
    },
    /// The file ends in the middle of compressed data or of a line, as when its writer was killed.
    #[error("the file is cut off after line {line}; everything before was read")]
    CutOff {
        /// Last whole line, from 1; 0 when there is none.
        line: u64,
    },
    /// The compressed data are damaged.
    #[error(
        "the compressed data from octet {from} on are damaged after line {line} ({reason}); everything before was \
         read, nothing that can be read follows"
    )]
    Damaged {
        /// Last whole line, from 1; 0 when there is none.
        line: u64,
        /// Where the data start that cannot be read to their end, from 0.
        from: u64,
        /// What the decompressor says.
        reason: String,
    },
    /// Some of the compressed data are damaged; what follows them can be read.
    #[error(
        "octets {from} to {to} are damaged ({reason}): what they hold after line {line} is lost; behind them it goes on"
    )]
    Lost {
        /// Last whole line, from 1; 0 when there is none.
        line: u64,
        /// Where the damaged data start, from 0.
        from: u64,
        /// Where the good ones behind them start.
        to: u64,
        /// What the decompressor says.
        reason: String,
    },
    /// One line cannot be read; the next ones can be.
    #[error("line {line}: {reason}")]
    Line {
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be read.
    #[error("reading failed after line {line}: {source}")]
    Io {
        /// Last whole line, from 1; 0 when there is none.
        line: u64,
        /// The system's error.
        source: io::Error,
    },
}

impl ReadError {
    /// Whether reading can go on after it.
    pub fn is_recoverable(&self) -> bool {
        matches!(self, Self::Line { .. } | Self::Lost { .. })
    }
}

/// Reads flows, whatever the format: it is told by the content, not by the name.
///
/// Memory is bounded by the longest line (some ten times its length, at worst), not by the file.
pub struct FlowReader<'a> {
    lines: Lines<'a>,
    parsed: Parsed,
    taken: Taken,
}

/// What lines made of the reader so far.
struct Taken {
    /// Number of the last one, from 1.
    line: u64,
    packets: PacketLines,
    last_packet: Option<Timestamp>,
}

impl<'a> FlowReader<'a> {
    /// A reader of a file's content, with the built-in registry.
    pub fn new(input: impl Read + Send + 'a) -> Result<Self, ReadError> {
        Self::with_registry(input, Registry::new(), None)
    }

    /// A reader that knows the elements of `registry`, and believes the user about sampling if told so.
    pub fn with_registry(
        input: impl Read + Send + 'a,
        registry: Registry,
        sampling: SamplingOverride,
    ) -> Result<Self, ReadError> {
        let packets = PacketLines::new(registry, Normalizer::with_sampling_override(sampling));
        Ok(Self {
            lines: Lines::new(input)?,
            parsed: Parsed::default(),
            taken: Taken { line: 0, packets, last_packet: None },
        })
    }

    /// Replaces the content of `flows` by those of the next line: an export packet's, or one flow. False at
    /// the end of the file.
    ///
    /// After an error that [is recoverable](ReadError::is_recoverable) the next line can be read; after any
    /// other the file ends.
    pub fn read(&mut self, flows: &mut Vec<Flow>) -> Result<bool, ReadError> {
        let end = match self.lines.next() {
            Ok(Some(line)) => {
                self.parsed.parse(&line);
                return self.taken.take(&line, &mut self.parsed, flows).map(|()| true);
            }
            Ok(None) => Ok(false),
            Err(error) => {
                self.taken.line = self.lines.number();
                Err(error)
            }
        };
        flows.clear();
        end
    }

    /// Reads what is left of the file, and hands `take` all that [`read`](Self::read) would return, in the same order,
    /// until it breaks. Unpacking, and parsing by that many threads, go on beside it: a line is not taken before some
    /// of those that follow it were read, so that this is for files and not for what comes as it is written.
    pub fn read_all(
        &mut self,
        threads: NonZero<usize>,
        mut take: impl FnMut(Result<&mut Vec<Flow>, ReadError>) -> ControlFlow<()>,
    ) {
        let Self { lines, taken, .. } = self;
        let mut flows = Vec::new();
        ahead::read(lines, threads, &mut |next| {
            let read = match next {
                Ok((line, parsed)) => taken.take(&line, parsed, &mut flows),
                Err((number, error)) => {
                    taken.line = number;
                    Err(error)
                }
            };
            take(read.map(|()| &mut flows))
        });
    }

    /// Number of the line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.taken.line
    }

    /// Names of fields that no registry knows, whose values were left out.
    pub fn unknown_fields(&self) -> BTreeSet<String> {
        self.taken.packets.unknown_fields().clone()
    }

    /// What was wrong with options data so far: what they said that is not believed, or is more than is kept.
    pub fn options_problems(&self) -> Option<OptionsProblems> {
        self.taken.packets.options_problems()
    }

    /// Receive time of the export packet that was read last; `None` for files of flows.
    pub fn last_packet(&self) -> Option<Timestamp> {
        self.taken.last_packet
    }
}

impl Taken {
    /// Replaces the content of `flows` by those of a line.
    fn take(&mut self, line: &Line<'_>, parsed: &mut Parsed, flows: &mut Vec<Flow>) -> Result<(), ReadError> {
        self.line = line.number;
        let one = match parsed.take() {
            Ok((Content::Packet(packet), records)) => {
                self.last_packet = Some(packet.received);
                self.packets.take(&packet, records, line.number, flows);
                return Ok(());
            }
            Ok((Content::Flow(flow), _)) => Ok(flow),
            Err(reason) => Err(line.wrong(reason)),
        };
        flows.clear();
        flows.push(*one?);
        Ok(())
    }
}

impl std::fmt::Debug for FlowReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowReader").field("line", &self.taken.line).finish_non_exhaustive()
    }
}

/// What a line is of, or the line of column names; `None` when it is neither flows nor that.
pub(crate) fn line_format(line: &[u8]) -> Option<Format> {
    if line.starts_with(b"{") {
        let packets = packets::is_packet_line(line).then_some(Format::Packets);
        return packets.or_else(|| flow_line::read(line).is_ok().then_some(Format::FlowLines));
    }
    csv::CsvLines::new(line).map(|_| Format::Csv)
}

#[cfg(test)]
mod tests;
