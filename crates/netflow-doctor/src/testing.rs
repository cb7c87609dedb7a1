//! What the tests of several modules need.

use netflow_flow::{SamplingSource, TimeQuality};
use netflow_templates::Timestamp;

use crate::reading::{FlowKey, Observation};

/// When the flows of tests are exported and received.
pub(crate) const EXPORT: Timestamp = Timestamp::from_secs(1_714_564_800);

/// A flow of no particular kind, without times.
pub(crate) fn flow() -> Observation {
    Observation {
        exporter: [192, 0, 2, 254].into(),
        domain: 1,
        version: 9,
        sequence: 0,
        record_index: 0,
        received: EXPORT,
        export: EXPORT,
        start: None,
        end: None,
        time_quality: TimeQuality::Exact,
        octets: 5_000,
        packets: 10,
        key: Some(FlowKey {
            src: [192, 0, 2, 1].into(),
            dst: [198, 51, 100, 1].into(),
            ports: (50_000, 443),
            proto: 6,
        }),
        direction: None,
        interfaces: (1, 2),
        rate: 1,
        rate_source: SamplingSource::Assumed,
        invalid_value: false,
        icmp_from_port: false,
        event: false,
    }
}
