//! What the bounds say is what is allocated.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use netflow_templates::{Exporter, Limits, Session, SessionConfig};
use netflow_wire::element_id as ie;
use peak_alloc::PeakAlloc;

mod common;

use common::{Told, at, options_packet, scoped_packet, v9};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// One test at a time: the others would be measured too.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with_limits(limits: Limits) -> Session {
    Session::with_config(SessionConfig { limits, ..SessionConfig::default() })
}

/// An exporter for each number.
fn exporter(number: u32) -> Exporter {
    Exporter { address: Ipv4Addr::from_bits(0x0a00_0000 + number).into(), port: 2055 }
}

#[test]
fn waiting_sets_take_no_more_than_is_counted() {
    let _alone = alone();
    // Under one template, and each under one of its own, which takes the most.
    for (exporters, length) in [(1, 4), (1, 1_400), (u32::MAX, 4), (u32::MAX, 100)] {
        let mut session = with_limits(Limits { pending_octets: 4 << 20, ..Limits::default() });
        let before = ALLOCATED.current_usage();
        for number in 0..16_000u32 {
            let mut packet = v9(0);
            packet.begin_set(256).octets(&vec![1; length]);
            let packet = packet.finish();
            session.decode(exporter(number % exporters), at(0), &packet, &mut Told::default()).unwrap();
            let (taken, counted) = (ALLOCATED.current_usage() - before, session.waiting_memory());
            assert!(taken <= counted + 8_192, "{taken} octets for {counted} counted, {length} each");
            assert!(counted <= (4 << 20) + 2_000, "{counted}");
        }
        assert!(session.statistics().given_up_sets > 1_000);
    }
}

/// An export packet with options records of 16 interfaces.
fn names_and_rates(domain: u32, number: u32, name: &[u8]) -> Vec<u8> {
    let keys: Vec<_> = (0..16).map(|key| (number * 16 + key).to_be_bytes()).collect();
    let record =
        |key| vec![(ie::INGRESS_INTERFACE, key), (ie::INTERFACE_NAME, name), (ie::SAMPLING_INTERVAL, key)];
    let records: Vec<_> = keys.iter().map(|key| record(&key[..])).collect();
    options_packet(domain, &records)
}

/// An export packet with descriptions of 16 elements.
fn descriptions(number: u32) -> Vec<u8> {
    let elements = (number * 16..number * 16 + 16).map(|element| (element >> 14, element as u16 & 0x3fff));
    let elements: Vec<_> = elements
        .map(|(pen, id)| {
            let name = format!("element{pen:05}x{id:05}x");
            ((1_000_000 + pen).to_be_bytes(), id.to_be_bytes(), name.into_bytes())
        })
        .collect();
    let records: Vec<_> = elements
        .iter()
        .map(|(pen, id, name)| {
            vec![
                (ie::PRIVATE_ENTERPRISE_NUMBER, &pen[..]),
                (ie::INFORMATION_ELEMENT_ID, id),
                (ie::INFORMATION_ELEMENT_NAME, name),
            ]
        })
        .collect();
    scoped_packet(1, 2, &records)
}

/// Floods a session with packets of options data, from each exporter in turn. Returns for every 100 packets what
/// is allocated, and what is counted for options data.
fn flood(limits: Limits, exporters: u32, packet: impl Fn(u32) -> Vec<u8>) -> Vec<(usize, usize)> {
    let before = ALLOCATED.current_usage();
    let mut session = with_limits(limits);
    let mut taken = Vec::with_capacity(100);
    for number in 0..1_500u32 {
        let packet = packet(number);
        session.decode(exporter(number % exporters), at(0), &packet, &mut Told::default()).unwrap();
        drop(packet);
        if number % 100 == 99 {
            taken.push((ALLOCATED.current_usage() - before, session.options().octets()));
        }
    }
    taken
}

/// Floods a session, and compares what is allocated with what is counted and with its bound.
fn check_flood(exporters: u32, packet: impl Fn(u32) -> Vec<u8>) {
    const BOUND: usize = 4 << 20;
    let limits = Limits { options_octets: BOUND, exporter_options_octets: BOUND / 2, ..Limits::default() };
    // What else a session takes, for templates.
    let rest = flood(Limits { options_octets: 0, ..limits }, exporters, &packet);
    let all = flood(limits, exporters, packet);
    for ((all, counted), (rest, _)) in all.into_iter().zip(rest) {
        let taken = all.saturating_sub(rest);
        assert!(counted <= BOUND, "{counted} of {exporters} exporters");
        assert!(taken <= counted + 16_384, "{taken} octets, {counted} counted, {exporters} exporters");
        // Not so much more that the bound means nothing.
        assert!(taken >= counted / 4, "{taken} octets, {counted} counted, {exporters} exporters");
    }
}

#[test]
fn rates_and_names_take_no_more_than_is_counted_and_that_is_bounded() {
    let _alone = alone();
    for (exporters, domains, name) in [(1, 1, 8), (1, 4_000, 100), (10, 10, 50), (4_000, 1, 8), (300, 5, 1)] {
        let name = vec![b'x'; name];
        check_flood(exporters, |number| names_and_rates(number / exporters % domains, number, &name));
    }
}

#[test]
fn descriptions_of_elements_take_no_more_than_is_counted_and_that_is_bounded() {
    let _alone = alone();
    for exporters in [1, 10, 4_000] {
        check_flood(exporters, descriptions);
    }
}
