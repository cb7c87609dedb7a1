//! How fast this machine sends and receives on loopback:
//! `cargo run --profile fast -p netflow-socket --example line_rate -- [OCTETS [PACKETS-A-SECOND]]`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netflow_socket::{Batch, ReceiverOptions, SenderOptions, UdpReceiver, UdpSender};

/// How long each way is measured.
const SPAN: Duration = Duration::from_secs(2);
/// Datagrams that are handed over together.
const BATCH: usize = 64;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let octets = numbers.next().unwrap_or(1_400);
    let rate = numbers.next().unwrap_or(150_000);
    for _ in 0..3 {
        send(&vec![0; octets]);
    }
    for _ in 0..3 {
        receive(&vec![0; octets], rate);
    }
}

fn send(payload: &[u8]) {
    // Nobody reads it: what does not fit is dropped.
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = sink.local_addr().unwrap();
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    plain.connect(target).unwrap();
    sending("one by one", || {
        for _ in 0..BATCH {
            plain.send(payload).unwrap();
        }
        BATCH
    });
    for (name, coalesce) in [("batches", false), ("runs as one", true)] {
        let options = SenderOptions { coalesce, ..SenderOptions::default() };
        let mut sender = UdpSender::connect(target, &options).unwrap();
        sending(name, || sender.send((0..BATCH).map(|_| payload)));
        let mut sender = UdpSender::unconnected(&options).unwrap();
        sending(&format!("{name}, not connected"), || sender.send_to((0..BATCH).map(|_| (target, payload))));
    }
}

fn sending(name: &str, mut send: impl FnMut() -> usize) {
    let (start, cpu) = (Instant::now(), cpu_time());
    let mut sent = 0;
    while start.elapsed() < SPAN {
        sent += send();
    }
    say(&format!("send {name}"), sent, start.elapsed(), cpu_time() - cpu, 0);
}

fn receive(payload: &[u8], rate: usize) {
    let plain = UdpReceiver::bind("127.0.0.1:0".parse().unwrap(), &ReceiverOptions::default()).unwrap();
    let (mut batch, mut buffer) = (Batch::default(), vec![0; 65_536]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    drop(plain);
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    receiving("one by one", socket.local_addr().unwrap(), payload, rate, || {
        let Ok((length, source)) = socket.recv_from(&mut buffer) else { return 0 };
        keep(&mut batch, source, &buffer[..length]);
        1
    });
    for nap in [0, 200, 1_000, 3_000] {
        let options = ReceiverOptions { nap: Duration::from_micros(nap), ..ReceiverOptions::default() };
        let receiver = UdpReceiver::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let mut inbox = receiver.inbox();
        let name = format!("batches, nap of {nap} us");
        receiving(&name, receiver.local_address().unwrap(), payload, rate, || {
            let received =
                inbox.receive(|datagram| keep(&mut batch, datagram.source, datagram.payload)).unwrap();
            inbox.wait(Duration::from_millis(100));
            received
        });
        assert_eq!(receiver.kernel_drops(), Some(0));
    }
}

fn keep(batch: &mut Batch<()>, source: SocketAddr, payload: &[u8]) {
    if !batch.has_room(payload.len()) {
        batch.clear();
    }
    batch.push(source, (), payload);
}

fn receiving(
    name: &str,
    target: SocketAddr,
    payload: &[u8],
    rate: usize,
    mut receive: impl FnMut() -> usize,
) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sender = UdpSender::connect(target, &SenderOptions::default()).unwrap();
            let start = Instant::now();
            while start.elapsed() < SPAN {
                let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
                match sender.statistics().sent + 16 <= due {
                    true => _ = sender.send((0..16).map(|_| payload)),
                    false => thread::sleep(Duration::from_micros(50)),
                }
            }
            done.store(true, Ordering::Relaxed);
            sender.statistics().sent
        });
        let (start, cpu) = (Instant::now(), cpu_time());
        let (mut received, mut calls) = (0, 0);
        loop {
            let stop = done.load(Ordering::Relaxed);
            let more = receive();
            received += more;
            calls += usize::from(more > 0);
            if more == 0 && stop {
                break;
            }
        }
        let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
        let sent = sender.join().unwrap() as usize;
        say(
            &format!("receive {name}, {} a call", received / calls.max(1)),
            received,
            wall,
            cpu,
            sent - received,
        );
    });
}

fn say(name: &str, datagrams: usize, wall: Duration, cpu: Duration, lost: usize) {
    println!(
        "{name:46} {:9.0} a second {:6.0} ns of CPU each, {lost} lost",
        datagrams as f64 / wall.as_secs_f64(),
        cpu.as_nanos() as f64 / datagrams as f64
    );
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
