//! Records as they stand in a line.

use std::ops::Range;

use crate::read::json::Scalar;

/// Records as they stand in the line, in reused memory.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// For each member of each record.
    members: Vec<Member>,
    /// For each record the end of its members and of its names.
    ends: Vec<(usize, usize)>,
    /// For each record how many of its first members are the scope.
    scopes: Vec<usize>,
    /// Those of the record that is being read.
    open_scopes: usize,
    /// For each record, for each member: length of its name, name.
    names: Vec<u8>,
    texts: String,
    /// Whether there was a number beyond 64 bits.
    large: bool,
}

#[derive(Debug)]
struct Member {
    name: Range<usize>,
    value: Stored,
}

#[derive(Debug)]
enum Stored {
    Plain(Scalar<'static>),
    Text(Range<usize>),
    Json(Range<usize>),
}

impl Rows {
    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.ends.clear();
        self.scopes.clear();
        self.open_scopes = 0;
        self.names.clear();
        self.texts.clear();
        self.large = false;
    }

    /// Whether there was a number beyond 64 bits, of which the last digits are lost.
    pub(super) fn has_large_number(&self) -> bool {
        self.large
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn start(&self, row: usize) -> (usize, usize) {
        row.checked_sub(1).map_or((0, 0), |before| self.ends[before])
    }

    /// The names of a record's members, as octets that no other names have.
    pub(super) fn names(&self, row: usize) -> &[u8] {
        &self.names[self.start(row).1..self.ends[row].1]
    }

    /// How many of a record's first members are the scope of options.
    pub(super) fn scope_count(&self, row: usize) -> usize {
        self.scopes[row]
    }

    /// The names of a record's members.
    pub(super) fn member_names(&self, row: usize) -> impl Iterator<Item = &str> {
        self.row(row).iter().map(|member| self.name_of(member))
    }

    /// The values of a record's members.
    pub(super) fn values(&self, row: usize) -> impl Iterator<Item = Scalar<'_>> {
        self.row(row).iter().map(|member| self.value_of(member))
    }

    /// Name and value of one member of a record.
    pub(super) fn member(&self, row: usize, member: usize) -> (&str, Scalar<'_>) {
        let member = &self.row(row)[member];
        (self.name_of(member), self.value_of(member))
    }

    fn row(&self, row: usize) -> &[Member] {
        &self.members[self.start(row).0..self.ends[row].0]
    }

    fn name_of(&self, member: &Member) -> &str {
        std::str::from_utf8(&self.names[member.name.clone()]).unwrap_or_default()
    }

    #[inline]
    fn value_of(&self, member: &Member) -> Scalar<'_> {
        match &member.value {
            Stored::Plain(scalar) => *scalar,
            Stored::Text(range) => Scalar::Text(&self.texts[range.clone()]),
            Stored::Json(range) => Scalar::Json(&self.texts[range.clone()]),
        }
    }

    /// Members of the record that is being read.
    pub(super) fn open_members(&self) -> usize {
        self.members.len() - self.start(self.ends.len()).0
    }

    /// Appends a member's name; its value must follow.
    pub(super) fn name(&mut self, name: &str) -> Range<usize> {
        // A line is shorter than 32 bits say.
        self.names.extend_from_slice(&(name.len() as u32).to_be_bytes());
        let start = self.names.len();
        self.names.extend_from_slice(name.as_bytes());
        start..self.names.len()
    }

    /// Appends a member's value.
    pub(super) fn value(&mut self, name: Range<usize>, scalar: Scalar<'_>) {
        let mut keep = |text: &str| {
            let start = self.texts.len();
            self.texts.push_str(text);
            start..self.texts.len()
        };
        let value = match scalar {
            Scalar::Unsigned(number) => Stored::Plain(Scalar::Unsigned(number)),
            Scalar::Text(text) => Stored::Text(keep(text)),
            Scalar::Json(text) => Stored::Json(keep(text)),
            Scalar::Null => Stored::Plain(Scalar::Null),
            Scalar::Boolean(yes) => Stored::Plain(Scalar::Boolean(yes)),
            Scalar::Signed(number) => Stored::Plain(Scalar::Signed(number)),
            Scalar::Float(number) => {
                self.large |= number >= u64::MAX as f64;
                Stored::Plain(Scalar::Float(number))
            }
        };
        self.members.push(Member { name, value });
    }

    /// What the open record has so far is its scope.
    pub(super) fn end_scopes(&mut self) {
        self.open_scopes = self.open_members();
    }

    /// Ends a record.
    pub(super) fn end_row(&mut self) {
        self.scopes.push(std::mem::take(&mut self.open_scopes));
        self.ends.push((self.members.len(), self.names.len()));
    }
}
