//! What a session knows survives in a snapshot.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netflow_templates::{Exporter, Limits, Problem, Session, SessionConfig, Timestamp};
use netflow_wire::{FieldSpecifier, TemplateDefinition, element_id as ie};
use proptest::prelude::*;

use common::{ROUTER, Told, at, decode, ipfix, lines, options_packet, protocol_and_port, scoped_packet, v9};

type Packets = Vec<(Exporter, Timestamp, bool, Vec<u8>)>;

fn snapshot(session: &Session) -> Packets {
    let mut packets = Vec::new();
    session.snapshot(|packet| {
        packets.push((packet.exporter, packet.received, packet.waiting, packet.octets.to_vec()));
    });
    packets
}

fn restore(session: &mut Session, packets: &Packets) {
    for &(exporter, received, waiting, ref octets) in packets {
        let packet = netflow_templates::SnapshotPacket { exporter, received, waiting, octets };
        session.restore(packet).unwrap();
    }
}

/// Another session that knows the same; that it does is seen by its own snapshot.
fn restarted(session: &Session) -> Session {
    let packets = snapshot(session);
    let mut next = Session::new();
    restore(&mut next, &packets);
    assert_eq!(snapshot(&next), packets);
    next
}

fn data(id: u16, octets: &[u8]) -> Vec<u8> {
    let mut packet = v9(7);
    packet.begin_set(id).octets(octets);
    packet.finish()
}

fn with_template(definition: &TemplateDefinition) -> Vec<u8> {
    let mut packet = v9(7);
    packet.template(definition);
    packet.finish()
}

#[test]
fn data_are_decoded_without_their_template_being_sent_again() {
    let mut session = Session::new();
    let scope = FieldSpecifier::of(netflow_wire::enterprise::UNASSIGNED, 1, 4);
    let fields = vec![scope, FieldSpecifier::iana(ie::SAMPLING_INTERVAL, 4)];
    let options = TemplateDefinition { template_id: 257, scope_count: 1, options: true, fields, offset: 0 };
    decode(&mut session, &[with_template(&protocol_and_port(256)), with_template(&options)]);

    let mut next = restarted(&session);
    assert_eq!((next.templates(), next.statistics()), (2, Default::default()));
    let told = decode(&mut next, &[data(256, &[6, 0, 80]), data(257, &[0, 0, 0, 1, 0, 0, 0, 100])]);
    assert_eq!(lines(&told), [["flow 256: 6 80"], ["options 257: 1 100"]]);
    let rate = next.options().domain(ROUTER.address, 7).unwrap().rate(None, 0);
    assert_eq!(rate.unwrap().value, 100);
}

#[test]
fn a_template_that_is_sent_again_is_known() {
    let mut session = Session::new();
    decode(&mut session, &[with_template(&protocol_and_port(256))]);
    let mut next = restarted(&session);
    let told = decode(&mut next, &[with_template(&protocol_and_port(256))]);
    assert_eq!(lines(&told), [["template 256 again"]]);
}

#[test]
fn sets_go_on_waiting_and_are_decoded_when_their_template_comes() {
    let mut session = Session::new();
    let mut two = v9(7);
    two.begin_set(256).octets(&[6, 0, 80]).begin_set(256).octets(&[17, 0, 53]);
    decode(&mut session, &[two.finish(), data(256, &[1, 0, 0])]);

    let mut next = restarted(&session);
    assert_eq!(next.waiting(), session.waiting());
    assert_eq!(next.statistics().undecoded_sets, 3);
    let told = decode(&mut next, &[data(300, &[1]), with_template(&protocol_and_port(256))]);
    let late = [
        "flow 256: 6 80 (of packet 0)",
        "flow 256: 17 53 (of packet 0)",
        "flow 256: 1 0 (of packet 1)",
        "template 256 new",
    ];
    let mut found = told[1].lines.clone();
    found.sort_by_key(|line| line.starts_with("template"));
    assert_eq!(found, late);
    let statistics = next.statistics();
    assert_eq!((statistics.late_sets, statistics.undecoded_sets), (3, 4));
}

