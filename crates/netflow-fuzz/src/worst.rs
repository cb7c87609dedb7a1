//! The most expensive inputs that anyone thought of, in any size: what they cost must grow no faster than they do.

use std::io;
use std::time::Duration;

use netflow_capture::CaptureReader;
use netflow_flow::{FlowEncoder, FlowReader, Format};
use netflow_templates::{Context, DataSet, Exporter, MessageSink, Session, Timestamp};

mod captures;
mod files;
mod packets;

/// The octets of an export packet at most, and of a file here.
pub const SIZE: usize = 65_500;

/// An input that is expensive for its length.
#[derive(Debug, Clone)]
pub enum Input {
    /// Export packets.
    Packets {
        /// What is sent before: it is not part of the cost.
        before: Vec<Sent>,
        /// What is sent then.
        then: Vec<Sent>,
    },
    /// A flow file.
    FlowFile(Vec<u8>),
    /// A capture.
    Capture(Vec<u8>),
}

/// An export packet and the number of its exporter.
pub type Sent = (u32, Vec<u8>);

/// What makes an input of about so many octets.
#[derive(Debug, Clone, Copy)]
pub enum Maker {
    /// Export packets.
    Packets(fn(usize) -> Input),
    /// A flow file.
    FlowFile(fn(usize) -> Vec<u8>),
    /// A capture.
    Capture(fn(usize) -> Vec<u8>),
}

impl Maker {
    /// What can be done with the input.
    pub fn uses(self) -> &'static [Use] {
        match self {
            Self::Packets(_) => &[Use::Nothing, Use::Packets, Use::Flows],
            Self::FlowFile(_) | Self::Capture(_) => &[Use::Nothing],
        }
    }

    /// Makes the input.
    pub fn make(self, size: usize) -> Input {
        match self {
            Self::Packets(make) => make(size),
            Self::FlowFile(make) => Input::FlowFile(make(size)),
            Self::Capture(make) => Input::Capture(make(size)),
        }
    }
}

/// All inputs, with their names.
pub fn inputs() -> impl Iterator<Item = (&'static str, Maker)> {
    let packets = packets::PACKETS.iter().map(|&(name, make)| (name, Maker::Packets(make)));
    let files = files::FILES.iter().map(|&(name, make)| (name, Maker::FlowFile(make)));
    let captures = captures::CAPTURES.iter().map(|&(name, make)| (name, Maker::Capture(make)));
    packets.chain(files).chain(captures)
}

/// The captures among the inputs.
pub fn captures(size: usize) -> Vec<(String, Vec<u8>)> {
    captures::CAPTURES.iter().map(|(name, make)| ((*name).to_owned(), make(size))).collect()
}

/// What becomes of decoded packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// They are only decoded.
    Nothing,
    /// They are written as lines of JSON, one for each packet.
    Packets,
    /// They are normalised, and written as lines of JSON, one for each flow.
    Flows,
}

/// Tells time, since any point.
pub type Clock = fn() -> Duration;

/// What an input takes.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Octets of the input.
    pub octets: usize,
    /// Time on the processor.
    pub time: Duration,
    /// Octets that were written of it.
    pub written: usize,
}

impl Input {
    /// Reads the input. What it took, `clock` tells: none is read here, since a profiler may not know the one of the
    /// processor.
    pub fn run(&self, of: Use, clock: Clock) -> io::Result<Cost> {
        match self {
            Self::Packets { before, then } => match of {
                Use::Nothing => Ok(packets(before, then, clock, &mut Nothing, |_| 0)),
                Use::Packets => Ok(encoded(before, then, clock, Format::Packets)),
                Use::Flows => Ok(encoded(before, then, clock, Format::FlowLines)),
            },
            Self::FlowFile(file) => Ok(measured(clock, file.len(), || work(|| flow_file(file)))),
            Self::Capture(capture) => Ok(measured(clock, capture.len(), || work(|| read_capture(capture)))),
        }
    }
}

/// Under a name of its own, by which a profiler knows what to count.
#[inline(never)]
fn work<T>(work: impl FnOnce() -> T) -> T {
    std::hint::black_box(work())
}

fn measured(clock: Clock, octets: usize, work: impl FnOnce() -> usize) -> Cost {
    let started = clock();
    let written = work();
    Cost { octets, time: clock() - started, written }
}

fn encoded(before: &[Sent], then: &[Sent], clock: Clock, format: Format) -> Cost {
    let mut encoder = FlowEncoder::new(format, None, None).expect("it is text");
    packets(before, then, clock, &mut encoder, |encoder| {
        encoder.end_packet();
        encoder.take_block().ok().flatten().map_or(0, |block| block.len())
    })
}

fn packets<S: MessageSink>(
    before: &[Sent],
    then: &[Sent],
    clock: Clock,
    sink: &mut S,
    mut end: impl FnMut(&mut S) -> usize,
) -> Cost {
    let mut session = Session::new();
    let mut decode = |(exporter, packet): &Sent| {
        let address = std::net::Ipv4Addr::from_bits(0xc000_0200 + exporter).into();
        let exporter = Exporter { address, port: 2055 };
        // Packets that cannot be read are not meant here.
        session.decode(exporter, Timestamp::from_secs(1_714_564_800), packet, sink).expect("a good header");
        end(sink)
    };
    for sent in before {
        decode(sent);
    }
    let octets = then.iter().map(|(_, packet)| packet.len()).sum();
    measured(clock, octets, || work(|| then.iter().map(decode).sum()))
}

struct Nothing;

impl MessageSink for Nothing {
    fn data(&mut self, _context: &Context<'_>, _set: DataSet<'_>) {}
}

fn flow_file(file: &[u8]) -> usize {
    let Ok(mut reader) = FlowReader::new(file) else { return 0 };
    let mut flows = Vec::new();
    let mut count = 0;
    loop {
        match reader.read(&mut flows) {
            Ok(true) => count += flows.len(),
            Ok(false) => return count,
            Err(error) if error.is_recoverable() => {}
            Err(_) => return count,
        }
    }
}

fn read_capture(capture: &[u8]) -> usize {
    let Ok(mut reader) = CaptureReader::new(capture) else { return 0 };
    let mut octets = 0;
    while let Ok(Some(datagram)) = reader.next_datagram() {
        octets += datagram.payload.len();
    }
    octets
}
