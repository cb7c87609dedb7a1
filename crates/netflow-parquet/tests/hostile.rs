//! Files that are cut off, damaged, made by others, or made to harm: an error with a sentence, and never a panic.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use netflow_flow::{Flow, Flows};
use netflow_parquet::{Error, FlowFile, ParquetFile, RowGroup, is_parquet};
use netflow_templates::Timestamp;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

/// A small file with values in columns of every kind.
fn file() -> Vec<u8> {
    let mut flows = Flows::new();
    for row in 0..200_u32 {
        let mut flow = Flow::default();
        flow.src_addr = Some((row % 40).to_be_bytes().into());
        flow.dst_port = (row * 331) as u16;
        flow.bytes_raw = u64::from(row) << (row % 30);
        flow.time_flow_start = (row % 3 > 0).then(|| Timestamp::from_millis(row.into()));
        if row % 7 == 0 {
            flow.rare_mut().mpls_labels.extend([row, 17]);
            flow.rare_mut().app_name.push_str("quic");
            flow.rare_mut().extras.push("a", 0, netflow_templates::DataType::String, b"b");
        }
        flows.push(&flow);
    }
    let mut group = RowGroup::new().unwrap();
    let mut file = ParquetFile::new(Vec::new()).unwrap();
    for _ in 0..2 {
        group.push(&flows).unwrap();
        file.append(&group.finish().unwrap()).unwrap();
    }
    file.finish().unwrap()
}

/// Reads as far as it goes: what was read, and the first thing that was wrong.
fn read(octets: &[u8]) -> (usize, Option<Error>) {
    let mut file = match FlowFile::from_octets(octets) {
        Ok(file) => file,
        Err(error) => return (0, Some(error)),
    };
    let (mut flows, mut count, mut first) = (Vec::new(), 0, None);
    // Each error ends a row group: the next call goes on behind it.
    for _ in 0..1000 {
        match file.read(&mut flows) {
            Ok(true) => count += flows.len(),
            Ok(false) => break,
            Err(error) => first = first.or(Some(error)),
        }
    }
    (count, first)
}

#[test]
fn a_file_that_is_cut_off_says_so() {
    let octets = file();
    assert_eq!(read(&octets).0, 400);
    for length in 0..octets.len() {
        let (count, error) = read(&octets[..length]);
        let error = error.unwrap();
        assert_eq!(count, 0);
        match length {
            0..4 => assert!(matches!(error, Error::NotParquet), "{error}"),
            _ => assert!(matches!(error, Error::Unfinished), "{error}"),
        }
    }
}

#[test]
fn another_file_is_told_from_a_damaged_one() {
    let error = read(b"{\"src_addr\":\"192.0.2.1\"}\n").1.unwrap();
    assert_eq!(error.to_string(), "the file is no Parquet: it does not start with PAR1");
    assert!(!is_parquet(b"PAR") && is_parquet(b"PAR1\x15\x04"));
}

