//! Flow files: export packets as JSON, flows as JSON lines or CSV, with and without gzip; Parquet.

use netflow_flow::{
    COLUMNS, Flow, FlowReader, Flows, ReadError, write_csv_flow, write_csv_head, write_flow_line,
};
use netflow_parquet::{FlowFile, ParquetFile, RowGroup, is_parquet};

/// Text that is read of a file: a compressed one of 64 KiB can hold a thousand times that.
const MOST_TEXT: u64 = 4 << 20;

/// Reads a file of any format. Its flows, written in each format of flows and read again, are equal.
pub fn flow_file(data: &[u8]) {
    if is_parquet(data) {
        let written = parquet(&read_parquet(data, false));
        let again = parquet(&read_parquet(&written, true));
        assert_eq!(again, written, "what was read is written");
        return;
    }
    // As JSON has them: lists and octets are texts there.
    let lines = json_lines(&read(data, false));
    let flows = read(&lines, true);
    let written = json_lines(&flows);
    let (written, lines) = (text(&written).lines(), text(&lines).lines());
    assert_eq!(written.clone().count(), lines.clone().count());
    written.zip(lines).for_each(|(written, line)| assert_eq!(written, line, "what was read is written"));
    let csv = csv(&flows);
    let again = read(&csv, true);
    assert_eq!(again.len(), flows.len());
    again.iter().zip(&flows).for_each(|(again, flow)| assert_eq!(again, flow, "what CSV was written of"));
}

/// All flows of a Parquet file, up to a bound. Where `good`, nothing may be wrong with it.
fn read_parquet(file: &[u8], good: bool) -> Vec<Flow> {
    let (mut all, mut flows) = (Vec::new(), Vec::new());
    let mut file = match FlowFile::from_octets(file) {
        Ok(file) => file,
        Err(error) => {
            assert!(!good, "{error}");
            return all;
        }
    };
    // An error ends a row group.
    let mut errors = 0;
    while errors <= file.row_groups() && all.len() as u64 * 256 <= MOST_TEXT {
        match file.read(&mut flows) {
            Ok(true) => all.append(&mut flows),
            Ok(false) => return all,
            Err(error) => {
                assert!(!good, "{error}");
                errors += 1;
            }
        }
    }
    assert!(errors <= file.row_groups(), "each error is of another row group");
    all
}

/// A file of some flows.
pub(crate) fn parquet(flows: &[Flow]) -> Vec<u8> {
    let mut batch = Flows::new();
    flows.iter().for_each(|flow| batch.push(flow));
    let write = || {
        let mut group = RowGroup::new()?;
        group.push(&batch)?;
        let mut file = ParquetFile::new(Vec::new())?;
        file.append(&group.finish()?)?;
        file.finish()
    };
    write().expect("memory takes every flow")
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).expect("UTF-8 is written")
}

/// All flows of a file. Where `good`, nothing may be wrong with it.
pub(crate) fn read(file: &[u8], good: bool) -> Vec<Flow> {
    let (mut all, mut flows) = (Vec::new(), Vec::new());
    let mut reader = match FlowReader::new(file) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(!good || file.is_empty(), "{error}");
            return all;
        }
    };
    let (mut line, mut passed) = (0, 0);
    loop {
        match reader.read(&mut flows) {
            Ok(true) => all.extend(flows.iter().cloned()),
            Ok(false) => return all,
            Err(error) => {
                assert!(!good, "{error} in {}", text(file));
                if !error.is_recoverable() {
                    return all;
                }
                if let ReadError::Lost { to, .. } = error {
                    assert!(to > passed, "each damage is behind the one before");
                    passed = to;
                } else {
                    assert!(reader.line() > line, "each error is of another line");
                    line = reader.line();
                }
            }
        }
        if all.len() as u64 * 256 > MOST_TEXT && !good {
            return all;
        }
    }
}

fn json_lines(flows: &[Flow]) -> Vec<u8> {
    let mut out = Vec::new();
    flows.iter().for_each(|flow| write_flow_line(&mut out, flow));
    for line in out.split(|&octet| octet == b'\n') {
        assert!(line.is_empty() || serde_json::from_slice::<serde_json::Value>(line).is_ok());
    }
    out
}

fn csv(flows: &[Flow]) -> Vec<u8> {
    let mut out = Vec::new();
    if !flows.is_empty() {
        write_csv_head(&mut out);
        assert_eq!(out.split(|&octet| octet == b',').count(), COLUMNS.len());
    }
    flows.iter().for_each(|flow| write_csv_flow(&mut out, flow));
    out
}
