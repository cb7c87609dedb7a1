//! Sorting connections by a column.

use std::net::IpAddr;

use netflow_templates::Timestamp;

use super::row::Row;
use crate::connection::Connection;
use crate::key::Side;
use crate::orientation::Orientation;
use crate::resolver::HostNames;
use crate::service::Services;

/// By which column connections are sorted, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    by: By,
    ascending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Bytes,
    Packets,
    Flows,
    Duration,
    BitsPerSecond,
    Start,
    End,
    Received,
    /// A column of [`Row`].
    Column(&'static str),
}

/// What of both directions together, or known by shorter words, can be sorted by.
const WORDS: [(&str, By); 13] = [
    ("bytes", By::Bytes),
    ("packets", By::Packets),
    ("flows", By::Flows),
    ("duration", By::Duration),
    ("bps", By::BitsPerSecond),
    ("start", By::Start),
    ("tstart", By::Start),
    ("time_start", By::Start),
    ("end", By::End),
    ("tend", By::End),
    ("time_end", By::End),
    ("received", By::Received),
    ("time_received", By::Received),
];

/// A word that connections cannot be sorted by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is nothing to sort by: bytes, packets, flows, duration, bps, start, end, or a column of the JSON"
)]
pub struct UnknownOrder(pub String);

/// What orders a connection among others: the smaller comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey([u8; SortKey::OCTETS]);

impl Order {
    /// By a column of [`Row`], or by a word for both directions together. Counters and durations are sorted from the
    /// largest on, times, addresses and texts from the smallest; `:asc` and `:desc` behind the word turn that. What has no
    /// value comes last.
    ///
    /// # Errors
    /// When there is no such column, or it is known only when a row is printed (names of hosts).
    pub fn parse(text: &str) -> Result<Self, UnknownOrder> {
        let unknown = || UnknownOrder(text.to_owned());
        let (word, ascending) = match text.rsplit_once(':') {
            Some((word, "asc")) => (word, Some(true)),
            Some((word, "desc")) => (word, Some(false)),
            Some(_) => return Err(unknown()),
            None => (text, None),
        };
        let by = match WORDS.iter().find(|(other, _)| *other == word) {
            Some(&(_, by)) => by,
            None => {
                let mut columns = Row::COLUMNS.iter().filter(|name| !name.ends_with("_host"));
                By::Column(columns.find(|&&name| name == word).ok_or_else(unknown)?)
            }
        };
        let largest_first = match by {
            By::Bytes | By::Packets | By::Flows | By::Duration | By::BitsPerSecond => true,
            By::Start | By::End | By::Received => false,
            By::Column(name) => ["bytes", "packets", "flows", "_ms", "_raw", "sampling_rate", "seen_by"]
                .iter()
                .any(|counted| name.ends_with(counted)),
        };
        Ok(Self { by, ascending: ascending.unwrap_or(!largest_first) })
    }

    /// The key of a connection.
    pub fn key(
        &self,
        connection: &Connection,
        orient: impl FnOnce(&Connection) -> Orientation,
        services: &Services,
    ) -> SortKey {
        let mut key = SortKey([0; SortKey::OCTETS]);
        let mut writer = KeyWriter(&mut key.0);
        let sent = |side: Side| &connection.peer(side).sent;
        let time = |time: Option<Timestamp>, writer: &mut KeyWriter<'_>| {
            if let Some(time) = time {
                writer.time(time);
            }
        };
        match self.by {
            By::Bytes => writer.number(connection.total_bytes()),
            By::Packets => writer.number(connection.total_packets()),
            By::Flows => writer.number(u64::from(sent(Side::A).flows) + u64::from(sent(Side::B).flows)),
            By::Duration => writer.number(connection.duration().as_nanos() as u64),
            By::BitsPerSecond => {
                let millis = connection.duration().as_millis().max(1) as u64;
                writer.number(connection.total_bytes().saturating_mul(8_000) / millis);
            }
            By::Start => time(connection.start(), &mut writer),
            By::End => time(connection.end(), &mut writer),
            By::Received => writer.time(connection.received_last),
            By::Column(name) => {
                let names = HostNames::none();
                Row::oriented(connection, orient(connection), services, &names).sort_key(name, &mut writer);
            }
        }
        let [known, value @ ..] = &mut key.0;
        if *known == 0 {
            // Behind all others, whichever way they are sorted.
            *known = 1;
        } else {
            *known = 0;
            if !self.ascending {
                value.iter_mut().for_each(|octet| *octet = !*octet);
            }
        }
        key
    }
}

