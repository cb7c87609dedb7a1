//! The template table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use netflow_wire::TemplateDefinition;

use crate::Timestamp;
use crate::plan::Plan;
use crate::session::{Exporter, StreamId};

/// For whom a template is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TemplateScope {
    /// The exporter's address, its port and the observation domain: the transport session of RFC 7011.
    Session,
    /// The exporter's address and the observation domain. Exporters that restart, or send from several
    /// ports, keep their templates.
    #[default]
    Domain,
    /// The exporter's address.
    Exporter,
}

/// Whose templates: the part of the key that all templates of an export packet share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DomainKey {
    /// First, so that all of a stream are neighbours. None for datagrams.
    stream: Option<StreamId>,
    address: IpAddr,
    port: u16,
    domain: u32,
    /// v9 and IPFIX templates of one exporter are two things.
    version: u16,
}

impl DomainKey {
    /// Of datagrams.
    pub(crate) fn new(scope: TemplateScope, exporter: Exporter, domain: u32, version: u16) -> Self {
        let (port, domain) = match scope {
            TemplateScope::Session => (exporter.port, domain),
            TemplateScope::Domain => (0, domain),
            TemplateScope::Exporter => (0, 0),
        };
        Self { stream: None, address: exporter.address, port, domain, version }
    }

    /// Of a stream, when there is one.
    pub(crate) fn of_stream(self, stream: Option<StreamId>) -> Self {
        Self { stream, ..self }
    }

    /// Whether it ends with a stream.
    pub(crate) fn is_of_stream(self) -> bool {
        self.stream.is_some()
    }

    /// The range of all keys of a stream.
    pub(crate) fn all_of_stream(stream: StreamId) -> RangeInclusive<Self> {
        let (low, high) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::from_bits(u128::MAX).into());
        let key =
            |address, port, domain, version| Self { stream: Some(stream), address, port, domain, version };
        key(low, 0, 0, 0)..=key(high, u16::MAX, u32::MAX, u16::MAX)
    }

    /// An exporter that has this key.
    pub(crate) fn exporter(&self) -> Exporter {
        Exporter { address: self.address, port: self.port }
    }

    /// An observation domain that has this key.
    pub(crate) fn domain(&self) -> u32 {
        self.domain
    }

    pub(crate) fn version(&self) -> u16 {
        self.version
    }
}

/// In few pieces: hashing field by field takes longer, and every data set is looked up.
impl Hash for DomainKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let address = match self.address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        state.write_u64(self.stream.map_or(0, StreamId::number));
        state.write_u64(address as u64);
        state.write_u64((address >> 64) as u64);
        state.write_u64(u64::from(self.domain) << 32 | u64::from(self.port) << 16 | u64::from(self.version));
    }
}

/// A template and when it was last sent.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) plan: Arc<Plan>,
    refreshed: Timestamp,
    /// The version of the exporter's own elements that the plan has; `None` when it has only elements which no
    /// exporter can describe.
    elements: Option<u64>,
    /// Number of the export packet in which the plan was last compared with these.
    compared: Option<u64>,
}

impl Template {
    /// Whether the plan has the exporter's elements of this version.
    #[inline]
    pub(crate) fn is_current(&self, elements: u64) -> bool {
        self.elements.is_none_or(|known| known == elements)
    }
}

/// Octets that keeping a template takes beside its plan, about.
const TEMPLATE_COST: usize = 64;
/// Octets that keeping a domain takes beside its templates, about: a flood of domains with one template each is
/// most of all this.
const DOMAIN_COST: usize = 608;

/// The templates of one domain.
#[derive(Debug, Default)]
struct Domain {
    /// Few in most domains: a lookup is shorter here than in a table of hashes.
    templates: BTreeMap<u16, Template>,
    /// Their ids, those of options templates apart: a packet can withdraw all of a kind thousands of times.
    ids: [BTreeSet<u16>; 2],
    octets: usize,
    /// Receive time of the last export packet that had templates.
    refreshed: Timestamp,
    /// When stale templates were last looked for: once for each receive time, so that a packet full of
    /// templates does not scan the table for each of them.
    swept: Option<Timestamp>,
}

/// All templates, bounded in number and octets for each domain and over all.
#[derive(Debug, Default)]
pub(crate) struct TemplateTable {
    /// With a hash that is quicker than the usual one, and has a random key as well: every data set is looked up.
    domains: HashMap<DomainKey, Domain, RandomState>,
    /// The domains by when they were refreshed: the stalest goes first, and no other has to be looked at.
    order: BTreeSet<(Timestamp, DomainKey)>,
    /// Domains of streams, which are not in `order`: an exporter sends a template once in a stream, so that one that
    /// is given up does not come back.
    streams: BTreeSet<DomainKey>,
    octets: usize,
}