#[test]
fn restored_sets_are_bounded_and_grow_old_as_others() {
    let mut session = Session::new();
    decode(&mut session, &[data(256, &[6; 1_000]), data(257, &[6; 1_000])]);
    let limits = Limits { pending_octets: 1_500, ..Limits::default() };
    let mut next = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
    restore(&mut next, &snapshot(&session));
    assert_eq!((next.waiting().0, next.statistics().given_up_sets), (1, 1));
    let mut told = Told::default();
    next.decode(ROUTER, at(4_000), &with_template(&protocol_and_port(300)), &mut told).unwrap();
    assert!(matches!(told.problems[..], [Problem::GivenUp { sets: 1, too_old: true, .. }]));
}

#[test]
fn each_template_expires_by_when_it_was_last_sent_also_across_a_restart() {
    let limits = Limits { template_lifetime: Some(Duration::from_secs(600)), ..Limits::default() };
    let config = SessionConfig { limits, ..SessionConfig::default() };
    let mut session = Session::with_config(config.clone());
    let send = |session: &mut Session, seconds, packet: &[u8]| {
        let mut told = Told::default();
        session.decode(ROUTER, at(seconds), packet, &mut told).unwrap();
        told.lines
    };
    send(&mut session, 0, &with_template(&protocol_and_port(256)));
    send(&mut session, 0, &with_template(&protocol_and_port(257)));
    send(&mut session, 500, &with_template(&protocol_and_port(257)));
    let mut next = Session::with_config(config);
    restore(&mut next, &snapshot(&session));
    for session in [&mut session, &mut next] {
        assert_eq!(send(session, 600, &data(256, &[6, 0, 80])), ["flow 256: 6 80"]);
        assert!(send(session, 601, &data(256, &[6, 0, 80])).is_empty());
        assert_eq!(send(session, 1_100, &data(257, &[6, 0, 80])), ["flow 257: 6 80"]);
        assert!(send(session, 1_101, &data(257, &[6, 0, 80])).is_empty());
        // What waited is decoded when it is sent again, though it is the same.
        assert_eq!(send(session, 1_200, &with_template(&protocol_and_port(256))).len(), 2);
    }
}

#[test]
fn rates_names_and_described_elements_are_known_again() {
    let mut session = Session::new();
    let (interface, rate) = (7u32.to_be_bytes(), 512u32.to_be_bytes());
    let started = 1_700_000_000_123u64.to_be_bytes();
    let described: Vec<(u16, &[u8])> = vec![
        (ie::PRIVATE_ENTERPRISE_NUMBER, &[0, 0, 0x7f, 0xff]),
        (ie::INFORMATION_ELEMENT_ID, &[0, 9]),
        (ie::INFORMATION_ELEMENT_DATA_TYPE, &[13]),
        (ie::INFORMATION_ELEMENT_SEMANTICS, &[4]),
        (ie::INFORMATION_ELEMENT_NAME, b"rackName"),
    ];
    decode(
        &mut session,
        &[
            options_packet(1, &[vec![(ie::SAMPLER_ID, &[3]), (ie::SAMPLING_INTERVAL, &rate)]]),
            options_packet(1, &[vec![(ie::INGRESS_INTERFACE, &interface), (ie::SAMPLING_INTERVAL, &[9])]]),
            options_packet(1, &[vec![(ie::INGRESS_INTERFACE, &interface), (ie::INTERFACE_NAME, b"Gi0/7")]]),
            options_packet(2, &[vec![(ie::INGRESS_VRF_ID, &interface), (ie::VRF_NAME, "grün".as_bytes())]]),
            options_packet(2, &[vec![(ie::APPLICATION_ID, &[13, 0, 1]), (ie::APPLICATION_NAME, b"http")]]),
            options_packet(
                2,
                &[vec![(ie::OBSERVATION_DOMAIN_ID, &[0; 4]), (ie::SYSTEM_INIT_TIME_MILLISECONDS, &started)]],
            ),
            scoped_packet(1, 2, &[described]),
        ],
    );
    let mut own = ipfix(1);
    let fields = vec![FieldSpecifier::of(0x7fff, 9, 4)];
    own.template(&TemplateDefinition { template_id: 400, scope_count: 0, options: false, fields, offset: 0 });
    decode(&mut session, &[own.finish()]);

    let mut next = restarted(&session);
    let options = next.options();
    let domain = |domain| options.domain(ROUTER.address, domain).unwrap();
    assert_eq!(domain(1).rate(Some(3), 0).unwrap().value, 512);
    assert_eq!(domain(1).rate(None, 7).unwrap().value, 9);
    assert_eq!(domain(1).interface_name(7), Some("Gi0/7"));
    assert_eq!(domain(2).vrf_name(7), Some("grün"));
    assert_eq!(domain(2).application_name(13 << 56 | 1), Some("http"));
    assert_eq!(domain(2).system_init(), Some(Timestamp::from_millis(1_700_000_000_123)));
    let element = options.find_element(ROUTER.address, "rackName").unwrap();
    assert_eq!(Some(element), session.options().find_element(ROUTER.address, "rackName"));
    // The templates by which it was said again are not left behind.
    assert_eq!(next.templates(), session.templates());
    let mut packet = ipfix(1);
    packet.begin_set(400).octets(b"a-17");
    assert_eq!(lines(&decode(&mut next, &[packet.finish()])), [["flow 400: a-17"]]);
}

