//! How fast this machine sends on loopback: `cargo run --profile fast -p netflow-socket --example line_rate`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example")]

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use netflow_socket::{SenderOptions, UdpSender};

/// How long each way is measured.
const SPAN: Duration = Duration::from_secs(2);

fn main() {
    let octets = std::env::args().nth(1).map_or(1_400, |text| text.parse().unwrap());
    // Nobody reads it: what does not fit is dropped, which costs a sender as much.
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = sink.local_addr().unwrap();
    let payload = vec![0; octets];
    for _ in 0..3 {
        let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
        plain.connect(target).unwrap();
        measure("one by one", || {
            for _ in 0..64 {
                plain.send(&payload).unwrap();
            }
            64
        });
        for (name, coalesce) in [("batches", false), ("coalesced", true)] {
            let options = SenderOptions { coalesce, ..SenderOptions::default() };
            let mut sender = UdpSender::connect(target, &options).unwrap();
            measure(name, || sender.send((0..64).map(|_| &payload[..])));
            let mut sender = UdpSender::unconnected(&options).unwrap();
            measure(&format!("{name}, not connected"), || {
                sender.send_to((0..64).map(|_| (target, &payload[..])))
            });
        }
    }
}

fn measure(name: &str, mut send: impl FnMut() -> usize) {
    let (start, cpu) = (Instant::now(), cpu_time());
    let mut sent = 0;
    while start.elapsed() < SPAN {
        sent += send();
    }
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    println!(
        "{name:24} {:9.0} datagrams/s {:6.0} ns of CPU each",
        sent as f64 / wall.as_secs_f64(),
        cpu.as_nanos() as f64 / sent as f64
    );
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
