//! Receiving datagrams in batches.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, SystemTime};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

#[cfg(target_os = "linux")]
mod batched;
#[cfg(target_os = "linux")]
mod drops;
mod single;
#[cfg(target_os = "linux")]
mod steering;

#[cfg(target_os = "linux")]
use batched::Slots;
#[cfg(not(target_os = "linux"))]
use single::Slots;

/// Datagrams that are taken from the system together, at most.
const BATCH: usize = 64;
/// What datagrams are taken to come at most, in octets of receive buffer for a second: no nap lets the buffer fill
/// by more than a fourth.
const FASTEST: u128 = 4 << 30;
/// Octets of receive buffer that a datagram takes at least, however short it is.
const LEAST_TAKEN: usize = 512;
/// A nap that is shorter than this lets nothing gather.
const SHORTEST_NAP: Duration = Duration::from_micros(100);

/// How a [`UdpReceiver`] receives.
#[derive(Debug, Clone)]
pub struct ReceiverOptions {
    /// Octets of receive buffer to ask the system for; it may grant less: see
    /// [`granted_buffer`](UdpReceiver::granted_buffer).
    pub receive_buffer: usize,
    /// Octets of the longest datagram that is received whole; longer ones are cut off, and counted. No UDP payload is
    /// longer than the default.
    pub longest: usize,
    /// How long a receiver that has taken all there was lets datagrams gather, since taking many at once is cheaper:
    /// see [`Inbox::wait`]. Where the receive buffer is too small for that, it does not.
    pub nap: Duration,
    /// Multicast groups to join, each with the index of the interface; 0: one that the system chooses.
    pub groups: Vec<(IpAddr, u32)>,
    /// The clock for systems whose kernel does not tell when a datagram came.
    pub clock: fn() -> SystemTime,
}

impl Default for ReceiverOptions {
    fn default() -> Self {
        Self {
            receive_buffer: 64 << 20,
            longest: 65_535,
            nap: Duration::from_millis(1),
            groups: Vec::new(),
            clock: SystemTime::now,
        }
    }
}

/// A datagram that was received.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Datagram<'a> {
    /// Who sent it; an IPv4 address as such, also where the socket takes both versions.
    pub source: SocketAddr,
    /// When the kernel got it, or, where it does not tell, when it was taken.
    pub time: SystemTime,
    /// Its octets.
    pub payload: &'a [u8],
}

/// A bound UDP socket with a large receive buffer.
///
/// ```
/// use std::time::Duration;
/// use netflow_socket::{ReceiverOptions, UdpReceiver};
///
/// let receiver = UdpReceiver::bind("127.0.0.1:0".parse()?, &ReceiverOptions::default())?;
/// let exporter = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// exporter.send_to(b"flows", receiver.local_address()?)?;
///
/// let mut inbox = receiver.inbox();
/// inbox.wait(Duration::from_secs(10));
/// inbox.receive(|datagram| assert_eq!(datagram.payload, b"flows"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct UdpReceiver {
    socket: UdpSocket,
    granted: usize,
    longest: usize,
    nap: Duration,
    clock: fn() -> SystemTime,
}

/// By what the kernel gives datagrams to one of several sockets of a port.
#[derive(Debug)]
#[non_exhaustive]
pub enum Steering {
    /// The sender's address: whatever comes from it comes to the same socket.
    Source,
    /// Addresses and ports of both sides, since the kernel refuses to steer by the sender's address alone: what comes
    /// from one address and several ports may come to several sockets.
    Hash(io::Error),
    /// There is one socket only.
    None,
}

impl UdpReceiver {
    /// Binds a socket. `[::]` takes IPv4 too; any other IPv6 address has no IPv4 side.
    ///
    /// # Errors
    /// When the address is in use or not of this machine, or a group cannot be joined.
    pub fn bind(address: SocketAddr, options: &ReceiverOptions) -> io::Result<Self> {
        let receiver = Self::open(address, options)?;
        receiver.bind_to(address)?;
        Ok(receiver)
    }

    /// Binds several sockets to one address, among which the kernel divides what comes. With multicast groups, or on
    /// systems other than Linux, it is one, since each would get all.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind).
    pub fn bind_several(
        address: SocketAddr,
        sockets: usize,
        options: &ReceiverOptions,
    ) -> io::Result<(Vec<Self>, Steering)> {
        if sockets <= 1 || !options.groups.is_empty() {
            return Ok((vec![Self::bind(address, options)?], Steering::None));
        }
        Self::bind_group(address, sockets, options)
    }

