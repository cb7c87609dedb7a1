//! What the report counts by itself: everything that has few keys, with its course over time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use netflow_flow::{Column, column};
use netflow_query::{Batch, Consumer, Entry as Text, Error, Ports, Selection, Values};
use netflow_report::{Amount, Direction};

use super::systems::Database;

pub(super) mod clock;
pub(super) mod tracked;

use clock::Clock;
use tracked::{Course, Tracked};

const COLUMNS: [&str; 24] = [
    "exporter_addr",
    "observation_domain_id",
    "flow_version",
    "template_id",
    "time_received",
    "time_flow_start",
    "time_flow_end",
    "bytes_raw",
    "packets_raw",
    "flows",
    "sampling_rate",
    "sampling_source",
    "src_addr",
    "dst_addr",
    "src_port",
    "dst_port",
    "proto",
    "in_if",
    "out_if",
    "in_if_name",
    "out_if_name",
    "src_as",
    "dst_as",
    "reverse_bytes",
];

/// Nanoseconds that a flow may have ended before its export packet was received: longer than exporters keep flows.
const OLD: i64 = 3_600_000_000_000;
/// Nanoseconds that it may have ended after that: clocks that differ a little.
const EARLY: i64 = 300_000_000_000;
/// Nanoseconds that a flow may last.
const LONGEST: i64 = 86_400_000_000_000;

/// An interface of an exporter.
pub(super) type Interface = (IpAddr, u32);

/// What one thread counts, and all threads together in the end.
pub(super) struct Tally {
    with: With,
    columns: Vec<&'static Column>,
    pub(super) clock: Clock,
    pub(super) total: Amount,
    pub(super) course: Course,
    /// The first and the last time of a flow, in nanoseconds.
    pub(super) times: Option<(i64, i64)>,
    /// The lowest and the highest sampling rate.
    pub(super) rates: Option<(u64, u64)>,
    pub(super) services: Tracked<(u8, u16)>,
    pub(super) protocols: Tracked<u8>,
    pub(super) exporters: Tracked<IpAddr>,
    /// By direction: interfaces of packets that come in, and of those that go out.
    pub(super) interfaces: [Tracked<Interface>; 2],
    /// By direction: systems of sources, and of destinations.
    pub(super) systems: [Tracked<u32>; 2],
    /// By direction: systems of sources by the interface that packets came in by, of destinations by the other one.
    pub(super) by_interface: [Tracked<(Interface, u32)>; 2],
    pub(super) names: HashMap<Interface, String>,
    pub(super) health: BTreeMap<(IpAddr, u32), Heard>,
    /// Octets of the other direction, which are in no figure.
    pub(super) reverse: u64,
    /// Where the octets of the row at hand go.
    spread: Vec<(i64, u64)>,
    /// Systems of the ids of addresses.
    found: [Found; 2],
}

/// What all threads have in common.
#[derive(Clone)]
pub(super) struct With {
    pub(super) raw: bool,
    pub(super) ports: Arc<Ports>,
    pub(super) database: Option<Arc<Database>>,
}

/// What flows say of an exporter's domain.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    pub(super) amount: Amount,
    pub(super) versions: BTreeSet<u8>,
    pub(super) templates: BTreeSet<u16>,
    pub(super) sampling: BTreeSet<(u64, String)>,
}

/// Systems of addresses, by the ids of a dictionary.
#[derive(Debug, Default)]
struct Found {
    serial: Option<u64>,
    systems: HashMap<IpAddr, u32>,
}

impl Tally {
    pub(super) fn new(with: With) -> Self {
        Self {
            with,
            columns: COLUMNS.iter().filter_map(|name| column(name)).collect(),
            clock: Clock::default(),
            total: Amount::default(),
            course: Course::default(),
            times: None,
            rates: None,
            services: Tracked::default(),
            protocols: Tracked::default(),
            exporters: Tracked::default(),
            interfaces: Default::default(),
            systems: Default::default(),
            by_interface: Default::default(),
            names: HashMap::new(),
            health: BTreeMap::new(),
            reverse: 0,
            spread: Vec::new(),
            found: Default::default(),
        }
    }

