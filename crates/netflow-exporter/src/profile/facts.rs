//! What an exporter knows of itself, and says in options data.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use netflow_templates::{Timestamp, Value};
use netflow_wire::{FieldSpecifier, element_id as ie, enterprise as pen, unassigned};

use super::OptionsLayout;
use crate::exporter::{OptionsTable, SAMPLER_ID};

/// What an exporter knows of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// When it started.
    pub started: Timestamp,
    /// One packet in how many it samples; 1 for all.
    pub sampling: u32,
    /// Its interfaces: ifIndex and name.
    pub interfaces: Vec<(u32, String)>,
    /// Its applications (RFC 6759): number, with the engine in the highest of four octets, and name.
    pub applications: Vec<(u32, String)>,
}

impl Facts {
    /// Of an exporter that started at a time, sees all packets, and names nothing.
    pub fn of(started: Timestamp) -> Self {
        Self { started, sampling: 1, interfaces: Vec::new(), applications: Vec::new() }
    }
}

/// What a record of options is about.
#[derive(Clone, Copy)]
enum Subject<'a> {
    All,
    Named(u32, &'a str),
}

impl OptionsTable {
    /// Options data of a layout: a record for each interface or application where the layout names them, else one.
    pub fn of_layout(layout: &OptionsLayout, facts: &Facts) -> Self {
        let fields = || layout.scopes.iter().chain(layout.fields);
        let has =
            |ids: &[u16]| fields().any(|field| field.enterprise == pen::IANA && ids.contains(&field.id));
        let names = if has(&[ie::INTERFACE_NAME, ie::INTERFACE_DESCRIPTION]) {
            Some(&facts.interfaces)
        } else if has(&[ie::APPLICATION_NAME]) {
            Some(&facts.applications)
        } else {
            None
        };
        let row = |subject| fields().map(|field| value(field, subject, facts)).collect();
        let rows = match names {
            Some(names) => names.iter().map(|(number, name)| row(Subject::Named(*number, name))).collect(),
            None => vec![row(Subject::All)],
        };
        Self { id: layout.id, scopes: layout.scopes.into(), fields: layout.fields.into(), rows }
    }
}

/// What an exporter says in a field.
fn value(field: &FieldSpecifier, subject: Subject<'_>, facts: &Facts) -> Value<'static> {
    let number = |number: u32| Value::Unsigned(number.into());
    let (index, name) = match subject {
        Subject::All => (1, ""),
        Subject::Named(index, name) => (index, name),
    };
    if field.enterprise != pen::IANA {
        return number(if field.id == unassigned::SCOPE_INTERFACE { index } else { 0 });
    }
    match field.id {
        ie::SYSTEM_INIT_TIME_MILLISECONDS => Value::Time { time: facts.started, digits: 3 },
        ie::SAMPLING_INTERVAL | ie::SAMPLER_RANDOM_INTERVAL | ie::SAMPLING_POPULATION => {
            number(facts.sampling)
        }
        ie::SAMPLING_PACKET_SPACE => number(facts.sampling.saturating_sub(1)),
        // Deterministic, by count; the samplers of routers take at random.
        ie::SAMPLING_ALGORITHM | ie::SELECTOR_ALGORITHM | ie::FLOW_SELECTOR_ALGORITHM => number(1),
        ie::SAMPLER_MODE => number(2),
        ie::SAMPLING_PACKET_INTERVAL | ie::SAMPLING_SIZE | ie::SAMPLING_FLOW_INTERVAL => number(1),
        ie::SAMPLING_FLOW_SPACING => number(facts.sampling.saturating_sub(1)),
        ie::SAMPLER_ID | ie::SELECTOR_ID => Value::Unsigned(SAMPLER_ID),
        ie::EXPORTING_PROCESS_ID | ie::METERING_PROCESS_ID => number(1),
        ie::EXPORTER_IPV4_ADDRESS => Value::Address(Ipv4Addr::UNSPECIFIED.into()),
        ie::EXPORTER_IPV6_ADDRESS => Value::Address(Ipv6Addr::UNSPECIFIED.into()),
        ie::INGRESS_INTERFACE | ie::EGRESS_INTERFACE | ie::APPLICATION_ID => number(index),
        ie::INTERFACE_NAME | ie::INTERFACE_DESCRIPTION | ie::APPLICATION_NAME => {
            Value::String(Cow::Owned(name.to_owned()))
        }
        ie::FLOW_ACTIVE_TIMEOUT => number(60),
        ie::FLOW_IDLE_TIMEOUT => number(15),
        ie::EXPORT_PROTOCOL_VERSION => number(10),
        // UDP.
        ie::EXPORT_TRANSPORT_PROTOCOL => number(17),
        _ => Value::Absent,
    }
}
