//! Signs of quirks in what templates have, and lack.

use netflow_flow::{has_only_physical_interfaces, has_only_totals, is_of_events};
use netflow_templates::{DataType, Field, Plan};
use netflow_wire::{element_id as ie, enterprise as pen};

use super::Signal;

/// Elements that are there for ICMP only.
const ICMP: [u16; 6] = [
    ie::ICMP_TYPE_CODE_IPV4,
    ie::ICMP_TYPE_CODE_IPV6,
    ie::ICMP_TYPE_IPV4,
    ie::ICMP_CODE_IPV4,
    ie::ICMP_TYPE_IPV6,
    ie::ICMP_CODE_IPV6,
];

/// Elements that say when an event was, or from when to when a flow.
const TIMES: [u16; 16] = [
    ie::OBSERVATION_TIME_SECONDS,
    ie::OBSERVATION_TIME_MILLISECONDS,
    ie::OBSERVATION_TIME_MICROSECONDS,
    ie::OBSERVATION_TIME_NANOSECONDS,
    ie::FLOW_START_SECONDS,
    ie::FLOW_END_SECONDS,
    ie::FLOW_START_MILLISECONDS,
    ie::FLOW_END_MILLISECONDS,
    ie::FLOW_START_MICROSECONDS,
    ie::FLOW_END_MICROSECONDS,
    ie::FLOW_START_NANOSECONDS,
    ie::FLOW_END_NANOSECONDS,
    ie::FLOW_START_DELTA_MICROSECONDS,
    ie::FLOW_END_DELTA_MICROSECONDS,
    ie::FLOW_START_SYS_UP_TIME,
    ie::FLOW_END_SYS_UP_TIME,
];

/// Elements that say how flows are sampled (RFC 7014).
const FLOW_SAMPLING: [u16; 3] =
    [ie::FLOW_SELECTOR_ALGORITHM, ie::SAMPLING_FLOW_INTERVAL, ie::SAMPLING_FLOW_SPACING];

/// Elements that say a rate by themselves.
const RATES: [u16; 2] = [ie::SAMPLING_INTERVAL, ie::SAMPLER_RANDOM_INTERVAL];

/// Addresses of one side, in either version of IP.
const BOTH_VERSIONS: [[u16; 2]; 2] = [
    [ie::SOURCE_IPV4_ADDRESS, ie::SOURCE_IPV6_ADDRESS],
    [ie::DESTINATION_IPV4_ADDRESS, ie::DESTINATION_IPV6_ADDRESS],
];

/// The signals of a template.
pub(super) fn signals(plan: &Plan, version: u16) -> impl Iterator<Item = Signal> {
    let has = |id| plan.has(pen::IANA, id);
    let any = |ids: &[u16]| ids.iter().any(|&id| has(id));
    let field = |is: fn(&Field) -> bool| plan.fields().iter().any(is);
    let is_high = |field: &Field| field.element().enterprise == pen::IANA && field.element().id > 32_767;
    let flows = !plan.is_options();
    let long_uptime = |field: &Field| {
        let element = field.element();
        let uptime = [ie::FLOW_START_SYS_UP_TIME, ie::FLOW_END_SYS_UP_TIME].contains(&element.id);
        element.enterprise == pen::IANA && uptime && field.length() > 4
    };
    let has_rate = any(&RATES) || (has(ie::SAMPLING_SIZE) && has(ie::SAMPLING_POPULATION));
    let without_space = has(ie::SAMPLING_PACKET_INTERVAL) && !has(ie::SAMPLING_PACKET_SPACE) && !has_rate;
    let signals = [
        (Signal::RepeatedElement, field(|field| field.occurrence() > 0 && !may_repeat(field))),
        (Signal::EmptyField, field(|field| field.length() == 0)),
        (Signal::LongNumber, field(is_long_number)),
        (Signal::HighFieldType, version == 9 && field(is_high)),
        (Signal::OnlyTotals, flows && has_only_totals(plan)),
        (Signal::PhysicalInterfaces, flows && has_only_physical_interfaces(plan)),
        (Signal::BothIpVersions, flows && BOTH_VERSIONS.iter().any(|both| both.iter().all(|&id| has(id)))),
        (Signal::LongUptime, plan.fields().iter().any(long_uptime)),
        (Signal::IntervalWithoutSpace, without_space),
        (Signal::IcmpWithoutProtocol, flows && any(&ICMP) && !has(ie::PROTOCOL_IDENTIFIER)),
        (Signal::EventWithoutTime, flows && is_of_events(plan) && !any(&TIMES)),
        (Signal::FlowSampling, any(&FLOW_SAMPLING)),
    ];
    signals.into_iter().filter(|(_, is_there)| *is_there).map(|(signal, _)| signal)
}

/// Lists and padding are repeated in good order.
fn may_repeat(field: &Field) -> bool {
    field.is_padding() || field.element().data_type.is_list()
}

