//! What a session does with templates and data in every order that exporters send them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;
use std::time::Duration;

use netflow_templates::{
    Context, DataSet, Exporter, Limits, MessageSink, Problem, Session, SessionConfig, TemplateScope,
    Timestamp,
};
use netflow_wire::{
    FieldSpecifier, Foreign, Header, MessageEncoder, SetError, TemplateDefinition, WireError,
    element_id as ie, enterprise, ipfix, v5, v9,
};

mod common;

use common::{ROUTER, Told, at, decode, ipfix, lines, protocol_and_port, template, v9};

fn withdrawal(template_id: u16, options: bool) -> TemplateDefinition {
    TemplateDefinition { template_id, scope_count: 0, options, fields: Vec::new(), offset: 0 }
}

#[test]
fn data_before_their_template_in_one_packet_are_decoded_with_it() {
    let mut packet = ipfix(1);
    packet.begin_set(256).octets(&[6, 0, 80]);
    packet.begin_set(256).octets(&[17, 0, 53]);
    packet.template(&protocol_and_port(256));
    let mut session = Session::new();
    let told = decode(&mut session, &[packet.finish()]);
    assert_eq!(lines(&told), [["template 256 new", "flow 256: 6 80", "flow 256: 17 53"]]);
    assert_eq!(told[0].problems, []);
    assert_eq!(session.statistics().undecoded_sets, 0);
}

#[test]
fn data_before_their_template_wait_in_order_with_their_first_receive_time() {
    struct Times(Vec<(u64, Timestamp, u32)>);
    impl MessageSink for Times {
        fn data(&mut self, context: &Context<'_>, _set: DataSet<'_>) {
            self.0.push((context.packet, context.received, context.header.sequence().unwrap()));
        }
    }
    let mut session = Session::new();
    let mut times = Times(Vec::new());
    for (seconds, sequence) in [(0, 7), (1, 8)] {
        let header = v9::Header { sequence, ..v9::Header::default() };
        let mut packet = MessageEncoder::new(Header::V9(header));
        packet.begin_set(300).octets(&[6, 0, 80]);
        session.decode(ROUTER, at(seconds), &packet.finish(), &mut times).unwrap();
    }
    assert!(times.0.is_empty());
    assert_eq!(session.waiting().0, 2);
    let mut packet = v9(0);
    packet.template(&protocol_and_port(300));
    session.decode(ROUTER, at(2), &packet.finish(), &mut times).unwrap();
    assert_eq!(times.0, [(0, at(0), 7), (1, at(1), 8)]);
    assert_eq!(session.waiting(), (0, 0));
    assert_eq!((session.statistics().undecoded_sets, session.statistics().late_sets), (2, 2));
}

#[test]
fn a_missing_template_is_told_with_numbers_and_other_sets_are_decoded() {
    let mut packet = v9(0);
    packet.begin_set(400).octets(&[1, 2, 3, 4]);
    packet.template(&protocol_and_port(256));
    packet.begin_set(256).octets(&[6, 0, 80, 0]);
    let told = decode(&mut Session::new(), &[packet.finish()]);
    assert_eq!(lines(&told), [["template 256 new", "flow 256: 6 80"]]);
    assert_eq!(told[0].problems, [Problem::MissingTemplate { set_id: 400, length: 8, offset: 24 }]);
}

#[test]
fn template_change_under_the_same_id_replaces() {
    let mut packets = Vec::new();
    for fields in [&[(4, 1), (7, 2)][..], &[(7, 2), (4, 1)], &[(7, 2), (4, 1)]] {
        let mut packet = v9(0);
        packet.template(&template(256, fields));
        packet.begin_set(256).octets(&[6, 0, 80]);
        packets.push(packet.finish());
    }
    let told = decode(&mut Session::new(), &packets);
    assert_eq!(
        lines(&told),
        [
            ["template 256 new", "flow 256: 6 80"],
            ["template 256 new", "flow 256: 1536 80"],
            ["template 256 again", "flow 256: 1536 80"],
        ]
    );
}

