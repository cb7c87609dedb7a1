//! One connection: octets in, messages out.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use netflow_templates::StreamId;
use rustls::ServerConnection;

use super::ending::{Closing, Refusal};
use super::framing::Framer;
use super::tls;

/// Octets that are read at once: as many as an SCTP message has at most, or a shorter read would split it.
pub(super) const READ: usize = 64 << 10;

/// How a turn of a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There may be more to read.
    More,
    /// There is no more until the system says so.
    Empty,
}

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Over {
    Refused(Refusal),
    Closed(Closing),
}

impl From<Closing> for Over {
    fn from(closing: Closing) -> Self {
        Self::Closed(closing)
    }
}

/// One connection, of any transport: its socket does not block.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) tls: Option<Box<ServerConnection>>,
    framer: Framer,
    pub(super) peer: SocketAddr,
    pub(super) stream: StreamId,
    pub(super) shard: usize,
    pub(super) opened: Instant,
    /// When the last message was whole.
    pub(super) heard: Instant,
    /// When the octets that are no whole message yet began to come.
    pub(super) partial_since: Option<Instant>,
    pub(super) messages: u64,
    /// Whether it waits for its turn.
    pub(super) is_ready: bool,
}

impl Connection {
    pub(super) fn new(
        socket: TcpStream,
        tls: Option<ServerConnection>,
        peer: SocketAddr,
        stream: StreamId,
        shard: usize,
        now: Instant,
    ) -> Self {
        Self {
            socket,
            tls: tls.map(Box::new),
            framer: Framer::default(),
            peer,
            stream,
            shard,
            opened: now,
            heard: now,
            partial_since: None,
            messages: 0,
            is_ready: false,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Octets of a message that is not whole.
    pub(super) fn partial(&self) -> usize {
        self.framer.partial()
    }

    /// The collector did not read from it: its times begin anew.
    pub(super) fn held_up(&mut self, now: Instant) {
        (self.opened, self.heard) = (now, now);
        self.partial_since = self.partial_since.map(|_| now);
    }

    /// Tells TLS's other side that this is the end, if it takes that at once.
    pub(super) fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut self.socket);
        }
    }

    /// Reads once, and hands each whole message on.
    pub(super) fn turn(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        mut message: impl FnMut(&[u8]),
    ) -> Result<Turn, Over> {
        let read = match self.tls {
            Some(_) => self.read_tls(scratch, now, &mut message)?,
            None => match self.socket.read(scratch) {
                Ok(0) => return Err(self.ended().into()),
                Ok(octets) => {
                    self.take(&scratch[..octets], now, &mut message)?;
                    true
                }
                Err(error) => read_again(error, false)?,
            },
        };
        Ok(if read { Turn::More } else { Turn::Empty })
    }

    /// Takes octets from the socket to TLS, and what is in them from TLS; false when there are none.
    fn read_tls(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        message: &mut impl FnMut(&[u8]),
    ) -> Result<bool, Over> {
        let Some(tls) = &mut self.tls else { return Ok(false) };
        let handshaking = tls.is_handshaking();
        let read = match tls.read_tls(&mut self.socket) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(true)),
            Err(error) => read_again(error, handshaking).map(Some),
        };
        let processed = tls.process_new_packets();
        // The handshake's next part, or an alert that says why this is the end.
        let mut written = Ok(());
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if would_block(&error) => break,
                Err(error) => {
                    written = Err(failed(handshaking, error));
                    break;
                }
            }
        }
        // Whatever went wrong, what came whole before it is not lost.
        let is_end = self.take_decrypted(scratch, now, message)?;
        if let Err(error) = processed {
            return Err(match handshaking {
                true => Over::Refused(tls::refusal(error)),
                false => Closing::Tls(error.to_string()).into(),
            });
        }
        written?;
        if is_end {
            return Err(self.ended().into());
        }
        match read? {
            Some(read) => Ok(read),
            None if handshaking => {
                Err(Over::Refused(Refusal::Handshake("the exporter closed the connection".into())))
            }
            None => Err(self.ended().into()),
        }
    }

    /// Takes all that TLS has decrypted; true when the exporter said that this is the end.
    fn take_decrypted(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        message: &mut impl FnMut(&[u8]),
    ) -> Result<bool, Closing> {
        while let Some(tls) = &mut self.tls {
            match tls.reader().read(scratch) {
                Ok(0) => return Ok(true),
                Ok(octets) => self.take(&scratch[..octets], now, message)?,
                // There is no more for now, or the exporter ended without a word.
                Err(_) => break,
            }
        }
        Ok(false)
    }

    fn take(&mut self, octets: &[u8], now: Instant, message: &mut impl FnMut(&[u8])) -> Result<(), Closing> {
        let before = self.messages;
        let pushed = self.framer.push(octets, |octets| {
            self.messages += 1;
            message(octets);
        });
        let whole = self.messages > before;
        if whole {
            self.heard = now;
        }
        self.partial_since = match self.framer.partial() {
            0 => None,
            _ if whole => Some(now),
            _ => self.partial_since.or(Some(now)),
        };
        Ok(pushed?)
    }

    fn ended(&self) -> Closing {
        match self.framer.partial() {
            0 => Closing::Exporter,
            octets => Closing::CutOff(octets),
        }
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Whether to read again; false when there is nothing.
fn read_again(error: io::Error, handshaking: bool) -> Result<bool, Over> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(false),
        io::ErrorKind::Interrupted => Ok(true),
        _ => Err(failed(handshaking, error)),
    }
}

