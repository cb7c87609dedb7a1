//! Names that options data gave to numbers: interfaces, VRFs, applications.

use netflow_templates::{Context, DomainOptions};

use super::remembering;
use crate::column::Target;

/// Fills the columns of names that the records left empty. What the record says itself is left alone. False when
/// there are no names.
pub(super) fn complete(context: &Context<'_>, target: &mut Target<'_>) -> bool {
    let options = context.options.domain(context.exporter.address, context.domain());
    let Some(options) = options.filter(DomainOptions::has_names) else { return false };
    let mut interface = remembering(
        |index: u32| index as usize,
        |index| options.interface_name(index).filter(|_| index != 0),
    );
    let Target { flows, rare, rows } = target;
    for (flow, row) in flows.iter().zip(rows.clone()) {
        if let Some(name) = interface(flow.in_if) {
            rare.in_if_name.complete(row, name);
        }
        if let Some(name) = interface(flow.out_if) {
            rare.out_if_name.complete(row, name);
        }
        if let Some(name) = rare.in_vrf.get(row).and_then(|id| options.vrf_name(id)) {
            rare.in_vrf_name.complete(row, name);
        }
        if let Some(name) = rare.out_vrf.get(row).and_then(|id| options.vrf_name(id)) {
            rare.out_vrf_name.complete(row, name);
        }
        let application = rare.app_id.get(row).and_then(|id| options.application_name(id.number()));
        if let Some(name) = application {
            rare.app_name.complete(row, name);
        }
    }
    true
}
