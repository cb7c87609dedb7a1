//! Connections as Parquet.

use std::io::{IsTerminal as _, Write};

use anyhow::bail;
use netflow_analyzer::Row;
use netflow_analyzer::report::{CellKind, CellValue};
use netflow_parquet::{Table, TableColumn, TableKind, TableValue};

use crate::output;

/// What the columns mean.
const SCHEMA: &str = "nf.connection.v1";

/// A table of connections on stdout.
pub(super) struct Connections(Table<output::Data>);

impl Connections {
    pub(super) fn new() -> anyhow::Result<Self> {
        if std::io::stdout().is_terminal() {
            bail!("parquet is nothing for a terminal; write it to a file: `> connections.parquet`")
        }
        let columns = Row::COLUMNS.iter().zip(Row::KINDS).map(|(&name, &(kind, nullable))| {
            let kind = match kind {
                CellKind::Number => TableKind::Number,
                CellKind::Time => TableKind::Time,
                CellKind::Text => TableKind::Text,
                CellKind::Texts => TableKind::Texts,
            };
            TableColumn { name, kind, nullable }
        });
        Ok(Self(Table::new(output::data(), SCHEMA, columns)?))
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        let values: Vec<_> = row.values().collect();
        let value = |value| match value {
            &CellValue::Absent => TableValue::Absent,
            &CellValue::Number(number) => TableValue::Number(number),
            &CellValue::Time(time) => TableValue::Time(time),
            CellValue::Text(text) => TableValue::Text(text),
            CellValue::Texts(texts) => TableValue::Texts(texts),
        };
        Ok(self.0.push(values.iter().map(value))?)
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        Ok(self.0.finish()?.flush()?)
    }
}
