//! `nf collect --listen`: connections of real exporters, and what is said about those that are refused.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Ended, Running, fixtures, json_lines, nf, octets, run, run_nf, scratch, skip, wait_for};
use serde_json::Value;

mod common;

/// Template 256: sourceIPv4Address, octetDeltaCount; and a record of it.
const MESSAGE: &str = "000a0030 5e8465fd 00000000 0000002a  0002 0010 0100 0002 0008 0004 0001 0008 \
                       0100 0010 c0000201 0000000000000348";

/// `nf collect --listen` for each URL, all of them with port 0.
struct Listening {
    process: Running,
    /// Addresses in the same order.
    addresses: Vec<String>,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Listening {
    fn start(urls: &[&str], more: &[&str]) -> Self {
        let folder = scratch();
        let file = folder.path().join("flows.ndjson");
        let mut command = nf(["collect", "-o"]);
        command.arg(&file).args(more);
        for url in urls {
            command.args(["--listen", url]);
        }
        let mut process = Running::start(&mut command);
        process.wait_until_it_says("Ctrl-C ends");
        let said = process.said();
        let listening = said.split("listening on ").nth(1).expect("it says where");
        let places = listening.split(", ").map_while(|place| place.split_once(" ("));
        let addresses: Vec<_> = places.map(|(address, _)| address.to_owned()).collect();
        assert_eq!(addresses.len(), urls.len(), "{said}");
        Self { process, addresses, file, _folder: folder }
    }

    /// Waits until so many flows are in the file, and ends it.
    fn stop_with(self, flows: usize) -> (Ended, Vec<Value>) {
        let text = || fs::read_to_string(&self.file).unwrap_or_default();
        wait_for("the flows", || (text().lines().count() >= flows).then_some(()));
        self.process.signal("INT");
        let ended = self.process.end().with(0);
        (ended, json_lines(&fs::read_to_string(&self.file).expect("the file is there")))
    }
}

/// Whether a program is there.
fn has(program: &str) -> bool {
    let found =
        Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        skip(format_args!("{program} is not installed"));
    }
    found
}

/// Sums of a column.
fn sum(flows: &[Value], column: &str) -> u64 {
    flows.iter().filter_map(|flow| flow[column].as_u64()).sum()
}

#[test]
fn all_transports_at_once_write_one_file() {
    let listening = Listening::start(&["udp://127.0.0.1:0", "tcp://127.0.0.1:0", "tcp://[::1]:0"], &[]);
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
    udp.send_to(&octets(MESSAGE), &listening.addresses[0]).expect("loopback takes it");
    let mut connections = Vec::new();
    for address in &listening.addresses[1..] {
        let mut connection = TcpStream::connect(address).expect("it listens");
        connection.write_all(&octets(MESSAGE)).expect("it reads");
        connections.push(connection);
    }
    let (ended, flows) = listening.stop_with(3);
    assert_eq!((flows.len(), sum(&flows, "bytes")), (3, 3 * 0x348));
    let mut exporters: Vec<_> = flows.iter().filter_map(|flow| flow["exporter_addr"].as_str()).collect();
    exporters.sort_unstable();
    assert_eq!(exporters, ["127.0.0.1", "127.0.0.1", "::1"]);
    ended.saying("2 connections; closed: 2 collector ended");
}

#[test]
fn softflowd_over_tcp_says_the_same_as_over_udp() {
    let Some(fixtures) = fixtures() else { return };
    if !has("softflowd") {
        return;
    }
    let folder = scratch();
    let mut of_both = Vec::new();
    for (scheme, protocol) in [("udp", "udp"), ("tcp", "tcp")] {
        let url = format!("{scheme}://127.0.0.1:0");
        let listening = Listening::start(&[&url], &[]);
        let mut softflowd = Command::new("softflowd");
        softflowd.args(["-d", "-v", "10", "-c", "none", "-P", protocol, "-n", &listening.addresses[0]]);
        softflowd.arg("-p").arg(folder.path().join("pid")).arg("-r").arg(fixtures.join("traffic.pcap"));
        run(&mut softflowd).with(0);
        // The traffic of the fixtures: see their table.
        let (_, flows) = listening.stop_with(139);
        of_both.push([sum(&flows, "bytes"), sum(&flows, "packets"), flows.len() as u64]);
    }
    assert!(of_both[0][0] > 0);
    assert_eq!(of_both[0], of_both[1]);
}

