//! What one exporter said, and what its observation domains agree on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::RateOf;
use super::elements::{DescribedElements, Description};
use crate::memory::{allocation, hash_entry, hash_table, tree, tree_entry, vec_entry};

/// What something that was said is about, within an observation domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// When the exporter started: nanoseconds since the Unix epoch.
    SystemInit,
    /// The sampling rate that was given without a sampler or an interface.
    Rate,
    /// The sampling rate of a sampler (samplerId, selectorId).
    SamplerRate(u64),
    /// The sampling rate of an interface, by ifIndex.
    InterfaceRate(u32),
    /// The sampling rate for records that name no sampler: that which was given without one, or the only one
    /// there is. Follows from the others, so it is only tallied.
    UnnamedRate,
    /// Name of an interface, by ifIndex.
    InterfaceName(u32),
    /// Name of a VRF, by its id.
    VrfName(u32),
    /// Name of an application, by its id (RFC 6759): the engine in the highest octet, the selector below.
    ApplicationName(u64),
}

/// A subject in one of the domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    domain: u32,
    subject: Subject,
}

/// In one piece: hashing field by field takes longer, and flows are looked up one by one.
impl Hash for Place {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (kind, number): (u8, u64) = match self.subject {
            Subject::SystemInit => (0, 0),
            Subject::Rate => (1, 0),
            Subject::SamplerRate(sampler) => (2, sampler),
            Subject::InterfaceRate(index) => (3, index.into()),
            Subject::UnnamedRate => (4, 0),
            Subject::InterfaceName(index) => (5, index.into()),
            Subject::VrfName(id) => (6, id.into()),
            Subject::ApplicationName(id) => (7, id),
        };
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&number.to_ne_bytes());
        octets[8..12].copy_from_slice(&self.domain.to_ne_bytes());
        octets[12] = kind;
        state.write(&octets);
    }
}

/// Something that is said, before it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said<'a> {
    Number(u64),
    Name(&'a str),
}

/// Something that was said. Numbers come first in the order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Number(u64),
    Name(Arc<str>),
}

impl Fact {
    fn is(&self, said: Said<'_>) -> bool {
        match (self, said) {
            (Self::Number(known), Said::Number(number)) => *known == number,
            (Self::Name(known), Said::Name(name)) => **known == *name,
            _ => false,
        }
    }

    fn said(&self) -> Said<'_> {
        match self {
            Self::Number(number) => Said::Number(*number),
            Self::Name(name) => Said::Name(name),
        }
    }
}

impl From<Said<'_>> for Fact {
    fn from(said: Said<'_>) -> Self {
        match said {
            Said::Number(number) => Self::Number(number),
            Said::Name(name) => Self::Name(name.into()),
        }
    }
}

/// What the domains of an exporter that know about a subject say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreed<T> {
    /// None knows.
    Unknown,
    /// All of them this.
    On(T),
    /// Not the same.
    Not,
}

/// What one exporter said.
#[derive(Debug)]
pub(super) struct ExporterOptions {
    /// Number of the export packet that was last heard from it.
    pub(super) heard: u64,
    /// Whether it has its place among those that may have to make way.
    pub(super) queued: bool,
    /// Octets of memory that this takes, at most, without the elements.
    octets: usize,
    facts: HashMap<Place, Fact, RandomState>,
    /// How many domains said each fact, those of a subject side by side: what they agree on is found without
    /// asking each of them.
    tally: BTreeMap<(Subject, Fact), u32>,
    /// How many samplers and interfaces of a domain have each rate.
    rates: BTreeMap<(u32, u64), u32>,
    /// The only domain that there is; `None` when there are several.
    only: Option<u32>,
    names: usize,
    interface_rates: usize,
    elements: DescribedElements,
}

impl ExporterOptions {
    /// Octets that an exporter takes which said nothing yet, with its places in the tables of all.
    const EMPTY: usize = allocation(size_of::<Self>())
        + hash_entry::<(IpAddr, Box<Self>)>()
        + vec_entry::<Reverse<(u64, IpAddr)>>()
        + hash_table::<(Place, Fact)>()
        + tree::<((Subject, Fact), u32)>()
        + tree::<((u32, u64), u32)>();
    /// Octets for a fact and its place in the tally.
    const FACT: usize = hash_entry::<(Place, Fact)>() + tree_entry::<((Subject, Fact), u32)>();
    /// Octets for a rate beside that: it may be that of records which name no sampler.
    const RATE: usize = tree_entry::<((Subject, Fact), u32)>() + tree_entry::<((u32, u64), u32)>();

