//! How exporters differ in what the RFCs leave open, or deviate from what they say.

/// The habits of an exporter, as data. The default is what RFC 3954 and RFC 7011 say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// What the header of v9 counts.
    pub count: Count,
    /// What sequence numbers count.
    pub sequence: Sequence,
    /// The first sequence number.
    pub first_sequence: u32,
    /// How flows are put into sets and packets.
    pub grouping: Grouping,
    /// Records after which another set begins; 0 for no such number.
    pub records_per_set: u16,
    /// Where templates are sent.
    pub announcement: Announcement,
    /// What stands behind the records of a set, up to a multiple of four octets.
    pub padding: Padding,
    /// More octets of zero behind the records of a data set, within its length.
    pub more_padding: u8,
    /// Octets behind every data set that its length leaves out.
    pub behind_sets: &'static [u8],
    /// Whether the datagram is filled with zeros to its maximum.
    pub fill: bool,
    /// Where options data come from.
    pub options: OptionsFrom,
    /// What the header says of time.
    pub clock: HeaderClock,
    /// Whether the sequence numbers of IPFIX leave out the records of options.
    pub options_uncounted: bool,
    /// Whether each flow is exported twice, as it came in and as it went out.
    pub twice: bool,
    /// Whether a flow is told as the events of a firewall (NSEL): that a connection began, and that it ended, with
    /// its counters. Flows that are events already are exported as they are.
    pub events: bool,
}

impl Habits {
    /// What the RFCs say.
    pub const STANDARD: Self = Self {
        count: Count::Records,
        sequence: Sequence::Before,
        first_sequence: 0,
        grouping: Grouping::Gathered,
        records_per_set: 0,
        announcement: Announcement::WithData,
        padding: Padding::Zeros,
        more_padding: 0,
        behind_sets: &[],
        fill: false,
        options: OptionsFrom::Same,
        clock: HeaderClock::Running,
        options_uncounted: false,
        twice: false,
        events: false,
    };
}

impl Default for Habits {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// What the header of v9 counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Records of all kinds, as RFC 3954 says.
    Records,
    /// Flow records.
    Flows,
    /// Sets.
    Sets,
    /// Always 1.
    One,
}

/// What sequence numbers count, in the unit of the version: flow records, in v9 packets, in IPFIX data records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence {
    /// Those before the packet: the standard.
    Before,
    /// Those up to the end of the packet.
    After,
    /// The number of the packet's last record, from 0.
    Last,
    /// Packets, whatever the version.
    Packets,
}

/// How flows are put into sets and packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// A set for each template that a packet has records of: fewest octets.
    Gathered,
    /// In the order in which flows come: another set whenever the template changes.
    Arrival,
    /// Records of one template only in a packet: it ends when the template changes.
    OneTemplate,
}

/// Where templates are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announcement {
    /// In the packet with the data that follow.
    WithData,
    /// In packets of their own.
    Alone,
    /// Before every data set.
    BeforeEachSet,
}

/// What fills a set up to a multiple of four octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Nothing.
    None,
    /// Zeros, as the RFCs say.
    Zeros,
    /// Some other octet.
    Octet(u8),
}

/// Where options data come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionsFrom {
    /// Where flows come from.
    Same,
    /// Another port: see [`Packet::source`](crate::Packet::source).
    OtherPort,
    /// Another observation domain.
    OtherDomain(u32),
}

/// What the header says of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderClock {
    /// The time of export, and the uptime then.
    Running,
    /// When the exporter started, and an uptime of 0.
    Start,
    /// The time of export, and always the same uptime, in milliseconds: it counts from another start each time.
    Standing(u32),
}
