#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod session;

mod table;

mod plan;

mod data_set;

mod element;
mod encoding;
mod known;
mod list;
mod registry;

mod clock;
mod memory;
mod options;
mod pending;
mod problem;
mod sampling;
mod timestamp;

pub mod sequence;

pub use clock::Clock;
pub use data_set::{Column, DataSet, Record};
pub use element::{DataType, Element, Semantics, Units};
pub use encoding::{Value, put_address, put_octets, put_text, put_unsigned};
pub use list::{List, ListItem, ListSemantic};
pub use options::{DomainOptions, Found, Options, RateOf};
pub use plan::{Field, Naming, Plan};
pub use problem::{DescriptionFault, Problem};
pub use registry::{Registry, RegistryError};
pub use sampling::SamplingParameters;
pub use session::{
    Context, Exporter, Limits, MessageSink, Session, SessionConfig, SessionStatistics, SnapshotPacket,
    StreamId, TemplateChange,
};
pub use table::TemplateScope;
pub use timestamp::{ParseTimestampError, Timestamp};
