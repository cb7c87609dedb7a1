//! The octets of one packet in order: sets, what was decoded in them, and what was not.

use std::collections::HashSet;
use std::iter::Peekable;
use std::net::{IpAddr, SocketAddr};
use std::vec;

use netflow_templates::{Exporter, Problem};
use netflow_wire::{Header, Set, SetHeader, SetKind, ipfix};

use super::explain;
use super::input::Packet;
use super::origin::Origins;
use super::tree::{Mark, Tree};
use crate::output::count;

/// Octets that are not decoded are shown up to so many.
const MAX_RAW: usize = 64;
/// Missing templates that are remembered to have been told.
const MAX_TOLD: usize = 65_536;

/// Octets of the packet, and the lines about them.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) tree: Tree,
}

/// The part of the text that follows the octets, as far as it is written.
pub(super) struct Body<'a> {
    pub(super) tree: Tree,
    pub(super) octets: &'a [u8],
    pub(super) header: Header,
    pub(super) origins: &'a Origins,
    pub(super) exporter: Exporter,
    /// Those that are not told yet, by their offset.
    pub(super) problems: Peekable<vec::IntoIter<Problem>>,
    /// Missing templates that were told at length: exporter, domain and id.
    pub(super) told: &'a mut HashSet<(IpAddr, u32, u16)>,
}

impl Body<'_> {
    /// Tells the problems at the front that are before an offset.
    pub(super) fn tell_before(&mut self, end: usize) {
        while let Some(problem) = self.problems.next_if(|problem| explain::offset(problem) < end) {
            self.tell(&problem);
        }
    }

    pub(super) fn tell(&mut self, problem: &Problem) {
        let Self { header, octets, origins, exporter, .. } = *self;
        let (mut elsewhere, mut again) = (None, false);
        if let Problem::MissingTemplate { set_id, .. } = *problem {
            let domain = header.observation_domain();
            elsewhere = origins.elsewhere(set_id, header.version(), exporter, domain);
            let key = (exporter.address, domain, set_id);
            again = self.told.contains(&key) || self.told.len() < MAX_TOLD && !self.told.insert(key);
        }
        let scene = explain::Scene { header: &header, octets, elsewhere, again };
        let text = explain::problem(problem, &scene);
        self.tree.remark(explain::mark(problem, octets), &text);
    }

    /// Octets that nothing was said about, and the problems there.
    pub(super) fn gap(&mut self, start: usize, end: usize, in_set: bool) {
        self.tell_before(if in_set { end.max(start + 1) } else { end });
        let octets = self.octets.get(start..end).unwrap_or_default();
        if octets.is_empty() {
            return;
        }
        if octets.iter().all(|&octet| octet == 0) {
            let whose = match self.header {
                Header::Ipfix(_) if in_set => "  [RFC 7011, section 3.3.1]",
                Header::V9(_) if in_set => "  [RFC 3954, section 5.3]",
                _ => "",
            };
            let zeros = count(octets.len() as u64, "zero");
            self.tree.row(1, start, octets, &format!("padding, {zeros}{whose}"));
        } else {
            raw(&mut self.tree, start, octets);
        }
    }

    pub(super) fn set_header(&mut self, set: &Set<'_>, start: usize) {
        let ipfix = matches!(self.header, Header::Ipfix(_));
        let (what, section) = match (set.kind, ipfix) {
            (SetKind::Template, true) => ("templates", "RFC 7011, section 3.3.2"),
            (SetKind::OptionsTemplate, true) => ("options templates", "RFC 7011, section 3.3.2"),
            (SetKind::Data, true) => ("data", "RFC 7011, section 3.4.3"),
            (SetKind::Template, false) => ("templates", "RFC 3954, section 5.2"),
            (SetKind::OptionsTemplate, false) => ("options templates", "RFC 3954, section 6.1"),
            (SetKind::Data, false) => ("data", "RFC 3954, section 5.3"),
            (_, true) => ("reserved", "RFC 7011, section 3.3.2"),
            (_, false) => ("reserved", "RFC 3954, section 5.2"),
        };
        let word = |at: usize| self.octets.get(at..at + 2).unwrap_or_default();
        let stated = word(start + 2).iter().fold(0, |number, &octet| number << 8 | usize::from(octet));
        self.tree.heading(0, start, &format!("set {}: {what}, {stated} octets  [{section}]", set.id));
        let id = match set.kind {
            SetKind::Data => format!("set id = {0}  (data of template {0})", set.id),
            _ => format!("set id = {}  ({what})", set.id),
        };
        self.tree.row(1, start, word(start), &id);
        self.tree.row(
            1,
            start + 2,
            word(start + 2),
            &format!("length = {stated} octets, this header included"),
        );
        self.tell_before(start + SetHeader::LEN);
    }
}

