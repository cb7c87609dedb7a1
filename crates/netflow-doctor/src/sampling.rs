//! Sampling rates: what each source of them says, and whether they agree.

use std::collections::{BTreeMap, BTreeSet};

use netflow_flow::SamplingSource;
use netflow_templates::{Context, DataSet, RateOf};
use netflow_wire::{Header, element_id as ie, enterprise as pen};
use serde::{Serialize, Serializer};

use crate::finding::{Kind, Severity};
use crate::reading::Observation;

/// Different rates kept of one source.
const RATES: usize = 16;
/// Samplers and interfaces kept of one domain.
const SAMPLERS: usize = 256;
/// Seconds within which common exporters send their options data.
const LONG: f64 = 600.0;

/// Elements that say an interval, or part of it, which cannot be zero.
const INTERVALS: [u16; 4] = [
    ie::SAMPLING_INTERVAL,
    ie::SAMPLER_RANDOM_INTERVAL,
    ie::SAMPLING_PACKET_INTERVAL,
    ie::SAMPLING_POPULATION,
];

/// Elements of a data record that name its sampler.
const NAMES: [u16; 2] = [ie::SAMPLER_ID, ie::SELECTOR_ID];

/// A sampling rate, and who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RateSaid {
    /// Who says it.
    #[serde(serialize_with = "source_name")]
    pub source: SamplingSource,
    /// One packet in how many.
    pub rate: u64,
}

fn source_name<S: Serializer>(source: &SamplingSource, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(source.as_str())
}

/// The rates that flows were given.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct SamplingFacts {
    /// Each rate and where it came from, the most frequent first.
    pub rates: Vec<RateUsed>,
    /// Rates that options data of the domain say.
    pub options: Vec<u64>,
}

/// A rate that flows were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RateUsed {
    /// The rate, and where it came from.
    #[serde(flatten)]
    pub said: RateSaid,
    /// Flows that it is of.
    pub flows: u64,
}

#[derive(Debug)]
struct OptionsRate {
    rate: u64,
    before: u64,
    changes: u64,
}

/// What one domain says about sampling.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    used: BTreeMap<(u64, SamplingSource), u64>,
    header: BTreeSet<u64>,
    options: BTreeMap<RateOf, OptionsRate>,
    /// Options records with an interval of zero.
    zero: u64,
    /// Samplers that records name.
    named: BTreeSet<u64>,
    /// Flows without a rate, though options data say several.
    unclear: u64,
}

impl Sampling {
    /// The header of a packet.
    pub(crate) fn header(&mut self, header: &Header) {
        if let Header::V5(header) = header {
            self.header_rate(header.sampling_interval().into());
        }
    }

    fn header_rate(&mut self, rate: u64) {
        if rate > 0 && self.header.len() < RATES {
            self.header.insert(rate);
        }
    }

    /// A data set of flow records.
    pub(crate) fn data(&mut self, set: &DataSet<'_>) {
        if !NAMES.iter().any(|&id| set.plan().has(pen::IANA, id)) {
            return;
        }
        let mut samplers = vec![0; set.len()];
        for id in NAMES {
            numbers(set, id, &mut samplers);
        }
        for sampler in samplers.into_iter().filter(|&sampler| sampler > 0) {
            if self.named.len() < SAMPLERS {
                self.named.insert(sampler);
            }
        }
    }

    /// A data set of options records, which the session has learned from.
    pub(crate) fn options(&mut self, context: &Context<'_>, set: &DataSet<'_>) {
        let intervals = INTERVALS.into_iter().filter(|&id| set.plan().has(pen::IANA, id));
        let mut is_about_sampling = false;
        for id in intervals {
            is_about_sampling = true;
            let mut intervals = vec![1; set.len()];
            numbers(set, id, &mut intervals);
            self.zero += intervals.into_iter().filter(|&interval| interval == 0).count() as u64;
        }
        let learned = context.options.domain(context.exporter.address, context.domain());
        if let Some(learned) = learned.filter(|_| is_about_sampling) {
            self.learned(&learned.rates());
        }
    }

    fn learned(&mut self, rates: &[(RateOf, u64)]) {
        for &(of, rate) in rates.iter().take(SAMPLERS) {
            if self.options.len() >= SAMPLERS && !self.options.contains_key(&of) {
                continue;
            }
            let known = self.options.entry(of).or_insert(OptionsRate { rate, before: rate, changes: 0 });
            if known.rate != rate {
                (known.before, known.rate) = (known.rate, rate);
                known.changes += 1;
            }
        }
    }

