//! What options data said, said again: as IPFIX messages that teach the same.

use std::net::IpAddr;

use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, VARIABLE_LENGTH, element_id as ie, ipfix,
};

use super::Options;
use super::exporter::{Fact, Subject};

/// Octets of data sets in a message above which another one is begun.
const FULL: usize = 16 << 10;

/// A shape of options records: its template has this number, counted from [`FIRST`], and these fields, of which
/// `scope` are the scope.
struct Shape {
    scope: u16,
    fields: &'static [(u16, u16)],
}

/// Template id of the first of [`SHAPES`].
const FIRST: u16 = 256;

const fn shape(scope: u16, fields: &'static [(u16, u16)]) -> Shape {
    Shape { scope, fields }
}

/// One for each kind of subject, and the last for the descriptions of elements (RFC 5610).
const SHAPES: [Shape; 8] = [
    shape(1, &[(ie::OBSERVATION_DOMAIN_ID, 4), (ie::SYSTEM_INIT_TIME_MILLISECONDS, 8)]),
    shape(1, &[(ie::OBSERVATION_DOMAIN_ID, 4), (ie::SAMPLING_INTERVAL, 8)]),
    shape(1, &[(ie::SAMPLER_ID, 8), (ie::SAMPLING_INTERVAL, 8)]),
    shape(1, &[(ie::INGRESS_INTERFACE, 4), (ie::SAMPLING_INTERVAL, 8)]),
    shape(1, &[(ie::INGRESS_INTERFACE, 4), (ie::INTERFACE_NAME, VARIABLE_LENGTH)]),
    shape(1, &[(ie::INGRESS_VRF_ID, 4), (ie::VRF_NAME, VARIABLE_LENGTH)]),
    shape(1, &[(ie::APPLICATION_ID, 8), (ie::APPLICATION_NAME, VARIABLE_LENGTH)]),
    shape(
        2,
        &[
            (ie::PRIVATE_ENTERPRISE_NUMBER, 4),
            (ie::INFORMATION_ELEMENT_ID, 2),
            (ie::INFORMATION_ELEMENT_DATA_TYPE, 1),
            (ie::INFORMATION_ELEMENT_SEMANTICS, 1),
            (ie::INFORMATION_ELEMENT_UNITS, 2),
            (ie::INFORMATION_ELEMENT_NAME, VARIABLE_LENGTH),
        ],
    ),
];
const DESCRIPTIONS: usize = 7;

impl Options {
    /// Hands out IPFIX messages, the exporters that were heard least recently first. Each is whole in itself: it
    /// has its templates, and withdraws them.
    pub(crate) fn say_again(&self, mut each: impl FnMut(IpAddr, &[u8])) {
        let mut exporters: Vec<_> = self.exporters.iter().collect();
        exporters.sort_unstable_by_key(|&(address, options)| (options.heard, *address));
        for (&address, options) in exporters {
            let mut each = |octets: &[u8]| each(address, octets);
            let mut facts: Vec<_> = options.facts().collect();
            facts.sort_unstable_by_key(|&(domain, subject, _)| (domain, subject));
            for of_domain in facts.chunk_by(|one, other| one.0 == other.0) {
                let mut speech = Speech::new(of_domain[0].0, &mut each);
                for (_, subject, fact) in of_domain {
                    if let Some(shape) = shape_of(*subject) {
                        speech.record(shape, |out| append_fact(*subject, fact, out));
                    }
                }
                speech.finish();
            }
            // What an element is does not depend on the domain.
            let mut speech = Speech::new(facts.first().map_or(0, |fact| fact.0), &mut each);
            options.elements().say_again(|numbers, name| {
                speech.record(DESCRIPTIONS, |out| {
                    out.extend_from_slice(&numbers);
                    append_text(name, out);
                });
            });
            speech.finish();
        }
    }
}

