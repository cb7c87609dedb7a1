#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod doctor;

mod domain;
mod reading;

mod clock;
mod double;
mod fields;
mod loss;
mod quirks;
mod sampling;
mod templates;
mod times;

mod samples;

mod advice;
mod diagnosis;
mod finding;
mod sentence;

pub use advice::{Advice, Command};
pub use clock::ClockFacts;
pub use diagnosis::{Diagnosis, DomainFacts, Source};
pub use doctor::{Doctor, Overflow};
pub use finding::{Finding, Kind, Observer, Severity};
pub use quirks::{QUIRKS, Quirk, Signal};
pub use sampling::{RateSaid, RateUsed, SamplingFacts};
pub use sentence::Seconds;
pub use templates::TemplateFacts;

#[cfg(test)]
mod testing;
