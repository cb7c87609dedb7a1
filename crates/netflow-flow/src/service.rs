//! Names of services.

mod iana;

/// IANA's name of the service on a port of an IP protocol (TCP, UDP and UDP-Lite, SCTP, DCCP).
pub fn service_name(protocol: u8, port: u16) -> Option<&'static str> {
    let table = match protocol {
        6 => iana::TCP,
        // UDP-Lite has no registry of its own: RFC 3828 gives it UDP's ports.
        17 | 136 => iana::UDP,
        132 => iana::SCTP,
        33 => iana::DCCP,
        _ => return None,
    };
    table.binary_search_by_key(&port, |&(port, _)| port).ok().map(|found| table[found].1)
}

/// All ports with a name, and these: those of TCP, then those of UDP, SCTP and DCCP.
pub fn service_names() -> impl Iterator<Item = (u16, &'static str)> {
    [iana::TCP, iana::UDP, iana::SCTP, iana::DCCP].into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        for table in [iana::TCP, iana::UDP, iana::SCTP, iana::DCCP] {
            assert!(table.is_sorted_by(|one, next| one.0 < next.0));
        }
    }

    #[test]
    fn names_are_by_protocol() {
        assert_eq!(service_name(6, 22), Some("ssh"));
        assert_eq!(service_name(17, 53), Some("domain"));
        assert_eq!(service_name(136, 53), Some("domain"));
        assert_eq!(service_name(132, 4_739), Some("ipfix"));
        assert_eq!(service_name(6, 0), None);
        assert_eq!(service_name(1, 22), None);
        assert!(service_names().any(|service| service == (443, "https")));
    }
}
