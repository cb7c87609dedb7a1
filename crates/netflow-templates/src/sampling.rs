//! Sampling rates: which elements say one, in records of flows and in options data alike.

use netflow_wire::element_id as ie;

/// What one record says about its sampling rate. The same rule holds wherever the elements stand.
///
/// A rate is said by an interval (34, 50); by a packet interval and a packet space, (305 + 306) / 305; or by a size
/// and a population, 310 / 309. The first of these that says one counts. A zero says nothing, and so does a packet
/// interval without its space: it is how many packets are taken in a row, and not how many are left out (RFC 5477,
/// section 8.2).
#[derive(Debug, Clone, Copy, Default)]
pub struct SamplingParameters {
    interval: u64,
    packet_interval: u64,
    packet_space: Option<u64>,
    size: u64,
    population: u64,
}

impl SamplingParameters {
    /// The elements of IANA that matter.
    pub const ELEMENTS: [u16; 6] = [
        ie::SAMPLING_INTERVAL,
        ie::SAMPLER_RANDOM_INTERVAL,
        ie::SAMPLING_PACKET_INTERVAL,
        ie::SAMPLING_PACKET_SPACE,
        ie::SAMPLING_SIZE,
        ie::SAMPLING_POPULATION,
    ];

    /// Takes the value of an element of IANA; others are passed over.
    #[inline]
    pub fn note(&mut self, id: u16, number: u64) {
        match id {
            ie::SAMPLING_INTERVAL | ie::SAMPLER_RANDOM_INTERVAL if number > 0 => self.interval = number,
            ie::SAMPLING_PACKET_INTERVAL => self.packet_interval = number,
            ie::SAMPLING_PACKET_SPACE => self.packet_space = Some(number),
            ie::SAMPLING_SIZE => self.size = number,
            ie::SAMPLING_POPULATION => self.population = number,
            _ => {}
        }
    }

    /// One packet in how many is sampled, 1 and more; `None` when that is not said.
    #[inline]
    pub fn rate(&self) -> Option<u64> {
        let Self { interval, packet_interval, packet_space, size, population } = *self;
        let share = |all: u64, part: u64| all.checked_div(part).filter(|_| all > 0).map(|rate| rate.max(1));
        let spaced = || share(packet_interval.saturating_add(packet_space?), packet_interval);
        Some(interval).filter(|&interval| interval > 0).or_else(spaced).or_else(|| share(population, size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(said: &[(u16, u64)]) -> Option<u64> {
        let mut parameters = SamplingParameters::default();
        said.iter().for_each(|&(id, number)| parameters.note(id, number));
        parameters.rate()
    }

    #[test]
    fn a_packet_interval_without_its_space_is_no_rate() {
        const INTERVAL: u16 = ie::SAMPLING_PACKET_INTERVAL;
        const SPACE: u16 = ie::SAMPLING_PACKET_SPACE;
        assert_eq!(rate(&[(INTERVAL, 100)]), None);
        assert_eq!(rate(&[(INTERVAL, 1), (SPACE, 499)]), Some(500));
        assert_eq!(rate(&[(SPACE, 30), (INTERVAL, 10)]), Some(4));
        assert_eq!(rate(&[(INTERVAL, 1), (SPACE, 0)]), Some(1), "every packet is taken");
        assert_eq!(rate(&[(INTERVAL, 0), (SPACE, 9)]), None);
        assert_eq!(rate(&[(INTERVAL, 1), (SPACE, u64::MAX)]), Some(u64::MAX));
    }

    #[test]
    fn of_several_rates_the_interval_counts_and_zero_is_none() {
        let population = [(ie::SAMPLING_SIZE, 2), (ie::SAMPLING_POPULATION, 100)];
        assert_eq!(rate(&population), Some(50));
        assert_eq!(rate(&[population[0], population[1], (ie::SAMPLING_INTERVAL, 0)]), Some(50));
        assert_eq!(rate(&[population[0], population[1], (ie::SAMPLER_RANDOM_INTERVAL, 7)]), Some(7));
        assert_eq!(rate(&[(ie::SAMPLING_INTERVAL, 8), (ie::SAMPLER_RANDOM_INTERVAL, 0)]), Some(8));
        assert_eq!(rate(&[(ie::SAMPLING_SIZE, 0), (ie::SAMPLING_POPULATION, 100)]), None);
        assert_eq!(rate(&[(ie::SAMPLING_SIZE, 5), (ie::SAMPLING_POPULATION, 3)]), Some(1));
    }
}
