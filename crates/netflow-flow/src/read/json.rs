//! JSON, taken apart without a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use crate::json;

/// A JSON value that is neither a list nor an object, or the text of one that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    /// Below zero.
    Signed(i64),
    Float(f64),
    Text(&'a str),
    /// A list or an object, as JSON.
    Json(&'a str),
}

impl Scalar<'_> {
    /// The value as people read it: text without quotes.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => "".into(),
            Self::Boolean(yes) => yes.to_string().into(),
            Self::Unsigned(number) => number.to_string().into(),
            Self::Signed(number) => number.to_string().into(),
            Self::Float(number) => number.to_string().into(),
            Self::Text(text) | Self::Json(text) => (*text).into(),
        }
    }

    /// Appends the value as JSON.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Float(number) => serde_json::to_writer(out, number).expect("a vector takes every octet"),
            Self::Text(text) => json::string(out, text),
            _ => out.extend_from_slice(self.text().as_bytes()),
        }
    }

    pub(super) fn unexpected(&self) -> Unexpected<'_> {
        match *self {
            Self::Null => Unexpected::Unit,
            Self::Boolean(yes) => Unexpected::Bool(yes),
            Self::Unsigned(number) => Unexpected::Unsigned(number),
            Self::Signed(number) => Unexpected::Signed(number),
            Self::Float(number) => Unexpected::Float(number),
            Self::Text(text) | Self::Json(text) => Unexpected::Str(text),
        }
    }
}

/// What takes a JSON value. What it has no method for is not expected, and an error.
pub(super) trait Take<'de>: Sized {
    /// What comes of it.
    type Output;

    /// Says what is expected.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    fn scalar<E: Error>(self, scalar: Scalar<'_>) -> Result<Self::Output, E> {
        Err(E::invalid_type(scalar.unexpected(), &Json(self)))
    }

    fn list<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Output, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Seq, &Json(self)))
    }

    fn object<A: MapAccess<'de>>(self, _: A) -> Result<Self::Output, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Map, &Json(self)))
    }
}

/// Gives a value to what takes it.
pub(super) struct Json<T>(pub(super) T);

/// Reads a line, which is one value.
pub(super) fn read<'de, T: Take<'de>>(line: &'de [u8], take: T) -> Result<T::Output, String> {
    // At once: a string at a time it costs more.
    let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let output = Json(take).deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(output)
}

impl<'de, T: Take<'de>> DeserializeSeed<'de> for Json<T> {
    type Value = T::Output;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Output, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Take<'de>> Visitor<'de> for Json<T> {
    type Value = T::Output;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<T::Output, E> {
        self.0.scalar(Scalar::Boolean(yes))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T::Output, E> {
        self.0.scalar(Scalar::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T::Output, E> {
        self.0.scalar(u64::try_from(number).map_or(Scalar::Signed(number), Scalar::Unsigned))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T::Output, E> {
        self.0.scalar(Scalar::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T::Output, E> {
        self.0.scalar(Scalar::Text(text))
    }

    fn visit_unit<E: Error>(self) -> Result<T::Output, E> {
        self.0.scalar(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T::Output, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T::Output, A::Error> {
        self.0.object(object)
    }
}

/// Appends a value as JSON: its members in their order, without spaces.
pub(super) struct JsonText<'a>(pub(super) &'a mut Vec<u8>);

impl<'de> Take<'de> for JsonText<'_> {
    type Output = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn scalar<E: Error>(self, scalar: Scalar<'_>) -> Result<(), E> {
        scalar.write(self.0);
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut before = b'[';
        loop {
            let start = self.0.len();
            self.0.push(before);
            if list.next_element_seed(Json(JsonText(self.0)))?.is_none() {
                self.0.truncate(start);
                break;
            }
            before = b',';
        }
        self.0.extend_from_slice(if before == b'[' { b"[]" } else { b"]" });
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        while let Some(name) = object.next_key::<Cow<'_, str>>()? {
            json::key(self.0, &name);
            object.next_value_seed(Json(JsonText(self.0)))?;
        }
        self.0.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_values_is_kept_as_it_is() {
        for text in [
            r#"{"semantic":"allOf","values":[{"z":1,"a":[]},{},-2,1.5,null,true,"x\"\n"]}"#,
            "[]",
            "[1,[2,[]]]",
            "{}",
            "18446744073709551615",
            "[0.10000000149011612,2.2250738585072014e-308,1.7976931348623157e+308,51.248178375505404]",
        ] {
            let mut out = Vec::new();
            read(text.as_bytes(), JsonText(&mut out)).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes(), JsonText(&mut Vec::new())).is_err());
    }
}
