//! Who talks: hosts within a network and outside of it, and how they are routed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::alias::Alias;
use super::service::{SERVICES, Service};

/// Most hosts that there are addresses for.
pub const MAX_HOSTS: u32 = 1 << 17;
/// Interfaces towards the network's hosts, from ifIndex 1.
const ACCESS_INTERFACES: u32 = 24;
/// Interfaces towards the outside, from [`FIRST_UPLINK`].
const UPLINKS: u32 = 4;
const FIRST_UPLINK: u32 = 101;

/// A host, and what a router knows of the way to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    /// Its autonomous system; 0 within the network itself.
    pub(super) asn: u32,
    /// ifIndex of the interface towards it.
    pub(super) interface: u32,
    pub(super) vlan: u16,
    mask_v4: u8,
    mask_v6: u8,
    /// Last octet of the next hop's address; 0 for hosts that are attached.
    gateway: u8,
}

impl Host {
    #[inline(always)]
    pub(super) fn address(&self, v6: bool) -> IpAddr {
        if v6 { IpAddr::V6(self.v6) } else { IpAddr::V4(self.v4) }
    }

    #[inline(always)]
    pub(super) fn mask(&self, v6: bool) -> u8 {
        if v6 { self.mask_v6 } else { self.mask_v4 }
    }

    /// Address of the next hop towards it; zeros when it is attached.
    #[inline(always)]
    pub(super) fn next_hop(&self, v6: bool) -> IpAddr {
        match (v6, self.gateway) {
            (false, 0) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            (false, gateway) => IpAddr::V4(Ipv4Addr::new(192, 0, 2, gateway)),
            (true, 0) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            (true, gateway) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, u16::from(gateway))),
        }
    }
}

/// All hosts, and how popular they are.
#[derive(Debug)]
pub(super) struct World {
    inside: Vec<Host>,
    outside: Vec<Host>,
    inside_popularity: Alias,
    outside_popularity: Alias,
    services: Alias,
}

impl World {
    /// So many hosts, a quarter of them within the network; four of five conversations are about `spike`, if there
    /// is one.
    pub(super) fn new(hosts: u32, spike: Option<Service>) -> Self {
        let hosts = hosts.clamp(2, MAX_HOSTS);
        let inside = (hosts / 4).max(1);
        let outside = hosts - inside;
        let spike_share = |&service: &Service| match spike {
            Some(spike) if spike == service => 4_000,
            _ => 0,
        };
        let shares = Service::ALL.iter().zip(&SERVICES);
        let shares: Vec<u64> =
            shares.map(|(service, profile)| profile.share + spike_share(service)).collect();
        Self {
            inside: (0..inside).map(inside_host).collect(),
            outside: (0..outside).map(outside_host).collect(),
            inside_popularity: Alias::zipf(inside),
            outside_popularity: Alias::zipf(outside),
            services: Alias::new(&shares),
        }
    }

    #[inline(always)]
    pub(super) fn inside(&self, bits: u32) -> &Host {
        &self.inside[self.inside_popularity.choose(bits) as usize]
    }

    #[inline(always)]
    pub(super) fn outside(&self, bits: u32) -> &Host {
        &self.outside[self.outside_popularity.choose(bits) as usize]
    }

    /// Index of a service.
    #[inline(always)]
    pub(super) fn service(&self, bits: u32) -> usize {
        self.services.choose(bits) as usize
    }
}

/// Names of the interfaces that flows go through, by ifIndex.
pub fn interfaces() -> impl Iterator<Item = (u32, String)> {
    let access = (1..=ACCESS_INTERFACES).map(|port| (port, format!("GigabitEthernet0/0/{}", port - 1)));
    let uplinks = (0..UPLINKS).map(|uplink| (FIRST_UPLINK + uplink, format!("HundredGigE0/1/0/{uplink}")));
    access.chain(uplinks)
}

/// The `rank`th of the network's hosts: 10.0.0.0/8, 2001:db8:1::/48 (RFC 1918, RFC 3849).
fn inside_host(rank: u32) -> Host {
    // Popular hosts are anywhere, not all of them in one subnet.
    let place = scatter(rank);
    let (subnet, host) = (place >> 8, place & 0xff);
    let access = subnet % ACCESS_INTERFACES;
    Host {
        v4: Ipv4Addr::from_bits(10 << 24 | subnet << 8 | host),
        v6: Ipv6Addr::from_bits(0x2001_0db8_0001 << 80 | u128::from(subnet) << 64 | 0x100 | u128::from(host)),
        asn: 0,
        interface: 1 + access,
        vlan: 10 + access as u16,
        mask_v4: 24,
        mask_v6: 64,
        gateway: 0,
    }
}

/// The `rank`th of the others: 198.18.0.0/15, 2001:db8:8000::/33 (RFC 2544, RFC 3849).
fn outside_host(rank: u32) -> Host {
    const AUTONOMOUS_SYSTEMS: u32 = 96;
    let place = scatter(rank);
    // A route is a /22 to /24; all of an autonomous system go over one uplink.
    let block = place >> 10;
    let asn = block % AUTONOMOUS_SYSTEMS;
    let uplink = asn % UPLINKS;
    Host {
        v4: Ipv4Addr::from_bits((198 << 24 | 18 << 16) + place),
        v6: Ipv6Addr::from_bits(
            0x2001_0db8_8000 << 80 | u128::from(block) << 80 | u128::from(place & 0x3ff) << 8 | 1,
        ),
        // Private use (RFC 6996): most of 16 bits, some of 32.
        asn: if asn < 80 { 64_512 + asn } else { 4_200_000_000 + asn },
        interface: FIRST_UPLINK + uplink,
        vlan: 901 + uplink as u16,
        mask_v4: 22 + (asn % 3) as u8,
        mask_v6: 32 + (asn % 17) as u8,
        gateway: 1 + uplink as u8,
    }
}

/// One of [`MAX_HOSTS`] places for each rank, all over the range.
fn scatter(rank: u32) -> u32 {
    rank.wrapping_mul(0x9e35) & (MAX_HOSTS - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_host_has_addresses_of_its_own() {
        let mut seen = HashSet::new();
        for rank in 0..MAX_HOSTS {
            for host in [inside_host(rank), outside_host(rank)] {
                assert!(seen.insert(host.address(false)) && seen.insert(host.address(true)), "{host:?}");
            }
        }
    }

    #[test]
    fn outside_addresses_stay_in_their_blocks() {
        for rank in 0..MAX_HOSTS {
            let host = outside_host(rank);
            let IpAddr::V4(v4) = host.address(false) else { unreachable!("asked for IPv4") };
            assert!(v4.octets()[0] == 198 && matches!(v4.octets()[1], 18 | 19), "{v4}");
            let IpAddr::V6(v6) = host.address(true) else { unreachable!("asked for IPv6") };
            assert!(v6.segments()[..2] == [0x2001, 0xdb8] && v6.segments()[2] >= 0x8000, "{v6}");
        }
    }

    #[test]
    fn every_interface_has_a_name() {
        let named: HashSet<u32> = interfaces().map(|(index, _)| index).collect();
        let hosts = (0..10_000).flat_map(|rank| [inside_host(rank), outside_host(rank)]);
        assert!(hosts.into_iter().all(|host| named.contains(&host.interface)));
    }

    #[test]
    fn autonomous_systems_need_16_bits_or_32() {
        let systems: HashSet<u32> = (0..10_000).map(|rank| outside_host(rank).asn).collect();
        assert!(systems.iter().any(|&asn| asn > 0xffff) && systems.iter().any(|&asn| asn <= 0xffff));
    }
}