    #[cfg(target_os = "linux")]
    fn bind_group(
        address: SocketAddr,
        sockets: usize,
        options: &ReceiverOptions,
    ) -> io::Result<(Vec<Self>, Steering)> {
        // Sockets that share a port would silently share it with another program of the same user, too.
        let address = Self::bind(address, options)?.local_address()?;
        let mut receivers: Vec<Self> = Vec::new();
        let mut steering = Steering::Source;
        for _ in 0..sockets {
            let receiver = Self::open(address, options)?;
            socket2::SockRef::from(&receiver.socket).set_reuse_port(true)?;
            // Before anything can come. It is the whole group's, whose first socket is number 0.
            if receivers.is_empty()
                && let Err(error) = steering::by_source(&receiver.socket, sockets)
            {
                steering = Steering::Hash(error);
            }
            receiver.bind_to(address)?;
            receivers.push(receiver);
        }
        Ok((receivers, steering))
    }

    #[cfg(not(target_os = "linux"))]
    fn bind_group(
        address: SocketAddr,
        _: usize,
        options: &ReceiverOptions,
    ) -> io::Result<(Vec<Self>, Steering)> {
        Ok((vec![Self::bind(address, options)?], Steering::None))
    }

    fn open(address: SocketAddr, options: &ReceiverOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        ask_receive_buffer(&socket, options.receive_buffer);
        #[cfg(target_os = "linux")]
        batched::ask_times(&socket);
        #[cfg(not(target_os = "linux"))]
        socket.set_nonblocking(true)?;
        for &(group, interface) in &options.groups {
            match group {
                IpAddr::V4(group) => {
                    socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface))?;
                }
                IpAddr::V6(group) => socket.join_multicast_v6(&group, interface)?,
            }
        }
        let granted = socket.recv_buffer_size()?;
        let longest = Duration::from_nanos((granted as u128 / 4 * 1_000_000_000 / FASTEST) as u64);
        let nap = Some(options.nap.min(longest)).filter(|nap| *nap >= SHORTEST_NAP).unwrap_or_default();
        Ok(Self { socket: socket.into(), granted, longest: options.longest, nap, clock: options.clock })
    }

    fn bind_to(&self, address: SocketAddr) -> io::Result<()> {
        socket2::SockRef::from(&self.socket).bind(&address.into())
    }

    /// Where a thread receives into.
    pub fn inbox(&self) -> Inbox<'_> {
        Inbox { receiver: self, slots: Slots::new(self.longest), last: 0, rest: None, truncated: 0 }
    }

    /// The address that is listened on, with the port that the system chose where 0 was asked for.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Octets of receive buffer that the system granted. Linux counts its own bookkeeping in and so grants twice what
    /// it is asked for.
    pub fn granted_buffer(&self) -> usize {
        self.granted
    }

    /// Datagrams that the kernel dropped so far since the receive buffer was full; `None` when the system does not
    /// tell.
    pub fn kernel_drops(&self) -> Option<u64> {
        #[cfg(target_os = "linux")]
        return drops::kernel_drops(&self.socket);
        #[cfg(not(target_os = "linux"))]
        None
    }
}

/// The memory that one thread receives into.
#[derive(Debug)]
pub struct Inbox<'a> {
    receiver: &'a UdpReceiver,
    slots: Slots,
    /// How many datagrams there were the last time.
    last: usize,
    /// How many there can be yet before the end, once that was asked for.
    rest: Option<usize>,
    truncated: u64,
}

