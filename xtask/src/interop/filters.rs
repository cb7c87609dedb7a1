//! Whether filters let as many flows pass as the same filters of nfdump do, of the same packets.
//!
//! The filters are those of nfdump's manual, primitive by primitive, with values that some of the flows have. What
//! differs on purpose is in `docs/filter.md`, and not here.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;

use crate::programs::{
    PATIENCE, Process, bounded, free_port, is_bound, is_installed, is_read, output, until,
};

mod made;

use made::What;

/// Flows that are made, and filters that are for them: a line each.
const CORPORA: &[(&str, What, &str)] = &[
    ("traffic", What::Traffic, include_str!("filters/traffic.txt")),
    ("translated traffic", What::Translations, include_str!("filters/translations.txt")),
    ("firewall events", What::Events, include_str!("filters/events.txt")),
];
/// What nfdump says of filters of autonomous systems when it has no database of countries: a fault of version 1.7.1.
const NO_COUNTRIES: &str = "without a geo location DB";

/// Compares all filters, and gives what differs.
pub(super) fn differences(nf: &Path) -> anyhow::Result<Vec<String>> {
    let mut differences = Vec::new();
    if !is_installed("nfcapd")? || !is_installed("nfdump")? {
        println!("filters: nfdump is not installed: skipped");
        return Ok(differences);
    }
    for &(name, what, filters) in CORPORA {
        let folder = tempfile::tempdir()?;
        let (made, capture) = (folder.path().join("made.ndjson"), folder.path().join("made.pcap"));
        let files = folder.path().join("nfcapd");
        fs::create_dir(&files)?;
        fs::write(&made, made::flows(what))?;
        fs::write(&capture, pcap(&packets(nf, &made)?))?;
        collect_with_nfcapd(nf, &capture, &files)?;
        let flows = folder.path().join("flows.parquet");
        output(bounded(nf).args(["collect", "--read"]).arg(&capture).arg("-o").arg(&flows))?;
        let all = count_with_nf(nf, &flows, "any")?;
        let (mut compared, mut telling, mut refused) = (0, 0, 0);
        for filter in filters.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let Some(expected) = count_with_nfdump(&files, filter)? else {
                refused += 1;
                continue;
            };
            let count = count_with_nf(nf, &flows, filter)?;
            compared += 1;
            telling += usize::from(0 < count && count < all);
            if count != expected {
                differences.push(format!("{name}: `{filter}` lets {count} flows pass, nfdump {expected}"));
            }
        }
        println!(
            "filters of {name}: {compared} compared on {all} flows, {telling} let some pass and others not; \
             {refused} that nfdump refuses without a database of countries"
        );
        ensure!(telling * 10 >= compared * 8, "most filters tell flows apart");
    }
    Ok(differences)
}

/// The export packets that `nf replay` makes of flows, and where they come from.
fn packets(nf: &Path, flows: &Path) -> anyhow::Result<Vec<(IpAddr, Vec<u8>)>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut command = Command::new(nf);
    command.args(["replay", "--as", "v9", "--pps", "150", "--to", &socket.local_addr()?.to_string()]);
    let mut process = Process::start(command.arg(flows))?;
    let (mut packets, mut octets) = (Vec::new(), vec![0; 65_536]);
    loop {
        match socket.recv_from(&mut octets) {
            Ok((length, from)) => packets.push((from.ip(), octets[..length].to_vec())),
            Err(_) if !process.is_running()? => break,
            Err(_) => {}
        }
    }
    ensure!(process.end(PATIENCE)?.success() && !packets.is_empty(), "nf replay sends the flows");
    Ok(packets)
}

/// A capture of these packets, over UDP and IPv4.
fn pcap(packets: &[(IpAddr, Vec<u8>)]) -> Vec<u8> {
    const RAW_IP: u32 = 101;
    let mut capture = Vec::new();
    for word in [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65_535, RAW_IP] {
        capture.extend(u32::to_le_bytes(word));
    }
    for (number, (from, packet)) in packets.iter().enumerate() {
        let IpAddr::V4(from) = from else { continue };
        let length = 28 + packet.len();
        for word in [1_767_272_400, number, length, length] {
            capture.extend((word as u32).to_le_bytes());
        }
        capture.extend([0x45, 0]);
        capture.extend((length as u16).to_be_bytes());
        capture.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        capture.extend(from.octets());
        capture.extend([127, 0, 0, 1]);
        for field in [2_055, 2_055, length as u16 - 20, 0] {
            capture.extend(u16::to_be_bytes(field));
        }
        capture.extend(packet);
    }
    capture
}

fn collect_with_nfcapd(nf: &Path, capture: &Path, files: &Path) -> anyhow::Result<()> {
    let port = free_port()?;
    let mut command = Command::new("nfcapd");
    command.args(["-b", "127.0.0.1", "-t", "3600", "-B", "8000000", "-p", &port.to_string(), "-w"]);
    let process = Process::start(command.arg(files))?;
    until("nfcapd listens", || Ok(is_bound(port)?.then_some(())))?;
    let target = format!("127.0.0.1:{port}");
    output(bounded(nf).args(["replay", "--pps", "500", "--to", &target]).arg(capture))?;
    until("nfcapd takes all packets", || Ok(is_read(port)?.then_some(())))?;
    process.interrupt()?;
    process.end(PATIENCE)?;
    Ok(())
}

fn count_with_nf(nf: &Path, flows: &Path, filter: &str) -> anyhow::Result<usize> {
    let mut command = bounded(nf);
    command.arg("flows").arg(flows).args(["--filter", filter, "--format", "json", "--fields", "proto"]);
    Ok(output(&mut command)?.lines().count())
}

/// `None` when nfdump refuses the filter since it has no database of countries.
fn count_with_nfdump(files: &Path, filter: &str) -> anyhow::Result<Option<usize>> {
    let mut command = bounded("nfdump".as_ref());
    let ended = command.arg("-R").arg(files).args(["-q", "-o", "fmt:%fl", filter]).output()?;
    let (out, said) = (String::from_utf8(ended.stdout)?, String::from_utf8_lossy(&ended.stderr).into_owned());
    if said.contains(NO_COUNTRIES) {
        return Ok(None);
    }
    let is_taken = ended.status.success() && !said.contains("Line ");
    ensure!(is_taken, "nfdump does not take `{filter}`: {}", said.trim());
    Ok(Some(out.lines().filter(|line| line.trim().parse::<u64>().is_ok()).count()))
}
