//! Points in time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// The range is 1677 to 2262; arithmetic saturates at its ends, since a hostile exporter
/// may send any number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// From nanoseconds since the Unix epoch.
    #[inline]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since the Unix epoch.
    #[inline]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From seconds since the Unix epoch.
    #[inline]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    #[inline]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, with the fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// This time moved by a signed number of nanoseconds.
    #[inline]
    #[must_use]
    pub const fn saturating_add_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// This time, `duration` later.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.saturating_add_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }

    /// How much later this is than `earlier`; zero when it is not later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Writes RFC 3339 in UTC, with `digits` digits of the second's fraction (at most 9).
    pub fn write_rfc3339(self, digits: u8, out: &mut impl fmt::Write) -> fmt::Result {
        let text = self.to_rfc3339();
        let text = std::str::from_utf8(&text).unwrap_or_default();
        let fraction = if digits == 0 { 0 } else { 1 + usize::from(digits.min(9)) };
        out.write_str(text.get(..19 + fraction).unwrap_or_default())?;
        out.write_char('Z')
    }

    /// RFC 3339 in UTC with nine digits of fraction, in ASCII.
    pub fn to_rfc3339(self) -> [u8; 30] {
        let (seconds, nanos) = (self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000));
        let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u32);
        let (year, month, day) = civil(day);
        let nanos = nanos as u32;
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let mut put = |at: usize, number: u32| {
            text[at..at + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
        };
        put(0, year / 100);
        put(2, year);
        put(5, month);
        put(8, day);
        put(11, second / 3_600);
        put(14, second / 60 % 60);
        put(17, second % 60);
        put(20, nanos / 10_000_000);
        put(22, nanos / 100_000);
        put(24, nanos / 1_000);
        put(26, nanos / 10);
        text[28] = b'0' + (nanos % 10) as u8;
        text
    }
}

/// The numbers below 100 in two digits.
const PAIRS: [[u8; 2]; 100] = {
    let (mut pairs, mut number) = ([[b'0'; 2]; 100], 0);
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar, from year 0 on.
fn civil(day: i64) -> (u32, u32, u32) {
    // Eras of 400 years have as many days each. Years begin with March, so that the leap day is the last one.
    const ERA: i64 = 146_097;
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(ERA), day.rem_euclid(ERA) as u32);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 153 days in five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    ((era * 400) as u32 + year + next, month, day)
}

/// RFC 3339 in UTC with nine digits of fraction, or as many as the formatter's precision says.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_rfc3339(f.precision().map_or(9, |digits| digits.min(9) as u8), f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
        };
        Self(nanos)
    }
}

/// A text that is no time in RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a time in RFC 3339, such as 2026-03-01T12:00:00Z")]
pub struct ParseTimestampError(String);

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseTimestampError(text.to_owned());
        let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        i64::try_from(time.as_nanosecond()).map(Self).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_keeps_the_digits_asked_for() {
        let time = Timestamp::from_nanos(1_714_564_800_123_456_789);
        assert_eq!(format!("{time}"), "2024-05-01T12:00:00.123456789Z");
        assert_eq!(format!("{time:.3}"), "2024-05-01T12:00:00.123Z");
        assert_eq!(format!("{time:.0}"), "2024-05-01T12:00:00Z");
    }

    #[test]
    fn every_day_has_its_date() {
        let first = i64::MIN / 86_400_000_000_000;
        for day in first..=-first {
            let time = Timestamp::from_nanos(day * 86_400_000_000_000 + 7_384_000_000_009);
            let wanted = jiff::Timestamp::from_nanosecond(time.as_nanos().into()).unwrap();
            assert_eq!(time.to_string(), format!("{wanted:.9}"));
        }
        let ends = [i64::MIN, i64::MAX].map(|nanos| Timestamp::from_nanos(nanos).to_string());
        assert_eq!(ends, ["1677-09-21T00:12:43.145224192Z", "2262-04-11T23:47:16.854775807Z"]);
    }

    #[test]
    fn text_and_back() {
        for nanos in [0, 1, -1, i64::MAX, i64::MIN + 1, 1_714_564_800_123_456_789] {
            let time = Timestamp::from_nanos(nanos);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::from_secs(i64::MAX).as_nanos(), i64::MAX);
        assert_eq!(Timestamp::from_nanos(5).saturating_since(Timestamp::from_nanos(9)), Duration::ZERO);
    }
}
