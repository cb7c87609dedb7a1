//! Where templates came from.

use std::collections::BTreeMap;

use netflow_templates::{Exporter, Plan};

use super::input::NOBODY;

/// Templates whose origin is remembered; the oldest are forgotten.
const MAX_ORIGINS: usize = 16_384;

/// Where a template came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) template_id: u16,
    pub(super) exporter: Exporter,
    pub(super) domain: u32,
    pub(super) version: u16,
    /// Number of the export packet that sent it, from 0; none when it is borrowed.
    pub(super) packet: Option<u64>,
    /// Where that packet was.
    pub(super) place: String,
    /// Where the template record starts in it.
    pub(super) offset: usize,
}

/// Origins of the templates that are known, by the number of their plan.
#[derive(Debug, Default)]
pub(super) struct Origins(BTreeMap<u64, Origin>);

impl Origins {
    /// An exporter sent a template that was not known.
    pub(super) fn sent(&mut self, plan: u64, origin: Origin) {
        if self.0.len() >= MAX_ORIGINS && !self.0.contains_key(&plan) {
            self.0.pop_first();
        }
        self.0.insert(plan, origin);
    }

    /// A template was borrowed.
    pub(super) fn borrowed(&mut self, plan: u64, origin: Origin) {
        self.sent(plan, Origin { packet: None, ..origin });
    }

    /// Where the template of a plan came from.
    pub(super) fn of(&self, plan: &Plan) -> Option<&Origin> {
        self.0.get(&plan.id())
    }

    /// A template with this id that someone else sent, or for another domain.
    pub(super) fn elsewhere(
        &self,
        template_id: u16,
        version: u16,
        exporter: Exporter,
        domain: u32,
    ) -> Option<&Origin> {
        let like = |origin: &&Origin| (origin.template_id, origin.version) == (template_id, version);
        let others = self.0.values().rev().filter(like);
        others
            .into_iter()
            .find(|origin| (origin.exporter.address, origin.domain) != (exporter.address, domain))
    }
}

impl Origin {
    /// As seen from a packet: `this packet, offset 24`.
    pub(super) fn called(&self, packet: u64) -> String {
        let Self { place, offset, .. } = self;
        match self.packet {
            Some(own) if own == packet => format!("template of this packet, offset {offset}"),
            Some(own) => format!("template of packet {} ({place}), offset {offset}", own + 1),
            None => format!("template borrowed from {place}, offset {offset} ({})", self.whose()),
        }
    }

    /// `exporter 192.0.2.1, domain 7`.
    pub(super) fn whose(&self) -> String {
        match self.exporter {
            NOBODY => format!("domain {}", self.domain),
            exporter => format!("exporter {}, domain {}", exporter.address, self.domain),
        }
    }
}
