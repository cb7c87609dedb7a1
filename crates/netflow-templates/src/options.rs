//! Options data: what exporters say about themselves, and what flows are joined with.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use self::elements::{Description, describes_elements};
use self::exporter::{Agreed, ExporterOptions, Fact, Subject};
use self::record::Seen;
use crate::Timestamp;
use crate::data_set::DataSet;
use crate::element::Element;
use crate::problem::Problem;
use crate::registry::Registry;
use crate::session::Limits;

mod elements;
mod exporter;
mod record;
mod say_again;

pub(crate) use self::elements::DescribedElements;

/// Something that options data said, and whether it was said for the very observation domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<T> {
    /// What was said.
    pub value: T,
    /// True when it was said for other observation domains of the same exporter: some exporters send
    /// their options data under an id of their own.
    pub other_domain: bool,
}

/// What a sampling rate in options data is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RateOf {
    /// The observation domain: neither a sampler nor an interface was named.
    Domain,
    /// A sampler (samplerId, selectorId).
    Sampler(u64),
    /// An interface, by ifIndex.
    Interface(u32),
}

/// What options data of an exporter mean for one of its observation domains.
///
/// What was said for the domain itself is believed before all else. What it does not know is taken from the
/// exporter's other domains, if all of them that know it say the same; when they differ, nothing is known.
#[derive(Debug, Clone, Copy)]
pub struct DomainOptions<'a> {
    exporter: &'a ExporterOptions,
    domain: u32,
}

impl<'a> DomainOptions<'a> {
    /// When the exporter started.
    pub fn system_init(&self) -> Option<Timestamp> {
        match self.look(Subject::SystemInit)? {
            Fact::Number(nanos) => Some(Timestamp::from_nanos(nanos.cast_signed())),
            Fact::Name(_) => None,
        }
    }

    /// One packet in how many is sampled, for a record of a sampler (samplerId, selectorId) and an interface
    /// (ifIndex).
    ///
    /// The rate of the sampler is taken, where the domain knows that or the other domains agree on it. A
    /// record that names a sampler which nobody knows, or on which they differ, gets no other sampler's rate:
    /// only one that was given without a sampler, for the interface or for all. A record that names no
    /// sampler, or number 0 where none has it, gets the rate of its interface, else the domain's, else
    /// the only one that the domain's samplers and interfaces have. What the domain itself does not know is
    /// asked of the others in the same order: the rate of the interface, then that of all.
    pub fn rate(&self, sampler: Option<u64>, interface: u32) -> Option<Found<u64>> {
        let Self { exporter, domain } = *self;
        let mut differ = false;
        if let Some(sampler) = sampler {
            let subject = Subject::SamplerRate(sampler);
            if let Some(rate) = self.own_rate(subject) {
                return Some(rate);
            }
            match self.others_rate(subject) {
                Agreed::On(rate) => return Some(rate),
                Agreed::Not => differ = true,
                Agreed::Unknown => {}
            }
        }
        let named = sampler.is_some_and(|sampler| sampler != 0);
        let by_interface = exporter.has_interface_rates().then_some(Subject::InterfaceRate(interface));
        if let Some(rate) = by_interface.and_then(|subject| self.own_rate(subject)) {
            return Some(rate);
        }
        let own = match named {
            true => self.own_rate(Subject::Rate),
            false => exporter.unnamed_rate(domain).map(|value| Found { value, other_domain: false }),
        };
        if own.is_some() || differ {
            return own;
        }
        match by_interface.map_or(Agreed::Unknown, |subject| self.others_rate(subject)) {
            Agreed::On(rate) => return Some(rate),
            Agreed::Not => return None,
            Agreed::Unknown => {}
        }
        match self.others_rate(if named { Subject::Rate } else { Subject::UnnamedRate }) {
            Agreed::On(rate) => Some(rate),
            Agreed::Not | Agreed::Unknown => None,
        }
    }

    /// Whether [`rate`](Self::rate) may depend on the interface.
    pub fn has_interface_rates(&self) -> bool {
        self.exporter.has_interface_rates()
    }

    /// The rates that the domain's own options data gave, in order. This goes through all that the exporter said.
    pub fn rates(&self) -> Vec<(RateOf, u64)> {
        let mut rates: Vec<_> = self.exporter.rates(self.domain).collect();
        rates.sort_unstable();
        rates
    }

    /// Whether the exporter gave names to any numbers.
    pub fn has_names(&self) -> bool {
        self.exporter.has_names()
    }

