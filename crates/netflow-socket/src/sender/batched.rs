//! Many datagrams with each system call, on Linux.

use std::io::{self, IoSlice};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::sockopt::UdpGsoSegment;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, getsockopt, sendmsg};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

use super::single::{Verdict, Waiting};
use super::{BATCH, Outgoing, SendStatistics, SenderOptions};

/// Datagrams that are handed over as one at most (the kernel's `UDP_MAX_SEGMENTS`), and their octets: with headers
/// they have to fit into an IP packet.
const MAX_RUN: usize = 64;
const MAX_RUN_OCTETS: usize = 65_000;
/// Below this, one datagram made of several costs as much as several.
const MIN_RUN: usize = 3;
/// Between runs there are few datagrams as a rule, and at a slow pace.
const FEW: usize = 4;

#[derive(Debug)]
pub(super) struct Way {
    waiting: Waiting,
    coalesce: bool,
    /// Whether the system can.
    able: bool,
}

impl Way {
    pub(super) fn new(socket: &UdpSocket, options: &SenderOptions) -> Self {
        // Kernels before 4.18 would send what they are handed as one datagram.
        let able = getsockopt(socket, UdpGsoSegment).is_ok();
        Self { waiting: Waiting::new(options.patience), coalesce: options.coalesce, able }
    }

    pub(super) fn set_coalesce(&mut self, coalesce: bool) {
        self.coalesce = coalesce;
    }

