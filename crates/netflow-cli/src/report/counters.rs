//! Counters of interfaces, which volumes are scaled by.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use netflow_query::parse_time;
use netflow_report::Direction;
use netflow_templates::Timestamp;

use super::csv;
use super::tally::Interface;
use super::tally::clock::Clock;

/// Traffic of interfaces as their counters say, over time.
#[derive(Debug, Default)]
pub(super) struct Counters {
    samples: BTreeMap<Interface, BTreeMap<i64, [f64; 2]>>,
}

impl Counters {
    /// Reads a CSV file: exporter, ifIndex, time, bit/s in and out, on average since the time before.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let mut counters = Self::default();
        csv::read(path, "exporter,ifIndex,time,in bit/s,out bit/s", |fields| {
            let [exporter, index, time, rates @ ..] = fields else { return None };
            let [into, out, ..] = rates else { return None };
            let exporter: IpAddr = exporter.parse().ok()?;
            let seconds = time.parse().ok().map(Timestamp::from_secs);
            let time = seconds.or_else(|| parse_time(time, Timestamp::EPOCH))?;
            let rate = |text: &str| text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.0);
            let rates = [rate(into)?, rate(out)?];
            let samples = counters.samples.entry((exporter, index.parse().ok()?)).or_default();
            samples.insert(time.as_nanos(), rates);
            Some(())
        })?;
        Ok(counters)
    }

    /// Octets that passed an interface in each bucket of a clock, as far as the counters reach; `None` for interfaces
    /// without counters.
    pub(super) fn octets(
        &self,
        interface: Interface,
        direction: Direction,
        clock: &Clock,
    ) -> Option<Vec<Option<u64>>> {
        let samples = self.samples.get(&interface)?;
        let mut octets = vec![None; clock.buckets()];
        // The first sample is of as long as the next one.
        let mut times = samples.keys();
        let (first, second) = (*times.next()?, times.next().copied());
        let mut before =
            first.saturating_sub(second.map_or(60_000_000_000, |second| second.saturating_sub(first)));
        for (&time, rates) in samples {
            let seconds = time.saturating_sub(before) as f64 / 1e9;
            let sample = (rates[direction as usize] * seconds / 8.0) as u64;
            clock.spread(before, time.saturating_sub(1), sample, |bucket, bytes| {
                let at = usize::try_from(bucket - clock.first()).ok();
                if let Some(octets) = at.and_then(|at| octets.get_mut(at)) {
                    *octets = Some(octets.unwrap_or(0_u64).saturating_add(bytes));
                }
            });
            before = time;
        }
        Some(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_of_buckets_follow_from_the_rates() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("snmp.csv");
        let text = "exporter,ifindex,time,in,out\n192.0.2.1,7,1060,8000,80\n192.0.2.1,7,1120,16000,0\n";
        std::fs::write(&path, text).unwrap();
        let counters = Counters::read(&path).unwrap();
        let mut clock = Clock::default();
        clock.reach(1_000_000_000_000, 1_239_000_000_000);
        clock.reach(1_240_000_000_000, 1_240_000_000_000);
        let octets = counters.octets(([192, 0, 2, 1].into(), 7), Direction::In, &clock).unwrap();
        assert_eq!(octets.iter().flatten().sum::<u64>(), 60 * 1_000 + 60 * 2_000);
        assert_eq!((octets[0], octets[12], octets[30]), (Some(5_000), Some(10_000), None));
        assert_eq!(counters.octets(([192, 0, 2, 1].into(), 8), Direction::In, &clock), None);
        std::fs::write(&path, "a,b\n192.0.2.1,7,1060,fast,80\n").unwrap();
        let error = Counters::read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("exporter,ifIndex,time"), "{error}");
    }
}
