//! Network frames that were given as hex: the export packet in them.

use std::net::SocketAddr;

use netflow_capture::CaptureReader;

/// Link types that a frame is tried as, by their number in capture files: raw IP (what `tcpdump -x` prints),
/// Ethernet, Linux cooked captures (`tcpdump -i any -xx`), BSD loopback.
const LINKS: [(u32, &str); 5] = [
    (101, "IP"),
    (1, "Ethernet and IP"),
    (113, "Linux SLL and IP"),
    (276, "Linux SLL2 and IP"),
    (0, "loopback and IP"),
];

/// The export packet in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unwrapped {
    /// Sender and receiver.
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// The export packet.
    pub(crate) payload: Vec<u8>,
    /// What was before it, such as `Ethernet and IP`.
    pub(crate) link: &'static str,
    /// The frame ends before its packet does.
    pub(crate) truncated: bool,
}

/// Recognises a frame with an IP packet with a UDP (or TCP) payload; `None` for octets that are none.
pub(crate) fn unwrap(frame: &[u8]) -> Option<Unwrapped> {
    LINKS.into_iter().find_map(|(link_type, link)| {
        let capture = capture_of(link_type, frame);
        let mut reader = CaptureReader::new(capture.as_slice()).ok()?;
        let datagram = reader.next_datagram().ok()??;
        Some(Unwrapped {
            source: datagram.source,
            destination: datagram.destination,
            payload: datagram.payload.to_vec(),
            link,
            truncated: datagram.truncated,
        })
    })
}

/// A pcap file of one frame.
fn capture_of(link_type: u32, frame: &[u8]) -> Vec<u8> {
    let mut capture = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let length = (frame.len() as u32).to_le_bytes();
    for word in [length, link_type.to_le_bytes(), [0; 4], [0; 4], length, length] {
        capture.extend(word);
    }
    capture.extend(frame);
    capture
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: [u8; 6] = [0, 9, 0, 0, 1, 2];

    /// An IPv4 packet with a UDP payload.
    fn ipv4() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 34, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        packet.extend([0x12, 0x34, 8, 7, 0, 14, 0, 0]);
        packet.extend(PAYLOAD);
        packet
    }

    #[test]
    fn a_packet_is_found_behind_the_headers_of_every_link() {
        let ipv6 = [
            &[0x60, 0, 0, 0, 0, 14, 17, 64][..],
            &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            &ipv4()[20..],
        ];
        let vlan = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0, 5, 8, 0];
        let sll = [0, 0, 0, 1, 0, 6, 0, 1, 2, 3, 4, 5, 0, 0, 8, 0];
        let sll2 = [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 0, 1, 2, 3, 4, 5, 0, 0];
        for (frame, link, sender) in [
            (ipv4(), "IP", "192.0.2.1:4660"),
            (ipv6.concat(), "IP", "[2001:db8::1]:4660"),
            ([&vlan[..], &ipv4()].concat(), "Ethernet and IP", "192.0.2.1:4660"),
            ([&sll[..], &ipv4()].concat(), "Linux SLL and IP", "192.0.2.1:4660"),
            ([&sll2[..], &ipv4()].concat(), "Linux SLL2 and IP", "192.0.2.1:4660"),
            ([&[2, 0, 0, 0][..], &ipv4()].concat(), "loopback and IP", "192.0.2.1:4660"),
        ] {
            let found = unwrap(&frame).unwrap_or_else(|| panic!("{link}"));
            assert_eq!((found.link, found.source.to_string()), (link, sender.to_owned()));
            assert_eq!(found.payload, PAYLOAD);
            assert!(!found.truncated);
            let cut = unwrap(&frame[..frame.len() - 1]).unwrap_or_else(|| panic!("{link}"));
            assert!(cut.truncated && cut.payload == PAYLOAD[..5], "{link}");
        }
    }

    #[test]
    fn export_packets_are_no_frames() {
        for version in [1, 5, 7, 8, 9, 10] {
            for fill in [0, 8, 0x45, 0xff] {
                let packet = [&[0, version][..], &[fill; 200]].concat();
                assert_eq!(unwrap(&packet), None, "{version} {fill}");
            }
        }
        assert_eq!(unwrap(&[]), None);
    }
}
