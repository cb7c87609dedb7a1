//! Connections, from the side of exporters.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use netflow_collector::{
    Collector, Config, Inlet, Listen, Output, PacketListener, ReceivedPacket, Report, Rules, Source,
    StreamLimits, Transport,
};
use netflow_templates::{Context, DataSet, MessageSink};
use netflow_wire::{FieldSpecifier, Header, MessageEncoder, TemplateDefinition, ipfix};

/// Far longer than anything takes.
const LONG: Duration = Duration::from_secs(120);

fn config(transport: Transport, limits: StreamLimits) -> Config {
    let listen = Listen { transport, address: "127.0.0.1:0".parse().unwrap() };
    Config { streams: limits, ..Config::new(Source::Listen(vec![listen])) }
}

fn listen(limits: StreamLimits) -> (PacketListener, SocketAddr) {
    let listener = PacketListener::start(&config(Transport::Tcp, limits)).unwrap();
    let address = listener.addresses()[0];
    (listener, address)
}

/// A message of one record, with or without its template.
fn message(sequence_number: u32, template: bool) -> Vec<u8> {
    message_with(sequence_number, template, 0)
}

/// The same, with so many octets more in the record.
fn message_with(sequence_number: u32, template: bool, more: u16) -> Vec<u8> {
    let mut message =
        MessageEncoder::new(Header::Ipfix(ipfix::Header { sequence_number, ..ipfix::Header::default() }));
    if template {
        let mut fields = vec![FieldSpecifier::iana(1, 4)];
        if more > 0 {
            // ipHeaderPacketSection
            fields.push(FieldSpecifier::iana(313, more));
        }
        message.template(&TemplateDefinition {
            template_id: 256,
            scope_count: 0,
            options: false,
            fields,
            offset: 0,
        });
    }
    message.begin_set(256).octets(&sequence_number.to_be_bytes()).octets(&vec![7; more.into()]);
    message.finish()
}

fn next(listener: &mut PacketListener) -> ReceivedPacket {
    listener.next_timeout(LONG).expect("a packet")
}

