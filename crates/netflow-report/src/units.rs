//! Numbers as people read them: three digits, and prefixes of ten to the third.

use std::time::Duration;

const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// Octets: `1.23 GB`.
pub(crate) fn bytes(octets: u64) -> String {
    with_prefix(octets as f64, "B")
}

/// Bits in a second: `12.3 Mbit/s`.
pub(crate) fn rate(bits_per_second: f64) -> String {
    with_prefix(bits_per_second, "bit/s")
}

/// A number of things: `1,234`, and from ten thousand on `12.3 k`.
pub(crate) fn count(number: u64) -> String {
    if number < 10_000 { grouped(number) } else { with_prefix(number as f64, "").trim_end().to_owned() }
}

/// All digits of a number: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole: `12.3 %`; none of a whole that is 0.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let percent = percent(part, whole);
    match percent {
        _ if part == 0 => "0 %".to_owned(),
        ..0.1 => "< 0.1 %".to_owned(),
        99.95.. if part < whole => "> 99.9 %".to_owned(),
        99.95.. => "100 %".to_owned(),
        _ => format!("{percent:.1} %"),
    }
}

/// A part of a whole, in per cent; at most 100.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 100.0).min(100.0) }
}

/// A length of time: `350 ms`, `12.3 s`, `15 min 27 s`, `3 h 05 min`, `2 d 4 h`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 if duration.subsec_millis() >= 100 => {
            format!("{seconds}.{} s", duration.subsec_millis() / 100)
        }
        1..60 => format!("{seconds} s"),
        60..3_600 => joined(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => joined(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => joined(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

fn joined(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

/// The prefix for numbers up to `largest`, and what it stands for.
pub(crate) fn prefix(largest: f64) -> (&'static str, f64) {
    let mut scale = 1.0;
    for prefix in PREFIXES {
        if largest < scale * 1_000.0 {
            return (prefix, scale);
        }
        scale *= 1_000.0;
    }
    (PREFIXES[6], 1e18)
}

/// Three digits, without zeros behind the point that say nothing.
pub(crate) fn three_digits(number: f64) -> String {
    let digits = match number {
        _ if number == 0.0 => return "0".to_owned(),
        ..0.0005 => return "0".to_owned(),
        ..0.9995 => 3,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$}")
}

/// With two digits behind the point, as positions on the page are written.
pub(crate) fn hundredths(number: f64) -> String {
    format!("{number:.2}")
}

fn with_prefix(number: f64, unit: &str) -> String {
    // What would be rounded up to a thousand has the next prefix.
    let (prefix, scale) = prefix(number * 1.000_500_1);
    if prefix.is_empty() && number.fract() == 0.0 {
        return format!("{number} {unit}");
    }
    format!("{} {prefix}{unit}", three_digits(number / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_prefix() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_000), "1.00 kB");
        assert_eq!(bytes(999_499), "999 kB");
        assert_eq!(bytes(999_501), "1.00 MB");
        assert_eq!(bytes(u64::MAX), "18.4 EB");
        assert_eq!(rate(12_345_678.0), "12.3 Mbit/s");
        assert_eq!(rate(0.25), "0.250 bit/s");
        assert_eq!(count(9_999), "9,999");
        assert_eq!(count(12_345), "12.3 k");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
    }

    #[test]
    fn a_share_never_claims_to_be_none_or_all_when_it_is_not() {
        assert_eq!(share(0, 10), "0 %");
        assert_eq!(share(1, 100_000), "< 0.1 %");
        assert_eq!(share(123, 1_000), "12.3 %");
        assert_eq!(share(99_999, 100_000), "> 99.9 %");
        assert_eq!(share(5, 5), "100 %");
        assert_eq!(share(0, 0), "0 %");
    }

    #[test]
    fn durations_have_two_units() {
        let text = |milliseconds| duration(Duration::from_millis(milliseconds));
        assert_eq!(text(350), "350 ms");
        assert_eq!(text(12_345), "12.3 s");
        assert_eq!(text(927_000), "15 min 27 s");
        assert_eq!(text(3_600_000), "1 h");
        assert_eq!(text(187_200_000), "2 d 4 h");
    }
}
