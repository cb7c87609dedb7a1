//! The arguments of `nf analyze`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use netflow_analyzer::Order;

use super::{Decoding, EXIT_STATUS, Selection};

/// Print the connections in flow files or captures
///
/// Reads any file that `nf collect` writes, and directories of them, files of PyPI `netflow`'s collector, and pcap or
/// pcapng captures of export packets. Without a FILE, or with `-`, it reads stdin. Files that overlap in time are read
/// side by side, so that what one exporter told in one file meets what another told in the other.
///
/// What several exporters saw is one connection, with the numbers of the exporter that saw both directions, sampled
/// least and counted most packets; they are not added up. Flows that were seen before and after translation of
/// addresses (NAT), and a firewall's events about a connection, are one connection too.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub(crate) struct Analyze {
    /// Files and directories to read; `-` is stdin. What comes last and is no file is a filter:
    /// `nf analyze DIR 'proto tcp and port 443'`
    #[arg(value_name = "FILE|FILTER")]
    pub(crate) files: Vec<PathBuf>,

    /// File to read (the same as naming it without -f)
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,

    /// Least number of packets of a connection to print it
    #[arg(short, long, value_name = "N", default_value_t = 10)]
    pub(crate) packets: u64,

    /// Only connections of this host
    #[arg(short, long, value_name = "ADDR")]
    pub(crate) match_host: Option<IpAddr>,

    /// Only flows that pass this filter, such as `proto tcp and dst port 443`. Connections are made of what passes, so a
    /// filter for one direction leaves them without an answer
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,

    /// File with a filter
    #[arg(short = 'F', long, value_name = "FILE")]
    pub(crate) filter_file: Option<PathBuf>,

    /// Only what was received from then on: `2026-01-31`, `2026-01-31T12:00` (UTC unless an offset follows), `-1h` before
    /// now. Files of `nf collect -w` whose windows end before are not opened
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,

    /// Only what was received before then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,

    /// Keep what each exporter saw apart, instead of one connection of all of them
    #[arg(long)]
    pub(crate) per_exporter: bool,

    /// Who comes first: the client, told by flags, ports, services and first packets, or the side that sent more, as in
    /// PyPI `netflow`'s analyzer [default: size in text, client in json and csv]
    #[arg(long, value_enum, value_name = "RULE")]
    pub(crate) direction: Option<Direction>,

    /// Sort by bytes, packets, flows, duration, bps, start, end, or any column of the JSON; counters from the largest on,
    /// all else from the smallest; `:asc` or `:desc` behind it turns that. Without --limit all connections are sorted,
    /// with temporary files when they are many
    #[arg(long, value_name = "COLUMN", value_parser = Order::parse)]
    pub(crate) sort: Option<Order>,

    /// Print so many connections at most: with --sort the first ones in its order, else those that ended first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,

    /// Do not look up host names
    #[arg(short, long)]
    pub(crate) no_dns: bool,

    /// Seconds that looking up host names may take in all
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) dns_timeout: u64,

    /// Also what stayed unpaired
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// How to print
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,

    #[command(flatten)]
    pub(crate) decoding: Decoding,
}

/// Which side of a connection comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// The client
    Client,
    /// The side that sent more
    Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
    /// CSV with a heading
    Csv,
    /// Parquet, to a file or a pipe: `> connections.parquet`
    Parquet,
}

impl Analyze {
    /// Which flows are meant.
    pub(crate) fn selection(&self) -> Selection {
        Selection {
            files: self.files.clone(),
            read: self.file.clone(),
            sequence: Vec::new(),
            multiple: None,
            filter: self.filter.clone(),
            filter_file: self.filter_file.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            time: None,
            decoding: self.decoding.clone(),
        }
    }
}
