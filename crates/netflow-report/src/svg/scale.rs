//! Where an axis of numbers has its marks.

/// Marks from 0 in steps of 1, 2, 2.5 or 5 times a power of ten: at most `most` steps, the last mark not below
/// `largest`.
pub(crate) fn marks(largest: f64, most: u32) -> Vec<f64> {
    let largest = if largest.is_finite() && largest > 0.0 { largest } else { 1.0 };
    let step = step(largest, most);
    let steps = (largest / step - 1e-9).ceil().max(1.0) as u32;
    (0..=steps).map(|number| f64::from(number) * step).collect()
}

fn step(largest: f64, most: u32) -> f64 {
    let least = largest / f64::from(most.max(1));
    let power = 10_f64.powf(least.log10().floor());
    // Ten times, as the division may have rounded down.
    [1.0, 2.0, 2.5, 5.0, 10.0, 20.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(20.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_reach_the_largest() {
        assert_eq!(marks(9.3, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(marks(1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(marks(240.0, 4), [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(marks(1_000.0, 4), [0.0, 250.0, 500.0, 750.0, 1_000.0]);
    }

    #[test]
    fn there_are_never_too_many_nor_none() {
        for exponent in -6..18 {
            for digit in 1..100 {
                let largest = f64::from(digit) / 10.0 * 10_f64.powi(exponent);
                for most in 1..8 {
                    let marks = marks(largest, most);
                    assert!(
                        marks.len() >= 2 && marks.len() <= most as usize + 1,
                        "{largest} {most}: {marks:?}"
                    );
                    assert!(marks.last().unwrap() >= &(largest * (1.0 - 1e-9)));
                }
            }
        }
    }

    #[test]
    fn an_axis_of_nothing_goes_to_one() {
        for nothing in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(marks(nothing, 2), [0.0, 0.5, 1.0]);
        }
    }
}
