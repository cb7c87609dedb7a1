//! Records of fixed layout: where their fields are is known when this is compiled, so that they are turned
//! into flows record by record, by the same table as all others.

use std::mem::ManuallyDrop;

use netflow_templates::{Clock, DataSet, Field, Plan, Timestamp};
use netflow_wire::{FieldSpecifier, element_id as ie, enterprise as pen, v1, v5, v7};

use super::icmp;
use crate::column::{FixedRecord, place};
use crate::flows::Row;
use crate::quality::Quality;
use crate::schema::{self, Flow};

/// Appends the flows of a set's records, of which the first has the index that `common` has.
pub(super) type Begin = fn(&DataSet<'_>, &Flow, &Clock, &mut Vec<Row>);

pub(crate) const START: &[(u32, u16)] = &[(pen::IANA, ie::FLOW_START_SYS_UP_TIME)];
const PROTO: &[(u32, u16)] = &[(pen::IANA, ie::PROTOCOL_IDENTIFIER)];
pub(crate) const DST_PORT: &[(u32, u16)] = &[(pen::IANA, ie::DESTINATION_TRANSPORT_PORT)];
pub(crate) const END: &[(u32, u16)] = &[(pen::IANA, ie::FLOW_END_SYS_UP_TIME)];

macro_rules! fixed_records {
    ($($record:ty),* $(,)?) => {
        $( impl FixedRecord for $record {
            const TEMPLATE: &'static [FieldSpecifier] = <$record>::TEMPLATE;
            const LEN: usize = <$record>::LEN;
        } )*

        /// What takes the records of a plan, if they are of a fixed layout.
        pub(super) fn of(plan: &Plan) -> Option<Begin> {
            $( if is_of::<$record>(plan) {
                return Some(begin::<$record>);
            } )*
            None
        }
    };
}

// The aggregates of v8 are few, and go the way of other templates.
fixed_records!(v1::Record, v5::Record, v7::Record);

/// Whether a field is taken in the same go.
pub(super) fn takes(field: &Field) -> bool {
    let element = field.element();
    let time = [ie::FLOW_START_SYS_UP_TIME, ie::FLOW_END_SYS_UP_TIME].contains(&element.id);
    (element.enterprise == pen::IANA && time) || schema::is_placed(field)
}

fn is_of<L: FixedRecord>(plan: &Plan) -> bool {
    let is = |(field, specifier): (&Field, &FieldSpecifier)| {
        let element = field.element();
        (element.enterprise, element.id, field.length())
            == (specifier.enterprise, specifier.id, specifier.length)
    };
    plan.template_id() == 0
        && plan.fields().len() == L::TEMPLATE.len()
        && plan.fields().iter().zip(L::TEMPLATE).all(is)
}

fn begin<L: FixedRecord>(set: &DataSet<'_>, common: &Flow, clock: &Clock, flows: &mut Vec<Row>) {
    let uptimes = Uptimes::new(clock);
    let mut index = common.record_index;
    let (start, records) = (flows.len(), set.octets().chunks_exact(L::LEN));
    flows.extend(records.clone().map(|record| {
        let record_index = index;
        index = index.wrapping_add(1);
        ManuallyDrop::new(Flow {
            record_index,
            time_flow_start: uptimes.time(record, const { place(L::TEMPLATE, START, &[4]) }),
            time_flow_end: uptimes.time(record, const { place(L::TEMPLATE, END, &[4]) }),
            ..schema::flow_of_record::<L>(record, common)
        })
    }));
    if let Some((proto, _)) = const { place(L::TEMPLATE, PROTO, &[1]) } {
        let icmp = flows[start..].iter_mut().zip(records).filter(|(_, record)| icmp::is_icmp(record[proto]));
        // Older versions have no other place for it.
        icmp.for_each(|(flow, _)| icmp::complete(flow, Some(Quality::default())));
    }
}

/// Uptimes of an export packet as times: [`Clock::at_uptime`] for many.
struct Uptimes {
    /// The uptime at `start`.
    first: u32,
    start: i64,
}

impl Uptimes {
    /// Uptimes are up to half their period before the header's, or after it.
    fn new(clock: &Clock) -> Self {
        const HALF: u32 = 1 << 31;
        let now = clock.uptime_millis.unwrap_or(0);
        let half = i64::from(HALF) * 1_000_000;
        // Export times of fixed versions are of 32 bits of seconds, far from where they would overflow.
        let start = clock.export.as_nanos().clamp(i64::MIN + half, i64::MAX - half) - half;
        Self { first: now.wrapping_sub(HALF), start }
    }

    #[inline(always)]
    fn time(&self, record: &[u8], at: Option<(usize, usize)>) -> Option<Timestamp> {
        let (start, _) = at?;
        let uptime = u32::from_be_bytes(*record[start..].first_chunk()?);
        let nanos = u64::from(uptime.wrapping_sub(self.first)) * 1_000_000;
        Some(Timestamp::from_nanos(self.start.wrapping_add_unsigned(nanos)))
    }
}
