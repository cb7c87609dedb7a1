//! Receivers: from sockets to shards.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};
use netflow_socket::{Inbox, UdpReceiver};
use netflow_templates::{Exporter, StreamId, Timestamp};

use crate::admission::Gate;
use crate::assignment::Assignment;
use crate::drops::Sockets;
use crate::observer::Board;
use crate::report::{Counters, Event};

/// How often a receiver that gets nothing looks whether it is to stop.
const IDLE: Duration = Duration::from_millis(100);

/// What is noted of a datagram, or of a message of a connection, on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) time: Timestamp,
    pub(crate) way: Way,
}

/// How octets came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Datagram,
    Stream(StreamId),
    /// No octets: the connection has ended.
    EndOfStream(StreamId),
}

impl Arrival {
    pub(crate) fn of_datagram(time: Timestamp) -> Self {
        Self { time, way: Way::Datagram }
    }
}

/// Datagrams and messages on their way from a receiver to a shard.
pub(crate) type Batch = netflow_socket::Batch<Arrival>;
/// Batches that shards are done with, for receivers to fill.
pub(crate) type Pool = netflow_socket::Pool<Arrival>;

/// The ways to the shards. All packets of an exporter go the same way, so that its templates and its data
/// meet.
#[derive(Clone)]
pub(crate) struct Shards {
    senders: Vec<Sender<Batch>>,
    pool: Pool,
    boards: Vec<Arc<Board>>,
    assignment: Assignment,
}

impl Shards {
    pub(crate) fn new(senders: Vec<Sender<Batch>>, pool: Pool, boards: Vec<Arc<Board>>) -> Self {
        let assignment = Assignment::new(senders.len());
        Self { senders, pool, boards, assignment }
    }

    /// One empty batch for each shard.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.senders.iter().map(|_| self.empty()).collect()
    }

    /// An empty batch.
    pub(crate) fn empty(&self) -> Batch {
        self.pool.take()
    }

    /// The shard of an exporter.
    pub(crate) fn of(&mut self, source: SocketAddr) -> usize {
        self.assignment.of(Exporter::from(source).address)
    }

    /// Hands a batch on, and waits while the shard is busy. What a shard that is gone does not take is counted.
    pub(crate) fn send(&self, shard: usize, batch: Batch, counters: &Counters) {
        if let Err(lost) = self.senders[shard].send(batch) {
            counters.count_dropped(lost.0.len(), lost.0.octets());
        }
        self.note_waiting(shard);
    }

    /// Hands a batch on, unless the shard is busy: then it stays. What a shard that is gone does not take is counted.
    pub(crate) fn try_send(&self, shard: usize, batch: &mut Batch, counters: &Counters) {
        let full = std::mem::replace(batch, self.empty());
        match self.senders[shard].try_send(full) {
            Ok(()) => {}
            Err(TrySendError::Full(kept)) => self.pool.give(std::mem::replace(batch, kept)),
            Err(TrySendError::Disconnected(lost)) => counters.count_dropped(lost.len(), lost.octets()),
        }
        self.note_waiting(shard);
    }

    /// Whether so much waits for a shard already that it pays to gather more before the next batch.
    fn is_behind(&self, shard: usize) -> bool {
        let sender = &self.senders[shard];
        sender.capacity().is_some_and(|most| sender.len() >= most.div_ceil(4))
    }

    fn note_waiting(&self, shard: usize) {
        if let Some(board) = self.boards.get(shard) {
            board.waiting.store(self.senders[shard].len(), Ordering::Relaxed);
        }
    }
}

/// Takes datagrams from a socket and gives each to the shard of its exporter.
pub(crate) struct Receiver {
    pub(crate) socket: Arc<UdpReceiver>,
    /// All sockets, and which of them this one is.
    pub(crate) sockets: Sockets,
    pub(crate) number: usize,
    pub(crate) shards: Shards,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) events: Sender<Event>,
    pub(crate) gate: Gate,
}