    /// Adds what another thread has.
    pub(super) fn merge(&mut self, mut other: Self) {
        if let Some(times) = self.clock.follow(&other.clock) {
            self.lengthen(times);
        }
        if let Some(times) = other.clock.follow(&self.clock) {
            other.lengthen(times);
        }
        if let Some((first, last)) = other.times {
            self.reach(first, last);
            if let Some(times) = other.clock.follow(&self.clock) {
                other.lengthen(times);
            }
        }
        self.total = self.total.plus(other.total);
        let (first, buckets) = (other.clock.first(), other.clock.buckets());
        for (bucket, bytes) in (first..).zip(other.course.from(first, buckets)) {
            self.course.add(bucket, bytes);
        }
        self.rates = match (self.rates, other.rates) {
            (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
            (one, other) => one.or(other),
        };
        self.services.merge(other.services);
        self.protocols.merge(other.protocols);
        self.exporters.merge(other.exporters);
        for (own, other) in self.interfaces.iter_mut().zip(other.interfaces) {
            own.merge(other);
        }
        for (own, other) in self.systems.iter_mut().zip(other.systems) {
            own.merge(other);
        }
        for (own, other) in self.by_interface.iter_mut().zip(other.by_interface) {
            own.merge(other);
        }
        self.names.extend(other.names);
        for (exporter, heard) in other.health {
            self.health.entry(exporter).or_default().merge(heard);
        }
        self.reverse = self.reverse.saturating_add(other.reverse);
    }

    /// The interfaces of one direction.
    pub(super) fn interfaces(&self, direction: Direction) -> &Tracked<Interface> {
        &self.interfaces[direction as usize]
    }

    fn lengthen(&mut self, times: i64) {
        self.course.lengthen(times);
        self.services.lengthen(times);
        self.protocols.lengthen(times);
        self.exporters.lengthen(times);
        self.interfaces.iter_mut().for_each(|tracked| tracked.lengthen(times));
        self.systems.iter_mut().for_each(|tracked| tracked.lengthen(times));
    }

    fn reach(&mut self, from: i64, to: i64) {
        self.times = Some(self.times.map_or((from, to), |times| (times.0.min(from), times.1.max(to))));
        if let Some(times) = self.clock.reach(from, to) {
            self.lengthen(times);
        }
    }

    fn row(&mut self, row: usize, values: &[&Values; COLUMNS.len()]) {
        let number = |at: usize| values[at].number(row).unwrap_or(0);
        let [rate, raw_bytes, raw_packets] = [number(10).max(1), number(7), number(8)];
        let scale = if self.with.raw { 1 } else { rate };
        let amount = Amount {
            bytes: raw_bytes.saturating_mul(scale),
            packets: raw_packets.saturating_mul(scale),
            flows: number(9).max(1),
        };
        let time = |at: usize| values[at].number(row).map(|bits| bits as i64);
        let (from, to) = span(time(5), time(6), time(4).unwrap_or(0));
        self.reach(from, to);
        let mut spread = std::mem::take(&mut self.spread);
        spread.clear();
        self.clock.spread(from, to, amount.bytes, |bucket, bytes| spread.push((bucket, bytes)));

        self.total = self.total.plus(amount);
        spread.iter().for_each(|&(bucket, bytes)| self.course.add(bucket, bytes));
        self.rates = Some(self.rates.map_or((rate, rate), |rates| (rates.0.min(rate), rates.1.max(rate))));
        let proto = number(16) as u8;
        let ports = (number(14) as u16, number(15) as u16);
        self.protocols.add(proto, amount, &spread);
        self.services.add((proto, self.with.ports.service(proto, ports.0, ports.1)), amount, &spread);
        let Some(exporter) = address(values[0], row) else {
            self.spread = spread;
            return;
        };
        self.exporters.add(exporter, amount, &spread);
        for direction in 0..2 {
            let interface = (exporter, number(17 + direction) as u32);
            if interface.1 > 0
                && let Some(Text::Text(name)) = values[19 + direction].entry(row)
                && !self.names.contains_key(&interface)
            {
                self.names.insert(interface, name.to_owned());
            }
            let system = match number(21 + direction) as u32 {
                0 => self.system(direction, values[12 + direction], row),
                system => system,
            };
            self.interfaces[direction].add(interface, amount, &spread);
            self.systems[direction].add(system, amount, &spread);
            self.by_interface[direction].add((interface, system), amount, &[]);
        }
        self.spread = spread;
        self.reverse = self.reverse.saturating_add(number(23).saturating_mul(scale));
        let heard = self.health.entry((exporter, number(1) as u32)).or_default();
        heard.amount = heard.amount.plus(amount);
        heard.versions.insert(number(2) as u8);
        heard.templates.extend(values[3].number(row).map(|template| template as u16));
        let source = match values[11].entry(row) {
            Some(Text::Text(source)) => source,
            _ => "",
        };
        // A hostile exporter may change its rate with every record.
        if heard.sampling.len() < 16
            && !heard.sampling.iter().any(|known| known.0 == rate && known.1 == source)
        {
            heard.sampling.insert((rate, source.to_owned()));
        }
    }

    /// The system of an address that the user's database has.
    fn system(&mut self, direction: usize, values: &Values, row: usize) -> u32 {
        let Some(database) = &self.with.database else { return 0 };
        let Some(address) = address(values, row) else { return 0 };
        let found = &mut self.found[direction];
        // Bounded by the dictionary that the addresses come from.
        if found.serial != Some(values.dictionary().serial()) {
            found.serial = Some(values.dictionary().serial());
            found.systems.clear();
        }
        *found.systems.entry(address).or_insert_with(|| database.system(address))
    }
}

impl Consumer for Tally {
    fn columns(&self) -> Vec<&'static Column> {
        self.columns.clone()
    }

