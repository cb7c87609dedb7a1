//! Templates of exporters that are known by name.

use netflow_wire::VARIABLE_LENGTH;

use crate::exporter::{FlowTemplate, Takes, fields};

const NON_ICMP_4: Takes = Takes { icmp: Some(false), ..Takes::IPV4 };
const NON_ICMP_6: Takes = Takes { icmp: Some(false), ..Takes::IPV6 };

pub(super) const MIKROTIK: &[FlowTemplate] = &[
    FlowTemplate::new(
        258,
        Takes::IPV4,
        fields!(
            IP_VERSION 1, FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4, PACKET_DELTA_COUNT 4,
            OCTET_DELTA_COUNT 4, SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, INGRESS_INTERFACE 4,
            EGRESS_INTERFACE 4, PROTOCOL_IDENTIFIER 1, TCP_CONTROL_BITS 1, SOURCE_IPV4_ADDRESS 4,
            DESTINATION_IPV4_ADDRESS 4, IP_NEXT_HOP_IPV4_ADDRESS 4, POST_NAT_SOURCE_IPV4_ADDRESS 4,
            POST_NAT_DESTINATION_IPV4_ADDRESS 4,
        ),
    ),
    FlowTemplate::new(
        259,
        Takes::IPV6,
        fields!(
            IP_VERSION 1, FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4, PACKET_DELTA_COUNT 4,
            OCTET_DELTA_COUNT 4, SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, INGRESS_INTERFACE 4,
            EGRESS_INTERFACE 4, PROTOCOL_IDENTIFIER 1, TCP_CONTROL_BITS 1, SOURCE_IPV6_ADDRESS 16,
            DESTINATION_IPV6_ADDRESS 16, IP_NEXT_HOP_IPV6_ADDRESS 16,
        ),
    ),
];

pub(super) const CISCO_ASA: &[FlowTemplate] = &[
    FlowTemplate::new(
        265,
        Takes::IPV4,
        fields!(
            FLOW_ID 4, SOURCE_IPV4_ADDRESS 4, SOURCE_TRANSPORT_PORT 2, INGRESS_INTERFACE 2,
            DESTINATION_IPV4_ADDRESS 4, DESTINATION_TRANSPORT_PORT 2, EGRESS_INTERFACE 2, PROTOCOL_IDENTIFIER 1,
            ICMP_TYPE_IPV4 1, ICMP_CODE_IPV4 1, POST_NAT_SOURCE_IPV4_ADDRESS 4,
            POST_NAT_DESTINATION_IPV4_ADDRESS 4, POST_NAPT_SOURCE_TRANSPORT_PORT 2,
            POST_NAPT_DESTINATION_TRANSPORT_PORT 2, FIREWALL_EVENT 1, id 33002 2, OBSERVATION_TIME_MILLISECONDS 8,
            FLOW_START_MILLISECONDS 8, INITIATOR_OCTETS 4, RESPONDER_OCTETS 4, INITIATOR_PACKETS 4,
            RESPONDER_PACKETS 4, id 33000 12, id 33001 12, id 40000 20,
        ),
    ),
    FlowTemplate::new(
        267,
        Takes::IPV6,
        fields!(
            FLOW_ID 4, SOURCE_IPV6_ADDRESS 16, SOURCE_TRANSPORT_PORT 2, INGRESS_INTERFACE 2,
            DESTINATION_IPV6_ADDRESS 16, DESTINATION_TRANSPORT_PORT 2, EGRESS_INTERFACE 2, PROTOCOL_IDENTIFIER 1,
            ICMP_TYPE_IPV6 1, ICMP_CODE_IPV6 1, FIREWALL_EVENT 1, id 33002 2, OBSERVATION_TIME_MILLISECONDS 8,
            FLOW_START_MILLISECONDS 8, INITIATOR_OCTETS 4, RESPONDER_OCTETS 4, INITIATOR_PACKETS 4,
            RESPONDER_PACKETS 4, id 33000 12, id 33001 12, id 40000 20,
        ),
    ),
];

