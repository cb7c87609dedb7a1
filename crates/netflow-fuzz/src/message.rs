//! Framing: headers, sets, template records, fixed records.

use std::io::Cursor;

use binrw::meta::{ReadEndian, WriteEndian};
use binrw::{BinRead, BinWrite};
use netflow_wire::{
    FixedLayout, Header, Message, MessageEncoder, Set, SetError, SetKind, TemplateDefinition, v1, v5, v7, v8,
};

/// Walks an export packet. What is read and written again is equal.
pub fn message(data: &[u8]) {
    // What is longer is no datagram, and cannot be written: lengths have 16 bits.
    let Some(Ok(message)) = (data.len() <= 65_535).then(|| Message::parse(data)) else { return };
    assert!(message.len() <= data.len());
    assert_eq!(message.octets(), &data[..message.len()]);
    header(&message);

    let mut end = message.header().len();
    let mut sets = Vec::new();
    let mut in_order = true;
    for set in message.sets() {
        match set {
            Ok(set) => {
                let start = set.offset + set.body.len() - set.length();
                assert!(start >= end, "the set at {start} overlaps what ends at {end}");
                end = set.offset + set.body.len();
                assert_eq!(set.body, &message.octets()[set.offset..end], "a body is where it says");
                templates(&set, message.header());
                if let SetKind::Fixed(layout) = set.kind {
                    set.body.chunks_exact(layout.record_len).for_each(|record| fixed(layout, record));
                }
                sets.push(set);
            }
            // Only that there are fewer records than the header says.
            Err(SetError::Count { .. }) => {}
            Err(_) => in_order = false,
        }
    }
    assert!(end <= message.len());
    if in_order {
        written_again(&message, &sets);
    }
}

fn header(message: &Message<'_>) {
    let header = message.header();
    let written = MessageEncoder::new(*header).finish();
    // A finished IPFIX message has its own length.
    let skipped = if matches!(header, Header::Ipfix(_)) { 4 } else { 0 };
    assert_eq!(written[skipped..], message.octets()[skipped..header.len()]);
}

/// The records of a template set; each, written by itself, is the same again.
fn templates(set: &Set<'_>, header: &Header) {
    if !matches!(set.kind, SetKind::Template | SetKind::OptionsTemplate) {
        return;
    }
    let mut at = set.offset;
    for definition in set.templates() {
        let Ok(definition) = definition else { break };
        assert!(definition.offset >= at && definition.offset < set.offset + set.body.len());
        assert!(usize::from(definition.scope_count) <= definition.fields.len());
        at = definition.offset + 4;
        let mut packet = MessageEncoder::new(*header);
        packet.template(&definition);
        let packet = packet.finish();
        let written = Message::parse(&packet).unwrap().sets().next();
        // A set too long for its length field; and zeros, which are padding when nothing follows them.
        if packet.len() > 65_535 || packet[header.len() + 4..].iter().all(|&octet| octet == 0) {
            continue;
        }
        let read: Vec<_> = written.unwrap().unwrap().templates().collect();
        let moved = TemplateDefinition { offset: header.len() + 4, ..definition };
        assert_eq!(read, [Ok(moved)]);
    }
}

/// Sets, written as they were read, are the same again.
fn written_again(message: &Message<'_>, sets: &[Set<'_>]) {
    let mut packet = MessageEncoder::new(*message.header());
    for set in sets {
        if !matches!(set.kind, SetKind::Fixed(_)) {
            packet.begin_set(set.id);
        }
        packet.octets(set.body);
    }
    let packet = packet.finish();
    let mut again = Vec::new();
    for set in Message::parse(&packet).unwrap().sets() {
        match set {
            Ok(set) => again.push(set),
            Err(SetError::Count { .. }) => {}
            Err(error) => panic!("{error} in what was written"),
        }
    }
    fn parts<'a>(sets: &[Set<'a>]) -> Vec<(u16, usize, &'a [u8])> {
        sets.iter().map(|set| (set.id, set.offset, set.body)).collect()
    }
    assert_eq!(parts(&again), parts(sets));
}

/// A record of a fixed version.
fn fixed(layout: &'static FixedLayout, record: &[u8]) {
    fn round_trip<T>(record: &[u8])
    where
        T: BinRead + BinWrite + ReadEndian + WriteEndian,
        for<'a> T: BinRead<Args<'a> = ()> + BinWrite<Args<'a> = ()>,
    {
        let mut written = Cursor::new(Vec::new());
        T::read(&mut Cursor::new(record)).unwrap().write(&mut written).unwrap();
        assert_eq!(written.into_inner(), record);
    }
    let is = |other: &'static FixedLayout| std::ptr::eq(layout, other);
    if is(&v1::LAYOUT) {
        return round_trip::<v1::Record>(record);
    } else if is(&v5::LAYOUT) {
        return round_trip::<v5::Record>(record);
    } else if is(&v7::LAYOUT) {
        return round_trip::<v7::Record>(record);
    }
    let scheme = (1..=14).find(|&scheme| v8::layout(scheme).is_some_and(is)).expect("a layout of v8");
    let round_trip = match scheme {
        1 => round_trip::<v8::As>,
        2 => round_trip::<v8::ProtocolPort>,
        3 => round_trip::<v8::SourcePrefix>,
        4 => round_trip::<v8::DestinationPrefix>,
        5 => round_trip::<v8::Prefix>,
        6 => round_trip::<v8::Destination>,
        7 => round_trip::<v8::SourceDestination>,
        8 => round_trip::<v8::FullFlow>,
        9 => round_trip::<v8::AsTos>,
        10 => round_trip::<v8::ProtocolPortTos>,
        11 => round_trip::<v8::SourcePrefixTos>,
        12 => round_trip::<v8::DestinationPrefixTos>,
        13 => round_trip::<v8::PrefixTos>,
        _ => round_trip::<v8::PrefixPortTos>,
    };
    round_trip(record);
}
