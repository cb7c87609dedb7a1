//! Points in time, as people write them.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use netflow_templates::Timestamp;

/// A time: `2026-01-31`, `2026-01-31T12:00`, `2026-01-31T12:00:00.5`, in UTC unless an offset follows
/// (`2026-01-31T12:00+02:00`); nfdump's `2026/01/31.12:00:00`, in UTC; seconds since 1970, with a fraction or
/// without.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    // Nothing that is longer is a time, and what jiff takes in brackets is none here.
    if text.len() > 40 || text.contains('[') {
        return None;
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return of(time);
    }
    if text.contains('-') {
        return of_utc(text.parse::<DateTime>().ok()?);
    }
    if text.contains('/') {
        let parsed = strtime::parse("%Y/%m/%d.%H:%M:%S%.f", text);
        let parsed = parsed.or_else(|_| strtime::parse("%Y/%m/%d.%H:%M", text));
        let date = |text: &str| strtime::parse("%Y/%m/%d", text).and_then(|parsed| parsed.to_date());
        return match parsed.and_then(|parsed| parsed.to_datetime()) {
            Ok(time) => of_utc(time),
            Err(_) => of_utc(date(text).ok()?.at(0, 0, 0, 0)),
        };
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !seconds.bytes().chain(fraction.bytes()).all(|octet| octet.is_ascii_digit()) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds: i64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    Some(Timestamp::from_nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)?))
}

fn of_utc(time: DateTime) -> Option<Timestamp> {
    of(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn of(time: jiff::Timestamp) -> Option<Timestamp> {
    i64::try_from(time.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_unless_they_say_otherwise() {
        let of = |text| parse_time(text).map(|time| format!("{time:.1}"));
        let noon = Some("2026-01-31T12:00:00.0Z".to_owned());
        assert_eq!(of("2026-01-31T12:00"), noon);
        assert_eq!(of("2026-01-31T12:00:00Z"), noon);
        assert_eq!(of("2026-01-31T14:00+02:00"), noon);
        assert_eq!(of("2026-01-31 12:00:00"), noon);
        assert_eq!(of("2026/01/31.12:00:00"), noon);
        assert_eq!(of("1769860800"), noon);
        assert_eq!(of("1769860800.5"), Some("2026-01-31T12:00:00.5Z".to_owned()));
        assert_eq!(of("2026-01-31"), Some("2026-01-31T00:00:00.0Z".to_owned()));
        assert_eq!(of("2026/01/31"), Some("2026-01-31T00:00:00.0Z".to_owned()));
        for wrong in ["", ".", "12:00", "2026-02-30", "now", "99999999999999999999", "2026-01-31T25:00"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
