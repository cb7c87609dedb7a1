//! What was counted, as figures of the page.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use netflow_analyzer::{HostNames, Services};
use netflow_flow::protocol_name;
use netflow_query::{KeyValue, Top};
use netflow_report::{Amount, Correction, Direction, Ranked, Ranking, Series, SystemsByInterface, Timeline};

use super::counters::Counters;
use super::csv;
use super::systems::SystemNames;
use super::tally::tracked::{Entry, Tracked};
use super::tally::{Interface, Tally};

/// Series and systems that have a colour.
const COLOURS: usize = 8;
/// Interfaces that systems are told of.
const INTERFACES: usize = 9;

const SPREAD: &str = "The octets of a flow are spread evenly over its time, or count when it was received where its \
                      exporter's clock cannot be right.";

/// What figures are made with.
pub(super) struct Names<'a> {
    pub(super) services: &'a Services,
    pub(super) systems: &'a SystemNames,
    pub(super) interfaces: HashMap<Interface, String>,
    pub(super) hosts: &'a HostNames,
    /// Whether interfaces are of one exporter, which then need not be said.
    pub(super) one_exporter: bool,
    pub(super) top: usize,
}

/// Reads the user's names of interfaces.
pub(super) fn read_interfaces(path: &Path) -> anyhow::Result<HashMap<Interface, String>> {
    let mut names = HashMap::new();
    csv::read(path, "exporter,ifIndex,name", |fields| {
        let [exporter, index, name, ..] = fields else { return None };
        names.insert((exporter.parse().ok()?, index.parse().ok()?), name.clone());
        Some(())
    })?;
    Ok(names)
}

impl Names<'_> {
    fn service(&self, (proto, port): (u8, u16)) -> (String, String) {
        let protocol = protocol(proto);
        match self.services.name(proto, port) {
            Some(name) => (name.to_owned(), format!("{protocol} {port}")),
            None if port == 0 => (protocol, String::new()),
            None => (format!("{protocol} {port}"), String::new()),
        }
    }

    fn system(&self, system: u32) -> (String, String) {
        match system {
            0 => ("Unknown AS".to_owned(), String::new()),
            _ => (format!("AS{system}"), self.systems.name(system)),
        }
    }

    fn interface(&self, interface: Interface) -> String {
        let (exporter, index) = interface;
        let name = match (self.interfaces.get(&interface), index) {
            (Some(name), _) => name.clone(),
            (None, 0) => "no interface".to_owned(),
            (None, _) => format!("interface {index}"),
        };
        if self.one_exporter { name } else { format!("{name} at {exporter}") }
    }
}

fn protocol(number: u8) -> String {
    protocol_name(number).map_or_else(|| format!("protocol {number}"), str::to_owned)
}

fn joined((name, detail): (String, String)) -> String {
    if detail.is_empty() { name } else { format!("{name} {detail}") }
}

/// Traffic over time by one key; none when there is nothing to tell apart.
fn timeline<K: std::hash::Hash + Eq + Clone + Ord>(
    tally: &Tally,
    by: &str,
    tracked: &Tracked<K>,
    is_known: impl Fn(&K) -> bool,
    name: impl Fn(&K) -> String,
) -> Option<Timeline> {
    let (first, buckets) = (tally.clock.first(), tally.clock.buckets());
    let sorted = tracked.sorted();
    if buckets == 0 || !sorted.iter().any(|(key, _)| is_known(key)) {
        return None;
    }
    let series: Vec<Series> = (sorted.iter().take(COLOURS))
        .map(|(key, entry)| Series { name: name(key), bytes: entry.course.from(first, buckets) })
        .collect();
    let mut rest = tally.course.from(first, buckets);
    for series in &series {
        for (rest, bytes) in rest.iter_mut().zip(&series.bytes) {
            *rest = rest.saturating_sub(*bytes);
        }
    }
    let others = sorted.len() > COLOURS || tracked.forgotten > 0;
    Some(Timeline {
        by: by.to_owned(),
        note: SPREAD.to_owned(),
        correction: None,
        start: tally.clock.start(),
        step: tally.clock.step(),
        series,
        rest: others.then(|| Series { name: "All others".to_owned(), bytes: rest }),
    })
}

