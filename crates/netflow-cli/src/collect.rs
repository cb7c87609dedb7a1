//! `nf collect`: receives export packets and writes flow files.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use netflow_collector::{Collector, CollectorError, Config, Inlet, Report, Source, Transport, WriterReport};

use crate::Outcome;
use crate::args::Collect;
use crate::configuration::Setting;
use crate::input;
use crate::output;
use crate::signals;

mod check;
mod health;
mod listen;
mod outputs;
mod reload;
mod serve;
mod state;
mod summary;
mod watch;

use outputs::Outputs;
use summary::summary;
use watch::Watch;

/// The port that is listened on if none is given.
pub(crate) const PORT: u16 = 2055;

/// Octets of receive buffer that Linux takes at most, in `setsockopt` and in `sysctl`: both are an `int`.
const MAX_RECEIVE_BUFFER: usize = i32::MAX as usize;

pub(crate) fn run(args: &Collect, mut settings: Vec<Setting>) -> anyhow::Result<Outcome> {
    if args.operation.check_config {
        return check::run(args, &settings);
    }
    let source = match &args.read {
        Some(path) => Source::Capture(path.clone()),
        None => Source::Listen(listen::places(args)?),
    };
    let mut config = Config::new(source);
    let mut watch = Watch::new(args);
    config.session = input::session_config(&args.decoding)?;
    listen::configure(&mut config, args)?;
    config.rules = reload::rules(args);
    config.session.limits = config.rules.limits;
    config.list_templates = args.operation.metrics.is_some();
    config.observed = config.list_templates || watch.shows_status();
    config.receive_buffer = receive_buffer(args.buffer);
    config.sockets = usize::from(args.sockets);
    // Each format waits as long as is good for it: this is how often they are asked, and metrics told.
    config.flush_interval = Duration::from_secs(1);
    config.state = args.state.clone();
    config.packets = args.count;
    config.packet_events = args.debug;

    let stop = signals::stop_flag().context("cannot handle signals")?;
    let hangup = signals::reload_flag().context("cannot handle signals")?;
    // First the port: one that is in use must not leave an empty file behind.
    let inlet = Inlet::open(&config).map_err(|error| explain_start(error, listen::flag(args)))?;
    let listener = args.operation.metrics.as_deref().map(serve::bind).transpose()?;
    let mut outputs = Outputs::open(args)?;
    outputs::warn_about_unused(args, &outputs);
    let shards = outputs.shards(threads(args), args.decoding.sampling)?;
    let collector =
        Collector::start(&config, inlet, shards).map_err(|error| explain_start(error, listen::flag(args)))?;
    greet(args, &config, &collector, &outputs);
    let server = match listener {
        Some(listener) => {
            output::note(format_args!("serving http://{}/metrics", listener.local_addr()?));
            let (observer, left_out) = (collector.observer().clone(), outputs.left_out());
            let outputs = outputs.states();
            let facts = serve::Facts { observer, outputs, left_out, started: SystemTime::now() };
            Some(serve::Server::start(listener, facts)?)
        }
        None => None,
    };

    while !collector.is_stopping() {
        if stop.load(Ordering::Relaxed) {
            collector.request_stop();
        }
        if hangup.swap(false, Ordering::Relaxed) {
            reload::reload(&mut settings, &collector, &outputs, &watch);
        }
        watch.events(&collector);
        for event in outputs.events() {
            match watch.output(event) {
                true if outputs.len() == 1 => collector.request_stop(),
                true => {
                    watch.say("nobody reads one of the outputs any more (a closed pipe); the others go on")
                }
                false => {}
            }
        }
        watch.health(&collector, &outputs);
        watch.status(&collector, &outputs);
    }
    drop(server);
    let events = collector.events().clone();
    let report = collector.stop();
    for event in events.try_iter() {
        watch.event(event);
    }
    let alone = outputs.len() == 1;
    let left_out = outputs.left_out().map(|left_out| left_out.load(Ordering::Relaxed));
    let (written, events) = outputs.finish();
    for event in events {
        watch.output(event);
    }
    watch.bar.finish_and_clear();
    let nobody_reads = watch.closed_pipe && alone;
    if !nobody_reads {
        for line in summary(&report, &written, left_out) {
            output::note(line);
        }
    }

    let failed = failed_threads(&report, &written);
    for name in &failed {
        output::error(format_args!(
            "the thread {name} failed, which is an error of nf: what it had not handed on is lost, and missing above"
        ));
    }
    // Nobody wanted the rest, whatever was wrong in it.
    if nobody_reads && failed.is_empty() {
        return Ok(Outcome::Done);
    }
    let skipped = report.ipfix_file.is_some_and(|file| file.skipped > 0);
    let bad_capture = args.read.is_some() && (report.capture_failed || report.faulty > 0 || skipped);
    if let Some(file) = args.read.as_ref().filter(|_| report.session.packets == 0) {
        bail!("no export packets in {}", file.display());
    }
    let lost = written.lost_blocks + written.lost_files + written.unfinished_files > 0;
    if lost && written.octets == 0 {
        bail!("nothing could be written");
    }
    Ok(if bad_capture || lost || report.state_failed || !failed.is_empty() {
        Outcome::BadInput
    } else {
        Outcome::Done
    })
}

