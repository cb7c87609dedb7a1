//! Templates and options data borrowed from other files (`--template-from`).

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use netflow_templates::{
    Context, DataSet, Exporter, MessageSink, Options, Problem, Session, SessionConfig, TemplateChange,
    Timestamp,
};
use netflow_wire::{Header, Message, SetKind, TemplateDefinition, WireError};

use super::input::{self, NOBODY, Packet, Taker};
use super::origin::{Origin, Origins};
use crate::output::{self, count};

/// Templates kept of all files.
const MAX_TEMPLATES: usize = 65_536;
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
pub(super) struct Library {
    session: Session,
    /// By version and template id; the one that came last is last.
    templates: BTreeMap<(u16, u16), Vec<Known>>,
    count: usize,
    refused: u64,
    bad: u64,
    lent: HashSet<(Exporter, u32, u16)>,
    told: HashSet<(Exporter, u32, u16, u16)>,
}

impl Library {
    /// Reads all templates and options data of files.
    pub(super) fn read(files: &[std::path::PathBuf], config: &SessionConfig) -> anyhow::Result<Self> {
        let mut library = Self { session: Session::with_config(config.clone()), ..Self::default() };
        for path in files {
            library.file(path)?;
        }
        Ok(library)
    }

    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let (before, bad) = (self.count, self.bad);
        input::file(path, self)?;
        if self.bad > bad {
            let packets = count(self.bad - bad, "packet");
            output::note(format_args!(
                "--template-from {}: {packets} with something wrong (`nf decode` tells what)",
                path.display()
            ));
        }
        if self.count == before && self.refused == 0 {
            output::note(format_args!("--template-from {}: no templates in it", path.display()));
        }
        if self.refused > 0 {
            output::note(format_args!("{} more templates than are kept", self.refused));
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
        let sets = || message.sets().filter_map(Result::ok);
        if self.lent.len() >= MAX_DOMAINS {
            self.lent.clear();
        }
        if self.lent.insert((exporter, domain, version)) {
            let own: HashSet<u16> = sets()
                .filter(|set| matches!(set.kind, SetKind::Template | SetKind::OptionsTemplate))
                .flat_map(|set| set.templates().filter_map(Result::ok).collect::<Vec<_>>())
                .map(|definition| definition.template_id)
                .collect();
            for (&(_, id), known) in self.templates.range((version, 0)..=(version, u16::MAX)) {
                let Some(known) = choose(known, exporter, domain).filter(|_| !own.contains(&id)) else {
                    continue;
                };
                if let Some(plan) = session.lend(exporter, version, domain, received, &known.definition) {
                    origins.borrowed(plan.id(), known.origin(version));
                }
            }
        }
        for set in sets().filter(|set| matches!(set.kind, SetKind::Data)) {
            self.tell(exporter, version, domain, set.id);
        }
    }

    /// Says which of several templates was taken, once.
    fn tell(&mut self, exporter: Exporter, version: u16, domain: u32, id: u16) {
        let Some(all) = self.templates.get(&(version, id)) else { return };
        let Some(taken) = choose(all, exporter, domain) else { return };
        let others: Vec<_> = all.iter().filter(|known| !known.is_like(&taken.definition)).collect();
        let Some(other) = others.last() else { return };
        if self.told.len() < MAX_DOMAINS && self.told.insert((exporter, domain, version, id)) {
            output::note(format_args!(
                "template {id} is borrowed, if its exporter does not send it, from {}; {} with other fields: {}",
                taken.called(),
                match others.len() {
                    1 => "there is another".to_owned(),
                    number => format!("there are {number}"),
                },
                other.called()
            ));
        }
    }

    fn add(&mut self, known: Known, version: u16) {
        if self.count >= MAX_TEMPLATES {
            self.refused += 1;
            return;
        }
        let all = self.templates.entry((version, known.definition.template_id)).or_default();
        let same = |other: &Known| {
            (other.exporter, other.domain) == (known.exporter, known.domain)
                && other.is_like(&known.definition)
        };
        // Sent again: it is the most recent now.
        match all.iter().position(same) {
            Some(index) => {
                let known = all.remove(index);
                all.push(known);
            }
            None => {
                all.push(known);
                self.count += 1;
            }
        }
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

impl Known {
    fn is_like(&self, other: &TemplateDefinition) -> bool {
        let own = &self.definition;
        (own.options, own.scope_count, &own.fields) == (other.options, other.scope_count, &other.fields)
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

impl Taker for Library {
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
