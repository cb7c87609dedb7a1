//! Why connections are refused, and why they end.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::framing::FrameError;

/// Why a connection was refused, before a message of it was taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// As many as may be are open, and each has sent something.
    #[error("{0} connections are open already, and no more may be")]
    Connections(usize),
    /// As many as one address may have are open.
    #[error("{0} connections from its address are open already, and no more may be")]
    Address(usize),
    /// Its address is none of those that are listened to.
    #[error("its address is not among those that are allowed")]
    NotAllowed,
    /// A certificate is asked for, and it sent none.
    #[error("it sent no certificate, and one is asked for")]
    NoCertificate,
    /// The certificate is not accepted.
    #[error("its certificate is not accepted: {0}")]
    Certificate(String),
    /// The TLS handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// The TLS handshake took too long.
    #[error("the TLS handshake was not done after {} s", .0.as_secs())]
    SlowHandshake(Duration),
}

/// Why a connection was closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Closing {
    /// The exporter closed it, behind a message.
    #[error("the exporter closed it")]
    Exporter,
    /// The exporter closed it within a message.
    #[error("it ended within a message: {0} octets of it came")]
    CutOff(usize),
    /// The system says that it failed.
    #[error("{0}")]
    Failed(io::Error),
    /// TLS failed after the handshake.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// What came is no IPFIX.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A message was begun, and not ended in time.
    #[error("a message was not whole after {} s: {octets} octets of it came", .after.as_secs())]
    Slow {
        /// Octets of it.
        octets: usize,
        /// The time that it had.
        after: Duration,
    },
    /// No message came for too long.
    #[error("no message came for {} s", .0.as_secs())]
    Idle(Duration),
    /// It had not sent a message yet, and others needed its place.
    #[error("it had sent nothing, and another one needed its place")]
    MadeRoom,
    /// Its address was allowed when it came, and is not any more.
    #[error("its address is no longer among those that are allowed")]
    NotAllowed,
    /// The collector was stopped.
    #[error("the collector ends")]
    Stopped,
}

impl Refusal {
    /// A name for counts, the same whatever the details.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connections(_) => "too many connections",
            Self::Address(_) => "too many of one address",
            Self::NotAllowed => "not allowed",
            Self::NoCertificate => "no certificate",
            Self::Certificate(_) => "certificate not accepted",
            Self::Handshake(_) => "TLS handshake failed",
            Self::SlowHandshake(_) => "TLS handshake too slow",
        }
    }

    /// Whether it is for what others do, and not for anything of this exporter.
    pub fn is_of_all(&self) -> bool {
        matches!(self, Self::Connections(_))
    }
}

impl Closing {
    /// A name for counts, the same whatever the details.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exporter => "by the exporter",
            Self::CutOff(_) => "within a message",
            Self::Failed(_) => "failed",
            Self::Tls(_) => "TLS failed",
            Self::Frame(_) => "no IPFIX",
            Self::Slow { .. } => "message too slow",
            Self::Idle(_) => "idle",
            Self::MadeRoom => "silent, to make room",
            Self::NotAllowed => "no longer allowed",
            Self::Stopped => "collector ended",
        }
    }

    /// Whether it is for what others do, and not for anything of this exporter.
    pub fn is_of_all(&self) -> bool {
        matches!(self, Self::MadeRoom)
    }

    /// Whether it is nothing to worry about.
    pub fn is_regular(&self) -> bool {
        matches!(self, Self::Exporter | Self::Stopped)
    }
}

/// What became of connections. Each that came is open, refused or closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamReport {
    /// Connections that came.
    pub connections: u64,
    /// Connections that are open.
    pub open: u64,
    /// How many were refused, by [`Refusal::name`].
    pub refused: BTreeMap<&'static str, u64>,
    /// How many were closed, by [`Closing::name`].
    pub closed: BTreeMap<&'static str, u64>,
    /// Octets of messages that never became whole.
    pub cut_octets: u64,
}
