#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod pipeline;

mod receiver;

mod shard;

mod writer;

mod listener;

mod config;
mod feeder;
mod report;
mod tail;

pub use netflow_templates::sequence;

pub use config::{Config, Source};
pub use listener::{PacketListener, ReceivedPacket};
pub use pipeline::{Collector, CollectorError, Inlet};
pub use report::{DomainReport, Event, Report};
pub use shard::Output;
pub use writer::{FileOutput, FileWriter, WriteFailure, WriterReport};
