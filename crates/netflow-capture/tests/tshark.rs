//! What `CaptureWriter` writes, as tshark sees it.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;

use netflow_capture::CaptureWriter;
use netflow_templates::Timestamp;

#[test]
fn tshark_finds_every_datagram_and_right_checksums() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: there is no tshark");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("written.pcap");
    let mut writer = CaptureWriter::new(File::create(&path).unwrap()).unwrap();
    let mut expected = String::new();
    for (number, (source, destination)) in
        [("192.0.2.1:40000", "192.0.2.2:9"), ("[2001:db8::1]:40000", "[2001:db8::2]:9")]
            .into_iter()
            .cycle()
            .take(200)
            .enumerate()
    {
        let payload: Vec<u8> = (0..number * 300).map(|at| (at * number) as u8).collect();
        let [from, to] = [source, destination].map(|address| address.parse::<SocketAddr>().unwrap());
        let time = Timestamp::from_nanos(1_714_564_800_000_000_000 + number as i64 * 1_001);
        writer.write(time, from, to, &payload).unwrap();
        let time = format!("1714564800.{:09}", number * 1_001);
        // 1 says that a checksum is good; IPv6 has none of its own.
        let ip = if from.is_ipv4() { "1" } else { "" };
        expected += &format!("{time}\t{ip}\t1\t{}\n", payload.len() + 8);
    }
    let output = Command::new("tshark")
        .args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields"])
        .args(["-e", "frame.time_epoch", "-e", "ip.checksum.status", "-e", "udp.checksum.status"])
        .args(["-e", "udp.length", "-r"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