#[test]
fn two_exporters_and_two_domains_have_templates_of_their_own() {
    let mut session = Session::new();
    let other = Exporter { address: "192.0.2.2".parse().unwrap(), port: 2055 };
    let sources =
        [(ROUTER, 1, [(4, 1), (7, 2)]), (ROUTER, 2, [(7, 2), (4, 1)]), (other, 1, [(4, 2), (6, 1)])];
    for (exporter, domain, fields) in sources {
        let mut packet = ipfix(domain);
        packet.template(&template(256, &fields));
        session.decode(exporter, at(0), &packet.finish(), &mut Told::default()).unwrap();
    }
    let mut told = Vec::new();
    for (exporter, domain, _) in sources {
        let mut packet = ipfix(domain);
        packet.begin_set(256).octets(&[6, 0, 80]);
        let mut sink = Told::default();
        session.decode(exporter, at(1), &packet.finish(), &mut sink).unwrap();
        told.push(sink);
    }
    assert_eq!(lines(&told), [["flow 256: 6 80"], ["flow 256: 1536 80"], ["flow 256: 1536 80"]]);
    assert_eq!(session.templates(), 3);
}

#[test]
fn v9_and_ipfix_of_one_exporter_do_not_share_templates() {
    let mut with_template = v9(0);
    with_template.template(&protocol_and_port(256));
    let mut data = ipfix(0);
    data.begin_set(256).octets(&[6, 0, 80]);
    let told = decode(&mut Session::new(), &[with_template.finish(), data.finish()]);
    assert_eq!(lines(&told)[1], Vec::<&str>::new());
}

#[test]
fn template_scope_decides_whether_ports_and_domains_share() {
    for (scope, other_port, other_domain) in [
        (TemplateScope::Session, false, false),
        (TemplateScope::Domain, true, false),
        (TemplateScope::Exporter, true, true),
    ] {
        let config = SessionConfig { template_scope: scope, ..SessionConfig::default() };
        let mut session = Session::with_config(config);
        let mut packet = ipfix(1);
        packet.template(&protocol_and_port(256));
        session.decode(ROUTER, at(0), &packet.finish(), &mut Told::default()).unwrap();
        let mut known = |port, domain| {
            let mut packet = ipfix(domain);
            packet.begin_set(256).octets(&[6, 0, 80]);
            let mut told = Told::default();
            session.decode(Exporter { port, ..ROUTER }, at(0), &packet.finish(), &mut told).unwrap();
            !told.lines.is_empty()
        };
        assert_eq!((known(40_112, 1), known(2055, 2)), (other_port, other_domain), "{scope:?}");
    }
}

#[test]
fn a_withdrawn_template_is_forgotten() {
    let mut packet = ipfix(1);
    packet
        .template(&protocol_and_port(256))
        .template(&protocol_and_port(257))
        .template(&withdrawal(256, false));
    packet.begin_set(256).octets(&[6, 0, 80]);
    packet.begin_set(257).octets(&[17, 0, 53]);
    let told = decode(&mut Session::new(), &[packet.finish()]);
    assert_eq!(
        lines(&told),
        [["template 256 new", "template 257 new", "withdrawn 256: 1", "flow 257: 17 53"]]
    );
}

#[test]
fn all_templates_or_all_options_templates_are_withdrawn_at_once() {
    let options = TemplateDefinition { scope_count: 1, options: true, ..protocol_and_port(300) };
    let mut packet = ipfix(1);
    packet.template(&protocol_and_port(256)).template(&protocol_and_port(257)).template(&options);
    packet.template(&withdrawal(2, false));
    packet.begin_set(300).octets(&[6, 0, 80]);
    packet.template(&withdrawal(3, true));
    let mut session = Session::new();
    let told = decode(&mut session, &[packet.finish()]);
    assert_eq!(told[0].lines[3..], ["withdrawn 2: 2", "options 300: 6 80", "withdrawn 3: 1"]);
    assert_eq!(session.templates(), 0);
}

