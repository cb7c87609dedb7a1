//! Flows of captures and IPFIX files.

use std::io::Read;

use netflow_capture::{CaptureError, PacketFile, PacketFileStatistics};
use netflow_flow::{Flow, FlowSink, Normalizer};
use netflow_templates::{Session, SessionConfig, SessionStatistics};
use netflow_wire::Message;

use super::FlowSource;

/// Decodes the export packets of a file to flows.
#[derive(Debug)]
pub struct Decoded<R> {
    file: PacketFile<R>,
    session: Session,
    sink: FlowSink,
    malformed: u64,
}

impl<R: Read> Decoded<R> {
    /// The flows of a file, as `normalizer` makes them.
    pub fn new(file: PacketFile<R>, config: SessionConfig, normalizer: Normalizer) -> Self {
        Self { file, session: Session::with_config(config), sink: FlowSink::new(normalizer), malformed: 0 }
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
        flows.extend(self.sink.flows.iter().map(netflow_flow::FlowRef::to_flow));
        self.sink.flows.clear();
        Ok(true)
    }
}
