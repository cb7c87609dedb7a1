//! Lines for people, those of PyPI `netflow`'s analyzer.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use jiff::tz::TimeZone;
use netflow_flow::AddressText;
use netflow_templates::Timestamp;

use crate::connection::Connection;
use crate::key::{Endpoint, Side, proto};
use crate::resolver::HostNames;
use crate::service::Services;

/// Writes a connection as the line of PyPI `netflow`'s analyzer, with a line end: see [`Lines::write`].
pub fn write_line(
    out: &mut String,
    connection: &Connection,
    services: &Services,
    names: &HostNames,
    zone: &TimeZone,
) -> fmt::Result {
    Lines::new(zone.clone()).write(out, connection, connection.heavier(), services, names)
}

/// Seconds whose text is remembered.
const SECONDS: usize = 64;

/// Writes lines; what many have in common is made once.
#[derive(Debug)]
pub struct Lines {
    zone: TimeZone,
    /// Seconds, and their texts, in the place that the second has.
    times: Vec<(i64, String)>,
}

impl Lines {
    /// With times in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, times: vec![(i64::MIN, String::new()); SECONDS] }
    }

    /// Writes a connection as the line of PyPI `netflow`'s analyzer, with a line end:
    ///
    /// ```text
    /// 2017-10-28 23:17.01: SSH            | 4.25M    | 15:27 min |  4113 | Between a (192.0.2.1) and b (192.0.2.2)
    /// ```
    ///
    /// The time is that of receipt. Size and duration are those of the side `first`, which that analyzer has be the one
    /// that sent more; packets are those of both. Behind it stand what that analyzer does not know: translated addresses,
    /// and the exporters where there are several.
    pub fn write(
        &mut self,
        out: &mut String,
        connection: &Connection,
        first: Side,
        services: &Services,
        names: &HostNames,
    ) -> fmt::Result {
        let (src, dest) = (connection.peer(first), connection.peer(first.other()));
        // Where the side has no times, the other's are better than nothing.
        let duration = match src.sent.first {
            Some(_) => src.sent.duration(),
            None => connection.duration(),
        };
        out.push_str(self.time(connection.received_last));
        out.push_str(": ");
        padded(out, 14, |out| service_label(out, connection, first, services))?;
        out.push_str(" | ");
        padded(out, 8, |out| human_size(out, src.sent.bytes))?;
        out.push_str(" | ");
        padded(out, 9, |out| human_duration(out, duration.as_secs()))?;
        write!(out, " | {:5} | Between ", connection.total_packets())?;
        host(out, src.addr, names)?;
        out.push_str(" and ");
        host(out, dest.addr, names)?;
        for side in [first, first.other()] {
            if let Some(after) = connection.translation(side) {
                let Endpoint { addr, port } = after;
                let before = connection.peer(side);
                write!(out, ", {}:{} translated to {addr}:{port}", before.addr, before.port)?;
            }
        }
        if let [one, others @ ..] = &*connection.seen_by {
            write!(out, ", seen by {one}")?;
            others.iter().try_for_each(|other| write!(out, ", {other}"))?;
        }
        out.push('\n');
        Ok(())
    }

    /// A time as `2017-10-28 23:17.01`.
    fn time(&mut self, time: Timestamp) -> &str {
        let second = time.as_nanos().div_euclid(1_000_000_000);
        let (of, text) = &mut self.times[second.rem_euclid(SECONDS as i64) as usize];
        if *of != second || text.is_empty() {
            *of = second;
            *text = local_time(time, &self.zone);
        }
        text
    }
}

/// Writes something, and blanks up to a width.
fn padded(out: &mut String, width: usize, write: impl FnOnce(&mut String) -> fmt::Result) -> fmt::Result {
    let start = out.len();
    write(out)?;
    let missing = width.saturating_sub(out[start..].chars().count());
    out.extend(std::iter::repeat_n(' ', missing));
    Ok(())
}

/// Writes a host's name, or its address again, and its address.
fn host(out: &mut String, addr: IpAddr, names: &HostNames) -> fmt::Result {
    if let Some(name) = names.get(addr) {
        return write!(out, "{name} ({addr})");
    }
    let start = out.len();
    out.push_str(&AddressText::of(addr));
    let end = out.len();
    out.push_str(" (");
    out.extend_from_within(start..end);
    out.push(')');
    Ok(())
}

