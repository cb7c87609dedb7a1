//! Reading flow files: all that `nf collect` writes, the files of PyPI `netflow`, and what `nf decode` prints as JSON.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufRead, BufReader, Read};

use netflow_templates::{Registry, Timestamp};

use crate::file::Format;
use crate::gzip;
use crate::normalize::{Normalizer, SamplingOverride};
use crate::schema::Flow;

mod csv;
mod flow_line;
mod json;
mod packets;

pub use packets::OptionsProblems;

/// The longest line that is read: what is longer is no line of a flow file.
const MAX_LINE: u64 = 64 << 20;
/// Characters of what is wrong with a line.
const MAX_REASON: usize = 300;
/// How far the end of a quoted cell is looked for behind its line.
const MAX_ROW: usize = 1 << 20;

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
    input: Box<dyn BufRead + 'a>,
    lines: Lines,
    line: Vec<u8>,
    /// Octets that were read already and belong to the next lines, and the error that came behind them.
    ahead: VecDeque<u8>,
    error_ahead: Option<ReadError>,
    /// Lines up to here were looked through for the end of a quoted cell already.
    looked_through: u64,
    number: u64,
    done: bool,
    /// Damage was passed over: the text behind it may begin within a line.
    lost: bool,
    last_packet: Option<Timestamp>,
}

/// How lines become flows.
enum Lines {
    /// No line could be read yet; `json` says whether there was an object.
    Unknown {
        registry: Box<Registry>,
        normalizer: Box<Normalizer>,
        json: bool,
    },
    Packets(Box<packets::PacketLines>),
    Flows,
    Csv(csv::CsvLines),
}

impl<'a> FlowReader<'a> {
    /// A reader of a file's content, with the built-in registry.
    pub fn new(input: impl Read + 'a) -> Result<Self, ReadError> {
        Self::with_registry(input, Registry::new(), None)
    }

