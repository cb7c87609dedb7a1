//! `nf generate`: sends export packets of made-up traffic.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use netflow_exporter::fault::FaultConfig;
use netflow_exporter::generate::{
    CaptureSink, GenerateConfig, Generator, Pace, PacketSink, SimulatedClock, StreamSink, Totals, UdpSink,
};
use netflow_exporter::replay::{Clock, SystemClock, Target};
use netflow_exporter::traffic::TrafficConfig;
use netflow_exporter::{Profile, Refresh, Version};
use netflow_templates::Timestamp;
use serde_json::json;

use crate::Outcome;
use crate::args::{Generate, Rate, SummaryFormat};
use crate::output::{self, count};
use crate::signals;
use crate::target;

/// How often is looked whether somebody listens.
const TICK: Duration = Duration::from_millis(500);
/// When files start: 2026-01-01T00:00:00Z.
const START_OF_FILES: Timestamp = Timestamp::from_secs(1_767_225_600);
/// Flow records of a file, unless it is said otherwise.
const FLOWS_OF_FILES: u64 = 10_000;
/// Flow records that make a second of the packets' time, where that does not follow from a rate.
const NOMINAL_RATE: f64 = 100_000.0;
pub(crate) fn run(args: &Generate) -> anyhow::Result<Outcome> {
    let target = args.to.as_deref().map(target::parse).transpose()?;
    let config = config(args, target.as_ref())?;
    let generator = Generator::new(config.clone())
        .context("there is no such exporter; other arguments give another one")?;
    match (target, &args.write) {
        (Some(Target::Tcp(address)), _) => stream(args, generator, address),
        (Some(Target::Udp(address)), _) => send(args, generator, address),
        (None, Some(path)) => write(args, generator, path),
        (None, None) => bail!("say where to send with --to, or which file to write with --write"),
    }
}

/// Checks what only shows when arguments are seen together.
fn config(args: &Generate, target: Option<&Target>) -> anyhow::Result<GenerateConfig> {
    let profile = args.profile.as_deref().map(|name| profile(name, args.version)).transpose()?;
    let version = args.version.or(profile.map(|profile| profile.version)).unwrap_or(Version::V9);
    let tcp = matches!(target, Some(Target::Tcp(_)));
    let own_addresses = target
        .is_none_or(|target| matches!(target, Target::Udp(SocketAddr::V4(to)) if to.ip().is_loopback()));
    ensure!(!tcp || version == Version::Ipfix, "only IPFIX goes over TCP: --version ipfix");
    ensure!(
        !tcp || args.corrupt == 0.0,
        "--corrupt does not go over TCP, where the lengths of messages tell where the next begins: use UDP"
    );
    ensure!(!args.biflow || version == Version::Ipfix, "only IPFIX has biflows: --version ipfix");
    let has_domains = !matches!(version, Version::V1 | Version::V7);
    ensure!(args.domains == 1 || has_domains, "NetFlow v{version} has no observation domains");

    let start = match args.start {
        Some(start) => {
            Timestamp::from_nanos(start.as_nanosecond().try_into().context("--start is out of range")?)
        }
        None if args.write.is_some() => START_OF_FILES,
        None => Timestamp::from(SystemTime::now()),
    };
    let by_clock = args.start.is_none() && args.write.is_none();
    let pace = match (args.pps.unwrap_or(args.rate), args.pps.is_some()) {
        (Rate::PerSecond(rate), true) => Pace::Packets(rate),
        (Rate::PerSecond(rate), false) => Pace::Flows(rate),
        (Rate::Max, _) if by_clock => Pace::Clock,
        (Rate::Max, _) => Pace::Unlimited(NOMINAL_RATE),
    };
    let endless = args.flows.is_none() && args.duration.is_none();
    let flows = if endless && args.write.is_some() { Some(FLOWS_OF_FILES) } else { args.flows };

    let refresh = match args.template_refresh {
        Some(interval) => Some(Refresh { packets: 0, interval }),
        None => tcp.then_some(Refresh::NEVER),
    };
    let mut traffic = TrafficConfig::default();
    traffic.seed = args.seed;
    traffic.hosts = args.hosts;
    traffic.ipv6_percent = args.ipv6;
    traffic.spike = args.spike;
    traffic.biflow = args.biflow;
    traffic.sampling = args.sampling.or(profile.map(|profile| profile.sampling)).unwrap_or(1);
    let &Generate { loss, reorder, duplicate, corrupt, duration, .. } = args;
    Ok(GenerateConfig {
        version,
        profile,
        max_records: args.records_per_packet,
        refresh,
        traffic,
        exporters: args.exporters,
        domains: args.domains,
        distinct_domains: !own_addresses,
        pace,
        flows,
        duration,
        start,
        faults: FaultConfig { loss, reorder, duplicate, corrupt },
        uptime_wrap: args.uptime_wrap.map(|after| after.unwrap_or_else(|| half_way(pace, flows, duration))),
        restart: args.restart,
    })
}

