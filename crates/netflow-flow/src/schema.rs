//! The columns of a normalised flow, schema `nf.flow.v1`: the one table of what they are.
//!
//! A row is a column: its documentation, name, type, and the information elements that fill it, the
//! preferred one first. From the table come the fields of [`Flow`] and [`Rare`], the list [`COLUMNS`]
//! (which drives JSON, CSV, and whatever else prints or reads flows) and the assignment of elements in
//! [`normalize`](crate::normalize). Columns whose value takes more than one element to find (times,
//! sampling, ICMP) have no elements here; the module that computes them is named in their documentation.

use std::net::IpAddr;

use netflow_templates::{Field, Plan, Timestamp};
use netflow_wire::{element_id as ie, enterprise as pen};

use crate::column::{
    ANY_LENGTH, Cell, Column, ColumnValue, Fill, FixedRecord, Put, Target, id, is_pair, place, preferred,
    put, put_any, takes,
};
use crate::extras::Extras;
use crate::flows::FlowRef;
use crate::store::Store;
use crate::value::{ApplicationId, MacAddress, SamplingSource, TimeQuality};

columns! {
    /// A normalised flow: what one data record said, under one set of names for every version.
    ///
    /// Numbers that were not exported are 0, or `None` where absence has a meaning of its own.
    pub struct Flow {
        /// Address of the exporter: where the export packet came from.
        exporter_addr: IpAddr,
        /// UDP or TCP port that the exporter sent from.
        exporter_port: u16,
        /// Observation domain: v9 source ID, IPFIX observation domain ID, for v5 and v8
        /// `engine_type * 256 + engine_id`; 0 for v1 and v7, which have none.
        observation_domain_id: u32,
        /// Version of the export protocol: 1, 5, 7, 8, 9 or 10 (IPFIX).
        flow_version: u8,
        /// Template of the record (v9, IPFIX).
        template_id: Option<u16>,
        /// Sequence number in the header of the export packet; its unit differs by version.
        sequence: u32,
        /// Position of the record among the data records of its export packet, from 0.
        record_index: u16,
        /// When the collector received the export packet.
        time_received: Timestamp,
        /// Export time in the header of the export packet.
        time_export: Timestamp,
        /// When the flow's first packet was seen; computed in `normalize::time`.
        time_flow_start: Option<Timestamp>,
        /// When the flow's last packet was seen; computed in `normalize::time`.
        time_flow_end: Option<Timestamp>,
        /// How far the flow's times can be trusted.
        time_quality: TimeQuality,
        /// Octets, as exported: before any correction for sampling.
        bytes_raw: u64 = [OCTET_DELTA_COUNT, OCTET_TOTAL_COUNT, INITIATOR_OCTETS],
        /// Packets, as exported: before any correction for sampling.
        packets_raw: u64 = [PACKET_DELTA_COUNT, PACKET_TOTAL_COUNT, INITIATOR_PACKETS],
        /// Flows that the record stands for: 1 unless it is an aggregate (v8, `deltaFlowCount`).
        flows: u64 = [DELTA_FLOW_COUNT],
        /// One packet in how many was sampled; 1 when unsampled or unknown. Computed in `normalize::sampling`.
        sampling_rate: u64,
        /// Where the sampling rate came from.
        sampling_source: SamplingSource,
        /// IP version, 4 or 6; 0 when the record has no address.
        ip_version: u8 = [IP_VERSION],
        /// Source address.
        src_addr: Option<IpAddr> = [SOURCE_IPV4_ADDRESS, SOURCE_IPV6_ADDRESS, SOURCE_IPV4_PREFIX,
            SOURCE_IPV6_PREFIX],
        /// Destination address.
        dst_addr: Option<IpAddr> = [DESTINATION_IPV4_ADDRESS, DESTINATION_IPV6_ADDRESS,
            DESTINATION_IPV4_PREFIX, DESTINATION_IPV6_PREFIX],
        /// Source port; 0 for protocols without ports.
        src_port: u16 = [SOURCE_TRANSPORT_PORT, UDP_SOURCE_PORT, TCP_SOURCE_PORT],
        /// Destination port; 0 for protocols without ports.
        dst_port: u16 = [DESTINATION_TRANSPORT_PORT, UDP_DESTINATION_PORT, TCP_DESTINATION_PORT],
        /// IP protocol number (IANA): 6 TCP, 17 UDP.
        proto: u8 = [PROTOCOL_IDENTIFIER],
        /// All TCP flags seen, as bits: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
        tcp_flags: u16 = [TCP_CONTROL_BITS],
        /// ICMP type; computed in `normalize::icmp`.
        icmp_type: Option<u8>,
        /// ICMP code; computed in `normalize::icmp`.
        icmp_code: Option<u8>,
        /// Type of service or traffic class octet of the packets.
        ip_tos: u8 = [IP_CLASS_OF_SERVICE],
        /// ifIndex of the interface on which packets came in; 0 unknown.
        in_if: u32 = [INGRESS_INTERFACE, INGRESS_PHYSICAL_INTERFACE],
        /// ifIndex of the interface on which packets left; 0 unknown or dropped.
        out_if: u32 = [EGRESS_INTERFACE, EGRESS_PHYSICAL_INTERFACE],
        /// Where the flow was observed: 0 ingress, 1 egress.
        direction: Option<u8> = [FLOW_DIRECTION],
        /// Autonomous system of the source; 0 unknown.
        src_as: u32 = [BGP_SOURCE_AS_NUMBER],
        /// Autonomous system of the destination; 0 unknown.
        dst_as: u32 = [BGP_DESTINATION_AS_NUMBER],
        /// Prefix length of the source's route, in bits.
        src_mask: u8 = [SOURCE_IPV4_PREFIX_LENGTH, SOURCE_IPV6_PREFIX_LENGTH],
        /// Prefix length of the destination's route, in bits.
        dst_mask: u8 = [DESTINATION_IPV4_PREFIX_LENGTH, DESTINATION_IPV6_PREFIX_LENGTH],
        /// Next hop of the route; `0.0.0.0` when the destination is attached or unknown.
        next_hop: Option<IpAddr> = [IP_NEXT_HOP_IPV4_ADDRESS, IP_NEXT_HOP_IPV6_ADDRESS],
        /// VLAN before the observation point.
        src_vlan: Option<u16> = [VLAN_ID, DOT1Q_VLAN_ID],
        /// VLAN behind the observation point.
        dst_vlan: Option<u16> = [POST_VLAN_ID, POST_DOT1Q_VLAN_ID],
        /// Why the flow ended: 1 idle, 2 active timeout, 3 end seen, 4 forced, 5 lack of resources.
        flow_end_reason: Option<u8> = [FLOW_END_REASON],
        /// What is to be known about the record before trusting it: the bits of [`Quality`](crate::Quality).
        quality: u32,
    }

    /// The columns that few records fill; an unused one costs a flow nothing.
    pub struct Rare {
        /// Observation point within the domain.
        observation_point_id: Option<u64> = [OBSERVATION_POINT_ID],
        /// Time to live or hop limit.
        ip_ttl: Option<u8> = [IP_TTL, MINIMUM_TTL, MAXIMUM_TTL],
        /// IPv6 flow label.
        ipv6_flow_label: Option<u32> = [FLOW_LABEL_IPV6],
        /// IP identification.
        fragment_id: Option<u32> = [FRAGMENT_IDENTIFICATION],
        /// Fragment offset, in units of 8 octets.
        fragment_offset: Option<u16> = [FRAGMENT_OFFSET],
        /// Name of the input interface, from the record or joined from options data in `normalize::names`.
        in_if_name: String = [INTERFACE_NAME],
        /// Name of the output interface, joined from options data.
        out_if_name: String,
        /// VRF on the ingress side.
        in_vrf: Option<u32> = [INGRESS_VRF_ID],
        /// VRF on the egress side.
        out_vrf: Option<u32> = [EGRESS_VRF_ID],
        /// Name of the ingress VRF, from the record or joined from options data.
        in_vrf_name: String = [VRF_NAME],
        /// Name of the egress VRF, joined from options data.
        out_vrf_name: String,
        /// BGP next hop.
        bgp_next_hop: Option<IpAddr> = [BGP_NEXT_HOP_IPV4_ADDRESS, BGP_NEXT_HOP_IPV6_ADDRESS],
        /// Source MAC address.
        src_mac: Option<MacAddress> = [SOURCE_MAC_ADDRESS, POST_SOURCE_MAC_ADDRESS],
        /// Destination MAC address.
        dst_mac: Option<MacAddress> = [DESTINATION_MAC_ADDRESS, POST_DESTINATION_MAC_ADDRESS],
        /// MPLS labels from the top of the stack; computed in `normalize::mpls`.
        mpls_labels: Vec<u32>,
        /// Forwarding status (RFC 7270): 64-127 forwarded, 128-191 dropped, 192-255 consumed.
        forwarding_status: Option<u8> = [FORWARDING_STATUS],
        /// Application (RFC 6759): engine and selector.
        app_id: Option<ApplicationId> = [APPLICATION_ID],
        /// Name of the application, from the record or joined from options data.
        app_name: String = [APPLICATION_NAME],
        /// Source address after translation.
        post_nat_src_addr: Option<IpAddr> = [POST_NAT_SOURCE_IPV4_ADDRESS, POST_NAT_SOURCE_IPV6_ADDRESS,
            V9_XLATE_SOURCE_IPV4_ADDRESS],
        /// Destination address after translation.
        post_nat_dst_addr: Option<IpAddr> = [POST_NAT_DESTINATION_IPV4_ADDRESS,
            POST_NAT_DESTINATION_IPV6_ADDRESS, V9_XLATE_DESTINATION_IPV4_ADDRESS],
        /// Source port after translation.
        post_nat_src_port: Option<u16> = [POST_NAPT_SOURCE_TRANSPORT_PORT, V9_XLATE_SOURCE_TRANSPORT_PORT],
        /// Destination port after translation.
        post_nat_dst_port: Option<u16> = [POST_NAPT_DESTINATION_TRANSPORT_PORT,
            V9_XLATE_DESTINATION_TRANSPORT_PORT],
        /// NAT event (IANA natEvent).
        nat_event: Option<u8> = [NAT_EVENT],
        /// Firewall event: 1 created, 2 deleted, 3 denied, 4 alert, 5 update.
        fw_event: Option<u8> = [FIREWALL_EVENT, V9_FW_EVENT],
        /// Identifier of the flow or connection within the exporter.
        flow_id: Option<u64> = [FLOW_ID],
        /// EtherType of the frames.
        ethertype: Option<u16> = [ETHERNET_TYPE],
        /// VXLAN or other overlay segment.
        vxlan: Option<u64> = [LAYER2_SEGMENT_ID],
        /// Direction of a biflow (RFC 5103): 0 arbitrary, 1 initiator, 2 reverse initiator, 3 perimeter.
        biflow_direction: Option<u8> = [BIFLOW_DIRECTION],
        /// Octets of the reverse direction, as exported (RFC 5103; NSEL's responder).
        reverse_bytes: Option<u64> = [RESPONDER_OCTETS]
            | reverse [OCTET_DELTA_COUNT, OCTET_TOTAL_COUNT],
        /// Packets of the reverse direction, as exported (RFC 5103; NSEL's responder).
        reverse_packets: Option<u64> = [RESPONDER_PACKETS]
            | reverse [PACKET_DELTA_COUNT, PACKET_TOTAL_COUNT],
        /// TCP flags of the reverse direction (RFC 5103).
        reverse_tcp_flags: Option<u16> | reverse [TCP_CONTROL_BITS],
        /// When the reverse direction's first packet was seen; computed in `normalize::time`.
        reverse_start: Option<Timestamp>,
        /// When the reverse direction's last packet was seen; computed in `normalize::time`.
        reverse_end: Option<Timestamp>,
        /// Octets behind a middlebox (never the reverse direction).
        post_bytes: Option<u64> = [POST_OCTET_DELTA_COUNT],
        /// Packets behind a middlebox (never the reverse direction).
        post_packets: Option<u64> = [POST_PACKET_DELTA_COUNT],
        /// Every other element of the record, by name; `2` and up is appended with `_` to a repeated name.
        extras: Extras,
    }

    derived {
        /// Octets, corrected for sampling: `bytes_raw` times `sampling_rate`.
        bytes: u64,
        /// Packets, corrected for sampling: `packets_raw` times `sampling_rate`.
        packets: u64,
    }

    // Columns that records have both of, as a rule: they are filled in one go.
    pairs {
        src_addr, dst_addr: Option<IpAddr>;
        src_port, dst_port: u16;
        bytes_raw, packets_raw: u64;
        in_if, out_if: u32;
        src_as, dst_as: u32;
        src_mask, dst_mask: u8;
    }
}