pub(super) const H3C: &[FlowTemplate] = &[
    FlowTemplate::new(
        3281,
        Takes::IPV4,
        fields!(
            PACKET_DELTA_COUNT 8, OCTET_DELTA_COUNT 8, FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4,
            INGRESS_INTERFACE 4, EGRESS_INTERFACE 4, SOURCE_IPV4_ADDRESS 4, DESTINATION_IPV4_ADDRESS 4,
            IP_NEXT_HOP_IPV4_ADDRESS 4, BGP_SOURCE_AS_NUMBER 4, BGP_DESTINATION_AS_NUMBER 4,
            SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, IP_VERSION 1, TCP_CONTROL_BITS 1,
            PROTOCOL_IDENTIFIER 1, IP_CLASS_OF_SERVICE 1, SOURCE_IPV4_PREFIX_LENGTH 1,
            DESTINATION_IPV4_PREFIX_LENGTH 1, FLOW_DIRECTION 1, FORWARDING_STATUS 1,
            INTERFACE_NAME VARIABLE_LENGTH,
        ),
    ),
    FlowTemplate::new(
        3282,
        Takes::IPV6,
        fields!(
            PACKET_DELTA_COUNT 8, OCTET_DELTA_COUNT 8, FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4,
            INGRESS_INTERFACE 4, EGRESS_INTERFACE 4, SOURCE_IPV6_ADDRESS 16, DESTINATION_IPV6_ADDRESS 16,
            IP_NEXT_HOP_IPV6_ADDRESS 16, SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, IP_VERSION 1,
            TCP_CONTROL_BITS 1, PROTOCOL_IDENTIFIER 1, IP_CLASS_OF_SERVICE 1, FLOW_DIRECTION 1,
            INTERFACE_NAME VARIABLE_LENGTH,
        ),
    ),
];

pub(super) const PALO_ALTO: &[FlowTemplate] = &[
    FlowTemplate::new(
        257,
        Takes::IPV4,
        fields!(
            OCTET_DELTA_COUNT 8, PACKET_DELTA_COUNT 4, PROTOCOL_IDENTIFIER 1, IP_CLASS_OF_SERVICE 1,
            TCP_CONTROL_BITS 1, SOURCE_TRANSPORT_PORT 2, SOURCE_IPV4_ADDRESS 4, INGRESS_INTERFACE 4,
            DESTINATION_TRANSPORT_PORT 2, DESTINATION_IPV4_ADDRESS 4, EGRESS_INTERFACE 4,
            FLOW_END_SYS_UP_TIME 4, FLOW_START_SYS_UP_TIME 4, ICMP_TYPE_CODE_IPV4 2, FLOW_DIRECTION 1, FLOW_ID 8,
            FIREWALL_EVENT 1, id 346 4, id 56701 32, id 56702 64,
        ),
    ),
    FlowTemplate::new(
        259,
        Takes::IPV6,
        fields!(
            OCTET_DELTA_COUNT 8, PACKET_DELTA_COUNT 4, PROTOCOL_IDENTIFIER 1, IP_CLASS_OF_SERVICE 1,
            TCP_CONTROL_BITS 1, SOURCE_TRANSPORT_PORT 2, SOURCE_IPV6_ADDRESS 16, INGRESS_INTERFACE 4,
            DESTINATION_TRANSPORT_PORT 2, DESTINATION_IPV6_ADDRESS 16, EGRESS_INTERFACE 4,
            FLOW_END_SYS_UP_TIME 4, FLOW_START_SYS_UP_TIME 4, ICMP_TYPE_CODE_IPV6 2, FLOW_DIRECTION 1, FLOW_ID 8,
            FIREWALL_EVENT 1, id 346 4, id 56701 32, id 56702 64,
        ),
    ),
];

