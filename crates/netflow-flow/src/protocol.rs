//! Names of IP protocols.

mod names;

/// IANA's keyword for an IP protocol number: 6 is `TCP`.
pub fn protocol_name(number: u8) -> Option<&'static str> {
    let index = names::NAMES.binary_search_by_key(&number, |&(number, _)| number).ok()?;
    Some(names::NAMES[index].1)
}

/// All numbers that have a keyword, in order, and these.
pub fn protocol_names() -> impl Iterator<Item = (u8, &'static str)> {
    names::NAMES.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names() {
        assert_eq!(protocol_name(6), Some("TCP"));
        assert_eq!(protocol_name(58), Some("IPv6-ICMP"));
        assert_eq!(protocol_name(255), None);
    }
}
