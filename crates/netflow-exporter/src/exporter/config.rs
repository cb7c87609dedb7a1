//! What an exporter is to be.

use std::time::Duration;

use netflow_templates::Timestamp;

use super::habits::Habits;
use super::options::OptionsTable;
use super::template::{self, FlowTemplate};
use crate::Version;

/// What an exporter is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct ExporterConfig {
    /// Version of all packets.
    pub version: Version,
    /// Observation domain; in v5 and v8 the engine: its type * 256 + its id. v1 and v7 have none.
    pub domain: u32,
    /// When the exporter started: uptimes count from there, in milliseconds.
    pub started: Timestamp,
    /// Octets of a packet at most, without the headers of UDP and IP: 512 to 65,507.
    pub max_packet: usize,
    /// Flow records of a packet at most; `None` for what fits, and what the version allows. More than that are
    /// sent in v5 if this says so.
    pub max_records: Option<u16>,
    /// Templates of flows (v9, IPFIX): a flow goes by the first that takes it.
    pub templates: Vec<FlowTemplate>,
    /// When templates and options data are sent again.
    pub refresh: Refresh,
    /// Options data (v9, IPFIX).
    pub options: Vec<OptionsTable>,
    /// One packet in how many is sampled, as the header of v5 says it; 0 or 1 says nothing.
    pub sampling: u32,
    /// What it does otherwise than others.
    pub habits: Habits,
}

/// When templates and options data are sent again: as soon as one of the two is reached. 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// Packets since they were sent.
    pub packets: u32,
    /// Time since they were sent.
    pub interval: Duration,
}

impl Refresh {
    /// Never: for streams and files, where nothing is lost, and for exporters that send templates at start only.
    pub const NEVER: Self = Self { packets: 0, interval: Duration::ZERO };
    /// Every 20 packets or 30 seconds.
    pub const USUAL: Self = Self { packets: 20, interval: Duration::from_secs(30) };
}

impl ExporterConfig {
    /// An exporter as the RFCs want it, with the usual fields, over UDP.
    pub fn new(version: Version, started: Timestamp) -> Self {
        Self {
            version,
            domain: 0,
            started,
            max_packet: 1_400,
            max_records: None,
            templates: template::usual(version),
            refresh: Refresh::USUAL,
            options: Vec::new(),
            sampling: 0,
            habits: Habits::STANDARD,
        }
    }
}

/// Why an exporter cannot be what it was to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such scheme of v8.
    #[error("NetFlow v8 has no aggregation scheme {0}; its schemes are 1 to 14")]
    Scheme(u8),
    /// The length of packets is out of range.
    #[error("packets of {0} octets are out of range: 512 to 65507")]
    PacketLength(usize),
    /// There is no template of flows.
    #[error("no template says how flows are exported")]
    NoTemplate,
    /// No template takes any flow of the traffic.
    #[error("no template takes any of the flows")]
    NothingTaken,
    /// Ids below 256 are those of template sets.
    #[error("template id {0} is below 256")]
    TemplateId(u16),
    /// Two templates have one id.
    #[error("two templates have the id {0}")]
    TwiceId(u16),
    /// A template, or its records, are too long for a packet.
    #[error("template {id} needs {needed} octets, and a packet has room for {room}")]
    TooLong {
        /// Template id.
        id: u16,
        /// Octets of the template record, or of a data record at least.
        needed: usize,
        /// Octets that a set of a packet has room for.
        room: usize,
    },
    /// A template has no fields, or none with octets.
    #[error("records of template {0} have no octets")]
    Empty(u16),
    /// v9 has no enterprise numbers.
    #[error(
        "template {id} has element {element} of enterprise {enterprise}, and NetFlow v9 has no enterprises"
    )]
    Enterprise {
        /// Template id.
        id: u16,
        /// Enterprise number.
        enterprise: u32,
        /// Element id.
        element: u16,
    },
}
