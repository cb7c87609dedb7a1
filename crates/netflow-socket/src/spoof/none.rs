//! Systems on which there is no sending under another's address.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use super::SpoofError;
use crate::sender::{Outgoing, SendStatistics, SenderOptions};

/// There is none.
#[derive(Debug)]
pub(super) struct Raw(Infallible);

impl Raw {
    pub(super) fn open(_: SocketAddr, _: &SenderOptions) -> Result<Self, SpoofError> {
        Err(SpoofError::Unsupported)
    }

    pub(super) fn send(&mut self, _: &[Outgoing<'_>], _: &mut SendStatistics) -> Option<io::Error> {
        match self.0 {}
    }
}
