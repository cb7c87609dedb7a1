//! What to show of connections: one set of columns for JSON and CSV, and lines of text for people.
//!
//! [`Row`] is the data. The text is that of PyPI `netflow`'s analyzer, down to its way of writing sizes
//! and durations, since scripts read it.

use std::fmt::{self, Write as _};
use std::io;
use std::net::IpAddr;

use jiff::tz::TimeZone;
use netflow_flow::Flow;
use netflow_templates::Timestamp;
use serde::{Serialize, Serializer};

use crate::connection::Connection;
use crate::key::{Side, proto};
use crate::orientation::Orientation;
use crate::resolver::HostNames;
use crate::service::Services;

/// Which connections to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// The least packets, of both directions together.
    pub least_packets: u64,
    /// The address that one of the two ends has to have.
    pub host: Option<IpAddr>,
}

impl Filter {
    /// Whether a flow can become part of a connection that is reported: asked before pairing, it spares
    /// pairing the rest.
    pub fn wants_flow(&self, flow: &Flow) -> bool {
        self.host.is_none_or(|host| flow.src_addr == Some(host) || flow.dst_addr == Some(host))
    }

    /// Whether there are enough packets. (Connections that fail this alone are counted as skipped.)
    pub fn has_enough_packets(&self, connection: &Connection) -> bool {
        connection.total_packets() >= self.least_packets
    }
}

/// Declares [`Row`], the names of its columns, and its CSV form, from one list.
macro_rules! row {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// A connection as data, client and server told apart. The names are those of the JSON and of the
        /// CSV columns; absent values are `null` and empty.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct Row<'a> {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Row<'_> {
            /// The names of the columns, in order.
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($name)),*];

            fn each_cell(&self, mut cell: impl FnMut(&dyn Cell) -> fmt::Result) -> fmt::Result {
                $(cell(&self.$name)?;)*
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
}