impl Flow {
    /// Octets, corrected for sampling: `bytes_raw` times `sampling_rate`.
    pub fn bytes(&self) -> u64 {
        self.bytes_raw.saturating_mul(self.sampling_rate.max(1))
    }

    /// Packets, corrected for sampling: `packets_raw` times `sampling_rate`.
    pub fn packets(&self) -> u64 {
        self.packets_raw.saturating_mul(self.sampling_rate.max(1))
    }

    /// 4 or 6, as `ip_version` says, or the addresses where it is 0; 0 when there are none.
    #[inline]
    pub fn ip_family(&self) -> u8 {
        match (self.ip_version, self.src_addr.or(self.dst_addr)) {
            (0, Some(address)) if address.is_ipv4() => 4,
            (0, Some(_)) => 6,
            (version, _) => version,
        }
    }

    /// The columns that few records fill; all absent where the record fills none.
    pub fn rare(&self) -> &Rare {
        match &self.rare {
            Some(rare) => rare,
            None => Rare::none(),
        }
    }

    /// Whether any of them may be there; if not, [`rare`](Self::rare) need not be looked at.
    #[inline]
    pub const fn has_rare(&self) -> bool {
        self.rare.is_some()
    }

    /// The same, to be changed.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// The column with a name.
pub fn column(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_names_are_unique() {
        let mut names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn cells_go_in_as_they_come_out() {
        let mut flow = Flow { src_port: 443, next_hop: Some([192, 0, 2, 1].into()), ..Flow::default() };
        flow.rare_mut().app_name.push_str("quic");
        flow.rare_mut().mpls_labels.extend([16, 17]);
        let mut copy = Flow::default();
        for column in COLUMNS {
            column.set(&mut copy, column.get(&flow)).unwrap();
        }
        assert_eq!(copy, flow);
    }

    #[test]
    fn rare_columns_cost_nothing_when_absent() {
        let mut flow = Flow::default();
        for column in COLUMNS {
            column.set(&mut flow, column.get(&Flow::default())).unwrap();
        }
        assert!(flow.rare.is_none());
        assert_eq!(flow.rare(), &Rare::default());
    }

    /// Where no flow has a rare column, nothing is held of it: only an absent value can be told then.
    #[test]
    fn what_a_rare_column_lacks_is_absent() {
        let flow = Flow::default();
        assert!(
            COLUMNS.iter().filter(|column| column.get(&flow) == Cell::Null).all(|column| column.nullable)
        );
    }

    #[test]
    fn columns_are_gathered_as_their_cells_are() {
        let mut with_rare = Flow { src_port: 443, next_hop: Some([192, 0, 2, 1].into()), ..Flow::default() };
        with_rare.rare_mut().app_id = Some(ApplicationId { engine: 13, selector: 453 });
        with_rare.rare_mut().app_name.push_str("quic");
        with_rare.rare_mut().src_mac = Some(MacAddress([1, 2, 3, 4, 5, 6]));
        let mut flows = crate::Flows::new();
        for flow in [&Flow::default(), &with_rare, &Flow::default()] {
            flows.push(flow);
        }
        assert_eq!(flows.to_vec(), [Flow::default(), with_rare, Flow::default()]);
        for column in COLUMNS {
            let mut gathered = crate::Gathered::default();
            if !column.gather(&flows, 1..3, &mut gathered) {
                assert_eq!((column.name, gathered.rows()), ("app_name", 0));
                continue;
            }
            let cells: Vec<_> =
                (1..3).filter_map(|row| flows.get(row)).map(|flow| column.get(flow)).collect();
            let present: Vec<_> =
                gathered.runs().iter().flat_map(|&(present, rows)| vec![present; rows]).collect();
            assert_eq!(present, cells.iter().map(|cell| *cell != Cell::Null).collect::<Vec<_>>());
            let numbers: Vec<_> = cells
                .iter()
                .filter_map(|cell| match *cell {
                    Cell::Unsigned(number) => Some(number),
                    Cell::Time(time) => Some(time.as_nanos() as u64),
                    Cell::Mac(_) => Some(0x0102_0304_0506),
                    Cell::Application(application) => Some(application.number()),
                    _ => None,
                })
                .collect();
            assert_eq!(gathered.numbers, numbers, "{}", column.name);
            assert_eq!(gathered.addresses.len() + gathered.names.len() + numbers.len(), gathered.values());
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_refused() {
        let error =
            column("src_port").unwrap().set(&mut Flow::default(), Cell::Unsigned(65_536)).unwrap_err();
        assert_eq!(error.to_string(), "column src_port cannot hold Unsigned(65536)");
    }

    #[test]
    fn sampled_counters_saturate() {
        let flow = Flow { bytes_raw: u64::MAX / 2, sampling_rate: 1000, ..Flow::default() };
        assert_eq!(flow.bytes(), u64::MAX);
    }
}