    pub(crate) fn note(&mut self, flow: &Observation) {
        let key = (flow.rate, flow.rate_source);
        if self.used.len() < RATES || self.used.contains_key(&key) {
            *self.used.entry(key).or_default() += 1;
        }
        if flow.rate_source == SamplingSource::Header {
            self.header_rate(flow.rate);
        }
        if flow.rate_source == SamplingSource::Assumed && !self.options.is_empty() {
            self.unclear += 1;
        }
    }

    /// The rates that options data say.
    pub(crate) fn said(&self) -> BTreeSet<u64> {
        self.options.values().map(|known| known.rate).collect()
    }

    /// The samplers that options data describe.
    pub(crate) fn described(&self) -> impl Iterator<Item = u64> {
        self.options.keys().filter_map(|of| match of {
            RateOf::Sampler(sampler) => Some(*sampler),
            _ => None,
        })
    }

    pub(crate) fn facts(&self) -> SamplingFacts {
        let mut rates: Vec<_> = self
            .used
            .iter()
            .map(|(&(rate, source), &flows)| RateUsed { said: RateSaid { source, rate }, flows })
            .collect();
        rates.sort_by_key(|used| std::cmp::Reverse(used.flows));
        SamplingFacts { rates, options: self.said().into_iter().collect() }
    }

    /// What is wrong. `rates` and `samplers` are those of the options data of all domains of the exporter.
    pub(crate) fn findings(
        &self,
        rates: &BTreeSet<u64>,
        samplers: &BTreeSet<u64>,
        observed: f64,
        found: &mut impl FnMut(Severity, Kind),
    ) {
        let own = self.said();
        let options = if own.is_empty() { rates } else { &own };
        let mut contradicts = |first: Option<RateSaid>, second: Option<RateSaid>| {
            if let (Some(first), Some(second)) = (first, second) {
                found(Severity::Error, Kind::SamplingContradiction { first, second });
            }
        };
        let of = |source| move |rate: &u64| RateSaid { source, rate: *rate };
        let of_records: BTreeSet<u64> = self
            .used
            .keys()
            .filter(|(_, source)| *source == SamplingSource::Record)
            .map(|(rate, _)| *rate)
            .collect();
        // Another domain's sampler may have another rate; a version without options data has no domain of its own.
        let records = of_records.difference(&own).next().filter(|_| !own.is_empty());
        let header = self.header.difference(options).next().filter(|_| !options.is_empty());
        let by_options = || options.first().map(of(SamplingSource::Options));
        contradicts(by_options(), records.map(of(SamplingSource::Record)));
        contradicts(by_options(), header.map(of(SamplingSource::Header)));
        let mut headers = self.header.iter().map(of(SamplingSource::Header));
        contradicts(headers.next(), headers.next());

        if self.unclear > 0 && own.len() > 1 {
            let (rates, flows) = (own.iter().copied().collect(), self.unclear);
            found(Severity::Error, Kind::SamplerUnclear { rates, flows });
        }
        if self.zero > 0 {
            found(Severity::Warning, Kind::SamplingZero { records: self.zero });
        }
        let is_assumed = self.used.keys().any(|(_, source)| *source == SamplingSource::Assumed);
        if let Some(&sampler) = self.named.difference(samplers).next().filter(|_| is_assumed) {
            let severity = if observed >= LONG { Severity::Warning } else { Severity::Notice };
            found(severity, Kind::UnknownSampler { sampler, observed });
        }
        if let Some(known) = self.options.values().max_by_key(|known| known.changes)
            && known.changes > 0
        {
            let (before, after, changes) = (known.before, known.rate, known.changes);
            found(Severity::Warning, Kind::SamplingChanges { before, after, changes });
        }
        let elsewhere =
            self.used.iter().filter(|((_, source), _)| *source == SamplingSource::OptionsOtherDomain);
        let flows: u64 = elsewhere.map(|(_, flows)| flows).sum();
        if flows > 0 {
            found(Severity::Notice, Kind::SamplingOtherDomain { flows });
        }
    }
}

