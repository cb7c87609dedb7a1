//! Copies of datagrams to several targets.
//!
//! ```text
//!                       ┌─ bounded queue ─ target
//!  socket ─ receiver ───┤
//!                       └─ bounded queue ─ target
//! ```
//!
//! A batch is shared by all targets, each of which sends in a thread of its own: one that is slow fills its own queue,
//! and what does not fit in there is dropped and counted, for this target. Before that it hurries: see
//! [`SenderOptions::coalesce`].

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use crate::batch::{Batch, Pool};
use crate::receiver::{ReceiverOptions, UdpReceiver};
use crate::sender::SenderOptions;
use crate::spoof::SpoofError;

mod outlet;
mod prefix;
mod queue;

use outlet::Outlet;
pub use prefix::{Prefix, PrefixError};
use queue::{Deadline, Queue, TargetCounters, add, get};

/// Batches that may wait for a target.
const QUEUE: usize = 4_096;
/// Empty batches whose memory is kept.
const POOL: usize = 32;
/// How often a receiver that gets nothing looks whether it is to stop.
const IDLE: Duration = Duration::from_millis(100);

/// Who gets copies, and of what.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where copies are sent.
    pub address: SocketAddr,
    /// Only what comes from one of these; all if there are none.
    pub from: Vec<Prefix>,
}

/// How a [`Forwarder`] works.
#[derive(Debug, Clone)]
pub struct ForwardOptions {
    /// Whether copies keep the source address and port; they come from this machine else.
    pub spoof: bool,
    /// Octets of datagrams that may wait for each target.
    pub queue_octets: usize,
    /// How long what waits is still sent at the end; what is left then counts as dropped.
    pub end: Duration,
    /// How datagrams are received.
    pub receiver: ReceiverOptions,
    /// How they are sent.
    pub sender: SenderOptions,
}

impl Default for ForwardOptions {
    fn default() -> Self {
        Self {
            spoof: false,
            queue_octets: 64 << 20,
            end: Duration::from_secs(5),
            receiver: ReceiverOptions::default(),
            sender: SenderOptions { send_buffer: Some(4 << 20), ..SenderOptions::default() },
        }
    }
}

/// Why forwarding cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// A socket cannot be bound.
    #[error("cannot listen on {address} (UDP): {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// What is sent to a target would be received, and sent again, for ever.
    #[error("{0} is what is listened on here: copies would go round for ever")]
    Loop(SocketAddr),
    /// The exporter's address cannot be kept.
    #[error(transparent)]
    Spoof(SpoofError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// What became of what was received so far.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ForwardReport {
    /// Datagrams that were received.
    pub received: u64,
    /// Their octets.
    pub received_octets: u64,
    /// Datagrams that the kernel dropped since the receive buffer was full; `None` when the system does not tell.
    pub kernel_dropped: Option<u64>,
    /// Datagrams that were longer than UDP allows.
    pub truncated: u64,
    /// What the system said last about a socket that it could not receive from.
    pub error: Option<String>,
    /// In the order in which they were given.
    pub targets: Vec<TargetReport>,
    /// Names of threads that failed, which is an error of this program.
    pub failed_threads: Vec<String>,
}

/// What became of the copies for one target. At the end each datagram that was received is in one of `sent`, `lost`,
/// `dropped` and `filtered`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TargetReport {
    /// The target.
    pub address: SocketAddr,
    /// Copies that the system took.
    pub sent: u64,
    /// Octets of these.
    pub sent_octets: u64,
    /// Copies that the system did not take.
    pub lost: u64,
    /// Copies that were dropped since the queue was full.
    pub dropped: u64,
    /// Datagrams that are none of this target's.
    pub filtered: u64,
    /// Times the target said that nobody listens there, at least.
    pub refused: u64,
    /// Why a copy was lost the last time.
    pub error: Option<String>,
}

/// A running forwarder.
#[derive(Debug)]
pub struct Forwarder {
    stop: Arc<AtomicBool>,
    inlets: Vec<(Arc<UdpReceiver>, Arc<InletCounters>)>,
    targets: Vec<(SocketAddr, Arc<TargetCounters>)>,
    receivers: Vec<JoinHandle<()>>,
    senders: Vec<JoinHandle<()>>,
    end: Duration,
    deadline: Arc<Deadline>,
}

