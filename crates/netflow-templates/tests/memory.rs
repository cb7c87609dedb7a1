//! What the bounds say is what is allocated.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use netflow_templates::{Exporter, Limits, Session, SessionConfig};
use peak_alloc::PeakAlloc;

mod common;

use common::{Told, at, v9};

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
