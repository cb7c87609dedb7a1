//! A flow from a line of JSON.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use netflow_templates::DataType;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::column::{Cell, Column, Kind};
use crate::extras::Extras;
use crate::schema::{COLUMNS, Flow};

static BY_NAME: LazyLock<HashMap<&str, &Column>> =
    LazyLock::new(|| COLUMNS.iter().map(|column| (column.name, column)).collect());

/// Reads a line that [`write_flow_line`](crate::write_flow_line) wrote. Columns that are not known, as of a
/// later schema, are kept as extras.
pub(super) fn read(line: &[u8]) -> Result<Flow, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let flow = deserializer.deserialize_map(FlowVisitor).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(flow)
}

struct FlowVisitor;

impl<'de> Visitor<'de> for FlowVisitor {
    type Value = Flow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flow: an object of columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flow, A::Error> {
        let mut flow = Flow::default();
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            match BY_NAME.get(name.as_ref()) {
                Some(column) => map.next_value_seed(CellSeed { flow: &mut flow, column })?,
                None => {
                    map.next_value_seed(ExtraSeed { extras: &mut flow.rare_mut().extras, name: &name })?
                }
            }
        }
        Ok(flow)
    }
}

/// Sets one column.
struct CellSeed<'a> {
    flow: &'a mut Flow,
    column: &'a Column,
}

impl CellSeed<'_> {
    fn set<E: Error>(self, cell: Cell<'_>) -> Result<(), E> {
        self.column.set(self.flow, cell).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value for column {}", self.column.name)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.set(Cell::Unsigned(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.set(Cell::Text(text))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.set(Cell::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element::<u32>()? {
            numbers.push(number);
        }
        self.set(Cell::List(&numbers))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.column.kind != Kind::Extras {
            return Err(A::Error::custom(format_args!("column {} cannot hold an object", self.column.name)));
        }
        // To those that are there already: columns that are not known may come before.
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            map.next_value_seed(ExtraSeed { extras: &mut self.flow.rare_mut().extras, name: &name })?;
        }
        Ok(())
    }
}

/// Appends one extra.
struct ExtraSeed<'a> {
    extras: &'a mut Extras,
    name: &'a str,
}

impl ExtraSeed<'_> {
    fn push(self, data_type: DataType, octets: &[u8]) {
        self.extras.push(self.name, 0, data_type, octets);
    }
}

impl<'de> DeserializeSeed<'de> for ExtraSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ExtraSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a text or a list")
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<(), E> {
        self.push(DataType::Boolean, &[if yes { 1 } else { 2 }]);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.push(DataType::Unsigned64, &number.to_be_bytes());
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.push(DataType::Signed64, &number.to_be_bytes());
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.push(DataType::Float64, &number.to_be_bytes());
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.push(DataType::String, text.as_bytes());
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        // Of a type that without octets is absent, and not empty.
        self.push(DataType::Unsigned64, &[]);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element::<serde_json::Value>()? {
            values.push(value);
        }
        let text = serde_json::Value::Array(values).to_string();
        self.push(DataType::String, text.as_bytes());
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(A::Error::custom(format_args!("{} is an object, which no value is", self.name)))
    }
}

/// Reads extras from the JSON object that CSV holds.
pub(super) fn read_extras(text: &str) -> Result<Flow, String> {
    read(format!("{{\"extras\":{text}}}").as_bytes())
}
