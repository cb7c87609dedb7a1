//! Templates: which ones came, how often, and which ones did not.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use netflow_templates::Timestamp;
use netflow_wire::TemplateDefinition;
use serde::Serialize;

use crate::finding::{Kind, Severity};

/// Templates kept of one observation domain.
const MOST: usize = 256;
/// Seconds without its template after which data are taken to be lost: as long as common exporters let pass
/// between two templates by default.
const LONG: f64 = 1_800.0;
/// Seconds that data may wait before that is worth a word.
const SLOW: f64 = 60.0;
/// Packets that must have a template before it is said that every one has.
const MANY: u64 = 20;

/// What is known about one template.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TemplateFacts {
    /// Template id.
    pub template_id: u16,
    /// Whether it is an options template.
    pub options: bool,
    /// Its fields; 0 when it never came.
    pub fields: usize,
    /// Data records of it, those included that had to wait.
    pub records: u64,
    /// Packets that it was in.
    pub sent: u64,
    /// Seconds between two packets with it, on average; `None` when there were fewer than two.
    pub interval: Option<f64>,
    /// Seconds from the last packet with it to the last packet; `None` when it never came.
    pub age: Option<f64>,
    /// Times that other fields came under its id.
    pub changes: u64,
    /// Data sets that still wait for it.
    pub waiting_sets: u64,
    /// Their octets.
    pub waiting_octets: u64,
    /// Data sets that waited for it, and were decoded when it came.
    pub late_sets: u64,
}

#[derive(Debug, Default)]
struct Template {
    options: bool,
    fields: usize,
    /// A hash of its fields: templates may be long, and only whether they change matters.
    fingerprint: u64,
    records: u64,
    last_data: Timestamp,
    sent: u64,
    /// Packets of the domain when it first came.
    packets_before: u64,
    last_packet: Option<u64>,
    first_sent: Timestamp,
    last_sent: Timestamp,
    changes: u64,
    waiting_sets: u64,
    waiting_octets: u64,
    waiting_since: Timestamp,
    late_sets: u64,
    longest_wait: f64,
}

impl Template {
    /// What waited is decoded.
    fn arrived(&mut self, received: Timestamp) {
        if self.waiting_sets > 0 {
            self.longest_wait =
                self.longest_wait.max(received.saturating_since(self.waiting_since).as_secs_f64());
            self.late_sets += self.waiting_sets;
            (self.waiting_sets, self.waiting_octets) = (0, 0);
        }
    }
}

/// The templates of one observation domain.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    known: BTreeMap<u16, Template>,
    /// Templates and data sets of ids that are beyond what is kept.
    pub(crate) untracked: u64,
}

impl Templates {
    fn entry(&mut self, id: u16) -> Option<&mut Template> {
        if self.known.len() >= MOST && !self.known.contains_key(&id) {
            self.untracked += 1;
            return None;
        }
        Some(self.known.entry(id).or_default())
    }

    /// A template record came, in the packet with that number in the session; `packets` of the domain came
    /// before. `usable` is whether the session took it.
    pub(crate) fn sent(
        &mut self,
        definition: &TemplateDefinition,
        packet: u64,
        packets: u64,
        received: Timestamp,
        usable: bool,
    ) {
        let Some(template) = self.entry(definition.template_id) else { return };
        let fingerprint = fingerprint(definition);
        if template.fingerprint != fingerprint {
            template.changes += u64::from(template.sent > 0);
            template.fingerprint = fingerprint;
            (template.fields, template.options) = (definition.fields.len(), definition.options);
        }
        if template.sent == 0 {
            (template.first_sent, template.packets_before) = (received, packets);
        }
        if template.last_packet != Some(packet) {
            template.sent += 1;
            template.last_packet = Some(packet);
        }
        template.last_sent = received;
        if usable {
            template.arrived(received);
        }
    }

    /// Data records of a template were decoded.
    pub(crate) fn data(&mut self, id: u16, records: usize, received: Timestamp, late: bool) {
        let Some(template) = self.entry(id) else { return };
        template.records += records as u64;
        template.last_data = template.last_data.max(received);
        if late {
            template.arrived(received);
        }
    }

    /// A data set came without its template.
    pub(crate) fn missing(&mut self, id: u16, octets: usize, received: Timestamp) {
        let Some(template) = self.entry(id) else { return };
        if template.waiting_sets == 0 {
            template.waiting_since = received;
        }
        template.waiting_sets += 1;
        template.waiting_octets += octets as u64;
    }

    pub(crate) fn facts(&self, last: Timestamp) -> Vec<TemplateFacts> {
        let facts = |(&template_id, template): (&u16, &Template)| TemplateFacts {
            template_id,
            options: template.options,
            fields: template.fields,
            records: template.records,
            sent: template.sent,
            interval: (template.sent > 1).then(|| {
                template.last_sent.saturating_since(template.first_sent).as_secs_f64()
                    / (template.sent - 1) as f64
            }),
            age: (template.sent > 0).then(|| last.saturating_since(template.last_sent).as_secs_f64()),
            changes: template.changes,
            waiting_sets: template.waiting_sets,
            waiting_octets: template.waiting_octets,
            late_sets: template.late_sets,
        };
        self.known.iter().map(facts).collect()
    }

    /// What is wrong, given how many packets came and how long that took. Over a `reliable` transport templates
    /// are sent once.
    pub(crate) fn findings(
        &self,
        packets: u64,
        observed: f64,
        reliable: bool,
        found: &mut impl FnMut(Severity, Kind),
    ) {
        for (&template_id, template) in &self.known {
            if template.waiting_sets > 0 {
                let (sets, octets) = (template.waiting_sets, template.waiting_octets);
                let severity = if observed >= LONG { Severity::Error } else { Severity::Warning };
                found(severity, Kind::MissingTemplate { template_id, sets, octets, observed });
            }
            if template.late_sets > 0 && template.longest_wait >= SLOW {
                let (sets, waited) = (template.late_sets, template.longest_wait);
                found(Severity::Notice, Kind::LateTemplate { template_id, sets, waited });
            }
            let since = template.last_data.saturating_since(template.last_sent).as_secs_f64();
            if !reliable && template.sent > 0 && template.records > 0 && since >= LONG {
                found(Severity::Warning, Kind::TemplateNotRefreshed { template_id, since });
            }
            let of = packets.saturating_sub(template.packets_before);
            if template.sent >= MANY && template.sent * 10 >= of * 9 {
                let packets = template.sent;
                found(Severity::Notice, Kind::TemplateEveryPacket { template_id, packets, of });
            }
            if template.changes > 0 {
                let changes = template.changes;
                let severity = if changes > 1 { Severity::Warning } else { Severity::Notice };
                found(severity, Kind::TemplateChanged { template_id, changes });
            }
        }
    }
}

fn fingerprint(definition: &TemplateDefinition) -> u64 {
    let mut hasher = DefaultHasher::new();
    (definition.options, definition.scope_count, &definition.fields).hash(&mut hasher);
    hasher.finish()
}
