//! Headers: what they count, and what they say of time.

use netflow_templates::{Clock, Timestamp};
use netflow_wire::{Header, ipfix, v1, v5, v7, v8, v9};

use super::habits::{Count, Sequence};
use super::{Exporter, ExporterConfig, HeaderClock};
use crate::Version;

/// Random sampling is 2; what counts packets is 1 (v5).
const PACKET_INTERVAL_MODE: u16 = 1 << 14;
/// The only version of aggregation schemes that was seen.
const AGGREGATION_VERSION: u8 = 2;

impl Exporter {
    /// The clock of the packet that is begun, or else is sent, now.
    pub(super) fn clock(&self, begun: bool) -> Clock {
        let ExporterConfig { version, started, habits, .. } = &self.config;
        let now = self.now;
        let export = match version.has_templates() {
            // Nothing is to be after the time that differences are from.
            true if self.deltas => floor(now.saturating_add_nanos(SECOND - 1), SECOND),
            true => floor(now, SECOND),
            false => floor(now, MILLISECOND),
        };
        let start = match habits.clock {
            HeaderClock::Running => *started,
            HeaderClock::Start => {
                let export = floor(*started, if version.has_templates() { SECOND } else { MILLISECOND });
                return Clock { export, uptime_millis: Some(0), system_init: Some(export) };
            }
            HeaderClock::Standing(uptime) => export.saturating_add_nanos(-i64::from(uptime) * MILLISECOND),
        };
        let stays = self.deltas || matches!(habits.clock, HeaderClock::Standing(_));
        if stays && !begun {
            return self.draft.clock;
        }
        let clock = Clock { export, uptime_millis: None, system_init: Some(start) };
        Clock { uptime_millis: Some(clock.uptime_at(export)), ..clock }
    }

    /// The header of the packet that is being filled; the length of IPFIX is not known yet.
    pub(super) fn header(&self) -> Header {
        let clock = self.clock(false);
        let nanos = clock.export.as_nanos();
        let unix_seconds = nanos.div_euclid(1_000_000_000) as u32;
        let unix_nanos = nanos.rem_euclid(1_000_000_000) as u32;
        let uptime_millis = clock.uptime_millis.unwrap_or(0);
        let domain = self.streams[usize::from(self.is_side())].domain;
        let (engine_type, engine_id) = ((domain >> 8) as u8, domain as u8);
        let sequence = self.sequence();
        let count = self.draft.flows as u16;
        match self.config.version {
            Version::V1 => Header::V1(v1::Header { count, uptime_millis, unix_seconds, unix_nanos }),
            Version::V5 => {
                let sampling = match self.config.sampling {
                    0 | 1 => 0,
                    rate => PACKET_INTERVAL_MODE | rate.min(0x3fff) as u16,
                };
                Header::V5(v5::Header {
                    count,
                    uptime_millis,
                    unix_seconds,
                    unix_nanos,
                    sequence,
                    engine_type,
                    engine_id,
                    sampling,
                })
            }
            Version::V7 => Header::V7(v7::Header {
                count,
                uptime_millis,
                unix_seconds,
                unix_nanos,
                sequence,
                reserved: 0,
            }),
            Version::V8(aggregation) => Header::V8(v8::Header {
                count,
                uptime_millis,
                unix_seconds,
                unix_nanos,
                sequence,
                engine_type,
                engine_id,
                aggregation,
                aggregation_version: AGGREGATION_VERSION,
                reserved: 0,
            }),
            Version::V9 => Header::V9(v9::Header {
                count: self.count(),
                uptime_millis,
                unix_seconds,
                sequence,
                source_id: domain,
            }),
            Version::Ipfix => Header::Ipfix(ipfix::Header {
                length: 0,
                export_time: unix_seconds,
                sequence_number: sequence,
                observation_domain_id: domain,
            }),
        }
    }

    /// The count of v9.
    fn count(&self) -> u16 {
        let draft = &self.draft;
        match self.config.habits.count {
            Count::Records => (draft.flows + draft.options + draft.templates) as u16,
            Count::Flows => draft.flows as u16,
            Count::Sets => draft.sets().len() as u16,
            Count::One => 1,
        }
    }

    fn sequence(&self) -> u32 {
        let (draft, stream) = (&self.draft, &self.streams[usize::from(self.is_side())]);
        let habits = &self.config.habits;
        let options = u32::from(!habits.options_uncounted);
        let (before, this) = match (habits.sequence, self.config.version) {
            (Sequence::Packets, _) | (_, Version::V9) => (stream.packets, 1),
            (_, Version::Ipfix) => {
                (stream.flows.wrapping_add(options * stream.options), draft.flows + options * draft.options)
            }
            _ => (stream.flows, draft.flows),
        };
        let number = match habits.sequence {
            Sequence::Before | Sequence::Packets => before,
            Sequence::After => before.wrapping_add(this),
            Sequence::Last => before.wrapping_add(this).wrapping_sub(1),
        };
        habits.first_sequence.wrapping_add(number)
    }
}

/// Nanoseconds.
const SECOND: i64 = 1_000_000_000;
pub(super) const MILLISECOND: i64 = 1_000_000;

/// A time without what is less than a unit of so many nanoseconds.
pub(super) fn floor(time: Timestamp, unit: i64) -> Timestamp {
    time.saturating_add_nanos(-time.as_nanos().rem_euclid(unit))
}
