//! Sending datagrams in batches.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

#[cfg(target_os = "linux")]
pub(crate) mod batched;
pub(crate) mod single;

#[cfg(target_os = "linux")]
use batched::Way;
#[cfg(not(target_os = "linux"))]
use single::Way;

/// Datagrams that are given to the system together, at most.
pub(crate) const BATCH: usize = 64;

/// How a [`UdpSender`] sends.
#[derive(Debug, Clone)]
pub struct SenderOptions {
    /// Address to send from, with port 0 for one that the system chooses. Any address of this machine can be had, on
    /// Linux all of 127.0.0.0/8 among them. `None`: the system chooses both.
    pub source: Option<SocketAddr>,
    /// Octets of send buffer to ask the system for; it may grant less. `None`: the system's own.
    pub send_buffer: Option<usize>,
    /// Whether runs of datagrams of the same length and target are handed over as one (UDP GSO), where the system can.
    /// Several times cheaper, but what captures on this machine then shows each run as one large datagram.
    pub coalesce: bool,
    /// How long to try again while the system has no room, before datagrams count as lost.
    pub patience: Duration,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self { source: None, send_buffer: None, coalesce: false, patience: Duration::from_millis(100) }
    }
}

impl SenderOptions {
    /// For the socket: a send that waits for room would have no end when the interface sends nothing more.
    pub(crate) fn write_timeout(&self) -> Duration {
        self.patience.max(Duration::from_millis(1))
    }
}

/// What became of the datagrams that a sender was given: each is in `sent` or in `lost`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendStatistics {
    /// Datagrams that the system took.
    pub sent: u64,
    /// Octets of their payloads.
    pub sent_octets: u64,
    /// Datagrams that the system did not take: too long, no route, forbidden, or no room for too long.
    pub lost: u64,
    /// Octets of their payloads.
    pub lost_octets: u64,
    /// Times the system said that nobody listens (an ICMP message came back for a datagram sent before), and at
    /// least as many as that.
    pub refused: u64,
}

impl SendStatistics {
    fn count_sent(&mut self, payload: &[u8]) {
        self.sent += 1;
        self.sent_octets += payload.len() as u64;
    }

    pub(crate) fn count_lost(&mut self, payload: &[u8]) {
        self.lost += 1;
        self.lost_octets += payload.len() as u64;
    }
}

/// Sends UDP datagrams, many with each system call where the system can: Linux has `sendmmsg` and UDP GSO,
/// elsewhere they go one by one.
///
/// No error ends it: one that says that nobody listens is counted, room that lacks is waited for, and any other
/// loses the datagram that it is about, which is counted, and the next is sent. The last error is kept.
///
/// ```
/// use netflow_socket::{SenderOptions, UdpSender};
///
/// let collector = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let mut sender = UdpSender::connect(collector.local_addr()?, &SenderOptions::default())?;
/// sender.send([&b"one"[..], b"two"]);
/// assert_eq!(sender.statistics().sent, 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UdpSender {
    socket: UdpSocket,
    way: Way,
    statistics: SendStatistics,
    error: Option<io::Error>,
}

impl UdpSender {
    /// A sender to one target.
    ///
    /// # Errors
    /// When the source is no address of this machine, or there is no way to the target.
    pub fn connect(target: SocketAddr, options: &SenderOptions) -> io::Result<Self> {
        let socket = bind(target, options)?;
        socket.connect(&target.into())?;
        Ok(Self::with(socket.into(), options))
    }

    /// A sender to any targets of the IP version of `source`: see [`send_to`](Self::send_to). Without a source it
    /// is IPv4's.
    ///
    /// # Errors
    /// When the source is no address of this machine.
    pub fn unconnected(options: &SenderOptions) -> io::Result<Self> {
        let any = options.source.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(Self::with(bind(any, options)?.into(), options))
    }

    fn with(socket: UdpSocket, options: &SenderOptions) -> Self {
        let way = Way::new(&socket, options);
        Self { socket, way, statistics: SendStatistics::default(), error: None }
    }