#[test]
fn changes_grow_with_what_is_new_and_not_with_what_is_said_again() {
    let mut session = Session::new();
    let rate = |rate| options_packet(1, &[vec![(ie::SAMPLER_ID, &[3]), (ie::SAMPLING_INTERVAL, &[rate])]]);
    let mut last = session.changes();
    for (packet, grows) in [
        (with_template(&protocol_and_port(256)), true),
        (with_template(&protocol_and_port(256)), false),
        (data(256, &[6, 0, 80]), false),
        (data(999, &[6, 0, 80]), false),
        (rate(10), true),
        (rate(10), false),
        (rate(20), true),
    ] {
        decode(&mut session, &[packet]);
        assert_eq!(session.changes() > last, grows);
        last = session.changes();
    }
}

/// Packets of templates, options data and data of a few ids, in any order.
fn packet() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let fields = prop::collection::vec((1..500u16, 0..9u16, any::<bool>()), 1..6);
    let definition = (256..260u16, fields, 0..3u16).prop_map(|(template_id, fields, scope)| {
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(id, length, own)| FieldSpecifier::of(if own { 0x7fff } else { 0 }, id, length))
            .collect();
        let scope_count = scope.min(fields.len() as u16);
        TemplateDefinition { template_id, scope_count, options: scope > 0, fields, offset: 0 }
    });
    let set = (256..262u16, prop::collection::vec(any::<u8>(), 0..60));
    (0..3u8, any::<bool>(), prop::option::of(definition), prop::collection::vec(set, 0..3)).prop_map(
        |(router, is_ipfix, definition, sets)| {
            let mut packet = if is_ipfix { ipfix(1) } else { v9(1) };
            definition.iter().for_each(|definition| _ = packet.template(definition));
            sets.iter().for_each(|(id, octets)| _ = packet.begin_set(*id).octets(octets));
            (router, packet.finish())
        },
    )
}

proptest! {
    #[test]
    fn whatever_was_decoded_a_restored_session_goes_on_alike(
        before in prop::collection::vec(packet(), 0..12),
        after in prop::collection::vec(packet(), 0..12),
    ) {
        let from = |router| Exporter { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, router)), port: 2055 };
        let mut session = Session::new();
        for (router, packet) in &before {
            session.decode(from(*router), at(1), packet, &mut Told::default()).unwrap();
        }
        let mut next = restarted(&session);
        let numbers = |line: &str| line.split(" (of").next().unwrap_or_default().to_owned();
        for (router, packet) in &after {
            let mut told = [Told::default(), Told::default()];
            session.decode(from(*router), at(2), packet, &mut told[0]).unwrap();
            next.decode(from(*router), at(2), packet, &mut told[1]).unwrap();
            let [one, other] = told.map(|told| told.lines.iter().map(|line| numbers(line)).collect::<Vec<_>>());
            prop_assert_eq!(one, other);
        }
        prop_assert_eq!(session.waiting(), next.waiting());
    }

    #[test]
    fn no_packet_does_harm_when_it_is_restored(
        octets in prop::collection::vec(any::<u8>(), 0..300), waiting: bool, version in 0..11u16, time: i64,
    ) {
        let mut octets = octets;
        if let Some(start) = octets.first_chunk_mut() {
            *start = version.to_be_bytes();
        }
        let received = Timestamp::from_nanos(time);
        let mut session = Session::new();
        let octets = octets.as_slice();
        let _ = session.restore(netflow_templates::SnapshotPacket { exporter: ROUTER, received, waiting, octets });
        snapshot(&session);
        decode(&mut session, &[with_template(&protocol_and_port(256)), data(256, &[6, 0, 80])]);
    }
}
