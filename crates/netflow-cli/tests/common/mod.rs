//! Runs `nf`, with a deadline, and finds the fixtures.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netflow_capture::{CaptureReader, CaptureWriter};
use netflow_templates::Timestamp;
use serde_json::Value;

/// After this long something hangs: far longer than anything takes.
const DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until `ready` gives something; `what` says in the panic what never came.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        thread::sleep(LOOK);
    }
}

/// A temporary directory of one test.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// `nf` with arguments, in an environment that does not depend on the machine.
pub(crate) fn nf<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nf"));
    command.args(arguments).env("TZ", "UTC").env("NO_COLOR", "1");
    let settings = std::env::vars_os().map(|(name, _)| name);
    let settings = settings.filter(|name| name.to_string_lossy().starts_with("NF_"));
    settings.for_each(|name| _ = command.env_remove(name));
    command
}

/// What a command that ended left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Asserts how it ended. A panic is never right.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert!(!self.err.contains("panicked"), "{}", self.err);
        assert_eq!(self.status.code(), Some(code), "{}\nstderr: {}", self.status, self.err);
        self
    }

    /// Asserts that stderr says something.
    #[track_caller]
    pub(crate) fn saying(self, text: &str) -> Self {
        assert!(self.err.contains(text), "stderr lacks {text:?}:\n{}", self.err);
        self
    }

    /// The lines of stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        json_lines(&self.out)
    }
}

#[track_caller]
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ended {
    Running::start(command).end()
}

/// Runs `nf` with arguments to its end.
#[track_caller]
pub(crate) fn run_nf<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Ended {
    run(&mut nf(arguments))
}

/// Runs `nf` with arguments, and with `input` as stdin.
#[track_caller]
pub(crate) fn feed<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>, input: &[u8]) -> Ended {
    let mut running = Running::start(nf(arguments).stdin(Stdio::piped()));
    let mut stdin = running.stdin.take().expect("stdin is a pipe");
    // Whether all of it was wanted is not the point here.
    let _ = stdin.write_all(input);
    drop(stdin);
    running.end()
}

/// A command that runs. It is killed when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    out: Gathered,
    err: Gathered,
}

impl Running {
    /// Starts a command; its stdin is empty unless it was set.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let out = Gathered::from(child.stdout.take());
        let err = Gathered::from(child.stderr.take());
        Self { stdin: child.stdin.take(), child, out, err }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What stderr has said up to now.
    pub(crate) fn said(&self) -> String {
        self.err.text()
    }

    /// Waits until stderr says something.
    #[track_caller]
    pub(crate) fn wait_until_it_says(&mut self, text: &str) {
        wait_for(text, || {
            if self.said().contains(text) {
                return Some(());
            }
            let ended = self.child.try_wait().expect("the child is ours");
            assert!(ended.is_none() || self.said().contains(text), "ended without {text:?}: {}", self.said());
            None
        });
    }

    /// Sends a signal by its name, such as INT.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status();
        assert!(kill.expect("there is a shell").success());
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let status = wait_for("the end of the command", || self.child.try_wait().expect("the child is ours"));
        Ended { status, out: self.out.rest(), err: self.err.rest() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a process as it comes.
#[derive(Debug)]
struct Gathered {
    octets: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Gathered {
    fn from(pipe: Option<impl Read + Send + 'static>) -> Self {
        let mut pipe = pipe.expect("the output is a pipe");
        let octets = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&octets);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                shared.lock().expect("nobody panicked").extend_from_slice(&buffer[..length]);
            }
        });
        Self { octets, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.octets.lock().expect("nobody panicked")).into_owned()
    }

    fn rest(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading does not panic");
        }
        self.text()
    }
}

/// `nf collect` on a port of 127.0.0.1 that the system chose.
pub(crate) struct Collecting {
    pub(crate) process: Running,
    pub(crate) address: String,
    socket: UdpSocket,
}

impl Collecting {
    /// Starts it with further arguments, and waits until it listens.
    #[track_caller]
    pub(crate) fn start<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Self {
        Self::on("127.0.0.1", arguments)
    }

