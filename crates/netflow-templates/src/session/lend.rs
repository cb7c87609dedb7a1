//! Templates from elsewhere.

use netflow_wire::{TemplateDefinition, ipfix};

use super::{Exporter, Session, too_many_empty_fields};
use crate::plan::{Naming, Plan};
use crate::table::{DomainKey, Learned};
use crate::timestamp::Timestamp;

impl Session {
    /// Gives an exporter's observation domain a template that it did not send itself, such as one out of another
    /// capture, until it sends its own. Call it before the packet that needs it: sets that wait already are
    /// not decoded.
    ///
    /// Returns the plan that it was compiled to; `None` when a template with this id is known, when it has no
    /// fields or too many without octets, or when there is no room for it.
    pub fn lend(
        &mut self,
        exporter: Exporter,
        version: u16,
        domain: u32,
        received: Timestamp,
        definition: &TemplateDefinition,
    ) -> Option<&Plan> {
        let key = DomainKey::new(self.config.template_scope, exporter, domain, version);
        let id = definition.template_id;
        let known = self.table.find(key, id, received, self.config.limits.template_lifetime).is_some();
        if known || definition.is_withdrawal() || too_many_empty_fields(definition).is_some() {
            return None;
        }
        let naming = if version == ipfix::VERSION { Naming::Ipfix } else { Naming::V9 };
        match self.learn(exporter.address, key, naming, received, definition) {
            Learned::Refused { .. } => None,
            Learned::New | Learned::Same | Learned::Changed => self.table.plan(key, id),
        }
    }
}

#[cfg(test)]
mod tests {
    use netflow_wire::{FieldSpecifier, Header, MessageEncoder, v9};

    use super::*;
    use crate::{Context, DataSet, MessageSink};

    const EXPORTER: Exporter =
        Exporter { address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port: 2055 };

    /// Names and values of the first field of all records.
    #[derive(Default)]
    struct Values(Vec<String>);

    impl MessageSink for Values {
        fn data(&mut self, _context: &Context<'_>, set: DataSet<'_>) {
            let records = set.records().filter_map(|record| record.values().next());
            self.0.extend(records.map(|(field, value)| format!("{} {value}", field.name())));
        }
    }

    fn template(id: u16, length: u16) -> TemplateDefinition {
        let fields = vec![FieldSpecifier::iana(id, length)];
        TemplateDefinition { template_id: 256, scope_count: 0, options: false, fields, offset: 0 }
    }

    fn packet(own: Option<&TemplateDefinition>) -> Vec<u8> {
        let mut packet =
            MessageEncoder::new(Header::V9(v9::Header { source_id: 7, ..v9::Header::default() }));
        if let Some(own) = own {
            packet.template(own);
        }
        packet.begin_set(256).octets(&[0, 0, 0, 80]);
        packet.finish()
    }

    fn lend(session: &mut Session, definition: &TemplateDefinition) -> bool {
        session.lend(EXPORTER, v9::VERSION, 7, Timestamp::EPOCH, definition).is_some()
    }

    #[test]
    fn a_template_from_elsewhere_serves_until_the_exporter_sends_its_own() {
        let (mut session, mut values) = (Session::new(), Values::default());
        assert!(lend(&mut session, &template(1, 4)));
        session.decode(EXPORTER, Timestamp::EPOCH, &packet(None), &mut values).unwrap();
        session.decode(EXPORTER, Timestamp::EPOCH, &packet(Some(&template(2, 4))), &mut values).unwrap();
        session.decode(EXPORTER, Timestamp::EPOCH, &packet(None), &mut values).unwrap();
        assert_eq!(values.0, ["IN_BYTES 80", "IN_PKTS 80", "IN_PKTS 80"]);
    }

    #[test]
    fn what_the_exporter_sent_is_never_replaced() {
        let (mut session, mut values) = (Session::new(), Values::default());
        session.decode(EXPORTER, Timestamp::EPOCH, &packet(Some(&template(2, 4))), &mut values).unwrap();
        assert!(!lend(&mut session, &template(1, 4)));
        session.decode(EXPORTER, Timestamp::EPOCH, &packet(None), &mut values).unwrap();
        assert_eq!(values.0, ["IN_PKTS 80", "IN_PKTS 80"]);
    }

    #[test]
    fn templates_without_octets_are_not_lent() {
        let mut session = Session::new();
        let withdrawal = TemplateDefinition { fields: Vec::new(), ..template(1, 4) };
        let empty = TemplateDefinition { fields: vec![FieldSpecifier::iana(1, 0); 9], ..template(1, 4) };
        assert!(!lend(&mut session, &withdrawal));
        assert!(!lend(&mut session, &empty));
        assert_eq!(session.templates(), 0);
    }
}
