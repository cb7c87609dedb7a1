//! Export packets of files, sent again.
//!
//! [`Replay`] takes them from [`Packets`] (a capture, or flows that are encoded anew), waits until each is due by its
//! [`Pace`], and sends it by a socket of the exporter that it is of: templates belong to exporters, so a collector
//! has to tell them apart.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use netflow_templates::Timestamp;

mod decoded;
mod encoded;
mod pace;
mod recorded;
mod sending;
mod shape;
mod sources;

pub use decoded::Decoded;
pub use encoded::{Encoded, EncodedStatistics, FlowSource};
pub use pace::{Clock, Pace, Schedule, SystemClock};
pub use recorded::{Recorded, Selection, Skipped};
pub use sending::{ReplayedExporter, Target};
pub use sources::Sources;

use sending::Sending;

/// Octets that are sent together at most, when many packets are due at once.
const BATCH_OCTETS: usize = 256 << 10;
/// Packets that are sent together at most.
const BATCH: usize = 256;

/// Where an export packet comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The exporter that it is of; address 0.0.0.0 when nobody knows.
    pub exporter: SocketAddr,
    /// When it was sent, by the file.
    pub time: Timestamp,
}

/// Where a replay takes its packets from.
pub trait Packets {
    /// Why there are no more.
    type Error;

    /// Appends the next packet to `octets`; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    fn next_packet(&mut self, octets: &mut Vec<u8>) -> Result<Option<Origin>, Self::Error>;
}

/// How packets are sent.
#[derive(Debug, Clone, Default)]
pub struct ReplayOptions {
    /// How fast.
    pub pace: Pace,
    /// Longest pause between two packets at the recorded pace; `None`: as long as it was.
    pub max_pause: Option<Duration>,
    /// Packets to send in all, over all rounds.
    pub count: Option<u64>,
    /// Addresses of this machine to send from: exporters take them in turn. Empty: see [`Sources`].
    pub sources: Vec<IpAddr>,
    /// Send each packet before the next one is read: for input that comes as it is made.
    pub live: bool,
}

/// What became of the packets of a replay up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReplayStatistics {
    /// Packets that the system took.
    pub sent: u64,
    /// Their octets.
    pub sent_octets: u64,
    /// Packets that the system did not take, such as those that are too long for UDP.
    pub lost: u64,
    /// Their octets.
    pub lost_octets: u64,
    /// Times that the system said that nobody listens at the target.
    pub refused: u64,
    /// Packets of exporters too many to be told apart, which were not sent.
    pub exporters_beyond: u64,
}

/// Why a replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All packets were sent.
    Whole,
    /// As many as were wanted.
    Count,
    /// The clock said so.
    Stopped,
}

