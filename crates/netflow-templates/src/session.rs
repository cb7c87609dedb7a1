//! The decoding loop: export packets in, templates learned, views of data sets out.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use netflow_wire::{
    FixedLayout, Header, Message, Set, SetKind, TemplateDefinition, VARIABLE_LENGTH, WireError, ipfix,
};

use crate::clock::Clock;
use crate::data_set::DataSet;
use crate::known::KnownElements;
use crate::list::Lists;
use crate::options::Options;
use crate::pending::{Pending, PendingSet};
use crate::plan::{Naming, Plan};
use crate::problem::Problem;
use crate::registry::Registry;
use crate::table::{DomainKey, Learned, TableLimits, TemplateScope, TemplateTable};
use crate::timestamp::Timestamp;

mod lend;
mod snapshot;
mod stream;

pub use self::snapshot::SnapshotPacket;
pub use self::stream::StreamId;

/// Who sent an export packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Exporter {
    /// Address that the packet came from.
    pub address: IpAddr,
    /// Port that it came from.
    pub port: u16,
}

impl From<SocketAddr> for Exporter {
    /// An IPv4 address that an IPv6 socket shows as `::ffff:a.b.c.d` is given as what it is.
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip().to_canonical(), port: address.port() }
    }
}

impl From<Exporter> for SocketAddr {
    fn from(exporter: Exporter) -> Self {
        Self::new(exporter.address, exporter.port)
    }
}

/// Bounds on what a session keeps, so that no exporter can use up memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Templates of one exporter and observation domain.
    pub templates: usize,
    /// Octets that these take.
    pub template_octets: usize,
    /// Octets that the templates of all exporters take.
    pub all_template_octets: usize,
    /// Octets of memory that what options data said takes, over all exporters; 64 MiB by default. When they are
    /// used up, the exporter that was heard least recently loses what it said.
    pub options_octets: usize,
    /// Octets of these that one exporter may take, 16 MiB by default: some 40,000 rates, or 60,000 short names. What
    /// goes beyond is not kept.
    pub exporter_options_octets: usize,
    /// Octets of memory that data sets which wait for their template take, over all exporters. A small set
    /// takes some hundred octets more than it has.
    pub pending_octets: usize,
    /// How long they wait, by receive time.
    pub pending_age: Duration,
    /// How long a template is valid without being sent again; for ever when `None`. Some exporters send
    /// theirs only once.
    pub template_lifetime: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            templates: 4_096,
            template_octets: 8 << 20,
            all_template_octets: 64 << 20,
            options_octets: 64 << 20,
            exporter_options_octets: 16 << 20,
            pending_octets: 32 << 20,
            pending_age: Duration::from_secs(3_600),
            template_lifetime: None,
        }
    }
}

/// How a [`Session`] decodes.
#[derive(Debug, Clone, Default)]
pub struct SessionConfig {
    /// For whom a template is valid.
    pub template_scope: TemplateScope,
    /// Bounds on what is kept.
    pub limits: Limits,
    /// The elements that are known.
    pub registry: Arc<Registry>,
}

/// What a [`Session`] has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionStatistics {
    /// Export packets whose header could be read.
    pub packets: u64,
    /// Data records of flows.
    pub records: u64,
    /// Data records of options.
    pub options_records: u64,
    /// Templates that were new or changed.
    pub templates: u64,
    /// Data sets that came before their template, those of an earlier session that were restored included.
    pub undecoded_sets: u64,
    /// Of these, data sets that were decoded when it came.
    pub late_sets: u64,
    /// Of these, data sets that were given up.
    pub given_up_sets: u64,
    /// Octets of the data sets that were given up, with the set headers.
    pub given_up_octets: u64,
    /// Rates and names of options data that were not kept, since their exporter said too many.
    pub refused_options: u64,
    /// How often an exporter lost what its options data said, since others needed the room.
    pub given_up_options: u64,
    /// Problems of any kind, missing templates aside.
    pub problems: u64,
}

/// What is known about the export packet that a set is from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Number of the export packet in its session, from 0, those counted that restored the session. Of a set that
    /// had to wait, that of its own packet.
    pub packet: u64,
    /// Who sent it.
    pub exporter: Exporter,
    /// When it was received. Of a set that had to wait, when it first was.
    pub received: Timestamp,
    /// Its header.
    pub header: &'a Header,
    /// Whether the set is of an earlier packet and had to wait for its template.
    pub late: bool,
    /// How uptimes become Unix time.
    pub clock: Clock,
    /// What options data said so far.
    pub options: &'a Options,
}

