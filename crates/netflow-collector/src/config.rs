//! What a collector is told.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use netflow_templates::SessionConfig;

use crate::admission::Rules;
use crate::stream::TlsFiles;

/// Where export packets come from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Source {
    /// Sockets bound to these addresses. `[::]` takes IPv4 too.
    Listen(Vec<Listen>),
    /// The UDP payloads, and the IPFIX messages in TCP streams, of a pcap or pcapng file; or the messages of an
    /// IPFIX file (RFC 5655), which is recognised by its content or by the ending `.ipfix`. Such a file does not
    /// say who sent them: their exporter is `0.0.0.0`, and they are received at their export time.
    Capture(PathBuf),
}

/// How export packets are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams: every version of NetFlow, and IPFIX.
    Udp,
    /// Connections that carry IPFIX (RFC 7011, section 10.4).
    Tcp,
    /// The same, encrypted (section 11): [`Config::tls`] says with what.
    Tls,
    /// Associations that carry IPFIX (section 10.2), where the kernel knows SCTP.
    Sctp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Sctp => "SCTP",
        })
    }
}

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listen {
    /// How export packets come.
    pub transport: Transport,
    /// Address and port; 0: one that the system chooses.
    pub address: SocketAddr,
}

impl Listen {
    /// For datagrams.
    pub fn udp(address: SocketAddr) -> Self {
        Self { transport: Transport::Udp, address }
    }
}

/// Bounds on connections.
///
/// One takes 64 KiB at most for a message that is not whole, and with TLS as much again; between messages it takes
/// next to nothing.
#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    /// Connections that may be open. Another one gets the place of the one that has been open for the longest without
    /// a message, and is refused when there is none. The limit of open files is raised to that as far as it may be;
    /// where it may not, they are fewer.
    pub connections: usize,
    /// Connections that one address may have open.
    pub connections_per_address: usize,
    /// How long a connection may be open without a message; for ever when `None`.
    pub idle: Option<Duration>,
    /// How long a message may take from its first octet to its last.
    pub message: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            connections_per_address: 64,
            idle: Some(Duration::from_secs(3_600)),
            message: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
        }
    }
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
    /// UDP sockets for each address, each with a thread that receives and a [receive buffer](Self::receive_buffer). The
    /// kernel gives all datagrams of an exporter's address to the same one; where it refuses to
    /// ([`Collector::unsteered`](crate::Collector::unsteered)), those of the same address and port. Other systems than Linux
    /// have one.
    pub sockets: usize,
    /// With what to listen for TLS.
    pub tls: Option<TlsFiles>,
    /// Bounds on connections.
    pub streams: StreamLimits,
    /// Batches of packets that may wait for all shards together, divided between them, but 32 for each at least; when
    /// they do, packets are dropped and counted. A batch takes 512 KiB at most, however long its packets are, so that 256
    /// of them take 128 MiB.
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
    /// Who may send how much. Their `limits` are those of `session` when the collector starts.
    pub rules: Rules,
    /// Whether decoding threads publish what an [`Observer`](crate::Observer) tells of them: each domain's counts, once in
    /// a flush interval. Without, it knows the counts of all together.
    pub observed: bool,
    /// Keep a list of the templates: see [`Observer::templates`](crate::Observer::templates).
    pub list_templates: bool,
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
            sockets: 1,
            tls: None,
            streams: StreamLimits::default(),
            queue: 256,
            flush_interval: Duration::from_secs(1),
            state: None,
            state_interval: Duration::from_secs(30),
            packets: None,
            rules: Rules::default(),
            observed: true,
            list_templates: false,
            packet_events: false,
        }
    }
}
