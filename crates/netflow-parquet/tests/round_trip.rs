//! Every column of the table goes out and comes back.
#![allow(clippy::unwrap_used, reason = "tests")]

use netflow_flow::{
    ApplicationId, COLUMNS, Cell, Column, Extras, Flow, Flows, Kind, MacAddress, Quality, SamplingSource,
    TimeQuality, Value, column,
};
use netflow_parquet::{Bounds, ColumnValues, FlowFile, PAGE_ROWS, ParquetFile, RowGroup, SCHEMA_VERSION};
use netflow_templates::{DataType, Timestamp};
use proptest::prelude::*;

/// A file of row groups.
fn write<'a>(groups: impl IntoIterator<Item = &'a [Flow]>) -> Vec<u8> {
    let mut file = ParquetFile::new(Vec::new()).unwrap();
    let mut group = RowGroup::new().unwrap();
    let mut batch = Flows::new();
    for flows in groups {
        // In batches of odd sizes.
        for flows in flows.chunks(1000) {
            batch.clear();
            flows.iter().for_each(|flow| batch.push(flow));
            group.push(&batch).unwrap();
        }
        assert_eq!(group.rows(), flows.len());
        file.append(&group.finish().unwrap()).unwrap();
    }
    file.finish().unwrap()
}

fn read(octets: Vec<u8>) -> Vec<Flow> {
    let mut file = FlowFile::from_octets(octets).unwrap();
    let (mut all, mut flows) = (Vec::new(), Vec::new());
    while file.read(&mut flows).unwrap() {
        all.append(&mut flows);
    }
    assert_eq!(all.len() as u64, file.rows());
    all
}

/// What a flow is after it was in a file: times have microseconds, numbers are signed, extras are texts.
fn stored(flow: &Flow) -> Flow {
    let mut stored = flow.clone();
    let mut too_large = false;
    for column in COLUMNS {
        match column.get(flow) {
            Cell::Time(time) => {
                let time = Timestamp::from_nanos(time.as_nanos().div_euclid(1000).saturating_mul(1000));
                column.set(&mut stored, Cell::Time(time)).unwrap();
            }
            Cell::Unsigned(number) if number > i64::MAX as u64 => {
                too_large = true;
                column.set(&mut stored, Cell::Unsigned(i64::MAX as u64)).unwrap();
            }
            Cell::Extras(extras) => {
                let mut texts = Extras::new();
                for (name, value) in extras.iter() {
                    texts.push(name, 0, DataType::String, value.to_string().as_bytes());
                }
                column.set(&mut stored, Cell::Extras((&texts).into())).unwrap();
            }
            _ => {}
        }
    }
    if too_large {
        stored.quality |= Quality::CLAMPED.0;
    }
    stored
}

fn extras() -> Extras {
    let mut extras = Extras::new();
    extras.push("httpRequestHost", 0, DataType::String, "bücher.example\n\"\0".as_bytes());
    extras.push("minimumIpTotalLength", 0, DataType::Unsigned64, &[40]);
    extras.push("minimumIpTotalLength", 1, DataType::Unsigned64, &[0xff; 8]);
    extras.push("en9:id1", 0, DataType::OctetArray, &[]);
    extras
}

/// Sets a value of a kind, the same for the same number.
fn set(column: &Column, flow: &mut Flow, odd: usize) {
    let extras = extras();
    let cell = match column.kind {
        Kind::Unsigned(bits) => {
            let most = u64::MAX >> (64 - bits);
            Cell::Unsigned([0, 1, most, most / 2 + 1, most / 2, 255, 6][odd % 7])
        }
        Kind::Address => {
            let texts = ["0.0.0.0", "255.255.255.255", "::", "2001:db8::1", "::ffff:192.0.2.1", "192.0.2.1"];
            Cell::Address(texts[odd % 6].parse().unwrap())
        }
        Kind::Time => Cell::Time(Timestamp::from_nanos(
            [0, -1, i64::MAX, i64::MIN, 1_714_564_800_123_456_789, 999][odd % 6],
        )),
        Kind::Text => Cell::Text(["", "a", "é\0\u{10ffff}", "Gi0/1 \"x\",", "nul"][odd % 5]),
        Kind::Enumeration => {
            let texts = [
                TimeQuality::Missing.as_str(),
                TimeQuality::Estimated.as_str(),
                SamplingSource::Assumed.as_str(),
                SamplingSource::OptionsOtherDomain.as_str(),
            ];
            // Each column takes those that are its own.
            let _ = column.set(flow, Cell::Text(texts[odd % 2]));
            let _ = column.set(flow, Cell::Text(texts[2 + odd % 2]));
            return;
        }
        Kind::Mac => Cell::Mac(MacAddress([[0; 6], [0xff; 6], [0, 0x1b, 0x21, 0xab, 0xcd, 0xef]][odd % 3])),
        Kind::Application => Cell::Application(ApplicationId {
            engine: [0, 255, 13][odd % 3],
            selector: [0, u64::MAX >> 8, 453][odd % 3],
        }),
        Kind::List => Cell::List([&[0][..], &[u32::MAX, 0, 16], &[3; 20]][odd % 3]),
        Kind::Extras => Cell::Extras((&extras).into()),
        other => panic!("no values are known of {other:?}"),
    };
    column.set(flow, cell).unwrap();
}

