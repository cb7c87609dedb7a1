//! From flows to export packets.

use std::collections::VecDeque;

use netflow_flow::{EncodePlan, Flow, FlowRef};
use netflow_templates::{Registry, Timestamp};
use netflow_wire::{FieldSpecifier, Header, element_id as ie, ipfix};

use self::draft::{Content, Draft, SET_HEADER};
use self::header::{MILLISECOND, floor};
use crate::Version;

mod announce;
mod compile;
mod config;
mod draft;
mod habits;
mod header;
mod options;
mod several;
mod template;

pub use config::{ConfigError, ExporterConfig, Refresh};
pub use habits::{Announcement, Count, Grouping, Habits, HeaderClock, OptionsFrom, Padding, Sequence};
pub use options::{OptionsTable, SAMPLER_ID, SamplingStyle};
use template::Choice;
pub(crate) use template::fields;
pub use template::{FlowTemplate, Takes};

/// Makes export packets of flows: of one version, for one observation domain.
///
/// Flows are [added](Self::add), and as soon as a packet is full it waits to be [taken](Self::next_packet). Nothing
/// else limits how many wait, so they are taken after each call that may have made some. Memory is used again: in
/// the long run a packet takes none of its own. No clock is read: `now` is what the caller says, and should not go
/// back.
#[derive(Debug)]
pub struct Exporter {
    config: ExporterConfig,
    templates: Vec<Compiled>,
    options: Vec<CompiledOptions>,
    /// Whether times are told as differences from the export time, which must be known before the records.
    deltas: bool,
    max_records: u32,
    /// What a set takes beside its records, at most.
    overhead: usize,
    draft: Draft,
    open: bool,
    /// Number of the packet that is being filled, from 1.
    serial: u64,
    source: Source,
    announced: Option<Timestamp>,
    packets_since: u32,
    now: Timestamp,
    streams: [Stream; 2],
    ready: VecDeque<Ready>,
    lent: Option<Ready>,
    spare: Vec<Vec<u8>>,
    record: Vec<u8>,
    copy: Flow,
    /// Connections whose events were told.
    connections: u32,
    statistics: ExporterStatistics,
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExporterStatistics {
    /// Export packets.
    pub packets: u64,
    /// Octets of the packets.
    pub octets: u64,
    /// Flow records.
    pub flows: u64,
    /// Records of options.
    pub options: u64,
    /// Template records, of options too.
    pub templates: u64,
    /// Flows that no template takes (IPv6 in the fixed versions), or whose record is too long for a packet: these
    /// were not exported.
    pub left_out: u64,
    /// Records, of options too, with a value that did not fit its field, which has the nearest that does.
    pub cut: u64,
}

/// An export packet, to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its octets.
    pub octets: &'a [u8],
    /// Flow records in it.
    pub flows: u32,
    /// Which of the exporter's ports sends it.
    pub source: Source,
}

/// Which of an exporter's ports sends a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Source {
    /// The one that all exporters have.
    #[default]
    Flows,
    /// Another one, of those that send options data from a port of their own.
    Options,
}

/// A template of flows, compiled.
#[derive(Debug)]
struct Compiled {
    id: u16,
    takes: Choice,
    plan: EncodePlan,
    /// The template record.
    announcement: Vec<u8>,
    announced: bool,
    /// Packet and number of the set that is being filled.
    set: (u64, usize),
}

/// A table of options data, encoded.
#[derive(Debug)]
struct CompiledOptions {
    id: u16,
    announcement: Vec<u8>,
    /// Each with whether all of its values fit.
    records: Vec<(Vec<u8>, bool)>,
}

/// What was sent under one observation domain.
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    domain: u32,
    packets: u32,
    flows: u32,
    options: u32,
}

/// A packet that waits to be taken.
#[derive(Debug)]
struct Ready {
    octets: Vec<u8>,
    flows: u32,
    source: Source,
}

impl Exporter {
    /// An exporter that has sent nothing yet.
    pub fn new(config: ExporterConfig) -> Result<Self, ConfigError> {
        Self::with_registry(config, &Registry::new())
    }

    /// The same, with elements that the user has added.
    pub fn with_registry(mut config: ExporterConfig, registry: &Registry) -> Result<Self, ConfigError> {
        // What counts milliseconds starts with one.
        config.started = floor(config.started, MILLISECOND);
        let (templates, options) = compile::all(&config, registry)?;
        let deltas = config.templates.iter().any(|template| {
            let delta = |field: &FieldSpecifier| {
                [ie::FLOW_START_DELTA_MICROSECONDS, ie::FLOW_END_DELTA_MICROSECONDS].contains(&field.id)
            };
            template.fields.iter().any(delta)
        });
        let max_records = config.max_records.unwrap_or(config.version.most_records()).max(1).into();
        let main = Stream { domain: config.domain, ..Stream::default() };
        let side = match config.habits.options {
            OptionsFrom::OtherDomain(domain) => Stream { domain, ..Stream::default() },
            OptionsFrom::Same | OptionsFrom::OtherPort => main,
        };
        Ok(Self {
            overhead: compile::overhead(&config),
            deltas,
            max_records,
            templates,
            options,
            draft: Draft::new(),
            open: false,
            serial: 0,
            source: Source::Flows,
            announced: None,
            packets_since: 0,
            now: config.started,
            streams: [main, side],
            ready: VecDeque::new(),
            lent: None,
            spare: Vec::new(),
            record: Vec::new(),
            copy: Flow::UNKNOWN,
            connections: 0,
            statistics: ExporterStatistics::default(),
            config,
        })
    }

