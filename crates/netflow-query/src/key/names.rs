//! Words for keys, beside the names of columns: short ones, and those of nfdump's statistics.

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A column.
    Column(&'static str),
    /// Both ends of a flow, by the column of the source.
    Ends(&'static str),
    /// Several keys.
    Keys(&'static str),
    /// The service.
    Service,
}

use Word::{Column, Ends, Keys, Service};

/// Words, by what they stand for.
pub(super) const WORDS: &[(&str, Word)] = &[
    ("src", Column("src_addr")),
    ("srcip", Column("src_addr")),
    ("srcaddr", Column("src_addr")),
    ("dst", Column("dst_addr")),
    ("dstip", Column("dst_addr")),
    ("dstaddr", Column("dst_addr")),
    ("ip", Ends("src_addr")),
    ("addr", Ends("src_addr")),
    ("host", Ends("src_addr")),
    ("pair", Keys("src_addr,dst_addr")),
    ("srcport", Column("src_port")),
    ("sport", Column("src_port")),
    ("dstport", Column("dst_port")),
    ("dport", Column("dst_port")),
    ("port", Ends("src_port")),
    ("service", Service),
    ("record", Keys("proto,src_addr,src_port,dst_addr,dst_port")),
    ("srcas", Column("src_as")),
    ("dstas", Column("dst_as")),
    ("as", Ends("src_as")),
    ("inif", Column("in_if")),
    ("outif", Column("out_if")),
    ("if", Ends("in_if")),
    ("srcmask", Column("src_mask")),
    ("dstmask", Column("dst_mask")),
    ("mask", Ends("src_mask")),
    ("srcvlan", Column("src_vlan")),
    ("dstvlan", Column("dst_vlan")),
    ("vlan", Ends("src_vlan")),
    ("srcmac", Column("src_mac")),
    ("insrcmac", Column("src_mac")),
    ("dstmac", Column("dst_mac")),
    ("outdstmac", Column("dst_mac")),
    ("mac", Ends("src_mac")),
    ("protocol", Column("proto")),
    ("tos", Column("ip_tos")),
    ("srctos", Column("ip_tos")),
    ("flags", Column("tcp_flags")),
    ("dir", Column("direction")),
    ("nexthop", Column("next_hop")),
    ("nhip", Column("next_hop")),
    ("next", Column("next_hop")),
    ("bgpnext", Column("bgp_next_hop")),
    ("nhbip", Column("bgp_next_hop")),
    ("exporter", Column("exporter_addr")),
    ("router", Column("exporter_addr")),
    ("routerip", Column("exporter_addr")),
    ("domain", Column("observation_domain_id")),
    ("version", Column("flow_version")),
    ("app", Column("app_name")),
    ("mpls", Column("mpls_labels")),
    ("vrf", Ends("in_vrf")),
    ("ivrf", Column("in_vrf")),
    ("evrf", Column("out_vrf")),
    ("fwdstat", Column("forwarding_status")),
    ("event", Column("fw_event")),
    ("nevent", Column("nat_event")),
    ("xsrcip", Column("post_nat_src_addr")),
    ("xdstip", Column("post_nat_dst_addr")),
    ("xsrcport", Column("post_nat_src_port")),
    ("xdstport", Column("post_nat_dst_port")),
];

/// The column that a short word stands for, or one of nfdump's: `srcip` is `src_addr`.
pub fn column_of_word(word: &str) -> Option<&'static netflow_flow::Column> {
    WORDS.iter().find(|(known, _)| *known == word).and_then(|(_, of)| match of {
        Column(name) => netflow_flow::column(name),
        _ => None,
    })
}
