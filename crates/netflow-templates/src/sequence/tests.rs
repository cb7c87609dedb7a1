use super::rule::{RULES, Rule};
use super::*;
use crate::Timestamp;

/// Numbers without chance.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(end)) as u32
    }
}

#[derive(Debug, Clone, Copy)]
struct Packet {
    sequence: u32,
    units: Units,
}

/// Packets of an exporter that counts by `rule`, from `start` on.
fn exporter(rule: Rule, start: u32, all: impl IntoIterator<Item = Units>) -> Vec<Packet> {
    let mut next = start;
    all.into_iter()
        .map(|units| {
            let step = match rule {
                Rule::Before | Rule::After => units.all(),
                Rule::BeforeRecords | Rule::AfterRecords => units.records,
                Rule::Packets => 1,
            };
            let before = next;
            next = next.wrapping_add(step);
            let after = matches!(rule, Rule::After | Rule::AfterRecords);
            Packet { sequence: if after { next } else { before }, units }
        })
        .collect()
}

fn records(counts: &[u32]) -> Vec<Units> {
    counts.iter().map(|count| Units::records(*count)).collect()
}

fn second(n: usize) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + n as i64)
}

fn feed(version: u16, packets: &[Packet]) -> SequenceTracker {
    let mut tracker = SequenceTracker::new();
    let (mut lost, mut recovered) = (0, 0);
    for (n, packet) in packets.iter().enumerate() {
        let step = tracker.observe(version, packet.sequence, Some(packet.units), second(n), None);
        lost += step.lost;
        recovered += step.recovered;
        assert_eq!(lost - recovered, tracker.totals().lost);
    }
    tracker
}

/// Records of random number, with some options among them.
fn random_units(random: &mut Random, count: usize, options: bool) -> Vec<Units> {
    (0..count)
        .map(|_| Units {
            records: 1 + random.below(30),
            options: if options && random.below(10) == 0 { 1 + random.below(3) } else { 0 },
        })
        .collect()
}

#[test]
fn records_before_the_message() {
    // pmacct and PyPI ipfix: from 0, options counted, templates not.
    let units = [
        Units { records: 0, options: 0 },
        Units { records: 0, options: 2 },
        Units { records: 18, options: 0 },
        Units { records: 27, options: 1 },
        Units { records: 0, options: 0 },
        Units { records: 5, options: 0 },
        Units { records: 19, options: 0 },
    ];
    let packets = exporter(Rule::Before, 0, units);
    let tracker = feed(10, &packets);
    assert_eq!(tracker.convention(), Convention::Before);
    let totals = tracker.totals();
    assert_eq!((totals.received, totals.lost, totals.expected), (72, 0, 72));
    let sequences: Vec<_> = packets.iter().map(|packet| packet.sequence).collect();
    assert_eq!(sequences, [0, 0, 2, 20, 48, 48, 53]);
}

#[test]
fn softflowd_counts_after_the_message_and_no_options() {
    // The options record is in the first message; its 18 records are number 18.
    let units = [
        Units { records: 18, options: 1 },
        Units { records: 27, options: 0 },
        Units { records: 25, options: 0 },
        Units { records: 11, options: 1 },
        Units { records: 27, options: 0 },
        Units { records: 3, options: 0 },
    ];
    let packets = exporter(Rule::AfterRecords, 0, units);
    assert_eq!(packets[0].sequence, 18);
    let tracker = feed(10, &packets);
    assert_eq!(tracker.convention(), Convention::AfterWithoutOptions);
    assert_eq!((tracker.totals().received, tracker.totals().lost), (111, 0));
    // Without the fourth message.
    let mut some = packets;
    some.extend(exporter(Rule::AfterRecords, 111, records(&[7, 9, 30])));
    some.remove(3);
    assert_eq!(feed(10, &some).totals().lost, 11);
}

