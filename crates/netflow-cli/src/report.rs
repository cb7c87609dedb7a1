//! `nf report`: a page out of flow files.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use netflow_analyzer::{HostNames, Resolver, Services};
use netflow_filter::Filter;
use netflow_flow::Column;
use netflow_parquet::FlowFile;
use netflow_query::{
    Aggregation, Batch, Consumer, Error, FoundFile, Key, KeyValue, Matching, Measure, Partial, Question,
    Scan, Selection, TimeRange, Top,
};
use netflow_report::{Basis, Connections, Correction, Direction, Report, Totals};
use netflow_templates::Timestamp;

use crate::Outcome;
use crate::args;
use crate::flow_input::{Content, FlowInput, FlowInputs};
use crate::output::{self, count};
use crate::progress::Progress;
use crate::scan;
use crate::selection::Selection as Chosen;

mod counters;
mod csv;
mod figures;
mod health;
mod largest;
mod page_file;
mod systems;
mod tally;

use counters::Counters;
use figures::{Names, Scaled};
use health::Losses;
use largest::Largest;
use systems::SystemNames;
use tally::{Tally, With};

/// Parquet files that are open at once.
const OPEN: usize = 64;
/// Problems that the page tells one by one.
const MAX_WARNINGS: usize = 8;

pub(crate) fn run(args: &args::Report) -> anyhow::Result<Outcome> {
    let now = Timestamp::from(SystemTime::now());
    let selection = Chosen::of(&args.selection)?;
    // What the user gives wrong is said before long reading.
    let systems = args.as_names.as_deref().map_or(Ok(SystemNames::default()), SystemNames::read)?;
    let counters = args.snmp.as_deref().map(Counters::read).transpose()?;
    let interfaces = args.if_names.as_deref().map_or(Ok(HashMap::new()), figures::read_interfaces)?;

    let found = &selection.files;
    let services = Services::with_system("/etc/services").unwrap_or_else(|_| Services::embedded());
    let progress = Progress::start(selection.octets())?;
    let mut inputs = FlowInputs::new(&args.selection.decoding, &progress)?;
    selection.tell(&mut inputs);
    let mut warnings: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    let with = With { raw: args.raw, ports: largest::ports(&services), database: systems.database.clone() };
    let mut reading = Reading::new(args, with, &selection.filter)?;
    reading.read(&found.files, &mut inputs, &progress, &mut warnings)?;
    let counted = reading.finish(usize::from(args.top))?;
    if progress.stopped() {
        warnings.push("Reading was stopped before its end: this is of what was read until then.".to_owned());
    }
    let losses = Losses::beside(&found.files);
    warnings.extend(losses.problems.iter().cloned());
    let outcome = inputs.outcome()?;

    let mut names = HashMap::new();
    names.extend(counted.tally.names.clone());
    names.extend(interfaces);
    let hosts = if args.dns { host_names(&counted, args.dns_timeout) } else { HostNames::none() };
    let names = Names {
        services: &services,
        systems: &systems,
        interfaces: names,
        hosts: &hosts,
        one_exporter: counted.tally.exporters.sorted().len() <= 1,
        top: usize::from(args.top),
    };
    let report = report(args, &counted, &names, counters.as_ref(), losses, (&selection, now), warnings);
    page_file::write(&args.output, &report.to_html())?;
    if args.output.as_os_str() != "-" {
        let flows = count(report.totals.amount.flows, "flow");
        output::note(format_args!(
            "{}: {flows} from {}",
            args.output.display(),
            count(report.totals.files, "file")
        ));
    }
    Ok(outcome)
}

/// Everything that was counted.
struct Counted {
    tally: Tally,
    hosts: Top,
    pairs: Top,
    connections: Vec<netflow_analyzer::Connection>,
    connections_in_all: u64,
}

/// What each thread counts.
struct Counting {
    tally: Tally,
    hosts: Partial,
    pairs: Partial,
}

impl Consumer for Counting {
    fn columns(&self) -> Vec<&'static Column> {
        [self.tally.columns(), self.hosts.columns(), self.pairs.columns()].concat()
    }

    fn take(&mut self, batch: &mut Batch, selection: &Selection) -> Result<(), Error> {
        self.tally.take(batch, selection)?;
        self.hosts.take(batch, selection)?;
        self.pairs.take(batch, selection)
    }
}

/// Reading files, and counting what is in them.
struct Reading<'a> {
    filter: &'a Filter,
    hosts: Aggregation,
    pairs: Aggregation,
    counting: Vec<Counting>,
    largest: Option<Largest>,
}