impl Inbox<'_> {
    /// Takes what there is, without waiting, but some dozens at most; returns how many datagrams it was. Zero says
    /// that there are no more for now.
    ///
    /// # Errors
    /// What the system says. It is of one datagram (an ICMP message that came back), or the interface went away: there
    /// may be something to receive again later.
    pub fn receive(&mut self, mut take: impl FnMut(Datagram<'_>)) -> io::Result<usize> {
        self.last = 0;
        let truncated = &mut self.truncated;
        self.last = self.slots.receive(&self.receiver.socket, self.receiver.clock, |datagram, whole| {
            *truncated += u64::from(!whole);
            take(datagram);
        })?;
        Ok(self.last)
    }

    /// Waits until it is worth it to [`receive`](Self::receive) again: not at all when the last call left some, the
    /// [nap](ReceiverOptions::nap) when it took all there was, and when there was none until one comes. `idle` is the
    /// longest; after a signal it may be shorter.
    pub fn wait(&mut self, idle: Duration) {
        match self.last {
            BATCH.. => {}
            1.. if !self.receiver.nap.is_zero() => thread::sleep(self.receiver.nap.min(idle)),
            _ => await_readable(&self.receiver.socket, idle),
        }
    }

    /// To be asked after each [`receive`](Self::receive) when no more is wanted: whether all has been taken that was in
    /// the receive buffer when it was asked first. That is so at the latest when as many were taken as it can hold, however
    /// fast others come.
    pub fn is_at_end(&mut self) -> bool {
        let most = self.receiver.granted / LEAST_TAKEN + BATCH;
        let rest = self.rest.unwrap_or(most).saturating_sub(self.last);
        self.rest = Some(rest);
        self.last < BATCH || rest == 0
    }

    /// Datagrams that were [too long](ReceiverOptions::longest), and cut off.
    pub fn truncated(&self) -> u64 {
        self.truncated
    }
}

#[cfg(unix)]
fn await_readable(socket: &UdpSocket, idle: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec { tv_sec: idle.as_secs() as _, tv_nsec: idle.subsec_nanos() as _ };
    // An interruption is as good as a datagram: whoever waits looks again.
    let _ = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&timeout));
}

#[cfg(not(unix))]
fn await_readable(socket: &UdpSocket, idle: Duration) {
    // An error is as good as a datagram: whoever waits looks again.
    let _ = socket.set_read_timeout(Some(idle.max(Duration::from_millis(1))));
    if socket.set_nonblocking(false).is_ok() {
        let _ = socket.peek(&mut [0]);
    }
    let _ = socket.set_nonblocking(true);
}

