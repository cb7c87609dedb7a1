//! Export packets as a tree for people: every octet with its meaning, and what is wrong or odd.

use std::collections::HashSet;
use std::net::IpAddr;

use netflow_templates::{
    Clock, Context, DataSet, DomainOptions, Exporter, MessageSink, Options, Problem, TemplateChange,
    Timestamp,
};
use netflow_wire::{Header, Message, SetError, SetHeader, SetKind, WireError};

use super::body::{Body, Piece, is_no_message, nobodys, raw, title, withdrawal};
use super::borrowed::Borrowed;
use super::explain;
use super::header;
use super::input::Packet;
use super::meaning::{Names, Numbered, Scene};
use super::oddities::{Counts, Oddities, Seen};
use super::origin::{Origin, Origins};
use super::record;
use super::times;
use super::tree::{Mark, Tree};
use crate::output::count;

/// Writes packets as text. Between packets it remembers sequence numbers.
#[derive(Debug, Default)]
pub(super) struct TextWriter {
    packet: Option<Current>,
    pieces: Vec<Piece>,
    withdrawn: Vec<(u16, usize)>,
    /// Sets of earlier packets, which waited for a template of this one.
    late: Tree,
    /// All problems, and those of the packet itself.
    problems: Vec<Problem>,
    own_problems: Vec<Problem>,
    counts: Counts,
    oddities: Oddities,
    /// Missing templates that were told at length: exporter, domain and id.
    told: HashSet<(IpAddr, u32, u16)>,
}

/// The packet that is decoded.
#[derive(Debug, Clone, Copy)]
struct Current {
    number: u64,
    header: Header,
    received: Timestamp,
    exporter: Exporter,
}

/// Takes what a session decodes of one packet.
pub(super) struct TextSink<'a> {
    pub(super) writer: &'a mut TextWriter,
    pub(super) origins: &'a mut Origins,
    pub(super) borrowed: &'a Borrowed,
    pub(super) octets: &'a [u8],
    pub(super) place: &'a str,
}

/// What options data of an exporter said, or of the exporter that a template was borrowed from.
struct Lookup<'a> {
    options: &'a Options,
    exporter: IpAddr,
    domain: u32,
    borrowed: &'a Options,
    lender: Option<(IpAddr, u32)>,
}

impl<'a> Lookup<'a> {
    fn find<T>(&self, look: impl Fn(&DomainOptions<'a>) -> Option<T>) -> Option<T> {
        let own = self.options.domain(self.exporter, self.domain);
        let lent = || self.lender.and_then(|(lender, domain)| self.borrowed.domain(lender, domain));
        own.and_then(|own| look(&own)).or_else(|| look(&lent()?))
    }
}

impl Names for Lookup<'_> {
    fn name(&self, of: Numbered) -> Option<String> {
        let name = self.find(|options| match of {
            Numbered::Interface(index) => options.interface_name(index),
            Numbered::Vrf(id) => options.vrf_name(id),
            Numbered::Application(id) => options.application_name(id),
        });
        name.map(str::to_owned)
    }
}

