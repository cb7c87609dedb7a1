//! Elements that exporters describe themselves (RFC 5610): when, of whom and how much is believed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use netflow_templates::{
    Context, DataSet, DataType, DescriptionFault, Element, Exporter, Limits, MessageSink, Problem, Registry,
    Semantics, Session, SessionConfig, Units,
};
use netflow_wire::{
    FieldSpecifier, MessageEncoder, TemplateDefinition, VARIABLE_LENGTH, element_id as ie, enterprise,
};

mod common;

use common::{ROUTER, at, ipfix};

const PEN: u32 = 64_999;

/// Records as `name=value`, and faults of descriptions.
#[derive(Default)]
struct Fields {
    records: Vec<String>,
    faults: Vec<((u32, u16), DescriptionFault)>,
    others: Vec<Problem>,
}

impl MessageSink for Fields {
    fn data(&mut self, _context: &Context<'_>, set: DataSet<'_>) {
        for record in set.records() {
            let fields = record.values().map(|(field, value)| format!("{}={value}", field.name()));
            self.records.push(fields.collect::<Vec<_>>().join(" "));
        }
    }

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        match problem {
            Problem::ElementDescription { enterprise, id, fault, .. } => {
                self.faults.push(((enterprise, id), fault));
            }
            Problem::MissingTemplate { .. } => {}
            other => self.others.push(other),
        }
    }
}

fn decode_from(session: &mut Session, exporter: Exporter, packet: MessageEncoder) -> Fields {
    let mut fields = Fields::default();
    session.decode(exporter, at(0), &packet.finish(), &mut fields).unwrap();
    assert_eq!(fields.others, []);
    fields
}

fn decode(session: &mut Session, packet: MessageEncoder) -> Fields {
    decode_from(session, ROUTER, packet)
}

/// A template of a port and elements 7 and 8 of the enterprise, four octets each.
fn template() -> TemplateDefinition {
    let fields = vec![
        FieldSpecifier::iana(ie::SOURCE_TRANSPORT_PORT, 2),
        FieldSpecifier::of(PEN, 7, 4),
        FieldSpecifier::of(PEN, 8, 4),
    ];
    TemplateDefinition { template_id: 256, scope_count: 0, options: false, fields, offset: 0 }
}

fn data(packet: &mut MessageEncoder) {
    packet.begin_set(256).octets(&[0, 80]).octets(b"rack").octets(&[192, 0, 2, 1]);
}

/// The options template of type records, with everything that there is to say.
fn type_template() -> TemplateDefinition {
    let fields = [
        (ie::PRIVATE_ENTERPRISE_NUMBER, 4),
        (ie::INFORMATION_ELEMENT_ID, 2),
        (ie::INFORMATION_ELEMENT_DATA_TYPE, 1),
        (ie::INFORMATION_ELEMENT_SEMANTICS, 1),
        (ie::INFORMATION_ELEMENT_UNITS, 2),
        (ie::INFORMATION_ELEMENT_RANGE_BEGIN, 8),
        (ie::INFORMATION_ELEMENT_RANGE_END, 8),
        (ie::INFORMATION_ELEMENT_NAME, VARIABLE_LENGTH),
        (ie::INFORMATION_ELEMENT_DESCRIPTION, VARIABLE_LENGTH),
    ];
    let fields = fields.map(|(id, length)| FieldSpecifier::iana(id, length)).into();
    TemplateDefinition { template_id: 400, scope_count: 2, options: true, fields, offset: 0 }
}

/// Data types by their numbers.
const STRING: u8 = 13;
const UNSIGNED32: u8 = 3;
const IPV4_ADDRESS: u8 = 18;

fn type_record(packet: &mut MessageEncoder, pen: u32, id: u16, data_type: u8, name: &[u8]) {
    packet.octets(&pen.to_be_bytes()).octets(&id.to_be_bytes()).octets(&[data_type, 4, 0, 2]);
    packet.octets(&[0; 16]).octets(&[255]).octets(&(name.len() as u16).to_be_bytes()).octets(name);
    packet.octets(b"\x05words");
}

