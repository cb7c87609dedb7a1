//! Export packets from a file instead of a socket: a capture, or IPFIX messages.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use netflow_templates::Timestamp;
use netflow_wire::Message;

use crate::batch::Batch;
use crate::capture::{CaptureError, CaptureReader, CaptureStatistics};
use crate::ipfix_file::{IpfixFileReader, IpfixFileStatistics, looks_like_ipfix};
use crate::receiver::Shards;
use crate::report::{Counters, Event};

/// Datagrams handed on together.
const BATCH: usize = 64;

/// Octets that tell a capture from IPFIX messages.
const FIRST: usize = 20;
/// The sender of messages of a file, which does not say who it was.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A file, with its first octets apart: it may be a pipe.
type Input = io::Chain<Cursor<Vec<u8>>, File>;

/// A file of export packets, opened.
#[derive(Debug)]
pub(crate) enum Feed {
    Capture(Box<CaptureReader<Input>>),
    Messages(IpfixFileReader<Input>),
}

/// What was in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FeedStatistics {
    Capture(CaptureStatistics),
    Messages(IpfixFileStatistics),
}

/// Begins to read an opened file, a capture or IPFIX messages: told by its content, and where that says nothing,
/// by its ending.
pub(crate) fn begin(path: &Path, mut file: File) -> Result<Feed, CaptureError> {
    let failed = |source| CaptureError::Read { at: 0, source };
    let mut first = Vec::new();
    file.by_ref().take(FIRST as u64).read_to_end(&mut first).map_err(failed)?;
    let named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ipfix"));
    let messages = looks_like_ipfix(&first) || named && !first.is_empty();
    let input = Cursor::new(first).chain(file);
    Ok(match messages {
        true => Feed::Messages(IpfixFileReader::new(input)),
        false => Feed::Capture(Box::new(CaptureReader::new(input)?)),
    })
}

/// An export packet: sender, time, octets.
type Fed<'a> = (SocketAddr, Timestamp, &'a [u8]);

impl Feed {
    /// The next export packet. A message of a file has its export time.
    fn next(&mut self) -> Result<Option<Fed<'_>>, CaptureError> {
        match self {
            Self::Capture(capture) => {
                let datagram = capture.next_datagram()?;
                Ok(datagram.map(|datagram| (datagram.source, datagram.time, datagram.payload)))
            }
            Self::Messages(file) => {
                let at = file.offset();
                let message = file.next_message().map_err(|source| CaptureError::Read { at, source })?;
                let Some(message) = message else { return Ok(None) };
                let header = Message::parse(message.octets).map(|message| message.header().export_nanos());
                let time = Timestamp::from_nanos(header.unwrap_or_default());
                Ok(Some((NOBODY, time, message.octets)))
            }
        }
    }

    fn statistics(&self) -> FeedStatistics {
        match self {
            Self::Capture(capture) => FeedStatistics::Capture(capture.statistics()),
            Self::Messages(file) => FeedStatistics::Messages(file.statistics()),
        }
    }
}

/// Gives the export packets of a file to the shards, as fast as these take them.
pub(crate) struct Feeder {
    pub(crate) feed: Feed,
    pub(crate) shards: Shards,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) events: Sender<Event>,
}

impl Feeder {
    /// Runs to the end of the file, or until told to stop. The flag says that it could not be read to its end.
    pub(crate) fn run(mut self) -> (FeedStatistics, bool) {
        let mut batches = self.shards.batches();
        let mut failed = false;
        while !self.stop.load(Ordering::Relaxed) {
            match self.feed.next() {
                Ok(Some((source, time, payload))) => {
                    Counters::add(&self.counters.received, 1);
                    Counters::add(&self.counters.received_octets, payload.len());
                    let shard = self.shards.of(source);
                    let batch = &mut batches[shard];
                    if batch.len() >= BATCH || !batch.has_room(payload.len()) {
                        self.shards.send(shard, std::mem::take(batch), &self.counters);
                    }
                    batch.push(source, time, payload);
                }
                Ok(None) => break,
                Err(error) => {
                    failed = true;
                    // Nobody may be taking events.
                    let _ = self.events.send_timeout(Event::Capture(error), Duration::from_secs(1));
                    break;
                }
            }
        }
        for (shard, batch) in
            batches.into_iter().enumerate().filter(|(_, batch): &(usize, Batch)| !batch.is_empty())
        {
            self.shards.send(shard, batch, &self.counters);
        }
        (self.feed.statistics(), failed)
    }
}