impl TextSink<'_> {
    fn set(&mut self, context: &Context<'_>, set: &DataSet<'_>) {
        let plan = set.plan();
        let origin = self.origins.of(plan);
        let lender = origin.filter(|origin| origin.packet.is_none());
        let names = Lookup {
            options: context.options,
            exporter: context.exporter.address,
            domain: context.domain(),
            borrowed: self.borrowed.options(),
            lender: lender.map(|origin| (origin.exporter.address, origin.domain)),
        };
        let system_init = context.clock.system_init.or_else(|| names.find(DomainOptions::system_init));
        let clock = match context.header {
            Header::Ipfix(_) => Clock { system_init, ..context.clock },
            _ => context.clock,
        };
        let scene = Scene { clock, names: &names, protocol: None };
        let mut tree = Tree::default();
        let kind = if plan.is_options() { "options record" } else { "flow record" };
        let length = match plan.record_len() {
            Some(length) => format!("of {length} octets"),
            None => "of variable length".to_owned(),
        };
        let whence = match (origin, plan.template_id()) {
            (Some(origin), _) => origin.called(context.packet),
            (None, 0) => "built-in layout".to_owned(),
            (None, id) => format!("template {id} of an earlier packet"),
        };
        let records = format!("{} {length}, {whence}", count(set.len() as u64, kind));
        match (context.late, plan.template_id()) {
            (true, id) => {
                let packet = context.packet + 1;
                tree.heading(
                    0,
                    set.offset(),
                    &format!(
                        "late: data set {id} of packet {packet}, which waited, offsets in that packet; \
                         {records}"
                    ),
                );
            }
            (false, 0) => {
                let version = context.header.version();
                let guide = format!("Cisco, NetFlow Services Solutions Guide, v{version} record");
                tree.heading(0, set.offset(), &format!("{records}  [{guide}]"));
            }
            (false, _) => tree.heading(1, set.offset(), &records),
        }
        let (mut end, mut late_told) = (set.offset(), false);
        for (index, record) in set.records().enumerate() {
            let range = record.range();
            let (number, octets) = (index + 1, range.len());
            tree.heading(2, range.start, &format!("record {number} of {}, {octets} octets", set.len()));
            record::record(&mut tree, &scene, &record, plan);
            if !plan.is_options() {
                times::tell(&mut tree, &scene, &record, plan, &mut late_told);
            }
            end = range.end;
        }
        match context.late {
            true => self.writer.late.append(&mut tree),
            false => self.writer.pieces.push(Piece { start: set.offset(), end, tree }),
        }
    }
}

impl MessageSink for TextSink<'_> {
    fn packet(&mut self, context: &Context<'_>) {
        let writer = &mut *self.writer;
        let Context { packet: number, exporter, received, .. } = *context;
        writer.packet = Some(Current { number, header: *context.header, received, exporter });
        writer.pieces.clear();
        writer.withdrawn.clear();
        writer.late = Tree::default();
        writer.problems.clear();
        writer.own_problems.clear();
        writer.counts = Counts::default();
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        if !context.late {
            self.writer.counts.flows += set.len();
        }
        self.set(context, &set);
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        if !context.late {
            self.writer.counts.options += set.len();
        }
        self.set(context, &set);
    }

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        match change {
            TemplateChange::Sent { definition, plan, new } => {
                let mut tree = Tree::default();
                let ipfix = matches!(context.header, Header::Ipfix(_));
                let start = definition.offset;
                let end = record::template(&mut tree, self.octets, definition, plan, ipfix, new);
                self.writer.pieces.push(Piece { start, end, tree });
                self.writer.counts.templates += 1;
                if let Some(plan) = plan
                    && new
                {
                    let origin = Origin {
                        template_id: definition.template_id,
                        exporter: context.exporter,
                        domain: context.domain(),
                        version: context.header.version(),
                        packet: Some(context.packet),
                        place: self.place.to_owned(),
                        offset: start,
                    };
                    self.origins.sent(plan.id(), origin);
                }
            }
            TemplateChange::Withdrawn { template_id, count } => {
                self.writer.withdrawn.push((template_id, count));
                self.writer.counts.withdrawals += 1;
            }
            _ => {}
        }
    }

    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        if context.late {
            let packet = context.packet + 1;
            self.writer.late.remark(explain::mark(&problem, &[]), &format!("in packet {packet}: {problem}."));
        } else {
            self.writer.own_problems.push(problem);
        }
        self.writer.problems.push(problem);
    }
}

impl TextWriter {
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Writes the packet that was decoded, of `length` octets, of all that were given.
    pub(super) fn write(
        &mut self,
        packet: &Packet<'_>,
        given: &[u8],
        length: usize,
        origins: &Origins,
        out: &mut Vec<u8>,
    ) {
        let Some(current) = self.packet.take() else { return };
        let Ok(message) = Message::parse(given) else { return };
        let octets = &given[..length];
        let whole = |problem: &Problem| {
            matches!(problem, Problem::Set(SetError::Count { .. }) | Problem::GivenUp { .. })
        };
        let problems = self.own_problems.iter().copied();
        let (of_packet, mut problems): (Vec<_>, Vec<_>) = problems.partition(whole);
        problems.sort_by_key(explain::offset);
        let mut told = std::mem::take(&mut self.told);
        let mut body = Body {
            tree: Tree::default(),
            octets,
            header: current.header,
            origins,
            exporter: current.exporter,
            problems: problems.into_iter().peekable(),
            told: &mut told,
        };
        let name = header::name(current.header.version());
        title(&mut body.tree, packet, &format!("{name} {}", current.number + 1), length, current.exporter);
        header::write(&mut body.tree, current.header.version(), octets);
        of_packet.iter().for_each(|problem| body.tell(problem));
        if packet.truncated {
            let text = "the capture kept only the first octets of this packet (its snap length): capture \
                with tcpdump -s 0.";
            body.tree.remark(Mark::Fault, text);
        }
        let Current { header, received, exporter, .. } = current;
        let (captured, counts, problems) = (packet.received.is_some(), self.counts, &self.own_problems[..]);
        let seen = Seen { header, octets: given, exporter, received, captured, counts, problems };
        self.oddities.tell(&mut body.tree, &seen);

        self.sets(&mut body, &message);
        body.tell_before(usize::MAX);
        if is_no_message(&given[length..]) {
            nobodys(&mut body.tree, given, length);
        }
        body.tree.append(&mut self.late);
        let mut tree = body.tree;
        self.told = told;
        let summary = self.summary(tree.faults, tree.oddities);
        tree.title(&summary);
        out.append(&mut tree.text);
        out.push(b'\n');
    }

