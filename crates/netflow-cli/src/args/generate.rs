//! The arguments of `nf generate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use netflow_exporter::traffic::{MAX_HOSTS, Service};
use netflow_exporter::{PROFILES, Profile, Version};

/// Send export packets of made-up traffic, to test collectors with
///
/// Conversations between hosts, in any version of the export protocol, as one exporter or as many. By default
/// NetFlow v9, 1000 flow records a second, until Ctrl-C. The same seed makes the same packets, octet for octet, when
/// the start is the same too: --start for sending; a file always starts at the same time. What was made and what was
/// made wrong on purpose is said at the end, so that it can be compared with what a collector counts.
///
/// Exit status: 0 sent; 1 not all that was made could be sent; 2 wrong usage, or nothing could be sent.
#[derive(Debug, clap::Args)]
#[command(disable_version_flag = true, after_long_help = profiles())]
pub(crate) struct Generate {
    /// Collector, by UDP, or by TCP for IPFIX: `192.0.2.1:2055`, `tcp://[2001:db8::1]:4739`. Without a port: 2055, TCP
    /// 4739. Each of several exporters sends from a port of its own, to a collector in 127.0.0.0/8 from an address of
    /// its own: 127.0.0.1 and up
    #[arg(long, value_name = "HOST[:PORT]", required_unless_present = "write")]
    pub(crate) to: Option<String>,

    /// Write the packets to a pcap file instead, `-` for stdout
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    pub(crate) write: Option<PathBuf>,

    /// Version of the export protocol: v1, v5, v7, v8, v9 or ipfix; v8.1 to v8.14 are the aggregations of v8
    /// [default: v9, or that of --profile]
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<Version>,

    /// Export as these exporters do: see the list below. The version is the usual one of the exporter, or --version
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Flow records a second: a number, also as 20k or 1.5M, or max, as fast as it goes: then IPv4 and IPv6 take turns
    /// after some hundred flows, so that packets are of one length and the system takes many at a time
    #[arg(long, value_name = "N", value_parser = parse_rate, default_value = "1000")]
    pub(crate) rate: Rate,

    /// Export packets a second, instead of --rate
    #[arg(long, value_name = "N", value_parser = parse_rate, conflicts_with = "rate")]
    pub(crate) pps: Option<Rate>,

    /// End after N flow records [default: 10000 with --write]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) flows: Option<u64>,

    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) duration: Option<Duration>,

    /// Seed of all that is random
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Time at which the packets start, such as 2026-01-01T00:00:00Z [default: now; with --write the one named here]
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<jiff::Timestamp>,

    /// Exporters
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) exporters: u32,

    /// Observation domains of each exporter (of v5 and v8: engines)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) domains: u32,

    /// Look at one packet in N, and say so [default: 1, or that of --profile]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_383))]
    pub(crate) sampling: Option<u32>,

    /// Both directions of a conversation in one record (IPFIX, RFC 5103)
    #[arg(long)]
    pub(crate) biflow: bool,

    /// Conversations of a hundred that are IPv6 (v9, IPFIX)
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) ipv6: u8,

    /// Hosts that talk
    #[arg(long, value_name = "N", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(2..=i64::from(MAX_HOSTS)))]
    pub(crate) hosts: u32,

    /// Let four of five conversations be about one service: https, dns, quic, http, ssh, ntp, snmp, icmp, imaps,
    /// mysql, ftp, https_alt, p2p, bittorrent
    #[arg(long, value_name = "SERVICE")]
    pub(crate) spike: Option<Service>,

    /// Flow records of a packet at most [default: what fits into 1400 octets]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) records_per_packet: Option<u16>,

    /// Send templates and options data again after so many seconds; 0: never [default: 10, and every 100 packets]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) template_refresh: Option<Duration>,

    /// Lose this part of the packets: 0.01 or 1%
    #[arg(long, value_name = "PART", value_parser = parse_part, default_value = "0", hide_default_value = true)]
    pub(crate) loss: f64,

    /// Send this part of the packets behind the next one
    #[arg(long, value_name = "PART", value_parser = parse_part, default_value = "0", hide_default_value = true)]
    pub(crate) reorder: f64,

    /// Send this part of the packets twice
    #[arg(long, value_name = "PART", value_parser = parse_part, default_value = "0", hide_default_value = true)]
    pub(crate) duplicate: f64,

    /// Damage this part of the packets (not over TCP)
    #[arg(long, value_name = "PART", value_parser = parse_part, default_value = "0", hide_default_value = true)]
    pub(crate) corrupt: f64,

    /// Let the uptime of exporters pass 2^32 milliseconds after so many seconds; by default half way to the end, or after 5
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) uptime_wrap: Option<Option<Duration>>,

    /// Let exporters start anew after so many seconds: uptimes, sequence numbers, templates, TCP connections
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) restart: Option<Duration>,

    /// How to print what was made: text on stderr, or json on stdout as well
    #[arg(long, value_enum, default_value_t = SummaryFormat::Text)]
    pub(crate) format: SummaryFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryFormat {
    /// Sentences on stderr
    Text,
    /// A JSON object on stdout
    Json,
}

/// How many a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    PerSecond(f64),
    Max,
}

/// The list of profiles.
fn profiles() -> String {
    let mut text = "Profiles:\n".to_owned();
    for Profile { name, version, says, .. } in PROFILES {
        text.push_str(&format!("  {name:<14} {version:>5}  {says}\n"));
    }
    text
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    match number(text) {
        Some(rate) if rate >= 0.001 => Ok(Rate::PerSecond(rate)),
        _ => Err("a number above 0, such as 500, 20k or 1.5M, or max".into()),
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    match number(text) {
        Some(count) if count >= 1.0 => Ok(count as u64),
        _ => Err("a number from 1, such as 500, 20k or 1.5M".into()),
    }
}

/// A number that may end in k or M.
fn number(text: &str) -> Option<f64> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1e3),
        None => text.strip_suffix('M').map_or((text, 1.0), |digits| (digits, 1e6)),
    };
    let number = digits.parse::<f64>().ok()? * factor;
    (number.is_finite() && number <= 1e15).then_some(number)
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.0..=1e9).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "a number of seconds, such as 10 or 0.5".into())
}

fn parse_part(text: &str) -> Result<f64, String> {
    let part = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    let part = part.ok().filter(|part| (0.0..=1.0).contains(part));
    part.ok_or_else(|| "a part, from 0 to 1 or from 0% to 100%".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_parts_are_read() {
        assert_eq!(parse_rate("20k"), Ok(Rate::PerSecond(20_000.0)));
        assert_eq!(parse_rate("1.5M"), Ok(Rate::PerSecond(1_500_000.0)));
        assert_eq!(parse_rate("max"), Ok(Rate::Max));
        for text in ["0", "-1", "nan", "inf", "1e300", "k", ""] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        assert_eq!((parse_part("1%"), parse_part("0.5")), (Ok(0.01), Ok(0.5)));
        assert!(parse_part("2").is_err() && parse_part("101%").is_err() && parse_part("nan").is_err());
    }
}
