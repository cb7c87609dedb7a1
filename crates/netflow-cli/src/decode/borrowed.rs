//! Templates and options data borrowed from other files (`--template-from`).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use netflow_templates::{
    Context, DataSet, Exporter, MessageSink, Options, Problem, Session, SessionConfig, TemplateChange,
    Timestamp,
};
use netflow_wire::{Header, Message, SetKind, TemplateDefinition, WireError};

use super::input::{self, NOBODY, Packet, Taker};
use super::origin::{Origin, Origins};
use crate::output::{self, count};

/// Octets of memory that the templates of all files may take, about.
const MAX_OCTETS: usize = 64 << 20;
/// Templates kept under one id; the oldest are given up.
const MAX_ALIKE: usize = 1_024;
/// Other templates that are named, of all under an id.
const MAX_NAMED: usize = 3;
/// Templates lent to one domain that it may not need: there must be room for its own.
const MAX_LENT: usize = 1_024;
/// Exporters' domains that are remembered to have been lent to.
const MAX_DOMAINS: usize = 65_536;

/// A template as a file had it.
#[derive(Debug)]
struct Known {
    definition: TemplateDefinition,
    exporter: Exporter,
    domain: u32,
    place: String,
}

/// The templates of files, lent to exporters whose own are not known.
#[derive(Debug, Default)]
pub(super) struct Borrowed {
    session: Session,
    /// By version and template id; the one that came last is last.
    templates: BTreeMap<(u16, u16), Vec<Known>>,
    octets: usize,
    /// Template records in the files, and those that are not kept.
    seen: u64,
    refused: u64,
    bad: u64,
    lent: HashSet<(Exporter, u32, u16)>,
    /// Templates that were lent, and are not the only ones under their id: said when they are used.
    untold: HashSet<(Exporter, u32, u16, u16)>,
}

impl Borrowed {
    /// Reads all templates and options data of files.
    pub(super) fn read(files: &[std::path::PathBuf], config: &SessionConfig) -> anyhow::Result<Self> {
        let mut borrowed = Self { session: Session::with_config(config.clone()), ..Self::default() };
        for path in files {
            borrowed.file(path)?;
        }
        Ok(borrowed)
    }

    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let (seen, bad, refused) = (self.seen, self.bad, self.refused);
        input::file(path, self)?;
        let note = |text: String| output::note(format_args!("--template-from {}: {text}", path.display()));
        if self.bad > bad {
            let packets = count(self.bad - bad, "packet");
            note(format!("{packets} with something wrong (`nf decode` tells what)"));
        }
        if self.seen == seen {
            note("no templates in it".to_owned());
        }
        if self.refused > refused {
            note(format!("{} more than are kept", count(self.refused - refused, "template")));
        }
        Ok(())
    }

    /// What the files' options data said, for the exporter and domain that a template was borrowed from.
    pub(super) fn options(&self) -> &Options {
        self.session.options()
    }

    /// Lends the templates that a packet's exporter did not send so far, nor sends in this packet. What is used
    /// at once, and is not the only one under its id, is told.
    pub(super) fn lend(
        &mut self,
        session: &mut Session,
        origins: &mut Origins,
        exporter: Exporter,
        received: Timestamp,
        octets: &[u8],
    ) {
        if self.templates.is_empty() {
            return;
        }
        let Ok(message) = Message::parse(octets) else { return };
        let (version, domain) = (message.header().version(), message.header().observation_domain());
        if !matches!(message.header(), Header::V9(_) | Header::Ipfix(_)) {
            return;
        }
        let (mut own, mut used) = (HashSet::new(), BTreeSet::new());
        for set in message.sets().filter_map(Result::ok) {
            match set.kind {
                SetKind::Data => _ = used.insert(set.id),
                SetKind::Template | SetKind::OptionsTemplate => {
                    own.extend(set.templates().filter_map(Result::ok).map(|sent| sent.template_id))
                }
                _ => {}
            }
        }
        used.retain(|id| !own.contains(id));
        for id in &own {
            self.untold.remove(&(exporter, domain, version, *id));
        }
        if self.lent.len() >= MAX_DOMAINS {
            self.lent.clear();
        }
        let mut wanted: Vec<u16> = used.iter().copied().collect();
        // Lists (RFC 6313) need templates that are no set's.
        if self.lent.insert((exporter, domain, version)) {
            let all = self.templates.range((version, 0)..=(version, u16::MAX));
            wanted.extend(all.map(|(&(_, id), _)| id).filter(|id| !own.contains(id)).take(MAX_LENT));
        }
        for id in wanted {
            let Some(all) = self.templates.get(&(version, id)) else { continue };
            let Some(known) = choose(all, exporter, domain) else { continue };
            if let Some(plan) = session.lend(exporter, version, domain, received, &known.definition) {
                origins.borrowed(plan.id(), known.origin(version));
                if self.untold.len() < MAX_DOMAINS && others(all, known).next().is_some() {
                    self.untold.insert((exporter, domain, version, id));
                }
            }
        }
        for id in used {
            if self.untold.remove(&(exporter, domain, version, id)) {
                self.tell(exporter, version, domain, id);
            }
        }
    }

    /// Says which of several templates was taken.
    fn tell(&self, exporter: Exporter, version: u16, domain: u32, id: u16) {
        let Some(all) = self.templates.get(&(version, id)) else { return };
        let Some(taken) = choose(all, exporter, domain) else { return };
        let others: Vec<_> = others(all, taken).map(Known::called).take(MAX_NAMED).collect();
        output::note(format_args!(
            "template {id} is borrowed from {}; other fields under this id: {}",
            taken.called(),
            others.join("; ")
        ));
    }

    fn add(&mut self, known: Known, version: u16) {
        self.seen += 1;
        let all = self.templates.entry((version, known.definition.template_id)).or_default();
        let same = |other: &Known| {
            (other.exporter, other.domain) == (known.exporter, known.domain)
                && other.is_like(&known.definition)
        };
        // Sent again: it is the most recent now.
        let replaced = all.iter().position(same).or((all.len() >= MAX_ALIKE).then_some(0));
        let old = replaced.map(|index| all.remove(index));
        self.refused += u64::from(old.as_ref().is_some_and(|old| !same(old)));
        self.octets -= old.map_or(0, |old| old.octets());
        if self.octets + known.octets() > MAX_OCTETS {
            self.refused += 1;
            return;
        }
        self.octets += known.octets();
        all.push(known);
    }
}

