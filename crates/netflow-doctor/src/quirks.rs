//! What exporters are known for: a table, and the signs by which its rows are recognised.
//!
//! For a new row, add a [`Signal`], note it where it can be seen (below, or in `doctor.rs`), and say in
//! [`QUIRKS`] (`quirks/table.rs`) what it means.

use netflow_templates::{Context, DataSet, DataType, Plan, Problem};
use netflow_wire::{Header, SetError, TemplateDefinition, element_id as ie, enterprise as pen};
use serde::{Serialize, Serializer};

use crate::advice::Command;
use crate::finding::{Kind, Severity};
use crate::reading::Observation;

mod table;
mod template;

pub use table::QUIRKS;

/// A sign of a quirk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// Octets behind the last set belong to none and are not zero.
    TrailingOctets,
    /// Octets between two sets belong to none.
    GapBetweenSets,
    /// The header's count of v9 is not that of the records, with or without those of options and templates.
    HeaderCount,
    /// v5 with more records than its 30.
    ManyRecords,
    /// What is left behind the records of a set is neither padding nor a record.
    PaddingNotZero,
    /// A set id that no RFC gives a meaning.
    ReservedSet,
    /// A template was not kept: no fields, or too many without octets.
    UselessTemplate,
    /// More templates than are kept.
    TooManyTemplates,
    /// A field of variable length in v9.
    VariableLengthInV9,
    /// A time in microseconds or nanoseconds that has not eight octets.
    TimeLength,
    /// The fraction of NTP times is always below 10^9.
    NtpFraction,
    /// Uptimes in IPFIX, and nothing says when the exporter started.
    UptimeWithoutStart,
    /// A flow direction that is neither 0 nor 1.
    InvalidDirection,
    /// More octets than the packets can have had.
    ImpossibleCounter,
    /// A counter that is a negative number in two's complement.
    NegativeCounter,
    /// A template has an element twice.
    RepeatedElement,
    /// A template has fields of length zero.
    EmptyField,
    /// A number of more than eight octets.
    LongNumber,
    /// A field type above 32767 in v9.
    HighFieldType,
    /// Counters of octets or packets since the flow began, and none since the last record.
    OnlyTotals,
    /// Elements of ICMP, and no protocol.
    IcmpWithoutProtocol,
    /// Events without their time.
    EventWithoutTime,
    /// Flows are sampled, rather than packets.
    FlowSampling,
    /// Zeros fill the end of a datagram.
    FilledDatagram,
    /// More zeros behind the records of a set than align the next one.
    ZeroPadding,
    /// The last records of a set are of zeros, and may be padding.
    ZeroRecords,
    /// A set of v9 does not start at a multiple of four.
    UnalignedSet,
    /// Physical interfaces, and not the logical ones.
    PhysicalInterfaces,
    /// ICMP type and code in a port, where there are elements for them.
    IcmpInPort,
    /// Addresses of IPv4 and of IPv6 in one template.
    BothIpVersions,
    /// Uptimes of more than four octets.
    LongUptime,
    /// A sampling interval of packets, and not the space between.
    IntervalWithoutSpace,
    /// Options data come from another port than flows.
    OptionsFromOtherPort,
}

/// How many signals there are.
const SIGNALS: usize = Signal::OptionsFromOtherPort as usize + 1;
/// Times without which nothing is said about their fractions.
const TIMES: u64 = 32;

/// What a signal is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Packets,
    Templates,
    Flows,
}

/// A row of the table.
#[derive(Debug, PartialEq)]
pub struct Quirk {
    /// Its name.
    pub name: &'static str,
    /// What it is recognised by.
    pub signal: Signal,
    /// How much it matters.
    pub severity: Severity,
    unit: Unit,
    /// Percentage of the unit that must show the signal: less may be chance.
    least: u64,
    /// What is odd: the beginning of a sentence that ends with how often.
    pub(crate) says: &'static str,
    /// Exporters that it is known from; empty when it may be any.
    pub known: &'static str,
    /// What to change.
    pub(crate) change: &'static str,
    pub(crate) commands: &'static [Command],
}

impl Serialize for Quirk {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name)
    }
}

impl Quirk {
    /// What its signal is counted in.
    pub(crate) fn unit(&self) -> &'static str {
        match self.unit {
            Unit::Packets => "packet",
            Unit::Templates => "template",
            Unit::Flows => "flow",
        }
    }
}

