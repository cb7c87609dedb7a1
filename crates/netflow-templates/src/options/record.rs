//! One record of options data: the values that matter here.

use std::borrow::Cow;

use netflow_wire::{element_id as ie, enterprise, unassigned};

use super::exporter::{Said, Subject};
use crate::Timestamp;
use crate::data_set::Record;
use crate::encoding::{Value, unsigned};
use crate::sampling::SamplingParameters;

/// Characters kept of a name: more than any interface or application has. A name goes into every flow, and a
/// long one would make one packet cost gigabytes.
const MAX_NAME: usize = 255;

/// The values of one options record that matter here.
#[derive(Default)]
pub(super) struct Seen<'a> {
    system_init: Option<Timestamp>,
    sampler: Option<u64>,
    interface: Option<u32>,
    interface_name: Option<Cow<'a, str>>,
    interface_description: Option<Cow<'a, str>>,
    vrf: Option<u32>,
    vrf_name: Option<Cow<'a, str>>,
    application: Option<u64>,
    application_name: Option<Cow<'a, str>>,
    sampling: SamplingParameters,
}

impl<'a> Seen<'a> {
    pub(super) fn of(record: &Record<'a>) -> Self {
        let mut seen = Self::default();
        for (field, value) in record.values() {
            seen.note(field.element().enterprise, field.element().id, value);
        }
        seen
    }

    /// Hands out everything that the record says.
    pub(super) fn facts(&self, mut each: impl FnMut(Subject, Said<'_>)) {
        if let Some(start) = self.system_init {
            each(Subject::SystemInit, Said::Number(start.as_nanos().cast_unsigned()));
        }
        if let Some(rate) = self.sampling.rate() {
            let subject = match (self.sampler, self.interface) {
                (Some(sampler), _) => Subject::SamplerRate(sampler),
                (None, Some(interface)) => Subject::InterfaceRate(interface),
                (None, None) => Subject::Rate,
            };
            each(subject, Said::Number(rate));
        }
        let interface_name = self.interface_name.as_ref().or(self.interface_description.as_ref());
        let names = [
            (self.interface.map(Subject::InterfaceName), interface_name),
            (self.vrf.map(Subject::VrfName), self.vrf_name.as_ref()),
            (self.application.map(Subject::ApplicationName), self.application_name.as_ref()),
        ];
        for (subject, name) in names {
            if let (Some(subject), Some(name)) = (subject, name)
                && !name.is_empty()
            {
                each(subject, Said::Name(short(name)));
            }
        }
    }

    fn note(&mut self, enterprise: u32, id: u16, value: Value<'a>) {
        let number = match value {
            Value::Unsigned(number) => Some(number),
            _ => None,
        };
        let narrow = number.and_then(|number| u32::try_from(number).ok());
        match (enterprise, id) {
            (enterprise::UNASSIGNED, unassigned::SCOPE_INTERFACE) => self.interface = narrow,
            (enterprise::IANA, id) => match id {
                ie::SYSTEM_INIT_TIME_MILLISECONDS => {
                    if let Value::Time { time, .. } = value {
                        self.system_init = Some(time);
                    }
                }
                ie::SAMPLER_ID | ie::SELECTOR_ID => self.sampler = number,
                ie::INGRESS_INTERFACE | ie::EGRESS_INTERFACE => self.interface = self.interface.or(narrow),
                ie::INTERFACE_NAME => self.interface_name = text(value),
                ie::INTERFACE_DESCRIPTION => self.interface_description = text(value),
                ie::INGRESS_VRF_ID => self.vrf = narrow,
                ie::VRF_NAME => self.vrf_name = text(value),
                ie::APPLICATION_ID => {
                    if let Value::Octets([engine, selector @ ..]) = value
                        && selector.len() < 8
                    {
                        self.application = Some(u64::from(*engine) << 56 | unsigned(selector));
                    }
                }
                ie::APPLICATION_NAME => self.application_name = text(value),
                id => {
                    if let Some(number) = number {
                        self.sampling.note(id, number);
                    }
                }
            },
            _ => {}
        }
    }
}

fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn short(name: &str) -> &str {
    name.char_indices().nth(MAX_NAME).map_or(name, |(end, _)| &name[..end])
}
