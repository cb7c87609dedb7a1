//! What a session knows, as export packets that say it again.
//!
//! Templates and waiting sets are export packets anyway, and what options data said can be said again. So the one
//! decoder reads what was kept, and there is no second format that could be damaged, or mean something else.

use netflow_wire::{Header, Message, MessageEncoder, SetKind, TemplateDefinition, WireError, ipfix, v9};

use super::{Exporter, MessageSink, Session, SessionStatistics};
use crate::data_set::DataSet;
use crate::pending::PendingSet;
use crate::plan::Plan;
use crate::table::DomainKey;
use crate::timestamp::Timestamp;

/// Octets of an export packet of templates, or of sets that wait, above which another one is begun.
const FULL: usize = 16 << 10;

/// An export packet of a [snapshot](Session::snapshot).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPacket<'a> {
    /// Whose it is.
    pub exporter: Exporter,
    /// Of templates, when they were last sent. Of sets that wait, when they were received. Of options data, the Unix
    /// epoch: what they say does not age.
    pub received: Timestamp,
    /// Whether it has data sets that wait for their template. Any other says what was learned.
    pub waiting: bool,
    /// Its octets.
    pub octets: &'a [u8],
}

/// What is decoded to restore a session was told before.
struct ToldBefore;

impl MessageSink for ToldBefore {
    fn data(&mut self, _: &super::Context<'_>, _: DataSet<'_>) {}
}

impl Session {
    /// Says all that the session has learned, in the order in which another session is to take it with
    /// [`restore`](Self::restore): what options data said, with the elements that exporters described, as IPFIX
    /// messages; templates, those that were not sent for longest first; data sets that wait. What ends with a
    /// [connection](super::StreamId) is left out. How many octets these
    /// take is bounded by [`Limits`](super::Limits), as what is kept is.
    pub fn snapshot(&self, mut each: impl FnMut(SnapshotPacket<'_>)) {
        self.options.say_again(|address, octets| {
            let exporter = Exporter { address, port: 0 };
            each(SnapshotPacket { exporter, received: Timestamp::EPOCH, waiting: false, octets });
        });
        for (key, mut templates) in self.table.domains() {
            templates.sort_unstable_by_key(|&(refreshed, plan)| (refreshed, plan.template_id()));
            for alike in templates.chunk_by(|one, other| one.0 == other.0) {
                let plans = alike.iter().map(|&(_, plan)| plan);
                template_packets(key, plans, |octets| {
                    let (exporter, received) = (key.exporter(), alike[0].0);
                    each(SnapshotPacket { exporter, received, waiting: false, octets });
                });
            }
        }
        let mut open: Option<Waiting> = None;
        for (id, set) in self.pending.iter() {
            if open.as_ref().is_some_and(|open| !open.takes(set)) {
                open.take().into_iter().for_each(|open| open.finish(&mut each));
            }
            let open = open.get_or_insert_with(|| Waiting::new(set));
            open.octets += set.octets();
            open.encoder.begin_set(id).octets(&set.body);
        }
        open.into_iter().for_each(|open| open.finish(&mut each));
    }

    /// Takes an export packet of a snapshot, before any other export packet is decoded. Nothing of it is handed
    /// out or counted, but that data sets which wait count as [undecoded](SessionStatistics::undecoded_sets). What
    /// goes beyond the bounds of this session is given up, the oldest first.
    ///
    /// # Errors
    /// When it is no export packet.
    pub fn restore(&mut self, packet: SnapshotPacket<'_>) -> Result<(), WireError> {
        let SnapshotPacket { exporter, received, waiting, octets } = packet;
        let before = self.statistics;
        let mut waits = 0;
        if waiting {
            waits = self.restore_waiting(exporter, received, &Message::parse(octets)?);
        } else {
            self.decode(exporter, received, octets, &mut ToldBefore)?;
        }
        let SessionStatistics { given_up_sets, given_up_octets, .. } = self.statistics;
        let undecoded_sets = before.undecoded_sets + waits;
        self.statistics = SessionStatistics { given_up_sets, given_up_octets, undecoded_sets, ..before };
        Ok(())
    }

    /// Grows when templates, or what options data say, are new or changed, or withdrawn.
    pub fn changes(&self) -> u64 {
        self.template_changes + self.options.changes()
    }

    /// Has the data sets of a packet wait, whatever templates there are; returns how many.
    fn restore_waiting(&mut self, exporter: Exporter, received: Timestamp, message: &Message<'_>) -> u64 {
        let header = message.header();
        let (domain, version) = (header.observation_domain(), header.version());
        let key = DomainKey::new(self.config.template_scope, exporter, domain, version);
        let mut waits = 0;
        for set in message.sets().filter_map(Result::ok).filter(|set| matches!(set.kind, SetKind::Data)) {
            let (packet, offset, body) = (self.numbered, set.offset, set.body.into());
            let waiting = PendingSet { packet, exporter, received, header: *header, offset, body };
            self.pending.push((key, set.id), waiting);
            waits += 1;
        }
        self.numbered += 1;
        let limits = self.config.limits;
        while let Some((set, _)) = self.pending.give_up(received, limits.pending_octets, limits.pending_age) {
            self.statistics.given_up_sets += 1;
            self.statistics.given_up_octets += set.octets() as u64;
        }
        waits
    }
}

/// An export packet whose data sets wait: those that wait of one packet stay together.
struct Waiting {
    packet: u64,
    exporter: Exporter,
    received: Timestamp,
    octets: usize,
    encoder: MessageEncoder,
}

impl Waiting {
    fn new(set: &PendingSet) -> Self {
        let &PendingSet { packet, exporter, received, header, .. } = set;
        Self { packet, exporter, received, octets: 0, encoder: MessageEncoder::new(header) }
    }

