//! A bounded number of samples out of any number of values.

/// Samples kept; twice as many for a moment.
const KEPT: usize = 256;

/// Every so many-th of the values given, in order. The stride doubles when there are too many, so that samples
/// are spread evenly over all of the values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    values: Vec<i64>,
    seen: u64,
    /// Power of two of the stride.
    stride: u32,
}

impl Samples {
    pub(crate) fn push(&mut self, value: i64) {
        if self.seen & ((1 << self.stride) - 1) == 0 {
            if self.values.len() >= 2 * KEPT {
                let mut keep = false;
                self.values.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.stride += 1;
            }
            self.values.push(value);
        }
        self.seen += 1;
    }

    /// The middle one by size; of two, the lower.
    pub(crate) fn median(&self) -> Option<i64> {
        let mut values = self.values.clone();
        let middle = values.len().checked_sub(1)? / 2;
        Some(*values.select_nth_unstable(middle).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_few_is_exact() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), None);
        [5, -7, 100].into_iter().for_each(|value| samples.push(value));
        assert_eq!(samples.median(), Some(5));
    }

    #[test]
    fn many_values_take_bounded_room_and_are_sampled_evenly() {
        let mut samples = Samples::default();
        (0..1_000_000).for_each(|value| samples.push(value));
        assert!(samples.values.len() <= 2 * KEPT);
        let median = samples.median().unwrap();
        assert!((490_000..510_000).contains(&median), "{median}");
    }
}
