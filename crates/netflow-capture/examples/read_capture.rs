//! Reads the export packets of a capture without a thread or a socket, and counts what is in them.
//!
//! `cargo run -p netflow-capture --example read_capture -- fixtures/softflowd-v9.pcap`
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::fs::File;

use netflow_capture::CaptureReader;
use netflow_templates::{Context, DataSet, MessageSink, Session};

/// Counts records and octets, straight from the columns of the data sets.
#[derive(Default)]
struct Totals {
    records: usize,
    octets: u64,
}

impl MessageSink for Totals {
    fn data(&mut self, _context: &Context<'_>, set: DataSet<'_>) {
        self.records += set.len();
        // A column is one field in all records, whatever its width: a value for each row.
        for column in set.columns().filter(|column| column.field().element().name == "octetDeltaCount") {
            let mut octets = vec![0; set.len()];
            column.zip_unsigned(&mut octets, |row, number| *row = number);
            self.octets += octets.iter().sum::<u64>();
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give a pcap or pcapng file")?;
    let mut capture = CaptureReader::new(File::open(path)?)?;
    let mut session = Session::new();
    let mut totals = Totals::default();
    while let Some(datagram) = capture.next_datagram()? {
        if let Err(error) =
            session.decode(datagram.source.into(), datagram.time, datagram.payload, &mut totals)
        {
            println!("frame {}: {error}", datagram.frame);
        }
    }
    println!(
        "{} packets, {} records, {} octets",
        session.statistics().packets,
        totals.records,
        totals.octets
    );
    Ok(())
}
