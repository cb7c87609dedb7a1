//! `nf forward`: copies of datagrams to several collectors.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use netflow_collector::Transport;
use netflow_socket::SpoofError;
use netflow_socket::forward::{
    ForwardError, ForwardOptions, ForwardReport, Forwarder, Prefix, Target, TargetReport,
};

use crate::Outcome;
use crate::args::Forward;
use crate::collect::{self, PORT};
use crate::endpoint;
use crate::output::{self, count};
use crate::signals;

/// How often signals are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often targets are looked after.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Forward) -> anyhow::Result<Outcome> {
    let listen = args.listen.iter().map(|text| endpoint::to_listen_on(text, PORT));
    let listen = listen.collect::<anyhow::Result<Vec<_>>>()?;
    let targets = args.to.iter().map(|text| target(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut options = ForwardOptions { spoof: args.spoof, ..ForwardOptions::default() };
    options.queue_octets = args.queue.saturating_mul(1 << 20);
    options.receiver.receive_buffer = collect::receive_buffer(args.buffer);

    let stop = signals::stop_flag().context("cannot handle signals")?;
    let asked = signals::report_flag().context("cannot handle signals")?;
    let forwarder = Forwarder::start(&listen, &targets, &options).map_err(explain)?;
    greet(&forwarder, &targets, options.receiver.receive_buffer);

    watch(&forwarder, &stop, &asked, args.interval.map(Duration::from_secs));
    let report = forwarder.stop();
    summary(&report).iter().for_each(output::note);
    for name in &report.failed_threads {
        output::error(format_args!(
            "the thread '{name}' failed, which is an error of nf: what it had not sent is lost, and missing above"
        ));
    }
    Ok(if is_whole(&report) { Outcome::Done } else { Outcome::BadInput })
}

/// Whether every copy was sent.
fn is_whole(report: &ForwardReport) -> bool {
    report.failed_threads.is_empty()
        && report.targets.iter().all(|target| target.lost == 0 && target.dropped == 0)
}

/// A target: `HOST[:PORT][,from=PREFIX]...`.
fn target(text: &str) -> anyhow::Result<Target> {
    let mut parts = text.split(',');
    let host = parts.next().unwrap_or_default();
    let address = endpoint::to_send_to(host, PORT)?;
    let mut from = Vec::new();
    for part in parts {
        match part.split_once('=') {
            Some(("from", prefix)) => from.push(prefix.parse::<Prefix>()?),
            _ => bail!("'{part}' of the target '{text}' is not understood: only from=PREFIX may follow"),
        }
    }
    Ok(Target { address, from })
}

/// What to do about it, behind what is wrong.
fn explain(error: ForwardError) -> anyhow::Error {
    match error {
        ForwardError::Bind { address, source } => {
            let advice = collect::bind_advice(Transport::Udp, address, source.kind(), "--listen");
            anyhow!("cannot listen on {address} (UDP): {source}{advice}")
        }
        ForwardError::Spoof(SpoofError::Forbidden) => {
            anyhow!("{error}; without --spoof, copies come from this machine's address")
        }
        error => error.into(),
    }
}

fn greet(forwarder: &Forwarder, targets: &[Target], asked: usize) {
    let listen: Vec<_> = forwarder.addresses().iter().map(ToString::to_string).collect();
    let to: Vec<_> = targets.iter().map(described).collect();
    output::note(format_args!(
        "listening on {} (UDP), copying to {}; Ctrl-C ends, SIGUSR1 says how it goes",
        listen.join(", "),
        to.join(", ")
    ));
    let granted = forwarder.receive_buffers().into_iter().min().unwrap_or(usize::MAX);
    collect::note_receive_buffer(granted, asked);
}

fn described(target: &Target) -> String {
    match &target.from[..] {
        [] => target.address.to_string(),
        from => {
            let from: Vec<_> = from.iter().map(ToString::to_string).collect();
            format!("{} (what comes from {})", target.address, from.join(", "))
        }
    }
}

/// Says what is worth knowing until it is told to stop.
fn watch(forwarder: &Forwarder, stop: &AtomicBool, asked: &Arc<AtomicBool>, interval: Option<Duration>) {
    let mut told = Vec::new();
    let (mut looked, mut reported) = (Instant::now(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(TICK);
        let due = interval.is_some_and(|interval| reported.elapsed() >= interval);
        if asked.swap(false, Ordering::Relaxed) || due {
            summary(&forwarder.report()).iter().for_each(output::note);
            reported = Instant::now();
        }
        if looked.elapsed() >= LOOK {
            for target in &forwarder.report().targets {
                troubles(target, &mut told);
            }
            looked = Instant::now();
        }
    }
}

/// Says what goes wrong with a target when it does the first time.
fn troubles(target: &TargetReport, told: &mut Vec<(SocketAddr, Trouble)>) {
    let address = target.address;
    for (trouble, happened) in [
        (Trouble::Refused, target.refused > 0),
        (Trouble::Lost, target.lost > 0),
        (Trouble::Dropped, target.dropped > 0),
    ] {
        if !happened || told.contains(&(address, trouble)) {
            continue;
        }
        told.push((address, trouble));
        match trouble {
            Trouble::Refused => output::note(format_args!(
                "nobody listens on {address}; copies are sent all the same, for when somebody does"
            )),
            Trouble::Lost => {
                let error = target.error.as_deref().unwrap_or("the system did not take it");
                output::note(format_args!("a copy for {address} is lost: {error}"));
            }
            Trouble::Dropped => output::note(format_args!(
                "copies for {address} are dropped: they cannot be sent as fast as they come (--queue is full)"
            )),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Refused,
    Lost,
    Dropped,
}

/// What was received, and what became of it.
fn summary(report: &ForwardReport) -> Vec<String> {
    let mut first = format!(
        "{} received, {}",
        count(report.received, "datagram"),
        count(report.received_octets, "octet")
    );
    // A String takes every text.
    let _ = match report.kernel_dropped {
        Some(0) => write!(first, "; none dropped by the kernel"),
        Some(drops) => write!(first, "; {drops} dropped by the kernel: the receive buffer was full"),
        None => write!(first, "; the system does not tell what it dropped"),
    };
    if report.truncated > 0 {
        let _ = write!(first, "; {} longer than UDP allows", report.truncated);
    }
    let mut lines = vec![first];
    lines.extend(report.error.as_ref().map(|error| format!("receiving failed for a while: {error}")));
    lines.extend(report.targets.iter().map(|target| {
        let mut line = format!(
            "to {}: {} sent, {}",
            target.address,
            count(target.sent, "datagram"),
            count(target.sent_octets, "octet")
        );
        if target.filtered > 0 {
            let _ = write!(line, "; {} not from where it wants them", target.filtered);
        }
        if target.dropped > 0 {
            let _ = write!(line, "; {} dropped: they came faster than they were sent", target.dropped);
        }
        if target.lost > 0 {
            let error = target.error.as_deref().unwrap_or("the system did not take them");
            let _ = write!(line, "; {} lost: {error}", target.lost);
        }
        if target.refused > 0 {
            let _ = write!(line, "; nobody listened there at least {} times", target.refused);
        }
        line
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_and_whose_datagrams_it_gets() {
        let parsed = target("192.0.2.9").unwrap();
        assert_eq!((parsed.address, parsed.from.len()), ("192.0.2.9:2055".parse().unwrap(), 0));
        let parsed = target("[2001:db8::9]:9995,from=10.0.0.0/8,from=2001:db8::/32").unwrap();
        assert_eq!(parsed.address, "[2001:db8::9]:9995".parse().unwrap());
        assert_eq!(described(&parsed), "[2001:db8::9]:9995 (what comes from 10.0.0.0/8, 2001:db8::/32)");
    }

    #[test]
    fn what_is_no_target_is_named() {
        for (text, says) in [
            ("", "'' is no HOST:PORT"),
            ("192.0.2.9:0", "port 0"),
            ("192.0.2.9,10.0.0.0/8", "'10.0.0.0/8' of the target"),
            ("192.0.2.9,to=10.0.0.0/8", "only from=PREFIX"),
            ("192.0.2.9,from=10.0.0.0/64", "'10.0.0.0/64' is no address or prefix"),
        ] {
            let error = target(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
