//! The way to a target, opened again after it failed.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::ForwardOptions;
use crate::sender::{SendStatistics, SenderOptions, UdpSender};
use crate::spoof::{SpoofError, SpoofingSender};

/// How long to wait before a way is opened again.
const AGAIN: Duration = Duration::from_secs(1);

/// The way to one target.
#[derive(Debug)]
pub(super) struct Outlet {
    target: SocketAddr,
    options: SenderOptions,
    way: Option<Way>,
    opened: Instant,
}

#[derive(Debug)]
enum Way {
    Own(UdpSender),
    Spoofing(SpoofingSender),
}

/// What became of some datagrams.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) statistics: SendStatistics,
    pub(super) error: Option<io::Error>,
}

impl Outlet {
    /// Opens the way. That there is none now is no error, but that it is not permitted is.
    pub(super) fn open(target: SocketAddr, options: &ForwardOptions) -> Result<Self, SpoofError> {
        let sender = options.sender.clone();
        let way = match options.spoof {
            true => Some(Way::Spoofing(SpoofingSender::connect(target, &sender)?)),
            false => UdpSender::connect(target, &sender).ok().map(Way::Own),
        };
        Ok(Self { target, options: sender, way, opened: Instant::now() })
    }

    /// Sends datagrams, in order. In a hurry runs of them are handed to the system as one.
    pub(super) fn send<'a>(
        &mut self,
        datagrams: impl Iterator<Item = (SocketAddr, &'a [u8])>,
        hurry: bool,
    ) -> Sent {
        let mut failed = None;
        if self.way.is_none() && self.opened.elapsed() >= AGAIN {
            failed = self.open_again().err();
        }
        let sent = match &mut self.way {
            Some(Way::Own(sender)) => {
                let before = sender.statistics();
                sender.set_coalesce(self.options.coalesce || hurry);
                sender.send(datagrams.map(|(_, payload)| payload));
                Sent { statistics: since(before, sender.statistics()), error: sender.take_error() }
            }
            Some(Way::Spoofing(sender)) => {
                let before = sender.statistics();
                sender.send_from(datagrams);
                Sent { statistics: since(before, sender.statistics()), error: sender.take_error() }
            }
            None => {
                let mut statistics = SendStatistics::default();
                datagrams.for_each(|(_, payload)| statistics.count_lost(payload));
                let error = failed.or_else(|| Some(io::Error::other("there is no way to it")));
                Sent { statistics, error }
            }
        };
        // The address that it is sent from may be gone, or the way: a new socket has those that are there now.
        let useless = sent.statistics.sent == 0 && sent.statistics.lost > 0;
        if useless && matches!(self.way, Some(Way::Own(_))) && self.opened.elapsed() >= AGAIN {
            self.way = None;
        }
        sent
    }

    fn open_again(&mut self) -> io::Result<()> {
        self.opened = Instant::now();
        self.way = Some(Way::Own(UdpSender::connect(self.target, &self.options)?));
        Ok(())
    }
}

fn since(before: SendStatistics, now: SendStatistics) -> SendStatistics {
    SendStatistics {
        sent: now.sent - before.sent,
        sent_octets: now.sent_octets - before.sent_octets,
        lost: now.lost - before.lost,
        lost_octets: now.lost_octets - before.lost_octets,
        refused: now.refused - before.refused,
    }
}