#[test]
fn open_vswitch_v5_is_the_index_of_the_last_record() {
    let packets: Vec<_> = [(5, 6), (21, 16), (35, 14), (40, 5), (70, 30)]
        .map(|(sequence, count)| Packet { sequence, units: Units::records(count) })
        .into();
    let tracker = feed(5, &packets);
    assert_eq!(tracker.convention(), Convention::After);
    assert_eq!(tracker.totals().lost, 0);
}

#[test]
fn open_vswitch_ipfix_has_one_record_a_message() {
    let packets = exporter(Rule::After, 0, vec![Units::records(1); 50]);
    assert_eq!(packets[0].sequence, 1);
    assert_eq!(feed(10, &packets).totals().lost, 0);
    // Here all rules agree, so the loss is known too.
    let some: Vec<_> = packets.iter().enumerate().filter(|(n, _)| n % 10 != 5).map(|(_, p)| *p).collect();
    assert_eq!(feed(10, &some).totals().lost, 5);
}

#[test]
fn v9_counts_packets() {
    let mut random = Random(9);
    let mut packets = exporter(Rule::Packets, 1, random_units(&mut random, 100, true));
    assert_eq!(feed(9, &packets).convention(), Convention::Packets);
    packets.drain(50..53);
    packets.remove(20);
    let totals = feed(9, &packets).totals();
    assert_eq!((totals.lost, totals.received, totals.expected), (4, 96, 100));
    // The same when the records are never known, or given as one per packet.
    for units in [None, Some(Units::records(1))] {
        let mut tracker = SequenceTracker::new();
        for (n, packet) in packets.iter().enumerate() {
            tracker.observe(9, packet.sequence, units, second(n), Some(n as u32 * 1000));
        }
        assert_eq!(tracker.totals().lost, 4);
        assert_eq!(tracker.convention(), Convention::Packets);
    }
}

#[test]
fn other_units_claim_nothing() {
    let mut random = Random(5);
    // nflow-generator: v5 whose number rises by 1 a packet; then octets, a constant and noise.
    let flows = random_units(&mut random, 300, false);
    let packets: Vec<_> = (0..300).map(|n| (n as u32, flows[n])).collect();
    let mut octets = 0_u32;
    let bytes: Vec<_> = flows
        .iter()
        .map(|units| {
            octets += 24 + 48 * units.records;
            (octets, *units)
        })
        .collect();
    let constant: Vec<_> = flows.iter().map(|units| (0, *units)).collect();
    let noise: Vec<_> = flows.iter().map(|units| (random.below(u32::MAX), *units)).collect();
    for (name, list) in [("packets", packets), ("octets", bytes), ("constant", constant), ("noise", noise)] {
        for skip in [0, 20] {
            let kept: Vec<_> = list
                .iter()
                .enumerate()
                .filter(|(n, _)| skip == 0 || n % skip != 7)
                .map(|(_, (sequence, units))| Packet { sequence: *sequence, units: *units })
                .collect();
            let tracker = feed(5, &kept);
            assert_eq!(tracker.convention(), Convention::Other, "{name}");
            let totals = tracker.totals();
            assert_eq!((totals.lost, totals.duplicates), (0, 0), "{name}");
        }
    }
    // Packets of the same size all the time.
    let list: Vec<_> = (0..300).map(|n| Packet { sequence: n, units: Units::records(16) }).collect();
    let tracker = feed(5, &list);
    assert_eq!((tracker.convention(), tracker.totals().lost), (Convention::Other, 0));
}

#[test]
fn without_loss_nothing_is_lost() {
    for rule in RULES {
        for seed in 0..200 {
            let mut random = Random(seed);
            let units = random_units(&mut random, 400, seed % 2 == 0);
            // Some start just below the wrap.
            let start = if seed % 3 == 0 { u32::MAX - random.below(5000) } else { random.below(u32::MAX) };
            for version in if rule == Rule::Packets { 9..=9 } else { 10..=10 } {
                let totals = feed(version, &exporter(rule, start, units.clone())).totals();
                let what = format!("{rule:?} {seed}");
                assert_eq!((totals.lost, totals.reordered, totals.duplicates), (0, 0, 0), "{what}");
                assert_eq!(totals.restarts, 0, "{what}");
            }
        }
    }
}

