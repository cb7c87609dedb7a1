//! `nf analyze`: connections from flow files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use netflow_analyzer::report::{write_line, write_unpaired};
use netflow_analyzer::{
    Connection, Filter, HostNames, Kind, Pairing, PairingConfig, Resolver, Row, Services,
};
use netflow_capture::{CaptureReader, looks_like_capture};
use netflow_flow::{Flow, FlowReader, Flows, Normalizer};
use netflow_parquet::{FlowFile, is_parquet};
use netflow_templates::{Context, DataSet, MessageSink, Problem, Registry, Session};

use crate::Outcome;
use crate::args::{Analyze, ReportFormat};
use crate::input;
use crate::output::{self, count};

/// Connections that are printed together, sorted by time: this bounds memory, not what is printed.
const BATCH: usize = 10_000;
/// Bad lines that are told one by one.
const MAX_MESSAGES: u64 = 20;

pub(crate) fn run(args: &Analyze) -> anyhow::Result<Outcome> {
    let files: Vec<&PathBuf> = args.files.iter().chain(&args.file).collect();
    let mut analysis = Analysis::new(args)?;
    let mut unreadable = 0;
    if files.is_empty() {
        unreadable += u64::from(!analysis.try_stdin()?);
    }
    for path in &files {
        let read = if path.as_os_str() == "-" { analysis.try_stdin()? } else { analysis.try_file(path)? };
        unreadable += u64::from(!read);
    }
    analysis.finish()?;
    if unreadable > 0 && analysis.good == 0 {
        anyhow::bail!("nothing could be read");
    }
    Ok(if unreadable > 0 || analysis.bad > 0 { Outcome::BadInput } else { Outcome::Done })
}

struct Analysis<'a> {
    args: &'a Analyze,
    registry: Arc<Registry>,
    filter: Filter,
    pairing: Pairing,
    printer: Printer<'a>,
    bar: ProgressBar,
    /// Lines and export packets that were read.
    good: u64,
    /// Those that could not be read.
    bad: u64,
}

impl<'a> Analysis<'a> {
    fn new(args: &'a Analyze) -> anyhow::Result<Self> {
        Ok(Self {
            args,
            registry: Arc::new(input::registry(&args.decoding)?),
            filter: Filter { least_packets: args.packets, host: args.match_host },
            pairing: Pairing::new(PairingConfig::default()),
            printer: Printer::new(args),
            bar: ProgressBar::hidden(),
            good: 0,
            bad: 0,
        })
    }

    /// Reads stdin; false when it could not be read, which was said.
    fn try_stdin(&mut self) -> anyhow::Result<bool> {
        if io::stdin().is_terminal() {
            output::note("reading from the terminal; give a FILE to read that instead");
        }
        self.try_input("stdin", io::stdin().lock())
    }

