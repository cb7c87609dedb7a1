//! Connections on stdout, in batches or sorted.

use std::collections::BinaryHeap;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use anyhow::bail;
use jiff::tz::TimeZone;
use netflow_analyzer::report::{Lines, SortKey, write_unpaired};
use netflow_analyzer::{Connection, HostNames, Kind, Order, Orientation, Resolver, Row, Services};

use super::BATCH;
use super::table::Connections;
use crate::args::{Analyze, Direction, ReportFormat};
use crate::flows::sorter::Sorter;
use crate::output;

/// Octets that are written at a time.
const BUFFER: usize = 1 << 18;

/// Octets of sorted lines that are kept in memory.
const MEMORY: usize = 64 << 20;

/// Prints connections as they come, or sorted when all have come.
pub(super) struct Printer<'a> {
    args: &'a Analyze,
    out: BufWriter<output::Data>,
    /// What takes connections instead of lines.
    table: Option<Connections>,
    /// How many may still be printed.
    left: u64,
    render: Render<'a>,
    keep: Keep,
    resolver: Option<Resolver>,
    dns_left: Duration,
    unanswered: u64,
}

/// What is kept until the end.
enum Keep {
    Nothing,
    /// The first ones in an order.
    First(Order, BinaryHeap<Kept>),
    /// All, as lines.
    All(Order, Sorter),
}

/// A connection in its place.
struct Kept {
    place: (SortKey, u64),
    connection: Connection,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

impl<'a> Printer<'a> {
    pub(super) fn new(args: &'a Analyze) -> anyhow::Result<Self> {
        let table = (args.format == ReportFormat::Parquet).then(Connections::new).transpose()?;
        if table.is_some() && args.sort.is_some() && args.limit.is_none() {
            bail!("parquet is sorted with --limit only; whatever reads it can sort it, too");
        }
        let keep = match (args.sort, args.limit) {
            (None, _) => Keep::Nothing,
            (Some(order), Some(_)) => Keep::First(order, BinaryHeap::new()),
            (Some(order), None) => Keep::All(order, Sorter::with_memory(None, MEMORY)),
        };
        Ok(Self {
            args,
            table,
            out: BufWriter::with_capacity(BUFFER, output::data()),
            left: args.limit.unwrap_or(u64::MAX),
            render: Render::new(args),
            keep,
            resolver: (!args.no_dns).then(Resolver::new),
            dns_left: Duration::from_secs(args.dns_timeout),
            unanswered: 0,
        })
    }

    /// Takes connections, and prints them unless they are to be sorted.
    pub(super) fn take(&mut self, mut connections: Vec<Connection>) -> anyhow::Result<()> {
        match &mut self.keep {
            Keep::Nothing => {
                connections.sort_by_cached_key(|connection| (connection.start(), connection.received_last));
                self.print(&connections)
            }
            Keep::First(order, first) => {
                for connection in connections {
                    let key = order.key(&connection, |of| self.render.orient(of), &self.render.services);
                    let number = first.len() as u64;
                    let kept = Kept { place: (key, number), connection };
                    if number < self.left {
                        first.push(kept);
                    } else if let Some(mut last) = first.peek_mut()
                        && key < last.place.0
                    {
                        *last = kept;
                    }
                }
                Ok(())
            }
            Keep::All(order, _) => {
                let order = *order;
                let names = self.names(&connections);
                let Keep::All(_, lines) = &mut self.keep else { return Ok(()) };
                let mut line = Vec::new();
                for connection in &connections {
                    let key = order.key(connection, |of| self.render.orient(of), &self.render.services);
                    self.render.line(connection, &names, &mut line)?;
                    lines.line(key.octets(), &line)?;
                    line.clear();
                }
                Ok(())
            }
        }
    }

