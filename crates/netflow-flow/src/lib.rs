#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[macro_use]
mod column;
mod schema;

mod normalize;
mod sink;

mod encode;

mod extras;
mod flows;
mod protocol;
mod quality;
mod service;
mod store;
mod value;

mod address;
mod beginning;
mod community_id;
mod file;
mod file_name;
mod gzip;
mod json;
mod read;
mod write;

pub use address::{AddressText, parse_address};
pub use beginning::{Holds, unlike};
pub use column::{Cell, CellError, Column, Gathered, Kind};
pub use community_id::{CommunityIdOf, community_id};
pub use encode::EncodePlan;
pub use extras::{Extras, ExtrasRef};
pub use file::{Format, UnknownFormat};
pub use file_name::FileName;
pub use flows::{FlowRef, Flows};
pub use gzip::{GzipBlock, GzipEnd, TornBlock, gzip_end};
pub use json::header_fields;
pub use netflow_templates::Value;
pub use normalize::{
    Normalizer, SamplingOverride, has_only_physical_interfaces, has_only_totals, is_of_events,
};
pub use protocol::{protocol_name, protocol_names};
pub use quality::Quality;
pub use read::{FlowReader, OptionsProblems, ReadError};
pub use schema::{COLUMNS, Flow, Rare, column};
pub use service::{service_name, service_names};
pub use sink::FlowSink;
pub use value::{ApplicationId, MacAddress, SamplingSource, TimeQuality};
pub use write::{
    FlowEncoder, NotText, PacketWriter, write_cell_text, write_csv_cell, write_csv_flow, write_csv_head,
    write_flow_line, write_json_cell,
};
