//! Where an axis of time has its marks, and what stands at them.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _, Zoned};
use netflow_templates::Timestamp;

/// A mark on an axis of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    /// Where: 0 the start of the axis, 1 its end.
    pub(crate) at: f64,
    /// The time of day, or the date when marks are days.
    pub(crate) label: String,
    /// The date, at the first mark and at the first of each day.
    pub(crate) date: Option<String>,
}

/// Marks at round times of the zone, at most `most`.
pub(crate) fn marks(start: Timestamp, length: Duration, zone: &TimeZone, most: usize) -> Vec<Mark> {
    let (Some(first), Some(last)) = (zoned(start, zone), zoned(start.saturating_add(length), zone)) else {
        return Vec::new();
    };
    if length.is_zero() {
        return Vec::new();
    }
    let step = Step::fitting(length, most);
    let mut marks = Vec::new();
    let mut day = None;
    let mut local = step.floor(first.datetime());
    while let Some(time) = local.and_then(|local| local.to_zoned(zone.clone()).ok()) {
        if time > last || marks.len() > most {
            break;
        }
        // A time that the zone's clocks leave out is shown as another one, which the next mark may have as well.
        if time >= first && Some(time.datetime()) == local {
            let label = step.label(&time);
            let date = (!step.is_of_days() && day != Some(time.date())).then(|| date(&time));
            day = Some(time.date());
            let after = time.timestamp().duration_since(first.timestamp()).as_secs_f64();
            marks.push(Mark { at: after / length.as_secs_f64(), label, date });
        }
        local = local.and_then(|local| local.checked_add(step.span()).ok());
    }
    marks
}

/// A date and a time to the minute, or to the second if it has one: `2026-01-31 14:05`.
pub(crate) fn date_and_time(time: Timestamp, zone: &TimeZone) -> String {
    let Some(time) = zoned(time, zone) else { return String::new() };
    let format = if time.second() == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
    time.strftime(format).to_string()
}

/// What people call the zone, with its distance from UTC at a time: `Europe/Berlin, UTC+01:00`.
pub(crate) fn zone_name(time: Timestamp, zone: &TimeZone) -> String {
    let offset = zoned(time, zone).map_or_else(String::new, |time| match time.offset().seconds() {
        0 => "UTC".to_owned(),
        _ => time.strftime("UTC%:z").to_string(),
    });
    match zone.iana_name() {
        Some(name) if offset != "UTC" => format!("{name}, {offset}"),
        _ => offset,
    }
}

fn zoned(time: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    let time = jiff::Timestamp::from_nanosecond(time.as_nanos().into()).ok()?;
    Some(time.to_zoned(zone.clone()))
}

fn date(time: &Zoned) -> String {
    time.strftime("%-d %b %Y").to_string()
}

/// The distance of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Milliseconds(i64),
    Days(i64),
    Months(i64),
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const WITHIN_A_DAY: [i64; 23] = [
    1,
    10,
    100,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
    6 * HOUR,
    12 * HOUR,
];

impl Step {
    fn fitting(length: Duration, most: usize) -> Self {
        let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let least = length / i64::try_from(most.max(1)).unwrap_or(1);
        if let Some(&step) = WITHIN_A_DAY.iter().find(|step| **step >= least) {
            return Self::Milliseconds(step);
        }
        if let Some(&days) = [1, 2, 7].iter().find(|days| **days * DAY >= least) {
            return Self::Days(days);
        }
        let months = [1, 3, 6, 12, 60, 120, 600].into_iter().find(|months| months * 28 * DAY >= least);
        Self::Months(months.unwrap_or(6_000))
    }

    const fn is_of_days(self) -> bool {
        !matches!(self, Self::Milliseconds(_))
    }

    fn span(self) -> Span {
        match self {
            Self::Milliseconds(step) => step.milliseconds(),
            Self::Days(step) => step.days(),
            Self::Months(step) => step.months(),
        }
    }

    /// The last round time that is not after `time`.
    fn floor(self, time: DateTime) -> Option<DateTime> {
        let midnight = time.date().to_datetime(jiff::civil::Time::midnight());
        match self {
            Self::Milliseconds(step) => {
                let since = time.duration_since(midnight).as_millis() as i64;
                midnight.checked_add((since / step * step).milliseconds()).ok()
            }
            Self::Days(7) => {
                midnight.checked_sub(i64::from(time.weekday().to_monday_zero_offset()).days()).ok()
            }
            Self::Days(_) => Some(midnight),
            Self::Months(step) => {
                let month = (i64::from(midnight.month()) - 1) % step.min(12);
                let first = midnight.first_of_month().checked_sub(month.months()).ok()?;
                first.checked_sub((i64::from(first.year()) % (step / 12).max(1)).years()).ok()
            }
        }
    }

