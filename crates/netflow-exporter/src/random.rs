//! Random numbers from a seed, the same ones on every machine.

/// A generator of numbers that are even and independent enough for made-up traffic, and as cheap as any
/// (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// One of 2^64 sequences: `stream` tells apart those that are used beside each other under one seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut seeds = Self(seed);
        let first = seeds.number();
        let mut seeds = Self(first ^ stream);
        Self(seeds.number())
    }

    #[inline(always)]
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Maps 32 random bits evenly to the numbers below `end`.
#[inline(always)]
pub(crate) fn below(bits: u32, end: u32) -> u32 {
    ((u64::from(bits) * u64::from(end)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let numbers = |seed, stream| {
            let mut random = Random::new(seed, stream);
            [random.number(), random.number(), random.number()]
        };
        assert_eq!(numbers(1, 0), numbers(1, 0));
        assert_ne!(numbers(1, 0), numbers(1, 1));
        assert_ne!(numbers(1, 0), numbers(2, 0));
        // Seeds are what people type: small numbers, whose streams must not be each other's.
        assert_ne!(numbers(1, 2), numbers(2, 1));
    }

    #[test]
    fn numbers_below_reach_both_ends() {
        let mut random = Random::new(7, 0);
        let mut seen = [0u32; 5];
        (0..5_000).for_each(|_| seen[below(random.number() as u32, 5) as usize] += 1);
        assert!(seen.iter().all(|&times| (900..1_100).contains(&times)), "{seen:?}");
    }
}