#[test]
fn a_damaged_row_group_does_not_take_the_next_one_along() {
    let mut octets = file();
    let middle = octets.len() / 4;
    let harmed = (4..middle).step_by(5).find(|&at| {
        let before = std::mem::replace(&mut octets[at], 0xff);
        let (count, error) = read(&octets);
        octets[at] = before;
        count == 200 && error.is_some()
    });
    assert!(harmed.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn changed_octets_are_survived(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        static FILE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(file);
        let mut octets = FILE.clone();
        for (at, octet) in &changes {
            octets[at.index(FILE.len())] = *octet;
        }
        let _ = read(&octets);
    }

    /// The footer is a third of the file; here all changes are in it.
    #[test]
    fn changed_footers_are_survived(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        static FILE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(file);
        let mut octets = FILE.clone();
        let end = octets.len() - 8;
        let size = u32::from_le_bytes(octets[end..end + 4].try_into().unwrap()) as usize;
        for (at, octet) in &changes {
            octets[end - size + at.index(size)] = *octet;
        }
        let _ = read(&octets);
    }
}

/// A file of the columns that `schema` names, as other software writes them.
fn foreign(schema: &str, properties: WriterProperties) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    while let Some(mut column) = group.next_column().unwrap() {
        let descriptor = match column.untyped() {
            parquet::column::writer::ColumnWriter::Int32ColumnWriter(of) => of.get_descriptor().clone(),
            parquet::column::writer::ColumnWriter::Int64ColumnWriter(of) => of.get_descriptor().clone(),
            parquet::column::writer::ColumnWriter::ByteArrayColumnWriter(of) => of.get_descriptor().clone(),
            parquet::column::writer::ColumnWriter::DoubleColumnWriter(of) => of.get_descriptor().clone(),
            _ => panic!("the test has no such column"),
        };
        // Three rows; of an optional column the second is absent.
        let levels = (descriptor.max_def_level() > 0).then_some(&[1, 0, 1][..]);
        let values = if levels.is_some() { 2 } else { 3 };
        let numbers = [7, 8, 9];
        match descriptor.physical_type() {
            parquet::basic::Type::INT32 => {
                let numbers = numbers.map(|number| number as i32);
                column.typed::<Int32Type>().write_batch(&numbers[..values], levels, None).unwrap();
            }
            parquet::basic::Type::INT64 => {
                column.typed::<Int64Type>().write_batch(&numbers[..values], levels, None).unwrap();
            }
            parquet::basic::Type::DOUBLE => {
                column.typed::<DoubleType>().write_batch(&[1.0; 3][..values], levels, None).unwrap();
            }
            _ => {
                let texts = ["192.0.2.1", "2001:db8::1", "::"].map(ByteArray::from);
                column.typed::<ByteArrayType>().write_batch(&texts[..values], levels, None).unwrap();
            }
        };
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

const SCHEMA: &str = "message spark_schema {
    optional binary src_addr (UTF8);
    required binary dst_addr (UTF8);
    optional int32 dst_port;
    required int32 bytes_raw;
    required int64 proto;
    optional int64 time_flow_start (TIMESTAMP(MILLIS,true));
    required int64 time_received (TIMESTAMP(NANOS,true));
    required double loss;
}";

#[test]
fn files_of_other_software_are_read() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let all = [
        WriterProperties::builder().set_compression(Compression::UNCOMPRESSED),
        WriterProperties::builder().set_compression(zstd),
        WriterProperties::builder().set_dictionary_enabled(false).set_encoding(Encoding::PLAIN),
        WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_2_0).set_compression(zstd),
        WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_2_0),
    ];
    for properties in all {
        let mut file = FlowFile::from_octets(foreign(SCHEMA, properties.build())).unwrap();
        assert_eq!(file.unknown_columns().collect::<Vec<_>>(), ["loss"]);
        assert_eq!(file.schema_version(), None);
        let mut flows = Vec::new();
        assert!(file.read(&mut flows).unwrap());
        let texts = ["192.0.2.1", "2001:db8::1", "::"].map(|text| text.parse().ok());
        assert_eq!(flows.iter().map(|flow| flow.src_addr).collect::<Vec<_>>(), [texts[0], None, texts[1]]);
        assert_eq!(flows.iter().map(|flow| flow.dst_addr).collect::<Vec<_>>(), texts);
        assert_eq!(flows.iter().map(|flow| flow.dst_port).collect::<Vec<_>>(), [7, 0, 8]);
        assert_eq!(flows.iter().map(|flow| flow.bytes_raw).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(flows.iter().map(|flow| flow.proto).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(flows[2].time_flow_start, Some(Timestamp::from_millis(8)));
        assert_eq!(flows[2].time_received, Timestamp::from_nanos(9));
        assert!(!file.read(&mut flows).unwrap());
    }
}

#[test]
fn what_is_not_read_is_named() {
    let error = |schema: &str, properties: WriterProperties| read(&foreign(schema, properties)).1.unwrap();
    let plain = || WriterProperties::builder().build();
    assert_eq!(
        error("message m { required double src_port; }", plain()).to_string(),
        "the file cannot be read: its column src_port is of another type than that of a flow"
    );
    assert_eq!(
        error("message m { required double loss; }", plain()).to_string(),
        "the file is none of flows: it has none of their columns"
    );
    let delta = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED)
        .build();
    assert_eq!(
        error("message m { required int32 src_port; }", delta).to_string(),
        "the file cannot be read: column src_port: its values have the encoding 5"
    );
    assert_eq!(
        error("message m { required binary exporter_addr (UTF8); required binary src_mac (UTF8); }", plain())
            .to_string(),
        "the file is damaged: column src_mac cannot hold Text(\"192.0.2.1\")"
    );
}
