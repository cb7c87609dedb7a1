//! The names of hosts, by reverse DNS.
//!
//! A look-up blocks for as long as the name servers like, and most addresses have no name. So look-ups
//! run in a few threads of their own, each address is asked once, what was learnt (also that there is
//! nothing to learn) is kept, and whoever asks says how long it may take. An address whose answer has
//! not come by then goes without a name; the answer is there for the next call if it comes later.
//!
//! The threads are detached: one that hangs in a look-up does not keep the process from its end.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, io};

use crossbeam_channel::{Receiver, Sender};

/// Look-ups at once, by default.
const THREADS: usize = 32;
/// Addresses that may wait for their answer: many more than are answered in any time that one waits.
const MOST_ASKED: usize = 65_536;
/// Addresses that are remembered; when there are more, answers are forgotten, and asked for again.
const MOST_KNOWN: usize = 262_144;

/// The function that finds the name of an address; an error means that it has none.
type Lookup = dyn Fn(IpAddr) -> io::Result<String> + Send + Sync;

/// Finds the names of addresses within a time limit.
pub struct Resolver {
    lookup: Arc<Lookup>,
    most_threads: usize,
    threads: usize,
    known: HashMap<IpAddr, State>,
    most_known: usize,
    /// How many of them were asked and have no answer yet.
    waiting: usize,
    most_waiting: usize,
    ask: Sender<IpAddr>,
    /// The threads' end of `ask`, kept to give to them and to empty it.
    asked: Receiver<IpAddr>,
    answer: Sender<(IpAddr, Option<String>)>,
    answers: Receiver<(IpAddr, Option<String>)>,
}

/// What is known of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Asked,
    Named(Arc<str>),
    Nameless,
}

/// The names of some addresses.
#[derive(Debug, Clone, Default)]
pub struct HostNames {
    names: HashMap<IpAddr, Arc<str>>,
    /// Addresses that have no name, or whose name servers failed.
    pub nameless: usize,
    /// Addresses whose answer had not come in time.
    pub unanswered: usize,
}

impl HostNames {
    /// No names: what to use when none are wanted.
    pub fn none() -> Self {
        Self::default()
    }

    /// The name of an address.
    pub fn get(&self, addr: IpAddr) -> Option<&str> {
        self.names.get(&addr).map(|name| &**name)
    }