#[test]
fn a_loss_of_five_percent_is_counted_exactly() {
    for rule in RULES {
        for seed in 0..200 {
            let mut random = Random(seed + 1000);
            let options = seed % 2 == 0;
            let units = random_units(&mut random, 1000, options);
            let start = if seed % 3 == 0 { u32::MAX - random.below(9000) } else { random.below(5) };
            let all = exporter(rule, start, units);
            let kept: Vec<_> = all
                .iter()
                .enumerate()
                .filter(|(n, _)| *n == 0 || *n == 999 || random.below(20) != 0)
                .collect();
            let weight = |packet: &Packet| match rule {
                Rule::Before | Rule::After => u64::from(packet.units.all()),
                Rule::BeforeRecords | Rule::AfterRecords => u64::from(packet.units.records),
                Rule::Packets => 1,
            };
            let sent: u64 = all.iter().map(weight).sum();
            let arrived: u64 = kept.iter().map(|(_, packet)| weight(packet)).sum();
            let list: Vec<_> = kept.iter().map(|(_, packet)| **packet).collect();
            let tracker = feed(if rule == Rule::Packets { 9 } else { 10 }, &list);
            let totals = tracker.totals();
            assert_eq!(totals.lost, sent - arrived, "{rule:?} {seed}");
            assert_eq!((totals.restarts, totals.reordered, totals.duplicates), (0, 0, 0), "{rule:?} {seed}");
            let same = !options
                && matches!(rule, Rule::AfterRecords | Rule::BeforeRecords | Rule::After | Rule::Before);
            if !same {
                assert_eq!(tracker.convention(), rule.into(), "{rule:?} {seed}");
            }
        }
    }
}

#[test]
fn nearly_always_full_packets_count_exactly_too() {
    // 30 records, and less only now and then: little to tell the rules apart by.
    for rule in [Rule::Before, Rule::After] {
        for seed in 0..100 {
            let mut random = Random(seed);
            let units: Vec<_> = (0..2000)
                .map(|_| Units::records(if random.below(50) == 0 { 1 + random.below(29) } else { 30 }))
                .collect();
            let all = exporter(rule, 0, units);
            let (mut lost, mut kept) = (0, Vec::new());
            for (n, packet) in all.iter().enumerate() {
                if n > 200 && n < 1900 && random.below(20) == 0 {
                    lost += u64::from(packet.units.records);
                } else {
                    kept.push(*packet);
                }
            }
            let totals = feed(5, &kept).totals();
            // Before the rules can be told apart, a gap next to a smaller packet is short by at most one
            // packet.
            assert!(totals.lost.abs_diff(lost) <= 60, "{rule:?} {seed}: {} for {lost}", totals.lost);
        }
    }
}

#[test]
fn late_packets_fill_their_gaps() {
    for rule in RULES {
        let mut random = Random(77);
        let version = if rule == Rule::Packets { 9 } else { 10 };
        let mut packets = exporter(rule, u32::MAX - 300, random_units(&mut random, 100, false));
        packets.swap(30, 31);
        let far = packets.remove(50);
        packets.insert(55, far);
        let tracker = feed(version, &packets);
        let totals = tracker.totals();
        assert_eq!((totals.lost, totals.reordered, totals.restarts), (0, 2, 0), "{rule:?}");
        // Parts of a gap of three packets, from its middle.
        let mut packets = exporter(rule, 5, random_units(&mut random, 60, false));
        let gap: Vec<_> = packets.drain(30..33).collect();
        packets.insert(33, gap[1]);
        let totals = feed(version, &packets).totals();
        let size = |packet: &Packet| if version == 9 { 1 } else { u64::from(packet.units.all()) };
        assert_eq!(totals.lost, size(&gap[0]) + size(&gap[2]), "{rule:?}");
    }
}