    fn takes(&self, set: &PendingSet) -> bool {
        self.packet == set.packet && self.octets + set.octets() <= FULL
    }

    fn finish(self, each: &mut impl FnMut(SnapshotPacket<'_>)) {
        let Self { exporter, received, encoder, .. } = self;
        each(SnapshotPacket { exporter, received, waiting: true, octets: &encoder.finish() });
    }
}

/// Export packets with the templates of a domain.
fn template_packets<'a>(key: DomainKey, plans: impl Iterator<Item = &'a Plan>, mut each: impl FnMut(&[u8])) {
    let header = match key.version() {
        ipfix::VERSION => {
            Header::Ipfix(ipfix::Header { observation_domain_id: key.domain(), ..ipfix::Header::default() })
        }
        _ => Header::V9(v9::Header { source_id: key.domain(), ..v9::Header::default() }),
    };
    let mut open: Option<(usize, MessageEncoder)> = None;
    for plan in plans {
        let definition = plan.definition();
        // A field takes eight octets at most.
        let octets = 16 + 8 * definition.fields.len();
        if open.as_ref().is_some_and(|(length, _)| length + octets > FULL) {
            each(&open.take().expect("there is one, as was just seen").1.finish());
        }
        let (length, encoder) = open.get_or_insert_with(|| (0, MessageEncoder::new(header)));
        *length += octets;
        encoder.template(&definition);
    }
    if let Some((_, encoder)) = open {
        each(&encoder.finish());
    }
}

impl Plan {
    /// The template record that this was compiled from.
    fn definition(&self) -> TemplateDefinition {
        let specifier = |field: &crate::plan::Field| {
            let element = field.element();
            netflow_wire::FieldSpecifier::of(element.enterprise, element.id, field.length())
        };
        TemplateDefinition {
            template_id: self.template_id(),
            scope_count: self.scope_count() as u16,
            options: self.is_options(),
            fields: self.fields().iter().map(specifier).collect(),
            offset: 0,
        }
    }
}
