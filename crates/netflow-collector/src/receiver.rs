//! Receivers: from sockets to shards.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use netflow_templates::{Exporter, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SocketAddrAny, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};

use crate::batch::Batch;
use crate::drops::kernel_drops;
use crate::report::{Counters, Event};

/// Datagrams taken from a socket before they are handed on.
const BATCH: usize = 128;
/// The largest UDP payload.
const MAX_DATAGRAM: usize = 65_535;
/// How often a receiver that gets nothing looks whether it is to stop.
const IDLE: Duration = Duration::from_millis(100);

/// The ways to the shards. All packets of an exporter go the same way, so that its templates and its data
/// meet.
#[derive(Clone)]
pub(crate) struct Shards {
    senders: Vec<Sender<Batch>>,
    hasher: RandomState,
}

impl Shards {
    pub(crate) fn new(senders: Vec<Sender<Batch>>) -> Self {
        Self { senders, hasher: RandomState::new() }
    }

    /// One empty batch for each shard.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.senders.iter().map(|_| Batch::default()).collect()
    }

    /// The shard of an exporter.
    pub(crate) fn of(&self, source: SocketAddr) -> usize {
        match self.senders.len() {
            1 => 0,
            shards => (self.hasher.hash_one(Exporter::from(source).address) % shards as u64) as usize,
        }
    }

    /// Hands a batch on, and waits while the shard is busy. What a shard that is gone does not take is counted.
    pub(crate) fn send(&self, shard: usize, batch: Batch, counters: &Counters) {
        if let Err(lost) = self.senders[shard].send(batch) {
            counters.count_dropped(lost.0.len(), lost.0.octets());
        }
    }

    /// Hands a batch on, unless the shard is busy: then it stays.
    fn try_send(&self, shard: usize, batch: &mut Batch) {
        if let Err(refused) = self.senders[shard].try_send(std::mem::take(batch)) {
            *batch = refused.into_inner();
        }
    }
}

/// Binds a UDP socket; the octets are those of the receive buffer that the system granted.
pub(crate) fn bind(address: SocketAddr, receive_buffer: usize) -> io::Result<(UdpSocket, usize)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // `[::]` is for IPv4 too; any other IPv6 address has no IPv4 side.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // More than the system's limit may be had with privileges; what it takes to ask is no error.
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, receive_buffer).is_err() {
        let _ = socket.set_recv_buffer_size(receive_buffer);
    }
    let granted = socket.recv_buffer_size()?;
    socket.bind(&address.into())?;
    Ok((socket.into(), granted))
}

/// Takes datagrams from a socket and gives each to the shard of its exporter.
pub(crate) struct Receiver {
    pub(crate) socket: UdpSocket,
    pub(crate) shards: Shards,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) events: Sender<Event>,
}

impl Receiver {
    /// Receives until told to stop, then what is in the receive buffer. Returns the kernel's drops.
    ///
    /// While a shard is busy its batch grows, up to [`MAX_OCTETS`](crate::batch::MAX_OCTETS); what does not fit
    /// is dropped, and counted.
    pub(crate) fn run(self) -> Option<u64> {
        let mut buffer = vec![0; MAX_DATAGRAM];
        let mut batches = self.shards.batches();
        loop {
            let stopping = self.stop.load(Ordering::Relaxed);
            let received = match self.receive(&mut buffer, &mut batches) {
                Ok(received) => received,
                Err(error) => {
                    self.failed(error);
                    0
                }
            };
            self.hand_on(&mut batches);
            if received == 0 {
                if stopping {
                    for (shard, batch) in
                        batches.into_iter().enumerate().filter(|(_, batch)| !batch.is_empty())
                    {
                        self.shards.send(shard, batch, &self.counters);
                    }
                    return kernel_drops(&self.socket);
                }
                self.wait();
            }
        }
    }