/// The values of an element of IANA in all records of a set, where they are numbers.
fn numbers(set: &DataSet<'_>, id: u16, to: &mut [u64]) {
    let of = |enterprise, number| (enterprise, number) == (pen::IANA, id);
    let column =
        set.columns().find(|column| of(column.field().element().enterprise, column.field().element().id));
    if let Some(column) = column {
        column.zip_unsigned(to, |to, number| *to = number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::flow;

    fn note(sampling: &mut Sampling, rate: u64, rate_source: SamplingSource) {
        sampling.note(&Observation { rate, rate_source, ..flow() });
    }

    fn findings(sampling: &Sampling) -> Vec<Kind> {
        let mut kinds = Vec::new();
        let samplers = sampling.described().collect();
        sampling.findings(&sampling.said(), &samplers, 60.0, &mut |_, kind| kinds.push(kind));
        kinds
    }

    #[test]
    fn rates_that_agree_or_are_not_said_are_good() {
        let mut sampling = Sampling::default();
        note(&mut sampling, 1, SamplingSource::Assumed);
        assert_eq!(findings(&sampling), []);
        let mut sampling = Sampling::default();
        sampling.learned(&[(RateOf::Sampler(1), 100), (RateOf::Sampler(2), 1_000)]);
        note(&mut sampling, 100, SamplingSource::Options);
        note(&mut sampling, 1_000, SamplingSource::Record);
        assert_eq!(findings(&sampling), []);
    }

    #[test]
    fn records_and_headers_that_contradict_options_are_told() {
        let said = |source, rate| RateSaid { source, rate };
        let first = said(SamplingSource::Options, 1_000);
        let mut sampling = Sampling::default();
        sampling.learned(&[(RateOf::Domain, 1_000)]);
        note(&mut sampling, 512, SamplingSource::Record);
        let second = said(SamplingSource::Record, 512);
        assert_eq!(findings(&sampling), [Kind::SamplingContradiction { first, second }]);

        // Options data of another domain may be about another sampler.
        let mut sampling = Sampling::default();
        note(&mut sampling, 512, SamplingSource::Record);
        sampling.findings(&BTreeSet::from([1_000]), &BTreeSet::new(), 1.0, &mut |_, kind| panic!("{kind:?}"));

        // The header of v5, and options of another domain of the exporter.
        let mut sampling = Sampling::default();
        sampling.header_rate(512);
        note(&mut sampling, 1_000, SamplingSource::OptionsOtherDomain);
        let mut kinds = Vec::new();
        sampling.findings(&BTreeSet::from([1_000]), &BTreeSet::new(), 1.0, &mut |_, kind| kinds.push(kind));
        let second = said(SamplingSource::Header, 512);
        assert_eq!(
            kinds,
            [Kind::SamplingContradiction { first, second }, Kind::SamplingOtherDomain { flows: 1 }]
        );
    }

    #[test]
    fn headers_that_contradict_each_other_are_told() {
        let mut sampling = Sampling::default();
        [0, 100, 200].into_iter().for_each(|rate| sampling.header_rate(rate));
        let [first, second] = [100, 200].map(|rate| RateSaid { source: SamplingSource::Header, rate });
        assert_eq!(findings(&sampling), [Kind::SamplingContradiction { first, second }]);
    }

    #[test]
    fn two_samplers_that_records_do_not_name_are_unclear() {
        let mut sampling = Sampling::default();
        // Before the options came nothing was known.
        note(&mut sampling, 1, SamplingSource::Assumed);
        sampling.learned(&[(RateOf::Sampler(1), 100), (RateOf::Sampler(2), 1_000)]);
        (0..3).for_each(|_| note(&mut sampling, 1, SamplingSource::Assumed));
        assert_eq!(findings(&sampling), [Kind::SamplerUnclear { rates: vec![100, 1_000], flows: 3 }]);
    }

    #[test]
    fn a_rate_that_changes_back_and_forth_is_told() {
        let mut sampling = Sampling::default();
        for rate in [100, 200, 100] {
            sampling.learned(&[(RateOf::Domain, rate)]);
        }
        assert_eq!(findings(&sampling), [Kind::SamplingChanges { before: 200, after: 100, changes: 2 }]);
    }

    #[test]
    fn a_sampler_that_no_options_describe_is_told() {
        let mut sampling = Sampling::default();
        sampling.named.extend([1, 7]);
        sampling.learned(&[(RateOf::Sampler(1), 100)]);
        note(&mut sampling, 1, SamplingSource::Assumed);
        assert_eq!(findings(&sampling), [Kind::UnknownSampler { sampler: 7, observed: 60.0 }]);
    }
}