fn failed(handshaking: bool, error: io::Error) -> Over {
    match handshaking {
        true => Over::Refused(Refusal::Handshake(error.to_string())),
        false => Closing::Failed(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;

    use netflow_wire::ipfix;
    use socket2::{Domain, Socket, Type};

    use super::*;

    fn message(length: u16) -> Vec<u8> {
        let mut message = vec![7; length.into()];
        message[..2].copy_from_slice(&ipfix::VERSION.to_be_bytes());
        message[2..4].copy_from_slice(&length.to_be_bytes());
        message
    }

    /// A connection of a kind of socket, and the exporter's end of it.
    fn pair(kind: Type) -> (Connection, Socket) {
        let (ours, theirs) = Socket::pair(Domain::UNIX, kind, None).unwrap();
        ours.set_nonblocking(true).unwrap();
        let peer = "192.0.2.1:4739".parse().unwrap();
        let socket = OwnedFd::from(ours).into();
        (Connection::new(socket, None, peer, StreamId::FIRST, 0, Instant::now()), theirs)
    }

    /// Lengths of all messages that have come, and how that ended.
    fn turns(connection: &mut Connection) -> (Vec<usize>, Result<Turn, Over>) {
        let (mut scratch, mut lengths) = (vec![0; READ], Vec::new());
        loop {
            match connection.turn(&mut scratch, Instant::now(), |message| lengths.push(message.len())) {
                Ok(Turn::More) => {}
                end => return (lengths, end),
            }
        }
    }

    #[test]
    fn sockets_that_keep_messages_apart_give_the_same_as_those_that_do_not() {
        // What SCTP gives: a read takes octets of one message, the longest included, and no more.
        for kind in [Type::SEQPACKET, Type::STREAM] {
            let (mut connection, mut exporter) = pair(kind);
            for length in [16, 1_400, 65_535, 17] {
                exporter.write_all(&message(length)).unwrap();
            }
            let (lengths, end) = turns(&mut connection);
            assert_eq!((&lengths[..], end.unwrap()), (&[16, 1_400, 65_535, 17][..], Turn::Empty), "{kind:?}");
            // A message in pieces.
            for octets in message(300).chunks(90) {
                exporter.write_all(octets).unwrap();
            }
            drop(exporter);
            let (lengths, end) = turns(&mut connection);
            assert_eq!(lengths, [300]);
            assert!(matches!(end, Err(Over::Closed(Closing::Exporter))), "{end:?}");
        }
    }

    #[test]
    fn what_was_begun_is_remembered_by_its_first_octet() {
        let (mut connection, mut exporter) = pair(Type::STREAM);
        exporter.write_all(&message(40)[..10]).unwrap();
        let _ = turns(&mut connection);
        let begun = connection.partial_since.unwrap();
        exporter.write_all(&message(40)[10..39]).unwrap();
        let _ = turns(&mut connection);
        assert_eq!((connection.partial_since, connection.partial()), (Some(begun), 39));
        exporter.write_all(&[[7].to_vec(), message(16)].concat()).unwrap();
        assert_eq!(turns(&mut connection).0, [40, 16]);
        assert_eq!((connection.partial_since, connection.messages), (None, 2));
        exporter.write_all(&message(16)[..3]).unwrap();
        drop(exporter);
        assert!(matches!(turns(&mut connection).1, Err(Over::Closed(Closing::CutOff(3)))));
    }
}