#[test]
fn odd_values_of_every_column_come_back() {
    let mut flows = vec![Flow::default()];
    for odd in 0..210 {
        let mut all = Flow::default();
        COLUMNS.iter().for_each(|column| set(column, &mut all, odd));
        flows.push(all);
    }
    for column in COLUMNS {
        let mut alone = Flow::default();
        set(column, &mut alone, 1);
        flows.push(alone);
    }
    assert_eq!(read(write([&flows[..]])), flows.iter().map(stored).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn flows_come_back(
        rows in proptest::collection::vec(
            proptest::collection::vec((0..COLUMNS.len(), any::<u64>()), 0..12), 0..300),
        at in 0_usize..300,
    ) {
        let mut flows = Vec::new();
        for row in rows {
            let mut flow = Flow::default();
            for (column, random) in row {
                match COLUMNS[column].kind {
                    Kind::Unsigned(bits) => {
                        let number = Cell::Unsigned(random >> (64 - bits));
                        COLUMNS[column].set(&mut flow, number).unwrap();
                    }
                    Kind::Address => {
                        let address = (random as u32).to_be_bytes().into();
                        COLUMNS[column].set(&mut flow, Cell::Address(address)).unwrap();
                    }
                    _ => set(&COLUMNS[column], &mut flow, random as usize % 100),
                }
            }
            flows.push(flow);
        }
        let (one, other) = flows.split_at(at.min(flows.len()));
        prop_assert_eq!(read(write([one, other])), flows.iter().map(stored).collect::<Vec<_>>());
    }
}

/// Flows that fill several pages: columns of one value, of few, of many; absent ones that come late or go.
fn many(count: usize) -> Vec<Flow> {
    let flows = (0..count).map(|row| {
        let mut flow = Flow::default();
        flow.exporter_addr = [192, 0, 2, 1].into();
        flow.sequence = (row / 24) as u32;
        flow.src_addr = Some(((row as u32).wrapping_mul(2_654_435_761) >> 12).to_be_bytes().into());
        flow.dst_port = (row * 7919 % 65_536) as u16;
        flow.bytes_raw = (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (row % 60);
        flow.packets_raw = 1 + row as u64 % 9;
        flow.sampling_rate = if row < count / 2 { 1 } else { 100 };
        flow.time_flow_start = (row % 3 > 0).then(|| Timestamp::from_millis(row as i64 * 3));
        flow.icmp_type = (row > count - 10).then_some(8);
        flow.in_if = if row < count / 3 { 5 } else { row as u32 };
        if row == count / 2 {
            flow.rare_mut().mpls_labels.extend([16, 17]);
            flow.rare_mut().app_name.push_str("quic");
        }
        if row == PAGE_ROWS - 1 || row == PAGE_ROWS {
            flow.rare_mut().extras = extras();
            flow.rare_mut().mpls_labels.push(row as u32);
        }
        flow
    });
    flows.collect()
}

#[test]
fn pages_and_row_groups_follow_each_other() {
    let flows = many(2 * PAGE_ROWS + 1234);
    let (one, other) = flows.split_at(PAGE_ROWS);
    let expected: Vec<_> = flows.iter().map(stored).collect();
    assert!(read(write([&flows[..]])) == expected, "one row group");
    assert!(read(write([one, other])) == expected, "two row groups");
}

#[test]
fn a_file_without_flows_is_a_good_one() {
    let octets = ParquetFile::new(Vec::new()).unwrap().finish().unwrap();
    let mut file = FlowFile::from_octets(octets).unwrap();
    assert_eq!((file.rows(), file.row_groups()), (0, 0));
    assert!(!file.read(&mut Vec::new()).unwrap());
}

#[test]
fn metadata_say_what_the_file_is() {
    let mut file = ParquetFile::new(Vec::new()).unwrap();
    file.set_metadata("nf.exporters", "192.0.2.1");
    let file = FlowFile::from_octets(file.finish().unwrap()).unwrap();
    assert_eq!(file.schema_version(), Some(SCHEMA_VERSION));
    assert!(file.software().unwrap().starts_with("nf "));
    assert!(file.metadata().any(|pair| pair == ("nf.exporters", "192.0.2.1")));
    assert_eq!(file.unknown_columns().count(), 0);
}

#[test]
fn row_groups_tell_the_bounds_of_their_columns() {
    let flows = many(PAGE_ROWS + 100);
    let file = FlowFile::from_octets(write([&flows[..]])).unwrap();
    let bounds = |name| file.bounds(0, column(name).unwrap());
    assert_eq!(bounds("sequence"), Some(Bounds::Numbers(0, (PAGE_ROWS + 99) as i64 / 24)));
    let last = flows.iter().filter_map(|flow| flow.time_flow_start).max().unwrap();
    assert_eq!(bounds("time_flow_start"), Some(Bounds::Numbers(3_000_000, last.as_nanos())));
    assert_eq!(bounds("exporter_addr"), Some(Bounds::Texts("192.0.2.1", "192.0.2.1")));
    let texts: Vec<_> = flows.iter().map(|flow| flow.src_addr.unwrap().to_string()).collect();
    let of_texts = Bounds::Texts(texts.iter().min().unwrap(), texts.iter().max().unwrap());
    assert_eq!(bounds("src_addr"), Some(of_texts));
    assert_eq!(bounds("src_mac"), None);
    assert_eq!(file.bounds(1, column("sequence").unwrap()), None);
}

#[test]
fn columns_can_be_read_by_themselves() {
    let flows = many(PAGE_ROWS + 100);
    let file = FlowFile::from_octets(write([&flows[..]])).unwrap();
    let (src, bytes) = (column("src_addr").unwrap(), column("bytes").unwrap());

    let mut rows = file.row_group(0, &[src]).unwrap();
    let (mut some, mut seen) = (Vec::new(), 0);
    while rows.read(777, &mut some).unwrap() {
        for (flow, original) in some.iter().zip(&flows[seen..]) {
            let mut expected = Flow::default();
            expected.src_addr = original.src_addr;
            assert_eq!(flow, &expected);
        }
        seen += some.len();
    }
    assert_eq!(seen, flows.len());

    // Some at a time, with the ids of the dictionary; derived columns too.
    let mut reader = file.column(0, src).unwrap().unwrap();
    let mut texts = Vec::new();
    let mut values = ColumnValues::default();
    while reader.read(1000, &mut values).unwrap() > 0 {
        assert!(values.ids.iter().all(|&id| id < reader.dictionary()));
        texts.extend(values.ids.iter().map(|&id| reader.text(id).unwrap().to_owned()));
        values.clear();
    }
    assert_eq!(texts, flows.iter().map(|flow| flow.src_addr.unwrap().to_string()).collect::<Vec<_>>());
    let mut reader = file.column(0, bytes).unwrap().unwrap();
    while reader.read(usize::MAX, &mut values).unwrap() > 0 {}
    let numbers = std::mem::take(&mut values.numbers);
    assert_eq!(values.runs(), [(true, flows.len())]);
    // What is passed over is not read, wherever it ends.
    for skip in [1, 700, flows.len() - 1] {
        let mut reader = file.column(0, bytes).unwrap().unwrap();
        reader.skip(skip).unwrap();
        values.clear();
        assert_eq!(reader.read(1, &mut values).unwrap(), 1);
        assert_eq!(values.numbers, numbers[skip..=skip]);
    }
    let expected: Vec<_> = flows.iter().map(|flow| flow.bytes().min(i64::MAX as u64)).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn extras_are_texts() {
    let mut flow = Flow::default();
    flow.rare_mut().extras = extras();
    let read = read(write([&[flow][..]]));
    assert_eq!(read[0].rare().extras.get("minimumIpTotalLength"), Some(Value::String("40".into())));
}

#[test]
fn absent_columns_take_next_to_nothing() {
    let flows = vec![Flow::default(); 3 * PAGE_ROWS];
    let file = write([&flows[..]]);
    assert!(file.len() < 32_000, "{} octets", file.len());
}

#[test]
fn memory_is_bounded_however_long_texts_are() {
    let mut group = RowGroup::new().unwrap();
    let mut batch = Flows::new();
    let mut pushed = 0;
    while !group.is_full() {
        batch.clear();
        for _ in 0..100 {
            let mut flow = Flow::default();
            flow.rare_mut().app_name = format!("{pushed:060000}");
            batch.push(&flow);
            pushed += 1;
        }
        group.push(&batch).unwrap();
        assert!(pushed <= 10_000, "{} octets", group.memory());
    }
    let mut file = ParquetFile::new(Vec::new()).unwrap();
    file.append(&group.finish().unwrap()).unwrap();
    assert_eq!(group.rows(), 0);
    let flows = read(file.finish().unwrap());
    assert_eq!(flows.len(), pushed);
    assert_eq!(flows[pushed - 1].rare().app_name.len(), 60_000);
}
