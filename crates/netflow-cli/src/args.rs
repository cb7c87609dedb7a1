//! The command line. `nf --help` is made from the comments here.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use netflow_exporter::Version;
use netflow_flow::Format;

mod analyze;
mod flows;
mod generate;
mod operation;
mod report;
mod top;

pub(crate) use analyze::{Analyze, Direction, ReportFormat};
pub(crate) use flows::{Flows, Selection};
pub(crate) use generate::{Generate, Rate, SummaryFormat};
pub(crate) use operation::Operation;
pub(crate) use report::Report;
pub(crate) use top::{MeasureArg, Top, TopFormat};

/// Of every command but the doctor, which has findings beside.
const EXIT_STATUS: &str = "Exit status: 0 done, also when whoever read the output had enough; 1 done, but some input was \
                           bad, or left unread on Ctrl-C, or some of it could not be written; 2 wrong usage, or nothing could be done.";

/// NetFlow and IPFIX: receive what routers export, decode it, and see which connections ran.
#[derive(Debug, Parser)]
#[command(name = "nf", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Collect(Box<Collect>),
    Flows(Box<Flows>),
    Top(Box<Top>),
    Analyze(Analyze),
    Report(Box<Report>),
    Decode(Decode),
    Doctor(Doctor),
    Generate(Generate),
    Replay(Replay),
    Forward(Forward),
    Completions(Completions),
    Man(Man),
}

/// Receive export packets and write them to a file
///
/// NetFlow v1, v5, v7, v8, v9 and IPFIX are told apart by themselves, on one UDP port. Ends on Ctrl-C (SIGINT)
/// or SIGTERM: what was received is written, and what was lost is reported. SIGHUP reads the configuration again and
/// opens files again, without losing a packet. IPFIX comes over TCP, TLS and SCTP too: see --listen.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub(crate) struct Collect {
    /// Address to listen on, IPv4 or IPv6; `::` takes both
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0")]
    pub(crate) host: String,

    /// UDP port to listen on
    #[arg(short, long, default_value_t = 2055)]
    pub(crate) port: u16,

    /// Where to listen, instead of --host and --port: udp://HOST:PORT, or for IPFIX over connections tcp://HOST:PORT,
    /// tls://HOST:PORT, sctp://HOST:PORT (where the kernel has it). May be repeated. Without PORT it is 2055 for udp,
    /// 4739 for tcp and sctp, 4740 for tls; `[::]` takes IPv4 too
    #[arg(long, value_name = "URL", conflicts_with_all = ["host", "port", "read"])]
    pub(crate) listen: Vec<String>,

    #[command(flatten)]
    pub(crate) connections: Connections,

    /// File to write, appended to if it is there; by its ending: .gz, .json, .json.gz (export packets), .ndjson,
    /// .csv (flows), each also with .gz, .parquet (flows; for long runs take -w); `-` for stdout. May be repeated, and go together with -w.
    /// Default, and format of any other ending: `UNIX-SECONDS.gz`
    #[arg(short = 'o', long = "file", visible_alias = "output", value_name = "PATH")]
    pub(crate) file: Vec<PathBuf>,

    /// Directory to write files to, one for each window of time: `nf.YYYYMMDDhhmm.ENDING`, in UTC, with seconds
    /// where the window wants them. A file that has its name is complete, and never changes; a window in which
    /// no flows came has none. Files that a killed collector left unfinished are completed at the start
    #[arg(short = 'w', long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// How long the window of a file in the directory is: seconds, or 5m, 1h. A window begins at a multiple of it
    #[arg(short = 't', long, value_name = "SECONDS", default_value = "300", value_parser = parse_window, requires = "dir")]
    pub(crate) rotate: Duration,

    /// Directories below the directory: 0 none, 1 %Y/%m/%d, 2 %Y/%m/%d/%H, 3 %Y/%W/%u, 4 %Y/%W/%u/%H, 5 %Y/%j,
    /// 6 %Y/%j/%H, 7 %Y-%m-%d, 8 %Y-%m-%d/%H, as nfcapd has them
    #[arg(short = 'S', long, value_name = "LAYOUT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=8), requires = "dir")]
    pub(crate) layout: u8,

    /// Directories below the directory that query engines know as partitions
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "layout", requires = "dir")]
    pub(crate) partition: Option<Partition>,

    /// Format: json (export packets), ndjson, csv, parquet (flows), those of text also with .gz. Of what goes to
    /// stdout; if nothing does, of the files in the directory; or of the only file, whatever its ending
    /// [default: json on stdout, parquet in a directory]
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub(crate) format: Option<FileFormat>,

    /// Format of the files in the directory, where --format is for stdout
    #[arg(long, value_name = "FORMAT", value_parser = parse_format, requires = "dir")]
    pub(crate) dir_format: Option<FileFormat>,

    /// Remove the oldest files of the directory when all take more than this: octets, or 500M, 20G, 1T
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "dir")]
    pub(crate) expire_size: Option<u64>,

    /// Remove files of the directory that are older than this: seconds, or 90m, 12h, 7d, 4w
    #[arg(long, value_name = "AGE", value_parser = parse_duration, requires = "dir")]
    pub(crate) expire_age: Option<Duration>,

    /// Run a command for each complete file of the directory; %f: the file, below the directory, %d: the directory,
    /// %t: the time in its name, %u: the same in Unix seconds, %i: --ident. There is no shell: blanks separate words,
    /// quotes and \ keep them together
    #[arg(short = 'x', long, value_name = "COMMAND", requires = "dir")]
    pub(crate) exec: Option<String>,

    /// What %i stands for in the command
    #[arg(short = 'I', long, value_name = "NAME", default_value = "none", requires = "exec")]
    pub(crate) ident: String,

    /// Write only flows that this lets pass, such as `proto tcp and dst port 443` (docs/filter.md); the others are
    /// counted. Export packets (.json) are written whole
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,

    /// Say on stderr what every packet holds
    #[arg(short = 'D', long)]
    pub(crate) debug: bool,

    /// Stop after N export packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Take export packets from a file instead of a socket: pcap, pcapng, or IPFIX messages (RFC 5655)
    #[arg(long, value_name = "FILE")]
    pub(crate) read: Option<PathBuf>,

    /// Receive buffer to ask the system for, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub(crate) buffer: usize,

    /// MiB of encoded flows that may wait for outputs that are slow, all outputs together. What comes when they do waits
    /// in front of the only output, or of all with --read; of several outputs, the one that is slow loses it. It is counted
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub(crate) queue: usize,

    /// Sockets for each UDP address, each with a thread that receives and a buffer of its own; the kernel gives all of an
    /// exporter to the same one. More than one pays where one thread cannot receive all, on many cores
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) sockets: u8,

    /// Threads that decode; 0: one for each core, 16 at most
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,

    /// Seconds after which what was received is in the file at the latest [default: 1; Parquet 60]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) flush: Option<u64>,

    /// Directory to keep in what was learned: templates, options data, positions of sequence numbers, data that wait
    /// for their template. The next start goes on from it. Made if it is not there; one collector has it at a time
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// How long a template is valid after it was last sent: seconds, or 30m, 12h. Data of one that is too old wait
    /// until it is sent again [default: for ever, as some exporters send theirs only once]
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    pub(crate) template_lifetime: Option<Duration>,

    #[command(flatten)]
    pub(crate) operation: Operation,

    #[command(flatten)]
    pub(crate) decoding: Decoding,
}

