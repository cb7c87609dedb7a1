//! The lines of a flow file, and of what format they are.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use super::parse::{Kind, Line};
use super::{ReadError, csv, flow_line, packets};
use crate::gzip;

/// The longest line that is read: what is longer is no line of a flow file.
pub(super) const MAX_LINE: u64 = 64 << 20;
/// How far the end of a quoted cell is looked for behind its line.
pub(super) const MAX_ROW: usize = 1 << 20;

/// Reads lines.
pub(super) struct Lines<'a> {
    input: Box<dyn BufRead + Send + 'a>,
    /// What the lines are; `None` when none could be read yet.
    kind: Option<Kind>,
    /// Whether there was an object among those that could not be read.
    json: bool,
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
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: impl Read + Send + 'a) -> Result<Self, ReadError> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let start = input.fill_buf().map_err(|source| ReadError::Io { line: 0, source })?;
        if start.is_empty() {
            return Err(ReadError::Empty);
        }
        let input: Box<dyn BufRead + Send + 'a> = if gzip::is_gzip(start) {
            Box::new(BufReader::with_capacity(1 << 18, gzip::Members::new(input)))
        } else {
            Box::new(input)
        };
        Ok(Self {
            input,
            kind: None,
            json: false,
            line: Vec::new(),
            ahead: VecDeque::new(),
            error_ahead: None,
            looked_through: 0,
            number: 0,
            done: false,
            lost: false,
        })
    }

    /// Number of the line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that holds something, without line ends; `None` at the end of the file.
    ///
    /// After an error that [is recoverable](ReadError::is_recoverable) the next line can be read; after any
    /// other the file ends.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        loop {
            if self.done || !self.read_line()? {
                return Ok(None);
            }
            if matches!(self.kind, Some(Kind::Csv(_))) {
                self.read_rest_of_quoted()?;
            }
            if !self.line.trim_ascii().is_empty() && (self.kind.is_some() || self.recognise()?) {
                break;
            }
        }
        Ok(self.kind.as_ref().map(|kind| self.line_of(kind)))
    }

    fn line_of<'b>(&'b self, kind: &'b Kind) -> Line<'b> {
        let whole = self.line.ends_with(b"\n");
        Line { kind, text: self.line.trim_ascii(), number: self.number, whole }
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
        if line.starts_with(b"{") {
            self.json = true;
            if packets::is_packet_line(line) {
                self.kind = Some(Kind::Packets);
                return Ok(true);
            }
        } else if let Some(csv) = csv::CsvLines::new(line) {
            self.kind = Some(Kind::Csv(Arc::new(csv)));
            return Ok(false);
        }
        if self.json {
            flow_line::read(line).map_err(|reason| self.line_of(&Kind::Flows).wrong(reason))?;
            self.kind = Some(Kind::Flows);
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