impl SortKey {
    /// Octets of a key.
    pub const OCTETS: usize = 40;

    /// The octets, which are ordered as the keys are.
    pub const fn octets(&self) -> &[u8; Self::OCTETS] {
        &self.0
    }

    /// The key with these octets.
    pub const fn from_octets(octets: [u8; Self::OCTETS]) -> Self {
        Self(octets)
    }
}

/// Writes a value so that octets compare as values do.
pub(super) struct KeyWriter<'a>(&'a mut [u8; SortKey::OCTETS]);

impl KeyWriter<'_> {
    fn put(&mut self, octets: &[u8]) {
        self.0[0] = 1;
        let length = octets.len().min(SortKey::OCTETS - 1);
        self.0[1..=length].copy_from_slice(&octets[..length]);
    }

    pub(super) fn number(&mut self, number: u64) {
        self.put(&number.to_be_bytes());
    }

    pub(super) fn time(&mut self, time: Timestamp) {
        self.put(&(time.as_nanos() ^ i64::MIN).to_be_bytes());
    }

    pub(super) fn address(&mut self, addr: IpAddr) {
        match addr {
            IpAddr::V4(addr) => self.put(&[&[4][..], &addr.octets()].concat()),
            IpAddr::V6(addr) => self.put(&[&[6][..], &addr.octets()].concat()),
        }
    }

    /// Texts that are longer than a key are ordered by their beginnings.
    pub(super) fn text(&mut self, text: &str) {
        self.put(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::proto;
    use crate::testing::{flow, moved, pair};

    /// The ports of the clients, sorted.
    fn sorted(order: &str) -> Vec<u16> {
        let mut flows = Vec::new();
        for (port, src, bytes, seconds) in
            [(1, "10.0.0.10", 300, 5), (2, "10.0.0.9", 5_000, 1), (3, "2001:db8::1", 20, 9)]
        {
            let src = if src.contains(':') { format!("[{src}]:{port}") } else { format!("{src}:{port}") };
            let dst = if src.starts_with('[') { "[2001:db8::2]:65535" } else { "10.0.0.1:65535" };
            let mut flow = moved(&flow(proto::UDP, &src, dst), 10 - seconds, 10);
            flow.bytes_raw = bytes;
            flows.push(flow);
        }
        let mut unknown = flow(proto::UDP, "10.0.0.8:4", "10.0.0.1:65535");
        (unknown.time_flow_start, unknown.time_flow_end, unknown.bytes_raw) = (None, None, 40);
        flows.push(unknown);
        let order = Order::parse(order).unwrap();
        let services = Services::embedded();
        let orient = |connection: &Connection| Orientation {
            client: connection.opened_by,
            by: crate::Reason::FirstFlow,
        };
        let mut rows: Vec<_> = pair(&flows)
            .iter()
            .map(|connection| {
                let port = connection.peer(connection.opened_by).port;
                (order.key(connection, orient, &services), port)
            })
            .collect();
        rows.sort();
        rows.into_iter().map(|(_, port)| port).collect()
    }

    #[test]
    fn counters_are_sorted_from_the_largest_and_times_from_the_first() {
        assert_eq!(sorted("bytes"), [2, 1, 4, 3]);
        assert_eq!(sorted("bytes:asc"), [3, 4, 1, 2]);
        assert_eq!(sorted("client_bytes_raw"), [2, 1, 4, 3]);
        assert_eq!(sorted("duration"), [3, 1, 2, 4]);
        assert_eq!(sorted("client_port:desc"), [4, 3, 2, 1]);
    }

    #[test]
    fn what_has_no_value_comes_last() {
        assert_eq!(sorted("start"), [3, 1, 2, 4]);
        assert_eq!(sorted("time_start:desc"), [2, 1, 3, 4]);
    }

    #[test]
    fn addresses_are_sorted_as_numbers() {
        assert_eq!(sorted("client_addr"), [4, 2, 1, 3]);
    }

    #[test]
    fn unknown_words_are_told() {
        for word in ["", "byte", "client_host", "bytes:up", ":asc"] {
            let error = Order::parse(word).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{word}` is nothing to sort by")), "{error}");
        }
        assert!(
            Row::COLUMNS
                .iter()
                .filter(|name| !name.ends_with("_host"))
                .all(|name| Order::parse(name).is_ok())
        );
    }
}