/// The signals of one domain.
#[derive(Debug)]
pub(crate) struct Signals {
    seen: [u64; SIGNALS],
    /// Number of the packet in which a signal was last seen, from 1.
    packet: [u64; SIGNALS],
    templates: u64,
    flows: u64,
    /// NTP times, those of them with a fraction below 10^9, and with one above zero.
    ntp: (u64, u64, u64),
}

impl Default for Signals {
    fn default() -> Self {
        Self { seen: [0; SIGNALS], packet: [0; SIGNALS], templates: 0, flows: 0, ntp: (0, 0, 0) }
    }
}

impl Signals {
    pub(crate) fn add(&mut self, signal: Signal, times: u64) {
        self.seen[signal as usize] += times;
    }

    /// A signal of a packet, which counts once for each.
    pub(crate) fn in_packet(&mut self, signal: Signal, packet: u64) {
        let last = &mut self.packet[signal as usize];
        if *last != packet + 1 {
            *last = packet + 1;
            self.add(signal, 1);
        }
    }

    /// Something was wrong in a packet; whether it is a sign of a quirk.
    pub(crate) fn problem(&mut self, problem: &Problem, packet: u64) -> bool {
        let signal = match problem {
            Problem::Set(SetError::Trailing { .. }) => Signal::TrailingOctets,
            Problem::Set(SetError::Gap { .. }) => Signal::GapBetweenSets,
            Problem::Set(SetError::Filling { .. }) => Signal::FilledDatagram,
            Problem::ZeroPadding { .. } => Signal::ZeroPadding,
            Problem::ZeroRecords { .. } => Signal::ZeroRecords,
            Problem::Padding { .. } => Signal::PaddingNotZero,
            Problem::ReservedSet { .. } => Signal::ReservedSet,
            Problem::NoFields { .. } | Problem::EmptyFields { .. } | Problem::EmptyRecord { .. } => {
                Signal::UselessTemplate
            }
            Problem::TooManyTemplates { .. } => Signal::TooManyTemplates,
            _ => return false,
        };
        self.in_packet(signal, packet);
        true
    }

    /// A packet ends, with so many flow records, options records and templates in it.
    pub(crate) fn header(&mut self, header: &Header, counts: [u64; 3], packet: u64) {
        let [records, options, templates] = counts;
        match header {
            Header::V9(header) => {
                // softflowd leaves out templates and options.
                let sums = [0, options, templates, options + templates].map(|more| records + more);
                if !sums.contains(&header.count.into()) {
                    self.in_packet(Signal::HeaderCount, packet);
                }
            }
            Header::V5(_) if records > 30 => self.in_packet(Signal::ManyRecords, packet),
            _ => {}
        }
    }

    /// A template that is new.
    pub(crate) fn template(&mut self, definition: &TemplateDefinition, plan: &Plan, version: u16) {
        self.templates += 1;
        let variable = plan.fields().iter().any(|field| field.is_variable());
        self.add(Signal::VariableLengthInV9, u64::from(version == 9 && variable));
        let wrong =
            plan.fields().iter().any(|field| is_ntp(field.element().data_type) && field.length() != 8);
        self.add(Signal::TimeLength, u64::from(wrong && !definition.options));
        for signal in template::signals(plan, version) {
            self.add(signal, 1);
        }
    }

    /// A data set of a packet, which may be an earlier one.
    pub(crate) fn data(&mut self, context: &Context<'_>, set: &DataSet<'_>) {
        // The header of v9 has a multiple of four octets, and so have sets that are padded as RFC 3954 wants them.
        if matches!(context.header, Header::V9(_)) && !set.offset().is_multiple_of(4) {
            self.in_packet(Signal::UnalignedSet, context.packet);
        }
        // The two that every flow has are enough.
        let is_start = |id| matches!(id, ie::FLOW_START_MICROSECONDS | ie::FLOW_START_NANOSECONDS);
        let column = set.columns().find(|column| {
            let element = column.field().element();
            element.enterprise == pen::IANA && is_start(element.id) && column.field().length() == 8
        });
        let Some(column) = column else { return };
        let (times, below, above_zero) = &mut self.ntp;
        for row in 0..set.len() {
            let Some(fraction) = column.octets(row).last_chunk().map(|octets| u32::from_be_bytes(*octets))
            else {
                continue;
            };
            *times += 1;
            *below += u64::from(fraction < 1_000_000_000);
            *above_zero += u64::from(fraction > 0);
        }
    }

