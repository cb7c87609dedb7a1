//! Ways of counting: which numbers a packet stands for.

use super::{Convention, Units};

/// The rules, in the order in which they are believed when they fit equally.
pub(super) const RULES: [Rule; 5] =
    [Rule::Before, Rule::After, Rule::AfterRecords, Rule::BeforeRecords, Rule::Packets];
pub(super) const PACKETS: usize = 4;

/// Which numbers a packet stands for, given its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Before,
    After,
    AfterRecords,
    BeforeRecords,
    Packets,
}

/// The numbers of a packet: from the first one up to that of the next packet. An end that depends on the
/// number of records is absent where that is not known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: Option<u32>,
    pub(super) end: Option<u32>,
}

impl Rule {
    pub(super) fn span(self, sequence: u32, units: Option<Units>) -> Span {
        let all = units.map(Units::all);
        let records = units.map(|units| units.records);
        let upwards = |count: Option<u32>| Span {
            start: Some(sequence),
            end: count.map(|count| sequence.wrapping_add(count)),
        };
        let downwards = |count: Option<u32>| Span {
            start: count.map(|count| sequence.wrapping_sub(count)),
            end: Some(sequence),
        };
        match self {
            Self::Before => upwards(all),
            Self::BeforeRecords => upwards(records),
            Self::After => downwards(all),
            Self::AfterRecords => downwards(records),
            Self::Packets => upwards(Some(1)),
        }
    }

    /// Whether this is a way of counting that the version has, so that loss is told in its unit.
    pub(super) fn counts(self, version: u16) -> bool {
        (self == Self::Packets) == (version == 9)
    }
}

impl From<Rule> for Convention {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Before => Self::Before,
            Rule::BeforeRecords => Self::BeforeWithoutOptions,
            Rule::After => Self::After,
            Rule::AfterRecords => Self::AfterWithoutOptions,
            Rule::Packets => Self::Packets,
        }
    }
}
