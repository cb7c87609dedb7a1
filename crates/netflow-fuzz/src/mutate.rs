//! Real packets, changed in the ways in which networks, exporters and attackers change them.

use netflow_wire::Message;

use crate::Random;

/// No datagram is longer.
const LONGEST: usize = 65_507;
const NUMBERS: [u16; 14] = [0, 1, 2, 3, 4, 5, 7, 8, 127, 255, 256, 257, 32_768, 65_535];

/// A copy of one of `packets` with a few changes; parts may come from the others.
pub fn mutated(packets: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut packet = one_of(packets, random).to_vec();
    for _ in 0..=random.below(4) {
        change(&mut packet, packets, random);
    }
    packet.truncate(LONGEST);
    packet
}

fn one_of<'a>(packets: &'a [Vec<u8>], random: &mut Random) -> &'a [u8] {
    &packets[random.below(packets.len())]
}

/// The same for octets of any format.
pub fn mutated_octets(octets: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = octets.to_vec();
    for _ in 0..=random.below(4) {
        match random.below(4) {
            0 => flip(&mut out, random),
            1 => number(&mut out, random),
            2 => cut(&mut out, random),
            _ => repeat(&mut out, random),
        }
    }
    out
}

fn change(packet: &mut Vec<u8>, packets: &[Vec<u8>], random: &mut Random) {
    match random.below(9) {
        0 => flip(packet, random),
        1 => number(packet, random),
        2 => cut(packet, random),
        3 => repeat(packet, random),
        4 => splice(packet, one_of(packets, random), random),
        5 => set_field(packet, 2, random),
        6 => set_field(packet, 0, random),
        7 => repeat_set(packet, random),
        _ => foreign_set(packet, one_of(packets, random), random),
    }
    // An IPFIX message has its length in its header: half of the time it is right.
    if packet.starts_with(&[0, 10]) && packet.len() >= 16 && random.below(2) == 0 {
        let length = (packet.len().min(65_535) as u16).to_be_bytes();
        packet[2..4].copy_from_slice(&length);
    }
}

fn flip(octets: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(8) {
        let at = random.below(octets.len());
        if let Some(octet) = octets.get_mut(at) {
            *octet ^= 1 << random.below(8);
        }
    }
}

/// Puts a number that is likely to be a limit anywhere.
fn number(octets: &mut [u8], random: &mut Random) {
    let at = random.below(octets.len());
    if let Some(place) = octets.get_mut(at..at + 2) {
        place.copy_from_slice(&random.choose(&NUMBERS).to_be_bytes());
    }
}

fn cut(octets: &mut Vec<u8>, random: &mut Random) {
    octets.truncate(random.below(octets.len() + 1));
}

/// Inserts a part once more.
fn repeat(octets: &mut Vec<u8>, random: &mut Random) {
    let (start, length) = (random.below(octets.len()), 1 + random.below(64));
    let part = octets[start..(start + length).min(octets.len())].to_vec();
    let at = random.below(octets.len() + 1);
    octets.splice(at..at, part);
}

fn splice(packet: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    packet.truncate(random.below(packet.len() + 1));
    packet.extend_from_slice(&other[random.below(other.len())..]);
}

/// Where the sets of a packet start and end, headers included.
fn places(packet: &[u8]) -> Vec<(usize, usize)> {
    let Ok(message) = Message::parse(packet) else { return Vec::new() };
    let sets = message.sets().flatten();
    let places = sets.map(|set| (set.offset + set.body.len() - set.length(), set.offset + set.body.len()));
    places.filter(|(start, end)| end - start >= 4).collect()
}

/// Changes the id (at 0) or the length (at 2) of a set.
fn set_field(packet: &mut [u8], field: usize, random: &mut Random) {
    let places = places(packet);
    if places.is_empty() {
        return;
    }
    let at = random.choose(&places).0 + field;
    let other = random.choose(&places).0 + field;
    let value = match random.below(3) {
        0 => *random.choose(&NUMBERS),
        1 => u16::from_be_bytes([packet[other], packet[other + 1]]),
        _ => u16::from_be_bytes([packet[at], packet[at + 1]])
            .wrapping_add(random.below(9) as u16)
            .wrapping_sub(4),
    };
    packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

fn repeat_set(packet: &mut Vec<u8>, random: &mut Random) {
    let places = places(packet);
    if places.is_empty() {
        return;
    }
    let (start, end) = *random.choose(&places);
    let set = packet[start..end].to_vec();
    for _ in 0..=random.below(16) {
        packet.extend_from_slice(&set);
    }
}

/// Inserts a set of another packet.
fn foreign_set(packet: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let (here, there) = (places(packet), places(other));
    if here.is_empty() || there.is_empty() {
        return;
    }
    let ((at, _), (start, end)) = (*random.choose(&here), *random.choose(&there));
    packet.splice(at..at, other[start..end].iter().copied());
}
