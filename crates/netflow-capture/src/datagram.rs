//! What a file of export packets is made of.

use std::net::SocketAddr;

use netflow_templates::Timestamp;

/// How a datagram was transported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// It is the payload of a UDP packet.
    Udp,
    /// It is one IPFIX message out of a TCP connection.
    Tcp,
    /// It is a message of an IPFIX file, which does not say who sent it to whom.
    File,
}

/// One export packet, as it was sent. It borrows from the reader until the next one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender: the exporter's address and port.
    pub source: SocketAddr,
    /// Receiver: the collector's address and port.
    pub destination: SocketAddr,
    /// When the frame that completed it was captured. Frames without a time (pcapng's simple packets) have
    /// the time of the frame before them, or [`Timestamp::EPOCH`] if there is none.
    pub time: Timestamp,
    /// UDP payload, or the octets of one IPFIX message.
    pub payload: &'a [u8],
    /// Whether the file has only the beginning of it. Never with [`Transport::Tcp`].
    pub truncated: bool,
    /// How it was transported.
    pub transport: Transport,
    /// Number of the frame that completed it, from 1, as other tools count frames. What becomes whole only at
    /// the end of the capture has the number of the last frame.
    pub frame: u64,
}
