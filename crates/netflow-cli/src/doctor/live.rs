//! Listening for export packets.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use netflow_collector::{Collector, Config, Event, Inlet, Listen, Output, Source};
use netflow_doctor::{Diagnosis, Doctor};
use netflow_templates::{Context, DataSet, MessageSink, Problem, TemplateChange};

use crate::args;
use crate::collect::{PORT, explain_start};
use crate::endpoint;
use crate::input;
use crate::output;
use crate::signals;

/// How often time and signals are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Listens as long as it is told to, or until a signal comes.
pub(super) fn listen(args: &args::Doctor) -> anyhow::Result<Diagnosis> {
    let mut config = Config::new(Source::Listen(addresses(args)?.into_iter().map(Listen::udp).collect()));
    config.session = input::session_config(&args.decoding)?;
    let stop = signals::stop_flag().context("cannot handle signals")?;
    let inlet = Inlet::open(&config).map_err(|error| explain_start(error, "-p"))?;
    let doctor = Arc::new(Mutex::new(Doctor::new()));
    let collector = Collector::start(&config, inlet, vec![Patient(Arc::clone(&doctor))]);
    let collector = collector.map_err(|error| explain_start(error, "-p"))?;
    let addresses: Vec<_> = collector.addresses().iter().map(ToString::to_string).collect();
    output::note(format_args!(
        "listening on {} (UDP) for {} s; Ctrl-C ends",
        addresses.join(", "),
        args.duration
    ));

    let until = Instant::now() + Duration::from_secs(args.duration);
    let events = collector.events().clone();
    let mut malformed = 0;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) && !collector.is_stopping() {
        if let Ok(event) = events.recv_timeout(TICK) {
            malformed += told(&doctor, &event);
        }
    }
    let report = collector.stop();
    malformed += events.try_iter().map(|event| told(&doctor, &event)).sum::<u64>();
    // Events are dropped when there are too many.
    if report.malformed > malformed {
        let more = output::count(report.malformed - malformed, "datagram");
        output::note(format_args!("{more} beside those in the findings: no export packets"));
    }
    let mut doctor = std::mem::take(&mut *lock(&doctor));
    doctor.dropped_here(report.dropped + report.kernel_dropped.unwrap_or(0));
    if report.received == 0 {
        bail!(
            "nothing came to {}: does the exporter send to this address and port, and does a firewall let it \
             through? (`tcpdump -ni any udp` shows what arrives)",
            addresses.join(", ")
        );
    }
    Ok(doctor.finish())
}

/// The addresses to listen on.
fn addresses(args: &args::Doctor) -> anyhow::Result<Vec<SocketAddr>> {
    let port = args.port.unwrap_or(PORT);
    if args.listen.is_empty() {
        return Ok(vec![endpoint::host("0.0.0.0", port)?]);
    }
    args.listen.iter().map(|text| endpoint::to_listen_on(text, port)).collect()
}

/// Takes note of an event; how many datagrams it says to be no export packets.
fn told(doctor: &Mutex<Doctor>, event: &Event) -> u64 {
    match event {
        Event::Malformed { exporter, error } => lock(doctor).not_export_packet(*exporter, error),
        Event::Socket { address, error } => output::note(format_args!("{address}: {error}")),
        _ => {}
    }
    matches!(event, Event::Malformed { .. }).into()
}

/// What a thread that panicked left behind is as good as it was.
fn lock(doctor: &Mutex<Doctor>) -> MutexGuard<'_, Doctor> {
    doctor.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Hands what is decoded to the doctor, who is wanted back at the end.
struct Patient(Arc<Mutex<Doctor>>);

impl MessageSink for Patient {
    fn packet(&mut self, context: &Context<'_>) {
        lock(&self.0).packet(context);
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        lock(&self.0).data(context, set);
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        lock(&self.0).options(context, set);
    }

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        lock(&self.0).template(context, change);
    }

    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        lock(&self.0).problem(context, problem);
    }
}

impl Output for Patient {
    fn end_packet(&mut self) {}

    fn flush(&mut self) {}
}