/// A packet with type records.
fn types(records: &[(u32, u16, u8, &[u8])]) -> MessageEncoder {
    let mut packet = ipfix(1);
    packet.template(&type_template()).begin_set(400);
    for &(pen, id, data_type, name) in records {
        type_record(&mut packet, pen, id, data_type, name);
    }
    packet
}

fn rack_and_gateway() -> MessageEncoder {
    types(&[(PEN, 7, STRING, b"rackName"), (PEN, 8, IPV4_ADDRESS, b"gateway")])
}

const UNKNOWN: &str = "sourceTransportPort=80 64999.7=7261636b 64999.8=c0000201";
const DESCRIBED: &str = "sourceTransportPort=80 rackName=rack gateway=192.0.2.1";

fn template_and_data() -> MessageEncoder {
    let mut packet = ipfix(1);
    packet.template(&template());
    data(&mut packet);
    packet
}

fn only_data() -> MessageEncoder {
    let mut packet = ipfix(1);
    data(&mut packet);
    packet
}

#[test]
fn a_template_that_comes_after_the_type_records_has_names_and_types() {
    let mut session = Session::new();
    assert_eq!(decode(&mut session, rack_and_gateway()).faults, []);
    assert_eq!(decode(&mut session, template_and_data()).records, [DESCRIBED]);
    let expected = Element {
        enterprise: PEN,
        id: 7,
        name: "rackName".into(),
        data_type: DataType::String,
        semantics: Semantics::Identifier,
        units: Units::Octets,
    };
    assert_eq!(session.options().element(ROUTER.address, PEN, 7), Some(expected));
}

#[test]
fn a_template_that_comes_before_the_type_records_has_names_and_types_from_then_on() {
    let mut session = Session::new();
    assert_eq!(decode(&mut session, template_and_data()).records, [UNKNOWN]);
    decode(&mut session, rack_and_gateway());
    assert_eq!(decode(&mut session, only_data()).records, [DESCRIBED]);
    // The template sent again changes nothing.
    assert_eq!(decode(&mut session, template_and_data()).records, [DESCRIBED]);
}

#[test]
fn type_records_hold_within_their_packet_and_for_data_that_wait() {
    let mut session = Session::new();
    let mut packet = template_and_data();
    packet.template(&type_template()).begin_set(400);
    type_record(&mut packet, PEN, 7, STRING, b"rackName");
    type_record(&mut packet, PEN, 8, IPV4_ADDRESS, b"gateway");
    data(&mut packet);
    assert_eq!(decode(&mut session, packet).records, [UNKNOWN, DESCRIBED]);

    let mut session = Session::new();
    decode(&mut session, only_data());
    decode(&mut session, rack_and_gateway());
    let mut packet = ipfix(1);
    packet.template(&template());
    assert_eq!(decode(&mut session, packet).records, [DESCRIBED]);
}

#[test]
fn type_records_of_one_domain_hold_for_the_exporters_others() {
    let mut session = Session::new();
    decode(&mut session, rack_and_gateway());
    let mut packet = ipfix(2);
    packet.template(&template());
    data(&mut packet);
    assert_eq!(decode(&mut session, packet).records, [DESCRIBED]);
}

#[test]
fn two_exporters_describe_the_same_element_differently() {
    let other = Exporter { address: "192.0.2.2".parse().unwrap(), port: 2055 };
    let mut session = Session::new();
    decode(&mut session, rack_and_gateway());
    let packet = types(&[(PEN, 7, UNSIGNED32, b"rackNumber"), (PEN, 8, UNSIGNED32, b"rackName")]);
    assert_eq!(decode_from(&mut session, other, packet).faults, []);
    assert_eq!(decode(&mut session, template_and_data()).records, [DESCRIBED]);
    assert_eq!(
        decode_from(&mut session, other, template_and_data()).records,
        ["sourceTransportPort=80 rackNumber=1918985067 rackName=3221225985"]
    );
}

