//! When flows start and end, beside when they are exported.

use netflow_flow::TimeQuality;
use netflow_templates::Timestamp;

use crate::finding::{Kind, Severity};
use crate::reading::Observation;

/// Nanoseconds by which a flow may end after its export: headers have whole seconds.
const AFTER: i64 = 2_000_000_000;
/// Nanoseconds that a flow may be over when it is exported.
const LATE: i64 = 600 * 1_000_000_000;
/// Nanoseconds that a flow may last: the longest sane active timeout, and a tenth.
const LONG: i64 = 330 * 1_000_000_000;
/// Nanoseconds before its export at which a flow may start.
const LONG_BEFORE: i64 = 24 * 3_600 * 1_000_000_000;
/// Seconds of skew that may explain wrong times, and by which it may miss them.
const SKEW: f64 = 300.0;
/// Flows that last long before that is told: a few may have other reasons.
const SOME: u64 = 3;

/// Flows with something in common, and the most extreme of them.
#[derive(Debug, Default)]
struct Tally {
    flows: u64,
    most: i64,
}

impl Tally {
    fn add(&mut self, nanos: i64) {
        self.flows += 1;
        self.most = self.most.max(nanos);
    }

    fn most(&self) -> f64 {
        self.most as f64 / 1e9
    }

    /// Whether these are one in a hundred of all, and some.
    fn matters(&self, of: u64) -> bool {
        self.flows >= SOME && self.flows * 100 >= of
    }
}

/// The times of the flows of one domain.
#[derive(Debug, Default)]
pub(crate) struct FlowTimes {
    flows: u64,
    missing: u64,
    estimated: u64,
    relative: u64,
    after: Tally,
    reversed: Tally,
    before: Tally,
    late: Tally,
    long: Tally,
}

impl FlowTimes {
    pub(crate) fn note(&mut self, flow: &Observation) {
        self.flows += 1;
        match flow.time_quality {
            TimeQuality::Missing => self.missing += 1,
            TimeQuality::Estimated => self.estimated += u64::from(!flow.event),
            TimeQuality::Relative => self.relative += 1,
            TimeQuality::Exact | TimeQuality::Corrected => {}
        }
        let (Some(start), Some(end)) = (flow.start.or(flow.end), flow.end.or(flow.start)) else { return };
        let since =
            |later: Timestamp, earlier: Timestamp| later.as_nanos().saturating_sub(earlier.as_nanos());
        // Each flow counts once, for the worst.
        if end < start {
            self.reversed.add(since(start, end));
        } else if since(end, flow.export) > AFTER {
            self.after.add(since(end, flow.export));
        } else if since(flow.export, start) > LONG_BEFORE {
            self.before.add(since(flow.export, start));
        } else if since(flow.export, end) > LATE {
            self.late.add(since(flow.export, end));
        } else if since(end, start) > LONG && !flow.event {
            self.long.add(since(end, start));
        }
    }

    /// Whether times are given in the exporter's uptime.
    pub(crate) fn are_relative(&self) -> bool {
        self.relative > 0
    }

    /// Flows whose times are guessed, as nothing says when the exporter started. None, if it was said later.
    pub(crate) fn estimated(&self) -> u64 {
        if self.relative > 0 { 0 } else { self.estimated }
    }

