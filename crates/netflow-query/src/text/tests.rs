use netflow_flow::{
    ApplicationId, COLUMNS, Flow, MacAddress, SamplingSource, write_csv_flow, write_flow_line,
};
use netflow_templates::Timestamp;

use super::*;
use crate::FlowBatch;

fn flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    for number in 0..200_u32 {
        let mut flow = Flow::default();
        flow.src_addr = Some(format!("192.0.2.{}", number % 7).parse().unwrap());
        flow.dst_addr = (number % 3 > 0).then(|| "2001:db8::1".parse().unwrap());
        flow.exporter_addr = [203, 0, 113, 1].into();
        flow.time_received =
            Timestamp::from_nanos(1_772_334_245_000_000_000 + i64::from(number) * 7_000_000_001);
        flow.time_flow_start = (number % 2 > 0).then(|| Timestamp::from_nanos(-i64::from(number)));
        (flow.bytes_raw, flow.sampling_rate) = (u64::from(number) * 1_000_003, u64::from(number % 4));
        flow.sampling_source = if number % 5 == 0 { SamplingSource::Record } else { SamplingSource::Options };
        flow.icmp_type = (number % 11 == 0).then_some(8);
        if number % 6 == 0 {
            flow.rare_mut().in_if_name = format!("eth{}, \"the {}th\"\n", number % 2, number % 3);
            flow.rare_mut().src_mac = Some(MacAddress([0, 1, 2, 3, 4, number as u8]));
            flow.rare_mut().app_id = Some(ApplicationId { engine: 13, selector: number.into() });
            flow.rare_mut().mpls_labels = vec![16, number];
            flow.rare_mut().post_bytes = Some(u64::MAX);
        }
        if number % 50 == 0 {
            let line = format!("{{\"src_port\":1,\"extras\":{{\"a\":{number},\"b\":\"x,y\"}}}}\n");
            let mut reader = netflow_flow::FlowReader::new(line.as_bytes()).unwrap();
            let mut read = Vec::new();
            reader.read(&mut read).unwrap();
            flow.rare_mut().extras.clone_from(&read[0].rare().extras);
        }
        flows.push(flow);
    }
    flows
}

fn encoded(
    format: TextFormat,
    columns: &[&'static Column],
    flows: &[Flow],
    rows: &[u32],
) -> (String, Vec<usize>) {
    let mut encoder = TextEncoder::new(format, columns);
    let mut batch = FlowBatch::new(encoder.columns());
    flows.iter().for_each(|flow| batch.push(flow).unwrap());
    let mut selection = Selection::all(flows.len());
    if rows.len() < flows.len() {
        selection.set_rows().extend_from_slice(rows);
    }
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    encoder.encode(batch.batch(), &selection, &mut out, &mut ends).unwrap();
    (String::from_utf8(out).unwrap(), ends)
}

#[test]
fn rows_are_written_as_flows_are_one_by_one() {
    let flows = flows();
    let all: Vec<_> = COLUMNS.iter().collect();
    let every: Vec<u32> = (0..flows.len() as u32).collect();
    let some: Vec<u32> = every.iter().copied().filter(|row| row % 6 != 0 && row % 2 == 0).collect();
    for rows in [&every[..], &some, &[5], &[0]] {
        for format in [TextFormat::Csv, TextFormat::JsonLines] {
            let (mut wanted, mut wanted_ends) = (Vec::new(), Vec::new());
            for &row in rows {
                match format {
                    TextFormat::Csv => write_csv_flow(&mut wanted, &flows[row as usize]),
                    TextFormat::JsonLines => write_flow_line(&mut wanted, &flows[row as usize]),
                }
                wanted_ends.push(wanted.len());
            }
            let (text, ends) = encoded(format, &all, &flows, rows);
            assert_eq!(text, String::from_utf8(wanted).unwrap(), "{format:?}");
            assert_eq!(ends, wanted_ends);
        }
    }
}

#[test]
fn columns_are_written_in_the_order_that_is_asked_for() {
    let flows = flows();
    let columns = ["packets", "icmp_type", "src_addr", "bytes"].map(|name| column(name).unwrap());
    let (csv, _) = encoded(TextFormat::Csv, &columns, &flows, &[11, 12]);
    assert_eq!(csv, "0,8,192.0.2.4,33000099\n0,,192.0.2.5,12000036\n");
    let (json, _) = encoded(TextFormat::JsonLines, &columns[1..2], &flows, &[11, 12]);
    assert_eq!(json, "{\"icmp_type\":8}\n{}\n");
    let mut head = Vec::new();
    TextEncoder::new(TextFormat::Csv, &columns).write_head(&mut head);
    assert_eq!(head, b"packets,icmp_type,src_addr,bytes\n");
}
