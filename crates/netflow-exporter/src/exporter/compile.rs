//! Templates and options data, made ready to be sent.

use std::borrow::Cow;
use std::collections::HashSet;

use netflow_flow::EncodePlan;
use netflow_templates::Registry;
use netflow_wire::{FieldSpecifier, TemplateDefinition, element_id as ie, enterprise as pen};

use super::draft::SET_HEADER;
use super::habits::Padding;
use super::template::Choice;
use super::{Compiled, CompiledOptions, ConfigError, ExporterConfig, FlowTemplate, Takes};
use crate::Version;

/// Octets of a packet.
const PACKET_LENGTHS: std::ops::RangeInclusive<usize> = 512..=65_507;

/// Templates of flows, and options data; none of these for the fixed versions.
pub(super) fn all(
    config: &ExporterConfig,
    registry: &Registry,
) -> Result<(Vec<Compiled>, Vec<CompiledOptions>), ConfigError> {
    if !PACKET_LENGTHS.contains(&config.max_packet) {
        return Err(ConfigError::PacketLength(config.max_packet));
    }
    if !config.version.has_templates() {
        return Ok((vec![fixed(config.version, registry)?], Vec::new()));
    }
    let mut ids = HashSet::new();
    let mut check_id = |id: u16| match (id, ids.insert(id)) {
        (..256, _) => Err(ConfigError::TemplateId(id)),
        (_, false) => Err(ConfigError::TwiceId(id)),
        _ => Ok(()),
    };
    let mut templates = Vec::new();
    for template in &config.templates {
        check_id(template.id)?;
        templates.push(flows(config, registry, template)?);
    }
    if templates.is_empty() {
        return Err(ConfigError::NoTemplate);
    }
    let ipfix = config.version == Version::Ipfix;
    let mut options = Vec::new();
    for table in &config.options {
        check_id(table.id)?;
        check_fields(config, table.id, &table.scopes, true)?;
        check_fields(config, table.id, &table.fields, false)?;
        let definition = table.definition();
        let mut announcement = Vec::new();
        definition.append_to(ipfix, &mut announcement);
        check_length(config, table.id, announcement.len())?;
        let records: Vec<_> = table.rows.iter().map(|row| table.record(registry, row)).collect();
        for (record, _) in &records {
            check_length(config, table.id, record.len())?;
        }
        options.push(CompiledOptions { id: table.id, announcement, records });
    }
    Ok((templates, options))
}

/// A template of flows beside those of the configuration.
pub(super) fn another(
    config: &ExporterConfig,
    registry: &Registry,
    template: &FlowTemplate,
) -> Result<Compiled, ConfigError> {
    match template.id {
        _ if !config.version.has_templates() => Err(ConfigError::NoTemplate),
        id @ ..256 => Err(ConfigError::TemplateId(id)),
        _ => flows(config, registry, template),
    }
}

/// The only template of a fixed version: that which its layout stands for.
fn fixed(version: Version, registry: &Registry) -> Result<Compiled, ConfigError> {
    let layout = version.layout().ok_or(match version {
        Version::V8(scheme) => ConfigError::Scheme(scheme),
        _ => ConfigError::NoTemplate,
    })?;
    let is_address = |field: &FieldSpecifier| {
        let ids = [
            ie::SOURCE_IPV4_ADDRESS,
            ie::DESTINATION_IPV4_ADDRESS,
            ie::SOURCE_IPV4_PREFIX,
            ie::DESTINATION_IPV4_PREFIX,
        ];
        field.enterprise == pen::IANA && ids.contains(&field.id)
    };
    // Aggregates without addresses are of any IP version.
    let takes = if layout.fields.iter().any(is_address) { Takes::IPV4 } else { Takes::ALL };
    Ok(Compiled {
        id: 0,
        takes: Choice::new(takes),
        plan: EncodePlan::compile(registry, layout.fields),
        announcement: Vec::new(),
        announced: true,
        set: (0, 0),
    })
}

fn flows(
    config: &ExporterConfig,
    registry: &Registry,
    template: &FlowTemplate,
) -> Result<Compiled, ConfigError> {
    let &FlowTemplate { id, takes, ref fields } = template;
    check_fields(config, id, fields, false)?;
    let plan = EncodePlan::compile(registry, fields);
    if plan.record_len() == Some(0) {
        return Err(ConfigError::Empty(id));
    }
    check_length(config, id, plan.record_len().unwrap_or(0))?;
    let definition = TemplateDefinition {
        template_id: id,
        scope_count: 0,
        options: false,
        fields: Cow::into_owned(fields.clone()),
        offset: 0,
    };
    let mut announcement = Vec::new();
    definition.append_to(config.version == Version::Ipfix, &mut announcement);
    check_length(config, id, announcement.len())?;
    Ok(Compiled { id, takes: Choice::new(takes), plan, announcement, announced: false, set: (0, 0) })
}

fn check_fields(
    config: &ExporterConfig,
    id: u16,
    fields: &[FieldSpecifier],
    scopes: bool,
) -> Result<(), ConfigError> {
    let allowed = if scopes { pen::UNASSIGNED } else { pen::IANA };
    match fields.iter().find(|field| config.version == Version::V9 && field.enterprise != allowed) {
        Some(field) => Err(ConfigError::Enterprise { id, enterprise: field.enterprise, element: field.id }),
        None if fields.is_empty() => Err(ConfigError::Empty(id)),
        None => Ok(()),
    }
}

fn check_length(config: &ExporterConfig, id: u16, needed: usize) -> Result<(), ConfigError> {
    let room = config.max_packet.saturating_sub(config.version.header_len() + overhead(config));
    if needed > room { Err(ConfigError::TooLong { id, needed, room }) } else { Ok(()) }
}

/// What a set takes beside its records, at most.
pub(super) fn overhead(config: &ExporterConfig) -> usize {
    if !config.version.has_templates() {
        return 0;
    }
    let padding = if config.habits.padding == Padding::None { 0 } else { 3 };
    SET_HEADER + padding + usize::from(config.habits.more_padding) + config.habits.behind_sets.len()
}