impl Context<'_> {
    /// Observation domain of the export packet.
    pub fn domain(&self) -> u32 {
        self.header.observation_domain()
    }
}

/// Something that happened to a template.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum TemplateChange<'a> {
    /// A template was sent: for the first time, again, or with other fields under the same id.
    Sent {
        /// The record.
        definition: &'a TemplateDefinition,
        /// The plan that it was compiled to; `None` when it was not kept.
        plan: Option<&'a Plan>,
        /// Whether it differs from what was known.
        new: bool,
    },
    /// A template was withdrawn (IPFIX).
    Withdrawn {
        /// Template id; 2 and 3 stand for all templates and all options templates.
        template_id: u16,
        /// How many templates this took away.
        count: usize,
    },
}

/// Receives what a [`Session`] decodes. One method must be there, the rest may.
pub trait MessageSink {
    /// A data set of flow records.
    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>);

    /// An export packet begins.
    fn packet(&mut self, context: &Context<'_>) {
        let _ = context;
    }

    /// A data set of options records. The session has learned from it already.
    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        let _ = (context, set);
    }

    /// A template came or went.
    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        let _ = (context, change);
    }

    /// Something was wrong; what is not told here was decoded.
    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        let _ = (context, problem);
    }
}

/// Decodes export packets, of any version and of any number of exporters; owns all state.
///
/// A session is for one thread; several threads share the work by having a session each and sending every
/// exporter's packets to the same one.
#[derive(Debug, Default)]
pub struct Session {
    config: SessionConfig,
    table: TemplateTable,
    fixed: Vec<(&'static FixedLayout, Arc<Plan>)>,
    options: Options,
    /// Version of the elements that the exporter of the current packet described.
    elements: u64,
    pending: Pending,
    spans: Vec<u32>,
    /// Export packets that have a number.
    numbered: u64,
    /// Times that a template was new, changed or withdrawn.
    template_changes: u64,
    /// Sets of the current packet whose template is not known yet.
    missing: Vec<Missing>,
    /// For templates that came in the packet behind their data: how many of `missing` were before.
    released: BTreeMap<u16, usize>,
    statistics: SessionStatistics,
}

#[derive(Debug)]
struct Missing {
    set_id: u16,
    length: usize,
    offset: usize,
}

/// The export packet that is being decoded.
#[derive(Clone, Copy)]
struct Packet<'h> {
    number: u64,
    exporter: Exporter,
    received: Timestamp,
    header: &'h Header,
    key: DomainKey,
    late: bool,
}

impl Packet<'_> {
    fn naming(&self) -> Naming {
        match self.header {
            Header::Ipfix(_) => Naming::Ipfix,
            _ => Naming::V9,
        }
    }
}

impl Session {
    /// A session with the built-in registry and default bounds.
    pub fn new() -> Self {
        Self::default()
    }

    /// A session that decodes as `config` says.
    pub fn with_config(config: SessionConfig) -> Self {
        let options = Options::with_limits(&config.limits);
        Self { config, options, ..Self::default() }
    }

    /// What was done so far.
    pub fn statistics(&self) -> SessionStatistics {
        self.statistics
    }

    /// Data sets that wait for their template, and their octets with the set headers.
    pub fn waiting(&self) -> (usize, usize) {
        (self.pending.len(), self.pending.octets())
    }

    /// Memory that the waiting data sets take, in octets: what [`Limits::pending_octets`] bounds.
    pub fn waiting_memory(&self) -> usize {
        self.pending.memory()
    }

    /// Templates known.
    pub fn templates(&self) -> usize {
        self.table.len()
    }

    /// Octets of memory that these take, about: what the limits are about.
    pub fn template_octets(&self) -> usize {
        self.table.octets()
    }

    /// All templates that are known, in no order: address of the exporter, observation domain (0 where templates are
    /// valid for all), version, the plan, and when it was last sent.
    pub fn known_templates(&self) -> impl Iterator<Item = (IpAddr, u32, u16, &Arc<Plan>, Timestamp)> {
        self.table.iter()
    }

    /// Other limits, for what comes from now on; what is known stays. Those of options data stay as they were.
    pub fn set_limits(&mut self, limits: Limits) {
        self.config.limits = limits;
    }

    /// What options data said so far.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The elements that are known.
    pub fn registry(&self) -> &Registry {
        &self.config.registry
    }

