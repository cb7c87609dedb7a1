//! nf: all fields to normalised flows.

use netflow_flow::FlowSink;
use netflow_templates::{Session, Timestamp};

use super::Contender;
use crate::corpus::{Corpus, Totals};

/// nf.
pub fn nf() -> Contender {
    let (mut session, mut sink) = (Session::new(), FlowSink::default());
    Contender::new("nf", move |corpus| decode(&mut session, &mut sink, corpus))
}

fn decode(session: &mut Session, sink: &mut FlowSink, corpus: &Corpus) -> Totals {
    let received = Timestamp::from_secs(1_714_600_000);
    let mut totals = Totals::default();
    for (exporter, octets) in corpus.packets() {
        // What cannot be decoded is missing from the totals.
        let _ = session.decode(exporter, received, octets, sink);
        for flow in std::hint::black_box(&sink.flows).iter() {
            totals.add(flow.bytes_raw(), flow.packets_raw());
        }
        sink.flows.clear();
    }
    totals
}
