//! The words of the language that are no names of columns: nfdump's, tcpdump's, and short ones of our own.

use std::collections::HashMap;
use std::sync::LazyLock;

use netflow_flow::{Column, column};

use crate::test::{Derived, Subject};

/// A word, or several that stand together, and what of a flow they mean.
pub(crate) struct Phrase {
    pub(crate) words: &'static str,
    pub(crate) target: Target,
}

/// What of a flow is meant.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// One column.
    One(&'static str),
    /// `src` and `dst`; without these, either.
    Sides(&'static str, &'static str),
    /// `in` and `out`; without these, either.
    Ways(&'static str, &'static str),
    /// A number that follows from columns.
    Derived(Derived),
    /// Flags of TCP: of no other protocol.
    Flags,
    /// A network: of `src` and `dst`, as an address and its mask or a part of one, too.
    Net(&'static str, &'static str),
    /// IP version.
    Version(u8),
    /// The MPLS stack.
    Mpls,
    /// All flows.
    All,
    /// Nothing that flows have here: why not.
    Unknown(&'static str),
}

const fn phrase(words: &'static str, target: Target) -> Phrase {
    Phrase { words, target }
}

const TUNNEL: &str = "flows have no column for addresses within tunnels";
const ADJACENT_AS: &str = "flows have no column for adjacent autonomous systems";
const PAYLOAD: &str = "flows have no payload";
const WAY_OF_MAC: &str = "flows have one source and one destination MAC address, whichever way they were seen: \
    `src mac`, `dst mac`";

/// All phrases.
pub(crate) static PHRASES: &[Phrase] = &[
    phrase("any", Target::All),
    phrase("all", Target::All),
    // Addresses.
    phrase("ip", Target::Sides("src_addr", "dst_addr")),
    phrase("host", Target::Sides("src_addr", "dst_addr")),
    phrase("addr", Target::Sides("src_addr", "dst_addr")),
    phrase("net", Target::Net("src_addr", "dst_addr")),
    phrase("next ip", Target::One("next_hop")),
    phrase("nexthop", Target::One("next_hop")),
    phrase("bgpnext ip", Target::One("bgp_next_hop")),
    phrase("router ip", Target::One("exporter_addr")),
    phrase("exporter", Target::One("exporter_addr")),
    phrase("exporter ip", Target::One("exporter_addr")),
    phrase("mask", Target::Sides("src_mask", "dst_mask")),
    phrase("mac", Target::Sides("src_mac", "dst_mac")),
    phrase("ether host", Target::Sides("src_mac", "dst_mac")),
    phrase("in mac", Target::Unknown(WAY_OF_MAC)),
    phrase("out mac", Target::Unknown(WAY_OF_MAC)),
    phrase("in src mac", Target::Unknown(WAY_OF_MAC)),
    phrase("in dst mac", Target::Unknown(WAY_OF_MAC)),
    phrase("out src mac", Target::Unknown(WAY_OF_MAC)),
    phrase("out dst mac", Target::Unknown(WAY_OF_MAC)),
    phrase("inet", Target::Version(4)),
    phrase("ipv4", Target::Version(4)),
    phrase("ip4", Target::Version(4)),
    phrase("inet6", Target::Version(6)),
    phrase("ipv6", Target::Version(6)),
    phrase("ip6", Target::Version(6)),
    // Ports and protocols.
    phrase("port", Target::Sides("src_port", "dst_port")),
    phrase("portrange", Target::Sides("src_port", "dst_port")),
    phrase("service", Target::Sides("src_port", "dst_port")),
    phrase("proto", Target::One("proto")),
    phrase("protocol", Target::One("proto")),
    phrase("ip proto", Target::One("proto")),
    phrase("ether proto", Target::One("ethertype")),
    phrase("flags", Target::Flags),
    phrase("icmp-type", Target::One("icmp_type")),
    phrase("icmptype", Target::One("icmp_type")),
    phrase("icmp-code", Target::One("icmp_code")),
    phrase("icmpcode", Target::One("icmp_code")),
    phrase("tos", Target::One("ip_tos")),
    phrase("src tos", Target::One("ip_tos")),
    phrase("dst tos", Target::Unknown("flows have one type of service: `tos`")),
    phrase("ttl", Target::One("ip_ttl")),
    phrase("flowlabel", Target::One("ipv6_flow_label")),
    // Routing and switching.
    phrase("as", Target::Sides("src_as", "dst_as")),
    phrase("prev as", Target::Unknown(ADJACENT_AS)),
    phrase("previous as", Target::Unknown(ADJACENT_AS)),
    phrase("next as", Target::Unknown(ADJACENT_AS)),
    phrase("if", Target::Ways("in_if", "out_if")),
    phrase("if name", Target::Ways("in_if_name", "out_if_name")),
    phrase("vrf", Target::Ways("in_vrf", "out_vrf")),
    phrase("vrf name", Target::Ways("in_vrf_name", "out_vrf_name")),
    phrase("vlan", Target::Sides("src_vlan", "dst_vlan")),
    phrase("mpls", Target::Mpls),
    phrase("flowdir", Target::One("direction")),
    phrase("dir", Target::One("direction")),
    phrase("fwdstat", Target::One("forwarding_status")),
    // Counters and times.
    phrase("in packets", Target::One("packets")),
    phrase("out packets", Target::One("reverse_packets")),
    phrase("in bytes", Target::One("bytes")),
    phrase("out bytes", Target::One("reverse_bytes")),
    phrase("octets", Target::One("bytes")),
    phrase("flow", Target::One("flows")),
    phrase("duration", Target::Derived(Derived::Duration)),
    phrase("pps", Target::Derived(Derived::PacketsPerSecond)),
    phrase("bps", Target::Derived(Derived::BitsPerSecond)),
    phrase("bpp", Target::Derived(Derived::BytesPerPacket)),
    phrase("start", Target::One("time_flow_start")),
    phrase("first", Target::One("time_flow_start")),
    phrase("end", Target::One("time_flow_end")),
    phrase("last", Target::One("time_flow_end")),
    phrase("received", Target::One("time_received")),
    // The exporter.
    phrase("engine-type", Target::Derived(Derived::EngineType)),
    phrase("engine-id", Target::Derived(Derived::EngineId)),
    phrase("observation domain id", Target::One("observation_domain_id")),
    phrase("observation point id", Target::One("observation_point_id")),
    phrase("nfversion", Target::One("flow_version")),
    // Firewalls and NAT.
    phrase("asa event", Target::One("fw_event")),
    phrase("nat event", Target::One("nat_event")),
    phrase("xip", Target::Sides("post_nat_src_addr", "post_nat_dst_addr")),
    phrase("nip", Target::Sides("post_nat_src_addr", "post_nat_dst_addr")),
    phrase("nat ip", Target::Sides("post_nat_src_addr", "post_nat_dst_addr")),
    phrase("xnet", Target::Net("post_nat_src_addr", "post_nat_dst_addr")),
    phrase("nat net", Target::Net("post_nat_src_addr", "post_nat_dst_addr")),
    phrase("xport", Target::Sides("post_nat_src_port", "post_nat_dst_port")),
    phrase("nport", Target::Sides("post_nat_src_port", "post_nat_dst_port")),
    phrase("nat port", Target::Sides("post_nat_src_port", "post_nat_dst_port")),
    // Words of nfdump that have nothing here.
    phrase("asa event denied", Target::Unknown("flows have no column for why a firewall denied them")),
    phrase("asa xevent", Target::Unknown("flows have no column for extended events")),
    phrase("pblock", Target::Unknown("flows have no columns for blocks of ports")),
    phrase("acl", Target::Unknown("flows have no column for access lists")),
    phrase("ace", Target::Unknown("flows have no column for access lists")),
    phrase("xace", Target::Unknown("flows have no column for access lists")),
    phrase("tun proto", Target::Unknown(TUNNEL)),
    phrase("tunip", Target::Unknown(TUNNEL)),
    phrase("geo", Target::Unknown("flows have no country")),
    phrase("ident", Target::Unknown("flows have no ident: choose the files instead")),
    phrase("count", Target::Unknown("flows are not numbered")),
    phrase("sysid", Target::Unknown("exporters are not numbered: `exporter ADDRESS`")),
    phrase("payload", Target::Unknown(PAYLOAD)),
    phrase("client latency", Target::Unknown("flows have no column for latency")),
    phrase("server latency", Target::Unknown("flows have no column for latency")),
];

/// The most words of a phrase.
pub(crate) const LONGEST: usize = 3;

/// What a phrase means; in small letters.
pub(crate) fn find(words: &str) -> Option<&'static Phrase> {
    static BY_WORDS: LazyLock<HashMap<&str, &Phrase>> =
        LazyLock::new(|| PHRASES.iter().map(|phrase| (phrase.words, phrase)).collect());
    BY_WORDS.get(words).copied()
}

/// A column that is known to exist.
pub(crate) fn subject(name: &str) -> Subject {
    Subject::Column(known(name))
}

pub(crate) fn known(name: &str) -> &'static Column {
    // A test goes over all phrases.
    column(name).expect("phrases are of columns that exist")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_of_columns_that_exist() {
        for phrase in PHRASES {
            assert!(phrase.words.split(' ').count() <= LONGEST);
            match phrase.target {
                Target::One(one) => drop(known(one)),
                Target::Sides(one, other) | Target::Ways(one, other) | Target::Net(one, other) => {
                    assert_eq!(known(one).kind, known(other).kind);
                }
                Target::Derived(derived) => assert!(!derived.columns().is_empty()),
                _ => {}
            }
        }
    }

    #[test]
    fn phrases_are_told_once() {
        let mut words: Vec<_> = PHRASES.iter().map(|phrase| phrase.words).collect();
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