    /// Nothing said yet, by an exporter of which `domain` is heard now.
    pub(super) fn new(domain: u32, heard: u64) -> Self {
        Self {
            heard,
            queued: false,
            octets: Self::EMPTY,
            facts: HashMap::default(),
            tally: BTreeMap::new(),
            rates: BTreeMap::new(),
            only: Some(domain),
            names: 0,
            interface_rates: 0,
            elements: DescribedElements::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.elements.is_empty()
    }

    /// Octets of memory that this takes, at most.
    pub(super) fn octets(&self) -> usize {
        self.octets + self.elements.octets()
    }

    pub(super) fn elements(&self) -> &DescribedElements {
        &self.elements
    }

    pub(super) fn describe(&mut self, number: (u32, u16), description: Description, version: u64) {
        self.elements.learn(number, description, version);
    }

    /// Octets that keeping something takes.
    fn cost(said: Said<'_>) -> usize {
        match said {
            Said::Number(_) => Self::FACT + Self::RATE,
            // An `Arc` counts its references in two words.
            Said::Name(name) => Self::FACT + allocation(2 * size_of::<usize>() + name.len()),
        }
    }

    /// Octets more that would be taken with something said; `None` when it is known.
    pub(super) fn more(&self, domain: u32, subject: Subject, said: Said<'_>) -> Option<usize> {
        match self.facts.get(&Place { domain, subject }) {
            Some(known) if known.is(said) => None,
            Some(known) => Some(Self::cost(said).saturating_sub(Self::cost(known.said()))),
            None => Some(Self::cost(said)),
        }
    }

    pub(super) fn learn(&mut self, domain: u32, subject: Subject, said: Said<'_>) {
        if self.only.is_some_and(|only| only != domain) {
            self.only = None;
        }
        let unnamed = self.unnamed_rate(domain);
        let fact = Fact::from(said);
        self.octets += Self::cost(said);
        let known = self.facts.insert(Place { domain, subject }, fact.clone());
        let new = known.is_none();
        self.count(subject, fact);
        if let Some(known) = known {
            self.octets -= Self::cost(known.said());
            if let (true, Fact::Number(rate)) = (subject.is_one_of_several_rates(), &known) {
                take_one(&mut self.rates, (domain, *rate));
            }
            self.discount(subject, known);
        }
        match (subject, said) {
            (Subject::SamplerRate(_) | Subject::InterfaceRate(_), Said::Number(rate)) => {
                *self.rates.entry((domain, rate)).or_insert(0) += 1;
                self.interface_rates += usize::from(new && matches!(subject, Subject::InterfaceRate(_)));
            }
            (_, Said::Name(_)) => self.names += usize::from(new),
            _ => {}
        }
        let then = self.unnamed_rate(domain);
        if unnamed != then {
            if let Some(rate) = unnamed {
                self.discount(Subject::UnnamedRate, Fact::Number(rate));
            }
            if let Some(rate) = then {
                self.count(Subject::UnnamedRate, Fact::Number(rate));
            }
        }
    }

    fn count(&mut self, subject: Subject, fact: Fact) {
        *self.tally.entry((subject, fact)).or_insert(0) += 1;
    }

    fn discount(&mut self, subject: Subject, fact: Fact) {
        take_one(&mut self.tally, (subject, fact));
    }

    /// Whether there are any names.
    pub(super) fn has_names(&self) -> bool {
        self.names > 0
    }

    /// Whether there are rates of interfaces.
    pub(super) fn has_interface_rates(&self) -> bool {
        self.interface_rates > 0
    }

    /// What a domain said.
    pub(super) fn fact(&self, domain: u32, subject: Subject) -> Option<&Fact> {
        self.facts.get(&Place { domain, subject })
    }

    /// All that was said, with its domain, in no order.
    pub(super) fn facts(&self) -> impl Iterator<Item = (u32, Subject, &Fact)> {
        self.facts.iter().map(|(place, fact)| (place.domain, place.subject, fact))
    }

    /// What the domains other than `domain` agree on, which itself does not know.
    pub(super) fn agreed(&self, domain: u32, subject: Subject) -> Agreed<&Fact> {
        if self.only == Some(domain) {
            return Agreed::Unknown;
        }
        let all = self.tally.range((subject, Fact::Number(0))..).map(|((about, fact), _)| (about, fact));
        let mut facts = all.take_while(|(about, _)| **about == subject).map(|(_, fact)| fact);
        match (facts.next(), facts.next()) {
            (Some(fact), None) => Agreed::On(fact),
            (Some(_), Some(_)) => Agreed::Not,
            (None, _) => Agreed::Unknown,
        }
    }

    /// The rates that a domain gave, in no order.
    pub(super) fn rates(&self, domain: u32) -> impl Iterator<Item = (RateOf, u64)> {
        self.facts.iter().filter(move |(place, _)| place.domain == domain).filter_map(|(place, fact)| {
            let of = match place.subject {
                Subject::Rate => RateOf::Domain,
                Subject::SamplerRate(sampler) => RateOf::Sampler(sampler),
                Subject::InterfaceRate(interface) => RateOf::Interface(interface),
                _ => return None,
            };
            match fact {
                Fact::Number(rate) => Some((of, *rate)),
                Fact::Name(_) => None,
            }
        })
    }

    /// A domain's rate for records that name no sampler.
    pub(super) fn unnamed_rate(&self, domain: u32) -> Option<u64> {
        if let Some(Fact::Number(rate)) = self.fact(domain, Subject::Rate) {
            return Some(*rate);
        }
        let mut rates = self.rates.range((domain, 0)..=(domain, u64::MAX)).map(|((_, rate), _)| *rate);
        let first = rates.next()?;
        rates.next().is_none().then_some(first)
    }
}

impl Subject {
    /// Whether a domain may have one such rate for each sampler or interface.
    fn is_one_of_several_rates(self) -> bool {
        matches!(self, Self::SamplerRate(_) | Self::InterfaceRate(_))
    }
}

/// Takes one of those that were counted.
fn take_one<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SUBJECTS: [Subject; 6] = [
        Subject::Rate,
        Subject::SamplerRate(1),
        Subject::SamplerRate(2),
        Subject::InterfaceRate(1),
        Subject::InterfaceName(1),
        Subject::VrfName(1),
    ];