    /// What the exporter is.
    pub fn config(&self) -> &ExporterConfig {
        &self.config
    }

    /// What was exported so far.
    pub fn statistics(&self) -> ExporterStatistics {
        self.statistics
    }

    /// Adds a flow to the packet that is being filled, which is ready when no other fits.
    pub fn add<'a>(&mut self, flow: impl Into<FlowRef<'a>>, now: Timestamp) {
        let flow = flow.into();
        self.now = now;
        match self.config.habits {
            Habits { twice: true, .. } => self.add_twice(flow),
            Habits { events: true, .. } => self.add_events(flow),
            _ => self.add_one(flow),
        }
    }

    /// Has flows go by another template too (v9, IPFIX), which is sent before its first record.
    pub fn add_template(&mut self, template: FlowTemplate, registry: &Registry) -> Result<(), ConfigError> {
        if self.templates.iter().any(|known| known.id == template.id)
            || self.options.iter().any(|known| known.id == template.id)
        {
            return Err(ConfigError::TwiceId(template.id));
        }
        self.templates.push(compile::another(&self.config, registry, &template)?);
        Ok(())
    }

    /// Adds a flow by the template with this id, whatever that takes. A flow by a template that there is not is left
    /// out.
    pub fn add_by<'a>(&mut self, id: u16, flow: impl Into<FlowRef<'a>>, now: Timestamp) {
        self.now = now;
        match self.templates.iter().position(|template| template.id == id) {
            Some(number) => self.add_to(number, flow.into()),
            None => self.statistics.left_out += 1,
        }
    }

    /// Has the headers of v5 say another sampling rate, from the next packet on.
    pub fn set_sampling(&mut self, rate: u32, now: Timestamp) {
        if self.config.sampling != rate {
            self.flush(now);
            self.config.sampling = rate;
        }
    }

    /// Has the packet that is being filled sent, if anything is in it.
    pub fn flush(&mut self, now: Timestamp) {
        self.now = now;
        self.close();
    }

    /// Has templates and options data sent now, by themselves.
    pub fn announce(&mut self, now: Timestamp) {
        self.now = now;
        self.close();
        self.announced = None;
        self.begin();
        self.close();
    }

    /// Withdraws a template (RFC 7011, section 8.1): it is sent again before it is used again. False when this is not
    /// IPFIX or there is no such template.
    pub fn withdraw(&mut self, id: u16, now: Timestamp) -> bool {
        let template = self.templates.iter().position(|template| template.id == id);
        let (Version::Ipfix, Some(number)) = (self.config.version, template) else { return false };
        self.now = now;
        self.close();
        self.open();
        let [high, low] = id.to_be_bytes();
        self.templates[number].announced = false;
        self.put_template(ipfix::TEMPLATE_SET, |out| out.extend([high, low, 0, 0]), 4);
        self.close();
        true
    }

    /// The exporter starts anew: what is left of before is sent; uptimes and sequence numbers begin again, and
    /// templates are sent.
    pub fn restart(&mut self, now: Timestamp) {
        self.flush(now);
        self.config.started = floor(now, MILLISECOND);
        for stream in &mut self.streams {
            *stream = Stream { domain: stream.domain, ..Stream::default() };
        }
        self.announced = None;
    }

    /// Takes the next packet that is ready, in the order in which they are to be sent.
    pub fn next_packet(&mut self) -> Option<Packet<'_>> {
        if let Some(sent) = self.lent.take() {
            self.spare.push(sent.octets);
        }
        self.lent = Some(self.ready.pop_front()?);
        let Ready { octets, flows, source } = self.lent.as_ref()?;
        Some(Packet { octets, flows: *flows, source: *source })
    }

    fn add_one(&mut self, flow: FlowRef<'_>) {
        let Some(number) = self.templates.iter().position(|template| template.takes.takes(&flow)) else {
            self.statistics.left_out += 1;
            return;
        };
        self.add_to(number, flow);
    }

    fn add_to(&mut self, number: usize, flow: FlowRef<'_>) {
        if self.open && self.deltas && self.now > self.draft.clock.export {
            self.close();
        }
        if self.draft.flows >= self.max_records {
            self.close();
        }
        // In the packet that is being filled; in the next, which may begin with templates; behind these.
        for _ in 0..3 {
            if !self.open {
                self.begin();
            }
            let fixed = self.templates[number].plan.record_len();
            let mut fits = true;
            let length = fixed.unwrap_or_else(|| {
                self.record.clear();
                fits = self.templates[number].plan.encode(flow, &self.draft.clock, &mut self.record);
                self.record.len()
            });
            if let Some(set) = self.set_for(number, length) {
                let clock = self.draft.clock;
                let set = self.draft.set(set);
                match fixed {
                    Some(_) => {
                        fits = self.templates[number].plan.encode(flow, &clock, &mut set.octets);
                    }
                    None => set.octets.extend_from_slice(&self.record),
                }
                set.records += 1;
                self.draft.length += length;
                self.draft.flows += 1;
                self.statistics.cut += u64::from(!fits);
                return;
            }
            self.close();
        }
        self.statistics.left_out += 1;
    }

    /// The set for a record of a length, which is begun if need be; `None` when the packet has no room.
    #[inline]
    fn set_for(&mut self, number: usize, length: usize) -> Option<usize> {
        let template = &self.templates[number];
        let (serial, set) = template.set;
        if serial == self.serial && self.is_open(number, set) {
            return (self.draft.length + length <= self.config.max_packet).then_some(set);
        }
        self.begin_set_for(number, length)
    }

    fn is_open(&self, number: usize, set: usize) -> bool {
        let habits = &self.config.habits;
        let full = habits.records_per_set > 0 && self.draft.sets()[set].records >= habits.records_per_set;
        let last = || self.draft.last(Content::Flows(number), self.templates[number].id) == Some(set);
        !full && (habits.grouping == Grouping::Gathered || last())
    }

    fn begin_set_for(&mut self, number: usize, length: usize) -> Option<usize> {
        let habits = self.config.habits;
        let other = |content: &Content| matches!(content, Content::Flows(other) if *other != number);
        if habits.grouping == Grouping::OneTemplate && self.draft.sets().iter().any(|set| other(&set.content))
        {
            return None;
        }
        let announced =
            self.templates[number].announced && habits.announcement != Announcement::BeforeEachSet;
        let announcement =
            if announced { 0 } else { SET_HEADER + 3 + self.templates[number].announcement.len() };
        if self.draft.length + announcement + self.overhead + length > self.config.max_packet {
            return None;
        }
        if !announced && self.config.version.has_templates() {
            self.announce_flows(number);
        }
        let id = self.templates[number].id;
        let set = self.draft.begin_set(id, Content::Flows(number), self.overhead);
        self.templates[number].set = (self.serial, set);
        Some(set)
    }

    /// Begins a packet, with templates and options data if it is time for them.
    fn begin(&mut self) {
        self.open();
        if self.config.version.has_templates() && self.is_due() {
            self.announce_all();
        }
    }

    fn open(&mut self) {
        let clock = self.clock(true);
        self.draft.begin(self.config.version.header_len(), clock);
        self.serial += 1;
        self.open = true;
    }

    /// Has the packet wait to be sent.
    fn close(&mut self) {
        self.open = false;
        if self.draft.is_empty() {
            return;
        }
        let mut octets = self.spare.pop().unwrap_or_default();
        octets.clear();
        let header = self.header();
        header.append_to(&mut octets);
        if self.config.version.has_templates() {
            self.draft.append_to(&self.config.habits, &mut octets);
        } else {
            self.draft.sets().iter().for_each(|set| octets.extend_from_slice(&set.octets));
        }
        if let Header::Ipfix(_) = header {
            let length = octets.len() as u16;
            octets[2..4].copy_from_slice(&length.to_be_bytes());
        }
        if self.config.habits.fill {
            octets.resize(octets.len().max(self.config.max_packet), 0);
        }
        let Draft { flows, options, templates, .. } = self.draft;
        let stream = &mut self.streams[usize::from(self.is_side())];
        stream.packets = stream.packets.wrapping_add(1);
        stream.flows = stream.flows.wrapping_add(flows);
        stream.options = stream.options.wrapping_add(options);
        self.packets_since = self.packets_since.saturating_add(u32::from(flows > 0));
        let statistics = &mut self.statistics;
        statistics.packets += 1;
        statistics.octets += octets.len() as u64;
        statistics.flows += u64::from(flows);
        statistics.options += u64::from(options);
        statistics.templates += u64::from(templates);
        self.ready.push_back(Ready { octets, flows, source: self.packet_source() });
        self.draft.begin(0, self.draft.clock);
    }

    /// Whether the packet goes under the domain of options data.
    fn is_side(&self) -> bool {
        self.source == Source::Options && matches!(self.config.habits.options, OptionsFrom::OtherDomain(_))
    }

    fn packet_source(&self) -> Source {
        match self.config.habits.options {
            OptionsFrom::OtherPort => self.source,
            OptionsFrom::Same | OptionsFrom::OtherDomain(_) => Source::Flows,
        }
    }
}
