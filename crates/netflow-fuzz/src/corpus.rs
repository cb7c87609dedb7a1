//! Seeds: real packets, captures and flow files, for fuzzing to start from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use netflow_capture::{CaptureReader, looks_like_capture};
use netflow_flow::{FlowEncoder, Format, GzipBlock};
use netflow_templates::{Exporter, Session, Timestamp};

use crate::session::script;

/// Captures that are longer are left out: a seed is to be run thousands of times a second.
const LONGEST_CAPTURE: usize = 256 << 10;
/// Octets of a flow file, of which there are a few for each capture.
const LONGEST_FILE: usize = 16 << 10;
/// Packets of one capture that become seeds.
const PACKETS: usize = 40;
/// Packets of one script.
const SCRIPT: usize = 12;

/// The folder `fixtures` of this repository.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Real export packets, each list from one capture, with its name.
pub fn packets(folder: &Path) -> io::Result<Vec<(String, Vec<Vec<u8>>)>> {
    let mut captures = Vec::new();
    for (name, content) in files(folder)? {
        let packets = if name.ends_with(".dat") { vec![content] } else { payloads(&content) };
        // Captures of the traffic itself hold no export packets.
        let packets: Vec<_> =
            packets.into_iter().filter(|packet| netflow_wire::Message::parse(packet).is_ok()).collect();
        if !packets.is_empty() {
            captures.push((name, packets));
        }
    }
    Ok(captures)
}

/// The seeds of a fuzz target, with names for files; none for a name that is no target's.
pub fn seeds(target: &str, folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let captures = packets(folder)?;
    Ok(match target {
        "message" => named(
            captures
                .iter()
                .map(|(name, packets)| (name, packets.iter().take(PACKETS).cloned().collect::<Vec<_>>())),
        ),
        "session" => named(captures.iter().map(|(name, packets)| (name, scripts(packets)))),
        "flow_file" => named(captures.iter().map(|(name, packets)| (name, flow_files(packets)))),
        "capture_file" => {
            let mut captures = files(folder)?;
            captures.retain(|(_, content)| looks_like_capture(content) && content.len() <= LONGEST_CAPTURE);
            captures.extend(crate::worst::captures(2 << 10));
            captures
        }
        _ => Vec::new(),
    })
}

fn named<'a>(seeds: impl Iterator<Item = (&'a String, Vec<Vec<u8>>)>) -> Vec<(String, Vec<u8>)> {
    seeds
        .flat_map(|(name, seeds)| {
            seeds.into_iter().enumerate().map(move |(number, seed)| (format!("{name}-{number:03}"), seed))
        })
        .collect()
}

/// Files of a folder, sorted by name; none if it is not there.
fn files(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".pcap") || name.ends_with(".dat") {
            files.push((name, fs::read(path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn payloads(capture: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    if let Ok(mut reader) = CaptureReader::new(capture) {
        while let Ok(Some(datagram)) = reader.next_datagram() {
            payloads.push(datagram.payload.to_vec());
        }
    }
    payloads
}

fn scripts(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let how = |number: usize| if number.is_multiple_of(5) { 1 } else { (number % 3) as u8 * 8 };
    packets
        .chunks(SCRIPT)
        .take(4)
        .map(|packets| script(packets.iter().enumerate().map(|(number, packet)| (how(number), &packet[..]))))
        .collect()
}

/// The beginning of a capture's packets in each format, of flows as Parquet too, and all of one compressed.
fn flow_files(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for format in [Format::Packets, Format::FlowLines, Format::Csv] {
        let mut session = Session::new();
        let mut encoder = FlowEncoder::new(format, None, None).expect("it is text");
        let mut file = Vec::new();
        if format == Format::Csv {
            netflow_flow::write_csv_head(&mut file);
        }
        let exporter = Exporter { address: [192, 0, 2, 1].into(), port: 2055 };
        for packet in packets.iter().take(SCRIPT) {
            if session.decode(exporter, Timestamp::from_secs(1_714_564_800), packet, &mut encoder).is_ok() {
                encoder.end_packet();
            }
        }
        file.extend(encoder.take_block().unwrap().unwrap_or_default());
        // Whole lines, and few: a mutation is to hit something.
        file.truncate(LONGEST_FILE);
        let end = file.iter().rposition(|&octet| octet == b'\n');
        file.truncate(end.map_or(file.len(), |end| end + 1));
        files.push(file);
    }
    let whole = GzipBlock::default().compress(&files[0]).unwrap();
    files.push(crate::flow_file::parquet(&crate::flow_file::read(&files[1], true)));
    files.push(whole);
    files
}