    /// Sends each payload to the target, in order; returns how many the system took.
    pub fn send<'a>(&mut self, payloads: impl IntoIterator<Item = &'a [u8]>) -> usize {
        self.send_batches(payloads.into_iter().map(|payload| (None, payload)))
    }

    /// Sends each payload to its target, in order; returns how many the system took.
    pub fn send_to<'a>(&mut self, datagrams: impl IntoIterator<Item = (SocketAddr, &'a [u8])>) -> usize {
        self.send_batches(datagrams.into_iter().map(|(target, payload)| (Some(target), payload)))
    }

    fn send_batches<'a>(&mut self, datagrams: impl Iterator<Item = Outgoing<'a>>) -> usize {
        let before = self.statistics.sent;
        in_batches(datagrams, |batch| {
            let failed = self.way.send(&self.socket, batch, &mut self.statistics);
            self.error = failed.or(self.error.take());
            // What came back for the last of them would be heard of with the next only, and there may be none; what
            // came back for others a call for many keeps to itself.
            let pending = self.socket.take_error().ok().flatten();
            let refused = pending.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            self.statistics.refused += u64::from(refused);
        });
        (self.statistics.sent - before) as usize
    }

    /// Changes whether runs are handed over as one: see [`SenderOptions::coalesce`].
    pub fn set_coalesce(&mut self, coalesce: bool) {
        self.way.set_coalesce(coalesce);
    }

    /// What became of all datagrams so far.
    pub fn statistics(&self) -> SendStatistics {
        self.statistics
    }

    /// The last error that lost a datagram, since this was asked last.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// The address that is sent from; unspecified while the system chooses one for each target.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// A target, unless the socket is connected to it, and a payload.
pub(crate) type Outgoing<'a> = (Option<SocketAddr>, &'a [u8]);