impl Receiver {
    /// Receives until told to stop, then what is in the receive buffer.
    ///
    /// While a shard is busy, or behind, its batch grows, up to [`Batch::MAX_OCTETS`]; what does not fit
    /// is dropped, and counted.
    pub(crate) fn run(mut self) {
        let socket = Arc::clone(&self.socket);
        let mut inbox = socket.inbox();
        let mut batches = self.shards.batches();
        loop {
            let stopping = self.stop.load(Ordering::Relaxed);
            if let Err(error) = self.receive(&mut inbox, &mut batches) {
                self.failed(error);
            }
            self.hand_on(&mut batches);
            if stopping && inbox.is_at_end() {
                for (shard, batch) in batches.into_iter().enumerate().filter(|(_, batch)| !batch.is_empty()) {
                    self.shards.send(shard, batch, &self.counters);
                }
                return self.sockets.ends(self.number);
            }
            inbox.wait(IDLE);
        }
    }

    /// Takes what there is, some dozens at most.
    fn receive(&mut self, inbox: &mut Inbox<'_>, batches: &mut [Batch]) -> io::Result<()> {
        let mut octets = 0;
        self.gate.look();
        let received = inbox.receive(|datagram| {
            let length = datagram.payload.len();
            octets += length;
            let time = datagram.time.into();
            if !self.gate.admits(datagram.source, time, &self.counters, &self.events) {
                return;
            }
            let shard = self.shards.of(datagram.source);
            let batch = &mut batches[shard];
            if !batch.has_room(length) {
                self.shards.try_send(shard, batch, &self.counters);
            }
            if batch.has_room(length) {
                batch.push(datagram.source, Arrival::of_datagram(time), datagram.payload);
            } else {
                self.counters.count_dropped(1, length);
            }
        })?;
        self.count(received, octets);
        Ok(())
    }

    fn count(&self, datagrams: usize, octets: usize) {
        Counters::add(&self.counters.received, datagrams);
        Counters::add(&self.counters.received_octets, octets);
    }

