//! How fast the flows of a capture of export packets are written as Parquet, and how large the file becomes.
//!
//! `cargo run --profile fast -p netflow-parquet --example parquet_speed -- FILE.lp [OUT.parquet]`
//!
//! `FILE.lp` holds export packets, each behind its length in four octets, the lowest first.
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::time::Instant;

use netflow_flow::FlowSink;
use netflow_parquet::{ParquetFile, RowGroup};
use netflow_templates::{Exporter, Session, Timestamp};

/// Flows that are taken at a time.
const BATCH: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let packets = std::fs::read(args.next().ok_or("a file of export packets is needed")?)?;
    let mut session = Session::new();
    let mut sink = FlowSink::default();
    let mut group = RowGroup::new()?;
    let out: Box<dyn Write> = match args.next() {
        Some(path) => Box::new(File::create(path)?),
        None => Box::new(io::sink()),
    };
    let mut file = ParquetFile::new(out)?;
    let (mut bytes, mut at, mut memory) = (0_u64, 0_i64, 0);
    let (mut decoding, mut encoding) = (0.0, 0.0);
    let mut rest = &packets[..];
    while !rest.is_empty() {
        let start = Instant::now();
        while sink.flows.len() < BATCH {
            let Some((length, after)) = rest.split_first_chunk() else { break };
            let length = u32::from_le_bytes(*length) as usize;
            let (packet, after) = after.split_at_checked(length).ok_or("the file is cut off")?;
            let exporter = Exporter { address: [192, 0, 2, 1].into(), port: 2055 };
            at += 2_400_000;
            let received = Timestamp::from_nanos(1_714_564_800_000_000_000 + at);
            session.decode(exporter, received, packet, &mut sink)?;
            rest = after;
        }
        let decoded = Instant::now();
        bytes = sink.flows.iter().fold(bytes, |sum, flow| sum.wrapping_add(flow.bytes()));
        let summed = Instant::now();
        group.push(&sink.flows)?;
        sink.flows.clear();
        if group.is_full() {
            memory = memory.max(group.memory());
            file.append(&group.finish()?)?;
        }
        decoding += (decoded - start).as_secs_f64();
        encoding += summed.elapsed().as_secs_f64();
    }
    let start = Instant::now();
    memory = memory.max(group.memory());
    file.append(&group.finish()?)?;
    let (rows, octets) = (file.rows(), file.length());
    file.finish()?;
    encoding += start.elapsed().as_secs_f64();
    let flows = rows as f64;
    println!(
        "{rows} flows, {bytes} octets of traffic: decoding {:.0} ns a flow, writing {:.0} ns a flow, {:.2} octets \
         a flow, {} KiB for a row group",
        decoding / flows * 1e9,
        encoding / flows * 1e9,
        octets as f64 / flows,
        memory >> 10
    );
    Ok(())
}
