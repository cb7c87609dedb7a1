//! Flows as lines for people, laid out as nfdump lays them out.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::bail;
use jiff::tz::TimeZone;
use netflow_filter::Derived;
use netflow_flow::{Column, Flow, column, protocol_name};
use netflow_templates::Timestamp;

mod token;

use token::{TOKENS, Token};

/// Layouts that have a name.
const NAMED: [(&str, &str); 3] = [
    ("line", "%ts %td %pr %sap -> %dap %pkt %byt %fl"),
    ("long", "%ts %td %pr %sap -> %dap %flg %tos %pkt %byt %fl"),
    ("extended", "%ts %td %pr %sap -> %dap %flg %tos %pkt %byt %pps %bps %bpp %fl"),
];

/// How values are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    /// Without units, and protocols as numbers.
    pub(crate) plain: bool,
    /// Addresses of IPv6 from end to end.
    pub(crate) full_ipv6: bool,
}

/// How a flow is laid out on a line.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    parts: Vec<Part>,
    style: Style,
    zone: TimeZone,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Token(&'static Token),
}

impl Layout {
    /// Whether a word is the name of a layout, or one that is written out.
    pub(crate) fn is_name(word: &str) -> bool {
        word == "text" || word.starts_with("fmt:") || NAMED.iter().any(|(name, _)| *name == word)
    }

    /// The layout with a name, or behind `fmt:`; `None` when it is none.
    pub(crate) fn named(word: &str, style: Style) -> anyhow::Result<Option<Self>> {
        let name = if word == "text" { "line" } else { word };
        let named = NAMED.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        match named.or(word.strip_prefix("fmt:")) {
            Some(format) => Self::parse(format, style).map(Some),
            None => Ok(None),
        }
    }

