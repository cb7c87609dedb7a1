//! Prints the flows of a Parquet file that pass a filter as CSV, on all cores: `as_csv FILE [FILTER]`.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::AtomicBool;

use netflow_filter::Filter;
use netflow_flow::{COLUMNS, Column};
use netflow_parquet::FlowFile;
use netflow_query::{Batch, Maker, Matching, Ordered, Selection, TextEncoder, TextFormat};

struct Csv(TextEncoder);

impl Csv {
    fn new() -> Self {
        Self(TextEncoder::new(TextFormat::Csv, &COLUMNS.iter().collect::<Vec<_>>()))
    }
}

impl Maker for Csv {
    type Made = Vec<u8>;

    fn columns(&self) -> Vec<&'static Column> {
        self.0.columns().to_vec()
    }

    fn make(&mut self, batch: &mut Batch, selection: &Selection) -> Result<Vec<u8>, netflow_query::Error> {
        let mut lines = Vec::new();
        self.0.encode(batch, selection, &mut lines, &mut Vec::new())?;
        Ok(lines)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = FlowFile::open(File::open(arguments.next().ok_or("as_csv FILE [FILTER]")?)?)?;
    let filter = Filter::parse(&arguments.next().unwrap_or_default())?;
    let threads = std::thread::available_parallelism()?.get();
    let mut ordered = Ordered::new(threads, || (Matching::new(&filter), Csv::new()));
    let mut out = io::stdout().lock();
    let mut heading = Vec::new();
    Csv::new().0.write_head(&mut heading);
    out.write_all(&heading)?;
    ordered.parquet(&[file], &AtomicBool::new(false), &mut |piece| {
        if let Some(problem) = piece.problem {
            return Err(Box::<dyn Error>::from(problem));
        }
        piece.made.iter().try_for_each(|lines| Ok(out.write_all(lines)?))
    })
}