    /// Decodes one export packet: learns its templates, hands its data to `sink`. Returns the packet's
    /// length, which is less than `octets` has when another IPFIX message follows it.
    ///
    /// `received` is the time of reception; it must not go backwards by much, since it says how long sets
    /// have waited. Only a packet whose header cannot be read is an error.
    pub fn decode(
        &mut self,
        exporter: Exporter,
        received: Timestamp,
        octets: &[u8],
        sink: &mut impl MessageSink,
    ) -> Result<usize, WireError> {
        self.decode_packet(None, exporter, received, octets, sink)
    }

    fn decode_packet(
        &mut self,
        stream: Option<StreamId>,
        exporter: Exporter,
        received: Timestamp,
        octets: &[u8],
        sink: &mut impl MessageSink,
    ) -> Result<usize, WireError> {
        let message = Message::parse(octets)?;
        let header = message.header();
        let key = DomainKey::new(
            self.config.template_scope,
            exporter,
            header.observation_domain(),
            header.version(),
        )
        .of_stream(stream);
        let number = self.numbered;
        self.numbered += 1;
        let packet = Packet { number, exporter, received, header, key, late: false };
        self.statistics.packets += 1;
        self.options.hear(exporter.address);
        self.elements = self.options.elements_version(exporter.address);
        sink.packet(&self.context(&packet));
        self.give_up_waiting(&packet, sink);
        if let Some(error) = message.length_error() {
            self.problem(&packet, error.into(), sink);
        }
        for set in message.sets() {
            match set {
                Ok(set) => self.set(&packet, &set, sink),
                Err(error) => self.problem(&packet, error.into(), sink),
            }
        }
        if octets.len() > message.len()
            && let Some(error) = message.filling(octets)
        {
            self.problem(&packet, error.into(), sink);
        }
        let released = std::mem::take(&mut self.released);
        for (number, missing) in std::mem::take(&mut self.missing).into_iter().enumerate() {
            let Missing { set_id, length, offset } = missing;
            if released.get(&set_id).is_some_and(|&before| number < before) {
                continue;
            }
            self.statistics.undecoded_sets += 1;
            sink.problem(&self.context(&packet), Problem::MissingTemplate { set_id, length, offset });
        }
        Ok(message.len())
    }

    fn context<'a>(&'a self, packet: &Packet<'a>) -> Context<'a> {
        let Packet { number, exporter, received, header, late, .. } = *packet;
        // Only IPFIX needs to be told when its exporter started.
        let system_init = match header {
            Header::Ipfix(h) => {
                let options = self.options.domain(exporter.address, h.observation_domain_id);
                options.and_then(|options| options.system_init())
            }
            _ => None,
        };
        let clock = Clock::new(header, system_init);
        Context { packet: number, exporter, received, header, late, clock, options: &self.options }
    }

    fn problem(&mut self, packet: &Packet<'_>, problem: Problem, sink: &mut impl MessageSink) {
        self.statistics.problems += 1;
        sink.problem(&self.context(packet), problem);
    }

    fn set(&mut self, packet: &Packet<'_>, set: &Set<'_>, sink: &mut impl MessageSink) {
        match set.kind {
            SetKind::Template | SetKind::OptionsTemplate => {
                for definition in set.templates() {
                    match definition {
                        Ok(definition) => self.template(packet, &definition, sink),
                        Err(error) => self.problem(packet, error.into(), sink),
                    }
                }
            }
            SetKind::Data => match self.plan(packet, set.id, self.config.limits.template_lifetime) {
                Some(plan) => self.records(packet, &plan, set.body, set.offset, sink),
                None => self.wait(packet, set),
            },
            SetKind::Fixed(layout) => {
                let plan = self.fixed_plan(layout);
                self.records(packet, &plan, set.body, set.offset, sink);
            }
            SetKind::Reserved => {
                let (set_id, length, offset) = (set.id, set.length(), set.offset);
                self.problem(packet, Problem::ReservedSet { set_id, length, offset }, sink);
            }
        }
    }

    /// The plan of a template, unless it has outlived `lifetime`, with the elements that the exporter described
    /// by now.
    #[inline]
    fn plan(&mut self, packet: &Packet<'_>, id: u16, lifetime: Option<Duration>) -> Option<Arc<Plan>> {
        let template = self.table.find(packet.key, id, packet.received, lifetime)?;
        if template.is_current(self.elements) {
            return Some(Arc::clone(&template.plan));
        }
        self.renewed_plan(packet, id)
    }

