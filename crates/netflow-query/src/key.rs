//! What flows are grouped by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use netflow_flow::{Column, Kind, column};

mod names;
mod parse;
mod ports;

pub use names::column_of_word;
pub use parse::KeyError;
pub use ports::Ports;

/// One thing that flows are grouped by: a column, or what follows from columns.
#[derive(Debug, Clone)]
pub struct Key {
    name: String,
    of: Of,
}

#[derive(Debug, Clone)]
pub(crate) enum Of {
    /// A column.
    Column(&'static Column),
    /// A column of the source, and its like of the destination: a flow counts for both of its ends.
    Ends([&'static Column; 2]),
    /// Addresses cut off behind so many bits, IPv4 and IPv6.
    Prefix([&'static Column; 2], [u8; 2]),
    /// A time cut off to a multiple of so many nanoseconds.
    Bucket(&'static Column, u64),
    /// The protocol, and that of both ports which names the service.
    Service(Arc<Ports>),
}

impl Key {
    /// A column by itself; `None` for what is no value that can be told apart: extras.
    pub fn column(column: &'static Column) -> Option<Self> {
        let of = Of::Column(column);
        (column.kind != Kind::Extras).then(|| Self { name: column.name.to_owned(), of })
    }

    /// A time in steps of `width`, counted from 1970; a width of 0 counts as a nanosecond.
    pub fn bucket(column: &'static Column, width: Duration) -> Option<Self> {
        let width = u64::try_from(width.as_nanos()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64);
        (column.kind == Kind::Time)
            .then(|| Self { name: column.name.to_owned(), of: Of::Bucket(column, width) })
    }

    /// The service: the protocol, and of both ports the one that `ports` knows, or the smaller one.
    pub fn service(ports: Arc<Ports>) -> Self {
        Self { name: "service".to_owned(), of: Of::Service(ports) }
    }

    /// Name: of the column where there is only one, else the word for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a flow counts for both of its ends.
    pub fn is_of_both_ends(&self) -> bool {
        match &self.of {
            Of::Ends(_) => true,
            Of::Prefix([one, other], _) => !std::ptr::eq(*one, *other),
            Of::Column(_) | Of::Bucket(..) | Of::Service(_) => false,
        }
    }

    /// Whether values are numbers of bits to be printed beside others: see [`KeyValue`](crate::KeyValue).
    pub(crate) fn of(&self) -> &Of {
        &self.of
    }

    /// The columns that it takes, of one end of flows (0 source, 1 destination).
    pub(crate) fn columns(&self, end: usize) -> Vec<&'static Column> {
        match &self.of {
            Of::Column(column) => vec![column],
            // What has no time of its own has one at which it came.
            Of::Bucket(own, _) => {
                let received = column("time_received").filter(|_| own.name == "time_flow_start");
                [*own].into_iter().chain(received).collect()
            }
            Of::Ends(columns) | Of::Prefix(columns, _) => vec![columns[end]],
            Of::Service(_) => ["proto", "src_port", "dst_port"].into_iter().filter_map(column).collect(),
        }
    }

    /// The column of the other end, where there is one: `dst_addr` for `src_addr`.
    pub(crate) fn other_end(column: &Column) -> Option<&'static Column> {
        let name = column.name;
        let other = match name {
            "in_if" | "in_if_name" | "in_vrf" | "in_vrf_name" => name.replacen("in_", "out_", 1),
            "out_if" | "out_if_name" | "out_vrf" | "out_vrf_name" => name.replacen("out_", "in_", 1),
            _ if name.contains("src_") => name.replacen("src_", "dst_", 1),
            _ if name.contains("dst_") => name.replacen("dst_", "src_", 1),
            _ => return None,
        };
        netflow_flow::column(&other)
    }

    /// The same with both ends counted, where it is of one end.
    fn of_both_ends(self) -> Self {
        let of = match self.of {
            Of::Column(one) => Self::other_end(one).map(|other| Of::Ends([one, other])),
            Of::Prefix([one, _], bits) => Self::other_end(one).map(|other| Of::Prefix([one, other], bits)),
            _ => None,
        };
        Self { of: of.unwrap_or(self.of), name: self.name }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What makes both directions of a conversation one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directions {
    /// Each direction is a group of its own.
    One,
    /// A flow counts for both of its ends.
    Ends,
    /// Keys of one end change places with those of the other, so that the smaller come first.
    Swapped,
}

/// Keys with both directions counted together: keys that are of one end count for both; where each has its like of
/// the other end beside it, the smaller one comes first.
pub(crate) fn with_both_directions(keys: Vec<Key>) -> (Vec<Key>, Directions) {
    let columns: Vec<_> = keys
        .iter()
        .map(|key| match key.of {
            Of::Column(column) | Of::Prefix([column, _], _) => Some(column),
            _ => None,
        })
        .collect();
    let has_like = |column: &&'static Column| match Key::other_end(column) {
        Some(other) => columns.iter().flatten().any(|known| std::ptr::eq(*known, other)),
        None => true,
    };
    let sided = columns.iter().flatten().any(|column| Key::other_end(column).is_some());
    if sided && columns.iter().flatten().all(has_like) && !keys.iter().any(Key::is_of_both_ends) {
        return (keys, Directions::Swapped);
    }
    let keys: Vec<_> = keys.into_iter().map(Key::of_both_ends).collect();
    let directions = directions(&keys);
    (keys, directions)
}

/// How keys count directions by themselves.
pub(crate) fn directions(keys: &[Key]) -> Directions {
    if keys.iter().any(Key::is_of_both_ends) { Directions::Ends } else { Directions::One }
}