impl<'a> Reading<'a> {
    fn new(args: &'a args::Report, with: With, filter: &'a Filter) -> anyhow::Result<Self> {
        let threads = scan::threads(0);
        let question = |keys: &str, both| -> anyhow::Result<Aggregation> {
            let keys = Key::parse(keys, &|| with.ports.clone())?;
            Ok(Aggregation::new(Question { both, raw: args.raw, ..Question::new(keys) })?)
        };
        let (hosts, pairs) = (question("ip", false)?, question("src_addr,dst_addr", true)?);
        let counting = (0..threads).map(|_| Counting {
            tally: Tally::new(with.clone()),
            hosts: hosts.partial(threads),
            pairs: pairs.partial(threads),
        });
        let counting = counting.collect();
        let connections = usize::from(args.connections);
        let largest = (connections > 0).then(|| Largest::new(connections, args.raw));
        Ok(Self { filter, hosts, pairs, counting, largest })
    }

    /// Reads files in their order, Parquet on all threads.
    fn read(
        &mut self,
        files: &[FoundFile],
        inputs: &mut FlowInputs<'_>,
        progress: &Progress,
        warnings: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let mut waiting: Vec<(String, FlowFile)> = Vec::new();
        let mut range = TimeRange::default();
        for found in files {
            if progress.stopped() {
                break;
            }
            let Some(FlowInput { name, content }) = inputs.open(&found.path) else {
                warnings.push(format!("{} could not be read.", found.path.display()));
                continue;
            };
            if waiting.len() >= OPEN || found.range != range {
                self.parquet(&mut waiting, range, inputs, progress, warnings)?;
            }
            range = found.range;
            match content {
                Content::Parquet(file) => waiting.push((name, *file)),
                content => {
                    self.parquet(&mut waiting, range, inputs, progress, warnings)?;
                    self.flows(FlowInput { name, content }, range, inputs, warnings)?;
                }
            }
        }
        self.parquet(&mut waiting, range, inputs, progress, warnings)
    }

    /// Reads Parquet files, while another thread pairs their flows.
    fn parquet(
        &mut self,
        waiting: &mut Vec<(String, FlowFile)>,
        range: TimeRange,
        inputs: &mut FlowInputs<'_>,
        progress: &Progress,
        warnings: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        if waiting.is_empty() {
            return Ok(());
        }
        let (names, files): (Vec<String>, Vec<FlowFile>) = waiting.drain(..).unzip();
        let filter = self.filter.clone().and(range.expression());
        let threads = self.counting.len();
        let mut counting = std::mem::take(&mut self.counting);
        let mut scan = Scan::new(threads, || {
            (Matching::new(&filter), counting.pop().expect("there is one for each thread"))
        });
        let stop = AtomicBool::new(false);
        let problems = Mutex::new(Vec::new());
        let problem = |file: usize, error: Error| {
            let text = format!("{}: {error}", names[file]);
            problems.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        };
        let largest = self.largest.take();
        let (scanned, paired) = thread::scope(|scope| {
            let pairing = largest.map(|largest| {
                let (filter, files, stop) = (&filter, &files, &stop);
                scope.spawn(move || {
                    let mut largest = Some(largest);
                    let mut scan = Scan::new(1, || {
                        (Matching::new(filter), largest.take().expect("there is one thread"))
                    });
                    // What cannot be read is told by the other scan.
                    scan.parquet(files, stop, &|_, _| {})?;
                    scan.finish()
                })
            });
            let watch = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    if progress.stopped() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    thread::park_timeout(Duration::from_millis(50));
                }
            });
            let scanned = scan.parquet(&files, &stop, &problem);
            let paired = pairing
                .map(|pairing| pairing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            stop.store(true, Ordering::Relaxed);
            watch.thread().unpark();
            (scanned, paired)
        });
        scanned?;
        if let Some(paired) = paired {
            self.largest = paired?.0.pop();
        }
        let (counting, counts) = scan.finish()?;
        self.counting = counting;
        inputs.good += counts.rows();
        inputs.bad += counts.bad();
        progress.flows(counts.rows());
        // Fewer than there are when the user wants no more.
        let [length, rows] = [FlowFile::length, FlowFile::rows].map(|of| files.iter().map(of).sum::<u64>());
        let read = u128::from(length) * u128::from(counts.rows()) / u128::from(rows.max(1));
        progress.octets(u64::try_from(read).unwrap_or(length).min(length));
        for text in problems.into_inner().unwrap_or_else(PoisonError::into_inner) {
            output::error(&text);
            warnings.push(text);
        }
        Ok(())
    }

    /// Reads anything else.
    fn flows(
        &mut self,
        input: FlowInput,
        range: TimeRange,
        inputs: &mut FlowInputs<'_>,
        warnings: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let name = input.name.clone();
        let threads = self.counting.len();
        let mut counting = std::mem::take(&mut self.counting);
        let filter = self.filter.clone().and(range.expression());
        let mut scan = Scan::new(threads, || {
            (Matching::new(&filter), counting.pop().expect("there is one for each thread"))
        });
        let largest = &mut self.largest;
        let bad = inputs.bad + inputs.unreadable;
        let read = inputs.read(input, &mut |flows| {
            for flow in &*flows {
                scan.flow(flow)?;
                if let Some(largest) = largest.as_mut().filter(|_| filter.matches(flow)) {
                    largest.push(flow);
                }
            }
            Ok(())
        });
        read?;
        if inputs.bad + inputs.unreadable > bad {
            warnings.push(format!("{name} could not be read as a whole."));
        }
        self.counting = scan.finish()?.0;
        Ok(())
    }

    fn finish(self, top: usize) -> anyhow::Result<Counted> {
        let Self { hosts, pairs, counting, largest, .. } = self;
        let (mut tallies, mut of_hosts, mut of_pairs) = (Vec::new(), Vec::new(), Vec::new());
        for counting in counting {
            tallies.push(counting.tally);
            of_hosts.push(counting.hosts);
            of_pairs.push(counting.pairs);
        }
        let tally = tallies.into_iter().reduce(|mut one, other| {
            one.merge(other);
            one
        });
        let (connections, connections_in_all) = largest.map_or_else(Default::default, Largest::finish);
        Ok(Counted {
            tally: tally.expect("there is one for each thread"),
            hosts: hosts.finish(of_hosts, Measure::Bytes, top)?,
            pairs: pairs.finish(of_pairs, Measure::Bytes, top)?,
            connections,
            connections_in_all,
        })
    }
}