#[test]
fn a_newer_description_counts_and_the_contradiction_is_told() {
    let mut session = Session::new();
    decode(&mut session, rack_and_gateway());
    decode(&mut session, template_and_data());
    assert_eq!(decode(&mut session, rack_and_gateway()).faults, []);
    let told = decode(&mut session, types(&[(PEN, 8, UNSIGNED32, b"rackHeight")]));
    assert_eq!(told.faults, [((PEN, 8), DescriptionFault::Contradiction)]);
    assert_eq!(
        decode(&mut session, only_data()).records,
        ["sourceTransportPort=80 rackName=rack rackHeight=3221225985"]
    );
    // The name that was given up can be another's.
    assert_eq!(decode(&mut session, types(&[(PEN, 9, UNSIGNED32, b"gateway")])).faults, []);
}

#[test]
fn hostile_names_are_not_taken_but_the_type_is() {
    let long = vec![b'x'; 60_000];
    let names: [&[u8]; 8] = [
        &long,
        b"octetDeltaCount",
        b"IN_BYTES",
        b"reverseOctetDeltaCount",
        b"a\x1b[31m",
        b"sourceIPv4Address_2",
        b"\xff\xfe",
        b"0.1",
    ];
    for name in names {
        let mut session = Session::new();
        let told = decode(&mut session, types(&[(PEN, 7, STRING, name)]));
        assert_eq!(told.faults, [((PEN, 7), DescriptionFault::Name)]);
        assert!(session.options().octets() < 4_096);
        assert_eq!(
            decode(&mut session, template_and_data()).records,
            ["sourceTransportPort=80 64999.7=rack 64999.8=c0000201"]
        );
    }
    // Two elements of one name: the first has it.
    let mut session = Session::new();
    let told =
        decode(&mut session, types(&[(PEN, 7, STRING, b"rackName"), (PEN, 8, IPV4_ADDRESS, b"rackName")]));
    assert_eq!(told.faults, [((PEN, 8), DescriptionFault::Name)]);
    assert_eq!(
        decode(&mut session, template_and_data()).records,
        ["sourceTransportPort=80 rackName=rack 64999.8=192.0.2.1"]
    );
}

#[test]
fn a_data_type_that_there_is_not_counts_for_nothing() {
    let mut session = Session::new();
    let told = decode(&mut session, types(&[(PEN, 7, 24, b"rackName"), (PEN, 8, 255, b"gateway")]));
    let faults = [24, 255].map(DescriptionFault::DataType);
    assert_eq!(told.faults, [((PEN, 7), faults[0]), ((PEN, 8), faults[1])]);
    assert_eq!(decode(&mut session, template_and_data()).records, [UNKNOWN]);
}

#[test]
fn elements_of_iana_of_the_registry_and_of_the_user_are_not_described_otherwise() {
    let mut registry = Registry::new();
    registry.add_csv("64999,7,cabinet,unsigned32").unwrap();
    let registry = Arc::new(registry);
    let mut session = Session::with_config(SessionConfig { registry, ..SessionConfig::default() });
    let told = decode(
        &mut session,
        types(&[
            (enterprise::IANA, ie::SOURCE_TRANSPORT_PORT, STRING, b"port"),
            (enterprise::IANA, 32_000, STRING, b"ianas"),
            (enterprise::REVERSE, 32_000, STRING, b"back"),
            (PEN, 7, STRING, b"rackName"),
            // The same as the registry has.
            (PEN, 7, UNSIGNED32, b"rackName"),
        ]),
    );
    assert_eq!(
        told.faults,
        [
            ((0, ie::SOURCE_TRANSPORT_PORT), DescriptionFault::Known),
            ((0, 32_000), DescriptionFault::Enterprise),
            ((enterprise::REVERSE, 32_000), DescriptionFault::Enterprise),
            ((PEN, 7), DescriptionFault::Known),
        ]
    );
    assert_eq!(
        decode(&mut session, template_and_data()).records,
        ["sourceTransportPort=80 cabinet=1918985067 64999.8=c0000201"]
    );
    assert_eq!(session.options().exporters(), 0);
}

