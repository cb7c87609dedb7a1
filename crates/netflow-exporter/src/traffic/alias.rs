//! Choosing among things of unequal weight in constant time.

/// Walker's alias method with Vose's construction, in integers alone, so that every machine makes the same table.
#[derive(Debug)]
pub(super) struct Alias(Vec<Slot>);

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Below this, of 2^32, the slot's own index is meant.
    own: u32,
    /// What is meant else.
    other: u32,
}

impl Alias {
    /// Indices by their weights; at least one weight, and not all zero.
    pub(super) fn new(weights: &[u64]) -> Self {
        let (count, total) =
            (weights.len() as u128, weights.iter().map(|&weight| u128::from(weight)).sum::<u128>());
        // What a slot holds is `total`; what an index needs is its weight times the number of slots.
        let mut needs: Vec<u128> = weights.iter().map(|&weight| u128::from(weight) * count).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|&index| needs[index] < total);
        let mut slots: Vec<Slot> =
            (0..weights.len() as u32).map(|index| Slot { own: u32::MAX, other: index }).collect();
        while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
            let own = (needs[less] << 32) / total;
            slots[less] = Slot { own: own as u32, other: more as u32 };
            needs[more] -= total - needs[less];
            if needs[more] < total {
                large.pop();
                small.push(more);
            }
        }
        Self(slots)
    }

    /// Zipf's law: the index k comes up in proportion to 1 / (k + 1).
    pub(super) fn zipf(count: u32) -> Self {
        let weights: Vec<u64> = (1..=u64::from(count)).map(|rank| (1 << 40) / rank).collect();
        Self::new(&weights)
    }

    /// The index that 32 random bits choose.
    #[inline(always)]
    pub(super) fn choose(&self, bits: u32) -> u32 {
        let product = u64::from(bits) * self.0.len() as u64;
        let index = (product >> 32) as u32;
        let slot = self.0[index as usize];
        // A branch here would be guessed wrong every other time.
        let own = u32::from((product as u32) < slot.own).wrapping_neg();
        slot.other ^ ((index ^ slot.other) & own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn drawn(table: &Alias, count: usize, draws: u32) -> Vec<u32> {
        let mut random = Random::new(3, 0);
        let mut seen = vec![0; count];
        (0..draws).for_each(|_| seen[table.choose(random.number() as u32) as usize] += 1);
        seen
    }

    #[test]
    fn indices_come_up_by_their_weights() {
        let seen = drawn(&Alias::new(&[1, 0, 7, 2]), 4, 100_000);
        assert_eq!(seen[1], 0);
        for (index, expected) in [(0, 10_000), (2, 70_000), (3, 20_000)] {
            assert!(seen[index].abs_diff(expected) < 1_000, "{seen:?}");
        }
    }

    #[test]
    fn zipf_gives_the_first_twice_what_the_second_has() {
        let seen = drawn(&Alias::zipf(1_000), 1_000, 1_000_000);
        let ratio = f64::from(seen[0]) / f64::from(seen[1]);
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
        let ratio = f64::from(seen[0]) / f64::from(seen[9]);
        assert!((9.3..10.7).contains(&ratio), "{ratio}");
    }

    #[test]
    fn one_thing_is_always_chosen() {
        assert_eq!(drawn(&Alias::zipf(1), 1, 100), [100]);
    }
}