fn profile(name: &str, version: Option<Version>) -> anyhow::Result<&'static Profile> {
    if let Some(profile) = Profile::find(name, version) {
        return Ok(profile);
    }
    match (Profile::find(name, None), version) {
        (Some(_), Some(version)) => bail!("the profile {name} has no {}", self::name(version)),
        _ => bail!("no profile {name}: there are {}", Profile::names().collect::<Vec<_>>().join(", ")),
    }
}

/// Half of how long it takes, as far as that is known.
fn half_way(pace: Pace, flows: Option<u64>, duration: Option<Duration>) -> Duration {
    let by_flows = match (pace, flows) {
        (Pace::Flows(rate) | Pace::Unlimited(rate), Some(flows)) => {
            Duration::try_from_secs_f64(flows as f64 / rate).ok()
        }
        _ => None,
    };
    duration.into_iter().chain(by_flows).min().map_or(Duration::from_secs(5), |all| all / 2)
}

fn send(args: &Generate, mut generator: Generator, address: SocketAddr) -> anyhow::Result<Outcome> {
    // Captures on this machine would show runs of packets as one: at a pace there is no need for that.
    let coalesce = matches!(generator.config().pace, Pace::Clock | Pace::Unlimited(_));
    let mut sink = UdpSink::connect(address, args.exporters, args.domains, coalesce)
        .with_context(|| format!("cannot send to {address}"))?;
    let stop = stop()?;
    greet(args, &generator, &address.to_string());
    let mut clock = SystemClock::start();
    let mut refused = false;
    while generator.run(&mut sink, &mut clock, &stop, TICK)? {
        if !refused && sink.statistics().0.refused > 0 {
            refused = true;
            output::note(format_args!("nobody listens on {address} (yet); sending goes on"));
        }
    }
    generator.finish(&mut sink, &mut clock)?;
    let (sent, error) = sink.statistics();
    summary(args, &generator, &mut clock, json!({ "sent_packets": sent.sent, "unsent_packets": sent.lost }))?;
    if sent.refused > 0 {
        output::note(format_args!(
            "nobody listened on {address} for at least {}",
            count(sent.refused, "packet")
        ));
    }
    if sent.lost > 0 {
        let why = error.map_or_else(String::new, |error| format!(": {error}"));
        output::error(format_args!("the system did not take {}{why}", count(sent.lost, "packet")));
        ensure!(sent.sent > 0, "nothing could be sent to {address}");
        return Ok(Outcome::BadInput);
    }
    Ok(Outcome::Done)
}

fn stream(args: &Generate, mut generator: Generator, address: SocketAddr) -> anyhow::Result<Outcome> {
    let mut sink = StreamSink::connect(address, args.exporters, args.domains)
        .with_context(|| format!("cannot connect to {address} (TCP)"))?;
    // Only now: connecting can take long, and a signal ends it.
    let stop = stop()?;
    greet(args, &generator, &format!("{address} (TCP)"));
    let mut clock = SystemClock::start();
    let ended = all(&mut generator, &mut sink, &mut clock, &stop);
    summary(args, &generator, &mut clock, json!({}))?;
    match ended {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if generator.totals().export_packets == 0 => Err(error).context("nothing could be sent"),
        Err(error) => {
            output::error(format_args!(
                "the connection to {address} is lost, and with it what was sent last: {error}"
            ));
            Ok(Outcome::BadInput)
        }
    }
}

fn write(args: &Generate, mut generator: Generator, path: &Path) -> anyhow::Result<Outcome> {
    let stdout = path == Path::new("-");
    ensure!(
        !stdout || args.format == SummaryFormat::Text,
        "stdout cannot take both a capture and --format json"
    );
    let out: Box<dyn Write> = match stdout {
        true => Box::new(io::stdout().lock()),
        false => Box::new(File::create(path).with_context(|| format!("cannot create {}", path.display()))?),
    };
    let failed =
        || format!("cannot write {}", if stdout { "to stdout".into() } else { path.display().to_string() });
    let mut sink =
        CaptureSink::new(BufWriter::with_capacity(1 << 18, out), args.domains).with_context(failed)?;
    let mut clock = SimulatedClock::default();
    let stop = stop()?;
    all(&mut generator, &mut sink, &mut clock, &stop).with_context(failed)?;
    sink.into_inner().flush().with_context(failed)?;
    summary(args, &generator, &mut clock, json!({}))?;
    Ok(Outcome::Done)
}

