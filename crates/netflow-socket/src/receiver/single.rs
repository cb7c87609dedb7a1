//! One datagram with each system call, for systems that have nothing better.
#![cfg_attr(
    target_os = "linux",
    allow(dead_code, reason = "other systems receive this way; here it is tested")
)]

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::SystemTime;

use super::{BATCH, Datagram};

/// Memory for a datagram.
#[derive(Debug)]
pub(super) struct Slots {
    /// One octet more than the longest datagram, which shows that one is longer.
    octets: Vec<u8>,
}

impl Slots {
    pub(super) fn new(longest: usize) -> Self {
        Self { octets: vec![0; longest + 1] }
    }

    /// Takes what there is of a socket that does not block; the flag says whether a datagram is whole.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        clock: fn() -> SystemTime,
        mut take: impl FnMut(Datagram<'_>, bool),
    ) -> io::Result<usize> {
        let longest = self.octets.len() - 1;
        for count in 0..BATCH {
            let (length, source) = match socket.recv_from(&mut self.octets) {
                Ok(received) => received,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(count),
                    ErrorKind::Interrupted => continue,
                    // What came before is not to be said to be nothing; a lasting error comes again.
                    _ if count > 0 => return Ok(count),
                    _ => return Err(error),
                },
            };
            let source = SocketAddr::new(source.ip().to_canonical(), source.port());
            let payload = &self.octets[..length.min(longest)];
            take(Datagram { source, time: clock(), payload }, length <= longest);
        }
        Ok(BATCH)
    }
}