    /// Reads a file; false when it could not be read, which was said.
    fn try_file(&mut self, path: &Path) -> anyhow::Result<bool> {
        let name = path.display().to_string();
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) => {
                let advice = match error.kind() {
                    io::ErrorKind::NotFound => {
                        "; is the name right? `nf collect` names its files <unix seconds>.gz"
                    }
                    _ => "",
                };
                output::error(format_args!("cannot read {name}: {error}{advice}"));
                return Ok(false);
            }
        };
        if starts_as_parquet(&mut file) {
            let read = FlowFile::open(file).map_err(anyhow::Error::from).context(name.clone());
            let read = read.and_then(|file| self.parquet(&name, file));
            return self.tell(read);
        }
        if io::stderr().is_terminal() {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left");
            self.bar =
                ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        let read = self.try_input(&name, self.bar.wrap_read(file));
        self.bar.finish_and_clear();
        read
    }

    /// Reads an input; false when it could not be read, or not to its end, which was said.
    fn try_input(&mut self, name: &str, input: impl Read) -> anyhow::Result<bool> {
        let read = self.input(name, input);
        self.tell(read)
    }

    /// Says what was wrong, and whether nothing was.
    fn tell(&self, read: anyhow::Result<()>) -> anyhow::Result<bool> {
        match read {
            Ok(()) => Ok(true),
            Err(error) if output::is_closed_pipe(&error) => Err(error),
            Err(error) => {
                self.bar.suspend(|| output::error(format_args!("{error:#}")));
                Ok(false)
            }
        }
    }

    fn input(&mut self, name: &str, input: impl Read) -> anyhow::Result<()> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let start = input.fill_buf().with_context(|| format!("cannot read {name}"))?;
        if is_parquet(start) {
            // Its end has to be known before anything can be read.
            let mut octets = Vec::new();
            input.read_to_end(&mut octets).with_context(|| format!("cannot read {name}"))?;
            return self.parquet(name, FlowFile::from_octets(octets).with_context(|| name.to_owned())?);
        }
        if looks_like_capture(start) { self.capture(name, input) } else { self.flow_file(name, input) }
    }

    fn parquet(&mut self, name: &str, mut file: FlowFile) -> anyhow::Result<()> {
        let mut flows = Vec::new();
        let (mut good, mut bad) = (0, 0);
        loop {
            match file.read(&mut flows) {
                Ok(true) => {
                    good += flows.len() as u64;
                    flows.iter().for_each(|flow| self.push(flow));
                    self.printer.print_full()?;
                }
                Ok(false) => break,
                // The next row group may be good.
                Err(error) => {
                    bad += 1;
                    if bad <= MAX_MESSAGES {
                        output::error(format_args!("{name}: {error}"));
                    }
                }
            }
        }
        self.good += good;
        self.bad += bad;
        if good == 0 && bad > 0 {
            anyhow::bail!("{name}: none of its row groups can be read");
        }
        let unknown: Vec<_> = file.unknown_columns().map(|name| name.escape_debug().to_string()).collect();
        if !unknown.is_empty() {
            output::note(format_args!(
                "{name}: columns that are not known were left out: {}",
                unknown.join(", ")
            ));
        }
        Ok(())
    }

    fn flow_file(&mut self, name: &str, input: impl Read) -> anyhow::Result<()> {
        let registry = (*self.registry).clone();
        let mut reader = FlowReader::with_registry(input, registry, self.args.decoding.sampling)
            .map_err(|error| input::no_flows(name, error))?;
        let mut flows = Vec::new();
        let (mut good, mut bad) = (0, 0);
        loop {
            match reader.read(&mut flows) {
                Ok(true) => {
                    good += 1;
                    self.good += 1;
                    flows.iter().for_each(|flow| self.push(flow));
                    self.printer.print_full()?;
                }
                Ok(false) => break,
                Err(error) if error.is_recoverable() => {
                    bad += 1;
                    if bad <= MAX_MESSAGES {
                        self.bar.suspend(|| output::error(format_args!("{name}: {error}")));
                    }
                }
                Err(error) => {
                    self.bad += bad;
                    return Err(input::no_flows(name, error));
                }
            }
        }
        if bad > MAX_MESSAGES {
            output::error(format_args!("{name}: {bad} lines could not be read in all"));
        }
        self.bad += bad;
        if good == 0 && bad > 0 {
            anyhow::bail!("{name}: none of its lines is a flow or an export packet");
        }
        input::note_left_out(name, &reader);
        Ok(())
    }

    fn capture(&mut self, name: &str, input: impl Read) -> anyhow::Result<()> {
        let mut session = Session::with_config(input::session_config(&self.args.decoding)?);
        let mut capture = CaptureReader::new(input).with_context(|| name.to_owned())?;
        let mut sink = FlowSink {
            normalizer: Normalizer::with_sampling_override(self.args.decoding.sampling),
            analysis: self,
            flows: Flows::new(),
            flow: Flow::default(),
            failed: None,
            malformed: 0,
        };
        let mut foreign = 0;
        let result = loop {
            let datagram = match capture.next_datagram() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error).with_context(|| name.to_owned()),
            };
            let (from, time) = (datagram.source.into(), datagram.time);
            input::messages(datagram.payload, |at, octets| {
                let decoded = session.decode(from, time, octets, &mut sink);
                match (&decoded, at) {
                    (Ok(_), _) => sink.analysis.good += 1,
                    (Err(_), 0) => foreign += 1,
                    (Err(_), _) => sink.malformed += 1,
                }
                decoded.ok()
            });
            if let Some(error) = sink.failed.take() {
                return Err(error);
            }
        };
        if foreign > 0 {
            output::note(format_args!(
                "{name}: {} were no export packets, of {}",
                foreign,
                count(capture.statistics().datagrams, "datagram")
            ));
        }
        if session.statistics().packets == 0 {
            result?;
            anyhow::bail!("{name}: no export packets in {}", count(capture.statistics().frames, "frame"));
        }
        let (waiting, octets) = session.waiting();
        if waiting > 0 {
            output::note(format_args!(
                "{name}: {} of {octets} octets could not be decoded: their templates are not in the capture",
                count(waiting as u64, "data set")
            ));
        }
        let malformed = sink.malformed;
        if malformed > 0 {
            self.bad += malformed;
            let malformed = count(malformed, "export packet");
            output::error(format_args!(
                "{name}: {malformed} with something wrong (`nf decode -f` tells what)"
            ));
        }
        result
    }

    fn push(&mut self, flow: &Flow) {
        if self.filter.wants_flow(flow) {
            let printer = &mut self.printer;
            self.pairing.push(flow, &mut |connection| printer.take(connection, &self.filter));
        }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let printer = &mut self.printer;
        self.pairing.finish(&mut |connection| printer.take(connection, &self.filter));
        printer.print_all()?;
        printer.out.flush()?;
        let statistics = self.pairing.statistics();
        if self.args.format == ReportFormat::Text && printer.skipped > 0 {
            output::note(format_args!(
                "{} connections skipped, because they had less than {} packets.",
                printer.skipped, self.args.packets
            ));
        }
        if printer.unpaired > 0 && !self.args.verbose {
            output::note(format_args!(
                "{} without an answer (-v shows them)",
                count(printer.unpaired, "flow")
            ));
        }
        if statistics.without_addresses > 0 {
            output::note(format_args!("{} without addresses", count(statistics.without_addresses, "flow")));
        }
        if statistics.closed_early > 0 {
            output::note(format_args!(
                "{} were open at once, more than are kept; the oldest were closed early",
                count(statistics.closed_early, "connection")
            ));
        }
        if printer.unanswered > 0 {
            output::note(format_args!(
                "{} without a name: DNS did not answer within {} s (--dns-timeout)",
                count(printer.unanswered, "address"),
                self.args.dns_timeout
            ));
        }
        Ok(())
    }
}