#[test]
fn duplicates_are_told() {
    for rule in RULES {
        let mut random = Random(3);
        let version = if rule == Rule::Packets { 9 } else { 10 };
        let mut packets = exporter(rule, 100, random_units(&mut random, 60, false));
        packets.insert(21, packets[20]);
        packets.insert(45, packets[40]);
        let totals = feed(version, &packets).totals();
        assert_eq!((totals.duplicates, totals.lost, totals.reordered, totals.restarts), (2, 0, 0, 0));
    }
}

#[test]
fn a_restart_is_no_loss() {
    for rule in RULES {
        for start in [40_000_000, 3000] {
            let mut random = Random(u64::from(start));
            let version = if rule == Rule::Packets { 9 } else { 10 };
            let mut packets = exporter(rule, start, random_units(&mut random, 50, false));
            packets.extend(exporter(rule, 0, random_units(&mut random, 50, false)));
            let totals = feed(version, &packets).totals();
            assert_eq!((totals.restarts, totals.lost), (1, 0), "{rule:?} {start}");
            let units: u64 = packets.iter().map(|packet| u64::from(packet.units.all())).sum();
            assert_eq!(totals.received, if version == 9 { 100 } else { units });
        }
    }
}

#[test]
fn late_packets_from_before_the_first_are_no_restart() {
    // The first packet overtook fourteen, as in captures that were put together by hand.
    let numbers = [688, 674, 675, 676, 677, 678, 684, 685, 686, 687, 689, 690, 691, 692, 694, 695];
    let mut tracker = SequenceTracker::new();
    for (n, number) in numbers.into_iter().enumerate() {
        let uptime = 328_000_000 + number * 1000;
        tracker.observe(9, 147_000 + number, None, second(n), Some(uptime));
    }
    let totals = tracker.totals();
    assert_eq!((totals.lost, totals.restarts, totals.received), (1, 0, 7));
}

#[test]
fn a_restart_seen_late_is_recognised_after_some_packets() {
    let mut packets = exporter(Rule::Packets, 58_000, vec![Units::default(); 50]);
    packets.extend(exporter(Rule::Packets, 30_000, vec![Units::default(); 50]));
    let totals = feed(9, &packets).totals();
    assert_eq!((totals.lost, totals.restarts, totals.received), (0, 1, 100));
}

#[test]
fn a_fall_of_the_uptime_is_a_restart_unless_the_numbers_go_on() {
    let mut tracker = SequenceTracker::new();
    let mut observe =
        |sequence, uptime, n| tracker.observe(5, sequence, Some(Units::records(10)), second(n), Some(uptime));
    // fprobe: the uptime steps back by 2 ms.
    assert_eq!(observe(0, 1_048_578_001, 0), Step::default());
    assert_eq!(observe(10, 1_048_577_999, 2), Step::default());
    assert_eq!(observe(20, 1_048_578_000, 4), Step::default());
    assert_eq!(observe(30, 1_048_578_000, 6), Step::default());
    // A gap with the small step back is loss.
    assert_eq!(observe(50, 1_048_577_998, 8), Step { lost: 10, ..Step::default() });
    // The numbers go on: no restart, whatever the uptime says.
    assert_eq!(observe(60, 5, 9), Step::default());
    assert_eq!(observe(70, 2_000_000_000, 9), Step::default());
    // A small number ahead, with the uptime fallen.
    assert_eq!(observe(100, 1000, 10), Step { restarted: true, ..Step::default() });
    assert_eq!(observe(110, 200_000, 11), Step::default());
    // Fallen back to the very numbers that were seen a moment ago.
    assert_eq!(observe(100, 1000, 12), Step { restarted: true, ..Step::default() });
    // From 40 days to 1 minute, which looks like 9.7 days ahead.
    assert!(!observe(110, 3_456_000_000, 13).restarted);
    assert_eq!(observe(0, 60_000, 14), Step { restarted: true, ..Step::default() });
    assert_eq!(tracker.totals().lost, 10);
}

