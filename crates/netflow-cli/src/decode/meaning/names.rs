//! Names of values, by information element: IANA's sub-registries of the IPFIX registry, and Cisco's of v9.

use netflow_wire::element_id as ie;

/// Names of the values of an element.
type Names = &'static [(u64, &'static str)];

/// Name of a value, where its element has names for them.
pub(super) fn name(element: u16, value: u64) -> Option<&'static str> {
    let names: Names = match element {
        ie::FLOW_DIRECTION => &[(0, "ingress"), (1, "egress")],
        ie::BIFLOW_DIRECTION => {
            &[(0, "arbitrary"), (1, "initiator"), (2, "reverse initiator"), (3, "perimeter")]
        }
        ie::FLOW_END_REASON => &[
            (1, "idle timeout"),
            (2, "active timeout"),
            (3, "end of flow detected"),
            (4, "forced end"),
            (5, "lack of resources"),
        ],
        ie::FORWARDING_STATUS => FORWARDING,
        ie::NAT_EVENT => NAT_EVENTS,
        ie::FIREWALL_EVENT | ie::V9_FW_EVENT => &[
            (0, "ignore"),
            (1, "flow created"),
            (2, "flow deleted"),
            (3, "flow denied"),
            (4, "flow alert"),
            (5, "flow update"),
        ],
        ie::V9_FW_EXT_EVENT => &[
            (1001, "denied by an ingress ACL"),
            (1002, "denied by an egress ACL"),
            (1003, "denied by the firewall's own service or interface rules"),
            (1004, "denied: first packet of TCP is no SYN"),
        ],
        ie::SAMPLING_ALGORITHM => &[(1, "deterministic"), (2, "random")],
        ie::SELECTOR_ALGORITHM => &[
            (1, "systematic, count-based"),
            (2, "systematic, time-based"),
            (3, "random n-out-of-N"),
            (4, "uniform probabilistic"),
            (5, "property match"),
            (6, "hash BOB"),
            (7, "hash IPSX"),
            (8, "hash CRC"),
            (9, "flow-state dependent"),
        ],
        ie::MPLS_TOP_LABEL_TYPE => {
            &[(0, "unknown"), (1, "TE-MIDPT"), (2, "pseudowire"), (3, "VPN"), (4, "BGP"), (5, "LDP")]
        }
        ie::ETHERNET_TYPE => &[
            (0x0800, "IPv4"),
            (0x0806, "ARP"),
            (0x8100, "VLAN tag"),
            (0x86dd, "IPv6"),
            (0x8847, "MPLS"),
            (0x8848, "MPLS multicast"),
            (0x88a8, "service VLAN tag"),
            (0x88cc, "LLDP"),
        ],
        ie::OBSERVATION_POINT_TYPE => &[(1, "physical port"), (2, "port channel"), (3, "VLAN")],
        ie::NAT_TYPE => &[
            (0, "unknown"),
            (1, "NAT44"),
            (2, "NAT64"),
            (3, "NAT46"),
            (4, "IPv4 without NAT"),
            (5, "NAT66"),
            (6, "IPv6 without NAT"),
        ],
        ie::ICMP_TYPE_IPV4 => ICMP,
        ie::ICMP_TYPE_IPV6 => ICMP_IPV6,
        _ => return None,
    };
    names.iter().find(|&&(number, _)| number == value).map(|&(_, name)| name)
}

const FORWARDING: Names = &[
    (0, "unknown"),
    (64, "forwarded"),
    (65, "forwarded, fragmented"),
    (66, "forwarded, not fragmented"),
    (128, "dropped"),
    (129, "dropped: ACL deny"),
    (130, "dropped: ACL drop"),
    (131, "dropped: unroutable"),
    (132, "dropped: adjacency"),
    (133, "dropped: fragmentation needed, but forbidden"),
    (134, "dropped: bad header checksum"),
    (135, "dropped: bad total length"),
    (136, "dropped: bad header length"),
    (137, "dropped: bad TTL"),
    (138, "dropped: policer"),
    (139, "dropped: WRED"),
    (140, "dropped: RPF"),
    (141, "dropped: for us"),
    (142, "dropped: bad output interface"),
    (143, "dropped: hardware"),
    (192, "consumed"),
    (193, "consumed: punt adjacency"),
    (194, "consumed: incomplete adjacency"),
    (195, "consumed: for us"),
];

const NAT_EVENTS: Names = &[
    (1, "NAT translation create"),
    (2, "NAT translation delete"),
    (3, "NAT addresses exhausted"),
    (4, "NAT44 session create"),
    (5, "NAT44 session delete"),
    (6, "NAT64 session create"),
    (7, "NAT64 session delete"),
    (8, "NAT44 BIB create"),
    (9, "NAT44 BIB delete"),
    (10, "NAT64 BIB create"),
    (11, "NAT64 BIB delete"),
    (12, "NAT ports exhausted"),
    (13, "quota exceeded"),
    (14, "address binding create"),
    (15, "address binding delete"),
    (16, "port block allocation"),
    (17, "port block de-allocation"),
    (18, "threshold reached"),
];

const ICMP: Names = &[
    (0, "echo reply"),
    (3, "destination unreachable"),
    (4, "source quench"),
    (5, "redirect"),
    (8, "echo request"),
    (9, "router advertisement"),
    (10, "router solicitation"),
    (11, "time exceeded"),
    (12, "parameter problem"),
    (13, "timestamp request"),
    (14, "timestamp reply"),
];

const ICMP_IPV6: Names = &[
    (1, "destination unreachable"),
    (2, "packet too big"),
    (3, "time exceeded"),
    (4, "parameter problem"),
    (128, "echo request"),
    (129, "echo reply"),
    (130, "multicast listener query"),
    (131, "multicast listener report"),
    (132, "multicast listener done"),
    (133, "router solicitation"),
    (134, "router advertisement"),
    (135, "neighbor solicitation"),
    (136, "neighbor advertisement"),
    (137, "redirect"),
    (143, "multicast listener report v2"),
];

/// Name of a classification engine (RFC 6759, section 4.1).
pub(super) fn engine(engine: u8) -> Option<&'static str> {
    Some(match engine {
        0 => "invalid",
        1 => "IANA-L3",
        2 => "PANA-L3",
        3 => "IANA-L4",
        4 => "PANA-L4",
        6 => "USER-defined",
        12 => "PANA-L2",
        13 => "PANA-L7",
        18 => "ETHERTYPE",
        19 => "LLC",
        20 => "PANA-L7-PEN",
        _ => return None,
    })
}
