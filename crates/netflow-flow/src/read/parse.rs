//! What a line says, which nothing in other lines changes.

use std::sync::Arc;

use super::csv::CsvLines;
use super::packets::{self, Packet, Records};
use super::{ReadError, flow_line};
use crate::schema::Flow;

/// Characters of what is wrong with a line.
const MAX_REASON: usize = 300;

/// What the lines of a file are.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Export packets.
    Packets,
    /// Flows.
    Flows,
    /// Flows, below a line of column names.
    Csv(Arc<CsvLines>),
}

/// A line of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) kind: &'a Kind,
    /// Without space around it.
    pub(super) text: &'a [u8],
    /// From 1.
    pub(super) number: u64,
    /// Whether it has an end.
    pub(super) whole: bool,
}

impl Line<'_> {
    /// The error of a line that cannot be parsed.
    pub(super) fn wrong(&self, reason: String) -> ReadError {
        match self.whole {
            true => ReadError::Line { line: self.number, reason: short(reason) },
            // Nothing follows a line without an end.
            false => ReadError::CutOff { line: self.number - 1 },
        }
    }
}

/// What a line says, in reused memory.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    content: Option<Result<Content, String>>,
    records: Records,
}

/// See [`Parsed`].
#[derive(Debug)]
pub(super) enum Content {
    /// An export packet, whose records are apart.
    Packet(Packet),
    /// A flow.
    Flow(Box<Flow>),
}

impl Parsed {
    /// Parses a line.
    pub(super) fn parse(&mut self, line: &Line<'_>) {
        let flow = |flow| Content::Flow(Box::new(flow));
        self.content = Some(match line.kind {
            Kind::Packets => packets::parse(line.text, &mut self.records).map(Content::Packet),
            Kind::Flows => flow_line::read(line.text).map(flow),
            Kind::Csv(csv) => csv.read(line.text).map(flow),
        });
    }

    /// Octets of memory that are used again.
    pub(super) fn memory(&self) -> usize {
        self.records.memory()
    }

    /// Takes what the line says, with the records of an export packet, or why it says nothing.
    pub(super) fn take(&mut self) -> Result<(Content, &Records), String> {
        let content = self.content.take().unwrap_or_else(|| Err("was not read".into()))?;
        Ok((content, &self.records))
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
