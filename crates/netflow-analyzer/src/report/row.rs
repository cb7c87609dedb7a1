//! A connection as data: one set of columns for JSON, CSV and tables.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;
use std::net::IpAddr;

use netflow_templates::Timestamp;
use serde::{Serialize, Serializer};

use super::order::KeyWriter;
use crate::connection::Connection;
use crate::orientation::{Orientation, Reason};
use crate::resolver::HostNames;
use crate::service::Services;

/// Declares [`Row`], the names of its columns, and its CSV form, from one list.
macro_rules! row {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// A connection as data, client and server told apart. The names are those of the JSON and of the
        /// CSV columns; absent values are `null` and empty.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct Row<'a> {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl<'a> Row<'a> {
            /// The names of the columns, in order.
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($name)),*];

            /// What the values of each column are, and whether they may be absent.
            pub const KINDS: &'static [(CellKind, bool)] =
                &[$((<$type as Cell>::KIND, <$type as Cell>::NULLABLE)),*];

            /// The values of the columns, in order.
            pub fn values(&self) -> impl Iterator<Item = CellValue<'_>> {
                [$(self.$name.value()),*].into_iter()
            }

            /// The value of a column to sort by.
            pub(super) fn sort_key(&self, column: &str, key: &mut KeyWriter<'_>) {
                match column {
                    $(stringify!($name) => self.$name.write_key(key),)*
                    _ => {}
                }
            }

            fn write_cells(&self, line: &mut String) -> fmt::Result {
                $(
                    self.$name.write_cell(line)?;
                    line.write_char(',')?;
                )*
                Ok(())
            }
        }
    };
}

row! {
    /// When the last of the flows was received.
    time_received: Time,
    /// The exporter.
    exporter_addr: IpAddr,
    /// The observation domain of the first flow.
    observation_domain_id: u32,
    /// `paired`, `biflow` or `one-way`.
    kind: &'static str,
    /// IP protocol number.
    proto: u8,
    /// Name of the service; absent if neither port has one.
    service: Option<&'a str>,
    /// The end that began.
    client_addr: IpAddr,
    /// Its port.
    client_port: u16,
    /// Its name.
    client_host: Option<&'a str>,
    /// Its autonomous system; 0 unknown.
    client_as: u32,
    /// The end that answered.
    server_addr: IpAddr,
    /// Its port.
    server_port: u16,
    /// Its name.
    server_host: Option<&'a str>,
    /// Its autonomous system; 0 unknown.
    server_as: u32,
    /// Why the client is thought to be it: see [`Reason`](crate::Reason).
    client_by: &'static str,
    /// When the first packet was seen.
    time_start: Option<Time>,
    /// When the last packet was seen.
    time_end: Option<Time>,
    /// How far the times can be trusted.
    time_quality: &'static str,
    /// From start to end, in milliseconds.
    duration_ms: u64,
    /// Octets from the client, corrected for sampling.
    client_bytes: u64,
    /// Packets from the client, corrected for sampling.
    client_packets: u64,
    /// Octets from the server, corrected for sampling.
    server_bytes: u64,
    /// Packets from the server, corrected for sampling.
    server_packets: u64,
    /// Octets from the client, as exported.
    client_bytes_raw: u64,
    /// Packets from the client, as exported.
    client_packets_raw: u64,
    /// Octets from the server, as exported.
    server_bytes_raw: u64,
    /// Packets from the server, as exported.
    server_packets_raw: u64,
    /// The highest sampling rate of the flows; 1 unsampled.
    sampling_rate: u64,
    /// Flow records from the client's side.
    client_flows: u32,
    /// Flow records from the server's side.
    server_flows: u32,
    /// TCP flags from the client, as bits.
    client_tcp_flags: u16,
    /// TCP flags from the server, as bits.
    server_tcp_flags: u16,
    /// ifIndex on which packets of the client came in; 0 unknown.
    client_in_if: u32,
    /// ifIndex on which packets of the client left; 0 unknown.
    client_out_if: u32,
    /// ifIndex on which packets of the server came in; 0 unknown.
    server_in_if: u32,
    /// ifIndex on which packets of the server left; 0 unknown.
    server_out_if: u32,
    /// Community ID, version 1 with seed 0; absent for ICMP of an unknown type.
    community_id: Option<String>,
    /// All exporters that saw it, the first to report it first.
    seen_by: Exporters<'a>,
    /// Address of the client after translation (NAT); absent when it was not translated.
    client_nat_addr: Option<IpAddr>,
    /// Its port after translation.
    client_nat_port: Option<u16>,
    /// Address of the server after translation.
    server_nat_addr: Option<IpAddr>,
    /// Its port after translation.
    server_nat_port: Option<u16>,
}

impl<'a> Row<'a> {
    /// The columns of `connection`, client and server told apart by all evidence.
    pub fn new(connection: &'a Connection, services: &'a Services, names: &'a HostNames) -> Self {
        Self::oriented(connection, Orientation::of(connection, services), services, names)
    }