    /// The name of an address, or else the address itself.
    pub fn show(&self, addr: IpAddr) -> Cow<'_, str> {
        self.get(addr).map_or_else(|| addr.to_string().into(), Cow::Borrowed)
    }

    /// How many addresses have a name.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no address has a name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl FromIterator<(IpAddr, String)> for HostNames {
    fn from_iter<T: IntoIterator<Item = (IpAddr, String)>>(names: T) -> Self {
        let names = names.into_iter().map(|(addr, name)| (addr, name.into())).collect();
        Self { names, nameless: 0, unanswered: 0 }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolver {
    /// Asks the system's resolver, 32 addresses at once. No thread is started before a name is wanted.
    pub fn new() -> Self {
        Self::with_lookup(THREADS, |addr| dns_lookup::lookup_addr(&addr).map_err(io::Error::from))
    }

    /// Asks `lookup` from at most `threads` threads at once.
    pub fn with_lookup(
        threads: usize,
        lookup: impl Fn(IpAddr) -> io::Result<String> + Send + Sync + 'static,
    ) -> Self {
        let (ask, asked) = crossbeam_channel::unbounded();
        let (answer, answers) = crossbeam_channel::unbounded();
        Self {
            lookup: Arc::new(lookup),
            most_threads: threads.max(1),
            threads: 0,
            known: HashMap::new(),
            most_known: MOST_KNOWN,
            waiting: 0,
            most_waiting: MOST_ASKED,
            ask,
            asked,
            answer,
            answers,
        }
    }

    /// The names of `addresses`, as far as they are known after `limit`.
    ///
    /// Returns as soon as every address has been answered for. Addresses may repeat. Without time nothing is
    /// asked, and of very many addresses not all are: those go without a name.
    pub fn resolve(&mut self, addresses: impl IntoIterator<Item = IpAddr>, limit: Duration) -> HostNames {
        let deadline = Instant::now().checked_add(limit);
        let wanted: HashSet<IpAddr> = addresses.into_iter().collect();
        while let Ok((addr, name)) = self.answers.try_recv() {
            self.learn(addr, name);
        }

        if self.known.len() >= self.most_known {
            self.known.retain(|_, state| *state == State::Asked);
        }

        let mut missing = 0;
        for &addr in &wanted {
            match self.known.get(&addr) {
                Some(State::Asked) => missing += 1,
                Some(_) => {}
                None if limit.is_zero() || self.waiting >= self.most_waiting => {}
                None => {
                    missing += 1;
                    self.waiting += 1;
                    self.known.insert(addr, State::Asked);
                    // The other end is held by this struct, so it is there.
                    let _ = self.ask.send(addr);
                }
            }
        }
        self.start_threads(missing);

        while missing > 0 {
            let answer = match deadline {
                Some(deadline) => self.answers.recv_deadline(deadline).ok(),
                None => self.answers.recv().ok(),
            };
            let Some((addr, name)) = answer else { break };
            self.learn(addr, name);
            missing -= usize::from(wanted.contains(&addr));
        }
        self.names_of(&wanted)
    }

    fn learn(&mut self, addr: IpAddr, name: Option<String>) {
        let state = match name {
            Some(name) => State::Named(name.into()),
            None => State::Nameless,
        };
        self.known.insert(addr, state);
        // Each question has one answer.
        self.waiting -= 1;
    }

    fn names_of(&self, wanted: &HashSet<IpAddr>) -> HostNames {
        let mut names = HostNames::default();
        for &addr in wanted {
            match self.known.get(&addr) {
                Some(State::Named(name)) => {
                    names.names.insert(addr, Arc::clone(name));
                }
                Some(State::Nameless) => names.nameless += 1,
                Some(State::Asked) | None => names.unanswered += 1,
            }
        }
        names
    }

    /// Starts threads until there is one for each of `wanted` look-ups, or as many as there may be.
    fn start_threads(&mut self, wanted: usize) {
        while self.threads < wanted.min(self.most_threads) {
            let lookup = Arc::clone(&self.lookup);
            let (asked, answer) = (self.asked.clone(), self.answer.clone());
            let work = move || {
                for addr in asked {
                    let name = lookup(addr).ok().filter(|name| is_host_name(name));
                    if answer.send((addr, name)).is_err() {
                        break;
                    }
                }
            };
            // A system that is short of threads has fewer look-ups at once, or none in time.
            if thread::Builder::new().name("resolver".to_owned()).spawn(work).is_err() {
                break;
            }
            self.threads += 1;
        }
    }
}

impl Drop for Resolver {
    /// Lets the threads end after their current look-up: nobody waits for what was not asked yet.
    fn drop(&mut self) {
        while self.asked.try_recv().is_ok() {}
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("known", &self.known.len())
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// Whether a name may be shown. It comes from whoever owns the address, and goes to a terminal.
fn is_host_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/');
    !name.is_empty() && name.len() <= 255 && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn addr(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn names_and_failures() {
        let mut resolver = Resolver::with_lookup(4, |addr| match addr.to_string().as_str() {
            "10.0.0.1" => Ok("one.example".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        });
        let names = resolver.resolve([addr(1), addr(2), addr(1)], LONG);
        assert_eq!(names.get(addr(1)), Some("one.example"));
        assert_eq!((names.len(), names.nameless, names.unanswered), (1, 1, 0));
        assert_eq!(names.show(addr(1)), "one.example");
        assert_eq!(names.show(addr(2)), "10.0.0.2");
    }

    #[test]
    fn every_address_is_asked_once() {
        let count = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&count);
        let mut resolver = Resolver::with_lookup(3, move |addr| {
            asked.fetch_add(1, Ordering::Relaxed);
            if addr.is_ipv4() { Ok(format!("host-{addr}")) } else { Err(io::ErrorKind::NotFound.into()) }
        });
        let wanted = || (0..50).map(addr).chain(["2001:db8::1".parse().unwrap()]);
        for _ in 0..3 {
            let names = resolver.resolve(wanted().chain(wanted()), LONG);
            assert_eq!((names.len(), names.nameless), (50, 1));
        }
        assert_eq!(count.load(Ordering::Relaxed), 51);
    }

    #[test]
    fn look_ups_that_hang_do_not_hold_up_the_rest() {
        let (release, hang) = crossbeam_channel::bounded::<()>(0);
        let mut resolver = Resolver::with_lookup(2, move |addr| {
            if addr == self::addr(9) {
                let _ = hang.recv();
            }
            Ok(format!("host-{addr}"))
        });
        let began = Instant::now();
        let names = resolver.resolve((0..10).map(addr), Duration::from_millis(300));
        assert!(began.elapsed() >= Duration::from_millis(300));
        assert!(began.elapsed() < LONG);
        assert_eq!((names.len(), names.unanswered), (9, 1));
        assert_eq!(names.get(addr(9)), None);

        // The late answer is there the next time.
        drop(release);
        let names = resolver.resolve([addr(9)], LONG);
        assert_eq!(names.get(addr(9)), Some("host-10.0.0.9"));
    }

    #[test]
    fn no_time_means_no_questions() {
        let (asked, questions) = crossbeam_channel::unbounded();
        let mut resolver = Resolver::with_lookup(1, move |addr| {
            let _ = asked.send(addr);
            Ok("one.example".to_owned())
        });
        let names = resolver.resolve((0..200).map(addr), Duration::ZERO);
        assert_eq!((names.is_empty(), names.unanswered, resolver.threads), (true, 200, 0));
        // What is known is told all the same.
        assert_eq!(resolver.resolve([addr(1)], LONG).len(), 1);
        assert_eq!(resolver.resolve([addr(1), addr(2)], Duration::ZERO).len(), 1);
        drop(resolver);
        assert_eq!(questions.iter().collect::<Vec<_>>(), [addr(1)]);
    }

    #[test]
    fn questions_that_wait_are_bounded() {
        let (release, hang) = crossbeam_channel::bounded::<()>(0);
        let mut resolver = Resolver::with_lookup(1, move |addr| {
            let _ = hang.recv();
            Ok(format!("host-{addr}"))
        });
        resolver.most_waiting = 10;
        for _ in 0..3 {
            let names = resolver.resolve((0..200).map(addr), Duration::from_millis(1));
            assert_eq!((names.len(), names.unanswered), (0, 200));
            assert_eq!((resolver.known.len(), resolver.waiting), (10, 10));
            assert!(resolver.asked.len() <= 10);
        }
        // When there are answers, there is room for questions.
        drop(release);
        let mut named = 0;
        while named < 200 {
            let names = resolver.resolve((0..200).map(addr), LONG);
            assert!(names.len() > named);
            named = names.len();
        }
    }

    #[test]
    fn answers_that_are_too_many_are_forgotten() {
        let mut resolver = Resolver::with_lookup(4, |addr| Ok(format!("host-{addr}")));
        resolver.most_known = 20;
        for round in 0..10 {
            let names = resolver.resolve((round * 10..round * 10 + 10).map(addr), LONG);
            assert_eq!(names.len(), 10);
            assert!(resolver.known.len() <= 30, "{}", resolver.known.len());
        }
    }

    #[test]
    fn dropping_asks_nothing_more() {
        let (began, begun) = crossbeam_channel::unbounded();
        let (release, hang) = crossbeam_channel::bounded::<()>(0);
        let mut resolver = Resolver::with_lookup(1, move |addr| {
            let _ = began.send(addr);
            let _ = hang.recv();
            Ok(String::new())
        });
        resolver.resolve((0..200).map(addr), Duration::from_millis(50));
        drop(resolver);
        drop(release);
        // The thread ends, and with it the only sender; it had taken one address, or two if it was quick.
        assert!(begun.iter().count() <= 2);
    }

    #[test]
    fn names_that_would_play_with_a_terminal_are_none() {
        let mut resolver = Resolver::with_lookup(1, |_| Ok("\u{1b}[2Jevil".to_owned()));
        assert_eq!(resolver.resolve([addr(1)], LONG).nameless, 1);
        assert!(is_host_name("a-1.b_c.example") && is_host_name("0/25.2.0.192.in-addr.arpa"));
        assert!(!is_host_name("") && !is_host_name("a b") && !is_host_name(&"a".repeat(300)));
    }

    #[test]
    fn nothing_wanted_starts_no_thread() {
        let mut resolver = Resolver::new();
        assert!(resolver.resolve([], LONG).is_empty());
        assert_eq!(resolver.threads, 0);
    }
}
