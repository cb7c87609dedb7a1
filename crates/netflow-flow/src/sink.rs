//! Flows straight from a session.

use netflow_templates::{Context, DataSet, MessageSink};

use crate::flows::Flows;
use crate::normalize::Normalizer;

/// A sink that keeps the flows of what a session decodes, until they are cleared.
#[derive(Debug, Default)]
pub struct FlowSink {
    normalizer: Normalizer,
    /// The flows, in the order in which they were decoded.
    pub flows: Flows,
}

impl FlowSink {
    /// A sink whose flows `normalizer` makes.
    pub fn new(normalizer: Normalizer) -> Self {
        Self { normalizer, flows: Flows::new() }
    }
}

impl MessageSink for FlowSink {
    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.normalizer.normalize(context, set, &mut self.flows);
    }
}
