//! Flows of captures and IPFIX files.

use std::io::Read;

use netflow_capture::{CaptureError, PacketFile, PacketFileStatistics};
use netflow_flow::{Flow, FlowSink, Normalizer};
use netflow_templates::{Context, DataSet, MessageSink, Problem, Session, SessionConfig, SessionStatistics};
use netflow_wire::Message;

use super::FlowSource;

/// Decodes the export packets of a file to flows.
#[derive(Debug)]
pub struct Decoded<R> {
    file: PacketFile<R>,
    session: Session,
    sink: Sink,
    malformed: u64,
}

/// Flows, and what they lack.
#[derive(Debug)]
struct Sink {
    flows: FlowSink,
    faults: u64,
}

impl MessageSink for Sink {
    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.flows.data(context, set);
    }

    fn problem(&mut self, _: &Context<'_>, problem: Problem) {
        self.faults += u64::from(problem.is_malformed());
    }
}

impl<R: Read> Decoded<R> {
    /// The flows of a file, as `normalizer` makes them.
    pub fn new(file: PacketFile<R>, config: SessionConfig, normalizer: Normalizer) -> Self {
        let sink = Sink { flows: FlowSink::new(normalizer), faults: 0 };
        Self { file, session: Session::with_config(config), sink, malformed: 0 }
    }

    /// What was decoded up to now.
    #[must_use]
    pub fn session(&self) -> SessionStatistics {
        self.session.statistics()
    }

    /// Datagrams that are no export packets, or whose header is cut off.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Problems within packets by which something of them was lost: [`Problem::is_malformed`].
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.sink.faults
    }

    /// What was in the file up to now.
    #[must_use]
    pub fn statistics(&self) -> PacketFileStatistics {
        self.file.statistics()
    }
}

impl<R: Read> FlowSource for Decoded<R> {
    type Error = CaptureError;

    fn next_flows(&mut self, flows: &mut Vec<Flow>) -> Result<bool, CaptureError> {
        flows.clear();
        let Some(datagram) = self.file.next_datagram()? else { return Ok(false) };
        let mut next = Some(datagram.payload);
        while let Some(octets) = next {
            let decoded = self.session.decode(datagram.source.into(), datagram.time, octets, &mut self.sink);
            self.malformed += u64::from(decoded.is_err());
            next = decoded.ok().and_then(|length| Message::following(octets, length));
        }
        flows.extend(self.sink.flows.flows.iter().map(netflow_flow::FlowRef::to_flow));
        self.sink.flows.flows.clear();
        Ok(true)
    }
}
