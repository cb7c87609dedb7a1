//! Whether `nf forward` loses anything under load: a sender with numbered datagrams, `nf forward`, two receivers.
//! `cargo run --profile fast -p netflow-socket --example forward_load -- target/fast/nf 100000 20 [FLAG]...`
//! with datagrams a second, seconds, and further flags of `nf forward`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netflow_socket::{ReceiverOptions, SenderOptions, UdpReceiver, UdpSender};
use rustix::process::{Pid, Signal, kill_process};

/// Octets of a datagram.
const OCTETS: usize = 1_400;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (nf, rate, seconds) =
        (arguments.next().unwrap(), arguments.next().unwrap(), arguments.next().unwrap());
    let (rate, seconds): (f64, f64) = (rate.parse().unwrap(), seconds.parse().unwrap());
    let options = ReceiverOptions::default();
    let receivers = [(); 2].map(|()| UdpReceiver::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap());
    let targets = receivers.each_ref().map(|receiver| receiver.local_address().unwrap().to_string());
    let mut command = Command::new(nf);
    command.args(["forward", "--listen", "127.0.0.1:0"]).args(arguments);
    targets.iter().for_each(|target| _ = command.args(["--to", target]));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let (mut said, mut first) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    said.read_line(&mut first).unwrap();
    print!("{first}");
    let address = first.split("listening on ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let counting = receivers.each_ref().map(|receiver| scope.spawn(|| count(receiver, &done)));
        let start = Instant::now();
        let sent = send(address, rate, Duration::from_secs_f64(seconds));
        println!("sent {sent} in {:.1} s", start.elapsed().as_secs_f64());
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        print!("{rest}");
        child.wait().unwrap();
        done.store(true, Ordering::Relaxed);
        for (counting, receiver) in counting.into_iter().zip(&receivers) {
            let (received, distinct) = counting.join().unwrap();
            println!(
                "received {received}, {distinct} of them different, {} dropped at the receiver, {} missing",
                receiver.kernel_drops().unwrap(),
                sent - distinct
            );
        }
    });
}

/// Sends at a rate, as evenly as a sleep allows.
fn send(address: std::net::SocketAddr, rate: f64, span: Duration) -> u64 {
    let mut sender = UdpSender::connect(address, &SenderOptions::default()).unwrap();
    let mut payloads = [[0; OCTETS]; 16];
    let (start, mut number) = (Instant::now(), 0u64);
    while start.elapsed() < span {
        if number as f64 > start.elapsed().as_secs_f64() * rate {
            thread::sleep(Duration::from_micros(100));
            continue;
        }
        for payload in &mut payloads {
            payload[..8].copy_from_slice(&number.to_be_bytes());
            number += 1;
        }
        sender.send(payloads.iter().map(|payload| &payload[..]));
    }
    let statistics = sender.statistics();
    assert_eq!((statistics.sent, statistics.lost), (number, 0));
    number
}

/// How many come, and how many of them are different.
fn count(receiver: &UdpReceiver, done: &AtomicBool) -> (u64, u64) {
    let mut inbox = receiver.inbox();
    let (mut received, mut distinct) = (0, 0);
    let mut seen: Vec<bool> = Vec::new();
    loop {
        let stopping = done.load(Ordering::Relaxed);
        inbox
            .receive(|datagram| {
                let number = u64::from_be_bytes(datagram.payload[..8].try_into().unwrap()) as usize;
                received += 1;
                if number >= seen.len() {
                    seen.resize(number + 1, false);
                }
                distinct += u64::from(!std::mem::replace(&mut seen[number], true));
            })
            .unwrap();
        if stopping && inbox.is_at_end() {
            return (received, distinct);
        }
        inbox.wait(Duration::from_millis(100));
    }
}
