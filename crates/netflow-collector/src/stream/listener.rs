//! Sockets that connections come to.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};

use super::tls::TlsServer;
use crate::config::Transport;

/// Connections that may wait to be taken.
const BACKLOG: i32 = 1_024;
/// SCTP's number among the protocols of IP.
const SCTP: i32 = 132;
/// Open files that are for something else than connections.
const OTHER_FILES: u64 = 256;

/// A socket that connections come to.
#[derive(Debug)]
pub(crate) struct StreamListener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<TlsServer>,
}

impl StreamListener {
    /// Binds it. `[::]` takes IPv4 too.
    pub(crate) fn bind(
        transport: Transport,
        address: SocketAddr,
        tls: Option<TlsServer>,
    ) -> io::Result<Self> {
        let protocol = match transport {
            // One-to-one style (RFC 6458, section 4): such a socket is accepted, read and closed as one of TCP is, and
            // a read gives octets of one message at most.
            Transport::Sctp => Protocol::from(SCTP),
            _ => Protocol::TCP,
        };
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(protocol))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        // Connections of a collector before this one do not keep the port.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: OwnedFd::from(socket).into(), tls })
    }
}

/// Whether the kernel says that it has no such protocol.
pub(crate) fn is_unknown_protocol(error: &io::Error) -> bool {
    let unknown = [rustix::io::Errno::PROTONOSUPPORT, rustix::io::Errno::SOCKTNOSUPPORT];
    unknown.iter().any(|unknown| error.raw_os_error() == Some(unknown.raw_os_error()))
}

/// Lets the process open so many connections, as far as it may; returns how many there can be.
pub(crate) fn room_for(connections: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Without a limit there is none.
    let Some(current) = current else { return connections };
    let wanted = (connections as u64).saturating_add(OTHER_FILES);
    let allowed = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let raised =
        allowed > current && setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum }).is_ok();
    let files = if raised { allowed } else { current };
    connections.min(files.saturating_sub(OTHER_FILES).max(files / 2) as usize)
}
