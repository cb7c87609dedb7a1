//! `nf analyze`: connections from flow files.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use netflow_analyzer::report::{write_line, write_unpaired};
use netflow_analyzer::{
    Connection, Filter, HostNames, Kind, Pairing, PairingConfig, Resolver, Row, Services,
};
use netflow_flow::Flow;

use crate::Outcome;
use crate::args::{Analyze, ReportFormat};
use crate::flow_input::{FlowInputs, octets_of};
use crate::output::{self, count};
use crate::progress::Progress;

/// Connections that are printed together, sorted by time: this bounds memory, not what is printed.
const BATCH: usize = 10_000;

pub(crate) fn run(args: &Analyze) -> anyhow::Result<Outcome> {
    let mut files: Vec<&Path> = args.files.iter().chain(&args.file).map(PathBuf::as_path).collect();
    if files.is_empty() {
        files.push(Path::new("-"));
    }
    let progress = Progress::start(octets_of(&files))?;
    let mut inputs = FlowInputs::new(&args.decoding, &progress)?;
    let mut analysis = Analysis::new(args);
    for path in files {
        inputs.read_path(path, &mut |flows| {
            flows.iter().for_each(|flow| analysis.push(flow));
            analysis.printer.print_full()
        })?;
    }
    analysis.finish()?;
    inputs.outcome()
}

struct Analysis<'a> {
    args: &'a Analyze,
    filter: Filter,
    pairing: Pairing,
    printer: Printer<'a>,
}

impl<'a> Analysis<'a> {
    fn new(args: &'a Analyze) -> Self {
        Self {
            args,
            filter: Filter { least_packets: args.packets, host: args.match_host },
            pairing: Pairing::new(PairingConfig::default()),
            printer: Printer::new(args),
        }
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
