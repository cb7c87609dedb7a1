//! What is needed of a flow: the one place where flows are read.

use std::net::IpAddr;

use netflow_flow::{Flow, Flows, Normalizer, Quality, SamplingSource, TimeQuality};
use netflow_templates::{Context, DataSet, Timestamp};

/// What a diagnosis needs to know of a flow.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    pub(crate) exporter: IpAddr,
    pub(crate) domain: u32,
    pub(crate) version: u16,
    pub(crate) sequence: u32,
    pub(crate) record_index: u16,
    pub(crate) received: Timestamp,
    pub(crate) export: Timestamp,
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
    pub(crate) time_quality: TimeQuality,
    pub(crate) octets: u64,
    pub(crate) packets: u64,
    /// Addresses, ports and protocol; `None` without addresses.
    pub(crate) key: Option<FlowKey>,
    pub(crate) direction: Option<u8>,
    pub(crate) interfaces: (u32, u32),
    pub(crate) rate: u64,
    pub(crate) rate_source: SamplingSource,
    /// A value was left out that its element does not allow.
    pub(crate) invalid_value: bool,
    /// ICMP type and code were in a port.
    pub(crate) icmp_from_port: bool,
    /// It is about a connection, with an event, rather than about packets of an interval.
    pub(crate) event: bool,
}

/// What makes packets one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) ports: (u16, u16),
    pub(crate) proto: u8,
}

/// Reads the flows of data sets.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    normalizer: Normalizer,
    flows: Flows,
    flow: Flow,
}

impl Reader {
    /// Appends what is to be known of every record of `set`.
    pub(crate) fn read(&mut self, context: &Context<'_>, set: DataSet<'_>, to: &mut Vec<Observation>) {
        self.normalizer.normalize(context, set, &mut self.flows);
        to.extend(self.flows.iter().map(|flow| {
            flow.copy_to(&mut self.flow);
            Observation::from(&self.flow)
        }));
        self.flows.clear();
    }
}

impl From<&Flow> for Observation {
    fn from(flow: &Flow) -> Self {
        let key = flow.src_addr.zip(flow.dst_addr).map(|(src, dst)| FlowKey {
            src,
            dst,
            ports: (flow.src_port, flow.dst_port),
            proto: flow.proto,
        });
        Self {
            exporter: flow.exporter_addr,
            domain: flow.observation_domain_id,
            version: flow.flow_version.into(),
            sequence: flow.sequence,
            record_index: flow.record_index,
            received: flow.time_received,
            export: flow.time_export,
            start: flow.time_flow_start,
            end: flow.time_flow_end,
            time_quality: flow.time_quality,
            octets: flow.bytes_raw,
            packets: flow.packets_raw,
            key,
            direction: flow.direction,
            interfaces: (flow.in_if, flow.out_if),
            rate: flow.sampling_rate,
            rate_source: flow.sampling_source,
            invalid_value: Quality(flow.quality).contains(Quality::INVALID_VALUE),
            icmp_from_port: Quality(flow.quality).contains(Quality::ICMP_FROM_PORT),
            event: flow.rare().fw_event.is_some() || flow.rare().nat_event.is_some(),
        }
    }
}
