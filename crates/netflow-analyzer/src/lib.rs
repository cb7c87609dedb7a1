//! From flow records to bidirectional connections, with service and host names.
//!
//! An exporter reports each direction of a conversation by itself, and a long conversation in pieces; other
//! exporters report the same. This crate puts them together again:
//!
//! ```text
//!  Flow ──► ConnectionKey ──► Pairing ──► Connection ──► Orientation   who is the client
//!           protocol,         adds up     two Peers,      Services      what is it
//!           both endpoints    pieces,     times,          Resolver      who are they
//!                             merges,     counters            │
//!                             waits                           ▼
//!                                                    report: text, JSON, CSV
//! ```
//!
//! - [`key`]: which flows belong together, and on which side.
//! - [`pairing`]: when they belong together. Works on a stream of any length in memory that follows the
//!   open connections, and reads no clock: time is what the flows say.
//! - [`connection`]: the result.
//! - [`orientation`]: which end is the client, and on what evidence.
//! - [`service`]: the names of services, from IANA's registry and the system's `/etc/services`.
//! - [`resolver`]: the names of hosts, by reverse DNS within a deadline.
//! - [`report`]: what to show of connections, and how.
//!
//! # Example
//!
//! A DNS query and its answer, exported as two flows:
//!
//! ```
//! use netflow_analyzer::{Kind, Orientation, Pairing, PairingConfig, Services};
//! use netflow_flow::Flow;
//! use netflow_templates::Timestamp;
//!
//! let mut query = Flow::default();
//! query.src_addr = Some("192.0.2.10".parse()?);
//! query.dst_addr = Some("198.51.100.53".parse()?);
//! (query.proto, query.src_port, query.dst_port) = (17, 40_000, 53);
//! (query.bytes_raw, query.packets_raw, query.sampling_rate) = (60, 1, 1);
//! query.time_received = Timestamp::from_secs(1_714_564_815);
//! query.time_flow_start = Some(Timestamp::from_secs(1_714_564_800));
//! query.time_flow_end = query.time_flow_start;
//!
//! let mut answer = query.clone();
//! (answer.src_addr, answer.dst_addr) = (query.dst_addr, query.src_addr);
//! (answer.src_port, answer.dst_port) = (53, 40_000);
//! answer.bytes_raw = 180;
//!
//! let mut connections = Vec::new();
//! let mut pairing = Pairing::new(PairingConfig::default());
//! pairing.push(&query, &mut |connection| connections.push(connection));
//! pairing.push(&answer, &mut |connection| connections.push(connection));
//! pairing.finish(&mut |connection| connections.push(connection));
//!
//! let services = Services::embedded();
//! let connection = &connections[0];
//! assert_eq!(connection.kind, Kind::Paired);
//! assert_eq!(connection.total_bytes(), 240);
//! assert_eq!(services.of(connection), Some("domain"));
//! let client = Orientation::of(connection, &services).client;
//! assert_eq!(connection.peer(client).port, 40_000);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod connection;
pub mod key;
pub mod orientation;
pub mod pairing;
pub mod report;
pub mod resolver;
pub mod service;

mod firewall;
mod slab;
mod stream_clock;
mod wheel;

#[cfg(test)]
mod testing;

pub use connection::{Connection, Kind, Peer, Traffic};
pub use key::{ConnectionKey, Endpoint, Side};
pub use orientation::{Orientation, Reason};
pub use pairing::{Pairing, PairingConfig, PairingStatistics};
pub use report::{Order, Row};
pub use resolver::{HostNames, Resolver};
pub use service::{Services, ServicesError};