/// Bounds of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableLimits {
    pub(crate) templates: usize,
    pub(crate) domain_octets: usize,
    pub(crate) octets: usize,
    pub(crate) lifetime: Option<Duration>,
}

/// What became of a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    New,
    Same,
    Changed,
    /// The domain has as many templates as are kept for one.
    Refused {
        templates: usize,
    },
}

impl TemplateTable {
    pub(crate) fn len(&self) -> usize {
        self.domains.values().map(|domain| domain.templates.len()).sum()
    }

    /// The templates of each domain of datagrams, with the time at which each was last sent; the domain that was refreshed
    /// longest ago comes first.
    pub(crate) fn domains(&self) -> impl Iterator<Item = (DomainKey, Vec<(Timestamp, &Plan)>)> {
        self.order.iter().filter_map(|(_, key)| {
            let templates = self.domains.get(key)?.templates.values();
            Some((*key, templates.map(|template| (template.refreshed, &*template.plan)).collect()))
        })
    }

    /// Octets that all templates take.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// All templates, in no order: exporter, domain, version, plan, when it was last sent.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpAddr, u32, u16, &Arc<Plan>, Timestamp)> {
        self.domains.iter().flat_map(|(key, domain)| {
            let templates = domain.templates.values();
            templates
                .map(|template| (key.address, key.domain, key.version, &template.plan, template.refreshed))
        })
    }

    /// A template, unless it has outlived `lifetime`. Those of a stream are valid as long as it is.
    #[inline]
    pub(crate) fn find(
        &self,
        key: DomainKey,
        id: u16,
        now: Timestamp,
        lifetime: Option<Duration>,
    ) -> Option<&Template> {
        let template = self.domains.get(&key)?.templates.get(&id)?;
        let expired = key.stream.is_none()
            && lifetime.is_some_and(|lifetime| now.saturating_since(template.refreshed) > lifetime);
        (!expired).then_some(template)
    }

    /// The plan of a template, however old.
    pub(crate) fn plan(&self, key: DomainKey, id: u16) -> Option<&Plan> {
        Some(&self.domains.get(&key)?.templates.get(&id)?.plan)
    }

    /// The plan of a template, compared with the exporter's elements of a version that it does not have yet:
    /// `renew` makes another plan of it, or `None` when it is the same.
    ///
    /// That is done once for an export packet, or descriptions and data that take turns would make it costly.
    pub(crate) fn renew(
        &mut self,
        key: DomainKey,
        id: u16,
        packet: u64,
        elements: u64,
        limits: &TableLimits,
        renew: impl FnOnce(&Plan) -> Option<Plan>,
    ) -> Option<&Arc<Plan>> {
        let domain = self.domains.get_mut(&key)?;
        let template = domain.templates.get_mut(&id)?;
        if template.compared != Some(packet) {
            (template.compared, template.elements) = (Some(packet), Some(elements));
            if let Some(plan) = renew(&template.plan) {
                let (before, then) = (template.plan.memory(), plan.memory());
                let all = self.octets - before + then;
                let octets = domain.octets - before + then;
                // Where there is no room for the names, the plan stays as it is.
                if all <= limits.octets && octets <= limits.domain_octets {
                    (self.octets, domain.octets) = (all, octets);
                    template.plan = Arc::new(plan);
                }
            }
        }
        Some(&template.plan)
    }

    /// Learns a template; `compile` is called unless the table has the very same already. The plan that it makes
    /// has the exporter's own elements of version `elements`.
    pub(crate) fn learn(
        &mut self,
        key: DomainKey,
        definition: &TemplateDefinition,
        now: Timestamp,
        limits: &TableLimits,
        elements: u64,
        compile: impl FnOnce() -> Plan,
    ) -> Learned {
        let id = definition.template_id;
        let (all, order, streams) = (&mut self.octets, &mut self.order, &mut self.streams);
        let domain = self.domains.entry(key).or_insert_with(|| {
            *all += DOMAIN_COST;
            match key.stream {
                Some(_) => streams.insert(key),
                None => order.insert((now, key)),
            };
            Domain { refreshed: now, ..Domain::default() }
        });
        if domain.refreshed != now && key.stream.is_none() {
            order.remove(&(domain.refreshed, key));
            order.insert((now, key));
        }
        domain.refreshed = now;
        if let Some(template) = domain.templates.get_mut(&id)
            && template.plan.is_of(definition)
        {
            template.refreshed = now;
            return Learned::Same;
        }
        let plan = Arc::new(compile());
        let octets = cost(&plan);
        self.drop_stalest_domains(key, limits.octets.saturating_sub(octets));
        let all = self.octets;
        // It was made above, and is kept when others go.
        let domain = self.domains.entry(key).or_default();
        let full = |domain: &Domain, all: usize| {
            let replaced = domain.templates.get(&id).map(|template| cost(&template.plan));
            let others = domain.octets - replaced.unwrap_or(0);
            (replaced.is_none() && domain.templates.len() >= limits.templates)
                || others + octets > limits.domain_octets
                || all - replaced.unwrap_or(0) + octets > limits.octets
        };
        if full(domain, all) && domain.swept != Some(now) && key.stream.is_none() {
            self.octets -= domain.drop_stale(now, limits.lifetime.unwrap_or(Duration::from_secs(3600)));
        }
        if full(domain, self.octets) {
            let templates = domain.templates.len();
            if templates == 0 {
                self.remove_domain(key);
            }
            return Learned::Refused { templates };
        }
        let replaced = domain.remove(id);
        self.octets = self.octets + octets - replaced.unwrap_or(0);
        let elements = plan.has_enterprise_elements().then_some(elements);
        domain.insert(id, Template { plan, refreshed: now, elements, compared: None });
        if replaced.is_some() { Learned::Changed } else { Learned::New }
    }

    /// Withdraws one template; true if it was there.
    pub(crate) fn withdraw(&mut self, key: DomainKey, id: u16) -> bool {
        let Some(domain) = self.domains.get_mut(&key) else { return false };
        let Some(octets) = domain.remove(id) else { return false };
        self.octets -= octets;
        if domain.templates.is_empty() {
            // Templates that come and go under ever new domains must not leave these behind.
            self.remove_domain(key);
        }
        true
    }

    /// Withdraws all templates, or all options templates, of a domain; returns their ids.
    pub(crate) fn withdraw_all(&mut self, key: DomainKey, options: bool) -> Vec<u16> {
        let ids = self.domains.get(&key).into_iter().flat_map(|domain| &domain.ids[usize::from(options)]);
        let mut ids: Vec<u16> = ids.copied().collect();
        ids.retain(|&id| self.withdraw(key, id));
        ids
    }

    /// Withdraws all templates of a stream that has ended.
    pub(crate) fn end_stream(&mut self, stream: StreamId) {
        let keys: Vec<_> = self.streams.range(DomainKey::all_of_stream(stream)).copied().collect();
        for key in keys {
            self.remove_domain(key);
        }
    }

    /// Makes room: drops the domains (but `keep`) whose templates were refreshed longest ago, no more than it
    /// takes. A packet that had to drop half of them would take a tenth of a second. Those of streams go last, and
    /// for another stream only.
    fn drop_stalest_domains(&mut self, keep: DomainKey, max_octets: usize) {
        while self.octets > max_octets {
            let mut datagrams = self.order.iter().map(|(_, key)| key);
            let mut streams = self.streams.iter().filter(|_| keep.stream.is_some());
            let other = |key: &&DomainKey| **key != keep;
            let stalest = datagrams.find(other).or_else(|| streams.find(other));
            let Some(&stalest) = stalest else { return };
            self.remove_domain(stalest);
        }
    }

    fn remove_domain(&mut self, key: DomainKey) {
        if let Some(domain) = self.domains.remove(&key) {
            match key.stream {
                Some(_) => self.streams.remove(&key),
                None => self.order.remove(&(domain.refreshed, key)),
            };
            self.octets -= domain.octets + DOMAIN_COST;
        }
    }
}

fn cost(plan: &Plan) -> usize {
    plan.memory() + TEMPLATE_COST
}

impl Domain {
    fn insert(&mut self, id: u16, template: Template) {
        self.octets += cost(&template.plan);
        self.ids[usize::from(template.plan.is_options())].insert(id);
        self.templates.insert(id, template);
    }

    /// Removes a template; returns the octets that this frees, `None` if it was not there.
    fn remove(&mut self, id: u16) -> Option<usize> {
        let plan = self.templates.remove(&id)?.plan;
        self.ids[usize::from(plan.is_options())].remove(&id);
        let octets = cost(&plan);
        self.octets -= octets;
        Some(octets)
    }

    /// Drops templates that were not refreshed for `age`; returns the octets that this frees.
    fn drop_stale(&mut self, now: Timestamp, age: Duration) -> usize {
        self.swept = Some(now);
        let is_stale = |template: &Template| now.saturating_since(template.refreshed) > age;
        let stale: Vec<u16> =
            self.templates.iter().filter(|(_, template)| is_stale(template)).map(|(&id, _)| id).collect();
        stale.into_iter().filter_map(|id| self.remove(id)).sum()
    }
}
