use std::convert::Infallible;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::thread;

use super::*;

/// Packets of exporters 192.0.2.x, with the milliseconds at which they were recorded.
struct Listed<'a>(std::slice::Iter<'a, (u8, i64, &'a [u8])>);

impl Packets for Listed<'_> {
    type Error = Infallible;

    fn next_packet(&mut self, octets: &mut Vec<u8>) -> Result<Option<Origin>, Infallible> {
        let Some(&(exporter, time, payload)) = self.0.next() else { return Ok(None) };
        octets.extend(payload);
        let exporter = SocketAddr::from(([192, 0, 2, exporter], 0));
        Ok(Some(Origin { exporter, time: Timestamp::from_millis(time) }))
    }
}

/// A clock that moves when it is waited for, and remembers when.
#[derive(Default)]
struct TestClock {
    now: Duration,
    waited: Vec<u128>,
    /// Waits after which it ends the replay.
    patience: Option<usize>,
}

impl Clock for TestClock {
    fn now(&mut self) -> Duration {
        self.now
    }

    fn wait_until(&mut self, due: Duration) -> bool {
        self.now = self.now.max(due);
        self.waited.push(due.as_millis());
        self.patience.is_none_or(|patience| self.waited.len() <= patience)
    }
}

/// A clock that takes what was sent from the collector's buffer whenever it is asked to wait, so that nothing is lost
/// there. On loopback a packet is in that buffer when it has been sent.
struct Draining<'a> {
    collector: &'a Collector,
    got: Vec<(SocketAddr, Vec<u8>)>,
}

impl<'a> Draining<'a> {
    fn new(collector: &'a Collector) -> Self {
        collector.0.set_nonblocking(true).unwrap();
        Self { collector, got: Vec::new() }
    }
}

impl Clock for Draining<'_> {
    fn now(&mut self) -> Duration {
        Duration::ZERO
    }

    fn wait_until(&mut self, _: Duration) -> bool {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = self.collector.0.recv_from(&mut buffer) {
            self.got.push((from, buffer[..length].to_vec()));
        }
        true
    }
}

struct Collector(UdpSocket);

impl Collector {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // Room for a batch of small packets, of which each takes far more than its octets.
        socket2::SockRef::from(&socket).set_recv_buffer_size(1 << 20).unwrap();
        Self(socket)
    }

    fn target(&self) -> Target {
        Target::Udp(self.0.local_addr().unwrap())
    }

    fn replay(&self, options: ReplayOptions) -> Replay {
        Replay::new(self.target(), options)
    }

    /// The next packets: last octet of the address that each came from, and its octets.
    fn next<const N: usize>(&self) -> [(u8, Vec<u8>); N] {
        std::array::from_fn(|_| {
            let mut buffer = vec![0; 65_536];
            let (length, from) = self.0.recv_from(&mut buffer).unwrap();
            buffer.truncate(length);
            let IpAddr::V4(address) = from.ip() else { panic!("{from}") };
            (address.octets()[3], buffer)
        })
    }

    /// Nothing is left: what is sent now comes next.
    fn has_no_more(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"end", self.0.local_addr().unwrap()).unwrap();
        assert_eq!(self.next(), [(1, b"end".to_vec())]);
    }
}

fn top() -> ReplayOptions {
    ReplayOptions { pace: Pace::Top, ..ReplayOptions::default() }
}

#[test]
#[cfg(target_os = "linux")]
fn packets_arrive_in_order_each_from_the_address_of_its_exporter() {
    let packets = [(1, 0, &b"one"[..]), (2, 0, b"two"), (2, 5, b""), (1, 9, b"four")];
    let collector = Collector::start();
    let mut replay = collector.replay(top());
    assert_eq!(replay.play(&mut Listed(packets.iter()), &mut TestClock::default()).unwrap(), Ended::Whole);
    for (exporter, _, octets) in packets {
        assert_eq!(collector.next(), [(exporter, octets.to_vec())]);
    }
    let exporters: Vec<_> = replay
        .exporters()
        .map(|exporter| (exporter.recorded.ip().to_string(), exporter.source.unwrap().ip().to_string()))
        .collect();
    assert_eq!(exporters, [("192.0.2.1", "127.0.2.1"), ("192.0.2.2", "127.0.2.2")].map(own));
    assert_eq!(replay.statistics(), ReplayStatistics { sent: 4, sent_octets: 10, ..Default::default() });
    collector.has_no_more();
}

