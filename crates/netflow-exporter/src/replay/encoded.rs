//! Flows, encoded as export packets anew.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use netflow_flow::Flow;
use netflow_templates::{Registry, Timestamp};

use super::shape::{Carried, Shape, Shapes};
use super::{Origin, Packets};
use crate::{ConfigError, Exporter, ExporterConfig, Version};

/// Exporters and domains that are told apart.
const MOST_DOMAINS: usize = 4_096;
/// Templates of one domain.
const MOST_TEMPLATES: usize = 512;
/// The first template.
const FIRST_ID: u16 = 256;
/// A packet that is not full goes when flows were received so much later.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How long an exporter has been up when its first packet is sent, in nanoseconds: uptimes reach 24 days from the
/// export.
const UPTIME: i64 = 20 * 86_400 * 1_000_000_000;

/// Where flows come from.
pub trait FlowSource {
    /// Why there are no more.
    type Error;

    /// Replaces the content of `flows` by the next ones, as many as there are together; false at the end.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    fn next_flows(&mut self, flows: &mut Vec<Flow>) -> Result<bool, Self::Error>;
}

/// What became of flows that were encoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EncodedStatistics {
    /// Flows in packets.
    pub flows: u64,
    /// Flows that the version cannot carry (IPv6 in fixed layouts), which were left out.
    pub left_out: u64,
    /// Flows of exporters, domains or shapes too many to have templates, which were left out.
    pub beyond: u64,
    /// Flows of other exporters than those wanted.
    pub other_exporters: u64,
    /// Records with a value that did not fit its field, which has the nearest that does.
    pub cut: u64,
    /// Columns and elements with values that the version has no field for.
    pub without_field: BTreeSet<String>,
}

/// Encodes flows in a version of NetFlow or IPFIX: for each exporter and domain as a stream of its own, with the
/// export times that the flows say, and with templates that have fields for what is known and no others.
#[derive(Debug)]
pub struct Encoded<S> {
    flows: S,
    encoder: Encoder,
    exporters: HashSet<IpAddr>,
    read: Vec<Flow>,
    ended: bool,
}

impl<S: FlowSource> Encoded<S> {
    /// Encodes flows of all exporters; `registry` has the elements that the user added.
    pub fn new(flows: S, version: Version, registry: Registry) -> Self {
        let encoder = Encoder::new(version, registry);
        Self { flows, encoder, exporters: HashSet::new(), read: Vec::new(), ended: false }
    }

    /// The same, of some exporters only; empty: of all.
    #[must_use]
    pub fn of_exporters(self, exporters: HashSet<IpAddr>) -> Self {
        Self { exporters, ..self }
    }

    /// What became of the flows up to now.
    #[must_use]
    pub fn statistics(&self) -> EncodedStatistics {
        self.encoder.statistics()
    }

    /// Where the flows came from.
    #[must_use]
    pub fn into_source(self) -> S {
        self.flows
    }
}

impl<S: FlowSource> Packets for Encoded<S> {
    type Error = S::Error;

    fn next_packet(&mut self, octets: &mut Vec<u8>) -> Result<Option<Origin>, S::Error> {
        loop {
            if let Some((origin, packet)) = self.encoder.ready.pop_front() {
                octets.extend_from_slice(&packet);
                self.encoder.spare.push(packet);
                return Ok(Some(origin));
            }
            if self.ended {
                return Ok(None);
            }
            match self.flows.next_flows(&mut self.read) {
                Ok(true) => {
                    for flow in &self.read {
                        match self.exporters.is_empty() || self.exporters.contains(&flow.exporter_addr) {
                            true => self.encoder.add(flow),
                            false => self.encoder.other_exporters += 1,
                        }
                    }
                }
                end => {
                    // What came before an error is sent all the same.
                    self.encoder.flush(|_| true);
                    self.ended = matches!(end, Ok(false));
                    end?;
                }
            }
        }
    }
}

/// Exporter's address and port, and domain.
type Key = (SocketAddr, u32);

#[derive(Debug)]
struct Encoder {
    version: Version,
    registry: Registry,
    carried: Carried,
    streams: HashMap<Key, Stream>,
    ready: VecDeque<(Origin, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
    /// When streams were last looked through for packets that wait.
    looked: Timestamp,
    beyond: u64,
    other_exporters: u64,
    without_field: BTreeSet<String>,
}

impl Encoder {
    fn new(version: Version, registry: Registry) -> Self {
        Self {
            version,
            registry,
            carried: Carried::by(version),
            streams: HashMap::new(),
            ready: VecDeque::new(),
            spare: Vec::new(),
            looked: Timestamp::EPOCH,
            beyond: 0,
            other_exporters: 0,
            without_field: BTreeSet::new(),
        }
    }

