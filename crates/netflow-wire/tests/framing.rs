//! Framing of any octets: nothing panics, every loop ends, what was written is read.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Cursor;

use binrw::{BinRead, BinWrite};
use netflow_wire::{
    FieldSpecifier, Header, Message, MessageEncoder, SetError, SetKind, TemplateDefinition, enterprise,
    ipfix, v1, v5, v7, v8, v9,
};
use proptest::prelude::*;

/// Octets that start like an export packet of some version, half of the time.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![Just(1u16), Just(5), Just(7), Just(8), Just(9), Just(10), any::<u16>()];
    (version, prop::collection::vec(any::<u8>(), 0..2_000)).prop_map(|(version, mut octets)| {
        octets.splice(0..0, version.to_be_bytes());
        octets
    })
}

/// Sets with ids and lengths that are often right.
fn set_bodies() -> impl Strategy<Value = Vec<u8>> {
    let id = prop_oneof![0u16..5, 256u16..260, any::<u16>()];
    let length = prop_oneof![0u16..64, any::<u16>()];
    let set = (id, length, prop::collection::vec(any::<u8>(), 0..64))
        .prop_map(|(id, length, body)| [&id.to_be_bytes()[..], &length.to_be_bytes(), &body].concat());
    prop::collection::vec(set, 0..20).prop_map(|sets| sets.concat())
}

/// Walks everything that there is to walk; returns octets of set bodies.
fn walk(octets: &[u8]) -> usize {
    let Ok(message) = Message::parse(octets) else { return 0 };
    assert!(message.len() <= octets.len());
    let mut bodies = 0;
    let mut steps = 0;
    for set in message.sets() {
        steps += 1;
        let Ok(set) = set else { continue };
        bodies += set.body.len();
        if matches!(set.kind, SetKind::Template | SetKind::OptionsTemplate) {
            let mut records = 0;
            for record in set.templates() {
                records += 1;
                if let Ok(record) = record {
                    assert!(record.template_id >= 256 || record.is_withdrawal());
                    assert!(usize::from(record.scope_count) <= record.fields.len());
                }
            }
            assert!(records <= set.body.len() / 4 + 1);
        }
        assert!(set.offset + set.body.len() <= octets.len());
    }
    // Every step but the last two (a problem, then its set) takes a set header.
    assert!(steps <= octets.len() / 4 + 2, "{steps} steps over {} octets", octets.len());
    bodies
}