    /// Name of an interface, by ifIndex.
    pub fn interface_name(&self, index: u32) -> Option<&'a str> {
        self.name(Subject::InterfaceName(index))
    }

    /// Name of a VRF, by its id.
    pub fn vrf_name(&self, id: u32) -> Option<&'a str> {
        self.name(Subject::VrfName(id))
    }

    /// Name of an application, by its id (RFC 6759): the engine in the highest octet, the selector below.
    pub fn application_name(&self, id: u64) -> Option<&'a str> {
        self.name(Subject::ApplicationName(id))
    }

    fn name(&self, subject: Subject) -> Option<&'a str> {
        match self.look(subject)? {
            Fact::Name(name) => Some(name),
            Fact::Number(_) => None,
        }
    }

    fn look(&self, subject: Subject) -> Option<&'a Fact> {
        self.exporter.fact(self.domain, subject).or_else(|| {
            match self.exporter.agreed(self.domain, subject) {
                Agreed::On(fact) => Some(fact),
                Agreed::Not | Agreed::Unknown => None,
            }
        })
    }

    fn own_rate(&self, subject: Subject) -> Option<Found<u64>> {
        match self.exporter.fact(self.domain, subject)? {
            Fact::Number(rate) => Some(Found { value: *rate, other_domain: false }),
            Fact::Name(_) => None,
        }
    }

    fn others_rate(&self, subject: Subject) -> Agreed<Found<u64>> {
        match self.exporter.agreed(self.domain, subject) {
            Agreed::On(Fact::Number(rate)) => Agreed::On(Found { value: *rate, other_domain: true }),
            Agreed::Not => Agreed::Not,
            Agreed::On(Fact::Name(_)) | Agreed::Unknown => Agreed::Unknown,
        }
    }
}

/// What options data said, by exporter and observation domain, bounded in memory for each exporter and over
/// all (see [`Limits`]).
///
/// What goes beyond an exporter's share is not kept. When the room for all is used up, the exporter that was
/// heard least recently loses what it said.
#[derive(Debug)]
pub struct Options {
    exporters: HashMap<IpAddr, Box<ExporterOptions>, RandomState>,
    /// Each exporter once, the one heard least recently on top. An exporter that was heard since finds its
    /// place when it comes to the top, so that hearing one costs nothing here.
    order: BinaryHeap<Reverse<(u64, IpAddr)>>,
    heard: u64,
    /// Times that something new was said, beside descriptions.
    facts: u64,
    /// Times that an element was described, or was described otherwise.
    descriptions: u64,
    octets: usize,
    max_octets: usize,
    max_exporter_octets: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self::with_limits(&Limits::default())
    }
}

impl Options {
    /// Nothing said yet; `limits` bound what is kept.
    pub fn with_limits(limits: &Limits) -> Self {
        Self {
            exporters: HashMap::default(),
            order: BinaryHeap::new(),
            heard: 0,
            facts: 0,
            descriptions: 0,
            octets: 0,
            max_octets: limits.options_octets,
            max_exporter_octets: limits.exporter_options_octets,
        }
    }