#[test]
fn a_template_expires_when_it_is_not_sent_again() {
    let limits = Limits { template_lifetime: Some(Duration::from_secs(60)), ..Limits::default() };
    let mut session = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
    let mut send = |seconds, with_template: bool| {
        let mut packet = v9(0);
        if with_template {
            packet.template(&protocol_and_port(256));
        }
        packet.begin_set(256).octets(&[6, 0, 80]);
        let mut told = Told::default();
        session.decode(ROUTER, at(seconds), &packet.finish(), &mut told).unwrap();
        told.lines.iter().filter(|line| line.starts_with("flow")).count()
    };
    assert_eq!([send(0, true), send(60, false), send(61, false)], [1, 1, 0]);
    // Sent again, it decodes what waited, too.
    assert_eq!(send(62, true), 2);
}

#[test]
fn waiting_sets_are_bounded_in_age() {
    let mut session = Session::new();
    let mut data = v9(0);
    data.begin_set(256).octets(&[6, 0, 80]);
    let data = data.finish();
    session.decode(ROUTER, at(0), &data, &mut Told::default()).unwrap();
    let mut told = Told::default();
    session.decode(ROUTER, at(3_601), &data, &mut told).unwrap();
    assert_eq!(told.problems[0], Problem::GivenUp { sets: 1, octets: 7, too_old: true });
    assert_eq!(session.waiting().0, 1);
    assert_eq!((session.statistics().given_up_sets, session.statistics().given_up_octets), (1, 7));
}

#[test]
fn waiting_sets_are_bounded_in_octets_and_the_oldest_go_first() {
    let limits = Limits { pending_octets: 100_000, ..Limits::default() };
    let mut session = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
    for number in 0..2_000u16 {
        let mut packet = v9(0);
        packet.begin_set(256).octets(&[6]).octets(&number.to_be_bytes()).octets(&[0; 120]);
        session.decode(ROUTER, at(0), &packet.finish(), &mut Told::default()).unwrap();
        assert!(session.waiting_memory() < 101_000, "{}", session.waiting_memory());
    }
    let (sets, octets) = session.waiting();
    assert_eq!(octets, sets * (4 + 123), "what is told is the octets of the sets themselves");
    let mut packet = v9(0);
    packet.template(&template(256, &[(4, 1), (7, 2), (210, 120)]));
    let mut told = Told::default();
    session.decode(ROUTER, at(0), &packet.finish(), &mut told).unwrap();
    let flows: Vec<_> = told.lines.iter().filter(|line| line.starts_with("flow")).collect();
    assert!(flows[0].starts_with("flow 256: 6 1") && flows.last().unwrap().starts_with("flow 256: 6 1999 "));
    assert_eq!(flows.len() as u64 + session.statistics().given_up_sets, 2_000);
}

#[test]
fn a_flood_of_templates_is_refused_and_the_known_ones_stay() {
    let limits = Limits { templates: 10, ..Limits::default() };
    let mut session = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
    let mut packet = v9(0);
    for id in 256..300 {
        packet.template(&protocol_and_port(id));
    }
    packet.begin_set(256).octets(&[6, 0, 80]);
    let told = decode(&mut session, &[packet.finish()]);
    assert_eq!(session.templates(), 10);
    assert_eq!(told[0].problems.len(), 34);
    assert!(matches!(told[0].problems[0], Problem::TooManyTemplates { template_id: 266, templates: 10, .. }));
    assert_eq!(told[0].lines.last().unwrap(), "flow 256: 6 80");
}

#[test]
fn a_template_of_empty_fields_is_refused() {
    let mut fields = vec![(ie::PROTOCOL_IDENTIFIER, 1)];
    fields.extend([(ie::INTERFACE_NAME, 0); 9]);
    let mut packet = ipfix(0);
    packet.template(&template(256, &fields));
    fields.push((ie::INTERFACE_NAME, 0));
    packet.template(&template(257, &fields));
    packet.begin_set(256).octets(&[6]);
    let told = decode(&mut Session::new(), &[packet.finish()]);
    assert!(matches!(told[0].problems[..], [Problem::EmptyFields { template_id: 257, fields: 10, .. }]));
    assert_eq!(told[0].lines.last().unwrap(), "flow 256: 6         ");
}