    fn take(&mut self, batch: &mut Batch, selection: &Selection) -> Result<(), Error> {
        let columns = self.columns.clone();
        batch.load(&columns)?;
        let values: Vec<&Values> = columns.iter().map(|column| batch.values(column)).collect();
        // The names are those of the table of columns.
        let Ok(values) = <&[&Values; COLUMNS.len()]>::try_from(&values[..]) else { return Ok(()) };
        selection.iter().for_each(|row| self.row(row, values));
        Ok(())
    }
}

impl Heard {
    fn merge(&mut self, other: Self) {
        self.amount = self.amount.plus(other.amount);
        self.versions.extend(other.versions);
        self.templates.extend(other.templates);
        self.sampling.extend(other.sampling);
    }
}

fn address(values: &Values, row: usize) -> Option<IpAddr> {
    match values.entry(row) {
        Some(Text::Address(address)) => Some(address),
        _ => None,
    }
}

/// From when to when a flow was, in nanoseconds. Where the exporter's clock cannot be right, it ended when its export
/// packet was received.
fn span(start: Option<i64>, end: Option<i64>, received: i64) -> (i64, i64) {
    let Some(last) = end.or(start) else { return (received, received) };
    let length = last.saturating_sub(start.unwrap_or(last)).clamp(0, LONGEST);
    let plausible =
        received == 0 || (received.saturating_sub(OLD)..=received.saturating_add(EARLY)).contains(&last);
    let last = if plausible { last } else { received };
    (last.saturating_sub(length), last)
}

#[cfg(test)]
mod tests {
    use netflow_flow::Flow;
    use netflow_query::{All, Scan};
    use netflow_templates::Timestamp;

    use super::*;

    const HOUR: i64 = OLD;

