//! Datagrams that no exporter can be named for: dropped by the kernel, or in front of a decoding thread that is busy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use netflow_socket::UdpReceiver;

use crate::observer::SocketState;
use crate::report::{Counters, Drops};

/// The sockets of a collector, and what the kernel dropped at each, also when it is closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sockets {
    sockets: Arc<[Gauge]>,
    /// Drops of the queues that were told.
    told: Arc<Mutex<u64>>,
}

#[derive(Debug)]
struct Gauge {
    address: Option<SocketAddr>,
    receive_buffer: usize,
    socket: Weak<UdpReceiver>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// What the kernel said last; `None` when it does not tell.
    dropped: Option<u64>,
    told: u64,
}

impl Gauge {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the kernel, as long as somebody receives from the socket: what is dropped behind that was for nobody.
    fn look(&self) -> MutexGuard<'_, Counts> {
        let dropped = self.socket.upgrade().map(|socket| socket.kernel_drops());
        let mut counts = self.lock();
        if let Some(dropped) = dropped {
            counts.dropped = counts.dropped.max(dropped);
        }
        counts
    }
}

impl Sockets {
    pub(crate) fn new(sockets: &[Arc<UdpReceiver>]) -> Self {
        let gauge = |socket: &Arc<UdpReceiver>| Gauge {
            address: socket.local_address().ok(),
            receive_buffer: socket.granted_buffer(),
            socket: Arc::downgrade(socket),
            counts: Mutex::default(),
        };
        Self { sockets: sockets.iter().map(gauge).collect(), told: Arc::default() }
    }

    /// Nothing more is received from this one: looks at it for the last time.
    pub(crate) fn ends(&self, number: usize) {
        if let Some(gauge) = self.sockets.get(number) {
            drop(gauge.look());
        }
    }

    /// Drops of all sockets so far; `None` when the system does not tell.
    pub(crate) fn kernel_drops(&self) -> Option<u64> {
        self.sockets.iter().map(|gauge| gauge.look().dropped).sum()
    }

    /// The addresses that are still received from, each with what its sockets have together.
    pub(crate) fn states(&self) -> Vec<SocketState> {
        let mut states: Vec<SocketState> = Vec::new();
        for gauge in self.sockets.iter().filter(|gauge| gauge.socket.strong_count() > 0) {
            let Some(address) = gauge.address else { continue };
            let (receive_buffer, kernel_dropped) = (gauge.receive_buffer, gauge.look().dropped);
            match states.iter_mut().find(|state| state.address == address) {
                Some(state) => {
                    state.sockets += 1;
                    state.receive_buffer += receive_buffer;
                    state.kernel_dropped =
                        state.kernel_dropped.zip(kernel_dropped).map(|(sum, more)| sum + more);
                }
                None => states.push(SocketState { address, sockets: 1, receive_buffer, kernel_dropped }),
            }
        }
        states
    }

    /// What was dropped since this was asked last, by whomever: each drop is told once.
    pub(crate) fn since_told(&self, counters: &Counters) -> Drops {
        let mut drops = Drops::default();
        for gauge in self.sockets.iter() {
            let mut counts = gauge.look();
            let dropped = counts.dropped.unwrap_or(0);
            let more = dropped.saturating_sub(counts.told);
            counts.told = dropped;
            if let (1.., Some(address)) = (more, gauge.address) {
                drops.kernel.push((address, more));
            }
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = Counters::get(&counters.dropped);
        drops.queue = dropped.saturating_sub(*told);
        *told = dropped;
        drops
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::UdpSocket;

    use netflow_socket::ReceiverOptions;

    use super::*;

    #[test]
    fn each_drop_is_told_once_and_those_of_a_closed_socket_too() {
        let options = ReceiverOptions { receive_buffer: 4_096, ..ReceiverOptions::default() };
        let address = "127.0.0.1:0".parse().unwrap();
        let (bound, _) = UdpReceiver::bind_several(address, 2, &options).unwrap();
        let mut bound: Vec<_> = bound.into_iter().map(Arc::new).collect();
        let address = bound[0].local_address().unwrap();
        let (sockets, counters) = (Sockets::new(&bound), Counters::default());
        assert!(sockets.since_told(&counters).is_empty());
        let exporter = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = || {
            for _ in 0..1_000 {
                exporter.send_to(&[0; 1_000], address).unwrap();
            }
        };
        send();
        counters.count_dropped(5, 500);
        let all = sockets.kernel_drops().unwrap();
        let drops = sockets.since_told(&counters);
        assert!(all > 0);
        assert_eq!((drops.kernel.iter().map(|(_, dropped)| dropped).sum::<u64>(), drops.queue), (all, 5));
        assert!(drops.kernel.iter().all(|(at, _)| *at == address));
        assert!(sockets.since_told(&counters).is_empty());
        let [state] = &sockets.states()[..] else { panic!("one address") };
        assert_eq!((state.sockets, state.kernel_dropped), (2, Some(all)));

        send();
        (0..2).for_each(|number| sockets.ends(number));
        bound.clear();
        let more = sockets.since_told(&counters);
        assert_eq!(
            more.kernel.iter().map(|(_, dropped)| dropped).sum::<u64>(),
            sockets.kernel_drops().unwrap() - all
        );
        assert!(!more.kernel.is_empty() && sockets.states().is_empty());
    }
}
