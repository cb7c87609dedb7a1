//! What a collector is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use netflow_templates::SessionConfig;

/// Where export packets come from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Source {
    /// UDP sockets bound to these addresses. `[::]` takes IPv4 too.
    Udp(Vec<SocketAddr>),
    /// The UDP payloads, and the IPFIX messages in TCP streams, of a pcap or pcapng file; or the messages of an
    /// IPFIX file (RFC 5655), which is recognised by its content or by the ending `.ipfix`. Such a file does not
    /// say who sent them: their exporter is `0.0.0.0`, and they are received at their export time.
    Capture(PathBuf),
}

/// How a collector works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where export packets come from.
    pub source: Source,
    /// How they are decoded.
    pub session: SessionConfig,
    /// Receive buffer to ask the system for, in octets. It may grant less: see
    /// [`Collector::receive_buffers`](crate::Collector::receive_buffers).
    pub receive_buffer: usize,
    /// Batches of packets that may wait for each shard; when they do, packets are dropped and counted. A batch
    /// takes 512 KiB at most, however long its packets are, so that 256 of them take 128 MiB.
    pub queue: usize,
    /// How long what was decoded may wait before it is handed on.
    pub flush_interval: Duration,
    /// Directory where templates, options data, sequence positions and waiting sets are kept, to go on from; one
    /// collector has it at a time. A file that cannot be read or written is told of
    /// ([`Event::State`](crate::Event::State)), and the collector runs without.
    pub state: Option<PathBuf>,
    /// How often these are written. New templates and new options data are written at once, but no more often
    /// than once a second.
    pub state_interval: Duration,
    /// End after so many export packets.
    pub packets: Option<u64>,
    /// Tell about every packet: see [`Event::Packet`](crate::Event::Packet).
    pub packet_events: bool,
}

impl Config {
    /// The default for everything but the source.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            session: SessionConfig::default(),
            receive_buffer: 64 << 20,
            queue: 256,
            flush_interval: Duration::from_secs(1),
            state: None,
            state_interval: Duration::from_secs(30),
            packets: None,
            packet_events: false,
        }
    }
}
