//! What values mean: units, names of numbers, points in time, and which element they are of.

use std::net::Ipv4Addr;

use netflow_flow::{ApplicationId, protocol_name};
use netflow_templates::{Clock, Element, Field, Registry, Units, Value};
use netflow_wire::{element_id as ie, enterprise, unassigned};

use crate::output::count;

mod names;

/// IP protocol numbers of ICMP.
const ICMP: u64 = 1;
const ICMP_IPV6: u64 = 58;

/// What the values of a record are understood with.
pub(super) struct Scene<'a> {
    /// How uptimes become Unix time.
    pub(super) clock: Clock,
    /// Names that options data gave to numbers.
    pub(super) names: &'a dyn Names,
    /// IP protocol of the record.
    pub(super) protocol: Option<u64>,
}

/// A number that options data may have a name for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbered {
    Interface(u32),
    Vrf(u32),
    /// Engine in the highest octet, selector below.
    Application(u64),
}

/// Looks names up in options data.
pub(super) trait Names {
    /// The name that options data of the exporter have.
    fn name(&self, of: Numbered) -> Option<String>;
}

/// What a value means, behind it; nothing when the value says all.
pub(super) fn of(scene: &Scene<'_>, field: &Field, value: &Value<'_>, octets: &[u8]) -> String {
    let element = field.element();
    let known = matches!(element.enterprise, enterprise::IANA | enterprise::REVERSE);
    let meaning = match *value {
        Value::Absent => Some("absent: the field has no octets".to_owned()),
        Value::Unsigned(number) if known => number_meaning(scene, element.id, number),
        // Routers put an address of theirs here.
        Value::Unsigned(number @ 0x0100_0000..=0xffff_ffff)
            if (element.enterprise, element.id) == (enterprise::UNASSIGNED, unassigned::SCOPE_SYSTEM) =>
        {
            Some(format!("{} as an address", Ipv4Addr::from_bits(number as u32)))
        }
        Value::Octets(_) if known && element.id == ie::APPLICATION_ID => application(scene, octets),
        Value::Time { .. } if octets.iter().all(|&octet| octet == 0) => {
            Some("0: most likely not set".to_owned())
        }
        Value::Time { digits, .. } => Some(raw_time(digits, octets)),
        Value::String(_) => match octets.iter().rev().take_while(|&&octet| octet == 0).count() {
            0 => None,
            nuls => Some(format!("{} behind it", count(nuls as u64, "NUL"))),
        },
        _ => None,
    };
    let unit = unit(element, value);
    match meaning {
        Some(meaning) => format!("{unit}  ({meaning})"),
        None => unit,
    }
}

fn unit(element: &Element, value: &Value<'_>) -> String {
    match (value, element.units) {
        (Value::Unsigned(_) | Value::Signed(_) | Value::Float(_), units)
            if !matches!(units, Units::None | Units::Inferred) =>
        {
            let one = matches!(value, Value::Unsigned(1));
            let text = units.as_str();
            format!(" {}", if one { text.trim_end_matches('s') } else { text })
        }
        _ => String::new(),
    }
}

fn number_meaning(scene: &Scene<'_>, id: u16, number: u64) -> Option<String> {
    if let Some(name) = names::name(id, number) {
        return Some(name.to_owned());
    }
    let small = u8::try_from(number).ok();
    Some(match id {
        ie::PROTOCOL_IDENTIFIER => small.and_then(protocol_name)?.to_owned(),
        ie::TCP_CONTROL_BITS => format!("{number:#04x}, {}", tcp_flags(number)),
        ie::IP_CLASS_OF_SERVICE | ie::POST_IP_CLASS_OF_SERVICE => {
            format!("DSCP {}, ECN {}", number >> 2, number & 3)
        }
        ie::FLOW_START_SYS_UP_TIME | ie::FLOW_END_SYS_UP_TIME => uptime(&scene.clock, number as u32),
        ie::ICMP_TYPE_CODE_IPV4 => icmp(ie::ICMP_TYPE_IPV4, number),
        ie::ICMP_TYPE_CODE_IPV6 => icmp(ie::ICMP_TYPE_IPV6, number),
        // Exporters of versions without a field for it put type and code into the destination port.
        ie::DESTINATION_TRANSPORT_PORT if scene.protocol == Some(ICMP) => icmp(ie::ICMP_TYPE_IPV4, number),
        ie::DESTINATION_TRANSPORT_PORT if scene.protocol == Some(ICMP_IPV6) => {
            icmp(ie::ICMP_TYPE_IPV6, number)
        }
        ie::FORWARDING_STATUS => {
            let status = ["unknown", "forwarded", "dropped", "consumed"][(number >> 6 & 3) as usize];
            format!("{status}, reason {}", number & 63)
        }
        ie::INGRESS_INTERFACE if number == 0 => "none: from the exporter itself, or not known".to_owned(),
        ie::EGRESS_INTERFACE if number == 0 => "none: to the exporter itself, or dropped".to_owned(),
        ie::INGRESS_INTERFACE
        | ie::EGRESS_INTERFACE
        | ie::INGRESS_PHYSICAL_INTERFACE
        | ie::EGRESS_PHYSICAL_INTERFACE => {
            let index = u32::try_from(number).ok()?;
            scene.names.name(Numbered::Interface(index))?
        }
        ie::INGRESS_VRF_ID | ie::EGRESS_VRF_ID => {
            let vrf = u32::try_from(number).ok()?;
            scene.names.name(Numbered::Vrf(vrf))?
        }
        ie::ETHERNET_TYPE => format!("{number:#06x}"),
        ie::SAMPLING_INTERVAL if number > 0 => format!("1 packet in {number}"),
        _ => return None,
    })
}

