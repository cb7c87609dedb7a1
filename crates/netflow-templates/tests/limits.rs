//! What a session keeps of templates stays within its limits, and is counted rightly.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};

use netflow_templates::{
    Context, DataSet, Exporter, Limits, MessageSink, Problem, Session, SessionConfig, Timestamp,
};
use netflow_wire::{FieldSpecifier, Header, MessageEncoder, TemplateDefinition, ipfix};

const ROUTER: Exporter = Exporter { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port: 4739 };

#[derive(Default)]
struct Problems(Vec<Problem>);

impl MessageSink for Problems {
    fn data(&mut self, _context: &Context<'_>, _set: DataSet<'_>) {}

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        self.0.push(problem);
    }
}

fn session(limits: Limits) -> Session {
    Session::with_config(SessionConfig { limits, ..SessionConfig::default() })
}

/// A template of so many fields; of none, it withdraws.
fn template(template_id: u16, options: bool, fields: u16) -> TemplateDefinition {
    let fields = (1..=fields).map(|id| FieldSpecifier::iana(id, 4)).collect::<Vec<_>>();
    let scope_count = u16::from(options && !fields.is_empty());
    TemplateDefinition { template_id, scope_count, options, fields, offset: 0 }
}

/// Decodes a packet of these templates; returns the problems with it.
fn send(session: &mut Session, domain: u32, seconds: i64, templates: &[TemplateDefinition]) -> Vec<Problem> {
    let header = ipfix::Header { observation_domain_id: domain, ..ipfix::Header::default() };
    let mut packet = MessageEncoder::new(Header::Ipfix(header));
    for template in templates {
        packet.template(template);
    }
    let mut problems = Problems::default();
    session.decode(ROUTER, Timestamp::from_secs(seconds), &packet.finish(), &mut problems).unwrap();
    problems.0
}

/// Octets that templates of one domain take, of so many fields each.
fn octets_of(fields: &[u16]) -> usize {
    let mut session = Session::new();
    let templates: Vec<_> = (256..).zip(fields).map(|(id, &fields)| template(id, false, fields)).collect();
    send(&mut session, 0, 0, &templates);
    session.template_octets()
}

#[test]
fn a_template_that_replaces_a_stale_one_frees_its_octets_once() {
    // This limit is about the templates alone, without what is counted for their domain.
    let domain = 2 * octets_of(&[3]) - octets_of(&[3, 3]);
    let limits = Limits { template_octets: octets_of(&[8, 2]) - domain, ..Limits::default() };
    let mut session = session(limits);
    send(&mut session, 0, 0, &[template(256, false, 8), template(257, false, 2)]);
    // The limit is reached, so that what was not sent again for an hour goes: the old template 256, too.
    let problems = send(&mut session, 0, 4_000, &[template(256, false, 9)]);
    assert_eq!((problems, session.templates()), (vec![], 1));
    assert_eq!(session.template_octets(), octets_of(&[9]));
    send(&mut session, 0, 4_000, &[template(256, false, 0)]);
    assert_eq!((session.templates(), session.template_octets()), (0, 0));
}

#[test]
fn a_template_beyond_the_limit_of_all_is_refused_if_no_other_domain_can_go() {
    let limits = Limits { all_template_octets: octets_of(&[8]), ..Limits::default() };
    let mut session = session(limits);
    assert_eq!(send(&mut session, 0, 0, &[template(256, false, 8)]), []);
    assert_eq!(send(&mut session, 1, 1, &[template(256, false, 2)]), [], "domain 0 makes room");
    assert_eq!(session.template_octets(), octets_of(&[2]));
    let problems = send(&mut session, 1, 2, &[template(257, false, 8)]);
    assert!(matches!(problems[..], [Problem::TooManyTemplates { template_id: 257, templates: 1, .. }]));
    assert_eq!((session.templates(), session.template_octets()), (1, octets_of(&[2])));
}

#[test]
fn the_stalest_domains_go_and_no_more_of_them_than_it_takes() {
    let limits = Limits { all_template_octets: 4 * octets_of(&[8]), ..Limits::default() };
    let mut session = session(limits);
    for domain in 0..4 {
        send(&mut session, domain, domain.into(), &[template(256, false, 8)]);
    }
    // Domain 0 is refreshed, which makes domain 1 the stalest.
    send(&mut session, 0, 10, &[template(256, false, 8)]);
    send(&mut session, 4, 11, &[template(256, false, 8)]);
    assert_eq!((session.templates(), session.template_octets()), (4, limits.all_template_octets));
    let known = |session: &mut Session, domain| {
        let header = ipfix::Header { observation_domain_id: domain, ..ipfix::Header::default() };
        let mut packet = MessageEncoder::new(Header::Ipfix(header));
        packet.begin_set(256).octets(&[1; 32]);
        let mut problems = Problems::default();
        session.decode(ROUTER, Timestamp::from_secs(12), &packet.finish(), &mut problems).unwrap();
        problems.0.is_empty()
    };
    let known: Vec<_> = (0..5).filter(|&domain| known(&mut session, domain)).collect();
    assert_eq!(known, [0, 2, 3, 4]);
}

#[test]
fn withdrawing_all_of_one_kind_leaves_the_other() {
    let mut session = Session::new();
    let templates = [template(256, false, 2), template(257, true, 3), template(258, false, 2)];
    send(&mut session, 0, 0, &templates);
    // An id may change its kind.
    send(&mut session, 0, 0, &[template(258, true, 3)]);
    send(&mut session, 0, 0, &[template(ipfix::TEMPLATE_SET, false, 0)]);
    assert_eq!((session.templates(), session.template_octets()), (2, octets_of(&[3, 3])));
    send(&mut session, 0, 0, &[template(ipfix::OPTIONS_TEMPLATE_SET, true, 0)]);
    assert_eq!((session.templates(), session.template_octets()), (0, 0));
}
