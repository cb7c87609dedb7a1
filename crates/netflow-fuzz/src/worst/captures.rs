//! Captures.

type Make = fn(usize) -> Vec<u8>;

/// Names and makers.
pub(super) const CAPTURES: &[(&str, Make)] = &[
    ("fragments in order", |size| fragments(size, |at| (1, at))),
    ("fragments in reverse", |size| fragments(size, |at| (1, 8_000 - at % 8_000))),
    ("fragments with gaps", |size| fragments(size, |at| (1, at * 2 % 8_000))),
    ("far fragments of ever new packets", |size| fragments(size, |at| (at as u16, 8_180))),
    ("near fragments of ever new packets", |size| fragments(size, |at| (at as u16, 0))),
    ("fragments of IPv6", |size| pcap((0..size / 80).map(|at| fragment_of_ipv6(at as u16)))),
    ("TCP octets in order", |size| stream(size, |at| at)),
    ("TCP octets in reverse", |size| stream(size, |at| 60_000 - at % 60_000)),
    ("TCP octets with gaps", |size| stream(size, |at| 2 + at * 2)),
    ("one TCP octet, sent again and again", |size| stream(size, |_| 5)),
    ("TCP connections", |size| pcap((0..size / 72).map(|at| tcp(at as u16, 1, &MESSAGE)))),
    ("TCP connections that wait", |size| {
        pcap((0..size / 144).flat_map(|at| [tcp(at as u16, 1, &MESSAGE[..8]), tcp(at as u16, 99, &MESSAGE)]))
    }),
    ("TCP that may be messages anywhere", |size| {
        // After a gap a header is looked for, and every second octet may start one.
        let chunk = [0, 10].repeat(700);
        let first = [tcp(1, 1, &MESSAGE), tcp(1, 5_000, &[0])];
        let rest = (0..size / 1_500).map(|at| tcp(1, 5_001 + at as u32 * 1_400, &chunk));
        pcap(first.into_iter().chain(rest))
    }),
    ("VLAN tags", |size| {
        pcap_of(1, [[&[0; 12][..], &[0x81, 0, 0, 7].repeat(size / 4)].concat()].into_iter())
    }),
    ("IPv6 extension headers", |size| {
        pcap([ipv6(0, &[0, 0, 1, 4, 0, 0, 0, 0].repeat(size / 8))].into_iter())
    }),
    ("pcapng interfaces", |size| pcapng(&block(1, &[1, 0, 0, 0, 0, 0, 0, 0]).repeat(size / 20))),
    ("pcapng sections", |size| section().repeat(size / 28)),
    ("pcapng options", |size| {
        pcapng(&block(1, &[&[1, 0, 0, 0, 0, 0, 0, 0][..], &[1, 0, 0, 0].repeat(size / 4)].concat()))
    }),
    ("pcapng blocks without a meaning", |size| pcapng(&block(99, &[]).repeat(size / 12))),
    ("empty frames", |size| pcap((0..size / 16).map(|_| Vec::new()))),
];

/// An IPFIX message of one data set.
const MESSAGE: [u8; 24] = [0, 10, 0, 24, 0x65, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 1, 0, 0, 8, 1, 2, 3, 4];

fn pcap(packets: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    pcap_of(101, packets)
}

fn pcap_of(link_type: u32, frames: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut out = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    out.extend([0u32, 0, 262_144, link_type].map(u32::to_le_bytes).concat());
    for frame in frames {
        let length = frame.len() as u32;
        out.extend([1_714_564_800, 0, length, length].map(u32::to_le_bytes).concat());
        out.extend(frame);
    }
    out
}

fn ipv4(protocol: u8, id: u16, place: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x45, 0];
    out.extend((payload.len() as u16 + 20).to_be_bytes());
    out.extend([id, place].map(u16::to_be_bytes).concat());
    out.extend([64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    out.extend(payload);
    out
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend([next, 64]);
    for last in [1, 2] {
        out.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    out.extend(payload);
    out
}

/// Fragments of eight octets; of each the identification and the place, in units of eight octets.
fn fragments(size: usize, place: fn(usize) -> (u16, usize)) -> Vec<u8> {
    pcap((0..size / 44).map(|at| {
        let (id, unit) = place(at);
        ipv4(17, id, 0x2000 | unit as u16, &[at as u8; 8])
    }))
}

fn fragment_of_ipv6(at: u16) -> Vec<u8> {
    let place = (at % 8_000) << 3 | 1;
    ipv6(44, &[&[17, 0][..], &place.to_be_bytes(), &[0, 0, 0, 1], &[at as u8; 8]].concat())
}

fn tcp(port: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = [port, 4739].map(u16::to_be_bytes).concat();
    out.extend(sequence.to_be_bytes());
    out.extend([0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend(payload);
    ipv4(6, 1, 0, &out)
}

/// A message that begins a stream, then one octet at each place.
fn stream(size: usize, place: fn(usize) -> usize) -> Vec<u8> {
    let octets = (0..size / 57).map(|at| tcp(1, 25 + place(at) as u32, &[at as u8]));
    pcap([tcp(1, 1, &MESSAGE)].into_iter().chain(octets))
}

fn block(block_type: u32, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32 + 12).to_le_bytes();
    [&block_type.to_le_bytes()[..], &length, content, &length].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[&0x1a2b_3c4du32.to_le_bytes()[..], &[1, 0, 0, 0], &[255; 8]].concat())
}

fn pcapng(blocks: &[u8]) -> Vec<u8> {
    [&section()[..], blocks].concat()
}
