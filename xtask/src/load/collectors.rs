//! The collectors that are compared: how each is started, and what counts what it has written.

/// A collector.
#[derive(Debug)]
pub(super) struct Collector {
    /// In the table, and for `--collectors`.
    pub(super) name: &'static str,
    /// `nf` is the one that is tested, others are looked for in the path.
    pub(super) program: &'static str,
    /// Separated by spaces. `{port}`, `{folder}` and `{config}` are replaced, and `{buffer}` by nothing or by the
    /// words below.
    pub(super) arguments: &'static str,
    /// How it is asked for a receive buffer of so many `{octets}` or `{mebibytes}`.
    pub(super) buffer: &'static str,
    /// Content of the configuration file, with the same replacements; empty when it has none.
    pub(super) config: &'static str,
    pub(super) count: Count,
    /// Whether it takes part unless others are named.
    pub(super) usual: bool,
}

/// What counts the flows of the files that a collector wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// The closing report of nf: what was decoded, less what could not be written.
    NfReport,
    /// `nfdump -I`.
    Nfdump,
    /// The `bytes` and `packets` of JSON lines, since flows that are alike are one line.
    NfacctdLines,
}

/// All that can be compared. The two of [`REFERENCES`] are those that the others are measured by.
pub(super) const COLLECTORS: &[Collector] = &[
    Collector {
        name: "nf",
        program: "nf",
        arguments: "collect --host 127.0.0.1 -p {port} {buffer} -w {folder} --format parquet",
        buffer: "--buffer {mebibytes}",
        config: "",
        count: Count::NfReport,
        usual: true,
    },
    Collector {
        name: "nf-ndjson",
        program: "nf",
        arguments: "collect --host 127.0.0.1 -p {port} {buffer} -o {folder}/flows.ndjson.gz",
        buffer: "--buffer {mebibytes}",
        config: "",
        count: Count::NfReport,
        usual: false,
    },
    Collector {
        name: "nf-packets",
        program: "nf",
        arguments: "collect --host 127.0.0.1 -p {port} {buffer} -o {folder}/packets.json.gz",
        buffer: "--buffer {mebibytes}",
        config: "",
        count: Count::NfReport,
        usual: false,
    },
    Collector {
        name: "nfcapd",
        program: "nfcapd",
        arguments: "-b 127.0.0.1 -p {port} {buffer} -t 3600 -w {folder}",
        buffer: "-B {octets}",
        config: "",
        count: Count::Nfdump,
        usual: true,
    },
    Collector {
        name: "nfcapd-lz4",
        program: "nfcapd",
        arguments: "-y -b 127.0.0.1 -p {port} {buffer} -t 3600 -w {folder}",
        buffer: "-B {octets}",
        config: "",
        count: Count::Nfdump,
        usual: true,
    },
    Collector {
        name: "nfacctd",
        program: "nfacctd",
        arguments: "-f {config}",
        buffer: "nfacctd_pipe_size: {octets}",
        config: "\
daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
{buffer}
plugins: print
aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, in_iface, out_iface, timestamp_start, timestamp_end
print_output: json
print_output_file: {folder}/flows.json
print_output_file_append: true
print_refresh_time: 3600
",
        count: Count::NfacctdLines,
        usual: true,
    },
];

/// Those whose rates others are compared with, and the heading of that.
pub(super) const REFERENCES: &[(&str, &str)] = &[("nfcapd", "x nfcapd"), ("nfcapd-lz4", "x LZ4")];

impl Collector {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        COLLECTORS.iter().find(|collector| collector.name == name)
    }

    /// Programs that have to be installed.
    pub(super) fn needs(&self) -> Vec<&'static str> {
        let others = [self.program].into_iter().filter(|program| *program != "nf");
        others.chain((self.count == Count::Nfdump).then_some("nfdump")).collect()
    }
}
