//! Sessions: packets of several exporters, decoded, normalised, and written in every format.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netflow_flow::{FlowEncoder, FlowReader, Format, PacketWriter};
use netflow_templates::{
    Context, DataSet, Exporter, Limits, MessageSink, Problem, Session, SessionConfig, SnapshotPacket,
    TemplateChange, TemplateScope, Timestamp,
};

/// Small, so that few packets reach them.
const LIMITS: Limits = Limits {
    templates: 8,
    template_octets: 4 << 10,
    all_template_octets: 10 << 10,
    pending_octets: 2 << 10,
    pending_age: Duration::from_secs(60),
    exporter_options_octets: 8 << 10,
    options_octets: 20 << 10,
    template_lifetime: Some(Duration::from_secs(600)),
};
/// Octets of a step's head in a script.
const HEAD: usize = 3;
const START: i64 = 1_714_564_800;

/// Decodes a script of packets: an octet for the template scope, then for each packet an octet (two bits of
/// exporter, one of port, the rest is how many minutes after the one before), two of length, the packet.
pub fn session(data: &[u8]) {
    let Some((&scope, mut rest)) = data.split_first() else { return };
    let template_scope = match scope % 3 {
        0 => TemplateScope::Domain,
        1 => TemplateScope::Session,
        _ => TemplateScope::Exporter,
    };
    let config = SessionConfig { template_scope, limits: LIMITS, ..SessionConfig::default() };
    let mut session = Session::with_config(config);
    let mut everything = Everything::default();
    let mut now = START;
    while let Some((&[how, high, low], after)) = rest.split_first_chunk::<HEAD>() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(after.len());
        let (packet, after) = after.split_at(length);
        rest = after;
        now += i64::from(how >> 3) * 60;
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, how & 3));
        let exporter = Exporter { address, port: 2055 + u16::from(how >> 2 & 1) };
        let waited = session.waiting();
        if session.decode(exporter, Timestamp::from_secs(now), packet, &mut everything).is_ok() {
            everything.end_packet();
            everything.check();
            check_limits(&session, packet.len());
        } else {
            assert_eq!(session.waiting(), waited, "a packet that is refused changes nothing");
        }
    }
    check_snapshot(&session, template_scope);
}

/// A script for [`session`] of packets with the octet that says how each is sent.
pub fn script<'a>(packets: impl IntoIterator<Item = (u8, &'a [u8])>) -> Vec<u8> {
    let mut script = vec![0];
    for (how, packet) in packets {
        let length = packet.len().min(65_535);
        script.push(how);
        script.extend((length as u16).to_be_bytes());
        script.extend(&packet[..length]);
    }
    script
}

/// A session that is restored knows what this one knows; where there is less room than that takes, some of it.
fn check_snapshot(session: &Session, template_scope: TemplateScope) {
    let packets = |session: &Session| {
        let mut packets = Vec::new();
        session.snapshot(|packet| {
            packets.push((packet.exporter, packet.received, packet.waiting, packet.octets.to_vec()));
        });
        packets
    };
    let known = packets(session);
    for limits in [Limits::default(), LIMITS] {
        let config = SessionConfig { template_scope, limits, ..SessionConfig::default() };
        let mut next = Session::with_config(config);
        for &(exporter, received, waiting, ref octets) in &known {
            let restored = next.restore(SnapshotPacket { exporter, received, waiting, octets });
            restored.expect("what was said again is an export packet");
        }
        if limits.templates == LIMITS.templates {
            check_limits(&next, 0);
            continue;
        }
        // A domain may have been refreshed by templates that it has no more, and so the order is another one.
        let [mut known, mut then] = [known.clone(), packets(&next)];
        known.sort_unstable();
        then.sort_unstable();
        assert_eq!(then, known);
        assert_eq!(next.waiting(), session.waiting());
    }
}

fn check_limits(session: &Session, length: usize) {
    let (sets, octets) = session.waiting();
    // Room is made before a packet is decoded; what it brings itself comes on top.
    let own = length + length / 4 * 512;
    assert!(octets <= LIMITS.pending_octets + own, "{octets} octets wait after a packet of {length}");
    assert!(sets * 4 <= octets, "{sets} sets wait, of {octets} octets");
    assert!(session.template_octets() <= LIMITS.all_template_octets);
    assert!(session.templates() * 64 <= LIMITS.all_template_octets);
    let statistics = session.statistics();
    assert_eq!(
        statistics.undecoded_sets,
        statistics.late_sets + statistics.given_up_sets + sets as u64,
        "every set that had to wait was decoded, was given up, or waits"
    );
}

/// A sink that writes what a session decodes in every format, and as `nf decode` prints it.
#[derive(Debug)]
pub struct Everything {
    encoders: [FlowEncoder; 3],
    packet: PacketWriter,
    text: Vec<u8>,
}

const FORMATS: [Format; 3] = [Format::Packets, Format::FlowLines, Format::Csv];

impl Default for Everything {
    fn default() -> Self {
        let encoders = FORMATS.map(|format| FlowEncoder::new(format, None, None).expect("it is text"));
        Self { encoders, packet: PacketWriter::new(), text: Vec::new() }
    }
}

impl Everything {
    /// Ends an export packet.
    pub fn end_packet(&mut self) {
        self.encoders.iter_mut().for_each(FlowEncoder::end_packet);
        self.text.clear();
        self.packet.write_packet(&mut self.text);
    }

    /// Takes what was written since the last time; octets of all formats together.
    pub fn discard(&mut self) -> usize {
        let blocks = self.encoders.iter_mut().map(|encoder| encoder.take_block().unwrap());
        blocks.map(|block| block.map_or(0, |block| block.len())).sum::<usize>() + self.text.len()
    }

    /// Takes what was written since the last time, which must be what its format is.
    fn check(&mut self) {
        json(&self.text);
        for (encoder, format) in self.encoders.iter_mut().zip(FORMATS) {
            let Some(block) = encoder.take_block().unwrap() else { continue };
            if format != Format::Csv {
                json(&block);
            }
            let mut head = Vec::new();
            if format == Format::Csv {
                netflow_flow::write_csv_head(&mut head);
            }
            let file = [head, block].concat();
            let mut reader = FlowReader::new(file.as_slice()).unwrap();
            let mut flows = Vec::new();
            while reader.read(&mut flows).unwrap_or_else(|error| {
                panic!("{format}: {error} in {}", String::from_utf8_lossy(&file));
            }) {}
        }
    }
}

/// Each line must be JSON, in UTF-8.
fn json(text: &[u8]) {
    for line in text.split(|&octet| octet == b'\n').filter(|line| !line.is_empty()) {
        if let Err(error) = serde_json::from_slice::<serde_json::Value>(line) {
            panic!("{error} in {}", String::from_utf8_lossy(line));
        }
    }
}

impl MessageSink for Everything {
    fn packet(&mut self, context: &Context<'_>) {
        self.encoders.iter_mut().for_each(|encoder| encoder.packet(context));
        self.packet.packet(context);
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.encoders.iter_mut().for_each(|encoder| encoder.data(context, set));
        self.packet.data(context, set);
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.encoders.iter_mut().for_each(|encoder| encoder.options(context, set));
        self.packet.options(context, set);
    }

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        self.encoders.iter_mut().for_each(|encoder| encoder.template(context, change));
        self.packet.template(context, change);
    }

    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        // For people: a message that cannot be made would be a panic.
        assert!(!problem.to_string().is_empty());
        self.encoders.iter_mut().for_each(|encoder| encoder.problem(context, problem));
        self.packet.problem(context, problem);
    }
}