    fn add(&mut self, flow: &Flow) {
        let (export, received) = times(flow);
        if received.saturating_since(self.looked) >= LONGEST_WAIT {
            self.looked = received;
            self.flush(|stream| received.saturating_since(stream.received) >= LONGEST_WAIT);
        }
        let key = (SocketAddr::new(flow.exporter_addr, flow.exporter_port), flow.observation_domain_id);
        let full = self.streams.len() >= MOST_DOMAINS;
        let stream = match self.streams.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if full => {
                self.beyond += 1;
                return;
            }
            Entry::Vacant(new) => new.insert(Stream::new(self.version, key.1, export)),
        };
        if stream.is_of_another_time(export) {
            stream.exporter.iter_mut().for_each(|exporter| exporter.flush(stream.export));
            stream.take(key.0, &mut self.ready, &mut self.spare);
        }
        (stream.export, stream.received) = (stream.export.max(export), received);
        let shape =
            stream.shapes.of(flow, stream.export, &self.carried, &self.registry, &mut self.without_field);
        if stream.add(flow, shape, &self.registry).is_err() {
            self.beyond += 1;
        }
        stream.take(key.0, &mut self.ready, &mut self.spare);
    }

    /// Has the packets sent that are being filled, of some streams, in the order of their last flows.
    fn flush(&mut self, which: impl Fn(&Stream) -> bool) {
        let chosen = self.streams.iter().filter(|(_, stream)| stream.waiting && which(stream));
        let mut chosen: Vec<_> = chosen.map(|(key, stream)| (stream.received, *key)).collect();
        chosen.sort_unstable();
        for (_, key) in chosen {
            let Some(stream) = self.streams.get_mut(&key) else { continue };
            stream.exporter.iter_mut().for_each(|exporter| exporter.flush(stream.export));
            stream.take(key.0, &mut self.ready, &mut self.spare);
            stream.waiting = false;
        }
    }

    fn statistics(&self) -> EncodedStatistics {
        let mut sum = EncodedStatistics {
            beyond: self.beyond,
            other_exporters: self.other_exporters,
            without_field: self.without_field.clone(),
            ..EncodedStatistics::default()
        };
        for exporter in self.streams.values().filter_map(|stream| stream.exporter.as_ref()) {
            let of_one = exporter.statistics();
            sum.flows += of_one.flows;
            sum.left_out += of_one.left_out;
            sum.cut += of_one.cut;
        }
        sum
    }
}

/// When a flow was exported and when it was received; one serves for the other, and its end for both.
fn times(flow: &Flow) -> (Timestamp, Timestamp) {
    let known = |time: Timestamp| (time != Timestamp::EPOCH).then_some(time);
    let (export, received) = (known(flow.time_export), known(flow.time_received));
    let any = export.or(received).or(flow.time_flow_end).unwrap_or(Timestamp::EPOCH);
    // Headers count 32 bits of seconds from 1970 on.
    let export = export.unwrap_or(any).clamp(Timestamp::EPOCH, Timestamp::from_secs(u32::MAX.into()));
    (export, received.unwrap_or(any))
}

/// The packets of one exporter and domain.
#[derive(Debug)]
struct Stream {
    version: Version,
    domain: u32,
    /// None before there is a template.
    exporter: Option<Exporter>,
    shapes: Shapes,
    templates: HashMap<Shape, u16>,
    /// Export time of the packet that is being filled; it does not go back.
    export: Timestamp,
    /// When the last of its flows was received.
    received: Timestamp,
    /// Whether flows may be in the packet that is being filled.
    waiting: bool,
}

impl Stream {
    fn new(version: Version, domain: u32, export: Timestamp) -> Self {
        Self {
            version,
            domain,
            exporter: None,
            shapes: Shapes::new(version),
            templates: HashMap::new(),
            export,
            received: export,
            waiting: false,
        }
    }

    /// Whether a header says another time than that of the packet that is being filled.
    fn is_of_another_time(&self, export: Timestamp) -> bool {
        let unit = if self.version.has_templates() { 1_000_000_000 } else { 1_000_000 };
        export > self.export && export.as_nanos().div_euclid(unit) != self.export.as_nanos().div_euclid(unit)
    }

