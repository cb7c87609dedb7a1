//! What a report says: plain values, which whoever has the flows fills in.

use std::net::IpAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use netflow_templates::Timestamp;

/// A report of network traffic. [`Report::to_html`] makes a page of it.
///
/// Texts may be anything, as they come from exporters, files and DNS: the page shows them and does not obey them.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Title of the page.
    pub title: String,
    /// When the report was made.
    pub made: Timestamp,
    /// By which program, with its version.
    pub made_by: String,
    /// The zone that times are shown in.
    pub zone: TimeZone,
    /// What all figures stand on that say nothing else.
    pub basis: Basis,
    /// Sums.
    pub totals: Totals,
    /// What went wrong, so that figures lack something.
    pub warnings: Vec<String>,
    /// What else the reader has to know of the figures.
    pub notes: Vec<String>,
    /// Traffic over time, each time divided by something else.
    pub timelines: Vec<Timeline>,
    /// The most of each kind.
    pub rankings: Vec<Ranking>,
    /// Autonomous systems by interface, for each direction.
    pub systems_by_interface: Vec<SystemsByInterface>,
    /// The largest connections.
    pub connections: Connections,
    /// How well each exporter could be heard.
    pub exporters: Vec<Exporter>,
}

/// What figures stand on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basis {
    /// The filter, as the user gave it; none: all flows.
    pub filter: Option<String>,
    /// The range of time.
    pub from: Option<Timestamp>,
    /// Its end.
    pub to: Option<Timestamp>,
    /// What was done about sampling.
    pub correction: Correction,
}

/// What was done about sampling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Correction {
    /// Volumes are multiplied by the sampling rate of their record; the lowest and the highest rate, 1 for none.
    Scaled(u64, u64),
    /// Volumes are as exported, though sampled at these rates.
    Raw(u64, u64),
    /// Volumes are such that their sum is that of the interface's counters.
    Counters,
}

impl Default for Correction {
    fn default() -> Self {
        Self::Scaled(1, 1)
    }
}

/// A volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Octets.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Flows.
    pub flows: u64,
}

/// Sums of everything that the filter and the range of time let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// All traffic.
    pub amount: Amount,
    /// Exporters that it came from.
    pub exporters: u64,
    /// Interfaces of them.
    pub interfaces: u64,
    /// Files that were read.
    pub files: u64,
}

/// Traffic over time, divided by one thing: services, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// By what it is divided: `Service`.
    pub by: String,
    /// What else there is to know.
    pub note: String,
    /// Another correction than the report's.
    pub correction: Option<Correction>,
    /// Where the first bucket begins.
    pub start: Timestamp,
    /// How long a bucket is; not zero.
    pub step: Duration,
    /// The largest, largest first: at most 8 are shown.
    pub series: Vec<Series>,
    /// All others, if there are any.
    pub rest: Option<Series>,
}

/// One of the things that traffic is divided by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Octets of each bucket. What is missing at the end is 0.
    pub bytes: Vec<u64>,
}

/// The most of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranking {
    /// What is counted, in the plural: `Hosts`.
    pub title: String,
    /// Heading of the names: `Host`.
    pub heading: String,
    /// What else there is to know, such as what is counted twice.
    pub note: String,
    /// Another correction than the report's.
    pub correction: Option<Correction>,
    /// The largest, largest first.
    pub rows: Vec<Ranked>,
    /// How many there are in all, if that is known.
    pub distinct: Option<u64>,
    /// What shares are of; 0: of all traffic.
    pub total_bytes: u64,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranked {
    /// What it is: one text, or the two ends of a pair.
    pub name: Vec<String>,
    /// What is known of it, such as a host's name.
    pub detail: String,
    /// Its volume.
    pub amount: Amount,
}

/// Which way packets pass an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the exporter.
    In,
    /// Out of it.
    Out,
}

/// How much of each autonomous system passes each interface in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemsByInterface {
    /// In: systems of sources. Out: of destinations.
    pub direction: Direction,
    /// What else there is to know.
    pub note: String,
    /// Another correction than the report's.
    pub correction: Option<Correction>,
    /// The systems, largest first, with what is known of each: at most 8 have a colour.
    pub systems: Vec<(String, String)>,
    /// Names of the interfaces, largest first, each with the octets of each system, and of all others behind them.
    pub interfaces: Vec<(String, Vec<u64>)>,
}

/// The largest connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connections {
    /// Those that are shown.
    pub rows: Vec<Connection>,
    /// How many there are in all.
    pub total: u64,
    /// What else there is to know.
    pub note: String,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connection {
    /// When its first packet was seen.
    pub start: Option<Timestamp>,
    /// How long it lasted.
    pub duration: Duration,
    /// Name of the service, or of the protocol.
    pub service: String,
    /// Name of the protocol.
    pub protocol: String,
    /// The end that began.
    pub client: End,
    /// The end that answered.
    pub server: End,
    /// By which exporters it was seen.
    pub seen_by: String,
}

/// One end of a connection, and what it sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct End {
    /// Its address.
    pub address: String,
    /// Its port; 0: none.
    pub port: u16,
    /// Its name, if one is known.
    pub name: String,
    /// Octets that it sent.
    pub bytes: u64,
    /// Packets that it sent.
    pub packets: u64,
}

/// An exporter's observation domain: what it sent, and what of it is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Exporter {
    /// Its address.
    pub address: IpAddr,
    /// Observation domain.
    pub domain: u32,
    /// Versions of the export protocol, 10 for IPFIX.
    pub versions: Vec<u8>,
    /// Templates that flows came by.
    pub templates: Vec<u16>,
    /// What it reported.
    pub amount: Amount,
    /// Sampling rates, each with where it was said: in the record, in options data, assumed.
    pub sampling: Vec<(u64, String)>,
    /// What its sequence numbers say; none: no table of losses was found.
    pub loss: Option<Loss>,
}

/// What sequence numbers say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loss {
    /// What is counted: `packets` or `records`.
    pub unit: String,
    /// How many were expected; none: its sequence numbers follow no known convention.
    pub expected: Option<u64>,
    /// How many of them did not come.
    pub lost: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came late.
    pub reordered: u64,
    /// Times that the exporter started anew.
    pub restarts: u64,
    /// Data sets whose template never came.
    pub undecoded_sets: u64,
    /// The same over time, in order.
    pub windows: Vec<LossWindow>,
}

/// Loss within a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LossWindow {
    /// Where it begins.
    pub start: Timestamp,
    /// How many were expected.
    pub expected: u64,
    /// How many of them did not come.
    pub lost: u64,
}

impl Report {
    /// A report with nothing in it.
    pub fn new(title: impl Into<String>, zone: TimeZone) -> Self {
        Self {
            title: title.into(),
            made: Timestamp::EPOCH,
            made_by: String::new(),
            zone,
            basis: Basis::default(),
            totals: Totals::default(),
            warnings: Vec::new(),
            notes: Vec::new(),
            timelines: Vec::new(),
            rankings: Vec::new(),
            systems_by_interface: Vec::new(),
            connections: Connections::default(),
            exporters: Vec::new(),
        }
    }
}

impl Amount {
    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            packets: self.packets.saturating_add(other.packets),
            flows: self.flows.saturating_add(other.flows),
        }
    }
}
