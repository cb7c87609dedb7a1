//! Where packets go: sockets, and captures.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use netflow_capture::{CaptureWriteError, CaptureWriter};
use netflow_socket::{SendStatistics, SenderOptions, UdpSender};
use netflow_templates::Timestamp;

use super::source_address;
use crate::Source;
use crate::fault::Outgoing;

/// Takes packets.
pub trait PacketSink {
    /// Takes a packet that is sent at a time; it may wait for others until [`flush`](Self::flush).
    ///
    /// # Errors
    /// When no more packets can be taken.
    fn send(&mut self, at: Timestamp, packet: &Outgoing<'_>) -> io::Result<()>;

    /// Has all that waits sent.
    ///
    /// # Errors
    /// When it cannot be, nor any more packets.
    fn flush(&mut self) -> io::Result<()>;

    /// All exporters start anew behind what was sent: connections are those of before.
    ///
    /// # Errors
    /// When no more packets can be taken.
    fn restart(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Datagrams that wait to be sent together, at most.
const BATCH: usize = 64;

/// Sends packets as UDP datagrams, in batches. What the system does not take is counted, and no error.
#[derive(Debug)]
pub struct UdpSink {
    domains: usize,
    /// Two for each exporter: for its flows, and for its options if it sends these from another port.
    ports: Vec<[Option<Port>; 2]>,
    target: SocketAddr,
    options: SenderOptions,
}

#[derive(Debug)]
struct Port {
    sender: UdpSender,
    /// Packets that wait, one behind the other, and where each ends.
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl UdpSink {
    /// Sends to a target for exporters of so many domains each. A target of 127.0.0.0/8 gets the packets of each
    /// exporter from an address of its own ([`source_address`]), others from ports of their own. `coalesce` is that
    /// of [`SenderOptions`].
    ///
    /// # Errors
    /// When there is no way to the target, or there are too many sockets.
    pub fn connect(target: SocketAddr, exporters: u32, domains: u32, coalesce: bool) -> io::Result<Self> {
        let options = SenderOptions { coalesce, ..SenderOptions::default() };
        let mut sink = Self { domains: domains.max(1) as usize, ports: Vec::new(), target, options };
        for exporter in 0..exporters.max(1) {
            let port = sink.open(exporter)?;
            sink.ports.push([Some(port), None]);
        }
        Ok(sink)
    }

    fn open(&self, exporter: u32) -> io::Result<Port> {
        let own_address = self.target.is_ipv4() && self.target.ip().is_loopback();
        let source = own_address.then(|| SocketAddr::new(source_address(exporter), 0));
        let sender = UdpSender::connect(self.target, &SenderOptions { source, ..self.options.clone() })?;
        Ok(Port { sender, octets: Vec::new(), ends: Vec::new() })
    }

    /// What became of all packets, and the last error that lost one, since this was asked last.
    pub fn statistics(&mut self) -> (SendStatistics, Option<io::Error>) {
        let mut sum = SendStatistics::default();
        let mut error = None;
        for port in self.ports.iter_mut().flatten().flatten() {
            let of_port = port.sender.statistics();
            sum.sent += of_port.sent;
            sum.sent_octets += of_port.sent_octets;
            sum.lost += of_port.lost;
            sum.lost_octets += of_port.lost_octets;
            sum.refused += of_port.refused;
            error = port.sender.take_error().or(error);
        }
        (sum, error)
    }
}

impl PacketSink for UdpSink {
    fn send(&mut self, _: Timestamp, packet: &Outgoing<'_>) -> io::Result<()> {
        let exporter = packet.stream / self.domains;
        let place = match packet.source {
            Source::Flows => 0,
            Source::Options => 1,
        };
        if self.ports[exporter][place].is_none() {
            self.ports[exporter][place] = Some(self.open(exporter as u32)?);
        }
        let port = self.ports[exporter][place].as_mut().expect("it was opened");
        port.octets.extend_from_slice(packet.octets);
        port.ends.push(port.octets.len());
        if port.ends.len() >= BATCH {
            port.flush();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.ports.iter_mut().flatten().flatten().for_each(Port::flush);
        Ok(())
    }
}

impl Port {
    fn flush(&mut self) {
        let mut start = 0;
        let octets = &self.octets;
        self.sender.send(self.ends.iter().map(|&end| &octets[std::mem::replace(&mut start, end)..end]));
        self.octets.clear();
        self.ends.clear();
    }
}

/// Writes packets to a capture, from [`source_address`] to a collector on the same machine.
#[derive(Debug)]
pub struct CaptureSink<W> {
    writer: CaptureWriter<W>,
    domains: usize,
    target: SocketAddr,
}

impl<W: Write> CaptureSink<W> {
    /// Writes the head of the capture. Exporters have so many domains each.
    ///
    /// # Errors
    /// When the output cannot be written to.
    pub fn new(out: W, domains: u32) -> io::Result<Self> {
        let target = SocketAddr::from(([127, 0, 0, 1], 2055));
        Ok(Self { writer: CaptureWriter::new(out)?, domains: domains.max(1) as usize, target })
    }

    /// The output.
    pub fn into_inner(self) -> W {
        self.writer.into_inner()
    }
}

impl<W: Write> PacketSink for CaptureSink<W> {
    fn send(&mut self, at: Timestamp, packet: &Outgoing<'_>) -> io::Result<()> {
        let port = match packet.source {
            Source::Flows => 40_000,
            Source::Options => 40_001,
        };
        let exporter = source_address((packet.stream / self.domains) as u32);
        let written = self.writer.write(at, SocketAddr::new(exporter, port), self.target, packet.octets);
        written.map_err(|error| match error {
            CaptureWriteError::Write(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidInput, other),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends IPFIX messages over TCP (RFC 7011, section 10.4), a connection for each exporter.
#[derive(Debug)]
pub struct StreamSink {
    target: SocketAddr,
    domains: usize,
    streams: Vec<io::BufWriter<TcpStream>>,
}

impl StreamSink {
    /// How long a collector may take nothing.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Connects each exporter, of so many domains, to a target.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(target: SocketAddr, exporters: u32, domains: u32) -> io::Result<Self> {
        let streams = (0..exporters.max(1)).map(|_| Self::open(target)).collect::<io::Result<_>>()?;
        Ok(Self { target, domains: domains.max(1) as usize, streams })
    }

    fn open(target: SocketAddr) -> io::Result<io::BufWriter<TcpStream>> {
        let stream = TcpStream::connect_timeout(&target, Self::PATIENCE)?;
        stream.set_write_timeout(Some(Self::PATIENCE))?;
        // What is flushed is to be sent: it waited long enough in the buffer.
        stream.set_nodelay(true)?;
        Ok(io::BufWriter::with_capacity(64 * 1024, stream))
    }

    /// Ends all connections after an error: what is left in their buffers would be waited for, one by one.
    fn end_on_error(&self, done: io::Result<()>) -> io::Result<()> {
        if done.is_err() {
            for stream in &self.streams {
                // One that is closed already is what it should be.
                let _ = stream.get_ref().shutdown(Shutdown::Both);
            }
        }
        done
    }

    /// Closes all connections behind what was sent, and opens others.
    fn open_anew(&mut self) -> io::Result<()> {
        for stream in &mut self.streams {
            stream.flush()?;
            *stream = Self::open(self.target)?;
        }
        Ok(())
    }
}

impl PacketSink for StreamSink {
    fn send(&mut self, _: Timestamp, packet: &Outgoing<'_>) -> io::Result<()> {
        let done = self.streams[packet.stream / self.domains].write_all(packet.octets);
        self.end_on_error(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.streams.iter_mut().try_for_each(Write::flush);
        self.end_on_error(done)
    }

    fn restart(&mut self) -> io::Result<()> {
        let done = self.open_anew();
        self.end_on_error(done)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn packet(stream: usize, octets: &[u8]) -> Outgoing<'_> {
        Outgoing { stream, source: Source::Flows, flows: 0, octets }
    }

    #[test]
    fn an_error_of_one_connection_ends_all() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sink = StreamSink::connect(listener.local_addr().unwrap(), 2, 1).unwrap();
        let (first, mut second) = (listener.accept().unwrap().0, listener.accept().unwrap().0);
        drop(first);
        let octets = [7; 1_000];
        while sink.send(Timestamp::EPOCH, &packet(0, &octets)).and_then(|()| sink.flush()).is_ok() {}
        assert_eq!(second.read(&mut [0; 10]).unwrap(), 0);
        assert!(sink.send(Timestamp::EPOCH, &packet(1, &[7; 100_000])).is_err());
    }

    #[test]
    fn exporters_that_start_anew_connect_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sink = StreamSink::connect(listener.local_addr().unwrap(), 1, 1).unwrap();
        sink.send(Timestamp::EPOCH, &packet(0, b"before")).unwrap();
        sink.restart().unwrap();
        sink.send(Timestamp::EPOCH, &packet(0, b"behind")).unwrap();
        sink.flush().unwrap();
        drop(sink);
        for expected in ["before", "behind"] {
            let mut received = String::new();
            listener.accept().unwrap().0.read_to_string(&mut received).unwrap();
            assert_eq!(received, expected);
        }
    }
}