    /// What is wrong. What the `skew` of the exporter's clock explains, in seconds, is not told again; nor that
    /// times are missing, where they are `unreadable`.
    pub(crate) fn findings(&self, skew: f64, unreadable: bool, found: &mut impl FnMut(Severity, Kind)) {
        let of = self.flows;
        let explained = |tally: &Tally| skew >= SKEW && (tally.most() - skew).abs() <= SKEW;
        if self.reversed.matters(of) {
            let flows = self.reversed.flows;
            found(Severity::Warning, Kind::FlowsEndBeforeStart { flows, of });
        }
        if self.after.matters(of) && !explained(&self.after) {
            let (flows, most) = (self.after.flows, self.after.most());
            found(Severity::Warning, Kind::FlowsEndAfterExport { flows, of, most });
        }
        if self.before.matters(of) {
            let (flows, most) = (self.before.flows, self.before.most());
            found(Severity::Warning, Kind::FlowsStartLongBefore { flows, of, most });
        }
        if self.late.matters(of) && !explained(&self.late) {
            let (flows, most) = (self.late.flows, self.late.most());
            found(Severity::Notice, Kind::FlowsExportedLate { flows, of, most });
        }
        // One in many is enough here: with an active timeout there would be none.
        if self.long.flows >= SOME {
            let (flows, longest) = (self.long.flows, self.long.most());
            found(Severity::Warning, Kind::LongFlows { flows, of, longest });
        }
        if !unreadable && self.missing >= SOME && self.missing * 100 >= of {
            found(Severity::Notice, Kind::TimesMissing { flows: self.missing, of });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{EXPORT, flow};

    /// What is found in flows whose starts and ends are given in seconds relative to the export.
    fn findings(times: &[(i64, i64)]) -> Vec<Kind> {
        let mut all = FlowTimes::default();
        for &(start, end) in times {
            let at = |seconds: i64| Some(EXPORT.saturating_add_nanos(seconds * 1_000_000_000));
            all.note(&Observation {
                start: at(start),
                end: at(end),
                time_quality: TimeQuality::Exact,
                ..flow()
            });
        }
        let mut kinds = Vec::new();
        all.findings(0.0, false, &mut |_, kind| kinds.push(kind));
        kinds
    }

    #[test]
    fn ordinary_flows_are_good() {
        assert_eq!(findings(&[(-60, 0), (-15, -15), (-300, -1), (-20, 1)]), []);
    }

    #[test]
    fn each_kind_of_wrong_time_is_told_with_the_most_extreme() {
        let cases = [
            ((-10, 30), Kind::FlowsEndAfterExport { flows: 4, of: 4, most: 30.0 }),
            ((-5, -10), Kind::FlowsEndBeforeStart { flows: 4, of: 4 }),
            ((-90_000, -1), Kind::FlowsStartLongBefore { flows: 4, of: 4, most: 90_000.0 }),
            ((-1_000, -900), Kind::FlowsExportedLate { flows: 4, of: 4, most: 900.0 }),
            ((-1_800, -1), Kind::LongFlows { flows: 4, of: 4, longest: 1_799.0 }),
        ];
        for (times, kind) in cases {
            assert_eq!(findings(&[times; 4]), [kind]);
        }
    }

    #[test]
    fn few_of_many_matter_only_where_none_should_be() {
        let mut times = vec![(-10, 0); 1_000];
        times.extend([(-10, 30); 3]);
        assert_eq!(findings(&times), []);
        times.extend([(-1_800, 0); 3]);
        assert_eq!(findings(&times), [Kind::LongFlows { flows: 3, of: 1_006, longest: 1_800.0 }]);
    }

    #[test]
    fn what_a_wrong_clock_explains_is_not_told_twice() {
        let mut all = FlowTimes::default();
        let end = Some(EXPORT.saturating_add_nanos(86_000_000_000_000));
        (0..4).for_each(|_| all.note(&Observation { start: end, end, ..flow() }));
        let count = |skew| {
            let mut count = 0;
            all.findings(skew, false, &mut |_, _| count += 1);
            count
        };
        assert_eq!((count(86_010.0), count(10.0), count(600.0)), (0, 1, 1));
    }

    #[test]
    fn flows_without_times_are_told() {
        let mut all = FlowTimes::default();
        (0..4).for_each(|_| all.note(&Observation { time_quality: TimeQuality::Missing, ..flow() }));
        let mut kinds = Vec::new();
        all.findings(0.0, false, &mut |_, kind| kinds.push(kind));
        assert_eq!(kinds, [Kind::TimesMissing { flows: 4, of: 4 }]);
    }
}
