//! Headers, field by field, also when they are cut off.

use netflow_templates::Timestamp;
use netflow_wire::{ipfix, v1, v5, v7, v8, v9};

use super::tree::Tree;

/// Names and lengths of a header's fields, in order; `reserved` ones included.
fn fields(version: u16) -> &'static [(&'static str, usize)] {
    const V5: [(&str, usize); 9] = [
        ("version", 2),
        ("count", 2),
        ("uptime", 4),
        ("timestamp", 4),
        ("timestamp_nano", 4),
        ("sequence", 4),
        ("engine_type", 1),
        ("engine_id", 1),
        ("sampling_interval", 2),
    ];
    match version {
        v1::VERSION => &[V5[0], V5[1], V5[2], V5[3], V5[4]],
        v5::VERSION => &V5,
        v7::VERSION => &[V5[0], V5[1], V5[2], V5[3], V5[4], V5[5], ("reserved", 4)],
        v8::VERSION => &[
            V5[0],
            V5[1],
            V5[2],
            V5[3],
            V5[4],
            V5[5],
            V5[6],
            V5[7],
            ("aggregation", 1),
            ("aggregation_version", 1),
            ("reserved", 4),
        ],
        v9::VERSION => &[V5[0], V5[1], V5[2], V5[3], V5[5], ("source_id", 4)],
        ipfix::VERSION => {
            &[V5[0], ("length", 2), ("export_time", 4), ("sequence_number", 4), ("observation_domain_id", 4)]
        }
        _ => &[("version", 2)],
    }
}

/// What packets of a version are called.
pub(super) fn name(version: u16) -> String {
    match version {
        ipfix::VERSION => "IPFIX message".to_owned(),
        version => format!("NetFlow v{version} export packet"),
    }
}

/// Where a version is described.
pub(super) fn reference(version: u16) -> String {
    match version {
        ipfix::VERSION => "RFC 7011, section 3.1".to_owned(),
        v9::VERSION => "RFC 3954, section 5.1".to_owned(),
        version => format!("Cisco, NetFlow Services Solutions Guide, v{version} header"),
    }
}

/// Writes the fields of the header that `octets` start with, as far as they are there; returns how many octets
/// these take.
pub(super) fn write(tree: &mut Tree, version: u16, octets: &[u8]) -> usize {
    let fields = fields(version);
    let whole: usize = fields.iter().map(|(_, length)| length).sum();
    let there = octets.len().min(whole);
    let cut = if there < whole { format!(" of {whole}") } else { String::new() };
    tree.heading(0, 0, &format!("header, {there}{cut} octets  [{}]", reference(version)));
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut at = 0;
    for &(name, length) in fields {
        let Some(value) = octets.get(at..at + length) else {
            let left = octets.len() - at;
            tree.row(1, at, &octets[at..], &format!("{name:<width$} = cut off, {left} octets of {length}"));
            break;
        };
        let number = value.iter().fold(0, |number, &octet| number << 8 | u32::from(octet));
        tree.row(1, at, value, &format!("{name:<width$} = {number}{}", meaning(version, name, number)));
        at += length;
        if at == octets.len() && at < whole {
            tree.more(1, "the header ends here");
            break;
        }
    }
    there
}

fn meaning(version: u16, name: &str, value: u32) -> String {
    match (name, version) {
        ("version", ipfix::VERSION) => " (IPFIX)".to_owned(),
        ("version", 1 | 5 | 7 | 8 | 9) => format!(" (NetFlow v{value})"),
        ("uptime", _) => format!(" ms since the exporter started ({})", duration(value.into())),
        ("timestamp" | "export_time", _) => {
            format!(" s since 1970 (exported at {:.0})", Timestamp::from_secs(value.into()))
        }
        ("timestamp_nano", _) => " ns beyond that second".to_owned(),
        ("length", _) => " octets, header included".to_owned(),
        ("sampling_interval", _) => {
            let (mode, interval) = (value >> 14, value & 0x3fff);
            let mode = match mode {
                0 => "mode 0, none",
                1 => "mode 1, packet interval",
                2 => "mode 2, random",
                _ => "mode 3, reserved",
            };
            match interval {
                0 | 1 => format!(" ({mode}; unsampled)"),
                interval => format!(" ({mode}; 1 packet in {interval})"),
            }
        }
        ("sequence", 5 | 7) => " flows before this packet".to_owned(),
        ("sequence", 8) => " records before this packet".to_owned(),
        ("sequence", 9) => " packets before this one, of this source id".to_owned(),
        ("sequence_number", _) => " data records before this message, of this domain".to_owned(),
        ("source_id", _) => " (observation domain)".to_owned(),
        ("count", 9) => format!(" {}, templates included", records(value)),
        ("count", _) => format!(" {}", records(value)),
        ("aggregation", _) => format!(" ({})", scheme(value)),
        _ => String::new(),
    }
}

fn records(number: u32) -> &'static str {
    if number == 1 { "record" } else { "records" }
}

/// Name of a v8 aggregation scheme.
fn scheme(aggregation: u32) -> &'static str {
    u8::try_from(aggregation)
        .ok()
        .and_then(v8::layout)
        .map_or("no scheme that is known", |layout| layout.name)
}

/// Milliseconds as days and a time of day.
fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{days} d {hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, millis % 1000)
}

#[cfg(test)]
mod tests {
    use netflow_flow::header_fields;
    use netflow_wire::Header;

    use super::*;

    /// The fields here are those of the wire formats: same values at the same places.
    #[test]
    fn fields_are_those_of_the_headers() {
        for version in [1, 5, 7, 8, 9, 10] {
            let mut octets = vec![0, version];
            octets.extend(0x21..0x60);
            let header = Header::parse(&octets).unwrap();
            let (mut at, mut found) = (0, Vec::new());
            for &(name, length) in fields(version.into()) {
                let value =
                    octets[at..at + length].iter().fold(0, |value, &octet| value << 8 | u32::from(octet));
                at += length;
                if name != "reserved" {
                    found.push((name, value));
                }
            }
            assert_eq!(found, header_fields(&header), "v{version}");
            assert_eq!(at, header.len(), "v{version}");
        }
    }
}