#[test]
fn only_records_whose_scope_is_an_element_describe_one() {
    let mut session = Session::new();
    let mut packet = ipfix(1);
    packet.template(&TemplateDefinition { scope_count: 1, ..type_template() }).begin_set(400);
    type_record(&mut packet, PEN, 7, STRING, b"rackName");
    decode(&mut session, packet);
    assert_eq!(session.options().element(ROUTER.address, PEN, 7), None);
}

#[test]
fn lists_have_values_of_described_elements() {
    let mut session = Session::new();
    let basic = TemplateDefinition {
        fields: vec![FieldSpecifier::iana(ie::BASIC_LIST, VARIABLE_LENGTH)],
        ..template()
    };
    let of_template = TemplateDefinition {
        template_id: 257,
        fields: vec![FieldSpecifier::iana(ie::SUB_TEMPLATE_LIST, VARIABLE_LENGTH)],
        ..template()
    };
    let nested =
        TemplateDefinition { template_id: 258, fields: vec![FieldSpecifier::of(PEN, 7, 4)], ..template() };
    let mut packet = ipfix(1);
    packet.template(&basic).template(&of_template).template(&nested);
    decode(&mut session, packet);
    decode(&mut session, rack_and_gateway());
    let mut packet = ipfix(1);
    // Semantic, element 7 of the enterprise, length 4, two values.
    packet.begin_set(256).octets(&[17, 3, 0x80, 7, 0, 4]).octets(&PEN.to_be_bytes()).octets(b"rackcage");
    packet.begin_set(257).octets(&[7, 3, 1, 2]).octets(b"rack");
    assert_eq!(
        decode(&mut session, packet).records,
        ["basicList=allOf [rack, cage]", "subTemplateList=allOf [{rackName: rack}]"]
    );
}

#[test]
fn an_exporter_that_makes_way_loses_its_descriptions_too() {
    let other = Exporter { address: "192.0.2.2".parse().unwrap(), port: 2055 };
    let limits = Limits { options_octets: 4_000, ..Limits::default() };
    let mut session = Session::with_config(SessionConfig { limits, ..SessionConfig::default() });
    decode(&mut session, rack_and_gateway());
    assert_eq!(decode(&mut session, template_and_data()).records, [DESCRIBED]);
    let mut fields = Fields::default();
    session.decode(other, at(1), &rack_and_gateway().finish(), &mut fields).unwrap();
    assert!(matches!(fields.others[..], [Problem::OptionsGivenUp { exporters: 1, .. }]));
    assert_eq!(decode(&mut session, only_data()).records, [UNKNOWN]);
}

#[test]
fn a_flood_of_descriptions_is_bounded_and_counted() {
    let mut session = Session::new();
    let mut refused = 0;
    for first in (0..6_000u16).step_by(500) {
        let names: Vec<_> = (first..first + 500).map(|id| format!("element{id}x")).collect();
        let records: Vec<_> =
            (first..).zip(&names).map(|(id, name)| (PEN, id, STRING, name.as_bytes())).collect();
        let mut fields = Fields::default();
        session.decode(ROUTER, at(0), &types(&records).finish(), &mut fields).unwrap();
        for problem in fields.others {
            let Problem::OptionsRefused { refused: now, .. } = problem else { panic!("{problem:?}") };
            refused += now;
        }
    }
    assert_eq!(refused, 6_000 - 4_096);
    assert_eq!(session.statistics().refused_options, refused);
    let known = |id| session.options().element(ROUTER.address, PEN, id).is_some();
    assert!(known(4_095) && !known(4_096));
}
