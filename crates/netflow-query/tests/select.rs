//! Rows are chosen column by column as flows are one by one.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;

use netflow_filter::Filter;
use netflow_flow::{Column, Flow, Flows, MacAddress, TimeQuality, column};
use netflow_parquet::{FlowFile, ParquetFile, RowGroup};
use netflow_query::{Batch, Consumer, Error, Matching, Scan, Selection};
use netflow_templates::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// Keeps the sequence numbers of what it gets.
#[derive(Default)]
struct Sequences(Vec<u64>);

impl Consumer for Sequences {
    fn columns(&self) -> Vec<&'static Column> {
        column("sequence").into_iter().collect()
    }

    fn take(&mut self, batch: &mut Batch, selection: &Selection) -> Result<(), Error> {
        let column = column("sequence").unwrap();
        batch.load(&[column])?;
        let values = batch.values(column);
        self.0.extend(selection.iter().filter_map(|row| values.number(row)));
        Ok(())
    }
}

/// The octets of a Parquet file of the flows, in row groups of so many.
fn octets(flows: &[Flow], of_group: usize) -> Vec<u8> {
    let mut group = RowGroup::new().unwrap();
    let mut file = ParquetFile::new(Vec::new()).unwrap();
    for some in flows.chunks(of_group) {
        let mut together = Flows::new();
        some.iter().for_each(|flow| together.push(flow));
        group.push(&together).unwrap();
        file.append(&group.finish().unwrap()).unwrap();
    }
    file.finish().unwrap()
}

/// Sequence numbers of what the filter lets pass of a file, and how many row groups were passed over.
fn of_file(filter: &Filter, file: FlowFile) -> (Vec<u64>, u64) {
    let mut scan = Scan::new(2, || (Matching::new(filter), Sequences::default()));
    scan.parquet(&[file], &AtomicBool::new(false), &|_, error| panic!("{error}")).unwrap();
    let (parts, counts) = scan.finish().unwrap();
    let mut sequences: Vec<u64> = parts.into_iter().flat_map(|part| part.0).collect();
    sequences.sort_unstable();
    assert_eq!(counts.selected(), sequences.len() as u64);
    (sequences, counts.pruned())
}

/// Checks that all ways give the same for these filters.
fn check<'a>(filters: impl Iterator<Item = &'a str>, flows: &[Flow], of_group: usize) {
    let octets = octets(flows, of_group);
    let mut reader = FlowFile::from_octets(octets.clone()).unwrap();
    let (mut read, mut some) = (Vec::new(), Vec::new());
    while reader.read(&mut some).unwrap() {
        read.append(&mut some);
    }
    for filter in filters {
        let filter = Filter::parse(filter).unwrap();
        let one_by_one = |flows: &[Flow]| -> Vec<u64> {
            flows.iter().filter(|flow| filter.matches(*flow)).map(|flow| flow.sequence.into()).collect()
        };
        let file = FlowFile::from_octets(octets.clone()).unwrap();
        assert_eq!(of_file(&filter, file).0, one_by_one(&read), "{filter} of Parquet");
        let mut scan = Scan::new(1, || (Matching::new(&filter), Sequences::default()));
        flows.iter().for_each(|flow| scan.flow(flow).unwrap());
        let (parts, _) = scan.finish().unwrap();
        assert_eq!(parts[0].0, one_by_one(flows), "{filter} of flows");
    }
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0..3_u8, 0..3_u8).prop_map(|(net, host)| IpAddr::from([10, net, 0, host])),
        (0..2_u16).prop_map(|host| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host])),
    ]
}

/// Values of which some are alike, and some at the ends.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..5_u64, 2 => 998..1_002_u64, 1 => Just(u64::MAX), 1 => Just(i64::MAX as u64)]
}