impl<'a> Row<'a> {
    /// The columns of `connection`.
    pub fn new(connection: &Connection, services: &'a Services, names: &'a HostNames) -> Self {
        let orientation = Orientation::of(connection, services);
        let (client, server) = (connection.peer(orientation.client), connection.peer(orientation.server()));
        Self {
            time_received: Time(connection.received_last),
            exporter_addr: connection.exporter_addr,
            observation_domain_id: connection.observation_domain_id,
            kind: connection.kind.as_str(),
            proto: connection.proto,
            service: services.of(connection),
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
        let mut line = String::with_capacity(256);
        self.each_cell(|cell| {
            cell.write_cell(&mut line)?;
            line.write_char(',')
        })
        .map_err(io::Error::other)?;
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

/// A value in CSV.
trait Cell {
    fn write_cell(&self, out: &mut String) -> fmt::Result;
}

macro_rules! plain_cells {
    ($($type:ty),*) => {$(
        impl Cell for $type {
            fn write_cell(&self, out: &mut String) -> fmt::Result {
                write!(out, "{self}")
            }
        }
    )*};
}

plain_cells!(u8, u16, u32, u64, IpAddr, Time);

impl Cell for &str {
    fn write_cell(&self, out: &mut String) -> fmt::Result {
        if self.contains([',', '"', '\n', '\r']) {
            write!(out, "\"{}\"", self.replace('"', "\"\""))
        } else {
            out.write_str(self)
        }
    }
}

impl<T: Cell> Cell for Option<T> {
    fn write_cell(&self, out: &mut String) -> fmt::Result {
        self.as_ref().map_or(Ok(()), |value| value.write_cell(out))
    }
}

/// Writes a connection as the line of PyPI `netflow`'s analyzer, with a line end:
///
/// ```text
/// 2017-10-28 23:17.01: SSH            | 4.25M    | 15:27 min |  4113 | Between a (192.0.2.1) and b (192.0.2.2)
/// ```
///
/// The time is that of receipt, in `zone`. Size and duration are those of the side that sent more, which
/// comes first; packets are those of both.
pub fn write_line(
    out: &mut impl fmt::Write,
    connection: &Connection,
    services: &Services,
    names: &HostNames,
    zone: &TimeZone,
) -> fmt::Result {
    let heavier = connection.heavier();
    let (src, dest) = (connection.peer(heavier), connection.peer(heavier.other()));
    // Where the heavier side has no times, the other's are better than nothing.
    let duration = match src.sent.first {
        Some(_) => src.sent.duration(),
        None => connection.duration(),
    };
    writeln!(
        out,
        "{time}: {service:<14} | {size:8} | {duration:9} | {packets:5} | \
         Between {src_host} ({src}) and {dest_host} ({dest})",
        time = local_time(connection.received_last, zone),
        service = service_label(connection, services),
        size = human_size(src.sent.bytes),
        duration = human_duration(duration.as_secs()),
        packets = connection.total_packets(),
        src_host = names.show(src.addr),
        src = src.addr,
        dest_host = names.show(dest.addr),
        dest = dest.addr,
    )
}

/// Writes a connection of one direction as that analyzer lists what found no peer, with a line end:
///
/// ```text
/// From a (192.0.2.1):40000 to 192.0.2.2:443 with proto TCP and size 1.20K (12 packets)
/// ```
pub fn write_unpaired(out: &mut impl fmt::Write, connection: &Connection, names: &HostNames) -> fmt::Result {
    let heavier = connection.heavier();
    let (src, dest) = (connection.peer(heavier), connection.peer(heavier.other()));
    let host = |addr: IpAddr| match names.get(addr) {
        Some(name) => format!("{name} ({addr})"),
        None => addr.to_string(),
    };
    writeln!(
        out,
        "From {}:{} to {}:{} with proto {} and size {} ({} packets)",
        host(src.addr),
        src.port,
        host(dest.addr),
        dest.port,
        protocol_name(connection.proto).unwrap_or("UNKNOWN"),
        human_size(src.sent.bytes),
        connection.total_packets(),
    )
}

/// The service of a connection in capitals: its name, else the protocol's if that has no ports, else both
/// ports, the heavier side's first: `(50000 50001)`.
fn service_label(connection: &Connection, services: &Services) -> String {
    if let Some(name) = services.of(connection) {
        return name.to_ascii_uppercase();
    }
    match protocol_name(connection.proto) {
        Some(name) if !proto::has_ports(connection.proto) => name.to_ascii_uppercase(),
        _ => {
            let heavier: Side = connection.heavier();
            format!("({} {})", connection.peer(heavier).port, connection.peer(heavier.other()).port)
        }
    }
}

/// Octets for people, in powers of 1024: `980B`, `4.25M`.
fn human_size(bytes: u64) -> String {
    const UNITS: [char; 4] = ['K', 'M', 'G', 'T'];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.2}{}", UNITS[unit])
}

/// Seconds for people: `3 sec`, `15:27 min`, `1:23.09 hours`. Exactly an hour is `60:00 min`.
fn human_duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} sec"),
        60..=3_600 => format!("{:02}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}.{:02} hours", seconds / 3_600, seconds % 3_600 / 60, seconds % 60),
    }
}

/// A time as `2017-10-28 23:17.01`, in `zone`.
fn local_time(time: Timestamp, zone: &TimeZone) -> String {
    // A jiff timestamp reaches further than 64 bits of nanoseconds, so this never falls back.
    let time = jiff::Timestamp::from_nanosecond(time.as_nanos().into()).unwrap_or_default();
    let local = zone.to_datetime(time);
    let (date, clock) = (local.date(), local.time());
    format!("{date} {:02}:{:02}.{:02}", clock.hour(), clock.minute(), clock.second())
}

