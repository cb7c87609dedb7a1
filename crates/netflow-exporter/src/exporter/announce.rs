//! Templates and options data: when they are sent, and in which sets.

use netflow_wire::{ipfix, v9};

use super::draft::Content;
use super::{Announcement, Exporter, OptionsFrom, Refresh, Source};
use crate::Version;

impl Exporter {
    pub(super) fn is_due(&self) -> bool {
        let Refresh { packets, interval } = self.config.refresh;
        self.announced.is_none_or(|last| {
            (packets > 0 && self.packets_since >= packets)
                || (!interval.is_zero() && self.now.saturating_since(last) >= interval)
        })
    }

    pub(super) fn announce_all(&mut self) {
        (self.announced, self.packets_since) = (Some(self.now), 0);
        let habits = self.config.habits;
        if habits.announcement != Announcement::BeforeEachSet {
            for number in 0..self.templates.len() {
                self.announce_flows(number);
            }
        }
        let elsewhere = habits.options != OptionsFrom::Same && !self.options.is_empty();
        if elsewhere {
            self.close();
            self.open();
            self.source = Source::Options;
        }
        self.put_options();
        if elsewhere || habits.announcement == Announcement::Alone {
            self.close();
            self.source = Source::Flows;
            self.open();
        }
    }

    pub(super) fn announce_flows(&mut self, number: usize) {
        let template = &mut self.templates[number];
        template.announced = true;
        let octets = std::mem::take(&mut template.announcement);
        let id = if self.config.version == Version::Ipfix { ipfix::TEMPLATE_SET } else { v9::TEMPLATE_SET };
        self.put_template(id, |out| out.extend_from_slice(&octets), octets.len());
        self.templates[number].announcement = octets;
    }

    pub(super) fn put_options(&mut self) {
        let options = std::mem::take(&mut self.options);
        let ipfix = self.config.version == Version::Ipfix;
        let id = if ipfix { ipfix::OPTIONS_TEMPLATE_SET } else { v9::OPTIONS_TEMPLATE_SET };
        for table in &options {
            let octets = &table.announcement;
            self.put_template(id, |out| out.extend_from_slice(octets), octets.len());
        }
        for table in &options {
            for (record, fits) in &table.records {
                let set = self.room(table.id, Content::Options, record.len());
                let set = self.draft.set(set);
                set.octets.extend_from_slice(record);
                set.records += 1;
                self.draft.length += record.len();
                self.draft.options += 1;
                self.statistics.cut += u64::from(!fits);
            }
        }
        self.options = options;
    }

    /// Puts a template record into the packet, or into the next one.
    pub(super) fn put_template(&mut self, id: u16, write: impl FnOnce(&mut Vec<u8>), length: usize) {
        let set = self.room(id, Content::Templates, length);
        let set = self.draft.set(set);
        write(&mut set.octets);
        set.records += 1;
        self.draft.length += length;
        self.draft.templates += 1;
    }

    /// The last set if it is for `id` and has room, else another one, in the next packet if need be.
    pub(super) fn room(&mut self, id: u16, content: Content, length: usize) -> usize {
        if let Some(set) = self.draft.last(content, id)
            && self.draft.length + length <= self.config.max_packet
        {
            return set;
        }
        if self.draft.length + self.overhead + length > self.config.max_packet && !self.draft.is_empty() {
            let source = self.source;
            self.close();
            self.open();
            self.source = source;
        }
        self.draft.begin_set(id, content, self.overhead)
    }
}