pub(super) const JUNIPER_MX: &[FlowTemplate] = &[
    FlowTemplate::new(
        256,
        Takes::IPV4,
        fields!(
            SOURCE_IPV4_ADDRESS 4, DESTINATION_IPV4_ADDRESS 4, IP_CLASS_OF_SERVICE 1, PROTOCOL_IDENTIFIER 1,
            SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, ICMP_TYPE_CODE_IPV4 2, INGRESS_INTERFACE 4,
            VLAN_ID 2, SOURCE_IPV4_PREFIX_LENGTH 1, DESTINATION_IPV4_PREFIX_LENGTH 1, BGP_SOURCE_AS_NUMBER 4,
            BGP_DESTINATION_AS_NUMBER 4, IP_NEXT_HOP_IPV4_ADDRESS 4, TCP_CONTROL_BITS 1, EGRESS_INTERFACE 4,
            OCTET_DELTA_COUNT 8, PACKET_DELTA_COUNT 8, MINIMUM_TTL 1, MAXIMUM_TTL 1, FLOW_START_MILLISECONDS 8,
            FLOW_END_MILLISECONDS 8, FLOW_END_REASON 1,
        ),
    ),
    FlowTemplate::new(
        257,
        Takes::IPV6,
        fields!(
            SOURCE_IPV6_ADDRESS 16, DESTINATION_IPV6_ADDRESS 16, IP_CLASS_OF_SERVICE 1, PROTOCOL_IDENTIFIER 1,
            SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, ICMP_TYPE_CODE_IPV6 2, INGRESS_INTERFACE 4,
            VLAN_ID 2, SOURCE_IPV6_PREFIX_LENGTH 1, DESTINATION_IPV6_PREFIX_LENGTH 1, BGP_SOURCE_AS_NUMBER 4,
            BGP_DESTINATION_AS_NUMBER 4, IP_NEXT_HOP_IPV6_ADDRESS 16, TCP_CONTROL_BITS 1, EGRESS_INTERFACE 4,
            OCTET_DELTA_COUNT 8, PACKET_DELTA_COUNT 8, MINIMUM_TTL 1, MAXIMUM_TTL 1, FLOW_START_MILLISECONDS 8,
            FLOW_END_MILLISECONDS 8, FLOW_END_REASON 1,
        ),
    ),
];

pub(super) const JUNIPER_SRX: &[FlowTemplate] = &[FlowTemplate::new(
    257,
    Takes::IPV4,
    fields!(
        SOURCE_IPV4_ADDRESS 4, DESTINATION_IPV4_ADDRESS 4, IP_CLASS_OF_SERVICE 1, PROTOCOL_IDENTIFIER 1,
        SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, ICMP_TYPE_CODE_IPV4 2, INGRESS_INTERFACE 4,
        SOURCE_IPV4_PREFIX_LENGTH 1, DESTINATION_IPV4_PREFIX_LENGTH 1, BGP_SOURCE_AS_NUMBER 4,
        BGP_DESTINATION_AS_NUMBER 4, BGP_NEXT_HOP_IPV4_ADDRESS 4, TCP_CONTROL_BITS 1, EGRESS_INTERFACE 4,
        IP_NEXT_HOP_IPV4_ADDRESS 4, OCTET_DELTA_COUNT 4, PACKET_DELTA_COUNT 4, FLOW_START_SYS_UP_TIME 4,
        FLOW_END_SYS_UP_TIME 4, IP_VERSION 1,
    ),
)];

/// The two of softflowd for each IP version: with ports, and with type and code of ICMP instead.
macro_rules! softflowd {
    ($takes:expr, $id:literal, $($address:ident $length:literal)*, $($ports:tt)*) => {
        FlowTemplate::new(
            $id,
            $takes,
            fields!(
                $($address $length,)*
                FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4, OCTET_DELTA_COUNT 4, PACKET_DELTA_COUNT 4,
                INGRESS_INTERFACE 4, EGRESS_INTERFACE 4, FLOW_DIRECTION 1, FLOW_END_REASON 1,
                $($ports)*
            ),
        )
    };
}

