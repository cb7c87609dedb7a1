//! Synthetic exporters: traffic, encoded as export packets, at a pace, through faults, into a sink.
//!
//! What the packets hold follows from the configuration alone: exporters and their observation domains take turns,
//! and what time it is follows from how much was made. Only where no pace is set may time be the clock's
//! ([`Pace::Clock`]).

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netflow_flow::Flow;
use netflow_templates::Timestamp;
use serde::Serialize;

use crate::fault::{FaultConfig, FaultCounts, Faults, Outgoing};
use crate::replay::Clock;
use crate::traffic::{Traffic, TrafficConfig};
use crate::{ConfigError, Exporter, ExporterStatistics, Profile, Refresh, Version};

mod clock;
mod setup;
mod sink;

pub use clock::SimulatedClock;
pub use setup::source_address;
pub use sink::{CaptureSink, PacketSink, StreamSink, UdpSink};

/// How fast packets are made, and what time it is meanwhile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Flow records a second.
    Flows(f64),
    /// Export packets a second.
    Packets(f64),
    /// As fast as it goes. So many flow records make a second of the packets' time.
    Unlimited(f64),
    /// As fast as it goes, and the packets' time is the clock's.
    Clock,
}

/// What is generated.
#[derive(Debug, Clone)]
pub struct GenerateConfig {
    /// Version of all packets.
    pub version: Version,
    /// How it is exported, if not as usual: of the same version.
    pub profile: Option<&'static Profile>,
    /// Flow records of a packet at most; `None` for as many as usual.
    pub max_records: Option<u16>,
    /// When templates and options data are sent again; `None` for as the profile says, or every 100 packets and 10
    /// seconds.
    pub refresh: Option<Refresh>,
    /// The conversations.
    pub traffic: TrafficConfig,
    /// Exporters, at least 1.
    pub exporters: u32,
    /// Observation domains of each exporter, at least 1.
    pub domains: u32,
    /// Whether no two exporters have a domain of the same number, for when their addresses do not tell them apart.
    pub distinct_domains: bool,
    /// How fast.
    pub pace: Pace,
    /// End after so many flow records.
    pub flows: Option<u64>,
    /// End after so long.
    pub duration: Option<Duration>,
    /// When it starts.
    pub start: Timestamp,
    /// What goes wrong on the way.
    pub faults: FaultConfig,
    /// Let uptimes pass 2^32 milliseconds so long after the start.
    pub uptime_wrap: Option<Duration>,
    /// Let all exporters start anew so long after the start.
    pub restart: Option<Duration>,
}

/// What was made. Sums are over flows before anything was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Export packets that were made.
    pub export_packets: u64,
    /// Octets of them.
    pub export_octets: u64,
    /// Flow records.
    pub flows: u64,
    /// Octets that the flows say.
    pub bytes: u64,
    /// Packets that the flows say.
    pub packets: u64,
    /// Octets of the reverse direction, of biflows.
    pub reverse_bytes: u64,
    /// Packets of the reverse direction, of biflows.
    pub reverse_packets: u64,
    /// Records of options.
    pub options_records: u64,
    /// Template records, of options too.
    pub templates: u64,
    /// Records with a value that did not fit its field, such as an AS number of 32 bits.
    pub cut_records: u64,
    /// Flows that no template takes, or that are too long for a packet: they are in no sum above.
    pub left_out: u64,
    /// Observation domains whose sequence numbers and templates began anew.
    pub restarts: u64,
    /// Exporters whose uptime passed 2^32 milliseconds.
    pub uptime_wraps: u64,
    /// What was done on the way.
    pub faults: FaultCounts,
}

/// Makes export packets, turn by turn.
#[derive(Debug)]
pub struct Generator {
    config: GenerateConfig,
    streams: Vec<Stream>,
    /// Whose turn it is.
    next: usize,
    faults: Option<Faults>,
    totals: Totals,
    restarted: bool,
}

/// An observation domain of an exporter.
#[derive(Debug)]
struct Stream {
    exporter: Exporter,
    traffic: Traffic,
}

