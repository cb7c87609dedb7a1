//! Who may send, and how much: decided for each datagram before anything of it is kept.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::Sender;
use netflow_socket::forward::Prefix;
use netflow_templates::{Limits, Timestamp};

use crate::report::{Counters, Event};

/// Exporters whose rate is known one by one; what comes from others shares one limit.
const MAX_RATES: usize = 65_536;
/// Addresses of which it is told that they were refused.
const MAX_TOLD: usize = 256;
/// Nanoseconds between two times that rates are forgotten.
const FORGET: i64 = 1_000_000_000;

/// What can be changed while a collector runs.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Exporters that are listened to: those in one of these prefixes, or all if there is none.
    pub allow: Vec<Prefix>,
    /// Datagrams a second that one exporter may send; as many may come at once.
    pub rate: Option<NonZeroU32>,
    /// Bounds of templates and of what waits for them, for each decoding thread.
    pub limits: Limits,
}

/// Why a datagram was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// Its exporter is in none of the prefixes.
    NotAllowed,
    /// Its exporter sent more than it may.
    TooFast,
}

/// The rules of a running collector: each thread looks now and then whether they changed.
#[derive(Debug, Default)]
pub(crate) struct SharedRules {
    changes: AtomicU64,
    rules: Mutex<Arc<Rules>>,
}

