//! Structured data (RFC 6313): lists of values and of records, whole and broken.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};

use netflow_templates::{Context, DataSet, Exporter, MessageSink, Session, Timestamp, Value};
use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, VARIABLE_LENGTH, element_id as ie, ipfix,
};

/// The one value of every record, as text.
#[derive(Default)]
struct Texts(Vec<String>);

impl MessageSink for Texts {
    fn data(&mut self, _context: &Context<'_>, set: DataSet<'_>) {
        for record in set.records() {
            let values: Vec<_> = record.values().map(|(_, value)| value.to_string()).collect();
            self.0.push(values.join(" "));
        }
        // By columns the values are the same.
        for (row, text) in self.0.iter().enumerate() {
            let values: Vec<_> = set.columns().map(|column| column.value(row).to_string()).collect();
            assert_eq!(&values.join(" "), text);
        }
    }
}

fn definition(template_id: u16, fields: &[(u16, u16)]) -> TemplateDefinition {
    let fields = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
    TemplateDefinition { template_id, scope_count: 0, options: false, fields, offset: 0 }
}

/// Decodes one record that has nothing but a list.
fn decode(element: u16, list: &[u8]) -> String {
    let mut packet = MessageEncoder::new(Header::Ipfix(ipfix::Header::default()));
    packet.template(&definition(256, &[(ie::SOURCE_TRANSPORT_PORT, 2), (ie::PROTOCOL_IDENTIFIER, 1)]));
    packet.template(&definition(257, &[(ie::INTERFACE_NAME, VARIABLE_LENGTH), (element, VARIABLE_LENGTH)]));
    packet.template(&definition(300, &[(element, VARIABLE_LENGTH)]));
    packet.begin_set(300).octets(&[255]).octets(&(list.len() as u16).to_be_bytes()).octets(list);
    let mut texts = Texts::default();
    let exporter = Exporter { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 4739 };
    Session::new().decode(exporter, Timestamp::EPOCH, &packet.finish(), &mut texts).unwrap();
    assert_eq!(texts.0.len(), 1);
    texts.0.remove(0)
}

const BASIC: u16 = ie::BASIC_LIST;
const OF_TEMPLATE: u16 = ie::SUB_TEMPLATE_LIST;
const OF_TEMPLATES: u16 = ie::SUB_TEMPLATE_MULTI_LIST;

#[test]
fn basic_lists_of_fixed_and_variable_length() {
    let ports = [3, 0, 7, 0, 2, 0, 80, 1, 0xbb];
    assert_eq!(decode(BASIC, &ports), "allOf [80, 443]");
    let names = [4, 0, 82, 0xff, 0xff, 2, b'g', b'e', 255, 0, 2, b'l', b'o'];
    assert_eq!(decode(BASIC, &names), "ordered [ge, lo]");
    let enterprise = [255, 0x80, 1, 0, 1, 0, 0, 0xfd, 0xe7, 0xab];
    assert_eq!(decode(BASIC, &enterprise), "undefined [ab]");
    assert_eq!(decode(BASIC, &[0, 0, 7, 0, 2]), "noneOf []");
}

#[test]
fn records_of_another_template() {
    let records = [1, 1, 0, 0, 80, 6, 0, 53, 17];
    assert_eq!(
        decode(OF_TEMPLATE, &records),
        "exactlyOneOf [{sourceTransportPort: 80, protocolIdentifier: 6}, \
         {sourceTransportPort: 53, protocolIdentifier: 17}]"
    );
}

#[test]
fn records_of_several_templates() {
    let records = [2, 1, 0, 0, 7, 0, 80, 6, 1, 0, 0, 10, 0, 53, 17, 0, 123, 17];
    assert_eq!(
        decode(OF_TEMPLATES, &records),
        "oneOrMoreOf [{sourceTransportPort: 80, protocolIdentifier: 6}, \
         {sourceTransportPort: 53, protocolIdentifier: 17}, {sourceTransportPort: 123, protocolIdentifier: 17}]"
    );
}

#[test]
fn lists_within_lists() {
    // A record of template 257: a name, and a list of records of template 256.
    let inner = [3, 1, 0, 0, 80, 6];
    let record = [&[2, b'g', b'e', inner.len() as u8][..], &inner].concat();
    let outer = [&[3, 1, 1][..], &record].concat();
    assert_eq!(
        decode(OF_TEMPLATE, &outer),
        "allOf [{interfaceName: ge, subTemplateList: allOf [{sourceTransportPort: 80, protocolIdentifier: 6}]}]"
    );
}

#[test]
fn lists_that_are_too_deep_end_as_octets() {
    let mut list = vec![3, 1, 0, 0, 80, 6];
    for _ in 0..20 {
        list = [&[3, 1, 1, 0, list.len() as u8][..], &list].concat();
    }
    let text = decode(OF_TEMPLATE, &list);
    assert_eq!(text.matches("allOf").count(), 8);
    assert!(text.contains("subTemplateList: 030101"), "{text}");
}

#[test]
fn broken_lists_are_shown_as_octets() {
    for (element, list) in [
        // Not a whole number of values; no element; a template that is unknown; records that do not fit.
        (BASIC, &[3, 0, 7, 0, 2, 0, 80, 1][..]),
        (BASIC, &[3, 0, 7]),
        (BASIC, &[3, 0, 7, 0, 0, 9]),
        (BASIC, &[3, 0, 82, 0xff, 0xff, 9, b'x']),
        (OF_TEMPLATE, &[3, 9, 9, 0, 80, 6]),
        (OF_TEMPLATE, &[3, 1, 0, 0, 80]),
        (OF_TEMPLATES, &[3, 1, 0, 0, 3, 0, 80, 6]),
        (OF_TEMPLATES, &[3, 1, 0, 0, 99, 0, 80, 6]),
    ] {
        let hex: String = list.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(decode(element, list), hex);
    }
}

#[test]
fn an_empty_list_field_is_absent() {
    assert_eq!(decode(BASIC, &[]), Value::Absent.to_string());
}
