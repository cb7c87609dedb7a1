//! Addresses as texts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

/// The text of an address, as [`IpAddr`] has it (for IPv6 that of RFC 5952), made without the formatting machinery: files
/// have millions of them.
///
/// ```
/// # use netflow_flow::AddressText;
/// assert_eq!(&*AddressText::of([192, 0, 2, 10].into()), "192.0.2.10");
/// assert_eq!(&*AddressText::of([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()), "2001:db8::1");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AddressText {
    octets: [u8; 39],
    length: usize,
}

impl AddressText {
    /// The text of an address.
    pub fn of(address: IpAddr) -> Self {
        let mut text = Self { octets: [0; 39], length: 0 };
        match address {
            IpAddr::V4(address) => text.push_v4(address),
            IpAddr::V6(address) => text.push_v6(address),
        }
        text
    }

    #[inline]
    fn push(&mut self, character: u8) {
        self.octets[self.length] = character;
        self.length += 1;
    }

    fn push_v4(&mut self, address: Ipv4Addr) {
        for (index, octet) in address.octets().into_iter().enumerate() {
            if index > 0 {
                self.push(b'.');
            }
            if octet >= 100 {
                self.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                self.push(b'0' + octet / 10 % 10);
            }
            self.push(b'0' + octet % 10);
        }
    }

    fn push_v6(&mut self, address: Ipv6Addr) {
        if let Some(mapped) = address.to_ipv4_mapped() {
            b"::ffff:".iter().for_each(|character| self.push(*character));
            return self.push_v4(mapped);
        }
        let groups = address.segments();
        let (gap, behind) = longest_zeros(&groups);
        let mut at = 0;
        while at < groups.len() {
            if at == gap && behind > gap {
                self.push(b':');
                self.push(b':');
                at = behind;
                continue;
            }
            if at > 0 && at != behind {
                self.push(b':');
            }
            self.push_group(groups[at]);
            at += 1;
        }
    }

    fn push_group(&mut self, group: u16) {
        for shift in [12, 8, 4, 0] {
            if shift == 0 || group >> shift > 0 {
                self.push(b"0123456789abcdef"[usize::from(group >> shift & 15)]);
            }
        }
    }
}

/// The first of the longest runs of zeros, and what is behind it; nothing where none is longer than one.
fn longest_zeros(groups: &[u16; 8]) -> (usize, usize) {
    let (mut longest, mut start) = ((0, 0), 0);
    for (at, &group) in groups.iter().enumerate() {
        if group != 0 {
            start = at + 1;
        } else if at + 1 - start > (longest.1 - longest.0).max(1) {
            longest = (start, at + 1);
        }
    }
    longest
}

impl Deref for AddressText {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.octets[..self.length]).unwrap_or_default()
    }
}

/// The address that a text is, in any form that [`IpAddr`] is read from, but in a fraction of the time: files have
/// millions of them. `None` when it is none.
///
/// ```
/// # use netflow_flow::parse_address;
/// assert_eq!(parse_address("2001:db8::1"), "2001:db8::1".parse().ok());
/// assert_eq!(parse_address("192.0.2.256"), None);
/// ```
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let octets = text.as_bytes();
    // An IPv6 address with an IPv4 address at its end is left to the standard library.
    let known = ipv4(octets).map(IpAddr::V4).or_else(|| ipv6(octets).map(IpAddr::V6));
    known.or_else(|| text.parse().ok())
}

fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut address, mut octet, mut digits, mut dots) = (0_u32, 0_u32, 0, 0);
    for &character in text {
        match character {
            b'0'..=b'9' => {
                octet = octet * 10 + u32::from(character - b'0');
                digits += 1;
                // A zero in front may mean that it is octal.
                if digits > 3 || octet > 255 || (digits > 1 && octet < 10) {
                    return None;
                }
            }
            b'.' if digits > 0 => {
                address = address << 8 | octet;
                dots += 1;
                (octet, digits) = (0, 0);
            }
            _ => return None,
        }
    }
    (dots == 3 && digits > 0).then(|| (address << 8 | octet).into())
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let (mut groups, mut count, mut gap) = ([0_u16; 8], 0, None);
    let (mut group, mut digits) = (0_u16, 0);
    let mut rest = text;
    if let Some(behind) = text.strip_prefix(b"::") {
        (gap, rest) = (Some(0), behind);
    }
    while let Some((&character, behind)) = rest.split_first() {
        rest = behind;
        if let Some(digit) = char::from(character).to_digit(16) {
            digits += 1;
            if digits > 4 {
                return None;
            }
            group = group << 4 | digit as u16;
            continue;
        }
        if character != b':' || digits == 0 {
            return None;
        }
        *groups.get_mut(count)? = group;
        count += 1;
        (group, digits) = (0, 0);
        match rest.strip_prefix(b":") {
            Some(_) if gap.is_some() => return None,
            Some(behind) => (gap, rest) = (Some(count), behind),
            None if rest.is_empty() => return None,
            None => {}
        }
    }
    if digits > 0 {
        *groups.get_mut(count)? = group;
        count += 1;
    }
    match gap {
        // It stands for at least one group.
        Some(gap) if count < 8 => {
            groups.copy_within(gap..count, 8 - (count - gap));
            groups[gap..8 - (count - gap)].fill(0);
        }
        None if count == 8 => {}
        _ => return None,
    }
    Some(groups.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_addresses_are_those_of_the_standard_library() {
        let v4 = (0..=u32::MAX).step_by(99_991).chain([0, 9, 10, 99, 100, 255, 256, u32::MAX]);
        let v4 = v4.map(|number| IpAddr::V4(Ipv4Addr::from_bits(number)));
        // All ways in which groups are zero or not, with groups of one to four digits.
        let v6 = (0..=0xff_u8).flat_map(|zeros| {
            [0x1, 0xab, 0x0cd0, 0xffff].map(|group| {
                let groups: [u16; 8] = std::array::from_fn(|at| if zeros >> at & 1 == 1 { 0 } else { group });
                IpAddr::V6(groups.into())
            })
        });
        let others = ["::ffff:192.0.2.1", "::ffff:0:0", "::fffe:1:2", "::192.0.2.1", "64:ff9b::1:2"];
        for address in v4.chain(v6).chain(others.iter().filter_map(|text| text.parse().ok())) {
            assert_eq!(*AddressText::of(address), address.to_string());
        }
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_does() {
        let good = [
            "0.0.0.0",
            "192.0.2.1",
            "255.255.255.255",
            "10.200.30.4",
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "2001:DB8:0:0:1::1",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ];
        for text in good {
            let own = ipv4(text.as_bytes()).map(IpAddr::V4).or(ipv6(text.as_bytes()).map(IpAddr::V6));
            assert_eq!(own, text.parse().ok(), "{text}");
        }
        assert_eq!(parse_address("::ffff:192.0.2.1"), "::ffff:192.0.2.1".parse().ok());
        for text in ["", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", ".1.2.3", "1..2.3", "256.1.1.1"] {
            assert_eq!(parse_address(text), None, "{text}");
        }
        for text in ["1.2.3.4567", ":", ":::", "1:", "::1:", "1::2::3", "12345::", "1:2:3:4:5:6:7:8:9", "g::"]
        {
            assert_eq!(parse_address(text), None, "{text}");
        }
        for text in ["1:2:3:4:5:6:7", "1:2:3:4::5:6:7:8", "::1:2:3:4:5:6:7:8", "fe80::1%eth0", "01.2.3.4"] {
            assert_eq!(parse_address(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn any_text_is_read_as_the_standard_library_does() {
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let parts = [":", "::", ".", "0", "1", "a", "F", "ffff", "12", "255", "::", ":"];
        let mut good = 0;
        for _ in 0..200_000 {
            let text: String = (0..random(16)).map(|_| parts[random(parts.len())]).collect();
            let expected = text.parse::<IpAddr>().ok();
            let own = ipv4(text.as_bytes()).map(IpAddr::V4).or(ipv6(text.as_bytes()).map(IpAddr::V6));
            assert_eq!(parse_address(&text), expected, "{text}");
            assert!(own.is_none() || own == expected, "{text}");
            good += u32::from(own.is_some());
        }
        assert!(good > 100, "{good}");
    }
}