    /// Prints what was kept. Says for how many addresses there was no answer in time.
    pub(super) fn finish(mut self) -> anyhow::Result<u64> {
        self.head()?;
        match std::mem::replace(&mut self.keep, Keep::Nothing) {
            Keep::Nothing => {}
            Keep::First(_, first) => {
                let connections: Vec<Connection> =
                    first.into_sorted_vec().into_iter().map(|kept| kept.connection).collect();
                connections.chunks(BATCH).try_for_each(|connections| self.print(connections))?;
            }
            Keep::All(_, lines) => {
                if lines.spilled() {
                    let place = std::env::temp_dir();
                    output::note(format_args!(
                        "more than memory is for was sorted in temporary files in {} (--limit needs none)",
                        place.display()
                    ));
                }
                lines.finish(&mut |line| Ok(self.out.write_all(line)?))?;
            }
        }
        self.out.flush()?;
        if let Some(table) = self.table {
            table.finish()?;
        }
        Ok(self.unanswered)
    }

    fn head(&mut self) -> anyhow::Result<()> {
        if self.args.format == ReportFormat::Csv && !std::mem::replace(&mut self.render.headed, true) {
            Row::write_csv_header(&mut self.out)?;
        }
        Ok(())
    }

    fn print(&mut self, connections: &[Connection]) -> anyhow::Result<()> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(connections.len());
        let connections = &connections[..most];
        self.left -= most as u64;
        let names = self.names(connections);
        if let Some(table) = &mut self.table {
            return connections
                .iter()
                .try_for_each(|connection| table.push(&self.render.row(connection, &names)));
        }
        self.head()?;
        // What that older analyzer tells of apart comes behind the others.
        let sorted = self.args.sort.is_some() || self.args.format != ReportFormat::Text;
        let behind = |connection: &&Connection| !sorted && connection.kind == Kind::OneWay;
        let mut text = Vec::new();
        let before = connections.iter().filter(|connection| !behind(connection));
        for connection in before.chain(connections.iter().filter(behind)) {
            self.render.line(connection, &names, &mut text)?;
            if text.len() >= BUFFER {
                self.out.write_all(&text)?;
                text.clear();
            }
        }
        self.out.write_all(&text)?;
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

/// Makes lines of connections.
struct Render<'a> {
    args: &'a Analyze,
    direction: Direction,
    services: Services,
    lines: Lines,
    text: String,
    headed: bool,
}

impl<'a> Render<'a> {
    fn new(args: &'a Analyze) -> Self {
        let direction = args.direction.unwrap_or(match args.format {
            ReportFormat::Text => Direction::Size,
            ReportFormat::Json | ReportFormat::Csv | ReportFormat::Parquet => Direction::Client,
        });
        Self {
            args,
            direction,
            services: Services::with_system("/etc/services").unwrap_or_else(|_| Services::embedded()),
            lines: Lines::new(TimeZone::system()),
            text: String::new(),
            headed: false,
        }
    }

    fn orient(&self, connection: &Connection) -> Orientation {
        match self.direction {
            Direction::Client => Orientation::of(connection, &self.services),
            Direction::Size => Orientation::by_size(connection),
        }
    }

    fn row<'b>(&'b self, connection: &'b Connection, names: &'b HostNames) -> Row<'b> {
        Row::oriented(connection, self.orient(connection), &self.services, names)
    }

    /// Appends the line of a connection.
    fn line(&mut self, connection: &Connection, names: &HostNames, out: &mut Vec<u8>) -> anyhow::Result<()> {
        match self.args.format {
            ReportFormat::Json => self.row(connection, names).write_json(out)?,
            ReportFormat::Csv => self.row(connection, names).write_csv(out)?,
            // They are taken as they are.
            ReportFormat::Parquet => {}
            ReportFormat::Text => {
                self.text.clear();
                let orientation = self.orient(connection);
                match connection.kind {
                    Kind::OneWay => write_unpaired(&mut self.text, connection, names)?,
                    _ => {
                        let first = orientation.client;
                        self.lines.write(&mut self.text, connection, first, &self.services, names)?;
                    }
                }
                output::line(out, self.text.trim_end_matches('\n'))?;
            }
        }
        Ok(())
    }
}