    /// Writes the sets, with what was decoded in each.
    fn sets(&mut self, body: &mut Body<'_>, message: &Message<'_>) {
        self.pieces.sort_by_key(|piece| piece.start);
        let mut pieces = std::mem::take(&mut self.pieces).into_iter().peekable();
        let mut withdrawn = std::mem::take(&mut self.withdrawn).into_iter();
        let mut at = body.header.len();
        for set in message.sets().filter_map(Result::ok) {
            let fixed = matches!(set.kind, SetKind::Fixed(_));
            let start = set.offset - if fixed { 0 } else { SetHeader::LEN };
            body.gap(at, start, false);
            if !fixed {
                body.set_header(&set, start);
            }
            let end = set.offset + set.body.len();
            let mut inside = Vec::new();
            while let Some(piece) = pieces.next_if(|piece| piece.start < end) {
                inside.push(piece);
            }
            if matches!(set.kind, SetKind::Template | SetKind::OptionsTemplate) {
                let all = set.templates().filter_map(Result::ok);
                let gone = all.filter(|definition| definition.is_withdrawal());
                if matches!(body.header, Header::Ipfix(_)) {
                    inside.extend(gone.zip(withdrawn.by_ref()).map(|(definition, (id, count))| {
                        withdrawal(body.octets, definition.offset, id, count)
                    }));
                    inside.sort_by_key(|piece| piece.start);
                }
            }
            at = set.offset;
            for mut piece in inside {
                body.gap(at, piece.start, true);
                body.tree.append(&mut piece.tree);
                at = piece.end.max(at);
            }
            body.gap(at, end, true);
            at = end;
        }
        body.gap(at, body.octets.len(), false);
    }

    /// Writes octets that are no export packet, or not enough of one.
    pub(super) fn write_unreadable(packet: &Packet<'_>, octets: &[u8], error: &WireError, out: &mut Vec<u8>) {
        let mut tree = Tree::default();
        let version = octets.get(..2).map(|version| u16::from_be_bytes([version[0], version[1]]));
        let header = !matches!(error, WireError::Foreign(_) | WireError::UnknownVersion { .. });
        let name = match version {
            Some(version) if header => format!("{}, not decoded", header::name(version)),
            _ => "no export packet".to_owned(),
        };
        title(&mut tree, packet, &name, octets.len(), packet.exporter);
        let shown = match version {
            Some(version) if header => header::write(&mut tree, version, octets),
            _ => 0,
        };
        if shown < octets.len() {
            raw(&mut tree, shown, &octets[shown..]);
        }
        tree.remark(Mark::Fault, &explain::unreadable(error, octets));
        tree.title("nothing decoded; 1 fault (!!)");
        out.append(&mut tree.text);
        out.push(b'\n');
    }

    fn summary(&self, faults: u64, oddities: u64) -> String {
        let mut text = format!("{} decoded", self.counts.names());
        for (number, one, many, mark) in
            [(faults, "fault", "faults", "!!"), (oddities, "oddity", "oddities", "!")]
        {
            match number {
                0 => {}
                1 => text.push_str(&format!("; 1 {one} ({mark})")),
                number => text.push_str(&format!("; {number} {many} ({mark})")),
            }
        }
        text
    }
}
