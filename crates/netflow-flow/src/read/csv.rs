//! A flow from a line of CSV.

use std::borrow::Cow;

use super::flow_line;
use crate::column::{Cell, Column, Kind};
use crate::schema::{Flow, column};

/// Reads lines below a line of column names.
pub(super) struct CsvLines {
    columns: Vec<Option<&'static Column>>,
}

impl CsvLines {
    /// By the heading; `None` when it names no column.
    pub(super) fn new(heading: &[u8]) -> Option<Self> {
        let heading = std::str::from_utf8(heading).ok()?;
        let columns: Vec<_> = cells(heading).map(|name| column(&name)).collect();
        columns.iter().any(Option::is_some).then_some(Self { columns })
    }

    pub(super) fn read(&self, line: &[u8]) -> Result<Flow, String> {
        let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        let mut flow = Flow::default();
        let mut count = 0;
        for (index, cell) in cells(line).enumerate() {
            count += 1;
            let Some(&column) = self.columns.get(index) else { continue };
            let Some(column) = column.filter(|_| !cell.is_empty()) else { continue };
            if column.kind == Kind::Extras {
                let extras = flow_line::read_extras(&cell)?;
                flow.rare_mut().extras.clone_from(&extras.rare().extras);
            } else {
                column.set(&mut flow, Cell::Text(&cell)).map_err(|error| error.to_string())?;
            }
        }
        if count == self.columns.len() {
            Ok(flow)
        } else {
            Err(format!("has {count} cells, the heading has {}", self.columns.len()))
        }
    }
}

/// The cells of a line (RFC 4180); a line feed within quotes is not expected.
fn cells(line: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(quoted) = text.strip_prefix('"') else {
            let (cell, after) =
                text.split_once(',').map_or((text, None), |(cell, after)| (cell, Some(after)));
            rest = after;
            return Some(Cow::Borrowed(cell));
        };
        let mut cell = String::new();
        let mut tail = quoted;
        while let Some((part, after)) = tail.split_once('"') {
            cell.push_str(part);
            match after.strip_prefix('"') {
                Some(more) => {
                    cell.push('"');
                    tail = more;
                }
                None => {
                    rest = after.strip_prefix(',');
                    return Some(Cow::Owned(cell));
                }
            }
        }
        // A quote that is not closed: the cell ends with the line.
        cell.push_str(tail);
        rest = None;
        Some(Cow::Owned(cell))
    })
}