    /// What was said means for one observation domain; `None` when the exporter said nothing.
    #[inline]
    pub fn domain(&self, exporter: IpAddr, domain: u32) -> Option<DomainOptions<'_>> {
        if self.exporters.is_empty() {
            return None;
        }
        Some(DomainOptions { exporter: self.exporters.get(&exporter)?, domain })
    }

    /// Whether anything was said by an exporter.
    pub fn knows(&self, exporter: IpAddr) -> bool {
        self.exporters.contains_key(&exporter)
    }

    /// Exporters of which something is kept.
    pub fn exporters(&self) -> usize {
        self.exporters.len()
    }

    /// Octets of memory that what is kept takes, at most.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Grows when something is said that was not known.
    pub(crate) fn changes(&self) -> u64 {
        self.facts + self.descriptions
    }

    /// Takes note that an export packet came from an exporter.
    #[inline]
    pub fn hear(&mut self, exporter: IpAddr) {
        self.heard += 1;
        if !self.exporters.is_empty()
            && let Some(options) = self.exporters.get_mut(&exporter)
        {
            options.heard = self.heard;
        }
    }

    /// An element that an exporter described itself (RFC 5610). Never one that the registry knows.
    pub fn element(&self, exporter: IpAddr, enterprise: u32, id: u16) -> Option<Element> {
        self.elements(exporter)?.element(enterprise, id)
    }

    /// An element that an exporter described itself, by the name that it gave it.
    pub fn find_element(&self, exporter: IpAddr, name: &str) -> Option<Element> {
        self.elements(exporter)?.find_name(name)
    }

    /// The elements that an exporter described.
    pub(crate) fn elements(&self, exporter: IpAddr) -> Option<&DescribedElements> {
        if self.exporters.is_empty() {
            return None;
        }
        Some(self.exporters.get(&exporter)?.elements())
    }

    /// A number that tells whether an exporter described elements, in this way, before; 0 when it did not.
    #[inline]
    pub fn elements_version(&self, exporter: IpAddr) -> u64 {
        self.elements(exporter).map_or(0, DescribedElements::version)
    }

    /// Learns from options data records; `registry` has the elements that exporters cannot describe otherwise.
    /// `problems` takes what was not kept, what was not believed, and what other exporters lost.
    pub fn learn(
        &mut self,
        exporter: IpAddr,
        domain: u32,
        registry: &Registry,
        set: &DataSet<'_>,
        problems: &mut Vec<Problem>,
    ) {
        let mut options = self.take(exporter, domain);
        let mut given_up = GivenUp::default();
        let refused = if describes_elements(set.plan()) {
            self.describe(exporter, &mut options, registry, set, &mut given_up, problems)
        } else {
            self.learn_facts(exporter, &mut options, domain, set, &mut given_up)
        };
        self.put_back(exporter, options);
        let GivenUp { exporters, octets } = given_up;
        if exporters > 0 {
            problems.push(Problem::OptionsGivenUp { exporters, octets });
        }
        if refused > 0 {
            let (set_id, offset) = (set.plan().template_id(), set.offset());
            problems.push(Problem::OptionsRefused { set_id, offset, refused });
        }
    }

    /// Learns rates, names and start times; returns how many there was no room for.
    fn learn_facts(
        &mut self,
        exporter: IpAddr,
        options: &mut ExporterOptions,
        domain: u32,
        set: &DataSet<'_>,
        given_up: &mut GivenUp,
    ) -> u64 {
        let mut refused = 0;
        for record in set.records() {
            Seen::of(&record).facts(|subject, said| {
                let Some(more) = options.more(domain, subject, said) else { return };
                if self.make_room(exporter, options, more, given_up) {
                    self.facts += 1;
                    options.learn(domain, subject, said);
                } else {
                    refused += 1;
                }
            });
        }
        refused
    }

    /// Learns what elements are (RFC 5610); returns how many there was no room for.
    fn describe(
        &mut self,
        exporter: IpAddr,
        options: &mut ExporterOptions,
        registry: &Registry,
        set: &DataSet<'_>,
        given_up: &mut GivenUp,
        problems: &mut Vec<Problem>,
    ) -> u64 {
        let mut refused = 0;
        for record in set.records() {
            let (set_id, offset) = (set.plan().template_id(), record.range().start);
            let mut fault = |(enterprise, id), fault| {
                problems.push(Problem::ElementDescription { set_id, offset, enterprise, id, fault });
            };
            let Some((number, description)) = Description::of(&record, &mut fault) else { continue };
            let description = options.elements().check(number, description, registry, &mut fault);
            let Some(description) = description else { continue };
            let more = options.elements().more(number, &description);
            if more.is_some_and(|more| self.make_room(exporter, options, more, given_up)) {
                self.descriptions += 1;
                options.describe(number, description, self.descriptions);
            } else {
                refused += 1;
            }
        }
        refused
    }

    /// Takes an exporter out of the table, so that others can make way while it learns. What it takes is not
    /// counted until it is put back.
    fn take(&mut self, exporter: IpAddr, domain: u32) -> Box<ExporterOptions> {
        self.hear(exporter);
        match self.exporters.remove(&exporter) {
            Some(options) => {
                self.octets -= options.octets();
                options
            }
            None => Box::new(ExporterOptions::new(domain, self.heard)),
        }
    }

    /// Puts an exporter back, unless it said nothing.
    fn put_back(&mut self, exporter: IpAddr, mut options: Box<ExporterOptions>) {
        if options.is_empty() {
            return;
        }
        if !options.queued {
            options.queued = true;
            self.order.push(Reverse((options.heard, exporter)));
        }
        self.octets += options.octets();
        self.exporters.insert(exporter, options);
    }

    /// Makes room for `more` octets of an exporter that was taken out; false when it is not to have them.
    fn make_room(
        &mut self,
        exporter: IpAddr,
        options: &mut ExporterOptions,
        more: usize,
        given_up: &mut GivenUp,
    ) -> bool {
        let octets = options.octets() + more;
        if octets > self.max_exporter_octets {
            return false;
        }
        while self.octets + octets > self.max_octets {
            let Some(Reverse((heard, oldest))) = self.order.pop() else { return false };
            match self.exporters.get(&oldest) {
                Some(other) if other.heard > heard => self.order.push(Reverse((other.heard, oldest))),
                Some(_) => self.give_up(oldest, given_up),
                None if oldest == exporter => options.queued = false,
                None => {}
            }
        }
        true
    }

    fn give_up(&mut self, exporter: IpAddr, given_up: &mut GivenUp) {
        let Some(options) = self.exporters.remove(&exporter) else { return };
        self.octets -= options.octets();
        given_up.exporters += 1;
        given_up.octets += options.octets() as u64;
        if self.exporters.capacity() / 4 > self.exporters.len() {
            self.exporters.shrink_to_fit();
            self.order.shrink_to_fit();
        }
    }
}

/// What made way for others.
#[derive(Default)]
struct GivenUp {
    exporters: u64,
    octets: u64,
}