fn all(
    generator: &mut Generator,
    sink: &mut impl PacketSink,
    clock: &mut impl Clock,
    stop: &AtomicBool,
) -> io::Result<()> {
    while generator.run(sink, clock, stop, Duration::MAX)? {}
    generator.finish(sink, clock)
}

fn stop() -> anyhow::Result<Arc<AtomicBool>> {
    signals::stop_flag().context("cannot handle signals")
}

fn greet(args: &Generate, generator: &Generator, to: &str) {
    let version = generator.config().version;
    let rate = match args.pps.unwrap_or(args.rate) {
        Rate::Max => "as fast as it goes".to_owned(),
        Rate::PerSecond(rate) if args.pps.is_some() => format!("{rate} packets/s"),
        Rate::PerSecond(rate) => format!("{rate} flows/s"),
    };
    output::note(format_args!("sending {} to {to}, {rate}; Ctrl-C ends", name(version)));
}

fn name(version: Version) -> String {
    match version {
        Version::Ipfix => "IPFIX".to_owned(),
        other => format!("NetFlow v{other}"),
    }
}

/// Says what was made.
fn summary(
    args: &Generate,
    generator: &Generator,
    clock: &mut impl Clock,
    sent: serde_json::Value,
) -> anyhow::Result<()> {
    let (totals, seconds) = (generator.totals(), clock.now().as_secs_f64());
    for line in sentences(&totals, seconds) {
        output::note(line);
    }
    if args.format == SummaryFormat::Json {
        let mut object = serde_json::to_value(totals)?;
        let fields = object.as_object_mut().context("totals are an object")?;
        fields.insert("seconds".into(), seconds.into());
        fields.insert("seed".into(), args.seed.into());
        fields.extend(sent.as_object().cloned().unwrap_or_default());
        let mut out = output::data();
        writeln!(out, "{object}")?;
        out.flush()?;
    }
    Ok(())
}

fn sentences(totals: &Totals, seconds: f64) -> Vec<String> {
    let mut lines = vec![format!(
        "made {} ({}) of {}, which say {} and {}; {}, {}",
        count(totals.export_packets, "export packet"),
        count(totals.export_octets, "octet"),
        count(totals.flows, "flow"),
        count(totals.bytes, "byte"),
        count(totals.packets, "packet"),
        count(totals.options_records, "options record"),
        count(totals.templates, "template record"),
    )];
    if totals.reverse_packets > 0 {
        lines.push(format!(
            "in the reverse direction they say {} and {}",
            count(totals.reverse_bytes, "byte"),
            count(totals.reverse_packets, "packet")
        ));
    }
    if totals.cut_records > 0 {
        lines.push(format!(
            "{} had a value that its field has no room for, such as an AS number of 32 bits",
            count(totals.cut_records, "record")
        ));
    }
    if totals.left_out > 0 {
        lines.push(format!("not exported: {}, which no template takes", count(totals.left_out, "more flow")));
    }
    let faults = &totals.faults;
    let done = [
        (faults.lost, format!("{} lost ({})", faults.lost, count(faults.lost_flows, "flow"))),
        (faults.reordered, format!("{} late", faults.reordered)),
        (faults.duplicated, format!("{} twice", faults.duplicated)),
        (
            faults.corrupted,
            format!(
                "{} damaged ({} with an unknown version, {} cut, {} with a length or count too large)",
                faults.corrupted, faults.unreadable, faults.cut, faults.overstated
            ),
        ),
    ];
    let done: Vec<_> = done.into_iter().filter(|(times, _)| *times > 0).map(|(_, text)| text).collect();
    if !done.is_empty() {
        lines.push(format!("of the packets on purpose: {}", done.join(", ")));
    }
    if totals.restarts > 0 {
        lines.push(format!("{} on purpose", count(totals.restarts, "restart")));
    }
    if totals.uptime_wraps > 0 {
        lines.push(format!("the uptime of {} passed 2^32 ms", count(totals.uptime_wraps, "exporter")));
    }
    if seconds > 0.0 {
        lines.push(format!(
            "in {seconds:.1} s: {:.0} packets/s, {:.0} flows/s",
            totals.export_packets as f64 / seconds,
            totals.flows as f64 / seconds
        ));
    }
    lines
}