    #[test]
    fn a_flow_is_where_its_exporter_says_unless_that_cannot_be() {
        assert_eq!(span(Some(10 * HOUR), Some(10 * HOUR + 5), 10 * HOUR + 9), (10 * HOUR, 10 * HOUR + 5));
        assert_eq!(span(Some(HOUR), Some(HOUR + 5), 10 * HOUR), (10 * HOUR - 5, 10 * HOUR));
        assert_eq!(span(Some(20 * HOUR), Some(20 * HOUR + 5), 10 * HOUR), (10 * HOUR - 5, 10 * HOUR));
        assert_eq!(span(None, None, 10 * HOUR), (10 * HOUR, 10 * HOUR));
        assert_eq!(span(Some(5), None, 0), (5, 5));
        assert_eq!(span(Some(7), Some(5), 0), (5, 5));
        assert_eq!(span(Some(i64::MIN), Some(i64::MAX), 0), (i64::MAX - LONGEST, i64::MAX));
    }

    fn with() -> With {
        With { raw: false, ports: Arc::new(Ports::new(|_, port| port < 1_024)), database: None }
    }

    fn flow(second: i64, bytes: u64, source: [u8; 4]) -> Flow {
        let mut flow = Flow::default();
        flow.exporter_addr = [192, 0, 2, 1].into();
        flow.time_received = Timestamp::from_secs(1_000_000 + second);
        flow.time_flow_start = Some(Timestamp::from_secs(1_000_000 + second));
        flow.time_flow_end = Some(Timestamp::from_secs(1_000_000 + second));
        (flow.bytes_raw, flow.packets_raw, flow.sampling_rate, flow.flows) = (bytes, 1, 10, 1);
        flow.src_addr = Some(source.into());
        flow.dst_addr = Some([198, 51, 100, 1].into());
        (flow.proto, flow.src_port, flow.dst_port, flow.in_if, flow.src_as) = (6, 40_000, 443, 7, 64_496);
        flow
    }

    fn tally(flows: &[Flow]) -> Tally {
        let mut scan = Scan::new(1, || (All, Tally::new(with())));
        flows.iter().for_each(|flow| scan.flow(flow).unwrap());
        scan.finish().unwrap().0.pop().unwrap()
    }

    #[test]
    fn all_that_is_counted_adds_up_to_the_same() {
        let flows: Vec<_> =
            (0..2_000).map(|number| flow(number * 3, 100, [10, 0, 0, number as u8])).collect();
        let whole = tally(&flows);
        assert_eq!(whole.total, Amount { bytes: 2_000_000, packets: 20_000, flows: 2_000 });
        assert_eq!(whole.clock.step().as_secs(), 30);
        let sum =
            |course: &Course| course.from(whole.clock.first(), whole.clock.buckets()).iter().sum::<u64>();
        assert_eq!(sum(&whole.course), 2_000_000);
        for tracked in [&whole.interfaces[0], &whole.interfaces[1]] {
            let entries = tracked.sorted();
            assert_eq!(
                (entries.len(), entries[0].1.amount, sum(&entries[0].1.course)),
                (1, whole.total, 2_000_000)
            );
        }
        assert_eq!(whole.services.sorted()[0].0, &(6, 443));
        assert_eq!(whole.by_interface[0].sorted()[0].0, &(([192, 0, 2, 1].into(), 7), 64_496));
    }

    #[test]
    fn threads_together_have_what_one_has() {
        let flows: Vec<_> =
            (0..2_000).map(|number| flow(number * 7, 100 + number as u64, [10, 0, 0, 1])).collect();
        let whole = tally(&flows);
        for cut in [0, 1, 3, 1_000, 2_000] {
            let mut parts = tally(&flows[..cut]);
            parts.merge(tally(&flows[cut..]));
            assert_eq!((parts.clock, parts.total, parts.times), (whole.clock, whole.total, whole.times));
            let course = |tally: &Tally| tally.course.from(tally.clock.first(), tally.clock.buckets());
            assert_eq!(course(&parts), course(&whole));
            assert_eq!(parts.services.sorted()[0].1.course, whole.services.sorted()[0].1.course);
        }
    }
}
