//! What is wrong, as values.

use std::net::IpAddr;

use netflow_templates::sequence::Convention;
use serde::{Serialize, Serializer};

use crate::quirks::Quirk;
use crate::sampling::RateSaid;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Data are lost or wrong.
    Error,
    /// Data may be lost, or misread.
    Warning,
    /// Worth knowing; an exporter may be like this on purpose.
    Notice,
}

impl Severity {
    /// Its name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// One thing that is wrong with the export of an exporter. Its text is one sentence; [`advice`](Self::advice)
/// says what to change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Address of the exporter; `None` when several are concerned, or the collector itself.
    pub exporter: Option<IpAddr>,
    /// Observation domain; `None` when it is not about one.
    pub domain: Option<u32>,
    /// Version of the export protocol; `None` when it is not about one.
    pub version: Option<u16>,
    /// What is wrong, with numbers.
    #[serde(flatten)]
    pub kind: Kind,
}

/// Who saw a flow that was counted twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Observer {
    /// One exporter, where the flow came in and where it went out, or at two of its interfaces.
    Interfaces,
    /// Several exporters.
    Exporters {
        /// Their addresses, as far as they are kept.
        exporters: Vec<IpAddr>,
    },
}

/// What is wrong. Lengths of time are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Data sets came, and their template did not.
    MissingTemplate {
        /// Template id.
        template_id: u16,
        /// Data sets that wait for it.
        sets: u64,
        /// Their octets, set headers included.
        octets: u64,
        /// How long the exporter was observed.
        observed: f64,
    },
    /// Data sets had to wait long for their template, which came.
    LateTemplate {
        /// Template id.
        template_id: u16,
        /// Data sets that waited.
        sets: u64,
        /// The longest that one waited.
        waited: f64,
    },
    /// A template is in use and was not sent again for long.
    TemplateNotRefreshed {
        /// Template id.
        template_id: u16,
        /// How long it was not sent, up to the last packet.
        since: f64,
    },
    /// A template is sent with every packet, or nearly.
    TemplateEveryPacket {
        /// Template id.
        template_id: u16,
        /// Packets that it was in.
        packets: u64,
        /// Packets since it was first sent.
        of: u64,
    },
    /// Other fields came under a template id that was in use.
    TemplateChanged {
        /// Template id.
        template_id: u16,
        /// How often.
        changes: u64,
    },
    /// Sequence numbers say that something did not arrive.
    Loss {
        /// What did not arrive, in units.
        lost: u64,
        /// What was sent.
        expected: u64,
        /// `packets` in v9, `records` in the other versions.
        unit: &'static str,
    },
    /// Sequence numbers count in a way of their own, which is known.
    OwnConvention {
        /// The way.
        #[serde(serialize_with = "convention_name")]
        convention: Convention,
    },
    /// Sequence numbers count something that loss cannot be told from.
    UnknownConvention,
    /// Packets came later than they were sent.
    Reordered {
        /// Packets.
        packets: u64,
        /// Packets in all.
        of: u64,
    },
    /// Packets came more than once.
    Duplicates {
        /// Packets, counted from the second time on.
        packets: u64,
        /// Packets in all.
        of: u64,
    },
    /// The exporter started again.
    Restarted {
        /// How often.
        times: u64,
    },
    /// The exporter's uptime ran over, which it does after 49.7 days: that is no restart.
    UptimeWrapped {
        /// How often.
        times: u64,
    },
    /// Packets of several exporters come from one address, with one observation domain.
    SharedAddress {
        /// Exporters that can be told apart by when they started.
        sources: u64,
    },
    /// This machine dropped datagrams: receive buffers were full, or decoding did not keep up.
    DroppedHere {
        /// Datagrams.
        datagrams: u64,
    },
    /// Two sources say different sampling rates.
    SamplingContradiction {
        /// One of them.
        first: RateSaid,
        /// The other one.
        second: RateSaid,
    },
    /// Options data describe samplers of different rates, and records do not say which one took them.
    SamplerUnclear {
        /// The rates.
        rates: Vec<u64>,
        /// Flows whose rate is unknown because of it.
        flows: u64,
    },
    /// Options data say an interval of zero.
    SamplingZero {
        /// Options records that say so.
        records: u64,
    },
    /// Records name a sampler that no options data describe.
    UnknownSampler {
        /// Number of the sampler; the first, if there are several.
        sampler: u64,
        /// How long the exporter was observed.
        observed: f64,
    },
    /// Options data said one rate, and later another one for the same sampler, interface or domain.
    SamplingChanges {
        /// The rate before the last change.
        before: u64,
        /// The rate behind it.
        after: u64,
        /// How often it changed.
        changes: u64,
    },
    /// The sampling rate was only found in another observation domain.
    SamplingOtherDomain {
        /// Flows whose rate came from there.
        flows: u64,
    },
    /// The exporter's clock is not the collector's.
    ClockSkew {
        /// Export time less receive time, the median; positive when the exporter's clock is ahead.
        seconds: f64,
    },
    /// The uptime in the headers stands still.
    UptimeStandsStill {
        /// By how much the export time moved meanwhile.
        seconds: f64,
    },
    /// Export time and uptime move apart, though the exporter did not start again.
    BootTimeDrifts {
        /// By how much; positive when the export time is faster.
        drift: f64,
        /// In how much export time.
        over: f64,
    },
    /// The exporter's clock was set.
    ClockSet {
        /// By how much; positive when it was set forward.
        seconds: f64,
    },
    /// Flows end later than they were exported.
    FlowsEndAfterExport {
        /// Flows.
        flows: u64,
        /// Flows in all.
        of: u64,
        /// The most by which one does.
        most: f64,
    },
    /// Flows end before they start.
    FlowsEndBeforeStart {
        /// Flows.
        flows: u64,
        /// Flows in all.
        of: u64,
    },
    /// Flows start more than a day before they are exported.
    FlowsStartLongBefore {
        /// Flows.
        flows: u64,
        /// Flows in all.
        of: u64,
        /// The most by which one does.
        most: f64,
    },
    /// Flows were over for long when they were exported.
    FlowsExportedLate {
        /// Flows.
        flows: u64,
        /// Flows in all.
        of: u64,
        /// The longest that one was over.
        most: f64,
    },
    /// Flows last longer than a sane active timeout allows.
    LongFlows {
        /// Flows.
        flows: u64,
        /// Flows in all.
        of: u64,
        /// The longest one.
        longest: f64,
    },
    /// Flows have no times.
    TimesMissing {
        /// Flows.
        flows: u64,
        /// Flows in all.
        of: u64,
    },
    /// Fields that are there are zero in all records.
    NeverFilled {
        /// What they are.
        fields: Vec<&'static str>,
        /// Records that have the least frequent of them.
        records: u64,
    },
    /// Templates lack fields that are often wanted.
    LackingFields {
        /// What is lacking.
        fields: Vec<&'static str>,
        /// Template ids.
        templates: Vec<u16>,
    },
    /// Octets that cannot be read as what they should be.
    Malformed {
        /// Packets with such octets.
        packets: u64,
        /// Packets in all.
        of: u64,
        /// What was wrong with the first one.
        example: String,
    },
    /// Datagrams that are no export packets.
    NotExportPackets {
        /// Datagrams.
        datagrams: u64,
        /// What was wrong with the first one.
        example: String,
    },
    /// Something that exporters are known for.
    Quirk {
        /// Its row in the table.
        quirk: &'static Quirk,
        /// How often it was seen.
        seen: u64,
        /// Of how many, in the quirk's unit.
        of: u64,
    },
    /// Flows were seen, and are counted, more than once.
    DoubleCounted {
        /// Who saw them.
        #[serde(flatten)]
        observer: Observer,
        /// Flows that had been seen before.
        flows: u64,
        /// Flows in all.
        of: u64,
    },
}

/// The name of a way of counting.
pub(crate) fn convention_as_str(convention: Convention) -> &'static str {
    match convention {
        Convention::Unknown => "unknown",
        Convention::Before => "before",
        Convention::BeforeWithoutOptions => "before_without_options",
        Convention::After => "after",
        Convention::AfterWithoutOptions => "after_without_options",
        Convention::Packets => "packets",
        _ => "other",
    }
}

pub(crate) fn convention_name<S: Serializer>(convention: &Convention, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(convention_as_str(*convention))
}
