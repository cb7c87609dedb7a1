//! tshark reads what is exported, and finds in it what was put there. Skipped where there is no tshark.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use netflow_exporter::{Exporter, ExporterConfig, PROFILES, Profile, Version};

use common::{NOW, Reading, STARTED, export};

const FLOWS: u32 = 500;

fn has_tshark() -> bool {
    let tshark = Command::new("tshark").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = tshark.is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped: tshark is not installed");
    }
    there
}

/// Octets of a capture file (classic pcap, raw IP) of datagrams, from an address for each exporter.
fn pcap(exporters: &[Reading]) -> Vec<u8> {
    const RAW_IP: u32 = 101;
    let mut file = Vec::new();
    for number in [0xa1b2_c3d4, 0x0002_0004, 0, 0, 65_535, RAW_IP] {
        file.extend(u32::to_be_bytes(number));
    }
    let packets = exporters
        .iter()
        .zip(0..)
        .flat_map(|(exporter, number)| exporter.packets.iter().map(move |packet| (number, packet)));
    for (exporter, packet) in packets {
        let length = packet.len() + 28;
        let seconds = (NOW.as_nanos() / 1_000_000_000) as u32;
        for number in [seconds, 0, length as u32, length as u32] {
            file.extend(number.to_be_bytes());
        }
        // IPv4 and UDP, without checksums.
        file.extend([0x45, 0]);
        file.extend((length as u16).to_be_bytes());
        file.extend([0, 0, 0, 0, 64, 17, 0, 0, 198, 51, 100, exporter, 198, 51, 100, 254]);
        for number in [2_055, 2_055, (length - 20) as u16, 0] {
            file.extend(u16::to_be_bytes(number));
        }
        file.extend(packet);
    }
    file
}

/// What tshark reads in the packets of an exporter.
#[derive(Debug, Default)]
struct Read {
    packets: usize,
    malformed: usize,
    versions: BTreeSet<String>,
    octets: u64,
}

/// What it reads of each exporter.
fn tshark(exporters: &[Reading]) -> Vec<Read> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.pcap");
    std::fs::write(&file, pcap(exporters)).unwrap();
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&file).args(["-d", "udp.port==2055,cflow", "-T", "fields"]);
    command.args(["-e", "ip.src", "-e", "_ws.malformed", "-e", "cflow.version", "-e", "cflow.octets"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut read: Vec<Read> = exporters.iter().map(|_| Read::default()).collect();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let exporter = field().rsplit('.').next().unwrap().parse::<usize>().unwrap();
        read[exporter].packets += 1;
        read[exporter].malformed += usize::from(!field().is_empty());
        read[exporter].versions.insert(field().to_owned());
        read[exporter].octets +=
            field().split(',').filter_map(|octets| octets.parse::<u64>().ok()).sum::<u64>();
    }
    read
}

#[test]
fn tshark_reads_every_version() {
    if !has_tshark() {
        return;
    }
    let versions = ["1", "5", "7", "9", "ipfix"].into_iter().map(str::to_owned);
    let versions = versions.chain((1..=14).map(|scheme| format!("8.{scheme}")));
    let versions: Vec<Version> = versions.map(|version| version.parse().unwrap()).collect();
    let sent = |version: &Version| {
        let mut exporter = Exporter::new(ExporterConfig::new(*version, STARTED)).unwrap();
        export(&mut exporter, FLOWS)
    };
    let sent: Vec<Reading> = versions.iter().map(sent).collect();
    for ((version, sent), read) in versions.iter().zip(&sent).zip(tshark(&sent)) {
        assert_eq!(sent.problems(), 0, "{version}");
        assert_eq!((read.packets, read.malformed), (sent.packets.len(), 0), "{version}");
        assert_eq!(read.versions, BTreeSet::from([version.number().to_string()]), "{version}");
        let octets: u64 = sent.sink.flows.iter().map(|flow| flow.bytes_raw()).sum();
        assert_eq!(read.octets, octets, "{version}");
        assert!(octets > 0);
    }
}

#[test]
fn tshark_reads_every_profile() {
    if !has_tshark() {
        return;
    }
    // It takes zeros behind the last set for sets.
    let profiles: Vec<_> = PROFILES.iter().filter(|profile| !profile.habits.fill).collect();
    let sent = |profile: &&Profile| export(&mut Exporter::new(profile.config(STARTED)).unwrap(), FLOWS);
    let sent: Vec<Reading> = profiles.iter().map(sent).collect();
    for ((profile, sent), read) in profiles.iter().zip(&sent).zip(tshark(&sent)) {
        let &&Profile { name, version, .. } = profile;
        assert_eq!((read.packets, read.malformed), (sent.packets.len(), 0), "{name} {version}");
    }
}
