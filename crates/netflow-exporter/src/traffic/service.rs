//! What hosts talk about: services, and how much is said in each.

/// What the conversations of a service are like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile {
    pub(super) proto: u8,
    /// The server's port; 0 for protocols without ports.
    pub(super) port: u16,
    /// Conversations of a thousand.
    pub(super) share: u64,
    /// Packets from the client.
    pub(super) packets: Spread,
    /// Packets from the server for 256 of the client's.
    pub(super) answered: u16,
    /// Octets in a packet from the client, the least and the most.
    pub(super) request: (u16, u16),
    /// The same from the server.
    pub(super) answer: (u16, u16),
    /// How long it takes, in milliseconds.
    pub(super) millis: Spread,
}

/// Sizes that are log-normal, nearly: the logarithm of base 2 is a sum of four even numbers. In 1/256 octaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    /// The middle.
    median: u16,
    /// From the middle to the end on either side, which is 3.5 standard deviations.
    reach: u16,
}

const fn spread(median: u16, reach: u16) -> Spread {
    Spread { median, reach }
}

impl Spread {
    /// A size from 64 random bits.
    #[inline(always)]
    pub(super) fn draw(self, bits: u64) -> u64 {
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        let from_middle = (sum as i64 - 0x1_fffe) * i64::from(self.reach);
        // Two to the power of the whole octaves; within one, on a straight line.
        let octaves = (i64::from(self.median) + (from_middle >> 17)).max(0) as u64;
        ((256 + (octaves & 255)) << (octaves >> 8)) >> 8
    }
}

/// The protocols here, by IANA's numbers.
pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP_V6: u8 = 58;

/// Declares the services that can be asked for by name.
macro_rules! services {
    ($( $(#[$doc:meta])* $variant:ident $name:literal: $proto:ident $port:literal, $share:literal,
        $packets:expr, $answered:literal, $request:expr, $answer:expr, $millis:expr; )*) => {
        /// A service that can be made to spike.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Service { $( $(#[$doc])* $variant ),* }

        impl Service {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$variant ),*];

            /// Its name on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name ),* }
            }
        }

        /// The services, in the order of [`Service::ALL`].
        pub(super) const SERVICES: [Profile; Service::ALL.len()] = [$( Profile {
            proto: $proto,
            port: $port,
            share: $share,
            packets: $packets,
            answered: $answered,
            request: $request,
            answer: $answer,
            millis: $millis,
        } ),*];
    };
}

// Shares and sizes are of the order that campus and provider networks publish; nobody should rely on them.
services! {
    /// HTTP over TLS, TCP port 443.
    Https "https": TCP 443, 450, spread(1024, 1400), 300, (52, 400), (200, 1460), spread(2300, 1400);
    /// DNS, UDP port 53.
    Dns "dns": UDP 53, 180, spread(0, 256), 256, (56, 90), (80, 480), spread(1200, 800);
    /// QUIC, UDP port 443.
    Quic "quic": UDP 443, 90, spread(1024, 1400), 320, (60, 500), (200, 1350), spread(2300, 1400);
    /// HTTP, TCP port 80.
    Http "http": TCP 80, 80, spread(900, 1200), 290, (52, 500), (200, 1460), spread(2000, 1200);
    /// SSH, TCP port 22.
    Ssh "ssh": TCP 22, 30, spread(1400, 1500), 230, (60, 200), (60, 300), spread(3000, 1200);
    /// NTP, UDP port 123.
    Ntp "ntp": UDP 123, 30, spread(0, 200), 256, (76, 76), (76, 76), spread(1300, 700);
    /// SNMP, UDP port 161.
    Snmp "snmp": UDP 161, 25, spread(300, 900), 256, (80, 140), (90, 600), spread(1500, 900);
    /// ICMP and ICMPv6: echoes.
    Icmp "icmp": ICMP 0, 25, spread(300, 900), 250, (84, 98), (84, 98), spread(2200, 1000);
    /// Mail over TLS, TCP port 993.
    Imaps "imaps": TCP 993, 20, spread(1100, 1200), 270, (60, 180), (80, 900), spread(2600, 1300);
    /// MySQL, TCP port 3306.
    Mysql "mysql": TCP 3306, 20, spread(1200, 1300), 260, (60, 300), (80, 1200), spread(2200, 1200);
    /// FTP, TCP port 21.
    Ftp "ftp": TCP 21, 10, spread(1000, 800), 250, (54, 90), (60, 160), spread(2600, 1000);
    /// HTTP over TLS on its second port, TCP port 8443.
    HttpsAlt "https_alt": TCP 8443, 15, spread(1024, 1300), 300, (52, 400), (200, 1460), spread(2300, 1300);
    /// Peers that share files, TCP port 6346 (Gnutella).
    P2p "p2p": TCP 6346, 10, spread(1300, 1500), 280, (60, 1400), (60, 1460), spread(3200, 1100);
    /// BitTorrent, TCP port 6881.
    Bittorrent "bittorrent": TCP 6881, 15, spread(1400, 1600), 300, (60, 1400), (60, 1460), spread(3200, 1100);
}

impl std::str::FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|service| service.as_str() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|service| service.as_str()).collect();
            format!("no service {text}: there are {}", names.join(", "))
        })
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn shares_are_of_a_thousand() {
        assert_eq!(SERVICES.iter().map(|profile| profile.share).sum::<u64>(), 1_000);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for &service in Service::ALL {
            assert_eq!(service.to_string().parse(), Ok(service));
        }
        assert!("telnet".parse::<Service>().unwrap_err().contains("bittorrent"));
    }

    #[test]
    fn sizes_are_around_the_median_with_a_long_tail() {
        let mut random = Random::new(5, 0);
        let mut sizes: Vec<u64> = (0..10_001).map(|_| spread(1024, 1400).draw(random.number())).collect();
        sizes.sort_unstable();
        assert!((15..=17).contains(&sizes[5_000]), "{}", sizes[5_000]);
        let mean = sizes.iter().sum::<u64>() / 10_001;
        assert!(mean > 20, "{mean}");
        assert!(sizes[0] >= 1 && sizes[10_000] > 200, "{} {}", sizes[0], sizes[10_000]);
    }
}