proptest! {
    #[test]
    fn any_octets_are_framed_or_refused(octets in packets()) {
        prop_assert!(walk(&octets) <= octets.len());
    }

    #[test]
    fn sets_cover_a_packet_in_order_without_overlap(body in set_bodies(), is_ipfix: bool) {
        let header = match is_ipfix {
            true => Header::Ipfix(ipfix::Header::default()),
            false => Header::V9(v9::Header::default()),
        };
        let mut packet = MessageEncoder::new(header);
        packet.octets(&body);
        let packet = packet.finish();
        let message = Message::parse(&packet).unwrap();
        let (mut at, mut ended) = (header.len(), false);
        for set in message.sets() {
            prop_assert!(!ended, "nothing follows what ends the packet");
            match set {
                Ok(set) => {
                    prop_assert_eq!(set.offset, at + 4, "behind the octets that came before");
                    prop_assert!(set.length() >= 4);
                    prop_assert_eq!(set.body, &packet[set.offset..set.offset + set.body.len()]);
                    at += set.length();
                }
                Err(SetError::Gap { offset, length }) => {
                    prop_assert_eq!(offset, at);
                    prop_assert!((1..4).contains(&length), "up to a multiple of four");
                    at += length;
                }
                // What is there of it follows.
                Err(SetError::Truncated { offset, left, .. }) => {
                    prop_assert_eq!((offset, left), (at, packet.len() - at));
                }
                Err(SetError::Length { offset, .. }) => {
                    prop_assert_eq!(offset, at);
                    (at, ended) = (packet.len(), true);
                }
                Err(SetError::Trailing { offset, length }) => {
                    prop_assert_eq!((offset, length), (at, packet.len() - at));
                    (at, ended) = (packet.len(), true);
                }
                Err(other) => prop_assert!(false, "{} is not of sets", other),
            }
        }
        // Only padding is passed over in silence.
        prop_assert!(packet[at..].iter().all(|&octet| octet == 0));
    }

    #[test]
    fn any_sets_are_framed(body in set_bodies(), is_ipfix: bool) {
        let header = match is_ipfix {
            true => Header::Ipfix(ipfix::Header::default()),
            false => Header::V9(v9::Header::default()),
        };
        let mut packet = MessageEncoder::new(header);
        packet.octets(&body);
        let packet = packet.finish();
        for end in [packet.len(), packet.len() / 2, packet.len().saturating_sub(1)] {
            walk(&packet[..end]);
        }
    }

    #[test]
    fn sets_come_back_as_they_were_written(
        bodies in prop::collection::vec((256u16.., prop::collection::vec(any::<u8>(), 0..100)), 1..10),
        is_ipfix: bool,
    ) {
        let header = match is_ipfix {
            true => Header::Ipfix(ipfix::Header::default()),
            false => Header::V9(v9::Header::default()),
        };
        let mut packet = MessageEncoder::new(header);
        for (id, body) in &bodies {
            packet.begin_set(*id).octets(body);
        }
        let packet = packet.finish();
        let message = Message::parse(&packet).unwrap();
        prop_assert_eq!(message.length_error(), None);
        let read: Vec<_> = message.sets().map(|set| set.unwrap()).map(|set| (set.id, set.body.to_vec())).collect();
        prop_assert_eq!(read, bodies);
    }

    #[test]
    fn templates_come_back_as_they_were_written(
        template_id in 256u16..,
        fields in prop::collection::vec((0u16..0x8000, any::<u16>(), prop_oneof![Just(0u32), 1u32..100_000]), 1..40),
        scope_count in 0u16..5,
        options: bool,
        is_ipfix: bool,
    ) {
        let scope_count = if options { scope_count.min(fields.len() as u16) } else { 0 };
        let fields = fields.iter().enumerate().map(|(index, &(id, length, pen))| {
            let scope = options && !is_ipfix && index < usize::from(scope_count);
            let enterprise = if scope { enterprise::UNASSIGNED } else if is_ipfix { pen } else { 0 };
            FieldSpecifier { enterprise, id, length }
        }).collect();
        let definition = TemplateDefinition { template_id, scope_count, options, fields, offset: 0 };
        let header = match is_ipfix {
            true => Header::Ipfix(ipfix::Header::default()),
            false => Header::V9(v9::Header::default()),
        };
        let mut packet = MessageEncoder::new(header);
        packet.template(&definition);
        let packet = packet.finish();
        let set = Message::parse(&packet).unwrap().sets().next().unwrap().unwrap();
        let read: Vec<_> = set.templates().map(|record| record.unwrap()).collect();
        prop_assert_eq!(read, [TemplateDefinition { offset: header.len() + 4, ..definition }]);
    }

    #[test]
    fn fixed_records_come_back_as_they_were_written(octets in prop::collection::vec(any::<u8>(), 64)) {
        fn round_trip<T>(octets: &[u8], length: usize)
        where
            T: BinRead + BinWrite + binrw::meta::ReadEndian + binrw::meta::WriteEndian,
            for<'a> T: BinRead<Args<'a> = ()> + BinWrite<Args<'a> = ()>,
        {
            let record = T::read(&mut Cursor::new(octets)).unwrap();
            let mut written = Cursor::new(Vec::new());
            record.write(&mut written).unwrap();
            assert_eq!(written.into_inner(), octets[..length]);
        }
        round_trip::<v1::Record>(&octets, v1::Record::LEN);
        round_trip::<v5::Record>(&octets, v5::Record::LEN);
        round_trip::<v7::Record>(&octets, v7::Record::LEN);
        round_trip::<v8::As>(&octets, v8::As::LEN);
        round_trip::<v8::ProtocolPort>(&octets, v8::ProtocolPort::LEN);
        round_trip::<v8::SourcePrefix>(&octets, v8::SourcePrefix::LEN);
        round_trip::<v8::DestinationPrefix>(&octets, v8::DestinationPrefix::LEN);
        round_trip::<v8::Prefix>(&octets, v8::Prefix::LEN);
        round_trip::<v8::Destination>(&octets, v8::Destination::LEN);
        round_trip::<v8::SourceDestination>(&octets, v8::SourceDestination::LEN);
        round_trip::<v8::FullFlow>(&octets, v8::FullFlow::LEN);
        round_trip::<v8::AsTos>(&octets, v8::AsTos::LEN);
        round_trip::<v8::ProtocolPortTos>(&octets, v8::ProtocolPortTos::LEN);
        round_trip::<v8::SourcePrefixTos>(&octets, v8::SourcePrefixTos::LEN);
        round_trip::<v8::DestinationPrefixTos>(&octets, v8::DestinationPrefixTos::LEN);
        round_trip::<v8::PrefixTos>(&octets, v8::PrefixTos::LEN);
        round_trip::<v8::PrefixPortTos>(&octets, v8::PrefixPortTos::LEN);
    }
}

#[test]
fn documented_lengths() {
    assert_eq!((v1::Record::LEN, v5::Record::LEN, v7::Record::LEN), (48, 48, 52));
    let lengths: Vec<_> = (1..=14).map(|scheme| v8::layout(scheme).unwrap().record_len).collect();
    assert_eq!(lengths, [28, 28, 32, 32, 40, 32, 40, 44, 32, 32, 32, 32, 40, 40]);
    assert!(v8::layout(0).is_none() && v8::layout(15).is_none());
    for (header, length) in [
        (Header::V1(v1::Header::default()), 16),
        (Header::V5(v5::Header::default()), 24),
        (Header::V7(v7::Header::default()), 24),
        (Header::V8(v8::Header { aggregation: 1, ..v8::Header::default() }), 28),
        (Header::V9(v9::Header::default()), 20),
        (Header::Ipfix(ipfix::Header::default()), 16),
    ] {
        let packet = MessageEncoder::new(header).finish();
        assert_eq!((packet.len(), header.len()), (length, length));
        assert_eq!(Message::parse(&packet).unwrap().header().version(), header.version());
    }
}

#[test]
fn v5_sampling_is_a_mode_and_an_interval() {
    let header = v5::Header { sampling: 0x400a, ..v5::Header::default() };
    assert_eq!((header.sampling_mode(), header.sampling_interval()), (1, 10));
}
