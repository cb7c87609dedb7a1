//! Names that options data gave to numbers: interfaces, VRFs, applications.

use netflow_templates::{Context, DomainOptions};

use crate::schema::Flow;

/// Fills the columns of names that the records left empty. What the record says itself is left alone.
pub(super) fn complete(context: &Context<'_>, flows: &mut [Flow]) {
    let options = context.options.domain(context.exporter.address, context.domain());
    let Some(options) = options.filter(DomainOptions::has_names) else { return };
    let interface = |index: u32| options.interface_name(index).filter(|_| index != 0);
    for flow in flows {
        if let Some(name) = interface(flow.in_if) {
            put(&mut flow.rare_mut().in_if_name, name);
        }
        if let Some(name) = interface(flow.out_if) {
            put(&mut flow.rare_mut().out_if_name, name);
        }
        // The rest is of numbers that are rare themselves.
        let Some(rare) = &mut flow.rare else { continue };
        if let Some(name) = rare.in_vrf.and_then(|id| options.vrf_name(id)) {
            put(&mut rare.in_vrf_name, name);
        }
        if let Some(name) = rare.out_vrf.and_then(|id| options.vrf_name(id)) {
            put(&mut rare.out_vrf_name, name);
        }
        let application = rare.app_id.and_then(|id| options.application_name(id.number()));
        if let Some(name) = application {
            put(&mut rare.app_name, name);
        }
    }
}

fn put(column: &mut String, name: &str) {
    if column.is_empty() {
        column.push_str(name);
    }
}