    pub(crate) fn note(&mut self, flow: &Observation) {
        self.flows += 1;
        if flow.invalid_value {
            self.add(Signal::InvalidDirection, 1);
        }
        if flow.icmp_from_port {
            self.add(Signal::IcmpInPort, 1);
        }
        if flow.octets > i64::MAX as u64 || flow.packets > i64::MAX as u64 {
            self.add(Signal::NegativeCounter, 1);
        } else if flow.packets > 0 && flow.octets > flow.packets.saturating_mul(65_535) {
            self.add(Signal::ImpossibleCounter, 1);
        }
    }

    pub(crate) fn seen(&self, signal: Signal) -> u64 {
        match signal {
            Signal::NtpFraction => {
                let (times, below, above_zero) = self.ntp;
                // By chance a quarter is below. Whole seconds have no fraction.
                if times >= TIMES && below == times && above_zero * 2 > times { times } else { 0 }
            }
            signal => self.seen[signal as usize],
        }
    }

    pub(crate) fn findings(&self, packets: u64, found: &mut impl FnMut(Severity, Kind)) {
        for quirk in QUIRKS {
            let of = match quirk.unit {
                Unit::Packets => packets,
                Unit::Templates => self.templates,
                Unit::Flows => self.flows,
            };
            let seen = self.seen(quirk.signal);
            if seen > 0 && seen * 100 >= of * quirk.least {
                found(quirk.severity, Kind::Quirk { quirk, seen, of });
            }
        }
    }
}

fn is_ntp(data_type: DataType) -> bool {
    matches!(data_type, DataType::DateTimeMicroseconds | DataType::DateTimeNanoseconds)
}

#[cfg(test)]
mod tests {
    use netflow_wire::{v5, v9};

    use super::*;
    use crate::testing::flow;

    fn names(signals: &Signals) -> Vec<(&'static str, u64, u64)> {
        let mut names = Vec::new();
        signals.findings(10, &mut |_, kind| {
            if let Kind::Quirk { quirk, seen, of } = kind {
                names.push((quirk.name, seen, of));
            }
        });
        names
    }

    #[test]
    fn every_signal_has_a_row_and_every_row_a_name_of_its_own() {
        let mut signals: Vec<_> = QUIRKS.iter().map(|quirk| quirk.signal as usize).collect();
        signals.sort_unstable();
        assert_eq!(signals, (0..SIGNALS).collect::<Vec<_>>());
        let mut names: Vec<_> = QUIRKS.iter().map(|quirk| quirk.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_count_in_v9_may_leave_out_templates_and_options() {
        let mut signals = Signals::default();
        for (packet, count) in [4, 5, 7, 6, 1, 2].into_iter().enumerate() {
            let header = Header::V9(v9::Header { count, ..v9::Header::default() });
            signals.header(&header, [4, 1, 2], packet as u64);
        }
        assert_eq!(names(&signals), [], "two of ten may be templates that are counted otherwise");
        let header = Header::V9(v9::Header { count: 1, ..v9::Header::default() });
        (6..9).for_each(|packet| signals.header(&header, [4, 1, 2], packet));
        assert_eq!(names(&signals), [("header_count", 5, 10)]);
    }

    #[test]
    fn more_records_than_v5_allows_are_told() {
        let mut signals = Signals::default();
        signals.header(&Header::V5(v5::Header::default()), [30, 0, 0], 0);
        signals.header(&Header::V5(v5::Header::default()), [128, 0, 0], 1);
        assert_eq!(names(&signals), [("many_records", 1, 10)]);
    }

    #[test]
    fn a_problem_counts_once_a_packet() {
        let mut signals = Signals::default();
        let problem = Problem::Set(SetError::Trailing { offset: 45, length: 3 });
        for packet in [0, 0, 3] {
            assert!(signals.problem(&problem, packet));
        }
        assert!(!signals.problem(&Problem::Set(SetError::Length { id: 256, offset: 20, length: 3 }), 4));
        assert_eq!(names(&signals), [("trailing_octets", 2, 10)]);
    }

    #[test]
    fn counters_that_cannot_be_are_told() {
        let mut signals = Signals::default();
        for (packets, octets) in [(1, 65_535), (1, 65_536), (0, 40), (u64::MAX, 5), (2, u64::MAX - 7)] {
            signals.note(&Observation { packets, octets, ..flow() });
        }
        signals.note(&Observation { invalid_value: true, ..flow() });
        assert_eq!(
            names(&signals),
            [("invalid_direction", 1, 6), ("impossible_counter", 1, 6), ("negative_counter", 2, 6)]
        );
    }
}