/// The messages of one domain.
struct Speech<'a, F> {
    domain: u32,
    each: &'a mut F,
    /// The message that is begun, and the shape of its last set.
    open: Option<(MessageEncoder, Option<usize>)>,
    octets: usize,
    record: Vec<u8>,
}

impl<'a, F: FnMut(&[u8])> Speech<'a, F> {
    fn new(domain: u32, each: &'a mut F) -> Self {
        Self { domain, each, open: None, octets: 0, record: Vec::new() }
    }

    fn record(&mut self, shape: usize, append: impl FnOnce(&mut Vec<u8>)) {
        self.record.clear();
        append(&mut self.record);
        if self.octets + self.record.len() > FULL {
            self.finish();
        }
        let domain = self.domain;
        let (encoder, last) = self.open.get_or_insert_with(|| (message(domain), None));
        if *last != Some(shape) {
            if last.is_some() {
                encoder.template(&WITHDRAWAL);
            }
            *last = Some(shape);
            encoder.template(&definition(shape)).begin_set(template_id(shape));
        }
        encoder.octets(&self.record);
        self.octets += self.record.len();
    }

    fn finish(&mut self) {
        self.octets = 0;
        if let Some((mut encoder, _)) = self.open.take() {
            encoder.template(&WITHDRAWAL);
            (self.each)(&encoder.finish());
        }
    }
}

/// Withdraws all options templates. There is one at a time: bounds on templates are not for these.
const WITHDRAWAL: TemplateDefinition = TemplateDefinition {
    template_id: ipfix::OPTIONS_TEMPLATE_SET,
    scope_count: 0,
    options: true,
    fields: Vec::new(),
    offset: 0,
};

fn message(observation_domain_id: u32) -> MessageEncoder {
    MessageEncoder::new(Header::Ipfix(ipfix::Header { observation_domain_id, ..ipfix::Header::default() }))
}

fn template_id(shape: usize) -> u16 {
    FIRST + shape as u16
}

fn definition(shape: usize) -> TemplateDefinition {
    let Shape { scope, fields } = SHAPES[shape];
    let fields = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
    TemplateDefinition {
        template_id: template_id(shape),
        scope_count: scope,
        options: true,
        fields,
        offset: 0,
    }
}

/// Which of [`SHAPES`] tells about a subject; none about what follows from others.
fn shape_of(subject: Subject) -> Option<usize> {
    match subject {
        Subject::SystemInit => Some(0),
        Subject::Rate => Some(1),
        Subject::SamplerRate(_) => Some(2),
        Subject::InterfaceRate(_) => Some(3),
        Subject::UnnamedRate => None,
        Subject::InterfaceName(_) => Some(4),
        Subject::VrfName(_) => Some(5),
        Subject::ApplicationName(_) => Some(6),
    }
}

fn append_fact(subject: Subject, fact: &Fact, out: &mut Vec<u8>) {
    match subject {
        // The scope is the domain of the message, which nothing reads here.
        Subject::SystemInit | Subject::Rate | Subject::UnnamedRate => out.extend_from_slice(&[0; 4]),
        Subject::SamplerRate(number) | Subject::ApplicationName(number) => {
            out.extend_from_slice(&number.to_be_bytes());
        }
        Subject::InterfaceRate(number) | Subject::InterfaceName(number) | Subject::VrfName(number) => {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
    match fact {
        Fact::Number(nanos) if subject == Subject::SystemInit => {
            let millis = nanos.cast_signed().div_euclid(1_000_000);
            out.extend_from_slice(&millis.to_be_bytes());
        }
        Fact::Number(number) => out.extend_from_slice(&number.to_be_bytes()),
        Fact::Name(name) => append_text(name, out),
    }
}

/// A value of variable length (RFC 7011, section 7).
fn append_text(text: &str, out: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).expect("names are cut off far below 64 KiB");
    match u8::try_from(length) {
        Ok(length) if length < 255 => out.push(length),
        _ => {
            out.push(255);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}