/// What the packet is, where it was, and the columns' heading.
pub(super) fn title(tree: &mut Tree, packet: &Packet<'_>, name: &str, length: usize, exporter: Exporter) {
    tree.title(&format!("{name}, {length} octets, {}", packet.place));
    let mut facts = Vec::new();
    if exporter.port != 0 {
        facts.push(format!("from {}", SocketAddr::from(exporter)));
    }
    facts.extend(packet.received.map(|received| format!("captured at {received}")));
    facts.extend(
        packet.out_of.map(|link| format!("the payload of a frame of {link}; offsets count from its start")),
    );
    if !facts.is_empty() {
        tree.title(&facts.join(", "));
    }
    tree.title("offset  octets                     meaning  [reference]");
}

/// Octets that are not decoded.
pub(super) fn raw(tree: &mut Tree, start: usize, octets: &[u8]) {
    let shown = &octets[..octets.len().min(MAX_RAW)];
    tree.heading(1, start, &format!("{} not decoded", count(octets.len() as u64, "octet")));
    for (index, line) in shown.chunks(8).enumerate() {
        let text: String =
            line.iter().map(|&octet| if octet.is_ascii_graphic() { octet as char } else { '.' }).collect();
        tree.row(2, start + 8 * index, line, &text);
    }
    if shown.len() < octets.len() {
        tree.more(2, "..");
    }
}

/// Whether what follows a message is neither another message nor zeros that fill the datagram.
pub(super) fn is_no_message(rest: &[u8]) -> bool {
    !rest.starts_with(&ipfix::VERSION.to_be_bytes()) && rest.iter().any(|&octet| octet != 0)
}

/// Octets behind a message of `length` octets that belong to none.
pub(super) fn nobodys(tree: &mut Tree, given: &[u8], length: usize) {
    let rest = &given[length..];
    tree.heading(0, length, "behind the message");
    raw(tree, length, rest);
    tree.remark(
        Mark::Fault,
        &format!(
            "no message is in the {} at offset {length}: the header's length (offset 2) is {length}, the \
             datagram has {}, and what follows does not start like another message. The length is wrong, \
             or this is no IPFIX. They are not decoded.",
            count(rest.len() as u64, "octet"),
            given.len()
        ),
    );
}

/// A template record that withdraws templates.
pub(super) fn withdrawal(octets: &[u8], offset: usize, template_id: u16, known: usize) -> Piece {
    let mut tree = Tree::default();
    let what = match template_id {
        ipfix::TEMPLATE_SET => "all templates are withdrawn".to_owned(),
        ipfix::OPTIONS_TEMPLATE_SET => "all options templates are withdrawn".to_owned(),
        id => format!("template {id} is withdrawn"),
    };
    let known = if known == 0 { "none was known".to_owned() } else { format!("{known} known") };
    tree.heading(1, offset, &format!("{what}, {known}  [RFC 7011, section 8.1]"));
    let word = |at: usize| octets.get(at..at + 2).unwrap_or_default();
    tree.row(2, offset, word(offset), &format!("template id = {template_id}"));
    tree.row(2, offset + 2, word(offset + 2), "field count = 0  (withdrawal)");
    Piece { start: offset, end: offset + 4, tree }
}