pub(super) const SOFTFLOWD: &[FlowTemplate] = &[
    softflowd!(NON_ICMP_4, 1024, SOURCE_IPV4_ADDRESS 4 DESTINATION_IPV4_ADDRESS 4, SOURCE_TRANSPORT_PORT 2,
        DESTINATION_TRANSPORT_PORT 2, PROTOCOL_IDENTIFIER 1, TCP_CONTROL_BITS 1, IP_VERSION 1,
        IP_CLASS_OF_SERVICE 1),
    softflowd!(Takes::IPV4, 1025, SOURCE_IPV4_ADDRESS 4 DESTINATION_IPV4_ADDRESS 4, ICMP_TYPE_CODE_IPV4 2,
        IP_VERSION 1, IP_CLASS_OF_SERVICE 1),
    softflowd!(NON_ICMP_6, 2048, SOURCE_IPV6_ADDRESS 16 DESTINATION_IPV6_ADDRESS 16, SOURCE_TRANSPORT_PORT 2,
        DESTINATION_TRANSPORT_PORT 2, PROTOCOL_IDENTIFIER 1, TCP_CONTROL_BITS 1, IP_VERSION 1,
        IP_CLASS_OF_SERVICE 1),
    softflowd!(Takes::IPV6, 2049, SOURCE_IPV6_ADDRESS 16 DESTINATION_IPV6_ADDRESS 16, ICMP_TYPE_CODE_IPV6 2,
        IP_VERSION 1, IP_CLASS_OF_SERVICE 1),
];

/// One of pmacct: its times, its addresses, and the fields of ingress or egress.
macro_rules! pmacct {
    ($id:literal, $takes:expr, [$($time:ident $time_length:literal)*], [$($address:ident $length:literal)*],
        $($side:ident $side_length:literal)*) => {
        FlowTemplate::new(
            $id,
            $takes,
            fields!(
                $($time $time_length,)*
                OCTET_DELTA_COUNT 8, PACKET_DELTA_COUNT 8, IP_VERSION 1, INGRESS_INTERFACE 4, EGRESS_INTERFACE 4,
                FLOW_DIRECTION 1,
                $($address $length,)*
                SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, IP_CLASS_OF_SERVICE 1, TCP_CONTROL_BITS 1,
                PROTOCOL_IDENTIFIER 1, BGP_SOURCE_AS_NUMBER 4, BGP_DESTINATION_AS_NUMBER 4,
                $($side $side_length,)*
            ),
        )
    };
}

macro_rules! pmacct_templates {
    ($($time:ident $time_length:literal)*) => {
        &[
            pmacct!(1024, Takes::IPV4.direction(0), [$($time $time_length)*], [SOURCE_IPV4_ADDRESS 4
                DESTINATION_IPV4_ADDRESS 4 SOURCE_IPV4_PREFIX_LENGTH 1 DESTINATION_IPV4_PREFIX_LENGTH 1],
                SOURCE_MAC_ADDRESS 6 DESTINATION_MAC_ADDRESS 6 VLAN_ID 2),
            pmacct!(1025, Takes::IPV4, [$($time $time_length)*], [SOURCE_IPV4_ADDRESS 4
                DESTINATION_IPV4_ADDRESS 4 SOURCE_IPV4_PREFIX_LENGTH 1 DESTINATION_IPV4_PREFIX_LENGTH 1],
                POST_SOURCE_MAC_ADDRESS 6 POST_DESTINATION_MAC_ADDRESS 6 POST_VLAN_ID 2),
            pmacct!(2048, Takes::IPV6.direction(0), [$($time $time_length)*], [SOURCE_IPV6_ADDRESS 16
                DESTINATION_IPV6_ADDRESS 16 SOURCE_IPV6_PREFIX_LENGTH 1 DESTINATION_IPV6_PREFIX_LENGTH 1],
                SOURCE_MAC_ADDRESS 6 DESTINATION_MAC_ADDRESS 6 VLAN_ID 2),
            pmacct!(2049, Takes::IPV6, [$($time $time_length)*], [SOURCE_IPV6_ADDRESS 16
                DESTINATION_IPV6_ADDRESS 16 SOURCE_IPV6_PREFIX_LENGTH 1 DESTINATION_IPV6_PREFIX_LENGTH 1],
                POST_SOURCE_MAC_ADDRESS 6 POST_DESTINATION_MAC_ADDRESS 6 POST_VLAN_ID 2),
        ]
    };
}

