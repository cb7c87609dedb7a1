//! Made-up traffic: the same connections for every corpus, from integers alone, so that every machine
//! makes the very same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A generator of numbers that are even enough for made-up traffic (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// A number from 1 with a long tail: every doubling is half as likely, up to `2^octaves`.
    fn tailed(&mut self, octaves: u32) -> u64 {
        let octave = self.number().leading_zeros().min(octaves);
        (1 << octave) + self.below(1 << octave)
    }

    /// An index below `end`, of which the low ones come up much more often.
    fn popular(&mut self, end: u64) -> u64 {
        let (a, b) = (self.below(1 << 20), self.below(1 << 20));
        (((a * b) >> 20) * end) >> 20
    }
}

/// What a flow record says.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) proto: u8,
    pub(crate) tcp_flags: u8,
    pub(crate) tos: u8,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    /// Milliseconds since the start of the traffic.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) in_if: u32,
    pub(crate) out_if: u32,
    pub(crate) src_as: u32,
    pub(crate) dst_as: u32,
    pub(crate) src_mask: u8,
    pub(crate) dst_mask: u8,
    pub(crate) vlan: u16,
    pub(crate) end_reason: u8,
    pub(crate) application: &'static str,
    pub(crate) host: u32,
}

/// Both directions of a connection, as one exporter saw it; scans have one.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) exporter: usize,
    pub(crate) there: Record,
    pub(crate) back: Option<Record>,
}

/// A service: its protocol, its port, how many of a thousand connections are for it, its name.
struct Service(u8, u16, u64, &'static str);

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP_V6: u8 = 58;

const SERVICES: &[Service] = &[
    Service(TCP, 443, 480, "https"),
    Service(UDP, 53, 180, "dns"),
    Service(UDP, 443, 100, "quic"),
    Service(TCP, 80, 90, "http"),
    Service(TCP, 22, 40, "ssh"),
    Service(UDP, 123, 30, "ntp"),
    Service(ICMP, 0, 20, "icmp"),
    Service(TCP, 25, 20, "smtp"),
    Service(TCP, 993, 20, "imaps"),
    Service(TCP, 5432, 10, "postgresql"),
    Service(UDP, 51820, 10, "wireguard"),
];

/// Exporters that the traffic goes through.
pub(crate) const EXPORTERS: usize = 6;

/// Endless traffic.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    random: Random,
    /// IPv6 connections of a hundred.
    v6_share: u64,
    /// Microseconds since the start of the traffic.
    now: u64,
}

/// Room for the longest flow before the first one ends, in milliseconds.
const LEAD: u64 = 2_000_000;

impl Traffic {
    pub(crate) fn new(seed: u64, v6_share: u64) -> Self {
        Self { random: Random::new(seed), v6_share, now: LEAD * 1_000 }
    }

    fn service(&mut self) -> &'static Service {
        let mut at = self.random.below(SERVICES.iter().map(|service| service.2).sum());
        let found = SERVICES.iter().find(|service| {
            let hit = at < service.2;
            at = at.wrapping_sub(service.2);
            hit
        });
        found.unwrap_or(&SERVICES[0])
    }

    fn connection(&mut self) -> Connection {
        // Ten thousand records a second.
        self.now += 200;
        let v6 = self.random.percent(self.v6_share);
        let &Service(proto, port, _, application) = self.service();
        let proto = if proto == ICMP && v6 { ICMP_V6 } else { proto };
        let random = &mut self.random;
        let (client, server) = (random.popular(8_000), random.popular(60_000));
        let scan = proto == TCP && random.percent(3);
        let packets = match proto {
            TCP if scan => 1,
            TCP => 4 + random.tailed(20),
            ICMP | ICMP_V6 => random.tailed(6),
            _ if port == 53 || port == 123 => 1,
            _ => random.tailed(18),
        };
        let octaves = 1 + random.below(20);
        let duration = if packets == 1 { random.below(60) } else { random.below(1 << octaves) };
        let end = self.now / 1_000 - random.below(900);
        let icmp = proto == ICMP || proto == ICMP_V6;
        let tcp_flags = match proto {
            TCP if scan => 0x02,
            TCP if random.percent(85) => 0x1b,
            TCP => 0x16,
            _ => 0,
        };
        let there = Record {
            src: client_address(client, v6),
            dst: server_address(server, v6),
            src_port: if icmp { 0 } else { 32_768 + random.below(28_232) as u16 },
            // Of ICMP, the type and code: an echo request.
            dst_port: match proto {
                ICMP => 0x0800,
                ICMP_V6 => 0x8000,
                _ => port,
            },
            proto,
            tcp_flags,
            tos: if random.percent(10) { 0x28 } else { 0 },
            packets,
            octets: packets * (52 + random.below(90)),
            start: end - duration,
            end,
            in_if: 1 + (client % 24) as u32,
            out_if: 100 + (server % 4) as u32,
            src_as: 64_512 + (client % 4) as u32,
            // Those beyond 16 bits, too.
            dst_as: if server % 3 == 0 { 131_072 + server as u32 } else { 1_000 + server as u32 },
            src_mask: if v6 { 64 } else { 24 },
            dst_mask: if v6 { 48 } else { 24 },
            vlan: 10 + (client % 8) as u16,
            end_reason: if tcp_flags & 1 != 0 { 3 } else { 1 },
            application,
            host: (server as u32).wrapping_mul(0x9e37_79b1) >> (server % 3 * 8),
        };
        let answered = packets + random.below(packets);
        let per_packet = 300 + random.below(1_150);
        let back = (!scan).then(|| Record {
            src: there.dst,
            dst: there.src,
            src_port: if icmp { 0 } else { there.dst_port },
            dst_port: match proto {
                ICMP => 0,
                ICMP_V6 => 0x8100,
                _ => there.src_port,
            },
            packets: answered,
            octets: answered * per_packet,
            in_if: there.out_if,
            out_if: there.in_if,
            src_as: there.dst_as,
            dst_as: there.src_as,
            src_mask: there.dst_mask,
            dst_mask: there.src_mask,
            ..there.clone()
        });
        let exporter = random.popular(EXPORTERS as u64) as usize;
        Connection { exporter, there, back }
    }
}

impl Iterator for Traffic {
    type Item = Connection;

    fn next(&mut self) -> Option<Connection> {
        Some(self.connection())
    }
}

fn client_address(client: u64, v6: bool) -> IpAddr {
    let (net, host) = (client % 64, client / 64);
    if v6 {
        let low = Random::new(client).number();
        Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(net) << 72 | u128::from(low)).into()
    } else {
        Ipv4Addr::new(10, net as u8, 0, host as u8 + 1).into()
    }
}

fn server_address(server: u64, v6: bool) -> IpAddr {
    let (net, host) = (server % 4_000, server / 4_000);
    if v6 {
        Ipv6Addr::from_bits(0x2001_0db8_8000 << 80 | u128::from(net) << 64 | u128::from(host + 1)).into()
    } else {
        Ipv4Addr::new(100, 64 + (net >> 8) as u8, net as u8, host as u8 + 1).into()
    }
}