    fn parse(format: &str, style: Style) -> anyhow::Result<Self> {
        let mut parts = Vec::new();
        let mut rest = format;
        while let Some((text, after)) = rest.split_once('%') {
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            let length = after.bytes().take_while(u8::is_ascii_alphanumeric).count();
            let (name, after) = after.split_at(length);
            let Some(token) = TOKENS.iter().find(|token| token.name == name) else {
                let names: Vec<_> = TOKENS.iter().map(|token| format!("%{}", token.name)).collect();
                bail!("%{name} is nothing that a line can have; these are: {}", names.join(" "));
            };
            parts.push(Part::Token(token));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts, style, zone: TimeZone::system() })
    }

    /// The columns that are shown.
    pub(crate) fn columns(&self) -> Vec<&'static Column> {
        let tokens = self.parts.iter().filter_map(|part| match part {
            Part::Token(token) => Some(token),
            Part::Text(_) => None,
        });
        tokens.flat_map(|token| token.columns).filter_map(|name| column(name)).collect()
    }

    /// Appends the heading.
    pub(crate) fn head(&self, out: &mut Vec<u8>) {
        let mut line = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => line.extend(text.chars().map(|_| ' ')),
                Part::Token(token) => line.push_str(&token.head(self.style)),
            }
        }
        out.extend_from_slice(line.trim_end().as_bytes());
        out.push(b'\n');
    }

    /// Appends the line of a flow.
    pub(crate) fn line(&self, flow: &Flow, out: &mut Vec<u8>) {
        let mut line = String::with_capacity(128);
        for part in &self.parts {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Token(token) => (token.write)(self, flow, &mut line),
            }
        }
        // Names in flows come from packets.
        match line.contains(char::is_control) {
            true => out.extend(line.chars().flat_map(shown).collect::<String>().into_bytes()),
            false => out.extend_from_slice(line.as_bytes()),
        }
        out.push(b'\n');
    }

    /// A time of the zone in which this computer is.
    fn time(&self, time: Option<Timestamp>, line: &mut String) {
        let Some(time) = time.filter(|time| *time != Timestamp::EPOCH) else {
            return pad(line, "-", 23, false);
        };
        let offset = jiff::Timestamp::from_nanosecond(time.as_nanos().into()).unwrap_or_default();
        let offset = self.zone.to_offset(offset).seconds();
        let text = time.saturating_add_nanos(i64::from(offset) * 1_000_000_000).to_rfc3339();
        let text = std::str::from_utf8(&text).unwrap_or_default();
        line.push_str(&text[..10]);
        line.push(' ');
        line.push_str(&text[11..23]);
    }

    fn duration(&self, flow: &Flow, line: &mut String) {
        let Some(millis) = Derived::Duration.of(flow.into()) else { return pad(line, "-", 16, true) };
        let (seconds, rest) = (millis / 1_000, millis % 1_000);
        let text = if self.style.plain {
            format!("{seconds}.{rest:03}")
        } else {
            let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
            let days = if days > 0 { format!("{days}d ") } else { String::new() };
            format!("{days}{hours:02}:{:02}:{:02}.{rest:03}", seconds / 60 % 60, seconds % 60)
        };
        pad(line, &text, 16, true);
    }

    fn protocol(&self, flow: &Flow, line: &mut String) {
        match protocol_name(flow.proto).filter(|_| !self.style.plain) {
            Some(name) => pad(line, &name.to_ascii_uppercase().replace("IPV6-ICMP", "ICMP6"), 5, false),
            None => pad(line, &flow.proto.to_string(), 5, false),
        }
    }

    /// A count, from a million on with a unit.
    fn count(&self, number: u64, width: usize, line: &mut String) {
        let text = match number {
            _ if self.style.plain => number.to_string(),
            1_000_000_000_000.. => format!("{:.1} T", number as f64 / 1e12),
            1_000_000_000.. => format!("{:.1} G", number as f64 / 1e9),
            1_000_000.. => format!("{:.1} M", number as f64 / 1e6),
            _ => number.to_string(),
        };
        pad(line, &text, width, true);
    }

    fn address_width(style: Style) -> usize {
        if style.full_ipv6 { 39 } else { 16 }
    }

    fn address(&self, address: Option<IpAddr>, line: &mut String) {
        let text = address.map_or("-".to_owned(), |address| address.to_string());
        let width = Self::address_width(self.style);
        match text.len() > width {
            // Its two ends.
            true => {
                let _ = write!(line, "{}..{}", &text[..7], &text[text.len() - 7..]);
            }
            false => pad(line, &text, width, true),
        }
    }

    /// An address with a port, or type and code of ICMP behind the destination.
    fn end(&self, flow: &Flow, source: bool, line: &mut String) {
        let (address, port) = match source {
            true => (flow.src_addr, flow.src_port),
            false => (flow.dst_addr, flow.dst_port),
        };
        self.address(address, line);
        line.push(if address.is_some_and(|address| address.is_ipv6()) { '.' } else { ':' });
        match (flow.icmp_type, flow.icmp_code) {
            (Some(kind), code) if !source => pad(line, &format!("{kind}.{}", code.unwrap_or(0)), 5, false),
            _ => pad(line, &port.to_string(), 5, false),
        }
    }
}

