//! Messages of a connection: their templates are its own.

use std::num::NonZeroU64;

use netflow_wire::WireError;

use super::{Exporter, MessageSink, Session};
use crate::timestamp::Timestamp;

/// One transport session over TCP or SCTP. No two of a [`Session`] may have the same number, one after the other
/// neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(NonZeroU64);

impl StreamId {
    /// The first number.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The number after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

impl Session {
    /// Decodes one message of a connection, as [`decode`](Self::decode) does a datagram. Whatever the
    /// [`TemplateScope`](crate::TemplateScope), it knows the templates of its own connection alone, and these need
    /// not be sent again, until [`end_stream`](Self::end_stream) (RFC 7011, section 8).
    pub fn decode_of_stream(
        &mut self,
        stream: StreamId,
        exporter: Exporter,
        received: Timestamp,
        octets: &[u8],
        sink: &mut impl MessageSink,
    ) -> Result<usize, WireError> {
        self.decode_packet(Some(stream), exporter, received, octets, sink)
    }

    /// A connection has ended: its templates are withdrawn, and data sets that still wait for one are given up, and
    /// counted in the [statistics](Self::statistics).
    pub fn end_stream(&mut self, stream: StreamId) {
        self.table.end_stream(stream);
        while let Some(set) = self.pending.take_of_stream(stream) {
            self.statistics.given_up_sets += 1;
            self.statistics.given_up_octets += set.octets() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use netflow_wire::{FieldSpecifier, Header, MessageEncoder, TemplateDefinition, ipfix};

    use super::*;
    use crate::session::{Context, Limits, SessionConfig};
    use crate::table::TemplateScope;
    use crate::{DataSet, Problem};

    const EXPORTER: Exporter =
        Exporter { address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port: 4739 };

    /// Values of the first fields, and what had no template.
    #[derive(Default)]
    struct Seen(Vec<String>, usize);

    impl MessageSink for Seen {
        fn data(&mut self, _context: &Context<'_>, set: DataSet<'_>) {
            let records = set.records().filter_map(|record| record.values().next());
            self.0.extend(records.map(|(field, value)| format!("{} {value}", field.name())));
        }

        fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
            self.1 += usize::from(matches!(problem, Problem::MissingTemplate { .. }));
        }
    }

    fn template(element: u16) -> TemplateDefinition {
        let fields = vec![FieldSpecifier::iana(element, 4)];
        TemplateDefinition { template_id: 256, scope_count: 0, options: false, fields, offset: 0 }
    }

    fn message(domain: u32, own: Option<u16>) -> Vec<u8> {
        let header = ipfix::Header { observation_domain_id: domain, ..ipfix::Header::default() };
        let mut message = MessageEncoder::new(Header::Ipfix(header));
        if let Some(element) = own {
            message.template(&template(element));
        }
        message.begin_set(256).octets(&[0, 0, 0, 80]);
        message.finish()
    }

    #[test]
    fn each_connection_of_an_exporter_has_templates_of_its_own() {
        for template_scope in [TemplateScope::Session, TemplateScope::Domain, TemplateScope::Exporter] {
            let config = SessionConfig { template_scope, ..SessionConfig::default() };
            let (mut session, mut seen) = (Session::with_config(config), Seen::default());
            let (one, two) = (StreamId::FIRST, StreamId::FIRST.next());
            let mut of_stream = |session: &mut Session, stream, octets: Vec<u8>| {
                session.decode_of_stream(stream, EXPORTER, Timestamp::EPOCH, &octets, &mut seen).unwrap();
            };
            of_stream(&mut session, one, message(7, Some(1)));
            of_stream(&mut session, two, message(7, Some(2)));
            of_stream(&mut session, one, message(7, None));
            session.end_stream(one);
            of_stream(&mut session, two, message(7, None));
            assert_eq!(session.templates(), 1);
            session.decode(EXPORTER, Timestamp::EPOCH, &message(7, None), &mut seen).unwrap();
            let expected =
                ["octetDeltaCount 80", "packetDeltaCount 80", "octetDeltaCount 80", "packetDeltaCount 80"];
            assert_eq!((&seen.0[..], seen.1), (&expected.map(String::from)[..], 1));
        }
    }

    #[test]
    fn nothing_of_a_connection_that_ended_is_kept() {
        let (mut session, mut seen) = (Session::new(), Seen::default());
        let mut stream = StreamId::FIRST;
        let mut empty = None;
        for round in 0..100 {
            for domain in 0..3 {
                let own = (domain > 0).then_some(1);
                session
                    .decode_of_stream(stream, EXPORTER, Timestamp::EPOCH, &message(domain, own), &mut seen)
                    .unwrap();
            }
            assert_eq!((session.templates(), session.waiting().0), (2, 1));
            // What ends with the connection is nothing for another session.
            session.snapshot(|packet| panic!("{packet:?}"));
            session.end_stream(stream);
            assert_eq!((session.templates(), session.waiting_memory()), (0, 0));
            assert_eq!(session.template_octets(), *empty.get_or_insert(session.template_octets()));
            assert_eq!(session.statistics().given_up_sets, round + 1);
            stream = stream.next();
        }
    }

    #[test]
    fn a_template_that_is_sent_once_is_valid_as_long_as_the_connection() {
        let limits = Limits { template_lifetime: Some(Duration::from_secs(60)), ..Limits::default() };
        let mut session = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
        let mut seen = Seen::default();
        for (seconds, own) in [(0, Some(1)), (86_400, None)] {
            let received = Timestamp::from_secs(seconds);
            session
                .decode_of_stream(StreamId::FIRST, EXPORTER, received, &message(7, own), &mut seen)
                .unwrap();
        }
        assert_eq!((seen.0.len(), seen.1), (2, 0));
    }

    #[test]
    fn a_flood_of_datagrams_takes_no_template_from_a_connection() {
        let limits = Limits { all_template_octets: 64 << 10, ..Limits::default() };
        let mut session = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
        let mut seen = Seen::default();
        let stream = StreamId::FIRST;
        session
            .decode_of_stream(stream, EXPORTER, Timestamp::EPOCH, &message(7, Some(1)), &mut seen)
            .unwrap();
        for domain in 0..1_000 {
            session.decode(EXPORTER, Timestamp::from_secs(1), &message(domain, Some(2)), &mut seen).unwrap();
        }
        session
            .decode_of_stream(stream, EXPORTER, Timestamp::from_secs(2), &message(7, None), &mut seen)
            .unwrap();
        assert_eq!((seen.0.last().unwrap().as_str(), seen.1), ("octetDeltaCount 80", 0));
        assert!(session.template_octets() <= 64 << 10);
    }
}
