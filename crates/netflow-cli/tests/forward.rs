//! `nf forward`: copies for everyone, whatever becomes of one of them.
#![cfg(unix)]

use std::net::UdpSocket;
use std::time::Duration;

use common::{Ended, Running, nf, run_nf, skip};

mod common;

/// A collector on a port of its own.
struct Target {
    socket: UdpSocket,
    name: String,
}

impl Target {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let name = socket.local_addr().expect("it is bound").to_string();
        Self { socket, name }
    }

    /// The next datagram and who sent it.
    fn next(&self) -> (Vec<u8>, String) {
        let mut buffer = [0; 65_536];
        let (length, source) = self.socket.recv_from(&mut buffer).expect("a datagram comes");
        (buffer[..length].to_vec(), source.to_string())
    }

    fn is_empty(&self) -> bool {
        self.socket.set_nonblocking(true).expect("it can be so");
        self.socket.recv(&mut [0; 9]).is_err()
    }
}

/// `nf forward` on a port that the system chose.
struct Forwarding {
    process: Running,
    address: String,
}

impl Forwarding {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Running::start(nf(["forward", "--listen", "127.0.0.1:0"]).args(arguments));
        process.wait_until_it_says("Ctrl-C ends");
        let said = process.said();
        let address = said.split("listening on ").nth(1).and_then(|rest| rest.split(' ').next());
        Self { process, address: address.expect("an address").to_owned() }
    }

    fn stop(self, signal: &str) -> Ended {
        self.process.signal(signal);
        self.process.end()
    }
}

fn exporter(address: &str) -> UdpSocket {
    UdpSocket::bind((address, 0)).expect("loopback")
}

#[test]
fn each_target_gets_a_copy_of_everything_and_what_was_sent_is_said() {
    let targets = [Target::new(), Target::new()];
    let forwarding = Forwarding::start(&["--to", &targets[0].name, "--to", &targets[1].name]);
    let exporter = exporter("127.0.0.1");
    let datagrams: Vec<_> = (0..60).map(|number| vec![number; 20 * usize::from(number)]).collect();
    for datagram in &datagrams {
        exporter.send_to(datagram, &forwarding.address).expect("loopback");
    }
    let octets: usize = datagrams.iter().map(Vec::len).sum();
    let ended = forwarding.stop("TERM").with(0);
    let ended = ended.saying(&format!("60 datagrams received, {octets} octets; none dropped by the kernel"));
    for target in &targets {
        assert!(ended.err.contains(&format!("to {}: 60 datagrams sent, {octets} octets\n", target.name)));
        assert!(datagrams.iter().all(|datagram| target.next().0 == *datagram));
        assert!(target.is_empty());
    }
}

#[test]
fn a_target_that_is_down_is_named_and_the_others_get_everything() {
    let (alive, gone) = (Target::new(), Target::new());
    let name = gone.name.clone();
    drop(gone);
    let mut forwarding = Forwarding::start(&["--to", &name, "--to", &alive.name]);
    let exporter = exporter("127.0.0.1");
    for number in 0..100 {
        exporter.send_to(&[number], &forwarding.address).expect("loopback");
        assert_eq!(alive.next().0, [number]);
    }
    forwarding.process.wait_until_it_says(&format!("nobody listens on {name}"));
    let ended = forwarding.stop("INT").with(0).saying(&format!("to {}: 100 datagrams sent", alive.name));
    ended.saying("nobody listened there at least ");
}

#[test]
fn copies_that_are_lost_are_no_success() {
    let alive = Target::new();
    // Nobody may send to all without asking for that.
    let forwarding = Forwarding::start(&["--to", "255.255.255.255:9", "--to", &alive.name]);
    exporter("127.0.0.1").send_to(b"x", &forwarding.address).expect("loopback");
    assert_eq!(alive.next().0, b"x");
    let ended = forwarding.stop("INT").with(1);
    ended.saying("to 255.255.255.255:9: 0 datagrams sent, 0 octets; 1 lost");
}

#[test]
#[cfg(target_os = "linux")]
fn a_target_gets_what_it_wants_and_the_rest_is_counted() {
    let (all, some) = (Target::new(), Target::new());
    let wanted = format!("{},from=127.0.9.0/24,from=10.0.0.0/8", some.name);
    let forwarding = Forwarding::start(&["--to", &all.name, "--to", &wanted]);
    for source in ["127.0.9.1", "127.0.8.1", "127.0.9.2", "127.0.0.1"] {
        exporter(source).send_to(source.as_bytes(), &forwarding.address).expect("loopback");
    }
    let ended = forwarding.stop("INT").with(0);
    ended.saying(&format!("to {}: 2 datagrams sent, 18 octets; 2 not from where it wants them", some.name));
    assert_eq!([some.next().0, some.next().0], [b"127.0.9.1", b"127.0.9.2"]);
    assert!(some.is_empty());
    assert_eq!([all.next().0, all.next().0], [b"127.0.9.1", b"127.0.8.1"]);
}

#[test]
#[cfg(target_os = "linux")]
fn copies_come_from_the_exporter_when_that_is_asked_for_and_permitted() {
    let target = Target::new();
    let mut process =
        Running::start(&mut nf(["forward", "--spoof", "--listen", "127.0.0.1:0", "--to", &target.name]));
    let said = common::wait_for("a word", || Some(process.said()).filter(|said| said.ends_with('\n')));
    if said.contains("raw socket") {
        process.end().with(2).saying("run it as root").saying("without --spoof");
        return skip("a raw socket is not permitted");
    }
    process.wait_until_it_says("Ctrl-C ends");
    let said = process.said();
    let address =
        said.split("listening on ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address");
    for source in ["127.0.9.1", "127.0.9.2"] {
        let exporter = exporter(source);
        exporter.send_to(b"x", address).expect("loopback");
        let own = exporter.local_addr().expect("it is bound").to_string();
        assert_eq!(target.next(), (b"x".to_vec(), own));
    }
    process.signal("TERM");
    process.end().with(0).saying("2 datagrams sent");
}

#[test]
fn a_signal_asks_how_it_goes() {
    let target = Target::new();
    let mut forwarding = Forwarding::start(&["--to", &target.name]);
    exporter("127.0.0.1").send_to(b"x", &forwarding.address).expect("loopback");
    target.next();
    forwarding.process.signal("USR1");
    forwarding.process.wait_until_it_says("1 datagram received, 1 octet; none dropped by the kernel");
    forwarding.process.wait_until_it_says(&format!("to {}: 1 datagram sent", target.name));
    forwarding.stop("INT").with(0);
}

#[test]
fn it_says_how_it_goes_from_time_to_time() {
    let target = Target::new();
    let mut forwarding = Forwarding::start(&["--to", &target.name, "--interval", "1"]);
    forwarding.process.wait_until_it_says("0 datagrams received, 0 octets");
    forwarding.stop("INT").with(0);
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is() {
    let target = Target::new();
    run_nf(["forward", "--listen", "127.0.0.1:0"]).with(2).saying("--to");
    run_nf(["forward", "--to", "192.0.2.1:2055,form=10.0.0.0/8"]).with(2).saying("only from=PREFIX");
    run_nf(["forward", "--to", "no host"]).with(2).saying("unknown host 'no host'");
    let listen = &target.name;
    run_nf(["forward", "--listen", listen, "--to", "192.0.2.1"])
        .with(2)
        .saying("another program has the port");
    drop(target.socket);
    run_nf(["forward", "--listen", listen, "--to", listen]).with(2).saying("copies would go round for ever");
}
