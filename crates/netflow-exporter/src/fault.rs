//! What goes wrong on the way: lost, late, doubled and damaged packets, on purpose, by a seed, and counted.
//!
//! Every fault can be told by a collector, so its counts can be compared with these: the first packet of a stream
//! passes, since nothing shows what was before it, and so does the last, since nothing comes behind it.

use std::mem;

use crate::Source;
use crate::random::Random;

mod damage;

/// How likely each fault is for a packet, 0 to 1. A packet has one of them at most, looked for in this order.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FaultConfig {
    /// It is not sent.
    pub loss: f64,
    /// It is sent behind the next one of its stream.
    pub reorder: f64,
    /// It is sent twice.
    pub duplicate: f64,
    /// It is damaged, so that it shows.
    pub corrupt: f64,
}

impl FaultConfig {
    /// Whether any fault is asked for.
    pub fn any(&self) -> bool {
        [self.loss, self.reorder, self.duplicate, self.corrupt].iter().any(|&chance| chance > 0.0)
    }
}

/// What was done to packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct FaultCounts {
    /// Packets that were not sent.
    pub lost: u64,
    /// Flow records in them.
    pub lost_flows: u64,
    /// Packets that were sent behind the next one.
    pub reordered: u64,
    /// Packets that were sent twice.
    pub duplicated: u64,
    /// Packets that were damaged: the sum of the next three.
    pub corrupted: u64,
    /// Packets with another version in the header, which nobody can read.
    pub unreadable: u64,
    /// Packets that end early.
    pub cut: u64,
    /// Packets whose count, or the length of whose last set, says more than there is.
    pub overstated: u64,
}

/// A packet, as it goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Whose packet it is: what has sequence numbers of its own, an observation domain of an exporter.
    pub stream: usize,
    /// Which of its ports the exporter sends it from.
    pub source: Source,
    /// Flow records in it.
    pub flows: u32,
    /// The export packet.
    pub octets: &'a [u8],
}

/// Packets on their way, and what goes wrong with them.
#[derive(Debug, Clone)]
pub struct Faults {
    chances: [u64; 4],
    random: Random,
    streams: Vec<Stream>,
    damaged: Vec<u8>,
    counts: FaultCounts,
}

/// What is kept of a stream.
#[derive(Debug, Clone, Default)]
struct Stream {
    begun: bool,
    /// The packet that is to be late.
    held: Option<Kept>,
    /// The last packet, if it was lost.
    lost: Option<Kept>,
}

/// A packet by itself.
#[derive(Debug, Clone, Default)]
struct Kept {
    source: Source,
    flows: u32,
    octets: Vec<u8>,
}

impl Kept {
    fn of(packet: &Outgoing<'_>) -> Self {
        Self { source: packet.source, flows: packet.flows, octets: packet.octets.to_vec() }
    }

    fn packet(&self, stream: usize) -> Outgoing<'_> {
        Outgoing { stream, source: self.source, flows: self.flows, octets: &self.octets }
    }
}

impl Faults {
    /// Faults for the packets of so many streams.
    pub fn new(config: &FaultConfig, seed: u64, streams: usize) -> Self {
        let FaultConfig { loss, reorder, duplicate, corrupt } = *config;
        Self {
            // Of 2^32.
            chances: [loss, reorder, duplicate, corrupt]
                .map(|chance| (chance.clamp(0.0, 1.0) * 4_294_967_296.0) as u64),
            random: Random::new(seed, u64::from_be_bytes(*b"faults\0\0")),
            streams: vec![Stream::default(); streams],
            damaged: Vec::new(),
            counts: FaultCounts::default(),
        }
    }

