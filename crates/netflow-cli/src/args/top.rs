//! The command line of `nf top`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::Selection;
use super::{EXIT_STATUS, parse_duration, parse_size};

/// Keys, in words.
const KEYS: &str = "Keys: every column of flows by its name (src_addr, dst_port, app_name, time_received, ...), and these words, \
                    nfdump's among them:
  src dst (srcip dstip), srcport dstport, srcas dstas, inif outif,  one end of flows
  srcvlan dstvlan, srcmac dstmac, srcmask dstmask
  ip port as if vlan mac mask vrf                                   both ends: a flow counts for each of them
  src/24 dst/64 ip/24/48                                            addresses cut off behind a prefix: IPv4, IPv6 or both;
                                                                    with /24 alone IPv6 is cut to /48, with /64 IPv4 is whole
  service                                                           the service, going by the ports
  proto tos flags dir exporter domain version next app              protocol, and so on
  record pair                                                       proto,src,srcport,dst,dstport; src,dst

";

/// Count flows by keys: the largest of addresses, ports, services, AS, or of any columns together
///
/// `nf top src DIR`, `nf top src,dstport DIR by packets`, `nf top service --every 1h flows.parquet 'src net 10.0.0.0/8'`.
/// Reads what `nf flows` reads. The result is exact: what does not fit in memory goes to a temporary file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = [KEYS, EXIT_STATUS].concat())]
pub(crate) struct Top {
    /// What to group flows by: src, dst, ip, port, service, as, if, proto, exporter, src/24, any column, or several with
    /// commas between them, such as `src,dstport`; `record` is all five
    #[arg(value_name = "KEYS")]
    pub(crate) keys: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// What to sort by; the words `by packets` behind the files do the same, and KEYS/packets as in nfdump
    #[arg(long, value_enum, value_name = "MEASURE")]
    pub(crate) by: Option<MeasureArg>,

    /// How many groups to print; 0: all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) limit: usize,

    /// Divide groups into steps of time, by when flows started: seconds, or 5m, 1h
    #[arg(long, value_name = "STEP", value_parser = parse_duration)]
    pub(crate) every: Option<Duration>,

    /// Octets and packets as exported, without correction for sampling
    #[arg(long)]
    pub(crate) raw: bool,

    /// Both directions together: keys of one end count for both ends of a flow; `src,dst` or `record` is the conversation
    #[arg(short = 'b', long)]
    pub(crate) both: bool,

    /// How to print
    #[arg(long, value_enum, value_name = "HOW", default_value_t = TopFormat::Text)]
    pub(crate) format: TopFormat,

    /// Plain numbers in text: no M and G, protocols and services as numbers
    #[arg(short = 'N', long)]
    pub(crate) plain: bool,

    /// Memory that groups may take before they go to a temporary file: octets, or 500M, 2G
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    pub(crate) memory: u64,

    /// Directory for temporary files [default: that of the system]
    #[arg(long, value_name = "DIR")]
    pub(crate) temporary: Option<PathBuf>,

    /// Threads that count; 0: one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MeasureArg {
    /// Octets
    Bytes,
    /// Packets
    Packets,
    /// Flows
    Flows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopFormat {
    /// A table for people
    Text,
    /// One JSON object of all
    Json,
    /// A JSON object a line for each group, or step of one
    Ndjson,
    /// CSV with a heading, a row for each group, or step of one
    Csv,
}