/// A Python that has the module, if there is one: `NF_PYTHON` names it, or it is `python3`.
fn python(module: &str) -> Option<String> {
    let python = std::env::var("NF_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import =
        Command::new(&python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    let found = import.is_ok_and(|status| status.success());
    if !found {
        skip(format_args!("{python} has no module {module}: NF_PYTHON may name another Python"));
    }
    found.then_some(python)
}

#[test]
fn what_pypi_ipfix_writes_to_a_connection_is_read() {
    let Some(python) = python("ipfix.writer") else { return };
    let listening = Listening::start(&["tcp://127.0.0.1:0"], &[]);
    let (_, port) = listening.addresses[0].rsplit_once(':').expect("a port");
    let program = "
import ipaddress, socket, sys, ipfix.ie, ipfix.template, ipfix.writer
ipfix.ie.use_iana_default()
elements = ipfix.ie.spec_list(('sourceIPv4Address', 'octetDeltaCount[4]', 'interfaceName[65535]'))
file = socket.create_connection(('127.0.0.1', int(sys.argv[1]))).makefile('wb')
writer = ipfix.writer.to_stream(file)
writer.set_domain(77)
writer.add_template(ipfix.template.from_ielist(256, elements))
writer.set_export_template(256)
for number in range(10_000):
    writer.export_namedict({'sourceIPv4Address': ipaddress.ip_address('192.0.2.1'), 'octetDeltaCount': number,
                            'interfaceName': 'eth%d' % number})
    # It does not see itself that a text does not fit any more.
    if number % 100 == 99: writer.flush()
file.flush()
";
    run(Command::new(python).args(["-c", program, port])).with(0);
    let (ended, flows) = listening.stop_with(10_000);
    assert_eq!(sum(&flows, "bytes"), (0..10_000).sum::<u64>());
    ended.saying("0 records lost").saying("1 connection; closed: 1 by the exporter");
}

/// Certificates in a folder: `ca`, `collector` and `exporter` of it, `other-ca` and `other` of that.
fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        run(Command::new("openssl").args(arguments.split(' ')).current_dir(folder)).with(0);
    };
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for (authority, names) in [("ca", &["collector", "exporter"][..]), ("other-ca", &["other"])] {
        openssl(&format!(
            "req -x509 {KEY} -days 2 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
        ));
        for name in names {
            openssl(&format!("req {KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
            openssl(&format!(
                "x509 -req -days 2 -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -out {name}.crt"
            ));
            // Version 3, which the extension makes it.
            fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").expect("it can be written");
            openssl(&format!(
                "x509 -req -days 2 -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -extfile names -out {name}.pem"
            ));
        }
    }
}

#[test]
fn openssl_with_a_certificate_a_wrong_one_and_none() {
    if !has("openssl") {
        return;
    }
    let folder = scratch();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let files = ["--tls-cert", &path("collector.pem"), "--tls-key", &path("collector.key")];
    let mut listening = Listening::start(
        &["tls://127.0.0.1:0"],
        &[&files[..], &["--tls-client-ca", &path("ca.pem")]].concat(),
    );
    for version in ["-tls1_2", "-tls1_3"] {
        let client = |own: &[&str]| {
            let mut command = Command::new("openssl");
            command.args(["s_client", "-quiet", version, "-connect", &listening.addresses[0]]);
            command.args(own).current_dir(&folder).stdin(Stdio::piped());
            let mut client = Running::start(&mut command);
            let mut stdin = client.stdin.take().expect("stdin is a pipe");
            // One that is refused may be gone.
            let _ = stdin.write_all(&octets(MESSAGE));
            (client, stdin)
        };
        for (own, reason) in [
            (&["-cert", "other.pem", "-key", "other.key"][..], "unknown ca"),
            (&[], if version == "-tls1_2" { "alert" } else { "certificate required" }),
        ] {
            let (client, _stdin) = client(own);
            let ended = client.end();
            assert_eq!(ended.status.code(), Some(1), "{}", ended.err);
            assert!(ended.err.contains(reason), "{reason}: {}", ended.err);
        }
        let (good, stdin) = client(&["-cert", "exporter.pem", "-key", "exporter.key"]);
        let lines = if version == "-tls1_2" { 1 } else { 2 };
        let written = || fs::read_to_string(&listening.file).unwrap_or_default().lines().count() >= lines;
        wait_for("the flow", || written().then_some(()));
        drop((stdin, good));
    }
    listening.process.signal("HUP");
    listening.process.wait_until_it_says("certificate and key for TLS are read again");
    fs::write(path("collector.key"), "no key").expect("it can be written");
    listening.process.signal("HUP");
    listening.process.wait_until_it_says("certificate and key for TLS stay as they were");
    let (ended, flows) = listening.stop_with(2);
    assert_eq!(sum(&flows, "bytes"), 2 * 0x348);
    ended
        .saying("connection refused: it sent no certificate, and one is asked for")
        .saying(
            "connection refused: its certificate is not accepted: no authority that is trusted has signed it",
        )
        .saying("refused: 2 certificate not accepted, 2 no certificate");
}

#[test]
fn what_cannot_be_listened_on_is_told_with_what_helps() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("tcp://{}", taken.local_addr().expect("it is bound"));
    let collect = |more: &[&str]| run_nf(["collect", "-o", "-"].iter().chain(more)).with(2);
    collect(&["--listen", &url])
        .saying("another program has the port (`ss -ltnp")
        .saying("choose one with --listen");
    collect(&["--listen", "tls://127.0.0.1:0"]).saying("--tls-cert FILE and --tls-key FILE");
    collect(&["--listen", "dtls://127.0.0.1:0"]).saying("udp://, tcp://, tls:// or sctp://");
    collect(&["--listen", "udp://127.0.0.1:0", "-p", "9995"]).saying("cannot be used with");
    let none = ["--tls-cert", "/none.pem", "--tls-key", "/none.key"];
    collect(&[&["--listen", "tls://127.0.0.1:0"], &none[..]].concat()).saying("cannot read /none.pem");
    let probe = "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)";
    match Command::new("python3").args(["-c", probe]).stderr(Stdio::null()).status() {
        Ok(status) if !status.success() => {
            collect(&["--listen", "sctp://127.0.0.1:0"]).saying("this kernel has no SCTP; `modprobe sctp`");
        }
        _ => skip("whether this kernel has no SCTP is not known"),
    }
}