/// The template for an exporter's domain among those under one id: of the same exporter and domain if possible,
/// else of the same domain, else any; the last of them.
fn choose(known: &[Known], exporter: Exporter, domain: u32) -> Option<&Known> {
    known.iter().max_by_key(|known| {
        let address = exporter != NOBODY && known.exporter.address == exporter.address;
        (address && known.domain == domain, known.domain == domain, address)
    })
}

/// The templates under the same id that have other fields.
fn others<'a>(all: &'a [Known], taken: &'a Known) -> impl Iterator<Item = &'a Known> {
    all.iter().filter(|known| !known.is_like(&taken.definition))
}

impl Known {
    fn is_like(&self, other: &TemplateDefinition) -> bool {
        let own = &self.definition;
        (own.options, own.scope_count, &own.fields) == (other.options, other.scope_count, &other.fields)
    }

    /// Octets of memory that it takes, about.
    fn octets(&self) -> usize {
        size_of::<Self>() + self.place.len() + size_of_val(&self.definition.fields[..])
    }

    /// Whose it is and where it was.
    fn called(&self) -> String {
        let whose = if self.exporter == NOBODY {
            String::new()
        } else {
            format!("exporter {}, ", self.exporter.address)
        };
        format!("{} ({whose}domain {})", self.place, self.domain)
    }

    fn origin(&self, version: u16) -> Origin {
        Origin {
            template_id: self.definition.template_id,
            exporter: self.exporter,
            domain: self.domain,
            version,
            packet: None,
            place: self.place.clone(),
            offset: self.definition.offset,
        }
    }
}

impl Taker for Borrowed {
    fn packet(&mut self, packet: &Packet<'_>) -> anyhow::Result<()> {
        let mut sent = Sent::default();
        let mut octets = packet.octets;
        while !octets.is_empty() {
            let received = packet.received.unwrap_or(Timestamp::EPOCH);
            let decoded: Result<usize, WireError> =
                self.session.decode(packet.exporter, received, octets, &mut sent);
            match decoded {
                Ok(length) => octets = &octets[length..],
                Err(_) => {
                    self.bad += 1;
                    break;
                }
            }
            for (definition, domain, version) in sent.templates.drain(..) {
                let (exporter, place) = (packet.exporter, packet.place.to_owned());
                self.add(Known { definition, exporter, domain, place }, version);
            }
        }
        self.bad += u64::from(sent.malformed);
        Ok(())
    }

    fn bad(&mut self, _what: &str) {
        self.bad += 1;
    }
}

/// The templates that a packet sent.
#[derive(Default)]
struct Sent {
    templates: Vec<(TemplateDefinition, u32, u16)>,
    malformed: bool,
}

impl MessageSink for Sent {
    fn data(&mut self, _context: &Context<'_>, _set: DataSet<'_>) {}

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        if let TemplateChange::Sent { definition, .. } = change {
            self.templates.push((definition.clone(), context.domain(), context.header.version()));
        }
    }

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        self.malformed |= problem.is_malformed();
    }
}
