//! Sockets of exporters.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use netflow_socket::{SendStatistics, SenderOptions, UdpSender};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Clock, ReplayError, ReplayStatistics, Sources};

/// Exporters that are told apart, by address and port.
const MOST_EXPORTERS: usize = 65_536;
/// UDP sockets that are open at a time; beyond, the one that was not used for longest is closed.
const MOST_OPEN: usize = 256;

/// How long a collector may take no connection, or nothing over one.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked whether to end while a collector takes nothing.
const TICK: Duration = Duration::from_millis(100);

/// Where packets are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Each as a datagram.
    Udp(SocketAddr),
    /// IPFIX messages, one connection for each exporter.
    Tcp(SocketAddr),
}

impl Target {
    /// Its address and port.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        match self {
            Self::Udp(address) | Self::Tcp(address) => address,
        }
    }
}

/// An exporter of a replay, and where its packets are sent from.
#[derive(Debug)]
pub struct ReplayedExporter {
    /// Address and port by the file.
    pub recorded: SocketAddr,
    /// Address and port that its packets are sent from; `None` before the first is sent.
    pub source: Option<SocketAddr>,
    /// Its packets that were given to the system.
    pub packets: u64,
    socket: Option<Connection>,
}

#[derive(Debug)]
enum Connection {
    Udp(UdpSender),
    Tcp(TcpStream),
}

/// The exporters and their sockets.
#[derive(Debug)]
pub(super) struct Sending {
    target: Target,
    sources: Sources,
    exporters: Vec<ReplayedExporter>,
    numbers: HashMap<SocketAddr, usize>,
    /// Exporters with an open socket, the one that was used last at the end.
    open: Vec<usize>,
    statistics: ReplayStatistics,
    error: Option<io::Error>,
}

impl Sending {
    pub(super) fn new(target: Target, sources: Sources) -> Self {
        Self {
            target,
            sources,
            exporters: Vec::new(),
            numbers: HashMap::new(),
            open: Vec::new(),
            statistics: ReplayStatistics::default(),
            error: None,
        }
    }

    /// The number of an exporter whose packet is to be sent; none, and counted, if there are too many.
    pub(super) fn exporter(&mut self, recorded: SocketAddr) -> Option<usize> {
        if let Some(&number) = self.numbers.get(&recorded) {
            return Some(number);
        }
        let number = self.exporters.len();
        if number == MOST_EXPORTERS {
            self.statistics.exporters_beyond += 1;
            return None;
        }
        self.numbers.insert(recorded, number);
        self.exporters.push(ReplayedExporter { recorded, source: None, packets: 0, socket: None });
        Some(number)
    }

    /// Sends packets of an exporter, in order.
    pub(super) fn send<'a, E>(
        &mut self,
        number: usize,
        payloads: impl Iterator<Item = &'a [u8]>,
        clock: &mut impl Clock,
    ) -> Result<(), ReplayError<E>> {
        self.open(number, clock)?;
        let exporter = &mut self.exporters[number];
        let statistics = &mut self.statistics;
        match exporter.socket.as_mut().expect("it was opened above") {
            Connection::Udp(sender) => {
                let before = sender.statistics();
                exporter.packets += sender.send(payloads) as u64;
                add(statistics, before, sender.statistics());
                self.error = sender.take_error().or(self.error.take());
            }
            Connection::Tcp(stream) => {
                for payload in payloads {
                    let target = self.target.address();
                    write_all(stream, payload, clock)
                        .map_err(|error| ReplayError::Target { target, error })?;
                    exporter.packets += 1;
                    statistics.sent += 1;
                    statistics.sent_octets += payload.len() as u64;
                }
            }
        }
        Ok(())
    }

    pub(super) fn statistics(&self) -> ReplayStatistics {
        self.statistics
    }

    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    pub(super) fn exporters(&self) -> std::slice::Iter<'_, ReplayedExporter> {
        self.exporters.iter()
    }

    /// Opens the socket of an exporter, unless it is open.
    fn open<E>(&mut self, number: usize, clock: &mut impl Clock) -> Result<(), ReplayError<E>> {
        if self.open.last() == Some(&number) {
            return Ok(());
        }
        if let Some(place) = self.open.iter().position(|open| *open == number) {
            self.open[place..].rotate_left(1);
            return Ok(());
        }
        // Another connection would be another session, which has none of the templates that were sent.
        if self.open.len() >= MOST_OPEN && matches!(self.target, Target::Udp(_)) {
            self.exporters[self.open.remove(0)].socket = None;
        }
        let exporter = &mut self.exporters[number];
        let source = self.sources.source(exporter.recorded.ip());
        let (socket, address) = connect(self.target, source, exporter, clock)?;
        exporter.socket = Some(socket);
        exporter.source = Some(address);
        self.open.push(number);
        Ok(())
    }
}