/// Hands out what is to be sent in batches.
pub(crate) fn in_batches<'a>(
    datagrams: impl Iterator<Item = Outgoing<'a>>,
    mut send: impl FnMut(&[Outgoing<'a>]),
) {
    let mut batch: [Outgoing<'_>; BATCH] = [(None, &[]); BATCH];
    let mut length = 0;
    for datagram in datagrams {
        batch[length] = datagram;
        length += 1;
        if length == BATCH {
            send(&batch);
            length = 0;
        }
    }
    if length > 0 {
        send(&batch[..length]);
    }
}

/// A socket bound to the source, or to any address of the IP version of `target`.
fn bind(target: SocketAddr, options: &SenderOptions) -> io::Result<Socket> {
    let source = options.source.unwrap_or(match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    });
    let socket = Socket::new(Domain::for_address(source), Type::DGRAM, Some(Protocol::UDP))?;
    if let Some(octets) = options.send_buffer {
        ask_send_buffer(&socket, octets);
    }
    socket.set_write_timeout(Some(options.write_timeout()))?;
    socket.bind(&source.into())?;
    Ok(socket)
}

/// More than the system's limit may be had with privileges; what it takes to ask is no error.
pub(crate) fn ask_send_buffer(socket: &Socket, octets: usize) {
    #[cfg(target_os = "linux")]
    if rustix::net::sockopt::set_socket_send_buffer_size_force(socket, octets).is_ok() {
        return;
    }
    let _ = socket.set_send_buffer_size(octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to send that this system has: one by one, in batches, runs as one.
    fn all_ways(test: impl Fn(&dyn Fn(&UdpSocket, &[Outgoing<'_>]) -> (SendStatistics, Option<io::Error>))) {
        let options = |coalesce| SenderOptions { coalesce, ..SenderOptions::default() };
        test(&|socket, batch| {
            let mut statistics = SendStatistics::default();
            let error = single::Way::new(socket, &options(false)).send(socket, batch, &mut statistics);
            (statistics, error)
        });
        for coalesce in [false, true] {
            test(&|socket, batch| {
                let mut statistics = SendStatistics::default();
                let error = Way::new(socket, &options(coalesce)).send(socket, batch, &mut statistics);
                (statistics, error)
            });
        }
    }

    fn receiver() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn next(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let length = socket.recv(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    /// Payloads of these lengths, each of another octet.
    fn payloads(lengths: &[usize]) -> Vec<Vec<u8>> {
        lengths.iter().enumerate().map(|(number, &length)| vec![number as u8; length]).collect()
    }

    #[test]
    fn what_is_sent_arrives_in_order_whatever_its_lengths() {
        // Runs, a run that ends with a shorter one, longer ones behind, empty ones, the longest there can be.
        let lengths = [9, 9, 9, 9, 4, 9, 9, 9, 10, 0, 0, 0, 1_400, 1_400, 1_400, 1_400, 65_507, 3, 3, 3, 1];
        let payloads = payloads(&lengths);
        all_ways(|send| {
            let (to, target) = receiver();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let batch: Vec<_> = payloads.iter().map(|payload| (Some(target), &payload[..])).collect();
            let (statistics, error) = send(&socket, &batch);
            assert!(error.is_none(), "{error:?}");
            let octets = lengths.iter().sum::<usize>() as u64;
            assert_eq!((statistics.sent, statistics.sent_octets, statistics.lost), (21, octets, 0));
            for payload in &payloads {
                assert_eq!(next(&to), *payload);
            }
        });
    }

    #[test]
    fn each_goes_to_its_own_target() {
        let payloads = payloads(&[5; 16]);
        all_ways(|send| {
            let ((one, first), (other, second)) = (receiver(), receiver());
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let target = |index| if index % 8 < 4 { first } else { second };
            let batch: Vec<_> = payloads
                .iter()
                .enumerate()
                .map(|(index, payload)| (Some(target(index)), &payload[..]))
                .collect();
            assert_eq!(send(&socket, &batch).0.sent, 16);
            for (index, payload) in payloads.iter().enumerate() {
                assert_eq!(next(if index % 8 < 4 { &one } else { &other }), *payload);
            }
        });
    }

    #[test]
    fn what_cannot_be_sent_is_lost_alone_and_counted() {
        // More than IPv4 can carry.
        let payloads = payloads(&[7, 7, 7, 7, 65_508, 65_508, 7, 7, 7]);
        all_ways(|send| {
            let (to, target) = receiver();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let batch: Vec<_> = payloads.iter().map(|payload| (Some(target), &payload[..])).collect();
            let (statistics, error) = send(&socket, &batch);
            assert!(error.is_some());
            assert_eq!((statistics.sent, statistics.lost, statistics.lost_octets), (7, 2, 2 * 65_508));
            for number in [0, 1, 2, 3, 6, 7, 8] {
                assert_eq!(next(&to), [number; 7]);
            }
        });
    }

    #[test]
    fn nobody_listening_loses_nothing_on_this_side() {
        let payloads = payloads(&[5; 50]);
        all_ways(|send| {
            let (to, target) = receiver();
            drop(to);
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(target).unwrap();
            let batch: Vec<_> = payloads.iter().map(|payload| (None, &payload[..])).collect();
            let first = send(&socket, &batch).0;
            let second = send(&socket, &batch).0;
            assert_eq!((first.sent + second.sent, first.lost + second.lost), (100, 0));
            assert!(first.refused + second.refused > 0);
        });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn nobody_listening_is_heard_of_with_the_first_datagram() {
        let (to, target) = receiver();
        drop(to);
        for count in [1, 2, 64] {
            let mut sender = UdpSender::connect(target, &SenderOptions::default()).unwrap();
            assert_eq!(sender.send(vec![&b"x"[..]; count]), count);
            assert!(sender.statistics().refused > 0, "{count} datagrams");
        }
    }

    #[test]
    fn more_than_a_batch_is_sent() {
        let (to, target) = receiver();
        let mut sender = UdpSender::connect(target, &SenderOptions::default()).unwrap();
        let payloads = payloads(&[3; 2 * BATCH + 5]);
        assert_eq!(sender.send(payloads.iter().map(|payload| &payload[..])), payloads.len());
        assert_eq!(sender.send([]), 0);
        assert_eq!(sender.statistics().sent, payloads.len() as u64);
        assert!(sender.take_error().is_none());
        for payload in &payloads {
            assert_eq!(next(&to), *payload);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_source_can_be_any_address_of_this_machine() {
        let (to, target) = receiver();
        let source = "127.9.8.7:0".parse().unwrap();
        let options =
            SenderOptions { source: Some(source), send_buffer: Some(1 << 20), ..SenderOptions::default() };
        for mut sender in
            [UdpSender::connect(target, &options), UdpSender::unconnected(&options)].map(Result::unwrap)
        {
            assert_eq!(sender.send_to([(target, &b"x"[..])]), 1);
            let (_, from) = to.recv_from(&mut [0; 9]).unwrap();
            assert_eq!(from, sender.local_address().unwrap());
            assert_eq!(from.ip(), source.ip());
        }
        let elsewhere =
            SenderOptions { source: Some("192.0.2.1:0".parse().unwrap()), ..SenderOptions::default() };
        assert!(UdpSender::connect(target, &elsewhere).is_err());
    }
}
