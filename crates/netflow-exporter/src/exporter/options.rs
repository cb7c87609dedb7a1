//! Options data: what an exporter says about itself.

use std::borrow::Cow;

use netflow_templates::{Registry, Timestamp, Value};
use netflow_wire::unassigned;
use netflow_wire::{
    FieldSpecifier, TemplateDefinition, VARIABLE_LENGTH, element_id as ie, enterprise as pen,
};

use super::template::fields;
use crate::Version;

/// Records of options: their template and their values.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionsTable {
    /// Template id, 256 and up.
    pub id: u16,
    /// Fields of the scope; in v9 under `enterprise::UNASSIGNED`, with the numbers of scope types.
    pub scopes: Cow<'static, [FieldSpecifier]>,
    /// The other fields.
    pub fields: Cow<'static, [FieldSpecifier]>,
    /// For each record a value for each field, those of the scope first. Missing ones are zero.
    pub rows: Vec<Vec<Value<'static>>>,
}

/// How a sampling rate is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SamplingStyle {
    /// samplingInterval and samplingAlgorithm (34, 35).
    Interval,
    /// samplingPacketInterval and samplingPacketSpace (305, 306): one, then so many that are not taken.
    Space,
    /// samplerId, samplerMode and samplerRandomInterval (48 to 50): records name the sampler.
    Sampler,
}

/// Number of the sampler that [`SamplingStyle::Sampler`] describes.
pub const SAMPLER_ID: u64 = 1;

impl OptionsTable {
    /// One packet in how many is sampled.
    pub fn sampling(version: Version, id: u16, style: SamplingStyle, rate: u32) -> Self {
        let number = |number: u32| Value::Unsigned(number.into());
        let fields = match style {
            SamplingStyle::Interval => fields!(SAMPLING_INTERVAL 4, SAMPLING_ALGORITHM 1),
            SamplingStyle::Space => fields!(SAMPLING_PACKET_INTERVAL 4, SAMPLING_PACKET_SPACE 4),
            SamplingStyle::Sampler => fields!(SAMPLER_ID 2, SAMPLER_MODE 1, SAMPLER_RANDOM_INTERVAL 4),
        };
        let values = match style {
            SamplingStyle::Interval => vec![number(rate), number(1)],
            SamplingStyle::Space => vec![number(1), number(rate.saturating_sub(1))],
            SamplingStyle::Sampler => vec![Value::Unsigned(SAMPLER_ID), number(2), number(rate)],
        };
        let (scopes, scope) = of_domain(version);
        let rows = vec![[vec![scope], values].concat()];
        Self { id, scopes: scopes.into(), fields: fields.into(), rows }
    }

    /// When the exporter started (IPFIX, which has no uptime in its header).
    pub fn system_init(version: Version, id: u16, started: Timestamp) -> Self {
        let (scopes, scope) = of_domain(version);
        Self {
            id,
            scopes: scopes.into(),
            fields: Cow::Borrowed(fields!(SYSTEM_INIT_TIME_MILLISECONDS 8)),
            rows: vec![vec![scope, Value::Time { time: started, digits: 3 }]],
        }
    }

    /// Names of interfaces, by ifIndex.
    pub fn interfaces<S: Into<String>>(
        version: Version,
        id: u16,
        names: impl IntoIterator<Item = (u32, S)>,
    ) -> Self {
        const V9: &[FieldSpecifier] = &[FieldSpecifier::of(pen::UNASSIGNED, unassigned::SCOPE_INTERFACE, 4)];
        let scopes = if version == Version::V9 { V9 } else { fields!(INGRESS_INTERFACE 4) };
        let row = |(index, name): (u32, S)| {
            vec![Value::Unsigned(index.into()), Value::String(Cow::Owned(name.into()))]
        };
        let rows = names.into_iter().map(row).collect();
        let length = if version == Version::V9 { 32 } else { VARIABLE_LENGTH };
        let fields = vec![FieldSpecifier::iana(ie::INTERFACE_NAME, length)];
        Self { id, scopes: scopes.into(), fields: fields.into(), rows }
    }

    /// Names of applications, by their id (RFC 6759): the engine in the highest octet of four, the selector below.
    pub fn applications<S: Into<String>>(
        version: Version,
        id: u16,
        names: impl IntoIterator<Item = (u32, S)>,
    ) -> Self {
        let (system, scope) = of_domain(version);
        let row = |(number, name): (u32, S)| {
            let name = Value::String(Cow::Owned(name.into()));
            match version {
                Version::V9 => vec![scope.clone(), Value::Unsigned(number.into()), name],
                _ => vec![Value::Unsigned(number.into()), name],
            }
        };
        let rows = names.into_iter().map(row).collect();
        let application = FieldSpecifier::iana(ie::APPLICATION_ID, 4);
        let (scopes, fields) = match version {
            Version::V9 => {
                (system.to_vec(), vec![application, FieldSpecifier::iana(ie::APPLICATION_NAME, 24)])
            }
            _ => (vec![application], vec![FieldSpecifier::iana(ie::APPLICATION_NAME, VARIABLE_LENGTH)]),
        };
        Self { id, scopes: scopes.into(), fields: fields.into(), rows }
    }

    /// The template.
    pub(crate) fn definition(&self) -> TemplateDefinition {
        TemplateDefinition {
            template_id: self.id,
            scope_count: self.scopes.len() as u16,
            options: true,
            fields: [&*self.scopes, &*self.fields].concat(),
            offset: 0,
        }
    }

    /// The octets of a record, and whether all values fit their fields; one that does not is cut.
    pub(crate) fn record(&self, registry: &Registry, row: &[Value<'static>]) -> (Vec<u8>, bool) {
        let (mut record, mut fits) = (Vec::new(), true);
        for (place, field) in self.scopes.iter().chain(&*self.fields).enumerate() {
            let value = row.get(place).unwrap_or(&Value::Absent);
            let data_type = registry.element(field.enterprise, field.id).data_type;
            let length = if field.length == VARIABLE_LENGTH {
                let length = match value {
                    Value::String(text) => text.len(),
                    Value::Octets(octets) => octets.len(),
                    Value::Absent => 0,
                    _ => usize::from(data_type.full_length()).min(254),
                };
                // RFC 7011, section 7. More than that has no place in a packet anyway.
                let length = length.min(usize::from(u16::MAX));
                match u8::try_from(length) {
                    Ok(short @ ..=254) => record.push(short),
                    _ => record.extend([255, (length >> 8) as u8, length as u8]),
                }
                length
            } else {
                field.length.into()
            };
            let start = record.len();
            record.resize(start + length, 0);
            fits &= data_type.encode(value, &mut record[start..]);
        }
        (record, fits)
    }
}

/// The scope of all that a domain exports.
fn of_domain(version: Version) -> (&'static [FieldSpecifier], Value<'static>) {
    const V9: &[FieldSpecifier] = &[FieldSpecifier::of(pen::UNASSIGNED, unassigned::SCOPE_SYSTEM, 4)];
    match version {
        Version::V9 => (V9, Value::Unsigned(0)),
        _ => (fields!(EXPORTING_PROCESS_ID 4), Value::Unsigned(1)),
    }
}
