//! Connections: IPFIX over TCP, TLS and SCTP, all of them in one thread.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, Read};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Sender;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use netflow_templates::{Exporter, StreamId, Timestamp};

use crate::admission::Gate;
use crate::config::StreamLimits;
use crate::receiver::{Arrival, Batch, Shards, Way};
use crate::report::{Counters, Event};

mod connection;
mod ending;
mod framing;
mod listener;
mod tls;

pub use ending::{Closing, Refusal, StreamReport};
pub use framing::FrameError;
pub use tls::{TlsError, TlsFiles};

use connection::{Connection, Over, READ, Turn};
pub(crate) use listener::{StreamListener, is_unknown_protocol, room_for};
pub(crate) use tls::TlsServer;

/// How often it is looked for connections whose time is over, and whether to stop.
const TICK: Duration = Duration::from_millis(100);
/// A look that is so late was held up by a shard, or the machine: no exporter is to blame for the time that passed.
const LATE: Duration = Duration::from_secs(1);
/// How long octets gather after a look at the connections that found some: reading many at once is cheaper.
const NAP: Duration = Duration::from_millis(1);
/// Octets of a batch that messages read at once may take: the shortest take six times their own.
const ROOM: usize = 6 * READ;
/// Connections taken from a socket in a row.
const ACCEPTS: usize = 256;
/// Turns of a connection when the collector stops: its receive buffer holds less.
const LAST_TURNS: usize = 1_024;

/// Takes connections from sockets, messages from these, and gives each message to the shard of its exporter. When
/// that is busy it reads no more, and so the exporter has to wait: nothing is dropped.
pub(crate) struct StreamReceiver {
    poll: Poll,
    listeners: Vec<StreamListener>,
    limits: StreamLimits,
    shards: Shards,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    events: Sender<Event>,
    batches: Vec<Batch>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Places of connections that have sent no message, the oldest first.
    silent: BTreeMap<StreamId, usize>,
    of_address: HashMap<IpAddr, usize>,
    /// Places of connections that may have something to read.
    ready: VecDeque<usize>,
    next: StreamId,
    open: usize,
    /// The system has refused to hand on a connection.
    is_refused: bool,
    gate: Gate,
}

impl StreamReceiver {
    pub(crate) fn new(
        listeners: Vec<StreamListener>,
        limits: StreamLimits,
        shards: Shards,
        counters: Arc<Counters>,
        stop: Arc<AtomicBool>,
        events: Sender<Event>,
        gate: Gate,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (number, listener) in listeners.iter().enumerate() {
            let fd = listener.socket.as_raw_fd();
            poll.registry().register(&mut SourceFd(&fd), Token(number), Interest::READABLE)?;
        }
        let limits = StreamLimits { connections: room_for(limits.connections), ..limits };
        let batches = shards.batches();
        Ok(Self {
            poll,
            gate,
            listeners,
            limits,
            shards,
            counters,
            stop,
            events,
            batches,
            connections: Vec::new(),
            free: Vec::new(),
            silent: BTreeMap::new(),
            of_address: HashMap::new(),
            ready: VecDeque::new(),
            next: StreamId::FIRST,
            open: 0,
            is_refused: false,
        })
    }