    fn add(&mut self, flow: &Flow, shape: Shape, registry: &Registry) -> Result<(), ConfigError> {
        self.waiting = true;
        let now = self.export;
        let config = || ExporterConfig {
            domain: self.domain,
            templates: Vec::new(),
            ..ExporterConfig::new(self.version, now.saturating_add_nanos(-UPTIME))
        };
        if !self.version.has_templates() {
            let exporter = match &mut self.exporter {
                Some(exporter) => exporter,
                none => none.insert(Exporter::with_registry(config(), registry)?),
            };
            exporter.set_sampling(u32::try_from(flow.sampling_rate).unwrap_or(u32::MAX), now);
            exporter.add(flow, now);
            return Ok(());
        }
        let id = match self.templates.get(&shape) {
            Some(&id) => id,
            None if self.templates.len() == MOST_TEMPLATES => return Err(ConfigError::NoTemplate),
            None => {
                let id = FIRST_ID + self.templates.len() as u16;
                let template = shape.template(self.version, id);
                match &mut self.exporter {
                    Some(exporter) => exporter.add_template(template, registry)?,
                    none => {
                        let config = ExporterConfig { templates: vec![template], ..config() };
                        *none = Some(Exporter::with_registry(config, registry)?);
                    }
                }
                self.templates.insert(shape, id);
                id
            }
        };
        if let Some(exporter) = &mut self.exporter {
            exporter.add_by(id, flow, now);
        }
        Ok(())
    }

