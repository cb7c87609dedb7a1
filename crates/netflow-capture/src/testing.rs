//! Captures and packets, laid out octet by octet.

use pcap_parser::{BOM_MAGIC, EPB_MAGIC, IDB_MAGIC, SHB_MAGIC};

pub(crate) const MICROSECONDS: u32 = 0xa1b2_c3d4;
pub(crate) const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// Writes numbers in the octet order of a file.
#[derive(Clone, Copy)]
pub(crate) enum Writer {
    Little,
    Big,
}

impl Writer {
    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn u32s(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }

    pub(crate) fn pcap_header(self, magic: u32, link_type: u32) -> Vec<u8> {
        let mut out = self.u32(magic).to_vec();
        out.extend(self.u16(2));
        out.extend(self.u16(4));
        // Time zone, accuracy, snap length, link type.
        out.extend(self.u32s(&[0, 0, 262_144, link_type]));
        out
    }

    pub(crate) fn pcap_frame(self, seconds: u32, fraction: u32, frame: &[u8], original: usize) -> Vec<u8> {
        let mut out = self.u32s(&[seconds, fraction, frame.len() as u32, original as u32]);
        out.extend(frame);
        out
    }

    pub(crate) fn block(self, block_type: u32, content: &[u8]) -> Vec<u8> {
        let padded = content.len().next_multiple_of(4);
        let length = self.u32(padded as u32 + 12);
        let mut out = [&self.u32(block_type)[..], &length, content].concat();
        out.resize(8 + padded, 0);
        out.extend(length);
        out
    }

    pub(crate) fn section(self) -> Vec<u8> {
        let mut content = self.u32(BOM_MAGIC).to_vec();
        content.extend(self.u16(1));
        content.extend(self.u16(0));
        // Section length: not given.
        content.extend([0xff; 8]);
        self.block(SHB_MAGIC, &content)
    }

    pub(crate) fn interface(self, link_type: u16, snap_length: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut content = [&self.u16(link_type)[..], &[0, 0], &self.u32(snap_length)].concat();
        for (code, value) in options {
            content.extend(self.u16(*code));
            content.extend(self.u16(value.len() as u16));
            content.extend(*value);
            content.resize(content.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            content.extend([0; 4]);
        }
        self.block(IDB_MAGIC, &content)
    }

    pub(crate) fn enhanced(self, interface: u32, time: u64, frame: &[u8], original: usize) -> Vec<u8> {
        let lengths = [frame.len() as u32, original as u32];
        let mut content = self.u32s(&[interface, (time >> 32) as u32, time as u32, lengths[0], lengths[1]]);
        content.extend(frame);
        content.resize(content.len().next_multiple_of(4), 0);
        // A comment as an option.
        content.extend(self.u16(1));
        content.extend(self.u16(2));
        content.extend(b"ok\0\0\0\0\0\0");
        self.block(EPB_MAGIC, &content)
    }
}

pub(crate) const LITTLE: Writer = Writer::Little;
pub(crate) const BIG: Writer = Writer::Big;

/// An IPv4 packet from 192.0.2.1 to 192.0.2.2; `place` is the field of flags and offset.
pub(crate) fn ipv4(protocol: u8, id: u16, place: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x45, 0];
    out.extend((payload.len() as u16 + 20).to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend(place.to_be_bytes());
    out.extend([64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    out.extend(payload);
    out
}

/// An IPv6 packet from 2001:db8::1 to 2001:db8::2.
pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend([next, 64]);
    for last in [1, 2] {
        out.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    out.extend(payload);
    out
}

pub(crate) fn ethernet(ip: &[u8]) -> Vec<u8> {
    let kind = if ip[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
    let mut out = [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &kind, ip].concat();
    out.resize(out.len().max(60), 0);
    out
}

pub(crate) fn udp(payload: &[u8]) -> Vec<u8> {
    let mut out = 40_000_u16.to_be_bytes().to_vec();
    out.extend(2055_u16.to_be_bytes());
    out.extend((payload.len() as u16 + 8).to_be_bytes());
    out.extend([0, 0]);
    out.extend(payload);
    out
}

pub(crate) fn tcp(sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = 40_000_u16.to_be_bytes().to_vec();
    out.extend(4739_u16.to_be_bytes());
    out.extend(sequence.to_be_bytes());
    // Acknowledgement; 24 octets of header; window, checksum, urgent; two options of nothing.
    out.extend([0, 0, 0, 0, 0x60, flags, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 1, 1]);
    out.extend(payload);
    out
}

pub(crate) fn ipfix(sequence: u32, records: usize) -> Vec<u8> {
    let mut out = vec![0, 10];
    out.extend((20 + records as u16 * 4).to_be_bytes());
    out.extend([0x65, 0, 0, 0]);
    out.extend(sequence.to_be_bytes());
    out.extend([0, 0, 0, 1, 1, 0]);
    out.extend((4 + records as u16 * 4).to_be_bytes());
    (0..records as u32).for_each(|record| out.extend((sequence + record).to_be_bytes()));
    out
}

pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 256) as u8).collect()
}

/// A pcap file of Ethernet frames, one a second from 1000 on.
pub(crate) fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = LITTLE.pcap_header(MICROSECONDS, 1);
    for (n, ip) in packets.iter().enumerate() {
        let frame = ethernet(ip);
        file.extend(LITTLE.pcap_frame(1000 + n as u32, 7, &frame, frame.len()));
    }
    file
}
