//! A flow as a line of JSON.

use crate::address::AddressText;
use crate::column::Cell;
use crate::flows::FlowRef;
use crate::json;
use crate::schema::{COLUMNS, USUAL};

/// Appends a flow as one line of JSON: the columns by name, without those that are absent.
pub fn write_flow_line<'a>(out: &mut Vec<u8>, flow: impl Into<FlowRef<'a>>) {
    let flow = flow.into();
    let columns = if flow.has_rare() { COLUMNS } else { &COLUMNS[..USUAL] };
    // The first one has no comma before it.
    let mut comma = 1;
    out.push(b'{');
    for column in columns {
        let cell = column.get(flow);
        if matches!(cell, Cell::Null) {
            continue;
        }
        out.extend_from_slice(&column.key.as_bytes()[std::mem::take(&mut comma)..]);
        write_json_cell(out, &cell);
    }
    out.extend_from_slice(b"}\n");
}

/// Appends a cell as JSON; an absent one is null.
pub fn write_json_cell(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match *cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Unsigned(number) => json::number(out, number),
        Cell::Address(address) => json::address(out, address),
        Cell::Time(time) => json::display(out, time),
        Cell::Text(text) => json::string(out, text),
        Cell::Mac(mac) => json::display(out, mac),
        Cell::Application(application) => json::display(out, application),
        Cell::List(numbers) => {
            out.push(b'[');
            for (index, &number) in numbers.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::number(out, number.into());
            }
            out.push(b']');
        }
        Cell::Extras(extras) => {
            out.push(b'{');
            for (name, value) in extras.iter() {
                json::key(out, name);
                json::value(out, &value);
            }
            out.push(b'}');
        }
    }
}

/// Appends the text of a cell: as in JSON, without quotes around texts; lists with spaces between; nothing of an
/// absent one.
pub fn write_cell_text(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match *cell {
        Cell::Null => {}
        Cell::Text(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Address(address) => out.extend_from_slice(AddressText::of(address).as_bytes()),
        Cell::Time(time) => json::write(out, time),
        Cell::Mac(mac) => json::write(out, mac),
        Cell::Application(application) => json::write(out, application),
        Cell::List(numbers) => {
            for (index, &number) in numbers.iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                json::number(out, number.into());
            }
        }
        Cell::Unsigned(_) | Cell::Extras(_) => write_json_cell(out, cell),
    }
}
