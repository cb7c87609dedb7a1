//! The fields of a record that no column is for.

use std::fmt;

use netflow_templates::{DataType, Value};

use crate::store::ExtrasColumns;

/// Names and values of the elements that have no column of their own, in the record's order.
///
/// Values are kept as they came, in one piece of memory, and decoded when they are looked at.
#[derive(Clone, Default)]
pub struct Extras {
    octets: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    name: u32,
    value: u32,
    end: u32,
    data_type: DataType,
}

impl Extras {
    /// No extras.
    pub const fn new() -> Self {
        Self { octets: Vec::new(), entries: Vec::new() }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Appends a value. `repeat` is how often its element came before in the record; a second one's name
    /// gets `_2` appended.
    #[inline]
    pub fn push(&mut self, name: &str, repeat: u16, data_type: DataType, octets: &[u8]) {
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(name.as_bytes());
        if repeat > 0 {
            self.octets.extend_from_slice(repetition(repeat).as_bytes());
        }
        let value = self.octets.len() as u32;
        self.octets.extend_from_slice(octets);
        self.entries.push(Entry { name: start, value, end: self.octets.len() as u32, data_type });
    }

    /// Names and decoded values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.raw().map(|(name, data_type, octets)| (name, data_type.decode(octets)))
    }

    /// The value with a name.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Removes all, keeping the memory for the next record.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.entries.clear();
    }

    /// Makes these the same as others.
    pub(crate) fn copy_from(&mut self, others: ExtrasRef<'_>) {
        self.clear();
        for (name, data_type, octets) in others.raw() {
            self.push(name, 0, data_type, octets);
        }
    }

    pub(crate) fn raw(&self) -> impl Iterator<Item = (&str, DataType, &[u8])> {
        self.entries.iter().map(|entry| {
            let name = &self.octets[entry.name as usize..entry.value as usize];
            let value = &self.octets[entry.value as usize..entry.end as usize];
            // Names are pushed as text.
            (std::str::from_utf8(name).unwrap_or_default(), entry.data_type, value)
        })
    }
}

/// What is appended to the name of an element that came `repeat` times before.
fn repetition(repeat: u16) -> String {
    format!("_{}", u32::from(repeat) + 1)
}

/// Appends a name to `names`.
pub(crate) fn repeated_name(names: &mut String, name: &str, repeat: u16) {
    names.push_str(name);
    if repeat > 0 {
        names.push_str(&repetition(repeat));
    }
}

/// The extras of a flow, borrowed from it or from [`Flows`](crate::Flows).
#[derive(Clone, Copy)]
pub struct ExtrasRef<'a>(Of<'a>);

#[derive(Clone, Copy)]
enum Of<'a> {
    Flow(&'a Extras),
    Row(&'a ExtrasColumns, usize),
}

impl<'a> ExtrasRef<'a> {
    pub(crate) fn of_row(columns: &'a ExtrasColumns, row: usize) -> Self {
        Self(Of::Row(columns, row))
    }

    pub(crate) fn none() -> Self {
        static NONE: Extras = Extras::new();
        Self(Of::Flow(&NONE))
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.raw().next().is_none()
    }

    /// Names and decoded values.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        self.raw().map(|(name, data_type, octets)| (name, data_type.decode(octets)))
    }

    pub(crate) fn raw(self) -> impl Iterator<Item = (&'a str, DataType, &'a [u8])> {
        let (own, row) = match self.0 {
            Of::Flow(extras) => (Some(extras), None),
            Of::Row(columns, row) => (None, Some((columns, row))),
        };
        let own = own.into_iter().flat_map(Extras::raw);
        own.chain(row.into_iter().flat_map(|(columns, row)| columns.raw(row)))
    }
}

impl<'a> From<&'a Extras> for ExtrasRef<'a> {
    fn from(extras: &'a Extras) -> Self {
        Self(Of::Flow(extras))
    }
}

impl PartialEq for ExtrasRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for ExtrasRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Extras {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_when_looked_at() {
        let mut extras = Extras::default();
        extras.push("httpRequestHost", 0, DataType::String, b"example.org");
        extras.push("minimumIpTotalLength", 0, DataType::Unsigned64, &[0, 40]);
        extras.push("minimumIpTotalLength", 1, DataType::Unsigned64, &[0, 41]);
        let texts: Vec<_> = extras.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            texts,
            ["httpRequestHost=example.org", "minimumIpTotalLength=40", "minimumIpTotalLength_2=41"]
        );
        assert_eq!(extras.get("nothing"), None);
    }
}