/// Hands the flows of decoded packets on.
/// Whether a file, which is read from its start afterwards, is of Parquet.
fn starts_as_parquet(file: &mut File) -> bool {
    let mut start = [0; 4];
    let regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let is = regular && file.read_exact(&mut start).is_ok() && is_parquet(&start);
    (!regular || file.rewind().is_ok()) && is
}

struct FlowSink<'s, 'a> {
    normalizer: Normalizer,
    analysis: &'s mut Analysis<'a>,
    flows: Flows,
    flow: Flow,
    /// Why connections could not be printed.
    failed: Option<anyhow::Error>,
    malformed: u64,
}

impl MessageSink for FlowSink<'_, '_> {
    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.normalizer.normalize(context, set, &mut self.flows);
        for row in self.flows.iter() {
            row.copy_to(&mut self.flow);
            self.analysis.push(&self.flow);
        }
        self.flows.clear();
        if self.failed.is_none() {
            self.failed = self.analysis.printer.print_full().err();
        }
    }

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        self.malformed += u64::from(problem.is_malformed());
    }
}

/// Collects connections and prints them in batches.
struct Printer<'a> {
    args: &'a Analyze,
    out: BufWriter<output::Data>,
    services: Services,
    zone: TimeZone,
    resolver: Option<Resolver>,
    dns_left: Duration,
    unanswered: u64,
    connections: Vec<Connection>,
    skipped: u64,
    unpaired: u64,
    headed: bool,
}

impl<'a> Printer<'a> {
    fn new(args: &'a Analyze) -> Self {
        Self {
            args,
            out: BufWriter::new(output::data()),
            services: Services::with_system("/etc/services").unwrap_or_else(|_| Services::embedded()),
            zone: TimeZone::system(),
            resolver: (!args.no_dns).then(Resolver::new),
            dns_left: Duration::from_secs(args.dns_timeout),
            unanswered: 0,
            connections: Vec::new(),
            skipped: 0,
            unpaired: 0,
            headed: false,
        }
    }

    fn take(&mut self, connection: Connection, filter: &Filter) {
        let one_way = connection.kind == Kind::OneWay;
        self.unpaired += u64::from(one_way);
        if !filter.has_enough_packets(&connection) {
            self.skipped += u64::from(!one_way);
        } else if !one_way || self.args.verbose {
            self.connections.push(connection);
        }
    }

    fn print_full(&mut self) -> anyhow::Result<()> {
        if self.connections.len() >= BATCH { self.print_all() } else { Ok(()) }
    }

    fn print_all(&mut self) -> anyhow::Result<()> {
        let mut connections = std::mem::take(&mut self.connections);
        connections.sort_by_key(|connection| (connection.start(), connection.received_last));
        let names = self.names(&connections);
        let (args, services, out) = (self.args, &self.services, &mut self.out);
        if args.format == ReportFormat::Csv && !self.headed {
            Row::write_csv_header(out)?;
        }
        self.headed = true;
        let (paired, unpaired): (Vec<_>, Vec<_>) = match args.format {
            ReportFormat::Text => connections.iter().partition(|connection| connection.kind != Kind::OneWay),
            _ => (connections.iter().collect(), Vec::new()),
        };
        let mut text = String::new();
        for connection in paired {
            match args.format {
                ReportFormat::Text => {
                    write_line(&mut text, connection, services, &names, &self.zone)?;
                    output::line(out, text.trim_end_matches('\n'))?;
                    text.clear();
                }
                ReportFormat::Json => Row::new(connection, services, &names).write_json(out)?,
                ReportFormat::Csv => Row::new(connection, services, &names).write_csv(out)?,
            }
        }
        for connection in unpaired {
            write_unpaired(&mut text, connection, &names)?;
            output::line(out, text.trim_end_matches('\n'))?;
            text.clear();
        }
        Ok(())
    }

    /// Names of the hosts, as far as there is time left for asking.
    fn names(&mut self, connections: &[Connection]) -> HostNames {
        let Some(resolver) = &mut self.resolver else { return HostNames::none() };
        let started = Instant::now();
        let addresses = connections.iter().flat_map(|connection| [connection.a.addr, connection.b.addr]);
        let names = resolver.resolve(addresses, self.dns_left);
        self.dns_left = self.dns_left.saturating_sub(started.elapsed());
        self.unanswered += names.unanswered as u64;
        names
    }
}
