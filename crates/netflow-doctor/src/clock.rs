//! The exporter's clock and its uptime, as the headers of its packets say them.

use netflow_templates::Timestamp;
use serde::Serialize;

use crate::finding::{Kind, Severity};
use crate::samples::Samples;

/// Seconds between the clocks that are a warning.
const SKEW: f64 = 10.0;
/// Seconds between the clocks that are an error: flows are sorted into wrong files and intervals.
const MUCH_SKEW: f64 = 300.0;
/// Milliseconds by which export time and uptime may differ: v9 rounds the one to seconds.
const DRIFT: i64 = 2_000;
/// Of so much export time, one part may be drift.
const DRIFT_PART: i64 = 1_000;
/// Milliseconds of export time without which nothing is said about an uptime that stands still.
const LEAST_EXPORT: i64 = 3_000;
/// Milliseconds by which the uptime falls when the exporter starts again; some step back by a few.
const FALL: i64 = 5_000;
/// Milliseconds by which the uptime may gain on the export time; more is a restart after the uptime was so
/// high that the fall looks like a rise.
const GAIN: i64 = 24 * 3_600 * 1_000;

/// Milliseconds by which two packets of one exporter may disagree about when it started.
const SAME_START: i64 = 5_000;
/// Exporters behind one address that are told apart.
const SOURCES: usize = 8;
/// Times that packets go back to an earlier start before several exporters are told: a packet or two may be late.
const RETURNS: u64 = 5;
/// Of so many packets one must go back.
const RETURNS_PART: u64 = 20;

/// What is known about an exporter's clock.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct ClockFacts {
    /// Export time less receive time in seconds, the median; `None` when receive times are not known.
    pub skew: Option<f64>,
    /// When the exporter started, by the last packet: export time less uptime, Unix seconds; `None` when the
    /// version has no uptime.
    pub boot: Option<f64>,
    /// Times that the uptime ran over, which it does after 49.7 days.
    pub wraps: u64,
}

/// Follows the clock of one exporter and domain.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    skew: Samples,
    last: Option<(Timestamp, u32)>,
    wraps: u64,
    /// Restarts that only the uptime tells.
    restarts: u64,
    boot: Option<f64>,
    /// Milliseconds of export time, and of uptime, since the exporter started.
    export: i64,
    uptime: i64,
    /// The largest single step of one against the other.
    step: i64,
    steps: u64,
    sources: Sources,
}

/// Exporters behind one address, told apart by when they started: one that starts again never goes back to an
/// earlier start.
#[derive(Debug, Default)]
struct Sources {
    /// Unix milliseconds.
    starts: Vec<i64>,
    /// The one that the last packet was of.
    last: usize,
    packets: u64,
    returns: u64,
}

impl Sources {
    fn note(&mut self, start: i64) {
        self.packets += 1;
        let known = self.starts.iter().position(|known| known.abs_diff(start) <= SAME_START as u64);
        let source = match known {
            Some(source) => {
                self.returns += u64::from(source != self.last);
                source
            }
            None => {
                if self.starts.len() == SOURCES {
                    self.starts.remove(0);
                }
                self.starts.push(start);
                self.starts.len() - 1
            }
        };
        // A start may drift.
        self.starts[source] = start;
        self.last = source;
    }

    fn several(&self) -> Option<u64> {
        let several = self.returns >= RETURNS && self.returns * RETURNS_PART >= self.packets;
        several.then_some(self.starts.len() as u64)
    }
}