/// Writes a message, as long as the collector takes some of it now and then and the clock does not end it.
pub(super) fn write_all(
    stream: &mut impl Write,
    mut octets: &[u8],
    clock: &mut impl Clock,
) -> io::Result<()> {
    let mut ticks = 0;
    while !octets.is_empty() {
        match stream.write(octets) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => (octets, ticks) = (&octets[written..], 0),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    ticks += 1;
                    if !clock.wait_until(Duration::ZERO) {
                        return Err(io::Error::other("it takes nothing, and the replay was ended"));
                    }
                    if TICK * ticks >= PATIENCE {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// Adds what a sender did.
fn add(statistics: &mut ReplayStatistics, before: SendStatistics, now: SendStatistics) {
    statistics.sent += now.sent - before.sent;
    statistics.sent_octets += now.sent_octets - before.sent_octets;
    statistics.lost += now.lost - before.lost;
    statistics.lost_octets += now.lost_octets - before.lost_octets;
    statistics.refused += now.refused - before.refused;
}

/// A socket that sends from the exporter's own port, or from one that the system chooses if that is taken.
fn connect<E>(
    target: Target,
    source: Option<IpAddr>,
    exporter: &ReplayedExporter,
    clock: &mut impl Clock,
) -> Result<(Connection, SocketAddr), ReplayError<E>> {
    let any: IpAddr = match target.address() {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // A socket that was closed meanwhile comes back as the same.
    let port = exporter.source.map_or(exporter.recorded.port(), |source| source.port());
    let mut failed = None;
    for port in [port, 0] {
        let from = SocketAddr::new(source.unwrap_or(any), port);
        // A socket that sends to itself reaches nobody.
        if from == target.address() {
            continue;
        }
        match open_from(target, from, clock) {
            Ok(connection) => return Ok(connection),
            Err(error) => failed = Some(error),
        }
    }
    let error = failed.expect("with port 0 there was a try");
    let of_source = matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    );
    Err(match source {
        Some(source_address) if of_source => ReplayError::Source { source_address, error },
        _ => ReplayError::Target { target: target.address(), error },
    })
}

fn open_from(
    target: Target,
    from: SocketAddr,
    clock: &mut impl Clock,
) -> io::Result<(Connection, SocketAddr)> {
    match target {
        Target::Udp(target) => {
            let options = SenderOptions { source: Some(from), ..SenderOptions::default() };
            let sender = UdpSender::connect(target, &options)?;
            let local = sender.local_address()?;
            Ok((Connection::Udp(sender), local))
        }
        Target::Tcp(target) => {
            let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
            socket.bind(&from.into())?;
            let socket = connect_until(socket, target, clock)?;
            socket.set_write_timeout(Some(TICK))?;
            let stream = TcpStream::from(socket);
            let local = stream.local_addr()?;
            Ok((Connection::Tcp(stream), local))
        }
    }
}

/// Connects a socket, unless the clock ends that before: who does not answer is waited for in a thread of its own.
pub(super) fn connect_until(
    socket: Socket,
    target: SocketAddr,
    clock: &mut impl Clock,
) -> io::Result<Socket> {
    let (sender, connected) = mpsc::channel();
    let connect = move || {
        let done = socket.connect_timeout(&target.into(), PATIENCE).map(|()| socket);
        // Nobody may be waiting any more.
        let _ = sender.send(done);
    };
    thread::Builder::new().name("connect".into()).spawn(connect)?;
    loop {
        match connected.recv_timeout(TICK) {
            Ok(done) => return done,
            Err(RecvTimeoutError::Timeout) if clock.wait_until(Duration::ZERO) => {}
            Err(_) => return Err(io::Error::other("it does not answer, and the replay was ended")),
        }
    }
}
