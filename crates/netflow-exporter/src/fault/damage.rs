//! Damage that a decoder can see.

use netflow_wire::{SetHeader, ipfix, v1, v5, v7, v8, v9};

use crate::random::below;

/// How a packet was damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unreadable,
    Cut,
    Overstated,
}

/// Octets of a set header.
const SET_HEADER: usize = SetHeader::LEN;
/// What a length or a count says too much: more than any datagram has room for.
const TOO_MUCH: u16 = 0x7000;

/// Damages a packet by random bits. A change of any octet could pass for data, so these are of lengths and of the
/// version.
pub(super) fn damage(packet: &mut Vec<u8>, bits: u64) -> Kind {
    match (below(bits as u32, 3), data(packet)) {
        (1, Some(data)) => {
            // At least one octet of what the packet says that it has is missing.
            let kept = below((bits >> 32) as u32, (data.end - data.start) as u32) as usize;
            packet.truncate(data.start + kept);
            Kind::Cut
        }
        (2, Some(data)) => {
            for octet in &mut packet[data.length_at..data.length_at + 1] {
                *octet |= (TOO_MUCH >> 8) as u8;
            }
            Kind::Overstated
        }
        _ => {
            // 9 becomes 249; there are no versions beyond 10.
            if let Some(version) = packet.get_mut(1) {
                *version |= 0xf0;
            }
            Kind::Unreadable
        }
    }
}

/// The last data of a packet, of which something can be taken away.
struct Data {
    /// Where they start, and where they end.
    start: usize,
    end: usize,
    /// Where their number or length is said, in two octets.
    length_at: usize,
}

fn data(packet: &[u8]) -> Option<Data> {
    let version = u16::from_be_bytes(*packet.first_chunk()?);
    let header = match version {
        v1::VERSION => v1::HEADER_LEN,
        v5::VERSION => v5::HEADER_LEN,
        v7::VERSION => v7::HEADER_LEN,
        v8::VERSION => v8::HEADER_LEN,
        v9::VERSION => return last_set(packet, v9::HEADER_LEN),
        ipfix::VERSION => return last_set(packet, ipfix::HEADER_LEN),
        _ => return None,
    };
    (packet.len() > header).then_some(Data { start: header, end: packet.len(), length_at: 2 })
}

/// The octets of the last set, without its header.
fn last_set(packet: &[u8], header: usize) -> Option<Data> {
    let mut last = None;
    let mut at = header;
    while let Some(&length) = packet.get(at + 2..).and_then(<[u8]>::first_chunk) {
        let length = usize::from(u16::from_be_bytes(length));
        if length < SET_HEADER || at + length > packet.len() {
            break;
        }
        if length > SET_HEADER {
            last = Some(Data { start: at + SET_HEADER, end: at + length, length_at: at + 2 });
        }
        at += length;
    }
    last
}

#[cfg(test)]
mod tests {
    use netflow_wire::{Header, Message, MessageEncoder};

    use super::*;

    fn v9_packet() -> Vec<u8> {
        let mut encoder = MessageEncoder::new(Header::V9(v9::Header::default()));
        encoder.begin_set(256).octets(&[1; 40]).begin_set(257).octets(&[2; 20]);
        encoder.finish()
    }

    #[test]
    fn all_kinds_of_damage_come_up_and_show() {
        let mut seen = [0; 3];
        for bits in (0..1_000u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let whole = v9_packet();
            let mut packet = whole.clone();
            let kind = damage(&mut packet, bits);
            seen[kind as usize] += 1;
            match kind {
                Kind::Unreadable => assert!(Message::parse(&packet).is_err()),
                Kind::Cut => assert!((whole.len() - 20..whole.len()).contains(&packet.len())),
                Kind::Overstated => {
                    assert_eq!(
                        (packet[..66].to_vec(), packet[67..].to_vec()),
                        (whole[..66].to_vec(), whole[67..].to_vec())
                    );
                    assert!(packet[66] >= 0x70);
                }
            }
        }
        assert!(seen.iter().all(|&times| times > 250), "{seen:?}");
    }

    #[test]
    fn packets_without_data_are_made_unreadable() {
        for length in 0..16 {
            let mut packet = vec![0; length];
            assert_eq!(damage(&mut packet, 0xffff_ffff), Kind::Unreadable);
        }
    }
}