pub(super) const PMACCT: &[FlowTemplate] =
    pmacct_templates!(FLOW_END_MILLISECONDS 8 FLOW_START_MILLISECONDS 8);
pub(super) const PMACCT_USEC: &[FlowTemplate] =
    pmacct_templates!(FLOW_END_MICROSECONDS 16 FLOW_START_MICROSECONDS 16);

/// One of Open vSwitch, for a direction, an IP version, and ports or else type and code of ICMP.
macro_rules! ovs {
    ($id:literal, $takes:expr, [$($address:ident $length:literal)*], [$($port:ident $port_length:literal)*],
        $($egress:ident $egress_length:literal)*) => {
        FlowTemplate::new(
            $id,
            $takes,
            fields!(
                OBSERVATION_POINT_ID 4, FLOW_DIRECTION 1, SOURCE_MAC_ADDRESS 6, DESTINATION_MAC_ADDRESS 6,
                ETHERNET_TYPE 2, INGRESS_INTERFACE 4,
                $($egress $egress_length,)*
                INTERFACE_NAME VARIABLE_LENGTH, IP_VERSION 1, IP_TTL 1, PROTOCOL_IDENTIFIER 1,
                IP_CLASS_OF_SERVICE 1,
                $($address $length,)*
                $($port $port_length,)*
                FLOW_START_DELTA_MICROSECONDS 4, FLOW_END_DELTA_MICROSECONDS 4, PACKET_DELTA_COUNT 8,
                PACKET_TOTAL_COUNT 8, OCTET_DELTA_COUNT 8, OCTET_TOTAL_COUNT 8, TCP_CONTROL_BITS 2,
                FLOW_END_REASON 1,
            ),
        )
    };
}

/// Those of Open vSwitch for an IP version, of which the first has a number.
macro_rules! ovs_templates {
    ($([$first:literal $second:literal $third:literal $fourth:literal] $all:ident $non_icmp:ident $addresses:tt
        $icmp:tt)*) => {
        &[$(
            ovs!($first, $non_icmp.direction(0), $addresses,
                [SOURCE_TRANSPORT_PORT 2 DESTINATION_TRANSPORT_PORT 2],),
            ovs!($second, $non_icmp, $addresses, [SOURCE_TRANSPORT_PORT 2 DESTINATION_TRANSPORT_PORT 2],
                EGRESS_INTERFACE 4),
            ovs!($third, Takes::$all.direction(0), $addresses, $icmp,),
            ovs!($fourth, Takes::$all, $addresses, $icmp, EGRESS_INTERFACE 4),
        )*]
    };
}

pub(super) const OVS: &[FlowTemplate] = ovs_templates!(
    [258 259 260 261] IPV4 NON_ICMP_4 [SOURCE_IPV4_ADDRESS 4 DESTINATION_IPV4_ADDRESS 4]
        [ICMP_TYPE_IPV4 1 ICMP_CODE_IPV4 1]
    [262 263 264 265] IPV6 NON_ICMP_6 [SOURCE_IPV6_ADDRESS 16 DESTINATION_IPV6_ADDRESS 16]
        [ICMP_TYPE_IPV6 1 ICMP_CODE_IPV6 1]
);