/// What connections may do, and how TLS knows who is who.
#[derive(Debug, clap::Args)]
pub(crate) struct Connections {
    /// Certificate for tls://, in PEM, those up to the authority's behind it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM, not encrypted
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Take connections over tls:// only from exporters with a certificate of an authority in this file, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_client_ca: Option<PathBuf>,

    /// Connections that may be open. One that has sent nothing yet makes room for another
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: u32,

    /// Connections that one address may have open
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections_per_address: u32,

    /// Close a connection on which no message came for so many seconds; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    pub(crate) idle_timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Partition {
    /// dt=YYYY-MM-DD/hour=H
    Hive,
}

/// A format, and whether it is compressed with gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileFormat {
    pub(crate) format: Format,
    pub(crate) gzip: bool,
}

/// Explain export packets
///
/// All inputs are decoded in order (HEX first, then files), with one template table.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub(crate) struct Decode {
    /// Export packets as hex in any spelling (spaces, colons, 0x, \x, C arrays), or dumps of tcpdump -x, xxd,
    /// hexdump -C and Wireshark; headers of Ethernet, IP and UDP are stepped over. `-` reads stdin, a packet a line
    /// or dumps. What is no hex may be the name of a file
    #[arg(value_name = "HEX")]
    pub(crate) hex: Vec<String>,

    /// pcap or pcapng capture; IPFIX messages one after the other (RFC 5655); one raw export packet; or text with
    /// hex as above
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,

    /// Borrow templates and names from a file of the same kinds, for exporters that did not send theirs
    #[arg(long, value_name = "FILE")]
    pub(crate) template_from: Vec<PathBuf>,

    /// How to print
    #[arg(long, value_enum, default_value_t = DecodeFormat::Text)]
    pub(crate) format: DecodeFormat,

    #[command(flatten)]
    pub(crate) decoding: Decoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DecodeFormat {
    /// A tree for people
    Text,
    /// A JSON object for each export packet
    Json,
}