impl SharedRules {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { changes: AtomicU64::new(1), rules: Mutex::new(Arc::new(rules)) }
    }

    pub(crate) fn set(&self, rules: Rules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The rules, if they are others than those that were `seen`.
    pub(crate) fn changed(&self, seen: &mut u64) -> Option<Arc<Rules>> {
        let changes = self.changes.load(Ordering::Acquire);
        if changes == *seen {
            return None;
        }
        *seen = changes;
        Some(Arc::clone(&self.rules.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Lets datagrams in by the rules. Each receiving thread has its own, and gets all packets of an exporter.
#[derive(Debug)]
pub(crate) struct Gate {
    shared: Arc<SharedRules>,
    seen: u64,
    rules: Arc<Rules>,
    buckets: HashMap<IpAddr, Bucket>,
    /// Of all exporters that are too many.
    others: Bucket,
    forgotten: Timestamp,
    told: HashSet<(IpAddr, Denial)>,
}

/// What an exporter may still send: a token bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

impl Bucket {
    fn full(rate: f64, now: Timestamp) -> Self {
        Self { tokens: rate, filled: now }
    }

    /// Takes a token, if there is one. A clock that is set back fills nothing.
    fn take(&mut self, rate: f64, now: Timestamp) -> bool {
        self.tokens = self.tokens_at(rate, now);
        self.filled = now;
        let taken = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(taken));
        taken
    }

    fn tokens_at(&self, rate: f64, now: Timestamp) -> f64 {
        let seconds = now.saturating_since(self.filled).as_secs_f64();
        (self.tokens + seconds * rate).min(rate)
    }
}

impl Gate {
    pub(crate) fn new(shared: Arc<SharedRules>) -> Self {
        let mut gate = Self {
            shared,
            seen: 0,
            rules: Arc::default(),
            buckets: HashMap::new(),
            others: Bucket::full(0.0, Timestamp::EPOCH),
            forgotten: Timestamp::EPOCH,
            told: HashSet::new(),
        };
        gate.look();
        gate
    }

    /// Looks for other rules.
    pub(crate) fn look(&mut self) {
        if let Some(rules) = self.shared.changed(&mut self.seen) {
            self.rules = rules;
            self.buckets.clear();
            self.told.clear();
        }
    }

    /// Whether a datagram that was received `now` may come in. One that may not is counted, and told once for each
    /// address, up to a bound.
    #[inline]
    pub(crate) fn admits(
        &mut self,
        source: SocketAddr,
        now: Timestamp,
        counters: &Counters,
        events: &Sender<Event>,
    ) -> bool {
        if self.rules.allow.is_empty() && self.rules.rate.is_none() {
            return true;
        }
        let exporter = source.ip().to_canonical();
        let Some(refusal) = self.refusal(exporter, now) else { return true };
        let counter = match refusal {
            Denial::NotAllowed => &counters.not_allowed,
            Denial::TooFast => &counters.too_fast,
        };
        Counters::add(counter, 1);
        if self.told.len() < MAX_TOLD && self.told.insert((exporter, refusal)) {
            let _ = events.try_send(Event::Denied { exporter, refusal });
        }
        false
    }

    /// Whether an exporter is listened to at all.
    pub(crate) fn allows(&self, exporter: IpAddr) -> bool {
        let allow = &self.rules.allow;
        allow.is_empty() || allow.iter().any(|prefix| prefix.contains(exporter))
    }

    fn refusal(&mut self, exporter: IpAddr, now: Timestamp) -> Option<Denial> {
        if !self.allows(exporter) {
            return Some(Denial::NotAllowed);
        }
        let rate = f64::from(self.rules.rate?.get());
        let taken = self.bucket(exporter, rate, now).take(rate, now);
        (!taken).then_some(Denial::TooFast)
    }

    fn bucket(&mut self, exporter: IpAddr, rate: f64, now: Timestamp) -> &mut Bucket {
        if self.buckets.len() >= MAX_RATES && !self.buckets.contains_key(&exporter) {
            // A full bucket says nothing that a new one would not say.
            if now.as_nanos().abs_diff(self.forgotten.as_nanos()) >= FORGET as u64 {
                self.forgotten = now;
                self.buckets.retain(|_, bucket| bucket.tokens_at(rate, now) < rate);
            }
            if self.buckets.len() >= MAX_RATES {
                return &mut self.others;
            }
        }
        self.buckets.entry(exporter).or_insert_with(|| Bucket::full(rate, now))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use crossbeam_channel::{Receiver, unbounded};

    use super::*;

    struct Door {
        gate: Gate,
        counters: Counters,
        events: (Sender<Event>, Receiver<Event>),
    }

    impl Door {
        fn new(allow: &[&str], rate: u32) -> Self {
            let allow = allow.iter().map(|prefix| prefix.parse().unwrap()).collect();
            let rules = Rules { allow, rate: NonZeroU32::new(rate), ..Rules::default() };
            let gate = Gate::new(Arc::new(SharedRules::new(rules)));
            Self { gate, counters: Counters::default(), events: unbounded() }
        }

        fn admits(&mut self, source: IpAddr, millis: i64) -> bool {
            let now = Timestamp::from_nanos(millis * 1_000_000);
            self.gate.admits((source, 2_055).into(), now, &self.counters, &self.events.0)
        }
    }

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    #[test]
    fn without_rules_everybody_comes_in() {
        let mut door = Door::new(&[], 0);
        assert!((0..1_000).all(|number| door.admits(address(number), 0)));
        assert!(door.gate.buckets.is_empty());
    }

    #[test]
    fn who_is_in_no_prefix_is_counted_and_told_once() {
        let mut door = Door::new(&["192.0.2.0/24", "2001:db8::/32"], 0);
        assert!(door.admits("192.0.2.9".parse().unwrap(), 0));
        assert!(door.admits("::ffff:192.0.2.9".parse().unwrap(), 0));
        assert!(door.admits("2001:db8::1".parse().unwrap(), 0));
        for _ in 0..3 {
            assert!(!door.admits("198.51.100.1".parse().unwrap(), 0));
        }
        assert_eq!(Counters::get(&door.counters.not_allowed), 3);
        let told: Vec<_> = door.events.1.try_iter().collect();
        assert!(
            matches!(told[..], [Event::Denied { exporter, refusal: Denial::NotAllowed }]
                if exporter.to_string() == "198.51.100.1"),
            "{told:?}"
        );
        assert!((0..10_000).all(|number| !door.admits(address(number), 0)));
        assert!(door.events.1.len() < MAX_TOLD);
    }

    #[test]
    fn an_exporter_sends_at_its_rate_and_no_other_pays_for_it() {
        let mut door = Door::new(&[], 10);
        let taken = (0..100).filter(|_| door.admits(address(1), 0)).count();
        assert_eq!(taken, 10);
        assert!(door.admits(address(2), 0));
        // A hundred packets in each of the next ten seconds.
        let taken = (0..1_000).filter(|number| door.admits(address(1), number * 10)).count();
        assert!((99..=100).contains(&taken), "{taken}");
        assert_eq!(Counters::get(&door.counters.too_fast), 90 + 1_000 - taken as u64);
        // Back in time nothing is gained, nor for ever lost.
        assert!(!door.admits(address(1), -1_000_000));
        assert!(door.admits(address(1), -900_000));
    }

    #[test]
    fn rates_of_made_up_exporters_are_bounded() {
        let mut door = Door::new(&[], 2);
        let most = MAX_RATES as u32;
        for number in 0..most + 1_000 {
            door.admits(address(number), 1);
        }
        assert_eq!(door.gate.buckets.len(), MAX_RATES);
        assert!(Counters::get(&door.counters.too_fast) >= 998);
        // When they are quiet again they are forgotten.
        assert!(door.admits(address(most + 5_000), 10_000));
        assert_eq!(door.gate.buckets.len(), 1);
    }

    #[test]
    fn other_rules_hold_when_they_are_looked_for() {
        let mut door = Door::new(&["192.0.2.0/24"], 0);
        assert!(!door.admits(address(1), 0));
        door.gate.shared.set(Rules { allow: vec!["10.0.0.0/8".parse().unwrap()], ..Rules::default() });
        door.gate.look();
        assert!(door.admits(address(1), 0) && !door.admits("192.0.2.9".parse().unwrap(), 0));
    }
}