fn own((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

#[test]
fn nothing_is_sent_before_it_is_due() {
    let packets = [(1, 1_000, &b"a"[..]), (1, 1_000, b"b"), (1, 3_000, b"c"), (1, 3_500, b"d")];
    let collector = Collector::start();
    let mut replay = collector.replay(ReplayOptions { pace: Pace::Recorded(2.0), ..Default::default() });
    let mut clock = TestClock { patience: Some(1), ..TestClock::default() };
    // The first two are due at once; the clock ends the replay at the second pause.
    assert_eq!(replay.play(&mut Listed(packets.iter()), &mut clock).unwrap(), Ended::Stopped);
    assert_eq!(clock.waited, [1_000, 1_250]);
    assert_eq!(replay.statistics().sent, 3);
    collector.next::<3>();
    collector.has_no_more();
}

#[test]
fn rounds_follow_each_other_until_the_count_is_reached() {
    let packets = [(1, 1_000, &b"a"[..]), (1, 1_500, b"b")];
    let collector = Collector::start();
    let mut replay = collector.replay(ReplayOptions { count: Some(5), ..Default::default() });
    let mut clock = TestClock::default();
    for ended in [Ended::Whole, Ended::Whole, Ended::Count, Ended::Count] {
        assert_eq!(replay.play(&mut Listed(packets.iter()), &mut clock).unwrap(), ended);
    }
    assert_eq!(clock.waited, [500, 1_000]);
    let octets = collector.next::<5>().map(|(_, octets)| octets);
    assert_eq!(octets, [b"a", b"b", b"a", b"b", b"a"]);
    collector.has_no_more();
}

#[test]
fn more_than_a_batch_is_sent_whole() {
    let long = vec![7; 9_000];
    let packets: Vec<_> =
        (0..2 * BATCH + 5).map(|n| (1, 0, if n % 100 == 0 { &long[..] } else { &b"x"[..] })).collect();
    let collector = Collector::start();
    let mut replay = collector.replay(top());
    let mut clock = Draining::new(&collector);
    replay.play(&mut Listed(packets.iter()), &mut clock).unwrap();
    clock.wait_until(Duration::ZERO);
    let lengths: Vec<_> = packets.iter().map(|(_, _, octets)| octets.len()).collect();
    assert_eq!(clock.got.iter().map(|(_, octets)| octets.len()).collect::<Vec<_>>(), lengths);
}

#[test]
fn what_cannot_be_sent_is_counted_and_the_rest_is_sent() {
    let long = vec![0; 65_508];
    let packets = [(1, 0, &b"a"[..]), (1, 0, &long), (1, 0, b"b")];
    let collector = Collector::start();
    let mut replay = collector.replay(top());
    assert_eq!(replay.play(&mut Listed(packets.iter()), &mut TestClock::default()).unwrap(), Ended::Whole);
    let statistics = replay.statistics();
    assert_eq!((statistics.sent, statistics.lost, statistics.lost_octets), (2, 1, 65_508));
    assert!(replay.take_error().is_some());

    let target = collector.target();
    drop(collector);
    let mut replay = Replay::new(target, ReplayOptions::default());
    for _ in 0..3 {
        replay.play(&mut Listed([(1, 0, &b"a"[..])].iter()), &mut TestClock::default()).unwrap();
    }
    assert_eq!((replay.statistics().sent, replay.statistics().lost), (3, 0));
    assert!(replay.statistics().refused > 0);
}

#[test]
fn an_address_of_another_machine_is_named() {
    let collector = Collector::start();
    let sources = vec!["192.0.2.1".parse().unwrap()];
    let mut replay = collector.replay(ReplayOptions { sources, ..top() });
    let error = replay.play(&mut Listed([(1, 0, &b"a"[..])].iter()), &mut TestClock::default());
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("cannot send from 192.0.2.1: "), "{error}");
}

#[test]
fn over_tcp_every_exporter_has_a_connection() {
    let packets = [(1, 0, &b"one"[..]), (2, 0, b"two"), (1, 0, b"three")];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::Tcp(listener.local_addr().unwrap());
    let accepting = thread::spawn(move || {
        let mut streams: [_; 2] = std::array::from_fn(|_| listener.accept().unwrap().0);
        let mut texts = streams.each_mut().map(|stream| {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        texts.sort();
        texts
    });
    let mut replay = Replay::new(target, top());
    replay.play(&mut Listed(packets.iter()), &mut TestClock::default()).unwrap();
    assert_eq!(replay.statistics().sent, 3);
    drop(replay);
    assert_eq!(accepting.join().unwrap(), ["onethree", "two"]);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut replay = Replay::new(Target::Tcp(nobody), top());
    let error = replay.play(&mut Listed(packets.iter()), &mut TestClock::default()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot send to {nobody}: ")), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn sockets_beyond_the_bound_are_closed_and_come_back_as_they_were() {
    struct Many(u32);
    impl Packets for Many {
        type Error = Infallible;
        fn next_packet(&mut self, octets: &mut Vec<u8>) -> Result<Option<Origin>, Infallible> {
            let number = self.0;
            self.0 += 1;
            octets.push(1);
            // Every exporter twice.
            let exporter = std::net::Ipv4Addr::from_bits(0x0a00_0001 + number % 400);
            let exporter = SocketAddr::from((exporter, 0));
            Ok((number < 800).then_some(Origin { exporter, time: Timestamp::EPOCH }))
        }
    }
    let collector = Collector::start();
    let mut replay = collector.replay(top());
    let mut clock = Draining::new(&collector);
    replay.play(&mut Many(0), &mut clock).unwrap();
    clock.wait_until(Duration::ZERO);
    let from: Vec<_> = clock.got.iter().map(|(from, _)| *from).collect();
    assert_eq!(from.len(), 800);
    assert_eq!(from[..400], from[400..]);
    assert_eq!(from.iter().map(SocketAddr::ip).collect::<std::collections::HashSet<_>>().len(), 400);
    assert_eq!(replay.exporters().len(), 400);
}

#[test]
fn live_packets_are_sent_before_the_next_is_waited_for() {
    struct Live<'a>(&'a Collector, u8);
    impl Packets for Live<'_> {
        type Error = Infallible;
        fn next_packet(&mut self, octets: &mut Vec<u8>) -> Result<Option<Origin>, Infallible> {
            if self.1 > 0 {
                assert_eq!(self.0.next(), [(1, vec![self.1])]);
            }
            self.1 += 1;
            octets.push(self.1);
            let exporter = SocketAddr::from(([192, 0, 2, 1], 0));
            Ok((self.1 < 4).then_some(Origin { exporter, time: Timestamp::EPOCH }))
        }
    }
    let collector = Collector::start();
    let mut replay = collector.replay(ReplayOptions { live: true, ..top() });
    replay.play(&mut Live(&collector, 0), &mut TestClock::default()).unwrap();
    assert_eq!(replay.statistics().sent, 3);
}

#[test]
fn connections_stay_open_however_many_there_are() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::Tcp(listener.local_addr().unwrap());
    let most = 300_u16;
    let accepting = thread::spawn(move || {
        let streams: Vec<_> = (0..most).map(|_| listener.accept().unwrap().0).collect();
        streams.into_iter().map(|mut stream| stream.read_to_end(&mut Vec::new()).unwrap()).collect::<Vec<_>>()
    });
    struct Twice(u16, u16);
    impl Packets for Twice {
        type Error = Infallible;
        fn next_packet(&mut self, octets: &mut Vec<u8>) -> Result<Option<Origin>, Infallible> {
            let number = self.0;
            self.0 += 1;
            octets.push(1);
            let [high, low] = (number % self.1).to_be_bytes();
            let exporter = SocketAddr::from(([10, 0, high, low], 0));
            Ok((number < 2 * self.1).then_some(Origin { exporter, time: Timestamp::EPOCH }))
        }
    }
    let mut replay = Replay::new(target, top());
    replay.play(&mut Twice(0, most), &mut TestClock::default()).unwrap();
    drop(replay);
    assert!(accepting.join().unwrap().iter().all(|octets| *octets == 2));
}

#[test]
fn a_collector_that_takes_nothing_does_not_keep_a_replay_from_ending() {
    struct Full(Vec<u8>);
    impl std::io::Write for Full {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            if self.0.len() == 3 {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            self.0.push(octets[0]);
            Ok(1)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for (patience, says) in [(Some(5), "ended"), (None, "timed out")] {
        let (mut stream, mut clock) = (Full(Vec::new()), TestClock { patience, ..TestClock::default() });
        let error = sending::write_all(&mut stream, b"abcdef", &mut clock).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(stream.0, b"abc");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_collector_that_does_not_answer_does_not_keep_a_replay_from_its_end() {
    use socket2::{Domain, Socket, Type};
    // Connections that nobody takes fill what may wait; then no other is answered.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(1).unwrap();
    let target = listener.local_addr().unwrap().as_socket().unwrap();
    let connect = |patience: usize| {
        let mut clock = TestClock { patience: Some(patience), ..TestClock::default() };
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        sending::connect_until(socket, target, &mut clock)
    };
    let mut waiting: Vec<Socket> = Vec::new();
    let error = loop {
        match connect(3) {
            Ok(socket) => waiting.push(socket),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10);
    };
    assert!(!waiting.is_empty() && error.to_string().contains("does not answer"), "{error}");
}