/// The point in time that an uptime was.
fn uptime(clock: &Clock, uptime: u32) -> String {
    let wrapped = clock
        .uptime_millis
        .is_some_and(|now| uptime > now && clock.at_uptime(uptime).is_some_and(|time| time < clock.export));
    match clock.at_uptime(uptime) {
        Some(time) if wrapped => format!("of uptime, before its 32 bits ran over: {time:.3}"),
        Some(time) => format!("of uptime: {time:.3}"),
        None => "of uptime; nothing says when the exporter started".to_owned(),
    }
}

fn icmp(element: u16, number: u64) -> String {
    let (kind, code) = (number >> 8 & 255, number & 255);
    let name = names::name(element, kind).map(|name| format!(" {name}")).unwrap_or_default();
    format!("ICMP type {kind}{name}, code {code}")
}

/// Engine and selector of an application id (RFC 6759), with their names.
fn application(scene: &Scene<'_>, octets: &[u8]) -> Option<String> {
    let id = ApplicationId::from_octets(octets)?;
    let engine = names::engine(id.engine).map(|name| format!("engine {name}"));
    let number = id.number();
    let name = scene.names.name(Numbered::Application(number));
    let protocol = u8::try_from(id.selector).ok().filter(|_| id.engine == 1).and_then(protocol_name);
    let name = name.or_else(|| protocol.map(str::to_owned));
    let parts = [Some(id.to_string()), engine, name];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// The number that a point in time was written as.
fn raw_time(digits: u8, octets: &[u8]) -> String {
    let number = octets.iter().fold(0u64, |number, &octet| number << 8 | u64::from(octet));
    match digits {
        0 => format!("{number} s since 1970"),
        3 => format!("{number} ms since 1970"),
        _ => format!("NTP {}.{:#010x} s since 1900", number >> 32, number & 0xffff_ffff),
    }
}

/// The flags as letters, highest first: CWR, ECE, URG, ACK, PSH, RST, SYN, FIN.
fn tcp_flags(number: u64) -> String {
    let letters = b"CEUAPRSF".iter().enumerate();
    letters
        .map(|(index, &letter)| if number >> (7 - index) & 1 == 1 { letter as char } else { '.' })
        .collect()
}

/// Which element a field holds, where the name alone does not say it.
pub(super) fn reference(element: &Element, name: &str) -> String {
    let iana = Registry::new();
    let official = |id| iana.element(enterprise::IANA, id).name.into_owned();
    match (element.enterprise, element.id) {
        (enterprise::UNASSIGNED, id @ ..=255) => format!("scope type {id}, RFC 3954 section 6.1"),
        (enterprise::UNASSIGNED, _) => "no information element".to_owned(),
        (enterprise::REVERSE, id) => format!("reverse of IE {id}, RFC 5103"),
        (enterprise::IANA, id @ 0x8000..) => format!("field type {id}, the vendor's own"),
        (enterprise::IANA, id) if iana.find(enterprise::IANA, id).is_none() => {
            format!("IE {id}, not in IANA's registry")
        }
        (enterprise::IANA, id) if official(id) == name => format!("IE {id}"),
        (enterprise::IANA, id) => format!("IE {id} {}", official(id)),
        (pen, id) => format!("enterprise {pen}, IE {id}"),
    }
}

#[cfg(test)]
mod tests {
    use netflow_templates::Timestamp;
    use netflow_wire::FieldSpecifier;

    use super::*;

    struct Interfaces;

    impl Names for Interfaces {
        fn name(&self, of: Numbered) -> Option<String> {
            match of {
                Numbered::Interface(3) => Some("eth3".to_owned()),
                Numbered::Application(0x0d00_0000_0000_01c5) => Some("webex".to_owned()),
                _ => None,
            }
        }
    }

    fn meaning(id: u16, octets: &[u8], protocol: Option<u64>) -> String {
        let clock =
            Clock { export: Timestamp::from_secs(1000), uptime_millis: Some(5000), system_init: None };
        let scene = Scene { clock, names: &Interfaces, protocol };
        let specifiers = [FieldSpecifier::iana(id, octets.len() as u16)];
        let plan = netflow_templates::Plan::compile(
            &Registry::new(),
            netflow_templates::Naming::Ipfix,
            256,
            false,
            0,
            &specifiers,
        );
        let field = &plan.fields()[0];
        let value = field.element().data_type.decode(octets);
        format!("{value}{}", of(&scene, field, &value, octets))
    }

    #[test]
    fn numbers_have_units_and_names() {
        assert_eq!(meaning(1, &[1], None), "1 octet");
        assert_eq!(meaning(2, &[0, 7], None), "7 packets");
        assert_eq!(meaning(4, &[6], None), "6  (TCP)");
        assert_eq!(meaning(6, &[0x1b], None), "27  (0x1b, ...AP.SF)");
        assert_eq!(meaning(5, &[0xb8], None), "184  (DSCP 46, ECN 0)");
        assert_eq!(meaning(10, &[0, 3], None), "3  (eth3)");
        assert_eq!(meaning(14, &[0], None), "0  (none: to the exporter itself, or dropped)");
        assert_eq!(meaning(32, &[8, 0], None), "2048  (ICMP type 8 echo request, code 0)");
        assert_eq!(meaning(11, &[3, 1], Some(1)), "769  (ICMP type 3 destination unreachable, code 1)");
        assert_eq!(meaning(11, &[0, 80], Some(6)), "80");
        assert_eq!(meaning(89, &[0x82], None), "130  (dropped: ACL drop)");
        assert_eq!(meaning(89, &[0x7f], None), "127  (forwarded, reason 63)");
        assert_eq!(meaning(136, &[2], None), "2  (active timeout)");
        assert_eq!(meaning(230, &[4], None), "4  (NAT44 session create)");
        assert_eq!(meaning(233, &[3], None), "3  (flow denied)");
    }

    #[test]
    fn applications_have_engines_and_names() {
        assert_eq!(meaning(95, &[13, 0, 1, 0xc5], None), "0d0001c5  (13:453, engine PANA-L7, webex)");
        assert_eq!(meaning(95, &[1, 6], None), "0106  (1:6, engine IANA-L3, TCP)");
    }

    #[test]
    fn times_are_raw_and_in_utc() {
        assert_eq!(
            meaning(21, &[0, 0, 0x0f, 0xa0], None),
            "4000 milliseconds  (of uptime: 1970-01-01T00:16:39.000Z)"
        );
        assert_eq!(meaning(150, &[0; 4], None), "1970-01-01T00:00:00Z  (0: most likely not set)");
        assert_eq!(meaning(150, &[0, 0, 0, 60], None), "1970-01-01T00:01:00Z  (60 s since 1970)");
    }

    #[test]
    fn an_uptime_that_ran_over_is_told() {
        let before = (u32::MAX - 999).to_be_bytes();
        let expected =
            "4294966296 milliseconds  (of uptime, before its 32 bits ran over: 1970-01-01T00:16:34.000Z)";
        assert_eq!(meaning(22, &before, None), expected);
    }

    #[test]
    fn references_name_the_registry() {
        let of = |pen, id, name: &str| reference(&Registry::new().element(pen, id), name);
        assert_eq!(of(0, 8, "IPV4_SRC_ADDR"), "IE 8 sourceIPv4Address");
        assert_eq!(of(0, 8, "sourceIPv4Address"), "IE 8");
        assert_eq!(of(0, 32000, "0.32000"), "IE 32000, not in IANA's registry");
        assert_eq!(of(29305, 1, "reverseOctetDeltaCount"), "reverse of IE 1, RFC 5103");
        assert_eq!(of(9, 12235, "9.12235"), "enterprise 9, IE 12235");
        assert_eq!(of(0, 33002, "NF_F_FW_EXT_EVENT"), "field type 33002, the vendor's own");
    }
}
