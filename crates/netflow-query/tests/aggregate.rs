//! What is counted is what adding up flow by flow gives.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use netflow_flow::{Cell, Flow, Flows, column};
use netflow_parquet::{FlowFile, ParquetFile, RowGroup};
use netflow_query::{Aggregation, All, Key, KeyValue, Measure, Ports, Question, Scan, Top, Totals};
use netflow_templates::Timestamp;
use proptest::prelude::*;

fn address(number: u8) -> Option<IpAddr> {
    match number {
        0 => None,
        1..=9 => Some([192, 0, 2, number * 20].into()),
        _ => Some([0x2001, 0xdb8, number.into(), 0, 0, 0, 0, u16::from(number) * 7].into()),
    }
}

prop_compose! {
    fn flow()(
        ends in (0_u8..14, 0_u8..14),
        ports in (0_u16..3, 0_u16..4),
        proto in prop::sample::select(vec![6_u8, 17, 1]),
        counters in (0_u64..5000, 0_u64..9),
        sampling in 0_u64..3,
        records in 0_u64..3,
        start in prop::option::of(0_u64..900),
        interface in (0_u32..3, 0_u32..3),
        rare in (prop::option::of(0_u8..3), 0_u8..3),
    ) -> Flow {
        let mut flow = Flow::default();
        flow.src_addr = address(ends.0);
        flow.dst_addr = address(ends.1);
        flow.src_port = ports.0;
        flow.dst_port = ports.1;
        flow.proto = proto;
        flow.bytes_raw = counters.0;
        flow.packets_raw = counters.1;
        flow.sampling_rate = sampling;
        flow.flows = records;
        flow.time_flow_start = start.map(|seconds| Timestamp::from_nanos(seconds as i64 * 1_000_000_000));
        flow.time_received = Timestamp::from_nanos(1_000_000_000_000);
        flow.in_if = interface.0;
        flow.out_if = interface.1;
        flow.icmp_type = rare.0;
        if rare.1 > 0 {
            flow.rare_mut().app_name = format!("app {}", rare.1);
            flow.rare_mut().mpls_labels = vec![rare.1.into(), 17];
        }
        flow
    }
}

/// A Parquet file whose row groups have so many flows at most.
fn parquet(flows: &[Flow], rows: usize) -> FlowFile {
    let mut file = ParquetFile::new(Vec::new()).unwrap();
    for some in flows.chunks(rows.max(1)) {
        let mut together = Flows::new();
        some.iter().for_each(|flow| together.push(flow));
        let mut group = RowGroup::new().unwrap();
        group.push(&together).unwrap();
        file.append(&group.finish().unwrap()).unwrap();
    }
    FlowFile::from_octets(file.finish().unwrap()).unwrap()
}

fn question(keys: &str) -> Question {
    Question::new(Key::parse(keys, &|| Arc::new(Ports::new(|_, port| port == 2))).unwrap())
}

/// The answer from a file of a part of the flows, and from the others one by one.
fn answer(question: Question, flows: &[Flow], threads: usize, by: Measure, limit: usize) -> Top {
    let aggregation = Aggregation::new(question).unwrap();
    let mut scan = Scan::new(threads, || (All, aggregation.partial(threads)));
    let (some, others) = flows.split_at(flows.len() * 3 / 4);
    let files = [parquet(some, 50.max(some.len() / 8)), parquet(&[], 1)];
    scan.parquet(&files, &AtomicBool::new(false), &|_, error| panic!("{error}")).unwrap();
    others.iter().for_each(|flow| scan.flow(flow).unwrap());
    let (partials, counts) = scan.finish().unwrap();
    assert_eq!((counts.rows(), counts.bad()), (flows.len() as u64, 0));
    aggregation.finish(partials, by, limit).unwrap()
}

fn totals(flow: &Flow) -> Totals {
    Totals { bytes: flow.bytes(), packets: flow.packets(), flows: flow.flows.max(1) }
}

fn cell(flow: &Flow, name: &str) -> String {
    match column(name).unwrap().get(flow) {
        Cell::Null => String::new(),
        Cell::Unsigned(number) => number.to_string(),
        Cell::Address(address) => address.to_string(),
        Cell::Text(text) => text.to_owned(),
        Cell::Time(time) => time.to_string(),
        Cell::List(list) => list.iter().map(u32::to_string).collect::<Vec<_>>().join("/"),
        other => format!("{other:?}"),
    }
}