/// Say what is wrong with the export of each router, and what to change on it
///
/// Looks at captures of export packets, or listens for --duration: templates, loss by sequence numbers, sampling,
/// clocks, times of flows, fields, double counting. Flow files are read too; they lack templates and headers, and
/// what cannot be checked because of that is said. All files are one observation, in the order given.
///
/// Exit status: 0 diagnosed, whatever was found; 1 diagnosed, but an input could not be read, or not to its end;
/// 2 wrong usage, or no export packets.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// pcap or pcapng capture of export packets, raw export packets, or a flow file
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// File to read (the same as naming it without -f)
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,

    /// Address to listen on instead of reading files, such as `0.0.0.0`, `[::]:4739` or `192.0.2.1:9995`
    #[arg(long, value_name = "ADDR[:PORT]", conflicts_with_all = ["files", "file"])]
    pub(crate) listen: Vec<String>,

    /// UDP port to listen on [default: 2055 with --listen]
    #[arg(short, long, conflicts_with_all = ["files", "file"])]
    pub(crate) port: Option<u16>,

    /// Seconds to listen; Ctrl-C ends earlier
    #[arg(long, value_name = "SECONDS", default_value_t = 60, conflicts_with_all = ["files", "file"])]
    pub(crate) duration: u64,

    /// How to print
    #[arg(long, value_enum, default_value_t = DoctorFormat::Text)]
    pub(crate) format: DoctorFormat,

    #[command(flatten)]
    pub(crate) decoding: Decoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFormat {
    /// For people: facts and findings of each exporter
    Text,
    /// A JSON object a line for each exporter and observation domain
    Json,
}

/// Send the export packets of files again, or flows of files as export packets
///
/// The packets of pcap and pcapng captures and of IPFIX files are sent as they are, with the pauses that they were
/// recorded with. Flow files are encoded anew, with their own times; with --as captures are too.
///
/// Every exporter of a file has a socket of its own. To a target in 127.0.0.0/8 it has an address of its own as well:
/// 192.0.2.17 is sent from 127.0.2.17. To other targets all are sent from this machine's address, or from those that
/// --source gives, and differ in the port.
///
/// Exit status: 0 all was sent; 1 something was not, or could not be read; 2 wrong usage, or nothing was sent.
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// Capture (pcap, pcapng), IPFIX messages (RFC 5655), or flow file (JSON lines, CSV, also gzip); `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Collector, by UDP, or by TCP for IPFIX: `192.0.2.1:2055`, `tcp://[2001:db8::1]:4739`. Without a port: 2055, TCP
    /// 4739
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) to: String,

    /// Times the recorded pace: 10 is ten times as fast
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = parse_positive,
        conflicts_with_all = ["pps", "topspeed"])]
    pub(crate) speed: f64,

    /// Packets a second, at even distances
    #[arg(long, value_name = "N", value_parser = parse_positive, conflicts_with = "topspeed")]
    pub(crate) pps: Option<f64>,

    /// As fast as the system takes packets
    #[arg(short, long)]
    pub(crate) topspeed: bool,

    /// Longest pause between two packets at the recorded pace
    #[arg(long, value_name = "SECONDS", value_parser = parse_positive, conflicts_with_all = ["pps", "topspeed"])]
    pub(crate) max_pause: Option<f64>,

    /// Stop after N export packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Play all files so many times; 0: until Ctrl-C
    #[arg(long = "loop", value_name = "N", default_value_t = 1)]
    pub(crate) rounds: u64,

    /// Address of this machine to send from; given several times, exporters take them in turn
    #[arg(long, value_name = "ADDR")]
    pub(crate) source: Vec<IpAddr>,

    /// Send only what this exporter sent; may be given several times
    #[arg(long, value_name = "ADDR")]
    pub(crate) exporter: Vec<IpAddr>,

    /// Send every UDP payload of a capture, also what is no NetFlow or IPFIX
    #[arg(long, conflicts_with = "encode_as")]
    pub(crate) all: bool,

    /// Encode the flows of the files anew in this version: v5, v9, ipfix (also v1, v7, v8.1 to v8.14) [default for
    /// flow files: ipfix]
    #[arg(long = "as", value_name = "VERSION")]
    pub(crate) encode_as: Option<Version>,

    #[command(flatten)]
    pub(crate) decoding: Decoding,
}

/// Copy export packets to several collectors
///
/// Every datagram that comes is sent to each target, whatever is in it. A target that is down or slow stops no other:
/// what waits for it is bounded, and what is dropped or lost is counted for each. When much waits, runs of datagrams of
/// one length are handed to the system as one, and a capture on this machine shows them so. Ends on Ctrl-C (SIGINT) or SIGTERM,
/// after what was received is sent, and says what became of it; SIGUSR1 says it in between.
///
/// Exit status: 0 every copy was sent; 1 copies were lost or dropped; 2 wrong usage, or nothing could be done.
#[derive(Debug, clap::Args)]
pub(crate) struct Forward {
    /// Address to listen on, with a port unless it is 2055, such as `[::]:4739`; any number of times
    #[arg(long, value_name = "ADDR[:PORT]", default_value = "0.0.0.0:2055")]
    pub(crate) listen: Vec<String>,

