//! Sending datagrams under the address of somebody else.

use std::io;
use std::net::SocketAddr;

use crate::sender::{SendStatistics, SenderOptions};

#[cfg(target_os = "linux")]
mod header;
#[cfg(not(target_os = "linux"))]
mod none;
#[cfg(target_os = "linux")]
mod raw;

#[cfg(not(target_os = "linux"))]
use none::Raw;
#[cfg(target_os = "linux")]
use raw::Raw;

/// Why datagrams cannot be sent under another's address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoofError {
    /// It takes a privilege.
    #[error(
        "sending from another's address takes a raw socket, which this user may not open: run it as root, or give the \
         program the capability CAP_NET_RAW (setcap cap_net_raw+ep FILE)"
    )]
    Forbidden,
    /// It is done on Linux only.
    #[error("sending from another's address works on Linux only")]
    Unsupported,
    /// The system cannot open such a socket.
    #[error("cannot open a raw socket: {0}")]
    Open(io::Error),
}

/// Sends UDP datagrams to one target, each under the source address and port that is given with it. The way to the
/// target has to let them pass: routers often drop what comes from where its source is not (BCP 38), and so do hosts
/// (`rp_filter`).
///
/// It needs the capability `CAP_NET_RAW`. Source and target have to be of the same IP version; what is not is counted as
/// lost. What is longer than the interface takes is sent in fragments.
#[derive(Debug)]
pub struct SpoofingSender {
    raw: Raw,
    statistics: SendStatistics,
    error: Option<io::Error>,
}

impl SpoofingSender {
    /// A sender to one target. Of the options it obeys `send_buffer` and `patience`.
    ///
    /// # Errors
    /// When such a socket is not permitted, or cannot be opened.
    pub fn connect(target: SocketAddr, options: &SenderOptions) -> Result<Self, SpoofError> {
        let raw = Raw::open(target, options)?;
        Ok(Self { raw, statistics: SendStatistics::default(), error: None })
    }

    /// Sends each payload under its source, in order; returns how many the system took.
    pub fn send_from<'a>(&mut self, datagrams: impl IntoIterator<Item = (SocketAddr, &'a [u8])>) -> usize {
        let before = self.statistics.sent;
        let datagrams = datagrams.into_iter().map(|(source, payload)| (Some(source), payload));
        crate::sender::in_batches(datagrams, |batch| {
            let failed = self.raw.send(batch, &mut self.statistics);
            self.error = failed.or(self.error.take());
        });
        (self.statistics.sent - before) as usize
    }

    /// What became of all datagrams so far.
    pub fn statistics(&self) -> SendStatistics {
        self.statistics
    }

    /// The last error that lost a datagram, since this was asked last.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_sent_comes_from_the_address_that_it_was_given_also_in_fragments() {
        let cases = [("127.0.0.1:0", "198.51.100.7:4000"), ("[::1]:0", "[2001:db8::7]:4000")];
        for (address, source) in cases {
            let receiver = UdpSocket::bind(address).unwrap();
            receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let target = receiver.local_addr().unwrap();
            let mut sender = match SpoofingSender::connect(target, &SenderOptions::default()) {
                Ok(sender) => sender,
                Err(error) => return println!("skipped: {error}"),
            };
            let source = source.parse().unwrap();
            for (mtu, length) in
                [(65_536, 0), (65_536, 1_400), (65_536, 65_000), (1_500, 9_001), (1_280, 65_000)]
            {
                sender.raw.mtu = mtu;
                let payload: Vec<_> = (0..length).map(|number| number as u8).collect();
                assert_eq!(sender.send_from([(source, &payload[..])]), 1, "{:?}", sender.take_error());
                let mut buffer = vec![0; 65_536];
                let (length, from) = receiver.recv_from(&mut buffer).unwrap();
                assert_eq!((from, &buffer[..length]), (source, &payload[..]));
            }
        }
    }

    #[test]
    fn an_address_that_cannot_be_kept_is_a_loss_of_that_datagram() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = receiver.local_addr().unwrap();
        let mut sender = match SpoofingSender::connect(target, &SenderOptions::default()) {
            Ok(sender) => sender,
            Err(error) => return println!("skipped: {error}"),
        };
        let sources = ["192.0.2.1:1", "192.0.2.1:1", "[2001:db8::7]:1", "192.0.2.2:2"];
        let sources = sources.map(|source| source.parse().unwrap());
        assert_eq!(sender.send_from(sources.map(|source| (source, &b"x"[..]))), 3);
        assert_eq!((sender.statistics().sent, sender.statistics().lost), (3, 1));
        assert!(sender.take_error().is_some());
        let from = |_| receiver.recv_from(&mut [0; 9]).unwrap().1;
        assert_eq!([(); 3].map(from), [sources[0], sources[1], sources[3]]);
    }
}