/// What adding up flow by flow gives.
fn naive(flows: &[Flow], keys: impl Fn(&Flow) -> Vec<Vec<String>>) -> BTreeMap<Vec<String>, Totals> {
    let mut sums: BTreeMap<Vec<String>, Totals> = BTreeMap::new();
    for flow in flows {
        for key in keys(flow) {
            let (sum, own) = (sums.entry(key).or_default(), totals(flow));
            sum.bytes += own.bytes;
            sum.packets += own.packets;
            sum.flows += own.flows;
        }
    }
    sums
}

fn groups(top: &Top) -> BTreeMap<Vec<String>, Totals> {
    let values = |keys: &[KeyValue]| keys.iter().map(ToString::to_string).collect();
    top.groups.iter().map(|group| (values(&group.keys), group.totals)).collect()
}

fn columns(flow: &Flow, names: &[&str]) -> Vec<Vec<String>> {
    vec![names.iter().map(|name| cell(flow, name)).collect()]
}

/// Keys, and what they are of a flow.
type Case = (&'static str, fn(&Flow) -> Vec<Vec<String>>);

const CASES: &[Case] = &[
    ("src", |flow| columns(flow, &["src_addr"])),
    ("proto", |flow| columns(flow, &["proto"])),
    ("app", |flow| columns(flow, &["app_name"])),
    ("src,dstport", |flow| columns(flow, &["src_addr", "dst_port"])),
    ("record", |flow| columns(flow, &["proto", "src_addr", "src_port", "dst_addr", "dst_port"])),
    ("icmp_type,mpls,time_flow_start", |flow| {
        columns(flow, &["icmp_type", "mpls_labels", "time_flow_start"])
    }),
    ("time_quality,bytes_raw,bytes,packets,dst,src,time_received,app", |flow| {
        columns(
            flow,
            &[
                "time_quality",
                "bytes_raw",
                "bytes",
                "packets",
                "dst_addr",
                "src_addr",
                "time_received",
                "app_name",
            ],
        )
    }),
    ("ip", |flow| [columns(flow, &["src_addr"]), columns(flow, &["dst_addr"])].concat()),
    ("ip,port", |flow| {
        [columns(flow, &["src_addr", "src_port"]), columns(flow, &["dst_addr", "dst_port"])].concat()
    }),
    ("if,proto", |flow| [columns(flow, &["in_if", "proto"]), columns(flow, &["out_if", "proto"])].concat()),
    ("src/26/48", |flow| vec![vec![flow.src_addr.map_or(String::new(), prefix)]]),
    ("service", |flow| {
        let port = match (flow.src_port == 2, flow.dst_port == 2) {
            (true, false) => flow.src_port,
            (false, true) => flow.dst_port,
            _ => flow.src_port.min(flow.dst_port),
        };
        vec![vec![format!("{}/{port}", flow.proto)]]
    }),
];

fn prefix(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{a}.{b}.{c}.{}/26", d & 0xc0)
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", IpAddr::from([a, b, c, 0, 0, 0, 0, 0]))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn groups_are_what_adding_up_gives(flows in prop::collection::vec(flow(), 0..300), threads in 1_usize..3) {
        for &(keys, of_flow) in CASES {
            let expected = naive(&flows, of_flow);
            let top = answer(question(keys), &flows, threads, Measure::Bytes, usize::MAX);
            prop_assert_eq!(groups(&top), expected.clone(), "{}", keys);
            prop_assert_eq!((top.count, top.records), (expected.len() as u64, flows.len() as u64));
            let mut total = Totals::default();
            for flow in &flows {
                let own = totals(flow);
                total = Totals {
                    bytes: total.bytes + own.bytes,
                    packets: total.packets + own.packets,
                    flows: total.flows + own.flows,
                };
            }
            prop_assert_eq!(top.total, total);
            prop_assert!(top.groups.windows(2).all(|pair| pair[0].totals.bytes >= pair[1].totals.bytes));
        }
    }

    #[test]
    fn what_is_spilled_and_what_other_threads_count_is_the_same(
        flows in prop::collection::vec(flow(), 0..300),
        by in prop::sample::select(vec![Measure::Bytes, Measure::Packets, Measure::Flows]),
        limit in 0_usize..20,
    ) {
        for &(keys, _) in CASES {
            let both = keys != "service";
            let of = |memory, threads| {
                let every = Some(Duration::from_secs(300));
                answer(Question { memory, every, both, ..question(keys) }, &flows, threads, by, limit)
            };
            let expected = of(1 << 30, 1);
            prop_assert_eq!(&of(1 << 30, 2), &expected, "{}", keys);
            for threads in [1, 2] {
                let spilled = of(0, threads);
                prop_assert_eq!(Top { spilled: 0, ..spilled }, expected.clone(), "{}", keys);
            }
        }
    }

    #[test]
    fn both_directions_are_one_conversation(flows in prop::collection::vec(flow(), 0..200)) {
        let top = answer(Question { both: true, ..question("src,sport,dst,dport") }, &flows, 2, Measure::Bytes, usize::MAX);
        let ends = |flow: &Flow| {
            let one = [cell(flow, "src_addr"), cell(flow, "src_port")];
            let other = [cell(flow, "dst_addr"), cell(flow, "dst_port")];
            vec![if one < other { [one, other].concat() } else { [other, one].concat() }]
        };
        let found: BTreeMap<_, _> = groups(&top).into_iter().map(|(key, totals)| {
            let (one, other) = key.split_at(2);
            (if one < other { key.clone() } else { [other, one].concat() }, totals)
        }).collect();
        prop_assert_eq!(found, naive(&flows, ends));
        prop_assert_eq!(top.count, top.groups.len() as u64);

        let top = answer(Question { both: true, ..question("src") }, &flows, 1, Measure::Bytes, usize::MAX);
        prop_assert_eq!(groups(&top), groups(&answer(question("ip"), &flows, 1, Measure::Bytes, usize::MAX)));
    }

    #[test]
    fn steps_of_time_divide_groups(flows in prop::collection::vec(flow(), 0..200), limit in 1_usize..5) {
        let every = Some(Duration::from_secs(300));
        let top = answer(Question { every, ..question("proto") }, &flows, 2, Measure::Flows, limit);
        let step = |flow: &Flow| flow.time_flow_start.map_or(900, |time| time.as_nanos() / 300_000_000_000 * 300);
        let expected = naive(&flows, |flow| vec![vec![cell(flow, "proto"), step(flow).to_string()]]);
        let seconds = |start: Timestamp| (start.as_nanos() / 1_000_000_000).to_string();
        for group in &top.groups {
            for step in &group.steps {
                let key = vec![group.keys[0].to_string(), seconds(step.start)];
                prop_assert_eq!(expected.get(&key), Some(&step.totals));
            }
            let sum: u64 = group.steps.iter().map(|step| step.totals.flows).sum();
            prop_assert_eq!(sum, group.totals.flows);
        }
        let of_all = naive(&flows, |flow| vec![vec![step(flow).to_string()]]);
        let steps: BTreeMap<_, _> = top.steps.iter().map(|step| (vec![seconds(step.start)], step.totals)).collect();
        prop_assert_eq!(steps, of_all);
    }

    #[test]
    fn without_correction_numbers_are_as_exported(flows in prop::collection::vec(flow(), 0..50)) {
        let top = answer(Question { raw: true, ..question("src") }, &flows, 1, Measure::Packets, 1);
        prop_assert_eq!(top.total.bytes, flows.iter().map(|flow| flow.bytes_raw).sum::<u64>());
        prop_assert_eq!(top.total.packets, flows.iter().map(|flow| flow.packets_raw).sum::<u64>());
    }
}

/// So many groups that what stays near cannot hold them.
#[test]
fn groups_that_do_not_fit_in_memory_are_written_to_a_file() {
    let flow = |number: u32| {
        let mut flow = Flow::default();
        flow.src_addr = Some(IpAddr::from((number % 40_000).to_be_bytes()));
        flow.bytes_raw = u64::from(number) + 1;
        flow
    };
    let flows: Vec<_> = (0..100_000).map(flow).collect();
    let of = |memory| {
        let question = Question { memory, ..question("src,proto") };
        answer(question, &flows, 2, Measure::Bytes, 100)
    };
    let (spilled, expected) = (of(1 << 20), of(1 << 30));
    assert!(spilled.spilled > 1 << 20 && expected.spilled == 0);
    assert_eq!((expected.count, expected.groups.len()), (40_000, 100));
    assert_eq!(Top { spilled: 0, ..spilled }, expected);
}

#[test]
fn more_keys_than_can_be_told_apart_are_refused() {
    let keys =
        "time_received,time_export,time_flow_start,time_flow_end,bytes,packets,bytes_raw,packets_raw,flow_id";
    let error = Aggregation::new(question(keys)).unwrap_err();
    assert!(error.to_string().contains("512 are the most"), "{error}");
}