/// Writes a connection of one direction as that analyzer lists what found no peer, with a line end:
///
/// ```text
/// From a (192.0.2.1):40000 to 192.0.2.2:443 with proto TCP and size 1.20K (12 packets)
/// ```
pub fn write_unpaired(out: &mut String, connection: &Connection, names: &HostNames) -> fmt::Result {
    let heavier = connection.heavier();
    let (src, dest) = (connection.peer(heavier), connection.peer(heavier.other()));
    let host = |addr: IpAddr| match names.get(addr) {
        Some(name) => format!("{name} ({addr})"),
        None => addr.to_string(),
    };
    write!(
        out,
        "From {}:{} to {}:{} with proto {} and size ",
        host(src.addr),
        src.port,
        host(dest.addr),
        dest.port,
        protocol_name(connection.proto).unwrap_or("UNKNOWN"),
    )?;
    human_size(out, src.sent.bytes)?;
    writeln!(out, " ({} packets)", connection.total_packets())
}

/// Writes the service of a connection in capitals: its name, else the protocol's if that has no ports, else both
/// ports, the first side's first: `(50000 50001)`.
fn service_label(out: &mut String, connection: &Connection, first: Side, services: &Services) -> fmt::Result {
    if let Some(name) = services.of(connection) {
        out.extend(name.chars().map(|character| character.to_ascii_uppercase()));
        return Ok(());
    }
    match protocol_name(connection.proto) {
        Some(name) if !proto::has_ports(connection.proto) => {
            out.extend(name.chars().map(|character| character.to_ascii_uppercase()));
            Ok(())
        }
        _ => write!(out, "({} {})", connection.peer(first).port, connection.peer(first.other()).port),
    }
}

/// Writes octets for people, in powers of 1024: `980B`, `4.25M`.
fn human_size(out: &mut String, bytes: u64) -> fmt::Result {
    const UNITS: [char; 4] = ['K', 'M', 'G', 'T'];
    if bytes < 1024 {
        return write!(out, "{bytes}B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    write!(out, "{size:.2}{}", UNITS[unit])
}

/// Writes seconds for people: `3 sec`, `15:27 min`, `1:23.09 hours`. Exactly an hour is `60:00 min`.
fn human_duration(out: &mut String, seconds: u64) -> fmt::Result {
    match seconds {
        0..60 => write!(out, "{seconds} sec"),
        60..=3_600 => write!(out, "{:02}:{:02} min", seconds / 60, seconds % 60),
        _ => write!(out, "{}:{:02}.{:02} hours", seconds / 3_600, seconds % 3_600 / 60, seconds % 60),
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

    fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
        let mut text = String::new();
        write(&mut text).unwrap();
        text
    }

    fn label(connection: &Connection) -> String {
        written(|out| service_label(out, connection, connection.heavier(), &Services::embedded()))
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
            assert_eq!(written(|out| human_size(out, bytes)), text);
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
            assert_eq!(written(|out| human_duration(out, seconds)), text);
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
        assert_eq!(label(connection), "(65001 65002)");
        let ping = &pair(&[flow(proto::ICMPV6, "[2001:db8::1]:0", "[2001:db8::2]:32768")])[0];
        assert_eq!(label(ping), "ICMPV6");
        let unknown = &pair(&[flow(253, "10.0.0.9:7", "10.0.0.1:7")])[0];
        assert_eq!(label(unknown), "(0 0)");
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
    fn what_is_new_stands_behind_the_line() {
        let mut request = flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443");
        request.rare_mut().post_nat_src_addr = Some([192, 0, 2, 9].into());
        let mut other = request.clone();
        other.exporter_addr = [192, 0, 2, 2].into();
        let line = line(&pair(&[request.clone(), other, reply(&request)])[0], &names());
        let expected = ", 10.0.0.9:40000 translated to 192.0.2.9:40000, seen by 192.0.2.1, 192.0.2.2\n";
        assert!(line.ends_with(expected), "{line}");
    }
}