    #[track_caller]
    pub(crate) fn on<I: AsRef<std::ffi::OsStr>>(host: &str, arguments: impl IntoIterator<Item = I>) -> Self {
        let mut process = Running::start(nf(["collect", "--host", host, "--port", "0"]).args(arguments));
        process.wait_until_it_says("Ctrl-C ends");
        let said = process.said();
        let address = said.split("listening on ").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("no address: {said}")).to_owned();
        let own = if address.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" };
        Self { process, address, socket: UdpSocket::bind(own).expect("loopback") }
    }

    /// Sends a datagram; on loopback it is in the receive buffer when this returns.
    pub(crate) fn send(&self, datagram: &[u8]) {
        let sent = self.socket.send_to(datagram, &self.address).expect("loopback takes datagrams");
        assert_eq!(sent, datagram.len());
    }

    /// Sends the signal and waits for the end.
    #[track_caller]
    pub(crate) fn stop(self, signal: &str) -> Ended {
        self.process.signal(signal);
        self.process.end()
    }
}

/// A file system of its own, gone when this is.
pub(crate) struct Mounted(pub(crate) PathBuf);

impl Mounted {
    /// Mounts a tmpfs, if that is allowed.
    pub(crate) fn tmpfs(folder: &Path, options: &str) -> Option<Self> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder).output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(folder.to_owned()));
        }
        skip("a file system cannot be mounted here");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The fixtures' folder. A packaged crate has none: then the test says so, and has nothing to do.
pub(crate) fn fixtures() -> Option<PathBuf> {
    folder("fixtures")
}

/// A folder of the workspace, by its path from there.
pub(crate) fn folder(path: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if folder.is_dir() {
        return Some(folder);
    }
    skip(format_args!("{path} is not there"));
    None
}

/// Says that a test, or a part of one, is not run.
#[allow(clippy::print_stderr, reason = "this is where a test says it")]
pub(crate) fn skip(why: impl std::fmt::Display) {
    eprintln!("skipped: {why}");
}

/// The UDP payloads of a capture.
pub(crate) fn datagrams(capture: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::File::open(capture).expect("the capture is there");
    let mut reader = CaptureReader::new(file).expect("a capture");
    let mut datagrams = Vec::new();
    while let Some(datagram) = reader.next_datagram().expect("a good capture") {
        datagrams.push(datagram.payload.to_vec());
    }
    datagrams
}

/// A pcap file of UDP datagrams to port 2055: from where, when (nanoseconds since the Unix epoch), and what.
pub(crate) fn pcap<'a>(datagrams: impl IntoIterator<Item = (std::net::Ipv4Addr, i64, &'a [u8])>) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new()).expect("memory takes it");
    let collector = ([192, 0, 2, 200], 2_055).into();
    for (source, time, payload) in datagrams {
        let written = writer.write(Timestamp::from_nanos(time), (source, 40_000).into(), collector, payload);
        written.expect("a datagram");
    }
    writer.into_inner()
}

/// Octets from hex.
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

/// Hex from octets.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What gzip makes of a file, and whether it was content with it.
pub(crate) fn gunzip(path: &Path) -> (String, bool) {
    let output = Command::new("gzip").arg("-dc").stdin(std::fs::File::open(path).expect("a file")).output();
    let output = output.expect("there is a gzip program");
    (String::from_utf8(output.stdout).expect("text"), output.status.success())
}

/// One direction of a conversation in a v5 record. Addresses are 192.0.2.x.
#[derive(Clone, Copy)]
pub(crate) struct V5 {
    /// The last octet of the source address, and the port.
    pub(crate) from: (u8, u16),
    /// The same of the destination.
    pub(crate) to: (u8, u16),
    pub(crate) octets: u32,
    pub(crate) packets: u32,
}

impl V5 {
    /// A v5 export packet of these records; their first packet was at 1 s of uptime, the last at 4 s.
    pub(crate) fn packet(sequence: u32, records: &[Self]) -> Vec<u8> {
        let mut packet = vec![0, 5];
        packet.extend((records.len() as u16).to_be_bytes());
        packet.extend(60_000u32.to_be_bytes());
        packet.extend(1_700_000_000u32.to_be_bytes());
        packet.extend(0u32.to_be_bytes());
        packet.extend(sequence.to_be_bytes());
        packet.extend([0; 4]);
        for record in records {
            packet.extend([192, 0, 2, record.from.0, 192, 0, 2, record.to.0]);
            packet.extend([0; 8]);
            packet.extend(record.packets.to_be_bytes());
            packet.extend(record.octets.to_be_bytes());
            packet.extend(1_000u32.to_be_bytes());
            packet.extend(4_000u32.to_be_bytes());
            packet.extend(record.from.1.to_be_bytes());
            packet.extend(record.to.1.to_be_bytes());
            packet.extend([0, 0x1b, 6, 0]);
            packet.extend([0; 8]);
        }
        packet
    }
}
