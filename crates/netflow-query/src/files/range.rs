//! Ranges of receive times.

use std::ops::RangeInclusive;

use netflow_filter::{Condition, Expression, Numbers, Subject, Test};
use netflow_flow::column;
use netflow_templates::Timestamp;

/// The times from one on, up to before another, of receiving export packets (`time_received`).
///
/// Receive times, and not those of the flows themselves, since each flow has one, it is of a clock that is known, and
/// files are cut by it. A flow is exported soon after it ended: within its exporter's timeouts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// The first time within it.
    pub from: Option<Timestamp>,
    /// The first time behind it.
    pub to: Option<Timestamp>,
}

/// Why two times are no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the time range is empty: it goes from {from:.3} to {to:.3}")]
pub struct RangeError {
    /// Where it would begin.
    pub from: Timestamp,
    /// Where it would end.
    pub to: Timestamp,
}

impl TimeRange {
    /// From one time to before another.
    pub fn new(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Self, RangeError> {
        match (from, to) {
            (Some(from), Some(to)) if from >= to => Err(RangeError { from, to }),
            _ => Ok(Self { from, to }),
        }
    }

    /// Whether all times are within it.
    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether a time is within it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }

    /// The same, as a condition of a filter: a flow without a receive time is not within it, unless all are.
    pub fn expression(&self) -> Expression {
        let Some(column) = column("time_received").filter(|_| !self.is_all()) else { return Expression::All };
        let from = self.from.map_or(1, Timestamp::as_nanos);
        let to = self.to.map_or(i64::MAX, |to| to.as_nanos().saturating_sub(1));
        let times: RangeInclusive<i64> = from..=to;
        Expression::Test(Test::new(Subject::Column(column), Condition::Numbers(Numbers::ranges([times]))))
    }

    /// Whether a time of a window is within it: from its start to before its end, if it has one.
    pub(super) fn meets(&self, start: Timestamp, end: Option<Timestamp>) -> bool {
        self.to.is_none_or(|to| start < to) && self.from.is_none_or(|from| end.is_none_or(|end| from < end))
    }

    /// What is left to be looked at in a window that it meets.
    pub(super) fn within(&self, start: Timestamp, end: Option<Timestamp>) -> Self {
        Self {
            from: self.from.filter(|&from| start < from),
            to: self.to.filter(|&to| end.is_none_or(|end| to < end)),
        }
    }
}

/// A time as [`netflow_filter::parse_time`] takes it, or before now: `now`, `-90s`, `-5m`, `-1h`, `-7d`, `-2w`.
pub fn parse_time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    let Some(ago) = text.strip_prefix('-') else { return netflow_filter::parse_time(text) };
    let unit = ago.trim_start_matches(|character: char| character.is_ascii_digit());
    let number: i64 = ago[..ago.len() - unit.len()].parse().ok()?;
    let seconds = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    let nanos = number.checked_mul(seconds)?.checked_mul(1_000_000_000)?;
    Some(now.saturating_add_nanos(-nanos))
}

#[cfg(test)]
mod tests {
    use netflow_flow::Flow;

    use super::*;

    fn seconds(from: i64, to: i64) -> TimeRange {
        TimeRange::new(Some(Timestamp::from_secs(from)), Some(Timestamp::from_secs(to))).unwrap()
    }

    #[test]
    fn times_are_absolute_or_before_now() {
        let now = Timestamp::from_secs(1_772_334_245);
        let of = |text| parse_time(text, now).map(|time| format!("{time:.0}"));
        assert_eq!(of("now").as_deref(), Some("2026-03-01T03:04:05Z"));
        assert_eq!(of("-5s").as_deref(), Some("2026-03-01T03:04:00Z"));
        assert_eq!(of("-4m").as_deref(), Some("2026-03-01T03:00:05Z"));
        assert_eq!(of("-3h").as_deref(), Some("2026-03-01T00:04:05Z"));
        assert_eq!(of("-1d").as_deref(), Some("2026-02-28T03:04:05Z"));
        assert_eq!(of("2026-01-01").as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(of("2026-01-01T10:00").as_deref(), Some("2026-01-01T10:00:00Z"));
        assert_eq!(of("2026-01-01T10:00:30+02:00").as_deref(), Some("2026-01-01T08:00:30Z"));
        for text in ["", "-", "-h", "-1y", "--1h", "yesterday", "-99999999999999999999h", "-9999999999999w"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_range_begins_with_its_first_time_and_ends_before_its_last() {
        let has = |range: TimeRange, nanos| {
            let mut flow = Flow::default();
            flow.time_received = Timestamp::from_nanos(nanos);
            range.expression().matches((&flow).into())
        };
        let range = seconds(10, 20);
        assert!(has(range, 10_000_000_000) && has(range, 19_999_999_999));
        assert!(!has(range, 9_999_999_999) && !has(range, 20_000_000_000) && !has(range, 0));
        assert_eq!(TimeRange::default().expression(), Expression::All);
        let time = Timestamp::from_secs(5);
        assert!(TimeRange::new(Some(time), Some(time)).is_err());
        // What has no time is of none.
        assert!(!has(TimeRange { to: Some(time), from: None }, 0));
        assert!(has(TimeRange { to: Some(time), from: None }, 1));
    }
}
