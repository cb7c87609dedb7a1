//! Arguments of a collector that is kept running.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use netflow_collector::Prefix;

/// How a collector is kept running.
#[derive(Debug, clap::Args)]
pub(crate) struct Operation {
    /// Take settings from a TOML file; its keys are the long names of the flags here. Variables NF_NAME, such as
    /// NF_RATE_LIMIT, set them too (lists with commas). Flags win over variables, variables over the file. SIGHUP reads
    /// it again
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Say what would be done, with where each setting comes from, and do nothing
    #[arg(long)]
    pub(crate) check_config: bool,

    /// Serve /metrics (Prometheus), /healthz, /exporters and /templates (JSON) by HTTP on this address, such as
    /// `127.0.0.1:9995`. Whoever can reach it can read it
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) metrics: Option<String>,

    /// Listen only to exporters in this prefix, such as 192.0.2.0/24; any number of times. What others send is counted
    #[arg(long, value_name = "PREFIX")]
    pub(crate) allow: Vec<Prefix>,

    /// Take so many packets a second of one exporter by UDP at most; what is more is counted. It does not apply to
    /// connections
    #[arg(long, value_name = "PACKETS")]
    pub(crate) rate_limit: Option<NonZeroU32>,

    /// Templates of one exporter and observation domain that are kept at most [default: 4096]
    #[arg(long, value_name = "N")]
    pub(crate) max_templates: Option<NonZeroUsize>,
}