fn shown(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

/// Appends text with blanks around it, to a width.
fn pad(line: &mut String, text: &str, width: usize, right: bool) {
    let _ = match right {
        true => write!(line, "{text:>width$}"),
        false => write!(line, "{text:<width$}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        let mut flow = Flow::default();
        flow.src_addr = Some([10, 0, 8, 177].into());
        flow.dst_addr = Some([198, 18, 159, 233].into());
        (flow.src_port, flow.dst_port, flow.proto, flow.tcp_flags) = (54_847, 80, 6, 27);
        (flow.packets_raw, flow.bytes_raw, flow.flows, flow.sampling_rate) = (20, 3_020, 1, 1);
        flow.time_flow_start = Some("2026-11-21T10:53:21.390Z".parse().unwrap());
        flow.time_flow_end = Some("2026-11-21T10:53:21.859Z".parse().unwrap());
        flow
    }

    fn lines(name: &str, style: Style, flows: &[Flow]) -> String {
        let mut layout = Layout::named(name, style).unwrap().unwrap();
        layout.zone = TimeZone::UTC;
        let mut out = Vec::new();
        layout.head(&mut out);
        flows.iter().for_each(|flow| layout.line(flow, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_those_of_nfdump() {
        let mut v6 = flow();
        v6.src_addr = Some("2001:db8:0:3400:c74:b0e6:c9c1:6bf5".parse().unwrap());
        v6.dst_addr = Some("2001:db8:8040:3d00::f:2cc7".parse().unwrap());
        v6.bytes_raw = 10_289_685;
        let mut icmp = flow();
        (icmp.proto, icmp.icmp_type, icmp.icmp_code, icmp.src_port, icmp.dst_port) =
            (1, Some(8), Some(0), 0, 2_048);
        let line = lines("line", Style::default(), &[flow(), v6.clone(), icmp]);
        assert_eq!(
            line,
            "Date first seen             Duration     Proto      Src IP Addr:Port          Dst IP Addr:Port   Packets    Bytes Flows\n\
             2026-11-21 10:53:21.390     00:00:00.469 TCP         10.0.8.177:54847 ->   198.18.159.233:80          20     3020     1\n\
             2026-11-21 10:53:21.390     00:00:00.469 TCP   2001:db..c1:6bf5.54847 -> 2001:db..:f:2cc7.80          20   10.3 M     1\n\
             2026-11-21 10:53:21.390     00:00:00.469 ICMP        10.0.8.177:0     ->   198.18.159.233:8.0         20     3020     1\n"
        );
        assert_eq!(
            lines("extended", Style::default(), &[flow()]),
            "Date first seen             Duration     Proto      Src IP Addr:Port          Dst IP Addr:Port     Flags Tos  Packets    Bytes      pps      bps    Bpp Flows\n\
             2026-11-21 10:53:21.390     00:00:00.469 TCP         10.0.8.177:54847 ->   198.18.159.233:80    ...AP.SF   0       20     3020       42    51513    151     1\n"
        );
        let plain = lines("line", Style { plain: true, full_ipv6: true }, &[v6]);
        assert_eq!(
            plain,
            "Date first seen             Duration     Proto                             Src IP Addr:Port                                 Dst IP Addr:Port   Packets    Bytes Flows\n\
             2026-11-21 10:53:21.390            0.469 6          2001:db8:0:3400:c74:b0e6:c9c1:6bf5.54847 ->              2001:db8:8040:3d00::f:2cc7.80          20 10289685     1\n"
        );
    }

    #[test]
    fn every_token_is_as_wide_as_its_heading() {
        for token in TOKENS {
            for style in [Style::default(), Style { plain: true, full_ipv6: true }] {
                let text = lines(&format!("fmt:%{}|", token.name), style, &[flow()]);
                let (head, line) = text.split_once('\n').unwrap();
                let width = line.find('|').unwrap();
                assert!(head.len() <= width, "%{}: {text}", token.name);
                assert_eq!(token.head(style).len(), width, "%{}: {text}", token.name);
            }
        }
    }

    #[test]
    fn what_is_missing_and_what_acts_on_terminals_is_shown() {
        let mut flow = Flow::default();
        flow.rare_mut().app_name.push_str("a\x1b[2Jb");
        let text = lines("fmt:%ts %td %sa %app", Style::default(), &[flow]);
        assert_eq!(
            text.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>(),
            ["-", "-", "-", "a\\u{1b}[2Jb"]
        );
        let error = Layout::named("fmt:%ts %xyz", Style::default()).unwrap_err().to_string();
        assert!(error.starts_with("%xyz is nothing that a line can have; these are: %ts "), "{error}");
        assert!(Layout::named("wide", Style::default()).unwrap().is_none());
    }
}