    /// The columns of `connection`, client and server as in `orientation`.
    pub fn oriented(
        connection: &'a Connection,
        orientation: Orientation,
        services: &'a Services,
        names: &'a HostNames,
    ) -> Self {
        let (client, server) = (connection.peer(orientation.client), connection.peer(orientation.server()));
        let client_nat = connection.translation(orientation.client);
        let server_nat = connection.translation(orientation.server());
        Self {
            time_received: Time(connection.received_last),
            exporter_addr: connection.exporter_addr,
            observation_domain_id: connection.observation_domain_id,
            kind: connection.kind.as_str(),
            proto: connection.proto,
            service: match orientation.by {
                // It says nothing of who serves.
                Reason::Size => services.of(connection),
                _ => services.of_oriented(connection, orientation),
            },
            client_addr: client.addr,
            client_port: client.port,
            client_host: names.get(client.addr),
            client_as: client.asn,
            server_addr: server.addr,
            server_port: server.port,
            server_host: names.get(server.addr),
            server_as: server.asn,
            client_by: orientation.by.as_str(),
            time_start: connection.start().map(Time),
            time_end: connection.end().map(Time),
            time_quality: connection.time_quality.as_str(),
            duration_ms: u64::try_from(connection.duration().as_millis()).unwrap_or(u64::MAX),
            client_bytes: client.sent.bytes,
            client_packets: client.sent.packets,
            server_bytes: server.sent.bytes,
            server_packets: server.sent.packets,
            client_bytes_raw: client.sent.bytes_raw,
            client_packets_raw: client.sent.packets_raw,
            server_bytes_raw: server.sent.bytes_raw,
            server_packets_raw: server.sent.packets_raw,
            sampling_rate: connection.sampling_rate,
            client_flows: client.sent.flows,
            server_flows: server.sent.flows,
            client_tcp_flags: client.sent.tcp_flags,
            server_tcp_flags: server.sent.tcp_flags,
            client_in_if: client.sent.in_if,
            client_out_if: client.sent.out_if,
            server_in_if: server.sent.in_if,
            server_out_if: server.sent.out_if,
            community_id: connection.community_id(),
            seen_by: Exporters(connection.exporters()),
            client_nat_addr: client_nat.map(|end| end.addr),
            client_nat_port: client_nat.map(|end| end.port),
            server_nat_addr: server_nat.map(|end| end.addr),
            server_nat_port: server_nat.map(|end| end.port),
        }
    }

    /// Writes one JSON object and a line end.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }

    /// Writes the names of the columns and a line end.
    pub fn write_csv_header(out: &mut impl io::Write) -> io::Result<()> {
        writeln!(out, "{}", Self::COLUMNS.join(","))
    }

    /// Writes the values and a line end (RFC 4180, but with a line feed alone).
    pub fn write_csv(&self, out: &mut impl io::Write) -> io::Result<()> {
        let mut line = String::with_capacity(512);
        self.write_cells(&mut line).map_err(io::Error::other)?;
        line.pop();
        line.push('\n');
        out.write_all(line.as_bytes())
    }
}

/// A [`Timestamp`] that is written as RFC 3339 in UTC, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_rfc3339(3, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Exporters, as a list in JSON, and separated by blanks in CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Exporters<'a>(pub &'a [IpAddr]);

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// Numbers.
    Number,
    /// Times.
    Time,
    /// Texts, and what has one.
    Text,
    /// Lists of texts.
    Texts,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellValue<'a> {
    /// None.
    Absent,
    /// A number.
    Number(u64),
    /// A time.
    Time(Timestamp),
    /// A text.
    Text(Cow<'a, str>),
    /// Texts.
    Texts(Vec<String>),
}

/// A value in CSV, in a table, and to sort by.
trait Cell {
    const KIND: CellKind;
    const NULLABLE: bool = false;
    fn value(&self) -> CellValue<'_>;
    fn write_cell(&self, out: &mut String) -> fmt::Result;
    fn write_key(&self, key: &mut KeyWriter<'_>);
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Cell for $type {
            const KIND: CellKind = CellKind::Number;

            fn value(&self) -> CellValue<'_> {
                CellValue::Number(u64::from(*self))
            }

            fn write_cell(&self, out: &mut String) -> fmt::Result {
                write!(out, "{self}")
            }

            fn write_key(&self, key: &mut KeyWriter<'_>) {
                key.number(u64::from(*self));
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64);

impl Cell for IpAddr {
    const KIND: CellKind = CellKind::Text;

    fn value(&self) -> CellValue<'_> {
        CellValue::Text(self.to_string().into())
    }

    fn write_cell(&self, out: &mut String) -> fmt::Result {
        write!(out, "{self}")
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.address(*self);
    }
}

impl Cell for Time {
    const KIND: CellKind = CellKind::Time;

    fn value(&self) -> CellValue<'_> {
        CellValue::Time(self.0)
    }

    fn write_cell(&self, out: &mut String) -> fmt::Result {
        write!(out, "{self}")
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.time(self.0);
    }
}

impl Cell for &str {
    const KIND: CellKind = CellKind::Text;