    fn wait(&self) {
        let timeout = Timespec { tv_sec: 0, tv_nsec: IDLE.as_nanos() as _ };
        // An interruption is as good as a datagram: the loop looks again.
        let _ = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout));
    }

    /// Takes what is there, a batch at most; returns how many datagrams it was.
    fn receive(&self, buffer: &mut [u8], batches: &mut [Batch]) -> io::Result<usize> {
        let mut octets = 0;
        for count in 0..BATCH {
            match recvfrom(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, length, source)) => {
                    let Some(source) =
                        source.and_then(|source: SocketAddrAny| SocketAddr::try_from(source).ok())
                    else {
                        continue;
                    };
                    let received = Timestamp::from(std::time::SystemTime::now());
                    octets += length;
                    let shard = self.shards.of(source);
                    let batch = &mut batches[shard];
                    if !batch.has_room(length) {
                        self.shards.try_send(shard, batch);
                    }
                    if batch.has_room(length) {
                        batch.push(source, received, &buffer[..length]);
                    } else {
                        self.counters.count_dropped(1, length);
                    }
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    self.count(count, octets);
                    return Ok(count);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    self.count(count, octets);
                    return Err(error.into());
                }
            }
        }
        self.count(BATCH, octets);
        Ok(BATCH)
    }

    fn count(&self, datagrams: usize, octets: usize) {
        Counters::add(&self.counters.received, datagrams);
        Counters::add(&self.counters.received_octets, octets);
    }

    fn hand_on(&self, batches: &mut [Batch]) {
        for (shard, batch) in batches.iter_mut().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            self.shards.try_send(shard, batch);
        }
    }

    /// A socket's error is of one datagram (an ICMP message that came back), or the interface went away:
    /// tell, and go on when there may be something to receive again.
    fn failed(&self, error: io::Error) {
        if let Ok(address) = self.socket.local_addr() {
            let _ = self.events.try_send(Event::Socket { address, error });
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Receiver as Batches, bounded};

    use super::*;
    use crate::batch::MAX_OCTETS;

    /// A receiver for one shard, which takes nothing by itself, and somebody who sends to it.
    fn receiver(queue: usize) -> (Receiver, Batches<Batch>, UdpSocket) {
        let (sender, batches) = bounded(queue);
        let (socket, _) = bind("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap();
        let exporter = UdpSocket::bind("127.0.0.1:0").unwrap();
        exporter.connect(socket.local_addr().unwrap()).unwrap();
        let receiver = Receiver {
            socket,
            shards: Shards::new(vec![sender]),
            counters: Arc::default(),
            stop: Arc::default(),
            events: bounded(1).0,
        };
        (receiver, batches, exporter)
    }

    #[test]
    fn what_a_busy_shard_does_not_take_is_kept_up_to_a_bound_and_then_counted() {
        const LENGTH: usize = 10_000;
        let (receiver, batches, exporter) = receiver(2);
        let (mut buffer, mut filling) = (vec![0; MAX_DATAGRAM], receiver.shards.batches());
        let rounds = 4 * MAX_OCTETS / LENGTH;
        for _ in 0..rounds {
            exporter.send(&[0; LENGTH]).unwrap();
            receiver.receive(&mut buffer, &mut filling).unwrap();
            receiver.hand_on(&mut filling);
            assert!(filling[0].octets() <= MAX_OCTETS);
        }
        let get = |counter: &std::sync::atomic::AtomicU64| Counters::get(counter) as usize;
        assert_eq!(get(&receiver.counters.received), rounds);
        // The queue has a datagram in each of its places; the third batch is as full as may be.
        let kept = filling[0].len();
        assert!((MAX_OCTETS / LENGTH - 2..=MAX_OCTETS / LENGTH).contains(&kept), "{kept}");
        assert_eq!(get(&receiver.counters.dropped), rounds - 2 - kept);
        assert_eq!(get(&receiver.counters.dropped_octets), (rounds - 2 - kept) * LENGTH);

        // When the shard takes one, what was kept is handed on.
        batches.recv().unwrap();
        receiver.hand_on(&mut filling);
        assert!(filling[0].is_empty());
        let taken: Vec<_> = batches.try_iter().map(|batch| batch.len()).collect();
        assert_eq!(taken, [1, kept]);
    }

    #[test]
    fn datagrams_without_octets_are_bounded_too() {
        let (receiver, _batches, exporter) = receiver(1);
        let (mut buffer, mut filling) = (vec![0; MAX_DATAGRAM], receiver.shards.batches());
        let rounds = MAX_OCTETS / 16;
        for _ in 0..rounds {
            exporter.send(&[]).unwrap();
            receiver.receive(&mut buffer, &mut filling).unwrap();
            receiver.hand_on(&mut filling);
        }
        let dropped = Counters::get(&receiver.counters.dropped) as usize;
        assert!(dropped > 0);
        assert_eq!(filling[0].len() + 1 + dropped, rounds);
    }

    #[test]
    fn what_was_kept_goes_to_the_shard_at_the_end() {
        let (receiver, batches, exporter) = receiver(1);
        for number in 0..2 * BATCH {
            exporter.send(&number.to_be_bytes()).unwrap();
        }
        receiver.stop.store(true, Ordering::Relaxed);
        let counters = Arc::clone(&receiver.counters);
        let thread = std::thread::spawn(|| receiver.run());
        let taken: usize = batches.iter().map(|batch| batch.len()).sum();
        thread.join().unwrap();
        assert_eq!((taken, Counters::get(&counters.dropped)), (2 * BATCH, 0));
    }
}
