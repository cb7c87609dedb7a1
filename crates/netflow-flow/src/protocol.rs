//! Names of IP protocols.

mod names;

/// IANA's keyword for an IP protocol number: 6 is `TCP`.
pub fn protocol_name(number: u8) -> Option<&'static str> {
    let index = names::NAMES.binary_search_by_key(&number, |&(number, _)| number).ok()?;
    Some(names::NAMES[index].1)
}

/// The number of an IP protocol, by IANA's keyword in any case, or as a number.
pub fn protocol_number(name: &str) -> Option<u8> {
    let known = names::NAMES.iter().find(|(_, other)| other.eq_ignore_ascii_case(name));
    known.map(|&(number, _)| number).or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        assert_eq!(protocol_name(6), Some("TCP"));
        assert_eq!(protocol_number("udp"), Some(17));
        assert_eq!(protocol_number("ipv6-icmp"), Some(58));
        assert_eq!(protocol_number("47"), Some(47));
        assert_eq!(protocol_number("nothing"), None);
    }
}
