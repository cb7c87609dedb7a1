//! Records as they stand in a line.

use std::borrow::Cow;
use std::ops::Range;

/// A value of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

impl Scalar<'_> {
    /// One octet that is the same for values that are encoded alike.
    fn class(&self) -> u8 {
        match self {
            Self::Null => b'0',
            Self::Boolean(_) => b'b',
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) => b'n',
            Self::Text(_) => b't',
        }
    }

    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => "".into(),
            Self::Boolean(yes) => yes.to_string().into(),
            Self::Unsigned(number) => number.to_string().into(),
            Self::Signed(number) => number.to_string().into(),
            Self::Float(number) => number.to_string().into(),
            Self::Text(text) => (*text).into(),
        }
    }
}

/// Records as they stand in the line, in reused memory.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// For each member of each record.
    members: Vec<Member>,
    /// For each record the end of its members and of its signature.
    ends: Vec<(usize, usize)>,
    /// For each record, for each member: name, 0xff, class.
    signatures: Vec<u8>,
    texts: String,
}

#[derive(Debug)]
struct Member {
    name: Range<usize>,
    scalar: StoredScalar,
}

#[derive(Debug)]
enum StoredScalar {
    Plain(Scalar<'static>),
    Text(Range<usize>),
}

impl Rows {
    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.ends.clear();
        self.signatures.clear();
        self.texts.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn start(&self, row: usize) -> (usize, usize) {
        row.checked_sub(1).map_or((0, 0), |before| self.ends[before])
    }

    pub(super) fn signature(&self, row: usize) -> &[u8] {
        &self.signatures[self.start(row).1..self.ends[row].1]
    }

    pub(super) fn members(&self, row: usize) -> impl Iterator<Item = (&str, Scalar<'_>)> {
        self.members[self.start(row).0..self.ends[row].0].iter().map(|member| {
            let name = std::str::from_utf8(&self.signatures[member.name.clone()]).unwrap_or_default();
            let scalar = match &member.scalar {
                StoredScalar::Plain(scalar) => *scalar,
                StoredScalar::Text(range) => Scalar::Text(&self.texts[range.clone()]),
            };
            (name, scalar)
        })
    }

    fn push_stored(&mut self, name: Range<usize>, scalar: StoredScalar) {
        let class = match &scalar {
            StoredScalar::Plain(scalar) => scalar.class(),
            StoredScalar::Text(_) => b't',
        };
        // No name has this octet in it, whatever it is: names are UTF-8.
        self.signatures.push(0xff);
        self.signatures.push(class);
        self.members.push(Member { name, scalar });
    }

    /// Appends a member's name, or part of one; it must be pushed or taken back.
    pub(super) fn name(&mut self, name: &str) -> Range<usize> {
        let start = self.signatures.len();
        self.signatures.extend_from_slice(name.as_bytes());
        start..self.signatures.len()
    }

    /// Takes back a name that turned out to be a heading of members.
    pub(super) fn take_back(&mut self, name: Range<usize>) {
        self.signatures.truncate(name.start);
    }

    /// Appends a member whose value is text.
    pub(super) fn push_text(&mut self, name: Range<usize>, text: &str) {
        let start = self.texts.len();
        self.texts.push_str(text);
        self.push_stored(name, StoredScalar::Text(start..self.texts.len()));
    }

    /// Appends a member with any other value.
    pub(super) fn push(&mut self, name: Range<usize>, scalar: Scalar<'static>) {
        self.push_stored(name, StoredScalar::Plain(scalar));
    }

    /// Ends a record.
    pub(super) fn end_row(&mut self) {
        self.ends.push((self.members.len(), self.signatures.len()));
    }
}
