//! The packet that is being filled.

use netflow_templates::{Clock, Timestamp};
use netflow_wire::SetHeader;

use super::habits::{Habits, Padding};

/// Octets of a set header.
pub(super) const SET_HEADER: usize = 4;

/// What a set of the packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Template records, or options template records.
    Templates,
    /// Records of the flow template of a number.
    Flows(usize),
    /// Records of options of a template.
    Options,
}

#[derive(Debug)]
pub(super) struct SetDraft {
    pub(super) id: u16,
    pub(super) content: Content,
    pub(super) records: u16,
    pub(super) octets: Vec<u8>,
}

/// The packet that is being filled: sets whose records are there, and what they come to.
#[derive(Debug)]
pub(super) struct Draft {
    /// Sets; only the first `used` are of this packet, the others are memory for the next.
    sets: Vec<SetDraft>,
    used: usize,
    /// Octets that the packet will have at most.
    pub(super) length: usize,
    pub(super) flows: u32,
    pub(super) options: u32,
    pub(super) templates: u32,
    pub(super) clock: Clock,
}

impl Draft {
    pub(super) fn new() -> Self {
        let clock = Clock { export: Timestamp::EPOCH, uptime_millis: None, system_init: None };
        Self { sets: Vec::new(), used: 0, length: 0, flows: 0, options: 0, templates: 0, clock }
    }

    pub(super) fn begin(&mut self, header: usize, clock: Clock) {
        *self = Self { sets: std::mem::take(&mut self.sets), length: header, clock, ..Self::new() };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub(super) fn sets(&self) -> &[SetDraft] {
        &self.sets[..self.used]
    }

    pub(super) fn set(&mut self, number: usize) -> &mut SetDraft {
        &mut self.sets[number]
    }

    /// Number of the last set, if it is for `content` and `id`.
    pub(super) fn last(&self, content: Content, id: u16) -> Option<usize> {
        let last = self.used.checked_sub(1)?;
        (self.sets[last].content == content && self.sets[last].id == id).then_some(last)
    }

    /// Begins a set, and returns its number. `overhead` is what it takes beside its records.
    pub(super) fn begin_set(&mut self, id: u16, content: Content, overhead: usize) -> usize {
        let number = self.used;
        if self.sets.len() == number {
            self.sets.push(SetDraft { id, content, records: 0, octets: Vec::new() });
        } else {
            let set = &mut self.sets[number];
            (set.id, set.content, set.records) = (id, content, 0);
            set.octets.clear();
        }
        self.used += 1;
        self.length += overhead;
        number
    }

    /// Appends the sets to a packet.
    pub(super) fn append_to(&self, habits: &Habits, out: &mut Vec<u8>) {
        for set in self.sets() {
            let start = out.len();
            out.extend_from_slice(&[0; SET_HEADER]);
            out.extend_from_slice(&set.octets);
            let is_data = set.content != Content::Templates;
            if is_data {
                out.resize(out.len() + usize::from(habits.more_padding), 0);
            }
            let padding = (start.wrapping_sub(out.len())) % 4;
            // As much as a record would be taken for one (RFC 7011, section 3.3.1).
            let record = set.octets.len() / usize::from(set.records.max(1));
            match habits.padding {
                Padding::Zeros if padding < record => out.resize(out.len() + padding, 0),
                Padding::Octet(octet) if padding < record => out.resize(out.len() + padding, octet),
                _ => {}
            }
            let SetHeader { id, length } = SetHeader { id: set.id, length: (out.len() - start) as u16 };
            out[start..start + 2].copy_from_slice(&id.to_be_bytes());
            out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
            if is_data {
                out.extend_from_slice(habits.behind_sets);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_shorter_than_a_record() {
        for (record, octets) in [(1, 7), (2, 10), (3, 13), (5, 20)] {
            let mut draft = Draft::new();
            let set = draft.begin_set(256, Content::Flows(0), SET_HEADER + 3);
            draft.set(set).octets.resize(3 * record, 1);
            draft.set(set).records = 3;
            let mut out = Vec::new();
            draft.append_to(&Habits { padding: Padding::Zeros, ..Habits::STANDARD }, &mut out);
            assert_eq!(out.len(), octets, "records of {record}");
        }
    }
}
