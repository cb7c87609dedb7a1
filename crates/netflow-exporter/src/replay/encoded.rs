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
    (export.unwrap_or(any), received.unwrap_or(any))
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