    /// Who gets a copy, with a port unless it is 2055; any number of times. With `from=`, only of what comes from this
    /// address or prefix (or one of several): `192.0.2.9:9995,from=10.0.0.0/8,from=2001:db8::/32`
    #[arg(long, value_name = "HOST[:PORT][,from=PREFIX]...", required = true)]
    pub(crate) to: Vec<String>,

    /// Keep the exporter's address and port as the source of copies; takes the capability CAP_NET_RAW. Without it they
    /// come from this machine, and collectors take it for the exporter
    #[arg(long)]
    pub(crate) spoof: bool,

    /// Say how it goes every so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) interval: Option<u64>,

    /// Receive buffer to ask the system for, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub(crate) buffer: usize,

    /// What may wait for each target, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub(crate) queue: usize,
}

/// How export packets are decoded.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Decoding {
    /// CSV file of further information elements: pen,id,name,type
    #[arg(long, value_name = "FILE")]
    pub(crate) elements: Option<PathBuf>,

    /// Sampling rate (1 packet in N) to believe instead of what exporters say, where flows are normalised
    #[arg(long, value_name = "N")]
    pub(crate) sampling: Option<NonZeroU64>,

    /// For whom a template is valid
    #[arg(long, value_enum, default_value_t = TemplateScope::Domain)]
    pub(crate) template_scope: TemplateScope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TemplateScope {
    /// The exporter's address, port and observation domain
    Session,
    /// The exporter's address and observation domain
    Domain,
    /// The exporter's address
    Exporter,
}

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page, or write one for every command
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub(crate) struct Man {
    /// Directory to write nf.1, nf-collect.1, ... to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

fn parse_format(text: &str) -> Result<FileFormat, String> {
    let (name, gzip) = text.strip_suffix(".gz").map_or((text, false), |name| (name, true));
    match name.parse() {
        Ok(Format::Parquet) if gzip => Err("parquet is compressed by itself".to_owned()),
        Ok(format) => Ok(FileFormat { format, gzip }),
        Err(_) => Err("json, ndjson, csv, each also with .gz, or parquet".to_owned()),
    }
}

/// A number with a unit behind it, which `factor` knows.
fn with_unit(text: &str, factor: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(factor(&text[digits.len()..])?)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = with_unit(text, |unit| match unit {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" | "H" => Some(3_600),
        "d" => Some(86_400),
        "w" => Some(7 * 86_400),
        _ => None,
    });
    let duration = seconds.filter(|&seconds| seconds > 0).map(Duration::from_secs);
    duration.ok_or_else(|| "seconds, or a number with s, m, h, d or w".to_owned())
}

/// nfcapd's shortest window is the shortest here.
fn parse_window(text: &str) -> Result<Duration, String> {
    let window = parse_duration(text)?;
    let range = Duration::from_secs(2)..=Duration::from_secs(366 * 86_400);
    if range.contains(&window) { Ok(window) } else { Err("2 seconds to a year".to_owned()) }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let octets = with_unit(text, |unit| match unit {
        "" | "B" => Some(1),
        "k" | "K" => Some(1 << 10),
        "m" | "M" => Some(1 << 20),
        "g" | "G" => Some(1 << 30),
        "t" | "T" => Some(1 << 40),
        _ => None,
    });
    octets.ok_or_else(|| "octets, or a number with K, M, G or T".to_owned())
}

fn parse_positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "a number above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn sizes_and_durations_have_units() {
        assert_eq!(parse_size("20G"), Ok(20 << 30));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(parse_window("5m"), Ok(Duration::from_secs(300)));
        for text in ["", "5x", "-1", "m", "1.5G", "99999999999999999999", "9999999999999T"] {
            assert!(parse_size(text).is_err() && parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_window("1").is_err() && parse_duration("0").is_err());
    }

    #[test]
    fn formats_of_text_may_be_compressed() {
        let gzip = |format| Ok(FileFormat { format, gzip: true });
        assert_eq!(parse_format("ndjson.gz"), gzip(Format::FlowLines));
        assert_eq!(parse_format("json.gz"), gzip(Format::Packets));
        assert!(parse_format("parquet.gz").is_err() && parse_format("gz").is_err());
        assert_eq!(parse_format("parquet"), Ok(FileFormat { format: Format::Parquet, gzip: false }));
    }
}