/// The names of all hosts that are shown.
fn host_names(counted: &Counted, seconds: u64) -> HostNames {
    let groups = counted.hosts.groups.iter().chain(&counted.pairs.groups).flat_map(|group| &group.keys);
    let listed = groups.filter_map(|key| match key {
        KeyValue::Address(address) => Some(*address),
        _ => None,
    });
    let addresses: Vec<IpAddr> = listed.chain(largest::hosts(&counted.connections)).collect();
    let names = Resolver::new().resolve(addresses, Duration::from_secs(seconds));
    if names.unanswered > 0 {
        let unanswered = count(names.unanswered as u64, "address");
        output::note(format_args!(
            "{unanswered} without a name: DNS did not answer within {seconds} s (--dns-timeout)"
        ));
    }
    names
}

fn report(
    args: &args::Report,
    counted: &Counted,
    names: &Names<'_>,
    counters: Option<&Counters>,
    losses: Losses,
    (selection, now): (&Chosen, Timestamp),
    problems: Vec<String>,
) -> Report {
    let tally = &counted.tally;
    let scaled = Scaled::new(tally, counters);
    let (least, most) = tally.rates.unwrap_or((1, 1));
    let seen = |time: fn((i64, i64)) -> i64| tally.times.map(|times| Timestamp::from_nanos(time(times)));
    let mut warnings: Vec<String> = problems.iter().take(MAX_WARNINGS).cloned().collect();
    if problems.len() > MAX_WARNINGS {
        warnings.push(format!("And {} more problems.", problems.len() - MAX_WARNINGS));
    }
    if counters.is_some() && !scaled.is_some() {
        warnings.push(
            "No interface of the flows is in the table of counters: nothing is scaled by them.".to_owned(),
        );
    }
    let interfaces = |direction: Direction| {
        tally.interfaces(direction).sorted().into_iter().map(|(interface, _)| interface)
    };
    let passed: std::collections::HashSet<_> = interfaces(Direction::In)
        .chain(interfaces(Direction::Out))
        .filter(|interface| interface.1 > 0)
        .collect();
    let mut report =
        Report::new(args.title.clone().unwrap_or_else(|| "Network traffic".to_owned()), TimeZone::system());
    report.made = now;
    report.made_by = concat!("nf ", env!("CARGO_PKG_VERSION")).to_owned();
    report.basis = Basis {
        filter: selection.text.clone(),
        from: selection.range.from.or_else(|| seen(|times| times.0)),
        to: selection.range.to.or_else(|| seen(|times| times.1)),
        correction: if args.raw { Correction::Raw(least, most) } else { Correction::Scaled(least, most) },
    };
    report.totals = Totals {
        amount: tally.total,
        exporters: tally.exporters.sorted().len() as u64,
        interfaces: passed.len() as u64,
        files: selection.files.files.len() as u64,
    };
    report.warnings = warnings;
    report.notes = twice(tally);
    report.timelines = figures::timelines(tally, names, &scaled);
    report.rankings = figures::rankings(tally, &counted.hosts, &counted.pairs, names, &scaled);
    report.systems_by_interface = [Direction::In, Direction::Out]
        .into_iter()
        .filter_map(|direction| figures::systems_by_interface(tally, direction, names, &scaled))
        .collect();
    report.connections = Connections {
        rows: largest::rows(&counted.connections, names.services, names.hosts, args.raw),
        total: counted.connections_in_all,
        note: String::new(),
    };
    report.exporters = losses.exporters(&tally.health);
    report
}

/// What is counted more than once, or not at all.
fn twice(tally: &Tally) -> Vec<String> {
    let mut notes = Vec::new();
    if tally.exporters.sorted().len() > 1 {
        notes.push(
            "Traffic that several exporters saw is counted for each of them; connections count it once."
                .to_owned(),
        );
    }
    if tally.reverse > 0 {
        notes.push(format!(
            "Records of both directions have {} octets of the reverse one, which count for connections only.",
            tally.reverse
        ));
    }
    notes
}
