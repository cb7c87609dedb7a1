#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod sender;

pub use sender::{SendStatistics, SenderOptions, UdpSender};