/// More than the system's limit may be had with privileges; what it takes to ask is no error.
fn ask_receive_buffer(socket: &Socket, octets: usize) {
    #[cfg(target_os = "linux")]
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, octets).is_ok() {
        return;
    }
    let _ = socket.set_recv_buffer_size(octets);
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Far longer than anything here takes.
    const LONG: Duration = Duration::from_secs(60);

    type Taken = Vec<(SocketAddr, SystemTime, Vec<u8>)>;

    fn bind(address: &str, options: &ReceiverOptions) -> UdpReceiver {
        UdpReceiver::bind(address.parse().unwrap(), options).unwrap()
    }

    fn exporter(address: &str) -> UdpSocket {
        UdpSocket::bind((address, 0)).unwrap()
    }

    /// Receives so many datagrams.
    fn take(inbox: &mut Inbox<'_>, count: usize) -> Taken {
        let mut taken = Taken::new();
        let since = std::time::Instant::now();
        while taken.len() < count && since.elapsed() < LONG {
            inbox.wait(LONG);
            inbox.receive(|one| taken.push((one.source, one.time, one.payload.to_vec()))).unwrap();
        }
        assert_eq!(inbox.receive(|more| panic!("{more:?} was not expected")).unwrap(), 0);
        taken
    }

    #[test]
    fn datagrams_come_in_order_with_their_source_and_the_time_of_the_kernel() {
        let options = ReceiverOptions { clock: || SystemTime::UNIX_EPOCH, ..ReceiverOptions::default() };
        let receiver = bind("127.0.0.1:0", &options);
        let exporter = exporter("127.0.0.1");
        let lengths = (0..3 * BATCH).map(|number| number * 7 % 1_500).chain([65_507, 0, 1]);
        let payloads: Vec<_> = lengths.map(|length| vec![length as u8; length]).collect();
        for payload in &payloads {
            exporter.send_to(payload, receiver.local_address().unwrap()).unwrap();
        }
        let mut inbox = receiver.inbox();
        let taken = take(&mut inbox, payloads.len());
        assert!(taken.iter().map(|(_, _, payload)| payload).eq(&payloads));
        assert!(taken.iter().all(|(source, ..)| *source == exporter.local_addr().unwrap()));
        assert_eq!(inbox.truncated(), 0);
        if cfg!(target_os = "linux") {
            assert!(taken.iter().all(|(_, time, _)| *time > SystemTime::UNIX_EPOCH));
            assert!(taken.is_sorted_by_key(|(_, time, _)| *time));
        }
    }

    #[test]
    fn what_is_too_long_is_cut_off_and_counted() {
        let receiver = bind("127.0.0.1:0", &ReceiverOptions { longest: 10, ..ReceiverOptions::default() });
        let exporter = exporter("127.0.0.1");
        for length in [9, 10, 11, 2_000] {
            exporter.send_to(&vec![1; length], receiver.local_address().unwrap()).unwrap();
        }
        let mut inbox = receiver.inbox();
        let lengths: Vec<_> = take(&mut inbox, 4).iter().map(|(.., payload)| payload.len()).collect();
        assert_eq!((&lengths[..], inbox.truncated()), (&[9, 10, 10, 10][..], 2));
    }

    #[test]
    fn one_by_one_comes_the_same() {
        let socket = exporter("127.0.0.1");
        socket.set_nonblocking(true).unwrap();
        let exporter = exporter("127.0.0.1");
        for length in [9, 10, 11, 0] {
            exporter.send_to(&vec![1; length], socket.local_addr().unwrap()).unwrap();
        }
        let mut seen = Vec::new();
        let mut slots = single::Slots::new(10);
        let note = |datagram: Datagram<'_>, whole| {
            assert_eq!(
                (datagram.source, datagram.time),
                (exporter.local_addr().unwrap(), SystemTime::UNIX_EPOCH)
            );
            seen.push((datagram.payload.len(), whole));
        };
        assert_eq!(slots.receive(&socket, || SystemTime::UNIX_EPOCH, note).unwrap(), 4);
        assert_eq!(seen, [(9, true), (10, true), (10, false), (0, true)]);
        assert_eq!(slots.receive(&socket, SystemTime::now, |_, _| ()).unwrap(), 0);
    }

    #[test]
    fn a_socket_of_both_versions_names_ipv4_sources_as_such() {
        let receiver = bind("[::]:0", &ReceiverOptions::default());
        let port = receiver.local_address().unwrap().port();
        let v4 = exporter("127.0.0.1");
        v4.send_to(b"4", ("127.0.0.1", port)).unwrap();
        let mut inbox = receiver.inbox();
        assert_eq!(take(&mut inbox, 1)[0].0, v4.local_addr().unwrap());
        let v6 = exporter("::1");
        v6.send_to(b"6", ("::1", port)).unwrap();
        assert_eq!(take(&mut inbox, 1)[0].0, v6.local_addr().unwrap());
    }

    #[test]
    fn a_port_in_use_is_refused_however_many_sockets_are_wanted() {
        let receiver = bind("127.0.0.1:0", &ReceiverOptions::default());
        let address = receiver.local_address().unwrap();
        for sockets in 1..3 {
            let again = UdpReceiver::bind_several(address, sockets, &ReceiverOptions::default());
            assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        let (receivers, _) =
            UdpReceiver::bind_several("127.0.0.1:0".parse().unwrap(), 2, &ReceiverOptions::default())
                .unwrap();
        let address = receivers[0].local_address().unwrap();
        assert!(UdpReceiver::bind_several(address, 2, &ReceiverOptions::default()).is_err());
    }

    #[test]
    fn the_granted_buffer_is_what_the_kernel_drops_beyond() {
        let receiver =
            bind("127.0.0.1:0", &ReceiverOptions { receive_buffer: 1, ..ReceiverOptions::default() });
        assert!(receiver.granted_buffer() > 0);
        // Too small for datagrams to gather in.
        assert_eq!(receiver.nap, Duration::ZERO);
        let exporter = exporter("127.0.0.1");
        for _ in 0..1_000 {
            exporter.send_to(&[0; 1_000], receiver.local_address().unwrap()).unwrap();
        }
        let (mut inbox, mut received) = (receiver.inbox(), 0);
        while inbox.receive(|_| received += 1).unwrap() > 0 {}
        match receiver.kernel_drops() {
            Some(dropped) => assert_eq!(received + dropped, 1_000),
            None => assert!(received < 1_000),
        }
    }

    #[test]
    fn the_end_comes_when_all_was_taken_or_as_much_as_there_can_have_been() {
        let receiver =
            bind("127.0.0.1:0", &ReceiverOptions { receive_buffer: 100_000, ..ReceiverOptions::default() });
        let exporter = exporter("127.0.0.1");
        let send = || exporter.send_to(b"x", receiver.local_address().unwrap()).unwrap();
        let mut inbox = receiver.inbox();
        (0..BATCH + 1).for_each(|_| _ = send());
        assert_eq!(inbox.receive(|_| ()).unwrap(), BATCH);
        assert!(!inbox.is_at_end());
        assert_eq!(inbox.receive(|_| ()).unwrap(), 1);
        assert!(inbox.is_at_end());
        // More come than can be taken, for ever.
        let mut inbox = receiver.inbox();
        let mut taken = 0;
        loop {
            (0..BATCH).for_each(|_| _ = send());
            taken += inbox.receive(|_| ()).unwrap();
            if inbox.is_at_end() {
                break;
            }
        }
        assert!((receiver.granted_buffer() / LEAST_TAKEN..).contains(&taken), "{taken}");
    }

    #[test]
    fn waiting_ends_with_a_datagram() {
        let receiver = bind("127.0.0.1:0", &ReceiverOptions::default());
        let mut inbox = receiver.inbox();
        let target = receiver.local_address().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| exporter("127.0.0.1").send_to(b"x", target).unwrap());
            assert_eq!(take(&mut inbox, 1).len(), 1);
        });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn whatever_comes_from_an_address_comes_to_the_same_socket() {
        for address in ["127.0.0.1:0", "[::]:0", "[::1]:0"] {
            let options = ReceiverOptions { receive_buffer: 1 << 20, ..ReceiverOptions::default() };
            let (receivers, steering) =
                UdpReceiver::bind_several(address.parse().unwrap(), 4, &options).unwrap();
            if let Steering::Hash(error) = steering {
                println!("skipped: the kernel refuses to steer ({error})");
                return;
            }
            let bound = receivers[0].local_address().unwrap();
            assert!(receivers.iter().all(|receiver| receiver.local_address().unwrap() == bound));
            let v4 = (1..=64).map(|number| format!("127.0.7.{number}"));
            let sources: Vec<_> = match address {
                "127.0.0.1:0" => v4.collect(),
                "[::]:0" => v4.chain(["::1".into()]).collect(),
                _ => vec!["::1".into()],
            };
            for source in &sources {
                for _ in 0..5 {
                    let to = if source.contains(':') { "::1" } else { "127.0.0.1" };
                    exporter(source).send_to(b"x", (to, bound.port())).unwrap();
                }
            }
            let mut sockets_of: BTreeMap<IpAddr, BTreeSet<usize>> = BTreeMap::new();
            let mut ports = BTreeSet::new();
            for (number, receiver) in receivers.iter().enumerate() {
                let mut inbox = receiver.inbox();
                let mut note = |datagram: Datagram<'_>| {
                    sockets_of.entry(datagram.source.ip()).or_default().insert(number);
                    ports.insert(datagram.source);
                };
                while inbox.receive(&mut note).unwrap() > 0 {}
            }
            assert_eq!(sockets_of.len(), sources.len());
            assert!(sockets_of.values().all(|sockets| sockets.len() == 1), "{sockets_of:?}");
            assert!(ports.len() > sources.len());
            let used: BTreeSet<_> = sockets_of.values().flatten().collect();
            assert!(used.len() > 1 || sources.len() == 1, "{used:?}");
        }
    }

    #[test]
    fn a_multicast_group_is_joined_by_one_socket() {
        let group = "239.255.77.1".parse().unwrap();
        let options = ReceiverOptions { groups: vec![(group, 1)], ..ReceiverOptions::default() };
        let bound = UdpReceiver::bind_several("0.0.0.0:0".parse().unwrap(), 4, &options);
        let (receivers, steering) = match bound {
            Ok(bound) => bound,
            Err(error) => return println!("skipped: interface 1 takes no multicast ({error})"),
        };
        assert!(matches!((&receivers[..], steering), ([_], Steering::None)));
        let exporter = exporter("127.0.0.1");
        let to = (group, receivers[0].local_address().unwrap().port());
        match exporter.send_to(b"x", to) {
            Ok(_) => assert_eq!(take(&mut receivers[0].inbox(), 1)[0].2, b"x"),
            Err(error) => println!("skipped: there is no way to {group} ({error})"),
        }
    }
}