    /// Receives until told to stop, then what has come by then.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        let mut scratch = vec![0; READ];
        let mut waiting = vec![true; self.listeners.len()];
        let (mut looked, mut read) = (Instant::now(), true);
        loop {
            let timeout = match self.ready.is_empty() && !waiting.contains(&true) {
                true => TICK,
                false if read => Duration::ZERO,
                // A shard is busy.
                false => NAP,
            };
            // A look that fails is one that found nothing; what there is stays.
            if self.poll.poll(&mut events, Some(timeout)).is_err() {
                events.clear();
            }
            for event in &events {
                match event.token().0.checked_sub(self.listeners.len()) {
                    None => waiting[event.token().0] = true,
                    Some(place) => self.wake(place),
                }
            }
            if self.stop.load(Ordering::Relaxed) {
                return self.end(&mut scratch);
            }
            let now = Instant::now();
            for (number, waiting) in waiting.iter_mut().enumerate().filter(|(_, waiting)| **waiting) {
                *waiting = self.accept(number, now);
            }
            read = self.read_all(&mut scratch, now);
            self.hand_on();
            let since = now.saturating_duration_since(looked);
            if since >= TICK {
                looked = now;
                if std::mem::take(&mut self.is_refused) {
                    waiting.fill(true);
                }
                self.close_overdue(now, since);
            }
            if read && self.ready.is_empty() {
                std::thread::sleep(NAP);
            }
        }
    }

    /// Takes connections; false when there are no more for now.
    fn accept(&mut self, number: usize, now: Instant) -> bool {
        for _ in 0..ACCEPTS {
            match self.listeners[number].socket.accept() {
                Ok((socket, peer)) => self.open(number, socket, canonical(peer), now),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return false,
                    // It was closed before it was taken.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ => {
                        // No descriptors or no memory, most likely. It is tried again after a while.
                        self.make_room();
                        self.is_refused = true;
                        if let Ok(address) = self.listeners[number].socket.local_addr() {
                            let _ = self.events.try_send(Event::Socket { address, error });
                        }
                        return false;
                    }
                },
            }
        }
        true
    }

    /// A connection has come.
    fn open(&mut self, number: usize, socket: TcpStream, peer: SocketAddr, now: Instant) {
        self.counters.streams(|report| report.connections += 1);
        self.gate.look();
        if !self.gate.allows(peer.ip()) {
            return self.refused(peer, Refusal::NotAllowed);
        }
        let of_address = self.of_address.get(&peer.ip()).copied().unwrap_or(0);
        if of_address >= self.limits.connections_per_address {
            return self.refused(peer, Refusal::Address(of_address));
        }
        if self.open >= self.limits.connections {
            self.make_room();
        }
        if self.open >= self.limits.connections {
            return self.refused(peer, Refusal::Connections(self.open));
        }
        let tls = match self.listeners[number].tls.as_ref().map(TlsServer::accept).transpose() {
            Ok(tls) => tls,
            Err(refusal) => return self.refused(peer, refusal),
        };
        let place = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let token = Token(self.listeners.len() + place);
        // What TLS has to say may have to wait until the socket takes it.
        let interest =
            if tls.is_some() { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let prepared = prepare(&socket).and_then(|()| {
            self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), token, interest)
        });
        if let Err(error) = prepared {
            self.free.push(place);
            let _ = self.events.try_send(Event::Closed {
                exporter: peer.into(),
                reason: Closing::Failed(error),
                messages: 0,
            });
            return self.counters.streams(|report| *report.closed.entry("failed").or_default() += 1);
        }
        let stream = self.next;
        self.next = stream.next();
        let shard = self.shards.of(peer);
        self.connections[place] = Some(Connection::new(socket, tls, peer, stream, shard, now));
        self.silent.insert(stream, place);
        *self.of_address.entry(peer.ip()).or_default() += 1;
        self.open += 1;
        self.counters.streams(|report| report.open += 1);
        let _ = self.events.try_send(Event::Opened { exporter: peer.into() });
    }

    /// Notes that a connection may have something to read.
    fn wake(&mut self, place: usize) {
        if let Some(Some(connection)) = self.connections.get_mut(place)
            && !std::mem::replace(&mut connection.is_ready, true)
        {
            self.ready.push_back(place);
        }
    }

    /// Gives each connection that is ready a turn; whether anything was read.
    fn read_all(&mut self, scratch: &mut [u8], now: Instant) -> bool {
        let mut read = false;
        for _ in 0..self.ready.len() {
            let Some(place) = self.ready.pop_front() else { break };
            let Some(Some(connection)) = self.connections.get_mut(place) else { continue };
            connection.is_ready = false;
            let shard = connection.shard;
            if self.has_room(shard) {
                read = true;
                if self.turn(place, scratch, now) == Turn::More {
                    self.wake(place);
                }
            } else if let Some(Some(connection)) = self.connections.get_mut(place) {
                connection.held_up(now);
                self.wake(place);
            }
        }
        read
    }

    /// Whether the batch of a shard takes all that is read at once, after it was handed on if need be.
    fn has_room(&mut self, shard: usize) -> bool {
        if !self.batches[shard].has_room(ROOM) {
            self.shards.try_send(shard, &mut self.batches[shard], &self.counters);
        }
        self.batches[shard].has_room(ROOM)
    }

    /// One turn of a connection. What it completes goes to the batch of its shard.
    fn turn(&mut self, place: usize, scratch: &mut [u8], now: Instant) -> Turn {
        let Some(Some(connection)) = self.connections.get_mut(place) else { return Turn::Empty };
        let (shard, peer, stream) = (connection.shard, connection.peer, connection.stream);
        let silent = connection.messages == 0;
        let (shards, batch, counters) = (&self.shards, &mut self.batches[shard], &self.counters);
        let arrival = Arrival { time: Timestamp::from(SystemTime::now()), way: Way::Stream(stream) };
        let (mut messages, mut octets) = (0, 0);
        let turn = connection.turn(scratch, now, |message| {
            messages += 1;
            octets += message.len();
            push(shards, shard, batch, counters, peer, arrival, message);
        });
        Counters::add(&self.counters.received, messages);
        Counters::add(&self.counters.received_octets, octets);
        if silent && messages > 0 {
            self.silent.remove(&stream);
        }
        match turn {
            Ok(turn) => turn,
            Err(over) => {
                self.over(place, over);
                Turn::Empty
            }
        }
    }

    /// Ends a connection, if it is still there.
    fn over(&mut self, place: usize, over: Over) {
        let Some(mut connection) = self.connections.get_mut(place).and_then(Option::take) else { return };
        let Connection { peer, shard, stream, messages, .. } = connection;
        let _ = self.poll.registry().deregister(&mut SourceFd(&connection.socket.as_raw_fd()));
        connection.say_goodbye();
        // With something left to read the system would reset the connection, and an alert of TLS would be lost.
        let _ = connection.socket.read(&mut [0; 4_096]);
        let _ = connection.socket.shutdown(Shutdown::Write);
        self.free.push(place);
        self.silent.remove(&stream);
        if let Some(of_address) = self.of_address.get_mut(&peer.ip()) {
            *of_address -= 1;
            if *of_address == 0 {
                self.of_address.remove(&peer.ip());
            }
        }
        self.open -= 1;
        let cut = connection.partial();
        self.counters.streams(|report| {
            report.open -= 1;
            report.cut_octets += cut as u64;
        });
        if messages > 0 {
            let arrival = Arrival { time: Timestamp::from(SystemTime::now()), way: Way::EndOfStream(stream) };
            push(&self.shards, shard, &mut self.batches[shard], &self.counters, peer, arrival, &[]);
        }
        match over {
            Over::Refused(refusal) => self.refused(peer, refusal),
            Over::Closed(reason) => {
                self.counters.streams(|report| *report.closed.entry(reason.name()).or_default() += 1);
                let exporter = peer.into();
                let _ = self.events.try_send(Event::Closed { exporter, reason, messages });
            }
        }
    }

    fn refused(&self, peer: SocketAddr, reason: Refusal) {
        self.counters.streams(|report| *report.refused.entry(reason.name()).or_default() += 1);
        let _ = self.events.try_send(Event::Refused { exporter: peer.into(), reason });
    }

    /// Closes the connection that has sent nothing for the longest time, if there is one that has sent nothing.
    fn make_room(&mut self) {
        if let Some((_, place)) = self.silent.pop_first() {
            self.over(place, Closing::MadeRoom.into());
        }
    }

    fn close_overdue(&mut self, now: Instant, since: Duration) {
        if since > LATE {
            self.connections.iter_mut().flatten().for_each(|connection| connection.held_up(now));
        }
        self.gate.look();
        for place in 0..self.connections.len() {
            let Some(connection) = &self.connections[place] else { continue };
            if !self.gate.allows(connection.peer.ip()) {
                self.over(place, Closing::NotAllowed.into());
            } else if let Some(over) = overdue(connection, &self.limits, now) {
                self.over(place, over);
            }
        }
    }

    fn hand_on(&mut self) {
        for (shard, batch) in self.batches.iter_mut().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            self.shards.try_send(shard, batch, &self.counters);
        }
    }

    /// Reads what has come, and closes all.
    fn end(mut self, scratch: &mut [u8]) {
        let now = Instant::now();
        for place in 0..self.connections.len() {
            for _ in 0..LAST_TURNS {
                if self.turn(place, scratch, now) == Turn::Empty {
                    break;
                }
            }
            self.over(place, Closing::Stopped.into());
        }
        for (shard, batch) in self.batches.drain(..).enumerate().filter(|(_, batch)| !batch.is_empty()) {
            self.shards.send(shard, batch, &self.counters);
        }
    }
}