/// Waits until the collector has closed a connection.
fn wait_for_the_end(mut connection: &TcpStream) {
    connection.set_read_timeout(Some(LONG)).unwrap();
    // The end, or a reset.
    let read = connection.read(&mut [0; 64]);
    assert!(!matches!(&read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "{read:?}");
}

fn counts(names: &[(&'static str, u64)]) -> BTreeMap<&'static str, u64> {
    names.iter().copied().collect()
}

/// Each connection that came is in one of the counts.
fn assert_all_accounted_for(report: &Report) {
    let streams = &report.streams;
    let ended: u64 = streams.refused.values().chain(streams.closed.values()).sum();
    assert_eq!((streams.connections, streams.open), (ended, 0), "{streams:?}");
}

#[test]
fn messages_are_whole_however_they_come_and_templates_are_of_their_connection() {
    let (mut listener, address) = listen(StreamLimits::default());
    let mut first = TcpStream::connect(address).unwrap();
    for octet in [message(1, true), message(2, false)].concat() {
        first.write_all(&[octet]).unwrap();
    }
    for number in 1..3 {
        let packet = next(&mut listener);
        assert_eq!((packet.flows[0].bytes_raw, &packet.problems[..]), (number, &[][..]));
        assert_eq!(packet.exporter, first.local_addr().unwrap().into());
    }
    drop(first);
    let mut second = TcpStream::connect(address).unwrap();
    second.write_all(&message(3, false)).unwrap();
    let packet = next(&mut listener);
    assert_eq!((packet.flows.len(), packet.problems.len()), (0, 1), "{packet:?}");
    drop(second);
    let report = listener.stop();
    assert_all_accounted_for(&report);
    assert_eq!((report.received, report.malformed, report.dropped), (3, 0, 0));
}

#[test]
fn what_is_no_ipfix_ends_its_connection_and_no_other() {
    let (mut listener, address) = listen(StreamLimits::default());
    let mut good = TcpStream::connect(address).unwrap();
    good.write_all(&message(0, true)).unwrap();
    next(&mut listener);
    for bad in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 10, 0, 15], &[0, 9, 0, 1], &[0xff; 70_000]] {
        let mut connection = TcpStream::connect(address).unwrap();
        // It may be closed before all is written.
        let _ = connection.write_all(&[&message(0, true), bad].concat());
        assert_eq!(next(&mut listener).flows.len(), 1);
        wait_for_the_end(&connection);
    }
    good.write_all(&message(1, false)).unwrap();
    assert_eq!(next(&mut listener).flows[0].bytes_raw, 1);
    let report = listener.stop();
    assert_all_accounted_for(&report);
    assert_eq!(report.streams.closed, counts(&[("collector ended", 1), ("no IPFIX", 4)]));
}

#[test]
fn what_is_sent_too_slowly_or_not_at_all_is_closed_and_others_are_served() {
    let limits = StreamLimits {
        message: Duration::from_millis(300),
        idle: Some(Duration::from_secs(3)),
        ..StreamLimits::default()
    };
    let (mut listener, address) = listen(limits);
    let mut good = TcpStream::connect(address).unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    let silent = TcpStream::connect(address).unwrap();
    let octets = message(0, true);
    let mut sent = 0;
    // An octet at a time, for ever.
    while slow.write_all(&octets[sent..=sent]).is_ok() {
        good.write_all(&message(sent as u32, sent == 0)).unwrap();
        assert_eq!(next(&mut listener).flows.len(), 1);
        sent = (sent + 1).min(octets.len() - 2);
        assert!(sent < octets.len() - 2, "it is never closed");
        thread::sleep(Duration::from_millis(100));
    }
    wait_for_the_end(&silent);
    let report = listener.stop();
    assert_all_accounted_for(&report);
    let closed = &report.streams.closed;
    assert_eq!((closed.get("message too slow"), closed.contains_key("idle")), (Some(&1), true), "{closed:?}");
    assert!(report.streams.cut_octets > 0);
}

/// A connection from an address of this machine.
fn connect_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_connections_are_bounded_and_exporters_served() {
    const CONNECTIONS: usize = 10_000;
    const ADDRESSES: usize = 400;
    let limits = StreamLimits { connections: 256, connections_per_address: 8, ..StreamLimits::default() };
    let (mut listener, address) = listen(limits);
    let exporter = Ipv4Addr::new(127, 9, 9, 9);
    let mut before = connect_from(exporter, address);
    before.write_all(&message(0, true)).unwrap();
    next(&mut listener);

    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let held = CONNECTIONS.min((files as usize).saturating_sub(512));
    if held < CONNECTIONS {
        println!("{held} of {CONNECTIONS} connections are held at once: no more files may be open");
    }
    let mut connections = std::collections::VecDeque::new();
    for number in 0..CONNECTIONS {
        if connections.len() == held {
            connections.pop_front();
        }
        let source = Ipv4Addr::from_bits(0x7f01_0000 + (number % ADDRESSES) as u32 + 1);
        connections.push_back(connect_from(source, address));
        if number % 1_000 == 0 {
            before.write_all(&message(number as u32, false)).unwrap();
            assert_eq!(next(&mut listener).flows.len(), 1);
        }
    }
    // Also who comes after them.
    let mut after = connect_from(exporter, address);
    after.write_all(&message(7, true)).unwrap();
    assert_eq!(next(&mut listener).flows[0].bytes_raw, 7);
    let report = listener.stop();
    assert_all_accounted_for(&report);
    let streams = &report.streams;
    assert_eq!(streams.connections as usize, CONNECTIONS + 2);
    // None of them is refused for the sake of one that is silent.
    assert!(
        streams.closed["silent, to make room"] as usize >= CONNECTIONS - 256 - 8 * ADDRESSES,
        "{streams:?}"
    );
    assert!(streams.closed["collector ended"] <= 256, "{streams:?}");
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let (mut listener, address) =
        listen(StreamLimits { connections_per_address: 3, ..StreamLimits::default() });
    let mut open: Vec<_> = (0..3)
        .map(|number| {
            let mut connection = TcpStream::connect(address).unwrap();
            connection.write_all(&message(number, true)).unwrap();
            next(&mut listener);
            connection
        })
        .collect();
    wait_for_the_end(&TcpStream::connect(address).unwrap());
    open.pop();
    // Its place is free as soon as the collector sees that.
    let until = Instant::now() + LONG;
    loop {
        let mut connection = TcpStream::connect(address).unwrap();
        let _ = connection.write_all(&message(9, true));
        if let Some(packet) = listener.next_timeout(Duration::from_millis(200)) {
            assert_eq!(packet.flows[0].bytes_raw, 9);
            break;
        }
        assert!(Instant::now() < until, "no place becomes free");
    }
    let report = listener.stop();
    assert_all_accounted_for(&report);
    assert!(report.streams.refused["too many of one address"] >= 1);
}

/// An exporter that sends messages with so many octets more, and a collector that is slow to decode any.
fn send_to_a_slow_collector(messages: u32, more: u16) {
    // Messages are cut wherever reading stops; that is no fault of the exporter's.
    let limits = StreamLimits { message: Duration::from_secs(1), ..StreamLimits::default() };
    let config = Config { queue: 1, ..config(Transport::Tcp, limits) };
    let mut listener = PacketListener::start(&config).unwrap();
    let address = listener.addresses()[0];
    let exporter = thread::spawn(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        let octets: Vec<u8> =
            (0..messages).flat_map(|number| message_with(number, number == 0, more)).collect();
        for piece in octets.chunks(10_007) {
            connection.write_all(piece).unwrap();
        }
    });
    // Queues fill.
    thread::sleep(Duration::from_secs(3));
    for number in 0..messages {
        assert_eq!(next(&mut listener).flows[0].bytes_raw, u64::from(number));
    }
    exporter.join().unwrap();
    let report = listener.stop();
    assert_eq!((report.received, report.dropped), (messages.into(), 0));
}

#[test]
fn who_sends_faster_than_is_decoded_waits_and_nothing_is_dropped() {
    send_to_a_slow_collector(60_000, 0);
    send_to_a_slow_collector(6_000, 1_200);
}

/// Counts nothing.
struct Nothing;

impl MessageSink for Nothing {
    fn data(&mut self, _: &Context<'_>, _: DataSet<'_>) {}
}

impl Output for Nothing {
    fn end_packet(&mut self) {}

    fn flush(&mut self) {}
}

#[test]
fn connections_of_one_exporter_count_on_their_own_and_what_has_come_is_decoded_at_the_end() {
    let config = config(Transport::Tcp, StreamLimits::default());
    let outputs = vec![Nothing, Nothing];
    let collector = Collector::start(&config, Inlet::open(&config).unwrap(), outputs).unwrap();
    let address = collector.addresses()[0];
    let mut connections = [(); 2].map(|()| TcpStream::connect(address).unwrap());
    for number in 0..100 {
        for (start, connection) in [0, 1_000_000].into_iter().zip(&mut connections) {
            connection.write_all(&message(start + number, number == 0)).unwrap();
        }
    }
    let until = Instant::now() + LONG;
    while collector.connections().open < 2 {
        assert!(Instant::now() < until, "they are not taken");
        thread::yield_now();
    }
    let report = collector.stop();
    let [domain] = &report.domains[..] else { panic!("{:?}", report.domains) };
    assert_eq!(domain.exporter, IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!((domain.packets, domain.flows, domain.undecoded_sets), (200, 200, 0));
    let sequence = domain.sequence;
    assert_eq!((sequence.received, sequence.lost, sequence.restarts), (200, 0, 0));
    assert_eq!(report.streams.closed, counts(&[("collector ended", 2)]));
}

#[test]
fn a_connection_ends_when_its_address_is_no_longer_allowed() {
    let config = config(Transport::Tcp, StreamLimits::default());
    let collector = Collector::start(&config, Inlet::open(&config).unwrap(), vec![Nothing]).unwrap();
    let address = collector.addresses()[0];
    let (kept, ended) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    let mut connections = [kept, ended].map(|source| connect_from(source, address));
    connections[1].write_all(&message(0, true)).unwrap();
    let until = Instant::now() + LONG;
    while collector.connections().open < 2 {
        assert!(Instant::now() < until, "they are not taken");
        thread::yield_now();
    }
    collector.change_rules(Rules { allow: vec!["127.0.0.2".parse().unwrap()], ..Rules::default() });
    wait_for_the_end(&connections[1]);
    connections[0].write_all(&message(0, true)).unwrap();
    let report = collector.stop();
    assert_all_accounted_for(&report);
    assert_eq!(report.streams.closed, counts(&[("collector ended", 1), ("no longer allowed", 1)]));
    assert_eq!(report.received, 2);
}

#[test]
fn a_port_that_is_in_use_is_told() {
    let (listener, address) = listen(StreamLimits::default());
    let config = Config::new(Source::Listen(vec![Listen { transport: Transport::Tcp, address }]));
    let error = Inlet::open(&config).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {address} (TCP): ")), "{error}");
    drop(listener);
}

#[test]
fn sctp_works_or_the_kernel_is_said_to_have_none() {
    let config = config(Transport::Sctp, StreamLimits::default());
    match PacketListener::start(&config) {
        Err(error) => {
            println!("skipped: {error}");
            assert!(error.to_string().ends_with("(SCTP): this kernel has no SCTP"), "{error}");
        }
        Ok(mut listener) => {
            let (domain, protocol) = (socket2::Domain::IPV4, socket2::Protocol::from(132));
            let mut socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(protocol)).unwrap();
            socket.connect(&listener.addresses()[0].into()).unwrap();
            socket.write_all(&message(3, true)).unwrap();
            assert_eq!(next(&mut listener).flows[0].bytes_raw, 3);
        }
    }
}
