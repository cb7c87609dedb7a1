//! Names that options data gave to numbers: interfaces, VRFs, applications.

use netflow_templates::{Context, DomainOptions};

use crate::schema::Flow;

/// Fills the columns of names that the records left empty. What the record says itself is left alone.
pub(super) fn complete(context: &Context<'_>, flows: &mut [Flow]) {
    let (exporter, domain) = (context.exporter.address, context.domain());
    let has_names = |options: &DomainOptions| {
        let known =
            !options.interfaces.is_empty() || !options.vrfs.is_empty() || !options.applications.is_empty();
        known.then_some(())
    };
    if context.options.find(exporter, domain, has_names).is_none() {
        return;
    }
    let interface = |index: u32| {
        let found = context.options.find(exporter, domain, |options| options.interfaces.get(&index));
        found.filter(|_| index != 0).map(|found| &**found.value)
    };
    let vrf = |id: u32| {
        context.options.find(exporter, domain, |options| options.vrfs.get(&id)).map(|found| &**found.value)
    };
    for flow in flows {
        if let Some(name) = interface(flow.in_if) {
            put(&mut flow.rare_mut().in_if_name, name);
        }
        if let Some(name) = interface(flow.out_if) {
            put(&mut flow.rare_mut().out_if_name, name);
        }
        // The rest is of numbers that are rare themselves.
        let Some(rare) = &mut flow.rare else { continue };
        if let Some(name) = rare.in_vrf.and_then(vrf) {
            put(&mut rare.in_vrf_name, name);
        }
        if let Some(name) = rare.out_vrf.and_then(vrf) {
            put(&mut rare.out_vrf_name, name);
        }
        let application = rare.app_id.and_then(|application| {
            let number = application.number();
            context.options.find(exporter, domain, |options| options.applications.get(&number))
        });
        if let Some(name) = application {
            put(&mut rare.app_name, name.value);
        }
    }
}

fn put(column: &mut String, name: &str) {
    if column.is_empty() {
        column.push_str(name);
    }
}