/// Names of the threads that did not come to their end.
fn failed_threads<'a>(report: &'a Report, written: &WriterReport) -> Vec<&'a str> {
    report.failed_threads.iter().map(String::as_str).chain(written.failed.then_some("writer")).collect()
}

/// Octets of receive buffer to ask for.
pub(crate) fn receive_buffer(mebibytes: usize) -> usize {
    mebibytes.saturating_mul(1 << 20).min(MAX_RECEIVE_BUFFER)
}

fn threads(args: &Collect) -> usize {
    match args.threads {
        // Receiving and writing take little, and come first: their threads sleep most of the time.
        0 => available_parallelism().map_or(1, std::num::NonZeroUsize::get).min(16),
        threads => threads.min(256),
    }
}

/// What to do about it, behind what is wrong; `flag` chooses where to listen.
pub(crate) fn explain_start(error: CollectorError, flag: &str) -> anyhow::Error {
    let advice = match &error {
        CollectorError::Bind { transport, address, source } => {
            bind_advice(*transport, *address, source.kind(), flag)
        }
        CollectorError::Protocol { .. } => {
            "; `modprobe sctp` loads it where it was built as a module; tcp:// carries the same messages"
                .into()
        }
        CollectorError::Tls(error) => listen::tls_advice(error).into(),
        CollectorError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "; is the name right? --read takes a pcap or pcapng file".into()
        }
        CollectorError::State { source, .. } => match source.kind() {
            io::ErrorKind::WouldBlock => "; every collector needs one of its own",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "; choose one that you may write with --state"
            }
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                "; --state takes a directory, and this is something else"
            }
            _ => "",
        }
        .into(),
        _ => String::new(),
    };
    anyhow::anyhow!("{error}{advice}")
}

/// What to do about an address that cannot be bound; `flag` chooses another port.
pub(crate) fn bind_advice(
    transport: Transport,
    address: SocketAddr,
    error: io::ErrorKind,
    flag: &str,
) -> String {
    match error {
        io::ErrorKind::AddrInUse => {
            let port = address.port();
            let sockets = match transport {
                Transport::Udp => 'u',
                Transport::Sctp => 'S',
                _ => 't',
            };
            format!(
                "; another program has the port (`ss -l{sockets}np 'sport = {port}'` names it): choose one with {flag}"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need privileges: choose a higher one with {flag}")
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address (`ip address` lists them)".into()
        }
        _ => String::new(),
    }
}

fn greet(args: &Collect, config: &Config, collector: &Collector, outputs: &Outputs) {
    let to = outputs.names();
    match &args.read {
        Some(capture) => output::note(format_args!("reading {}, writing to {to}", capture.display())),
        None => {
            let places = listen::greeting(config, collector.addresses());
            output::note(format_args!("listening on {places}, writing to {to}; Ctrl-C ends"));
        }
    }
    if let Some(error) = collector.unsteered() {
        output::note(format_args!(
            "the kernel divides what comes by address and port, and not by address ({error}): --rate-limit holds for each of {} sockets",
            config.sockets
        ));
    }
    let granted = collector.receive_buffers().iter().min().copied().unwrap_or(usize::MAX);
    note_receive_buffer(granted, receive_buffer(args.buffer));
}

/// Says when the receive buffer is smaller than was asked for, and what helps.
pub(crate) fn note_receive_buffer(granted: usize, asked: usize) {
    // Linux grants twice what it counts for payload.
    if granted < asked {
        output::note(format_args!(
            "the receive buffer is {} KiB of {} asked for; to lose less under load: sysctl -w net.core.rmem_max={asked}",
            granted >> 10,
            asked >> 10
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_failed_are_named() {
        let report = Report { failed_threads: vec!["shard-1".into()], ..Report::default() };
        let written = WriterReport { failed: true, ..WriterReport::default() };
        assert_eq!(failed_threads(&report, &written), ["shard-1", "writer"]);
        assert!(failed_threads(&Report::default(), &WriterReport::default()).is_empty());
    }
}