fn flow() -> impl Strategy<Value = Flow> {
    let common = (
        proptest::option::of(address()),
        proptest::option::of(address()),
        prop_oneof![Just(6_u8), Just(17), Just(1)],
        (0..4_u16, 440..446_u16),
        0..64_u16,
        (number(), number(), 0..3_u64),
        proptest::option::of((0..4_i64, 0..4_i64)),
    );
    let rare = (
        proptest::option::of(0..3_u16),
        proptest::collection::vec(0..4_u32, 0..3),
        prop_oneof![Just(""), Just("quic"), Just("Http")],
        proptest::option::of(0..2_u8),
        proptest::option::of(number()),
        prop_oneof![Just(TimeQuality::Missing), Just(TimeQuality::Exact)],
        0..0x300_u32,
    );
    (common, rare).prop_map(|(common, rare)| {
        let mut flow = Flow::default();
        (flow.src_addr, flow.dst_addr, flow.proto, ..) = common;
        ((flow.src_port, flow.dst_port), flow.tcp_flags) = (common.3, common.4);
        (flow.bytes_raw, flow.packets_raw, flow.sampling_rate) = common.5;
        flow.time_flow_start = common.6.map(|(start, _)| Timestamp::from_secs(start));
        flow.time_flow_end = common.6.map(|(_, end)| Timestamp::from_millis(end * 700));
        flow.ip_version = flow.ip_family();
        (flow.src_vlan, flow.time_quality, flow.observation_domain_id) = (rare.0, rare.5, rare.6);
        if !rare.1.is_empty() {
            flow.rare_mut().mpls_labels = rare.1;
        }
        if !rare.2.is_empty() {
            flow.rare_mut().app_name.push_str(rare.2);
        }
        if let Some(last) = rare.3 {
            flow.rare_mut().src_mac = Some(MacAddress([0, 0, 0, 0, 0, last]));
        }
        if let Some(bytes) = rare.4 {
            flow.rare_mut().reverse_bytes = Some(bytes);
        }
        flow
    })
}

/// Tests, with lines between them.
const TESTS: &str = "any
src ip 10.0.0.1
net 10.1.0.0/16
ip in [10.0.0.0/24 2001:db8::1]
dst net ::/0
next ip 10.0.0.1
exporter 0.0.0.0
ipv6
tcp
proto in [udp icmp]
port 443
src port < 2
port in [1 441 443 3 0 445]
dst port != 442
flags SA
not flags FR
flags 3
bytes > 1k
bytes < 3
bytes < 0
bytes 0
bytes >= 9223372036854775807
bytes_raw = 1000
packets in [1 1000]
sampling_rate = 0
bpp > 1
bps > 1k
pps 0
duration > 1s
duration 0
start > 1970-01-01T00:00:01
start <= 1970-01-01T00:00:02
end < 1970-01-01T00:00:02
vlan 1
vlan
src_vlan != 1
mpls
mpls 2
mpls label1 = 1
mpls eos > 1
app_name = quic
app_name ~ TTP
app_name
if name ~ x
mac 00:00:00:00:00:01
src mac != 0:0:0:0:0:1
dst_mac
out bytes > 4
reverse_bytes
time_quality = exact
engine-type 1
engine-id > 5
observation_domain_id in [1-3 512 600-700]";

fn expression() -> impl Strategy<Value = String> {
    let tests: Vec<&str> = TESTS.lines().collect();
    let test = proptest::sample::select(tests).prop_map(str::to_owned);
    test.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} and {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} or {other})")),
            inner.prop_map(|one| format!("not {one}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_are_chosen_as_flows_are(
        flows in proptest::collection::vec(flow(), 1..200),
        filters in proptest::collection::vec(expression(), 1..8),
        of_group in 15..150_usize,
    ) {
        let mut flows = flows;
        (0..).zip(&mut flows).for_each(|(at, flow)| flow.sequence = at);
        check(filters.iter().map(String::as_str), &flows, of_group);
    }
}

#[test]
fn every_test_is_the_same_for_rows_and_flows() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut next = || flow().new_tree(&mut runner).unwrap().current();
    let mut flows: Vec<Flow> = (0..9_000).map(|_| next()).collect();
    (0..).zip(&mut flows).for_each(|(at, flow)| flow.sequence = at);
    check(TESTS.lines(), &flows, 8_500);
}

#[test]
fn row_groups_are_passed_over_by_their_bounds() {
    let mut flows = Vec::new();
    for at in 0..40_u32 {
        let mut flow = Flow::default();
        flow.sequence = at;
        flow.time_flow_start = Some(Timestamp::from_secs((at / 10).into()));
        flow.bytes_raw = u64::from(at / 10 * 100);
        flow.exporter_addr = [192, 0, 2, (at / 10) as u8].into();
        flow.proto = 6;
        flows.push(flow);
    }
    for (filter, pruned, selected) in [
        ("start >= 1970-01-01T00:00:02", 2, 20),
        ("bytes > 250 and tcp", 3, 10),
        ("udp", 4, 0),
        ("not tcp", 4, 0),
        ("exporter 192.0.2.1", 3, 10),
        ("not exporter 192.0.2.1", 1, 30),
        ("tcp or udp", 0, 40),
        ("bytes 100 or start < 1970-01-01T00:00:01", 2, 20),
        ("src ip 192.0.2.1", 0, 0),
    ] {
        let filter = Filter::parse(filter).unwrap();
        let (sequences, skipped) = of_file(&filter, FlowFile::from_octets(octets(&flows, 10)).unwrap());
        assert_eq!((skipped, sequences.len()), (pruned, selected), "{filter}");
    }
}
