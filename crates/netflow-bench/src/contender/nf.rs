//! nf: all fields to normalised flows.

use netflow_flow::{Flows, Normalizer};
use netflow_templates::{Context, DataSet, MessageSink, Session, Timestamp};

use super::Contender;
use crate::corpus::{Corpus, Totals};

#[derive(Default)]
struct Sink {
    normalizer: Normalizer,
    flows: Flows,
}

impl MessageSink for Sink {
    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.normalizer.normalize(context, set, &mut self.flows);
    }
}

/// nf.
pub fn nf() -> Contender {
    let (mut session, mut sink) = (Session::new(), Sink::default());
    Contender::new("nf", move |corpus| decode(&mut session, &mut sink, corpus))
}

fn decode(session: &mut Session, sink: &mut Sink, corpus: &Corpus) -> Totals {
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