impl Forwarder {
    /// Listens on addresses, and copies what comes to each of `targets`.
    ///
    /// A target that cannot be reached now is tried again every second.
    ///
    /// # Errors
    /// When an address cannot be listened on, a target is listened on here, or `spoof` is not permitted.
    pub fn start(
        listen: &[SocketAddr],
        targets: &[Target],
        options: &ForwardOptions,
    ) -> Result<Self, ForwardError> {
        let mut receivers = Vec::new();
        for &address in listen {
            let failed = |source| ForwardError::Bind { address, source };
            let receiver = UdpReceiver::bind(address, &options.receiver).map_err(failed)?;
            let bound = receiver.local_address().map_err(failed)?;
            if let Some(round) = targets.iter().find(|target| reaches(target.address, bound)) {
                return Err(ForwardError::Loop(round.address));
            }
            receivers.push(receiver);
        }
        let mut outlets = Vec::new();
        for target in targets {
            outlets.push(Outlet::open(target.address, options).map_err(ForwardError::Spoof)?);
        }

        let pool = Pool::new(POOL);
        let mut forwarder = Self {
            stop: Arc::default(),
            inlets: Vec::new(),
            targets: Vec::new(),
            receivers: Vec::new(),
            senders: Vec::new(),
            end: options.end,
            deadline: Arc::default(),
        };
        let mut queues = Vec::new();
        for (target, mut outlet) in targets.iter().zip(outlets) {
            let counters = Arc::new(TargetCounters::default());
            let (sender, batches) = bounded(QUEUE);
            let (pool, from) = (pool.clone(), target.from.clone());
            forwarder.targets.push((target.address, Arc::clone(&counters)));
            queues.push(Queue::new(sender, Arc::clone(&counters), options.queue_octets, target.from.clone()));
            let deadline = Arc::clone(&forwarder.deadline);
            let run = move || queue::send_all(&batches, &from, &mut outlet, &counters, &pool, &deadline);
            forwarder.senders.push(spawn(format!("to {}", target.address), run)?);
        }
        for receiver in receivers {
            let (receiver, counters) = (Arc::new(receiver), Arc::new(InletCounters::default()));
            forwarder.inlets.push((Arc::clone(&receiver), Arc::clone(&counters)));
            let (queues, pool, stop) = (queues.clone(), pool.clone(), Arc::clone(&forwarder.stop));
            let run = move || receive(&receiver, &queues, &pool, &counters, &stop);
            forwarder.receivers.push(spawn("receiver".into(), run)?);
        }
        Ok(forwarder)
    }

    /// Addresses that are listened on, with the port that the system chose where 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.inlets.iter().filter_map(|(receiver, _)| receiver.local_address().ok()).collect()
    }

    /// Octets of receive buffer that the system granted for each socket: see [`UdpReceiver::granted_buffer`].
    pub fn receive_buffers(&self) -> Vec<usize> {
        self.inlets.iter().map(|(receiver, _)| receiver.granted_buffer()).collect()
    }

    /// What became of what was received up to now. What waits is in none of the counts of a target.
    pub fn report(&self) -> ForwardReport {
        let mut report = ForwardReport { kernel_dropped: Some(0), ..ForwardReport::default() };
        for (receiver, counters) in &self.inlets {
            report.received += get(&counters.received);
            report.received_octets += get(&counters.octets);
            report.truncated += get(&counters.truncated);
            report.error = lock(&counters.error).clone().or(report.error);
            let dropped = receiver.kernel_drops();
            report.kernel_dropped = report.kernel_dropped.zip(dropped).map(|(sum, more)| sum + more);
        }
        report.targets = self.targets.iter().map(|(address, counters)| counters.report(*address)).collect();
        report
    }

    /// Stops receiving, sends what was received, and says what became of everything. A target that takes it too slowly does
    /// not hold that up for longer than [`ForwardOptions::end`], and a little.
    pub fn stop(mut self) -> ForwardReport {
        // It is set once only, here.
        let _ = self.deadline.set(Instant::now() + self.end);
        self.stop.store(true, Ordering::Relaxed);
        let mut failed = Vec::new();
        for thread in self.receivers.drain(..).chain(self.senders.drain(..)) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                failed.push(name);
            }
        }
        ForwardReport { failed_threads: failed, ..self.report() }
    }
}

