//! Arguments of `nf report`.

use std::path::PathBuf;

use super::EXIT_STATUS;
use super::flows::Selection;

/// Make a report of flow files: one page for the browser
///
/// `nf report DIR`, `nf report DIR --from -1d -o day.html 'not net 10.0.0.0/8'`. Reads what `nf flows` reads. The page is one HTML file that needs no other and loads nothing: traffic over time, top hosts,
/// pairs, services, autonomous systems and interfaces, the largest connections, and how well each exporter was heard.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) selection: Selection,

    /// The page to write; `-` is stdout
    #[arg(short, long, value_name = "PATH", default_value = "report.html")]
    pub(crate) output: PathBuf,

    /// How many hosts, pairs, services and others to list
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) top: u16,

    /// How many connections to list; 0: none
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(crate) connections: u16,

    /// Title of the page
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,

    /// Count as exported, without correction for sampling
    #[arg(long)]
    pub(crate) raw: bool,

    /// Names of autonomous systems: CSV (number,name), or a database of addresses (.mmdb in the layout of GeoLite2-ASN),
    /// which also says the AS of addresses where flows do not
    #[arg(long, value_name = "FILE")]
    pub(crate) as_names: Option<PathBuf>,

    /// Names of interfaces, instead of what options data say: CSV (exporter,ifIndex,name)
    #[arg(long, value_name = "FILE")]
    pub(crate) if_names: Option<PathBuf>,

    /// Counters of interfaces to scale volumes by: CSV (exporter,ifIndex,time,in bit/s,out bit/s), each the average
    /// since the time before
    #[arg(long, value_name = "FILE", conflicts_with = "raw")]
    pub(crate) snmp: Option<PathBuf>,

    /// Ask DNS for the names of the hosts that are listed
    #[arg(long)]
    pub(crate) dns: bool,

    /// Seconds that asking DNS may take in all
    #[arg(long, value_name = "SECONDS", default_value_t = 5, requires = "dns")]
    pub(crate) dns_timeout: u64,
}
