//! The limit: loops written for the very layouts, which know no templates and check nothing.

use std::hint::black_box;

use super::Contender;
use crate::corpus::{Corpus, Kind, Totals};

const NAME: &str = "by hand (the limit)";

/// The fields of all layouts as native numbers. Addresses are 16 octets, of IPv4 the first four.
#[derive(Default)]
#[allow(dead_code, reason = "written by the loops, read by nobody")]
struct Native<'a> {
    src: [u8; 16],
    dst: [u8; 16],
    next_hop: u32,
    start: u64,
    end: u64,
    octets: u64,
    packets: u64,
    reverse_octets: u64,
    reverse_packets: u64,
    input: u32,
    output: u32,
    src_as: u32,
    dst_as: u32,
    src_port: u16,
    dst_port: u16,
    tcp_flags: u16,
    vlan: u16,
    icmp: u16,
    proto: u8,
    version: u8,
    tos: u8,
    end_reason: u8,
    src_mask: u8,
    dst_mask: u8,
    application: &'a [u8],
    host: &'a [u8],
}

/// The octets of a record that were not read yet. The layouts fit the records of the corpora.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    #[inline(always)]
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (first, behind) = self.0.split_first_chunk().expect("the layout fits");
        self.0 = behind;
        *first
    }

    #[inline(always)]
    fn address<const N: usize>(&mut self) -> [u8; 16] {
        let mut address = [0; 16];
        address[..N].copy_from_slice(&self.take::<N>());
        address
    }

    #[inline(always)]
    fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    #[inline(always)]
    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    #[inline(always)]
    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    #[inline(always)]
    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    #[inline(always)]
    fn text(&mut self) -> &'a [u8] {
        let length = match self.u8() {
            255 => self.u16().into(),
            short => usize::from(short),
        };
        let (text, behind) = self.0.split_at(length);
        self.0 = behind;
        text
    }
}

pub(super) fn v5() -> Contender {
    contender(|packet, natives| natives.extend(packet[24..].as_chunks::<48>().0.iter().map(v5_record)))
}

pub(super) fn v9() -> Contender {
    let [v4, v6] = Kind::V9.template_ids();
    contender(move |packet, natives| {
        sets(&packet[20..], |id, body| match id {
            _ if id == v4 => natives.extend(body.as_chunks::<52>().0.iter().map(v9_record::<4, 52>)),
            _ if id == v6 => natives.extend(body.as_chunks::<76>().0.iter().map(v9_record::<16, 76>)),
            _ => {}
        });
    })
}

pub(super) fn ipfix() -> Contender {
    let [v4, v6] = Kind::Ipfix.template_ids();
    contender(move |packet, natives| {
        sets(&packet[16..], |id, body| match id {
            _ if id == v4 => {
                natives.extend(body.as_chunks::<70>().0.iter().map(|r| ipfix_record::<4>(&mut Rest(r))))
            }
            _ if id == v6 => {
                natives.extend(body.as_chunks::<94>().0.iter().map(|r| ipfix_record::<16>(&mut Rest(r))))
            }
            _ => {}
        });
    })
}

pub(super) fn ipfix_varlen() -> Contender {
    let [v4, v6] = Kind::Varlen.template_ids();
    contender(move |packet, natives| {
        sets(&packet[16..], |id, body| {
            let mut rest = Rest(body);
            while !rest.0.is_empty() && (id == v4 || id == v6) {
                let fixed =
                    if id == v4 { ipfix_record::<4>(&mut rest) } else { ipfix_record::<16>(&mut rest) };
                natives.push(Native {
                    reverse_octets: rest.u64(),
                    reverse_packets: rest.u64(),
                    application: rest.text(),
                    host: rest.text(),
                    ..fixed
                });
            }
        });
    })
}

/// `read` appends the records of a packet.
fn contender(read: impl for<'a> Fn(&'a [u8], &mut Vec<Native<'a>>) + 'static) -> Contender {
    Contender::new(NAME, move |corpus: &Corpus| {
        let (mut totals, mut natives) = (Totals::default(), Vec::new());
        for (_, packet) in corpus.packets() {
            natives.clear();
            read(packet, &mut natives);
            for native in black_box(&natives) {
                totals.add(native.octets, native.packets);
            }
        }
        totals
    })
}

#[inline(always)]
fn sets<'a>(mut octets: &'a [u8], mut each: impl FnMut(u16, &'a [u8])) {
    while let Some((&[a, b, c, d], _)) = octets.split_first_chunk() {
        let (set, behind) = octets.split_at(u16::from_be_bytes([c, d]).into());
        each(u16::from_be_bytes([a, b]), &set[4..]);
        octets = behind;
    }
}

#[inline(always)]
fn v5_record(record: &[u8; 48]) -> Native<'_> {
    let mut rest = Rest(record);
    let mut native = Native {
        version: 4,
        src: rest.address::<4>(),
        dst: rest.address::<4>(),
        next_hop: rest.u32(),
        input: rest.u16().into(),
        output: rest.u16().into(),
        packets: rest.u32().into(),
        octets: rest.u32().into(),
        start: rest.u32().into(),
        end: rest.u32().into(),
        src_port: rest.u16(),
        dst_port: rest.u16(),
        ..Native::default()
    };
    rest.u8();
    native.tcp_flags = rest.u8().into();
    native.proto = rest.u8();
    native.tos = rest.u8();
    native.src_as = rest.u16().into();
    native.dst_as = rest.u16().into();
    native.src_mask = rest.u8();
    native.dst_mask = rest.u8();
    native
}

#[inline(always)]
fn v9_record<const ADDRESS: usize, const LENGTH: usize>(record: &[u8; LENGTH]) -> Native<'_> {
    let mut rest = Rest(record);
    Native {
        src: rest.address::<ADDRESS>(),
        dst: rest.address::<ADDRESS>(),
        start: rest.u32().into(),
        end: rest.u32().into(),
        octets: rest.u32().into(),
        packets: rest.u32().into(),
        input: rest.u32(),
        output: rest.u32(),
        src_port: rest.u16(),
        dst_port: rest.u16(),
        proto: rest.u8(),
        tcp_flags: rest.u8().into(),
        version: rest.u8(),
        tos: rest.u8(),
        src_as: rest.u32(),
        dst_as: rest.u32(),
        icmp: rest.u16(),
        vlan: rest.u16(),
        ..Native::default()
    }
}

#[inline(always)]
fn ipfix_record<'a, const ADDRESS: usize>(rest: &mut Rest<'a>) -> Native<'a> {
    Native {
        src: rest.address::<ADDRESS>(),
        dst: rest.address::<ADDRESS>(),
        start: rest.u64(),
        end: rest.u64(),
        octets: rest.u64(),
        packets: rest.u64(),
        input: rest.u32(),
        output: rest.u32(),
        src_port: rest.u16(),
        dst_port: rest.u16(),
        proto: rest.u8(),
        tcp_flags: rest.u16(),
        version: rest.u8(),
        tos: rest.u8(),
        src_as: rest.u32(),
        dst_as: rest.u32(),
        vlan: rest.u16(),
        end_reason: rest.u8(),
        src_mask: rest.u8(),
        dst_mask: rest.u8(),
        ..Native::default()
    }
}
