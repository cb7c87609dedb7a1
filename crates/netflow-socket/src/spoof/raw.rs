//! Raw sockets of Linux, which send headers as they are given.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use socket2::{Domain, Protocol, Socket, Type};

use super::SpoofError;
use super::header::{Header, Part, Way};
use crate::sender::batched::send_all;
use crate::sender::single::Waiting;
use crate::sender::{BATCH, Outgoing, SendStatistics, SenderOptions, ask_send_buffer};

/// `IPPROTO_RAW`: the headers are in what is sent.
const RAW: i32 = 255;
/// Octets of a packet that every link takes, or so IPv6 wants it.
const MTU_EVERYWHERE: usize = 1_280;

#[derive(Debug)]
pub(super) struct Raw {
    socket: Socket,
    target: SocketAddr,
    /// Octets of the longest packet that the interface takes.
    pub(super) mtu: usize,
    /// Number of the next packet, by which its fragments are known.
    id: u16,
    waiting: Waiting,
}

impl Raw {
    pub(super) fn open(target: SocketAddr, options: &SenderOptions) -> Result<Self, SpoofError> {
        let domain = Domain::for_address(target);
        let socket =
            Socket::new(domain, Type::RAW, Some(Protocol::from(RAW))).map_err(|error| {
                match error.kind() {
                    ErrorKind::PermissionDenied => SpoofError::Forbidden,
                    _ => SpoofError::Open(error),
                }
            })?;
        if let Some(octets) = options.send_buffer {
            ask_send_buffer(&socket, octets);
        }
        socket.set_write_timeout(Some(options.write_timeout())).map_err(SpoofError::Open)?;
        let mtu = mtu(target).unwrap_or(MTU_EVERYWHERE);
        Ok(Self { socket, target, mtu, id: 0, waiting: Waiting::new(options.patience) })
    }

    /// Sends all; returns the last error that lost a datagram.
    pub(super) fn send(
        &mut self,
        batch: &[Outgoing<'_>],
        statistics: &mut SendStatistics,
    ) -> Option<io::Error> {
        let Self { socket, target, mtu, id, waiting } = self;
        send_all(batch, waiting, statistics, |rest| match send_batch(socket, *target, *mtu, id, rest) {
            // The way has become narrower.
            Err(Errno::MSGSIZE) if *mtu > MTU_EVERYWHERE => {
                *mtu = MTU_EVERYWHERE;
                Ok(0)
            }
            Err(Errno::AFNOSUPPORT) => {
                Err(io::Error::other("its source is not of the target's version of IP"))
            }
            sent => Ok(sent?),
        })
    }
}

/// Octets of the longest packet to a target that need not be cut up.
fn mtu(target: SocketAddr) -> io::Result<usize> {
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let probe = UdpSocket::bind(any)?;
    probe.connect(target)?;
    Ok(match target {
        SocketAddr::V4(_) => rustix::net::sockopt::ip_mtu(&probe),
        SocketAddr::V6(_) => rustix::net::sockopt::ipv6_mtu(&probe),
    }? as usize)
}

/// Hands over datagrams from the first on, up to one that cannot be, or takes fragments; the first by itself then.
fn send_batch(
    socket: &Socket,
    target: SocketAddr,
    mtu: usize,
    id: &mut u16,
    batch: &[Outgoing<'_>],
) -> rustix::io::Result<usize> {
    let way = |(source, _): &Outgoing<'_>| {
        source.and_then(|source| Way::new(source, target)).ok_or(Errno::AFNOSUPPORT)
    };
    let mut parts = [(Header::EMPTY, &[][..]); BATCH];
    let mut count = 0;
    for (part, datagram) in parts.iter_mut().zip(batch) {
        *id = following(*id);
        let whole = way(datagram).and_then(|way| {
            let header = way.whole(*id, datagram.1).ok_or(Errno::TOOBIG)?;
            Ok((header, way))
        });
        match whole {
            Ok((_, way)) if way.overhead() + datagram.1.len() > mtu => {
                if count == 0 {
                    let fragments = way.fragments(*id, datagram.1, mtu).ok_or(Errno::TOOBIG)?;
                    send_fragments(socket, target, &fragments, datagram.1)?;
                    return Ok(1);
                }
                break;
            }
            Ok((header, _)) => *part = (header, datagram.1),
            Err(error) if count == 0 => return Err(error),
            Err(_) => break,
        }
        count += 1;
    }
    hand_over(socket, target, &parts[..count])
}

/// The number of the packet behind one: never 0, for which the kernel would put another, in each fragment its own.
fn following(id: u16) -> u16 {
    id.checked_add(1).unwrap_or(1)
}

/// Hands over all fragments of a datagram. When one is not taken, none of them is of use.
fn send_fragments(
    socket: &Socket,
    target: SocketAddr,
    fragments: &[Part],
    payload: &[u8],
) -> rustix::io::Result<()> {
    for some in fragments.chunks(BATCH) {
        let parts: Vec<_> = some.iter().map(|(header, range)| (*header, &payload[range.clone()])).collect();
        let mut rest = &parts[..];
        while !rest.is_empty() {
            rest = &rest[hand_over(socket, target, rest)?..];
        }
    }
    Ok(())
}

/// Hands over packets; fewer than given when one after the first cannot be sent.
fn hand_over(socket: &Socket, target: SocketAddr, parts: &[(Header, &[u8])]) -> rustix::io::Result<usize> {
    // The kernel takes a port for a protocol here.
    let target = SocketAddrAny::from(SocketAddr::new(target.ip(), 0));
    let mut controls: [SendAncillaryBuffer<'_, '_, '_>; BATCH] = std::array::from_fn(|_| Default::default());
    let mut slices = [[IoSlice::new(&[]); 2]; BATCH];
    for (slice, (header, payload)) in slices.iter_mut().zip(parts) {
        *slice = [IoSlice::new(header.octets()), IoSlice::new(payload)];
    }
    let mut messages: Vec<MMsgHdr<'_>> = Vec::with_capacity(parts.len());
    for (control, slice) in controls.iter_mut().zip(&slices).take(parts.len()) {
        messages.push(MMsgHdr::new_with_addr(&target, slice, control));
    }
    sendmmsg(socket, &mut messages, SendFlags::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_packet_has_the_number_0() {
        assert_eq!((following(0), following(7), following(u16::MAX)), (1, 8, 1));
    }
}
