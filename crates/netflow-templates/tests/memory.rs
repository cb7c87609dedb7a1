//! What the bounds say is what is allocated.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use netflow_templates::{Exporter, Limits, Session, SessionConfig};
use netflow_wire::element_id as ie;
use peak_alloc::PeakAlloc;

mod common;

use common::{Told, at, options_packet, v9};

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
        for number in 0..20_000u32 {
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

/// Floods a session with options records of ever new keys, of which each exporter sends some in each of some
/// domains. Returns for every 100 packets what is allocated, and what is counted for options data.
fn flood(limits: Limits, exporters: u32, domains: u32, name: usize) -> Vec<(usize, usize)> {
    let before = ALLOCATED.current_usage();
    let mut session = with_limits(limits);
    let name = &vec![b'x'; name][..];
    let mut taken = Vec::with_capacity(100);
    for number in 0..4_000u32 {
        let packet = names_and_rates(number / exporters % domains, number, name);
        session.decode(exporter(number % exporters), at(0), &packet, &mut Told::default()).unwrap();
        drop(packet);
        if number % 100 == 99 {
            taken.push((ALLOCATED.current_usage() - before, session.options().octets()));
        }
    }
    taken
}

#[test]
fn options_data_take_no_more_than_is_counted_and_that_is_bounded() {
    let _alone = alone();
    let bound = 4 << 20;
    let limits = Limits { options_octets: bound, exporter_options_octets: bound / 2, ..Limits::default() };
    let nothing = Limits { options_octets: 0, ..limits };
    for (exporters, domains, name) in [(1, 1, 8), (1, 4_000, 100), (10, 10, 50), (4_000, 1, 8), (300, 5, 1)] {
        // What else a session takes, for templates.
        let rest = flood(nothing, exporters, domains, name);
        let all = flood(limits, exporters, domains, name);
        for ((all, counted), (rest, _)) in all.into_iter().zip(rest) {
            let taken = all.saturating_sub(rest);
            assert!(counted <= bound, "{counted} of {exporters} exporters with {domains} domains");
            assert!(taken <= counted + 16_384, "{taken} octets, {counted} counted, {exporters} exporters");
            // Not so much more that the bound means nothing.
            assert!(taken >= counted / 4, "{taken} octets, {counted} counted, {exporters} exporters");
        }
    }
}
