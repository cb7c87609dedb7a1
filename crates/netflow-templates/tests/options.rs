//! What options data say, whom it is believed for, and what is kept of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;

use netflow_templates::{DomainOptions, Exporter, Found, Limits, Problem, Session, SessionConfig, Timestamp};
use netflow_wire::element_id as ie;

mod common;

use common::{ROUTER, Told, at, decode, options_packet, v9};

type Fields<'a> = Vec<(u16, &'a [u8])>;

/// One packet of each domain, with one options record.
fn said(records: &[(u32, Fields<'_>)]) -> Session {
    let mut session = Session::new();
    for (domain, record) in records {
        decode(&mut session, &[options_packet(*domain, std::slice::from_ref(record))]);
    }
    session
}

fn domain(session: &Session, domain: u32) -> DomainOptions<'_> {
    session.options().domain(ROUTER.address, domain).unwrap()
}

fn interface(index: &'static [u8], name: &'static [u8]) -> Fields<'static> {
    vec![(ie::INGRESS_INTERFACE, index), (ie::INTERFACE_NAME, name)]
}

fn general(rate: &'static [u8]) -> Fields<'static> {
    vec![(ie::EXPORTING_PROCESS_ID, &[1]), (ie::SAMPLING_INTERVAL, rate)]
}

fn of_sampler(sampler: &'static [u8], rate: &'static [u8]) -> Fields<'static> {
    vec![(ie::SELECTOR_ID, sampler), (ie::SAMPLING_INTERVAL, rate)]
}

fn of_interface(index: &'static [u8], rate: &'static [u8]) -> Fields<'static> {
    vec![(ie::INGRESS_INTERFACE, index), (ie::SAMPLING_INTERVAL, rate)]
}

/// Rate of the domain's own.
fn own(value: u64) -> Option<Found<u64>> {
    Some(Found { value, other_domain: false })
}

/// Rate of other domains.
fn others(value: u64) -> Option<Found<u64>> {
    Some(Found { value, other_domain: true })
}

