//! Decoded packets as an iterator, for programs that want flows and no files.

use std::net::SocketAddr;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use netflow_flow::{Flow, Flows, Normalizer};
use netflow_templates::{Context, DataSet, Exporter, MessageSink, Problem, Timestamp};
use netflow_wire::Header;

use crate::config::{Config, Listen, Source};
use crate::pipeline::{Collector, CollectorError, Inlet};
use crate::report::Report;
use crate::shard::Output;

/// Packets that may wait to be taken; receiving stops meanwhile, and the kernel's buffer fills.
const QUEUE: usize = 1_024;

/// An export packet that was received and decoded.
#[derive(Debug, Clone)]
pub struct ReceivedPacket {
    /// Who sent it.
    pub exporter: Exporter,
    /// When it was received.
    pub received: Timestamp,
    /// Its header.
    pub header: Header,
    /// The flows in it, and those of earlier packets that waited for a template of this one; the column
    /// `time_received` says when each was received.
    pub flows: Vec<Flow>,
    /// What was wrong with it.
    pub problems: Vec<Problem>,
}

/// Listens for export packets and hands them out, decoded, one after the other.
///
/// ```no_run
/// use netflow_collector::PacketListener;
///
/// for packet in PacketListener::bind("0.0.0.0:2055".parse()?)? {
///     println!("{} flows from {}", packet.flows.len(), packet.exporter.address);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PacketListener {
    collector: Option<Collector>,
    packets: Receiver<ReceivedPacket>,
}

impl PacketListener {
    /// Listens on a UDP address.
    pub fn bind(address: SocketAddr) -> Result<Self, CollectorError> {
        Self::start(&Config::new(Source::Listen(vec![Listen::udp(address)])))
    }

    /// Takes packets from wherever `config` says.
    pub fn start(config: &Config) -> Result<Self, CollectorError> {
        let (sender, packets) = bounded(QUEUE);
        let output = PacketOutput {
            normalizer: Normalizer::new(),
            flows: Flows::new(),
            packet: None,
            packets: sender,
        };
        // Nobody can ask how it goes.
        let config = Config { observed: false, ..config.clone() };
        let collector = Collector::start(&config, Inlet::open(&config)?, vec![output])?;
        Ok(Self { collector: Some(collector), packets })
    }

    /// Addresses that are listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.collector.as_ref().map_or(&[], Collector::addresses)
    }

    /// The next packet, if one comes in time.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<ReceivedPacket> {
        self.packets.recv_timeout(timeout).ok()
    }

    /// Stops listening. Packets that were not taken are dropped.
    pub fn stop(mut self) -> Report {
        self.end().unwrap_or_default()
    }

    fn end(&mut self) -> Option<Report> {
        let collector = self.collector.take()?;
        collector.request_stop();
        // Without a receiver the shard is not held up by packets that nobody takes.
        self.packets = crossbeam_channel::never();
        Some(collector.stop())
    }
}

impl Iterator for PacketListener {
    type Item = ReceivedPacket;

    /// Waits for the next packet. `None` when the capture, if packets come from one, is at its end.
    fn next(&mut self) -> Option<ReceivedPacket> {
        self.packets.recv().ok()
    }
}

impl Drop for PacketListener {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends packets to whoever iterates.
struct PacketOutput {
    normalizer: Normalizer,
    flows: Flows,
    packet: Option<ReceivedPacket>,
    packets: Sender<ReceivedPacket>,
}

impl MessageSink for PacketOutput {
    fn packet(&mut self, context: &Context<'_>) {
        self.packet = Some(ReceivedPacket {
            exporter: context.exporter,
            received: context.received,
            header: *context.header,
            flows: Vec::new(),
            problems: Vec::new(),
        });
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.normalizer.normalize(context, set, &mut self.flows);
    }

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        if let Some(packet) = &mut self.packet {
            packet.problems.push(problem);
        }
    }
}

impl Output for PacketOutput {
    fn end_packet(&mut self) {
        if let Some(mut packet) = self.packet.take() {
            packet.flows = self.flows.to_vec();
            self.flows.clear();
            let _ = self.packets.send(packet);
        }
    }

    fn flush(&mut self) {}
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use netflow_wire::{Ipv4, MessageEncoder, ipfix, v5};

    use super::*;

    #[test]
    fn packets_are_handed_out_decoded() {
        let mut listener = PacketListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let header = Header::V5(v5::Header { count: 1, ..v5::Header::default() });
        let source: Ipv4 = std::net::Ipv4Addr::new(192, 0, 2, 1).into();
        let mut packet = MessageEncoder::new(header);
        packet.record(&v5::Record { src_addr: source, packets: 7, ..v5::Record::default() });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&packet.finish(), listener.addresses()[0]).unwrap();

        let packet = listener.next_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(packet.exporter, socket.local_addr().unwrap().into());
        assert_eq!(packet.flows[0].packets_raw, 7);
        let report = listener.stop();
        assert_eq!((report.received, report.session.records), (1, 1));
    }

    #[test]
    fn all_messages_of_a_datagram_are_decoded() {
        let mut listener = PacketListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let message = |sequence_number| {
            let header = ipfix::Header { sequence_number, ..ipfix::Header::default() };
            MessageEncoder::new(Header::Ipfix(header)).finish()
        };
        // Zeros behind the last one are no message.
        let datagram = [message(1), message(2), vec![0; 20]].concat();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&datagram, listener.addresses()[0]).unwrap();
        for sequence in [1, 2] {
            let packet = listener.next_timeout(Duration::from_secs(10)).unwrap();
            assert_eq!(packet.header.sequence(), Some(sequence));
        }
        assert_eq!(listener.next_timeout(Duration::from_millis(50)).map(|packet| packet.header), None);
        // What is no message is counted.
        socket.send_to(&[message(3), b"tail".to_vec()].concat(), listener.addresses()[0]).unwrap();
        assert!(listener.next_timeout(Duration::from_secs(10)).is_some());
        let report = listener.stop();
        assert_eq!((report.received, report.session.packets, report.malformed), (2, 3, 1));
    }

    #[test]
    fn a_listener_that_nobody_reads_can_be_stopped() {
        let listener = PacketListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let packet = MessageEncoder::new(Header::V5(v5::Header::default())).finish();
        for _ in 0..3 * QUEUE {
            socket.send_to(&packet, listener.addresses()[0]).unwrap();
        }
        std::thread::sleep(Duration::from_millis(200));
        assert!(listener.stop().received > 0);
    }
}