    fn value(&self) -> CellValue<'_> {
        CellValue::Text((*self).into())
    }

    fn write_cell(&self, out: &mut String) -> fmt::Result {
        if self.contains([',', '"', '\n', '\r']) {
            write!(out, "\"{}\"", self.replace('"', "\"\""))
        } else {
            out.write_str(self)
        }
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(self);
    }
}

impl Cell for String {
    const KIND: CellKind = CellKind::Text;

    fn value(&self) -> CellValue<'_> {
        CellValue::Text(self.as_str().into())
    }

    fn write_cell(&self, out: &mut String) -> fmt::Result {
        self.as_str().write_cell(out)
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(self);
    }
}

impl Cell for Exporters<'_> {
    const KIND: CellKind = CellKind::Texts;

    fn value(&self) -> CellValue<'_> {
        CellValue::Texts(self.0.iter().map(IpAddr::to_string).collect())
    }

    fn write_cell(&self, out: &mut String) -> fmt::Result {
        for (place, exporter) in self.0.iter().enumerate() {
            if place > 0 {
                out.push(' ');
            }
            write!(out, "{exporter}")?;
        }
        Ok(())
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.number(self.0.len() as u64);
    }
}

impl<T: Cell> Cell for Option<T> {
    const KIND: CellKind = T::KIND;
    const NULLABLE: bool = true;

    fn value(&self) -> CellValue<'_> {
        self.as_ref().map_or(CellValue::Absent, Cell::value)
    }

    fn write_cell(&self, out: &mut String) -> fmt::Result {
        self.as_ref().map_or(Ok(()), |value| value.write_cell(out))
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        if let Some(value) = self {
            value.write_key(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::proto;
    use crate::testing::{flow, moved, pair, reply};

    fn web() -> Connection {
        let request = moved(&flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443"), 0, 927);
        let mut answer = reply(&request);
        answer.bytes_raw = 4_456_448;
        pair(&[request, answer]).remove(0)
    }

    fn names() -> HostNames {
        HostNames::from_iter([("10.0.0.1".parse().unwrap(), "www.example".to_owned())])
    }

    #[test]
    fn json_and_csv_tell_client_and_server() {
        let (connection, services, names) = (web(), Services::embedded(), names());
        let row = Row::new(&connection, &services, &names);
        let mut json = Vec::new();
        row.write_json(&mut json).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value["client_addr"], "10.0.0.9");
        assert_eq!(value["client_host"], serde_json::Value::Null);
        assert_eq!(value["server_host"], "www.example");
        assert_eq!(value["server_bytes"], 4_456_448);
        assert_eq!(value["time_start"], "2024-05-01T12:00:00.000Z");
        assert_eq!(value["duration_ms"], 927_000);
        assert_eq!(value["service"], "https");
        assert_eq!(value["exporter_addr"], "192.0.2.1");
        assert_eq!(value["client_by"], "well_known_port");
        assert_eq!(value.as_object().unwrap().len(), Row::COLUMNS.len());
        assert_eq!(json.last(), Some(&b'\n'));

        let mut csv = Vec::new();
        Row::write_csv_header(&mut csv).unwrap();
        row.write_csv(&mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(lines[0], Row::COLUMNS);
        assert_eq!(lines[1].len(), Row::COLUMNS.len());
        assert_eq!(lines[1][7..9], ["40000", ""]);
    }

    #[test]
    fn csv_quotes_what_would_break_it() {
        let mut text = String::new();
        Some("a,\"b\"").write_cell(&mut text).unwrap();
        assert_eq!(text, "\"a,\"\"b\"\"\"");
    }

    #[test]
    fn exporters_and_translation_are_told() {
        let mut request = flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443");
        request.rare_mut().post_nat_src_addr = Some([192, 0, 2, 9].into());
        let mut other = request.clone();
        other.exporter_addr = [192, 0, 2, 2].into();
        let connections = pair(&[request.clone(), other, reply(&request)]);
        let (services, names) = (Services::embedded(), names());
        let row = Row::new(&connections[0], &services, &names);
        let value = serde_json::to_value(&row).unwrap();
        assert_eq!(value["seen_by"], serde_json::json!(["192.0.2.1", "192.0.2.2"]));
        assert_eq!(
            (&value["client_nat_addr"], &value["client_nat_port"]),
            (&"192.0.2.9".into(), &40_000.into())
        );
        assert_eq!(value["server_nat_addr"], serde_json::Value::Null);
        assert_eq!(value["community_id"], "1:vj3B4EpWWVosQUTvsBWOXIobBeY=");
        let mut csv = Vec::new();
        row.write_csv(&mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        assert!(csv.ends_with(",192.0.2.1 192.0.2.2,192.0.2.9,40000,,\n"), "{csv}");
    }

    #[test]
    fn by_size_the_heavier_side_comes_first() {
        let connection = web();
        let (services, names) = (Services::embedded(), names());
        let row = Row::oriented(&connection, Orientation::by_size(&connection), &services, &names);
        assert_eq!((row.client_port, row.client_by, row.service), (443, "size", Some("https")));
    }
}