#[test]
fn templates_of_made_up_exporters_make_way() {
    let limits = Limits { all_template_octets: 200_000, ..Limits::default() };
    let mut session = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
    let mut packet = v9(0);
    packet.template(&protocol_and_port(256));
    let packet = packet.finish();
    for address in 0..10_000u32 {
        let exporter = Exporter { address: Ipv4Addr::from_bits(address).into(), port: 1 };
        session.decode(exporter, at(address.into()), &packet, &mut Told::default()).unwrap();
    }
    assert!(session.templates() < 1_000, "{}", session.templates());
    assert!(session.templates() > 100, "{}", session.templates());
}

#[test]
fn options_data_say_when_the_exporter_started() {
    struct Starts(Vec<Option<Timestamp>>);
    impl MessageSink for Starts {
        fn data(&mut self, context: &Context<'_>, _set: DataSet<'_>) {
            self.0.push(context.clock.at_uptime(5_000));
        }
    }
    let options = TemplateDefinition {
        template_id: 300,
        scope_count: 1,
        options: true,
        fields: vec![
            FieldSpecifier::iana(143, 4),
            FieldSpecifier::iana(ie::SYSTEM_INIT_TIME_MILLISECONDS, 8),
        ],
        offset: 0,
    };
    let header = ipfix::Header { export_time: 1_714_564_800, ..ipfix::Header::default() };
    let mut packet = MessageEncoder::new(Header::Ipfix(header));
    packet.template(&protocol_and_port(256)).template(&options);
    packet.begin_set(256).octets(&[6, 0, 80]);
    packet.begin_set(300).octets(&[0, 0, 0, 0]).octets(&1_714_564_000_000u64.to_be_bytes());
    packet.begin_set(256).octets(&[6, 0, 80]);
    let mut starts = Starts(Vec::new());
    Session::new().decode(ROUTER, at(0), &packet.finish(), &mut starts).unwrap();
    assert_eq!(starts.0, [None, Some(Timestamp::from_secs(1_714_564_005))]);
}

#[test]
fn fixed_versions_need_no_template() {
    let header = v5::Header { count: 2, ..v5::Header::default() };
    let mut packet = MessageEncoder::new(Header::V5(header));
    for port in [80, 443] {
        packet.record(&v5::Record { src_port: port, protocol: 6, ..v5::Record::default() });
    }
    let told = decode(&mut Session::new(), &[packet.finish()]);
    assert_eq!(told[0].lines.len(), 2);
    assert_eq!(told[0].problems, []);
}

#[test]
fn a_header_that_counts_more_records_than_there_are_is_a_problem_and_whole_ones_are_decoded() {
    let header = v5::Header { count: 30, ..v5::Header::default() };
    let mut packet = MessageEncoder::new(Header::V5(header));
    packet.record(&v5::Record::default()).record(&v5::Record::default()).octets(&[0; 20]);
    let told = decode(&mut Session::new(), &[packet.finish()]);
    assert_eq!(told[0].lines.len(), 2);
    assert_eq!(told[0].problems, [Problem::Set(SetError::Count { stated: 30, found: 2, unit: "records" })]);
}

#[test]
fn octets_between_sets_that_no_length_covers_are_stepped_over_once() {
    // As MikroTik sends: a set of length 45, then three octets that are not zero, then the next set.
    let mut packet = v9(0);
    packet.template(&protocol_and_port(256));
    packet.begin_set(256).octets(&[6, 0, 80]).octets(&[0; 2]);
    let mut packet = packet.finish();
    packet.extend([0x32, 0x35, 0x56]);
    packet.extend([1, 0, 0, 8, 17, 0, 53, 0]);
    let told = decode(&mut Session::new(), &[packet]);
    assert_eq!(told[0].lines[1..], ["flow 256: 6 80", "flow 256: 17 53"]);
    assert!(matches!(told[0].problems[..], [Problem::Set(SetError::Gap { length: 3, .. })]));
}

