//! Blocks: what a shard has encoded, and the writer appends.

use std::io;
use std::time::{Duration, Instant};

use netflow_flow::{FlowEncoder, Flows, Format, GzipBlock};
use netflow_parquet::{EncodedRowGroup, RowGroup};

/// Octets of text after which a block is full.
const TEXT: usize = 256 << 10;
/// How often encoders are asked whether they are due, as a shard's flush interval usually is: what would wait too long
/// until the next time is due before.
const ASKED: Duration = Duration::from_secs(1);

/// Encoded flows: some lines of text, compressed or not, or a row group.
#[derive(Debug)]
pub(crate) struct Block {
    /// How many flows it has.
    pub(crate) flows: u64,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    Text(Vec<u8>),
    RowGroup(EncodedRowGroup),
    /// Flows that could not be encoded.
    Failed(io::Error),
}

impl Block {
    pub(crate) fn octets(&self) -> u64 {
        match &self.body {
            Body::Text(text) => text.len() as u64,
            Body::RowGroup(group) => group.length() as u64,
            Body::Failed(_) => 0,
        }
    }
}

/// How the flows of one output are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// The format.
    pub format: Format,
    /// Whether it is compressed with gzip. Parquet is compressed by itself.
    pub gzip: bool,
    /// How long flows may wait in memory at most before they are handed to the writer.
    pub flush: Duration,
}

/// Makes blocks in one format.
#[derive(Debug)]
pub(crate) struct BlockEncoder {
    format: Format,
    flush: Duration,
    kind: Kind,
    flows: u64,
    failed: Option<io::Error>,
    /// When the first of the flows came that wait.
    since: Option<Instant>,
}

#[derive(Debug)]
enum Kind {
    Text(Box<FlowEncoder>),
    Parquet(Box<RowGroup>),
}

impl BlockEncoder {
    pub(crate) fn new(encoding: Encoding) -> io::Result<Self> {
        let Encoding { format, gzip, flush } = encoding;
        let kind = match format {
            Format::Parquet => Kind::Parquet(Box::new(RowGroup::new().map_err(io::Error::other)?)),
            _ => {
                let encoder = FlowEncoder::new(format, gzip.then(GzipBlock::default), None);
                Kind::Text(Box::new(encoder.map_err(io::Error::other)?))
            }
        };
        Ok(Self { format, flush, kind, flows: 0, failed: None, since: None })
    }

    /// The encoder of whole export packets; `None` when it is [`flows`](Self::flows) that are wanted.
    pub(crate) fn packets(&mut self) -> Option<&mut FlowEncoder> {
        match &mut self.kind {
            Kind::Text(encoder) if self.format == Format::Packets => Some(encoder),
            _ => None,
        }
    }

    /// Notes flows that were given to [`packets`](Self::packets).
    pub(crate) fn count(&mut self, flows: usize) {
        self.flows += flows as u64;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Appends flows.
    pub(crate) fn flows(&mut self, flows: &Flows) {
        self.count(flows.len());
        match &mut self.kind {
            Kind::Text(encoder) => encoder.flows(flows),
            Kind::Parquet(group) => {
                if self.failed.is_none() {
                    self.failed = group.push(flows).err().map(io::Error::other);
                }
            }
        }
    }

    /// Whether there is enough for a block.
    pub(crate) fn is_full(&self) -> bool {
        match &self.kind {
            Kind::Text(encoder) => encoder.buffered() >= TEXT,
            Kind::Parquet(group) => group.is_full() || self.failed.is_some(),
        }
    }

    /// Whether what waits has waited long enough to be a block. Text without flows, as of packets that have none, does
    /// not wait.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let waited = self.since.map(|since| now.saturating_duration_since(since));
        waited.map_or(matches!(self.kind, Kind::Text(_)), |waited| waited + ASKED > self.flush)
    }

    /// What waits, if anything does.
    pub(crate) fn take(&mut self) -> Option<Block> {
        self.since = None;
        let flows = std::mem::take(&mut self.flows);
        let body = match &mut self.kind {
            Kind::Text(encoder) => encoder.take_block().map(|block| block.map(Body::Text)),
            Kind::Parquet(group) => match self.failed.take() {
                Some(error) => {
                    // What a failure left of it is of no use.
                    RowGroup::new().map(|new| **group = new).map_err(io::Error::other).and(Err(error))
                }
                None if group.rows() == 0 => Ok(None),
                None => group.finish().map(|group| Some(Body::RowGroup(group))).map_err(io::Error::other),
            },
        };
        let body = body.unwrap_or_else(|error| Some(Body::Failed(error)))?;
        Some(Block { flows, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flow_waits_longer_than_the_flush_time_when_asked_each_second() {
        let one = || {
            let mut flows = Flows::new();
            flows.push(&netflow_flow::Flow::default());
            flows
        };
        for format in [Format::Parquet, Format::Csv] {
            for seconds in [1, 2, 10] {
                let flush = Duration::from_secs(seconds);
                let mut encoder = BlockEncoder::new(Encoding { format, gzip: false, flush }).unwrap();
                encoder.flows(&one());
                let since = encoder.since.unwrap();
                // Asked at any time of a second, it is due the last time before the flush time, and not before that.
                for offset in [0, 1, 500, 999].map(Duration::from_millis) {
                    let due =
                        (0..20).map(|tick| offset + ASKED * tick).find(|&at| encoder.is_due_at(since + at));
                    let due = due.unwrap();
                    assert!(due <= flush && due + ASKED > flush, "{format:?} {flush:?} {due:?}");
                }
                encoder.take().unwrap();
                encoder.flows(&one());
                assert!(encoder.since.unwrap() >= since);
            }
        }
    }
}
