//! Records as they stand in a line.

use std::ops::Range;

use crate::read::json::Scalar;

/// Records as they stand in the line, in reused memory.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// For each member of each record: what its value is, and as what.
    values: Vec<u64>,
    kinds: Vec<Kind>,
    rows: Vec<Row>,
    /// How many of the first members of the record that is being read are the scope of options.
    open_scopes: usize,
    /// For each member of the records that have others than the record before them: length of its name, name.
    names: Vec<u8>,
    /// Where those of the record start that is being read, and end if they are the first ones of the record before it.
    open_names: usize,
    alike: Option<usize>,
    texts: String,
    /// Whether there was a number beyond 64 bits.
    large: bool,
}

/// A record.
#[derive(Debug)]
struct Row {
    /// Where its members end.
    end: usize,
    /// How many of its first ones are the scope of options.
    scope_count: usize,
    names: Range<usize>,
}

/// How the 64 bits of a value are read: it is small, since there are millions of them.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Null,
    Boolean,
    Unsigned,
    Signed,
    Float,
    /// Start and end in the texts, of 32 bits each.
    Text,
    Json,
}

impl Rows {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.kinds.clear();
        self.rows.clear();
        self.open_scopes = 0;
        self.names.clear();
        (self.open_names, self.alike) = (0, None);
        self.texts.clear();
        self.large = false;
    }

    /// Octets of memory that this takes, about.
    pub(super) fn memory(&self) -> usize {
        let rows = self.rows.capacity() * size_of::<Row>();
        let values = self.values.capacity() * size_of::<u64>() + self.kinds.capacity();
        values + rows + self.names.capacity() + self.texts.capacity()
    }

    /// Whether there was a number beyond 64 bits, of which the last digits are lost.
    pub(super) fn has_large_number(&self) -> bool {
        self.large
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The names of a record's members, as octets that no other names have.
    pub(super) fn names(&self, row: usize) -> &[u8] {
        &self.names[self.rows[row].names.clone()]
    }

    /// Whether two records that follow each other have the same names.
    pub(super) fn are_named_alike(&self, row: usize, next: usize) -> bool {
        self.rows[row].names == self.rows[next].names
    }

    /// How many of a record's first members are the scope of options.
    pub(super) fn scope_count(&self, row: usize) -> usize {
        self.rows[row].scope_count
    }

    /// The names of a record's members.
    pub(super) fn member_names(&self, row: usize) -> impl Iterator<Item = &str> {
        let mut rest = self.names(row);
        std::iter::from_fn(move || {
            let (length, names) = rest.split_first_chunk()?;
            let (name, after) = names.split_at(u32::from_be_bytes(*length) as usize);
            rest = after;
            Some(std::str::from_utf8(name).unwrap_or_default())
        })
    }

    /// The values of a record's members.
    pub(super) fn values(&self, row: usize) -> impl Iterator<Item = Scalar<'_>> {
        let members = self.start(row)..self.rows[row].end;
        let values = self.values[members.clone()].iter().zip(&self.kinds[members]);
        values.map(|(&value, &kind)| self.scalar(value, kind))
    }

    /// Name and value of one member of a record.
    pub(super) fn member(&self, row: usize, member: usize) -> (&str, Scalar<'_>) {
        let name = self.member_names(row).nth(member).unwrap_or_default();
        let member = self.start(row) + member;
        (name, self.scalar(self.values[member], self.kinds[member]))
    }

    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |before| self.rows[before].end)
    }

    // Where it is known what it is, nothing has to go through memory.
    #[inline(always)]
    fn scalar(&self, value: u64, kind: Kind) -> Scalar<'_> {
        let text = || self.texts.get((value >> 32) as usize..value as u32 as usize).unwrap_or_default();
        match kind {
            Kind::Null => Scalar::Null,
            Kind::Boolean => Scalar::Boolean(value != 0),
            Kind::Unsigned => Scalar::Unsigned(value),
            Kind::Signed => Scalar::Signed(value as i64),
            Kind::Float => Scalar::Float(f64::from_bits(value)),
            Kind::Text => Scalar::Text(text()),
            Kind::Json => Scalar::Json(text()),
        }
    }

    /// Members of the record that is being read.
    pub(super) fn open_members(&self) -> usize {
        self.values.len() - self.start(self.rows.len())
    }

    /// Appends a member's name; its value must follow.
    pub(super) fn name(&mut self, name: &str) {
        // A line is shorter than 32 bits say.
        let length = (name.len() as u32).to_be_bytes();
        // Most have the names of the record before.
        if let Some(at) = self.alike {
            let known = &self.names[at..self.open_names];
            if known.strip_prefix(&length).is_some_and(|known| known.starts_with(name.as_bytes())) {
                self.alike = Some(at + length.len() + name.len());
                return;
            }
            self.keep_names();
        }
        self.names.extend_from_slice(&length);
        self.names.extend_from_slice(name.as_bytes());
    }

    /// The names of the record that is being read are not those of the one before it.
    fn keep_names(&mut self) {
        if let (Some(end), Some(before)) = (self.alike.take(), self.rows.last()) {
            self.names.extend_from_within(before.names.start..end);
        }
    }

    /// Appends a member's value.
    #[inline(always)]
    pub(super) fn value(&mut self, scalar: Scalar<'_>) {
        let (value, kind) = match scalar {
            Scalar::Unsigned(number) => (number, Kind::Unsigned),
            Scalar::Text(text) => (self.text(text), Kind::Text),
            Scalar::Json(text) => (self.text(text), Kind::Json),
            Scalar::Null => (0, Kind::Null),
            Scalar::Boolean(yes) => (yes.into(), Kind::Boolean),
            Scalar::Signed(number) => (number as u64, Kind::Signed),
            Scalar::Float(number) => {
                self.large |= number >= u64::MAX as f64;
                (number.to_bits(), Kind::Float)
            }
        };
        self.values.push(value);
        self.kinds.push(kind);
    }

    /// Keeps a text, and says where.
    fn text(&mut self, text: &str) -> u64 {
        let start = self.texts.len() as u64;
        self.texts.push_str(text);
        // A line is far shorter than 32 bits say.
        start << 32 | self.texts.len() as u64
    }

    /// What the open record has so far is its scope.
    pub(super) fn end_scopes(&mut self) {
        self.open_scopes = self.open_members();
    }

    /// Ends a record.
    pub(super) fn end_row(&mut self) {
        let names = match self.rows.last() {
            Some(before) if self.alike == Some(before.names.end) => before.names.clone(),
            _ => {
                self.keep_names();
                self.open_names..self.names.len()
            }
        };
        self.open_names = self.names.len();
        self.alike = Some(names.start);
        let scope_count = std::mem::take(&mut self.open_scopes);
        self.rows.push(Row { end: self.values.len(), scope_count, names });
    }
}