    fn said(subject: Subject, value: u64) -> Said<'static> {
        match subject {
            Subject::InterfaceName(_) | Subject::VrfName(_) => {
                Said::Name(["red", "green", "blue"][value as usize])
            }
            _ => Said::Number(value),
        }
    }

    /// All different values of something in the domains, as if each were asked.
    fn agreed(values: impl Iterator<Item = Fact>) -> Agreed<Fact> {
        let mut values: BTreeSet<Fact> = values.collect();
        match (values.pop_first(), values.is_empty()) {
            (None, _) => Agreed::Unknown,
            (Some(fact), true) => Agreed::On(fact),
            (Some(_), false) => Agreed::Not,
        }
    }

    fn owned(agreed: Agreed<&Fact>) -> Agreed<Fact> {
        match agreed {
            Agreed::Unknown => Agreed::Unknown,
            Agreed::On(fact) => Agreed::On(fact.clone()),
            Agreed::Not => Agreed::Not,
        }
    }

    proptest! {
        #[test]
        fn what_domains_agree_on_is_what_asking_each_of_them_would_say(
            said_in_order in prop::collection::vec((0..4u32, 0..SUBJECTS.len(), 0..3u64), 0..60),
        ) {
            let mut options = ExporterOptions::new(0, 0);
            let mut model = BTreeMap::new();
            let mut octets = options.octets();
            for (domain, subject, value) in said_in_order {
                let subject = SUBJECTS[subject];
                octets += options.more(domain, subject, said(subject, value)).unwrap_or(0);
                options.learn(domain, subject, said(subject, value));
                model.insert((domain, subject), Fact::from(said(subject, value)));
            }
            prop_assert!(options.octets() <= octets);
            let unnamed = |domain| {
                let is = |subject: Subject| move |&((of, about), _): &(&(u32, Subject), &Fact)| {
                    *of == domain && *about == subject
                };
                let general = model.iter().find(is(Subject::Rate)).map(|(_, fact)| fact.clone());
                let rates = SUBJECTS.into_iter().filter(|subject| subject.is_one_of_several_rates());
                let rates = rates.filter_map(|subject| model.get(&(domain, subject)).cloned());
                general.or(match agreed(rates) {
                    Agreed::On(rate) => Some(rate),
                    _ => None,
                })
            };
            for domain in 0..5 {
                for subject in SUBJECTS {
                    let own = model.get(&(domain, subject));
                    prop_assert_eq!(options.fact(domain, subject), own);
                    if own.is_none() {
                        let all = model.iter().filter(|((_, about), _)| *about == subject);
                        let all = agreed(all.map(|(_, fact)| fact.clone()));
                        prop_assert_eq!(owned(options.agreed(domain, subject)), all);
                    }
                }
                let own = unnamed(domain);
                prop_assert_eq!(options.unnamed_rate(domain).map(Fact::Number), own.clone());
                if own.is_none() {
                    let all = agreed((0..4).filter_map(unnamed));
                    prop_assert_eq!(owned(options.agreed(domain, Subject::UnnamedRate)), all);
                }
            }
        }
    }
}