pub(super) const NFREPLAY: &[FlowTemplate] = &[
    FlowTemplate::new(
        257,
        Takes::IPV4,
        fields!(
            ENGINE_TYPE 1, ENGINE_ID 1, FLOW_START_MILLISECONDS 8, FLOW_END_MILLISECONDS 8, PACKET_DELTA_COUNT 8,
            OCTET_DELTA_COUNT 8, SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, ICMP_TYPE_CODE_IPV4 2,
            PROTOCOL_IDENTIFIER 1, TCP_CONTROL_BITS 1, FORWARDING_STATUS 1, IP_CLASS_OF_SERVICE 1,
            SOURCE_IPV4_ADDRESS 4, DESTINATION_IPV4_ADDRESS 4, INGRESS_INTERFACE 4, EGRESS_INTERFACE 4,
            SOURCE_IPV4_PREFIX_LENGTH 1, DESTINATION_IPV4_PREFIX_LENGTH 1, FLOW_DIRECTION 1,
        ),
    ),
    FlowTemplate::new(
        256,
        Takes::IPV6,
        fields!(
            ENGINE_TYPE 1, ENGINE_ID 1, FLOW_START_MILLISECONDS 8, FLOW_END_MILLISECONDS 8, PACKET_DELTA_COUNT 8,
            OCTET_DELTA_COUNT 8, SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, ICMP_TYPE_CODE_IPV6 2,
            PROTOCOL_IDENTIFIER 1, TCP_CONTROL_BITS 1, FORWARDING_STATUS 1, IP_CLASS_OF_SERVICE 1,
            SOURCE_IPV6_ADDRESS 16, DESTINATION_IPV6_ADDRESS 16, INGRESS_INTERFACE 4, EGRESS_INTERFACE 4,
            SOURCE_IPV6_PREFIX_LENGTH 1, DESTINATION_IPV6_PREFIX_LENGTH 1, FLOW_DIRECTION 1,
        ),
    ),
];

/// Fields between the addresses and the end that the routers here have in common.
macro_rules! router {
    ($id:literal, $takes:expr, [$($address:ident $length:literal)*], $time:literal, $($more:tt)*) => {
        FlowTemplate::new(
            $id,
            $takes,
            fields!(
                $($address $length,)*
                SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, PROTOCOL_IDENTIFIER 1,
                IP_CLASS_OF_SERVICE 1, TCP_CONTROL_BITS 1, INGRESS_INTERFACE 4, EGRESS_INTERFACE 4,
                FLOW_START_SYS_UP_TIME $time, FLOW_END_SYS_UP_TIME $time, PACKET_DELTA_COUNT 4,
                OCTET_DELTA_COUNT 4, BGP_SOURCE_AS_NUMBER 4, BGP_DESTINATION_AS_NUMBER 4, FLOW_DIRECTION 1,
                $($more)*
            ),
        )
    };
}

pub(super) const NEXUS: &[FlowTemplate] = &[
    router!(256, Takes::IPV4, [SOURCE_IPV4_ADDRESS 4 DESTINATION_IPV4_ADDRESS 4], 8, IP_VERSION 1),
    router!(257, Takes::IPV6, [SOURCE_IPV6_ADDRESS 16 DESTINATION_IPV6_ADDRESS 16], 8, IP_VERSION 1),
];

pub(super) const ASR9K: &[FlowTemplate] = &[
    router!(260, Takes::IPV4, [SOURCE_IPV4_ADDRESS 4 DESTINATION_IPV4_ADDRESS 4], 4, FORWARDING_STATUS 1,
        SAMPLER_ID 2),
    router!(261, Takes::IPV6, [SOURCE_IPV6_ADDRESS 16 DESTINATION_IPV6_ADDRESS 16], 4, FORWARDING_STATUS 1,
        SAMPLER_ID 2),
];

pub(super) const IOS_XR: &[FlowTemplate] = &[
    router!(260, Takes::IPV4, [SOURCE_IPV4_ADDRESS 4 DESTINATION_IPV4_ADDRESS 4], 4, FORWARDING_STATUS 1),
    router!(261, Takes::IPV6, [SOURCE_IPV6_ADDRESS 16 DESTINATION_IPV6_ADDRESS 16], 4, FORWARDING_STATUS 1),
];

pub(super) const IPT_NETFLOW: &[FlowTemplate] = &[
    router!(256, Takes::IPV4, [SOURCE_IPV4_ADDRESS 4 DESTINATION_IPV4_ADDRESS 4], 4, IP_NEXT_HOP_IPV4_ADDRESS 4,
        SOURCE_IPV4_PREFIX_LENGTH 1, DESTINATION_IPV4_PREFIX_LENGTH 1),
    router!(257, Takes::IPV6, [SOURCE_IPV6_ADDRESS 16 DESTINATION_IPV6_ADDRESS 16], 4,
        IP_NEXT_HOP_IPV6_ADDRESS 16),
];

