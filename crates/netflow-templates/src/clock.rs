//! From the exporter's clock to Unix time.

use netflow_wire::Header;

use crate::Timestamp;

/// Milliseconds after which the 32 bits of an uptime start again: 49.7 days.
const UPTIME_WRAP: i64 = 1 << 32;

/// What an export packet says about time: when it was sent, and when the exporter started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Export time of the packet.
    pub export: Timestamp,
    /// Uptime of the exporter when it sent the packet, in milliseconds; IPFIX has none.
    pub uptime_millis: Option<u32>,
    /// When the exporter started, as its options data say (systemInitTimeMilliseconds).
    pub system_init: Option<Timestamp>,
}

impl Clock {
    /// The clock of an export packet.
    pub fn new(header: &Header, system_init: Option<Timestamp>) -> Self {
        Self {
            export: Timestamp::from_nanos(header.export_nanos()),
            uptime_millis: header.uptime_millis(),
            system_init,
        }
    }

    /// The time at which the exporter's uptime was `uptime` milliseconds; `None` when nothing says when it
    /// started.
    ///
    /// Uptimes run over after 49.7 days. With an uptime in the header the nearer of the times before and
    /// after it is meant; else the one nearest to the export time.
    #[inline]
    pub fn at_uptime(&self, uptime: u32) -> Option<Timestamp> {
        if let Some(now) = self.uptime_millis {
            let millis = i64::from(uptime.wrapping_sub(now).cast_signed());
            return Some(self.export.saturating_add_nanos(millis * 1_000_000));
        }
        self.system_init.map(|start| self.since_start(start, uptime))
    }

    /// The time `uptime` milliseconds after `start`, or a multiple of the uptime's period later or earlier,
    /// so that it is nearest to the export time.
    pub fn since_start(&self, start: Timestamp, uptime: u32) -> Timestamp {
        let running = (self.export.as_nanos().saturating_sub(start.as_nanos())) / 1_000_000;
        let periods = (running - i64::from(uptime) + UPTIME_WRAP / 2).div_euclid(UPTIME_WRAP);
        let millis = i64::from(uptime) + periods * UPTIME_WRAP;
        start.saturating_add_nanos(millis.saturating_mul(1_000_000))
    }

    /// The uptime at a time, in milliseconds, of an exporter that started at [`system_init`](Self::system_init):
    /// what [`at_uptime`](Self::at_uptime) reads. 0 when that is not known.
    #[inline]
    pub fn uptime_at(&self, time: Timestamp) -> u32 {
        let nanos = |start: Timestamp| time.as_nanos().saturating_sub(start.as_nanos());
        self.system_init.map_or(0, |start| nanos(start).div_euclid(1_000_000) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(uptime: Option<u32>, system_init: Option<i64>) -> Clock {
        Clock {
            export: Timestamp::from_secs(1_000_000),
            uptime_millis: uptime,
            system_init: system_init.map(Timestamp::from_secs),
        }
    }

    #[test]
    fn uptime_is_relative_to_the_header() {
        assert_eq!(clock(Some(60_000), None).at_uptime(50_000), Some(Timestamp::from_secs(999_990)));
    }

    #[test]
    fn uptime_wraps_between_flow_and_export() {
        // The flow was seen 6 s before the header, 5 s of them before the wrap.
        let before_wrap = u32::MAX - 4_999;
        assert_eq!(clock(Some(1_000), None).at_uptime(before_wrap), Some(Timestamp::from_secs(999_994)));
    }

    #[test]
    fn flows_may_be_stamped_after_the_header() {
        assert_eq!(clock(Some(0), None).at_uptime(2_000), Some(Timestamp::from_secs(1_000_002)));
    }

    #[test]
    fn uptimes_are_read_as_they_were_written() {
        let started = clock(None, Some(1_000));
        for millis in [0, 1, 998_999_000, -5_000, 3_999_000_000] {
            let time = Timestamp::from_secs(1_000).saturating_add_nanos(millis * 1_000_000);
            let uptime = started.uptime_at(time);
            assert_eq!(uptime, millis as u32);
            let read = Clock { uptime_millis: Some(started.uptime_at(started.export)), ..started };
            if millis < 1 << 31 {
                assert_eq!(read.at_uptime(uptime), Some(time));
            }
        }
    }

    #[test]
    fn system_init_time_serves_where_the_header_has_no_uptime() {
        assert_eq!(clock(None, Some(999_000)).at_uptime(10_000), Some(Timestamp::from_secs(999_010)));
        assert_eq!(clock(None, None).at_uptime(10_000), None);
        // Started 100 days ago: the uptime has run over twice.
        let start = 1_000_000 - 100 * 86_400;
        let uptime = (100 * 86_400_000i64 - 5_000) % UPTIME_WRAP;
        assert_eq!(clock(None, Some(start)).at_uptime(uptime as u32), Some(Timestamp::from_secs(999_995)));
    }
}