/// Why it is time to end a connection, if it is.
fn overdue(connection: &Connection, limits: &StreamLimits, now: Instant) -> Option<Over> {
    let since = |then: Instant| now.saturating_duration_since(then);
    if connection.is_handshaking() {
        return (since(connection.opened) > limits.handshake)
            .then_some(Over::Refused(Refusal::SlowHandshake(limits.handshake)));
    }
    if connection.partial_since.is_some_and(|begun| since(begun) > limits.message) {
        return Some(Closing::Slow { octets: connection.partial(), after: limits.message }.into());
    }
    let idle = limits.idle?;
    (since(connection.heard) > idle).then_some(Closing::Idle(idle).into())
}

/// Appends to a batch, which is handed on before if it is full.
fn push(
    shards: &Shards,
    shard: usize,
    batch: &mut Batch,
    counters: &Counters,
    peer: SocketAddr,
    arrival: Arrival,
    message: &[u8],
) {
    if !batch.has_room(message.len()) {
        shards.send(shard, std::mem::replace(batch, shards.empty()), counters);
    }
    batch.push(peer, arrival, message);
}

fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    // An exporter that is gone without a word is noticed. SCTP has heartbeats of its own, and takes no such option.
    let _ = socket2::SockRef::from(socket).set_keepalive(true);
    Ok(())
}

/// An IPv4 address as what it is.
fn canonical(peer: SocketAddr) -> SocketAddr {
    Exporter::from(peer).into()
}