pub(super) const FORTIGATE: &[FlowTemplate] = &[
    FlowTemplate::new(
        257,
        NON_ICMP_4,
        fields!(
            OCTET_DELTA_COUNT 8, POST_OCTET_DELTA_COUNT 8, PACKET_DELTA_COUNT 4, POST_PACKET_DELTA_COUNT 4,
            FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4, SOURCE_TRANSPORT_PORT 2,
            DESTINATION_TRANSPORT_PORT 2, INGRESS_INTERFACE 2, EGRESS_INTERFACE 2, PROTOCOL_IDENTIFIER 1,
            SOURCE_IPV4_ADDRESS 4, DESTINATION_IPV4_ADDRESS 4,
        ),
    ),
    FlowTemplate::new(
        258,
        NON_ICMP_6,
        fields!(
            OCTET_DELTA_COUNT 8, POST_OCTET_DELTA_COUNT 8, PACKET_DELTA_COUNT 4, POST_PACKET_DELTA_COUNT 4,
            FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4, SOURCE_TRANSPORT_PORT 2,
            DESTINATION_TRANSPORT_PORT 2, INGRESS_INTERFACE 2, EGRESS_INTERFACE 2, PROTOCOL_IDENTIFIER 1,
            SOURCE_IPV6_ADDRESS 16, DESTINATION_IPV6_ADDRESS 16,
        ),
    ),
    FlowTemplate::new(
        259,
        Takes::IPV4,
        fields!(
            OCTET_DELTA_COUNT 8, POST_OCTET_DELTA_COUNT 8, PACKET_DELTA_COUNT 4, POST_PACKET_DELTA_COUNT 4,
            FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4, INGRESS_INTERFACE 2, EGRESS_INTERFACE 2,
            ICMP_TYPE_CODE_IPV4 2, PROTOCOL_IDENTIFIER 1, SOURCE_IPV4_ADDRESS 4, DESTINATION_IPV4_ADDRESS 4,
        ),
    ),
    FlowTemplate::new(
        260,
        Takes::IPV6,
        fields!(
            OCTET_DELTA_COUNT 8, POST_OCTET_DELTA_COUNT 8, PACKET_DELTA_COUNT 4, POST_PACKET_DELTA_COUNT 4,
            FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4, INGRESS_INTERFACE 2, EGRESS_INTERFACE 2,
            ICMP_TYPE_CODE_IPV4 2, PROTOCOL_IDENTIFIER 1, SOURCE_IPV6_ADDRESS 16, DESTINATION_IPV6_ADDRESS 16,
        ),
    ),
];

pub(super) const PFLOW: &[FlowTemplate] = &[
    FlowTemplate::new(
        256,
        Takes::IPV4,
        fields!(
            SOURCE_IPV4_ADDRESS 4, DESTINATION_IPV4_ADDRESS 4, INGRESS_INTERFACE 4, EGRESS_INTERFACE 4,
            PACKET_DELTA_COUNT 8, OCTET_DELTA_COUNT 8, FLOW_START_MILLISECONDS 8, FLOW_END_MILLISECONDS 8,
            SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, IP_CLASS_OF_SERVICE 1, PROTOCOL_IDENTIFIER 1,
        ),
    ),
    FlowTemplate::new(
        257,
        Takes::IPV6,
        fields!(
            SOURCE_IPV6_ADDRESS 16, DESTINATION_IPV6_ADDRESS 16, INGRESS_INTERFACE 4, EGRESS_INTERFACE 4,
            PACKET_DELTA_COUNT 8, OCTET_DELTA_COUNT 8, FLOW_START_MILLISECONDS 8, FLOW_END_MILLISECONDS 8,
            SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2, IP_CLASS_OF_SERVICE 1, PROTOCOL_IDENTIFIER 1,
        ),
    ),
];