    #[cold]
    fn renewed_plan(&mut self, packet: &Packet<'_>, id: u16) -> Option<Arc<Plan>> {
        let limits = self.table_limits();
        let elements = KnownElements::new(&self.config.registry, &self.options, packet.exporter.address);
        let renew = |plan: &Plan| plan.with_elements(packet.naming(), |pen, id| elements.element(pen, id));
        let plan = self.table.renew(packet.key, id, packet.number, self.elements, &limits, renew);
        plan.map(Arc::clone)
    }

    fn table_limits(&self) -> TableLimits {
        let limits = &self.config.limits;
        TableLimits {
            templates: limits.templates,
            domain_octets: limits.template_octets,
            octets: limits.all_template_octets,
            lifetime: limits.template_lifetime,
        }
    }

    /// A fixed layout is a template that everyone knows.
    fn fixed_plan(&mut self, layout: &'static FixedLayout) -> Arc<Plan> {
        if let Some((_, plan)) = self.fixed.iter().find(|(known, _)| std::ptr::eq(*known, layout)) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan::of_layout(&self.config.registry, layout));
        self.fixed.push((layout, Arc::clone(&plan)));
        plan
    }

    fn records(
        &mut self,
        packet: &Packet<'_>,
        plan: &Plan,
        body: &[u8],
        offset: usize,
        sink: &mut impl MessageSink,
    ) {
        let mut spans = std::mem::take(&mut self.spans);
        let mut problem = None;
        let set = DataSet::lay(plan, body, offset, &mut spans, &mut |found| problem = Some(found));
        if plan.is_options() {
            self.options_records(packet, set, sink);
        } else if !set.is_empty() {
            self.statistics.records += set.len() as u64;
            sink.data(&self.context(packet), set.with_lists(&self.lists(packet)));
        }
        if let Some(problem) = problem {
            self.problem(packet, problem, sink);
        }
        self.spans = spans;
    }

    fn options_records(&mut self, packet: &Packet<'_>, set: DataSet<'_>, sink: &mut impl MessageSink) {
        if set.is_empty() {
            return;
        }
        self.statistics.options_records += set.len() as u64;
        let (address, domain) = (packet.exporter.address, packet.header.observation_domain());
        let mut problems = Vec::new();
        self.options.learn(address, domain, &self.config.registry, &set, &mut problems);
        self.elements = self.options.elements_version(address);
        sink.options(&self.context(packet), set.with_lists(&self.lists(packet)));
        for problem in problems {
            match problem {
                Problem::OptionsRefused { refused, .. } => self.statistics.refused_options += refused,
                Problem::OptionsGivenUp { exporters, .. } => self.statistics.given_up_options += exporters,
                _ => {}
            }
            self.problem(packet, problem, sink);
        }
    }

    fn lists(&self, packet: &Packet<'_>) -> Lists<'_> {
        Lists { elements: self.known_elements(packet), table: &self.table, key: packet.key }
    }

    fn known_elements(&self, packet: &Packet<'_>) -> KnownElements<'_> {
        KnownElements::new(&self.config.registry, &self.options, packet.exporter.address)
    }

    fn template(
        &mut self,
        packet: &Packet<'_>,
        definition: &TemplateDefinition,
        sink: &mut impl MessageSink,
    ) {
        let &TemplateDefinition { template_id, offset, .. } = definition;
        let is_ipfix = matches!(packet.header, Header::Ipfix(_));
        if definition.is_withdrawal() {
            if !is_ipfix {
                return self.problem(packet, Problem::NoFields { template_id, offset }, sink);
            }
            let count = match template_id {
                ipfix::TEMPLATE_SET => self.table.withdraw_all(packet.key, false).len(),
                ipfix::OPTIONS_TEMPLATE_SET => self.table.withdraw_all(packet.key, true).len(),
                _ => self.table.withdraw(packet.key, template_id).into(),
            };
            self.template_changes += count as u64;
            let change = TemplateChange::Withdrawn { template_id, count };
            return sink.template(&self.context(packet), change);
        }
        if let Some(fields) = too_many_empty_fields(definition) {
            let change = TemplateChange::Sent { definition, plan: None, new: true };
            sink.template(&self.context(packet), change);
            // What the exporter sends under this id from now on is not of the template that was known.
            self.table.withdraw(packet.key, template_id);
            return self.problem(packet, Problem::EmptyFields { template_id, offset, fields }, sink);
        }
        let learned =
            self.learn(packet.exporter.address, packet.key, packet.naming(), packet.received, definition);
        let new = match learned {
            Learned::Same => false,
            Learned::New | Learned::Changed => true,
            Learned::Refused { templates } => {
                self.table.withdraw(packet.key, template_id);
                let change = TemplateChange::Sent { definition, plan: None, new: true };
                sink.template(&self.context(packet), change);
                return self.problem(
                    packet,
                    Problem::TooManyTemplates { template_id, offset, templates },
                    sink,
                );
            }
        };
        self.statistics.templates += u64::from(new);
        self.template_changes += u64::from(new);
        let plan = self.plan(packet, template_id, None);
        let change = TemplateChange::Sent { definition, plan: plan.as_deref(), new };
        sink.template(&self.context(packet), change);
        // Also when the template is an old one: it may have outlived its lifetime.
        if let Some(plan) = plan {
            self.decode_waiting(packet, &plan, sink);
        }
    }

    /// Has the table learn a template, which must have fields.
    fn learn(
        &mut self,
        exporter: IpAddr,
        key: DomainKey,
        naming: Naming,
        received: Timestamp,
        definition: &TemplateDefinition,
    ) -> Learned {
        let &TemplateDefinition { template_id, options, scope_count, .. } = definition;
        let limits = self.table_limits();
        let version = self.options.elements_version(exporter);
        let elements = KnownElements::new(&self.config.registry, &self.options, exporter);
        let compile = || {
            let element = |pen, id| elements.element(pen, id);
            Plan::compile_with(element, naming, template_id, options, scope_count, &definition.fields)
        };
        self.table.learn(key, definition, received, &limits, version, compile)
    }

    /// Decodes the sets that waited for `plan`, oldest first.
    fn decode_waiting(&mut self, packet: &Packet<'_>, plan: &Plan, sink: &mut impl MessageSink) {
        if self.pending.len() == 0 {
            return;
        }
        let mut found = false;
        while let Some(set) = self.pending.take((packet.key, plan.template_id())) {
            let late = set.packet != packet.number;
            self.statistics.late_sets += u64::from(late);
            let own = Packet {
                number: set.packet,
                exporter: set.exporter,
                received: set.received,
                header: &set.header,
                key: packet.key,
                late,
            };
            self.records(&own, plan, &set.body, set.offset, sink);
            found |= !late;
        }
        if found {
            self.released.insert(plan.template_id(), self.missing.len());
        }
    }

    fn wait(&mut self, packet: &Packet<'_>, set: &Set<'_>) {
        self.missing.push(Missing { set_id: set.id, length: set.length(), offset: set.offset });
        let waiting = PendingSet {
            packet: packet.number,
            exporter: packet.exporter,
            received: packet.received,
            header: *packet.header,
            offset: set.offset,
            body: set.body.into(),
        };
        self.pending.push((packet.key, set.id), waiting);
    }

    /// Gives up the sets that waited too long, and the oldest when there are too many.
    fn give_up_waiting(&mut self, packet: &Packet<'_>, sink: &mut impl MessageSink) {
        let Limits { pending_octets, pending_age, .. } = self.config.limits;
        let mut given_up = [(0, 0); 2];
        while let Some((set, too_old)) = self.pending.give_up(packet.received, pending_octets, pending_age) {
            let (sets, octets) = &mut given_up[usize::from(too_old)];
            *sets += 1;
            *octets += set.octets() as u64;
        }
        for (too_old, (sets, octets)) in
            [false, true].into_iter().zip(given_up).filter(|(_, (sets, _))| *sets > 0)
        {
            self.statistics.given_up_sets += sets;
            self.statistics.given_up_octets += octets;
            sink.problem(&self.context(packet), Problem::GivenUp { sets, octets, too_old });
        }
    }
}

/// Fields of length zero, when they are more than a few beyond the octets of a record. Some exporters send a
/// few; a template of thousands would make one packet stand for millions of values.
fn too_many_empty_fields(definition: &TemplateDefinition) -> Option<usize> {
    const FEW: usize = 8;
    let empty = definition.fields.iter().filter(|field| field.length == 0).count();
    let octets: usize = definition
        .fields
        .iter()
        .map(|field| if field.length == VARIABLE_LENGTH { 1 } else { field.length.into() })
        .sum();
    (empty > octets + FEW).then_some(empty)
}
