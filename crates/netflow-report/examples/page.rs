//! Prints a page of invented numbers: all that a report can have.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use jiff::tz::TimeZone;
use netflow_report::{
    Amount, Basis, Connection, Connections, Correction, Direction, End, Exporter, Loss, LossWindow, Ranked,
    Ranking, Report, Series, SystemsByInterface, Timeline, Totals,
};
use netflow_templates::Timestamp;

const START: i64 = 1_793_059_200;
const STEP: u64 = 600;
const BUCKETS: u64 = 144;

fn main() {
    print!("{}", report().to_html());
}

fn report() -> Report {
    let mut report = Report::new("Traffic of 26 October 2026", TimeZone::UTC);
    report.made = Timestamp::from_secs(START + 90_000);
    report.made_by = "the example".into();
    report.basis = Basis {
        filter: Some("proto tcp or proto udp".into()),
        from: Some(Timestamp::from_secs(START)),
        to: Some(Timestamp::from_secs(START + 86_400)),
        correction: Correction::Scaled(100, 1_000),
    };
    report.warnings = vec![
        "2 of 288 files could not be read: /var/lib/nf/nf.202610260305.parquet, permission denied.".into(),
    ];
    report.notes = vec!["Traffic that several exporters saw is counted for each of them.".into()];
    report.timelines = vec![
        timeline("Service", &["https", "quic", "ssh", "domain", "imaps", "http", "ntp", "smtp"], 1),
        timeline("Protocol", &["TCP", "UDP", "ICMP"], 2),
        timeline("Input interface", &["r1 xe-0/0/0 (uplink to transit)", "r1 xe-0/0/1", "r2 ge-0/0/3"], 3),
        timeline(
            "Source AS",
            &["AS64496 Example Networks", "AS64497 Content Delivery and Sons", "AS64498"],
            4,
        ),
    ];
    let total: u64 = report.timelines[0]
        .series
        .iter()
        .chain(&report.timelines[0].rest)
        .flat_map(|series| &series.bytes)
        .sum();
    report.totals = Totals {
        amount: Amount { bytes: total, packets: total / 812, flows: 1_000_000 },
        exporters: 3,
        interfaces: 14,
        files: 288,
    };
    report.rankings = rankings(total);
    report.systems_by_interface = vec![systems(Direction::In), systems(Direction::Out)];
    report.connections = connections();
    report.exporters = exporters();
    report
}

/// Numbers that look like traffic: a day with its noon, and some noise.
fn curve(number: u64, seed: u64) -> Vec<u64> {
    (0..BUCKETS)
        .map(|bucket| {
            let day = (bucket as f64 / BUCKETS as f64 * std::f64::consts::TAU - 2.0).sin() * 0.6 + 1.0;
            let noise = noise(bucket + number * 977 + seed * 31_337);
            (4e10 / ((number + 1) as f64).powf(1.4) * day * (0.8 + 0.4 * noise)) as u64
        })
        .collect()
}

/// Between 0 and 1.
fn noise(number: u64) -> f64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 29;
    (bits.wrapping_mul(0x94d0_49bb_1331_11eb) >> 11) as f64 / (1_u64 << 53) as f64
}

fn timeline(by: &str, names: &[&str], seed: u64) -> Timeline {
    let series =
        |(number, name): (usize, &&str)| Series { name: (*name).into(), bytes: curve(number as u64, seed) };
    Timeline {
        by: by.into(),
        note: "A flow's octets are spread evenly over its time.".into(),
        correction: None,
        start: Timestamp::from_secs(START),
        step: Duration::from_secs(STEP),
        series: names.iter().enumerate().map(series).collect(),
        rest: Some(Series { name: "All others".into(), bytes: curve(names.len() as u64, seed) }),
    }
}

fn rankings(total: u64) -> Vec<Ranking> {
    let ranked = |names: &[(&[&str], &str)]| -> Vec<Ranked> {
        let row = |(number, (name, detail)): (usize, &(&[&str], &str))| {
            let bytes = (total as f64 / (number as f64 + 2.5).powf(1.7)) as u64;
            Ranked {
                name: name.iter().map(|name| (*name).into()).collect(),
                detail: (*detail).into(),
                amount: Amount { bytes, packets: bytes / 700, flows: bytes / 900_000 },
            }
        };
        names.iter().enumerate().map(row).collect()
    };
    let ranking =
        |title: &str, heading: &str, distinct: u64, note: &str, names: &[(&[&str], &str)]| Ranking {
            title: title.into(),
            heading: heading.into(),
            note: note.into(),
            rows: ranked(names),
            distinct: Some(distinct),
            ..Ranking::default()
        };
    vec![
        ranking(
            "Hosts",
            "Host",
            12_345,
            "Each flow counts for both of its hosts.",
            &[
                (&["192.0.2.17"], "files.example.net"),
                (
                    &["2001:db8:1234:5678:9abc:def0:1234:5678"],
                    "a-host-with-a-rather-long-name.branch-office.example.com",
                ),
                (&["198.51.100.4"], ""),
                (&["203.0.113.200"], "cdn.example.org"),
                (&["192.0.2.1"], "<script>alert('hello')</script>"),
            ],
        ),
        ranking(
            "Pairs",
            "Hosts",
            54_321,
            "Both directions together.",
            &[
                (&["192.0.2.17", "198.51.100.4"], ""),
                (&["2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:ffff:5678:9abc:def0:1234:1"], ""),
                (&["192.0.2.1", "203.0.113.200"], ""),
            ],
        ),
        ranking(
            "Services",
            "Service",
            40,
            "",
            &[(&["https"], "TCP 443"), (&["quic"], "UDP 443"), (&["ssh"], "TCP 22")],
        ),
        ranking(
            "Autonomous systems",
            "AS",
            312,
            "",
            &[
                (&["AS64496"], "Example Networks"),
                (&["AS64497"], "Content Delivery and Sons, Limited"),
                (&["AS64498"], ""),
            ],
        ),
        ranking(
            "Interfaces",
            "Interface",
            3,
            "",
            &[
                (&["192.0.2.254 xe-0/0/0"], "in"),
                (&["192.0.2.254 xe-0/0/1"], "out"),
                (&["192.0.2.253 ge-0/0/3"], "in"),
            ],
        ),
        Ranking { title: "Applications".into(), heading: "Application".into(), ..Ranking::default() },
    ]
}