impl Clocks {
    /// A packet came, in order. `restarted` is whether its sequence number tells a restart.
    pub(crate) fn note(
        &mut self,
        export: Timestamp,
        received: Timestamp,
        uptime: Option<u32>,
        restarted: bool,
    ) {
        if received > Timestamp::EPOCH {
            self.skew.push(export.as_nanos().saturating_sub(received.as_nanos()));
        }
        let Some(uptime) = uptime else { return };
        self.boot = Some(export.as_secs_f64() - f64::from(uptime) / 1e3);
        let Some((last_export, last_uptime)) = self.last.replace((export, uptime)) else { return };
        let exported = export.as_nanos().saturating_sub(last_export.as_nanos()) / 1_000_000;
        let moved = i64::from(uptime.wrapping_sub(last_uptime).cast_signed());
        let fell = uptime < last_uptime && moved < -FALL && exported - moved > FALL;
        let gained = uptime < last_uptime && moved - exported > GAIN;
        if restarted || fell || gained {
            self.restarts += u64::from(!restarted);
            (self.export, self.uptime, self.step, self.steps) = (0, 0, 0, 0);
            return;
        }
        self.wraps += u64::from(uptime < last_uptime && moved > 0);
        self.export = self.export.saturating_add(exported);
        self.uptime = self.uptime.saturating_add(moved);
        self.steps += 1;
        let step = exported - moved;
        if step.abs() > self.step.abs() {
            self.step = step;
        }
    }

    /// A packet came, in whatever order.
    pub(crate) fn source(&mut self, export: Timestamp, uptime: Option<u32>) {
        if let Some(uptime) = uptime {
            self.sources.note(export.as_nanos() / 1_000_000 - i64::from(uptime));
        }
    }

    /// How many exporters there are, if they are several.
    pub(crate) fn sources(&self) -> Option<u64> {
        self.sources.several()
    }

    pub(crate) fn facts(&self) -> ClockFacts {
        let skew = self.skew.median().map(|nanos| nanos as f64 / 1e9);
        ClockFacts { skew, boot: self.boot, wraps: self.wraps }
    }