    fn hand_on(&self, batches: &mut [Batch]) {
        for (shard, batch) in batches.iter_mut().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            // What waits is bounded in batches: large ones outlast a longer pause.
            if batch.octets() >= Batch::MAX_OCTETS / 2 || !self.shards.is_behind(shard) {
                self.shards.try_send(shard, batch, &self.counters);
            }
        }
    }

    /// A socket's error is of one datagram (an ICMP message that came back), or the interface went away:
    /// tell, and go on when there may be something to receive again.
    fn failed(&self, error: io::Error) {
        if let Ok(address) = self.socket.local_address() {
            let _ = self.events.try_send(Event::Socket { address, error });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use crossbeam_channel::{Receiver as Batches, bounded};
    use netflow_socket::ReceiverOptions;

    use super::*;

    const MAX_OCTETS: usize = Batch::MAX_OCTETS;

    /// A receiver for one shard, which takes nothing by itself, and somebody who sends to it.
    fn receiver(queue: usize) -> (Receiver, Batches<Batch>, UdpSocket) {
        let (sender, batches) = bounded(queue);
        let socket = UdpReceiver::bind("127.0.0.1:0".parse().unwrap(), &ReceiverOptions::default()).unwrap();
        let exporter = UdpSocket::bind("127.0.0.1:0").unwrap();
        exporter.connect(socket.local_address().unwrap()).unwrap();
        let receiver = Receiver {
            socket: Arc::new(socket),
            sockets: Sockets::default(),
            number: 0,
            shards: Shards::new(vec![sender], Pool::new(1), vec![Arc::default()]),
            counters: Arc::default(),
            stop: Arc::default(),
            events: bounded(1).0,
            gate: Gate::new(Arc::default()),
        };
        (receiver, batches, exporter)
    }

    #[test]
    fn what_a_busy_shard_does_not_take_is_kept_up_to_a_bound_and_then_counted() {
        const LENGTH: usize = 10_000;
        let (mut receiver, batches, exporter) = receiver(2);
        let socket = Arc::clone(&receiver.socket);
        let (mut inbox, mut filling) = (socket.inbox(), receiver.shards.batches());
        let rounds = 4 * MAX_OCTETS / LENGTH;
        for _ in 0..rounds {
            exporter.send(&[0; LENGTH]).unwrap();
            receiver.receive(&mut inbox, &mut filling).unwrap();
            receiver.hand_on(&mut filling);
            assert!(filling[0].octets() <= MAX_OCTETS);
        }
        let get = |counter: &std::sync::atomic::AtomicU64| Counters::get(counter) as usize;
        assert_eq!(get(&receiver.counters.received), rounds);
        // The first went at once, the second when it was worth while; the third batch is as full as may be.
        let kept = filling[0].len();
        assert!((MAX_OCTETS / LENGTH - 2..=MAX_OCTETS / LENGTH).contains(&kept), "{kept}");

        // When the shard takes one, what was kept is handed on.
        assert_eq!(batches.recv().unwrap().len(), 1);
        receiver.hand_on(&mut filling);
        assert!(filling[0].is_empty());
        let taken: Vec<_> = batches.try_iter().map(|batch| batch.len()).collect();
        let half = MAX_OCTETS / 2 / LENGTH;
        assert!((half..=half + 1).contains(&taken[0]), "{taken:?}");
        assert_eq!(taken[1..], [kept]);
        let dropped = rounds - 1 - taken[0] - kept;
        assert_eq!(get(&receiver.counters.dropped), dropped);
        assert_eq!(get(&receiver.counters.dropped_octets), dropped * LENGTH);
    }

    #[test]
    fn datagrams_without_octets_are_bounded_too() {
        let (mut receiver, _batches, exporter) = receiver(1);
        let socket = Arc::clone(&receiver.socket);
        let (mut inbox, mut filling) = (socket.inbox(), receiver.shards.batches());
        let rounds = MAX_OCTETS / 16;
        for _ in 0..rounds {
            exporter.send(&[]).unwrap();
            receiver.receive(&mut inbox, &mut filling).unwrap();
            receiver.hand_on(&mut filling);
        }
        let dropped = Counters::get(&receiver.counters.dropped) as usize;
        assert!(dropped > 0);
        assert_eq!(filling[0].len() + 1 + dropped, rounds);
    }

    #[test]
    fn what_was_kept_goes_to_the_shard_at_the_end() {
        let (receiver, batches, exporter) = receiver(1);
        for number in 0..300u32 {
            exporter.send(&number.to_be_bytes()).unwrap();
        }
        receiver.stop.store(true, Ordering::Relaxed);
        let counters = Arc::clone(&receiver.counters);
        let thread = std::thread::spawn(|| receiver.run());
        let taken: usize = batches.iter().map(|batch| batch.len()).sum();
        thread.join().unwrap();
        assert_eq!((taken, Counters::get(&counters.dropped)), (300, 0));
    }

    #[test]
    fn it_stops_also_while_more_comes() {
        let (receiver, batches, exporter) = receiver(1);
        let stop = Arc::clone(&receiver.stop);
        let counters = Arc::clone(&receiver.counters);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = exporter.send(&[0; 100]);
                }
            });
            let taken = scope.spawn(move || batches.iter().map(|batch| batch.len()).sum::<usize>());
            let thread = scope.spawn(|| receiver.run());
            while Counters::get(&counters.received) < 1_000 {
                std::thread::yield_now();
            }
            stop.store(true, Ordering::Relaxed);
            thread.join().unwrap();
            done.store(true, Ordering::Relaxed);
            let (taken, dropped) = (taken.join().unwrap() as u64, Counters::get(&counters.dropped));
            assert_eq!(taken + dropped, Counters::get(&counters.received));
        });
    }
}