fn systems(direction: Direction) -> SystemsByInterface {
    let systems = [
        "AS64496 Example Networks",
        "AS64497 Content Delivery and Sons",
        "AS64498 University of Somewhere",
        "AS64499",
        "AS64500 Mail",
        "AS64501 Cloud",
        "AS64502 Video",
        "AS64503 Games",
        "AS64504 Tiny",
    ];
    let interfaces =
        ["r1 xe-0/0/0 uplink to transit", "r1 xe-0/0/1 peering", "r2 ge-0/0/3", "r2 ge-0/0/4 customer"];
    let octets = |interface: u64| (0..10).map(|system| curve(system + interface, system * 7)[0]).collect();
    SystemsByInterface {
        direction,
        note: String::new(),
        correction: Some(Correction::Counters),
        systems: systems
            .map(|name| name.split_once(' ').unwrap_or((name, "")))
            .map(|(name, detail)| (name.into(), detail.into()))
            .to_vec(),
        interfaces: (0..).zip(interfaces).map(|(number, name)| (name.into(), octets(number))).collect(),
    }
}

fn connections() -> Connections {
    let services = [("https", 443, "TCP"), ("quic", 443, "UDP"), ("ssh", 22, "TCP"), ("domain", 53, "UDP")];
    let row = |number: u64| {
        let (service, port, protocol) = services[(noise(number) * 4.0) as usize % 4];
        let bytes = 9_000_000_000 / (number + 1);
        Connection {
            start: Some(Timestamp::from_secs(START + (noise(number * 3) * 86_000.0) as i64)),
            duration: Duration::from_millis((noise(number * 5) * 4_000_000.0) as u64),
            service: service.into(),
            protocol: protocol.into(),
            client: End {
                address: format!("192.0.2.{}", number % 250),
                port: 40_000 + number as u16,
                name: if number.is_multiple_of(7) { "client.example.net".into() } else { String::new() },
                bytes: bytes / 20,
                packets: bytes / 9_000,
            },
            server: End {
                address: match number % 5 {
                    0 => format!("2001:db8:1234:5678:9abc:def0:1234:{number:x}"),
                    _ => format!("198.51.100.{}", number % 90),
                },
                port,
                name: String::new(),
                bytes,
                packets: bytes / 1_200,
            },
            seen_by: if number.is_multiple_of(3) {
                "203.0.113.1, 203.0.113.2".into()
            } else {
                "203.0.113.1".into()
            },
        }
    };
    Connections { rows: (0..200).map(row).collect(), total: 456_789, note: String::new() }
}

fn exporters() -> Vec<Exporter> {
    let window = |number: u64| LossWindow {
        start: Timestamp::from_secs(START + number as i64 * 300),
        expected: 3_000,
        lost: if noise(number) > 0.8 { (noise(number * 11) * 90.0) as u64 } else { 0 },
    };
    let windows: Vec<_> = (0..288).map(window).collect();
    let lost = windows.iter().map(|window| window.lost).sum();
    let amount = Amount { bytes: 400_000_000_000, packets: 500_000_000, flows: 333_333 };
    let exporter = |last: u8, loss| Exporter {
        address: [203, 0, 113, last].into(),
        domain: 0,
        versions: vec![9],
        templates: vec![256, 257],
        amount,
        sampling: vec![(1_000, "said in options data".into())],
        loss,
    };
    let unit = || "packets".to_owned();
    vec![
        exporter(
            1,
            Some(Loss {
                unit: unit(),
                expected: Some(864_000),
                lost,
                duplicates: 3,
                restarts: 1,
                windows,
                ..Loss::default()
            }),
        ),
        exporter(2, Some(Loss { unit: unit(), expected: Some(864_000), ..Loss::default() })),
        Exporter {
            versions: vec![5, 10],
            templates: (256..270).collect(),
            ..exporter(3, Some(Loss::default()))
        },
        exporter(4, None),
    ]
}
