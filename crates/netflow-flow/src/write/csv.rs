//! Flows as CSV (RFC 4180, with a line feed at the end of a line).

use super::flow_line::write_cell_text;
use crate::column::Cell;
use crate::flows::FlowRef;
use crate::schema::COLUMNS;

/// Appends the line with the names of the columns.
pub fn write_csv_head(out: &mut Vec<u8>) {
    for (index, column) in COLUMNS.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(column.name.as_bytes());
    }
    out.push(b'\n');
}

/// Appends a flow as a line; what is absent is empty.
pub fn write_csv_flow<'a>(out: &mut Vec<u8>, flow: impl Into<FlowRef<'a>>) {
    let flow = flow.into();
    for (index, column) in COLUMNS.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_csv_cell(out, &column.get(flow));
    }
    out.push(b'\n');
}

/// Appends a cell as CSV has it, in quotes where it needs them.
pub fn write_csv_cell(out: &mut Vec<u8>, cell: &Cell<'_>) {
    let start = out.len();
    write_cell_text(out, cell);
    quote(out, start);
}

/// Puts quotes around what was appended from `start`, if it needs them.
fn quote(out: &mut Vec<u8>, start: usize) {
    if !out[start..].iter().any(|octet| matches!(octet, b',' | b'"' | b'\n' | b'\r')) {
        return;
    }
    let text = out.split_off(start);
    out.push(b'"');
    for octet in text {
        if octet == b'"' {
            out.push(b'"');
        }
        out.push(octet);
    }
    out.push(b'"');
}