fn is_long_number(field: &Field) -> bool {
    use DataType as T;
    let is_number = matches!(
        field.element().data_type,
        T::Unsigned8
            | T::Unsigned16
            | T::Unsigned32
            | T::Unsigned64
            | T::Signed8
            | T::Signed16
            | T::Signed32
            | T::Signed64
    );
    is_number && field.length() > 8 && !field.is_variable()
}

#[cfg(test)]
mod tests {
    use netflow_templates::{Naming, Registry};
    use netflow_wire::FieldSpecifier;

    use super::*;

    fn signs(version: u16, options: bool, fields: &[(u16, u16)]) -> Vec<Signal> {
        let fields: Vec<_> = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
        let naming = if version == 9 { Naming::V9 } else { Naming::Ipfix };
        let plan = Plan::compile(&Registry::new(), naming, 256, options, options.into(), &fields);
        signals(&plan, version).collect()
    }

    #[test]
    fn signs_of_templates_are_recognised() {
        let octets = (ie::OCTET_DELTA_COUNT, 4);
        for (fields, signal) in [
            (vec![octets, octets], Signal::RepeatedElement),
            (vec![octets, (ie::FLOW_DIRECTION, 0)], Signal::EmptyField),
            (vec![(ie::OCTET_DELTA_COUNT, 9)], Signal::LongNumber),
            (vec![octets, (57_652, 32)], Signal::HighFieldType),
            (vec![(ie::OCTET_TOTAL_COUNT, 8), (ie::PACKET_DELTA_COUNT, 8)], Signal::OnlyTotals),
            (vec![octets, (ie::ICMP_TYPE_CODE_IPV4, 2)], Signal::IcmpWithoutProtocol),
            (vec![octets, (ie::FIREWALL_EVENT, 1)], Signal::EventWithoutTime),
            (vec![octets, (ie::SAMPLING_FLOW_INTERVAL, 4)], Signal::FlowSampling),
            (vec![octets, (ie::INGRESS_PHYSICAL_INTERFACE, 4)], Signal::PhysicalInterfaces),
            (
                vec![octets, (ie::SOURCE_IPV4_ADDRESS, 4), (ie::SOURCE_IPV6_ADDRESS, 16)],
                Signal::BothIpVersions,
            ),
            (vec![octets, (ie::FLOW_START_SYS_UP_TIME, 8)], Signal::LongUptime),
            (vec![octets, (ie::SAMPLING_PACKET_INTERVAL, 4)], Signal::IntervalWithoutSpace),
        ] {
            assert_eq!(signs(9, false, &fields), [signal]);
        }
    }

    #[test]
    fn an_interval_without_space_matters_only_where_nothing_else_says_a_rate() {
        let interval = (ie::SAMPLING_PACKET_INTERVAL, 4);
        let [size, population] = [(ie::SAMPLING_SIZE, 4), (ie::SAMPLING_POPULATION, 4)];
        for rate in [
            vec![(ie::SAMPLING_INTERVAL, 4)],
            vec![(ie::SAMPLER_RANDOM_INTERVAL, 4)],
            vec![size, population],
            vec![(ie::SAMPLING_PACKET_SPACE, 4)],
        ] {
            let fields = [&[interval], &rate[..]].concat();
            assert_eq!(signs(10, true, &fields), [], "{rate:?}");
        }
        for half in [size, population] {
            assert_eq!(signs(10, true, &[interval, half]), [Signal::IntervalWithoutSpace]);
        }
    }

    #[test]
    fn ordinary_templates_show_no_signs() {
        let times = [(ie::FLOW_START_SYS_UP_TIME, 4), (ie::FLOW_END_SYS_UP_TIME, 4)];
        let icmp = [(ie::PROTOCOL_IDENTIFIER, 1), (ie::ICMP_TYPE_CODE_IPV4, 2)];
        let counters = [(ie::OCTET_DELTA_COUNT, 8), (ie::OCTET_TOTAL_COUNT, 8)];
        assert_eq!(signs(9, false, &[times, icmp, counters].concat()), []);
        // NSEL: a connection that ended, with its octets in all.
        let event =
            [(ie::FIREWALL_EVENT, 1), (ie::OBSERVATION_TIME_MILLISECONDS, 8), (ie::OCTET_TOTAL_COUNT, 4)];
        assert_eq!(signs(9, false, &event), []);
        assert_eq!(signs(9, false, &[event[1], event[2], (ie::V9_FW_EVENT, 1)]), [Signal::HighFieldType]);
        assert_eq!(signs(10, false, &[(ie::PADDING_OCTETS, 1), (ie::PADDING_OCTETS, 2)]), []);
        // Options data count in their own way.
        assert_eq!(signs(10, true, &[(ie::EXPORTING_PROCESS_ID, 4), (ie::OCTET_TOTAL_COUNT, 8)]), []);
    }
}