/// All timelines.
pub(super) fn timelines(tally: &Tally, names: &Names<'_>, scaled: &Scaled) -> Vec<Timeline> {
    let interfaces = |by: &str, direction: Direction| {
        let correction = scaled.correction(direction);
        let tracked = scaled.interfaces(tally, direction);
        let is_known = |interface: &Interface| interface.1 > 0;
        let mut timeline = timeline(tally, by, tracked, is_known, |interface| names.interface(*interface))?;
        if correction.is_some() {
            // The rest is what the other interfaces have, and not what is left of the flows.
            let (first, buckets) = (tally.clock.first(), tally.clock.buckets());
            let mut rest = vec![0_u64; buckets];
            for (_, entry) in tracked.sorted().into_iter().skip(COLOURS) {
                for (rest, bytes) in rest.iter_mut().zip(entry.course.from(first, buckets)) {
                    *rest = rest.saturating_add(bytes);
                }
            }
            timeline.rest = timeline.rest.map(|series| Series { bytes: rest, ..series });
            timeline.note = scaled.note(direction);
            timeline.correction = correction;
        }
        Some(timeline)
    };
    let systems = |by: &str, direction: Direction| {
        let tracked = &tally.systems[direction as usize];
        timeline(tally, by, tracked, |system| *system > 0, |system| joined(names.system(*system)))
    };
    let exporters = &tally.exporters;
    let several = exporters.sorted().len() > 1;
    [
        timeline(tally, "Service", &tally.services, |_| true, |service| joined(names.service(*service))),
        timeline(tally, "Protocol", &tally.protocols, |_| true, |number| protocol(*number)),
        interfaces("Input interface", Direction::In),
        interfaces("Output interface", Direction::Out),
        systems("Source AS", Direction::In),
        systems("Destination AS", Direction::Out),
        timeline(tally, "Exporter", exporters, |_| several, IpAddr::to_string),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A note that tells, too, by how much volumes may be too small, as more keys were seen than are kept apart.
fn with_bound(note: &str, forgotten: u64) -> String {
    match forgotten {
        0 => note.to_owned(),
        bytes => {
            format!("{note} There are more than are kept apart: a volume may lack up to {bytes} octets.")
                .trim_start()
                .to_owned()
        }
    }
}

/// The largest of what the tally has.
fn ranking<K: std::hash::Hash + Eq + Clone + Ord>(
    (title, heading, note): (&str, &str, &str),
    tracked: &Tracked<K>,
    top: usize,
    is_known: impl Fn(&K) -> bool,
    name: impl Fn(&K) -> (String, String),
) -> Ranking {
    let sorted = tracked.sorted();
    let rows = match sorted.iter().any(|(key, _)| is_known(key)) {
        true => (sorted.iter().take(top))
            .map(|(key, entry)| {
                let (name, detail) = name(key);
                Ranked { name: vec![name], detail, amount: entry.amount }
            })
            .collect(),
        false => Vec::new(),
    };
    Ranking {
        title: title.to_owned(),
        heading: heading.to_owned(),
        note: with_bound(note, tracked.forgotten),
        distinct: tracked.distinct(),
        rows,
        ..Ranking::default()
    }
}

/// The largest groups of a question.
fn ranking_of((title, heading, note): (&str, &str, &str), top: &Top, names: &Names<'_>) -> Ranking {
    let host = |value: &KeyValue| match value {
        KeyValue::Address(address) => names.hosts.get(*address).unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let row = |group: &netflow_query::Group| {
        let totals = group.totals;
        let known: Vec<String> = group.keys.iter().map(host).collect();
        Ranked {
            name: (group.keys.iter())
                .map(|key| if *key == KeyValue::Absent { "no address".to_owned() } else { key.to_string() })
                .collect(),
            detail: known
                .iter()
                .filter(|name| !name.is_empty())
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" \u{2194} "),
            amount: Amount { bytes: totals.bytes, packets: totals.packets, flows: totals.flows },
        }
    };
    Ranking {
        title: title.to_owned(),
        heading: heading.to_owned(),
        note: with_bound(note, top.other.bytes),
        rows: top.groups.iter().map(row).collect(),
        distinct: (top.other.flows == 0).then_some(top.count),
        ..Ranking::default()
    }
}

/// All rankings.
pub(super) fn rankings(
    tally: &Tally,
    hosts: &Top,
    pairs: &Top,
    names: &Names<'_>,
    scaled: &Scaled,
) -> Vec<Ranking> {
    let systems = |title: &str, direction: Direction| {
        let tracked = &tally.systems[direction as usize];
        ranking((title, "AS", ""), tracked, names.top, |system| *system > 0, |system| names.system(*system))
    };
    let interfaces = |title: &str, direction: Direction| {
        let tracked = scaled.interfaces(tally, direction);
        let name = |interface: &Interface| (names.interface(*interface), String::new());
        let ranking =
            ranking((title, "Interface", ""), tracked, names.top, |interface| interface.1 > 0, name);
        match scaled.correction(direction) {
            None => ranking,
            correction => Ranking {
                total_bytes: tracked
                    .sorted()
                    .iter()
                    .fold(0, |sum, (_, entry)| sum.saturating_add(entry.amount.bytes)),
                note: scaled.note(direction),
                correction,
                ..ranking
            },
        }
    };
    let service = "The service is that of the port that is known, or else of the lower one.";
    vec![
        ranking_of(("Hosts", "Host", "A flow counts for both of its hosts."), hosts, names),
        ranking_of(("Pairs of hosts", "Hosts", "Both directions together."), pairs, names),
        ranking(
            ("Services", "Service", service),
            &tally.services,
            names.top,
            |_| true,
            |service| names.service(*service),
        ),
        ranking(
            ("Protocols", "Protocol", ""),
            &tally.protocols,
            names.top,
            |_| true,
            |number| (protocol(*number), String::new()),
        ),
        systems("Source AS", Direction::In),
        systems("Destination AS", Direction::Out),
        interfaces("Input interfaces", Direction::In),
        interfaces("Output interfaces", Direction::Out),
    ]
}

/// Systems by interface, in one direction; none when flows know no systems.
pub(super) fn systems_by_interface(
    tally: &Tally,
    direction: Direction,
    names: &Names<'_>,
    scaled: &Scaled,
) -> Option<SystemsByInterface> {
    let all = scaled.interfaces(tally, direction).sorted();
    // What has no interface did not pass one.
    let with_number = all.iter().filter(|(interface, _)| interface.1 > 0);
    let shown: Vec<Interface> =
        with_number.clone().take(INTERFACES).map(|(interface, _)| **interface).collect();
    let mut by_system: BTreeMap<u32, u64> = BTreeMap::new();
    let mut octets: HashMap<(Interface, u32), u64> = HashMap::new();
    let pairs = &tally.by_interface[direction as usize];
    for ((interface, system), entry) in pairs.sorted() {
        if shown.contains(interface) {
            let bytes = entry.amount.bytes;
            octets.insert((*interface, *system), bytes);
            let sum = by_system.entry(*system).or_default();
            *sum = sum.saturating_add(scaled.of_interface(*interface, direction, bytes));
        }
    }
    if shown.is_empty() || !by_system.keys().any(|system| *system > 0) {
        return None;
    }
    let mut systems: Vec<(u32, u64)> = by_system.into_iter().collect();
    systems.sort_by_key(|&(system, bytes)| (std::cmp::Reverse(bytes), system));
    systems.truncate(COLOURS);
    let row = |&interface: &Interface| {
        let of = |&(system, _): &(u32, u64)| octets.get(&(interface, system)).copied().unwrap_or(0);
        let mut row: Vec<u64> = systems.iter().map(of).collect();
        // What is left of the interface: with those of its systems that were forgotten.
        let all = tally.interfaces(direction).amount(&interface).bytes;
        row.push(row.iter().fold(all, |rest, bytes| rest.saturating_sub(*bytes)));
        let scaled = row.into_iter().map(|bytes| scaled.of_interface(interface, direction, bytes)).collect();
        (names.interface(interface), scaled)
    };
    let interfaces = with_number.count();
    let mut note = match interfaces > shown.len() {
        true => format!("The {} largest interfaces of {interfaces}.", shown.len()),
        false => String::new(),
    };
    note = with_bound(&note, pairs.forgotten);
    let correction = scaled.correction(direction);
    if correction.is_some() {
        note = format!("{note} {}", scaled.note(direction)).trim().to_owned();
    }
    Some(SystemsByInterface {
        direction,
        note,
        correction,
        systems: systems.iter().map(|(system, _)| names.system(*system)).collect(),
        interfaces: shown.iter().map(row).collect(),
    })
}

/// Volumes of interfaces, scaled so that their sums are those of counters.
#[derive(Default)]
pub(super) struct Scaled {
    /// By direction; none where there are no counters.
    tracked: [Option<Tracked<Interface>>; 2],
    /// By what the volumes of an interface are multiplied, over the whole time.
    factors: HashMap<(Interface, bool), f64>,
    without: [usize; 2],
}

impl Scaled {
    pub(super) fn new(tally: &Tally, counters: Option<&Counters>) -> Self {
        let mut scaled = Self::default();
        let Some(counters) = counters else { return scaled };
        for direction in [Direction::In, Direction::Out] {
            let at = direction as usize;
            let mut tracked = Tracked::default();
            tracked.forgotten = tally.interfaces[at].forgotten;
            for (interface, entry) in tally.interfaces[at].sorted() {
                let mut entry: Entry = entry.clone();
                match counters.octets(*interface, direction, &tally.clock) {
                    Some(octets) => {
                        let before = entry.amount.bytes;
                        // Where the counters do not reach, or no flow was seen, there is nothing to scale.
                        let mut sum = 0_u64;
                        let first = tally.clock.first();
                        entry.course.change(|bucket, bytes| {
                            let at = usize::try_from(bucket - first).ok();
                            let counted = at.and_then(|at| octets.get(at).copied().flatten());
                            let scaled = counted.filter(|_| bytes > 0).unwrap_or(bytes);
                            sum = sum.saturating_add(scaled);
                            scaled
                        });
                        let factor = if before == 0 { 1.0 } else { sum as f64 / before as f64 };
                        entry.amount.bytes = sum;
                        entry.amount.packets = (entry.amount.packets as f64 * factor) as u64;
                        scaled.factors.insert((*interface, at == 1), factor);
                    }
                    None if interface.1 > 0 => scaled.without[at] += 1,
                    None => {}
                }
                tracked.put(*interface, entry);
            }
            if scaled.factors.keys().any(|(_, out)| *out == (at == 1)) {
                scaled.tracked[at] = Some(tracked);
            }
        }
        scaled
    }

    /// Whether any interface has counters.
    pub(super) fn is_some(&self) -> bool {
        !self.factors.is_empty()
    }

    fn interfaces<'a>(&'a self, tally: &'a Tally, direction: Direction) -> &'a Tracked<Interface> {
        self.tracked[direction as usize].as_ref().unwrap_or_else(|| tally.interfaces(direction))
    }

    fn correction(&self, direction: Direction) -> Option<Correction> {
        self.tracked[direction as usize].is_some().then_some(Correction::Counters)
    }

    fn of_interface(&self, interface: Interface, direction: Direction, bytes: u64) -> u64 {
        let factor = self.factors.get(&(interface, direction == Direction::Out)).copied().unwrap_or(1.0);
        (bytes as f64 * factor) as u64
    }

    fn note(&self, direction: Direction) -> String {
        let factors: Vec<f64> = (self.factors.iter())
            .filter(|((_, out), _)| *out == (direction == Direction::Out))
            .map(|(_, factor)| *factor)
            .collect();
        let least = factors.iter().copied().fold(f64::INFINITY, f64::min);
        let most = factors.iter().copied().fold(0.0, f64::max);
        let mut note = format!(
            "Volumes of flows are multiplied by {least:.3} to {most:.3}, so that their sums are those of the counters."
        );
        if self.without[direction as usize] > 0 {
            note += &format!(
                " {} interfaces have no counters, and are not scaled.",
                self.without[direction as usize]
            );
        }
        note
    }
}
