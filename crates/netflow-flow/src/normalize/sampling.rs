//! Sampling rates: where they are said, and which of them is believed.
//!
//! In this order: the user, the record, options data (`DomainOptions::rate` has their rules), the header (v5). A
//! rate of zero is no rate. What nothing says is 1, and marked as assumed. What a record says is the same in flow
//! records and in options data ([`SamplingParameters`]).

use netflow_templates::{Context, DataSet, DomainOptions, Plan, SamplingParameters};
use netflow_wire::{Header, element_id as ie, enterprise as pen};

use super::remembering;
use crate::flows::Row;
use crate::schema::Flow;
use crate::value::SamplingSource;

/// A sampling rate set by the user; `None` believes the exporters.
pub type SamplingOverride = Option<std::num::NonZeroU64>;

/// The rate for flows whose record says nothing.
pub(super) fn of_set(context: &Context<'_>, sampling_override: SamplingOverride) -> (u64, SamplingSource) {
    if let Some(rate) = sampling_override {
        return (rate.get(), SamplingSource::Override);
    }
    match context.header {
        Header::V5(header) if header.sampling_interval() > 0 => {
            (header.sampling_interval().into(), SamplingSource::Header)
        }
        _ => (1, SamplingSource::Assumed),
    }
}

/// Elements of a record that name its sampler.
const SAMPLERS: [u16; 2] = [ie::SAMPLER_ID, ie::SELECTOR_ID];

/// What the records of a template say about sampling.
#[derive(Debug)]
pub(super) struct Sampling {
    /// They say their rate.
    rate: bool,
}

impl Sampling {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { rate: SamplingParameters::ELEMENTS.iter().any(|&id| plan.has(pen::IANA, id)) }
    }

    /// Takes rates from options data, and from the records.
    pub(super) fn complete(&self, set: &DataSet<'_>, context: &Context<'_>, flows: &mut [Row]) {
        // The older versions have no options data: those of the same address are of another exporting process.
        if matches!(context.header, Header::V9(_) | Header::Ipfix(_))
            && let Some(options) = context.options.domain(context.exporter.address, context.domain())
        {
            from_options(set, options, flows);
        }
        if self.rate {
            from_record(set, flows);
        }
    }
}

fn from_options(set: &DataSet<'_>, options: DomainOptions<'_>, flows: &mut [Row]) {
    let sampler = set.columns().find(|column| {
        let element = column.field().element();
        element.enterprise == pen::IANA && SAMPLERS.contains(&element.id)
    });
    let by_interface = options.has_interface_rates();
    let mut rate = remembering(
        |(_, interface)| interface as usize,
        |(sampler, interface)| options.rate(sampler, interface),
    );
    let mut join = |flow: &mut Flow, sampler| {
        let interface = if by_interface { flow.in_if } else { 0 };
        if let Some(found) = rate((sampler, interface)) {
            flow.sampling_rate = found.value.max(1);
            flow.sampling_source = match found.other_domain {
                false => SamplingSource::Options,
                true => SamplingSource::OptionsOtherDomain,
            };
        }
    };
    let by_sampler =
        sampler.is_some_and(|column| column.zip_unsigned(flows, |flow, id| join(flow, Some(id))));
    if !by_sampler {
        flows.iter_mut().for_each(|flow| join(flow, None));
    }
}

fn from_record(set: &DataSet<'_>, flows: &mut [Row]) {
    let mut said = vec![SamplingParameters::default(); set.len()];
    for column in set.columns() {
        let element = column.field().element();
        if element.enterprise == pen::IANA && SamplingParameters::ELEMENTS.contains(&element.id) {
            column.zip_unsigned(&mut said, |said, number| said.note(element.id, number));
        }
    }
    for (flow, said) in flows.iter_mut().zip(&said) {
        if let Some(rate) = said.rate() {
            (flow.sampling_rate, flow.sampling_source) = (rate, SamplingSource::Record);
        }
    }
}