/// Why a replay cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError<E> {
    /// The file cannot be read any further. What came before was sent.
    #[error(transparent)]
    Packets(E),
    /// There is no socket to send from.
    #[error("cannot send from {source_address}: {error}")]
    Source {
        /// Address that was asked for.
        source_address: IpAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// There is no way to the target, or no connection.
    #[error("cannot send to {target}: {error}")]
    Target {
        /// The target.
        target: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Sends the packets of files to a collector, in their order.
///
/// ```
/// use netflow_capture::{CaptureWriter, PacketFile};
/// use netflow_exporter::replay::{Ended, Pace, Recorded, Replay, ReplayOptions, Selection, SystemClock, Target};
/// use netflow_templates::Timestamp;
///
/// // A capture of one export packet, without records.
/// let mut capture = CaptureWriter::new(Vec::new())?;
/// let (exporter, collector) = ("192.0.2.1:40000".parse()?, "192.0.2.2:2055".parse()?);
/// capture.write(Timestamp::from_secs(1_714_564_800), exporter, collector, &[0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
/// let capture = capture.into_inner();
///
/// let collector = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let options = ReplayOptions { pace: Pace::Top, ..ReplayOptions::default() };
/// let mut replay = Replay::new(Target::Udp(collector.local_addr()?), options);
/// let mut packets = Recorded::new(PacketFile::new(capture.as_slice(), false)?, Selection::default());
/// assert_eq!(replay.play(&mut packets, &mut SystemClock::start())?, Ended::Whole);
/// assert_eq!(replay.statistics().sent, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Replay {
    schedule: Schedule,
    sending: Sending,
    batch: Batch,
    count: Option<u64>,
    live: bool,
    /// Packets that were taken for sending.
    taken: u64,
}

impl Replay {
    /// Sends to a target. Nothing is opened before there is a packet.
    #[must_use]
    pub fn new(target: Target, options: ReplayOptions) -> Self {
        Self {
            schedule: Schedule::new(options.pace, options.max_pause),
            sending: Sending::new(target, Sources::new(target.address().ip(), options.sources)),
            batch: Batch::default(),
            count: options.count,
            live: options.live,
            taken: 0,
        }
    }

    /// Sends all packets of a file, when each is due. May be called again for another round, or for another file:
    /// its first packet is due at once.
    ///
    /// # Errors
    /// When the file cannot be read any further, an address cannot be sent from, or there is no way to the target.
    /// What was due before has been sent.
    pub fn play<P: Packets>(
        &mut self,
        packets: &mut P,
        clock: &mut impl Clock,
    ) -> Result<Ended, ReplayError<P::Error>> {
        self.schedule.begin();
        loop {
            if self.count.is_some_and(|count| self.taken >= count) {
                self.batch.send(&mut self.sending, clock)?;
                return Ok(Ended::Count);
            }
            if self.live {
                self.batch.send(&mut self.sending, clock)?;
            }
            let origin = match packets.next_packet(&mut self.batch.octets) {
                Ok(Some(origin)) => origin,
                end => {
                    self.batch.send(&mut self.sending, clock)?;
                    return end.map(|_| Ended::Whole).map_err(ReplayError::Packets);
                }
            };
            let due = self.schedule.due(origin.time);
            if self.batch.is_full() || due > clock.now() {
                self.batch.send(&mut self.sending, clock)?;
                if !clock.wait_until(due) {
                    self.batch.take_back();
                    return Ok(Ended::Stopped);
                }
            }
            self.taken += 1;
            match self.sending.exporter(origin.exporter) {
                Some(exporter) => self.batch.push(exporter),
                None => self.batch.take_back(),
            }
        }
    }

    /// What became of the packets up to now.
    #[must_use]
    pub fn statistics(&self) -> ReplayStatistics {
        self.sending.statistics()
    }

    /// The last error that lost a packet, since this was asked last.
    pub fn take_error(&mut self) -> Option<std::io::Error> {
        self.sending.take_error()
    }

    /// The exporters, in the order of their first packets, and where each was sent from.
    pub fn exporters(&self) -> impl ExactSizeIterator<Item = &ReplayedExporter> {
        self.sending.exporters()
    }
}

/// Packets that are due, and the octets of the next one behind them.
#[derive(Debug, Default)]
struct Batch {
    octets: Vec<u8>,
    /// Exporter, and where the packet ends in the octets.
    packets: Vec<(usize, usize)>,
}

impl Batch {
    /// Where the packets end.
    fn end(&self) -> usize {
        self.packets.last().map_or(0, |&(_, end)| end)
    }

    fn is_full(&self) -> bool {
        self.packets.len() >= BATCH || self.end() >= BATCH_OCTETS
    }

    /// The octets behind the packets become one, of this exporter.
    fn push(&mut self, exporter: usize) {
        self.packets.push((exporter, self.octets.len()));
    }

    /// The octets behind the packets are not sent.
    fn take_back(&mut self) {
        self.octets.truncate(self.end());
    }

    /// Sends all packets, those of an exporter that follow each other together.
    fn send<E>(&mut self, sending: &mut Sending, clock: &mut impl Clock) -> Result<(), ReplayError<E>> {
        let (octets, mut start) = (&self.octets, 0);
        let sent = self.packets.chunk_by(|(one, _), (next, _)| one == next).try_for_each(|run| {
            let payloads = run.iter().map(|&(_, end)| &octets[std::mem::replace(&mut start, end)..end]);
            sending.send(run[0].0, payloads, clock)
        });
        self.octets.drain(..self.end());
        self.packets.clear();
        sent
    }
}

#[cfg(test)]
mod tests;
