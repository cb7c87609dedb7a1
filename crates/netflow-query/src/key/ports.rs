//! Which of two ports names the service.

/// Ports that are known as those of services, by protocol.
#[derive(Clone, PartialEq, Eq)]
pub struct Ports {
    /// TCP, UDP, all others: a bit for each port.
    known: [Box<[u64; 1024]>; 3],
}

impl Ports {
    /// The ports of which `is_known` says so, given the protocol: 6, 17, or 132 for all others that have ports.
    pub fn new(mut is_known: impl FnMut(u8, u16) -> bool) -> Self {
        let known = [6, 17, 132].map(|protocol| {
            let mut bits = Box::new([0; 1024]);
            for port in 0..=u16::MAX {
                bits[usize::from(port / 64)] |= u64::from(is_known(protocol, port)) << (port % 64);
            }
            bits
        });
        Self { known }
    }

    /// The port of a flow's service: the one that is known if one is, else the smaller one.
    #[inline]
    pub fn service(&self, protocol: u8, source: u16, destination: u16) -> u16 {
        let known = match protocol {
            6 => &self.known[0],
            17 => &self.known[1],
            _ => &self.known[2],
        };
        let is_known = |port: u16| known[usize::from(port / 64)] >> (port % 64) & 1 == 1;
        match (is_known(source), is_known(destination)) {
            (true, false) => source,
            (false, true) => destination,
            _ => source.min(destination),
        }
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}