    /// Takes the packets that are full.
    fn take(
        &mut self,
        address: SocketAddr,
        ready: &mut VecDeque<(Origin, Vec<u8>)>,
        spare: &mut Vec<Vec<u8>>,
    ) {
        let Some(exporter) = &mut self.exporter else { return };
        while let Some(packet) = exporter.next_packet() {
            let mut octets = spare.pop().unwrap_or_default();
            octets.clear();
            octets.extend_from_slice(packet.octets);
            ready.push_back((Origin { exporter: address, time: self.received }, octets));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use netflow_flow::FlowSink;
    use netflow_templates::Session;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_714_564_800);

    struct Listed(Vec<Flow>);

    impl FlowSource for Listed {
        type Error = Infallible;

        fn next_flows(&mut self, flows: &mut Vec<Flow>) -> Result<bool, Infallible> {
            flows.clear();
            flows.append(&mut self.0);
            Ok(!flows.is_empty())
        }
    }

    /// A flow of an exporter that was exported and received some milliseconds from now, and ended just before.
    fn flow(exporter: u8, millis: i64) -> Flow {
        let mut flow = Flow::UNKNOWN;
        let time = NOW.saturating_add_nanos(millis * 1_000_000);
        (flow.exporter_addr, flow.exporter_port) = ([192, 0, 2, exporter].into(), 40_000);
        (flow.time_export, flow.time_received) = (time, time);
        flow.time_flow_end = Some(time.saturating_add_nanos(-5_000_000));
        flow.time_flow_start = flow.time_flow_end;
        (flow.src_addr, flow.dst_addr) = (Some([192, 0, 2, 1].into()), Some([192, 0, 2, 2].into()));
        (flow.ip_version, flow.proto, flow.packets_raw, flow.bytes_raw) = (4, 17, 3, 300);
        (flow.flows, flow.sampling_rate) = (1, 1);
        flow
    }

    /// Exporter, milliseconds from now, and flows, of each packet; and what was counted.
    type Sent = (Vec<(SocketAddr, i64, Vec<Flow>)>, EncodedStatistics);

    fn encode(flows: Vec<Flow>, version: Version) -> Sent {
        let mut encoded = Encoded::new(Listed(flows), version, Registry::new());
        let (mut session, mut sink, mut packets) = (Session::new(), FlowSink::default(), Vec::new());
        let mut octets = Vec::new();
        while let Some(origin) = encoded.next_packet(&mut octets).unwrap() {
            session.decode(origin.exporter.into(), origin.time, &octets, &mut sink).unwrap();
            let millis = origin.time.as_nanos().saturating_sub(NOW.as_nanos()) / 1_000_000;
            packets.push((origin.exporter, millis, sink.flows.to_vec()));
            octets.clear();
            sink.flows.clear();
        }
        assert_eq!((session.statistics().problems, session.statistics().undecoded_sets), (0, 0));
        (packets, encoded.statistics())
    }

    #[test]
    fn a_packet_has_flows_of_one_exporter_and_one_export_time() {
        let flows =
            vec![flow(1, 0), flow(2, 100), flow(1, 200), flow(1, 1_000), flow(2, 5_000), flow(1, 5_100)];
        let (packets, statistics) = encode(flows, Version::V9);
        let told: Vec<_> = packets
            .iter()
            .map(|(exporter, millis, flows)| (exporter.to_string(), *millis, flows.len()))
            .collect();
        let packet = |exporter, millis, flows| (format!("192.0.2.{exporter}:40000"), millis, flows);
        assert_eq!(
            told,
            [
                packet(1, 200, 2),
                packet(2, 100, 1),
                packet(1, 1_000, 1),
                packet(2, 5_000, 1),
                packet(1, 5_100, 1)
            ]
        );
        assert_eq!((statistics.flows, statistics.left_out, statistics.cut), (6, 0, 0));
    }

    #[test]
    fn what_is_absent_stays_absent_beside_flows_that_have_it() {
        let mut some = flow(1, 0);
        (some.direction, some.src_vlan, some.src_as) = (Some(0), Some(7), 64_496);
        some.rare_mut().mpls_labels.extend([16, 17]);
        let (packets, statistics) = encode(vec![flow(1, 0), some.clone(), flow(1, 0)], Version::Ipfix);
        let [(_, _, flows)] = &packets[..] else { panic!("{packets:?}") };
        let with: Vec<_> = flows.iter().filter(|flow| flow.src_vlan.is_some()).collect();
        let [with] = with[..] else { panic!("{flows:?}") };
        assert_eq!((with.direction, with.src_vlan, with.src_as), (Some(0), Some(7), 64_496));
        assert_eq!(with.rare().mpls_labels, some.rare().mpls_labels);
        assert_eq!(flows.iter().filter(|flow| flow.direction.is_none()).count(), 2);
        assert!(statistics.without_field.is_empty(), "{statistics:?}");
    }

    #[test]
    fn times_are_kept_however_far_they_are_from_the_export() {
        for version in [Version::V9, Version::Ipfix] {
            for nanos in [0, -1, 999_999, 40 * 86_400_000_000_000, -40 * 86_400_000_000_000] {
                let mut far = flow(1, 0);
                far.time_flow_start = Some(NOW.saturating_add_nanos(nanos));
                let (packets, _) = encode(vec![far.clone()], version);
                assert_eq!(packets[0].2[0].time_flow_start, far.time_flow_start, "{version} {nanos}");
                assert_eq!(packets[0].2[0].time_flow_end, far.time_flow_end);
            }
            // What no field can say is counted.
            for time in [i64::MIN, i64::MAX] {
                let mut wild = flow(1, 0);
                wild.time_flow_start = Some(Timestamp::from_nanos(time));
                assert_eq!(encode(vec![wild.clone()], version).1.flows, 1);
                (wild.time_export, wild.time_received) =
                    (Timestamp::from_nanos(time), Timestamp::from_nanos(time));
                assert_eq!(encode(vec![wild.clone()], version).1.flows, 1);
                assert_eq!(encode(vec![flow(1, 0), wild, flow(1, 0)], version).1.flows, 3);
            }
        }
    }

    #[test]
    fn what_a_version_cannot_carry_is_named_and_counted() {
        let mut other = flow(1, 0);
        (other.src_addr, other.dst_addr) =
            (Some("2001:db8::1".parse().unwrap()), Some("2001:db8::2".parse().unwrap()));
        (other.ip_version, other.src_vlan) = (6, Some(7));
        let mut sampled = flow(1, 0);
        sampled.sampling_rate = 10;
        let (packets, statistics) = encode(vec![flow(1, 0), other, sampled], Version::V5);
        assert_eq!((statistics.flows, statistics.left_out), (2, 1));
        assert_eq!(statistics.without_field.into_iter().collect::<Vec<_>>(), ["src_vlan"]);
        // Each rate is in a header.
        assert_eq!(packets.iter().map(|(_, _, flows)| flows[0].sampling_rate).collect::<Vec<_>>(), [1, 10]);
    }

    #[test]
    fn exporters_and_shapes_are_bounded_and_counted() {
        let exporters = (0..5_000_u16).map(|port| {
            let mut flow = flow(1, 0);
            flow.exporter_port = port;
            flow
        });
        let statistics = encode(exporters.collect(), Version::Ipfix).1;
        assert_eq!((statistics.flows, statistics.beyond), (MOST_DOMAINS as u64, 5_000 - MOST_DOMAINS as u64));
        let columns: [fn(&mut Flow); 10] = [
            |flow| flow.direction = Some(1),
            |flow| flow.src_vlan = Some(1),
            |flow| flow.dst_vlan = Some(1),
            |flow| flow.flow_end_reason = Some(1),
            |flow| flow.rare_mut().ip_ttl = Some(1),
            |flow| flow.rare_mut().fragment_id = Some(1),
            |flow| flow.rare_mut().in_vrf = Some(1),
            |flow| flow.rare_mut().out_vrf = Some(1),
            |flow| flow.rare_mut().vxlan = Some(1),
            |flow| flow.rare_mut().flow_id = Some(1),
        ];
        let shapes = (0..1_024_usize).map(|bits| {
            let mut flow = flow(1, 0);
            columns
                .iter()
                .enumerate()
                .filter(|(bit, _)| bits & 1 << bit != 0)
                .for_each(|(_, set)| set(&mut flow));
            flow
        });
        let statistics = encode(shapes.collect(), Version::Ipfix).1;
        assert_eq!(
            (statistics.flows, statistics.beyond),
            (MOST_TEMPLATES as u64, 1_024 - MOST_TEMPLATES as u64)
        );
    }
}