    /// A reader that knows the elements of `registry`, and believes the user about sampling if told so.
    pub fn with_registry(
        input: impl Read + 'a,
        registry: Registry,
        sampling: SamplingOverride,
    ) -> Result<Self, ReadError> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let start = input.fill_buf().map_err(|source| ReadError::Io { line: 0, source })?;
        if start.is_empty() {
            return Err(ReadError::Empty);
        }
        let input: Box<dyn BufRead + 'a> = if gzip::is_gzip(start) {
            Box::new(BufReader::with_capacity(1 << 18, gzip::Members::new(input)))
        } else {
            Box::new(input)
        };
        let lines = Lines::Unknown {
            registry: Box::new(registry),
            normalizer: Box::new(Normalizer::with_sampling_override(sampling)),
            json: false,
        };
        let (ahead, error_ahead) = (VecDeque::new(), None);
        let (line, looked_through, number) = (Vec::new(), 0, 0);
        let (done, lost, last_packet) = (false, false, None);
        Ok(Self { input, lines, line, ahead, error_ahead, looked_through, number, done, lost, last_packet })
    }

    /// Replaces the content of `flows` by those of the next line: an export packet's, or one flow. False at
    /// the end of the file.
    ///
    /// After an error that [is recoverable](ReadError::is_recoverable) the next line can be read; after any
    /// other the file ends.
    pub fn read(&mut self, flows: &mut Vec<Flow>) -> Result<bool, ReadError> {
        loop {
            flows.clear();
            if self.done || !self.read_line()? {
                return Ok(false);
            }
            if matches!(self.lines, Lines::Csv(_)) {
                self.read_rest_of_quoted()?;
            }
            let line = self.line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            if matches!(self.lines, Lines::Unknown { .. }) && !self.recognise()? {
                continue;
            }
            let line = self.line.trim_ascii();
            let whole = self.line.ends_with(b"\n");
            let wrong = |reason| match whole {
                true => ReadError::Line { line: self.number, reason: short(reason) },
                // Nothing follows a line without an end.
                false => ReadError::CutOff { line: self.number - 1 },
            };
            match &mut self.lines {
                Lines::Packets(packets) => {
                    self.last_packet = Some(packets.read(line, self.number, flows).map_err(wrong)?);
                }
                Lines::Csv(csv) => flows.push(csv.read(line).map_err(wrong)?),
                lines => {
                    flows.push(flow_line::read(line).map_err(wrong)?);
                    *lines = Lines::Flows;
                }
            }
            return Ok(true);
        }
    }

    /// Number of the line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.number
    }

    /// Names of fields that no registry knows, whose values were left out.
    pub fn unknown_fields(&self) -> BTreeSet<String> {
        match &self.lines {
            Lines::Packets(packets) => packets.unknown_fields().clone(),
            _ => BTreeSet::new(),
        }
    }

    /// What was wrong with options data so far: what they said that is not believed, or is more than is kept.
    pub fn options_problems(&self) -> Option<OptionsProblems> {
        match &self.lines {
            Lines::Packets(packets) => packets.options_problems(),
            _ => None,
        }
    }

    /// Receive time of the export packet that was read last; `None` for files of flows.
    pub fn last_packet(&self) -> Option<Timestamp> {
        self.last_packet
    }

    /// A line feed within quotes is part of a cell (RFC 4180): what follows it belongs to the line. When the
    /// quote is not closed, the lines that follow are lines of their own.
    fn read_rest_of_quoted(&mut self) -> Result<(), ReadError> {
        let (number, length) = (self.number, self.line.len());
        let (mut quotes, mut seen) = (csv::Quotes::default(), 0);
        loop {
            quotes.read(&self.line[seen..]);
            seen = self.line.len();
            if quotes.are_closed() {
                return Ok(());
            }
            // Each line is looked through once, or many open quotes would take for ever.
            if quotes.are_wrong() || seen >= MAX_ROW || number < self.looked_through {
                break;
            }
            match self.read_more() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.error_ahead = Some(error);
                    break;
                }
            }
        }
        let cut_off = !self.line.ends_with(b"\n") && self.line.len() == length;
        if cut_off && !quotes.are_wrong() {
            return Err(ReadError::CutOff { line: number - 1 });
        }
        for octet in self.line.drain(length..).rev() {
            self.ahead.push_front(octet);
        }
        self.looked_through = self.looked_through.max(self.number);
        (self.number, self.done) = (number, false);
        Err(ReadError::Line { line: number, reason: "a quote is not closed".into() })
    }

    fn read_line(&mut self) -> Result<bool, ReadError> {
        self.line.clear();
        self.read_more()
    }

    /// Appends the next line; false at the end of the file.
    fn read_more(&mut self) -> Result<bool, ReadError> {
        if self.ahead.is_empty()
            && let Some(error) = self.error_ahead.take()
        {
            self.done = !error.is_recoverable();
            return Err(error);
        }
        let start = self.line.len();
        let room = MAX_LINE.saturating_sub(start as u64);
        let result = self.ahead.read_until(b'\n', &mut self.line);
        let result = match self.line[start..].ends_with(b"\n") || self.error_ahead.is_some() {
            true => result,
            false => (&mut self.input).take(room).read_until(b'\n', &mut self.line),
        };
        let result = match result {
            Ok(_) if self.line.len() as u64 >= MAX_LINE && !self.line.ends_with(b"\n") => {
                self.line = Vec::new();
                self.number += 1;
                let reason = format!("is longer than {} MiB", MAX_LINE >> 20);
                match self.skip_line() {
                    Ok(()) => return Err(ReadError::Line { line: self.number, reason }),
                    Err(error) => Err(error),
                }
            }
            result => result,
        };
        match result {
            Ok(_) if self.line.len() == start => {
                self.done = true;
                Ok(false)
            }
            Ok(_) => {
                self.number += 1;
                Ok(true)
            }
            Err(error) => {
                let error = self.failed(error);
                self.lost |= matches!(error, ReadError::Lost { .. });
                self.done = !error.is_recoverable();
                if !self.done {
                    // The beginning of a line that was lost.
                    self.line.truncate(start);
                }
                Err(error)
            }
        }
    }

    /// What an error of the input means.
    fn failed(&self, error: io::Error) -> ReadError {
        let line = self.number;
        match error.get_ref().and_then(|source| source.downcast_ref::<gzip::Damage>()) {
            Some(gzip::Damage { from, to: Some(to), reason }) => {
                ReadError::Lost { line, from: *from, to: *to, reason: reason.clone() }
            }
            Some(gzip::Damage { from, to: None, reason }) => {
                ReadError::Damaged { line, from: *from, reason: reason.clone() }
            }
            None if error.kind() == io::ErrorKind::UnexpectedEof => ReadError::CutOff { line },
            None => ReadError::Io { line, source: error },
        }
    }

    /// Passes over the rest of a line, whatever its length.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let octets = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                octets => octets?,
            };
            let end = octets.iter().position(|&octet| octet == b'\n');
            let length = end.map_or(octets.len(), |end| end + 1);
            self.input.consume(length);
            if end.is_some() || length == 0 {
                return Ok(());
            }
        }
    }

    /// Tells the format by the first line that can be read. False when that line was a heading.
    fn recognise(&mut self) -> Result<bool, ReadError> {
        let line = self.line.trim_ascii();
        let Lines::Unknown { registry, normalizer, json } = &mut self.lines else { return Ok(true) };
        if line.starts_with(b"{") {
            *json = true;
            if packets::is_packet_line(line) {
                let (registry, normalizer) = (std::mem::take(registry), std::mem::take(normalizer));
                self.lines = Lines::Packets(Box::new(packets::PacketLines::new(*registry, *normalizer)));
            }
            return Ok(true);
        }
        if let Some(csv) = csv::CsvLines::new(line) {
            self.lines = Lines::Csv(csv);
            return Ok(false);
        }
        if *json {
            return Ok(true);
        }
        if self.lost {
            let reason = "is no flow, and what was before it is lost".into();
            return Err(ReadError::Line { line: self.number, reason });
        }
        self.done = true;
        let start = line.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
        Err(ReadError::UnknownFormat { start })
    }
}

/// What is wrong with a line may quote from it, and lines are long.
fn short(mut reason: String) -> String {
    if let Some((end, _)) = reason.char_indices().nth(MAX_REASON) {
        reason.truncate(end);
        reason.push_str("...");
    }
    reason
}

impl std::fmt::Debug for FlowReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowReader").field("line", &self.number).finish_non_exhaustive()
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