#[test]
fn numbers_and_uptime_wrap() {
    let mut tracker = SequenceTracker::new();
    for n in 0..20_u32 {
        let sequence = (u32::MAX - 94).wrapping_add(n * 10);
        let uptime = (u32::MAX - 9_999).wrapping_add(n * 1000);
        if n != 12 {
            let step =
                tracker.observe(5, sequence, Some(Units::records(10)), second(n as usize), Some(uptime));
            assert!(!step.restarted);
        }
    }
    assert_eq!(tracker.totals().lost, 10);
}

#[test]
fn an_undecoded_packet_hides_loss_only_next_to_it() {
    for rule in [Rule::Before, Rule::After] {
        let mut random = Random(11);
        let packets = exporter(rule, 0, random_units(&mut random, 60, false));
        let mut tracker = SequenceTracker::new();
        for (n, packet) in packets.iter().enumerate() {
            if n == 22 || n == 40 {
                continue;
            }
            let known = !(20..25).contains(&n);
            tracker.observe(10, packet.sequence, known.then_some(packet.units), second(n), None);
        }
        let totals = tracker.totals();
        assert_eq!(totals.lost, u64::from(packets[40].units.all()), "{rule:?}");
        assert_eq!((totals.restarts, totals.duplicates, totals.uncounted), (0, 0, 4));
    }
}

#[test]
fn a_long_outage_is_loss_when_the_rate_explains_it() {
    // 30,000 records a second; the collector is away for ten minutes, or the number jumps at once.
    for (pause, lost, restarts) in [(600, 18_000_000, 0), (0, 0, 1)] {
        let mut tracker = SequenceTracker::new();
        for n in 0..2000_u32 {
            let late = if n >= 1000 { pause * 1000 } else { 0 };
            let time = Timestamp::from_millis(i64::from(n + late));
            let sequence = n * 30 + if n >= 1000 { 18_000_000 } else { 0 };
            tracker.observe(5, sequence, Some(Units::records(30)), time, None);
        }
        assert_eq!((tracker.totals().lost, tracker.totals().restarts), (lost, restarts));
    }
}

#[test]
fn a_change_of_the_convention_is_followed() {
    let mut random = Random(21);
    let mut packets = exporter(Rule::Before, 0, random_units(&mut random, 2000, false));
    packets.extend(exporter(Rule::After, 50_000_000, random_units(&mut random, 2000, false)));
    let tracker = feed(10, &packets);
    assert_eq!(tracker.convention(), Convention::After);
    // Until that is clear, what looks like loss is bounded by a few packets of the new kind.
    assert!(tracker.totals().lost < 1500, "{}", tracker.totals().lost);
}

#[test]
fn anything_can_come() {
    let mut random = Random(99);
    let mut tracker = SequenceTracker::new();
    for n in 0..200_000 {
        let sequence = match random.below(4) {
            0 => random.below(u32::MAX),
            1 => random.below(100),
            2 => u32::MAX - random.below(100),
            _ => n * 10,
        };
        let units = (random.below(3) > 0).then(|| Units {
            records: if random.below(50) == 0 { u32::MAX } else { random.below(40) },
            options: random.below(3),
        });
        let uptime = (random.below(2) > 0).then(|| random.below(u32::MAX));
        let version = if n % 5000 == 4999 { 9 } else { 10 };
        let time = Timestamp::from_nanos(i64::from(random.below(u32::MAX)) * 4_000_000_000);
        tracker.observe(version, sequence, units, time, uptime);
    }
    assert!(size_of::<SequenceTracker>() <= 2048, "{}", size_of::<SequenceTracker>());
}