#[test]
fn a_name_is_taken_from_other_domains_when_all_that_know_it_agree() {
    let mut session = said(&[
        (1, interface(&[4], b"ge4")),
        (2, interface(&[4], b"ge4")),
        (1, interface(&[5], b"ge5")),
        (2, interface(&[5], b"xe5")),
    ]);
    let names = |session: &Session, id| {
        let domain = domain(session, id);
        (domain.interface_name(4).map(str::to_owned), domain.interface_name(5).map(str::to_owned))
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(names(&session, 1), (some("ge4"), some("ge5")));
    assert_eq!(names(&session, 2), (some("ge4"), some("xe5")));
    assert_eq!(names(&session, 3), (some("ge4"), None));
    // They come to agree, and fall apart again.
    decode(&mut session, &[options_packet(2, &[interface(&[5], b"ge5")])]);
    assert_eq!(names(&session, 3), (some("ge4"), some("ge5")));
    decode(&mut session, &[options_packet(1, &[interface(&[4], b"et4")])]);
    assert_eq!(names(&session, 3), (None, some("ge5")));
}

#[test]
fn when_the_exporter_started_is_not_guessed_from_domains_that_differ() {
    let start = |millis: &'static [u8; 8]| -> Fields<'static> {
        vec![(ie::EXPORTING_PROCESS_ID, &[1]), (ie::SYSTEM_INIT_TIME_MILLISECONDS, millis)]
    };
    let session = said(&[(1, start(&[0, 0, 0, 0, 0, 0, 3, 232])), (2, start(&[0, 0, 0, 0, 0, 0, 3, 232]))]);
    assert_eq!(domain(&session, 3).system_init(), Some(Timestamp::from_secs(1)));
    let session = said(&[(1, start(&[0, 0, 0, 0, 0, 0, 3, 232])), (2, start(&[0; 8]))]);
    assert_eq!(domain(&session, 3).system_init(), None);
    assert_eq!(domain(&session, 2).system_init(), Some(Timestamp::EPOCH));
}

#[test]
fn a_sampler_that_nobody_knows_gets_no_other_samplers_rate() {
    let session = said(&[(1, of_sampler(&[1], &[100]))]);
    assert_eq!(domain(&session, 1).rate(Some(1), 0), own(100));
    assert_eq!(domain(&session, 1).rate(Some(2), 0), None);
    assert_eq!(domain(&session, 2).rate(Some(2), 0), None);
    // A record that names none, or number 0, gets the only one there is.
    for none in [None, Some(0)] {
        assert_eq!(domain(&session, 1).rate(none, 0), own(100));
        assert_eq!(domain(&session, 2).rate(none, 0), others(100));
    }
    // What was said without a sampler holds for it, too.
    let session = said(&[(1, of_sampler(&[1], &[100])), (1, general(&[50])), (1, of_interface(&[4], &[20]))]);
    assert_eq!(domain(&session, 1).rate(Some(2), 0), own(50));
    assert_eq!(domain(&session, 1).rate(Some(2), 4), own(20));
    assert_eq!(domain(&session, 2).rate(Some(2), 0), others(50));
    assert_eq!(domain(&session, 2).rate(Some(2), 4), others(20));
}

#[test]
fn a_sampler_with_number_0_is_one_where_options_data_name_it() {
    let session = said(&[(1, of_sampler(&[0], &[100])), (1, of_sampler(&[1], &[200]))]);
    assert_eq!(domain(&session, 1).rate(Some(0), 0), own(100));
    assert_eq!(domain(&session, 1).rate(None, 0), None);
}

#[test]
fn a_record_without_a_sampler_gets_the_interfaces_rate_then_the_domains_then_the_only_one() {
    let mut session = said(&[(1, of_sampler(&[1], &[100])), (1, of_interface(&[4], &[100]))]);
    assert_eq!(domain(&session, 1).rate(None, 9), own(100));
    decode(&mut session, &[options_packet(1, &[of_sampler(&[2], &[200])])]);
    assert_eq!(domain(&session, 1).rate(None, 9), None);
    assert_eq!(domain(&session, 1).rate(None, 4), own(100));
    decode(&mut session, &[options_packet(1, &[general(&[50])])]);
    assert_eq!(domain(&session, 1).rate(None, 9), own(50));
    assert_eq!(domain(&session, 1).rate(None, 4), own(100));
}

#[test]
fn a_rate_is_taken_from_other_domains_when_all_that_know_it_agree() {
    // The sampler that the record names is known to one of them, whatever the others say.
    let session = said(&[(1, of_sampler(&[1], &[100])), (2, of_sampler(&[2], &[200])), (2, general(&[50]))]);
    assert_eq!(domain(&session, 3).rate(Some(1), 0), others(100));
    assert_eq!(domain(&session, 2).rate(Some(1), 0), others(100));
    // One says 100 without a sampler, the other 50.
    assert_eq!(domain(&session, 3).rate(None, 0), None);
    // Of a sampler that they differ on nothing is known, also not what others said without one.
    let session = said(&[(1, of_sampler(&[1], &[100])), (2, of_sampler(&[1], &[200])), (4, general(&[50]))]);
    assert_eq!(domain(&session, 3).rate(Some(1), 0), None);
    assert_eq!(domain(&session, 4).rate(Some(1), 0), own(50));
    let session = said(&[(1, of_interface(&[4], &[100])), (2, of_interface(&[4], &[200]))]);
    assert_eq!(domain(&session, 3).rate(None, 4), None);
    assert_eq!(domain(&session, 3).rate(None, 5), None);
    let session = said(&[(1, general(&[100])), (2, of_sampler(&[1], &[100]))]);
    assert_eq!(domain(&session, 3).rate(None, 0), others(100));
}

#[test]
fn what_one_exporter_says_beyond_its_share_is_refused_and_the_known_stays_up_to_date() {
    let limits = Limits { exporter_options_octets: 100_000, ..Limits::default() };
    let mut session = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
    let mut refused = 0;
    for round in 0..20u8 {
        let records: Vec<_> = (0..200u8).map(|number| ([round, number], [round, number])).collect();
        let records: Vec<Fields<'_>> = records
            .iter()
            .map(|(id, rate)| vec![(ie::SELECTOR_ID, &id[..]), (ie::SAMPLING_INTERVAL, &rate[..])])
            .collect();
        let told = decode(&mut session, &[options_packet(round.into(), &records)]);
        for problem in &told[0].problems {
            let Problem::OptionsRefused { set_id: 300, refused: now, .. } = problem else {
                panic!("{problem:?}")
            };
            refused += now;
        }
        assert!(session.options().octets() <= 100_000);
    }
    assert!(refused > 2_000, "{refused}");
    assert_eq!(session.statistics().refused_options, refused);
    decode(&mut session, &[options_packet(0, &[of_sampler(&[0, 7], &[99])])]);
    assert_eq!(domain(&session, 0).rate(Some(7), 0), own(99));
}

#[test]
fn the_exporter_heard_least_recently_makes_way() {
    let limits = Limits { options_octets: 100_000, ..Limits::default() };
    let mut session = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
    let exporter = |number: u32| Exporter { address: Ipv4Addr::from_bits(number).into(), port: 1 };
    let rate = options_packet(1, &[general(&[100])]);
    let mut send = |number, packet: &[u8]| {
        let mut told = Told::default();
        session.decode(exporter(number), at(0), packet, &mut told).unwrap();
        (told.problems, session.options().octets(), session.options().exporters())
    };
    send(0, &rate);
    let mut given_up = 0;
    for number in 1..1_000 {
        let (problems, octets, exporters) = send(number, &rate);
        assert!(octets <= 100_000);
        for problem in problems {
            assert!(matches!(problem, Problem::OptionsGivenUp { exporters: 1, .. }), "{problem:?}");
            given_up += 1;
        }
        assert_eq!(exporters as u32, number + 1 - given_up);
        // The first one sends data all the time.
        send(0, &v9(1).finish());
    }
    assert_eq!(session.statistics().given_up_options, given_up.into());
    let known: Vec<_> =
        (0..1_000).filter(|&number| session.options().knows(exporter(number).address)).collect();
    assert_eq!(known[0], 0);
    assert_eq!(known[1..], (given_up + 1..1_000).collect::<Vec<_>>());
}

#[test]
fn options_data_that_say_nothing_of_use_leave_nothing_behind() {
    let record: Fields<'_> = vec![(ie::EXPORTING_PROCESS_ID, &[1]), (ie::PACKET_DELTA_COUNT, &[9])];
    let session = said(&[(1, record)]);
    assert_eq!((session.options().exporters(), session.options().octets()), (0, 0));
}
