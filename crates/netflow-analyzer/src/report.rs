//! What to show of connections: one set of columns for JSON, CSV and tables, and lines of text for people.
//!
//! [`Row`] is the data. The text is that of PyPI `netflow`'s analyzer, down to its way of writing sizes
//! and durations, since scripts read it.

use std::net::IpAddr;

use netflow_flow::Flow;

use crate::connection::Connection;

mod order;
mod row;
mod text;

pub use order::{Order, SortKey, UnknownOrder};
pub use row::{CellKind, CellValue, Exporters, Row, Time};
pub use text::{Lines, write_line, write_unpaired};

/// Which connections to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// The least packets, of both directions together.
    pub least_packets: u64,
    /// The address that one of the two ends has to have.
    pub host: Option<IpAddr>,
}

impl Filter {
    /// Whether a flow can become part of a connection that is reported: asked before pairing, it spares
    /// pairing the rest.
    pub fn wants_flow(&self, flow: &Flow) -> bool {
        self.host.is_none_or(|host| flow.src_addr == Some(host) || flow.dst_addr == Some(host))
    }

    /// Whether there are enough packets. (Connections that fail this alone are counted as skipped.)
    pub fn has_enough_packets(&self, connection: &Connection) -> bool {
        connection.total_packets() >= self.least_packets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::proto;
    use crate::testing::{flow, pair};

    #[test]
    fn filter() {
        let connection = pair(&[flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443")]).remove(0);
        let host = |addr: &str| Filter { least_packets: 10, host: Some(addr.parse().unwrap()) };
        assert!(host("10.0.0.1").has_enough_packets(&connection));
        assert!(!Filter { least_packets: 11, host: None }.has_enough_packets(&connection));
        let flow = flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443");
        assert!(host("10.0.0.1").wants_flow(&flow) && !host("10.0.0.2").wants_flow(&flow));
        assert!(Filter::default().wants_flow(&flow));
    }
}
