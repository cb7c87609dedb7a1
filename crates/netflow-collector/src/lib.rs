#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod pipeline;

mod receiver;

mod shard;

mod output;

mod writer;

mod directory;

mod listener;

mod admission;
mod assignment;
mod backlog;
mod block;
mod config;
mod drops;
mod feeder;
mod flow_file;
mod observer;
mod report;
mod rotation;
mod state;
mod stream;
mod tail;

pub use netflow_templates::sequence;

pub use admission::{Denial, Rules};
pub use backlog::{Backlog, WhenFull};
pub use block::Encoding;
pub use config::{Config, Listen, Source, StreamLimits, Transport};
pub use directory::{BadCommand, DirectoryConfig, DirectoryWriter, Expiry, FileCommand, Layout};
pub use listener::{PacketListener, ReceivedPacket};
pub use netflow_socket::forward::{Prefix, PrefixError};
pub use observer::{KnownTemplate, Observer, Snapshot, SocketState};
pub use output::{Branch, FlowOutput};
pub use pipeline::{Collector, CollectorError, Inlet};
pub use report::{Account, Accounts, DomainReport, Drops, Event, Report};
pub use rotation::{Rotation, Window};
pub use shard::{Output, Time};
pub use state::{StateError, StateEvent};
pub use stream::{Closing, FrameError, Refusal, StreamReport, TlsError, TlsFiles};
pub use writer::{FileWriter, OutputEvent, SharedState, WriteFailure, WriterReport, WriterState};
