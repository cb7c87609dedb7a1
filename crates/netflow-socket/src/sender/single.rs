//! One datagram with each system call, for systems that have nothing better.
#![cfg_attr(target_os = "linux", allow(dead_code, reason = "other systems send this way; here it is tested"))]

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use super::{Outgoing, SendStatistics, SenderOptions};

/// How long to wait before the system is asked again whether it has room.
const PAUSE: Duration = Duration::from_micros(100);

#[derive(Debug)]
pub(super) struct Way {
    waiting: Waiting,
}

impl Way {
    pub(super) fn new(_: &UdpSocket, options: &SenderOptions) -> Self {
        Self { waiting: Waiting::new(options.patience) }
    }

    /// There are no runs here.
    pub(super) fn set_coalesce(&mut self, _: bool) {}

    /// Sends all; returns the last error that lost a datagram.
    pub(super) fn send(
        &mut self,
        socket: &UdpSocket,
        batch: &[Outgoing<'_>],
        statistics: &mut SendStatistics,
    ) -> Option<io::Error> {
        let mut lost = None;
        for &(target, payload) in batch {
            match self.send_one(socket, target, payload, statistics) {
                Ok(()) => {
                    self.waiting.over();
                    statistics.count_sent(payload);
                }
                Err(error) => {
                    statistics.count_lost(payload);
                    lost = Some(error);
                }
            }
        }
        lost
    }

    fn send_one(
        &mut self,
        socket: &UdpSocket,
        target: Option<std::net::SocketAddr>,
        payload: &[u8],
        statistics: &mut SendStatistics,
    ) -> io::Result<()> {
        loop {
            let sent = match target {
                Some(target) => socket.send_to(payload, target),
                None => socket.send(payload),
            };
            match sent {
                Ok(_) => return Ok(()),
                Err(error) => match Verdict::of(&error) {
                    Verdict::Again => {}
                    Verdict::Refused => statistics.refused += 1,
                    Verdict::NoRoom if self.waiting.wait() => {}
                    Verdict::NoRoom | Verdict::Lost => return Err(error),
                },
            }
        }
    }
}

/// What an error says about the datagram that was to be sent.
pub(crate) enum Verdict {
    /// Nothing: to be sent again.
    Again,
    /// An earlier one was refused; this one is to be sent again.
    Refused,
    /// There may be room for it later.
    NoRoom,
    /// It cannot be sent.
    Lost,
}

impl Verdict {
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::Interrupted => Self::Again,
            // Windows calls it a reset.
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Self::Refused,
            ErrorKind::WouldBlock | ErrorKind::OutOfMemory => Self::NoRoom,
            _ if no_buffers(error) => Self::NoRoom,
            _ => Self::Lost,
        }
    }
}

#[cfg(unix)]
fn no_buffers(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}

/// WSAENOBUFS.
#[cfg(not(unix))]
fn no_buffers(error: &io::Error) -> bool {
    error.raw_os_error() == Some(10_055)
}

/// Waits for room, as long as there is patience.
#[derive(Debug)]
pub(crate) struct Waiting {
    patience: Duration,
    since: Option<Instant>,
}

impl Waiting {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, since: None }
    }

    /// Waits a moment; false when nothing was sent for so long that there is no patience left.
    pub(crate) fn wait(&mut self) -> bool {
        if self.since.get_or_insert_with(Instant::now).elapsed() >= self.patience {
            return false;
        }
        thread::sleep(PAUSE);
        true
    }

    /// There was room: the next time it is waited for anew.
    pub(crate) fn over(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_for_all_that_is_sent_until_there_is_room_again() {
        let mut waiting = Waiting::new(PAUSE);
        while waiting.wait() {}
        assert!(!waiting.wait());
        waiting.over();
        assert!(waiting.wait());
    }
}
