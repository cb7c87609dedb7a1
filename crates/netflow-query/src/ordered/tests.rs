use netflow_filter::Filter;
use netflow_flow::{Flow, Flows, column};
use netflow_parquet::{ParquetFile, RowGroup};

use super::*;
use crate::{Matching, TextEncoder, TextFormat};

/// Ports of rows, as text.
struct Ports(TextEncoder);

impl Ports {
    fn new() -> Self {
        Self(TextEncoder::new(TextFormat::Csv, &["bytes", "src_addr"].map(|name| column(name).unwrap())))
    }
}

impl Maker for Ports {
    type Made = String;

    fn columns(&self) -> Vec<&'static Column> {
        self.0.columns().to_vec()
    }

    fn make(&mut self, batch: &mut Batch, selection: &Selection) -> Result<String, Error> {
        let mut out = Vec::new();
        self.0.encode(batch, selection, &mut out, &mut Vec::new())?;
        Ok(String::from_utf8(out).unwrap())
    }
}

/// Files of row groups with so many rows; a row has its number, in bytes.
fn files(groups: &[&[usize]]) -> Vec<FlowFile> {
    let mut number = 0;
    let mut file = |rows: &&[usize]| {
        let mut file = ParquetFile::new(Vec::new()).unwrap();
        for &rows in *rows {
            let mut group = RowGroup::new().unwrap();
            let mut flows = Flows::new();
            for _ in 0..rows {
                let mut flow = Flow::default();
                (flow.bytes_raw, flow.sampling_rate) = (number, 1);
                flow.src_addr = Some([10, 0, (number >> 8) as u8, number as u8].into());
                flows.push(&flow);
                number += 1;
            }
            group.push(&flows).unwrap();
            file.append(&group.finish().unwrap()).unwrap();
        }
        FlowFile::from_octets(file.finish().unwrap()).unwrap()
    };
    groups.iter().map(&mut file).collect()
}

fn made(threads: usize, files: &[FlowFile], filter: &str) -> (String, usize) {
    let filter = Filter::parse(filter).unwrap();
    let mut ordered = Ordered::new(threads, || (Matching::new(&filter), Ports::new()));
    let (mut text, mut rows) = (String::new(), 0);
    let taken = ordered.parquet(files, &AtomicBool::new(false), &mut |piece| {
        assert!(piece.problem.is_none());
        text.extend(piece.made);
        rows += piece.rows;
        Ok::<_, ()>(())
    });
    taken.unwrap();
    (text, rows)
}

fn wanted(numbers: impl Iterator<Item = u64>) -> String {
    numbers.map(|number| format!("{number},10.0.{}.{}\n", number >> 8 & 255, number & 255)).collect()
}

#[test]
fn rows_come_in_their_order_whatever_the_threads() {
    let files = files(&[&[100_000, 1], &[40_000], &[], &[3, 70_000]]);
    let all = 100_001 + 40_000 + 70_003;
    for threads in [1, 2, 5] {
        let (text, rows) = made(threads, &files, "");
        assert!(text == wanted(0..all), "{threads} threads");
        assert_eq!(rows as u64, all);
        let (text, rows) = made(threads, &files, "bytes > 139990 and bytes < 150000");
        assert!(text == wanted(139_991..150_000), "{threads} threads");
        assert_eq!(rows as u64, all);
    }
}

#[test]
fn an_error_of_what_takes_the_pieces_ends_it() {
    let files = files(&[&[1_000_000]]);
    let mut ordered = Ordered::new(2, || (crate::All, Ports::new()));
    let mut pieces = 0;
    let taken = ordered.parquet(&files, &AtomicBool::new(false), &mut |_| {
        pieces += 1;
        if pieces == 3 { Err("enough") } else { Ok(()) }
    });
    assert_eq!((taken, pieces), (Err("enough"), 3));
    let stopped = ordered.parquet(&files, &AtomicBool::new(true), &mut |_| Err("not asked for"));
    assert_eq!(stopped, Ok(()));
}

#[test]
fn a_thread_that_panics_leaves_nobody_waiting() {
    struct Panics;
    impl Maker for Panics {
        type Made = ();
        fn columns(&self) -> Vec<&'static Column> {
            Vec::new()
        }
        fn make(&mut self, _: &mut Batch, _: &Selection) -> Result<(), Error> {
            panic!("as expected")
        }
    }
    let files = files(&[&[1_000_000]]);
    let mut ordered = Ordered::new(3, || (crate::All, Panics));
    let read = std::panic::AssertUnwindSafe(|| {
        ordered.parquet(&files, &AtomicBool::new(false), &mut |_| Ok::<_, ()>(()))
    });
    assert!(std::panic::catch_unwind(read).is_err());
}

#[test]
fn flows_one_by_one_come_as_those_of_parquet() {
    let mut ordered = Ordered::new(2, || (crate::All, Ports::new()));
    let mut text = String::new();
    for number in 0..20_000_u64 {
        let mut flow = Flow::default();
        (flow.bytes_raw, flow.src_addr) = (number, Some([10, 0, (number >> 8) as u8, number as u8].into()));
        text.extend(ordered.flow(&flow).unwrap());
    }
    text.extend(ordered.flush().unwrap());
    text.extend(ordered.flush().unwrap());
    assert!(text == wanted(0..20_000));
}