/// What comes in at one socket.
#[derive(Debug, Default)]
struct InletCounters {
    received: AtomicU64,
    octets: AtomicU64,
    truncated: AtomicU64,
    error: Mutex<Option<String>>,
}

/// Receives until told to stop, then what is in the receive buffer.
fn receive(
    receiver: &UdpReceiver,
    queues: &[Queue],
    pool: &Pool,
    counters: &InletCounters,
    stop: &AtomicBool,
) {
    let mut inbox = receiver.inbox();
    let mut batch = pool.take();
    let hand_on = |batch: &mut Batch| {
        let full = Arc::new(std::mem::replace(batch, pool.take()));
        queues.iter().for_each(|queue| queue.offer(&full));
        queue::give_back(full, pool);
    };
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        let mut octets = 0;
        let received = inbox.receive(|datagram| {
            if !batch.has_room(datagram.payload.len()) {
                hand_on(&mut batch);
            }
            batch.push(datagram.source, datagram.time, datagram.payload);
            octets += datagram.payload.len();
        });
        match received {
            Ok(received) => add(&counters.received, received),
            // Of one datagram, or the interface went away: there may be something to receive again.
            Err(error) => {
                *lock(&counters.error) = Some(error.to_string());
                thread::sleep(Duration::from_millis(1));
            }
        }
        add(&counters.octets, octets);
        counters.truncated.store(inbox.truncated(), Ordering::Relaxed);
        if !batch.is_empty() {
            hand_on(&mut batch);
        }
        if stopping && inbox.is_at_end() {
            return;
        }
        inbox.wait(IDLE);
    }
}

/// Whether what is sent to `target` is received at `bound`.
fn reaches(target: SocketAddr, bound: SocketAddr) -> bool {
    let (to, at) = (target.ip().to_canonical(), bound.ip());
    let version = match at {
        IpAddr::V4(_) => to.is_ipv4(),
        // One that is bound to all takes IPv4, too.
        IpAddr::V6(at) => to.is_ipv6() || at.is_unspecified(),
    };
    let here = || to.is_unspecified() || UdpSocket::bind((to, 0)).is_ok();
    target.port() == bound.port() && version && (to == at.to_canonical() || at.is_unspecified() && here())
}