    fn label(self, time: &Zoned) -> String {
        let format = match self {
            Self::Milliseconds(step) if step < SECOND => "%H:%M:%S%.3f",
            Self::Milliseconds(step) if step < MINUTE => "%H:%M:%S",
            Self::Milliseconds(_) => "%H:%M",
            Self::Days(_) => "%-d %b",
            Self::Months(step) if step < 12 => "%b %Y",
            Self::Months(_) => "%Y",
        };
        time.strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(start: i64, seconds: u64, zone: &TimeZone, most: usize) -> Vec<String> {
        marks(Timestamp::from_secs(start), Duration::from_secs(seconds), zone, most)
            .into_iter()
            .map(|mark| [mark.label, mark.date.unwrap_or_default()].join(" ").trim().to_owned())
            .collect()
    }

    /// 2024-05-01T12:00:00Z.
    const NOON: i64 = 1_714_564_800;

    #[test]
    fn marks_stand_at_round_times() {
        assert_eq!(
            labels(NOON + 61, 3_600, &TimeZone::UTC, 5),
            ["12:15 1 May 2024", "12:30", "12:45", "13:00"]
        );
        assert_eq!(
            labels(NOON, 86_400, &TimeZone::UTC, 4),
            ["12:00 1 May 2024", "18:00", "00:00 2 May 2024", "06:00", "12:00"]
        );
        assert_eq!(labels(NOON, 14 * 86_400, &TimeZone::UTC, 4), ["6 May", "13 May"]);
        assert_eq!(labels(NOON, 10, &TimeZone::UTC, 3), ["12:00:00 1 May 2024", "12:00:05", "12:00:10"]);
        assert_eq!(
            labels(NOON, 400 * 86_400, &TimeZone::UTC, 6),
            ["Jul 2024", "Oct 2024", "Jan 2025", "Apr 2025"]
        );
    }

    #[test]
    fn round_is_what_the_zone_calls_round() {
        let zone = TimeZone::fixed(jiff::tz::offset(5).saturating_add(30.minutes()));
        assert_eq!(labels(NOON, 3_600, &zone, 4), ["17:30 1 May 2024", "17:45", "18:00", "18:15", "18:30"]);
    }

    #[test]
    fn a_clock_that_is_set_forward_has_no_mark_in_the_gap() {
        let Ok(zone) = TimeZone::get("Europe/Berlin") else {
            println!("skipped: no time zones here");
            return;
        };
        // 2024-03-31T00:00:00Z; at 01:00Z it becomes 03:00 there.
        let labels = labels(1_711_843_200, 4 * 3_600, &zone, 5);
        assert_eq!(labels, ["01:00 31 Mar 2024", "03:00", "04:00", "05:00", "06:00"]);
    }

    #[test]
    fn there_are_never_too_many_and_all_are_on_the_axis() {
        for exponent in 0..9 {
            for digit in 1..10 {
                let length = Duration::from_secs(digit * 10_u64.pow(exponent));
                for most in 1..12 {
                    let marks = marks(Timestamp::from_secs(NOON + 17), length, &TimeZone::UTC, most);
                    assert!(marks.len() <= most + 1, "{length:?} {most}: {marks:?}");
                    assert!(marks.iter().all(|mark| (0.0..=1.0).contains(&mark.at)));
                }
            }
        }
    }

    #[test]
    fn times_at_the_ends_of_their_range_are_no_trouble() {
        for start in [i64::MIN, i64::MAX] {
            marks(Timestamp::from_nanos(start), Duration::MAX, &TimeZone::UTC, 8);
            marks(Timestamp::from_nanos(start), Duration::ZERO, &TimeZone::UTC, 8);
            date_and_time(Timestamp::from_nanos(start), &TimeZone::UTC);
        }
    }

    #[test]
    fn a_zone_is_named_with_its_offset() {
        assert_eq!(zone_name(Timestamp::EPOCH, &TimeZone::UTC), "UTC");
        let zone = TimeZone::fixed(jiff::tz::offset(-3));
        assert_eq!(zone_name(Timestamp::EPOCH, &zone), "UTC-03:00");
    }
}
