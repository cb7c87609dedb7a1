//! What sequence numbers tell about lost export packets.
//!
//! Every version of NetFlow and IPFIX numbers its packets, but not in the same unit: v9 counts packets, v5
//! flow records and IPFIX data records. Nor do exporters of one version agree: most send the number of
//! records *before* the packet, as RFC 7011 says, others include those of the packet itself, and some leave
//! out the records of options. [`SequenceTracker`] keeps the account under each of these rules and believes
//! the one under which the packets follow each other. No loss is claimed as long as none does.

mod account;
mod position;
mod rule;
mod tracker;

pub use position::Position;
pub use tracker::SequenceTracker;

/// What one packet adds to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Units {
    /// Flow records in the packet, or data records that are none of options.
    pub records: u32,
    /// Data records of options in the packet.
    pub options: u32,
}

impl Units {
    /// A packet with this many flow records, and none of options.
    #[must_use]
    pub const fn records(records: u32) -> Self {
        Self { records, options: 0 }
    }

    const fn all(self) -> u32 {
        self.records.saturating_add(self.options)
    }
}

/// How an exporter counts, as far as its packets have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Convention {
    /// Too few packets have come to tell.
    #[default]
    Unknown,
    /// The number of records before the packet, those of options included: the standard.
    Before,
    /// The number of records before the packet, without those of options.
    BeforeWithoutOptions,
    /// The number of records up to and including the packet, those of options included.
    After,
    /// The number of records up to and including the packet, without those of options.
    AfterWithoutOptions,
    /// The number of packets: the standard of v9.
    Packets,
    /// Something else, such as octets, or packets where the version counts records. No loss can be told.
    Other,
}

impl Convention {
    /// Whether it tells about loss: it is known what is counted.
    pub fn tells_loss(self) -> bool {
        !matches!(self, Self::Unknown | Self::Other)
    }
}

/// What one packet means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Units newly known to be lost, in the unit of the version: packets in v9, records in the others. When
    /// the convention of an exporter becomes clear, this is all that was lost until then.
    pub lost: u64,
    /// Units that were counted as lost before and are not: a late packet brought them, or the convention
    /// turned out to be another one. The sum of `lost` less the sum of `recovered` is
    /// [`SequenceTotals::lost`].
    pub recovered: u64,
    /// The packet came before.
    pub duplicate: bool,
    /// The packet is late: it fills a gap that was seen before.
    pub reordered: bool,
    /// The exporter began to count anew; what was lost meanwhile is not known.
    pub restarted: bool,
}

/// The account of one exporter and domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SequenceTotals {
    /// Units that were sent: `received` and `lost`.
    pub expected: u64,
    /// Units that arrived, without duplicates; packets in v9, records in the other versions. Packets whose
    /// records could not be counted add nothing.
    pub received: u64,
    /// Units that did not arrive.
    pub lost: u64,
    /// Units that were sent between the [position](Position) from which the account goes on and its first packet,
    /// as far as the numbers tell: not lost by the network, since nobody listened. They are in none of the above.
    pub missed: u64,
    /// Packets that arrived late.
    pub reordered: u64,
    /// Packets that arrived more than once, counted from the second time on.
    pub duplicates: u64,
    /// Times that the exporter began to count anew.
    pub restarts: u64,
    /// Packets, of any kind.
    pub packets: u64,
    /// Packets whose records could not be counted, as a set had no template.
    pub uncounted: u64,
}

#[cfg(test)]
mod tests;