impl Generator {
    /// A generator that has made nothing yet.
    ///
    /// # Errors
    /// When there can be no such exporter, or it could export nothing of the traffic.
    pub fn new(config: GenerateConfig) -> Result<Self, ConfigError> {
        let streams = setup::streams(&config)?;
        let faults =
            config.faults.any().then(|| Faults::new(&config.faults, config.traffic.seed, streams.len()));
        Ok(Self { config, streams, next: 0, faults, totals: Totals::default(), restarted: false })
    }

    /// What is generated.
    pub fn config(&self) -> &GenerateConfig {
        &self.config
    }

    /// What was made up to now.
    pub fn totals(&self) -> Totals {
        let mut totals = self.totals;
        for stream in &self.streams {
            let exported = stream.exporter.statistics();
            totals.options_records += exported.options;
            totals.templates += exported.templates;
            totals.cut_records += exported.cut;
            totals.left_out += exported.left_out;
        }
        totals.faults = self.faults.as_ref().map(Faults::counts).unwrap_or_default();
        totals
    }

    /// Makes packets and gives them to the sink, at the configured pace, until the end of what was asked for, until
    /// `stop` is set, or for a time by the clock; true if there is more to come.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn run(
        &mut self,
        sink: &mut impl PacketSink,
        clock: &mut impl Clock,
        stop: &AtomicBool,
        slice: Duration,
    ) -> io::Result<bool> {
        /// Naps are no shorter: what is due meanwhile goes out in one go.
        const NAP: Duration = Duration::from_millis(1);
        let until = clock.now().saturating_add(slice);
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let elapsed = clock.now();
            let due = self.due(elapsed);
            if self.is_over(due, elapsed) {
                return Ok(false);
            }
            if elapsed >= until {
                sink.flush()?;
                return Ok(true);
            }
            if self.is_paced() && due > elapsed + NAP {
                sink.flush()?;
                if !clock.wait_until(due.min(until)) {
                    return Ok(false);
                }
                continue;
            }
            self.turn(due, sink)?;
        }
    }

    /// Ends all exporters: what is not sent yet is. No more is to be made afterwards.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(&mut self, sink: &mut impl PacketSink, clock: &mut impl Clock) -> io::Result<()> {
        let due = self.due(clock.now());
        let now = self.time(due);
        for stream in 0..self.streams.len() {
            self.streams[stream].exporter.flush(now);
            self.deliver(stream, now, sink)?;
            self.settle(stream, now, sink)?;
            if self.config.domains_begin(stream) && self.uptime_passed(stream, now) {
                self.totals.uptime_wraps += 1;
            }
        }
        sink.flush()
    }

    /// When the next turn is due, since the start.
    fn due(&self, elapsed: Duration) -> Duration {
        let (made, rate) = match self.config.pace {
            Pace::Flows(rate) | Pace::Unlimited(rate) => (self.totals.flows, rate),
            Pace::Packets(rate) => (self.totals.export_packets, rate),
            Pace::Clock => return elapsed,
        };
        // A rate of zero would never have made anything.
        Duration::try_from_secs_f64(made as f64 / rate).unwrap_or(Duration::MAX)
    }

    fn is_paced(&self) -> bool {
        matches!(self.config.pace, Pace::Flows(_) | Pace::Packets(_))
    }

    fn is_over(&self, due: Duration, elapsed: Duration) -> bool {
        let all = self.config.flows.is_some_and(|flows| self.totals.flows >= flows);
        all || self.config.duration.is_some_and(|duration| {
            // Who does not keep up ends soon after, with fewer.
            let patience = duration / 10 + Duration::from_secs(1);
            due >= duration || elapsed >= duration.saturating_add(patience)
        })
    }

    fn time(&self, since_start: Duration) -> Timestamp {
        let nanos = i64::try_from(since_start.as_nanos()).unwrap_or(i64::MAX);
        self.config.start.saturating_add_nanos(nanos)
    }

    /// Makes the next packet of the stream whose turn it is.
    fn turn(&mut self, due: Duration, sink: &mut impl PacketSink) -> io::Result<()> {
        let now = self.time(due);
        if !self.restarted && self.config.restart.is_some_and(|after| due >= after) {
            self.restarted = true;
            self.restart(now, sink)?;
        }
        let number = self.next;
        self.next = (number + 1) % self.streams.len();
        let most = self.flows_of_turn();
        let Stream { exporter, traffic } = &mut self.streams[number];
        let habits = &exporter.config().habits;
        // Of a connection's two events, the counters are in one.
        let (records, counted) = match (habits.twice, habits.events) {
            (true, _) => (2, 2),
            (false, true) => (2, 1),
            (false, false) => (1, 1),
        };
        let packets = exporter.statistics().packets;
        let mut left_out = exporter.statistics().left_out;
        // A packet is ready when the flow behind its last one does not fit.
        for _ in 0..most.div_ceil(records).min(setup::PATIENCE) {
            let flow = traffic.flow(now);
            exporter.add(flow, now);
            let ExporterStatistics { packets: made, left_out: now_left_out, .. } = exporter.statistics();
            if now_left_out == left_out {
                self.totals.add(flow, records, counted);
            }
            left_out = now_left_out;
            if made > packets {
                return self.deliver(number, now, sink);
            }
        }
        exporter.flush(now);
        self.deliver(number, now, sink)
    }

    /// Most flows for one packet: those of a second, so that slow exporters do not keep them for longer, and what is
    /// left of those that were asked for.
    fn flows_of_turn(&self) -> u64 {
        let most = match self.config.pace {
            Pace::Flows(rate) => (rate / self.streams.len() as f64).max(1.0) as u64,
            _ => u64::MAX,
        };
        self.config.flows.map_or(most, |flows| most.min(flows - self.totals.flows))
    }

    /// Gives the packets of a stream that are ready to the sink.
    fn deliver(&mut self, number: usize, now: Timestamp, sink: &mut impl PacketSink) -> io::Result<()> {
        while let Some(made) = self.streams[number].exporter.next_packet() {
            let packet =
                Outgoing { stream: number, source: made.source, flows: made.flows, octets: made.octets };
            self.totals.export_packets += 1;
            self.totals.export_octets += packet.octets.len() as u64;
            match &mut self.faults {
                Some(faults) => faults.pass(&packet, |packet| sink.send(now, packet))?,
                None => sink.send(now, &packet)?,
            }
        }
        Ok(())
    }

    fn settle(&mut self, number: usize, now: Timestamp, sink: &mut impl PacketSink) -> io::Result<()> {
        self.faults.as_mut().map_or(Ok(()), |faults| faults.settle(number, |packet| sink.send(now, packet)))
    }

    /// All exporters start anew.
    fn restart(&mut self, now: Timestamp, sink: &mut impl PacketSink) -> io::Result<()> {
        for number in 0..self.streams.len() {
            self.streams[number].exporter.flush(now);
            self.deliver(number, now, sink)?;
            self.settle(number, now, sink)?;
        }
        sink.restart()?;
        for Stream { exporter, traffic } in &mut self.streams {
            exporter.restart(now);
            traffic.router_started(now);
            self.totals.restarts += 1;
        }
        Ok(())
    }

    /// Whether an exporter's uptime has passed 32 bits since the start.
    fn uptime_passed(&self, number: usize, now: Timestamp) -> bool {
        let uptime = now.saturating_since(self.streams[number].exporter.config().started);
        self.config.uptime_wrap.is_some() && uptime >= setup::UPTIME_PERIOD
    }
}

impl GenerateConfig {
    /// Whether a stream is the first of its exporter.
    fn domains_begin(&self, stream: usize) -> bool {
        stream.is_multiple_of(self.domains.max(1) as usize)
    }
}

impl Totals {
    /// Counts the records that were made of a flow, and those of them that say its octets and packets.
    #[inline]
    fn add(&mut self, flow: &Flow, records: u64, counted: u64) {
        self.flows += records;
        self.bytes += flow.bytes_raw * counted;
        self.packets += flow.packets_raw * counted;
        let rare = flow.rare();
        self.reverse_bytes += rare.reverse_bytes.unwrap_or(0) * counted;
        self.reverse_packets += rare.reverse_packets.unwrap_or(0) * counted;
    }
}

#[cfg(test)]
mod tests;
