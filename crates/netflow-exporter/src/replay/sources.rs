//! Which address of this machine stands for which exporter.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

/// Which address of this machine packets of an exporter are sent from.
///
/// Exporters take the addresses in turn that the user gave. Without any, and to a target in 127.0.0.0/8, all of which
/// is this machine, each exporter has an address of its own: 192.0.2.17 is sent from 127.0.2.17, or from a
/// following address if another exporter has that, and an address in 127.0.0.0/8 from itself. To other targets the
/// system chooses the address, and exporters differ in their ports alone.
///
/// ```
/// use netflow_exporter::replay::Sources;
///
/// let mut sources = Sources::new("127.0.0.1".parse()?, Vec::new());
/// assert_eq!(sources.source("192.0.2.17".parse()?), Some("127.0.2.17".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sources {
    target: IpAddr,
    given: Vec<IpAddr>,
    known: HashMap<IpAddr, Option<IpAddr>>,
    taken: HashSet<Ipv4Addr>,
}

impl Sources {
    /// Sources of packets to a target.
    #[must_use]
    pub fn new(target: IpAddr, given: Vec<IpAddr>) -> Self {
        Self { target, given, known: HashMap::new(), taken: HashSet::new() }
    }

    /// The address to send from, always the same for the same exporter; none: the system's choice.
    pub fn source(&mut self, exporter: IpAddr) -> Option<IpAddr> {
        if let Some(known) = self.known.get(&exporter) {
            return *known;
        }
        let source = match (self.given.as_slice(), self.target) {
            (given @ [_, ..], _) => Some(given[self.known.len() % given.len()]),
            // Nobody knows who it was.
            _ if exporter.is_unspecified() => None,
            (_, IpAddr::V4(target)) if target.is_loopback() => Some(self.loopback(exporter).into()),
            _ => None,
        };
        self.known.insert(exporter, source);
        source
    }

    /// An address of 127.0.0.0/8 that no other exporter has.
    fn loopback(&mut self, exporter: IpAddr) -> Ipv4Addr {
        let last = match exporter {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let free = (0..=HOSTS)
            .map(|step| (last as u32).wrapping_add(step) & HOSTS)
            // The first and the last address of a network are no hosts.
            .filter(|host| (1..HOSTS).contains(host))
            .map(|host| Ipv4Addr::from_bits(LOOPBACK | host))
            .find(|address| !self.taken.contains(address));
        // Sixteen million exporters are more than there are sockets.
        let address = free.unwrap_or(Ipv4Addr::LOCALHOST);
        self.taken.insert(address);
        address
    }
}

/// 127.0.0.0, and the bits that tell hosts there apart.
const LOOPBACK: u32 = 127 << 24;
const HOSTS: u32 = (1 << 24) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// Where exporters are sent from, as text; `-` for the system's choice.
    fn sources<const N: usize>(target: &str, given: &[&str], exporters: [&str; N]) -> [String; N] {
        let given = given.iter().map(|address| address.parse().unwrap()).collect();
        let mut sources = Sources::new(target.parse().unwrap(), given);
        exporters.map(|exporter| {
            let source = sources.source(exporter.parse().unwrap());
            source.map_or("-".to_owned(), |source| source.to_string())
        })
    }

    #[test]
    fn on_loopback_every_exporter_has_an_address_of_its_own() {
        let exporters = ["192.0.2.17", "198.0.2.17", "127.0.0.1", "192.0.2.17", "2001:db8::1", "10.0.0.0"];
        assert_eq!(
            sources("127.0.0.1", &[], exporters),
            ["127.0.2.17", "127.0.2.18", "127.0.0.1", "127.0.2.17", "127.0.0.2", "127.0.0.3"]
        );
        assert_eq!(sources("127.0.0.1", &[], ["10.255.255.255"]), ["127.0.0.1"]);
        // An exporter that is not known has no address.
        assert_eq!(sources("127.0.0.1", &[], ["0.0.0.0"]), ["-"]);
    }

    #[test]
    fn elsewhere_the_system_chooses() {
        assert_eq!(sources("192.0.2.1", &[], ["192.0.2.17", "127.0.0.1"]), ["-", "-"]);
        assert_eq!(sources("::1", &[], ["192.0.2.17", "2001:db8::1"]), ["-", "-"]);
    }

    #[test]
    fn given_addresses_are_taken_in_turn() {
        let given = ["192.0.2.8", "192.0.2.9"];
        assert_eq!(
            sources("192.0.2.1", &given, ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.3"]),
            ["192.0.2.8", "192.0.2.9", "192.0.2.8", "192.0.2.8"]
        );
    }
}
