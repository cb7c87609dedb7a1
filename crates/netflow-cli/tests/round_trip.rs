//! What is written to a flow file comes back as the flows that the export packets were decoded to, in every format.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use common::{fixtures, folder, skip};
use netflow_capture::{CaptureReader, looks_like_capture};
use netflow_flow::{
    Flow, FlowEncoder, FlowReader, Flows, Format, Normalizer, write_csv_head, write_flow_line,
};
use netflow_templates::{
    Context, DataSet, Exporter, MessageSink, Problem, Session, TemplateChange, Timestamp,
};

mod common;

const FORMATS: [Format; 3] = [Format::Packets, Format::FlowLines, Format::Csv];

/// Decodes to flows, and to a file of each format.
struct Everything {
    normalizer: Normalizer,
    flows: Vec<Flow>,
    encoders: Vec<FlowEncoder>,
    late: Vec<Flow>,
}

impl Everything {
    fn new() -> Self {
        let encoders = FORMATS
            .iter()
            .map(|&format| FlowEncoder::new(format, None, None).expect("a format without a dictionary"))
            .collect();
        Self { normalizer: Normalizer::new(), flows: Vec::new(), encoders, late: Vec::new() }
    }

    fn decode(&mut self, session: &mut Session, from: Exporter, received: Timestamp, octets: &[u8]) -> usize {
        let mut packet = Vec::new();
        std::mem::swap(&mut packet, &mut self.flows);
        let length = session.decode(from, received, octets, self);
        // A file of export packets has sets of earlier packets before the packet that they were decoded with.
        std::mem::swap(&mut packet, &mut self.flows);
        self.flows.append(&mut self.late);
        self.flows.append(&mut packet);
        self.encoders.iter_mut().filter(|_| length.is_ok()).for_each(FlowEncoder::end_packet);
        length.unwrap_or(octets.len())
    }
}

impl MessageSink for Everything {
    fn packet(&mut self, context: &Context<'_>) {
        self.encoders.iter_mut().for_each(|encoder| encoder.packet(context));
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.encoders.iter_mut().for_each(|encoder| encoder.data(context, set));
        let flows = if context.late { &mut self.late } else { &mut self.flows };
        let mut normalized = Flows::new();
        self.normalizer.normalize(context, set, &mut normalized);
        flows.append(&mut normalized.to_vec());
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.encoders.iter_mut().for_each(|encoder| encoder.options(context, set));
    }

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        if let TemplateChange::Sent { definition, plan, new } = change {
            for encoder in &mut self.encoders {
                encoder.template(context, TemplateChange::Sent { definition, plan, new });
            }
        }
    }

    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        self.encoders.iter_mut().for_each(|encoder| encoder.problem(context, problem));
    }
}

/// The flows as text, all columns that a format keeps.
fn kept(flows: &[Flow], format: Format) -> Vec<String> {
    let mut flows = flows.to_vec();
    if format == Format::Packets {
        for flow in &mut flows {
            flow.template_id = None;
            let micros = flow.time_received.as_nanos().div_euclid(1_000);
            flow.time_received = Timestamp::from_nanos(micros * 1_000);
        }
    }
    let mut lines: Vec<_> = flows
        .iter()
        .map(|flow| {
            let mut line = Vec::new();
            write_flow_line(&mut line, flow);
            String::from_utf8(line).expect("text")
        })
        .collect();
    if format != Format::Packets {
        // Late flows are where they were decoded.
        lines.sort_unstable();
    }
    lines
}

#[track_caller]
fn check(name: &str, mut everything: Everything) -> usize {
    for (format, encoder) in FORMATS.into_iter().zip(&mut everything.encoders) {
        let mut file = Vec::new();
        if format == Format::Csv {
            write_csv_head(&mut file);
        }
        file.extend(encoder.take_block().expect("memory takes it").unwrap_or_default());
        let (mut read, mut flows) = (Vec::new(), Vec::new());
        if !file.is_empty() {
            let mut reader = FlowReader::new(file.as_slice()).expect("a flow file");
            while reader.read(&mut flows).unwrap_or_else(|error| panic!("{name} {format}: {error}")) {
                read.extend(flows.iter().cloned());
            }
            assert_eq!(reader.unknown_fields().into_iter().collect::<Vec<_>>(), [""; 0], "{name} {format}");
        }
        let (expected, read) = (kept(&everything.flows, format), kept(&read, format));
        for (index, (expected, read)) in expected.iter().zip(&read).enumerate() {
            assert_eq!(read, expected, "{name} {format}, flow {index}");
        }
        assert_eq!(read.len(), expected.len(), "{name} {format}");
    }
    everything.flows.len()
}

/// Decodes captures, or files of export packets, in order.
fn decode(paths: &[PathBuf]) -> Everything {
    let (mut session, mut everything) = (Session::new(), Everything::new());
    for path in paths {
        let octets = fs::read(path).expect("a file");
        if !looks_like_capture(&octets) {
            let (from, received) =
                (Exporter { address: [192, 0, 2, 1].into(), port: 9 }, Timestamp::from_secs(1));
            let mut rest = octets.as_slice();
            while !rest.is_empty() {
                let length = everything.decode(&mut session, from, received, rest);
                rest = &rest[length.clamp(1, rest.len())..];
            }
            continue;
        }
        let mut capture = CaptureReader::new(File::open(path).expect("a file")).expect("a capture");
        while let Some(datagram) = capture.next_datagram().expect("a good capture") {
            everything.decode(&mut session, datagram.source.into(), datagram.time, datagram.payload);
        }
    }
    everything
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == ending)).collect();
    files.sort();
    files
}

#[test]
fn flows_of_every_fixture_come_back_from_every_format() {
    let Some(folder) = fixtures() else { return };
    let mut flows = 0;
    for path in files(&folder, "pcap") {
        flows += check(&path.display().to_string(), decode(&[path]));
    }
    assert!(flows > 1_000, "{flows} flows");
}

#[test]
fn flows_of_every_shared_capture_come_back_from_every_format() {
    let Some(folder) = folder("../shared/captures") else { return };
    let mut flows = 0;
    for path in files(&folder, "json") {
        let case: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
        let names = case["files"].as_array().expect("a list of files").iter();
        let paths: Vec<_> = names.map(|name| folder.join(name.as_str().expect("a name"))).collect();
        flows += check(&path.display().to_string(), decode(&paths));
    }
    if flows == 0 {
        skip("no flows in the shared captures");
    }
}