/// The name of a protocol, where an exporter told it.
fn protocol_name(protocol: u8) -> Option<&'static str> {
    match protocol {
        proto::UNKNOWN => None,
        // IANA's keyword is IPv6-ICMP; the older analyzer has the usual name.
        proto::ICMPV6 => Some("ICMPv6"),
        _ => netflow_flow::protocol_name(protocol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn line(connection: &Connection, names: &HostNames) -> String {
        let mut line = String::new();
        write_line(&mut line, connection, &Services::embedded(), names, &TimeZone::UTC).unwrap();
        line
    }

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0B"),
            (1_023, "1023B"),
            (1_024, "1.00K"),
            (1_229, "1.20K"),
            (1_048_575, "1024.00K"),
            (1_048_576, "1.00M"),
            (4_456_448, "4.25M"),
            (1 << 30, "1.00G"),
            (1_023 << 30, "1023.00G"),
            (1 << 40, "1.00T"),
            (u64::MAX, "16777216.00T"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
    }

    #[test]
    fn durations_for_people() {
        for (seconds, text) in [
            (0, "0 sec"),
            (3, "3 sec"),
            (59, "59 sec"),
            (60, "01:00 min"),
            (927, "15:27 min"),
            (3_599, "59:59 min"),
            (3_600, "60:00 min"),
            (3_601, "1:00.01 hours"),
            (4_989, "1:23.09 hours"),
            (360_000, "100:00.00 hours"),
        ] {
            assert_eq!(human_duration(seconds), text);
        }
    }

    #[test]
    fn line_is_that_of_the_older_analyzer() {
        assert_eq!(
            line(&web(), &names()),
            "2024-05-01 12:15.42: HTTPS          | 4.25M    | 15:27 min |    20 | \
             Between www.example (10.0.0.1) and 10.0.0.9 (10.0.0.9)\n"
        );
    }

    #[test]
    fn time_is_local() {
        let zone = TimeZone::fixed(jiff::tz::offset(-3));
        assert_eq!(local_time(Timestamp::from_secs(1_714_564_800), &zone), "2024-05-01 09:00.00");
        assert!(!local_time(Timestamp::from_nanos(i64::MIN), &zone).is_empty());
        assert!(!local_time(Timestamp::from_nanos(i64::MAX), &zone).is_empty());
    }

    #[test]
    fn service_without_a_name_shows_the_ports() {
        let request = flow(proto::TCP, "10.0.0.9:65001", "10.0.0.1:65002");
        let mut answer = reply(&request);
        answer.bytes_raw = 1;
        let connection = &pair(&[request, answer])[0];
        assert_eq!(service_label(connection, &Services::embedded()), "(65001 65002)");
        let ping = &pair(&[flow(proto::ICMPV6, "[2001:db8::1]:0", "[2001:db8::2]:32768")])[0];
        assert_eq!(service_label(ping, &Services::embedded()), "ICMPV6");
        let unknown = &pair(&[flow(253, "10.0.0.9:7", "10.0.0.1:7")])[0];
        assert_eq!(service_label(unknown, &Services::embedded()), "(0 0)");
    }

    #[test]
    fn unpaired_line() {
        let mut scan = flow(proto::TCP, "10.0.0.1:40000", "10.0.0.9:443");
        (scan.bytes_raw, scan.packets_raw) = (1_229, 12);
        let connection = &pair(&[scan])[0];
        let mut text = String::new();
        write_unpaired(&mut text, connection, &names()).unwrap();
        let expected =
            "From www.example (10.0.0.1):40000 to 10.0.0.9:443 with proto TCP and size 1.20K (12 packets)\n";
        assert_eq!(text, expected);
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
    fn filter() {
        let connection = web();
        let host = |addr: &str| Filter { least_packets: 20, host: Some(addr.parse().unwrap()) };
        assert!(host("10.0.0.1").has_enough_packets(&connection));
        assert!(!Filter { least_packets: 21, host: None }.has_enough_packets(&connection));
        let flow = flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443");
        assert!(host("10.0.0.1").wants_flow(&flow) && !host("10.0.0.2").wants_flow(&flow));
        assert!(Filter::default().wants_flow(&flow));
    }
}
