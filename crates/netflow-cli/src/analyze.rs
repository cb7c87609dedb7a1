//! `nf analyze`: connections from flow files.

use crossbeam_channel::bounded;
use netflow_analyzer::{Connection, Kind, Pairing, PairingConfig};

use crate::Outcome;
use crate::args::{Analyze, ReportFormat};
use crate::filter;
use crate::flow_input::FlowInputs;
use crate::output::{self, count};
use crate::progress::Progress;
use crate::selection::Selection;

mod feed;
mod printer;
mod table;

use feed::Feed;
use printer::Printer;

/// Connections that are printed together, sorted by time: this bounds memory, not what is printed.
const BATCH: usize = 10_000;

pub(crate) fn run(args: &Analyze) -> anyhow::Result<Outcome> {
    let mut selection = Selection::of(&args.selection())?;
    if let Some(host) = args.match_host {
        selection.filter =
            selection.filter.and(filter::compile(&format!("host {host}"))?.expression().clone());
    }
    let progress = Progress::start(selection.octets())?;
    let mut inputs = FlowInputs::new(&args.decoding, &progress)?;
    selection.tell(&mut inputs);
    let feed = Feed::new(&selection);
    let told = analyze(args, feed, &mut inputs)?;
    let outcome = inputs.outcome();
    told.tell(args);
    outcome
}

/// What is told when all was printed.
struct Told {
    statistics: netflow_analyzer::PairingStatistics,
    unanswered: u64,
    /// Whether there would have been more than was to be printed.
    cut: bool,
}

/// Reads, pairs and prints, in threads of their own.
fn analyze(args: &Analyze, feed: Feed<'_>, inputs: &mut FlowInputs<'_>) -> anyhow::Result<Told> {
    let mut pairing = Pairing::new(PairingConfig {
        per_exporter: args.per_exporter,
        least_packets: args.packets,
        ..PairingConfig::default()
    });
    let mut gathered = Gathered { connections: Vec::new(), handed_out: 0 };
    // Those that ended first are enough where nothing is sorted.
    let enough = args.limit.filter(|_| args.sort.is_none()).unwrap_or(u64::MAX);
    let mut printer = Printer::new(args)?;
    let (to_print, connections) = bounded::<Vec<Connection>>(2);
    let (fed, printed) = std::thread::scope(|scope| {
        let printer = scope.spawn(move || {
            connections.iter().try_for_each(|batch| printer.take(batch))?;
            printer.finish()
        });
        let fed = feed.run(inputs, &mut |pieces| {
            let take = &mut |connection| gathered.take(connection, args);
            pairing.push_pieces(pieces, take);
            let full = gathered.connections.len() >= BATCH;
            // A printer that is gone has failed, and says why.
            let goes_on = !full || to_print.send(gathered.full()).is_ok();
            goes_on && gathered.handed_out < enough
        });
        let cut = gathered.handed_out >= enough;
        if !cut {
            pairing.finish(&mut |connection| {
                gathered.take(connection, args);
                if gathered.connections.len() >= BATCH {
                    let _ = to_print.send(gathered.full());
                }
            });
        }
        let _ = to_print.send(gathered.full());
        drop(to_print);
        let printed = printer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (fed.map(|()| cut), printed)
    });
    let unanswered = printed?;
    Ok(Told { statistics: pairing.statistics(), unanswered, cut: fed? })
}

/// Connections that are to be printed.
struct Gathered {
    connections: Vec<Connection>,
    handed_out: u64,
}

impl Gathered {
    fn take(&mut self, connection: Connection, args: &Analyze) {
        if connection.kind != Kind::OneWay || args.verbose {
            self.handed_out += 1;
            self.connections.push(connection);
        }
    }

    fn full(&mut self) -> Vec<Connection> {
        std::mem::replace(&mut self.connections, Vec::with_capacity(BATCH))
    }
}

impl Told {
    fn tell(&self, args: &Analyze) {
        let statistics = &self.statistics;
        if self.cut {
            output::note(
                "not all was read: these are the connections that ended first (--sort looks at all)",
            );
            return;
        }
        if args.format == ReportFormat::Text && statistics.too_small > 0 {
            output::note(format_args!(
                "{} connections skipped, because they had less than {} packets.",
                statistics.too_small, args.packets
            ));
        }
        if statistics.one_way > 0 && !args.verbose {
            output::note(format_args!(
                "{} without an answer (-v shows them)",
                count(statistics.one_way, "flow")
            ));
        }
        if statistics.without_addresses > 0 {
            output::note(format_args!("{} without addresses", count(statistics.without_addresses, "flow")));
        }
        if statistics.merged > 0 {
            output::note(format_args!(
                "{} of packets that another exporter saw too, counted once (--per-exporter keeps them apart)",
                count(statistics.merged, "flow")
            ));
        }
        if statistics.events_only > 0 {
            output::note(format_args!(
                "{} of which there were events only, without any counter",
                count(statistics.events_only, "connection")
            ));
        }
        if statistics.closed_early > 0 {
            output::note(format_args!(
                "{} were open at once, more than are kept; the oldest were closed early",
                count(statistics.closed_early, "connection")
            ));
        }
        if self.unanswered > 0 {
            output::note(format_args!(
                "{} without a name: DNS did not answer within {} s (--dns-timeout)",
                count(self.unanswered, "address"),
                args.dns_timeout
            ));
        }
    }
}
