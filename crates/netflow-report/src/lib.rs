#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::print_stdout))]

mod html;
mod page;
mod report;
mod svg;
mod units;

pub use report::{
    Amount, Basis, Connection, Connections, Correction, Direction, End, Exporter, Loss, LossWindow, Ranked,
    Ranking, Report, Series, SystemsByInterface, Timeline, Totals,
};
