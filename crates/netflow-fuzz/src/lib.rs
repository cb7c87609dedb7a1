#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what does not hold is found by a panic")]

mod capture_file;
mod flow_file;
mod message;
mod session;

pub mod corpus;
pub mod dictionary;
pub mod mutate;
mod random;
pub mod usage;
pub mod worst;

pub use capture_file::capture_file;
pub use flow_file::flow_file;
pub use message::message;
pub use random::Random;
pub use session::{Everything, script, session};

/// A fuzz target: takes any octets, and panics when something does not hold.
pub type Target = fn(&[u8]);

/// All fuzz targets, by name.
pub const TARGETS: &[(&str, Target)] =
    &[("message", message), ("session", session), ("flow_file", flow_file), ("capture_file", capture_file)];