    /// Sends all; returns the last error that lost a datagram.
    pub(super) fn send(
        &mut self,
        socket: &UdpSocket,
        batch: &[Outgoing<'_>],
        statistics: &mut SendStatistics,
    ) -> Option<io::Error> {
        if !self.coalesce || !self.able {
            return self.send_apart(socket, batch, statistics);
        }
        let mut lost = None;
        let mut rest = batch;
        while !rest.is_empty() {
            let mut length = run(rest);
            if length < MIN_RUN {
                length = up_to_run(rest);
            } else if self.send_together(socket, &rest[..length], statistics) {
                rest = &rest[length..];
                continue;
            }
            lost = self.send_apart(socket, &rest[..length], statistics).or(lost);
            rest = &rest[length..];
        }
        lost
    }

    /// Hands over a run as one. False when that cannot be: its datagrams may still go one by one.
    fn send_together(
        &mut self,
        socket: &UdpSocket,
        run: &[Outgoing<'_>],
        statistics: &mut SendStatistics,
    ) -> bool {
        loop {
            let Err(error) = send_run(socket, run) else {
                self.waiting.over();
                run.iter().for_each(|(_, payload)| statistics.count_sent(payload));
                return true;
            };
            match Verdict::of(&error) {
                Verdict::Again => {}
                Verdict::Refused => statistics.refused += 1,
                Verdict::NoRoom if self.waiting.wait() => {}
                Verdict::NoRoom => return false,
                Verdict::Lost => {
                    // The interface does not compute checksums; other errors are of this run.
                    let never = [Errno::EIO, Errno::EOPNOTSUPP].map(|error| Some(error as i32));
                    self.able = !never.contains(&error.raw_os_error());
                    return false;
                }
            }
        }
    }

    /// Hands over datagrams as they are; returns the last error that lost one.
    fn send_apart(
        &mut self,
        socket: &UdpSocket,
        batch: &[Outgoing<'_>],
        statistics: &mut SendStatistics,
    ) -> Option<io::Error> {
        send_all(batch, &mut self.waiting, statistics, |rest| send_batch(socket, rest))
    }
}

/// Has all datagrams handed over by `hand_over`, which says how many from the first on the system took. Returns the
/// last error that lost one.
pub(crate) fn send_all(
    batch: &[Outgoing<'_>],
    waiting: &mut Waiting,
    statistics: &mut SendStatistics,
    mut hand_over: impl FnMut(&[Outgoing<'_>]) -> io::Result<usize>,
) -> Option<io::Error> {
    let mut lost = None;
    let mut rest = batch;
    while let Some((_, first)) = rest.first() {
        match hand_over(rest) {
            Ok(sent) => {
                rest[..sent].iter().for_each(|(_, payload)| statistics.count_sent(payload));
                rest = &rest[sent..];
                waiting.over();
            }
            // The error is of the first: when some are sent before it, their number is said instead.
            Err(error) => match Verdict::of(&error) {
                Verdict::Again => {}
                Verdict::Refused => statistics.refused += 1,
                Verdict::NoRoom if waiting.wait() => {}
                Verdict::NoRoom | Verdict::Lost => {
                    statistics.count_lost(first);
                    lost = Some(error);
                    rest = &rest[1..];
                }
            },
        }
    }
    lost
}

/// How many datagrams from the first on can be handed over as one: same target, same length, but that the last may
/// be shorter.
fn run(batch: &[Outgoing<'_>]) -> usize {
    let (target, first) = batch[0];
    if first.is_empty() {
        return 1;
    }
    let most = (MAX_RUN_OCTETS / first.len()).clamp(1, MAX_RUN).min(batch.len());
    let alike =
        batch[..most].iter().take_while(|next| next.0 == target && next.1.len() == first.len()).count();
    match batch[..most].get(alike) {
        Some(last) if last.0 == target && (1..first.len()).contains(&last.1.len()) => alike + 1,
        _ => alike,
    }
}

/// How many datagrams there are before the next run.
fn up_to_run(batch: &[Outgoing<'_>]) -> usize {
    let mut length = 1;
    while length < batch.len() && run(&batch[length..]) < MIN_RUN {
        length += 1;
    }
    length
}

/// Hands over datagrams as one, all or none.
fn send_run(socket: &UdpSocket, run: &[Outgoing<'_>]) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); MAX_RUN];
    for (slice, (_, payload)) in slices.iter_mut().zip(run) {
        *slice = IoSlice::new(payload);
    }
    // A run of datagrams that are longer than this has no two of them.
    let segment = run[0].1.len() as u16;
    let control = [ControlMessage::UdpGsoSegments(&segment)];
    let target = run[0].0.map(SockaddrStorage::from);
    sendmsg(socket.as_raw_fd(), &slices[..run.len()], &control, MsgFlags::empty(), target.as_ref())?;
    Ok(run.len())
}

/// Hands over datagrams; fewer than given when one after the first cannot be sent.
fn send_batch(socket: &UdpSocket, batch: &[Outgoing<'_>]) -> io::Result<usize> {
    // What is handed over lies in arrays, and to clear those for a whole batch costs more than to send one datagram.
    match batch.len() {
        ..=FEW => send_up_to::<FEW>(socket, batch),
        _ => send_up_to::<BATCH>(socket, batch),
    }
}

fn send_up_to<const MOST: usize>(socket: &UdpSocket, batch: &[Outgoing<'_>]) -> io::Result<usize> {
    let mut controls: [SendAncillaryBuffer<'_, '_, '_>; MOST] = std::array::from_fn(|_| Default::default());
    let mut slices = [[IoSlice::new(&[])]; MOST];
    let mut targets: [Option<SocketAddrAny>; MOST] = [const { None }; MOST];
    for ((slice, to), (target, payload)) in slices.iter_mut().zip(&mut targets).zip(batch) {
        *slice = [IoSlice::new(payload)];
        *to = target.map(SocketAddrAny::from);
    }
    let mut messages: Vec<MMsgHdr<'_>> = Vec::with_capacity(batch.len());
    for ((control, slice), target) in controls.iter_mut().zip(&slices).zip(&targets).take(batch.len()) {
        messages.push(match target {
            Some(target) => MMsgHdr::new_with_addr(target, slice, control),
            None => MMsgHdr::new(slice, control),
        });
    }
    Ok(sendmmsg(socket, &mut messages, SendFlags::empty())?)
}
