//! A flow from a line of JSON.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use netflow_templates::DataType;
use serde::de::{Error, MapAccess, SeqAccess};

use super::json::{self, Json, JsonText, Scalar, Take};
use crate::column::{Cell, Column, Kind};
use crate::extras::Extras;
use crate::schema::{COLUMNS, Flow};

static BY_NAME: LazyLock<HashMap<&str, &Column>> =
    LazyLock::new(|| COLUMNS.iter().map(|column| (column.name, column)).collect());

/// Reads a line that [`write_flow_line`](crate::write_flow_line) wrote. Columns that are not known, as of a
/// later schema, are kept as extras; a line without any that is known is no flow.
pub(super) fn read(line: &[u8]) -> Result<Flow, String> {
    json::read(line, Line)
}

struct Line;

impl<'de> Take<'de> for Line {
    type Output = Flow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flow: an object of columns")
    }

    fn object<A: MapAccess<'de>>(self, mut line: A) -> Result<Flow, A::Error> {
        let mut flow = Flow::default();
        let mut known = false;
        while let Some(name) = line.next_key::<Cow<'_, str>>()? {
            match BY_NAME.get(name.as_ref()) {
                Some(column) => {
                    line.next_value_seed(Json(CellOf { flow: &mut flow, column }))?;
                    known = true;
                }
                None => {
                    line.next_value_seed(Json(Extra { extras: &mut flow.rare_mut().extras, name: &name }))?
                }
            }
        }
        match known {
            true => Ok(flow),
            false => Err(A::Error::custom("is no flow: it has none of the columns")),
        }
    }
}

/// Sets one column.
struct CellOf<'a> {
    flow: &'a mut Flow,
    column: &'a Column,
}

impl CellOf<'_> {
    fn set<E: Error>(self, cell: Cell<'_>) -> Result<(), E> {
        self.column.set(self.flow, cell).map_err(E::custom)
    }
}

impl<'de> Take<'de> for CellOf<'_> {
    type Output = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value for column {}", self.column.name)
    }

    fn scalar<E: Error>(self, scalar: Scalar<'_>) -> Result<(), E> {
        match scalar {
            Scalar::Unsigned(number) => self.set(Cell::Unsigned(number)),
            Scalar::Text(text) => self.set(Cell::Text(text)),
            Scalar::Null => self.set(Cell::Null),
            other => {
                let (column, value) = (self.column.name, other.text());
                Err(E::custom(format_args!("column {column} cannot hold {value}")))
            }
        }
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element::<u32>()? {
            numbers.push(number);
        }
        self.set(Cell::List(&numbers))
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        if self.column.kind != Kind::Extras {
            return Err(A::Error::custom(format_args!("column {} cannot hold an object", self.column.name)));
        }
        // To those that are there already: columns that are not known may come before.
        while let Some(name) = object.next_key::<Cow<'_, str>>()? {
            object.next_value_seed(Json(Extra { extras: &mut self.flow.rare_mut().extras, name: &name }))?;
        }
        Ok(())
    }
}

/// Appends one extra.
struct Extra<'a> {
    extras: &'a mut Extras,
    name: &'a str,
}

impl Extra<'_> {
    fn push(self, data_type: DataType, octets: &[u8]) {
        self.extras.push(self.name, 0, data_type, octets);
    }
}

impl<'de> Take<'de> for Extra<'_> {
    type Output = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn scalar<E: Error>(self, scalar: Scalar<'_>) -> Result<(), E> {
        match scalar {
            Scalar::Null => self.push(DataType::Unsigned64, &[]),
            Scalar::Boolean(yes) => self.push(DataType::Boolean, &[if yes { 1 } else { 2 }]),
            Scalar::Unsigned(number) => self.push(DataType::Unsigned64, &number.to_be_bytes()),
            Scalar::Signed(number) => self.push(DataType::Signed64, &number.to_be_bytes()),
            Scalar::Float(number) => self.push(DataType::Float64, &number.to_be_bytes()),
            Scalar::Text(text) | Scalar::Json(text) => self.push(DataType::String, text.as_bytes()),
        }
        Ok(())
    }

    // No value that is written is a list or an object; those of a later schema are kept as their text.
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let mut text = Vec::new();
        JsonText(&mut text).list(list)?;
        self.push(DataType::String, &text);
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let mut text = Vec::new();
        JsonText(&mut text).object(object)?;
        self.push(DataType::String, &text);
        Ok(())
    }
}

/// Reads extras from the JSON object that CSV holds.
pub(super) fn read_extras(text: &str) -> Result<Flow, String> {
    read(format!("{{\"extras\":{text}}}").as_bytes())
}
