//! The command line of `nf flows`, and how commands say which flows they mean.

use std::path::PathBuf;

use super::{Decoding, EXIT_STATUS};

/// Print flows: filter, sort, limit, convert them
///
/// Reads what `nf collect` writes (files, and directories with all that is in and below them), files of PyPI `netflow`'s
/// collector, and pcap or pcapng captures of export packets; without FILES, or with `-`, stdin. Flows come in the order in
/// which they are read, unless --sort says otherwise.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub(crate) struct Flows {
    #[command(flatten)]
    pub(crate) selection: Selection,

    /// File to write, by its ending .csv, .ndjson, .txt, each also with .gz, or .parquet; or how to print: line, long,
    /// extended, fmt:FORMAT, csv, json, as in nfdump. May be given twice, for both
    #[arg(short, long, value_name = "FILE|HOW")]
    pub(crate) output: Vec<String>,

    /// How to write: text (line), long, extended, fmt:FORMAT with nfdump's %ts %td %pr %sap %dap %pkt %byt and so on; json
    /// (ndjson): an object a line; csv, each also with .gz; parquet [default: by the ending of FILE, else text]
    #[arg(long, value_name = "HOW")]
    pub(crate) format: Option<String>,

    /// Sort by columns: `bytes`, `src_addr,time_flow_start:desc`. Counters, duration, bps, pps and bpp begin with the
    /// largest, all others with the least
    #[arg(long, value_name = "COLUMN[:asc|:desc],...")]
    pub(crate) sort: Option<String>,

    /// The first N flows only
    #[arg(short = 'n', short_alias = 'c', long, value_name = "N")]
    pub(crate) limit: Option<u64>,

    /// Only how many flows there are
    #[arg(long, conflicts_with_all = ["output", "format", "sort", "limit", "fields"])]
    pub(crate) count: bool,

    /// Columns of CSV and JSON, in this order [default: all]
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    pub(crate) fields: Vec<String>,

    /// Plain numbers in text: no M and G, protocols as numbers, durations in seconds
    #[arg(short = 'N', long)]
    pub(crate) plain: bool,

    /// Addresses of IPv6 in full in text
    #[arg(short = '6', long)]
    pub(crate) full_ipv6: bool,

    /// No heading above text and CSV
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Threads that read Parquet; 0: one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
}

/// Which flows are meant: of which files, of which time, and which of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// Files and directories to read; `-` is stdin. What comes last and is no file is a filter:
    /// `nf flows DIR 'proto tcp and dst port 443'`
    #[arg(value_name = "FILE|FILTER")]
    pub(crate) files: Vec<PathBuf>,

    /// File or directory to read (the same as naming it without -r)
    #[arg(short = 'r', long = "read", value_name = "PATH")]
    pub(crate) read: Vec<PathBuf>,

    /// Files of a directory from one to another, as in nfdump: DIR/FIRST:LAST, DIR/FIRST, DIR
    #[arg(short = 'R', long, value_name = "DIR/FIRST:LAST")]
    pub(crate) sequence: Vec<PathBuf>,

    /// Directories that -r and -R are below, each of them, as in nfdump: DIR/A:B:C
    #[arg(short = 'M', long, value_name = "DIR/A:B")]
    pub(crate) multiple: Option<PathBuf>,

    /// Only flows that pass a filter, in words of nfdump and tcpdump: `src net 10.0.0.0/8 and bytes > 1M`
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,

    /// File with a filter, which may have `@include OTHER` in it
    #[arg(short = 'F', short_alias = 'f', long, value_name = "FILE")]
    pub(crate) filter_file: Option<PathBuf>,

    /// Only what was received from then on: `2026-01-31`, `2026-01-31T12:00` (UTC unless an offset follows), `-1h` before
    /// now. Files of `nf collect -w` whose windows end before are not opened
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,

    /// Only what was received before then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,

    /// The same as --from and --to, as nfdump has it: `2026/01/31.12:00:00-2026/01/31.13:00:00`
    #[arg(short = 't', long, value_name = "FROM[-TO]", conflicts_with_all = ["from", "to"])]
    pub(crate) time: Option<String>,

    #[command(flatten)]
    pub(crate) decoding: Decoding,
}