#[test]
fn sets_that_lie_about_their_length_end_the_packet_and_nothing_before_is_lost() {
    let mut packet = v9(0);
    packet.template(&protocol_and_port(256));
    packet.begin_set(256).octets(&[6, 0, 80]);
    let good = packet.finish();
    let tail = |tail: &[u8]| [&good[..], tail].concat();
    let told = decode(
        &mut Session::new(),
        &[tail(&[1, 0, 0, 0, 9, 9, 9, 9]), tail(&[1, 0, 0, 2, 9]), tail(&[1, 0, 0xff, 0xff, 17, 0, 53])],
    );
    for packet in &told[..2] {
        assert_eq!(packet.lines[1..], ["flow 256: 6 80"]);
        assert!(matches!(packet.problems[..], [Problem::Set(SetError::Length { id: 256, .. })]));
    }
    assert_eq!(told[2].lines[1..], ["flow 256: 6 80", "flow 256: 17 53"]);
    assert!(matches!(
        told[2].problems[..],
        [Problem::Set(SetError::Truncated { length: 0xffff, left: 7, .. })]
    ));
}

#[test]
fn reverse_elements_are_no_forward_ones() {
    let mut packet = ipfix(0);
    let mut definition = protocol_and_port(256);
    definition.fields = vec![FieldSpecifier::iana(1, 4), FieldSpecifier::of(enterprise::REVERSE, 1, 4)];
    packet.template(&definition);
    packet.begin_set(256).octets(&[0, 0, 0, 9, 0, 0, 0, 5]);
    struct Names(Vec<String>);
    impl MessageSink for Names {
        fn data(&mut self, _context: &Context<'_>, set: DataSet<'_>) {
            self.0.extend(set.plan().fields().iter().map(|field| field.name().to_owned()));
        }
    }
    let mut names = Names(Vec::new());
    Session::new().decode(ROUTER, at(0), &packet.finish(), &mut names).unwrap();
    assert_eq!(names.0, ["octetDeltaCount", "reverseOctetDeltaCount"]);
}

#[test]
fn ipfix_messages_follow_each_other_in_a_stream() {
    let mut first = ipfix(0);
    first.template(&protocol_and_port(256));
    let first = first.finish();
    let mut second = ipfix(0);
    second.begin_set(256).octets(&[6, 0, 80]);
    let stream = [first.clone(), second.finish()].concat();
    let (mut session, mut told) = (Session::new(), Told::default());
    let length = session.decode(ROUTER, at(0), &stream, &mut told).unwrap();
    assert_eq!(length, first.len());
    session.decode(ROUTER, at(0), &stream[length..], &mut told).unwrap();
    assert_eq!(told.lines, ["template 256 new", "flow 256: 6 80"]);
}

#[test]
fn what_is_no_netflow_is_named() {
    let mut session = Session::new();
    let mut error = |octets: &[u8]| session.decode(ROUTER, at(0), octets, &mut Told::default()).unwrap_err();
    assert_eq!(error(&[0, 0, 0, 5, 0, 0, 0, 1, 192, 0, 2, 1]), WireError::Foreign(Foreign::Sflow(5)));
    assert_eq!(error(b"<13>Nov 21 host: hello"), WireError::Foreign(Foreign::Syslog));
    assert_eq!(error(&[0, 6, 0, 0]), WireError::UnknownVersion { version: 6 });
    assert!(matches!(error(&[0, 9, 0]), WireError::Truncated { needed: 20, left: 3, .. }));
    assert!(matches!(error(&[]), WireError::Truncated { needed: 2, left: 0, .. }));
    assert!(matches!(error(&[0]), WireError::Truncated { .. }));
    let mut v8 = vec![0, 8, 0, 0];
    v8.resize(22, 0);
    v8.extend([15, 2, 0, 0, 0, 0]);
    assert_eq!(error(&v8), WireError::UnknownAggregation { aggregation: 15 });
}
