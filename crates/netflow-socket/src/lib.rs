#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::print_stdout))]

mod batch;
pub mod forward;
mod receiver;
mod sender;
mod spoof;

pub use batch::{Batch, Pool};
pub use receiver::{Datagram, Inbox, ReceiverOptions, Steering, UdpReceiver};
pub use sender::{SendStatistics, SenderOptions, UdpSender};
pub use spoof::{SpoofError, SpoofingSender};