/// What a thread that failed left behind is as good as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ForwardError> {
    thread::Builder::new().name(name).spawn(run).map_err(ForwardError::Thread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::UdpSender;

    /// Far longer than anything here takes.
    const LONG: Duration = Duration::from_secs(60);

    fn collector() -> (UdpReceiver, SocketAddr) {
        let receiver =
            UdpReceiver::bind("127.0.0.1:0".parse().unwrap(), &ReceiverOptions::default()).unwrap();
        let address = receiver.local_address().unwrap();
        (receiver, address)
    }

    fn target(address: SocketAddr, from: &[&str]) -> Target {
        Target { address, from: from.iter().map(|prefix| prefix.parse().unwrap()).collect() }
    }

    fn start(targets: &[Target], options: &ForwardOptions) -> Result<(Forwarder, SocketAddr), ForwardError> {
        let forwarder = Forwarder::start(&["127.0.0.1:0".parse().unwrap()], targets, options)?;
        let address = forwarder.addresses()[0];
        Ok((forwarder, address))
    }

    /// An exporter with an address of its own.
    fn exporter(number: u8, to: SocketAddr) -> UdpSocket {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 8, number], 0))).unwrap();
        socket.connect(to).unwrap();
        socket
    }

    /// Sources and payloads of all that came.
    fn taken(receiver: &UdpReceiver) -> Vec<(SocketAddr, Vec<u8>)> {
        let (mut inbox, mut taken) = (receiver.inbox(), Vec::new());
        while inbox.receive(|one| taken.push((one.source, one.payload.to_vec()))).unwrap() > 0 {}
        taken
    }

    fn balance(report: &ForwardReport) {
        for target in &report.targets {
            let sum = target.sent + target.lost + target.dropped + target.filtered;
            assert_eq!(sum, report.received, "{target:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn every_target_gets_everything_in_order_unless_a_filter_says_otherwise() {
        let ((all, to_all), (some, to_some)) = (collector(), collector());
        let targets = [target(to_all, &[]), target(to_some, &["127.0.8.2", "10.0.0.0/8"])];
        let (forwarder, address) = start(&targets, &ForwardOptions::default()).unwrap();
        let exporters = [exporter(1, address), exporter(2, address)];
        let payloads: Vec<_> = (0..500).map(|number: u32| [number.to_be_bytes(); 50].concat()).collect();
        for (number, payload) in payloads.iter().enumerate() {
            exporters[number % 2].send(payload).unwrap();
        }
        exporters[1].send(&[]).unwrap();
        let report = forwarder.stop();
        assert_eq!((report.received, report.kernel_dropped), (501, Some(0)));
        assert_eq!(
            [&report.targets[0], &report.targets[1]].map(|to| (to.sent, to.filtered)),
            [(501, 0), (251, 250)]
        );
        balance(&report);
        let came = taken(&all);
        assert!(
            came.iter()
                .map(|(_, payload)| &payload[..])
                .eq(payloads.iter().map(|one| &one[..]).chain([&[][..]]))
        );
        let came: Vec<_> = taken(&some).into_iter().map(|(_, payload)| payload).collect();
        assert!(came.iter().eq(payloads.iter().skip(1).step_by(2).chain([&vec![]])));
    }

    #[test]
    fn a_target_where_nobody_listens_and_one_without_a_way_stop_nothing() {
        let (alive, to_alive) = collector();
        let (gone, to_gone) = collector();
        drop(gone);
        // A socket on the loopback interface has no way there.
        let options = ForwardOptions {
            sender: SenderOptions {
                source: Some("127.0.0.1:0".parse().unwrap()),
                ..SenderOptions::default()
            },
            ..ForwardOptions::default()
        };
        let nowhere = target("192.0.2.1:9".parse().unwrap(), &[]);
        let targets = [target(to_gone, &[]), nowhere, target(to_alive, &[])];
        let (forwarder, address) = start(&targets, &options).unwrap();
        let exporter = UdpSender::connect(address, &SenderOptions::default());
        exporter.unwrap().send((0..300).map(|_| &b"x"[..]));
        let report = forwarder.stop();
        balance(&report);
        assert_eq!((report.targets[0].sent, report.targets[0].lost), (300, 0));
        assert!(report.targets[0].refused > 0);
        assert_eq!(report.targets[1].lost, 300);
        assert!(report.targets[1].error.is_some());
        assert_eq!(taken(&alive).len(), 300);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_left_when_the_time_at_the_end_is_over_is_dropped_and_counted() {
        let (receiver, to) = collector();
        let options = ForwardOptions { end: Duration::ZERO, ..ForwardOptions::default() };
        let (forwarder, address) = start(&[target(to, &["127.0.8.1"])], &options).unwrap();
        let (wanted, other) = (exporter(1, address), exporter(2, address));
        wanted.send(b"before").unwrap();
        let since = Instant::now();
        while forwarder.report().targets[0].sent == 0 && since.elapsed() < LONG {
            thread::yield_now();
        }
        // Nothing more is sent; receiving goes on to the end of the receive buffer.
        forwarder.deadline.set(Instant::now()).unwrap();
        for _ in 0..300 {
            wanted.send(b"x").unwrap();
            other.send(b"x").unwrap();
        }
        let report = forwarder.stop();
        balance(&report);
        let counts = &report.targets[0];
        assert_eq!((report.received, counts.sent, counts.dropped, counts.filtered), (601, 1, 300, 300));
        assert_eq!(taken(&receiver).len(), 1);
    }

    #[test]
    fn what_a_full_queue_does_not_take_is_counted_for_its_target_alone() {
        let counters = || Arc::new(TargetCounters::default());
        let (slow, fast) = (counters(), counters());
        let (to_slow, slow_batches) = bounded(2);
        let (to_fast, fast_batches) = bounded(9);
        let from: Vec<Prefix> = vec!["192.0.2.0/24".parse().unwrap()];
        let queues = [
            Queue::new(to_slow, Arc::clone(&slow), 1 << 20, from.clone()),
            Queue::new(to_fast, Arc::clone(&fast), 250, Vec::new()),
        ];
        for _ in 0..4 {
            let mut batch = Batch::default();
            batch.push("192.0.2.1:1".parse().unwrap(), std::time::SystemTime::UNIX_EPOCH, &[0; 60]);
            batch.push("198.51.100.1:1".parse().unwrap(), std::time::SystemTime::UNIX_EPOCH, &[0; 40]);
            let batch = Arc::new(batch);
            queues.iter().for_each(|queue| queue.offer(&batch));
        }
        let address = "127.0.0.1:1".parse().unwrap();
        // Two places are taken; the other batches have one datagram each that it wants.
        let report = slow.report(address);
        assert_eq!((slow_batches.len(), report.dropped, report.filtered), (2, 2, 2));
        // Two batches are 200 octets, three would be more than 250.
        let report = fast.report(address);
        assert_eq!((fast_batches.len(), report.dropped, report.filtered), (2, 4, 0));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn copies_keep_their_source_where_that_is_permitted() {
        let (receiver, to) = collector();
        let options = ForwardOptions { spoof: true, ..ForwardOptions::default() };
        let (forwarder, address) = match start(&[target(to, &[])], &options) {
            Ok(started) => started,
            Err(error) => return println!("skipped: {error}"),
        };
        let exporters = [exporter(1, address), exporter(2, address)];
        exporters.iter().for_each(|exporter| _ = exporter.send(b"x").unwrap());
        let report = forwarder.stop();
        assert_eq!((report.received, report.targets[0].sent), (2, 2), "{report:?}");
        let sources: Vec<_> = taken(&receiver).into_iter().map(|(source, _)| source).collect();
        assert_eq!(sources, exporters.map(|exporter| exporter.local_addr().unwrap()));
    }

    #[test]
    fn a_target_that_is_listened_on_is_refused() {
        let port = collector().1.port();
        for (listen, to) in [
            ("127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("[::]", "127.0.0.1"),
            ("[::]", "[::1]"),
            ("0.0.0.0", "0.0.0.0"),
        ] {
            let listen = format!("{listen}:{port}").parse().unwrap();
            let to = format!("{to}:{port}").parse().unwrap();
            let refused = Forwarder::start(&[listen], &[target(to, &[])], &ForwardOptions::default());
            assert!(matches!(refused, Err(ForwardError::Loop(_))), "{listen} {to}");
        }
        let listen = format!("0.0.0.0:{port}").parse().unwrap();
        let elsewhere = format!("192.0.2.1:{port}").parse().unwrap();
        assert!(Forwarder::start(&[listen], &[target(elsewhere, &[])], &ForwardOptions::default()).is_ok());
    }

    #[test]
    fn it_stops_also_while_more_comes_and_nothing_goes_uncounted() {
        let (receiver, to) = collector();
        let (forwarder, address) = start(&[target(to, &[])], &ForwardOptions::default()).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut exporter = UdpSender::connect(address, &SenderOptions::default()).unwrap();
                while !done.load(Ordering::Relaxed) {
                    exporter.send([&[7; 100][..]; 50]);
                }
            });
            let since = Instant::now();
            while forwarder.report().received < 5_000 && since.elapsed() < LONG {
                thread::yield_now();
            }
            let report = forwarder.stop();
            done.store(true, Ordering::Relaxed);
            balance(&report);
            let came = taken(&receiver).len() as u64 + receiver.kernel_drops().unwrap_or_default();
            assert_eq!(came, report.targets[0].sent);
        });
    }
}
