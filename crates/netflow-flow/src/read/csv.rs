//! A flow from a line of CSV.

use std::borrow::Cow;

use super::flow_line;
use crate::column::{Cell, Column, Kind};
use crate::schema::{Flow, column};

/// Columns of a heading: many more than there are.
const MAX_COLUMNS: usize = 10_000;

/// Reads lines below a line of column names.
#[derive(Debug)]
pub(super) struct CsvLines {
    columns: Vec<Option<&'static Column>>,
}

impl CsvLines {
    /// By the heading; `None` when it names no column, or too many, or has wrong quotes, as the rest of a line of
    /// JSON has.
    pub(super) fn new(heading: &[u8]) -> Option<Self> {
        let mut quotes = Quotes::default();
        quotes.read(heading);
        let heading = std::str::from_utf8(heading).ok().filter(|_| !quotes.are_wrong())?;
        let columns: Vec<_> = cells(heading).take(MAX_COLUMNS + 1).map(|name| column(&name)).collect();
        let good = columns.len() <= MAX_COLUMNS && columns.iter().any(Option::is_some);
        good.then_some(Self { columns })
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

/// Where a row's quotes stand (RFC 4180), octet by octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Quotes {
    /// Before a cell.
    #[default]
    Before,
    /// In a cell that has none.
    Plain,
    /// Within quotes.
    Open,
    /// Behind a quote that closes them, unless another one follows.
    Closed,
    /// Behind one that neither ends its cell nor stands for itself.
    Wrong,
}

impl Quotes {
    /// Goes on over octets of the row.
    pub(super) fn read(&mut self, octets: &[u8]) {
        for octet in octets {
            *self = match (*self, octet) {
                (Self::Wrong, _) => return,
                (Self::Before, b'"') | (Self::Closed, b'"') => Self::Open,
                (Self::Open, b'"') => Self::Closed,
                (Self::Open, _) => Self::Open,
                (_, b',') => Self::Before,
                (Self::Closed, b'\r' | b'\n') => Self::Closed,
                (Self::Closed, _) => Self::Wrong,
                _ => Self::Plain,
            }
        }
    }

    /// Whether the row can end here.
    pub(super) fn are_closed(self) -> bool {
        !matches!(self, Self::Open | Self::Wrong)
    }

    /// Whether nothing that follows can put them right.
    pub(super) fn are_wrong(self) -> bool {
        self == Self::Wrong
    }
}

/// The cells of a line (RFC 4180), which may have line feeds within quotes.
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
