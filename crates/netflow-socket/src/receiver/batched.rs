//! Many datagrams with each system call, and the kernel's times, on Linux.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt};
use nix::sys::time::TimeSpec;

use super::{BATCH, Datagram};

/// How much further than a datagram's length each slot begins. With slots a multiple of 64 KiB apart the beginnings of
/// all, which is what datagrams fill, would compete for the same few lines of the cache.
const APART: usize = 1_536;

/// Memory for a batch of datagrams. What is not written to is not there: of each slot it is as much as the longest
/// datagram was that came into it.
pub(super) struct Slots {
    headers: MultiHeaders<SockaddrStorage>,
    octets: Vec<u8>,
    /// Octets from one slot to the next, and of a slot.
    stride: usize,
    longest: usize,
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("longest", &self.longest).finish_non_exhaustive()
    }
}

/// Asks the kernel to say when each datagram came. One that refuses leaves it to the clock.
pub(super) fn ask_times(socket: &impl AsFd) {
    let _ = setsockopt(socket, ReceiveTimestampns, &true);
}

impl Slots {
    pub(super) fn new(longest: usize) -> Self {
        let stride = longest + APART;
        Self {
            headers: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            octets: vec![0; BATCH * stride],
            stride,
            longest,
        }
    }

    /// Takes what there is; the flag says whether a datagram is whole.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        clock: fn() -> SystemTime,
        mut take: impl FnMut(Datagram<'_>, bool),
    ) -> io::Result<usize> {
        let longest = self.longest;
        let mut slots: Vec<_> = self
            .octets
            .chunks_exact_mut(self.stride)
            .map(|slot| [IoSliceMut::new(&mut slot[..longest])])
            .collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = match recvmmsg(socket.as_raw_fd(), &mut self.headers, slots.iter_mut(), flags, None) {
            Ok(received) => received,
            Err(Errno::EAGAIN) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut count = 0;
        for message in received {
            count += 1;
            let Some(source) = message.address.as_ref().and_then(address) else { continue };
            let time = message.cmsgs().ok().and_then(|mut all| all.find_map(time)).unwrap_or_else(clock);
            let payload = message.iovs().next().unwrap_or_default();
            take(Datagram { source, time, payload }, !message.flags.contains(MsgFlags::MSG_TRUNC));
        }
        Ok(count)
    }
}

fn time(control: ControlMessageOwned) -> Option<SystemTime> {
    let ControlMessageOwned::ScmTimestampns(time) = control else { return None };
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, u32::try_from(time.tv_nsec()).ok()?))
}

fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let (ip, port): (IpAddr, u16) = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => (v4.ip().into(), v4.port()),
        (None, Some(v6)) => (v6.ip().to_canonical(), v6.port()),
        (None, None) => return None,
    };
    Some((ip, port).into())
}
