//! Numbers, with what may stand behind them.

use winnow::Parser;
use winnow::ascii::{Caseless, dec_uint, digit1, hex_uint};
use winnow::combinator::{alt, empty, eof, opt, preceded, terminated};
use winnow::error::ContextError;

use super::{Unit, Wrong, shown};

type Result<T> = winnow::Result<T, ContextError>;

/// A number, or two with `-` between them: the least and the greatest; `None` when a word is neither.
pub(super) fn range(word: &str, unit: Unit) -> Option<std::result::Result<(i64, i64), Wrong>> {
    let bound = move |input: &mut &str| number(input, unit);
    let parsed = alt((
        (terminated(bound, '-'), bound, eof).map(|(least, greatest, _)| (least, greatest)),
        terminated(bound, eof).map(|number| (number, number)),
    ))
    .parse(word);
    match parsed {
        Ok((Some(least), Some(greatest))) => Some(Ok((least, greatest))),
        Ok(_) => Some(Err(format!("`{}` is no whole number below 2^63", shown(word)).into())),
        Err(_) => None,
    }
}

/// A number; `None` when it is not whole, or too large.
fn number(input: &mut &str, unit: Unit) -> Result<Option<i64>> {
    alt((
        preceded((Caseless("0x"), empty), hex_uint::<_, u64, _>).map(|number| i64::try_from(number).ok()),
        (dec_uint::<_, u128, _>, opt(preceded('.', digit1)), |input: &mut &str| factor(input, unit))
            .map(|(whole, fraction, factor)| scaled(whole, fraction.unwrap_or_default(), factor)),
    ))
    .parse_next(input)
}

/// What a number is multiplied by: nfdump's k is 1000, not 1024.
fn factor(input: &mut &str, unit: Unit) -> Result<u128> {
    let scale = alt((
        Caseless("k").value(1_000),
        Caseless("m").value(1_000_000),
        Caseless("g").value(1_000_000_000),
        Caseless("t").value(1_000_000_000_000),
        empty.value(1),
    ));
    let milliseconds = alt((
        "ms".value(1),
        "min".value(60_000),
        "s".value(1_000),
        "h".value(3_600_000),
        "d".value(86_400_000),
    ));
    match unit {
        Unit::Scale => { scale }.parse_next(input),
        Unit::Milliseconds => alt((milliseconds, scale)).parse_next(input),
    }
}

fn scaled(whole: u128, fraction: &str, factor: u128) -> Option<i64> {
    let fraction = fraction.trim_end_matches('0');
    let of_one = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let sum = whole.checked_mul(of_one)?.checked_add(parts)?.checked_mul(factor)?;
    if sum % of_one != 0 {
        return None;
    }
    i64::try_from(sum / of_one).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(word: &str, unit: Unit) -> Option<(i64, i64)> {
        range(word, unit).and_then(|range| range.ok())
    }

    #[test]
    fn numbers_have_scales() {
        let of = |word: &str| of(word, Unit::Scale);
        assert_eq!(of("0"), Some((0, 0)));
        assert_eq!(of("1k"), Some((1_000, 1_000)));
        assert_eq!(of("1.5M"), Some((1_500_000, 1_500_000)));
        assert_eq!(of("2G-3t"), Some((2_000_000_000, 3_000_000_000_000)));
        assert_eq!(of("0x1F"), Some((31, 31)));
        assert_eq!(of("9223372036854775807"), Some((i64::MAX, i64::MAX)));
        for wrong in
            ["", "k", "1kk", "1-2-3", "-1", "0.5", "1.2345k", "9223372036854775808", "1s", "1 ", "1e3"]
        {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(of(&"9".repeat(1_000)), None);
        assert_eq!(of(&format!("0.{}1", "0".repeat(1_000))), None);
    }

    #[test]
    fn durations_have_units_of_time() {
        let of = |word: &str| of(word, Unit::Milliseconds);
        assert_eq!(of("10s"), Some((10_000, 10_000)));
        assert_eq!(of("1.5s"), Some((1_500, 1_500)));
        assert_eq!(of("5ms"), Some((5, 5)));
        assert_eq!(of("2min"), Some((120_000, 120_000)));
        // As everywhere else.
        assert_eq!(of("1m"), Some((1_000_000, 1_000_000)));
        assert_eq!(of("1h-1d"), Some((3_600_000, 86_400_000)));
    }
}
