//! The ten source addresses with the most octets of a Parquet file, by the ids of its dictionaries.
//!
//! `cargo run --profile fast -p netflow-parquet --example read_columns -- FILE.parquet`
#![allow(clippy::print_stdout, reason = "an example")]

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;

use netflow_flow::column;
use netflow_parquet::{ColumnReader, ColumnValues, FlowFile};

fn main() -> Result<(), Box<dyn Error>> {
    let file = FlowFile::open(File::open(std::env::args().nth(1).ok_or("a file is needed")?)?)?;
    let (src_addr, bytes) = (column("src_addr").ok_or("no column")?, column("bytes").ok_or("no column")?);
    let mut sums: HashMap<String, u64> = HashMap::new();
    for group in 0..file.row_groups() {
        let (Some(src_addr), Some(bytes)) = (file.column(group, src_addr)?, file.column(group, bytes)?)
        else {
            return Err("the file lacks a column".into());
        };
        let mut octets = Rows::new(bytes);
        let mut addresses = Rows::new(src_addr);
        // An address is looked at once for a row group.
        let mut of_ids = vec![0_u64; 0];
        while let (Some(id), Some(octets)) = (addresses.next()?, octets.next()?) {
            let Some(id) = id else { continue };
            let id = id as usize;
            if of_ids.len() <= id {
                of_ids.resize(id + 1, 0);
            }
            of_ids[id] += octets.unwrap_or(0) as u64;
        }
        for (id, octets) in of_ids.into_iter().enumerate() {
            let address = addresses.reader.text(id as u32).ok_or("an address without a text")?;
            *sums.entry(address.to_owned()).or_default() += octets;
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable_by_key(|(address, octets)| (std::cmp::Reverse(*octets), address.clone()));
    for (address, octets) in sums.iter().take(10) {
        println!("{octets:>16} {address}");
    }
    Ok(())
}

/// The values of a column, row by row.
struct Rows {
    reader: ColumnReader,
    values: ColumnValues,
    next: std::vec::IntoIter<Option<i64>>,
}

impl Rows {
    fn new(reader: ColumnReader) -> Self {
        Self { reader, values: ColumnValues::default(), next: Vec::new().into_iter() }
    }

    /// The next value or id, which may be absent; `None` at the end.
    fn next(&mut self) -> Result<Option<Option<i64>>, netflow_parquet::Error> {
        loop {
            if let Some(value) = self.next.next() {
                return Ok(Some(value));
            }
            self.values.clear();
            if self.reader.read(8192, &mut self.values)? == 0 {
                return Ok(None);
            }
            // A column has either numbers or ids.
            let numbers = self.values.numbers.iter().map(|&number| number as i64);
            let mut present = numbers.chain(self.values.ids.iter().map(|&id| id.into()));
            let mut values = Vec::new();
            for &(is_present, rows) in self.values.runs() {
                values.extend((0..rows).map(|_| if is_present { present.next() } else { None }));
            }
            self.next = values.into_iter();
        }
    }
}