    /// What is wrong. `relative` is whether flow times are given in the exporter's uptime.
    pub(crate) fn findings(&self, relative: bool, found: &mut impl FnMut(Severity, Kind)) {
        if let Some(seconds) = self.facts().skew.filter(|skew| skew.abs() >= SKEW) {
            let severity = if seconds.abs() >= MUCH_SKEW { Severity::Error } else { Severity::Warning };
            found(severity, Kind::ClockSkew { seconds });
        }
        if let Some(sources) = self.sources() {
            // What follows would be about a mixture.
            return found(Severity::Error, Kind::SharedAddress { sources });
        }
        if self.restarts > 0 {
            found(Severity::Warning, Kind::Restarted { times: self.restarts });
        }
        if self.wraps > 0 {
            found(Severity::Notice, Kind::UptimeWrapped { times: self.wraps });
        }
        let drift = self.export - self.uptime;
        if drift.abs() <= DRIFT + self.export.abs() / DRIFT_PART || self.export < LEAST_EXPORT {
            return;
        }
        let seconds = |millis: i64| millis as f64 / 1e3;
        let severity = if relative { Severity::Warning } else { Severity::Notice };
        if self.uptime.abs() * 10 < self.export {
            found(severity, Kind::UptimeStandsStill { seconds: seconds(self.export) });
        } else if self.steps > 2 && self.step.abs() * 10 >= drift.abs() * 9 {
            found(Severity::Notice, Kind::ClockSet { seconds: seconds(self.step) });
        } else {
            let (drift, over) = (seconds(drift), seconds(self.export));
            found(severity, Kind::BootTimeDrifts { drift, over });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_714_564_800_000;

    /// Packets as milliseconds of export time since the start, and uptime; received when exported.
    fn findings(packets: &[(i64, u32)], restarted: bool) -> (Vec<Kind>, Clocks) {
        let mut clocks = Clocks::default();
        for &(export, uptime) in packets {
            let time = Timestamp::from_millis(START + export);
            clocks.source(time, Some(uptime));
            clocks.note(time, time, Some(uptime), restarted && uptime < 10_000);
        }
        let mut kinds = Vec::new();
        clocks.findings(true, &mut |_, kind| kinds.push(kind));
        (kinds, clocks)
    }

    #[test]
    fn a_clock_that_runs_with_the_uptime_is_good_over_the_wrap() {
        let packets: Vec<_> =
            (0..20).map(|n| (n * 1_000, (u32::MAX - 9_500).wrapping_add(n as u32 * 1_000))).collect();
        let (kinds, clocks) = findings(&packets, false);
        assert_eq!(kinds, [Kind::UptimeWrapped { times: 1 }]);
        assert_eq!(clocks.facts().wraps, 1);
    }

    #[test]
    fn export_times_in_whole_seconds_are_no_drift() {
        let packets: Vec<_> = (0..50).map(|n| (n * 1_300 / 1_000 * 1_000, n as u32 * 1_300)).collect();
        assert_eq!(findings(&packets, false).0, []);
    }

    #[test]
    fn an_uptime_that_stands_still_is_no_restart() {
        // fprobe: also steps back by 2 ms.
        let packets = [(0, 1_048_578_001), (2_000, 1_048_577_999), (4_000, 1_048_578_000)];
        assert_eq!(findings(&packets, false).0, [Kind::UptimeStandsStill { seconds: 4.0 }]);
    }

    #[test]
    fn a_drift_is_told_with_its_size() {
        let packets: Vec<_> = (0..=100).map(|n| (n * 1_000, n as u32 * 900)).collect();
        assert_eq!(findings(&packets, false).0, [Kind::BootTimeDrifts { drift: 10.0, over: 100.0 }]);
    }

    #[test]
    fn a_clock_that_was_set_is_told_from_drift() {
        let packets: Vec<_> =
            (0..100).map(|n| (n * 1_000 + if n > 50 { 60_000 } else { 0 }, n as u32 * 1_000)).collect();
        assert_eq!(findings(&packets, false).0, [Kind::ClockSet { seconds: 60.0 }]);
    }

    #[test]
    fn an_uptime_that_falls_is_a_restart_and_told_once() {
        let packets = [(0, 900_000), (1_000, 901_000), (61_000, 2_000), (62_000, 3_000)];
        assert_eq!(findings(&packets, false).0, [Kind::Restarted { times: 1 }]);
        // The sequence numbers told it already.
        assert_eq!(findings(&packets, true).0, []);
        // From 40 days to a minute, which looks like 9.7 days ahead.
        let packets = [(0, 3_456_000_000), (1_000, 3_456_001_000), (90_000, 60_000)];
        assert_eq!(findings(&packets, false).0, [Kind::Restarted { times: 1 }]);
    }

    #[test]
    fn exporters_behind_one_address_are_told_apart() {
        let packets: Vec<_> = (0..30)
            .map(|n| (n * 1_000, n as u32 * 1_000 + [7_000_000, 90_000_000, 500_000][n as usize % 3]))
            .collect();
        assert_eq!(findings(&packets, false).0, [Kind::SharedAddress { sources: 3 }]);
        // One that starts again and again never goes back.
        let packets: Vec<_> = (0..30).map(|n| (n * 60_000, 1_000)).collect();
        assert!(!findings(&packets, false).0.contains(&Kind::SharedAddress { sources: 8 }));
    }

    #[test]
    fn the_skew_is_the_median_and_its_size_decides() {
        for (ahead, severity) in [(5, None), (-30, Some(Severity::Warning)), (600, Some(Severity::Error))] {
            let mut clocks = Clocks::default();
            for n in 0..9 {
                let received = Timestamp::from_millis(START + n * 1_000);
                // One packet was under way for long.
                let late = if n == 4 { -40_000_000_000 } else { 0 };
                let export = received.saturating_add_nanos(ahead * 1_000_000_000 + late);
                clocks.note(export, received, None, false);
            }
            let mut found = None;
            clocks.findings(false, &mut |severity, kind| found = Some((severity, kind)));
            assert_eq!(found, severity.map(|severity| (severity, Kind::ClockSkew { seconds: ahead as f64 })));
        }
        // A receive time that is not known says nothing.
        let mut clocks = Clocks::default();
        clocks.note(Timestamp::from_millis(START), Timestamp::EPOCH, None, false);
        assert_eq!(clocks.facts().skew, None);
    }
}