    /// What was done up to now.
    pub fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// Takes the next packet; `deliver` gets what comes out: none, one or two packets.
    pub fn pass<E>(
        &mut self,
        packet: &Outgoing<'_>,
        mut deliver: impl FnMut(&Outgoing<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (one, other) = (self.random.number(), self.random.number());
        let draws = [one as u32, (one >> 32) as u32, other as u32, (other >> 32) as u32];
        let hit = |fault: usize| u64::from(draws[fault]) < self.chances[fault];
        let stream = &mut self.streams[packet.stream];
        if let Some(held) = stream.held.take() {
            self.counts.reordered += 1;
            deliver(packet)?;
            return deliver(&held.packet(packet.stream));
        }
        if !mem::replace(&mut stream.begun, true) {
            return deliver(packet);
        }
        if hit(0) {
            self.counts.lost += 1;
            self.counts.lost_flows += u64::from(packet.flows);
            stream.lost = Some(Kept::of(packet));
            return Ok(());
        }
        stream.lost = None;
        if hit(1) {
            stream.held = Some(Kept::of(packet));
            return Ok(());
        }
        if hit(2) {
            self.counts.duplicated += 1;
            deliver(packet)?;
        } else if hit(3) {
            self.damaged.clear();
            self.damaged.extend_from_slice(packet.octets);
            let kind = damage::damage(&mut self.damaged, self.random.number());
            let counts = &mut self.counts;
            counts.corrupted += 1;
            match kind {
                damage::Kind::Unreadable => counts.unreadable += 1,
                damage::Kind::Cut => counts.cut += 1,
                damage::Kind::Overstated => counts.overstated += 1,
            }
            return deliver(&Outgoing { octets: &self.damaged, ..*packet });
        }
        deliver(packet)
    }

    /// No more packets of a stream come, or it starts to count anew: gives out what was held back, and the last
    /// packet if that was lost. The next packet is a first one.
    pub fn settle<E>(
        &mut self,
        stream: usize,
        mut deliver: impl FnMut(&Outgoing<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let state = mem::take(&mut self.streams[stream]);
        if let Some(lost) = state.lost {
            self.counts.lost -= 1;
            self.counts.lost_flows -= u64::from(lost.flows);
            deliver(&lost.packet(stream))?;
        }
        state.held.map_or(Ok(()), |held| deliver(&held.packet(stream)))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Passes `count` packets, of which each is its number, and gives the numbers that come out.
    fn passed(config: FaultConfig, count: u32) -> (Vec<u32>, FaultCounts) {
        let mut faults = Faults::new(&config, 1, 1);
        let mut out = Vec::new();
        let mut deliver = |packet: &Outgoing<'_>| -> Result<(), Infallible> {
            out.push(u32::from_be_bytes(packet.octets.try_into().unwrap()));
            Ok(())
        };
        for number in 0..count {
            let octets = number.to_be_bytes();
            faults
                .pass(&Outgoing { stream: 0, source: Source::Flows, flows: 2, octets: &octets }, &mut deliver)
                .unwrap();
        }
        faults.settle(0, &mut deliver).unwrap();
        (out, faults.counts())
    }

    #[test]
    fn without_faults_all_pass() {
        let (out, counts) = passed(FaultConfig::default(), 100);
        assert_eq!(out, (0..100).collect::<Vec<_>>());
        assert_eq!(counts, FaultCounts::default());
    }

    #[test]
    fn what_is_lost_is_counted() {
        let (out, counts) = passed(FaultConfig { loss: 0.1, ..FaultConfig::default() }, 1_000);
        assert_eq!(out.len() as u64, 1_000 - counts.lost);
        assert_eq!(counts.lost_flows, counts.lost * 2);
        assert!((70..130).contains(&counts.lost), "{counts:?}");
    }

    #[test]
    fn the_first_and_the_last_packet_pass() {
        let (out, counts) = passed(FaultConfig { loss: 1.0, ..FaultConfig::default() }, 100);
        assert_eq!((out, counts.lost), (vec![0, 99], 98));
    }

    #[test]
    fn what_is_late_comes_behind_the_next() {
        let (out, counts) = passed(FaultConfig { reorder: 0.1, ..FaultConfig::default() }, 1_000);
        let late = out.windows(2).filter(|pair| pair[0] == pair[1] + 1).count() as u64;
        assert!(late > 50 && late == counts.reordered, "{late} {counts:?}");
        let mut sorted = out;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_doubled_comes_twice() {
        let (out, counts) = passed(FaultConfig { duplicate: 0.1, ..FaultConfig::default() }, 1_000);
        let twice = out.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        assert!(twice > 50 && twice == counts.duplicated, "{twice} {counts:?}");
        assert_eq!(out.len() as u64, 1_000 + twice);
    }

    #[test]
    fn a_failed_delivery_ends_it() {
        let mut faults = Faults::new(&FaultConfig { duplicate: 1.0, ..FaultConfig::default() }, 1, 1);
        let packet = Outgoing { stream: 0, source: Source::Flows, flows: 1, octets: &[0; 4] };
        assert_eq!(faults.pass(&packet, |_| Err("full")), Err("full"));
    }
}
